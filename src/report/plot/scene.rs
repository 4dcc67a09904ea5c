//! Shapes of a plot: points of 1/72 inch from the upper left corner.

/// A colour, sRGB.
pub type Ink = [u8; 3];

/// Axes and small words.
pub const QUIET: Ink = [86, 97, 107];
pub const TEXT: Ink = [26, 31, 36];
pub const GRID: Ink = [222, 228, 233];
/// Structures that only one mask has.
pub const MISS: Ink = [179, 0, 27];
/// One colour for each compared mask (Okabe and Ito, 2008).
pub const SERIES: [Ink; 4] = [[0, 114, 178], [213, 94, 0], [0, 158, 115], [170, 80, 140]];

/// Where a text stands relative to its point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Anchor {
    Start,
    Middle,
    End,
}

/// One shape.
#[derive(Debug, Clone)]
pub enum Item {
    Line { points: Vec<[f64; 2]>, ink: Ink, width: f64, dashed: bool },
    Rect { min: [f64; 2], max: [f64; 2], ink: Ink, filled: bool, opacity: f64, note: String },
    Dot { at: [f64; 2], radius: f64, ink: Ink, note: String },
    Cross { at: [f64; 2], note: String },
    Text { at: [f64; 2], text: String, size: f64, ink: Ink, anchor: Anchor },
}

/// A whole plot.
#[derive(Debug, Clone)]
pub struct Scene {
    pub title: String,
    pub width: f64,
    pub height: f64,
    pub items: Vec<Item>,
}

impl Scene {
    pub fn new(title: impl Into<String>, width: f64, height: f64) -> Self {
        let title = title.into();
        let mut scene = Self { title: title.clone(), width, height, items: Vec::new() };
        scene.text([4.0, 13.0], title, 11.0, TEXT, Anchor::Start);
        scene
    }

    pub fn line(&mut self, points: Vec<[f64; 2]>, ink: Ink, width: f64) {
        self.items.push(Item::Line { points, ink, width, dashed: false });
    }

    pub fn dashes(&mut self, points: Vec<[f64; 2]>, ink: Ink) {
        self.items.push(Item::Line { points, ink, width: 1.0, dashed: true });
    }

    pub fn dot(&mut self, at: [f64; 2], radius: f64, ink: Ink, note: impl Into<String>) {
        self.items.push(Item::Dot { at, radius, ink, note: note.into() });
    }

    pub fn cross(&mut self, at: [f64; 2], note: impl Into<String>) {
        self.items.push(Item::Cross { at, note: note.into() });
    }

    pub fn text(&mut self, at: [f64; 2], text: impl Into<String>, size: f64, ink: Ink, anchor: Anchor) {
        self.items.push(Item::Text { at, text: text.into(), size, ink, anchor });
    }

    /// Small grey words.
    pub fn word(&mut self, at: [f64; 2], text: impl Into<String>, anchor: Anchor) {
        self.text(at, text, 8.5, QUIET, anchor);
    }
}
