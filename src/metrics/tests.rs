//! Figures against NumPy and SciPy's values for fixed masks, and against brute force on random ones.

use super::*;
use crate::core::{Geometry, LabelMap, Segment};
use crate::jobs::{CancelToken, JobContext};
use glam::{DAffine3, DMat3, DVec3};
use proptest::prelude::*;
use serde_json::Value;

fn grid(dims: [usize; 3], spacing: [f64; 3]) -> Geometry {
    Geometry::axis_aligned(dims, DVec3::from_array(spacing), DVec3::new(-3.0, 5.0, 100.0)).unwrap()
}

fn report(a: &LabelMap, b: &LabelMap, pairs: &[Pair]) -> MetricReport {
    compare(a, b, pairs, &CompareOptions::full("truth", "prediction"), &JobContext::detached()).unwrap()
}

fn report_as(a: &LabelMap, b: &LabelMap, pairs: &[Pair], convention: Convention) -> MetricReport {
    let options = CompareOptions { convention, ..CompareOptions::full("truth", "prediction") };
    compare(a, b, pairs, &options, &JobContext::detached()).unwrap()
}

fn oracle() -> (Value, Vec<u8>) {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/data/oracle");
    let json = std::fs::read_to_string(folder.join("metrics.json")).unwrap();
    (serde_json::from_str(&json).unwrap(), std::fs::read(folder.join("metrics.safetensors")).unwrap())
}

fn close(name: &str, got: f64, want: &Value) {
    let want = want.as_f64().unwrap_or_else(|| panic!("{name}: the oracle has no number"));
    assert!((got - want).abs() <= 1e-9 * want.abs().max(1.0), "{name}: {got} instead of {want}");
}

#[test]
fn figures_equal_numpy_and_scipy() {
    let (cases, bytes) = oracle();
    let masks = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let mut measured = 0;
    for (name, case) in cases.as_object().unwrap() {
        let numbers = |key: &str| case[key].as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect::<Vec<_>>();
        let (mut shape, mut spacing) = (numbers("shape"), numbers("spacing"));
        let flat = shape.len() == 2;
        if flat {
            shape.insert(0, 1.0);
            spacing.insert(0, 1.0);
        }
        let dims = [shape[2] as usize, shape[1] as usize, shape[0] as usize];
        let geometry = grid(dims, [spacing[2], spacing[1], spacing[0]]);
        let load = |side: &str, label: u8| {
            let packed = masks.tensor(&format!("{name}.{side}")).unwrap();
            let dense: Vec<u8> =
                (0..geometry.voxel_count()).map(|n| (packed.data()[n / 8] >> (n % 8) & 1) * label).collect();
            LabelMap::from_dense(geometry, &dense).unwrap()
        };
        let (a, b) = (load("a", 3), load("b", 7));
        let report = report(&a, &b, &[Pair::labels(name.clone(), 3, 7), Pair::foreground(name.clone())]);
        assert_eq!(report.rows[0].overlap, report.rows[1].overlap);
        assert_eq!(report.rows[0].distances, report.rows[1].distances);
        let row = &report.rows[0];
        let want = &case["confusion"];
        for (key, count) in
            [("tp", row.overlap.tp), ("fp", row.overlap.fp), ("fn", row.overlap.fn_), ("tn", row.overlap.tn)]
        {
            assert_eq!(Some(count), want[key].as_u64(), "{name} {key}");
        }
        let f = row.figures;
        if row.agreement == Agreement::Both {
            for (key, got) in [
                ("dice", f.dice),
                ("iou", f.iou),
                ("precision", f.precision),
                ("recall", f.sensitivity),
                ("specificity", f.specificity),
                ("accuracy", f.accuracy),
            ] {
                close(&format!("{name} {key}"), got.unwrap(), &want[key]);
            }
            if !flat {
                close("volume", row.volume_a_ml, &case["volume_ml"][0]);
                close("volume", row.volume_b_ml, &case["volume_ml"][1]);
            }
            for convention in Convention::ALL {
                let report = report_as(&a, &b, &[Pair::labels(name.clone(), 3, 7)], convention);
                let row = &report.rows[0];
                let d = if flat { &row.slices[0].distances_mm } else { &row.distances };
                tools_agree(&format!("{name} {convention}"), d.as_ref().unwrap(), convention, case);
                measured += 1;
            }
        } else {
            let want = case["surface_distance"]["hd"].as_str();
            let report = report_as(&a, &b, &[Pair::labels(name.clone(), 3, 7)], Convention::DeepMind);
            match &report.rows[0].distances {
                Some(d) => {
                    assert_eq!((want, d.hd, d.hd95), (Some("inf"), f64::INFINITY, Some(f64::INFINITY)), "{name}");
                    assert!(d.surface_dice.iter().all(|s| s.value == 0.0));
                }
                None => assert_eq!(row.agreement, Agreement::Neither),
            }
        }
    }
    assert_eq!(measured, 9 * Convention::ALL.len(), "the oracle lost cases");
}

