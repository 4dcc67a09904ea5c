//! Opening NRRD files.

use super::NrrdError;
use super::header::{self, Encoding, Header};
use super::segments::{FileSegment, read_segments};
use super::stream::{HexBytes, TextNumbers};
use crate::core::{Geometry, Volume};
use crate::io::samples::{SampleError, SampleFormat, SampleKind, Samples};
use crate::io::types::{Finding, LoadEvent};
use crate::jobs::JobContext;
use flate2::bufread::MultiGzDecoder;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

/// An opened file: grid known, samples not yet read.
pub struct NrrdFile {
    pub geometry: Geometry,
    pub samples: Samples,
    /// Names and colours of a 3D Slicer segmentation; empty for other files.
    pub segments: Vec<FileSegment>,
    pub findings: Vec<Finding>,
}

/// Reads the header and stops before the first voxel.
///
/// # Errors
/// [`NrrdError`].
pub fn open_nrrd(path: &Path) -> Result<NrrdFile, NrrdError> {
    let open = |path: &Path| {
        File::open(path)
            .map(|file| BufReader::with_capacity(1 << 16, file))
            .map_err(|source| NrrdError::Read { path: path.to_owned(), source })
    };
    let mut reader = open(path)?;
    let header = header::parse(&mut reader).map_err(|fault| NrrdError::Header { path: path.to_owned(), fault })?;
    let data_path = header.data_file.as_ref().map(|name| path.with_file_name(name));
    let reader = match &data_path {
        Some(data) => open(data)?,
        None => reader,
    };
    let data_path = data_path.as_deref().unwrap_or(path);
    let samples = samples(&header, reader).map_err(|source| NrrdError::Data { path: data_path.to_owned(), source })?;
    let segments = read_segments(&header.keys);
    let findings = header
        .remarks
        .into_iter()
        .map(|(severity, code, text)| Finding { severity, code, text, file: Some(path.to_owned()) })
        .collect();
    Ok(NrrdFile { geometry: header.geometry, samples, segments, findings })
}

/// Places the reader at the first voxel and puts the decoder of the encoding in front.
fn samples(header: &Header, mut reader: BufReader<File>) -> Result<Samples, SampleError> {
    for _ in 0..header.line_skip {
        // Unbounded lines are bounded by the file; nothing is kept.
        reader.skip_until(b'\n').map_err(SampleError::Read)?;
    }
    let mut samples = Samples {
        source: Box::new(io::empty()),
        format: header.format,
        dims: header.geometry.dims(),
        bounded: header.encoding == Encoding::Gzip,
    };
    let voxels = header.geometry.voxel_count() as u64;
    let bytes = voxels * header.format.kind.bytes() as u64;
    let length = reader.get_ref().metadata().map_err(SampleError::Read)?.len();
    if header.byte_skip < 0 {
        let start = length.checked_sub(bytes).ok_or(SampleError::Short { expected: bytes })?;
        reader.seek(SeekFrom::Start(start)).map_err(SampleError::Read)?;
    }
    let rest = length.saturating_sub(reader.stream_position().map_err(SampleError::Read)?);
    // Text needs a digit and a space a number, hexadecimal two digits a byte.
    let short = match header.encoding {
        Encoding::Text => rest.saturating_add(1) < voxels.saturating_mul(2),
        Encoding::Hex => rest < bytes.saturating_mul(2),
        Encoding::Raw | Encoding::Gzip => samples.check_length(rest, header.encoding == Encoding::Gzip).is_err(),
    };
    if short {
        return Err(SampleError::Short { expected: bytes });
    }
    let mut source: Box<dyn Read + Send> = match header.encoding {
        Encoding::Raw => Box::new(reader),
        Encoding::Gzip => Box::new(BufReader::with_capacity(1 << 16, MultiGzDecoder::new(reader))),
        Encoding::Hex => Box::new(HexBytes(reader)),
        Encoding::Text => {
            samples.format = SampleFormat { kind: SampleKind::F64, big_endian: false, ..header.format };
            Box::new(TextNumbers::new(reader))
        }
    };
    let skip = u64::try_from(header.byte_skip).unwrap_or(0);
    let skipped = io::copy(&mut source.by_ref().take(skip), &mut io::sink()).map_err(|_| SampleError::Corrupt)?;
    if skipped < skip {
        return Err(SampleError::Short { expected: bytes });
    }
    Ok(Samples { source, ..samples })
}

/// Reads a volume in HU; sends the grid first and then each slice.
///
/// # Errors
/// [`NrrdError`]; [`SampleError::Cancelled`] inside [`NrrdError::Data`] when the job was stopped.
pub fn load_nrrd_volume(path: &Path, ctx: &JobContext<LoadEvent>) -> Result<(Volume, Vec<Finding>), NrrdError> {
    let mut file = open_nrrd(path)?;
    let (volume, more) = file
        .samples
        .into_volume(file.geometry, path, ctx)
        .map_err(|source| NrrdError::Data { path: path.to_owned(), source })?;
    file.findings.extend(more);
    Ok((volume, file.findings))
}

/// Reads a mask: its grid, one number a voxel (i fastest), and the segments that the file names.
///
/// # Errors
/// [`NrrdError`]; [`SampleError::NotLabels`] inside [`NrrdError::Data`] when a sample cannot be a label.
pub fn load_nrrd_labels(path: &Path) -> Result<(Geometry, Vec<u32>, Vec<FileSegment>), NrrdError> {
    let file = open_nrrd(path)?;
    let labels = file.samples.into_labels().map_err(|source| NrrdError::Data { path: path.to_owned(), source })?;
    Ok((file.geometry, labels, file.segments))
}
