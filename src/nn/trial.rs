//! Whether a graphics device earns the work: a training step there must give what the CPU gives, and give it sooner.
//!
//! Kernels come from a shader compiler and a driver that this project has never seen together; a wrong gradient
//! shows as a network that learns badly and nothing else. So `auto` trusts a graphics device only after a step of a
//! small network, with every kind of layer, came out as on the CPU, and keeps it only if a wider step is faster.
//! Called by `train` and `predict` through [`settle`], and by `doctor`.

use super::device::{ComputeDevice, instead_of_software};
use super::gpu::matrix;
use super::guard::catch;
use super::precision::{Precision, also_for_small, with_precision};
use super::state::{apply_state, collect_gradients, collect_state};
use super::worker::{ComputeThread, wait};
use super::{
    DeviceChoice, DeviceError, DeviceMode, DiceCrossEntropyConfig, LossConfig, NetworkConfig, NetworkSpec, Pass,
    StateDict, UNetConfig, compute_device, initial_weights, loss,
};
use burn::tensor::{Tensor, TensorData};
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// Largest relative difference of the loss, and of each gradient (L2), that sums in another order explain.
const LOSS_TOLERANCE: f64 = 1e-4;
const GRADIENT_TOLERANCE: f64 = 1e-3;
/// The same between matrix units and 32-bit floats, over all gradients together. Factors rounded to 11 digits change the
/// gradients of the network `wide` by 7 to 11 % (PyTorch on the CPU, with the factors rounded by hand): the sums behind them
/// cancel, and a pixel near zero falls on the other side of a ReLU. A wrong kernel changes them far more; single
/// layers are held to far less in `matrix::proof`.
const MIXED_LOSS_TOLERANCE: f64 = 1e-2;
const MIXED_GRADIENT_TOLERANCE: f64 = 0.25;
/// Rounding goes to both sides: along themselves the gradients keep their length to about 1 %.
const MIXED_LENGTH_TOLERANCE: f64 = 0.05;

/// What the trial found.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// Right, and this many times as fast as the CPU.
    Faster(f64),
    /// Right, but only this many times (below 1) as fast as the CPU.
    Slower(f64),
    /// The step failed or its numbers differ; the reason ends a sentence.
    Wrong(String),
}

/// Where work will run.
pub struct Settled {
    /// The thread of the graphics device; `None` when the CPU computes, on the caller's thread.
    pub thread: Option<ComputeThread>,
    pub device: ComputeDevice,
    /// Why the graphics device was passed over, as a sentence for the user.
    pub warning: Option<String>,
}

/// Decides where to compute: `offered` is the window's compute thread, if there is one. `Auto` puts a graphics device
/// to the trial once per program run; `Gpu` and `Cpu` are taken at their word. Blocks: call it inside a job.
///
/// # Errors
/// [`DeviceError`] for `Gpu` without a usable adapter, or when the system refuses a thread.
pub fn settle(choice: DeviceChoice, offered: Option<&ComputeThread>) -> Result<Settled, DeviceError> {
    let thread = match offered {
        Some(thread) => thread.clone(),
        None => {
            let device = compute_device(choice, None)?;
            if !device.needs_thread() {
                return Ok(Settled { thread: None, device, warning: None });
            }
            ComputeThread::start(device)?
        }
    };
    let device = thread.device().clone();
    if choice != DeviceChoice::Auto {
        return Ok(Settled { thread: Some(thread), device, warning: None });
    }
    let name = device.description.split(" (").next().unwrap_or("the graphics device").to_owned();
    if device.software {
        let mut device = compute_device(DeviceChoice::Cpu, None)?;
        device.description = device.description.replace("as asked", &instead_of_software(&name));
        return Ok(Settled { thread: None, device, warning: None });
    }
    let (why, warning) = match verdict(&thread)? {
        Verdict::Faster(_) => return Ok(Settled { thread: Some(thread), device, warning: None }),
        Verdict::Slower(times) => (format!("{name} takes {:.1} times as long", 1.0 / times.max(1e-3)), None),
        Verdict::Wrong(reason) => (
            format!("{name} failed its trial"),
            Some(format!("{name} is not used because {reason}; the CPU computes instead. Update the graphics driver.")),
        ),
    };
    let mut device = compute_device(DeviceChoice::Cpu, None)?;
    device.description = device.description.replace("as asked", &why);
    Ok(Settled { thread: None, device, warning })
}

