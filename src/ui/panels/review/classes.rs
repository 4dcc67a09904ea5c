//! Which class became which: a table of coloured cells, for two layers and for a cohort.

use crate::metrics::Confusion;
use egui::{Color32, Frame, Grid, Margin, RichText, Ui};

/// Right and wrong, apart for the common forms of colour blindness.
const RIGHT: Color32 = Color32::from_rgb(60, 150, 220);
const WRONG: Color32 = Color32::from_rgb(230, 120, 30);

/// Cells in percent of the voxels that A gives the row's class, with the share that is right at the end of a row.
pub fn confusion(ui: &mut Ui, of: &str, counts: &Confusion) {
    Grid::new(("confusion", of)).spacing([4.0, 4.0]).show(ui, |ui| {
        ui.label(RichText::new("A \\ B").weak().small());
        for class in &counts.classes {
            ui.label(RichText::new(class).strong().small());
        }
        ui.label(RichText::new("Accuracy").strong().small()).on_hover_text("Share of the class in A that B has right");
        ui.end_row();
        for (row, class) in counts.classes.iter().enumerate() {
            ui.label(RichText::new(class).strong().small());
            let all: u64 = counts.voxels[row].iter().sum();
            for (column, other) in counts.classes.iter().enumerate() {
                let count = counts.voxels[row][column];
                let share = if all > 0 { count as f32 / all as f32 } else { 0.0 };
                let color = if row == column { RIGHT } else { WRONG };
                let text = if all == 0 { "–".to_owned() } else { percent(share) };
                Frame::new()
                    .fill(color.gamma_multiply(0.06 + 0.54 * share.sqrt()))
                    .inner_margin(Margin::symmetric(6, 2))
                    .show(ui, |ui| ui.monospace(text).on_hover_text(format!("{class} as {other}: {count} voxels")));
            }
            ui.monospace(super::number(counts.recall(row), 4));
            ui.end_row();
        }
    });
    let empty = super::number(counts.accuracy_of_nothing(), 4);
    let all = super::number(counts.accuracy(), 4);
    let text = format!("Accuracy of all voxels {all} misleads: a mask without any structure would have {empty}.");
    ui.label(RichText::new(text).small());
}

fn percent(share: f32) -> String {
    let value = 100.0 * share;
    if value > 0.0 && value < 0.01 { "<0.01 %".into() } else { format!("{value:.2} %") }
}
