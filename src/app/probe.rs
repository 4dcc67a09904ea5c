//! The window without a display: for timing what lies between an input event and a submitted frame.

use super::canvas::Canvas;
use crate::jobs::{Waker, thread_cpu_time};
use crate::nn::SharedGpu;
use crate::ui::MainWindow;
use crate::ui::keys;
use crate::ui::viewer::{Graphics, TextureBytes};
use crate::workspace::{EditCommand, Home, OpenCommand, Workspace};
use eframe::egui_wgpu::{Renderer, RendererOptions, ScreenDescriptor};
use egui::{Event, Modifiers, PointerButton, Pos2, Rect, Vec2, ViewportId};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Size of the window in points and pixels.
const SIZE: [u32; 2] = [1280, 800];
/// Format of most windows.
const FORMAT: wgpu::TextureFormat = wgpu::TextureFormat::Bgra8Unorm;
/// Inside the axial pane of the first arrangement, and inside the 3-D pane of the one with four panes.
const AXIAL: Pos2 = Pos2::new(420.0, 430.0);
const VOLUME: Pos2 = Pos2::new(800.0, 280.0);
/// A frame that takes longer means that the device is lost.
const TIMEOUT: Duration = Duration::from_secs(60);
/// Work in the background that takes longer is stuck.
const PATIENCE: Duration = Duration::from_secs(600);

/// A window on a case, drawn into a texture that nobody sees.
pub struct Probe {
    gpu: Arc<SharedGpu>,
    ctx: egui::Context,
    renderer: Renderer,
    target: wgpu::Texture,
    window: MainWindow,
    workspace: Workspace,
    begun: Instant,
    /// Seconds that egui is told, where it is not told those since `begun`.
    #[cfg(test)]
    clock: Option<f64>,
    /// The window asked for another frame at once.
    restless: bool,
}

/// How long the first slice of an image takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FirstSlice {
    /// From the choice of the folder until its headers are read.
    pub scan: Duration,
    /// From there until the frame that shows a slice is submitted.
    pub submitted: Duration,
    /// And until the device has drawn it.
    pub drawn: Duration,
}

/// A pane of the probe's window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProbePane {
    /// In the first arrangement.
    Axial,
    /// In the arrangement with four panes.
    Volume,
}

/// A place of the pointer: a pane, and points to the right of and below a fixed place in it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spot {
    pub pane: ProbePane,
    pub right: f32,
    pub down: f32,
}

impl Spot {
    fn pos(self) -> Pos2 {
        let origin = match self.pane {
            ProbePane::Axial => AXIAL,
            ProbePane::Volume => VOLUME,
        };
        origin + Vec2::new(self.right, self.down)
    }
}

/// A button of the pointer, for callers that know no egui.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PointerButtonKind {
    Primary,
    Secondary,
}

/// Our own work between an input event and a submitted frame.
///
/// Keys act before a frame is drawn, and what a stroke paints is uploaded in the frame that takes it in: both are seen in
/// the first frame. What the pointer does to slice, window or camera is carried out at the end of that frame and drawn by
/// the one after it. In between the probe waits until the device is done, which is not counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Response {
    /// The frame that takes the event in, and the one after it, which shows everything that it did.
    pub frames: [Took; 2],
}

/// From the events of a frame until it is submitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Took {
    pub wall: Duration,
    /// Of the window's thread: what it worked, however many others wanted its processor. The wall's where the system does
    /// not tell.
    pub cpu: Duration,
}

impl Response {
    /// Both frames: the time from the event until the frame that shows what it did is submitted.
    pub fn total(&self) -> Duration {
        self.frames[0].wall + self.frames[1].wall
    }
}

impl Probe {
    /// Opens `path` and draws frames until it is read and on the device; also gives how long its first slice took.
    ///
    /// # Errors
    /// One sentence when it could not be opened, or not within ten minutes.
    pub fn open(gpu: Arc<SharedGpu>, home: Home, path: PathBuf) -> Result<(Self, FirstSlice), String> {
        let software = gpu.is_software();
        let mut probe = Self::start(gpu, home, software);
        // A window is there before something is opened in it.
        probe.settle()?;
        let begun = Instant::now();
        let (mut scanned, mut submitted) = (None, Duration::ZERO);
        probe.workspace.dispatch(OpenCommand::Path(path));
        while probe.texture_bytes().uploads == 0 {
            if (probe.workspace.active_document().is_none() && !probe.workspace.is_busy()) || begun.elapsed() > PATIENCE
            {
                return Err("The image could not be opened.".into());
            }
            let start = begun.elapsed();
            let took = probe.frame(Vec::new())?.wall;
            submitted = start + took;
            if scanned.is_none() && probe.workspace.scan.is_some() {
                scanned = Some(begun.elapsed());
            }
            if !probe.restless {
                // As a window does, which draws when it is woken: the readers have the processor.
                std::thread::sleep(Duration::from_millis(2));
            }
        }
        let scan = scanned.unwrap_or_default();
        let first =
            FirstSlice { scan, submitted: submitted.saturating_sub(scan), drawn: begun.elapsed().saturating_sub(scan) };
        probe.wait()?;
        Ok((probe, first))
    }

