//! Tilted, shifted and unevenly spaced slices on a regular grid, and masks on their way between the two.

use super::real_data::{data, load, scan, series};
use super::resample::OUTSIDE_HU;
use super::test_files::TestSlice;
use super::*;
use crate::core::{Geometry, LabelMap, Segment};
use crate::io::{DicomStack, Series};
use crate::jobs::JobContext;
use glam::{DQuat, DVec3};
use proptest::prelude::*;
use std::sync::Arc;

const AXIAL: [f64; 6] = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0];

/// Linear in the patient, so that linear interpolation must give it back everywhere.
fn ramp(p: DVec3) -> f64 {
    500.0 + 40.0 * p.x - 25.0 * p.y + 12.0 * p.z
}

fn scan_of(slices: &[TestSlice]) -> (DicomScan, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let files: Vec<_> = slices.iter().map(|s| s.write(dir.path())).collect();
    (scan_files(&files, &JobContext::detached()), dir)
}

fn ramp_slices(positions: &[DVec3], orientation: [f64; 6]) -> Vec<TestSlice> {
    positions.iter().enumerate().map(|(n, p)| TestSlice::of(n, *p, orientation, ramp)).collect()
}

fn offer(series: &Series) -> &DicomStack {
    series.resampled.as_ref().unwrap_or_else(|| panic!("no offer: {:?}", series.findings))
}

/// Checks every voxel against the ramp and gives back how many are inside.
fn inside(stack: &DicomStack) -> usize {
    let volume = load(stack);
    let g = volume.geometry();
    let [nx, ny, _] = g.dims();
    let slices = SourceSlices::of(stack).unwrap();
    let mut inside = 0;
    for (n, &hu) in volume.hu().iter().enumerate() {
        let voxel = DVec3::new((n % nx) as f64, (n / nx % ny) as f64, (n / (nx * ny)) as f64);
        if hu == OUTSIDE_HU {
            continue;
        }
        inside += 1;
        let exact = ramp(g.world_from_voxel().transform_point3(voxel));
        // Half a unit from the slices' own rounding and half from ours; edges hold for half a pixel or plane.
        let edge = 0.5 * (40.0 * 0.7 + 25.0 * 0.7 + 12.0 * g.spacing().z) + 1.0;
        let beyond = |o: &DVec3| {
            let pixel = voxel - *o;
            pixel.x < 0.0 || pixel.y < 0.0 || pixel.x > 3.0 || pixel.y > 2.0
        };
        let near = slices.offsets().iter().filter(|o| (o.z - voxel.z).abs() < 1.0);
        let at_edge = near.into_iter().any(beyond);
        let tolerance = if at_edge { edge } else { 1.01 };
        assert!((f64::from(hu) - exact).abs() <= tolerance, "{voxel}: {hu} for {exact}");
    }
    inside
}

#[test]
fn a_gap_is_bridged_and_the_slices_themselves_keep_their_values() {
    let positions = [0.0, 5.0, 10.0, 20.0, 25.0].map(|z| DVec3::new(-3.0, 4.0, z));
    let slices = ramp_slices(&positions, AXIAL);
    let (scan, _dir) = scan_of(&slices);
    let all = series(&scan);
    // The parts are there for whoever declines, and share one offer.
    assert_eq!(all.iter().map(|s| (s.slices, s.can_open())).collect::<Vec<_>>(), [(3, true), (2, true)]);
    assert!(Arc::ptr_eq(all[0].resampled.as_ref().unwrap(), all[1].resampled.as_ref().unwrap()));
    assert!(all[0].findings.iter().any(|f| f.code == "can-be-resampled" && f.text.contains("--resample")));
    let stack = offer(all[0]);
    assert_eq!((stack.geometry.dims(), stack.geometry.spacing().z), ([4, 3, 6], 5.0));
    assert!(stack.resampling.as_ref().unwrap().reason.contains("1 slice is missing"));
    assert_eq!(inside(stack), 4 * 3 * 6);
    let volume = load(stack);
    for (k, slice) in [0, 1, 2, 4, 5].into_iter().zip(&slices) {
        let stored: Vec<i16> = slice.stored.iter().map(|v| *v as i16 - 1024).collect();
        assert_eq!(volume.slice(k).unwrap(), stored);
    }
}

#[test]
fn hopeless_spacing_opens_resampled_only() {
    let positions = [0.0, 1.0, 3.7, 5.1, 9.0].map(|z| DVec3::new(0.0, 0.0, z));
    let (scan, _dir) = scan_of(&ramp_slices(&positions, AXIAL));
    let all = series(&scan);
    assert!(!all[0].can_open() && all[0].can_open_somehow());
    assert!(all[0].findings.iter().any(|f| f.code == "uneven-spacing" && f.text.contains("only when it is resampled")));
    let stack = offer(all[0]);
    assert_eq!(inside(stack), stack.geometry.voxel_count());
}

