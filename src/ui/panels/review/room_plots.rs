//! Plots of a cohort: boxes, Dice against size, volumes, pairs, classes, learning curves. A click on a point goes to its
//! case, and to its slice where the point is one.

use super::plots::MISSED;
use super::room_boxes::Boxes;
use super::{classes, room_table};
use crate::metrics::{Agreement, SegmentRow, stats};
use crate::report::{CaseReport, confusion_of};
use crate::ui::panels::framed_value;
use crate::workspace::{CohortCommand, CohortRoom, Command};
use egui::{Color32, RichText, ScrollArea, Ui};
use egui_plot::{HLine, Legend, Line, LineStyle, Plot, PlotPoints, Points};

/// Which plot is in front.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Kind {
    #[default]
    Dice,
    Hd,
    Hd95,
    SliceDice,
    SliceHd,
    Size,
    Volumes,
    Lines,
    Classes,
    Curves,
    Calibration,
}

const KINDS: [(Kind, &str); 11] = [
    (Kind::Dice, "Dice"),
    (Kind::Hd, "Hausdorff"),
    (Kind::Hd95, "HD95"),
    (Kind::SliceDice, "Dice of slices"),
    (Kind::SliceHd, "Hausdorff of slices (px)"),
    (Kind::Size, "Dice against size"),
    (Kind::Volumes, "Volumes (Bland-Altman)"),
    (Kind::Lines, "Paired lines"),
    (Kind::Classes, "Confusion of classes"),
    (Kind::Curves, "Learning curves"),
    (Kind::Calibration, "Calibration"),
];

/// Plot, cohort and number of comparisons that boxes were made for.
type Key = (Kind, u64, usize);

#[derive(Default)]
pub struct PlotChoice {
    kind: Kind,
    /// Structure of the Bland-Altman plot; `None`: the first.
    structure: Option<String>,
    boxes: Option<(Key, Boxes)>,
}

/// Where a plot is drawn and what it is called.
pub struct Area {
    name: &'static str,
    height: f32,
}

impl Area {
    /// An empty plot with the names of its axes.
    pub fn plot<'a>(&self, names: [&str; 2]) -> Plot<'a> {
        Plot::new(self.name)
            .height(self.height)
            .allow_scroll(false)
            .allow_drag(false)
            .allow_zoom(false)
            .show_x(false)
            .show_y(false)
            .x_axis_label(names[0].to_owned())
            .y_axis_label(names[1].to_owned())
    }
}

/// Colour of a judged side, as in the report (Okabe and Ito, 2008).
pub fn color(side: usize) -> Color32 {
    let [r, g, b] = [[60, 150, 220], [230, 120, 30], [0, 158, 115], [204, 121, 167]][side % 4];
    Color32::from_rgb(r, g, b)
}

/// One dot: where it stands and which comparison it belongs to.
pub struct Dot {
    pub at: [f64; 2],
    pub case: usize,
    pub segment: String,
    pub side: usize,
    /// `None`: the whole structure.
    pub slice: Option<usize>,
    pub missed: bool,
}

