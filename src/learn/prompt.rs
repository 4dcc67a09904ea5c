//! Prompts: clicks and scribbles inside or outside of a structure, from which the network's answer for that slice
//! adapts at once.
//!
//! Nothing is trained. The answer is the network's logits plus a smooth correction that takes the wanted values at the
//! prompted pixels and fades with distance in the picture and in what the network's last layer but one says of a pixel:
//! kernel ridge regression on cached features, with a Gaussian kernel (Rasmussen and Williams, "Gaussian Processes for
//! Machine Learning", 2006, chapter 2). One pass of the network serves any number of prompts on a slice.

use crate::core::LabelId;
use crate::nn::{FeatureMap, resize_linear};
use rayon::prelude::*;

/// A prompted pixel at the network's resolution.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PromptPoint {
    pub x: f64,
    pub y: f64,
    /// Inside of the structure, or not of it.
    pub inside: bool,
}

/// What the network says of a slice, kept for prompts.
#[derive(Debug, Clone)]
pub struct SliceFeatures {
    /// Pixels along a side.
    n: usize,
    channels: usize,
    probabilities: Vec<f32>,
    /// Pixel by pixel, every feature with mean 0 and variance 1; grey values come last.
    features: Vec<f32>,
    count: usize,
}

/// Prompted pixels that are solved for; a longer scribble is thinned.
const MOST: usize = 48;
/// Logit that a prompted pixel is to have.
const WANTED: f64 = 2.5;
/// Distance in the picture at which a prompt has lost a third of its weight, as a share of the side.
const REACH: f64 = 0.18;
/// Mean squared distance of features, in their variance, at which it has.
const ALIKE: f64 = 0.8;
const RIDGE: f64 = 0.05;

/// What prompts change of the network's answer: pixels of the slice, in reading order.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct PromptChange {
    /// Of the class now.
    pub on: Vec<u32>,
    /// No longer of the class.
    pub off: Vec<u32>,
}

impl SliceFeatures {
    /// What the prompts change on a slice of `width` x `height` pixels; points are in its pixels. `threshold` is the
    /// recipe's for a binary network.
    pub fn change(
        &self,
        class: LabelId,
        points: &[PromptPoint],
        [width, height]: [usize; 2],
        threshold: f32,
    ) -> PromptChange {
        let n = self.n;
        let scaled = |v: f64, side: usize| (v + 0.5) * n as f64 / side as f64 - 0.5;
        let points: Vec<PromptPoint> = points
            .iter()
            .map(|p| PromptPoint { x: scaled(p.x, width), y: scaled(p.y, height), inside: p.inside })
            .collect();
        let limit = if self.channels > 1 { 0.5 } else { threshold };
        let [before, after] = [&[][..], &points[..]].map(|points| {
            let answer = self.answer(class, points);
            resize_linear(&answer, [n, n], [width, height])
        });
        let mut change = PromptChange::default();
        for (at, (before, after)) in (0..).zip(before.iter().zip(&after)) {
            match (*before >= limit, *after >= limit) {
                (false, true) => change.on.push(at),
                (true, false) => change.off.push(at),
                _ => {}
            }
        }
        change
    }