/// All figures of a tool in the oracle under the convention that bears its name.
fn tools_agree(name: &str, d: &SurfaceDistances, convention: Convention, case: &Value) {
    let check = |key: &str, got: f64, want: &Value| close(&format!("{name} {key}"), got, want);
    let hd95 = || d.hd95.unwrap();
    let classic = match convention {
        Convention::OpenBorder => &case["classic_face_border1"],
        Convention::FullNeighbours => &case["classic_full_border0"],
        _ => &case["classic_face_border0"],
    };
    let means = [d.a_to_b, d.b_to_a].map(|d| d.mean.unwrap());
    match convention {
        Convention::DeepMind => {
            let want = &case["surface_distance"];
            check("hd", d.hd, &want["hd"]);
            check("hd95", hd95(), &want["hd95"]);
            check("asd_ab", means[0], &want["asd_ab"]);
            check("asd_ba", means[1], &want["asd_ba"]);
            let values: Vec<(f64, f64)> = d.surface_dice.iter().map(|s| (s.tolerance_mm, s.value)).collect();
            assert_eq!((values[0].0, values[1].0), (1.0, 2.0));
            check("nsd_1mm", values[0].1, &want["nsd_1mm"]);
            check("nsd_2mm", values[1].1, &want["nsd_2mm"]);
            return;
        }
        Convention::SimpleItk => {
            let want = &case["simpleitk_hausdorff"];
            check("hd", d.hd, &want["hd"]);
            check("avg", d.assd, &want["avg"]);
            assert_eq!(d.hd95, None);
            return;
        }
        Convention::MedPy => {
            check("hd95", hd95(), &classic["hd95_pooled"]);
            check("assd", d.assd, &classic["assd_mean_of_means"]);
        }
        Convention::NearestRank => check("hd95", hd95(), &classic["hd95_max_nearest_rank"]),
        _ => {
            check("hd95", hd95(), &classic["hd95_max"]);
            check("assd", d.assd, &classic["assd_pooled"]);
        }
    }
    check("hd", d.hd, &classic["hd"]);
    check("hd_ab", d.a_to_b.max.unwrap(), &classic["hd_ab"]);
    check("hd_ba", d.b_to_a.max.unwrap(), &classic["hd_ba"]);
    check("asd_ab", means[0], &classic["asd_ab"]);
    check("asd_ba", means[1], &classic["asd_ba"]);
    check("rms", d.rms, &classic["rms"]);
    check("surface of a", d.surface_a as f64, &classic["n_a"]);
    check("surface of b", d.surface_b as f64, &classic["n_b"]);
    if convention == Convention::Standard {
        // MONAI computes in single precision.
        let single = |key: &str, got: f64| {
            let want = case["monai"][key].as_f64().unwrap();
            assert!((got - want).abs() <= 1e-6 * want.abs().max(1.0), "{name} monai {key}: {got} instead of {want}");
        };
        single("hd", d.hd);
        single("hd95", hd95());
        single("hd_directed", d.a_to_b.max.unwrap());
        single("asd", means[0]);
        single("assd", d.assd);
    }
}

