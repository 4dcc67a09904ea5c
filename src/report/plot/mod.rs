//! Plots as lists of shapes, drawn as SVG in the page and as vectors in the PDF.

mod agreement;
mod axis;
mod boxes;
mod curves;
mod heat;
mod profile;
mod scene;
mod svg;

pub(super) use agreement::{Comparison, bland_altman, paired_lines, scatter};
pub(super) use boxes::{BoxGroup, box_plot, named_range, overlap_range};
pub(super) use curves::{Line, curves, settled_top};
pub(super) use heat::confusion;
pub(super) use profile::{Profile, profile};
pub(super) use scene::{Anchor, Ink, Item, MISS, SERIES, Scene};
pub(super) use svg::svg;

#[cfg(test)]
mod tests;
