//! Walks element headers within bounds: no length is believed before it is compared with the size of the file,
//! and nesting stops at 64. Private to `io::dicom`.
//!
//! The parser sees a prefix of the file and says how much more it needs, so that the caller decides what is read.
//! PS3.5 sections 7.1 to 7.5 (element structure, nesting), 6.2.2 note 2 (UN of undefined length is implicit VR).

use super::dataset::{DataSet, Element, Value};
use dicom_core::Tag;
use dicom_dictionary_std::tags;

/// Deepest nesting of sequences that is followed. Real files stay below ten.
const MAX_DEPTH: usize = 64;
/// Elements in all data sets together; bounds the memory that a header of empty elements can claim.
const MAX_ELEMENTS: usize = 1_000_000;
const UNDEFINED: u32 = u32::MAX;
const ITEM: Tag = Tag(0xFFFE, 0xE000);
const ITEM_END: Tag = Tag(0xFFFE, 0xE00D);
const SEQUENCE_END: Tag = Tag(0xFFFE, 0xE0DD);

/// How elements are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Encoding {
    pub explicit: bool,
    pub big_endian: bool,
}

pub(super) const EXPLICIT_LITTLE: Encoding = Encoding { explicit: true, big_endian: false };
pub(super) const IMPLICIT_LITTLE: Encoding = Encoding { explicit: false, big_endian: false };
pub(super) const EXPLICIT_BIG: Encoding = Encoding { explicit: true, big_endian: true };

/// Why parsing stopped early.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Halt {
    /// The prefix ends here; so many bytes from the start would do for the next step.
    NeedMore(u64),
    /// The file contradicts itself.
    Refused(String),
    /// Nested deeper than anything real; never forgiven.
    TooDeep,
    /// More elements than anything real; never forgiven.
    TooMany,
}

/// Where the pixels are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PixelLocation {
    /// First byte of the value, from the start of what was parsed.
    pub offset: u64,
    /// `None` for encapsulated pixels.
    pub length: Option<u64>,
}

/// Bytes to parse: a prefix of a stream of `total` bytes (`u64::MAX` while its end is unknown).
pub(super) struct Parser<'a> {
    data: &'a [u8],
    total: u64,
    elements: usize,
}

struct Head {
    tag: Tag,
    vr: [u8; 2],
    length: u32,
    next: usize,
}

impl<'a> Parser<'a> {
    pub fn new(data: &'a [u8], total: u64) -> Self {
        Self { data, total, elements: 0 }
    }

    /// File meta information: group 0002, always explicit little endian. Returns where it ends.
    pub fn meta(&mut self, mut at: usize) -> Result<(DataSet<'a>, usize), Halt> {
        let mut elements = Vec::new();
        while self.total.saturating_sub(at as u64) >= 8 {
            let group = self.take(at, 2)?;
            if group != [2, 0] {
                break;
            }
            let head = self.head(at, EXPLICIT_LITTLE)?;
            if head.length == UNDEFINED {
                return Err(Halt::Refused("its file meta information holds a value of undefined length".into()));
            }
            let value = Value::Bytes(self.take(head.next, head.length as usize)?);
            elements.push(Element { tag: head.tag, vr: head.vr, value });
            self.count()?;
            at = head.next + head.length as usize;
        }
        Ok((DataSet::new(elements, false), at))
    }

    /// The main data set from `at`, up to its pixels or its end.
    pub fn data_set(
        &mut self,
        mut at: usize,
        encoding: Encoding,
    ) -> Result<(DataSet<'a>, Option<PixelLocation>), Halt> {
        let mut elements = Vec::new();
        // Fewer than eight bytes at the end are padding: no element fits into them.
        while self.total.saturating_sub(at as u64) >= 8 {
            let head = self.head(at, encoding)?;
            if matches!(head.tag, tags::PIXEL_DATA | tags::FLOAT_PIXEL_DATA | tags::DOUBLE_FLOAT_PIXEL_DATA) {
                let length = (head.length != UNDEFINED).then_some(u64::from(head.length));
                let pixels = PixelLocation { offset: head.next as u64, length };
                return Ok((DataSet::new(elements, encoding.big_endian), Some(pixels)));
            }
            if head.tag == ITEM_END || head.tag == SEQUENCE_END {
                self.count()?;
                at = head.next;
                continue;
            }
            at = self.element(head, encoding, 0, None, &mut elements)?;
        }
        Ok((DataSet::new(elements, encoding.big_endian), None))
    }

