//! Images and masks through one format after the other.

use super::program::{mask, phantoms, volume};
use maskwright::core::LabelMap;

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
    let told = format!("{size} voxel(s) belong to more than one segment");
    assert!(said.err.contains(&told) && said.err.contains("the later segment is kept"), "{}", said.err);
    let said = maskwright!("convert", masks, at("all.seg.nrrd"), "--reference", ct);
    assert!(said.err.contains("zz_all came onto a layer of their own"), "{}", said.err);
    for (organ, name) in [("liver", "a.nii.gz"), ("zz_all", "b.nii.gz")] {
        for source in [&masks, &at("all.seg.nrrd")] {
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
