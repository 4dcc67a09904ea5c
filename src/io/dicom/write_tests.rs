//! Segmentations and structure sets that we write: references, odd series, and voxels after a round trip.

use super::contours::contours;
use super::guard::with_header;
use super::raster::Raster;
use super::real_data::{series, stack};
use super::test_files::TestSlice;
use super::*;
use crate::core::{Geometry, LabelMap, Segment, Volume};
use crate::io::DicomStack;
use crate::jobs::JobContext;
use dicom_dictionary_std::{tags, uids};
use glam::{DAffine3, DMat3, DQuat, DVec3, EulerRot};
use proptest::prelude::*;
use std::path::Path;

fn noise(n: usize, seed: u64) -> impl Iterator<Item = u64> {
    let mut state = seed | 1;
    (0..n).map(move |_| {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        state >> 40
    })
}

fn grid(dims: [usize; 3], angles: [f64; 3], spacing: DVec3) -> Geometry {
    let rotation = DMat3::from_quat(DQuat::from_euler(EulerRot::XYZ, angles[0], angles[1], angles[2]));
    let matrix3 = rotation * DMat3::from_diagonal(spacing);
    Geometry::new(dims, DAffine3 { matrix3, translation: DVec3::new(-100.25, 31.5, 812.125) }).unwrap()
}

/// A CT series of the grid, as the scan finds it.
fn written_series(dir: &Path, geometry: Geometry) -> DicomStack {
    let info = CtSeriesInfo {
        patient_id: "PHANTOM-0001".into(),
        series_description: "Synthetic".into(),
        series_number: 1,
        body_part: "CHEST".into(),
        seed: 3,
        window: None,
    };
    let volume = Volume::new(geometry, vec![0i16; geometry.voxel_count()]).unwrap();
    let files = write_ct_series(dir, &volume, &info).unwrap();
    stack(series(&scan_files(&files, &JobContext::detached()))[0]).clone()
}

fn ctx() -> JobContext<()> {
    JobContext::detached()
}

/// Fills contours as our reader does.
fn filled(polygons: &[Vec<glam::DVec2>], [width, height]: [usize; 2]) -> Vec<bool> {
    let mut raster = Raster::new(width, height);
    polygons.iter().for_each(|p| raster.toggle(p));
    let mut out = vec![false; width * height];
    raster.for_each_inside(|i, j| out[j * width + i] = true);
    out
}

