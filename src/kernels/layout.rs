//! Pictures between the two orders of their numbers: planes (channels first) and pixels (channels last).
//!
//! Called by `hook` where a picture comes from, or goes to, burn's own operations.

use super::conv::uninit;
use rayon::prelude::*;

/// Edge of the squares that are turned at a time.
const EDGE: usize = 16;

/// Each `rows` x `columns` matrix transposed: `[image][channel][pixel]` to `[image][pixel][channel]` with a row a channel,
/// and back with a row a pixel.
pub fn turned<T: Copy + Default + Send + Sync>(from: &[T], rows: usize, columns: usize) -> Vec<T> {
    let mut to = vec![T::default(); from.len()];
    let size = (rows * columns).max(1);
    from.par_chunks(size).zip(to.par_chunks_mut(size)).for_each(|(from, to)| {
        for top in (0..rows).step_by(EDGE) {
            for left in (0..columns).step_by(EDGE) {
                for r in top..(top + EDGE).min(rows) {
                    for c in left..(left + EDGE).min(columns) {
                        to[c * rows + r] = from[r * columns + c];
                    }
                }
            }
        }
    });
    to
}

/// Two pictures with their channels behind each other.
pub fn joined(first: &[f32], a: usize, second: &[f32], b: usize) -> Vec<f32> {
    let mut out = uninit(first.len() + second.len());
    let piece = 1 << 10;
    out.par_chunks_mut(piece * (a + b)).zip(first.par_chunks(piece * a)).zip(second.par_chunks(piece * b)).for_each(
        |((out, first), second)| {
            for ((out, x), y) in out.chunks_exact_mut(a + b).zip(first.chunks_exact(a)).zip(second.chunks_exact(b)) {
                out[..a].copy_from_slice(x);
                out[a..].copy_from_slice(y);
            }
        },
    );
    out
}

/// Channels `from..from + take` of a picture of `channels`.
pub fn part(values: &[f32], channels: usize, from: usize, take: usize) -> Vec<f32> {
    let mut out = uninit(values.len() / channels * take);
    let piece = 1 << 10;
    out.par_chunks_mut(piece * take).zip(values.par_chunks(piece * channels)).for_each(|(out, values)| {
        for (out, pixel) in out.chunks_exact_mut(take).zip(values.chunks_exact(channels)) {
            out.copy_from_slice(&pixel[from..from + take]);
        }
    });
    out
}
