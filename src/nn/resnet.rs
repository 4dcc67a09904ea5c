//! Residual networks (He et al., 2016) as encoders, with the layout, arithmetic and key names of torchvision.

use super::layers::{BatchNorm2d, Conv2d, Pass};
use super::ops::{self, Activation};
use burn::module::Module;
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

/// Depth of the encoder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum EncoderKind {
    ResNet18,
    ResNet34,
    #[default]
    ResNet50,
    ResNet101,
}

impl EncoderKind {
    /// Blocks of the four stages, and how many times wider than its inside a block's output is.
    fn plan(self) -> ([usize; 4], usize) {
        match self {
            Self::ResNet18 => ([2, 2, 2, 2], 1),
            Self::ResNet34 => ([3, 4, 6, 3], 1),
            Self::ResNet50 => ([3, 4, 6, 3], 4),
            Self::ResNet101 => ([3, 4, 23, 3], 4),
        }
    }

    /// Channels of the stem and of the four stages for a stem of `width`.
    pub(super) fn channels(self, width: usize) -> [usize; 5] {
        let (_, expansion) = self.plan();
        [width, width * expansion, 2 * width * expansion, 4 * width * expansion, 8 * width * expansion]
    }
}

/// Two 3 x 3 convolutions, or 1 x 1, 3 x 3, 1 x 1, around an identity.
#[derive(Module, Debug)]
struct Block {
    conv1: Conv2d,
    bn1: BatchNorm2d,
    conv2: Conv2d,
    bn2: BatchNorm2d,
    conv3: Option<Conv2d>,
    bn3: Option<BatchNorm2d>,
    downsample: Option<Downsample>,
}

#[derive(Module, Debug)]
struct Downsample {
    at_0: Conv2d,
    at_1: BatchNorm2d,
}

impl Block {
    /// `planes` channels inside. The stride is in the 3 x 3 convolution, as in torchvision.
    fn new(
        input: usize,
        planes: usize,
        expansion: usize,
        [stride, dilation]: [usize; 2],
        first: bool,
        device: &Device,
    ) -> Self {
        let output = planes * expansion;
        let norm = |channels| BatchNorm2d::new(channels, device);
        let downsample = (first && (stride != 1 || input != output))
            .then(|| Downsample { at_0: Conv2d::new(input, output, 1, device).strided(stride), at_1: norm(output) });
        let wide = |i: usize| Conv2d::new(i, planes, 3, device).dilated(dilation);
        let (conv1, conv2, conv3) = if expansion == 1 {
            (wide(input).strided(stride), wide(planes), None)
        } else {
            let narrow = Conv2d::new(input, planes, 1, device);
            (narrow, wide(planes).strided(stride), Some(Conv2d::new(planes, output, 1, device)))
        };
        let bn3 = conv3.is_some().then(|| norm(output));
        Self { conv1, bn1: norm(planes), conv2, bn2: norm(planes), conv3, bn3, downsample }
    }

    fn forward(&self, x: Tensor<4>, pass: &Pass) -> Tensor<4> {
        let beside = match &self.downsample {
            Some(down) => down.at_1.forward(down.at_0.forward(x.clone()), pass),
            None => x.clone(),
        };
        let x = self.conv2.forward(self.bn1.forward_relu(self.conv1.forward(x), pass));
        let x = match (&self.conv3, &self.bn3) {
            (Some(conv), Some(norm)) => norm.forward(conv.forward(self.bn2.forward_relu(x, pass)), pass),
            _ => self.bn2.forward(x, pass),
        };
        ops::add_relu(x, beside)
    }
}

/// Stem and four stages; the classifier of torchvision is left out.
#[derive(Module, Debug)]
pub struct ResNet {
    conv1: Conv2d,
    bn1: BatchNorm2d,
    layer1: Vec<Block>,
    layer2: Vec<Block>,
    layer3: Vec<Block>,
    layer4: Vec<Block>,
}

impl ResNet {
    /// All weights 0. `output_stride` 32 is torchvision's; with 16 the last stage, with 8 the last two keep their size
    /// and are dilated instead, as in segmentation_models_pytorch (every 3 x 3 convolution of the stage).
    pub(super) fn new(
        kind: EncoderKind,
        in_channels: usize,
        width: usize,
        output_stride: usize,
        device: &Device,
    ) -> Self {
        let (blocks, expansion) = kind.plan();
        let strides = match output_stride {
            8 => [[1, 1], [2, 1], [1, 2], [1, 4]],
            16 => [[1, 1], [2, 1], [2, 1], [1, 2]],
            _ => [[1, 1], [2, 1], [2, 1], [2, 1]],
        };
        let mut input = width;
        let mut stage = |n: usize| -> Vec<Block> {
            let (planes, [stride, dilation]) = (width << n, strides[n]);
            (0..blocks[n])
                .map(|b| {
                    let stride = if b == 0 { stride } else { 1 };
                    let block = Block::new(input, planes, expansion, [stride, dilation], b == 0, device);
                    input = planes * expansion;
                    block
                })
                .collect()
        };
        Self {
            conv1: Conv2d::new(in_channels, width, 7, device).strided(2),
            bn1: BatchNorm2d::new(width, device),
            layer1: stage(0),
            layer2: stage(1),
            layer3: stage(2),
            layer4: stage(3),
        }
    }

    /// Features behind the stem and behind each stage.
    pub(super) fn forward(&self, x: Tensor<4>, pass: &Pass, see: &mut dyn FnMut(String, &Tensor<4>)) -> [Tensor<4>; 5] {
        let x = self.conv1.forward(x);
        see("conv1".into(), &x);
        let x = self.bn1.forward(x, pass);
        see("bn1".into(), &x);
        let stem = ops::activate(x, Activation::Relu);
        let mut x = ops::max_pool2d(stem.clone(), 3, 2, 1);
        see("maxpool".into(), &x);
        let mut stage = |name: &str, blocks: &[Block]| {
            for (n, block) in blocks.iter().enumerate() {
                x = block.forward(x.clone(), pass);
                see(format!("{name}.{n}"), &x);
            }
            see(name.into(), &x);
            x.clone()
        };
        let one = stage("layer1", &self.layer1);
        let two = stage("layer2", &self.layer2);
        let three = stage("layer3", &self.layer3);
        [stem, one, two, three, stage("layer4", &self.layer4)]
    }

    /// [`Self::forward`] as part of a network: named under `encoder.`, and without gradients while it is frozen.
    pub(super) fn encode(&self, x: Tensor<4>, pass: &Pass, see: &mut dyn FnMut(String, &Tensor<4>)) -> [Tensor<4>; 5] {
        let mut named = |name: String, x: &Tensor<4>| see(format!("encoder.{name}"), x);
        if pass.encoder_is_frozen() {
            return self.forward(x, &Pass::Infer, &mut named).map(Tensor::detach);
        }
        self.forward(x, pass, &mut named)
    }
}
