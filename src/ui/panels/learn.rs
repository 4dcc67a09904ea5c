//! The learn panel: the loop from a model, what to correct next, what became of the rounds, and what it all took.

use super::bar;
use super::path_dialog::{PathDialog, Purpose};
use super::patients::warning_color;
use crate::learn::{Figures, LoopConfig, LoopState, VersionInfo};
use crate::nn::DeviceChoice;
use crate::ui::shortcuts::{Action, keys_of};
use crate::ui::theme::ACCENT;
use crate::workspace::{Command, LearnCommand, LearnForm, LearnView, SliceMark, Workspace};
use egui::{ComboBox, DragValue, Grid, RichText, Ui};
use egui_plot::{Bar, BarChart, Plot};
use std::path::{Path, PathBuf};

/// What is being filled in.
pub struct LearnPanel {
    form: LearnForm,
    /// The run whose data was last offered for replay.
    offered: PathBuf,
}

impl Default for LearnPanel {
    fn default() -> Self {
        Self {
            form: LearnForm {
                run: PathBuf::new(),
                name: "loop-1".into(),
                device: DeviceChoice::Auto,
                earlier: None,
                config: LoopConfig::default(),
                all_cases: false,
            },
            offered: PathBuf::new(),
        }
    }
}

impl LearnPanel {
    /// Takes the folder of earlier data from the path dialog.
    pub fn take_path(&mut self, path: PathBuf) {
        self.form.earlier = Some(path);
    }

    /// The device to begin with.
    pub fn set_device(&mut self, device: DeviceChoice) {
        self.form.device = device;
    }

    /// The panel.
    pub fn show(&mut self, ui: &mut Ui, workspace: &Workspace, dialog: &mut PathDialog, out: &mut Vec<Command>) {
        super::scrolled(ui, |ui| {
            let view = workspace.learning.view.as_ref();
            if !workspace.learning.is_running() {
                self.form(ui, workspace, dialog, out);
            }
            let Some(view) = view else { return };
            match &view.state {
                Some(state) => {
                    if !view.running {
                        ui.separator();
                    }
                    running(ui, workspace, view, state, dialog, out);
                }
                None if view.running => {
                    ui.horizontal(|ui| {
                        ui.spinner();
                        ui.label("Opening the loop…");
                    });
                }
                None => {}
            }
        });
    }

    fn form(&mut self, ui: &mut Ui, workspace: &Workspace, dialog: &mut PathDialog, out: &mut Vec<Command>) {
        ui.label(RichText::new("Learning loop").strong());
        let ready: Vec<_> = workspace.models.runs.iter().filter(|r| r.ready).collect();
        let Some(newest) = ready.last() else {
            ui.weak(
                "Train a model first. The loop then predicts the case, you correct slices, and it learns from them.",
            );
            return;
        };
        if !ready.iter().any(|r| r.folder == self.form.run) {
            self.form.run.clone_from(&newest.folder);
        }
        if self.offered != self.form.run {
            self.offered.clone_from(&self.form.run);
            self.form.earlier = workspace.earlier_data(&self.form.run).cloned();
        }
        let of_loop = ready.iter().any(|r| r.is_loop && r.folder == self.form.run);
        let exists = self.form.is_known(workspace);
        Grid::new("learn form").num_columns(2).spacing([10.0, 6.0]).show(ui, |ui| {
            let label = ui.label("Loop name");
            ui.add(egui::TextEdit::singleline(&mut self.form.name).desired_width(150.0)).labelled_by(label.id);
            ui.end_row();
            if !exists {
                let label = ui.label("Start from");
                let name = |path: &PathBuf| path.file_name().map(|n| n.to_string_lossy().into_owned());
                ComboBox::from_id_salt("loop model")
                    .selected_text(name(&self.form.run).unwrap_or_default())
                    .width(150.0)
                    .show_ui(ui, |ui| {
                        for run in &ready {
                            ui.selectable_value(&mut self.form.run, run.folder.clone(), &run.name);
                        }
                    })
                    .response
                    .labelled_by(label.id);
                ui.end_row();
                let label = ui.label("Retrain after");
                ui.add(DragValue::new(&mut self.form.config.slices_per_round).range(1..=100).suffix(" slices"))
                    .labelled_by(label.id);
                ui.end_row();
                let label = ui.label("Steps a round");
                ui.add(DragValue::new(&mut self.form.config.steps).range(5..=5000)).labelled_by(label.id);
                ui.end_row();
                ui.label("Earlier data");
                ui.horizontal(|ui| {
                    let chosen = self.form.earlier.as_ref().and_then(name);
                    let button = ui.button(chosen.as_deref().unwrap_or("Folder…"));
                    if button
                        .on_hover_text("What the model was trained on: replayed so that nothing is forgotten")
                        .clicked()
                    {
                        dialog.ask(Purpose::EarlierData, "");
                    }
                    if chosen.is_some() && ui.button("None").clicked() {
                        self.form.earlier = None;
                    }
                });
                ui.end_row();
            }
        });
        if !exists {
            ui.label(RichText::new(replayed(self.form.earlier.as_deref(), of_loop)).small());
        }
        ui.checkbox(&mut self.form.all_cases, "All open cases");
        let text = if exists { "Go on with this loop" } else { "Start the loop" };
        if ui.button(RichText::new(text).strong()).clicked() {
            out.push(LearnCommand::Start(Box::new(self.form.clone())).into());
        }
        if !exists {
            ui.weak("Your masks stay as they are: the loop works on a layer of its own.");
        }
    }
}

