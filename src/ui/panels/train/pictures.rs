//! Sheets of slices as textures, made anew when the sheet is another one.

use crate::train::Sheet;
use egui::{ColorImage, Image, TextureHandle, TextureOptions, Ui, Vec2};
use std::sync::Arc;

/// The texture of the sheet shown last.
#[derive(Default)]
pub(super) struct Picture {
    texture: Option<(Arc<Vec<u8>>, TextureHandle)>,
}

impl Picture {
    /// Draws `sheet` as wide as there is room, up to its own width; `text` describes it to screen readers.
    pub fn show(&mut self, ui: &mut Ui, sheet: &Sheet, text: &str) {
        let known = self.texture.as_ref().is_some_and(|(rgb, _)| Arc::ptr_eq(rgb, &sheet.rgb));
        if !known {
            let image = ColorImage::from_rgb([sheet.width, sheet.height], &sheet.rgb);
            let texture = ui.ctx().load_texture("slices", image, TextureOptions::LINEAR);
            self.texture = Some((sheet.rgb.clone(), texture));
        }
        if let Some((_, texture)) = &self.texture {
            let width = ui.available_width().min(sheet.width as f32);
            let size = Vec2::new(width, width * sheet.height as f32 / sheet.width.max(1) as f32);
            ui.add(Image::new(texture).fit_to_exact_size(size).alt_text(text));
        }
    }
}
