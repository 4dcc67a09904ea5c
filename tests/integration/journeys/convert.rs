//! Images and masks through one format after the other.

use super::program::{mask, phantoms, volume};
use maskwright::core::{LabelMap, Window};
use maskwright::io::{DicomStack, VolumeSource, open_volume};
use maskwright::jobs::JobContext;
use std::path::Path;

#[test]
fn images_and_masks_come_back_voxel_for_voxel() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    phantoms("chest", "lungs", 1, &at("data"));
    let (ct, lungs) = (at("data/phantom_001/ct"), at("data/phantom_001/lungs.nii.gz"));
    maskwright!("convert", ct, at("a.nii.gz")).done();
    maskwright!("convert", at("a.nii.gz"), at("b.nrrd")).done();
    let first = volume(&ct);
    for name in ["a.nii.gz", "b.nrrd"] {
        let back = volume(&at(name));
        assert!(back.geometry().same_grid(first.geometry(), 1e-3), "{name}");
        assert_eq!(back.hu(), first.hu(), "{name}");
    }
    let truth = mask(&lungs, Some(&first)).to_dense();
    assert!(truth.contains(&1) && truth.contains(&2));
    maskwright!("convert", lungs, at("m.dcm"), "--reference", ct).done();
    maskwright!("convert", at("m.dcm"), at("m.seg.nrrd"), "--reference", ct).done();
    maskwright!("convert", at("m.seg.nrrd"), at("m.nii.gz"), "--reference", ct).done();
    maskwright!("convert", at("m.nii.gz"), at("stack"), "--reference", ct).done();
    for name in ["m.dcm", "m.seg.nrrd", "m.nii.gz", "stack"] {
        assert_eq!(mask(&at(name), Some(&first)).to_dense(), truth, "{name}");
    }
}

fn stack(folder: &Path) -> DicomStack {
    match open_volume(folder, None, &JobContext::detached()).unwrap().1.source {
        Some(VolumeSource::Dicom(stack)) => stack,
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_image_becomes_a_dicom_series_and_pictures() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    phantoms("chest", "lungs", 1, &at("data"));
    let ct = at("data/phantom_001/ct");
    maskwright!("convert", ct, at("a.nii.gz")).done();
    maskwright!("convert", at("a.nii.gz"), at("alone"), "--to", "dicom").done();
    maskwright!("convert", at("a.nii.gz"), at("shared"), "--to", "dicom", "--reference", ct).done();
    // A series is a reference of its own.
    maskwright!("convert", ct, at("again"), "--to", "dicom").done();
    let (first, source) = (volume(&ct), stack(&ct));
    for (name, shares) in [("alone", false), ("shared", true), ("again", true)] {
        let back = volume(&at(name));
        assert!(back.geometry().same_grid(first.geometry(), 1e-3), "{name}");
        assert_eq!(back.hu(), first.hu(), "{name}");
        let made = stack(&at(name));
        assert_eq!((made.slices.len(), made.study_uid == source.study_uid), (8, shares), "{name}");
        assert_eq!(made.frame_of_reference_uid == source.frame_of_reference_uid, shares, "{name}");
        assert_ne!(made.series_uid, source.series_uid, "{name}");
    }
    for (name, options, window) in [
        ("soft", ["--window", "40,400"], Window::new(400.0, 40.0)),
        ("lung", ["--window", "-600,1500"], Window::new(1500.0, -600.0)),
        ("header", ["--to", "png"], first.first_window()),
    ] {
        maskwright!("convert", ct, at(name), options[0], options[1]).done();
        for k in 0..8 {
            let picture = image::open(at(name).join(format!("{k:04}.png"))).unwrap().into_luma8();
            assert_eq!(picture.dimensions(), (32, 32));
            let grey = |hu: &i16| (window.grey(f64::from(*hu)) * 255.0).round() as u8;
            assert_eq!(picture.into_raw(), first.slice(k).unwrap().iter().map(grey).collect::<Vec<_>>(), "{name} {k}");
        }
    }
    maskwright!("convert", ct, at("again"), "--to", "dicom").refused(&["already exists", "new folder"]);
    maskwright!("convert", ct, at("o.nii.gz"), "--window", "40,400").refused(&["--window", "PNG"]);
    maskwright!("convert", ct, at("o"), "--to", "dicom", "--mask").refused(&["--to seg"]);
    maskwright!("convert", ct, at("o"), "--to", "rtstruct").refused(&["is an image", "--mask"]);
    assert_eq!(maskwright!("convert", ct, at("o"), "--window", "40").status, Some(2));
    assert!(!at("o").exists() && !at("o.nii.gz").exists());
}

#[test]
fn of_several_images_one_has_to_be_named() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    phantoms("chest", "lungs", 2, &at("data"));
    maskwright!("convert", at("data"), at("a.nii.gz")).refused(&["2 images", "CT 1", "CT 2", "--series"]);
    assert!(!at("a.nii.gz").exists());
    maskwright!("convert", at("data"), at("a.nii.gz"), "--series", "CT 2").done();
    let info = maskwright!("info", at("data"), "--json").json();
    let spacing = info["patients"][1]["studies"][0]["series"][0]["geometry"]["spacing_mm"][0].as_f64().unwrap();
    assert!((volume(&at("a.nii.gz")).geometry().spacing().x - spacing).abs() < 1e-4);
    maskwright!("convert", at("data"), at("b.nii.gz"), "--series", "MR 9").refused(&["MR 9", "CT 1"]);
}

