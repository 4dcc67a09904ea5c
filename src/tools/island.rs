//! A click keeps the connected part under the pointer and removes the others, or the other way round.

use super::{Phase, PointerEvent, Tool, shown_extent, voxel_under};
use crate::edit::{Connectivity, Extent, Islands, Operation};
use crate::workspace::{Command, EditCommand};

/// Keeps the clicked part, or removes it when `remove` is set; the inverse modifier swaps the two.
#[derive(Debug)]
pub struct IslandTool {
    pub remove: bool,
    /// Looks through the volume instead of at the slice alone.
    pub volume: bool,
    pub connectivity: Connectivity,
}

impl Default for IslandTool {
    fn default() -> Self {
        Self { remove: false, volume: true, connectivity: Connectivity::Corners }
    }
}

impl Tool for IslandTool {
    fn pointer(&mut self, event: &PointerEvent) -> Vec<Command> {
        let (Phase::Press, Some(voxel)) = (event.phase, voxel_under(event)) else { return Vec::new() };
        let extent = if self.volume { Extent::Volume } else { shown_extent(event, voxel) };
        let what = if self.remove != event.inverse { Islands::RemoveAt(voxel) } else { Islands::KeepAt(voxel) };
        vec![EditCommand::Apply(Operation::Islands { what, connectivity: self.connectivity, extent }).into()]
    }
}
