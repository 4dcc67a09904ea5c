//! Whatever can be worked with has a name for those who hear the window, and can be hit by those who point.

use super::learning::with_run;
use super::screen::Screen;
use egui::accesskit::Role;
use egui::{Key, Modifiers, PointerButton, Vec2};
use egui_kittest::kittest::NodeT;
use maskwright::core::Plane;
use maskwright::tools::ToolKind;
use maskwright::ui::panels::edit_mask::OperationKind;
use maskwright::workspace::LayerCommand;
use std::collections::BTreeSet;

const NONE: Modifiers = Modifiers::NONE;
const CTRL: Modifiers = Modifiers::COMMAND;

const CONTROLS: [Role; 11] = [
    Role::Button,
    Role::CheckBox,
    Role::RadioButton,
    Role::Slider,
    Role::SpinButton,
    Role::ComboBox,
    Role::TextInput,
    Role::MultilineTextInput,
    Role::ColorWell,
    Role::Link,
    Role::DisclosureTriangle,
];

/// What is hit by a click, other than a word in a text.
const TARGETS: [Role; 7] = [
    Role::Button,
    Role::CheckBox,
    Role::RadioButton,
    Role::SpinButton,
    Role::ComboBox,
    Role::ColorWell,
    Role::DisclosureTriangle,
];
/// Least width and height of a target in points, less a tenth for rounding.
const LEAST: f32 = 16.0 - 0.1;

/// What was found on the way through the window.
#[derive(Default)]
struct Tour {
    nameless: BTreeSet<String>,
    small: BTreeSet<String>,
    names: BTreeSet<String>,
}

impl Tour {
    /// Looks at all that is on the window now.
    fn look(&mut self, screen: &mut Screen, place: &str) {
        screen.steps(3);
        assert_eq!(screen.workspace().settings.zoom, 1.0, "sizes are those at 100 %");
        for node in screen.harness.root().children_recursive() {
            if !CONTROLS.contains(&node.accesskit_node().role()) {
                continue;
            }
            let size = node.rect().size();
            let node = node.accesskit_node();
            if TARGETS.contains(&node.role()) && size.min_elem() < LEAST {
                self.small.insert(format!("{place}: {:?} {:?} is {size:?}", node.role(), node.label()));
            }
            // A sign alone, such as dots, is no name.
            match node.label().filter(|name| name.chars().any(char::is_alphanumeric)) {
                Some(name) => drop(self.names.insert(name)),
                None => {
                    let what = (node.role(), node.label(), node.value(), node.description());
                    self.nameless.insert(format!("{place}: {what:?}"));
                }
            }
        }
    }

    /// Fails when something had no name or was too small to hit, or when one of these was not even seen.
    fn end(self, seen: &[&str]) {
        assert!(self.nameless.is_empty(), "without a name: {:#?}", self.nameless);
        assert!(self.small.is_empty(), "smaller than 16 points: {:#?}", self.small);
        for name in seen {
            assert!(self.names.contains(*name), "{name} was not seen among {:#?}", self.names);
        }
    }
}

#[test]
fn every_control_of_the_sides_has_a_name() {
    let (mut screen, mut tour) = (Screen::with_ball(), Tour::default());
    let layer = screen.document().active_layer.unwrap();
    screen.workspace_mut().dispatch(LayerCommand::Duplicate(layer));
    for tab in ["Patients", "View", "Measure"] {
        screen.tab(tab);
        tour.look(&mut screen, tab);
    }
    screen.click("Measure distance");
    let middle = screen.pane(Plane::Axial).center();
    screen.drag(middle, middle + Vec2::new(60.0, 0.0), PointerButton::Primary, NONE);
    tour.look(&mut screen, "Measure, with a distance");

    screen.click("More for layer ball.nrrd");
    tour.look(&mut screen, "a layer's menu");
    screen.click("Rename");
    tour.look(&mut screen, "a layer's name");
    screen.key(NONE, Key::Escape);
    screen.click("More for segment Ball");
    tour.look(&mut screen, "a segment's menu");
    screen.key(NONE, Key::Escape);

    screen.click("Edit mask");
    screen.click("Only values in this range");
    for kind in OperationKind::ALL {
        screen.click(kind.name());
        tour.look(&mut screen, kind.name());
        if kind == OperationKind::Islands {
            screen.click("Remove small ones");
            tour.look(&mut screen, kind.name());
        }
    }
    screen.click("Threshold");
    screen.click("Preview");
    screen.wait();
    screen.click("History");
    tour.look(&mut screen, "a preview and the history");
    tour.end(&[
        "Note of Distance 1",
        "New name of ball.nrrd",
        "Slab thickness",
        "Paint from",
        "Threshold to",
        "Smaller than",
        "Margin",
        "Other segment",
        "Fill from",
        "Step 0: Start",
    ]);
}

