//! The menu bar. Every entry does something now; what does not apply is not shown.

use super::edit_mask::OperationKind;
use crate::core::Plane;
use crate::ui::layout::Arrangement;
use crate::ui::shortcuts::{Action, keys_of};
use crate::workspace::{CohortCommand, Command, OpenCommand, Workspace};
use egui::{Button, ScrollArea, Ui};

/// Height in points that the longest menu may need.
const TALLEST: f32 = 560.0;

/// What only the window can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MenuRequest {
    ExportVolume,
    About,
    Messages,
    ResetLayout,
    Settings,
    Quit,
}

/// Draws the bar.
pub fn show(
    ui: &mut Ui,
    workspace: &Workspace,
    actions: &mut Vec<Action>,
    requests: &mut Vec<MenuRequest>,
    out: &mut Vec<Command>,
) {
    egui::MenuBar::new().ui(ui, |ui| {
        let document = workspace.active_document();
        menu(ui, "File", |ui| {
            entry(ui, "Open…", Action::Open, actions);
            if !workspace.settings.recent.is_empty() {
                ui.menu_button("Open recent", |ui| {
                    for path in &workspace.settings.recent {
                        if ui.button(path.display().to_string()).clicked() {
                            out.push(OpenCommand::Path(path.clone()).into());
                            ui.close();
                        }
                    }
                });
            }
            if ui.button("Demo patient").clicked() {
                out.push(OpenCommand::DemoPatient.into());
                ui.close();
            }
            if let Some(document) = document {
                ui.separator();
                entry(ui, "Save project", Action::SaveProject, actions);
                entry(ui, "Import mask…", Action::ImportMask, actions);
                if document.layer().is_some() {
                    entry(ui, "Export layer…", Action::ExportMask, actions);
                }
                if document.case.layers.len() > 1 {
                    entry(ui, "Export all layers…", Action::ExportLayers, actions);
                }
                if document.segment().is_some() {
                    entry(ui, "Export surface…", Action::ExportSurface, actions);
                }
                if document.stack().is_some() {
                    entry(ui, "Export without identity…", Action::ExportDeidentified, actions);
                }
                if workspace.documents().iter().any(|d| d.case.layers.iter().any(|l| l.reviewed)) {
                    entry(ui, "Export reviewed cases…", Action::ExportReviewed, actions);
                }
                if document.case.volume.is_some() {
                    entry(ui, "Export slices as GIF or PNG…", Action::ExportStack, actions);
                }
                if document.case.volume.is_some() && ui.button("Export image…").clicked() {
                    requests.push(MenuRequest::ExportVolume);
                    ui.close();
                }
                if ui.button("Close case").clicked() {
                    out.push(OpenCommand::Close(document.case.id).into());
                    ui.close();
                }
            }
            ui.separator();
            if ui.button("Quit").clicked() {
                requests.push(MenuRequest::Quit);
                ui.close();
            }
        });
        if let Some(document) = document {
            menu(ui, "Edit", |ui| {
                for (name, word, action) in
                    [(document.undo_name(), "Undo", Action::Undo), (document.redo_name(), "Redo", Action::Redo)]
                {
                    let text =
                        name.map_or_else(|| format!("Nothing to {}", word.to_lowercase()), |n| format!("{word}: {n}"));
                    if name.is_some() {
                        entry(ui, &text, action, actions);
                    } else {
                        ui.add_enabled(false, Button::new(text));
                    }
                }
                ui.separator();
                entry(ui, "New layer", Action::NewLayer, actions);
                entry(ui, "Add segment", Action::AddSegment, actions);
                ui.separator();
                ui.menu_button("Edit mask", |ui| {
                    for kind in OperationKind::ALL {
                        entry(ui, &format!("{}…", kind.name()), Action::Operation(kind), actions);
                    }
                    ui.separator();
                    entry(ui, "Copy to the slice above", Action::CopySlice(1), actions);
                    entry(ui, "Copy to the slice below", Action::CopySlice(-1), actions);
                    super::edit_rules::menu_entries(ui, document, out);
                    entry(ui, "Exchange left and right lung", Action::SwapLungs, actions);
                });
            });
        }
        menu(ui, "View", |ui| {
            let shown = workspace.cohort.shown;
            if ui.selectable_label(shown, "Cohort under the slices").clicked() {
                out.push(CohortCommand::Show(!shown).into());
                ui.close();
            }
            if document.is_some() {
                entry(ui, "Fit slices", Action::Fit, actions);
                entry(ui, "Crosshair lines", Action::ToggleCrosshair, actions);
                entry(ui, "Invert grey", Action::Invert, actions);
                entry(ui, "Voxels, linear or cubic", Action::ToggleInterpolation, actions);
                entry(ui, "Straight planes again", Action::StraightPlanes, actions);
                entry(ui, "Only outlines while painting", Action::ToggleOutlineWhilePainting, actions);
                entry(ui, "Play or stop the stack", Action::Cine, actions);
                entry(ui, "One pane or all", Action::Maximise, actions);
                ui.menu_button("Keys act on", |ui| {
                    for plane in Plane::ALL {
                        entry(ui, &format!("{} pane", plane.name()), Action::Plane(plane), actions);
                    }
                });
                ui.menu_button("Layout", |ui| {
                    for arrangement in Arrangement::ALL {
                        entry(ui, arrangement.name(), Action::Arrange(arrangement), actions);
                    }
                });
                ui.separator();
            }
            if ui.button("Reset panel layout").clicked() {
                requests.push(MenuRequest::ResetLayout);
                ui.close();
            }
            entry(ui, "Light or dark window", Action::ToggleTheme, actions);
            if ui.button("Settings…").clicked() {
                requests.push(MenuRequest::Settings);
                ui.close();
            }
        });
        menu(ui, "Help", |ui| {
            entry(ui, "Keys and pointer", Action::KeySheet, actions);
            entry(ui, "Command palette", Action::Palette, actions);
            if ui.button("Messages").clicked() {
                requests.push(MenuRequest::Messages);
                ui.close();
            }
            if ui.button("About Maskwright").clicked() {
                requests.push(MenuRequest::About);
                ui.close();
            }
        });
    });
}

/// A menu of the bar; where the window is too low for all of it, it scrolls.
fn menu(ui: &mut Ui, title: &str, add: impl FnOnce(&mut Ui)) {
    ui.menu_button(title, |ui| {
        let room = ui.ctx().content_rect().height() - 60.0;
        if room < TALLEST {
            ScrollArea::vertical().max_height(room).show(ui, add);
        } else {
            add(ui);
        }
    });
}

fn entry(ui: &mut Ui, text: &str, action: Action, actions: &mut Vec<Action>) {
    if ui.add(Button::new(text).shortcut_text(keys_of(action))).clicked() {
        actions.push(action);
        ui.close();
    }
}
