//! The arithmetic decoder of JPEG 2000 (ITU-T T.800 annex C), and the raw bits of its bypass mode (D.6).

/// One state of a context: probability of the rarer symbol, and what follows.
#[derive(Clone, Copy)]
struct State {
    /// In the place of the interval's bits.
    qe: u64,
    /// State after the likelier and the rarer symbol; the lowest bit of a state's number is its likelier symbol.
    next: [u8; 2],
}

/// Table C.2: Qe, next after MPS, next after LPS, whether the sense is exchanged.
const TABLE_C2: [(u16, u8, u8, u8); 47] = [
    (0x5601, 1, 1, 1),
    (0x3401, 2, 6, 0),
    (0x1801, 3, 9, 0),
    (0x0AC1, 4, 12, 0),
    (0x0521, 5, 29, 0),
    (0x0221, 38, 33, 0),
    (0x5601, 7, 6, 1),
    (0x5401, 8, 14, 0),
    (0x4801, 9, 14, 0),
    (0x3801, 10, 14, 0),
    (0x3001, 11, 17, 0),
    (0x2401, 12, 18, 0),
    (0x1C01, 13, 20, 0),
    (0x1601, 29, 21, 0),
    (0x5601, 15, 14, 1),
    (0x5401, 16, 14, 0),
    (0x5101, 17, 15, 0),
    (0x4801, 18, 16, 0),
    (0x3801, 19, 17, 0),
    (0x3401, 20, 18, 0),
    (0x3001, 21, 19, 0),
    (0x2801, 22, 19, 0),
    (0x2401, 23, 20, 0),
    (0x2201, 24, 21, 0),
    (0x1C01, 25, 22, 0),
    (0x1801, 26, 23, 0),
    (0x1601, 27, 24, 0),
    (0x1401, 28, 25, 0),
    (0x1201, 29, 26, 0),
    (0x1101, 30, 27, 0),
    (0x0AC1, 31, 28, 0),
    (0x09C1, 32, 29, 0),
    (0x08A1, 33, 30, 0),
    (0x0521, 34, 31, 0),
    (0x0441, 35, 32, 0),
    (0x02A1, 36, 33, 0),
    (0x0221, 37, 34, 0),
    (0x0141, 38, 35, 0),
    (0x0111, 39, 36, 0),
    (0x0085, 40, 37, 0),
    (0x0049, 41, 38, 0),
    (0x0025, 42, 39, 0),
    (0x0015, 43, 40, 0),
    (0x0009, 44, 41, 0),
    (0x0005, 45, 42, 0),
    (0x0001, 45, 43, 0),
    (0x5601, 46, 46, 0),
];

/// State `2 n + s` is row `n` of the table with the likelier symbol `s`. Filled up so that an index of seven bits needs
/// no check.
static STATES: [State; 128] = {
    let mut states = [State { qe: 0x5601 << 48, next: [0, 0] }; 128];
    let mut n = 0;
    while n < 47 {
        let (qe, after_mps, after_lps, exchange) = TABLE_C2[n];
        let mut symbol = 0;
        while symbol < 2 {
            let lps_symbol = if exchange == 1 { 1 - symbol } else { symbol };
            states[2 * n + symbol as usize] =
                State { qe: (qe as u64) << 48, next: [2 * after_mps + symbol, 2 * after_lps + lps_symbol] };
            symbol += 1;
        }
        n += 1;
    }
    states
};

/// First contexts after the nine of significance: five of sign, three of refinement, run length, uniform (tables D.1 to
/// D.5).
pub const SIGN: usize = 9;
pub const REFINE: usize = 14;
pub const RUN: usize = 17;
pub const UNIFORM: usize = 18;

/// States of all contexts.
pub type Contexts = [u8; 32];

/// Table D.7.
pub const fn fresh_contexts() -> Contexts {
    let mut contexts = [0; 32];
    contexts[0] = 2 * 4;
    contexts[RUN] = 2 * 3;
    contexts[UNIFORM] = 2 * 46;
    contexts
}

