//! Cohorts on disk: matching, missing partners, misses, several sides.

use super::*;
use crate::core::{Geometry, Volume};
use crate::io;
use glam::DVec3;
use std::path::Path;

fn mask(shift: usize, filled: bool) -> (LabelMap, Vec<Segment>) {
    let grid = Geometry::axis_aligned([20, 18, 6], DVec3::new(0.5, 0.5, 2.0), DVec3::ZERO).unwrap();
    let mut map = LabelMap::empty(grid);
    for k in 1..4 {
        for j in 4..12 {
            for i in 3..11 {
                if filled {
                    map.set([i + shift, j, k], 1);
                }
            }
        }
    }
    (map, vec![Segment::new(1, "Liver")])
}

fn write(folder: &Path, name: &str, shift: usize, filled: bool) {
    std::fs::create_dir_all(folder).unwrap();
    let (labels, segments) = mask(shift, filled);
    io::save_mask(&folder.join(name), &labels, &segments, None).unwrap();
}

fn run(request: &CohortRequest) -> Result<ReportInputs, CohortError> {
    compare_cohort(request, &JobContext::detached())
}

#[test]
fn folders_are_matched_by_name_and_nothing_is_dropped() {
    let dir = tempfile::tempdir().unwrap();
    let [truth, first, second] = ["truth", "first", "second"].map(|n| dir.path().join(n));
    for (n, shift) in [(1, 0), (2, 1), (3, 2)] {
        write(&truth, &format!("p{n}.nii.gz"), 0, true);
        // Letter case and the kind of file do not matter.
        write(&first, &format!("P{n}.nrrd"), shift, true);
        write(&second, &format!("p{n}.nii.gz"), 0, n != 2);
    }
    write(&truth, "p4.nii.gz", 0, true);
    write(&second, "extra.nii.gz", 0, true);
    let patients = dir.path().join("patients.csv");
    std::fs::write(&patients, "case,patient\np1,A\np2,A\np3,B\n").unwrap();
    let judged = vec![Judged::at(first.clone()), Judged::at(second.clone())];
    let request = CohortRequest { patients: Some(patients), ..CohortRequest::new(truth.clone(), judged) };
    let inputs = run(&request).unwrap();
    assert_eq!(inputs.judged, ["first", "second"]);
    assert_eq!(inputs.cases.len(), 6);
    let lacking: Vec<(&str, &str)> = inputs.unmatched.iter().map(|u| (u.case.as_str(), u.lacking.as_str())).collect();
    assert_eq!(lacking, [("p4", "first"), ("p4", "second"), ("extra", "truth")]);
    let missed: Vec<_> = inputs.cases.iter().filter(|c| c.metrics.misses().next().is_some()).collect();
    assert_eq!(missed.len(), 1);
    assert_eq!((missed[0].name.as_str(), missed[0].judged), ("p2", 1));
    let summary = crate::report::summarize(&inputs);
    let dice = &summary[1].by_case[0].figures[0];
    assert!((dice.mean.unwrap() - 2.0 / 3.0).abs() < 1e-12 && dice.worst_case.as_deref() == Some("p2"));
    let patients = &summary[0].by_patient[0];
    assert_eq!(patients.cases, 2);
    // Shifted by 0, 1, 2 of 8 voxels: 1, 7/8, 6/8; patient A has the first two.
    let means = (1.0 + 0.875) / 2.0;
    assert!((patients.figures[0].mean.unwrap() - (means + 0.75) / 2.0).abs() < 1e-12);
}

#[test]
fn a_bad_case_is_listed_and_the_others_go_on() {
    let dir = tempfile::tempdir().unwrap();
    let [truth, first, second] = ["truth", "first", "second"].map(|n| dir.path().join(n));
    for n in 1..=3 {
        for folder in [&truth, &first, &second] {
            write(folder, &format!("p{n}.nii.gz"), 0, true);
        }
    }
    std::fs::write(first.join("p2.nii.gz"), b"no mask at all").unwrap();
    let judged = vec![Judged::at(first.clone()), Judged::at(second)];
    let inputs = run(&CohortRequest::new(truth.clone(), judged)).unwrap();
    let done: Vec<(&str, usize)> = inputs.cases.iter().map(|c| (c.name.as_str(), c.judged)).collect();
    assert_eq!(done, [("p1", 0), ("p1", 1), ("p2", 1), ("p3", 0), ("p3", 1)]);
    let [failed] = inputs.failed.as_slice() else { panic!("{:?}", inputs.failed) };
    assert_eq!((failed.case.as_str(), failed.judged.as_str()), ("p2", "first"));
    assert!(!failed.reason.is_empty() && !failed.reason.starts_with("p2:"), "{}", failed.reason);
    let page = crate::report::html(&inputs).unwrap();
    assert!(page.contains("Could not be compared") && page.contains("p2, first: "));
    let json: serde_json::Value = serde_json::from_str(&crate::report::json(&inputs).unwrap()).unwrap();
    assert_eq!(json["failed"][0]["case"], "p2");
    // Without any case there is no report.
    for n in [1, 3] {
        std::fs::write(first.join(format!("p{n}.nii.gz")), b"no mask at all").unwrap();
    }
    let error = run(&CohortRequest::new(truth, vec![Judged::at(first)])).err().unwrap();
    assert!(matches!(&error, CohortError::Case { case, .. } if case == "p1"), "{error}");
}

