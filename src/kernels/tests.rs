//! Each kernel against a loop in double precision, on random shapes and with every kind of vectors that there is.

use super::conv::{self, Shape};
use super::depthwise::{Along, Depthwise, mapped};
use super::gather::Source;
use super::norm::{self, Normalised};
use super::pool::{Windows, max_pool, max_pool_backward};
use super::simd::Isa;
use super::weights::{backward_bias, backward_weights};
use super::{elementwise, layout};
use proptest::prelude::*;

fn random(len: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    (0..len)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as f32 / 8_388_608.0 - 1.0
        })
        .collect()
}

/// The relative L2 difference.
fn off(got: &[f32], want: &[f64]) -> f64 {
    assert_eq!(got.len(), want.len());
    let error: f64 = got.iter().zip(want).map(|(a, b)| (f64::from(*a) - b).powi(2)).sum();
    let norm: f64 = want.iter().map(|b| b * b).sum();
    (error / norm.max(1e-12)).sqrt()
}

struct Loops {
    output: Vec<f64>,
    input: Vec<f64>,
    weights: Vec<f64>,
}

/// Output, and gradients of input and weights, number by number.
fn loops(s: &Shape, x: &[f32], w: &[f32], bias: &[f32], dy: &[f32]) -> Loops {
    let [rows, columns] = s.out_size().unwrap();
    let mut output = vec![0.0; dy.len()];
    let (mut input, mut weights) = (vec![0.0; x.len()], vec![0.0; w.len()]);
    for (i, v) in output.iter_mut().enumerate() {
        *v = f64::from(bias[i % s.out_channels]);
    }
    let place = |out: usize, k: usize, axis: usize| {
        let at = (out * s.stride + k * s.dilation).checked_sub(s.padding)?;
        (at < s.in_size[axis]).then_some(at)
    };
    for n in 0..s.images {
        for (r, c) in (0..rows).flat_map(|r| (0..columns).map(move |c| (r, c))) {
            for (kr, kc) in (0..s.kernel[0]).flat_map(|a| (0..s.kernel[1]).map(move |b| (a, b))) {
                let (Some(y), Some(z)) = (place(r, kr, 0), place(c, kc, 1)) else { continue };
                let from = ((n * s.in_size[0] + y) * s.in_size[1] + z) * s.in_channels;
                let to = ((n * rows + r) * columns + c) * s.out_channels;
                for (o, i) in (0..s.out_channels).flat_map(|o| (0..s.in_channels).map(move |i| (o, i))) {
                    let k = ((o * s.in_channels + i) * s.kernel[0] + kr) * s.kernel[1] + kc;
                    output[to + o] += f64::from(x[from + i]) * f64::from(w[k]);
                    input[from + i] += f64::from(dy[to + o]) * f64::from(w[k]);
                    weights[k] += f64::from(dy[to + o]) * f64::from(x[from + i]);
                }
            }
        }
    }
    Loops { output, input, weights }
}

