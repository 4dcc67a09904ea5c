//! The runner without a window: what is looked at comes first, and what was finished before the end is kept.

use super::*;
use crate::jobs::{Arbiter, CancelToken, Waker};
use crossbeam_channel::{Receiver, unbounded};
use std::path::Path;
use std::time::Duration;

fn request(root: &Path) -> RunnerRequest {
    let begin = start(&recipe());
    RunnerRequest {
        folder: root.into(),
        begin: Begin::New(Box::new(|_| Ok(begin))),
        device: DeviceChoice::Cpu,
        thread: None,
        arbiter: Arbiter::default(),
        early: EarlyLabels::default(),
        fault: None,
    }
}

/// The slices in the order in which they were predicted, until all are.
fn predicted(told: &Receiver<Tell>) -> Vec<Vec<usize>> {
    let mut order = Vec::new();
    loop {
        match told.recv_timeout(Duration::from_secs(120)).unwrap() {
            Tell::Predicted { slices, .. } => order.push(slices.iter().map(|s| s.0).collect()),
            Tell::Ranked { views, .. } => {
                assert_eq!(views.iter().map(|v| v.slice).collect::<Vec<_>>(), (0..10).collect::<Vec<_>>());
                assert!(views[1..9].iter().all(|v| v.jump > 0.0), "each against its own neighbours");
                return order;
            }
            Tell::Warning(text) => panic!("{text}"),
            _ => {}
        }
    }
}

#[test]
fn the_slice_on_screen_is_predicted_first_by_every_version() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("loop");
    let (asks, asked) = unbounded();
    let (ctx, told) = JobContext::attached(CancelToken::default(), Arc::default(), Waker::none());
    asks.send(Ask::Case { case: 1, volume: case(0).volume }).unwrap();
    asks.send(Ask::Looking { case: 1, slice: 7 }).unwrap();
    std::thread::scope(|scope| {
        let runner = scope.spawn(|| run(request(&root), &asked, &ctx));
        let order = [vec![7], vec![8, 9], vec![0, 1, 2, 3], vec![4, 5, 6]];
        assert_eq!(predicted(&told), order);
        // The weights change: what is on the screen follows first.
        asks.send(Ask::RollBack(0)).unwrap();
        assert_eq!(predicted(&told), order);
        drop(asks);
        runner.join().unwrap().unwrap();
    });
}

#[test]
fn what_was_finished_before_the_end_is_in_the_pool() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("loop");
    let (asks, asked) = unbounded();
    let SimCase { volume, classes } = case(0);
    asks.send(Ask::Case { case: 1, volume: volume.clone() }).unwrap();
    let effort = Effort { strokes: 3, voxels: 40, seconds: 2.0 };
    asks.send(Ask::Done {
        case: 1,
        slice: 3,
        labels: classes,
        classes: Box::new(std::array::from_fn(|n| n as u8)),
        origin: SampleOrigin::Human,
        effort,
    })
    .unwrap();
    asks.send(Ask::Tune).unwrap();
    // Stopped before anything of it was looked at.
    let ctx = JobContext::detached();
    ctx.cancel.cancel();
    run(request(&root), &asked, &ctx).unwrap();
    let (session, broken) = Session::open(&root).unwrap();
    assert!(broken.is_empty() && session.rounds().is_empty(), "nothing else is done");
    let kept: Vec<_> = session.corrections().map(|s| (s.info.case.clone(), s.info.slice, s.info.effort)).collect();
    assert_eq!(kept, [(case_key(&volume), 3, effort)]);
    assert_eq!(session.corrections().next().map(|s| s.slice.classes.clone()), Some(slice(3).classes));
}
