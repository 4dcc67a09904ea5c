//! Compares two label maps segment by segment and slice by slice.

use super::Agreement;
use super::confusion::Confusion;
use super::convention::Convention;
use super::crop::CroppedMask;
use super::error::MetricError;
use super::overlap::SliceCounts;
use super::points::{Frame, Measure, PointSets};
use super::rows::{MetricReport, Pair, SegmentRow, SliceRow};
use crate::core::{Geometry, LabelMap};
use crate::jobs::{CancelToken, JobContext};
use rayon::prelude::*;

/// What to measure and how to call the two sides.
#[derive(Debug, Clone, PartialEq)]
pub struct CompareOptions {
    /// Names for the report: layer or file names, never a patient's.
    pub name_a: String,
    pub name_b: String,
    /// Surface distances of volumes, and of slices when those are asked for.
    pub distances: bool,
    /// A row for each slice along k.
    pub slices: bool,
    pub convention: Convention,
    /// Tolerances of the surface Dice, in mm.
    pub tolerances: Vec<f64>,
}

impl CompareOptions {
    /// Everything, by the standard convention, with the surface Dice at 1 and 2 mm.
    pub fn full(name_a: impl Into<String>, name_b: impl Into<String>) -> Self {
        Self {
            name_a: name_a.into(),
            name_b: name_b.into(),
            distances: true,
            slices: true,
            convention: Convention::default(),
            tolerances: vec![1.0, 2.0],
        }
    }
}

/// Compares `pairs` of structures; meant to run in a job on snapshots of the two maps.
///
/// Progress counts pairs. Map A is the reference.
///
/// # Errors
/// [`MetricError`] when the grids differ, nothing was asked for, a structure is too large, or the job was cancelled.
pub fn compare(
    map_a: &LabelMap,
    map_b: &LabelMap,
    pairs: &[Pair],
    options: &CompareOptions,
    ctx: &JobContext<()>,
) -> Result<MetricReport, MetricError> {
    check_grids(map_a, map_b)?;
    let geometry = map_a.geometry();
    if pairs.is_empty() {
        return Err(MetricError::NoPairs);
    }
    ctx.progress.set(0, pairs.len() as u64);
    let mut rows = Vec::with_capacity(pairs.len());
    for pair in pairs {
        if ctx.is_cancelled() {
            return Err(MetricError::Cancelled);
        }
        ctx.progress.say(format!("Comparing {}", pair.name));
        ctx.wake();
        rows.push(segment_row(map_a, map_b, pair, options, &ctx.cancel)?);
        ctx.progress.step();
    }
    Ok(MetricReport {
        name_a: options.name_a.clone(),
        name_b: options.name_b.clone(),
        dims: geometry.dims(),
        spacing: geometry.spacing().to_array(),
        convention: options.convention,
        definitions: options.convention.definitions(),
        rows,
        confusion: Confusion::of(map_a, map_b, pairs),
    })
}

/// Both maps on one grid, to a hundredth of the smallest voxel edge.
pub(super) fn check_grids(a: &LabelMap, b: &LabelMap) -> Result<(), MetricError> {
    let (a, b) = (a.geometry(), b.geometry());
    if a.dims() != b.dims() {
        let text = |g: &Geometry| g.dims().map(|n| n.to_string()).join(" x ");
        return Err(MetricError::Size(text(a), text(b)));
    }
    if a.same_grid(b, 0.01 * a.spacing().min_element()) { Ok(()) } else { Err(MetricError::Place) }
}

fn segment_row(
    map_a: &LabelMap,
    map_b: &LabelMap,
    pair: &Pair,
    options: &CompareOptions,
    cancel: &CancelToken,
) -> Result<SegmentRow, MetricError> {
    let geometry = map_a.geometry();
    let counts = SliceCounts::of(map_a, pair.a, map_b, pair.b);
    let overlap = counts.volume(geometry.voxel_count() as u64);
    let agreement = overlap.agreement();
    let mut slices = if options.slices { slice_rows(&counts, geometry) } else { Vec::new() };
    let mut distances = None;
    if options.distances && agreement != Agreement::Neither {
        let crop_a = CroppedMask::new(map_a, pair.a, counts.region)?;
        let crop_b = CroppedMask::new(map_b, pair.b, counts.region)?;
        let frame = Frame::of_volume(geometry, counts.region, options.convention);
        distances = Some(PointSets::new(&crop_a, &crop_b, &frame).distances(&frame, &options.tolerances, cancel)?);
        measure_slices(&crop_a, &crop_b, &mut slices, &frame, &options.tolerances, cancel)?;
    }
    let ml = |voxels: u64| voxels as f64 * geometry.voxel_volume() / 1000.0;
    let (a, b) = (overlap.in_a(), overlap.in_b());
    Ok(SegmentRow {
        name: pair.name.clone(),
        a: pair.a,
        b: pair.b,
        agreement,
        overlap,
        figures: overlap.figures(),
        volume_a_ml: ml(a),
        volume_b_ml: ml(b),
        volume_difference_ml: ml(b) - ml(a),
        volume_difference_percent: (a > 0).then(|| 100.0 * (b as f64 - a as f64) / a as f64),
        distances,
        slices,
    })
}

fn slice_rows(counts: &SliceCounts, geometry: &Geometry) -> Vec<SliceRow> {
    let [nx, ny, _] = geometry.dims();
    let axes = geometry.world_from_voxel().matrix3;
    let pixel_area = axes.x_axis.cross(axes.y_axis).length();
    let row = |k: usize| {
        let overlap = counts.slice(k, (nx * ny) as u64);
        SliceRow {
            k,
            agreement: overlap.agreement(),
            overlap,
            figures: overlap.figures(),
            area_a_mm2: overlap.in_a() as f64 * pixel_area,
            area_b_mm2: overlap.in_b() as f64 * pixel_area,
            distances_mm: None,
            distances_px: None,
        }
    };
    (0..counts.slices.len()).map(row).filter(|r| r.agreement != Agreement::Neither).collect()
}

/// Adds the two-dimensional distances of every slice.
fn measure_slices(
    a: &CroppedMask,
    b: &CroppedMask,
    rows: &mut [SliceRow],
    volume: &Frame,
    tolerances: &[f64],
    cancel: &CancelToken,
) -> Result<(), MetricError> {
    // Square pixels differ from millimetres by a factor; others need a measurement of their own.
    let edge = match volume.measure {
        Measure::Straight([x, y, _]) if (x - y).abs() <= 1e-12 * x => Some(x),
        _ => None,
    };
    rows.par_iter_mut().try_for_each(|row| {
        let plane = row.k - volume.corner[2];
        let (slice_a, slice_b) = (a.slice(plane), b.slice(plane));
        let distances = |frame: Frame, tolerances: &[f64]| {
            PointSets::new(&slice_a, &slice_b, &frame).distances(&frame, tolerances, cancel)
        };
        let frame = volume.of_slice(row.k);
        let mm = distances(frame, tolerances)?;
        row.distances_px = Some(match edge {
            Some(edge) => mm.in_units_of(edge),
            None => distances(frame.in_pixels(), &[])?,
        });
        row.distances_mm = Some(mm);
        Ok(())
    })
}
