//! From a group of frames to stacks that open as volumes, and the findings that say what was assumed.
//! Private to `io::dicom`.
//!
//! Geometry is PS3.3 C.7.6.2.1.1: slices are ordered by their position along the normal of the image plane, and the
//! third axis is the true vector from slice to slice, so that tilted and oblique stacks stay where they are.

use super::group::{Group, Slice};
use super::spacing::{MAX_PARTS, SAME_POSITION_MM, even_runs, gaps, median, missing, trusted_runs};
use crate::core::Geometry;
use crate::io::{DicomStack, Finding, Severity, SliceFile};
use dicom_dictionary_std::uids;
use glam::{DAffine3, DMat3, DVec3};
use std::collections::{BTreeMap, HashSet};

/// One series as it will be listed.
#[derive(Debug)]
pub(super) struct Listed {
    /// `Some(n)` for the n-th part of a series that had to be split.
    pub part: Option<usize>,
    pub slices: usize,
    pub stack: Option<DicomStack>,
    pub findings: Vec<Finding>,
}

impl Listed {
    fn closed(slices: usize, findings: Vec<Finding>) -> Vec<Self> {
        vec![Self { part: None, slices, stack: None, findings }]
    }
}

fn finding(severity: Severity, code: &'static str, text: impl Into<String>) -> Finding {
    Finding { severity, code, text: text.into(), file: None }
}

/// A frame whose place is known.
#[derive(Clone, Copy)]
struct Placed<'h> {
    slice: Slice<'h>,
    position: DVec3,
    along: f64,
}

/// The series of a group: one, or several where spacing changes or acquisitions share positions.
pub(super) fn stacks(group: &Group<'_>) -> Vec<Listed> {
    let n = group.slices.len();
    let first = group.first();
    if first.modality != "CT" {
        let modality = if first.modality.is_empty() { "An image without modality" } else { &first.modality };
        let text = format!("{modality} is listed but not opened: only CT carries Hounsfield units.");
        return Listed::closed(n, vec![finding(Severity::Note, "not-ct", text)]);
    }
    if group.is_scout() {
        let text = "This is a scout view (a projection), not a stack of slices; it is not opened.";
        return Listed::closed(n, vec![finding(Severity::Note, "scout", text)]);
    }
    if first.colour {
        let text = "These images are in colour (a capture or rendering), not CT slices; they are not opened.";
        return Listed::closed(n, vec![finding(Severity::Note, "colour", text)]);
    }
    if first.sop_class_uid.starts_with(uids::SECONDARY_CAPTURE_IMAGE_STORAGE) && group.slices[0].place.spacing.is_none()
    {
        let text = "This is a screen capture without pixel spacing, not a CT slice; it is not opened.";
        return Listed::closed(n, vec![finding(Severity::Note, "screen-capture", text)]);
    }
    let mut findings = Vec::new();
    let usable = usable_slices(group, &mut findings);
    if usable.is_empty() {
        return Listed::closed(n, findings);
    }
    let Some(mut placed) = placed_slices(&usable, &mut findings) else {
        return Listed::closed(n, findings);
    };
    note_identifiers(&usable, &mut findings);
    placed.sort_by(|a, b| {
        let order = |p: &Placed<'_>| (p.slice.header.instance, p.slice.header.path.clone(), p.slice.place.frame);
        a.along.total_cmp(&b.along).then_with(|| order(a).cmp(&order(b)))
    });
    if let Some(phases) = split_phases(&placed) {
        let text =
            format!("{} acquisitions share the same positions; each is listed as a series of its own.", phases.len());
        findings.push(finding(Severity::Note, "acquisitions", text));
        return number_parts(phases.iter().flat_map(|phase| build(phase, findings.clone())).collect());
    }
    let before = placed.len();
    placed.dedup_by(|b, a| (b.along - a.along).abs() < SAME_POSITION_MM);
    if placed.len() < before {
        let text = format!(
            "{} slice(s) lie at the position of another one; the one with the lowest instance number is kept at each position.",
            before - placed.len()
        );
        findings.push(finding(Severity::Warning, "duplicate-slices", text));
    }
    number_parts(build(&placed, findings))
}

fn number_parts(mut listed: Vec<Listed>) -> Vec<Listed> {
    let several = listed.len() > 1;
    for (n, one) in listed.iter_mut().enumerate() {
        one.part = several.then_some(n + 1);
    }
    listed
}