fn check(s: &Shape, seed: u64) {
    let [rows, columns] = s.out_size().unwrap();
    let x = random(s.images * s.in_size[0] * s.in_size[1] * s.in_channels, seed);
    let w = random(s.out_channels * s.in_channels * s.kernel[0] * s.kernel[1], seed + 1);
    let dy = random(s.images * rows * columns * s.out_channels, seed + 2);
    let bias = random(s.out_channels, seed + 3);
    let want = loops(s, &x, &w, &bias, &dy);
    for isa in Isa::all() {
        let source = Source::one(&x, s.in_channels);
        let output = conv::forward(isa, s, source, &w, Some(&bias));
        assert!(off(&output, &want.output) < 1e-6, "{isa:?} {s:?}");
        assert!(off(&conv::backward_input(isa, s, &dy, &w, None), &want.input) < 1e-6, "{isa:?} {s:?}");
        assert!(off(&backward_weights(isa, s, source, &dy), &want.weights) < 2e-6, "{isa:?} {s:?}");
        if s.in_channels > 1 {
            // The same from two pictures whose channels follow each other.
            let a = s.in_channels / 2;
            let pixels = [layout::part(&x, s.in_channels, 0, a), layout::part(&x, s.in_channels, a, s.in_channels - a)];
            assert_eq!(layout::joined(&pixels[0], a, &pixels[1], s.in_channels - a), x);
            let source = Source { first: &pixels[0], first_channels: a, second: Some((&pixels[1], s.in_channels - a)) };
            assert!(off(&conv::forward(isa, s, source, &w, Some(&bias)), &want.output) < 1e-6, "{isa:?} {s:?}");
        }
    }
    let sums: Vec<f64> =
        (0..s.out_channels).map(|c| dy.iter().skip(c).step_by(s.out_channels).map(|v| f64::from(*v)).sum()).collect();
    assert!(off(&backward_bias(&dy, s.out_channels), &sums) < 1e-5);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn convolutions_equal_loops(
        (images, inputs, outputs) in (1usize..4, 1usize..40, 1usize..40),
        size in [1usize..14, 1usize..14],
        (kernel, stride, dilation) in (1usize..4, 1usize..3, 1usize..3),
        (pad, seed) in (any::<bool>(), any::<u32>()),
    ) {
        let padding = if pad { dilation * (kernel / 2) } else { 0 };
        let s = Shape {
            images, in_channels: inputs, in_size: size, out_channels: outputs, kernel: [kernel; 2], stride, padding, dilation,
        };
        prop_assume!(s.out_size().is_some());
        check(&s, u64::from(seed));
    }

    #[test]
    fn normalisation_equals_loops(
        (channels, pixels) in (1usize..40, 2usize..300),
        (level, rectified, own) in (-20.0f32..20.0, any::<bool>(), any::<bool>()),
        seed in any::<u32>(),
    ) {
        normalisation(channels, pixels, level, [rectified, own], u64::from(seed));
    }

    #[test]
    fn pooling_equals_loops(
        (images, channels) in (1usize..3, 1usize..12),
        size in [3usize..20, 3usize..20],
        (kernel, stride, padding) in (2usize..4, 1usize..4, 0usize..2),
        seed in any::<u32>(),
    ) {
        pooling(images, channels, size, Windows { kernel, stride, padding }, u64::from(seed));
    }
}

#[test]
fn wide_and_large_convolutions_equal_loops() {
    let shape = |images, i, [h, w]: [usize; 2], o, k, stride, padding, dilation| Shape {
        images,
        in_channels: i,
        in_size: [h, w],
        out_channels: o,
        kernel: [k; 2],
        stride,
        padding,
        dilation,
    };
    // Several blocks of the sum, of the panels, of regions across, and weights that threads share by channels.
    check(&shape(2, 160, [6, 5], 144, 3, 1, 1, 1), 1);
    check(&shape(1, 400, [4, 4], 40, 1, 1, 0, 1), 2);
    check(&shape(1, 12, [40, 300], 8, 3, 1, 1, 1), 3);
    check(&shape(1, 3, [64, 48], 24, 7, 2, 3, 1), 4);
    check(&shape(2, 40, [20, 20], 72, 2, 2, 0, 1), 5);
    // Winograd's way: odd sizes, no padding, much of it, blocks of the sum, and threads that share channels or tiles.
    check(&shape(2, 16, [13, 11], 32, 3, 1, 1, 1), 6);
    check(&shape(1, 48, [15, 17], 16, 3, 1, 0, 1), 7);
    check(&shape(1, 24, [12, 12], 40, 3, 1, 2, 1), 8);
    check(&shape(1, 352, [12, 12], 80, 3, 1, 1, 1), 9);
    check(&shape(1, 16, [13, 18], 32, 3, 1, 2, 2), 10);
    check(&shape(2, 32, [14, 9], 16, 3, 1, 3, 3), 11);
}

