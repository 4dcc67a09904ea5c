//! Tables of a cohort: every comparison, the summary, pairs of two models.

use super::{ACCURACY, distance, number};
use crate::metrics::{SegmentRow, SurfaceDistances};
use crate::report::{CaseReport, FigureSummary, OVERALL, tolerances};
use crate::ui::panels::framed_value;
use crate::workspace::{CohortCommand, CohortRoom, Command};
use egui::{Align, FontId, Grid, Layout, RichText, ScrollArea, Sense, Ui, Vec2};

/// Order of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    Case,
    Dice,
    Hd,
    Volume,
}

pub struct TableState {
    order: Order,
    segment: Option<String>,
    /// Indices of comparison and row, kept until something changes.
    rows: Vec<(usize, usize)>,
    /// Of the surface Dice, in mm.
    tolerances: Vec<f64>,
    /// What they were made for: cohort, comparisons, order, structure.
    made_for: Option<(u64, usize, Order, Option<String>)>,
}

impl Default for TableState {
    fn default() -> Self {
        Self { order: Order::Dice, segment: None, rows: Vec::new(), tolerances: Vec::new(), made_for: None }
    }
}

/// Columns of words, which stand first.
const WORDS: [(&str, f32); 3] = [("Case", 170.0), ("Judged", 130.0), ("Structure", 120.0)];
/// Accuracy has a mark: its head says why.
const OVERLAP: [&str; 6] = ["Dice", "IoU", "Sensitivity", "Specificity", "Precision", "Accuracy !"];
const WIDTH: f32 = 72.0;
const LINE: f32 = 22.0;

/// Every comparison, worst first; a click on a row, or on its Hausdorff distance, goes to the voxels.
pub fn cases(ui: &mut Ui, room: &CohortRoom, state: &mut TableState, out: &mut Vec<Command>) {
    if room.inputs.cases.is_empty() && room.inputs.failed.is_empty() {
        ui.weak("Nothing is compared yet.");
        return;
    }
    ui.horizontal_wrapped(|ui| {
        ui.label("Order");
        for (order, name) in [
            (Order::Dice, "worst Dice first"),
            (Order::Hd, "largest HD first"),
            (Order::Volume, "largest volume error first"),
            (Order::Case, "by case"),
        ] {
            framed_value(ui, &mut state.order, order, name);
        }
        ui.separator();
        let mut names: Vec<&str> = Vec::new();
        for row in room.inputs.cases.iter().flat_map(|c| &c.metrics.rows) {
            if !names.contains(&row.name.as_str()) {
                names.push(&row.name);
            }
        }
        if names.len() > 1 {
            ui.selectable_value(&mut state.segment, None, "all structures");
            for name in names {
                ui.selectable_value(&mut state.segment, Some(name.to_owned()), name);
            }
        }
        let misses: usize = room.inputs.cases.iter().map(|c| c.metrics.misses().count()).sum();
        if misses > 0 {
            ui.colored_label(ui.visuals().error_fg_color, format!("{misses} missed"));
        }
        if !room.inputs.unmatched.is_empty() {
            let list: Vec<String> =
                room.inputs.unmatched.iter().map(|u| format!("{}: not in {}", u.case, u.lacking)).collect();
            ui.colored_label(ui.visuals().warn_fg_color, format!("{} without a partner", list.len()))
                .on_hover_text(list.join("\n"));
        }
        if room.inputs.outside > 0 {
            let text = format!("{} outside the test part", room.inputs.outside);
            ui.colored_label(ui.visuals().warn_fg_color, text)
                .on_hover_text(crate::report::outside(room.inputs.outside));
        }
        if !room.inputs.failed.is_empty() {
            let failed = room.inputs.failed.iter();
            let list: Vec<String> = failed.map(|f| format!("{}, {}: {}", f.case, f.judged, f.reason)).collect();
            ui.colored_label(ui.visuals().error_fg_color, format!("{} could not be compared", list.len()))
                .on_hover_text(list.join("\n"));
        }
    });
    let key = (room.serial(), room.inputs.cases.len(), state.order, state.segment.clone());
    if state.made_for.as_ref() != Some(&key) {
        (state.rows, state.made_for) = (ordered(room, state), Some(key));
        state.tolerances = tolerances(room.inputs.cases.iter().flat_map(|c| &c.metrics.rows));
    }
    let (rows, at) = (&state.rows, &state.tolerances);
    definition(ui, room);
    ScrollArea::horizontal().id_salt("cohort columns").show(ui, |ui| {
        ui.horizontal(|ui| {
            for (name, width) in WORDS {
                cell(ui, width, false, RichText::new(name).strong().small());
            }
            for name in heads(at) {
                let head = cell(ui, WIDTH, true, RichText::new(&name).strong().small());
                if name == OVERLAP[5] {
                    head.on_hover_text(ACCURACY);
                }
            }
        });
        ScrollArea::vertical().auto_shrink([false, false]).show_rows(ui, LINE, rows.len(), |ui, range| {
            for (case, row) in rows[range].iter().copied() {
                if let Some(report) = room.inputs.cases.get(case) {
                    line(ui, room, (case, report), row, at, out);
                }
            }
        });
    });
}

