//! What the device holds for the window, and the paint callbacks of slice panes and of the 3-D view.

use super::feed::{CaseInbox, GpuFeed, Held, Inbox, LayerInbox};
use super::first::{Blank, FirstSlice};
use crate::core::{BrickIndex, CaseId, LayerId, Volume};
use crate::render::{
    LabelTexture, PaneId, RenderError, SliceRenderer, SliceTextures, SliceView, Steady, VolumeBlit, VolumeContent,
    VolumeDrawer, VolumeOrder, VolumeTexture, VolumeView,
};
use eframe::egui_wgpu::{CallbackResources, CallbackTrait, ScreenDescriptor};
use egui::{PaintCallbackInfo, Rect};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Bytes of image uploaded in one frame.
const SLICE_BYTES_PER_FRAME: usize = 12 << 20;
/// Label bricks (4 KiB each) uploaded in one frame.
const BRICKS_PER_FRAME: usize = 1024;
/// The 3-D view follows the mask when nothing was painted for this long, so that it never slows a stroke.
pub const SETTLED: Duration = Duration::from_millis(250);

/// Kept among egui's callback resources.
pub(super) struct Scene {
    pub renderer: SliceRenderer,
    /// Drawn while no case is open.
    pub blank: Option<Blank>,
    blit: VolumeBlit,
    drawer: Option<VolumeDrawer>,
    /// The case that the 3-D view was asked to show last.
    drawn_case: Option<CaseId>,
    cases: BTreeMap<CaseId, CaseTextures>,
    /// Of cases that come into `cases` with the next frame.
    first: BTreeMap<CaseId, FirstSlice>,
    /// Grows with every upload.
    uploads: u64,
    /// The frame whose portion was taken in.
    frame: Option<u64>,
}

struct CaseTextures {
    volume: VolumeTexture,
    layers: BTreeMap<LayerId, (LabelTexture, u64)>,
    /// Value of `Scene::uploads` at the last change of the image.
    revision: u64,
}

/// For a window that draws what changed alone: which places of this frame's callbacks show what they showed in the frame
/// before. Lies among the callback resources of such a window, which empties it before every frame; callbacks that are not
/// in it may show anything.
#[derive(Debug, Default)]
pub struct PaneChanges(Vec<(Rect, bool)>);

impl PaneChanges {
    /// Before a frame.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// Whether what is drawn at this place has to be drawn again.
    pub fn is_changed(&self, rect: Rect) -> bool {
        let mut same = self.0.iter().filter(|(place, _)| *place == rect).map(|(_, same)| *same).peekable();
        same.peek().is_none() || same.any(|same| !same)
    }

    fn tell(resources: &mut CallbackResources, rect: Rect, is_same: bool) {
        if let Some(changes) = resources.get_mut::<Self>() {
            changes.0.push((rect, is_same));
        }
    }
}

/// Draws one slice pane.
pub struct SliceCallback {
    pub feed: GpuFeed,
    pub frame: u64,
    /// Where, in points.
    pub rect: Rect,
    pub pane: PaneId,
    pub case: CaseId,
    /// Layers A and B of the overlay.
    pub layers: [Option<LayerId>; 2],
    /// The case laid over.
    pub fused: Option<CaseId>,
    pub view: SliceView,
    pub target_format: wgpu::TextureFormat,
}

/// Draws the 3-D view.
pub struct VolumeCallback {
    pub feed: GpuFeed,
    pub frame: u64,
    /// Where, in points.
    pub rect: Rect,
    pub case: CaseId,
    pub layer: Option<LayerId>,
    /// `None` while slices are still being read.
    pub volume: Option<Arc<Volume>>,
    pub view: VolumeView,
    pub target_format: wgpu::TextureFormat,
    /// Woken when a better picture is there.
    pub ctx: egui::Context,
}

/// Bytes of the textures that the panes are drawn from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TextureBytes {
    pub images: u64,
    pub labels: u64,
    /// How often a part of an image or a layer was uploaded.
    pub uploads: u64,
}

impl TextureBytes {
    /// Those that a window keeps among the resources of egui's renderer.
    pub fn of(resources: &CallbackResources) -> Self {
        let scene = resources.get::<Scene>();
        let mut bytes = Self { uploads: scene.map_or(0, |s| s.uploads), ..Self::default() };
        for case in scene.iter().flat_map(|s| s.cases.values()) {
            bytes.images += case.volume.bytes();
            bytes.labels += case.layers.values().map(|(texture, _)| texture.bytes()).sum::<u64>();
        }
        bytes
    }
}

/// The scene, made at the first call, with this frame's portion of uploads taken in.
pub(super) fn scene<'a>(
    device: &wgpu::Device,
    queue: &wgpu::Queue,
    resources: &'a mut CallbackResources,
    inbox: &mut Inbox,
    frame: u64,
    format: wgpu::TextureFormat,
) -> Result<Option<&'a mut Scene>, RenderError> {
    if resources.get::<Scene>().is_none() {
        resources.insert(Scene {
            renderer: SliceRenderer::new(device, format)?,
            blank: None,
            blit: VolumeBlit::new(device, format),
            drawer: None,
            drawn_case: None,
            cases: BTreeMap::new(),
            first: BTreeMap::new(),
            uploads: 0,
            frame: None,
        });
    }
    let Some(scene) = resources.get_mut::<Scene>() else { return Ok(None) };
    if scene.frame != Some(frame) {
        scene.frame = Some(frame);
        scene.take_in(device, queue, inbox)?;
    }
    Ok(Some(scene))
}