/// The verdict on a thread's device, found once per adapter and mode.
pub(super) fn verdict(thread: &ComputeThread) -> Result<Verdict, DeviceError> {
    static KNOWN: Mutex<BTreeMap<String, Verdict>> = Mutex::new(BTreeMap::new());
    let key = thread.device().description.clone();
    let known = |map: &BTreeMap<String, Verdict>| map.get(&key).cloned();
    if let Some(verdict) = known(&KNOWN.lock().unwrap_or_else(PoisonError::into_inner)) {
        return Ok(verdict);
    }
    let what = "the trial of the graphics device";
    let verdict = wait(what, &thread.submit(what, |compute| trial(compute.device())))?;
    KNOWN.lock().unwrap_or_else(PoisonError::into_inner).insert(key, verdict.clone());
    Ok(verdict)
}

/// Puts a device to the trial. Call it on the thread that owns the device.
pub(super) fn trial(device: &ComputeDevice) -> Verdict {
    let cpu = match compute_device(DeviceChoice::Cpu, None) {
        Ok(cpu) if device.mode != DeviceMode::Cpu => cpu,
        _ => return Verdict::Faster(1.0),
    };
    let exact = |on: &ComputeDevice| with_precision(Precision::Full, || step(on, &small(), 32));
    match (exact(&cpu), exact(device)) {
        (Ok(want), Ok(got)) => {
            if let Some(reason) = difference(&want, &got) {
                return Verdict::Wrong(reason);
            }
        }
        (_, Err(error)) | (Err(error), _) => return Verdict::Wrong(format!("a training step failed ({error})")),
    }
    try_matrix_units(device);
    // The first step of a shape compiles its kernels; the second one counts.
    let seconds = |on: &ComputeDevice| {
        step(on, &wide(), 128)?;
        step(on, &wide(), 128).map(|s| s.seconds)
    };
    match (seconds(&cpu), seconds(device)) {
        (Ok(cpu), Ok(gpu)) if gpu <= cpu => Verdict::Faster(cpu / gpu.max(1e-6)),
        (Ok(cpu), Ok(gpu)) => Verdict::Slower(cpu / gpu),
        (_, Err(error)) | (Err(error), _) => Verdict::Wrong(format!("a training step failed ({error})")),
    }
}

/// A training step on matrix units against one in 32-bit floats on the same device; where they differ by more than digits,
/// the units are not used, and the log says so.
fn try_matrix_units(device: &ComputeDevice) {
    if !matrix::offered() {
        return;
    }
    let run = || step(device, &wide(), 32);
    let reason = match (with_precision(Precision::Full, run), also_for_small(run)) {
        (Ok(full), Ok(mixed)) => apart(&full, &mixed),
        (Err(error), _) | (_, Err(error)) => Some(format!("a training step failed ({error})")),
    };
    if let Some(reason) = reason {
        matrix::refuse(reason);
    }
}

/// How a step with fewer digits differs by more than those, as the end of a sentence.
fn apart(full: &Step, mixed: &Step) -> Option<String> {
    let loss = (mixed.loss - full.loss).abs() / full.loss.abs().max(1e-20);
    let (mut error, mut norm, mut along) = (0.0, 0.0, 0.0);
    for (name, want) in &full.gradients {
        let Some(got) = mixed.gradients.get(name).filter(|t| t.values.len() == want.values.len()) else {
            return Some(format!("they gave no gradient of {name}"));
        };
        for (a, b) in got.values.iter().zip(&want.values) {
            error += f64::from(a - b) * f64::from(a - b);
            norm += f64::from(*b) * f64::from(*b);
            along += f64::from(*a) * f64::from(*b);
        }
    }
    let length = (along / f64::max(norm, 1e-20) - 1.0).abs();
    let gradients = (error / f64::max(norm, 1e-20)).sqrt();
    // A NaN counts as different.
    let near =
        loss <= MIXED_LOSS_TOLERANCE && gradients <= MIXED_GRADIENT_TOLERANCE && length <= MIXED_LENGTH_TOLERANCE;
    let (loss, gradients) = (loss * 100.0, gradients * 100.0);
    (!near).then(|| format!("a training step differs by {loss:.2} % in its loss and {gradients:.2} % in its gradients"))
}

