//! Operations on each number by itself. Called by `operations`.

use super::simd::{Isa, Simd, on_isa};
use rayon::prelude::*;

/// Numbers that a thread takes at a time.
const PIECE: usize = 1 << 16;

/// `x` plus `y`, if there is one, cut off below 0, in place.
pub fn rectify(isa: Isa, x: &mut [f32], y: Option<&[f32]>) {
    // SAFETY (both): the kind is the processor's; pieces are of equal length.
    match y {
        Some(y) => x
            .par_chunks_mut(PIECE)
            .zip(y.par_chunks(PIECE))
            .for_each(|(x, y)| unsafe { rectify_sum(isa, x.as_mut_ptr(), y.as_ptr(), x.len()) }),
        None => x.par_chunks_mut(PIECE).for_each(|x| unsafe { rectify_one(isa, x.as_mut_ptr(), x.len()) }),
    }
}

/// The gradient `dy` kept where the output is above 0, in place.
pub fn rectify_gradient(isa: Isa, out: &[f32], dy: &mut [f32]) {
    dy.par_chunks_mut(PIECE).zip(out.par_chunks(PIECE)).for_each(|(dy, out)| {
        // SAFETY: the kind is the processor's; pieces are of equal length.
        unsafe { gate(isa, dy.as_mut_ptr(), out.as_ptr(), out.len()) };
    });
}

on_isa! {
    unsafe fn rectify_one => rectify_one_in(x: *mut f32, len: usize)
}
on_isa! {
    unsafe fn rectify_sum => rectify_sum_in(x: *mut f32, y: *const f32, len: usize)
}
on_isa! {
    unsafe fn gate => gate_in(dy: *mut f32, out: *const f32, len: usize)
}

#[inline(always)]
#[allow(clippy::inline_always, reason = "compiled for each kind of vectors")]
unsafe fn rectify_one_in<S: Simd>(x: *mut f32, len: usize) {
    unsafe {
        let mut i = 0;
        while i + S::LANES <= len {
            S::store(x.wrapping_add(i), S::max(S::zero(), S::load(x.wrapping_add(i))));
            i += S::LANES;
        }
        while i < len {
            *x.wrapping_add(i) = if *x.wrapping_add(i) <= 0.0 { 0.0 } else { *x.wrapping_add(i) };
            i += 1;
        }
    }
}

#[inline(always)]
#[allow(clippy::inline_always, reason = "compiled for each kind of vectors")]
unsafe fn rectify_sum_in<S: Simd>(x: *mut f32, y: *const f32, len: usize) {
    unsafe {
        let mut i = 0;
        while i + S::LANES <= len {
            S::store(
                x.wrapping_add(i),
                S::max(S::zero(), S::add(S::load(x.wrapping_add(i)), S::load(y.wrapping_add(i)))),
            );
            i += S::LANES;
        }
        while i < len {
            let sum = *x.wrapping_add(i) + *y.wrapping_add(i);
            *x.wrapping_add(i) = if sum <= 0.0 { 0.0 } else { sum };
            i += 1;
        }
    }
}

#[inline(always)]
#[allow(clippy::inline_always, reason = "compiled for each kind of vectors")]
unsafe fn gate_in<S: Simd>(dy: *mut f32, out: *const f32, len: usize) {
    unsafe {
        let mut i = 0;
        while i + S::LANES <= len {
            S::store(dy.wrapping_add(i), S::where_positive(S::load(out.wrapping_add(i)), S::load(dy.wrapping_add(i))));
            i += S::LANES;
        }
        while i < len {
            *dy.wrapping_add(i) = if *out.wrapping_add(i) > 0.0 { *dy.wrapping_add(i) } else { 0.0 };
            i += 1;
        }
    }
}

/// `out + a * b`, in place.
///
/// # Panics
/// When lengths differ.
pub fn add_product(isa: Isa, out: &mut [f32], a: &[f32], b: &[f32]) {
    assert!(out.len() == a.len() && a.len() == b.len());
    // SAFETY: the kind is the processor's; lengths are equal.
    unsafe { product(isa, out.as_mut_ptr(), a.as_ptr(), b.as_ptr(), a.len()) };
}

/// `out + a * factor`, in place.
///
/// # Panics
/// When lengths differ.
pub fn add_scaled(isa: Isa, out: &mut [f32], a: &[f32], factor: f32) {
    assert_eq!(out.len(), a.len());
    // SAFETY: the kind is the processor's; lengths are equal.
    unsafe { scaled(isa, out.as_mut_ptr(), a.as_ptr(), factor, a.len()) };
}

on_isa! {
    unsafe fn product => product_in(out: *mut f32, a: *const f32, b: *const f32, len: usize)
}
on_isa! {
    unsafe fn scaled => scaled_in(out: *mut f32, a: *const f32, factor: f32, len: usize)
}

#[inline(always)]
#[allow(clippy::inline_always, reason = "compiled for each kind of vectors")]
unsafe fn product_in<S: Simd>(out: *mut f32, a: *const f32, b: *const f32, len: usize) {
    unsafe {
        let mut i = 0;
        while i + S::LANES <= len {
            S::store(
                out.wrapping_add(i),
                S::fma(S::load(a.wrapping_add(i)), S::load(b.wrapping_add(i)), S::load(out.wrapping_add(i))),
            );
            i += S::LANES;
        }
        while i < len {
            *out.wrapping_add(i) += *a.wrapping_add(i) * *b.wrapping_add(i);
            i += 1;
        }
    }
}

