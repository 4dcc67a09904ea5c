//! Layers of the case and segments of the active layer.

use super::path_dialog::{PathDialog, Purpose};
use super::slices::SlicesPanel;
use crate::core::{Flips, Layer, Origin, Segment};
use crate::ui::actions::suggestion;
use crate::workspace::{Command, Document, LayerCommand, SegmentCommand, WorkCommand, Workspace};
use egui::{Button, RichText, TextEdit, Ui};

/// Width in points that the line of a segment needs.
const ROW: f32 = 280.0;

/// Points beside a name that the rest of its line needs: the menu, and of a segment its volume as well.
const BESIDE_LAYER: f32 = 34.0;
const BESIDE_SEGMENT: f32 = 100.0;

/// A name being typed; the document gets it once, when the field is left.
#[derive(Default)]
pub struct LayersPanel {
    renaming: Option<(Renamed, String)>,
    pub slices: SlicesPanel,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Renamed {
    Layer(crate::core::LayerId),
    Segment(u8),
}

impl LayersPanel {
    /// The panel.
    pub fn show(&mut self, ui: &mut Ui, workspace: &Workspace, dialog: &mut PathDialog, out: &mut Vec<Command>) {
        let Some(document) = workspace.active_document() else {
            ui.weak("Open a case to see its layers.");
            return;
        };
        super::scrolled(ui, |ui| {
            ui.set_min_width(ROW);
            ui.horizontal(|ui| {
                ui.label(RichText::new("Layers").strong());
                if ui.button("New layer").clicked() {
                    out.push(LayerCommand::New.into());
                }
            });
            for layer in &document.case.layers {
                self.layer(ui, document, layer, dialog, out);
            }
            if document.case.layers.is_empty() {
                ui.weak("No mask yet. Painting starts one; File > Import mask reads one.");
            }
            ui.separator();
            if let Some(layer) = document.layer() {
                ui.horizontal(|ui| {
                    ui.label(RichText::new("Segments").strong());
                    if ui.button("Add segment").clicked() {
                        out.push(SegmentCommand::Add.into());
                    }
                });
                let counts = document.segment_volumes();
                for segment in &layer.segments {
                    self.segment(ui, document, segment, counts[usize::from(segment.id)], dialog, out);
                }
            }
            self.slices.show(ui, workspace, document, out);
        });
    }

    fn layer(
        &mut self,
        ui: &mut Ui,
        document: &Document,
        layer: &Layer,
        dialog: &mut PathDialog,
        out: &mut Vec<Command>,
    ) {
        let active = document.active_layer == Some(layer.id);
        ui.horizontal(|ui| {
            let mut visible = layer.visible;
            let show = ui.checkbox(&mut visible, "").on_hover_text("Show or hide this layer");
            show.widget_info(|| egui::WidgetInfo::labeled(egui::Role::CheckBox, true, format!("Show {}", layer.name)));
            if show.changed() {
                out.push(LayerCommand::Visible(layer.id, visible).into());
            }
            if let Some(name) = self.name(ui, Renamed::Layer(layer.id), &layer.name, active, BESIDE_LAYER) {
                match name {
                    Named::Chosen => out.push(LayerCommand::Select(layer.id).into()),
                    Named::Renamed(name) => out.push(LayerCommand::Rename(layer.id, name).into()),
                }
            }
            let more = ui.menu_button("…", |ui| {
                if ui.button("Rename").clicked() {
                    self.renaming = Some((Renamed::Layer(layer.id), layer.name.clone()));
                    ui.close();
                }
                let mark = if layer.reviewed { "Take back the review mark" } else { "Mark as reviewed" };
                if ui.button(mark).clicked() {
                    out.push(LayerCommand::Reviewed(layer.id, !layer.reviewed).into());
                    ui.close();
                }
                if ui.button("Export…").clicked() {
                    out.push(LayerCommand::Select(layer.id).into());
                    dialog.ask(Purpose::ExportMask, suggestion(&layer.name, "nii.gz"));
                    ui.close();
                }
                if ui.button("Second reader's layer").clicked() {
                    out.push(WorkCommand::SecondReader(layer.id).into());
                    ui.close();
                }
                if ui.button("Duplicate").clicked() {
                    out.push(LayerCommand::Duplicate(layer.id).into());
                    ui.close();
                }
                ui.menu_button("Mirror", |ui| {
                    let [x, y, z, ..] = Flips::ALL;
                    for (text, flips) in [("Sides", x), ("Top and bottom", y), ("Order of slices", z)] {
                        if ui.button(text).clicked() {
                            out.push(LayerCommand::Mirror(layer.id, flips).into());
                            ui.close();
                        }
                    }
                });
                if ui.button("Delete").clicked() {
                    out.push(LayerCommand::Delete(layer.id).into());
                    ui.close();
                }
            });
            named_menu(&more.response, format!("More for layer {}", layer.name));
        });
        let origin = match &layer.origin {
            Origin::Human => "drawn here".to_owned(),
            Origin::Model { run, checkpoint } => format!("predicted by {run}, {checkpoint} checkpoint"),
            Origin::Imported { file } => format!("from {file}"),
        };
        let origin = if layer.work.reader > 0 { format!("reader {}, {origin}", layer.work.reader) } else { origin };
        let origin = if layer.reviewed { format!("reviewed, {origin}") } else { origin };
        ui.indent(("origin", layer.id.0), |ui| ui.label(RichText::new(origin).small().weak()));
    }

