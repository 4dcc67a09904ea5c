//! From projects and DICOM folders to what other programs read.

use super::program::{mask, phantoms, tree, volume};
use maskwright::core::{LabelMap, Layer, LayerId, Origin, Segment};
use maskwright::io::layouts::{Layout, find_cases};
use maskwright::io::{self, Fingerprint, ProjectData, ViewState};
use maskwright::jobs::JobContext;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The CT folder and the mask file of a generated patient.
pub fn patient(data: &Path, n: usize) -> (PathBuf, PathBuf) {
    let folder = data.join(format!("phantom_{n:03}"));
    (folder.join("ct"), folder.join("lungs.nii.gz"))
}

/// A project over a generated patient, its mask as one layer with these names.
pub fn project(data: &Path, n: usize, names: [&str; 2], reviewed: bool) -> PathBuf {
    let (ct, lungs) = patient(data, n);
    let (image, series) = io::open_volume(&ct, None, &JobContext::detached()).unwrap();
    let labels = mask(&lungs, Some(&image));
    let segments = vec![Segment::new(1, names[0]), Segment::new(2, names[1])];
    let layer = Layer { reviewed, ..Layer::new(LayerId(1), "Manual", labels, segments, Origin::Human) };
    let project = ProjectData {
        name: "Case".into(),
        source: series.source,
        fingerprint: Fingerprint::of(&image),
        layers: vec![layer],
        view: ViewState::default(),
        newer: None,
    };
    let path = data.join(format!("case{n}.maskwright"));
    io::save_project(&path, &project, None).unwrap();
    path
}

const NAMES: [&str; 2] = ["left lung", "right lung"];

#[test]
fn reviewed_cases_become_a_data_set() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    phantoms("chest", "lungs", 3, &at("data"));
    let data = at("data");
    let (a, b, c) = (project(&data, 1, NAMES, true), project(&data, 2, NAMES, false), project(&data, 3, NAMES, true));
    let out = at("new/Dataset001_Lungs");
    let ended = maskwright!("export", a, b, c, "--to", "nnunet", "--out", out);
    assert!(ended.err.contains("case2.maskwright has no layer marked as reviewed"), "{}", ended.err);
    let said = ended.done();
    assert!(said.contains("case_001: ") && said.contains("case3.maskwright, layer Manual"), "{said}");
    let listed: Vec<String> = tree(&out).iter().map(|p| p.to_string_lossy().replace('\\', "/")).collect();
    assert_eq!(
        listed,
        [
            "dataset.json",
            "imagesTr",
            "imagesTr/case_001_0000.nii.gz",
            "imagesTr/case_002_0000.nii.gz",
            "labelsTr",
            "labelsTr/case_001.nii.gz",
            "labelsTr/case_002.nii.gz"
        ]
    );
    let cases = find_cases(&out, Some(Layout::NnUnet), &JobContext::detached()).unwrap();
    assert_eq!(cases.len(), 2);
    for (n, case) in [(1, "case_001"), (3, "case_002")] {
        let (ct, lungs) = patient(&data, n);
        let (image, original) = (volume(&out.join(format!("imagesTr/{case}_0000.nii.gz"))), volume(&ct));
        assert_eq!(image.hu(), original.hu());
        let exported = mask(&out.join(format!("labelsTr/{case}.nii.gz")), Some(&image));
        assert_eq!(exported.to_dense(), mask(&lungs, Some(&original)).to_dense());
    }

    verify(&out);

    maskwright!("export", a, "--to", "nnunet", "--out", out).refused(&["already exists", "new folder"]);
    maskwright!("export", b, "--to", "nnunet", "--out", at("none")).err.contains("reviewed").then_some(()).unwrap();
    let other = project(&data, 2, ["Left Lung", "right lung"], true);
    maskwright!("export", a, other, "--to", "nnunet", "--out", at("none")).refused(&["\"left lung\"", "\"Left Lung\""]);
    let fewer = project(&data, 2, ["left lung", "heart"], true);
    maskwright!("export", a, fewer, "--to", "nnunet", "--out", at("none")).refused(&["has a segment", "has none"]);
    let ended =
        maskwright!("export", a, fewer, "--to", "nnunet", "--out", at("loose"), "--absent-is-background", "--json");
    assert_eq!(ended.json()["cases"].as_array().unwrap().len(), 2);
    maskwright!("export", data, "--to", "nnunet", "--out", at("none")).refused(&["is no project"]);
    assert!(!at("none").exists());
}

