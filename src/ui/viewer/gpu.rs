//! The way of voxels to the graphics device: an inbox that the window fills and the paint callback empties in portions.
//!
//! Portions keep a frame short: opening a large volume uploads a few slices a frame, nearest to the shown one first,
//! and a stroke uploads only its bricks.

use crate::core::{BrickIndex, CaseId, LabelMap, LayerId, Volume};
use crate::render::{LabelTexture, PaneId, RenderError, SliceRenderer, SliceView, VolumeTexture};
use eframe::egui_wgpu::{CallbackResources, CallbackTrait, ScreenDescriptor};
use egui::PaintCallbackInfo;
use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Bytes of image uploaded in one frame.
const SLICE_BYTES_PER_FRAME: usize = 12 << 20;
/// Label bricks (4 KiB each) uploaded in one frame.
const BRICKS_PER_FRAME: usize = 1024;

/// Samples of one slice.
pub enum SliceData {
    /// A slice that was just decoded.
    Streamed(usize, Arc<[i16]>),
    /// A slice of a finished volume.
    Of(usize, Arc<Volume>),
}

/// Which slices of the shown case were handed over, so that none is missing however the reading and the showing of a
/// case overlap.
#[derive(Default)]
pub struct SliceLedger {
    pushed: Vec<bool>,
}

impl SliceLedger {
    /// Nothing handed over of `count` slices.
    pub fn new(count: usize) -> Self {
        Self { pushed: vec![false; count] }
    }

    /// What to hand over now: slices that were just read, and once the volume is complete everything still missing,
    /// nearest to slice `start` first.
    pub fn take(
        &mut self,
        streamed: Vec<(usize, Arc<[i16]>)>,
        volume: Option<&Arc<Volume>>,
        start: usize,
    ) -> Vec<SliceData> {
        let mut slices = Vec::new();
        for (k, hu) in streamed {
            if let Some(pushed) = self.pushed.get_mut(k) {
                *pushed = true;
                slices.push(SliceData::Streamed(k, hu));
            }
        }
        if let Some(volume) = volume {
            let mut missing: Vec<usize> = (0..self.pushed.len()).filter(|&k| !self.pushed[k]).collect();
            missing.sort_by_key(|k| k.abs_diff(start));
            slices.extend(missing.into_iter().map(|k| SliceData::Of(k, Arc::clone(volume))));
            self.pushed.fill(true);
        }
        slices
    }
}

/// What the device is to hold: the volume of one case and up to two of its layers.
#[derive(Default)]
struct Inbox {
    case: Option<(CaseId, [usize; 3])>,
    slices: VecDeque<SliceData>,
    layers: [LayerInbox; 2],
    errors: Vec<String>,
}

#[derive(Default)]
struct LayerInbox {
    layer: Option<LayerId>,
    /// The newest content; pending bricks are read from it.
    labels: Option<LabelMap>,
    pending: BTreeSet<BrickIndex>,
}

/// Shared by the window and its paint callbacks, which run on the same thread one after the other.
#[derive(Clone, Default)]
pub struct GpuFeed(Arc<Mutex<Inbox>>);

impl GpuFeed {
    fn inbox(&self) -> MutexGuard<'_, Inbox> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The case the device is filled with.
    pub fn case(&self) -> Option<CaseId> {
        self.inbox().case.map(|(id, _)| id)
    }

    /// Starts anew with another case.
    pub fn set_case(&self, case: CaseId, dims: [usize; 3]) {
        *self.inbox() = Inbox { case: Some((case, dims)), ..Inbox::default() };
    }

    /// Queues slices for upload.
    pub fn push_slices(&self, slices: impl IntoIterator<Item = SliceData>) {
        self.inbox().slices.extend(slices);
    }

    /// The layer in slot 0 (A) or 1 (B).
    pub fn layer(&self, slot: usize) -> Option<LayerId> {
        self.inbox().layers[slot].layer
    }

    /// Puts a layer into a slot; all its bricks that are not empty are queued.
    pub fn set_layer(&self, slot: usize, layer: Option<(LayerId, &LabelMap)>) {
        let target = &mut self.inbox().layers[slot];
        *target = match layer {
            None => LayerInbox::default(),
            Some((id, labels)) => LayerInbox {
                layer: Some(id),
                labels: Some(labels.clone()),
                pending: (0..labels.brick_count() as BrickIndex).filter(|&i| labels.brick(i).is_some()).collect(),
            },
        };
    }

    /// Queues changed bricks of a layer in a slot.
    pub fn push_bricks(&self, slot: usize, labels: &LabelMap, bricks: &BTreeSet<BrickIndex>) {
        let target = &mut self.inbox().layers[slot];
        target.labels = Some(labels.clone());
        target.pending.extend(bricks);
    }

    /// Whether something still waits for a frame.
    pub fn has_pending(&self) -> bool {
        let inbox = self.inbox();
        !inbox.slices.is_empty() || inbox.layers.iter().any(|l| !l.pending.is_empty())
    }

    /// Errors since the last call.
    pub fn take_errors(&self) -> Vec<String> {
        std::mem::take(&mut self.inbox().errors)
    }
}

/// What the device holds, kept among egui's callback resources.
struct Scene {
    renderer: SliceRenderer,
    case: Option<CaseId>,
    volume: Option<VolumeTexture>,
    layers: [Option<(LayerId, LabelTexture)>; 2],
}

/// Draws one pane.
pub struct SliceCallback {
    pub feed: GpuFeed,
    pub pane: PaneId,
    pub view: SliceView,
    pub target_format: wgpu::TextureFormat,
}

