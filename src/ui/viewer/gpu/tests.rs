//! What a pane says of itself to a window that draws what changed alone.

use super::super::feed::Changed;
use super::*;
use crate::core::{Geometry, Interpolation, LabelMap, PRESETS};
use crate::nn::SharedGpu;
use crate::render::{LabelColors, Overlay, VoxelFromPane};
use egui::{Pos2, Vec2};
use glam::DVec3;

const FORMAT: wgpu::TextureFormat = wgpu::TextureFormat::Rgba8Unorm;
const CASE: CaseId = CaseId(1);
const LAYER: LayerId = LayerId(2);

/// A window with one pane.
struct Window {
    gpu: SharedGpu,
    feed: GpuFeed,
    resources: CallbackResources,
    frame: u64,
    rect: Rect,
    view: SliceView,
}

impl Window {
    /// One frame; whether the pane has to be drawn again.
    fn frame(&mut self) -> bool {
        self.frame += 1;
        let callback = SliceCallback {
            feed: self.feed.clone(),
            frame: self.frame,
            rect: self.rect,
            pane: PaneId(3),
            case: CASE,
            layers: [Some(LAYER), None],
            fused: None,
            view: self.view.clone(),
            target_format: FORMAT,
        };
        let (device, queue) = (&self.gpu.device, &self.gpu.queue);
        let mut encoder = device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        let screen = ScreenDescriptor { size_in_pixels: [64; 2], pixels_per_point: 1.0 };
        self.resources.get_mut::<PaneChanges>().unwrap().clear();
        callback.prepare(device, queue, &screen, &mut encoder, &mut self.resources);
        queue.submit([encoder.finish()]);
        assert!(self.feed.take_errors().is_empty());
        self.resources.get::<PaneChanges>().unwrap().is_changed(self.rect)
    }
}

#[test]
fn a_pane_says_when_it_shows_something_else() {
    let gpu = match SharedGpu::create() {
        Ok(gpu) => gpu,
        Err(error) => return println!("skipped: {error}"),
    };
    let geometry = Geometry::axis_aligned([20, 18, 5], DVec3::ONE, DVec3::ZERO).unwrap();
    let volume = Arc::new(Volume::new(geometry, vec![40; geometry.voxel_count()]).unwrap());
    let feed = GpuFeed::default();
    feed.push_slices(CASE, geometry.dims(), Vec::new(), Some(&volume), 0);
    let mut labels = LabelMap::empty(geometry);
    feed.push_layer(CASE, LAYER, &labels, Changed::Nothing);
    let mut resources = CallbackResources::default();
    resources.insert(PaneChanges::default());
    let view = SliceView {
        placement: VoxelFromPane {
            origin: DVec3::new(0.0, 0.0, 2.0),
            right: DVec3::X,
            down: DVec3::Y,
            through: Some(2),
        },
        pane_size: [20, 18],
        window: PRESETS[0].window,
        lut: None,
        invert: false,
        interpolation: Interpolation::Linear,
        slab: None,
        color_map: crate::core::ColorMap::Grey,
        fusion: None,
        overlay: Overlay::Labels { colors: LabelColors::from_segments(&[]) },
        fill_opacity: 0.5,
        outline_opacity: 1.0,
        background: [0; 3],
    };
    let rect = Rect::from_min_size(Pos2::new(4.0, 6.0), Vec2::new(20.0, 18.0));
    let mut window = Window { gpu, feed, resources, frame: 0, rect, view };
    // It is uploaded in portions; then nothing changes any more.
    let mut frames = 0;
    while window.frame() {
        frames += 1;
        assert!(frames < 20, "it comes to rest");
    }
    assert!(frames > 0 && !window.frame());
    window.view.placement.origin.z = 3.0;
    assert!(window.frame() && !window.frame(), "another slice");
    labels.set([3, 4, 3], 1);
    let brick = labels.brick_of([3, 4, 3]);
    window.feed.push_layer(CASE, LAYER, &labels, Changed::Bricks(&[brick].into()));
    assert!(window.frame() && !window.frame(), "a stroke");
    window.feed.inbox().sketches += 1;
    assert!(window.frame() && !window.frame(), "labels that were written on the device, beside the frames");
    window.view.invert = true;
    assert!(window.frame() && !window.frame(), "another look");
}

#[test]
fn a_place_is_changed_unless_all_that_is_drawn_there_is_the_same() {
    let mut resources = CallbackResources::default();
    let rect = |x: f32| Rect::from_min_size(Pos2::new(x, 0.0), Vec2::splat(5.0));
    // A window that draws everything asks for none of it.
    PaneChanges::tell(&mut resources, rect(1.0), true);
    assert!(resources.get::<PaneChanges>().is_none());
    resources.insert(PaneChanges::default());
    for (x, is_same) in [(1.0, true), (2.0, false), (3.0, true), (3.0, false), (4.0, true), (4.0, true)] {
        PaneChanges::tell(&mut resources, rect(x), is_same);
    }
    let changes = resources.get_mut::<PaneChanges>().unwrap();
    let changed: Vec<bool> = (0..5).map(|x| changes.is_changed(rect(x as f32))).collect();
    assert_eq!(changed, [true, false, true, true, false]);
    changes.clear();
    assert!(changes.is_changed(rect(1.0)));
}
