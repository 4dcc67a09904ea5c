//! What headers say of their slices that a reader should know, one finding for the whole series each.
//! Private to `io::dicom`.

use super::format::FalseLength;
use super::group::Slice;
use super::overlay::is_laid_over;
use super::padding::Fate;
use super::resample::OUTSIDE_HU;
use crate::core::count_with;
use crate::io::{Finding, Severity};
use glam::DVec3;
use std::collections::HashSet;

/// Pixels whose sides differ by less than this part are square.
const SQUARE: f64 = 0.01;
/// Slices turned by less than this many degrees are still called axial, coronal or sagittal.
const STRAIGHT_DEGREES: f64 = 1.0;

fn note(severity: Severity, code: &'static str, text: impl Into<String>) -> Finding {
    Finding { severity, code, text: text.into(), file: None }
}

/// Everything there is to say about slices that can be read.
pub(super) fn notes(usable: &[Slice<'_>]) -> Vec<Finding> {
    let mut findings = Vec::new();
    // What is no CT is not expected to hold Hounsfield units.
    if usable.iter().any(|s| !is_laid_over(&s.header.modality)) {
        values(usable, &mut findings);
    }
    identifiers(usable, &mut findings);
    shape(usable, &mut findings);
    lengths(usable, &mut findings);
    findings
}

/// Scale, padding, sign, grey table.
fn values(usable: &[Slice<'_>], findings: &mut Vec<Finding>) {
    let Some(first) = usable.first() else { return };
    if first.header.assumed_modality {
        let text = "The header names no modality; its storage class is CT, and so it is taken.";
        findings.push(note(Severity::Note, "no-modality", text));
    }
    if usable.iter().any(|s| !s.place.has_rescale) {
        let text = "The header gives no rescale slope and intercept; stored values are taken as Hounsfield units.";
        findings.push(note(Severity::Warning, "no-rescale", text));
    }
    let scale = |s: &Slice<'_>| [s.place.rescale_slope, s.place.rescale_intercept];
    if usable.iter().any(|s| scale(s) != scale(first)) {
        let text = "Rescale slope or intercept changes from slice to slice; each slice is converted by its own.";
        findings.push(note(Severity::Note, "rescale-varies", text));
    }
    if matches!(&first.header.format, Ok(f) if f.photometric == "MONOCHROME1") {
        let text = "The header asks for low values in white (MONOCHROME1); Hounsfield units are shown as for every CT.";
        findings.push(note(Severity::Note, "monochrome1", text));
    }
    if usable.iter().any(|s| s.header.signed_hint) {
        let text = "The header calls its samples unsigned but writes negative ones. Slices whose samples can only be \
                    signed are read so.";
        findings.push(note(Severity::Warning, "signed-values", text));
    }
    if usable.iter().any(|s| s.header.has_grey_table) {
        let text = "The header brings a table of grey values (VOI LUT); choose \"Header table\" among the windows.";
        findings.push(note(Severity::Note, "grey-table", text));
    }
    findings.extend(usable.iter().find_map(padding));
}

fn padding(slice: &Slice<'_>) -> Option<Finding> {
    let (padding, format) = (slice.header.padding?, slice.header.format.as_ref().ok()?);
    let hu = |stored: i32| slice.place.rescale_slope * f64::from(stored) + slice.place.rescale_intercept;
    let [a, b] = slice.header.padding_by_table.unwrap_or_else(|| padding.range(format).map(hu));
    let range = if a == b { format!("{a:.0} HU") } else { format!("{:.0} to {:.0} HU", a.min(b), a.max(b)) };
    let (severity, consequence) = match Fate::of([a, b]) {
        // Air itself: nobody would notice.
        Fate::Dark if a.min(b) >= f64::from(OUTSIDE_HU) => return None,
        Fate::Dark => (Severity::Note, "They are kept, as in 3D Slicer and ITK-SNAP, and show black".to_owned()),
        Fate::Tissue => (
            Severity::Warning,
            "Tissue can have this value too, so nothing is changed; the area outside may show grey".to_owned(),
        ),
        Fate::ToAir => {
            (Severity::Warning, format!("They would outshine everything measured and are set to {OUTSIDE_HU} HU"))
        }
    };
    let text = format!("Pixels without a measurement are marked by {range} (pixel padding). {consequence}.");
    Some(note(severity, "pixel-padding", text))
}

fn identifiers(usable: &[Slice<'_>], findings: &mut Vec<Finding>) {
    let Some(first) = usable.first() else { return };
    let mut seen = HashSet::new();
    let named = usable.iter().filter(|s| !s.header.sop_instance_uid.is_empty());
    let shared = named.filter(|s| !seen.insert((&s.header.sop_instance_uid, s.place.frame))).count();
    if shared > 0 {
        let slices = count_with(shared, "slice", "carries", "carry");
        let text = format!("{slices} the identifier of another one; they are told apart by position.");
        findings.push(note(Severity::Note, "duplicate-identifiers", text));
    }
    let unnamed = usable.iter().filter(|s| s.header.sop_instance_uid.is_empty()).count();
    if unnamed > 0 {
        let text = format!(
            "{} no identifier; a DICOM segmentation cannot refer to {} and is matched by place alone.",
            count_with(unnamed, "slice", "carries", "carry"),
            if unnamed == 1 { "it" } else { "them" }
        );
        findings.push(note(Severity::Note, "no-instance-identifier", text));
    }
    if usable.iter().any(|s| s.header.study_uid != first.header.study_uid) {
        let text = "The slices name different studies but one series; they are listed in the first one's study.";
        findings.push(note(Severity::Note, "several-studies", text));
    } else if first.header.study_uid.is_empty() {
        let text = "The files name no study; those in one folder are taken as one.";
        findings.push(note(Severity::Note, "no-study-identifier", text));
    }
    if usable.iter().any(|s| s.header.series_uid.is_empty()) {
        let text = "The files name no series; those in one folder with one geometry are taken together.";
        findings.push(note(Severity::Note, "no-series-identifier", text));
    }
    if usable.iter().any(|s| s.header.frame_of_reference_uid != first.header.frame_of_reference_uid) {
        let text = "The slices name different frames of reference; their positions are taken as they are.";
        findings.push(note(Severity::Warning, "several-frames-of-reference", text));
    }
}

/// Shape of the pixels and direction of the slices.
fn shape(usable: &[Slice<'_>], findings: &mut Vec<Finding>) {
    let Some(place) = usable.first().map(|s| s.place) else { return };
    if let Some(spacing) = place.spacing
        && (spacing.x - spacing.y).abs() > SQUARE * spacing.max_element()
    {
        let text = format!(
            "Pixels are {:.3} mm wide and {:.3} mm high; they are drawn and measured at their true size.",
            spacing.x, spacing.y
        );
        findings.push(note(Severity::Note, "non-square-pixels", text));
    }
    let Some([row, column]) = place.orientation else { return };
    let normal = row.cross(column).normalize_or(DVec3::Z).abs();
    let (nearest, cosine) = [("sagittal", normal.x), ("coronal", normal.y), ("axial", normal.z)]
        .into_iter()
        .max_by(|a, b| a.1.total_cmp(&b.1))
        .unwrap_or(("axial", 1.0));
    let off = cosine.clamp(0.0, 1.0).acos().to_degrees();
    if off > STRAIGHT_DEGREES {
        let text = format!(
            "The slices are oblique: {off:.1} degrees from {nearest}. They are shown as acquired, and places are true."
        );
        findings.push(note(Severity::Note, "oblique", text));
    } else if nearest != "axial" {
        let text = format!("The slices were acquired {nearest}; other planes are cut from them.");
        findings.push(note(Severity::Note, "not-axial", text));
    }
}

/// Files whose pixels are said to be longer than they are; the image is complete in each.
fn lengths(usable: &[Slice<'_>], findings: &mut Vec<Finding>) {
    let mut seen = HashSet::new();
    let files = usable.iter().map(|s| s.header).filter(|h| seen.insert(h.path.as_path()));
    let (beyond, within): (Vec<_>, Vec<_>) =
        files.filter_map(|h| Some((h, h.false_length?))).partition(|(_, length)| length.left.is_some());
    for told in [beyond, within] {
        let Some(&(first, FalseLength { claimed, needed, left })) = told.first() else { continue };
        let name = first.path.file_name().unwrap_or_default().to_string_lossy();
        let who = match told.len() {
            1 => format!("{name} claims"),
            n => format!("{n} files claim more pixels than their images have; the first, {name}, claims"),
        };
        let (severity, text) = match left {
            Some(left) => (
                Severity::Note,
                format!(
                    "{who} {claimed} bytes of pixels where {left} are left in the file; the image needs {needed} and is \
                     complete."
                ),
            ),
            None => (
                Severity::Warning,
                format!("{who} {claimed} bytes of pixels where the image needs {needed}; what follows it is not read."),
            ),
        };
        findings.push(note(severity, "pixel-length", text).about(&first.path));
    }
}
