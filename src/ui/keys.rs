//! The keys as they are bound now: the table of [`super::shortcuts`] with what the user changed.
//!
//! The table in force is kept a thread: the window sets it from the settings at the start of a frame, and menus, hints,
//! palette, key sheet and the keyboard read it.

use super::shortcuts::{Action, BINDINGS, Binding};
use crate::workspace::Settings;
use egui::{Key, Modifiers};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

/// What the user changed, and the table that follows from it.
type InForce = (BTreeMap<String, String>, Rc<[Binding]>);

thread_local! {
    static TABLE: RefCell<InForce> = RefCell::new((BTreeMap::new(), BINDINGS.into()));
}

/// All bindings in force.
pub fn table() -> Rc<[Binding]> {
    TABLE.with_borrow(|(_, table)| Rc::clone(table))
}

/// Brings the table in line with the settings.
pub fn follow(settings: &Settings) {
    TABLE.with_borrow_mut(|(chosen, table)| {
        if *chosen != settings.keys {
            chosen.clone_from(&settings.keys);
            *table = BINDINGS
                .iter()
                .enumerate()
                .map(|(n, binding)| match settings.keys.get(&id(n)).map(|text| parse(text)) {
                    Some(Some((modifiers, key))) => Binding { modifiers, key: Some(key), ..*binding },
                    Some(None) => Binding { key: None, ..*binding },
                    None => *binding,
                })
                .collect();
        }
    });
}

/// What the settings call the `n`-th line of the table: it stays the same when lines are added around it.
pub fn id(n: usize) -> String {
    let b = &BINDINGS[n];
    let same = BINDINGS[..n].iter().filter(|o| o.group == b.group && o.text == b.text).count();
    if same == 0 { format!("{}: {}", b.group, b.text) } else { format!("{}: {} ({})", b.group, b.text, same + 1) }
}

/// The line that keys are bound to now, if any.
pub fn bound_to(modifiers: Modifiers, key: Key) -> Option<usize> {
    let text = Binding { modifiers, key: Some(key), ..BINDINGS[0] }.keys();
    table().iter().position(|b| b.key.is_some() && b.keys() == text)
}

/// The keys that a menu shows beside an action.
pub fn keys_of(action: Action) -> String {
    let bound = |b: &&Binding| b.action == action && b.key.is_some();
    table().iter().find(bound).map(Binding::keys).unwrap_or_default()
}

/// A hint with the keys of its action, as long as it has some: `Fit the slices (R)`.
pub fn with_keys(text: &str, action: Action) -> String {
    let keys = keys_of(action);
    if keys.is_empty() { text.to_owned() } else { format!("{text} ({keys})") }
}

/// The keys of two actions that belong together, such as less and more: `A and D`.
pub fn keys_of_both(first: Action, second: Action) -> String {
    let both = [first, second].map(keys_of);
    both.into_iter().filter(|keys| !keys.is_empty()).collect::<Vec<_>>().join(" and ")
}

/// Modifiers and key of a text such as `Ctrl+Shift+Z`; `None` for an empty one, and for what is no key.
pub fn parse(text: &str) -> Option<(Modifiers, Key)> {
    let mut modifiers = Modifiers::NONE;
    let mut rest = text;
    loop {
        if let Some(left) = rest.strip_prefix("Ctrl+") {
            (modifiers.command, rest) = (true, left);
        } else if let Some(left) = rest.strip_prefix("Alt+") {
            (modifiers.alt, rest) = (true, left);
        } else if let Some(left) = rest.strip_prefix("Shift+") {
            (modifiers.shift, rest) = (true, left);
        } else {
            return Key::from_name(rest).map(|key| (modifiers, key));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_key_reads_back_and_every_line_has_a_name_of_its_own() {
        let mut seen = HashSet::new();
        for (n, b) in BINDINGS.iter().enumerate() {
            assert!(seen.insert(id(n)), "{}", id(n));
            if let Some(key) = b.key {
                let (modifiers, found) = parse(&b.keys()).unwrap();
                assert_eq!((found, modifiers.command, modifiers.shift), (key, b.modifiers.command, b.modifiers.shift));
                assert_eq!(bound_to(b.modifiers, key), Some(n));
            }
        }
        assert_eq!((parse(""), parse("Ctrl+")), (None, None));
    }

    #[test]
    fn what_the_user_chose_is_in_force_everywhere() {
        let undo = BINDINGS.iter().position(|b| b.action == Action::Undo).unwrap();
        let brush = BINDINGS.iter().position(|b| b.keys() == "B").unwrap();
        let mut settings = Settings::default();
        settings.keys.insert(id(undo), "Alt+U".into());
        settings.keys.insert(id(brush), String::new());
        settings.keys.insert("Gone: in this version".into(), "Q".into());
        follow(&settings);
        assert_eq!((keys_of(Action::Undo), table()[brush].key), ("Alt+U".into(), None));
        assert_eq!(bound_to(Modifiers::ALT, Key::U), Some(undo));
        assert_eq!(bound_to(Modifiers::COMMAND, Key::Z), None);
        let brush = Action::Tool(crate::tools::ToolKind::Brush);
        assert_eq!(
            (with_keys("Back", Action::Undo), with_keys("Paint", brush)),
            ("Back (Alt+U)".into(), "Paint".into())
        );
        assert_eq!(keys_of_both(Action::Undo, Action::Redo), "Alt+U and Ctrl+Y");
        assert_eq!(keys_of_both(brush, Action::Redo), "Ctrl+Y");
        follow(&Settings::default());
        assert_eq!(keys_of(Action::Undo), "Ctrl+Z");
    }
}
