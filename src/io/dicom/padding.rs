//! Pixels that hold no measurement, and signed values in a field that calls itself unsigned. Private to `io::dicom`.
//!
//! PS3.3 C.7.5.1.1.2: Pixel Padding Value and Range Limit mark what was filled in, outside the scanned circle for
//! instance. 3D Slicer and ITK-SNAP show such pixels as they are stored, dark as a rule, and so does Maskwright:
//! volumes stay equal to those of other programs. Only padding that would come out brighter than anything a scanner
//! measures is set to air, because it would dazzle windows and networks. What lies between, where tissue can have the
//! same value, is left alone too.

use super::dataset::DataSet;
use super::format::PixelFormat;
use super::lut::stored;
use dicom_dictionary_std::tags;

/// Largest value of a 12-bit scanner: 4095 - 1024 HU.
const BRIGHTEST_HU: f64 = 3071.0;
/// As dark as air to every window and network.
const AIR_HU: f64 = -900.0;
/// Negative values down to this are plausible in signed data…
const LOWEST_SIGNED: u16 = 0xE000;
/// …and positive ones up to this.
const HIGHEST_SIGNED: u16 = 0x4000;

/// Stored values that are padding, as they lie in the file's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Padding {
    value: u16,
    limit: u16,
}

/// What becomes of padding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// As dark as air or darker: kept as stored.
    Dark,
    /// A value that tissue can have: kept as stored.
    Tissue,
    /// Brighter than anything measured: set to -1024 HU.
    ToAir,
}

impl Padding {
    /// The header's, if it has one.
    pub fn of(set: &DataSet<'_>) -> Option<Self> {
        let value = set.u16(tags::PIXEL_PADDING_VALUE)?;
        Some(Self { value, limit: set.u16(tags::PIXEL_PADDING_RANGE_LIMIT).unwrap_or(value) })
    }

    /// Smallest and largest padding in stored values.
    pub fn range(&self, format: &PixelFormat) -> [i32; 2] {
        let [a, b] = [self.value, self.limit].map(|word| stored(word, format));
        [a.min(b), a.max(b)]
    }

    /// Whether a word of the file is padding.
    pub fn holds(&self, word: u16, format: &PixelFormat) -> bool {
        let [low, high] = self.range(format);
        (low..=high).contains(&stored(word, format))
    }

    /// What becomes of it where a stored value is `hu(value)`.
    pub fn fate(&self, format: &PixelFormat, hu: impl Fn(i32) -> f64) -> Fate {
        Fate::of(self.range(format).map(hu))
    }
}

impl Fate {
    /// Of padding between these values in HU.
    pub fn of([a, b]: [f64; 2]) -> Self {
        match (a.min(b), a.max(b)) {
            (_, high) if high <= AIR_HU => Self::Dark,
            (low, _) if low > BRIGHTEST_HU => Self::ToAir,
            _ => Self::Tissue,
        }
    }
}

/// Whether words that are declared unsigned can only be signed numbers: some are negative as such, all of these are
/// small, and nothing lies between them and the positive ones; or they carry their sign beyond the bits stored.
///
/// A slice without negative numbers is the same either way, so each slice may be judged alone.
pub(super) fn looks_signed(words: impl Iterator<Item = u16> + Clone, format: &PixelFormat) -> bool {
    if format.signed || format.bits_allocated != 16 || format.high_bit + 1 != format.bits_stored {
        return false;
    }
    if format.bits_stored == 16 {
        // Most data ends here, after one pass for the maximum.
        return words.clone().max().unwrap_or(0) >= LOWEST_SIGNED
            && words.into_iter().all(|w| !(HIGHEST_SIGNED..LOWEST_SIGNED).contains(&w));
    }
    let beyond = u16::MAX << format.bits_stored;
    if words.clone().fold(0, |all, w| all | w) & beyond == 0 {
        return false;
    }
    let sign = 1 << (format.bits_stored - 1);
    words.into_iter().all(|w| w & beyond == if w & sign == 0 { 0 } else { beyond })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn format(bits_stored: u16) -> PixelFormat {
        PixelFormat {
            rows: 1,
            columns: 1,
            frames: 1,
            bits_allocated: 16,
            bits_stored,
            high_bit: bits_stored - 1,
            signed: false,
            photometric: "MONOCHROME2".into(),
        }
    }

    #[test]
    fn only_padding_beyond_all_measurements_is_changed() {
        let f = format(16);
        let fate = |value: u16, limit: u16, intercept: f64| {
            Padding { value, limit }.fate(&f, |stored| f64::from(stored) + intercept)
        };
        assert_eq!(fate(0, 0, -1024.0), Fate::Dark);
        assert_eq!(fate(24, 0, -2048.0), Fate::Dark);
        assert_eq!(fate(0, 0, 0.0), Fate::Tissue);
        assert_eq!(fate(0, 1100, -1024.0), Fate::Tissue);
        assert_eq!(fate(0xF830, 0xF830, -1024.0), Fate::ToAir);
        assert_eq!(Padding { value: 0xF830, limit: 0xF830 }.range(&PixelFormat { signed: true, ..f }), [-2000; 2]);
    }

    #[test]
    fn signed_numbers_show_by_the_gap_or_by_their_sign_bits() {
        let words = |values: &[i32]| values.iter().map(|v| *v as u16).collect::<Vec<_>>();
        let signed = |bits, values: &[i32]| looks_signed(words(values).into_iter(), &format(bits));
        assert!(signed(16, &[-1000, -3, 0, 40, 3000]));
        assert!(!signed(16, &[0, 40, 3000]));
        assert!(!signed(16, &[-1000, 0, 20_000]), "a value between: these are unsigned");
        assert!(!signed(16, &[0, 30_000, 60_000]));
        assert!(signed(12, &[-1000, -3, 0, 40, 2000]));
        assert!(!signed(12, &[1000, 4095]), "no bit beyond the twelve");
        assert!(!signed(12, &[-1000, 0x1040]), "overlay bits are no sign");
    }
}
