//! What a run warns of, when it stops by itself, and what it never writes down.

use super::*;
use crate::nn::{DiceCrossEntropyConfig, HostTensor, LossConfig, save_weights};

/// The disc cases with other labels: a function of column, slice and the label there.
fn relabelled(label: impl Fn(usize, usize, u8) -> u8) -> TrainData {
    let case = |number: usize| {
        let mut case = disc_case(number);
        let geometry = *case.labels.geometry();
        let [nx, ny, _] = geometry.dims();
        let dense = case.labels.to_dense().into_iter().enumerate();
        let changed: Vec<u8> = dense.map(|(n, old)| label(n % nx, n / (nx * ny), old)).collect();
        case.labels = LabelMap::from_dense(geometry, &changed).unwrap();
        case
    };
    TrainData::Memory((0..4).map(case).collect())
}

fn warning(event: &TrainEvent) -> Option<&str> {
    if let TrainEvent::Warning(text) = event { Some(text) } else { None }
}

fn events_of(request: &TrainRequest) -> Vec<TrainEvent> {
    let (ctx, events) = context();
    train(request, &TrainControl::new(), &ctx).unwrap();
    events.try_iter().collect()
}

#[test]
fn data_that_misleads_is_told_before_the_first_step() {
    let folder = tempfile::tempdir().unwrap();
    let mut request = request(&folder.path().join("rare"));
    request.recipe.epochs = 1;
    let said = |request: &TrainRequest| -> Vec<String> {
        let events = events_of(request);
        let first = events.iter().position(|e| matches!(e, TrainEvent::Step { .. })).unwrap();
        events[..first].iter().filter_map(warning).map(str::to_owned).collect()
    };
    let has = |told: &[String], words: &str| told.iter().any(|text| text.contains(words));
    let rare = said(&request);
    assert!(has(&rare, "look at Dice and not at accuracy"), "{rare:?}");
    assert!(!has(&rare, "have none of the classes") && !has(&rare, "validate"), "{rare:?}");

    // Half of every slice.
    request.run = folder.path().join("half");
    request.data = relabelled(|column, _, _| u8::from(column < 12));
    let half = said(&request);
    assert!(!has(&half, "accuracy"), "{half:?}");

    // One slice of six, a class that nobody has, nobody to validate on.
    request.run = folder.path().join("empty");
    request.data = relabelled(|_, slice, old| if slice == 5 { old } else { 0 });
    let spleen = ClassConfig { name: "spleen".into(), from: ClassSource::Names(vec!["spleen".into()]) };
    request.recipe.data.classes.push(spleen);
    request.recipe.loss = LossConfig::DiceCrossEntropy(DiceCrossEntropyConfig::default());
    request.recipe.split = SplitConfig::Patients { validation: 0.0, test: 0.25 };
    let empty = said(&request);
    for words in [
        "83 % of the slices have none of the classes",
        "no slice has the class spleen",
        "nothing is left to validate on",
    ] {
        assert!(has(&empty, words), "{words}: {empty:?}");
    }
}

#[test]
fn an_empty_prediction_is_told_once_and_patience_ends_the_run() {
    let folder = tempfile::tempdir().unwrap();
    let mut request = request(&folder.path().join("run"));
    let r = &mut request.recipe;
    // Nothing is learned and nothing is ever so sure.
    (r.optimizer.lr, r.threshold, r.epochs, r.patience) = (1e-12, 0.999_999, 50, Some(2));
    let (ctx, events) = context();
    let summary = train(&request, &TrainControl::new(), &ctx).unwrap();
    assert_eq!((summary.epochs, summary.best_epoch, summary.stopped_early), (3, 1, true));
    let events: Vec<TrainEvent> = events.try_iter().collect();
    let told = events.iter().filter_map(warning).filter(|text| text.contains("predicts no foreground at all"));
    assert_eq!(told.count(), 1);
    let rows: Vec<&EpochRow> =
        events.iter().filter_map(|e| if let TrainEvent::Epoch(row) = e { Some(row) } else { None }).collect();
    assert_eq!(rows.len(), 3);
    for row in rows {
        // The trap: right nearly everywhere, and nothing is found.
        assert!(row.collapsed && row.val_dice == Some(0.0) && row.val_accuracy.unwrap() > 0.7, "{row:?}");
    }
    // One that may go on does not stop.
    request.run = folder.path().join("patient");
    (request.recipe.epochs, request.recipe.patience) = (4, Some(9));
    let summary = train(&request, &TrainControl::new(), &context().0).unwrap();
    assert_eq!((summary.epochs, summary.stopped_early), (4, false));
}

/// A step may make the weights useless while its own loss is still a number; such weights never become a checkpoint.
#[test]
fn weights_that_are_no_numbers_are_never_written() {
    let folder = tempfile::tempdir().unwrap();
    for (validation, name) in [(0.25, "validated"), (0.0, "alone")] {
        let mut request = request(&folder.path().join(name));
        // One step an epoch, and a rate beyond single precision.
        (request.recipe.batch_size, request.recipe.optimizer.lr) = (64, 1e300);
        request.recipe.split = SplitConfig::Patients { validation, test: 0.25 };
        let error = train(&request, &TrainControl::new(), &context().0).unwrap_err();
        if name == "alone" {
            assert!(matches!(error, TrainError::Spoilt { epoch: 1 }), "{error}");
        } else {
            assert!(error.to_string().contains("on the validation slices in epoch 1, step 1"), "{error}");
        }
        assert!(weights(&request.run).values().all(|t| t.values.iter().all(|v| v.is_finite())));
        assert!(!request.run.join("checkpoints/best").exists());
    }
    let bad = HostTensor { shape: vec![2], values: vec![1.0, f32::NAN] };
    let file = folder.path().join("bad.safetensors");
    std::fs::write(&file, save_weights(&[("head.bias".to_owned(), bad)].into(), &Default::default()).unwrap()).unwrap();
    let mut request = request(&folder.path().join("from a file"));
    request.init = Some(file);
    let error = train(&request, &TrainControl::new(), &context().0).unwrap_err().to_string();
    assert!(error.contains("bad.safetensors") && error.contains("head.bias"), "{error}");
    assert!(!request.run.exists());
}

#[test]
fn slices_on_disk_teach_what_slices_in_memory_teach() {
    let folder = tempfile::tempdir().unwrap();
    let mut request = request(&folder.path().join("memory"));
    request.recipe.epochs = 2;
    let plan = |request: &TrainRequest| {
        let planned = |e| if let TrainEvent::Planned(plan) = e { Some(plan) } else { None };
        events_of(request).into_iter().find_map(planned).unwrap()
    };
    // 24 slices of 16 x 16 pixels of 3 bytes.
    let (record, all) = (768, 24 * 768);
    let whole = plan(&request);
    assert_eq!((whole.cache_bytes, whole.scratch_bytes), (all, 0));
    for (limit, kept) in [(2000, 2), (0, 0)] {
        let part = TrainRequest {
            run: folder.path().join(format!("{limit} bytes")),
            cache_bytes: Some(limit),
            ..request.clone()
        };
        let plan = plan(&part);
        assert_eq!((plan.cache_bytes, plan.scratch_bytes), (kept * record, (all - kept * record) as u64));
        assert_eq!(weights(&part.run), weights(&request.run));
        let left = std::fs::read_dir(&part.run).unwrap().map(|e| e.unwrap().file_name());
        let scratch: Vec<_> = left.filter(|name| name.to_string_lossy().starts_with(".slices")).collect();
        assert!(scratch.is_empty(), "the file goes with the run: {scratch:?}");
    }
}
