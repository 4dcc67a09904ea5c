//! Samples of volume files: number types, bounded reading, conversion to HU and to labels.
//!
//! Shared by the NIfTI and NRRD readers, and by the scan when it asks whether a file holds labels.
//! Nothing here trusts a header: memory grows with the bytes that really arrive.

use crate::core::{Geometry, Volume};
use crate::io::bounds::{is_plausible, is_plausible_mask};
use crate::io::numbers::Numbers;
use crate::io::types::{Finding, LoadEvent, Severity};
use crate::jobs::JobContext;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

/// Longest axis that is read: NIfTI-1 cannot say more, and no scanner makes more.
const MAX_AXIS: usize = 32_767;
/// Most voxels that are read (4 GiB of samples in memory).
const MAX_VOXELS: u64 = 1 << 31;
/// DEFLATE cannot pack more than 1032 bytes into one (RFC 1951: 258 bytes for two bits).
pub(super) const MAX_INFLATE: u64 = 1032;
const CHUNK: usize = 1 << 20;

/// Why the samples of a file were refused. Continues a sentence that names the file.
#[derive(Debug, thiserror::Error)]
pub enum SampleError {
    /// A side is zero or longer than anything that can be held.
    #[error("it says it has {0} x {1} x {2} voxels, which cannot be held")]
    Size(u64, u64, u64),
    /// The file is smaller than its header promises.
    #[error(
        "it is too short for the {expected} bytes of image data that its header promises; copy it again from its source"
    )]
    Short { expected: u64 },
    /// So few bytes cannot be so many voxels of an image.
    #[error(
        "it would unpack to {unpacked} bytes of image from a file of {stored}; it is damaged or not what it claims to be"
    )]
    Ratio { unpacked: u64, stored: u64 },
    /// Compressed data goes on after the last voxel.
    #[error(
        "it unpacks to more than the {expected} bytes that its header promises; it is damaged or not what it claims to be"
    )]
    Excess { expected: u64 },
    /// The compressed stream is not valid, or a checksum fails.
    #[error("its compressed data is damaged; copy it again from its source")]
    Corrupt,
    /// The operating system failed to deliver bytes.
    #[error("reading it failed: {}", crate::io::atomic::plain_reason(.0))]
    Read(#[source] io::Error),
    /// A sample is negative, fractional or too large for a label.
    #[error("it holds the value {0}, and labels are whole numbers from 0 up; open it as an image instead of a mask")]
    NotLabels(f64),
    /// More different numbers than can be told apart.
    #[error("it holds more than 255 different labels; choose a file with fewer")]
    TooManyLabels,
    /// The memory for the samples could not be had.
    #[error("there is not enough memory for it")]
    Memory,
    /// The caller asked to stop.
    #[error("reading it was stopped")]
    Cancelled,
}

/// Number type of one sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SampleKind {
    U8,
    I8,
    U16,
    I16,
    U32,
    I32,
    U64,
    I64,
    F32,
    F64,
}

impl SampleKind {
    /// Bytes of one sample.
    pub fn bytes(self) -> usize {
        match self {
            Self::U8 | Self::I8 => 1,
            Self::U16 | Self::I16 => 2,
            Self::U32 | Self::I32 | Self::F32 => 4,
            Self::U64 | Self::I64 | Self::F64 => 8,
        }
    }
}

/// How bytes become numbers: `value = slope * stored + intercept`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SampleFormat {
    pub kind: SampleKind,
    pub big_endian: bool,
    pub slope: f64,
    pub intercept: f64,
}

impl SampleFormat {
    /// Calls `sink` with each number in `bytes` (a whole number of samples).
    pub(super) fn decode(&self, bytes: &[u8], mut sink: impl FnMut(f64)) {
        macro_rules! each {
            ($t:ty) => {
                for b in bytes.as_chunks::<{ size_of::<$t>() }>().0 {
                    let v = if self.big_endian { <$t>::from_be_bytes(*b) } else { <$t>::from_le_bytes(*b) };
                    sink(v as f64 * self.slope + self.intercept);
                }
            };
        }
        match self.kind {
            SampleKind::U8 => each!(u8),
            SampleKind::I8 => each!(i8),
            SampleKind::U16 => each!(u16),
            SampleKind::I16 => each!(i16),
            SampleKind::U32 => each!(u32),
            SampleKind::I32 => each!(i32),
            SampleKind::U64 => each!(u64),
            SampleKind::I64 => each!(i64),
            SampleKind::F32 => each!(f32),
            SampleKind::F64 => each!(f64),
        }
    }
}

