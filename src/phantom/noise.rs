//! Smooth random fields for anatomy and correlated random grain for the image. Used by this module alone.

/// A smooth field over space: uniform values on a lattice, hashed from their place, blended by cubic B-splines.
///
/// Bounded by 1 in magnitude and twice differentiable; needs no memory and is the same on every machine.
#[derive(Debug, Clone, Copy)]
pub(super) struct Field {
    seed: u64,
    /// Lattice spacing in mm; features are about twice as wide.
    cell: f32,
}

impl Field {
    pub(super) fn new(seed: u64, cell: f32) -> Self {
        Self { seed, cell }
    }

    fn lattice(&self, x: i32, y: i32, z: i32) -> f32 {
        let plane = mix(self.seed ^ (u64::from(z as u32) << 32));
        let bits = mix(plane ^ (u64::from(y as u32) << 32 | u64::from(x as u32)));
        (bits >> 40) as f32 * (2.0 / (1u64 << 24) as f32) - 1.0
    }

    /// Adds `amplitude` times the field on a plane of constant `z` to `out` (`columns` wide, row by row), whose pixel
    /// (i, j) lies at `origin + (i, j) * pitch` mm.
    pub(super) fn add_plane(
        &self,
        out: &mut [f32],
        columns: usize,
        origin: [f32; 2],
        pitch: f32,
        z: f32,
        amplitude: f32,
    ) {
        if columns == 0 {
            return;
        }
        let (kz, wz) = weights(z / self.cell);
        let first = (origin[0] / self.cell).floor() as i32 - 1;
        let last = ((origin[0] + pitch * columns as f32) / self.cell).floor() as i32 + 3;
        let mut line = vec![0.0f32; (last - first) as usize];
        let columns_at: Vec<(usize, [f32; 4])> = (0..columns)
            .map(|i| {
                let (k, w) = weights((origin[0] + i as f32 * pitch) / self.cell);
                ((k - first) as usize, w)
            })
            .collect();
        // The lattice of the plane, one row per lattice y that is needed, kept while rows stay in the same cell.
        let mut rows: [Vec<f32>; 4] = std::array::from_fn(|_| vec![0.0; line.len()]);
        let mut rows_at = i32::MIN;
        for (j, row) in out.chunks_exact_mut(columns).enumerate() {
            let (ky, wy) = weights((origin[1] + j as f32 * pitch) / self.cell);
            if ky != rows_at {
                // Rows that stay in view move up; only new ones are hashed.
                let kept = match ky.checked_sub(rows_at) {
                    Some(moved @ 1..=3) => {
                        rows.rotate_left(moved as usize);
                        4 - moved as usize
                    }
                    _ => 0,
                };
                rows_at = ky;
                for (b, values) in rows.iter_mut().enumerate().skip(kept) {
                    for (x, value) in values.iter_mut().enumerate() {
                        *value =
                            (0..4).map(|c| wz[c] * self.lattice(first + x as i32, ky + b as i32, kz + c as i32)).sum();
                    }
                }
            }
            for (x, value) in line.iter_mut().enumerate() {
                *value = amplitude * (0..4).map(|b| wy[b] * rows[b][x]).sum::<f32>();
            }
            for (value, (k, w)) in row.iter_mut().zip(&columns_at) {
                let taps = &line[*k..k + 4];
                *value += w[0] * taps[0] + w[1] * taps[1] + w[2] * taps[2] + w[3] * taps[3];
            }
        }
    }
}

/// First of the four lattice points around `t`, and their cubic B-spline weights.
fn weights(t: f32) -> (i32, [f32; 4]) {
    let base = t.floor();
    let u = t - base;
    let v = 1.0 - u;
    let w = [
        v * v * v / 6.0,
        (3.0 * u * u * u - 6.0 * u * u + 4.0) / 6.0,
        (3.0 * v * v * v - 6.0 * v * v + 4.0) / 6.0,
        u * u * u / 6.0,
    ];
    (base as i32 - 1, w)
}

/// SplitMix64's finaliser (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, 2014).
pub(super) fn mix(mut x: u64) -> u64 {
    x = x.wrapping_add(0x9E37_79B9_7F4A_7C15);
    x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}

