//! From two masks to the sets of points that a convention measures between, and the search from one to the other.

use super::convention::Convention;
use super::crop::{CroppedMask, Neighbours, OpenSides, Surface, tighten};
use super::distances::{Sample, SurfaceDistances, WorstPoint, figures};
use super::error::MetricError;
use super::nearest::NearestSites;
use super::surfels::Surfels;
use super::tree::SiteTree;
use crate::core::{Geometry, VoxelBox};
use crate::jobs::CancelToken;
use glam::DMat3;
use rayon::prelude::*;

/// How far one voxel is from another.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Measure {
    /// Axes at right angles with these steps.
    Straight([f64; 3]),
    /// Slanted axes: voxel steps as columns.
    Slanted(DMat3),
}

impl Measure {
    /// Millimetres on a grid.
    pub fn of(geometry: &Geometry) -> Self {
        let d = geometry.direction();
        let skew = [d.x_axis.dot(d.y_axis), d.y_axis.dot(d.z_axis), d.z_axis.dot(d.x_axis)];
        // 1e-5 rad moves the far end of a 500 mm field by 0.005 mm; directions in files are rounded to about 1e-6.
        if skew.iter().any(|s| s.abs() > 1e-5) {
            Self::Slanted(geometry.world_from_voxel().matrix3)
        } else {
            Self::Straight(geometry.spacing().to_array())
        }
    }

    fn spacing(self) -> [f64; 3] {
        match self {
            Self::Straight(spacing) => spacing,
            Self::Slanted(axes) => [axes.x_axis, axes.y_axis, axes.z_axis].map(|a| a.length()),
        }
    }
}

/// Where the cropped masks lie and how distances are defined.
#[derive(Debug, Clone, Copy)]
pub(super) struct Frame {
    pub convention: Convention,
    pub measure: Measure,
    /// The box's corner on the grid.
    pub corner: [usize; 3],
    open: OpenSides,
    /// The last voxel of the grid.
    last: [usize; 3],
    /// Two dimensions: neighbours and distances within the slice alone.
    slice: bool,
}

impl Frame {
    /// For masks cropped to `region`.
    pub fn of_volume(geometry: &Geometry, region: VoxelBox, convention: Convention) -> Self {
        let dims = geometry.dims();
        let open = std::array::from_fn(|axis| {
            let is_open = convention == Convention::OpenBorder;
            [is_open && region.min[axis] == 0, is_open && region.max[axis] == dims[axis]]
        });
        Self {
            convention,
            measure: Measure::of(geometry),
            corner: region.min,
            open,
            last: dims.map(|n| n - 1),
            slice: false,
        }
    }

    /// For slice `k` of those masks.
    pub fn of_slice(self, k: usize) -> Self {
        Self { corner: [self.corner[0], self.corner[1], k], slice: true, ..self }
    }

    /// The same in units of the voxel's edges.
    pub fn in_pixels(self) -> Self {
        Self { measure: Measure::Straight([1.0; 3]), ..self }
    }

    fn onto_grid(&self, corner: [usize; 3]) -> [usize; 3] {
        std::array::from_fn(|axis| corner[axis].min(self.last[axis]))
    }

    fn surface(&self, mask: &CroppedMask) -> Surface {
        let all = self.convention == Convention::FullNeighbours;
        let neighbours = match (all, self.slice) {
            (false, false) => Neighbours::Faces,
            (false, true) => Neighbours::InSlice,
            (true, false) => Neighbours::All,
            (true, true) => Neighbours::AllInSlice,
        };
        mask.surface(neighbours, self.open)
    }
}

/// Points to measure from, and points to measure to where those are others.
struct Side {
    queries: Surface,
    sites: Option<Surface>,
    weights: Option<Vec<f64>>,
    zeros: u64,
    /// Whether the mask has any voxel.
    filled: bool,
}