/// What is mixed with the corrected slices, and what it means where nothing is.
fn replayed(earlier: Option<&Path>, of_loop: bool) -> String {
    let name = |path: &Path| path.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
    match earlier {
        Some(folder) => format!("Slices of {} are replayed, so that nothing is forgotten.", name(folder)),
        None if of_loop => "What taught that loop is replayed, so that nothing is forgotten.".into(),
        None => "Nothing is replayed: the network may forget what it was trained on.".into(),
    }
}

fn running(
    ui: &mut Ui,
    workspace: &Workspace,
    view: &LearnView,
    state: &LoopState,
    dialog: &mut PathDialog,
    out: &mut Vec<Command>,
) {
    ui.horizontal(|ui| {
        ui.label(RichText::new(format!("{}: version {} in use", view.name, state.in_use)).strong());
        if view.running && ui.button("Stop").on_hover_text("Everything is kept; go on with it any time").clicked() {
            out.push(LearnCommand::Stop.into());
        }
    });
    ui.label(RichText::new(format!("{}, {}", state.recipe, state.device)).small());
    if view.running {
        slice(ui, workspace, view, out);
        round(ui, workspace, view, state, out);
    }
    if let Some(hint) = view.hint() {
        ui.label(RichText::new(hint).color(warning_color(ui)));
    }
    ui.separator();
    versions(ui, view, state, out);
    ui.separator();
    effort(ui, view);
    ui.horizontal(|ui| {
        report_buttons(ui, dialog);
    });
}

fn report_buttons(ui: &mut Ui, dialog: &mut PathDialog) {
    if ui.button("Export model…").on_hover_text("The version in use, with its model card").clicked() {
        dialog.ask(Purpose::ExportModel, "");
    }
    if ui
        .button("Report…")
        .on_hover_text("Effort by version, case and slice, versions and rounds as .md, .csv or .json")
        .clicked()
    {
        dialog.ask(Purpose::LearnReport, "");
    }
}

