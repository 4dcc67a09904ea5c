//! The U-Net (Ronneberger, Fischer and Brox, 2015) in the layout and with the key names of the PyTorch reference.

use super::layers::{BatchNorm2d, Conv2d, ConvTranspose2d, DropoutKind, GroupNorm, Pass, dropout};
use super::network::NetworkError;
use super::ops::{self, Activation};
use burn::module::Module;
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

/// Normalisation after each convolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum NormKind {
    /// None; the convolutions have a bias instead.
    None,
    /// Batch normalisation; the convolutions have no bias.
    #[default]
    Batch,
    /// Group normalisation.
    Group { groups: usize },
    /// Each channel of each sample by itself, with weight and bias.
    Instance,
}

/// How the expanding path grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Upsampling {
    /// 2 x 2 transposed convolution.
    #[default]
    Transposed,
    /// Bilinear interpolation, then a 1 x 1 convolution.
    Bilinear,
}

/// What two convolutions make.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum BlockKind {
    /// One after the other.
    #[default]
    Plain,
    /// Their input is added in front of the last activation (He et al., 2016).
    Residual,
}

/// Variance of the weights that a run starts with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum InitKind {
    /// `2 / fan in`, for ReLU (He et al., 2015).
    #[default]
    He,
    /// `1 / fan in`, for SELU (LeCun et al., 1998).
    LeCun,
    /// `2 / (fan in + fan out)` (Glorot and Bengio, 2010).
    Xavier,
}

/// Shape of a U-Net. Channels double at each of `depth` halvings: `base_width * [1, 2, 4, ..., 2^depth]`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UNetConfig {
    pub base_width: usize,
    pub depth: usize,
    #[serde(default)]
    pub norm: NormKind,
    #[serde(default)]
    pub activation: Activation,
    /// Probability of dropping a value behind each pooling and each concatenation; 0 for none.
    #[serde(default)]
    pub dropout: f64,
    #[serde(default)]
    pub dropout_kind: DropoutKind,
    #[serde(default)]
    pub upsampling: Upsampling,
    #[serde(default)]
    pub block: BlockKind,
    #[serde(default)]
    pub init: InitKind,
}

impl UNetConfig {
    /// Batch normalisation, ReLU, no dropout, transposed convolutions, plain blocks.
    pub fn new(base_width: usize, depth: usize) -> Self {
        Self {
            base_width,
            depth,
            norm: NormKind::Batch,
            activation: Activation::Relu,
            dropout: 0.0,
            dropout_kind: DropoutKind::Plain,
            upsampling: Upsampling::Transposed,
            block: BlockKind::Plain,
            init: InitKind::He,
        }
    }

    /// Checks the ranges that [`Self::init`] relies on, and refuses what contradicts itself.
    ///
    /// # Errors
    /// [`NetworkError`] names the field.
    pub fn check(&self) -> Result<(), NetworkError> {
        if self.base_width == 0 {
            return Err(NetworkError::Zero("base_width"));
        }
        if self.depth > 8 {
            return Err(NetworkError::Depth(self.depth));
        }
        let widest = self.base_width.saturating_mul(1 << self.depth);
        if widest > 8192 {
            return Err(NetworkError::Width(widest));
        }
        if !(0.0..1.0).contains(&self.dropout) {
            return Err(NetworkError::Dropout("dropout", self.dropout));
        }
        let refuse = |reason: &str| Err(NetworkError::Contradiction(reason.into()));
        match self.norm {
            NormKind::Group { groups } if groups == 0 || !self.base_width.is_multiple_of(groups) => {
                return refuse("network.norm.Group.groups must divide base_width");
            }
            _ => {}
        }
        if let Activation::LeakyRelu { slope } = self.activation
            && !(0.0..1.0).contains(&slope)
        {
            return refuse("network.activation.LeakyRelu.slope lies in 0 up to but not including 1");
        }
        if self.dropout_kind == DropoutKind::Alpha && self.activation != Activation::Selu {
            return refuse("network.dropout_kind Alpha belongs to the activation Selu");
        }
        if self.dropout_kind == DropoutKind::Alpha && self.dropout == 0.0 {
            return refuse("network.dropout_kind is set, but network.dropout is 0");
        }
        Ok(())
    }

