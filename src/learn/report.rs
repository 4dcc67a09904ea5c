//! Effort, versions and rounds of a loop as JSON, CSV or Markdown.
//!
//! Cases go by their keys. Slices are counted from 1 as in the window, in JSON from 0 as in the manifests of versions.

use super::{Effort, Hint, LoopState};
use serde_json::json;
use std::collections::BTreeMap;
use std::fmt::Write;

/// The report; `kind` is `json`, `csv` or anything else for Markdown.
pub fn effort_report(state: &LoopState, kind: &str) -> String {
    match kind {
        "json" => as_json(state),
        "csv" => as_csv(state),
        _ => markdown(state),
    }
}

/// Slices and their effort, by the key of their case.
fn cases(state: &LoopState) -> BTreeMap<&str, (usize, Effort)> {
    let mut cases: BTreeMap<&str, (usize, Effort)> = BTreeMap::new();
    for slice in &state.slices {
        let (slices, effort) = cases.entry(&slice.case).or_default();
        *slices += 1;
        *effort += slice.effort;
    }
    cases
}

/// Why to stop, when the loop says so.
fn reason_to_stop(state: &LoopState) -> Option<&str> {
    match &state.hint {
        Hint::GoOn => None,
        Hint::Stop(text) => Some(text),
    }
}

fn as_json(state: &LoopState) -> String {
    let versions = state.effort.iter();
    let effort: Vec<_> = versions
        .map(|(version, slices, effort)| json!({ "version": version, "slices": slices, "effort": effort }))
        .collect();
    let cases: Vec<_> = cases(state)
        .into_iter()
        .map(|(case, (slices, effort))| json!({ "case": case, "slices": slices, "effort": effort }))
        .collect();
    let document = json!({
        "recipe": state.recipe, "device": state.device, "in_use": state.in_use, "reason_to_stop": reason_to_stop(state),
        "effort": effort, "cases": cases, "slices": state.slices, "versions": state.versions, "rounds": state.rounds,
    });
    format!("{document:#}\n")
}

/// One table: sums of versions, sums of cases, and the slices.
fn as_csv(state: &LoopState) -> String {
    let mut t = String::from("of,version,case,slice,slices,strokes,voxels,seconds\n");
    let mut row = |of: &str, version: &str, case: &str, slice: &str, slices: usize, e: &Effort| {
        let (strokes, voxels, seconds) = (e.strokes, e.voxels, e.seconds);
        let _ = writeln!(t, "{of},{version},{case},{slice},{slices},{strokes},{voxels},{seconds:.1}");
    };
    for (version, slices, effort) in &state.effort {
        row("version", &version.to_string(), "", "", *slices, effort);
    }
    for (case, (slices, effort)) in cases(state) {
        row("case", "", case, "", slices, &effort);
    }
    for s in &state.slices {
        row("slice", &s.version.to_string(), &s.case, &(s.slice + 1).to_string(), 1, &s.effort);
    }
    t
}

