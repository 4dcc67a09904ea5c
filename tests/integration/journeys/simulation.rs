//! The simulated annotator from a shell.

use super::program::tiny_recipe;
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