impl CallbackTrait for SliceCallback {
    fn prepare(
        &self,
        device: &wgpu::Device,
        queue: &wgpu::Queue,
        _screen: &ScreenDescriptor,
        encoder: &mut wgpu::CommandEncoder,
        resources: &mut CallbackResources,
    ) -> Vec<wgpu::CommandBuffer> {
        let mut inbox = self.feed.inbox();
        let sketches = inbox.sketches;
        let at_once = resources.get::<PaneChanges>().is_some();
        let result = scene(device, queue, resources, &mut inbox, self.frame, self.target_format).and_then(|scene| {
            let Some(scene) = scene else { return Ok(false) };
            let Some(case) = scene.cases.get(&self.case) else {
                let Some(first) = scene.first.get(&self.case) else { return Ok(false) };
                return first.prepare(&mut scene.renderer, queue, self.pane, &self.view).map(|()| false);
            };
            let layers = self.layers.map(|l| l.and_then(|l| case.layers.get(&l)).map(|(texture, _)| texture));
            let revisions = self.layers.map(|l| l.and_then(|l| case.layers.get(&l)).map(|(_, revision)| *revision));
            let fused = self.fused.and_then(|id| scene.cases.get(&id));
            let content = content((case.revision, revisions, fused.map(|c| c.revision), sketches));
            let textures = SliceTextures { volume: &case.volume, layers, fused: fused.map(|c| &c.volume) };
            let steady = Steady { content, at_once };
            scene.renderer.prepare_steady(queue, encoder, self.pane, textures, &self.view, steady)
        });
        PaneChanges::tell(resources, self.rect, matches!(result, Ok(true)));
        inbox.errors.extend(result.err().map(|e| e.to_string()));
        Vec::new()
    }

    fn paint(
        &self,
        _info: PaintCallbackInfo,
        render_pass: &mut wgpu::RenderPass<'static>,
        resources: &CallbackResources,
    ) {
        paint(resources, render_pass, self.pane);
    }
}

/// Draws a pane that was prepared.
pub(super) fn paint(resources: &CallbackResources, render_pass: &mut wgpu::RenderPass<'static>, pane: PaneId) {
    if let Some(scene) = resources.get::<Scene>() {
        scene.renderer.paint(render_pass, pane);
    }
}

impl CallbackTrait for VolumeCallback {
    fn prepare(
        &self,
        device: &wgpu::Device,
        queue: &wgpu::Queue,
        _screen: &ScreenDescriptor,
        _encoder: &mut wgpu::CommandEncoder,
        resources: &mut CallbackResources,
    ) -> Vec<wgpu::CommandBuffer> {
        let mut inbox = self.feed.inbox();
        match scene(device, queue, resources, &mut inbox, self.frame, self.target_format) {
            Ok(Some(scene)) => {
                let is_same = scene.prepare_volume(self, device, queue, &mut inbox);
                PaneChanges::tell(resources, self.rect, is_same);
            }
            Ok(None) => {}
            Err(error) => inbox.errors.push(error.to_string()),
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
            scene.blit.paint(render_pass);
        }
    }
}

impl Scene {
    /// Creates what is missing, lets go of what is no longer shown, and uploads this frame's portion.
    fn take_in(&mut self, device: &wgpu::Device, queue: &wgpu::Queue, inbox: &mut Inbox) -> Result<(), RenderError> {
        inbox.held.clear();
        if self.cases.keys().any(|id| !inbox.cases.contains_key(id)) {
            self.cases.retain(|id, _| inbox.cases.contains_key(id));
            // Panes hold on to the textures that they showed.
            self.renderer.forget_panes();
            if let Some(drawer) = &mut self.drawer {
                drawer.forget();
                self.drawn_case = None;
            }
        }
        self.first.retain(|id, _| inbox.cases.contains_key(id) && !self.cases.contains_key(id));
        let mut bytes = SLICE_BYTES_PER_FRAME;
        let mut bricks = BRICKS_PER_FRAME;
        for (id, wanted) in &mut inbox.cases {
            let case = match self.cases.entry(*id) {
                std::collections::btree_map::Entry::Occupied(known) => known.into_mut(),
                std::collections::btree_map::Entry::Vacant(new) => {
                    if let std::collections::btree_map::Entry::Vacant(first) = self.first.entry(*id)
                        && let Some(slice) = FirstSlice::of(device, queue, wanted)?
                    {
                        first.insert(slice);
                        self.uploads += 1;
                        continue;
                    }
                    let volume = VolumeTexture::new(device, wanted.dims)?;
                    new.insert(CaseTextures { volume, layers: BTreeMap::new(), revision: 0 })
                }
            };
            case.take_slices(queue, wanted, &mut bytes, &mut self.uploads)?;
            case.layers.retain(|layer, _| wanted.layers.contains_key(layer));
            for (layer, labels) in &mut wanted.layers {
                if case.take_layer(device, queue, *layer, labels, &mut bricks, &mut self.uploads)? {
                    inbox.uploaded = Some(Instant::now());
                }
            }
            inbox.held.insert(*id, case.held(wanted.is_whole()));
        }
        Ok(())
    }

