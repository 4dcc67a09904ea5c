//! Panics that are caught and told as errors, and a hook that keeps the terminal free of exactly those.

use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};

/// Panics that [`catch_panic`] turned into errors so far.
static CAUGHT: AtomicU64 = AtomicU64::new(0);

thread_local! {
    /// How many [`catch_panic`] calls the thread is inside of.
    static DEPTH: Cell<usize> = const { Cell::new(0) };
}

/// Runs `work`; a panic inside comes back as its text.
///
/// # Errors
/// The panic's own message.
pub fn catch_panic<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    DEPTH.set(DEPTH.get() + 1);
    let result = catch_unwind(AssertUnwindSafe(work));
    DEPTH.set(DEPTH.get() - 1);
    result.map_err(|panic| {
        CAUGHT.fetch_add(1, Ordering::Relaxed);
        panic_text(panic.as_ref())
    })
}

/// How many panics became errors since the program started: each is a defect, of ours or of a library.
pub fn caught_panics() -> u64 {
    CAUGHT.load(Ordering::Relaxed)
}

/// Makes panics inside [`catch_panic`] go to the log instead of the terminal: whoever catches them tells the user. All
/// others speak as before. To be called once, at the start of the program.
pub fn quiet_caught_panics() {
    let speak = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if DEPTH.get() > 0 {
            let place = info.location().map(ToString::to_string).unwrap_or_default();
            tracing::info!(place, "caught a panic: {}", panic_text(info.payload()));
        } else {
            speak(info);
        }
    }));
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    panic
        .downcast_ref::<&str>()
        .map(|s| (*s).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "unknown panic".into())
}
