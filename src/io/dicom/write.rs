//! Building blocks of the DICOM files we write. Private to `io::dicom`.
//!
//! Explicit VR little endian, preamble of zeros, written atomically. PS3.10 section 7, PS3.5 sections 6.2 and 9.

use super::error::DicomError;
use crate::io::atomic::write_atomic;
use dicom_core::value::{DataSetSequence, PrimitiveValue};
use dicom_core::{DataElement, Tag, VR};
use dicom_dictionary_std::{tags, uids};
use dicom_object::{DefaultDicomObject, FileMetaTableBuilder, InMemDicomObject};
use glam::DVec3;
use sha2::{Digest, Sha256};
use std::io::{self, Write};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

/// A data set under construction.
pub(super) struct Builder(InMemDicomObject);

impl Builder {
    pub fn new() -> Self {
        Self(InMemDicomObject::new_empty())
    }

    /// Text of any string VR; an empty text writes an empty element.
    #[must_use]
    pub fn text(mut self, tag: Tag, vr: VR, text: impl AsRef<str>) -> Self {
        match text.as_ref() {
            "" => self.0.put(DataElement::new(tag, vr, PrimitiveValue::Empty)),
            text => self.0.put(DataElement::new(tag, vr, PrimitiveValue::from(text))),
        };
        self
    }

    /// Decimal strings.
    #[must_use]
    pub fn decimals(self, tag: Tag, values: &[f64]) -> Self {
        let texts: Vec<String> = values.iter().map(|v| decimal(*v)).collect();
        self.text(tag, VR::DS, texts.join("\\"))
    }

    /// A point in LPS mm, or a direction.
    #[must_use]
    pub fn vector(self, tag: Tag, value: DVec3) -> Self {
        self.decimals(tag, &value.to_array())
    }

    /// Unit directions of a row and a column (PS3.3 C.7.6.2.1.1).
    #[must_use]
    pub fn directions(self, tag: Tag, [row, column]: [DVec3; 2]) -> Self {
        self.decimals(tag, &[row.to_array(), column.to_array()].concat())
    }

    /// Unsigned 16-bit values.
    #[must_use]
    pub fn words(mut self, tag: Tag, values: &[u16]) -> Self {
        self.0.put(DataElement::new(tag, VR::US, PrimitiveValue::U16(values.iter().copied().collect())));
        self
    }

    /// Signed 16-bit values.
    #[cfg(test)]
    #[must_use]
    pub fn shorts(mut self, tag: Tag, values: &[i16]) -> Self {
        self.0.put(DataElement::new(tag, VR::SS, PrimitiveValue::I16(values.iter().copied().collect())));
        self
    }

    /// Unsigned 32-bit values.
    #[must_use]
    pub fn longs(mut self, tag: Tag, values: &[u32]) -> Self {
        self.0.put(DataElement::new(tag, VR::UL, PrimitiveValue::U32(values.iter().copied().collect())));
        self
    }

    /// An attribute tag as value.
    #[must_use]
    pub fn tag(mut self, tag: Tag, value: Tag) -> Self {
        self.0.put(DataElement::new(tag, VR::AT, PrimitiveValue::Tags(std::iter::once(value).collect())));
        self
    }

    /// A sequence.
    #[must_use]
    pub fn items(mut self, tag: Tag, items: impl IntoIterator<Item = Builder>) -> Self {
        let items: Vec<InMemDicomObject> = items.into_iter().map(|b| b.0).collect();
        self.0.put(DataElement::new(tag, VR::SQ, DataSetSequence::from(items)));
        self
    }

    /// A coded concept in a sequence of one item (PS3.3 table 8.8-1).
    #[must_use]
    pub fn code(self, tag: Tag, scheme: &str, value: &str, meaning: &str) -> Self {
        // Code Value holds 16 characters; longer values have an element of their own.
        let (value_tag, vr) =
            if value.chars().count() <= 16 { (tags::CODE_VALUE, VR::SH) } else { (tags::LONG_CODE_VALUE, VR::UC) };
        let item = Builder::new()
            .text(value_tag, vr, value)
            .text(tags::CODING_SCHEME_DESIGNATOR, VR::SH, clip(scheme, 16))
            .text(tags::CODE_MEANING, VR::LO, clip(meaning, 64));
        self.items(tag, [item])
    }

