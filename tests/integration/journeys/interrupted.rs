//! Exports that are stopped, killed or out of space leave nothing that looks finished, and the next one clears up.
#![cfg(unix)]

use super::exporting::project;
use super::program::{Ended, phantoms, program, tree};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Inputs of an export that takes long enough to be met in the middle.
const MANY: usize = 400;

fn start(inputs: &[PathBuf], kind: &str, out: &Path) -> Child {
    let mut command = program();
    command.arg("export").args(inputs).args(["--to", kind, "--out"]).arg(out);
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Waits until a hidden folder of the export holds files.
fn until_it_writes(child: &mut Child, folder: &Path) {
    let begun = Instant::now();
    let writes = || tree(folder).iter().any(|p| p.components().count() > 1 && folder.join(p).is_file());
    while !writes() {
        assert!(child.try_wait().unwrap().is_none(), "it ended before it was met");
        assert!(begun.elapsed() < Duration::from_secs(120), "nothing was written");
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill").args([name, &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
}

fn names(folder: &Path) -> BTreeSet<String> {
    fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn a_stopped_export_leaves_nothing_and_a_killed_one_is_cleared_up() {
    let folder = tempfile::tempdir().unwrap();
    phantoms("chest", "lungs", 1, &folder.path().join("data"));
    let case = project(&folder.path().join("data"), 1, ["left lung", "right lung"], true);
    let many = vec![case.clone(); MANY];
    for kind in ["nnunet", "deidentified", "png"] {
        let place = folder.path().join(format!("to-{kind}"));
        fs::create_dir(&place).unwrap();
        let out = place.join("export");

        let mut child = start(&many, kind, &out);
        until_it_writes(&mut child, &place);
        signal(&child, "-INT");
        let ended = Ended::of(&child.wait_with_output().unwrap());
        assert_eq!(ended.status, Some(1), "{kind}: {}", ended.err);
        assert!(ended.err.contains("was cancelled"), "{kind}: {}", ended.err);
        assert!(tree(&place).is_empty(), "{kind}: {:?}", tree(&place));

        let mut child = start(&many, kind, &out);
        until_it_writes(&mut child, &place);
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(!out.exists(), "{kind}: nothing may look finished");
        let left = names(&place);
        assert!(!left.is_empty() && left.iter().all(|n| n.starts_with('.')), "{kind}: {left:?}");

        let mut child = start(std::slice::from_ref(&case), kind, &out);
        assert!(child.wait().unwrap().success(), "{kind}");
        assert_eq!(names(&place), BTreeSet::from(["export".to_owned()]), "{kind}");
    }
}

/// A file system of its own with little room; unmounted when dropped.
pub(super) struct SmallDisk(pub PathBuf);

impl SmallDisk {
    /// `None`, with a line that says what is skipped, where mounting is not allowed.
    pub fn mount(folder: &Path, bytes: usize) -> Option<Self> {
        let place = folder.join("disk");
        fs::create_dir(&place).unwrap();
        let size = format!("size={bytes}");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &size, "tmpfs"])
            .arg(&place)
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|s| s.success());
        if !mounted {
            println!("skipped: writing onto a full disk (mounting a small one is not allowed here)");
        }
        mounted.then_some(Self(place))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

#[test]
fn a_full_disk_is_said_and_left_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    phantoms("chest", "lungs", 1, &folder.path().join("data"));
    let case = project(&folder.path().join("data"), 1, ["left lung", "right lung"], true);
    let Some(disk) = SmallDisk::mount(folder.path(), 24 << 10) else { return };
    fs::write(disk.0.join("mine"), b"kept").unwrap();
    let many = vec![case.clone(); 60];
    for kind in ["nnunet", "deidentified", "seg", "rtstruct", "nifti", "nrrd", "png", "stl", "obj"] {
        let ended = Ended::of(&start(&many, kind, &disk.0.join("export")).wait_with_output().unwrap());
        ended.refused(&["the disk is full"]);
        assert_eq!(tree(&disk.0), BTreeSet::from([PathBuf::from("mine")]), "{kind}");
    }
    let single = |target: &str| {
        let lungs = folder.path().join("data/phantom_001/lungs.nii.gz");
        let ct = folder.path().join("data/phantom_001/ct");
        maskwright!("convert", lungs, disk.0.join(target), "--reference", ct)
    };
    fs::write(disk.0.join("filler"), vec![7; 16 << 10]).unwrap();
    for target in ["m.dcm", "m.rtstruct.dcm", "stack"] {
        single(target).refused(&[target, "the disk is full"]);
    }
    fs::remove_file(disk.0.join("filler")).unwrap();
    single("m.nii.gz").done();
    assert_eq!(names(&disk.0), BTreeSet::from(["m.nii.gz".to_owned(), "mine".to_owned()]));
}
