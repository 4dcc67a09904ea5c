//! Unpacks one picture within bounds: its size first, then no more memory than that size asks for.
//!
//! The decoders are those of the `image` crate; a panic in one is caught and refuses the picture.

use super::ImageStackError;
use crate::io::bounds::open_regular;
use crate::jobs::catch_panic;
use image::{DynamicImage, ImageError, ImageFormat, ImageReader, Limits};
use std::fs::File;
use std::io::{self, BufReader};
use std::path::Path;

/// Memory for what a picture holds beside its pixels (colour profiles, palettes, tables).
const BESIDE: u64 = 16 << 20;
/// Most bytes that a pixel takes while it is unpacked: 16-bit colour with transparency, twice.
const PIXEL: u64 = 16;

type Reader = ImageReader<BufReader<File>>;

/// Width and height, as the picture's header says.
///
/// # Errors
/// [`ImageStackError::Read`], [`ImageStackError::Picture`].
pub fn picture_size(path: &Path) -> Result<(u32, u32), ImageStackError> {
    guarded(path, BESIDE, Reader::into_dimensions)
}

/// The pixels of a picture whose size is known to be `size`, and whether they were stored with losses (JPEG).
///
/// # Errors
/// As [`picture_size`].
pub(super) fn decode_picture(path: &Path, size: [usize; 2]) -> Result<(DynamicImage, bool), ImageStackError> {
    let memory = BESIDE + PIXEL * size.map(|v| v as u64).iter().product::<u64>();
    guarded(path, memory, |reader| {
        let jpeg = reader.format() == Some(ImageFormat::Jpeg);
        Ok((reader.decode()?, jpeg))
    })
}

fn guarded<T>(
    path: &Path,
    memory: u64,
    work: impl FnOnce(Reader) -> Result<T, ImageError>,
) -> Result<T, ImageStackError> {
    let unreadable = |source| ImageStackError::Read { path: path.to_owned(), source };
    let file = open_regular(path).map_err(unreadable)?;
    let mut reader = ImageReader::new(BufReader::new(file)).with_guessed_format().map_err(unreadable)?;
    let mut limits = Limits::default();
    limits.max_alloc = Some(memory);
    reader.limits(limits);
    let broken = |text: String| ImageError::IoError(io::Error::new(io::ErrorKind::InvalidData, text));
    catch_panic(|| work(reader))
        .map_err(broken)
        .and_then(|result| result)
        .map_err(|source| ImageStackError::Picture { path: path.to_owned(), source })
}
