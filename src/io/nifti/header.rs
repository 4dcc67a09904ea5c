//! The NIfTI header: fields, byte order, and the grid they describe.

use super::HeaderFault;
use crate::core::Geometry;
use crate::io::samples::{SampleFormat, SampleKind, checked_dims};
use crate::io::types::Severity;
use crate::io::volume_file::{NO_ORIENTATION, Remark};
use glam::{DAffine3, DMat3, DQuat, DVec3};

/// Longest header: NIfTI-2.
pub const MAX_HEADER: usize = 540;
/// Extensions between header and data are skipped up to here.
const MAX_DATA_OFFSET: f64 = (64u32 << 20) as f64;

/// What a reader needs from a header.
#[derive(Debug)]
pub struct Header {
    pub geometry: Geometry,
    pub format: SampleFormat,
    /// Byte of the first voxel.
    pub data_offset: u64,
    /// The data lies in a file of its own.
    pub paired: bool,
    pub remarks: Vec<Remark>,
}

/// Fields at byte offsets of the two versions, in the file's byte order.
struct Fields<'a> {
    bytes: &'a [u8],
    big_endian: bool,
    two: bool,
    paired: bool,
}

impl Fields<'_> {
    fn array<const N: usize>(&self, at: usize) -> [u8; N] {
        let mut out = [0; N];
        if let Some(bytes) = self.bytes.get(at..at + N) {
            out.copy_from_slice(bytes);
        }
        if self.big_endian {
            out.reverse();
        }
        out
    }

    fn i16(&self, at: usize) -> i16 {
        i16::from_le_bytes(self.array(at))
    }

    fn f32(&self, at: usize) -> f64 {
        f64::from(f32::from_le_bytes(self.array(at)))
    }

    fn f64(&self, at: usize) -> f64 {
        f64::from_le_bytes(self.array(at))
    }

    fn dim(&self, n: usize) -> i64 {
        if self.two { i64::from_le_bytes(self.array(16 + 8 * n)) } else { i64::from(self.i16(40 + 2 * n)) }
    }

    fn pixdim(&self, n: usize) -> f64 {
        if self.two { self.f64(104 + 8 * n) } else { self.f32(76 + 4 * n) }
    }

    fn datatype(&self) -> i16 {
        self.i16(if self.two { 12 } else { 70 })
    }

    fn vox_offset(&self) -> f64 {
        if self.two { i64::from_le_bytes(self.array(168)) as f64 } else { self.f32(108) }
    }

    fn scaling(&self) -> (f64, f64) {
        if self.two { (self.f64(176), self.f64(184)) } else { (self.f32(112), self.f32(116)) }
    }

    /// Spatial part of `xyzt_units` (bits 0 to 2).
    fn space_units(&self) -> u8 {
        let byte = if self.two { self.array::<4>(500)[0] } else { self.array::<1>(123)[0] };
        byte & 7
    }

    /// `qform_code` and `sform_code` above zero.
    fn codes(&self) -> (bool, bool) {
        if self.two {
            let code = |at| i32::from_le_bytes(self.array(at)) > 0;
            (code(344), code(348))
        } else {
            (self.i16(252) > 0, self.i16(254) > 0)
        }
    }

    /// Quaternion b, c, d and offset x, y, z.
    fn quatern(&self) -> [f64; 6] {
        std::array::from_fn(|n| if self.two { self.f64(352 + 8 * n) } else { self.f32(256 + 4 * n) })
    }

    /// RAS affine of the sform.
    fn sform(&self) -> DAffine3 {
        let at = |row: usize, col: usize| {
            let n = row * 4 + col;
            if self.two { self.f64(400 + 8 * n) } else { self.f32(280 + 4 * n) }
        };
        let col = |c| DVec3::new(at(0, c), at(1, c), at(2, c));
        DAffine3::from_cols(col(0), col(1), col(2), col(3))
    }

    /// RAS affine of the qform (nifti1.h, METHOD 2).
    fn qform(&self, spacing: DVec3) -> DAffine3 {
        let [b, c, d, x, y, z] = self.quatern();
        let rest = 1.0 - (b * b + c * c + d * d);
        let q = if rest < 1e-7 { DQuat::from_xyzw(b, c, d, 0.0) } else { DQuat::from_xyzw(b, c, d, rest.sqrt()) };
        let qfac = if self.pixdim(0) < 0.0 { -1.0 } else { 1.0 };
        let scale = DMat3::from_diagonal(DVec3::new(spacing.x, spacing.y, spacing.z * qfac));
        DAffine3 { matrix3: DMat3::from_quat(q.normalize()) * scale, translation: DVec3::new(x, y, z) }
    }
}

