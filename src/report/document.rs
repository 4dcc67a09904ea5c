//! What a report is made of.

use super::MaskPair;
use crate::metrics::MetricReport;
use crate::metrics::quantities::Quantity;
use crate::metrics::stats::Calibration;

/// Why a report could not be written.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// A picture's bytes do not match its size.
    #[error("the picture \"{0}\" cannot go into the report: it has {1} bytes where its size needs {2}")]
    PictureSize(String, usize, usize),
    /// The PNG encoder refused.
    #[error("the picture \"{0}\" cannot go into the report: {1}")]
    PictureCoding(String, image::ImageError),
    /// The font of the PDF could not be read or cut down.
    #[error("the report could not be written as PDF: its font cannot be used ({0})")]
    Font(String),
    /// The PDF's streams could not be packed.
    #[error("the report could not be written as PDF: {0}")]
    Pdf(String),
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

impl Picture {
    /// # Errors
    /// [`ReportError::PictureSize`] when the bytes do not match the size.
    pub(super) fn check(&self) -> Result<(), ReportError> {
        let needed = self.width as usize * self.height as usize * 3;
        match self.rgb.len() == needed {
            true => Ok(()),
            false => Err(ReportError::PictureSize(self.caption.clone(), self.rgb.len(), needed)),
        }
    }
}

/// One mask compared with its reference. `name` and `patient` must be safe to show: never a patient's name.
#[derive(Debug, Clone, PartialEq)]
pub struct CaseReport {
    pub name: String,
    /// Cases of one patient are summed up together; `None`: each case is a patient of its own.
    pub patient: Option<String>,
    /// Index in [`ReportInputs::judged`].
    pub judged: usize,
    pub metrics: MetricReport,
    pub pictures: Vec<Picture>,
}

impl CaseReport {
    /// The only compared mask of a case.
    pub fn new(name: impl Into<String>, metrics: MetricReport) -> Self {
        Self { name: name.into(), patient: None, judged: 0, metrics, pictures: Vec::new() }
    }
}

/// A case that one side lacks: it is in no figure, and listed.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Unmatched {
    pub case: String,
    /// What has no such case.
    pub lacking: String,
}

/// A comparison that could not be made: it is in no figure, and listed.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Failed {
    pub case: String,
    /// Name of what was to be judged.
    pub judged: String,
    /// A sentence.
    pub reason: String,
}

/// Figures of a training run by epoch, for the learning curves.
#[derive(Debug, Clone, PartialEq)]
pub struct Curve {
    pub run: String,
    /// Epoch, training loss, validation loss, validation Dice.
    pub epochs: Vec<(f64, f64, Option<f64>, Option<f64>)>,
}

/// How well the probabilities of a judged run are calibrated.
#[derive(Debug, Clone, PartialEq)]
pub struct Calibrated {
    pub judged: String,
    pub calibration: Calibration,
}

/// Everything that goes into a report.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ReportInputs {
    pub title: String,
    /// The images were generated, and the page says so.
    pub phantom: bool,
    /// What else the reader should know, as name and value: run, weights, recipe, fingerprint of the data.
    pub facts: Vec<(String, String)>,
    /// Names of what is judged, when there are several: models, readers, layers.
    pub judged: Vec<String>,
    pub cases: Vec<CaseReport>,
    /// The judged masks of each case with each other, where that was asked for.
    pub pairs: Vec<MaskPair>,
    pub unmatched: Vec<Unmatched>,
    pub failed: Vec<Failed>,
    /// How many cases were passed over because they lie outside the test part of a judged run.
    pub outside: usize,
    pub curves: Vec<Curve>,
    /// Of the probabilities of each judged run, over all its cases.
    pub calibrations: Vec<Calibrated>,
    /// Contact sheets: worst cases, changes between two models.
    pub sheets: Vec<Picture>,
    /// Quantities of single masks, such as areas and volumes, with their definitions.
    pub quantities: Vec<Quantities>,
}

/// Quantities measured in one mask (or image) of one case.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Quantities {
    pub case: String,
    /// Which mask: the reference or what is judged.
    pub mask: String,
    /// For a time line: what orders the studies, safe to show (a number of days, an index).
    pub time: Option<f64>,
    pub values: Vec<Quantity>,
}

impl ReportInputs {
    /// Number of judged masks a case may have.
    pub fn sides(&self) -> usize {
        self.judged.len().max(1)
    }

    /// Name of a judged side; the mask's own where there is only one.
    pub fn side_name(&self, side: usize) -> String {
        match self.judged.get(side) {
            Some(name) => name.clone(),
            None => self.cases.first().map_or_else(|| "B".into(), |c| c.metrics.name_b.clone()),
        }
    }

    /// The cases of one judged side.
    pub fn cases_of(&self, side: usize) -> impl Iterator<Item = &CaseReport> {
        self.cases.iter().filter(move |c| c.judged == side)
    }

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
