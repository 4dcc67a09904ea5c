//! What augmentation does to the training slices, before a run is started.

use super::augment::augment;
use super::batch::BatchPlan;
use super::data::{CaseSource, Prepared, find, prepare};
use super::pictures::Sheet;
use super::store::SliceStore;
use super::{Recipe, TrainData, TrainError, TrainEvent};
use crate::jobs::JobContext;

/// Slices shown, and how each is shown: as it is, then changed.
const ROWS: usize = 4;
pub(super) const COLUMNS: usize = 4;
/// Slices looked through for such with something to see.
const CANDIDATES: usize = 64;

/// Augmented samples of the first case that has any class, as the training makes them in its first epochs: in each row a
/// slice as it is and then three changed ones. Call inside a job.
///
/// # Errors
/// [`TrainError`] of the recipe and the data; [`TrainError::Cancelled`].
pub fn preview_augmentation(
    recipe: &Recipe,
    data: &TrainData,
    ctx: &JobContext<TrainEvent>,
) -> Result<Sheet, TrainError> {
    recipe.check()?;
    let prepared = first_case(recipe, data, ctx)?;
    let shown = telling(&prepared.store, &(0..prepared.store.len()).collect::<Vec<_>>(), ROWS)?;
    let plan = BatchPlan::new(recipe, &prepared.store);
    let mut slices = Vec::new();
    for (place, index) in shown.into_iter().enumerate() {
        let slice = prepared.store.get(index)?;
        slices.push(slice.clone());
        for epoch in 0..COLUMNS - 1 {
            let mut random = plan.augmentation(epoch, place);
            slices.push(augment(slice.clone(), plan.size, &recipe.augmentation, &mut random).0);
        }
    }
    Ok(Sheet::of(&slices, COLUMNS, &recipe.preprocessing.intensity))
}

/// One case says enough and is read in a moment; the first ones may be healthy.
fn first_case(recipe: &Recipe, data: &TrainData, ctx: &JobContext<TrainEvent>) -> Result<Prepared, TrainError> {
    let mut sources = find(data, recipe, ctx)?.into_iter();
    loop {
        let one: Vec<CaseSource> = sources.next().into_iter().collect();
        match prepare(one, recipe, usize::MAX, &std::env::temp_dir(), ctx) {
            Err(TrainError::NothingToLearn(_)) if sources.len() > 0 => {}
            outcome => return outcome,
        }
    }
}

/// Up to `count` of the slices `indices`, spread over them, in order; such with classes before such without.
///
/// # Errors
/// As [`SliceStore::get`].
pub(super) fn telling(store: &SliceStore, indices: &[usize], count: usize) -> Result<Vec<usize>, TrainError> {
    let candidates: Vec<usize> = (0..CANDIDATES.min(indices.len()))
        .map(|n| indices[n * indices.len() / CANDIDATES.min(indices.len())])
        .collect();
    let (mut with, mut without) = (Vec::new(), Vec::new());
    for index in candidates {
        let found = store.get(index)?.classes.iter().any(|c| *c != 0 && *c != super::IGNORED);
        if found { with.push(index) } else { without.push(index) }
    }
    let spread = |list: &[usize], count: usize| -> Vec<usize> {
        // The middle of each of `count` parts.
        (0..count.min(list.len())).map(|n| list[(2 * n + 1) * list.len() / (2 * count.min(list.len()))]).collect()
    };
    let mut out = spread(&with, count);
    out.extend(spread(&without, count - out.len()));
    out.sort_unstable();
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::tests::{disc_case, recipe};

    #[test]
    fn a_preview_shows_the_slice_and_its_changes_and_repeats() {
        let data = TrainData::Memory(vec![disc_case(1), disc_case(2)]);
        let mut recipe = recipe();
        recipe.augmentation.noise_hu = 50.0;
        let ctx = JobContext::detached();
        let sheet = preview_augmentation(&recipe, &data, &ctx).unwrap();
        assert_eq!(sheet, preview_augmentation(&recipe, &data, &ctx).unwrap());
        let column = |n: usize| -> Vec<u8> {
            let (from, to) = (n * sheet.width * 3 / COLUMNS, (n + 1) * sheet.width * 3 / COLUMNS);
            sheet.rgb.chunks_exact(sheet.width * 3).flat_map(|row| row[from..to].to_vec()).collect()
        };
        assert!(column(0) != column(1) && column(1) != column(2));
        recipe.augmentation = crate::train::AugmentConfig::default();
        let plain = preview_augmentation(&recipe, &data, &ctx).unwrap();
        let tile = |sheet: &Sheet, n: usize| -> Vec<u8> { sheet.rgb[n * 196 * 3..][..192 * 3].to_vec() };
        assert_eq!(tile(&plain, 0), tile(&plain, 3), "without augmentation nothing changes");
    }

    #[test]
    fn a_preview_looks_for_a_case_with_something_to_learn() {
        let mut healthy = disc_case(1);
        healthy.labels = crate::core::LabelMap::empty(*healthy.labels.geometry());
        let ctx = JobContext::detached();
        let preview = |cases| preview_augmentation(&recipe(), &TrainData::Memory(cases), &ctx);
        let ill = preview(vec![disc_case(2)]).unwrap();
        assert_eq!(preview(vec![healthy.clone(), healthy.clone(), disc_case(2)]).unwrap(), ill);
        let error = preview(vec![healthy.clone(), healthy]).unwrap_err();
        assert!(matches!(error, TrainError::NothingToLearn(_)), "{error}");
    }

    #[test]
    fn slices_with_something_to_see_come_first() {
        let mut store = SliceStore::new(2, 1 << 20, &std::env::temp_dir());
        for n in 0..20 {
            let classes = vec![u8::from((8..12).contains(&n)); 4];
            store.push(crate::train::store::Slice { hu: vec![0; 4], classes }).unwrap();
        }
        let all: Vec<usize> = (0..20).collect();
        assert_eq!(telling(&store, &all, 2).unwrap(), [9, 11]);
        let six = telling(&store, &all, 6).unwrap();
        assert!(six.len() == 6 && (8..12).all(|n| six.contains(&n)));
        assert!(telling(&store, &[], 3).unwrap().is_empty());
    }
}
