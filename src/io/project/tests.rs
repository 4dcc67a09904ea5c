//! Projects through disk and back, moved, damaged and half there.

use super::*;
use crate::core::{Geometry, Origin, Segment, Shape, SliceStatus, VoiFunction, Work};
use crate::io::types::{DicomStack, SliceFile};
use crate::jobs::JobContext;
use glam::{DAffine3, DMat3, DQuat, DVec3};
use proptest::prelude::*;

fn geometry(dims: [usize; 3], angle: f64) -> Geometry {
    let m = DMat3::from_quat(DQuat::from_axis_angle(DVec3::new(0.6, 0.0, 0.8), angle))
        * DMat3::from_diagonal(DVec3::new(0.7, 1.0 / 3.0, 2.5));
    Geometry::new(dims, DAffine3 { matrix3: m, translation: DVec3::new(0.1, -0.2, 1e-7) }).unwrap()
}

fn noise(n: usize, seed: u64) -> Vec<u8> {
    let mut state = seed | 1;
    (0..n)
        .map(|_| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            if state >> 62 == 0 { (state >> 50) as u8 } else { 0 }
        })
        .collect()
}

/// Nothing for the first layer, everything for the others.
fn work(g: Geometry, seed: u64, n: usize) -> Work {
    let mut work = Work::default();
    if n > 0 {
        work.reader = 2;
        work.slices.set_status(0, SliceStatus::Approved);
        work.slices.set_note(0, "a note: \"ä\"");
        work.sources.number(&Origin::Human);
        work.sources.number(&Origin::Imported { file: "x.nii".into() });
        let numbers: Vec<u8> = noise(g.voxel_count(), seed).iter().map(|v| v % 3).collect();
        work.sources.set_map(LabelMap::from_dense(g, &numbers));
    }
    work
}

fn data(g: Geometry, seed: u64, layers: usize) -> (ProjectData, Volume) {
    let hu: Vec<i16> = noise(g.voxel_count(), seed ^ 99).iter().map(|&v| i16::from(v) * 7 - 1000).collect();
    let volume = Volume::new(g, hu).unwrap();
    let layers = (0..layers)
        .map(|n| Layer {
            id: LayerId(n as u64 + 3),
            name: format!("Layer \"{n}\" äöü"),
            labels: LabelMap::from_dense(g, &noise(g.voxel_count(), seed + n as u64)).unwrap(),
            segments: vec![
                Segment::new(2, "liver"),
                Segment { locked: true, file_value: 4618, ..Segment::new(1, "x") },
            ],
            origin: [Origin::Human, Origin::Model { run: "a".into(), checkpoint: "b".into() }][n % 2].clone(),
            visible: n == 0,
            reviewed: n == 1,
            work: work(g, seed + 50 + n as u64, n),
        })
        .collect();
    let view = ViewState {
        window: Some(Window { window_center: 0.1, window_width: 400.0, function: VoiFunction::Sigmoid }),
        table: true,
        crosshair: Some([1.0 / 3.0, 2.0, -0.0]),
        active_layer: Some(LayerId(3)),
        active_segment: Some(2),
        measurements: vec![Measurement {
            id: 4,
            axis: 2,
            shape: Shape::Angle([DVec3::splat(0.1), DVec3::X / 3.0, DVec3::Z]),
            note: "short axis".into(),
        }],
    };
    let fingerprint = Fingerprint::of(&volume);
    let data = ProjectData { name: "Case 1".into(), source: None, fingerprint, layers, view, newer: None };
    (data, volume)
}

