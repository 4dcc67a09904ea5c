//! A model card: what a version of the weights is, what taught it, how well it did, and what it must not be used for.
//! Written beside every version, and with every exported model (Mitchell et al., "Model Cards for Model Reporting",
//! 2019).

use super::{Figures, SampleOrigin, Taught, VersionInfo};
use crate::core::count_of;
use crate::nn::ModelSpec;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

/// The card as Markdown.
pub fn model_card(spec: &ModelSpec, info: &VersionInfo) -> String {
    let mut t = String::new();
    let size = spec.preprocessing.size;
    let _ = writeln!(t, "# {} version {}\n", spec.recipe, info.number);
    let _ = writeln!(t, "Segments {} on axial CT slices, {size} x {size} pixels.\n", spec.classes.join(", "));
    let _ = writeln!(t, "| | |\n| --- | --- |");
    let mut row = |name: &str, value: String| {
        let _ = writeln!(t, "| {name} | {value} |");
    };
    row("Weights (SHA-256)", format!("`{}`", info.weights_sha256));
    row("Recipe", format!("{} (SHA-256 `{}`)", info.recipe, info.recipe_sha256));
    row("Network", spec.network.config.name().to_owned());
    row("Input", format!("HU, {:?}", spec.preprocessing.intensity));
    match (info.parent, &info.parent_sha256) {
        (Some(parent), Some(sum)) => row("Fine-tuned from", format!("version {parent}, `{sum}`")),
        _ => row("Fine-tuned from", "nothing: the weights that the loop began with".into()),
    }
    if info.steps > 0 {
        row("Training", format!("{} steps at learning rate {}, seed {}", info.steps, info.learning_rate, info.seed));
        row("Computed by", format!("{} in {:.0} s", info.device, info.seconds));
    }
    row("Taught by", info.taught_by());
    if !info.set_aside.is_empty() {
        row("Judged on", format!("{}, set aside", info.judged_on()));
    }
    row("Slices of earlier data", info.earlier_slices.to_string());
    let _ = writeln!(t, "\n## How well\n");
    let _ =
        writeln!(t, "Dice of all slices of a set taken together, averaged over the segments. The sets never train.\n");
    let _ = writeln!(t, "| set | slices | this version | the one it replaced |\n| --- | --- | --- | --- |");
    let mut any = false;
    type Pick = fn(&Figures) -> Option<crate::train::Judgement>;
    for (name, pick) in
        [("corrected slices set aside", (|f: &Figures| f.corrected) as Pick), ("earlier data", |f: &Figures| f.earlier)]
    {
        if let Some(now) = pick(&info.figures) {
            let dice = |d: Option<f64>| d.map_or("undefined".to_owned(), |d| format!("{d:.4}"));
            let before = pick(&info.replaced).map_or("-".to_owned(), |j| dice(j.dice));
            let _ = writeln!(t, "| {name} | {} | {} | {before} |", now.slices, dice(now.dice));
            any = true;
        }
    }
    if !any {
        let _ = writeln!(t, "| none | 0 | - | - |");
    }
    name_set_aside(&mut t, &info.set_aside);
    let _ = writeln!(
        t,
        "\n## Limits\n\nFor research and teaching; no medical device. The figures are of slices like those it was taught \
         with, often of the same patients: they do not say how it does on the next scanner, protocol or disease. A person \
         has to look at every mask before it is used."
    );
    t
}

impl VersionInfo {
    /// How many corrected slices trained it, and whose work they are.
    pub fn taught_by(&self) -> String {
        whose(&self.corrected)
    }

    /// The same of the slices that judged it and did not train it.
    pub fn judged_on(&self) -> String {
        whose(&self.set_aside)
    }
}

fn whose(slices: &[Taught]) -> String {
    let mut by: BTreeMap<&str, usize> = BTreeMap::new();
    for slice in slices {
        let who = match slice.origin {
            SampleOrigin::Human => "a person",
            SampleOrigin::Imported => "imported masks",
            SampleOrigin::Simulated => "a simulated annotator",
        };
        *by.entry(who).or_default() += 1;
    }
    if by.is_empty() {
        return "no corrected slice".into();
    }
    let parts: Vec<String> = by.iter().map(|(who, n)| format!("{} by {who}", count_of(*n, "slice"))).collect();
    format!("{}, of {}", parts.join(", "), count_of(by_case(slices).len(), "case"))
}

/// The slices of each case as the window counts them, from 1.
fn by_case(slices: &[Taught]) -> BTreeMap<&str, BTreeSet<usize>> {
    let mut cases: BTreeMap<&str, BTreeSet<usize>> = BTreeMap::new();
    for slice in slices {
        cases.entry(&slice.case).or_default().insert(slice.slice + 1);
    }
    cases
}

/// Names the slices that must never train, for whoever goes on from this version elsewhere.
fn name_set_aside(t: &mut String, slices: &[Taught]) {
    if slices.is_empty() {
        return;
    }
    let _ = writeln!(t, "\nCorrected slices set aside, by the key of their case and counted from 1:\n");
    let _ = writeln!(t, "| case | slices |\n| --- | --- |");
    for (case, slices) in by_case(slices) {
        let slices: Vec<String> = slices.iter().map(ToString::to_string).collect();
        let _ = writeln!(t, "| `{case}` | {} |", slices.join(", "));
    }
}
