//! Brush and eraser: a drag is one stroke, committed on release and taken back on cancel.

use super::{Phase, PointerEvent, Tool};
use crate::workspace::{Command, EditCommand};
use glam::DVec3;

/// Paints, or erases when `erase` is set; the inverse modifier swaps the two for the stroke it starts with.
#[derive(Debug, Default)]
pub struct BrushTool {
    pub erase: bool,
    last: Option<DVec3>,
}

impl BrushTool {
    /// The painting or the erasing variant.
    pub fn new(erase: bool) -> Self {
        Self { erase, last: None }
    }
}

impl Tool for BrushTool {
    fn pointer(&mut self, event: &PointerEvent) -> Vec<Command> {
        match (event.phase, self.last) {
            (Phase::Press, None) => {
                self.last = Some(event.voxel);
                let erase = self.erase != event.inverse;
                let begin = match event.turned {
                    None => EditCommand::BeginStroke { erase, through_axis: event.through_axis },
                    Some(plane) => EditCommand::BeginStrokeOn { erase, plane: plane.directions },
                };
                vec![begin.into(), EditCommand::ExtendStroke { from: event.voxel, to: event.voxel }.into()]
            }
            (Phase::Drag, Some(from)) if event.voxel != from => {
                self.last = Some(event.voxel);
                vec![EditCommand::ExtendStroke { from, to: event.voxel }.into()]
            }
            (Phase::Release, Some(from)) => {
                self.last = None;
                let mut commands = Vec::new();
                if event.voxel != from {
                    commands.push(EditCommand::ExtendStroke { from, to: event.voxel }.into());
                }
                commands.push(EditCommand::CommitStroke.into());
                commands
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
    use crate::core::{PRESETS, Plane, PlaneDirections, TurnedPlane};
    use glam::DVec2;

    fn event(phase: Phase, x: f64) -> PointerEvent {
        PointerEvent {
            phase,
            plane: Plane::Axial,
            through_axis: 2,
            turned: None,
            voxel: DVec3::new(x, 0.0, 0.0),
            delta: DVec2::ZERO,
            inverse: false,
            window: PRESETS[0].window,
        }
    }

    #[test]
    fn a_drag_is_one_transaction_without_gaps() {
        let mut tool = BrushTool::new(false);
        let mut all = Vec::new();
        for (phase, x) in
            [(Phase::Press, 1.0), (Phase::Drag, 5.0), (Phase::Drag, 5.0), (Phase::Drag, 60.0), (Phase::Release, 61.0)]
        {
            all.extend(tool.pointer(&event(phase, x)));
        }
        let spans: Vec<(f64, f64)> = all
            .iter()
            .filter_map(|c| match c {
                Command::Edit(EditCommand::ExtendStroke { from, to }) => Some((from.x, to.x)),
                _ => None,
            })
            .collect();
        assert_eq!(spans, [(1.0, 1.0), (1.0, 5.0), (5.0, 60.0), (60.0, 61.0)]);
        assert!(matches!(all[0], Command::Edit(EditCommand::BeginStroke { erase: false, through_axis: 2 })));
        assert!(matches!(all.last(), Some(Command::Edit(EditCommand::CommitStroke))));
    }

    #[test]
    fn on_a_turned_plane_the_stroke_keeps_to_it() {
        let directions = PlaneDirections { right: DVec3::X, down: DVec3::Z };
        let turned = Some(TurnedPlane::through(directions, DVec3::Y));
        let first = BrushTool::new(true).pointer(&PointerEvent { turned, ..event(Phase::Press, 0.0) });
        let [Command::Edit(EditCommand::BeginStrokeOn { erase: true, plane }), _] = first[..] else {
            panic!("{first:?}")
        };
        assert_eq!(plane, directions);
    }

    #[test]
    fn cancel_aborts_and_ctrl_erases() {
        let mut tool = BrushTool::new(false);
        let first = tool.pointer(&PointerEvent { inverse: true, ..event(Phase::Press, 0.0) });
        assert!(matches!(first[0], Command::Edit(EditCommand::BeginStroke { erase: true, .. })));
        assert!(matches!(tool.pointer(&event(Phase::Cancel, 0.0))[..], [Command::Edit(EditCommand::AbortStroke)]));
        assert!(tool.pointer(&event(Phase::Release, 0.0)).is_empty());
    }
}