    /// From one pass of the network: probabilities (class by class), features, and the slice in HU.
    pub fn new(n: usize, channels: usize, probabilities: Vec<f32>, map: &FeatureMap, hu: &[i16]) -> Self {
        let count = map.channels + 1;
        let mut features = vec![0.0; n * n * count];
        let (sx, sy) = (map.width.max(1), map.height.max(1));
        features.par_chunks_mut(count).enumerate().for_each(|(p, of_pixel)| {
            // The nearest pixel of a coarser map.
            let at = (p / n * sy / n) * sx + p % n * sx / n;
            for (c, v) in of_pixel.iter_mut().enumerate().take(map.channels) {
                *v = map.values.get(c * sx * sy + at).copied().unwrap_or(0.0);
            }
            of_pixel[count - 1] = hu.get(p).map_or(0.0, |v| f32::from((*v).clamp(-1024, 1024)));
        });
        // Row by row, and the rows in their order, so that every run gives the same numbers.
        let mean_of = |features: &[f32], value: &(dyn Fn(usize, f64) -> f64 + Sync)| {
            let rows: Vec<Vec<f64>> = features
                .par_chunks((n * count).max(1))
                .map(|row| {
                    let mut sums = vec![0.0; count];
                    for of_pixel in row.chunks_exact(count) {
                        sums.iter_mut().zip(of_pixel).enumerate().for_each(|(c, (s, v))| *s += value(c, f64::from(*v)));
                    }
                    sums
                })
                .collect();
            let all = (n * n).max(1) as f64;
            (0..count).map(|c| rows.iter().map(|row| row[c]).sum::<f64>() / all).collect::<Vec<f64>>()
        };
        let mean = mean_of(&features, &|_, v| v);
        let variance = mean_of(&features, &|c, v| (v - mean[c]).powi(2));
        let scale: Vec<f64> = variance.iter().map(|v| 1.0 / v.sqrt().max(1e-6)).collect();
        features.par_chunks_mut(count).for_each(|of_pixel| {
            of_pixel.iter_mut().enumerate().for_each(|(c, v)| *v = ((f64::from(*v) - mean[c]) * scale[c]) as f32);
        });
        Self { n, channels, probabilities, features, count }
    }

    /// The class's probability of every pixel, adapted to the prompts (those of the class `class`, from 1).
    pub fn answer(&self, class: LabelId, points: &[PromptPoint]) -> Vec<f32> {
        let n = self.n;
        let plane = if self.channels > 1 { usize::from(class) } else { 0 };
        let p = self.probabilities.get(plane * n * n..(plane + 1) * n * n).unwrap_or_default();
        let logit = |p: f32| {
            let p = f64::from(p).clamp(1e-4, 1.0 - 1e-4);
            (p / (1.0 - p)).ln()
        };
        let step = points.len().div_ceil(MOST).max(1);
        let anchors: Vec<(usize, f64)> = points
            .iter()
            .step_by(step)
            .filter_map(|point| {
                let pixel = |v: f64| (v.is_finite() && v > -0.5 && v < n as f64 - 0.5).then(|| v.round() as usize);
                let at = pixel(point.y)? * n + pixel(point.x)?;
                let now = logit(*p.get(at)?);
                let wanted = if point.inside { now.max(WANTED) } else { now.min(-WANTED) };
                Some((at, wanted - now))
            })
            .collect();
        let weights = self.solve(&anchors);
        let radius = (3.0 * REACH * n as f64).ceil() as usize;
        let mut correction = vec![0.0f64; p.len()];
        correction.par_chunks_mut(n.max(1)).enumerate().for_each(|(y, row)| {
            for ((anchor, _), weight) in anchors.iter().zip(&weights).filter(|(a, _)| (a.0 / n).abs_diff(y) <= radius) {
                let ax = anchor % n;
                let first = ax.saturating_sub(radius);
                for (x, c) in (first..).zip(row.iter_mut().skip(first)).take_while(|(x, _)| *x <= ax + radius) {
                    *c += weight * self.kernel(*anchor, y * n + x);
                }
            }
        });
        p.iter().zip(&correction).map(|(p, c)| (1.0 / (1.0 + (-(logit(*p) + c)).exp())) as f32).collect()
    }

    fn kernel(&self, a: usize, b: usize) -> f64 {
        let n = self.n;
        let (dx, dy) = ((a % n) as f64 - (b % n) as f64, (a / n) as f64 - (b / n) as f64);
        let reach = REACH * n as f64;
        let [fa, fb] = [a, b].map(|p| &self.features[p * self.count..(p + 1) * self.count]);
        let apart: f32 = fa.iter().zip(fb).map(|(u, v)| (u - v) * (u - v)).sum();
        let apart = f64::from(apart) / self.count as f64;
        (-(dx * dx + dy * dy) / (2.0 * reach * reach) - apart / (2.0 * ALIKE)).exp()
    }

