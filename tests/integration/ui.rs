//! The window under real pointer and key events, found by the names that screen readers get.

mod cohort;
mod editing;
mod findings;
mod layers;
mod learning;
mod models;
mod opening;
mod operations;
mod picture;
mod pictures;
mod progress;
mod reports;
mod resample;
mod review;
mod screen;
mod tools;
mod views;
mod window;
