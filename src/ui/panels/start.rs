//! The start screen: open a folder, go on with recent or unsaved work, or try a demo patient.

use super::path_dialog::{PathDialog, Purpose};
use crate::workspace::{Command, OpenCommand, Workspace};
use egui::{RichText, Ui, Vec2};

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
    for found in &workspace.recoverable {
        ui.horizontal(|ui| {
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
