//! Frames of one file: finds their bytes and turns them into HU or raw words. Private to `io::dicom`.

use super::error::DicomError;
use super::format::{PixelFormat, pixel_format};
use super::guard::{Header, Syntax, stream_at, with_header};
use super::header::{FramePlace, frame_places};
use super::lut::{ModalityLut, to_hu, voi_lut};
use super::padding::{Fate, Padding, looks_signed};
use super::resample::OUTSIDE_HU;
use super::worker::decode_guarded;
use crate::core::{ValueScale, VoiLut};
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Most bytes of one compressed frame.
const MAX_FRAME_BYTES: u64 = 256 << 20;
/// Most fragments of one file: sixteen for each frame that a file may have.
const MAX_FRAGMENTS: usize = 1 << 20;

/// Bytes of one compressed fragment in the file.
#[derive(Debug, Clone, Copy)]
struct Fragment {
    offset: u64,
    length: u64,
    /// It begins as a codestream of the JPEG family does.
    starts_codestream: bool,
}

/// Start of a JPEG or JPEG-LS image, of a JPEG 2000 codestream, of a JP2 file, of JPEG XL.
const CODESTREAM_STARTS: [&[u8]; 4] =
    [&[0xFF, 0xD8, 0xFF], &[0xFF, 0x4F, 0xFF, 0x51], b"\0\0\0\x0CjP  ", &[0xFF, 0x0A]];

/// What was noticed while a frame was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reading {
    /// The header calls the samples unsigned, and they are signed.
    pub signed_in_unsigned: bool,
}

/// A file whose pixels can be read frame by frame. Holds no pixels.
pub(super) struct FrameFile {
    path: PathBuf,
    syntax: Syntax,
    pub format: PixelFormat,
    pub places: Vec<FramePlace>,
    table: Option<ModalityLut>,
    padding: Option<Padding>,
    /// The header's table of grey values.
    pub voi_lut: Option<Arc<VoiLut>>,
    offset: u64,
    /// Byte ranges of each compressed frame's fragments; empty for native pixels.
    fragments: Vec<Vec<Fragment>>,
    /// The pixels of a deflated file: a frame in its middle cannot be reached but by inflating all before it.
    inflated: Option<Vec<u8>>,
}

impl FrameFile {
    /// Reads the header and, for compressed pixels, the fragment headers.
    ///
    /// # Errors
    /// As the guard, and [`DicomError::Decode`] when the pixels are stored in a way that cannot be read.
    pub fn open(path: &Path) -> Result<Self, DicomError> {
        let mut file = with_header(path, |header| Self::from_header(path, header))?;
        if file.syntax.encapsulated {
            file.fragments = frame_fragments(path, file.offset, file.format.frames)?;
        } else if file.syntax.deflated {
            file.inflated = Some(file.inflate()?);
        }
        Ok(file)
    }

    fn from_header(path: &Path, header: &Header<'_>) -> Result<Self, DicomError> {
        let format = pixel_format(header).map_err(|reason| DicomError::decode(path, reason))?;
        Ok(Self {
            path: path.into(),
            syntax: header.syntax.clone(),
            places: frame_places(header.set),
            table: ModalityLut::table(header.set, format.signed),
            padding: Padding::of(header.set),
            voi_lut: voi_lut(header.set).map(Arc::new),
            offset: header.pixels.map_or(0, |p| p.offset),
            format,
            fragments: Vec::new(),
            inflated: None,
        })
    }

    /// The pixels of all frames of a deflated file; what the header claims was compared with the size of the file.
    fn inflate(&self) -> Result<Vec<u8>, DicomError> {
        let wanted = self.format.bytes();
        let mut bytes = Vec::new();
        stream_at(&self.path, &self.syntax, self.offset)
            .and_then(|stream| stream.take(wanted).read_to_end(&mut bytes))
            .map_err(|e| DicomError::read(&self.path, &e))?;
        if (bytes.len() as u64) < wanted {
            let reason = format!("its pixels need {wanted} bytes, it inflates to {}", bytes.len());
            return Err(DicomError::decode(&self.path, reason));
        }
        Ok(bytes)
    }

    /// Decodes `frame` to HU into `out`, which holds rows x columns samples.
    ///
    /// # Errors
    /// [`DicomError::Read`] or [`DicomError::Decode`].
    #[cfg(test)]
    pub fn read_hu(&self, frame: usize, out: &mut [i16]) -> Result<Reading, DicomError> {
        self.read_samples(frame, None, out)
    }

