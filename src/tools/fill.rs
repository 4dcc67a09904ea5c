//! The bucket: a click fills the closed area under the pointer; with Ctrl it empties the part of the segment there.

use super::{Phase, PointerEvent, Tool, voxel_under};
use crate::edit::{Connectivity, Extent, Islands, Operation};
use crate::workspace::{Command, EditCommand};

/// Stateless: every press is one fill.
#[derive(Debug, Default)]
pub struct FillTool;

impl Tool for FillTool {
    fn pointer(&mut self, event: &PointerEvent) -> Vec<Command> {
        let (Phase::Press, Some(seed)) = (event.phase, voxel_under(event)) else { return Vec::new() };
        let axis = event.through_axis;
        let operation = if event.inverse {
            let extent = Extent::Slice { axis, index: seed[axis] };
            Operation::Islands { what: Islands::RemoveAt(seed), connectivity: Connectivity::Faces, extent }
        } else {
            Operation::Fill { seed, axis }
        };
        vec![EditCommand::Apply(operation).into()]
    }
}
