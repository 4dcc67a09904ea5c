//! The loop's promises: what is on disk is complete, candidates are judged on what never trains, and correcting with
//! the loop costs less than without.

mod device;
mod early;
mod replay;
mod serving;

use super::*;
use crate::core::Geometry;
use crate::core::{LabelMap, Volume};
use crate::jobs::JobContext;
use crate::nn::{Compute, DeviceChoice, NetworkConfig, StateDict, UNetConfig, compute_device};
use crate::train::{Judgement, Recipe, Slice};
use glam::DVec3;
use std::sync::Arc;

const SIZE: usize = 32;

fn recipe() -> Recipe {
    let mut recipe = Recipe::load("demo").unwrap();
    recipe.preprocessing.size = SIZE;
    recipe.network = NetworkConfig::UNet(UNetConfig::new(4, 2));
    recipe.batch_size = 4;
    recipe.optimizer.lr = 0.01;
    recipe
}

fn weights(recipe: &Recipe) -> StateDict {
    recipe.network_spec().initial_weights(3)
}

/// A bright disc of its own size and place in soft tissue.
fn slice(seed: usize) -> Slice {
    let (x, y, r) = (10 + seed * 5 % 12, 9 + seed * 7 % 13, 4 + seed % 5);
    let inside = |n: usize| (n % SIZE).abs_diff(x).pow(2) + (n / SIZE).abs_diff(y).pow(2) <= r * r;
    let noise = |n: usize| ((n * 7919 + seed * 104729) % 61) as i16;
    Slice {
        hu: (0..SIZE * SIZE).map(|n| if inside(n) { 200 } else { -300 } + noise(n)).collect(),
        classes: (0..SIZE * SIZE).map(|n| u8::from(inside(n))).collect(),
    }
}

fn start(recipe: &Recipe) -> LoopStart {
    LoopStart {
        recipe: recipe.clone(),
        weights: weights(recipe),
        earlier: (0..4).map(|n| slice(100 + n)).collect(),
        earlier_validation: (0..2).map(|n| slice(200 + n)).collect(),
        config: LoopConfig { steps: 12, judge_every: 4, slices_per_round: 4, ..LoopConfig::default() },
    }
}

fn tune(session: &mut Session) -> RoundReport {
    let device = compute_device(DeviceChoice::Cpu, None).unwrap();
    let output = fine_tune(session.round().unwrap(), &device, &mut |_| true).unwrap();
    session.finish(output).unwrap()
}

fn add(session: &mut Session, number: usize) -> Added {
    let effort = Effort { strokes: 2, voxels: 30, seconds: 1.5 };
    session.add("0123456789abcdef", number, slice(number), SampleOrigin::Human, effort).unwrap()
}

#[test]
fn corrected_slices_become_a_better_version_that_can_be_rolled_back_and_opened_again() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("loop");
    let recipe = recipe();
    let mut session = Session::create(&root, start(&recipe)).unwrap();
    assert!(matches!(Session::create(&root, start(&recipe)), Err(LearnError::Exists(_))));
    assert!(matches!(session.round(), Err(LearnError::NothingToLearn)));
    let roles: Vec<Added> = (0..6).map(|n| add(&mut session, n)).collect();
    assert_eq!(roles.iter().filter(|r| **r == Added::SetAside).count(), 2, "{roles:?}");
    assert_eq!(roles[1], Added::SetAside, "the first round has something to be judged on");
    // The same slice again is the same sample, in the same role.
    assert_eq!(add(&mut session, 1), Added::SetAside);
    assert_eq!((session.corrected(), session.pending(), session.is_due()), (6, 6, true));
    let mut reports = vec![tune(&mut session)];
    while reports.last().unwrap().version.is_none() && reports.len() < 6 {
        reports.push(tune(&mut session));
    }
    let report = reports.last().unwrap();
    assert_eq!(report.version, Some(1), "{reports:?}");
    assert!(report.candidate.corrected.unwrap().dice > report.in_use.corrected.unwrap().dice, "{report:?}");
    assert_eq!((session.pending(), session.in_use()), (0, 1));
    let info = &session.versions()[1];
    assert!(info.corrected.len() == 4 && info.corrected.iter().all(|t| t.slice != 1 && t.slice != 5), "{info:?}");
    assert_eq!(info.parent_sha256.as_ref(), Some(&session.versions()[0].weights_sha256));
    let card = std::fs::read_to_string(root.join("versions/0001/card.md")).unwrap();
    assert!(card.contains(&info.weights_sha256) && card.contains("4 slices by a person, of 1 case"), "{card}");
    assert_eq!(session.effort(), [(0, 6, Effort { strokes: 14, voxels: 210, seconds: 10.5 })]);

    let (again, broken) = Session::open(&root).unwrap();
    assert!(broken.is_empty());
    assert_eq!(again.weights(), session.weights());
    let sums = |s: &Session| s.versions().iter().map(|v| v.weights_sha256.clone()).collect::<Vec<_>>();
    assert_eq!((sums(&again), again.in_use(), again.corrected()), (sums(&session), 1, 6));
    let became = |s: &Session| s.rounds().iter().map(|r| r.version).collect::<Vec<_>>();
    assert_eq!(became(&again), became(&session));

    session.roll_back(0).unwrap();
    assert_eq!(**session.weights(), weights(&recipe));
    assert!(matches!(session.roll_back(7), Err(LearnError::NoVersion(7))));
    let (number, file) = weights_in_use(&root).unwrap();
    assert!(number == 0 && file.is_file());
    // Going on from version 0 makes version 2: a number never means two things.
    let device = compute_device(DeviceChoice::Cpu, None).unwrap();
    let output = fine_tune(session.round().unwrap(), &device, &mut |_| true).unwrap();
    session.roll_back(1).unwrap();
    let late = session.finish(output).unwrap();
    assert!(late.version.is_none() && late.decision.reason.contains("meanwhile"), "{late:?}");
}

