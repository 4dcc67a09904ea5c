//! Every option of the U-Net: it runs, learns, and is the same on every device.

use super::*;

#[test]
fn every_option_trains_alike_on_every_device() {
    let plain = UNetConfig::new(4, 2);
    let selu = UNetConfig {
        norm: NormKind::None,
        activation: Activation::Selu,
        dropout: 0.1,
        dropout_kind: DropoutKind::Alpha,
        init: InitKind::LeCun,
        ..plain
    };
    let options = [
        UNetConfig { norm: NormKind::Group { groups: 2 }, ..plain },
        UNetConfig { norm: NormKind::Instance, activation: Activation::LeakyRelu { slope: 0.01 }, ..plain },
        UNetConfig { upsampling: Upsampling::Bilinear, init: InitKind::Xavier, ..plain },
        UNetConfig { block: BlockKind::Residual, ..plain },
        selu,
    ];
    let step = |compute: &ComputeDevice, config: UNetConfig| {
        let device = compute.training();
        let spec = unet(config, 3);
        spec.check().unwrap();
        let (model, report) = apply_state(spec.init(&device), &spec.initial_weights(3));
        assert!(report.is_complete() && report.unused.is_empty());
        let x: Vec<f32> = (0..2 * 256).map(|i| (i * 37 % 101) as f32 / 50.0 - 1.0).collect();
        let x = Tensor::<4>::from_data(TensorData::new(x, [2, 1, 16, 16]), &device);
        let y = model.forward(x, &mut Pass::train(9));
        collect_gradients(&model, &y.square().mean().backward())
    };
    let cpu = compute_device(DeviceChoice::Cpu, None).unwrap();
    for config in options {
        let want = step(&cpu, config);
        assert!(want.values().all(|t| t.values.iter().all(|v| v.is_finite())), "{config:?}");
        on_devices(|compute| {
            let got = step(compute, config);
            assert_eq!(got.len(), want.len());
            // Gradients that are zero but for rounding (a bias in front of a norm) are compared with the largest one.
            let norm = |t: &HostTensor| t.values.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt();
            let largest = want.values().map(norm).fold(0.0, f64::max);
            for (name, want) in &want {
                let off: f64 = want
                    .values
                    .iter()
                    .zip(&got[name].values)
                    .map(|(a, b)| f64::from(a - b).powi(2))
                    .sum::<f64>()
                    .sqrt();
                assert!(off <= 1e-4 * norm(want).max(1e-3 * largest), "{name} {config:?}: {off}");
            }
        });
    }
}

#[test]
fn the_self_normalising_network_has_23_convolutions() {
    let spec = unet(UNetConfig { norm: NormKind::None, ..UNetConfig::new(4, 4) }, 1);
    let convolutions = spec.initial_weights(1).values().filter(|t| t.shape.len() == 4).count();
    assert_eq!(convolutions, 23);
}

#[test]
fn contradictions_name_their_field() {
    let plain = UNetConfig::new(4, 2);
    for (config, word) in [
        (UNetConfig { norm: NormKind::Group { groups: 3 }, ..plain }, "groups"),
        (UNetConfig { dropout: 0.1, dropout_kind: DropoutKind::Alpha, ..plain }, "Selu"),
        (UNetConfig { activation: Activation::LeakyRelu { slope: 2.0 }, ..plain }, "slope"),
        (UNetConfig { base_width: 0, ..plain }, "base_width"),
        (UNetConfig { depth: 9, ..plain }, "depth"),
        (UNetConfig { base_width: 4096, ..plain }, "channels"),
    ] {
        let text = unet(config, 1).check().unwrap_err().to_string();
        assert!(text.contains(word), "{word}: {text}");
    }
}
