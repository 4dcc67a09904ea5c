//! The linear maps of Winograd's F(2 x 2, 3 x 3) on vectors of channels (Lavin and Gray, 2016, section 4.1): `B` of the
//! source, `G` of the kernel, `A` of the output, and the transposes that gradients need. Called by `winograd`.

use super::simd::{Simd, on_isa};

on_isa! {
    pub(super) unsafe fn kernel => kernel_in(taps: *const f32, width: usize, out: *mut f32, plane: usize)
}

/// `G g G'` of each channel of a panel.
#[inline(always)]
#[allow(clippy::inline_always, clippy::needless_range_loop, reason = "registers, by index")]
unsafe fn kernel_in<S: Simd>(taps: *const f32, width: usize, out: *mut f32, plane: usize) {
    unsafe {
        let half = S::splat(0.5);
        let mut v = 0;
        while v < width {
            let mut rows = [[S::zero(); 4]; 3];
            for r in 0..3 {
                let g = taps.wrapping_add(r * 3 * width + v);
                rows[r] = kernel_line::<S>(load3::<S>(g, width), half);
            }
            for c in 0..4 {
                let column = kernel_line::<S>([rows[0][c], rows[1][c], rows[2][c]], half);
                for r in 0..4 {
                    S::store(out.wrapping_add((r * 4 + c) * plane + v), column[r]);
                }
            }
            v += S::LANES;
        }
    }
}

on_isa! {
    pub(super) unsafe fn input => input_in(from: *const f32, row: usize, pixel: usize, channels: usize, out: *mut f32, plane: usize)
}

#[inline(always)]
#[allow(clippy::inline_always, clippy::needless_range_loop, reason = "registers, by index")]
unsafe fn input_in<S: Simd>(from: *const f32, row: usize, pixel: usize, channels: usize, out: *mut f32, plane: usize) {
    unsafe {
        let mut v = 0;
        while v < channels {
            let mut rows = [[S::zero(); 4]; 4];
            for r in 0..4 {
                rows[r] = input_line::<S>(load4::<S>(from.wrapping_add(r * row + v), pixel));
            }
            for c in 0..4 {
                let column = input_line::<S>([rows[0][c], rows[1][c], rows[2][c], rows[3][c]]);
                for r in 0..4 {
                    S::store(out.wrapping_add((r * 4 + c) * plane + v), column[r]);
                }
            }
            v += S::LANES;
        }
    }
}

on_isa! {
    pub(super) unsafe fn output => output_in(
        from: *const f32, plane: usize, channels: usize, bias: *const f32, out: *mut f32, steps: [usize; 2], whole: [bool; 2],
    )
}

#[inline(always)]
#[allow(clippy::inline_always, clippy::needless_range_loop, clippy::too_many_arguments, reason = "registers, by index")]
unsafe fn output_in<S: Simd>(
    from: *const f32,
    plane: usize,
    channels: usize,
    bias: *const f32,
    out: *mut f32,
    [row, pixel]: [usize; 2],
    whole: [bool; 2],
) {
    unsafe {
        let mut v = 0;
        while v < channels {
            let level = if bias.is_null() { S::zero() } else { S::load(bias.wrapping_add(v)) };
            let mut rows = [[S::zero(); 2]; 4];
            for r in 0..4 {
                rows[r] = output_line::<S>(load4::<S>(from.wrapping_add(r * 4 * plane + v), plane));
            }
            for c in 0..2 {
                if c == 1 && !whole[1] {
                    continue;
                }
                let column = output_line::<S>([rows[0][c], rows[1][c], rows[2][c], rows[3][c]]);
                S::store(out.wrapping_add(c * pixel + v), S::add(column[0], level));
                if whole[0] {
                    S::store(out.wrapping_add(row + c * pixel + v), S::add(column[1], level));
                }
            }
            v += S::LANES;
        }
    }
}

on_isa! {
    pub(super) unsafe fn outward => outward_in(from: [*const f32; 4], width: usize, out: *mut f32, plane: usize)
}

