//! A window without a display: finds what is on it by accessible name, moves the pointer, presses keys, waits for work.

use egui::{Event, Key, Modifiers, PointerButton, Pos2, Vec2};
use egui_kittest::kittest::NodeT;
use egui_kittest::{Harness, Node};
use glam::DVec3;
use maskwright::core::{CaseId, Geometry, LabelMap, Plane, Volume};
use maskwright::jobs::Waker;
use maskwright::ui::MainWindow;
use maskwright::workspace::{Document, FileCommand, Home, LayerCommand, OpenCommand, Workspace};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// 0.8 mm pixels, 2.5 mm slices; no multiple of a brick.
pub const DIMS: [usize; 3] = [72, 64, 24];
/// Longest wait for background work.
const PATIENCE: Duration = Duration::from_secs(180);

/// What the harness draws.
pub struct Desk {
    pub window: MainWindow,
    pub workspace: Workspace,
}

/// The window with its home in a folder of its own.
pub struct Screen {
    pub harness: Harness<'static, Desk>,
    pub dir: tempfile::TempDir,
}

impl Screen {
    /// The start screen.
    pub fn new() -> Self {
        Self::build(tempfile::tempdir().unwrap(), Harness::builder())
    }

    /// The start screen over the home in `dir`.
    pub fn build(dir: tempfile::TempDir, builder: egui_kittest::HarnessBuilder<Desk>) -> Self {
        let workspace = Workspace::new(Home::under(&dir.path().join("home")), Waker::none(), None);
        let window = MainWindow::new(maskwright::ui::viewer::TargetFormat::Rgba8Unorm, "a test".into());
        let harness = builder.with_size(Vec2::new(1500.0, 950.0)).build_ui_state(
            |ui, desk: &mut Desk| desk.window.show(ui, &mut desk.workspace),
            Desk { window, workspace },
        );
        let mut screen = Self { harness, dir };
        screen.wait();
        screen
    }

    /// With the small scan open.
    pub fn with_scan() -> Self {
        let mut screen = Self::new();
        screen.open_scan();
        screen
    }

    /// With the small scan open and the ball in it as a mask.
    pub fn with_ball() -> Self {
        let mut screen = Self::with_scan();
        let mask = write_mask(screen.dir.path());
        screen.workspace_mut().dispatch(FileCommand::ImportMask(mask));
        screen.wait();
        screen.steps(3);
        assert!(screen.count(1) > 0);
        screen
    }

    /// Opens the small scan.
    pub fn open_scan(&mut self) {
        let path = write_scan(self.dir.path());
        self.workspace_mut().dispatch(OpenCommand::Path(path));
        self.wait();
        self.steps(4);
        assert!(self.document().case.volume.is_some(), "{:?}", self.workspace_mut().take_notices());
    }

    /// Opens a copy of the small scan as the file `name` as one more case, which is called so.
    pub fn open_copy(&mut self, name: &str) -> CaseId {
        let path = self.dir.path().join(name);
        std::fs::copy(self.dir.path().join("scan.nrrd"), &path).unwrap();
        self.workspace_mut().dispatch(OpenCommand::Path(path));
        self.wait();
        self.steps(4);
        assert_eq!(self.document().case.name, name);
        self.document().case.id
    }

    /// Duplicates the active layer, erases a part of the copy, compares both in the Review tab.
    pub fn compare_with_copy(&mut self) {
        let truth = self.document().active_layer.unwrap();
        self.workspace_mut().dispatch(LayerCommand::Duplicate(truth));
        self.key(Modifiers::NONE, Key::B);
        self.paint(Plane::Axial, Modifiers::COMMAND);
        self.key(Modifiers::NONE, Key::V);
        self.click("Review");
        self.click("Compare");
        self.wait();
        assert!(self.workspace().review.report.is_some());
    }

    pub fn workspace(&self) -> &Workspace {
        &self.harness.state().workspace
    }

    /// For setting the scene; what is tested goes through the window.
    pub fn workspace_mut(&mut self) -> &mut Workspace {
        &mut self.harness.state_mut().workspace
    }

    pub fn document(&self) -> &Document {
        self.workspace().active_document().expect("a case is open")
    }

    pub fn labels(&self) -> LabelMap {
        self.document().layer().expect("a layer is active").labels.clone()
    }

    /// Voxels of a label in the active layer.
    pub fn count(&self, label: u8) -> u64 {
        self.document().layer().map_or(0, |l| l.labels.counts()[usize::from(label)])
    }

