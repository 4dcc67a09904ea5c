//! Searches: started, watched, and their trials over parallel axes and in a table.

use super::form::free_name;
use super::{device_choice, duration, figure, file_name, heading};
use crate::nn::DeviceChoice;
use crate::train::{ParallelPlot, SearchConfig, TrialResult, rank_color};
use crate::ui::panels::bar;
use crate::ui::panels::path_dialog::{PathDialog, Purpose};
use crate::workspace::{Command, ModelCommand, SearchCommand, SearchForm, SearchView, TrainingState, Workspace};
use egui::{
    Align2, Color32, ComboBox, DragValue, FontId, Grid, Pos2, Rect, RichText, ScrollArea, Sense, Shape, Stroke,
    TextEdit, Ui, Vec2,
};
use std::path::{Path, PathBuf};

/// What is being filled in.
pub(super) struct SearchPart {
    form: SearchForm,
    error: Option<String>,
}

impl Default for SearchPart {
    fn default() -> Self {
        let search = SearchConfig::built_in().next().unwrap_or_default().to_owned();
        Self {
            form: SearchForm {
                search,
                data: None,
                run: "search-1".into(),
                trials: 12,
                seed: 1,
                device: DeviceChoice::Auto,
            },
            error: None,
        }
    }
}

impl SearchPart {
    /// Takes a folder or a search file from the path dialog.
    pub fn take_path(&mut self, purpose: Purpose, path: PathBuf) {
        if purpose == Purpose::Recipe {
            self.form.search = path.to_string_lossy().into_owned();
            self.error = SearchConfig::load(&self.form.search).err().map(|e| e.to_string());
        } else {
            self.form.data = Some(path);
        }
    }

    /// Draws the part; whether it has opened the path dialog.
    pub fn show(
        &mut self,
        ui: &mut Ui,
        workspace: &Workspace,
        dialog: &mut PathDialog,
        device: &mut DeviceChoice,
        out: &mut Vec<Command>,
    ) -> bool {
        let mut asked = false;
        match &workspace.models.search {
            Some(view) if view.state != TrainingState::Ended => running(ui, view, out),
            _ if workspace.models.is_training() => {
                ui.label("A training is running; a search can start when it has ended.");
            }
            _ => asked = self.form(ui, workspace, dialog, device, out),
        }
        if let Some(view) = &workspace.models.search {
            ui.separator();
            found(ui, view);
        }
        asked
    }

