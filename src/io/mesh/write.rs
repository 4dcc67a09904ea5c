//! Surfaces as files: binary STL and OBJ.

use super::{MeshError, Surface, surface_of};
use crate::core::{LabelMap, Segment};
use crate::io::atomic::{remove_leftovers, write_atomic};
use crate::jobs::JobContext;
use std::io::{self, Write};
use std::path::Path;

/// Kinds of surface file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SurfaceKind {
    /// Binary STL: one surface.
    Stl,
    /// Wavefront OBJ: one object a segment.
    Obj,
}

impl SurfaceKind {
    /// From a path's ending.
    pub fn of(path: &Path) -> Option<Self> {
        let ending = path.extension()?.to_string_lossy().to_ascii_lowercase();
        match ending.as_str() {
            "stl" => Some(Self::Stl),
            "obj" => Some(Self::Obj),
            _ => None,
        }
    }
}

/// What both kinds say of their coordinates; 3D Slicer looks for these words in an STL or OBJ file.
const SPACE: &str = "SPACE=LPS";

/// Writes the surfaces of the painted `segments`, smoothed by so many `rounds`, in LPS mm, and gives back for each
/// segment written the volume of its voxels and of its surface in mm^3.
///
/// # Errors
/// [`MeshError::Empty`] when none is painted, [`MeshError::SeveralSegments`] for more than one painted segment in STL,
/// [`MeshError::Write`], [`MeshError::Cancelled`]; an older file is untouched then.
pub fn save_surfaces<E>(
    path: &Path,
    kind: SurfaceKind,
    labels: &LabelMap,
    segments: &[Segment],
    rounds: usize,
    ctx: &JobContext<E>,
) -> Result<Vec<[f64; 2]>, MeshError> {
    let counts = labels.counts();
    let painted: Vec<&Segment> = segments.iter().filter(|s| s.id != 0 && counts[usize::from(s.id)] > 0).collect();
    if painted.is_empty() {
        return Err(MeshError::Empty(path.to_owned()));
    }
    if kind == SurfaceKind::Stl && painted.len() > 1 {
        return Err(MeshError::SeveralSegments(path.to_owned()));
    }
    let mut surfaces = Vec::new();
    for segment in painted {
        surfaces.push((segment, surface_of(labels, segment.id, rounds, ctx)?));
    }
    remove_leftovers(path);
    let written = write_atomic(path, |w| match kind {
        SurfaceKind::Stl => surfaces.iter().try_for_each(|(_, surface)| write_stl(w, surface)),
        SurfaceKind::Obj => write_obj(w, &surfaces),
    });
    written.map_err(|source| MeshError::Write { path: path.to_owned(), source })?;
    let voxel = labels.geometry().voxel_volume();
    Ok(surfaces.iter().map(|(s, surface)| [counts[usize::from(s.id)] as f64 * voxel, surface.volume()]).collect())
}

/// A head of 80 bytes that must not begin with `solid`, the number of triangles, and for each its normal and corners.
fn write_stl(w: &mut impl Write, surface: &Surface) -> io::Result<()> {
    let mut head = [b' '; 80];
    let text = format!("Maskwright surface {SPACE} UNIT=mm");
    head[..text.len()].copy_from_slice(text.as_bytes());
    w.write_all(&head)?;
    let count = u32::try_from(surface.triangles.len()).map_err(|_| io::ErrorKind::FileTooLarge)?;
    w.write_all(&count.to_le_bytes())?;
    for triangle in &surface.triangles {
        let [a, b, c] = triangle.map(|n| surface.vertices[n as usize]);
        let normal = (b - a).cross(c - a).normalize_or_zero();
        for point in [normal, a, b, c] {
            for value in point.to_array() {
                w.write_all(&(value as f32).to_le_bytes())?;
            }
        }
        w.write_all(&[0, 0])?;
    }
    Ok(())
}

fn write_obj(w: &mut impl Write, surfaces: &[(&Segment, Surface)]) -> io::Result<()> {
    writeln!(w, "# Maskwright surfaces\n# {SPACE}\n# UNIT=mm (x to the patient's left, y to the back, z to the head)")?;
    let mut first = 1;
    for (segment, surface) in surfaces {
        let name: String =
            segment.name.chars().map(|c| if c.is_control() || c.is_whitespace() { '_' } else { c }).collect();
        writeln!(w, "o {}", if name.is_empty() { format!("Segment_{}", segment.id) } else { name })?;
        for v in &surface.vertices {
            writeln!(w, "v {:.5} {:.5} {:.5}", v.x, v.y, v.z)?;
        }
        for triangle in &surface.triangles {
            let [a, b, c] = triangle.map(|n| n as usize + first);
            writeln!(w, "f {a} {b} {c}")?;
        }
        first += surface.vertices.len();
    }
    Ok(())
}
