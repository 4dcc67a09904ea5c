//! The window without a display while the learning loop computes on its device.

use super::*;
use crate::core::{Geometry, Volume};
use crate::learn::{LoopConfig, LoopStart, Screen, Session, Sight, Sketch};
use crate::nn::{DeviceChoice, ModelSpec, NetworkConfig, RoomBuffer, UNetConfig};
use crate::train::Recipe;
use crate::workspace::{LearnCommand, LearnForm, SliceMark};
use glam::DVec3;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

const DIMS: [usize; 3] = [32, 32, 12];

/// Counts what is shown early and what is taken back.
#[derive(Default)]
struct Counts {
    filled: AtomicUsize,
    shown: AtomicUsize,
    restored: AtomicUsize,
}

struct Counting {
    inner: Arc<dyn Screen>,
    counts: Arc<Counts>,
}

impl Screen for Counting {
    fn sketch(&self, at: Sight, grid: &Geometry, network: &ModelSpec) -> Option<Box<dyn Sketch>> {
        Some(Box::new(Counted { inner: self.inner.sketch(at, grid, network)?, counts: self.counts.clone() }))
    }

    fn restore(&self, at: Sight) {
        self.counts.restored.fetch_add(1, Ordering::SeqCst);
        self.inner.restore(at);
    }
}

struct Counted {
    inner: Box<dyn Sketch>,
    counts: Arc<Counts>,
}

impl Sketch for Counted {
    fn fill(&self, input: &RoomBuffer) -> bool {
        let done = self.inner.fill(input);
        self.counts.filled.fetch_add(usize::from(done), Ordering::SeqCst);
        done
    }

    fn show(&self, answer: &RoomBuffer) -> bool {
        let done = self.inner.show(answer);
        self.counts.shown.fetch_add(usize::from(done), Ordering::SeqCst);
        done
    }
}

/// Frames until the loop has predicted every slice, and every one is in the mask.
fn predicted(probe: &mut Probe) {
    let begun = Instant::now();
    loop {
        probe.frame(Vec::new()).unwrap();
        let workspace = probe.workspace();
        let learned = workspace.active_document().and_then(|d| d.learned());
        let running = workspace.learning.is_running();
        if learned.is_some_and(|l| !l.is_waiting() && (0..DIMS[2]).all(|k| l.mark(k) == SliceMark::Predicted(0))) {
            return;
        }
        let late = !running || begun.elapsed() > Duration::from_secs(300);
        assert!(!late, "never predicted: {:?}", workspace.tasks());
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn a_loop_on_the_window_s_device_shows_the_slice_on_screen_before_the_mask_has_it() {
    let gpu = match SharedGpu::create() {
        Ok(gpu) => Arc::new(gpu),
        Err(error) => return println!("skipped: {error}"),
    };
    let dir = tempfile::tempdir().unwrap();
    let home = Home::under(&dir.path().join("home"));
    let geometry = Geometry::axis_aligned(DIMS, DVec3::ONE, DVec3::ZERO).unwrap();
    let hu: Vec<i16> = (0..geometry.voxel_count()).map(|n| (n * 37 % 1900) as i16 - 1000).collect();
    let path = dir.path().join("scan.nrrd");
    crate::io::save_volume(&path, &Volume::new(geometry, hu).unwrap()).unwrap();
    let mut recipe = Recipe::load("demo").unwrap();
    recipe.preprocessing.size = DIMS[0];
    recipe.network = NetworkConfig::UNet(UNetConfig::new(4, 2));
    let weights = recipe.network_spec().initial_weights(3);
    let config = LoopConfig::default();
    let start = LoopStart { recipe, weights, earlier: Vec::new(), earlier_validation: Vec::new(), config };
    Session::create(&home.runs().join("loop"), start).unwrap();

    let (mut probe, _) = Probe::open(gpu, home, path).unwrap();
    let counts = Arc::new(Counts::default());
    let inner = probe.workspace_mut().learning.screen.take().unwrap();
    probe.workspace_mut().learning.screen = Some(Arc::new(Counting { inner, counts: counts.clone() }));
    let form = LearnForm {
        run: PathBuf::new(),
        name: "loop".into(),
        device: DeviceChoice::Gpu,
        earlier: None,
        config,
        all_cases: false,
    };
    probe.workspace_mut().dispatch(LearnCommand::Start(Box::new(form)));
    predicted(&mut probe);
    // A pass that meets the window at its masks gives way. Between two frames nothing stands against it.
    for _ in 0..3 {
        if counts.shown.load(Ordering::SeqCst) > 0 {
            break;
        }
        probe.workspace_mut().dispatch(LearnCommand::RollBack(0));
        probe.workspace_mut().poll();
        let begun = Instant::now();
        while counts.shown.load(Ordering::SeqCst) == 0 && begun.elapsed() < Duration::from_secs(30) {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
    for _ in 0..10 {
        probe.frame(Vec::new()).unwrap();
    }
    let [filled, shown, restored] =
        [&counts.filled, &counts.shown, &counts.restored].map(|count| count.load(Ordering::SeqCst));
    assert!(shown > 0 && filled > 0, "{filled} filled, {shown} shown");
    assert_eq!(restored, 0, "all of it is in the mask");
    probe.workspace_mut().shut_down();
}