/// The decoder of one codeword segment. Beyond its end it reads ones, as the standard wants.
///
/// The registers of annex C, widened: the interval's sixteen bits are the highest of 64, and several bytes of the code
/// wait below them. A byte after one of ones is added a bit higher, as there, where it may carry.
#[derive(Clone)]
pub struct Mq<'a> {
    data: &'a [u8],
    /// The last byte that was taken.
    at: usize,
    a: u64,
    c: u64,
    /// Where the next byte belongs in the code.
    place: i32,
}

/// Bits of the code that have been used up before more is fetched; a symbol uses up to fifteen.
const USED: i32 = 32;

impl<'a> Mq<'a> {
    pub fn new(data: &'a [u8]) -> Self {
        let first = data.first().copied().map_or(0xFF, u64::from);
        let (at, c, place) = fetch(data, 0, first << 55, 47);
        Self { data, at, a: 0x8000 << 48, c, place }
    }

    #[inline(never)]
    fn refill(&mut self) {
        (self.at, self.c, self.place) = fetch(self.data, self.at, self.c, self.place);
    }

    /// The next symbol of a context.
    #[inline(always)]
    pub fn decode(&mut self, contexts: &mut Contexts, context: usize) -> u32 {
        let slot = &mut contexts[context & 31];
        let state = &STATES[usize::from(*slot & 127)];
        let symbol = u32::from(*slot & 1);
        let a = self.a.wrapping_sub(state.qe);
        let below = self.c < state.qe;
        let c = self.c.wrapping_sub(state.qe);
        if !below & (a >> 63 == 1) {
            (self.a, self.c) = (a, c);
            return symbol;
        }
        // The smaller part of the interval is the likelier symbol's where the two were exchanged.
        let rarer = below ^ (a < state.qe);
        let (a, c) = if below { (state.qe, self.c) } else { (a, c) };
        *slot = state.next[usize::from(rarer)];
        let shift = a.leading_zeros() & 63;
        (self.a, self.c) = (a << shift, c << shift);
        self.place += shift as i32;
        if self.place >= USED {
            self.refill();
        }
        symbol ^ u32::from(rarer)
    }
}

/// Fills the code up with bytes. By value: what a pointer leads to is kept in memory, and the decoder's registers are
/// needed for every symbol.
#[inline(always)]
fn fetch(data: &[u8], mut at: usize, mut c: u64, mut place: i32) -> (usize, u64, i32) {
    let byte = |at: usize| data.get(at).copied().map_or(0xFF, u64::from);
    while place >= 0 {
        let next = byte(at + 1);
        match (byte(at), next) {
            (0xFF, 0x90..) => {
                c = c.wrapping_add(0xFF << place);
                place -= 8;
            }
            (0xFF, _) => {
                at += 1;
                c = c.wrapping_add(next << (place + 1));
                place -= 7;
            }
            _ => {
                at += 1;
                c = c.wrapping_add(next << place);
                place -= 8;
            }
        }
    }
    (at, c, place)
}

/// Bits that are stored as they are.
pub struct Raw<'a> {
    data: &'a [u8],
    at: usize,
    byte: u32,
    left: u32,
}

impl<'a> Raw<'a> {
    pub fn new(data: &'a [u8]) -> Self {
        Self { data, at: 0, byte: 0, left: 0 }
    }

    pub fn bit(&mut self) -> u32 {
        if self.left == 0 {
            let next = self.data.get(self.at).copied().map_or(0xFF, u32::from);
            self.left = if self.byte == 0xFF { 7 } else { 8 };
            if self.byte == 0xFF && next > 0x8F {
                self.left = 8;
            } else {
                self.byte = next;
                self.at += 1;
            }
        }
        self.left -= 1;
        self.byte >> self.left & 1
    }
}
