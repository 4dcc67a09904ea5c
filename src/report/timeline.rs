//! Quantities over the studies of a patient: lines for plots, and what changed from the first study to the last.

use super::Quantities;

/// One quantity over time, a line for each mask.
#[derive(Debug, Clone, PartialEq)]
pub struct TimeLine {
    pub name: String,
    pub unit: String,
    pub definition: String,
    pub lines: Vec<MaskLine>,
}

/// The values of one mask, by time.
#[derive(Debug, Clone, PartialEq)]
pub struct MaskLine {
    pub mask: String,
    /// Time and value.
    pub points: Vec<[f64; 2]>,
}

impl MaskLine {
    /// The last value less the first, in percent of the first; `None` where that is nothing.
    pub fn change_percent(&self) -> Option<f64> {
        let (first, last) = (self.points.first()?[1], self.points.last()?[1]);
        (self.points.len() > 1 && first != 0.0).then(|| 100.0 * (last - first) / first.abs())
    }
}

/// The quantities that some mask has at two times or more, in the order in which they were measured.
pub fn time_lines(quantities: &[Quantities]) -> Vec<TimeLine> {
    let timed = || quantities.iter().filter(|q| q.time.is_some());
    let mut masks: Vec<&str> = Vec::new();
    let mut all: Vec<TimeLine> = Vec::new();
    for q in timed() {
        if !masks.contains(&q.mask.as_str()) {
            masks.push(&q.mask);
        }
        for v in &q.values {
            if !all.iter().any(|l| l.name == v.name) {
                let (name, unit, definition) = (v.name.clone(), v.unit.clone(), v.definition.clone());
                all.push(TimeLine { name, unit, definition, lines: Vec::new() });
            }
        }
    }
    for line in &mut all {
        line.lines = masks.iter().map(|mask| of_mask(timed().filter(|q| q.mask == *mask), mask, &line.name)).collect();
    }
    all.retain(|l| l.lines.iter().any(|m| m.points.len() > 1));
    all
}

fn of_mask<'a>(of: impl Iterator<Item = &'a Quantities>, mask: &str, name: &str) -> MaskLine {
    let point = |q: &Quantities| Some([q.time?, q.values.iter().find(|v| v.name == name)?.value?]);
    let mut points: Vec<[f64; 2]> = of.filter_map(point).collect();
    points.sort_by(|a, b| a[0].total_cmp(&b[0]));
    MaskLine { mask: mask.to_owned(), points }
}