    /// Decodes `frame` into `out`, which holds rows x columns samples: in HU, or on the scale of a series that is no CT.
    ///
    /// # Errors
    /// [`DicomError::Read`] or [`DicomError::Decode`].
    pub fn read_samples(
        &self,
        frame: usize,
        scale: Option<&ValueScale>,
        out: &mut [i16],
    ) -> Result<Reading, DicomError> {
        if out.len() != self.format.frame_samples() {
            return Err(DicomError::decode(&self.path, "its size differs from the rest of the series"));
        }
        let place = self.places.get(frame).or(self.places.first());
        let linear = || ModalityLut::Linear {
            rescale_slope: place.map_or(1.0, |p| p.rescale_slope),
            rescale_intercept: place.map_or(0.0, |p| p.rescale_intercept),
        };
        let lut = self.table.clone().unwrap_or_else(linear);
        let lut = match scale {
            Some(scale) => lut.in_units_of(scale.scale()),
            None => lut,
        };
        let hounsfield = scale.is_none();
        if !self.syntax.encapsulated && self.format.bits_allocated == 16 {
            let bytes = self.native_bytes(frame)?;
            let pairs = bytes.as_chunks().0.iter();
            // Two loops, so that each is a straight copy for the compiler.
            Ok(if self.syntax.big_endian_pixels {
                self.convert(pairs.map(|b| u16::from_be_bytes(*b)), &lut, hounsfield, out)
            } else {
                self.convert(pairs.map(|b| u16::from_le_bytes(*b)), &lut, hounsfield, out)
            })
        } else {
            Ok(self.convert(self.read_words(frame)?.iter().copied(), &lut, hounsfield, out))
        }
    }

    /// Words to samples, with what their header says of them set right.
    fn convert(
        &self,
        words: impl Iterator<Item = u16> + Clone,
        lut: &ModalityLut,
        hounsfield: bool,
        out: &mut [i16],
    ) -> Reading {
        let is_padding = |word: &u16| self.padding.is_some_and(|p| p.holds(*word, &self.format));
        if !hounsfield {
            // Signs are guessed from what CT holds, and air is not what lies outside of these.
            to_hu(words.clone(), &self.format, lut, out);
            for (sample, _) in out.iter_mut().zip(words).filter(|(_, word)| is_padding(word)) {
                *sample = 0;
            }
            return Reading { signed_in_unsigned: false };
        }
        let signed = match self.padding {
            None => looks_signed(words.clone(), &self.format),
            Some(_) => !self.format.signed && looks_signed(words.clone().filter(|w| !is_padding(w)), &self.format),
        };
        if signed {
            to_hu(words.clone(), &PixelFormat { signed: true, ..self.format.clone() }, lut, out);
        } else {
            to_hu(words.clone(), &self.format, lut, out);
        }
        if self.padding.is_some_and(|p| p.fate(&self.format, |stored| lut.value(stored)) == Fate::ToAir) {
            for (hu, word) in out.iter_mut().zip(words) {
                if is_padding(&word) {
                    *hu = OUTSIDE_HU;
                }
            }
        }
        Reading { signed_in_unsigned: signed }
    }

    /// Decodes `frame` to raw words; 1-bit frames give 0 and 1.
    ///
    /// # Errors
    /// As [`FrameFile::read_samples`].
    pub fn read_words(&self, frame: usize) -> Result<Vec<u16>, DicomError> {
        if self.syntax.encapsulated {
            let data = self.fragment_bytes(frame)?;
            return decode_guarded(&self.syntax.uid, data, &self.format).map_err(|r| DicomError::decode(&self.path, r));
        }
        let bytes = self.native_bytes(frame)?;
        let n = self.format.frame_samples();
        Ok(match self.format.bits_allocated {
            1 => {
                // Frames follow each other without padding: a frame may begin inside a byte (PS3.5 section 8.1.1).
                let first = (frame * n) % 8;
                (first..first + n)
                    .map(|bit| u16::from(bytes.get(bit / 8).is_some_and(|b| b >> (bit % 8) & 1 == 1)))
                    .collect()
            }
            8 => bytes.iter().map(|b| u16::from(*b)).collect(),
            _ if self.syntax.big_endian_pixels => bytes.as_chunks().0.iter().map(|b| u16::from_be_bytes(*b)).collect(),
            _ => bytes.as_chunks().0.iter().map(|b| u16::from_le_bytes(*b)).collect(),
        })
    }