/// Both ways a tilt is written: the slices' normal away from the table's axis, or their positions.
#[test]
fn a_tilted_stack_becomes_orthogonal_and_covers_every_slice() {
    let turn = DQuat::from_rotation_x(-14f64.to_radians());
    let (row, column) = (turn * DVec3::X, turn * DVec3::Y);
    let leaning = [row.x, row.y, row.z, column.x, column.y, column.z];
    for (orientation, step) in
        [(leaning, DVec3::new(0.0, 0.0, 2.0)), (AXIAL, DVec3::new(0.1, -0.5, 2.0)), (AXIAL, DVec3::new(0.0, 0.3, 2.0))]
    {
        let positions: Vec<DVec3> = (0..5).map(|n| DVec3::new(7.0, -5.0, 3.0) + step * f64::from(n)).collect();
        let (scan, _dir) = scan_of(&ramp_slices(&positions, orientation));
        let stack = offer(series(&scan)[0]);
        let g = stack.geometry;
        let d = g.direction();
        assert!(d.x_axis.dot(d.y_axis).abs() + d.x_axis.dot(d.z_axis).abs() + d.y_axis.dot(d.z_axis).abs() < 1e-9);
        assert_eq!(g.dims()[2], 5);
        let slices = SourceSlices::of(stack).unwrap();
        for (n, o) in slices.offsets().iter().enumerate() {
            assert!((o.z - n as f64).abs() < 1e-6, "a plane of the grid for every slice: {o}");
            assert!(o.x > -0.51 && o.x + 3.0 < g.dims()[0] as f64 - 0.49, "{o}");
            assert!(o.y > -0.51 && o.y + 2.0 < g.dims()[1] as f64 - 0.49, "{o}");
        }
        assert!(inside(stack) >= 5 * 4 * 3 - 5 * 4, "{}", inside(stack));
        assert!(stack.resampling.as_ref().unwrap().reason.starts_with("The gantry was tilted by"));
    }
}

#[test]
fn slices_shifted_sideways_can_be_put_straight() {
    let positions = [DVec3::ZERO, DVec3::new(2.0, 0.0, 5.0), DVec3::new(0.0, 0.0, 10.0)];
    let (scan, _dir) = scan_of(&ramp_slices(&positions, AXIAL));
    let all = series(&scan);
    assert!(!all[0].can_open());
    assert!(all[0].findings.iter().any(|f| f.code == "shifted-slices"));
    assert!(inside(offer(all[0])) >= 30);
}

#[test]
fn even_stacks_are_not_asked_about_and_wide_gaps_not_bridged() {
    let even = [0.0, 5.0, 10.0].map(|z| DVec3::new(0.0, 0.0, z));
    assert!(series(&scan_of(&ramp_slices(&even, AXIAL)).0)[0].resampled.is_none());
    let wide = [0.0, 1.0, 2.0, 500.0, 501.0, 502.0].map(|z| DVec3::new(0.0, 0.0, z));
    let (scan, _dir) = scan_of(&ramp_slices(&wide, AXIAL));
    assert_eq!(series(&scan).len(), 2);
    assert!(series(&scan).iter().all(|s| s.resampled.is_none() && s.can_open()));
}

#[test]
fn a_segmentation_of_a_resampled_stack_lies_on_the_source_slices() {
    let positions = [0.0, 4.0, 8.0, 12.0, 13.1, 20.1].map(|z| DVec3::new(-3.0, 0.05 * z, z));
    let (scan, dir) = scan_of(&ramp_slices(&positions, AXIAL));
    let stack = offer(series(&scan)[0]);
    let mut labels = LabelMap::empty(stack.geometry);
    let [nx, ny, nz] = stack.geometry.dims();
    for k in 1..nz {
        for j in 1..ny {
            labels.set([k % nx, j, k], 1 + (k % 2) as u8);
        }
    }
    let segments = [Segment::new(1, "liver"), Segment::new(2, "spleen")];
    let path = dir.path().join("seg.dcm");
    save_seg(&path, &[(&labels, &segments[..])], stack, &JobContext::<()>::detached()).unwrap();
    let frames = SourceFrames::new(&labels, stack).unwrap();
    assert_eq!((frames.slices().count(), frames.slices().spacing()), (6, None));
    // Each frame of the file names the plane of a source slice and holds what lies nearest to its pixels.
    let file = super::frames::FrameFile::open(&path).unwrap();
    let world = stack.geometry.voxel_from_world();
    let mut seen = 0;
    for (number, place) in file.places.iter().enumerate() {
        let position = place.position.unwrap();
        let n = positions.iter().position(|p| (*p - position).length() < 1e-9).expect("a source slice's plane");
        assert_eq!(place.spacing.unwrap().to_array(), [0.7, 0.7]);
        let plane = frames.slices().plane(n).unwrap();
        let words = file.read_words(number).unwrap();
        let mut own = vec![0; 12];
        frames.read(n, &mut own);
        let label = words.iter().zip(&own).find(|(w, _)| **w == 1).map_or(0, |(_, l)| *l);
        for (pixel, word) in words.iter().enumerate() {
            let at = DVec3::new((pixel % 4) as f64, (pixel / 4) as f64, 0.0);
            let voxel = world.transform_point3(plane.world_from_voxel().transform_point3(at)).round();
            let expected = labels.at(voxel.to_array().map(|v| v as i64));
            assert_eq!(own[pixel], expected);
            assert_eq!(*word == 1, label != 0 && expected == label, "slice {n}, pixel {pixel}");
            seen += usize::from(*word);
        }
    }
    assert!(seen > 10);
}

