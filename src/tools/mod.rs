//! Pointer events in voxel space become commands: one file and one small state machine per tool.
//!
//! Floor 4. Knows no widgets and no pixels beyond drag distances; the viewer feeds it, tests drive it directly.

mod brush;
mod crosshair;
mod fill;
mod island;
mod lasso;
mod measure;
mod prompt;
mod push;
mod region;
mod window_level;

pub use brush::BrushTool;
pub use crosshair::CrosshairTool;
pub use fill::FillTool;
pub use island::IslandTool;
pub use lasso::{Contour, LassoTool};
pub use measure::{Draft, MeasureKind, MeasureTool};
pub use prompt::PromptTool;
pub use push::PushTool;
pub use region::{Growing, MAX_TOLERANCE, RegionTool};
pub use window_level::WindowLevelTool;

use crate::core::{Plane, TurnedPlane, Window};
use crate::edit::Extent;
use crate::workspace::Command;
use glam::{DVec2, DVec3};

/// The tools of the tool bar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ToolKind {
    /// Moves the crosshair.
    #[default]
    Crosshair,
    Brush,
    Eraser,
    /// Window and level with the primary button.
    WindowLevel,
    /// Polygon and freehand contours.
    Lasso,
    /// Grows a region from a seed.
    Region,
    /// Keeps or removes the clicked part.
    Island,
    /// Fills a closed area of the slice.
    Fill,
    /// Pushes the outline.
    Push,
    /// A contour that snaps to edges.
    Wire,
    /// Distances, angles, regions; a window or a plane from points.
    Measure,
    /// Says inside or outside to the network of the learning loop.
    Prompt,
}

impl ToolKind {
    /// In the order of the tool bar and of the digit keys.
    pub const ALL: [Self; 12] = [
        Self::Crosshair,
        Self::Brush,
        Self::Eraser,
        Self::WindowLevel,
        Self::Lasso,
        Self::Region,
        Self::Island,
        Self::Fill,
        Self::Push,
        Self::Wire,
        Self::Measure,
        Self::Prompt,
    ];

    /// Name for buttons and screen readers.
    pub fn name(self) -> &'static str {
        match self {
            Self::Crosshair => "Crosshair",
            Self::Brush => "Brush",
            Self::Eraser => "Eraser",
            Self::WindowLevel => "Window/level",
            Self::Lasso => "Lasso",
            Self::Region => "Grow region",
            Self::Island => "Islands",
            Self::Fill => "Bucket",
            Self::Push => "Push",
            Self::Wire => "Edge lasso",
            Self::Measure => "Measure",
            Self::Prompt => "Prompt",
        }
    }

    /// Whether it changes the mask.
    pub fn edits(self) -> bool {
        !matches!(self, Self::Crosshair | Self::WindowLevel)
    }

    /// Whether a drag with it is a stroke of the brush.
    pub fn paints(self) -> bool {
        matches!(self, Self::Brush | Self::Eraser | Self::Push)
    }

    /// Whether it also works on planes that are none of the grid's: the others look at slices as the image has them.
    pub fn works_turned(self) -> bool {
        !matches!(self, Self::Wire | Self::Prompt)
    }

    /// Whether it draws a contour.
    pub fn draws(self) -> bool {
        matches!(self, Self::Lasso | Self::Wire)
    }
}

/// What the pointer did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    Press,
    Drag,
    Release,
    /// Escape, or the window lost the pointer.
    Cancel,
}

/// A pointer event of one pane.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PointerEvent {
    pub phase: Phase,
    pub plane: Plane,
    /// Voxel axis through the pane.
    pub through_axis: usize,
    /// The plane that the pane shows, when it is none of the grid's; the axis then is that of the slices it replaces.
    pub turned: Option<TurnedPlane>,
    /// Continuous voxel position under the pointer, on the shown slice or plane.
    pub voxel: DVec3,
    /// Movement since the last event, in screen points.
    pub delta: DVec2,
    /// The other meaning of the tool: erase instead of paint (Ctrl).
    pub inverse: bool,
    /// The window now in use.
    pub window: Window,
}

/// The voxel under the pointer, or `None` before the first voxel of an axis; beyond the last the edit itself refuses.
fn voxel_under(event: &PointerEvent) -> Option<[usize; 3]> {
    let voxel = (event.voxel + 0.5).floor();
    (voxel.is_finite() && voxel.min_element() >= 0.0).then(|| voxel.to_array().map(|v| v as usize))
}

/// What a pane shows: the slice of `voxel`, or what its turned plane cuts.
fn shown_extent(event: &PointerEvent, voxel: [usize; 3]) -> Extent {
    let axis = event.through_axis;
    event.turned.map_or(Extent::Slice { axis, index: voxel[axis] }, Extent::Turned)
}

/// A tool turns pointer events into commands and keeps only what a drag needs.
pub trait Tool {
    /// Reacts to one event.
    fn pointer(&mut self, event: &PointerEvent) -> Vec<Command>;
}
