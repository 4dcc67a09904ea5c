//! Plots of runs over their epochs.

use crate::train::EpochRow;
use egui::{Color32, Ui};
use egui_plot::{Corner, Legend, Line, Plot, PlotPoints, uniform_grid_spacer};

/// Colours of lines, apart for the common forms of colour blindness (Okabe and Ito, 2008), readable on dark and light.
pub(super) const COLORS: [Color32; 7] = [
    Color32::from_rgb(230, 159, 0),
    Color32::from_rgb(64, 140, 210),
    Color32::from_rgb(0, 158, 115),
    Color32::from_rgb(204, 121, 167),
    Color32::from_rgb(213, 94, 0),
    Color32::from_rgb(86, 180, 233),
    Color32::from_rgb(150, 150, 60),
];

/// What a curve is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Quantity {
    Dice,
    Loss,
    TrainLoss,
    Accuracy,
    Precision,
    Recall,
    Rate,
}

impl Quantity {
    pub const ALL: [Self; 7] =
        [Self::Dice, Self::Loss, Self::TrainLoss, Self::Accuracy, Self::Precision, Self::Recall, Self::Rate];

    pub fn name(self) -> &'static str {
        match self {
            Self::Dice => "Validation Dice",
            Self::Loss => "Validation loss",
            Self::TrainLoss => "Training loss",
            Self::Accuracy => "Accuracy",
            Self::Precision => "Precision",
            Self::Recall => "Recall",
            Self::Rate => "Learning rate",
        }
    }

    /// Between 0 and 1 by its nature.
    fn is_share(self) -> bool {
        matches!(self, Self::Dice | Self::Accuracy | Self::Precision | Self::Recall)
    }

    /// Epoch and value, where there is one.
    pub fn of(self, curve: &[EpochRow]) -> Vec<[f64; 2]> {
        let value = |row: &EpochRow| match self {
            Self::Dice => row.val_dice,
            Self::Loss => row.val_loss,
            Self::TrainLoss => Some(row.train_loss),
            Self::Accuracy => row.val_accuracy,
            Self::Precision => row.val_precision,
            Self::Recall => row.val_recall,
            Self::Rate => Some(row.lr),
        };
        curve.iter().filter_map(|row| Some([row.epoch as f64, value(row)?])).collect()
    }
}

/// One line of a plot.
pub(super) struct Curve {
    pub name: String,
    pub points: Vec<[f64; 2]>,
    pub color: Color32,
    pub thin: bool,
}

impl Curve {
    pub fn new(name: impl Into<String>, points: Vec<[f64; 2]>, color: Color32) -> Self {
        Self { name: name.into(), points, color, thin: false }
    }
}

/// More points than this along a plot are averaged in groups: no screen shows them apart.
const MOST: usize = 600;

fn thinned(points: Vec<[f64; 2]>) -> Vec<[f64; 2]> {
    let group = points.len().div_ceil(MOST).max(1);
    if group == 1 {
        return points;
    }
    let mean = |part: &[[f64; 2]]| {
        let n = part.len() as f64;
        [part.iter().map(|p| p[0]).sum::<f64>() / n, part.iter().map(|p| p[1]).sum::<f64>() / n]
    };
    points.chunks(group).map(mean).collect()
}

/// Steps of a grid: ones, fives and tens of the unit of which ten and more lie within the bounds. With tens alone most
/// plots in a panel would have a number at each end and none between.
fn steps((first, last): (f64, f64)) -> [f64; 3] {
    let range = last - first;
    let power = if range.is_finite() && range > 0.0 { (range / 10.0).log10() } else { 0.0 };
    // One tenth is no power of two: a range of 1 must not become one of 0.99.
    let unit = 10f64.powf((power + 1e-9).floor());
    [unit, 5.0 * unit, 10.0 * unit]
}

/// Lines over epochs. Shares are drawn from 0 to 1 at least, so that a curve's height means the same in every plot.
pub(super) fn plot(ui: &mut Ui, name: &str, quantity: Quantity, curves: Vec<Curve>, height: f32) {
    // Losses fall and shares rise: the names stand where the lines are not.
    let corner = if quantity.is_share() { Corner::RightBottom } else { Corner::RightTop };
    let mut plot = Plot::new(name)
        .height(height)
        .legend(Legend::default().position(corner))
        .allow_scroll(false)
        .allow_drag(false)
        .allow_zoom(false)
        .allow_boxed_zoom(false)
        .include_x(0.0)
        .x_grid_spacer(uniform_grid_spacer(|grid| steps(grid.bounds)))
        .y_grid_spacer(uniform_grid_spacer(|grid| steps(grid.bounds)))
        .x_axis_label("epoch");
    if quantity.is_share() {
        plot = plot.include_y(0.0).include_y(1.0);
    }
    plot.show(ui, |plot| {
        for curve in curves {
            let width = if curve.thin { 1.0 } else { 2.0 };
            let single = curve.points.len() == 1;
            if single {
                // A line of one point would be invisible.
                plot.points(
                    egui_plot::Points::new(curve.name.clone(), curve.points.clone()).radius(3.0).color(curve.color),
                );
            } else {
                let points = PlotPoints::from(thinned(curve.points));
                plot.line(Line::new(curve.name, points).color(curve.color).width(width));
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grids_have_numbers_between_their_ends() {
        for (bounds, wanted) in [((0.0, 1.0), 0.1), ((0.0, 16.0), 1.0), ((-0.2, 0.2), 0.01), ((0.0, 900.0), 10.0)] {
            let [unit, five, ten] = steps(bounds);
            assert!((unit / wanted - 1.0).abs() < 1e-9, "{bounds:?}: {unit}");
            assert!((five / unit - 5.0).abs() < 1e-9 && (ten / unit - 10.0).abs() < 1e-9);
        }
        assert!(steps((3.0, 3.0)).iter().all(|s| *s > 0.0) && steps((0.0, f64::INFINITY)).iter().all(|s| *s > 0.0));
    }

    #[test]
    fn long_curves_are_thinned_and_keep_their_mean() {
        let points: Vec<[f64; 2]> = (0..10_000).map(|n| [f64::from(n), f64::from(n % 2)]).collect();
        let thin = thinned(points);
        assert!(thin.len() <= MOST && thin.iter().all(|p| (p[1] - 0.5).abs() < 0.1));
        assert_eq!(thinned(vec![[1.0, 2.0]; 5]).len(), 5);
    }
}
