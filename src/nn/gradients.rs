//! Gradients by parameter name: accumulated over batches, clipped, and kept in checkpoints.

use super::state::Path;
use super::weights::{HostTensor, StateDict};
use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Device, Gradients, Tensor, TensorData};
use std::collections::BTreeMap;

/// One flat tensor a parameter.
#[derive(Clone, Default)]
pub struct GradientSet(BTreeMap<String, Tensor<1>>);

impl GradientSet {
    /// The gradients of all parameters of `module` that have one.
    pub fn of<M: Module>(module: &M, gradients: &Gradients) -> Self {
        let mut visitor = Take { path: Path::default(), gradients, out: BTreeMap::new() };
        module.visit(&mut visitor);
        Self(visitor.out)
    }

    /// One parameter's.
    pub fn get(&self, name: &str) -> Option<&Tensor<1>> {
        self.0.get(name)
    }

    /// Adds `other`, name by name.
    pub fn add(&mut self, other: Self) {
        for (name, fresh) in other.0 {
            let sum = match self.0.remove(&name) {
                Some(old) => old + fresh,
                None => fresh,
            };
            self.0.insert(name, sum);
        }
    }

    /// All values times `factor`.
    #[must_use]
    pub fn scaled(self, factor: f64) -> Self {
        Self(self.0.into_iter().map(|(name, t)| (name, t.mul_scalar(factor))).collect())
    }

    /// Scaled down so that the Euclidean norm of all values together is at most `limit` (Pascanu et al., 2013), with
    /// PyTorch's `limit / (norm + 1e-6)`. Nothing is read back from the device.
    #[must_use]
    pub fn clipped_to_norm(self, limit: f64) -> Self {
        let squares: Vec<Tensor<1>> = self.0.values().map(|t| t.clone().square().sum()).collect();
        if squares.is_empty() {
            return self;
        }
        let norm = Tensor::cat(squares, 0).sum().sqrt();
        let factor = norm.add_scalar(1e-6).recip().mul_scalar(limit).clamp_max(1.0);
        Self(self.0.into_iter().map(|(name, t)| (name, t * factor.clone())).collect())
    }

    /// Each value cut to `-limit..=limit`.
    #[must_use]
    pub fn clipped_to_value(self, limit: f64) -> Self {
        Self(self.0.into_iter().map(|(name, t)| (name, t.clamp(-limit, limit))).collect())
    }

    /// As `sum.NAME`.
    ///
    /// # Panics
    /// Where the device fails while it is read: call through [`super::catch`].
    pub fn state(&self) -> StateDict {
        self.0.iter().map(|(name, t)| (format!("sum.{name}"), HostTensor::flat(t))).collect()
    }

    /// Takes over what [`Self::state`] gave; other entries are left out.
    pub fn restored(state: &StateDict, device: &Device) -> Self {
        let device = device.clone().inner();
        let tensor = |t: &HostTensor| Tensor::from_data(TensorData::new(t.values.clone(), [t.values.len()]), &device);
        Self(state.iter().filter_map(|(k, t)| Some((k.strip_prefix("sum.")?.to_owned(), tensor(t)))).collect())
    }
}

struct Take<'a> {
    path: Path,
    gradients: &'a Gradients,
    out: BTreeMap<String, Tensor<1>>,
}

impl ModuleVisitor for Take<'_> {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.path.enter(name, container);
    }

    fn exit_module(&mut self, _: &str, container: &str) {
        self.path.exit(container);
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(gradient) = param.val().grad(self.gradients) {
            self.out.insert(self.path.name(), gradient.reshape([-1]));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(values: &[(&str, &[f32])]) -> GradientSet {
        let tensor = |v: &[f32]| Tensor::<1>::from_data(TensorData::new(v.to_vec(), [v.len()]), &Device::flex());
        GradientSet(values.iter().map(|(name, v)| ((*name).to_owned(), tensor(v))).collect())
    }

    #[test]
    fn sums_and_limits_are_exact() {
        let mut sum = set(&[("a", &[3.0, 0.0]), ("b", &[-4.0])]);
        let small = sum.clone().clipped_to_norm(10.0).state();
        assert!((small["sum.a"].values[0] - 3.0).abs() < 1e-6);
        let clipped = sum.clone().clipped_to_norm(1.0).state();
        assert!((clipped["sum.a"].values[0] - 0.6).abs() < 1e-6 && (clipped["sum.b"].values[0] + 0.8).abs() < 1e-6);
        assert_eq!(sum.clone().clipped_to_value(2.0).state()["sum.b"].values, [-2.0]);
        sum.add(set(&[("a", &[1.0, 1.0]), ("c", &[7.0])]));
        let state = sum.scaled(0.5).state();
        assert_eq!((state["sum.a"].values.as_slice(), state["sum.c"].values[0]), (&[2.0f32, 0.5][..], 3.5));
        assert_eq!(GradientSet::restored(&state, &Device::flex()).state(), state);
    }
}
