//! A parsed data set that borrows its bytes, and typed access to its values.
//!
//! Private to `io::dicom`. Values are read by what the standard says an attribute is, with the VR of the file
//! as a hint, so that implicit and explicit files give the same answers. Every access takes a bounded amount of time
//! and memory whatever the value's length: callers ask once a frame, and a file may hold thousands of frames.

use dicom_core::Tag;
use dicom_encoding::text::{SpecificCharacterSet, TextCodec};
use glam::DVec3;

/// Longest text that is looked at; the longest text read here (LT and below) is shorter in every real file.
const MAX_TEXT: usize = 1024;
/// Most values of a multi-valued text.
const MAX_TEXTS: usize = 16;
/// Most numbers of one value: a contour of a million points is drawn by nobody.
const MAX_NUMBERS: usize = 3 << 20;
/// Longest number in text; 16 bytes are allowed (PS3.5 section 6.2), and writers exceed that.
const MAX_DECIMAL: usize = 64;
/// Most words of one value: a look-up table has 65,536.
const MAX_WORDS: usize = 1 << 17;

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

/// Elements in the order of their tags; of two with one tag the file's first comes first.
#[derive(Debug, Default)]
pub(super) struct DataSet<'a> {
    elements: Vec<Element<'a>>,
    pub big_endian: bool,
}

impl<'a> DataSet<'a> {
    /// From elements in the order of the file.
    pub fn new(mut elements: Vec<Element<'a>>, big_endian: bool) -> Self {
        // Files are sorted (PS3.5 section 7.1) but for broken ones.
        if !elements.is_sorted_by_key(|e| e.tag) {
            elements.sort_by_key(|e| e.tag);
        }
        Self { elements, big_endian }
    }

    /// All elements, in the order of their tags.
    pub fn elements(&self) -> &[Element<'a>] {
        &self.elements
    }

    fn element(&self, tag: Tag) -> Option<&Element<'a>> {
        let at = self.elements.partition_point(|e| e.tag < tag);
        self.elements.get(at).filter(|e| e.tag == tag)
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

    /// The start of a text that is worth reading.
    fn head(&self, tag: Tag) -> Option<&'a [u8]> {
        self.bytes(tag).map(|bytes| bytes.get(..MAX_TEXT).unwrap_or(bytes))
    }

    /// Text without padding, cut at 1,024 bytes; empty when absent. Bytes outside UTF-8 become the replacement
    /// character.
    pub fn text(&self, tag: Tag) -> String {
        self.head(tag).map(plain).unwrap_or_default()
    }

    /// Text in the character set that the data set declares (PS3.3 C.12.1.1.2).
    pub fn person_text(&self, tag: Tag) -> String {
        let Some(bytes) = self.head(tag) else { return String::new() };
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

    /// The values of a multi-valued text, the first 16 of more.
    pub fn texts(&self, tag: Tag) -> Vec<String> {
        match self.text(tag) {
            t if t.is_empty() => Vec::new(),
            t => t.split('\\').take(MAX_TEXTS).map(|v| v.trim().to_owned()).collect(),
        }
    }

    /// Numbers of DS, IS, FL and FD; `None` when absent, empty, absurdly many, or any of them is no finite number.
    pub fn numbers(&self, tag: Tag) -> Option<Vec<f64>> {
        self.first_numbers(tag, MAX_NUMBERS + 1).filter(|n| n.len() <= MAX_NUMBERS)
    }

    /// At most `most` numbers from the start of the value.
    fn first_numbers(&self, tag: Tag, most: usize) -> Option<Vec<f64>> {
        let element = self.element(tag)?;
        let Value::Bytes(bytes) = &element.value else { return None };
        let numbers: Option<Vec<f64>> = match &element.vr {
            b"FD" => bytes
                .as_chunks()
                .0
                .iter()
                .take(most)
                .map(|&b| Some(self.endian(b, f64::from_le_bytes, f64::from_be_bytes)))
                .collect(),
            b"FL" => bytes
                .as_chunks()
                .0
                .iter()
                .take(most)
                .map(|&b| Some(f64::from(self.endian(b, f32::from_le_bytes, f32::from_be_bytes))))
                .collect(),
            _ => {
                // One number more than asked for always shows whether the last one asked for is whole.
                let start = bytes.get(..(most + 1).saturating_mul(MAX_DECIMAL + 1)).unwrap_or(bytes);
                start.trim_ascii().split(|b| *b == b'\\').take(most).map(decimal).collect()
            }
        };
        numbers.filter(|n| !n.is_empty() && n.iter().all(|v| v.is_finite()))
    }

    /// First number of DS, IS, FL or FD.
    pub fn number(&self, tag: Tag) -> Option<f64> {
        self.first_numbers(tag, 1)?.first().copied()
    }

    /// The first `N` numbers; what follows them is not looked at.
    pub fn leading<const N: usize>(&self, tag: Tag) -> Option<[f64; N]> {
        self.first_numbers(tag, N)?.first_chunk().copied()
    }

    /// A point or direction of three numbers.
    pub fn vector(&self, tag: Tag) -> Option<DVec3> {
        self.leading::<3>(tag).map(DVec3::from_array)
    }

    /// Integer of IS.
    pub fn integer(&self, tag: Tag) -> Option<i64> {
        self.texts(tag).first()?.parse().ok()
    }

    /// First value of US (or SS, by its bits).
    pub fn u16(&self, tag: Tag) -> Option<u16> {
        self.first_u16s(tag, 1)?.first().copied()
    }

    /// The values of US, the first 131,072 of more.
    pub fn u16s(&self, tag: Tag) -> Option<Vec<u16>> {
        self.first_u16s(tag, MAX_WORDS)
    }

    fn first_u16s(&self, tag: Tag, most: usize) -> Option<Vec<u16>> {
        let element = self.element(tag)?;
        let Value::Bytes(bytes) = &element.value else { return None };
        if matches!(&element.vr, b"IS" | b"DS") {
            return self.texts(tag).iter().map(|v| v.parse().ok()).collect();
        }
        let words = bytes.as_chunks().0.iter().take(most);
        Some(words.map(|&b| self.endian(b, u16::from_le_bytes, u16::from_be_bytes)).collect())
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

/// One number of a decimal or integer string.
fn decimal(bytes: &[u8]) -> Option<f64> {
    if bytes.len() > MAX_DECIMAL {
        return None;
    }
    std::str::from_utf8(bytes).ok()?.trim_matches(is_padding).parse().ok()
}

fn plain(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim_matches(is_padding).to_owned()
}
