//! Exact nearest-site search on slanted grids (tilted gantry), where axes do not separate: a k-d tree of the sites'
//! positions in mm (Bentley, "Multidimensional binary search trees used for associative searching", 1975).

use super::crop::Surface;
use glam::{DMat3, DVec3};

/// Ranges this short are searched one by one.
const LEAF: usize = 8;

#[derive(Clone, Copy)]
struct Site {
    position: DVec3,
    voxel: [usize; 3],
}

/// Sites in the order of a balanced tree: the middle of a range splits it along the axis of its depth.
pub(super) struct SiteTree {
    axes: DMat3,
    sites: Vec<Site>,
}

impl SiteTree {
    /// `axes` has the voxel steps in mm as columns.
    pub fn new(surface: &Surface, axes: DMat3) -> Self {
        let mut sites: Vec<Site> = surface
            .planes
            .iter()
            .enumerate()
            .flat_map(|(k, plane)| plane.iter().map(move |&[i, j]| [usize::from(i), usize::from(j), k]))
            .map(|voxel| Site { position: position(axes, voxel), voxel })
            .collect();
        arrange(&mut sites, 0);
        Self { axes, sites }
    }

    /// Squared distance to the nearest site and the site; infinite when there is none.
    pub fn nearest(&self, [i, j]: [u16; 2], k: usize) -> (f64, [usize; 3]) {
        let mut best = (f64::INFINITY, [0; 3]);
        search(&self.sites, 0, position(self.axes, [usize::from(i), usize::from(j), k]), &mut best);
        best
    }
}

fn position(axes: DMat3, voxel: [usize; 3]) -> DVec3 {
    axes * DVec3::from_array(voxel.map(|v| v as f64))
}

fn arrange(sites: &mut [Site], depth: usize) {
    if sites.len() <= LEAF {
        return;
    }
    let axis = depth % 3;
    let middle = sites.len() / 2;
    sites.select_nth_unstable_by(middle, |a, b| a.position[axis].total_cmp(&b.position[axis]));
    let (before, rest) = sites.split_at_mut(middle);
    rayon::join(|| arrange(before, depth + 1), || arrange(&mut rest[1..], depth + 1));
}

fn search(sites: &[Site], depth: usize, from: DVec3, best: &mut (f64, [usize; 3])) {
    let mut look = |site: &Site| {
        let squared = site.position.distance_squared(from);
        if squared < best.0 {
            *best = (squared, site.voxel);
        }
    };
    if sites.len() <= LEAF {
        sites.iter().for_each(look);
        return;
    }
    let middle = sites.len() / 2;
    look(&sites[middle]);
    let aside = from[depth % 3] - sites[middle].position[depth % 3];
    let (before, after) = (&sites[..middle], &sites[middle + 1..]);
    let (near, far) = if aside < 0.0 { (before, after) } else { (after, before) };
    search(near, depth + 1, from, best);
    if aside * aside < best.0 {
        search(far, depth + 1, from, best);
    }
}