    /// Numbers that its convolutions hold at least: what a file must bring, before memory is set aside for a network
    /// that only a description asks for.
    pub(super) fn least_weights(&self, in_channels: usize, out_channels: usize) -> u64 {
        let width = |level: usize| (self.base_width as u64).saturating_mul(1 << level.min(32));
        let product = |factors: &[u64]| factors.iter().fold(1u64, |a, b| a.saturating_mul(*b));
        let block = |i: u64, o: u64| product(&[9, o, i.saturating_add(o)]);
        let down = (0..=self.depth).map(|l| block(if l == 0 { in_channels as u64 } else { width(l - 1) }, width(l)));
        let up =
            (0..self.depth).map(|l| product(&[width(l + 1), width(l)]).saturating_add(block(width(l + 1), width(l))));
        let head = product(&[self.base_width as u64, out_channels as u64]);
        down.chain(up).fold(head, u64::saturating_add)
    }

    /// Height and width of an input must be multiples of this.
    pub fn multiple(&self) -> usize {
        1 << self.depth
    }

    /// All weights 0.
    pub(super) fn init(&self, in_channels: usize, out_channels: usize, device: &Device) -> UNet {
        let width = |level: usize| self.base_width << level;
        let block = |i: usize, o: usize| DoubleConv::new(i, o, self, device);
        let up = |l: usize| match self.upsampling {
            Upsampling::Transposed => Up::Transposed(ConvTranspose2d::new(width(l + 1), width(l), device)),
            Upsampling::Bilinear => Up::Bilinear(Conv2d::new(width(l + 1), width(l), 1, device).with_bias()),
        };
        UNet {
            enc: (0..=self.depth).map(|l| block(if l == 0 { in_channels } else { width(l - 1) }, width(l))).collect(),
            up: (0..self.depth).rev().map(up).collect(),
            dec: (0..self.depth).rev().map(|l| block(width(l + 1), width(l))).collect(),
            head: Conv2d::new(self.base_width, out_channels, 1, device).with_bias(),
            dropout: self.dropout,
            dropout_kind: self.dropout_kind,
        }
    }
}

/// A layer that normalises.
#[derive(Module, Debug)]
enum Norm {
    Batch(BatchNorm2d),
    Group(GroupNorm),
}

impl Norm {
    fn new(kind: NormKind, channels: usize, device: &Device) -> Option<Self> {
        match kind {
            NormKind::None => None,
            NormKind::Batch => Some(Self::Batch(BatchNorm2d::new(channels, device))),
            NormKind::Group { groups } => Some(Self::Group(GroupNorm::new(groups, channels, device))),
            NormKind::Instance => Some(Self::Group(GroupNorm::new(channels, channels, device))),
        }
    }

    fn forward(&self, x: Tensor<4>, pass: &Pass) -> Tensor<4> {
        match self {
            Self::Batch(norm) => norm.forward(x, pass),
            Self::Group(norm) => norm.forward(x),
        }
    }

    fn activated(&self, x: Tensor<4>, activation: Activation, pass: &Pass) -> Tensor<4> {
        match (self, activation) {
            (Self::Batch(norm), Activation::Relu) => norm.forward_relu(x, pass),
            _ => ops::activate(self.forward(x, pass), activation),
        }
    }
}

/// Twice: 3 x 3 convolution, padding 1; normalisation; activation. A residual block adds its input, through a 1 x 1
/// convolution `skip`, in front of the second activation.
#[derive(Module, Debug)]
pub struct DoubleConv {
    conv1: Conv2d,
    bn1: Option<Norm>,
    conv2: Conv2d,
    bn2: Option<Norm>,
    skip: Option<Conv2d>,
    bn3: Option<Norm>,
    #[module(skip)]
    activation: Activation,
}

