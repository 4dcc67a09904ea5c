//! Structure sets: what encloses an area is filled, and what does not is named.

use super::write::Builder;
use super::*;
use crate::core::Geometry;
use crate::io::LoadedMask;
use crate::jobs::JobContext;
use dicom_core::VR;
use dicom_dictionary_std::{tags, uids};
use glam::{DAffine3, DMat3, DQuat, DVec3};
use std::path::Path;

pub(super) fn contour(points: &[[f64; 3]], kind: &str) -> Builder {
    let numbers: Vec<f64> = points.iter().flatten().copied().collect();
    Builder::new()
        .text(tags::CONTOUR_GEOMETRIC_TYPE, VR::CS, kind)
        .text(tags::NUMBER_OF_CONTOUR_POINTS, VR::IS, points.len().to_string())
        .decimals(tags::CONTOUR_DATA, &numbers)
}

fn square(low: f64, high: f64, z: f64) -> [[f64; 3]; 4] {
    [[low, low, z], [high, low, z], [high, high, z], [low, high, z]]
}

pub(super) fn structure_set(path: &Path, rois: Vec<(&str, Vec<Builder>)>) {
    let (names, contours): (Vec<_>, Vec<_>) = rois
        .into_iter()
        .enumerate()
        .map(|(n, (name, contours))| {
            let number = (n + 4).to_string();
            let roi = Builder::new().text(tags::ROI_NUMBER, VR::IS, &number).text(tags::ROI_NAME, VR::LO, name);
            let item = Builder::new()
                .text(tags::REFERENCED_ROI_NUMBER, VR::IS, &number)
                .text(tags::ROI_DISPLAY_COLOR, VR::IS, "255\\128\\0")
                .items(tags::CONTOUR_SEQUENCE, contours);
            (roi, item)
        })
        .unzip();
    Builder::new()
        .text(tags::SOP_CLASS_UID, VR::UI, uids::RT_STRUCTURE_SET_STORAGE)
        .text(tags::SOP_INSTANCE_UID, VR::UI, "1.2.3")
        .text(tags::MODALITY, VR::CS, "RTSTRUCT")
        .items(tags::STRUCTURE_SET_ROI_SEQUENCE, names)
        .items(tags::ROI_CONTOUR_SEQUENCE, contours)
        .save(path, VR::OW, 0, |_| Ok(()))
        .unwrap();
}

#[test]
fn contours_fill_even_odd_and_strays_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("rs.dcm");
    let reference = Geometry::axis_aligned([10, 10, 3], DVec3::new(1.0, 1.0, 2.0), DVec3::ZERO).unwrap();
    let ring = vec![contour(&square(0.5, 8.5, 2.1), "CLOSED_PLANAR"), contour(&square(2.5, 5.5, 2.0), "CLOSED_PLANAR")];
    let strays = vec![
        contour(&square(0.5, 2.5, 1.0), "CLOSED_PLANAR"),
        contour(&square(0.5, 2.5, 2.0), "OPEN_PLANAR"),
        contour(&[[0.0; 3], [1.0, 1.0, 0.0]], "CLOSED_PLANAR"),
        contour(&square(6.5, 8.5, 2.0), "CLOSED_PLANAR"),
    ];
    structure_set(&path, vec![("GTV", ring), ("Node", strays)]);
    let mask = load_rtstruct(&path, &reference, &JobContext::<()>::detached()).unwrap();
    let (counts, node) = (mask.labels.counts(), &mask.further[0]);
    assert_eq!((counts[1], mask.labels.at([4, 4, 1]), mask.labels.at([7, 7, 1])), (64 - 9, 0, 1));
    assert_eq!((node.labels.counts()[2], node.labels.at([7, 7, 1]), node.segments[0].name.as_str()), (4, 2, "Node"));
    assert_eq!(
        (mask.segments[0].name.as_str(), node.segments[0].color, mask.segments[0].file_value),
        ("GTV", [255, 128, 0], 4)
    );
    let codes: Vec<_> = mask.findings.iter().map(|f| f.code).collect();
    assert_eq!(codes, ["open-contours", "unreadable-contours", "off-plane-contours", "overlapping-labels"]);
    assert!(
        mask.findings[2].text.contains("1 contour lies between two slices")
            && mask.findings[2].text.contains("Node: 1")
    );
    let far = Geometry::axis_aligned([10, 10, 3], DVec3::ONE, DVec3::splat(900.0)).unwrap();
    let error = load_rtstruct(&path, &far, &JobContext::<()>::detached()).unwrap_err();
    assert!(matches!(error, DicomError::Mismatch { .. }));
}

/// The contours of one region, read onto a grid.
fn read(reference: &Geometry, contours: Vec<Builder>) -> Result<LoadedMask, DicomError> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("rs.dcm");
    structure_set(&path, vec![("GTV", contours)]);
    load_rtstruct(&path, reference, &JobContext::<()>::detached())
}

fn cube() -> Geometry {
    Geometry::axis_aligned([10, 9, 8], DVec3::new(1.0, 1.5, 2.0), DVec3::new(-4.0, 5.0, 6.0)).unwrap()
}

