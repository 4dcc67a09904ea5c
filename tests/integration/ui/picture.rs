//! What is really drawn: slices and masks on the graphics device, read back.

use super::screen::{Screen, write_mask};
use eframe::egui_wgpu::{WgpuSetup, WgpuSetupExisting};
use egui::{Key, Modifiers, PointerButton, Rect, Vec2};
use egui_kittest::Harness;
use image::RgbaImage;
use maskwright::core::Plane;
use maskwright::nn::SharedGpu;
use maskwright::workspace::{FileCommand, SegmentCommand, ViewCommand};

/// Pixels of a pane, a margin for its frame and texts left out.
fn pixels(picture: &RgbaImage, pane: Rect) -> Vec<[u8; 3]> {
    let inner = pane.shrink2(Vec2::new(pane.width() * 0.3, pane.height() * 0.3));
    let rows = inner.top() as u32..inner.bottom() as u32;
    rows.flat_map(|y| (inner.left() as u32..inner.right() as u32).map(move |x| picture.get_pixel(x, y).0))
        .map(|p| [p[0], p[1], p[2]])
        .collect()
}

/// The window as a picture. A busy machine may let a wait for software Vulkan run out; what was asked for is then done
/// by the next one.
fn draw(screen: &mut Screen) -> RgbaImage {
    let mut drawn = screen.harness.render();
    for _ in 0..5 {
        if drawn.is_ok() {
            break;
        }
        drawn = screen.harness.render();
    }
    drawn.unwrap()
}

/// The window on a graphics device, with the small scan open; nothing where there is no device.
fn on_device() -> Option<Screen> {
    let Ok(gpu) = SharedGpu::create() else {
        println!("skipped: no wgpu adapter");
        return None;
    };
    let setup = WgpuSetup::Existing(WgpuSetupExisting {
        instance: gpu.instance.clone(),
        adapter: gpu.adapter.clone(),
        device: gpu.device.clone(),
        queue: gpu.queue.clone(),
    });
    let mut screen = Screen::build(tempfile::tempdir().unwrap(), Harness::builder().wgpu_setup(setup));
    draw(&mut screen);
    screen.open_scan();
    screen.key(Modifiers::ALT, Key::Num1);
    screen.key(Modifiers::NONE, Key::X);
    screen.harness.remove_cursor();
    screen.steps(2);
    Some(screen)
}

/// Reads the ball as a mask in plain red.
fn add_red_ball(screen: &mut Screen) {
    let mask = write_mask(screen.dir.path());
    screen.workspace_mut().dispatch(FileCommand::ImportMask(mask));
    screen.wait();
    screen.workspace_mut().dispatch(SegmentCommand::Color(1, [255, 0, 0]));
    screen.workspace_mut().dispatch(ViewCommand::Opacity(1.0));
    settle(screen);
}

/// Draws until what changed is on the device.
fn settle(screen: &mut Screen) {
    for _ in 0..3 {
        screen.steps(2);
        draw(screen);
    }
}

/// Pixels of a pane that show the mask.
fn red(screen: &mut Screen, plane: Plane) -> usize {
    screen.steps(1);
    let picture = draw(screen);
    pixels(&picture, screen.pane(plane)).iter().filter(|p| p[0] > 200 && p[1] < 60 && p[2] < 60).count()
}

#[test]
fn slices_and_masks_are_drawn() {
    let Some(mut screen) = on_device() else { return };
    // The first picture uploads the volume, the second shows it.
    draw(&mut screen);
    screen.steps(2);
    let picture = draw(&mut screen);
    for plane in Plane::ALL {
        let seen = pixels(&picture, screen.pane(plane));
        let grey = seen.iter().filter(|p| p[0] > 60 && p[0] == p[1] && p[1] == p[2]).count();
        assert!(grey * 2 > seen.len(), "{plane:?}: {grey} of {} pixels show the body", seen.len());
    }
    add_red_ball(&mut screen);
    let before = red(&mut screen, Plane::Axial);
    assert!(before > 500, "{before} pixels of the mask");
    screen.key(Modifiers::NONE, Key::B);
    screen.paint(Plane::Axial, Modifiers::COMMAND);
    screen.harness.remove_cursor();
    screen.steps(2);
    draw(&mut screen);
    let erased = red(&mut screen, Plane::Axial);
    assert!(erased < before, "what was erased is gone from the picture: {erased} of {before}");
    screen.key(Modifiers::NONE, Key::S);
    assert_eq!(red(&mut screen, Plane::Axial), 0, "the mask is switched off");
}

#[test]
fn only_outlines_are_drawn_while_a_stroke_is_made() {
    let Some(mut screen) = on_device() else { return };
    draw(&mut screen);
    add_red_ball(&mut screen);
    let filled = red(&mut screen, Plane::Axial);
    assert!(filled > 2000, "{filled} pixels of the mask");
    let middle = screen.pane(Plane::Axial).center();
    // The brush, and the tool that pushes the outline, which is a stroke as well.
    for (key, name) in [(Key::B, "Brush"), (Key::Z, "Push")] {
        screen.key(Modifiers::NONE, key);
        assert!(screen.is_on(name));
        for outlines in [false, true] {
            if screen.workspace().overlay.outline_while_painting != outlines {
                screen.key(Modifiers::SHIFT, Key::L);
            }
            let to = middle + Vec2::new(12.0, 0.0);
            screen.press_and_move(middle, to, PointerButton::Primary, Modifiers::NONE);
            settle(&mut screen);
            let during = red(&mut screen, Plane::Axial);
            if outlines {
                assert!(during > 50 && during * 4 < filled, "{name}: {during} of {filled} pixels are left");
            } else {
                assert!(during * 2 > filled, "{name}: {during} of {filled} pixels are left");
            }
            screen.key(Modifiers::NONE, Key::Escape);
            screen.button(to, PointerButton::Primary, false, Modifiers::NONE);
            settle(&mut screen);
            let after = red(&mut screen, Plane::Axial);
            assert!(after * 10 > filled * 9, "{name}: {after} of {filled} pixels after the stroke");
        }
    }
    // A pan is no stroke.
    screen.press_and_move(middle, middle + Vec2::new(4.0, 0.0), PointerButton::Middle, Modifiers::NONE);
    settle(&mut screen);
    assert!(red(&mut screen, Plane::Axial) * 2 > filled);
}
