//! Exports of several files: labels joined by name, contradictions, cancelling, and what is left.

use super::*;
use crate::core::{Code, Geometry, LabelMap, LayerId, Origin, Segment};
use crate::io::dicom::{CtSeriesInfo, DeidKey, load_rtstruct, write_ct_series};
use crate::io::layouts::{Layout, find_cases};
use crate::io::project::{ViewState, save_project};
use crate::io::saved::Fingerprint;
use crate::io::{dicom_files, load_nifti_labels, open_volume, scan};
use crate::io::{load_mask, load_volume, open_mask};
use glam::{DAffine3, DMat3, DQuat, DVec3};
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::fs;
use std::sync::Arc;

fn ctx() -> JobContext<()> {
    JobContext::detached()
}

fn geometry() -> Geometry {
    Geometry::axis_aligned([6, 5, 4], DVec3::new(0.7, 0.8, 2.5), DVec3::new(1.0, -2.0, 3.0)).unwrap()
}

fn layer(names: &[(u8, &str)]) -> Layer {
    let mut labels = LabelMap::empty(geometry());
    for (n, (id, _)) in names.iter().enumerate() {
        labels.set([n, 1, 2], *id);
    }
    let segments = names.iter().map(|(id, name)| Segment::new(*id, *name)).collect();
    Layer { reviewed: true, ..Layer::new(LayerId(1), "Manual", labels, segments, Origin::Human) }
}

fn case(place: &str, layer: Layer) -> ExportCase {
    let image = Box::new(|_: &JobContext<()>| Ok(Arc::new(Volume::new(geometry(), vec![7i16; 120]).unwrap())));
    ExportCase { place: place.into(), layer, image }
}

/// Every path under a folder.
fn tree(folder: &Path) -> BTreeSet<PathBuf> {
    fn walk(folder: &Path, root: &Path, out: &mut BTreeSet<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            out.insert(path.strip_prefix(root).unwrap().to_owned());
            if path.is_dir() {
                walk(&path, root, out);
            }
        }
    }
    let mut out = BTreeSet::new();
    walk(folder, folder, &mut out);
    out
}

#[test]
fn labels_are_joined_by_name_and_numbered_without_gaps() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("Dataset001_Liver");
    let (a, b) = (layer(&[(4, "liver"), (9, "tumour")]), layer(&[(1, " tumour"), (2, "liver")]));
    let names = export_nnunet(&out, vec![case("a", a), case("b", b)], false, &ctx()).unwrap();
    assert_eq!(names, ["case_001", "case_002"]);
    let declared: serde_json::Value = serde_json::from_slice(&fs::read(out.join("dataset.json")).unwrap()).unwrap();
    assert_eq!(declared["labels"], serde_json::json!({"background": 0, "liver": 1, "tumour": 2}));
    assert_eq!((&declared["numTraining"], &declared["file_ending"]), (&2.into(), &".nii.gz".into()));
    for (name, first, second) in [("case_001", 1, 2), ("case_002", 2, 1)] {
        let values = load_nifti_labels(&out.join(format!("labelsTr/{name}.nii.gz"))).unwrap().layers.remove(0);
        let values: Vec<u32> = values.iter().collect();
        let at = |i: usize| values[geometry().index([i, 1, 2])];
        assert_eq!((at(0), at(1), values.iter().filter(|v| **v > 0).count()), (first, second, 2), "{name}");
        let (volume, _) =
            open_volume(&out.join(format!("imagesTr/{name}_0000.nii.gz")), None, &JobContext::detached()).unwrap();
        assert!(volume.geometry().same_grid(&geometry(), 1e-4) && volume.hu().iter().all(|v| *v == 7));
    }
    let again = export_nnunet(&out, vec![case("a", layer(&[(1, "liver")]))], false, &ctx());
    assert!(matches!(again, Err(ExportError::Occupied(p)) if p == out));
}

