//! The question before a tilted or unevenly spaced series opens.

use crate::workspace::{Command, OpenCommand, ResampleAnswer, Workspace};
use egui::{Context, Id, Modal, RichText};

/// Draws the question while the workspace asks it. Enter takes what has the focus, at first "Resample"; Escape cancels.
pub fn show(ctx: &Context, workspace: &Workspace, out: &mut Vec<Command>) {
    let Some(question) = workspace.question() else { return };
    let mut answer = None;
    let shown = Modal::new(Id::unique("resample question")).show(ctx, |ui| {
        ui.set_width(460.0);
        ui.label(RichText::new("Resample to a regular grid?").strong());
        ui.add_space(4.0);
        ui.label(&question.reason);
        ui.add_space(4.0);
        let (d, s) = (question.grid.dims(), question.grid.spacing());
        ui.label(format!(
            "Resampled, it has {} x {} x {} voxels of {:.2} x {:.2} x {:.2} mm: every view is true to shape, and values \
             between slices are interpolated. DICOM masks drawn on it are written back onto the source slices.",
            d[0], d[1], d[2], s.x, s.y, s.z
        ));
        if let Some(consequence) = &question.as_it_is {
            ui.add_space(4.0);
            ui.label(format!("As it is: {consequence}"));
        }
        ui.add_space(8.0);
        ui.horizontal(|ui| {
            let resample = ui.button("Resample");
            if ui.memory(|m| m.focused().is_none()) {
                resample.request_focus();
            }
            if resample.clicked() {
                answer = Some(ResampleAnswer::Resample);
            }
            if question.as_it_is.is_some() && ui.button("Open as it is").clicked() {
                answer = Some(ResampleAnswer::AsItIs);
            }
            if ui.button("Cancel").clicked() {
                answer = Some(ResampleAnswer::Cancel);
            }
        });
    });
    if answer.is_none() && shown.should_close() {
        answer = Some(ResampleAnswer::Cancel);
    }
    out.extend(answer.map(|answer| OpenCommand::Answer(answer).into()));
}
