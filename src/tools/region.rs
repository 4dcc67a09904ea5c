//! Region growing: press on a seed, drag right or up for more tolerance, release to keep what is shown.

use super::{Phase, PointerEvent, Tool, shown_extent, voxel_under};
use crate::edit::{Extent, Operation};
use crate::workspace::{Command, EditCommand};

/// HU of tolerance per screen point of a drag.
const HU_PER_POINT: f64 = 0.5;
/// Most that can be asked for, in HU.
pub const MAX_TOLERANCE: i16 = 1000;

/// Grows from where it is pressed; the tolerance of the last drag stays for the next.
#[derive(Debug)]
pub struct RegionTool {
    /// In HU.
    pub tolerance: i16,
    /// Through the volume instead of within the slice.
    pub volume: bool,
    /// Seed, extent, and the tolerance before rounding.
    drag: Option<([usize; 3], Extent, f64)>,
    /// Let go of, and perhaps not done yet.
    let_go: bool,
}

/// How far the growing of a region is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Growing {
    No,
    /// The button is down.
    UnderDrag,
    /// It was let go of; what it comes to may still be computed.
    LetGo,
}

impl Default for RegionTool {
    fn default() -> Self {
        Self { tolerance: 40, volume: false, drag: None, let_go: false }
    }
}

impl RegionTool {
    /// What the hand and the hints about it need to know: previews come and go while a region grows.
    pub fn growing(&self) -> Growing {
        match (&self.drag, self.let_go) {
            (Some(_), _) => Growing::UnderDrag,
            (None, true) => Growing::LetGo,
            (None, false) => Growing::No,
        }
    }

    /// Nothing of the last region is left to be done or shown.
    pub fn settle(&mut self) {
        self.let_go = false;
    }
}

impl Tool for RegionTool {
    fn pointer(&mut self, event: &PointerEvent) -> Vec<Command> {
        match event.phase {
            Phase::Press => {
                let Some(seed) = voxel_under(event) else { return Vec::new() };
                let extent = if self.volume { Extent::Volume } else { shown_extent(event, seed) };
                self.drag = Some((seed, extent, f64::from(self.tolerance)));
                self.let_go = false;
                vec![EditCommand::Preview(Operation::Grow { seed, tolerance: self.tolerance, extent }).into()]
            }
            Phase::Drag => {
                let Some((seed, extent, tolerance)) = &mut self.drag else { return Vec::new() };
                *tolerance += (event.delta.x - event.delta.y) * HU_PER_POINT;
                *tolerance = tolerance.clamp(0.0, f64::from(MAX_TOLERANCE));
                let rounded = tolerance.round() as i16;
                if rounded == self.tolerance {
                    return Vec::new();
                }
                self.tolerance = rounded;
                let operation = Operation::Grow { seed: *seed, tolerance: rounded, extent: *extent };
                vec![EditCommand::Preview(operation).into()]
            }
            Phase::Release if self.drag.take().is_some() => {
                self.let_go = true;
                vec![EditCommand::ApplyPreview.into()]
            }
            Phase::Cancel if self.drag.take().is_some() => {
                self.let_go = true;
                vec![EditCommand::CancelPreview.into()]
            }
            Phase::Release | Phase::Cancel => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::{PRESETS, Plane};
    use glam::{DVec2, DVec3};

    #[test]
    fn the_drag_sets_the_tolerance_and_the_release_applies() {
        let event = |phase, x: f64, delta: f64| PointerEvent {
            phase,
            plane: Plane::Coronal,
            through_axis: 1,
            turned: None,
            voxel: DVec3::new(x, 4.0, 2.4),
            delta: DVec2::new(delta, 0.0),
            inverse: false,
            window: PRESETS[0].window,
        };
        let mut tool = RegionTool::default();
        let grown = |commands: Vec<Command>| match commands.into_iter().next() {
            Some(Command::Edit(EditCommand::Preview(Operation::Grow { seed, tolerance, extent }))) => {
                (seed, tolerance, extent)
            }
            other => panic!("{other:?}"),
        };
        let slice = Extent::Slice { axis: 1, index: 4 };
        assert_eq!(grown(tool.pointer(&event(Phase::Press, 3.6, 0.0))), ([4, 4, 2], 40, slice));
        assert_eq!(grown(tool.pointer(&event(Phase::Drag, 9.0, 20.0))), ([4, 4, 2], 50, slice));
        assert!(tool.pointer(&event(Phase::Drag, 9.0, 0.4)).is_empty(), "less than a Hounsfield unit");
        assert_eq!(grown(tool.pointer(&event(Phase::Drag, 9.0, -900.0))).1, 0);
        assert_eq!(tool.growing(), Growing::UnderDrag);
        let done = tool.pointer(&event(Phase::Release, 9.0, 0.0));
        assert!(matches!(done[..], [Command::Edit(EditCommand::ApplyPreview)]));
        assert_eq!(tool.growing(), Growing::LetGo);
        tool.settle();
        assert_eq!(tool.growing(), Growing::No);
        assert!(tool.pointer(&event(Phase::Press, -3.0, 0.0)).is_empty(), "outside the image nothing grows");
        tool.volume = true;
        assert_eq!(grown(tool.pointer(&event(Phase::Press, 3.0, 0.0))).2, Extent::Volume);
        let cancelled = tool.pointer(&event(Phase::Cancel, 3.0, 0.0));
        assert!(matches!(cancelled[..], [Command::Edit(EditCommand::CancelPreview)]));
    }
}
