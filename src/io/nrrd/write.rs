//! Writing NRRD 4: attached header, little endian, `space: left-posterior-superior`, gzip.

use super::NrrdError;
use super::segments::{Listed, segment_lines};
use crate::core::{Geometry, LabelMap, Segment, Volume};
use crate::io::atomic::write_atomic;
use crate::io::sample_write::{NumberedLabels, write_hu};
use flate2::Compression;
use flate2::write::GzEncoder;
use glam::DVec3;
use std::io::{self, Write};
use std::path::Path;

/// Writes HU as 16-bit numbers, gzip.
///
/// # Errors
/// [`NrrdError::Write`]; the old file, if any, is untouched then.
pub fn save_nrrd_volume(path: &Path, volume: &Volume) -> Result<(), NrrdError> {
    let header = header(volume.geometry(), "short", 1, "");
    write_atomic(path, |file| {
        file.write_all(header.as_bytes())?;
        let mut gz = GzEncoder::new(file, Compression::new(4));
        write_hu(&mut gz, volume)?;
        gz.finish().map(drop)
    })
    .map_err(|source| NrrdError::write(path, source))
}

/// Writes labels with their segments' file numbers, names, colours and codes as 3D Slicer does.
///
/// # Errors
/// As [`save_nrrd_volume`].
pub fn save_nrrd_labels(path: &Path, labels: &LabelMap, segments: &[Segment]) -> Result<(), NrrdError> {
    save_nrrd_layers(path, &[(labels, segments)])
}

/// Writes label maps of one grid as the layers of one segmentation, as 3D Slicer keeps segments that overlap.
///
/// # Errors
/// As [`save_nrrd_volume`]; layers on different grids are refused.
pub fn save_nrrd_layers(path: &Path, layers: &[(&LabelMap, &[Segment])]) -> Result<(), NrrdError> {
    let failed = |source| NrrdError::write(path, source);
    let Some((first, _)) = layers.first() else { return Err(failed(io::ErrorKind::InvalidInput.into())) };
    let grid = first.geometry();
    if layers.iter().any(|(labels, _)| labels.geometry() != grid) {
        return Err(failed(io::Error::new(io::ErrorKind::InvalidInput, "its layers lie on different grids")));
    }
    let numbered = NumberedLabels::new(layers);
    let (kind, width) = match numbered.largest() {
        0..=0xff => ("unsigned char", 1),
        0x100..=0xffff => ("unsigned short", 2),
        _ => ("unsigned int", 4),
    };
    let mut listed = Vec::new();
    for (layer, (labels, segments)) in layers.iter().enumerate() {
        let boxes = labels.label_boxes();
        listed.extend(segments.iter().map(|segment| Listed { segment, layer, extent: boxes[usize::from(segment.id)] }));
    }
    let header = header(grid, kind, layers.len(), &segment_lines(&listed));
    write_atomic(path, |file| {
        file.write_all(header.as_bytes())?;
        let mut gz = GzEncoder::new(file, Compression::new(4));
        numbered.write(&mut gz, width)?;
        gz.finish().map(drop)
    })
    .map_err(failed)
}

/// Header up to and with the empty line. Numbers are written with as many digits as bring the same number back.
fn header(geometry: &Geometry, kind: &str, layers: usize, keys: &str) -> String {
    let [nx, ny, nz] = geometry.dims();
    let m = geometry.world_from_voxel();
    let vector = |v: DVec3| format!("({},{},{})", v.x, v.y, v.z);
    // One layer is a plain volume; several are a list along the fastest axis.
    let (dimension, size, direction, list) =
        if layers == 1 { (3, String::new(), "", "") } else { (4, format!("{layers} "), "none ", "list ") };
    format!(
        "NRRD0004\n# Complete NRRD file format specification at:\n# http://teem.sourceforge.net/nrrd/format.html\n\
         type: {kind}\ndimension: {dimension}\nspace: left-posterior-superior\nsizes: {size}{nx} {ny} {nz}\n\
         space directions: {direction}{} {} {}\nkinds: {list}domain domain domain\nendian: little\nencoding: gzip\n\
         space origin: {}\n{keys}\n",
        vector(m.matrix3.x_axis),
        vector(m.matrix3.y_axis),
        vector(m.matrix3.z_axis),
        vector(m.translation),
    )
}
