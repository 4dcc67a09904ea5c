//! The program's window: one graphics device for drawing and computing, the frame loop, start and stop.
//!
//! Floor 6. Everything a frame shows is drawn by [`crate::ui::MainWindow`]; this module only brings it up.

mod frames;
mod probe;

pub use probe::{PointerButtonKind, Probe, ProbePane, Response, Spot};

use crate::jobs::Waker;
use crate::nn::SharedGpu;
use crate::ui::{MainWindow, pacing::Pacer};
use crate::workspace::{Home, OpenCommand, Workspace};
use eframe::egui_wgpu::{WgpuConfiguration, WgpuSetup, WgpuSetupExisting};
use frames::FrameLog;
use std::path::PathBuf;
use std::sync::Arc;

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
}

/// Opens the window on `paths` and returns when it is closed.
///
/// # Errors
/// [`AppError`] when there is no graphics device or no display.
pub fn run(paths: Vec<PathBuf>) -> Result<(), AppError> {
    open_with(paths.into_iter().map(OpenCommand::Path).collect())
}

/// Opens the window on a generated patient.
///
/// # Errors
/// As [`run`].
pub fn run_demo() -> Result<(), AppError> {
    open_with(vec![OpenCommand::DemoPatient])
}

fn open_with(commands: Vec<OpenCommand>) -> Result<(), AppError> {
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
    let configuration = WgpuConfiguration { wgpu_setup: setup, ..WgpuConfiguration::default() };
    let options = eframe::NativeOptions {
        viewport: egui::ViewportBuilder::default()
            .with_title("Maskwright")
            .with_app_id("maskwright")
            .with_inner_size([1280.0, 800.0])
            .with_min_inner_size([720.0, 480.0])
            .with_drag_and_drop(true),
        renderer: eframe::Renderer::Wgpu,
        wgpu_options: configuration,
        ..eframe::NativeOptions::default()
    };
    let result = eframe::run_native(
        "Maskwright",
        options,
        Box::new(move |cc| Ok(Box::new(App::new(cc, Some(gpu), Home::of_user(), commands)))),
    );
    result.map_err(|error| AppError::Window(error.to_string()))
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
}

impl App {
    /// Brings up workspace and window in a fresh egui context; `gpu` is `None` in UI tests, which compute on the CPU.
    pub fn new(
        cc: &eframe::CreationContext<'_>,
        gpu: Option<Arc<SharedGpu>>,
        home: Home,
        commands: Vec<OpenCommand>,
    ) -> Self {
        let ctx = cc.egui_ctx.clone();
        let waker = Waker::new(move || ctx.request_repaint());
        let mut workspace = Workspace::new(home, waker, gpu);
        let format = cc.wgpu_render_state.as_ref().map_or(wgpu::TextureFormat::Rgba8Unorm, |s| s.target_format);
        let device = cc.wgpu_render_state.as_ref().map_or_else(String::new, |s| {
            let info = s.adapter.get_info();
            format!("{} ({:?})", info.name, info.backend)
        });
        for command in commands {
            workspace.dispatch(command);
        }
        let window = MainWindow::new(format, device);
        Self { workspace, window, frames: FrameLog::from_environment(), pacer: Pacer::default() }
    }

    /// The document, for UI tests.
    pub fn workspace(&self) -> &Workspace {
        &self.workspace
    }

    /// The document, for UI tests that set up a case.
    pub fn workspace_mut(&mut self) -> &mut Workspace {
        &mut self.workspace
    }
}

impl eframe::App for App {
    fn ui(&mut self, ui: &mut egui::Ui, frame: &mut eframe::Frame) {
        let learning = self.workspace.learning.view.as_ref().is_some_and(|v| v.step.is_some());
        let training = learning || self.workspace.models.is_training();
        self.frames.frame(frame.info().cpu_usage, training, self.pacer.is_waiting());
        self.window.show(ui, &mut self.workspace);
        // Asked for within the frame: what is asked for before it begins is taken as answered by it.
        if self.pacer.is_waiting() {
            ui.ctx().request_repaint();
        }
    }

    fn raw_input_hook(&mut self, ctx: &egui::Context, raw_input: &mut egui::RawInput) {
        self.pacer.pace(&mut raw_input.events, self.window.keyboard(ctx));
    }

    fn on_exit(&mut self) {
        let zoom = self.workspace.settings.zoom;
        tracing::info!(zoom, "window closed");
        self.workspace.shut_down();
    }
}
