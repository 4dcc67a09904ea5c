//! The bottom line: what is under the pointer, what runs, what was done last.

use crate::ui::viewer::Hover;
use crate::workspace::{Command, Workspace};
use egui::{Color32, RichText, Ui};

/// Draws the bar.
pub fn show(ui: &mut Ui, workspace: &Workspace, hover: Option<&Hover>, out: &mut Vec<Command>) {
    ui.horizontal(|ui| {
        alarms(ui, workspace);
        match hover {
            Some(h) => {
                let value = h.value.clone().unwrap_or_else(|| "reading…".to_owned());
                let over = h.over.as_ref().map(|over| format!(", laid over it {over}")).unwrap_or_default();
                let mut text = format!("{value:>9}{over}   voxel {} {} {}", h.voxel[0], h.voxel[1], h.voxel[2]);
                // A narrow window has room for one of the two positions.
                let needed = if over.is_empty() { 560.0 } else { 760.0 };
                if ui.available_width() > needed {
                    text += &format!("   {:.1} {:.1} {:.1} mm", h.world.x, h.world.y, h.world.z);
                }
                ui.monospace(text);
                if let Some(segment) = &h.segment {
                    ui.label(RichText::new(segment).strong());
                }
            }
            None => {
                ui.label(RichText::new(&workspace.status).weak());
            }
        }
        ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
            for task in workspace.tasks().iter().rev().filter(|t| !t.unlisted).take(3) {
                if ui.button("Cancel").on_hover_text(format!("Cancel: {}", task.name)).clicked() {
                    out.push(Command::CancelTask(task.id));
                }
                match task.fraction {
                    Some(f) => {
                        ui.add(super::bar(f).desired_width(110.0).show_percentage());
                    }
                    None => {
                        ui.spinner();
                    }
                }
                let text = if task.message.is_empty() { task.name } else { &task.message };
                ui.label(text);
                ui.separator();
            }
            if hover.is_some() && !workspace.status.is_empty() {
                ui.label(RichText::new(&workspace.status).weak());
            }
        });
    });
}

/// What must not be overlooked: work that is on no disk, a save that failed, a project that cannot be saved into.
fn alarms(ui: &mut Ui, workspace: &Workspace) {
    let loud = |ui: &mut Ui, text: String, hint: &str, fill: Color32| {
        let text = RichText::new(format!(" {text} ")).strong().color(Color32::WHITE).background_color(fill);
        ui.label(text).on_hover_text(hint);
    };
    let red = Color32::from_rgb(190, 30, 30);
    for document in workspace.documents() {
        if let Some(reason) = document.trouble() {
            loud(ui, format!("NOT PROTECTED: {}", document.case.name), &reason, red);
        }
        if let Some(project) = document.failed_save() {
            loud(ui, format!("NOT SAVED: {project}"), "The last save failed: save elsewhere.", red);
        }
    }
    if workspace.active_document().is_some_and(|d| d.newer_project().is_some()) {
        let hint = "Saved by a newer Maskwright: save it under another name to keep changes.";
        loud(ui, "READ ONLY".into(), hint, Color32::from_rgb(150, 95, 0));
    }
}
