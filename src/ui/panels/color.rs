//! The colour of a segment: the colours that new segments get, which stay apart for colour blindness too, and any other by
//! its parts of red, green and blue. Used by the layer panel.

use crate::core::default_color;
use egui::containers::menu::{MenuButton, MenuConfig};
use egui::{Color32, DragValue, Grid, PopupCloseBehavior, Response, Sense, Stroke, StrokeKind, Ui, Vec2};

/// Side of a patch in points.
const PATCH: f32 = 18.0;
/// Patches offered, and how many stand in a row.
const OFFERED: u8 = 35;
const ROW: u8 = 7;

/// A patch of the colour that opens the chooser; gives the colour that was chosen.
pub(super) fn chooser(ui: &mut Ui, name: &str, now: [u8; 3]) -> Option<[u8; 3]> {
    let mut chosen = None;
    let [r, g, b] = now;
    let text = format!("Colour of {name}");
    let button = egui::Button::new("").fill(Color32::from_rgb(r, g, b)).min_size(Vec2::splat(PATCH));
    // A number is typed into it.
    let config = MenuConfig::new().close_behavior(PopupCloseBehavior::CloseOnClickOutside);
    let (response, _) = MenuButton::from_button(button).config(config).ui(ui, |ui| {
        ui.label("Colour");
        // A grid's columns and rows are as large as buttons unless they are told otherwise.
        let grid = Grid::new("colours").spacing(Vec2::splat(4.0)).min_col_width(PATCH).min_row_height(PATCH);
        grid.show(ui, |ui| {
            for n in 0..OFFERED {
                let color = default_color(n + 1);
                if patch(ui, color, color == now, n + 1).clicked() {
                    chosen = Some(color);
                    ui.close();
                }
                if n % ROW == ROW - 1 {
                    ui.end_row();
                }
            }
        });
        ui.horizontal(|ui| {
            let mut parts = now;
            for (part, word) in parts.iter_mut().zip(["Red", "Green", "Blue"]) {
                let label = ui.label(word);
                ui.add(DragValue::new(part).update_while_editing(false)).labelled_by(label.id);
            }
            chosen = chosen.or((parts != now).then_some(parts));
        });
    });
    response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::ColorWell, true, &text));
    response.on_hover_text("Colour");
    chosen
}

fn patch(ui: &mut Ui, [r, g, b]: [u8; 3], is_now: bool, number: u8) -> Response {
    let (rect, response) = ui.allocate_exact_size(Vec2::splat(PATCH), Sense::click());
    response.widget_info(|| egui::WidgetInfo::selected(egui::Role::Button, true, is_now, format!("Colour {number}")));
    ui.painter().rect_filled(rect, 3.0, Color32::from_rgb(r, g, b));
    if is_now || response.hovered() || response.has_focus() {
        let stroke = Stroke::new(2.0, ui.visuals().strong_text_color());
        ui.painter().rect_stroke(rect, 3.0, stroke, StrokeKind::Outside);
    }
    response
}
