//! Window with its histogram, interpolation, slab, colour map, fusion and cine: a part of the View panel.

use crate::core::{ColorMap, Histogram, Interpolation, SlabMode, ValueScale, Window};
use crate::ui::keys::with_keys;
use crate::ui::shortcuts::Action;
use crate::ui::theme::ACCENT;
use crate::ui::viewer::{CINE_RATES, Viewer};
use crate::workspace::{Command, Document, MeasureCommand, PictureCommand, SlabChoice, ViewCommand, Workspace};
use egui::{
    Color32, ComboBox, DragValue, Mesh, Pos2, Rect, Response, RichText, Sense, Shape, Slider, Stroke, Ui, Vec2,
};

/// Height of the histogram in points.
const HEIGHT: f32 = 72.0;

/// Draws the part.
pub fn show(ui: &mut Ui, workspace: &Workspace, document: &Document, viewer: &mut Viewer, out: &mut Vec<Command>) {
    ui.label(RichText::new("Window").strong());
    if document.wants_histogram() {
        out.push(MeasureCommand::Histogram.into());
    }
    if let Some(histogram) = document.histogram() {
        window(ui, histogram, document.view.window, &document.values(), out);
    } else {
        // Its place and that of the fields below it, so that nothing moves under the pointer when it comes.
        let fields = ui.spacing().item_spacing.y + ui.spacing().interact_size.y;
        let (_, place) = ui.allocate_space(Vec2::new(ui.available_width().max(60.0), HEIGHT + fields));
        let empty = place.with_max_y(place.top() + HEIGHT);
        ui.painter().rect_filled(empty, 2.0, ui.visuals().extreme_bg_color);
    }
    let mut invert = document.view.invert;
    if ui.checkbox(&mut invert, "Invert").changed() {
        out.push(ViewCommand::Invert.into());
    }
    list(ui, "Colour map", document.view.color_map, &ColorMap::ALL, ColorMap::name, |m| {
        out.push(PictureCommand::ColorMap(m).into());
    });
    ui.separator();
    ui.label(RichText::new("Slices").strong());
    let way = workspace.overlay.interpolation;
    list(ui, "Interpolation", way, &Interpolation::ALL, Interpolation::name, |i| {
        out.push(PictureCommand::Interpolation(i).into());
    });
    slab(ui, document.view.slab, out);
    if document.view.oblique.is_some() && ui.button("Straight planes again").clicked() {
        out.push(PictureCommand::StraightPlanes.into());
    }
    let mut outlines = workspace.overlay.outline_while_painting;
    if ui.checkbox(&mut outlines, "Only outlines while painting").changed() {
        out.push(ViewCommand::ToggleOutlineWhilePainting.into());
    }
    ui.horizontal(|ui| {
        let name = if viewer.is_playing() { "Stop" } else { "Play" };
        if ui.button(name).on_hover_text(with_keys("The pane that keys act on", Action::Cine)).clicked() {
            viewer.toggle_cine();
        }
        let label = ui.label("Speed");
        let rate = DragValue::new(viewer.cine_rate()).range(CINE_RATES).speed(0.2).suffix(" /s").max_decimals(0);
        ui.add(rate).labelled_by(label.id).on_hover_text("Slices per second, also of an exported GIF");
    });
    ui.separator();
    fusion(ui, workspace, document, out);
}

/// A labelled list.
fn list<T: PartialEq + Copy>(
    ui: &mut Ui,
    name: &str,
    now: T,
    all: &[T],
    text: impl Fn(T) -> &'static str,
    mut chosen: impl FnMut(T),
) {
    ui.horizontal(|ui| {
        let label = ui.label(name);
        ComboBox::from_id_salt(("picture", name))
            .selected_text(text(now))
            .show_ui(ui, |ui| {
                for &value in all {
                    if ui.selectable_label(now == value, text(value)).clicked() {
                        chosen(value);
                    }
                }
            })
            .response
            .labelled_by(label.id);
    });
}

