//! An annotator paints and saves, and the program is killed at any moment: what is older than a second is never lost.
//!
//! The annotator is this test program run again as a process of its own. `MASKWRIGHT_KILLS` sets how often it is killed,
//! `MASKWRIGHT_KILL_DIMS` (such as `512x512x600`) a case of real size, which is painted with brushes of some millimetres
//! and once thresholded as a whole; there the second counts from the first stroke on.

use glam::DVec3;
use maskwright::core::{Geometry, LabelMap, Volume};
use maskwright::edit::{Extent, Operation, Over};
use maskwright::io;
use maskwright::jobs::Waker;
use maskwright::workspace::{EditCommand, EditRules, FileCommand, Home, OpenCommand, SegmentCommand, Workspace};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

const FOLDER: &str = "MASKWRIGHT_TEST_ANNOTATOR";
/// What may be lost.
const GRACE: Duration = Duration::from_secs(1);
/// Most strokes of an annotator.
const STROKES: usize = 3600;
/// In mm, in the slice.
const SPACING: f64 = 0.8;
/// Brushes of a large case in mm, one after the other. No voxel's centre lies just on the edge of one.
const RADII: [f64; 3] = [4.3, 7.9, 10.1];
/// Voxels from one place of a large case to the next: no stroke touches another.
const PITCH: usize = 28;
/// The stroke of a large case before which the whole volume is thresholded.
const THRESHOLD_AT: usize = 30;

/// What is painted.
#[derive(Clone, Copy)]
struct Plan {
    dims: [usize; 3],
    large: bool,
}

impl Plan {
    fn of_environment() -> Self {
        let Ok(text) = std::env::var("MASKWRIGHT_KILL_DIMS") else { return Self { dims: [64, 64, 40], large: false } };
        let dims: Vec<usize> = text.split('x').map(|n| n.parse().expect("numbers with x between them")).collect();
        let plan = Self { dims: dims.try_into().expect("three numbers"), large: true };
        let [x, y, z] = plan.dims;
        assert!(x / PITCH * (y / PITCH) * (z / 3) >= STROKES, "there is no room for all strokes");
        plan
    }

    /// Stroke `n` paints a voxel here that no other stroke paints.
    fn place(&self, n: usize) -> [usize; 3] {
        if !self.large {
            return [n % 60 + 2, n / 60 % 60 + 2, n % 40];
        }
        let [columns, rows, third] = [self.dims[0] / PITCH, self.dims[1] / PITCH, self.dims[2] / 3];
        let at = |n: usize| PITCH / 2 + PITCH * n;
        // Here and there in the volume, and on a slice of its own once all places of one are taken.
        let slice = n / (columns * rows) + n % 3 * third;
        [at(n % columns), at(n / columns % rows), slice]
    }

    fn radius(&self, n: usize) -> f64 {
        if self.large { RADII[n % RADII.len()] } else { 0.1 }
    }

    /// Voxels that stroke `n` paints.
    fn area(&self, n: usize) -> u64 {
        let reach = (self.radius(n) / SPACING) as i64 + 1;
        let offsets = (-reach..=reach).flat_map(|i| (-reach..=reach).map(move |j| [i, j].map(|v| v as f64 * SPACING)));
        offsets.filter(|[x, y]| x.hypot(*y) <= self.radius(n)).count() as u64
    }

    /// A body in air, with some noise.
    fn volume(&self) -> Volume {
        let geometry = Geometry::axis_aligned(self.dims, DVec3::new(SPACING, SPACING, 2.5), DVec3::ZERO).unwrap();
        let [nx, ny, _] = self.dims;
        let in_body = |n: usize| {
            let [x, y] = [(n % nx) as f64 / nx as f64, (n / nx % ny) as f64 / ny as f64].map(|v| v - 0.5);
            x.hypot(y) < 0.42
        };
        let noise = |n: usize| ((n as u32).wrapping_mul(2_654_435_761) >> 24) as i16 / 8;
        let slice: Vec<bool> = (0..nx * ny).map(in_body).collect();
        let value = |n: usize| if slice[n % slice.len()] { 40 + noise(n) } else { -1000 };
        Volume::new(geometry, (0..geometry.voxel_count()).map(value).collect::<Vec<_>>()).unwrap()
    }

    /// Strokes that are in a map, when they are whole and the first ones without a gap.
    fn strokes(&self, labels: &LabelMap) -> Option<usize> {
        let there = |n: usize| labels.at(self.place(n).map(|v| v as i64)) == 1;
        let count = (0..STROKES).take_while(|n| there(*n)).count();
        let painted: u64 = (0..count).map(|n| self.area(n)).sum();
        (labels.counts()[1] == painted).then_some(count)
    }
}

fn home(dir: &Path) -> Home {
    Home::under(&dir.join("home"))
}

