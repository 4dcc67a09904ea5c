//! Box plots of a cohort, over its cases or over all their slices, with every value as a dot that leads there.

use super::room_plots::{Area, Dot, clicked, color, draw_dots, rows};
use crate::metrics::stats::{BoxFigures, box_figures};
use crate::metrics::{SegmentRow, SliceRow};
use crate::workspace::{CohortRoom, Command};
use egui::{RichText, Stroke, Ui};
use egui_plot::{BoxElem, BoxPlot, BoxSpread, GridMark};

/// More dots than this are no picture: then only misses and what lies beyond the whiskers are drawn.
const MOST_DOTS: usize = 20_000;

/// Boxes that there is room for at least.
const FEWEST: f64 = 6.0;
/// A step of the grid so large that its lines are always named.
const LABELLED: f64 = 100.0;

/// One value and what it belongs to.
struct Value<'a> {
    case: usize,
    side: usize,
    structure: &'a str,
    slice: Option<usize>,
    value: f64,
    missed: bool,
}

/// Boxes and dots of one figure, kept until the cohort changes.
pub struct Boxes {
    dots: Vec<Dot>,
    elements: Vec<(usize, BoxElem)>,
    /// Names of the structures and where they stand.
    labels: Vec<(f64, String)>,
    /// Values that have no dot.
    dotless: usize,
}

impl Boxes {
    /// A figure of whole structures.
    pub fn of_cases(room: &CohortRoom, value: impl Fn(&SegmentRow) -> Option<f64>) -> Self {
        let values = rows(room).filter_map(|(case, report, row)| {
            let (side, missed) = (report.judged, row.agreement.is_miss());
            Some(Value { case, side, structure: &row.name, slice: None, value: value(row)?, missed })
        });
        Self::of(room, &values.collect::<Vec<_>>())
    }

    /// A figure of every slice that either mask has the structure in.
    pub fn of_slices(room: &CohortRoom, value: impl Fn(&SliceRow) -> Option<f64>) -> Self {
        let mut values = Vec::new();
        for (case, report, row) in rows(room) {
            values.extend(row.slices.iter().filter_map(|slice| {
                let (side, missed) = (report.judged, slice.agreement.is_miss());
                let value = value(slice)?;
                Some(Value { case, side, structure: &row.name, slice: Some(slice.k), value, missed })
            }));
        }
        Self::of(room, &values)
    }

    /// Misses stand at the top of distances, in red.
    fn of(room: &CohortRoom, values: &[Value<'_>]) -> Self {
        let mut names: Vec<&str> = Vec::new();
        for value in values {
            if !names.contains(&value.structure) {
                names.push(value.structure);
            }
        }
        let sides = room.inputs.sides();
        let top = values.iter().map(|v| v.value).filter(|v| v.is_finite()).fold(0.0, f64::max);
        let all = values.len() <= MOST_DOTS;
        let (mut dots, mut elements, mut dotless) = (Vec::new(), Vec::new(), 0);
        for (s, name) in names.iter().enumerate() {
            for side in 0..sides {
                let slot = (s * (sides + 1) + side) as f64;
                let mine: Vec<&Value<'_>> = values.iter().filter(|v| v.side == side && v.structure == *name).collect();
                let figures = box_figures(&mine.iter().map(|v| v.value).collect::<Vec<_>>());
                for (n, v) in mine.iter().enumerate() {
                    if !all && !v.missed && figures.as_ref().is_some_and(|b| is_usual(b, v.value)) {
                        dotless += 1;
                        continue;
                    }
                    let aside = ((n * 7) % 11) as f64 / 11.0 * 0.5 - 0.23;
                    let at = [slot + aside, if v.value.is_finite() { v.value } else { top * 1.08 + 0.1 }];
                    let segment = v.structure.to_owned();
                    dots.push(Dot { at, case: v.case, segment, side, slice: v.slice, missed: v.missed });
                }
                if let Some(b) = figures {
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
        let middle = |s: usize| (s * (sides + 1)) as f64 + (sides - 1) as f64 / 2.0;
        let labels = names.iter().enumerate().map(|(s, n)| (middle(s), (*n).to_owned())).collect();
        Self { dots, elements, labels, dotless }
    }

    /// Draws them; a click on a dot goes to its case, and to its slice where it is one.
    pub fn show(&self, ui: &mut Ui, room: &CohortRoom, area: &Area, out: &mut Vec<Command>) {
        if self.dotless > 0 {
            let text = format!("{} values within the whiskers are drawn as boxes alone.", self.dotless);
            ui.weak(RichText::new(text).small());
        }
        let labels = self.labels.clone();
        let places: Vec<f64> = labels.iter().map(|(at, _)| *at).collect();
        // Room for some boxes, so that a single one is no wide band.
        let middle = places.iter().sum::<f64>() / places.len().max(1) as f64;
        let shown = area
            .plot(["", ""])
            .x_grid_spacer(move |_| places.iter().map(|&value| GridMark { value, step_size: LABELLED }).collect())
            .x_axis_formatter(move |mark, _| {
                let near = labels.iter().find(|(at, _)| (at - mark.value).abs() < 0.3);
                near.map_or_else(String::new, |(_, name)| name.clone())
            })
            .include_x(middle - FEWEST / 2.0)
            .include_x(middle + FEWEST / 2.0)
            .include_y(0.0)
            .show(ui, |plot| {
                for side in 0..room.inputs.sides() {
                    let mine = self.elements.iter().filter(|(s, _)| *s == side).map(|(_, e)| e.clone()).collect();
                    plot.box_plot(BoxPlot::new(room.inputs.side_name(side), mine).allow_hover(false));
                }
                draw_dots(plot, room, &self.dots);
            });
        clicked(&shown, &self.dots, room, area, ui, out);
    }
}

fn is_usual(b: &BoxFigures, value: f64) -> bool {
    (b.low_whisker..=b.high_whisker).contains(&value)
}
