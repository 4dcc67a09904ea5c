//! The program's window: one graphics device for drawing and computing, the frame loop, start and stop.
//!
//! Floor 6. Everything a frame shows is drawn by [`crate::ui::MainWindow`]; this module only brings it up.

mod canvas;
mod controls;
mod frames;
mod probe;
mod restart;
mod watch;

pub use probe::{FirstSlice, PointerButtonKind, Probe, ProbePane, Response, Spot, Took};
pub use restart::{AfterLoss, Restart};
pub use watch::DeviceWatch;

use crate::jobs::{Waker, catch_panic};
use crate::nn::SharedGpu;
use crate::ui::viewer::Graphics;
use crate::ui::{MainWindow, pacing::Pacer};
use crate::workspace::{Home, OpenCommand, Workspace};
use eframe::egui_wgpu::{WgpuConfiguration, WgpuSetup, WgpuSetupExisting};
use frames::FrameLog;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

/// Why the window could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    #[error(
        "The window needs a graphics device: {0}. Commands without a window work without one: see maskwright --help."
    )]
    NoDevice(#[from] crate::nn::DeviceError),
    #[error(
        "There is no display to open a window on. Start it on a desktop, or use a command without a window: see maskwright --help."
    )]
    NoDisplay,
    #[error("The window could not be opened: {0}. Commands without a window still work: see maskwright --help.")]
    Window(String),
    #[error(
        "The graphics device was lost again and again ({0}): Maskwright stops. What you did is kept and is offered at \
         the next start. A newer graphics driver may help."
    )]
    Lost(String),
    #[error(
        "The window ended because of a defect in Maskwright ({0}). What you did is kept and is offered at the next start."
    )]
    Defect(String),
}

/// How a window ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// By its user.
    Closed,
    /// The device that drew it is lost: the caller starts the program again.
    Lost(Restart),
}

/// Opens the window on `paths` and on what a program that lost its device had open; returns when it is closed.
///
/// # Errors
/// [`AppError`] when there is no graphics device or no display.
pub fn run(paths: Vec<PathBuf>, after: &AfterLoss) -> Result<Ending, AppError> {
    let mut commands: Vec<OpenCommand> = paths.iter().cloned().map(OpenCommand::Path).collect();
    commands.extend(after.resumption().map(OpenCommand::Resume));
    open_with(commands, paths, after)
}

/// Opens the window on a generated patient.
///
/// # Errors
/// As [`run`].
pub fn run_demo() -> Result<Ending, AppError> {
    open_with(vec![OpenCommand::DemoPatient], Vec::new(), &AfterLoss::default())
}

fn open_with(commands: Vec<OpenCommand>, paths: Vec<PathBuf>, after: &AfterLoss) -> Result<Ending, AppError> {
    if !has_display() {
        return Err(AppError::NoDisplay);
    }
    // Of a session that ended in the middle.
    crate::io::archive::remove_stale();
    let gpu = Arc::new(SharedGpu::create()?);
    let setup = WgpuSetup::Existing(WgpuSetupExisting {
        instance: gpu.instance.clone(),
        adapter: gpu.adapter.clone(),
        device: gpu.device.clone(),
        queue: gpu.queue.clone(),
    });
    let software = gpu.is_software();
    let watch = Arc::new(DeviceWatch::new(&gpu.device, &gpu.queue));
    let mut configuration = WgpuConfiguration { wgpu_setup: setup, ..WgpuConfiguration::default() };
    let (usual, asked) = (configuration.on_surface_status.clone(), watch.clone());
    configuration.on_surface_status = Arc::new(move |status| {
        // A frame that could not be had may be the first sign of a loss.
        let _ = asked.lost();
        usual(status)
    });
    let options = eframe::NativeOptions {
        viewport: egui::ViewportBuilder::default()
            .with_title("Maskwright")
            .with_app_id("maskwright")
            .with_inner_size([1280.0, 800.0])
            .with_min_inner_size([720.0, 480.0])
            .with_drag_and_drop(true),
        renderer: eframe::Renderer::Wgpu,
        wgpu_options: configuration,
        // Noise against bands in shades, of which the window has none worth it: a processor that draws has to work it out
        // for every pixel.
        dithering: !software,
        ..eframe::NativeOptions::default()
    };
    let watched = watch.clone();
    let ended = catch_panic(|| {
        eframe::run_native(
            "Maskwright",
            options,
            Box::new(move |cc| Ok(Box::new(App::new(cc, Some(gpu), Home::of_user(), commands, watched)))),
        )
    });
    let ended = match ended {
        Ok(result) => result.map_err(|error| AppError::Window(error.to_string())),
        Err(text) => Err(AppError::Defect(text)),
    };
    conclude(ended, &watch, paths, after)
}

