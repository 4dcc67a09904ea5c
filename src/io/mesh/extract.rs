//! Walks a label map two slices at a time and collects the surface of a label. Private to `io::mesh`.

use super::cubes::{CASES, edge_place};
use super::{MeshError, Surface};
use crate::core::{LabelId, LabelMap, VoxelBox};
use crate::jobs::JobContext;
use glam::DVec3;

const NONE: u32 = u32::MAX;

/// A slice of the label's box with one voxel of background around it, and the surface's corners on its edges.
struct Slice {
    inside: Vec<bool>,
    /// Corner on the edge from a voxel to the next along i, and along j.
    across: [Vec<u32>; 2],
}

struct Walk<'a> {
    labels: &'a LabelMap,
    label: LabelId,
    area: VoxelBox,
    /// Columns and rows of a padded slice.
    size: [usize; 2],
    surface: Surface,
    buffer: Vec<LabelId>,
}

/// The surface around the voxels of `label`; empty where there are none.
pub(super) fn extract<E>(labels: &LabelMap, label: LabelId, ctx: &JobContext<E>) -> Result<Surface, MeshError> {
    let area = labels.label_boxes()[usize::from(label)];
    if label == 0 || area.is_empty() {
        return Ok(Surface::default());
    }
    let [width, height, depth]: [usize; 3] = std::array::from_fn(|a| area.max[a] - area.min[a]);
    let size = [width + 2, height + 2];
    let mut walk = Walk { labels, label, area, size, surface: Surface::default(), buffer: vec![0; width * height] };
    ctx.progress.say("Making the surface");
    ctx.progress.set(0, depth as u64 + 1);
    let mut lower = walk.slice(None);
    let mut between = vec![NONE; size[0] * size[1]];
    for layer in 0..=depth {
        if ctx.is_cancelled() {
            return Err(MeshError::Cancelled);
        }
        let mut upper = walk.slice((layer < depth).then_some(area.min[2] + layer));
        between.fill(NONE);
        walk.layer(layer, &mut [&mut lower, &mut upper], &mut between)?;
        lower = upper;
        ctx.progress.step();
    }
    let world = labels.geometry().world_from_voxel();
    let mut surface = walk.surface;
    surface.vertices.iter_mut().for_each(|v| *v = world.transform_point3(*v));
    if world.matrix3.determinant() < 0.0 {
        // A mirrored grid turns the surface inside out.
        surface.triangles.iter_mut().for_each(|t| t.swap(1, 2));
    }
    Ok(surface)
}

impl Walk<'_> {
    /// Slice `k` of the grid, or background.
    fn slice(&mut self, k: Option<usize>) -> Slice {
        let [columns, rows] = self.size;
        let mut inside = vec![false; columns * rows];
        if let Some(k) = k {
            let VoxelBox { min, max } = self.area;
            let region = VoxelBox { min: [min[0], min[1], k], max: [max[0], max[1], k + 1] };
            self.labels.copy_box(region, &mut self.buffer);
            for (row, line) in self.buffer.chunks_exact(columns - 2).enumerate() {
                let to = (row + 1) * columns + 1;
                for (slot, label) in inside[to..].iter_mut().zip(line) {
                    *slot = *label == self.label;
                }
            }
        }
        let none = || vec![NONE; columns * rows];
        Slice { inside, across: [none(), none()] }
    }

    /// Triangles of the cubes between two slices; the upper one is slice `layer` of the box.
    fn layer(&mut self, layer: usize, slices: &mut [&mut Slice; 2], between: &mut [u32]) -> Result<(), MeshError> {
        let [columns, rows] = self.size;
        for row in 0..rows - 1 {
            for column in 0..columns - 1 {
                let at = row * columns + column;
                let corner = |c: usize| slices[c >> 2].inside[at + (c & 1) + (c >> 1 & 1) * columns];
                let case = (0..8).fold(0, |bits, c| bits | usize::from(corner(c)) << c);
                for triangle in &CASES[case] {
                    let mut corners = [0; 3];
                    for (corner, &edge) in corners.iter_mut().zip(triangle) {
                        let (axis, [x, y, z]) = edge_place(edge);
                        let slot = match axis {
                            2 => &mut between[at + x + y * columns],
                            _ => &mut slices[z].across[axis][at + x + y * columns],
                        };
                        if *slot == NONE {
                            *slot = u32::try_from(self.surface.vertices.len())
                                .ok()
                                .filter(|n| *n != NONE)
                                .ok_or(MeshError::TooLarge)?;
                            // The padded slices begin one voxel before the box.
                            let mut place = DVec3::new((column + x) as f64, (row + y) as f64, (layer + z) as f64);
                            place += DVec3::from_array(self.area.min.map(|m| m as f64)) - DVec3::ONE;
                            place[axis] += 0.5;
                            self.surface.vertices.push(place);
                        }
                        *corner = *slot;
                    }
                    self.surface.triangles.push(corners);
                }
            }
        }
        Ok(())
    }
}