fn slab(ui: &mut Ui, now: SlabChoice, out: &mut Vec<Command>) {
    let mut mm = now.mm;
    let label = ui.label("Slab thickness");
    ui.spacing_mut().slider_width = 90.0;
    let slider = Slider::new(&mut mm, 0.0..=100.0).suffix(" mm").max_decimals(1);
    let field = ui.add(slider).labelled_by(label.id).accessible_name("Slab thickness");
    if field.on_hover_text("0: one slice").changed() {
        out.push(PictureCommand::Slab(SlabChoice { mm, ..now }).into());
    }
    list(ui, "Slab shows", now.mode, &SlabMode::ALL, SlabMode::name, |mode| {
        out.push(PictureCommand::Slab(SlabChoice { mode, ..now }).into());
    });
}

fn fusion(ui: &mut Ui, workspace: &Workspace, document: &Document, out: &mut Vec<Command>) {
    let others: Vec<&Document> = workspace.documents().iter().filter(|d| d.case.id != document.case.id).collect();
    ui.label(RichText::new("Fusion").strong());
    if others.is_empty() {
        ui.weak("Open a second case, a PET for example, to lay it over this one.");
        return;
    }
    let now = document.view.fusion.filter(|f| others.iter().any(|d| d.case.id == f.case));
    let name = now.and_then(|f| workspace.document(f.case)).map_or("Nothing", |d| d.case.name.as_str());
    let label = ui.label("Laid over");
    ComboBox::from_id_salt("fused case")
        .selected_text(name)
        .truncate()
        .show_ui(ui, |ui| {
            if ui.selectable_label(now.is_none(), "Nothing").clicked() {
                out.push(PictureCommand::Fuse(None).into());
            }
            for other in others {
                let chosen = now.is_some_and(|f| f.case == other.case.id);
                if ui.selectable_label(chosen, &other.case.name).clicked() {
                    out.push(PictureCommand::Fuse(Some(other.case.id)).into());
                }
            }
        })
        .response
        .labelled_by(label.id);
    let Some(fusion) = now else { return };
    let mut percent = fusion.opacity * 100.0;
    let label = ui.label("Opacity of fusion");
    let slider = Slider::new(&mut percent, 0.0..=100.0).suffix(" %").max_decimals(0);
    if ui.add(slider).labelled_by(label.id).accessible_name("Opacity of fusion").changed() {
        out.push(PictureCommand::FusionOpacity(percent / 100.0).into());
    }
    list(ui, "Colours of fusion", fusion.color_map, &ColorMap::ALL, ColorMap::name, |m| {
        out.push(PictureCommand::FusionColorMap(m).into());
    });
    let values = workspace.document(fusion.case).map_or_else(ValueScale::hounsfield, Document::values);
    ui.horizontal(|ui| {
        let Window { window_width: mut width, window_center: mut center, .. } = values.of_values(fusion.window);
        let (step, digits) = (values.scale(), values.decimals());
        let w = ui.label("W");
        let wide = DragValue::new(&mut width).speed(5.0 * step).range(step..=65_536.0 * step).max_decimals(digits);
        let changed = named(ui.add(wide).labelled_by(w.id), "Window width of fusion", width);
        let l = ui.label("L");
        let level = DragValue::new(&mut center).speed(5.0 * step).max_decimals(digits);
        let moved = named(ui.add(level).labelled_by(l.id), "Window level of fusion", center);
        ui.label(values.unit());
        if changed.changed() || moved.changed() {
            let window = Window::new(values.sample(width), values.sample(center));
            out.push(PictureCommand::FusionWindow(window).into());
        }
    });
}

fn named(field: Response, name: &str, value: f64) -> Response {
    field.widget_info(|| {
        let mut info = egui::WidgetInfo::labeled(egui::Role::SpinButton, true, name);
        info.value = Some(value);
        info
    });
    field
}

