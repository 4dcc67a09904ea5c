//! Runs on small generated cases: learning, interruption, refusal.

use super::*;
use crate::core::{Geometry, LabelMap, Segment, Volume};
use crate::jobs::{CancelToken, JobContext, Waker};
use crate::nn::{DeviceChoice, Intensity, NetworkConfig, PreprocessConfig, UNetConfig, load_weights};
use glam::DVec3;
use std::path::Path;
use std::sync::Arc;

/// A bright disc that moves and grows from slice to slice, in noise; the disc is the label.
pub(super) fn disc_case(number: usize) -> TrainCase {
    let (n, slices) = (24usize, 6usize);
    let geometry = Geometry::axis_aligned([n, n, slices], DVec3::new(1.0, 1.0, 3.0), DVec3::ZERO).unwrap();
    let (mut hu, mut labels) = (Vec::new(), Vec::new());
    let mut state = number as u32 * 7919 + 1;
    for k in 0..slices {
        let (cx, cy, r) = (8.0 + (number % 3) as f64 * 3.0, 9.0 + k as f64, 3.5 + k as f64 * 0.5);
        for j in 0..n {
            for i in 0..n {
                state = state.wrapping_mul(1664525).wrapping_add(1013904223);
                let inside = (i as f64 - cx).hypot(j as f64 - cy) < r;
                hu.push(if inside { 60 } else { -700 } + (state >> 25) as i16);
                labels.push(u8::from(inside));
            }
        }
    }
    TrainCase {
        name: format!("case {number}"),
        patient: format!("patient {number}"),
        volume: Arc::new(Volume::new(geometry, hu).unwrap()),
        labels: LabelMap::from_dense(geometry, &labels).unwrap(),
        segments: vec![Segment::new(1, "disc")],
    }
}

fn recipe() -> Recipe {
    let mut recipe = Recipe::load("demo").unwrap();
    recipe.name = "tiny".into();
    recipe.data.classes = vec![ClassConfig { name: "disc".into(), from: ClassSource::Any }];
    recipe.preprocessing = PreprocessConfig { size: 16, intensity: Intensity::Window { low: -1000.0, high: 400.0 } };
    recipe.network = NetworkConfig::UNet(UNetConfig { dropout: 0.1, ..UNetConfig::new(4, 2) });
    recipe.optimizer.lr = 0.01;
    recipe.augmentation =
        AugmentConfig { flip_lr: 0.5, rotate_degrees: 5.0, fill: FillKind::Nearest, ..Default::default() };
    recipe.split = SplitConfig::Patients { validation: 0.25, test: 0.25 };
    (recipe.batch_size, recipe.epochs, recipe.patience, recipe.seed) = (4, 4, None, 11);
    recipe
}

fn request(run: &Path) -> TrainRequest {
    TrainRequest {
        recipe: recipe(),
        data: TrainData::Memory((0..4).map(disc_case).collect()),
        run: run.into(),
        device: DeviceChoice::Cpu,
        compute: None,
        resume: false,
        init: None,
        cache_bytes: None,
    }
}

fn context() -> (JobContext<TrainEvent>, crossbeam_channel::Receiver<TrainEvent>) {
    JobContext::attached(CancelToken::default(), Arc::default(), Waker::none())
}

fn weights(run: &Path) -> crate::nn::StateDict {
    load_weights(&run.join("checkpoints/last/weights.safetensors")).unwrap()
}

#[test]
fn a_run_learns_tests_and_leaves_a_complete_folder() {
    let folder = tempfile::tempdir().unwrap();
    let mut request = request(&folder.path().join("run"));
    request.recipe.epochs = 30;
    let (ctx, events) = context();
    let summary = train(&request, &TrainControl::new(), &ctx).unwrap();
    println!("{summary:?}");
    assert!(summary.mean_test_dice.unwrap() > 0.9, "{summary:?}");
    assert_eq!((summary.test.len(), summary.test[0].slices), (1, 6));
    for file in ["recipe.ron", "split.json", "curves.csv", "result.json", "checkpoints/best/manifest.json"] {
        assert!(request.run.join(file).is_file(), "{file}");
    }
    let events: Vec<TrainEvent> = events.try_iter().collect();
    assert!(matches!(&events[0], TrainEvent::Planned(p) if p.train_slices == 12 && p.steps_per_epoch == 3));
    let steps = events.iter().filter(|e| matches!(e, TrainEvent::Step { .. })).count();
    assert_eq!(steps, 90);
    let curves = std::fs::read_to_string(request.run.join("curves.csv")).unwrap();
    assert_eq!(curves.lines().count(), 31);
    let error = train(&request, &TrainControl::new(), &context().0).unwrap_err();
    assert!(matches!(error, TrainError::RunExists(_)));
}

