//! Drawing beside training: how long a redraw takes while a network is fine-tuned, and what that costs the training.
//!
//! What the window does, without a window: a pane of 512 x 512 drawn thirty times a second while a hand moves, and a
//! round of the learning loop beside it, on the processor or on the device that draws.

use super::redraw::Stage;
use super::sampling::Sampler;
use crate::cli::CliError;
use crate::core::Geometry;
use crate::jobs::{Arbiter, BackgroundPool, CancelToken, Hand, Patience};
use crate::learn::{LoopConfig, Role, RoundInput, Sample, SampleInfo, SampleOrigin, fine_tune};
use crate::nn::{
    Compute, ComputeDevice, ComputeThread, DeviceChoice, DeviceMode, NetworkConfig, SharedGpu, UNetConfig,
    compute_device,
};
use crate::train::{Recipe, Slice};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Time of a frame.
const FRAME: Duration = Duration::from_millis(33);

/// How the network trains meanwhile.
enum Beside {
    Nothing,
    /// On threads like any other, without waiting.
    Cpu,
    /// On threads that yield, behind the arbiter, which is told whether processors draw as well.
    CpuBehind(bool),
    /// On a graphics device, behind the arbiter or not.
    Gpu(ComputeDevice, bool),
}

pub(super) fn measure(sampler: &mut Sampler, gpu: &SharedGpu) -> Result<(), CliError> {
    let dims = if sampler.quick { [128, 128, 40] } else { [512, 512, 200] };
    sampler.begin("arbiter", "uploading the volume")?;
    let (mut stage, geometry) = Stage::new(gpu, dims)?;
    let mut modes = vec![
        ("nothing beside it", Beside::Nothing),
        ("training on the CPU, no arbiter", Beside::Cpu),
        ("training on the CPU, arbiter", Beside::CpuBehind(gpu.is_software())),
    ];
    if !sampler.quick {
        modes.push(("training on the shared device, no arbiter", Beside::Gpu(gpu.compute(), false)));
        modes.push(("training on the shared device, arbiter", Beside::Gpu(gpu.compute(), true)));
        if let Ok(own) = gpu.dedicated() {
            modes.push(("training on a device of its own, no arbiter", Beside::Gpu(own.clone(), false)));
            modes.push(("training on a device of its own, arbiter", Beside::Gpu(own, true)));
        }
    }
    for (name, beside) in modes {
        // What a GPU is for; software Vulkan and two cores get the demo's network.
        let wide = !gpu.is_software() && matches!(beside, Beside::Gpu(..));
        one(sampler, &mut stage, &geometry, name, beside, wide)?;
    }
    Ok(())
}

fn one(
    sampler: &mut Sampler,
    stage: &mut Stage,
    geometry: &Geometry,
    name: &str,
    beside: Beside,
    wide: bool,
) -> Result<(), CliError> {
    sampler.begin("arbiter", name)?;
    let arbiter = Arbiter::default();
    let steps = Arc::new(AtomicUsize::new(0));
    let cancel = CancelToken::default();
    let trainer = start(beside, &arbiter, &steps, &cancel, wide)?;
    // The first steps compile and warm up.
    let warm = Instant::now();
    while trainer.is_some() && steps.load(Ordering::Relaxed) < 3 && warm.elapsed() < Duration::from_secs(60) {
        std::thread::sleep(FRAME);
    }
    let (begun, before) = (Instant::now(), steps.load(Ordering::Relaxed));
    let budget = Duration::from_secs(if sampler.quick { 1 } else { 12 });
    let (mut frames, mut centre) = (Vec::new(), 0.0);
    while begun.elapsed() < budget {
        if sampler.cancel().is_cancelled() {
            break;
        }
        let frame = Instant::now();
        arbiter.frame(Hand::Moves);
        centre = (centre + 1.0) % 400.0;
        stage.frame(geometry, centre)?;
        frames.push(frame.elapsed().as_secs_f64());
        std::thread::sleep(FRAME.saturating_sub(frame.elapsed()));
    }
    let name = if wide { format!("{name}, U-Net base 32, 512 x 512, batch 8") } else { name.to_owned() };
    let rate = (steps.load(Ordering::Relaxed) - before) as f64 / begun.elapsed().as_secs_f64();
    cancel.cancel();
    if let Some(trainer) = trainer {
        let _ = trainer.join();
    }
    frames.sort_by(f64::total_cmp);
    let p99 = frames.get(frames.len() * 99 / 100).or(frames.last()).copied().unwrap_or(0.0);
    sampler.add("arbiter", &format!("redraw, {name}"), frames, None);
    sampler.note(format!("p99 {:.0} ms, {rate:.2} steps a second", p99 * 1000.0));
    Ok(())
}

