//! Operations on a segment as values: what is asked for, who watches, what can go wrong.
//!
//! [`Operation::run`] is pure: it changes the map it is given and nothing else, and what it changes is its delta. It
//! may take a second on a large volume, so the workspace runs it on a snapshot and off the window's thread.

use super::cut::Cut;
use super::islands::Islands;
use super::{Connectivity, Delta, PaintRule};
use super::{adopt, combine, fill, grow, holes, interpolate, islands, lasso, seeds, smooth, turned};
use crate::core::{LabelId, LabelMap, Layer, TurnedPlane, Volume};
use glam::DVec3;
use std::sync::Arc;

/// Listens to an operation and may stop it.
pub trait Watch: Sync {
    /// Whether to stop as soon as possible.
    fn cancelled(&self) -> bool;
    /// How far the present part of the work is, `0..=1`.
    fn progress(&self, fraction: f32);
}

/// For operations that are over at once.
#[derive(Debug, Clone, Copy)]
pub struct NoWatch;

impl Watch for NoWatch {
    fn cancelled(&self) -> bool {
        false
    }
    fn progress(&self, _: f32) {}
}

/// Why an operation was not done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    /// The watcher asked to stop.
    #[error("The operation was cancelled.")]
    Cancelled,
    /// The operation looks at the image, and there is none.
    #[error("The image is still being read; try again when all slices are here.")]
    ImageMissing,
    /// Nothing carries the segment's label.
    #[error("The segment is empty: paint something first.")]
    EmptySegment,
    /// Interpolation found fewer than two slices, or no gap between them.
    #[error("There is nothing to fill: draw the segment on at least two slices of this plane with empty ones between.")]
    NoGap,
    /// A place outside the grid.
    #[error("This place lies outside the image.")]
    Outside,
    /// The clicked voxel does not belong to the segment.
    #[error("There is no part of the segment at this place: click on one.")]
    NoIsland,
    /// Region growing may not start here.
    #[error(
        "The paint rules do not allow a region at this place: look at the value range and at what may be overwritten."
    )]
    SeedForbidden,
    /// The bucket was emptied outside of any closed outline.
    #[error("This area is open to the border of the slice: close its outline first.")]
    OpenOutline,
    /// The bucket was emptied into its own segment.
    #[error("This place belongs to the segment already.")]
    AlreadyFilled,
    /// Growing from seeds with fewer than two segments that may grow.
    #[error("Growing from seeds needs strokes of at least two unlocked segments: one may stand for the background.")]
    FewSeeds,
    /// No label is left for a part that is split off.
    #[error("All 255 labels of this layer are in use: delete a segment first.")]
    NoLabel,
    /// The ball of a smoothing holds too many voxels.
    #[error("The radius is too large for these voxels: choose a smaller one.")]
    TooLarge,
    /// A contour with fewer than three corners, or with a corner that is no number.
    #[error("A contour needs at least three corners.")]
    NoContour,
    /// What is counted slice by slice was asked for on a turned plane.
    #[error("This works on straight planes and on the whole volume: straighten the planes first.")]
    StraightOnly,
}

/// Where an operation works.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Extent {
    /// The whole volume, in three dimensions.
    Volume,
    /// One slice across a voxel axis, in two dimensions.
    Slice { axis: usize, index: usize },
    /// The voxels that a turned plane cuts.
    Turned(TurnedPlane),
}

/// What a drawn contour does with its inside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LassoMode {
    Add,
    Remove,
    /// Removes the segment outside the contour.
    KeepInside,
    /// Makes what of the segment lies inside a segment of its own, with this label; with 0 the workspace chooses one.
    Split {
        label: LabelId,
    },
}

/// Smoothing with a ball of a radius in mm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Smoothing {
    /// Each voxel becomes what most voxels of the ball around it are.
    Median,
    /// Fills gaps and dents narrower than the ball (dilation, then erosion).
    Closing,
    /// Takes off bridges and spikes narrower than the ball (erosion, then dilation).
    Opening,
    /// Each voxel gets the label that most voxels of the ball around it have: all segments at once, without gaps.
    Joint,
}

/// How another segment acts on the active one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Logic {
    /// Adds the other's voxels.
    Union,
    /// Keeps only what lies in the other too.
    Intersect,
    /// Takes the other's voxels away.
    Subtract,
    /// Keeps and adds what lies in one of the two alone.
    Xor,
    /// Becomes what the other is.
    Copy,
}