/// Both sides of a measurement in one box.
pub(super) struct PointSets {
    a: Side,
    b: Side,
    /// Points are corners between voxels.
    dual: bool,
}

impl PointSets {
    /// The points of two masks of one box.
    pub fn new(a: &CroppedMask, b: &CroppedMask, frame: &Frame) -> Self {
        let side = |mine: &CroppedMask, other: &CroppedMask| match frame.convention {
            Convention::DeepMind => {
                let spacing = frame.measure.spacing();
                let found =
                    if frame.slice { Surfels::of_slice(mine, 0, spacing) } else { Surfels::of_volume(mine, spacing) };
                let filled = !found.surface.is_empty();
                Side { queries: found.surface, sites: None, weights: Some(found.weights), zeros: 0, filled }
            }
            Convention::SimpleItk => {
                let queries = mine.voxels(Some(other));
                let count = mine.count();
                // On straight axes the voxel nearest to a point outside is one of the surface.
                let sites = match frame.measure {
                    Measure::Straight(_) => frame.surface(mine),
                    Measure::Slanted(_) => mine.voxels(None),
                };
                let zeros = count - queries.len() as u64;
                Side { queries, sites: Some(sites), weights: None, zeros, filled: count > 0 }
            }
            _ => {
                let queries = frame.surface(mine);
                let filled = !queries.is_empty();
                Side { queries, sites: None, weights: None, zeros: 0, filled }
            }
        };
        let (a_side, b_side) = (side(a, b), side(b, a));
        let mut sets = Self { a: a_side, b: b_side, dual: frame.convention == Convention::DeepMind };
        // A mask that fills an image without borders has no surface, and yet is there.
        if frame.convention == Convention::OpenBorder {
            for (side, mask) in [(&mut sets.a, a), (&mut sets.b, b)] {
                side.filled |= mask.count() > 0;
            }
        }
        sets
    }

    /// Measures them in the frame's unit; `tolerances` for the surface Dice in the same.
    ///
    /// # Errors
    /// [`MetricError::Cancelled`].
    pub fn distances(
        mut self,
        frame: &Frame,
        tolerances: &[f64],
        cancel: &CancelToken,
    ) -> Result<SurfaceDistances, MetricError> {
        let count = |s: &Side| s.queries.len() as u64 + s.zeros;
        let (n_a, n_b) = (count(&self.a), count(&self.b));
        if n_a == 0 || n_b == 0 {
            return Ok(match self.a.filled && self.b.filled && n_a == n_b {
                // Both fill the image: nothing is apart.
                true => figures(at_rest(), at_rest(), frame.convention, tolerances),
                false => SurfaceDistances::infinite(n_a, n_b, tolerances, frame.convention),
            });
        }
        let mut sets: Vec<&mut Surface> = vec![&mut self.a.queries, &mut self.b.queries];
        sets.extend(self.a.sites.as_mut());
        sets.extend(self.b.sites.as_mut());
        let (shift, size) = tighten(&mut sets);
        let corner = [frame.corner[0] + shift[0], frame.corner[1] + shift[1], frame.corner[2]];
        // One after the other, so that only one transform is held at a time.
        let toward = |to: &Side| Sites::new(to.sites.as_ref().unwrap_or(&to.queries), size, frame.measure, cancel);
        let from_a = search(&self.a.queries, &toward(&self.b)?, cancel)?;
        let from_b = search(&self.b.queries, &toward(&self.a)?, cancel)?;
        let on_a = from_a.1.squared >= from_b.1.squared;
        let farthest = if on_a { from_a.1 } else { from_b.1 };
        let place = |v: [usize; 3]| std::array::from_fn(|axis| v[axis] + corner[axis]);
        let sample = |side: Side, distances| Sample { distances, weights: side.weights, zeros: side.zeros };
        let (dual, (a, b)) = (self.dual, (self.a, self.b));
        let mut out = figures(sample(a, from_a.0), sample(b, from_b.0), frame.convention, tolerances);
        out.worst = (farthest.squared >= 0.0).then(|| WorstPoint {
            at: place(farthest.at),
            nearest: place(farthest.site),
            on_a,
        });
        if dual {
            // A corner belongs to the voxel above it; the last corner of an axis to the voxel below.
            out.worst =
                out.worst.map(|w| WorstPoint { at: frame.onto_grid(w.at), nearest: frame.onto_grid(w.nearest), ..w });
        }
        Ok(out)
    }
}

