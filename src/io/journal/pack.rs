//! Bricks of an entry as one zlib stream, packed on all processors where there are many of them.
//!
//! Parts are packed on their own, each but the last up to a byte's border, and put one behind the other: which is a zlib
//! stream like any other to whoever reads it. An operation on a whole volume would else keep one processor busy for
//! longer than a stroke may be in danger.

use crate::core::{Brick, BrickIndex};
use crate::io::bricks::write_short_entry;
use flate2::{Compress, Compression, FlushCompress, Status, write::ZlibEncoder};
use std::io;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

/// Bricks of a part: a megabyte.
const PART: usize = 256;
/// Most threads that pack.
const THREADS: usize = 8;
/// First bytes of a zlib stream: deflate, a window of 32 KiB, packed fast.
const HEAD: [u8; 2] = [0x78, 0x01];

pub type Entry = (BrickIndex, Option<std::sync::Arc<Brick>>);

/// Appends the stream of these bricks to `out`.
///
/// # Errors
/// Those of the packer, which is given memory alone.
pub fn pack(out: Vec<u8>, bricks: &[&Entry]) -> io::Result<Vec<u8>> {
    let threads = thread::available_parallelism().map_or(1, NonZeroUsize::get).min(THREADS);
    if threads > 1 && bricks.len() > 2 * PART { pack_parts(out, bricks, threads) } else { pack_one(out, bricks) }
}

fn pack_one(out: Vec<u8>, bricks: &[&Entry]) -> io::Result<Vec<u8>> {
    // Level 1: a stroke must be on disk soon, and labels pack well at any level.
    let mut zlib = ZlibEncoder::new(out, Compression::fast());
    for (index, brick) in bricks {
        write_short_entry(&mut zlib, *index, brick.as_deref())?;
    }
    zlib.finish()
}

fn pack_parts(mut out: Vec<u8>, bricks: &[&Entry], threads: usize) -> io::Result<Vec<u8>> {
    let parts: Vec<&[&Entry]> = bricks.chunks(PART).collect();
    let packed: Vec<Mutex<Option<io::Result<Part>>>> = parts.iter().map(|_| Mutex::new(None)).collect();
    let next = AtomicUsize::new(0);
    let work = || {
        loop {
            let n = next.fetch_add(1, Ordering::Relaxed);
            let (Some(part), Some(slot)) = (parts.get(n), packed.get(n)) else { return };
            let done = Part::new(part, n + 1 == parts.len());
            *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(done);
        }
    };
    thread::scope(|scope| {
        for _ in 1..threads {
            // A thread that cannot be had is one fewer.
            let _ = thread::Builder::new().spawn_scoped(scope, work);
        }
        work();
    });
    out.extend(HEAD);
    let mut sum = Adler::default();
    for slot in packed {
        let part = slot.into_inner().unwrap_or_else(PoisonError::into_inner);
        let part = part.unwrap_or_else(|| Err(io::Error::other("a part was not packed")))?;
        out.extend_from_slice(&part.deflated);
        sum = sum.followed_by(part.sum, part.length);
    }
    out.extend(sum.value().to_be_bytes());
    Ok(out)
}

struct Part {
    deflated: Vec<u8>,
    /// Of the bytes before packing, and how many they are.
    sum: Adler,
    length: usize,
}

impl Part {
    fn new(bricks: &[&Entry], last: bool) -> io::Result<Self> {
        let mut bytes = Vec::with_capacity(bricks.len() * (size_of::<Brick>() + 5));
        for (index, brick) in bricks {
            write_short_entry(&mut bytes, *index, brick.as_deref())?;
        }
        // More than the worst case takes, so that one call is enough.
        let mut deflated = Vec::with_capacity(bytes.len() / 4 * 5 + 4096);
        let mut packer = Compress::new(Compression::fast(), false);
        let flush = if last { FlushCompress::Finish } else { FlushCompress::Sync };
        loop {
            let taken = usize::try_from(packer.total_in()).unwrap_or(usize::MAX).min(bytes.len());
            let status = packer.compress_vec(&bytes[taken..], &mut deflated, flush).map_err(io::Error::other)?;
            // Room that is left says that nothing waits for it.
            let all = packer.total_in() == bytes.len() as u64 && deflated.len() < deflated.capacity();
            if status == Status::StreamEnd || (!last && all) {
                break;
            }
            deflated.reserve(bytes.len() + 4096);
        }
        deflated.shrink_to_fit();
        Ok(Self { deflated, sum: Adler::of(&bytes), length: bytes.len() })
    }
}

