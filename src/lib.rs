//! Maskwright: see CT, see the predicted mask over it, correct it, retrain the network in place.
//!
//! The floors of the house, each using only those below it, are described in `ARCHITECTURE.md`.

pub use maskwright_base::{core, edit, io, jobs, kernels, metrics, phantom};

pub mod app;
pub mod cli;
pub mod learn;
pub mod nn;
pub mod predict;
pub mod render;
pub mod report;
pub mod tools;
pub mod train;
pub mod ui;
pub mod workspace;
