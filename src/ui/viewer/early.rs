//! A prediction's way to the screen without the host: the network's input from the volume's texture, its labels into the
//! overlay's. Called by the learning loop on the thread of its device, which is the window's.

use super::feed::GpuFeed;
use crate::core::{CaseId, Geometry, Plane, PlaneAxes};
use crate::learn::{Screen, Sight, Sketch};
use crate::nn::{Intensity, ModelSpec, PreprocessConfig, RoomBuffer, resampling_weights};
use crate::render::{InputPass, InputRange, LabelPass, LabelTexture, VolumeTexture};
use std::sync::{Arc, Mutex, PoisonError};

/// What the window draws with.
pub struct Graphics {
    pub device: wgpu::Device,
    pub queue: wgpu::Queue,
}

/// The textures of the panes, as far as a prediction reaches them.
pub(super) struct EarlyScreen {
    feed: GpuFeed,
    graphics: Graphics,
    /// Asked for a frame when something is shown.
    ctx: egui::Context,
    passes: Mutex<Passes>,
}

/// What passes were made for. Cases and networks change seldom: the last ones are kept.
#[derive(Default)]
struct Passes {
    labels: Option<(LabelKey, Arc<LabelPass>)>,
    input: Option<(InputKey, Arc<InputPass>)>,
}

/// Voxels, the way slices lie, channels and threshold.
type LabelKey = ([usize; 3], PlaneAxes, usize, f32);
/// Voxels, the way slices lie, what the network takes.
type InputKey = ([usize; 3], PlaneAxes, PreprocessConfig);

impl EarlyScreen {
    pub fn new(feed: GpuFeed, graphics: Graphics, ctx: egui::Context) -> Self {
        Self { feed, graphics, ctx, passes: Mutex::default() }
    }

    fn label_pass(&self, key: LabelKey) -> Option<Arc<LabelPass>> {
        let mut passes = self.passes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, pass)) = passes.labels.as_ref().filter(|(of, _)| *of == key) {
            return Some(pass.clone());
        }
        let (dims, axes, channels, threshold) = key;
        let Graphics { device, queue } = &self.graphics;
        let pass = Arc::new(LabelPass::new(device, queue, dims, axes, channels, threshold).ok()?);
        passes.labels = Some((key, pass.clone()));
        Some(pass)
    }

    fn input_pass(&self, key: InputKey) -> Option<Arc<InputPass>> {
        let mut passes = self.passes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, pass)) = passes.input.as_ref().filter(|(of, _)| *of == key) {
            return Some(pass.clone());
        }
        let (dims, axes, PreprocessConfig { size, intensity }) = key;
        let [columns, rows] = [axes.right, axes.down].map(|axis| resampling_weights(dims[axis], size));
        let Graphics { device, queue } = &self.graphics;
        let pass = InputPass::new(device, queue, axes, [&columns, &rows], range(intensity)).ok()?;
        let pass = Arc::new(pass);
        passes.input = Some((key, pass.clone()));
        Some(pass)
    }
}

/// The same numbers for the pass.
fn range(intensity: Intensity) -> InputRange {
    match intensity {
        Intensity::Window { low, high } => InputRange { low, range: high - low, clip: true },
        Intensity::Divide { by } => InputRange { low: 0.0, range: by, clip: false },
    }
}

impl Screen for EarlyScreen {
    fn sketch(&self, at: Sight, grid: &Geometry, network: &ModelSpec) -> Option<Box<dyn Sketch>> {
        let (overlay, volume) = {
            let inbox = self.feed.inbox();
            let held = inbox.held.get(&CaseId(at.case))?;
            (held.layers.get(&at.layer)?.clone(), held.volume.clone())
        };
        let (dims, axes) = (grid.dims(), PlaneAxes::of(grid, Plane::Axial));
        if overlay.dims() != dims {
            return None;
        }
        let labels = self.label_pass((dims, axes, network.network.out_channels, network.threshold))?;
        // An image that is still being uploaded is no input.
        let volume = volume.filter(|volume| volume.dims() == dims);
        let input = volume.and_then(|volume| Some((self.input_pass((dims, axes, network.preprocessing))?, volume)));
        Some(Box::new(DeviceSketch {
            labels,
            overlay,
            input,
            slice: at.slice,
            feed: self.feed.clone(),
            ctx: self.ctx.clone(),
        }))
    }

    fn restore(&self, at: Sight) {
        let mut inbox = self.feed.inbox();
        let layer = inbox.cases.get_mut(&CaseId(at.case)).and_then(|case| case.layers.get_mut(&at.layer));
        if let Some(layer) = layer {
            layer.queue_slice(at.slice);
        }
        drop(inbox);
        self.ctx.request_repaint();
    }
}

/// A slice on its way.
struct DeviceSketch {
    labels: Arc<LabelPass>,
    overlay: LabelTexture,
    input: Option<(Arc<InputPass>, VolumeTexture)>,
    slice: usize,
    feed: GpuFeed,
    ctx: egui::Context,
}

impl Sketch for DeviceSketch {
    fn fill(&self, input: &RoomBuffer) -> bool {
        let Some((pass, volume)) = &self.input else { return false };
        pass.run(volume, self.slice, 1, input.place()).is_ok()
    }

    fn show(&self, answer: &RoomBuffer) -> bool {
        let done = self.labels.run(answer.place(), &self.overlay, self.slice).is_ok();
        if done {
            // Panes that showed the slice as it was are drawn anew.
            self.feed.inbox().sketches += 1;
            self.ctx.request_repaint();
        }
        done
    }
}

#[cfg(test)]
mod tests;
