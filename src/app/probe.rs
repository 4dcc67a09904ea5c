//! The window without a display: for timing what lies between an input event and a submitted frame.

use crate::jobs::Waker;
use crate::nn::SharedGpu;
use crate::ui::MainWindow;
use crate::workspace::{Home, OpenCommand, Workspace};
use eframe::egui_wgpu::{Renderer, RendererOptions, ScreenDescriptor};
use egui::{Event, Key, Modifiers, PointerButton, Pos2, Rect, Vec2};
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

/// A window on a case, drawn into a texture that nobody sees.
pub struct Probe {
    gpu: Arc<SharedGpu>,
    ctx: egui::Context,
    renderer: Renderer,
    target: wgpu::TextureView,
    window: MainWindow,
    workspace: Workspace,
    begun: Instant,
}

impl Probe {
    /// Opens `path` and draws frames until it is read and on the device.
    ///
    /// # Errors
    /// One sentence when it could not be opened within ten minutes.
    pub fn open(gpu: Arc<SharedGpu>, home: Home, path: PathBuf) -> Result<Self, String> {
        let target = gpu.device.create_texture(&wgpu::TextureDescriptor {
            label: Some("probe"),
            size: wgpu::Extent3d { width: SIZE[0], height: SIZE[1], depth_or_array_layers: 1 },
            mip_level_count: 1,
            sample_count: 1,
            dimension: wgpu::TextureDimension::D2,
            format: FORMAT,
            usage: wgpu::TextureUsages::RENDER_ATTACHMENT,
            view_formats: &[],
        });
        let mut workspace = Workspace::new(home, Waker::none(), None);
        workspace.dispatch(OpenCommand::Path(path));
        let mut probe = Self {
            renderer: Renderer::new(&gpu.device, FORMAT, RendererOptions::default()),
            target: target.create_view(&wgpu::TextureViewDescriptor::default()),
            ctx: egui::Context::default(),
            window: MainWindow::new(FORMAT, String::new()),
            workspace,
            begun: Instant::now(),
            gpu,
        };
        while probe.workspace.is_busy() || probe.workspace.active_document().is_none() {
            if probe.begun.elapsed() > Duration::from_secs(600) {
                return Err("The image was not opened within ten minutes.".into());
            }
            probe.frame(Vec::new())?;
            std::thread::sleep(Duration::from_millis(2));
        }
        probe.settle()?;
        Ok(probe)
    }

    /// Draws frames until nothing is uploaded any more.
    ///
    /// # Errors
    /// As [`Self::frame`].
    pub fn settle(&mut self) -> Result<(), String> {
        for _ in 0..100 {
            self.frame(Vec::new())?;
        }
        Ok(())
    }

    /// The document, to set the scene.
    pub fn workspace_mut(&mut self) -> &mut Workspace {
        &mut self.workspace
    }

    /// One notch of the wheel over the axial pane: time until the frame is submitted.
    ///
    /// # Errors
    /// As [`Self::frame`].
    pub fn next_slice(&mut self, up: bool) -> Result<Duration, String> {
        self.frame(vec![
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

    /// Presses or lets go of a button over the axial pane, or over the 3-D pane.
    ///
    /// # Errors
    /// As [`Self::frame`].
    pub fn button(&mut self, button: PointerButtonKind, pressed: bool, volume: bool) -> Result<Duration, String> {
        let pos = if volume { VOLUME } else { AXIAL };
        let button = match button {
            PointerButtonKind::Primary => PointerButton::Primary,
            PointerButtonKind::Secondary => PointerButton::Secondary,
        };
        self.frame(vec![Event::PointerMoved(pos)])?;
        self.frame(vec![Event::PointerButton { pos, button, pressed, modifiers: Modifiers::NONE }])
    }

    /// Moves the pointer to `step` points beside its place: time until the frame is submitted.
    ///
    /// # Errors
    /// As [`Self::frame`].
    pub fn drag(&mut self, step: f32, volume: bool) -> Result<Duration, String> {
        let pos = if volume { VOLUME } else { AXIAL };
        self.frame(vec![Event::PointerMoved(pos + Vec2::new(step, step / 2.0))])
    }

    /// Three planes and the 3-D view.
    ///
    /// # Errors
    /// As [`Self::frame`].
    pub fn show_volume(&mut self) -> Result<(), String> {
        let modifiers = Modifiers::COMMAND;
        let key = Event::Key { key: Key::Num3, physical_key: None, pressed: true, repeat: false, modifiers };
        self.frame(vec![key])?;
        self.settle()
    }

    /// Draws one frame after these events; gives the time from there until it is submitted, and then waits until the
    /// device has drawn it, so that no frame waits for the one before.
    ///
    /// # Errors
    /// One sentence when the device is lost.
    pub fn frame(&mut self, events: Vec<Event>) -> Result<Duration, String> {
        let size = Vec2::new(SIZE[0] as f32, SIZE[1] as f32);
        let input = egui::RawInput {
            screen_rect: Some(Rect::from_min_size(Pos2::ZERO, size)),
            time: Some(self.begun.elapsed().as_secs_f64()),
            events,
            ..egui::RawInput::default()
        };
        let begun = Instant::now();
        let (window, workspace) = (&mut self.window, &mut self.workspace);
        let output = self.ctx.run_ui(input, |ui| window.show(ui, workspace));
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
                    view: &self.target,
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
        let took = begun.elapsed();
        for id in &output.textures_delta.free {
            self.renderer.free_texture(id);
        }
        let wait = wgpu::PollType::Wait { submission_index: None, timeout: Some(TIMEOUT) };
        device.poll(wait).map_err(|_| "The graphics device stopped answering.".to_owned())?;
        Ok(took)
    }
}

/// A button of the pointer, for callers that know no egui.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PointerButtonKind {
    Primary,
    Secondary,
}