fn stack_at(positions: &[DVec3]) -> Option<DicomStack> {
    let (scan, _dir) = scan_of(&ramp_slices(positions, AXIAL));
    series(&scan)[0].resampled.as_deref().cloned()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    /// Where every slice has a plane of its own, a mask of the slices survives the way to the grid and back.
    #[test]
    fn masks_of_source_slices_survive_the_grid(
        steps in prop::collection::vec(prop::sample::select(vec![2.0f64, 4.0, 6.0]), 3..7),
        lean in (-0.2f64..0.2, -0.15f64..0.15),
        painted in prop::collection::vec(0u8..4, 12 * 7),
    ) {
        let mut z = 0.0;
        let mut positions = vec![DVec3::ZERO];
        for step in [2.0, 2.0].iter().chain(&steps) {
            z += step;
            positions.push(DVec3::new(lean.0 * z, lean.1 * z, z));
        }
        let Some(stack) = stack_at(&positions) else { return Ok(()) };
        let slices = SourceSlices::of(&stack).unwrap();
        prop_assert_eq!(stack.geometry.spacing().z, 2.0);
        let mut source = LabelMap::empty(slices.index_grid());
        for (n, label) in painted.iter().enumerate().filter(|(n, _)| n / 12 < slices.count()) {
            source.set([n % 4, n / 4 % 3, n / 12], *label);
        }
        let on_grid = slices.labels_on_grid(&source);
        let back = SourceFrames::new(&on_grid, &stack).unwrap();
        prop_assert_eq!(back.labels().to_dense(), source.to_dense());
        for (n, p) in positions.iter().enumerate() {
            let at = slices.index_from_world(*p + DVec3::new(0.7, 1.4, 0.0));
            prop_assert!((at - DVec3::new(1.0, 2.0, n as f64)).length() < 1e-6, "{}", at);
        }
    }
}

#[test]
fn a_stack_that_contradicts_itself_is_refused() {
    let positions = [0.0, 5.0, 10.0, 20.0].map(|z| DVec3::new(0.0, 0.0, z));
    let stack = stack_at(&positions).unwrap();
    assert!(SourceSlices::of(&stack).is_some());
    let mut wrong = stack.clone();
    wrong.slices[1].position = None;
    assert!(SourceSlices::of(&wrong).is_none() && load_stack(&wrong, &JobContext::detached()).is_err());
    let mut wrong = stack.clone();
    wrong.slices.swap(0, 1);
    assert!(SourceSlices::of(&wrong).is_none());
    let mut wrong = stack;
    wrong.resampling.as_mut().unwrap().slice_size = [usize::MAX, 2];
    assert!(SourceSlices::of(&wrong).is_none());
    let other = Geometry::axis_aligned([4, 3, 2], DVec3::ONE, DVec3::ZERO).unwrap();
    assert!(SourceFrames::new(&LabelMap::empty(other), &wrong).is_none());
}

#[test]
fn real_tilts_gaps_and_spacings_are_offered() {
    let (Some(qa), Some(failing)) = (data("dcm-qa-ct/GE_tilt_varspacing"), data("dicom2nifti-failing")) else { return };
    let qa = scan(&qa);
    let stack = offer(series(&qa)[0]);
    assert_eq!(stack.slices.len(), 28);
    assert!((stack.geometry.spacing().z - 4.0).abs() < 0.01, "{}", stack.geometry.spacing());
    let volume = load(stack);
    assert!(volume.range()[1] > 1000);
    let failing = scan(&failing);
    let offers: Vec<&DicomStack> = series(&failing).iter().filter_map(|s| s.resampled.as_deref()).collect();
    let reasons: Vec<&str> = offers.iter().map(|s| s.resampling.as_ref().unwrap().reason.as_str()).collect();
    assert!(reasons.iter().any(|r| r.contains("14.0 degrees")) && reasons.iter().any(|r| r.contains("1 slice is")));
    for stack in offers {
        // A plane of the grid for each slice, with the very samples of the slice when it is not shifted.
        let slices = SourceSlices::of(stack).unwrap();
        assert!(slices.offsets().iter().all(|o| (o.z - o.z.round()).abs() < 0.02), "{:?}", slices.offsets());
    }
}
