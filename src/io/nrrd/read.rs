//! Opening NRRD files.

use super::data::{open, samples};
use super::segments::read_segments;
use super::{HeaderFault, NrrdError, header};
use crate::core::{Geometry, Volume};
use crate::io::samples::Samples;
use crate::io::types::{Finding, LoadEvent};
use crate::io::volume_file::{FileSegment, LabelFile, findings};
use crate::jobs::JobContext;
use std::path::Path;

/// An opened file: grid known, samples not yet read.
pub struct NrrdFile {
    pub geometry: Geometry,
    /// Interleaved where there are several layers: the layer runs fastest.
    pub samples: Samples,
    pub layers: usize,
    /// Names and colours of a 3D Slicer segmentation; empty for other files.
    pub segments: Vec<FileSegment>,
    pub findings: Vec<Finding>,
}

/// Reads the header and stops before the first voxel.
///
/// # Errors
/// [`NrrdError`].
pub fn open_nrrd(path: &Path) -> Result<NrrdFile, NrrdError> {
    let mut reader = open(path)?;
    let header = header::parse(&mut reader).map_err(|fault| NrrdError::header(path, fault))?;
    let samples = samples(path, &header, reader)?;
    Ok(NrrdFile {
        geometry: header.geometry,
        samples,
        layers: header.layers,
        segments: read_segments(&header.keys),
        findings: findings(header.remarks, path),
    })
}

/// Reads a volume in HU; sends the grid first and then each slice.
///
/// # Errors
/// [`NrrdError`]; [`crate::io::SampleError::Cancelled`] inside [`NrrdError::Data`] when the job was stopped.
pub fn load_nrrd_volume(path: &Path, ctx: &JobContext<LoadEvent>) -> Result<(Volume, Vec<Finding>), NrrdError> {
    let mut file = open_nrrd(path)?;
    if file.layers > 1 {
        return Err(NrrdError::header(path, HeaderFault::Axes(4)));
    }
    let (volume, more) =
        file.samples.into_volume(file.geometry, path, ctx).map_err(|source| NrrdError::data(path, source))?;
    file.findings.extend(more);
    Ok((volume, file.findings))
}

/// Reads a mask on its own grid, with the segments that the file names.
///
/// # Errors
/// [`NrrdError`]; [`crate::io::SampleError::NotLabels`] inside [`NrrdError::Data`] when a sample cannot be a label.
pub fn load_nrrd_labels(path: &Path) -> Result<LabelFile, NrrdError> {
    let file = open_nrrd(path)?;
    let layers = file.samples.into_labels(file.layers).map_err(|source| NrrdError::data(path, source))?;
    Ok(LabelFile { geometry: file.geometry, layers, segments: file.segments, findings: file.findings })
}