/// Checks sizes and gives them back as a grid's sizes.
///
/// # Errors
/// [`SampleError::Size`] for zero or absurd sizes.
pub fn checked_dims(dims: [u64; 3]) -> Result<[usize; 3], SampleError> {
    let bad = || SampleError::Size(dims[0], dims[1], dims[2]);
    if dims.iter().any(|&d| d == 0 || d > MAX_AXIS as u64) || dims.iter().product::<u64>() > MAX_VOXELS {
        return Err(bad());
    }
    Ok(dims.map(|d| d as usize))
}

/// The samples of one opened file, i fastest, ready to be read once.
pub struct Samples {
    pub source: Box<dyn Read + Send>,
    pub format: SampleFormat,
    pub dims: [usize; 3],
    /// Bytes of the file that the samples are unpacked from.
    pub stored: u64,
    /// Whether data after the last voxel is refused (compressed streams) or ignored.
    pub bounded: bool,
}

/// What is not a number is shown as air.
const NOT_A_NUMBER_HU: i16 = -1024;

/// What happened to samples that are no whole `i16`.
#[derive(Default)]
struct Losses {
    rounded: u64,
    saturated: u64,
    not_numbers: u64,
    /// What stands in their place.
    absent: i16,
}

impl Samples {
    fn expected(&self) -> u64 {
        self.dims.iter().product::<usize>() as u64 * self.format.kind.bytes() as u64
    }

    /// Refuses before reading when `available` bytes (compressed or not) cannot hold the voxels, or hold too many.
    ///
    /// # Errors
    /// [`SampleError::Short`], [`SampleError::Ratio`].
    pub fn check_length(&self, available: u64, compressed: bool) -> Result<(), SampleError> {
        let limit = if compressed { available.saturating_mul(MAX_INFLATE) } else { available };
        if self.expected() > limit {
            return Err(SampleError::Short { expected: self.expected() });
        }
        self.check_ratio()
    }

    /// Refuses more voxels than a file of this size can hold, be they a mask of a single organ.
    ///
    /// # Errors
    /// [`SampleError::Ratio`].
    pub fn check_ratio(&self) -> Result<(), SampleError> {
        let voxels = self.dims.iter().product::<usize>() as u64;
        if !is_plausible_mask(voxels, self.stored) {
            return Err(SampleError::Ratio { unpacked: voxels, stored: self.stored });
        }
        Ok(())
    }

    /// Reads one slice in chunks of whole samples.
    pub(super) fn slice(
        &mut self,
        buffer: &mut Vec<u8>,
        mut take: impl FnMut(&[u8]) -> Result<(), SampleError>,
    ) -> Result<(), SampleError> {
        let mut left = self.dims[0] * self.dims[1] * self.format.kind.bytes();
        while left > 0 {
            let n = left.min(CHUNK);
            buffer.resize(n, 0);
            self.source.read_exact(buffer).map_err(|e| read_error(e, self.expected()))?;
            take(buffer)?;
            left -= n;
        }
        Ok(())
    }

    /// After the last slice: verifies checksums and that nothing follows.
    fn finish(&mut self) -> Result<(), SampleError> {
        if !self.bounded {
            return Ok(());
        }
        match self.source.read(&mut [0]) {
            Ok(0) => Ok(()),
            Ok(_) => Err(SampleError::Excess { expected: self.expected() }),
            Err(e) => Err(read_error(e, self.expected())),
        }
    }

    /// All samples as HU, rounded and saturated; sends the grid, then each slice as it is decoded.
    ///
    /// # Errors
    /// [`SampleError`].
    pub fn into_volume(
        self,
        geometry: Geometry,
        path: &Path,
        ctx: &JobContext<LoadEvent>,
    ) -> Result<(Volume, Vec<Finding>), SampleError> {
        self.into_volume_with(NOT_A_NUMBER_HU, geometry, path, ctx)
    }

