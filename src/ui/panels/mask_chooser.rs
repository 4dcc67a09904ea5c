//! Several masks lie beside an opened series: which become layers, and under which names.

use crate::core::CaseId;
use crate::io::MaskSource;
use crate::workspace::{Command, FileCommand, Workspace};
use egui::{Context, Grid, Id, ScrollArea, TextEdit};
use std::collections::BTreeSet;

/// Asks once for each case that is opened with several masks, and again when [`ask`] was called.
#[derive(Default)]
pub struct MaskChooser {
    /// Cases that it has been shown for.
    seen: BTreeSet<CaseId>,
    open: Option<Choice>,
}

/// What has been chosen so far.
struct Choice {
    case: CaseId,
    rows: Vec<Row>,
}

struct Row {
    file: String,
    wanted: bool,
    name: String,
}

fn flag() -> Id {
    Id::unique("choose among the masks beside the series")
}

/// Shows the chooser for the active case from the next frame on.
pub fn ask(ctx: &Context) {
    ctx.data_mut(|data| data.insert_temp(flag(), true));
}

impl MaskChooser {
    /// Drawn beside the work, which goes on.
    pub fn show(&mut self, ctx: &Context, workspace: &Workspace, out: &mut Vec<Command>) {
        let asked = ctx.data_mut(|data| data.remove_temp::<bool>(flag())).unwrap_or_default();
        let Some(document) = workspace.active_document() else {
            self.open = None;
            return;
        };
        let case = document.case.id;
        let found = workspace.found_masks();
        // Once all slices are read: whether a mask would fit better mirrored can be told then.
        let first = document.case.volume.is_some() && found.len() > 1 && self.seen.insert(case);
        if !found.is_empty() && (first || asked) {
            self.open = Some(Choice { case, rows: found.iter().map(row).collect() });
        }
        let Some(choice) = self.open.as_mut().filter(|c| c.case == case) else { return };
        let mut answer = None;
        super::centred("Masks beside this series", ctx).collapsible(false).resizable(false).show(ctx, |ui| {
            ui.set_width(360.0);
            ui.label("Several masks belong to this series. Which are to become layers, and under which names?");
            ScrollArea::vertical().max_height(300.0).show(ui, |ui| {
                Grid::new("masks beside the series").num_columns(2).show(ui, |ui| {
                    for row in &mut choice.rows {
                        ui.checkbox(&mut row.wanted, &row.file);
                        let field = TextEdit::singleline(&mut row.name).desired_width(150.0);
                        ui.add_enabled(row.wanted, field).accessible_name(format!("Layer name for {}", row.file));
                        ui.end_row();
                    }
                });
            });
            let count = choice.rows.iter().filter(|r| r.wanted).count();
            ui.horizontal(|ui| {
                let text = if count == 1 { "Open 1 as a layer".to_owned() } else { format!("Open {count} as layers") };
                let load = egui::Button::new(text);
                if ui.add_enabled(count > 0, load).clicked() {
                    answer = Some(true);
                }
                if ui.button("Not now").clicked() {
                    answer = Some(false);
                }
            });
        });
        let Some(load) = answer else { return };
        if load {
            let chosen = choice.rows.iter().enumerate().filter(|(_, r)| r.wanted);
            out.push(FileCommand::ImportFound(chosen.map(|(n, r)| (n, r.name.clone())).collect()).into());
        }
        self.open = None;
    }
}

/// All are wanted at first, under the names of their files.
fn row(mask: &MaskSource) -> Row {
    Row { file: mask.shown_name().into_owned(), wanted: true, name: mask.name.clone() }
}