/// Adler-32 (RFC 1950).
#[derive(Clone, Copy)]
struct Adler(u32, u32);

impl Default for Adler {
    fn default() -> Self {
        Self(1, 0)
    }
}

impl Adler {
    const BASE: u32 = 65_521;
    /// Bytes that can be added up before the sums have to be reduced.
    const RUN: usize = 5552;

    fn of(bytes: &[u8]) -> Self {
        let Self(mut a, mut b) = Self::default();
        for run in bytes.chunks(Self::RUN) {
            for byte in run {
                a += u32::from(*byte);
                b += a;
            }
            (a, b) = (a % Self::BASE, b % Self::BASE);
        }
        Self(a, b)
    }

    /// The sum of both parts, the second of `length` bytes.
    fn followed_by(self, next: Self, length: usize) -> Self {
        let base = u64::from(Self::BASE);
        let [a, b, c, d] = [self.0, self.1, next.0, next.1].map(u64::from);
        let shift = (length as u64 % base) * (a + base - 1);
        // Both are below the base, which fits.
        Self(((a + c + base - 1) % base) as u32, ((b + d + shift) % base) as u32)
    }

    fn value(self) -> u32 {
        (self.1 << 16) | self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::bufread::ZlibDecoder;
    use std::io::Read;
    use std::sync::Arc;

    /// Empty, uniform and noisy bricks.
    fn bricks(count: u32) -> Vec<Entry> {
        let mut state = 9u32;
        let mut noise = move || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        };
        (0..count)
            .map(|n| match n % 3 {
                0 => (n, None),
                1 => (n, Some(Arc::new([n as u8; size_of::<Brick>()]))),
                _ => (n, Some(Arc::new(std::array::from_fn(|_| noise())))),
            })
            .collect()
    }

    fn unpacked(stream: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut decoder = ZlibDecoder::new(stream);
        // The decoder compares the sum at the end.
        decoder.read_to_end(&mut bytes).unwrap();
        assert!(decoder.into_inner().is_empty(), "nothing stands behind the stream");
        bytes
    }

    #[test]
    fn parts_are_one_stream_with_the_same_content() {
        for count in [1, 257, 700] {
            let bricks = bricks(count);
            let all: Vec<&Entry> = bricks.iter().collect();
            let plain = unpacked(&pack_one(Vec::new(), &all).unwrap());
            for threads in [1, 3] {
                let parts = pack_parts(b"before".to_vec(), &all, threads).unwrap();
                assert_eq!(&parts[..6], b"before");
                assert!(unpacked(&parts[6..]) == plain, "{count} bricks on {threads} threads");
            }
            assert!(unpacked(&pack(Vec::new(), &all).unwrap()) == plain);
        }
    }

    #[test]
    fn sums_are_adler_32_and_can_be_joined() {
        assert_eq!(Adler::of(b"Wikipedia").value(), 0x11E6_0398);
        let bytes: Vec<u8> = (0..100_000u32).map(|n| (n * 7 % 251) as u8 | 0x80).collect();
        for at in [0, 1, 5552, 70_000, bytes.len()] {
            let (head, tail) = bytes.split_at(at);
            let joined = Adler::of(head).followed_by(Adler::of(tail), tail.len());
            assert_eq!(joined.value(), Adler::of(&bytes).value(), "split at {at}");
        }
    }
}
