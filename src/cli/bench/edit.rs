//! Times the painting of a large mask as the window does it: every pointer event of a stroke, and its undo.

use super::data::{PIXEL, TemporaryFolder, cubes};
use super::operations;
use super::sampling::Sampler;
use crate::cli::CliError;
use crate::jobs::Waker;
use crate::workspace::{EditCommand, Home, OpenCommand, Workspace};
use glam::DVec3;
use std::path::Path;
use std::time::{Duration, Instant};

/// Columns, rows and slices of the case that is painted on.
const DIMS: [usize; 3] = [512, 512, 600];

/// `beside` is a Python with other libraries for the operations.
pub(super) fn measure(sampler: &mut Sampler, beside: Option<&Path>) -> Result<(), CliError> {
    strokes(sampler)?;
    operations::measure(sampler, beside)
}

/// A case open in a workspace without a window.
fn open(sampler: &Sampler, folder: &TemporaryFolder) -> Result<Workspace, CliError> {
    let dims = if sampler.quick { [96, 96, 40] } else { DIMS };
    let path = folder.0.join("case.nrrd");
    crate::io::save_volume(&path, &cubes(dims)?).map_err(CliError::of)?;
    let mut workspace = Workspace::new(Home::under(&folder.0.join("home")), Waker::none(), None);
    workspace.dispatch(OpenCommand::Path(path));
    settle(&mut workspace);
    match workspace.active_document().and_then(|d| d.case.volume.as_ref()) {
        Some(_) => Ok(workspace),
        None => Err(CliError("The generated case could not be opened.".into())),
    }
}

fn settle(workspace: &mut Workspace) {
    while workspace.is_busy() {
        workspace.poll();
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Every event of a stroke is one sample, as each belongs to one frame; what 99 of 100 stay below is what the hand feels.
fn strokes(sampler: &mut Sampler) -> Result<(), CliError> {
    sampler.begin("edit", "preparing a case")?;
    let folder = TemporaryFolder::create()?;
    let mut workspace = open(sampler, &folder)?;
    let centre = workspace.active_document().map(|d| d.view.crosshair).unwrap_or_default();
    let strokes = if sampler.quick { 5 } else { 100 };
    for (case, sphere) in [("disc of 40 voxels", false), ("sphere of 41 cubed", true)] {
        sampler.begin("edit", case)?;
        workspace.dispatch(EditCommand::BrushRadius(20.0 * PIXEL));
        workspace.dispatch(EditCommand::BrushSphere(sphere));
        let (mut events, mut undos, mut bytes) = (Vec::new(), Vec::new(), Vec::new());
        for n in 0..strokes {
            let held = history_bytes(&workspace);
            let turn = DVec3::new((n as f64).cos(), (n as f64).sin(), 0.0);
            let from = centre + turn * (n % 90) as f64;
            let mut frame = |commands: Vec<EditCommand>| {
                let begun = Instant::now();
                for command in commands {
                    workspace.dispatch(command);
                }
                workspace.poll();
                // What the renderer would upload in this frame.
                let dirty = workspace.active_document_mut().map(|d| d.take_dirty());
                events.push(begun.elapsed().as_secs_f64());
                drop(dirty);
            };
            let at = |step: usize| from + turn * (5 * step) as f64;
            let begin = EditCommand::BeginStroke { erase: n % 5 == 4, through_axis: 2 };
            frame(vec![begin, EditCommand::ExtendStroke { from, to: from }]);
            for step in 0..20 {
                frame(vec![EditCommand::ExtendStroke { from: at(step), to: at(step + 1) }]);
            }
            frame(vec![EditCommand::CommitStroke]);
            bytes.push(history_bytes(&workspace).saturating_sub(held));
            if n % 2 == 1 {
                for command in [EditCommand::Undo, EditCommand::Redo] {
                    let begun = Instant::now();
                    workspace.dispatch(command);
                    workspace.poll();
                    undos.push(begun.elapsed().as_secs_f64());
                }
            }
        }
        let most = bytes.iter().max().copied().unwrap_or(0);
        sampler.add("edit", &format!("{case}, one pointer event"), events, None);
        sampler.note(format!("history of a stroke at most {} KiB", most.div_ceil(1024)));
        sampler.add("edit", &format!("undo or redo of a {case} drawn over 100"), undos, None);
        settle(&mut workspace);
    }
    workspace.shut_down();
    Ok(())
}

fn history_bytes(workspace: &Workspace) -> usize {
    workspace.active_document().map_or(0, |d| d.history_bytes())
}
