//! ResNet and DeepLabV3+ against torchvision and segmentation_models_pytorch.

use super::*;
use crate::nn::deeplab::{DeepLabDecoder, Head};
use crate::nn::ops;
use crate::nn::resnet::ResNet;

#[test]
fn resnet_layers_equal_torchvision() {
    let io = load_weights(&oracle("resnet50_w8_io.safetensors")).unwrap();
    let weights = load_weights(&oracle("resnet50_w8.pth")).unwrap();
    on_devices(|compute| {
        let model = ResNet::new(EncoderKind::ResNet50, 3, 8, 32, &compute.device);
        let (model, report) = apply_state(model, &weights);
        assert!(report.is_complete() && report.unused == ["fc.bias", "fc.weight"], "{report:?}");
        let (mut worst, mut seen) = (0.0f64, 0);
        let mut compare = |name: &str, x: &Tensor<4>| {
            if let Some(want) = io.get(&format!("eval.{name}")) {
                seen += 1;
                let error = relative_l2(&host(x.clone()), &want.values);
                // PyTorch's own values of this narrow network are 1.5e-5 (third stage) and 2.8e-5 (fourth) away from
                // those in double precision; ours may lie as far on the other side.
                let deep = ["layer3", "layer4", "avgpool"].contains(&name);
                assert!(error <= if deep { 6e-5 } else { 1e-5 }, "{name} on {}: {error}", compute.description);
                worst = worst.max(error);
            }
        };
        let input = tensor(&io["input"], &compute.device);
        let [.., deep] = model.forward(input, &Pass::Infer, &mut |name, x| compare(&name, x));
        let pooled = ops::global_average(deep);
        compare("avgpool", &pooled);
        let pooled = host(pooled);
        let (fc, bias) = (&weights["fc.weight"].values, &weights["fc.bias"].values);
        let output: Vec<f32> = (0..10)
            .map(|n| bias[n] + fc[n * 256..][..256].iter().zip(&pooled).map(|(w, x)| w * x).sum::<f32>())
            .collect();
        println!("ResNet on {}: layers {worst:.1e}", compute.description);
        assert_eq!(seen, io.keys().filter(|k| k.starts_with("eval.")).count() - 1);
        assert!(relative_l2(&output, &io["eval.output"].values) <= 6e-5);
    });
}

#[derive(Module, Debug)]
struct Narrow {
    decoder: DeepLabDecoder,
    head: Head,
}

#[test]
fn deeplab_decoder_equals_segmentation_models_pytorch() {
    let io = load_weights(&oracle("deeplabv3p_decoder_narrow_io.safetensors")).unwrap();
    on_devices(|compute| {
        let device = &compute.device;
        let config = DeepLabConfig { aspp_dropout: 0.0, ..DeepLabConfig::default() };
        let model = Narrow {
            decoder: DeepLabDecoder::new([16, 40, 16], [12, 24, 36], &config, device),
            head: Head { at_0: crate::nn::layers::Conv2d::new(16, 1, 1, device).with_bias() },
        };
        let file = load_weights(&oracle("deeplabv3p_decoder_narrow.safetensors")).unwrap();
        let (model, report) = apply_state(model, &file);
        assert!(report.is_complete() && report.unused.is_empty(), "{report:?}");
        let (mut worst, mut seen) = (0.0f64, 0);
        let mut see = |name: String, x: &Tensor<4>| {
            if let Some(want) = io.get(&name) {
                seen += 1;
                worst = worst.max(relative_l2(&host(x.clone()), &want.values));
            }
        };
        let (f4, f16) = (tensor(&io["f4"], device), tensor(&io["f16"], device));
        let x = model.decoder.forward(f4, f16, &mut Pass::Infer, &mut see);
        let y = host(ops::resize_bilinear(model.head.at_0.forward(x), [128, 128], true));
        println!("DeepLabV3+ decoder on {}: layers {worst:.1e}", compute.description);
        assert_eq!(seen, 4);
        assert!(worst <= 1e-5 && relative_l2(&y, &io["output"].values) <= 1e-5, "{worst}");
    });
}

fn tiny(config: NetworkConfig) -> NetworkSpec {
    NetworkSpec { in_channels: 1, out_channels: 3, config }
}

