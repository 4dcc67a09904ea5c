//! Tools, brush size, window and overlay: what a hand reaches for while it works.

use crate::core::{PRESETS, VoiFunction, Window};
use crate::tools::ToolKind;
use crate::ui::shortcuts::{Action, keys_of};
use crate::ui::viewer::ToolBelt;
use crate::workspace::{Command, Document, EditCommand, ViewCommand, Workspace};
use egui::{ComboBox, DragValue, Slider, Ui};

/// Draws the bar; tools are chosen in `belt`.
pub fn show(ui: &mut Ui, workspace: &Workspace, belt: &mut ToolBelt, out: &mut Vec<Command>) {
    ui.horizontal_wrapped(|ui| {
        for tool in ToolKind::ALL {
            let button = ui.selectable_label(belt.current() == tool, tool.name());
            if button.on_hover_text(format!("{} ({})", tool.name(), keys_of(Action::Tool(tool)))).clicked() {
                belt.choose(tool);
            }
        }
        let Some(document) = workspace.active_document() else { return };
        ui.separator();
        if belt.current().edits() {
            brush(ui, workspace, out);
            ui.separator();
        }
        window(ui, document, out);
        ui.separator();
        overlay(ui, workspace, out);
    });
}

fn brush(ui: &mut Ui, workspace: &Workspace, out: &mut Vec<Command>) {
    let mut diameter = workspace.brush.radius_mm * 2.0;
    let label = ui.label("Brush");
    let slider = Slider::new(&mut diameter, 0.5..=120.0).logarithmic(true).suffix(" mm").max_decimals(1);
    if ui.add(slider).labelled_by(label.id).on_hover_text("Diameter (- and =, Shift + wheel)").changed() {
        out.push(EditCommand::BrushRadius(diameter / 2.0).into());
    }
    let mut sphere = workspace.brush.sphere;
    if ui.checkbox(&mut sphere, "3-D").on_hover_text("Paint a sphere instead of a disc (N)").changed() {
        out.push(EditCommand::BrushSphere(sphere).into());
    }
}

fn window(ui: &mut Ui, document: &Document, out: &mut Vec<Command>) {
    let now = document.view.window;
    let volume = document.case.volume.as_ref();
    let header = volume.and_then(|v| v.header_window);
    let table = document.shown_table().is_some();
    let chosen = |window: Window| !table && window == now;
    let name = match PRESETS.iter().find(|p| p.window == now) {
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
        for (n, preset) in PRESETS.iter().enumerate() {
            let text = format!("{}  {}/{}", preset.name, preset.window.window_width, preset.window.window_center);
            let keys = keys_of(Action::Preset(n));
            if ui.selectable_label(chosen(preset.window), text).on_hover_text(keys).clicked() {
                out.push(ViewCommand::Preset(n).into());
            }
        }
    });
    list.response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::ComboBox, true, "Window preset"));
    let mut width = now.window_width;
    let mut center = now.window_center;
    let w = ui.label("W");
    let changed = ui.add(DragValue::new(&mut width).speed(2.0).range(1.0..=65536.0).max_decimals(0)).labelled_by(w.id);
    let l = ui.label("L");
    let moved = ui.add(DragValue::new(&mut center).speed(2.0).max_decimals(0)).labelled_by(l.id);
    if changed.changed() || moved.changed() {
        let function = VoiFunction::Linear;
        out.push(ViewCommand::Window(Window { window_width: width, window_center: center, function }).into());
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
    ui.spacing_mut().slider_width = 80.0;
    let slider = Slider::new(&mut percent, 0.0..=100.0).suffix(" %").max_decimals(0);
    if ui.add(slider).labelled_by(label.id).on_hover_text("A and D").changed() {
        out.push(ViewCommand::Opacity(percent / 100.0).into());
    }
}