/// Whose distances these are, with what that means; figures without it cannot be compared with others'.
pub fn definition(ui: &mut Ui, room: &CohortRoom) {
    let Some(first) = room.inputs.cases.first() else { return };
    let metrics = &first.metrics;
    let lines: Vec<String> = metrics.definitions.iter().map(|d| format!("{}: {}", d.figure, d.text)).collect();
    ui.weak(RichText::new(format!("Distances: {}", metrics.convention.name())).small()).on_hover_text(lines.join("\n"));
}

/// Heads of the columns of figures.
fn heads(at: &[f64]) -> Vec<String> {
    let mut all: Vec<String> = OVERLAP.map(str::to_owned).to_vec();
    all.extend(["HD mm", "HD95 mm", "ASSD mm"].map(str::to_owned));
    all.extend(at.iter().map(|t| format!("NSD {t} mm")));
    all.extend(["A ml", "B ml", "B − A ml", "B − A"].map(str::to_owned));
    all
}

/// Figures in the order of [`heads`].
fn cells(row: &SegmentRow, at: &[f64]) -> Vec<String> {
    let (f, d) = (&row.figures, row.distances.as_ref());
    let overlap = [f.dice, f.iou, f.sensitivity, f.specificity, f.precision, f.accuracy];
    let mut all: Vec<String> = overlap.map(|v| number(v, 4)).to_vec();
    all.extend([d.map(|d| d.hd), d.and_then(|d| d.hd95), d.map(|d| d.assd)].map(distance));
    let nsd = |d: &SurfaceDistances, t: f64| d.surface_dice.iter().find(|s| s.tolerance_mm == t).map(|s| s.value);
    all.extend(at.iter().map(|t| number(d.and_then(|d| nsd(d, *t)), 4)));
    all.extend([row.volume_a_ml, row.volume_b_ml].map(|v| format!("{v:.1}")));
    all.push(format!("{:+.1}", row.volume_difference_ml));
    all.push(row.volume_difference_percent.map_or_else(|| "undefined".into(), |v| format!("{v:+.1} %")));
    all
}

fn ordered(room: &CohortRoom, state: &TableState) -> Vec<(usize, usize)> {
    let cases = room.inputs.cases.iter().enumerate();
    let mut rows: Vec<(usize, usize)> = cases
        .flat_map(|(c, report)| (0..report.metrics.rows.len()).map(move |r| (c, r)))
        .filter(|(c, r)| state.segment.as_ref().is_none_or(|s| room.inputs.cases[*c].metrics.rows[*r].name == *s))
        .collect();
    let badness = |(c, r): &(usize, usize)| {
        let row = &room.inputs.cases[*c].metrics.rows[*r];
        match state.order {
            Order::Case => 0.0,
            Order::Dice => row.figures.dice.map_or(f64::NEG_INFINITY, |d| -d),
            Order::Hd => row.distances.as_ref().map_or(f64::NEG_INFINITY, |d| d.hd),
            Order::Volume => row.volume_difference_percent.map_or(f64::NEG_INFINITY, f64::abs),
        }
    };
    rows.sort_by(|a, b| badness(b).total_cmp(&badness(a)));
    rows
}