    /// The items of a sequence that fills all the bytes to parse, where only the caller knows that it is one.
    pub fn items(&mut self, encoding: Encoding) -> Result<Vec<DataSet<'a>>, Halt> {
        let end = Some(self.data.len());
        self.sequence(0, end, end, encoding, 1).map(|(items, _)| items)
    }

    fn count(&mut self) -> Result<(), Halt> {
        self.elements += 1;
        if self.elements > MAX_ELEMENTS {
            return Err(Halt::TooMany);
        }
        Ok(())
    }

    fn take(&self, at: usize, length: usize) -> Result<&'a [u8], Halt> {
        let end = at as u64 + length as u64;
        if end > self.total {
            let left = self.total.saturating_sub(at as u64);
            return Err(Halt::Refused(format!(
                "it ends too early: {length} bytes should follow where {left} are left"
            )));
        }
        self.data.get(at..at.saturating_add(length)).ok_or(Halt::NeedMore(end))
    }

    fn head(&self, at: usize, encoding: Encoding) -> Result<Head, Halt> {
        let b = self.take(at, 8)?;
        let short = |i: usize| {
            let pair = [b[i], b[i + 1]];
            if encoding.big_endian { u16::from_be_bytes(pair) } else { u16::from_le_bytes(pair) }
        };
        let long = |b: &[u8]| {
            let quad = [b[0], b[1], b[2], b[3]];
            if encoding.big_endian { u32::from_be_bytes(quad) } else { u32::from_le_bytes(quad) }
        };
        let tag = Tag(short(0), short(2));
        let vr = [b[4], b[5]];
        // Items never have a VR; a VR that is not two capitals is taken as an implicit element, as other readers do.
        if !encoding.explicit || tag.0 == 0xFFFE || !vr.iter().all(u8::is_ascii_uppercase) {
            return Ok(Head { tag, vr: *b"  ", length: long(&b[4..8]), next: at + 8 });
        }
        match &vr {
            b"OB" | b"OW" | b"OF" | b"OD" | b"OL" | b"OV" | b"SQ" | b"UC" | b"UR" | b"UT" | b"UN" | b"SV" | b"UV" => {
                let b = self.take(at + 8, 4)?;
                Ok(Head { tag, vr, length: long(b), next: at + 12 })
            }
            _ => Ok(Head { tag, vr, length: u32::from(short(6)), next: at + 8 }),
        }
    }

    /// Reads one element into `elements` and returns where the next begins. `whole` is where the sequence around it
    /// ends, where that is known: nothing in it reaches further, or one byte could be read as part of many sequences.
    fn element(
        &mut self,
        head: Head,
        encoding: Encoding,
        depth: usize,
        whole: Option<usize>,
        elements: &mut Vec<Element<'a>>,
    ) -> Result<usize, Halt> {
        self.count()?;
        let Head { tag, vr, length, next } = head;
        let inner = if &vr == b"UN" { IMPLICIT_LITTLE } else { encoding };
        let (value, end) = if length == UNDEFINED {
            if matches!(&vr, b"OB" | b"OW") {
                (Value::Bytes(&[]), self.skip_fragments(next, encoding)?)
            } else {
                let (items, end) = self.sequence(next, None, whole, inner, depth + 1)?;
                (Value::Items(items), end)
            }
        } else {
            let bytes = self.take(next, length as usize)?;
            let end = next + bytes.len();
            if whole.is_some_and(|whole| end > whole) {
                return Err(Halt::Refused("a value is longer than its sequence".into()));
            }
            if &vr == b"SQ" || (matches!(&vr, b"  " | b"UN") && is_sequence(tag)) {
                match self.sequence(next, Some(end), Some(end), inner, depth + 1) {
                    Ok((items, _)) => (Value::Items(items), end),
                    // Its size is known, so damage inside cannot spread: the sequence counts as absent.
                    Err(Halt::Refused(_)) => (Value::Bytes(bytes), end),
                    Err(halt) => return Err(halt),
                }
            } else {
                (Value::Bytes(bytes), end)
            }
        };
        elements.push(Element { tag, vr, value });
        Ok(end)
    }

    /// Items up to `end`, or to the delimiter of a sequence of undefined length, which must come before `whole`.
    fn sequence(
        &mut self,
        mut at: usize,
        end: Option<usize>,
        whole: Option<usize>,
        encoding: Encoding,
        depth: usize,
    ) -> Result<(Vec<DataSet<'a>>, usize), Halt> {
        if depth > MAX_DEPTH {
            return Err(Halt::TooDeep);
        }
        let mut items = Vec::new();
        loop {
            // A delimiter may be missing where the sequence around ends: that end is as good.
            if end.or(whole).is_some_and(|end| at >= end) {
                return Ok((items, at));
            }
            let head = self.head(at, encoding)?;
            self.count()?;
            match head.tag {
                SEQUENCE_END => return Ok((items, head.next)),
                ITEM => {
                    let item_end = match head.length {
                        UNDEFINED => None,
                        n => Some(head.next + self.take(head.next, n as usize)?.len()),
                    };
                    if let (Some(item), Some(whole)) = (item_end, whole)
                        && item > whole
                    {
                        return Err(Halt::Refused("an item is longer than its sequence".into()));
                    }
                    let (item, next) = self.item(head.next, item_end, whole, encoding, depth)?;
                    items.push(item);
                    at = next;
                }
                Tag(group, element) => {
                    let reason = format!("a sequence holds ({group:04X},{element:04X}) where an item should begin");
                    return Err(Halt::Refused(reason));
                }
            }
        }
    }

    fn item(
        &mut self,
        mut at: usize,
        end: Option<usize>,
        whole: Option<usize>,
        encoding: Encoding,
        depth: usize,
    ) -> Result<(DataSet<'a>, usize), Halt> {
        let mut elements = Vec::new();
        loop {
            if [end, whole].into_iter().flatten().any(|end| at >= end) {
                return Ok((DataSet::new(elements, encoding.big_endian), at));
            }
            let head = self.head(at, encoding)?;
            match head.tag {
                ITEM_END => return Ok((DataSet::new(elements, encoding.big_endian), head.next)),
                ITEM | SEQUENCE_END => return Err(Halt::Refused("an item ends where none was expected".into())),
                _ => at = self.element(head, encoding, depth, whole, &mut elements)?,
            }
        }
    }

    /// Steps over encapsulated pixels inside a sequence (an icon).
    fn skip_fragments(&mut self, mut at: usize, encoding: Encoding) -> Result<usize, Halt> {
        loop {
            let head = self.head(at, encoding)?;
            self.count()?;
            match (head.tag, head.length) {
                (SEQUENCE_END, _) => return Ok(head.next),
                (ITEM, n) if n != UNDEFINED => at = head.next + self.take(head.next, n as usize)?.len(),
                _ => return Err(Halt::Refused("its embedded image fragments are damaged".into())),
            }
        }
    }
}

