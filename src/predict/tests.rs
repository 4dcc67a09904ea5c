//! Prediction against what the network itself says, and refusals.

use super::*;
use crate::core::Geometry;
use crate::jobs::{Arbiter, Hand, Work};
use crate::jobs::{CancelToken, Waker};
use crate::nn::Fault;
use crate::nn::{
    Intensity, NetworkConfig, NetworkSpec, PreprocessConfig, SharedGpu, UNetConfig, collect_state, compute_device,
    initial_weights, save_weights,
};
use glam::DVec3;
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

fn spec() -> ModelSpec {
    ModelSpec {
        recipe: "test".into(),
        preprocessing: PreprocessConfig { size: 16, intensity: Intensity::Window { low: -1000.0, high: 400.0 } },
        network: NetworkSpec { in_channels: 1, out_channels: 3, config: NetworkConfig::UNet(UNetConfig::new(4, 2)) },
        threshold: 0.5,
        classes: vec!["left lung".into(), "right lung".into()],
        inference: Default::default(),
    }
}

fn run_folder(root: &Path) -> PathBuf {
    let place = root.join("run 1/checkpoints/best");
    std::fs::create_dir_all(&place).unwrap();
    let zero = collect_state(&spec().network.init(&compute_device(DeviceChoice::Cpu, None).unwrap().device));
    let header = BTreeMap::from([("maskwright".to_owned(), serde_json::to_string(&spec()).unwrap())]);
    let bytes = save_weights(&initial_weights(&zero, 5), &header).unwrap();
    let manifest = format!("{{\"weights_sha256\": \"{}\"}}", sha256_hex(&bytes));
    std::fs::write(place.join("weights.safetensors"), bytes).unwrap();
    std::fs::write(place.join("manifest.json"), manifest).unwrap();
    root.join("run 1")
}

fn volume() -> Volume {
    let geometry = Geometry::axis_aligned([20, 18, 6], DVec3::new(1.0, 1.0, 4.0), DVec3::ZERO).unwrap();
    let hu: Vec<i16> = (0..geometry.voxel_count()).map(|i| (i * 37 % 1400) as i16 - 1000).collect();
    Volume::new(geometry, hu).unwrap()
}

#[test]
fn labels_lie_on_the_volume_and_say_where_they_come_from() {
    let folder = tempfile::tempdir().unwrap();
    let run = run_folder(folder.path());
    let volume = volume();
    let cpu = PredictDevice::Choice(DeviceChoice::Cpu);
    let (ctx, events) = JobContext::attached(CancelToken::default(), Arc::default(), Waker::none());
    let p = predict_volume(&ModelSource::Run(run.clone()), &volume, &cpu, &ctx).unwrap();
    assert_eq!(p.labels.geometry(), volume.geometry());
    assert_eq!((p.run.as_str(), p.checkpoint.as_str(), p.weights_sha256.len()), ("run 1", "best", 64));
    assert_eq!(p.segments.iter().map(|s| s.name.as_str()).collect::<Vec<_>>(), ["left lung", "right lung"]);
    assert_eq!(events.try_iter().last(), Some(PredictEvent::Slices { done: 6, total: 6 }));
    assert!(p.labels.counts()[1..3].iter().sum::<u64>() > 0);
    // The same from the file with the description beside it, and on the graphics device.
    let file = run.join("checkpoints/best/weights.safetensors");
    let again = predict_volume(&ModelSource::Weights { file, spec: Box::new(spec()) }, &volume, &cpu, &ctx).unwrap();
    assert_eq!(again.labels, p.labels);
    match SharedGpu::create() {
        Ok(gpu) => {
            let thread = PredictDevice::Thread(ComputeThread::start(gpu.compute()).unwrap(), DeviceChoice::Gpu);
            let other = predict_volume(&ModelSource::Run(run), &volume, &thread, &ctx).unwrap();
            let (a, b) = (other.labels.to_dense(), p.labels.to_dense());
            let differ = a.iter().zip(&b).filter(|(a, b)| a != b).count();
            assert!(differ * 500 <= a.len(), "{differ} of {}", a.len());
        }
        Err(error) => println!("skipped on the graphics device: {error}"),
    }
}

