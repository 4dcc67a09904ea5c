//! Prompt: a click or scribble inside of the active segment (outside with Ctrl); the network's answer adapts on release.

use super::{Phase, PointerEvent, Tool};
use crate::workspace::{Command, LearnCommand};
use glam::DVec3;

/// Collects the positions of a drag.
#[derive(Debug, Default)]
pub struct PromptTool {
    /// Positions so far, and whether they lie inside.
    drag: Option<(Vec<DVec3>, bool)>,
}

impl PromptTool {
    /// The scribble under way: continuous voxel positions, and whether they lie inside.
    pub fn scribble(&self) -> Option<(&[DVec3], bool)> {
        self.drag.as_ref().map(|(points, inside)| (points.as_slice(), *inside))
    }
}

impl Tool for PromptTool {
    fn pointer(&mut self, event: &PointerEvent) -> Vec<Command> {
        match event.phase {
            Phase::Press => self.drag = Some((vec![event.voxel], !event.inverse)),
            Phase::Drag => {
                if let Some((points, _)) = &mut self.drag {
                    points.push(event.voxel);
                }
            }
            Phase::Release => {
                if let Some((points, inside)) = self.drag.take() {
                    return vec![LearnCommand::Prompt { plane: event.plane, points, inside }.into()];
                }
            }
            Phase::Cancel => self.drag = None,
        }
        Vec::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::{PRESETS, Plane};
    use glam::DVec2;

    #[test]
    fn a_scribble_is_one_prompt_and_escape_drops_it() {
        let event = |phase, x: f64, inverse| PointerEvent {
            phase,
            plane: Plane::Axial,
            through_axis: 2,
            turned: None,
            voxel: DVec3::new(x, 4.0, 2.0),
            delta: DVec2::ZERO,
            inverse,
            window: PRESETS[0].window,
        };
        let mut tool = PromptTool::default();
        assert!(tool.pointer(&event(Phase::Press, 1.0, true)).is_empty());
        assert!(tool.pointer(&event(Phase::Drag, 2.0, true)).is_empty());
        assert_eq!(tool.scribble().map(|(p, inside)| (p.len(), inside)), Some((2, false)));
        let commands = tool.pointer(&event(Phase::Release, 2.0, true));
        let [Command::Learn(LearnCommand::Prompt { points, inside: false, .. })] = &commands[..] else {
            panic!("{commands:?}")
        };
        assert_eq!(points.len(), 2);
        tool.pointer(&event(Phase::Press, 1.0, false));
        tool.pointer(&event(Phase::Cancel, 1.0, false));
        assert!(tool.pointer(&event(Phase::Release, 1.0, false)).is_empty());
    }
}
