//! What a label means: name, colour, code, and the rules for editing it.

use serde::{Deserialize, Serialize};

/// Label of a voxel; 0 is background.
pub type LabelId = u8;

/// A coded concept (scheme, value, meaning), DICOM PS3.3 section 8.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Code {
    pub scheme: String,
    pub value: String,
    pub meaning: String,
}

impl Code {
    fn snomed(value: &str, meaning: &str) -> Self {
        Self { scheme: "SCT".into(), value: value.into(), meaning: meaning.into() }
    }
}

/// One label of a layer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Segment {
    /// Label in the label map, 1 or above.
    pub id: LabelId,
    pub name: String,
    /// sRGB.
    pub color: [u8; 3],
    pub code: Option<Code>,
    /// A locked segment's voxels are neither painted over nor erased.
    pub locked: bool,
    pub visible: bool,
    /// The number this label has in the file it came from, and is exported with.
    pub file_value: u32,
}

/// Colours that stay apart for the common forms of colour blindness (Okabe and Ito, 2008, without black).
pub const PALETTE: [[u8; 3]; 7] =
    [[230, 159, 0], [86, 180, 233], [0, 158, 115], [240, 228, 66], [0, 114, 178], [213, 94, 0], [204, 121, 167]];

/// What lightens (towards 255) or darkens (towards 0) the palette for the labels after its end, in percent.
const RINGS: [(u32, u32); 5] = [(0, 0), (255, 40), (0, 40), (255, 70), (0, 65)];

/// Colour of a new segment: the palette, then its lighter and darker variants, so that the first 35 all differ.
pub fn default_color(id: LabelId) -> [u8; 3] {
    let n = usize::from(id.max(1) - 1);
    let (towards, percent) = RINGS[n / PALETTE.len() % RINGS.len()];
    PALETTE[n % PALETTE.len()].map(|c| ((u32::from(c) * (100 - percent) + towards * percent + 50) / 100) as u8)
}

impl Segment {
    /// A visible, unlocked segment in the palette's colour for `id`; well-known organ names get their SNOMED CT code.
    pub fn new(id: LabelId, name: impl Into<String>) -> Self {
        let name = name.into();
        let code = code_for(&name);
        Self { id, name, color: default_color(id), code, locked: false, visible: true, file_value: u32::from(id) }
    }
}

/// SNOMED CT codes for names as datasets spell them (`left_lung`, `Left lung`, `leftlung`).
fn code_for(name: &str) -> Option<Code> {
    let key: String = name.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
    Some(match key.as_str() {
        "liver" => Code::snomed("10200004", "Liver"),
        "leftlung" | "lungleft" => Code::snomed("44029006", "Left lung"),
        "rightlung" | "lungright" => Code::snomed("3341006", "Right lung"),
        "lung" | "lungs" => Code::snomed("39607008", "Lung"),
        "muscle" | "skeletalmuscle" => Code::snomed("127954009", "Skeletal muscle"),
        "spleen" => Code::snomed("78961009", "Spleen"),
        "kidney" | "kidneys" => Code::snomed("64033007", "Kidney"),
        _ => return None,
    })
}

/// Segments for the distinct non-zero numbers of a file, and the label each number becomes.
///
/// Numbers up to 255 keep their value as label. When one is above, all are renumbered from 1 in ascending order,
/// so that any file with at most 255 labels can be held. Returns `None` when there are more.
pub fn segments_for_values(values: &[u32]) -> Option<Vec<(u32, Segment)>> {
    let mut distinct: Vec<u32> = values.iter().copied().filter(|&v| v != 0).collect();
    distinct.sort_unstable();
    distinct.dedup();
    if distinct.len() > 255 {
        return None;
    }
    let keep = distinct.last().is_none_or(|&v| v <= 255);
    Some(
        distinct
            .into_iter()
            .enumerate()
            .map(|(n, value)| {
                let id = if keep { value as u8 } else { (n + 1) as u8 };
                let mut segment = Segment::new(id, format!("Label {value}"));
                segment.file_value = value;
                (value, segment)
            })
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_above_a_byte_are_renumbered_and_remembered() {
        let s = segments_for_values(&[0, 3, 3, 1]).unwrap();
        assert_eq!(s.iter().map(|(v, s)| (*v, s.id)).collect::<Vec<_>>(), [(1, 1), (3, 3)]);
        let s = segments_for_values(&[4618, 0, 2]).unwrap();
        assert_eq!(s.iter().map(|(v, s)| (*v, s.id, s.file_value)).collect::<Vec<_>>(), [(2, 1, 2), (4618, 2, 4618)]);
        assert!(segments_for_values(&(0..300).collect::<Vec<_>>()).is_none());
    }

    #[test]
    fn the_first_35_colours_differ_and_the_first_7_are_the_palette() {
        let colors: Vec<[u8; 3]> = (1..=35).map(|id| Segment::new(id, "A").color).collect();
        assert_eq!(colors[..7], PALETTE);
        let distinct: std::collections::BTreeSet<_> = colors.iter().collect();
        assert_eq!(distinct.len(), 35, "{colors:?}");
        // Every label has a colour.
        assert_eq!((Segment::new(0, "A").color, Segment::new(36, "A").color), (PALETTE[0], PALETTE[0]));
        assert_eq!(Segment::new(255, "A").color, colors[254 % 35]);
    }

    #[test]
    fn organs_are_coded() {
        assert_eq!(Segment::new(1, "left_lung").code.unwrap().value, "44029006");
        assert_eq!(Segment::new(1, "tumour").code, None);
    }
}
