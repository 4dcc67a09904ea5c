//! The networks and losses against PyTorch's numbers, and the CPU against the graphics device.

mod encoders;
mod full_size;
mod gpu;
mod losses;
mod matrix;
mod operations;
mod optimizers;
mod options;
mod room;

use super::*;
use crate::nn::state::collect_gradients;
use burn::module::Module;
use burn::tensor::{Device, Tensor, TensorData};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

fn oracle(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/oracle").join(name)
}

/// Runs on the CPU, and on the graphics device when there is one; one at a time, each run on one thread.
fn on_devices(test: impl Fn(&ComputeDevice)) {
    static ONE: Mutex<()> = Mutex::new(());
    test(&compute_device(DeviceChoice::Cpu, None).unwrap());
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    match SharedGpu::create() {
        Ok(gpu) => test(&gpu.compute()),
        Err(error) => println!("skipped on the graphics device: {error}"),
    }
}

fn tensor(t: &HostTensor, device: &Device) -> Tensor<4> {
    let shape: [usize; 4] = t.shape.clone().try_into().unwrap();
    Tensor::from_data(TensorData::new(t.values.clone(), shape), device)
}

fn host(t: Tensor<4>) -> Vec<f32> {
    t.into_data().try_into_vec().unwrap()
}

fn relative_l2(got: &[f32], want: &[f32]) -> f64 {
    assert_eq!(got.len(), want.len());
    let square = |v: f64| v * v;
    let error: f64 = got.iter().zip(want).map(|(a, b)| square(f64::from(*a) - f64::from(*b))).sum();
    let norm: f64 = want.iter().map(|v| square(f64::from(*v))).sum();
    (error / norm.max(1e-30)).sqrt()
}

fn unet(config: UNetConfig, out_channels: usize) -> NetworkSpec {
    NetworkSpec { in_channels: 1, out_channels, config: NetworkConfig::UNet(config) }
}

fn unet_b4_d3() -> NetworkSpec {
    unet(UNetConfig::new(4, 3), 1)
}

fn loaded(config: NetworkSpec, file: &str, device: &Device) -> Network {
    let (model, report) = apply_state(config.init(device), &load_weights(&oracle(file)).unwrap());
    assert!(report.is_complete() && report.unused.is_empty(), "{report:?}");
    model
}

#[test]
fn unet_layers_equal_pytorch() {
    let nobn = unet(UNetConfig { norm: NormKind::None, ..UNetConfig::new(4, 2) }, 3);
    on_devices(|device| {
        for (config, name) in [(unet_b4_d3(), "unet_b4_d3"), (nobn, "unet_nobn_3class")] {
            let io = load_weights(&oracle(&format!("{name}_io.safetensors"))).unwrap();
            for extension in ["pth", "safetensors"] {
                let model = loaded(config, &format!("{name}.{extension}"), &device.device);
                let mut seen = 0;
                let mut worst = 0.0f64;
                let mut see = |layer: String, x: &Tensor<4>| {
                    if let Some(want) = io.get(&format!("eval.{layer}")) {
                        seen += 1;
                        worst = worst.max(relative_l2(&host(x.clone()), &want.values));
                    }
                };
                let input = tensor(&io["input"], &device.device);
                let output = host(model.forward_observed(input, &mut Pass::Infer, &mut see));
                let want = &io["eval.output"].values;
                let peak = want.iter().fold(0.0f32, |m, v| m.max(v.abs()));
                let max_abs = output.iter().zip(want).fold(0.0f32, |m, (a, b)| m.max((a - b).abs()));
                println!(
                    "{name}.{extension} on {}: layers {worst:.1e}, output {:.1e}",
                    device.description,
                    relative_l2(&output, want)
                );
                assert_eq!(seen, io.keys().filter(|k| k.starts_with("eval.")).count() - 1);
                assert!(worst <= 1e-5, "{name} {worst}");
                assert!(relative_l2(&output, want) <= 1e-5 && max_abs <= 1e-4 * peak);
            }
        }
    });
}