/// Fills each contour for itself, as readers without a notion of holes do, points rounded to pixels and edges included.
fn filled_roughly(polygons: &[Vec<glam::DVec2>], [width, height]: [usize; 2]) -> Vec<bool> {
    let mut out = vec![false; width * height];
    for polygon in polygons {
        let rounded: Vec<glam::DVec2> = polygon.iter().map(|p| p.round()).collect();
        for (i, inside) in filled(std::slice::from_ref(&rounded), [width, height]).into_iter().enumerate() {
            out[i] |= inside;
        }
        for (a, b) in rounded.iter().zip(rounded.iter().cycle().skip(1)) {
            let steps = (*b - *a).abs().max_element() as usize;
            for n in 0..=steps {
                let p = a.lerp(*b, n as f64 / steps.max(1) as f64).round();
                out[p.y as usize * width + p.x as usize] = true;
            }
        }
    }
    out
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn contours_hold_exactly_their_pixels(width in 1usize..24, height in 1usize..20, fill in 1u64..10, seed: u64) {
        let mask: Vec<bool> = noise(width * height, seed).map(|v| v % 10 < fill).collect();
        let found = contours(0..width, 0..height, |x, y| mask[y * width + x]);
        prop_assert_eq!(&filled(&found, [width, height]), &mask);
        // Each contour for itself and joined by `or` is the same, and so is a fill of rounded points with their edges.
        prop_assert_eq!(&filled_roughly(&found, [width, height]), &mask);
        let mut joined = vec![false; width * height];
        for one in &found {
            for (n, inside) in filled(std::slice::from_ref(one), [width, height]).into_iter().enumerate() {
                prop_assert!(!(inside && joined[n]), "contours overlap");
                joined[n] |= inside;
            }
        }
        prop_assert_eq!(joined, mask);
    }

    #[test]
    fn structure_sets_come_back_voxel_for_voxel(
        dims in (1usize..20, 1usize..18, 1usize..6),
        angles in prop::array::uniform3(-0.7f64..0.7),
        spacing in (0.2f64..2.0, 0.2f64..2.0, 0.5f64..6.0),
        count in 1u8..5, blobs: bool, seed: u64,
    ) {
        let dir = tempfile::tempdir().unwrap();
        let geometry = grid([dims.0, dims.1, dims.2], angles, DVec3::new(spacing.0, spacing.1, spacing.2));
        let stack = written_series(dir.path(), geometry);
        let [nx, ny, _] = geometry.dims();
        let dense: Vec<u8> = noise(geometry.voxel_count(), seed).enumerate().map(|(n, v)| {
            let (i, j) = (n % nx, n / nx % ny);
            let blob = (i / 5 + j / 4) % (usize::from(count) + 1);
            if blobs { blob as u8 } else { (v % (u64::from(count) + 1)) as u8 }
        }).collect();
        let labels = LabelMap::from_dense(stack.geometry, &dense).unwrap();
        let names = ["liver", "left lung", "Größe µ 肺", "tumour"];
        let segments: Vec<Segment> = (1..=count).map(|id| Segment::new(id, names[usize::from(id - 1)])).collect();
        let path = dir.path().join("rs.dcm");
        save_rtstruct(&path, &[(&labels, &segments[..])], &stack, &ctx()).unwrap();
        if labels.counts()[0] as usize == geometry.voxel_count() {
            return Ok(());
        }
        let back = load_rtstruct(&path, &stack.geometry, &ctx()).unwrap();
        prop_assert_eq!(back.labels.to_dense(), dense);
        prop_assert_eq!(&back.segments, &segments);
        prop_assert!(back.findings.is_empty(), "{:?}", back.findings);
    }
}

#[test]
fn a_hole_and_the_island_in_it_are_two_contours() {
    let picture = ["#######", "#.....#", "#.###.#", "#.#.#.#", "#.###.#", "#.....#", "#######"];
    let inside = |x: usize, y: usize| picture[y].as_bytes()[x] == b'#';
    let found = contours(0..7, 0..7, inside);
    assert_eq!(found.len(), 2);
    // Outer corners, four corners of the hole, and a channel of two points at each end.
    assert_eq!(found.iter().map(Vec::len).collect::<Vec<_>>(), [12, 12]);
    // Two pixels that touch at a corner are two parts; a diagonal hole is one.
    assert_eq!(contours(0..2, 0..2, |x, y| x == y).len(), 2);
    assert_eq!(contours(0..4, 0..4, |x, y| (x, y) != (1, 1) && (x, y) != (2, 2)).len(), 1);
}

#[test]
fn holes_by_the_thousand_need_no_deep_stack() {
    let n = 600;
    let found = contours(0..n, 0..n, |x, y| x % 2 == 0 || y % 2 == 0);
    assert_eq!(found.len(), 1);
    let mask = filled(&found, [n, n]);
    assert!((0..n * n).all(|p| mask[p] == (p % n % 2 == 0 || p / n % 2 == 0)));
}