#[test]
fn sheets_show_the_worst_and_what_changed_from_one_model_to_the_next() {
    let dir = tempfile::tempdir().unwrap();
    let [truth, first, second] = ["truth", "first", "second"].map(|n| dir.path().join(n));
    for (n, before, after) in [(1, 0, 2), (2, 1, 1), (3, 2, 0)] {
        write(&truth, &format!("p{n}.nrrd"), 0, true);
        write(&first, &format!("p{n}.nrrd"), before, true);
        write(&second, &format!("p{n}.nrrd"), after, true);
    }
    let judged = vec![Judged::at(first), Judged::at(second)];
    let sheets = run(&CohortRequest::new(truth.clone(), judged.clone())).unwrap().sheets;
    let captioned = |start: &str| sheets.iter().filter(|s| s.caption.starts_with(start)).collect::<Vec<_>>();
    assert_eq!(captioned("Worst ").len(), 6, "three of each side");
    // Shifted by two of eight voxels: Dice 6/8.
    let [regressed] = captioned("Regressed")[..] else { panic!("{:?}", captioned("Regressed").len()) };
    let start = "Regressed from 1.000 (first) to 0.750 (second). p1, Liver, slice ";
    assert!(regressed.caption.starts_with(start), "{}", regressed.caption);
    let [improved] = captioned("Improved")[..] else { panic!("{:?}", captioned("Improved").len()) };
    assert!(
        improved.caption.starts_with("Improved from 0.750 (first) to 1.000 (second). p3, "),
        "{}",
        improved.caption
    );
    // Without an image over black: only A is orange, only B blue, both green, as opaque as each is drawn.
    let has = |sheet: &crate::report::Picture, color: [u8; 3]| sheet.rgb.chunks(3).any(|p| p == color);
    let (only_a, only_b, both) = ([161, 111, 0], [0, 80, 125], [0, 55, 40]);
    assert!(has(regressed, only_a) && has(regressed, only_b) && has(regressed, both));
    assert!(has(improved, both) && !has(improved, only_a) && !has(improved, only_b));
    let none = run(&CohortRequest { sheets: false, ..CohortRequest::new(truth, judged) }).unwrap();
    assert!(none.sheets.is_empty());
}

#[test]
fn the_fingerprint_is_of_the_reference_masks_alone() {
    let dir = tempfile::tempdir().unwrap();
    let [truth, first, second] = ["truth", "first", "second"].map(|n| dir.path().join(n));
    for n in 1..=2 {
        write(&truth, &format!("p{n}.nrrd"), 0, true);
        write(&first, &format!("p{n}.nrrd"), 1, true);
        write(&second, &format!("p{n}.nrrd"), 2, true);
    }
    let print = |judged: &[&Path]| {
        let judged = judged.iter().map(|j| Judged::at(j.to_path_buf())).collect();
        let facts = run(&CohortRequest { sheets: false, ..CohortRequest::new(truth.clone(), judged) }).unwrap().facts;
        facts.into_iter().find(|(name, _)| name.starts_with("Fingerprint")).unwrap().1
    };
    let one = print(&[&first]);
    assert!(one.len() == 64 && one.bytes().all(|b| b.is_ascii_hexdigit()), "{one}");
    assert_eq!(print(&[&second]), one, "what is judged is no part of it");
    assert_eq!(print(&[&first, &second]), one, "each case counts once");
    write(&truth, "p2.nrrd", 1, true);
    assert_ne!(print(&[&first]), one, "a mask was moved by a voxel");
    write(&truth, "p2.nrrd", 0, true);
    assert_eq!(print(&[&first]), one);
    for folder in [&truth, &first] {
        std::fs::rename(folder.join("p2.nrrd"), folder.join("p3.nrrd")).unwrap();
    }
    assert_ne!(print(&[&first]), one, "another case");
}

