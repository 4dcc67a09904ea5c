//! Rotation, scaling and elastic displacement in one reading of the slice.

use super::{AugmentConfig, ElasticConfig, FILL_HU, FillKind, Interpolation};
use crate::train::store::Slice;
use rand::Rng;
use rand_chacha::ChaCha8Rng;

/// Draws what the recipe asks for and moves image and classes alike; nothing is read twice.
pub(super) fn warp(slice: &mut Slice, size: usize, config: &AugmentConfig, rng: &mut ChaCha8Rng) {
    let limit = config.rotate_degrees;
    let angle = if limit > 0.0 { rng.random_range(-limit..=limit).to_radians() } else { 0.0 };
    let factor = if config.scale > 0.0 { 1.0 + rng.random_range(-config.scale..=config.scale) } else { 1.0 };
    let field = config.elastic.filter(|e| rng.random_bool(e.probability)).map(|e| Field::draw(&e, size, rng));
    if angle != 0.0 || factor != 1.0 || field.is_some() {
        *slice = moved(slice, size, angle, factor, field.as_ref(), config);
    }
}

/// The slice turned about its centre by `angle` (radians, to the left on the screen) and grown by `factor`.
fn moved(slice: &Slice, size: usize, angle: f64, factor: f64, field: Option<&Field>, config: &AugmentConfig) -> Slice {
    let (sin, cos) = angle.sin_cos();
    let centre = (size as f64 - 1.0) / 2.0;
    let mut out = Slice { hu: Vec::with_capacity(size * size), classes: Vec::with_capacity(size * size) };
    for y in 0..size {
        for x in 0..size {
            let (dx, dy) = ((x as f64 - centre) / factor, (y as f64 - centre) / factor);
            let mut from = [centre + cos * dx + sin * dy, centre - sin * dx + cos * dy];
            if let Some(field) = field {
                let [fx, fy] = field.at(x as f64, y as f64);
                from = [from[0] + fx, from[1] + fy];
            }
            let nearest = |v: f64| place(v.round(), size, config.fill);
            let at = nearest(from[0]).zip(nearest(from[1])).map(|(x, y)| y * size + x);
            out.classes.push(at.map_or(0, |at| slice.classes[at]));
            out.hu.push(match config.interpolation {
                Interpolation::Nearest => at.map_or(FILL_HU, |at| slice.hu[at]),
                Interpolation::Linear => linear(&slice.hu, size, from, config.fill),
            });
        }
    }
    out
}

/// The pixel of a coordinate, `None` for the constant fill.
fn place(at: f64, size: usize, fill: FillKind) -> Option<usize> {
    let last = size as f64 - 1.0;
    if (0.0..=last).contains(&at) {
        return Some(at as usize);
    }
    match fill {
        FillKind::Constant => None,
        FillKind::Nearest => Some(at.clamp(0.0, last) as usize),
        FillKind::Mirror => {
            let period = (2.0 * last).max(1.0);
            let within = at.rem_euclid(period);
            Some(within.min(period - within).min(last) as usize)
        }
    }
}

fn linear(hu: &[i16], size: usize, [x, y]: [f64; 2], fill: FillKind) -> i16 {
    let (x0, y0) = (x.floor(), y.floor());
    let (wx, wy) = (x - x0, y - y0);
    let value = |x: f64, y: f64| match (place(x, size, fill), place(y, size, fill)) {
        (Some(x), Some(y)) => f64::from(hu[y * size + x]),
        _ => f64::from(FILL_HU),
    };
    let top = value(x0, y0) * (1.0 - wx) + value(x0 + 1.0, y0) * wx;
    let bottom = value(x0, y0 + 1.0) * (1.0 - wx) + value(x0 + 1.0, y0 + 1.0) * wx;
    (top * (1.0 - wy) + bottom * wy).round() as i16
}

/// Displacements at the knots of a grid that reaches one knot beyond the slice on all sides.
struct Field {
    spacing: f64,
    columns: usize,
    knots: Vec<[f64; 2]>,
}