#[test]
fn a_structure_set_names_its_images_and_empty_regions() {
    let dir = tempfile::tempdir().unwrap();
    let stack = written_series(dir.path(), grid([6, 5, 3], [0.0; 3], DVec3::new(0.7, 0.8, 2.5)));
    let mut labels = LabelMap::empty(stack.geometry);
    labels.set([2, 3, 1], 3);
    let mut segments = [Segment::new(1, "empty"), Segment::new(3, "tumour")];
    segments[1].file_value = 77;
    let path = dir.path().join("rs.dcm");
    save_rtstruct(&path, &[(&labels, &segments[..])], &stack, &ctx()).unwrap();
    let seen = with_header(&path, |header| {
        let set = header.set;
        assert_eq!(header.syntax.uid, uids::IMPLICIT_VR_LITTLE_ENDIAN);
        let numbers = set.items(tags::STRUCTURE_SET_ROI_SEQUENCE).iter().map(|i| i.integer(tags::ROI_NUMBER));
        assert_eq!(numbers.collect::<Vec<_>>(), [Some(1), Some(77)]);
        let regions = set.items(tags::ROI_CONTOUR_SEQUENCE);
        assert!(!regions[0].has(tags::CONTOUR_SEQUENCE));
        let contour = regions[1].item(tags::CONTOUR_SEQUENCE).unwrap();
        // The plane's own number, to the last digit.
        assert!(contour.text(tags::CONTOUR_DATA).split('\\').skip(2).step_by(3).all(|z| z == "814.625"));
        Ok(contour.numbers(tags::CONTOUR_DATA).unwrap().len())
    });
    assert_eq!(seen.unwrap(), 12);
    let scan = scan_files(&super::real_data::files_below(dir.path()), &JobContext::detached());
    assert_eq!(series(&scan)[0].masks.len(), 1, "it belongs to the series it names");
    let back = load_rtstruct(&path, &stack.geometry, &ctx()).unwrap();
    assert_eq!((back.labels.at([2, 3, 1]), back.labels.counts()[2]), (2, 1));
    assert_eq!(back.segments[1].file_value, 77);

    // Numbers that cannot be told apart give way.
    segments[0].file_value = 77;
    save_rtstruct(&path, &[(&labels, &segments[..])], &stack, &ctx()).unwrap();
    let back = load_rtstruct(&path, &stack.geometry, &ctx()).unwrap();
    assert_eq!(back.segments.iter().map(|s| s.file_value).collect::<Vec<_>>(), [1, 2]);
    let cancelled = ctx();
    cancelled.cancel.cancel();
    let gone = dir.path().join("gone.dcm");
    assert_eq!(save_rtstruct(&gone, &[(&labels, &segments[..])], &stack, &cancelled), Err(DicomError::Cancelled));
    labels.set([0, 0, 0], 9);
    let error = save_rtstruct(&gone, &[(&labels, &segments[..])], &stack, &ctx()).unwrap_err().to_string();
    assert!(error.contains("label 9 is painted but has no segment") && !gone.exists(), "{error}");
}

/// What a segmentation says of its frames: segment, dimension indices, height; and of the distance between slices.
type Frames = (Vec<(u16, Vec<u8>, f64)>, Option<f64>, Option<f64>);

fn frames_of(path: &Path) -> Frames {
    with_header(path, |header| {
        let set = header.set;
        let groups = set.items(tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE);
        assert_eq!(set.integer(tags::NUMBER_OF_FRAMES), Some(groups.len() as i64));
        let frames = groups.iter().map(|g| {
            let number = g.item(tags::SEGMENT_IDENTIFICATION_SEQUENCE).unwrap().u16(tags::REFERENCED_SEGMENT_NUMBER);
            let indices = g.item(tags::FRAME_CONTENT_SEQUENCE).unwrap().bytes(tags::DIMENSION_INDEX_VALUES).unwrap();
            let indices = indices.chunks(4).map(|v| v[0]).collect();
            let z = g.item(tags::PLANE_POSITION_SEQUENCE).unwrap().vector(tags::IMAGE_POSITION_PATIENT).unwrap().z;
            (number.unwrap(), indices, z)
        });
        let shared = set.item(tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE).unwrap();
        let measures = shared.item(tags::PIXEL_MEASURES_SEQUENCE).unwrap();
        let (thickness, spacing) =
            (measures.number(tags::SLICE_THICKNESS), measures.number(tags::SPACING_BETWEEN_SLICES));
        Ok((frames.collect(), thickness, spacing))
    })
    .unwrap()
}

