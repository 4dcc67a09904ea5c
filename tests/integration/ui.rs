//! The window under real pointer and key events, found by the names that screen readers get.

mod alarms;
mod cohort;
mod editing;
mod findings;
mod history;
mod keyboard;
mod layers;
mod learning;
mod masks;
mod models;
mod names;
mod opening;
mod operations;
mod over_time;
mod picture;
mod pictures;
mod progress;
mod reports;
mod resample;
mod reshaping;
mod review;
mod scale;
mod screen;
mod tools;
mod views;
mod window;
