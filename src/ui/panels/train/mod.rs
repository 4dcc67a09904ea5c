//! The train panel: what is trained on what, how it goes, what came out; runs side by side and prediction with them;
//! searches over recipes.

mod curves;
mod form;
mod pictures;
mod progress;
mod runs;
mod search;

use super::path_dialog::{PathDialog, Purpose};
use crate::nn::DeviceChoice;
use crate::workspace::{Command, TrainingState, Workspace};
use egui::{ComboBox, RichText, Ui};
use form::FormPart;
use pictures::Picture;
use progress::Shown;
use runs::RunsPart;
use search::SearchPart;
use std::path::PathBuf;

/// Which part is in front.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Part {
    New,
    Progress,
    Runs,
    Search,
}

/// What is being filled in, and what is looked at.
pub struct TrainPanel {
    part: Part,
    form: FormPart,
    runs: RunsPart,
    search: SearchPart,
    device: DeviceChoice,
    shown: Shown,
    validation: Picture,
    /// The path dialog was opened for the search's data.
    asking_for_search: bool,
    /// Curves and pictures in a window of their own.
    large: bool,
}

impl Default for TrainPanel {
    fn default() -> Self {
        Self {
            part: Part::New,
            form: FormPart::default(),
            runs: RunsPart::default(),
            search: SearchPart::default(),
            device: DeviceChoice::Auto,
            shown: Shown::default(),
            validation: Picture::default(),
            asking_for_search: false,
            large: false,
        }
    }
}

impl TrainPanel {
    /// Takes a folder or file from the path dialog.
    pub fn take_path(&mut self, purpose: Purpose, path: PathBuf) {
        if std::mem::take(&mut self.asking_for_search) {
            self.search.take_path(purpose, path);
        } else {
            self.form.take_path(purpose, path);
        }
    }

    /// The device to begin with; the panel can still choose another.
    pub fn set_device(&mut self, device: DeviceChoice) {
        self.device = device;
    }

    /// The prediction that the button and the key ask for.
    pub fn predict(&self, workspace: &Workspace) -> Option<Command> {
        self.runs.predict(workspace, self.device)
    }

    /// The prediction that is then shown as what it would change in the active layer.
    pub fn predict_into(&self, workspace: &Workspace) -> Option<Command> {
        self.runs.predict_into(workspace, self.device)
    }

    /// The panel.
    pub fn show(&mut self, ui: &mut Ui, workspace: &Workspace, dialog: &mut PathDialog, out: &mut Vec<Command>) {
        ui.horizontal_wrapped(|ui| {
            let parts =
                [(Part::New, "New run"), (Part::Progress, "Progress"), (Part::Runs, "Runs"), (Part::Search, "Search")];
            for (part, name) in parts {
                super::framed_value(ui, &mut self.part, part, name);
            }
        });
        ui.separator();
        ui.push_id(self.part, |ui| {
            super::scrolled(ui, |ui| match self.part {
                Part::New => self.new_run(ui, workspace, dialog, out),
                Part::Progress => self.progress(ui, workspace, out),
                Part::Runs => self.runs.show(ui, workspace, &mut self.device, out),
                Part::Search => {
                    self.asking_for_search |= self.search.show(ui, workspace, dialog, &mut self.device, out);
                }
            });
        });
        if let Some(view) = &workspace.models.training {
            let title = format!("Run {}", view.run);
            egui::Window::new(title)
                .id(egui::Id::unique("large curves"))
                .open(&mut self.large)
                .default_size([880.0, 620.0])
                .scroll([false, true])
                .show(ui.ctx(), |ui| {
                    if view.state != TrainingState::Ended {
                        progress::running(ui, view, out);
                    }
                    progress::report(ui, view, &mut self.shown, &mut self.validation, 240.0);
                });
        }
    }

    fn new_run(&mut self, ui: &mut Ui, workspace: &Workspace, dialog: &mut PathDialog, out: &mut Vec<Command>) {
        if workspace.models.is_searching() {
            ui.label("A search is running; a training can start when it has ended.");
        } else if workspace.models.is_training() {
            ui.label("A training is running; another can start when it has ended.");
            if ui.button("See its progress").clicked() {
                self.part = Part::Progress;
            }
        } else if self.form.show(ui, workspace, dialog, &mut self.device, out) {
            self.part = Part::Progress;
        }
    }

    fn progress(&mut self, ui: &mut Ui, workspace: &Workspace, out: &mut Vec<Command>) {
        let Some(view) = &workspace.models.training else {
            ui.weak("Start a training: its progress, curves and pictures are shown here.");
            return;
        };
        if view.state != TrainingState::Ended {
            progress::running(ui, view, out);
            super::price_of_waiting(ui, workspace);
        }
        if ui.button("Larger").on_hover_text("Curves and pictures in a window of their own").clicked() {
            self.large = true;
        }
        progress::report(ui, view, &mut self.shown, &mut self.validation, 150.0);
    }
}

/// The choice of a device, with its label.
fn device_choice(ui: &mut Ui, device: &mut DeviceChoice) {
    let label = ui.label("Device");
    ComboBox::from_id_salt("device")
        .selected_text(device_name(*device))
        .show_ui(ui, |ui| {
            for choice in [DeviceChoice::Auto, DeviceChoice::Gpu, DeviceChoice::Cpu] {
                ui.selectable_value(device, choice, device_name(choice));
            }
        })
        .response
        .labelled_by(label.id);
}

fn device_name(device: DeviceChoice) -> &'static str {
    match device {
        DeviceChoice::Auto => "Automatic",
        DeviceChoice::Gpu => "GPU",
        DeviceChoice::Cpu => "CPU",
    }
}

/// A length of time as people say it.
fn duration(seconds: f64) -> String {
    let s = seconds.max(0.0).round() as u64;
    match s {
        0..60 => format!("{s} s"),
        60..3600 => format!("{} min {} s", s / 60, s % 60),
        _ => format!("{} h {} min", s / 3600, s % 3600 / 60),
    }
}

/// A heading within the panel.
fn heading(ui: &mut Ui, text: &str) {
    ui.add_space(4.0);
    ui.label(RichText::new(text).strong());
}

/// The last part of a path.
fn file_name(path: &std::path::Path) -> String {
    path.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned())
}

/// Four digits, or a dash.
fn figure(value: Option<f64>) -> String {
    value.map_or_else(|| "–".to_owned(), |v| format!("{v:.4}"))
}