    fn native_bytes(&self, frame: usize) -> Result<Vec<u8>, DicomError> {
        if frame >= self.format.frames {
            return Err(DicomError::decode(&self.path, format!("it has no frame {}", frame + 1)));
        }
        let bits = self.format.frame_bits();
        let first = bits * frame as u64;
        let (start, end) = (first / 8, (first + bits).div_ceil(8));
        if let Some(inflated) = &self.inflated {
            let part = inflated.get(start as usize..end as usize).unwrap_or_default();
            return Ok(part.to_vec());
        }
        let mut bytes = vec![0; (end - start) as usize];
        stream_at(&self.path, &self.syntax, self.offset + start)
            .and_then(|mut stream| stream.read_exact(&mut bytes))
            .map_err(|e| DicomError::read(&self.path, &e))?;
        Ok(bytes)
    }

    fn fragment_bytes(&self, frame: usize) -> Result<Vec<u8>, DicomError> {
        let Some(ranges) = self.fragments.get(frame) else {
            return Err(DicomError::decode(&self.path, format!("it has no frame {}", frame + 1)));
        };
        let total: u64 = ranges.iter().map(|r| r.length).sum();
        if total > MAX_FRAME_BYTES {
            return Err(DicomError::decode(&self.path, format!("one frame takes {total} bytes")));
        }
        let mut data = Vec::with_capacity(total as usize);
        let read = File::open(&self.path).and_then(|mut file| {
            for &Fragment { offset, length, .. } in ranges {
                file.seek(SeekFrom::Start(offset))?;
                if (&mut file).take(length).read_to_end(&mut data)? as u64 != length {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
            }
            Ok(())
        });
        read.map_err(|e| DicomError::read(&self.path, &e))?;
        Ok(data)
    }
}

/// Lists the fragments of encapsulated pixels at `offset`, the offset table apart.
fn list_fragments(path: &Path, offset: u64, frames: usize) -> Result<(Vec<u64>, Vec<Fragment>), DicomError> {
    let bad = |reason: &str| DicomError::decode(path, reason);
    let io = |e: io::Error| DicomError::read(path, &e);
    let mut reader = BufReader::new(File::open(path).map_err(io)?);
    let size = reader.seek(SeekFrom::End(0)).map_err(io)?;
    let mut at = reader.seek(SeekFrom::Start(offset)).map_err(io)?;
    let mut table = None;
    let mut fragments = Vec::new();
    // Some writers leave the end marker out: the end of the file is as good.
    while at + 8 <= size {
        let mut head = [0; 8];
        reader.read_exact(&mut head).map_err(io)?;
        let length = u64::from(u32::from_le_bytes([head[4], head[5], head[6], head[7]]));
        match &head[..4] {
            [0xFE, 0xFF, 0x00, 0xE0] if at + 8 + length <= size => {}
            [0xFE, 0xFF, 0x00, 0xE0] => return Err(bad("it ends inside a compressed image")),
            [0xFE, 0xFF, 0xDD, 0xE0] => break,
            _ => return Err(bad("its compressed image fragments are damaged")),
        }
        if fragments.len() == MAX_FRAGMENTS {
            return Err(bad("its compressed image is cut into more than a million fragments"));
        }
        if table.is_some() {
            let mut start = [0; 8];
            let shown = length.min(8);
            reader.read_exact(&mut start[..shown as usize]).map_err(io)?;
            let starts_codestream = CODESTREAM_STARTS.iter().any(|s| start.starts_with(s));
            fragments.push(Fragment { offset: at + 8, length, starts_codestream });
            reader.seek_relative((length - shown) as i64).map_err(io)?;
        } else if length > 4 * frames as u64 {
            return Err(bad("its table of frame offsets is longer than it has frames"));
        } else {
            let mut bytes = vec![0; length as usize];
            reader.read_exact(&mut bytes).map_err(io)?;
            table = Some(bytes.as_chunks().0.iter().map(|b| u64::from(u32::from_le_bytes(*b))).collect());
        }
        at += 8 + length;
    }
    if fragments.is_empty() {
        return Err(bad("it holds no compressed image"));
    }
    Ok((table.unwrap_or_default(), fragments))
}

/// Fragments of each frame: all of them for a single frame, one each where the counts agree, else by offset table, and
/// where that is left out by what begins a codestream.
fn frame_fragments(path: &Path, offset: u64, frames: usize) -> Result<Vec<Vec<Fragment>>, DicomError> {
    let (table, fragments) = list_fragments(path, offset, frames)?;
    if frames == 1 {
        return Ok(vec![fragments]);
    }
    if fragments.len() == frames {
        return Ok(fragments.into_iter().map(|f| vec![f]).collect());
    }
    if table.len() != frames {
        let starts = fragments.iter().filter(|f| f.starts_codestream).count();
        if starts == frames && fragments.first().is_some_and(|f| f.starts_codestream) {
            let mut by_frame: Vec<Vec<Fragment>> = Vec::with_capacity(frames);
            for fragment in fragments {
                match by_frame.last_mut() {
                    Some(frame) if !fragment.starts_codestream => frame.push(fragment),
                    _ => by_frame.push(vec![fragment]),
                }
            }
            return Ok(by_frame);
        }
        let reason = format!("its {} fragments cannot be told apart into {frames} frames", fragments.len());
        return Err(DicomError::decode(path, reason));
    }
    // Offsets count from the header of the first fragment (PS3.5 annex A.4).
    let base = fragments.first().map_or(0, |f| f.offset);
    let mut by_frame = vec![Vec::new(); frames];
    for fragment in fragments {
        let frame = table.partition_point(|&start| base + start <= fragment.offset);
        if let Some(list) = frame.checked_sub(1).and_then(|f| by_frame.get_mut(f)) {
            list.push(fragment);
        }
    }
    if by_frame.iter().any(Vec::is_empty) {
        return Err(DicomError::decode(path, "its table of frame offsets names frames that are not there"));
    }
    Ok(by_frame)
}

#[cfg(test)]
mod tests {
    use super::super::test_files::{explicit, part10};
    use super::*;
    use dicom_dictionary_std::{tags, uids};

