//! A module's parameters and buffers by PyTorch name, in and out of host memory.

use super::weights::{HostTensor, StateDict};
use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{Gradients, Tensor, TensorData};

/// What became of the entries of a weight file.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct LoadReport {
    /// Taken over.
    pub loaded: Vec<String>,
    /// Taken over after a change of shape: a first convolution for three colours, summed for one channel.
    pub adapted: Vec<String>,
    /// The module has it, the file does not: it keeps the value it had.
    pub missing: Vec<String>,
    /// The file has it, the module does not.
    pub unused: Vec<String>,
    /// Present in both, with different shapes `(name, module, file)`.
    pub mismatched: Vec<(String, Vec<usize>, Vec<usize>)>,
}

impl LoadReport {
    /// Every parameter of the module was set. PyTorch's batch counters are not missed.
    pub fn is_complete(&self) -> bool {
        self.missing.is_empty() && self.mismatched.is_empty()
    }

    /// One sentence about what did not fit, or `None`.
    pub fn problem(&self) -> Option<String> {
        if let Some((name, module, file)) = self.mismatched.first() {
            return Some(format!("{name} has shape {file:?} in the file and {module:?} in the network"));
        }
        let first = self.missing.first()?;
        Some(match self.missing.len() {
            1 => format!("{first} is missing"),
            n => format!("{first} and {} others are missing", n - 1),
        })
    }
}

/// Where a walk through a module is, in PyTorch's spelling: enums add nothing, and fields `at_0`, `at_1` (the places of
/// a `Sequential`) are spelt `0`, `1`.
#[derive(Default)]
pub(super) struct Path(Vec<String>);

impl Path {
    pub fn enter(&mut self, name: &str, container: &str) {
        if !container.starts_with("Enum:") {
            self.0.push(name.strip_prefix("at_").unwrap_or(name).to_owned());
        }
    }

    pub fn exit(&mut self, container: &str) {
        if !container.starts_with("Enum:") {
            self.0.pop();
        }
    }

    pub fn name(&self) -> String {
        self.0.join(".")
    }
}

/// All parameters and buffers as 32-bit floats.
///
/// # Panics
/// Where the device fails while it is read: call through [`super::catch`].
pub fn collect_state<M: Module>(module: &M) -> StateDict {
    let mut visitor = Collect { path: Path::default(), out: StateDict::new(), gradients: None };
    module.visit(&mut visitor);
    visitor.out
}

/// The gradients of all parameters that have one, by the parameter's name.
///
/// # Panics
/// As [`collect_state`].
pub fn collect_gradients<M: Module>(module: &M, gradients: &Gradients) -> StateDict {
    let mut visitor = Collect { path: Path::default(), out: StateDict::new(), gradients: Some(gradients) };
    module.visit(&mut visitor);
    visitor.out
}

/// Number of trainable values.
pub fn parameter_count<M: Module>(module: &M) -> usize {
    let state = collect_state(module);
    state.iter().filter(|(name, _)| !name.contains("running_")).map(|(_, t)| t.values.len()).sum()
}

/// The module with every parameter and buffer that `state` has under its name and shape, and the list of the rest.
pub fn apply_state<M: Module>(module: M, state: &StateDict) -> (M, LoadReport) {
    let mut mapper = Apply { path: Path::default(), state, report: LoadReport::default() };
    let module = module.map(&mut mapper);
    let mut report = mapper.report;
    report.unused = state
        .keys()
        .filter(|name| !report.loaded.contains(name) && !report.mismatched.iter().any(|(n, _, _)| n == *name))
        .filter(|name| !name.ends_with(".num_batches_tracked"))
        .cloned()
        .collect();
    (module, report)
}

struct Collect<'a> {
    path: Path,
    out: StateDict,
    gradients: Option<&'a Gradients>,
}

impl ModuleVisitor for Collect<'_> {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.path.enter(name, container);
    }

    fn exit_module(&mut self, _: &str, container: &str) {
        self.path.exit(container);
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let tensor = match self.gradients {
            None => param.val(),
            Some(gradients) => match param.val().grad(gradients) {
                Some(gradient) => gradient,
                None => return,
            },
        };
        let shape = tensor.dims().to_vec();
        // Reading can only fail where the device does; the caller's `catch` turns that into a sentence.
        let values = tensor.into_data().convert::<f32>().try_into_vec::<f32>().unwrap_or_default();
        self.out.insert(self.path.name(), HostTensor { shape, values });
    }
}

struct Apply<'a> {
    path: Path,
    state: &'a StateDict,
    report: LoadReport,
}

impl ModuleMapper for Apply<'_> {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.path.enter(name, container);
    }

    fn exit_module(&mut self, _: &str, container: &str) {
        self.path.exit(container);
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let name = self.path.name();
        let Some(source) = self.state.get(&name) else {
            self.report.missing.push(name);
            return param;
        };
        let shape = param.lazy_shape().to_vec();
        if source.shape != shape || source.values.len() != shape.iter().product::<usize>() {
            self.report.mismatched.push((name, shape, source.shape.clone()));
            return param;
        }
        self.report.loaded.push(name);
        param.map(|old| {
            let data = TensorData::new(source.values.clone(), shape);
            Tensor::from_data(data, &old.device()).set_require_grad(old.is_require_grad())
        })
    }
}
