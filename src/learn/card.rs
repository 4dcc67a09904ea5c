//! A model card: what a version of the weights is, what taught it, how well it did, and what it must not be used for.
//! Written beside every version, and with every exported model (Mitchell et al., "Model Cards for Model Reporting",
//! 2019).

use super::{Figures, SampleOrigin, VersionInfo};
use crate::nn::ModelSpec;
use std::collections::BTreeMap;
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
    row("Taught by", taught(info));
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
    let _ = writeln!(
        t,
        "\n## Limits\n\nFor research and teaching; no medical device. The figures are of slices like those it was taught \
         with, often of the same patients: they do not say how it does on the next scanner, protocol or disease. A person \
         has to look at every mask before it is used."
    );
    t
}

fn taught(info: &VersionInfo) -> String {
    let mut by: BTreeMap<&str, usize> = BTreeMap::new();
    let mut cases: Vec<&str> = Vec::new();
    for slice in &info.corrected {
        let who = match slice.origin {
            SampleOrigin::Human => "a person",
            SampleOrigin::Imported => "imported masks",
            SampleOrigin::Simulated => "a simulated annotator",
        };
        *by.entry(who).or_default() += 1;
        cases.push(&slice.case);
    }
    cases.sort_unstable();
    cases.dedup();
    if by.is_empty() {
        return "no corrected slice".into();
    }
    let parts: Vec<String> = by.iter().map(|(who, n)| format!("{n} slices by {who}")).collect();
    format!("{}, of {} case(s)", parts.join(", "), cases.len())
}
