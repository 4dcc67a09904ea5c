//! Metric reports for people and for programs: JSON, CSV and one self-contained HTML page.
//!
//! Floor 2, uses `core` and `metrics`. Every function returns text; whoever calls (the workspace, the command line)
//! writes it to a file. Nothing is fetched and no script runs when the page is opened. Callers name cases by what is
//! safe to show: this module adds no identity of its own.

mod base64;
mod chart;
mod csv;
mod document;
mod html;
mod json;
mod summary;
mod text;

pub use csv::{segments_csv, slices_csv};
pub use document::{CaseReport, Picture, ReportError, ReportInputs};
pub use html::html;
pub use json::json;
pub use summary::{FigureSummary, SegmentSummary, summarize};

#[cfg(test)]
mod tests;