fn normalisation(channels: usize, pixels: usize, level: f32, [rectified, own]: [bool; 2], seed: u64) {
    let x: Vec<f32> = random(channels * pixels, seed).iter().map(|v| v + level).collect();
    let dy = random(x.len(), seed + 1);
    let (weight, bias) = (random(channels, seed + 2), random(channels, seed + 3));
    let count = pixels as f64;
    let each = |c: usize, f: &dyn Fn(usize) -> f64| (0..pixels).map(|p| f(p * channels + c)).sum::<f64>();
    let (given_mean, given_variance) = (random(channels, seed + 4), vec![0.7f32; channels]);
    let mut want = (vec![0.0; x.len()], vec![0.0; x.len()], vec![0.0; channels], vec![0.0; channels]);
    let (mut means, mut variances) = (Vec::new(), Vec::new());
    for c in 0..channels {
        let value = |i: usize| f64::from(x[i]);
        let own_mean = each(c, &value) / count;
        let own_variance = each(c, &|i| (value(i) - own_mean).powi(2)) / count;
        means.push(own_mean);
        variances.push(own_variance);
        let (mean, variance) =
            if own { (own_mean, own_variance) } else { (f64::from(given_mean[c]), f64::from(given_variance[c])) };
        let inverse = 1.0 / (variance + 1e-5).sqrt();
        let (w, b) = (f64::from(weight[c]), f64::from(bias[c]));
        let hat = |i: usize| (value(i) - mean) * inverse;
        let out = |i: usize| hat(i) * w + b;
        let g = |i: usize| if rectified && out(i) <= 0.0 { 0.0 } else { f64::from(dy[i]) };
        let (plain, moved) = (each(c, &g), each(c, &|i| g(i) * hat(i)));
        for i in (0..pixels).map(|p| p * channels + c) {
            want.0[i] = if rectified { out(i).max(0.0) } else { out(i) };
            let shared = if own { (plain + hat(i) * moved) / count } else { 0.0 };
            want.1[i] = w * inverse * (g(i) - shared);
        }
        (want.2[c], want.3[c]) = (moved, plain);
    }
    for isa in Isa::all() {
        let (mean, variance) = norm::statistics(isa, &x, channels);
        assert!(off(&mean, &means) < 1e-6 && off(&variance, &variances) < 1e-5, "{isa:?}");
        let statistics = if own { [&mean, &variance] } else { [&given_mean, &given_variance] };
        let n = Normalised::new(statistics.map(Vec::as_slice), [&weight, &bias], 1e-5, rectified, own);
        let output = norm::scaled(isa, &x, &n.scale, &n.shift, rectified);
        // A value within rounding of 0 may fall on either side of the rectifier, so gradients are looked at as a whole.
        assert!(off(&output, &want.0) < 1e-4, "{isa:?} {}", off(&output, &want.0));
        let mut in_place = x.clone();
        norm::scale(isa, &mut in_place, &n.scale, &n.shift, rectified);
        assert_eq!(in_place, output);
        let mut dx = dy.clone();
        let (dw, db) = n.backward(isa, &x, &mut dx);
        assert!(off(&dx, &want.1) < 1e-3, "{isa:?} {}", off(&dx, &want.1));
        assert!(off(&dw, &want.2) < 1e-3 && off(&db, &want.3) < 1e-3, "{isa:?}");
    }
}

fn pooling(images: usize, channels: usize, size: [usize; 2], windows: Windows, seed: u64) {
    let [h, w] = size;
    let x = random(images * h * w * channels, seed);
    let [rows, columns] = windows.out_size(size);
    let dy = random(images * rows * columns * channels, seed + 1);
    let (mut want, mut want_dx) = (Vec::new(), vec![0.0; x.len()]);
    for (out, g) in dy.iter().enumerate() {
        let (c, column, row) = (out % channels, out / channels % columns, out / channels / columns % rows);
        let n = out / channels / columns / rows;
        let mut best: Option<usize> = None;
        for (r, k) in (0..windows.kernel).flat_map(|r| (0..windows.kernel).map(move |k| (r, k))) {
            let y = (row * windows.stride + r).checked_sub(windows.padding).filter(|y| *y < h);
            let z = (column * windows.stride + k).checked_sub(windows.padding).filter(|z| *z < w);
            let (Some(y), Some(z)) = (y, z) else { continue };
            let i = ((n * h + y) * w + z) * channels + c;
            if best.is_none_or(|b| x[i] > x[b]) {
                best = Some(i);
            }
        }
        want.push(f64::from(x[best.unwrap()]));
        want_dx[best.unwrap()] += f64::from(*g);
    }
    for isa in Isa::all() {
        let (output, from) = max_pool(isa, &x, channels, size, windows);
        assert!(off(&output, &want) == 0.0);
        assert!(off(&max_pool_backward(&dy, &from, channels, size, windows), &want_dx) < 1e-6, "{windows:?} {size:?}");
    }
}

#[test]
fn rectifiers_let_nan_through() {
    let (x, y) = (random(1001, 1), random(1001, 2));
    for isa in Isa::all() {
        let mut out = x.clone();
        elementwise::rectify(isa, &mut out, Some(&y));
        assert!(out.iter().zip(x.iter().zip(&y)).all(|(o, (x, y))| *o == (x + y).max(0.0)));
        let mut gradient = y.clone();
        elementwise::rectify_gradient(isa, &out, &mut gradient);
        assert!(gradient.iter().zip(out.iter().zip(&y)).all(|(g, (o, y))| *g == if *o > 0.0 { *y } else { 0.0 }));
        let mut broken = vec![f32::NAN; 20];
        elementwise::rectify(isa, &mut broken, None);
        assert!(broken.iter().all(|v| v.is_nan()));
        let (largest, _) = max_pool(isa, &broken[..16], 4, [2, 2], Windows { kernel: 2, stride: 2, padding: 0 });
        assert!(largest.iter().all(|v| v.is_nan()));
    }
}

