//! Exact Euclidean distance in mm on grids with unequal spacing.
//!
//! A small ball is laid along every row of the set; a large one is found by distances. Within a plane: the separable transform of Felzenszwalb and Huttenlocher ("Distance transforms of sampled
//! functions", 2012), which keeps the nearest voxel instead of a rounded distance. Through the planes a ball needs no
//! distances: each voxel of a plane knows how many planes away it still lies within the radius, and that number runs
//! out by one from plane to plane. Axes are taken as perpendicular; on a tilted gantry's grid distances are those of
//! the untilted one.

use super::bits::{BitGrid, for_each_bit};
use super::components::each_plane;
use super::operation::{EditError, Watch};
use rayon::prelude::*;

/// A voxel centre on the rim is inside whichever way rounding goes.
const RIM: f64 = 1.0 + 1e-9;

/// A parabola of the lower envelope: it is lowest from `start` on.
struct Parabola {
    row: usize,
    height: f64,
    start: f64,
}

/// For every voxel of a plane of `[nx, ny]` voxels, i fastest, the squared distance in mm to the nearest set bit.
/// Infinite when no bit is set. `rows` are the rows of bits, `spacing` in mm along i and j.
pub(super) fn squared_distances<'a>(
    rows: impl Iterator<Item = &'a [u64]>,
    [nx, ny]: [usize; 2],
    spacing: [f64; 2],
) -> Vec<f64> {
    let mut out = vec![f64::INFINITY; nx * ny];
    // Nearest set bit within each row that has one.
    let mut filled: Vec<usize> = Vec::new();
    let mut nearest: Vec<u32> = Vec::new();
    for (j, row) in rows.take(ny).enumerate() {
        let mut last: Option<usize> = None;
        let start = nearest.len();
        for_each_bit(row, |i| {
            let from = nearest.len() - start;
            // Each bit owns the voxels up to halfway to the next.
            let halfway = last.map_or(0, |l| (l + i) / 2 + 1);
            if let Some(l) = last {
                nearest.extend(std::iter::repeat_n(l as u32, halfway - from));
            }
            last = Some(i);
        });
        if let Some(l) = last {
            let from = nearest.len() - start;
            nearest.extend(std::iter::repeat_n(l as u32, nx - from));
            filled.push(j);
        }
    }
    let (step_i, step_j) = (spacing[0] * spacing[0], spacing[1] * spacing[1]);
    let mut envelope: Vec<Parabola> = Vec::new();
    let reciprocal: Vec<f64> = (0..ny).map(|n| 1.0 / (2.0 * n as f64 * step_j)).collect();
    for i in 0..nx {
        envelope.clear();
        for (row, &j) in filled.iter().enumerate() {
            let di = i as f64 - f64::from(nearest[row * nx + i]);
            let height = di * di * step_i + (j * j) as f64 * step_j;
            let mut start = f64::NEG_INFINITY;
            while let Some(top) = envelope.last() {
                start = (height - top.height) * reciprocal[j - filled[top.row]];
                if start > top.start {
                    break;
                }
                envelope.pop();
                start = f64::NEG_INFINITY;
            }
            if start < ny as f64 {
                envelope.push(Parabola { row, height, start });
            }
        }
        let mut from = 0;
        for n in 0..envelope.len() {
            let end = envelope.get(n + 1).map_or(ny, |next| (next.start.ceil().max(0.0) as usize).min(ny));
            let row = envelope[n].row;
            let di = (i as f64 - f64::from(nearest[row * nx + i])) * spacing[0];
            for j in from..end {
                let dj = (j as f64 - filled[row] as f64) * spacing[1];
                out[j * nx + i] = di * di + dj * dj;
            }
            from = from.max(end);
        }
    }
    out
}

/// A row of a ball: its offset, and how far it reaches to both sides.
pub(super) struct BallRow {
    pub j: isize,
    pub k: isize,
    pub reach: usize,
}

/// The rows of a ball of `radius` mm, no longer than the grid.
pub(super) fn ball(spacing: [f64; 3], radius: f64, dims: [usize; 3]) -> Vec<BallRow> {
    let limit = radius * radius * RIM;
    let steps = |a: usize| ((radius / spacing[a]).ceil() as isize).min(dims[a] as isize);
    let mut rows = Vec::new();
    for k in -steps(2)..=steps(2) {
        for j in -steps(1)..=steps(1) {
            let left = limit - (j as f64 * spacing[1]).powi(2) - (k as f64 * spacing[2]).powi(2);
            if left >= 0.0 {
                let reach = (left.sqrt() / spacing[0]).floor() as usize;
                rows.push(BallRow { j, k, reach: reach.min(dims[0]) });
            }
        }
    }
    rows
}

