//! Times the whole window on a large volume, from an input event to the submitted frame: our own work, without the
//! device's. Also the memory that the case takes.

use super::data::{TemporaryFolder, volume};
use super::sampling::Sampler;
use crate::app::{PointerButtonKind, Probe};
use crate::cli::CliError;
use crate::nn::SharedGpu;
use crate::workspace::Home;
use std::sync::Arc;
use std::time::Duration;

/// Frames of each case.
const FRAMES: usize = 400;

pub(super) fn measure(sampler: &mut Sampler, gpu: &SharedGpu) -> Result<(), CliError> {
    let folder = TemporaryFolder::create()?;
    // Two volumes that differ in their number of slices alone: their times must not.
    let sizes: &[[usize; 3]] =
        if sampler.quick { &[[128, 128, 24], [128, 128, 48]] } else { &[[512, 512, 60], [512, 512, 600]] };
    for dims in sizes {
        let [nx, ny, nz] = *dims;
        sampler.begin("view", &format!("opening {nz} slices"))?;
        let path = folder.0.join(format!("view-{nz}.nrrd"));
        {
            let image = volume(*dims)?;
            crate::io::save_volume(&path, &image).map_err(CliError::of)?;
        }
        let home = Home::under(&folder.0.join(format!("home-{nz}")));
        let mut probe = Probe::open(Arc::new(gpu.clone()), home, path).map_err(CliError)?;
        frames(sampler, &format!("next slice of {nz} x {nx}x{ny}"), |n| probe.next_slice(n / 40 % 2 == 0))?;
        probe.button(PointerButtonKind::Secondary, true, false).map_err(CliError)?;
        frames(sampler, &format!("window drag on {nz} x {nx}x{ny}"), |n| probe.drag((n % 200) as f32, false))?;
        probe.button(PointerButtonKind::Secondary, false, false).map_err(CliError)?;
        probe.show_volume().map_err(CliError)?;
        probe.button(PointerButtonKind::Primary, true, true).map_err(CliError)?;
        frames(sampler, &format!("3-D turn of {nz} x {nx}x{ny}"), |n| probe.drag((n % 100) as f32, true))?;
        probe.button(PointerButtonKind::Primary, false, true).map_err(CliError)?;
    }
    Ok(())
}

fn frames(
    sampler: &mut Sampler,
    case: &str,
    mut frame: impl FnMut(usize) -> Result<Duration, String>,
) -> Result<(), CliError> {
    let count = if sampler.quick { 20 } else { FRAMES };
    sampler.begin("view", case)?;
    // What is made once, texts and pipelines, is not what a hand feels.
    for n in 0..10 {
        frame(n).map_err(CliError)?;
    }
    let mut times = Vec::with_capacity(count);
    for n in 0..count {
        times.push(frame(n).map_err(CliError)?.as_secs_f64());
    }
    let mut sorted = times.clone();
    sorted.sort_by(f64::total_cmp);
    let p99 = sorted[(sorted.len() * 99 / 100).min(sorted.len() - 1)];
    sampler.add("view", case, times, None);
    sampler.note(format!("p99 {:.2} ms", p99 * 1000.0));
    Ok(())
}
