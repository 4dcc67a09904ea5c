//! Whether a candidate replaces the weights in use, and why, in words.

use crate::train::Judgement;
use serde::{Deserialize, Serialize};

/// How well weights do on the two frozen sets: corrected slices that were set aside, and earlier data.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Figures {
    pub corrected: Option<Judgement>,
    pub earlier: Option<Judgement>,
}

/// The decision, with a sentence that says what it rests on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    pub accepted: bool,
    pub reason: String,
}

impl Figures {
    /// What the gate compares: Dice on the corrected slices set aside, or on earlier data where there are none; the
    /// loss decides between equal ones.
    pub(super) fn score(&self) -> Option<(f64, f64)> {
        let judged = self.corrected.or(self.earlier)?;
        Some((judged.dice.unwrap_or(0.0), -judged.loss))
    }
}

/// A candidate is taken when its Dice is higher on the corrected slices that were set aside (equal Dice and a lower
/// loss count too) and falls by no more than `forgetting` on earlier data. Nothing to judge on is a reason to refuse.
pub fn decide(in_use: &Figures, candidate: &Figures, forgetting: f64) -> Decision {
    let (Some(before), Some(after)) = (in_use.score(), candidate.score()) else {
        return Decision {
            accepted: false,
            reason: "no slice is set aside yet to judge it on; correct a few more".into(),
        };
    };
    let mut told = Vec::new();
    for (name, old, new) in
        [("corrected", in_use.corrected, candidate.corrected), ("earlier", in_use.earlier, candidate.earlier)]
    {
        if let (Some(old), Some(new)) = (old, new) {
            let words = |d: Option<f64>| d.map_or("undefined".to_owned(), |d| format!("{d:.3}"));
            let slices = if new.slices == 1 { "slice" } else { "slices" };
            told.push(format!(
                "Dice {} (was {}) on {} {name} {slices} set aside",
                words(new.dice),
                words(old.dice),
                new.slices
            ));
        }
    }
    let told = told.join(", ");
    let better = after.0 > before.0 || (after.0 == before.0 && after.1 > before.1);
    let fall = match (in_use.earlier, candidate.earlier) {
        (Some(old), Some(new)) if in_use.corrected.is_some() => old.dice.unwrap_or(0.0) - new.dice.unwrap_or(0.0),
        _ => 0.0,
    };
    match (better, fall > forgetting) {
        (true, false) => Decision { accepted: true, reason: told },
        (true, true) => Decision { accepted: false, reason: format!("it forgets earlier data: {told}") },
        (false, _) => Decision { accepted: false, reason: format!("it is no better: {told}") },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(corrected: Option<f64>, earlier: Option<f64>) -> Figures {
        let judged = |dice: f64| Judgement { slices: 3, dice: Some(dice), loss: 1.0 - dice };
        Figures { corrected: corrected.map(judged), earlier: earlier.map(judged) }
    }

    #[test]
    fn better_and_not_forgetful_is_taken() {
        let cases = [
            (figures(Some(0.8), Some(0.9)), figures(Some(0.9), Some(0.89)), true, "0.900 (was 0.800)"),
            (figures(Some(0.8), Some(0.9)), figures(Some(0.9), Some(0.8)), false, "forgets"),
            (figures(Some(0.8), Some(0.9)), figures(Some(0.79), Some(0.95)), false, "no better"),
            (figures(Some(0.8), None), figures(Some(0.8), None), false, "no better"),
            (figures(None, Some(0.9)), figures(None, Some(0.91)), true, "earlier"),
            (figures(None, None), figures(None, None), false, "set aside"),
        ];
        for (old, new, accepted, word) in cases {
            let decision = decide(&old, &new, 0.02);
            assert_eq!(decision.accepted, accepted, "{decision:?}");
            assert!(decision.reason.contains(word), "{decision:?}");
        }
    }

    #[test]
    fn equal_dice_is_decided_by_the_loss() {
        let judged = |loss| Judgement { slices: 1, dice: Some(0.5), loss };
        let with = |loss| Figures { corrected: Some(judged(loss)), earlier: None };
        assert!(decide(&with(0.4), &with(0.3), 0.0).accepted);
        assert!(!decide(&with(0.3), &with(0.4), 0.0).accepted);
    }
}
