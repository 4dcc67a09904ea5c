//! Effort, versions and rounds of a loop as JSON, CSV or Markdown.

use super::LoopState;
use serde_json::json;
use std::fmt::Write;

/// The report; `kind` is `json`, `csv` or anything else for Markdown.
pub fn effort_report(state: &LoopState, kind: &str) -> String {
    match kind {
        "json" => {
            let effort: Vec<_> = state
                .effort
                .iter()
                .map(|(version, slices, effort)| json!({ "version": version, "slices": slices, "effort": effort }))
                .collect();
            let document = json!({
                "recipe": state.recipe, "device": state.device, "in_use": state.in_use, "effort": effort,
                "versions": state.versions, "rounds": state.rounds,
            });
            format!("{document:#}\n")
        }
        "csv" => {
            let mut t = String::from("version,slices,strokes,voxels,seconds\n");
            for (version, slices, e) in &state.effort {
                let _ = writeln!(t, "{version},{slices},{},{},{:.1}", e.strokes, e.voxels, e.seconds);
            }
            t
        }
        _ => markdown(state),
    }
}

fn markdown(state: &LoopState) -> String {
    let mut t = format!("# Learning loop, {}\n\n{} in use: version {}.\n", state.recipe, state.device, state.in_use);
    t.push_str("\n## Effort\n\nA slice on average, by the version whose prediction was corrected.\n\n");
    t.push_str("| version | slices | strokes | voxels | seconds |\n| --- | --- | --- | --- | --- |\n");
    for (version, slices, e) in &state.effort {
        let mean = |v: f64| v / (*slices).max(1) as f64;
        let (strokes, voxels) = (mean(e.strokes as f64), mean(e.voxels as f64));
        let _ = writeln!(t, "| {version} | {slices} | {strokes:.1} | {voxels:.0} | {:.0} |", mean(e.seconds));
    }
    t.push_str(
        "\n## Rounds\n\n| round | from | became | why | slices | seconds |\n| --- | --- | --- | --- | --- | --- |\n",
    );
    for r in &state.rounds {
        let became = r.version.map_or("refused".to_owned(), |v| format!("version {v}"));
        let _ = writeln!(
            t,
            "| {} | version {} | {became} | {} | {} | {:.0} |",
            r.number, r.parent, r.decision.reason, r.corrected, r.seconds
        );
    }
    t.push_str("\n## Weights\n\n| version | SHA-256 |\n| --- | --- |\n");
    for v in &state.versions {
        let _ = writeln!(t, "| {} | `{}` |", v.number, v.weights_sha256);
    }
    t
}
