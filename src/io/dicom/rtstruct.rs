//! RT structure sets: closed planar contours, filled even-odd on the slices of the volume.
//!
//! PS3.3 C.8.8.5 (Structure Set), C.8.8.6 (ROI Contour).

use super::dataset::DataSet;
use super::error::DicomError;
use super::guard::with_header;
use super::labels::{Painter, finding};
use super::raster::Raster;
use crate::core::{Geometry, Segment};
use crate::io::{LoadedMask, Severity};
use crate::jobs::JobContext;
use dicom_dictionary_std::tags;
use glam::{DVec2, DVec3};
use std::collections::BTreeMap;
use std::path::Path;

/// A contour whose points stray further than this from one slice (in slices) is not on it.
const OFF_PLANE: f64 = 0.25;

/// Reads the regions of `path` as labels on `reference`, in the order of the file from label 1.
///
/// Contours of one region on one slice combine by exclusive or, so inner contours are holes. Where regions overlap
/// the later one wins, with a finding. Open and point contours, and contours between slices, are left out with a
/// finding.
///
/// # Errors
/// As the guard; [`DicomError::Mismatch`] when the file holds regions but none of them touches the volume.
pub fn load_rtstruct<E>(path: &Path, reference: &Geometry, ctx: &JobContext<E>) -> Result<LoadedMask, DicomError> {
    with_header(path, |header| read(path, header.set, reference, ctx))
}

#[derive(Default)]
struct Skipped {
    open: usize,
    off_plane: usize,
    unreadable: usize,
}

fn read<E>(
    path: &Path,
    set: &DataSet<'_>,
    reference: &Geometry,
    ctx: &JobContext<E>,
) -> Result<LoadedMask, DicomError> {
    let rois = set.items(tags::STRUCTURE_SET_ROI_SEQUENCE);
    let contours = set.items(tags::ROI_CONTOUR_SEQUENCE);
    if rois.is_empty() && contours.is_empty() {
        return Err(DicomError::refused(path, "it holds no structures"));
    }
    let mut painter = Painter::new(*reference);
    let mut segments = Vec::new();
    let mut findings = Vec::new();
    let mut skipped = Skipped::default();
    ctx.progress.say("Filling contours");
    ctx.progress.set(0, rois.len() as u64);
    for roi in rois {
        let Ok(id) = u8::try_from(segments.len() + 1) else {
            let text = format!("Only the first 255 of {} regions are read.", rois.len());
            findings.push(finding(Severity::Warning, "too-many-labels", text));
            break;
        };
        let number = roi.integer(tags::ROI_NUMBER);
        let name = match roi.person_text(tags::ROI_NAME) {
            name if name.is_empty() => format!("Region {id}"),
            name => name,
        };
        let mut segment = Segment::new(id, name);
        segment.file_value = number.and_then(|n| u32::try_from(n).ok()).unwrap_or(u32::from(id));
        for item in contours.iter().filter(|c| c.integer(tags::REFERENCED_ROI_NUMBER) == number) {
            if let Some([r, g, b]) = color(item) {
                segment.color = [r, g, b];
            }
            for (k, raster) in rasters(item, reference, ctx, &mut skipped)? {
                raster.for_each_inside(|i, j| painter.paint([i, j, k], id));
            }
        }
        segments.push(segment);
        ctx.progress.step();
    }
    report(&skipped, &mut findings);
    let had_contours = contours.iter().any(|c| !c.items(tags::CONTOUR_SEQUENCE).is_empty());
    if had_contours && painter.is_blank() {
        return Err(DicomError::mismatch(path, "none of its contours touches a slice; it was drawn on another series"));
    }
    if painter.overlaps > 0 {
        findings.push(painter.overlap_finding());
    }
    Ok(LoadedMask { labels: painter.labels, segments, findings })
}

fn color(item: &DataSet<'_>) -> Option<[u8; 3]> {
    let numbers = item.numbers(tags::ROI_DISPLAY_COLOR)?;
    let [r, g, b] = *numbers.first_chunk::<3>()?;
    Some([r, g, b].map(|v| v.clamp(0.0, 255.0) as u8))
}

fn rasters<E>(
    item: &DataSet<'_>,
    reference: &Geometry,
    ctx: &JobContext<E>,
    skipped: &mut Skipped,
) -> Result<BTreeMap<usize, Raster>, DicomError> {
    let [nx, ny, nz] = reference.dims();
    let voxel_from_world = reference.voxel_from_world();
    let mut slices: BTreeMap<usize, Raster> = BTreeMap::new();
    for contour in item.items(tags::CONTOUR_SEQUENCE) {
        if ctx.is_cancelled() {
            return Err(DicomError::Cancelled);
        }
        if !matches!(contour.text(tags::CONTOUR_GEOMETRIC_TYPE).as_str(), "CLOSED_PLANAR" | "CLOSEDPLANAR_XOR" | "") {
            skipped.open += 1;
            continue;
        }
        let Some(numbers) = contour.numbers(tags::CONTOUR_DATA).filter(|n| n.len() >= 9 && n.len() % 3 == 0) else {
            skipped.unreadable += 1;
            continue;
        };
        let points: Vec<DVec3> = numbers
            .as_chunks::<3>()
            .0
            .iter()
            .map(|&p| voxel_from_world.transform_point3(DVec3::from_array(p)))
            .collect();
        let k = points.iter().map(|p| p.z).sum::<f64>() / points.len() as f64;
        let plane = k.round();
        let on_slice = (0.0..nz as f64).contains(&plane) && points.iter().all(|p| (p.z - plane).abs() <= OFF_PLANE);
        if !on_slice {
            skipped.off_plane += 1;
            continue;
        }
        let polygon: Vec<DVec2> = points.iter().map(|p| p.truncate()).collect();
        slices.entry(plane as usize).or_insert_with(|| Raster::new(nx, ny)).toggle(&polygon);
    }
    Ok(slices)
}

fn report(skipped: &Skipped, findings: &mut Vec<crate::io::Finding>) {
    let mut say = |n: usize, code, text: &str| {
        if n > 0 {
            findings.push(finding(Severity::Warning, code, format!("{n} contour(s) {text}")));
        }
    };
    say(skipped.open, "open-contours", "are points or open lines, which enclose nothing, and are left out.");
    say(skipped.off_plane, "off-plane-contours", "lie on no slice of this volume and are left out.");
    say(skipped.unreadable, "unreadable-contours", "hold no readable points and are left out.");
}