/// A round whose candidate is judged so, without training.
fn judged(session: &mut Session, before: f64, after: f64) -> RoundReport {
    let figures = |dice: f64| {
        let judgement = Judgement { slices: 1, dice: Some(dice), loss: 1.0 - dice };
        Figures { corrected: Some(judgement), earlier: None }
    };
    let input = session.round().unwrap();
    let output = RoundOutput {
        weights: (*input.weights).clone(),
        figures: figures(after),
        in_use: figures(before),
        steps: 4,
        learning_rate: 0.01,
        device: "none".into(),
        seconds: 1.0,
        input,
    };
    session.finish(output).unwrap()
}

#[test]
fn three_rounds_in_vain_are_a_hint_and_one_that_gains_takes_it_away() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("loop");
    let mut session = Session::create(&root, start(&recipe())).unwrap();
    add(&mut session, 0);
    assert_eq!(add(&mut session, 1), Added::SetAside);
    for _ in 0..2 {
        assert!(judged(&mut session, 0.8, 0.7).version.is_none());
        assert_eq!(session.hint(), Hint::GoOn);
    }
    judged(&mut session, 0.8, 0.8);
    let told = session.hint();
    assert!(matches!(&told, Hint::Stop(text) if text.contains("Dice 0.800")), "{told:?}");
    assert_eq!(Session::open(&root).unwrap().0.hint(), told);
    assert_eq!(judged(&mut session, 0.8, 0.9).version, Some(1));
    assert_eq!(session.hint(), Hint::GoOn);
    for n in 0..3 {
        assert_eq!(session.hint(), Hint::GoOn, "{n}");
        judged(&mut session, 0.9, 0.85);
    }
    assert!(matches!(session.hint(), Hint::Stop(text) if text.contains("Dice 0.900")));
}

#[test]
fn a_version_names_the_slices_set_aside_and_older_ones_open_without() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("loop");
    let mut session = Session::create(&root, start(&recipe())).unwrap();
    for n in 0..3 {
        add(&mut session, n);
    }
    judged(&mut session, 0.8, 0.9);
    let version = &session.versions()[1];
    let aside = Taught { case: "0123456789abcdef".into(), slice: 1, origin: SampleOrigin::Human };
    assert_eq!(version.set_aside, [aside]);
    assert_eq!(version.taught_by(), "2 slices by a person, of 1 case");
    assert_eq!(version.judged_on(), "1 slice by a person, of 1 case");
    assert!(session.versions()[0].set_aside.is_empty());
    let card = std::fs::read_to_string(root.join("versions/0001/card.md")).unwrap();
    assert!(
        card.contains("| Judged on | 1 slice by a person") && card.contains("| `0123456789abcdef` | 2 |"),
        "{card}"
    );
    let effort: Vec<_> = session.slices().iter().map(|s| (s.slice, s.set_aside, s.effort.voxels)).collect();
    assert_eq!(effort, [(0, false, 30), (1, true, 30), (2, false, 30)]);
    // As an older program wrote it.
    let manifest = root.join("versions/0001/manifest.json");
    let mut old: serde_json::Value = serde_json::from_slice(&std::fs::read(&manifest).unwrap()).unwrap();
    assert!(old.as_object_mut().unwrap().remove("set_aside").is_some());
    std::fs::write(&manifest, old.to_string()).unwrap();
    let (again, broken) = Session::open(&root).unwrap();
    assert!(broken.is_empty() && again.in_use() == 1 && again.versions()[1].set_aside.is_empty());
}

