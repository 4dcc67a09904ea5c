//! Labels that are on the screen before the host has them: which slice may be shown so, and what is shown so now.
//!
//! Where the network computes on the device that draws, its labels for the slice on the screen go from its answer's memory
//! into the overlay by a pass there, which the window makes ([`Screen`]). The mask gets them from the host as ever. So that
//! nothing is shown that the mask does not get, whoever owns the masks says which slice is free ([`EarlyLabels::allow`]),
//! and takes back what came to nothing ([`EarlyLabels::withdraw`]). Both wait for a pass that is being submitted.

use super::served::Served;
use crate::core::{Geometry, LayerId};
use crate::nn::{DeviceError, ModelSpec, RoomBuffer, Segmenter, Turn, catch};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The most channels whose numbers are labels.
const MOST_CHANNELS: usize = 256;

/// An axial slice of a case's layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sight {
    pub case: u64,
    pub layer: LayerId,
    pub slice: usize,
}

/// Labels of a version that are shown and not yet in the mask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShownEarly {
    pub at: Sight,
    pub version: usize,
}

/// What draws masks, on the device that computes.
pub trait Screen: Send + Sync {
    /// Makes ready for the answer of a network that has the pixels of the slice. `None` where it cannot be shown.
    fn sketch(&self, at: Sight, grid: &Geometry, network: &ModelSpec) -> Option<Box<dyn Sketch>>;

    /// Draws the slice as the mask has it.
    fn restore(&self, at: Sight);
}

/// A slice between the network and the screen. Used on the thread of the device.
pub trait Sketch: Send {
    /// Makes the network's input from the image on the device; `false` where it has to come from the host.
    fn fill(&self, input: &RoomBuffer) -> bool;

    /// Draws the labels of the network's answer; `false` where nothing was done.
    fn show(&self, answer: &RoomBuffer) -> bool;
}

/// Shared by the owner of the masks and the runner. The default shows nothing early.
#[derive(Clone, Default)]
pub struct EarlyLabels(Arc<Desk>);

#[derive(Default)]
struct Desk {
    screen: Option<Arc<dyn Screen>>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    allowed: Option<Sight>,
    shown: Vec<ShownEarly>,
}

impl EarlyLabels {
    /// On a screen, as far as it is allowed.
    pub fn on(screen: Arc<dyn Screen>) -> Self {
        Self(Arc::new(Desk { screen: Some(screen), state: Mutex::default() }))
    }

    /// Whether there is a screen.
    pub fn has_screen(&self) -> bool {
        self.0.screen.is_some()
    }

    /// From now on this slice alone may be shown early; `None` for none.
    pub fn allow(&self, at: Option<Sight>) {
        self.state().allowed = at;
    }

    /// The slice that may be shown early.
    pub fn allowed(&self) -> Option<Sight> {
        self.state().allowed
    }

    /// Lets `pass` show labels where they are allowed; whether it did.
    pub fn show(&self, what: ShownEarly, pass: impl FnOnce() -> bool) -> bool {
        let mut state = self.state();
        if state.allowed != Some(what.at) {
            return false;
        }
        // Noted first: should the pass fail in the middle, the slice is drawn again all the same.
        state.shown.retain(|s| s.at != what.at);
        state.shown.push(what);
        let done = pass();
        if !done {
            state.shown.retain(|s| *s != what);
        }
        done
    }

    /// What is shown and not yet in a mask.
    pub fn shown(&self) -> Vec<ShownEarly> {
        self.state().shown.clone()
    }

    /// Forgets what is shown of a slice, and says what it was: its labels are with the host.
    pub fn take(&self, case: u64, slice: usize) -> Option<ShownEarly> {
        let mut state = self.state();
        let at = state.shown.iter().position(|s| (s.at.case, s.at.slice) == (case, slice))?;
        Some(state.shown.remove(at))
    }

    /// Draws a slice as the mask has it.
    pub fn withdraw(&self, what: &ShownEarly) {
        let mut state = self.state();
        state.shown.retain(|s| s != what);
        if let Some(screen) = &self.0.screen {
            screen.restore(what.at);
        }
    }

