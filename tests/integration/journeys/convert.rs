//! Images and masks through one format after the other.

use super::program::{mask, phantoms, volume};

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