    /// Weights of the anchors: the kernel's matrix with a ridge, by Cholesky decomposition.
    fn solve(&self, anchors: &[(usize, f64)]) -> Vec<f64> {
        let m = anchors.len();
        let mut l = vec![0.0; m * m];
        for i in 0..m {
            for j in 0..=i {
                let mut sum = self.kernel(anchors[i].0, anchors[j].0) + if i == j { RIDGE } else { 0.0 };
                sum -= (0..j).map(|k| l[i * m + k] * l[j * m + k]).sum::<f64>();
                l[i * m + j] = if i == j { sum.max(1e-9).sqrt() } else { sum / l[j * m + j] };
            }
        }
        let mut x: Vec<f64> = anchors.iter().map(|a| a.1).collect();
        for i in 0..m {
            x[i] = (x[i] - (0..i).map(|k| l[i * m + k] * x[k]).sum::<f64>()) / l[i * m + i];
        }
        for i in (0..m).rev() {
            x[i] = (x[i] - (i + 1..m).map(|k| l[k * m + i] * x[k]).sum::<f64>()) / l[i * m + i];
        }
        x
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const N: usize = 32;

    /// Two discs that look alike; the network found the left one only.
    fn two_discs() -> (SliceFeatures, Vec<bool>, Vec<bool>) {
        let disc = |cx: usize| -> Vec<bool> {
            (0..N * N).map(|p| (p % N).abs_diff(cx).pow(2) + (p / N).abs_diff(16).pow(2) <= 25).collect()
        };
        let (left, right) = (disc(8), disc(24));
        let body = |p: usize| left[p] || right[p];
        let map = FeatureMap {
            channels: 2,
            width: N,
            height: N,
            values: (0..2 * N * N).map(|v| if body(v % (N * N)) { 1.0 } else { 0.1 * (v / (N * N)) as f32 }).collect(),
        };
        let hu: Vec<i16> = (0..N * N).map(|p| if body(p) { 60 } else { -90 }).collect();
        let p = (0..N * N).map(|p| if left[p] { 0.9 } else { 0.1 }).collect();
        (SliceFeatures::new(N, 1, p, &map, &hu), left, right)
    }

    fn share(answer: &[f32], of: &[bool]) -> f64 {
        let hit = answer.iter().zip(of).filter(|(p, inside)| **inside && **p >= 0.5).count();
        hit as f64 / of.iter().filter(|v| **v).count() as f64
    }

    #[test]
    fn a_click_brings_what_looks_like_it_and_nothing_else() {
        let (features, left, right) = two_discs();
        let at = |x, y, inside| PromptPoint { x, y, inside };
        let before = features.answer(1, &[]);
        assert!(share(&before, &left) == 1.0 && share(&before, &right) == 0.0);
        let inside = features.answer(1, &[at(24.0, 16.0, true)]);
        assert!(share(&inside, &right) > 0.95 && share(&inside, &left) == 1.0, "{}", share(&inside, &right));
        let neither: Vec<bool> = left.iter().zip(&right).map(|(a, b)| !a && !b).collect();
        assert!(share(&inside, &neither) < 0.02, "{}", share(&inside, &neither));
        let outside = features.answer(1, &[at(8.0, 16.0, false), at(24.0, 16.0, true)]);
        assert!(share(&outside, &left) < 0.05 && share(&outside, &right) > 0.9);
    }

    #[test]
    fn scribbles_of_any_length_and_points_anywhere_are_taken() {
        let (features, _, right) = two_discs();
        let scribble: Vec<PromptPoint> =
            (0..500).map(|i| PromptPoint { x: 20.0 + f64::from(i) / 62.5, y: 16.0, inside: true }).collect();
        assert!(share(&features.answer(1, &scribble), &right) > 0.95);
        let odd = [f64::NAN, -7.0, 1e12].map(|v| PromptPoint { x: v, y: 3.0, inside: true });
        assert_eq!(features.answer(1, &odd), features.answer(1, &[]));
        assert!(features.answer(9, &scribble).len() == N * N);
    }
}
