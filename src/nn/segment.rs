//! A trained network that turns slices into labels: used for the test at the end of a run and for every prediction.

use super::guard::catch;
use super::layers::Pass;
use super::network::{Network, NetworkError, NetworkSpec};
use super::preprocess::{PreprocessConfig, resample_hu, resize_linear};
use super::state::apply_state;
use super::weights::StateDict;
use super::{ComputeDevice, DeviceError};
use crate::core::{LabelId, Segment};
use burn::tensor::activation::{sigmoid, softmax};
use burn::tensor::{Tensor, TensorData};
use serde::{Deserialize, Serialize};

/// Largest slice that a network is given.
const MAX_SIZE: usize = 4096;

/// Everything that a weight file needs to be used; stored in the header of the weights of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelSpec {
    /// Name of the recipe.
    pub recipe: String,
    pub preprocessing: PreprocessConfig,
    pub network: NetworkSpec,
    /// Foreground where the sigmoid is at least this (binary networks).
    pub threshold: f32,
    /// Names of class 1, 2, …
    pub classes: Vec<String>,
}

impl ModelSpec {
    /// One segment a class.
    pub fn segments(&self) -> Vec<Segment> {
        (1..=u8::MAX).zip(&self.classes).map(|(id, name)| Segment::new(id, name.clone())).collect()
    }
}

