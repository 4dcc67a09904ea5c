//! Stored samples to Hounsfield units: bits stored, sign, modality LUT. Private to `io::dicom`.
//!
//! PS3.3 C.11.1 (Modality LUT), PS3.5 section 8.1.1 (bits allocated, bits stored, high bit).

use super::dataset::DataSet;
use super::format::PixelFormat;
use super::header::functional_group;
use crate::core::VoiLut;
use dicom_dictionary_std::tags;

/// How a stored value becomes HU.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum ModalityLut {
    /// `rescale_slope * stored + rescale_intercept`.
    Linear { rescale_slope: f64, rescale_intercept: f64 },
    /// A table; stored values before the first entry take the first, after the last the last.
    Table { first: i32, entries: Vec<f64> },
}

impl ModalityLut {
    /// The data set's table, if it has one, else `None`: frames then carry slope and intercept.
    pub fn table(set: &DataSet<'_>, signed: bool) -> Option<Self> {
        let raw = RawTable::of(set.item(tags::MODALITY_LUT_SEQUENCE)?)?;
        let first = if signed { i32::from(raw.first as i16) } else { i32::from(raw.first) };
        Some(Self::Table { first, entries: raw.entries.into_iter().map(f64::from).collect() })
    }

    /// The value of a stored number, in HU and not rounded.
    pub fn value(&self, stored: i32) -> f64 {
        match self {
            Self::Linear { rescale_slope, rescale_intercept } => rescale_slope * f64::from(stored) + rescale_intercept,
            Self::Table { first, entries } => {
                let at = i64::from(stored) - i64::from(*first);
                let at = at.clamp(0, entries.len().saturating_sub(1) as i64) as usize;
                entries.get(at).copied().unwrap_or(0.0)
            }
        }
    }

    /// The same in other units, `by` of which make one.
    pub fn in_units_of(self, by: f64) -> Self {
        match self {
            Self::Linear { rescale_slope, rescale_intercept } => {
                Self::Linear { rescale_slope: rescale_slope / by, rescale_intercept: rescale_intercept / by }
            }
            Self::Table { first, entries } => {
                Self::Table { first, entries: entries.into_iter().map(|e| e / by).collect() }
            }
        }
    }

    fn hu(&self, stored: i32) -> i16 {
        // `as` saturates; halves round away from zero.
        self.value(stored).round() as i16
    }

    /// The intercept, when the whole LUT is the addition of a whole number.
    fn whole_offset(&self) -> Option<i32> {
        match *self {
            Self::Linear { rescale_slope: 1.0, rescale_intercept }
                if rescale_intercept.fract() == 0.0 && rescale_intercept.abs() < 1e6 =>
            {
                Some(rescale_intercept as i32)
            }
            _ => None,
        }
    }
}

/// LUT Descriptor and LUT Data as they are written.
struct RawTable {
    first: u16,
    bits: u16,
    entries: Vec<u16>,
}

impl RawTable {
    fn of(item: &DataSet<'_>) -> Option<Self> {
        let [count, first, bits] = *item.u16s(tags::LUT_DESCRIPTOR)?.first_chunk::<3>()?;
        let count = if count == 0 { 1 << 16 } else { usize::from(count) };
        // An 8-bit table may be packed two entries a word (C.11.1.1.1) or one entry a word.
        let entries: Vec<u16> = match (item.u16s(tags::LUT_DATA), item.bytes(tags::LUT_DATA)) {
            (Some(words), _) if words.len() >= count => words.into_iter().take(count).collect(),
            (_, Some(bytes)) if bits == 8 && bytes.len() >= count => {
                bytes.iter().take(count).map(|v| u16::from(*v)).collect()
            }
            _ => return None,
        };
        Some(Self { first, bits, entries })
    }
}

