//! How tensors of the CPU backend reach our own kernels (`crate::kernels`), forward and backward.
//!
//! `nn::ops` calls [`operations`] and [`further`] for tensors of the CPU backend; `gpu` does the same for graphics devices.

mod flex;
pub(super) mod further;
mod hook;
pub(super) mod operations;
