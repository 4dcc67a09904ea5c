//! Pictures of slices with their classes: what augmentation makes of them, and what the network finds in them.

use super::TrainError;
use super::store::Slice;
use crate::core::Segment;
use crate::nn::Intensity;
use image::ImageEncoder;
use std::sync::Arc;

/// Width and height of one slice in a sheet, in pixels, whatever the slice's own.
const TILE: usize = 192;
/// Between slices.
const GAP: usize = 4;

/// A picture, rows from the top, three bytes a pixel. Cheap to clone.
#[derive(Clone, PartialEq)]
pub struct Sheet {
    pub width: usize,
    pub height: usize,
    pub rgb: Arc<Vec<u8>>,
}

impl std::fmt::Debug for Sheet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Sheet({} x {})", self.width, self.height)
    }
}

impl Sheet {
    /// As a PNG file's bytes.
    ///
    /// # Errors
    /// [`TrainError::Data`] should it not be possible.
    pub fn png(&self) -> Result<Vec<u8>, TrainError> {
        let mut out = Vec::new();
        image::codecs::png::PngEncoder::new(&mut out)
            .write_image(&self.rgb, self.width as u32, self.height as u32, image::ExtendedColorType::Rgb8)
            .map_err(|e| TrainError::Data(format!("a picture could not be made: {e}")))?;
        Ok(out)
    }

    /// Square slices in rows of `columns`, as the network's window shows them, classes outlined in their colours.
    pub(super) fn of(slices: &[Slice], columns: usize, intensity: &Intensity) -> Self {
        let columns = columns.max(1);
        let rows = slices.len().div_ceil(columns);
        let edge = |n: usize| (n * (TILE + GAP)).saturating_sub(GAP);
        let (width, height) = (edge(columns), edge(rows));
        let mut rgb = vec![24; width * height * 3];
        for (n, slice) in slices.iter().enumerate() {
            let (left, top) = ((n % columns) * (TILE + GAP), (n / columns) * (TILE + GAP));
            draw(slice, intensity, |x, y, color| {
                let at = ((top + y) * width + left + x) * 3;
                rgb[at..at + 3].copy_from_slice(&color);
            });
        }
        Self { width, height, rgb: Arc::new(rgb) }
    }
}

fn draw(slice: &Slice, intensity: &Intensity, mut put: impl FnMut(usize, usize, [u8; 3])) {
    let size = slice.hu.len().isqrt();
    if size == 0 {
        return;
    }
    let (low, high) = range(slice, intensity);
    let class_at = |x: usize, y: usize| slice.classes.get(y * size / TILE * size + x * size / TILE).copied();
    for y in 0..TILE {
        for x in 0..TILE {
            let hu = f32::from(slice.hu[y * size / TILE * size + x * size / TILE]);
            let grey = (255.0 * (hu - low) / (high - low)).clamp(0.0, 255.0) as u8;
            let class = class_at(x, y).filter(|c| *c != super::IGNORED).unwrap_or(0);
            let color = if class == 0 {
                [grey; 3]
            } else {
                let [r, g, b] = Segment::new(class, "").color;
                // Within one picture pixel of another class: the outline; else a tint that lets the image through.
                let beside = [(x + 1, y), (x.wrapping_sub(1), y), (x, y + 1), (x, y.wrapping_sub(1))];
                let edge = beside.into_iter().any(|(x, y)| x < TILE && y < TILE && class_at(x, y) != Some(class));
                let mix = |c: u8| if edge { c } else { ((u16::from(grey) * 3 + u16::from(c)) / 4) as u8 };
                [mix(r), mix(g), mix(b)]
            };
            put(x, y, color);
        }
    }
}

/// Black and white: the network's window, or where it has none the range of most values.
fn range(slice: &Slice, intensity: &Intensity) -> (f32, f32) {
    if let Intensity::Window { low, high } = *intensity {
        return (low, high);
    }
    let mut values = slice.hu.clone();
    values.sort_unstable();
    let at = |share: usize| f32::from(values[(values.len() - 1) * share / 100]);
    (at(1), at(99).max(at(1) + 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_stand_side_by_side_with_outlines_in_the_colour_of_their_class() {
        let mut slice = Slice { hu: vec![-200; 64], classes: vec![0; 64] };
        for (x, y) in [(2, 2), (3, 2), (2, 3), (3, 3)] {
            slice.classes[y * 8 + x] = 2;
            slice.hu[y * 8 + x] = 200;
        }
        let window = Intensity::Window { low: -200.0, high: 200.0 };
        let sheet = Sheet::of(&[slice.clone(), slice.clone(), slice], 2, &window);
        assert_eq!((sheet.width, sheet.height), (2 * TILE + GAP, 2 * TILE + GAP));
        let at = |x: usize, y: usize| -> [u8; 3] { sheet.rgb[(y * sheet.width + x) * 3..][..3].try_into().unwrap() };
        let unit = TILE / 8;
        let color = Segment::new(2, "").color;
        assert_eq!((at(0, 0), at(2 * unit, 2 * unit)), ([0; 3], color));
        let inside = at(3 * unit, 3 * unit);
        assert!(inside != color && inside.iter().zip(color).all(|(a, c)| u16::from(*a) >= 191 + u16::from(c) / 4 - 1));
        assert_eq!(at(TILE + GAP + 2 * unit, 2 * unit), color);
        assert_eq!(&sheet.png().unwrap()[1..4], b"PNG");
        let flat = Slice { hu: vec![7; 16], classes: vec![0; 16] };
        assert_eq!(Sheet::of(&[flat], 1, &Intensity::Divide { by: 1400.0 }).width, TILE);
    }
}