/// What can be done to a segment. Lengths in mm, places in voxels, values in HU.
#[derive(Debug, Clone, PartialEq)]
pub enum Operation {
    /// A contour drawn on a slice: corners as continuous voxel positions.
    Lasso {
        corners: Vec<DVec3>,
        axis: usize,
        index: usize,
        mode: LassoMode,
        /// Through all slices across the axis, as with scissors, and not on this one alone.
        through: bool,
    },
    /// A contour drawn on a turned plane: corners as continuous voxel positions, seen along the plane's normal.
    LassoOn {
        corners: Vec<DVec3>,
        plane: TurnedPlane,
        mode: LassoMode,
        /// Through the whole volume along the normal, and not only what the plane cuts.
        through: bool,
    },
    /// Paints the area around a voxel of a slice that carries its label, which must be closed.
    Fill {
        seed: [usize; 3],
        axis: usize,
    },
    /// As [`Self::Fill`] among the voxels that a turned plane cuts.
    FillOn {
        seed: [usize; 3],
        plane: TurnedPlane,
    },
    /// Lets all unlocked segments spread until they meet; one may stand for the background.
    Seeds {
        background: Option<LabelId>,
    },
    /// Paints every voxel within the range, both ends included.
    Threshold {
        range: [i16; 2],
        extent: Extent,
    },
    /// Paints what hangs together with the seed and differs from it by at most the tolerance.
    Grow {
        seed: [usize; 3],
        tolerance: i16,
        extent: Extent,
    },
    /// Keeps, removes or splits connected parts.
    Islands {
        what: Islands,
        connectivity: Connectivity,
        extent: Extent,
    },
    /// Fills what the segment encloses: in the volume, in one slice, or with `planes` in every slice across an axis.
    FillHoles {
        extent: Extent,
        planes: Option<usize>,
    },
    /// Fills the empty slices between drawn ones across an axis.
    Interpolate {
        axis: usize,
    },
    /// Makes the segment on slice `to` what it is on slice `from`.
    CopySlice {
        axis: usize,
        from: usize,
        to: usize,
    },
    Smooth {
        how: Smoothing,
        radius_mm: f64,
        extent: Extent,
    },
    /// Grows the segment on all sides, or with a negative length shrinks it.
    Margin {
        mm: f64,
        extent: Extent,
    },
    /// Takes over the labels of a map on the same grid, all segments at once.
    Adopt {
        other: LabelMap,
        /// For each of its 256 labels the label it gets here.
        table: Vec<LabelId>,
        /// The layer whose touched voxels and finished slices stay as they are; `None` spares nothing.
        keep: Option<Arc<Layer>>,
    },
    /// Combines with a segment of a map on the same grid.
    Combine {
        how: Logic,
        other: LabelMap,
        label: LabelId,
    },
    /// Makes the segment what it was not, and takes what it was away.
    Invert,
    /// Takes all of the segment away.
    Clear,
}

/// What an operation did.
#[derive(Debug, Clone, Default)]
pub struct Edited {
    pub delta: Delta,
    /// Labels that came into use, of those offered for splitting.
    pub new_labels: Vec<LabelId>,
}

impl From<Delta> for Edited {
    fn from(delta: Delta) -> Self {
        Self { delta, new_labels: Vec::new() }
    }
}