pub fn show(ui: &mut Ui, room: &CohortRoom, choice: &mut PlotChoice, out: &mut Vec<Command>) {
    if room.inputs.cases.is_empty() {
        ui.weak("Nothing is compared yet.");
        return;
    }
    let there = |kind: Kind| match kind {
        Kind::Lines => room.inputs.sides() > 1,
        Kind::Curves => !room.inputs.curves.is_empty(),
        Kind::Calibration => !room.inputs.calibrations.is_empty(),
        _ => true,
    };
    if !there(choice.kind) {
        choice.kind = Kind::default();
    }
    ui.horizontal_wrapped(|ui| {
        for (kind, name) in KINDS.into_iter().filter(|(kind, _)| there(*kind)) {
            framed_value(ui, &mut choice.kind, kind, name);
        }
        if room.inputs.sides() > 1 {
            ui.separator();
            for side in 0..room.inputs.sides() {
                ui.colored_label(color(side), format!("● {}", room.inputs.side_name(side)));
            }
        }
        ui.weak(RichText::new("A click on a point goes to its case.").small());
        room_table::definition(ui, room);
    });
    let name = KINDS.iter().find(|(kind, _)| *kind == choice.kind).map_or("", |(_, name)| *name);
    // Within the scrolled part there is no end to the height.
    let area = Area { name, height: (ui.available_height() - 30.0).clamp(140.0, 420.0) };
    ScrollArea::vertical().auto_shrink([false, false]).show(ui, |ui| match choice.kind {
        Kind::Dice | Kind::Hd | Kind::Hd95 | Kind::SliceDice | Kind::SliceHd => {
            let key = (choice.kind, room.serial(), room.inputs.cases.len());
            if choice.boxes.as_ref().is_none_or(|(known, _)| *known != key) {
                choice.boxes = Some((key, boxes(room, choice.kind)));
            }
            if let Some((_, boxes)) = &choice.boxes {
                boxes.show(ui, room, &area, out);
            }
        }
        Kind::Size => {
            let dots = dots(room, |r| Some([r.volume_a_ml, r.figures.dice?]));
            scatter(ui, room, &area, ["volume of A (ml)", "Dice"], &dots, &[], out);
        }
        Kind::Volumes => volumes(ui, room, &area, &mut choice.structure, out),
        Kind::Lines => lines(ui, room, &area, out),
        Kind::Classes => confusion(ui, room),
        Kind::Curves => curves(ui, room, &area),
        Kind::Calibration => calibration(ui, room, &area),
    });
}

fn boxes(room: &CohortRoom, kind: Kind) -> Boxes {
    match kind {
        Kind::Hd => Boxes::of_cases(room, |r| r.distances.as_ref().map(|d| d.hd)),
        Kind::Hd95 => Boxes::of_cases(room, |r| r.distances.as_ref().and_then(|d| d.hd95)),
        Kind::SliceDice => Boxes::of_slices(room, |s| s.figures.dice),
        Kind::SliceHd => Boxes::of_slices(room, |s| s.distances_px.as_ref().map(|d| d.hd)),
        _ => Boxes::of_cases(room, |r| r.figures.dice),
    }
}

/// Every structure of every comparison, but those that neither mask has.
pub fn rows(room: &CohortRoom) -> impl Iterator<Item = (usize, &CaseReport, &SegmentRow)> {
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
            Some(Dot { at, case, segment: row.name.clone(), side: report.judged, slice: None, missed })
        })
        .collect()
}

