//! Undo and redo of named steps, bounded by the bytes they hold.

use std::collections::VecDeque;
use std::sync::Arc;

/// What the history needs to know of a step.
pub trait HistoryEntry {
    /// What was done, as the menu says it ("Paint liver").
    fn name(&self) -> &str;
    /// Bytes that keeping the step holds.
    fn bytes(&self) -> usize;
}

impl<T: HistoryEntry> HistoryEntry for Arc<T> {
    fn name(&self) -> &str {
        T::name(self)
    }

    fn bytes(&self) -> usize {
        T::bytes(self)
    }
}

#[derive(Debug)]
struct Held<T> {
    entry: T,
    /// As counted when the step was added, so that the sum stays right whatever is shared later.
    bytes: usize,
}

/// Steps done and undone, oldest first. It changes no document: whoever undoes takes back the step handed out.
#[derive(Debug)]
pub struct History<T> {
    steps: VecDeque<Held<T>>,
    /// Number of steps that are done; those after it are undone.
    position: usize,
    bytes: usize,
    limit: usize,
}

impl<T: HistoryEntry> History<T> {
    /// An empty history that holds at most `limit` bytes, but always the newest step, however large.
    pub fn new(limit: usize) -> Self {
        Self { steps: VecDeque::new(), position: 0, bytes: 0, limit }
    }

    /// Adds a step that has just been done. Undone steps are forgotten, and the oldest while there are too many bytes.
    pub fn push(&mut self, entry: T) {
        while self.steps.len() > self.position {
            if let Some(undone) = self.steps.pop_back() {
                self.bytes -= undone.bytes;
            }
        }
        let bytes = entry.bytes();
        self.steps.push_back(Held { entry, bytes });
        self.bytes += bytes;
        while self.bytes > self.limit && self.steps.len() > 1 {
            if let Some(oldest) = self.steps.pop_front() {
                self.bytes -= oldest.bytes;
            }
        }
        self.position = self.steps.len();
    }

    /// Forgets the oldest step, unless it is the only one; whether it did. An undone step is not forgotten.
    pub fn forget_oldest(&mut self) -> bool {
        if self.steps.len() < 2 || self.position == 0 {
            return false;
        }
        if let Some(oldest) = self.steps.pop_front() {
            self.bytes -= oldest.bytes;
            self.position -= 1;
        }
        true
    }

    /// Steps back and hands out the step to take back.
    pub fn undo(&mut self) -> Option<&T> {
        let position = self.position.checked_sub(1)?;
        self.position = position;
        self.steps.get(position).map(|s| &s.entry)
    }

    /// Steps forward and hands out the step to do again.
    pub fn redo(&mut self) -> Option<&T> {
        let step = self.steps.get(self.position)?;
        self.position += 1;
        Some(&step.entry)
    }

    /// Name of the step that undo would take back.
    pub fn undo_name(&self) -> Option<&str> {
        self.position.checked_sub(1).and_then(|p| self.steps.get(p)).map(|s| s.entry.name())
    }

    /// Name of the step that redo would do again.
    pub fn redo_name(&self) -> Option<&str> {
        self.steps.get(self.position).map(|s| s.entry.name())
    }

    /// Names of all steps, oldest first; the first [`Self::position`] of them are done, the others undone.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.steps.iter().map(|s| s.entry.name())
    }

    /// All steps, in the order of [`Self::names`].
    pub fn entries(&self) -> impl Iterator<Item = &T> {
        self.steps.iter().map(|s| &s.entry)
    }

    /// As [`Self::entries`]; the bytes of a step are not counted again.
    pub fn entries_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.steps.iter_mut().map(|s| &mut s.entry)
    }

    /// Number of steps that are done, out of [`Self::names`].
    pub fn position(&self) -> usize {
        self.position
    }

    /// Bytes held.
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq)]
    struct Step(&'static str, usize);

    impl HistoryEntry for Step {
        fn name(&self) -> &str {
            self.0
        }
        fn bytes(&self) -> usize {
            self.1
        }
    }

    #[test]
    fn steps_back_and_forward_by_name() {
        let mut h = History::new(100);
        assert!(h.undo().is_none() && h.redo().is_none() && h.undo_name().is_none());
        h.push(Step("a", 10));
        h.push(Step("b", 10));
        assert_eq!((h.undo_name(), h.redo_name()), (Some("b"), None));
        assert_eq!(h.undo(), Some(&Step("b", 10)));
        assert_eq!((h.undo_name(), h.redo_name(), h.position()), (Some("a"), Some("b"), 1));
        assert_eq!(h.redo(), Some(&Step("b", 10)));
        h.undo();
        h.push(Step("c", 5));
        assert_eq!(h.names().collect::<Vec<_>>(), ["a", "c"]);
        assert_eq!((h.bytes(), h.redo_name()), (15, None));
    }

    #[test]
    fn the_oldest_goes_first_and_the_newest_never() {
        let mut h = History::new(100);
        for name in ["a", "b", "c"] {
            h.push(Step(name, 40));
        }
        assert_eq!((h.names().collect::<Vec<_>>(), h.bytes()), (vec!["b", "c"], 80));
        h.push(Step("huge", 500));
        assert_eq!((h.names().collect::<Vec<_>>(), h.bytes()), (vec!["huge"], 500));
        assert!(!h.forget_oldest(), "the only one stays");
        assert_eq!(h.undo().map(|s| s.0), Some("huge"));
        h.push(Step("d", 1));
        assert_eq!(h.bytes(), 1);
        h.push(Step("e", 2));
        h.push(Step("f", 3));
        h.undo();
        assert!(h.forget_oldest() && h.forget_oldest() && !h.forget_oldest());
        assert_eq!((h.names().collect::<Vec<_>>(), h.position(), h.bytes()), (vec!["f"], 0, 3));
    }
}
