//! Metric reports for people and for programs: JSON, CSV, one self-contained HTML page, and PDF.
//!
//! Floor 2, uses `core` and `metrics`. Every function returns text or bytes; whoever calls (the workspace, the command line)
//! writes it to a file. Nothing is fetched and no script runs when the page is opened. Callers name cases by what is
//! safe to show: this module adds no identity of its own.

mod base64;
mod block;
mod content;
mod csv;
mod document;
mod each;
mod figures;
mod html;
mod json;
mod paired;
mod pdf;
mod plot;
mod summary;
mod text;
mod timeline;

pub use csv::{pairs_csv, quantities_csv, segments_csv, slices_csv};
pub use document::{Calibrated, CaseReport, Curve, Failed, Picture, Quantities, ReportError, ReportInputs, Unmatched};
pub use each::{MaskPair, PairMean, PairPlace, PairTable, pair_tables};
pub use figures::{Better, FigureKind, Observation, slice_kinds, tolerances};
pub use html::html;
pub use json::json;
pub use paired::{PairedCase, PairedFigure, paired};
pub use pdf::pdf;
pub use summary::{
    FigureSummary, OVERALL, SegmentSummary, SideSummary, case_observations, confusion_of, patient_observations,
    segment_names, slice_observations, summarize,
};
pub use text::outside;
pub use timeline::{MaskLine, TimeLine, time_lines};

#[cfg(test)]
mod tests;
