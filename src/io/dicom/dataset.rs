//! A parsed data set that borrows its bytes, and typed access to its values.
//!
//! Private to `io::dicom`. Values are read by what the standard says an attribute is, with the VR of the file
//! as a hint, so that implicit and explicit files give the same answers.

use dicom_core::Tag;
use dicom_encoding::text::{SpecificCharacterSet, TextCodec};
use glam::DVec3;

/// Value of one element.
#[derive(Debug)]
pub(super) enum Value<'a> {
    Bytes(&'a [u8]),
    Items(Vec<DataSet<'a>>),
}

/// One element of a data set.
#[derive(Debug)]
pub(super) struct Element<'a> {
    pub tag: Tag,
    /// The VR as written, or two spaces in implicit VR.
    pub vr: [u8; 2],
    pub value: Value<'a>,
}

/// Elements in the order of the file.
#[derive(Debug, Default)]
pub(super) struct DataSet<'a> {
    pub elements: Vec<Element<'a>>,
    pub big_endian: bool,
}

impl<'a> DataSet<'a> {
    fn element(&self, tag: Tag) -> Option<&Element<'a>> {
        self.elements.iter().find(|e| e.tag == tag)
    }

    /// Whether the attribute is there with a value.
    pub fn has(&self, tag: Tag) -> bool {
        self.element(tag).is_some_and(|e| match &e.value {
            Value::Bytes(b) => !b.is_empty(),
            Value::Items(items) => !items.is_empty(),
        })
    }

    /// The VR as written, two spaces in implicit VR.
    pub fn vr(&self, tag: Tag) -> Option<[u8; 2]> {
        self.element(tag).map(|e| e.vr)
    }

    /// Raw bytes of a value that is no sequence.
    pub fn bytes(&self, tag: Tag) -> Option<&'a [u8]> {
        match &self.element(tag)?.value {
            Value::Bytes(b) if !b.is_empty() => Some(b),
            _ => None,
        }
    }

    /// Items of a sequence; empty when it is absent.
    pub fn items(&self, tag: Tag) -> &[DataSet<'a>] {
        match self.element(tag).map(|e| &e.value) {
            Some(Value::Items(items)) => items,
            _ => &[],
        }
    }

    /// First item of a sequence.
    pub fn item(&self, tag: Tag) -> Option<&DataSet<'a>> {
        self.items(tag).first()
    }

    /// Text without padding; empty when absent. Bytes outside UTF-8 become the replacement character.
    pub fn text(&self, tag: Tag) -> String {
        self.bytes(tag).map(plain).unwrap_or_default()
    }

    /// Text in the character set that the data set declares (PS3.3 C.12.1.1.2).
    pub fn person_text(&self, tag: Tag) -> String {
        let Some(bytes) = self.bytes(tag) else { return String::new() };
        if bytes.is_ascii() {
            return plain(bytes);
        }
        let declared = self.text(dicom_dictionary_std::tags::SPECIFIC_CHARACTER_SET);
        let codec = declared.split('\\').rev().find_map(|code| SpecificCharacterSet::from_code(code.trim()));
        match codec.and_then(|c| c.decode(bytes).ok()) {
            Some(text) => text.trim_matches(is_padding).to_owned(),
            None => plain(bytes),
        }
    }

    /// The values of a multi-valued text.
    pub fn texts(&self, tag: Tag) -> Vec<String> {
        match self.text(tag) {
            t if t.is_empty() => Vec::new(),
            t => t.split('\\').map(|v| v.trim().to_owned()).collect(),
        }
    }

    /// Numbers of DS, IS, FL and FD; `None` when absent, empty, or any of them is no finite number.
    pub fn numbers(&self, tag: Tag) -> Option<Vec<f64>> {
        let element = self.element(tag)?;
        let Value::Bytes(bytes) = &element.value else { return None };
        let numbers: Option<Vec<f64>> = match &element.vr {
            b"FD" => bytes
                .as_chunks()
                .0
                .iter()
                .map(|&b| Some(self.endian(b, f64::from_le_bytes, f64::from_be_bytes)))
                .collect(),
            b"FL" => bytes
                .as_chunks()
                .0
                .iter()
                .map(|&b| Some(f64::from(self.endian(b, f32::from_le_bytes, f32::from_be_bytes))))
                .collect(),
            _ => std::str::from_utf8(bytes)
                .ok()?
                .trim_matches(is_padding)
                .split('\\')
                .map(|v| v.trim_matches(is_padding).parse().ok())
                .collect(),
        };
        numbers.filter(|n| !n.is_empty() && n.iter().all(|v| v.is_finite()))
    }

    /// First number of DS, IS, FL or FD.
    pub fn number(&self, tag: Tag) -> Option<f64> {
        self.numbers(tag)?.first().copied()
    }

    /// A point or direction of three numbers.
    pub fn vector(&self, tag: Tag) -> Option<DVec3> {
        match self.numbers(tag)?.as_slice() {
            [x, y, z, ..] => Some(DVec3::new(*x, *y, *z)),
            _ => None,
        }
    }

    /// Integer of IS.
    pub fn integer(&self, tag: Tag) -> Option<i64> {
        self.texts(tag).first()?.parse().ok()
    }

    /// First value of US (or SS, by its bits).
    pub fn u16(&self, tag: Tag) -> Option<u16> {
        self.u16s(tag)?.first().copied()
    }

    /// All values of US.
    pub fn u16s(&self, tag: Tag) -> Option<Vec<u16>> {
        let element = self.element(tag)?;
        let Value::Bytes(bytes) = &element.value else { return None };
        if matches!(&element.vr, b"IS" | b"DS") {
            return self.texts(tag).iter().map(|v| v.parse().ok()).collect();
        }
        Some(bytes.as_chunks().0.iter().map(|&b| self.endian(b, u16::from_le_bytes, u16::from_be_bytes)).collect())
    }

    /// First value of UL.
    pub fn u32(&self, tag: Tag) -> Option<u32> {
        let bytes = *self.bytes(tag)?.first_chunk()?;
        Some(self.endian(bytes, u32::from_le_bytes, u32::from_be_bytes))
    }

    fn endian<const N: usize, T>(&self, bytes: [u8; N], little: fn([u8; N]) -> T, big: fn([u8; N]) -> T) -> T {
        if self.big_endian { big(bytes) } else { little(bytes) }
    }
}

fn is_padding(c: char) -> bool {
    c == ' ' || c == '\0' || c == '\n' || c == '\r' || c == '\t'
}

fn plain(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim_matches(is_padding).to_owned()
}
