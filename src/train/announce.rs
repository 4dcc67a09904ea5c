//! What a run says: its plan and what to beware of in the data before the first step, and results that mislead.

use super::batch::BatchPlan;
use super::data::Prepared;
use super::split::Split;
use super::step::Validation;
use super::{ClassConfig, ClassShare, Plan, Recipe};

/// Below this share of foreground, accuracy is high for a network that finds nothing.
const RARE: f64 = 0.15;
/// From this share of slices without any class on, a network may learn to find nothing.
const MOSTLY_EMPTY: f64 = 0.5;

/// What will happen. `parameters` are the trainable values of the network.
pub(super) fn plan(
    recipe: &Recipe,
    prepared: &Prepared,
    split: &Split,
    parameters: usize,
    first_epoch: usize,
    device: String,
) -> Plan {
    let store = &prepared.store;
    Plan {
        device,
        cases: prepared.cases.len(),
        train_slices: split.train.len(),
        validation_slices: split.validation.len(),
        test_slices: split.test.len(),
        steps_per_epoch: BatchPlan::new(recipe, store).steps(split.train.len()),
        epochs: recipe.epochs,
        first_epoch,
        parameters,
        foreground_share: foreground(prepared),
        empty_slice_share: prepared.empty_slices as f64 / store.len().max(1) as f64,
        classes: class_shares(recipe, prepared),
        cache_bytes: store.memory(),
        scratch_bytes: store.spilled(),
    }
}

fn foreground(prepared: &Prepared) -> f64 {
    let total: u64 = prepared.pixels.iter().sum();
    let background = prepared.pixels.first().copied().unwrap_or(0);
    (total - background) as f64 / total.max(1) as f64
}

fn class_shares(recipe: &Recipe, prepared: &Prepared) -> Vec<ClassShare> {
    let total: u64 = prepared.pixels.iter().sum();
    let slices = prepared.store.len();
    let counts = prepared.pixels.iter().zip(&prepared.slices_with).skip(1);
    let share = |(class, (pixels, with)): (&ClassConfig, (&u64, &usize))| ClassShare {
        name: class.name.clone(),
        pixels: *pixels as f64 / total.max(1) as f64,
        slices: *with as f64 / slices.max(1) as f64,
    };
    recipe.data.classes.iter().zip(counts).map(share).collect()
}

/// What to beware of in the data, a sentence each.
pub(super) fn of_data(recipe: &Recipe, prepared: &Prepared, split: &Split) -> Vec<String> {
    let mut out = Vec::new();
    let share = foreground(prepared);
    if share < RARE {
        out.push(format!(
            "only {:.1} % of the pixels are foreground: a network that finds nothing would be right on {:.1} %, so look at Dice and not at accuracy",
            100.0 * share,
            100.0 * (1.0 - share)
        ));
    }
    let empty = prepared.empty_slices as f64 / prepared.store.len().max(1) as f64;
    if empty > MOSTLY_EMPTY {
        out.push(format!(
            "{:.0} % of the slices have none of the classes: a network may learn to find nothing; augmentation.crop with foreground, or fewer empty slices, helps",
            100.0 * empty
        ));
    }
    for (count, class) in prepared.pixels.iter().skip(1).zip(&recipe.data.classes) {
        if *count == 0 {
            out.push(format!("no slice has the class {}", class.name));
        }
    }
    if split.validation.is_empty() {
        out.push("nothing is left to validate on: the best checkpoint is chosen by the training loss".into());
    }
    out
}

/// What was said of the validation already: what lasts is said once.
#[derive(Default)]
pub(super) struct Alarms {
    collapsed: bool,
    missed: Vec<usize>,
}

impl Alarms {
    /// What to beware of in the results of `epoch`, where it was not so before.
    pub fn of_validation(&mut self, recipe: &Recipe, epoch: usize, validation: &Validation) -> Option<String> {
        let (collapsed, missed) = (validation.collapsed(), validation.missed());
        let missed = if collapsed { Vec::new() } else { missed };
        let text = if collapsed && !self.collapsed {
            Some(format!(
                "after epoch {epoch} the network predicts no foreground at all on the validation slices, and is right on {:.1} % of their pixels all the same: if this lasts, try a loss with Dice or with weights by frequency, or a lower learning rate",
                100.0 * validation.accuracy().unwrap_or(0.0)
            ))
        } else if !missed.is_empty() && missed != self.missed {
            let name = |class: &usize| recipe.data.classes.get(*class).map_or("", |c| c.name.as_str());
            let names = missed.iter().map(name).collect::<Vec<_>>().join(", ");
            Some(format!("after epoch {epoch} the network finds nothing of {names} on the validation slices"))
        } else {
            None
        };
        (self.collapsed, self.missed) = (collapsed, missed);
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lasts_is_said_once_and_what_comes_back_again() {
        let recipe = Recipe::load("lung-three-class").unwrap();
        let good = Validation::of(vec![[50, 60, 55], [40, 40, 45]], 1000);
        let half = Validation::of(vec![[50, 60, 55], [0, 0, 45]], 1000);
        let none = Validation::of(vec![[0, 0, 55], [0, 0, 45]], 1000);
        let mut alarms = Alarms::default();
        let mut said = |validation: &Validation| alarms.of_validation(&recipe, 7, validation);
        assert_eq!(said(&good), None);
        let one = said(&half).unwrap();
        assert!(one.contains("epoch 7") && one.contains("finds nothing of right lung"), "{one}");
        assert_eq!(said(&half), None);
        let all = said(&none).unwrap();
        assert!(all.contains("no foreground at all") && all.contains("right on 95.0 %"), "{all}");
        assert_eq!(said(&none), None);
        assert!(said(&half).is_some(), "one lung is found again, the other is not");
        assert_eq!(said(&good), None);
        assert!(said(&none).is_some());
    }
}
