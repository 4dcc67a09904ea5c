//! Trials as lines over parallel axes, one a field and the last for the Dice reached (Inselberg, 1985): where good lines
//! run, good values lie. Positions only; the page and the window draw them.

use super::TrialResult;

/// What to draw. Positions run from 0 (bottom) to 1 (top).
#[derive(Debug, Clone, PartialEq)]
pub struct ParallelPlot {
    pub axes: Vec<PlotAxis>,
    /// In the order of the ranking.
    pub lines: Vec<PlotLine>,
}

/// One field.
#[derive(Debug, Clone, PartialEq)]
pub struct PlotAxis {
    /// The field's path; of the last axis "validation Dice".
    pub title: String,
    /// Position and label.
    pub ticks: Vec<(f64, String)>,
}

/// One trial that reached something.
#[derive(Debug, Clone, PartialEq)]
pub struct PlotLine {
    pub trial: usize,
    /// Place among the trials by Dice: 1 is the best, 0 the worst. Colours follow it.
    pub share: f64,
    /// Position on each axis.
    pub at: Vec<f64>,
}

/// A field with more values than this is drawn by number where all are numbers.
const MOST_NAMES: usize = 6;

impl ParallelPlot {
    /// Of a ranking, best first. Trials without a Dice are left out; fields that never differ have no axis.
    pub fn of(ranking: &[TrialResult]) -> Self {
        let reached: Vec<(&TrialResult, f64)> = ranking.iter().filter_map(|r| Some((r, r.dice?))).collect();
        let mut paths: Vec<&str> = Vec::new();
        for (path, _) in reached.iter().flat_map(|(r, _)| &r.settings) {
            if !paths.contains(&path.as_str()) {
                paths.push(path);
            }
        }
        let mut axes = Vec::new();
        let mut columns: Vec<Vec<f64>> = Vec::new();
        for path in paths {
            let values: Vec<&str> = reached.iter().map(|(r, _)| setting(r, path)).collect();
            if values.iter().all(|v| *v == values[0]) {
                continue;
            }
            let (ticks, at) = numeric(&values).unwrap_or_else(|| named(&values));
            axes.push(PlotAxis { title: path.to_owned(), ticks });
            columns.push(at);
        }
        let dice: Vec<f64> = reached.iter().map(|(_, d)| *d).collect();
        let (low, high) = range(&dice);
        let scaled = |v: f64| (v - low) / (high - low);
        let ticks = (0..=4).map(|n| low + (high - low) * f64::from(n) / 4.0).map(|v| (scaled(v), format!("{v:.3}")));
        axes.push(PlotAxis { title: "validation Dice".into(), ticks: ticks.collect() });
        columns.push(dice.iter().map(|v| scaled(*v)).collect());
        let last = reached.len().saturating_sub(1).max(1) as f64;
        let lines = reached
            .iter()
            .enumerate()
            .map(|(n, (r, _))| PlotLine {
                trial: r.trial,
                share: 1.0 - n as f64 / last,
                at: columns.iter().map(|c| c[n]).collect(),
            })
            .collect();
        Self { axes, lines }
    }
}

fn setting<'a>(result: &'a TrialResult, path: &str) -> &'a str {
    result.settings.iter().find(|(p, _)| p == path).map_or("", |(_, value)| value)
}

/// A little more than the values span, and never nothing.
fn range(values: &[f64]) -> (f64, f64) {
    let low = values.iter().copied().fold(f64::INFINITY, f64::min);
    let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if values.is_empty() {
        return (0.0, 1.0);
    }
    let room = ((high - low) * 0.05).max(1e-3);
    (low - room, high + room)
}

type Column = (Vec<(f64, String)>, Vec<f64>);

