//! Which slice to correct next: where the network is expected to be wrong on most pixels, and far from what was seen.

use super::early::Early;
use crate::core::LabelId;
use crate::nn::{DeviceError, ModelSpec, Segmenter};
use std::fmt;

/// What a network says of one slice, in pixels at its own resolution.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct SliceView {
    pub slice: usize,
    /// Pixels expected to be wrong by the probabilities themselves: the sum of `min(p, 1 - p)`.
    pub unsure: f64,
    /// Pixels on which a second look at the slice, mirrored or shifted, disagrees.
    pub disagree: f64,
    /// Pixels by which the outline departs from the mean of its two neighbours.
    pub jump: f64,
    /// Pixels that the version in use before answered otherwise; 0 where there was none.
    pub turned: f64,
}

/// Why a slice is shown.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Reason {
    Unsure(f64),
    Disagree(f64),
    Jump(f64),
    Turned(f64),
    /// Millimetres to the nearest slice that a person has seen.
    Far(f64),
}

/// A slice and how much its correction is expected to gain.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RankedSlice {
    pub slice: usize,
    /// Pixels expected to be wrong, less where a neighbour has been seen.
    pub gain: f64,
    pub reason: Reason,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unsure(pixels) => write!(f, "the network is unsure of about {pixels:.0} pixels"),
            Self::Disagree(pixels) => write!(f, "two looks at this slice differ on {pixels:.0} pixels"),
            Self::Jump(pixels) => write!(f, "its outline jumps by {pixels:.0} pixels against both neighbours"),
            Self::Turned(pixels) => {
                write!(f, "the last two versions of the network differ on {pixels:.0} pixels")
            }
            Self::Far(mm) => write!(f, "no slice within {mm:.0} mm has been looked at"),
        }
    }
}

/// Distance from a slice that was seen at which two thirds of the gain are left, in mm.
const REACH: f64 = 20.0;
/// What a pixel counts on which the last two versions differ: as a committee of two they say where the network is not
/// settled, but most of it is what the newer one has learnt.
const TURNED: f64 = 0.25;

/// Orders the slices of a case that no person has seen, best first. `spacing` is the distance of slices in mm.
pub fn rank(views: &[SliceView], seen: &[usize], spacing: f64) -> Vec<RankedSlice> {
    let mean = |part: fn(&SliceView) -> f64| views.iter().map(part).sum::<f64>() / views.len().max(1) as f64;
    let means = [mean(|v| v.unsure), mean(|v| v.disagree), mean(|v| v.jump), mean(|v| v.turned)];
    let mut ranked: Vec<RankedSlice> = views
        .iter()
        .filter(|v| !seen.contains(&v.slice))
        .map(|v| {
            let far = seen.iter().map(|s| s.abs_diff(v.slice)).min().map(|slices| slices as f64 * spacing);
            let novelty = far.map_or(1.0, |mm| 1.0 - (-mm / REACH).exp());
            let gain = (v.unsure + v.disagree + 0.5 * v.jump + TURNED * v.turned) * (0.2 + 0.8 * novelty);
            // What stands out against the other slices of the case is what a person can look for.
            let parts = [
                (v.unsure / means[0].max(1e-9), Reason::Unsure(v.unsure)),
                (v.disagree / means[1].max(1e-9), Reason::Disagree(v.disagree)),
                (v.jump / means[2].max(1e-9), Reason::Jump(v.jump)),
                (v.turned / means[3].max(1e-9), Reason::Turned(v.turned)),
            ];
            let most = parts.into_iter().max_by(|a, b| a.0.total_cmp(&b.0)).map(|p| p.1);
            let reason = match (most, far) {
                // Nothing stands out and nothing near was looked at.
                (_, Some(mm)) if mm > 2.0 * REACH && parts.iter().all(|p| p.0 < 1.5) => Reason::Far(mm),
                (Some(reason), _) => reason,
                (None, _) => Reason::Unsure(v.unsure),
            };
            RankedSlice { slice: v.slice, gain, reason }
        })
        .collect();
    ranked.sort_by(|a, b| b.gain.total_cmp(&a.gain).then(a.slice.cmp(&b.slice)));
    ranked
}