    /// Two frames of 2 x 2 pixels of 8 bits, up to where their fragments begin.
    fn two_frames() -> Vec<u8> {
        let mut set = Vec::new();
        for (tag, value) in
            [(tags::SAMPLES_PER_PIXEL, 1u16), (tags::ROWS, 2), (tags::COLUMNS, 2), (tags::BITS_ALLOCATED, 8)]
        {
            set.extend(explicit(tag, b"US", &value.to_le_bytes()));
        }
        set.extend(explicit(tags::NUMBER_OF_FRAMES, b"IS", b"2 "));
        set.extend([0xE0, 0x7F, 0x10, 0, b'O', b'B', 0, 0, 0xFF, 0xFF, 0xFF, 0xFF]);
        set
    }

    fn item(bytes: &[u8]) -> Vec<u8> {
        [&[0xFE, 0xFF, 0, 0xE0][..], &(bytes.len() as u32).to_le_bytes(), bytes].concat()
    }

    #[test]
    fn frames_without_an_offset_table_begin_where_a_codestream_begins() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.dcm");
        let ranges = |parts: &[&[u8]]| {
            let mut set = two_frames();
            set.extend(item(&[]));
            parts.iter().for_each(|part| set.extend(item(part)));
            set.extend([0xFE, 0xFF, 0xDD, 0xE0, 0, 0, 0, 0]);
            std::fs::write(&path, part10(uids::JPEGLS_LOSSLESS, &set)).unwrap();
            FrameFile::open(&path).map(|f| f.fragments.iter().map(Vec::len).collect::<Vec<_>>())
        };
        let start = [0xFF, 0xD8, 0xFF, 0xF7, 0, 0, 0, 0, 0, 0];
        assert_eq!(ranges(&[&start, &[1, 2], &[3, 4], &start]).unwrap(), [3, 1]);
        // One too many, or none at the beginning: nothing is guessed.
        assert!(ranges(&[&start, &start, &start]).is_err());
        assert!(ranges(&[&[1, 2], &start, &start]).is_err());
    }

    #[test]
    fn frames_of_several_fragments_are_told_apart_by_the_offset_table() {
        let mut set = two_frames();
        // One frame is a header of 64 bytes and a literal run, cut in two.
        let frame = |pixels: [u8; 4]| {
            let mut header = [0; 64];
            (header[0], header[4]) = (1, 64);
            [item(&header), item(&[&[3], &pixels[..], &[0]].concat())].concat()
        };
        let first = frame([1, 2, 3, 4]);
        set.extend(item(&[0u32.to_le_bytes(), (first.len() as u32).to_le_bytes()].concat()));
        set.extend(first);
        set.extend(frame([9, 8, 7, 6]));
        set.extend([0xFE, 0xFF, 0xDD, 0xE0, 0, 0, 0, 0]);
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.dcm");
        std::fs::write(&path, part10(uids::RLE_LOSSLESS, &set)).unwrap();
        let file = FrameFile::open(&path).unwrap();
        assert_eq!(file.read_words(0).unwrap(), [1, 2, 3, 4]);
        assert_eq!(file.read_words(1).unwrap(), [9, 8, 7, 6]);
        assert!(file.read_words(2).is_err());
    }
}
