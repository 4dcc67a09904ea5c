//! With how many digits convolutions multiply on a graphics device, and whether its matrix units may be used for it.
//!
//! `Mixed` is what PyTorch does on such a device: factors with the ten bits of a 16-bit float (as TF32 has), sums in 32-bit
//! floats. Our kernels round to 16-bit floats after each tensor was multiplied by a power of two that brings its largest
//! value to 2^14 or more, so that what is above 2^-28 of the largest keeps all ten bits, what is smaller keeps an absolute
//! error of 2^-40 of the largest, and nothing overflows. A product is then wrong by 2^-10 of itself at most (2^-9 where a
//! device cuts off instead of rounding), and a convolution by that share of the sum of its products' absolute values.
//! Everything else (normalisation, losses, optimizers, weights, small convolutions) stays in 32-bit floats.

use serde::{Deserialize, Serialize};
use std::cell::Cell;
use std::str::FromStr;
use std::sync::OnceLock;

/// The precision of convolutions on a graphics device; the CPU always computes in full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Precision {
    /// Products of 32-bit floats.
    Full,
    /// Products of 16-bit floats and sums of 32-bit ones, where the device has matrix units for them.
    #[default]
    Mixed,
}

impl FromStr for Precision {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "full" => Ok(Self::Full),
            "mixed" => Ok(Self::Mixed),
            other => Err(format!("{other} is no precision: choose full or mixed")),
        }
    }
}

impl std::fmt::Display for Precision {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Full => "full",
            Self::Mixed => "mixed",
        })
    }
}

thread_local! {
    static HERE: Cell<Precision> = const { Cell::new(Precision::Mixed) };
    static EVERYWHERE: Cell<bool> = const { Cell::new(false) };
}

/// Puts a value back when it goes.
struct Back<T: Copy + 'static>(&'static std::thread::LocalKey<Cell<T>>, T);

impl<T: Copy + 'static> Drop for Back<T> {
    fn drop(&mut self) {
        self.0.set(self.1);
    }
}

/// Runs `work` with this precision; what it computes on other threads has theirs.
pub fn with_precision<T>(precision: Precision, work: impl FnOnce() -> T) -> T {
    let _back = Back(&HERE, HERE.replace(precision));
    work()
}

/// Whether convolutions of this thread may be computed with fewer digits. `MASKWRIGHT_PRECISION=full` in the environment
/// forbids it for the whole process.
pub(super) fn may_be_mixed() -> bool {
    static FULL: OnceLock<bool> = OnceLock::new();
    let full =
        *FULL.get_or_init(|| std::env::var("MASKWRIGHT_PRECISION").is_ok_and(|v| v.eq_ignore_ascii_case("full")));
    HERE.get() == Precision::Mixed && !full
}

/// Runs `work` with matrix units for small convolutions too, which are not worth it: for tests and for the trial.
pub(super) fn also_for_small<T>(work: impl FnOnce() -> T) -> T {
    let _back = Back(&EVERYWHERE, EVERYWHERE.replace(true));
    with_precision(Precision::Mixed, work)
}

/// Whether [`also_for_small`] runs on this thread.
pub(super) fn small_ones_too() -> bool {
    EVERYWHERE.get()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_precision_holds_for_its_work_alone_even_when_that_panics() {
        assert!(may_be_mixed() && !small_ones_too());
        with_precision(Precision::Full, || {
            assert!(!may_be_mixed());
            also_for_small(|| assert!(may_be_mixed() && small_ones_too()));
            assert!(!may_be_mixed() && !small_ones_too());
        });
        let broken = std::panic::catch_unwind(|| with_precision(Precision::Full, || panic!("lost")));
        assert!(broken.is_err() && may_be_mixed());
    }

    #[test]
    fn precisions_read_back_as_they_are_written() {
        for precision in [Precision::Full, Precision::Mixed] {
            assert_eq!(precision.to_string().parse(), Ok(precision));
        }
        assert!("half".parse::<Precision>().unwrap_err().contains("full or mixed"));
    }
}
