//! Each mask with each other one: a table for each structure; a click on a figure goes to the case with the lowest Dice.

use super::{distance, number, room_table};
use crate::report::{PairMean, PairPlace, PairTable};
use crate::workspace::{CohortCommand, CohortRoom, Command};
use egui::{Grid, RichText, ScrollArea, Ui};

pub fn show(ui: &mut Ui, room: &CohortRoom, out: &mut Vec<Command>) {
    let Some(sums) = room.sums.as_ref().filter(|s| !s.each.is_empty()) else {
        ui.weak("Compare two or three judged masks with each other too, to see how far readers or models agree.");
        return;
    };
    room_table::definition(ui, room);
    ui.weak(RichText::new("Mean Dice above the diagonal, mean HD95 in mm below it; a miss is 0 and ∞.").small());
    ScrollArea::both().id_salt("each with each").auto_shrink([false, false]).show(ui, |ui| {
        for table in &sums.each {
            one(ui, table, out);
            ui.add_space(6.0);
        }
    });
}

fn one(ui: &mut Ui, table: &PairTable, out: &mut Vec<Command>) {
    Grid::new(("each with each", &table.segment)).striped(true).spacing([16.0, 3.0]).show(ui, |ui| {
        ui.label(RichText::new(&table.segment).strong());
        for name in &table.names {
            ui.label(RichText::new(name).small().strong());
        }
        ui.end_row();
        for (a, name) in table.names.iter().enumerate() {
            ui.label(RichText::new(name).small().strong());
            for b in 0..table.names.len() {
                match table.cell(a, b) {
                    Some(mean) => cell(ui, table, mean, [a, b], out),
                    None => {
                        ui.weak("–");
                    }
                }
            }
            ui.end_row();
        }
    });
}

fn cell(ui: &mut Ui, table: &PairTable, mean: &PairMean, [a, b]: [usize; 2], out: &mut Vec<Command>) {
    let text = if a < b { number(mean.dice, 4) } else { distance(mean.hd95) };
    let hint = format!(
        "{} with {}: {} cases, {} missed. Goes to {}, which has the lowest Dice.",
        table.names[a], table.names[b], mean.cases, mean.misses, mean.worst.0
    );
    let link = ui.link(RichText::new(&text).monospace());
    link.widget_info(|| {
        let name = format!("{}, {} with {}: {text}", table.segment, table.names[a], table.names[b]);
        egui::WidgetInfo::labeled(egui::Role::Link, true, name)
    });
    if link.on_hover_text(hint).clicked() {
        let segment = table.segment.clone();
        out.push(match mean.worst.1 {
            PairPlace::Truth(case) => CohortCommand::Go { case, segment, slice: None }.into(),
            PairPlace::Judged(pair) => CohortCommand::GoPair { pair, segment }.into(),
        });
    }
}
