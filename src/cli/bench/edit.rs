//! Times the editing of a large mask as the window does it: every pointer event of a stroke, undo, and operations on
//! the whole volume.

use super::data::{TemporaryFolder, mask_pair, volume};
use super::sampling::Sampler;
use crate::cli::CliError;
use crate::core::LabelMap;
use crate::edit::{
    Connectivity, EditError, Edited, Extent, Islands, NoWatch, Operation, PaintRule, Smoothing, replace_label,
};
use crate::jobs::Waker;
use crate::workspace::{EditCommand, Home, OpenCommand, Workspace};
use glam::DVec3;
use std::time::{Duration, Instant};

/// Columns, rows and slices of the case that is painted on.
const DIMS: [usize; 3] = [512, 512, 600];
/// Of the volume's grid, in mm: a brush of 40 voxels across.
const PIXEL: f64 = 0.78125;

pub(super) fn measure(sampler: &mut Sampler) -> Result<(), CliError> {
    strokes(sampler)?;
    operations(sampler)
}

/// A case open in a workspace without a window.
fn open(sampler: &Sampler, folder: &TemporaryFolder) -> Result<Workspace, CliError> {
    let dims = if sampler.quick { [96, 96, 40] } else { DIMS };
    let path = folder.0.join("case.nrrd");
    crate::io::save_volume(&path, &volume(dims)?).map_err(CliError::of)?;
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
        let p99 = ninety_ninth(&mut events);
        sampler.add("edit", &format!("{case}, one pointer event"), events, None);
        sampler.note(format!("p99 {:.3} ms, history of a stroke at most {} KiB", p99 * 1e3, most.div_ceil(1024)));
        let p99 = ninety_ninth(&mut undos);
        sampler.add("edit", &format!("undo or redo of a {case} drawn over 100"), undos, None);
        sampler.note(format!("p99 {:.3} ms", p99 * 1e3));
        settle(&mut workspace);
    }
    workspace.shut_down();
    Ok(())
}

fn history_bytes(workspace: &Workspace) -> usize {
    workspace.active_document().map_or(0, |d| d.history_bytes())
}

fn ninety_ninth(seconds: &mut [f64]) -> f64 {
    seconds.sort_by(f64::total_cmp);
    let at = (seconds.len() * 99).div_ceil(100).max(1) - 1;
    seconds.get(at).copied().unwrap_or(0.0)
}

/// Whole-volume operations, on the masks that other programs were measured with.
fn operations(sampler: &mut Sampler) -> Result<(), CliError> {
    sampler.begin("edit", "preparing masks")?;
    let slices = if sampler.quick { 140..160 } else { 0..300 };
    let count = slices.clone().count();
    let [smooth, rough] = mask_pair(slices)?;
    let image = volume([512, 512, count])?;
    let mut sparse = smooth.clone();
    for k in (0..count).filter(|k| k % 5 != 0) {
        let erase = PaintRule::erase(1, [false; 256]);
        crate::edit::paint_slice(&mut sparse, 2, k, &erase);
    }
    let mut halves = smooth.clone();
    let right = crate::core::VoxelBox { min: [230, 0, 0], max: [512, 512, count] };
    let rule = PaintRule { over: crate::edit::Over::Segment(1), ..PaintRule::paint(2, [false; 256]) };
    crate::edit::paint_box(&mut halves, right, &rule);
    let empty = LabelMap::empty(*smooth.geometry());
    let (extent, connectivity) = (Extent::Volume, Connectivity::Corners);
    let seed = [256, 256, count / 2];
    let smoothing = |how| Operation::Smooth { how, radius_mm: 3.0, extent };
    let split = Islands::Split { labels: vec![5, 6, 7], voxels: 10 };
    for (case, map, operation) in [
        ("islands: keep the largest", &rough, Operation::Islands { what: Islands::KeepLargest, connectivity, extent }),
        ("islands: split", &rough, Operation::Islands { what: split, connectivity, extent }),
        ("fill holes", &rough, Operation::FillHoles { extent, planes: None }),
        ("smooth: median, 3 mm", &rough, smoothing(Smoothing::Median)),
        ("smooth: closing, 3 mm", &rough, smoothing(Smoothing::Closing)),
        ("smooth: opening, 3 mm", &rough, smoothing(Smoothing::Opening)),
        ("smooth: joint, two segments, 3 mm", &halves, smoothing(Smoothing::Joint)),
        ("margin, 5 mm", &smooth, Operation::Margin { mm: 5.0, extent }),
        ("interpolate, every fifth slice drawn", &sparse, Operation::Interpolate { axis: 2 }),
        ("grow from a click, 3-D", &empty, Operation::Grow { seed, tolerance: 250, extent }),
        ("threshold", &empty, Operation::Threshold { range: [-29, 150], extent }),
    ] {
        let mut changed = 0;
        sampler.measure("edit", &format!("{case}, 512 x 512 x {count}"), |watch| {
            let mut copy = map.clone();
            let rule = PaintRule::paint(1, [false; 256]);
            let done: Result<Edited, EditError> =
                watch.time(|| operation.run(&mut copy, &rule, Some(&image), &NoWatch));
            changed = done.map_err(CliError::of)?.delta.bricks.len();
            Ok(())
        })?;
        sampler.note(format!("{changed} bricks change"));
    }
    let mut changed = 0;
    sampler.measure("edit", &format!("rename a label everywhere, 512 x 512 x {count}"), |watch| {
        let mut copy = smooth.clone();
        changed = watch.time(|| replace_label(&mut copy, 1, 4)).bricks.len();
        Ok(())
    })?;
    sampler.note(format!("{changed} bricks change"));
    Ok(())
}
