//! The program as its users run it from a shell: journeys from data to figures, refusals, and real data.

#[macro_use]
pub mod program;
mod annotator;
mod convert;
mod exporting;
mod full_disk;
mod interrupted;
mod killed;
mod loop_without_window;
pub mod real_data;
mod refusals;
mod simulation;
mod stopping;
mod streaming;
mod studies;
