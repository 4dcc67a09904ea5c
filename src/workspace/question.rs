//! The question before a series opens whose slices form no regular grid: resample it, or take it as it is.

use super::{ResampleAnswer, Workspace};
use crate::core::Geometry;
use crate::io::Series;

/// What the user is to decide; the window asks it, [`super::OpenCommand::Answer`] answers it.
#[derive(Debug, Clone)]
pub struct ResampleQuestion {
    series: Series,
    /// What is irregular, in a sentence or two.
    pub reason: String,
    /// What the series has when it is resampled.
    pub grid: Geometry,
    /// What follows from opening it without; `None` when it cannot be opened so.
    pub as_it_is: Option<String>,
}

impl ResampleQuestion {
    /// `None` for a series that needs no question.
    fn about(series: &Series) -> Option<Self> {
        let stack = series.resampled.as_ref()?;
        let reason = stack.resampling.as_ref()?.reason.clone();
        let told = |code: &str| series.findings.iter().find(|f| f.code == code).map(|f| f.text.clone());
        let consequence = ["missing-slices", "uneven-spacing", "gantry-tilt"].into_iter().find_map(told);
        let as_it_is =
            series.can_open().then(|| consequence.unwrap_or_else(|| "the slices are stacked as they are.".into()));
        Some(Self { series: series.clone(), reason, grid: stack.geometry, as_it_is })
    }
}

impl Workspace {
    /// The open question, if any.
    pub fn question(&self) -> Option<&ResampleQuestion> {
        self.question.as_ref()
    }

    /// Opens a series, after a question where there is a choice.
    pub(super) fn open_series(&mut self, series: Series) {
        match ResampleQuestion::about(&series) {
            Some(question) => self.question = Some(question),
            None => self.load_series(series),
        }
    }

    pub(super) fn answer(&mut self, answer: ResampleAnswer) {
        let Some(question) = self.question.take() else { return };
        match answer {
            ResampleAnswer::Resample => {
                if let Some(series) = question.series.resample() {
                    self.load_series(series);
                }
            }
            ResampleAnswer::AsItIs if question.as_it_is.is_some() => self.load_series(question.series),
            ResampleAnswer::AsItIs | ResampleAnswer::Cancel => {}
        }
    }
}