#[inline(always)]
#[allow(clippy::inline_always, clippy::needless_range_loop, reason = "registers, by index")]
unsafe fn outward_in<S: Simd>(from: [*const f32; 4], width: usize, out: *mut f32, plane: usize) {
    unsafe {
        let mut v = 0;
        while v < width {
            let top = outward_line::<S>(S::load(from[0].wrapping_add(v)), S::load(from[1].wrapping_add(v)));
            let bottom = outward_line::<S>(S::load(from[2].wrapping_add(v)), S::load(from[3].wrapping_add(v)));
            for c in 0..4 {
                let column = outward_line::<S>(top[c], bottom[c]);
                for r in 0..4 {
                    S::store(out.wrapping_add((r * 4 + c) * plane + v), column[r]);
                }
            }
            v += S::LANES;
        }
    }
}

on_isa! {
    pub(super) unsafe fn kernel_gradient => kernel_gradient_in(from: *const f32, plane: usize, width: usize, taps: *mut f32)
}

/// `G' u G` of each channel of a panel.
#[inline(always)]
#[allow(clippy::inline_always, clippy::needless_range_loop, reason = "registers, by index")]
unsafe fn kernel_gradient_in<S: Simd>(from: *const f32, plane: usize, width: usize, taps: *mut f32) {
    unsafe {
        let half = S::splat(0.5);
        let mut v = 0;
        while v < width {
            let mut rows = [[S::zero(); 3]; 4];
            for r in 0..4 {
                rows[r] = gradient_line::<S>(load4::<S>(from.wrapping_add(r * 4 * plane + v), plane), half);
            }
            for c in 0..3 {
                let column = gradient_line::<S>([rows[0][c], rows[1][c], rows[2][c], rows[3][c]], half);
                for r in 0..3 {
                    S::store(taps.wrapping_add((r * 3 + c) * width + v), column[r]);
                }
            }
            v += S::LANES;
        }
    }
}

/// One dimension of each transform. Functions and not closures: only what is always inlined gets the kind's instructions.
macro_rules! lines {
    ($(fn $name:ident($($arg:ident: $ty:ty),*) -> $ret:ty $body:block)*) => {$(
        #[inline(always)]
        #[allow(clippy::inline_always, reason = "compiled for each kind of vectors")]
        unsafe fn $name<S: Simd>($($arg: $ty),*) -> $ret {
            unsafe { $body }
        }
    )*};
}

lines! {
    fn load3(from: *const f32, step: usize) -> [S::V; 3] {
        [S::load(from), S::load(from.wrapping_add(step)), S::load(from.wrapping_add(2 * step))]
    }
    fn load4(from: *const f32, step: usize) -> [S::V; 4] {
        let [a, b, c] = load3::<S>(from, step);
        [a, b, c, S::load(from.wrapping_add(3 * step))]
    }
    fn kernel_line(g: [S::V; 3], half: S::V) -> [S::V; 4] {
        let ends = S::add(g[0], g[2]);
        [g[0], S::mul(half, S::add(ends, g[1])), S::mul(half, S::sub(ends, g[1])), g[2]]
    }
    fn input_line(d: [S::V; 4]) -> [S::V; 4] {
        [S::sub(d[0], d[2]), S::add(d[1], d[2]), S::sub(d[2], d[1]), S::sub(d[1], d[3])]
    }
    fn output_line(m: [S::V; 4]) -> [S::V; 2] {
        [S::add(S::add(m[0], m[1]), m[2]), S::sub(S::sub(m[1], m[2]), m[3])]
    }
    fn outward_line(a: S::V, b: S::V) -> [S::V; 4] {
        [a, S::add(a, b), S::sub(a, b), S::sub(S::zero(), b)]
    }
    fn gradient_line(u: [S::V; 4], half: S::V) -> [S::V; 3] {
        let (sum, difference) = (S::mul(half, S::add(u[1], u[2])), S::mul(half, S::sub(u[1], u[2])));
        [S::add(u[0], sum), difference, S::add(sum, u[3])]
    }
}