    /// Shows nothing any more, and takes back all that is shown.
    pub fn end(&self) {
        self.allow(None);
        self.shown().iter().for_each(|shown| self.withdraw(shown));
    }

    /// For a network that is about to look at a slice; `None` where its labels go by the host.
    ///
    /// Labels are the same both ways where the answer has the pixels of the slice and is the network's plain one.
    pub(super) fn of_slice(
        &self,
        case: u64,
        slice: usize,
        version: usize,
        served: &Served,
        network: &ModelSpec,
        turn: &Turn,
    ) -> Option<Early> {
        let screen = self.0.screen.as_ref()?;
        let at = self.allowed().filter(|at| (at.case, at.slice) == (case, slice))?;
        let same = served.size == [network.preprocessing.size; 2] && network.network.out_channels <= MOST_CHANNELS;
        if !same || !network.inference.is_plain() {
            return None;
        }
        let sketch =
            catch("showing a prediction", || screen.sketch(at, served.volume.geometry(), network)).ok().flatten()?;
        Some(Early { labels: self.clone(), what: ShownEarly { at, version }, sketch, turn: turn.clone() })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A look at a slice whose labels may be shown early.
pub(super) struct Early {
    labels: EarlyLabels,
    what: ShownEarly,
    sketch: Box<dyn Sketch>,
    turn: Turn,
}

impl Early {
    /// As [`Segmenter::network_probabilities`] of one slice; its labels are shown before they are read.
    pub fn look(&self, segmenter: &Segmenter, hu: &[i16]) -> Result<Vec<f32>, DeviceError> {
        segmenter.look_in_place(
            hu,
            |input| self.sketch.fill(input),
            |answer| {
                self.labels.show(self.what, || self.sketch.show(answer));
                // A device may fail between showing and reading.
                self.turn.check()
            },
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Notes what is drawn as the mask has it.
    #[derive(Default)]
    struct Notes(Mutex<Vec<usize>>);

    impl Screen for Notes {
        fn sketch(&self, _: Sight, _: &Geometry, _: &ModelSpec) -> Option<Box<dyn Sketch>> {
            None
        }

        fn restore(&self, at: Sight) {
            self.0.lock().unwrap().push(at.slice);
        }
    }

    fn shown(slice: usize, version: usize) -> ShownEarly {
        ShownEarly { at: Sight { case: 1, layer: LayerId(2), slice }, version }
    }

    #[test]
    fn nothing_is_shown_unless_it_is_allowed_and_what_is_shown_can_be_taken_back() {
        let notes = Arc::new(Notes::default());
        let labels = EarlyLabels::on(notes.clone());
        assert!(!labels.show(shown(4, 0), || panic!("nobody allowed it")));
        labels.allow(Some(shown(4, 0).at));
        assert!(!labels.show(shown(5, 0), || panic!("another slice")));
        assert!(!labels.show(shown(4, 0), || false));
        assert!(labels.shown().is_empty(), "nothing was done");
        assert!(labels.show(shown(4, 0), || true));
        assert!(labels.show(shown(4, 1), || true));
        assert_eq!(labels.shown(), [shown(4, 1)], "the newer one in its place");
        assert_eq!((labels.take(1, 5), labels.take(2, 4)), (None, None));
        assert_eq!(labels.take(1, 4), Some(shown(4, 1)));
        assert!(labels.take(1, 4).is_none() && notes.0.lock().unwrap().is_empty());
        // A pass that fails in the middle leaves nobody knows what.
        let failed = catch("showing", || labels.show(shown(4, 2), || panic!("lost")));
        assert!(failed.is_err());
        assert_eq!(labels.shown(), [shown(4, 2)]);
        labels.end();
        assert_eq!(*notes.0.lock().unwrap(), [4]);
        assert!(labels.shown().is_empty() && labels.allowed().is_none());
        assert!(!EarlyLabels::default().has_screen());
    }
}
