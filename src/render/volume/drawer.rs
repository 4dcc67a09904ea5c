//! The thread that draws the 3-D view: a coarse picture at once, a fine one strip by strip when nothing moves.
//!
//! Strips are short and each is waited for before the next, so that the window's own frames come in between on the
//! device that both share. How large a picture the device draws in a moment is learned from what it drew before.

use super::pass::{RayPass, Sources};
use super::view::VolumeView;
use crate::core::{LabelMap, Volume};
use crate::render::{LabelTexture, RenderError, VolumeTexture};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Time of a coarse picture, and of a strip of a fine one.
const COARSE: Duration = Duration::from_millis(40);
const STRIP: Duration = Duration::from_millis(14);
/// What must rest before the fine picture is begun.
const REST: Duration = Duration::from_millis(120);
/// A strip that takes longer means that the device is lost.
const TIMEOUT: Duration = Duration::from_secs(60);
/// Distance of samples in voxels of the smallest spacing: coarse and fine.
const STEPS: [f64; 2] = [1.0, 0.6];
/// Coarse pictures are at most this many times coarser than the pane.
const COARSEST: f64 = 12.0;
/// What a pixel takes before anything was measured: a slow device.
const FIRST_GUESS: Duration = Duration::from_micros(4);

/// What rays go through. Cheap to clone.
#[derive(Clone)]
pub struct VolumeContent {
    sources: Sources,
    volume: Option<Arc<Volume>>,
    labels: Option<Arc<LabelMap>>,
    /// Another number when anything in the textures or in `labels` changed.
    revision: u64,
}

impl VolumeContent {
    /// `volume` is `None` while slices are still being read: then only surfaces are drawn. `revision` changes whenever
    /// the content of a texture does.
    pub fn new(
        texture: &VolumeTexture,
        volume: Option<Arc<Volume>>,
        labels: Option<(&LabelTexture, Arc<LabelMap>)>,
        revision: u64,
    ) -> Self {
        let (label_view, labels) = labels.map(|(t, l)| (t.view().clone(), l)).unzip();
        let sources = Sources { volume: texture.view().clone(), labels: label_view, dims: texture.dims() };
        Self { sources, volume, labels, revision }
    }

    /// What was given to [`Self::new`].
    pub fn revision(&self) -> u64 {
        self.revision
    }

    pub(super) fn prepare(&self, pass: &mut RayPass, view: &VolumeView) -> Result<(), RenderError> {
        pass.prepare(view, &self.sources, self.volume.as_ref(), self.labels.as_deref())
    }
}

/// What is to be drawn.
#[derive(Clone)]
pub struct VolumeOrder {
    pub view: VolumeView,
    pub content: VolumeContent,
}

/// The newest picture: a coarse whole one and, where ready, a fine one; transparent where it is not.
#[derive(Clone, Default)]
pub struct VolumePicture {
    pub coarse: Option<wgpu::TextureView>,
    pub fine: Option<wgpu::TextureView>,
    /// Nothing better will come for the last order.
    pub finished: bool,
}

/// How far the drawing of the last order is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct VolumeProgress {
    /// Since when a picture is waited for.
    pub since: Instant,
    /// Part of the fine picture that is drawn; `None` before the coarse one is there.
    pub part: Option<f32>,
}

#[derive(Default)]
struct Desk {
    order: Option<VolumeOrder>,
    /// Grows with every order, from 1.
    number: u64,
    /// Number of the order for which nothing finer is wanted.
    halted: u64,
    progress: Option<VolumeProgress>,
    picture: VolumePicture,
    error: Option<RenderError>,
    stopped: bool,
    /// The thread has ended: no picture will come.
    gone: bool,
}

impl Desk {
    /// Says how much of the fine picture of an order is drawn, while that is waited for.
    fn tell(&mut self, number: u64, part: f32) {
        if let Some(progress) = self.progress.as_mut().filter(|_| self.number == number) {
            progress.part = Some(part);
        }
    }
}

struct Shared {
    desk: Mutex<Desk>,
    changed: Condvar,
    wake: Box<dyn Fn() + Send + Sync>,
}

impl Shared {
    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Gives orders to the drawing thread; dropping it ends the thread.
pub struct VolumeDrawer {
    shared: Arc<Shared>,
    last: Option<VolumeOrder>,
}

impl VolumeDrawer {
    /// Starts the thread. `wake` is called when a better picture is there.
    pub fn start(device: &wgpu::Device, queue: &wgpu::Queue, wake: impl Fn() + Send + Sync + 'static) -> Self {
        let shared =
            Arc::new(Shared { desk: Mutex::new(Desk::default()), changed: Condvar::new(), wake: Box::new(wake) });
        let (own, device, queue) = (Arc::clone(&shared), device.clone(), queue.clone());
        let started = std::thread::Builder::new().name("3-D view".into()).spawn(move || {
            let error = Artist::new(&device, &queue, Arc::clone(&own)).and_then(|mut artist| artist.work()).err();
            let mut desk = own.desk();
            (desk.error, desk.progress, desk.gone) = (error, None, true);
            drop(desk);
            (own.wake)();
        });
        if started.is_err() {
            let mut desk = shared.desk();
            (desk.error, desk.gone) = (Some(RenderError::NoThread), true);
        }
        Self { shared, last: None }
    }