#[test]
fn cases_that_a_run_was_not_tested_on_are_counted() {
    let dir = tempfile::tempdir().unwrap();
    let (data, model) = (dir.path().join("data"), dir.path().join("model"));
    for folder in ["imagesTr", "labelsTr"] {
        std::fs::create_dir_all(data.join(folder)).unwrap();
        for n in 1..=3 {
            std::fs::write(data.join(format!("{folder}/p{n}.nii.gz")), b"").unwrap();
        }
    }
    std::fs::create_dir_all(model.join("checkpoints")).unwrap();
    std::fs::write(model.join("recipe.ron"), "").unwrap();
    std::fs::write(model.join("result.json"), r#"{"test": [{"case": "p2"}]}"#).unwrap();
    let request = CohortRequest::new(data, vec![Judged::at(model)]);
    let tested = plan(&request, &JobContext::detached()).unwrap();
    assert_eq!((tested.cases.len(), tested.cases[0].name.as_str(), tested.outside), (1, "p2", 2));
    let all = plan(&CohortRequest { all_cases: true, ..request }, &JobContext::detached()).unwrap();
    assert_eq!((all.cases.len(), all.outside), (3, 0));
}

#[test]
fn refusals_are_sentences() {
    let dir = tempfile::tempdir().unwrap();
    let [truth, other] = ["truth", "other"].map(|n| dir.path().join(n));
    write(&truth, "a.nii.gz", 0, true);
    write(&other, "b.nii.gz", 0, true);
    let error = run(&CohortRequest::new(truth.clone(), vec![Judged::at(other.clone())])).err().unwrap();
    assert!(error.to_string().starts_with("No file of"), "{error}");
    assert!(matches!(run(&CohortRequest::new(truth.clone(), Vec::new())), Err(CohortError::Sides)));
    let bad = dir.path().join("patients.csv");
    std::fs::write(&bad, "only one column\n").unwrap();
    let request =
        CohortRequest { patients: Some(bad), ..CohortRequest::new(truth.clone(), vec![Judged::at(truth.clone())]) };
    assert!(run(&request).err().unwrap().to_string().contains("line 1"));
    let (ctx, _) = JobContext::attached(Default::default(), Arc::default(), crate::jobs::Waker::none());
    ctx.cancel.cancel();
    let request = CohortRequest::new(truth.clone(), vec![Judged::at(truth)]);
    assert!(matches!(compare_cohort(&request, &ctx), Err(CohortError::Cancelled)));
}

#[test]
fn segments_are_paired_by_name_and_else_by_number() {
    let of = |names: &[(u8, &str)]| CaseMask {
        name: String::new(),
        labels: mask(0, true).0,
        segments: names.iter().map(|(id, n)| Segment::new(*id, *n)).collect(),
        volume: None,
    };
    let pairs =
        pairs_of("p1", &of(&[(1, "Left lung"), (2, "Right lung")]), &of(&[(1, "Right lung"), (2, "Left lung")]));
    assert_eq!(pairs[0], Pair::labels("Left lung", 1, 2));
    let pairs = pairs_of("p1", &of(&[(1, "Left lung"), (2, "Right lung")]), &of(&[(1, "Label 1"), (3, "Label 3")]));
    let names: Vec<(&str, Select, Select)> = pairs.iter().map(|p| (p.name.as_str(), p.a, p.b)).collect();
    let label = Select::Label;
    let want = [
        ("Left lung", label(1), label(1)),
        ("Right lung", label(2), Select::Nothing),
        ("Label 3", Select::Nothing, label(3)),
    ];
    assert_eq!(names, want);
    assert_eq!(pairs_of("p1", &of(&[(5, "Liver")]), &of(&[(9, "Label 9")])), [Pair::labels("Liver", 5, 9)]);
    assert_eq!(pairs_of("p1", &of(&[(1, "P1")]), &of(&[(1, "p1")])), [Pair::labels("Mask", 1, 1)]);
}

#[test]
fn judged_masks_are_compared_with_each_other_where_that_is_asked_for() {
    use crate::report::{PairPlace, pair_tables, pairs_csv};
    let dir = tempfile::tempdir().unwrap();
    let [truth, first, second] = ["truth", "first", "second"].map(|n| dir.path().join(n));
    for n in 1..=2 {
        let name = format!("p{n}.nrrd");
        write(&truth, &name, 0, true);
        write(&first, &name, 1, true);
        // The second reader misses it in the second case.
        write(&second, &name, 2, n == 1);
    }
    let alone = run(&plain_request(dir.path())).unwrap();
    assert!(alone.pairs.is_empty() && pair_tables(&alone).is_empty());
    assert!(!crate::report::html(&alone).unwrap().contains("Each with each"));
    let inputs = run(&CohortRequest { each: true, ..plain_request(dir.path()) }).unwrap();
    assert_eq!(inputs.cases.len(), alone.cases.len());
    let of: Vec<_> = inputs.pairs.iter().map(|p| (p.case.as_str(), p.comparisons, p.metrics.name_b.as_str())).collect();
    assert_eq!(of, [("p1", [0, 1], "second"), ("p2", [2, 3], "second")]);
    let tables = pair_tables(&inputs);
    let [table] = tables.as_slice() else { panic!("{tables:?}") };
    assert_eq!(
        (table.segment.as_str(), table.names.as_slice()),
        ("Liver", ["truth", "first", "second"].map(String::from).as_slice())
    );
    let dice = |a: usize, b: usize| table.cell(a, b).unwrap().dice.unwrap();
    // Columns apart: 1, then 2 and a miss, then 1 and a miss.
    assert!((dice(0, 1) - 0.875).abs() < 1e-12 && (dice(0, 2) - 0.375).abs() < 1e-12);
    assert!((dice(1, 2) - 0.4375).abs() < 1e-12 && dice(2, 1) == dice(1, 2));
    let readers = table.cell(1, 2).unwrap();
    assert_eq!((readers.cases, readers.misses, readers.hd95), (2, 1, Some(f64::INFINITY)));
    assert_eq!(readers.worst, ("p2".to_owned(), PairPlace::Judged(1)));
    assert_eq!(table.cell(0, 2).unwrap().worst, ("p2".to_owned(), PairPlace::Truth(3)));
    assert!(table.cell(1, 1).is_none());
    let page = crate::report::html(&inputs).unwrap();
    assert!(page.contains("Each with each") && page.contains("0.438"), "{page}");
    let lines: Vec<String> = pairs_csv(&inputs).lines().map(str::to_owned).collect();
    assert_eq!(lines.len(), 3);
    assert!(lines[1].starts_with("p1,first,second,Liver,both,"), "{}", lines[1]);
    let json: serde_json::Value = serde_json::from_str(&crate::report::json(&inputs).unwrap()).unwrap();
    assert_eq!(json["judged_with_each_other"][0]["metrics"]["rows"][0]["figures"]["dice"], 0.875);
}

/// 60 HU where the mask of no shift is, else -1000.
fn write_image(folder: &Path, name: &str) {
    std::fs::create_dir_all(folder).unwrap();
    let labels = mask(0, true).0;
    let hu = labels.to_dense().iter().map(|l| if *l > 0 { 60 } else { -1000 }).collect::<Vec<i16>>();
    io::save_volume(&folder.join(name), &Volume::new(*labels.geometry(), hu).unwrap()).unwrap();
}

#[test]
fn volumes_and_densities_stand_beside_the_comparison_where_images_are_given() {
    let dir = tempfile::tempdir().unwrap();
    let [truth, first, second, images] = ["truth", "first", "second", "images"].map(|n| dir.path().join(n));
    for n in ["p1.nrrd", "p2.nrrd"] {
        write(&truth, n, 0, true);
        write(&first, n, 0, true);
        write(&second, n, 2, true);
    }
    // The other case has no image.
    write_image(&images, "p1.nrrd");
    let judged = vec![Judged::at(first), Judged::at(second)];
    let plain = run(&CohortRequest { sheets: false, ..CohortRequest::new(truth, judged) }).unwrap();
    assert!(plain.quantities.is_empty(), "masks alone have no density");
    let request = CohortRequest { images: Some(images), ..plain_request(dir.path()) };
    let inputs = run(&request).unwrap();
    let of: Vec<(&str, &str)> = inputs.quantities.iter().map(|q| (q.case.as_str(), q.mask.as_str())).collect();
    assert_eq!(of, [("p1", "Reference"), ("p1", "first"), ("p1", "second")]);
    let value = |n: usize, name: &str| {
        let found = inputs.quantities[n].values.iter().find(|v| v.name == name);
        found.unwrap_or_else(|| panic!("no {name} in {:?}", inputs.quantities[n])).value.unwrap()
    };
    // 8 x 8 x 3 voxels of 0.5 mm3; two of eight columns lie beside.
    for n in 0..3 {
        assert!((value(n, "Liver, volume") - 0.096).abs() < 1e-9);
    }
    assert_eq!((value(0, "Liver, mean density"), value(1, "Liver, mean density")), (60.0, 60.0));
    assert!((value(2, "Liver, mean density") - (0.75 * 60.0 - 0.25 * 1000.0)).abs() < 1e-9);
    let page = crate::report::html(&inputs).unwrap();
    assert!(page.contains("Liver, mean density (HU)") && page.contains("-205.0"), "{page}");
    assert!(crate::report::quantities_csv(&inputs).contains("p1,second,,\"Liver, mean density\",-205,HU"));
    let json: serde_json::Value = serde_json::from_str(&crate::report::json(&inputs).unwrap()).unwrap();
    assert_eq!(json["quantities"].as_array().unwrap().len(), 3);
    let without = run(&CohortRequest { quantities: false, ..request }).unwrap();
    assert!(without.quantities.is_empty() && without.cases.len() == 4);
}

/// The folders of a test with two sides.
fn plain_request(dir: &Path) -> CohortRequest {
    let judged = ["first", "second"].map(|n| Judged::at(dir.join(n))).into();
    CohortRequest { sheets: false, ..CohortRequest::new(dir.join("truth"), judged) }
}

#[test]
fn muscle_of_both_masks_is_measured_in_the_slice_of_the_reference() {
    // Pixels of muscle in each slice.
    let of = |pixels: [usize; 3], name: &str, segment: &str| {
        let grid = Geometry::axis_aligned([20, 4, 3], DVec3::new(1.0, 1.0, 5.0), DVec3::ZERO).unwrap();
        let mut labels = LabelMap::empty(grid);
        for (k, n) in pixels.into_iter().enumerate() {
            (0..n).for_each(|i| labels.set([i, 1, k], 1));
        }
        CaseMask { name: name.into(), labels, segments: vec![Segment::new(1, segment)], volume: None }
    };
    let (truth, judged) = (of([2, 9, 3], "truth", "Muscle"), of([2, 6, 12], "model", "Label 1"));
    let grid = *truth.labels.geometry();
    let volume = Volume::new(grid, vec![40; grid.voxel_count()]).unwrap();
    let pairs = pairs_of("p1", &truth, &judged);
    let found = measured::quantities_of("p1", [&truth, &judged], &pairs, true, &volume);
    let areas: Vec<(f64, bool)> = found
        .iter()
        .map(|q| q.values.iter().find(|v| v.name == "Muscle area").expect("the judged label is muscle as well"))
        .map(|v| (v.value.unwrap(), v.definition.contains("slice 1, counted from 0")))
        .collect();
    assert_eq!(areas, [(0.09, true), (0.06, true)]);
    let later = measured::quantities_of("p1", [&truth, &judged], &pairs, false, &volume);
    assert_eq!(later.len(), 1, "the reference is measured once");
}

#[test]
fn what_a_run_learned_from_stands_beside_its_weights() {
    let dir = tempfile::tempdir().unwrap();
    let model = dir.path().join("model");
    std::fs::create_dir_all(model.join("checkpoints")).unwrap();
    std::fs::write(model.join("recipe.ron"), "").unwrap();
    let request = CohortRequest::new(dir.path().join("truth"), vec![Judged::at(model.clone())]);
    assert!(Reader::new(&request).provenance(0).is_empty(), "a run without data.json says nothing");
    let data = |sum: &str| {
        let text = format!(
            r#"{{"cases": [{{"case": "p1", "slices": 4, "sha256": "{sum}"}}], "pixels_of_each_class": [3, 1],
                "slices": 4, "slices_without_any_class": 0}}"#
        );
        std::fs::write(model.join("data.json"), text).unwrap();
        let facts = Reader::new(&request).provenance(0);
        let [(name, value)] = facts.as_slice() else { panic!("{facts:?}") };
        assert_eq!(name, "Training data of model (SHA-256)");
        let (sha, rest) = value.split_once(", ").unwrap();
        assert_eq!((sha.len(), rest), (64, "cases: 1, slices: 4"));
        sha.to_owned()
    };
    assert_ne!(data("aa"), data("bb"));
}
