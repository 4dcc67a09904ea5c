//! The training at hand: how far it is, what it learns from, its curves, what it finds, and what came out.

use super::curves::{COLORS, Curve, Quantity, plot};
use super::pictures::Picture;
use super::{duration, figure, heading};
use crate::train::{EpochRow, Plan};
use crate::ui::panels::patients::warning_color;
use crate::ui::panels::{bar, framed};
use crate::ui::theme::ACCENT;
use crate::workspace::{Command, ModelCommand, TrainingState, TrainingView};
use egui::{Grid, RichText, Ui};

/// Which curves are drawn.
#[derive(Default)]
pub(super) struct Shown {
    other: Option<Quantity>,
}

/// Progress and its buttons.
pub(super) fn running(ui: &mut Ui, view: &TrainingView, out: &mut Vec<Command>) {
    ui.horizontal(|ui| {
        ui.label(RichText::new(format!("Training {}", view.run)).strong());
        let (word, command) = if view.state == TrainingState::Paused {
            ("Go on", ModelCommand::Resume)
        } else {
            ("Pause", ModelCommand::Pause)
        };
        if ui.button(word).clicked() {
            out.push(command.into());
        }
        if ui.button("Stop").on_hover_text("The last complete checkpoint is kept; the run can go on later").clicked() {
            out.push(ModelCommand::Stop.into());
        }
    });
    ui.add(bar(view.fraction()).show_percentage());
    if view.facts.is_none() {
        ui.label(&view.plan);
        return;
    }
    let state = if view.state == TrainingState::Paused { ", paused" } else { "" };
    ui.label(format!("Epoch {} of {}, step {} of {}{state}", view.epoch, view.epochs, view.step, view.steps_per_epoch));
    if view.step > 0 {
        let left = duration(view.seconds_left());
        ui.label(RichText::new(format!("About {left} left at most, {:.2} s a step", view.seconds_per_step)).weak());
    }
}

/// Everything that is known of the run, in the order in which it is asked.
pub(super) fn report(ui: &mut Ui, view: &TrainingView, shown: &mut Shown, picture: &mut Picture, height: f32) {
    if view.state == TrainingState::Ended {
        heading(ui, &format!("Run {}", view.run));
        ui.label(if view.result.is_empty() { "Stopped before its end; it can go on." } else { &view.result });
    }
    if let Some((epoch, dice)) = view.best {
        ui.label(format!("Best validation Dice {dice:.4} in epoch {epoch}"));
    }
    tests(ui, view);
    if let Some(row) = view.curve.last().filter(|row| row.collapsed) {
        let share =
            row.val_accuracy.map_or_else(String::new, |a| format!(", yet {:.1} % of the pixels are right", a * 100.0));
        ui.label(
            RichText::new(format!(
                "The network finds nothing at all{share}: an empty mask is the trap of rare classes."
            ))
            .color(warning_color(ui)),
        );
    }
    curves(ui, view, shown, height);
    if let Some(row) = view.curve.last() {
        classes(ui, row);
    }
    if let Some((epoch, sheet)) = &view.pictures {
        heading(ui, &format!("Validation slices, epoch {epoch}"));
        ui.label(RichText::new("Above: the truth. Below: what the network finds.").weak());
        picture.show(ui, sheet, "Validation slices: truth above, prediction below");
    }
    if let Some(plan) = &view.facts {
        data(ui, view, plan);
    }
    if !view.warnings.is_empty() {
        heading(ui, "Warnings");
        for warning in &view.warnings {
            let mut text = warning.clone();
            if let Some(first) = text.get_mut(0..1) {
                first.make_ascii_uppercase();
            }
            ui.label(RichText::new(format!("{text}.")).color(warning_color(ui)));
        }
    }
}

