//! The floors that need neither a window nor a network library, as a package of their own: they are built once with
//! optimisation, in development builds too, and their tests link nothing of burn, wgpu or egui.
//!
//! The program's library hands these modules on under the same names, so that `crate::core` means the same everywhere.

pub mod core;
pub mod edit;
pub mod io;
pub mod jobs;
pub mod kernels;
pub mod metrics;
pub mod phantom;
