//! The window at its largest scale on a display of 1280 x 800 pixels: 512 x 320 points in which everything is reached; and
//! at 100 % there, where what tools say fits.

use super::screen::Screen;
use egui::{Key, Modifiers, Pos2, Rect, Vec2};
use egui_kittest::Node;
use egui_kittest::kittest::NodeT;
use maskwright::core::Plane;
use maskwright::tools::{MeasureKind, ToolKind};
use maskwright::workspace::SettingsCommand;

const NONE: Modifiers = Modifiers::NONE;
const CTRL: Modifiers = Modifiers::COMMAND;
/// Below menus and tools.
const TABS: f32 = 85.0;

fn small() -> Screen {
    let mut screen = Screen::new();
    screen.workspace_mut().dispatch(SettingsCommand::Scale(2.5));
    screen.steps(3);
    screen.harness.set_size(Vec2::new(512.0, 320.0));
    screen.steps(3);
    assert_eq!((screen.harness.ctx.pixels_per_point(), room(&screen).size()), (2.5, Vec2::new(512.0, 320.0)));
    screen
}

fn room(screen: &Screen) -> Rect {
    screen.harness.ctx.content_rect()
}

/// Scrolls to the thing called `name` and gives its middle, which has to be on the window.
fn reach(screen: &mut Screen, name: &str) -> Pos2 {
    screen.find(name).scroll_to_me();
    screen.steps(10);
    let place = screen.find(name).rect();
    assert!(room(screen).contains(place.center()), "{name} cannot be reached: {place:?}");
    place.center()
}

fn click(screen: &mut Screen, name: &str) {
    let at = reach(screen, name);
    screen.click_at(at);
}

fn tab_node<'a>(screen: &'a Screen, name: &str) -> Node<'a> {
    let tabs = screen.all(name).into_iter().filter(|n| n.rect().top() > TABS);
    tabs.min_by(|a, b| a.rect().top().total_cmp(&b.rect().top())).expect("the tab is there")
}

/// Brings a tab to the front.
fn tab(screen: &mut Screen, name: &str) {
    tab_node(screen, name).scroll_to_me();
    screen.steps(10);
    let place = tab_node(screen, name).rect();
    assert!(room(screen).contains(place.center()), "the tab {name} cannot be reached: {place:?}");
    screen.click_at(place.center());
    // What a panel shows first may come from a job.
    screen.wait();
}

/// These lie on the window as a whole.
fn inside(screen: &Screen, names: &[&str]) {
    for name in names {
        let place = screen.find(name).rect();
        assert!(room(screen).contains_rect(place), "{name} sticks out: {place:?}");
    }
}

#[test]
fn in_a_narrow_pane_the_window_does_not_meet_the_position() {
    let mut screen = small();
    screen.open_scan();
    let pane = screen.pane(Plane::Coronal);
    let texts = screen.painted_texts();
    let height = |part: &str| {
        let found = texts.iter().find(|(text, at)| text.contains(part) && pane.contains(*at));
        found.unwrap_or_else(|| panic!("no text holds {part:?}: {texts:?}")).1.y
    };
    assert!(height("W ") > height(" / ") + 10.0, "below it");
}

#[test]
fn panes_tools_and_panels_can_be_reached() {
    let mut screen = small();
    inside(&screen, &["Open folder or file", "Try a demo patient"]);
    screen.open_scan();
    for plane in Plane::ALL {
        let pane = screen.pane(plane);
        assert!(room(&screen).contains_rect(pane), "{plane:?}: {pane:?}");
        assert!(pane.width() >= 60.0 && pane.height() >= 60.0, "{plane:?}: {pane:?}");
    }
    inside(&screen, &["File", "Edit", "View", "Help", "Axial slice slider"]);
    for tool in ToolKind::ALL {
        click(&mut screen, tool.name());
        assert!(screen.is_on(tool.name()), "{tool:?}");
    }
    for name in ["Window preset", "W", "L", "Opacity"] {
        reach(&mut screen, name);
    }
    let outline = screen.workspace().overlay.outline;
    click(&mut screen, "Outline");
    assert_ne!(screen.workspace().overlay.outline, outline);
    screen.key(NONE, Key::B);
    click(&mut screen, "Adaptive");
    assert!(screen.workspace().brush.adaptive);
    click(&mut screen, "Adaptive");

    tab(&mut screen, "View");
    click(&mut screen, "Invert");
    assert!(screen.document().view.invert);
    tab(&mut screen, "Measure");
    click(&mut screen, "Measure rectangle");
    assert!(screen.is_on("Measure rectangle"));
    tab(&mut screen, "Edit mask");
    for name in ["Only values in this range", "Grow from seeds", "Apply"] {
        reach(&mut screen, name);
    }
    tab(&mut screen, "Train");
    for name in ["Run name", "Learning rate", "Weights…"] {
        reach(&mut screen, name);
    }
    tab(&mut screen, "Review");
    reach(&mut screen, "Cohort");
    tab(&mut screen, "Layers");
    click(&mut screen, "New layer");
    assert_eq!(screen.document().case.layers.len(), 1);
    click(&mut screen, "More for segment Segment 1");
    screen.click("Rename");
    assert!(screen.says("New name of Segment 1"));
    // And painting works.
    screen.key(NONE, Key::Escape);
    screen.key(NONE, Key::B);
    let middle = screen.pane(Plane::Coronal).center();
    screen.click_at(middle);
    assert!(screen.count(1) > 0);
}

