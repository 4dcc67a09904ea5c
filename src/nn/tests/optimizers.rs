//! Every optimizer and schedule of the oracle, step by step, on every device.

use super::*;
use burn::module::Param;

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
    let json: serde_json::Value = serde_json::from_slice(&std::fs::read(oracle("optim.json")).unwrap()).unwrap();
    let [adam, adamw, sgd, rmsprop] =
        [OptimizerKind::Adam, OptimizerKind::AdamW, OptimizerKind::Sgd, OptimizerKind::RmsProp]
            .map(|kind| OptimizerConfig::new(kind, 1e-2));
    let constant = ScheduleConfig::Constant;
    let cosine = ScheduleConfig::Cosine { warm_up: 0.0, lowest: 0.0 };
    let cases = [
        ("adam", adam, constant),
        ("adam_wd_l2", OptimizerConfig { weight_decay: 0.1, ..adam }, constant),
        ("adamw", OptimizerConfig { weight_decay: 0.1, ..adamw }, constant),
        ("adam_amsgrad", OptimizerConfig { amsgrad: true, ..adam }, constant),
        ("adam_b_eps", OptimizerConfig { betas: (0.8, 0.95), epsilon: 1e-5, ..adam }, constant),
        ("sgd_mom", OptimizerConfig { momentum: 0.9, weight_decay: 1e-2, ..sgd }, constant),
        ("sgd_nesterov", OptimizerConfig { momentum: 0.99, nesterov: true, ..sgd }, constant),
        ("rmsprop", rmsprop, constant),
        ("adam_cosine_T5", adam, cosine),
        ("adam_step2_g.5", adam, ScheduleConfig::Step { every: 2, factor: 0.5 }),
        ("sgd_poly_p.9_T5", sgd, ScheduleConfig::Polynomial { power: 0.9 }),
    ];
    assert_eq!(cases.len(), json.as_object().unwrap().len());
    on_devices(|compute| {
        let device = compute.training();
        let matrix = |name: &str| {
            let t = &file[name];
            Tensor::<2>::from_data(TensorData::new(t.values.clone(), [t.shape[0], t.shape[1]]), &device)
        };
        for (name, config, schedule) in cases {
            assert_eq!(config.problem().or(schedule.problem(5)), None);
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
            for step in 1..=5u32 {
                let hidden = (matrix("X").matmul(module.p0.val()) + module.p1.val().unsqueeze()).tanh();
                let error = hidden.matmul(module.p2.val()) + module.p3.val().unsqueeze() - matrix("Y");
                let gradients = GradientSet::of(&module, &error.square().mean().backward());
                let lr = config.lr * schedule.factor(f64::from(step - 1), 5);
                let want = json[name]["lr"][step as usize - 1].as_f64().unwrap();
                assert!((lr - want).abs() <= 1e-12 * want, "{name} step {step}: {lr} {want}");
                module = optimizer.step(module, &gradients, Rates::all(lr));
                // A restart from what was saved must not show.
                let saved = optimizer.state();
                optimizer = Optimizer::new(config);
                optimizer.restore(&saved, step as u64, &device);
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
fn settings_of_another_kind_are_refused() {
    let adam = OptimizerConfig::new(OptimizerKind::Adam, 1e-3);
    let sgd = OptimizerConfig::new(OptimizerKind::Sgd, 1e-3);
    for (config, word) in [
        (OptimizerConfig { momentum: 0.9, ..adam }, "momentum"),
        (OptimizerConfig { nesterov: true, ..sgd }, "nesterov"),
        (OptimizerConfig { amsgrad: true, ..sgd }, "amsgrad"),
        (OptimizerConfig { betas: (0.5, 0.9), ..sgd }, "betas"),
        (OptimizerConfig { alpha: 0.5, ..adam }, "alpha"),
        (OptimizerConfig { lr: f64::NAN, ..adam }, "lr"),
    ] {
        assert!(config.problem().unwrap().contains(word));
    }
}
