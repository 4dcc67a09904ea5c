//! The panels around the slices. Each draws from `&Workspace` and pushes commands; none keeps a copy of the document.

pub mod about;
pub mod cases;
mod color;
pub mod edit_history;
pub mod edit_joint;
pub mod edit_mask;
pub mod edit_rules;
pub mod key_sheet;
pub mod layers;
pub mod learn;
pub mod mask_chooser;
pub mod measure;
pub mod menu;
pub mod mirror;
pub mod palette;
pub mod path_dialog;
pub mod patients;
pub mod picture;
pub mod resample;
pub mod review;
pub mod settings;
pub mod slices;
pub mod start;
pub mod status;
pub mod toolbar;
pub mod train;
pub mod view;

use crate::workspace::Workspace;
use egui::{
    Align2, Button, Color32, Context, CornerRadius, IntoAtoms, ProgressBar, Response, RichText, ScrollArea, Ui, Window,
};

/// Width in points that the panels at the sides are made for.
const SIDE_WIDTH: f32 = 220.0;

/// What a panel at the side shows. It scrolls, sideways too where the panel is narrower than it was made for.
pub(super) fn scrolled(ui: &mut Ui, add: impl FnOnce(&mut Ui)) {
    ScrollArea::both().auto_shrink([false, false]).show(ui, |ui| {
        ui.set_min_width(SIDE_WIDTH);
        add(ui);
    });
}

/// One of several ways or tools. It has a frame whether it is chosen or not: without one it reads as a heading.
pub(super) fn framed<'a>(ui: &mut Ui, chosen: bool, text: impl IntoAtoms<'a>) -> Response {
    ui.add(Button::selectable(chosen, text).frame_when_inactive(true))
}

/// The same for a value that is to be `this` after a click.
fn framed_value<'a, T: PartialEq>(ui: &mut Ui, value: &mut T, this: T, text: impl IntoAtoms<'a>) -> Response {
    let button = framed(ui, *value == this, text);
    if button.clicked() {
        *value = this;
    }
    button
}

/// A bar of progress with the corners of a button. Where nothing is done nothing is filled: egui's least part would lie
/// over the first letter of its words.
pub(super) fn bar(part: f32) -> ProgressBar {
    let bar = ProgressBar::new(part).corner_radius(CornerRadius::same(4));
    if part > 0.0 { bar } else { bar.fill(Color32::TRANSPARENT) }
}

/// A window in the middle at first, which the user can move.
pub(super) fn centred(title: &'static str, ctx: &Context) -> Window<'static> {
    Window::new(title).pivot(Align2::CENTER_CENTER).default_pos(ctx.content_rect().center())
}

/// What it costs training that drawing and predictions come first, where it costs anything.
fn price_of_waiting(ui: &mut Ui, workspace: &Workspace) {
    if let Some(share) = workspace.learning.arbiter.training_share().filter(|s| *s < 0.995) {
        let text = format!("Training had {:.0} % of the time; drawing and predictions came first.", share * 100.0);
        ui.label(RichText::new(text).small());
    }
}