#[test]
fn contradictions_are_refused_in_plain_words() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("set");
    let says = |layers: Vec<Layer>, words: &[&str]| {
        let cases = layers.into_iter().zip(["first", "second"]).map(|(l, place)| case(place, l)).collect();
        let error = export_nnunet(&out, cases, false, &ctx()).unwrap_err().to_string();
        assert!(words.iter().all(|w| error.contains(w)), "{error}");
        assert!(tree(dir.path()).is_empty());
    };
    says(vec![], &["reviewed"]);
    says(vec![layer(&[(1, "liver")]), layer(&[(1, "Liver")])], &["first", "second", "\"liver\"", "\"Liver\""]);
    says(vec![layer(&[(1, "liver")]), layer(&[(1, "liver"), (2, "cyst")])], &["\"cyst\"", "first", "has none"]);
    says(vec![layer(&[(1, "liver"), (2, "liver")])], &["two segments called \"liver\""]);
    says(vec![layer(&[(1, " ")])], &["no name"]);
    says(vec![layer(&[(1, "Background")])], &["\"Background\""]);
    says(vec![layer(&[])], &["no segments"]);
    let mut lost = layer(&[(1, "liver")]);
    lost.labels.set([5, 4, 3], 8);
    says(vec![lost], &["label 8"]);
    let mut coded = layer(&[(1, "liver")]);
    coded.segments[0].code = Some(Code { scheme: "SCT".into(), value: "1".into(), meaning: "Other".into() });
    says(vec![layer(&[(1, "liver")]), coded], &["different things"]);
    let mut moved = layer(&[(1, "liver")]);
    moved.labels = LabelMap::empty(Geometry::axis_aligned([6, 5, 4], DVec3::ONE, DVec3::ZERO).unwrap());
    says(vec![moved], &["not on its image's grid"]);
    // With leave, what is absent is background; and what is to be ignored comes last.
    let cases = vec![case("a", layer(&[(1, "ignore"), (2, "liver")])), case("b", layer(&[(1, "liver")]))];
    export_nnunet(&out, cases, true, &ctx()).unwrap();
    let declared: serde_json::Value = serde_json::from_slice(&fs::read(out.join("dataset.json")).unwrap()).unwrap();
    assert_eq!(declared["labels"], serde_json::json!({"background": 0, "liver": 1, "ignore": 2}));
}

#[test]
fn a_stopped_export_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("set");
    let stopping = ctx();
    let token = stopping.cancel.clone();
    let mut second = case("b", layer(&[(1, "liver")]));
    second.image = Box::new(move |_| {
        token.cancel();
        Ok(Arc::new(Volume::new(geometry(), vec![7i16; 120]).unwrap()))
    });
    let stopped = export_nnunet(&out, vec![case("a", layer(&[(1, "liver")])), second], false, &stopping);
    assert!(stopped.unwrap_err().is_cancelled());
    let cases = [LayerCase { place: "a".into(), layers: vec![layer(&[(1, "liver")])], stack: None }];
    for kind in [LayerKind::Nifti, LayerKind::Png, LayerKind::Stl] {
        let stopped = export_layers(&out, kind, &cases, 0, &stopping);
        assert!(stopped.unwrap_err().is_cancelled());
    }
    // A DICOM mask without a series fails after the folder was begun.
    assert!(export_layers(&out, LayerKind::RtStruct, &cases, 0, &ctx()).is_err());
    assert!(tree(dir.path()).is_empty(), "{:?}", tree(dir.path()));
}

