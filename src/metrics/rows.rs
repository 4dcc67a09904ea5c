//! What is compared, and the table that comes out, with the definitions it was made by.

use super::number;
use super::{Agreement, Confusion, Convention, Figures, Overlap, SurfaceDistances};
use crate::core::{LabelId, Segment};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// Which voxels of a label map belong to a structure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Select {
    /// Those with this label.
    Label(LabelId),
    /// Those with any label but background: all segments taken as one.
    Foreground,
    /// None: the map does not know the structure.
    Nothing,
}

impl Select {
    /// 1 where selected, 0 elsewhere.
    pub(super) fn mask(self, labels: &[LabelId], mask: &mut [u8]) {
        match self {
            Self::Label(label) => mask.iter_mut().zip(labels).for_each(|(m, &v)| *m = u8::from(v == label)),
            Self::Foreground => mask.iter_mut().zip(labels).for_each(|(m, &v)| *m = u8::from(v != 0)),
            Self::Nothing => mask.fill(0),
        }
    }

    /// As [`Self::mask`], over the labels themselves.
    pub(super) fn mask_in_place(self, labels: &mut [LabelId]) {
        match self {
            Self::Label(label) => labels.iter_mut().for_each(|v| *v = u8::from(*v == label)),
            Self::Foreground => labels.iter_mut().for_each(|v| *v = u8::from(*v != 0)),
            Self::Nothing => labels.fill(0),
        }
    }
}

/// One structure to compare: what it is in each map. Labels are 1 or above.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pair {
    pub name: String,
    pub a: Select,
    pub b: Select,
}

impl Pair {
    /// Label `a` of map A against label `b` of map B.
    pub fn labels(name: impl Into<String>, a: LabelId, b: LabelId) -> Self {
        Self { name: name.into(), a: Select::Label(a), b: Select::Label(b) }
    }

    /// Everything labelled in A against everything labelled in B.
    pub fn foreground(name: impl Into<String>) -> Self {
        Self { name: name.into(), a: Select::Foreground, b: Select::Foreground }
    }
}

/// Pairs the segments of two layers: by name (letter case and separators aside), then what is left by label.
///
/// A segment that the other layer does not have is paired with [`Select::Nothing`], so that it counts as a miss
/// where it has voxels instead of being passed over.
pub fn match_segments(a: &[Segment], b: &[Segment]) -> Vec<Pair> {
    let key =
        |name: &str| name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect::<String>();
    let mut partner: Vec<Option<usize>> =
        a.iter().map(|s| b.iter().position(|t| key(&t.name) == key(&s.name))).collect();
    let taken = |partner: &[Option<usize>], n: usize| partner.contains(&Some(n));
    for (n, segment) in a.iter().enumerate() {
        if partner[n].is_none() {
            partner[n] = b.iter().position(|t| t.id == segment.id).filter(|&m| !taken(&partner, m));
        }
    }
    let mut pairs: Vec<Pair> = a
        .iter()
        .zip(&partner)
        .map(|(s, other)| Pair {
            name: s.name.clone(),
            a: Select::Label(s.id),
            b: other.map_or(Select::Nothing, |n| Select::Label(b[n].id)),
        })
        .collect();
    let alone = b.iter().enumerate().filter(|(n, _)| !taken(&partner, *n));
    pairs.extend(alone.map(|(_, t)| Pair { name: t.name.clone(), a: Select::Nothing, b: Select::Label(t.id) }));
    pairs
}

/// What a figure means, printed beside it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Definition {
    pub figure: Cow<'static, str>,
    pub text: Cow<'static, str>,
}

pub(super) const fn define(figure: &'static str, text: &'static str) -> Definition {
    Definition { figure: Cow::Borrowed(figure), text: Cow::Borrowed(text) }
}

/// What overlap and volumes mean, whatever the [`Convention`] of the distances.
pub(super) static OVERLAP_DEFINITIONS: [Definition; 8] = [
    define(
        "A, B",
        "A is the reference, B is the mask that is judged. TP: voxels in both, FN: in A alone, FP: in B alone.",
    ),
    define("Dice", "2 TP / (2 TP + FP + FN). Undefined when both masks are empty; 0 when one is."),
    define("IoU", "TP / (TP + FP + FN), the Jaccard index. Undefined when both masks are empty."),
    define("Sensitivity", "TP / (TP + FN), the part of A that B found (recall). Undefined when A is empty."),
    define("Precision", "TP / (TP + FP), the part of B that lies in A. Undefined when B is empty."),
    define("Specificity", "TN / (TN + FP) over the whole image; close to 1 for every small structure."),
    define("Accuracy", "(TP + TN) / all voxels of the image; misleads whenever the structure is small."),
    define("B − A", "Volume of B less that of A, in ml and as a share of A. Undefined as a share when A is empty."),
];

pub(super) const MISS: Definition = define(
    "Miss",
    "A structure that only one of the masks has: Dice 0, distances infinite. Misses are counted and listed, never left \
     out of a mean in silence.",
);

/// Result of a comparison. In JSON `null` is undefined or not measured and `"inf"` is infinite.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MetricReport {
    /// Names of the two masks as given by the caller: layer or file names, never a patient's.
    pub name_a: String,
    pub name_b: String,
    /// Voxels along i, j, k.
    pub dims: [usize; 3],
    /// mm along i, j, k.
    pub spacing: [f64; 3],
    /// How surface distances were defined.
    pub convention: Convention,
    pub definitions: Vec<Definition>,
    pub rows: Vec<SegmentRow>,
    /// Voxels of each class in A (row) by class in B (column), where the structures do not overlap.
    pub confusion: Option<Confusion>,
}

impl MetricReport {
    /// The structures that only one of the masks has.
    pub fn misses(&self) -> impl Iterator<Item = &SegmentRow> {
        self.rows.iter().filter(|r| r.agreement.is_miss())
    }
}

/// One structure in the whole volume.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SegmentRow {
    pub name: String,
    pub a: Select,
    pub b: Select,
    pub agreement: Agreement,
    pub overlap: Overlap,
    pub figures: Figures,
    /// Millilitres.
    pub volume_a_ml: f64,
    pub volume_b_ml: f64,
    /// B - A.
    pub volume_difference_ml: f64,
    /// (B - A) / A in percent; `None` when A is empty.
    #[serde(with = "number")]
    pub volume_difference_percent: Option<f64>,
    /// In mm. `None` when neither mask has the structure, or distances were not asked for.
    pub distances: Option<SurfaceDistances>,
    /// Slices along k in which either mask has the structure, in order.
    pub slices: Vec<SliceRow>,
}

/// One structure in one slice, measured in two dimensions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SliceRow {
    /// Index along k.
    pub k: usize,
    pub agreement: Agreement,
    pub overlap: Overlap,
    pub figures: Figures,
    /// Square millimetres.
    pub area_a_mm2: f64,
    pub area_b_mm2: f64,
    /// In mm; `None` when not asked for.
    pub distances_mm: Option<SurfaceDistances>,
    /// In pixels; `None` when not asked for.
    pub distances_px: Option<SurfaceDistances>,
}
