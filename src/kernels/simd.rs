//! Vectors of single precision numbers, and which kind of them this processor has.
//!
//! Kernels are written once over [`Simd`] and compiled for each kind by [`on_isa!`], which is the only door to them:
//! the kind is asked of the processor at run time. Used by the kernels of this folder alone.

use std::sync::OnceLock;

/// A kind of vectors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Isa {
    /// 16 lanes.
    #[cfg(target_arch = "x86_64")]
    Avx512,
    /// 8 lanes with fused multiplication and addition.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// 8 lanes that the compiler maps to what the target has.
    Portable,
    /// 16 of them, so that tests go where only AVX-512 leads.
    #[cfg(test)]
    Wide,
}

impl Isa {
    /// The widest kind that this processor has.
    pub fn best() -> Self {
        static BEST: OnceLock<Isa> = OnceLock::new();
        *BEST.get_or_init(|| {
            #[cfg(target_arch = "x86_64")]
            {
                if std::is_x86_feature_detected!("avx512f") {
                    return Self::Avx512;
                }
                if std::is_x86_feature_detected!("avx2") && std::is_x86_feature_detected!("fma") {
                    return Self::Avx2;
                }
            }
            Self::Portable
        })
    }

    /// All kinds that this processor has, for tests.
    #[cfg(test)]
    pub fn all() -> Vec<Self> {
        let mut all = vec![Self::Portable, Self::Wide];
        #[cfg(target_arch = "x86_64")]
        {
            if std::is_x86_feature_detected!("avx2") && std::is_x86_feature_detected!("fma") {
                all.push(Self::Avx2);
            }
            if std::is_x86_feature_detected!("avx512f") {
                all.push(Self::Avx512);
            }
        }
        all
    }

    /// Numbers in a vector.
    pub fn lanes(self) -> usize {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => 16,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => 8,
            Self::Portable => 8,
            #[cfg(test)]
            Self::Wide => 16,
        }
    }

    /// Name in reports.
    pub fn name(self) -> &'static str {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => "AVX-512",
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => "AVX2 and FMA",
            Self::Portable => "portable vectors",
            #[cfg(test)]
            Self::Wide => "wide portable vectors",
        }
    }

    /// This kind, or one of 8 lanes where vectors over `channels` would be half empty.
    pub fn for_channels(self, channels: usize) -> Self {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 if channels <= 8 => Self::Avx2,
            #[cfg(test)]
            Self::Wide if channels <= 8 => Self::Portable,
            other => other,
        }
    }
}

