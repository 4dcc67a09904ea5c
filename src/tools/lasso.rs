//! Contours: a drag draws freehand and ends with the release, clicks set the corners of a polygon.

use super::{Phase, PointerEvent, Tool};
use crate::core::TurnedPlane;
use crate::edit::{LassoMode, Operation};
use crate::workspace::{Command, EditCommand};
use glam::DVec3;

/// Movement, in screen points, that makes a press a freehand line and not a corner.
const FREEHAND: f64 = 6.0;

/// The contour being drawn.
#[derive(Debug, Clone, PartialEq)]
pub struct Contour {
    /// Voxel axis through the pane it is drawn in, and the slice.
    pub axis: usize,
    pub index: usize,
    /// The plane it is drawn on instead, when that is none of the grid's.
    pub turned: Option<TurnedPlane>,
    /// Continuous voxel positions.
    pub corners: Vec<DVec3>,
}

impl Contour {
    /// Whether it lies where a pane looks that shows this slice, or this turned plane.
    pub fn lies_on(&self, axis: usize, index: usize, turned: Option<&TurnedPlane>) -> bool {
        match (&self.turned, turned) {
            (None, None) => self.axis == axis && self.index == index,
            (Some(own), Some(shown)) => own.is_same(shown),
            _ => false,
        }
    }
}

/// Draws contours; `mode` says what becomes of their inside, and the inverse modifier swaps adding and removing.
#[derive(Debug)]
pub struct LassoTool {
    pub mode: LassoMode,
    /// Through all slices of the plane.
    pub through: bool,
    contour: Option<Contour>,
    inverse: bool,
    /// Length of the present drag in screen points, and corners before it; `None` when no button is down.
    drag: Option<(f64, usize)>,
}

impl Default for LassoTool {
    fn default() -> Self {
        Self { mode: LassoMode::Add, through: false, contour: None, inverse: false, drag: None }
    }
}

impl LassoTool {
    /// The contour being drawn, when there is one.
    pub fn contour(&self) -> Option<&Contour> {
        self.contour.as_ref()
    }

    /// Ends the contour and applies it.
    pub fn close(&mut self) -> Vec<Command> {
        self.drag = None;
        let Some(contour) = self.contour.take() else { return Vec::new() };
        let mode = match (self.mode, self.inverse) {
            (mode, false) => mode,
            (LassoMode::Add | LassoMode::KeepInside | LassoMode::Split { .. }, true) => LassoMode::Remove,
            (LassoMode::Remove, true) => LassoMode::Add,
        };
        let Contour { corners, axis, index, turned } = contour;
        let through = self.through;
        let operation = match turned {
            None => Operation::Lasso { corners, axis, index, mode, through },
            Some(plane) => Operation::LassoOn { corners, plane, mode, through },
        };
        vec![EditCommand::Apply(operation).into()]
    }

    /// Adds corners to the contour, which begins with them when there is none on that slice.
    pub fn append(&mut self, axis: usize, index: usize, corners: &[DVec3], inverse: bool) {
        let here = |c: &Contour| c.lies_on(axis, index, None);
        let contour = self.contour.take().filter(here);
        let mut contour = contour.unwrap_or_else(|| {
            self.inverse = inverse;
            Contour { axis, index, turned: None, corners: Vec::new() }
        });
        for corner in corners {
            if contour.corners.last() != Some(corner) {
                contour.corners.push(*corner);
            }
        }
        self.contour = Some(contour);
    }

    /// Forgets the contour.
    pub fn drop_contour(&mut self) {
        (self.contour, self.drag) = (None, None);
    }
}

