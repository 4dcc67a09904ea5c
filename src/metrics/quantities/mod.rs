//! Quantities of one mask over its image, as body composition, liver and lung studies report them, each with its
//! definition. They measure the mask: whether the mask is right is another question.

mod body;
mod lungs;
mod muscle;

pub use body::body_mask;

use crate::core::{Geometry, LabelMap, Segment, Volume, VoxelBox};
use serde::Serialize;

/// One measured quantity.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Quantity {
    pub name: String,
    pub unit: String,
    /// `None`: undefined.
    pub value: Option<f64>,
    pub definition: String,
}

impl Quantity {
    fn new(name: impl Into<String>, unit: &str, value: Option<f64>, definition: impl Into<String>) -> Self {
        Self { name: name.into(), unit: unit.into(), value, definition: definition.into() }
    }
}

/// What the user adds to image and mask.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct QuantityOptions {
    /// Of the patient, for the skeletal muscle index.
    pub height_cm: Option<f64>,
    /// Slice of the areas; `None` takes the one with most muscle.
    pub slice: Option<usize>,
}

/// Volumes and densities of every segment, and what its name stands for: muscle areas, tumour burden, lung volumes.
///
/// `volume` may be missing, or lie on another grid: then nothing that needs HU is measured.
pub fn quantities(
    labels: &LabelMap,
    segments: &[Segment],
    volume: Option<&Volume>,
    options: QuantityOptions,
) -> Vec<Quantity> {
    let volume = volume.filter(|v| v.geometry().dims() == labels.geometry().dims());
    let slice_tallies = tally(labels, volume);
    let total: Vec<Tally> =
        (0..256).map(|l| slice_tallies.iter().fold(Tally::default(), |t, s| t.plus(&s[l]))).collect();
    let geometry = labels.geometry();
    let mut all = Vec::new();
    for segment in segments {
        all.extend(of_segment(segment, &total[usize::from(segment.id)], geometry, volume.is_some()));
    }
    let named = |words: &[&str]| named(segments, words);
    let muscles = named(&MUSCLES);
    if !muscles.is_empty() {
        all.extend(muscle::quantities(labels, &muscles, volume, &slice_tallies, options));
    }
    let (livers, tumours) = (named(&["liver"]), named(&["tumour", "tumor", "lesion", "metast"]));
    let livers: Vec<&Segment> = livers.into_iter().filter(|s| !tumours.contains(s)).collect();
    if !livers.is_empty() && !tumours.is_empty() {
        all.extend(tumour_burden(&livers, &tumours, &total, geometry));
    }
    let lungs = named(&["lung"]);
    if !lungs.is_empty() {
        let diseased = named(&["disease", "patholog", "infiltrat", "consolidat", "opacit", "covid", "pneumon"]);
        all.extend(lungs::quantities(labels, &lungs, &diseased, volume, &total));
    }
    all
}

/// What muscles are called.
const MUSCLES: [&str; 2] = ["muscle", "muskel"];

/// Segments whose name holds one of the words.
fn named<'a>(segments: &'a [Segment], words: &[&str]) -> Vec<&'a Segment> {
    let has = |s: &&Segment| words.iter().any(|w| s.name.to_lowercase().contains(w));
    segments.iter().filter(has).collect()
}

/// The slice that muscle is measured in when none is chosen; `None` without any muscle.
pub fn muscle_slice(labels: &LabelMap, segments: &[Segment]) -> Option<usize> {
    let muscles = named(segments, &MUSCLES);
    if muscles.is_empty() {
        return None;
    }
    let slices = tally(labels, None);
    muscle::most(&muscles, &slices).filter(|k| muscle::of_slice(&muscles, &slices[*k]).voxels > 0)
}

/// Voxels and HU sums of one label.
#[derive(Debug, Clone, Copy, Default)]
struct Tally {
    voxels: u64,
    sum: i64,
    squares: i64,
}

impl Tally {
    fn plus(self, other: &Self) -> Self {
        Self { voxels: self.voxels + other.voxels, sum: self.sum + other.sum, squares: self.squares + other.squares }
    }

    fn mean(&self) -> Option<f64> {
        (self.voxels > 0).then(|| self.sum as f64 / self.voxels as f64)
    }

    /// Standard deviation over the voxels.
    fn spread(&self) -> Option<f64> {
        let mean = self.mean()?;
        Some((self.squares as f64 / self.voxels as f64 - mean * mean).max(0.0).sqrt())
    }
}

/// Labels of slice k.
fn slice_labels(labels: &LabelMap, k: usize) -> Vec<u8> {
    let [nx, ny, _] = labels.geometry().dims();
    let mut out = vec![0; nx * ny];
    labels.copy_box(VoxelBox { min: [0, 0, k], max: [nx, ny, k + 1] }, &mut out);
    out
}

/// Tallies of all labels in each slice.
fn tally(labels: &LabelMap, volume: Option<&Volume>) -> Vec<Vec<Tally>> {
    use rayon::prelude::*;
    (0..labels.geometry().dims()[2])
        .into_par_iter()
        .map(|k| {
            let mut tallies = vec![Tally::default(); 256];
            let hu = volume.and_then(|v| v.slice(k));
            for (n, label) in slice_labels(labels, k).into_iter().enumerate().filter(|(_, l)| *l != 0) {
                let value = hu.and_then(|h| h.get(n)).map_or(0, |v| i64::from(*v));
                let tally = &mut tallies[usize::from(label)];
                *tally = tally.plus(&Tally { voxels: 1, sum: value, squares: value * value });
            }
            tallies
        })
        .collect()
}

fn ml(voxels: u64, geometry: &Geometry) -> f64 {
    voxels as f64 * geometry.voxel_volume() / 1000.0
}

fn of_segment(segment: &Segment, tally: &Tally, geometry: &Geometry, has_hu: bool) -> Vec<Quantity> {
    let name = &segment.name;
    let volume = "Voxels of the segment times the volume of a voxel.";
    let mut all = vec![Quantity::new(format!("{name}, volume"), "ml", Some(ml(tally.voxels, geometry)), volume)];
    if has_hu {
        let mean = "Mean of the HU of the segment's voxels.";
        all.push(Quantity::new(format!("{name}, mean density"), "HU", tally.mean(), mean));
        let spread = "Standard deviation of the HU of the segment's voxels.";
        all.push(Quantity::new(format!("{name}, spread of density"), "HU", tally.spread(), spread));
    }
    all
}

fn tumour_burden(livers: &[&Segment], tumours: &[&Segment], total: &[Tally], geometry: &Geometry) -> Vec<Quantity> {
    let sum = |of: &[&Segment]| of.iter().map(|s| total[usize::from(s.id)].voxels).sum::<u64>();
    let (liver, tumour) = (sum(livers), sum(tumours));
    let whole = liver + tumour;
    let share = (whole > 0).then(|| 100.0 * tumour as f64 / whole as f64);
    vec![
        Quantity::new(
            "Liver with tumours, volume",
            "ml",
            Some(ml(whole, geometry)),
            "Volumes of liver and tumours together: a voxel of a tumour is no voxel of the liver's label.",
        ),
        Quantity::new("Tumours, volume", "ml", Some(ml(tumour, geometry)), "Volumes of all tumours together."),
        Quantity::new("Tumour burden", "%", share, "Volume of the tumours over that of liver and tumours."),
    ]
}

#[cfg(test)]
mod tests;
