//! Tests of the whole program, in one binary: each further one would link everything again.

#[macro_use]
mod journeys;
mod architecture;
mod hostile;
mod ui;
mod window_level;

/// Counts in the processes that ask for it.
#[global_allocator]
static ALLOCATOR: hostile::memory::Counting = hostile::memory::Counting;