#[test]
fn a_miss_is_infinite_and_nothing_at_all_is_undefined() {
    let geometry = grid([20, 8, 6], [0.7, 0.9, 3.0]);
    let mut a = LabelMap::empty(geometry);
    a.set([18, 3, 2], 1);
    let b = LabelMap::empty(geometry);
    let r = report(&a, &b, &[Pair::labels("liver", 1, 1), Pair::labels("spleen", 2, 2)]);
    let (miss, nothing) = (&r.rows[0], &r.rows[1]);
    assert_eq!((miss.agreement, miss.figures.dice), (Agreement::MissedByB, Some(0.0)));
    assert_eq!((miss.figures.sensitivity, miss.figures.precision), (Some(0.0), None));
    assert_eq!(miss.distances.as_ref().map(|d| (d.hd, d.worst)), Some((f64::INFINITY, None)));
    assert!(miss.distances.as_ref().unwrap().surface_dice.iter().all(|s| s.value == 0.0));
    assert_eq!(miss.slices.iter().map(|s| (s.k, s.agreement)).collect::<Vec<_>>(), [(2, Agreement::MissedByB)]);
    assert_eq!((nothing.agreement, nothing.figures.dice), (Agreement::Neither, None));
    assert!(nothing.distances.is_none() && nothing.slices.is_empty());
    assert_eq!(r.misses().map(|m| m.name.as_str()).collect::<Vec<_>>(), ["liver"]);
    let json = serde_json::to_string(&r).unwrap();
    assert!(json.contains("\"hd\":\"inf\"") && json.contains("\"dice\":null"), "{json}");
    // Not compared as a whole: reading JSON may move the last bit of a number.
    let back: MetricReport = serde_json::from_str(&json).unwrap();
    assert_eq!((&back.rows[0].distances, back.rows[1].figures.dice), (&miss.distances, None));
    assert_eq!(back.definitions, r.definitions);
    let other_way = report(&b, &a, &[Pair::labels("liver", 1, 1)]);
    assert_eq!(other_way.rows[0].agreement, Agreement::OnlyInB);
}

#[test]
fn grids_must_match_and_a_cancelled_comparison_says_so() {
    let a = LabelMap::empty(grid([8, 8, 8], [1.0; 3]));
    let b = LabelMap::empty(grid([8, 8, 9], [1.0; 3]));
    let c = LabelMap::empty(grid([8, 8, 8], [1.0, 1.0, 1.1]));
    let options = CompareOptions::full("a", "b");
    let run = |x: &LabelMap, y: &LabelMap, pairs: &[Pair], options: &CompareOptions, ctx: &JobContext<()>| {
        compare(x, y, pairs, options, ctx).unwrap_err()
    };
    let pair = [Pair::foreground("all")];
    let ctx = JobContext::detached();
    let size = run(&a, &b, &pair, &options, &ctx);
    assert!(size.to_string().contains("8 x 8 x 8") && size.to_string().contains("8 x 8 x 9"), "{size}");
    assert_eq!(run(&a, &c, &pair, &options, &ctx), MetricError::Place);
    assert_eq!(run(&a, &a, &[], &options, &ctx), MetricError::NoPairs);
    ctx.cancel.cancel();
    assert_eq!(run(&a, &a, &pair, &options, &ctx), MetricError::Cancelled);
}

#[test]
fn segments_find_their_partners_by_name_then_by_label() {
    let list = |items: &[(u8, &str)]| items.iter().map(|(id, name)| Segment::new(*id, *name)).collect::<Vec<_>>();
    let a = list(&[(1, "Left lung"), (2, "Label 2"), (3, "Tumour"), (4, "Spleen")]);
    let b = list(&[(1, "Label 1"), (2, "heart"), (5, "left_lung"), (3, "spleen"), (9, "Cyst")]);
    let pairs = match_segments(&a, &b);
    let (label, none) = (Select::Label, Select::Nothing);
    let got: Vec<_> = pairs.iter().map(|p| (p.name.as_str(), p.a, p.b)).collect();
    let want = [
        ("Left lung", label(1), label(5)),
        ("Label 2", label(2), label(2)),
        ("Tumour", label(3), none),
        ("Spleen", label(4), label(3)),
        ("Label 1", none, label(1)),
        ("Cyst", none, label(9)),
    ];
    assert_eq!(got, want);
}