pub fn draw_dots(plot: &mut egui_plot::PlotUi<'_>, room: &CohortRoom, dots: &[Dot]) {
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
pub fn clicked(shown: &Shown, dots: &[Dot], room: &CohortRoom, area: &Area, ui: &Ui, out: &mut Vec<Command>) {
    shown.response.widget_info(|| {
        egui::WidgetInfo::labeled(egui::Role::Image, true, format!("Plot of the cohort: {}", area.name))
    });
    let Some(pointer) = shown.response.hover_pos() else { return };
    let place = |d: &Dot| shown.transform.position_from_point(&egui_plot::PlotPoint::new(d.at[0], d.at[1]));
    let nearest = dots.iter().min_by(|a, b| place(a).distance(pointer).total_cmp(&place(b).distance(pointer)));
    let Some(dot) = nearest.filter(|d| place(d).distance(pointer) < 12.0) else { return };
    let Some(report) = room.inputs.cases.get(dot.case) else { return };
    let slice = dot.slice.map_or_else(String::new, |k| format!(", slice {}", k + 1));
    let name = format!("{}, {}, {}{slice}", report.name, room.inputs.side_name(dot.side), dot.segment);
    let ring = egui::Stroke::new(1.5, ui.visuals().strong_text_color());
    ui.painter().circle_stroke(place(dot), 6.0, ring);
    let text = if dot.missed { format!("{name}: missed") } else { name };
    let (font, ink) = (egui::FontId::proportional(12.0), ui.visuals().strong_text_color());
    // Towards the middle of the plot: at its edges the name would be cut away.
    let middle = shown.response.rect.center();
    let [right, low] = [place(dot).x > middle.x, place(dot).y > middle.y];
    let align = match (right, low) {
        (false, true) => egui::Align2::LEFT_BOTTOM,
        (false, false) => egui::Align2::LEFT_TOP,
        (true, true) => egui::Align2::RIGHT_BOTTOM,
        (true, false) => egui::Align2::RIGHT_TOP,
    };
    let off = egui::Vec2::new(if right { -9.0 } else { 9.0 }, if low { -9.0 } else { 9.0 });
    ui.painter().text(place(dot) + off, align, text, font, ink);
    if shown.response.clicked() {
        out.push(CohortCommand::Go { case: dot.case, segment: dot.segment.clone(), slice: dot.slice }.into());
    }
}

/// A dashed line across a plot: name, height and colour.
type Level = (String, f64, Color32);

fn scatter(
    ui: &mut Ui,
    room: &CohortRoom,
    area: &Area,
    names: [&str; 2],
    dots: &[Dot],
    levels: &[Level],
    out: &mut Vec<Command>,
) {
    let shown = area.plot(names).include_y(0.0).show(ui, |plot| {
        for (name, level, color) in levels {
            plot.hline(HLine::new(name, *level).color(*color).style(LineStyle::dashed_loose()));
        }
        draw_dots(plot, room, dots);
    });
    clicked(&shown, dots, room, area, ui, out);
}

/// Bland-Altman of one structure; each side has its own mean and limits.
fn volumes(ui: &mut Ui, room: &CohortRoom, area: &Area, chosen: &mut Option<String>, out: &mut Vec<Command>) {
    let mut dots = dots(room, |r| Some([(r.volume_a_ml + r.volume_b_ml) / 2.0, r.volume_difference_ml]));
    let mut names: Vec<String> = Vec::new();
    for dot in &dots {
        if !names.contains(&dot.segment) {
            names.push(dot.segment.clone());
        }
    }
    let Some(structure) = chosen.clone().filter(|c| names.contains(c)).or_else(|| names.first().cloned()) else {
        ui.weak("No case has a volume in either mask.");
        return;
    };
    if names.len() > 1 {
        ui.horizontal_wrapped(|ui| {
            for name in &names {
                if ui.selectable_label(*name == structure, name).clicked() {
                    *chosen = Some(name.clone());
                }
            }
        });
    }
    dots.retain(|d| d.segment == structure);
    let mut levels: Vec<Level> = Vec::new();
    for side in 0..room.inputs.sides() {
        let differences: Vec<f64> = dots.iter().filter(|d| d.side == side).map(|d| d.at[1]).collect();
        let Some([low, mean, high]) = stats::limits_of_agreement(&differences) else { continue };
        let text = format!(
            "{structure}, {}: mean of B − A {mean:+.2} ml, limits of agreement {low:+.2} and {high:+.2} ml",
            room.inputs.side_name(side)
        );
        ui.label(RichText::new(text).small().color(color(side)));
        for (name, level) in [("−1.96 SD", low), ("mean", mean), ("+1.96 SD", high)] {
            levels.push((name.to_owned(), level, color(side)));
        }
    }
    scatter(ui, room, area, ["mean of A and B (ml)", "B − A (ml)"], &dots, &levels, out);
}

/// Which class of A became which of each side, summed over the cases.
fn confusion(ui: &mut Ui, room: &CohortRoom) {
    let several = room.inputs.sides() > 1;
    for side in 0..room.inputs.sides() {
        let name = room.inputs.side_name(side);
        if several {
            ui.label(RichText::new(&name).strong().color(color(side)));
        }
        match confusion_of(&room.inputs, side) {
            Some(counts) => classes::confusion(ui, &format!("side {side}"), &counts),
            None => {
                ui.weak("The cases do not all have the same classes: their confusion cannot be summed.");
            }
        }
        ui.add_space(6.0);
    }
}

/// How the compared runs learned.
fn curves(ui: &mut Ui, room: &CohortRoom, area: &Area) {
    let runs = &room.inputs.curves;
    let line =
        |name: String, n: usize, points: Vec<[f64; 2]>| Line::new(name, PlotPoints::from(points)).color(color(n));
    ui.columns(2, |columns| {
        let [left, right] = columns else { return };
        let shown = Plot::new("validation dice of runs").height(area.height).legend(Legend::default());
        let shown = shown.allow_scroll(false).allow_drag(false).allow_zoom(false).include_y(0.0).include_y(1.0);
        let shown = shown.x_axis_label("epoch").y_axis_label("validation Dice").show(left, |plot| {
            for (n, run) in runs.iter().enumerate() {
                let dice = run.epochs.iter().filter_map(|e| Some([e.0, e.3?])).collect();
                plot.line(line(run.run.clone(), n, dice).width(2.0));
            }
        });
        shown
            .response
            .widget_info(|| egui::WidgetInfo::labeled(egui::Role::Image, true, "Validation Dice of the runs"));
        let shown = Plot::new("loss of runs").height(area.height).legend(Legend::default());
        let shown = shown.allow_scroll(false).allow_drag(false).allow_zoom(false).include_y(0.0);
        let shown = shown.x_axis_label("epoch").y_axis_label("loss").show(right, |plot| {
            for (n, run) in runs.iter().enumerate() {
                let training = run.epochs.iter().map(|e| [e.0, e.1]).collect();
                plot.line(line(format!("{}, training", run.run), n, training).style(LineStyle::dashed_loose()));
                let validation: Vec<[f64; 2]> = run.epochs.iter().filter_map(|e| Some([e.0, e.2?])).collect();
                plot.line(line(format!("{}, validation", run.run), n, validation).width(2.0));
            }
        });
        shown.response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Image, true, "Loss of the runs"));
    });
}

