//! How far the slices are: status of the shown one, notes, progress of the case and of all open ones.

use crate::core::SliceStatus;
use crate::ui::keys::keys_of;
use crate::ui::shortcuts::Action;
use crate::ui::theme::{SOURCE_COLORS, progress_fill};
use crate::workspace::{Command, Document, Progress, SourceKind, ViewCommand, WorkCommand, Workspace};
use egui::{CollapsingHeader, Color32, RichText, Sense, TextEdit, Ui, Vec2};

/// A note being typed; the document gets it once, when the field is left.
#[derive(Default)]
pub struct SlicesPanel {
    /// Slice and text.
    writing: Option<(usize, String)>,
    /// The field is to get the keyboard.
    wanted: bool,
}

impl SlicesPanel {
    /// Puts the keyboard into the note of the shown slice, as its key does.
    pub fn write(&mut self) {
        self.wanted = true;
    }

    /// Whether a note was asked for whose field has not been drawn yet.
    pub fn is_wanted(&self) -> bool {
        self.wanted
    }

    /// The section.
    pub fn show(&mut self, ui: &mut Ui, workspace: &Workspace, document: &Document, out: &mut Vec<Command>) {
        let Some(layer) = document.layer() else { return };
        ui.separator();
        let open = if self.wanted { Some(true) } else { None };
        CollapsingHeader::new(RichText::new("Slices").strong()).default_open(true).open(open).show(ui, |ui| {
            let slice = document.work_slice();
            let now = layer.work.slices.status(slice);
            ui.horizontal(|ui| {
                ui.label(format!("Slice {}", slice + 1));
                for status in SliceStatus::ALL {
                    let button = super::framed(ui, now == status, status.name());
                    button.widget_info(|| {
                        egui::WidgetInfo::labeled(
                            egui::Role::Button,
                            true,
                            format!("Slice is {}", status.name().to_lowercase()),
                        )
                    });
                    if button.on_hover_text(keys_of(Action::SliceDone(status))).clicked() {
                        out.push(WorkCommand::Status { slice, status }.into());
                    }
                }
            });
            ui.horizontal(|ui| {
                for (text, action, command) in [
                    ("Previous to do", Action::NextToDo(true), WorkCommand::NextToDo { back: true }),
                    ("Next to do", Action::NextToDo(false), WorkCommand::NextToDo { back: false }),
                ] {
                    if ui.button(text).on_hover_text(keys_of(action)).clicked() {
                        out.push(command.into());
                    }
                }
            });
            self.note(ui, slice, layer.work.slices.note(slice), out);
            progress(ui, "This case", document.progress());
            if workspace.documents().len() > 1 {
                progress(ui, "All open cases", workspace.progress());
            }
            for (k, note) in layer.work.slices.notes() {
                let line = ui.selectable_label(k == slice, format!("{}: {}", k + 1, first_line(note)));
                if line.on_hover_text(note).clicked() {
                    out.push(go_to(document, k));
                }
            }
            let mut shown = document.shows_sources();
            let keys = keys_of(Action::ToggleSources);
            if ui.checkbox(&mut shown, "Show where voxels come from").on_hover_text(keys).changed() {
                out.push(WorkCommand::ShowSources(shown).into());
            }
            if shown {
                legend(ui);
            }
        });
        self.wanted = false;
    }

    fn note(&mut self, ui: &mut Ui, slice: usize, note: &str, out: &mut Vec<Command>) {
        let finished = self.writing.take_if(|(of, _)| *of != slice);
        if let Some((slice, text)) = finished {
            out.push(WorkCommand::Note { slice, text: text.trim().to_owned() }.into());
        }
        let mut text = self.writing.as_ref().map_or_else(|| note.to_owned(), |(_, text)| text.clone());
        let field = TextEdit::singleline(&mut text).hint_text("Note on this slice").desired_width(f32::INFINITY);
        let field = ui.add(field).on_hover_text(keys_of(Action::WriteNote));
        field.widget_info(|| egui::WidgetInfo::labeled(egui::Role::TextInput, true, "Note on this slice"));
        if self.wanted {
            field.request_focus();
        }
        if field.changed() {
            self.writing = Some((slice, text));
        }
        if field.lost_focus()
            && let Some((slice, text)) = self.writing.take()
        {
            out.push(WorkCommand::Note { slice, text: text.trim().to_owned() }.into());
        }
    }
}

fn first_line(note: &str) -> String {
    let line = note.lines().next().unwrap_or("");
    if line.chars().count() > 28 { line.chars().take(27).chain(['…']).collect() } else { line.to_owned() }
}

/// Puts the crosshair on a slice across voxel axis 2.
fn go_to(document: &Document, k: usize) -> Command {
    let mut voxel = document.view.crosshair;
    voxel[2] = k as f64;
    ViewCommand::Crosshair(voxel).into()
}

/// A bar with words on it.
pub(super) fn progress(ui: &mut Ui, name: &str, progress: Progress) {
    let [done, all] = progress.done();
    let approved = progress.slices[2];
    let mut text = format!("{name}: {done} of {all}");
    if approved > 0 {
        text.push_str(&format!(", {approved} approved"));
    }
    if progress.cases[1] > 1 {
        text.push_str(&format!(", {} of {} cases", progress.cases[0], progress.cases[1]));
    }
    let share = if all == 0 { 0.0 } else { done as f32 / all as f32 };
    let bar = super::bar(share).desired_height(18.0).text(RichText::new(text).small());
    ui.add(if share > 0.0 { bar.fill(progress_fill()) } else { bar });
}

fn legend(ui: &mut Ui) {
    ui.horizontal_wrapped(|ui| {
        for (kind, [r, g, b]) in SourceKind::ALL.into_iter().zip(SOURCE_COLORS) {
            let (rect, _) = ui.allocate_exact_size(Vec2::splat(11.0), Sense::hover());
            ui.painter().rect_filled(rect, 2.0, Color32::from_rgb(r, g, b));
            ui.label(RichText::new(kind.name()).small());
        }
    });
}