/// Every voxel of the box whose centre lies within `radius_mm` of the centre of a set voxel.
///
/// # Errors
/// [`EditError::Cancelled`].
pub(super) fn dilated(
    set: &BitGrid,
    spacing: [f64; 3],
    radius_mm: f64,
    watch: &dyn Watch,
) -> Result<BitGrid, EditError> {
    let ball = ball(spacing, radius_mm, set.size());
    // Measured on 512 x 512 x 300 voxels: beyond some hundred rows distances are quicker.
    if ball.len() <= 600 && ball.iter().all(|row| row.reach <= 16) {
        dilated_by_rows(set, &ball, watch)
    } else {
        dilated_by_distance(set, spacing, radius_mm, watch)
    }
}

/// Rows widened by 0, 1, 2 … voxels, laid over each other as the ball's rows lie.
fn dilated_by_rows(set: &BitGrid, ball: &[BallRow], watch: &dyn Watch) -> Result<BitGrid, EditError> {
    let [nx, ny, nz] = set.size();
    let words = set.words();
    let widest = ball.iter().map(|row| row.reach).max().unwrap_or(0);
    let last = if nx % 64 == 0 { u64::MAX } else { (1 << (nx % 64)) - 1 };
    let planes: Vec<Option<Vec<u64>>> = each_plane(nz, watch, |k| {
        if (0..ny).all(|j| set.row(j, k).iter().all(|&w| w == 0)) {
            return None;
        }
        let mut widened = vec![0u64; ny * (widest + 1) * words];
        for (j, levels) in widened.chunks_exact_mut((widest + 1) * words).enumerate() {
            levels[..words].copy_from_slice(set.row(j, k));
            for level in 1..=widest {
                let (done, rest) = levels.split_at_mut(level * words);
                let (from, to) = (&done[(level - 1) * words..], &mut rest[..words]);
                for n in 0..words {
                    let before = if n > 0 { from[n - 1] >> 63 } else { 0 };
                    let after = from.get(n + 1).map_or(0, |w| w << 63);
                    to[n] = from[n] | from[n] << 1 | before | from[n] >> 1 | after;
                }
                to[words - 1] &= last;
            }
        }
        Some(widened)
    })?;
    let laid = each_plane(nz, watch, |k| {
        let mut bits = vec![0u64; ny * words];
        for part in ball {
            let Some(plane) = k.checked_add_signed(part.k).and_then(|k| planes.get(k)?.as_ref()) else { continue };
            let from = part.j.max(0) as usize;
            let to = (ny as isize + part.j.min(0)).max(0) as usize;
            for v in from..to {
                let row = (v as isize - part.j) as usize;
                let at = (v * (widest + 1) + part.reach) * words;
                for (out, word) in bits[row * words..(row + 1) * words].iter_mut().zip(&plane[at..at + words]) {
                    *out |= word;
                }
            }
        }
        bits
    })?;
    let mut out = BitGrid::empty(set.region());
    out.planes_mut().zip(laid).for_each(|(plane, bits)| plane.copy_from_slice(&bits));
    Ok(out)
}