impl DoubleConv {
    fn new(input: usize, output: usize, config: &UNetConfig, device: &Device) -> Self {
        let conv = |i: usize, kernel: usize| {
            let conv = Conv2d::new(i, output, kernel, device);
            if config.norm == NormKind::None { conv.with_bias() } else { conv }
        };
        let norm = || Norm::new(config.norm, output, device);
        let residual = config.block == BlockKind::Residual;
        Self {
            conv1: conv(input, 3),
            bn1: norm(),
            conv2: conv(output, 3),
            bn2: norm(),
            skip: residual.then(|| conv(input, 1)),
            bn3: if residual { norm() } else { None },
            activation: config.activation,
        }
    }

    fn forward(&self, x: Tensor<4>, pass: &Pass) -> Tensor<4> {
        let beside = self.skip.as_ref().map(|skip| normalised(skip.forward(x.clone()), &self.bn3, pass));
        self.behind_first(self.conv1.forward(x), beside, pass)
    }

    /// [`Self::forward`] of the channels of `a` with those of `b` behind them.
    fn forward_joined(&self, a: Tensor<4>, b: Tensor<4>, pass: &Pass) -> Tensor<4> {
        match self.skip {
            Some(_) => self.forward(ops::join(a, b), pass),
            None => self.behind_first(self.conv1.forward_joined(a, b), None, pass),
        }
    }

    /// What follows the first convolution.
    fn behind_first(&self, x: Tensor<4>, beside: Option<Tensor<4>>, pass: &Pass) -> Tensor<4> {
        let activated = |x: Tensor<4>, norm: &Option<Norm>| match norm {
            Some(norm) => norm.activated(x, self.activation, pass),
            None => ops::activate(x, self.activation),
        };
        let x = self.conv2.forward(activated(x, &self.bn1));
        match beside {
            None => activated(x, &self.bn2),
            Some(beside) if self.activation == Activation::Relu => {
                ops::add_relu(normalised(x, &self.bn2, pass), beside)
            }
            Some(beside) => ops::activate(normalised(x, &self.bn2, pass) + beside, self.activation),
        }
    }
}

fn normalised(x: Tensor<4>, norm: &Option<Norm>, pass: &Pass) -> Tensor<4> {
    match norm {
        Some(norm) => norm.forward(x, pass),
        None => x,
    }
}

/// One step of the expanding path.
#[derive(Module, Debug)]
enum Up {
    Transposed(ConvTranspose2d),
    Bilinear(Conv2d),
}

impl Up {
    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        match self {
            Self::Transposed(conv) => conv.forward(x),
            Self::Bilinear(conv) => {
                let [_, _, h, w] = x.dims();
                conv.forward(ops::resize_bilinear(x, [2 * h, 2 * w], false))
            }
        }
    }
}

/// Contracting path `enc`, expanding path `up` and `dec`, 1 x 1 convolution `head`.
#[derive(Module, Debug)]
pub struct UNet {
    enc: Vec<DoubleConv>,
    up: Vec<Up>,
    dec: Vec<DoubleConv>,
    head: Conv2d,
    dropout: f64,
    #[module(skip)]
    dropout_kind: DropoutKind,
}

impl UNet {
    /// As [`super::Network::forward_observed`].
    pub(super) fn forward(
        &self,
        mut x: Tensor<4>,
        pass: &mut Pass,
        see: &mut dyn FnMut(String, &Tensor<4>),
    ) -> Tensor<4> {
        let mut skips = Vec::with_capacity(self.enc.len());
        for (level, block) in self.enc.iter().enumerate() {
            if level > 0 {
                x = dropout(ops::max_pool2d(x, 2, 2, 0), self.dropout, self.dropout_kind, pass);
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
            x = if self.dropout > 0.0 {
                block.forward(dropout(ops::join(skip, grown), self.dropout, self.dropout_kind, pass), pass)
            } else {
                block.forward_joined(skip, grown, pass)
            };
            see(format!("dec.{step}"), &x);
        }
        self.head.forward(x)
    }
}
