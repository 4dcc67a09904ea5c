//! Where the slices of a group lie along their normal, also where headers say too little. Private to `io::dicom`.
//!
//! The place is the header's position (PS3.3 C.7.6.2.1.1). Where no slice has one, the next best is taken and said: the
//! slice location, then the instance number at the distance that the header gives.

use super::group::Slice;
use super::spacing::{SAME_POSITION_MM, gaps, matches, median};
use crate::io::{Finding, Severity};
use glam::DVec3;

/// A frame whose place is known.
#[derive(Clone, Copy)]
pub(super) struct Placed<'h> {
    pub slice: Slice<'h>,
    pub position: DVec3,
    pub along: f64,
}

fn finding(severity: Severity, code: &'static str, text: impl Into<String>) -> Finding {
    Finding::new(severity, code, text)
}

/// Positions along the common normal, or `None` with a finding that says what is missing.
pub(super) fn placed_slices<'h>(usable: &[Slice<'h>], findings: &mut Vec<Finding>) -> Option<Vec<Placed<'h>>> {
    let first = usable.first()?;
    if first.place.spacing.is_none() {
        let text = "The header gives no usable pixel spacing, so nothing could be measured; the series is not opened.";
        findings.push(finding(Severity::Error, "no-spacing", text));
        return None;
    }
    let [row, column] = first.place.orientation.unwrap_or([DVec3::X, DVec3::Y]);
    let normal = row.cross(column);
    let is_placed = |s: &&Slice<'h>| s.place.position.is_some() && first.place.orientation.is_some();
    let with_place = usable.iter().filter(is_placed).count();
    if with_place < usable.len() && with_place > usable.len() / 2 {
        let missing: Vec<_> = usable.iter().filter(|s| !is_placed(s)).collect();
        let name = missing.first().map(|s| s.name()).unwrap_or_default();
        let text = match missing.len() {
            1 => format!("A slice ({name}) does not say where it lies in the patient, and is left out."),
            n => format!("{n} slices do not say where they lie in the patient, and are left out; the first is {name}."),
        };
        let file = missing.first().map(|s| s.header.path.clone());
        findings.push(Finding { severity: Severity::Error, code: "unreadable-slices", text, file });
    } else if with_place < usable.len() && usable.len() > 1 {
        return assumed(usable, normal, findings);
    } else if with_place < usable.len() {
        let text = "The slice does not say where it lies in the patient; it is shown as axial, and its orientation \
                    letters may be wrong.";
        findings.push(finding(Severity::Warning, "no-position", text));
    }
    let placed = usable.iter().filter(|s| is_placed(s) || usable.len() == 1).map(|&slice| {
        let position = slice.place.position.unwrap_or(DVec3::ZERO);
        Placed { slice, position, along: position.dot(normal) }
    });
    Some(placed.collect())
}

/// Places of slices whose headers have no positions.
fn assumed<'h>(usable: &[Slice<'h>], normal: DVec3, findings: &mut Vec<Finding>) -> Option<Vec<Placed<'h>>> {
    let (placed, how) = by_location(usable, normal).or_else(|| by_instance(usable, normal)).or_else(|| {
        let text = "The slices do not say where they lie in the patient, and neither slice locations nor instance \
                    numbers tell their order; the series is not opened.";
        findings.push(finding(Severity::Error, "no-position", text));
        None
    })?;
    let text = format!(
        "The slices do not say where they lie in the patient; {how}. Head and feet may be exchanged, the orientation \
         letters may be wrong, and masks of other programs may not find their place."
    );
    findings.push(finding(Severity::Warning, "assumed-positions", text));
    Some(placed)
}

type Assumed<'h> = (Vec<Placed<'h>>, String);

/// By slice location, where every slice has one of its own and the distances are even.
fn by_location<'h>(usable: &[Slice<'h>], normal: DVec3) -> Option<Assumed<'h>> {
    let mut placed = usable
        .iter()
        .map(|&slice| {
            let along = slice.header.slice_location.filter(|l| l.abs() < 1e6)?;
            Some(Placed { slice, position: normal * along, along })
        })
        .collect::<Option<Vec<_>>>()?;
    placed.sort_by(|a, b| a.along.total_cmp(&b.along));
    let gaps = gaps(&placed.iter().map(|p| p.along).collect::<Vec<_>>());
    let usual = median(&gaps);
    let even = gaps.iter().all(|gap| *gap > SAME_POSITION_MM && matches(*gap, usual));
    even.then(|| (placed, format!("their slice locations are taken, {usual:.2} mm apart")))
}

/// By instance number, where every slice has one of its own, at the distance that the first header gives.
fn by_instance<'h>(usable: &[Slice<'h>], normal: DVec3) -> Option<Assumed<'h>> {
    let first = usable.first()?;
    let between = first.header.spacing_between_slices;
    let (step, source) = match (between, first.place.thickness) {
        (Some(step), _) => (step, "the spacing between slices"),
        (None, Some(step)) => (step, "the slice thickness"),
        (None, None) => return None,
    };
    let mut sorted: Vec<Slice<'h>> = usable.to_vec();
    let number = |s: &Slice<'h>| (s.header.instance, s.place.frame);
    sorted.sort_by_key(number);
    if sorted.windows(2).any(|w| number(&w[0]) == number(&w[1])) {
        return None;
    }
    let placed = sorted.into_iter().enumerate().map(|(k, slice)| {
        let along = step * k as f64;
        Placed { slice, position: normal * along, along }
    });
    Some((placed.collect(), format!("they are stacked by instance number at {source}, {step:.2} mm")))
}