/// One point that lies on the other surface: what two masks without a surface are worth that agree.
fn at_rest() -> Sample {
    Sample { distances: vec![0.0], weights: None, zeros: 0 }
}

/// The quickest exact search that the grid allows.
enum Sites {
    Separable(NearestSites),
    Tree(SiteTree),
}

impl Sites {
    fn new(surface: &Surface, size: [usize; 3], measure: Measure, cancel: &CancelToken) -> Result<Self, MetricError> {
        match measure {
            Measure::Straight(spacing) => NearestSites::new(surface, size, spacing, cancel).map(Self::Separable),
            Measure::Slanted(axes) => Ok(Self::Tree(SiteTree::new(surface, axes))),
        }
    }

    fn nearest(&self, voxel: [u16; 2], k: usize) -> (f64, [usize; 3]) {
        match self {
            Self::Separable(sites) => sites.nearest(voxel, k),
            Self::Tree(sites) => sites.nearest(voxel, k),
        }
    }
}

#[derive(Clone, Copy)]
struct Farthest {
    squared: f64,
    at: [usize; 3],
    site: [usize; 3],
}

/// Distances from every query to its nearest site, in the order of the queries, and the farthest pair.
fn search(queries: &Surface, sites: &Sites, cancel: &CancelToken) -> Result<(Vec<f64>, Farthest), MetricError> {
    let nothing = Farthest { squared: f64::NEG_INFINITY, at: [0; 3], site: [0; 3] };
    let planes: Vec<(Vec<f64>, Farthest)> = queries
        .planes
        .par_iter()
        .enumerate()
        .map(|(k, plane)| {
            if cancel.is_cancelled() {
                return Err(MetricError::Cancelled);
            }
            let mut farthest = nothing;
            let distances = plane
                .iter()
                .map(|&p| {
                    let (squared, site) = sites.nearest(p, k);
                    if squared > farthest.squared {
                        farthest = Farthest { squared, at: [usize::from(p[0]), usize::from(p[1]), k], site };
                    }
                    squared.sqrt()
                })
                .collect();
            Ok((distances, farthest))
        })
        .collect::<Result<_, _>>()?;
    let mut all = Vec::with_capacity(queries.len());
    let mut farthest = nothing;
    for (distances, far) in planes {
        all.extend(distances);
        if far.squared > farthest.squared {
            farthest = far;
        }
    }
    Ok((all, farthest))
}

/// Surface voxels of one mask, as coordinates in the box, with the distance to the surface of the other; none where that
/// has no surface.
pub(super) fn nearest_distances(
    from: &CroppedMask,
    to: &CroppedMask,
    frame: &Frame,
    cancel: &CancelToken,
) -> Result<Vec<([usize; 3], f64)>, MetricError> {
    let (mut queries, mut sites) = (frame.surface(from), frame.surface(to));
    if queries.is_empty() || sites.is_empty() {
        return Ok(Vec::new());
    }
    let (shift, size) = tighten(&mut [&mut queries, &mut sites]);
    let found = search(&queries, &Sites::new(&sites, size, frame.measure, cancel)?, cancel)?.0;
    let places = queries.planes.iter().enumerate().flat_map(|(k, plane)| {
        plane.iter().map(move |p| [usize::from(p[0]) + shift[0], usize::from(p[1]) + shift[1], k])
    });
    Ok(places.zip(found).collect())
}
