//! Key sheet, palette, settings, and the questions before work would be lost.

use super::screen::Screen;
use egui::{Key, Modifiers, ViewportCommand, ViewportEvent, ViewportId};
use maskwright::core::Plane;
use maskwright::nn::DeviceChoice;
use maskwright::ui::shortcuts::BINDINGS;
use maskwright::workspace::{GpuSharing, Settings, ThemeChoice};

#[test]
fn the_key_sheet_lists_every_binding() {
    let mut screen = Screen::with_scan();
    screen.harness.set_size(egui::Vec2::new(1500.0, 2200.0));
    screen.key(Modifiers::NONE, Key::F1);
    screen.steps(3);
    for binding in BINDINGS {
        assert!(screen.says(binding.text), "{}", binding.text);
    }
    assert!(screen.says("Ctrl+Shift+Z") && screen.says("Right drag"));
    screen.key(Modifiers::NONE, Key::F1);
    assert!(!screen.says("Right drag"));
}

#[test]
fn escape_closes_the_key_sheet_and_nothing_else() {
    let mut screen = Screen::with_ball();
    screen.key(Modifiers::SHIFT, Key::T);
    screen.key(Modifiers::SHIFT, Key::Enter);
    screen.wait();
    assert!(screen.document().preview().is_some());
    screen.key(Modifiers::NONE, Key::F1);
    screen.steps(3);
    assert!(screen.says("Click keys to change them."));
    screen.key(Modifiers::NONE, Key::Escape);
    screen.steps(10);
    assert!(!screen.says("Click keys to change them."));
    assert!(screen.document().preview().is_some(), "the preview stays for the next Escape");
    // While keys are being changed it means something else.
    screen.key(Modifiers::NONE, Key::F1);
    screen.steps(3);
    screen.click("Keys of ");
    screen.key(Modifiers::NONE, Key::Escape);
    screen.steps(3);
    assert!(screen.says("Click keys to change them."));
}

#[test]
fn beside_the_image_nothing_is_being_read() {
    let mut screen = Screen::with_scan();
    let pane = screen.pane(Plane::Axial);
    screen.move_to(pane.center());
    screen.steps(2);
    assert!(screen.says(" HU   voxel"));
    screen.move_to(pane.min + egui::Vec2::splat(6.0));
    screen.steps(2);
    assert!(screen.says("outside   voxel") && !screen.says("reading…"));
}

#[test]
fn the_prompt_tool_says_what_it_lacks_and_no_more() {
    let mut screen = Screen::with_scan();
    screen.key(Modifiers::COMMAND, Key::U);
    screen.steps(2);
    assert!(screen.says("start it in the Learn tab") && !screen.says("the prediction adapts"));
}

#[test]
fn the_palette_runs_what_is_typed() {
    let mut screen = Screen::with_scan();
    screen.key(Modifiers::COMMAND, Key::K);
    screen.type_text("invert");
    screen.steps(2);
    assert!(!screen.document().view.invert, "typing is no shortcut");
    screen.key(Modifiers::NONE, Key::Enter);
    assert!(screen.document().view.invert);
    assert!(!screen.says("Type a command"));
    screen.key(Modifiers::COMMAND, Key::K);
    screen.key(Modifiers::NONE, Key::Escape);
    screen.key(Modifiers::NONE, Key::I);
    assert!(!screen.document().view.invert, "keys work again");
}

#[test]
fn settings_hold_at_once_and_are_kept() {
    let mut screen = Screen::with_scan();
    assert!(screen.harness.ctx.style_of(screen.harness.ctx.theme()).visuals.dark_mode);
    screen.key(Modifiers::COMMAND | Modifiers::SHIFT, Key::L);
    screen.wait();
    assert_eq!(screen.harness.ctx.theme(), egui::Theme::Light);
    screen.menu("View", "Settings");
    for (list, entry) in [
        ("Theme", "Dark"),
        ("Compute on", "CPU"),
        ("GPU for training", "A device of its own"),
        ("Interface scale", "125 %"),
    ] {
        screen.click(list);
        screen.click(entry);
    }
    screen.wait();
    assert_eq!(screen.harness.ctx.theme(), egui::Theme::Dark);
    assert_eq!(screen.harness.ctx.zoom_factor(), 1.25);
    let kept = Settings::load(&screen.workspace().home);
    assert_eq!(kept, screen.workspace().settings);
    assert_eq!((kept.theme, kept.zoom), (ThemeChoice::Dark, 1.25));
    assert_eq!((kept.device, kept.gpu_sharing), (DeviceChoice::Cpu, GpuSharing::Dedicated));
    // The train panel begins with the device that was chosen.
    screen.click("Train");
    let device = screen.find("Device").value();
    assert_eq!(device.as_deref(), Some("CPU"));
    // egui's own scale keys are the same setting.
    screen.harness.ctx.set_zoom_factor(1.5);
    screen.steps(4);
    screen.wait();
    assert_eq!(Settings::load(&screen.workspace().home).zoom, 1.5);
    assert_eq!(screen.harness.ctx.zoom_factor(), 1.5);
}

impl Screen {
    /// The close button of the window's frame; gives what the program answered.
    fn close_window(&mut self) -> Vec<ViewportCommand> {
        let viewport = self.harness.input_mut().viewports.entry(ViewportId::ROOT).or_default();
        viewport.events.push(ViewportEvent::Close);
        self.harness.step();
        let asked = self.asked();
        self.steps(2);
        asked
    }
}

#[test]
fn closing_with_unsaved_work_asks_first() {
    let mut screen = Screen::with_scan();
    assert!(!screen.close_window().contains(&ViewportCommand::CancelClose), "nothing to lose, no question");
    screen.key(Modifiers::NONE, Key::B);
    screen.paint(Plane::Axial, Modifiers::NONE);
    let painted = screen.labels();
    assert!(screen.close_window().contains(&ViewportCommand::CancelClose));
    assert!(screen.says("not saved"));
    screen.click("Keep working");
    assert_eq!(screen.labels(), painted);
    screen.menu("File", "Close case");
    assert!(screen.says("not saved"), "closing the case asks as well");
    screen.click("Keep working");
    assert!(screen.workspace().active_document().is_some());
    screen.menu("File", "Close case");
    screen.click("Discard changes");
    assert!(screen.workspace().active_document().is_none());
    assert!(!screen.close_window().contains(&ViewportCommand::CancelClose));
}

#[test]
fn discarding_at_the_end_leaves_nothing_to_recover() {
    let mut screen = Screen::with_scan();
    screen.key(Modifiers::NONE, Key::B);
    screen.paint(Plane::Axial, Modifiers::NONE);
    screen.wait();
    screen.close_window();
    let pos = screen.find("Discard changes").rect().center();
    screen.click_at(pos);
    screen.workspace_mut().shut_down();
    let journals = screen.workspace().home.journals();
    let start = std::time::Instant::now();
    while std::fs::read_dir(&journals).map_or(0, Iterator::count) > 0 {
        assert!(start.elapsed().as_secs() < 20, "the journal is left");
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
}
