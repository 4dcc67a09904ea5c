//! Areas, volumes and densities of the masks of a cohort, where the image is given.

use super::named;
use super::read::CaseMask;
use crate::core::{Segment, Volume};
use crate::metrics::Pair;
use crate::metrics::quantities::{QuantityOptions, muscle_slice, quantities};
use crate::report::Quantities;

/// What the truth is called beside the names of the judged sides.
const REFERENCE: &str = "Reference";

/// Quantities of a case's masks: of the judged one, and before it of the truth where `first` says that it was not yet
/// measured. Structures are called as their pairs are, so that those of both masks stand in one column; muscle is measured
/// in the truth's slice in both.
pub(super) fn quantities_of(
    case: &str,
    [truth, judged]: [&CaseMask; 2],
    pairs: &[Pair],
    first: bool,
    volume: &Volume,
) -> Vec<Quantities> {
    let segments_a = named(&truth.segments, pairs, |p| p.a);
    let slice = muscle_slice(&truth.labels, &segments_a);
    let measured = |mask: &CaseMask, name: &str, segments: &[Segment], slice| {
        let options = QuantityOptions { height_cm: None, slice };
        let values = quantities(&mask.labels, segments, Some(volume), options);
        Quantities { case: case.to_owned(), mask: name.to_owned(), time: None, values }
    };
    let mut all = Vec::new();
    if first {
        all.push(measured(truth, REFERENCE, &segments_a, None));
    }
    all.push(measured(judged, &judged.name, &named(&judged.segments, pairs, |p| p.b), slice));
    all
}