    /// Writes the file; `pixels` appends the bytes of Pixel Data, of which there are `length`.
    ///
    /// # Errors
    /// [`DicomError::Write`]; the target is then as it was.
    pub fn save(
        self,
        path: &Path,
        vr: VR,
        length: u64,
        pixels: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> Result<(), DicomError> {
        let padded = length + length % 2;
        let Ok(declared) = u32::try_from(padded) else {
            let reason =
                format!("its pixels take {length} bytes and a DICOM file holds 4 GiB; export fewer segments at once");
            return Err(DicomError::Write { file: path.into(), reason });
        };
        let object = self.object(path, uids::EXPLICIT_VR_LITTLE_ENDIAN)?;
        write_atomic(path, |w| {
            object.write_all(&mut *w).map_err(|e| io_reason(&e))?;
            // Pixel Data has the highest tag of the file, so it may follow the rest without passing through memory.
            let Tag(group, element) = tags::PIXEL_DATA;
            w.write_all(&group.to_le_bytes())?;
            w.write_all(&element.to_le_bytes())?;
            w.write_all(vr.to_string().as_bytes())?;
            w.write_all(&[0, 0])?;
            w.write_all(&declared.to_le_bytes())?;
            pixels(w)?;
            w.write_all(&[0][..(padded - length) as usize])
        })
        .map_err(|e| DicomError::write(path, &e))
    }

    /// Writes a file without pixels, in implicit VR little endian: explicit VR has room for 64 KiB of decimal strings in
    /// one element, and contours need more.
    ///
    /// # Errors
    /// As [`Builder::save`].
    pub fn save_without_pixels(self, path: &Path) -> Result<(), DicomError> {
        let object = self.object(path, uids::IMPLICIT_VR_LITTLE_ENDIAN)?;
        write_atomic(path, |w| object.write_all(w).map_err(|e| io_reason(&e))).map_err(|e| DicomError::write(path, &e))
    }

    fn object(mut self, path: &Path, transfer_syntax: &str) -> Result<DefaultDicomObject, DicomError> {
        self.0.put(DataElement::new(tags::SPECIFIC_CHARACTER_SET, VR::CS, PrimitiveValue::from("ISO_IR 192")));
        let meta = FileMetaTableBuilder::new()
            .transfer_syntax(transfer_syntax)
            .implementation_class_uid(implementation_uid())
            .implementation_version_name(IMPLEMENTATION);
        self.0.with_meta(meta).map_err(|e| DicomError::Write { file: path.into(), reason: e.to_string() })
    }
}

/// Implementation version name of the files we write.
pub(super) const IMPLEMENTATION: &str = "MASKWRIGHT";

/// Implementation class UID of the files we write.
pub(super) fn implementation_uid() -> String {
    derived_uid(&["maskwright", "implementation"])
}

/// What the system said, from within an error of the object writer: a full disk must be told from a defect.
fn io_reason(error: &(dyn std::error::Error + 'static)) -> io::Error {
    let chain = std::iter::successors(Some(error), |e| e.source());
    let io = chain.into_iter().find_map(|e| e.downcast_ref::<io::Error>());
    match io.map(|e| (e.raw_os_error(), e.kind())) {
        Some((Some(code), _)) => io::Error::from_raw_os_error(code),
        Some((None, kind)) => kind.into(),
        None => io::Error::other(error.to_string()),
    }
}

/// Cuts a text to the characters that its VR allows, without the separator of values.
pub(super) fn clip(text: &str, characters: usize) -> String {
    text.chars().filter(|c| *c != '\\' && !c.is_control()).take(characters).collect()
}

/// A number in the 16 characters of a decimal string, as exactly as they allow.
pub(super) fn decimal(value: f64) -> String {
    let value = if value == 0.0 { 0.0 } else { value };
    let shortest = value.to_string();
    if shortest.len() <= 16 {
        return shortest;
    }
    let fixed = (0..=14).rev().map(|n| format!("{value:.n$}")).find(|t| t.len() <= 16);
    let exponent = (0..=12).rev().map(|n| format!("{value:.n$e}")).find(|t| t.len() <= 16);
    let error = |t: &Option<String>| {
        t.as_ref().and_then(|t| t.parse::<f64>().ok()).map_or(f64::INFINITY, |v| (v - value).abs())
    };
    if error(&fixed) <= error(&exponent) { fixed } else { exponent }.unwrap_or(shortest)
}

/// A UID under 2.25 from 128 bits (PS3.5 annex B.2), with the version and variant that make them a UUID.
pub(super) fn uid_from_bits(bits: u128, version: u128) -> String {
    let bits = bits & !(0xF << 76) & !(0b11 << 62) | (version & 0xF) << 76 | 0b10 << 62;
    format!("2.25.{bits}")
}

/// A UID that no other file has.
pub(super) fn random_uid() -> String {
    uid_from_bits(rand::random(), 4)
}

/// A UID that is the same for the same parts.
pub(super) fn derived_uid(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    let digest = hash.finalize();
    let bits = digest.iter().take(16).fold(0u128, |bits, b| bits << 8 | u128::from(*b));
    uid_from_bits(bits, 8)
}

/// Date and time in UTC as DA and TM.
pub(super) fn now() -> (String, String) {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
    let (year, month, day) = civil(seconds / 86_400);
    let (h, m, s) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    (format!("{year:04}{month:02}{day:02}"), format!("{h:02}{m:02}{s:02}"))
}

/// Gregorian date of a day since 1970-01-01 (Hinnant, "chrono-compatible low-level date algorithms", 2014).
fn civil(day: u64) -> (u64, u64, u64) {
    let z = day + 719_468;
    let (era, doe) = (z / 146_097, z % 146_097);
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    (yoe + era * 400 + u64::from(month <= 2), month, doy - (153 * mp + 2) / 5 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn dates() {
        assert_eq!(civil(0), (1970, 1, 1));
        assert_eq!(civil(19_782), (2024, 2, 29));
        assert_eq!(civil(20_819), (2027, 1, 1));
    }

    #[test]
    fn uids_are_legal_and_stable() {
        let uid = derived_uid(&["1", "series"]);
        assert_eq!(uid, derived_uid(&["1", "series"]));
        assert_ne!(uid, derived_uid(&["1s", "eries"]));
        for uid in [uid, random_uid()] {
            assert!(uid.len() <= 64 && uid.starts_with("2.25.") && !uid.starts_with("2.25.0"), "{uid}");
        }
    }

    proptest! {
        #[test]
        fn decimals_fit_and_stay_close(value in prop_oneof![-1e6f64..1e6, -1.0f64..1.0, prop::num::f64::NORMAL]) {
            let text = decimal(value);
            prop_assert!(text.len() <= 16, "{}", text);
            let back: f64 = text.parse().unwrap();
            prop_assert!((back - value).abs() <= 1e-8 * value.abs(), "{} {}", text, value);
        }
    }
}
