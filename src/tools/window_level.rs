//! Drag to the right widens the window, drag down raises the level, as in 3D Slicer and OHIF.

use super::{Phase, PointerEvent, Tool};
use crate::core::Window;
use crate::workspace::{Command, ViewCommand};

/// Remembers the window at the start of a drag, so that cancel restores it.
#[derive(Debug, Default)]
pub struct WindowLevelTool {
    start: Option<Window>,
}

/// HU (or samples of an overlay) per screen point: proportional to the width, so that narrow windows are set finely and wide ones quickly.
fn step(window: &Window) -> f64 {
    (window.window_width / 250.0).clamp(0.25, 200.0)
}

impl Tool for WindowLevelTool {
    fn pointer(&mut self, event: &PointerEvent) -> Vec<Command> {
        match event.phase {
            Phase::Press => {
                self.start = Some(event.window);
                Vec::new()
            }
            Phase::Drag if self.start.is_some() => {
                let mut window = event.window;
                let step = step(&window);
                window.window_width = (window.window_width + event.delta.x * step).max(1.0);
                window.window_center += event.delta.y * step;
                vec![ViewCommand::Window(window).into()]
            }
            Phase::Cancel => self.start.take().map(|w| ViewCommand::Window(w).into()).into_iter().collect(),
            Phase::Drag | Phase::Release => {
                self.start = None;
                Vec::new()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::Plane;
    use glam::{DVec2, DVec3};

    #[test]
    fn right_widens_down_raises_cancel_restores() {
        let window = Window::new(500.0, 40.0);
        let event = |phase, delta| PointerEvent {
            phase,
            plane: Plane::Axial,
            through_axis: 2,
            turned: None,
            voxel: DVec3::ZERO,
            delta,
            inverse: false,
            window,
        };
        let mut tool = WindowLevelTool::default();
        assert!(tool.pointer(&event(Phase::Press, DVec2::ZERO)).is_empty());
        let [Command::View(ViewCommand::Window(w))] = tool.pointer(&event(Phase::Drag, DVec2::new(10.0, -5.0)))[..]
        else {
            panic!("a drag sets the window")
        };
        assert_eq!((w.window_width, w.window_center), (520.0, 30.0));
        let [Command::View(ViewCommand::Window(w))] = tool.pointer(&event(Phase::Cancel, DVec2::ZERO))[..] else {
            panic!("cancel restores")
        };
        assert_eq!(w, window);
    }
}
