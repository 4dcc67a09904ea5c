//! Labels that are shown before the host has them: when the runner does so, and what becomes of those of a device that
//! fails.

use super::*;
use crate::core::LayerId;
use crate::jobs::{Arbiter, CancelToken, Waker};
use crate::learn::served::Served;
use crate::nn::{ComputeThread, DeviceError, ModelSpec, RoomBuffer, SharedGpu, Tiling, Turn};
use crossbeam_channel::unbounded;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// What was asked of a screen, in its order.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<&'static str>>>);

impl Log {
    fn add(&self, word: &'static str) {
        self.0.lock().unwrap().push(word);
    }

    fn words(&self) -> Vec<&'static str> {
        self.0.lock().unwrap().clone()
    }
}

impl Screen for Log {
    fn sketch(&self, _: Sight, _: &Geometry, _: &ModelSpec) -> Option<Box<dyn Sketch>> {
        self.add("sketch");
        Some(Box::new(self.clone()))
    }

    fn restore(&self, _: Sight) {
        self.add("restore");
    }
}

impl Sketch for Log {
    fn fill(&self, _: &RoomBuffer) -> bool {
        self.add("fill");
        false
    }

    fn show(&self, _: &RoomBuffer) -> bool {
        self.add("show");
        true
    }
}

const LOOKED_AT: usize = 7;

fn sight() -> Sight {
    Sight { case: 1, layer: LayerId(5), slice: LOOKED_AT }
}

fn allowed(log: &Log) -> EarlyLabels {
    let early = EarlyLabels::on(Arc::new(log.clone()));
    early.allow(Some(sight()));
    early
}

/// Has a case predicted whose slice is on the screen: the slices in their order, and what the runner warned of.
fn serve(thread: ComputeThread, early: &EarlyLabels, fault: Option<Fault>) -> (Vec<Vec<usize>>, Vec<String>) {
    let dir = tempfile::tempdir().unwrap();
    let request = RunnerRequest {
        folder: dir.path().join("loop"),
        begin: Begin::New(Box::new(|_: &JobContext<Tell>| Ok(start(&recipe())))),
        device: DeviceChoice::Gpu,
        thread: Some(thread),
        arbiter: Arbiter::default(),
        early: early.clone(),
        fault,
    };
    let (asks, asked) = unbounded();
    let (ctx, told) = JobContext::attached(CancelToken::default(), Arc::default(), Waker::none());
    asks.send(Ask::Case { case: 1, volume: case(0).volume }).unwrap();
    asks.send(Ask::Looking { case: 1, slice: LOOKED_AT }).unwrap();
    let (mut order, mut warnings) = (Vec::new(), Vec::new());
    std::thread::scope(|scope| {
        let runner = scope.spawn(|| run(request, &asked, &ctx));
        loop {
            match told.recv_timeout(Duration::from_secs(300)).unwrap() {
                Tell::Predicted { slices, .. } => order.push(slices.iter().map(|s| s.0).collect()),
                Tell::Warning(text) => warnings.push(text),
                Tell::Ranked { .. } => break,
                _ => {}
            }
        }
        drop(asks);
        runner.join().unwrap().unwrap();
    });
    (order, warnings)
}

fn order() -> Vec<Vec<usize>> {
    vec![vec![LOOKED_AT], vec![8, 9], vec![0, 1, 2, 3], vec![4, 5, 6]]
}

/// The window's device, where there is one.
fn shared() -> Option<ComputeThread> {
    match SharedGpu::create() {
        Ok(gpu) => Some(ComputeThread::start(gpu.compute()).unwrap()),
        Err(error) => {
            println!("skipped: {error}");
            None
        }
    }
}

#[test]
fn the_slice_on_screen_alone_is_shown_early_on_the_window_s_device_and_on_no_other() {
    let log = Log::default();
    let cpu = ComputeThread::start(compute_device(DeviceChoice::Cpu, None).unwrap()).unwrap();
    assert_eq!(serve(cpu, &allowed(&log), None), (order(), Vec::new()));
    assert!(log.words().is_empty(), "{:?}", log.words());
    let Some(thread) = shared() else { return };
    let early = allowed(&log);
    assert_eq!(serve(thread, &early, None), (order(), Vec::new()));
    assert_eq!(log.words(), ["sketch", "fill", "show"]);
    let shown = ShownEarly { at: sight(), version: 0 };
    assert_eq!(early.take(1, LOOKED_AT), Some(shown), "until the mask has it");
}

#[test]
fn what_was_shown_by_a_device_that_fails_before_it_is_read_is_taken_back() {
    let Some(thread) = shared() else { return };
    let log = Log::default();
    let (seen, failed) = (log.clone(), AtomicBool::new(false));
    let fault: Fault = Arc::new(move || {
        let lost = seen.words().contains(&"show") && !failed.swap(true, Ordering::SeqCst);
        lost.then(|| DeviceError::Failed { what: "predicting", reason: "Parent device is lost".into() })
    });
    let early = allowed(&log);
    let (slices, warnings) = serve(thread, &early, Some(fault));
    assert_eq!(log.words(), ["sketch", "fill", "show", "restore"], "and nothing by the processor");
    assert!(early.shown().is_empty());
    assert_eq!(slices, order(), "the processor predicts it");
    assert!(warnings.len() == 1 && warnings[0].contains("goes on with the processor"), "{warnings:?}");
}

#[test]
fn labels_that_the_host_would_make_otherwise_go_by_the_host() {
    let (log, turn) = (Log::default(), Turn::default());
    let early = allowed(&log);
    let served = Served::new(case(0).volume, SIZE);
    let asked = |slice: usize, served: &Served, network: &ModelSpec| {
        early.of_slice(1, slice, 0, served, network, &turn).is_some()
    };
    let plain = recipe().model_spec();
    assert!(asked(LOOKED_AT, &served, &plain));
    assert!(!asked(LOOKED_AT + 1, &served, &plain), "another slice than the one on the screen");
    let with = |change: fn(&mut ModelSpec)| {
        let mut network = plain.clone();
        change(&mut network);
        network
    };
    let mirrored = with(|m| m.inference.flip_lr = true);
    let tiled = with(|m| m.inference.tiling = Tiling::Sliding { size: SIZE / 2, overlap: 0.5 });
    let many = with(|m| m.network.out_channels = 257);
    for network in [mirrored, tiled, many] {
        assert!(!asked(LOOKED_AT, &served, &network), "{:?}", network.inference);
    }
    let smaller = with(|m| m.preprocessing.size = SIZE / 2);
    assert!(!asked(LOOKED_AT, &Served::new(case(0).volume, SIZE / 2), &smaller), "probabilities are resampled");
    assert_eq!(log.words(), ["sketch"]);
    early.allow(None);
    assert!(!asked(LOOKED_AT, &served, &plain));
    assert!(EarlyLabels::default().of_slice(1, LOOKED_AT, 0, &served, &plain, &turn).is_none());
}
