//! The offer to mirror a mask that says nowhere how it lies and would fit the image better so.

use crate::workspace::{Command, LayerCommand, Workspace};
use egui::{Align2, Context, Window};

/// Points from the window's top: below the menu and the tools.
const TOP: f32 = 84.0;

/// Drawn while the active case has such a mask; work goes on beside it.
pub fn show(ctx: &Context, workspace: &Workspace, out: &mut Vec<Command>) {
    let Some(offer) = workspace.active_document().and_then(|d| d.mirror_offer()) else { return };
    Window::new("Mirror the mask?").collapsible(false).resizable(false).anchor(Align2::CENTER_TOP, [0.0, TOP]).show(
        ctx,
        |ui| {
            ui.set_width(420.0);
            ui.label(format!("{}: its file does not say how it lies. {}", offer.name, offer.reason));
            ui.horizontal(|ui| {
                if ui.button("Mirror it").clicked() {
                    out.push(LayerCommand::AnswerMirror(true).into());
                }
                if ui.button("Leave it as it is").clicked() {
                    out.push(LayerCommand::AnswerMirror(false).into());
                }
            });
        },
    );
}
