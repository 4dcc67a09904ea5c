//! What a model was trained on is offered for replay, and replayed, by a loop that begins with it.

use super::*;

/// Slices of earlier data in a loop's pool: those that train, those that judge.
fn earlier(w: &Workspace, name: &str) -> [usize; 2] {
    let files = std::fs::read_dir(w.home.runs().join(name).join("pool")).unwrap();
    let names: Vec<String> = files.map(|e| e.unwrap().file_name().to_string_lossy().into_owned()).collect();
    ["e-train-", "e-validation-"].map(|begin| names.iter().filter(|n| n.starts_with(begin)).count())
}

#[test]
fn the_folder_that_a_run_was_trained_on_is_replayed_and_so_is_the_pool_of_a_loop() {
    let mut desk = Desk::with_case();
    desk.paint_all_slices();
    let data = desk.dir.path().join("data");
    for folder in ["imagesTr", "labelsTr"] {
        std::fs::create_dir_all(data.join(folder)).unwrap();
    }
    let document = desk.document();
    let (volume, layer) = (document.case.volume.clone().unwrap(), document.layer().unwrap().clone());
    crate::io::save_volume(&data.join("imagesTr/a.nrrd"), &volume).unwrap();
    crate::io::save_mask(&data.join("labelsTr/a.nrrd"), &layer.labels, &layer.segments, None).unwrap();
    let from_folder = TrainForm { source: TrainSource::Folder(data.clone()), ..desk.train_form("known", 1) };
    desk.w.dispatch(ModelCommand::Train(from_folder));
    desk.settle();
    let run = desk.w.home.runs().join("known");
    let notices = desk.w.take_notices();
    assert_eq!(desk.w.earlier_data(&run), Some(&data), "{notices:?}");
    assert_eq!(Settings::load(&desk.w.home).trained_on.get("known"), Some(&data), "in the next program too");
    // Refused, since there is one of that name: what is known of it stays.
    let again = desk.train_form("known", 1);
    desk.w.dispatch(ModelCommand::Train(again));
    desk.settle();
    assert_eq!(desk.w.earlier_data(&run), Some(&data));
    // Of a run on the open case no folder is known.
    let open_case = desk.train_form("other", 1);
    desk.w.dispatch(ModelCommand::Train(open_case));
    desk.settle();
    assert_eq!(desk.w.earlier_data(&desk.w.home.runs().join("other")), None);
    assert_eq!(desk.w.earlier_data(&desk.dir.path().join("known")), None, "a run that lies elsewhere");

    let offered = desk.w.earlier_data(&run).cloned();
    let form = LearnForm { earlier: offered, ..desk.learn_form(run.clone()) };
    desk.start_loop(form.clone());
    let first = earlier(&desk.w, "loop");
    assert!(first.iter().all(|n| *n > 0) && first.iter().sum::<usize>() <= DIMS[2], "{first:?}");
    desk.show(2);
    desk.correct(2);
    desk.w.dispatch(LearnCommand::Done);
    desk.until("the slice in the pool", |w| {
        w.learning.view.as_ref().and_then(|v| v.state.as_ref()).is_some_and(|s| s.corrected == 1)
    });
    desk.w.dispatch(LearnCommand::Stop);
    desk.settle();
    // A loop that begins with another loop's weights replays what had taught them.
    let loop_folder = desk.w.home.runs().join("loop");
    desk.start_loop(LearnForm { run: loop_folder, name: "second".into(), earlier: None, ..form });
    assert_eq!(earlier(&desk.w, "second"), [first[0] + 1, first[1]]);
    desk.w.dispatch(LearnCommand::Stop);
    desk.settle();
    std::fs::rename(&data, desk.dir.path().join("away")).unwrap();
    assert_eq!(desk.w.earlier_data(&run), None, "nothing is offered that is not there");
}
