//! Simulations of several seeds as one table: means with their spread, and the queue against random order, seed by seed.

use super::order;
use crate::learn::{ArmResult, SimOrder, SimResult};
use serde::Serialize;
use std::fmt::{self, Write};

/// Mean and standard deviation (of a sample; 0 where there is one value).
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(super) struct Mean {
    pub mean: f64,
    pub deviation: f64,
}

impl Mean {
    fn of(values: &[f64]) -> Self {
        let n = values.len().max(1) as f64;
        let mean = values.iter().sum::<f64>() / n;
        let squares = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>();
        Self { mean, deviation: (squares / (n - 1.0).max(1.0)).sqrt() }
    }
}

impl fmt::Display for Mean {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = f.precision().unwrap_or(1);
        write!(f, "{:.digits$} ± {:.digits$}", self.mean, self.deviation)
    }
}

/// What one kind of help took over all seeds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Row {
    pub arm: String,
    pub order: SimOrder,
    /// Seeds with which the target was reached.
    pub reached: usize,
    pub start_dice: Mean,
    pub slices: Mean,
    pub strokes: Mean,
    pub voxels: Mean,
}

/// The queue less random order with the same seed: below 0 the queue took less.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Against {
    pub arm: String,
    /// Seeds with which the queue took fewer voxels, and fewer slices.
    pub fewer_voxels: usize,
    pub fewer_slices: usize,
    pub slices: Mean,
    pub voxels: Mean,
}

/// All seeds together.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Spread {
    pub rows: Vec<Row>,
    pub queue_against_random: Vec<Against>,
    pub seeds: Vec<u64>,
    pub results: Vec<SimResult>,
}

impl Spread {
    /// Of results with the same arms, one for each seed.
    pub fn of(seeds: Vec<u64>, results: Vec<SimResult>) -> Self {
        let arms = results.first().map_or(&[][..], |r| &r.arms);
        let same = |arm: &str, order: SimOrder| -> Vec<&ArmResult> {
            let found = results.iter().filter_map(|r| r.arms.iter().find(|a| a.arm == arm && a.order == order));
            found.collect()
        };
        let row = |first: &ArmResult| {
            let all = same(&first.arm, first.order);
            let mean = |value: fn(&ArmResult) -> f64| Mean::of(&all.iter().map(|a| value(a)).collect::<Vec<_>>());
            Row {
                arm: first.arm.clone(),
                order: first.order,
                reached: all.iter().filter(|a| a.reached).count(),
                start_dice: mean(|a| a.start_dice),
                slices: mean(|a| a.slices as f64),
                strokes: mean(|a| a.strokes as f64),
                voxels: mean(|a| a.voxels as f64),
            }
        };
        let against = |queue: &ArmResult| {
            let (queue, random) = (same(&queue.arm, SimOrder::Queue), same(&queue.arm, SimOrder::Random));
            if random.is_empty() {
                return None;
            }
            let less = |value: fn(&ArmResult) -> f64| -> Vec<f64> {
                queue.iter().zip(&random).map(|(q, r)| value(q) - value(r)).collect()
            };
            let (slices, voxels) = (less(|a| a.slices as f64), less(|a| a.voxels as f64));
            let fewer = |of: &[f64]| of.iter().filter(|v| **v < 0.0).count();
            Some(Against {
                arm: queue.first()?.arm.clone(),
                fewer_voxels: fewer(&voxels),
                fewer_slices: fewer(&slices),
                slices: Mean::of(&slices),
                voxels: Mean::of(&voxels),
            })
        };
        let rows = arms.iter().map(row).collect();
        let queue_against_random = arms.iter().filter(|a| a.order == SimOrder::Queue).filter_map(against).collect();
        Self { rows, queue_against_random, seeds, results }
    }

