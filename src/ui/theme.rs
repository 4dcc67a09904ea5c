//! Colours, spacing and text sizes of the window, dark and light.

use crate::workspace::ThemeChoice;
use egui::{Color32, Context, CornerRadius, FontId, Stroke, TextStyle, Vec2, Visuals};

/// Background of the slices: black in both themes, as on a reading station.
pub const PANE_BACKGROUND: [u8; 3] = [0, 0, 0];
/// Behind the 3-D view: not quite black, so that the edge of a dark body shows.
pub const VOLUME_BACKGROUND: [u8; 3] = [14, 17, 22];
/// Text over slices.
pub const PANE_TEXT: Color32 = Color32::from_rgb(205, 214, 222);
/// Crosshair lines per plane: axial, coronal, sagittal (as in 3D Slicer: red, green, yellow).
pub const PLANE_COLORS: [Color32; 3] =
    [Color32::from_rgb(236, 96, 92), Color32::from_rgb(110, 190, 110), Color32::from_rgb(232, 200, 84)];
/// Difference overlay: only A, only B, both; apart for the common forms of colour blindness.
pub const DIFFERENCE_COLORS: [[u8; 3]; 3] = [[230, 159, 0], [0, 114, 178], [0, 158, 115]];
/// What a preview would add and take away: brighter than every segment.
pub const PREVIEW_COLORS: [[u8; 3]; 2] = [[190, 255, 60], [255, 70, 70]];
/// Slices that are to do, corrected, approved.
pub const STATUS_COLORS: [Color32; 3] =
    [Color32::from_rgb(150, 156, 162), Color32::from_rgb(86, 180, 233), Color32::from_rgb(90, 200, 120)];
/// Voxels from a person, erased by one, from a model, from a file.
pub const SOURCE_COLORS: [[u8; 3]; 4] = [[230, 159, 0], [213, 94, 0], [86, 180, 233], [170, 170, 170]];
/// Accent of active controls.
pub const ACCENT: Color32 = Color32::from_rgb(64, 140, 210);

/// Sets style and scale for the whole context.
pub fn apply(ctx: &Context, theme: ThemeChoice) {
    let dark = theme == ThemeChoice::Dark;
    ctx.set_theme(if dark { egui::Theme::Dark } else { egui::Theme::Light });
    let mut visuals = if dark { Visuals::dark() } else { Visuals::light() };
    visuals.selection.bg_fill = if dark { Color32::from_rgb(32, 92, 146) } else { Color32::from_rgb(160, 205, 242) };
    visuals.selection.stroke = Stroke::new(1.0, if dark { Color32::WHITE } else { Color32::from_rgb(8, 40, 70) });
    visuals.hyperlink_color = ACCENT;
    if dark {
        visuals.panel_fill = Color32::from_rgb(27, 30, 34);
        visuals.window_fill = Color32::from_rgb(33, 37, 42);
        visuals.extreme_bg_color = Color32::from_rgb(16, 18, 21);
        visuals.override_text_color = Some(Color32::from_rgb(222, 226, 230));
    } else {
        visuals.panel_fill = Color32::from_rgb(244, 246, 248);
        visuals.window_fill = Color32::from_rgb(252, 252, 253);
        visuals.override_text_color = Some(Color32::from_rgb(28, 32, 36));
    }
    for widget in [
        &mut visuals.widgets.inactive,
        &mut visuals.widgets.hovered,
        &mut visuals.widgets.active,
        &mut visuals.widgets.open,
    ] {
        widget.corner_radius = CornerRadius::same(4);
    }
    let chosen = if dark { egui::Theme::Dark } else { egui::Theme::Light };
    ctx.set_visuals_of(chosen, visuals);
    ctx.all_styles_mut(|style| {
        style.spacing.item_spacing = Vec2::new(8.0, 6.0);
        style.spacing.button_padding = Vec2::new(8.0, 4.0);
        style.spacing.interact_size.y = 24.0;
        style.spacing.slider_width = 130.0;
        for (text, size) in
            [(TextStyle::Small, 11.5), (TextStyle::Body, 13.5), (TextStyle::Button, 13.5), (TextStyle::Heading, 18.0)]
        {
            style.text_styles.insert(text, FontId::proportional(size));
        }
        style.text_styles.insert(TextStyle::Monospace, FontId::monospace(12.5));
    });
}