#[test]
fn the_difference_map_says_who_has_what() {
    let geometry = grid([20, 4, 4], [1.0; 3]);
    let (mut a, mut b) = (LabelMap::empty(geometry), LabelMap::empty(geometry));
    a.set([0, 0, 0], 5);
    a.set([17, 1, 1], 5);
    a.set([3, 3, 3], 6);
    b.set([17, 1, 1], 2);
    b.set([1, 0, 0], 2);
    let d = difference_map(&a, Select::Label(5), &b, Select::Label(2)).unwrap();
    assert_eq!([[0, 0, 0], [1, 0, 0], [17, 1, 1], [3, 3, 3]].map(|v| d.at(v)), [ONLY_A, ONLY_B, BOTH, 0]);
    assert_eq!(d.counts()[1..4], [1, 1, 1]);
}

/// Surface of a dense mask straight from the definition.
fn brute_surface(g: &Geometry, m: &LabelMap, label: u8, k_only: Option<usize>) -> Vec<[usize; 3]> {
    let mut out = Vec::new();
    let [nx, ny, nz] = g.dims().map(|n| n as i64);
    for k in 0..nz {
        for j in 0..ny {
            for i in 0..nx {
                let axes: &[[i64; 3]] = &[[1, 0, 0], [0, 1, 0], [0, 0, 1]];
                let axes = if k_only.is_some() { &axes[..2] } else { axes };
                let inside = |d: i64, a: &[i64; 3]| m.at([i + d * a[0], j + d * a[1], k + d * a[2]]) == label;
                let edge = axes.iter().any(|a| !inside(1, a) || !inside(-1, a));
                if m.at([i, j, k]) == label && edge && k_only.is_none_or(|only| only as i64 == k) {
                    out.push([i, j, k].map(|v| v as usize));
                }
            }
        }
    }
    out
}

/// HD, HD95 and ASSD by comparing all pairs and sorting.
fn brute(a: &[[usize; 3]], b: &[[usize; 3]], axes: DMat3) -> [f64; 3] {
    let far = |x: &[usize; 3], y: &[usize; 3]| {
        (axes * DVec3::from_array(std::array::from_fn(|n| x[n] as f64 - y[n] as f64))).length()
    };
    let directed = |from: &[[usize; 3]], to: &[[usize; 3]]| {
        let mut d: Vec<f64> = from.iter().map(|x| to.iter().map(|y| far(x, y)).fold(f64::INFINITY, f64::min)).collect();
        d.sort_by(f64::total_cmp);
        d
    };
    let p95 = |d: &[f64]| {
        let rank = 0.95 * (d.len() - 1) as f64;
        let (low, high) = (d[rank.floor() as usize], d[rank.ceil() as usize]);
        low + (high - low) * rank.fract()
    };
    let (ab, ba) = (directed(a, b), directed(b, a));
    let mean = ab.iter().chain(&ba).sum::<f64>() / (ab.len() + ba.len()) as f64;
    [ab[ab.len() - 1].max(ba[ba.len() - 1]), p95(&ab).max(p95(&ba)), mean]
}

fn agrees(got: &SurfaceDistances, want: [f64; 3]) -> bool {
    [got.hd, got.hd95.unwrap(), got.assd].iter().zip(want).all(|(g, w)| (g - w).abs() <= 1e-9 * w.max(1.0))
}

