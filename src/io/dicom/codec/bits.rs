//! The bits of an entropy-coded segment, with what was stuffed into it taken out. Private to `io::dicom::codec`.
//!
//! JPEG follows a byte FF by a byte 00 (ITU-T T.81 B.1.1.5), JPEG-LS by a bit 0 (ITU-T T.87 A.1); anything else after
//! FF is a marker and ends the segment. Behind the end come zeros, which are counted: whoever reads asks
//! [`Bits::overrun`] at the end, or now and then, instead of checking every symbol.

/// How a byte FF is followed inside an entropy-coded segment.
pub(super) trait Stuffing: Copy {
    /// What stands for the pair of FF and `next`: its bits and their number; `None` for a marker.
    fn pair(next: u8) -> Option<(u64, u32)>;
}

/// FF 00 stands for FF.
#[derive(Clone, Copy)]
pub(super) struct StuffedByte;

impl Stuffing for StuffedByte {
    fn pair(next: u8) -> Option<(u64, u32)> {
        (next == 0).then_some((0xFF, 8))
    }
}

/// The seven low bits of the byte after FF are data.
#[derive(Clone, Copy)]
pub(super) struct StuffedBit;

impl Stuffing for StuffedBit {
    fn pair(next: u8) -> Option<(u64, u32)> {
        (next < 0x80).then_some((0xFF << 7 | u64::from(next), 15))
    }
}

/// Reads bits, the highest of a byte first.
#[derive(Clone, Copy)]
pub(super) struct Bits<'a, S: Copy> {
    data: &'a [u8],
    at: usize,
    /// Bits not yet taken, the next one highest.
    cache: u64,
    /// How many of them can be taken. Below them lie zeros or the bits that come next.
    held: u32,
    /// Bits that were put in after the end.
    made_up: u32,
    stuffing: std::marker::PhantomData<S>,
}

impl<'a, S: Stuffing> Bits<'a, S> {
    /// As many bits can be asked for at once.
    pub const MOST: u32 = 32;

    pub fn new(data: &'a [u8], at: usize) -> Self {
        Self { data, at, cache: 0, held: 0, made_up: 0, stuffing: std::marker::PhantomData }
    }

    /// Makes at least [`Bits::MOST`] bits ready.
    #[inline(always)]
    pub fn fill(&mut self) {
        if self.held < Self::MOST {
            self.refill();
        }
    }

    #[inline(always)]
    fn refill(&mut self) {
        // Eight bytes at once where none of them is FF.
        if let Some(bytes) = self.data.get(self.at..).and_then(|rest| rest.first_chunk()) {
            let word = u64::from_be_bytes(*bytes);
            if (!word).wrapping_sub(0x0101_0101_0101_0101) & word & 0x8080_8080_8080_8080 == 0 {
                // The bits that do not fit are set as well; they will be set to the same values again.
                self.cache |= word >> self.held;
                let taken = (64 - self.held) / 8;
                self.at += taken as usize;
                self.held += 8 * taken;
                return;
            }
        }
        *self = self.refilled_slowly();
    }

    // By value, so that the readers' fields stay in registers everywhere else.
    #[cold]
    #[inline(never)]
    fn refilled_slowly(mut self) -> Self {
        // Bits below those held are from bytes that are read again here.
        self.cache &= !(u64::MAX >> self.held);
        while self.held <= 48 {
            let (bits, count) = match (self.data.get(self.at), self.data.get(self.at + 1)) {
                (Some(0xFF), next) => match next.and_then(|&next| S::pair(next)) {
                    Some(pair) => {
                        self.at += 2;
                        pair
                    }
                    None => {
                        self.made_up += 8;
                        (0, 8)
                    }
                },
                (Some(&byte), _) => {
                    self.at += 1;
                    (u64::from(byte), 8)
                }
                (None, _) => {
                    self.made_up += 8;
                    (0, 8)
                }
            };
            self.cache |= bits << (64 - self.held - count);
            self.held += count;
        }
        self
    }

    /// Bits that are ready, the next one highest. Only [`Bits::held`] of them mean something.
    #[inline(always)]
    pub fn peek(&self) -> u64 {
        self.cache
    }

    #[inline(always)]
    pub fn held(&self) -> u32 {
        self.held
    }

    /// Drops up to [`Bits::held`] and less than 64 bits.
    #[inline(always)]
    pub fn skip(&mut self, count: u32) {
        self.cache <<= count;
        self.held -= count;
    }

    /// The next `count` bits, at most [`Bits::MOST`], as a number.
    #[inline(always)]
    pub fn take(&mut self, count: u32) -> u32 {
        self.fill();
        // Two shifts, because 0 bits may be asked for.
        let value = (self.cache >> 1 >> (63 - count)) as u32;
        self.skip(count);
        value
    }

    /// Whether more was taken than there was.
    pub fn overrun(&self) -> bool {
        self.made_up > self.held
    }

    /// Goes behind the restart marker that must come next, leaving the bits that fill up the last byte. `false` when
    /// another marker or none comes.
    pub fn restart(&mut self, number: u8) -> bool {
        // Bytes that were read ahead belong to the segment before the marker, and there is at most one that is padding.
        if self.overrun() || self.held.saturating_sub(self.made_up) >= 16 {
            return false;
        }
        while self.data.get(self.at..).is_some_and(|rest| rest.starts_with(&[0xFF, 0xFF])) {
            self.at += 1;
        }
        if !self.data.get(self.at..).is_some_and(|rest| rest.starts_with(&[0xFF, 0xD0 + number % 8])) {
            return false;
        }
        *self = Self::new(self.data, self.at + 2);
        true
    }
}
