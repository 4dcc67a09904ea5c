//! Input in the order in which it was made, also where a frame takes long.
//!
//! egui hands a frame everything that came since the last one, and a frame answers keys before it draws panes and
//! dialogs. In a slow frame that would mix what the user did one after the other: a slice key and the stroke meant for
//! the next slice, a dialog's key and the name typed into it. [`Pacer::pace`] lets a frame have what belongs together
//! and keeps the rest for the next one. Called by the application before each frame.

use egui::{Event, Key, Modifiers, PointerButton};
use std::collections::VecDeque;

/// What came too early for the frame before.
#[derive(Debug, Default)]
pub struct Pacer {
    held: VecDeque<Event>,
    /// Frames in a row that got nothing because a field was not there yet.
    waited: usize,
}

/// Who has the keyboard in the coming frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keyboard {
    Actions,
    /// A text field.
    Writing,
    /// A field that was asked for and is drawn, and given the keyboard, in this frame.
    Coming,
}

/// A field that was asked for is there after one frame; input never waits longer than this.
const MOST_FRAMES: usize = 3;

/// What an event asks of the frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A key that is bound to an action; the same one again belongs to it.
    Key(Key, Modifiers),
    /// Keys of a text that is being written.
    Writing,
    /// Enter, Escape or Tab: what is written is done, or the focus moves.
    Done,
    Press(PointerButton),
    Release,
    Wheel,
    Move,
    ModifiersChanged,
}

impl Pacer {
    /// Whether something waits for the next frame.
    pub fn is_waiting(&self) -> bool {
        !self.held.is_empty()
    }

    /// Leaves in `events` what this frame is to answer, and says whether more waits.
    pub fn pace(&mut self, events: &mut Vec<Event>, keyboard: Keyboard) -> bool {
        self.held.extend(events.drain(..));
        self.waited = if keyboard == Keyboard::Coming { self.waited + 1 } else { 0 };
        if (1..=MOST_FRAMES).contains(&self.waited) {
            return !self.held.is_empty();
        }
        let writing = keyboard == Keyboard::Writing;
        let mut last = None;
        while let Some(event) = self.held.front() {
            if let Some(kind) = kind(event, writing) {
                if last.is_some_and(|last| !belongs(last, kind)) {
                    break;
                }
                // Moves and modifiers hide no key and no button that came before them.
                if last.is_none() || !matches!(kind, Kind::Move | Kind::ModifiersChanged) {
                    last = Some(kind);
                }
            }
            events.extend(self.held.pop_front());
        }
        !self.held.is_empty()
    }
}

fn kind(event: &Event, writing: bool) -> Option<Kind> {
    Some(match event {
        Event::Key { key: Key::Enter | Key::Escape | Key::Tab, pressed: true, .. } => Kind::Done,
        Event::Key { pressed: true, .. } if writing => Kind::Writing,
        Event::Key { key, pressed: true, modifiers, .. } => Kind::Key(*key, *modifiers),
        Event::Text(_) | Event::Paste(_) | Event::Copy | Event::Cut | Event::Ime(_) if writing => Kind::Writing,
        Event::PointerButton { pressed: true, button, .. } => Kind::Press(*button),
        Event::PointerButton { pressed: false, .. } => Kind::Release,
        Event::MouseWheel { .. } | Event::Zoom(_) => Kind::Wheel,
        Event::PointerMoved(_) => Kind::Move,
        Event::ModifiersChanged(_) => Kind::ModifiersChanged,
        _ => return None,
    })
}

