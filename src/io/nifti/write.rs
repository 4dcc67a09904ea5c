//! Writing NIfTI-1.

use super::NiftiError;
use crate::core::{Geometry, LabelMap, Segment, Volume};
use crate::io::atomic::write_atomic;
use crate::io::sample_write::{NumberedLabels, write_hu};
use flate2::Compression;
use flate2::write::GzEncoder;
use glam::{DAffine3, DMat3, DQuat, DVec3};
use std::io::{self, Write};
use std::path::Path;

const HEADER: usize = 352;

/// Writes HU as 16-bit numbers with slope 1; gzip when the name ends in `.gz`.
///
/// # Errors
/// [`NiftiError::Write`]; the old file, if any, is untouched then.
pub fn save_nifti_volume(path: &Path, volume: &Volume) -> Result<(), NiftiError> {
    save(path, volume.geometry(), 4, 16, |w| write_hu(w, volume))
}

/// Writes labels with their segments' file numbers, in the narrowest of u8, u16, i32 and u32 that holds them.
///
/// # Errors
/// As [`save_nifti_volume`].
pub fn save_nifti_labels(path: &Path, labels: &LabelMap, segments: &[Segment]) -> Result<(), NiftiError> {
    let numbered = NumberedLabels::new(&[(labels, segments)]);
    let (code, bits, width) = match numbered.largest() {
        0..=0xff => (2, 8, 1),
        0x100..=0xffff => (512, 16, 2),
        0x1_0000..=0x7fff_ffff => (8, 32, 4),
        _ => (768, 32, 4),
    };
    save(path, labels.geometry(), code, bits, |w| numbered.write(w, width))
}

fn save(
    path: &Path,
    geometry: &Geometry,
    datatype: i16,
    bitpix: i16,
    body: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<(), NiftiError> {
    let compressed = path.extension().is_some_and(|e| e.eq_ignore_ascii_case("gz"));
    write_atomic(path, |file| {
        let header = header(geometry, datatype, bitpix)?;
        if compressed {
            let mut gz = GzEncoder::new(file, Compression::new(4));
            gz.write_all(&header)?;
            body(&mut gz)?;
            gz.finish().map(drop)
        } else {
            file.write_all(&header)?;
            body(file)
        }
    })
    .map_err(|source| NiftiError::write(path, source))
}

fn header(geometry: &Geometry, datatype: i16, bitpix: i16) -> io::Result<[u8; HEADER]> {
    let mut h = [0u8; HEADER];
    let mut put = |at: usize, bytes: &[u8]| h[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, &348i32.to_le_bytes());
    put(38, b"r");
    put(40, &3i16.to_le_bytes());
    for (a, d) in geometry.dims().into_iter().enumerate() {
        let d = i16::try_from(d)
            .map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "NIfTI-1 holds at most 32767 voxels a side"))?;
        put(42 + 2 * a, &d.to_le_bytes());
    }
    for n in 4..8 {
        put(40 + 2 * n, &1i16.to_le_bytes());
    }
    put(70, &datatype.to_le_bytes());
    put(72, &bitpix.to_le_bytes());
    let ras = ras_affine(geometry);
    let (quaternion, qfac) = quaternion(ras.matrix3);
    let spacing = geometry.spacing();
    for (n, v) in [qfac, spacing.x, spacing.y, spacing.z, 1.0, 1.0, 1.0, 1.0].into_iter().enumerate() {
        put(76 + 4 * n, &(v as f32).to_le_bytes());
    }
    put(108, &(HEADER as f32).to_le_bytes());
    put(112, &1f32.to_le_bytes());
    // Millimetres (2) and seconds (8).
    put(123, &[10]);
    put(252, &1i16.to_le_bytes());
    put(254, &1i16.to_le_bytes());
    let t = ras.translation;
    for (n, v) in [quaternion.x, quaternion.y, quaternion.z, t.x, t.y, t.z].into_iter().enumerate() {
        put(256 + 4 * n, &(v as f32).to_le_bytes());
    }
    let m = ras.matrix3;
    for row in 0..3 {
        for (col, v) in [m.x_axis[row], m.y_axis[row], m.z_axis[row], t[row]].into_iter().enumerate() {
            put(280 + 16 * row + 4 * col, &(v as f32).to_le_bytes());
        }
    }
    put(344, b"n+1\0");
    Ok(h)
}

fn ras_affine(geometry: &Geometry) -> DAffine3 {
    let flip = DMat3::from_diagonal(DVec3::new(-1.0, -1.0, 1.0));
    let a = geometry.world_from_voxel();
    DAffine3 { matrix3: flip * a.matrix3, translation: flip * a.translation }
}

/// Quaternion with a non-negative real part and qfac, of the rotation nearest to the matrix's directions.
fn quaternion(m: DMat3) -> (DQuat, f64) {
    let mut r = DMat3::from_cols(m.x_axis.normalize(), m.y_axis.normalize(), m.z_axis.normalize());
    let qfac = if r.determinant() < 0.0 { -1.0 } else { 1.0 };
    r.z_axis *= qfac;
    // Polar decomposition by Newton's iteration (Higham 1986): the nearest rotation when the axes are sheared.
    for _ in 0..20 {
        r = (r + r.inverse().transpose()) * 0.5;
    }
    let q = DQuat::from_mat3(&r).normalize();
    (if q.w < 0.0 { -q } else { q }, qfac)
}
