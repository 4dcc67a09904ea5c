//! The bucket: a click fills the closed area under the pointer; with Ctrl it empties the part of the segment there.

use super::{Phase, PointerEvent, Tool, shown_extent, voxel_under};
use crate::edit::{Connectivity, Islands, Operation};
use crate::workspace::{Command, EditCommand};

/// Stateless: every press is one fill.
#[derive(Debug, Default)]
pub struct FillTool;

impl Tool for FillTool {
    fn pointer(&mut self, event: &PointerEvent) -> Vec<Command> {
        let (Phase::Press, Some(seed)) = (event.phase, voxel_under(event)) else { return Vec::new() };
        let operation = match event.turned {
            _ if event.inverse => {
                let extent = shown_extent(event, seed);
                Operation::Islands { what: Islands::RemoveAt(seed), connectivity: Connectivity::Faces, extent }
            }
            None => Operation::Fill { seed, axis: event.through_axis },
            Some(plane) => Operation::FillOn { seed, plane },
        };
        vec![EditCommand::Apply(operation).into()]
    }
}
