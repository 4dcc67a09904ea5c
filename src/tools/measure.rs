//! Distances, angles and regions; a window from a region; a plane through three points.

use super::{Phase, PointerEvent, Tool};
use crate::core::{Measurement, Plane, Shape, ShapeKind};
use crate::workspace::{Command, MeasureCommand, PictureCommand};
use glam::DVec3;

/// A drag shorter than this many screen points is a click: the next point follows by another one.
const CLICK: f64 = 4.0;

/// What the tool makes of the points it is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MeasureKind {
    Shape(ShapeKind),
    /// A window for what lies in a rectangle.
    Window,
    /// A plane through three points.
    Plane,
}

impl Default for MeasureKind {
    fn default() -> Self {
        Self::Shape(ShapeKind::Distance)
    }
}

impl MeasureKind {
    /// In the order of the options.
    pub const ALL: [Self; 6] = [
        Self::Shape(ShapeKind::Distance),
        Self::Shape(ShapeKind::Angle),
        Self::Shape(ShapeKind::Ellipse),
        Self::Shape(ShapeKind::Rectangle),
        Self::Window,
        Self::Plane,
    ];

    /// Name for buttons and screen readers.
    pub fn name(self) -> &'static str {
        match self {
            Self::Shape(kind) => kind.name(),
            Self::Window => "Window of region",
            Self::Plane => "Plane through 3 points",
        }
    }

    /// What a hand has to do.
    pub fn hint(self) -> &'static str {
        match self {
            Self::Shape(ShapeKind::Angle) => "Click three points; the angle is at the second",
            Self::Shape(ShapeKind::Distance) => "Drag from one point to another, or click both",
            Self::Shape(_) => "Drag over the region",
            Self::Window => "Drag over what the window should show",
            Self::Plane => "Click three points on any slices",
        }
    }

    fn points(self) -> usize {
        match self {
            Self::Shape(kind) => kind.points(),
            Self::Window => 2,
            Self::Plane => 3,
        }
    }

    /// Whether it needs a slice of the grid.
    pub fn is_region(self) -> bool {
        matches!(self, Self::Window | Self::Shape(ShapeKind::Ellipse | ShapeKind::Rectangle))
    }
}

/// What is being drawn.
#[derive(Debug, Clone, PartialEq)]
pub struct Draft {
    pub kind: MeasureKind,
    /// Voxel axis through the slice of the first point.
    pub axis: usize,
    pub points: Vec<DVec3>,
}

/// A point of a kept measurement that is being moved.
#[derive(Debug, Clone, Copy)]
struct Moving {
    id: u32,
    point: usize,
    before: Shape,
}

/// Remembers the points of a measurement until it is complete.
#[derive(Debug, Default)]
pub struct MeasureTool {
    kind: MeasureKind,
    draft: Option<Draft>,
    moving: Option<Moving>,
    /// The point of a kept measurement under the pointer, set by the viewer before a press.
    pub under: Option<(Measurement, usize)>,
    dragged: f64,
}

impl MeasureTool {
    /// What the next points make.
    pub fn kind(&self) -> MeasureKind {
        self.kind
    }

    /// Chooses what the next points make.
    pub fn choose(&mut self, kind: MeasureKind) {
        self.kind = kind;
        self.draft = None;
    }

    /// What is being drawn.
    pub fn draft(&self) -> Option<&Draft> {
        self.draft.as_ref()
    }

    /// Forgets what is being drawn; says whether there was anything.
    pub fn drop_draft(&mut self) -> bool {
        self.moving = None;
        self.draft.take().is_some()
    }

    fn finish(&mut self, plane: Plane) -> Vec<Command> {
        let Some(draft) = self.draft.take_if(|d| d.points.len() >= d.kind.points()) else { return Vec::new() };
        match (draft.kind, draft.points.as_slice()) {
            (MeasureKind::Shape(kind), points) => kind
                .through(points)
                .map(|shape| MeasureCommand::Add { axis: draft.axis, shape }.into())
                .into_iter()
                .collect(),
            (MeasureKind::Window, &[a, b]) => {
                vec![PictureCommand::WindowOf { axis: draft.axis, corners: [a, b] }.into()]
            }
            (MeasureKind::Plane, &[a, b, c]) => vec![PictureCommand::PlaneThrough { plane, points: [a, b, c] }.into()],
            _ => Vec::new(),
        }
    }

    fn press(&mut self, event: &PointerEvent) -> Vec<Command> {
        self.dragged = 0.0;
        if self.draft.is_none()
            && let Some((measurement, point)) = self.under.take()
        {
            self.moving = Some(Moving { id: measurement.id, point, before: measurement.shape });
            return Vec::new();
        }
        match &mut self.draft {
            Some(draft) => draft.points.push(event.voxel),
            None => self.draft = Some(Draft { kind: self.kind, axis: event.through_axis, points: vec![event.voxel] }),
        }
        Vec::new()
    }