/// Whether `next` may be answered in the frame that answers `last`.
fn belongs(last: Kind, next: Kind) -> bool {
    match (last, next) {
        (Kind::Move | Kind::ModifiersChanged, _) => true,
        // A field that lost what has the focus: what follows is for whatever has it then.
        (Kind::Done, next) => next == Kind::ModifiersChanged,
        (Kind::Writing, next) => matches!(next, Kind::Writing | Kind::Done | Kind::ModifiersChanged),
        (Kind::Key(..), next) => next == last || next == Kind::ModifiersChanged,
        (Kind::Press(_), next) => matches!(next, Kind::Move | Kind::Release | Kind::ModifiersChanged),
        (Kind::Release, next) => matches!(next, Kind::Move | Kind::Release),
        (Kind::Wheel, next) => matches!(next, Kind::Wheel),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use egui::pos2;

    fn key(key: Key) -> Event {
        Event::Key { key, physical_key: None, pressed: true, repeat: false, modifiers: Modifiers::NONE }
    }

    fn button(x: f32, pressed: bool) -> Event {
        let modifiers = Modifiers::NONE;
        Event::PointerButton { pos: pos2(x, 0.0), button: PointerButton::Primary, pressed, modifiers }
    }

    fn moved(x: f32) -> Event {
        Event::PointerMoved(pos2(x, 0.0))
    }

    /// The frames that events are answered in when all of them come at once.
    fn frames(events: Vec<Event>, keyboard: Keyboard) -> Vec<Vec<Event>> {
        let mut pacer = Pacer::default();
        let (mut waiting, mut frames) = (events, Vec::new());
        loop {
            let more = pacer.pace(&mut waiting, keyboard);
            frames.push(std::mem::take(&mut waiting));
            if !more {
                return frames;
            }
        }
    }

    #[test]
    fn a_stroke_is_painted_on_the_slice_that_the_key_before_it_chose() {
        let up = || key(Key::ArrowUp);
        let stroke = |x| vec![moved(x), button(x, true), moved(x + 5.0), button(x + 5.0, false)];
        let mut all = vec![key(Key::Home), up(), up(), up(), key(Key::B)];
        all.extend(stroke(1.0));
        all.push(up());
        all.extend(stroke(20.0));
        let got = frames(all.clone(), Keyboard::Actions);
        let expected =
            [vec![key(Key::Home)], vec![up(), up(), up()], vec![key(Key::B)], stroke(1.0), vec![up()], stroke(20.0)];
        assert_eq!(got, expected);
        assert_eq!(got.concat(), all, "nothing is lost, and nothing changes places");
    }

    #[test]
    fn two_clicks_are_two_frames_and_a_drag_is_one() {
        let drag = vec![button(0.0, true), moved(1.0), moved(2.0), button(2.0, false), moved(3.0)];
        assert_eq!(frames(drag.clone(), Keyboard::Actions), std::slice::from_ref(&drag));
        let both = [drag.clone(), drag.clone()].concat();
        assert_eq!(frames(both, Keyboard::Actions).len(), 2);
    }

    #[test]
    fn text_stays_together_and_what_follows_its_end_waits() {
        let text = |s: &str| Event::Text(s.into());
        let all = vec![key(Key::A), text("a"), key(Key::B), text("b"), key(Key::Enter), key(Key::K)];
        assert_eq!(
            frames(all, Keyboard::Writing),
            [vec![key(Key::A), text("a"), key(Key::B), text("b"), key(Key::Enter)], vec![key(Key::K)],]
        );
    }

    #[test]
    fn what_waited_comes_before_what_is_new() {
        let mut pacer = Pacer::default();
        let mut events = vec![key(Key::A), key(Key::B)];
        assert!(pacer.pace(&mut events, Keyboard::Actions));
        let mut events = vec![key(Key::C)];
        assert!(pacer.pace(&mut events, Keyboard::Actions));
        assert_eq!(events, [key(Key::B)]);
        let mut events = Vec::new();
        assert!(!pacer.pace(&mut events, Keyboard::Actions));
        assert_eq!(events, [key(Key::C)]);
    }
    #[test]
    fn what_is_typed_before_a_field_is_drawn_waits_for_it_but_not_for_ever() {
        let mut pacer = Pacer::default();
        let mut events = vec![key(Key::A)];
        for _ in 0..MOST_FRAMES {
            assert!(pacer.pace(&mut events, Keyboard::Coming));
            assert_eq!(events, []);
        }
        assert!(!pacer.pace(&mut events, Keyboard::Coming));
        assert_eq!(events, [key(Key::A)]);
        let mut events = vec![key(Key::A), Event::Text("a".into())];
        assert!(!pacer.pace(&mut events, Keyboard::Actions));
        let mut events = vec![key(Key::B), Event::Text("b".into())];
        assert!(pacer.pace(&mut events, Keyboard::Coming));
        assert!(!pacer.pace(&mut events, Keyboard::Writing));
        assert_eq!(events, [key(Key::B), Event::Text("b".into())]);
    }
}
