//! Random changes to training slices. All are functions of the slice and of one random stream.

mod pathology;
mod warp;

pub use pathology::{PathologyConfig, PathologyShapes, PathologyTexture};

use super::store::Slice;
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

/// What happens to training slices, drawn anew each epoch. Units: pixels of the resampled slice, degrees, HU.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AugmentConfig {
    /// Probability of swapping left and right. Not for classes that differ by side.
    pub flip_lr: f64,
    /// Probability of swapping front and back.
    pub flip_ud: f64,
    /// Rotation by up to so many degrees either way.
    pub rotate_degrees: f64,
    /// Scaling by up to this share either way: 0.1 is 0.9 to 1.1 times.
    pub scale: f64,
    /// Smooth random displacement.
    pub elastic: Option<ElasticConfig>,
    /// How the image is read between pixels; classes are always those of the nearest one.
    pub interpolation: Interpolation,
    /// What comes in from outside the slice.
    pub fill: FillKind,
    /// Standard deviation of Gaussian noise.
    pub noise_hu: f64,
    /// Added to all pixels, up to so much either way.
    pub brightness_hu: f64,
    /// Distances from the slice's mean times up to this share more or less.
    pub contrast: f64,
    /// Train on square parts of the slices; validation and prediction see them whole.
    pub crop: Option<CropConfig>,
    /// Simulated disease of the lungs.
    pub pathology: Option<PathologyConfig>,
}

/// Displacements at the knots of a grid, cubic B-splines between them (Rueckert et al., 1999).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ElasticConfig {
    /// Of doing it at all.
    pub probability: f64,
    /// Pixels between knots.
    pub spacing: f64,
    /// Largest displacement of a knot.
    pub amplitude: f64,
}

/// Parts of slices.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CropConfig {
    /// Width and height.
    pub size: usize,
    /// Probability of placing it over a pixel that is no background, where there is one.
    pub foreground: f64,
}

/// How an image is read between its pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Interpolation {
    #[default]
    Nearest,
    Linear,
}

/// What a change of place brings in from outside the slice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum FillKind {
    /// The nearest pixel of the border, for image and mask.
    #[default]
    Nearest,
    /// -1024 HU (air) and background.
    Constant,
    /// The slice mirrored at its border.
    Mirror,
}

/// HU of what [`FillKind::Constant`] brings in.
pub(super) const FILL_HU: i16 = -1024;

impl AugmentConfig {
    /// What is out of range or contradicts the rest of the recipe, as a sentence that names the field.
    pub(super) fn problem(&self, size: usize, multiple: usize, has_sides: bool) -> Option<String> {
        let probability = |v: f64| (0.0..=1.0).contains(&v);
        let at_least_zero = |v: f64| v.is_finite() && v >= 0.0;
        let fail = |text: &str| Some(format!("augmentation.{text}"));
        if !probability(self.flip_lr) || !probability(self.flip_ud) {
            return fail("flip_lr and flip_ud are probabilities, 0 to 1");
        }
        if self.flip_lr > 0.0 && has_sides {
            return fail("flip_lr would swap classes that differ by side: set it to 0");
        }
        if !(0.0..=180.0).contains(&self.rotate_degrees) {
            return fail("rotate_degrees lies in 0 to 180");
        }
        if !(0.0..=0.9).contains(&self.scale) {
            return fail("scale lies in 0 to 0.9");
        }
        if !at_least_zero(self.noise_hu) || !at_least_zero(self.brightness_hu) || !(0.0..=1.0).contains(&self.contrast)
        {
            return fail("noise_hu and brightness_hu are 0 or above, contrast lies in 0 to 1");
        }
        if let Some(e) = self.elastic
            && !(probability(e.probability) && e.spacing >= 2.0 && e.spacing.is_finite() && at_least_zero(e.amplitude))
        {
            return fail("elastic: probability lies in 0 to 1, spacing is 2 or more, amplitude 0 or above");
        }
        if let Some(e) = self.elastic
            && e.amplitude > 0.4 * e.spacing
        {
            // Choi and Lee, 2000: beyond about 0.48 spacings the displacement folds.
            return fail("elastic.amplitude above 0.4 of elastic.spacing would fold the image");
        }
        if let Some(crop) = self.crop {
            if crop.size == 0 || crop.size > size || !crop.size.is_multiple_of(multiple) {
                return Some(format!(
                    "augmentation.crop.size is {}; it must be a multiple of {multiple} up to preprocessing.size {size}",
                    crop.size
                ));
            }
            if !probability(crop.foreground) {
                return fail("crop.foreground is a probability, 0 to 1");
            }
        }
        self.pathology.as_ref().and_then(PathologyConfig::problem).map(|p| format!("augmentation.pathology: {p}"))
    }
}

