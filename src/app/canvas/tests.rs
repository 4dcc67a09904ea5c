//! A window that draws only what changed shows what one shows that draws everything, pixel for pixel.

use super::*;
use crate::app::{PointerButtonKind, Probe, ProbePane, Spot};
use crate::core::{Geometry, LabelMap, Volume};
use crate::nn::SharedGpu;
use crate::workspace::{FileCommand, Home, OpenCommand, SettingsCommand, ThemeChoice};
use egui::{Event, Modifiers, PointerButton, Pos2, Vec2};
use glam::DVec3;
use rand::{Rng, SeedableRng};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The same window twice: one that draws everything, and one with a canvas.
struct Pair {
    probes: [Probe; 2],
    /// Pixels that may differ. A card may place a pane and its picture the last digit apart.
    tolerance: usize,
    seconds: f64,
    steps: usize,
}

impl Pair {
    fn new(dir: &Path) -> Option<Self> {
        let gpu = match SharedGpu::create() {
            Ok(gpu) => Arc::new(gpu),
            Err(error) => {
                println!("skipped: {error}");
                return None;
            }
        };
        let start = |name: &str, canvas| {
            let mut probe = Probe::start(gpu.clone(), Home::under(&dir.join(name)), canvas);
            probe.set_dithering(false);
            probe
        };
        let tolerance = if gpu.is_software() { 0 } else { 20 };
        Some(Self { probes: [start("plain", false), start("canvas", true)], tolerance, seconds: 0.0, steps: 0 })
    }

    /// Opens an image and a mask on it.
    fn open(&mut self, [image, mask]: [PathBuf; 2]) {
        self.wait();
        self.both(|p| p.workspace_mut().dispatch(OpenCommand::Path(image.clone())));
        self.wait();
        self.both(|p| p.workspace_mut().dispatch(FileCommand::ImportMask(mask.clone())));
        self.wait();
    }

    fn both<T>(&mut self, mut act: impl FnMut(&mut Probe) -> T) {
        for probe in &mut self.probes {
            act(probe);
        }
        // Halfway through work in the background they may show different things.
        if self.probes.iter().any(|probe| probe.workspace().is_busy()) {
            self.wait();
        } else {
            self.compare();
        }
    }

    /// One frame of each at the same time, and the places in which they differ.
    fn differences(&mut self) -> Vec<[u32; 2]> {
        self.seconds += 0.05;
        let mut shown = Vec::new();
        for probe in &mut self.probes {
            probe.set_clock(self.seconds);
            probe.frame(Vec::new()).unwrap();
            shown.push(probe.pixels());
        }
        let [(size, plain), (_, canvas)] = [&shown[0], &shown[1]];
        assert!(plain.iter().any(|&v| v != plain[0]), "something is shown");
        let pixels = plain.chunks(4).zip(canvas.chunks(4)).zip(0..);
        pixels.filter(|((a, b), _)| a != b).map(|(_, n)| [n % size[0], n / size[0]]).collect()
    }

    fn compare(&mut self) {
        self.steps += 1;
        let found = self.differences();
        let (count, step) = (found.len(), self.steps);
        assert!(count <= self.tolerance, "{count} pixels differ in step {step}, the first at {:?}", found[0]);
    }

