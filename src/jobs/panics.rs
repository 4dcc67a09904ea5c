//! Panics that are caught and told as errors, and a hook that keeps the terminal free of exactly those.

use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};

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
    result.map_err(|panic| panic_text(panic.as_ref()))
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
