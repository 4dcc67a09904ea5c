//! Small files that ask for gigabytes, hours or a deep stack: each is refused in words and in little memory. The time it
//! took is printed, with a line that names the worst, and not judged, because machines differ; one that takes hours is
//! ended.

use super::alone::{alone, processor_time};
use super::dicom_bombs::dicom_bombs;
use super::memory::peak_of;
use super::other_bombs::other_bombs;
use super::seeds::{grid, one_slice};
use maskwright::io::layouts::Layout;
use maskwright::io::{self, Severity};
use maskwright::jobs::JobContext;
use maskwright::train::Recipe;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What refusing may take: less than an empty window.
pub const MEMORY: usize = 256 << 20;

/// What took longest and what took most memory, for the last line of a run. No time is judged: a release build's line
/// can be cited.
#[derive(Default)]
pub struct Worst {
    count: usize,
    time: (Duration, String),
    memory: (usize, String),
}

impl Worst {
    pub fn add(&mut self, name: &str, time: Duration, memory: usize) {
        self.count += 1;
        if self.count == 1 || time > self.time.0 {
            self.time = (time, name.to_owned());
        }
        if self.count == 1 || memory > self.memory.0 {
            self.memory = (memory, name.to_owned());
        }
    }
}

impl std::fmt::Display for Worst {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let build = if cfg!(debug_assertions) { "debug" } else { "release" };
        let ((time, slowest), (memory, largest)) = (&self.time, &self.memory);
        let (ms, mib) = (time.as_millis(), memory >> 20);
        write!(f, "worst of {} in a {build} build: {ms} ms ({slowest}), {mib} MiB ({largest})", self.count)
    }
}

/// How a bomb is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Open {
    /// As the command line opens images and masks.
    Path,
    /// As a mask of one slice of 20 x 18 pixels.
    Picture,
    Project,
    Journal,
    Recipe,
    Weights,
    Declaration,
}

pub struct Bomb {
    pub name: &'static str,
    pub open: Open,
    /// File names and contents; the first is what is opened.
    pub files: Vec<(String, Vec<u8>)>,
    /// What the refusal says. Where there is nothing, the file may also be opened: what counts is memory and time.
    pub words: &'static [&'static str],
}

impl Bomb {
    pub fn file(name: &'static str, file: &str, bytes: Vec<u8>, words: &'static [&'static str]) -> Self {
        Self { name, open: Open::Path, files: vec![(file.to_owned(), bytes)], words }
    }

    pub fn of(self, open: Open) -> Self {
        Self { open, ..self }
    }

    /// Writes the files into a new folder under `dir` and gives the path to open.
    pub fn write(&self, dir: &Path) -> PathBuf {
        let folder = dir.join(if self.open == Open::Project { "x.maskwright" } else { "x" });
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir(&folder).unwrap();
        for (name, bytes) in &self.files {
            fs::create_dir_all(folder.join(name).parent().unwrap()).unwrap();
            fs::write(folder.join(name), bytes).unwrap();
        }
        folder.join(&self.files[0].0)
    }

    /// Opens it, and tells all that was said against it.
    fn opened(&self, path: &Path) -> Result<(), String> {
        let ctx = JobContext::detached();
        let folder = path.parent().unwrap();
        let said = |error: &dyn std::fmt::Display| Err(error.to_string());
        match self.open {
            Open::Path => opened(path),
            Open::Project => io::load_project(folder).map(drop).or_else(|e| said(&e)),
            Open::Journal => match io::journal::recover(folder) {
                Ok(Some(found)) if found.torn => Err("torn".into()),
                other => other.map(drop).or_else(|e| said(&e)),
            },
            Open::Recipe => Recipe::load(&path.to_string_lossy()).map(drop).or_else(|e| said(&e)),
            Open::Weights => maskwright::nn::load_weights(path).map(drop).or_else(|e| said(&e)),
            Open::Declaration => {
                io::layouts::find_cases(folder, Some(Layout::NnUnet), &ctx).map(drop).or_else(|e| said(&e))
            }
            Open::Picture => io::open_mask(path, Some(&one_slice()), &ctx).map(drop).or_else(|e| said(&e)),
        }
    }
}

/// Scans and opens all that is found.
fn opened(path: &Path) -> Result<(), String> {
    let ctx = JobContext::detached();
    let scan = io::scan(path, &ctx).map_err(|e| e.to_string())?;
    let findings = scan.findings.iter().chain(scan.series().flat_map(|s| &s.findings));
    let mut said: Vec<String> = findings.filter(|f| f.severity == Severity::Error).map(|f| f.text.clone()).collect();
    for series in scan.series() {
        let Some(source) = &series.source else { continue };
        match io::load_volume(source, &JobContext::detached()) {
            Ok(_) => return Ok(()),
            Err(error) => said.push(error.to_string()),
        }
    }
    for mask in scan.series().flat_map(|s| &s.masks).chain(&scan.masks) {
        match io::load_mask(mask, None, &grid(), &ctx) {
            Ok(_) => return Ok(()),
            Err(error) => said.push(error.to_string()),
        }
    }
    Err(said.join("\n"))
}

/// All bombs.
pub fn bombs() -> Vec<Bomb> {
    dicom_bombs().into_iter().chain(other_bombs()).collect()
}

#[test]
fn small_files_that_ask_for_much_are_refused() {
    alone("hostile::bombs::small_files_that_ask_for_much_are_refused", || {
        io::dicom::use_decode_worker(Path::new(env!("CARGO_BIN_EXE_maskwright")));
        let dir = tempfile::tempdir().unwrap();
        let (mut wrong, mut worst) = (Vec::new(), Worst::default());
        for bomb in bombs() {
            let path = bomb.write(dir.path());
            let size: usize = bomb.files.iter().map(|f| f.1.len()).sum();
            let begun = processor_time();
            let (result, peak) = peak_of(|| bomb.opened(&path));
            let took = processor_time().saturating_sub(begun);
            println!("{:5} ms {:4} MiB of {:6} KiB: {}", took.as_millis(), peak >> 20, size >> 10, bomb.name);
            worst.add(bomb.name, took, peak);
            let said = result.clone().err().unwrap_or_default();
            if let Some(word) = bomb.words.iter().find(|word| !said.contains(**word)) {
                wrong.push(format!("{}: no {word:?} in {result:?}", bomb.name));
            }
            if peak > MEMORY.max(4 * size) {
                wrong.push(format!("{}: {} MiB", bomb.name, peak >> 20));
            }
        }
        println!("{worst}");
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    });
}
