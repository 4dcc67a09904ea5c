//! The networks and losses against PyTorch's numbers, and the CPU against the graphics device.

use super::*;
use crate::nn::state::collect_gradients;
use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor, TensorData};
use safetensors::SafeTensors;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

fn oracle(name: &str) -> PathBuf {
    // This file lies in `src/nn`; the data in `tests/data/oracle`.
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

fn unet_b4_d3() -> UNetConfig {
    UNetConfig { in_channels: 1, out_channels: 1, base_width: 4, depth: 3, norm: NormKind::Batch, dropout: 0.0 }
}

fn loaded(config: UNetConfig, file: &str, device: &Device) -> UNet {
    let (model, report) = apply_state(config.init(device), &load_weights(&oracle(file)).unwrap());
    assert!(report.is_complete() && report.unused.is_empty(), "{report:?}");
    model
}

#[test]
fn unet_layers_equal_pytorch() {
    let nobn = UNetConfig { out_channels: 3, depth: 2, norm: NormKind::None, ..unet_b4_d3() };
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
        let value = loss(LossConfig::Bce { positive_weight: 1.0 }, output, tensor(&io["target"], &device));
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
    let config =
        UNetConfig { in_channels: 1, out_channels: 3, base_width: 8, depth: 4, norm: NormKind::Batch, dropout: 0.2 };
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
        let value = loss(LossConfig::DiceCrossEntropy { smooth: 1.0 }, model.forward(x, &mut Pass::train(5)), t);
        let gradients = value.backward();
        let adam = OptimizerConfig {
            kind: OptimizerKind::Adam,
            lr: 1e-3,
            betas: (0.9, 0.999),
            epsilon: 1e-8,
            weight_decay: 0.0,
        };
        let collected = collect_gradients(&model, &gradients);
        let after = Optimizer::new(adam).step(model, &gradients);
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
fn losses_equal_the_oracle() {
    let bytes = std::fs::read(oracle("losses.safetensors")).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let floats = load_weights(&oracle("losses.safetensors")).unwrap();
    let values: serde_json::Value = serde_json::from_slice(&std::fs::read(oracle("losses.json")).unwrap()).unwrap();
    let classes: Vec<i64> =
        file.tensor("tm").unwrap().data().chunks_exact(8).map(|b| i64::from_le_bytes(b.try_into().unwrap())).collect();
    let mut one_hot = vec![0.0; 2 * 4 * 63];
    for (i, class) in classes.iter().enumerate() {
        one_hot[(i / 63) * 4 * 63 + *class as usize * 63 + i % 63] = 1.0;
    }
    let one_hot = HostTensor { shape: vec![2, 4, 9, 7], values: one_hot };
    let empty = HostTensor { shape: vec![2, 1, 9, 7], values: vec![0.0; 126] };
    let (t, z, zm) = (&floats["t"], &floats["z"], &floats["zm"]);
    let cases = [
        ("bce_mean", LossConfig::Bce { positive_weight: 1.0 }, z, t),
        ("bce_pos_weight_3.5", LossConfig::Bce { positive_weight: 3.5 }, z, t),
        ("bce_extreme_logits", LossConfig::Bce { positive_weight: 1.0 }, &floats["ext"], &floats["text"]),
        ("dice_global_smooth1", LossConfig::Dice { smooth: 1.0 }, z, t),
        ("dice_empty_target_smooth1", LossConfig::Dice { smooth: 1.0 }, z, &empty),
        ("iou_global_smooth1", LossConfig::Iou { smooth: 1.0 }, z, t),
        ("bce_plus_dice_global", LossConfig::BceDice { smooth: 1.0 }, z, t),
        ("ce_mean", LossConfig::CrossEntropy, zm, &one_hot),
        ("smp_dice_multiclass", LossConfig::Dice { smooth: 0.0 }, zm, &one_hot),
    ];
    on_devices(|compute| {
        let device = compute.training();
        for (name, config, z, t) in cases {
            let logits = tensor(z, &device).require_grad();
            let value = loss(config, logits.clone(), tensor(t, &device));
            let gradient = host(logits.grad(&value.backward()).unwrap());
            let got = f64::from(value.inner().into_scalar::<f32>());
            let want = values[name]["float64"].as_f64().unwrap();
            assert!(
                (got - want).abs() <= 1e-6 * want.abs().max(1e-3),
                "{name} on {}: {got} {want}",
                compute.description
            );
            let error = relative_l2(&gradient, &floats[&format!("grad64.{name}")].values);
            assert!(error <= 1e-5, "{name} on {}: gradient {error}", compute.description);
        }
    });
}

#[derive(Module, Debug)]
struct Tiny {
    p0: Param<Tensor<2>>,
    p1: Param<Tensor<1>>,
    p2: Param<Tensor<2>>,
    p3: Param<Tensor<1>>,
}

#[test]
fn optimizers_follow_pytorch_step_by_step() {
    let file = load_weights(&oracle("optim_f64.safetensors")).unwrap();
    let adam =
        OptimizerConfig { kind: OptimizerKind::Adam, lr: 1e-2, betas: (0.9, 0.999), epsilon: 1e-8, weight_decay: 0.0 };
    let cases = [
        ("adam", adam),
        ("adam_wd_l2", OptimizerConfig { weight_decay: 0.1, ..adam }),
        ("adamw", OptimizerConfig { kind: OptimizerKind::AdamW, weight_decay: 0.1, ..adam }),
        ("adam_b_eps", OptimizerConfig { betas: (0.8, 0.95), epsilon: 1e-5, ..adam }),
    ];
    on_devices(|compute| {
        let device = compute.training();
        let matrix = |name: &str| {
            let t = &file[name];
            Tensor::<2>::from_data(TensorData::new(t.values.clone(), [t.shape[0], t.shape[1]]), &device)
        };
        for (name, config) in cases {
            let start: StateDict = (0..4).map(|i| (format!("p{i}"), file[&format!("adam.p{i}.0")].clone())).collect();
            let zeros = Tiny {
                p0: Param::from_tensor(Tensor::zeros([6, 8], &device)),
                p1: Param::from_tensor(Tensor::zeros([8], &device)),
                p2: Param::from_tensor(Tensor::zeros([8, 3], &device)),
                p3: Param::from_tensor(Tensor::zeros([3], &device)),
            };
            let (mut module, report) = apply_state(zeros, &start);
            assert!(report.is_complete());
            let mut optimizer = Optimizer::new(config);
            let mut worst = 0.0f64;
            for step in 1..=5 {
                let hidden = (matrix("X").matmul(module.p0.val()) + module.p1.val().unsqueeze()).tanh();
                let error = hidden.matmul(module.p2.val()) + module.p3.val().unsqueeze() - matrix("Y");
                module = optimizer.step(module, &error.square().mean().backward());
                // A restart from what was saved must not show.
                let saved = optimizer.state();
                optimizer = Optimizer::new(config);
                optimizer.restore(&saved, step, &device);
                let state = collect_state(&module);
                for i in 0..4 {
                    let want = &file[&format!("{name}.p{i}.{step}")].values;
                    worst = worst.max(relative_l2(&state[&format!("p{i}")].values, want));
                }
            }
            println!("{name} on {}: {worst:.1e}", compute.description);
            assert!(worst <= 1e-6, "{name} on {}: {worst}", compute.description);
        }
    });
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
    let thread = ComputeThread::start(dedicated).unwrap();
    let sum = thread.submit("adding", |c| Tensor::<2>::ones([64, 64], &c.device().device).sum().into_scalar::<f32>());
    assert_eq!(wait("adding", &sum), Ok(4096.0));
}