    pub fn steps(&mut self, n: usize) {
        self.harness.run_steps(n);
    }

    /// Draws frames until nothing runs in the background.
    pub fn wait(&mut self) {
        self.until("the end of background work", |w| !w.is_busy());
        self.steps(2);
    }

    /// Draws frames until `done`.
    pub fn until(&mut self, what: &str, done: impl Fn(&Workspace) -> bool) {
        let start = Instant::now();
        loop {
            self.harness.step();
            if done(self.workspace()) {
                return;
            }
            assert!(start.elapsed() < PATIENCE, "never came: {what}");
            std::thread::sleep(Duration::from_millis(4));
        }
    }

    /// The thing on the window called `name`, or else the first whose name begins so.
    pub fn find(&self, name: &str) -> Node<'_> {
        self.all(name).into_iter().next().unwrap_or_else(|| panic!("nothing is called {name:?}"))
    }

    /// Everything whose name begins with `name`; what is called exactly so comes first.
    pub fn all(&self, name: &str) -> Vec<Node<'_>> {
        let label = |n: &Node<'_>| n.accesskit_node().label();
        let mut nodes: Vec<Node<'_>> = self
            .harness
            .root()
            .children_recursive()
            .filter(|n| label(n).is_some_and(|l| l.starts_with(name)))
            .collect();
        nodes.sort_by_key(|n| label(n).as_deref() != Some(name));
        nodes
    }

    /// The field for a number called `name`: a slider beside it has the same name.
    pub fn number(&self, name: &str) -> Node<'_> {
        let is_it = |n: &Node<'_>| n.accesskit_node().role() == egui::accesskit::Role::SpinButton;
        self.all(name).into_iter().find(is_it).unwrap_or_else(|| panic!("no number is called {name:?}"))
    }

    /// Whether the button or box called `name` is chosen.
    pub fn is_on(&self, name: &str) -> bool {
        self.find(name).accesskit_node().toggled() == Some(egui::accesskit::Toggled::True)
    }

    /// What is said beside the name of a thing, as when the pointer rests on it.
    pub fn hint(&self, name: &str) -> String {
        self.find(name).accesskit_node().description().unwrap_or_default()
    }

    /// The list (combo box) that shows `value`.
    pub fn list_showing(&self, value: &str) -> Node<'_> {
        let is_it = |n: &Node<'_>| {
            n.accesskit_node().role() == egui::accesskit::Role::ComboBox && n.value().as_deref() == Some(value)
        };
        self.harness.root().children_recursive().find(is_it).unwrap_or_else(|| panic!("no list shows {value:?}"))
    }

    /// Whether anything on the window says `text`, as a name or as a value.
    pub fn says(&self, text: &str) -> bool {
        self.harness.root().children_recursive().any(|n| {
            let node = n.accesskit_node();
            node.label().is_some_and(|l| l.contains(text)) || node.value().is_some_and(|v| v.contains(text))
        })
    }

    /// The text on the window that reads `text`: what only reads has a value and no name.
    pub fn text_node(&self, text: &str) -> Node<'_> {
        let is_it = |n: &Node<'_>| n.accesskit_node().value().as_deref() == Some(text);
        self.harness.root().children_recursive().find(is_it).unwrap_or_else(|| panic!("no text reads {text:?}"))
    }

    /// The first text on the window that holds `part`.
    pub fn find_text(&self, part: &str) -> String {
        let texts = self.harness.root().children_recursive().flat_map(|n| {
            let node = n.accesskit_node();
            [node.label(), node.value()]
        });
        texts.flatten().find(|t| t.contains(part)).unwrap_or_else(|| panic!("nothing says {part:?}"))
    }

    /// What `pick` finds among the shapes of the last frame, where it can be seen.
    fn painted<T>(&self, pick: impl Fn(&egui::Shape) -> Option<(T, Pos2)>) -> Vec<(T, Pos2)> {
        let mut found = Vec::new();
        for clipped in &self.harness.output().shapes {
            let mut open = vec![&clipped.shape];
            while let Some(shape) = open.pop() {
                match shape {
                    egui::Shape::Vec(parts) => open.extend(parts),
                    shape => found.extend(pick(shape).filter(|(_, at)| clipped.clip_rect.contains(*at))),
                }
            }
        }
        found
    }

    /// Texts of the last frame with their middles; also those without an accessible name, as over a picture.
    pub fn painted_texts(&self) -> Vec<(String, Pos2)> {
        self.painted(|shape| match shape {
            egui::Shape::Text(text) => Some((text.galley.text().to_owned(), text.visual_bounding_rect().center())),
            _ => None,
        })
    }

    /// Whether a text that holds `part` is painted in a place.
    pub fn paints_in(&self, place: egui::Rect, part: &str) -> bool {
        self.painted_texts().iter().any(|(text, at)| text.contains(part) && place.contains(*at))
    }

    /// Middles of the filled circles of a colour.
    pub fn painted_dots(&self, fill: egui::Color32) -> Vec<Pos2> {
        let dots = self.painted(|shape| match shape {
            egui::Shape::Circle(circle) if circle.fill == fill => Some(((), circle.center)),
            _ => None,
        });
        dots.into_iter().map(|(_, at)| at).collect()
    }

    /// Middles of the filled squares of a colour and size.
    pub fn painted_squares(&self, fill: egui::Color32, side: f32) -> Vec<Pos2> {
        let squares = self.painted(|shape| match shape {
            egui::Shape::Rect(s) if s.fill == fill && (s.rect.size() - Vec2::splat(side)).length() < 0.01 => {
                Some(((), s.rect.center()))
            }
            _ => None,
        });
        squares.into_iter().map(|(_, at)| at).collect()
    }

    /// Clicks the thing called `name`; brings it into sight first where a panel has to be scrolled.
    pub fn click(&mut self, name: &str) {
        const STATUS_BAR: f32 = 40.0;
        let bottom = self.harness.ctx.content_rect().bottom() - STATUS_BAR;
        let found = self.find(name);
        if found.rect().center().y > bottom {
            found.scroll_to_me();
            self.steps(10);
        }
        let pos = self.find(name).rect().center();
        self.click_at(pos);
    }

    pub fn click_at(&mut self, pos: Pos2) {
        self.move_to(pos);
        self.button(pos, PointerButton::Primary, true, Modifiers::NONE);
        self.button(pos, PointerButton::Primary, false, Modifiers::NONE);
        self.steps(3);
    }

    /// Gives the keyboard to the thing called `name`, as Tab does.
    pub fn focus(&mut self, name: &str) {
        self.find(name).focus();
        self.steps(3);
    }

    /// Brings a tab of the left side to the front.
    pub fn tab(&mut self, name: &str) {
        let named = self.all(name);
        let exact = named.iter().filter(|n| n.rect().top() > 60.0 && n.rect().left() < 400.0).map(|n| n.rect());
        let tab = exact.min_by(|a, b| a.top().total_cmp(&b.top())).expect("the tab is on the window");
        self.click_at(tab.center());
    }

    /// Opens a menu of the bar and clicks an entry.
    pub fn menu(&mut self, menu: &str, entry: &str) {
        self.click(menu);
        self.click(entry);
    }

    pub fn move_to(&mut self, pos: Pos2) {
        self.event(Event::PointerMoved(pos));
    }

    pub fn button(&mut self, pos: Pos2, button: PointerButton, pressed: bool, modifiers: Modifiers) {
        self.event(Event::PointerButton { pos, button, pressed, modifiers });
    }

    pub fn event(&mut self, event: Event) {
        self.harness.event(event);
        self.harness.step();
    }

    pub fn key(&mut self, modifiers: Modifiers, key: Key) {
        self.harness.key_press_modifiers(modifiers, key);
        self.harness.step();
        self.steps(2);
    }

    /// Types into what has the focus.
    pub fn type_text(&mut self, text: &str) {
        self.event(Event::Text(text.to_owned()));
    }

    /// Replaces the text of the field called `name` and leaves it with Enter.
    pub fn fill(&mut self, name: &str, text: &str) {
        self.click(name);
        self.replace(text);
    }

    /// The same for a number beside a slider.
    pub fn fill_number(&mut self, name: &str, text: &str) {
        let pos = self.number(name).rect().center();
        self.click_at(pos);
        self.replace(text);
    }

    fn replace(&mut self, text: &str) {
        self.key(Modifiers::COMMAND, Key::A);
        self.type_text(text);
        self.key(Modifiers::NONE, Key::Enter);
    }

    /// Answers the open path dialog.
    pub fn answer_path(&mut self, path: &Path) {
        self.steps(2);
        self.fill("Path", &path.to_string_lossy());
    }

    /// Where a pane is on the window.
    pub fn pane(&self, plane: Plane) -> egui::Rect {
        self.pane_node(plane).rect()
    }

    /// The picture of a pane.
    pub fn pane_node(&self, plane: Plane) -> Node<'_> {
        let nodes = self.all(&format!("{} slice ", plane.name()));
        let is_image = |n: &Node<'_>| n.accesskit_node().role() == egui::accesskit::Role::Image;
        nodes.into_iter().find(is_image).expect("the pane is on the window")
    }

    /// The number of the slice that a pane shows, from 1, as its name says.
    pub fn shown_slice(&self, plane: Plane) -> usize {
        let name = self.pane_node(plane).accesskit_node().label().unwrap();
        name.rsplit(' ').next().unwrap().parse().unwrap()
    }

    /// Presses at `from`, moves in small steps to `to`; the button stays down.
    pub fn press_and_move(&mut self, from: Pos2, to: Pos2, button: PointerButton, modifiers: Modifiers) {
        self.move_to(from);
        self.button(from, button, true, modifiers);
        for n in 1..=6 {
            self.move_to(from + (to - from) * (n as f32 / 6.0));
        }
    }

    pub fn drag(&mut self, from: Pos2, to: Pos2, button: PointerButton, modifiers: Modifiers) {
        self.press_and_move(from, to, button, modifiers);
        self.button(to, button, false, modifiers);
        self.steps(2);
    }

    /// A short stroke with the tool in hand around the middle of a pane.
    pub fn paint(&mut self, plane: Plane, modifiers: Modifiers) {
        let middle = self.pane(plane).center();
        self.drag(middle - Vec2::new(30.0, 0.0), middle + Vec2::new(30.0, 6.0), PointerButton::Primary, modifiers);
    }

    pub fn wheel(&mut self, pos: Pos2, notches: f32, modifiers: Modifiers) {
        self.move_to(pos);
        self.event(Event::MouseWheel {
            unit: egui::MouseWheelUnit::Line,
            delta: Vec2::new(0.0, notches),
            phase: egui::TouchPhase::Move,
            source: egui::MouseWheelSource::Wheel,
            modifiers,
        });
        self.steps(2);
    }

    /// What the window asked its system for in the last frame.
    pub fn asked(&self) -> Vec<egui::ViewportCommand> {
        self.harness.output().viewport_output[&egui::ViewportId::ROOT].commands.clone()
    }
}

