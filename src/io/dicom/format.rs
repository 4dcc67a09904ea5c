//! What the header says about the stored samples, checked before any of them is read. Private to `io::dicom`.
//!
//! PS3.3 C.7.6.3 (Image Pixel module).

use super::codec::unsupported;
use super::guard::Header;
use crate::core::count_of;
use crate::io::bounds::is_plausible;
use dicom_dictionary_std::tags;
use serde::{Deserialize, Serialize};

/// Largest frame that is decoded; four times the largest CT matrix in use.
const MAX_FRAME_SAMPLES: usize = 4096 * 4096;
/// Most frames in one file.
pub(super) const MAX_FRAMES: usize = 1 << 16;

/// How samples are stored. Only single-sample (grey) frames are ever decoded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct PixelFormat {
    pub rows: usize,
    pub columns: usize,
    pub frames: usize,
    /// 1, 8 or 16.
    pub bits_allocated: u16,
    pub bits_stored: u16,
    pub high_bit: u16,
    pub signed: bool,
    /// `MONOCHROME1`: stored for display with low values white. It does not change what a value means in HU.
    pub photometric: String,
}

impl PixelFormat {
    /// Samples of one frame.
    pub fn frame_samples(&self) -> usize {
        self.rows * self.columns
    }

    /// Bits of one uncompressed frame.
    pub fn frame_bits(&self) -> u64 {
        self.frame_samples() as u64 * u64::from(self.bits_allocated)
    }

    /// Bytes of all uncompressed frames.
    pub fn bytes(&self) -> u64 {
        (self.frame_bits() * self.frames as u64).div_ceil(8)
    }
}

/// Uncompressed pixels that the header calls longer than the image is, or than the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FalseLength {
    /// Bytes of pixels, as the header says.
    pub claimed: u64,
    /// Bytes of the image, all of which are there.
    pub needed: u64,
    /// Bytes from the first pixel to the end of the file, where they are fewer than claimed.
    pub left: Option<u64>,
}

impl FalseLength {
    /// `None` where the length is true. Call for a format that was checked.
    pub fn of(header: &Header<'_>, format: &PixelFormat) -> Option<Self> {
        let pixels = header.pixels.filter(|_| !header.syntax.encapsulated)?;
        let (claimed, needed) = (pixels.length?, format.bytes());
        let left = header.stream_length.map(|total| total.saturating_sub(pixels.offset)).filter(|left| *left < claimed);
        // Values have even lengths (PS3.5 section 7.1.1).
        (left.is_some() || claimed > needed.next_multiple_of(2)).then_some(Self { claimed, needed, left })
    }
}

/// Reads and checks the format.
///
/// # Errors
/// The reason why the image cannot be decoded, as the end of a sentence.
pub(super) fn pixel_format(header: &Header<'_>) -> Result<PixelFormat, String> {
    let set = header.set;
    let number = |tag, name: &str| set.u16(tag).ok_or_else(|| format!("it does not say its {name}"));
    let rows = usize::from(number(tags::ROWS, "number of rows")?);
    let columns = usize::from(number(tags::COLUMNS, "number of columns")?);
    if rows == 0 || columns == 0 || rows * columns > MAX_FRAME_SAMPLES {
        return Err(format!("its image size of {columns} x {rows} is not usable (up to 4096 x 4096 is)"));
    }
    let samples = set.u16(tags::SAMPLES_PER_PIXEL).unwrap_or(1);
    if samples != 1 {
        return Err(format!("it is in colour ({samples} samples a pixel)"));
    }
    let frames = match set.integer(tags::NUMBER_OF_FRAMES) {
        None => 1,
        Some(n) => usize::try_from(n)
            .ok()
            .filter(|n| (1..=MAX_FRAMES).contains(n))
            .ok_or_else(|| format!("it claims {n} frames"))?,
    };
    let bits_allocated = number(tags::BITS_ALLOCATED, "bits per sample")?;
    if !matches!(bits_allocated, 1 | 8 | 16) {
        return Err(format!("it stores {bits_allocated} bits a sample (8 and 16 can be read)"));
    }
    let bits_stored = set.u16(tags::BITS_STORED).unwrap_or(bits_allocated);
    let high_bit = set.u16(tags::HIGH_BIT).unwrap_or(bits_stored.saturating_sub(1));
    if bits_stored == 0 || bits_stored > bits_allocated || high_bit >= bits_allocated || high_bit + 1 < bits_stored {
        return Err(format!(
            "bits allocated {bits_allocated}, bits stored {bits_stored} and high bit {high_bit} contradict each other"
        ));
    }
    let signed = match set.u16(tags::PIXEL_REPRESENTATION).unwrap_or(0) {
        0 => false,
        1 => true,
        other => return Err(format!("its pixel representation is {other}, which is neither signed nor unsigned")),
    };
    let format = PixelFormat {
        rows,
        columns,
        frames,
        bits_allocated,
        bits_stored,
        high_bit,
        signed,
        photometric: set.text(tags::PHOTOMETRIC_INTERPRETATION),
    };
    if header.syntax.encapsulated
        && let Some(reason) = unsupported(&header.syntax.uid)
    {
        return Err(reason);
    }
    check_length(header, &format)?;
    Ok(format)
}

/// Compares what rows, columns and frames ask for with what is there.
fn check_length(header: &Header<'_>, format: &PixelFormat) -> Result<(), String> {
    let Some(pixels) = header.pixels else { return Err("it holds no pixels".into()) };
    let wanted = format.bytes();
    if !is_plausible(wanted, header.file_length) {
        return Err(format!(
            "{} x {} pixels in {} frames would take {wanted} bytes, and the whole file has {}",
            format.columns, format.rows, format.frames, header.file_length
        ));
    }
    let left = header.stream_length.map(|total| total.saturating_sub(pixels.offset));
    match pixels.length {
        None if !header.syntax.encapsulated => Err("its uncompressed pixels do not say how long they are".into()),
        // A compressed stream's own size is checked before it is decoded; here only that frames can be there at all.
        None => match left {
            Some(left) if left < 8 * format.frames as u64 => {
                Err(format!("it claims {} frames in {left} bytes", format.frames))
            }
            _ => Ok(()),
        },
        Some(length) => {
            if let Some(left) = left
                && left < length.min(wanted)
            {
                return Err(format!("it ends too early: its pixels need {wanted} bytes where {left} are left"));
            }
            if length < wanted {
                return Err(format!(
                    "{} x {} pixels in {} need {wanted} bytes, it holds {length}",
                    format.columns,
                    format.rows,
                    count_of(format.frames, "frame")
                ));
            }
            Ok(())
        }
    }
}
