//! Every network a recipe may name, behind one type: built from its description, run, and given its first weights.

use super::deeplab::{DeepLabConfig, DeepLabV3Plus, ResNetUNet, ResNetUNetConfig};
use super::init::draw;
use super::layers::Pass;
use super::state::{LoadReport, apply_state, collect_state};
use super::unet::{InitKind, UNet, UNetConfig};
use super::weights::{HostTensor, StateDict};
use burn::module::Module;
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

/// A network's kind and shape; input and output channels follow from the data.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum NetworkConfig {
    UNet(UNetConfig),
    /// A U-Net whose contracting path is a ResNet.
    ResNetUNet(ResNetUNetConfig),
    DeepLabV3Plus(DeepLabConfig),
}

/// Everything that building the network needs.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetworkSpec {
    pub in_channels: usize,
    /// 1 for a binary mask (sigmoid), or the number of classes with background as class 0 (softmax).
    pub out_channels: usize,
    pub config: NetworkConfig,
}

/// Why a network cannot be built.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum NetworkError {
    #[error("network.{0} must be at least 1")]
    Zero(&'static str),
    #[error("network.depth is {0}, more than 8 halvings are not supported")]
    Depth(usize),
    #[error(
        "network: the widest layer would have {0} channels, more than 8192 are not supported: lower the network's widths or its depth"
    )]
    Width(usize),
    #[error("network.{0} is {1}, it must lie in 0 up to but not including 1")]
    Dropout(&'static str, f64),
    #[error("{0}")]
    Contradiction(String),
}

impl NetworkConfig {
    /// Name in messages.
    pub fn name(&self) -> &'static str {
        match self {
            Self::UNet(_) => "UNet",
            Self::ResNetUNet(_) => "ResNetUNet",
            Self::DeepLabV3Plus(_) => "DeepLabV3Plus",
        }
    }

    /// Whether it has an encoder that can be frozen, learn at a rate of its own, and come from ImageNet.
    pub fn has_encoder(&self) -> bool {
        !matches!(self, Self::UNet(_))
    }

    /// Height and width of an input must be multiples of this.
    pub fn multiple(&self) -> usize {
        match self {
            Self::UNet(c) => c.multiple(),
            Self::ResNetUNet(_) => 32,
            Self::DeepLabV3Plus(c) => c.output_stride,
        }
    }
}

impl NetworkSpec {
    /// Checks the ranges that [`Self::init`] relies on.
    ///
    /// # Errors
    /// [`NetworkError`] names the field.
    pub fn check(&self) -> Result<(), NetworkError> {
        for (name, value) in [("in_channels", self.in_channels), ("out_channels", self.out_channels)] {
            match value {
                0 => return Err(NetworkError::Zero(name)),
                1..=8192 => {}
                _ => return Err(NetworkError::Width(value)),
            }
        }
        match &self.config {
            NetworkConfig::UNet(c) => c.check(),
            NetworkConfig::ResNetUNet(c) => c.check(),
            NetworkConfig::DeepLabV3Plus(c) => c.check(),
        }
    }

    /// Numbers that a weight file must hold at least for this network; 0 where its shape bounds them by itself.
    pub fn least_weights(&self) -> u64 {
        match &self.config {
            NetworkConfig::UNet(c) => c.least_weights(self.in_channels, self.out_channels),
            NetworkConfig::ResNetUNet(_) | NetworkConfig::DeepLabV3Plus(_) => 0,
        }
    }

    /// All weights 0: give them values with [`Self::initial_weights`] or from a file.
    pub fn init(&self, device: &Device) -> Network {
        let (i, o) = (self.in_channels, self.out_channels);
        match &self.config {
            NetworkConfig::UNet(c) => Network::UNet(c.init(i, o, device)),
            NetworkConfig::ResNetUNet(c) => Network::ResNetUNet(c.init(i, o, device)),
            NetworkConfig::DeepLabV3Plus(c) => Network::DeepLabV3Plus(c.init(i, o, device)),
        }
    }

    /// Random weights by `seed`, the same on every device.
    pub fn initial_weights(&self, seed: u64) -> StateDict {
        // Shapes only: the CPU serves whatever device trains.
        let shapes = collect_state(&self.init(&Device::flex()));
        let kind = match &self.config {
            NetworkConfig::UNet(c) => c.init,
            _ => InitKind::He,
        };
        draw(&shapes, seed, kind)
    }

    /// `weights` with those of a file over them, adapted as [`Self::adapted`] does it.
    pub fn load_over(&self, weights: &StateDict, file: StateDict) -> (StateDict, LoadReport) {
        let (file, adapted) = self.adapted(file);
        let (model, _) = apply_state(self.init(&Device::flex()), weights);
        let (model, mut report) = apply_state(model, &file);
        report.adapted = adapted;
        (collect_state(&model), report)
    }

    /// Weights of other origin under this network's names, and what was changed in value: names of torchvision's own
    /// networks become the encoder's, and a first convolution for three colours is summed over them where the input
    /// is one channel, as in segmentation_models_pytorch.
    pub fn adapted(&self, mut file: StateDict) -> (StateDict, Vec<String>) {
        if !self.config.has_encoder() {
            return (file, Vec::new());
        }
        if !file.keys().any(|name| name.starts_with("encoder.")) {
            file = file.into_iter().map(|(name, t)| (format!("encoder.{name}"), t)).collect();
        }
        let first = "encoder.conv1.weight";
        match file.get_mut(first) {
            Some(tensor) if self.in_channels == 1 => match *tensor.shape.as_slice() {
                [out, colours, h, w] if colours > 1 && tensor.values.len() == out * colours * h * w && h * w > 0 => {
                    let values = summed_colours(&tensor.values, colours, h * w);
                    *tensor = HostTensor { shape: vec![out, 1, h, w], values };
                    (file, vec![first.to_owned()])
                }
                _ => (file, Vec::new()),
            },
            _ => (file, Vec::new()),
        }
    }
}

fn summed_colours(values: &[f32], colours: usize, taps: usize) -> Vec<f32> {
    let sum = |kernels: &[f32], tap: usize| kernels.iter().skip(tap).step_by(taps).sum();
    values.chunks_exact(colours * taps).flat_map(|k| (0..taps).map(move |tap| sum(k, tap))).collect()
}

/// A built network. Parameters and buffers have PyTorch's names ([`collect_state`]).
#[derive(Module, Debug)]
#[allow(clippy::large_enum_variant, reason = "one of them in a run")]
pub enum Network {
    UNet(UNet),
    ResNetUNet(ResNetUNet),
    DeepLabV3Plus(DeepLabV3Plus),
}

impl Network {
    /// `[batch, in_channels, height, width]` to logits `[batch, out_channels, height, width]`.
    ///
    /// # Panics
    /// When height or width is no multiple of [`NetworkConfig::multiple`].
    pub fn forward(&self, x: Tensor<4>, pass: &mut Pass) -> Tensor<4> {
        self.forward_observed(x, pass, &mut |_, _| {})
    }

    /// [`Self::forward`] that shows the output of each block under its PyTorch name (`enc.0`, `up.1`, `dec.2`,
    /// `encoder.layer1`, `decoder.aspp`).
    pub fn forward_observed(
        &self,
        x: Tensor<4>,
        pass: &mut Pass,
        see: &mut dyn FnMut(String, &Tensor<4>),
    ) -> Tensor<4> {
        match self {
            Self::UNet(net) => net.forward(x, pass, see),
            Self::ResNetUNet(net) => net.forward(x, pass, see),
            Self::DeepLabV3Plus(net) => net.forward(x, pass, see),
        }
    }
}
