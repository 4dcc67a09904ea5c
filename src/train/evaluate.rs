//! The test at the end of a run: the best checkpoint on slices it has never met, on each case's own grid.

use super::data::{CaseSource, Prepared};
use super::split::Split;
use super::{IGNORED, Recipe, TrainError, TrainEvent};
use crate::core::{Geometry, LabelMap};
use crate::edit::{EditError, Watch, tidy};
use crate::jobs::{CancelToken, JobContext, Waker};
use crate::metrics::{CompareOptions, MetricError, Pair, compare};
use crate::nn::{AxialView, Segmenter};
use serde::Serialize;
use std::sync::Arc;

/// What was reached for one test case.
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
    pub distances: Vec<ClassDistances>,
}

/// Distances between the outlines of truth and prediction of one class, by the definitions of `metrics`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ClassDistances {
    pub class: String,
    /// Three-dimensional, in mm: the largest, and the 95th percentile. `None` where one of the two masks is empty, and
    /// where only some of the case's slices are test slices.
    pub hausdorff_mm: Option<f64>,
    pub hausdorff95_mm: Option<f64>,
    /// Two-dimensional, in pixels of the case: mean over the slices that have both.
    pub slice_hausdorff_px: Option<f64>,
    /// Slices that only one of the two has: no distance says how bad they are.
    pub missed_slices: usize,
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
    let [width, height, slices] = view.size();
    let tidies = recipe.inference.tidies();
    // Parts and holes are those of the whole volume.
    let asked: Vec<usize> = if tidies { (0..slices).collect() } else { test.slices.clone() };
    let mut found = vec![0; geometry.voxel_count()];
    for chunk in asked.chunks(recipe.batch_size.min(8)) {
        if ctx.is_cancelled() {
            return Err(TrainError::Cancelled);
        }
        between();
        let slices: Vec<Vec<f32>> = chunk.iter().map(|k| view.slice(&case.volume, *k)).collect();
        for (k, labels) in chunk.iter().zip(segmenter.segment(&slices, [width, height])?) {
            view.put_labels(&mut found, *k, &labels);
        }
    }
    let found = map_of(&geometry, &found)?;
    let found = if tidies { tidied(found, recipe, &ctx.cancel)? } else { found };
    let (truth, found) = counted(&case.classes, &found, &view, &test.slices)?;
    let whole = test.slices.len() == slices;
    let (dice, distances) = compared(&truth, &found, recipe, whole, &view, &ctx.cancel)?;
    let mean_dice = mean(dice.iter().filter_map(|(_, d)| *d));
    Ok(CaseResult {
        case: source.name().into(),
        patient: source.patient().into(),
        slices: test.slices.len(),
        dice,
        mean_dice,
        distances,
    })
}

fn map_of(geometry: &Geometry, dense: &[u8]) -> Result<LabelMap, TrainError> {
    LabelMap::from_dense(*geometry, dense).ok_or_else(|| TrainError::Data("a prediction has another size".into()))
}

fn tidied(mut map: LabelMap, recipe: &Recipe, cancel: &CancelToken) -> Result<LabelMap, TrainError> {
    let labels = (1..=u8::MAX).take(recipe.data.classes.len());
    match tidy(&mut map, labels, recipe.inference.keep_largest, recipe.inference.fill_holes, &Until(cancel.clone())) {
        Err(EditError::Cancelled) => Err(TrainError::Cancelled),
        // It looks at no image and starts nowhere: nothing else can be wrong.
        Err(_) | Ok(()) => Ok(map),
    }
}

struct Until(CancelToken);

impl Watch for Until {
    fn cancelled(&self) -> bool {
        self.0.is_cancelled()
    }
    fn progress(&self, _: f32) {}
}

/// Truth and prediction in the test slices alone, without the pixels that do not count.
fn counted(
    classes: &LabelMap,
    found: &LabelMap,
    view: &AxialView,
    slices: &[usize],
) -> Result<(LabelMap, LabelMap), TrainError> {
    let geometry = classes.geometry();
    let (mut truth, mut kept) = (vec![0; geometry.voxel_count()], vec![0; geometry.voxel_count()]);
    for k in slices {
        let (mut labels, mut real) = (view.label_slice(found, *k), view.label_slice(classes, *k));
        for (label, real) in labels.iter_mut().zip(&mut real).filter(|(_, real)| **real == IGNORED) {
            (*label, *real) = (0, 0);
        }
        view.put_labels(&mut kept, *k, &labels);
        view.put_labels(&mut truth, *k, &real);
    }
    Ok((map_of(geometry, &truth)?, map_of(geometry, &kept)?))
}

type Reached = (Vec<(String, Option<f64>)>, Vec<ClassDistances>);

fn compared(
    truth: &LabelMap,
    found: &LabelMap,
    recipe: &Recipe,
    whole: bool,
    view: &AxialView,
    cancel: &CancelToken,
) -> Result<Reached, TrainError> {
    let classes = (1..=u8::MAX).zip(&recipe.data.classes);
    let pairs: Vec<Pair> = classes.map(|(label, class)| Pair::labels(class.name.clone(), label, label)).collect();
    // Rows of slices are those along k.
    let options = CompareOptions { slices: view.is_along_k(), ..CompareOptions::full("truth", "prediction") };
    let (ctx, _) = JobContext::attached(cancel.clone(), Arc::default(), Waker::none());
    let report = compare(truth, found, &pairs, &options, &ctx).map_err(|e| match e {
        MetricError::Cancelled => TrainError::Cancelled,
        other => TrainError::Data(other.to_string()),
    })?;
    let finite = |v: f64| v.is_finite().then_some(v);
    let distances = report.rows.iter().map(|row| {
        let volume = row.distances.as_ref().filter(|_| whole);
        let in_both = row.slices.iter().filter_map(|s| s.distances_px.as_ref()).filter_map(|d| finite(d.hd));
        ClassDistances {
            class: row.name.clone(),
            hausdorff_mm: volume.and_then(|d| finite(d.hd)),
            hausdorff95_mm: volume.and_then(|d| d.hd95).and_then(finite),
            slice_hausdorff_px: mean(in_both),
            missed_slices: row.slices.iter().filter(|s| s.agreement.is_miss()).count(),
        }
    });
    Ok((report.rows.iter().map(|row| (row.name.clone(), row.figures.dice)).collect(), distances.collect()))
}

/// Mean, or `None` of nothing.
pub(super) fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (sum, count) = values.fold((0.0, 0u32), |(s, n), v| (s + v, n + 1));
    (count > 0).then(|| sum / f64::from(count))
}