/// What nnU-Net would verify, where Python and SimpleITK are at hand.
fn verify(data_set: &Path) {
    let python = std::env::var_os("MASKWRIGHT_PYTHON").unwrap_or_else(|| "python3".into());
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers/data_set.py");
    let has = |code: &str| Command::new(&python).args(["-c", code]).output().is_ok_and(|o| o.status.success());
    if !has("import SimpleITK, numpy") {
        println!("skipped: nnU-Net's verification (no Python with SimpleITK; MASKWRIGHT_PYTHON names one)");
        return;
    }
    let ended = Command::new(&python).arg(script).arg(data_set).output().unwrap();
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
}

#[test]
fn a_projects_mask_leaves_in_every_kind() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    phantoms("chest", "lungs", 1, &at("data"));
    let (ct, lungs) = patient(&at("data"), 1);
    let case = project(&at("data"), 1, NAMES, false);
    let image = volume(&ct);
    let truth = mask(&lungs, Some(&image));
    for (kind, file) in [
        ("seg", "case_001.dcm"),
        ("rtstruct", "case_001.dcm"),
        ("nifti", "case_001.nii.gz"),
        ("nrrd", "case_001.seg.nrrd"),
        ("png", "case_001"),
    ] {
        maskwright!("export", case, "--to", kind, "--out", at(kind)).done();
        let place = at(kind).join(file);
        // Beside its series a DICOM mask is found and read back equal.
        let back = at(&format!("{kind}-back.nrrd"));
        maskwright!("convert", place, back, "--reference", ct, "--mask").done();
        assert_eq!(mask(&back, Some(&image)).to_dense(), truth.to_dense(), "{kind}");
    }
    let said = maskwright!("export", case, "--to", "seg", "--out", at("all"), "--all-layers").done();
    assert!(said.contains("layer Manual"), "{said}");
    maskwright!("export", case, "--to", "png", "--out", at("x"), "--all-layers").refused(&["seg, rtstruct or nrrd"]);
    maskwright!("export", case, "--to", "stl", "--out", at("stl"), "--smooth", "5").done();
    assert_eq!(tree(&at("stl")).len(), 3);
    maskwright!("export", case, "--to", "obj", "--out", at("obj")).done();
    let surface = fs::read_to_string(at("obj/case_001.obj")).unwrap();
    assert!(surface.contains("SPACE=LPS") && surface.contains("o right_lung"));
    maskwright!("export", case, "--to", "seg", "--out", at("x"), "--layer", "Other").refused(&["\"Manual\""]);

    // The same by name, one file to another.
    maskwright!("convert", lungs, at("rs.rtstruct.dcm"), "--reference", ct).done();
    maskwright!("convert", at("rs.rtstruct.dcm"), at("again.nii.gz"), "--reference", ct).done();
    assert_eq!(mask(&at("again.nii.gz"), Some(&image)).to_dense(), truth.to_dense());

    // A mask does not leave with another image than its own.
    let slice = ct.join(tree(&ct).first().unwrap());
    let bytes = fs::read(&slice).unwrap();
    let mut changed = bytes.clone();
    *changed.last_mut().unwrap() ^= 3;
    fs::write(&slice, changed).unwrap();
    maskwright!("export", case, "--to", "seg", "--out", at("y")).refused(&["image", "has changed"]);
    assert!(!at("x").exists() && !at("y").exists());
}

/// Whether a file under `folder` holds these bytes.
fn holds(folder: &Path, text: &str) -> Option<PathBuf> {
    let files = tree(folder).into_iter().map(|p| folder.join(p)).filter(|p| p.is_file());
    files.into_iter().find(|f| {
        let bytes = fs::read(f).unwrap();
        bytes.windows(text.len()).any(|w| w.eq_ignore_ascii_case(text.as_bytes()))
    })
}

