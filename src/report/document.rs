//! What a report is made of.

use crate::metrics::MetricReport;

/// Why a report could not be written.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// A picture's bytes do not match its size.
    #[error("the picture \"{0}\" cannot go into the report: it has {1} bytes where its size needs {2}")]
    PictureSize(String, usize, usize),
    /// The PNG encoder refused.
    #[error("the picture \"{0}\" cannot go into the report: {1}")]
    PictureCoding(String, image::ImageError),
    /// The JSON encoder refused.
    #[error("the report could not be written as JSON: {0}")]
    Json(#[from] serde_json::Error),
}

/// A picture for the page: `rgb` holds 3 bytes a pixel, rows from the top.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    pub caption: String,
    pub width: u32,
    pub height: u32,
    pub rgb: Vec<u8>,
}

/// One compared case. `name` must be safe to show: never a patient's name.
#[derive(Debug, Clone, PartialEq)]
pub struct CaseReport {
    pub name: String,
    pub metrics: MetricReport,
    pub pictures: Vec<Picture>,
}

/// Everything that goes into a report.
#[derive(Debug, Clone, PartialEq)]
pub struct ReportInputs {
    pub title: String,
    /// The images were generated, and the page says so.
    pub phantom: bool,
    /// What else the reader should know, as name and value: run, checkpoint, threshold.
    pub facts: Vec<(String, String)>,
    pub cases: Vec<CaseReport>,
}

impl ReportInputs {
    /// What the figures are not.
    pub fn statement(&self) -> &'static str {
        if self.phantom {
            "Measured on generated phantom images, for trying and testing the software. Not a clinical result."
        } else {
            "For research and annotation. Not a clinical result: the figures say how well two masks agree, not whether \
             either is right."
        }
    }
}

/// Name and version of this program, as every report states it.
pub(super) const SOFTWARE: &str = concat!("Maskwright ", env!("CARGO_PKG_VERSION"));
