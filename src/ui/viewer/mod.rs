//! The panes of the middle: our own WGSL draws voxels, egui draws what is written over them.

mod annotations;
mod compare;
mod comparing;
mod early;
mod feed;
mod first;
mod gpu;
mod input;
mod marks;
mod measures;
mod pane_marks;
mod slice_pane;
mod volume_pane;
mod wire;

pub use compare::{CELLS, map_voxel};
pub use early::Graphics;
pub use gpu::{PaneChanges, TextureBytes};
pub use input::ToolBelt;
pub use slice_pane::{Linked, SliceSpec, upwards};
pub use volume_pane::{SHIFTS, VolumeOptions};
/// The texture format of the surface that slices are drawn to.
pub use wgpu::TextureFormat as TargetFormat;

use crate::core::{CaseId, LabelId, LayerId, Plane, PlaneAxes};
use crate::learn::Screen;
use crate::render::{ClipBox, PaneView, ViewFrom};
use crate::workspace::{Command, Dirty, Document, ReviewRoom, ViewCommand, Workspace};
use compare::Compare;
use early::EarlyScreen;
use feed::{Changed, GpuFeed};
use glam::{DVec2, DVec3};
use measures::Figures;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use volume_pane::VolumeState;

/// Slices per second of cine play that can be chosen.
pub const CINE_RATES: std::ops::RangeInclusive<f64> = 1.0..=60.0;

/// What is under the pointer.
#[derive(Debug, Clone, PartialEq)]
pub struct Hover {
    pub plane: Plane,
    pub voxel: [i64; 3],
    /// LPS millimetres.
    pub world: DVec3,
    /// The image's value with its unit, or that there is none here; `None` while the volume is still being read.
    pub value: Option<String>,
    /// The same of the case that is laid over, at the same place in the patient.
    pub over: Option<String>,
    pub segment: Option<String>,
}

/// Which layers are drawn: A alone in its colours, or A against B as a difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    Nothing,
    Layer(LayerId),
    Difference { a: (LayerId, LabelId), b: (LayerId, LabelId) },
}

impl Shown {
    /// The difference of two layers of this case, while it is asked for.
    pub fn difference(document: &Document, review: &ReviewRoom) -> Option<Self> {
        let ((case, a, b), (label_a, label_b)) = (review.layers?, review.labels()?);
        let exists = |layer| document.case.layer(layer).is_some();
        let shown = review.difference && case == document.case.id && exists(a) && exists(b);
        shown.then_some(Self::Difference { a: (a, label_a), b: (b, label_b) })
    }

    /// The layers in the slots A and B of the overlay.
    fn layers(self) -> [Option<LayerId>; 2] {
        match self {
            Self::Nothing => [None, None],
            Self::Layer(a) => [Some(a), None],
            Self::Difference { a, b } => [Some(a.0), Some(b.0)],
        }
    }
}

/// State of the panes that is not part of the document.
pub struct Viewer {
    /// By slot, case and plane.
    panes: HashMap<(u8, CaseId, Plane), PaneView>,
    compare: Compare,
    figures: Figures,
    figures_of: Option<CaseId>,
    /// A handle of the crosshair that is being turned: its pane, and the angle of the pointer about the crossing.
    turning: Option<(egui::Id, f32)>,
    volume: VolumeState,
    feed: GpuFeed,
    /// The cases and layers of the last [`Viewer::feed`].
    fed: Vec<(CaseId, Vec<LayerId>)>,
    /// Grows with every frame, so that uploads are portioned by frame and not by pane.
    frame: u64,
    target_format: TargetFormat,
    hover: Option<Hover>,
    /// The pane that keys act on: the one that the pointer, a key or Tab chose last.
    focus: Plane,
    /// Where the pointer is in a pane. One that rests does not take the keys back from the pane that a key chose.
    pointed: Option<(egui::Id, egui::Pos2)>,
    /// The pane that was reached by Tab.
    keyboard_pane: Option<egui::Id>,
    cine: Option<(Plane, Instant)>,
    /// Slices per second of cine play.
    cine_rate: f64,
    wheel_rest: f32,
    refit: bool,
}

