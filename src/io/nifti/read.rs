//! Opening NIfTI files.

use super::header::{self, Header};
use super::{HeaderFault, NiftiError};
use crate::core::{Geometry, Volume};
use crate::io::samples::{SampleError, Samples};
use crate::io::types::{Finding, LoadEvent};
use crate::jobs::JobContext;
use flate2::bufread::MultiGzDecoder;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

/// An opened file: grid known, samples not yet read.
pub struct NiftiFile {
    pub geometry: Geometry,
    pub samples: Samples,
    pub findings: Vec<Finding>,
}

/// Reads the header and stops before the first voxel. Plain or gzip is told by the first bytes, not by the name.
///
/// # Errors
/// [`NiftiError`].
pub fn open_nifti(path: &Path) -> Result<NiftiFile, NiftiError> {
    let unreadable = |source| NiftiError::Read { path: path.to_owned(), source };
    let fault = |fault| NiftiError::Header { path: path.to_owned(), fault };
    let file = File::open(path).map_err(unreadable)?;
    let length = file.metadata().map_err(unreadable)?.len();
    let mut plain = BufReader::with_capacity(1 << 16, file);
    let compressed = plain.fill_buf().map_err(unreadable)?.starts_with(&[0x1f, 0x8b]);
    let mut source: Box<dyn Read + Send> = if compressed {
        Box::new(BufReader::with_capacity(1 << 16, MultiGzDecoder::new(plain)))
    } else {
        Box::new(plain)
    };
    let mut bytes = Vec::with_capacity(header::MAX_HEADER);
    let data = |source| NiftiError::Data { path: path.to_owned(), source };
    let mut read =
        |bytes: &mut Vec<u8>, upto: usize| match source.by_ref().take((upto - bytes.len()) as u64).read_to_end(bytes) {
            Ok(_) => Ok(()),
            Err(_) if compressed => Err(data(SampleError::Corrupt)),
            Err(e) => Err(unreadable(e)),
        };
    // The longer header is read only where the first four bytes ask for it: a small NIfTI-1 file may end before 540.
    read(&mut bytes, 348)?;
    if bytes.starts_with(&540i32.to_le_bytes()) || bytes.starts_with(&540i32.to_be_bytes()) {
        read(&mut bytes, header::MAX_HEADER)?;
    }
    let Header { geometry, format, data_offset, remarks } = header::parse(&bytes).map_err(fault)?;
    let samples = Samples { source: Box::new(io::empty()), format, dims: geometry.dims(), bounded: compressed };
    let available = if compressed { length } else { length.saturating_sub(data_offset) };
    samples.check_length(available, compressed).map_err(data)?;
    let gap = data_offset - bytes.len() as u64;
    let skipped = io::copy(&mut source.by_ref().take(gap), &mut io::sink()).map_err(|_| data(SampleError::Corrupt))?;
    if skipped < gap {
        return Err(fault(HeaderFault::DataOffset(data_offset as f64)));
    }
    let findings = remarks
        .into_iter()
        .map(|(severity, code, text)| Finding { severity, code, text, file: Some(path.to_owned()) })
        .collect();
    Ok(NiftiFile { geometry, samples: Samples { source, ..samples }, findings })
}

/// Reads a volume in HU; sends the grid first and then each slice.
///
/// # Errors
/// [`NiftiError`]; [`SampleError::Cancelled`] inside [`NiftiError::Data`] when the job was stopped.
pub fn load_nifti_volume(path: &Path, ctx: &JobContext<LoadEvent>) -> Result<(Volume, Vec<Finding>), NiftiError> {
    let mut file = open_nifti(path)?;
    let (volume, more) = file
        .samples
        .into_volume(file.geometry, path, ctx)
        .map_err(|source| NiftiError::Data { path: path.to_owned(), source })?;
    file.findings.extend(more);
    Ok((volume, file.findings))
}

/// Reads a mask: its grid and one number a voxel, i fastest.
///
/// # Errors
/// [`NiftiError`]; [`SampleError::NotLabels`] inside [`NiftiError::Data`] when a sample cannot be a label.
pub fn load_nifti_labels(path: &Path) -> Result<(Geometry, Vec<u32>), NiftiError> {
    let file = open_nifti(path)?;
    let labels = file.samples.into_labels().map_err(|source| NiftiError::Data { path: path.to_owned(), source })?;
    Ok((file.geometry, labels))
}