/// Why a network cannot be used.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum SegmentError {
    #[error(transparent)]
    Network(#[from] NetworkError),
    #[error("the weights do not fit the network: {0}")]
    Weights(String),
    #[error("the network's slices are {0} x {0} pixels, which does not fit it")]
    Size(usize),
    #[error(transparent)]
    Device(#[from] DeviceError),
}

/// A network in inference mode.
pub struct Segmenter {
    spec: ModelSpec,
    model: Network,
    compute: ComputeDevice,
}

impl Segmenter {
    /// Builds the network on `compute` and gives it `weights`.
    ///
    /// # Errors
    /// [`SegmentError`] when the description makes no network, or a weight is missing or of another shape.
    pub fn new(spec: ModelSpec, weights: &StateDict, compute: &ComputeDevice) -> Result<Self, SegmentError> {
        spec.network.check()?;
        let size = spec.preprocessing.size;
        if size == 0 || size > MAX_SIZE || !size.is_multiple_of(spec.network.config.multiple()) {
            return Err(SegmentError::Size(size));
        }
        let (wanted, held) =
            (spec.network.least_weights(), weights.values().map(|t| t.values.len() as u64).sum::<u64>());
        if wanted > held {
            return Err(SegmentError::Weights(format!("it asks for {wanted} numbers and the file holds {held}")));
        }
        let (weights, _) = spec.network.adapted(weights.clone());
        let (model, report) =
            catch("loading the network", || apply_state(spec.network.init(&compute.device), &weights))?;
        if let Some(problem) = report.problem() {
            return Err(SegmentError::Weights(problem));
        }
        Ok(Self { spec, model, compute: compute.clone() })
    }

    /// What the network was made for.
    pub fn spec(&self) -> &ModelSpec {
        &self.spec
    }

    /// Labels of slices, all of `width` x `height` pixels in reading orientation, at their own resolution.
    ///
    /// The network's probabilities are resampled to the slice and only then cut into labels, so that outlines are
    /// finer than the network's pixels.
    ///
    /// # Errors
    /// [`DeviceError`] when the device fails.
    pub fn segment(&self, slices: &[Vec<f32>], size: [usize; 2]) -> Result<Vec<Vec<LabelId>>, DeviceError> {
        if slices.is_empty() {
            return Ok(Vec::new());
        }
        let n = self.spec.preprocessing.size;
        let channels = self.spec.network.out_channels;
        let intensity = self.spec.preprocessing.intensity;
        let input: Vec<f32> = slices
            .iter()
            .flat_map(|hu| resample_hu(hu, size, n).into_iter().map(|v| intensity.apply(f32::from(v))))
            .collect();
        let probabilities = catch("predicting", || {
            let x = Tensor::<4>::from_data(TensorData::new(input, [slices.len(), 1, n, n]), &self.compute.device);
            let logits = self.model.forward(x, &mut Pass::Infer);
            let p = if channels == 1 { sigmoid(logits) } else { softmax(logits, 1) };
            p.try_into_data().map(|data| data.convert::<f32>().try_into_vec::<f32>().unwrap_or_default())
        })?
        .map_err(|e| DeviceError::Failed {
            what: "reading the prediction",
            reason: super::guard::first_line(&format!("{e:?}")),
        })?;
        Ok(probabilities
            .chunks_exact(channels * n * n)
            .map(|slice| {
                let maps: Vec<Vec<f32>> = slice.chunks_exact(n * n).map(|c| resize_linear(c, [n, n], size)).collect();
                labels_of(&maps, self.spec.threshold)
            })
            .collect())
    }
}

/// One channel: 1 where it reaches the threshold. Several: the largest, the first of equals.
fn labels_of(maps: &[Vec<f32>], threshold: f32) -> Vec<LabelId> {
    match maps {
        [] => Vec::new(),
        [only] => only.iter().map(|p| LabelId::from(*p >= threshold)).collect(),
        [first, rest @ ..] => {
            let mut best = first.clone();
            let mut labels = vec![0; first.len()];
            for (class, map) in (1..=u8::MAX).zip(rest) {
                for ((label, best), p) in labels.iter_mut().zip(&mut best).zip(map) {
                    if *p > *best {
                        (*label, *best) = (class, *p);
                    }
                }
            }
            labels
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::{DeviceChoice, Intensity, NetworkConfig, NormKind, UNetConfig, compute_device, initial_weights};

    fn spec(classes: usize) -> ModelSpec {
        ModelSpec {
            recipe: "t".into(),
            preprocessing: PreprocessConfig { size: 16, intensity: Intensity::Window { low: -1000.0, high: 400.0 } },
            network: NetworkSpec {
                in_channels: 1,
                out_channels: if classes == 1 { 1 } else { classes + 1 },
                config: NetworkConfig::UNet(UNetConfig { norm: NormKind::None, ..UNetConfig::new(2, 1) }),
            },
            threshold: 0.5,
            classes: (0..classes).map(|c| format!("class {c}")).collect(),
        }
    }

    #[test]
    fn labels_have_the_size_of_the_slice_and_wrong_weights_are_refused() {
        let compute = compute_device(DeviceChoice::Cpu, None).unwrap();
        for classes in [1, 3] {
            let spec = spec(classes);
            let zero = crate::nn::collect_state(&spec.network.init(&compute.device));
            let weights = initial_weights(&zero, 1);
            let net = Segmenter::new(spec.clone(), &weights, &compute).unwrap();
            let hu: Vec<f32> = (0..35).map(|i| i as f32 * 30.0 - 800.0).collect();
            let out = net.segment(&[hu.clone(), hu], [7, 5]).unwrap();
            assert!(out.len() == 2 && out[0].len() == 35 && out[0] == out[1]);
            assert!(out[0].iter().all(|l| usize::from(*l) <= classes));
            let mut broken = weights.clone();
            broken.remove("head.weight");
            let error = Segmenter::new(spec, &broken, &compute).err().unwrap().to_string();
            assert!(error.contains("head.weight"), "{error}");
        }
    }

    #[test]
    fn the_largest_class_wins_and_ties_go_to_the_first() {
        let maps = [vec![0.5, 0.2, 0.4], vec![0.3, 0.5, 0.4], vec![0.2, 0.3, 0.2]];
        assert_eq!(labels_of(&maps, 0.9), [0, 1, 0]);
        assert_eq!(labels_of(&[vec![0.5, 0.49]], 0.5), [1, 0]);
    }
}