    /// [`Self::into_volume`] with `absent` in place of what is not a number.
    pub(super) fn into_volume_with(
        mut self,
        absent: i16,
        geometry: Geometry,
        path: &Path,
        ctx: &JobContext<LoadEvent>,
    ) -> Result<(Volume, Vec<Finding>), SampleError> {
        let [nx, ny, nz] = self.dims;
        let voxels = geometry.voxel_count();
        let unpacked = voxels as u64 * size_of::<i16>() as u64;
        if !is_plausible(unpacked, self.stored) {
            return Err(SampleError::Ratio { unpacked, stored: self.stored });
        }
        ctx.progress.set(0, nz as u64);
        ctx.send(LoadEvent::Begin { geometry, window: None });
        let (mut hu, mut buffer, mut losses) = (Vec::<i16>::new(), Vec::new(), Losses { absent, ..Losses::default() });
        let format = self.format;
        for k in 0..nz {
            if ctx.is_cancelled() {
                return Err(SampleError::Cancelled);
            }
            self.slice(&mut buffer, |bytes| {
                make_room(&mut hu, bytes.len() / format.kind.bytes(), voxels)?;
                format.decode(bytes, |v| hu.push(losses.hu(v)));
                Ok(())
            })?;
            if let Some(slice) = hu.get(k * nx * ny..) {
                ctx.send(LoadEvent::Slice { k, hu: Arc::from(slice) });
            }
            ctx.progress.step();
        }
        self.finish()?;
        let volume = Volume::new(geometry, hu).map_err(|_| SampleError::Size(nx as u64, ny as u64, nz as u64))?;
        Ok((volume, losses.findings(path)))
    }

    /// All samples as labels, in so many interleaved layers: the layer runs fastest.
    ///
    /// # Errors
    /// [`SampleError::NotLabels`] for a sample that is no whole number from 0 to `u32::MAX`,
    /// [`SampleError::TooManyLabels`], and the others.
    pub fn into_labels(mut self, layers: usize) -> Result<Vec<Numbers>, SampleError> {
        let layers = layers.max(1);
        let mut labels = vec![Numbers::new(self.dims[0] / layers * self.dims[1]); layers];
        let mut buffer = Vec::new();
        let (format, mut layer) = (self.format, 0);
        for _ in 0..self.dims[2] {
            self.slice(&mut buffer, |bytes| {
                let mut bad = None;
                format.decode(bytes, |v| {
                    let whole = v.round();
                    // Scaled or interpolated-then-saved masks carry float noise; more than that is no label.
                    let number = (v - whole).abs() <= 1e-3 && (0.0..=f64::from(u32::MAX)).contains(&whole);
                    let pushed = number.then(|| labels.get_mut(layer).map_or(Ok(()), |l| l.push(whole as u32)));
                    match pushed {
                        Some(Ok(())) => {}
                        Some(Err(_)) => bad = Some(SampleError::TooManyLabels),
                        None => bad = Some(SampleError::NotLabels(v)),
                    }
                    layer = (layer + 1) % layers;
                });
                bad.map_or(Ok(()), Err)
            })?;
        }
        self.finish()?;
        Ok(labels)
    }

    /// Whether the samples can be labels: whole, not negative, at most 256 distinct values; with more than 32 of them,
    /// neighbours must mostly be equal, as they are in a map of organs and are not in an 8-bit image.
    ///
    /// Stops at the first sample that decides it, and after `limit` bytes with what was seen so far.
    ///
    /// # Errors
    /// [`SampleError`] when the data cannot be read.
    pub fn look_like_labels(mut self, limit: u64) -> Result<bool, SampleError> {
        let (mut distinct, mut buffer, mut read) = (std::collections::HashSet::<u32>::new(), Vec::new(), 0u64);
        let (mut filled, mut changes) = (0u64, 0u64);
        let format = self.format;
        for _ in 0..self.dims[2] {
            let (mut labels, mut last) = (true, None);
            self.slice(&mut buffer, |bytes| {
                read += bytes.len() as u64;
                if labels {
                    format.decode(bytes, |v| {
                        filled += u64::from(v != 0.0);
                        if last != Some(v) {
                            last = Some(v);
                            changes += 1;
                            labels &= v >= 0.0 && v.fract() == 0.0 && v <= f64::from(u32::MAX);
                            if labels && distinct.len() <= 256 {
                                distinct.insert(v as u32);
                            }
                        }
                    });
                }
                Ok(())
            })?;
            if !labels || distinct.len() > 256 {
                return Ok(false);
            }
            if read > limit {
                break;
            }
        }
        Ok(distinct.len() <= 32 || changes * 2 <= filled)
    }
}

impl Losses {
    fn hu(&mut self, v: f64) -> i16 {
        if v.is_nan() {
            self.not_numbers += 1;
            return self.absent;
        }
        let whole = v.round();
        let clamped = whole.clamp(f64::from(i16::MIN), f64::from(i16::MAX));
        self.saturated += u64::from(clamped != whole);
        self.rounded += u64::from((v - whole).abs() > 1e-3);
        clamped as i16
    }

