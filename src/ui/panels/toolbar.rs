//! Tools, brush size, window and overlay: what a hand reaches for while it works.

use super::{framed, framed_value};
use crate::core::{PRESETS, Preset, Window};
use crate::edit::{LassoMode, Over};
use crate::tools::{MAX_TOLERANCE, MeasureKind, ToolKind};
use crate::ui::keys::{keys_of, keys_of_both, with_keys};
use crate::ui::shortcuts::{Action, LARGER, OPACITY_STEP, SMALLER};
use crate::ui::viewer::ToolBelt;
use crate::workspace::{Command, Document, EditCommand, ViewCommand, Workspace};
use egui::{ComboBox, DragValue, RichText, Slider, Ui};

/// Height of a window in points below which the tools stand in one row that scrolls, for the sake of the panes.
const LOW: f32 = 450.0;

/// Draws the bar; tools are chosen in `belt`.
pub fn show(ui: &mut Ui, workspace: &Workspace, belt: &mut ToolBelt, out: &mut Vec<Command>) {
    if ui.ctx().content_rect().height() < LOW {
        row(ui, "tools", |ui| tools(ui, workspace, belt, out));
    } else {
        ui.horizontal_wrapped(|ui| tools(ui, workspace, belt, out));
    }
    // A row of its own that is always there, so that the panes never move when another tool is taken. How masks look
    // comes first, where it stays whatever the tool.
    row(ui, "tool options", |ui| {
        if workspace.active_document().is_some() {
            overlay(ui, workspace, out);
            // The bucket has no options.
            if belt.current() != ToolKind::Fill {
                ui.separator();
            }
        }
        options(ui, workspace, belt, out);
        // What a prompt lacks is said first; how to use it, when it can be used.
        let lacking = belt.current() == ToolKind::Prompt && !workspace.learning.is_running();
        if belt.current().edits() && !lacking {
            rules_in_force(ui, workspace);
            let hint = hint(belt.current());
            if !hint.is_empty() {
                ui.separator();
                ui.weak(hint);
            }
        }
    });
}

/// A row that scrolls sideways where the window is too narrow for it.
fn row(ui: &mut Ui, name: &str, add: impl FnOnce(&mut Ui)) {
    let height = ui.spacing().interact_size.y + 2.0;
    let (_, place) = ui.allocate_space(egui::Vec2::new(ui.available_width(), height));
    ui.scope_builder(egui::UiBuilder::new().max_rect(place), |ui| {
        // It can go one way only: the wheel needs no Shift.
        ui.style_mut().always_scroll_the_only_direction = true;
        // A bar as high as usual would lie over the lower half of the buttons.
        ui.spacing_mut().scroll.bar_width = 5.0;
        egui::ScrollArea::horizontal().id_salt(name).show(ui, |ui| ui.horizontal(add));
    });
}

fn tools(ui: &mut Ui, workspace: &Workspace, belt: &mut ToolBelt, out: &mut Vec<Command>) {
    for tool in ToolKind::ALL {
        let button = framed(ui, belt.current() == tool, tool.name());
        if button.on_hover_text(with_keys(tool.name(), Action::Tool(tool))).clicked() {
            belt.choose(tool);
        }
    }
    let Some(document) = workspace.active_document() else { return };
    ui.separator();
    window(ui, document, out);
}

/// Rules narrow what every tool does: they are said where the hand works, so that none is forgotten.
fn rules_in_force(ui: &mut Ui, workspace: &Workspace) {
    let rules = &workspace.rules;
    let segment = |label| {
        let layer = workspace.active_document().and_then(|d| d.layer());
        layer.and_then(|l| l.segment(label)).map_or_else(|| "another segment".to_owned(), |s| s.name.clone())
    };
    let mut words = Vec::new();
    match rules.over {
        Over::All => {}
        Over::Background => words.push("only over background".to_owned()),
        Over::Segment(label) => words.push(format!("only over {}", segment(label))),
    }
    if rules.hu_only {
        words.push(format!("only {} to {} HU", rules.hu[0], rules.hu[1]));
    }
    if rules.inside.is_some() {
        words.push("only inside a segment".to_owned());
    }
    if !words.is_empty() {
        ui.separator();
        let text = format!("Paint rules: {}", words.join(", "));
        ui.label(RichText::new(text).color(super::patients::warning_color(ui)));
    }
}

