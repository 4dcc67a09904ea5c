//! Times scanning and reading folders of DICOM slices: uncompressed ones that are written here, or given ones in several
//! transfer syntaxes. The first run warms up, so the files are in the system's cache: the figures are the program's own
//! time, not the disk's.

use super::data::{TemporaryFolder, volume};
use super::sampling::{Sampler, Watch, attached};
use crate::cli::CliError;
use crate::core::Volume;
use crate::io::dicom::{CtSeriesInfo, write_ct_series};
use crate::io::{LoadEvent, VolumeSource, load_volume, scan};
use crate::jobs::CancelToken;
use std::path::Path;
use std::time::{Duration, Instant};

/// The folders of [`measure_folders`], in the order of their figures.
const SYNTAXES: [&str; 4] = ["raw", "rle", "jls", "j2k"];

/// Generated slices: scan, whole series, first slice.
pub(super) fn measure(sampler: &mut Sampler) -> Result<(), CliError> {
    let (edge, slices) = if sampler.quick { (256, 60) } else { (512, 300) };
    sampler.begin("load", "writing DICOM slices")?;
    let folder = TemporaryFolder::create()?;
    let written = volume([edge, edge, slices])?;
    write_ct_series(&folder.0, &written, &info()).map_err(CliError::of)?;
    measure_folder(sampler, &folder.0, "", Some(&written)).map(drop)
}

/// What the header of generated slices says.
pub(super) fn info() -> CtSeriesInfo {
    CtSeriesInfo {
        patient_id: "BENCH".into(),
        series_description: "Generated".into(),
        series_number: 1,
        body_part: "CHEST".into(),
        seed: 1,
        window: None,
    }
}

/// The same of each folder in `data` that is named after a transfer syntax.
pub(super) fn measure_folders(sampler: &mut Sampler, data: &Path) -> Result<(), CliError> {
    let mut first: Option<Volume> = None;
    for name in SYNTAXES {
        let folder = data.join(name);
        if folder.is_dir() {
            let volume = measure_folder(sampler, &folder, &format!("{name} "), first.as_ref())?;
            first.get_or_insert(volume);
        }
    }
    match first {
        Some(_) => Ok(()),
        None => Err(CliError(format!(
            "{} holds none of the folders {}: make one DICOM series in each.",
            data.display(),
            SYNTAXES.join(", ")
        ))),
    }
}

/// Scans and reads the first series of `folder` again and again; its values must be `expected`. Cases are named after
/// `prefix`.
fn measure_folder(
    sampler: &mut Sampler,
    folder: &Path,
    prefix: &str,
    expected: Option<&Volume>,
) -> Result<Volume, CliError> {
    let cancel = sampler.cancel().clone();
    let find = || -> Result<VolumeSource, CliError> {
        let (ctx, _) = attached(&cancel);
        let found = scan(folder, &ctx).map_err(CliError::of)?;
        let source = found.series().find(|s| s.can_open()).and_then(|s| s.source.clone());
        source.ok_or_else(|| CliError(format!("{} holds no series that can be opened.", folder.display())))
    };
    sampler.begin("load", &format!("{prefix}series"))?;
    let source = find()?;
    let (volume, _) = read(&source, &cancel, &mut Watch::default())?;
    if expected.is_some_and(|expected| expected.hu() != volume.hu()) {
        let text = format!("The series in {} was read with other values than it should hold.", folder.display());
        return Err(CliError(text));
    }
    let [nx, ny, nz] = volume.geometry().dims();
    let size = format!("{nz} x {nx}x{ny}");
    sampler.measure("load", &format!("{prefix}scan {size}"), |watch| watch.time(find).map(drop))?;
    let mut first = Vec::new();
    sampler.measure("load", &format!("{prefix}whole series {size}"), |watch| {
        let (again, arrived) = read(&source, &cancel, watch)?;
        if again.hu() != volume.hu() {
            return Err(CliError("The series was read with other values than before.".into()));
        }
        first.extend(arrived.as_ref().map(Duration::as_secs_f64));
        Ok(())
    })?;
    // The first run warmed up.
    let first = first.split_off(1.min(first.len()));
    sampler.add("load", &format!("{prefix}first slice {size}"), first, None);
    Ok(volume)
}

/// Reads the series against the clock, as the window does; also, when its first slice arrived.
fn read(
    source: &VolumeSource,
    cancel: &CancelToken,
    watch: &mut Watch,
) -> Result<(Volume, Option<Duration>), CliError> {
    let (ctx, events) = attached(cancel);
    let (loaded, arrived) = watch.time(|| {
        let begun = Instant::now();
        std::thread::scope(|scope| {
            let listener = scope.spawn(move || {
                let mut slices = events.iter().filter(|e| matches!(e, LoadEvent::Slice { .. }));
                let arrived = slices.next().map(|_| begun.elapsed());
                // Taken off as they come, so that the loader never holds more than the window lets it.
                slices.for_each(drop);
                arrived
            });
            let loaded = load_volume(source, &ctx);
            drop(ctx);
            (loaded, listener.join().ok().flatten())
        })
    });
    Ok((loaded.map_err(CliError::of)?, arrived))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jobs::JobContext;

    #[test]
    fn folders_are_timed_by_name_and_must_hold_one_volume() {
        let ctx = JobContext::detached();
        let dir = tempfile::tempdir().unwrap();
        let reason = |data: &Path| measure_folders(&mut Sampler::new(true, &ctx), data).unwrap_err().0;
        assert!(reason(dir.path()).contains("raw, rle, jls, j2k"));
        let write = |name: &str, edge: usize| {
            let folder = dir.path().join(name);
            std::fs::create_dir(&folder).unwrap();
            write_ct_series(&folder, &volume([edge, 8, 3]).unwrap(), &info()).unwrap();
        };
        write("raw", 16);
        write("jls", 16);
        let mut sampler = Sampler::new(true, &ctx);
        measure_folders(&mut sampler, dir.path()).unwrap();
        let cases: Vec<&str> = sampler.figures.iter().map(|f| f.case.as_str()).collect();
        let three = |name: &str| ["scan", "whole series", "first slice"].map(|what| format!("{name} {what} 3 x 16x8"));
        assert_eq!(cases, [three("raw"), three("jls")].concat());
        write("rle", 12);
        assert!(reason(dir.path()).contains("other values"));
    }
}
