//! Times the whole window on a large volume, from an input event to the submitted frame that shows what it did: our own
//! work, without the device's. Also the memory that the case takes.

use super::data::{PIXEL, TemporaryFolder, cubes};
use super::held::Held;
use super::sampling::{Sampler, quantile, resident_mib};
use crate::app::{PointerButtonKind, Probe, ProbePane, Response, Spot, Took};
use crate::cli::CliError;
use crate::edit::{Extent, Operation};
use crate::io::dicom::write_ct_series;
use crate::nn::SharedGpu;
use crate::workspace::{Document, EditCommand, Home};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Events of each case of one kind of event.
const EVENTS: usize = 150;
/// Strokes of each brush, and how often each is taken back.
const STROKES: [usize; 2] = [8, 5];
/// Moves of the pointer in a stroke, and points of each.
const MOVES: usize = 20;
const STEP: f32 = 4.0;
/// Radius of the brush in voxels.
const RADIUS: f64 = 20.0;

pub(super) fn measure(sampler: &mut Sampler, gpu: &SharedGpu) -> Result<(), CliError> {
    let folder = TemporaryFolder::create()?;
    // Two volumes that differ in their number of slices alone: their times must not.
    let sizes: &[[usize; 3]] =
        if sampler.quick { &[[128, 128, 24], [128, 128, 48]] } else { &[[512, 512, 60], [512, 512, 600]] };
    let gpu = Arc::new(gpu.clone());
    first_slice(sampler, &gpu, &folder)?;
    let mut first = BTreeMap::new();
    for &dims in sizes {
        let [nx, ny, nz] = dims;
        sampler.begin("view", &format!("opening {nz} slices"))?;
        let path = folder.0.join(format!("view-{nz}.nrrd"));
        crate::io::save_volume(&path, &cubes(dims)?).map_err(CliError::of)?;
        let before = resident_mib();
        let home = Home::under(&folder.0.join(format!("home-{nz}")));
        let (mut probe, _) = Probe::open(Arc::clone(&gpu), home, path).map_err(CliError)?;
        let size = format!("{nz} x {nx}x{ny}");
        let mut case = Case { sampler: &mut *sampler, probe: &mut probe, size, slices: nz, first: &mut first };
        case.slices_and_window()?;
        case.strokes(false)?;
        case.strokes(true)?;
        case.memory("after the strokes", before)?;
        case.paint_everything()?;
        case.memory("every voxel painted", before)?;
        case.turn()?;
        probe.workspace_mut().shut_down();
    }
    Ok(())
}

/// From the choice of a folder of DICOM slices over the scan of their headers to the first of them on the screen.
fn first_slice(sampler: &mut Sampler, gpu: &Arc<SharedGpu>, folder: &TemporaryFolder) -> Result<(), CliError> {
    let dims = if sampler.quick { [128, 128, 24] } else { [512, 512, 300] };
    let size = format!("{} x {}x{} DICOM", dims[2], dims[0], dims[1]);
    sampler.begin("view", &format!("first slice, {size}"))?;
    let series = folder.0.join("series");
    std::fs::create_dir_all(&series).map_err(CliError::of)?;
    write_ct_series(&series, &cubes(dims)?, &super::load::info()).map_err(CliError::of)?;
    let (mut scans, mut times) = (Vec::new(), [Vec::new(), Vec::new()]);
    for n in 0..if sampler.quick { 2 } else { 6 } {
        let home = Home::under(&folder.0.join(format!("home-first-{n}")));
        let (mut probe, first) = Probe::open(Arc::clone(gpu), home, series.clone()).map_err(CliError)?;
        probe.workspace_mut().shut_down();
        // The first run warms up.
        if n > 0 {
            scans.push(first.scan.as_secs_f64());
            times[0].push(first.submitted.as_secs_f64());
            times[1].push(first.drawn.as_secs_f64());
        }
    }
    sampler.add("view", &format!("scan, {size}"), scans, None);
    let [submitted, drawn] = times;
    sampler.add("view", &format!("first slice submitted after the scan, {size}"), submitted, None);
    sampler.add("view", &format!("first slice drawn after the scan, {size}"), drawn, None);
    Ok(())
}

/// A case in the window while its times are taken.
struct Case<'a, 'b> {
    sampler: &'a mut Sampler<'b>,
    probe: &'a mut Probe,
    size: String,
    slices: usize,
    /// By kind of event, slices and the median and 99th percentile in seconds of the volume that came first.
    first: &'a mut BTreeMap<&'static str, (usize, [f64; 2])>,
}

impl Case<'_, '_> {
    fn slices_and_window(&mut self) -> Result<(), CliError> {
        self.events("next slice", |probe, n| probe.next_slice(n / 40 % 2 == 0))?;
        let button = PointerButtonKind::Secondary;
        self.probe.button(button, true, axial(0.0, 0.0)).map_err(CliError)?;
        self.events("window drag", |probe, n| probe.move_to(axial((n % 200) as f32, (n % 200) as f32 / 2.0)))?;
        self.probe.button(button, false, axial(0.0, 0.0)).map_err(CliError)?;
        Ok(())
    }

    fn turn(&mut self) -> Result<(), CliError> {
        let at = |n: usize| Spot { pane: ProbePane::Volume, right: (n % 100) as f32, down: (n % 100) as f32 / 2.0 };
        self.probe.show_volume().map_err(CliError)?;
        self.probe.button(PointerButtonKind::Primary, true, at(0)).map_err(CliError)?;
        self.events("3-D turn", |probe, n| probe.move_to(at(n)))?;
        self.probe.button(PointerButtonKind::Primary, false, at(0)).map_err(CliError)?;
        Ok(())
    }