impl Operation {
    /// What was done, as the menu says it before the segment's name ("Fill holes: liver").
    pub fn name(&self) -> &'static str {
        match self {
            Self::Lasso { mode: LassoMode::Add, .. } | Self::LassoOn { mode: LassoMode::Add, .. } => "Draw",
            Self::Lasso { mode: LassoMode::Remove, .. } | Self::LassoOn { mode: LassoMode::Remove, .. } => "Cut",
            Self::Lasso { mode: LassoMode::KeepInside, .. } | Self::LassoOn { mode: LassoMode::KeepInside, .. } => {
                "Keep inside"
            }
            Self::Lasso { mode: LassoMode::Split { .. }, .. } | Self::LassoOn { mode: LassoMode::Split { .. }, .. } => {
                "Split off"
            }
            Self::Fill { .. } | Self::FillOn { .. } => "Fill area",
            Self::Seeds { .. } => "Grow from seeds",
            Self::Threshold { .. } => "Threshold",
            Self::Grow { .. } => "Grow region",
            Self::Islands { what, .. } => what.name(),
            Self::FillHoles { .. } => "Fill holes",
            Self::Interpolate { .. } => "Fill between slices",
            Self::CopySlice { .. } => "Copy slice",
            Self::Smooth { how: Smoothing::Median, .. } => "Smooth",
            Self::Smooth { how: Smoothing::Closing, .. } => "Close",
            Self::Smooth { how: Smoothing::Opening, .. } => "Open",
            Self::Smooth { how: Smoothing::Joint, .. } => "Smooth jointly",
            Self::Margin { mm, .. } if *mm < 0.0 => "Shrink",
            Self::Margin { .. } => "Grow margin",
            Self::Adopt { keep: Some(_), .. } => "Fill what nobody touched",
            Self::Adopt { keep: None, .. } => "Take over a layer",
            Self::Combine { how: Logic::Union, .. } => "Union",
            Self::Combine { how: Logic::Intersect, .. } => "Intersect",
            Self::Combine { how: Logic::Subtract, .. } => "Subtract",
            Self::Combine { how: Logic::Xor, .. } => "Exclusive or",
            Self::Combine { how: Logic::Copy, .. } => "Copy into",
            Self::Invert => "Invert",
            Self::Clear => "Clear",
        }
    }

    /// Whether it needs no job: it looks at one slice alone.
    pub fn is_quick(&self) -> bool {
        match self {
            Self::Lasso { through, .. } | Self::LassoOn { through, .. } => !through,
            Self::Fill { .. } | Self::CopySlice { .. } => true,
            Self::Threshold { extent, .. } | Self::Grow { extent, .. } => matches!(extent, Extent::Slice { .. }),
            _ => false,
        }
    }

    /// Whether it acts on several segments: its preview shows their colours.
    pub fn is_joint(&self) -> bool {
        matches!(self, Self::Seeds { .. } | Self::Adopt { .. } | Self::Smooth { how: Smoothing::Joint, .. })
    }

    /// Does it to the segment `rule.label`: what it adds follows `rule`, what it takes away the same locks and limits.
    ///
    /// # Errors
    /// [`EditError`]; the map is then as it was.
    pub fn run(
        &self,
        map: &mut LabelMap,
        rule: &PaintRule,
        image: Option<&Volume>,
        watch: &dyn Watch,
    ) -> Result<Edited, EditError> {
        let before = map.clone();
        let done = match self {
            Self::Lasso { corners, axis, index, mode, through } => {
                let contour = lasso::Drawn { corners, axis: *axis, index: *index, through: *through };
                lasso::lasso(map, rule, &contour, *mode, watch)
            }
            Self::LassoOn { corners, plane, mode, through } => {
                turned::lasso(map, rule, corners, plane, *mode, *through, watch)
            }
            Self::Fill { seed, axis } => fill::fill(map, rule, *seed, *axis, watch).map(Edited::from),
            Self::FillOn { seed, plane } => turned::fill(map, rule, *seed, plane, watch).map(Edited::from),
            Self::Seeds { background } => {
                seeds::grow_from_seeds(map, rule, image, *background, watch).map(Edited::from)
            }
            Self::Threshold { range, extent } => {
                grow::threshold(map, rule, image, *range, *extent, watch).map(Edited::from)
            }
            Self::Grow { seed, tolerance, extent } => {
                grow::grow(map, rule, image, *seed, *tolerance, *extent, watch).map(Edited::from)
            }
            Self::Islands { what, connectivity, extent } => {
                islands::islands(map, rule, what, *connectivity, *extent, watch)
            }
            Self::FillHoles { extent, planes } => {
                holes::fill_holes(map, rule, *extent, *planes, watch).map(Edited::from)
            }
            Self::Interpolate { axis } => interpolate::interpolate(map, rule, *axis, watch).map(Edited::from),
            Self::CopySlice { axis, from, to } => {
                interpolate::copy_slice(map, rule, *axis, [*from, *to], watch).map(Edited::from)
            }
            Self::Smooth { how, radius_mm, extent } => {
                smooth::smooth(map, rule, *how, *radius_mm, *extent, watch).map(Edited::from)
            }
            Self::Margin { mm, extent } => smooth::margin(map, rule, *mm, *extent, watch).map(Edited::from),
            Self::Adopt { other, table, keep } => {
                adopt::adopt(map, rule, other, table, keep.as_deref(), watch).map(Edited::from)
            }
            Self::Combine { how, other, label } => {
                combine::combine(map, rule, *how, other, *label, watch).map(Edited::from)
            }
            Self::Invert => combine::invert(map, rule, watch).map(Edited::from),
            Self::Clear => combine::clear(map, rule, watch).map(Edited::from),
        };
        if done.is_err() {
            *map = before;
        }
        done
    }
}

impl Extent {
    /// What a turned plane leaves of 16 voxels from the one given on; all of them where there is none.
    ///
    /// # Errors
    /// [`EditError::Outside`] for a plane that is none.
    pub(super) fn cut(self, map: &LabelMap) -> Result<impl Fn([usize; 3]) -> u16 + Sync + use<>, EditError> {
        let cut = match self {
            Self::Turned(plane) => Some(Cut::of(map.geometry(), &plane).ok_or(EditError::Outside)?),
            Self::Volume | Self::Slice { .. } => None,
        };
        Ok(move |voxel: [usize; 3]| cut.map_or(u16::MAX, |cut| cut.band.bits16(voxel)))
    }

    /// The voxels it covers, or `None` when there is no such slice; of a turned plane the box around all it may cut.
    pub(super) fn region(self, dims: [usize; 3]) -> Option<crate::core::VoxelBox> {
        let mut region = crate::core::VoxelBox { min: [0; 3], max: dims };
        if let Self::Slice { axis, index } = self {
            if axis > 2 || index >= dims[axis] {
                return None;
            }
            (region.min[axis], region.max[axis]) = (index, index + 1);
        }
        Some(region)
    }
}
