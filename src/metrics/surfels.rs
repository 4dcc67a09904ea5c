//! Surface elements on the dual grid, as DeepMind's surface-distance has them: one at each corner between voxels where
//! mask and background meet, with the area that marching cubes would give it (in a slice, the length of contour).

use super::crop::{CroppedMask, Surface};
use rayon::prelude::*;

/// Normals of the triangles of a corner, in eighths of a voxel edge along x0 x1 x2 (k, j, i) without sign.
const NORMALS: [[f64; 3]; 9] = [
    [1.0, 1.0, 1.0],
    [2.0, 2.0, 2.0],
    [3.0, 3.0, 3.0],
    [0.0, 2.0, 2.0],
    [2.0, 0.0, 2.0],
    [2.0, 2.0, 0.0],
    [4.0, 0.0, 0.0],
    [0.0, 4.0, 0.0],
    [0.0, 0.0, 4.0],
];

/// The 27 sets of triangles that occur, as indices of [`NORMALS`].
const SETS: [&[u8]; 27] = [
    &[],
    &[0],
    &[5, 5],
    &[4, 4],
    &[0, 0],
    &[0, 1, 6],
    &[6, 6],
    &[3, 3],
    &[7, 0, 1],
    &[8, 0, 1],
    &[0, 0, 0],
    &[0, 0, 1, 1],
    &[3, 3, 0],
    &[0, 4, 4],
    &[3, 0, 4, 2],
    &[0, 5, 5],
    &[3, 0, 5, 2],
    &[0, 0, 1, 6],
    &[7, 7],
    &[0, 4, 5, 2],
    &[7, 0, 0, 1],
    &[5, 5, 5, 5],
    &[8, 8],
    &[8, 0, 0, 1],
    &[4, 4, 4, 4],
    &[3, 3, 3, 3],
    &[0, 0, 0, 0],
];

/// Set of the neighbour codes 0 to 127, as letters from `A`; the complement of a code has the same.
const SET_OF: &[u8; 128] = b"ABBCBDEFBEDFCFFGBHEIEJKLEMNOPQRFBEHIENMOEKJLPRQFCIISPTUIPUTIVPPCBEEPHJMQEKNRILOFDJNTJWXJNXYNTJNDEKMUMXZMK[XKUKMEFLOIQJMHRKNEPEEB";

/// Area of the surface element of each of the 256 neighbour codes; `spacing` along i, j, k.
fn areas(spacing: [f64; 3]) -> [f64; 256] {
    let [x2, x1, x0] = spacing;
    let area = |n: &[f64; 3]| {
        let n = [n[0] * x1 * x2, n[1] * x0 * x2, n[2] * x0 * x1];
        n.iter().map(|v| v * v).sum::<f64>().sqrt() / 8.0
    };
    std::array::from_fn(|code| {
        let set = SET_OF[code.min(255 - code)] - b'A';
        SETS[usize::from(set)].iter().map(|n| area(&NORMALS[usize::from(*n)])).sum()
    })
}

/// Length of contour of each of the 16 neighbour codes of a slice.
fn lengths(spacing: [f64; 3]) -> [f64; 16] {
    let [across, down, _] = spacing;
    let diagonal = 0.5 * across.hypot(down);
    std::array::from_fn(|code| match code {
        0 | 15 => 0.0,
        3 | 12 => across,
        5 | 10 => down,
        6 | 9 => 2.0 * diagonal,
        _ => diagonal,
    })
}

/// Surface elements in the order of their planes. Corner `[i, j, k]` lies at the low corner of voxel `[i, j, k]`.
pub(super) struct Surfels {
    pub surface: Surface,
    pub weights: Vec<f64>,
}

impl Surfels {
    /// Those of a mask in its box.
    pub fn of_volume(mask: &CroppedMask, spacing: [f64; 3]) -> Self {
        let table = areas(spacing);
        let [nx, ny, nz] = mask.size();
        let none = vec![0; nx * ny];
        let plane = |k: usize| if k < nz { mask.plane(k) } else { none.as_slice() };
        let planes: Vec<(Vec<[u16; 2]>, Vec<f64>)> = (0..=nz)
            .into_par_iter()
            .map(|k| {
                let (below, above) = (plane(k.wrapping_sub(1)), plane(k));
                corners([nx, ny], |at| {
                    let code = usize::from(quad(below, nx, ny, at)) << 4 | usize::from(quad(above, nx, ny, at));
                    (code != 0 && code != 255).then(|| table[code])
                })
            })
            .collect();
        Self::joined(planes)
    }

    /// Those of plane `k` alone.
    pub fn of_slice(mask: &CroppedMask, k: usize, spacing: [f64; 3]) -> Self {
        let table = lengths(spacing);
        let [nx, ny, _] = mask.size();
        let plane = mask.plane(k);
        Self::joined(vec![corners([nx, ny], |at| {
            let code = usize::from(quad(plane, nx, ny, at));
            (code != 0 && code != 15).then(|| table[code])
        })])
    }

    fn joined(planes: Vec<(Vec<[u16; 2]>, Vec<f64>)>) -> Self {
        let mut weights = Vec::new();
        let mut surface = Surface { planes: Vec::with_capacity(planes.len()) };
        for (points, areas) in planes {
            surface.planes.push(points);
            weights.extend(areas);
        }
        Self { surface, weights }
    }
}

/// The four voxels around a corner of one plane: 8 and 4 in the row above, 2 and 1 in the row below.
fn quad(plane: &[u8], nx: usize, ny: usize, [i, j]: [usize; 2]) -> u8 {
    let at = |i: usize, j: usize| if i < nx && j < ny { plane[j * nx + i] } else { 0 };
    let (left, up) = (i.wrapping_sub(1), j.wrapping_sub(1));
    at(left, up) << 3 | at(i, up) << 2 | at(left, j) << 1 | at(i, j)
}

fn corners([nx, ny]: [usize; 2], weight: impl Fn([usize; 2]) -> Option<f64>) -> (Vec<[u16; 2]>, Vec<f64>) {
    let (mut points, mut weights) = (Vec::new(), Vec::new());
    for j in 0..=ny {
        for i in 0..=nx {
            if let Some(w) = weight([i, j]) {
                points.push([i as u16, j as u16]);
                weights.push(w);
            }
        }
    }
    (points, weights)
}