/// Sequences this module reads, for files whose VR does not say so. Others of known length stay opaque.
fn is_sequence(tag: Tag) -> bool {
    matches!(
        tag,
        tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE
            | tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE
            | tags::PLANE_POSITION_SEQUENCE
            | tags::PLANE_ORIENTATION_SEQUENCE
            | tags::PIXEL_MEASURES_SEQUENCE
            | tags::PIXEL_VALUE_TRANSFORMATION_SEQUENCE
            | tags::FRAME_VOILUT_SEQUENCE
            | tags::FRAME_CONTENT_SEQUENCE
            | tags::VOILUT_SEQUENCE
            | tags::DIRECTORY_RECORD_SEQUENCE
            | tags::CT_IMAGE_FRAME_TYPE_SEQUENCE
            | tags::MODALITY_LUT_SEQUENCE
            | tags::SEGMENT_SEQUENCE
            | tags::SEGMENT_IDENTIFICATION_SEQUENCE
            | tags::SEGMENTED_PROPERTY_TYPE_CODE_SEQUENCE
            | tags::SEGMENTED_PROPERTY_CATEGORY_CODE_SEQUENCE
            | tags::REFERENCED_SERIES_SEQUENCE
            | tags::REFERENCED_FRAME_OF_REFERENCE_SEQUENCE
            | tags::RT_REFERENCED_STUDY_SEQUENCE
            | tags::RT_REFERENCED_SERIES_SEQUENCE
            | tags::STRUCTURE_SET_ROI_SEQUENCE
            | tags::ROI_CONTOUR_SEQUENCE
            | tags::CONTOUR_SEQUENCE
    )
}
