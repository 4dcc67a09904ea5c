//! Quantities over the studies of a patient: which open cases, on which days; a table and a plot.

use super::quantities::height;
use super::room_plots::color;
use crate::core::CaseId;
use crate::report::{TimeLine, time_lines};
use crate::workspace::{CohortCommand, Command, OpenStudy, OverTime, Workspace};
use egui::{ComboBox, DragValue, Grid, RichText, ScrollArea, TextEdit, Ui};
use egui_plot::{Line, Plot, PlotPoints, Points};
use std::collections::BTreeMap;

/// What is chosen; days and ticks only where the user said something else than the files.
#[derive(Default)]
pub struct TimeChoice {
    layer: Option<String>,
    quantity: Option<String>,
    days: BTreeMap<CaseId, f64>,
    taken: BTreeMap<CaseId, bool>,
    height_cm: String,
}

impl TimeChoice {
    fn takes(&self, study: &OpenStudy) -> bool {
        self.taken.get(&study.case).copied().unwrap_or(study.same_patient)
    }

    fn day(&self, study: &OpenStudy) -> f64 {
        self.days.get(&study.case).copied().or(study.day).unwrap_or(0.0)
    }
}

/// Width in points below which the table stands above the plot.
const NARROW: f32 = 760.0;

pub fn show(ui: &mut Ui, workspace: &Workspace, choice: &mut TimeChoice, out: &mut Vec<Command>) {
    let plot_height = (ui.available_height() - 130.0).clamp(130.0, 360.0);
    ScrollArea::vertical().id_salt("over time").auto_shrink([false, false]).show(ui, |ui| {
        let studies = workspace.open_studies();
        if studies.len() < 2 {
            ui.weak("Open two studies of a patient or more, each with a mask in a layer of the same name.");
        } else {
            controls(ui, workspace, &studies, choice, out);
            days(ui, &studies, choice);
        }
        let over_time = &workspace.cohort.over_time;
        let lines = time_lines(&over_time.rows);
        if over_time.rows.is_empty() {
            return;
        }
        ui.separator();
        if !workspace.over_time_is_current() {
            let text = RichText::new("A mask changed or was closed since: measure again.");
            ui.label(text.color(super::super::patients::warning_color(ui)));
        }
        let chosen = choice.quantity.as_ref().and_then(|q| lines.iter().find(|l| l.name == *q)).or(lines.first());
        let Some(chosen) = chosen.cloned() else {
            ui.weak("No quantity is defined in two of the studies.");
            return;
        };
        if ui.available_width() < NARROW {
            table(ui, over_time, &lines, &chosen, &mut choice.quantity);
            plot(ui, &chosen, plot_height);
            return;
        }
        ui.columns(2, |columns| {
            if let [left, right] = columns {
                table(left, over_time, &lines, &chosen, &mut choice.quantity);
                plot(right, &chosen, plot_height);
            }
        });
    });
}

/// Layer, height, and the button.
fn controls(
    ui: &mut Ui,
    workspace: &Workspace,
    studies: &[OpenStudy],
    choice: &mut TimeChoice,
    out: &mut Vec<Command>,
) {
    let taken: Vec<&OpenStudy> = studies.iter().filter(|s| choice.takes(s)).collect();
    let mut names: Vec<&String> = Vec::new();
    for name in taken.iter().flat_map(|s| &s.layers) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let common = |name: &&&String| taken.iter().all(|s| s.layers.contains(**name));
    let usual = names.iter().find(common).or(names.first()).copied();
    let layer = choice.layer.as_ref().filter(|l| names.contains(l)).or(usual).cloned();
    ui.horizontal_wrapped(|ui| {
        let label = ui.label("Layer");
        ComboBox::from_id_salt("layer over time")
            .selected_text(layer.as_deref().unwrap_or("none"))
            .width(180.0)
            .truncate()
            .show_ui(ui, |ui| {
                for name in names {
                    if ui.selectable_label(layer.as_ref() == Some(name), name).clicked() {
                        choice.layer = Some(name.clone());
                    }
                }
            })
            .response
            .labelled_by(label.id);
        let label = ui.label("Height of the patient (cm)");
        ui.add(TextEdit::singleline(&mut choice.height_cm).desired_width(56.0)).labelled_by(label.id);
        if workspace.cohort.over_time.running {
            ui.spinner();
            return;
        }
        let when: Vec<(CaseId, f64)> = taken.iter().map(|s| (s.case, choice.day(s))).collect();
        let apart = when.iter().any(|w| w.1 != when[0].1);
        let measure = egui::Button::new(RichText::new("Measure over time").strong());
        let ready = layer.is_some() && apart;
        let response = ui.add_enabled(ready, measure);
        let response = response.on_disabled_hover_text("Tick two studies or more, and type the days between them.");
        if let (true, Some(layer)) = (response.clicked(), layer) {
            let height_cm = height(&choice.height_cm);
            out.push(CohortCommand::OverTime { layer, studies: when, height_cm }.into());
        }
    });
}

