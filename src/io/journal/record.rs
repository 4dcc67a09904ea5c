//! Records: what is written for each entry, and how it is applied again.
//!
//! A record is its length (u32), the CRC-32 of its payload (u32) and the payload, little endian. The first record is
//! the head; every other is an entry: the length of its RON part (u32), that part, then its bricks as a zlib stream.

use super::JournalHead;
use super::pack::pack;
use crate::core::{Brick, BrickIndex, LabelId, LabelMap, Layer, LayerId, Measurement, Origin};
use crate::io::bricks::{BrickReader, filled};
use crate::io::saved::{Fingerprint, LayerMeta, SavedSource};
use flate2::{Crc, bufread::ZlibDecoder};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Start of the file; the digits are the format's version.
pub const MAGIC: &[u8; 8] = b"MWJRNL04";
/// The versions before, without origins, without steps and measurements, and with all labels of every brick: they are read,
/// too.
pub const OLDER_MAGIC: [&[u8; 8]; 3] = [b"MWJRNL01", b"MWJRNL02", b"MWJRNL03"];

/// What happens to a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum LayerChange {
    /// Bricks or description change.
    Edit,
    /// The layer is new, or starts again: it holds nothing but this entry's bricks.
    Put,
    /// The layer is removed.
    Remove,
}

/// What an entry is to the history of steps, which is built again from these marks. An entry without one changes no
/// step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum StepMark {
    /// A step that is this entry alone: labels of one layer, who changed them, and that one's number in the layer's list.
    Labels { name: String, origin: Option<(Origin, LabelId)> },
    /// A step that is this entry and those after it, `entries` in all. With `amends` it takes the place of the step
    /// before it. Layer and segment that were selected before and after.
    Layers { name: String, entries: u32, amends: bool, selected: [(Option<LayerId>, LabelId); 2] },
    /// A step that is this entry alone: the list of measurements; `amends` as above.
    Measurements { name: String, amends: bool },
    /// The last step was taken back.
    Undone,
    /// The next step was done again.
    Redone,
    /// Entries were joined: which steps they were is no longer known.
    Lost,
}

/// One committed change to one layer, or of the measurements.
#[derive(Debug, Clone)]
pub struct JournalEntry {
    pub layer: LayerId,
    pub change: LayerChange,
    /// New description, when it changed.
    pub meta: Option<LayerMeta>,
    /// New content of the bricks that changed; `None` is all background.
    pub bricks: Vec<(BrickIndex, Option<Arc<Brick>>)>,
    /// Likewise where their voxels come from ([`crate::core::Sources`]).
    pub sources: Vec<(BrickIndex, Option<Arc<Brick>>)>,
    /// All measurements of the case, when they changed.
    pub measurements: Option<Vec<Measurement>>,
    pub step: Option<StepMark>,
    /// SHA-256 of the image's samples ([`Fingerprint::hu_sha256`]), when it was not known at the start.
    pub image: Option<String>,
}

impl JournalEntry {
    fn new(layer: LayerId, change: LayerChange) -> Self {
        let (bricks, sources) = (Vec::new(), Vec::new());
        Self { layer, change, meta: None, bricks, sources, measurements: None, step: None, image: None }
    }

    /// The same as a step of the history, or a part of one.
    #[must_use]
    pub fn marked(self, step: StepMark) -> Self {
        Self { step: Some(step), ..self }
    }

    /// A stroke or other edit: the named bricks as they are now.
    pub fn edit(layer: &Layer, changed: &[BrickIndex]) -> Self {
        let bricks = changed.iter().map(|&i| (i, layer.labels.brick(i).cloned())).collect();
        let sources = &layer.work.sources;
        let numbered = changed.iter().filter(|_| sources.map().is_some());
        let sources = numbered.map(|&i| (i, sources.brick(i).cloned())).collect();
        Self { bricks, sources, ..Self::new(layer.id, LayerChange::Edit) }
    }

    /// A new name, segment list, visibility, …
    pub fn describe(layer: &Layer) -> Self {
        Self { meta: Some(layer.into()), ..Self::new(layer.id, LayerChange::Edit) }
    }

