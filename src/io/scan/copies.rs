//! Volume files that hold the image of a DICOM series beside them: listed with it, not as another person.

use crate::core::Geometry;
use crate::io::dicom::{SourceSlices, load_stack};
use crate::io::load_volume;
use crate::io::orient::Placement;
use crate::io::types::{DicomStack, Finding, LoadEvent, Scan, Series, Severity, VolumeSource};
use crate::jobs::JobContext;
use glam::DVec3;

/// Code of the finding that says so.
pub const COPY: &str = "copy";
/// Larger files are not read for this.
const MAX_VOXELS: usize = 1 << 26;
/// Slices that are compared, as parts of the stack.
const LOOKED_AT: [f64; 3] = [0.25, 0.5, 0.75];
/// One pixel in so many is compared along rows and columns.
const EVERY: usize = 3;

/// Moves volume files to the patient of the DICOM series that one of them is a copy of.
///
/// A copy lies on the same voxels, in whatever order of the axes, and holds the same values in three slices of the series.
/// Only files on the voxels of a series are read.
pub fn join(scan: &mut Scan, ctx: &JobContext<()>) {
    let originals: Vec<(usize, usize, String, DicomStack)> = scan
        .patients
        .iter()
        .enumerate()
        .flat_map(|(p, patient)| patient.studies.iter().enumerate().map(move |(s, study)| (p, s, study)))
        .flat_map(|(p, s, study)| study.series.iter().map(move |series| (p, s, series)))
        .filter_map(|(p, s, series)| match &series.source {
            Some(VolumeSource::Dicom(stack)) if series.can_open() => Some((p, s, series.label.clone(), stack.clone())),
            _ => None,
        })
        .collect();
    let mut moved: Vec<(usize, usize, Vec<Series>)> = Vec::new();
    scan.patients.retain_mut(|patient| {
        let mut target = None;
        for series in patient.studies.iter_mut().flat_map(|s| &mut s.series) {
            // A DICOM series is nobody's copy; there may be thousands.
            if matches!(series.source, None | Some(VolumeSource::Dicom(_))) {
                continue;
            }
            let original = originals.iter().find(|(.., stack)| !ctx.is_cancelled() && is_copy(series, stack));
            if let Some((p, s, label, _)) = original {
                let text = format!("This file holds the same image as {label}.");
                series.findings.push(Finding { severity: Severity::Note, code: COPY, text, file: None });
                target = Some((*p, *s));
            }
        }
        let Some((p, s)) = target else { return true };
        moved.push((p, s, patient.studies.drain(..).flat_map(|study| study.series).collect()));
        false
    });
    // Patients of volume files come after those of DICOM, so that the numbers of the targets still hold.
    for (p, s, series) in moved {
        if let Some(study) = scan.patients.get_mut(p).and_then(|patient| patient.studies.get_mut(s)) {
            study.series.extend(series);
        }
    }
    for (n, patient) in scan.patients.iter_mut().enumerate() {
        patient.label = format!("Patient {}", n + 1);
    }
}

/// Whether a volume file holds the image of the stack.
fn is_copy(series: &Series, stack: &DicomStack) -> bool {
    let (Some(grid), Some(source)) = (&series.geometry, &series.source) else { return false };
    let file = !matches!(source, VolumeSource::Dicom(_)) && grid.voxel_count() <= MAX_VOXELS;
    if !file || !Placement::find(grid, &stack.geometry).is_some_and(|p| p.is_whole()) {
        return false;
    }
    // What cannot be read is told by whoever opens it.
    let Ok(volume) = load_volume(source, &JobContext::detached()) else { return false };
    let file_from_stack = volume.geometry().voxel_from_world() * stack.geometry.world_from_voxel();
    let [nx, ny, nz] = stack.geometry.dims();
    LOOKED_AT.iter().all(|part| {
        let k = ((nz - 1) as f64 * part).round() as usize;
        let Some(slice) = slice(stack, k) else { return false };
        (0..ny).step_by(EVERY).all(|j| {
            (0..nx).step_by(EVERY).all(|i| {
                let voxel = file_from_stack.transform_point3(DVec3::new(i as f64, j as f64, k as f64)).round();
                volume.at(voxel.to_array().map(|v| v as i64)) == slice.get(j * nx + i).copied()
            })
        })
    })
}

/// Samples of one slice.
fn slice(stack: &DicomStack, k: usize) -> Option<Vec<i16>> {
    let geometry: Geometry = SourceSlices::of(stack)?.plane(k)?;
    let one = DicomStack { geometry, slices: vec![stack.slices.get(k)?.clone()], ..stack.clone() };
    let ctx: JobContext<LoadEvent> = JobContext::detached();
    Some(load_stack(&one, &ctx).ok()?.hu().to_vec())
}
