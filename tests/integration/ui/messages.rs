//! What the window tells: one sentence at a time, and the same one not over and over.

use super::screen::Screen;
use egui::accesskit::Role;
use egui_kittest::Node;
use egui_kittest::kittest::NodeT;
use glam::DVec3;
use maskwright::core::Plane;
use maskwright::workspace::PictureCommand;

#[test]
fn a_sentence_that_is_told_again_does_not_pile_up() {
    let mut screen = Screen::with_scan();
    let points = [2.0, 4.0, 6.0].map(|x| DVec3::new(x, 5.0, 5.0));
    for n in 1..=3 {
        screen.workspace_mut().dispatch(PictureCommand::PlaneThrough { plane: Plane::Axial, points });
        screen.steps(2);
        let texts = screen.painted_texts();
        let told: Vec<&String> = texts.iter().map(|(text, _)| text).filter(|t| t.contains("on one line")).collect();
        assert_eq!(told.len(), 1, "{told:?}");
        assert_eq!(told[0].contains(&format!("({n} times)")), n > 1, "{told:?}");
        // Those who hear the window hear the same.
        let is_told = |node: &Node<'_>| node.accesskit_node().role() == Role::Status;
        let heard: Vec<String> = screen
            .harness
            .root()
            .children_recursive()
            .filter(is_told)
            .filter_map(|node| node.accesskit_node().label())
            .collect();
        assert_eq!(heard, [told[0].clone()]);
    }
    screen.menu("Help", "Messages");
    screen.steps(2);
    assert!(screen.says("choose a third beside it. (3 times)"));
}
