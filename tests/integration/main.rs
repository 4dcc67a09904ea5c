//! Tests of the whole program, in one binary: each further one would link everything again.

mod architecture;
mod journeys;
mod ui;
mod window_level;