/// Looks twice at slices (in their order along the case; `hu` at the network's resolution) and gives the probabilities
/// of the first look with what the queue needs. The second look is mirrored where the recipe's augmentation is, else
/// shifted by two pixels. A single slice may be shown `early`.
///
/// # Errors
/// [`DeviceError`] when the device fails.
pub(super) fn look(
    segmenter: &Segmenter,
    first: usize,
    hu: &[Vec<i16>],
    mirror: bool,
    early: Option<&Early>,
) -> Result<(Vec<Vec<f32>>, Vec<SliceView>), DeviceError> {
    let n = segmenter.spec().preprocessing.size;
    let shown = match (early, hu) {
        (Some(early), [slice]) => vec![early.look(segmenter, slice)?],
        _ => segmenter.network_probabilities(hu)?,
    };
    let turned: Vec<Vec<i16>> = hu.iter().map(|h| moved(h, n, mirror, false)).collect();
    let again = segmenter.network_probabilities(&turned)?;
    let channels = segmenter.spec().network.out_channels;
    let views = shown
        .iter()
        .zip(&again)
        .enumerate()
        .map(|(at, (p, q))| {
            let mut view = SliceView { slice: first + at, ..SliceView::default() };
            for (p, q) in maps(p, n, channels).zip(maps(q, n, channels)) {
                let q = moved(q, n, mirror, true);
                for (p, q) in p.iter().zip(&q) {
                    view.unsure += f64::from(p.min(1.0 - p));
                    view.disagree += f64::from((p - q).abs());
                }
            }
            view
        })
        .collect();
    Ok((shown, views))
}

/// Fills in how far each slice departs from its neighbours; `probabilities` are those of the same slices.
pub(super) fn jumps(views: &mut [SliceView], probabilities: &[Vec<f32>], n: usize, channels: usize) {
    for at in 1..views.len().saturating_sub(1) {
        let [below, here, above] = [at - 1, at, at + 1].map(|k| probabilities.get(k).map_or(&[][..], Vec::as_slice));
        views[at].jump = maps(below, n, channels)
            .zip(maps(here, n, channels).zip(maps(above, n, channels)))
            .map(|(a, (b, c))| {
                let apart = |((a, b), c): ((&f32, &f32), &f32)| f64::from((b - 0.5 * (a + c)).abs());
                a.iter().zip(b).zip(c).map(apart).sum::<f64>()
            })
            .sum();
    }
}

/// The class of every pixel by one slice's probabilities, at the network's resolution.
pub(super) fn answer(p: &[f32], spec: &ModelSpec) -> Vec<LabelId> {
    let n = spec.preprocessing.size;
    let channels = spec.network.out_channels;
    if channels <= 1 {
        return p.iter().map(|p| LabelId::from(*p >= spec.threshold)).collect();
    }
    let of = |pixel: usize| {
        let by_class = (0..channels).map(|c| p.get(c * n * n + pixel).copied().unwrap_or(0.0));
        by_class.enumerate().max_by(|a, b| a.1.total_cmp(&b.1)).map_or(0, |(class, _)| class as LabelId)
    };
    (0..n * n).map(of).collect()
}

/// Pixels on which two answers differ.
pub(super) fn differ(a: &[LabelId], b: &[LabelId]) -> f64 {
    a.iter().zip(b).filter(|(a, b)| a != b).count() as f64
}

/// The pictures of the classes without background.
fn maps(p: &[f32], n: usize, channels: usize) -> impl Iterator<Item = &[f32]> {
    p.chunks_exact((n * n).max(1)).skip(usize::from(channels > 1))
}

