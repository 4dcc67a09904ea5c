//! A trained network that turns slices into labels: used for the test at the end of a run and for every prediction.

mod in_place;

use super::guard::catch;
use super::inference::{InferenceConfig, Tiling, has_sides, mirrored, starts, weights};
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
    /// How the network is asked.
    #[serde(default)]
    pub inference: InferenceConfig,
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
    #[error("{0}")]
    Inference(String),
    #[error("networks that predict together must have the same classes: one has {0}, another {1}")]
    Classes(String, String),
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
        let sides = has_sides(spec.classes.iter().map(String::as_str));
        if let Some(problem) = spec.inference.problem(size, spec.network.config.multiple(), sides) {
            return Err(SegmentError::Inference(problem));
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
        let maps = self.probabilities(slices, size)?;
        Ok(maps.iter().map(|maps| labels_of(maps, self.spec.threshold)).collect())
    }

    /// Probabilities `[slice][channel]` at the slices' own resolution: the mean over what
    /// [`ModelSpec::inference`] asks for.
    ///
    /// # Errors
    /// [`DeviceError`] when the device fails.
    pub fn probabilities(&self, slices: &[Vec<f32>], size: [usize; 2]) -> Result<Vec<Vec<Vec<f32>>>, DeviceError> {
        let n = self.spec.preprocessing.size;
        let hu: Vec<Vec<i16>> = slices.iter().map(|hu| resample_hu(hu, size, n)).collect();
        let maps = |p: &Vec<f32>| p.chunks_exact(n * n).map(|c| resize_linear(c, [n, n], size)).collect();
        Ok(self.network_probabilities(&hu)?.iter().map(maps).collect())
    }

    /// Probabilities of slices that are already at the network's resolution: class by class (the foreground alone of
    /// a binary network), `size * size` values each.
    ///
    /// # Errors
    /// [`DeviceError`] when the device fails.
    pub fn network_probabilities(&self, hu: &[Vec<i16>]) -> Result<Vec<Vec<f32>>, DeviceError> {
        let n = self.spec.preprocessing.size;
        let channels = self.spec.network.out_channels;
        let input = self.input(hu);
        let mirrors = self.spec.inference.mirrors();
        let mut sum = vec![0.0; hu.len() * channels * n * n];
        for how in &mirrors {
            let answer = mirrored(&self.tiled(&mirrored(&input, n, *how))?, n, *how);
            sum.iter_mut().zip(answer).for_each(|(s, p)| *s += p / mirrors.len() as f32);
        }
        Ok(sum.chunks_exact(channels * n * n).map(<[f32]>::to_vec).collect())
    }

    /// Labels of a slice of `width` x `height` pixels from its [`Self::network_probabilities`].
    pub fn labels(&self, probabilities: &[f32], size: [usize; 2]) -> Vec<LabelId> {
        let n = self.spec.preprocessing.size;
        let maps: Vec<Vec<f32>> = probabilities.chunks_exact(n * n).map(|c| resize_linear(c, [n, n], size)).collect();
        labels_of(&maps, self.spec.threshold)
    }

    /// Probabilities of one slice at the network's resolution, from one plain look at it, with what the last layer but
    /// one says of it.
    ///
    /// # Errors
    /// [`DeviceError`] when the device fails.
    pub fn features(&self, hu: &[i16]) -> Result<(Vec<f32>, FeatureMap), DeviceError> {
        let n = self.spec.preprocessing.size;
        let input = self.input(&[hu.to_vec()]);
        let (p, last) = catch("predicting", || {
            let x = Tensor::<4>::from_data(TensorData::new(input, [1, 1, n, n]), &self.compute.device);
            let mut last = None;
            let logits = self.model.forward_observed(x, &mut Pass::Infer, &mut |_, x| last = Some(x.clone()));
            let p = if self.spec.network.out_channels == 1 { sigmoid(logits) } else { softmax(logits, 1) };
            (read(p), last.map(|x| (x.dims(), read(x))))
        })?;
        let map = match last {
            None => FeatureMap::default(),
            Some(([_, channels, height, width], values)) => FeatureMap { channels, width, height, values: values? },
        };
        Ok((p?, map))
    }

    fn answer(&self, pictures: Tensor<4>) -> Tensor<4> {
        let logits = self.model.forward(pictures, &mut Pass::Infer);
        if self.spec.network.out_channels == 1 { sigmoid(logits) } else { softmax(logits, 1) }
    }

    fn input(&self, hu: &[Vec<i16>]) -> Vec<f32> {
        let intensity = self.spec.preprocessing.intensity;
        hu.iter().flatten().map(|v| intensity.apply(f32::from(*v))).collect()
    }

    /// The answer for preprocessed slices, in windows where these are asked for.
    fn tiled(&self, input: &[f32]) -> Result<Vec<f32>, DeviceError> {
        let n = self.spec.preprocessing.size;
        let Tiling::Sliding { size, overlap } = self.spec.inference.tiling else { return self.forward(input, n) };
        let (channels, weight) = (self.spec.network.out_channels, weights(size));
        let count = input.len() / (n * n);
        let mut sum = vec![0.0; count * channels * n * n];
        let mut total = vec![0.0; n * n];
        for top in starts(n, size, overlap) {
            for left in starts(n, size, overlap) {
                let window: Vec<f32> = input
                    .chunks_exact(n * n)
                    .flat_map(|slice| (0..size).flat_map(move |y| &slice[(top + y) * n + left..][..size]))
                    .copied()
                    .collect();
                let answer = self.forward(&window, size)?;
                for y in 0..size {
                    let row = (top + y) * n + left;
                    let weights = weight.iter().map(|w| w * weight[y]);
                    total[row..row + size].iter_mut().zip(weights.clone()).for_each(|(t, w)| *t += w);
                    for map in 0..count * channels {
                        let found = &answer[map * size * size + y * size..][..size];
                        let into = &mut sum[map * n * n + row..][..size];
                        into.iter_mut().zip(found).zip(weights.clone()).for_each(|((s, p), w)| *s += p * w);
                    }
                }
            }
        }
        for map in sum.chunks_exact_mut(n * n) {
            map.iter_mut().zip(&total).for_each(|(s, t)| *s /= t);
        }
        Ok(sum)
    }

    /// The network's probabilities for images of `n` x `n` pixels.
    fn forward(&self, input: &[f32], n: usize) -> Result<Vec<f32>, DeviceError> {
        if input.is_empty() {
            return Ok(Vec::new());
        }
        let count = input.len() / (n * n);
        catch("predicting", || {
            let data = TensorData::new(input.to_vec(), [count, 1, n, n]);
            let x = Tensor::<4>::from_data(data, &self.compute.device);
            self.answer(x).try_into_data().map(|data| data.convert::<f32>().try_into_vec::<f32>().unwrap_or_default())
        })?
        .map_err(|e| DeviceError::Failed {
            what: "reading the prediction",
            reason: super::guard::first_line(&format!("{e:?}")),
        })
    }
}

