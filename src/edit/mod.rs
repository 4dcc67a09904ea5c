//! Mask operations and their undo: brush strokes, operations on whole segments, the difference of two maps, a history.
//!
//! Floor 1, uses `core` alone: no files, no threads, no pointer events. Every operation changes a [`LabelMap`] in
//! place and yields a [`Delta`] that takes the change back or makes it again. The workspace calls this module; tools
//! and panels send it commands. Positions are continuous voxel coordinates, sizes are millimetres.
//!
//! [`LabelMap`]: crate::core::LabelMap

mod adopt;
mod bits;
mod brush;
mod combine;
mod components;
mod cut;
mod delta;
mod distance;
mod fill;
mod frame;
mod grow;
mod history;
mod holes;
mod interpolate;
mod islands;
mod joint;
mod lasso;
mod majority;
mod nudge;
mod operation;
mod operations;
mod packed;
mod recorder;
mod relabel;
mod repaint;
mod seeds;
mod smooth;
mod sources;
mod stroke;
mod sweep;
mod tidy;
mod turned;
mod wire;

pub use brush::{Brush, BrushShape, Limits, Over, PaintRule};
pub use combine::swap_labels;
pub use components::Connectivity;
pub use delta::{BrickChange, Delta};
pub use history::{History, HistoryEntry};
pub use islands::Islands;
pub use nudge::Nudge;
pub use operation::{EditError, Edited, Extent, LassoMode, Logic, NoWatch, Operation, Smoothing, Watch};
pub use operations::{erase_segment, paint_box, paint_slice, replace_label};
pub use packed::PackedDelta;
pub use sources::{each_changed_run, mark_sources};
pub use stroke::Stroke;
pub use tidy::tidy;
pub use wire::Wire;

#[cfg(test)]
mod cancel_tests;
#[cfg(test)]
mod test_maps;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod turned_tests;