    fn form(
        &mut self,
        ui: &mut Ui,
        workspace: &Workspace,
        dialog: &mut PathDialog,
        device: &mut DeviceChoice,
        out: &mut Vec<Command>,
    ) -> bool {
        let mut asked = false;
        Grid::new("search form").num_columns(2).spacing([10.0, 6.0]).show(ui, |ui| {
            let label = ui.label("Search");
            ui.horizontal(|ui| {
                ComboBox::from_id_salt("search")
                    .selected_text(file_name(Path::new(&self.form.search)))
                    .show_ui(ui, |ui| {
                        for name in SearchConfig::built_in() {
                            if ui.selectable_label(self.form.search == name, name).clicked() {
                                self.form.search = name.to_owned();
                                self.error = None;
                            }
                        }
                    })
                    .response
                    .labelled_by(label.id);
                if ui.button("File…").on_hover_text("Use a search file of your own").clicked() {
                    dialog.ask(Purpose::Recipe, "");
                    asked = true;
                }
            });
            ui.end_row();
            ui.label("Data");
            ui.horizontal(|ui| {
                if let Some(folder) = &self.form.data {
                    ui.label(file_name(folder));
                }
                if ui.button("Folder…").on_hover_text("The data set that all trials train on").clicked() {
                    dialog.ask(Purpose::TrainingData, "");
                    asked = true;
                }
            });
            ui.end_row();
            let label = ui.label("Name");
            ui.add(TextEdit::singleline(&mut self.form.run).desired_width(150.0)).labelled_by(label.id);
            ui.end_row();
            let label = ui.label("Trials");
            ui.add(DragValue::new(&mut self.form.trials).range(1..=10_000)).labelled_by(label.id);
            ui.end_row();
            let label = ui.label("Seed");
            ui.add(DragValue::new(&mut self.form.seed)).labelled_by(label.id);
            ui.end_row();
            device_choice(ui, device);
            ui.end_row();
        });
        self.form.device = *device;
        if let Some(error) = &self.error {
            ui.label(RichText::new(error).color(ui.visuals().error_fg_color));
            return asked;
        }
        if let Ok((config, _)) = SearchConfig::load(&self.form.search) {
            ui.label(RichText::new(config.description).weak());
        }
        let known = workspace.models.runs.iter().find(|r| r.name == self.form.run);
        match known {
            Some(run) if !run.is_search => {
                ui.weak("A run has this name: choose another.");
                if ui.button("Next free name").clicked() {
                    self.form.run = free_name(workspace, "search");
                }
            }
            _ if self.form.data.is_none() => {
                ui.weak("Choose the data set folder; every trial trains and validates on its training part alone.");
            }
            known => {
                let word = if known.is_some() { "Go on with the search" } else { "Start search" };
                if ui.button(RichText::new(word).strong()).clicked() {
                    out.push(SearchCommand::Start(self.form.clone()).into());
                }
            }
        }
        let searches: Vec<_> = workspace.models.runs.iter().filter(|r| r.is_search).collect();
        if !searches.is_empty() {
            ui.horizontal_wrapped(|ui| {
                ui.label("Look at");
                for run in searches {
                    if ui.button(&run.name).clicked() {
                        out.push(ModelCommand::Search(SearchCommand::Look(run.folder.clone())).into());
                    }
                }
            });
        }
        asked
    }
}

fn running(ui: &mut Ui, view: &SearchView, out: &mut Vec<Command>) {
    let paused = view.state == TrainingState::Paused;
    ui.horizontal(|ui| {
        ui.label(RichText::new(format!("Searching {}", view.name)).strong());
        if ui.button(if paused { "Go on" } else { "Pause" }).clicked() {
            out.push(SearchCommand::Pause(!paused).into());
        }
        if ui.button("Stop").on_hover_text("Trials that are done stay done; the search can go on later").clicked() {
            out.push(SearchCommand::Stop.into());
        }
    });
    let done = view.ranking.len();
    ui.add(bar((done as f32 + view.fraction) / view.trials.max(1) as f32).show_percentage());
    let left = view.seconds_left().map_or_else(String::new, |s| format!(", about {} left", duration(s)));
    ui.label(format!("{done} of {} trials are done{left}{}", view.trials, if paused { ", paused" } else { "" }));
    if let Some((trial, settings)) = &view.trial {
        let settings: Vec<String> = settings.iter().map(|(path, value)| format!("{path} = {value}")).collect();
        ui.label(format!("Trial {trial}: {}", view.message));
        ui.label(RichText::new(settings.join(", ")).small().weak());
    }
}

/// Trials that are done: plot and table.
fn found(ui: &mut Ui, view: &SearchView) {
    heading(ui, &format!("Trials of {}", view.name));
    if view.ranking.is_empty() {
        ui.weak("No trial is done yet.");
        return;
    }
    match &view.test {
        Some(test) => {
            let dice = figure(test.mean_dice);
            ui.label(format!(
                "Test part, looked at once with trial {}: mean Dice {dice} over {} cases",
                test.trial, test.cases
            ));
        }
        None => {
            ui.label(RichText::new("Ranked by validation Dice; the test part has not been looked at.").weak());
        }
    }
    let plot = ParallelPlot::of(&view.ranking);
    if plot.lines.len() > 1 {
        ScrollArea::horizontal().id_salt("parallel").show(ui, |ui| parallel(ui, &plot));
        ui.label(RichText::new("Each line is a trial: bright reached a high Dice, dark a low one.").small().weak());
    }
    ScrollArea::horizontal().id_salt("trials").show(ui, |ui| table(ui, &view.ranking));
    ui.label(RichText::new(format!("As a page: {}", view.folder.join("search.html").display())).small().weak());
}