impl Field {
    fn draw(config: &ElasticConfig, size: usize, rng: &mut ChaCha8Rng) -> Self {
        let columns = (size as f64 / config.spacing).ceil() as usize + 4;
        let mut one =
            || if config.amplitude > 0.0 { rng.random_range(-config.amplitude..=config.amplitude) } else { 0.0 };
        let knots = (0..columns * columns).map(|_| [one(), one()]).collect();
        Self { spacing: config.spacing, columns, knots }
    }

    fn at(&self, x: f64, y: f64) -> [f64; 2] {
        let (u, v) = (x / self.spacing, y / self.spacing);
        let (wu, wv) = (weights(u.fract()), weights(v.fract()));
        let (i, j) = (u as usize, v as usize);
        let mut sum = [0.0; 2];
        for (row, b) in wv.iter().enumerate() {
            for (column, a) in wu.iter().enumerate() {
                if let Some(knot) = self.knots.get((j + row) * self.columns + i + column) {
                    sum = [sum[0] + a * b * knot[0], sum[1] + a * b * knot[1]];
                }
            }
        }
        sum
    }
}

/// The four cubic B-splines over a cell; they add up to 1.
fn weights(t: f64) -> [f64; 4] {
    let s = 1.0 - t;
    [
        s * s * s / 6.0,
        (3.0 * t * t * t - 6.0 * t * t + 4.0) / 6.0,
        (3.0 * s * s * s - 6.0 * s * s + 4.0) / 6.0,
        t * t * t / 6.0,
    ]
}

#[cfg(test)]
mod tests {
    use super::super::tests::numbered;
    use super::*;
    use rand::SeedableRng;

    fn with(fill: FillKind, interpolation: Interpolation) -> AugmentConfig {
        AugmentConfig { fill, interpolation, ..Default::default() }
    }

    #[test]
    fn a_quarter_turn_is_exact_and_fills_are_kept_apart() {
        let turn =
            |size, angle, fill| moved(&numbered(size), size, angle, 1.0, None, &with(fill, Interpolation::Nearest));
        let slice = turn(3, std::f64::consts::FRAC_PI_2, FillKind::Constant);
        assert_eq!(slice.hu, [6, 3, 0, 7, 4, 1, 8, 5, 2]);
        let constant = turn(9, 0.7, FillKind::Constant);
        let at = constant.hu.iter().position(|v| *v == FILL_HU).unwrap();
        assert_eq!(constant.classes[at], 0);
        for fill in [FillKind::Nearest, FillKind::Mirror] {
            assert!(!turn(9, 0.7, fill).hu.contains(&FILL_HU));
        }
        assert_eq!(place(-2.0, 5, FillKind::Mirror), Some(2));
        assert_eq!(place(6.0, 5, FillKind::Mirror), Some(2));
    }

    #[test]
    fn growing_reads_between_the_pixels() {
        let slice = numbered(9);
        let linear = moved(&slice, 9, 0.0, 2.0, None, &with(FillKind::Nearest, Interpolation::Linear));
        // One to the right of the centre is half a pixel from it.
        assert_eq!((linear.hu[40], linear.hu[42], linear.hu[41]), (40, 41, 41));
        let nearest = moved(&slice, 9, 0.0, 2.0, None, &with(FillKind::Nearest, Interpolation::Nearest));
        assert!(nearest.hu.iter().all(|v| slice.hu.contains(v)));
    }

    #[test]
    fn elastic_displacement_is_bounded_smooth_and_repeats() {
        let config = ElasticConfig { probability: 1.0, spacing: 8.0, amplitude: 3.0 };
        let field = Field::draw(&config, 64, &mut ChaCha8Rng::seed_from_u64(2));
        let mut moved_far = false;
        for y in 0..64 {
            for x in 0..63 {
                let (a, b) = (field.at(f64::from(x), f64::from(y)), field.at(f64::from(x + 1), f64::from(y)));
                assert!(a.iter().all(|v| v.abs() <= 3.0));
                assert!((a[0] - b[0]).abs() < 1.0, "no fold");
                moved_far |= a[0].abs() > 1.0;
            }
        }
        assert!(moved_far);
        assert!((weights(0.3).iter().sum::<f64>() - 1.0).abs() < 1e-12);
    }
}