#[test]
fn empty_segments_are_described_and_frames_lie_on_filled_slices() {
    let dir = tempfile::tempdir().unwrap();
    let stack = written_series(dir.path(), grid([5, 3, 4], [0.0; 3], DVec3::new(0.7, 0.8, 2.5)));
    let mut labels = LabelMap::empty(stack.geometry);
    labels.set([4, 2, 1], 2);
    labels.set([0, 0, 3], 2);
    labels.set([1, 0, 3], 3);
    let segments: Vec<Segment> = (1..4).map(|id| Segment::new(id, format!("s{id}"))).collect();
    let path = dir.path().join("seg.dcm");
    save_seg(&path, &[(&labels, &segments[..])], &stack, &ctx()).unwrap();
    let (frames, thickness, spacing) = frames_of(&path);
    assert_eq!(frames, [(2, vec![2, 1], 814.625), (2, vec![2, 2], 819.625), (3, vec![3, 2], 819.625)]);
    assert_eq!((thickness, spacing), (Some(2.5), Some(2.5)));
    let back = load_seg(&path, &stack.geometry, &ctx()).unwrap();
    assert_eq!((back.labels.to_dense(), &back.segments), (labels.to_dense(), &segments));
    // Nothing at all is painted: one empty frame, because a file without frames is none.
    save_seg(&path, &[(&LabelMap::empty(stack.geometry), &segments[..])], &stack, &ctx()).unwrap();
    assert_eq!(frames_of(&path).0, [(1, vec![1, 1], 812.125)]);
    let back = load_seg(&path, &stack.geometry, &ctx()).unwrap();
    assert_eq!((back.labels.counts()[0], back.segments), (60, segments));
}

#[test]
fn single_and_tilted_series_say_their_true_distances() {
    let labels_of = |stack: &DicomStack| {
        let mut labels = LabelMap::empty(stack.geometry);
        let last = stack.geometry.dims()[2] - 1;
        labels.set([3, 2, last], 1);
        labels
    };
    let segments = [Segment::new(1, "liver")];
    let dir = tempfile::tempdir().unwrap();
    let single = stack_of(&[TestSlice::at(7.0)], dir.path());
    let path = dir.path().join("seg.dcm");
    save_seg(&path, &[(&labels_of(&single), &segments[..])], &single, &ctx()).unwrap();
    let (frames, thickness, spacing) = frames_of(&path);
    assert_eq!((frames.len(), thickness, spacing), (1, Some(2.5), None), "one slice has no neighbour");
    // Moved sideways from slice to slice, as a tilted gantry does: the distance counts along the normal.
    let dir = tempfile::tempdir().unwrap();
    let slices: Vec<TestSlice> = (0..4)
        .map(|n| TestSlice {
            position: Some([0.0, 0.7 * f64::from(n), 2.0 * f64::from(n)]),
            ..TestSlice::at(f64::from(n))
        })
        .collect();
    let tilted = stack_of(&slices, dir.path());
    let path = dir.path().join("seg.dcm");
    save_seg(&path, &[(&labels_of(&tilted), &segments[..])], &tilted, &ctx()).unwrap();
    assert_eq!(frames_of(&path).2, Some(2.0));
    let back = load_seg(&path, &tilted.geometry, &ctx()).unwrap();
    assert_eq!(back.labels.to_dense(), labels_of(&tilted).to_dense());
    let rs = dir.path().join("rs.dcm");
    save_rtstruct(&rs, &[(&labels_of(&tilted), &segments[..])], &tilted, &ctx()).unwrap();
    let back = load_rtstruct(&rs, &tilted.geometry, &ctx()).unwrap();
    assert_eq!(back.labels.to_dense(), labels_of(&tilted).to_dense());
}

fn stack_of(slices: &[TestSlice], dir: &Path) -> DicomStack {
    let files: Vec<_> = slices.iter().map(|s| s.write(dir)).collect();
    stack(series(&scan_files(&files, &JobContext::detached()))[0]).clone()
}
