//! The mutation fuzzer: thousands of damaged files, read in every way the program reads them.
//!
//! Nothing may panic, end the process, or take more memory than 512 MB or four times the file; the longest time is
//! printed. Inputs follow from a seed and their number, so that any of them can be made again:
//!
//! - `MASKWRIGHT_FUZZ=20000` reads so many instead of the usual number;
//! - `MASKWRIGHT_FUZZ_SEED=7` draws others;
//! - `MASKWRIGHT_FUZZ_ONLY=1234` reads that one alone.
//!
//! Should the process end over an input, `fuzz-now` in cargo's folder for temporary files of tests names it.

use super::alone::{alone, processor_time};
use super::memory::peak_of;
use super::mutate::mutate;
use super::seeds::{Kind, Seed, grid, one_slice, seeds};
use maskwright::io::layouts::Layout;
use maskwright::io::{self, VolumeSource};
use maskwright::jobs::{JobContext, caught_panics};
use rand::Rng;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use std::collections::BTreeMap;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

const USUAL: u64 = 6000;
/// Most memory of one input, unless its file is larger than a quarter of this.
const MEMORY: usize = 512 << 20;

/// Where panics happened, caught or not.
static PANICS: Mutex<Vec<String>> = Mutex::new(Vec::new());

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{variable} is no number: {text}")))
}

#[test]
fn damaged_files_do_no_harm() {
    alone("hostile::fuzz::damaged_files_do_no_harm", || {
        io::dicom::use_decode_worker(Path::new(env!("CARGO_BIN_EXE_maskwright")));
        std::panic::set_hook(Box::new(|info| {
            let place = info.location().map(ToString::to_string).unwrap_or_default();
            PANICS.lock().unwrap_or_else(PoisonError::into_inner).push(place);
        }));
        let report = run(number("MASKWRIGHT_FUZZ").unwrap_or(USUAL), number("MASKWRIGHT_FUZZ_SEED").unwrap_or(1));
        drop(std::panic::take_hook());
        println!("{report}");
        assert!(report.failures.is_empty(), "{report}");
        let some = report.inputs / 20..report.inputs * 19 / 20;
        assert!(report.inputs < 1000 || some.contains(&report.opened), "{report}");
    });
}

#[derive(Default)]
struct Report {
    inputs: u64,
    /// How many could still be opened: all or none would mean that the changes test nothing.
    opened: u64,
    time: Duration,
    /// Largest memory and longest time, with the input's number.
    memory: (usize, u64),
    longest: (Duration, u64),
    failures: Vec<String>,
    /// Panics that were caught inside, by place.
    caught: BTreeMap<String, u64>,
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "{} inputs, {} opened, in {:.1} s", self.inputs, self.opened, self.time.as_secs_f64())?;
        writeln!(f, "most memory: {} KiB (input {})", self.memory.0 >> 10, self.memory.1)?;
        writeln!(f, "longest: {} ms (input {})", self.longest.0.as_millis(), self.longest.1)?;
        for (place, count) in &self.caught {
            writeln!(f, "caught {count} panics at {place}")?;
        }
        self.failures.iter().take(20).try_for_each(|failure| writeln!(f, "{failure}"))
    }
}

fn run(inputs: u64, seed: u64) -> Report {
    let seeds = seeds();
    let dir = tempfile::tempdir().unwrap();
    let mut report = Report { inputs, ..Report::default() };
    let only = number("MASKWRIGHT_FUZZ_ONLY");
    let now = Path::new(env!("CARGO_TARGET_TMPDIR")).join("fuzz-now");
    let begun = Instant::now();
    for input in only.map_or(0..inputs, |n| n..n + 1) {
        let place = Place::new(dir.path(), seeds, input, seed);
        if only.is_some() {
            let file = place.seed.file.replace('/', "-");
            let kept = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("fuzz-{input}-{file}"));
            fs::copy(&place.path, &kept).unwrap();
            println!("input {input} ({}) is kept as {}", place.seed.name, kept.display());
        }
        fs::write(&now, format!("{input} of seed {seed}: {}", place.seed.name)).unwrap();
        let (caught, size) = (caught_panics(), fs::metadata(&place.path).unwrap().len() as usize);
        let started = processor_time();
        let (ended, peak) = peak_of(|| catch_unwind(AssertUnwindSafe(|| place.read())));
        let took = processor_time().saturating_sub(started);
        let mut fail = |what: String| report.failures.push(format!("input {input} ({}): {what}", place.seed.name));
        let panics = std::mem::take(&mut *PANICS.lock().unwrap_or_else(PoisonError::into_inner));
        report.opened += u64::from(*ended.as_ref().unwrap_or(&false));
        if ended.is_err() {
            fail(format!("panicked at {panics:?}"));
        } else if caught_panics() > caught || !panics.is_empty() {
            panics.into_iter().for_each(|place| *report.caught.entry(place).or_default() += 1);
        }
        if peak > MEMORY.max(4 * size) {
            fail(format!("took {} MiB for {size} bytes", peak >> 20));
        }
        report.memory = report.memory.max((peak, input));
        report.longest = report.longest.max((took, input));
    }
    report.time = begun.elapsed();
    let _ = fs::remove_file(now);
    report
}

