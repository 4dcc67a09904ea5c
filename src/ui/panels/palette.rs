//! Command palette: every bound action, found by typing a part of its name.

use crate::ui::keys;
use crate::ui::shortcuts::{Action, Binding};
use egui::{Align2, Button, Context, Key, ScrollArea, TextEdit, Vec2, Window};

/// What is typed and which line is chosen.
#[derive(Default)]
pub struct Palette {
    open: bool,
    query: String,
    chosen: usize,
    /// Drawn at least once, so that its field has the keyboard.
    drawn: bool,
}

impl Palette {
    /// Opens it empty.
    pub fn open(&mut self) {
        *self = Self { open: true, ..Self::default() };
    }

    /// Whether it is open.
    pub fn is_open(&self) -> bool {
        self.open
    }

    /// Whether it was asked for and not drawn yet.
    pub fn is_wanted(&self) -> bool {
        self.open && !self.drawn
    }

    /// Draws it; gives back the action that was chosen.
    pub fn show(&mut self, ctx: &Context) -> Option<Action> {
        if !self.open {
            return None;
        }
        if ctx.input_mut(|i| i.consume_key(egui::Modifiers::NONE, Key::Escape)) {
            self.open = false;
            return None;
        }
        let down = ctx.input_mut(|i| i.consume_key(egui::Modifiers::NONE, Key::ArrowDown));
        let up = ctx.input_mut(|i| i.consume_key(egui::Modifiers::NONE, Key::ArrowUp));
        let enter = ctx.input(|i| i.key_pressed(Key::Enter));
        let hits = matches(&self.query);
        if down {
            self.chosen += 1;
        }
        if up {
            self.chosen = self.chosen.saturating_sub(1);
        }
        self.chosen = self.chosen.min(hits.len().saturating_sub(1));
        let mut picked = enter.then(|| hits.get(self.chosen).map(|b| b.action)).flatten();
        let mut open = true;
        let room = ctx.content_rect().height();
        let (top, height) = ((0.1 * room).min(90.0), (room - 150.0).clamp(60.0, 320.0));
        Window::new("Command palette")
            .open(&mut open)
            .anchor(Align2::CENTER_TOP, [0.0, top])
            .collapsible(false)
            .resizable(false)
            .show(ctx, |ui| {
                ui.set_width(420.0);
                let field =
                    TextEdit::singleline(&mut self.query).hint_text("Type a command").desired_width(f32::INFINITY);
                let field = ui.add(field).accessible_name("Command");
                field.request_focus();
                self.drawn = true;
                if field.changed() {
                    self.chosen = 0;
                }
                ScrollArea::vertical().max_height(height).show(ui, |ui| {
                    for (n, b) in hits.iter().enumerate() {
                        let line = Button::selectable(n == self.chosen, format!("{}: {}", b.group, b.text))
                            .shortcut_text(b.keys().as_str())
                            .min_size(Vec2::new(ui.available_width(), 0.0));
                        let line = ui.add(line);
                        if n == self.chosen && (up || down) {
                            line.scroll_to_me(None);
                        }
                        if line.clicked() {
                            picked = Some(b.action);
                        }
                    }
                    if hits.is_empty() {
                        ui.weak("No command of that name.");
                    }
                });
            });
        self.open = open && picked.is_none() && !enter;
        picked
    }
}

/// Bindings whose group and text hold every typed word; one line per action.
fn matches(query: &str) -> Vec<Binding> {
    let words: Vec<String> = query.split_whitespace().map(str::to_lowercase).collect();
    let mut hits: Vec<Binding> = Vec::new();
    for b in keys::table().iter().filter(|b| !matches!(b.action, Action::Digit(_) | Action::Palette)) {
        let text = format!("{} {}", b.group, b.text).to_lowercase();
        if words.iter().all(|w| text.contains(w)) && !hits.iter().any(|h| h.action == b.action) {
            hits.push(*b);
        }
    }
    hits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_in_any_order_find_an_action_once() {
        let hits = matches("lung preset");
        assert_eq!(hits.iter().map(|b| b.action).collect::<Vec<_>>(), [Action::Preset(2)]);
        assert_eq!(matches("redo").len(), 1);
        assert!(matches("zzz").is_empty());
    }
}
