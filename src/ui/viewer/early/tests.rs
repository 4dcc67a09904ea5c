//! A prediction on the device that draws, from the image's texture into the overlay's.

use super::super::feed::Changed;
use super::super::gpu::scene;
use super::*;
use crate::core::{LabelMap, LayerId, Volume};
use crate::jobs::{Arbiter, CancelToken, JobContext, Waker};
use crate::learn::{Ask, Begin, EarlyLabels, LoopConfig, LoopStart, RunnerRequest, ShownEarly, Tell, run};
use crate::nn::{AxialView, ComputeThread, DeviceChoice, DeviceRoom, NetworkConfig, SharedGpu, UNetConfig};
use crate::train::Recipe;
use eframe::egui_wgpu::CallbackResources;
use glam::{DAffine3, DMat3, DVec3};
use std::time::Duration;

const N: usize = 32;
const DIMS: [usize; 3] = [N, N, 6];
const CASE: CaseId = CaseId(1);
const LAYER: LayerId = LayerId(2);
/// What the mask has everywhere: no network of two classes says so.
const BEFORE: u8 = 7;

fn grid() -> Geometry {
    Geometry::axis_aligned(DIMS, DVec3::new(1.0, 1.0, 4.0), DVec3::ZERO).unwrap()
}

fn sight(slice: usize) -> Sight {
    Sight { case: CASE.0, layer: LAYER, slice }
}

fn recipe() -> Recipe {
    let mut recipe = Recipe::load("demo").unwrap();
    recipe.preprocessing.size = N;
    recipe.network = NetworkConfig::UNet(UNetConfig::new(4, 2));
    recipe
}

/// The window's textures of a case.
struct Stage {
    gpu: SharedGpu,
    feed: GpuFeed,
    resources: CallbackResources,
    frame: u64,
    volume: Arc<Volume>,
}

impl Stage {
    /// With a mask, and an image of which nothing is on the device.
    fn new() -> Option<Self> {
        let gpu = match SharedGpu::create() {
            Ok(gpu) => gpu,
            Err(error) => {
                println!("skipped: {error}");
                return None;
            }
        };
        let hu = (0..grid().voxel_count()).map(|n| (n * 37 % 1900) as i16 - 1000).collect::<Vec<i16>>();
        let volume = Arc::new(Volume::new(grid(), hu).unwrap());
        let feed = GpuFeed::default();
        feed.push_slices(CASE, DIMS, Vec::new(), None, 0);
        let labels = LabelMap::from_dense(grid(), &vec![BEFORE; grid().voxel_count()]).unwrap();
        feed.push_layer(CASE, LAYER, &labels, Changed::Nothing);
        let mut stage = Self { gpu, feed, resources: CallbackResources::default(), frame: 0, volume };
        stage.draw();
        Some(stage)
    }

    fn whole(&mut self) {
        self.feed.push_slices(CASE, DIMS, Vec::new(), Some(&self.volume), 0);
        self.draw();
    }

    /// Frames until nothing waits for one.
    fn draw(&mut self) {
        for _ in 0..2 {
            self.frame += 1;
            let mut inbox = self.feed.inbox();
            let (device, queue) = (&self.gpu.device, &self.gpu.queue);
            let format = wgpu::TextureFormat::Rgba8Unorm;
            scene(device, queue, &mut self.resources, &mut inbox, self.frame, format).unwrap();
        }
        assert!(!self.feed.has_pending());
    }

    fn screen(&self) -> EarlyScreen {
        let graphics = Graphics { device: self.gpu.device.clone(), queue: self.gpu.queue.clone() };
        EarlyScreen::new(self.feed.clone(), graphics, egui::Context::default())
    }

    fn seen(&self, slice: usize) -> Vec<u8> {
        seen(&self.feed, &self.gpu, slice)
    }

    fn room(&self, values: Option<Vec<f32>>) -> DeviceRoom {
        let room = DeviceRoom::new(&self.gpu.compute(), [1, 1, N, N]).unwrap();
        match values {
            Some(values) => room.filled(values).unwrap(),
            None => room,
        }
    }
}

