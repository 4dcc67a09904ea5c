//! Opening NIfTI files.

use super::header::{self, Header};
use super::pair::{data_of, header_of, is_named_data};
use super::{HeaderFault, NiftiError};
use crate::core::{Geometry, Volume};
use crate::io::bounds::open_regular;
use crate::io::samples::{SampleError, Samples};
use crate::io::types::{Finding, LoadEvent};
use crate::io::volume_file::{LabelFile, findings};
use crate::jobs::JobContext;
use flate2::bufread::MultiGzDecoder;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

/// An opened file: grid known, samples not yet read.
pub struct NiftiFile {
    pub geometry: Geometry,
    pub samples: Samples,
    pub findings: Vec<Finding>,
}

/// A file's bytes, unpacked where they are gzip: told by the first bytes, not by the name.
struct Source {
    path: PathBuf,
    bytes: Box<dyn Read + Send>,
    compressed: bool,
    length: u64,
}

impl Source {
    fn open(path: &Path) -> Result<Self, NiftiError> {
        let unreadable = |source| NiftiError::read(path, source);
        let file = open_regular(path).map_err(unreadable)?;
        let length = file.metadata().map_err(unreadable)?.len();
        let mut plain = BufReader::with_capacity(1 << 16, file);
        let compressed = plain.fill_buf().map_err(unreadable)?.starts_with(&[0x1f, 0x8b]);
        let bytes: Box<dyn Read + Send> = if compressed {
            Box::new(BufReader::with_capacity(1 << 16, MultiGzDecoder::new(plain)))
        } else {
            Box::new(plain)
        };
        Ok(Self { path: path.to_owned(), bytes, compressed, length })
    }

    /// Reads on until `bytes` holds `upto`, or all there is.
    fn read(&mut self, bytes: &mut Vec<u8>, upto: usize) -> Result<(), NiftiError> {
        match self.bytes.by_ref().take((upto - bytes.len()) as u64).read_to_end(bytes) {
            Ok(_) => Ok(()),
            Err(_) if self.compressed => Err(NiftiError::data(&self.path, SampleError::Corrupt)),
            Err(e) => Err(NiftiError::read(&self.path, e)),
        }
    }
}

/// Reads the header and stops before the first voxel. Of a pair, either file may be named.
///
/// # Errors
/// [`NiftiError`].
pub fn open_nifti(path: &Path) -> Result<NiftiFile, NiftiError> {
    let fault = |fault| NiftiError::header(path, fault);
    let header_path = match header_of(path) {
        Some(header) => header,
        None if is_named_data(path) => return Err(fault(HeaderFault::NoHeader)),
        None => path.to_owned(),
    };
    let mut source = Source::open(&header_path)?;
    let mut bytes = Vec::with_capacity(header::MAX_HEADER);
    // The longer header is read only where the first four bytes ask for it: a small NIfTI-1 file may end before 540.
    source.read(&mut bytes, 348)?;
    if bytes.starts_with(&540i32.to_le_bytes()) || bytes.starts_with(&540i32.to_be_bytes()) {
        source.read(&mut bytes, header::MAX_HEADER)?;
    }
    let Header { geometry, format, data_offset, paired, remarks } = header::parse(&bytes).map_err(fault)?;
    let mut before = bytes.len() as u64;
    if paired {
        source = Source::open(&data_of(&header_path).ok_or_else(|| fault(HeaderFault::NoImage))?)?;
        before = 0;
    }
    let Source { path: data_path, bytes: mut source, compressed, length } = source;
    let data = |source| NiftiError::data(&data_path, source);
    let samples =
        Samples { source: Box::new(io::empty()), format, dims: geometry.dims(), stored: length, bounded: compressed };
    let available = if compressed { length } else { length.saturating_sub(data_offset) };
    samples.check_length(available, compressed).map_err(data)?;
    let gap = data_offset.saturating_sub(before);
    let skipped = io::copy(&mut source.by_ref().take(gap), &mut io::sink()).map_err(|_| data(SampleError::Corrupt))?;
    if skipped < gap {
        return Err(fault(HeaderFault::DataOffset(data_offset as f64)));
    }
    Ok(NiftiFile { geometry, samples: Samples { source, ..samples }, findings: findings(remarks, path) })
}

/// Reads a volume in HU; sends the grid first and then each slice.
///
/// # Errors
/// [`NiftiError`]; [`SampleError::Cancelled`] inside [`NiftiError::Data`] when the job was stopped.
pub fn load_nifti_volume(path: &Path, ctx: &JobContext<LoadEvent>) -> Result<(Volume, Vec<Finding>), NiftiError> {
    let mut file = open_nifti(path)?;
    let (volume, more) =
        file.samples.into_volume(file.geometry, path, ctx).map_err(|source| NiftiError::data(path, source))?;
    file.findings.extend(more);
    Ok((volume, file.findings))
}

/// Reads a mask on its own grid.
///
/// # Errors
/// [`NiftiError`]; [`SampleError::NotLabels`] inside [`NiftiError::Data`] when a sample cannot be a label.
pub fn load_nifti_labels(path: &Path) -> Result<LabelFile, NiftiError> {
    let file = open_nifti(path)?;
    let layers = file.samples.into_labels(1).map_err(|source| NiftiError::data(path, source))?;
    Ok(LabelFile { geometry: file.geometry, layers, segments: Vec::new(), findings: file.findings })
}