fn table(ui: &mut Ui, ranking: &[TrialResult]) {
    let mut paths: Vec<&str> = Vec::new();
    for (path, _) in ranking.iter().flat_map(|r| &r.settings) {
        if !paths.contains(&path.as_str()) {
            paths.push(path);
        }
    }
    Grid::new("trial table").striped(true).spacing([12.0, 3.0]).show(ui, |ui| {
        for name in ["Rank", "Trial", "Dice", "Epoch"].into_iter().chain(paths.iter().copied()) {
            ui.label(RichText::new(name).weak());
        }
        ui.end_row();
        for (rank, trial) in ranking.iter().enumerate() {
            ui.label((rank + 1).to_string());
            ui.label(trial.trial.to_string());
            match &trial.error {
                Some(error) => ui.label("failed").on_hover_text(error),
                None => ui.label(figure(trial.dice)),
            };
            ui.label(format!("{} of {}", trial.best_epoch, trial.epochs));
            for path in &paths {
                let value = trial.settings.iter().find(|(p, _)| p == path).map_or("", |(_, v)| v);
                ui.label(value);
            }
            ui.end_row();
        }
    });
}

/// Room for an axis and its labels.
const AXIS: f32 = 120.0;
const TOP: f32 = 24.0;
const PLOT_HEIGHT: f32 = 210.0;

fn parallel(ui: &mut Ui, plot: &ParallelPlot) {
    let width = (AXIS * plot.axes.len() as f32).max(ui.available_width());
    let (response, painter) = ui.allocate_painter(Vec2::new(width, PLOT_HEIGHT + TOP), Sense::hover());
    let place = Rect::from_min_max(response.rect.min + Vec2::new(14.0, TOP), response.rect.max - Vec2::new(0.0, 10.0));
    let step = width / plot.axes.len().max(1) as f32;
    let x = |axis: usize| place.left() + axis as f32 * step;
    let y = |at: f64| place.bottom() - at as f32 * place.height();
    let points = |at: &[f64]| at.iter().enumerate().map(|(n, v)| Pos2::new(x(n), y(*v))).collect::<Vec<_>>();
    let pointer = response.hover_pos();
    let near = |line: &[Pos2]| {
        let Some(p) = pointer else { return false };
        line.windows(2).any(|w| {
            let t = ((p.x - w[0].x) / (w[1].x - w[0].x)).clamp(0.0, 1.0);
            (w[0] + (w[1] - w[0]) * t).distance(p) < 4.0
        })
    };
    let mut hovered = Vec::new();
    for line in plot.lines.iter().rev() {
        let points = points(&line.at);
        let [r, g, b] = rank_color(line.share);
        let thick = near(&points);
        if thick {
            hovered.push(line.trial);
        }
        let stroke = Stroke::new(if thick { 3.5 } else { 1.8 }, Color32::from_rgb(r, g, b));
        painter.add(Shape::line(points, stroke));
    }
    let (text, weak) = (ui.visuals().text_color(), ui.visuals().weak_text_color());
    for (n, axis) in plot.axes.iter().enumerate() {
        painter.line_segment([Pos2::new(x(n), y(0.0)), Pos2::new(x(n), y(1.0))], Stroke::new(1.0, weak));
        let title = axis.title.rsplit('.').next().unwrap_or_default();
        let at = Pos2::new(x(n) - 10.0, response.rect.top() + 2.0);
        painter.text(at, Align2::LEFT_TOP, title, FontId::proportional(12.0), text);
        for (place, label) in &axis.ticks {
            let short: String = if label.chars().count() > 16 {
                label.chars().take(15).chain(['…']).collect()
            } else {
                label.clone()
            };
            let at = Pos2::new(x(n) + 4.0, y(*place));
            painter.text(at, Align2::LEFT_CENTER, short, FontId::proportional(10.5), weak);
        }
    }
    if !hovered.is_empty() {
        let names: Vec<String> = hovered.iter().map(|n| format!("trial {n}")).collect();
        response.on_hover_text(names.join(", "));
    }
}
