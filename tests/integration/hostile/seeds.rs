//! Valid files of every kind that is read, tiny, most of them made by the program's own writers: what mutations start from.

use super::elements::{
    BIG, DEFLATED, DEFLATED_FRAMES, EXPLICIT, HTJ2K, IMPLICIT, JPEG_XL, PIXEL_DATA, PLAIN_FRAMES, Set, transcode,
};
use super::mutate::{Wrapper, zipped};
use super::volume_seeds::volumes;
use flate2::Compression;
use flate2::write::DeflateEncoder;
use glam::DVec3;
use maskwright::core::{Geometry, LabelMap, Layer, LayerId, Measurement, Origin, Segment, Shape, Volume};
use maskwright::io::dicom::{CtSeriesInfo, write_ct_series, write_mask_series};
use maskwright::io::journal::{Journal, JournalEntry, JournalHead, StepMark};
use maskwright::io::{self, DicomStack, Fingerprint, ProjectData, ViewState, VolumeSource};
use maskwright::jobs::JobContext;
use maskwright::nn::{HostTensor, StateDict, save_weights};
use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::Duration;

/// What a file is read as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Image or mask, by scanning and opening its path.
    File,
    /// One file of a folder with a DICOM series.
    InSeries,
    /// A picture, as a mask of one slice.
    Picture,
    /// A file of a project's folder.
    Project,
    Journal,
    Recipe,
    Weights,
    /// nnU-Net's `dataset.json`.
    Declaration,
}

pub struct Seed {
    pub name: String,
    pub kind: Kind,
    pub wrapper: Wrapper,
    pub bytes: Vec<u8>,
    /// Name of the file that is damaged, and the files around it.
    pub file: String,
    pub beside: Vec<(String, Vec<u8>)>,
}

/// Size of all images here.
pub const DIMS: [usize; 3] = [20, 18, 3];

pub fn grid() -> Geometry {
    Geometry::axis_aligned(DIMS, DVec3::new(0.7, 0.8, 2.5), DVec3::new(-7.0, 3.0, 11.0)).unwrap()
}

/// A grid for one picture.
pub fn one_slice() -> Geometry {
    Geometry::axis_aligned([DIMS[0], DIMS[1], 1], DVec3::ONE, DVec3::ZERO).unwrap()
}

pub fn volume() -> Volume {
    let hu: Vec<i16> = (0..grid().voxel_count()).map(|n| (n * 7919 % 2400) as i16 - 1000).collect();
    Volume::new(grid(), hu).unwrap()
}

fn labels() -> LabelMap {
    let dense: Vec<u8> = (0..grid().voxel_count()).map(|n| u8::from(n % 20 > 5) + u8::from(n % 20 > 12)).collect();
    LabelMap::from_dense(grid(), &dense).unwrap()
}

fn segments() -> Vec<Segment> {
    vec![Segment::new(1, "liver"), Segment::new(2, "spleen")]
}

/// All seeds, in a fixed order.
pub fn seeds() -> &'static [Seed] {
    static SEEDS: LazyLock<Vec<Seed>> = LazyLock::new(make);
    &SEEDS
}

fn make() -> Vec<Seed> {
    let dir = tempfile::tempdir().unwrap();
    let mut seeds = Vec::new();
    let stack = series(dir.path(), &mut seeds);
    dicom(&mut seeds);
    packed(&mut seeds);
    index(&stack, &mut seeds);
    mask_series(dir.path(), &mut seeds);
    masks(dir.path(), &stack, &mut seeds);
    volumes(dir.path(), &mut seeds);
    own(dir.path(), &mut seeds);
    seeds
}

pub fn plain(name: &str, kind: Kind, file: &str, bytes: Vec<u8>) -> Seed {
    Seed { name: name.into(), kind, wrapper: Wrapper::Plain, bytes, file: file.into(), beside: Vec::new() }
}

fn info() -> CtSeriesInfo {
    CtSeriesInfo {
        patient_id: "PHANTOM-0001".into(),
        series_description: "fuzz".into(),
        series_number: 1,
        body_part: "CHEST".into(),
        seed: 1,
        window: None,
    }
}