    /// The window without a case, drawn as a processor draws it or as a graphics card does.
    pub(super) fn start(gpu: Arc<SharedGpu>, home: Home, software: bool) -> Self {
        let target = gpu.device.create_texture(&wgpu::TextureDescriptor {
            label: Some("probe"),
            size: wgpu::Extent3d { width: SIZE[0], height: SIZE[1], depth_or_array_layers: 1 },
            mip_level_count: 1,
            sample_count: 1,
            dimension: wgpu::TextureDimension::D2,
            format: FORMAT,
            usage: wgpu::TextureUsages::RENDER_ATTACHMENT | wgpu::TextureUsages::COPY_SRC,
            view_formats: &[],
        });
        let ctx = egui::Context::default();
        if software {
            Canvas::install(&ctx, FORMAT);
        }
        let options = RendererOptions { dithering: !software, ..RendererOptions::default() };
        let window = MainWindow::new(FORMAT, String::new());
        let mut workspace = Workspace::new(home, Waker::none(), None);
        let graphics = Graphics { device: gpu.device.clone(), queue: gpu.queue.clone() };
        workspace.learning.screen = Some(window.screen(graphics, &ctx));
        Self {
            renderer: Renderer::new(&gpu.device, FORMAT, options),
            target,
            ctx,
            window,
            workspace,
            begun: Instant::now(),
            #[cfg(test)]
            clock: None,
            restless: true,
            gpu,
        }
    }

    /// Draws frames until nothing runs in the background and nothing is uploaded any more.
    ///
    /// # Errors
    /// As [`Self::frame`], and when the work takes longer than ten minutes.
    pub fn wait(&mut self) -> Result<(), String> {
        let begun = Instant::now();
        while self.workspace.is_busy() {
            if begun.elapsed() > PATIENCE {
                return Err("The work in the background did not end within ten minutes.".into());
            }
            self.frame(Vec::new())?;
            std::thread::sleep(Duration::from_millis(2));
        }
        self.settle()
    }

    /// Draws frames until the window asks for no other: what is uploaded in portions has arrived then.
    fn settle(&mut self) -> Result<(), String> {
        for n in 0..200 {
            self.frame(Vec::new())?;
            if n > 2 && !self.restless {
                break;
            }
        }
        Ok(())
    }

    /// The document, to look at.
    pub fn workspace(&self) -> &Workspace {
        &self.workspace
    }

    /// The document, to set the scene.
    pub fn workspace_mut(&mut self) -> &mut Workspace {
        &mut self.workspace
    }

    /// What the panes' textures take on the device.
    pub fn texture_bytes(&self) -> TextureBytes {
        TextureBytes::of(Canvas::resources(&self.renderer.callback_resources))
    }

    /// One notch of the wheel over the axial pane.
    ///
    /// # Errors
    /// As [`Self::frame`].
    pub fn next_slice(&mut self, up: bool) -> Result<Response, String> {
        self.respond(vec![
            Event::PointerMoved(AXIAL),
            Event::MouseWheel {
                unit: egui::MouseWheelUnit::Line,
                delta: Vec2::new(0.0, if up { 1.0 } else { -1.0 }),
                phase: egui::TouchPhase::Move,
                modifiers: Modifiers::NONE,
                source: egui::MouseWheelSource::Wheel,
            },
        ])
    }

    /// Presses or lets go of a button.
    ///
    /// # Errors
    /// As [`Self::frame`].
    pub fn button(&mut self, button: PointerButtonKind, pressed: bool, at: Spot) -> Result<Response, String> {
        let pos = at.pos();
        let button = match button {
            PointerButtonKind::Primary => PointerButton::Primary,
            PointerButtonKind::Secondary => PointerButton::Secondary,
        };
        // A pane knows that the pointer is over it from the frame before.
        self.frame(vec![Event::PointerMoved(pos)])?;
        self.respond(vec![Event::PointerButton { pos, button, pressed, modifiers: Modifiers::NONE }])
    }

