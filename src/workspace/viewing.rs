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
            ViewCommand::ToggleInterpolation => self.overlay.interpolation = self.overlay.interpolation.next(),
            ViewCommand::ToggleOutlineWhilePainting => {
                self.overlay.outline_while_painting = !self.overlay.outline_while_painting;
            }
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
            ViewCommand::HeaderWindow => self.set_header_window(),
            ViewCommand::HeaderTable => {
                if let Some(d) = self.active_document_mut() {
                    d.view.table = d.case.volume.as_ref().is_some_and(|v| v.header_lut.is_some());
                }
            }
            ViewCommand::Invert => {
                if let Some(d) = self.active_document_mut() {
                    d.view.invert = !d.view.invert;
                }
            }
        }
    }

    pub(super) fn set_window(&mut self, mut window: Window) {
        if !(window.window_width.is_finite() && window.window_center.is_finite()) {
            return;
        }
        window.window_width = window.window_width.clamp(1.0, 65_536.0);
        window.window_center = window.window_center.clamp(-65_536.0, 65_536.0);
        if let Some(d) = self.active_document_mut() {
            d.view.window = window;
            d.view.table = false;
        }
    }

    /// What the header asks for: its window, else its table, else what suits the data.
    fn set_header_window(&mut self) {
        let Some(volume) = self.active_document().and_then(|d| d.case.volume.clone()) else { return };
        self.set_window(volume.first_window());
        if volume.header_window.is_none() {
            self.apply_view(ViewCommand::HeaderTable);
        }
    }

    fn scroll(&mut self, plane: Plane, slices: i64) {
        if let Some(d) = self.active_document_mut() {
            if d.view.oblique.is_some() {
                d.scroll_oblique(plane, slices);
                return;
            }
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