impl Viewer {
    /// `target_format` is the format of the surface that egui draws to.
    pub fn new(target_format: TargetFormat) -> Self {
        Self {
            panes: HashMap::new(),
            compare: Compare::default(),
            figures: Figures::default(),
            figures_of: None,
            turning: None,
            cine_rate: 12.0,
            volume: VolumeState::default(),
            feed: GpuFeed::default(),
            fed: Vec::new(),
            frame: 0,
            target_format,
            hover: None,
            focus: Plane::Axial,
            pointed: None,
            keyboard_pane: None,
            cine: None,
            wheel_rest: 0.0,
            refit: false,
        }
    }

    /// The panes' textures for predictions that are made on the device which draws them.
    pub fn screen(&self, graphics: Graphics, ctx: egui::Context) -> Arc<dyn Screen> {
        Arc::new(EarlyScreen::new(self.feed.clone(), graphics, ctx))
    }

    /// What is under the pointer in this frame.
    pub fn hover(&self) -> Option<&Hover> {
        self.hover.as_ref()
    }

    /// The pane that keys act on.
    pub fn focus(&self) -> Plane {
        self.focus
    }

    /// Makes keys act on a pane.
    pub fn set_focus(&mut self, plane: Plane) {
        self.focus = plane;
    }

    /// The pane of the image that has the keyboard, while one has.
    pub fn keyboard_pane(&self) -> Option<egui::Id> {
        self.keyboard_pane
    }

    /// A pane that was reached by Tab uses no key itself: all keys stay what they are, and arrows do not lead out of it.
    fn take_keyboard(&mut self, pane: &egui::Response) {
        if pane.has_focus() {
            self.keyboard_pane = Some(pane.id);
            let filter =
                egui::EventFilter { horizontal_arrows: true, vertical_arrows: true, ..egui::EventFilter::default() };
            pane.ctx.memory_mut(|m| m.set_focus_lock_filter(pane.id, filter));
        } else if self.keyboard_pane == Some(pane.id) {
            self.keyboard_pane = None;
        }
    }

    /// Fits all panes in the next frame.
    pub fn fit(&mut self) {
        self.refit = true;
    }

    /// Whether the 3-D view was drawn in this frame or the one before.
    pub fn shows_volume(&self) -> bool {
        self.volume.drawn + 1 >= self.frame && self.volume.drawn > 0
    }

    /// How the 3-D view looks.
    pub fn volume_options(&mut self) -> &mut VolumeOptions {
        self.volume.options()
    }

    /// The clip box of a case, once the 3-D view showed it.
    pub fn volume_clip(&mut self, case: CaseId) -> Option<&mut ClipBox> {
        self.volume.clip(case)
    }

    /// Turns the 3-D view to the right and down by radians.
    pub fn turn_volume(&mut self, by: DVec2) {
        self.volume.turn(by);
    }

    /// Looks at the 3-D view from one of the six sides.
    pub fn look_at_volume(&mut self, from: ViewFrom) {
        self.volume.look(from);
    }

    /// Starts or stops playing the focused pane.
    pub fn toggle_cine(&mut self) {
        self.cine = if self.cine.is_some() { None } else { Some((self.focus, Instant::now())) };
    }

    /// Slices per second of cine play.
    pub fn cine_rate(&mut self) -> &mut f64 {
        &mut self.cine_rate
    }

    /// Whether a pane is playing.
    pub fn is_playing(&self) -> bool {
        self.cine.is_some()
    }

    /// Errors of the graphics device since the last call.
    pub fn take_errors(&self) -> Vec<String> {
        self.feed.take_errors()
    }