/// A slice of the overlay as the device has it.
fn seen(feed: &GpuFeed, gpu: &SharedGpu, slice: usize) -> Vec<u8> {
    let overlay = feed.inbox().held[&CASE].layers[&LAYER].clone();
    overlay.read_slice(&gpu.device, &gpu.queue, slice).unwrap()
}

fn picture(labels: &[u8], slice: usize) -> Vec<u8> {
    let mut dense = vec![0; grid().voxel_count()];
    AxialView::new(&grid()).put_labels(&mut dense, slice, labels);
    dense[slice * N * N..][..N * N].to_vec()
}

/// Looks at the overlay as soon as something is shown: before the loop reads the answer.
struct Watching {
    inner: EarlyScreen,
    gpu: SharedGpu,
    /// Whether the input came from the texture, and the slice as it is seen then.
    seen: Arc<Mutex<(bool, Vec<u8>)>>,
}

impl Screen for Watching {
    fn sketch(&self, at: Sight, grid: &Geometry, network: &ModelSpec) -> Option<Box<dyn Sketch>> {
        let (inner, feed) = (self.inner.sketch(at, grid, network)?, self.inner.feed.clone());
        Some(Box::new(Watched { inner, feed, gpu: self.gpu.clone(), slice: at.slice, seen: self.seen.clone() }))
    }

    fn restore(&self, at: Sight) {
        self.inner.restore(at);
    }
}

struct Watched {
    inner: Box<dyn Sketch>,
    feed: GpuFeed,
    gpu: SharedGpu,
    slice: usize,
    seen: Arc<Mutex<(bool, Vec<u8>)>>,
}

impl Sketch for Watched {
    fn fill(&self, input: &RoomBuffer) -> bool {
        let done = self.inner.fill(input);
        self.seen.lock().unwrap().0 = done;
        done
    }

    fn show(&self, answer: &RoomBuffer) -> bool {
        let done = self.inner.show(answer);
        self.seen.lock().unwrap().1 = seen(&self.feed, &self.gpu, self.slice);
        done
    }
}

#[test]
fn the_overlay_has_the_labels_of_a_prediction_before_the_host_has_them() {
    let Some(mut stage) = Stage::new() else { return };
    stage.whole();
    assert_eq!(stage.seen(4), vec![BEFORE; N * N]);
    let noted = Arc::new(Mutex::new((false, Vec::new())));
    let watching = Watching { inner: stage.screen(), gpu: stage.gpu.clone(), seen: noted.clone() };
    let early = EarlyLabels::on(Arc::new(watching));
    early.allow(Some(sight(4)));
    let dir = tempfile::tempdir().unwrap();
    let begin = |_: &JobContext<Tell>| {
        let recipe = recipe();
        let weights = recipe.network_spec().initial_weights(3);
        let config = LoopConfig::default();
        Ok(LoopStart { recipe, weights, earlier: Vec::new(), earlier_validation: Vec::new(), config })
    };
    let request = RunnerRequest {
        folder: dir.path().join("loop"),
        begin: Begin::New(Box::new(begin)),
        device: DeviceChoice::Gpu,
        thread: Some(ComputeThread::start(stage.gpu.compute()).unwrap()),
        arbiter: Arbiter::default(),
        early: early.clone(),
        fault: None,
    };
    let (asks, asked) = crossbeam_channel::unbounded();
    let (ctx, told) = JobContext::attached(CancelToken::default(), Arc::default(), Waker::none());
    asks.send(Ask::Case { case: CASE.0, volume: stage.volume.clone() }).unwrap();
    asks.send(Ask::Looking { case: CASE.0, slice: 4 }).unwrap();
    let labels = std::thread::scope(|scope| {
        let runner = scope.spawn(|| run(request, &asked, &ctx));
        let labels = loop {
            match told.recv_timeout(Duration::from_secs(300)).unwrap() {
                Tell::Predicted { mut slices, .. } => {
                    assert_eq!(slices.iter().map(|s| s.0).collect::<Vec<_>>(), [4], "the one on the screen first");
                    break slices.remove(0).1;
                }
                Tell::Warning(text) => panic!("{text}"),
                _ => {}
            }
        };
        drop(asks);
        runner.join().unwrap().unwrap();
        labels
    });
    let (filled, shown) = noted.lock().unwrap().clone();
    assert!(filled, "the image is on the device");
    assert_eq!(shown, picture(&labels, 4));
    assert_eq!(stage.seen(4), shown);
    assert_eq!(stage.seen(3), vec![BEFORE; N * N], "a slice that nobody looked at");
    // They come to nothing: the mask is seen again.
    let shown = early.take(CASE.0, 4).unwrap();
    assert_eq!(shown, ShownEarly { at: sight(4), version: 0 });
    early.withdraw(&shown);
    stage.draw();
    assert_eq!(stage.seen(4), vec![BEFORE; N * N]);
}

