//! The measurements of the case, and figures of its segments.

use crate::core::{Geometry, Measurement, ShapeKind};
use crate::tools::{MeasureKind, ToolKind};
use crate::ui::viewer::ToolBelt;
use crate::workspace::{Command, Document, MeasureCommand, ViewCommand, Workspace};
use egui::{Grid, RichText, TextEdit, Ui};
use glam::DVec3;

/// Draws the panel.
pub fn show(ui: &mut Ui, workspace: &Workspace, belt: &mut ToolBelt, out: &mut Vec<Command>) {
    let Some(document) = workspace.active_document() else {
        ui.weak("Open a case to measure in it.");
        return;
    };
    super::scrolled(ui, |ui| {
        ui.horizontal_wrapped(|ui| {
            for kind in [ShapeKind::Distance, ShapeKind::Angle, ShapeKind::Ellipse, ShapeKind::Rectangle] {
                let held = belt.current() == ToolKind::Measure && belt.measure.kind() == MeasureKind::Shape(kind);
                if super::framed(ui, held, format!("Measure {}", kind.name().to_lowercase())).clicked() {
                    belt.choose(ToolKind::Measure);
                    belt.measure.choose(MeasureKind::Shape(kind));
                }
            }
        });
        ui.separator();
        if document.measurements.is_empty() {
            ui.weak("Nothing was measured yet. Take a kind and draw it on a slice.");
        }
        for measurement in &document.measurements {
            line(ui, document, measurement, out);
        }
        if document.measurements.len() > 1 && ui.button("Delete all measurements").clicked() {
            out.push(MeasureCommand::DeleteAll.into());
        }
        ui.separator();
        segments(ui, document, out);
    });
}

fn line(ui: &mut Ui, document: &Document, m: &Measurement, out: &mut Vec<Command>) {
    let geometry = &document.case.geometry;
    let name = format!("{} {}", m.shape.kind().name(), m.id);
    let measured = m.shape.measure(m.axis, geometry, document.case.volume.as_deref());
    ui.horizontal(|ui| {
        let go = ui.button(&name).on_hover_text("Bring its slice to the front");
        if go.clicked() {
            out.push(ViewCommand::Crosshair(middle(m, geometry)).into());
        }
        let delete = ui.button("Delete");
        delete.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Button, true, format!("Delete {name}")));
        if delete.clicked() {
            out.push(MeasureCommand::Delete(m.id).into());
        }
    });
    for part in measured.text().split(", ") {
        ui.label(part);
    }
    let mut note = m.note.clone();
    let field = ui.add(TextEdit::singleline(&mut note).hint_text("Note").desired_width(f32::INFINITY));
    field.widget_info(|| egui::WidgetInfo {
        label: Some(format!("Note of {name}")),
        ..egui::WidgetInfo::text_edit(true, &m.note, &note, "")
    });
    if field.changed() {
        out.push(MeasureCommand::Note { id: m.id, text: note }.into());
    }
    ui.add_space(4.0);
}

/// A point on its slice.
fn middle(m: &Measurement, geometry: &Geometry) -> DVec3 {
    let points = m.shape.points();
    let mut at = points.iter().sum::<DVec3>() / points.len().max(1) as f64;
    // A distance through several slices is shown where it begins.
    at[m.axis] = points.first().map_or(at[m.axis], |p| p[m.axis]);
    let last = DVec3::from_array(geometry.dims().map(|n| n as f64 - 1.0));
    at.clamp(DVec3::ZERO, last)
}

fn segments(ui: &mut Ui, document: &Document, out: &mut Vec<Command>) {
    ui.label(RichText::new("Segments").strong());
    let Some(layer) = document.layer() else {
        ui.weak("The case has no mask.");
        return;
    };
    let known = document.segment_statistics();
    ui.horizontal_wrapped(|ui| {
        let name = if known.is_some() { "Measure segments again" } else { "Measure segments" };
        if document.case.volume.is_some() && ui.button(name).clicked() {
            out.push(MeasureCommand::Segments.into());
        }
        if known.is_some() && ui.button("Copy table").on_hover_text("As text for a spreadsheet").clicked() {
            ui.ctx().copy_text(table(document));
        }
    });
    let Some((statistics, fresh)) = known else {
        ui.weak("Volume, mean and spread of the values in each segment.");
        return;
    };
    if !fresh {
        ui.label(RichText::new("The case has changed since.").color(super::patients::warning_color(ui)));
    }
    let voxel_ml = document.case.geometry.voxel_volume() / 1000.0;
    for segment in &layer.segments {
        ui.label(RichText::new(&segment.name).strong());
        let Some(s) = statistics.labels.get(usize::from(segment.id)).copied().flatten() else {
            ui.weak("empty");
            continue;
        };
        Grid::new(("segment statistics", segment.id)).num_columns(2).spacing([10.0, 2.0]).show(ui, |ui| {
            for (what, value) in [
                ("Volume", format!("{:.2} ml", s.count as f64 * voxel_ml)),
                ("Mean ± SD", format!("{:.1} ± {:.1} HU", s.mean, s.sd)),
                ("Range", format!("{} to {} HU", s.min, s.max)),
            ] {
                ui.weak(what);
                ui.label(value);
                ui.end_row();
            }
        });
    }
}

/// Tabs between columns, as spreadsheets take it.
fn table(document: &Document) -> String {
    let mut text = String::from("Segment\tVoxels\tVolume ml\tMean HU\tSD HU\tMin HU\tMax HU\n");
    let Some((statistics, _)) = document.segment_statistics() else { return text };
    let voxel_ml = document.case.geometry.voxel_volume() / 1000.0;
    for segment in document.layer().map(|l| l.segments.as_slice()).unwrap_or_default() {
        if let Some(s) = statistics.labels.get(usize::from(segment.id)).copied().flatten() {
            text += &format!(
                "{}\t{}\t{:.3}\t{:.2}\t{:.2}\t{}\t{}\n",
                segment.name,
                s.count,
                s.count as f64 * voxel_ml,
                s.mean,
                s.sd,
                s.min,
                s.max
            );
        }
    }
    text
}
