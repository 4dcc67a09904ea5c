//! A case: one volume and the label layers over it.

use super::{Geometry, LabelId, LabelMap, Segment, Volume, Work};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Identifies a case within the running program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct CaseId(pub u64);

/// Identifies a layer within the running program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct LayerId(pub u64);

/// Where a layer came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Origin {
    /// Drawn here.
    Human,
    /// Predicted by a checkpoint of a run (names, never paths).
    Model { run: String, checkpoint: String },
    /// Read from a file (its file name, without folders).
    Imported { file: String },
}

/// One label map over the case's volume, on the same grid.
#[derive(Debug, Clone, PartialEq)]
pub struct Layer {
    pub id: LayerId,
    pub name: String,
    pub labels: LabelMap,
    pub segments: Vec<Segment>,
    pub origin: Origin,
    pub visible: bool,
    /// A person looked at it as it is now and found it right. Any change of its voxels takes the mark away.
    pub reviewed: bool,
    /// Slices that are done, notes, and where voxels come from.
    pub work: Work,
}

impl Layer {
    /// A visible layer on which nobody has worked yet.
    pub fn new(id: LayerId, name: impl Into<String>, labels: LabelMap, segments: Vec<Segment>, origin: Origin) -> Self {
        Self { id, name: name.into(), labels, segments, origin, visible: true, reviewed: false, work: Work::default() }
    }

    /// The segment with label `id`.
    pub fn segment(&self, id: LabelId) -> Option<&Segment> {
        self.segments.iter().find(|s| s.id == id)
    }

    /// The lowest label not in use, or `None` when all 255 are.
    pub fn free_label(&self) -> Option<LabelId> {
        (1..=u8::MAX).find(|id| self.segment(*id).is_none())
    }
}

/// A volume with its layers. `name` is safe to show and to log: it is never a patient's name.
///
/// Every layer has the case's grid.
#[derive(Debug, Clone)]
pub struct Case {
    pub id: CaseId,
    pub name: String,
    pub geometry: Geometry,
    /// `None` while slices are still being read.
    pub volume: Option<Arc<Volume>>,
    pub layers: Vec<Layer>,
}

impl Case {
    /// The layer with id `id`.
    pub fn layer(&self, id: LayerId) -> Option<&Layer> {
        self.layers.iter().find(|l| l.id == id)
    }

    /// Mutable access for the module that applies commands.
    pub fn layer_mut(&mut self, id: LayerId) -> Option<&mut Layer> {
        self.layers.iter_mut().find(|l| l.id == id)
    }
}
