//! The way to the first slice on screen: the renderer is made ready while no case is open, and a large image shows the
//! slice that was read first before there is room for all of it. For the viewer.

use super::feed::{CaseInbox, GpuFeed};
use super::gpu::scene;
use crate::core::{ColorMap, Interpolation, PRESETS};
use crate::render::{
    LabelColors, LabelTexture, Overlay, PaneId, RenderError, SliceRenderer, SliceTextures, SliceView, VolumeTexture,
    VoxelFromPane,
};
use eframe::egui_wgpu::{CallbackResources, CallbackTrait, ScreenDescriptor};
use egui::{PaintCallbackInfo, Rect, Ui, Vec2};
use glam::DVec3;

/// Images below this many bytes are made at once.
const SMALL: usize = 12 << 20;
/// Panes that no case uses: one view without a mask, one with.
const PANES: [PaneId; 2] = [PaneId(u64::MAX), PaneId(u64::MAX - 1)];

/// The slice that was read first, alone on the device.
///
/// A device clears a new texture before a part of it is written, which takes a software device a second for hundreds
/// of megabytes. So the first slice is shown by itself for the frame before.
pub(super) struct FirstSlice {
    k: usize,
    slice: VolumeTexture,
}

impl FirstSlice {
    /// Of a large image of which a slice waits; the slice stays in the inbox.
    ///
    /// # Errors
    /// As [`VolumeTexture::new`] and [`VolumeTexture::upload_slice`].
    pub fn of(device: &wgpu::Device, queue: &wgpu::Queue, wanted: &CaseInbox) -> Result<Option<Self>, RenderError> {
        let [nx, ny, nz] = wanted.dims;
        let Some(first) = wanted.slices.front().filter(|_| nx * ny * nz * 2 > SMALL) else { return Ok(None) };
        let (k, hu) = first.samples();
        let slice = VolumeTexture::new(device, [nx, ny, 1])?;
        slice.upload_slice(queue, 0, hu)?;
        Ok(Some(Self { k, slice }))
    }

    /// What `view` shows of it: the image alone, and nothing where the view is not of this slice.
    ///
    /// # Errors
    /// As [`SliceRenderer::prepare`].
    pub fn prepare(
        &self,
        renderer: &mut SliceRenderer,
        queue: &wgpu::Queue,
        pane: PaneId,
        view: &SliceView,
    ) -> Result<(), RenderError> {
        let Some(view) = self.seen(view) else { return Ok(()) };
        let textures = SliceTextures { volume: &self.slice, layers: [None; 2], fused: None };
        renderer.prepare(queue, pane, textures, &view)
    }

    fn seen(&self, view: &SliceView) -> Option<SliceView> {
        let placement = view.placement;
        let here = placement.through == Some(2) && placement.origin.z.round() == self.k as f64;
        (here && view.slab.is_none()).then(|| {
            let mut view = view.clone();
            view.placement.origin.z -= self.k as f64;
            view.overlay = Overlay::None;
            view.fusion = None;
            view
        })
    }
}

/// Makes the renderer ready: its pipelines are built, and used once, before a case is there.
struct WarmUp {
    feed: GpuFeed,
    frame: u64,
    target_format: wgpu::TextureFormat,
    background: [u8; 3],
}

/// What the warm-up draws, made once.
pub(super) struct Blank {
    _volume: VolumeTexture,
    _labels: LabelTexture,
}

/// Draws a pixel in the colour of the background with what the panes are drawn with.
pub(super) fn warm_up(ui: &Ui, feed: &GpuFeed, frame: u64, target_format: wgpu::TextureFormat) {
    let [r, g, b, _] = ui.visuals().panel_fill.to_array();
    let callback = WarmUp { feed: feed.clone(), frame, target_format, background: [r, g, b] };
    let pixel = Rect::from_min_size(ui.max_rect().min, Vec2::splat(1.0 / ui.pixels_per_point()));
    ui.painter().add(eframe::egui_wgpu::Callback::new_paint_callback(pixel, callback));
    // Painted over: until its pipelines are there the pixel is black, a speck on the light theme.
    ui.painter().rect_filled(pixel.expand(1.0 / ui.pixels_per_point()), 0.0, ui.visuals().panel_fill);
}

impl WarmUp {
    fn view(&self, overlay: Overlay) -> SliceView {
        SliceView {
            // Beside the image, whatever its size.
            placement: VoxelFromPane {
                origin: DVec3::new(-9.0, -9.0, 0.0),
                right: DVec3::X,
                down: DVec3::Y,
                through: Some(2),
            },
            pane_size: [1, 1],
            window: PRESETS[0].window,
            lut: None,
            invert: false,
            interpolation: Interpolation::Linear,
            slab: None,
            color_map: ColorMap::Grey,
            fusion: None,
            overlay,
            fill_opacity: 0.5,
            outline_opacity: 1.0,
            background: self.background,
        }
    }

