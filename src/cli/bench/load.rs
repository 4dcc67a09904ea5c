//! Times scanning and reading a folder of uncompressed DICOM slices. The files were just written, so they are in the
//! system's cache: the figures are the program's own time, not the disk's.

use super::data::{TemporaryFolder, volume};
use super::sampling::{Sampler, attached};
use crate::cli::CliError;
use crate::io::dicom::{CtSeriesInfo, write_ct_series};
use crate::io::{LoadEvent, VolumeSource, load_volume, scan};
use std::time::{Duration, Instant};

pub(super) fn measure(sampler: &mut Sampler) -> Result<(), CliError> {
    let (edge, slices) = if sampler.quick { (256, 60) } else { (512, 300) };
    let size = format!("{slices} x {edge}x{edge}");
    sampler.begin("load", "writing DICOM slices")?;
    let folder = TemporaryFolder::create()?;
    let info = CtSeriesInfo {
        patient_id: "BENCH".into(),
        series_description: "Generated".into(),
        series_number: 1,
        body_part: "CHEST".into(),
        seed: 1,
        window: None,
    };
    let written = volume([edge, edge, slices])?;
    write_ct_series(&folder.0, &written, &info).map_err(CliError::of)?;
    let mut source = None;
    sampler.measure("load", &format!("scan {size}"), {
        let (ctx, _) = attached(sampler.cancel());
        let (source, path) = (&mut source, folder.0.clone());
        move |watch| {
            let found = watch.time(|| scan(&path, &ctx)).map_err(CliError::of)?;
            *source = found.series().find(|s| s.can_open()).and_then(|s| s.source.clone());
            Ok(())
        }
    })?;
    let source: VolumeSource = source.ok_or_else(|| CliError("The written series was not found again.".into()))?;
    let mut first = Vec::new();
    let cancel = sampler.cancel().clone();
    sampler.measure("load", &format!("whole series {size}"), |watch| {
        let (ctx, events) = attached(&cancel);
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
                let loaded = load_volume(&source, &ctx);
                drop(ctx);
                (loaded, listener.join().ok().flatten())
            })
        });
        let loaded = loaded.map_err(CliError::of)?;
        if loaded.hu() != written.hu() {
            return Err(CliError("The series was read back with other values than were written.".into()));
        }
        first.extend(arrived.as_ref().map(Duration::as_secs_f64));
        Ok(())
    })?;
    // The first run warmed up.
    let first = first.split_off(1.min(first.len()));
    sampler.add("load", &format!("first slice {size}"), first, None);
    Ok(())
}
