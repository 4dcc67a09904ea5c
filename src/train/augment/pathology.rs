//! Simulated disease of the lungs: densities painted into the image while the mask stays that of the whole lung, so
//! that a network learns to find lungs it would otherwise lose.

use super::{is_foreground, normal};
use crate::train::store::Slice;
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

/// Densities in the boxes of the two largest lungs of a slice; slices where no two are found stay as they are.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PathologyConfig {
    /// Of changing a slice at all.
    pub probability: f64,
    /// Fewest and most densities in a slice.
    pub count: (usize, usize),
    /// Smallest and largest radius as shares of the slice's width.
    pub radius: (f64, f64),
    /// Lowest and highest share of the density in the mixture with what lies beneath.
    pub opacity: (f64, f64),
    /// Lowest and highest HU of a density.
    pub hu: (f64, f64),
    pub shapes: PathologyShapes,
    pub texture: PathologyTexture,
}

/// Outlines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum PathologyShapes {
    #[default]
    Circles,
    /// Circles and ellipses of any direction.
    Ellipses,
    /// Ellipses with a wavy outline.
    Blobs,
}

/// What fills them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum PathologyTexture {
    #[default]
    Flat,
    /// With Gaussian noise of 60 HU.
    Grainy,
    /// Densest in the middle, fading to nothing at the outline.
    Soft,
}

impl Default for PathologyConfig {
    fn default() -> Self {
        Self {
            probability: 0.8,
            count: (7, 9),
            radius: (0.01, 0.06),
            opacity: (0.3, 1.0),
            hu: (-100.0, 100.0),
            shapes: PathologyShapes::Circles,
            texture: PathologyTexture::Flat,
        }
    }
}

impl PathologyConfig {
    pub(super) fn problem(&self) -> Option<String> {
        let ordered = |(a, b): (f64, f64), low: f64, high: f64| low <= a && a <= b && b <= high;
        if !(0.0..=1.0).contains(&self.probability) {
            return Some("probability lies in 0 to 1".into());
        }
        if self.count.0 > self.count.1 || self.count.1 > 1000 {
            return Some("count is fewest and most, up to 1000".into());
        }
        if !ordered(self.radius, 0.0, 0.5) || !ordered(self.opacity, 0.0, 1.0) || !ordered(self.hu, -1024.0, 3000.0) {
            return Some(
                "radius lies in 0 to 0.5, opacity in 0 to 1, hu in -1024 to 3000, the lower number first".into(),
            );
        }
        None
    }
}

/// Left, top, right, bottom; the last two included.
type PixelBox = [usize; 4];

/// Paints into the image where two lungs are found.
pub(super) fn simulate(slice: &mut Slice, size: usize, config: &PathologyConfig, rng: &mut ChaCha8Rng) {
    if !rng.random_bool(config.probability) {
        return;
    }
    let Some(boxes) = two_largest(&slice.classes, size) else { return };
    let between = |rng: &mut ChaCha8Rng, (low, high): (f64, f64)| rng.random_range(low..=high);
    for _ in 0..rng.random_range(config.count.0..=config.count.1) {
        let lung = boxes[rng.random_range(0..2)];
        let centre =
            [rng.random_range(lung[0] as f64..=lung[2] as f64), rng.random_range(lung[1] as f64..=lung[3] as f64)];
        let radius = between(rng, config.radius) * size as f64;
        let (opacity, hu) = (between(rng, config.opacity), between(rng, config.hu));
        let outline = Outline::draw(config.shapes, radius, rng);
        for y in lung[1]..=lung[3] {
            for x in lung[0]..=lung[2] {
                let depth = outline.depth(x as f64 - centre[0], y as f64 - centre[1]);
                if depth <= 0.0 {
                    continue;
                }
                let (share, density) = match config.texture {
                    PathologyTexture::Flat => (opacity, hu),
                    PathologyTexture::Grainy => (opacity, hu + 60.0 * normal(rng)),
                    PathologyTexture::Soft => (opacity * depth, hu),
                };
                let value = &mut slice.hu[y * size + x];
                *value = (f64::from(*value) * (1.0 - share) + density * share).round() as i16;
            }
        }
    }
}

/// An ellipse whose radius swings with the direction.
struct Outline {
    axes: [f64; 2],
    turn: (f64, f64),
    swing: f64,
    waves: f64,
    phase: f64,
}

impl Outline {
    fn draw(shapes: PathologyShapes, radius: f64, rng: &mut ChaCha8Rng) -> Self {
        let mut out = Self { axes: [radius; 2], turn: (0.0, 1.0), swing: 0.0, waves: 0.0, phase: 0.0 };
        if shapes != PathologyShapes::Circles {
            out.axes[1] *= rng.random_range(0.4..=1.0);
            out.turn = rng.random_range(0.0..std::f64::consts::PI).sin_cos();
        }
        if shapes == PathologyShapes::Blobs {
            out.swing = rng.random_range(0.1..=0.3);
            out.waves = f64::from(rng.random_range(3..=6u8));
            out.phase = rng.random_range(0.0..std::f64::consts::TAU);
        }
        out
    }

