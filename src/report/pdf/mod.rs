//! The report for paper: A4 pages with selectable text, plots as vectors and pictures, all in one file.

mod font;
mod layout;
mod page;

use super::content::blocks;
use super::{ReportError, ReportInputs};
use font::Font;
use layout::Layout;

/// The file's bytes.
///
/// # Errors
/// [`ReportError`] when a picture's bytes do not match its size, or the font cannot be set up.
pub fn pdf(inputs: &ReportInputs) -> Result<Vec<u8>, ReportError> {
    let mut font = Font::new()?;
    let mut layout = Layout::new(&mut font);
    let blocks = blocks(inputs);
    for (n, block) in blocks.iter().enumerate() {
        layout.add(block, &blocks[n + 1..])?;
    }
    let pages = layout.finish();
    page::write(&inputs.title, pages, font)
}