/// The process that is killed. Without its folder it is an ordinary test that has nothing to do.
#[test]
fn the_annotator() {
    let Some(dir) = std::env::var_os(FOLDER) else { return };
    let dir = Path::new(&dir);
    let plan = Plan::of_environment();
    let mut workspace = Workspace::new(home(dir), Waker::none(), None);
    let settle = |w: &mut Workspace| {
        while w.is_busy() {
            w.poll();
            std::thread::sleep(Duration::from_millis(1));
        }
    };
    settle(&mut workspace);
    workspace.dispatch(OpenCommand::Path(dir.join("scan.nrrd")));
    settle(&mut workspace);
    for n in 0..STROKES {
        if plan.large && n == THRESHOLD_AT {
            threshold(&mut workspace);
        }
        let at = DVec3::from_array(plan.place(n).map(|v| v as f64));
        workspace.dispatch(EditCommand::BrushRadius(plan.radius(n)));
        workspace.dispatch(EditCommand::BeginStroke { erase: false, through_axis: 2 });
        workspace.dispatch(EditCommand::ExtendStroke { from: at, to: at });
        workspace.dispatch(EditCommand::CommitStroke);
        println!("stroke {n}");
        if n % 7 == 6 {
            workspace.dispatch(EditCommand::Undo);
            workspace.dispatch(EditCommand::Redo);
        }
        if n % 60 == 59 {
            workspace.dispatch(FileCommand::SaveProject(Some(dir.join("case.maskwright"))));
        }
        for _ in 0..4 {
            workspace.poll();
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

/// Paints the whole body with a second segment, and goes on with the first.
fn threshold(workspace: &mut Workspace) {
    workspace.dispatch(SegmentCommand::Add);
    workspace.dispatch(EditCommand::Rules(EditRules { over: Over::Background, ..EditRules::default() }));
    let range = [-300, 3000];
    workspace.dispatch(EditCommand::Apply(Operation::Threshold { range, extent: Extent::Volume }));
    while workspace.active_document().is_some_and(|d| d.is_operating()) {
        workspace.poll();
        std::thread::sleep(Duration::from_millis(1));
    }
    println!("threshold");
    workspace.dispatch(EditCommand::Rules(EditRules::default()));
    workspace.dispatch(SegmentCommand::Select(1));
}

/// What was done more than [`GRACE`] before the kill, or is found again after it.
#[derive(Debug, Clone, Copy, Default)]
struct Work {
    strokes: usize,
    threshold: bool,
}

/// Paints for `time`, is killed, and gives what had to be safe and what is found again.
fn kill_after(plan: Plan, time: Duration, dir: &Path) -> (Work, Work) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["journeys::annotator::the_annotator", "--exact", "--nocapture", "--test-threads=1"])
        .env(FOLDER, dir)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap());
    let (begins, begun) = mpsc::channel();
    let reader = std::thread::spawn(move || {
        let (mut committed, mut thresholds): (Vec<Instant>, Vec<Instant>) = Default::default();
        for line in lines.lines().map_while(Result::ok) {
            // The first line stands behind the name of the test.
            if line.contains("stroke ") {
                committed.push(Instant::now());
                let _ = begins.send(());
            } else if line == "threshold" {
                thresholds.push(Instant::now());
            }
        }
        (committed, thresholds)
    });
    if plan.large {
        // Reading the case may take longer than all that is painted.
        begun.recv_timeout(Duration::from_secs(600)).expect("the annotator begins");
    }
    std::thread::sleep(time);
    let killed = Instant::now();
    child.kill().unwrap();
    child.wait().unwrap();
    let (committed, thresholds) = reader.join().unwrap();
    let old = |at: &&Instant| **at + GRACE <= killed;
    let safe = Work { strokes: committed.iter().filter(old).count(), threshold: thresholds.iter().any(|at| old(&at)) };
    let mut found = Work::default();
    let mut see = |labels: &LabelMap, what: &str| {
        let strokes = plan.strokes(labels).unwrap_or_else(|| panic!("{what} holds whole strokes in order"));
        found.strokes = found.strokes.max(strokes);
        found.threshold |= labels.counts()[2] > 0;
        strokes
    };
    let project = dir.join("case.maskwright");
    if io::is_project(&project) {
        let data = io::load_project(&project).expect("every project opens");
        see(&data.layers[0].labels, "a project");
    }
    for journal in io::journal::unfinished(&home(dir).journals()) {
        let back = io::journal::recover(&journal).expect("a journal is readable").expect("its program is dead");
        if let Some(layer) = back.layers.first() {
            let strokes = see(&layer.labels, "a journal");
            if !plan.large {
                assert_eq!(layer.touched_slices().iter().filter(|t| **t).count(), strokes.min(40));
            }
        }
        io::journal::forget(&journal).unwrap();
    }
    (safe, found)
}

#[test]
fn a_killed_annotator_loses_nothing_that_is_older_than_a_second() {
    let kills: usize = std::env::var("MASKWRIGHT_KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(4);
    let plan = Plan::of_environment();
    let folder = tempfile::tempdir().unwrap();
    let scan = folder.path().join("scan.nrrd");
    io::save_volume(&scan, &plan.volume()).unwrap();
    let mut state = 12345u64 + kills as u64;
    let (mut painted, mut most, mut thresholds) = (0, 0, 0);
    for kill in 0..kills {
        let dir = tempfile::tempdir().unwrap();
        std::fs::copy(&scan, dir.path().join("scan.nrrd")).unwrap();
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        // Of a large case the first strokes are what it is about.
        let shortest = if plan.large { 1050 } else { 300 };
        let time = Duration::from_millis(shortest + (state >> 33) % 3000);
        let (safe, found) = kill_after(plan, time, dir.path());
        let all_there = found.strokes >= safe.strokes && found.threshold >= safe.threshold;
        assert!(all_there, "kill {kill} after {time:?}: a second old were {safe:?}, left are {found:?}");
        painted += safe.strokes;
        thresholds += usize::from(safe.threshold);
        most = most.max(found.strokes);
    }
    assert!(most > 0 && painted > 0, "the annotator painted something");
    eprintln!("{kills} kills: {painted} strokes and {thresholds} thresholds were older than a second, none was lost");
}