/// Files by name, in a folder of that name or in none.
fn contents(folder: &str, paths: &[PathBuf]) -> Vec<(String, Vec<u8>)> {
    let name = |path: &PathBuf| format!("{folder}{}", path.file_name().unwrap().to_string_lossy());
    paths.iter().map(|p| (name(p), fs::read(p).unwrap())).collect()
}

/// A CT series as we write it: each of its slices alone and among the others.
fn series(dir: &Path, seeds: &mut Vec<Seed>) -> DicomStack {
    let folder = dir.join("ct");
    fs::create_dir(&folder).unwrap();
    let paths = write_ct_series(&folder, &volume(), &info()).unwrap();
    let files = contents("", &paths);
    seeds.push(plain("CT slice", Kind::File, "x.dcm", files[0].1.clone()));
    let archive = zipped("IM1.dcm", &files[0].1);
    seeds.push(Seed { wrapper: Wrapper::Zip, ..plain("ZIP archive", Kind::File, "x.zip", archive) });
    seeds.push(Seed {
        beside: files[1..].to_vec(),
        ..plain("CT series", Kind::InSeries, &files[0].0, files[0].1.clone())
    });
    let (_, series) = io::open_volume(&folder, None, &JobContext::detached()).unwrap();
    match series.source {
        Some(VolumeSource::Dicom(stack)) => stack,
        other => panic!("{other:?}"),
    }
}

/// One slice in every transfer syntax, and an enhanced image.
fn dicom(seeds: &mut Vec<Seed>) {
    let pixels: Vec<u8> = (0..DIMS[0] * DIMS[1]).flat_map(|n| ((n * 31) as u16).to_le_bytes()).collect();
    let slice = Set::slice([DIMS[0] as u16, DIMS[1] as u16], 1, 16).bytes(PIXEL_DATA, b"OW", &pixels);
    let mut add = |name: &str, bytes| seeds.push(plain(name, Kind::File, "x.dcm", bytes));
    add("explicit", slice.file(EXPLICIT));
    add("implicit", Set(transcode(&slice, false)).file(IMPLICIT));
    add("big endian", Set(transcode(&slice, true)).file(BIG));
    add("bare data set", slice.0.clone());
    add("enhanced", enhanced().file(EXPLICIT));
    add("tables", tables(&pixels).file(EXPLICIT));
    let frames = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/frames");
    let mut paths: Vec<_> = fs::read_dir(frames).unwrap().map(|e| e.unwrap().path()).collect();
    paths.sort();
    for path in paths.iter().filter(|p| p.extension().is_some_and(|e| e == "dcm")) {
        add(&path.file_stem().unwrap().to_string_lossy(), fs::read(path).unwrap());
    }
    let head = Set::new().file(DEFLATED);
    let mut deflate = DeflateEncoder::new(head.clone(), Compression::best());
    deflate.write_all(&slice.0).unwrap();
    let bytes = deflate.finish().unwrap();
    seeds.push(Seed { wrapper: Wrapper::Deflate(head.len()), ..plain("deflated", Kind::File, "x.dcm", bytes) });
}

/// Frames packed in ways that no file in `tests/data/frames` is: High-Throughput JPEG 2000, JPEG XL, and uncompressed and
/// deflated bytes in fragments, the latter two in two frames.
fn packed(seeds: &mut Vec<Seed>) {
    let mut add = |name: &str, bytes| seeds.push(plain(name, Kind::File, "x.dcm", bytes));
    let codestreams = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/codestreams");
    for (file, syntax, bits) in [
        ("lossless-12.jhc", HTJ2K, 16),
        ("lossless-16-signed.jhc", HTJ2K, 16),
        ("lossy-8.jhc", HTJ2K, 8),
        ("lossless-12.jxl", JPEG_XL, 16),
        ("lossy-8.jxl", JPEG_XL, 8),
    ] {
        let stream = fs::read(codestreams.join(file)).unwrap();
        // All of these samples have one size.
        add(file, Set::slice([24, 20], 1, bits).fragments(&[&even(stream)[..]]).file(syntax));
    }
    let frames = [3usize, 8].map(|step| -> Vec<u8> {
        (0..DIMS[0] * DIMS[1]).flat_map(|n| ((n * step % 2000) as u16).to_le_bytes()).collect()
    });
    let deflated = frames.clone().map(|frame| {
        let mut deflate = DeflateEncoder::new(Vec::new(), Compression::best());
        deflate.write_all(&frame).unwrap();
        even(deflate.finish().unwrap())
    });
    for (name, syntax, [first, second]) in
        [("uncompressed fragments", PLAIN_FRAMES, &frames), ("deflated frames", DEFLATED_FRAMES, &deflated)]
    {
        add(name, two_places().fragments(&[&first[..], &second[..]]).file(syntax));
    }
}