    /// 1 in the middle, 0 on the outline, below 0 outside.
    fn depth(&self, dx: f64, dy: f64) -> f64 {
        let (sin, cos) = self.turn;
        let (u, v) = ((dx * cos + dy * sin) / self.axes[0].max(1e-9), (dy * cos - dx * sin) / self.axes[1].max(1e-9));
        1.0 + self.swing * (self.waves * v.atan2(u) + self.phase).sin() - u.hypot(v)
    }
}

/// Boxes of the two largest connected areas that are no background; `None` when there are not two.
fn two_largest(classes: &[u8], size: usize) -> Option<[PixelBox; 2]> {
    let mut seen = vec![false; classes.len()];
    let mut areas: Vec<(usize, PixelBox)> = Vec::new();
    for start in 0..classes.len() {
        if seen[start] || !is_foreground(classes[start]) {
            continue;
        }
        let (mut stack, mut count) = (vec![start], 0);
        let mut area = [size, size, 0, 0];
        seen[start] = true;
        while let Some(at) = stack.pop() {
            let (x, y) = (at % size, at / size);
            count += 1;
            area = [area[0].min(x), area[1].min(y), area[2].max(x), area[3].max(y)];
            let beside = [
                (x > 0, at.wrapping_sub(1)),
                (x + 1 < size, at + 1),
                (y > 0, at.wrapping_sub(size)),
                (true, at + size),
            ];
            for (inside, next) in beside {
                // Two lungs that touch are told apart by their class.
                if inside && next < classes.len() && !seen[next] && classes[next] == classes[start] {
                    seen[next] = true;
                    stack.push(next);
                }
            }
        }
        areas.push((count, area));
    }
    areas.sort_by_key(|(count, area)| (std::cmp::Reverse(*count), *area));
    // A speck is no lung.
    match areas.as_slice() {
        [(_, a), (n, b), ..] if n * 200 >= classes.len() => Some([*a, *b]),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    fn chest(lungs: usize) -> Slice {
        let inside = |i: usize, left: usize| (left..left + 16).contains(&(i % 64)) && (20..44).contains(&(i / 64));
        let class = |i: usize| u8::from(inside(i, 8)) + if lungs > 1 { 2 * u8::from(inside(i, 40)) } else { 0 };
        let classes: Vec<u8> = (0..4096).map(class).collect();
        Slice { hu: classes.iter().map(|c| if *c == 0 { 40 } else { -850 }).collect(), classes }
    }

    fn run(lungs: usize, config: &PathologyConfig, seed: u64) -> (Slice, Slice) {
        let before = chest(lungs);
        let mut after = before.clone();
        simulate(&mut after, 64, config, &mut ChaCha8Rng::seed_from_u64(seed));
        (before, after)
    }

    #[test]
    fn densities_lie_in_both_lung_boxes_and_the_mask_stays() {
        let config = PathologyConfig { probability: 1.0, ..Default::default() };
        for (shapes, texture) in [
            (PathologyShapes::Circles, PathologyTexture::Flat),
            (PathologyShapes::Ellipses, PathologyTexture::Grainy),
            (PathologyShapes::Blobs, PathologyTexture::Soft),
        ] {
            let (before, after) = run(2, &PathologyConfig { shapes, texture, ..config }, 3);
            assert_eq!(before.classes, after.classes);
            let changed: Vec<usize> = (0..4096).filter(|i| before.hu[*i] != after.hu[*i]).collect();
            assert!(!changed.is_empty() && changed.iter().all(|i| before.classes[*i] != 0));
            for lung in [1, 2] {
                assert!(changed.iter().any(|i| before.classes[*i] == lung), "{shapes:?} lung {lung}");
            }
        }
        assert_eq!(run(2, &config, 3), run(2, &config, 3));
        assert_ne!(run(2, &config, 3).1, run(2, &config, 4).1);
    }

    #[test]
    fn one_lung_is_left_alone_and_the_probability_is_met() {
        let config = PathologyConfig { probability: 1.0, ..Default::default() };
        let (before, after) = run(1, &config, 3);
        assert_eq!(before, after);
        let changed = (0..300).filter(|seed| {
            let (before, after) = run(2, &PathologyConfig::default(), *seed);
            before != after
        });
        let share = changed.count() as f64 / 300.0;
        assert!((share - 0.8).abs() < 0.08, "{share}");
        assert!(PathologyConfig { count: (9, 7), ..config }.problem().unwrap().contains("count"));
    }
}
