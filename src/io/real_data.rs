//! Real volumes and masks against what SimpleITK 2.5 reads from the same files; skipped by name where they are missing.

use crate::core::{Flips, LabelMap, Volume};
use crate::io::nifti::load_nifti_labels;
use crate::io::nrrd::load_nrrd_labels;
use crate::io::types::{MaskKind, Series};
use crate::io::{MatchedBy, better_flip, load_image_stack, open_mask, open_volume, pictures_in, scan};
use crate::jobs::JobContext;
use glam::DVec3;
use std::path::{Path, PathBuf};

fn data(name: &str) -> Option<PathBuf> {
    let root = std::env::var_os("MASKWRIGHT_DATA")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data"), PathBuf::from);
    let path = root.join(name);
    if !path.exists() {
        println!("skipped: {name} is not here");
        return None;
    }
    Some(path)
}

/// Sum of `value * (index mod 65521 + 1)`: tells any two orders of the same samples apart.
fn weighted(values: impl Iterator<Item = i64>) -> i64 {
    values.enumerate().map(|(n, v)| v * (n as i64 % 65521 + 1)).sum()
}

/// File, sizes, weighted sum, and LPS centre of the first and the last voxel.
type Truth = (&'static str, [usize; 3], i64, [f64; 3], [f64; 3]);

const VOLUMES: [Truth; 7] = [
    (
        "totalseg-ct-nifti3mm/example_ct.nii.gz",
        [122, 101, 112],
        -16266415428902,
        [177.9563, -11.319, 94.3018],
        [-185.0437, -311.319, 427.3018],
    ),
    (
        "totalseg-ct-nifti3mm/example_ct_sm.nii.gz",
        [122, 101, 30],
        -4121566992986,
        [177.9563, -11.319, 94.3018],
        [-185.0437, -311.319, 181.3018],
    ),
    (
        "sts-ct-rtstruct/STS_012/CT_image.nii.gz",
        [159, 155, 53],
        -7919417133648,
        [-147.461, -110.3516, -838.62],
        [6.8358, 40.0389, -668.58],
    ),
    (
        "sts-ct-pet-mr-mixed/STS_008/nifti/PET_image.nii.gz",
        [30, 29, 51],
        241045369,
        [110.1562, -53.9062, -272.93],
        [246.0938, 77.3438, -109.43],
    ),
    (
        "cip-chest64/ct-64.nrrd",
        [64, 64, 79],
        -4926963142852,
        [-128.4138, -264.4138, -360.2563],
        [134.4141, -1.5859, -49.2437],
    ),
    (
        "cip-chest64/ct-64-transformed.nrrd",
        [64, 64, 79],
        -4926963142852,
        [-55.2347, -295.3878, -360.2563],
        [101.8504, 41.4821, -49.2437],
    ),
    (
        "dicom2nifti-failing/compressed/001_ground_truth.nii.gz",
        [256, 256, 4],
        1089904268826,
        [-103.7942, -161.0747, 130.0513],
        [-100.7942, 93.9253, -124.9487],
    ),
];

const MASKS: [Truth; 9] = [
    (
        "totalseg-ct-nifti3mm/example_seg.nii.gz",
        [122, 101, 30],
        87419288877,
        [177.9563, -11.319, 94.3018],
        [-185.0437, -311.319, 181.3018],
    ),
    (
        "totalseg-ct-nifti3mm/example_seg_tissue_types/skeletal_muscle.nii.gz",
        [122, 101, 30],
        1124465414,
        [177.9563, -11.319, 94.3018],
        [-185.0437, -311.319, 181.3018],
    ),
    (
        "sts-ct-rtstruct/STS_012/CT_mask.nii.gz",
        [159, 155, 53],
        839092475,
        [-147.461, -110.3516, -838.62],
        [6.8358, 40.0389, -668.58],
    ),
    (
        "cip-chest64/lm-64.nrrd",
        [64, 64, 79],
        168080518568,
        [-128.4138, -264.4138, -360.2563],
        [134.4141, -1.5859, -49.2437],
    ),
    (
        "cip-chest64/lm-64-transformed.nrrd",
        [64, 64, 79],
        168080518568,
        [-55.2347, -295.3878, -360.2563],
        [101.8504, 41.4821, -49.2437],
    ),
    (
        "cip-chest64/wholeLung-64.nrrd",
        [64, 64, 79],
        2130995211,
        [-128.4138, -264.4138, -360.2563],
        [134.4141, -1.5859, -49.2437],
    ),
    (
        "dcmqi-seg/segmentations/liver_seg.nrrd",
        [512, 512, 3],
        3704285807,
        [-235.2, -226.8, -128.69],
        [178.9895, 187.3895, -126.69],
    ),
    (
        "dcmqi-seg/segmentations/liver_spine_gapped_seg.nrrd",
        [512, 512, 3],
        6259900472,
        [-235.2, -226.8, -128.69],
        [178.9895, 187.3895, -126.69],
    ),
    (
        "dcmqi-seg/segmentations/23x38x3/nrrd/label.nrrd",
        [23, 38, 3],
        360591,
        [46.4649, 5.0188, -177.75],
        [61.8649, 30.9188, -172.75],
    ),
];

fn check_grid(grid: &crate::core::Geometry, truth: &Truth) {
    assert_eq!(grid.dims(), truth.1, "{}", truth.0);
    let last = DVec3::from_array(truth.1.map(|d| d as f64 - 1.0));
    let world = grid.world_from_voxel();
    for (found, wanted) in [(grid.origin(), truth.3), (world.transform_point3(last), truth.4)] {
        let off = found.distance(DVec3::from_array(wanted));
        assert!(off < 2e-3, "{}: {off} mm", truth.0);
    }
}

fn load(path: &Path) -> (Volume, Series) {
    open_volume(path, None, &JobContext::detached()).unwrap()
}

#[test]
fn volumes_are_what_simpleitk_reads() {
    for truth in &VOLUMES {
        let Some(path) = data(truth.0) else { continue };
        let (volume, _) = load(&path);
        check_grid(volume.geometry(), truth);
        assert_eq!(weighted(volume.hu().iter().map(|&v| i64::from(v))), truth.2, "{}", truth.0);
    }
}

#[test]
fn masks_are_what_simpleitk_reads() {
    for truth in &MASKS {
        let Some(path) = data(truth.0) else { continue };
        let file = if truth.0.ends_with(".nrrd") {
            load_nrrd_labels(&path).unwrap()
        } else {
            load_nifti_labels(&path).unwrap()
        };
        let grid = file.geometry;
        check_grid(&grid, truth);
        assert_eq!(weighted(file.layers[0].iter().map(i64::from)), truth.2, "{}", truth.0);
        let mask = open_mask(&path, Some(&grid), &JobContext::detached()).unwrap();
        let of = |l: u8| mask.segments.iter().find(|s| s.id == l).map_or(0, |s| i64::from(s.file_value));
        assert_eq!(weighted(mask.labels.to_dense().into_iter().map(of)), truth.2, "{}", truth.0);
    }
}

#[test]
fn masks_find_their_images() {
    for (folder, wanted) in [
        (
            "totalseg-ct-nifti3mm",
            vec![
                ("example_ct.nii.gz", vec!["example_seg_fast_force_split"]),
                ("example_ct_sm.nii.gz", vec!["example_seg", "skeletal_muscle", "subcutaneous_fat", "torso_fat"]),
            ],
        ),
        (
            "sts-ct-pet-mr-mixed/STS_008/nifti",
            vec![
                ("CT_image.nii.gz", vec!["CT_mask"]),
                ("MR_T1_image.nii.gz", vec!["MR_T1_mask"]),
                ("PET_image.nii.gz", vec!["PET_mask"]),
            ],
        ),
    ] {
        let Some(path) = data(folder) else { continue };
        let found = scan(&path, &JobContext::detached()).unwrap();
        let pairs: Vec<(&str, Vec<&str>)> =
            found.series().map(|s| (s.label.as_str(), s.masks.iter().map(|m| m.name.as_str()).collect())).collect();
        assert_eq!(pairs, wanted, "{folder}");
    }
    if let Some(path) = data("cip-chest64") {
        let found = scan(&path, &JobContext::detached()).unwrap();
        let masks = |label: &str| {
            let series = found.series().find(|s| s.label == label).unwrap();
            series.masks.iter().map(|m| m.name.as_str()).collect::<Vec<_>>()
        };
        assert_eq!(masks("ct-64.nrrd"), ["lm-64", "wholeLung-64"]);
        assert_eq!(masks("ct-64-transformed.nrrd"), ["lm-64-transformed"]);
    }
}

/// Pictures of a mask against the mask itself, on the image they were drawn on.
#[test]
fn picture_stacks_equal_the_mask_they_came_from() {
    for patient in ["STS_012", "STS_024"] {
        let (Some(folder), Some(source)) =
            (data(&format!("sts-png-masks-derived/{patient}")), data(&format!("sts-ct-rtstruct/{patient}")))
        else {
            continue;
        };
        let (volume, series) = load(&source.join("dicom"));
        let grid = volume.geometry();
        let truth = open_mask(&source.join("CT_mask.nii.gz"), Some(grid), &JobContext::detached()).unwrap();
        for entry in std::fs::read_dir(&folder).unwrap() {
            let pictures = entry.unwrap().path();
            if !pictures.is_dir() || pictures_in(&pictures).unwrap().is_empty() {
                continue;
            }
            // The series and the pictures lie in different places: matched by stem, as the scan does it for one root.
            let mut found = scan(&source.join("dicom"), &JobContext::detached()).unwrap();
            let files = pictures_in(&pictures).unwrap();
            super::scan::attach_pictures(&mut found, [(pictures.clone(), files)].into());
            let mask = found.series().find_map(|s| s.masks.first()).expect("the pictures' stems are the slices'");
            let MaskKind::ImageStack(pictures) = &mask.kind else { panic!("{:?}", mask.kind) };
            assert_eq!(pictures.matched, MatchedBy::Name);
            let loaded = load_image_stack(pictures, "mask", grid, &JobContext::detached()).unwrap();
            let (a, b) = (loaded.labels.to_dense(), truth.labels.to_dense());
            let wrong = a.iter().zip(&b).filter(|(a, b)| a != b).count();
            assert_eq!(wrong, 0, "{} of {} slices", folder.display(), series.slices);
        }
    }
}

/// A mask that lies right is left alone; a mirrored one is told in most cases, and then never made worse.
#[test]
fn mirrored_masks_are_told_from_right_ones() {
    let pairs = [
        ("sts-ct-rtstruct/STS_003/CT_image.nii.gz", "sts-ct-rtstruct/STS_003/CT_mask.nii.gz"),
        ("sts-ct-rtstruct/STS_012/CT_image.nii.gz", "sts-ct-rtstruct/STS_012/CT_mask.nii.gz"),
        ("sts-ct-rtstruct/STS_024/CT_image.nii.gz", "sts-ct-rtstruct/STS_024/CT_mask.nii.gz"),
        ("cip-chest64/ct-64.nrrd", "cip-chest64/wholeLung-64.nrrd"),
        ("cip-chest64/ct-64.nrrd", "cip-chest64/lm-64.nrrd"),
        ("totalseg-ct-nifti3mm/example_ct_sm.nii.gz", "totalseg-ct-nifti3mm/example_seg.nii.gz"),
        (
            "totalseg-ct-nifti3mm/example_ct_sm.nii.gz",
            "totalseg-ct-nifti3mm/example_seg_tissue_types/skeletal_muscle.nii.gz",
        ),
        (
            "totalseg-ct-nifti3mm/example_ct_sm.nii.gz",
            "totalseg-ct-nifti3mm/example_seg_tissue_types/subcutaneous_fat.nii.gz",
        ),
        ("totalseg-ct-nifti3mm/example_ct_sm.nii.gz", "totalseg-ct-nifti3mm/example_seg_tissue_types/torso_fat.nii.gz"),
    ];
    let (mut mirrored, mut told) = (0, 0);
    for (image, mask) in pairs {
        let (Some(image), Some(path)) = (data(image), data(mask)) else { continue };
        let (volume, _) = load(&image);
        let mask = open_mask(&path, Some(volume.geometry()), &JobContext::detached()).unwrap();
        let mut alone = vec![mask.labels.clone()];
        // Each organ by itself, too.
        for segment in mask.segments.iter().filter(|_| mask.segments.len() > 1) {
            let dense: Vec<u8> = mask.labels.to_dense().iter().map(|&l| u8::from(l == segment.id)).collect();
            alone.push(LabelMap::from_dense(*volume.geometry(), &dense).unwrap());
        }
        for (n, labels) in alone.iter().enumerate() {
            assert_eq!(better_flip(&volume, labels), None, "{} {n}", path.display());
        }
        for flips in Flips::ALL {
            mirrored += 1;
            told += usize::from(better_flip(&volume, &mask.labels.flipped(flips)).is_some_and(|f| f.0 == flips));
        }
    }
    println!("{told} of {mirrored} mirrored masks were set right");
    assert!(told * 10 >= mirrored * 6, "{told} of {mirrored}");
}