    /// The 3-D view is drawn by a thread, as fine as time allows: only when it is whole both show the same.
    fn agree(&mut self) {
        let begun = Instant::now();
        while self.differences().len() > self.tolerance {
            assert!(begun.elapsed() < Duration::from_secs(120), "they never show the same");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Until nothing works in the background, and what fades has faded.
    fn wait(&mut self) {
        self.seconds += 20.0;
        for probe in &mut self.probes {
            probe.set_clock(self.seconds);
            probe.wait().unwrap();
        }
        self.compare();
    }
}

/// A ball in a scan of stripes.
fn scan(dir: &Path) -> [PathBuf; 2] {
    let geometry = Geometry::axis_aligned([72, 64, 24], DVec3::new(0.8, 0.8, 2.5), DVec3::ZERO).unwrap();
    let at = |n: usize| [n % 72, n / 72 % 64, n / 72 / 64];
    let hu: Vec<i16> =
        (0..geometry.voxel_count()).map(|n| (at(n)[0] * 9 + at(n)[1] * 5 + at(n)[2] * 20) as i16 - 200).collect();
    let is_inside = |n: usize| {
        let squares = at(n).into_iter().zip([36, 32, 12]).map(|(a, b)| a.abs_diff(b).pow(2));
        squares.sum::<usize>() < 81
    };
    let ball: Vec<u8> = (0..geometry.voxel_count()).map(|n| u8::from(is_inside(n))).collect();
    let [image, mask] = ["scan.nrrd", "ball.nrrd"].map(|name| dir.join(name));
    crate::io::save_volume(&image, &Volume::new(geometry, hu).unwrap()).unwrap();
    let labels = LabelMap::from_dense(geometry, &ball).unwrap();
    crate::io::save_mask(&mask, &labels, &[], None).unwrap();
    [image, mask]
}

#[test]
fn a_canvas_shows_what_a_window_shows_that_draws_everything() {
    let dir = tempfile::tempdir().unwrap();
    let Some(mut pair) = Pair::new(dir.path()) else { return };
    pair.open(scan(dir.path()));
    let at = |right, down| Spot { pane: ProbePane::Axial, right, down };
    for n in 0..3 {
        pair.both(|p| p.next_slice(n != 1).unwrap());
    }
    pair.both(|p| p.button(PointerButtonKind::Secondary, true, at(0.0, 0.0)).unwrap());
    pair.both(|p| p.move_to(at(40.0, 15.0)).unwrap());
    pair.both(|p| p.button(PointerButtonKind::Secondary, false, at(40.0, 15.0)).unwrap());
    pair.both(|p| p.take_brush(5.0, false).unwrap());
    pair.both(|p| p.button(PointerButtonKind::Primary, true, at(-60.0, 0.0)).unwrap());
    for n in 0..4 {
        pair.both(|p| p.move_to(at(-60.0 + 25.0 * n as f32, 10.0 * n as f32)).unwrap());
    }
    pair.both(|p| p.button(PointerButtonKind::Primary, false, at(15.0, 30.0)).unwrap());
    pair.wait();
    for keys in ["Ctrl+Z", "Ctrl+Y", "F1", "Escape", "Ctrl+P", "Escape", "I", "Space"] {
        pair.both(|p| p.keys(keys).unwrap());
    }
    let volume = |right, down| Spot { pane: ProbePane::Volume, right, down };
    for probe in &mut pair.probes {
        probe.show_volume().unwrap();
    }
    pair.agree();
    for probe in &mut pair.probes {
        probe.button(PointerButtonKind::Primary, true, volume(0.0, 0.0)).unwrap();
        probe.move_to(volume(30.0, 10.0)).unwrap();
        probe.button(PointerButtonKind::Primary, false, volume(30.0, 10.0)).unwrap();
    }
    pair.agree();
    for (theme, scale) in [(ThemeChoice::Light, 1.0), (ThemeChoice::Dark, 1.5)] {
        for probe in &mut pair.probes {
            probe.workspace_mut().dispatch(SettingsCommand::Theme(theme));
            probe.workspace_mut().dispatch(SettingsCommand::Scale(scale));
            probe.wait().unwrap();
        }
        pair.agree();
    }
}

#[test]
fn whatever_the_pointer_does_a_canvas_shows_it() {
    let dir = tempfile::tempdir().unwrap();
    let Some(mut pair) = Pair::new(dir.path()) else { return };
    pair.open(scan(dir.path()));
    let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(7);
    for _ in 0..40 {
        let pos = Pos2::new(random.random_range(0.0..1280.0), random.random_range(0.0..800.0));
        let moved = Event::PointerMoved(pos);
        let button =
            |pressed| Event::PointerButton { pos, button: PointerButton::Primary, pressed, modifiers: Modifiers::NONE };
        let turned = Event::MouseWheel {
            unit: egui::MouseWheelUnit::Line,
            delta: Vec2::new(0.0, 1.0),
            phase: egui::TouchPhase::Move,
            modifiers: Modifiers::NONE,
            source: egui::MouseWheelSource::Wheel,
        };
        let events = match random.random_range(0..4) {
            0 => vec![vec![moved.clone()], vec![button(true)], vec![button(false)]],
            1 => vec![vec![moved.clone()], vec![turned]],
            _ => vec![vec![moved.clone()]],
        };
        for events in events {
            pair.both(|p| p.frame(events.clone()).unwrap());
        }
    }
}
