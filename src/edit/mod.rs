//! Mask operations and their undo: brush strokes, operations on whole segments, the difference of two maps, a history.
//!
//! Floor 1, uses `core` alone: no files, no threads, no pointer events. Every operation changes a [`LabelMap`] in
//! place and yields a [`Delta`] that takes the change back or makes it again. The workspace calls this module; tools
//! and panels send it commands. Positions are continuous voxel coordinates, sizes are millimetres.
//!
//! [`LabelMap`]: crate::core::LabelMap

mod bits;
mod brush;
mod combine;
mod components;
mod delta;
mod distance;
mod grow;
mod history;
mod holes;
mod interpolate;
mod islands;
mod lasso;
mod operation;
mod operations;
mod recorder;
mod repaint;
mod smooth;
mod stroke;
mod sweep;
mod tidy;

pub use brush::{Brush, BrushShape, Limits, Over, PaintRule};
pub use combine::swap_labels;
pub use components::Connectivity;
pub use delta::{BrickChange, Delta};
pub use history::{History, HistoryEntry};
pub use islands::Islands;
pub use operation::{EditError, Edited, Extent, LassoMode, Logic, NoWatch, Operation, Smoothing, Watch};
pub use operations::{erase_segment, paint_box, paint_slice, replace_label};
pub use stroke::Stroke;
pub use tidy::tidy;

#[cfg(test)]
mod test_maps;
#[cfg(test)]
mod tests;