/// The open cases with their days.
fn days(ui: &mut Ui, studies: &[OpenStudy], choice: &mut TimeChoice) {
    Grid::new("studies over time").num_columns(3).spacing([14.0, 3.0]).show(ui, |ui| {
        for (n, study) in studies.iter().enumerate() {
            let mut on = choice.takes(study);
            if ui.checkbox(&mut on, format!("{}. {}", n + 1, study.name)).changed() {
                choice.taken.insert(study.case, on);
            }
            let label = ui.label(format!("Day of study {}", n + 1));
            let mut day = choice.day(study);
            let field = DragValue::new(&mut day).speed(1.0).max_decimals(1).range(0.0..=40_000.0);
            if ui.add(field).labelled_by(label.id).changed() {
                choice.days.insert(study.case, day);
            }
            ui.end_row();
        }
    });
}

/// A line for each quantity, a column for each study; a click on a name draws it.
fn table(ui: &mut Ui, over_time: &OverTime, lines: &[TimeLine], chosen: &TimeLine, choice: &mut Option<String>) {
    ScrollArea::horizontal().id_salt("table over time").show(ui, |ui| {
        Grid::new("table over time").striped(true).spacing([14.0, 3.0]).show(ui, |ui| {
            ui.label(RichText::new("Quantity").small().strong());
            for row in &over_time.rows {
                let day = row.time.map_or_else(String::new, |t| format!("Day {t}"));
                ui.label(RichText::new(day).small().strong()).on_hover_text(&row.case);
            }
            ui.label(RichText::new("Change").small().strong())
                .on_hover_text("Last less first, in percent of the first");
            ui.end_row();
            for line in lines {
                let name =
                    if line.unit.is_empty() { line.name.clone() } else { format!("{} ({})", line.name, line.unit) };
                let response = ui.selectable_label(line.name == chosen.name, name);
                if response.on_hover_text(&line.definition).clicked() {
                    *choice = Some(line.name.clone());
                }
                for row in &over_time.rows {
                    let value = row.values.iter().find(|v| v.name == line.name).and_then(|v| v.value);
                    ui.monospace(super::number(value, 1));
                }
                let change = line.lines.first().and_then(|l| l.change_percent());
                ui.monospace(change.map_or_else(|| "–".into(), |c| format!("{c:+.1} %")));
                ui.end_row();
            }
        });
    });
}

fn plot(ui: &mut Ui, of: &TimeLine, height: f32) {
    let axis = if of.unit.is_empty() { of.name.clone() } else { format!("{} ({})", of.name, of.unit) };
    let shown = Plot::new("plot over time")
        .height(height)
        .allow_scroll(false)
        .allow_drag(false)
        .allow_zoom(false)
        .include_y(0.0)
        .x_axis_label("days since the first study")
        .y_axis_label(axis)
        .show(ui, |plot| {
            for (n, line) in of.lines.iter().enumerate() {
                let points = || PlotPoints::from(line.points.clone());
                plot.line(Line::new(line.mask.clone(), points()).color(color(n)).width(1.6));
                plot.points(Points::new(line.mask.clone(), points()).color(color(n)).radius(3.0));
            }
        });
    shown
        .response
        .widget_info(|| egui::WidgetInfo::labeled(egui::Role::Image, true, format!("Over time: {}", of.name)));
}