    /// Moves the pointer.
    ///
    /// # Errors
    /// As [`Self::frame`].
    pub fn move_to(&mut self, at: Spot) -> Result<Response, String> {
        self.respond(vec![Event::PointerMoved(at.pos())])
    }

    /// Presses keys that are written as in the key sheet, such as `Ctrl+Z`, and lets go of them.
    ///
    /// # Errors
    /// As [`Self::frame`], and when there are no such keys.
    pub fn keys(&mut self, text: &str) -> Result<Response, String> {
        let (modifiers, key) = keys::parse(text).ok_or_else(|| format!("There are no keys {text}."))?;
        let event = |pressed| Event::Key { key, physical_key: None, pressed, repeat: false, modifiers };
        let response = self.respond(vec![event(true)])?;
        self.frame(vec![event(false)])?;
        Ok(response)
    }

    /// Takes the brush in hand, as a disc or a sphere.
    ///
    /// # Errors
    /// As [`Self::frame`].
    pub fn take_brush(&mut self, radius_mm: f64, sphere: bool) -> Result<(), String> {
        self.workspace.dispatch(EditCommand::BrushRadius(radius_mm));
        self.workspace.dispatch(EditCommand::BrushSphere(sphere));
        self.keys("B")?;
        self.settle()
    }

    /// Three planes and the 3-D view.
    ///
    /// # Errors
    /// As [`Self::frame`].
    pub fn show_volume(&mut self) -> Result<(), String> {
        self.keys("Ctrl+3")?;
        self.settle()
    }

    /// One frame after these events and the one that shows what they did.
    fn respond(&mut self, events: Vec<Event>) -> Result<Response, String> {
        Ok(Response { frames: [self.frame(events)?, self.frame(Vec::new())?] })
    }

    fn seconds(&self) -> f64 {
        #[cfg(test)]
        if let Some(clock) = self.clock {
            return clock;
        }
        self.begun.elapsed().as_secs_f64()
    }

    /// Draws one frame after these events; gives the time from there until it is submitted, and then waits until the
    /// device has drawn it, so that no frame waits for the one before.
    ///
    /// # Errors
    /// One sentence when the device is lost.
    pub fn frame(&mut self, events: Vec<Event>) -> Result<Took, String> {
        let size = Vec2::new(SIZE[0] as f32, SIZE[1] as f32);
        let input = egui::RawInput {
            screen_rect: Some(Rect::from_min_size(Pos2::ZERO, size)),
            time: Some(self.seconds()),
            events,
            ..egui::RawInput::default()
        };
        let (begun, worked) = (Instant::now(), thread_cpu_time());
        let (window, workspace) = (&mut self.window, &mut self.workspace);
        let mut output = self.ctx.run_ui(input, |ui| window.show(ui, workspace));
        let delay = output.viewport_output.get(&ViewportId::ROOT).map(|v| v.repaint_delay);
        self.restless = delay == Some(Duration::ZERO);
        let primitives = self.ctx.tessellate(output.shapes, output.pixels_per_point);
        let screen = ScreenDescriptor { size_in_pixels: SIZE, pixels_per_point: output.pixels_per_point };
        let (device, queue) = (&self.gpu.device, &self.gpu.queue);
        for (id, deltas) in &output.textures_delta.set {
            for delta in deltas {
                self.renderer.update_texture(device, queue, *id, delta);
            }
        }
        let mut encoder = device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        let mut commands = self.renderer.update_buffers(device, queue, &mut encoder, &primitives, &screen);
        {
            let pass = encoder.begin_render_pass(&wgpu::RenderPassDescriptor {
                color_attachments: &[Some(wgpu::RenderPassColorAttachment {
                    view: &self.target.create_view(&wgpu::TextureViewDescriptor::default()),
                    depth_slice: None,
                    resolve_target: None,
                    ops: wgpu::Operations {
                        load: wgpu::LoadOp::Clear(wgpu::Color::BLACK),
                        store: wgpu::StoreOp::Store,
                    },
                })],
                ..Default::default()
            });
            self.renderer.render(&mut pass.forget_lifetime(), &primitives, &screen);
        }
        commands.push(encoder.finish());
        queue.submit(commands);
        let wall = begun.elapsed();
        let cpu = thread_cpu_time().zip(worked).map_or(wall, |(now, then)| now.saturating_sub(then));
        for id in &output.textures_delta.free {
            self.renderer.free_texture(id);
        }
        output.textures_delta.clear();
        let wait = wgpu::PollType::Wait { submission_index: None, timeout: Some(TIMEOUT) };
        device.poll(wait).map_err(|_| "The graphics device stopped answering.".to_owned())?;
        Ok(Took { wall, cpu })
    }
}

