//! De-identified copies of DICOM files, by the Basic Application Level Confidentiality Profile of PS3.15 annex E.
//!
//! A copy keeps encoding and pixels byte by byte (a deflated data set is written inflated). What becomes of each
//! attribute says `profile`; new identifiers come from `remap`; `rewrite` writes the data set. Only
//! `io::export` calls this.

mod files;
mod profile;
mod remap;
mod rewrite;
#[cfg(test)]
mod tests;

pub use files::{DeidReport, deidentify_files};
pub use remap::DeidKey;

use super::error::DicomError;
use super::guard::{Header, Syntax, stream_at, with_header};
use super::parse::{EXPLICIT_LITTLE, IMPLICIT_LITTLE, PixelLocation};
use super::write::{IMPLEMENTATION, implementation_uid};
use crate::io::atomic::write_atomic;
use dicom_core::Tag;
use dicom_dictionary_std::{tags, uids};
use rewrite::Rewriter;
use std::io::{self, BufReader, Read, Write};
use std::path::Path;

/// What a file says of names in its pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BurnedIn {
    No,
    /// A screen capture that does not say.
    Perhaps,
    Yes,
}

/// Writes a de-identified copy of the file at `source`.
///
/// # Errors
/// As the guard for a file that it does not vouch for; [`DicomError::Decode`] when the pixels end too early;
/// [`DicomError::Write`]. Nothing is left of a copy that failed.
fn deidentify_file(source: &Path, target: &Path, key: &DeidKey) -> Result<(), DicomError> {
    with_header(source, |header| {
        let copy = Copy::of(source, header, key)?;
        let mut failed = None;
        let written = write_atomic(target, |w| {
            w.write_all(&copy.head)?;
            for element in &copy.elements {
                w.write_all(element)?;
            }
            if let Some(pixels) = header.pixels
                && let Err(error) = copy_pixels(source, header.syntax, pixels, w)
            {
                failed = Some(error);
                return Err(io::ErrorKind::InvalidData.into());
            }
            Ok(())
        });
        match (written, failed) {
            (Err(_), Some(Trouble::Source(reason))) => Err(DicomError::decode(source, reason)),
            (Err(_), Some(Trouble::Target(error))) | (Err(error), None) => Err(DicomError::write(target, &error)),
            (Ok(()), _) => Ok(()),
        }
    })
}

/// Whether the pixels of the file at `path` may show whom they are of.
///
/// # Errors
/// As the guard.
fn burned_in(path: &Path) -> Result<BurnedIn, DicomError> {
    with_header(path, |header| {
        let set = header.set;
        let capture = set.text(tags::SOP_CLASS_UID).starts_with(uids::SECONDARY_CAPTURE_IMAGE_STORAGE);
        Ok(match set.text(tags::BURNED_IN_ANNOTATION).as_str() {
            "YES" => BurnedIn::Yes,
            "NO" => BurnedIn::No,
            _ if capture => BurnedIn::Perhaps,
            _ => BurnedIn::No,
        })
    })
}

/// A copy but for its pixels.
struct Copy {
    /// Preamble and file meta information.
    head: Vec<u8>,
    elements: Vec<Vec<u8>>,
}

impl Copy {
    fn of(source: &Path, header: &Header<'_>, key: &DeidKey) -> Result<Self, DicomError> {
        let encoding = header.syntax.encoding;
        let class = match header.set.text(tags::SOP_CLASS_UID) {
            uid if uid.is_empty() => header.media_class.clone(),
            uid => uid,
        };
        if class.is_empty() {
            let reason = "it does not say of what kind it is, so no copy of it would be valid";
            return Err(DicomError::refused(source, reason));
        }
        let (instance, elements) = Rewriter::new(key, encoding, header.set).data_set(header.set);
        // Everything behind the pixels is padding and signatures, which the profile removes.
        let before_pixels = |tag: &Tag| header.pixels.is_none() || *tag < tags::FLOAT_PIXEL_DATA;
        let elements = elements.into_iter().filter(|(tag, _)| before_pixels(tag)).map(|(_, bytes)| bytes).collect();
        Ok(Self { head: head(&class, &instance, transfer_syntax(header.syntax)), elements })
    }
}

/// What the copy is written in: the file's own way, which may be another one than it says.
fn transfer_syntax(syntax: &Syntax) -> &str {
    match (syntax.encapsulated, syntax.encoding) {
        (true, _) => &syntax.uid,
        // The one syntax that says more than the header's own encoding does.
        (false, encoding) if syntax.big_endian_pixels != encoding.big_endian => &syntax.uid,
        (false, EXPLICIT_LITTLE) => uids::EXPLICIT_VR_LITTLE_ENDIAN,
        (false, IMPLICIT_LITTLE) => uids::IMPLICIT_VR_LITTLE_ENDIAN,
        #[allow(deprecated)] // Retired in the standard, alive in archives.
        (false, _) => uids::EXPLICIT_VR_BIG_ENDIAN,
    }
}

