//! Opens a DICOM file within bounds: everything in `io::dicom` that reads a file comes through here.
//!
//! A bounded prefix is read and grown only as far as the elements before the pixels ask for; lengths are compared
//! with the size of the file before a byte is allocated for them; deflated files are inflated no further than
//! needed and no more than a ratio allows. PS3.10 section 7 (file format), PS3.5 annex A (transfer syntaxes).

use super::dataset::DataSet;
use super::error::DicomError;
use super::parse::{EXPLICIT_BIG, EXPLICIT_LITTLE, Encoding, Halt, IMPLICIT_LITTLE, Parser, PixelLocation};
use dicom_dictionary_std::{tags, uids};
use flate2::read::DeflateDecoder;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

/// First read of every file; the header of an ordinary slice fits.
pub(super) const FIRST_READ: u64 = 16 << 10;
/// Largest header (everything before the pixels) that is held.
const MAX_HEADER: u64 = 128 << 20;
/// Largest header of a deflated file.
const MAX_INFLATED: u64 = 64 << 20;
/// GE's own transfer syntax: the header is implicit and little endian, the words of its pixels are big endian.
const GE_PRIVATE: &str = "1.2.840.113619.5.2";
/// An inflated header may be this many times the size of the file…
const MAX_INFLATE_RATIO: u64 = 32;
/// …once it is larger than this.
const INFLATE_FREE: u64 = 16 << 20;

/// A transfer syntax and what it means for the data set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Syntax {
    pub uid: String,
    pub encoding: Encoding,
    pub deflated: bool,
    /// Pixels are compressed fragments.
    pub encapsulated: bool,
    /// Uncompressed words of pixels are big endian, whatever the header is.
    pub big_endian_pixels: bool,
    /// First byte of the data set in the file.
    pub start: u64,
}

/// The header of a file: everything before its pixels.
pub(super) struct Header<'a> {
    pub set: &'a DataSet<'a>,
    pub syntax: &'a Syntax,
    pub pixels: Option<PixelLocation>,
    /// Media storage SOP class of the file meta information, for files whose data set has none.
    pub media_class: String,
    /// Bytes of the stream that `pixels` is an offset into; `None` while a deflated stream's end is unknown.
    pub stream_length: Option<u64>,
    /// Bytes of the file itself.
    pub file_length: u64,
}

/// Whether the file starts like DICOM: Part 10 magic, or a data set without preamble.
pub fn is_dicom(path: &Path) -> bool {
    if !path.is_file() {
        return false;
    }
    let mut prefix = Vec::new();
    match File::open(path).and_then(|f| f.take(2048).read_to_end(&mut prefix)) {
        Ok(_) => data_start(&prefix).is_some(),
        Err(_) => false,
    }
}

