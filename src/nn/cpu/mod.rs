//! Our own kernels for the CPU: convolutions, normalisation, pooling and the like, several times as fast as burn's.
//!
//! Pictures lie channels last in memory (`[batch][row][column][channel]`), so that vectors run over channels whatever
//! the size of a picture. Kernels are written once over vectors of any width (`simd`) and compiled for AVX-512, for AVX2
//! and for whatever else there is; the processor decides at run time. All sums are made in an order that depends on
//! shapes alone: a run gives the same bits with any number of threads.
//!
//! `nn::ops` calls [`operations`] and [`further`] for tensors of the CPU backend; a graphics device keeps burn's kernels.

mod conv;
pub(super) mod depthwise;
pub(super) mod elementwise;
mod flex;
pub(super) mod further;
mod gather;
mod hook;
mod layout;
mod norm;
pub(super) mod operations;
mod pack;
mod pool;
mod simd;
mod transforms;
mod weights;
mod winograd;

#[cfg(test)]
mod tests;

/// Which vectors the kernels use on this processor.
pub fn vectors() -> &'static str {
    simd::Isa::best().name()
}
