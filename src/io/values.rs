//! Volume files whose values are no Hounsfield units and would be lost as whole numbers: SUV, Bq/ml, normalised images.
//!
//! Only what is looked at is read so. Whoever works with HU gets HU, as the file says them, and is told what was rounded.

use super::nifti::{NiftiError, open_nifti};
use super::nrrd::{NrrdError, open_nrrd};
use super::open::load_volume_with_findings;
use super::samples::{SampleError, SampleKind, Samples};
use super::types::{Finding, LoadEvent, Severity, VolumeSource};
use crate::core::{Geometry, ValueScale, Volume};
use crate::io::error::IoError;
use crate::jobs::JobContext;
use std::path::Path;

/// Fractions over less than this are no HU: air and tissue alone are a thousand apart.
const SMALL_RANGE: f64 = 100.0;

/// Reads a volume to be looked at: like [`super::load_volume_with_findings`], but a file of floating-point numbers that
/// cannot be HU comes on a scale of its own, so that its fractions and large values are kept.
///
/// These are files more than half of whose samples are fractions within a small range, and files that hold nothing
/// below zero and values beyond 32,767. CT has air below zero, whatever its number type.
///
/// # Errors
/// As [`super::load_volume`].
pub fn load_values(source: &VolumeSource, ctx: &JobContext<LoadEvent>) -> Result<(Volume, Vec<Finding>), IoError> {
    // What cannot be read is refused below, by the reader that says why.
    let Some(scale) = scale_of(source, ctx) else { return load_volume_with_findings(source, ctx) };
    let File { geometry, mut samples, mut findings, path } = open(source)?;
    samples.format.slope /= scale.scale();
    samples.format.intercept /= scale.scale();
    let (volume, more) =
        samples.into_volume_with(0, geometry, path, ctx).map_err(|error| data_error(source, path, error))?;
    findings.extend(more.into_iter().filter(|f| f.code == "not-a-number"));
    let text = "Its values are no Hounsfield units: it can be looked at and laid over a CT, and nothing else.";
    findings.push(Finding::new(Severity::Warning, "not-hounsfield", text).about(path));
    Ok((volume.with_scale(Some(scale)), findings))
}

struct File<'p> {
    geometry: Geometry,
    samples: Samples,
    findings: Vec<Finding>,
    path: &'p Path,
}

fn open(source: &VolumeSource) -> Result<File<'_>, IoError> {
    match source {
        VolumeSource::Nifti(path) => {
            let file = open_nifti(path)?;
            Ok(File { geometry: file.geometry, samples: file.samples, findings: file.findings, path })
        }
        VolumeSource::Nrrd(path) => {
            let file = open_nrrd(path)?;
            Ok(File { geometry: file.geometry, samples: file.samples, findings: file.findings, path })
        }
        // A series brings its own scale.
        VolumeSource::Dicom(_) => Err(IoError::Cancelled),
    }
}

fn data_error(source: &VolumeSource, path: &Path, error: SampleError) -> IoError {
    match source {
        VolumeSource::Nrrd(_) => NrrdError::data(path, error).into(),
        _ => NiftiError::data(path, error).into(),
    }
}

/// The scale of a file that holds no HU. Files of whole numbers are not looked into.
fn scale_of(source: &VolumeSource, ctx: &JobContext<LoadEvent>) -> Option<ValueScale> {
    let layers = match source {
        VolumeSource::Dicom(_) => return None,
        VolumeSource::Nifti(_) => 1,
        VolumeSource::Nrrd(path) => open_nrrd(path).ok()?.layers,
    };
    let File { samples, .. } = open(source).ok()?;
    let format = samples.format;
    let float = matches!(format.kind, SampleKind::F32 | SampleKind::F64) || format.slope.fract() != 0.0;
    if layers > 1 || !float { None } else { samples.value_scale(|| ctx.is_cancelled()).ok()? }
}