/// Study, series and frame of reference of the DICOM series in a folder.
fn identifiers(folder: &Path) -> [String; 3] {
    let (_, series) = io::open_volume(folder, None, &JobContext::detached()).unwrap();
    let Some(io::VolumeSource::Dicom(stack)) = series.source else { panic!("a DICOM series") };
    [stack.study_uid, stack.series_uid, stack.frame_of_reference_uid]
}

#[test]
fn copies_hold_no_identity_and_go_on_fitting_together() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    phantoms("chest", "lungs", 2, &at("data"));
    let (ct, lungs) = patient(&at("data"), 1);
    for kind in ["seg", "rtstruct"] {
        let target = at(&format!("data/phantom_001/{kind}.dcm"));
        maskwright!("convert", lungs, target, "--reference", ct, "--to", kind).done();
    }
    let said = maskwright!("export", at("data"), "--to", "deidentified", "--out", at("copies")).done();
    assert!(said.contains("18 files of 2 patients"), "{said}");
    let original = identifiers(&ct);
    for word in original.iter().map(String::as_str).chain(["phantom_001", "phantom_002"]) {
        assert!(holds(&at("data"), word).is_some());
        assert_eq!(holds(&at("copies"), word), None, "{word}");
    }
    let copied = at("copies/patient_001/study_001/series_001");
    assert_eq!(volume(&copied).hu(), volume(&ct).hu());
    let image = volume(&copied);
    let truth = mask(&lungs, Some(&image)).to_dense();
    let study = at("copies/patient_001/study_001");
    let found = io::scan(&study, &JobContext::detached()).unwrap();
    let series = found.series().find(|s| s.can_open()).unwrap();
    assert_eq!(series.masks.len(), 2, "both masks name the copied series");
    for source in &series.masks {
        let back = io::load_mask(source, None, image.geometry(), &JobContext::detached()).unwrap();
        assert_eq!(back.labels.to_dense(), truth);
    }

    // Identifiers are random, or the same wherever the secret is the same.
    fs::write(at("secret"), b"correct horse battery staple").unwrap();
    fs::write(at("short"), b"horse").unwrap();
    let case = project(&at("data"), 1, NAMES, true);
    for out in ["first", "second"] {
        maskwright!("export", case, "--to", "deidentified", "--out", at(out), "--key", at("secret")).done();
    }
    let first = |out: &str| at(out).join("patient_001/study_001/series_001");
    assert_eq!(identifiers(&first("first")), identifiers(&first("second")));
    assert_ne!(identifiers(&first("first")), identifiers(&copied));
    assert_eq!(tree(&at("first/patient_001/study_001")).len(), 2 + 8 + 1, "the series and its layer");
    assert!(tree(&at("first")).iter().all(|p| !p.to_string_lossy().contains("draft")));
    maskwright!("export", case, "--to", "deidentified", "--out", at("x"), "--key", at("short")).refused(&["5 bytes"]);
    maskwright!("export", lungs, "--to", "deidentified", "--out", at("x")).refused(&["no DICOM image"]);
    assert!(!at("x").exists());
}

#[test]
fn what_is_no_target_is_wrong_usage() {
    for arguments in [&["export", "a", "--to", "word", "--out", "b"][..], &["export", "--to", "seg", "--out", "b"]] {
        let arguments: Vec<&std::ffi::OsStr> = arguments.iter().map(std::ffi::OsStr::new).collect();
        assert_eq!(super::program::run(&arguments).status, Some(2));
    }
}

/// An empty mask is a mask: it leaves and comes back.
#[test]
fn a_mask_without_a_voxel_leaves_and_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    phantoms("chest", "lungs", 1, &at("data"));
    let (ct, _) = patient(&at("data"), 1);
    let image = volume(&ct);
    let empty = LabelMap::empty(*image.geometry());
    io::save_mask(&at("empty.seg.nrrd"), &empty, &[Segment::new(1, "cyst")], None).unwrap();
    maskwright!("convert", at("empty.seg.nrrd"), at("seg.dcm"), "--reference", ct).done();
    maskwright!("convert", at("seg.dcm"), at("back.seg.nrrd"), "--reference", ct).done();
    let back = io::open_mask(&at("back.seg.nrrd"), None, &JobContext::detached()).unwrap();
    assert_eq!((back.labels.to_dense(), back.segments[0].name.as_str()), (empty.to_dense(), "cyst"));
}