#[test]
fn planes_and_pixels_are_inverse() {
    let x = random(3 * 5 * 77, 1);
    let pixels = layout::turned(&x, 5, 77);
    assert_eq!(pixels[4], x[4 * 77]);
    assert_eq!(layout::turned(&pixels, 77, 5), x);
}

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    let s = Shape {
        images: 2,
        in_channels: 24,
        in_size: [40, 40],
        out_channels: 40,
        kernel: [3, 3],
        stride: 1,
        padding: 1,
        dilation: 1,
    };
    let x = random(2 * 40 * 40 * 24, 1);
    let dy = random(2 * 40 * 40 * 40, 2);
    let w = random(24 * 40 * 9, 3);
    let all = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let isa = Isa::best();
            let source = Source::one(&x, 24);
            let mut out = conv::forward(isa, &s, source, &w, None);
            out.extend(conv::backward_input(isa, &s, &dy, &w, None));
            out.extend(backward_weights(isa, &s, source, &dy));
            out.extend(backward_bias(&dy, 40));
            let (mean, variance) = norm::statistics(isa, &x, 24);
            let n = Normalised::new([&mean, &variance], [&variance, &mean], 1e-5, true, true);
            let mut dx = x.clone();
            let (dw, db) = n.backward(isa, &x, &mut dx);
            [out, mean, variance, dx, dw, db].concat()
        })
    };
    let one = all(1);
    assert!(one == all(2) && one == all(5));
}

#[test]
fn depthwise_convolutions_and_maps_equal_loops() {
    let (size, k) = ([9, 11], 3);
    for (channels, dilation) in [(1, 1), (20, 2), (32, 6)] {
        let shape =
            Depthwise { images: 2, channels, in_size: size, out_size: size, kernel: k, padding: dilation, dilation };
        let x = random(2 * 99 * channels, 1);
        let (w, dy) = (random(channels * 9, 2), random(x.len(), 3));
        let (mut output, mut input, mut weights) = (vec![0.0; x.len()], vec![0.0; x.len()], vec![0.0; w.len()]);
        for (n, r, c) in (0..2).flat_map(|n| (0..9).flat_map(move |r| (0..11).map(move |c| (n, r, c)))) {
            for tap in 0..9 {
                let y = (r + tap / 3 * dilation).checked_sub(dilation).filter(|y| *y < 9);
                let z = (c + tap % 3 * dilation).checked_sub(dilation).filter(|z| *z < 11);
                let (Some(y), Some(z)) = (y, z) else { continue };
                for channel in 0..channels {
                    let to = ((n * 9 + r) * 11 + c) * channels + channel;
                    let from = ((n * 9 + y) * 11 + z) * channels + channel;
                    let at = channel * 9 + tap;
                    output[to] += f64::from(x[from]) * f64::from(w[at]);
                    input[from] += f64::from(dy[to]) * f64::from(w[at]);
                    weights[at] += f64::from(dy[to]) * f64::from(x[from]);
                }
            }
        }
        for isa in Isa::all() {
            assert!(off(&shape.forward(isa, &x, &w), &output) < 1e-6);
            assert!(off(&shape.backward_input(isa, &dy, &w), &input) < 1e-6);
            assert!(off(&shape.backward_weights(isa, &x, &dy), &weights) < 1e-6);
        }
        // Every second row backwards, and each column with half of the next.
        let down = Along { sources: 9, targets: (0..5).map(|t| vec![(8 - 2 * t, 1.0)]).collect() };
        let across = Along { sources: 11, targets: (0..10).map(|t| vec![(t, 1.0), (t + 1, 0.5)]).collect() };
        let got = mapped(Isa::best(), &x, channels, &down, &across);
        let value = |n: usize, r: usize, c: usize| f64::from(x[(n * 99 + r * 11 + c) * channels]);
        assert!((f64::from(got[(50 + 2 * 10 + 3) * channels]) - value(1, 4, 3) - 0.5 * value(1, 4, 4)).abs() < 1e-6);
        // <M x, y> = <x, M' y>
        let y = random(got.len(), 4);
        let back = mapped(Isa::best(), &y, channels, &down.transposed(), &across.transposed());
        let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
        assert!((dot(&got, &y) - dot(&x, &back)).abs() < 1e-3);
    }
}