/// Parses the header of `path` and hands it to `f`.
///
/// # Errors
/// [`DicomError::NotDicom`], [`DicomError::Read`], or [`DicomError::Refused`] with the guard's reason.
pub(super) fn with_header<T>(
    path: &Path,
    f: impl FnOnce(&Header<'_>) -> Result<T, DicomError>,
) -> Result<T, DicomError> {
    // Before opening: a pipe or device would block or never end.
    let metadata = std::fs::metadata(path).map_err(|e| DicomError::read(path, &e))?;
    if !metadata.is_file() {
        return Err(DicomError::NotDicom { file: path.into() });
    }
    let file = File::open(path).map_err(|e| DicomError::read(path, &e))?;
    let mut prefix = Prefix::new(Box::new(file), Some(metadata.len()), 0);
    prefix.grow(FIRST_READ).map_err(|e| DicomError::read(path, &e))?;
    let start = data_start(&prefix.data).ok_or_else(|| DicomError::NotDicom { file: path.into() })?;
    let (uid, media_class, start) = prefix.parse(path, |parser| {
        let (meta, end) = parser.meta(start)?;
        Ok((meta.text(tags::TRANSFER_SYNTAX_UID), meta.text(tags::MEDIA_STORAGE_SOP_CLASS_UID), end))
    })?;
    prefix.grow(start as u64 + 16).map_err(|e| DicomError::read(path, &e))?;
    let syntax = syntax(uid, prefix.data.get(start..).unwrap_or_default(), start as u64);
    let mut at = start;
    if syntax.deflated {
        let stream = inflate(path, syntax.start).map_err(|e| DicomError::read(path, &e))?;
        prefix = Prefix::new(stream, None, metadata.len());
        prefix.grow(FIRST_READ).map_err(|e| inflate_error(path, &e))?;
        at = 0;
    }
    loop {
        let mut parser = Parser::new(&prefix.data, prefix.total.unwrap_or(u64::MAX));
        match parser.data_set(at, syntax.encoding) {
            Ok((set, pixels)) => {
                let (stream_length, file_length) = (prefix.total, metadata.len());
                return f(&Header { set: &set, syntax: &syntax, pixels, media_class, stream_length, file_length });
            }
            Err(halt) => prefix.satisfy(path, halt)?,
        }
    }
}

/// The stream that [`PixelLocation::offset`] counts in, positioned at `offset`.
///
/// # Errors
/// Whatever the operating system or the inflater reports.
pub(super) fn stream_at(path: &Path, syntax: &Syntax, offset: u64) -> io::Result<Box<dyn Read + Send>> {
    if !syntax.deflated {
        let mut file = File::open(path)?;
        file.seek(SeekFrom::Start(offset))?;
        return Ok(Box::new(file));
    }
    let mut stream = inflate(path, syntax.start)?;
    let skipped = io::copy(&mut stream.by_ref().take(offset), &mut io::sink())?;
    if skipped < offset {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(stream)
}

fn inflate(path: &Path, start: u64) -> io::Result<Box<dyn Read + Send>> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(start))?;
    Ok(Box::new(DeflateDecoder::new(file)))
}

fn inflate_error(path: &Path, error: &io::Error) -> DicomError {
    match error.kind() {
        io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData => {
            DicomError::refused(path, "its deflated data set is damaged")
        }
        _ => DicomError::read(path, error),
    }
}

/// The start of a stream, grown on demand.
struct Prefix {
    reader: Box<dyn Read + Send>,
    data: Vec<u8>,
    /// Size of the whole stream, once known.
    total: Option<u64>,
    /// Size of the compressed file behind an inflating stream, else 0.
    compressed: u64,
}

impl Prefix {
    fn new(reader: Box<dyn Read + Send>, total: Option<u64>, compressed: u64) -> Self {
        Self { reader, data: Vec::new(), total, compressed }
    }

    /// Reads until `wanted` bytes are there or the stream ends.
    fn grow(&mut self, wanted: u64) -> io::Result<()> {
        let missing = wanted.min(self.total.unwrap_or(u64::MAX)).saturating_sub(self.data.len() as u64);
        if missing > 0 {
            if self.total.is_some() {
                // As much as the file is known to hold; else the vector would grow to twice that.
                self.data.reserve_exact(missing as usize);
            }
            let got = (&mut self.reader).take(missing).read_to_end(&mut self.data)?;
            if (got as u64) < missing {
                self.total = Some(self.data.len() as u64);
            }
        }
        Ok(())
    }