#[test]
fn interrupted_and_resumed_equals_unbroken() {
    let folder = tempfile::tempdir().unwrap();
    let unbroken = request(&folder.path().join("a"));
    train(&unbroken, &TrainControl::new(), &context().0).unwrap();
    let mut broken = request(&folder.path().join("b"));
    // Cancelled in the middle of an epoch, resumed, cancelled again, resumed.
    for stop_at in [5usize, 3, usize::MAX] {
        let (ctx, events) = context();
        let token = ctx.cancel.clone();
        let watcher = std::thread::spawn(move || {
            let steps = events.iter().filter(|e| matches!(e, TrainEvent::Step { .. }));
            for (n, _) in steps.enumerate() {
                if n + 1 == stop_at {
                    token.cancel();
                }
            }
        });
        let control = TrainControl::new();
        let outcome = train(&broken, &control, &ctx);
        drop(ctx);
        watcher.join().unwrap();
        assert_eq!(outcome.is_ok(), stop_at == usize::MAX, "{outcome:?}");
        broken.resume = true;
    }
    let (a, b) = (weights(&unbroken.run), weights(&broken.run));
    assert_eq!(a, b);
    let curve = |run: &Path| -> Vec<String> {
        let text = std::fs::read_to_string(run.join("curves.csv")).unwrap();
        text.lines().map(|l| l.rsplit_once(',').unwrap().0.to_owned()).collect()
    };
    assert_eq!(curve(&unbroken.run), curve(&broken.run));
    // Other settings, other data, a damaged checkpoint.
    let mut other = broken.clone();
    other.recipe.optimizer.lr = 0.5;
    assert!(train(&other, &TrainControl::new(), &context().0).unwrap_err().to_string().contains("other settings"));
    let mut other = broken.clone();
    other.data = TrainData::Memory((1..5).map(disc_case).collect());
    assert!(train(&other, &TrainControl::new(), &context().0).unwrap_err().to_string().contains("cases differ"));
    let file = broken.run.join("checkpoints/last/optimizer.safetensors");
    let bytes = std::fs::read(&file).unwrap();
    std::fs::write(&file, &bytes[..bytes.len() / 2]).unwrap();
    let text = train(&broken, &TrainControl::new(), &context().0).unwrap_err().to_string();
    assert!(text.contains("is damaged") && text.lines().count() == 1, "{text}");
}

#[test]
fn a_loss_that_is_no_number_stops_the_run_and_keeps_the_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    let mut request = request(&folder.path().join("run"));
    request.recipe.optimizer.lr = 1e30;
    request.recipe.network =
        NetworkConfig::UNet(UNetConfig { norm: crate::nn::NormKind::None, ..UNetConfig::new(4, 2) });
    let error = train(&request, &TrainControl::new(), &context().0).unwrap_err();
    assert!(matches!(error, TrainError::Diverged { .. }), "{error}");
    assert!(weights(&request.run).values().all(|t| t.values.iter().all(|v| v.is_finite())));
}

#[test]
fn weights_of_another_run_start_a_new_one_and_misfits_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut first = request(&folder.path().join("a"));
    first.recipe.epochs = 1;
    train(&first, &TrainControl::new(), &context().0).unwrap();
    let mut second = request(&folder.path().join("b"));
    second.recipe.epochs = 1;
    second.init = Some(first.run.join("checkpoints/best/weights.safetensors"));
    let (ctx, events) = context();
    train(&second, &TrainControl::new(), &ctx).unwrap();
    let warned = events.try_iter().any(|e| matches!(e, TrainEvent::Warning(w) if w.contains("tensors were taken")));
    assert!(!warned);
    assert_ne!(weights(&first.run), weights(&second.run));
    let foreign = folder.path().join("foreign.safetensors");
    std::fs::write(&foreign, crate::nn::save_weights(&Default::default(), &Default::default()).unwrap()).unwrap();
    second.run = folder.path().join("c");
    second.init = Some(foreign);
    let text = train(&second, &TrainControl::new(), &context().0).unwrap_err().to_string();
    assert!(text.contains("do not fit"), "{text}");
}

