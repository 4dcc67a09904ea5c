//! Runs on small generated cases: learning, interruption, refusal.

mod telling;
mod turns;

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

pub(super) fn recipe() -> Recipe {
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
        test: true,
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

/// Runs to the end, stopped so often after so many steps and resumed.
fn broken_run(request: &mut TrainRequest, stops: &[usize]) {
    for stop_at in stops.iter().chain(&[usize::MAX]) {
        let (ctx, events) = context();
        let token = ctx.cancel.clone();
        let stop_at = *stop_at;
        let watcher = std::thread::spawn(move || {
            let steps = events.iter().filter(|e| matches!(e, TrainEvent::Step { .. }));
            for (n, _) in steps.enumerate() {
                if n + 1 == stop_at {
                    token.cancel();
                }
            }
        });
        let outcome = train(request, &TrainControl::new(), &ctx);
        drop(ctx);
        watcher.join().unwrap();
        assert_eq!(outcome.is_ok(), stop_at == usize::MAX, "{outcome:?}");
        request.resume = true;
    }
}

/// Everything that a checkpoint has to carry: moments, sums of gradients, the average, the schedule's place.
#[test]
fn interrupted_and_resumed_equals_unbroken_with_every_kind_of_state() {
    use crate::nn::{OptimizerConfig, OptimizerKind, ScheduleConfig};
    let adamw =
        OptimizerConfig { weight_decay: 0.01, amsgrad: true, ..OptimizerConfig::new(OptimizerKind::AdamW, 0.01) };
    let sgd = OptimizerConfig { momentum: 0.9, nesterov: true, ..OptimizerConfig::new(OptimizerKind::Sgd, 0.05) };
    let cosine = ScheduleConfig::Cosine { warm_up: 1.0, lowest: 0.1 };
    let plateau = ScheduleConfig::Plateau { factor: 0.5, patience: 1, lowest: 0.0 };
    for (optimizer, schedule, ema) in [(adamw, cosine, Some(0.9)), (sgd, plateau, None)] {
        let folder = tempfile::tempdir().unwrap();
        let mut unbroken = request(&folder.path().join("a"));
        let r = &mut unbroken.recipe;
        (r.optimizer, r.schedule, r.ema, r.accumulate, r.clip) =
            (optimizer, schedule, ema, 2, Some(ClipConfig::Norm(0.5)));
        (r.checkpoint_every, r.augmentation.noise_hu) = (Some(2), 20.0);
        let mut broken = TrainRequest { run: folder.path().join("b"), ..unbroken.clone() };
        train(&unbroken, &TrainControl::new(), &context().0).unwrap();
        broken_run(&mut broken, &[4, 2, 1]);
        assert_eq!(weights(&unbroken.run), weights(&broken.run));
        for name in ["last/optimizer.safetensors", "best/weights.safetensors", "epoch-0002/weights.safetensors"] {
            let read = |run: &Path| load_weights(&run.join("checkpoints").join(name)).unwrap();
            assert_eq!(read(&unbroken.run), read(&broken.run), "{name}");
        }
        let plain = request(&folder.path().join("c"));
        train(&plain, &TrainControl::new(), &context().0).unwrap();
        assert_ne!(weights(&plain.run), weights(&broken.run));
    }
}

#[test]
fn a_batch_that_does_not_fit_is_cut_only_where_the_recipe_allows_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut whole = request(&folder.path().join("whole"));
    // Batch normalisation would see other batches.
    whole.recipe.network = NetworkConfig::UNet(UNetConfig { norm: crate::nn::NormKind::None, ..UNetConfig::new(4, 2) });
    // Bce is a mean over pixels; a Dice of pieces would not be the Dice of the batch.
    whole.recipe.loss = crate::nn::LossConfig::Bce(Default::default());
    whole.recipe.optimizer = crate::nn::OptimizerConfig::new(crate::nn::OptimizerKind::Sgd, 0.1);
    train(&whole, &TrainControl::new(), &context().0).unwrap();
    let mut cut = TrainRequest { run: folder.path().join("cut"), ..whole.clone() };
    super::step::ROOM.set(2);
    let error = train(&cut, &TrainControl::new(), &context().0).unwrap_err().to_string();
    assert!(error.contains("Out of Memory") && error.contains("halve_batch_on_lack_of_memory"), "{error}");
    cut.recipe.halve_batch_on_lack_of_memory = true;
    cut.run = folder.path().join("cut 2");
    let (ctx, events) = context();
    train(&cut, &TrainControl::new(), &ctx).unwrap();
    super::step::ROOM.set(usize::MAX);
    let told = |e: TrainEvent| matches!(e, TrainEvent::Warning(w) if w.contains("cut into 2 pieces"));
    assert_eq!(events.try_iter().filter(|e| told(e.clone())).count(), 1);
    let losses = |run: &Path| read_curves(run).unwrap().iter().map(|row| row.val_loss.unwrap()).collect::<Vec<_>>();
    // Validation goes in the same pieces: the loss is the same mean.
    let pairs: Vec<(f64, f64)> = losses(&whole.run).into_iter().zip(losses(&cut.run)).collect();
    assert!(pairs.len() == 4 && pairs.iter().all(|(a, b)| (a - b).abs() < 1e-5), "{pairs:?}");
    cut.run = folder.path().join("cut 3");
    super::step::ROOM.set(0);
    let error = train(&cut, &TrainControl::new(), &context().0).unwrap_err().to_string();
    super::step::ROOM.set(usize::MAX);
    assert!(error.contains("not even one slice fits"), "{error}");
    let (a, b) = (weights(&whole.run), weights(&folder.path().join("cut 2")));
    for (name, want) in &a {
        let off = want.values.iter().zip(&b[name].values).fold(0.0f32, |m, (a, b)| m.max((a - b).abs()));
        assert!(off < 1e-5, "{name} {off}");
    }
}

