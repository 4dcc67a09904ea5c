//! Body composition in one slice, usually at the third lumbar vertebra.

use super::{Quantity, QuantityOptions, Tally, body_mask, slice_labels};
use crate::core::{LabelMap, Segment, Volume};

/// HU of fat, and of fat between the organs (Mitsiopoulos et al. 1998; Aubrey et al. 2014).
const FAT: [i16; 2] = [-190, -30];
const VISCERAL_FAT: [i16; 2] = [-150, -50];
/// HU of skeletal muscle.
const MUSCLE: [i16; 2] = [-29, 150];

/// All muscles of a slice together.
pub(super) fn of_slice(muscles: &[&Segment], slice: &[Tally]) -> Tally {
    muscles.iter().fold(Tally::default(), |t, s| t.plus(&slice[usize::from(s.id)]))
}

/// The slice with most muscle, the first of several.
pub(super) fn most(muscles: &[&Segment], slices: &[Vec<Tally>]) -> Option<usize> {
    (0..slices.len()).max_by_key(|k| (of_slice(muscles, &slices[*k]).voxels, std::cmp::Reverse(*k)))
}

pub(super) fn quantities(
    labels: &LabelMap,
    muscles: &[&Segment],
    volume: Option<&Volume>,
    slices: &[Vec<Tally>],
    options: QuantityOptions,
) -> Vec<Quantity> {
    let chosen = options.slice.filter(|k| *k < slices.len());
    let Some(k) = chosen.or_else(|| most(muscles, slices)) else { return Vec::new() };
    let geometry = labels.geometry();
    let axes = geometry.world_from_voxel().matrix3;
    let pixel_cm2 = axes.x_axis.cross(axes.y_axis).length() / 100.0;
    let tally = of_slice(muscles, &slices[k]);
    let area = tally.voxels as f64 * pixel_cm2;
    let place = match chosen {
        Some(_) => format!("slice {k}, counted from 0, as chosen"),
        None => format!("slice {k}, counted from 0, the one with most muscle"),
    };
    let mut all = vec![Quantity::new(
        "Muscle area",
        "cm²",
        Some(area),
        format!("Pixels of the muscle times the area of a pixel, in {place}."),
    )];
    let index = options.height_cm.filter(|h| *h > 0.0).map(|h| area / (h / 100.0).powi(2));
    if index.is_some() {
        let text = "Muscle area over the square of the height that was typed in.";
        all.push(Quantity::new("Skeletal muscle index", "cm²/m²", index, text));
    }
    let Some(hu) = volume.and_then(|v| v.slice(k)) else { return all };
    all.push(Quantity::new("Muscle density", "HU", tally.mean(), "Mean HU of the muscle's pixels in that slice."));
    let width = geometry.dims()[0];
    let (body, here) = (body_mask(hu, width), slice_labels(labels, k));
    let is_muscle = |n: usize| muscles.iter().any(|s| s.id == here[n]);
    let count = |wanted: &dyn Fn(usize) -> bool| (0..hu.len()).filter(|n| wanted(*n)).count() as f64 * pixel_cm2;
    let within = |n: usize, range: [i16; 2]| (range[0]..=range[1]).contains(&hu[n]);
    let lean = count(&|n| is_muscle(n) && within(n, MUSCLE));
    let inside = count(&|n| is_muscle(n) && within(n, FAT));
    let fat = count(&|n| body[n] && !is_muscle(n) && within(n, FAT));
    let visceral_range = count(&|n| body[n] && !is_muscle(n) && within(n, VISCERAL_FAT));
    let body_text = "inside of the body (the largest part of the slice denser than -300 HU, holes filled)";
    all.extend([
        Quantity::new(
            "Muscle area within -29 to 150 HU",
            "cm²",
            Some(lean),
            "Pixels of the muscle with -29 to 150 HU.",
        ),
        Quantity::new("Fat in the muscle", "cm²", Some(inside), "Pixels of the muscle with -190 to -30 HU."),
        Quantity::new(
            "Fat area, -190 to -30 HU",
            "cm²",
            Some(fat),
            format!(
                "Pixels outside of the muscle with -190 to -30 HU {body_text}: under the skin and between the organs."
            ),
        ),
        Quantity::new(
            "Fat area, -150 to -50 HU",
            "cm²",
            Some(visceral_range),
            format!("Pixels outside of the muscle with -150 to -50 HU {body_text}, the range of visceral fat."),
        ),
    ]);
    all
}
