//! Box plots: quartiles, whiskers, every value as a dot, misses as crosses.

use super::axis::{self, Axis};
use super::scene::{Anchor, Ink, Item, Scene};
use crate::metrics::stats::box_figures;

/// Usual width of a small letter, and from line to line.
const LETTER: f64 = 4.4;
const LINE: f64 = 11.0;

/// Values under one name.
pub struct BoxGroup {
    pub label: String,
    pub ink: Ink,
    /// Each with what it belongs to. Infinite ones are drawn as crosses at the top.
    pub values: Vec<(f64, String)>,
}

/// Range of an axis for ratios: up to 1, from a round number under the lowest where all are high.
pub fn overlap_range(values: impl Iterator<Item = f64>) -> [f64; 2] {
    let lowest = values.filter(|v| v.is_finite()).fold(1.0, f64::min);
    let low = ((lowest - 0.02) * 20.0).floor() / 20.0;
    [if low < 0.5 { 0.0 } else { low }, 1.0]
}

/// The axis says where it does not begin at 0.
pub fn named_range(name: &str, range: [f64; 2]) -> String {
    if range[0] == 0.0 { name.to_owned() } else { format!("{name}, from {}", axis::short(range[0])) }
}

/// `range` fixes the vertical axis.
pub fn box_plot(title: &str, axis_name: &str, groups: &[BoxGroup], range: Option<[f64; 2]>) -> Option<Scene> {
    if groups.iter().all(|g| g.values.is_empty()) {
        return None;
    }
    let floor = 190.0;
    let slot = (300.0 / groups.len() as f64).clamp(34.0, 84.0);
    let width = (70.0 + slot * groups.len() as f64).max(230.0);
    let labels: Vec<&str> = groups.iter().map(|g| g.label.as_str()).collect();
    let names = Names::of(&labels, (slot / LETTER) as usize, width);
    let finite = || groups.iter().flat_map(|g| &g.values).map(|v| v.0).filter(|v| v.is_finite());
    let y = match range {
        Some([low, high]) => Axis::exactly(low, high, (high - low) / 5.0),
        None => Axis::spanning(0.0, finite().fold(0.0, f64::max), 5.0),
    };
    let y = y.between(floor, 32.0);
    let x = Axis::exactly(0.0, groups.len() as f64, 1.0).between(44.0, 44.0 + slot * groups.len() as f64);
    let mut scene = Scene::new(title, width, floor + 40.0 + names.height());
    axis::draw_y(&mut scene, &x, &y, axis_name);
    for (n, group) in groups.iter().enumerate() {
        let centre = x.at(n as f64 + 0.5);
        draw_group(&mut scene, group, centre, (slot * 0.28).min(18.0), &y);
        for (line, words) in names.under[n].iter().enumerate() {
            scene.word([centre, floor + 14.0 + 10.0 * line as f64], words, Anchor::Middle);
        }
    }
    let mut y = floor + 46.0;
    for row in &names.rows {
        for (column, lines) in row.iter().enumerate() {
            let x = 4.0 + width / names.columns as f64 * column as f64;
            for (line, words) in lines.iter().enumerate() {
                scene.word([x, y + LINE * line as f64], words, Anchor::Start);
            }
        }
        y += LINE * row_lines(row) as f64;
    }
    Some(scene)
}

