//! The test at the end of a run: the best checkpoint on slices it has never met, on each case's own grid.

use super::data::{CaseSource, Prepared};
use super::split::Split;
use super::{IGNORED, Recipe, TrainError, TrainEvent};
use crate::core::LabelMap;
use crate::jobs::JobContext;
use crate::metrics::{Select, overlap};
use crate::nn::{AxialView, Segmenter};
use serde::Serialize;

/// Dice of one test case.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CaseResult {
    pub case: String,
    pub patient: String,
    /// Test slices of the case: those alone count.
    pub slices: usize,
    /// By class name; `None` is undefined (in neither truth nor prediction).
    pub dice: Vec<(String, Option<f64>)>,
    /// Mean of the defined ones.
    pub mean_dice: Option<f64>,
}

/// A case and its test slices, as the compute thread gets them.
pub(super) struct TestCase {
    pub index: usize,
    pub slices: Vec<usize>,
}

/// The cases that have test slices.
pub(super) fn test_cases(prepared: &Prepared, split: &Split) -> Vec<TestCase> {
    let mut cases: Vec<TestCase> = Vec::new();
    for index in &split.test {
        let Some(origin) = prepared.origins.get(*index) else { continue };
        match cases.iter_mut().find(|c| c.index == origin.case) {
            Some(case) => case.slices.push(origin.slice),
            None => cases.push(TestCase { index: origin.case, slices: vec![origin.slice] }),
        }
    }
    cases
}

/// Predicts the test slices of one case and compares them.
///
/// # Errors
/// [`TrainError`] of loading and of the device; [`TrainError::Cancelled`].
pub(super) fn evaluate_case(
    source: &CaseSource,
    test: &TestCase,
    recipe: &Recipe,
    segmenter: &Segmenter,
    between: &dyn Fn(),
    ctx: &JobContext<TrainEvent>,
) -> Result<CaseResult, TrainError> {
    let case = source.load(recipe, ctx)?;
    let geometry = *case.volume.geometry();
    let view = AxialView::new(&geometry);
    let [width, height, _] = view.size();
    let (mut truth, mut found) = (vec![0; geometry.voxel_count()], vec![0; geometry.voxel_count()]);
    for chunk in test.slices.chunks(recipe.batch_size) {
        if ctx.is_cancelled() {
            return Err(TrainError::Cancelled);
        }
        between();
        let slices: Vec<Vec<f32>> = chunk.iter().map(|k| view.slice(&case.volume, *k)).collect();
        for (k, labels) in chunk.iter().zip(segmenter.segment(&slices, [width, height])?) {
            let (mut labels, mut real) = (labels, view.label_slice(&case.classes, *k));
            for (label, real) in labels.iter_mut().zip(&mut real).filter(|(_, real)| **real == IGNORED) {
                (*label, *real) = (0, 0);
            }
            view.put_labels(&mut found, *k, &labels);
            view.put_labels(&mut truth, *k, &real);
        }
    }
    let map = |dense: &[u8]| {
        LabelMap::from_dense(geometry, dense).ok_or_else(|| TrainError::Data("a prediction has another size".into()))
    };
    let (truth, found) = (map(&truth)?, map(&found)?);
    let dice = (1..=u8::MAX)
        .zip(&recipe.data.classes)
        .map(|(class, config)| {
            let counts = overlap(&truth, Select::Label(class), &found, Select::Label(class))
                .map_err(|e| TrainError::Data(e.to_string()))?;
            Ok((config.name.clone(), counts.figures().dice))
        })
        .collect::<Result<Vec<_>, TrainError>>()?;
    let mean_dice = mean(dice.iter().filter_map(|(_, d)| *d));
    Ok(CaseResult {
        case: source.name().into(),
        patient: source.patient().into(),
        slices: test.slices.len(),
        dice,
        mean_dice,
    })
}

/// Mean, or `None` of nothing.
pub(super) fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (sum, count) = values.fold((0.0, 0u32), |(s, n), v| (s + v, n + 1));
    (count > 0).then(|| sum / f64::from(count))
}