fn curves(ui: &mut Ui, view: &TrainingView, shown: &mut Shown, height: f32) {
    let steps = view.steps_per_epoch.max(1) as f64;
    let per_epoch: Vec<[f64; 2]> = view.step_loss.iter().map(|[s, l]| [s / steps, *l]).collect();
    if per_epoch.is_empty() && view.curve.is_empty() {
        return;
    }
    heading(ui, "Loss");
    let losses = vec![
        Curve { thin: true, ..Curve::new("each step", per_epoch, ui.visuals().weak_text_color()) },
        Curve::new("training", Quantity::TrainLoss.of(&view.curve), ACCENT),
        Curve::new("validation", Quantity::Loss.of(&view.curve), COLORS[0]),
    ];
    plot(ui, "loss", Quantity::Loss, losses, height);
    heading(ui, "Validation Dice");
    let mut lines = vec![Curve::new("Dice", Quantity::Dice.of(&view.curve), COLORS[0])];
    let names: Vec<&String> =
        view.curve.first().map_or(Vec::new(), |row| row.classes.iter().map(|c| &c.name).collect());
    if names.len() > 1 {
        lines[0].name = "mean".into();
        for (n, name) in names.into_iter().enumerate() {
            let of = |row: &EpochRow| Some([row.epoch as f64, row.classes.get(n)?.dice?]);
            let points = view.curve.iter().filter_map(of).collect();
            lines.push(Curve { thin: true, ..Curve::new(name, points, COLORS[(n + 1) % COLORS.len()]) });
        }
    }
    plot(ui, "dice", Quantity::Dice, lines, height);
    ui.horizontal_wrapped(|ui| {
        ui.label("Also");
        for quantity in [Quantity::Accuracy, Quantity::Precision, Quantity::Recall, Quantity::Rate] {
            let on = shown.other == Some(quantity);
            if framed(ui, on, quantity.name()).clicked() {
                shown.other = (!on).then_some(quantity);
            }
        }
    });
    if let Some(quantity) = shown.other {
        plot(ui, "other", quantity, vec![Curve::new(quantity.name(), quantity.of(&view.curve), COLORS[2])], height);
    }
}

/// Figures of each class in the last epoch.
fn classes(ui: &mut Ui, row: &EpochRow) {
    if row.classes.is_empty() {
        return;
    }
    heading(ui, &format!("Classes on the validation slices, epoch {}", row.epoch));
    Grid::new("classes").num_columns(5).striped(true).spacing([10.0, 3.0]).show(ui, |ui| {
        for name in ["Class", "Dice", "Precision", "Recall", "Accuracy"] {
            ui.label(RichText::new(name).weak());
        }
        ui.end_row();
        for class in &row.classes {
            ui.label(&class.name);
            ui.label(figure(class.dice));
            ui.label(figure(class.precision));
            ui.label(figure(class.recall));
            ui.label(figure(Some(class.accuracy)));
            ui.end_row();
        }
    });
    ui.label(
        RichText::new("Accuracy counts background as well: where a class is rare it is high even if nothing is found.")
            .small()
            .weak(),
    );
}

/// What the test part gave.
fn tests(ui: &mut Ui, view: &TrainingView) {
    if view.test.is_empty() {
        return;
    }
    heading(ui, "Test, with the best checkpoint");
    Grid::new("tests").num_columns(4).striped(true).spacing([10.0, 3.0]).show(ui, |ui| {
        for name in ["Case", "Class", "Dice", "Hausdorff"] {
            ui.label(RichText::new(name).weak());
        }
        ui.end_row();
        for case in &view.test {
            for ((class, dice), distances) in case.dice.iter().zip(&case.distances) {
                ui.label(&case.case);
                ui.label(class);
                ui.label(figure(*dice));
                ui.label(match (distances.hausdorff_mm, distances.slice_hausdorff_px) {
                    (Some(mm), _) => format!("{mm:.1} mm"),
                    (None, Some(pixels)) => format!("{pixels:.1} pixels a slice"),
                    (None, None) => "–".into(),
                });
                ui.end_row();
            }
        }
    });
}

/// What is learned from, and how much there is of what.
fn data(ui: &mut Ui, view: &TrainingView, plan: &Plan) {
    heading(ui, "Data");
    let cases = if plan.cases == 1 { "1 case".to_owned() } else { format!("{} cases", plan.cases) };
    ui.label(format!(
        "Recipe {}: {} slices of {cases} train, {} validate, {} test.",
        view.recipe, plan.train_slices, plan.validation_slices, plan.test_slices
    ));
    Grid::new("balance").num_columns(3).striped(true).spacing([10.0, 3.0]).show(ui, |ui| {
        for name in ["Class", "Of all pixels", "In slices"] {
            ui.label(RichText::new(name).weak());
        }
        ui.end_row();
        for class in &plan.classes {
            ui.label(&class.name);
            ui.label(format!("{:.2} %", class.pixels * 100.0));
            ui.label(format!("{:.0} %", class.slices * 100.0));
            ui.end_row();
        }
        ui.label("background");
        ui.label(format!("{:.2} %", (1.0 - plan.foreground_share) * 100.0));
        ui.label(format!("{:.0} % empty", plan.empty_slice_share * 100.0));
        ui.end_row();
    });
    let on_disk = match plan.scratch_bytes >> 20 {
        0 => String::new(),
        size => format!(", {size} MiB in a file that goes with the run"),
    };
    ui.label(
        RichText::new(format!(
            "{} weights; {} MiB of slices in memory{on_disk}; {}",
            plan.parameters,
            plan.cache_bytes >> 20,
            plan.device
        ))
        .small()
        .weak(),
    );
}