    /// The measurements as they are now.
    pub fn measure(measurements: &[Measurement]) -> Self {
        // An edit of no layer: layers are numbered from 1.
        Self { measurements: Some(measurements.to_vec()), ..Self::new(LayerId(0), LayerChange::Edit) }
    }

    /// Which image the work is done on, as soon as that is known: the journal starts without waiting for it.
    pub fn image(fingerprint: &Fingerprint) -> Self {
        // An edit of no layer, which programs that know nothing of it pass over.
        Self { image: Some(fingerprint.hu_sha256.clone()), ..Self::new(LayerId(0), LayerChange::Edit) }
    }

    /// A layer with everything in it.
    pub fn put(layer: &Layer) -> Self {
        let all = |map: &LabelMap| filled(map).map(|(i, b)| (i, Some(b.clone()))).collect();
        let sources = layer.work.sources.map().map_or_else(Vec::new, all);
        Self { meta: Some(layer.into()), bricks: all(&layer.labels), sources, ..Self::new(layer.id, LayerChange::Put) }
    }

    /// A layer that was removed.
    pub fn remove(layer: LayerId) -> Self {
        Self::new(layer, LayerChange::Remove)
    }

    pub(super) fn bytes(&self) -> usize {
        256 + (self.bricks.len() + self.sources.len()) * size_of::<Brick>()
    }
}

/// Merges entries into at most one a layer, in the order in which layers first changed. Their steps are lost.
pub fn merge(entries: Vec<JournalEntry>) -> Vec<JournalEntry> {
    let mut merged: Vec<JournalEntry> = Vec::new();
    for entry in entries {
        match merged.iter_mut().find(|m| m.layer == entry.layer) {
            Some(old) if entry.change == LayerChange::Edit => {
                for (old, new) in [(&mut old.bricks, entry.bricks), (&mut old.sources, entry.sources)] {
                    let mut bricks: BTreeMap<_, _> = std::mem::take(old).into_iter().collect();
                    bricks.extend(new);
                    *old = bricks.into_iter().collect();
                }
                old.meta = entry.meta.or(old.meta.take());
                old.measurements = entry.measurements.or(old.measurements.take());
                old.image = entry.image.or(old.image.take());
            }
            Some(old) => {
                // Both belong to no layer, and so are not replaced with one.
                let (measurements, image) = (old.measurements.take(), old.image.take());
                *old = entry;
                old.measurements = old.measurements.take().or(measurements);
                old.image = old.image.take().or(image);
            }
            None => merged.push(entry),
        }
    }
    merged.iter_mut().for_each(|m| m.step = Some(StepMark::Lost));
    merged
}

/// Applies an entry to a list of layers. An edit of a layer that is not there does nothing.
pub fn apply(layers: &mut Vec<Layer>, empty: &LabelMap, entry: &JournalEntry) {
    let at = layers.iter().position(|l| l.id == entry.layer);
    if entry.change == LayerChange::Remove {
        if let Some(at) = at {
            layers.remove(at);
        }
        return;
    }
    let at = match (at, entry.change, &entry.meta) {
        (Some(at), LayerChange::Edit, _) => at,
        (Some(at), _, _) => {
            layers[at].labels = empty.clone();
            layers[at].work.sources.set_map(None);
            at
        }
        (None, LayerChange::Put, Some(meta)) => {
            layers.push(meta.clone().with_labels(empty.clone()));
            layers.len() - 1
        }
        (None, _, _) => return,
    };
    if let Some(meta) = &entry.meta {
        let Layer { labels, work, .. } = layers.remove(at);
        let mut layer = meta.clone().with_labels(labels);
        layer.work.sources.set_map(work.sources.map().cloned());
        layers.insert(at, layer);
    }
    let layer = &mut layers[at];
    for (index, brick) in &entry.bricks {
        layer.labels.set_brick(*index, brick.clone());
    }
    if !entry.sources.is_empty() {
        let sources = layer.work.sources.map_mut(empty);
        for (index, brick) in &entry.sources {
            sources.set_brick(*index, brick.clone());
        }
    }
}