/// How the tool in hand is used, in one line.
fn hint(tool: ToolKind) -> String {
    let confirm = || match keys_of(Action::Confirm) {
        keys if keys.is_empty() => keys,
        keys => format!("{keys}, "),
    };
    let text = match tool {
        ToolKind::Brush => "Drag paints, Ctrl erases, Shift + wheel resizes",
        ToolKind::Eraser => "Drag erases, Ctrl paints, Shift + wheel resizes",
        ToolKind::Lasso => {
            return format!("Drag freehand or click corners; {}a double click or the first corner closes", confirm());
        }
        ToolKind::Wire => {
            return format!("Click along the edge; {}a double click or the first corner closes", confirm());
        }
        ToolKind::Region => "Click a seed, drag for the tolerance, release to keep",
        ToolKind::Island => "Click a part of the segment",
        ToolKind::Fill => "Click inside a closed outline; Ctrl empties",
        ToolKind::Push => "Drag from inside to push out, from outside to push in",
        ToolKind::Prompt => "Click or scribble inside the segment, with Ctrl outside: the prediction adapts",
        ToolKind::Crosshair | ToolKind::WindowLevel | ToolKind::Measure => "",
    };
    text.to_owned()
}

/// What the tool in hand can be told.
fn options(ui: &mut Ui, workspace: &Workspace, belt: &mut ToolBelt, out: &mut Vec<Command>) {
    match belt.current() {
        ToolKind::Brush | ToolKind::Eraser => brush(ui, workspace, true, out),
        ToolKind::Push => brush(ui, workspace, false, out),
        ToolKind::Fill => {}
        ToolKind::Lasso | ToolKind::Wire => {
            let mode = &mut belt.lasso.mode;
            for (value, text, hint) in [
                (LassoMode::Add, "Add", "What the contour encloses joins the segment; with Ctrl it leaves it"),
                (LassoMode::Remove, "Remove", "What the contour encloses leaves the segment"),
                (LassoMode::KeepInside, "Keep inside", "What lies outside the contour leaves the segment"),
                (LassoMode::Split { label: 0 }, "Split off", "What it encloses of the segment becomes a new segment"),
            ] {
                framed_value(ui, mode, value, text).on_hover_text(hint);
            }
            let through = &mut belt.lasso.through;
            ui.checkbox(through, "All slices").on_hover_text("Through all slices of this plane, as with scissors");
        }
        ToolKind::Region => {
            let label = ui.label("Tolerance");
            let value = DragValue::new(&mut belt.region.tolerance).range(0..=MAX_TOLERANCE).suffix(" HU");
            ui.add(value).labelled_by(label.id).on_hover_text("Drag after the click to change it");
            ui.checkbox(&mut belt.region.volume, "3-D").on_hover_text("Grow through the slices too");
        }
        ToolKind::Island => {
            let remove = &mut belt.island.remove;
            framed_value(ui, remove, false, "Keep clicked").on_hover_text("With Ctrl: remove");
            framed_value(ui, remove, true, "Remove clicked").on_hover_text("With Ctrl: keep");
            ui.checkbox(&mut belt.island.volume, "3-D").on_hover_text("Connected through the slices too");
        }
        ToolKind::Prompt => {
            if !workspace.learning.is_running() {
                ui.label("Prompts speak to the network of the learning loop: start it in the Learn tab.");
            }
        }
        ToolKind::Measure => {
            for kind in MeasureKind::ALL {
                if framed(ui, belt.measure.kind() == kind, kind.name()).clicked() {
                    belt.measure.choose(kind);
                }
            }
            ui.weak(belt.measure.kind().hint());
        }
        ToolKind::Crosshair => {
            ui.weak("Click or drag: all planes meet there. Drag a ring on its lines: the other planes turn.");
        }
        ToolKind::WindowLevel => {
            ui.weak("Drag across for the width, down for the level; the right button does so with every tool.");
        }
    }
}

fn brush(ui: &mut Ui, workspace: &Workspace, shapes: bool, out: &mut Vec<Command>) {
    let mut diameter = workspace.brush.radius_mm * 2.0;
    let label = ui.label("Brush");
    let slider = Slider::new(&mut diameter, 0.5..=120.0).logarithmic(true).suffix(" mm").max_decimals(1);
    let ways = match keys_of_both(Action::BrushBy(SMALLER), Action::BrushBy(LARGER)) {
        keys if keys.is_empty() => keys,
        keys => format!("{keys}, "),
    };
    let field = ui.add(slider).labelled_by(label.id).accessible_name("Brush diameter");
    if field.on_hover_text(format!("Diameter ({ways}Shift + wheel)")).changed() {
        out.push(EditCommand::BrushRadius(diameter / 2.0).into());
    }
    if !shapes {
        return;
    }
    let now = workspace.brush;
    for (on, text, hint, command) in [
        (
            now.sphere,
            "3-D",
            with_keys("Paint through the slices too", Action::ToggleSphere),
            EditCommand::BrushSphere as fn(bool) -> _,
        ),
        (now.square, "Square", with_keys("Square instead of round", Action::ToggleSquare), EditCommand::BrushSquare),
        (
            now.adaptive,
            "Adaptive",
            with_keys("Only what looks like where the stroke begins", Action::ToggleAdaptive),
            EditCommand::BrushAdaptive,
        ),
    ] {
        let mut value = on;
        if ui.checkbox(&mut value, text).on_hover_text(hint).changed() {
            out.push(command(value).into());
        }
    }
    if now.adaptive {
        let mut tolerance = now.tolerance;
        let label = ui.label("±");
        let field = DragValue::new(&mut tolerance).range(0..=2000).suffix(" HU");
        let field = ui.add(field).on_hover_text("Difference from where the stroke begins").labelled_by(label.id);
        field.widget_info(|| egui::WidgetInfo::labeled(egui::Role::SpinButton, true, "Tolerance of the brush"));
        if field.changed() {
            out.push(EditCommand::BrushTolerance(tolerance).into());
        }
    }
}