/// What the layer in front of the last one says of a slice: `channels` pictures of `width * height` values.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct FeatureMap {
    pub channels: usize,
    pub width: usize,
    pub height: usize,
    pub values: Vec<f32>,
}

fn read(tensor: Tensor<4>) -> Result<Vec<f32>, DeviceError> {
    tensor.try_into_data().map(|data| data.convert::<f32>().try_into_vec::<f32>().unwrap_or_default()).map_err(|e| {
        DeviceError::Failed { what: "reading the prediction", reason: super::guard::first_line(&format!("{e:?}")) }
    })
}

/// Networks that were trained apart and predict together, for example the folds of a cross-validation: the mean of
/// their probabilities is cut into labels. The first one's threshold and tidying hold.
pub struct Ensemble(Vec<Segmenter>);

impl Ensemble {
    /// One or more networks.
    ///
    /// # Errors
    /// [`SegmentError::Classes`] when their classes differ.
    pub fn new(members: Vec<Segmenter>) -> Result<Self, SegmentError> {
        if let Some([a, b]) = members.array_windows().find(|[a, b]| a.spec.classes != b.spec.classes) {
            return Err(SegmentError::Classes(a.spec.classes.join(", "), b.spec.classes.join(", ")));
        }
        Ok(Self(members))
    }

    /// Labels of a slice from its probabilities.
    pub fn labels(&self, maps: &[Vec<f32>]) -> Vec<LabelId> {
        self.0.first().map_or_else(Vec::new, |first| labels_of(maps, first.spec.threshold))
    }