/// Every kind of layer, three classes, dropout.
fn small() -> NetworkSpec {
    unet(8, 2)
}

/// Wide enough that arithmetic and not the number of kernels decides.
fn wide() -> NetworkSpec {
    unet(16, 3)
}

fn unet(base_width: usize, depth: usize) -> NetworkSpec {
    let config = UNetConfig { dropout: 0.2, ..UNetConfig::new(base_width, depth) };
    NetworkSpec { in_channels: 1, out_channels: 3, config: NetworkConfig::UNet(config) }
}

/// What a step gave.
struct Step {
    loss: f64,
    gradients: StateDict,
    seconds: f64,
}

/// Forward, loss and backward of two generated slices of `size` x `size` pixels, read back to the host.
fn step(compute: &ComputeDevice, config: &NetworkSpec, size: usize) -> Result<Step, DeviceError> {
    let failed = |reason: String| DeviceError::Failed { what: "the trial", reason };
    catch("the trial", || {
        let device = compute.training();
        let model = config.init(&device);
        let (model, _) = apply_state(model.clone(), &initial_weights(&collect_state(&model), 7));
        let pixels = size * size;
        let input: Vec<f32> = (0..2 * pixels).map(|i| (i * 37 % 1009) as f32 / 504.5 - 1.0).collect();
        let class = |slice: usize, i: usize| (i / size / 11 + i % size / 7 + slice) % 3;
        let target: Vec<f32> = (0..2 * 3 * pixels)
            .map(|n| (n / (3 * pixels), n / pixels % 3, n % pixels))
            .map(|(slice, channel, i)| f32::from(u8::from(class(slice, i) == channel)))
            .collect();
        let begun = Instant::now();
        let input = Tensor::<4>::from_data(TensorData::new(input, [2, 1, size, size]), &device);
        let target = Tensor::<4>::from_data(TensorData::new(target, [2, 3, size, size]), &device);
        let config = LossConfig::DiceCrossEntropy(DiceCrossEntropyConfig::default());
        let value = loss(&config, model.forward(input, &mut Pass::train(5)), target);
        let gradients = collect_gradients(&model, &value.backward());
        let loss = value.inner().try_into_data().map_err(|e| failed(format!("{e:?}")))?;
        let loss = loss.convert::<f32>().try_into_vec::<f32>().map_err(|e| failed(format!("{e:?}")))?;
        let loss = loss.first().copied().map_or(f64::NAN, f64::from);
        Ok(Step { loss, gradients, seconds: begun.elapsed().as_secs_f64() })
    })?
}

