//! How a trained network is asked: whole slices or a window moved over them, mirrored and averaged, and what becomes of
//! its labels afterwards. Shared by recipes, the test at the end of a run, and prediction.

use serde::{Deserialize, Serialize};

/// Part of a recipe and of every weight file of a run; the default is the network's plain answer for whole slices.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct InferenceConfig {
    pub tiling: Tiling,
    /// Averaged with the answer for the slice with left and right swapped. Not for classes that differ by side.
    pub flip_lr: bool,
    /// Averaged with the answer for the slice with front and back swapped.
    pub flip_ud: bool,
    /// Of each class only so many largest parts (voxels that touch by a face) are kept; `None` keeps all.
    pub keep_largest: Option<usize>,
    /// What a class encloses in three dimensions and no class has becomes part of it.
    pub fill_holes: bool,
}

/// What of a slice the network sees at once.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum Tiling {
    /// The slice at the size of the preprocessing.
    #[default]
    Whole,
    /// Square windows of it, for networks trained on crops. Where they overlap, the middle of a window counts more: a
    /// Gaussian with an eighth of the window as its deviation (Isensee et al., 2021).
    Sliding {
        /// Width and height in pixels of the resampled slice.
        size: usize,
        /// Share of a window that the next one covers again, 0 up to but not including 1.
        overlap: f64,
    },
}

impl InferenceConfig {
    /// What is out of range or contradicts the rest, as a sentence that names the field.
    pub fn problem(&self, size: usize, multiple: usize, has_sides: bool) -> Option<String> {
        if self.flip_lr && has_sides {
            return Some("inference.flip_lr would mix classes that differ by side: set it to false".into());
        }
        if self.keep_largest == Some(0) {
            return Some("inference.keep_largest is at least 1; leave it out to keep all parts".into());
        }
        if let Tiling::Sliding { size: window, overlap } = self.tiling {
            if window == 0 || window > size || !window.is_multiple_of(multiple) {
                return Some(format!(
                    "inference.tiling.size is {window}; it must be a multiple of {multiple} up to preprocessing.size {size}"
                ));
            }
            if !(0.0..=0.9).contains(&overlap) {
                return Some("inference.tiling.overlap lies in 0 to 0.9".into());
            }
        }
        None
    }

    /// Whether labels are changed after the network has given them; that looks at whole volumes.
    pub fn tidies(&self) -> bool {
        self.keep_largest.is_some() || self.fill_holes
    }

    /// Whether the network is asked once, for whole slices as they are.
    pub fn is_plain(&self) -> bool {
        self.tiling == Tiling::Whole && self.mirrors().len() == 1
    }

    /// Which mirrored copies are asked: left-right and front-back.
    pub(super) fn mirrors(&self) -> Vec<[bool; 2]> {
        let both = |on: bool| if on { vec![false, true] } else { vec![false] };
        both(self.flip_lr).into_iter().flat_map(|lr| both(self.flip_ud).into_iter().map(move |ud| [lr, ud])).collect()
    }
}

/// Whether class names speak of left and right.
pub fn has_sides<'a>(names: impl Iterator<Item = &'a str> + Clone) -> bool {
    let has = |side: &str| names.clone().any(|name| name.to_ascii_lowercase().contains(side));
    has("left") && has("right")
}

/// Where windows of `size` pixels begin along an edge of `length` (at least `size`): the last one ends with the edge.
pub(super) fn starts(length: usize, size: usize, overlap: f64) -> Vec<usize> {
    let room = length.saturating_sub(size);
    let stride = ((size as f64 * (1.0 - overlap)).floor() as usize).max(1);
    let count = room.div_ceil(stride);
    // Spread evenly, so that no two windows are nearly the same.
    (0..=count).map(|n| (n * room).checked_div(count).unwrap_or(0)).collect()
}

/// Weight of each pixel along an edge of a window.
pub(super) fn weights(size: usize) -> Vec<f32> {
    let (middle, deviation) = ((size as f64 - 1.0) / 2.0, (size as f64 / 8.0).max(0.5));
    (0..size).map(|i| (-0.5 * ((i as f64 - middle) / deviation).powi(2)).exp().max(1e-4) as f32).collect()
}

/// Images of `width` x `width` pixels, one after another, mirrored.
pub(super) fn mirrored(images: &[f32], width: usize, [lr, ud]: [bool; 2]) -> Vec<f32> {
    let mut out = Vec::with_capacity(images.len());
    for image in images.chunks_exact((width * width).max(1)) {
        let mut rows: Vec<&[f32]> = image.chunks_exact(width).collect();
        if ud {
            rows.reverse();
        }
        for row in rows {
            if lr {
                out.extend(row.iter().rev());
            } else {
                out.extend_from_slice(row);
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn windows_cover_the_edge_and_overlap_enough(length in 1usize..300, part in 1usize..300, overlap in 0.0f64..0.9) {
            let size = part.min(length);
            let starts = starts(length, size, overlap);
            prop_assert_eq!((starts[0], starts[starts.len() - 1] + size), (0, length));
            let longest = ((size as f64 * (1.0 - overlap)).floor() as usize).max(1);
            prop_assert!(starts.windows(2).all(|w| w[0] < w[1] && w[1] - w[0] <= longest + 1));
        }
    }

    #[test]
    fn mirrors_undo_themselves_and_contradictions_name_their_field() {
        let images: Vec<f32> = (0..18).map(|v| v as f32).collect();
        for how in [[false, false], [true, false], [false, true], [true, true]] {
            assert_eq!(mirrored(&mirrored(&images, 3, how), 3, how), images);
        }
        assert_eq!(mirrored(&images[..9], 3, [true, false])[..3], [2.0, 1.0, 0.0]);
        assert_eq!(mirrored(&images[..9], 3, [false, true])[..3], [6.0, 7.0, 8.0]);
        let none = InferenceConfig::default();
        assert_eq!((none.problem(64, 8, true), none.mirrors().len()), (None, 1));
        let both = InferenceConfig { flip_lr: true, flip_ud: true, ..none };
        assert_eq!((both.problem(64, 8, false), both.mirrors().len()), (None, 4));
        let sliding = |size, overlap| InferenceConfig { tiling: Tiling::Sliding { size, overlap }, ..none };
        let tidied = InferenceConfig { keep_largest: Some(1), fill_holes: true, ..none };
        assert_eq!([none, both, sliding(32, 0.5), tidied].map(|c| c.is_plain()), [true, false, false, true]);
        for (config, word) in [
            (both, "flip_lr"),
            (InferenceConfig { keep_largest: Some(0), ..none }, "keep_largest"),
            (sliding(20, 0.5), "tiling.size"),
            (sliding(72, 0.5), "tiling.size"),
            (sliding(32, 1.0), "overlap"),
        ] {
            let text = config.problem(64, 8, true).unwrap();
            assert!(text.contains(word), "{word}: {text}");
        }
    }
}
