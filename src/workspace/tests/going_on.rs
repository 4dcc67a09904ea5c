//! Going from case to case of a folder of projects: what stays open and what is closed.

use super::*;
use crate::workspace::{LearnedLayer, PictureCommand, WorkCommand};

/// Four projects with slices to do in one folder, listed, and nothing open.
fn four_projects() -> (Desk, impl Fn(usize) -> PathBuf) {
    let mut desk = Desk::with_case();
    let cohort = desk.dir.path().join("cohort");
    std::fs::create_dir_all(&cohort).unwrap();
    let folder = cohort.clone();
    let project = move |n: usize| folder.join(format!("case {n}.maskwright"));
    for n in 1..=4 {
        desk.stroke(false, [20.0, 18.0, 7.0], [20.0 + n as f64, 18.0, 7.0]);
        desk.w.dispatch(FileCommand::SaveProject(Some(project(n))));
        desk.settle();
    }
    let id = desk.document().case.id;
    desk.w.dispatch(OpenCommand::Close(id));
    desk.w.dispatch(WorkCommand::ListCases(cohort));
    desk.settle();
    (desk, project)
}

#[test]
fn going_on_closes_what_is_saved_and_keeps_the_case_before() {
    let (mut desk, project) = four_projects();
    let open = |desk: &Desk| -> Vec<usize> {
        let numbers = desk.w.documents().iter().map(|d| (1..=4).find(|n| d.project == Some(project(*n))).unwrap_or(0));
        numbers.collect()
    };
    let go_on = |desk: &mut Desk| {
        desk.w.dispatch(WorkCommand::NextCase { back: false });
        desk.settle();
        desk.w.poll();
    };
    let mut seen = Vec::new();
    for _ in 0..5 {
        go_on(&mut desk);
        seen.push(open(&desk));
    }
    assert_eq!(seen, [vec![1], vec![1, 2], vec![2, 3], vec![3, 4], vec![4, 1]]);
    // Back is quick: nothing is read again, and what is open stays.
    desk.w.dispatch(WorkCommand::NextCase { back: true });
    assert_eq!(desk.document().project, Some(project(4)));
    desk.w.poll();
    assert_eq!(open(&desk), [4, 1]);
    // Unsaved work stays open, and so does a case of no folder.
    desk.stroke(false, [5.0, 5.0, 3.0], [9.0, 5.0, 3.0]);
    desk.open_file("other.nrrd");
    desk.w.dispatch(WorkCommand::NextCase { back: false });
    desk.settle();
    desk.w.dispatch(WorkCommand::NextCase { back: false });
    desk.settle();
    desk.w.poll();
    let now = open(&desk);
    assert!(now.contains(&4) && now.contains(&0), "{now:?}");
    assert!(desk.w.documents().iter().find(|d| d.project == Some(project(4))).unwrap().is_unsaved());
}

#[test]
fn going_on_leaves_alone_what_is_compared_shown_or_worked_on() {
    let (mut desk, project) = four_projects();
    let first = |desk: &Desk| desk.w.documents().iter().find(|d| d.project == Some(project(1))).map(|d| d.case.id);
    let twice = |desk: &mut Desk| {
        for _ in 0..2 {
            desk.w.dispatch(WorkCommand::NextCase { back: false });
            desk.settle();
            desk.w.poll();
        }
    };
    for what in ["a pane", "laid over", "learning", "nothing"] {
        if first(&desk).is_none() {
            desk.w.dispatch(OpenCommand::Path(project(1)));
            desk.settle();
        }
        let case = first(&desk).unwrap();
        desk.w.dispatch(OpenCommand::Activate(case));
        match what {
            "a pane" => desk.w.shown_cases = vec![case],
            "laid over" => {
                desk.w.dispatch(WorkCommand::NextCase { back: false });
                desk.settle();
                desk.w.dispatch(PictureCommand::Fuse(Some(case)));
            }
            "learning" => desk.w.document_mut(case).unwrap().learned = Some(LearnedLayer::default()),
            _ => {}
        }
        twice(&mut desk);
        assert_eq!(first(&desk).is_some(), what != "nothing", "{what}");
        desk.w.shown_cases.clear();
        for document in desk.w.documents_mut() {
            document.view.fusion = None;
            document.learned = None;
        }
    }
}

#[test]
fn going_on_waits_for_no_job_and_closes_no_case_under_one() {
    let (mut desk, project) = four_projects();
    desk.w.dispatch(OpenCommand::Path(project(1)));
    desk.settle();
    let case = desk.document().case.id;
    // A job of that case that has not come to its end.
    let (go, wait) = std::sync::mpsc::channel::<()>();
    let handle = crate::jobs::spawn("Working", crate::jobs::Waker::none(), move |_: &crate::jobs::JobContext<()>| {
        let _ = wait.recv();
        Ok::<_, String>(())
    });
    desk.w.start_on(Some(case), crate::workspace::task::JobTask::new(handle, |_, ()| {}, |_, _| {}));
    let go_to = |desk: &mut Desk, n: usize| {
        desk.w.dispatch(WorkCommand::NextCase { back: false });
        desk.until("the next case", |w| w.active_document().is_some_and(|d| d.project == Some(project(n))));
        desk.w.poll();
    };
    go_to(&mut desk, 2);
    go_to(&mut desk, 3);
    assert!(desk.w.document(case).is_some(), "a job works on it");
    drop(go);
    desk.settle();
    go_to(&mut desk, 4);
    assert!(desk.w.document(case).is_none());
}