#[cfg(test)]
impl Probe {
    /// Before the first frame: whether colours get noise against bands.
    pub(super) fn set_dithering(&mut self, dithering: bool) {
        let options = RendererOptions { dithering, ..RendererOptions::default() };
        self.renderer = Renderer::new(&self.gpu.device, FORMAT, options);
    }

    /// From now on it is this many seconds after the start.
    pub(super) fn set_clock(&mut self, seconds: f64) {
        self.clock = Some(seconds);
    }

    /// What the window shows: columns, rows, and the four bytes of each pixel.
    pub(super) fn pixels(&self) -> ([u32; 2], Vec<u8>) {
        let bytes_per_row = SIZE[0] * 4;
        let buffer = self.gpu.device.create_buffer(&wgpu::BufferDescriptor {
            label: None,
            size: u64::from(bytes_per_row * SIZE[1]),
            usage: wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::MAP_READ,
            mapped_at_creation: false,
        });
        let mut encoder = self.gpu.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        encoder.copy_texture_to_buffer(
            self.target.as_image_copy(),
            wgpu::TexelCopyBufferInfo {
                buffer: &buffer,
                layout: wgpu::TexelCopyBufferLayout {
                    offset: 0,
                    bytes_per_row: Some(bytes_per_row),
                    rows_per_image: None,
                },
            },
            self.target.size(),
        );
        self.gpu.queue.submit([encoder.finish()]);
        buffer.slice(..).map_async(wgpu::MapMode::Read, |_| {});
        self.gpu.device.poll(wgpu::PollType::Wait { submission_index: None, timeout: Some(TIMEOUT) }).unwrap();
        (SIZE, buffer.slice(..).get_mapped_range().unwrap().to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::{Geometry, Plane, Volume};
    use glam::DVec3;

    #[test]
    fn what_the_hand_does_reaches_the_case_and_the_device() {
        let gpu = match SharedGpu::create() {
            Ok(gpu) => Arc::new(gpu),
            Err(error) => {
                println!("skipped: {error}");
                return;
            }
        };
        let dir = tempfile::tempdir().unwrap();
        let geometry = Geometry::axis_aligned([96, 96, 24], DVec3::ONE, DVec3::ZERO).unwrap();
        let voxels = geometry.voxel_count();
        let path = dir.path().join("scan.nrrd");
        crate::io::save_volume(&path, &Volume::new(geometry, vec![0i16; voxels]).unwrap()).unwrap();
        let missing = dir.path().join("nothing.nrrd");
        assert!(Probe::open(gpu.clone(), Home::under(&dir.path().join("home")), missing).is_err());
        let (mut probe, first) = Probe::open(gpu, Home::under(&dir.path().join("home")), path).unwrap();
        assert!(first.scan > Duration::ZERO && first.drawn > first.submitted);
        assert_eq!(probe.texture_bytes().images, 2 * voxels as u64);

        let slice = |probe: &Probe| probe.workspace().active_document().unwrap().slice_index(Plane::Axial);
        let before = slice(&probe);
        let at = |right: f32| Spot { pane: ProbePane::Axial, right, down: 0.0 };
        probe.move_to(at(0.0)).unwrap();
        probe.next_slice(true).unwrap();
        assert_eq!(slice(&probe).abs_diff(before), 1);
        let window = |probe: &Probe| probe.workspace().active_document().unwrap().view.window;
        let before = window(&probe);
        probe.button(PointerButtonKind::Secondary, true, at(0.0)).unwrap();
        probe.move_to(at(30.0)).unwrap();
        probe.button(PointerButtonKind::Secondary, false, at(30.0)).unwrap();
        assert_ne!(window(&probe), before);

        let painted = |probe: &Probe| {
            probe.workspace().active_document().and_then(|d| d.layer()).map_or(0, |l| l.labels.counts()[1])
        };
        probe.take_brush(6.0, true).unwrap();
        probe.button(PointerButtonKind::Primary, true, at(0.0)).unwrap();
        probe.move_to(at(40.0)).unwrap();
        probe.button(PointerButtonKind::Primary, false, at(40.0)).unwrap();
        // A ball of that radius at least.
        let all = painted(&probe);
        assert!(all > 900, "{all} voxels");
        probe.wait().unwrap();
        assert_eq!(probe.texture_bytes().labels, voxels as u64);
        probe.keys("Ctrl+Z").unwrap();
        assert_eq!(painted(&probe), 0);
        probe.keys("Ctrl+Y").unwrap();
        assert_eq!(painted(&probe), all);
        assert!(probe.keys("Ctrl+Nothing").is_err());
        probe.workspace_mut().shut_down();
    }
}
