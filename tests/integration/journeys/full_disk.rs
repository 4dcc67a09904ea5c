//! The disk of the journal and of the project is full: it is said at once and stays said, work goes on in memory, and
//! nothing half-written takes the place of what was there.
#![cfg(unix)]

use super::interrupted::SmallDisk;
use super::program::tree;
use glam::DVec3;
use maskwright::core::{Geometry, LabelMap, Volume};
use maskwright::io;
use maskwright::jobs::Waker;
use maskwright::workspace::{Document, EditCommand, FileCommand, Home, Level, OpenCommand, Workspace};
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const FILE: &str = "journal.mwj";
const DIMS: [usize; 3] = [64, 64, 40];

/// A workspace whose home lies on a small disk.
struct Desk {
    w: Workspace,
    home: Home,
    filler: PathBuf,
    /// Errors that were told.
    errors: Vec<String>,
    strokes: usize,
}

impl Desk {
    fn open(folder: &Path, disk: &Path) -> Self {
        let geometry = Geometry::axis_aligned(DIMS, DVec3::new(0.8, 0.8, 2.5), DVec3::ZERO).unwrap();
        let volume = Volume::new(geometry, vec![40; geometry.voxel_count()]).unwrap();
        let scan = folder.join("scan.nrrd");
        io::save_volume(&scan, &volume).unwrap();
        let home = Home::under(&disk.join("home"));
        let w = Workspace::new(home.clone(), Waker::none(), None);
        let mut desk = Self { w, home, filler: disk.join("filler"), errors: Vec::new(), strokes: 0 };
        desk.until("a quiet start", |w| !w.is_busy());
        desk.w.dispatch(OpenCommand::Path(scan));
        desk.until("the case", |w| !w.is_busy());
        desk
    }

