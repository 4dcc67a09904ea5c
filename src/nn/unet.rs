//! The U-Net (Ronneberger, Fischer and Brox, 2015) in the layout and with the key names of the PyTorch reference.

use super::layers::{BatchNorm2d, Pass, dropout};
use burn::module::{Initializer, Module};
use burn::nn::PaddingConfig2d;
use burn::nn::conv::{Conv2d, Conv2dConfig, ConvTranspose2d, ConvTranspose2dConfig};
use burn::tensor::activation::relu;
use burn::tensor::module::max_pool2d;
use burn::tensor::ops::MaxPoolOptions;
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

/// Normalisation after each convolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum NormKind {
    /// None; the convolutions have a bias instead.
    None,
    /// Batch normalisation; the convolutions have no bias.
    #[default]
    Batch,
}

/// Shape of a U-Net. Channels double at each of `depth` halvings: `base_width * [1, 2, 4, ..., 2^depth]`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UNetConfig {
    #[serde(default = "one")]
    pub in_channels: usize,
    /// 1 for a binary mask (sigmoid), or the number of classes with background as class 0 (softmax).
    pub out_channels: usize,
    pub base_width: usize,
    pub depth: usize,
    #[serde(default)]
    pub norm: NormKind,
    /// Probability of dropping a value behind each pooling and each concatenation; 0 for none.
    #[serde(default)]
    pub dropout: f64,
}

fn one() -> usize {
    1
}

/// Why a U-Net cannot be built.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum UNetConfigError {
    #[error("network.{0} must be at least 1")]
    Zero(&'static str),
    #[error("network.depth is {0}, more than 8 halvings are not supported")]
    Depth(usize),
    #[error(
        "the widest layer would have {0} channels, more than 8192 are not supported: lower network.base_width or network.depth"
    )]
    Width(usize),
    #[error("network.dropout is {0}, it must lie in 0 up to but not including 1")]
    Dropout(f64),
}

impl UNetConfig {
    /// Checks the ranges that [`Self::init`] relies on.
    ///
    /// # Errors
    /// [`UNetConfigError`] names the field.
    pub fn check(&self) -> Result<(), UNetConfigError> {
        for (name, value) in
            [("in_channels", self.in_channels), ("out_channels", self.out_channels), ("base_width", self.base_width)]
        {
            if value == 0 {
                return Err(UNetConfigError::Zero(name));
            }
        }
        if self.depth > 8 {
            return Err(UNetConfigError::Depth(self.depth));
        }
        let widest = self.base_width.saturating_mul(1 << self.depth).max(self.in_channels).max(self.out_channels);
        if widest > 8192 {
            return Err(UNetConfigError::Width(widest));
        }
        if !(0.0..1.0).contains(&self.dropout) {
            return Err(UNetConfigError::Dropout(self.dropout));
        }
        Ok(())
    }

    /// Height and width of an input must be multiples of this.
    pub fn multiple(&self) -> usize {
        1 << self.depth
    }

    /// All weights 0: give them values with [`super::initial_weights`] or from a file.
    pub fn init(&self, device: &Device) -> UNet {
        let width = |level: usize| self.base_width << level;
        let block = |i: usize, o: usize| DoubleConv::new(i, o, self.norm, device);
        UNet {
            enc: (0..=self.depth)
                .map(|l| block(if l == 0 { self.in_channels } else { width(l - 1) }, width(l)))
                .collect(),
            up: (0..self.depth)
                .rev()
                .map(|l| {
                    ConvTranspose2dConfig::new([width(l + 1), width(l)], [2, 2])
                        .with_stride([2, 2])
                        .with_initializer(Initializer::Zeros)
                        .init(device)
                })
                .collect(),
            dec: (0..self.depth).rev().map(|l| block(width(l + 1), width(l))).collect(),
            head: Conv2dConfig::new([self.base_width, self.out_channels], [1, 1])
                .with_initializer(Initializer::Zeros)
                .init(device),
            dropout: self.dropout,
        }
    }
}

/// Twice: 3 x 3 convolution, padding 1; normalisation; ReLU.
#[derive(Module, Debug)]
pub struct DoubleConv {
    conv1: Conv2d,
    bn1: Option<BatchNorm2d>,
    conv2: Conv2d,
    bn2: Option<BatchNorm2d>,
}

impl DoubleConv {
    fn new(input: usize, output: usize, norm: NormKind, device: &Device) -> Self {
        let conv = |i: usize, o: usize| {
            Conv2dConfig::new([i, o], [3, 3])
                .with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1))
                .with_bias(norm == NormKind::None)
                .with_initializer(Initializer::Zeros)
                .init(device)
        };
        let bn = || (norm == NormKind::Batch).then(|| BatchNorm2d::new(output, device));
        Self { conv1: conv(input, output), bn1: bn(), conv2: conv(output, output), bn2: bn() }
    }

    fn forward(&self, x: Tensor<4>, pass: &Pass) -> Tensor<4> {
        let norm = |x: Tensor<4>, bn: &Option<BatchNorm2d>| match bn {
            Some(bn) => bn.forward(x, pass),
            None => x,
        };
        let x = relu(norm(self.conv1.forward(x), &self.bn1));
        relu(norm(self.conv2.forward(x), &self.bn2))
    }
}

/// Contracting path `enc`, expanding path `up` and `dec`, 1 x 1 convolution `head`.
#[derive(Module, Debug)]
pub struct UNet {
    enc: Vec<DoubleConv>,
    up: Vec<ConvTranspose2d>,
    dec: Vec<DoubleConv>,
    head: Conv2d,
    dropout: f64,
}

impl UNet {
    /// `[batch, in_channels, height, width]` to logits `[batch, out_channels, height, width]`.
    ///
    /// # Panics
    /// When height or width is no multiple of [`UNetConfig::multiple`].
    pub fn forward(&self, x: Tensor<4>, pass: &mut Pass) -> Tensor<4> {
        self.forward_observed(x, pass, &mut |_, _| {})
    }

    /// [`Self::forward`] that shows the output of each block under its PyTorch name (`enc.0`, `up.1`, `dec.2`).
    pub fn forward_observed(
        &self,
        mut x: Tensor<4>,
        pass: &mut Pass,
        see: &mut dyn FnMut(String, &Tensor<4>),
    ) -> Tensor<4> {
        let mut skips = Vec::with_capacity(self.enc.len());
        for (level, block) in self.enc.iter().enumerate() {
            if level > 0 {
                x = dropout(max_pool2d(x, MaxPoolOptions::new([2, 2])), self.dropout, pass);
            }
            x = block.forward(x, pass);
            see(format!("enc.{level}"), &x);
            skips.push(x.clone());
        }
        // The deepest output is no skip connection: it is what goes up.
        skips.pop();
        for (step, ((up, block), skip)) in self.up.iter().zip(&self.dec).zip(skips.into_iter().rev()).enumerate() {
            let grown = up.forward(x);
            see(format!("up.{step}"), &grown);
            x = dropout(Tensor::cat(vec![skip, grown], 1), self.dropout, pass);
            x = block.forward(x, pass);
            see(format!("dec.{step}"), &x);
        }
        self.head.forward(x)
    }
}