/// Balls and speckle, so that there are long ways, ties and holes.
fn random_mask(geometry: Geometry, seed: u64, label: u8, holes: u64) -> LabelMap {
    let mut state = seed | 1;
    let mut next = |n: u64| {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 33) % n
    };
    let dims = geometry.dims();
    let centre = dims.map(|n| next(n as u64) as f64);
    let radius = 1.0 + next(6) as f64;
    let mut dense = vec![0; geometry.voxel_count()];
    for (n, v) in dense.iter_mut().enumerate() {
        let at = [n % dims[0], n / dims[0] % dims[1], n / (dims[0] * dims[1])];
        let ball = (0..3).map(|a| (at[a] as f64 - centre[a]).powi(2)).sum::<f64>() <= radius * radius;
        let speck = next(400) == 0;
        *v = if (ball && next(holes + 1) != 0) || speck { label } else { u8::from(next(9) == 0) * (label + 1) };
    }
    LabelMap::from_dense(geometry, &dense).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn distances_and_counts_equal_brute_force(
        dims in (1usize..18, 1usize..16, 1usize..12), spacing in prop::array::uniform3(0.3f64..5.0),
        seeds in (any::<u64>(), any::<u64>()), holes in 0u64..6,
        slant in prop_oneof![Just([0.0; 3]), prop::array::uniform3(-0.5f64..0.5)],
    ) {
        // A turned patient, and half of the time a tilted gantry.
        let shear = DMat3::from_cols(DVec3::X, DVec3::new(slant[0], 1.0, 0.0), DVec3::new(slant[1], slant[2], 1.0));
        let axes = DMat3::from_rotation_x(0.3) * shear * DMat3::from_diagonal(DVec3::from_array(spacing));
        let place = DAffine3 { matrix3: axes, translation: DVec3::new(-3.0, 5.0, 100.0) };
        let geometry = Geometry::new([dims.0, dims.1, dims.2], place).unwrap();
        let (a, b) = (random_mask(geometry, seeds.0, 3, holes), random_mask(geometry, seeds.1, 8, holes));
        let report = report(&a, &b, &[Pair::labels("x", 3, 8)]);
        let row = &report.rows[0];
        let (da, db) = (a.to_dense(), b.to_dense());
        let count = |p: &dyn Fn(bool, bool) -> bool| {
            da.iter().zip(&db).filter(|(x, y)| p(**x == 3, **y == 8)).count() as u64
        };
        let want = Overlap {
            tp: count(&|x, y| x && y), fp: count(&|x, y| !x && y),
            fn_: count(&|x, y| x && !y), tn: count(&|x, y| !x && !y),
        };
        prop_assert_eq!(row.overlap, want);
        prop_assert_eq!(overlap(&a, Select::Label(3), &b, Select::Label(8)).unwrap(), want);
        let (sa, sb) = (brute_surface(&geometry, &a, 3, None), brute_surface(&geometry, &b, 8, None));
        let alone = surface_distances(&a, Select::Label(3), &b, Select::Label(8), Convention::Standard, &CancelToken::default()).unwrap();
        prop_assert_eq!(alone.as_ref().map(|d| (d.hd, d.hd95, d.assd)), row.distances.as_ref().map(|d| (d.hd, d.hd95, d.assd)));
        prop_assert_eq!(alone.as_ref().and_then(|d| d.worst), row.distances.as_ref().and_then(|d| d.worst));
        if row.agreement == Agreement::Both {
            let d = row.distances.as_ref().unwrap();
            prop_assert_eq!((d.surface_a, d.surface_b), (sa.len() as u64, sb.len() as u64));
            let want = brute(&sa, &sb, axes);
            prop_assert!(agrees(d, want), "{:?} instead of {:?}", d, want);
            let worst = d.worst.unwrap();
            let (from, to) = if worst.on_a { (&sa, &sb) } else { (&sb, &sa) };
            prop_assert!(from.contains(&worst.at) && to.contains(&worst.nearest));
            let step = DVec3::from_array(std::array::from_fn(|n| worst.at[n] as f64 - worst.nearest[n] as f64));
            let apart = (axes * step).length();
            prop_assert!((apart - d.hd).abs() < 1e-9);
        }
        let mut seen = Overlap::default();
        for slice in &row.slices {
            seen.tp += slice.overlap.tp;
            seen.fp += slice.overlap.fp;
            seen.fn_ += slice.overlap.fn_;
            if slice.agreement == Agreement::Both {
                let sa = brute_surface(&geometry, &a, 3, Some(slice.k));
                let sb = brute_surface(&geometry, &b, 8, Some(slice.k));
                prop_assert!(agrees(slice.distances_mm.as_ref().unwrap(), brute(&sa, &sb, axes)));
                let px = slice.distances_px.as_ref().unwrap();
                prop_assert!(agrees(px, brute(&sa, &sb, DMat3::IDENTITY)));
                prop_assert_eq!(px.worst.map(|w| w.at[2]), Some(slice.k));
            }
        }
        prop_assert_eq!((seen.tp, seen.fp, seen.fn_), (want.tp, want.fp, want.fn_));
    }
}

