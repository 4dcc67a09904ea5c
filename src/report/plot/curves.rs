//! Lines over a common axis: learning curves of runs, a quantity over the studies of a patient.

use super::axis::{self, Axis};
use super::scene::{Anchor, Ink, Scene};

/// One line with its name.
pub struct Line {
    pub name: String,
    pub ink: Ink,
    pub dashed: bool,
    pub points: Vec<[f64; 2]>,
}

/// Top of an axis on which the lines can be read when their first tenth lies far above all the rest; else `None`.
pub fn settled_top(lines: &[Line]) -> Option<f64> {
    let largest = |skipped: fn(usize) -> usize| {
        let kept = lines.iter().flat_map(|l| l.points.iter().skip(skipped(l.points.len())));
        kept.map(|p| p[1]).filter(|v| v.is_finite()).fold(0.0, f64::max)
    };
    let (all, settled) = (largest(|_| 0), largest(|count| count.div_ceil(10)));
    (settled > 0.0 && all > 1.5 * settled).then(|| Axis::spanning(0.0, settled, 5.0).max)
}

/// `range` fixes the vertical axis; what lies beyond is drawn at its end.
pub fn curves(title: &str, names: [&str; 2], lines: &[Line], range: Option<[f64; 2]>) -> Option<Scene> {
    let finite = || lines.iter().flat_map(|l| &l.points).filter(|p| p[0].is_finite() && p[1].is_finite());
    let fold = |axis: usize, of: fn(f64, f64) -> f64, start: f64| finite().map(|p| p[axis]).fold(start, of);
    finite().next()?;
    let (width, height) = (360.0, 220.0 + 11.0 * lines.len().min(8) as f64);
    let x = Axis::spanning(fold(0, f64::min, f64::INFINITY), fold(0, f64::max, f64::NEG_INFINITY), 6.0);
    let x = x.between(44.0, width - 12.0);
    let y = match range {
        Some([low, high]) => Axis::exactly(low, high, (high - low) / 5.0),
        None => Axis::spanning(fold(1, f64::min, 0.0), fold(1, f64::max, f64::NEG_INFINITY), 5.0),
    };
    let y = y.between(186.0, 32.0);
    let mut scene = Scene::new(title, width, height);
    axis::draw(&mut scene, &x, &y, names[0], names[1]);
    for (n, line) in lines.iter().enumerate() {
        let points: Vec<[f64; 2]> = line.points.iter().map(|p| [x.at(p[0]), y.at(p[1])]).collect();
        let key = 222.0 + 11.0 * n as f64;
        let sample = vec![[44.0, key], [62.0, key]];
        if line.dashed {
            scene.dashes(points.clone(), line.ink);
            scene.dashes(sample, line.ink);
        } else {
            scene.line(points.clone(), line.ink, 1.4);
            scene.line(sample, line.ink, 1.4);
        }
        if points.len() <= 40 {
            for (p, value) in points.iter().zip(&line.points) {
                scene.dot(*p, 1.5, line.ink, format!("{}: {}", line.name, axis::short(value[1])));
            }
        }
        if n < 8 {
            scene.word([66.0, key + 3.0], &line.name, Anchor::Start);
        }
    }
    Some(scene)
}
