//! The one font of the file: Ubuntu Light as egui bundles it, cut down to the glyphs that are used.

use crate::report::ReportError;
use skrifa::instance::{LocationRef, Size};
use skrifa::{FontRef, MetadataProvider};
use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use subsetter::GlyphRemapper;

/// What stands for a character that the font lacks.
const UNKNOWN: char = '?';

/// Measures text and remembers which glyphs it needs.
pub(super) struct Font {
    bytes: &'static [u8],
    font: FontRef<'static>,
    per_em: f32,
    remapper: GlyphRemapper,
    /// What was looked up before.
    known: RefCell<HashMap<char, (char, u16, f32)>>,
    /// New glyph number: character and advance in thousandths.
    used: BTreeMap<u16, (char, f32)>,
}

/// What the file needs of it.
pub(super) struct Embedded {
    pub data: Vec<u8>,
    /// Glyph number, character, advance in thousandths.
    pub glyphs: Vec<(u16, char, f32)>,
    pub ascent: f32,
    pub descent: f32,
    pub cap_height: f32,
    pub bounds: [f32; 4],
}

impl Font {
    pub fn new() -> Result<Self, ReportError> {
        let bytes = epaint_default_fonts::UBUNTU_LIGHT;
        let font = FontRef::new(bytes).map_err(|e| ReportError::Font(e.to_string()))?;
        let per_em = f32::from(font.metrics(Size::unscaled(), LocationRef::default()).units_per_em).max(1.0);
        Ok(Self {
            bytes,
            font,
            per_em,
            remapper: GlyphRemapper::new(),
            known: RefCell::default(),
            used: BTreeMap::new(),
        })
    }

    fn glyph(&self, c: char) -> (char, u16, f32) {
        *self.known.borrow_mut().entry(c).or_insert_with(|| self.look_up(c))
    }

    fn look_up(&self, c: char) -> (char, u16, f32) {
        let map = self.font.charmap();
        let known = [c, UNKNOWN].into_iter().find_map(|c| Some((c, map.map(c)?)));
        let Some((c, id)) = known else { return (c, 0, 500.0) };
        let metrics = self.font.glyph_metrics(Size::unscaled(), LocationRef::default());
        (c, id.to_u32() as u16, metrics.advance_width(id).unwrap_or(0.0) / self.per_em * 1000.0)
    }

    /// Points that `text` takes at a size.
    pub fn width(&self, text: &str, size: f64) -> f64 {
        text.chars().map(|c| f64::from(self.glyph(c).2)).sum::<f64>() * size / 1000.0
    }

    /// Text as the two-byte glyph numbers of the embedded font.
    pub fn encode(&mut self, text: &str) -> Vec<u8> {
        let mut out = Vec::with_capacity(text.len() * 2);
        for c in text.chars() {
            let (c, id, advance) = self.glyph(c);
            let new = self.remapper.remap(id);
            self.used.insert(new, (c, advance));
            out.extend_from_slice(&new.to_be_bytes());
        }
        out
    }

    /// Lines no wider than `room`, broken between words, and within a word only where it is wider itself.
    pub fn wrap(&self, text: &str, size: f64, room: f64) -> Vec<String> {
        let (mut lines, mut line, mut used) = (Vec::new(), String::new(), 0.0);
        let space = self.width(" ", size);
        for word in text.split(' ') {
            let width = self.width(word, size);
            let gap = if line.is_empty() { 0.0 } else { space };
            if used + gap + width <= room {
                if !line.is_empty() {
                    line.push(' ');
                }
                line.push_str(word);
                used += gap + width;
                continue;
            }
            if !line.is_empty() {
                lines.push(std::mem::take(&mut line));
                used = 0.0;
            }
            for c in word.chars() {
                let width = f64::from(self.glyph(c).2) * size / 1000.0;
                if !line.is_empty() && used + width > room {
                    lines.push(std::mem::take(&mut line));
                    used = 0.0;
                }
                line.push(c);
                used += width;
            }
        }
        lines.push(line);
        lines
    }

    /// The used part, for the file.
    pub fn embed(self) -> Result<Embedded, ReportError> {
        let data = subsetter::subset(self.bytes, 0, &self.remapper).map_err(|e| ReportError::Font(e.to_string()))?;
        let metrics = self.font.metrics(Size::unscaled(), LocationRef::default());
        let scale = 1000.0 / self.per_em;
        let bounds = metrics.bounds.map_or([0.0, -200.0, 1000.0, 900.0], |b| [b.x_min, b.y_min, b.x_max, b.y_max]);
        Ok(Embedded {
            data,
            glyphs: self.used.into_iter().map(|(id, (c, advance))| (id, c, advance)).collect(),
            ascent: metrics.ascent * scale,
            descent: metrics.descent * scale,
            cap_height: metrics.cap_height.unwrap_or(700.0) * scale,
            bounds: bounds.map(|v| v * scale),
        })
    }
}
