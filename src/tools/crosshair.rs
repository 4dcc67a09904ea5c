//! Press or drag moves the crosshair that all planes share.

use super::{Phase, PointerEvent, Tool};
use crate::workspace::{Command, ViewCommand};

/// Stateless: every press and drag sets the position.
#[derive(Debug, Default)]
pub struct CrosshairTool;

impl Tool for CrosshairTool {
    fn pointer(&mut self, event: &PointerEvent) -> Vec<Command> {
        match event.phase {
            Phase::Press | Phase::Drag => vec![ViewCommand::Crosshair(event.voxel).into()],
            Phase::Release | Phase::Cancel => Vec::new(),
        }
    }
}
