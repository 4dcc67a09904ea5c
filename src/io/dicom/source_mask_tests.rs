//! Masks of source slices on the grid of the resampled series, and back: every kind of mask, a tilt and a gap.

use super::rtstruct_tests::{contour, structure_set};
use super::*;
use crate::core::{Geometry, LabelMap, Segment, Volume};
use crate::io::{
    DicomStack, FileKind, LoadedMask, MaskKind, MaskLayer, MaskRequest, MaskSource, VolumeSource, find_mask, load_mask,
    save_image_stack, save_loaded_mask, save_mask, scan,
};
use crate::jobs::JobContext;
use glam::{DAffine3, DVec3};
use std::fs;
use std::path::{Path, PathBuf};

const DIMS: [usize; 3] = [24, 20, 8];
const GONE: [usize; 2] = [2, 5];

fn grid(lean: f64) -> Geometry {
    let step = DVec3::new(0.0, lean, 2.5);
    Geometry::new(DIMS, DAffine3::from_cols(DVec3::X * 0.8, DVec3::Y * 0.8, step, DVec3::new(-9.0, 3.0, 40.0))).unwrap()
}

/// A box that changes from slice to slice, on two labels.
fn labels(grid: Geometry) -> LabelMap {
    let mut map = LabelMap::empty(grid);
    for k in 1..DIMS[2] {
        for j in 6..12 + k % 3 {
            for i in 5 + k % 4..17 {
                map.set([i, j, k], if i < 11 { 1 } else { 2 });
            }
        }
    }
    map
}

fn info() -> CtSeriesInfo {
    CtSeriesInfo {
        patient_id: "PHANTOM-0001".into(),
        series_description: "test".into(),
        series_number: 1,
        body_part: "ABDOMEN".into(),
        seed: 8,
        window: None,
    }
}

struct Case {
    dir: tempfile::TempDir,
    /// The stack as it is, where it is one.
    plain: Option<DicomStack>,
    resampled: DicomStack,
    /// Slices of `labels` that there are.
    kept: Vec<usize>,
    lean: f64,
}

fn case(lean: f64, gone: &[usize]) -> Case {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("PATIENT_DICOM");
    fs::create_dir(&folder).unwrap();
    let g = grid(lean);
    let hu: Vec<i16> = (0..g.voxel_count()).map(|n| (n % 211) as i16).collect();
    let files = write_ct_series(&folder, &Volume::new(g, hu).unwrap(), &info()).unwrap();
    gone.iter().for_each(|n| fs::remove_file(&files[*n]).unwrap());
    let found = scan(&folder, &JobContext::detached()).unwrap();
    let series = found.series().next().unwrap();
    let plain = match (&series.source, gone.is_empty()) {
        (Some(VolumeSource::Dicom(stack)), true) => Some(stack.clone()),
        _ => None,
    };
    let resampled = series.resampled.as_deref().expect("an offer").clone();
    Case { dir, plain, resampled, kept: (0..DIMS[2]).filter(|k| !gone.contains(k)).collect(), lean }
}

impl Case {
    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn load(&self, kind: MaskKind) -> LoadedMask {
        let source = MaskSource { name: "mask".into(), kind };
        load_mask(&source, Some(&self.resampled), &self.resampled.geometry, &JobContext::detached()).unwrap()
    }

    /// The mask on the resampled grid holds, slice for slice, what was drawn.
    fn check(&self, mask: &LoadedMask, what: &str) {
        let mask = mask.clone().flattened();
        assert_eq!(mask.labels.geometry().dims(), self.resampled.geometry.dims(), "{what}");
        let frames = SourceFrames::new(&mask.labels, &self.resampled).unwrap();
        let truth = labels(grid(self.lean));
        let mut slice = vec![0; DIMS[0] * DIMS[1]];
        for (n, &k) in self.kept.iter().enumerate() {
            frames.read(n, &mut slice);
            for (pixel, label) in slice.iter().enumerate() {
                let expected = truth.at([(pixel % DIMS[0]) as i64, (pixel / DIMS[0]) as i64, k as i64]);
                assert_eq!(*label, expected, "{what}: slice {k}, pixel {pixel}");
            }
        }
        assert!(mask.labels.counts()[1] > 100);
    }
}

fn organs() -> Vec<Segment> {
    vec![Segment::new(1, "liver"), Segment::new(2, "spleen")]
}

