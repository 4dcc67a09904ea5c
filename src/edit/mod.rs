//! Mask operations and their undo: brush strokes, whole-segment edits, the difference of two maps, and a history.
//!
//! Floor 1, uses `core` alone: no files, no threads, no pointer events. Every operation changes a [`LabelMap`] in
//! place and yields a [`Delta`] that takes the change back or makes it again. The workspace calls this module; tools
//! and panels send it commands. Positions are continuous voxel coordinates, sizes are millimetres.
//!
//! [`LabelMap`]: crate::core::LabelMap

mod brush;
mod delta;
mod history;
mod operations;
mod recorder;
mod stroke;
mod sweep;

pub use brush::{Brush, BrushShape, Over, PaintRule};
pub use delta::{BrickChange, Delta};
pub use history::{History, HistoryEntry};
pub use operations::{erase_segment, paint_box, paint_slice, replace_label};
pub use stroke::Stroke;

#[cfg(test)]
mod tests;
