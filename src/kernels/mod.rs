//! Our own kernels for the CPU: convolutions, normalisation, pooling and the like, several times as fast as burn's.
//!
//! Pictures lie channels last in memory (`[batch][row][column][channel]`), so that vectors run over channels whatever
//! the size of a picture. Kernels are written once over vectors of any width (`simd`) and compiled for AVX-512, for AVX2
//! and for whatever else there is; the processor decides at run time. All sums are made in an order that depends on
//! shapes alone: a run gives the same bits with any number of threads.
//!
//! Plain slices in, plain slices out. Called by `nn` alone: `nn::cpu` hands them the tensors of the CPU backend.

pub mod conv;
pub mod depthwise;
pub mod elementwise;
pub mod gather;
pub mod layout;
pub mod norm;
mod pack;
pub mod pool;
mod simd;
mod transforms;
pub mod weights;
mod winograd;

#[cfg(test)]
mod tests;

pub use simd::Isa;

/// Which vectors the kernels use on this processor.
pub fn vectors() -> &'static str {
    Isa::best().name()
}