#[test]
fn one_training_step_equals_pytorch() {
    let io = load_weights(&oracle("unet_b4_d3_io.safetensors")).unwrap();
    on_devices(|compute| {
        let device = compute.training();
        let model = loaded(unet_b4_d3(), "unet_b4_d3.pth", &device);
        let output = model.forward(tensor(&io["input"], &device), &mut Pass::train(0));
        assert!(relative_l2(&host(output.clone().inner()), &io["train.output"].values) <= 1e-5);
        let value = loss(&LossConfig::Bce(BceConfig::default()), output, tensor(&io["target"], &device));
        let got = value.clone().inner().into_scalar::<f32>();
        let want = io["train.loss_bce"].values[0];
        assert!((got - want).abs() <= 1e-6 * want, "{got} {want}");
        let gradients = collect_gradients(&model, &value.backward());
        let mut worst = ("", 0.0f64);
        for (name, want) in io.iter().filter_map(|(k, v)| Some((k.strip_prefix("grad.")?, v))) {
            let error = relative_l2(&gradients[name].values, &want.values);
            worst = if error > worst.1 { (name, error) } else { worst };
        }
        println!("gradients on {}: worst {:.1e} in {}", compute.description, worst.1, worst.0);
        assert!(worst.1 <= 1e-4, "{worst:?}");
        assert_eq!(gradients.len(), io.keys().filter(|k| k.starts_with("grad.")).count());
        let state = collect_state(&model.valid());
        for (name, want) in io.iter().filter_map(|(k, v)| Some((k.strip_prefix("after.")?, v))) {
            let error = relative_l2(&state[name].values, &want.values);
            assert!(error <= 1e-5, "{name} {error}");
        }
    });
}

/// The guard for the choice of shader compiler and kernels: a step of a wider network, with dropout, on random data.
#[test]
fn a_step_on_the_graphics_device_equals_the_cpu() {
    let gpu = match SharedGpu::create() {
        Ok(gpu) => gpu.compute(),
        Err(error) => return println!("skipped: {error}"),
    };
    let config = unet(UNetConfig { dropout: 0.2, ..UNetConfig::new(8, 4) }, 3);
    let step = |compute: &ComputeDevice| {
        let device = compute.training();
        let model = config.init(&device);
        let start = initial_weights(&collect_state(&model), 7);
        let (model, _) = apply_state(model, &start);
        let count = 2 * 48 * 64;
        let x: Vec<f32> = (0..count).map(|i| ((i * 37 % 1009) as f32 / 1009.0 - 0.5) * 2.0).collect();
        let class = |i: usize| (i / 64 / 20 + i % 64 / 30) % 3;
        let hot = |s: usize, c: usize, i: usize| if class(i + s) == c { 1.0f32 } else { 0.0 };
        let t: Vec<f32> =
            (0..2).flat_map(|s| (0..3).flat_map(move |c| (0..48 * 64).map(move |i| hot(s, c, i)))).collect();
        let x = Tensor::<4>::from_data(TensorData::new(x, [2, 1, 48, 64]), &device);
        let t = Tensor::<4>::from_data(TensorData::new(t, [2, 3, 48, 64]), &device);
        let value = loss(
            &LossConfig::DiceCrossEntropy(DiceCrossEntropyConfig::default()),
            model.forward(x, &mut Pass::train(5)),
            t,
        );
        let gradients = value.backward();
        let adam = OptimizerConfig::new(OptimizerKind::Adam, 1e-3);
        let collected = collect_gradients(&model, &gradients);
        let after = Optimizer::new(adam).step(model.clone(), &GradientSet::of(&model, &gradients), Rates::all(adam.lr));
        (value.inner().into_scalar::<f32>(), collected, collect_state(&after))
    };
    let cpu = step(&compute_device(DeviceChoice::Cpu, None).unwrap());
    let other = step(&gpu);
    assert!((cpu.0 - other.0).abs() <= 1e-5 * cpu.0.abs(), "{} {}", cpu.0, other.0);
    assert_eq!(cpu.1.len(), other.1.len());
    // Sums in another order explain 1e-5; a wrong kernel or a wrong mask gives 1e-1 and more.
    let mut worst = 0.0f64;
    for (name, want) in &cpu.1 {
        let error = relative_l2(&other.1[name].values, &want.values);
        worst = worst.max(error);
    }
    println!("loss {} and {}, worst gradient {worst:.1e} on {}", cpu.0, other.0, gpu.description);
    assert!(worst <= 1e-4, "{worst}");
}

#[test]
fn a_dedicated_device_computes_beside_the_shared_one() {
    let gpu = match SharedGpu::create() {
        Ok(gpu) => gpu,
        Err(error) => return println!("skipped: {error}"),
    };
    let dedicated = gpu.dedicated().unwrap();
    assert_eq!((dedicated.mode, gpu.compute().mode), (DeviceMode::Dedicated, DeviceMode::Shared));
    assert_ne!(dedicated.device, gpu.compute().device);
    assert!(!dedicated.is_lost());
    let thread = ComputeThread::start(dedicated).unwrap();
    let sum = thread.submit("adding", |c| Tensor::<2>::ones([64, 64], &c.device().device).sum().into_scalar::<f32>());
    assert_eq!(wait("adding", &sum), Ok(4096.0));
}
