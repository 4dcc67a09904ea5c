//! Colours, spacing and text sizes of the window, dark and light.

use crate::workspace::ThemeChoice;
use egui::{Color32, Context, CornerRadius, FontId, Stroke, TextStyle, Vec2, Visuals};

/// Background of the slices: black in both themes, as on a reading station.
pub const PANE_BACKGROUND: [u8; 3] = [0, 0, 0];
/// Behind the 3-D view: not quite black, so that the edge of a dark body shows.
pub const VOLUME_BACKGROUND: [u8; 3] = [14, 17, 22];
/// Text over slices.
pub const PANE_TEXT: Color32 = Color32::from_rgb(205, 214, 222);
/// Crosshair lines per plane: axial, coronal, sagittal. 3D Slicer's are red, green and yellow, of which the last two come
/// together for the colour-blind: blue stands for green.
pub const PLANE_COLORS: [Color32; 3] =
    [Color32::from_rgb(236, 96, 92), Color32::from_rgb(86, 180, 233), Color32::from_rgb(240, 228, 66)];
/// Difference overlay: only A, only B, both; apart for the common forms of colour blindness.
pub const DIFFERENCE_COLORS: [[u8; 3]; 3] = [[230, 159, 0], [0, 114, 178], [0, 158, 115]];
/// What a preview would add and take away: apart from each other and from the segments' palette for the common forms of
/// colour blindness. (Orange and blue are segments already.)
pub const PREVIEW_COLORS: [[u8; 3]; 2] = [[187, 255, 153], [160, 70, 255]];
/// Prompts that lie inside and outside of what is wanted, and words about a preview.
pub const PROMPT_COLORS: [Color32; 2] = [Color32::from_rgb(187, 255, 153), Color32::from_rgb(176, 96, 255)];
/// Slices that are to do, corrected, approved.
pub const STATUS_COLORS: [Color32; 3] =
    [Color32::from_rgb(150, 156, 162), Color32::from_rgb(70, 150, 235), Color32::from_rgb(120, 220, 110)];
/// Voxels from a person, erased by one, from a model, from a file.
pub const SOURCE_COLORS: [[u8; 3]; 4] = [[230, 159, 0], [213, 94, 0], [86, 180, 233], [170, 170, 170]];
/// Accent of active controls.
pub const ACCENT: Color32 = Color32::from_rgb(64, 140, 210);

/// The done part of a bar of progress that has words on it.
pub fn progress_fill() -> Color32 {
    STATUS_COLORS[1].gamma_multiply(0.6)
}