/// An empty preamble and the file meta information (PS3.10 section 7.1), which is always explicit little endian.
fn head(class: &str, instance: &str, syntax: &str) -> Vec<u8> {
    let mut meta = Vec::new();
    let mut put = |Tag(group, element): Tag, vr: &[u8; 2], value: &[u8]| {
        let padding = value.len() % 2;
        meta.extend([group.to_le_bytes(), element.to_le_bytes(), *vr].concat());
        match vr {
            b"OB" => meta.extend([[0, 0].as_slice(), &(value.len() as u32).to_le_bytes()].concat()),
            _ => meta.extend(((value.len() + padding) as u16).to_le_bytes()),
        }
        meta.extend_from_slice(value);
        meta.extend_from_slice(&[if vr == b"UI" { 0 } else { b' ' }][..padding]);
    };
    put(tags::FILE_META_INFORMATION_VERSION, b"OB", &[0, 1]);
    put(tags::MEDIA_STORAGE_SOP_CLASS_UID, b"UI", class.as_bytes());
    put(tags::MEDIA_STORAGE_SOP_INSTANCE_UID, b"UI", instance.as_bytes());
    put(tags::TRANSFER_SYNTAX_UID, b"UI", syntax.as_bytes());
    put(tags::IMPLEMENTATION_CLASS_UID, b"UI", implementation_uid().as_bytes());
    put(tags::IMPLEMENTATION_VERSION_NAME, b"SH", IMPLEMENTATION.as_bytes());
    let mut out = vec![0; 128];
    out.extend_from_slice(b"DICM");
    out.extend_from_slice(&[2, 0, 0, 0, b'U', b'L', 4, 0]);
    out.extend_from_slice(&(meta.len() as u32).to_le_bytes());
    out.extend(meta);
    out
}

/// What went wrong while pixels were copied.
enum Trouble {
    Source(String),
    Target(io::Error),
}

/// Copies the pixel element, head and all, to its last byte.
fn copy_pixels(source: &Path, syntax: &Syntax, pixels: PixelLocation, w: &mut impl Write) -> Result<(), Trouble> {
    let unreadable = |e: io::Error| Trouble::Source(crate::io::atomic::plain_reason(&e));
    // The head is 12 bytes where a two-letter kind is written, else 8.
    let explicit = syntax.encoding.explicit;
    let back = if explicit { 12 } else { 8 };
    let start = pixels.offset.saturating_sub(back);
    let mut stream = BufReader::with_capacity(1 << 18, stream_at(source, syntax, start).map_err(unreadable)?);
    let mut head = vec![0; back as usize];
    stream.read_exact(&mut head).map_err(unreadable)?;
    if explicit && !head[4..6].iter().all(u8::is_ascii_uppercase) {
        return Err(Trouble::Source("its pixels do not say of what kind they are".into()));
    }
    w.write_all(&head).map_err(Trouble::Target)?;
    match pixels.length {
        Some(length) => copy_exactly(&mut stream, length, w),
        None => copy_fragments(&mut stream, !syntax.encoding.big_endian, w),
    }
}

fn copy_exactly(stream: &mut impl Read, length: u64, w: &mut impl Write) -> Result<(), Trouble> {
    let mut left = length;
    let mut buffer = vec![0; 1 << 16];
    while left > 0 {
        let n = left.min(buffer.len() as u64) as usize;
        stream
            .read_exact(&mut buffer[..n])
            .map_err(|_| Trouble::Source("its pixels end too early; copy the file again from its source".into()))?;
        w.write_all(&buffer[..n]).map_err(Trouble::Target)?;
        left -= n as u64;
    }
    Ok(())
}

/// Items up to the end marker, which is added where it is missing (PS3.5 annex A.4).
fn copy_fragments(stream: &mut impl Read, is_little: bool, w: &mut impl Write) -> Result<(), Trouble> {
    const END: [u8; 8] = [0xFE, 0xFF, 0xDD, 0xE0, 0, 0, 0, 0];
    if !is_little {
        return Err(Trouble::Source("its compressed pixels are in a byte order that no compression has".into()));
    }
    loop {
        let mut head = [0; 8];
        let ended = stream.read_exact(&mut head).is_err();
        if ended || head[..4] == END[..4] {
            return w.write_all(&END).map_err(Trouble::Target);
        }
        if head[..4] != [0xFE, 0xFF, 0x00, 0xE0] {
            return Err(Trouble::Source("its compressed image fragments are damaged".into()));
        }
        w.write_all(&head).map_err(Trouble::Target)?;
        copy_exactly(stream, u64::from(u32::from_le_bytes([head[4], head[5], head[6], head[7]])), w)?;
    }
}