/// What differs beyond rounding, as the end of a sentence.
fn difference(want: &Step, got: &Step) -> Option<String> {
    let off = (got.loss - want.loss).abs();
    // A NaN counts as different.
    if off.is_nan() || off > LOSS_TOLERANCE * want.loss.abs() {
        return Some(format!("its loss of a training step is {:.6} and the CPU's {:.6}", got.loss, want.loss));
    }
    for (name, expected) in &want.gradients {
        let Some(values) = got.gradients.get(name).filter(|t| t.values.len() == expected.values.len()) else {
            return Some(format!("it gave no gradient of {name}"));
        };
        let square = |v: f32| f64::from(v) * f64::from(v);
        let error: f64 = values.values.iter().zip(&expected.values).map(|(a, b)| square(a - b)).sum();
        let norm: f64 = expected.values.iter().map(|v| square(*v)).sum();
        let relative = (error / norm.max(1e-20)).sqrt();
        if relative.is_nan() || relative > GRADIENT_TOLERANCE {
            return Some(format!("its gradient of {name} differs from the CPU's by {:.2} %", relative * 100.0));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::SharedGpu;

    #[test]
    fn a_wrong_number_is_noticed_wherever_it_is() {
        let cpu = compute_device(DeviceChoice::Cpu, None).unwrap();
        let want = step(&cpu, &small(), 32).unwrap();
        let again = step(&cpu, &small(), 32).unwrap();
        assert_eq!(difference(&want, &again), None);
        assert!(want.gradients.len() > 20 && want.loss > 0.1);
        let wrong_loss = |loss| Step { loss, gradients: want.gradients.clone(), seconds: 0.0 };
        assert!(difference(&want, &wrong_loss(want.loss * 2.3)).unwrap().contains("loss"));
        assert!(difference(&want, &wrong_loss(f64::NAN)).unwrap().contains("loss"));
        for name in want.gradients.keys() {
            for change in [|v: f32| v * 1.01, |_: f32| f32::NAN] {
                let mut got = Step { loss: want.loss, gradients: want.gradients.clone(), seconds: 0.0 };
                got.gradients.get_mut(name).unwrap().values.iter_mut().for_each(|v| *v = change(*v));
                let reason = difference(&want, &got).unwrap();
                assert!(reason.contains(name.as_str()), "{reason}");
            }
            let mut got = Step { loss: want.loss, gradients: want.gradients.clone(), seconds: 0.0 };
            got.gradients.remove(name);
            assert!(difference(&want, &got).is_some());
        }
    }

    #[test]
    fn fewer_digits_are_let_through_and_wrong_ones_are_not() {
        let cpu = compute_device(DeviceChoice::Cpu, None).unwrap();
        let full = step(&cpu, &small(), 32).unwrap();
        let changed = |loss: f64, change: fn(f32) -> f32| {
            let mut step = Step { loss: full.loss * loss, gradients: full.gradients.clone(), seconds: 0.0 };
            step.gradients.values_mut().flat_map(|t| t.values.iter_mut()).for_each(|v| *v = change(*v));
            step
        };
        assert_eq!(apart(&full, &changed(1.001, |v| v * 1.004)), None);
        for (loss, change) in
            [(1.1, (|v| v) as fn(f32) -> f32), (f64::NAN, |v| v), (1.0, |v| v * 1.1), (1.0, |_| f32::NAN)]
        {
            assert!(apart(&full, &changed(loss, change)).unwrap().contains("differs by"));
        }
        let mut lacking = changed(1.0, |v| v);
        lacking.gradients.pop_first();
        assert!(apart(&full, &lacking).unwrap().contains("no gradient of"));
    }

    #[test]
    fn software_vulkan_is_right_but_gives_way_to_the_cpu() {
        let gpu = match SharedGpu::create() {
            Ok(gpu) => gpu,
            Err(error) => return println!("skipped: {error}"),
        };
        let thread = ComputeThread::start(gpu.compute()).unwrap();
        let asked = settle(DeviceChoice::Gpu, Some(&thread)).unwrap();
        assert!(asked.thread.is_some() && asked.warning.is_none());
        let settled = settle(DeviceChoice::Auto, Some(&thread)).unwrap();
        assert_eq!(settled.warning, None, "the device is right");
        if gpu.is_software() {
            assert!(settled.thread.is_none() && settled.device.mode == DeviceMode::Cpu);
            assert!(settled.device.description.contains("in software"), "{}", settled.device.description);
        }
        let cpu = compute_device(DeviceChoice::Cpu, None).unwrap();
        let there = wait("a step", &thread.submit("a step", |c| step(c.device(), &small(), 32))).unwrap().unwrap();
        assert_eq!(difference(&step(&cpu, &small(), 32).unwrap(), &there), None);
    }

    #[test]
    fn the_cpu_needs_no_trial() {
        let settled = settle(DeviceChoice::Cpu, None).unwrap();
        assert!(settled.thread.is_none() && settled.warning.is_none() && settled.device.mode == DeviceMode::Cpu);
    }
}