#[test]
fn refusals_are_plain() {
    let folder = tempfile::tempdir().unwrap();
    let run = run_folder(folder.path());
    let cpu = PredictDevice::Choice(DeviceChoice::Cpu);
    let predict = |source: &ModelSource, ctx: &JobContext<PredictEvent>| {
        predict_volume(source, &volume(), &cpu, ctx).unwrap_err()
    };
    let ctx = JobContext::detached();
    let error = predict(&ModelSource::Run(folder.path().join("none")), &ctx);
    assert!(error.to_string().contains("holds no finished checkpoint"), "{error}");
    let file = run.join("checkpoints/best/weights.safetensors");
    // A wider network than the file can fill is refused before memory is set aside for it.
    for (base_width, reason) in [(8, "asks for"), (2, "shape")] {
        let mut other = spec();
        other.network.config = NetworkConfig::UNet(UNetConfig::new(base_width, 2));
        let error = predict(&ModelSource::Weights { file: file.clone(), spec: Box::new(other) }, &ctx).to_string();
        assert!(error.contains("do not fit") && error.contains(reason), "{error}");
    }
    let bytes = std::fs::read(&file).unwrap();
    std::fs::write(&file, &bytes[..100]).unwrap();
    let error = predict(&ModelSource::Run(run), &ctx).to_string();
    assert!(error.contains("damaged"), "{error}");
    let run = run_folder(&folder.path().join("b"));
    ctx.cancel.cancel();
    assert!(matches!(predict(&ModelSource::Run(run), &ctx), PredictError::Cancelled));
}

#[test]
fn options_and_ensembles_depart_from_the_recipe_and_are_checked() {
    let folder = tempfile::tempdir().unwrap();
    let (a, b) = (run_folder(folder.path()), run_folder(&folder.path().join("other")));
    let (volume, cpu, ctx) = (volume(), PredictDevice::Choice(DeviceChoice::Cpu), JobContext::detached());
    let predict = |source: &ModelSource, options: PredictOptions| predict_with(source, &options, &volume, &cpu, &ctx);
    let run = ModelSource::Run(a.clone());
    let plain = predict(&run, PredictOptions::default()).unwrap();
    // The same network twice is the same network.
    let both = predict(&ModelSource::Ensemble(vec![a, b]), PredictOptions::default()).unwrap();
    assert_eq!(
        (both.labels, both.checkpoint.as_str(), both.run.as_str()),
        (plain.labels.clone(), "ensemble", "run 1, run 1")
    );
    let tidied = PredictOptions { keep_largest: Some(Some(1)), fill_holes: Some(true), ..Default::default() };
    let tidied = predict(&run, tidied).unwrap().labels;
    let mut want = plain.labels.clone();
    tidy(&mut want, 1..=2, Some(1), true, &crate::edit::NoWatch).unwrap();
    assert!(tidied == want && tidied != plain.labels);
    let mirrored = PredictOptions { flip_ud: Some(true), ..Default::default() };
    assert_ne!(predict(&run, mirrored).unwrap().labels, plain.labels);
    let sliding = PredictOptions { tiling: Some(Tiling::Sliding { size: 8, overlap: 0.5 }), ..Default::default() };
    assert_ne!(predict(&run, sliding).unwrap().labels, plain.labels);
    for (options, word) in [
        (PredictOptions { flip_lr: Some(true), ..Default::default() }, "side"),
        (PredictOptions { tiling: Some(Tiling::Sliding { size: 9, overlap: 0.5 }), ..Default::default() }, "multiple"),
        (PredictOptions { threshold: Some(1.5), ..Default::default() }, "threshold"),
    ] {
        let text = predict(&run, options).unwrap_err().to_string();
        assert!(text.contains(word), "{word}: {text}");
    }
    let error = predict(&ModelSource::Ensemble(Vec::new()), PredictOptions::default()).unwrap_err();
    assert!(matches!(error, PredictError::NoModel));
}

