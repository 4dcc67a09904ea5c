//! Tests of the workspace as a whole, through its commands alone.

mod closing;
mod going_on;
mod history;
mod identifying;
mod journal;
mod learning;
mod learning_again;
mod masks;
mod models;
mod overlay;
mod progress;
mod replayed;
mod resuming;
mod reviewed;
mod trouble;

use super::*;
use crate::core::{Geometry, LabelMap, Volume};
use crate::nn::DeviceChoice;
use glam::DVec3;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Not a multiple of a brick on any axis.
const DIMS: [usize; 3] = [40, 36, 20];

struct Desk {
    w: Workspace,
    dir: tempfile::TempDir,
}

impl Desk {
    /// An empty workspace in a home of its own.
    fn empty() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let w = Workspace::new(Home::under(&dir.path().join("home")), Waker::none(), None);
        let mut desk = Self { w, dir };
        desk.settle();
        desk
    }

    /// With a small scan opened from a file.
    fn with_case() -> Self {
        let mut desk = Self::empty();
        desk.open_file("scan.nrrd");
        desk
    }

    fn open_file(&mut self, name: &str) {
        let path = self.scan_file(name);
        self.w.dispatch(OpenCommand::Path(path));
        self.settle();
        assert!(self.document().case.volume.is_some(), "{:?}", self.w.take_notices());
    }

    /// Bright inside a box, air around it.
    fn scan_file(&self, name: &str) -> PathBuf {
        let geometry = Geometry::axis_aligned(DIMS, DVec3::new(0.8, 0.8, 2.5), DVec3::ZERO).unwrap();
        let inside = |n: usize| (10..30).contains(&(n % 40)) && (8..28).contains(&(n / 40 % 36));
        let hu: Vec<i16> = (0..geometry.voxel_count()).map(|n| if inside(n) { 60 } else { -900 }).collect();
        let path = self.dir.path().join(name);
        crate::io::save_volume(&path, &Volume::new(geometry, hu).unwrap()).unwrap();
        path
    }

    /// Polls until nothing runs.
    fn settle(&mut self) {
        let start = Instant::now();
        loop {
            self.w.poll();
            if !self.w.is_busy() {
                return;
            }
            assert!(start.elapsed() < Duration::from_secs(120), "still running: {:?}", self.w.tasks());
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Polls until `done`.
    fn until(&mut self, what: &str, done: impl Fn(&Workspace) -> bool) {
        let start = Instant::now();
        while !done(&self.w) {
            assert!(start.elapsed() < Duration::from_secs(120), "never came: {what}");
            self.w.poll();
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    fn document(&self) -> &Document {
        self.w.active_document().unwrap()
    }

    fn labels(&self) -> LabelMap {
        self.document().layer().unwrap().labels.clone()
    }

    fn layer_id(&self) -> LayerId {
        self.document().active_layer.unwrap()
    }

    fn stroke(&mut self, erase: bool, from: [f64; 3], to: [f64; 3]) {
        self.w.dispatch(EditCommand::BeginStroke { erase, through_axis: 2 });
        self.w.dispatch(EditCommand::ExtendStroke { from: DVec3::from_array(from), to: DVec3::from_array(to) });
        self.w.dispatch(EditCommand::CommitStroke);
    }

    /// A painted box-like mask on every slice: something to train on.
    fn paint_all_slices(&mut self) {
        self.w.dispatch(EditCommand::BrushRadius(7.0));
        for k in 0..DIMS[2] {
            self.stroke(false, [20.0, 18.0, k as f64], [20.0, 18.0, k as f64]);
        }
    }

    fn train_form(&self, run: &str, epochs: usize) -> TrainForm {
        let recipe = self.dir.path().join("tiny.ron");
        std::fs::write(&recipe, TINY_RECIPE).unwrap();
        TrainForm {
            recipe: recipe.to_string_lossy().into_owned(),
            source: TrainSource::ActiveCase,
            run: run.into(),
            epochs,
            learning_rate: 0.01,
            batch_size: 8,
            device: DeviceChoice::Cpu,
            resume: false,
            text: None,
            init: None,
        }
    }
}

const TINY_RECIPE: &str = r#"(
    name: "tiny",
    data: (classes: [(name: "thing", from: Any)]),
    preprocessing: (size: 16, intensity: Window(low: -1000.0, high: 400.0)),
    network: UNet(base_width: 2, depth: 1, norm: Batch, dropout: 0.0),
    loss: BceDice(smooth: 1.0),
    optimizer: (kind: Adam, lr: 0.01),
    batch_size: 8,
    epochs: 1,
    split: EvenOdd(validation_every: 5),
    seed: 1,
)"#;

#[test]
fn settings_are_applied_kept_and_the_last_one_wins() {
    let mut desk = Desk::empty();
    for scale in [1.25, 1.5, 9.0, 2.0] {
        desk.w.dispatch(SettingsCommand::Scale(scale));
    }
    desk.w.dispatch(SettingsCommand::Theme(ThemeChoice::Light));
    desk.w.dispatch(SettingsCommand::Device(DeviceChoice::Cpu));
    desk.w.dispatch(SettingsCommand::GpuSharing(GpuSharing::Dedicated));
    // Closing the window at once must not lose them.
    desk.w.shut_down();
    let kept = Settings::load(&desk.w.home);
    assert_eq!(kept, desk.w.settings);
    assert_eq!((kept.zoom, kept.theme, kept.device), (2.0, ThemeChoice::Light, DeviceChoice::Cpu));
    assert_eq!(kept.gpu_sharing, GpuSharing::Dedicated);
    let all = [GpuSharing::Auto, GpuSharing::Shared, GpuSharing::Dedicated];
    assert_eq!(all.map(|s| s.own_device(false)), [true, false, true], "on a real GPU");
    assert_eq!(all.map(|s| s.own_device(true)), [false, false, true], "on software Vulkan");
    desk.w.dispatch(SettingsCommand::Scale(f32::NAN));
    assert_eq!(desk.w.settings.zoom, 1.0);
}

#[test]
fn segment_volumes_follow_every_edit() {
    let mut desk = Desk::with_case();
    let equal = |desk: &Desk, when: &str| {
        let document = desk.document();
        let voxel_ml = document.case.geometry.voxel_volume() / 1000.0;
        let recount = document.layer().unwrap().labels.counts().map(|n| n as f64 * voxel_ml);
        assert_eq!(document.segment_volumes(), recount, "{when}");
    };
    desk.stroke(false, [10.0, 10.0, 5.0], [25.0, 20.0, 5.0]);
    equal(&desk, "first stroke");
    assert!(desk.document().segment_volumes()[1] > 0.0);
    desk.stroke(true, [12.0, 12.0, 5.0], [12.0, 12.0, 5.0]);
    equal(&desk, "erased");
    desk.w.dispatch(SegmentCommand::Add);
    desk.stroke(false, [5.0, 5.0, 5.0], [30.0, 30.0, 5.0]);
    equal(&desk, "second segment");
    desk.w.dispatch(SegmentCommand::Delete(1));
    equal(&desk, "segment deleted");
    for _ in 0..2 {
        desk.w.dispatch(EditCommand::Undo);
        equal(&desk, "undone");
    }
    desk.w.dispatch(EditCommand::Redo);
    equal(&desk, "redone");
    let layer = desk.layer_id();
    desk.w.dispatch(LayerCommand::Delete(layer));
    desk.w.dispatch(EditCommand::Undo);
    equal(&desk, "layer back");
    // A stroke that goes on is not counted before it ends, and not twice after.
    desk.w.dispatch(EditCommand::BeginStroke { erase: false, through_axis: 2 });
    desk.w.dispatch(EditCommand::ExtendStroke { from: DVec3::new(20.0, 20.0, 9.0), to: DVec3::new(25.0, 20.0, 9.0) });
    desk.document().segment_volumes();
    desk.w.dispatch(EditCommand::CommitStroke);
    equal(&desk, "looked at during a stroke");
}