/// Positions by size, in the logarithm where the values span more than a factor of 20; `None` where they are names, or
/// so few that each can be named.
fn numeric(values: &[&str]) -> Option<Column> {
    let numbers: Vec<f64> =
        values.iter().map(|v| v.parse().ok().filter(|v: &f64| v.is_finite())).collect::<Option<_>>()?;
    let mut distinct = numbers.clone();
    distinct.sort_by(f64::total_cmp);
    distinct.dedup();
    if distinct.len() <= MOST_NAMES {
        return None;
    }
    let (low, high) = (distinct[0], distinct[distinct.len() - 1]);
    let logarithmic = low > 0.0 && high / low > 20.0;
    let place = |v: f64| if logarithmic { v.ln() } else { v };
    let at = |v: f64| (place(v) - place(low)) / (place(high) - place(low));
    let back = |t: f64| {
        let v = place(low) + t * (place(high) - place(low));
        if logarithmic { v.exp() } else { v }
    };
    let ticks = [0.0, 0.25, 0.5, 0.75, 1.0].map(|t| (t, short(back(t)))).to_vec();
    Some((ticks, numbers.into_iter().map(at).collect()))
}

/// Names at even distances, numbers among them in their order.
fn named(values: &[&str]) -> Column {
    let mut names: Vec<&str> = values.to_vec();
    let number = |text: &str| text.parse::<f64>().ok();
    names.sort_by(|a, b| match (number(a), number(b)) {
        (Some(a), Some(b)) => a.total_cmp(&b),
        _ => a.cmp(b),
    });
    names.dedup();
    let place = |n: usize| (n as f64 + 0.5) / names.len().max(1) as f64;
    let ticks = names.iter().enumerate().map(|(n, name)| (place(n), readable(name))).collect();
    let at = values.iter().map(|v| place(names.iter().position(|n| n == v).unwrap_or(0))).collect();
    (ticks, at)
}

fn short(value: f64) -> String {
    if value != 0.0 && (value.abs() < 0.01 || value.abs() >= 1e5) {
        format!("{value:.1e}")
    } else {
        format!("{value:.3}")
    }
}

/// A value as it is written for `--set`, without the marks of JSON.
pub(super) fn readable(value: &str) -> String {
    let plain: String = value.chars().filter(|c| !"{}\"".contains(*c)).collect();
    plain.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn result(trial: usize, rate: f64, loss: &str, dice: Option<f64>) -> TrialResult {
        let settings = [("recipe", "a".to_owned()), ("optimizer.lr", format!("{rate:e}")), ("loss", loss.into())];
        TrialResult {
            trial,
            settings: settings.map(|(p, v)| (p.to_owned(), v)).to_vec(),
            dice,
            best_epoch: 1,
            epochs: 1,
            seconds: 1.0,
            error: None,
        }
    }

    #[test]
    fn values_lie_in_their_order_and_what_never_differs_has_no_axis() {
        let rates = [1e-5, 1e-4, 1e-3, 1e-2, 3e-4, 2e-5, 5e-3];
        let mut ranking: Vec<TrialResult> = rates
            .iter()
            .enumerate()
            .map(|(n, rate)| result(n + 1, *rate, if n % 2 == 0 { "Bce" } else { "Dice" }, Some(0.9 - 0.1 * n as f64)))
            .collect();
        ranking.push(result(8, 0.5, "Bce", None));
        let plot = ParallelPlot::of(&ranking);
        let titles: Vec<&str> = plot.axes.iter().map(|a| a.title.as_str()).collect();
        assert_eq!(titles, ["optimizer.lr", "loss", "validation Dice"]);
        assert_eq!(plot.lines.len(), 7);
        let at = |n: usize, axis: usize| plot.lines[n].at[axis];
        // A decade is a third of three decades.
        assert!((at(0, 0), at(3, 0)) == (0.0, 1.0) && (at(1, 0) - 1.0 / 3.0).abs() < 1e-9);
        assert_eq!((at(0, 1), at(1, 1)), (0.25, 0.75));
        assert!(plot.lines.windows(2).all(|w| w[0].at[2] > w[1].at[2] && w[0].share > w[1].share));
        assert!(plot.lines.iter().flat_map(|l| &l.at).all(|v| (0.0..=1.0).contains(v)));
        assert_eq!(ParallelPlot::of(&[]).lines, []);
        assert_eq!(readable(r#"{"Window": {"low": -200.0}}"#), "Window: low: -200.0");
    }
}
