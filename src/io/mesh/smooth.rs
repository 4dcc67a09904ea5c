//! Smoothing that keeps the volume: Taubin, "A signal processing approach to fair surface design", SIGGRAPH 1995.
//! Private to `io::mesh`.

use super::Surface;
use glam::DVec3;

/// Share of the way to the middle of its neighbours that each corner goes, forth and back. The pass frequency is
/// 1/0.5 - 1/0.53 = 0.11, as in the paper.
const FORTH: f64 = 0.5;
const BACK: f64 = -0.53;

/// One step forth and one back.
pub(super) fn round(surface: &mut Surface) {
    for share in [FORTH, BACK] {
        step(surface, share);
    }
}

fn step(surface: &mut Surface, share: f64) {
    // On a closed surface every neighbour is met once as the next corner of a triangle.
    let mut sums = vec![(DVec3::ZERO, 0u32); surface.vertices.len()];
    for &[a, b, c] in &surface.triangles {
        for (from, to) in [(a, b), (b, c), (c, a)] {
            let sum = &mut sums[from as usize];
            sum.0 += surface.vertices[to as usize];
            sum.1 += 1;
        }
    }
    for (vertex, (sum, count)) in surface.vertices.iter_mut().zip(sums) {
        if count > 0 {
            *vertex += (sum / f64::from(count) - *vertex) * share;
        }
    }
}