/// The image's values, with the two ends of the window as handles; what lies between moves both.
fn window(ui: &mut Ui, histogram: &Histogram, now: Window, values: &ValueScale, out: &mut Vec<Command>) {
    let (_, rect) = ui.allocate_space(Vec2::new(ui.available_width().max(60.0), HEIGHT));
    let painter = ui.painter().with_clip_rect(rect);
    painter.rect_filled(rect, 2.0, ui.visuals().extreme_bg_color);
    // The few voxels of metal at the far end would take half of the width.
    let (first, last) = shown_range(histogram, now);
    let x_of = |hu: f64| rect.left() + ((hu - first) / (last - first)) as f32 * rect.width();
    let hu_of = |points: f32| f64::from(points / rect.width()) * (last - first);
    let most = histogram.counts.iter().copied().max().unwrap_or(1).max(1) as f64;
    let color = ui.visuals().weak_text_color();
    // One mesh: bars of their own have soft edges, which look like a comb where they meet.
    let mut bars = Mesh::default();
    for (n, &count) in histogram.counts.iter().enumerate().filter(|(_, c)| **c > 0) {
        let height = HEIGHT * ((count as f64).ln_1p() / most.ln_1p()) as f32;
        let x = x_of(f64::from(histogram.edge(n)));
        if rect.x_range().contains(x) {
            let end = x_of(f64::from(histogram.edge(n + 1)));
            let bar = Rect::from_min_max(Pos2::new(x, rect.bottom() - height), Pos2::new(end, rect.bottom()));
            bars.add_colored_rect(bar, color);
        }
    }
    painter.add(Shape::mesh(bars));
    let (low, high) = (now.window_center - now.window_width / 2.0, now.window_center + now.window_width / 2.0);
    let between = Rect::from_min_max(Pos2::new(x_of(low), rect.top()), Pos2::new(x_of(high), rect.bottom()));
    painter.rect_filled(between.intersect(rect), 0.0, ACCENT.gamma_multiply(0.25));
    let mut ends = [low, high];
    let body = ui.interact(between.intersect(rect), ui.scope_id().with("window level"), Sense::drag());
    let by = hu_of(body.drag_delta().x);
    let mut changed = by != 0.0;
    ends = ends.map(|e| e + by);
    for (n, name) in ["Lower end of the window", "Upper end of the window"].into_iter().enumerate() {
        let x = x_of([low, high][n]).clamp(rect.left() + 3.0, rect.right() - 3.0);
        let grip = Rect::from_center_size(Pos2::new(x, rect.center().y), Vec2::new(12.0, HEIGHT));
        let handle = ui.interact(grip, ui.scope_id().with(name), Sense::drag());
        let lit = if handle.hovered() || handle.dragged() { Color32::WHITE } else { ACCENT };
        painter.vline(x, rect.y_range(), Stroke::new(2.0, lit));
        if handle.dragged() && handle.drag_delta().x != 0.0 {
            ends[n] += hu_of(handle.drag_delta().x);
            changed = true;
        }
        handle.widget_info(|| {
            let mut info = egui::WidgetInfo::labeled(egui::Role::Slider, true, name);
            info.value = Some(values.value([low, high][n]));
            info
        });
    }
    ui.horizontal(|ui| {
        for (end, name) in ends.iter_mut().zip(["Window from", "Window to"]) {
            let label = ui.label(if name == "Window from" { "From" } else { "to" });
            let mut value = values.value(*end);
            let field = DragValue::new(&mut value).speed(2.0 * values.scale()).max_decimals(values.decimals());
            if ui.add(field).labelled_by(label.id).changed() {
                *end = values.sample(value);
                changed = true;
            }
        }
        ui.label(values.unit());
    });
    if changed && ends[1] - ends[0] >= 1.0 {
        let window = Window::new(ends[1] - ends[0], f64::midpoint(ends[0], ends[1]));
        out.push(ViewCommand::Window(window).into());
    }
}

/// Samples at both sides of the picture: where all but a ten-thousandth of the voxels are, and the window.
fn shown_range(histogram: &Histogram, window: Window) -> (f64, f64) {
    let total: u64 = histogram.counts.iter().sum();
    let mut left = total / 10_000;
    let mut last = histogram.counts.len();
    while last > 1 && histogram.counts[last - 1] <= left {
        left -= histogram.counts[last - 1];
        last -= 1;
    }
    let (low, high) =
        (window.window_center - window.window_width / 2.0, window.window_center + window.window_width / 2.0);
    let first = f64::from(histogram.edge(0)).min(low);
    (first, f64::from(histogram.edge(last)).max(high).max(first + 1.0))
}