    fn until(&mut self, what: &str, done: impl Fn(&Workspace) -> bool) {
        let begun = Instant::now();
        loop {
            self.w.poll();
            let told = self.w.take_notices().into_iter();
            self.errors.extend(told.filter(|n| n.level == Level::Error).map(|n| n.text));
            if done(&self.w) {
                return;
            }
            assert!(begun.elapsed() < Duration::from_secs(120), "never came: {what}; told: {:?}", self.errors);
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    fn document(&self) -> &Document {
        self.w.active_document().unwrap()
    }

    fn labels(&self) -> LabelMap {
        self.document().layer().unwrap().labels.clone()
    }

    /// Each on a place of its own.
    fn stroke(&mut self) {
        let n = self.strokes;
        self.strokes += 1;
        let at = DVec3::new((8 + 12 * (n % 4)) as f64, (8 + 12 * (n / 4 % 4)) as f64, (n / 16 % DIMS[2]) as f64);
        self.w.dispatch(EditCommand::BeginStroke { erase: false, through_axis: 2 });
        self.w.dispatch(EditCommand::ExtendStroke { from: at, to: at });
        self.w.dispatch(EditCommand::CommitStroke);
    }

    /// Takes all the room that is left.
    fn fill(&self) {
        let mut file = File::options().create(true).append(true).open(&self.filler).unwrap();
        while file.write_all(&[7; 4096]).is_ok() {}
    }

    fn free(&self) {
        fs::remove_file(&self.filler).unwrap();
    }

    fn save(&mut self, project: &Path) {
        self.w.dispatch(FileCommand::SaveProject(Some(project.to_owned())));
        self.until("the end of the save", |w| !w.is_busy());
    }

    /// The mask that a start after a crash would find.
    fn found_after_a_crash(&self) -> LabelMap {
        let outside = tempfile::tempdir().unwrap();
        let journals = fs::read_dir(self.home.journals()).unwrap();
        let journal = journals.map(|e| e.unwrap().path().join(FILE)).find(|p| p.is_file());
        fs::copy(journal.expect("a journal"), outside.path().join(FILE)).unwrap();
        io::journal::recover(outside.path()).unwrap().unwrap().layers[0].labels.clone()
    }

    fn is_in_trouble(w: &Workspace) -> bool {
        w.active_document().is_some_and(|d| d.trouble().is_some())
    }
}

#[test]
fn a_journal_on_a_full_disk_is_said_and_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let Some(disk) = SmallDisk::mount(folder.path(), 1 << 20) else { return };
    let mut desk = Desk::open(folder.path(), &disk.0);
    desk.fill();
    desk.stroke();
    desk.until("the alarm", Desk::is_in_trouble);
    assert!(desk.document().trouble().unwrap().contains("the disk is full"));
    desk.until("the notice", |_| true);
    assert!(desk.errors.iter().any(|e| e.contains("NOT protected") && e.contains("the disk is full")));
    // In memory it goes on.
    let before = desk.labels();
    desk.stroke();
    assert!(desk.labels().counts()[1] > before.counts()[1]);
    desk.until("another look", |_| true);
    assert!(Desk::is_in_trouble(&desk.w), "the mark stays");
    desk.free();
    desk.until("protection", |w| !Desk::is_in_trouble(w) && !w.is_busy());
    // What is on disk is complete from then on.
    desk.stroke();
    let painted = desk.labels();
    desk.w.shut_down();
    let found = io::journal::unfinished(&desk.home.journals());
    assert_eq!(found.len(), 1);
    assert_eq!(io::journal::recover(&found[0]).unwrap().unwrap().layers[0].labels, painted);
    let hidden = |p: &PathBuf| p.extension().is_some_and(|e| e == "tmp");
    assert!(!tree(&disk.0).iter().any(hidden), "{:?}", tree(&disk.0));
}

#[test]
fn a_disk_that_fills_up_leaves_whole_strokes_and_the_last_saved_project() {
    let folder = tempfile::tempdir().unwrap();
    let Some(disk) = SmallDisk::mount(folder.path(), 1 << 20) else { return };
    let mut desk = Desk::open(folder.path(), &disk.0);
    desk.stroke();
    let project = disk.0.join("case.maskwright");
    desk.save(&project);
    assert!(!desk.document().is_unsaved(), "{:?}", desk.errors);
    let saved = desk.labels();
    let files = tree(&project);
    let mut states = Vec::new();
    let journals = desk.home.journals();
    let count =
        || fs::read_dir(&journals).into_iter().flatten().flatten().filter(|e| e.path().join(FILE).is_file()).count();
    desk.until("the end of the first journal", |_| count() == 0);
    desk.stroke();
    states.push(desk.labels());
    desk.until("the second journal", |w| !w.is_busy() && count() == 1);
    // The last page of its file has room for a few.
    while !Desk::is_in_trouble(&desk.w) {
        assert!(states.len() < 500, "a full disk takes everything");
        desk.fill();
        desk.stroke();
        states.push(desk.labels());
        for _ in 0..20 {
            desk.until("the next frame", |_| true);
            std::thread::sleep(Duration::from_millis(2));
        }
    }
    desk.until("the notice", |_| true);
    assert!(desk.errors.iter().any(|e| e.contains("NOT protected") && e.contains("the disk is full")));
    let left = desk.found_after_a_crash();
    assert!(states.contains(&left), "a crash leaves whole strokes");
    // Nor can it be saved, which leaves the project of before as it was.
    desk.save(&project);
    assert!(desk.document().is_unsaved());
    assert_eq!(desk.document().failed_save(), Some("case.maskwright"));
    assert!(desk.errors.iter().any(|e| e.contains("was not saved: the disk is full")), "{:?}", desk.errors);
    assert_eq!(tree(&project), files);
    assert_eq!(io::load_project(&project).unwrap().layers[0].labels, saved);
    // A new one is not begun.
    let other = disk.0.join("other.maskwright");
    desk.save(&other);
    assert!(!other.exists());
    desk.free();
    desk.until("protection", |w| !Desk::is_in_trouble(w));
    desk.save(&project);
    assert!(!desk.document().is_unsaved() && desk.document().failed_save().is_none());
    assert_eq!(io::load_project(&project).unwrap().layers[0].labels, *states.last().unwrap());
}
