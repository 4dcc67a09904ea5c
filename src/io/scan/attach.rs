//! Which mask belongs to which series.

use super::stems::{name_score, shared_depth};
use super::volumes::VolumeFile;
use super::walk::Organs;
use crate::io::open::stem;
use crate::io::orient::Placement;
use crate::io::types::{DicomStack, Finding, MaskKind, MaskSource, Scan, Series, Severity, VolumeSource};
use std::path::Path;

/// A file that stands for the series in questions of place.
pub fn series_path(series: &Series) -> Option<&Path> {
    fn first(stack: &DicomStack) -> Option<&Path> {
        stack.slices.first().map(|s| s.path.as_path())
    }
    match &series.source {
        Some(VolumeSource::Dicom(stack)) => first(stack),
        Some(VolumeSource::Nifti(path) | VolumeSource::Nrrd(path)) => Some(path),
        None => first(series.resampled.as_ref()?),
    }
}

/// All series, to be changed.
pub fn series_mut(scan: &mut Scan) -> impl Iterator<Item = &mut Series> {
    scan.patients.iter_mut().flat_map(|p| &mut p.studies).flat_map(|s| &mut s.series)
}

/// Gives every mask file to the series whose voxels it covers: the nearest in the folders, then the one whose name fits.
pub fn volume_masks(scan: &mut Scan, files: &[VolumeFile]) {
    for file in files.iter().filter(|f| f.labels) {
        let mask = MaskSource { name: stem(&file.path), kind: file.mask_kind() };
        let chosen = owners(scan, file);
        if chosen.is_empty() {
            if scan.series().any(Series::can_open) {
                scan.findings.push(Finding {
                    severity: Severity::Note,
                    code: "mask-without-image",
                    text: format!("the mask {} lies on no image that was found", mask.name),
                    file: Some(file.path.clone()),
                });
            }
            scan.masks.push(mask);
            continue;
        }
        for (n, series) in series_mut(scan).enumerate() {
            if chosen.contains(&n) {
                series.masks.push(mask.clone());
            }
        }
    }
}

/// Positions of the series that the mask belongs to.
fn owners(scan: &Scan, file: &VolumeFile) -> Vec<usize> {
    struct Candidate {
        at: usize,
        depth: usize,
        /// `None` for DICOM, whose file names say nothing.
        score: Option<u32>,
    }
    let mut list: Vec<Candidate> = scan
        .series()
        .enumerate()
        // A mask is of an image that can have one.
        .filter(|(_, series)| !series.can_lay_over())
        .filter_map(|(at, series)| {
            let placement = Placement::find(&file.geometry, series.geometry.as_ref()?)?;
            let path = series_path(series)?;
            let dicom = matches!(series.source, Some(VolumeSource::Dicom(_)));
            let score = (!dicom).then(|| name_score(&file.path, path));
            (file.may_be_cropped || placement.is_whole()).then(|| Candidate {
                at,
                depth: shared_depth(&file.path, path),
                score,
            })
        })
        .collect();
    let nearest = list.iter().map(|c| c.depth).max().unwrap_or(0);
    list.retain(|c| c.depth == nearest);
    let best = list.iter().filter_map(|c| c.score).max().unwrap_or(0);
    let volumes = list.iter().filter(|c| c.score.is_some()).count();
    // Several volume files on the same grid and none with a fitting name: any choice would be a guess.
    list.retain(|c| c.score.is_none_or(|s| if best > 0 { s == best } else { volumes == 1 }));
    list.into_iter().map(|c| c.at).collect()
}

/// Gives the organ folders of `MASKS_DICOM` to the series of the `PATIENT_DICOM` beside it.
pub fn organ_folders(scan: &mut Scan, folders: Vec<Organs>) {
    for Organs { folder, organs } in folders {
        let mask = MaskSource { name: "MASKS_DICOM".into(), kind: MaskKind::DicomMasks(organs) };
        let parent = folder.parent().unwrap_or(Path::new(""));
        let beside = |series: &Series| {
            series_path(series).and_then(|p| p.strip_prefix(parent).ok()).is_some_and(|rest| {
                let first = rest.components().next().map(|c| c.as_os_str());
                rest.components().count() > 1 && first.is_some_and(|f| f.eq_ignore_ascii_case("PATIENT_DICOM"))
            })
        };
        let owner = scan.series().position(beside);
        match owner.and_then(|at| series_mut(scan).nth(at)) {
            Some(series) => series.masks.push(mask),
            None => scan.masks.push(mask),
        }
    }
}
