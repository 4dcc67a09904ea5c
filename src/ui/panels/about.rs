//! Version, licence and what the program is not.

use egui::Context;

/// Draws it while `open`.
pub fn show(ctx: &Context, open: &mut bool, device: &str) {
    super::centred("About Maskwright", ctx).open(open).collapsible(false).resizable(false).show(ctx, |ui| {
        ui.set_width(380.0);
        ui.heading(format!("Maskwright {}", env!("CARGO_PKG_VERSION")));
        ui.label("See CT, see the predicted mask over it, correct it, retrain the network in place.");
        ui.label("For research and teaching. It is no medical device, and no figure it shows is a diagnosis.");
        ui.separator();
        ui.label(format!("Drawing on: {device}"));
        ui.label("Licence: MIT OR Apache-2.0");
    });
}
