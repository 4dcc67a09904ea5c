//! What `maskwright doctor` says about devices: all adapters, what was chosen and why, and a proof that it computes.

use super::device::{AdapterReport, list_adapters};
use super::guard::catch;
use super::trial::{Verdict, settle, verdict};
use super::{ComputeDevice, ComputeThread, DeviceChoice, DeviceMode, SharedGpu, compute_device};
use burn::tensor::module::conv2d;
use burn::tensor::ops::ConvOptions;
use burn::tensor::{Device, Tensor, TensorData};
use serde::Serialize;

/// Result of a computation on the device against the same on the CPU backend.
#[derive(Debug, Clone, Serialize)]
pub struct Proof {
    pub what: String,
    /// Largest absolute difference from the CPU's result.
    pub max_difference: Option<f64>,
    /// What went wrong, in words, where there is no result.
    pub error: Option<String>,
    /// The difference is within what 32-bit sums in another order explain.
    pub ok: bool,
    pub seconds: f64,
}

/// Everything about devices, ready for print and JSON.
#[derive(Debug, Clone, Serialize)]
pub struct DeviceReport {
    pub adapters: Vec<AdapterReport>,
    /// Why there is no graphics device, when there is none.
    pub graphics_error: Option<String>,
    /// `cpu`, `shared` or `dedicated`, and one line that says where and why.
    pub mode: &'static str,
    pub description: String,
    pub shader_language: &'static str,
    /// What the graphics adapter has for products of 16-bit floats, and whether it is used.
    pub matrix_units: String,
    /// The vectors that our own kernels use on the CPU.
    pub cpu_vectors: &'static str,
    pub proofs: Vec<Proof>,
    /// What a training step on the graphics device gave against the CPU's, where the choice leads there.
    pub trial: Option<String>,
}

/// Looks at the machine. With a graphics adapter the proof runs on it even where `choice` trains on the CPU, because
/// the window draws with it and `--device gpu` may ask for it. Never panics.
pub fn report(choice: DeviceChoice) -> DeviceReport {
    let adapters = catch("listing the graphics adapters", list_adapters).unwrap_or_default();
    let gpu = SharedGpu::create();
    let graphics_error = gpu.as_ref().err().map(ToString::to_string);
    let chosen = compute_device(choice, gpu.as_ref().ok());
    let (mode, description) = match &chosen {
        Ok(ComputeDevice { mode, description, .. }) => (mode_name(*mode), description.clone()),
        Err(error) => ("none", error.to_string()),
    };
    let proofs = match &gpu {
        Ok(gpu) => prove(&gpu.burn),
        Err(_) => Vec::new(),
    };
    let (trial, mode, description) = match chosen {
        Ok(device) if device.needs_thread() => match settle_after_trial(choice, device) {
            Ok((trial, chosen)) => (Some(trial), mode_name(chosen.mode), chosen.description),
            Err(error) => (Some(error.to_string()), "none", error.to_string()),
        },
        _ => (None, mode, description),
    };
    let (shader_language, cpu_vectors) = ("WGSL", crate::kernels::vectors());
    let matrix_units = super::gpu::matrix::told();
    DeviceReport {
        adapters,
        graphics_error,
        mode,
        description,
        shader_language,
        matrix_units,
        cpu_vectors,
        proofs,
        trial,
    }
}

/// Puts the graphics device to the trial that `auto` demands, and says where work runs after it.
fn settle_after_trial(
    choice: DeviceChoice,
    device: ComputeDevice,
) -> Result<(String, ComputeDevice), super::DeviceError> {
    let thread = ComputeThread::start(device)?;
    let text = match verdict(&thread)? {
        Verdict::Faster(times) => format!("right, and {times:.1} times as fast as the CPU"),
        Verdict::Slower(times) => {
            format!("right, but it takes {:.1} times as long as on the CPU", 1.0 / times.max(1e-3))
        }
        Verdict::Wrong(reason) => format!("WRONG: {reason}"),
    };
    Ok((text, settle(choice, Some(&thread))?.device))
}

