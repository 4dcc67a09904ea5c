//! Plots of a cohort: box plots, Dice against size, volumes, pairs. A click on a point goes to its case.

use super::plots::MISSED;
use crate::metrics::stats::box_figures;
use crate::metrics::{Agreement, SegmentRow};
use crate::report::CaseReport;
use crate::workspace::{CohortCommand, CohortRoom, Command};
use egui::{Color32, RichText, ScrollArea, Stroke, Ui};
use egui_plot::{BoxElem, BoxPlot, BoxSpread, HLine, Line, Plot, PlotPoints, Points};

/// Which plot is in front.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Kind {
    #[default]
    Dice,
    Hd,
    Hd95,
    Size,
    Volumes,
    Lines,
}

const KINDS: [(Kind, &str); 6] = [
    (Kind::Dice, "Dice"),
    (Kind::Hd, "Hausdorff"),
    (Kind::Hd95, "HD95"),
    (Kind::Size, "Dice against size"),
    (Kind::Volumes, "Volumes (Bland-Altman)"),
    (Kind::Lines, "Paired lines"),
];

#[derive(Default)]
pub struct PlotChoice {
    kind: Kind,
}

/// Colour of a judged side, as in the report (Okabe and Ito, 2008).
fn color(side: usize) -> Color32 {
    let [r, g, b] = [[60, 150, 220], [230, 120, 30], [0, 158, 115], [204, 121, 167]][side % 4];
    Color32::from_rgb(r, g, b)
}

/// One dot: where it stands and which comparison it belongs to.
struct Dot {
    at: [f64; 2],
    case: usize,
    segment: String,
    side: usize,
    missed: bool,
}

pub fn show(ui: &mut Ui, room: &CohortRoom, choice: &mut PlotChoice, out: &mut Vec<Command>) {
    if room.inputs.cases.is_empty() {
        ui.weak("Nothing is compared yet.");
        return;
    }
    ui.horizontal_wrapped(|ui| {
        for (kind, name) in KINDS {
            if kind != Kind::Lines || room.inputs.sides() > 1 {
                ui.selectable_value(&mut choice.kind, kind, name);
            }
        }
        if room.inputs.sides() > 1 {
            ui.separator();
            for side in 0..room.inputs.sides() {
                ui.colored_label(color(side), format!("● {}", room.inputs.side_name(side)));
            }
        }
        ui.weak(RichText::new("A click on a point goes to its case.").small());
    });
    ScrollArea::vertical().auto_shrink([false, false]).show(ui, |ui| match choice.kind {
        Kind::Dice => boxes(ui, room, "dice boxes", |r| r.figures.dice, out),
        Kind::Hd => boxes(ui, room, "hd boxes", |r| r.distances.as_ref().map(|d| d.hd), out),
        Kind::Hd95 => boxes(ui, room, "hd95 boxes", |r| r.distances.as_ref().and_then(|d| d.hd95), out),
        Kind::Size => {
            let dots = dots(room, |r| Some([r.volume_a_ml, r.figures.dice?]));
            scatter(ui, room, "size", ["volume of A (ml)", "Dice"], &dots, &[], out);
        }
        Kind::Volumes => volumes(ui, room, out),
        Kind::Lines => lines(ui, room, out),
    });
}

fn rows(room: &CohortRoom) -> impl Iterator<Item = (usize, &CaseReport, &SegmentRow)> {
    let cases = room.inputs.cases.iter().enumerate();
    cases
        .flat_map(|(n, c)| c.metrics.rows.iter().map(move |r| (n, c, r)))
        .filter(|(_, _, r)| r.agreement != Agreement::Neither)
}

fn dots(room: &CohortRoom, place: impl Fn(&SegmentRow) -> Option<[f64; 2]>) -> Vec<Dot> {
    rows(room)
        .filter_map(|(case, report, row)| {
            let at = place(row).filter(|p| p[0].is_finite() && p[1].is_finite())?;
            let missed = row.agreement.is_miss();
            Some(Dot { at, case, segment: row.name.clone(), side: report.judged, missed })
        })
        .collect()
}