/// A project over a written CT series.
fn project(dir: &Path, layers: Vec<Layer>) -> PathBuf {
    let ct = dir.join("ct");
    fs::create_dir_all(&ct).unwrap();
    let info = CtSeriesInfo {
        patient_id: "PHANTOM-0815".into(),
        series_description: "Synthetic".into(),
        series_number: 1,
        body_part: "CHEST".into(),
        seed: 5,
        window: None,
    };
    let volume = Volume::new(geometry(), (0..120).collect::<Vec<i16>>()).unwrap();
    write_ct_series(&ct, &volume, &info).unwrap();
    let (volume, series) = open_volume(&ct, None, &JobContext::detached()).unwrap();
    let data = ProjectData {
        name: "Case".into(),
        source: series.source,
        fingerprint: Fingerprint::of(&volume),
        layers,
        view: ViewState::default(),
        newer: None,
    };
    let path = dir.join("case.maskwright");
    save_project(&path, &data, None).unwrap();
    path
}

#[test]
fn a_projects_layer_is_chosen_by_name_or_mark() {
    let dir = tempfile::tempdir().unwrap();
    let (mut a, mut b) = (layer(&[(1, "liver")]), layer(&[(1, "lung")]));
    (a.name, b.name) = ("A".into(), "B".into());
    let open = |layers: &[Layer]| ProjectCase::open(&project(dir.path(), layers.to_vec())).unwrap();
    let both = open(&[a.clone(), b.clone()]);
    assert!(matches!(both.layer(None), Err(ExportError::SeveralReviewed(_))));
    assert_eq!(both.layer(Some("B")).unwrap().name, "B");
    let error = both.layer(Some("C")).unwrap_err().to_string();
    assert!(error.contains("\"A\", \"B\""), "{error}");
    a.reviewed = false;
    assert_eq!(open(&[a.clone(), b.clone()]).layer(None).unwrap().name, "B");
    b.reviewed = false;
    assert!(matches!(open(&[a.clone(), b]).layer(None), Err(ExportError::SeveralLayers(_))));
    assert_eq!(open(&[a]).layer(None).unwrap().name, "A");
    assert!(matches!(open(&[]).layer(None), Err(ExportError::NoLayer(_))));
    assert_eq!(open(&[]).image(&ctx()).unwrap().range(), [0, 119]);
}

#[test]
fn masks_of_every_kind_and_de_identified_copies_come_back() {
    let dir = tempfile::tempdir().unwrap();
    let layer = layer(&[(1, "liver"), (3, "tumour")]);
    let opened = ProjectCase::open(&project(dir.path(), vec![layer.clone()])).unwrap();
    let stack = opened.stack().unwrap().clone();
    let cases = [LayerCase { place: "a".into(), layers: vec![layer.clone()], stack: Some(stack.clone()) }];
    let listed = |kind: LayerKind, name: &str| {
        let out = dir.path().join(name);
        assert_eq!(export_layers(&out, kind, &cases, 2, &ctx()).unwrap(), ["case_001"]);
        tree(&out).into_iter().map(|p| p.to_string_lossy().replace('\\', "/")).collect::<Vec<_>>()
    };
    assert_eq!(listed(LayerKind::Nifti, "nifti"), ["case_001.nii.gz"]);
    assert_eq!(listed(LayerKind::Nrrd, "nrrd"), ["case_001.seg.nrrd"]);
    assert_eq!(listed(LayerKind::Obj, "obj"), ["case_001.obj"]);
    assert_eq!(listed(LayerKind::Stl, "stl"), ["case_001", "case_001/segment_001.stl", "case_001/segment_003.stl"]);
    assert_eq!(listed(LayerKind::Png, "png").len(), 5);
    assert_eq!(listed(LayerKind::Seg, "seg"), ["case_001.dcm"]);
    assert_eq!(listed(LayerKind::RtStruct, "rs"), ["case_001.dcm"]);
    let structures = dir.path().join("rs/case_001.dcm");
    let back = load_rtstruct(&structures, &stack.geometry, &ctx()).unwrap();
    assert_eq!(back.labels.counts()[1..4], [1, 1, 0]);

    let out = dir.path().join("deid");
    let mut input = DeidInput { files: dicom_files(&dir.path().join("ct"), &ctx()).unwrap(), ..Default::default() };
    input.files.push(structures);
    input.files.push(dir.path().join("obj/case_001.obj"));
    input.layers.push((stack, layer.clone()));
    let report = export_deidentified(&out, &input, &DeidKey::random(), &ctx()).unwrap();
    assert_eq!((report.patients, report.files), (1, 6));
    assert_eq!(report.findings.iter().map(|f| f.code).collect::<Vec<_>>(), ["no-image"]);
    let series = |n: usize| format!("patient_001/study_001/series_{n:03}");
    assert_eq!(fs::read_dir(out.join(series(1))).unwrap().count(), 4);
    assert!(out.join(series(2)).join("000001.dcm").is_file() && out.join(series(3)).join("000001.dcm").is_file());
    for file in tree(&out).into_iter().map(|p| out.join(p)).filter(|p| p.is_file()) {
        let bytes = fs::read(&file).unwrap();
        assert!(!bytes.windows(12).any(|w| w == b"PHANTOM-0815"), "{}", file.display());
    }
    let found = scan(&out, &ctx()).unwrap();
    let image = found.series().find(|s| s.can_open()).unwrap();
    assert_eq!(image.masks.len(), 2, "both masks follow the series");
    let mask = crate::io::load_mask(&image.masks[0], None, image.geometry.as_ref().unwrap(), &ctx()).unwrap();
    assert_eq!(mask.labels.counts()[0], 118);
    let nothing = DeidInput { files: vec![dir.path().join("obj/case_001.obj")], ..Default::default() };
    let out = dir.path().join("nothing");
    let refused = export_deidentified(&out, &nothing, &DeidKey::random(), &ctx());
    assert!(matches!(refused, Err(ExportError::NothingToCopy(_))) && !out.exists());
}

