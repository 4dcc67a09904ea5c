//! The work of a cohort: each case with its progress, all together, and the way to the next one that has slices to do.

use super::path_dialog::{PathDialog, Purpose};
use super::patients::warning_color;
use super::slices::progress;
use crate::ui::keys::keys_of;
use crate::ui::shortcuts::Action;
use crate::workspace::{CaseLine, Command, OpenCommand, Progress, WorkCommand, Workspace};
use egui::{RichText, Ui};

/// The longest name on a bar, in characters.
const LONGEST: usize = 18;

/// The section.
pub fn show(ui: &mut Ui, workspace: &Workspace, dialog: &mut PathDialog, out: &mut Vec<Command>) {
    let lines = workspace.case_lines();
    let folder = workspace.caseload.folder();
    if folder.is_some() || lines.len() > 1 {
        ui.label(RichText::new("Work on the cases").strong());
        if let Some(name) = folder.and_then(|f| f.file_name()) {
            ui.label(RichText::new(name.to_string_lossy()).small().weak());
        }
        progress(ui, "All", workspace.cohort_progress());
        let active = workspace.active_document().map(|d| d.case.id);
        for line in &lines {
            row(ui, line, line.case.is_some() && line.case == active, out);
        }
        ui.horizontal(|ui| {
            for (text, back) in [("Previous case to do", true), ("Next case to do", false)] {
                if ui.button(text).on_hover_text(keys_of(Action::NextCase(back))).clicked() {
                    out.push(WorkCommand::NextCase { back }.into());
                }
            }
        });
    }
    if ui.button("List a folder of projects…").on_hover_text(keys_of(Action::ListCases)).clicked() {
        dialog.ask(Purpose::Cases, "");
    }
    ui.separator();
}

/// A name for a bar, which has room for its figures too. The whole name stands above it.
fn short(name: &str) -> String {
    if name.chars().count() > LONGEST {
        name.chars().take(LONGEST - 1).chain(['…']).collect()
    } else {
        name.to_owned()
    }
}

fn row(ui: &mut Ui, line: &CaseLine, shown: bool, out: &mut Vec<Command>) {
    let open = if line.case.is_some() { ", open" } else { "" };
    let button = ui.selectable_label(shown, format!("{}{open}", line.name));
    button.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Button, true, format!("Work on {}", line.name)));
    if button.clicked() {
        match (line.case, &line.path) {
            (Some(case), _) => out.push(OpenCommand::Activate(case).into()),
            (None, Some(path)) => out.push(OpenCommand::Path(path.clone()).into()),
            (None, None) => {}
        }
    }
    match &line.slices {
        Ok(slices) => progress(ui, &short(&line.name), Progress { slices: *slices, cases: [0, 1] }),
        Err(why) => {
            ui.label(RichText::new(why).small().color(warning_color(ui)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_names_leave_room_for_the_figures() {
        assert_eq!(short("first"), "first");
        assert_eq!(short("Überlanger Name eines Falls"), "Überlanger Name e…");
    }
}