/// A box for each structure and side, with every case as a dot. Misses stand at the top of distances, in red.
fn boxes(ui: &mut Ui, room: &CohortRoom, id: &str, value: impl Fn(&SegmentRow) -> Option<f64>, out: &mut Vec<Command>) {
    let mut names: Vec<&str> = Vec::new();
    for (_, _, row) in rows(room) {
        if !names.contains(&row.name.as_str()) {
            names.push(&row.name);
        }
    }
    let sides = room.inputs.sides();
    let top = rows(room).filter_map(|(_, _, r)| value(r)).filter(|v| v.is_finite()).fold(0.0, f64::max);
    let (mut all, mut elements) = (Vec::new(), Vec::new());
    for (s, name) in names.iter().enumerate() {
        for side in 0..sides {
            let slot = (s * (sides + 1) + side) as f64;
            let of = |(_, c, r): &(usize, &CaseReport, &SegmentRow)| c.judged == side && r.name == *name;
            let mut values = Vec::new();
            for (n, (case, _, row)) in rows(room).filter(of).enumerate() {
                let Some(v) = value(row) else { continue };
                values.push(v);
                let aside = ((n * 7) % 11) as f64 / 11.0 * 0.5 - 0.23;
                let missed = row.agreement.is_miss();
                let at = [slot + aside, if v.is_finite() { v } else { top * 1.08 + 0.1 }];
                all.push(Dot { at, case, segment: row.name.clone(), side, missed });
            }
            if let Some(b) = box_figures(&values) {
                let spread = BoxSpread::new(b.low_whisker, b.q1, b.median, b.q3, b.high_whisker);
                let label =
                    if sides > 1 { format!("{name}, {}", room.inputs.side_name(side)) } else { (*name).to_owned() };
                let element = BoxElem::new(slot, spread)
                    .name(label)
                    .box_width(0.7)
                    .whisker_width(0.35)
                    .fill(color(side).gamma_multiply(0.18))
                    .stroke(Stroke::new(1.4, color(side)));
                elements.push((side, element));
            }
        }
    }
    let labels: Vec<(f64, String)> = names
        .iter()
        .enumerate()
        .map(|(s, n)| ((s * (sides + 1)) as f64 + (sides - 1) as f64 / 2.0, (*n).to_owned()))
        .collect();
    let shown = plot(ui, id, ["", ""])
        .x_axis_formatter(move |mark, _| {
            let near = labels.iter().find(|(at, _)| (at - mark.value).abs() < 0.3);
            near.map_or_else(String::new, |(_, name)| name.clone())
        })
        .include_y(0.0)
        .show(ui, |plot| {
            for side in 0..sides {
                let mine = elements.iter().filter(|(s, _)| *s == side).map(|(_, e)| e.clone()).collect();
                plot.box_plot(BoxPlot::new(room.inputs.side_name(side), mine).allow_hover(false));
            }
            draw_dots(plot, room, &all);
        });
    clicked(&shown, &all, room, ui, out);
}

fn plot<'a>(ui: &Ui, id: &str, names: [&str; 2]) -> Plot<'a> {
    Plot::new(id.to_owned())
        .height((ui.available_height() - 8.0).clamp(140.0, 420.0))
        .allow_scroll(false)
        .allow_drag(false)
        .allow_zoom(false)
        .show_x(false)
        .show_y(false)
        .x_axis_label(names[0].to_owned())
        .y_axis_label(names[1].to_owned())
}

fn draw_dots(plot: &mut egui_plot::PlotUi<'_>, room: &CohortRoom, dots: &[Dot]) {
    for side in 0..room.inputs.sides() {
        let of = |missed: bool| -> Vec<[f64; 2]> {
            dots.iter().filter(|d| d.side == side && d.missed == missed).map(|d| d.at).collect()
        };
        plot.points(
            Points::new(room.inputs.side_name(side), PlotPoints::from(of(false))).color(color(side)).radius(3.0),
        );
        plot.points(Points::new("missed", PlotPoints::from(of(true))).color(MISSED).radius(4.0));
    }
}

type Shown = egui_plot::PlotResponse<()>;