/// A closed contour around the pixels from 2 to 5 and from 3 to 6 on a plane across one axis of the grid, through voxel
/// centres at `at` of that axis.
fn on_plane(grid: &Geometry, axis: usize, at: f64, kind: &str) -> Builder {
    let (a, b) = [(1, 2), (0, 2), (0, 1)][axis];
    let points = [(1.5, 2.5), (5.5, 2.5), (5.5, 6.5), (1.5, 6.5)].map(|(u, v)| {
        let mut voxel = DVec3::splat(at);
        (voxel[a], voxel[b]) = (u, v);
        grid.world_from_voxel().transform_point3(voxel).to_array()
    });
    contour(&points, kind)
}

#[test]
fn contours_lie_on_planes_of_any_axis_also_of_oblique_series() {
    let turn = DMat3::from_quat(DQuat::from_axis_angle(DVec3::new(1.0, 2.0, 0.5).normalize(), 0.6));
    let oblique = DAffine3 { matrix3: turn * cube().world_from_voxel().matrix3, ..cube().world_from_voxel() };
    for grid in [cube(), Geometry::new([10, 9, 8], oblique).unwrap()] {
        for axis in 0..3 {
            let mask = read(&grid, vec![on_plane(&grid, axis, 3.1, "CLOSED_PLANAR")]).unwrap();
            assert_eq!((mask.labels.counts()[1], mask.findings.len()), (16, 0), "axis {axis}");
            let mut inside = [2, 2, 2];
            let (a, b) = [(1, 2), (0, 2), (0, 1)][axis];
            (inside[a], inside[b], inside[axis]) = (2, 6, 3);
            assert_eq!(mask.labels.at(inside), 1, "axis {axis}");
        }
    }
}

#[test]
fn several_contours_and_keyholes_leave_holes() {
    let grid = Geometry::axis_aligned([12, 12, 1], DVec3::ONE, DVec3::ZERO).unwrap();
    // One line that goes round the outside, in through a slit of no width, round the hole the other way, and back.
    let keyhole = [
        [0.5, 0.5, 0.0],
        [9.5, 0.5, 0.0],
        [9.5, 9.5, 0.0],
        [0.5, 9.5, 0.0],
        [0.5, 3.5, 0.0],
        [3.5, 3.5, 0.0],
        [3.5, 6.5, 0.0],
        [6.5, 6.5, 0.0],
        [6.5, 3.5, 0.0],
        [3.5, 3.5, 0.0],
        [0.5, 3.5, 0.0],
    ];
    let one = read(&grid, vec![contour(&keyhole, "CLOSED_PLANAR")]).unwrap();
    assert_eq!((one.labels.counts()[1], one.labels.at([5, 5, 0])), (81 - 9, 0));
    let two =
        vec![contour(&square(0.5, 9.5, 0.0), "CLOSED_PLANAR"), contour(&square(3.5, 6.5, 0.0), "CLOSEDPLANAR_XOR")];
    assert_eq!(read(&grid, two).unwrap().labels, one.labels);
    let apart =
        vec![contour(&square(0.5, 2.5, 0.0), "CLOSED_PLANAR"), contour(&square(6.5, 9.5, 0.0), "CLOSED_PLANAR")];
    assert_eq!(read(&grid, apart).unwrap().labels.counts()[1], 4 + 9);
    let island = vec![
        contour(&square(0.5, 9.5, 0.0), "CLOSED_PLANAR"),
        contour(&square(2.5, 7.5, 0.0), "CLOSED_PLANAR"),
        contour(&square(4.5, 5.5, 0.0), "CLOSED_PLANAR"),
    ];
    assert_eq!(read(&grid, island).unwrap().labels.counts()[1], 81 - 25 + 1);
}

#[test]
fn a_set_that_draws_nothing_is_refused_with_all_reasons() {
    let grid = cube();
    let says = |contours: Vec<Builder>, words: &[&str]| {
        let error = read(&grid, contours).unwrap_err().to_string();
        words.iter().for_each(|w| assert!(error.contains(w), "no {w:?} in {error}"));
    };
    let point = contour(&[[0.0, 6.0, 8.0]], "POINT");
    says(
        vec![point, on_plane(&grid, 2, 3.0, "OPEN_PLANAR")],
        &["nothing in it encloses an area", "2 contours are points"],
    );
    says(vec![on_plane(&grid, 2, 3.5, "CLOSED_PLANAR")], &["1 contour lies between two slices", "GTV: 1"]);
    says(vec![on_plane(&grid, 2, 40.0, "CLOSED_PLANAR")], &["1 contour lies beyond this volume", "another series"]);
    let across = [[0.0, 6.0, 8.0], [3.0, 6.0, 12.0], [3.0, 14.0, 19.0]];
    says(vec![contour(&across, "CLOSED_PLANAR")], &["1 contour runs across the slices"]);
    // Regions without any contour are listed and empty.
    let empty = read(&grid, Vec::new()).unwrap();
    assert_eq!((empty.segments[0].name.as_str(), empty.is_blank()), ("GTV", true));
}
