//! The simulated annotator from a shell.

use super::program::{Ended, program, tiny_recipe};
use std::fs;

#[test]
fn a_simulation_leaves_table_curves_and_loops() {
    let folder = tempfile::tempdir().unwrap();
    let (recipe, out) = (tiny_recipe(folder.path()), folder.path().join("sim"));
    let run = || {
        maskwright!(
            "simulate",
            "--recipe",
            recipe,
            "--kind",
            "chest",
            "--cases",
            "2",
            "--first",
            "1",
            "--epochs",
            "2",
            "--size",
            "32",
            "--slices",
            "8",
            "--steps",
            "6",
            "--slices-per-round",
            "3",
            "--target",
            "0.9",
            "--quick",
            "--device",
            "cpu",
            "--out",
            out,
            "--json"
        )
    };
    let result = run().json();
    let arms = result["arms"].as_array().unwrap();
    assert_eq!(arms.len(), 3);
    for arm in arms {
        assert_eq!(arm["reached"], true, "{result}");
        assert_eq!(arm["curve"].as_array().unwrap().len() as u64, arm["slices"].as_u64().unwrap());
    }
    assert_eq!(arms[0]["start_dice"], 0.0, "drawn from nothing: {result}");
    assert_eq!(arms[1]["start_dice"], arms[2]["start_dice"], "both begin with the same network: {result}");
    let csv = fs::read_to_string(out.join("simulation.csv")).unwrap();
    let points: u64 = arms.iter().map(|a| a["slices"].as_u64().unwrap()).sum();
    assert_eq!(csv.lines().count() as u64, points + 1);
    assert!(fs::read_to_string(out.join("simulation.txt")).unwrap().contains("learning loop"));
    assert!(out.join("loop-queue/versions/0000/card.md").is_file());
    run().refused(&["already holds a simulation"]);
}

#[test]
fn several_seeds_are_told_as_mean_and_spread() {
    let folder = tempfile::tempdir().unwrap();
    let (recipe, out) = (tiny_recipe(folder.path()), folder.path().join("sim"));
    let run = |json: &[&str]| {
        let mut arguments: Vec<&str> = "--kind chest --cases 2 --first 1 --epochs 1 --size 32 --slices 8 --steps 4 \
             --slices-per-round 3 --target 0.9 --seeds 2 --device cpu"
            .split_ascii_whitespace()
            .collect();
        arguments.extend(json);
        let mut program = program();
        program.arg("simulate").arg("--recipe").arg(&recipe).arg("--out").arg(&out).args(arguments);
        Ended::of(&program.output().unwrap())
    };
    let result = run(&["--json"]).json();
    assert_eq!(result["seeds"], serde_json::json!([1, 2]));
    let rows = result["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 5, "{result}");
    let results = result["results"].as_array().unwrap();
    for (at, row) in rows.iter().enumerate() {
        let voxels: Vec<f64> = results.iter().map(|r| r["arms"][at]["voxels"].as_f64().unwrap()).collect();
        let mean = row["voxels"]["mean"].as_f64().unwrap();
        assert!((mean - (voxels[0] + voxels[1]) / 2.0).abs() < 1e-9, "{row}");
        assert_eq!(row["reached"], 2, "{row}");
    }
    // Patients of their own.
    assert_ne!(results[0]["arms"][0]["voxels"], results[1]["arms"][0]["voxels"], "{result}");
    assert_eq!(result["queue_against_random"].as_array().unwrap().len(), 2);
    assert!(fs::read_to_string(out.join("simulation.md")).unwrap().contains("| learning loop | random | 2 of 2 |"));
    for seed in ["seed-1", "seed-2"] {
        assert!(out.join(seed).join("simulation.csv").is_file() && out.join(seed).join("loop-queue").is_dir());
    }
    run(&[]).refused(&["already holds a simulation"]);
}

#[test]
fn a_first_network_that_could_not_see_what_is_annotated_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("sim");
    let mut program = program();
    program.arg("simulate").arg("--recipe").arg("demo").arg("--out").arg(&out);
    program.args([
        "--kind", "abdomen", "--cases", "1", "--first", "1", "--size", "32", "--slices", "8", "--device", "cpu",
    ]);
    Ended::of(&program.output().unwrap()).refused(&["lung", "--kind", "--first-kind", "--run"]);
    assert!(!out.exists());
}
