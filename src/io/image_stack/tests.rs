//! Picture stacks through disk and back, and pictures that are no mask.

use super::*;
use crate::core::{Flips, PRESETS};
use crate::io::types::{DicomStack, SliceFile};
use glam::DVec3;
use image::{GrayImage, ImageBuffer, Luma, Rgb, RgbImage};
use proptest::prelude::*;

fn grid(dims: [usize; 3]) -> Geometry {
    Geometry::axis_aligned(dims, DVec3::new(0.7, 0.8, 3.0), DVec3::ZERO).unwrap()
}

fn load(files: &[PathBuf], dims: [usize; 3]) -> Result<LoadedMask, ImageStackError> {
    load_image_stack(&Pictures::in_order(files), "liver", &grid(dims), &JobContext::detached())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]
    #[test]
    fn stacks_come_back(dims in prop::array::uniform3(1usize..14), several: bool, seed: u64) {
        let g = grid(dims);
        let mut state = seed | 1;
        let dense: Vec<u8> = (0..g.voxel_count()).map(|_| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 61) as u8 % if several { 4 } else { 2 }
        }).collect();
        prop_assume!(dense.contains(&1) && (!several || (dense.contains(&2) && dense.contains(&3))));
        let labels = LabelMap::from_dense(g, &dense).unwrap();
        let segments: Vec<Segment> = (1..=if several { 3 } else { 1 }).map(|id| Segment::new(id, "x")).collect();
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("out");
        save_image_stack(&folder, &labels, &segments).unwrap();
        // Saving again replaces what an earlier export made.
        save_image_stack(&folder, &labels, &segments).unwrap();
        prop_assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        let files = pictures_in(&folder).unwrap();
        prop_assert_eq!(files.len(), dims[2]);
        let back = load(&files, dims).unwrap();
        prop_assert_eq!(back.labels.to_dense(), dense.clone());
        prop_assert_eq!(back.segments.len(), segments.len());
        let reversed: Vec<PathBuf> = files.iter().rev().cloned().collect();
        let order = Flips { x: false, y: false, z: true };
        prop_assert_eq!(load(&reversed, dims).unwrap().labels.flipped(order).to_dense(), dense);
    }
}

#[test]
fn images_become_pictures_by_their_window() {
    let g = grid([16, 17, 3]);
    let hu: Vec<i16> = (0..g.voxel_count()).map(|n| (n * 37 % 1500) as i16 - 700).collect();
    let volume = Volume::new(g, hu.clone()).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("out");
    // With this window 0 HU is black and 255 HU is white: each picture holds the values themselves.
    let itself: fn(i16) -> u8 = |hu| hu.clamp(0, 255) as u8;
    let lung: fn(i16) -> u8 = |hu| (PRESETS[2].window.grey(f64::from(hu)) * 255.0).round() as u8;
    for (window, grey) in [(Window::new(256.0, 128.0), itself), (PRESETS[2].window, lung)] {
        save_grey_stack(&folder, &volume, &window).unwrap();
        let files = pictures_in(&folder).unwrap();
        assert_eq!((files.len(), files[2].file_name().unwrap().to_str()), (3, Some("0002.png")));
        let pixels = files.iter().flat_map(|f| image::open(f).unwrap().into_luma8().into_raw());
        assert_eq!(pixels.collect::<Vec<u8>>(), hu.iter().map(|hu| grey(*hu)).collect::<Vec<u8>>());
    }
    fs::write(folder.join("notes.txt"), b"mine").unwrap();
    let refused = save_grey_stack(&folder, &volume, &PRESETS[0].window);
    assert!(matches!(refused, Err(ImageStackError::Occupied { .. })));
}

#[test]
fn values_tell_one_label_from_several() {
    let dir = tempfile::tempdir().unwrap();
    let put = |name: &str, values: [u8; 4]| {
        let path = dir.path().join(name);
        GrayImage::from_raw(2, 2, values.to_vec()).unwrap().save(&path).unwrap();
        path
    };
    let one = load(&[put("a.png", [0, 255, 0, 255]), put("b.png", [0; 4])], [2, 2, 2]).unwrap();
    assert_eq!(one.labels.to_dense(), [0, 1, 0, 1, 0, 0, 0, 0]);
    assert_eq!((one.segments[0].name.as_str(), one.segments[0].file_value), ("liver", 1));
    let one = load(&[put("a.png", [0, 1, 0, 1])], [2, 2, 1]).unwrap();
    assert_eq!(one.labels.to_dense(), [0, 1, 0, 1]);
    let many = load(&[put("a.png", [0, 63, 126, 189]), put("b.png", [252, 0, 0, 63])], [2, 2, 2]).unwrap();
    assert_eq!(many.labels.to_dense(), [0, 63, 126, 189, 252, 0, 0, 63]);
    assert_eq!(many.segments.iter().map(|s| s.file_value).collect::<Vec<_>>(), [63, 126, 189, 252]);
    let wide = dir.path().join("w.png");
    ImageBuffer::<Luma<u16>, _>::from_raw(2, 1, vec![0u16, 65535]).unwrap().save(&wide).unwrap();
    assert_eq!(load(&[wide], [2, 1, 1]).unwrap().labels.to_dense(), [0, 1]);
    let colours = dir.path().join("c.png");
    RgbImage::from_fn(3, 1, |x, _| Rgb([[0, 0, 0], [255, 0, 0], [0, 255, 0]][x as usize])).save(&colours).unwrap();
    let colours = load(&[colours], [3, 1, 1]).unwrap();
    assert_eq!(colours.labels.to_dense(), [0, 2, 1]);
    assert_eq!(colours.segments.iter().map(|s| s.color).collect::<Vec<_>>(), [[0, 255, 0], [255, 0, 0]]);
}