fn assert_same(a: &ProjectData, b: &ProjectData) {
    assert_eq!((&a.name, &a.view, &a.fingerprint), (&b.name, &b.view, &b.fingerprint));
    assert_eq!(a.layers.len(), b.layers.len());
    for (x, y) in a.layers.iter().zip(&b.layers) {
        assert_eq!(LayerMeta::from(x), LayerMeta::from(y));
        assert_eq!(x.labels, y.labels);
        assert_eq!(x.work, y.work);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn projects_come_back(dims in prop::array::uniform3(1usize..40), angle in -3.0f64..3.0, seed: u64, layers in 0usize..4) {
        let (mut saved, volume) = data(geometry(dims, angle), seed, layers);
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("case.maskwright");
        prop_assert!(matches!(save_project(&path, &saved, None), Err(ProjectError::NoVolume(_))));
        save_project(&path, &saved, Some(&volume)).unwrap();
        prop_assert!(is_project(&path));
        let back = load_project(&path).unwrap();
        assert_same(&saved, &back);
        let Some(VolumeSource::Nrrd(inside)) = &back.source else { panic!("{:?}", back.source) };
        let (embedded, _) = crate::io::nrrd::load_nrrd_volume(inside, &JobContext::detached()).unwrap();
        back.check_volume(&path, &embedded).unwrap();
        // Saved again from what was loaded, with one layer less: only what is named stays.
        saved.layers.pop();
        saved.source = back.source;
        save_project(&path, &saved, None).unwrap();
        assert_same(&saved, &load_project(&path).unwrap());
        let maps = saved.layers.iter().flat_map(|l| [Some(&l.labels), l.work.sources.map()]).flatten();
        let distinct: std::collections::HashSet<_> = maps.map(LabelMap::to_dense).collect();
        prop_assert_eq!(std::fs::read_dir(&path).unwrap().count(), 2 + distinct.len());
    }
}

#[test]
fn a_dicom_source_survives_a_move_of_both() {
    let (mut saved, _) = data(geometry([4, 4, 2], 0.1), 1, 1);
    let dir = tempfile::tempdir().unwrap();
    let old = dir.path().join("old");
    std::fs::create_dir_all(old.join("ct/a")).unwrap();
    let slice = |name: &str| SliceFile {
        path: old.join("ct/a").join(name),
        frame: 1,
        sop_class_uid: "1.2".into(),
        sop_instance_uid: "1.3".into(),
        position: None,
    };
    saved.source = Some(VolumeSource::Dicom(DicomStack {
        geometry: saved.fingerprint.geometry,
        slices: vec![slice("1.dcm"), slice("2.dcm")],
        resampling: None,
        window: None,
        scale: None,
        study_uid: "1".into(),
        series_uid: "2".into(),
        frame_of_reference_uid: "3".into(),
    }));
    save_project(&old.join("p.maskwright"), &saved, None).unwrap();
    let new = dir.path().join("new");
    std::fs::rename(&old, &new).unwrap();
    match load_project(&new.join("p.maskwright/project.ron")).unwrap().source {
        Some(VolumeSource::Dicom(stack)) => {
            let at = std::fs::canonicalize(stack.slices[1].path.parent().unwrap()).unwrap();
            assert_eq!(at, std::fs::canonicalize(new.join("ct/a")).unwrap());
            assert_eq!((stack.slices[1].frame, stack.geometry), (1, saved.fingerprint.geometry));
        }
        other => panic!("{other:?}"),
    }
}

/// Every state that an interrupted save can leave opens as the old project.
#[test]
fn an_interrupted_save_leaves_the_old_project() {
    let (saved, volume) = data(geometry([20, 20, 20], 0.2), 5, 2);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("case.maskwright");
    save_project(&path, &saved, Some(&volume)).unwrap();
    // New bricks are there, the manifest is not yet: as if stopped just before the rename.
    for layer in &data(geometry([20, 20, 20], 0.2), 77, 2).0.layers {
        save_layer(&path, layer).unwrap();
    }
    assert_same(&saved, &load_project(&path).unwrap());
    std::fs::write(path.join(".project.ron.1-1.tmp"), b"half").unwrap();
    assert_same(&saved, &load_project(&path).unwrap());
    // A folder in the manifest's place makes the rename fail: nothing is lost.
    let other = dir.path().join("b.maskwright");
    std::fs::create_dir_all(other.join("project.ron/x")).unwrap();
    assert!(matches!(save_project(&other, &saved, Some(&volume)), Err(ProjectError::Write { .. })));
}

/// A project of the first format: it knew neither slices nor sources.
#[test]
fn older_projects_open_and_later_ones_as_far_as_they_are_known() {
    let (mut saved, volume) = data(geometry([20, 20, 20], 0.2), 5, 1);
    saved.layers[0].work = Work::default();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("case.maskwright");
    save_project(&path, &saved, Some(&volume)).unwrap();
    let manifest = path.join(MANIFEST);
    let now = std::fs::read_to_string(&manifest).unwrap();
    let from = now.find("work: (").unwrap();
    let to = from + now[from..].find("count:").unwrap();
    let older: String = now[..from].lines().chain(["),", "bricks: \"NAME\","]).collect::<Vec<_>>().join("\n");
    let name = now[from..to].split('"').find(|t| t.starts_with("bricks-")).unwrap();
    let older = older.replace("NAME", name) + &now[to..].replace("sources: None,", "");
    let older = older.replace("version: 2", "version: 1");
    assert!(!older.contains("work") && !older.contains("sources"), "{older}");
    std::fs::write(&manifest, older).unwrap();
    let back = load_project(&path).unwrap();
    assert_same(&saved, &back);
    assert_eq!(back.newer, None);
    let later = now.replace("version: 2", "version: 7, palette: [Red, (1, \"x\")]");
    std::fs::write(&manifest, later).unwrap();
    let back = load_project(&path).unwrap();
    assert_same(&saved, &back);
    assert_eq!(back.newer, Some(7));
}

#[test]
fn damage_and_newer_versions_are_refused_by_name() {
    let (saved, volume) = data(geometry([20, 20, 20], 0.2), 5, 1);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("case.maskwright");
    assert!(matches!(load_project(&path), Err(ProjectError::NotProject(_))));
    save_project(&path, &saved, Some(&volume)).unwrap();
    let manifest = path.join(MANIFEST);
    let good = std::fs::read_to_string(&manifest).unwrap();
    let says = |text: &str, want: &str| {
        std::fs::write(&manifest, text).unwrap();
        let error = load_project(&path).unwrap_err().to_string();
        assert!(error.contains(want), "{error}");
    };
    assert!(good.contains("version: 2"));
    says(&good.replace("version: 2", "version: 9").replace("name: ", "title: "), "newer Maskwright (format 9");
    says("Project(version: 9, new_things: [(1, 2)], name: 4)", "newer Maskwright");
    says(&good[..good.len() / 2], "damaged");
    says("", "damaged");
    says(&good.replace("bricks-", "../bricks-"), "damaged (a file name)");
    says(&good.replace("id: 2", "id: 1"), "two segments share a label");
    says(&good.replacen("20,", "4000000000,", 1), "grid is impossible");
    says(&good.replace("count: 8", "count: 9999"), "cannot be unpacked");
    std::fs::write(&manifest, &good).unwrap();
    let bricks = std::fs::read_dir(&path)
        .unwrap()
        .flatten()
        .map(|e| e.path())
        .find(|p| p.extension().unwrap() == "bin")
        .unwrap();
    let bytes = std::fs::read(&bricks).unwrap();
    for at in [3, 12, bytes.len() / 2, bytes.len() - 1] {
        let mut broken = bytes.clone();
        broken[at] ^= 0x10;
        std::fs::write(&bricks, broken).unwrap();
        assert!(load_project(&path).unwrap_err().to_string().contains("damaged"), "byte {at}");
    }
    std::fs::write(&bricks, &bytes[..bytes.len() - 5]).unwrap();
    assert!(matches!(load_project(&path), Err(ProjectError::Damaged { .. })));
    std::fs::write(&bricks, &bytes).unwrap();
    load_project(&path).unwrap();
    let other = Volume::new(*volume.geometry(), vec![0i16; volume.hu().len()]).unwrap();
    assert!(matches!(saved.check_volume(&path, &other), Err(ProjectError::OtherVolume(_))));
}

#[test]
fn a_glance_says_what_the_whole_project_would() {
    let dir = tempfile::tempdir().unwrap();
    let g = geometry([9, 7, 11], 0.3);
    for (n, layers) in [0usize, 1, 3].into_iter().enumerate() {
        let (mut data, volume) = data(g, 40 + n as u64, layers);
        // The second layer is the one that has marks.
        data.view.active_layer = data.layers.get(1).map(|l| l.id).or(data.view.active_layer);
        let path = dir.path().join(format!("deep/er/case {}.{PROJECT_ENDING}", 10 - n));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        save_project(&path, &data, Some(&volume)).unwrap();
        let glance = glance_at_project(&path).unwrap();
        let whole = load_project(&path).unwrap();
        let of = |l: &Layer| l.work.slices.progress(11);
        let want = whole.layers.iter().find(|l| Some(l.id) == data.view.active_layer).map_or([11, 0, 0], of);
        assert_eq!(glance, ProjectGlance { name: whole.name, slices: want });
        assert_eq!(want, if layers > 1 { [10, 0, 1] } else { [11, 0, 0] });
    }
    let names = |folder: &Path| -> Vec<String> {
        let found = projects_in(folder).unwrap();
        found.iter().map(|p| p.file_stem().unwrap().to_string_lossy().into_owned()).collect()
    };
    assert_eq!(names(dir.path()), ["case 8", "case 9", "case 10"]);
    assert_eq!(names(&dir.path().join("deep/er/case 9.maskwright")), ["case 9"]);
    assert!(projects_in(&dir.path().join("nowhere")).is_err());
    // One that is damaged says so and is listed all the same.
    let broken = dir.path().join("deep/er/case 9.maskwright");
    fs::write(broken.join(MANIFEST), "Project(version: 2, name: 3)").unwrap();
    assert!(matches!(glance_at_project(&broken), Err(ProjectError::Damaged { .. })));
    fs::write(broken.join(MANIFEST), "Project(version: 99, what: \"else\")").unwrap();
    assert!(matches!(glance_at_project(&broken), Err(ProjectError::Newer { version: 99, .. })));
    assert_eq!(names(dir.path()).len(), 3);
}