#[test]
fn every_control_of_training_and_review_has_a_name() {
    let (mut screen, mut tour) = (Screen::with_ball(), Tour::default());
    let layer = screen.document().active_layer.unwrap();
    screen.workspace_mut().dispatch(LayerCommand::Duplicate(layer));
    screen.click("Train");
    screen.click("Augmentation");
    tour.look(&mut screen, "a new run");
    screen.click("All settings");
    tour.look(&mut screen, "the recipe's text");
    for part in ["Progress", "Runs", "Search"] {
        screen.click(part);
        tour.look(&mut screen, part);
    }
    screen.click("Learn");
    tour.look(&mut screen, "Learn");
    screen.click("Review");
    screen.click("Compare");
    screen.wait();
    for view in ["Profile", "Quantities", "Definitions", "Figures"] {
        screen.click(view);
        tour.look(&mut screen, view);
    }
    screen.click("Difference overlay");
    screen.click("Swipe");
    tour.look(&mut screen, "the difference");
    screen.click("Cohort");
    for tab in ["Cases", "Summary", "Plots", "Paired", "Each with each", "Over time", "What to compare"] {
        screen.click(tab);
        tour.look(&mut screen, tab);
    }
    tour.end(&["Text of the recipe", "Trials", "Height (cm)", "Swipe line", "Judged 3", "Compare layers"]);
}

#[test]
fn every_control_of_prediction_and_the_loop_has_a_name() {
    let (mut screen, mut tour) = (with_run(), Tour::default());
    screen.click("Train");
    screen.click("Runs");
    screen.click("Other than the recipe says");
    screen.click("first");
    tour.look(&mut screen, "Runs");
    screen.click("Learn");
    tour.look(&mut screen, "Learn");
    tour.end(&[
        "Size of the sliding window",
        "Number of the largest parts",
        "Value of the threshold",
        "Model",
        "Steps a round",
        "Start the loop",
    ]);
}

#[test]
fn every_tool_its_options_and_every_layout_have_names() {
    let (mut screen, mut tour) = (Screen::with_ball(), Tour::default());
    for tool in ToolKind::ALL {
        screen.click(tool.name());
        assert!(screen.is_on(tool.name()));
        if tool == ToolKind::Brush {
            screen.click("Adaptive");
        }
        tour.look(&mut screen, tool.name());
    }
    screen.click("Window preset");
    tour.look(&mut screen, "the presets");
    screen.key(NONE, Key::Escape);
    screen.tab("View");
    screen.key(CTRL, Key::Num3);
    screen.steps(3);
    screen.click("Clip box");
    tour.look(&mut screen, "3-D");
    screen.key(CTRL, Key::Num5);
    tour.look(&mut screen, "side by side");
    tour.end(&[
        "Brush diameter",
        "Tolerance of the brush",
        "Opacity",
        "W",
        "Opacity of segments",
        "Clip A side",
        "Plane of pane 4",
    ]);
}

#[test]
fn every_control_of_menus_and_dialogs_has_a_name() {
    let (mut screen, mut tour) = (Screen::new(), Tour::default());
    tour.look(&mut screen, "the start screen");
    screen.click("Open folder or file");
    tour.look(&mut screen, "the path dialog");
    screen.key(NONE, Key::Escape);
    screen.open_scan();
    for menu in ["File", "Edit", "View", "Help"] {
        screen.click(menu);
        tour.look(&mut screen, menu);
        screen.key(NONE, Key::Escape);
    }
    screen.menu("View", "Settings");
    screen.click("Theme");
    tour.look(&mut screen, "Settings");
    screen.click("Dark");
    screen.click("Close window");
    screen.key(NONE, Key::F1);
    tour.look(&mut screen, "the key sheet");
    screen.key(NONE, Key::F1);
    screen.key(CTRL, Key::K);
    tour.look(&mut screen, "the palette");
    screen.key(NONE, Key::Escape);
    for entry in ["Messages", "About Maskwright"] {
        screen.menu("Help", entry);
        tour.look(&mut screen, entry);
        screen.click("Close window");
    }
    screen.key(NONE, Key::B);
    screen.paint(Plane::Axial, NONE);
    screen.menu("File", "Close case");
    tour.look(&mut screen, "the question before work is lost");
    tour.end(&["Path", "Quit", "Interface scale", "Keys of Tools: Brush: B", "Command", "Keep working"]);
}