impl Tool for LassoTool {
    fn pointer(&mut self, event: &PointerEvent) -> Vec<Command> {
        let index = event.voxel[event.through_axis].round().max(0.0) as usize;
        match event.phase {
            Phase::Press => {
                let here = |c: &Contour| c.lies_on(event.through_axis, index, event.turned.as_ref());
                // On another slice or in another pane a new contour begins.
                let mut contour = self.contour.take().filter(here).unwrap_or_else(|| {
                    self.inverse = event.inverse;
                    let (axis, turned) = (event.through_axis, event.turned);
                    Contour { axis, index, turned, corners: Vec::new() }
                });
                let again = contour.corners.last() == Some(&event.voxel);
                self.drag = Some((0.0, contour.corners.len()));
                if !again {
                    contour.corners.push(event.voxel);
                }
                let enough = contour.corners.len() > 2;
                self.contour = Some(contour);
                // A second click on the same corner, as of a double click, closes the polygon.
                if again && enough { self.close() } else { Vec::new() }
            }
            Phase::Drag => {
                if let (Some(contour), Some((length, _))) = (&mut self.contour, &mut self.drag) {
                    *length += event.delta.length();
                    if contour.corners.last() != Some(&event.voxel) {
                        contour.corners.push(event.voxel);
                    }
                }
                Vec::new()
            }
            Phase::Release => {
                let Some((length, before)) = self.drag.take() else { return Vec::new() };
                if length > FREEHAND {
                    return self.close();
                }
                if let Some(contour) = &mut self.contour {
                    // The hand trembled: one corner.
                    contour.corners.truncate(before + 1);
                }
                Vec::new()
            }
            Phase::Cancel => {
                self.drop_contour();
                Vec::new()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::{PRESETS, Plane, PlaneDirections};
    use glam::DVec2;

    fn event(phase: Phase, x: f64, y: f64, inverse: bool) -> PointerEvent {
        PointerEvent {
            phase,
            plane: Plane::Axial,
            through_axis: 2,
            turned: None,
            voxel: DVec3::new(x, y, 7.0),
            delta: DVec2::new(if phase == Phase::Drag { 5.0 } else { 0.0 }, 0.0),
            inverse,
            window: PRESETS[0].window,
        }
    }

    fn applied(commands: &[Command]) -> Option<(usize, usize, LassoMode)> {
        match commands {
            [Command::Edit(EditCommand::Apply(Operation::Lasso { corners, index, mode, .. }))] => {
                Some((corners.len(), *index, *mode))
            }
            _ => None,
        }
    }

    #[test]
    fn a_drag_is_freehand_and_clicks_are_corners() {
        let mut tool = LassoTool::default();
        tool.pointer(&event(Phase::Press, 0.0, 0.0, true));
        tool.pointer(&event(Phase::Drag, 5.0, 0.0, false));
        tool.pointer(&event(Phase::Drag, 5.0, 5.0, false));
        let done = tool.pointer(&event(Phase::Release, 0.0, 5.0, false));
        assert_eq!(applied(&done), Some((3, 7, LassoMode::Remove)), "Ctrl removes");
        assert!(tool.contour().is_none());

        for (x, y) in [(0.0, 0.0), (9.0, 0.0), (9.0, 9.0)] {
            assert!(tool.pointer(&event(Phase::Press, x, y, false)).is_empty());
            // A tremor of less than a few points is no line.
            tool.pointer(&event(Phase::Drag, x + 0.1, y, false));
            assert!(tool.pointer(&event(Phase::Release, x, y, false)).is_empty());
        }
        assert_eq!(tool.contour().map(|c| c.corners.len()), Some(3));
        let done = tool.pointer(&event(Phase::Press, 9.0, 9.0, false));
        assert_eq!(applied(&done), Some((3, 7, LassoMode::Add)), "the second click on a corner closes");
        assert!(tool.pointer(&event(Phase::Release, 9.0, 9.0, false)).is_empty());

        // On a turned plane, and anew when the plane was moved in between.
        let on = |depth: f64, x: f64, y: f64| {
            let directions = PlaneDirections { right: DVec3::X, down: DVec3::Z };
            PointerEvent { turned: Some(TurnedPlane { directions, depth }), ..event(Phase::Press, x, y, false) }
        };
        for (depth, x, y) in [(3.0, 1.0, 1.0), (4.0, 0.0, 0.0), (4.0, 9.0, 0.0), (4.0, 9.0, 9.0)] {
            assert!(tool.pointer(&on(depth, x, y)).is_empty());
            tool.pointer(&event(Phase::Release, x, y, false));
        }
        let done = tool.close();
        let [Command::Edit(EditCommand::Apply(Operation::LassoOn { corners, plane, .. }))] = &done[..] else {
            panic!("{done:?}")
        };
        assert_eq!((corners.len(), plane.depth), (3, 4.0));

        tool.pointer(&event(Phase::Press, 1.0, 1.0, false));
        tool.pointer(&event(Phase::Cancel, 1.0, 1.0, false));
        assert!(tool.contour().is_none() && tool.close().is_empty());
    }
}