fn mode_name(mode: DeviceMode) -> &'static str {
    match mode {
        DeviceMode::Cpu => "cpu",
        DeviceMode::Shared => "shared",
        DeviceMode::Dedicated => "dedicated",
    }
}

/// A matrix product and a convolution on `device` against the CPU backend.
fn prove(device: &Device) -> Vec<Proof> {
    let cpu = Device::flex();
    [
        ("matrix product 96 x 80 x 64", matmul as fn(&Device) -> Tensor<1>),
        ("convolution 3 x 3, 8 to 16 channels", convolution),
    ]
    .into_iter()
    .map(|(what, run)| {
        let start = std::time::Instant::now();
        let outcome = values("the proof run", || run(device)).and_then(|got| {
            let want = values("the proof run", || run(&cpu))?;
            if got.len() != want.len() {
                return Err(format!("{} values came back instead of {}", got.len(), want.len()));
            }
            let worst = got.iter().zip(&want).map(|(a, b)| f64::from((a - b).abs()));
            // `max` would drop a NaN.
            Ok(worst.fold(0.0f64, |m, d| if d.is_nan() || m.is_nan() { f64::NAN } else { m.max(d) }))
        });
        // Sums of 80 products of values up to 1: 1e-4 is far above rounding and far below a wrong result.
        let ok = matches!(outcome, Ok(difference) if difference < 1e-4);
        Proof {
            what: what.into(),
            max_difference: outcome.as_ref().ok().copied(),
            error: outcome.err(),
            ok,
            seconds: start.elapsed().as_secs_f64(),
        }
    })
    .collect()
}

fn values(what: &'static str, run: impl FnOnce() -> Tensor<1>) -> Result<Vec<f32>, String> {
    let data = catch(what, || run().try_into_data()).map_err(|e| e.to_string())?;
    data.map_err(|e| format!("{e:?}"))?.try_into_vec::<f32>().map_err(|e| format!("{e:?}"))
}

fn pattern<const D: usize>(shape: [usize; D], phase: f32, device: &Device) -> Tensor<D> {
    let count: usize = shape.iter().product();
    let values: Vec<f32> = (0..count).map(|i| (i as f32 * 0.618 + phase).sin()).collect();
    Tensor::from_data(TensorData::new(values, shape), device)
}

fn matmul(device: &Device) -> Tensor<1> {
    pattern([96, 80], 0.0, device).matmul(pattern([80, 64], 1.0, device)).reshape([-1])
}

fn convolution(device: &Device) -> Tensor<1> {
    let (x, w) = (pattern([2, 8, 24, 20], 0.0, device), pattern([16, 8, 3, 3], 1.0, device));
    conv2d(x, w, None, ConvOptions::new([1, 1], [1, 1], [1, 1], 1)).reshape([-1])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_report_never_panics_and_proves_what_it_finds() {
        let report = report(DeviceChoice::Auto);
        assert!(!report.description.is_empty());
        assert!(serde_json::to_string(&report).is_ok());
        if report.graphics_error.is_some() {
            println!("skipped: no graphics adapter: {:?}", report.graphics_error);
            assert_eq!(report.mode, "cpu");
            return;
        }
        assert!(!report.adapters.is_empty());
        for proof in &report.proofs {
            assert!(proof.ok, "{proof:?}");
        }
    }

    #[test]
    fn the_proof_notices_a_wrong_device() {
        // The CPU against itself is exact; a shifted pattern is not.
        assert!(prove(&Device::flex()).iter().all(|p| p.ok && p.max_difference == Some(0.0)));
        let a = values("", || matmul(&Device::flex())).unwrap();
        let b = values("", || convolution(&Device::flex())).unwrap();
        assert!(a.iter().chain(&b).all(|v| v.is_finite()) && a.iter().any(|v| v.abs() > 0.5));
        assert!(values("reading", || panic!("lost")).unwrap_err().contains("lost"));
    }
}