#[test]
fn segmentations_come_from_and_go_to_the_slices() {
    let tilted = case(0.7, &[]);
    let path = tilted.path("seg.dcm");
    save_mask(&path, &labels(grid(0.7)), &organs(), tilted.plain.as_ref()).unwrap();
    let mask = tilted.load(MaskKind::Seg(path.clone()));
    tilted.check(&mask, "tilt");
    assert!(mask.findings.is_empty(), "{:?}", mask.findings);
    // Written from the resampled grid it holds the same frames.
    let again = tilted.path("again.dcm");
    save_mask(&again, &mask.labels, &mask.segments, Some(&tilted.resampled)).unwrap();
    let back = load_seg(&again, &grid(0.7), &JobContext::<()>::detached()).unwrap();
    assert_eq!(back.labels.to_dense(), labels(grid(0.7)).to_dense());
    // With slices missing, too.
    let gapped = case(0.0, &GONE);
    let on_grid = gapped.load(MaskKind::Seg({
        let path = gapped.path("seg.dcm");
        let mut map = LabelMap::empty(gapped.resampled.geometry);
        let truth = labels(grid(0.0)).to_dense();
        for (n, label) in truth.iter().enumerate() {
            map.set([n % DIMS[0], n / DIMS[0] % DIMS[1], n / (DIMS[0] * DIMS[1])], *label);
        }
        save_mask(&path, &map, &organs(), Some(&gapped.resampled)).unwrap();
        path
    }));
    gapped.check(&on_grid, "gap");
}

#[test]
fn segments_that_overlap_go_to_the_slices_and_come_back_whole() {
    for (lean, gone) in [(0.7, &[][..]), (0.0, &GONE)] {
        let case = case(lean, gone);
        let organs = case.load(MaskKind::DicomMasks(mask_files(&case, &case.path("MASKS_DICOM"))));
        // A body that holds both organs, on a layer of its own.
        let body: Vec<u8> = organs.labels.to_dense().iter().map(|l| 3 * u8::from(*l > 0)).collect();
        let body = LabelMap::from_dense(*organs.labels.geometry(), &body).unwrap();
        let further = vec![MaskLayer { labels: body.clone(), segments: vec![Segment::new(3, "body")] }];
        for (kind, name) in [(FileKind::Dicom, "seg.dcm"), (FileKind::RtStruct, "rs.dcm")] {
            let path = case.path(name);
            let mask = LoadedMask { further: further.clone(), ..organs.clone() };
            save_loaded_mask(Some(kind), &path, mask, Some(&case.resampled)).unwrap();
            let back = case.load(match kind {
                FileKind::Dicom => MaskKind::Seg(path),
                _ => MaskKind::RtStruct(path),
            });
            let layers: Vec<(&LabelMap, Vec<&str>)> =
                back.layers().map(|(l, s)| (l, s.iter().map(|s| s.name.as_str()).collect())).collect();
            assert_eq!(
                (layers.len(), &layers[0].1[..], &layers[1].1[..]),
                (2, &["liver", "spleen"][..], &["body"][..])
            );
            assert_eq!(layers[1].0.to_dense(), body.to_dense(), "{name}");
            case.check(&LoadedMask { further: Vec::new(), ..back.clone() }, name);
        }
    }
}

#[test]
fn a_segmentation_of_the_tilted_stack_itself_and_a_volume_file() {
    let tilted = case(-0.4, &[]);
    let path = tilted.path("mask.nii.gz");
    save_mask(&path, &labels(grid(-0.4)), &organs(), None).unwrap();
    tilted.check(&tilted.load(MaskKind::Nifti(path)), "NIfTI of the tilted stack");
    // One that was saved from the resampled case is read as it is.
    let mask = {
        let path = tilted.path("seg.dcm");
        save_mask(&path, &labels(grid(-0.4)), &organs(), tilted.plain.as_ref()).unwrap();
        tilted.load(MaskKind::Seg(path))
    };
    let own = tilted.path("own.nii.gz");
    save_mask(&own, &mask.labels, &mask.segments, None).unwrap();
    assert_eq!(tilted.load(MaskKind::Nifti(own)).labels.to_dense(), mask.labels.to_dense());
}

fn mask_files(case: &Case, folder: &Path) -> Vec<(String, Vec<PathBuf>)> {
    let both = [("liver", 1), ("spleen", 2)].map(|(organ, label)| {
        let folder = folder.join(organ);
        fs::create_dir_all(&folder).unwrap();
        let mut files = write_mask_series(&folder, &labels(grid(case.lean)), label, &info()).unwrap();
        let mut n = 0;
        files.retain(|f| {
            n += 1;
            let keep = case.kept.contains(&(n - 1));
            if !keep {
                fs::remove_file(f).unwrap();
            }
            keep
        });
        (organ.to_owned(), files)
    });
    both.to_vec()
}

