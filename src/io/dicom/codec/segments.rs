//! Marker segments of JPEG and JPEG-LS (ITU-T T.81 annex B, T.87 annex C). Private to `io::dicom::codec`.

use super::{StreamError, check_size};

/// Second bytes of the markers that are looked at.
pub(super) mod marker {
    pub const SOF_BASELINE: u8 = 0xC0;
    pub const SOF_EXTENDED: u8 = 0xC1;
    pub const SOF_PROGRESSIVE: u8 = 0xC2;
    pub const SOF_LOSSLESS: u8 = 0xC3;
    pub const DHT: u8 = 0xC4;
    pub const SOI: u8 = 0xD8;
    pub const EOI: u8 = 0xD9;
    pub const SOS: u8 = 0xDA;
    pub const DQT: u8 = 0xDB;
    pub const DRI: u8 = 0xDD;
    pub const SOF_LS: u8 = 0xF7;
    pub const LSE: u8 = 0xF8;
}

/// A big-endian word.
pub(super) fn be16(data: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(*data.get(at..)?.first_chunk()?))
}

/// Walks the segments from the start of the image to its first scan.
pub(super) struct Segments<'a> {
    data: &'a [u8],
    at: usize,
}

impl<'a> Segments<'a> {
    /// # Errors
    /// [`StreamError::Damaged`] when `data` does not begin with an image.
    pub fn of(data: &'a [u8]) -> Result<Self, StreamError> {
        if !data.starts_with(&[0xFF, marker::SOI]) {
            return Err(StreamError::Damaged("no start of an image"));
        }
        Ok(Self { data, at: 2 })
    }

    /// Where the next segment begins; after SOS, where the entropy-coded data begin.
    pub fn at(&self) -> usize {
        self.at
    }

    /// The next segment: its marker and what follows the length, nothing for the end of the image.
    ///
    /// # Errors
    /// [`StreamError::Truncated`] or [`StreamError::Damaged`].
    pub fn next(&mut self) -> Result<(u8, &'a [u8]), StreamError> {
        loop {
            let (first, second) = (self.byte(0)?, self.byte(1)?);
            if first != 0xFF {
                return Err(StreamError::Damaged("a marker is missing"));
            }
            match second {
                0xFF => self.at += 1,
                // Markers that stand alone.
                0x01 | 0xD0..=marker::SOI => self.at += 2,
                marker::EOI => return Ok((second, &[])),
                _ => break,
            }
        }
        let kind = self.byte(1)?;
        let length = usize::from(be16(self.data, self.at + 2).ok_or(StreamError::Truncated)?);
        if length < 2 {
            return Err(StreamError::Damaged("the length of a marker segment"));
        }
        let end = self.at + 2 + length;
        let body = self.data.get(self.at + 4..end).ok_or(StreamError::Truncated)?;
        self.at = end;
        Ok((kind, body))
    }

    /// Goes behind the entropy-coded data of a scan, to the next marker that is no restart.
    pub fn skip_scan(&mut self) {
        while let Some(pair) = self.data.get(self.at..).and_then(|rest| rest.first_chunk()) {
            if matches!(pair, [0xFF, 0x01..=0xCF | marker::SOI..=0xFE]) {
                return;
            }
            self.at += 1;
        }
    }

    fn byte(&self, ahead: usize) -> Result<u8, StreamError> {
        self.data.get(self.at + ahead).copied().ok_or(StreamError::Truncated)
    }
}

/// Whether the first frame header of a JPEG image is that of JPEG-LS.
pub(super) fn is_jpeg_ls(data: &[u8]) -> bool {
    let Ok(mut segments) = Segments::of(data) else { return false };
    while let Ok((kind, _)) = segments.next() {
        match kind {
            marker::SOF_LS => return true,
            marker::DHT => {}
            0xC0..=0xCF | marker::SOS | marker::EOI => return false,
            _ => {}
        }
    }
    false
}

/// A frame header (T.81 B.2.2) that agrees with what the data set says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Frame {
    /// Bits per sample.
    pub bits: u16,
    /// Number of the quantisation table.
    pub quantisation: u8,
}

impl Frame {
    /// # Errors
    /// [`StreamError::Size`] or [`StreamError::Components`] when it does not agree.
    pub fn of(body: &[u8], rows: usize, columns: usize) -> Result<Self, StreamError> {
        let damaged = StreamError::Damaged("a frame header");
        let &[bits, y1, y0, x1, x0, components] = body.first_chunk().ok_or(damaged)?;
        let found = [u16::from_be_bytes([x1, x0]), u16::from_be_bytes([y1, y0])].map(u64::from);
        check_size(found, u16::from(components), u16::from(bits), [columns, rows])?;
        Ok(Self { bits: u16::from(bits), quantisation: *body.get(8).ok_or(damaged)? })
    }
}
