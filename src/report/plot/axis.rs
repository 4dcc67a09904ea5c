//! Scales with round numbers, and the frame that plots share.

use super::scene::{Anchor, GRID, Scene};

/// From values to points along one direction.
#[derive(Debug, Clone, Copy)]
pub struct Axis {
    pub min: f64,
    pub max: f64,
    /// Points at `min` and `max`.
    pub from: f64,
    pub to: f64,
    pub step: f64,
}

impl Axis {
    /// Spans at least `low..=high`, widened to multiples of a round step; about `count` steps.
    pub fn spanning(low: f64, high: f64, count: f64) -> Self {
        let (low, high) = if low.is_finite() && high.is_finite() { (low.min(high), high.max(low)) } else { (0.0, 1.0) };
        let span = if high > low { high - low } else { high.abs().max(1.0) };
        let step = round_step(span / count);
        let (min, max) = ((low / step).floor() * step, (high / step).ceil() * step);
        Self { min, max: if max > min { max } else { min + step }, from: 0.0, to: 1.0, step }
    }

    /// Exactly `low..=high`.
    pub fn exactly(low: f64, high: f64, step: f64) -> Self {
        Self { min: low, max: high, from: 0.0, to: 1.0, step }
    }

    /// Drawn between two points.
    pub fn between(self, from: f64, to: f64) -> Self {
        Self { from, to, ..self }
    }

    /// Point of a value, kept within the ends.
    pub fn at(&self, value: f64) -> f64 {
        let share = ((value - self.min) / (self.max - self.min)).clamp(0.0, 1.0);
        self.from + share * (self.to - self.from)
    }

    pub fn ticks(&self) -> impl Iterator<Item = f64> + use<> {
        let (first, step) = ((self.min / self.step - 1e-9).ceil(), self.step);
        let count = ((self.max - self.min) / step + 1e-9).floor() as usize + 1;
        (0..count.min(60)).map(move |n| (first + n as f64) * step)
    }
}

/// The next of 1, 2, 5 times a power of ten.
fn round_step(step: f64) -> f64 {
    let power = 10f64.powf(step.log10().floor());
    [1.0, 2.0, 5.0, 10.0].into_iter().map(|m| m * power).find(|&v| v >= step * (1.0 - 1e-9)).unwrap_or(step)
}

/// A number without needless digits.
pub fn short(value: f64) -> String {
    let text = if value.abs() >= 1000.0 { format!("{value:.0}") } else { format!("{value:.3}") };
    if !text.contains('.') {
        return text;
    }
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".into() } else { text.to_owned() }
}

/// Draws both axes with grid lines and names.
pub fn draw(scene: &mut Scene, x: &Axis, y: &Axis, x_name: &str, y_name: &str) {
    draw_y(scene, x, y, y_name);
    for tick in x.ticks() {
        let at = x.at(tick);
        scene.line(vec![[at, y.from], [at, y.from + 3.0]], GRID, 1.0);
        scene.word([at, y.from + 13.0], short(tick), Anchor::Middle);
    }
    scene.word([(x.from + x.to) / 2.0, y.from + 25.0], x_name, Anchor::Middle);
}

/// Draws the vertical axis alone.
pub fn draw_y(scene: &mut Scene, x: &Axis, y: &Axis, name: &str) {
    for tick in y.ticks() {
        let at = y.at(tick);
        scene.line(vec![[x.from, at], [x.to, at]], GRID, 0.8);
        scene.word([x.from - 5.0, at + 3.0], short(tick), Anchor::End);
    }
    scene.word([4.0, 25.0], name, Anchor::Start);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_end_on_round_numbers() {
        let a = Axis::spanning(0.13, 57.3, 5.0);
        assert_eq!((a.min, a.max, a.step), (0.0, 60.0, 20.0));
        assert_eq!(a.ticks().collect::<Vec<_>>(), [0.0, 20.0, 40.0, 60.0]);
        let flat = Axis::spanning(3.0, 3.0, 4.0);
        assert!(flat.max > flat.min && flat.at(3.0).is_finite());
        let odd = Axis::spanning(f64::NAN, f64::INFINITY, 4.0);
        assert!(odd.at(0.5).is_finite() && odd.at(f64::INFINITY) == odd.to);
        assert_eq!([0.0, -0.0001, 0.25, 80.0, 12345.6].map(short), ["0", "0", "0.25", "80", "12346"]);
    }
}
