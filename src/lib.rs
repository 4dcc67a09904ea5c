//! Maskwright: see CT, see the predicted mask over it, correct it, retrain the network in place.
//!
//! The floors of the house, each using only those below it, are described in `ARCHITECTURE.md`.

pub mod core;
pub mod jobs;
