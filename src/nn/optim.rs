//! Optimizers with PyTorch's arithmetic and state by parameter name, so that a checkpoint restores it exactly and
//! Python can read it.

use super::gradients::GradientSet;
use super::state::Path;
use super::weights::{HostTensor, StateDict};
use super::{cpu, gpu};
use crate::kernels::elementwise::AdamStep;
use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::{Device, Tensor, TensorData};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Optimizer of a recipe.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OptimizerConfig {
    pub kind: OptimizerKind,
    /// Learning rate.
    pub lr: f64,
    /// Adam, AdamW: decay rates of the first and second moment.
    #[serde(default = "betas")]
    pub betas: (f64, f64),
    /// Adam, AdamW, RmsProp: added to the denominator.
    #[serde(default = "epsilon")]
    pub epsilon: f64,
    /// Added to the gradient times the weight as in PyTorch (L2); AdamW: decoupled from it.
    #[serde(default)]
    pub weight_decay: f64,
    /// Adam, AdamW: the largest second moment so far counts (Reddi et al., 2018).
    #[serde(default)]
    pub amsgrad: bool,
    /// Sgd, RmsProp: share of the former direction that is kept.
    #[serde(default)]
    pub momentum: f64,
    /// Sgd: look ahead along the momentum (Sutskever et al., 2013).
    #[serde(default)]
    pub nesterov: bool,
    /// RmsProp: decay rate of the mean square.
    #[serde(default = "alpha")]
    pub alpha: f64,
}

/// Update rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum OptimizerKind {
    /// Kingma and Ba, 2015.
    Adam,
    /// Loshchilov and Hutter, 2019.
    AdamW,
    /// Stochastic gradient descent.
    Sgd,
    /// Hinton's lecture 6e, 2012.
    RmsProp,
}

fn betas() -> (f64, f64) {
    (0.9, 0.999)
}

fn epsilon() -> f64 {
    1e-8
}

fn alpha() -> f64 {
    0.99
}

impl OptimizerConfig {
    /// `kind` at `lr` with everything else as PyTorch has it.
    pub fn new(kind: OptimizerKind, lr: f64) -> Self {
        Self {
            kind,
            lr,
            betas: betas(),
            epsilon: epsilon(),
            weight_decay: 0.0,
            amsgrad: false,
            momentum: 0.0,
            nesterov: false,
            alpha: alpha(),
        }
    }

    /// What is out of range or belongs to another kind, as a sentence that names the field.
    pub fn problem(&self) -> Option<String> {
        let above_zero = |v: f64| v.is_finite() && v > 0.0;
        let below_one = |v: f64| (0.0..1.0).contains(&v);
        let Self { kind, betas: b, .. } = *self;
        let adam = matches!(kind, OptimizerKind::Adam | OptimizerKind::AdamW);
        let problems = [
            (!above_zero(self.lr), "optimizer.lr must be above 0"),
            (!above_zero(self.epsilon), "optimizer.epsilon must be above 0"),
            (!(below_one(b.0) && below_one(b.1)), "optimizer.betas lie in 0 up to but not including 1"),
            (!(self.weight_decay == 0.0 || above_zero(self.weight_decay)), "optimizer.weight_decay must be 0 or above"),
            (!below_one(self.momentum), "optimizer.momentum lies in 0 up to but not including 1"),
            (!below_one(self.alpha), "optimizer.alpha lies in 0 up to but not including 1"),
            (!adam && b != betas(), "optimizer.betas belong to Adam and AdamW"),
            (!adam && self.amsgrad, "optimizer.amsgrad belongs to Adam and AdamW"),
            (adam && self.momentum != 0.0, "optimizer.momentum belongs to Sgd and RmsProp; Adam has betas"),
            (kind != OptimizerKind::Sgd && self.nesterov, "optimizer.nesterov belongs to Sgd"),
            (self.nesterov && self.momentum == 0.0, "optimizer.nesterov needs a momentum"),
            (kind != OptimizerKind::RmsProp && self.alpha != alpha(), "optimizer.alpha belongs to RmsProp"),
            (kind == OptimizerKind::Sgd && self.epsilon != epsilon(), "optimizer.epsilon does not belong to Sgd"),
        ];
        problems.into_iter().find(|(wrong, _)| *wrong).map(|(_, text)| text.to_owned())
    }
}

