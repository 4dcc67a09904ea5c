//! The start screen: open a folder, go on with recent or unsaved work, or try a demo patient.

use super::path_dialog::{PathDialog, Purpose};
use crate::workspace::{Command, OpenCommand, Workspace};
use egui::{Align, Color32, Layout, RichText, TextStyle, Ui, Vec2};

/// Drawn in the middle of the window while no case is open.
pub fn show(ui: &mut Ui, workspace: &Workspace, dialog: &mut PathDialog, out: &mut Vec<Command>) {
    egui::ScrollArea::vertical().show(ui, |ui| {
        ui.vertical_centered(|ui| {
            ui.set_max_width(460.0);
            ui.add_space((ui.available_height() * 0.14).max(12.0));
            ui.label(RichText::new("Maskwright").size(30.0).strong());
            ui.label("See CT, see the predicted mask, correct it, retrain in place.");
            ui.add_space(18.0);
            let wide = Vec2::new(ui.available_width().min(300.0), 36.0);
            if ui.add_sized(wide, egui::Button::new("Open folder or file…")).clicked() {
                dialog.ask(Purpose::Open, "");
            }
            if ui.add_sized(wide, egui::Button::new("Try a demo patient")).clicked() {
                out.push(OpenCommand::DemoPatient.into());
            }
            ui.label(RichText::new("or drop a patient folder anywhere in this window").weak());
            recoverable(ui, workspace, out);
            recent(ui, workspace, out);
        });
    });
}

fn recoverable(ui: &mut Ui, workspace: &Workspace, out: &mut Vec<Command>) {
    if workspace.recoverable.is_empty() {
        return;
    }
    ui.add_space(16.0);
    ui.label(RichText::new("Unsaved work of an earlier session").strong());
    let width = row_width(ui, workspace.recoverable.iter().map(|found| found.text.as_str()));
    for found in &workspace.recoverable {
        // As wide as the longest of them, so that they stand in the middle and below each other.
        let row = Vec2::new(width, ui.spacing().interact_size.y);
        ui.allocate_ui_with_layout(row, Layout::left_to_right(Align::Center), |ui| {
            ui.set_min_width(width);
            if ui.button("Bring back").clicked() {
                out.push(OpenCommand::Recover(found.journal.clone()).into());
            }
            if ui.button("Discard").clicked() {
                out.push(OpenCommand::DiscardRecovery(found.journal.clone()).into());
            }
            ui.label(&found.text);
        });
    }
}

/// Width of the widest line of unsaved work: two buttons and a text.
fn row_width<'t>(ui: &Ui, texts: impl Iterator<Item = &'t str>) -> f32 {
    let wide = |text: &str, style: TextStyle| {
        let galley = ui.painter().layout_no_wrap(text.to_owned(), style.resolve(ui.style()), Color32::PLACEHOLDER);
        galley.size().x.ceil()
    };
    let text = texts.map(|text| wide(text, TextStyle::Body)).fold(0.0, f32::max);
    let buttons = ["Bring back", "Discard"].map(|text| wide(text, TextStyle::Button));
    let spacing = ui.spacing();
    let gaps = 4.0 * spacing.button_padding.x + 2.0 * spacing.item_spacing.x;
    (text + buttons.iter().sum::<f32>() + gaps + 2.0).min(ui.available_width())
}

fn recent(ui: &mut Ui, workspace: &Workspace, out: &mut Vec<Command>) {
    if workspace.settings.recent.is_empty() {
        return;
    }
    ui.add_space(16.0);
    ui.label(RichText::new("Recent").strong());
    for path in &workspace.settings.recent {
        let name = path.file_name().map_or_else(|| path.display().to_string(), |n| n.to_string_lossy().into_owned());
        if ui.link(name).on_hover_text(path.display().to_string()).clicked() {
            out.push(OpenCommand::Path(path.clone()).into());
        }
    }
}
