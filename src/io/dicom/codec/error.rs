//! What decoders give back: samples, or why there are none. Private to `io::dicom::codec`.

/// Samples of one frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Decoded {
    /// Row by row. A negative sample is in two's complement of 16 bits.
    pub samples: Vec<u16>,
    /// Bits per sample in the codestream, 1 to 16.
    pub bits: u16,
    /// Whether the codestream calls its samples signed. JPEG and JPEG-LS cannot say it.
    pub signed: bool,
}

/// Why a codestream was not decoded; texts are ends of a sentence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum StreamError {
    /// It breaks the rules of its standard.
    #[error("its compressed image is damaged ({0})")]
    Damaged(&'static str),
    /// It ends before the last sample.
    #[error("its compressed image ends too early")]
    Truncated,
    /// It is sound but not built in.
    #[error("its compressed image uses {0}, which cannot be decoded here")]
    Unsupported(&'static str),
    #[error("its compressed image is {} x {} where the header says {} x {}", .found[0], .found[1], .header[0], .header[1])]
    Size { found: [u64; 2], header: [usize; 2] },
    #[error("its compressed image has {0} components where the header says 1")]
    Components(u16),
    #[error("its compressed image has {0} bits a sample")]
    Bits(u16),
}

/// Compares what a codestream says of itself with columns and rows of the header. Nothing may be set aside by the
/// codestream's word before this.
///
/// # Errors
/// [`StreamError::Size`], [`StreamError::Components`] or [`StreamError::Bits`].
pub(super) fn check_size(found: [u64; 2], components: u16, bits: u16, header: [usize; 2]) -> Result<(), StreamError> {
    if found != header.map(|n| n as u64) {
        return Err(StreamError::Size { found, header });
    }
    if components != 1 {
        return Err(StreamError::Components(components));
    }
    if !(1..=16).contains(&bits) {
        return Err(StreamError::Bits(bits));
    }
    Ok(())
}