impl CallbackTrait for SliceCallback {
    fn prepare(
        &self,
        device: &wgpu::Device,
        queue: &wgpu::Queue,
        _screen: &ScreenDescriptor,
        _encoder: &mut wgpu::CommandEncoder,
        resources: &mut CallbackResources,
    ) -> Vec<wgpu::CommandBuffer> {
        let mut inbox = self.feed.inbox();
        if resources.get::<Scene>().is_none() {
            match SliceRenderer::new(device, self.target_format) {
                Ok(renderer) => {
                    resources.insert(Scene { renderer, case: None, volume: None, layers: [None, None] });
                }
                Err(error) => inbox.errors.push(error.to_string()),
            }
        }
        if let Some(scene) = resources.get_mut::<Scene>() {
            let result = scene
                .take_in(device, queue, &mut inbox)
                .and_then(|()| scene.prepare_pane(queue, self.pane, &self.view));
            if let Err(error) = result {
                inbox.errors.push(error.to_string());
            }
        }
        Vec::new()
    }

    fn paint(
        &self,
        _info: PaintCallbackInfo,
        render_pass: &mut wgpu::RenderPass<'static>,
        resources: &CallbackResources,
    ) {
        if let Some(scene) = resources.get::<Scene>() {
            scene.renderer.paint(render_pass, self.pane);
        }
    }
}

impl Scene {
    /// Creates what is missing and uploads this frame's portion.
    fn take_in(&mut self, device: &wgpu::Device, queue: &wgpu::Queue, inbox: &mut Inbox) -> Result<(), RenderError> {
        let Some((case, dims)) = inbox.case else { return Ok(()) };
        if self.case != Some(case) {
            self.renderer.forget_panes();
            self.layers = [None, None];
            self.volume = None;
            self.case = Some(case);
            self.volume = Some(VolumeTexture::new(device, dims)?);
        }
        if let Some(volume) = &self.volume {
            let budget = (SLICE_BYTES_PER_FRAME / (dims[0] * dims[1] * 2)).max(1);
            for slice in inbox.slices.drain(..budget.min(inbox.slices.len())) {
                match slice {
                    SliceData::Streamed(k, hu) => volume.upload_slice(queue, k, &hu)?,
                    SliceData::Of(k, whole) => volume.upload_slice(queue, k, whole.slice(k).unwrap_or_default())?,
                }
            }
        }
        for (slot, wanted) in self.layers.iter_mut().zip(&mut inbox.layers) {
            take_in_layer(slot, wanted, device, queue, dims)?;
        }
        Ok(())
    }

    fn prepare_pane(&mut self, queue: &wgpu::Queue, pane: PaneId, view: &SliceView) -> Result<(), RenderError> {
        let Some(volume) = &self.volume else { return Ok(()) };
        let [a, b] = &self.layers;
        self.renderer.prepare(queue, pane, volume, [a.as_ref().map(|l| &l.1), b.as_ref().map(|l| &l.1)], view)
    }
}

fn take_in_layer(
    slot: &mut Option<(LayerId, LabelTexture)>,
    wanted: &mut LayerInbox,
    device: &wgpu::Device,
    queue: &wgpu::Queue,
    dims: [usize; 3],
) -> Result<(), RenderError> {
    let (Some(id), Some(labels)) = (wanted.layer, &wanted.labels) else {
        *slot = None;
        return Ok(());
    };
    if slot.as_ref().map(|(have, _)| *have) != Some(id) {
        *slot = Some((id, LabelTexture::new(device, dims)?));
    }
    if let Some((_, texture)) = slot
        && !wanted.pending.is_empty()
    {
        let portion: Vec<BrickIndex> = wanted.pending.iter().copied().take(BRICKS_PER_FRAME).collect();
        texture.upload_bricks(queue, labels, &portion)?;
        for brick in portion {
            wanted.pending.remove(&brick);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::Geometry;
    use glam::DVec3;

    fn numbers(slices: &[SliceData]) -> Vec<usize> {
        slices
            .iter()
            .map(|s| match s {
                SliceData::Streamed(k, _) | SliceData::Of(k, _) => *k,
            })
            .collect()
    }

    #[test]
    fn every_slice_is_handed_over_once_however_reading_and_showing_overlap() {
        let geometry = Geometry::axis_aligned([2, 2, 5], DVec3::ONE, DVec3::ZERO).unwrap();
        let volume = Arc::new(Volume::new(geometry, vec![0i16; 20]).unwrap());
        let slice = |k: usize| (k, Arc::<[i16]>::from(vec![0i16; 4]));

        // Read while shown: each as it comes, nothing again at the end.
        let mut ledger = SliceLedger::new(5);
        assert_eq!(numbers(&ledger.take(vec![slice(2), slice(1)], None, 2)), [2, 1]);
        assert_eq!(numbers(&ledger.take(vec![slice(3), slice(0), slice(4)], Some(&volume), 2)), [3, 0, 4]);
        assert!(ledger.take(Vec::new(), Some(&volume), 2).is_empty());

        // Shown again after another case took its place half-way: what was handed over then is handed over again.
        let mut ledger = SliceLedger::new(5);
        assert_eq!(numbers(&ledger.take(vec![slice(4)], None, 2)), [4]);
        assert_eq!(numbers(&ledger.take(Vec::new(), Some(&volume), 2)), [2, 1, 3, 0]);
        // A slice beyond the grid is nobody's.
        assert!(SliceLedger::new(5).take(vec![slice(5)], None, 0).is_empty());
    }
}
