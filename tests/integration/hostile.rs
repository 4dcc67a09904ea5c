//! Hostile and broken input: generated bombs, a mutation fuzzer, and the program itself on both.
//!
//! What is measured here (memory, the end of a process) needs a process of its own: see `alone`.

pub mod alone;
mod bombs;
mod dicom_bombs;
pub mod elements;
mod fuzz;
mod journeys;
pub mod memory;
mod mutate;
mod other_bombs;
mod packed;
mod seeds;
mod volume_seeds;
mod workers;