/// What follows on the end of a window.
fn conclude(
    ended: Result<(), AppError>,
    watch: &DeviceWatch,
    paths: Vec<PathBuf>,
    after: &AfterLoss,
) -> Result<Ending, AppError> {
    let panic = match &ended {
        Err(AppError::Defect(text)) => Some(text.as_str()),
        _ => None,
    };
    // A window that its user closed is closed, whatever became of the device meanwhile.
    let kept = watch.take();
    let lost = if kept.is_some() || ended.is_err() { watch.lost() } else { None };
    let Some(reason) = restart::cause(lost, panic) else { return ended.map(|()| Ending::Closed) };
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |d| d.as_secs());
    // What has been opened is among what was kept.
    let paths = if kept.is_some() { Vec::new() } else { paths };
    match after.following(&reason, kept, now) {
        Some(following) => Ok(Ending::Lost(Restart { following, paths })),
        None => Err(AppError::Lost(reason)),
    }
}

/// Whether a window can be opened at all; asked first, because the windowing library's own words name its source files.
fn has_display() -> bool {
    let set = |name| std::env::var_os(name).is_some_and(|v| !v.is_empty());
    !cfg!(all(unix, not(target_os = "macos"))) || set("DISPLAY") || set("WAYLAND_DISPLAY") || set("WAYLAND_SOCKET")
}

/// The application as eframe sees it.
pub struct App {
    workspace: Workspace,
    window: MainWindow,
    frames: FrameLog,
    pacer: Pacer,
    watch: Arc<DeviceWatch>,
    /// The device is lost, and everything is in safety.
    over: bool,
}

impl App {
    /// Brings up workspace and window in a fresh egui context; without `gpu` it computes on the CPU.
    pub fn new(
        cc: &eframe::CreationContext<'_>,
        gpu: Option<Arc<SharedGpu>>,
        home: Home,
        commands: Vec<OpenCommand>,
        watch: Arc<DeviceWatch>,
    ) -> Self {
        let ctx = cc.egui_ctx.clone();
        let waker = Waker::new(move || ctx.request_repaint());
        watch.wake_with(waker.clone());
        let graphics = gpu.as_ref().map(|gpu| Graphics { device: gpu.device.clone(), queue: gpu.queue.clone() });
        let software = gpu.as_ref().is_some_and(|gpu| gpu.is_software());
        let mut workspace = Workspace::new(home, waker, gpu);
        let format = cc.wgpu_render_state.as_ref().map_or(wgpu::TextureFormat::Rgba8Unorm, |s| s.target_format);
        let device = cc.wgpu_render_state.as_ref().map_or_else(String::new, |s| {
            let info = s.adapter.get_info();
            format!("{} ({:?})", info.name, info.backend)
        });
        for command in commands {
            workspace.dispatch(command);
        }
        if let Some(state) = cc.wgpu_render_state.as_ref().filter(|_| software) {
            canvas::Canvas::install(&cc.egui_ctx, state.target_format);
        }
        if let Some(log) = controls::ControlLog::from_environment() {
            cc.egui_ctx.add_plugin(log);
        }
        let window = MainWindow::new(format, device);
        workspace.learning.screen = graphics.map(|graphics| window.screen(graphics, &cc.egui_ctx));
        let frames = FrameLog::from_environment();
        Self { workspace, window, frames, pacer: Pacer::default(), watch, over: false }
    }

    /// One frame; `cpu` seconds the last one took.
    fn draw(&mut self, ui: &mut egui::Ui, cpu: Option<f32>) {
        if self.over || self.watch.lost().is_some() {
            self.give_up();
            ui.ctx().send_viewport_cmd(egui::ViewportCommand::Close);
            return;
        }
        let learning = self.workspace.learning.view.as_ref().is_some_and(|v| v.step.is_some());
        let training = learning || self.workspace.models.is_training();
        self.frames.frame(cpu, training, self.pacer.is_waiting());
        self.window.show(ui, &mut self.workspace);
        // Asked for within the frame: what is asked for before it begins is taken as answered by it.
        if self.pacer.is_waiting() {
            ui.ctx().request_repaint();
        }
    }

    /// Puts everything in safety, once: nothing can be drawn any more.
    fn give_up(&mut self) {
        if !std::mem::replace(&mut self.over, true) {
            self.watch.put(self.workspace.keep_all());
        }
    }
}

impl eframe::App for App {
    fn ui(&mut self, ui: &mut egui::Ui, frame: &mut eframe::Frame) {
        self.draw(ui, frame.info().cpu_usage);
    }

    fn raw_input_hook(&mut self, ctx: &egui::Context, raw_input: &mut egui::RawInput) {
        self.pacer.pace(&mut raw_input.events, self.window.keyboard(ctx));
    }

    fn on_exit(&mut self) {
        let zoom = self.workspace.settings.zoom;
        tracing::info!(zoom, "window closed");
        if !self.over {
            self.workspace.shut_down();
        }
    }
}

impl Drop for App {
    /// A panic ends the window without `on_exit`; wgpu makes one of a device that is lost in the middle of a frame.
    fn drop(&mut self) {
        if std::thread::panicking()
            && let Err(text) = catch_panic(|| self.give_up())
        {
            tracing::error!(text, "not everything could be kept");
        }
    }
}

#[cfg(test)]
mod early_tests;
#[cfg(test)]
mod tests;
