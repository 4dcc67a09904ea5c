//! Builds a label map voxel by voxel while counting overlaps, for the mask readers. Private to `io::dicom`.

use crate::core::{Geometry, LabelId, LabelMap};
use crate::io::{Finding, Severity};

pub(super) fn finding(severity: Severity, code: &'static str, text: impl Into<String>) -> Finding {
    Finding { severity, code, text: text.into(), file: None }
}

/// Writes labels; a later label wins where two meet.
pub(super) struct Painter {
    pub labels: LabelMap,
    /// Voxels that two labels claim.
    pub overlaps: u64,
    painted: bool,
}

impl Painter {
    pub fn new(geometry: Geometry) -> Self {
        Self { labels: LabelMap::empty(geometry), overlaps: 0, painted: false }
    }

    /// Labels a voxel of the grid.
    pub fn paint(&mut self, voxel: [usize; 3], label: LabelId) {
        let index = self.labels.brick_of(voxel);
        let slot = &mut self.labels.brick_mut(index)[LabelMap::offset_in_brick(voxel)];
        if *slot != 0 && *slot != label {
            self.overlaps += 1;
        }
        *slot = label;
        self.painted = true;
    }

    /// Whether nothing was painted.
    pub fn is_blank(&self) -> bool {
        !self.painted
    }

    pub fn overlap_finding(&self) -> Finding {
        let text =
            format!("{} voxel(s) belong to more than one region; the later region is kept there.", self.overlaps);
        finding(Severity::Warning, "overlapping-labels", text)
    }
}