#[test]
fn an_image_that_is_still_coming_is_no_input_and_a_layer_that_is_not_drawn_no_screen() {
    let Some(mut stage) = Stage::new() else { return };
    let (screen, network) = (stage.screen(), recipe().model_spec());
    let sketch = |at: Sight, grid: &Geometry| screen.sketch(at, grid, &network);
    let first: Arc<[i16]> = stage.volume.slice(0).unwrap().into();
    stage.feed.push_slices(CASE, DIMS, vec![(0, first)], None, 0);
    stage.draw();
    let room = stage.room(None);
    assert!(!sketch(sight(2), &grid()).unwrap().fill(&room.buffer().unwrap()));
    // Its labels can be shown all the same.
    let probabilities: Vec<f32> = (0..N * N).map(|n| (n % 11) as f32 / 10.0).collect();
    let labels: Vec<u8> = probabilities.iter().map(|p| u8::from(*p >= network.threshold)).collect();
    let answer = stage.room(Some(probabilities));
    assert!(sketch(sight(2), &grid()).unwrap().show(&answer.buffer().unwrap()));
    assert_eq!(stage.seen(2), picture(&labels, 2));
    assert!(!sketch(sight(DIMS[2]), &grid()).unwrap().show(&answer.buffer().unwrap()), "beyond the image");
    stage.whole();
    assert!(sketch(sight(2), &grid()).unwrap().fill(&room.buffer().unwrap()));
    let slice = AxialView::new(&grid()).slice(&stage.volume, 2);
    let want: Vec<f32> = slice.iter().map(|hu| network.preprocessing.intensity.apply(*hu)).collect();
    let found = room.read().unwrap();
    assert!(found.len() == want.len() && found.iter().zip(&want).all(|(a, b)| (a - b).abs() < 2e-6));

    let other = Geometry::axis_aligned([N, N, 7], DVec3::ONE, DVec3::ZERO).unwrap();
    assert!(sketch(sight(2), &other).is_none(), "another grid");
    let axes = DMat3::from_cols(DVec3::Z, DVec3::X, DVec3::Y);
    let across = Geometry::new(DIMS, DAffine3 { matrix3: axes, translation: DVec3::ZERO }).unwrap();
    assert!(sketch(sight(2), &across).is_none(), "slices along another axis");
    assert!(sketch(Sight { case: 9, ..sight(2) }, &grid()).is_none());
    stage.feed.keep_layers(CASE, &[]);
    assert!(sketch(sight(2), &grid()).is_none(), "the layer is no longer drawn");
    stage.feed.keep_cases(&[]);
    assert!(stage.feed.inbox().held.is_empty(), "nothing is kept for a case that is closed");
}

#[test]
fn the_pass_maps_values_as_the_host_does() {
    for intensity in [Intensity::Window { low: -900.0, high: 500.0 }, Intensity::Divide { by: 1400.0 }] {
        let InputRange { low, range, clip } = range(intensity);
        for hu in [-1024.0, -900.0, -1.0, 0.0, 40.0, 500.0, 3000.0f32] {
            let value = (hu - low) / range;
            assert_eq!(if clip { value.clamp(0.0, 1.0) } else { value }, intensity.apply(hu));
        }
    }
}