#[test]
fn every_encoder_runs_at_every_stride_and_keeps_its_size() {
    let device = Device::flex();
    for encoder in [EncoderKind::ResNet18, EncoderKind::ResNet34, EncoderKind::ResNet50, EncoderKind::ResNet101] {
        let deeplab = |output_stride| DeepLabConfig {
            encoder,
            encoder_width: 2,
            decoder_width: 4,
            output_stride,
            ..Default::default()
        };
        for config in [
            NetworkConfig::DeepLabV3Plus(deeplab(8)),
            NetworkConfig::DeepLabV3Plus(deeplab(16)),
            NetworkConfig::ResNetUNet(ResNetUNetConfig { encoder, encoder_width: 2, decoder_width: 2 }),
        ] {
            let spec = tiny(config);
            spec.check().unwrap();
            let (model, report) = apply_state(spec.init(&device), &spec.initial_weights(1));
            assert!(report.is_complete());
            let mut deep = [0; 4];
            let x = Tensor::<4>::ones([1, 1, 64, 64], &device);
            let y = model.forward_observed(x, &mut Pass::Infer, &mut |name, x| {
                if name == "encoder.layer4" {
                    deep = x.dims();
                }
            });
            assert_eq!(y.dims(), [1, 3, 64, 64]);
            let stride = if let NetworkConfig::DeepLabV3Plus(c) = config { c.output_stride } else { 32 };
            assert_eq!(deep[2], 64 / stride);
        }
    }
    let refused = |config: DeepLabConfig| tiny(NetworkConfig::DeepLabV3Plus(config)).check().unwrap_err().to_string();
    assert!(refused(DeepLabConfig { output_stride: 4, ..Default::default() }).contains("output_stride"));
    assert!(refused(DeepLabConfig { aspp_dropout: 1.0, ..Default::default() }).contains("aspp_dropout"));
}

#[test]
fn torchvision_weights_fill_the_encoder_with_the_colours_summed() {
    let config = DeepLabConfig { encoder_width: 8, decoder_width: 4, ..DeepLabConfig::default() };
    let spec = tiny(NetworkConfig::DeepLabV3Plus(config));
    let file = load_weights(&oracle("resnet50_w8.pth")).unwrap();
    let (weights, report) = spec.load_over(&spec.initial_weights(1), file.clone());
    assert_eq!(report.adapted, ["encoder.conv1.weight"]);
    assert!(report.missing.iter().all(|n| n.starts_with("decoder.") || n.starts_with("segmentation_head.")));
    assert!(report.mismatched.is_empty() && report.unused == ["encoder.fc.bias", "encoder.fc.weight"]);
    assert_eq!(weights["encoder.layer4.2.conv3.weight"], file["layer4.2.conv3.weight"]);
    let (first, colours) = (&weights["encoder.conv1.weight"].values, &file["conv1.weight"].values);
    let sum: f32 = (0..3).map(|c| colours[c * 49 + 5]).sum();
    assert!((first[5] - sum).abs() < 1e-6);
}

#[test]
fn a_frozen_encoder_gets_no_gradient_and_keeps_its_statistics() {
    let compute = compute_device(DeviceChoice::Cpu, None).unwrap();
    let device = compute.training();
    let config =
        DeepLabConfig { encoder: EncoderKind::ResNet18, encoder_width: 2, decoder_width: 4, ..Default::default() };
    let spec = tiny(NetworkConfig::DeepLabV3Plus(config));
    let (model, _) = apply_state(spec.init(&device), &spec.initial_weights(1));
    let before = collect_state(&model);
    let x = Tensor::<4>::ones([2, 1, 32, 32], &device);
    let mut pass = Pass::train(1).with_frozen_encoder();
    let gradients = collect_gradients(&model, &model.forward(x.clone(), &mut pass).sum().backward());
    assert!(!gradients.is_empty() && gradients.keys().all(|name| !name.starts_with("encoder.")));
    let after = collect_state(&model);
    let changed = |name: &&String| before[*name] != after[*name];
    assert!(before.keys().filter(changed).all(|name| name.starts_with("decoder.")));
    let gradients = collect_gradients(&model, &model.forward(x, &mut Pass::train(1)).sum().backward());
    assert!(gradients.contains_key("encoder.conv1.weight"));
}