    /// The same event again and again.
    fn events(
        &mut self,
        kind: &'static str,
        mut event: impl FnMut(&mut Probe, usize) -> Result<Response, String>,
    ) -> Result<(), CliError> {
        self.sampler.begin("view", kind)?;
        let count = if self.sampler.quick { 20 } else { EVENTS };
        // What is made once, texts and pipelines, is not what a hand feels.
        for n in 0..10 {
            event(self.probe, n).map_err(CliError)?;
        }
        let responses: Result<Vec<_>, _> = (0..count).map(|n| event(self.probe, n)).collect();
        self.add(kind, &responses.map_err(CliError)?);
        Ok(())
    }

    /// Strokes with a brush of 40 voxels, event by event, and their undo.
    fn strokes(&mut self, sphere: bool) -> Result<(), CliError> {
        let [stroke, undo] = if sphere {
            ["sphere of 41 cubed, one event", "undo of a stroke with it"]
        } else {
            ["brush stroke of 40 voxels, one event", "undo of a brush stroke"]
        };
        self.sampler.begin("view", stroke)?;
        self.probe.take_brush(RADIUS * PIXEL, sphere).map_err(CliError)?;
        let [strokes, again] = if self.sampler.quick { [2, 2] } else { STROKES };
        let (mut events, mut undos) = (Vec::new(), Vec::new());
        // The first one makes layer, texture and journal.
        for n in 0..=strokes {
            self.sampler.say(&format!("view: {stroke}"))?;
            let before = self.document()?.revision();
            let drawn = self.stroke(n).map_err(CliError)?;
            if self.document()?.revision() == before {
                return Err(CliError("A stroke of the measurement did not reach the mask.".into()));
            }
            let mut back = Vec::new();
            for _ in 0..again {
                back.push(self.probe.keys("Ctrl+Z").map_err(CliError)?);
                self.probe.keys("Ctrl+Y").map_err(CliError)?;
            }
            // Every fifth stays, so that others go over it.
            if n % 5 != 0 {
                self.probe.keys("Ctrl+Z").map_err(CliError)?;
            }
            if n > 0 {
                events.extend(drawn);
                undos.extend(back);
            }
        }
        self.add(stroke, &events);
        self.add(undo, &undos);
        Ok(())
    }

    /// The `n`-th stroke: press, moves, release.
    fn stroke(&mut self, n: usize) -> Result<Vec<Response>, String> {
        let (down, right) = (n as f32).sin_cos();
        let at = |step: usize| {
            let way = (2 * n % 40) as f32 + STEP * step as f32;
            axial(right * way, down * way)
        };
        let mut responses = vec![self.probe.button(PointerButtonKind::Primary, true, at(0))?];
        for step in 1..=MOVES {
            responses.push(self.probe.move_to(at(step))?);
        }
        responses.push(self.probe.button(PointerButtonKind::Primary, false, at(MOVES))?);
        Ok(responses)
    }

    /// The most that labels can take.
    fn paint_everything(&mut self) -> Result<(), CliError> {
        self.sampler.begin("view", "painting every voxel")?;
        let threshold = Operation::Threshold { range: [i16::MIN, i16::MAX], extent: Extent::Volume };
        self.probe.workspace_mut().dispatch(EditCommand::Apply(threshold));
        self.probe.wait().map_err(CliError)
    }

    fn memory(&mut self, when: &str, before_mib: Option<f64>) -> Result<(), CliError> {
        let case = format!("{}, {when}", self.size);
        let held = Held::of(case, &*self.probe, self.document()?, before_mib);
        self.sampler.memory.push(held);
        Ok(())
    }

    fn document(&self) -> Result<&Document, CliError> {
        let document = self.probe.workspace().active_document();
        document.ok_or_else(|| CliError("The generated case was closed while it was measured.".into()))
    }

    /// Adds the figure of a kind of event, and how it compares with that of the volume that came first.
    fn add(&mut self, kind: &'static str, responses: &[Response]) {
        let walls = responses.iter().map(|r| r.total().as_secs_f64()).collect();
        self.sampler.add("view", &format!("{kind}, {}", self.size), walls, None);
        let Some(figure) = self.sampler.figures.last() else { return };
        let now = [figure.median_s, figure.p99_s];
        let milliseconds = |of: fn(&Took) -> Duration| {
            let mut frames: Vec<f64> = responses.iter().flat_map(|r| &r.frames).map(|f| of(f).as_secs_f64()).collect();
            [50, 99].map(|percent| quantile(&mut frames, percent) * 1e3)
        };
        let ([p50, p99], [cpu50, cpu99]) = (milliseconds(|took| took.wall), milliseconds(|took| took.cpu));
        let mut note = format!(
            "two frames; one frame: p50 {p50:.2}, p99 {p99:.2} ms; CPU time of the window's thread in it: p50 {cpu50:.2}, \
             p99 {cpu99:.2} ms"
        );
        match self.first.get(kind) {
            Some((slices, then)) => {
                let [p50, p99] = [now[0] / then[0], now[1] / then[1]];
                note.push_str(&format!("; p50 {p50:.2} x, p99 {p99:.2} x that of {slices} slices"));
            }
            None => drop(self.first.insert(kind, (self.slices, now))),
        }
        self.sampler.note(note);
    }
}

fn axial(right: f32, down: f32) -> Spot {
    Spot { pane: ProbePane::Axial, right, down }
}
