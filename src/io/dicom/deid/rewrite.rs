//! Goes through a parsed data set and writes it again without what tells who it is about. Private to `io::dicom`.
//!
//! PS3.15 annex E.1 and table E.1-1; encodings: PS3.5 sections 6.2, 7.1 and 7.5. Values that stay are copied byte by
//! byte in the encoding of the file, so that nothing depends on being understood.

use super::super::dataset::{DataSet, Element, Value};
use super::super::parse::{Encoding, IMPLICIT_LITTLE, Parser};
use super::super::write::random_uid;
use super::profile::{Action, action};
use super::remap::DeidKey;
use crate::core::Segment;
use dicom_core::dictionary::{DataDictionary, DataDictionaryEntry, VirtualVr};
use dicom_core::{Tag, VR};
use dicom_dictionary_std::{StandardDataDictionary, tags};
use std::collections::BTreeMap;

/// Deepest nesting that is followed; deeper sequences are left out.
const MAX_DEPTH: usize = 64;
const UNDEFINED: u32 = u32::MAX;
/// Words of a name or number that are shorter are too common to look for in other texts.
const SHORTEST_WORD: usize = 4;

/// Attributes whose values must not be left anywhere else either.
const IDENTITY: [Tag; 12] = [
    tags::PATIENT_NAME,
    tags::PATIENT_ID,
    // Other Patient IDs: retired, and in many files.
    Tag(0x0010, 0x1000),
    tags::OTHER_PATIENT_NAMES,
    tags::PATIENT_BIRTH_NAME,
    tags::PATIENT_MOTHER_BIRTH_NAME,
    tags::PATIENT_ADDRESS,
    tags::ACCESSION_NUMBER,
    tags::STUDY_INSTANCE_UID,
    tags::SERIES_INSTANCE_UID,
    tags::SOP_INSTANCE_UID,
    tags::FRAME_OF_REFERENCE_UID,
];

/// Identifiers of vocabularies, which are the same everywhere.
const VOCABULARY: [Tag; 3] = [tags::CODING_SCHEME_UID, tags::CONTEXT_UID, tags::MAPPING_RESOURCE_UID];

/// Writes the elements of one file.
pub(super) struct Rewriter<'k> {
    key: &'k DeidKey,
    encoding: Encoding,
    /// Words that stand for the person, in lower case. As bytes: whatever the character set, it is one for the file.
    words: Vec<Vec<u8>>,
}

impl<'k> Rewriter<'k> {
    /// For a file whose data set is `set`.
    pub fn new(key: &'k DeidKey, encoding: Encoding, set: &DataSet<'_>) -> Self {
        let split = |b: &u8| b.is_ascii_whitespace() || matches!(b, b'^' | b'=' | b'\\' | b',' | b';' | 0);
        let mut words: Vec<Vec<u8>> = IDENTITY
            .iter()
            .filter_map(|tag| set.bytes(*tag))
            .flat_map(|bytes| bytes.split(split).map(<[u8]>::to_ascii_lowercase))
            .filter(|word| word.len() >= SHORTEST_WORD)
            .collect();
        words.sort_unstable();
        words.dedup();
        Self { key, encoding, words }
    }

    /// The new identifier of the instance, and the data set's elements, each with its bytes, with those that say what was
    /// done.
    pub fn data_set(&self, set: &DataSet<'_>) -> (String, BTreeMap<Tag, Vec<u8>>) {
        let mut out = BTreeMap::new();
        for element in set.elements() {
            // The first of two equal elements is the one that readers take.
            if let Some(bytes) = self.element(element, set, 0)
                && !out.contains_key(&element.tag)
            {
                out.insert(element.tag, bytes);
            }
        }
        let person = match [set.person_text(tags::PATIENT_ID), set.person_text(tags::PATIENT_NAME)] {
            [id, name] if id.is_empty() => name,
            [id, _] => id,
        };
        let pseudonym = self.key.pseudonym(&person);
        let instance = match set.text(tags::SOP_INSTANCE_UID) {
            uid if uid.is_empty() => random_uid(),
            uid => self.key.uid(&uid),
        };
        let code = [
            self.text(tags::CODE_VALUE, VR::SH, "113100"),
            self.text(tags::CODING_SCHEME_DESIGNATOR, VR::SH, "DCM"),
            self.text(tags::CODE_MEANING, VR::LO, "Basic Application Confidentiality Profile"),
        ];
        let method = format!("Maskwright {}: PS3.15 Basic Profile", env!("CARGO_PKG_VERSION"));
        for (tag, bytes) in [
            (tags::SOP_INSTANCE_UID, self.text(tags::SOP_INSTANCE_UID, VR::UI, &instance)),
            (tags::PATIENT_NAME, self.text(tags::PATIENT_NAME, VR::PN, &pseudonym)),
            (tags::PATIENT_ID, self.text(tags::PATIENT_ID, VR::LO, &pseudonym)),
            (tags::PATIENT_IDENTITY_REMOVED, self.text(tags::PATIENT_IDENTITY_REMOVED, VR::CS, "YES")),
            (tags::DEIDENTIFICATION_METHOD, self.text(tags::DEIDENTIFICATION_METHOD, VR::LO, &method)),
            (
                tags::DEIDENTIFICATION_METHOD_CODE_SEQUENCE,
                self.items(tags::DEIDENTIFICATION_METHOD_CODE_SEQUENCE, &[code.concat()]),
            ),
            (
                tags::LONGITUDINAL_TEMPORAL_INFORMATION_MODIFIED,
                self.text(tags::LONGITUDINAL_TEMPORAL_INFORMATION_MODIFIED, VR::CS, "REMOVED"),
            ),
        ] {
            out.insert(tag, bytes);
        }
        (instance, out)
    }