/// One damaged file and what lies around it.
struct Place<'s> {
    seed: &'s Seed,
    path: PathBuf,
    folder: PathBuf,
}

impl<'s> Place<'s> {
    fn new(dir: &Path, seeds: &'s [Seed], input: u64, salt: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(salt);
        rng.set_stream(input);
        let seed = &seeds[(input % seeds.len() as u64) as usize];
        let other = &seeds[rng.random_range(0..seeds.len())].bytes;
        let bytes = mutate(&seed.bytes, seed.wrapper, other, &mut rng);
        let folder = dir.join(if seed.kind == Kind::Project { "x.maskwright" } else { "x" });
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir(&folder).unwrap();
        for (name, bytes) in &seed.beside {
            fs::create_dir_all(folder.join(name).parent().unwrap()).unwrap();
            fs::write(folder.join(name), bytes).unwrap();
        }
        let path = folder.join(&seed.file);
        fs::write(&path, bytes).unwrap();
        Self { seed, path, folder }
    }

    /// Reads the file in every way that its kind is read, and tells whether any of them worked. Refusals are fine; this
    /// looks for what is not.
    fn read(&self) -> bool {
        let ctx = JobContext::detached();
        match self.seed.kind {
            Kind::File => {
                let opened = open(&self.path);
                // Else each archive that was unpacked would stay until the end.
                io::archive::clean_up();
                opened
            }
            Kind::InSeries => open(&self.folder),
            Kind::Picture => {
                let _ = io::scan(&self.folder, &ctx);
                io::open_mask(&self.folder, Some(&one_slice()), &ctx).is_ok()
            }
            Kind::Project => io::load_project(&self.folder)
                .is_ok_and(|p| p.source.is_some_and(|s| io::load_volume(&s, &JobContext::detached()).is_ok())),
            Kind::Journal => io::journal::recover(&self.folder).is_ok_and(|found| found.is_some_and(|f| !f.torn)),
            Kind::Recipe => maskwright::train::Recipe::load(&self.path.to_string_lossy()).is_ok(),
            Kind::Weights => {
                let _ = maskwright::nn::read_metadata(&self.path, "maskwright");
                maskwright::nn::load_weights(&self.path).is_ok()
            }
            Kind::Declaration => io::layouts::find_cases(&self.folder, Some(Layout::NnUnet), &ctx).is_ok(),
        }
    }
}

/// Scans a path, opens every image and mask that is found, and then the path itself as the command line does.
fn open(path: &Path) -> bool {
    let ctx = JobContext::detached();
    let reference = grid();
    let mut opened = false;
    if let Ok(scan) = io::scan(path, &ctx) {
        for series in scan.series() {
            if let Some(source) = &series.source {
                opened |= io::load_volume_with_findings(source, &JobContext::detached()).is_ok();
            }
            let stack = match &series.source {
                Some(VolumeSource::Dicom(stack)) => Some(stack),
                _ => None,
            };
            for mask in &series.masks {
                opened |= io::load_mask(mask, stack, &series.geometry.unwrap_or(reference), &ctx).is_ok();
            }
        }
        for mask in &scan.masks {
            opened |= io::load_mask(mask, None, &reference, &ctx).is_ok();
        }
    }
    opened |= io::open_mask(path, Some(&reference), &ctx).is_ok();
    opened | io::open_mask(path, None, &ctx).is_ok()
}