/// The shown slice: whose work it is, and the two keys of the loop.
fn slice(ui: &mut Ui, workspace: &Workspace, view: &LearnView, out: &mut Vec<Command>) {
    ui.separator();
    let Some(document) = workspace.active_document() else { return };
    let Some(learned) = document.learned() else {
        ui.label("This case is not in the loop.");
        if ui.button("Add this case").clicked() {
            out.push(LearnCommand::AddCase.into());
        }
        return;
    };
    let shown = document.slice_index(crate::core::Plane::Axial);
    ui.label(format!("Slice {}: {}", shown + 1, in_words(learned.mark(shown))));
    let cost = learned.effort(shown);
    if cost.strokes > 0 {
        let text = format!("{} strokes, {} voxels, {:.0} s so far", cost.strokes, cost.voxels, cost.seconds);
        ui.label(RichText::new(text).small());
    }
    if let Some((case, slice, reason)) = &view.reason
        && (*case, *slice) == (document.case.id, shown)
    {
        ui.label(RichText::new(format!("Shown because {reason}.")).small());
    }
    ui.horizontal_wrapped(|ui| {
        let key = |action| keys_of(action);
        if ui.button(format!("Slice is done ({})", key(Action::TeachSlice))).clicked() {
            out.push(LearnCommand::Done.into());
        }
        if ui.button(format!("Next best slice ({})", key(Action::NextSlice))).clicked() {
            out.push(LearnCommand::Next.into());
        }
    });
    if learned.is_waiting() {
        ui.weak("Predicting the slices…");
    }
}

/// What the annotator has to know of a slice.
pub fn in_words(mark: SliceMark) -> String {
    match mark {
        SliceMark::Waiting => "not predicted yet".into(),
        SliceMark::Predicted(version) => format!("predicted by version {version}, untouched"),
        SliceMark::Touched => "changed by hand, not done".into(),
        SliceMark::Done => "done".into(),
    }
}

fn round(ui: &mut Ui, workspace: &Workspace, view: &LearnView, state: &LoopState, out: &mut Vec<Command>) {
    let wanted = state.config.slices_per_round;
    match (state.tuning, view.step) {
        (true, Some((number, most, loss))) => {
            let text =
                if loss.is_finite() { format!("step {number} of {most}, loss {loss:.3}") } else { "starting".into() };
            ui.add(bar(number as f32 / most.max(1) as f32).text(text));
        }
        (true, None) => drop(ui.add(bar(0.0).text("starting a round"))),
        (false, _) => {
            let text = format!("{} of {wanted} slices for the next round", state.pending.min(wanted));
            ui.add(bar(state.pending as f32 / wanted.max(1) as f32).text(text));
            let button = ui.button(format!("Fine-tune now ({})", keys_of(Action::TuneNow)));
            if state.corrected > 0 && button.clicked() {
                out.push(LearnCommand::Tune.into());
            }
        }
    }
    if !view.outcome.is_empty() {
        ui.label(RichText::new(&view.outcome).small());
    }
    super::price_of_waiting(ui, workspace);
}

fn dice_of(figures: &Figures) -> String {
    let judged = figures.corrected.or(figures.earlier);
    judged.and_then(|j| j.dice).map_or_else(|| "-".into(), |d| format!("{d:.3}"))
}

fn versions(ui: &mut Ui, view: &LearnView, state: &LoopState, out: &mut Vec<Command>) {
    ui.label(RichText::new("Versions").strong());
    Grid::new("versions").num_columns(4).spacing([12.0, 4.0]).striped(true).show(ui, |ui| {
        for title in ["", "Dice", "slices", ""] {
            ui.label(RichText::new(title).small());
        }
        ui.end_row();
        for version in state.versions.iter().rev() {
            ui.label(format!("Version {}", version.number)).on_hover_text(provenance(version));
            ui.label(dice_of(&version.figures));
            ui.label(version.corrected.len().to_string());
            if version.number == state.in_use {
                ui.label("in use");
            } else if view.running {
                let button = ui.button("Use");
                let name = format!("Use version {}", version.number);
                button.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Button, true, name.clone()));
                if button.on_hover_text("Predictions of untouched slices follow; nothing is lost").clicked() {
                    out.push(LearnCommand::RollBack(version.number).into());
                }
            }
            ui.end_row();
        }
    });
    ui.label(RichText::new("Dice on corrected slices that are set aside and never train.").small());
}