fn cell(ui: &mut Ui, width: f32, right: bool, text: impl Into<egui::WidgetText>) -> egui::Response {
    let layout = if right { Layout::right_to_left(Align::Center) } else { Layout::left_to_right(Align::Center) };
    ui.allocate_ui_with_layout(Vec2::new(width, LINE - 4.0), layout, |ui| {
        ui.set_min_width(width);
        ui.add(egui::Label::new(text).truncate().selectable(false))
    })
    .inner
}

fn line(
    ui: &mut Ui,
    room: &CohortRoom,
    (case, report): (usize, &CaseReport),
    row: usize,
    at: &[f64],
    out: &mut Vec<Command>,
) {
    let Some(found) = report.metrics.rows.get(row) else { return };
    let ink = if found.agreement.is_miss() { ui.visuals().error_fg_color } else { ui.visuals().text_color() };
    let start = ui.cursor().min;
    let noticed: Vec<&str> = room.noticed(&report.name).collect();
    let inner = ui.horizontal(|ui| {
        // The mark comes first, where a long name cannot push it out.
        let name = if noticed.is_empty() { report.name.clone() } else { format!("! {}", report.name) };
        let words = [name, room.inputs.side_name(report.judged), found.name.clone()];
        for (text, (_, width)) in words.into_iter().zip(WORDS) {
            cell(ui, width, false, RichText::new(text).color(ink));
        }
        for text in cells(found, at) {
            cell(ui, WIDTH, true, RichText::new(text).font(FontId::monospace(12.0)).color(ink));
        }
    });
    let rect = inner.response.rect.union(egui::Rect::from_min_size(start, Vec2::new(1.0, 1.0)));
    let id = ui.scope_id().with(("cohort row", case, row));
    let response = ui.interact(rect, id, Sense::click());
    response.widget_info(|| {
        let name = format!("Open {}, {}, {}", report.name, room.inputs.side_name(report.judged), found.name);
        egui::WidgetInfo::labeled(egui::Role::Button, true, name)
    });
    if response.hovered() {
        ui.painter().rect_filled(rect, 3.0, ui.visuals().selection.bg_fill.gamma_multiply(0.25));
    }
    let mut hint = "Go to the case, and to the voxels behind its Hausdorff distance".to_owned();
    if !noticed.is_empty() {
        hint = format!("{hint}\nNoticed in its files:\n{}", noticed.join("\n"));
    }
    if response.on_hover_text(hint).clicked() {
        out.push(CohortCommand::Go { case, segment: found.name.clone(), slice: None }.into());
    }
}

/// Mean with interval, median, quartiles and worst of every figure.
pub fn summary(ui: &mut Ui, room: &CohortRoom) {
    let Some(sums) = &room.sums else {
        ui.weak(if room.running { "Summed up when all cases are compared." } else { "Nothing is compared yet." });
        return;
    };
    definition(ui, room);
    ui.weak(RichText::new(format!("Accuracy: {ACCURACY}")).small());
    ScrollArea::both().auto_shrink([false, false]).show(ui, |ui| {
        for side in &sums.sides {
            for (what, level) in [("cases", &side.by_case), ("patients", &side.by_patient), ("slices", &side.by_slice)]
            {
                for segment in level {
                    let title = if segment.name == OVERALL { "all structures" } else { segment.name.as_str() };
                    ui.label(RichText::new(format!("{}: {title}, over {what}", side.judged)).strong());
                    let count = format!(
                        "{} {what}, {} missed, {} in neither mask",
                        segment.cases, segment.misses, segment.undefined
                    );
                    ui.label(RichText::new(count).small());
                    Grid::new(("summary", &side.judged, what, &segment.name)).striped(true).spacing([16.0, 3.0]).show(
                        ui,
                        |ui| {
                            for head in ["Figure", "Mean", "95 % interval", "Median", "Quartiles", "Worst", "Where"] {
                                ui.label(RichText::new(head).small().strong());
                            }
                            ui.end_row();
                            for f in segment.figures.iter().filter(|f| f.cases > 0) {
                                figure_row(ui, f);
                            }
                        },
                    );
                    ui.add_space(6.0);
                }
            }
        }
    });
}