/// Learning rates of one step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rates {
    /// Of everything but the encoder.
    pub lr: f64,
    /// Of parameters under `encoder.`; `None` leaves them as they are.
    pub encoder: Option<f64>,
}

impl Rates {
    /// One rate for everything.
    pub fn all(lr: f64) -> Self {
        Self { lr, encoder: Some(lr) }
    }

    fn of(&self, name: &str) -> Option<f64> {
        if name.starts_with("encoder.") { self.encoder } else { Some(self.lr) }
    }
}

/// Running sums of one parameter; which of them are used depends on the kind.
#[derive(Default)]
struct Moments {
    /// Adam's first moment; the momentum of Sgd and RmsProp.
    first: Option<Tensor<1>>,
    /// The second moment.
    second: Option<Tensor<1>>,
    /// The largest second moment.
    most: Option<Tensor<1>>,
    /// Steps of this parameter: one that was frozen for a while starts its moments late.
    steps: u64,
}

/// Moments of every parameter and the number of steps taken.
pub struct Optimizer {
    config: OptimizerConfig,
    steps: u64,
    moments: BTreeMap<String, Moments>,
}

impl Optimizer {
    /// No steps taken.
    pub fn new(config: OptimizerConfig) -> Self {
        Self { config, steps: 0, moments: BTreeMap::new() }
    }

    /// Steps taken so far.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// The module one step further along `gradients`. Parameters without a gradient stay.
    #[must_use]
    pub fn step<M: Module>(&mut self, module: M, gradients: &GradientSet, rates: Rates) -> M {
        self.steps += 1;
        let mut mapper =
            Step { path: Path::default(), config: self.config, rates, moments: &mut self.moments, gradients };
        module.map(&mut mapper)
    }

    /// Moments as `first.NAME`, `second.NAME`, `most.NAME` and, one number each, `steps.NAME`.
    ///
    /// # Panics
    /// Where the device fails while it is read: call through [`super::catch`].
    pub fn state(&self) -> StateDict {
        let mut out = StateDict::new();
        for (name, moments) in &self.moments {
            for (kind, tensor) in [("first", &moments.first), ("second", &moments.second), ("most", &moments.most)] {
                if let Some(tensor) = tensor {
                    out.insert(format!("{kind}.{name}"), HostTensor::flat(tensor));
                }
            }
            // Two halves of 16 bits: single precision holds each exactly.
            let halves = vec![(moments.steps >> 16) as f32, (moments.steps & 0xffff) as f32];
            out.insert(format!("steps.{name}"), HostTensor { shape: vec![2], values: halves });
        }
        out
    }

    /// Takes over what [`Self::state`] gave; `device` is the one that trains. Other entries are left out.
    pub fn restore(&mut self, state: &StateDict, steps: u64, device: &Device) {
        let device = device.clone().inner();
        let tensor =
            |t: &HostTensor| Tensor::<1>::from_data(TensorData::new(t.values.clone(), [t.values.len()]), &device);
        self.steps = steps;
        self.moments.clear();
        for (key, values) in state {
            let Some((kind, name)) = key.split_once('.') else { continue };
            if !["first", "second", "most", "steps"].contains(&kind) {
                continue;
            }
            let moments = self.moments.entry(name.to_owned()).or_default();
            match (kind, values.values.as_slice()) {
                ("first", _) => moments.first = Some(tensor(values)),
                ("second", _) => moments.second = Some(tensor(values)),
                ("most", _) => moments.most = Some(tensor(values)),
                (_, [high, low]) => moments.steps = ((*high as u64) << 16) + *low as u64,
                _ => {}
            }
        }
    }
}

struct Step<'a> {
    path: Path,
    config: OptimizerConfig,
    rates: Rates,
    moments: &'a mut BTreeMap<String, Moments>,
    gradients: &'a GradientSet,
}

impl ModuleMapper for Step<'_> {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.path.enter(name, container);
    }

    fn exit_module(&mut self, _: &str, container: &str) {
        self.path.exit(container);
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let name = self.path.name();
        let (Some(gradient), Some(lr)) = (self.gradients.get(&name), self.rates.of(&name)) else { return param };
        let (id, tensor, mapper) = param.consume();
        let shape = tensor.dims();
        let weight = tensor.inner().reshape([-1]);
        let moments = self.moments.entry(name).or_default();
        let weight = moved(&self.config, lr, weight, gradient.clone(), moments);
        let updated = Tensor::from_inner(weight.reshape(shape)).require_grad();
        Param::from_mapped_value(id, updated, mapper)
    }
}

