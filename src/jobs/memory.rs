//! Memory that work has left behind, given back to the system.

use std::time::{Duration, Instant};

/// Work that took longer may have left much behind.
const LONG: Duration = Duration::from_secs(1);

/// To be held by long work: when it goes, what the work has freed is given back.
///
/// The C library's allocator keeps freed pieces of up to 32 MiB for the next who asks. Tensors are such pieces: a window in
/// which a network was trained would hold over a gigabyte for the rest of the day.
pub struct ReleaseMemory(Instant);

impl ReleaseMemory {
    /// At the beginning of the work.
    pub fn afterwards() -> Self {
        Self(Instant::now())
    }
}

impl Drop for ReleaseMemory {
    fn drop(&mut self) {
        if self.0.elapsed() > LONG {
            release();
        }
    }
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn release() {
    // SAFETY: it takes no pointer, and may be called by any thread at any time.
    unsafe { libc::malloc_trim(0) };
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
fn release() {}

#[cfg(all(test, target_os = "linux", target_env = "gnu"))]
mod tests {
    use super::*;
    use std::io::{Read, Seek, SeekFrom};

    /// How many of the pages at these addresses have memory (Linux, Documentation/admin-guide/mm/pagemap.rst: bit 63).
    fn present(pages: &[usize]) -> usize {
        let mut map = std::fs::File::open("/proc/self/pagemap").unwrap();
        let mut entry = [0; 8];
        let mut count = 0;
        for page in pages {
            map.seek(SeekFrom::Start(*page as u64 / 4096 * 8)).unwrap();
            map.read_exact(&mut entry).unwrap();
            count += usize::from(u64::from_le_bytes(entry) >> 63 == 1);
        }
        count
    }

    #[test]
    fn what_long_work_has_freed_has_no_memory_any_more() {
        // Small enough to come from the allocator's own pages, with pieces in between that stay.
        let mut pieces: Vec<Vec<u8>> = (0..512).map(|_| vec![1; 64 << 10]).collect();
        let stay: Vec<Vec<u8>> = (0..512).map(|_| vec![2; 64]).collect();
        let pages: Vec<usize> = pieces.iter().map(|p| p.as_ptr() as usize + 32768).collect();
        assert_eq!(present(&pages), 512);
        // One that stays at the end keeps the allocator from shrinking by itself.
        let last = pieces.pop();
        drop(pieces);
        let held = present(&pages);
        drop(ReleaseMemory(Instant::now() - LONG * 2));
        let left = present(&pages);
        assert!(held > 200 && left < held / 4, "{held} of 512 pages were held, {left} are");
        assert_eq!((stay[511][63], last.map(|l| l[0])), (2, Some(1)));
    }
}