    fn segment(
        &mut self,
        ui: &mut Ui,
        document: &Document,
        segment: &Segment,
        ml: f64,
        dialog: &mut PathDialog,
        out: &mut Vec<Command>,
    ) {
        let active = document.active_segment == segment.id;
        ui.horizontal(|ui| {
            if let Some(color) = super::color::chooser(ui, &segment.name, segment.color) {
                out.push(SegmentCommand::Color(segment.id, color).into());
            }
            let mut visible = segment.visible;
            let show = ui.checkbox(&mut visible, "").on_hover_text("Show or hide");
            show.widget_info(|| {
                egui::WidgetInfo::labeled(egui::Role::CheckBox, true, format!("Show {}", segment.name))
            });
            if show.changed() {
                out.push(SegmentCommand::Visible(segment.id, visible).into());
            }
            let button = super::framed(ui, segment.locked, RichText::new("Lock").small())
                .on_hover_text("Locked segments cannot be changed");
            button.widget_info(|| {
                let word = if segment.locked { "Unlock" } else { "Lock" };
                egui::WidgetInfo::labeled(egui::Role::Button, true, format!("{word} {}", segment.name))
            });
            if button.clicked() {
                out.push(SegmentCommand::Lock(segment.id, !segment.locked).into());
            }
            if let Some(name) = self.name(ui, Renamed::Segment(segment.id), &segment.name, active, BESIDE_SEGMENT) {
                match name {
                    Named::Chosen => out.push(SegmentCommand::Select(segment.id).into()),
                    Named::Renamed(name) => out.push(SegmentCommand::Rename(segment.id, name).into()),
                }
            }
            ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
                let more = ui.menu_button("…", |ui| {
                    if ui.button("Rename").clicked() {
                        self.renaming = Some((Renamed::Segment(segment.id), segment.name.clone()));
                        ui.close();
                    }
                    if ui.button("Export surface…").clicked() {
                        out.push(SegmentCommand::Select(segment.id).into());
                        dialog.ask(Purpose::ExportSurface, suggestion(&segment.name, "stl"));
                        ui.close();
                    }
                    if ui.button("Delete segment").clicked() {
                        out.push(SegmentCommand::Delete(segment.id).into());
                        ui.close();
                    }
                });
                named_menu(&more.response, format!("More for segment {}", segment.name));
                ui.label(RichText::new(format!("{ml:.1} ml")).small().weak());
            });
        });
    }

    /// A name that is chosen by a click and typed over after a double click; cut where its line has no more room.
    fn name(&mut self, ui: &mut Ui, what: Renamed, name: &str, active: bool, beside: f32) -> Option<Named> {
        if let Some((which, text)) = &mut self.renaming
            && *which == what
        {
            // An id of its own: the name that stands here at other times is no field for text.
            let field = TextEdit::singleline(text).id_salt("rename").desired_width(84.0);
            let field = ui.add(field).accessible_name(format!("New name of {name}"));
            if field.lost_focus() {
                let text = text.trim().to_owned();
                self.renaming = None;
                return (!text.is_empty() && text != name).then_some(Named::Renamed(text));
            }
            if !field.has_focus() {
                field.request_focus();
            }
            return None;
        }
        let width = (ui.available_width() - beside).max(40.0);
        let label = ui.scope(|ui| {
            ui.set_max_width(width);
            ui.add(Button::selectable(active, name).truncate())
        });
        let label = label.inner.on_hover_text(format!("{name}: double click to rename"));
        if label.double_clicked() {
            self.renaming = Some((what, name.to_owned()));
        }
        label.clicked().then_some(Named::Chosen)
    }
}

/// Gives a menu whose button shows no word a name, for the pointer and for those who hear the window.
fn named_menu(button: &egui::Response, name: String) {
    button.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Button, true, name.as_str()));
    button.clone().on_hover_text(name);
}

enum Named {
    Chosen,
    Renamed(String),
}
