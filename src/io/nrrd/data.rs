//! The samples behind a header: placed at the first voxel, decoded, and joined where they lie in several files.

use super::files::DataFiles;
use super::header::{Encoding, Header};
use super::stream::{HexBytes, TextNumbers};
use super::{HeaderFault, NrrdError};
use crate::io::bounds::open_regular;
use crate::io::samples::{MAX_INFLATE, SampleError, SampleFormat, SampleKind, Samples};
use flate2::bufread::MultiGzDecoder;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Take};
use std::path::{Path, PathBuf};

/// Most bytes that are unpacked before the first voxel.
const MAX_SKIP: u64 = 64 << 20;

/// How each data file is stored.
#[derive(Clone, Copy)]
struct Stored {
    encoding: Encoding,
    line_skip: u64,
    byte_skip: i64,
    /// Samples in one file, and the bytes of one.
    samples: u64,
    sample_bytes: u64,
}

/// The samples of a header at `path`; `reader` stands right after it.
///
/// # Errors
/// [`NrrdError`], which names the data file where that is the one at fault.
pub fn samples(path: &Path, header: &Header, reader: BufReader<File>) -> Result<Samples, NrrdError> {
    let [nx, ny, nz] = header.geometry.dims();
    let count = header.geometry.voxel_count() as u64 * header.layers as u64;
    let mut format = header.format;
    let mut stored = Stored {
        encoding: header.encoding,
        line_skip: header.line_skip,
        byte_skip: header.byte_skip,
        samples: count,
        sample_bytes: format.kind.bytes() as u64,
    };
    let mut length = reader.get_ref().metadata().map_err(|e| NrrdError::read(path, e))?.len();
    let source: Box<dyn Read + Send> = match &header.files {
        DataFiles::Attached => stored.source(reader).map_err(|e| NrrdError::data(path, e))?,
        DataFiles::Beside(names) => {
            let parts = names.len() as u64;
            if !count.is_multiple_of(parts) {
                return Err(NrrdError::header(path, HeaderFault::Parts(names.len())));
            }
            stored.samples = count / parts;
            let paths: Vec<PathBuf> = names.iter().map(|name| path.with_file_name(name)).collect();
            // All are looked at before the first is read, so that a missing one is told at once and by name.
            if stored.encoding != Encoding::Raw && parts > 1 && stored.byte_skip > 0 {
                return Err(NrrdError::header(path, HeaderFault::Field("skip")));
            }
            length = 0;
            for part in &paths {
                let reader = open(part)?;
                length += reader.get_ref().metadata().map_err(|e| NrrdError::read(part, e))?.len();
                stored.source(reader).map_err(|e| NrrdError::data(part, e))?;
            }
            Box::new(Joined { stored, paths: paths.into_iter(), now: None })
        }
    };
    if stored.encoding == Encoding::Text {
        format = SampleFormat { kind: SampleKind::F64, big_endian: false, ..format };
    }
    // Several files are bounded one by one; one gzip stream must end with its last voxel.
    let bounded = header.encoding == Encoding::Gzip;
    let samples = Samples { source, format, dims: [nx * header.layers, ny, nz], stored: length, bounded };
    samples.check_ratio().map_err(|e| NrrdError::data(path, e))?;
    Ok(samples)
}

/// Opens a file for reading.
///
/// # Errors
/// [`NrrdError::Read`].
pub fn open(path: &Path) -> Result<BufReader<File>, NrrdError> {
    open_regular(path).map(|f| BufReader::with_capacity(1 << 16, f)).map_err(|e| NrrdError::read(path, e))
}

impl Stored {
    /// Places the reader at the first sample and puts the decoder of the encoding in front.
    fn source(&self, mut reader: BufReader<File>) -> Result<Box<dyn Read + Send>, SampleError> {
        for _ in 0..self.line_skip {
            // Unbounded lines are bounded by the file; nothing is kept.
            reader.skip_until(b'\n').map_err(SampleError::Read)?;
        }
        let bytes = self.samples * self.sample_bytes;
        let short = || SampleError::Short { expected: bytes };
        let length = reader.get_ref().metadata().map_err(SampleError::Read)?.len();
        if self.byte_skip < 0 {
            let start = length.checked_sub(bytes).ok_or_else(short)?;
            reader.seek(SeekFrom::Start(start)).map_err(SampleError::Read)?;
        }
        let rest = length.saturating_sub(reader.stream_position().map_err(SampleError::Read)?);
        // Text needs a digit and a space a number, hexadecimal two digits a byte.
        let enough = match self.encoding {
            Encoding::Text => rest.saturating_add(1) >= self.samples.saturating_mul(2),
            Encoding::Hex => rest >= bytes.saturating_mul(2),
            Encoding::Raw => rest >= bytes,
            Encoding::Gzip => rest.saturating_mul(MAX_INFLATE) >= bytes,
        };
        if !enough {
            return Err(short());
        }
        let skip = u64::try_from(self.byte_skip).unwrap_or(0);
        if self.encoding == Encoding::Raw {
            if rest - bytes < skip {
                return Err(short());
            }
            reader.seek_relative(skip as i64).map_err(SampleError::Read)?;
            return Ok(Box::new(reader));
        }
        let mut source: Box<dyn Read + Send> = match self.encoding {
            Encoding::Raw | Encoding::Gzip => Box::new(BufReader::with_capacity(1 << 16, MultiGzDecoder::new(reader))),
            Encoding::Hex => Box::new(HexBytes(reader)),
            Encoding::Text => Box::new(TextNumbers::new(reader)),
        };
        // Unpacking to skip takes as long as reading.
        if skip > MAX_SKIP {
            return Err(short());
        }
        let skipped = io::copy(&mut source.by_ref().take(skip), &mut io::sink()).map_err(|_| SampleError::Corrupt)?;
        if skipped < skip {
            return Err(short());
        }
        Ok(source)
    }

    /// Decoded bytes of one file.
    fn decoded(&self) -> u64 {
        let width = if self.encoding == Encoding::Text { size_of::<f64>() as u64 } else { self.sample_bytes };
        self.samples * width
    }
}

/// The decoded bytes of several files one after another; one is open at a time.
struct Joined {
    stored: Stored,
    paths: std::vec::IntoIter<PathBuf>,
    now: Option<Take<Box<dyn Read + Send>>>,
}

impl Read for Joined {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        loop {
            if let Some(now) = &mut self.now {
                let n = now.read(out)?;
                if n > 0 || out.is_empty() {
                    return Ok(n);
                }
                if now.limit() > 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                self.now = None;
            }
            let Some(path) = self.paths.next() else { return Ok(0) };
            let source = self.stored.source(BufReader::with_capacity(1 << 16, open_regular(&path)?));
            self.now =
                Some(source.map_err(|_| io::Error::from(io::ErrorKind::UnexpectedEof))?.take(self.stored.decoded()));
        }
    }
}