/// A fragment has an even length (PS3.5 annex A.4).
fn even(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.resize(bytes.len().next_multiple_of(2), 0);
    bytes
}

/// The index of a disc beside the slices that it lists, and one that is not there (PS3.3 annex F).
fn index(stack: &DicomStack, seeds: &mut Vec<Seed>) {
    let paths: Vec<PathBuf> = stack.slices.iter().map(|s| s.path.clone()).collect();
    let record = |kind: &str| Set::new().text((0x0004, 0x1430), b"CS", kind);
    let image = |id: &str| record("IMAGE").text((0x0004, 0x1500), b"CS", id);
    let listed = ["IMAGES\\IM_0001", "IMAGES\\IM_0002", "IMAGES\\IM_0003", "OTHER\\IM_0009"].map(image);
    let records = [&[record("PATIENT"), record("STUDY"), record("SERIES")][..], &listed].concat();
    let set = Set::new().text((0x0004, 0x1130), b"CS", "DISC").sequence((0x0004, 0x1220), &records).text(
        (0x0008, 0x0016),
        b"UI",
        "1.2.840.10008.1.3.10",
    );
    let beside = contents("IMAGES/", &paths);
    seeds.push(Seed { beside, ..plain("DICOMDIR", Kind::InSeries, "DICOMDIR", set.file(EXPLICIT)) });
}

/// An organ's mask as slices of DICOM (3D-IRCADb): alone, and beside its series and another organ.
fn mask_series(dir: &Path, seeds: &mut Vec<Seed>) {
    let written = |label: u8| {
        let folder = dir.join(format!("organ{label}"));
        fs::create_dir(&folder).unwrap();
        write_mask_series(&folder, &labels(), label, &info()).unwrap()
    };
    let (liver, spleen) = (contents("MASKS_DICOM/liver/", &written(1)), contents("MASKS_DICOM/spleen/", &written(2)));
    let folder = dir.join("patient");
    fs::create_dir(&folder).unwrap();
    let images = contents("PATIENT_DICOM/", &write_ct_series(&folder, &volume(), &info()).unwrap());
    let (name, bytes) = liver[0].clone();
    seeds.push(plain("mask slice", Kind::File, "x.dcm", bytes.clone()));
    let beside = [&liver[1..], &spleen, &images].concat();
    seeds.push(Seed { beside, ..plain("mask series", Kind::InSeries, &name, bytes) });
}

/// Two frames with functional groups of their own and shared ones (PS3.3 C.7.6.16).
fn enhanced() -> Set {
    let pixels: Vec<u8> = (0..2 * DIMS[0] * DIMS[1]).flat_map(|n| ((n * 31) as u16).to_le_bytes()).collect();
    two_places().bytes(PIXEL_DATA, b"OW", &pixels)
}

/// All of it but the pixels.
fn two_places() -> Set {
    let place = |z: &str| {
        let position = Set::new().text((0x0020, 0x0032), b"DS", z);
        Set::new().sequence((0x0020, 0x9113), &[position])
    };
    let measures = Set::new().text((0x0028, 0x0030), b"DS", "0.7\\0.8").text((0x0018, 0x0050), b"DS", "2.5");
    let orientation = Set::new().text((0x0020, 0x0037), b"DS", "1\\0\\0\\0\\1\\0");
    let scale = Set::new().text((0x0028, 0x1052), b"DS", "-1024").text((0x0028, 0x1053), b"DS", "1");
    let shared = Set::new()
        .sequence((0x0028, 0x9110), &[measures])
        .sequence((0x0020, 0x9116), &[orientation])
        .sequence((0x0028, 0x9145), &[scale]);
    Set::slice([DIMS[0] as u16, DIMS[1] as u16], 2, 16)
        .sequence((0x5200, 0x9229), &[shared])
        .sequence((0x5200, 0x9230), &[place("0\\0\\0"), place("0\\0\\2.5")])
}

