//! Volume files that mutations start from: NIfTI in one file, in two and in its second version, NRRD in every encoding.

use super::mutate::Wrapper;
use super::seeds::{DIMS, Kind, Seed, grid, plain, seeds, volume};
use flate2::Compression;
use flate2::write::GzEncoder;
use maskwright::io;
use maskwright::jobs::JobContext;
use std::fs;
use std::io::Write;
use std::path::Path;

/// As written by the program where it writes them, else by hand.
pub fn volumes(dir: &Path, seeds: &mut Vec<Seed>) {
    for (file, wrapper) in [("v.nii", Wrapper::Plain), ("v.nii.gz", Wrapper::Gzip), ("v.nrrd", Wrapper::Plain)] {
        let path = dir.join(file);
        io::save_volume(&path, &volume()).unwrap();
        seeds.push(Seed { wrapper, ..plain(file, Kind::File, file, fs::read(path).unwrap()) });
    }
    other_nifti(dir, seeds);
    let head = |rest: &str| {
        format!(
            "NRRD0004\ntype: short\ndimension: 3\nspace: left-posterior-superior\nsizes: 20 18 3\nspace directions: (0.7,0,0) \
             (0,0.8,0) (0,0,2.5)\nspace origin: (-7,3,11)\nendian: little\n{rest}\n"
        )
    };
    let samples: Vec<u8> = volume().hu().iter().flat_map(|v| v.to_le_bytes()).collect();
    let hex: String = samples.iter().map(|b| format!("{b:02x}")).collect();
    let text: String = volume().hu().iter().map(|v| format!("{v} ")).collect();
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(&samples).unwrap();
    let packed = gzip.finish().unwrap();
    for (name, encoding, data) in [
        ("raw", "raw", &samples[..]),
        ("hex", "hex", hex.as_bytes()),
        ("text", "ascii", text.as_bytes()),
        ("gzip", "gzip", &packed),
    ] {
        let bytes = [head(&format!("encoding: {encoding}\n")).as_bytes(), data].concat();
        seeds.push(plain(&format!("NRRD {name}"), Kind::File, "v.nrrd", bytes));
    }
    let detached = head("encoding: raw\ndata file: v.raw\n").into_bytes();
    let beside = vec![("v.raw".to_owned(), samples)];
    seeds.push(Seed { beside, ..plain("NRRD detached", Kind::File, "v.nhdr", detached) });
}

/// NIfTI-2 and the pair of header and voxels, neither of which we write.
fn other_nifti(dir: &Path, seeds: &mut Vec<Seed>) {
    let one = fs::read(dir.join("v.nii")).unwrap();
    let (mut head, voxels) = (one[..348].to_vec(), one[352..].to_vec());
    head[344..348].copy_from_slice(b"ni1\0");
    head[108..112].fill(0);
    let pair = |file: &str, bytes: &[u8], other: &str, beside: &[u8]| Seed {
        beside: vec![(other.into(), beside.to_vec())],
        ..plain(&format!("pair {file}"), Kind::File, file, bytes.to_vec())
    };
    seeds.push(pair("v.hdr", &head, "v.img", &voxels));
    seeds.push(pair("v.img", &voxels, "v.hdr", &head));
    // See nifti2.h for the places.
    let mut two = vec![0; 544];
    let mut put = |at: usize, bytes: &[u8]| two[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, &540i32.to_le_bytes());
    put(4, b"n+2\0\r\n\x1a\n");
    put(12, &4i16.to_le_bytes());
    put(14, &16i16.to_le_bytes());
    for (n, size) in [3, DIMS[0], DIMS[1], DIMS[2], 1, 1, 1, 1].into_iter().enumerate() {
        put(16 + 8 * n, &(size as i64).to_le_bytes());
    }
    for (n, length) in [1.0f64, 0.7, 0.8, 2.5].into_iter().enumerate() {
        put(104 + 8 * n, &length.to_le_bytes());
    }
    put(168, &544i64.to_le_bytes());
    put(176, &1f64.to_le_bytes());
    put(348, &1i32.to_le_bytes());
    // LPS to RAS: the grid's place and steps with the first two axes turned.
    let rows = [[-0.7, 0.0, 0.0, 7.0], [0.0, -0.8, 0.0, -3.0], [0.0, 0.0, 2.5, 11.0f64]];
    for (n, value) in rows.into_iter().flatten().enumerate() {
        put(400 + 8 * n, &value.to_le_bytes());
    }
    put(500, &2i32.to_le_bytes());
    two.extend(&voxels);
    seeds.push(plain("NIfTI-2", Kind::File, "v.nii", two));
}

#[test]
fn archives_pairs_and_nifti_2_open_before_they_are_damaged() {
    for name in ["CT slice", "ZIP archive", "pair v.hdr", "pair v.img", "NIfTI-2"] {
        let seed = seeds().iter().find(|s| s.name == name).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(&seed.file);
        fs::write(&path, &seed.bytes).unwrap();
        for (file, bytes) in &seed.beside {
            fs::write(dir.path().join(file), bytes).unwrap();
        }
        let (read, _) = io::open_volume(&path, None, &JobContext::detached()).unwrap_or_else(|e| panic!("{name}: {e}"));
        let slices = read.geometry().dims()[2];
        assert_eq!(read.hu()[..], volume().hu()[..read.hu().len()], "{name}");
        assert!(slices == if seed.file.starts_with('x') { 1 } else { DIMS[2] }, "{name}: {slices} slices");
        assert!(slices == 1 || read.geometry().same_grid(&grid(), 1e-3), "{name}: {:?}", read.geometry());
    }
    io::archive::clean_up();
}