#[test]
fn every_convention_counts_a_miss_and_keeps_its_pair_on_the_grid() {
    let geometry = grid([9, 7, 5], [0.7, 0.9, 3.0]);
    let (mut a, mut b) = (LabelMap::empty(geometry), LabelMap::empty(geometry));
    // At both ends of the grid, where corners lie beyond the last voxel.
    a.set([8, 6, 4], 1);
    b.set([0, 0, 0], 1);
    let empty = LabelMap::empty(geometry);
    for convention in Convention::ALL {
        let pair = [Pair::labels("x", 1, 1)];
        let row = report_as(&a, &b, &pair, convention).rows.remove(0);
        let worst = row.distances.unwrap().worst.unwrap();
        assert!(geometry.contains(worst.at.map(|v| v as i64)) && geometry.contains(worst.nearest.map(|v| v as i64)));
        let missed = report_as(&a, &empty, &pair, convention).rows.remove(0).distances.unwrap();
        assert_eq!((missed.hd, missed.assd, missed.worst), (f64::INFINITY, f64::INFINITY, None), "{convention}");
        assert_eq!(convention.to_string(), convention.name());
        assert!(convention.definitions().iter().any(|d| d.figure == "Distances" && d.text.contains(convention.name())));
    }
}

#[test]
fn the_confusion_holds_every_voxel_once() {
    let geometry = grid([20, 5, 3], [1.0; 3]);
    let (mut a, mut b) = (LabelMap::empty(geometry), LabelMap::empty(geometry));
    for (at, x, y) in [([0, 0, 0], 1, 1), ([1, 0, 0], 1, 2), ([17, 4, 2], 2, 2), ([18, 4, 2], 0, 1), ([19, 4, 2], 2, 0)]
    {
        if x > 0 {
            a.set(at, x);
        }
        if y > 0 {
            b.set(at, y);
        }
    }
    let pairs = [Pair::labels("left", 1, 1), Pair::labels("right", 2, 2), Pair::foreground("all")];
    let found = report(&a, &b, &pairs).confusion.unwrap();
    assert_eq!(found.classes, ["Background", "left", "right"]);
    assert_eq!(found.voxels, [[295, 1, 0], [0, 1, 1], [1, 0, 1]]);
    assert_eq!(found.recall(1), Some(0.5));
    assert!((found.accuracy().unwrap() - 297.0 / 300.0).abs() < 1e-12);
    let twice = [Pair::labels("left", 1, 1), Pair::labels("again", 1, 2)];
    assert_eq!(report(&a, &b, &twice).confusion, None);
}

#[test]
fn live_overlap_counts_only_what_changed_and_stays_right() {
    let geometry = grid([50, 40, 33], [1.0; 3]);
    let (mut a, mut b) = (random_mask(geometry, 5, 3, 2), random_mask(geometry, 9, 8, 2));
    let pairs = vec![Pair::labels("x", 3, 8), Pair::foreground("all")];
    let mut live = LiveOverlap::new(&a, &b, pairs.clone()).unwrap();
    let check = |live: &LiveOverlap, a: &LabelMap, b: &LabelMap| {
        for (pair, found) in live.overlaps() {
            assert_eq!(found, overlap(a, pair.a, b, pair.b).unwrap(), "{}", pair.name);
        }
    };
    check(&live, &a, &b);
    assert_eq!(live.update(&a, &b), 0);
    b.set([17, 1, 1], 8);
    a.set([49, 39, 32], 3);
    b.set([17, 2, 1], 0);
    assert_eq!(live.update(&a, &b), 2);
    check(&live, &a, &b);
    let other = LabelMap::empty(grid([50, 40, 34], [1.0; 3]));
    assert!(LiveOverlap::new(&a, &other, pairs).is_none());
}