    /// Parses with as much of the stream as that takes.
    fn parse<T>(
        &mut self,
        path: &Path,
        mut step: impl FnMut(&mut Parser<'_>) -> Result<T, Halt>,
    ) -> Result<T, DicomError> {
        loop {
            match step(&mut Parser::new(&self.data, self.total.unwrap_or(u64::MAX))) {
                Ok(value) => return Ok(value),
                Err(halt) => self.satisfy(path, halt)?,
            }
        }
    }

    /// Reads what the parser lacks, or turns its refusal into an error.
    fn satisfy(&mut self, path: &Path, halt: Halt) -> Result<(), DicomError> {
        let wanted = match halt {
            Halt::NeedMore(n) => n,
            Halt::Refused(reason) => return Err(DicomError::refused(path, reason)),
            Halt::TooDeep => {
                return Err(DicomError::refused(path, "its sequences are nested more than 64 deep"));
            }
            Halt::TooMany => return Err(DicomError::refused(path, "its header holds more than a million elements")),
        };
        let most = if self.compressed > 0 { MAX_INFLATED } else { MAX_HEADER };
        if wanted > most {
            let reason = format!("its header asks for {wanted} bytes; at most {most} are read");
            return Err(DicomError::refused(path, reason));
        }
        // Growing by a factor keeps the number of attempts, and so the time spent parsing again, logarithmic.
        let wanted = wanted.max(4 * self.data.len() as u64).min(most);
        if self.compressed > 0 && wanted > INFLATE_FREE && wanted / self.compressed > MAX_INFLATE_RATIO {
            let reason = format!("its header inflates to more than {MAX_INFLATE_RATIO} times the size of the file");
            return Err(DicomError::refused(path, reason));
        }
        self.grow(wanted)
            .map_err(|e| if self.compressed > 0 { inflate_error(path, &e) } else { DicomError::read(path, &e) })
    }
}

/// Where file meta information or the data set begins, or `None` when this is no DICOM.
fn data_start(prefix: &[u8]) -> Option<usize> {
    if prefix.get(128..132) == Some(b"DICM") {
        return Some(132);
    }
    if prefix.starts_with(b"DICM") {
        return Some(4);
    }
    // Without the magic: a data set begins with group 0002 or 0008, at the start or after an unmarked preamble.
    [0, 128].into_iter().find(|&at| guess_encoding(prefix.get(at..).unwrap_or_default()).is_some())
}

/// The encoding that the first element of a bare data set looks like.
fn guess_encoding(data: &[u8]) -> Option<Encoding> {
    let head: [u8; 8] = data.get(..8)?.try_into().ok()?;
    let [g0, g1, e0, e1, v0, v1, ..] = head;
    let has_vr = v0.is_ascii_uppercase() && v1.is_ascii_uppercase();
    let known = |group: u16, element: u16| matches!(group, 2 | 8) && element < 0x2000;
    if known(u16::from_le_bytes([g0, g1]), u16::from_le_bytes([e0, e1])) {
        if has_vr {
            return Some(EXPLICIT_LITTLE);
        }
        let length = u32::from_le_bytes([head[4], head[5], head[6], head[7]]);
        return (length <= 4096).then_some(IMPLICIT_LITTLE);
    }
    (has_vr && known(u16::from_be_bytes([g0, g1]), u16::from_be_bytes([e0, e1]))).then_some(EXPLICIT_BIG)
}

fn syntax(uid: String, data: &[u8], start: u64) -> Syntax {
    let native = |encoding| (encoding, false, false);
    let (encoding, deflated, encapsulated) = match uid.as_str() {
        uids::IMPLICIT_VR_LITTLE_ENDIAN => native(IMPLICIT_LITTLE),
        uids::EXPLICIT_VR_LITTLE_ENDIAN => native(EXPLICIT_LITTLE),
        #[allow(deprecated)] // Retired in the standard, alive in archives.
        uids::EXPLICIT_VR_BIG_ENDIAN => native(EXPLICIT_BIG),
        uids::DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN => (EXPLICIT_LITTLE, true, false),
        GE_PRIVATE => native(IMPLICIT_LITTLE),
        "" => native(guess_encoding(data).unwrap_or(IMPLICIT_LITTLE)),
        _ => (EXPLICIT_LITTLE, false, true),
    };
    // A file may say implicit and be explicit, or the reverse; its first element tells.
    let encoding = match guess_encoding(data) {
        Some(seen) if !deflated && seen.explicit != encoding.explicit => seen,
        _ => encoding,
    };
    let uid = match (uid.is_empty(), encoding) {
        (false, _) => uid,
        (true, IMPLICIT_LITTLE) => uids::IMPLICIT_VR_LITTLE_ENDIAN.to_owned(),
        (true, _) => uids::EXPLICIT_VR_LITTLE_ENDIAN.to_owned(),
    };
    let big_endian_pixels = encoding.big_endian || uid == GE_PRIVATE;
    Syntax { uid, encoding, deflated, encapsulated, big_endian_pixels, start }
}