fn markdown(state: &LoopState) -> String {
    let mut t = format!("# Learning loop, {}\n\n{} in use: version {}.\n", state.recipe, state.device, state.in_use);
    let go_on = "Nothing says yet that more corrections would be in vain.";
    let _ = write!(t, "\n## Whether to go on\n\n{}\n", reason_to_stop(state).unwrap_or(go_on));
    t.push_str("\n## Effort\n\nA slice on average, by the version whose prediction was corrected.\n\n");
    t.push_str("| version | slices | strokes | voxels | seconds |\n| --- | --- | --- | --- | --- |\n");
    let means = |t: &mut String, of: &str, slices: usize, e: &Effort| {
        let mean = |v: f64| v / slices.max(1) as f64;
        let (strokes, voxels) = (mean(e.strokes as f64), mean(e.voxels as f64));
        let _ = writeln!(t, "| {of} | {slices} | {strokes:.1} | {voxels:.0} | {:.0} |", mean(e.seconds));
    };
    for (version, slices, effort) in &state.effort {
        means(&mut t, &version.to_string(), *slices, effort);
    }
    t.push_str("\nA slice on average, by case.\n\n");
    t.push_str("| case | slices | strokes | voxels | seconds |\n| --- | --- | --- | --- | --- |\n");
    for (case, (slices, effort)) in cases(state) {
        means(&mut t, &format!("`{case}`"), slices, &effort);
    }
    t.push_str("\nEvery slice.\n\n| case | slice | version | strokes | voxels | seconds | |\n");
    t.push_str("| --- | --- | --- | --- | --- | --- | --- |\n");
    for s in &state.slices {
        let (e, number) = (s.effort, s.slice + 1);
        let role = if s.set_aside { "set aside" } else { "trains" };
        let _ = writeln!(
            t,
            "| `{}` | {number} | {} | {} | {} | {:.0} | {role} |",
            s.case, s.version, e.strokes, e.voxels, e.seconds
        );
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
    t.push_str("\n## Weights\n\n| version | taught by | judged on | SHA-256 |\n| --- | --- | --- | --- |\n");
    for v in &state.versions {
        let _ = writeln!(t, "| {} | {} | {} | `{}` |", v.number, v.taught_by(), v.judged_on(), v.weights_sha256);
    }
    t
}

#[cfg(test)]
mod tests {
    use super::super::{SampleOrigin, SliceEffort};
    use super::*;

    fn state(hint: Hint) -> LoopState {
        let slice = |case: &str, slice, version, voxels, set_aside| SliceEffort {
            case: case.into(),
            slice,
            version,
            origin: SampleOrigin::Human,
            set_aside,
            effort: Effort { strokes: 2, voxels, seconds: 4.0 },
        };
        let slices =
            vec![slice("aaaa", 0, 0, 300, false), slice("aaaa", 7, 1, 100, true), slice("bbbb", 2, 1, 20, false)];
        let sum = |version| {
            let of = slices.iter().filter(|s| s.version == version);
            (version, of.clone().count(), Effort::sum(of.map(|s| s.effort)))
        };
        let effort = vec![sum(0), sum(1)];
        LoopState { effort, slices, hint, ..LoopState::default() }
    }

    #[test]
    fn effort_is_told_by_version_case_and_slice() {
        let state = state(Hint::GoOn);
        assert_eq!(
            effort_report(&state, "csv"),
            "of,version,case,slice,slices,strokes,voxels,seconds\n\
             version,0,,,1,2,300,4.0\n\
             version,1,,,2,4,120,8.0\n\
             case,,aaaa,,2,4,400,8.0\n\
             case,,bbbb,,1,2,20,4.0\n\
             slice,0,aaaa,1,1,2,300,4.0\n\
             slice,1,aaaa,8,1,2,100,4.0\n\
             slice,1,bbbb,3,1,2,20,4.0\n"
        );
        let text = effort_report(&state, "md");
        for row in [
            "| 1 | 2 | 2.0 | 60 | 4 |",
            "| `aaaa` | 2 | 2.0 | 200 | 4 |",
            "| `aaaa` | 8 | 1 | 2 | 100 | 4 | set aside |",
        ] {
            assert!(text.contains(row), "{row}: {text}");
        }
        let json: serde_json::Value = serde_json::from_str(&effort_report(&state, "json")).unwrap();
        assert_eq!(json["cases"][0]["effort"]["voxels"], 400);
        assert_eq!((&json["slices"][1]["slice"], &json["slices"][1]["set_aside"]), (&json!(7), &json!(true)));
        assert_eq!(json["slices"].as_array().map(Vec::len), Some(3));
    }

    #[test]
    fn the_report_says_when_to_stop() {
        let stop = "The last 3 rounds made the network no better.";
        let (go_on, stopped) = (state(Hint::GoOn), state(Hint::Stop(stop.into())));
        assert!(!effort_report(&go_on, "md").contains(stop) && effort_report(&stopped, "md").contains(stop));
        let reason = |state: &LoopState| {
            let json: serde_json::Value = serde_json::from_str(&effort_report(state, "json")).unwrap();
            json["reason_to_stop"].clone()
        };
        assert_eq!((reason(&go_on), reason(&stopped)), (serde_json::Value::Null, json!(stop)));
    }
}