    /// Asks for a picture, unless it is what was asked for last.
    pub fn ask(&mut self, order: VolumeOrder) {
        let same =
            self.last.as_ref().is_some_and(|l| l.view == order.view && l.content.revision == order.content.revision);
        if same {
            return;
        }
        self.last = Some(order.clone());
        let mut desk = self.shared.desk();
        desk.order = Some(order);
        desk.number += 1;
        desk.picture.finished = false;
        // While no picture came yet, the wait is that for the first one.
        let since = desk.progress.filter(|p| p.part.is_none()).map_or_else(Instant::now, |p| p.since);
        desk.progress = (!desk.gone).then_some(VolumeProgress { since, part: None });
        self.shared.changed.notify_all();
    }

    /// How far the last order is; `None` when nothing better will come.
    pub fn progress(&self) -> Option<VolumeProgress> {
        self.shared.desk().progress
    }

    /// Leaves the picture of the last order as it is: nothing finer is drawn before another order.
    pub fn halt(&self) {
        let mut desk = self.shared.desk();
        desk.halted = desk.number;
        desk.progress = None;
        desk.picture.finished = true;
        self.shared.changed.notify_all();
    }

    /// The content of the last order, so that it need not be made again.
    pub fn content(&self) -> Option<&VolumeContent> {
        self.last.as_ref().map(|l| &l.content)
    }

    /// The next order gets its coarse picture alone, however fast it is drawn.
    #[cfg(test)]
    pub(super) fn halt_next(&self) {
        let mut desk = self.shared.desk();
        desk.halted = desk.number + 1;
    }

    /// Lets go of textures and volume: for when a case is closed.
    pub fn forget(&mut self) {
        self.last = None;
        let mut desk = self.shared.desk();
        desk.order = None;
        desk.number += 1;
        desk.picture = VolumePicture::default();
        desk.progress = None;
        self.shared.changed.notify_all();
    }

    /// The newest picture.
    pub fn picture(&self) -> VolumePicture {
        self.shared.desk().picture.clone()
    }

    /// What went wrong since the last call.
    pub fn take_error(&self) -> Option<RenderError> {
        self.shared.desk().error.take()
    }
}

impl Drop for VolumeDrawer {
    fn drop(&mut self) {
        self.shared.desk().stopped = true;
        self.shared.changed.notify_all();
    }
}

/// The thread's own state.
struct Artist {
    device: wgpu::Device,
    queue: wgpu::Queue,
    shared: Arc<Shared>,
    pass: RayPass,
    /// Targets in turn: the one that is shown is never drawn into.
    coarse: [Option<wgpu::Texture>; 2],
    fine: Option<wgpu::Texture>,
    turn: usize,
    /// Seconds a pixel takes, coarse and fine.
    per_pixel: [f64; 2],
}

impl Artist {
    fn new(device: &wgpu::Device, queue: &wgpu::Queue, shared: Arc<Shared>) -> Result<Self, RenderError> {
        Ok(Self {
            device: device.clone(),
            queue: queue.clone(),
            shared,
            pass: RayPass::new(device, queue)?,
            coarse: [None, None],
            fine: None,
            turn: 0,
            per_pixel: [FIRST_GUESS.as_secs_f64(); 2],
        })
    }

    fn work(&mut self) -> Result<(), RenderError> {
        let mut done = 0;
        while let Some((order, number)) = self.next(done) {
            done = number;
            let Some(order) = order else {
                self.coarse = [None, None];
                self.fine = None;
                self.pass = RayPass::new(&self.device, &self.queue)?;
                continue;
            };
            order.content.prepare(&mut self.pass, &order.view)?;
            let complete = self.draw_coarse(&order, number)?;
            if !complete && self.rests(number) {
                self.draw_fine(&order, number)?;
            }
        }
        Ok(())
    }

