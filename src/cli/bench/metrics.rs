//! Times Dice and surface distances of two large masks, on one thread and on all.

use super::data::mask_pair;
use super::sampling::Sampler;
use crate::cli::CliError;
use crate::edit::{Brush, BrushShape, PaintRule, Stroke};
use crate::metrics::{Convention, LiveOverlap, Pair, Select, overlap, surface_distances};
use glam::DVec3;

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
    // What the review tab does while a brush goes on: figures that follow a dab.
    let pairs = vec![Pair::foreground("All segments")];
    let mut live = LiveOverlap::new(&a, &b, pairs).ok_or_else(|| CliError("The grids of the masks differ.".into()))?;
    let mut painted = b;
    let radius_mm = 20.0 * painted.geometry().spacing().x;
    let brush = Brush { shape: BrushShape::Round2d { through_axis: 2 }, radius_mm };
    let mut dabs = 0;
    sampler.measure("metrics", &format!("Dice after a dab of 40 voxels {size}"), |watch| {
        // Each time another place, and another label than the last time.
        dabs += 1;
        let at = DVec3::new(160.0 + f64::from(dabs * 37 % 200), 160.0 + f64::from(dabs * 53 % 200), 5.0);
        let rule = PaintRule::paint(1, [false; 256]);
        let rule = if dabs % 2 == 0 { rule.erasing(1) } else { rule };
        Stroke::begin(&painted).extend(&mut painted, at, at, &brush, &rule);
        watch.time(|| {
            live.update(&a, &painted);
            live.overlaps().map(|(_, overlap)| overlap.figures()).collect::<Vec<_>>()
        });
        Ok(())
    })?;
    Ok(())
}