#[test]
fn damage_costs_what_is_damaged_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("loop");
    let mut session = Session::create(&root, start(&recipe())).unwrap();
    for n in 0..4 {
        add(&mut session, n);
    }
    drop(session);
    let pool = root.join("pool");
    let file = pool.join("c-0123456789abcdef-00002.slice");
    let mut bytes = std::fs::read(&file).unwrap();
    bytes[100] ^= 1;
    std::fs::write(&file, bytes).unwrap();
    std::fs::write(pool.join("c-cut-00000.slice"), b"MWSLICE1").unwrap();
    // A version that a killed program had not finished.
    std::fs::create_dir(root.join("versions/.0001.7-1.tmp")).unwrap();
    let (session, broken) = Session::open(&root).unwrap();
    assert_eq!((session.corrected(), broken.len(), session.versions().len()), (3, 2, 1));
    assert!(broken.iter().all(|e| e.to_string().lines().count() == 1));
    let weights = root.join("versions/0000/weights.safetensors");
    let mut bytes = std::fs::read(&weights).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&weights, bytes).unwrap();
    let error = Session::open(&root).err().unwrap();
    assert!(error.to_string().contains("checksum"), "{error}");
    assert!(matches!(Session::open(dir.path()), Err(LearnError::Missing(_))));
}

#[test]
fn a_round_stops_when_told_and_repeats_bit_for_bit() {
    let dir = tempfile::tempdir().unwrap();
    let mut session = Session::create(&dir.path().join("loop"), start(&recipe())).unwrap();
    for n in 0..4 {
        add(&mut session, n);
    }
    let device = compute_device(DeviceChoice::Cpu, None).unwrap();
    let mut calls = 0;
    let stopped = fine_tune(session.round().unwrap(), &device, &mut |_| {
        calls += 1;
        calls < 4
    });
    assert!(matches!(stopped, Err(LearnError::Cancelled)));
    let runs: Vec<_> =
        (0..2).map(|_| fine_tune(session.round().unwrap(), &device, &mut |_| true).unwrap().weights).collect();
    assert_eq!(runs[0], runs[1]);
}

/// Slices of a shrinking disc.
fn case(seed: usize) -> SimCase {
    let slices: Vec<Slice> = (0..10).map(|k| slice(seed + k)).collect();
    let geometry = Geometry::axis_aligned([SIZE, SIZE, 10], DVec3::new(1.0, 1.0, 5.0), DVec3::ZERO).unwrap();
    let hu: Vec<i16> = slices.iter().flat_map(|s| s.hu.clone()).collect();
    let classes: Vec<u8> = slices.iter().flat_map(|s| s.classes.clone()).collect();
    SimCase {
        volume: Arc::new(Volume::new(geometry, hu).unwrap()),
        classes: LabelMap::from_dense(geometry, &classes).unwrap(),
    }
}

#[test]
fn the_loop_saves_the_simulated_annotator_work() {
    let dir = tempfile::tempdir().unwrap();
    let recipe = recipe();
    let begin = start(&recipe);
    let request = SimRequest {
        weights: weights(&recipe),
        recipe,
        earlier: begin.earlier,
        earlier_validation: begin.earlier_validation,
        cases: vec![case(0), case(20), case(40)],
        arms: vec![Arm::Nothing, Arm::Fixed(SimOrder::Queue), Arm::Loop(SimOrder::Queue)],
        config: LoopConfig { steps: 30, judge_every: 10, slices_per_round: 4, ..LoopConfig::default() },
        target: 0.9,
        seed: 1,
        folder: dir.path().to_owned(),
    };
    let compute = Compute::here(compute_device(DeviceChoice::Cpu, None).unwrap());
    let result = simulate(&request, &compute, &JobContext::detached()).unwrap();
    let [nothing, fixed, learning] = &result.arms[..] else { panic!("{result:?}") };
    assert!(result.arms.iter().all(|a| a.reached), "{result:?}");
    assert!(nothing.start_dice == 0.0 && fixed.start_dice == learning.start_dice);
    assert!(learning.accepted > 0);
    assert!(2 * learning.voxels <= fixed.voxels, "{} of {}", learning.voxels, fixed.voxels);
    assert!(learning.slices < fixed.slices && learning.slices < nothing.slices);
    for arm in &result.arms {
        assert_eq!(arm.curve.len(), arm.slices);
        assert!(arm.curve.windows(2).all(|w| w[0].voxels <= w[1].voxels));
    }
}