/// The head as it is stored; the layers follow as entries.
#[derive(Serialize, Deserialize)]
pub struct HeadRecord {
    pub name: String,
    pub source: Option<SavedSource>,
    pub project: Option<PathBuf>,
    pub fingerprint: Fingerprint,
    /// Entries that belong to the snapshot.
    pub layers: u32,
    #[serde(default)]
    pub measurements: Vec<Measurement>,
    /// Format of the project, when it is a later one than this program writes.
    #[serde(default)]
    pub newer_project: Option<u32>,
}

#[derive(Serialize, Deserialize)]
struct EntryHead {
    layer: LayerId,
    change: LayerChange,
    meta: Option<LayerMeta>,
    bricks: u32,
    /// Bricks of sources, which follow those of labels; none in the version before.
    #[serde(default)]
    sources: u32,
    #[serde(default)]
    measurements: Option<Vec<Measurement>>,
    #[serde(default)]
    step: Option<StepMark>,
    #[serde(default)]
    image: Option<String>,
}

fn ron_error(error: impl std::fmt::Display) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error.to_string())
}

/// Bytes of the record of a head with so many layers and these measurements. A source whose path is not text is left
/// out: the masks matter more.
pub fn head_bytes(head: &JournalHead, layers: usize, measurements: &[Measurement], dir: &Path) -> io::Result<Vec<u8>> {
    let mut record = HeadRecord {
        name: head.name.clone(),
        source: head.source.as_ref().map(|s| SavedSource::new(s, dir)),
        project: head.project.as_ref().and_then(|p| std::path::absolute(p).ok()),
        fingerprint: head.fingerprint.clone(),
        layers: layers as u32,
        measurements: measurements.to_vec(),
        newer_project: head.newer_project,
    };
    let text = ron::to_string(&record).or_else(|_| {
        (record.source, record.project) = (None, None);
        ron::to_string(&record)
    });
    frame(text.map_err(ron_error)?.as_bytes())
}

/// Bytes of an entry's record.
pub fn entry_bytes(entry: &JournalEntry) -> io::Result<Vec<u8>> {
    let head = EntryHead {
        layer: entry.layer,
        change: entry.change,
        meta: entry.meta.clone(),
        bricks: entry.bricks.len() as u32,
        sources: entry.sources.len() as u32,
        measurements: entry.measurements.clone(),
        step: entry.step.clone(),
        image: entry.image.clone(),
    };
    let head = ron::to_string(&head).map_err(ron_error)?;
    let mut payload = (head.len() as u32).to_le_bytes().to_vec();
    payload.extend_from_slice(head.as_bytes());
    let bricks: Vec<_> = entry.bricks.iter().chain(&entry.sources).collect();
    frame(&pack(payload, &bricks)?)
}

fn frame(payload: &[u8]) -> io::Result<Vec<u8>> {
    let length = u32::try_from(payload.len()).map_err(|_| io::ErrorKind::FileTooLarge)?;
    let mut out = Vec::with_capacity(payload.len() + 8);
    out.write_all(&length.to_le_bytes())?;
    out.write_all(&checksum(payload).to_le_bytes())?;
    out.write_all(payload)?;
    Ok(out)
}

/// CRC-32 (IEEE 802.3).
pub fn checksum(payload: &[u8]) -> u32 {
    let mut crc = Crc::new();
    crc.update(payload);
    crc.sum()
}

/// Reads an entry's payload, with the reader of the whole journal; `None` when it is not sound.
pub fn parse_entry(payload: &[u8], empty: &LabelMap, reader: &mut BrickReader) -> Option<JournalEntry> {
    let (length, rest) = payload.split_first_chunk::<4>()?;
    let (head, bricks) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
    let head: EntryHead = ron::de::from_bytes(head).ok()?;
    if head.meta.as_ref().is_some_and(|m| !m.is_sound() || m.id != head.layer) {
        return None;
    }
    if head.bricks.max(head.sources) as usize > empty.brick_count() {
        return None;
    }
    let mut source = ZlibDecoder::new(bricks);
    let mut read = |count| (0..count).map(|_| reader.entry(&mut source, empty)).collect::<io::Result<_>>().ok();
    let (bricks, sources) = (read(head.bricks)?, read(head.sources)?);
    let EntryHead { layer, change, meta, measurements, step, image, .. } = head;
    Some(JournalEntry { layer, change, meta, bricks, sources, measurements, step, image })
}