    /// Takes slices and dirty bricks of the shown cases over to the device. Call once a frame, before the panes;
    /// `cells` is the number of panes side by side.
    pub fn feed(&mut self, ctx: &egui::Context, workspace: &mut Workspace, shown: Shown, cells: usize) {
        self.hover = None;
        self.frame += 1;
        let mut wanted: Vec<(CaseId, Vec<LayerId>)> = Vec::new();
        let mut want = |case: CaseId, layers: &[LayerId]| match wanted.iter_mut().find(|(id, _)| *id == case) {
            Some((_, known)) => known.extend(layers.iter().filter(|l| !known.contains(l)).copied().collect::<Vec<_>>()),
            None => wanted.push((case, layers.to_vec())),
        };
        let active = workspace.active_document().map(|d| d.case.id);
        if let Some(id) = active {
            want(id, &shown.layers().into_iter().flatten().collect::<Vec<_>>());
        }
        for (case, layers) in self.compare.wanted(workspace, cells) {
            want(case, &layers);
        }
        let shown_cases: Vec<CaseId> = wanted.iter().map(|(id, _)| *id).collect();
        for fused in shown_cases.iter().filter_map(|id| workspace.document(*id)?.view.fusion) {
            if workspace.document(fused.case).is_some() && !wanted.iter().any(|(id, _)| *id == fused.case) {
                wanted.push((fused.case, Vec::new()));
            }
        }
        if self.figures_of != active {
            self.figures_of = active;
            self.figures.clear();
        }
        workspace.shown_cases = wanted.iter().map(|(id, _)| *id).collect();
        self.feed.keep_cases(&workspace.shown_cases);
        self.fed = wanted;
        for document in workspace.documents_mut() {
            match self.fed.iter().find(|(id, _)| *id == document.case.id) {
                Some((_, layers)) => self.feed_case(document, layers),
                // What was read of a finished case is in its volume: no need to keep it twice.
                None if document.case.volume.is_some() => drop(document.take_streamed()),
                None => {}
            }
        }
        if self.feed.has_pending() {
            ctx.request_repaint();
        }
    }

    /// Hands over what the commands of this frame painted, which its panes then draw already: a stroke is seen a frame
    /// earlier. Call after the commands were carried out.
    pub fn catch_up(&self, ctx: &egui::Context, workspace: &mut Workspace) {
        for document in workspace.documents_mut().iter_mut().filter(|d| d.is_dirty()) {
            if let Some((_, layers)) = self.fed.iter().find(|(id, _)| *id == document.case.id) {
                self.feed_case(document, layers);
                ctx.request_repaint();
            }
        }
    }

    /// Makes ready for the first case; call while none is shown.
    pub fn warm_up(&self, ui: &egui::Ui) {
        first::warm_up(ui, &self.feed, self.frame, self.target_format);
    }

    fn feed_case(&self, document: &mut Document, layers: &[LayerId]) {
        let id = document.case.id;
        let streamed = document.take_streamed();
        let start = document.slice_index(Plane::Axial);
        let dims = document.case.geometry.dims();
        self.feed.push_slices(id, dims, streamed, document.case.volume.as_ref(), start);
        let dirty = document.take_dirty();
        self.feed.keep_layers(id, layers);
        for layer in layers {
            let Some(labels) = document.drawn_labels(*layer) else { continue };
            let changed = match dirty.get(layer) {
                Some(Dirty::All) => Changed::All,
                Some(Dirty::Bricks(bricks)) if !bricks.is_empty() => Changed::Bricks(bricks),
                _ => Changed::Nothing,
            };
            self.feed.push_layer(id, *layer, labels, changed);
        }
    }

    /// Advances cine play; gives back the command that turns the page.
    pub fn play(&mut self, ctx: &egui::Context, workspace: &Workspace) -> Option<Command> {
        let (plane, last) = self.cine?;
        let document = workspace.active_document()?;
        let period = Duration::from_secs_f64(1.0 / self.cine_rate);
        let elapsed = last.elapsed();
        if elapsed < period {
            ctx.request_repaint_after(period - elapsed);
            return None;
        }
        self.cine = Some((plane, Instant::now()));
        ctx.request_repaint_after(period);
        let count = PlaneAxes::of(&document.case.geometry, plane).size(&document.case.geometry)[2];
        Some(ViewCommand::Slice { plane, index: (document.slice_index(plane) + 1) % count }.into())
    }

    /// Call after all panes of a frame.
    pub fn end_frame(&mut self) {
        self.refit = false;
        if self.hover.is_none() {
            self.pointed = None;
        }
    }
}
