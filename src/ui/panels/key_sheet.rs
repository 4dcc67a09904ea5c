//! The key sheet: made from the table that binds the keys, so it cannot be wrong.

use crate::ui::shortcuts::{BINDINGS, POINTER_HABITS};
use egui::{Align2, Context, Grid, RichText, ScrollArea, Window};

/// Draws the sheet while `open`.
pub fn show(ctx: &Context, open: &mut bool) {
    let height = ctx.content_rect().height() - 140.0;
    Window::new("Keys and pointer")
        .open(open)
        .anchor(Align2::CENTER_CENTER, [0.0, 0.0])
        .collapsible(false)
        .resizable(false)
        .default_size([700.0, height])
        .show(ctx, |ui| {
            ScrollArea::vertical().min_scrolled_height(height).max_height(height).show(ui, |ui| {
                ui.columns(2, |columns| {
                    let mut groups: Vec<&str> = Vec::new();
                    for binding in BINDINGS {
                        if !groups.contains(&binding.group) {
                            groups.push(binding.group);
                        }
                    }
                    let half = groups.len().div_ceil(2);
                    for (n, group) in groups.iter().enumerate() {
                        let ui = &mut columns[usize::from(n >= half)];
                        ui.add_space(4.0);
                        ui.label(RichText::new(*group).strong());
                        Grid::new(("keys", *group)).num_columns(2).spacing([14.0, 3.0]).show(ui, |ui| {
                            for b in BINDINGS.iter().filter(|b| b.group == *group) {
                                ui.monospace(b.keys());
                                ui.label(b.text);
                                ui.end_row();
                            }
                        });
                    }
                    let ui = &mut columns[0];
                    ui.add_space(4.0);
                    ui.label(RichText::new("Pointer").strong());
                    Grid::new("pointer habits").num_columns(2).spacing([14.0, 3.0]).show(ui, |ui| {
                        for (what, does) in POINTER_HABITS {
                            ui.monospace(*what);
                            ui.label(*does);
                            ui.end_row();
                        }
                    });
                });
            });
        });
}
