//! The program on public CT data, where it is at hand.

use super::program::{run, tree, volume};
use maskwright::core::LabelMap;
use maskwright::io;
use maskwright::jobs::JobContext;
use std::path::{Path, PathBuf};

/// The folder of the data, or a line that says what was skipped.
pub fn data(what: &str) -> Option<PathBuf> {
    let place = std::env::var_os("MASKWRIGHT_DATA")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data"), PathBuf::from)
        .join(what);
    if !place.exists() {
        println!("skipped: {} is not here", place.display());
        return None;
    }
    Some(place)
}

#[test]
fn info_says_something_about_every_folder() {
    let Some(root) = data("") else { return };
    let folders = std::fs::read_dir(&root).unwrap().map(|e| e.unwrap().path()).filter(|p| p.is_dir());
    let hostile = root.join("hostile-derived");
    let hostile = tree(&hostile).into_iter().map(|p| hostile.join(p)).filter(|p| p.is_file());
    let mut count = 0;
    for place in folders.chain(hostile) {
        let ended = run(&["info".as_ref(), place.as_os_str()]);
        match ended.status {
            Some(0) => assert!(!ended.done().trim().is_empty(), "{}", place.display()),
            _ => drop(ended.refused(&[])),
        }
        count += 1;
    }
    assert!(count > 10);
}

#[test]
fn a_series_becomes_the_published_nifti() {
    let Some(patient) = data("sts-ct-rtstruct/STS_012") else { return };
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("ct.nii.gz");
    maskwright!("convert", patient.join("dicom"), out).done();
    let (ours, published) = (volume(&out), volume(&patient.join("CT_image.nii.gz")));
    assert_eq!(ours.geometry().dims(), published.geometry().dims());
    let [a, b] = [&ours, &published].map(|v| v.geometry().world_from_voxel());
    assert!(a.abs_diff_eq(b, 1e-4), "{a} {b}");
    assert_eq!(ours.hu(), published.hu());
}

#[test]
fn labels_against_themselves_and_shifted() {
    let Some(file) = data("totalseg-ct-nifti3mm/example_seg.nii.gz") else { return };
    let folder = tempfile::tempdir().unwrap();
    let same = maskwright!("evaluate", "--truth", file, "--prediction", file, "--json").json();
    let rows = same["cases"][0]["metrics"]["rows"].as_array().unwrap();
    assert!(rows.len() > 20);
    for row in rows {
        assert_eq!((&row["figures"]["dice"], &row["distances"]["hd"]), (&1.0.into(), &0.0.into()), "{row}");
    }
    let mask = io::open_mask(&file, None, &JobContext::detached()).unwrap();
    let (grid, dense) = (*mask.labels.geometry(), mask.labels.to_dense());
    let nx = grid.dims()[0];
    // By one voxel along the rows; what leaves at the end is gone.
    let moved: Vec<u8> = (0..dense.len()).map(|n| if n % nx == 0 { 0 } else { dense[n - 1] }).collect();
    let shifted = folder.path().join("shifted.nii.gz");
    io::save_mask(&shifted, &LabelMap::from_dense(grid, &moved).unwrap(), &mask.segments, None).unwrap();
    let apart = maskwright!("evaluate", "--truth", file, "--prediction", shifted, "--json").json();
    let rows = apart["cases"][0]["metrics"]["rows"].as_array().unwrap();
    assert!(rows.len() > 20);
    let step = grid.spacing().x;
    for row in rows {
        let (dice, hd) = (row["figures"]["dice"].as_f64().unwrap(), row["distances"]["hd"].as_f64().unwrap());
        assert!(dice < 1.0, "{row}");
        // One voxel away at most, but for what was cut off at the border of the image.
        assert!(hd >= step - 1e-6 && hd.is_finite(), "{row}");
    }
}