fn draw_group(scene: &mut Scene, group: &BoxGroup, centre: f64, half: f64, y: &Axis) {
    let values: Vec<f64> = group.values.iter().map(|v| v.0).collect();
    if let Some(b) = box_figures(&values) {
        let ink = group.ink;
        scene.items.push(Item::Rect {
            min: [centre - half, y.at(b.q3)],
            max: [centre + half, y.at(b.q1)],
            ink,
            filled: true,
            opacity: 0.22,
            note: group.label.clone(),
        });
        let (low, high) = (centre - half, centre + half);
        let corners = [[low, y.at(b.q1)], [low, y.at(b.q3)], [high, y.at(b.q3)], [high, y.at(b.q1)], [low, y.at(b.q1)]];
        scene.line(corners.to_vec(), ink, 1.0);
        scene.line(vec![[low, y.at(b.median)], [high, y.at(b.median)]], ink, 2.0);
        for (from, to) in [(b.q1, b.low_whisker), (b.q3, b.high_whisker)] {
            scene.line(vec![[centre, y.at(from)], [centre, y.at(to)]], ink, 1.0);
            scene.line(vec![[centre - half / 2.0, y.at(to)], [centre + half / 2.0, y.at(to)]], ink, 1.0);
        }
    }
    // Beside each other as far as the box is wide, in an order that repeats each time.
    for (n, (value, name)) in group.values.iter().enumerate() {
        let aside = ((n * 7) % 11) as f64 / 10.0 - 0.5;
        let at = [centre + aside * half * 1.3, y.at(*value)];
        if value.is_finite() {
            scene.dot(at, 1.7, group.ink, format!("{name}: {}", axis::short(*value)));
        } else {
            scene.cross([at[0], y.to - 6.0], format!("{name}: missed"));
        }
    }
}

/// What the boxes are called: the whole labels where all fit under them; else numbers with the words that tell the labels
/// apart, and the whole labels in a list below.
struct Names {
    under: Vec<Vec<String>>,
    /// The list: rows of entries, each in lines.
    rows: Vec<Vec<Vec<String>>>,
    columns: usize,
}

impl Names {
    /// `room` is the letters under a box, `width` that of the plot.
    fn of(labels: &[&str], room: usize, width: f64) -> Self {
        let whole: Vec<Vec<String>> = labels.iter().map(|label| two_lines(label, room)).collect();
        if whole.iter().zip(labels).all(|(lines, label)| lines.join(" ") == *label) {
            return Self { under: whole, rows: Vec::new(), columns: 1 };
        }
        let columns = ((width / 220.0) as usize).max(1);
        let letters = (width / columns as f64 / LETTER) as usize;
        let numbered = |n: usize, words: &str| format!("{}. {words}", n + 1);
        let under = telling(labels).iter().enumerate().map(|(n, words)| two_lines(&numbered(n, words), room)).collect();
        let list: Vec<Vec<String>> =
            labels.iter().enumerate().map(|(n, label)| lines(&numbered(n, label), letters)).collect();
        Self { under, rows: list.chunks(columns).map(<[_]>::to_vec).collect(), columns }
    }

    /// Of the list.
    fn height(&self) -> f64 {
        let lines: usize = self.rows.iter().map(|row| row_lines(row)).sum();
        if lines == 0 { 0.0 } else { LINE * lines as f64 + 8.0 }
    }
}

fn row_lines(row: &[Vec<String>]) -> usize {
    row.iter().map(Vec::len).max().unwrap_or(0)
}

/// The labels without the words that are in all of them.
fn telling(labels: &[&str]) -> Vec<String> {
    let in_all = |word: &str| labels.iter().all(|label| label.split_whitespace().any(|w| w == word));
    let own = |label: &str| label.split_whitespace().filter(|w| !in_all(w)).collect::<Vec<_>>().join(" ");
    labels
        .iter()
        .map(|label| match own(label) {
            own if own.is_empty() => (*label).to_owned(),
            own => own,
        })
        .collect()
}

/// Lines of at most so many letters, broken between words where they can be.
fn lines(text: &str, letters: usize) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match all.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= letters => {
                line.push(' ');
                line.push_str(word);
            }
            _ => all.push(word.to_owned()),
        }
    }
    all
}

/// At most two lines of about `room` characters.
fn two_lines(label: &str, room: usize) -> Vec<String> {
    let room = room.max(6);
    let cut = |text: &str| -> String {
        if text.chars().count() <= room {
            text.to_owned()
        } else {
            text.chars().take(room - 1).chain(['…']).collect()
        }
    };
    if label.chars().count() <= room {
        return vec![label.to_owned()];
    }
    let half = label.char_indices().filter(|(_, c)| *c == ' ').map(|(n, _)| n);
    match half.min_by_key(|n| n.abs_diff(label.len() / 2)) {
        Some(n) => vec![cut(&label[..n]), cut(&label[n + 1..])],
        None => vec![cut(label)],
    }
}
