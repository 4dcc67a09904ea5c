//! From a group of frames to stacks that open as volumes, and the findings that say what was assumed.
//! Private to `io::dicom`.
//!
//! Geometry is PS3.3 C.7.6.2.1.1: slices are ordered by their position along the normal of the image plane, and the
//! third axis is the true vector from slice to slice, so that tilted and oblique stacks stay where they are.

use super::group::{Group, Slice};
use super::notes::notes;
use super::overlay::{is_laid_over, value_scale};
use super::phases::{Phases, split_phases, split_stacks};
use super::placed::{Placed, placed_slices};
use super::regular::{Slices, regular_grid};
use super::spacing::{MAX_PARTS, SAME_POSITION_MM, even_runs, gaps, median, missing, trusted_runs};
use crate::core::{Geometry, count_with};
use crate::io::fold::gist;
use crate::io::{DicomStack, Finding, Resampling, Severity, SliceFile};
use dicom_dictionary_std::uids;
use glam::{DAffine3, DMat3, DVec2, DVec3};
use std::collections::BTreeMap;
use std::sync::Arc;

/// One series as it will be listed.
#[derive(Debug)]
pub(super) struct Listed {
    /// `Some(n)` for the n-th part of a series that had to be split.
    pub part: Option<usize>,
    pub slices: usize,
    pub stack: Option<DicomStack>,
    /// All slices of the series on a regular grid, where the stack is none or not all of it.
    pub resampled: Option<Arc<DicomStack>>,
    pub findings: Vec<Finding>,
}

impl Listed {
    fn closed(slices: usize, findings: Vec<Finding>) -> Vec<Self> {
        vec![Self { part: None, slices, stack: None, resampled: None, findings }]
    }
}

fn finding(severity: Severity, code: &'static str, text: impl Into<String>) -> Finding {
    Finding { severity, code, text: text.into(), file: None }
}

/// The series of a group: one, or several where spacing changes or acquisitions share positions.
pub(super) fn stacks(group: &Group<'_>) -> Vec<Listed> {
    let n = group.slices.len();
    let first = group.first();
    if is_laid_over(&first.modality) && !group.is_scout() && !first.colour {
        let mut listed = opened(group);
        for one in &mut listed {
            let what =
                if one.stack.is_some() { "opens only to be laid over a CT and looked at" } else { "is not opened" };
            let text = format!("{} {what}: its values are no Hounsfield units.", first.modality);
            one.findings.push(finding(Severity::Note, "not-ct", text));
        }
        return listed;
    }
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
    opened(group)
}

/// The series of slices of a modality that is opened.
fn opened(group: &Group<'_>) -> Vec<Listed> {
    let n = group.slices.len();
    let first = group.first();
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
    findings.extend(notes(&usable));
    placed.sort_by(|a, b| {
        let order = |p: &Placed<'_>| (p.slice.header.instance, p.slice.header.path.clone(), p.slice.place.frame);
        a.along.total_cmp(&b.along).then_with(|| order(a).cmp(&order(b)))
    });
    if let Some(stacks) = split_stacks(&placed) {
        let text = format!("The files hold {} stacks of slices; each is listed as a series of its own.", stacks.len());
        findings.push(finding(Severity::Note, "several-stacks", text));
        return number_parts(stacks.into_iter().flat_map(|stack| series(stack, findings.clone())).collect());
    }
    number_parts(series(placed, findings))
}

/// The series of slices in ascending order that belong to one stack.
fn series(mut placed: Vec<Placed<'_>>, mut findings: Vec<Finding>) -> Vec<Listed> {
    if let Some(Phases { slices, by_folder }) = split_phases(&placed) {
        let n = slices.len();
        findings.push(if by_folder {
            let text = format!(
                "{n} folders hold slices of one series identifier that do not belong together; each is listed as a \
                 series of its own."
            );
            finding(Severity::Warning, "one-identifier-many-folders", text)
        } else {
            let text = format!("{n} acquisitions share the same positions; each is listed as a series of its own.");
            finding(Severity::Note, "acquisitions", text)
        });
        return slices.iter().flat_map(|phase| build(phase, findings.clone())).collect();
    }
    let before = placed.len();
    placed.dedup_by(|b, a| (b.along - a.along).abs() < SAME_POSITION_MM);
    if placed.len() < before {
        let text = format!(
            "{} at the position of another one; the one with the lowest instance number is kept at each position.",
            count_with(before - placed.len(), "slice", "lies", "lie")
        );
        findings.push(finding(Severity::Warning, "duplicate-slices", text));
    }
    build(&placed, findings)
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
    let mut refused: BTreeMap<String, (String, Vec<Slice<'h>>)> = BTreeMap::new();
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
            Some(reason) => refused.entry(gist(&reason)).or_insert((reason, Vec::new())).1.push(slice),
            None => usable.push(slice),
        }
    }
    for (reason, slices) in refused.into_values() {
        let name = slices.first().map(Slice::name).unwrap_or_default();
        let text = match slices.len() {
            1 => format!("A slice is left out ({name}): {reason}."),
            n => format!("{n} slices are left out; of the first, {name}: {reason}."),
        };
        let file = slices.first().map(|s| s.header.path.clone());
        findings.push(Finding { severity: Severity::Error, code: "unreadable-slices", text, file });
    }
    usable
}