    /// The table as Markdown.
    pub fn table(&self) -> String {
        let (count, mut t) = (self.results.len(), String::new());
        if let Some(first) = self.results.first() {
            let _ = writeln!(
                t,
                "A simulated annotator corrects {} cases, {} slices, until their mean Dice is {} ({}, {}): {count} seeds, \
                 mean ± standard deviation\n",
                first.cases, first.slices, first.target, first.recipe, first.device
            );
        }
        t.push_str("| help | order | reached | Dice at the start | slices | strokes | voxels |\n");
        t.push_str("| --- | --- | --- | --- | --- | --- | --- |\n");
        for r in &self.rows {
            let _ = writeln!(
                t,
                "| {} | {} | {} of {count} | {:.3} | {:.1} | {:.0} | {:.0} |",
                r.arm,
                order(r.order),
                r.reached,
                r.start_dice,
                r.slices,
                r.strokes,
                r.voxels
            );
        }
        for a in &self.queue_against_random {
            let _ = writeln!(
                t,
                "\n{}, the queue less random order: {:.0} voxels (fewer with {} of {count} seeds), {:.1} slices (fewer with \
                 {} of {count})",
                a.arm, a.voxels, a.fewer_voxels, a.slices, a.fewer_slices
            );
        }
        t
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arm(name: &str, order: SimOrder, slices: usize, voxels: u64) -> ArmResult {
        ArmResult {
            arm: name.into(),
            order,
            start_dice: 0.5,
            dice: 0.96,
            reached: voxels < 1000,
            slices,
            voxels,
            strokes: 2 * voxels,
            rounds: 1,
            accepted: 1,
            seconds: 1.0,
            curve: Vec::new(),
        }
    }

    fn result(numbers: [(usize, u64); 3]) -> SimResult {
        let [fixed, queue, random] = numbers;
        SimResult {
            recipe: "demo".into(),
            cases: 2,
            slices: 20,
            target: 0.95,
            device: "CPU".into(),
            arms: vec![
                arm("fixed network corrected", SimOrder::Queue, fixed.0, fixed.1),
                arm("learning loop", SimOrder::Queue, queue.0, queue.1),
                arm("learning loop", SimOrder::Random, random.0, random.1),
            ],
        }
    }

    #[test]
    fn seeds_are_taken_together_and_queue_and_random_order_compared_seed_by_seed() {
        let results = vec![
            result([(12, 1200), (4, 100), (6, 150)]),
            result([(10, 900), (6, 140), (5, 160)]),
            result([(14, 1100), (5, 120), (10, 90)]),
        ];
        let spread = Spread::of(vec![1, 2, 3], results);
        let [fixed, queue, random] = &spread.rows[..] else { panic!("{spread:?}") };
        assert_eq!((fixed.reached, queue.reached, random.order), (1, 3, SimOrder::Random));
        assert_eq!(queue.slices, Mean { mean: 5.0, deviation: 1.0 });
        assert_eq!((queue.voxels.mean, queue.strokes.mean), (120.0, 240.0));
        let [against] = &spread.queue_against_random[..] else { panic!("{spread:?}") };
        assert_eq!((against.arm.as_str(), against.fewer_voxels, against.fewer_slices), ("learning loop", 2, 2));
        assert!((against.slices.mean + 2.0).abs() < 1e-12, "{against:?}");
        assert!((against.voxels.mean + 40.0 / 3.0).abs() < 1e-9, "{against:?}");
        let table = spread.table();
        assert!(
            table.contains("| learning loop | queue | 3 of 3 | 0.500 ± 0.000 | 5.0 ± 1.0 | 240 ± 40 | 120 ± 20 |"),
            "{table}"
        );
        assert!(table.contains("learning loop, the queue less random order: -13 ± "), "{table}");
        assert!(table.contains("fewer with 2 of 3 seeds"), "{table}");
    }

    #[test]
    fn one_seed_has_no_spread_and_no_random_order_nothing_to_compare() {
        let mut only = result([(12, 1200), (4, 100), (6, 150)]);
        only.arms.pop();
        let spread = Spread::of(vec![7], vec![only]);
        assert!(spread.queue_against_random.is_empty());
        assert_eq!(spread.rows[1].voxels, Mean { mean: 100.0, deviation: 0.0 });
    }
}
