//! Times overlap and surface distances of two large masks on one thread and on two, what other libraries take for them,
//! and figures that follow a brush.

use super::beside::Script;
use super::data::{PIXEL, TemporaryFolder, mask_pair};
use super::sampling::{Sampler, attached};
use crate::cli::CliError;
use crate::core::LabelMap;
use crate::edit::{Brush, BrushShape, PaintRule, Stroke};
use crate::io::atomic::plain_reason;
use crate::metrics::{
    CompareOptions, Convention, Figures, LiveOverlap, Pair, Select, SurfaceDistances, compare, overlap,
    surface_distances,
};
use glam::DVec3;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

const SCRIPT: Script =
    Script { text: include_str!("metrics.py"), times: "metrics", environment: &[("OMP_NUM_THREADS", "1")] };

/// Across the dab that live figures follow.
const DAB_VOXELS: f64 = 40.0;

/// A figure of ours that the script has a counterpart to.
struct Own {
    /// As the script calls it.
    what: &'static str,
    name: String,
    median_s: f64,
}

/// What the script is told.
#[derive(Serialize)]
struct Job<'a> {
    folder: &'a Path,
    masks: [&'a str; 2],
    dims: [usize; 3],
    spacing: [f64; 3],
    budget: f64,
}

/// What the script prints.
#[derive(Debug, Deserialize)]
struct Answer {
    timed: Vec<Timed>,
    /// Packages that are not installed.
    absent: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Timed {
    what: String,
    library: String,
    how: String,
    walls: Vec<f64>,
    cpu_s: f64,
    figures: BTreeMap<String, f64>,
}

/// `beside` is a Python with other libraries.
pub(super) fn measure(sampler: &mut Sampler, beside: Option<&Path>) -> Result<(), CliError> {
    let slices = if sampler.quick { 145..155 } else { 0..300 };
    let size = format!("512x512x{}", slices.clone().count());
    sampler.begin("metrics", "making the masks")?;
    let pair = mask_pair(slices, 1)?;
    let mut own = Vec::new();
    for (threads, words) in [(1, "1 thread"), (2, "2 threads")] {
        figures(sampler, &pair, &size, (threads, words), &mut own)?;
    }
    if let Some(python) = beside {
        sampler.say("metrics: the same by other libraries")?;
        let answer = ask(python, &pair, if sampler.quick { 0.1 } else { 3.0 })?;
        tell(sampler, python, &size, &own, answer);
    }
    live(sampler, pair, &size)
}

/// Dice alone, distances alone, and all that `evaluate` computes of a case.
fn figures(
    sampler: &mut Sampler,
    [a, b]: &[LabelMap; 2],
    size: &str,
    (threads, words): (usize, &str),
    own: &mut Vec<Own>,
) -> Result<(), CliError> {
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()
        .map_err(|e| CliError(format!("The threads of the measurement cannot be started: {e}.")))?;
    let all = Select::Foreground;
    let mut note = String::new();
    sampler.measure("metrics", &format!("Dice {size}, {words}"), |watch| {
        let found = watch.time(|| pool.install(|| overlap(a, all, b, all)));
        note = dice(&found.map_err(CliError::of)?.figures());
        Ok(())
    })?;
    finish(sampler, own, "dice", format!("ours on {words}"), std::mem::take(&mut note));
    let cancel = sampler.cancel().clone();
    sampler.measure("metrics", &format!("HD, HD95, ASSD {size}, {words}"), |watch| {
        let found = watch.time(|| pool.install(|| surface_distances(a, all, b, all, Convention::Standard, &cancel)));
        note = found.map_err(CliError::of)?.as_ref().map_or(String::new(), distances);
        Ok(())
    })?;
    finish(sampler, own, "surface", format!("ours on {words}"), std::mem::take(&mut note));
    let (pairs, options, ctx) = ([Pair::foreground("mask")], CompareOptions::full("a", "b"), attached(&cancel).0);
    sampler.measure("metrics", &format!("all figures of volume and slices {size}, {words}"), |watch| {
        let found = watch.time(|| pool.install(|| compare(a, b, &pairs, &options, &ctx)));
        let report = found.map_err(CliError::of)?;
        let row = report.rows.first();
        let far = row.and_then(|r| r.distances.as_ref()).map_or(String::new(), distances);
        note = row.map_or(String::new(), |r| format!("{} slices, {}, {far}", r.slices.len(), dice(&r.figures)));
        Ok(())
    })?;
    finish(sampler, own, "surface", format!("all of evaluate's figures on {words}"), note);
    Ok(())
}

fn finish(sampler: &mut Sampler, own: &mut Vec<Own>, what: &'static str, name: String, note: String) {
    sampler.note(note);
    own.extend(sampler.figures.last().map(|f| Own { what, name, median_s: f.median_s }));
}

fn dice(figures: &Figures) -> String {
    figures.dice.map_or(String::new(), |d| format!("Dice {d:.6}"))
}

fn distances(d: &SurfaceDistances) -> String {
    format!("HD {:.4}, HD95 {:.4}, ASSD {:.4} mm", d.hd, d.hd95.unwrap_or(f64::NAN), d.assd)
}

/// Hands the very same masks over as raw files.
fn ask(python: &Path, pair: &[LabelMap; 2], budget: f64) -> Result<Answer, CliError> {
    let folder = TemporaryFolder::create()?;
    let masks = ["a.raw", "b.raw"];
    for (name, mask) in masks.iter().zip(pair) {
        let path = folder.0.join(name);
        let failed = |e| CliError(format!("{} cannot be written: {}.", path.display(), plain_reason(&e)));
        std::fs::write(&path, mask.to_dense()).map_err(failed)?;
    }
    let geometry = pair[0].geometry();
    let (dims, spacing) = (geometry.dims(), geometry.spacing().to_array());
    let job = Job { folder: &folder.0, masks, dims, spacing, budget };
    SCRIPT.ask(python, &[serde_json::to_string(&job).map_err(CliError::of)?])
}

/// Adds the figures of other libraries, each with the share of its time that ours take.
fn tell(sampler: &mut Sampler, python: &Path, size: &str, own: &[Own], answer: Answer) {
    for Timed { what, library, how, walls, cpu_s, figures } in answer.timed {
        if walls.is_empty() {
            continue;
        }
        let name = if what == "dice" { "Dice" } else { "HD, HD95, ASSD" };
        sampler.add_other("metrics", &format!("{library}, {how}: {name} {size}, 1 thread"), walls, cpu_s, None);
        let Some(theirs) = sampler.figures.last().map(|f| f.median_s) else { continue };
        let figures = figures.iter().map(|(name, value)| format!("{name} {value:.6}"));
        let ratio = |o: &Own| format!("{}: {:.3} x this time", o.name, o.median_s / theirs.max(1e-9));
        let ratios = own.iter().filter(|o| o.what == what).map(ratio);
        sampler.note(figures.chain(ratios).collect::<Vec<_>>().join(", "));
    }
    for package in answer.absent {
        sampler.skip("metrics", format!("{package} is not installed in {}", python.display()));
    }
}

/// From a dab in one of the masks to the new figures, as the window does it in the frame of each pointer event.
fn live(sampler: &mut Sampler, [a, mut b]: [LabelMap; 2], size: &str) -> Result<(), CliError> {
    sampler.begin("metrics", "counting all voxels once")?;
    let mut live = LiveOverlap::new(&a, &b, vec![Pair::foreground("mask")])
        .ok_or_else(|| CliError("The generated masks do not lie on one grid.".into()))?;
    let [_, _, slices] = b.geometry().dims();
    // On the rim, so that voxels are added.
    let at = DVec3::new(350.0, 240.0, (slices / 2) as f64);
    let rule = PaintRule::paint(1, [false; 256]);
    for (name, shape) in [("disc", BrushShape::Round2d { through_axis: 2 }), ("sphere", BrushShape::Sphere)] {
        let brush = Brush { shape, radius_mm: DAB_VOXELS / 2.0 * PIXEL };
        let (mut bricks, mut note) = (0, String::new());
        sampler.measure("metrics", &format!("live figures {size} after a {name} of 40 voxels"), |watch| {
            let mut stroke = Stroke::begin(&b);
            stroke.extend(&mut b, at, at, &brush, &rule);
            let delta = stroke.commit(&b);
            note = watch.time(|| {
                bricks = live.update(&a, &b);
                live.overlaps().map(|(_, found)| dice(&found.figures())).collect()
            });
            delta.revert(&mut b);
            live.update(&a, &b);
            Ok(())
        })?;
        sampler.note(format!("{bricks} bricks counted again, {note}"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jobs::JobContext;

    #[test]
    fn other_libraries_stand_behind_ours_with_ratios() {
        let ctx = JobContext::detached();
        let mut sampler = Sampler::new(true, &ctx);
        let own = [
            ("dice", "ours on 1 thread", 1.0),
            ("surface", "ours on 1 thread", 2.0),
            ("dice", "ours on 2 threads", 0.5),
        ]
        .map(|(what, name, median_s)| Own { what, name: name.into(), median_s });
        let answer = r#"{"timed": [
            {"what": "dice", "library": "numpy 2", "how": "count_nonzero", "walls": [3.0, 4.0, 5.0], "cpu_s": 4.0,
             "figures": {"Dice": 0.5}},
            {"what": "surface", "library": "edt 3", "how": "crop", "walls": [8.0], "cpu_s": 8.0,
             "figures": {"HD": 9.0, "HD95": 7.0, "ASSD": 1.0}}],
            "absent": ["scipy"]}"#;
        tell(&mut sampler, Path::new("py"), "2x2x2", &own, serde_json::from_str(answer).unwrap());
        let found: Vec<_> = sampler.figures.iter().map(|f| (f.case.as_str(), f.note.as_deref().unwrap())).collect();
        let ratios = "Dice 0.500000, ours on 1 thread: 0.250 x this time, ours on 2 threads: 0.125 x this time";
        assert_eq!(found[0], ("numpy 2, count_nonzero: Dice 2x2x2, 1 thread", ratios));
        assert_eq!(found[1].0, "edt 3, crop: HD, HD95, ASSD 2x2x2, 1 thread");
        assert!(found[1].1.ends_with("HD95 7.000000, ours on 1 thread: 0.250 x this time"), "{}", found[1].1);
        assert_eq!(sampler.skipped[0].reason, "scipy is not installed in py");
    }

    #[test]
    fn live_figures_count_only_the_bricks_of_the_dab() {
        let ctx = JobContext::detached();
        let mut sampler = Sampler::new(true, &ctx);
        let [a, b] = mask_pair(149..152, 1).unwrap();
        let whole = a.brick_count();
        let before = overlap(&a, Select::Foreground, &b, Select::Foreground).unwrap().figures().dice.unwrap();
        live(&mut sampler, [a, b], "512x512x3").unwrap();
        assert_eq!(sampler.figures.len(), 2);
        for figure in &sampler.figures {
            let note = figure.note.as_deref().unwrap();
            let (bricks, dice) = note.split_once(" bricks counted again, Dice ").unwrap();
            let bricks: usize = bricks.parse().unwrap();
            assert!(bricks > 0 && bricks <= 16 && bricks < whole, "{note}");
            assert!((dice.parse::<f64>().unwrap() - before).abs() > 1e-6, "the dab changes it: {note}");
        }
    }
}
