//! The grid that a segmentation's own frames span, for reading one without its series.

use super::error::DicomError;
use super::frames::FrameFile;
use super::guard::with_header;
use super::header::{FramePlace, functional_group};
use super::spacing::SAME_POSITION_MM;
use crate::core::Geometry;
use crate::io::bounds::is_plausible_mask;
use crate::io::samples::checked_dims;
use dicom_dictionary_std::tags;
use glam::{DAffine3, DMat3, DVec2, DVec3};
use std::path::Path;

/// Furthest that a frame may lie from a whole number of steps, in steps.
const OFF_STEP: f64 = 0.1;

/// The regular grid on which all frames of the segmentation lie, slices ascending along the normal of its frames.
///
/// Slices that no segment has are part of it. The step between slices is the header's where it fits, else the smallest
/// distance of two frames.
///
/// # Errors
/// As the guard; [`DicomError::Refused`] when the frames do not lie on one regular stack.
pub fn seg_grid(path: &Path) -> Result<Geometry, DicomError> {
    let file = FrameFile::open(path)?;
    let step = with_header(path, |header| {
        let measures = functional_group(header.set, 0, tags::PIXEL_MEASURES_SEQUENCE);
        Ok(measures.and_then(|m| m.number(tags::SPACING_BETWEEN_SLICES)).filter(|s| *s > 0.0))
    })?;
    let size = [file.format.columns, file.format.rows];
    let places = file.places.get(..file.format.frames).unwrap_or_default();
    let stored = std::fs::metadata(path).map_err(|e| DicomError::read(path, &e))?.len();
    let held = |grid: Geometry| {
        let enough = is_plausible_mask(grid.voxel_count() as u64, stored);
        if enough { Ok(grid) } else { Err("its frames lie so far apart that they span no volume") }
    };
    grid(size, places, step).and_then(held).map_err(|reason| {
        DicomError::refused(path, format!("{reason}; name the series that it was drawn on as reference"))
    })
}

fn grid([columns, rows]: [usize; 2], places: &[FramePlace], step: Option<f64>) -> Result<Geometry, &'static str> {
    let whole = |p: &FramePlace| Some((p.position?, p.orientation?, p.spacing?));
    let frames: Option<Vec<(DVec3, [DVec3; 2], DVec2)>> = places.iter().map(whole).collect();
    let frames = frames.ok_or("its frames do not all say where they lie")?;
    let Some(&(first, [row, column], spacing)) = frames.first() else {
        return Err("its frames do not say where they lie");
    };
    let normal = row.cross(column).normalize_or_zero();
    let turned = |a: DVec3, b: DVec3| a.dot(b) < 1.0 - 1e-5;
    let mut heights = Vec::with_capacity(frames.len());
    for (position, [r, c], s) in &frames {
        let shift = *position - first;
        let aside = DVec2::new(shift.dot(row) / spacing.x, shift.dot(column) / spacing.y).abs().max_element();
        if turned(*r, row) || turned(*c, column) || (*s - spacing).abs().max_element() > 1e-4 || aside > OFF_STEP {
            return Err("its frames do not lie above one another");
        }
        heights.push(shift.dot(normal));
    }
    heights.sort_by(f64::total_cmp);
    heights.dedup_by(|b, a| *b - *a < SAME_POSITION_MM);
    let lowest = heights.first().copied().unwrap_or(0.0);
    let regular = |step: f64| {
        heights.iter().all(|h| {
            let n = (h - lowest) / step;
            (n - n.round()).abs() <= OFF_STEP
        })
    };
    let smallest = heights.windows(2).map(|w| w[1] - w[0]).min_by(f64::total_cmp);
    let thickness = places.first().and_then(|p| p.thickness);
    let step = match (step.filter(|s| regular(*s)), smallest) {
        (Some(step), _) => step,
        (None, None) => thickness.unwrap_or(1.0),
        (None, Some(step)) if regular(step) => step,
        _ => return Err("its frames are unevenly spaced"),
    };
    let slices = ((heights.last().copied().unwrap_or(0.0) - lowest) / step).round() + 1.0;
    let dims = checked_dims([columns as u64, rows as u64, slices as u64])
        .map_err(|_| "its frames lie so far apart that they span no volume")?;
    let matrix3 = DMat3::from_cols(row * spacing.x, column * spacing.y, normal * step);
    Geometry::new(dims, DAffine3 { matrix3, translation: first + normal * lowest })
        .map_err(|_| "its frames span no volume")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(position: DVec3, row: DVec3, column: DVec3) -> FramePlace {
        FramePlace {
            frame: 0,
            stack_id: String::new(),
            phase: [0; 2],
            position: Some(position),
            orientation: Some([row, column]),
            spacing: Some(DVec2::new(0.5, 0.7)),
            thickness: Some(4.0),
            rescale_slope: 1.0,
            rescale_intercept: 0.0,
            has_rescale: false,
            image_type: Vec::new(),
        }
    }

    #[test]
    fn sparse_frames_in_any_order_span_a_stack() {
        let (row, column) = (DVec3::Y, -DVec3::Z);
        let normal = row.cross(column);
        let at = |n: f64| frame(DVec3::new(1.0, 2.0, 3.0) + normal * n * 2.5, row, column);
        let g = grid([6, 5], &[at(6.0), at(0.0), at(0.0), at(4.0)], None).unwrap();
        assert_eq!((g.dims(), g.origin()), ([6, 5, 4], DVec3::new(1.0, 2.0, 3.0)));
        let g = grid([6, 5], &[at(6.0), at(0.0), at(4.0)], Some(2.5)).unwrap();
        assert_eq!((g.dims(), g.spacing()), ([6, 5, 7], DVec3::new(0.5, 0.7, 2.5)));
        assert_eq!(grid([6, 5], &[at(0.0)], None).unwrap().spacing().z, 4.0);
        assert_eq!(grid([6, 5], &[at(0.0), at(2.0), at(5.0)], None), Err("its frames are unevenly spaced"));
        assert_eq!(
            grid([6, 5], &[at(0.0), at(1e-2), at(1e6)], None).unwrap_err(),
            "its frames lie so far apart that they span no volume"
        );
        let aside = frame(DVec3::new(1.0, 3.0, 3.0), row, column);
        assert_eq!(grid([6, 5], &[at(0.0), aside], None), Err("its frames do not lie above one another"));
    }
}