/// A body of soft tissue with a bright ball in it, as a file.
pub fn write_scan(dir: &Path) -> PathBuf {
    let geometry = Geometry::axis_aligned(DIMS, DVec3::new(0.8, 0.8, 2.5), DVec3::new(-28.0, -25.0, -30.0)).unwrap();
    let [nx, ny, nz] = DIMS;
    let mut hu = Vec::with_capacity(nx * ny * nz);
    for k in 0..nz {
        for j in 0..ny {
            for i in 0..nx {
                let (x, y, z) = (i as f64 - 36.0, j as f64 - 32.0, (k as f64 - 12.0) * 3.0);
                let body = x * x / 900.0 + y * y / 600.0 < 1.0;
                let ball = x * x + y * y + z * z < 196.0;
                hu.push(if ball {
                    180
                } else if body {
                    30
                } else {
                    -1000
                });
            }
        }
    }
    let path = dir.join("scan.nrrd");
    maskwright::io::save_volume(&path, &Volume::new(geometry, hu).unwrap()).unwrap();
    path
}

/// The ball as a mask file beside the scan.
pub fn write_mask(dir: &Path) -> PathBuf {
    let geometry = Geometry::axis_aligned(DIMS, DVec3::new(0.8, 0.8, 2.5), DVec3::new(-28.0, -25.0, -30.0)).unwrap();
    let mut labels = LabelMap::empty(geometry);
    for k in 8..17 {
        for j in 20..45 {
            for i in 24..49 {
                let (x, y, z) = (i as f64 - 36.0, j as f64 - 32.0, (k as f64 - 12.0) * 3.0);
                if x * x + y * y + z * z < 196.0 {
                    labels.set([i, j, k], 1);
                }
            }
        }
    }
    let path = dir.join("ball.nrrd");
    maskwright::io::save_mask(&path, &labels, &[maskwright::core::Segment::new(1, "Ball")], None).unwrap();
    path
}
