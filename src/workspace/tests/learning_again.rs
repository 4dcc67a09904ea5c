//! The learning loop goes on in the program that follows on one whose window was lost, with all that was done there.

use super::resuming::resumption;
use super::*;
use crate::learn::{LoopConfig, LoopState};

fn state(w: &Workspace) -> Option<&LoopState> {
    w.learning.view.as_ref().filter(|v| v.running)?.state.as_ref()
}

#[test]
fn the_loop_goes_on_after_the_window_was_lost_and_nothing_that_was_done_is_missing() {
    let mut desk = Desk::with_case();
    let run = desk.little_run();
    let form = desk.learn_form(run);
    let config = LoopConfig { slices_per_round: 50, ..form.config };
    desk.start_loop(LearnForm { config, ..form });
    let mut done = Vec::new();
    for slice in [2, 5, 8] {
        desk.show(slice);
        desk.correct(slice);
        desk.w.dispatch(LearnCommand::Done);
        done.push((slice, desk.slice_labels(slice)));
    }
    desk.until("all three in the pool", |w| state(w).is_some_and(|s| s.corrected == 3));
    let kept = desk.w.keep_all();
    let kept_loop = kept.learning.as_ref().map(|l| (l.name.as_str(), l.device, l.all_cases));
    assert_eq!((kept_loop, kept.cases.len(), kept.lost.len()), (Some(("loop", DeviceChoice::Cpu, false)), 1, 0));
    // As if the program had ended before the last one was written.
    let pool = desk.w.home.runs().join("loop/pool");
    let mut files = std::fs::read_dir(&pool).unwrap().map(|e| e.unwrap().path());
    let last = files.find(|p| p.to_string_lossy().ends_with("-00008.slice")).unwrap();
    std::fs::remove_file(&last).unwrap();

    let mut next = desk.replaced(resumption(kept));
    next.ranked();
    next.until("the slice that was missing", |w| state(w).is_some_and(|s| s.corrected == 3));
    assert!(last.is_file());
    for (slice, labels) in done {
        assert_eq!((next.mark(slice), next.slice_labels(slice)), (SliceMark::Done, labels), "slice {slice}");
    }
    assert_eq!(next.mark(3), SliceMark::Predicted(0));
    assert_eq!(next.document().case.layers.iter().filter(|l| l.name == "Loop loop").count(), 1);
    next.w.dispatch(LearnCommand::Stop);
    next.settle();
    // One that was stopped is not begun again.
    let kept = next.w.keep_all();
    assert_eq!(kept.learning, None);
    let mut last = next.replaced(resumption(kept));
    last.settle();
    assert!(!last.w.learning.is_running() && last.w.documents().len() == 1);
}