    fn drag(&mut self, event: &PointerEvent) -> Vec<Command> {
        self.dragged += event.delta.length();
        if let Some(Moving { id, point, mut before }) = self.moving {
            if let Some(moved) = before.points_mut().get_mut(point) {
                *moved = event.voxel;
            }
            return vec![MeasureCommand::Change { id, shape: before }.into()];
        }
        if let Some(draft) = &mut self.draft {
            if draft.points.len() == 1 && self.dragged > CLICK {
                draft.points.push(event.voxel);
            } else if draft.points.len() > 1
                && let Some(last) = draft.points.last_mut()
            {
                *last = event.voxel;
            }
        }
        Vec::new()
    }
}

impl Tool for MeasureTool {
    fn pointer(&mut self, event: &PointerEvent) -> Vec<Command> {
        match event.phase {
            Phase::Press => self.press(event),
            Phase::Drag => self.drag(event),
            Phase::Release if self.moving.take().is_some() => Vec::new(),
            Phase::Release => self.finish(event.plane),
            Phase::Cancel => {
                let back = self.moving.take().map(|m| MeasureCommand::Change { id: m.id, shape: m.before }.into());
                self.draft = None;
                back.into_iter().collect()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::Window;
    use glam::DVec2;

    fn event(phase: Phase, voxel: [f64; 3], delta: f64) -> PointerEvent {
        PointerEvent {
            phase,
            plane: Plane::Axial,
            through_axis: 2,
            turned: None,
            voxel: DVec3::from_array(voxel),
            delta: DVec2::new(delta, 0.0),
            inverse: false,
            window: Window::new(400.0, 40.0),
        }
    }

    fn added(commands: &[Command]) -> Option<Shape> {
        match commands {
            [Command::Measure(MeasureCommand::Add { axis: 2, shape })] => Some(*shape),
            _ => None,
        }
    }

    #[test]
    fn a_distance_is_dragged_or_clicked() {
        let mut tool = MeasureTool::default();
        let wanted = Shape::Distance([DVec3::new(1.0, 2.0, 3.0), DVec3::new(9.0, 2.0, 3.0)]);
        assert!(tool.pointer(&event(Phase::Press, [1.0, 2.0, 3.0], 0.0)).is_empty());
        assert!(tool.pointer(&event(Phase::Drag, [5.0, 2.0, 3.0], 20.0)).is_empty());
        assert!(tool.pointer(&event(Phase::Drag, [9.0, 2.0, 3.0], 20.0)).is_empty());
        assert_eq!(added(&tool.pointer(&event(Phase::Release, [9.0, 2.0, 3.0], 0.0))), Some(wanted));
        for (n, voxel) in [[1.0, 2.0, 3.0], [9.0, 2.0, 3.0]].into_iter().enumerate() {
            tool.pointer(&event(Phase::Press, voxel, 0.0));
            let done = tool.pointer(&event(Phase::Release, voxel, 0.0));
            assert_eq!(added(&done), (n == 1).then_some(wanted));
        }
        assert_eq!(tool.draft(), None);
    }

    #[test]
    fn angles_and_planes_take_three_points_and_escape_takes_them_back() {
        let mut tool = MeasureTool::default();
        tool.choose(MeasureKind::Shape(ShapeKind::Angle));
        let click = |tool: &mut MeasureTool, x: f64| {
            tool.pointer(&event(Phase::Press, [x, x * x, 3.0], 0.0));
            tool.pointer(&event(Phase::Release, [x, x * x, 3.0], 0.0))
        };
        assert!(click(&mut tool, 1.0).is_empty() && click(&mut tool, 2.0).is_empty());
        assert!(matches!(added(&click(&mut tool, 3.0)), Some(Shape::Angle(_))));
        tool.choose(MeasureKind::Plane);
        assert!(click(&mut tool, 1.0).is_empty());
        tool.pointer(&event(Phase::Cancel, [0.0; 3], 0.0));
        assert_eq!(tool.draft(), None);
        assert!(click(&mut tool, 1.0).is_empty() && click(&mut tool, 2.0).is_empty());
        assert!(matches!(click(&mut tool, 3.0)[..], [Command::Picture(PictureCommand::PlaneThrough { .. })]));
    }

    #[test]
    fn a_kept_point_is_moved_and_put_back() {
        let mut tool = MeasureTool::default();
        let shape = Shape::Distance([DVec3::ZERO, DVec3::X]);
        let kept = Measurement { id: 7, axis: 2, shape, note: String::new() };
        tool.under = Some((kept, 1));
        assert!(tool.pointer(&event(Phase::Press, [1.0, 0.0, 0.0], 0.0)).is_empty());
        let moved = tool.pointer(&event(Phase::Drag, [4.0, 1.0, 0.0], 9.0));
        let [Command::Measure(MeasureCommand::Change { id: 7, shape: now })] = moved[..] else { panic!("{moved:?}") };
        assert_eq!(now, Shape::Distance([DVec3::ZERO, DVec3::new(4.0, 1.0, 0.0)]));
        let back = tool.pointer(&event(Phase::Cancel, [4.0, 1.0, 0.0], 0.0));
        assert!(matches!(back[..], [Command::Measure(MeasureCommand::Change { id: 7, shape: s })] if s == shape));
    }
}