#[test]
fn menus_and_dialogs_fit() {
    let mut screen = small();
    screen.key(CTRL, Key::O);
    screen.steps(3);
    inside(&screen, &["Path", "Browse folders", "Browse files", "Choose", "Close window"]);
    screen.key(NONE, Key::Escape);
    screen.open_scan();
    for (menu, last) in [("File", "Quit"), ("Edit", "Add segment"), ("View", "Settings"), ("Help", "About Maskwright")]
    {
        screen.click(menu);
        screen.steps(3);
        reach(&mut screen, last);
        screen.key(NONE, Key::Escape);
    }
    screen.key(NONE, Key::F1);
    screen.steps(3);
    inside(&screen, &["Reset all keys", "Close window"]);
    click(&mut screen, "Keys of Help: Command palette");
    assert!(screen.says("Press keys for \"Command palette\""));
    screen.key(NONE, Key::Escape);
    screen.key(NONE, Key::F1);
    screen.key(CTRL, Key::K);
    screen.steps(3);
    inside(&screen, &["Command", "Close window"]);
    screen.key(NONE, Key::Escape);
    // The way back to a smaller scale.
    screen.click("View");
    screen.steps(3);
    click(&mut screen, "Settings");
    screen.steps(3);
    inside(&screen, &["Theme", "Interface scale", "Compute on", "GPU for training", "Close window"]);
    screen.click("Interface scale");
    screen.steps(3);
    click(&mut screen, "100 %");
    assert_eq!(screen.workspace().settings.zoom, 1.0);
}

/// The row of the tool's options says a text with these words, and nothing in it is cut.
fn row_fits(screen: &Screen, words: &str) {
    let row = screen.find("Outline").rect().center().y;
    let mut texts = Vec::new();
    for node in screen.harness.root().children_recursive() {
        let inner = node.accesskit_node();
        let Some(text) = inner.label().or_else(|| inner.value()) else { continue };
        if inner.bounding_box().is_none() || (node.rect().center().y - row).abs() > 8.0 {
            continue;
        }
        assert!(node.rect().right() <= room(screen).right(), "{text:?} is cut: {:?}", node.rect());
        texts.push(text);
    }
    assert!(texts.iter().any(|text| text.contains(words)), "{words:?} is not among {texts:?}");
}

#[test]
fn hints_of_all_tools_fit_at_1280_by_800() {
    let mut screen = Screen::with_scan();
    screen.harness.set_size(Vec2::new(1280.0, 800.0));
    screen.steps(3);
    assert_eq!((screen.harness.ctx.pixels_per_point(), room(&screen).width()), (1.0, 1280.0));
    for tool in ToolKind::ALL {
        screen.click(tool.name());
        assert!(screen.is_on(tool.name()), "{tool:?}");
        match tool {
            ToolKind::Crosshair => row_fits(&screen, "the other planes turn"),
            ToolKind::WindowLevel => row_fits(&screen, "with every tool"),
            ToolKind::Brush => {
                row_fits(&screen, "Ctrl erases");
                screen.click("Adaptive");
                row_fits(&screen, "Ctrl erases");
                screen.click("Adaptive");
            }
            ToolKind::Eraser => row_fits(&screen, "Ctrl paints"),
            ToolKind::Lasso | ToolKind::Wire => row_fits(&screen, "the first corner closes"),
            ToolKind::Region => row_fits(&screen, "release to keep"),
            ToolKind::Island => row_fits(&screen, "Click a part"),
            ToolKind::Fill => row_fits(&screen, "Ctrl empties"),
            ToolKind::Push => row_fits(&screen, "from outside to push in"),
            ToolKind::Prompt => row_fits(&screen, "learning loop"),
            ToolKind::Measure => {
                for kind in MeasureKind::ALL {
                    screen.click(kind.name());
                    row_fits(&screen, kind.hint());
                }
            }
        }
    }
}