#[test]
fn an_encoder_from_a_file_stays_frozen_and_crops_train_a_network_for_whole_slices() {
    use crate::nn::{DeepLabConfig, EncoderKind};
    let folder = tempfile::tempdir().unwrap();
    let mut request = request(&folder.path().join("run"));
    let config =
        DeepLabConfig { encoder: EncoderKind::ResNet50, encoder_width: 8, decoder_width: 8, ..Default::default() };
    let r = &mut request.recipe;
    r.network = NetworkConfig::DeepLabV3Plus(config);
    r.preprocessing.size = 32;
    r.augmentation.crop = Some(CropConfig { size: 16, foreground: 0.5 });
    r.encoder = EncoderConfig { frozen_epochs: 9, lr: None };
    r.epochs = 1;
    request.init = Some(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/oracle/resnet50_w8.pth"));
    train(&request, &TrainControl::new(), &context().0).unwrap();
    let (trained, file) = (weights(&request.run), load_weights(request.init.as_deref().unwrap()).unwrap());
    for name in ["layer1.0.conv2.weight", "layer4.2.bn3.running_mean"] {
        assert_eq!(trained[&format!("encoder.{name}")], file[name]);
    }
    let list: serde_json::Value =
        serde_json::from_slice(&std::fs::read(request.run.join("init.json")).unwrap()).unwrap();
    assert_eq!(list["adapted"][0], "encoder.conv1.weight");
    assert!(list["missing"].as_array().unwrap().iter().any(|n| n == "segmentation_head.0.weight"));
    let mut thawed = TrainRequest { run: folder.path().join("thawed"), ..request };
    thawed.recipe.encoder = EncoderConfig { frozen_epochs: 0, lr: Some(1e-3) };
    train(&thawed, &TrainControl::new(), &context().0).unwrap();
    assert_ne!(weights(&thawed.run)["encoder.layer1.0.conv2.weight"], file["layer1.0.conv2.weight"]);
}

#[test]
fn interrupted_and_resumed_equals_unbroken() {
    let folder = tempfile::tempdir().unwrap();
    let unbroken = request(&folder.path().join("a"));
    train(&unbroken, &TrainControl::new(), &context().0).unwrap();
    let mut broken = request(&folder.path().join("b"));
    broken_run(&mut broken, &[5, 3]);
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