/// Operations on one vector. Everything is inlined into the function that [`on_isa!`] compiles for the kind.
///
/// # Safety
/// The processor must have the kind; pointers must be valid for [`Self::LANES`] numbers (one for `splat_at`).
pub unsafe trait Simd: Copy {
    type V: Copy;
    const LANES: usize;
    unsafe fn zero() -> Self::V;
    unsafe fn splat(value: f32) -> Self::V;
    unsafe fn splat_at(at: *const f32) -> Self::V;
    unsafe fn load(at: *const f32) -> Self::V;
    unsafe fn store(at: *mut f32, v: Self::V);
    /// `a * b + c`.
    unsafe fn fma(a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    unsafe fn add(a: Self::V, b: Self::V) -> Self::V;
    unsafe fn sub(a: Self::V, b: Self::V) -> Self::V;
    unsafe fn mul(a: Self::V, b: Self::V) -> Self::V;
    unsafe fn div(a: Self::V, b: Self::V) -> Self::V;
    unsafe fn sqrt(a: Self::V) -> Self::V;
    /// The larger; `b` where `a` is not a number.
    unsafe fn max(a: Self::V, b: Self::V) -> Self::V;
    /// `v` where `gate` is above 0, else 0.
    unsafe fn where_positive(gate: Self::V, v: Self::V) -> Self::V;
}

/// Lanes in an array.
#[derive(Clone, Copy)]
pub struct Portable<const LANES: usize>;

macro_rules! lanes {
    ($f:expr) => {
        std::array::from_fn($f)
    };
}

// SAFETY: plain arithmetic; loads and stores touch what the caller promised.
#[allow(clippy::inline_always, reason = "the caller carries the target features")]
unsafe impl<const N: usize> Simd for Portable<N> {
    type V = [f32; N];
    const LANES: usize = N;
    #[inline(always)]
    unsafe fn zero() -> Self::V {
        [0.0; N]
    }
    #[inline(always)]
    unsafe fn splat(value: f32) -> Self::V {
        [value; N]
    }
    #[inline(always)]
    unsafe fn splat_at(at: *const f32) -> Self::V {
        [unsafe { *at }; N]
    }
    #[inline(always)]
    unsafe fn load(at: *const f32) -> Self::V {
        unsafe { at.cast::<[f32; N]>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn store(at: *mut f32, v: Self::V) {
        unsafe { at.cast::<[f32; N]>().write_unaligned(v) }
    }
    #[inline(always)]
    unsafe fn fma(a: Self::V, b: Self::V, c: Self::V) -> Self::V {
        lanes!(|i| a[i] * b[i] + c[i])
    }
    #[inline(always)]
    unsafe fn add(a: Self::V, b: Self::V) -> Self::V {
        lanes!(|i| a[i] + b[i])
    }
    #[inline(always)]
    unsafe fn sub(a: Self::V, b: Self::V) -> Self::V {
        lanes!(|i| a[i] - b[i])
    }
    #[inline(always)]
    unsafe fn mul(a: Self::V, b: Self::V) -> Self::V {
        lanes!(|i| a[i] * b[i])
    }
    #[inline(always)]
    unsafe fn div(a: Self::V, b: Self::V) -> Self::V {
        lanes!(|i| a[i] / b[i])
    }
    #[inline(always)]
    unsafe fn sqrt(a: Self::V) -> Self::V {
        lanes!(|i| a[i].sqrt())
    }
    #[inline(always)]
    unsafe fn max(a: Self::V, b: Self::V) -> Self::V {
        lanes!(|i| if a[i] > b[i] { a[i] } else { b[i] })
    }
    #[inline(always)]
    unsafe fn where_positive(gate: Self::V, v: Self::V) -> Self::V {
        lanes!(|i| if gate[i] > 0.0 { v[i] } else { 0.0 })
    }
}

#[cfg(target_arch = "x86_64")]
pub use x86::{Avx2, Avx512};

#[cfg(target_arch = "x86_64")]
#[allow(clippy::inline_always, reason = "the caller carries the target features")]
mod x86 {
    use super::Simd;
    use std::arch::x86_64::*;

    #[derive(Clone, Copy)]
    pub struct Avx2;
    #[derive(Clone, Copy)]
    pub struct Avx512;

    macro_rules! x86 {
        ($name:ident, $v:ty, $lanes:literal, $zero:ident, $splat:ident, $load:ident, $store:ident, $fma:ident,
         $add:ident, $sub:ident, $mul:ident, $div:ident, $sqrt:ident, $max:ident, $gate:expr) => {
            // SAFETY: the caller promises the kind and the pointers.
            unsafe impl Simd for $name {
                type V = $v;
                const LANES: usize = $lanes;
                #[inline(always)]
                unsafe fn zero() -> Self::V {
                    unsafe { $zero() }
                }
                #[inline(always)]
                unsafe fn splat(value: f32) -> Self::V {
                    unsafe { $splat(value) }
                }
                #[inline(always)]
                unsafe fn splat_at(at: *const f32) -> Self::V {
                    unsafe { $splat(*at) }
                }
                #[inline(always)]
                unsafe fn load(at: *const f32) -> Self::V {
                    unsafe { $load(at) }
                }
                #[inline(always)]
                unsafe fn store(at: *mut f32, v: Self::V) {
                    unsafe { $store(at, v) }
                }
                #[inline(always)]
                unsafe fn fma(a: Self::V, b: Self::V, c: Self::V) -> Self::V {
                    unsafe { $fma(a, b, c) }
                }
                #[inline(always)]
                unsafe fn add(a: Self::V, b: Self::V) -> Self::V {
                    unsafe { $add(a, b) }
                }
                #[inline(always)]
                unsafe fn sub(a: Self::V, b: Self::V) -> Self::V {
                    unsafe { $sub(a, b) }
                }
                #[inline(always)]
                unsafe fn mul(a: Self::V, b: Self::V) -> Self::V {
                    unsafe { $mul(a, b) }
                }
                #[inline(always)]
                unsafe fn div(a: Self::V, b: Self::V) -> Self::V {
                    unsafe { $div(a, b) }
                }
                #[inline(always)]
                unsafe fn sqrt(a: Self::V) -> Self::V {
                    unsafe { $sqrt(a) }
                }
                #[inline(always)]
                unsafe fn max(a: Self::V, b: Self::V) -> Self::V {
                    unsafe { $max(a, b) }
                }
                #[inline(always)]
                unsafe fn where_positive(gate: Self::V, v: Self::V) -> Self::V {
                    unsafe { $gate(gate, v) }
                }
            }
        };
    }

    #[inline(always)]
    unsafe fn gate256(gate: __m256, v: __m256) -> __m256 {
        unsafe { _mm256_and_ps(_mm256_cmp_ps::<_CMP_GT_OQ>(gate, _mm256_setzero_ps()), v) }
    }

    #[inline(always)]
    unsafe fn gate512(gate: __m512, v: __m512) -> __m512 {
        unsafe { _mm512_maskz_mov_ps(_mm512_cmp_ps_mask::<_CMP_GT_OQ>(gate, _mm512_setzero_ps()), v) }
    }

    x86!(
        Avx2,
        __m256,
        8,
        _mm256_setzero_ps,
        _mm256_set1_ps,
        _mm256_loadu_ps,
        _mm256_storeu_ps,
        _mm256_fmadd_ps,
        _mm256_add_ps,
        _mm256_sub_ps,
        _mm256_mul_ps,
        _mm256_div_ps,
        _mm256_sqrt_ps,
        _mm256_max_ps,
        gate256
    );
    x86!(
        Avx512,
        __m512,
        16,
        _mm512_setzero_ps,
        _mm512_set1_ps,
        _mm512_loadu_ps,
        _mm512_storeu_ps,
        _mm512_fmadd_ps,
        _mm512_add_ps,
        _mm512_sub_ps,
        _mm512_mul_ps,
        _mm512_div_ps,
        _mm512_sqrt_ps,
        _mm512_max_ps,
        gate512
    );
}

/// Defines `fn $name(isa: Isa, args…)` that runs the generic `$inner::<S, …>(args…)` compiled for `isa`.
macro_rules! on_isa {
    ($(#[$meta:meta])* $vis:vis unsafe fn $name:ident => $inner:ident ($($arg:ident : $ty:ty),* $(,)?) $(-> $ret:ty)?) => {
        $(#[$meta])*
        #[allow(clippy::too_many_arguments, reason = "a kernel's door")]
        $vis unsafe fn $name(isa: $crate::kernels::simd::Isa, $($arg: $ty),*) $(-> $ret)? {
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx512f,avx2,fma")]
            unsafe fn wide($($arg: $ty),*) $(-> $ret)? {
                unsafe { $inner::<$crate::kernels::simd::Avx512>($($arg),*) }
            }
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma")]
            unsafe fn middle($($arg: $ty),*) $(-> $ret)? {
                unsafe { $inner::<$crate::kernels::simd::Avx2>($($arg),*) }
            }
            match isa {
                #[cfg(target_arch = "x86_64")]
                $crate::kernels::simd::Isa::Avx512 => unsafe { wide($($arg),*) },
                #[cfg(target_arch = "x86_64")]
                $crate::kernels::simd::Isa::Avx2 => unsafe { middle($($arg),*) },
                $crate::kernels::simd::Isa::Portable => unsafe {
                    $inner::<$crate::kernels::simd::Portable<8>>($($arg),*)
                },
                #[cfg(test)]
                $crate::kernels::simd::Isa::Wide => unsafe {
                    $inner::<$crate::kernels::simd::Portable<16>>($($arg),*)
                },
            }
        }
    };
}
pub(super) use on_isa;