/// Whether the probabilities of the judged runs mean what they say.
fn calibration(ui: &mut Ui, room: &CohortRoom, area: &Area) {
    let all = &room.inputs.calibrations;
    for (n, of) in all.iter().enumerate() {
        let number = |v: Option<f64>| v.map_or_else(|| "undefined".to_owned(), |v| format!("{v:.5}"));
        let (error, brier) = (number(of.calibration.expected_error()), number(of.calibration.brier()));
        let text = format!("{}: expected calibration error {error}, Brier score {brier}", of.judged);
        ui.label(RichText::new(text).small().color(color(n)));
    }
    let names = ["probability of a class", "share of its voxels"];
    let shown = area.plot(names).include_x(0.0).include_x(1.0).include_y(0.0).include_y(1.0).show(ui, |plot| {
        let perfect = Line::new("perfect", PlotPoints::from(vec![[0.0, 0.0], [1.0, 1.0]]));
        plot.line(perfect.color(Color32::GRAY).style(LineStyle::dashed_loose()));
        for (n, of) in all.iter().enumerate() {
            let points = of.calibration.points();
            plot.line(Line::new(of.judged.clone(), PlotPoints::from(points.clone())).color(color(n)).width(2.0));
            plot.points(Points::new(of.judged.clone(), PlotPoints::from(points)).color(color(n)).radius(3.0));
        }
    });
    shown
        .response
        .widget_info(|| egui::WidgetInfo::labeled(egui::Role::Image, true, "Reliability of the probabilities"));
}

/// Dice of each case from one side to the next.
fn lines(ui: &mut Ui, room: &CohortRoom, area: &Area, out: &mut Vec<Command>) {
    let dots: Vec<Dot> = rows(room)
        .filter_map(|(case, report, row)| {
            let at = [report.judged as f64, row.figures.dice?];
            let (segment, missed) = (row.name.clone(), row.agreement.is_miss());
            Some(Dot { at, case, segment, side: report.judged, slice: None, missed })
        })
        .collect();
    let names: Vec<String> = (0..room.inputs.sides()).map(|s| room.inputs.side_name(s)).collect();
    let shown = area
        .plot(["", "Dice"])
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
    clicked(&shown, &dots, room, area, ui, out);
}