/// Grain of one slice: unit variance, nearly normal, correlated over about `sigma` pixels.
///
/// Filtered back projection with a soft kernel gives noise of a band between "none" and its own resolution:
/// a narrow Gaussian less a small share of a wide one.
pub(super) fn grain(side: usize, seed: u64, sigma: f32) -> Vec<f32> {
    let mut white: Vec<f32> = Vec::with_capacity(side * side);
    for n in 0..(side * side) as u64 {
        // Four 16-bit uniforms: variance 1/3 in all once centred; the sum is near enough to normal for grain.
        let bits = mix(seed ^ n.wrapping_mul(0xD134_2543_DE82_EF95));
        let sum = (0..4).map(|q| ((bits >> (16 * q)) & 0xFFFF) as f32).sum::<f32>();
        white.push((sum / 65536.0 - 2.0) * 1.732);
    }
    let narrow = blurred(&white, side, sigma);
    let wide = blurred(&narrow, side, sigma * 2.5);
    let mut out: Vec<f32> = narrow.iter().zip(&wide).map(|(n, w)| n - 0.6 * w).collect();
    let variance = out.iter().map(|v| f64::from(*v) * f64::from(*v)).sum::<f64>() / out.len().max(1) as f64;
    let gain = if variance > 0.0 { (1.0 / variance.sqrt()) as f32 } else { 0.0 };
    out.iter_mut().for_each(|v| *v *= gain);
    out
}

/// Separable Gaussian with mirrored ends.
fn blurred(image: &[f32], side: usize, sigma: f32) -> Vec<f32> {
    let reach = ((sigma * 2.5).ceil() as usize).clamp(1, side.saturating_sub(1).max(1));
    let mut kernel: Vec<f32> = (0..=reach).map(|d| (-0.5 * (d as f32 / sigma).powi(2)).exp()).collect();
    let total = kernel[0] + 2.0 * kernel[1..].iter().sum::<f32>();
    kernel.iter_mut().for_each(|k| *k /= total);
    let mirror = |p: isize| -> usize {
        let last = side as isize - 1;
        let p = if p < 0 { -p } else { p };
        (if p > last { 2 * last - p } else { p }).clamp(0, last) as usize
    };
    let mut rows = vec![0.0f32; image.len()];
    for (from, to) in image.chunks_exact(side).zip(rows.chunks_exact_mut(side)) {
        for (i, value) in to.iter_mut().enumerate() {
            let mut sum = kernel[0] * from[i];
            if i >= reach && i + reach < side {
                for (d, weight) in kernel.iter().enumerate().skip(1) {
                    sum += weight * (from[i - d] + from[i + d]);
                }
            } else {
                for (d, weight) in kernel.iter().enumerate().skip(1) {
                    let (a, b) = (mirror(i as isize - d as isize), mirror((i + d) as isize));
                    sum += weight * (from[a] + from[b]);
                }
            }
            *value = sum;
        }
    }
    let mut out: Vec<f32> = rows.iter().map(|v| kernel[0] * v).collect();
    for (j, to) in out.chunks_exact_mut(side).enumerate() {
        for (d, weight) in kernel.iter().enumerate().skip(1) {
            let (a, b) = (mirror(j as isize - d as isize) * side, mirror((j + d) as isize) * side);
            for ((value, x), y) in to.iter_mut().zip(&rows[a..a + side]).zip(&rows[b..b + side]) {
                *value += weight * (x + y);
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_field_is_bounded_smooth_and_the_same_however_it_is_cut() {
        let field = Field::new(7, 20.0);
        let mut whole = vec![0.0; 64 * 64];
        field.add_plane(&mut whole, 64, [-30.0, -31.5], 1.0, 12.5, 1.0);
        assert!(whole.iter().all(|v| v.abs() <= 1.0));
        assert!(whole.iter().any(|v| v.abs() > 0.1));
        assert!(whole.windows(2).enumerate().all(|(i, w)| i % 64 == 63 || (w[1] - w[0]).abs() < 0.1));
        let mut part = vec![0.0; 16 * 4];
        field.add_plane(&mut part, 16, [-20.0, -21.5], 1.0, 12.5, 1.0);
        for j in 0..4 {
            for i in 0..16 {
                assert!((part[j * 16 + i] - whole[(j + 10) * 64 + i + 10]).abs() < 1e-4);
            }
        }
    }

    #[test]
    fn grain_has_unit_variance_no_mean_and_neighbours_that_agree() {
        let side = 96;
        let g = grain(side, 3, 0.8);
        let mean = g.iter().sum::<f32>() / g.len() as f32;
        let next = g.windows(2).map(|w| w[0] * w[1]).sum::<f32>() / g.len() as f32;
        assert!(mean.abs() < 0.05, "{mean}");
        assert!((0.2..0.9).contains(&next), "{next}");
        assert_ne!(g, grain(side, 4, 0.8));
    }
}