/// A picture mirrored left to right, or shifted by two pixels each way (back where `back`).
fn moved<T: Copy>(picture: &[T], n: usize, mirror: bool, back: bool) -> Vec<T> {
    const BY: usize = 2;
    let from = |at: usize| if back { at.saturating_sub(BY) } else { (at + BY).min(n - 1) };
    let mut out = Vec::with_capacity(picture.len());
    for y in 0..n {
        for x in 0..n {
            let (x, y) = if mirror { (n - 1 - x, y) } else { (from(x), from(y)) };
            out.push(picture[y * n + x]);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubt_comes_first_and_what_was_seen_pushes_its_neighbours_back() {
        let view = |slice, unsure| SliceView { slice, unsure, disagree: 1.0, jump: 1.0, turned: 0.0 };
        let views = [view(0, 5.0), view(1, 40.0), view(2, 30.0), view(9, 30.0)];
        let order = |seen: &[usize]| rank(&views, seen, 5.0).iter().map(|r| r.slice).collect::<Vec<_>>();
        assert_eq!(order(&[]), [1, 2, 9, 0]);
        assert_eq!(order(&[1]), [9, 2, 0], "a neighbour of what was seen can wait");
        assert_eq!(order(&[0, 1, 2, 9]), [0; 0]);
        assert!(matches!(rank(&views, &[], 5.0)[0].reason, Reason::Unsure(_)));
        let jumpy = [view(0, 5.0), SliceView { jump: 50.0, ..view(1, 5.0) }, view(2, 5.0)];
        let first = rank(&jumpy, &[], 5.0)[0];
        assert!(first.slice == 1 && first.reason.to_string().contains("jumps by 50"), "{first:?}");
        // Two versions that are at odds over a slice put it first, and say so.
        let turned = [view(0, 5.0), view(1, 5.0), SliceView { turned: 80.0, ..view(2, 5.0) }];
        let first = rank(&turned, &[], 5.0)[0];
        assert!(first.slice == 2 && first.reason.to_string().contains("two versions"), "{first:?}");
    }

    #[test]
    fn every_reason_is_a_sentence_of_its_own() {
        let reasons =
            [Reason::Unsure(7.4), Reason::Disagree(7.4), Reason::Jump(7.4), Reason::Turned(7.4), Reason::Far(7.4)];
        let told: std::collections::BTreeSet<String> = reasons.iter().map(ToString::to_string).collect();
        assert_eq!(told.len(), reasons.len(), "{told:?}");
        assert!(told.iter().all(|text| text.contains('7')), "each says how much: {told:?}");
    }

    #[test]
    fn answers_are_classes_of_pixels() {
        let mut recipe = crate::train::Recipe::load("demo").unwrap();
        recipe.preprocessing.size = 2;
        let mut spec = recipe.model_spec();
        assert_eq!(answer(&[0.1, 0.9, 0.5, 0.4], &spec), [0, 1, 1, 0]);
        spec.network.out_channels = 3;
        let p = [0.8, 0.1, 0.1, 0.3, 0.1, 0.8, 0.1, 0.3, 0.1, 0.1, 0.8, 0.4];
        assert_eq!(answer(&p, &spec), [0, 1, 2, 2]);
        assert_eq!(differ(&[0, 1, 2, 2], &[0, 1, 1, 0]), 2.0);
    }

    #[test]
    fn a_second_look_comes_back_to_its_place() {
        let picture: Vec<i32> = (0..64).collect();
        assert_eq!(moved(&moved(&picture, 8, true, false), 8, true, true), picture);
        let back = moved(&moved(&picture, 8, false, false), 8, false, true);
        for y in 2..8 {
            assert_eq!(back[y * 8 + 2..y * 8 + 8], picture[y * 8 + 2..y * 8 + 8]);
        }
    }

    #[test]
    fn a_slice_unlike_its_neighbours_jumps() {
        let p = [vec![0.0; 4], vec![1.0; 4], vec![0.0; 4]];
        let mut views: Vec<SliceView> = (0..3).map(|slice| SliceView { slice, ..SliceView::default() }).collect();
        jumps(&mut views, &p, 2, 1);
        assert_eq!(views.iter().map(|v| v.jump).collect::<Vec<_>>(), [0.0, 4.0, 0.0]);
    }
}
