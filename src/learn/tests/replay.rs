//! What replay of earlier data is for: fine-tuning on slices of another kind, with and without it.

use super::*;

/// The same disc, dark in bright surroundings.
fn inverted(seed: usize) -> Slice {
    let mut slice = slice(seed);
    slice.hu.iter_mut().for_each(|v| *v = -70 - *v);
    slice
}

/// One round on these slices, and what became of it.
fn round(
    recipe: &Recipe,
    weights: &StateDict,
    slices: Vec<Slice>,
    earlier: [Vec<Slice>; 2],
) -> (StateDict, RoundReport) {
    let dir = tempfile::tempdir().unwrap();
    let [earlier, earlier_validation] = earlier;
    let config =
        LoopConfig { steps: 160, judge_every: 40, corrected_share: 0.5, learning_rate: 1.0, ..LoopConfig::default() };
    let start = LoopStart { recipe: recipe.clone(), weights: weights.clone(), earlier, earlier_validation, config };
    let mut session = Session::create(&dir.path().join("loop"), start).unwrap();
    for (number, slice) in slices.into_iter().enumerate() {
        session.add("0123456789abcdef", number, slice, SampleOrigin::Human, Effort::default()).unwrap();
    }
    let device = compute_device(DeviceChoice::Cpu, None).unwrap();
    let output = fine_tune(session.round().unwrap(), &device, &mut |_| true).unwrap();
    let weights = output.weights.clone();
    (weights, session.finish(output).unwrap())
}

#[test]
fn without_replay_a_round_forgets_and_is_refused_and_replay_keeps_what_was_known() {
    let recipe = recipe();
    let (first, learnt) = round(&recipe, &weights(&recipe), (0..12).map(slice).collect(), Default::default());
    let dice = |of: Option<Judgement>| of.and_then(|j| j.dice).unwrap();
    assert!(dice(learnt.candidate.corrected) > 0.7, "the first network: {learnt:?}");
    let known: Vec<Slice> = (200..208).map(slice).collect();
    let new: Vec<Slice> = (40..52).map(inverted).collect();
    let (_, without) = round(&recipe, &first, new.clone(), [Vec::new(), known.clone()]);
    let (_, with) = round(&recipe, &first, new, [(100..112).map(slice).collect(), known]);
    let [before, forgotten, kept] =
        [without.in_use.earlier, without.candidate.earlier, with.candidate.earlier].map(dice);
    assert!(forgotten < before - 0.1, "nothing was forgotten: {without:?}");
    assert!(kept > forgotten + 0.1, "replay kept nothing: {kept} against {forgotten}");
    // Better on what it was taught, and refused all the same: the loop never loses what it knew.
    assert!(dice(without.candidate.corrected) > without.in_use.corrected.and_then(|j| j.dice).unwrap_or(0.0));
    assert!(without.version.is_none() && without.decision.reason.contains("forgets"), "{without:?}");
    if with.version.is_some() {
        assert!(kept >= before - LoopConfig::default().forgetting, "{with:?}");
    }
}

#[test]
fn the_pool_of_a_loop_is_the_earlier_data_of_one_that_begins_with_its_weights() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("loop");
    let mut session = Session::create(&root, start(&recipe())).unwrap();
    for n in 0..6 {
        add(&mut session, n);
    }
    drop(session);
    let [train, validation] = replay_of_loop(&root, [300, 32]).unwrap();
    // Four earlier slices and four corrected ones; two that judged and two that were set aside.
    assert_eq!((train.len(), validation.len()), (8, 4));
    let has = |of: &[Slice], n: usize| of.iter().any(|s| s.hu == slice(n).hu);
    assert!([100, 103, 0, 2, 3, 4].iter().all(|&n| has(&train, n)));
    assert!([200, 201, 1, 5].iter().all(|&n| has(&validation, n) && !has(&train, n)), "what judges never trains");
    let [train, validation] = replay_of_loop(&root, [5, 1]).unwrap();
    assert_eq!((train.len(), validation.len()), (5, 1));
    assert!(has(&train, 4), "the newest are kept where not all are");
    assert!(matches!(replay_of_loop(dir.path(), [5, 1]), Err(LearnError::Missing(_))));
}