    fn findings(&self, path: &Path) -> Vec<Finding> {
        let mut out = Vec::new();
        let mut add = |count: u64, severity, code, text: &str| {
            if count > 0 {
                let text = format!("{count} samples {text}");
                out.push(Finding { severity, code, text, file: Some(path.to_owned()) });
            }
        };
        add(self.rounded, Severity::Note, "rounded", "are fractions and were rounded to whole HU");
        add(self.saturated, Severity::Warning, "saturated", "lie outside -32768 to 32767 and were cut to that range");
        let unit = if self.absent == NOT_A_NUMBER_HU { " HU" } else { "" };
        let text = format!("are not numbers and are shown as {}{unit}", self.absent);
        add(self.not_numbers, Severity::Warning, "not-a-number", &text);
        out
    }
}

/// Room for `more` samples: twice what there is, so that memory follows the bytes that arrive, but never more than for
/// all of them.
fn make_room<T>(samples: &mut Vec<T>, more: usize, all: usize) -> Result<(), SampleError> {
    if samples.capacity() - samples.len() >= more {
        return Ok(());
    }
    let wanted = (2 * samples.len()).max(CHUNK).min(all).saturating_sub(samples.len()).max(more);
    samples.try_reserve_exact(wanted).map_err(|_| SampleError::Memory)
}

fn read_error(error: io::Error, expected: u64) -> SampleError {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => SampleError::Short { expected },
        io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData => SampleError::Corrupt,
        _ => SampleError::Read(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(kind: SampleKind, bytes: Vec<u8>, dims: [usize; 3]) -> Samples {
        Samples {
            source: Box::new(io::Cursor::new(bytes)),
            format: SampleFormat { kind, big_endian: false, slope: 1.0, intercept: 0.0 },
            dims,
            stored: 0,
            bounded: true,
        }
    }

    #[test]
    fn what_is_lost_is_said() {
        let g = Geometry::axis_aligned([5, 1, 1], glam::DVec3::ONE, glam::DVec3::ZERO).unwrap();
        let bytes = [1.4f32, -1.5, 40_000.0, f32::NAN, 7.0].iter().flat_map(|v| v.to_le_bytes()).collect();
        let ctx = JobContext::detached();
        let (v, findings) =
            samples(SampleKind::F32, bytes, [5, 1, 1]).into_volume(g, Path::new("a.nii"), &ctx).unwrap();
        assert_eq!(v.hu().as_ref(), [1, -2, 32767, -1024, 7]);
        assert_eq!(findings.iter().map(|f| f.code).collect::<Vec<_>>(), ["rounded", "saturated", "not-a-number"]);
    }

    #[test]
    fn labels_are_whole_and_not_negative() {
        let le = |v: [i16; 3]| v.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>();
        let ok = samples(SampleKind::I16, le([0, 3, 300]), [3, 1, 1]).into_labels(1).unwrap();
        assert_eq!(ok[0].iter().collect::<Vec<_>>(), [0, 3, 300]);
        let two = samples(SampleKind::I16, le([4, 3, 5]), [3, 1, 1]).into_labels(3).unwrap();
        assert_eq!(two.iter().map(|l| l.values()[0]).collect::<Vec<_>>(), [4, 3, 5]);
        let many = samples(SampleKind::U16, (0..300u16).flat_map(u16::to_le_bytes).collect(), [300, 1, 1]);
        assert!(matches!(many.into_labels(1), Err(SampleError::TooManyLabels)));
        let bad = samples(SampleKind::I16, le([0, 3, -1]), [3, 1, 1]).into_labels(1);
        assert!(matches!(bad, Err(SampleError::NotLabels(v)) if v == -1.0));
        assert!(!samples(SampleKind::I16, le([0, 3, -1]), [3, 1, 1]).look_like_labels(1 << 20).unwrap());
        assert!(samples(SampleKind::I16, le([0, 3, 1]), [3, 1, 1]).look_like_labels(1 << 20).unwrap());
    }

    #[test]
    fn too_little_and_too_much_are_refused() {
        let short = samples(SampleKind::U8, vec![1, 2], [3, 1, 1]).into_labels(1);
        assert!(matches!(short, Err(SampleError::Short { expected: 3 })));
        let long = samples(SampleKind::U8, vec![1, 2, 3, 4], [3, 1, 1]).into_labels(1);
        assert!(matches!(long, Err(SampleError::Excess { expected: 3 })));
        assert!(checked_dims([0, 1, 1]).is_err());
        assert!(checked_dims([u64::MAX, 2, 2]).is_err());
        assert!(checked_dims([30_000, 30_000, 30]).is_err());
        assert_eq!(checked_dims([512, 512, 300]).unwrap(), [512, 512, 300]);
    }
}