fn until(what: &str, done: impl Fn() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < Duration::from_secs(120), "never came: {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn a_prediction_waits_for_a_stroke_and_goes_before_the_steps_of_a_training() {
    let folder = tempfile::tempdir().unwrap();
    let source = ModelSource::Run(run_folder(folder.path()));
    let volume = volume();
    // Longer than any test: nobody goes ahead of turn because the machine is slow.
    let arbiter = Arbiter::with_longest_wait(Duration::from_secs(3600));
    let thread = ComputeThread::start(compute_device(DeviceChoice::Cpu, None).unwrap()).unwrap();
    let (steps, cancel) = (Arc::new(AtomicUsize::new(0)), CancelToken::default());
    let (behind, counted, ended) = (arbiter.clone(), steps.clone(), cancel.clone());
    let training = thread.submit_long("training", move |compute| {
        while !ended.is_cancelled() {
            behind.before_step(Duration::ZERO, &ended, || compute.run_pending());
            counted.fetch_add(1, Ordering::SeqCst);
        }
    });
    until("a step", || steps.load(Ordering::SeqCst) > 0);
    arbiter.frame(Hand::Paints);
    // The steps that are done when the network is asked.
    let passes: Arc<Mutex<Vec<usize>>> = Arc::default();
    let (noted, counted) = (passes.clone(), steps.clone());
    let fault: Fault = Arc::new(move || {
        noted.lock().unwrap().push(counted.load(Ordering::SeqCst));
        None
    });
    let turn = Turn::behind(arbiter.clone()).failing(Some(fault));
    let device = PredictDevice::Thread(thread, DeviceChoice::Gpu);
    let job = std::thread::spawn(move || {
        let ctx = JobContext::detached();
        predict_in_turn(&source, &PredictOptions::default(), &volume, &device, &turn, &ctx)
    });
    until("the wait for the stroke", || arbiter.waits(Work::Prediction));
    let early = passes.lock().unwrap().len();
    arbiter.frame(Hand::Still);
    let found = job.join().unwrap().unwrap();
    let after = steps.load(Ordering::SeqCst);
    until("the training to go on", || steps.load(Ordering::SeqCst) > after + 10);
    cancel.cancel();
    wait("training", &training).unwrap();
    let passes = passes.lock().unwrap().clone();
    assert_eq!((early, passes.len()), (0, 2), "six slices in two passes, none during the stroke");
    assert!(passes[1] <= passes[0] + 1, "the training went on beside the prediction: {passes:?}");
    assert!(found.labels.counts()[1..3].iter().sum::<u64>() > 0);
}

#[test]
fn a_prediction_that_lacks_memory_takes_fewer_slices_at_once_and_a_lost_device_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let source = ModelSource::Run(run_folder(folder.path()));
    let (volume, cpu, options) = (volume(), PredictDevice::Choice(DeviceChoice::Cpu), PredictOptions::default());
    let failing = |calls: &'static [usize], reason: &'static str| {
        let (count, (ctx, events)) =
            (AtomicUsize::new(0), JobContext::attached(CancelToken::default(), Arc::default(), Waker::none()));
        let fault: Fault = Arc::new(move || {
            let failed = || DeviceError::Failed { what: "predicting", reason: reason.into() };
            calls.contains(&count.fetch_add(1, Ordering::SeqCst)).then(failed)
        });
        let turn = Turn::default().failing(Some(fault));
        let outcome = predict_in_turn(&source, &options, &volume, &cpu, &turn, &ctx);
        let warned = events.try_iter().filter(|e| matches!(e, PredictEvent::Warning(w) if w.contains("lacks memory")));
        (outcome, warned.count())
    };
    let want = predict_with(&source, &options, &volume, &cpu, &JobContext::detached()).unwrap().labels;
    let (outcome, warned) = failing(&[1, 2], "Not enough memory left");
    assert!(outcome.unwrap().labels == want && warned == 2);
    let (outcome, warned) = failing(&[0, 1, 2], "Not enough memory left");
    assert!(outcome.unwrap_err().to_string().contains("Not enough memory") && warned == 2);
    let (outcome, warned) = failing(&[1], "Parent device is lost");
    assert!(outcome.unwrap_err().to_string().contains("Parent device is lost") && warned == 0);
}
