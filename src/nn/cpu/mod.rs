//! How tensors of the CPU backend reach our own kernels (`crate::kernels`), forward and backward.
//!
//! `nn::ops` calls [`operations`] and [`further`] for tensors of the CPU backend; a graphics device keeps burn's kernels.

mod flex;
pub(super) mod further;
mod hook;
pub(super) mod operations;
