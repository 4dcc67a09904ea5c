//! The list of steps: any of them by a click, and only those in sight are drawn.

use super::screen::Screen;
use maskwright::workspace::{EditCommand, LayerCommand, SegmentCommand};

const STEPS: usize = 400;

/// The numbers of the steps that are drawn.
fn drawn(screen: &Screen) -> Vec<usize> {
    use egui_kittest::kittest::NodeT;
    let names = screen.all("Step ").into_iter().filter_map(|n| n.accesskit_node().label());
    let number = |name: String| name.strip_prefix("Step ")?.split(':').next()?.parse().ok();
    let mut numbers: Vec<usize> = names.filter_map(number).collect();
    numbers.sort_unstable();
    numbers
}

#[test]
fn a_long_history_is_listed_around_the_step_of_now() {
    let mut screen = Screen::with_scan();
    screen.click("New layer");
    for n in 1..STEPS {
        screen.workspace_mut().dispatch(SegmentCommand::Rename(1, format!("Name {n}")));
    }
    assert_eq!(screen.document().steps().1, STEPS);
    let name = |screen: &Screen| screen.document().layer().unwrap().segments[0].name.clone();
    screen.click("Edit mask");
    screen.click("History");
    screen.steps(10);
    let end = drawn(&screen);
    assert!(end.len() < 20 && end.last() == Some(&STEPS), "{end:?}");
    // Wherever the history goes, the list is there.
    screen.workspace_mut().dispatch(EditCommand::JumpTo(200));
    screen.steps(3);
    let middle = drawn(&screen);
    assert!(middle.len() < 20 && middle.contains(&200), "{middle:?}");
    // A click on a line in sight goes there and leaves the list where it is.
    let place = screen.find("Step 198: ").rect();
    screen.click_at(place.center());
    assert_eq!((screen.document().steps().1, name(&screen)), (198, "Name 197".into()));
    assert_eq!(screen.find("Step 198: ").rect(), place);
    screen.workspace_mut().dispatch(EditCommand::JumpTo(1));
    screen.steps(3);
    assert!(drawn(&screen).starts_with(&[0, 1]), "{:?}", drawn(&screen));
    screen.click("Step 0: Start");
    assert!(screen.document().case.layers.is_empty());
}

#[test]
fn a_step_in_the_list_of_another_case_goes_there_and_leaves_this_one_alone() {
    let mut screen = Screen::with_scan();
    let first = screen.document().case.id;
    screen.workspace_mut().dispatch(LayerCommand::New);
    screen.workspace_mut().dispatch(SegmentCommand::Add);
    let second = screen.open_copy("other.nrrd");
    screen.workspace_mut().dispatch(LayerCommand::New);
    let steps = |screen: &Screen, case| screen.workspace().document(case).unwrap().steps().1;
    assert_eq!((steps(&screen, first), steps(&screen, second)), (2, 1));
    screen.click("Edit mask");
    screen.click("History");
    screen.steps(10);
    screen.click("Step 1 of scan.nrrd: ");
    assert_eq!(screen.document().case.id, first, "its case is the one that is worked on now");
    assert_eq!((steps(&screen, first), steps(&screen, second)), (1, 1));
    assert_eq!(screen.document().layer().unwrap().segments.len(), 1, "the second segment was step 2");
    // Now the lists have changed places.
    screen.steps(10);
    screen.click("Step 0 of other.nrrd: ");
    assert_eq!(screen.document().case.id, second);
    assert_eq!((steps(&screen, first), steps(&screen, second)), (1, 0));
    assert!(screen.document().case.layers.is_empty());
    assert_eq!(screen.workspace().document(first).unwrap().case.layers.len(), 1);
}