/// The distinct labels of a mask with how many voxels each has.
fn counts(labels: &LabelMap) -> Vec<(usize, u64)> {
    labels.counts().into_iter().enumerate().skip(1).filter(|(_, n)| *n > 0).collect()
}

#[test]
fn organs_that_overlap_stay_whole_or_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    phantoms("abdomen", "ircadb", 1, &at("data"));
    let (ct, masks) = (at("data/phantom_001/PATIENT_DICOM"), at("data/phantom_001/MASKS_DICOM"));
    // The same liver again under a name that comes last, as a tumour lies in its organ.
    std::fs::create_dir(masks.join("zz_all")).unwrap();
    for file in std::fs::read_dir(masks.join("liver")).unwrap() {
        let file = file.unwrap().path();
        std::fs::copy(&file, masks.join("zz_all").join(file.file_name().unwrap())).unwrap();
    }
    let alone = |organ: &str, name: &str| {
        maskwright!("convert", masks.join(organ), at(name), "--reference", ct).done();
        mask(&at(name), None)
    };
    let liver = alone("liver", "liver.nii.gz");
    let size = counts(&liver)[0].1;
    assert!(size > 100);
    let said = maskwright!("convert", masks, at("all.nii.gz"), "--reference", ct);
    let told = format!("{size} voxels belong to more than one segment");
    assert!(said.err.contains(&told) && said.err.contains("the later segment is kept"), "{}", said.err);
    let said = maskwright!("convert", masks, at("all.seg.nrrd"), "--reference", ct);
    assert!(said.err.contains("zz_all came onto a layer of their own"), "{}", said.err);
    for file in ["all.dcm", "all.rtstruct.dcm"] {
        let said = maskwright!("convert", masks, at(file), "--reference", ct);
        assert!(!said.err.contains("the later segment is kept"), "{}", said.err);
        said.done();
    }
    for (organ, name) in [("liver", "a.nii.gz"), ("zz_all", "b.nii.gz")] {
        for source in [&masks, &at("all.seg.nrrd"), &at("all.dcm"), &at("all.rtstruct.dcm")] {
            maskwright!("convert", source, at(name), "--reference", ct, "--segment", organ).done();
            let back = mask(&at(name), None);
            assert_eq!(counts(&back).iter().map(|c| c.1).collect::<Vec<_>>(), [size], "{organ}");
            assert_eq!(
                back.to_dense().iter().map(|l| *l > 0).collect::<Vec<_>>(),
                liver.to_dense().iter().map(|l| *l > 0).collect::<Vec<_>>(),
                "{organ}"
            );
        }
    }
    maskwright!("convert", masks, at("c.nii.gz"), "--reference", ct, "--segment", "heart").refused(&["heart", "liver"]);
}

#[test]
fn of_several_masks_one_has_to_be_named_and_can_be_mirrored() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    phantoms("chest", "lungs", 1, &at("data"));
    let (ct, lungs) = (at("data/phantom_001/ct"), at("data/phantom_001/lungs.nii.gz"));
    std::fs::create_dir(at("two")).unwrap();
    std::fs::copy(&lungs, at("two/first.nii.gz")).unwrap();
    maskwright!("convert", lungs, at("two/second.nii.gz"), "--mask", "--flip", "xz").done();
    maskwright!("convert", at("two"), at("o.nrrd"), "--mask").refused(&["2 masks", "\"first\"", "--mask-name"]);
    maskwright!("convert", at("two"), at("o.nrrd"), "--mask-name", "third").refused(&["third", "second"]);
    maskwright!("convert", at("two"), at("o.nrrd"), "--mask-name", "second", "--flip", "zx", "--reference", ct).done();
    assert_eq!(mask(&at("o.nrrd"), None).to_dense(), mask(&lungs, None).to_dense());
    assert_ne!(mask(&at("two/second.nii.gz"), None).to_dense(), mask(&lungs, None).to_dense());
    let wrong = maskwright!("convert", lungs, at("o.nrrd"), "--flip", "w");
    assert!(wrong.status == Some(2) && wrong.err.contains("names no axes"), "{}", wrong.err);
}

#[test]
fn pictures_that_lie_upside_down_are_told_of() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    maskwright!(
        "phantom",
        "--kind",
        "abdomen",
        "--layout",
        "chaos",
        "--size",
        "64",
        "--slices",
        "24",
        "--out",
        at("data")
    )
    .done();
    let (ct, ground) = (at("data/phantom_001/DICOM_anon"), at("data/phantom_001/Ground"));
    let right = maskwright!("convert", ground, at("right.nrrd"), "--reference", ct);
    assert!(!right.err.contains("--flip"), "{}", right.err);
    maskwright!("convert", ground, at("mirrored"), "--reference", ct, "--flip", "y").done();
    let wrong = maskwright!("convert", at("mirrored"), at("wrong.nrrd"), "--reference", ct);
    assert!(wrong.err.contains("top and bottom") && wrong.err.contains("--flip y"), "{}", wrong.err);
    maskwright!("convert", at("mirrored"), at("again.nrrd"), "--reference", ct, "--flip", "y").done();
    assert_eq!(mask(&at("again.nrrd"), None), mask(&at("right.nrrd"), None));
}
