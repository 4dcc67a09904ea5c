//! How the image is seen: window, slices, fusion, and the 3-D view.

use crate::render::{ClipBox, TransferPreset, ViewFrom};
use crate::ui::viewer::{SHIFTS, Viewer, VolumeOptions};
use crate::workspace::{Command, Document, Workspace};
use egui::{ComboBox, DragValue, Grid, RichText, Slider, Ui};
use glam::DVec2;

/// One press of a turn button in degrees.
const TURN: f64 = 15.0;

/// Draws the panel.
pub fn show(ui: &mut Ui, workspace: &Workspace, viewer: &mut Viewer, out: &mut Vec<Command>) {
    let Some(document) = workspace.active_document() else {
        ui.weak("Open a case to choose how it is seen.");
        return;
    };
    super::scrolled(ui, |ui| {
        if viewer.shows_volume() {
            ui.label(RichText::new("3-D").strong());
            volume(ui, viewer.volume_options());
            clip(ui, document, viewer);
            turn(ui, viewer);
            ui.separator();
        }
        super::picture::show(ui, workspace, document, viewer, out);
    });
}

fn volume(ui: &mut Ui, options: &mut VolumeOptions) {
    ui.spacing_mut().slider_width = 90.0;
    ui.checkbox(&mut options.image, "Image in 3-D");
    if options.image {
        let label = ui.label("Preset");
        ComboBox::from_id_salt("3-D preset")
            .selected_text(options.preset.name())
            .show_ui(ui, |ui| {
                for preset in TransferPreset::ALL {
                    if ui.selectable_label(options.preset == preset, preset.name()).clicked() {
                        options.preset = preset;
                        options.shift = 0.0;
                    }
                }
            })
            .response
            .labelled_by(label.id);
        let label = ui.label("Shift of the preset");
        let slider = Slider::new(&mut options.shift, SHIFTS).suffix(" HU").max_decimals(0);
        let field = ui.add(slider).labelled_by(label.id).accessible_name("Shift of the preset");
        field.on_hover_text("Right drag up or down in the 3-D pane");
    }
    ui.checkbox(&mut options.surfaces, "Segments in 3-D");
    if options.surfaces {
        let mut percent = options.opacity * 100.0;
        let label = ui.label("Opacity of segments");
        let slider = Slider::new(&mut percent, 10.0..=100.0).suffix(" %").max_decimals(0);
        if ui.add(slider).labelled_by(label.id).accessible_name("Opacity of segments").changed() {
            options.opacity = percent / 100.0;
        }
    }
    ui.checkbox(&mut options.clip, "Clip box").on_hover_text("Drag its handles in the 3-D pane");
}

/// The faces of the clip box as numbers, from the first voxel on.
fn clip(ui: &mut Ui, document: &Document, viewer: &mut Viewer) {
    if !viewer.volume_options().clip {
        return;
    }
    let geometry = document.case.geometry;
    let Some(clip) = viewer.volume_clip(document.case.id) else { return };
    Grid::new("clip box").num_columns(3).show(ui, |ui| {
        for axis in 0..3 {
            let letters = [geometry.letter(axis, false), geometry.letter(axis, true)];
            ui.label(format!("{} to {}", letters[0], letters[1]));
            for upper in [false, true] {
                // Voxels are counted from 1, as slices are.
                let mut at = if upper { clip.max[axis] + 0.5 } else { clip.min[axis] + 1.5 };
                let value = DragValue::new(&mut at).speed(0.5).max_decimals(0);
                let field = ui.add(value);
                let name = format!("Clip {} side", letters[usize::from(upper)]);
                field.widget_info(|| {
                    let mut info = egui::WidgetInfo::labeled(egui::Role::SpinButton, true, name.as_str());
                    info.value = Some(at);
                    info
                });
                if field.on_hover_text(name.as_str()).changed() {
                    clip.set_face(&geometry, axis, upper, if upper { at - 0.5 } else { at - 1.5 });
                }
            }
            ui.end_row();
        }
    });
    if *clip != ClipBox::whole(&geometry) && ui.button("Whole volume").clicked() {
        *clip = ClipBox::whole(&geometry);
    }
}

/// The same as a drag, for those who use keys.
fn turn(ui: &mut Ui, viewer: &mut Viewer) {
    let step = TURN.to_radians();
    ui.horizontal_wrapped(|ui| {
        for (name, by) in [
            ("Turn left", DVec2::new(-step, 0.0)),
            ("Turn right", DVec2::new(step, 0.0)),
            ("Turn up", DVec2::new(0.0, -step)),
            ("Turn down", DVec2::new(0.0, step)),
        ] {
            if ui.button(name).clicked() {
                viewer.turn_volume(by);
            }
        }
    });
    ui.horizontal_wrapped(|ui| {
        for from in ViewFrom::ALL {
            if ui.button(from.name()).clicked() {
                viewer.look_at_volume(from);
            }
        }
    });
}
