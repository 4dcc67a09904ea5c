//! Convolutions and their gradients on a device's matrix units (tensor cores), where it has them and proves them.
//!
//! `nn::device` tells once what the adapter has ([`offer`]). Operations ask [`chosen`] for each convolution and take the
//! 32-bit kernels where the answer is no: without units, in full precision, for small or narrow convolutions, and where
//! [`proof`] found that the units do not compute what the 32-bit kernels compute. The arithmetic and its error are told in
//! `nn::precision`.

mod conv;
mod halves;
mod proof;
mod unit;
mod weights;

pub use conv::convolve;
pub use halves::{Halves, picture};
pub use unit::Unit;
pub use weights::gradient;

use super::conv::Shape;
use super::hook::CubeTensor;
use crate::nn::precision::{may_be_mixed, small_ones_too};
use std::sync::{Mutex, OnceLock, PoisonError};

/// Multiplications of a convolution from which on the detour through 16-bit floats is worth it.
const WORTH: f64 = 2.5e8;
/// Channels from which on squares are not mostly zeros.
const NARROWEST: usize = 12;

/// The unit of the process's adapter.
static UNIT: OnceLock<Option<Unit>> = OnceLock::new();
/// Why the unit is not used, once it was tried: `None` where it is.
static TRIED: Mutex<Option<Option<String>>> = Mutex::new(None);

/// What the adapter has; the first word counts, for there is one adapter.
pub fn offer(unit: Option<Unit>) {
    let _ = UNIT.set(unit);
}

/// Whether the adapter has units.
pub fn offered() -> bool {
    matches!(UNIT.get(), Some(Some(_)))
}

/// Takes the units out of use; `reason` ends a sentence.
pub fn refuse(reason: String) {
    tracing::warn!("Convolutions run in 32-bit floats: the matrix units are not used because {reason}.");
    *TRIED.lock().unwrap_or_else(PoisonError::into_inner) = Some(Some(reason));
}

/// One line about the units: whether the device has them and whether they are used.
pub fn told() -> String {
    let Some(Some(unit)) = UNIT.get() else { return "no matrix units for 16-bit floats".into() };
    let size = format!("matrix units of {0} x {0} x {0} 16-bit floats", unit.side);
    match &*TRIED.lock().unwrap_or_else(PoisonError::into_inner) {
        None => format!("{size}, not tried yet"),
        Some(None) => format!("{size}, in use"),
        Some(Some(reason)) => format!("{size}, not used because {reason}"),
    }
}

/// The unit behind a forward pass that [`chosen`] gave to it.
///
/// # Panics
/// Where there is none.
pub fn unit() -> Unit {
    match UNIT.get() {
        Some(Some(unit)) => *unit,
        _ => unreachable!("a forward pass has used it"),
    }
}

/// What a convolution is asked for besides its output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    Output,
    /// What the backward pass needs is kept as [`Halves`], so the gradient of the weights must be served too.
    Gradients,
}

/// The unit, where it shall compute a convolution as [`convolve`] does, and the gradient of the weights of `seen`.
pub fn chosen(like: &CubeTensor, shape: &Shape, shuffle: usize, seen: &Shape, wanted: Wanted) -> Option<Unit> {
    let unit = (*UNIT.get()?)?;
    let columns = shape.out_channels * shuffle * shuffle;
    let products = [shape.batch, shape.out_size[0], shape.out_size[1], columns, shape.in_channels].map(|n| n as f64);
    let products = products.iter().product::<f64>() * (shape.kernel * shape.kernel) as f64;
    if !may_be_mixed() || shape.in_channels.min(columns) < NARROWEST || (products < WORTH && !small_ones_too()) {
        return None;
    }
    let fits = conv::fits(unit, shape, shuffle) && (wanted == Wanted::Output || weights::fits(unit, seen));
    (fits && proved(unit, like)).then_some(unit)
}

/// Whether the unit serves the gradient of an input, a convolution of its own.
pub fn turns(unit: Unit, shape: &Shape) -> bool {
    conv::fits(unit, shape, 1)
}

/// Tries the unit once for the process.
fn proved(unit: Unit, like: &CubeTensor) -> bool {
    let mut tried = TRIED.lock().unwrap_or_else(PoisonError::into_inner);
    let reason = tried.get_or_insert_with(|| {
        let reason = proof::fault(unit, like);
        match &reason {
            Some(reason) => {
                tracing::warn!("Convolutions run in 32-bit floats: the matrix units are not used because {reason}.")
            }
            None => tracing::info!("Convolutions run on matrix units, with 16-bit factors and 32-bit sums."),
        }
        reason
    });
    reason.is_none()
}