/// The changed slice, and its width: that of the crop where there is one.
pub(super) fn augment(slice: Slice, size: usize, config: &AugmentConfig, rng: &mut ChaCha8Rng) -> (Slice, usize) {
    let mut slice = slice;
    if let Some(pathology) = &config.pathology {
        pathology::simulate(&mut slice, size, pathology, rng);
    }
    if config.flip_lr > 0.0 && rng.random_bool(config.flip_lr) {
        slice.hu.chunks_exact_mut(size).for_each(<[i16]>::reverse);
        slice.classes.chunks_exact_mut(size).for_each(<[u8]>::reverse);
    }
    if config.flip_ud > 0.0 && rng.random_bool(config.flip_ud) {
        slice.hu = slice.hu.chunks_exact(size).rev().flatten().copied().collect();
        slice.classes = slice.classes.chunks_exact(size).rev().flatten().copied().collect();
    }
    warp::warp(&mut slice, size, config, rng);
    intensities(&mut slice, config, rng);
    match &config.crop {
        Some(crop) => (cropped(&slice, size, crop, rng), crop.size),
        None => (slice, size),
    }
}

/// Contrast about the mean, brightness, noise.
fn intensities(slice: &mut Slice, config: &AugmentConfig, rng: &mut ChaCha8Rng) {
    let span = |rng: &mut ChaCha8Rng, limit: f64| if limit > 0.0 { rng.random_range(-limit..=limit) } else { 0.0 };
    let factor = 1.0 + span(rng, config.contrast);
    let shift = span(rng, config.brightness_hu);
    if factor == 1.0 && shift == 0.0 && config.noise_hu == 0.0 {
        return;
    }
    let mean = slice.hu.iter().map(|v| f64::from(*v)).sum::<f64>() / slice.hu.len().max(1) as f64;
    for value in &mut slice.hu {
        let noise = if config.noise_hu > 0.0 { config.noise_hu * normal(rng) } else { 0.0 };
        *value = ((f64::from(*value) - mean) * factor + mean + shift + noise).round() as i16;
    }
}

/// Standard normal by Box and Muller (1958).
fn normal(rng: &mut ChaCha8Rng) -> f64 {
    let radius: f64 = rng.random::<f64>().max(f64::MIN_POSITIVE);
    let angle: f64 = rng.random();
    (-2.0 * radius.ln()).sqrt() * (std::f64::consts::TAU * angle).cos()
}

fn cropped(slice: &Slice, size: usize, crop: &CropConfig, rng: &mut ChaCha8Rng) -> Slice {
    let room = size - crop.size;
    let mut corner = [rng.random_range(0..=room), rng.random_range(0..=room)];
    if crop.foreground > 0.0 && rng.random_bool(crop.foreground) {
        let found: Vec<usize> = (0..slice.classes.len()).filter(|i| is_foreground(slice.classes[*i])).collect();
        if !found.is_empty() {
            let pixel = found[rng.random_range(0..found.len())];
            // Somewhere in the crop, not always in its middle.
            corner = [pixel % size, pixel / size].map(|at| {
                let (low, high) = (at.saturating_sub(crop.size - 1), at.min(room));
                rng.random_range(low..=high.max(low))
            });
        }
    }
    let rows = |y: usize| (corner[1] + y) * size + corner[0];
    Slice {
        hu: (0..crop.size).flat_map(|y| &slice.hu[rows(y)..rows(y) + crop.size]).copied().collect(),
        classes: (0..crop.size).flat_map(|y| &slice.classes[rows(y)..rows(y) + crop.size]).copied().collect(),
    }
}

