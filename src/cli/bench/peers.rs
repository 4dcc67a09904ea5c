//! What other libraries need for the operations on masks, timed by a Python that has them. Called by `operations`.

use super::beside::Script;
use super::data::TemporaryFolder;
use super::sampling::Sampler;
use crate::cli::CliError;
use crate::core::{LabelMap, Volume};
use crate::io::atomic::plain_reason;
use serde::{Deserialize, Serialize};
use std::path::Path;

const SCRIPT: Script = Script { text: include_str!("edit.py"), times: "operations on masks", environment: &[] };

/// What is expected to take longer is left out.
const LONGEST_S: f64 = 60.0;

/// What the script is to do.
#[derive(Debug, Clone, Copy)]
pub(super) struct Task {
    /// As the script calls it.
    pub what: &'static str,
    /// One of [`Peers::write`]'s masks; empty for an operation on the image.
    pub mask: &'static str,
    /// Radius or margin.
    pub mm: f64,
    pub seed: [usize; 3],
    pub tolerance: i16,
}

/// What the script is told.
#[derive(Serialize)]
struct Job<'a> {
    what: &'a str,
    folder: &'a Path,
    mask: &'a str,
    mm: f64,
    dims: [usize; 3],
    spacing: [f64; 3],
    seed: [usize; 3],
    tolerance: i16,
    threads: usize,
    seconds: f64,
    budget: f64,
}

/// What the script prints.
#[derive(Debug, Deserialize)]
struct Answer {
    timed: Vec<Timed>,
    /// Packages that are not installed.
    absent: Vec<String>,
    left: Vec<Left>,
}

#[derive(Debug, Deserialize)]
struct Timed {
    library: String,
    how: String,
    extent: String,
    walls: Vec<f64>,
    cpu_s: f64,
    voxels: u64,
}

/// What would have taken too long.
#[derive(Debug, Deserialize)]
struct Left {
    library: String,
    how: String,
    extent: String,
    seconds: f64,
}

/// A Python, and a folder with what our own operations work on.
pub(super) struct Peers<'a> {
    python: &'a Path,
    folder: TemporaryFolder,
    dims: [usize; 3],
    spacing: [f64; 3],
}

impl<'a> Peers<'a> {
    /// Hands over the image and masks, each under its name, as raw files.
    ///
    /// # Errors
    /// When the files cannot be written.
    pub fn write(python: &'a Path, image: &Volume, masks: &[(&str, &LabelMap)]) -> Result<Self, CliError> {
        let folder = TemporaryFolder::create()?;
        let write = |name: &str, bytes: &[u8]| {
            let path = folder.0.join(name);
            let failed = |e| CliError(format!("{} cannot be written: {}.", path.display(), plain_reason(&e)));
            std::fs::write(&path, bytes).map_err(failed)
        };
        write("image.raw", bytemuck::cast_slice(image.hu()))?;
        for (name, mask) in masks {
            write(name, &mask.to_dense())?;
        }
        let geometry = image.geometry();
        Ok(Self { python, dims: geometry.dims(), spacing: geometry.spacing().to_array(), folder })
    }

    /// Adds the figures of other libraries behind our last one, whose result had `voxels` voxels.
    ///
    /// # Errors
    /// When the Python cannot be run or the script fails in it, and when the measurement was cancelled.
    pub fn measure(&self, sampler: &mut Sampler, task: Task, voxels: u64) -> Result<(), CliError> {
        sampler.say(&format!("edit: {} by other libraries", task.what))?;
        let Task { what, mask, mm, seed, tolerance } = task;
        let job = Job {
            what,
            folder: &self.folder.0,
            mask,
            mm,
            dims: self.dims,
            spacing: self.spacing,
            seed,
            tolerance,
            threads: std::thread::available_parallelism().map_or(1, |n| n.get()),
            seconds: LONGEST_S,
            budget: if sampler.quick { 0.1 } else { 2.0 },
        };
        let answer = SCRIPT.ask(self.python, &[serde_json::to_string(&job).map_err(CliError::of)?])?;
        tell(sampler, self.python, voxels, answer);
        Ok(())
    }
}

