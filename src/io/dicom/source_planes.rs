//! A mask on the slices of its series, as the writers of segmentations and structure sets ask for it. Private to
//! `io::dicom`. Where the slices lie and how labels get there is `source_grid`'s.

use super::error::DicomError;
use super::source_grid::SourceFrames;
use super::spacing::{gaps, median, missing};
use crate::core::{LabelId, LabelMap, Segment};
use crate::io::{DicomStack, SliceFile};
use glam::{DVec2, DVec3};
use std::collections::HashSet;
use std::path::Path;

/// A segment of a mask, and the layer that it is drawn on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Drawn<'a> {
    pub layer: usize,
    pub segment: &'a Segment,
}

/// The layers of a mask, at least one, on the slices of their series.
pub(super) struct PlaneLayers<'a> {
    layers: Vec<PlaneMask<'a>>,
    /// Which labels each slice of each layer holds.
    presence: Vec<Vec<[bool; 256]>>,
    /// In the order in which they are written: by label where no label is on two layers, else layer by layer.
    pub segments: Vec<Drawn<'a>>,
}

impl<'a> PlaneLayers<'a> {
    /// # Errors
    /// [`DicomError::Write`] for `path` when a layer is on another grid than the series, the series has no slices, there
    /// is no segment, or a painted label has none.
    pub fn new(
        path: &'a Path,
        layers: &[(&'a LabelMap, &'a [Segment])],
        stack: &'a DicomStack,
    ) -> Result<Self, DicomError> {
        let refuse = |reason: String| Err(DicomError::Write { file: path.into(), reason });
        let mut masks = Vec::new();
        let mut all = Vec::new();
        for (layer, &(labels, segments)) in layers.iter().enumerate() {
            let mask = PlaneMask::new(path, labels, stack)?;
            let mut segments: Vec<&Segment> = segments.iter().filter(|s| s.id != 0).collect();
            segments.sort_by_key(|s| s.id);
            segments.dedup_by_key(|s| s.id);
            let counts = mask.frames.labels().counts();
            let known = |label: LabelId| segments.iter().any(|s| s.id == label);
            if let Some(lost) = (1..=u8::MAX).find(|&l| counts[usize::from(l)] > 0 && !known(l)) {
                return refuse(format!("label {lost} is painted but has no segment"));
            }
            all.extend(segments.into_iter().map(|segment| Drawn { layer, segment }));
            masks.push(mask);
        }
        if all.is_empty() {
            return refuse("there is no segment to write".into());
        }
        let mut seen = HashSet::new();
        if all.iter().all(|d| seen.insert(d.segment.id)) {
            all.sort_by_key(|d| d.segment.id);
        }
        let presence = masks.iter().map(PlaneMask::presence).collect();
        Ok(Self { layers: masks, presence, segments: all })
    }

    /// Where the slices lie, which is the same for all layers.
    pub fn planes(&self) -> &PlaneMask<'a> {
        // A mask without layers has no segments and is refused above.
        &self.layers[0]
    }

    /// The labels of one layer.
    pub fn layer(&self, layer: usize) -> &PlaneMask<'a> {
        &self.layers[layer]
    }

    /// Whether a slice holds voxels of a segment.
    pub fn holds(&self, plane: usize, drawn: &Drawn<'_>) -> bool {
        self.presence[drawn.layer][plane][usize::from(drawn.segment.id)]
    }
}

/// Labels on the slices of a series; all slices have one size, orientation and pixel spacing.
pub(super) struct PlaneMask<'a> {
    frames: SourceFrames<'a>,
    stack: &'a DicomStack,
    /// Columns and rows.
    pub size: [usize; 2],
    /// Unit directions of growing column and growing row index, LPS.
    pub directions: [DVec3; 2],
    /// Distance of columns (x) and rows (y) in mm.
    pub spacing: DVec2,
}

impl<'a> PlaneMask<'a> {
    /// The mask of a stack, on the slices that the stack was made of.
    ///
    /// # Errors
    /// [`DicomError::Write`] for `path` when the mask is on another grid than the series, or the series has no slices.
    fn new(path: &'a Path, labels: &'a LabelMap, stack: &'a DicomStack) -> Result<Self, DicomError> {
        let frames = SourceFrames::new(labels, stack).filter(|f| f.slices().count() > 0).ok_or_else(|| {
            let reason = "the mask is on another grid than the series it should refer to".into();
            DicomError::Write { file: path.into(), reason }
        })?;
        let (direction, spacing) = (stack.geometry.direction(), stack.geometry.spacing());
        Ok(Self {
            size: frames.slices().size(),
            directions: [direction.x_axis, direction.y_axis],
            spacing: spacing.truncate(),
            frames,
            stack,
        })
    }

    /// The series.
    pub fn stack(&self) -> &DicomStack {
        self.stack
    }

    /// Number of slices.
    pub fn count(&self) -> usize {
        self.frames.slices().count()
    }

    /// The file of slice `n`.
    pub fn slice(&self, n: usize) -> Option<&SliceFile> {
        self.stack.slices.get(n)
    }

    /// Slices that can be referred to.
    pub fn named(&self) -> impl Iterator<Item = &SliceFile> {
        self.stack.slices.iter().filter(|s| !s.sop_instance_uid.is_empty())
    }

    /// Pixels of a slice.
    pub fn pixels(&self) -> usize {
        self.size[0] * self.size[1]
    }

    /// Fills the labels of slice `n`.
    pub fn read(&self, n: usize, out: &mut [LabelId]) {
        self.frames.read(n, out);
    }

    /// Centre of the first pixel of slice `n`, LPS mm.
    pub fn position(&self, n: usize) -> DVec3 {
        self.frames.slices().position(n).unwrap_or(self.stack.geometry.origin())
    }

    /// LPS millimetres of a point in pixel coordinates of slice `n`.
    pub fn world(&self, n: usize, pixel: DVec2) -> DVec3 {
        let [row, column] = self.directions;
        self.position(n) + row * (pixel.x * self.spacing.x) + column * (pixel.y * self.spacing.y)
    }

    /// Thickness of a slice in mm, where the header of the source does not say it.
    pub fn thickness(&self) -> f64 {
        self.frames.slices().thickness()
    }

    /// Distance of neighbouring slices along the normal, where it is the same everywhere but for slices that are not
    /// there (PS3.3 C.7.6.16.2.1); `None` for a single slice or uneven ones.
    pub fn slice_spacing(&self) -> Option<f64> {
        let [row, column] = self.directions;
        let mut along: Vec<f64> = (0..self.count()).map(|n| self.position(n).dot(row.cross(column))).collect();
        along.sort_by(f64::total_cmp);
        let gaps = gaps(&along);
        (!gaps.is_empty() && missing(&along).is_some()).then(|| median(&gaps))
    }

    /// Which labels each slice holds.
    fn presence(&self) -> Vec<[bool; 256]> {
        let mut labels = vec![0; self.pixels()];
        let present = |n: usize| {
            let mut present = [false; 256];
            self.read(n, &mut labels);
            labels.iter().for_each(|l| present[usize::from(*l)] = true);
            present
        };
        (0..self.count()).map(present).collect()
    }
}
