//! ResNet50, DeepLabV3+ and a U-Net in full size against torchvision, segmentation_models_pytorch and PyTorch.
//!
//! The reference files are too large to keep. A folder of them is named by `MASKWRIGHT_FULL_SIZE_ORACLE`: for each network
//! `NAME.pth`, `NAME.safetensors` and `NAME_io.safetensors` with `input`, `eval.LAYER` and, for one training step, `target`,
//! `train.output`, `train.loss_bce`, `grad.PARAMETER` or (large ones) `gradsum.PARAMETER` with the sums of the values, of
//! their amounts and of their squares. Each runs on the CPU, and on the graphics device where there is one.

use super::*;
use crate::nn::ops;
use crate::nn::resnet::ResNet;

/// PyTorch's own values of the deep layers are up to 3.2e-5 away from those in double precision; ours may lie as far on the
/// other side.
const DEEP: f64 = 7e-5;

fn folder() -> Option<PathBuf> {
    let folder = std::env::var_os("MASKWRIGHT_FULL_SIZE_ORACLE").map(PathBuf::from);
    if folder.is_none() {
        println!("skipped: MASKWRIGHT_FULL_SIZE_ORACLE names no folder of reference files");
    }
    folder
}

/// The worst layer of an eval pass by relative L2.
struct Layers<'a> {
    io: &'a StateDict,
    seen: usize,
    worst: (String, f64),
}

impl<'a> Layers<'a> {
    fn new(io: &'a StateDict) -> Self {
        Self { io, seen: 0, worst: Default::default() }
    }

    fn compare(&mut self, name: &str, x: Tensor<4>) {
        let Some(want) = self.io.get(&format!("eval.{name}")) else { return };
        self.seen += 1;
        let error = relative_l2(&host(x), &want.values);
        println!("  {name}: {error:.1e}");
        if error > self.worst.1 {
            self.worst = (name.to_owned(), error);
        }
    }
}

#[test]
fn resnet50_equals_torchvision() {
    let Some(folder) = folder() else { return };
    let io = load_weights(&folder.join("resnet50_io.safetensors")).unwrap();
    let weights = load_weights(&folder.join("resnet50.pth")).unwrap();
    on_devices(|compute| {
        println!("ResNet50 on {}", compute.description);
        let device = &compute.device;
        let (model, report) = apply_state(ResNet::new(EncoderKind::ResNet50, 3, 64, 32, device), &weights);
        assert!(report.is_complete() && report.unused == ["fc.bias", "fc.weight"], "{report:?}");
        let mut layers = Layers::new(&io);
        let input = tensor(&io["input"], device);
        let [.., deep] = model.forward(input, &Pass::Infer, &mut |name, x| layers.compare(&name, x.clone()));
        layers.compare("avgpool", ops::global_average(deep));
        assert_eq!(layers.seen, 8);
        assert!(layers.worst.1 <= DEEP, "{:?} on {}", layers.worst, compute.description);
    });
}

