//! Adam and AdamW with state by parameter name, so that a checkpoint restores it exactly and Python can read it.

use super::weights::{HostTensor, StateDict};
use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::{Device, Gradients, Tensor, TensorData};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Optimizer of a recipe.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OptimizerConfig {
    pub kind: OptimizerKind,
    /// Learning rate.
    pub lr: f64,
    /// Decay rates of the first and second moment.
    #[serde(default = "betas")]
    pub betas: (f64, f64),
    #[serde(default = "epsilon")]
    pub epsilon: f64,
    /// Adam: added to the gradient as in PyTorch (L2). AdamW: decoupled from it.
    #[serde(default)]
    pub weight_decay: f64,
}

/// Update rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum OptimizerKind {
    /// Kingma and Ba, 2015.
    Adam,
    /// Loshchilov and Hutter, 2019.
    AdamW,
}

fn betas() -> (f64, f64) {
    (0.9, 0.999)
}

fn epsilon() -> f64 {
    1e-8
}

/// Moments of every parameter and the number of steps taken.
pub struct Optimizer {
    config: OptimizerConfig,
    steps: u64,
    moments: BTreeMap<String, (Tensor<1>, Tensor<1>)>,
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

    /// The module one step further along `gradients`.
    #[must_use]
    pub fn step<M: Module>(&mut self, module: M, gradients: &Gradients) -> M {
        self.steps += 1;
        let mut mapper = Step {
            path: Vec::new(),
            config: self.config,
            // PyTorch's form: the corrections are folded into the step size and the denominator.
            correction1: 1.0 - self.config.betas.0.powf(self.steps as f64),
            correction2: 1.0 - self.config.betas.1.powf(self.steps as f64),
            moments: &mut self.moments,
            gradients,
        };
        module.map(&mut mapper)
    }

    /// Moments as `first.NAME` and `second.NAME`.
    ///
    /// # Panics
    /// Where the device fails while it is read: call through [`super::catch`].
    pub fn state(&self) -> StateDict {
        let mut out = StateDict::new();
        for (name, (first, second)) in &self.moments {
            for (kind, tensor) in [("first", first), ("second", second)] {
                let values = tensor.to_data().convert::<f32>().try_into_vec::<f32>().unwrap_or_default();
                out.insert(format!("{kind}.{name}"), HostTensor { shape: vec![values.len()], values });
            }
        }
        out
    }

    /// Takes over what [`Self::state`] gave; `device` is the one that trains. Unpaired entries are left out.
    pub fn restore(&mut self, state: &StateDict, steps: u64, device: &Device) {
        let device = device.clone().inner();
        let tensor =
            |t: &HostTensor| Tensor::<1>::from_data(TensorData::new(t.values.clone(), [t.values.len()]), &device);
        self.steps = steps;
        self.moments = state
            .iter()
            .filter_map(|(key, first)| {
                let name = key.strip_prefix("first.")?;
                let second = state.get(&format!("second.{name}")).filter(|s| s.values.len() == first.values.len())?;
                Some((name.to_owned(), (tensor(first), tensor(second))))
            })
            .collect();
    }
}

struct Step<'a> {
    path: Vec<String>,
    config: OptimizerConfig,
    correction1: f64,
    correction2: f64,
    moments: &'a mut BTreeMap<String, (Tensor<1>, Tensor<1>)>,
    gradients: &'a Gradients,
}

impl ModuleMapper for Step<'_> {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let (id, tensor, mapper) = param.consume();
        let Some(gradient) = tensor.grad(self.gradients) else {
            return Param::from_mapped_value(id, tensor, mapper);
        };
        let shape = tensor.dims();
        let mut weight = tensor.inner().reshape([-1]);
        let mut gradient: Tensor<1> = gradient.reshape([-1]);
        let OptimizerConfig { kind, lr, betas: (b1, b2), epsilon, weight_decay } = self.config;
        if weight_decay > 0.0 {
            match kind {
                OptimizerKind::Adam => gradient = gradient + weight.clone().mul_scalar(weight_decay),
                OptimizerKind::AdamW => weight = weight.mul_scalar(1.0 - lr * weight_decay),
            }
        }
        let fresh_first = gradient.clone().mul_scalar(1.0 - b1);
        let fresh_second = gradient.square().mul_scalar(1.0 - b2);
        let name = self.path.join(".");
        let (first, second) = match self.moments.remove(&name) {
            Some((m, v)) => (m.mul_scalar(b1) + fresh_first, v.mul_scalar(b2) + fresh_second),
            None => (fresh_first, fresh_second),
        };
        let denominator = second.clone().sqrt().div_scalar(self.correction2.sqrt()).add_scalar(epsilon);
        let weight = weight - first.clone().mul_scalar(lr / self.correction1) / denominator;
        self.moments.insert(name, (first, second));
        let updated = Tensor::from_inner(weight.reshape(shape)).require_grad();
        Param::from_mapped_value(id, updated, mapper)
    }
}