/// The header's first table of grey values (PS3.3 C.11.2.1.1), of the shared or first frame's group in enhanced images
/// (C.7.6.16.2.10b), its entries counted in HU.
///
/// The first entry's number is signed when it is written so; files of implicit VR do not say, and files that say
/// unsigned may be wrong: beyond 32,767 there are no Hounsfield units.
pub(super) fn voi_lut(set: &DataSet<'_>) -> Option<VoiLut> {
    let frame = functional_group(set, 0, tags::FRAME_VOILUT_SEQUENCE);
    let item = frame.and_then(|group| group.item(tags::VOILUT_SEQUENCE)).or_else(|| set.item(tags::VOILUT_SEQUENCE));
    let raw = RawTable::of(item?)?;
    VoiLut::new(i32::from(raw.first as i16), raw.entries, raw.bits)
}

/// Stored value of a sample's bits: shifted down from the high bit, cut to bits stored, sign-extended.
pub(super) fn stored(raw: u16, format: &PixelFormat) -> i32 {
    let shift = format.high_bit + 1 - format.bits_stored;
    let value = i32::from(raw >> shift);
    let unused = 32 - u32::from(format.bits_stored);
    if format.signed { value << unused >> unused } else { ((value as u32) << unused >> unused) as i32 }
}

/// Converts one frame of raw samples (as they lie in the file, in words) to HU.
pub(super) fn to_hu(raw: impl Iterator<Item = u16>, format: &PixelFormat, lut: &ModalityLut, out: &mut [i16]) {
    if let Some(offset) = lut.whole_offset() {
        let (low, high) = (i32::from(i16::MIN), i32::from(i16::MAX));
        for (to, word) in out.iter_mut().zip(raw) {
            *to = (stored(word, format) + offset).clamp(low, high) as i16;
        }
    } else if out.len() > 1 << 15 {
        // Rounding costs more than a look-up once there are about as many samples as possible words.
        let table: Vec<i16> = (0..=u16::MAX).map(|word| lut.hu(stored(word, format))).collect();
        for (to, word) in out.iter_mut().zip(raw) {
            *to = table[usize::from(word)];
        }
    } else {
        for (to, word) in out.iter_mut().zip(raw) {
            *to = lut.hu(stored(word, format));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn format(bits_stored: u16, high_bit: u16, signed: bool) -> PixelFormat {
        PixelFormat {
            rows: 1,
            columns: 1,
            frames: 1,
            bits_allocated: 16,
            bits_stored,
            high_bit,
            signed,
            photometric: "MONOCHROME2".into(),
        }
    }

    #[test]
    fn bits_are_cut_shifted_and_signed() {
        assert_eq!(stored(0xF800, &format(12, 11, true)), -2048);
        assert_eq!(stored(0xF800, &format(12, 11, false)), 2048);
        assert_eq!(stored(0x8000, &format(12, 15, false)), 2048);
        assert_eq!(stored(0x8000, &format(12, 15, true)), -2048);
        assert_eq!(stored(0xFFFF, &format(16, 15, true)), -1);
        assert_eq!(stored(0xFFFF, &format(16, 15, false)), 65535);
    }

    #[test]
    fn the_three_ways_agree_and_saturate() {
        let f = format(16, 15, false);
        for (rescale_slope, rescale_intercept) in [(1.0, -1024.0), (0.5, -1000.25), (-3.0, 7.0)] {
            let lut = ModalityLut::Linear { rescale_slope, rescale_intercept };
            let words: Vec<u16> = (0..40_000u32).map(|v| (v * 7919) as u16).collect();
            let mut many = vec![0; words.len()];
            to_hu(words.iter().copied(), &f, &lut, &mut many);
            for (word, hu) in words.iter().zip(&many).step_by(97) {
                let exact = (rescale_slope * f64::from(*word) + rescale_intercept).round();
                assert_eq!(f64::from(*hu), exact.clamp(-32768.0, 32767.0), "{word} {rescale_slope}");
                let mut one = [0];
                to_hu(std::iter::once(*word), &f, &lut, &mut one);
                assert_eq!(one[0], *hu);
            }
        }
    }

    #[test]
    fn a_table_holds_its_ends() {
        let lut = ModalityLut::Table { first: -2, entries: vec![10.0, 20.0, 30.0] };
        assert_eq!([-9, -2, -1, 0, 5].map(|v| lut.hu(v)), [10, 10, 20, 30, 30]);
    }
}
