//! Plots of pairs: Bland-Altman of volumes, lines from one model to the other, a figure against object size.

use super::axis::{self, Axis};
use super::scene::{Anchor, Ink, QUIET, Scene};
use crate::metrics::stats::limits_of_agreement;

const WIDTH: f64 = 370.0;
const HEIGHT: f64 = 230.0;
/// Room beside a Bland-Altman plot for the names of its limits, also in a wide font and with four digits.
const LIMITS: f64 = 96.0;

/// Two values of one case.
#[derive(Debug, Clone)]
pub struct Comparison {
    pub first: f64,
    pub second: f64,
    pub name: String,
    pub ink: Ink,
}

/// Difference (second - first) against mean, with bias and the limits within which 95 % of a normal distribution lie
/// (Bland and Altman, 1986).
pub fn bland_altman(title: &str, unit: &str, pairs: &[Comparison]) -> Option<Scene> {
    let points: Vec<[f64; 2]> = pairs.iter().map(|p| [(p.first + p.second) / 2.0, p.second - p.first]).collect();
    let differences: Vec<f64> = points.iter().map(|p| p[1]).collect();
    let limits = limits_of_agreement(&differences)?;
    let fold = |of: fn(f64, f64) -> f64, start: f64, axis: usize| points.iter().map(|p| p[axis]).fold(start, of);
    let low = fold(f64::min, limits[0], 1).min(0.0);
    let high = fold(f64::max, limits[2], 1).max(0.0);
    let (left, right) = (fold(f64::min, f64::INFINITY, 0), fold(f64::max, f64::NEG_INFINITY, 0));
    let x = Axis::spanning(left, right, 4.0).between(50.0, WIDTH - LIMITS);
    let y = Axis::spanning(low, high, 5.0).between(HEIGHT - 36.0, 32.0);
    let mut scene = Scene::new(title, WIDTH, HEIGHT);
    axis::draw(&mut scene, &x, &y, &format!("mean of A and B ({unit})"), &format!("B − A ({unit})"));
    for (value, name) in limits.into_iter().zip(["−1.96 SD", "mean", "+1.96 SD"]) {
        if limits[0] == limits[2] && name != "mean" {
            continue;
        }
        let at = y.at(value);
        scene.dashes(vec![[x.from, at], [x.to, at]], QUIET);
        scene.word([x.to + 4.0, at + 3.0], format!("{name} {}", short_signed(value)), Anchor::Start);
    }
    for (pair, p) in pairs.iter().zip(&points) {
        scene.dot([x.at(p[0]), y.at(p[1])], 2.4, pair.ink, format!("{}: {}", pair.name, short_signed(p[1])));
    }
    Some(scene)
}

fn short_signed(value: f64) -> String {
    format!("{value:+.1}").replace('-', "−")
}

/// A line for each case from its first to its second value; green where it got better.
pub fn paired_lines(
    title: &str,
    axis_name: &str,
    names: [&str; 2],
    pairs: &[Comparison],
    larger_is_better: bool,
) -> Option<Scene> {
    let all: Vec<f64> = pairs.iter().flat_map(|p| [p.first, p.second]).filter(|v| v.is_finite()).collect();
    let low = all.iter().copied().fold(f64::INFINITY, f64::min);
    let high = all.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if pairs.is_empty() {
        return None;
    }
    let y = Axis::spanning(low, high, 5.0).between(HEIGHT - 36.0, 32.0);
    let x = Axis::exactly(0.0, 1.0, 1.0).between(80.0, WIDTH - 60.0);
    let mut scene = Scene::new(title, WIDTH, HEIGHT);
    let frame = Axis::exactly(0.0, 1.0, 1.0).between(44.0, WIDTH - 16.0);
    axis::draw_y(&mut scene, &frame, &y, axis_name);
    for (pair, at) in pairs.iter().map(|p| (p, [p.first, p.second])) {
        let better = (pair.second > pair.first) == larger_is_better && pair.second != pair.first;
        let ink = if pair.second == pair.first {
            QUIET
        } else if better {
            [0, 140, 100]
        } else {
            [196, 70, 20]
        };
        scene.line(vec![[x.from, y.at(at[0])], [x.to, y.at(at[1])]], ink, 1.0);
        for (place, value) in [x.from, x.to].into_iter().zip(at) {
            let note = if value.is_finite() { axis::short(value) } else { "missed".into() };
            scene.dot([place, y.at(value)], 2.0, ink, format!("{}: {note}", pair.name));
        }
    }
    for (place, name) in [x.from, x.to].into_iter().zip(names) {
        scene.word([place, HEIGHT - 20.0], shorten(name, 26), Anchor::Middle);
    }
    Some(scene)
}

fn shorten(text: &str, room: usize) -> String {
    if text.chars().count() <= room { text.into() } else { text.chars().take(room - 1).chain(['…']).collect() }
}

/// One dot a case.
pub fn scatter(title: &str, names: [&str; 2], points: &[Comparison], range: Option<[f64; 2]>) -> Option<Scene> {
    if points.is_empty() {
        return None;
    }
    let largest = |of: fn(&Comparison) -> f64| points.iter().map(of).filter(|v| v.is_finite()).fold(0.0, f64::max);
    let x = Axis::spanning(0.0, largest(|p| p.first), 4.0).between(44.0, WIDTH - 16.0);
    let y = match range {
        Some([low, high]) => Axis::exactly(low, high, (high - low) / 5.0),
        None => Axis::spanning(0.0, largest(|p| p.second), 5.0),
    };
    let y = y.between(HEIGHT - 36.0, 32.0);
    let mut scene = Scene::new(title, WIDTH, HEIGHT);
    axis::draw(&mut scene, &x, &y, names[0], names[1]);
    for p in points {
        if p.second.is_finite() {
            let note = format!("{}: {} at {}", p.name, axis::short(p.second), axis::short(p.first));
            scene.dot([x.at(p.first), y.at(p.second)], 2.4, p.ink, note);
        } else {
            scene.cross([x.at(p.first), y.to - 6.0], format!("{}: missed", p.name));
        }
    }
    Some(scene)
}