impl Samples {
    /// The scale on which the values fit into samples, when they are no HU. Ends early where they are.
    fn value_scale(mut self, cancelled: impl Fn() -> bool) -> Result<Option<ValueScale>, SampleError> {
        let (mut low, mut high, mut count, mut fractions) = (f64::MAX, f64::MIN, 0u64, 0u64);
        let (format, mut buffer) = (self.format, Vec::new());
        for _ in 0..self.dims[2] {
            if cancelled() || (low < 0.0 && high - low >= SMALL_RANGE) {
                return Ok(None);
            }
            self.slice(&mut buffer, |bytes| {
                format.decode(bytes, |v| {
                    count += 1;
                    if v.is_finite() {
                        (low, high) = (low.min(v), high.max(v));
                        fractions += u64::from((v - v.round()).abs() > 1e-3);
                    }
                });
                Ok(())
            })?;
        }
        let small = 2 * fractions > count && high - low < SMALL_RANGE;
        let large = low >= 0.0 && high > f64::from(i16::MAX);
        Ok((small || large).then(|| ValueScale::holding(high.abs().max(low.abs()), "")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::load_volume;
    use std::path::PathBuf;

    /// An NRRD of 32-bit floats, 2 x 2 x 2.
    fn file(dir: &Path, values: [f32; 8]) -> VolumeSource {
        let header = "NRRD0004\ntype: float\ndimension: 3\nsizes: 2 2 2\nspace: LPS\n\
                      space directions: (1,0,0) (0,1,0) (0,0,2)\nspace origin: (1,2,3)\nendian: little\n\
                      encoding: raw\n\n";
        let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        let path: PathBuf = dir.join("image.nrrd");
        std::fs::write(&path, [header.as_bytes(), &bytes].concat()).unwrap();
        VolumeSource::Nrrd(path)
    }

    #[test]
    fn fractions_and_large_values_are_kept_for_looking_and_hu_for_work() {
        let dir = tempfile::tempdir().unwrap();
        let ctx = JobContext::detached();
        for values in [
            [0.0, 0.25, 1.125, 2.5, 3.75, 6.4, 0.015, 1.5],
            [0.0, 5.0, 120.0, 40_000.0, 64_000.0, 7.0, 90.0, 32_768.0],
            [f32::NAN, 0.25, 1.125, 2.5, 3.75, 6.4, 0.0, 1.5],
        ] {
            let source = file(dir.path(), values);
            let (volume, findings) = load_values(&source, &ctx).unwrap();
            let scale = volume.scale.clone().expect("no HU");
            for (sample, value) in volume.hu().iter().zip(values) {
                let wanted = if value.is_nan() { 0.0 } else { f64::from(value) };
                let got = scale.value(f64::from(*sample));
                assert!((got - wanted).abs() <= scale.scale() / 2.0 + 1e-9, "{got} for {value}");
            }
            assert_eq!(volume.range()[1], 32_000);
            assert_eq!(findings.last().unwrap().code, "not-hounsfield");
            assert!(findings.iter().all(|f| f.code != "rounded" && f.code != "saturated"), "{findings:?}");
            let work = load_volume(&source, &ctx).unwrap();
            assert!(work.scale.is_none() && work.hu().iter().all(|v| *v != 32_000));
        }
    }

    #[test]
    fn ct_in_floats_stays_in_hu() {
        let dir = tempfile::tempdir().unwrap();
        let ctx = JobContext::detached();
        for values in [
            // Resampled.
            [-1000.5, -999.25, 40.5, 60.25, 38.75, 900.5, -80.25, 0.5],
            // Metal, and whole numbers within a small range.
            [-1000.0, -999.0, 40.0, 60.0, 38.0, 40_000.0, -80.0, 0.0],
            [0.0, 40.0, 41.0, 43.5, 38.0, 60.0, 55.0, 0.0],
            // Soft tissue alone, over more than a small range.
            [0.5, 40.5, 41.5, 43.5, 38.5, 160.5, 55.5, 0.5],
        ] {
            let source = file(dir.path(), values);
            let (volume, findings) = load_values(&source, &ctx).unwrap();
            let (as_ever, told) = load_volume_with_findings(&source, &ctx).unwrap();
            assert!(volume.scale.is_none(), "{values:?}");
            assert_eq!((volume.hu(), findings), (as_ever.hu(), told));
        }
    }
}