/// Puts an answer behind our own figure, and into its note who was fastest.
fn tell(sampler: &mut Sampler, python: &Path, voxels: u64, answer: Answer) {
    let Some((at, own)) = sampler.figures.last().map(|f| (sampler.figures.len() - 1, f.clone())) else { return };
    // The fastest on each extent.
    let mut fastest: Vec<(String, f64, String)> = Vec::new();
    for timed in answer.timed.into_iter().filter(|t| !t.walls.is_empty()) {
        let Timed { library, how, extent, walls, cpu_s, voxels: found } = timed;
        sampler.add_other("edit", &format!("{library}, {how}: {}, {extent}", own.case), walls, cpu_s, None);
        let ratio = sampler.figures.last().map_or(0.0, |f| f.median_s / own.median_s.max(1e-9));
        sampler.note(format!("{ratio:.2} x our time, {found} voxels, ours {voxels}"));
        match fastest.iter_mut().find(|(e, ..)| *e == extent) {
            Some(best) if best.1 <= ratio => {}
            Some(best) => *best = (extent, ratio, library),
            None => fastest.push((extent, ratio, library)),
        }
    }
    if let Some(figure) = sampler.figures.get_mut(at) {
        let mut note = own.note.unwrap_or_default();
        for (extent, ratio, library) in fastest {
            note.push_str(&format!("; fastest other, {extent}: {ratio:.2} x ours ({library})"));
        }
        figure.note = Some(note);
    }
    for Left { library, how, extent, seconds } in answer.left {
        let text = format!("{library}, {how}: {}, {extent}: would take about {seconds:.0} s", own.case);
        sampler.skip("edit", text);
    }
    for package in answer.absent {
        sampler.skip("edit", format!("{package} is not installed in {}", python.display()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jobs::JobContext;

    #[test]
    fn an_answer_stands_behind_our_figure_with_its_ratio() {
        let ctx = JobContext::detached();
        let mut sampler = Sampler::new(true, &ctx);
        sampler.add("edit", "margin", vec![2.0], None);
        sampler.note("7 bricks change".into());
        let answer = r#"{"timed": [
            {"library": "edt 3", "how": "edt", "extent": "whole volume", "walls": [5.0, 6.0, 7.0], "cpu_s": 8.0, "voxels": 11},
            {"library": "scipy 1", "how": "label", "extent": "whole volume", "walls": [9.0], "cpu_s": 9.0, "voxels": 12},
            {"library": "scipy 1", "how": "label", "extent": "segment's box", "walls": [1.0], "cpu_s": 1.0, "voxels": 12}],
            "absent": ["SimpleITK"],
            "left": [{"library": "scipy 1", "how": "edt", "extent": "whole volume", "seconds": 70.4}]}"#;
        for _ in 0..2 {
            let count = sampler.figures.len();
            tell(&mut sampler, Path::new("py"), 11, serde_json::from_str(answer).unwrap());
            assert_eq!(sampler.figures.len(), count + 3);
            sampler.figures.truncate(1);
        }
        let own = sampler.figures[0].note.clone().unwrap();
        assert!(own.starts_with("7 bricks change; fastest other, whole volume: 3.00 x ours (edt 3)"), "{own}");
        assert!(own.contains("segment's box: 0.50 x ours (scipy 1)"), "{own}");
        let skipped: Vec<_> = sampler.skipped.iter().map(|s| s.reason.as_str()).collect();
        let late = "scipy 1, edt: margin, whole volume: would take about 70 s";
        assert_eq!(skipped, [late, "SimpleITK is not installed in py"], "each is told once");
        tell(&mut sampler, Path::new("py"), 11, serde_json::from_str(answer).unwrap());
        let edt = &sampler.figures[1];
        assert_eq!((edt.case.as_str(), edt.cpu_s), ("edt 3, edt: margin, whole volume", Some(8.0)));
        assert_eq!(edt.note.as_deref(), Some("3.00 x our time, 11 voxels, ours 11"));
        assert_eq!((edt.peak_rss_mib, edt.grown_mib), (None, None));
    }
}
