//! What masks are read onto: the voxels of a grid, or the pixels of source slices whose distances vary.

use super::source_grid::SourceSlices;
use crate::core::Geometry;
use glam::DVec3;

/// Voxels with a place in the patient, in rows, columns and slices.
pub trait Lattice {
    /// One voxel of this grid for each of the lattice. Its place in the world is the lattice's only for a [`Geometry`].
    fn index_grid(&self) -> Geometry;

    /// The map from LPS millimetres to continuous voxel indices.
    fn index_map(&self) -> Box<dyn Fn(DVec3) -> DVec3 + '_>;
}

impl Lattice for Geometry {
    fn index_grid(&self) -> Geometry {
        *self
    }

    fn index_map(&self) -> Box<dyn Fn(DVec3) -> DVec3 + '_> {
        let voxel_from_world = self.voxel_from_world();
        Box::new(move |point| voxel_from_world.transform_point3(point))
    }
}

impl Lattice for SourceSlices {
    fn index_grid(&self) -> Geometry {
        Self::index_grid(self)
    }

    fn index_map(&self) -> Box<dyn Fn(DVec3) -> DVec3 + '_> {
        Box::new(|point| self.index_from_world(point))
    }
}