fn window(ui: &mut Ui, document: &Document, out: &mut Vec<Command>) {
    let now = document.view.window;
    let volume = document.case.volume.as_ref();
    let header = volume.and_then(|v| v.header_window);
    let table = document.shown_table().is_some();
    let chosen = |window: Window| !table && window == now;
    let values = document.values();
    // Presets are over HU.
    let presets: &[Preset] = if document.is_overlay() { &[] } else { &PRESETS };
    let name = match presets.iter().find(|p| p.window == now) {
        _ if table => "Header table",
        Some(preset) => preset.name,
        None if header == Some(now) => "Header",
        None => "Custom",
    };
    let list = ComboBox::from_id_salt("window preset").selected_text(name).width(104.0).show_ui(ui, |ui| {
        if let Some(header) = header
            && ui.selectable_label(chosen(header), "Header").clicked()
        {
            out.push(ViewCommand::HeaderWindow.into());
        }
        if volume.is_some_and(|v| v.header_lut.is_some()) && ui.selectable_label(table, "Header table").clicked() {
            out.push(ViewCommand::HeaderTable.into());
        }
        if document.is_overlay() && ui.selectable_label(false, "From the image").clicked() {
            out.push(ViewCommand::HeaderWindow.into());
        }
        for (n, preset) in presets.iter().enumerate() {
            let text = format!("{}  {}/{}", preset.name, preset.window.window_width, preset.window.window_center);
            let keys = keys_of(Action::Preset(n));
            if ui.selectable_label(chosen(preset.window), text).on_hover_text(keys).clicked() {
                out.push(ViewCommand::Preset(n).into());
            }
        }
    });
    list.response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::ComboBox, true, "Window preset"));
    let Window { window_width: mut width, window_center: mut center, .. } = values.of_values(now);
    let (step, digits) = (values.scale(), values.decimals());
    let w = ui.label("W");
    let wide = DragValue::new(&mut width).speed(2.0 * step).range(step..=65_536.0 * step).max_decimals(digits);
    let changed = ui.add(wide).labelled_by(w.id);
    let l = ui.label("L");
    let level = DragValue::new(&mut center).speed(2.0 * step).max_decimals(digits);
    let moved = ui.add(level).labelled_by(l.id);
    if changed.changed() || moved.changed() {
        out.push(ViewCommand::Window(Window::new(values.sample(width), values.sample(center))).into());
    }
}

fn overlay(ui: &mut Ui, workspace: &Workspace, out: &mut Vec<Command>) {
    let o = &workspace.overlay;
    for (on, text, command, action) in [
        (o.visible, "Mask", ViewCommand::ToggleMask, Action::ToggleMask),
        (o.fill, "Fill", ViewCommand::ToggleFill, Action::ToggleFill),
        (o.outline, "Outline", ViewCommand::ToggleOutline, Action::ToggleOutline),
    ] {
        let mut value = on;
        if ui.checkbox(&mut value, text).on_hover_text(keys_of(action)).changed() {
            out.push(command.into());
        }
    }
    let mut percent = o.opacity * 100.0;
    let label = ui.label("Opacity");
    let usual = std::mem::replace(&mut ui.spacing_mut().slider_width, 80.0);
    let slider = Slider::new(&mut percent, 0.0..=100.0).suffix(" %").max_decimals(0);
    let keys = keys_of_both(Action::OpacityBy(-OPACITY_STEP), Action::OpacityBy(OPACITY_STEP));
    let field = ui.add(slider).labelled_by(label.id).accessible_name("Opacity");
    if field.on_hover_text(keys).changed() {
        out.push(ViewCommand::Opacity(percent / 100.0).into());
    }
    ui.spacing_mut().slider_width = usual;
}
