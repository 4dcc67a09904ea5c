//! The steps of the history in the Edit tab; a click goes back or forward to just after one, in its own case.

use crate::core::CaseId;
use crate::workspace::{Command, Document, EditCommand, OpenCommand};
use egui::{Button, RichText, ScrollArea, TextStyle, Ui};
use std::collections::HashMap;

/// Height of a list in points; a longer history is scrolled.
const HEIGHT: f32 = 260.0;

/// Where the lists stand, case by case.
#[derive(Default)]
pub(super) struct HistoryList {
    seen: HashMap<CaseId, Seen>,
}

/// What was drawn last: how many steps were done, and how far the list was scrolled.
#[derive(Debug, Clone, Copy)]
struct Seen {
    position: usize,
    offset: f32,
}

impl HistoryList {
    /// The list of one case. Only the lines in sight are laid out: a history may have a hundred thousand steps.
    pub fn show(&mut self, ui: &mut Ui, document: &Document, active: bool, out: &mut Vec<Command>) {
        let id = document.case.id;
        let (steps, position) = document.steps();
        let lines = steps.len() + 1;
        let text = ui.text_style_height(&TextStyle::Button) + 2.0 * ui.spacing().button_padding.y;
        let height = text.max(ui.spacing().interact_size.y);
        let pitch = height + ui.spacing().item_spacing.y;
        let mut area = ScrollArea::vertical().id_salt(("history", id.0)).max_height(HEIGHT).auto_shrink([false, true]);
        if let Some(offset) = offset_to(position, lines, pitch, self.seen.get(&id).copied()) {
            area = area.vertical_scroll_offset(offset);
        }
        let shown = area.show_rows(ui, height, lines, |ui, range| {
            for n in range {
                let name = n.checked_sub(1).and_then(|n| steps.get(n)).copied().unwrap_or("Start");
                line(ui, document, (n, name), position, active, out);
            }
        });
        self.seen.insert(id, Seen { position, offset: shown.state.clamped_offset().y });
        if lines > 13 {
            ui.weak("The newest step is at the end.");
        }
    }
}

fn line(
    ui: &mut Ui,
    document: &Document,
    (n, name): (usize, &str),
    position: usize,
    active: bool,
    out: &mut Vec<Command>,
) {
    let text = if n > position { RichText::new(name).weak() } else { RichText::new(name) };
    // All lines are equally high, so that the list knows where each is without drawing it.
    let line = ui.add(Button::selectable(n == position, text).truncate());
    let case = if active { String::new() } else { format!(" of {}", document.case.name) };
    line.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Button, true, format!("Step {n}{case}: {name}")));
    if line.clicked() {
        if !active {
            out.push(OpenCommand::Activate(document.case.id).into());
        }
        out.push(EditCommand::JumpTo(n).into());
    }
}

/// Where a list has to be scrolled to, so that the step that was done last is in sight; `None` while it may stay.
fn offset_to(position: usize, lines: usize, pitch: f32, before: Option<Seen>) -> Option<f32> {
    let top = pitch * position as f32;
    let stays = |seen: Seen| seen.position == position || (seen.offset <= top && top + pitch <= seen.offset + HEIGHT);
    if before.is_some_and(stays) {
        return None;
    }
    let most = (pitch * lines as f32 - HEIGHT).max(0.0);
    Some((top + 0.5 * pitch - 0.5 * HEIGHT).clamp(0.0, most))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_follows_the_history_and_else_stays_where_it_was_put() {
        let at = |position, offset| Some(Seen { position, offset });
        // Opened for the first time: what was done last is in the middle, or at the end.
        assert_eq!(offset_to(500, 1001, 30.0, None), Some(15_000.0 + 15.0 - 130.0));
        assert_eq!(offset_to(1000, 1001, 30.0, None), Some(30_030.0 - 260.0));
        assert_eq!(offset_to(0, 1001, 30.0, None), Some(0.0));
        assert_eq!(offset_to(3, 4, 30.0, None), Some(0.0));
        // Scrolled by hand, nothing done since.
        assert_eq!(offset_to(500, 1001, 30.0, at(500, 90.0)), None);
        // A step that is in sight does not move the list; one that is not does.
        assert_eq!(offset_to(4, 1001, 30.0, at(500, 90.0)), None);
        assert_eq!(offset_to(501, 1001, 30.0, at(500, 90.0)), Some(15_030.0 + 15.0 - 130.0));
    }
}