/// Reads the header from the first bytes of the (unpacked) file.
///
/// # Errors
/// [`HeaderFault`].
pub fn parse(bytes: &[u8]) -> Result<Header, HeaderFault> {
    let fields = version(bytes)?;
    let dims = sizes(&fields)?;
    let kind = sample_kind(fields.datatype())?;
    let (slope, intercept) = match fields.scaling() {
        (slope, inter) if slope.is_finite() && slope != 0.0 => (slope, if inter.is_finite() { inter } else { 0.0 }),
        _ => (1.0, 0.0),
    };
    let offset = fields.vox_offset();
    let least = if fields.paired { 0.0 } else { [352.0, 544.0][usize::from(fields.two)] };
    // Some writers leave 0 where they mean "straight after the header".
    let offset = if offset == 0.0 { least } else { offset };
    if !(offset >= (least - 4.0).max(0.0) && offset <= MAX_DATA_OFFSET && offset.fract() == 0.0) {
        return Err(HeaderFault::DataOffset(offset));
    }
    let mut remarks = Vec::new();
    let geometry = grid(&fields, dims, &mut remarks)?;
    Ok(Header {
        paired: fields.paired,
        geometry,
        format: SampleFormat { kind, big_endian: fields.big_endian, slope, intercept },
        data_offset: offset as u64,
        remarks,
    })
}

fn version(bytes: &[u8]) -> Result<Fields<'_>, HeaderFault> {
    let size = *bytes.first_chunk::<4>().ok_or(HeaderFault::Short)?;
    let (two, big_endian) = match (i32::from_le_bytes(size), i32::from_be_bytes(size)) {
        (348, _) => (false, false),
        (_, 348) => (false, true),
        (540, _) => (true, false),
        (_, 540) => (true, true),
        _ => return Err(HeaderFault::NotNifti),
    };
    if bytes.len() < if two { 540 } else { 348 } {
        return Err(HeaderFault::Short);
    }
    let magic = if two { bytes.get(4..8) } else { bytes.get(344..348) };
    match magic {
        Some(b"n+1\0" | b"n+2\0") => Ok(Fields { bytes, big_endian, two, paired: false }),
        Some(b"ni1\0" | b"ni2\0") => Ok(Fields { bytes, big_endian, two, paired: true }),
        Some([0, 0, 0, 0]) if !two => Err(HeaderFault::Analyze),
        _ => Err(HeaderFault::NotNifti),
    }
}

fn sizes(fields: &Fields<'_>) -> Result<[usize; 3], HeaderFault> {
    let count = fields.dim(0);
    if !(1..=7).contains(&count) {
        return Err(HeaderFault::DimensionCount(count));
    }
    let size = |n: usize| if n as i64 > count { 1 } else { fields.dim(n) };
    let volumes = (4..=7).map(|n| size(n).max(1)).fold(1i64, i64::saturating_mul);
    if volumes > 1 {
        return Err(HeaderFault::Series(volumes));
    }
    let dims = [size(1), size(2), size(3)].map(|d| u64::try_from(d).unwrap_or(0));
    checked_dims(dims).map_err(|_| HeaderFault::Sizes)
}

fn sample_kind(code: i16) -> Result<SampleKind, HeaderFault> {
    Ok(match code {
        2 => SampleKind::U8,
        4 => SampleKind::I16,
        8 => SampleKind::I32,
        16 => SampleKind::F32,
        64 => SampleKind::F64,
        256 => SampleKind::I8,
        512 => SampleKind::U16,
        768 => SampleKind::U32,
        1024 => SampleKind::I64,
        1280 => SampleKind::U64,
        128 | 2304 => return Err(HeaderFault::Colours),
        32 | 1792 | 2048 => return Err(HeaderFault::Complex),
        other => return Err(HeaderFault::NumberType(other)),
    })
}

