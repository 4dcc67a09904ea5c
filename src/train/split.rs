//! Which slices train, validate and test. Written into the run folder; a resumed run reads it from there.

use super::{SplitConfig, TrainError};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

/// Where a stored slice came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SliceOrigin {
    /// Index of the case.
    pub case: usize,
    /// Slice within the case, from the feet or wherever the volume starts.
    pub slice: usize,
}

/// Indices of stored slices.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Split {
    pub train: Vec<usize>,
    pub validation: Vec<usize>,
    pub test: Vec<usize>,
    /// Patients of each part, for people; a patient appears in several when the split is by slice.
    pub train_patients: Vec<String>,
    pub validation_patients: Vec<String>,
    pub test_patients: Vec<String>,
}

/// Divides `slices`; `patients[case]` names the patient of a case (a label that is safe to store).
///
/// # Errors
/// [`TrainError::EmptySplit`], and [`TrainError::Recipe`] when a fixed list names an unknown patient.
pub(super) fn split_slices(
    config: &SplitConfig,
    seed: u64,
    patients: &[String],
    slices: &[SliceOrigin],
) -> Result<Split, TrainError> {
    // A stream of its own: changing the augmentation must not change the split.
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(1);
    let patient = |s: &SliceOrigin| patients.get(s.case).map_or("", String::as_str);
    let mut names: Vec<&str> = patients.iter().map(String::as_str).collect();
    names.sort_unstable();
    names.dedup();
    let part_of: Vec<Part> = match config {
        SplitConfig::Patients { validation, test } => {
            names.shuffle(&mut rng);
            let (v, t) = counts(names.len(), *validation, *test);
            let part = |name: &str| match names.iter().position(|n| *n == name) {
                Some(i) if i < t => Part::Test,
                Some(i) if i < t + v => Part::Validation,
                _ => Part::Train,
            };
            slices.iter().map(|s| part(patient(s))).collect()
        }
        SplitConfig::Slices { validation, test } => {
            let mut order: Vec<usize> = (0..slices.len()).collect();
            order.shuffle(&mut rng);
            let (v, t) = counts(slices.len(), *validation, *test);
            let mut parts = vec![Part::Train; slices.len()];
            for (rank, index) in order.into_iter().enumerate().take(t + v) {
                parts[index] = if rank < t { Part::Test } else { Part::Validation };
            }
            parts
        }
        SplitConfig::KFold { folds, fold, validation } => {
            if names.len() < *folds {
                let patients = names.len();
                return Err(TrainError::Recipe(format!(
                    "split.KFold: {folds} folds need as many patients, there are {patients}"
                )));
            }
            names.shuffle(&mut rng);
            let n = names.len();
            // Part `f` of `n` patients: from f n / folds on, so that sizes differ by one at most.
            let (from, to) = ((fold - 1) * n / folds, fold * n / folds);
            let test = &names[from..to];
            let others: Vec<&str> = names[..from].iter().chain(&names[to..]).copied().collect();
            let (v, _) = counts(others.len(), *validation, 0.0);
            let part = |name: &str| match name {
                name if test.contains(&name) => Part::Test,
                name if others[..v].contains(&name) => Part::Validation,
                _ => Part::Train,
            };
            slices.iter().map(|s| part(patient(s))).collect()
        }
        SplitConfig::LeaveOneOut { patient: number, validation } => {
            let Some(held_out) = number.checked_sub(1).and_then(|n| names.get(n)) else {
                let patients = names.len();
                return Err(TrainError::Recipe(format!(
                    "split.LeaveOneOut: there is no patient {number}, only {patients}"
                )));
            };
            let mut others: Vec<usize> = (0..slices.len()).filter(|i| patient(&slices[*i]) != *held_out).collect();
            others.shuffle(&mut rng);
            let (v, _) = counts(others.len(), *validation, 0.0);
            let mut parts = vec![Part::Test; slices.len()];
            for (rank, index) in others.into_iter().enumerate() {
                parts[index] = if rank < v { Part::Validation } else { Part::Train };
            }
            parts
        }
        SplitConfig::EvenOdd { validation_every } => slices
            .iter()
            .map(|s| match s.slice {
                k if k % 2 == 1 => Part::Test,
                k if *validation_every > 0 && (k / 2) % validation_every == validation_every - 1 => Part::Validation,
                _ => Part::Train,
            })
            .collect(),
        SplitConfig::Fixed { validation, test } => {
            if let Some(name) = validation.iter().chain(test).find(|n| !names.contains(&n.as_str())) {
                return Err(TrainError::Recipe(format!("split names {name}, which is not among the patients")));
            }
            let holds = |list: &[String], s: &SliceOrigin| list.iter().any(|n| n == patient(s));
            slices
                .iter()
                .map(|s| match s {
                    s if holds(test, s) => Part::Test,
                    s if holds(validation, s) => Part::Validation,
                    _ => Part::Train,
                })
                .collect()
        }
    };
    let indices = |part: Part| -> Vec<usize> {
        part_of.iter().enumerate().filter(|(_, p)| **p == part).map(|(i, _)| i).collect()
    };
    let people = |list: &[usize]| -> Vec<String> {
        let mut out: Vec<String> = list.iter().map(|&i| patient(&slices[i]).to_owned()).collect();
        out.sort_unstable();
        out.dedup();
        out
    };
    let (train, validation, test) = (indices(Part::Train), indices(Part::Validation), indices(Part::Test));
    if train.is_empty() {
        return Err(TrainError::EmptySplit);
    }
    Ok(Split {
        train_patients: people(&train),
        validation_patients: people(&validation),
        test_patients: people(&test),
        train,
        validation,
        test,
    })
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Part {
    Train,
    Validation,
    Test,
}

/// How many of `n` validate and test: rounded, at least one when a share is asked for, and one left to train on.
fn counts(n: usize, validation: f64, test: f64) -> (usize, usize) {
    let share = |f: f64| if f > 0.0 { ((n as f64 * f).round() as usize).max(1) } else { 0 };
    let t = share(test).min(n.saturating_sub(1));
    let v = share(validation).min(n.saturating_sub(1 + t));
    (v, t)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn slices(cases: usize, each: usize) -> Vec<SliceOrigin> {
        (0..cases).flat_map(|case| (0..each).map(move |slice| SliceOrigin { case, slice })).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn every_slice_is_in_one_part_and_patients_stay_together(
            cases in 1usize..9, each in 1usize..12, v in 0.0f64..0.5, t in 0.0f64..0.45, seed in any::<u64>()
        ) {
            let names: Vec<String> = (0..cases).map(|c| format!("p{}", c / 2)).collect();
            let all = slices(cases, each);
            for config in [SplitConfig::Patients { validation: v, test: t }, SplitConfig::Slices { validation: v, test: t }] {
                let split = split_slices(&config, seed, &names, &all).unwrap();
                let mut seen: Vec<usize> = [&split.train[..], &split.validation, &split.test].concat();
                seen.sort_unstable();
                prop_assert_eq!(seen, (0..all.len()).collect::<Vec<_>>());
                prop_assert_eq!(&split, &split_slices(&config, seed, &names, &all).unwrap());
                if matches!(config, SplitConfig::Patients { .. }) {
                    prop_assert!(split.test_patients.iter().all(|p| !split.train_patients.contains(p)));
                    prop_assert!(split.validation_patients.iter().all(|p| !split.train_patients.contains(p)));
                }
            }
        }
    }

    #[test]
    fn even_slices_train_and_odd_ones_test() {
        let split =
            split_slices(&SplitConfig::EvenOdd { validation_every: 5 }, 0, &["a".into()], &slices(1, 12)).unwrap();
        assert_eq!(split.test, [1, 3, 5, 7, 9, 11]);
        assert_eq!((split.train, split.validation), (vec![0, 2, 4, 6, 10], vec![8]));
    }

    #[test]
    fn folds_test_every_patient_once() {
        let names: Vec<String> = (0..7).map(|n| format!("p{n}")).collect();
        let all = slices(7, 3);
        let mut tested = Vec::new();
        for fold in 1..=3 {
            let config = SplitConfig::KFold { folds: 3, fold, validation: 0.2 };
            let split = split_slices(&config, 5, &names, &all).unwrap();
            assert_eq!(split.train.len() + split.validation.len() + split.test.len(), 21);
            assert_eq!(split.validation_patients.len(), 1);
            assert!(split.test_patients.iter().all(|p| !split.train_patients.contains(p)));
            tested.extend(split.test_patients);
        }
        tested.sort();
        assert_eq!(tested, names);
        let too_many = SplitConfig::KFold { folds: 8, fold: 1, validation: 0.2 };
        assert!(split_slices(&too_many, 5, &names, &all).unwrap_err().to_string().contains("8 folds"));
    }

    #[test]
    fn one_patient_is_left_out() {
        let names: Vec<String> = ["b", "a", "c"].map(str::to_owned).into();
        let config = |patient| SplitConfig::LeaveOneOut { patient, validation: 0.05 };
        let split = split_slices(&config(1), 5, &names, &slices(3, 20)).unwrap();
        assert_eq!((split.test_patients.as_slice(), split.test.len()), (&["a".to_owned()][..], 20));
        assert_eq!((split.validation.len(), split.train.len()), (2, 38));
        assert!(split_slices(&config(4), 5, &names, &slices(3, 2)).unwrap_err().to_string().contains("no patient 4"));
    }

    #[test]
    fn fixed_lists_and_empty_parts() {
        let names = ["a".to_owned(), "b".to_owned()];
        let fixed = |v: &str, t: &str| SplitConfig::Fixed { validation: vec![v.into()], test: vec![t.into()] };
        assert!(matches!(split_slices(&fixed("a", "b"), 0, &names, &slices(2, 2)), Err(TrainError::EmptySplit)));
        assert!(split_slices(&fixed("a", "z"), 0, &names, &slices(2, 2)).unwrap_err().to_string().contains('z'));
    }
}
