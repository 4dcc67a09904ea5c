//! JPEG XL of one channel (ISO/IEC 18181), by the decoder of the crate `jxl-oxide`. Called by `io::dicom::codec`.

use super::{Decoded, StreamError, check_size};
use crate::jobs::catch_panic;
use jxl_oxide::image::BitDepth;
use jxl_oxide::{AllocTracker, JxlImage, PixelFormat};

/// Start of a bare codestream.
pub(super) const START: [u8; 2] = [0xFF, 0x0A];
/// Start of a file of boxes.
pub(super) const FILE_START: [u8; 8] = [0, 0, 0, 12, b'J', b'X', b'L', b' '];
/// Bytes that the decoder may hold for each sample, besides [`MEMORY`]: four planes of 4 bytes.
const MEMORY_PER_SAMPLE: usize = 16;
/// Bytes that the decoder may hold for any image.
const MEMORY: usize = 32 << 20;

const DAMAGED: StreamError = StreamError::Damaged("its JPEG XL codestream");

/// Decodes an image of `rows` x `columns` samples.
///
/// # Errors
/// What is wrong with the codestream, or what it uses that is not decoded here.
pub(super) fn decode(data: &[u8], rows: usize, columns: usize) -> Result<Decoded, StreamError> {
    catch_panic(|| decode_unguarded(data, rows, columns)).unwrap_or(Err(DAMAGED))
}

fn decode_unguarded(data: &[u8], rows: usize, columns: usize) -> Result<Decoded, StreamError> {
    let memory = AllocTracker::with_limit(MEMORY + MEMORY_PER_SAMPLE * rows * columns);
    let image = JxlImage::builder().alloc_tracker(memory).read(data).map_err(|_| DAMAGED)?;
    let BitDepth::IntegerSample { bits_per_sample: bits } = image.image_header().metadata.bit_depth else {
        return Err(StreamError::Unsupported("floating-point samples"));
    };
    let bits = u16::try_from(bits).unwrap_or(u16::MAX);
    let components = if image.pixel_format() == PixelFormat::Gray { 1 } else { 3 };
    check_size([image.width(), image.height()].map(u64::from), components, bits, [columns, rows])?;
    if !image.is_loading_done() {
        return Err(StreamError::Truncated);
    }
    let planes = image.render_frame(0).map_err(|_| DAMAGED)?.image_planar();
    let [plane] = planes.as_slice() else { return Err(StreamError::Components(planes.len() as u16)) };
    if [plane.width(), plane.height()] != [columns, rows] {
        return Err(DAMAGED);
    }
    // Samples come as fractions of the highest value; 24 bits of mantissa bring 16 bits back exactly.
    let highest = f32::from(u16::MAX >> (16 - bits));
    let samples = plane.buf().iter().map(|value| (value * highest).round() as u16).collect();
    Ok(Decoded { samples, bits, signed: false })
}