#[test]
fn a_run_on_the_graphics_device_follows_the_cpu() {
    if let Err(error) = crate::nn::SharedGpu::create() {
        return println!("skipped: {error}");
    }
    let folder = tempfile::tempdir().unwrap();
    let losses = [DeviceChoice::Cpu, DeviceChoice::Gpu].map(|device| {
        let mut request = request(&folder.path().join(device.to_string()));
        (request.device, request.recipe.epochs) = (device, 1);
        let (ctx, events) = context();
        train(&request, &TrainControl::new(), &ctx).unwrap();
        let loss = |e| if let TrainEvent::Step { loss, .. } = e { Some(loss) } else { None };
        events.try_iter().filter_map(loss).collect::<Vec<f64>>()
    });
    println!("{losses:?}");
    assert_eq!(losses[0].len(), 3);
    // Rounding grows from step to step: the first is exact to single precision.
    assert!((losses[0][0] - losses[1][0]).abs() < 1e-5 * losses[0][0]);
    assert!(losses[0].iter().zip(&losses[1]).all(|(a, b)| (a - b).abs() < 1e-2 * a));
}

#[test]
fn short_work_and_pauses_come_between_the_steps() {
    use crate::nn::{ComputeThread, compute_device, wait};
    let folder = tempfile::tempdir().unwrap();
    let mut request = request(&folder.path().join("run"));
    request.recipe.epochs = 2;
    let thread = ComputeThread::start(compute_device(DeviceChoice::Cpu, None).unwrap()).unwrap();
    request.compute = Some(thread.clone());
    let (ctx, events) = context();
    let control = TrainControl::new();
    let shared = control.clone();
    let watcher = std::thread::spawn(move || {
        let mut seen = Vec::new();
        let mut short = None;
        for event in events {
            match &event {
                TrainEvent::Step { epoch: 1, step: 1, .. } => shared.pause(),
                TrainEvent::Paused => {
                    let answer = thread.submit("answering", |_| 42);
                    short = Some(wait("answering", &answer));
                    assert!(shared.is_paused());
                    shared.resume();
                }
                _ => {}
            }
            seen.push(event);
        }
        (seen, short)
    });
    let summary = train(&request, &control, &ctx).unwrap();
    drop(ctx);
    let (seen, short) = watcher.join().unwrap();
    assert_eq!((summary.epochs, short), (2, Some(Ok(42))));
    assert!(seen.contains(&TrainEvent::Paused) && seen.contains(&TrainEvent::Resumed));
    // On that thread as on this one: the same weights.
    request.run = folder.path().join("here");
    request.compute = None;
    train(&request, &TrainControl::new(), &context().0).unwrap();
    assert_eq!(weights(&request.run), weights(&folder.path().join("run")));
}

#[test]
fn bad_input_is_one_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let base = request(&folder.path().join("run"));
    let fails = |request: &TrainRequest| train(request, &TrainControl::new(), &context().0).unwrap_err().to_string();
    let mut r = base.clone();
    r.data = TrainData::Memory(Vec::new());
    assert!(fails(&r).contains("no case"));
    r.data = TrainData::Folder(folder.path().join("nowhere"));
    assert!(fails(&r).contains("nowhere"));
    let mut r = base.clone();
    r.recipe.data.classes[0].from = ClassSource::Names(vec!["spleen".into()]);
    assert!(fails(&r).contains("disc"), "{}", fails(&r));
    let mut r = base.clone();
    std::fs::write(folder.path().join("file"), b"").unwrap();
    r.run = folder.path().join("file/run");
    assert!(fails(&r).contains("could not be created"), "{}", fails(&r));
    let mut r = base.clone();
    r.resume = true;
    assert!(fails(&r).contains("no run to resume"));
}
