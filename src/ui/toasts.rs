//! Sentences that were just told, for a few seconds at the bottom right. One that is told again is counted.

use super::theme;
use crate::workspace::{Level, Notice};
use egui::{Color32, Context, FontId, Id, LayerId, Order, Rect, TextStyle, Vec2, accesskit};
use std::time::Duration;

/// Room around the sentences, within and between them.
const MARGIN: f32 = 8.0;
const PADDING: f32 = 10.0;
/// Width of a text in points at most.
const WIDTH: f32 = 420.0;
/// Seconds for which one stays after the pointer has left it.
const AFTER_POINTER: f64 = 2.0;

/// A sentence, and how often it was told in a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    pub notice: Notice,
    pub times: usize,
}

impl Told {
    /// Told for the first time.
    pub fn once(notice: Notice) -> Self {
        Self { notice, times: 1 }
    }

    /// The sentence with how often it was told, if more than once.
    pub fn text(&self) -> String {
        if self.times == 1 { self.notice.text.clone() } else { format!("{} ({} times)", self.notice.text, self.times) }
    }
}

/// What is on the window now, oldest first.
#[derive(Debug, Default)]
pub struct Toasts {
    /// With the time at which it goes, in seconds of the window's clock.
    shown: Vec<(Told, f64)>,
}

impl Toasts {
    /// Shows a sentence; one that is still shown is counted and stays as long as a new one.
    pub fn tell(&mut self, notice: Notice, now: f64) {
        let until = now + if notice.level == Level::Info { 5.0 } else { 12.0 };
        match self.shown.iter_mut().find(|(told, _)| told.notice == notice) {
            Some((told, end)) => {
                told.times += 1;
                *end = until;
            }
            None => self.shown.push((Told::once(notice), until)),
        }
    }

    /// Draws them over everything else; they take no pointer.
    pub fn show(&mut self, ctx: &Context) {
        let (now, pointer) = ctx.input(|i| (i.time, i.pointer.hover_pos()));
        self.shown.retain(|(_, until)| *until > now);
        if self.shown.is_empty() {
            return;
        }
        let style = ctx.global_style();
        let font = TextStyle::Body.resolve(&style);
        let mark_font = FontId::proportional(font.size * 1.2);
        let (fill, color) = (style.visuals.widgets.noninteractive.bg_fill, style.visuals.text_color());
        let painter = ctx.layer_painter(LayerId::new(Order::Foreground, Id::unique("toasts")));
        let room = ctx.content_rect();
        let width = WIDTH.min(room.width() - 2.0 * MARGIN - 3.0 * PADDING - mark_font.size).max(1.0);
        let mut corner = room.max - Vec2::splat(MARGIN);
        for (told, until) in &mut self.shown {
            let (mark, mark_color) = mark(told.notice.level);
            let mark = painter.layout(mark.to_owned(), mark_font.clone(), mark_color, f32::INFINITY);
            let text = painter.layout(told.text(), font.clone(), color, width);
            let inner = Vec2::new(mark.size().x + PADDING + text.size().x, text.size().y.max(mark.size().y));
            let rect = Rect::from_min_max(corner - inner - 2.0 * Vec2::splat(PADDING), corner);
            painter.rect_filled(rect, 4.0, fill);
            let beside = mark.size().x + PADDING;
            let middle = rect.center().y;
            painter.galley(egui::pos2(rect.left() + PADDING, middle - mark.size().y / 2.0), mark, mark_color);
            painter.galley(egui::pos2(rect.left() + PADDING + beside, middle - text.size().y / 2.0), text, color);
            // Painted and no widget, so that screen readers learn of it here alone.
            let name = (told.notice.level as u8, told.notice.text.as_str());
            ctx.accesskit_node_builder(Id::unique("toasts").with(name), |node| {
                node.set_role(accesskit::Role::Status);
                node.set_live(accesskit::Live::Polite);
                node.set_label(told.text());
            });
            // What is being read stays.
            if pointer.is_some_and(|at| rect.contains(at)) {
                *until = until.max(now + AFTER_POINTER);
            }
            corner.y = rect.top() - MARGIN;
        }
        let next = self.shown.iter().map(|(_, until)| until - now).fold(f64::INFINITY, f64::min);
        ctx.request_repaint_after(Duration::from_secs_f64(next.max(0.0)));
    }
}

/// Marks of our own: the usual ones are emoji, which the bundled fonts do not have.
fn mark(level: Level) -> (&'static str, Color32) {
    match level {
        Level::Info => ("i", theme::ACCENT),
        Level::Warning => ("!", Color32::from_rgb(240, 170, 60)),
        Level::Error => ("×", Color32::from_rgb(235, 90, 80)),
    }
}

/// Adds a sentence to a list of all; one that repeats the last is counted.
pub fn keep(messages: &mut Vec<Told>, notice: Notice) {
    match messages.last_mut().filter(|last| last.notice == notice) {
        Some(last) => last.times += 1,
        None => messages.push(Told::once(notice)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_again_is_counted_and_stays_longer() {
        let mut toasts = Toasts::default();
        toasts.tell(Notice::info("Saved."), 0.0);
        toasts.tell(Notice::warning("Locked."), 1.0);
        toasts.tell(Notice::info("Saved."), 4.0);
        let shown: Vec<(String, f64)> = toasts.shown.iter().map(|(told, until)| (told.text(), *until)).collect();
        assert_eq!(shown, [("Saved. (2 times)".to_owned(), 9.0), ("Locked.".to_owned(), 13.0)]);
        // The same words with another weight are another sentence.
        toasts.tell(Notice::error("Saved."), 4.0);
        assert_eq!(toasts.shown.len(), 3);
    }

    #[test]
    fn the_list_counts_what_follows_itself() {
        let mut messages = Vec::new();
        for text in ["A.", "A.", "B.", "A."] {
            keep(&mut messages, Notice::info(text));
        }
        let texts: Vec<String> = messages.iter().map(Told::text).collect();
        assert_eq!(texts, ["A. (2 times)", "B.", "A."]);
    }

    #[test]
    fn a_sentence_goes_when_its_time_is_over() {
        let ctx = Context::default();
        let mut toasts = Toasts::default();
        toasts.tell(Notice::info("Saved."), 10.0);
        for (time, left) in [(11.0, 1), (14.9, 1), (15.1, 0)] {
            let input = egui::RawInput { time: Some(time), ..egui::RawInput::default() };
            ctx.run_ui(input, |ui| toasts.show(ui.ctx())).textures_delta.clear();
            assert_eq!(toasts.shown.len(), left, "after {time} s");
        }
    }
}