#[test]
fn smooth_edges_and_jpeg_are_cut_in_the_middle() {
    let dir = tempfile::tempdir().unwrap();
    let disc = |x: u32, y: u32| f64::from(x).mul_add(1.0, -32.0).hypot(f64::from(y) - 32.0);
    let smooth = GrayImage::from_fn(64, 64, |x, y| Luma([(255.0 * (20.5 - disc(x, y)).clamp(0.0, 1.0)) as u8]));
    let hard = GrayImage::from_fn(64, 64, |x, y| Luma([if disc(x, y) < 20.0 { 255 } else { 0 }]));
    let (png, jpg) = (dir.path().join("s.png"), dir.path().join("h.jpg"));
    smooth.save(&png).unwrap();
    hard.save(&jpg).unwrap();
    let truth: Vec<u8> = hard.pixels().map(|p| p.0[0] / 255).collect();
    for path in [png, jpg] {
        let mask = load(std::slice::from_ref(&path), [64, 64, 1]).unwrap();
        let wrong = mask.labels.to_dense().iter().zip(&truth).filter(|(a, b)| a != b).count();
        assert!(wrong < 30, "{wrong} of {}", path.display());
        assert_eq!(mask.findings.iter().map(|f| f.code).collect::<Vec<_>>(), ["matched-by-order", "threshold"]);
        assert!(mask.unplaced);
        assert_eq!(mask.segments.len(), 1);
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.png");
    GrayImage::new(3, 2).save(&path).unwrap();
    let files = [path.clone()];
    let error = load(&files, [2, 2, 1]).unwrap_err().to_string();
    assert!(error.contains("is 3x2 pixels, the image's slices are 2x2"), "{error}");
    assert!(matches!(load(&files, [3, 2, 2]), Err(ImageStackError::Count { found: 1, expected: 2, .. })));
    fs::write(&path, b"no picture").unwrap();
    assert!(matches!(load(&files, [3, 2, 1]), Err(ImageStackError::Picture { .. })));
    let labels = LabelMap::empty(grid([2, 2, 2]));
    assert!(matches!(save_image_stack(dir.path(), &labels, &[]), Ok(()) | Err(ImageStackError::Occupied { .. })));
    fs::write(dir.path().join("notes.txt"), b"mine").unwrap();
    assert!(matches!(save_image_stack(dir.path(), &labels, &[]), Err(ImageStackError::Occupied { .. })));
    assert_eq!(fs::read(dir.path().join("notes.txt")).unwrap(), b"mine");
}

/// A DICOM series of these file names, slice by slice.
fn series(names: &[&str]) -> DicomStack {
    let slice = |name: &&str| SliceFile {
        path: Path::new("ct").join(name),
        frame: 0,
        sop_class_uid: String::new(),
        sop_instance_uid: String::new(),
        position: None,
    };
    DicomStack {
        geometry: grid([2, 1, names.len()]),
        slices: names.iter().map(slice).collect(),
        resampling: None,
        window: None,
        scale: None,
        study_uid: String::new(),
        series_uid: String::new(),
        frame_of_reference_uid: String::new(),
    }
}

#[test]
fn pictures_belong_to_the_slices_they_are_named_like() {
    let files = |names: &[&str]| names.iter().map(|n| Path::new("m").join(n)).collect::<Vec<_>>();
    let on = |slices: &[&str], pictures: &[&str]| {
        let found = Pictures::on_slices(&series(slices), &files(pictures))?;
        let name = |p: &Option<PathBuf>| p.as_ref().map(|p| p.file_name().unwrap().to_string_lossy().into_owned());
        Some((found.slices.iter().map(name).map(Option::unwrap_or_default).collect::<Vec<_>>(), found.matched))
    };
    let (name, order) = (MatchedBy::Name, MatchedBy::Order);
    let of = |list: &[&str], by| Some((list.iter().map(|s| (*s).to_owned()).collect(), by));
    assert_eq!(on(&["b.dcm", "a.dcm"], &["a.png", "b.png"]), of(&["b.png", "a.png"], name));
    assert_eq!(on(&["1.2.8", "1.2.7"], &["1.2.7.png", "1.2.8.png"]), of(&["1.2.8.png", "1.2.7.png"], name));
    assert_eq!(on(&["a.ima", "b.ima", "c.ima"], &["c.png", "a.png"]), of(&["a.png", "", "c.png"], name));
    assert_eq!(on(&["i9.dcm", "i10.dcm"], &["m1.png", "m2.png"]), of(&["m1.png", "m2.png"], order));
    assert_eq!(on(&["i10.dcm", "i9.dcm"], &["m1.png", "m2.png"]), of(&["m2.png", "m1.png"], order));
    // One picture of another name, or a PNG and a JPEG of one name: neither names nor number fit.
    assert_eq!(on(&["a.dcm", "b.dcm", "c.dcm"], &["a.png", "x.png"]), None);
    assert_eq!(on(&["a.dcm", "b.dcm", "c.dcm"], &["a.png", "a.jpg"]), None);
}

#[test]
fn slices_without_a_picture_are_empty_and_counted() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("b.png");
    GrayImage::from_raw(2, 1, vec![0, 255]).unwrap().save(&path).unwrap();
    let pictures = Pictures { slices: vec![None, Some(path), None], matched: MatchedBy::Name };
    let mask = load_image_stack(&pictures, "liver", &grid([2, 1, 3]), &JobContext::detached()).unwrap();
    assert_eq!(mask.labels.to_dense(), [0, 0, 0, 1, 0, 0]);
    assert_eq!(mask.findings.iter().map(|f| f.code).collect::<Vec<_>>(), ["no-picture"]);
    assert!(mask.findings[0].text.starts_with("2 slices have no picture"));
}
