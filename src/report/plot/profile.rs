//! A figure along the slices of a stack.

use super::axis::{self, Axis};
use super::scene::{Ink, Scene};

/// What to draw.
pub struct Profile<'a> {
    pub title: &'a str,
    /// Name of the vertical axis.
    pub axis: &'a str,
    /// Slice and value, in order of slice; `None` where the structure is missed, drawn as a red cross.
    pub points: Vec<(usize, Option<f64>)>,
    /// Top of the vertical axis; `None` fits the largest value.
    pub top: Option<f64>,
    /// Whether a miss is as bad as the top of the axis (distances) or as its bottom (Dice).
    pub miss_at_top: bool,
    pub ink: Ink,
}

/// `None` when there are no points.
pub fn profile(profile: &Profile) -> Option<Scene> {
    let (first, last) = (profile.points.first()?.0 as f64, profile.points.last()?.0 as f64);
    let largest = profile.points.iter().filter_map(|p| p.1).fold(0.0, f64::max);
    let y = match profile.top {
        Some(top) => Axis::exactly(0.0, top, top / 4.0),
        None => Axis::spanning(0.0, largest, 4.0),
    };
    let (width, height) = (520.0, 160.0);
    let y = y.between(height - 32.0, 32.0);
    let mut x = Axis::spanning(first, last, 10.0).between(44.0, width - 10.0);
    x.step = x.step.max(1.0);
    // Slices have no fractions, and nothing lies before the first.
    (x.min, x.max) = (first, last.max(first + 1.0));
    let mut scene = Scene::new(profile.title, width, height);
    axis::draw(&mut scene, &x, &y, "slice k", profile.axis);
    // Neighbouring slices are joined; a gap in the structure is a gap in the line.
    for run in profile.points.chunk_by(|p, q| q.0 == p.0 + 1 && p.1.is_some() && q.1.is_some()) {
        let line: Vec<[f64; 2]> = run.iter().filter_map(|(k, v)| v.map(|v| [x.at(*k as f64), y.at(v)])).collect();
        if line.len() > 1 {
            scene.line(line, profile.ink, 1.4);
        }
    }
    for (k, value) in &profile.points {
        let at = x.at(*k as f64);
        match value {
            Some(v) => scene.dot([at, y.at(*v)], 1.6, profile.ink, format!("slice {k}: {}", axis::short(*v))),
            None => {
                let miss = if profile.miss_at_top { y.max } else { y.min };
                scene.cross([at, y.at(miss)], format!("slice {k}: missed"));
            }
        }
    }
    Some(scene)
}
