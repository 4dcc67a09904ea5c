//! Lung volumes, and the share that is diseased by density and by label.

use super::{Quantity, Tally, ml, slice_labels};
use crate::core::{LabelMap, Segment, Volume};
use rayon::prelude::*;

/// Name, HU from and to, and what it means (Gattinoni et al. 2001 for aeration; -950 HU for emphysema, Gevenois 1996).
const RANGES: [(&str, i16, i16); 4] = [
    ("Emphysema-like, below -950 HU", i16::MIN, -951),
    ("Well aerated, -900 to -501 HU", -900, -501),
    ("Poorly aerated, -500 to -101 HU", -500, -101),
    ("Not aerated, -100 to 100 HU", -100, 100),
];

pub(super) fn quantities(
    labels: &LabelMap,
    lungs: &[&Segment],
    diseased: &[&Segment],
    volume: Option<&Volume>,
    total: &[Tally],
) -> Vec<Quantity> {
    let geometry = labels.geometry();
    let count = |of: &[&Segment]| of.iter().map(|s| total[usize::from(s.id)].voxels).sum::<u64>();
    // A diseased part has a label of its own and yet is lung.
    let all_lung: Vec<&Segment> = lungs.iter().chain(diseased.iter().filter(|d| !lungs.contains(d))).copied().collect();
    let whole = count(&all_lung);
    let share = |part: u64| (whole > 0).then(|| 100.0 * part as f64 / whole as f64);
    let mut all = vec![Quantity::new(
        "Lungs, volume",
        "ml",
        Some(ml(whole, geometry)),
        "Volumes of all segments of lung and of diseased lung together.",
    )];
    let side = |word: &str| -> Vec<&Segment> {
        all_lung.iter().filter(|s| s.name.to_lowercase().contains(word)).copied().collect()
    };
    for word in ["left", "right"] {
        let of = side(word);
        if !of.is_empty() {
            let text = format!("Volumes of the segments of lung that are called {word}.");
            all.push(Quantity::new(format!("Lung, {word}, volume"), "ml", Some(ml(count(&of), geometry)), text));
        }
    }
    if !diseased.is_empty() {
        let text = "Volume of the segments of diseased lung over that of all lung.";
        all.push(Quantity::new("Diseased by label", "%", share(count(diseased)), text));
    }
    let Some(volume) = volume else { return all };
    let is_lung: [bool; 256] = std::array::from_fn(|l| all_lung.iter().any(|s| usize::from(s.id) == l));
    let counts = (0..geometry.dims()[2])
        .into_par_iter()
        .map(|k| {
            let hu = volume.slice(k).unwrap_or_default();
            let mut counts = [0u64; RANGES.len()];
            for (label, value) in slice_labels(labels, k).into_iter().zip(hu).filter(|(l, _)| is_lung[usize::from(*l)])
            {
                debug_assert!(label != 0);
                for (count, (_, low, high)) in counts.iter_mut().zip(RANGES) {
                    *count += u64::from((low..=high).contains(value));
                }
            }
            counts
        })
        .reduce(|| [0; RANGES.len()], |a, b| std::array::from_fn(|n| a[n] + b[n]));
    for ((name, ..), count) in RANGES.into_iter().zip(counts) {
        let text = "Share of the voxels of all lung with these HU.";
        all.push(Quantity::new(format!("Lung: {name}"), "%", share(count), text));
    }
    let text = "Poorly and not aerated together: share of the voxels of all lung with -500 to 100 HU. Vessels within the \
                mask count too.";
    all.push(Quantity::new("Diseased by density", "%", share(counts[2] + counts[3]), text));
    all
}
