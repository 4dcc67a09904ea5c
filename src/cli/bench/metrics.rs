//! Times Dice and surface distances of two large masks, on one thread and on all.

use super::data::mask_pair;
use super::sampling::Sampler;
use crate::cli::CliError;
use crate::metrics::{Convention, Select, overlap, surface_distances};

pub(super) fn measure(sampler: &mut Sampler) -> Result<(), CliError> {
    let slices = if sampler.quick { 145..155 } else { 0..300 };
    let size = format!("512x512x{}", slices.clone().count());
    sampler.begin("metrics", "making the masks")?;
    let [a, b] = mask_pair(slices, 1)?;
    let cancel = sampler.cancel().clone();
    for (threads, words) in [(1, "1 thread"), (0, "all threads")] {
        // 0 lets rayon choose as many as there are processors.
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .map_err(|e| CliError(format!("The threads of the measurement cannot be started: {e}.")))?;
        let mut note = String::new();
        sampler.measure("metrics", &format!("Dice {size}, {words}"), |watch| {
            let found = watch.time(|| pool.install(|| overlap(&a, Select::Foreground, &b, Select::Foreground)));
            note = found.map_err(CliError::of)?.figures().dice.map_or(String::new(), |d| format!("Dice {d:.6}"));
            Ok(())
        })?;
        sampler.note(std::mem::take(&mut note));
        sampler.measure("metrics", &format!("HD, HD95, ASSD {size}, {words}"), |watch| {
            let found = watch.time(|| {
                pool.install(|| {
                    surface_distances(&a, Select::Foreground, &b, Select::Foreground, Convention::Standard, &cancel)
                })
            });
            if let Some(d) = found.map_err(CliError::of)? {
                note = format!("HD {:.4}, HD95 {:.4}, ASSD {:.4} mm", d.hd, d.hd95.unwrap_or(f64::NAN), d.assd);
            }
            Ok(())
        })?;
        sampler.note(note);
    }
    Ok(())
}