    /// Asks for the picture and takes over what there is of it; gives whether that is what the frame before showed.
    fn prepare_volume(
        &mut self,
        asked: &VolumeCallback,
        device: &wgpu::Device,
        queue: &wgpu::Queue,
        inbox: &mut Inbox,
    ) -> bool {
        let drawer = self.drawer.get_or_insert_with(|| {
            let ctx = asked.ctx.clone();
            VolumeDrawer::start(device, queue, move || ctx.request_repaint())
        });
        inbox.errors.extend(drawer.take_error().map(|e| e.to_string()));
        if let (Some(case), Some(wanted)) = (self.cases.get(&asked.case), inbox.cases.get(&asked.case)) {
            let layer = asked.layer.and_then(|l| Some((l, case.layers.get(&l)?, wanted.layers.get(&l)?)));
            let revision = revision(asked, case, layer.as_ref().map_or(0, |(_, (_, revision), _)| *revision));
            let settled = inbox.uploaded.is_none_or(|at| at.elapsed() >= SETTLED);
            let same_case = self.drawn_case.replace(asked.case) == Some(asked.case);
            let kept = drawer.content().filter(|c| same_case && (c.revision() == revision || !settled)).cloned();
            let content = kept.unwrap_or_else(|| {
                let labels = layer.map(|(_, (texture, _), inbox)| (texture, Arc::clone(&inbox.labels)));
                VolumeContent::new(&case.volume, asked.volume.clone(), labels, revision)
            });
            drawer.ask(VolumeOrder { view: asked.view.clone(), content });
        }
        if std::mem::take(&mut inbox.halt_drawing) {
            drawer.halt();
        }
        let drawing = drawer.progress();
        if inbox.drawing.is_some() != drawing.is_some() {
            // What the pane says of it is drawn before this.
            asked.ctx.request_repaint();
        }
        inbox.drawing = drawing;
        self.blit.prepare(&drawer.picture())
    }
}

/// A number for what the rays go through: other cases, layers and uploads give other numbers.
fn revision(asked: &VolumeCallback, case: &CaseTextures, layer_revision: u64) -> u64 {
    content((asked.case, asked.layer, asked.volume.is_some(), case.revision, layer_revision))
}

/// A number for what textures hold.
fn content(parts: impl std::hash::Hash) -> u64 {
    let mut hash = std::hash::DefaultHasher::new();
    parts.hash(&mut hash);
    std::hash::Hasher::finish(&hash)
}

impl CaseTextures {
    fn held(&self, whole: bool) -> Held {
        let layers = self.layers.iter().map(|(id, (texture, _))| (*id, texture.clone())).collect();
        Held { volume: whole.then(|| self.volume.clone()), layers }
    }

    fn take_slices(
        &mut self,
        queue: &wgpu::Queue,
        wanted: &mut CaseInbox,
        bytes: &mut usize,
        uploads: &mut u64,
    ) -> Result<(), RenderError> {
        let [nx, ny, _] = wanted.dims;
        let portion = (*bytes / (nx * ny * 2)).max(usize::from(*bytes > 0)).min(wanted.slices.len());
        if portion == 0 {
            return Ok(());
        }
        *bytes = bytes.saturating_sub(portion * nx * ny * 2);
        for slice in wanted.slices.drain(..portion) {
            let (k, hu) = slice.samples();
            self.volume.upload_slice(queue, k, hu)?;
        }
        *uploads += 1;
        self.revision = *uploads;
        Ok(())
    }

    /// Whether something was uploaded.
    fn take_layer(
        &mut self,
        device: &wgpu::Device,
        queue: &wgpu::Queue,
        id: LayerId,
        wanted: &mut LayerInbox,
        room: &mut usize,
        uploads: &mut u64,
    ) -> Result<bool, RenderError> {
        let (texture, revision) = match self.layers.entry(id) {
            std::collections::btree_map::Entry::Occupied(known) => known.into_mut(),
            std::collections::btree_map::Entry::Vacant(new) => {
                *uploads += 1;
                new.insert((LabelTexture::new(device, self.volume.dims())?, *uploads))
            }
        };
        let portion: Vec<BrickIndex> = wanted.pending.iter().copied().take(*room).collect();
        if portion.is_empty() {
            return Ok(false);
        }
        *room -= portion.len();
        texture.upload_bricks(queue, &wanted.labels, &portion)?;
        for brick in portion {
            wanted.pending.remove(&brick);
        }
        *uploads += 1;
        *revision = *uploads;
        Ok(true)
    }
}

#[cfg(test)]
mod tests;