fn figure_row(ui: &mut Ui, f: &FigureSummary) {
    let digits = f.kind.digits();
    let value = |v: Option<f64>| match v {
        None => "undefined".to_owned(),
        Some(v) if v.is_infinite() => "∞".into(),
        Some(v) => format!("{v:.digits$}"),
    };
    ui.label(f.kind.label());
    let mean = match f.infinite {
        0 => value(f.mean),
        n => format!("∞ ({} of {} finite)", value(f.mean_of_finite), f.cases - n),
    };
    ui.monospace(mean);
    ui.monospace(f.interval.map_or_else(|| "–".into(), |[a, b]| format!("{} – {}", value(Some(a)), value(Some(b)))));
    ui.monospace(value(f.median));
    ui.monospace(format!("{} – {}", value(f.q1), value(f.q3)));
    ui.monospace(value(f.worst));
    ui.label(f.worst_case.as_deref().unwrap_or(""));
    ui.end_row();
}

/// Two models on one cohort: tests, and the cases that changed most.
pub fn pairs(ui: &mut Ui, room: &CohortRoom, out: &mut Vec<Command>) {
    let Some(sums) = room.sums.as_ref().filter(|s| !s.paired.is_empty()) else {
        ui.weak("Compare two or three judged masks of several cases to see who is better where.");
        return;
    };
    ScrollArea::both().auto_shrink([false, false]).show(ui, |ui| {
        for t in &sums.paired {
            let digits = t.kind.digits();
            let p = t.test.map_or_else(|| "nothing differs".into(), |w| format!("Wilcoxon p {:.4}", w.p));
            let mean = t.mean_difference.map_or_else(|| "–".into(), |v| format!("{v:+.digits$}"));
            ui.horizontal_wrapped(|ui| {
                ui.label(RichText::new(format!("{}: {}", t.segment, t.kind.label())).strong());
                ui.label(format!("{} less {}: mean {mean}; {p}", t.second, t.first));
                ui.label(format!("{} better, {} worse, {} equal", t.improved, t.regressed, t.equal));
                if !t.one_sided.is_empty() {
                    let hint = format!("Only one of the two has this figure in {}.", t.one_sided.join(", "));
                    ui.colored_label(ui.visuals().warn_fg_color, format!("{} left out", t.one_sided.len()))
                        .on_hover_text(hint);
                }
            });
            ui.horizontal_wrapped(|ui| {
                let most = t.cases.iter().filter(|c| c.gain > 0.0).take(5).map(|c| (c, "improved"));
                let least = t.cases.iter().rev().filter(|c| c.gain < 0.0).take(5).map(|c| (c, "regressed"));
                for (case, what) in most.chain(least) {
                    let text = format!("{} {what} {:+.digits$}", case.case, case.difference);
                    if ui.link(RichText::new(text).small()).clicked() {
                        let found = room.inputs.cases.iter().enumerate();
                        let mut found =
                            found.filter(|(_, c)| c.name == case.case && room.inputs.side_name(c.judged) == t.second);
                        if let Some((n, _)) = found.next() {
                            out.push(CohortCommand::Go { case: n, segment: t.segment.clone(), slice: None }.into());
                        }
                    }
                }
            });
            ui.separator();
        }
    });
}