/// As [`dilated`], for balls of any size.
fn dilated_by_distance(
    set: &BitGrid,
    spacing: [f64; 3],
    radius_mm: f64,
    watch: &dyn Watch,
) -> Result<BitGrid, EditError> {
    let [nx, ny, nz] = set.size();
    let limit = radius_mm * radius_mm * RIM;
    // Squared distances that are left at 0, 1, 2 … planes away.
    let left: Vec<f64> = (0..nz.min(usize::from(u16::MAX) - 1))
        .map(|n| limit - (n as f64 * spacing[2]).powi(2))
        .take_while(|left| *left >= 0.0)
        .collect();
    let planes: Vec<Option<Vec<u16>>> = each_plane(nz, watch, |k| {
        let rows = (0..ny).map(|j| set.row(j, k));
        if rows.clone().all(|row| row.iter().all(|&w| w == 0)) {
            return None;
        }
        let squared = squared_distances(rows, [nx, ny], [spacing[0], spacing[1]]);
        Some(squared.iter().map(|&d| left.partition_point(|&l| d <= l) as u16).collect())
    })?;
    let mut out = BitGrid::empty(set.region());
    let words = out.words();
    if nx * ny * nz == 0 {
        return Ok(out);
    }
    // Rows of all planes at once: what is left of each ball, upwards and downwards.
    let rows: Vec<Vec<u64>> = (0..ny)
        .into_par_iter()
        .map(|j| {
            let mut bits = vec![0u64; words * nz];
            let mut reach = vec![0u16; nx];
            for downwards in [false, true] {
                reach.fill(0);
                for n in 0..nz {
                    let k = if downwards { nz - 1 - n } else { n };
                    for r in &mut reach {
                        *r = r.saturating_sub(1);
                    }
                    if let Some(plane) = &planes[k] {
                        for (r, &own) in reach.iter_mut().zip(&plane[j * nx..(j + 1) * nx]) {
                            *r = (*r).max(own);
                        }
                    }
                    let row = &mut bits[k * words..(k + 1) * words];
                    for (word, reach) in row.iter_mut().zip(reach.chunks(64)) {
                        for (n, &r) in reach.iter().enumerate() {
                            *word |= u64::from(r > 0) << n;
                        }
                    }
                }
            }
            bits
        })
        .collect();
    if watch.cancelled() {
        return Err(EditError::Cancelled);
    }
    out.planes_mut().enumerate().for_each(|(k, plane)| {
        for (j, row) in plane.chunks_mut(words).enumerate() {
            row.copy_from_slice(&rows[j][k * words..(k + 1) * words]);
        }
    });
    Ok(out)
}

/// The voxels whose distance to every voxel of the box outside the set is greater than `radius_mm`. What lies outside
/// the box does not count as outside.
///
/// # Errors
/// [`EditError::Cancelled`].
pub(super) fn eroded(
    set: &BitGrid,
    spacing: [f64; 3],
    radius_mm: f64,
    watch: &dyn Watch,
) -> Result<BitGrid, EditError> {
    Ok(dilated(&set.inverted(), spacing, radius_mm, watch)?.inverted())
}

#[cfg(test)]
mod tests {
    use super::super::operation::NoWatch;
    use super::super::test_maps::{blobs, next, spaced, spacing, voxels};
    use super::*;
    use crate::core::VoxelBox;

    #[test]
    fn distances_and_balls_equal_brute_force() {
        let mut state = 9;
        for case in 0..16u64 {
            let dims: [usize; 3] = std::array::from_fn(|a| 1 + (next(&mut state) % [30, 14, 7][a]) as usize);
            let spacing = spacing(&mut state);
            let map = blobs(spaced(dims, spacing), case);
            let bits = BitGrid::of_label(&map, 1, VoxelBox { min: [0; 3], max: dims });
            let set: Vec<[usize; 3]> = voxels(dims).filter(|v| bits.get(*v)).collect();
            let squared = |v: [usize; 3], w: [usize; 3]| -> f64 {
                (0..3).map(|a| ((v[a] as f64 - w[a] as f64) * spacing[a]).powi(2)).sum()
            };
            for k in 0..dims[2] {
                let rows = (0..dims[1]).map(|j| bits.row(j, k));
                let got = squared_distances(rows, [dims[0], dims[1]], [spacing[0], spacing[1]]);
                for j in 0..dims[1] {
                    for i in 0..dims[0] {
                        let near = set.iter().filter(|w| w[2] == k).map(|w| squared([i, j, k], *w));
                        let want = near.fold(f64::INFINITY, f64::min);
                        let got = got[j * dims[0] + i];
                        assert!(got == want || (got - want).abs() < 1e-9, "{got} {want}");
                    }
                }
            }
            // One voxel along i exactly, three of them, one along k.
            for radius in [0.0, spacing[0], 3.0 * spacing[0], spacing[2], 3.3, 7.0] {
                let got = dilated(&bits, spacing, radius, &NoWatch).unwrap();
                let kept = eroded(&bits, spacing, radius, &NoWatch).unwrap();
                assert_eq!(dilated_by_distance(&bits, spacing, radius, &NoWatch).unwrap(), got, "both ways agree");
                assert_eq!(dilated_by_rows(&bits, &ball(spacing, radius, dims), &NoWatch).unwrap(), got);
                for v in voxels(dims) {
                    let want = set.iter().any(|w| squared(v, *w).sqrt() <= radius + 1e-9);
                    assert_eq!(got.get(v), want, "{v:?} within {radius} mm");
                    let near_outside = voxels(dims).any(|w| !bits.get(w) && squared(v, w).sqrt() <= radius + 1e-9);
                    assert_eq!(kept.get(v), bits.get(v) && !near_outside);
                }
            }
        }
    }
}
