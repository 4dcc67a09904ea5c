//! Our own kernels for graphics devices: WGSL text written for the shape at hand, run on burn's tensors, forward and
//! backward.
//!
//! burn without autotune convolves pixel by pixel on such a device, and sums a weight's gradient on one thread. `nn::ops`
//! calls [`operations`] for tensors of a graphics device and takes burn's kernels for what has none here. Tensors are
//! `[batch, channels, height, width]`, contiguous, in 32-bit floats. No kernel needs more than 16 KiB of workgroup memory
//! or 256 invocations, which is what WebGPU promises everywhere, but for those of [`matrix`], which ask the device.

mod adam;
mod conv;
mod depthwise;
mod hook;
mod kernel;
pub(super) mod matrix;
mod norm;
pub(super) mod operations;
mod pool;
mod reduce;
pub(super) mod times;
mod weights;