    /// As [`Segmenter::probabilities`]: the mean over all networks.
    ///
    /// # Errors
    /// [`DeviceError`] when the device fails.
    pub fn probabilities(&self, slices: &[Vec<f32>], size: [usize; 2]) -> Result<Vec<Vec<Vec<f32>>>, DeviceError> {
        let Some((first, others)) = self.0.split_first() else { return Ok(Vec::new()) };
        let mut mean = first.probabilities(slices, size)?;
        if others.is_empty() {
            return Ok(mean);
        }
        for other in others {
            for (sum, more) in mean.iter_mut().flatten().zip(other.probabilities(slices, size)?.iter().flatten()) {
                sum.iter_mut().zip(more).for_each(|(s, p)| *s += p);
            }
        }
        let count = self.0.len() as f32;
        mean.iter_mut().flatten().flatten().for_each(|p| *p /= count);
        Ok(mean)
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
            inference: InferenceConfig::default(),
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

    fn random(spec: ModelSpec, seed: u64) -> Segmenter {
        let compute = compute_device(DeviceChoice::Cpu, None).unwrap();
        let zero = crate::nn::collect_state(&spec.network.init(&compute.device));
        Segmenter::new(spec, &initial_weights(&zero, seed), &compute).unwrap()
    }

    fn picture() -> Vec<f32> {
        (0..256).map(|i| ((i * i * 37) % 1400) as f32 - 1000.0).collect()
    }

    #[test]
    fn mirrored_answers_are_averaged_and_make_the_network_blind_to_the_mirror() {
        let config = InferenceConfig { flip_lr: true, flip_ud: true, ..Default::default() };
        let (plain, averaged) = (random(spec(1), 3), random(ModelSpec { inference: config, ..spec(1) }, 3));
        let ask = |net: &Segmenter, hu: Vec<f32>| net.probabilities(&[hu], [16, 16]).unwrap().remove(0).remove(0);
        let mut mean = vec![0.0; 256];
        for how in config.mirrors() {
            let answer = mirrored(&ask(&plain, mirrored(&picture(), 16, how)), 16, how);
            mean.iter_mut().zip(answer).for_each(|(m, p)| *m += p / 4.0);
        }
        let found = ask(&averaged, picture());
        assert!(found.iter().zip(&mean).all(|(a, b)| (a - b).abs() < 1e-6));
        let turned = mirrored(&ask(&averaged, mirrored(&picture(), 16, [true, false])), 16, [true, false]);
        assert!(found.iter().zip(&turned).all(|(a, b)| (a - b).abs() < 1e-5));
        assert!(found.iter().zip(ask(&plain, picture())).any(|(a, b)| (a - b).abs() > 1e-4));
    }

    #[test]
    fn windows_join_without_seams_and_one_window_is_the_whole_slice() {
        let tiled = |size, overlap| {
            let inference = InferenceConfig { tiling: Tiling::Sliding { size, overlap }, ..Default::default() };
            random(ModelSpec { inference, ..spec(2) }, 5).probabilities(&[picture(), picture()], [16, 16]).unwrap()
        };
        let whole = random(spec(2), 5).probabilities(&[picture(), picture()], [16, 16]).unwrap();
        let flat = |maps: &[Vec<Vec<f32>>]| maps.iter().flatten().flatten().copied().collect::<Vec<f32>>();
        assert!(flat(&tiled(16, 0.5)).iter().zip(flat(&whole)).all(|(a, b)| (a - b).abs() < 1e-6));
        let parts = tiled(8, 0.5);
        assert_eq!(parts[0], parts[1]);
        for pixel in 0..256 {
            let sum: f32 = parts[0].iter().map(|map| map[pixel]).sum();
            assert!((sum - 1.0).abs() < 1e-5, "probabilities still add up to 1, not {sum}");
        }
        // Far from the borders of its window a pixel has the answer of that window alone.
        let inference = InferenceConfig { tiling: Tiling::Sliding { size: 8, overlap: 0.0 }, ..Default::default() };
        let apart = random(ModelSpec { inference, ..spec(2) }, 5).probabilities(&[picture()], [16, 16]).unwrap();
        let mut small = spec(2);
        small.preprocessing.size = 8;
        let corner: Vec<f32> = (0..8).flat_map(|y| picture()[y * 16..y * 16 + 8].to_vec()).collect();
        let alone = random(small, 5).probabilities(&[corner], [8, 8]).unwrap();
        for (y, x) in [(0, 0), (3, 4), (7, 7)] {
            assert!((apart[0][1][y * 16 + x] - alone[0][1][y * 8 + x]).abs() < 1e-6);
        }
    }

    #[test]
    fn an_ensemble_is_the_mean_and_must_agree_on_classes() {
        let (a, b) = (random(spec(1), 1), random(spec(1), 2));
        let slices = [picture()];
        let [pa, pb] = [&a, &b].map(|net| net.probabilities(&slices, [16, 16]).unwrap().remove(0).remove(0));
        let want: Vec<u8> = pa.iter().zip(&pb).map(|(p, q)| u8::from((p + q) / 2.0 >= 0.5)).collect();
        let both = Ensemble::new(vec![a, b]).unwrap();
        let found = both.labels(&both.probabilities(&slices, [16, 16]).unwrap()[0]);
        let differing = found.iter().zip(&want).filter(|(x, y)| x != y).count();
        assert!(differing <= 1 && want.contains(&0) && want.contains(&1), "{differing}");
        let error = Ensemble::new(vec![random(spec(1), 1), random(spec(3), 1)]).err().unwrap().to_string();
        assert!(error.contains("same classes"), "{error}");
        let wrong = ModelSpec { classes: vec!["left".into(), "right".into()], ..spec(2) };
        let inference = InferenceConfig { flip_lr: true, ..Default::default() };
        let compute = compute_device(DeviceChoice::Cpu, None).unwrap();
        let error = Segmenter::new(ModelSpec { inference, ..wrong }, &StateDict::new(), &compute).err().unwrap();
        assert!(error.to_string().contains("side"), "{error}");
    }
}
