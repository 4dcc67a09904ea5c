//! Colour maps: from grey in `0..=1` to colour.

use serde::{Deserialize, Serialize};

/// Entries of a map's table.
pub const COLOR_MAP_ENTRIES: usize = 256;

/// A named map. The corners of the DICOM maps are those of PS3.6 annex B.1 (Hot Iron, PET, Hot Metal Blue), read off its tables; viridis
/// follows van der Walt and Smith (2015).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash, Serialize, Deserialize)]
pub enum ColorMap {
    #[default]
    Grey,
    HotIron,
    Pet,
    HotMetalBlue,
    Viridis,
}

/// Place in `0..=1` and sRGB.
type Corner = (f32, [u8; 3]);

impl ColorMap {
    /// In the order of lists.
    pub const ALL: [Self; 5] = [Self::Grey, Self::HotIron, Self::Pet, Self::HotMetalBlue, Self::Viridis];

    /// Name for lists.
    pub fn name(self) -> &'static str {
        match self {
            Self::Grey => "Grey",
            Self::HotIron => "Hot iron",
            Self::Pet => "PET",
            Self::HotMetalBlue => "Hot metal blue",
            Self::Viridis => "Viridis",
        }
    }

    fn corners(self) -> &'static [Corner] {
        match self {
            Self::Grey => &[(0.0, [0, 0, 0]), (1.0, [255, 255, 255])],
            Self::HotIron => &[(0.0, [0, 0, 0]), (0.5, [255, 0, 0]), (0.75, [255, 128, 0]), (1.0, [255, 255, 255])],
            Self::Pet => &[
                (0.0, [0, 0, 0]),
                (0.25, [0, 128, 125]),
                (0.5, [128, 0, 255]),
                (0.75, [255, 128, 0]),
                (1.0, [255, 255, 255]),
            ],
            Self::HotMetalBlue => &[
                (0.0, [0, 0, 0]),
                (0.25, [0, 0, 127]),
                (0.5, [147, 4, 190]),
                (0.75, [255, 120, 60]),
                (1.0, [255, 255, 255]),
            ],
            Self::Viridis => &[
                (0.0, [68, 1, 84]),
                (0.125, [71, 44, 122]),
                (0.25, [59, 81, 139]),
                (0.375, [44, 113, 142]),
                (0.5, [33, 144, 141]),
                (0.625, [39, 173, 129]),
                (0.75, [92, 200, 99]),
                (0.875, [170, 220, 50]),
                (1.0, [253, 231, 37]),
            ],
        }
    }

    /// sRGB of a grey.
    pub fn color(self, grey: f64) -> [u8; 3] {
        let at = (grey.clamp(0.0, 1.0) * (COLOR_MAP_ENTRIES - 1) as f64).round() as f32;
        let place = at / (COLOR_MAP_ENTRIES - 1) as f32;
        let corners = self.corners();
        let next = corners.iter().position(|(x, _)| *x >= place).unwrap_or(corners.len() - 1).max(1);
        let ((x0, a), (x1, b)) = (corners[next - 1], corners[next]);
        let t = (place - x0) / (x1 - x0);
        std::array::from_fn(|n| (f32::from(a[n]) + (f32::from(b[n]) - f32::from(a[n])) * t).round() as u8)
    }

    /// RGBA of each of the 256 greys.
    pub fn table(self) -> [[u8; 4]; COLOR_MAP_ENTRIES] {
        std::array::from_fn(|n| {
            let [r, g, b] = self.color(n as f64 / (COLOR_MAP_ENTRIES - 1) as f64);
            [r, g, b, 255]
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps_begin_and_end_where_they_should_and_grey_is_grey() {
        for n in 0..=255u8 {
            assert_eq!(ColorMap::Grey.color(f64::from(n) / 255.0), [n; 3]);
        }
        for map in ColorMap::ALL {
            let table = map.table();
            let [first, last] = [map.corners()[0].1, map.corners()[map.corners().len() - 1].1];
            assert_eq!((&table[0][..3], &table[255][..3]), (&first[..], &last[..]), "{map:?}");
            assert_eq!(map.color(-3.0), first);
            // Brighter values are never much darker to the eye (Rec. 709 weights).
            let light = |c: [u8; 4]| 0.2126 * f64::from(c[0]) + 0.7152 * f64::from(c[1]) + 0.0722 * f64::from(c[2]);
            if map != ColorMap::Pet {
                assert!(table.windows(2).all(|w| light(w[1]) > light(w[0]) - 1.5), "{map:?}");
            }
        }
    }
}