/// Frames whose pixels can be read; the rest is reported by reason.
fn usable_slices<'h>(group: &Group<'h>, findings: &mut Vec<Finding>) -> Vec<Slice<'h>> {
    let mut refused: BTreeMap<String, Vec<Slice<'h>>> = BTreeMap::new();
    let mut usable = Vec::new();
    for &slice in &group.slices {
        let reason = match &slice.header.format {
            Err(reason) => Some(reason.clone()),
            Ok(format) if format.frames != slice.header.frames.len() => Some(format!(
                "it has {} frames but says where {} of them lie",
                format.frames,
                slice.header.frames.len()
            )),
            Ok(_) if !slice.place.rescale_slope.is_finite() || slice.place.rescale_slope == 0.0 => {
                Some("its rescale slope is zero or no number, so it holds no Hounsfield units".into())
            }
            Ok(_) if !slice.place.rescale_intercept.is_finite() => Some("its rescale intercept is no number".into()),
            Ok(_) => None,
        };
        match reason {
            Some(reason) => refused.entry(reason).or_default().push(slice),
            None => usable.push(slice),
        }
    }
    for (reason, slices) in refused {
        let text = match slices.len() {
            1 => format!("A slice is left out: {reason}."),
            n => format!("{n} slices are left out: for each, {reason}."),
        };
        let file = slices.first().map(|s| s.header.path.clone());
        findings.push(Finding { severity: Severity::Error, code: "unreadable-slices", text, file });
    }
    if let Some(first) = usable.first() {
        if usable.iter().any(|s| !s.place.has_rescale) {
            let text = "The header gives no rescale slope and intercept; stored values are taken as Hounsfield units.";
            findings.push(finding(Severity::Warning, "no-rescale", text));
        }
        if matches!(&first.header.format, Ok(f) if f.photometric == "MONOCHROME1") {
            let text =
                "The header asks for low values in white (MONOCHROME1); Hounsfield units are shown as for every CT.";
            findings.push(finding(Severity::Note, "monochrome1", text));
        }
    }
    usable
}

/// Positions along the common normal, or `None` with a finding that says what is missing.
fn placed_slices<'h>(usable: &[Slice<'h>], findings: &mut Vec<Finding>) -> Option<Vec<Placed<'h>>> {
    let first = usable.first()?;
    if first.place.spacing.is_none() {
        let text = "The header gives no usable pixel spacing, so nothing could be measured; the series is not opened.";
        findings.push(finding(Severity::Error, "no-spacing", text));
        return None;
    }
    let complete = first.place.orientation.is_some() && usable.iter().all(|s| s.place.position.is_some());
    if !complete && usable.len() > 1 {
        let text = "The slices do not say where they lie in the patient, so their order and spacing are unknown; \
                    the series is not opened.";
        findings.push(finding(Severity::Error, "no-position", text));
        return None;
    }
    if !complete {
        let text = "The slice does not say where it lies in the patient; it is shown as axial, and its orientation \
                    letters may be wrong.";
        findings.push(finding(Severity::Warning, "no-position", text));
    }
    let [row, column] = first.place.orientation.unwrap_or([DVec3::X, DVec3::Y]);
    let normal = row.cross(column);
    Some(
        usable
            .iter()
            .map(|&slice| {
                let position = slice.place.position.unwrap_or(DVec3::ZERO);
                Placed { slice, position, along: position.dot(normal) }
            })
            .collect(),
    )
}

fn note_identifiers(usable: &[Slice<'_>], findings: &mut Vec<Finding>) {
    let mut seen = HashSet::new();
    let shared = usable
        .iter()
        .filter(|s| !s.header.sop_instance_uid.is_empty())
        .filter(|s| !seen.insert((&s.header.sop_instance_uid, s.place.frame)))
        .count();
    if shared > 0 {
        let text = format!("{shared} slice(s) carry the identifier of another one; they are told apart by position.");
        findings.push(finding(Severity::Note, "duplicate-identifiers", text));
    }
    if usable.iter().any(|s| s.header.study_uid != usable[0].header.study_uid) {
        let text = "The slices name different studies but one series; they are listed in the first one's study.";
        findings.push(finding(Severity::Note, "several-studies", text));
    }
    if usable.iter().any(|s| s.header.series_uid.is_empty()) {
        let text = "The files name no series; those in one folder with one geometry are taken together.";
        findings.push(finding(Severity::Note, "no-series-identifier", text));
    }
}

/// When positions repeat because several acquisitions or reconstructions share a series: the acquisitions.
fn split_phases<'h>(placed: &[Placed<'h>]) -> Option<Vec<Vec<Placed<'h>>>> {
    let repeats = |p: &[Placed<'_>]| p.windows(2).any(|w| w[1].along - w[0].along < SAME_POSITION_MM);
    if !repeats(placed) {
        return None;
    }
    let by = |key: &dyn Fn(&Placed<'h>) -> String| {
        let mut phases: BTreeMap<String, Vec<Placed<'h>>> = BTreeMap::new();
        for p in placed {
            phases.entry(key(p)).or_default().push(*p);
        }
        let phases: Vec<_> = phases.into_values().collect();
        let whole = phases.len() > 1 && phases.iter().all(|p| p.len() > 1 && !repeats(p));
        whole.then_some(phases)
    };
    by(&|p| format!("{:020}", p.slice.header.acquisition)).or_else(|| by(&|p| p.slice.place.image_type.join("\\")))
}