#[test]
fn deeplab_and_unet_equal_pytorch_in_eval_and_in_a_training_step() {
    let Some(folder) = folder() else { return };
    let deeplab = DeepLabConfig { aspp_dropout: 0.0, ..DeepLabConfig::default() };
    let deeplab = NetworkSpec { in_channels: 3, out_channels: 1, config: NetworkConfig::DeepLabV3Plus(deeplab) };
    let unet = unet(UNetConfig::new(32, 4), 1);
    // With two slices the pyramid's image pooling normalises over two values: PyTorch's own gradients are 2e-2 away from
    // those in double precision, its output 3e-4. Near these weights a ReLU turns over: in PyTorch and double precision,
    // changes of 2e-7 to 2e-6 in the weights move the output by 3e-4 to 3e-3 and the gradients by 2e-2 to 8e-2, or, beyond
    // that turn, by 0.22 to 0.23.
    // In the U-Net two ReLUs are that near: inputs of 7e-7 and 6.7e-8, whose pixels are 3.5e-3 and 8.5e-3 of the gradients of
    // the biases before them. The CPU's sums fall on PyTorch's side, a graphics device's need not.
    for (name, spec, limits, near) in
        [("deeplabv3p_r50_os16", deeplab, [DEEP, 2e-3, 0.1], 0.25), ("unet_b32", unet, [1e-5, 1e-5, 1e-4], 1e-2)]
    {
        let io = load_weights(&folder.join(format!("{name}_io.safetensors"))).unwrap();
        let mut from_files = ["pth", "safetensors"].map(|extension| {
            let file = load_weights(&folder.join(format!("{name}.{extension}"))).unwrap();
            let (weights, report) = spec.load_over(&spec.initial_weights(1), file);
            assert!(report.is_complete() && report.unused.is_empty(), "{report:?}");
            weights
        });
        assert!(from_files[0] == from_files[1], "both files hold the same weights");
        let weights = std::mem::take(&mut from_files[0]);
        on_devices(|compute| {
            println!("{name} on {}", compute.description);
            let (model, _) = apply_state(spec.init(&compute.device), &weights);
            let mut layers = Layers::new(&io);
            let input = tensor(&io["input"], &compute.device);
            let see = &mut |name: String, x: &Tensor<4>| layers.compare(&name, x.clone());
            let output = model.forward_observed(input, &mut Pass::Infer, see);
            layers.compare("output", output);
            assert_eq!(layers.seen, io.keys().filter(|k| k.starts_with("eval.")).count());
            assert!(layers.worst.1 <= limits[0], "{:?} on {}", layers.worst, compute.description);
            let gradients = if compute.mode == DeviceMode::Cpu { limits[2] } else { near };
            training_step(&spec, &weights, &io, [limits[1], gradients], &compute.training());
        });
    }
}

/// Output and gradients of one step on `device` may be this far from PyTorch's.
fn training_step(
    spec: &NetworkSpec,
    weights: &StateDict,
    io: &StateDict,
    [output_limit, gradient_limit]: [f64; 2],
    device: &Device,
) {
    let (model, _) = apply_state(spec.init(device), weights);
    let output = model.forward(tensor(&io["input"], device), &mut Pass::train(0));
    let wanted = &io["train.output"].values;
    let error = relative_l2(&host(output.clone().inner()), wanted);
    let value = loss(&LossConfig::Bce(BceConfig::default()), output, tensor(&io["target"], device));
    let (got, want) = (value.clone().inner().into_scalar::<f32>(), io["train.loss_bce"].values[0]);
    println!("  training: output {error:.1e}, loss {got} for {want}");
    // Cross-entropy changes by no more than its logit does, and a mean of amounts is at most their root mean square: so
    // far may the loss follow the output, which has its own limit.
    let squares: f64 = wanted.iter().map(|v| f64::from(v * v)).sum();
    let follows = error * (squares / wanted.len() as f64).sqrt();
    assert!(error <= output_limit && f64::from((got - want).abs()) <= 1e-5 * f64::from(want.abs()) + follows);
    let gradients = collect_gradients(&model, &value.backward());
    let (mut worst, mut seen) = ((String::new(), 0.0f64), 0);
    for (key, want) in io {
        let values = |name: &str| gradients[name].values.iter().map(|v| f64::from(*v));
        let (name, error) = if let Some(name) = key.strip_prefix("grad.") {
            (name, relative_l2(&gradients[name].values, &want.values))
        } else if let Some(name) = key.strip_prefix("gradsum.") {
            let [sum, amounts, squares] = [0, 1, 2].map(|i| f64::from(want.values[i]));
            let got = [values(name).sum::<f64>(), values(name).map(f64::abs).sum(), values(name).map(|v| v * v).sum()];
            let off = [(got[0] - sum) / amounts, (got[1] - amounts) / amounts, (got[2] - squares) / squares / 2.0];
            (name, off.into_iter().fold(0.0, |most, v| v.abs().max(most)))
        } else {
            continue;
        };
        seen += 1;
        if error > worst.1 {
            worst = (name.to_owned(), error);
        }
    }
    println!("  {seen} gradients, worst {:.1e} in {}", worst.1, worst.0);
    assert_eq!(seen, gradients.len());
    assert!(worst.1 <= gradient_limit, "{worst:?}");
}