/// A grid of any direction, mirrored or not.
fn any_geometry() -> impl Strategy<Value = Geometry> {
    let turn = (prop::array::uniform3(-1.0f64..1.0), -3.1f64..3.1);
    let (spacing, place) = (prop::array::uniform3(0.3f64..4.0), prop::array::uniform3(-500.0f64..500.0));
    (prop::array::uniform3(1usize..9), turn, spacing, place, any::<bool>()).prop_map(
        |(dims, (axis, angle), spacing, place, mirrored)| {
            let axis = DVec3::from_array(axis).try_normalize().unwrap_or(DVec3::Z);
            let mut spacing = DVec3::from_array(spacing);
            spacing.z *= if mirrored { -1.0 } else { 1.0 };
            let matrix3 = DMat3::from_quat(DQuat::from_axis_angle(axis, angle)) * DMat3::from_diagonal(spacing);
            Geometry::new(dims, DAffine3 { matrix3, translation: DVec3::from_array(place) }).unwrap()
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]
    #[test]
    fn a_data_set_for_nnunet_comes_back_at_any_geometry(g in any_geometry(), other in any_geometry(), seed: u64) {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("Dataset001_Test");
        let names = ["liver", "spleen", "cyst"];
        // Two cases whose segments have other labels and another order.
        let drawn = |g: Geometry, ids: [u8; 3], seed: u64| {
            let mut state = seed | 1;
            let mut next = || {
                state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                state >> 40
            };
            let hu: Vec<i16> = (0..g.voxel_count()).map(|_| next() as i16).collect();
            let dense: Vec<u8> = (0..g.voxel_count()).map(|_| [0, ids[0], ids[1], ids[2]][next() as usize % 4]).collect();
            let mut segments: Vec<Segment> = ids.iter().zip(names).map(|(id, name)| Segment::new(*id, name)).collect();
            segments.sort_by_key(|s| s.id);
            let labels = LabelMap::from_dense(g, &dense).unwrap();
            let layer = Layer { reviewed: true, ..Layer::new(LayerId(1), "Manual", labels, segments, Origin::Human) };
            (Arc::new(Volume::new(g, hu).unwrap()), layer)
        };
        let written = [drawn(g, [4, 9, 2], seed), drawn(other, [1, 2, 3], seed ^ 99)];
        let cases = written.iter().enumerate().map(|(n, (volume, layer))| {
            let volume = Arc::clone(volume);
            let image = Box::new(move |_: &JobContext<()>| Ok(volume));
            ExportCase { place: n.to_string(), layer: layer.clone(), image }
        });
        export_nnunet(&out, cases.collect(), false, &ctx()).unwrap();
        let found = find_cases(&out, Some(Layout::NnUnet), &ctx()).unwrap();
        prop_assert_eq!(found.len(), 2);
        for (case, (volume, layer)) in found.iter().zip(&written) {
            let image = load_volume(&case.source, &JobContext::detached()).unwrap();
            prop_assert_eq!(image.hu(), volume.hu());
            // The files hold 32-bit floats.
            prop_assert!(image.geometry().same_grid(volume.geometry(), 1e-3));
            let mask = load_mask(&case.masks[0], None, image.geometry(), &ctx()).unwrap();
            let name = |segments: &[Segment], id: u8| segments.iter().find(|s| s.id == id).map(|s| s.name.clone());
            let back: Vec<_> = mask.labels.to_dense().into_iter().map(|l| name(&mask.segments, l)).collect();
            let drawn: Vec<_> = layer.labels.to_dense().into_iter().map(|l| name(&layer.segments, l)).collect();
            prop_assert_eq!(back, drawn);
            prop_assert!(mask.further.is_empty() && mask.findings.is_empty(), "{:?}", mask.findings);
        }
    }
}

#[test]
fn all_layers_of_a_case_go_into_one_file_or_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (mut a, mut b) = (layer(&[(1, "liver")]), layer(&[(1, "liver"), (2, "cyst")]));
    (a.name, b.name) = ("First".into(), "Second".into());
    // Both readers hold this voxel.
    assert_eq!((a.labels.at([0, 1, 2]), b.labels.at([0, 1, 2])), (1, 1));
    let opened = ProjectCase::open(&project(dir.path(), vec![a.clone(), b.clone()])).unwrap();
    let stack = opened.stack().cloned();
    let layers = vec![a, b];
    let apart: Vec<Vec<String>> =
        told_apart(&layers).into_iter().map(|l| l.into_iter().map(|s| s.name).collect()).collect();
    assert_eq!(apart, [vec!["liver (First)"], vec!["liver (Second)", "cyst"]]);
    let cases = [LayerCase { place: "a".into(), layers, stack: stack.clone() }];
    for (kind, file) in [
        (LayerKind::Seg, "case_001.dcm"),
        (LayerKind::RtStruct, "case_001.dcm"),
        (LayerKind::Nrrd, "case_001.seg.nrrd"),
    ] {
        let out = dir.path().join(format!("{kind:?}"));
        assert_eq!(export_layers(&out, kind, &cases, 0, &ctx()).unwrap(), ["case_001"]);
        assert_eq!(tree(&out).into_iter().collect::<Vec<_>>(), [PathBuf::from(file)]);
        let mask = open_mask(&out.join(file), Some(&stack.as_ref().unwrap().geometry), &ctx()).unwrap();
        let mut found: Vec<(String, u64)> = Vec::new();
        for (labels, segments) in mask.layers() {
            found.extend(segments.iter().map(|s| (s.name.clone(), labels.counts()[usize::from(s.id)])));
        }
        found.sort();
        let whole = [("cyst", 1), ("liver (First)", 1), ("liver (Second)", 1)].map(|(n, c)| (n.to_owned(), c));
        assert_eq!(found, whole, "{kind:?}");
    }
    for kind in [LayerKind::Nifti, LayerKind::Png, LayerKind::Stl, LayerKind::Obj] {
        let out = dir.path().join("none");
        let refused = export_layers(&out, kind, &cases, 0, &ctx()).unwrap_err().to_string();
        assert!(refused.contains("seg, rtstruct or nrrd") && !out.exists(), "{refused}");
    }
}