/// A whole step of Adam as one kernel: step, weight, gradient, moments to weight and moments.
type AdamStepping = fn(AdamStep, Tensor<1>, Tensor<1>, [Option<Tensor<1>>; 2]) -> (Tensor<1>, [Tensor<1>; 2]);

/// One parameter after one step.
fn moved(
    config: &OptimizerConfig,
    lr: f64,
    mut weight: Tensor<1>,
    mut gradient: Tensor<1>,
    moments: &mut Moments,
) -> Tensor<1> {
    let OptimizerConfig { kind, betas: (b1, b2), epsilon, weight_decay, momentum, alpha, .. } = *config;
    moments.steps += 1;
    let own = if cpu::operations::serves(&weight.device()) {
        Some(cpu::further::adam_step as AdamStepping)
    } else if gpu::operations::serves(&weight.device()) {
        Some(gpu::operations::adam_step as AdamStepping)
    } else {
        None
    };
    if let (OptimizerKind::Adam | OptimizerKind::AdamW, false, Some(own)) = (kind, config.amsgrad, own) {
        let correction = |beta: f64| 1.0 - beta.powf(moments.steps as f64);
        let (shrink, decay) = if kind == OptimizerKind::AdamW { (lr * weight_decay, 0.0) } else { (0.0, weight_decay) };
        let step = AdamStep {
            betas: [b1 as f32, b2 as f32],
            fresh: [(1.0 - b1) as f32, (1.0 - b2) as f32],
            rate: (lr / correction(b1)) as f32,
            correction: correction(b2).sqrt() as f32,
            epsilon: epsilon as f32,
            shrink: (1.0 - shrink) as f32,
            decay: decay as f32,
        };
        let before = [moments.first.take(), moments.second.take()];
        let (weight, [first, second]) = own(step, weight, gradient, before);
        (moments.first, moments.second) = (Some(first), Some(second));
        return weight;
    }
    if weight_decay > 0.0 {
        if kind == OptimizerKind::AdamW {
            weight = weight.mul_scalar(1.0 - lr * weight_decay);
        } else {
            gradient = gradient + weight.clone().mul_scalar(weight_decay);
        }
    }
    match kind {
        OptimizerKind::Adam | OptimizerKind::AdamW => {
            // PyTorch's form: the corrections are folded into the step size and the denominator.
            let correction1 = 1.0 - b1.powf(moments.steps as f64);
            let correction2 = 1.0 - b2.powf(moments.steps as f64);
            let first = mixed(moments.first.take(), b1, gradient.clone().mul_scalar(1.0 - b1));
            let second = mixed(moments.second.take(), b2, gradient.square().mul_scalar(1.0 - b2));
            let counts = if config.amsgrad {
                let most = match moments.most.take() {
                    Some(most) => most.max_pair(second.clone()),
                    None => second.clone(),
                };
                moments.most = Some(most.clone());
                most
            } else {
                second.clone()
            };
            let denominator = counts.sqrt().div_scalar(correction2.sqrt()).add_scalar(epsilon);
            weight = weight - first.clone().mul_scalar(lr / correction1) / denominator;
            (moments.first, moments.second) = (Some(first), Some(second));
            weight
        }
        OptimizerKind::Sgd if momentum == 0.0 => weight - gradient.mul_scalar(lr),
        OptimizerKind::Sgd => {
            let kept = mixed(moments.first.take(), momentum, gradient.clone());
            moments.first = Some(kept.clone());
            let direction = if config.nesterov { gradient + kept.mul_scalar(momentum) } else { kept };
            weight - direction.mul_scalar(lr)
        }
        OptimizerKind::RmsProp => {
            let second = mixed(moments.second.take(), alpha, gradient.clone().square().mul_scalar(1.0 - alpha));
            moments.second = Some(second.clone());
            let mut direction = gradient / second.sqrt().add_scalar(epsilon);
            if momentum > 0.0 {
                direction = mixed(moments.first.take(), momentum, direction);
                moments.first = Some(direction.clone());
            }
            weight - direction.mul_scalar(lr)
        }
    }
}

/// `keep * old + fresh`, or `fresh` for the first time.
fn mixed(old: Option<Tensor<1>>, keep: f64, fresh: Tensor<1>) -> Tensor<1> {
    match old {
        Some(old) => old.mul_scalar(keep) + fresh,
        None => fresh,
    }
}