    fn blank(
        &self,
        renderer: &mut SliceRenderer,
        device: &wgpu::Device,
        queue: &wgpu::Queue,
    ) -> Result<Blank, RenderError> {
        let volume = VolumeTexture::new(device, [1; 3])?;
        let labels = LabelTexture::new(device, [1; 3])?;
        let colors = LabelColors::from_segments(&[]);
        for (pane, overlay) in PANES.into_iter().zip([Overlay::None, Overlay::Labels { colors }]) {
            let textures = SliceTextures { volume: &volume, layers: [Some(&labels), None], fused: None };
            renderer.prepare(queue, pane, textures, &self.view(overlay))?;
        }
        Ok(Blank { _volume: volume, _labels: labels })
    }
}

impl CallbackTrait for WarmUp {
    fn prepare(
        &self,
        device: &wgpu::Device,
        queue: &wgpu::Queue,
        _screen: &ScreenDescriptor,
        _encoder: &mut wgpu::CommandEncoder,
        resources: &mut CallbackResources,
    ) -> Vec<wgpu::CommandBuffer> {
        let mut inbox = self.feed.inbox();
        let result = scene(device, queue, resources, &mut inbox, self.frame, self.target_format).and_then(|scene| {
            if let Some(scene) = scene.filter(|s| s.blank.is_none()) {
                scene.blank = Some(self.blank(&mut scene.renderer, device, queue)?);
            }
            Ok(())
        });
        inbox.errors.extend(result.err().map(|e| e.to_string()));
        Vec::new()
    }

    fn paint(
        &self,
        _info: PaintCallbackInfo,
        render_pass: &mut wgpu::RenderPass<'static>,
        resources: &CallbackResources,
    ) {
        for pane in PANES {
            super::gpu::paint(resources, render_pass, pane);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::SlabMode;
    use crate::render::Slab;

    fn view(origin: DVec3, through: Option<usize>) -> SliceView {
        let warm = WarmUp {
            feed: GpuFeed::default(),
            frame: 0,
            target_format: wgpu::TextureFormat::Rgba8Unorm,
            background: [0; 3],
        };
        let mut view = warm.view(Overlay::Labels { colors: LabelColors::from_segments(&[]) });
        view.placement.origin = origin;
        view.placement.through = through;
        view
    }

    #[test]
    fn the_first_slice_stands_for_no_other() {
        let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle());
        let options = wgpu::RequestAdapterOptions::default();
        let Ok(adapter) = pollster(instance.request_adapter(&options)) else {
            println!("skipped: no wgpu adapter");
            return;
        };
        let (device, queue) = pollster(adapter.request_device(&wgpu::DeviceDescriptor::default())).unwrap();
        let (feed, dims) = (GpuFeed::default(), [256, 256, 100]);
        let hu: std::sync::Arc<[i16]> = vec![7; 256 * 256].into();
        feed.push_slices(crate::core::CaseId(1), dims, vec![(50, hu)], None, 50);
        let inbox = feed.inbox();
        let wanted = inbox.cases.get(&crate::core::CaseId(1)).unwrap();
        let first = FirstSlice::of(&device, &queue, wanted).unwrap().unwrap();
        assert_eq!((first.k, first.slice.dims()), (50, [256, 256, 1]));
        assert_eq!(wanted.slices.len(), 1, "the whole image still needs it");

        let seen = first.seen(&view(DVec3::new(3.0, 4.0, 50.0), Some(2))).unwrap();
        assert_eq!(seen.placement.origin, DVec3::new(3.0, 4.0, 0.0));
        assert_eq!(seen.overlay, Overlay::None);
        assert!(first.seen(&view(DVec3::new(3.0, 4.0, 51.0), Some(2))).is_none());
        assert!(first.seen(&view(DVec3::new(3.0, 50.0, 50.0), Some(1))).is_none());
        assert!(first.seen(&view(DVec3::new(3.0, 4.0, 50.0), None)).is_none());
        let mut thick = view(DVec3::new(3.0, 4.0, 50.0), Some(2));
        thick.slab = Some(Slab { mode: SlabMode::Mean, step: DVec3::Z, half: 2 });
        assert!(first.seen(&thick).is_none());

        let small = GpuFeed::default();
        small.push_slices(crate::core::CaseId(1), [2, 2, 5], vec![(1, vec![0; 4].into())], None, 1);
        let inbox = small.inbox();
        assert!(FirstSlice::of(&device, &queue, inbox.cases.values().next().unwrap()).unwrap().is_none());
    }

    /// wgpu's native futures are ready at once.
    fn pollster<F: Future>(future: F) -> F::Output {
        let mut future = std::pin::pin!(future);
        loop {
            let mut context = std::task::Context::from_waker(std::task::Waker::noop());
            if let std::task::Poll::Ready(value) = future.as_mut().poll(&mut context) {
                return value;
            }
        }
    }
}
