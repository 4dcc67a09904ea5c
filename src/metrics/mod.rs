//! How well two label maps agree: overlap, surface distances, tables of them, and the map of where they differ.
//!
//! Floor 1, uses `core` and `jobs`. Called by training (validation), the workspace (review) and the command line;
//! `report` turns the result into files. By convention map A is the reference and map B what is judged. Distances
//! are in millimetres of the grid's spacing, and for single slices in pixels too; the definitions travel with every
//! report ([`Convention::definitions`]).
//!
//! What has no value is `None`, never a made-up number: Dice of two empty masks, for one. A structure that only one
//! map has is a miss: Dice 0, distances infinite.

mod compare;
mod confusion;
mod convention;
mod crop;
mod difference;
mod distances;
mod error;
mod live;
mod nearest;
pub mod number;
mod overlap;
mod points;
pub mod quantities;
mod rows;
mod signed;
pub mod stats;
mod surfels;
mod tree;

pub use compare::{CompareOptions, compare};
pub use confusion::Confusion;
pub use convention::Convention;
pub use difference::{BOTH, ONLY_A, ONLY_B, difference_map};
pub use distances::{Directed, SurfaceDice, SurfaceDistances, WorstPoint, surface_distances};
pub use error::MetricError;
pub use live::LiveOverlap;
pub use overlap::{Agreement, Figures, Overlap, overlap};
pub use rows::{Definition, MetricReport, Pair, SegmentRow, Select, SliceRow, match_segments};
pub use signed::{SignedSurface, signed_surface};

#[cfg(test)]
mod tests;