/// The dot under the pointer is named, and a click goes to its case.
fn clicked(shown: &Shown, dots: &[Dot], room: &CohortRoom, ui: &Ui, out: &mut Vec<Command>) {
    let Some(pointer) = shown.response.hover_pos() else { return };
    let place = |d: &Dot| shown.transform.position_from_point(&egui_plot::PlotPoint::new(d.at[0], d.at[1]));
    let nearest = dots.iter().min_by(|a, b| place(a).distance(pointer).total_cmp(&place(b).distance(pointer)));
    let Some(dot) = nearest.filter(|d| place(d).distance(pointer) < 12.0) else { return };
    let Some(report) = room.inputs.cases.get(dot.case) else { return };
    let name = format!("{}, {}, {}", report.name, room.inputs.side_name(dot.side), dot.segment);
    let ring = egui::Stroke::new(1.5, ui.visuals().strong_text_color());
    ui.painter().circle_stroke(place(dot), 6.0, ring);
    let text = if dot.missed { format!("{name}: missed") } else { name };
    let at = place(dot) + egui::Vec2::new(9.0, -9.0);
    let (font, ink) = (egui::FontId::proportional(12.0), ui.visuals().strong_text_color());
    ui.painter().text(at, egui::Align2::LEFT_BOTTOM, text, font, ink);
    if shown.response.clicked() {
        out.push(CohortCommand::Go { case: dot.case, segment: dot.segment.clone(), slice: None }.into());
    }
}

fn scatter(
    ui: &mut Ui,
    room: &CohortRoom,
    id: &str,
    names: [&str; 2],
    dots: &[Dot],
    levels: &[(String, f64)],
    out: &mut Vec<Command>,
) {
    let shown = plot(ui, id, names).include_y(0.0).show(ui, |plot| {
        for (name, level) in levels {
            plot.hline(HLine::new(name, *level).color(Color32::GRAY).style(egui_plot::LineStyle::dashed_loose()));
        }
        draw_dots(plot, room, dots);
    });
    clicked(&shown, dots, room, ui, out);
}

fn volumes(ui: &mut Ui, room: &CohortRoom, out: &mut Vec<Command>) {
    let dots = dots(room, |r| Some([(r.volume_a_ml + r.volume_b_ml) / 2.0, r.volume_difference_ml]));
    let count = dots.len().max(1) as f64;
    let mean = dots.iter().map(|d| d.at[1]).sum::<f64>() / count;
    let spread = (dots.iter().map(|d| (d.at[1] - mean).powi(2)).sum::<f64>() / (count - 1.0).max(1.0)).sqrt();
    let levels = [
        ("−1.96 SD".to_owned(), mean - 1.96 * spread),
        ("mean".to_owned(), mean),
        ("+1.96 SD".to_owned(), mean + 1.96 * spread),
    ];
    let text =
        format!("Mean of B − A {mean:+.2} ml, limits of agreement {:+.2} and {:+.2} ml", levels[0].1, levels[2].1);
    ui.label(RichText::new(text).small());
    scatter(ui, room, "volumes", ["mean of A and B (ml)", "B − A (ml)"], &dots, &levels, out);
}

/// Dice of each case from one side to the next.
fn lines(ui: &mut Ui, room: &CohortRoom, out: &mut Vec<Command>) {
    let dots: Vec<Dot> = rows(room)
        .filter_map(|(case, report, row)| {
            let at = [report.judged as f64, row.figures.dice?];
            Some(Dot { at, case, segment: row.name.clone(), side: report.judged, missed: row.agreement.is_miss() })
        })
        .collect();
    let names: Vec<String> = (0..room.inputs.sides()).map(|s| room.inputs.side_name(s)).collect();
    let shown = plot(ui, "paired lines", ["", "Dice"])
        .x_axis_formatter(move |mark, _| {
            let near = (mark.value - mark.value.round()).abs() < 0.05 && mark.value >= -0.05;
            if near { names.get(mark.value.round() as usize).cloned().unwrap_or_default() } else { String::new() }
        })
        .include_x(-0.4)
        .include_x(room.inputs.sides() as f64 - 0.6)
        .show(ui, |plot| {
            for (n, dot) in dots.iter().enumerate() {
                let case = &room.inputs.cases[dot.case].name;
                let next = dots[n + 1..].iter().find(|d| {
                    d.segment == dot.segment && d.side == dot.side + 1 && room.inputs.cases[d.case].name == *case
                });
                if let Some(next) = next {
                    let better = next.at[1] > dot.at[1];
                    let ink = if better { Color32::from_rgb(0, 158, 115) } else { Color32::from_rgb(213, 94, 0) };
                    let points = PlotPoints::from(vec![dot.at, next.at]);
                    plot.line(Line::new(case.clone(), points).color(ink).width(1.2));
                }
            }
            draw_dots(plot, room, &dots);
        });
    clicked(&shown, &dots, room, ui, out);
}