/// Sets style and scale for the whole context.
pub fn apply(ctx: &Context, theme: ThemeChoice) {
    let dark = theme == ThemeChoice::Dark;
    ctx.set_theme(if dark { egui::Theme::Dark } else { egui::Theme::Light });
    let mut visuals = if dark { Visuals::dark() } else { Visuals::light() };
    visuals.selection.bg_fill = if dark { Color32::from_rgb(32, 92, 146) } else { Color32::from_rgb(160, 205, 242) };
    visuals.selection.stroke = Stroke::new(1.0, if dark { Color32::WHITE } else { Color32::from_rgb(8, 40, 70) });
    if dark {
        visuals.hyperlink_color = Color32::from_rgb(90, 165, 230);
        visuals.warn_fg_color = Color32::from_rgb(240, 180, 80);
        visuals.error_fg_color = Color32::from_rgb(255, 120, 110);
        visuals.panel_fill = Color32::from_rgb(27, 30, 34);
        visuals.window_fill = Color32::from_rgb(33, 37, 42);
        visuals.extreme_bg_color = Color32::from_rgb(16, 18, 21);
        visuals.override_text_color = Some(Color32::from_rgb(222, 226, 230));
        // egui's greys are neutral, which looks brown on these panels.
        let widgets = &mut visuals.widgets;
        widgets.noninteractive.bg_stroke.color = Color32::from_rgb(55, 61, 68);
        for (widget, fill) in [
            (&mut widgets.inactive, Color32::from_rgb(48, 54, 61)),
            (&mut widgets.hovered, Color32::from_rgb(62, 70, 79)),
            (&mut widgets.active, Color32::from_rgb(50, 70, 90)),
            (&mut widgets.open, Color32::from_rgb(41, 46, 53)),
        ] {
            widget.bg_fill = fill;
            widget.weak_bg_fill = fill;
        }
    } else {
        visuals.hyperlink_color = Color32::from_rgb(20, 90, 160);
        visuals.warn_fg_color = Color32::from_rgb(150, 90, 0);
        visuals.error_fg_color = Color32::from_rgb(180, 20, 20);
        visuals.weak_text_alpha = 0.68;
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
        // The boxes of choices, and the button that closes a window: no smaller than a pointer can hit with ease.
        style.spacing.icon_width = 16.0;
        style.spacing.icon_width_inner = 9.0;
        for (text, size) in
            [(TextStyle::Small, 11.5), (TextStyle::Body, 13.5), (TextStyle::Button, 13.5), (TextStyle::Heading, 18.0)]
        {
            style.text_styles.insert(text, FontId::proportional(size));
        }
        style.text_styles.insert(TextStyle::Monospace, FontId::monospace(12.5));
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::{PALETTE, Segment};

    type Matrix = [[f64; 3]; 3];

    /// Linear RGB as it is seen, from Machado, Oliveira and Fernandes (2009), "A Physiologically-based Model for
    /// Simulation of Color Vision Deficiency", severity 1.0.
    const VISION: [(&str, Matrix); 4] = [
        ("common vision", [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]),
        (
            "protanopia",
            [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
        ),
        (
            "deuteranopia",
            [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
        ),
        (
            "tritanopia",
            [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
        ),
    ];

    /// CIE Lab (D65) of an sRGB colour as it is seen.
    fn lab(color: [u8; 3], vision: &Matrix) -> [f64; 3] {
        let linear = color.map(|c| {
            let c = f64::from(c) / 255.0;
            if c <= 0.04045 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) }
        });
        let times = |m: &Matrix, v: [f64; 3]| m.map(|row| row.iter().zip(v).map(|(a, b)| a * b).sum::<f64>());
        let seen = times(vision, linear).map(|c| c.clamp(0.0, 1.0));
        let xyz_from_rgb =
            [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]];
        let [x, y, z] = times(&xyz_from_rgb, seen);
        let f = |t: f64| if t > 216.0 / 24389.0 { t.cbrt() } else { (24389.0 / 27.0 * t + 16.0) / 116.0 };
        let [x, y, z] = [f(x / 0.95047), f(y), f(z / 1.08883)];
        [116.0 * y - 16.0, 500.0 * (x - y), 200.0 * (y - z)]
    }

    fn distance(a: [u8; 3], b: [u8; 3], vision: &Matrix) -> f64 {
        let (a, b) = (lab(a, vision), lab(b, vision));
        a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt()
    }

    /// Fails when two colours of a set are nearer than `least` for someone.
    fn apart(set: &str, colors: &[[u8; 3]], least: f64) {
        for (name, vision) in &VISION {
            for (n, a) in colors.iter().enumerate() {
                for b in &colors[..n] {
                    let found = distance(*a, *b, vision);
                    assert!(found >= least, "{set}, {name}: {a:?} and {b:?} are {found:.1} apart");
                }
            }
        }
    }

    fn rgb(color: Color32) -> [u8; 3] {
        [color.r(), color.g(), color.b()]
    }

    #[test]
    fn distances_are_those_of_lab() {
        let common = &VISION[0].1;
        let white = lab([255; 3], common);
        assert!((white[0] - 100.0).abs() < 0.01 && white[1].abs() < 0.02 && white[2].abs() < 0.02, "{white:?}");
        // Pure red is L 53.24, a 80.09, b 67.20.
        let red = lab([255, 0, 0], common);
        assert!(red.iter().zip([53.24, 80.09, 67.20]).all(|(a, b)| (a - b).abs() < 0.05), "{red:?}");
        // Greys stay grey for everyone, and a red and a green of one lightness come together for deuteranopes.
        for (name, vision) in &VISION {
            assert!(distance([128; 3], [128; 3], vision) == 0.0 && lab([128; 3], vision)[1].abs() < 1.0, "{name}");
        }
        let pair = [[255, 110, 100], [90, 230, 120]];
        assert!(distance(pair[0], pair[1], &VISION[2].1) < 15.0 && distance(pair[0], pair[1], common) > 100.0);
    }

    #[test]
    fn colours_stay_apart_for_the_common_forms_of_colour_blindness() {
        apart("palette", &PALETTE, 15.0);
        apart("preview", &PREVIEW_COLORS, 60.0);
        apart("prompts", &PROMPT_COLORS.map(rgb), 50.0);
        apart("difference", &DIFFERENCE_COLORS, 15.0);
        apart("planes", &PLANE_COLORS.map(rgb), 40.0);
        apart("status", &STATUS_COLORS.map(rgb), 20.0);
        apart("sources", &SOURCE_COLORS, 15.0);
        // A preview lies among the segments.
        for mark in PREVIEW_COLORS {
            for segment in PALETTE {
                apart("preview among segments", &[mark, segment], 25.0);
            }
        }
    }

    #[test]
    fn the_first_35_segments_can_be_told_apart() {
        let colors: Vec<[u8; 3]> = (1..=35).map(|id| Segment::new(id, "A").color).collect();
        // Names and outlines help where so many colours come near each other; 2.3 is a just noticeable difference.
        apart("35 segments", &colors, 3.5);
        for (n, a) in colors.iter().enumerate() {
            for b in &colors[..n] {
                assert!(distance(*a, *b, &VISION[0].1) >= 7.0, "{a:?} and {b:?}");
            }
        }
    }

    /// Relative luminance of what is seen, WCAG 2.2.
    fn luminance(color: [f64; 3]) -> f64 {
        let [r, g, b] = color.map(|c| {
            let c = c / 255.0;
            if c <= 0.04045 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) }
        });
        0.2126 * r + 0.7152 * g + 0.0722 * b
    }

    /// Contrast ratio of a text and what is under it (opaque), WCAG 2.2.
    fn contrast(text: Color32, ground: Color32) -> f64 {
        let under = rgb(ground).map(f64::from);
        let [a, b] = [luminance(over(text, under)), luminance(under)];
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    /// A colour that lets something of what is under it through: egui multiplies it by its opacity beforehand.
    fn over(color: Color32, under: [f64; 3]) -> [f64; 3] {
        let through = 1.0 - f64::from(color.a()) / 255.0;
        std::array::from_fn(|n| f64::from(rgb(color)[n]) + through * under[n])
    }

    #[test]
    fn texts_stand_out_from_what_is_under_them() {
        assert!((contrast(Color32::BLACK, Color32::WHITE) - 21.0).abs() < 1e-9);
        assert!((contrast(Color32::from_gray(119), Color32::WHITE) - 4.48).abs() < 0.01);
        for theme in [ThemeChoice::Dark, ThemeChoice::Light] {
            let ctx = Context::default();
            apply(&ctx, theme);
            let chosen = if theme == ThemeChoice::Dark { egui::Theme::Dark } else { egui::Theme::Light };
            let style = ctx.style_of(chosen);
            let v = &style.visuals;
            let enough = |what: &str, text: Color32, ground: Color32| {
                let found = contrast(text, ground);
                assert!(found >= 4.5, "{theme:?}, {what}: {text:?} on {ground:?} has {found:.2}");
            };
            for ground in [v.panel_fill, v.window_fill, v.extreme_bg_color] {
                enough("text", v.text_color(), ground);
                enough("strong text", v.strong_text_color(), ground);
                enough("weak text", v.weak_text_color(), ground);
                enough("a link", v.hyperlink_color, ground);
                enough("a warning", v.warn_fg_color, ground);
                enough("an error", v.error_fg_color, ground);
            }
            for widget in [&v.widgets.inactive, &v.widgets.hovered, &v.widgets.active, &v.widgets.open] {
                enough("a button", v.text_color(), widget.weak_bg_fill);
            }
            enough("what is chosen", v.text_color(), v.selection.bg_fill);
            let [r, g, b] = over(progress_fill(), rgb(v.extreme_bg_color).map(f64::from)).map(|c| c as u8);
            enough("progress", v.text_color(), Color32::from_rgb(r, g, b));
        }
        let [r, g, b] = PANE_BACKGROUND;
        let over_slices = [PANE_TEXT, PROMPT_COLORS[0]].into_iter().chain(PLANE_COLORS).chain(STATUS_COLORS);
        for text in over_slices {
            assert!(contrast(text, Color32::from_rgb(r, g, b)) >= 4.5, "{text:?} over a slice");
        }
        let [r, g, b] = VOLUME_BACKGROUND;
        assert!(contrast(ACCENT, Color32::from_rgb(r, g, b)) >= 4.5);
    }
}
