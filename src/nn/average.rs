//! Exponential moving average of weights and buffers (Polyak and Juditsky, 1992): what validates and is kept as best.

use super::state::{Path, apply_state};
use super::weights::{HostTensor, StateDict};
use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Device, Tensor, TensorData};
use std::collections::BTreeMap;

/// `average = decay * average + (1 - decay) * value` after every step; the first value is taken as it is.
pub struct WeightAverage {
    decay: f64,
    values: BTreeMap<String, (Tensor<1>, Vec<usize>)>,
}

impl WeightAverage {
    /// Nothing averaged yet.
    pub fn new(decay: f64) -> Self {
        Self { decay, values: BTreeMap::new() }
    }

    /// Takes in the weights and buffers of `module` as they are now.
    pub fn update<M: Module>(&mut self, module: &M) {
        module.visit(&mut Blend { path: Path::default(), average: self });
    }

    /// Names, shapes and values, as a weight file has them.
    ///
    /// # Panics
    /// Where the device fails while it is read: call through [`super::catch`].
    pub fn state(&self) -> StateDict {
        let host = |(t, shape): &(Tensor<1>, Vec<usize>)| HostTensor { shape: shape.clone(), ..HostTensor::flat(t) };
        self.values.iter().map(|(name, value)| (name.clone(), host(value))).collect()
    }

    /// Takes over what [`Self::state`] gave.
    pub fn restore(&mut self, state: &StateDict, device: &Device) {
        let device = device.clone().inner();
        let tensor = |t: &HostTensor| Tensor::from_data(TensorData::new(t.values.clone(), [t.values.len()]), &device);
        self.values = state.iter().map(|(name, t)| (name.clone(), (tensor(t), t.shape.clone()))).collect();
    }

    /// `module` with the averages in place of its own values.
    ///
    /// # Panics
    /// As [`Self::state`].
    #[must_use]
    pub fn applied<M: Module>(&self, module: M) -> M {
        apply_state(module, &self.state()).0
    }
}

struct Blend<'a> {
    path: Path,
    average: &'a mut WeightAverage,
}

impl ModuleVisitor for Blend<'_> {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.path.enter(name, container);
    }

    fn exit_module(&mut self, _: &str, container: &str) {
        self.path.exit(container);
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let value = param.val();
        let value = if value.device().is_autodiff() { value.inner() } else { value };
        let shape = value.dims().to_vec();
        let value: Tensor<1> = value.reshape([-1]);
        let decay = self.average.decay;
        let name = self.path.name();
        let blended = match self.average.values.remove(&name) {
            Some((old, _)) => old.mul_scalar(decay) + value.mul_scalar(1.0 - decay),
            None => value,
        };
        self.average.values.insert(name, (blended, shape));
    }
}