#[inline(always)]
#[allow(clippy::inline_always, reason = "compiled for each kind of vectors")]
unsafe fn scaled_in<S: Simd>(out: *mut f32, a: *const f32, factor: f32, len: usize) {
    unsafe {
        let times = S::splat(factor);
        let mut i = 0;
        while i + S::LANES <= len {
            S::store(out.wrapping_add(i), S::fma(S::load(a.wrapping_add(i)), times, S::load(out.wrapping_add(i))));
            i += S::LANES;
        }
        while i < len {
            *out.wrapping_add(i) += *a.wrapping_add(i) * factor;
            i += 1;
        }
    }
}

/// Numbers of a step of Adam (Kingma and Ba, 2015) in PyTorch's form.
#[derive(Debug, Clone, Copy)]
pub struct AdamStep {
    /// Shares of the old moments that stay, and of the new values.
    pub betas: [f32; 2],
    pub fresh: [f32; 2],
    /// Learning rate over the first correction.
    pub rate: f32,
    /// Root of the second correction.
    pub correction: f32,
    pub epsilon: f32,
    /// What the weight is multiplied by first (AdamW).
    pub shrink: f32,
    /// Share of the weight that is added to the gradient first (Adam).
    pub decay: f32,
}

/// One step: `weight` and both moments change in place.
///
/// # Panics
/// When lengths differ.
pub fn adam(isa: Isa, step: AdamStep, weight: &mut [f32], gradient: &[f32], first: &mut [f32], second: &mut [f32]) {
    assert!([gradient.len(), first.len(), second.len()].iter().all(|len| *len == weight.len()));
    weight
        .par_chunks_mut(PIECE)
        .zip(gradient.par_chunks(PIECE))
        .zip(first.par_chunks_mut(PIECE))
        .zip(second.par_chunks_mut(PIECE))
        .for_each(|(((w, g), m), v)| {
            // SAFETY: the kind is the processor's; lengths are equal.
            unsafe { adam_piece(isa, &step, w.as_mut_ptr(), g.as_ptr(), m.as_mut_ptr(), v.as_mut_ptr(), g.len()) };
        });
}

on_isa! {
    unsafe fn adam_piece => adam_in(step: &AdamStep, w: *mut f32, g: *const f32, m: *mut f32, v: *mut f32, len: usize)
}

#[inline(always)]
#[allow(clippy::inline_always, reason = "compiled for each kind of vectors")]
unsafe fn adam_in<S: Simd>(step: &AdamStep, w: *mut f32, g: *const f32, m: *mut f32, v: *mut f32, len: usize) {
    let ([b1, b2], [f1, f2]) = (step.betas, step.fresh);
    unsafe {
        let (keep1, take1, keep2, take2) = (S::splat(b1), S::splat(f1), S::splat(b2), S::splat(f2));
        let (rate, correction, epsilon) = (S::splat(step.rate), S::splat(step.correction), S::splat(step.epsilon));
        let (shrink, decay) = (S::splat(step.shrink), S::splat(step.decay));
        let mut i = 0;
        while i + S::LANES <= len {
            let weight = S::mul(S::load(w.wrapping_add(i)), shrink);
            let gradient = S::fma(weight, decay, S::load(g.wrapping_add(i)));
            let first = S::fma(S::load(m.wrapping_add(i)), keep1, S::mul(gradient, take1));
            let second = S::fma(S::load(v.wrapping_add(i)), keep2, S::mul(S::mul(gradient, gradient), take2));
            let below = S::add(S::div(S::sqrt(second), correction), epsilon);
            S::store(m.wrapping_add(i), first);
            S::store(v.wrapping_add(i), second);
            S::store(w.wrapping_add(i), S::sub(weight, S::div(S::mul(first, rate), below)));
            i += S::LANES;
        }
        while i < len {
            let weight = *w.wrapping_add(i) * step.shrink;
            let gradient = *g.wrapping_add(i) + weight * step.decay;
            *m.wrapping_add(i) = *m.wrapping_add(i) * b1 + gradient * f1;
            *v.wrapping_add(i) = *v.wrapping_add(i) * b2 + gradient * gradient * f2;
            *w.wrapping_add(i) = weight
                - *m.wrapping_add(i) * step.rate / ((*v.wrapping_add(i)).sqrt() / step.correction + step.epsilon);
            i += 1;
        }
    }
}

/// What becomes of a dropped and of a kept value: `kept * x + shift`, or `dropped`.
#[derive(Debug, Clone, Copy)]
pub struct Dropped {
    pub kept: f32,
    pub shift: f32,
    pub dropped: f32,
}

/// Values of which only those with a mask of 1 are kept, in place.
pub fn drop_values(x: &mut [f32], mask: &[u8], to: Dropped) {
    x.par_chunks_mut(PIECE).zip(mask.par_chunks(PIECE)).for_each(|(x, mask)| {
        for (x, m) in x.iter_mut().zip(mask) {
            *x = if *m == 1 { *x * to.kept + to.shift } else { to.dropped };
        }
    });
}