/// Even parts of slices in ascending order, each a stack; and what all of them are when resampled.
fn build(placed: &[Placed<'_>], mut findings: Vec<Finding>) -> Vec<Listed> {
    let hounsfield = value_scale(placed).is_none();
    let regular = hounsfield.then(|| resampled(placed)).flatten().map(Arc::new);
    let mut listed = even_parts(placed, &mut findings, regular.is_some());
    let Some(regular) = regular else { return listed };
    let (d, s) = (regular.geometry.dims(), regular.geometry.spacing());
    let text = format!(
        "It can be resampled to a regular grid of {} x {} x {} voxels of {:.3} x {:.3} x {:.3} mm: the window asks, on \
         the command line it is --resample. DICOM masks drawn on it are written back onto the source slices.",
        d[0], d[1], d[2], s.x, s.y, s.z
    );
    for one in &mut listed {
        one.findings.push(finding(Severity::Note, "can-be-resampled", text.clone()));
        one.resampled = Some(Arc::clone(&regular));
    }
    listed
}

fn even_parts(placed: &[Placed<'_>], findings: &mut Vec<Finding>, offered: bool) -> Vec<Listed> {
    let along: Vec<f64> = placed.iter().map(|p| p.along).collect();
    if even_runs(&along).len() <= 1 {
        return vec![one(placed, findings.clone(), offered)];
    }
    let kept = trusted_runs(&along);
    let strays = placed.len() - kept.iter().map(|r| r.len()).sum::<usize>();
    let (code, reason) = unevenness(&along);
    if kept.is_empty() || kept.len() > MAX_PARTS {
        let text = format!("{reason} and leaves no evenly spaced parts; {}.", closed(offered));
        let severity = if offered { Severity::Warning } else { Severity::Error };
        findings.push(finding(severity, code, text));
        return Listed::closed(placed.len(), findings.clone());
    }
    let opened = match kept.len() {
        1 => "only the evenly spaced part is opened".to_owned(),
        n => format!("it is opened as {n} parts, none of which spans a gap"),
    };
    let left_out = match strays {
        0 => String::new(),
        n => format!(", and {} left out", count_with(n, "slice", "that fits no part is", "that fit no part are")),
    };
    findings.push(finding(Severity::Warning, code, format!("{reason}; {opened}{left_out}.")));
    kept.into_iter().map(|run| one(&placed[run], findings.clone(), offered)).collect()
}

fn closed(offered: bool) -> &'static str {
    if offered { "the series opens only when it is resampled" } else { "the series is not opened" }
}

/// Code and beginning of the sentence for slices whose distances differ.
fn unevenness(along: &[f64]) -> (&'static str, String) {
    match missing(along) {
        Some(count) => {
            let usual = median(&gaps(along));
            let slices = count_with(count, "slice", "is", "are");
            ("missing-slices", format!("{slices} missing inside the series (usual distance {usual:.2} mm)"))
        }
        None => ("uneven-spacing", format!("The distance between slices varies ({})", distinct(&gaps(along)))),
    }
}

fn distinct(gaps: &[f64]) -> String {
    let mut texts: Vec<String> = Vec::new();
    for gap in gaps {
        let text = format!("{gap:.2}");
        if texts.len() <= 4 && !texts.contains(&text) {
            texts.push(text);
        }
    }
    let more = if texts.len() > 4 { ", …" } else { "" };
    texts.truncate(4);
    format!("{}{more} mm", texts.join(", "))
}

/// One stack of evenly spaced slices.
fn one(placed: &[Placed<'_>], mut findings: Vec<Finding>, offered: bool) -> Listed {
    let geometry = stack_geometry(placed, &mut findings, offered);
    let stack = geometry.and_then(|geometry| stack_of(placed, geometry, None));
    Listed { part: None, slices: placed.len(), stack, resampled: None, findings }
}

fn stack_of(placed: &[Placed<'_>], geometry: Geometry, resampling: Option<Resampling>) -> Option<DicomStack> {
    let header = placed.first()?.slice.header;
    let scale = value_scale(placed);
    Some(DicomStack {
        geometry,
        slices: placed.iter().map(slice_file).collect(),
        resampling,
        // Theirs are over values, and mostly over all of them.
        window: header.window.filter(|_| scale.is_none()),
        scale,
        study_uid: header.study_uid.clone(),
        series_uid: header.series_uid.clone(),
        frame_of_reference_uid: header.frame_of_reference_uid.clone(),
    })
}

fn slice_file(placed: &Placed<'_>) -> SliceFile {
    let slice = &placed.slice;
    SliceFile {
        path: slice.header.path.clone(),
        frame: slice.place.frame,
        sop_class_uid: match slice.header.sop_class_uid.as_str() {
            "" => uids::CT_IMAGE_STORAGE.to_owned(),
            uid => uid.to_owned(),
        },
        sop_instance_uid: slice.header.sop_instance_uid.clone(),
        position: slice.place.position,
    }
}

/// All slices on a regular grid, when they form none themselves and one can be found.
fn resampled(placed: &[Placed<'_>]) -> Option<DicomStack> {
    let (first, last) = (placed.first()?, placed.last()?);
    let place = first.slice.place;
    let (orientation, spacing) = (place.orientation?, place.spacing?);
    let along: Vec<f64> = placed.iter().map(|p| p.along).collect();
    let mut reasons = Vec::new();
    if let Some(degrees) = tilt(last.position - first.position, orientation) {
        reasons.push(format!("The gantry was tilted by {degrees:.1} degrees."));
    }
    if even_runs(&along).len() > 1 {
        reasons.push(format!("{}.", unevenness(&along).1));
    } else if let Some(worst) = sideways(placed, spacing) {
        reasons.push(format!("Slices are shifted sideways by up to {worst:.2} mm."));
    }
    if reasons.is_empty() {
        return None;
    }
    let positions: Vec<DVec3> = placed.iter().map(|p| p.position).collect();
    let size = [first.slice.header.columns, first.slice.header.rows];
    let geometry = regular_grid(&Slices { positions: &positions, orientation, spacing, size })?;
    let resampling = Resampling {
        slice_size: size,
        slice_thickness: place.thickness.unwrap_or(geometry.spacing().z),
        reason: reasons.join(" "),
    };
    stack_of(placed, geometry, Some(resampling))
}

/// Degrees between the slices' normal and the way from slice to slice, unless there are none.
fn tilt(way: DVec3, [row, column]: [DVec3; 2]) -> Option<f64> {
    let normal = row.cross(column);
    let degrees = (way.dot(normal) / way.length()).clamp(-1.0, 1.0).acos().to_degrees();
    (degrees > 0.2).then_some(degrees)
}

/// Furthest that a slice lies from the even row between the first and the last, where that is too far for a stack.
fn sideways(placed: &[Placed<'_>], spacing: DVec2) -> Option<f64> {
    let (first, last) = (placed.first()?, placed.last()?);
    let step = (last.position - first.position) / (placed.len().max(2) - 1) as f64;
    let tolerance = 0.1 * spacing.min_element().min(step.length());
    let off = |(k, p): (usize, &Placed<'_>)| (p.position - first.position - step * k as f64).length();
    let worst = placed.iter().enumerate().map(off).fold(0.0, f64::max);
    (worst > tolerance.max(0.01)).then_some(worst)
}

fn stack_geometry(placed: &[Placed<'_>], findings: &mut Vec<Finding>, offered: bool) -> Option<Geometry> {
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
    if let Some(worst) = sideways(placed, spacing) {
        let text =
            format!("Slices are shifted sideways against each other by up to {worst:.2} mm; {}.", closed(offered));
        let severity = if offered { Severity::Warning } else { Severity::Error };
        findings.push(finding(severity, "shifted-slices", text));
        return None;
    }
    if let Some(degrees) = tilt(step, [row, column]) {
        // The tilt says it all.
        findings.retain(|f| f.code != "oblique");
        let text = format!(
            "The gantry was tilted by {degrees:.1} degrees: slices are stacked at that angle. Places and distances are \
             right; sagittal and coronal views are drawn along the tilt."
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