/// A class, neither background nor left out.
fn is_foreground(class: u8) -> bool {
    class != 0 && class != super::IGNORED
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    pub(super) fn numbered(size: usize) -> Slice {
        let n = size * size;
        Slice { hu: (0..n as i16).collect(), classes: (0..n).map(|i| (i % 3) as u8).collect() }
    }

    fn changed(config: AugmentConfig, seed: u64) -> (Slice, usize) {
        augment(numbered(16), 16, &config, &mut ChaCha8Rng::seed_from_u64(seed))
    }

    #[test]
    fn flips_are_exact_and_nothing_is_the_default() {
        assert_eq!(changed(AugmentConfig::default(), 1), (numbered(16), 16));
        let (lr, _) = changed(AugmentConfig { flip_lr: 1.0, ..Default::default() }, 1);
        let (ud, _) = changed(AugmentConfig { flip_ud: 1.0, ..Default::default() }, 1);
        assert_eq!((lr.hu[0], ud.hu[0]), (15, 240));
        assert_eq!((lr.classes[0], ud.classes[0]), (15 % 3, (240 % 3) as u8));
    }

    #[test]
    fn noise_brightness_and_contrast_have_their_size() {
        let flat = Slice { hu: vec![100; 10_000], classes: vec![0; 10_000] };
        let run = |config: AugmentConfig| {
            let (slice, _) = augment(flat.clone(), 100, &config, &mut ChaCha8Rng::seed_from_u64(4));
            let mean = slice.hu.iter().map(|v| f64::from(*v)).sum::<f64>() / 1e4;
            let sd = (slice.hu.iter().map(|v| (f64::from(*v) - mean).powi(2)).sum::<f64>() / 1e4).sqrt();
            (mean, sd)
        };
        let (mean, sd) = run(AugmentConfig { noise_hu: 20.0, ..Default::default() });
        assert!((mean - 100.0).abs() < 1.0 && (sd - 20.0).abs() < 1.0, "{mean} {sd}");
        let (mean, sd) = run(AugmentConfig { brightness_hu: 30.0, ..Default::default() });
        assert!(mean != 100.0 && (mean - 100.0).abs() <= 30.0 && sd == 0.0);
        let (slice, _) = changed(AugmentConfig { contrast: 0.5, ..Default::default() }, 7);
        let spread = f64::from(slice.hu[255] - slice.hu[0]) / 255.0;
        assert!((spread - 1.0).abs() > 0.01 && (0.49..=1.51).contains(&spread), "{spread}");
    }

    #[test]
    fn crops_look_for_foreground() {
        let mut slice = Slice { hu: vec![0; 4096], classes: vec![0; 4096] };
        slice.classes[40 * 64 + 7] = 1;
        let crop = |foreground| AugmentConfig { crop: Some(CropConfig { size: 16, foreground }), ..Default::default() };
        let hits = |config: AugmentConfig| {
            let mut rng = ChaCha8Rng::seed_from_u64(1);
            (0..100)
                .filter(|_| {
                    let (part, size) = augment(slice.clone(), 64, &config, &mut rng);
                    assert_eq!((size, part.hu.len(), part.classes.len()), (16, 256, 256));
                    part.classes.contains(&1)
                })
                .count()
        };
        assert_eq!(hits(crop(1.0)), 100);
        assert!(hits(crop(0.0)) < 30);
    }

    #[test]
    fn contradictions_name_their_field() {
        let none = AugmentConfig::default();
        let crop = |size| AugmentConfig { crop: Some(CropConfig { size, foreground: 0.5 }), ..none };
        let elastic = |amplitude| AugmentConfig {
            elastic: Some(ElasticConfig { probability: 0.5, spacing: 10.0, amplitude }),
            ..none
        };
        assert_eq!(none.problem(64, 8, true), None);
        for (config, word) in [
            (AugmentConfig { flip_lr: 0.5, ..none }, "side"),
            (AugmentConfig { rotate_degrees: 200.0, ..none }, "rotate_degrees"),
            (AugmentConfig { noise_hu: -1.0, ..none }, "noise_hu"),
            (crop(12), "crop.size"),
            (crop(128), "crop.size"),
            (elastic(5.0), "fold"),
        ] {
            let text = config.problem(64, 8, true).unwrap();
            assert!(text.contains(word), "{word}: {text}");
        }
    }
}
