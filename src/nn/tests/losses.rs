//! Every loss of the oracle, value and gradient, on every device.

use super::*;
use safetensors::SafeTensors;

#[test]
fn losses_equal_the_oracle() {
    let bytes = std::fs::read(oracle("losses.safetensors")).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let floats = load_weights(&oracle("losses.safetensors")).unwrap();
    let values: serde_json::Value = serde_json::from_slice(&std::fs::read(oracle("losses.json")).unwrap()).unwrap();
    let one_hot = |name: &str| {
        let classes =
            file.tensor(name).unwrap().data().chunks_exact(8).map(|b| i64::from_le_bytes(b.try_into().unwrap()));
        let mut values = vec![0.0; 2 * 4 * 63];
        // 255 is ignored: no class has the pixel.
        for (i, class) in classes.enumerate().filter(|(_, class)| *class != 255) {
            values[(i / 63) * 4 * 63 + class as usize * 63 + i % 63] = 1.0;
        }
        HostTensor { shape: vec![2, 4, 9, 7], values }
    };
    let empty = HostTensor { shape: vec![2, 1, 9, 7], values: vec![0.0; 126] };
    let (t, z, zm) = (&floats["t"], &floats["z"], &floats["zm"]);
    let (tm, ti) = (&one_hot("tm"), &one_hot("ti"));
    let weights: Vec<f64> = floats["class_weight"].values.iter().map(|w| f64::from(*w)).collect();
    let bce = |positive_weight| LossConfig::Bce(BceConfig { positive_weight, by_frequency: false });
    let sums = |smooth| OverlapConfig { smooth, ..OverlapConfig::default() };
    let sample = |smooth| OverlapConfig { per_sample: true, ..sums(smooth) };
    let present = OverlapConfig { skip_absent: true, ..sums(0.0) };
    let dice = LossConfig::Dice;
    let ce = LossConfig::CrossEntropy;
    let focal = FocalConfig { gamma: 2.0, alpha: None };
    // The oracle's name, the loss, logits, target, and a factor (a sum is a mean times the count).
    let cases = [
        ("bce_mean", bce(1.0), z, t, 1.0),
        ("bce_sum", bce(1.0), z, t, 126.0),
        ("bce_pos_weight_3.5", bce(3.5), z, t, 1.0),
        ("bce_extreme_logits", bce(1.0), &floats["ext"], &floats["text"], 1.0),
        ("dice_global_smooth1", dice(sums(1.0)), z, t, 1.0),
        ("dice_per_sample_1e-5", dice(sample(1e-5)), z, t, 1.0),
        ("dice_empty_target_smooth1", dice(sums(1.0)), z, &empty, 1.0),
        ("iou_global_smooth1", LossConfig::Iou(sums(1.0)), z, t, 1.0),
        ("smp_dice_binary_logits", dice(present), z, t, 1.0),
        ("smp_dice_empty", dice(present), z, &empty, 1.0),
        ("smp_jaccard_binary_logits", LossConfig::Iou(present), z, t, 1.0),
        ("smp_tversky_a.3_b.7", LossConfig::Tversky(TverskyConfig { alpha: 0.3, beta: 0.7, smooth: 0.0 }), z, t, 1.0),
        ("smp_focal_binary_g2", LossConfig::Focal(focal), z, t, 1.0),
        ("monai_dice_sigmoid", dice(sample(1e-5)), z, t, 1.0),
        ("monai_dice_empty", dice(sample(1e-5)), z, &empty, 1.0),
        // MONAI halves its smoothing: it stands beside twice the intersection and twice the union.
        ("monai_jaccard_sigmoid", LossConfig::Iou(sample(0.5e-5)), z, t, 1.0),
        ("bce_plus_dice_global", LossConfig::BceDice(BceDiceConfig::default()), z, t, 1.0),
        ("ce_mean", ce(CrossEntropyConfig::default()), zm, tm, 1.0),
        ("ce_weighted", ce(CrossEntropyConfig { class_weights: Some(weights), ..Default::default() }), zm, tm, 1.0),
        ("ce_ignore255", ce(CrossEntropyConfig::default()), zm, ti, 1.0),
        ("ce_label_smoothing_0.1", ce(CrossEntropyConfig { label_smoothing: 0.1, ..Default::default() }), zm, tm, 1.0),
        ("smp_dice_multiclass", dice(sums(0.0)), zm, tm, 1.0),
    ];
    assert_eq!(cases.len(), values.as_object().unwrap().len());
    on_devices(|compute| {
        let device = compute.training();
        for (name, config, z, t, factor) in &cases {
            assert_eq!(config.problem(z.shape[1]), None);
            let logits = tensor(z, &device).require_grad();
            let value = loss(config, logits.clone(), tensor(t, &device)).mul_scalar(*factor);
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

/// What no oracle has, from its definition.
#[test]
fn pooled_dice_and_focal_of_several_classes_follow_their_formulas() {
    let floats = load_weights(&oracle("losses.safetensors")).unwrap();
    let zm = &floats["zm"];
    let (b, c, n) = (2, 4, 63);
    let class = |s: usize, i: usize| (s * 7 + i / 5) % 3;
    let index = |s: usize, k: usize, i: usize| (s * c + k) * n + i;
    let mut target = HostTensor { shape: vec![b, c, 9, 7], values: vec![0.0; b * c * n] };
    let mut p = vec![0.0f64; b * c * n];
    let (mut both, mut sizes, mut focal) = (0.0, 0.0, 0.0);
    for s in 0..b {
        for i in 0..n {
            target.values[index(s, class(s, i), i)] = 1.0;
            let total: f64 = (0..c).map(|k| f64::from(zm.values[index(s, k, i)]).exp()).sum();
            for k in 0..c {
                p[index(s, k, i)] = f64::from(zm.values[index(s, k, i)]).exp() / total;
                sizes += p[index(s, k, i)];
            }
            let own = p[index(s, class(s, i), i)];
            both += own;
            sizes += 1.0;
            focal -= (1.0 - own).powf(1.5) * own.ln() / (b * n) as f64;
        }
    }
    let pooled = OverlapConfig { pool_classes: true, ..OverlapConfig::default() };
    on_devices(|compute| {
        let value = |config: &LossConfig| {
            let (z, t) = (tensor(zm, &compute.device), tensor(&target, &compute.device));
            f64::from(loss(config, z, t).into_scalar::<f32>())
        };
        let want = 1.0 - (2.0 * both + 1.0) / (sizes + 1.0);
        assert!((value(&LossConfig::Dice(pooled)) - want).abs() < 1e-6);
        let config = LossConfig::Focal(FocalConfig { gamma: 1.5, alpha: None });
        assert!((value(&config) - focal).abs() < 1e-5, "{} {focal}", value(&config));
    });
}
