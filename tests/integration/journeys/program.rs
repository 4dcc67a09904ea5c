//! Runs the built program and looks at what it leaves: status, stdout, stderr, files.

use maskwright::core::{LabelMap, Volume};
use maskwright::io;
use maskwright::jobs::JobContext;
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// Runs the program with arguments of any kind of string and waits for its end.
macro_rules! maskwright {
    ($($argument:expr),* $(,)?) => {
        $crate::journeys::program::run(&[$(std::ffi::OsStr::new(&$argument)),*])
    };
}

/// How the program ended.
pub struct Ended {
    pub status: Option<i32>,
    pub out: String,
    pub err: String,
}

/// The program, as from a shell that shows panics in full.
pub fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_maskwright"));
    command.env_remove("MASKWRIGHT_LOG").env("RUST_BACKTRACE", "1").stdin(Stdio::null());
    command
}

pub fn run(arguments: &[&OsStr]) -> Ended {
    Ended::of(&program().args(arguments).output().unwrap())
}

impl Ended {
    pub fn of(output: &Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        Self { status: output.status.code(), out: text(&output.stdout), err: text(&output.stderr) }
    }

    /// Done, and not a word of a crash; gives stdout.
    #[track_caller]
    pub fn done(self) -> String {
        assert_eq!(self.status, Some(0), "stderr: {}", self.err);
        assert!(!self.err.contains("panicked") && !self.err.contains("error:"), "{}", self.err);
        self.out
    }

    /// Done; gives the one JSON document on stdout.
    #[track_caller]
    pub fn json(self) -> serde_json::Value {
        serde_json::from_str(&self.done()).unwrap()
    }

    /// Status 1 with exactly one sentence on stderr, which holds all of `words`.
    #[track_caller]
    pub fn refused(self, words: &[&str]) -> String {
        assert_eq!(self.status, Some(1), "stdout: {}, stderr: {}", self.out, self.err);
        assert_eq!(self.err.trim_end().lines().count(), 1, "{}", self.err);
        assert!(!self.err.contains("panicked") && !self.err.contains("defect"), "{}", self.err);
        for word in words {
            assert!(self.err.contains(word), "no {word:?} in: {}", self.err);
        }
        self.err
    }
}

/// Every path under `folder`, relative to it.
pub fn tree(folder: &Path) -> BTreeSet<PathBuf> {
    fn walk(folder: &Path, root: &Path, out: &mut BTreeSet<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, root, out);
            }
            out.insert(path.strip_prefix(root).unwrap().to_owned());
        }
    }
    let mut out = BTreeSet::new();
    walk(folder, folder, &mut out);
    out
}

/// Generated patients of 32 x 32 x 8 voxels.
pub fn phantoms(kind: &str, layout: &str, patients: usize, out: &Path) {
    let count = patients.to_string();
    maskwright!(
        "phantom",
        "--kind",
        kind,
        "--layout",
        layout,
        "--patients",
        count,
        "--size",
        "32",
        "--slices",
        "8",
        "--out",
        out
    )
    .done();
}

/// A recipe that is learned in seconds: every label is the one class.
pub fn tiny_recipe(folder: &Path) -> PathBuf {
    let path = folder.join("tiny.ron");
    let text = r#"(
    name: "tiny",
    data: (classes: [(name: "organ", from: Any)]),
    preprocessing: (size: 32, intensity: Window(low: -1000.0, high: 400.0)),
    network: UNet(base_width: 4, depth: 2, norm: Batch, dropout: 0.0),
    loss: BceDice(smooth: 1.0),
    optimizer: (kind: Adam, lr: 0.01),
    batch_size: 4,
    epochs: 1,
    split: Patients(validation: 0.34, test: 0.33),
    seed: 1,
)"#;
    fs::write(&path, text).unwrap();
    path
}

/// Trains the tiny recipe for some epochs on the CPU.
pub fn train(recipe: &Path, data: &Path, run: &Path, epochs: usize) -> Ended {
    let epochs = epochs.to_string();
    maskwright!(
        "train", "--recipe", recipe, "--data", data, "--run", run, "--device", "cpu", "--epochs", epochs, "--json"
    )
}

/// A volume file as the library reads it.
pub fn volume(path: &Path) -> Volume {
    io::open_volume(path, None, &JobContext::detached()).unwrap().0
}

/// A mask file as the library reads it, on the grid of `image` where one is given.
pub fn mask(path: &Path, image: Option<&Volume>) -> LabelMap {
    io::open_mask(path, image.map(Volume::geometry), &JobContext::detached()).unwrap().labels
}