/// sform, else qform, else spacing alone; then RAS to LPS and the file's unit to mm.
fn grid(fields: &Fields<'_>, dims: [usize; 3], remarks: &mut Vec<Remark>) -> Result<Geometry, HeaderFault> {
    let spacing = DVec3::from_array(std::array::from_fn(|a| {
        let d = fields.pixdim(a + 1).abs();
        // A single slice often has no thickness in its header.
        if d == 0.0 && dims[a] == 1 { 1.0 } else { d }
    }));
    let unit = match fields.space_units() {
        1 => 1000.0,
        3 => 0.001,
        _ => 1.0,
    };
    if unit != 1.0 {
        let text = format!("its lengths are not in millimetres; they were multiplied by {unit}");
        remarks.push((Severity::Note, "units", text));
    }
    let lps = |ras: DAffine3| {
        let flip = DMat3::from_diagonal(DVec3::new(-unit, -unit, unit));
        Geometry::new(dims, DAffine3 { matrix3: flip * ras.matrix3, translation: flip * ras.translation })
    };
    let (has_qform, has_sform) = fields.codes();
    let qform = has_qform.then(|| lps(fields.qform(spacing)));
    if has_sform {
        match (lps(fields.sform()).map_err(HeaderFault::Orientation).and_then(|g| sheared(g, remarks)), &qform) {
            (Ok(grid), other) => {
                // A qform cannot say a shear: then they must differ.
                if let (Some(Ok(other)), false) = (other, remarks.iter().any(|r| r.1 == "sheared")) {
                    compare(&grid, other, remarks);
                }
                return Ok(grid);
            }
            (Err(fault), None) => return Err(fault),
            (Err(_), Some(_)) => {
                remarks.push((Severity::Warning, "sform", "its sform is not usable; its qform is used".into()));
            }
        }
    }
    if let Some(grid) = qform {
        return grid.map_err(HeaderFault::Orientation);
    }
    let text = "it does not say how the patient lies; its axes are taken as right, anterior and up";
    remarks.push((Severity::Warning, NO_ORIENTATION, text.into()));
    lps(DAffine3 { matrix3: DMat3::from_diagonal(spacing), translation: DVec3::ZERO }).map_err(HeaderFault::Orientation)
}

/// Furthest off a right angle that axes may be: beyond any gantry tilt, the numbers are broken.
const MAX_SHEAR_DEGREES: f64 = 45.0;

/// Notes axes that are more than half a degree off a right angle; they are kept as they are, up to 45 degrees.
fn sheared(grid: Geometry, remarks: &mut Vec<Remark>) -> Result<Geometry, HeaderFault> {
    let d = grid.direction();
    let worst = d.x_axis.dot(d.y_axis).abs().max(d.x_axis.dot(d.z_axis).abs()).max(d.y_axis.dot(d.z_axis).abs());
    let degrees = worst.min(1.0).asin().to_degrees();
    if degrees > MAX_SHEAR_DEGREES {
        return Err(HeaderFault::Sheared(degrees));
    }
    if degrees > 0.5 {
        let text = format!("its axes are {degrees:.1} degrees off a right angle, and shown as stored");
        remarks.push((Severity::Warning, "sheared", text));
    }
    Ok(grid)
}

/// Tells when the two transforms of a header disagree by more than half a voxel.
fn compare(sform: &Geometry, qform: &Geometry, remarks: &mut Vec<Remark>) {
    let last = DVec3::from_array(sform.dims().map(|d| d as f64 - 1.0));
    let (s, q) = (sform.world_from_voxel(), qform.world_from_voxel());
    let off = (0..8)
        .map(|corner| DVec3::from_array(std::array::from_fn(|a| if corner >> a & 1 == 1 { last[a] } else { 0.0 })))
        .map(|v| s.transform_point3(v).distance(q.transform_point3(v)))
        .fold(0.0, f64::max);
    if off > sform.spacing().min_element() / 2.0 {
        let text = format!("its qform puts the image up to {off:.1} mm from where its sform does; the sform is used");
        remarks.push((Severity::Warning, "forms-differ", text));
    }
}
