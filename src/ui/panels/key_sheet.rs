//! The key sheet: made from the table that binds the keys, so it cannot be wrong. A click on keys changes them.

use crate::ui::keys;
use crate::ui::shortcuts::{BINDINGS, Binding, POINTER_HABITS};
use crate::workspace::{Command, KeyCommand};
use egui::{Align2, Context, Event, Grid, Key, RichText, ScrollArea, Ui, Window};

/// Width of a window in points below which the keys stand in one column.
const NARROW: f32 = 860.0;
/// Width in points of the keys, for the longest of them: what they do stands in one line from group to group.
const KEYS_WIDTH: f32 = 112.0;

/// Whether the sheet is open, and which keys wait for new ones.
#[derive(Default)]
pub struct KeySheet {
    pub open: bool,
    /// Line of the table whose keys are being pressed.
    waiting: Option<usize>,
    /// What the last change did.
    told: String,
}

impl KeySheet {
    /// Whether the keyboard belongs to the sheet in this frame.
    pub fn is_listening(&self) -> bool {
        self.open && self.waiting.is_some()
    }

    /// Escape closes the sheet, unless keys are being changed.
    pub fn close_on_escape(&mut self, ctx: &Context) {
        let escape = || ctx.input_mut(|i| i.consume_key(egui::Modifiers::NONE, Key::Escape));
        if self.open && self.waiting.is_none() && escape() {
            *self = Self::default();
        }
    }

    /// Draws the sheet while it is open.
    pub fn show(&mut self, ctx: &Context, out: &mut Vec<Command>) {
        self.listen(ctx, out);
        let mut open = self.open;
        let room = ctx.content_rect().size();
        let height = (room.y - 180.0).max(60.0);
        Window::new("Keys and pointer")
            .open(&mut open)
            .anchor(Align2::CENTER_CENTER, [0.0, 0.0])
            .collapsible(false)
            .resizable(false)
            .default_size([760.0_f32.min(room.x), height])
            .show(ctx, |ui| self.content(ui, height, room.x < NARROW, out));
        self.open = open;
        if !open {
            *self = Self::default();
        }
    }

    fn content(&mut self, ui: &mut Ui, height: f32, narrow: bool, out: &mut Vec<Command>) {
        let hint = match self.waiting {
            Some(n) => {
                format!(
                    "Press keys for \"{}\". Escape keeps the old ones, Backspace leaves it without.",
                    BINDINGS[n].text
                )
            }
            None if self.told.is_empty() => "Click keys to change them.".to_owned(),
            None => self.told.clone(),
        };
        let reset = if narrow {
            ui.label(hint);
            ui.button("Reset all keys")
        } else {
            let head = ui.horizontal(|ui| {
                ui.label(hint);
                let right = egui::Layout::right_to_left(egui::Align::Center);
                ui.with_layout(right, |ui| ui.button("Reset all keys")).inner
            });
            head.inner
        };
        if reset.clicked() {
            out.push(KeyCommand::Reset.into());
            self.told = "All keys are the defaults again.".into();
            self.waiting = None;
        }
        ui.separator();
        let area = if narrow { ScrollArea::both() } else { ScrollArea::vertical() };
        area.min_scrolled_height(height).max_height(height).show(ui, |ui| {
            ui.columns(if narrow { 1 } else { 2 }, |columns| self.table(columns));
        });
    }

    /// All groups, spread over one or two columns.
    fn table(&mut self, columns: &mut [Ui]) {
        let table = keys::table();
        let mut groups: Vec<&str> = Vec::new();
        for binding in table.iter() {
            if !groups.contains(&binding.group) {
                groups.push(binding.group);
            }
        }
        let lines = |g: &str| 2 + table.iter().filter(|b| b.group == g).count();
        let all: usize = groups.iter().copied().map(&lines).sum::<usize>() + POINTER_HABITS.len() + 2;
        let mut used = POINTER_HABITS.len() + 2;
        let last = columns.len() - 1;
        for &group in &groups {
            let left = used < all.div_ceil(2);
            used += lines(group);
            let ui = &mut columns[if left { 0 } else { last }];
            ui.add_space(4.0);
            ui.label(RichText::new(group).strong());
            let grid = Grid::new(("keys", group)).num_columns(2).spacing([14.0, 3.0]);
            grid.min_col_width(KEYS_WIDTH).show(ui, |ui| {
                for (n, b) in table.iter().enumerate().filter(|(_, b)| b.group == group) {
                    self.line(ui, n, b);
                }
            });
        }
        let ui = &mut columns[0];
        ui.add_space(4.0);
        ui.label(RichText::new("Pointer").strong());
        Grid::new("pointer habits").num_columns(2).spacing([14.0, 3.0]).show(ui, |ui| {
            for (what, does) in POINTER_HABITS {
                ui.monospace(*what);
                ui.label(*does);
                ui.end_row();
            }
        });
    }

    fn line(&mut self, ui: &mut Ui, n: usize, binding: &Binding) {
        let text = if self.waiting == Some(n) { "…".to_owned() } else { binding.keys() };
        let shown = RichText::new(if text.is_empty() { "none" } else { &text }).monospace();
        let button = ui.selectable_label(self.waiting == Some(n), shown).on_hover_text("Click to change");
        button.widget_info(|| {
            egui::WidgetInfo::labeled(egui::Role::Button, true, format!("Keys of {}: {text}", keys::id(n)))
        });
        if button.clicked() {
            self.waiting = Some(n);
        }
        ui.label(binding.text);
        ui.end_row();
    }

    /// Takes the next key for the line that waits.
    fn listen(&mut self, ctx: &Context, out: &mut Vec<Command>) {
        let Some(n) = self.waiting.filter(|_| self.open) else { return };
        let pressed = ctx.input_mut(|input| {
            let found = input.events.iter().find_map(|event| match event {
                Event::Key { key, modifiers, pressed: true, .. } => Some((*modifiers, *key)),
                _ => None,
            });
            if found.is_some() {
                input.events.retain(|e| !matches!(e, Event::Key { .. } | Event::Text(_)));
            }
            found
        });
        let Some((modifiers, key)) = pressed else { return };
        self.waiting = None;
        let none = !(modifiers.command || modifiers.ctrl || modifiers.alt || modifiers.shift);
        let mut bind = |n: usize, keys: String| out.push(KeyCommand::Bind { line: keys::id(n), keys }.into());
        if none && key == Key::Escape {
            return;
        }
        if none && key == Key::Backspace {
            bind(n, String::new());
            self.told = format!("\"{}\" has no keys now.", BINDINGS[n].text);
            return;
        }
        let text = Binding { modifiers, key: Some(key), ..BINDINGS[n] }.keys();
        self.told = format!("{text} does \"{}\" now.", BINDINGS[n].text);
        if let Some(other) = keys::bound_to(modifiers, key).filter(|o| *o != n) {
            bind(other, String::new());
            self.told = format!("{text} does \"{}\" now and no longer \"{}\".", BINDINGS[n].text, BINDINGS[other].text);
        }
        bind(n, text);
    }
}