/// Even parts of slices in ascending order, each a stack.
fn build(placed: &[Placed<'_>], mut findings: Vec<Finding>) -> Vec<Listed> {
    let along: Vec<f64> = placed.iter().map(|p| p.along).collect();
    if even_runs(&along).len() <= 1 {
        return vec![one(placed, findings)];
    }
    let kept = trusted_runs(&along);
    let spacings = distinct(&gaps(&along));
    let strays = placed.len() - kept.iter().map(|r| r.len()).sum::<usize>();
    if kept.is_empty() || kept.len() > MAX_PARTS {
        let text = format!(
            "The distance between slices varies ({spacings}) and leaves no evenly spaced parts; the series is not opened."
        );
        findings.push(finding(Severity::Error, "uneven-spacing", text));
        return Listed::closed(placed.len(), findings);
    }
    let opened = match kept.len() {
        1 => "only the evenly spaced part is opened".to_owned(),
        n => format!("it is opened as {n} parts, none of which spans a gap"),
    };
    let (code, reason) = match missing(&along) {
        Some(count) => {
            let usual = median(&gaps(&along));
            ("missing-slices", format!("{count} slice(s) are missing inside the series (usual distance {usual:.2} mm)"))
        }
        None => ("uneven-spacing", format!("The distance between slices varies ({spacings})")),
    };
    let left_out =
        if strays > 0 { format!(", and {strays} slice(s) that fit no part are left out") } else { String::new() };
    findings.push(finding(Severity::Warning, code, format!("{reason}; {opened}{left_out}.")));
    kept.into_iter().map(|run| one(&placed[run], findings.clone())).collect()
}

fn distinct(gaps: &[f64]) -> String {
    let mut texts: Vec<String> = Vec::new();
    for gap in gaps {
        let text = format!("{gap:.2}");
        if !texts.contains(&text) {
            texts.push(text);
        }
    }
    let more = if texts.len() > 4 { ", …" } else { "" };
    texts.truncate(4);
    format!("{}{more} mm", texts.join(", "))
}

/// One stack of evenly spaced slices.
fn one(placed: &[Placed<'_>], mut findings: Vec<Finding>) -> Listed {
    let geometry = stack_geometry(placed, &mut findings);
    let stack = geometry.zip(placed.first()).map(|(geometry, first)| {
        let header = first.slice.header;
        DicomStack {
            geometry,
            slices: placed.iter().map(|p| slice_file(&p.slice)).collect(),
            window: header.window,
            study_uid: header.study_uid.clone(),
            series_uid: header.series_uid.clone(),
            frame_of_reference_uid: header.frame_of_reference_uid.clone(),
        }
    });
    Listed { part: None, slices: placed.len(), stack, findings }
}

fn slice_file(slice: &Slice<'_>) -> SliceFile {
    SliceFile {
        path: slice.header.path.clone(),
        frame: slice.place.frame,
        sop_class_uid: match slice.header.sop_class_uid.as_str() {
            "" => uids::CT_IMAGE_STORAGE.to_owned(),
            uid => uid.to_owned(),
        },
        sop_instance_uid: slice.header.sop_instance_uid.clone(),
    }
}

fn stack_geometry(placed: &[Placed<'_>], findings: &mut Vec<Finding>) -> Option<Geometry> {
    let (first, last) = (placed.first()?, placed.last()?);
    let place = first.slice.place;
    let [row, column] = place.orientation.unwrap_or([DVec3::X, DVec3::Y]);
    let normal = row.cross(column);
    let spacing = place.spacing?;
    let step = if placed.len() > 1 {
        (last.position - first.position) / (placed.len() - 1) as f64
    } else {
        let thickness = place.thickness.unwrap_or_else(|| {
            let text = "A single slice without thickness; 1 mm is assumed, so volumes in ml are not meaningful.";
            findings.push(finding(Severity::Warning, "assumed-thickness", text));
            1.0
        });
        normal * thickness
    };
    let tolerance = 0.1 * spacing.min_element().min(step.length());
    let worst = placed
        .iter()
        .enumerate()
        .map(|(k, p)| (p.position - first.position - step * k as f64).length())
        .fold(0.0, f64::max);
    if worst > tolerance.max(0.01) {
        let text =
            format!("Slices are shifted sideways against each other by up to {worst:.2} mm; the series is not opened.");
        findings.push(finding(Severity::Error, "shifted-slices", text));
        return None;
    }
    let tilt = (step.dot(normal) / step.length()).clamp(-1.0, 1.0).acos().to_degrees();
    if tilt > 0.2 {
        let text = format!(
            "The gantry was tilted by {tilt:.1} degrees: slices are stacked at that angle. Places and distances are right; \
             sagittal and coronal views are drawn along the tilt."
        );
        findings.push(finding(Severity::Warning, "gantry-tilt", text));
    }
    let header = first.slice.header;
    let matrix3 = DMat3::from_cols(row * spacing.x, column * spacing.y, step);
    let dims = [header.columns, header.rows, placed.len()];
    match Geometry::new(dims, DAffine3 { matrix3, translation: first.position }) {
        Ok(geometry) => Some(geometry),
        Err(error) => {
            findings.push(finding(Severity::Error, "no-volume", format!("The series is not opened: {error}.")));
            None
        }
    }
}