    /// One element as it is written, or `None` where it is left out.
    fn element(&self, element: &Element<'_>, set: &DataSet<'_>, depth: usize) -> Option<Vec<u8>> {
        let Tag(group, number) = element.tag;
        // Lengths of groups do not hold any more; curves, overlays and private groups go as a whole.
        let whole_group = group % 2 == 1 || matches!(group & 0xFF00, 0x5000 | 0x6000);
        if number == 0 || group < 8 || whole_group {
            return None;
        }
        let action = action(element.tag);
        if action == Some(Action::Remove) {
            return None;
        }
        let vr = self.vr(element)?;
        if vr == VR::SQ || matches!(element.value, Value::Items(_)) {
            let empties = matches!(action, Some(Action::Empty | Action::Dummy));
            return match empties {
                true => Some(self.items(element.tag, &[])),
                false => self.sequence(element, set, depth),
            };
        }
        let Value::Bytes(bytes) = &element.value else { return None };
        let kept = || Some(self.raw(element.tag, vr, bytes));
        if element.tag == tags::ROI_NAME {
            return Some(self.text(element.tag, vr, &region_name(set)));
        }
        match action {
            Some(Action::Empty) => Some(self.raw(element.tag, vr, b"")),
            Some(Action::Dummy) => Some(self.dummy(element.tag, vr, bytes.len())),
            _ if vr == VR::UI && !VOCABULARY.contains(&element.tag) => {
                let uids = String::from_utf8_lossy(bytes);
                let uids: Vec<String> = uids.split('\\').map(|u| self.key.uid(u.trim_matches(['\0', ' ']))).collect();
                Some(self.text(element.tag, vr, &uids.join("\\")))
            }
            // Dates and persons that the profile's table does not know.
            _ if matches!(vr, VR::DA | VR::DT | VR::TM) => Some(self.dummy(element.tag, vr, bytes.len())),
            _ if vr == VR::PN => Some(self.raw(element.tag, vr, b"")),
            _ if is_free_text(vr) && self.names_the_person(bytes) => Some(self.dummy(element.tag, vr, bytes.len())),
            // A patient's number may stand for a series' too.
            _ if vr == VR::IS && self.words.iter().any(|word| bytes.trim_ascii() == word) => {
                Some(self.dummy(element.tag, vr, bytes.len()))
            }
            _ => kept(),
        }
    }

    /// What kind of value it is: as the file says, else as the standard does. `None` for what the standard does not
    /// know, which could be anything.
    fn vr(&self, element: &Element<'_>) -> Option<VR> {
        let known = StandardDataDictionary.by_tag(element.tag)?;
        let written = VR::from_binary(element.vr).filter(|vr| *vr != VR::UN);
        Some(written.unwrap_or_else(|| match known.vr() {
            VirtualVr::Exact(vr) => vr,
            VirtualVr::Xs => VR::US,
            _ => VR::OW,
        }))
    }

