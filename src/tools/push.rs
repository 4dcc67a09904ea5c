//! Pushing the outline: a drag that begins inside the segment pushes it outwards, one from outside pushes it inwards.

use super::{Phase, PointerEvent, Tool};
use crate::workspace::{Command, EditCommand};
use glam::DVec3;

/// One push is one stroke; which way it goes is decided by what lies under the press.
#[derive(Debug, Default)]
pub struct PushTool {
    last: Option<DVec3>,
}

impl Tool for PushTool {
    fn pointer(&mut self, event: &PointerEvent) -> Vec<Command> {
        match (event.phase, self.last) {
            (Phase::Press, None) => {
                self.last = Some(event.voxel);
                let (at, through_axis) = (event.voxel, event.through_axis);
                vec![match event.turned {
                    None => EditCommand::BeginPush { at, through_axis }.into(),
                    Some(plane) => EditCommand::BeginPushOn { at, plane: plane.directions }.into(),
                }]
            }
            (Phase::Drag, Some(from)) if event.voxel != from => {
                self.last = Some(event.voxel);
                vec![EditCommand::ExtendStroke { from, to: event.voxel }.into()]
            }
            (Phase::Release, Some(from)) => {
                self.last = None;
                let rest = (event.voxel != from).then(|| EditCommand::ExtendStroke { from, to: event.voxel }.into());
                rest.into_iter().chain([EditCommand::CommitStroke.into()]).collect()
            }
            (Phase::Cancel, Some(_)) => {
                self.last = None;
                vec![EditCommand::AbortStroke.into()]
            }
            _ => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::{PRESETS, Plane};
    use glam::DVec2;

    #[test]
    fn a_push_is_one_stroke_from_the_press_on() {
        let event = |phase, x: f64| PointerEvent {
            phase,
            plane: Plane::Axial,
            through_axis: 2,
            turned: None,
            voxel: DVec3::new(x, 0.0, 0.0),
            delta: DVec2::ZERO,
            inverse: false,
            window: PRESETS[0].window,
        };
        let mut tool = PushTool::default();
        let pressed = tool.pointer(&event(Phase::Press, 1.0));
        assert!(matches!(pressed[..], [Command::Edit(EditCommand::BeginPush { through_axis: 2, .. })]));
        assert!(tool.pointer(&event(Phase::Drag, 1.0)).is_empty());
        assert_eq!(tool.pointer(&event(Phase::Drag, 4.0)).len(), 1);
        let done = tool.pointer(&event(Phase::Release, 5.0));
        assert!(matches!(
            done[..],
            [Command::Edit(EditCommand::ExtendStroke { .. }), Command::Edit(EditCommand::CommitStroke)]
        ));
        tool.pointer(&event(Phase::Press, 1.0));
        assert!(matches!(tool.pointer(&event(Phase::Cancel, 1.0))[..], [Command::Edit(EditCommand::AbortStroke)]));
    }
}
