//! Reports of real comparisons: what is stated, counted and escaped.

use super::*;
use crate::core::{Geometry, LabelMap};
use crate::jobs::JobContext;
use crate::metrics::{CompareOptions, Pair, compare};
use glam::DVec3;
use serde_json::Value;

/// A box in A and the same box, shifted by `shift` voxels, in B; no box in B at 99.
fn case(name: &str, shift: usize) -> CaseReport {
    let grid = Geometry::axis_aligned([24, 20, 10], DVec3::new(0.5, 0.5, 2.0), DVec3::ZERO).unwrap();
    let (mut a, mut b) = (LabelMap::empty(grid), LabelMap::empty(grid));
    for k in 2..7 {
        for j in 4..12 {
            for i in 3..11 {
                a.set([i, j, k], 1);
                if shift < 99 {
                    b.set([i + shift, j, k], 2);
                }
            }
        }
    }
    let pairs = [Pair::labels("liver, \"left\" <lobe>", 1, 2), Pair::labels("spleen", 9, 9)];
    let metrics = compare(&a, &b, &pairs, &CompareOptions::full("truth", "U-Net & co"), &JobContext::detached());
    CaseReport::new(name, metrics.unwrap())
}

fn inputs() -> ReportInputs {
    let mut cases = vec![case("case 1", 0), case("case 2", 2), case("case 3", 99)];
    cases[0].pictures.push(Picture {
        caption: "Worst slice".into(),
        width: 2,
        height: 1,
        rgb: vec![255, 0, 0, 0, 0, 255],
    });
    ReportInputs {
        title: "Review of <run 1>".into(),
        phantom: true,
        facts: vec![("Run".into(), "a & b".into())],
        cases,
        ..ReportInputs::default()
    }
}

#[test]
fn a_cohort_counts_misses_and_keeps_them_in_the_mean() {
    let summary = summarize(&inputs()).remove(0).by_case;
    let liver = &summary[0];
    assert_eq!((liver.cases, liver.misses, liver.undefined), (3, 1, 0));
    let dice = &liver.figures[0];
    // 1, 6/8 and the miss.
    assert!((dice.mean.unwrap() - (1.0 + 0.75 + 0.0) / 3.0).abs() < 1e-12);
    assert_eq!((dice.median, dice.worst, dice.worst_case.as_deref()), (Some(0.75), Some(0.0), Some("case 3")));
    let hd = &liver.figures[6];
    assert_eq!(
        (hd.figure.as_str(), hd.infinite, hd.mean, hd.worst),
        ("HD", 1, Some(f64::INFINITY), Some(f64::INFINITY))
    );
    // 0 mm and two voxels of 0.5 mm.
    assert_eq!((hd.mean_of_finite, hd.median), (Some(0.5), Some(1.0)));
    let spleen = &summary[1];
    assert_eq!((spleen.undefined, spleen.figures[0].mean, spleen.figures[0].median), (3, None, None));
}

#[test]
fn json_has_every_figure_and_says_what_is_infinite() {
    let value: Value = serde_json::from_str(&json(&inputs()).unwrap()).unwrap();
    assert_eq!(value["software"], concat!("Maskwright ", env!("CARGO_PKG_VERSION")));
    assert!(value["statement"].as_str().unwrap().contains("Not a clinical result"));
    assert_eq!(value["cases"][2]["metrics"]["rows"][0]["distances"]["hd"], "inf");
    assert_eq!(value["cases"][1]["metrics"]["rows"][0]["figures"]["dice"], 0.75);
    assert!(value["cases"][0]["metrics"]["rows"][1]["figures"]["dice"].is_null());
    assert_eq!(value["summary"][0]["by_case"][0]["misses"], 1);
    assert_eq!(value["summary"][0]["by_case"][0]["figures"][6]["mean"], "inf");
}

/// Splits RFC 4180 lines without newlines in fields.
fn fields(line: &str) -> Vec<String> {
    let (mut out, mut quoted) = (vec![String::new()], false);
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => out.last_mut().unwrap().push(chars.next().unwrap()),
            '"' => quoted = !quoted,
            ',' if !quoted => out.push(String::new()),
            c => out.last_mut().unwrap().push(c),
        }
    }
    out
}

#[test]
fn csv_tables_are_complete_and_quoted() {
    let inputs = inputs();
    let segments = segments_csv(&inputs);
    let lines: Vec<Vec<String>> = segments.lines().map(fields).collect();
    assert_eq!(lines.len(), 1 + 6);
    assert!(lines.iter().all(|l| l.len() == lines[0].len()));
    let get = |line: usize, name: &str| lines[line][lines[0].iter().position(|h| h == name).unwrap()].as_str();
    assert_eq!(get(1, "segment"), "liver, \"left\" <lobe>");
    assert_eq!((get(3, "dice"), get(3, "hd_mm"), get(3, "agreement")), ("0.75", "1", "both"));
    assert_eq!((get(5, "dice"), get(5, "hd95_mm"), get(5, "agreement")), ("0", "inf", "missed_by_b"));
    assert_eq!((get(2, "dice"), get(2, "hd_mm"), get(2, "agreement")), ("", "", "neither"));
    let slices = slices_csv(&inputs);
    let lines: Vec<Vec<String>> = slices.lines().map(fields).collect();
    assert_eq!(lines.len(), 1 + 3 * 5);
    assert!(lines.iter().all(|l| l.len() == lines[0].len()));
    let hd_px = lines[0].iter().position(|h| h == "hd_px").unwrap();
    assert_eq!((lines[6][4].as_str(), lines[6][hd_px].as_str()), ("2", "2"));
}

