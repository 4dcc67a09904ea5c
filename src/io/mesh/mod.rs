//! Surfaces of segments in millimetres, as STL and OBJ.
//!
//! `cubes` says how a surface passes through eight neighbouring voxels, `extract` walks the label map slice by slice,
//! `smooth` takes the steps out where that is asked for, `write` makes files. World coordinates are LPS millimetres as
//! everywhere in the program, and the files say so in the words that 3D Slicer reads. Only `io` calls this.

mod cubes;
mod extract;
mod smooth;
mod write;

pub use write::{SurfaceKind, save_surfaces};

use crate::core::{LabelId, LabelMap};
use crate::io::atomic::plain_reason;
use crate::jobs::JobContext;
use glam::DVec3;
use std::io;
use std::path::PathBuf;

/// Why a surface could not be made or written.
#[derive(Debug, thiserror::Error)]
pub enum MeshError {
    /// There is nothing to go around.
    #[error("{} was not saved: there is no voxel to make a surface of; choose a segment that is painted", .0.display())]
    Empty(PathBuf),
    /// STL knows no parts.
    #[error("{} was not saved: an STL file holds one surface; name one segment, or choose .obj", .0.display())]
    SeveralSegments(PathBuf),
    /// More corners than the indices of a mesh can count.
    #[error("the surface has more than {} corners, which cannot be held; export a smaller segment", u32::MAX)]
    TooLarge,
    #[error("{} was not saved: {}; choose another place or free some space", path.display(), plain_reason(source))]
    Write { path: PathBuf, source: io::Error },
    /// The caller asked to stop.
    #[error("making the surface was stopped")]
    Cancelled,
}

/// A closed surface: every edge belongs to two triangles, and seen from outside they run counter-clockwise.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Surface {
    /// LPS mm.
    pub vertices: Vec<DVec3>,
    /// Indices of vertices.
    pub triangles: Vec<[u32; 3]>,
}

impl Surface {
    /// Enclosed volume in mm^3.
    pub fn volume(&self) -> f64 {
        // Measured from a corner of the surface itself: far from the origin digits would be lost.
        let origin = self.vertices.first().copied().unwrap_or(DVec3::ZERO);
        let at = |n: u32| self.vertices.get(n as usize).copied().unwrap_or(origin) - origin;
        self.triangles.iter().map(|&[a, b, c]| at(a).dot(at(b).cross(at(c)))).sum::<f64>() / 6.0
    }
}

/// The surface around the voxels of `label`, through the middle between voxel centres inside and outside (Lorensen and
/// Cline, "Marching cubes", 1987), then smoothed by so many `rounds` (see [`smooth`]); none leaves it as it is.
///
/// Reads two slices at a time. Where voxels meet at an edge or corner only, they are kept apart, which makes the
/// surface closed everywhere. Its corners cut those of the voxels: a lone voxel keeps a sixth of its volume, a ball of
/// 25 mm in voxels of 1 mm loses a thousandth.
///
/// # Errors
/// [`MeshError::TooLarge`], [`MeshError::Cancelled`].
pub fn surface_of<E>(
    labels: &LabelMap,
    label: LabelId,
    rounds: usize,
    ctx: &JobContext<E>,
) -> Result<Surface, MeshError> {
    let mut surface = extract::extract(labels, label, ctx)?;
    for _ in 0..rounds {
        if ctx.is_cancelled() {
            return Err(MeshError::Cancelled);
        }
        smooth::round(&mut surface);
    }
    Ok(surface)
}

#[cfg(test)]
mod tests;