/// Look-up tables for values and for greys (PS3.3 C.11.1, C.11.2), pixel padding.
fn tables(pixels: &[u8]) -> Set {
    let words = |values: &[u16]| values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>();
    let table = Set::new().short((0x0028, 0x3002), b"US", &words(&[4, 0, 16])).short(
        (0x0028, 0x3006),
        b"US",
        &words(&[1, 5, 9, 20]),
    );
    Set::slice([DIMS[0] as u16, DIMS[1] as u16], 1, 16)
        .word((0x0028, 0x0120), 0)
        .sequence((0x0028, 0x3000), std::slice::from_ref(&table))
        .sequence((0x0028, 0x3010), &[table])
        .bytes(PIXEL_DATA, b"OW", pixels)
}

fn masks(dir: &Path, stack: &DicomStack, seeds: &mut Vec<Seed>) {
    for (name, file) in [("segmentation", "m.dcm"), ("mask NIfTI", "m.nii.gz"), ("mask NRRD", "m.seg.nrrd")] {
        let path = dir.join(file);
        io::save_mask(&path, &labels(), &segments(), Some(stack)).unwrap();
        let wrapper = if file == "m.nii.gz" { Wrapper::Gzip } else { Wrapper::Plain };
        seeds.push(Seed { wrapper, ..plain(name, Kind::File, file, fs::read(path).unwrap()) });
    }
    seeds.push(plain("structure set", Kind::File, "rs.dcm", structures().file(EXPLICIT)));
    let folder = dir.join("stack");
    io::save_mask(&folder, &labels(), &segments(), None).unwrap();
    let png = fs::read(folder.join("0000.png")).unwrap();
    seeds.push(Seed { wrapper: Wrapper::Png, ..plain("PNG", Kind::Picture, "0000.png", png) });
    let mut jpeg = Vec::new();
    let grey: Vec<u8> = (0..DIMS[0] * DIMS[1]).map(|n| if n % 20 > 9 { 250 } else { 3 }).collect();
    image::codecs::jpeg::JpegEncoder::new(&mut jpeg)
        .encode(&grey, DIMS[0] as u32, DIMS[1] as u32, image::ExtendedColorType::L8)
        .unwrap();
    seeds.push(plain("JPEG", Kind::Picture, "0000.jpg", jpeg));
}

/// Two regions with a contour each (PS3.3 C.8.8.5, C.8.8.6).
pub fn structures() -> Set {
    let roi = |n: &str, name: &str| {
        Set::new().text((0x3006, 0x0022), b"IS", n).text((0x3006, 0x0026), b"LO", name).text(
            (0x3006, 0x0024),
            b"UI",
            "2.25.4",
        )
    };
    let contour = |points: &str| {
        Set::new().text((0x3006, 0x0042), b"CS", "CLOSED_PLANAR").text((0x3006, 0x0046), b"IS", "4").text(
            (0x3006, 0x0050),
            b"DS",
            points,
        )
    };
    let drawn = |n: &str, points: &str| {
        Set::new().text((0x3006, 0x002A), b"IS", "255\\0\\0").sequence((0x3006, 0x0040), &[contour(points)]).text(
            (0x3006, 0x0084),
            b"IS",
            n,
        )
    };
    Set::new()
        .text((0x0008, 0x0016), b"UI", "1.2.840.10008.5.1.4.1.1.481.3")
        .text((0x0008, 0x0060), b"CS", "RTSTRUCT")
        .sequence((0x3006, 0x0020), &[roi("1", "liver"), roi("2", "spleen")])
        .sequence(
            (0x3006, 0x0039),
            &[
                drawn("1", "-5\\5\\11\\4\\5\\11\\4\\12\\11\\-5\\12\\11"),
                drawn("2", "-3\\6\\13.5\\2\\6\\13.5\\2\\10\\13.5\\-3\\10\\13.5"),
            ],
        )
}