fn provenance(version: &VersionInfo) -> String {
    let from = match version.parent {
        Some(parent) => format!("fine-tuned from version {parent}, {} steps", version.steps),
        None => "the weights that the loop began with".into(),
    };
    let (taught, judged) = (version.taught_by(), version.judged_on());
    let sum = &version.weights_sha256;
    format!("SHA-256 {sum}\n{from}\ntaught by {taught}\nset aside {judged}\nrecipe {}", version.recipe)
}

fn effort(ui: &mut Ui, view: &LearnView) {
    ui.label(RichText::new("Effort a slice").strong());
    let rows = view.effort_rows();
    if rows.is_empty() {
        ui.weak("Counted from the first slice that is done.");
        return;
    }
    Grid::new("effort").num_columns(5).spacing([12.0, 4.0]).striped(true).show(ui, |ui| {
        for title in ["version", "slices", "strokes", "voxels", "seconds"] {
            ui.label(RichText::new(title).small());
        }
        ui.end_row();
        for &(version, slices, [strokes, voxels, seconds]) in &rows {
            for text in [
                version.to_string(),
                slices.to_string(),
                format!("{strokes:.1}"),
                format!("{voxels:.0}"),
                format!("{seconds:.0}"),
            ] {
                ui.label(text);
            }
            ui.end_row();
        }
    });
    effort_plot(ui, &rows);
}

/// Voxels a slice by version: bars that fall say that the loop saves work.
fn effort_plot(ui: &mut Ui, rows: &[(usize, usize, [f64; 3])]) {
    let [Some((first, ..)), Some((last, ..))] = [rows.first(), rows.last()] else { return };
    if first == last {
        // One bar compares nothing.
        return;
    }
    ui.label(RichText::new("Voxels changed a slice, by version").small());
    let bars = effort_bars(rows);
    Plot::new("effort by version")
        .height(110.0)
        .allow_scroll(false)
        .allow_drag(false)
        .allow_zoom(false)
        .allow_boxed_zoom(false)
        .include_y(0.0)
        .include_x(*first as f64 - 0.5)
        .include_x(*last as f64 + 0.5)
        .x_axis_label("version")
        .x_axis_formatter(|mark, _| {
            // There is no version between two versions.
            if mark.value.fract() == 0.0 { format!("{}", mark.value) } else { String::new() }
        })
        .show(ui, |plot| plot.bar_chart(BarChart::new("Voxels a slice", bars).color(ACCENT)));
}

/// A bar for each version, as high as the voxels that a slice took on average.
fn effort_bars(rows: &[(usize, usize, [f64; 3])]) -> Vec<Bar> {
    let bar = |(version, slices, [_, voxels, _]): &(usize, usize, [f64; 3])| {
        let unit = if *slices == 1 { "slice" } else { "slices" };
        Bar::new(*version as f64, *voxels).width(0.6).fill(ACCENT).name(format!("Version {version}, {slices} {unit}"))
    };
    rows.iter().map(bar).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_version_has_a_bar_at_its_place_and_as_high_as_what_a_slice_took() {
        let rows = [(0, 5, [4.0, 300.0, 30.0]), (2, 3, [2.0, 120.5, 11.0]), (3, 1, [1.0, 0.0, 4.0])];
        let bars = effort_bars(&rows);
        let drawn: Vec<(f64, f64, &str)> = bars.iter().map(|b| (b.argument, b.value, b.name.as_str())).collect();
        let expected = [
            (0.0, 300.0, "Version 0, 5 slices"),
            (2.0, 120.5, "Version 2, 3 slices"),
            (3.0, 0.0, "Version 3, 1 slice"),
        ];
        assert_eq!(drawn, expected);
    }

    #[test]
    fn what_is_replayed_is_said() {
        let folder = Path::new("/data/lungs");
        assert!(replayed(Some(folder), false).starts_with("Slices of lungs are replayed"));
        assert!(replayed(None, true).contains("taught that loop"));
        assert!(replayed(None, false).contains("may forget"));
    }
}