type Trainer = std::thread::JoinHandle<()>;

fn start(
    beside: Beside,
    arbiter: &Arbiter,
    steps: &Arc<AtomicUsize>,
    cancel: &CancelToken,
    wide: bool,
) -> Result<Option<Trainer>, CliError> {
    let (arbiter, steps, cancel) = (arbiter.clone(), steps.clone(), cancel.clone());
    let input = round(wide)?;
    let gate = arbiter.clone();
    let work = move |device: &ComputeDevice, pending: &dyn Fn()| {
        let mut since = Instant::now();
        // The round ends when it is told to; whatever else it met shows as steps that are missing.
        let _ = fine_tune(input, device, &mut |_| {
            let took = since.elapsed();
            arbiter.before_step(took, &cancel, pending);
            steps.fetch_add(1, Ordering::Relaxed);
            since = Instant::now();
            !cancel.is_cancelled()
        });
    };
    let cpu = || compute_device(DeviceChoice::Cpu, None).map_err(CliError::of);
    let run: Box<dyn FnOnce() + Send> = match beside {
        Beside::Nothing => return Ok(None),
        Beside::Cpu => {
            gate.enable(false);
            let device = cpu()?;
            Box::new(move || work(&device, &|| {}))
        }
        Beside::CpuBehind(shares) => {
            gate.share(shares);
            let (device, pool) = (cpu()?, BackgroundPool::new(Patience::All));
            Box::new(move || pool.run(|| work(&device, &|| {})))
        }
        Beside::Gpu(device, behind) => {
            gate.enable(behind);
            gate.share(device.mode == DeviceMode::Shared);
            let thread = ComputeThread::start(device).map_err(CliError::of)?;
            Box::new(move || {
                let done = thread.submit_long("training", move |c: &Compute| work(c.device(), &|| c.run_pending()));
                let _ = done.recv();
            })
        }
    };
    std::thread::Builder::new().name("training".into()).spawn(run).map(Some).map_err(CliError::of)
}

/// A round without an end on discs: the demo's network, 64 x 64, batch 8; or where it is `wide`, U-Net base 32, 512 x 512.
fn round(wide: bool) -> Result<RoundInput, CliError> {
    let mut recipe = Recipe::load("demo").map_err(CliError::of)?;
    if wide {
        recipe.network = NetworkConfig::UNet(UNetConfig::new(32, 4));
        (recipe.preprocessing.size, recipe.batch_size) = (512, 8);
    }
    let n = recipe.preprocessing.size;
    let scale = n / 64;
    let sample = |k: usize| {
        let inside = |p: usize| {
            (p % n).abs_diff((20 + k) * scale).pow(2) + (p / n).abs_diff(30 * scale).pow(2) < 120 * scale * scale
        };
        let slice = Slice {
            hu: (0..n * n).map(|p| if inside(p) { 100 } else { -600 }).collect(),
            classes: (0..n * n).map(|p| u8::from(inside(p))).collect(),
        };
        let info = SampleInfo {
            case: "bench".into(),
            slice: k,
            role: Role::Corrected,
            origin: SampleOrigin::Simulated,
            version: 0,
            order: k as u64 + 1,
            effort: Default::default(),
        };
        Sample { info, slice: Arc::new(slice) }
    };
    Ok(RoundInput {
        config: LoopConfig { steps: usize::MAX / 2, judge_every: usize::MAX / 2, ..LoopConfig::default() },
        number: 1,
        parent: 0,
        weights: Arc::new(recipe.network_spec().initial_weights(1)),
        samples: (0..16).map(sample).collect(),
        fresh_from: 0,
        recipe,
    })
}
