//! Writing NRRD 4: attached header, little endian, `space: left-posterior-superior`, gzip.

use super::NrrdError;
use super::segments::segment_lines;
use crate::core::{Geometry, LabelMap, Segment, Volume, VoxelBox};
use crate::io::atomic::write_atomic;
use crate::io::samples::file_values;
use flate2::Compression;
use flate2::write::GzEncoder;
use glam::DVec3;
use std::io::Write;
use std::path::Path;

/// Writes HU as 16-bit numbers, gzip.
///
/// # Errors
/// [`NrrdError::Write`]; the old file, if any, is untouched then.
pub fn save_nrrd_volume(path: &Path, volume: &Volume) -> Result<(), NrrdError> {
    let header = header(volume.geometry(), "short", "");
    write_atomic(path, |file| {
        file.write_all(header.as_bytes())?;
        let mut gz = GzEncoder::new(file, Compression::new(4));
        let mut bytes = Vec::new();
        for k in 0..volume.geometry().dims()[2] {
            bytes.clear();
            bytes.extend(volume.slice(k).unwrap_or_default().iter().flat_map(|v| v.to_le_bytes()));
            gz.write_all(&bytes)?;
        }
        gz.finish().map(drop)
    })
    .map_err(|source| NrrdError::Write { path: path.to_owned(), source })
}

/// Writes labels with their segments' file numbers, names, colours and codes as 3D Slicer does.
///
/// # Errors
/// As [`save_nrrd_volume`].
pub fn save_nrrd_labels(path: &Path, labels: &LabelMap, segments: &[Segment]) -> Result<(), NrrdError> {
    let table = file_values(segments);
    let counts = labels.counts();
    let largest = (1..256).filter(|&i| counts[i] > 0).map(|i| table[i]).max().unwrap_or(0);
    let (kind, width) = match largest {
        0..=0xff => ("unsigned char", 1),
        0x100..=0xffff => ("unsigned short", 2),
        _ => ("unsigned int", 4),
    };
    let boxes = label_boxes(labels);
    let extents: Vec<VoxelBox> = segments.iter().map(|s| boxes[usize::from(s.id)]).collect();
    let header = header(labels.geometry(), kind, &segment_lines(segments, &extents));
    write_atomic(path, |file| {
        file.write_all(header.as_bytes())?;
        let mut gz = GzEncoder::new(file, Compression::new(4));
        let [nx, ny, nz] = labels.geometry().dims();
        let mut slice = vec![0; nx * ny];
        let mut bytes = Vec::with_capacity(nx * ny * width);
        for k in 0..nz {
            labels.copy_box(VoxelBox { min: [0, 0, k], max: [nx, ny, k + 1] }, &mut slice);
            bytes.clear();
            for &v in &slice {
                bytes.extend_from_slice(&table[usize::from(v)].to_le_bytes()[..width]);
            }
            gz.write_all(&bytes)?;
        }
        gz.finish().map(drop)
    })
    .map_err(|source| NrrdError::Write { path: path.to_owned(), source })
}

/// The box of voxels of each label.
fn label_boxes(labels: &LabelMap) -> Vec<VoxelBox> {
    let mut boxes = vec![VoxelBox { min: [usize::MAX; 3], max: [0; 3] }; 256];
    for index in 0..labels.brick_count() as u32 {
        let Some(brick) = labels.brick(index) else { continue };
        let area = labels.brick_box(index);
        for k in area.min[2]..area.max[2] {
            for j in area.min[1]..area.max[1] {
                for i in area.min[0]..area.max[0] {
                    let b = &mut boxes[usize::from(brick[LabelMap::offset_in_brick([i, j, k])])];
                    for (a, v) in [i, j, k].into_iter().enumerate() {
                        b.min[a] = b.min[a].min(v);
                        b.max[a] = b.max[a].max(v + 1);
                    }
                }
            }
        }
    }
    boxes
}

/// Header up to and with the empty line. Numbers are written with as many digits as bring the same number back.
fn header(geometry: &Geometry, kind: &str, keys: &str) -> String {
    let [nx, ny, nz] = geometry.dims();
    let m = geometry.world_from_voxel();
    let vector = |v: DVec3| format!("({},{},{})", v.x, v.y, v.z);
    format!(
        "NRRD0004\n# Complete NRRD file format specification at:\n# http://teem.sourceforge.net/nrrd/format.html\n\
         type: {kind}\ndimension: 3\nspace: left-posterior-superior\nsizes: {nx} {ny} {nz}\n\
         space directions: {} {} {}\nkinds: domain domain domain\nendian: little\nencoding: gzip\n\
         space origin: {}\n{keys}\n",
        vector(m.matrix3.x_axis),
        vector(m.matrix3.y_axis),
        vector(m.matrix3.z_axis),
        vector(m.translation),
    )
}