#[test]
fn the_page_is_one_file_that_hides_nothing() {
    let page = html(&inputs()).unwrap();
    for needed in [
        "Not a clinical result",
        "Review of &lt;run 1&gt;",
        "U-Net &amp; co",
        "1 miss, counted as Dice 0",
        "case 3: liver, &quot;left&quot; &lt;lobe&gt; (missed: only in A)",
        "∞ (0.50 over the 2 finite)",
        "larger of the two directed 95th percentiles",
        "data:image/png;base64,iVBORw0KGgo",
        "undefined",
        concat!("Maskwright ", env!("CARGO_PKG_VERSION")),
    ] {
        assert!(page.contains(needed), "{needed} is missing");
    }
    assert!(!page.contains("<lobe>") && !page.contains("<run 1>"));
    assert!(!page.contains("http") && !page.contains("<script"), "the page must need nothing from outside");
    assert!(page.contains("h1, h2, h3, .quiet { break-after: avoid; }"), "headings stay with what follows on paper");
    assert_eq!(page.matches("<svg").count(), 14);
    assert_eq!(page.matches("<div").count(), page.matches("</div>").count());
    assert_eq!(page.matches("<tr").count(), page.matches("</tr>").count());
}

#[test]
fn a_picture_of_the_wrong_size_is_refused() {
    let mut inputs = inputs();
    inputs.cases[0].pictures[0].width = 3;
    let error = html(&inputs).unwrap_err().to_string();
    assert!(error.contains("Worst slice") && error.contains('9'), "{error}");
}

/// Two models on four cases.
fn models() -> ReportInputs {
    let mut all = ReportInputs { title: "Two models".into(), judged: vec!["one".into(), "two".into()], ..inputs() };
    all.cases.clear();
    for (n, shifts) in [[0, 1], [1, 2], [3, 2], [2, 99]].into_iter().enumerate() {
        for (judged, shift) in shifts.into_iter().enumerate() {
            let patient = Some(format!("patient {}", n / 2));
            all.cases.push(CaseReport { judged, patient, ..case(&format!("case {n}"), shift) });
        }
    }
    all.unmatched.push(Unmatched { case: "case 9".into(), lacking: "two".into() });
    all.curves
        .push(Curve { run: "one".into(), epochs: vec![(1.0, 0.9, Some(0.8), None), (2.0, 0.5, None, Some(0.7))] });
    let mut calibration = crate::metrics::stats::Calibration::default();
    calibration.add(&[vec![0.25, 0.25, 0.25, 0.75]], &[0, 0, 1, 1]);
    all.calibrations.push(Calibrated { judged: "one".into(), calibration });
    all
}

#[test]
fn two_models_are_paired_tested_and_plotted() {
    let inputs = models();
    let tests = paired(&inputs);
    let dice = tests.iter().find(|t| t.figure == "Dice" && t.segment.contains("liver")).unwrap();
    assert_eq!((dice.first.as_str(), dice.second.as_str(), dice.cases.len()), ("one", "two", 4));
    assert_eq!((dice.improved, dice.regressed, dice.equal), (1, 3, 0));
    assert_eq!((dice.cases[0].case.as_str(), dice.cases[3].case.as_str()), ("case 2", "case 3"));
    let hd = tests.iter().find(|t| t.figure == "HD" && t.segment.contains("liver")).unwrap();
    // A miss is an infinite difference: it is counted, and ranks last in the test.
    assert_eq!((hd.infinite, hd.regressed), (1, 3));
    assert!(dice.test.unwrap().exact);
    let page = html(&inputs).unwrap();
    for needed in [
        "Paired by case",
        "Wilcoxon",
        "case 9: not in two",
        "Dice of each patient",
        "patient 1",
        "Learning curves",
        "Brier score",
        "Reliability",
    ] {
        assert!(page.contains(needed), "{needed} is missing");
    }
    for needed in
        ["Bland-Altman", "Hausdorff distance of each slice, in pixels", "Dice against object size", "would have 0.9"]
    {
        assert!(page.contains(needed), "{needed} is missing");
    }
    let place = |text: &str| page.find(text).unwrap_or_else(|| panic!("{text} is missing"));
    let order =
        ["All 4 cases", "Dice of each patient", "Paired by case", "Worst first", "Learning curves", "Every figure"];
    assert!(order.windows(2).all(|w| place(w[0]) < place(w[1])), "what was asked first comes first");
    assert!(!page.contains("NaN") && !page.contains("http"));
    let slices = &summarize(&inputs)[0].by_slice[0];
    let px = slices.figures.iter().find(|f| f.figure == "HD" && f.unit == "px").unwrap();
    assert_eq!((px.cases, px.median), (20, Some(1.5)));
}

