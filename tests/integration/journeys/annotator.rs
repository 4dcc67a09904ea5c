//! An annotator paints and saves, and the program is killed at any moment: what is older than a second is never lost.
//!
//! The annotator is this test program run again as a process of its own. `MASKWRIGHT_KILLS` sets how often it is killed.

use glam::DVec3;
use maskwright::core::{Geometry, LabelMap, Volume};
use maskwright::io;
use maskwright::jobs::Waker;
use maskwright::workspace::{EditCommand, FileCommand, Home, OpenCommand, Workspace};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const FOLDER: &str = "MASKWRIGHT_TEST_ANNOTATOR";
const DIMS: [usize; 3] = [64, 64, 40];
/// What may be lost.
const GRACE: Duration = Duration::from_secs(1);

/// Stroke `n` paints one voxel that no other stroke paints.
fn place(n: usize) -> [usize; 3] {
    [n % 60 + 2, n / 60 % 60 + 2, n % 40]
}

fn home(dir: &Path) -> Home {
    Home::under(&dir.join("home"))
}

/// The process that is killed. Without its folder it is an ordinary test that has nothing to do.
#[test]
fn the_annotator() {
    let Some(dir) = std::env::var_os(FOLDER) else { return };
    let dir = Path::new(&dir);
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
    workspace.dispatch(EditCommand::BrushRadius(0.1));
    for n in 0..3600 {
        let at = DVec3::from_array(place(n).map(|v| v as f64));
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

/// Strokes that are in a map, when they are the first ones without a gap.
fn strokes(labels: &LabelMap) -> Option<usize> {
    let there = |n: usize| labels.at(place(n).map(|v| v as i64)) == 1;
    let count = (0..3600).take_while(|n| there(*n)).count();
    (labels.counts()[1] == count as u64).then_some(count)
}

/// Paints for `time`, is killed, and gives strokes that were older than [`GRACE`] and strokes that are found again.
fn kill_after(time: Duration, dir: &Path) -> (usize, usize) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["journeys::annotator::the_annotator", "--exact", "--nocapture", "--test-threads=1"])
        .env(FOLDER, dir)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap());
    let reader = std::thread::spawn(move || {
        let mut committed: Vec<Instant> = Vec::new();
        for line in lines.lines().map_while(Result::ok) {
            // The first line stands behind the name of the test.
            if line.contains("stroke ") {
                committed.push(Instant::now());
            }
        }
        committed
    });
    let begun = Instant::now();
    std::thread::sleep(time);
    let killed = Instant::now();
    child.kill().unwrap();
    child.wait().unwrap();
    let committed = reader.join().unwrap();
    assert!(killed - begun >= time);
    let safe = committed.iter().filter(|at| **at + GRACE <= killed).count();
    let mut found = 0;
    let project = dir.join("case.maskwright");
    if io::is_project(&project) {
        let data = io::load_project(&project).expect("every project opens");
        found = strokes(&data.layers[0].labels).expect("a project holds whole strokes in order");
    }
    for journal in io::journal::unfinished(&home(dir).journals()) {
        let back = io::journal::recover(&journal).expect("a journal is readable").expect("its program is dead");
        if let Some(layer) = back.layers.first() {
            let strokes = strokes(&layer.labels).expect("a journal holds whole strokes in order");
            assert_eq!(layer.touched_slices().iter().filter(|t| **t).count(), strokes.min(40));
            found = found.max(strokes);
        }
        io::journal::forget(&journal).unwrap();
    }
    (safe, found)
}

#[test]
fn a_killed_annotator_loses_nothing_that_is_older_than_a_second() {
    let kills: usize = std::env::var("MASKWRIGHT_KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(4);
    let geometry = Geometry::axis_aligned(DIMS, DVec3::new(0.8, 0.8, 2.5), DVec3::ZERO).unwrap();
    let volume = Volume::new(geometry, vec![40i16; geometry.voxel_count()]).unwrap();
    let mut state = 12345u64 + kills as u64;
    let (mut painted, mut most) = (0, 0);
    for kill in 0..kills {
        let dir = tempfile::tempdir().unwrap();
        io::save_volume(&dir.path().join("scan.nrrd"), &volume).unwrap();
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let time = Duration::from_millis(300 + (state >> 33) % 3000);
        let (safe, found) = kill_after(time, dir.path());
        assert!(found >= safe, "kill {kill} after {time:?}: {safe} strokes were a second old, {found} are left");
        painted += safe;
        most = most.max(found);
    }
    assert!(most > 0 && painted > 0, "the annotator painted something");
    eprintln!("{kills} kills: {painted} strokes were older than a second, none was lost");
}
