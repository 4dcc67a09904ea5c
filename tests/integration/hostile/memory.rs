//! An allocator that counts, for this test binary: how much memory a piece of work held at once.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicBool, AtomicIsize, Ordering};

/// The system's allocator, counted once [`count`] was called; until then it costs one look at a flag.
pub struct Counting;

static COUNTING: AtomicBool = AtomicBool::new(false);
static HELD: AtomicIsize = AtomicIsize::new(0);
static PEAK: AtomicIsize = AtomicIsize::new(0);

fn change(by: isize) {
    if COUNTING.load(Ordering::Relaxed) {
        let held = HELD.fetch_add(by, Ordering::Relaxed) + by;
        if held > PEAK.load(Ordering::Relaxed) {
            PEAK.fetch_max(held, Ordering::Relaxed);
        }
    }
}

// SAFETY: every call is handed on to the system's allocator as it came; the counters change nothing about it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        change(layout.size() as isize);
        // SAFETY: the caller's promises about `layout` are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        change(layout.size() as isize);
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        change(size as isize - layout.size() as isize);
        // SAFETY: the caller's promises about all three are passed on.
        unsafe { System.realloc(pointer, layout, size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        change(-(layout.size() as isize));
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }
}

/// Counts from now on, in all threads.
pub fn count() {
    COUNTING.store(true, Ordering::Relaxed);
}

/// The result of `work`, and the most bytes that were held at once beyond what was held before it. Other threads count
/// too: only a process that runs nothing else gives figures that mean something.
pub fn peak_of<T>(work: impl FnOnce() -> T) -> (T, usize) {
    let before = HELD.load(Ordering::Relaxed);
    PEAK.store(before, Ordering::Relaxed);
    let result = work();
    (result, (PEAK.load(Ordering::Relaxed) - before).max(0) as usize)
}

#[test]
fn what_is_held_is_counted() {
    super::alone::alone("hostile::memory::what_is_held_is_counted", || {
        let (kept, peak) = peak_of(|| {
            drop(vec![1u8; 30 << 20]);
            vec![1u8; 10 << 20]
        });
        assert!((30 << 20..31 << 20).contains(&peak), "{peak}");
        let ((), peak) = peak_of(|| drop(vec![1u8; 5 << 20]));
        assert!((5 << 20..6 << 20).contains(&peak), "{peak} {}", kept.len());
    });
}
