//! Window, crosshair, slices and overlay of the active case.

use super::{ViewCommand, Workspace};
use crate::core::{PRESETS, Plane, PlaneAxes, Window};

impl Workspace {
    pub(super) fn apply_view(&mut self, command: ViewCommand) {
        match command {
            ViewCommand::ToggleMask => self.overlay.visible = !self.overlay.visible,
            ViewCommand::Opacity(value) if value.is_nan() => {}
            ViewCommand::Opacity(value) => self.overlay.opacity = value.clamp(0.0, 1.0),
            ViewCommand::ToggleFill => self.overlay.fill = !self.overlay.fill,
            ViewCommand::ToggleOutline => self.overlay.outline = !self.overlay.outline,
            ViewCommand::ToggleCrosshair => self.overlay.crosshair = !self.overlay.crosshair,
            ViewCommand::ToggleInterpolation => self.overlay.smooth = !self.overlay.smooth,
            ViewCommand::Crosshair(voxel) => {
                if let Some(d) = self.active_document_mut() {
                    d.set_crosshair(voxel);
                }
            }
            ViewCommand::Scroll { plane, slices } => self.scroll(plane, slices),
            ViewCommand::Slice { plane, index } => self.go_to_slice(plane, index),
            ViewCommand::Window(window) => self.set_window(window),
            ViewCommand::Preset(number) => {
                if let Some(preset) = PRESETS.get(number) {
                    self.set_window(preset.window);
                }
            }
            ViewCommand::HeaderWindow => {
                let window = self.active_document().and_then(|d| d.case.volume.as_ref()).map(|v| v.first_window());
                if let Some(window) = window {
                    self.set_window(window);
                }
            }
            ViewCommand::Invert => {
                if let Some(d) = self.active_document_mut() {
                    d.view.invert = !d.view.invert;
                }
            }
        }
    }

    fn set_window(&mut self, mut window: Window) {
        if !(window.window_width.is_finite() && window.window_center.is_finite()) {
            return;
        }
        window.window_width = window.window_width.clamp(1.0, 65_536.0);
        window.window_center = window.window_center.clamp(-65_536.0, 65_536.0);
        if let Some(d) = self.active_document_mut() {
            d.view.window = window;
        }
    }

    fn scroll(&mut self, plane: Plane, slices: i64) {
        if let Some(d) = self.active_document_mut() {
            let axis = PlaneAxes::of(&d.case.geometry, plane).through;
            let mut voxel = d.view.crosshair;
            voxel[axis] = d.slice_index(plane) as f64 + slices as f64;
            d.set_crosshair(voxel);
        }
    }

    fn go_to_slice(&mut self, plane: Plane, index: usize) {
        if let Some(d) = self.active_document_mut() {
            let axis = PlaneAxes::of(&d.case.geometry, plane).through;
            let mut voxel = d.view.crosshair;
            voxel[axis] = index as f64;
            d.set_crosshair(voxel);
        }
    }
}