    fn sequence(&self, element: &Element<'_>, set: &DataSet<'_>, depth: usize) -> Option<Vec<u8>> {
        if depth >= MAX_DEPTH {
            return None;
        }
        let parsed;
        let items = match &element.value {
            Value::Items(items) => items,
            Value::Bytes([]) => return Some(self.items(element.tag, &[])),
            Value::Bytes(bytes) => {
                // A sequence of known length whose kind the reader had no need to know.
                let explicit = self.encoding.explicit && &element.vr == b"SQ";
                let encoding = match explicit {
                    true => Encoding { explicit, big_endian: set.big_endian },
                    false => IMPLICIT_LITTLE,
                };
                parsed = Parser::new(bytes, bytes.len() as u64).items(encoding).ok()?;
                &parsed
            }
        };
        if items.iter().any(|item| item.big_endian != self.encoding.big_endian) {
            return None;
        }
        let item = |item: &DataSet<'_>| {
            item.elements().iter().filter_map(|e| self.element(e, item, depth + 1)).collect::<Vec<_>>().concat()
        };
        Some(self.items(element.tag, &items.iter().map(item).collect::<Vec<_>>()))
    }

    fn names_the_person(&self, text: &[u8]) -> bool {
        let text = text.to_ascii_lowercase();
        self.words.iter().any(|word| text.windows(word.len()).any(|part| part == word))
    }

    /// A value that says nothing, of the same kind.
    fn dummy(&self, tag: Tag, vr: VR, length: usize) -> Vec<u8> {
        let text = match vr {
            VR::DA => "19000101",
            VR::TM => "000000",
            VR::DT => "19000101000000",
            VR::AS => "000Y",
            VR::IS | VR::DS => "0",
            VR::PN => "Anonymous",
            VR::UI => return self.text(tag, vr, &self.key.uid("dummy")),
            VR::UR => "about:blank",
            VR::AE | VR::CS => "REMOVED",
            VR::LO | VR::LT | VR::SH | VR::ST | VR::UC | VR::UT => "Removed",
            // Numbers and bytes: as many zeros.
            _ => return self.raw(tag, vr, &vec![0; length]),
        };
        self.text(tag, vr, text)
    }

    fn text(&self, tag: Tag, vr: VR, text: &str) -> Vec<u8> {
        let mut bytes = text.as_bytes().to_vec();
        if bytes.len() % 2 == 1 {
            bytes.push(if vr == VR::UI { 0 } else { b' ' });
        }
        self.raw(tag, vr, &bytes)
    }

    /// An element with these bytes as its value.
    fn raw(&self, tag: Tag, vr: VR, value: &[u8]) -> Vec<u8> {
        let padding = value.len() % 2;
        let mut out = self.head(tag, vr, (value.len() + padding) as u32);
        out.extend_from_slice(value);
        out.extend_from_slice(&[0][..padding]);
        out
    }

    /// A sequence of items whose elements are written already.
    fn items(&self, tag: Tag, items: &[Vec<u8>]) -> Vec<u8> {
        if items.is_empty() {
            return self.head(tag, VR::SQ, 0);
        }
        let mut out = self.head(tag, VR::SQ, UNDEFINED);
        for item in items {
            out.extend(self.delimiter(0xE000, UNDEFINED));
            out.extend_from_slice(item);
            out.extend(self.delimiter(0xE00D, 0));
        }
        out.extend(self.delimiter(0xE0DD, 0));
        out
    }

    fn delimiter(&self, element: u16, length: u32) -> Vec<u8> {
        [&self.short(0xFFFE)[..], &self.short(element), &self.long(length)].concat()
    }

    fn head(&self, Tag(group, element): Tag, vr: VR, length: u32) -> Vec<u8> {
        let tag = [self.short(group), self.short(element)].concat();
        if !self.encoding.explicit {
            return [tag, self.long(length).to_vec()].concat();
        }
        let name = vr.to_bytes();
        match u16::try_from(length) {
            Ok(short) if has_short_length(vr) => [&tag[..], &name, &self.short(short)].concat(),
            // Beyond 64 KiB a value of such a kind is written as of unknown kind (PS3.5 section 6.2.2).
            _ => {
                let name = if has_short_length(vr) { *b"UN" } else { name };
                [&tag[..], &name, &[0, 0], &self.long(length)].concat()
            }
        }
    }

    fn short(&self, value: u16) -> [u8; 2] {
        if self.encoding.big_endian { value.to_be_bytes() } else { value.to_le_bytes() }
    }

    fn long(&self, value: u32) -> [u8; 4] {
        if self.encoding.big_endian { value.to_be_bytes() } else { value.to_le_bytes() }
    }
}

/// Kinds of value whose length takes two bytes in explicit VR (PS3.5 section 7.1.2).
fn has_short_length(vr: VR) -> bool {
    !matches!(
        vr,
        VR::OB
            | VR::OD
            | VR::OF
            | VR::OL
            | VR::OV
            | VR::OW
            | VR::SQ
            | VR::SV
            | VR::UC
            | VR::UN
            | VR::UR
            | VR::UT
            | VR::UV
    )
}

fn is_free_text(vr: VR) -> bool {
    matches!(vr, VR::AE | VR::LO | VR::LT | VR::SH | VR::ST | VR::UC | VR::UR | VR::UT)
}

/// A region's name where it is a well-known organ's, else its number: the profile allows no free text here.
fn region_name(region: &DataSet<'_>) -> String {
    let name = region.person_text(tags::ROI_NAME);
    match Segment::new(1, name).code {
        Some(code) => code.meaning,
        None => format!("Region {}", region.integer(tags::ROI_NUMBER).unwrap_or(0)),
    }
}
