//! Slices onto a regular grid: bilinear in the slice, linear between the two neighbouring slices. Private to `io::dicom`.

use super::source_grid::SourceSlices;

/// What lies outside every slice, in HU: air, as dark as windows and networks take it to be.
pub(super) const OUTSIDE_HU: i16 = -1024;
/// A slice this close to a plane of the grid, in planes, lies on it: no more than evenly spaced slices may be off.
const ON_PLANE: f64 = 0.01;
/// A shift this close to a whole number of pixels is whole: headers round, and values should stay.
const WHOLE: f64 = 0.001;

/// Fills plane `k` of the grid from all slices' samples, slice after slice, i fastest.
///
/// A voxel whose nearer slice does not reach it, and no other does, is [`OUTSIDE_HU`]. Values are rounded, halves away
/// from zero.
pub(super) fn fill_plane(slices: &SourceSlices, samples: &[i16], k: usize, out: &mut [i16]) {
    let [nx, ny, _] = slices.grid().dims();
    let mut sums = vec![0f32; nx * ny];
    let mut weights = vec![0f32; nx * ny];
    for (n, weight) in neighbours(slices, k as f64).into_iter().flatten() {
        let pixels = slices.size()[0] * slices.size()[1];
        let (Some(offset), Some(slice)) = (slices.offsets().get(n), samples.get(n * pixels..(n + 1) * pixels)) else {
            continue;
        };
        let columns = taps(-offset.x, slices.size()[0], nx);
        let rows = taps(-offset.y, slices.size()[1], ny);
        let width = slices.size()[0];
        for (j, row) in rows.iter().enumerate() {
            let Some(row) = row else { continue };
            let (upper, lower) = (&slice[row.first * width..][..width], &slice[row.second * width..][..width]);
            let line = j * nx..(j + 1) * nx;
            for ((column, sum), total) in columns.iter().zip(&mut sums[line.clone()]).zip(&mut weights[line]) {
                let Some(column) = column else { continue };
                let across = |line: &[i16]| {
                    let (a, b) = (f32::from(line[column.first]), f32::from(line[column.second]));
                    a + (b - a) * column.part
                };
                let (top, bottom) = (across(upper), across(lower));
                *sum += weight * (top + (bottom - top) * row.part);
                *total += weight;
            }
        }
    }
    for ((out, sum), weight) in out.iter_mut().zip(sums).zip(weights) {
        *out = if weight >= 0.5 { (sum / weight).round() as i16 } else { OUTSIDE_HU };
    }
}

/// Slices that a plane is made of, with their weights.
fn neighbours(slices: &SourceSlices, z: f64) -> [Option<(usize, f32)>; 2] {
    let offsets = slices.offsets();
    let after = offsets.partition_point(|o| o.z < z);
    let at = |n: usize| Some((n, offsets.get(n)?.z));
    let (before, next) = (after.checked_sub(1).and_then(at), at(after));
    match (before, next) {
        (Some((n, w)), _) if z - w <= ON_PLANE => [Some((n, 1.0)), None],
        (_, Some((n, w))) if w - z <= ON_PLANE => [Some((n, 1.0)), None],
        (Some((a, wa)), Some((b, wb))) => {
            let t = ((z - wa) / (wb - wa)) as f32;
            [Some((a, 1.0 - t)), Some((b, t))]
        }
        // Half a plane beyond the ends still belongs to the last slice.
        (Some((n, w)), None) if z - w <= 0.5 + ON_PLANE => [Some((n, 1.0)), None],
        (None, Some((n, w))) if w - z <= 0.5 + ON_PLANE => [Some((n, 1.0)), None],
        _ => [None, None],
    }
}

/// The two samples that a position lies between.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Tap {
    first: usize,
    second: usize,
    part: f32,
}

/// For each of `wanted` positions n + `shift`: its samples among `count`, `None` further out than half a sample.
fn taps(shift: f64, count: usize, wanted: usize) -> Vec<Option<Tap>> {
    let shift = if (shift - shift.round()).abs() <= WHOLE { shift.round() } else { shift };
    let last = count as f64 - 1.0;
    (0..wanted)
        .map(|n| {
            let at = n as f64 + shift;
            if at < -0.5 || at > last + 0.5 {
                return None;
            }
            let at = at.clamp(0.0, last);
            let first = at.floor();
            Some(Tap { first: first as usize, second: (first + 1.0).min(last) as usize, part: (at - first) as f32 })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn taps_hold_the_edge_for_half_a_sample() {
        assert_eq!(taps(0.0, 3, 3), [0, 1, 2].map(|n| Some(Tap { first: n, second: (n + 1).min(2), part: 0.0 })));
        assert_eq!(taps(-1.0004, 2, 3)[0], None);
        let taps = taps(-0.75, 2, 4);
        assert_eq!((taps[0], taps[1]), (None, Some(Tap { first: 0, second: 1, part: 0.25 })));
        assert_eq!((taps[2], taps[3]), (Some(Tap { first: 1, second: 1, part: 0.0 }), None));
    }
}