#[test]
fn a_case_with_a_figure_on_one_side_only_is_told() {
    let grid = Geometry::axis_aligned([12, 12, 3], DVec3::ONE, DVec3::ZERO).unwrap();
    // The truth has nothing; a mask with a voxel has Dice 0, one without has no figure.
    let judged = |full: bool| {
        let mut b = LabelMap::empty(grid);
        if full {
            b.set([4, 4, 1], 1);
        }
        let (a, options) = (LabelMap::empty(grid), CompareOptions::full("truth", "b"));
        compare(&a, &b, &[Pair::labels("liver, \"left\" <lobe>", 1, 1)], &options, &JobContext::detached()).unwrap()
    };
    let mut inputs = models();
    for side in 0..2 {
        for (name, full) in [("case 7", side == 1), ("case 8", false)] {
            inputs.cases.push(CaseReport { judged: side, ..CaseReport::new(name, judged(full)) });
        }
    }
    let tests = paired(&inputs);
    let liver = |figure: &str| tests.iter().find(|t| t.figure == figure && t.segment.contains("liver")).unwrap();
    for figure in ["Dice", "HD"] {
        let t = liver(figure);
        assert_eq!((t.cases.len(), t.one_sided.as_slice()), (4, ["case 7".to_owned()].as_slice()), "{figure}");
    }
    let page = html(&inputs).unwrap();
    assert!(page.contains("two − one: case 7 (Dice, HD, HD95, ASSD)"), "{page}");
    let value: Value = serde_json::from_str(&json(&inputs).unwrap()).unwrap();
    assert_eq!(value["paired"][0]["one_sided"][0], "case 7");
    let curve = &value["learning_curves"][0];
    assert!(curve["run"] == "one" && curve["epochs"][0]["validation_loss"] == 0.8, "{curve}");
    assert!(curve["epochs"][0]["validation_dice"].is_null() && curve["epochs"][1]["validation_dice"] == 0.7);
    let of = &value["calibration"][0];
    assert!(of["expected_calibration_error"] == 0.125 && of["brier"] == 0.1875, "{of}");
    assert!(!page.contains("outside the test part"));
    inputs.outside = 3;
    assert!(html(&inputs).unwrap().contains("3 cases lie outside the test part"));
}

#[test]
fn the_pdf_holds_its_text_and_every_page() {
    let bytes = pdf(&models()).unwrap();
    assert!(bytes.starts_with(b"%PDF-1.") && bytes.ends_with(b"%%EOF"));
    let count = |needle: &[u8]| bytes.windows(needle.len()).filter(|w| *w == needle).count();
    assert!(count(b"/Type /Page\n") + count(b"/Type /Page ") + count(b"/Type/Page/") >= 3, "several pages");
    assert!(count(b"/ToUnicode") == 1 && count(b"/FontFile2") == 1);
    // Cut down: the whole font alone has 400 kB.
    assert!(bytes.len() < 400_000, "{} bytes", bytes.len());
    let mut wrong = models();
    wrong.sheets.push(Picture { caption: "x".into(), width: 2, height: 2, rgb: vec![0; 3] });
    assert!(pdf(&wrong).is_err());
}

#[test]
fn quantities_over_time_are_sorted_and_say_what_changed() {
    use crate::metrics::quantities::Quantity;
    let of = |mask: &str, time: Option<f64>, values: &[(&str, Option<f64>)]| {
        let value = |(name, value): &(&str, Option<f64>)| Quantity {
            name: (*name).into(),
            unit: "ml".into(),
            value: *value,
            definition: "Voxels.".into(),
        };
        Quantities { case: "Study".into(), mask: mask.into(), time, values: values.iter().map(value).collect() }
    };
    let all = [
        of("reader", Some(90.0), &[("Tumour", Some(6.0)), ("Liver", Some(900.0))]),
        of("reader", Some(0.0), &[("Tumour", Some(8.0)), ("Spleen", Some(100.0))]),
        of("model", Some(30.0), &[("Tumour", Some(0.0)), ("Liver", None)]),
        of("model", Some(0.0), &[("Tumour", Some(0.0))]),
        of("reader", None, &[("Liver", Some(1.0))]),
    ];
    let lines = time_lines(&all);
    // What only one study has is no line.
    let [tumour] = lines.as_slice() else { panic!("{lines:?}") };
    assert_eq!((tumour.name.as_str(), tumour.lines.len()), ("Tumour", 2));
    assert_eq!(tumour.lines[0].points, [[0.0, 8.0], [90.0, 6.0]]);
    assert_eq!((tumour.lines[0].change_percent(), tumour.lines[1].change_percent()), (Some(-25.0), None));
    let inputs = ReportInputs { title: "Course".into(), quantities: all.to_vec(), ..ReportInputs::default() };
    let page = html(&inputs).unwrap();
    for needed in ["Over time", "days since the first study", "-25.0", "Tumour (ml)"] {
        assert!(page.contains(needed), "{needed} is missing");
    }
    assert_eq!(page.matches("<svg").count(), 1);
}