    /// Waits for another order than number `done`; `None` when the window let go of this thread.
    fn next(&self, done: u64) -> Option<(Option<VolumeOrder>, u64)> {
        let mut desk = self.shared.desk();
        loop {
            if desk.stopped {
                return None;
            }
            if desk.number != done {
                return Some((desk.order.clone(), desk.number));
            }
            desk = self.shared.changed.wait(desk).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Whether nothing else is asked for within a moment.
    fn rests(&self, number: u64) -> bool {
        let end = Instant::now() + REST;
        let mut desk = self.shared.desk();
        loop {
            let left = end.saturating_duration_since(Instant::now());
            if desk.stopped || desk.number != number || desk.halted == number {
                return false;
            }
            if left.is_zero() {
                return true;
            }
            desk = self.shared.changed.wait_timeout(desk, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn is_current(&self, number: u64) -> bool {
        let desk = self.shared.desk();
        !desk.stopped && desk.number == number && desk.halted != number
    }

    /// A whole picture, as fine as the device draws it in a moment; whether nothing finer is worth drawing.
    fn draw_coarse(&mut self, order: &VolumeOrder, number: u64) -> Result<bool, RenderError> {
        let size = pane_size(&order.view);
        let pixels = f64::from(size[0]) * f64::from(size[1]);
        let affordable = COARSE.as_secs_f64() / self.per_pixel[0];
        let scale = (pixels / affordable).sqrt().clamp(1.0, COARSEST);
        // A picture that is nearly as fine as the pane is drawn as fine, so that pixels meet pixels.
        let scale = if scale < 1.15 { 1.0 } else { scale };
        let small = size.map(|n| (f64::from(n) / scale).ceil().max(1.0) as u32);
        self.turn = 1 - self.turn;
        let slot = &mut self.coarse[self.turn];
        if slot.as_ref().is_none_or(|t| [t.width(), t.height()] != small) {
            *slot = Some(self.pass.target(small));
        }
        let Some(target) = slot.clone() else { return Ok(true) };
        self.pass.begin(&order.view, f64::from(size[0]) / f64::from(small[0]), STEPS[0]);
        let took = self.strip(&target, 0..small[1], true)?;
        self.learn(0, took, small[0] * small[1]);
        // On a device that draws the whole pane in a moment the fine picture is one more moment.
        let mut desk = self.shared.desk();
        desk.picture.coarse = Some(target.create_view(&wgpu::TextureViewDescriptor::default()));
        desk.picture.fine = None;
        desk.picture.finished = desk.halted == number;
        desk.tell(number, 0.0);
        let stopped = desk.stopped || desk.number != number;
        drop(desk);
        (self.shared.wake)();
        Ok(stopped)
    }

    fn draw_fine(&mut self, order: &VolumeOrder, number: u64) -> Result<(), RenderError> {
        let size = pane_size(&order.view);
        if self.fine.as_ref().is_none_or(|t| [t.width(), t.height()] != size) {
            self.fine = Some(self.pass.target(size));
        }
        let Some(target) = self.fine.clone() else { return Ok(()) };
        self.pass.begin(&order.view, 1.0, STEPS[1]);
        let mut row = 0;
        let mut told = Instant::now();
        while row < size[1] {
            if !self.is_current(number) {
                return Ok(());
            }
            let rows = (STRIP.as_secs_f64() / (self.per_pixel[1] * f64::from(size[0]))) as u32;
            let end = (row + rows.max(8)).min(size[1]);
            let took = self.strip(&target, row..end, row == 0)?;
            self.learn(1, took, (end - row) * size[0]);
            if row == 0 {
                let mut desk = self.shared.desk();
                if desk.number == number {
                    desk.picture.fine = Some(target.create_view(&wgpu::TextureViewDescriptor::default()));
                }
            }
            row = end;
            self.shared.desk().tell(number, row as f32 / size[1] as f32);
            if told.elapsed() > Duration::from_millis(100) {
                told = Instant::now();
                (self.shared.wake)();
            }
        }
        let mut desk = self.shared.desk();
        if desk.number == number {
            desk.picture.finished = true;
            desk.progress = None;
        }
        drop(desk);
        (self.shared.wake)();
        Ok(())
    }

    /// Draws rows and waits for them without holding any lock of the device; gives the seconds it took.
    fn strip(&self, target: &wgpu::Texture, rows: std::ops::Range<u32>, clear: bool) -> Result<f64, RenderError> {
        let begun = Instant::now();
        self.pass.draw(target, rows, clear);
        let done = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&done);
        self.queue.on_submitted_work_done(move || flag.store(true, Ordering::Release));
        loop {
            // A failed poll means a lost device, which the wait below would only find out after a minute.
            self.device.poll(wgpu::PollType::Poll).map_err(|_| RenderError::DeviceLost)?;
            if done.load(Ordering::Acquire) {
                return Ok(begun.elapsed().as_secs_f64());
            }
            if begun.elapsed() > TIMEOUT {
                return Err(RenderError::DeviceLost);
            }
            std::thread::sleep(Duration::from_micros(500));
        }
    }

    /// Moves the estimate towards what was measured: quickly up, slowly down.
    fn learn(&mut self, level: usize, took: f64, pixels: u32) {
        let measured = took / f64::from(pixels.max(1));
        let now = &mut self.per_pixel[level];
        *now = if measured > *now { 0.3 * *now + 0.7 * measured } else { 0.6 * *now + 0.4 * measured };
        *now = now.max(1e-10);
    }
}

fn pane_size(view: &VolumeView) -> [u32; 2] {
    [view.camera.size.x.max(1.0) as u32, view.camera.size.y.max(1.0) as u32]
}