/// Files of the program's own.
fn own(dir: &Path, seeds: &mut Vec<Seed>) {
    let layer = Layer::new(LayerId(3), "Layer", labels(), segments(), Origin::Human);
    let fingerprint = Fingerprint::of(&volume());
    let project = dir.join("case.maskwright");
    let data = ProjectData {
        name: "Case 1".into(),
        source: None,
        fingerprint: fingerprint.clone(),
        layers: vec![layer.clone()],
        view: ViewState::default(),
        newer: None,
    };
    io::save_project(&project, &data, Some(&volume())).unwrap();
    let mut files: Vec<(String, Vec<u8>)> = fs::read_dir(&project)
        .unwrap()
        .map(|e| e.unwrap())
        .map(|e| (e.file_name().to_string_lossy().into_owned(), fs::read(e.path()).unwrap()))
        .collect();
    files.sort();
    for (file, bytes) in &files {
        let beside = files.iter().filter(|(name, _)| name != file).cloned().collect();
        seeds.push(Seed { beside, ..plain(&format!("project {file}"), Kind::Project, file, bytes.clone()) });
    }
    let head = JournalHead {
        name: "Case 1".into(),
        source: Some(VolumeSource::Nifti("/data/ct.nii.gz".into())),
        project: None,
        fingerprint,
        layers: vec![layer.clone()],
        measurements: Vec::new(),
        newer_project: None,
    };
    let journal = Journal::start(&dir.join("journal"), head, None).unwrap();
    let labels = StepMark::Labels { name: "Paint liver".into(), origin: Some((Origin::Human, 1)) };
    journal.record(JournalEntry::edit(&layer, &[0, 1]).marked(labels));
    let shape = Shape::Distance([DVec3::ZERO, DVec3::ONE]);
    let measured = [Measurement { id: 1, axis: 2, shape, note: "n".into() }];
    let mark = StepMark::Measurements { name: "Add measurement".into(), amends: false };
    journal.record(JournalEntry::measure(&measured).marked(mark));
    journal.record(JournalEntry::measure(&[]).marked(StepMark::Undone));
    journal.record(JournalEntry::describe(&layer));
    journal.record(JournalEntry::put(&Layer { id: LayerId(4), ..layer }));
    journal.record(JournalEntry::remove(LayerId(3)));
    assert!(journal.flush(Duration::from_secs(60)));
    drop(journal);
    let bytes = fs::read(dir.join("journal/journal.mwj")).unwrap();
    seeds.push(Seed { wrapper: Wrapper::Journal, ..plain("journal", Kind::Journal, "journal.mwj", bytes) });
    let recipe = include_str!("../../../models/lung-left-right.ron");
    seeds.push(plain("recipe", Kind::Recipe, "x.ron", recipe.as_bytes().to_vec()));
    let mut state = StateDict::new();
    for name in ["enc.0.conv1.weight", "enc.0.bn1.running_mean", "head.bias"] {
        state.insert(name.into(), HostTensor { shape: vec![2, 3], values: vec![0.5; 6] });
    }
    let metadata = BTreeMap::from([("maskwright".to_owned(), "{\"recipe\":\"x\"}".to_owned())]);
    seeds.push(plain("safetensors", Kind::Weights, "w.safetensors", save_weights(&state, &metadata).unwrap()));
    let torch = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/oracle/unet_nobn_3class.pth");
    seeds.push(plain("PyTorch", Kind::Weights, "w.pth", fs::read(torch).unwrap()));
    let declared =
        br#"{"labels": {"background": 0, "liver": 1, "both": [1, 2]}, "numTraining": 1, "file_ending": ".nii.gz"}"#;
    let case = |file: &str| fs::read(dir.join(file)).unwrap();
    let beside = vec![
        ("imagesTr/a_0000.nii.gz".to_owned(), case("v.nii.gz")),
        ("labelsTr/a.nii.gz".to_owned(), case("m.nii.gz")),
    ];
    seeds.push(Seed { beside, ..plain("dataset.json", Kind::Declaration, "dataset.json", declared.to_vec()) });
}