#[test]
fn mask_series_and_pictures_lie_on_their_slices() {
    for (lean, gone) in [(0.7, &[][..]), (0.0, &GONE)] {
        let case = case(lean, gone);
        let organs = mask_files(&case, &case.path("MASKS_DICOM"));
        case.check(&case.load(MaskKind::DicomMasks(organs)), "DICOM masks");
        // One picture a slice, named like the slices.
        let folder = case.path("Ground");
        save_image_stack(&folder, &labels(grid(lean)), &self::organs()).unwrap();
        for k in 0..DIMS[2] {
            let picture = folder.join(format!("{k:04}.png"));
            if case.kept.contains(&k) {
                fs::rename(&picture, folder.join(format!("IM_{:04}.png", k + 1))).unwrap();
            } else {
                fs::remove_file(&picture).unwrap();
            }
        }
        let request = MaskRequest { name: None, grid: Some(&case.resampled.geometry), series: Some(&case.resampled) };
        case.check(&find_mask(&folder, request, &JobContext::detached()).unwrap(), "pictures");
        // The scan gives them to the series, whose parts have fewer slices.
        let found = scan(case.dir.path(), &JobContext::detached()).unwrap();
        let whole = found.series().find_map(|s| s.resample()).unwrap();
        let names: Vec<&str> = whole.masks.iter().map(|m| m.name.as_str()).collect();
        assert!(names.contains(&"Ground") && names.contains(&"MASKS_DICOM"), "{names:?}");
        for mask in &whole.masks {
            let Some(VolumeSource::Dicom(stack)) = &whole.source else { panic!() };
            let loaded = load_mask(mask, Some(stack), &stack.geometry, &JobContext::detached()).unwrap();
            case.check(&loaded, &mask.name);
        }
    }
}

#[test]
fn contours_fill_the_slices_they_lie_on() {
    for (lean, gone) in [(0.7, &[][..]), (0.0, &GONE)] {
        let case = case(lean, gone);
        let slices = SourceSlices::of(&case.resampled).unwrap();
        let truth = labels(grid(lean));
        let rois = ["liver", "spleen"].into_iter().zip([1u8, 2]).map(|(name, label)| {
            let contours = case.kept.iter().enumerate().filter_map(|(n, &k)| {
                let inside = |i: usize, j: usize| truth.at([i as i64, j as i64, k as i64]) == label;
                let all: Vec<[usize; 2]> = (0..DIMS[0])
                    .flat_map(|i| (0..DIMS[1]).map(move |j| [i, j]))
                    .filter(|&[i, j]| inside(i, j))
                    .collect();
                let [low, high] = [
                    all.iter().copied().reduce(|a, b| [a[0].min(b[0]), a[1].min(b[1])])?,
                    all.iter().copied().reduce(|a, b| [a[0].max(b[0]), a[1].max(b[1])])?,
                ];
                let world = slices.plane(n)?.world_from_voxel();
                let corner = |i: f64, j: f64| world.transform_point3(DVec3::new(i, j, 0.0)).to_array();
                let [l, t] = low.map(|v| v as f64 - 0.5);
                let [r, b] = high.map(|v| v as f64 + 0.5);
                Some(contour(&[corner(l, t), corner(r, t), corner(r, b), corner(l, b)], "CLOSED_PLANAR"))
            });
            (name, contours.collect())
        });
        let path = case.path("rs.dcm");
        structure_set(&path, rois.collect());
        let mask = case.load(MaskKind::RtStruct(path));
        assert!(mask.findings.is_empty(), "{:?}", mask.findings);
        case.check(&mask, "contours");
    }
}

#[test]
fn a_mask_of_another_series_is_still_refused() {
    let tilted = case(0.7, &[]);
    let path = tilted.path("seg.dcm");
    let elsewhere = case(-0.5, &[]);
    save_mask(&path, &labels(grid(-0.5)), &organs(), elsewhere.plain.as_ref()).unwrap();
    let source = MaskSource { name: "mask".into(), kind: MaskKind::Seg(path) };
    let loaded = load_mask(&source, Some(&tilted.resampled), &tilted.resampled.geometry, &JobContext::detached());
    let refused = loaded.map(|_| ()).unwrap_err();
    assert!(refused.to_string().contains("seg.dcm does not fit"), "{refused}");
}
