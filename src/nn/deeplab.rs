//! DeepLabV3+ (Chen et al., 2018) and the U-Net on a ResNet, with the layout, arithmetic and key names of
//! segmentation_models_pytorch.

use super::layers::{BatchNorm2d, Conv2d, DropoutKind, Pass, dropout};
use super::network::NetworkError;
use super::ops;
use super::resnet::{EncoderKind, ResNet};
use burn::module::Module;
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

/// DeepLabV3+ on a ResNet.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DeepLabConfig {
    pub encoder: EncoderKind,
    /// Channels of the stem; the others follow. 64 is what published weights have.
    pub encoder_width: usize,
    /// How many times smaller than the input the deepest features are: 8 or 16.
    pub output_stride: usize,
    /// Channels of the decoder.
    pub decoder_width: usize,
    /// Holes of the three atrous convolutions.
    pub atrous_rates: (usize, usize, usize),
    /// Dropout behind the pyramid.
    pub aspp_dropout: f64,
}

impl Default for DeepLabConfig {
    fn default() -> Self {
        Self {
            encoder: EncoderKind::ResNet50,
            encoder_width: 64,
            output_stride: 16,
            decoder_width: 256,
            atrous_rates: (12, 24, 36),
            aspp_dropout: 0.5,
        }
    }
}

/// The U-Net of segmentation_models_pytorch: ResNet, nearest upsampling, two convolutions a step.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ResNetUNetConfig {
    pub encoder: EncoderKind,
    /// Channels of the stem; the others follow. 64 is what published weights have.
    pub encoder_width: usize,
    /// Channels of the last step of the decoder; each step before has twice as many.
    pub decoder_width: usize,
}

impl Default for ResNetUNetConfig {
    fn default() -> Self {
        Self { encoder: EncoderKind::ResNet34, encoder_width: 64, decoder_width: 16 }
    }
}

fn widths(encoder: usize, decoder: usize, limit: usize) -> Result<(), NetworkError> {
    match (encoder, decoder) {
        (0, _) => Err(NetworkError::Zero("encoder_width")),
        (_, 0) => Err(NetworkError::Zero("decoder_width")),
        _ if encoder > 256 => Err(NetworkError::Width(encoder.saturating_mul(32))),
        _ if decoder > limit => Err(NetworkError::Width(decoder)),
        _ => Ok(()),
    }
}

impl DeepLabConfig {
    pub(super) fn check(&self) -> Result<(), NetworkError> {
        widths(self.encoder_width, self.decoder_width, 4096)?;
        if ![8, 16].contains(&self.output_stride) {
            return Err(NetworkError::Contradiction(format!(
                "network.output_stride is {}; it is 8 or 16",
                self.output_stride
            )));
        }
        let (a, b, c) = self.atrous_rates;
        if [a, b, c].iter().any(|rate| !(1..=256).contains(rate)) {
            return Err(NetworkError::Contradiction("network.atrous_rates lie in 1 to 256".into()));
        }
        if !(0.0..1.0).contains(&self.aspp_dropout) {
            return Err(NetworkError::Dropout("aspp_dropout", self.aspp_dropout));
        }
        Ok(())
    }

    pub(super) fn init(&self, in_channels: usize, out_channels: usize, device: &Device) -> DeepLabV3Plus {
        let [_, low, .., deep] = self.encoder.channels(self.encoder_width);
        let (a, b, c) = self.atrous_rates;
        DeepLabV3Plus {
            encoder: ResNet::new(self.encoder, in_channels, self.encoder_width, self.output_stride, device),
            decoder: DeepLabDecoder::new([low, deep, self.decoder_width], [a, b, c], self, device),
            segmentation_head: Head { at_0: Conv2d::new(self.decoder_width, out_channels, 1, device).with_bias() },
        }
    }
}

impl ResNetUNetConfig {
    pub(super) fn check(&self) -> Result<(), NetworkError> {
        widths(self.encoder_width, self.decoder_width, 256)
    }

    pub(super) fn init(&self, in_channels: usize, out_channels: usize, device: &Device) -> ResNetUNet {
        let encoder = self.encoder.channels(self.encoder_width);
        let mut input = encoder[4];
        let blocks = (0..5)
            .map(|n| {
                let (skip, output) = (if n < 4 { encoder[3 - n] } else { 0 }, self.decoder_width << (4 - n));
                let block = DecoderBlock {
                    conv1: ConvNorm::new(input + skip, output, 3, device),
                    conv2: ConvNorm::new(output, output, 3, device),
                };
                input = output;
                block
            })
            .collect();
        ResNetUNet {
            encoder: ResNet::new(self.encoder, in_channels, self.encoder_width, 32, device),
            decoder: UNetDecoder { blocks },
            segmentation_head: Head { at_0: Conv2d::new(self.decoder_width, out_channels, 3, device).with_bias() },
        }
    }
}

/// Convolution, batch normalisation, ReLU: places 0 and 1 of a sequence.
#[derive(Module, Debug)]
struct ConvNorm {
    at_0: Conv2d,
    at_1: BatchNorm2d,
}

impl ConvNorm {
    fn new(input: usize, output: usize, kernel: usize, device: &Device) -> Self {
        Self { at_0: Conv2d::new(input, output, kernel, device), at_1: BatchNorm2d::new(output, device) }
    }

    fn forward(&self, x: Tensor<4>, pass: &Pass) -> Tensor<4> {
        self.at_1.forward_relu(self.at_0.forward(x), pass)
    }
}

/// One 3 x 3 kernel a channel, then 1 x 1 across channels (Chollet, 2017).
#[derive(Module, Debug)]
struct Separable {
    at_0: Conv2d,
    at_1: Conv2d,
}

impl Separable {
    fn new(input: usize, output: usize, dilation: usize, device: &Device) -> Self {
        Self { at_0: Conv2d::depthwise(input, 3, dilation, device), at_1: Conv2d::new(input, output, 1, device) }
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        self.at_1.forward(self.at_0.forward(x))
    }
}

#[derive(Module, Debug)]
struct SeparableNorm {
    at_0: Separable,
    at_1: BatchNorm2d,
}

impl SeparableNorm {
    fn new(input: usize, output: usize, dilation: usize, device: &Device) -> Self {
        Self { at_0: Separable::new(input, output, dilation, device), at_1: BatchNorm2d::new(output, device) }
    }

    fn forward(&self, x: Tensor<4>, pass: &Pass) -> Tensor<4> {
        self.at_1.forward_relu(self.at_0.forward(x), pass)
    }
}

/// The mean of the whole image, through a 1 x 1 convolution; place 0 of the sequence is the pooling.
#[derive(Module, Debug)]
struct ImagePooling {
    at_1: Conv2d,
    at_2: BatchNorm2d,
}

#[derive(Module, Debug)]
#[allow(clippy::large_enum_variant, reason = "five of them in a network")]
enum Branch {
    Plain(ConvNorm),
    Atrous(SeparableNorm),
    Image(ImagePooling),
}

impl Branch {
    fn forward(&self, x: Tensor<4>, pass: &Pass) -> Tensor<4> {
        match self {
            Self::Plain(layer) => layer.forward(x, pass),
            Self::Atrous(layer) => layer.forward(x, pass),
            Self::Image(layer) => {
                let [_, _, h, w] = x.dims();
                let mean = layer.at_2.forward_relu(layer.at_1.forward(ops::global_average(x)), pass);
                ops::spread(mean, [h, w])
            }
        }
    }
}

/// Atrous spatial pyramid pooling.
#[derive(Module, Debug)]
struct Pyramid {
    convs: Vec<Branch>,
    project: ConvNorm,
    dropout: f64,
}

/// Pyramid, separable convolution, normalisation.
#[derive(Module, Debug)]
struct Aspp {
    at_0: Pyramid,
    at_1: Separable,
    at_2: BatchNorm2d,
}

/// From the encoder's features at a quarter of the size and its deepest ones to a quarter of the size.
#[derive(Module, Debug)]
pub(super) struct DeepLabDecoder {
    aspp: Aspp,
    block1: ConvNorm,
    block2: SeparableNorm,
}

impl DeepLabDecoder {
    pub(super) fn new(
        [low, deep, width]: [usize; 3],
        rates: [usize; 3],
        config: &DeepLabConfig,
        device: &Device,
    ) -> Self {
        // Channels that the low-level features are reduced to (Chen et al., 2018, table 1).
        let reduced = 48;
        let convs = std::iter::once(Branch::Plain(ConvNorm::new(deep, width, 1, device)))
            .chain(rates.map(|rate| Branch::Atrous(SeparableNorm::new(deep, width, rate, device))))
            .chain(std::iter::once(Branch::Image(ImagePooling {
                at_1: Conv2d::new(deep, width, 1, device),
                at_2: BatchNorm2d::new(width, device),
            })))
            .collect();
        Self {
            aspp: Aspp {
                at_0: Pyramid {
                    convs,
                    project: ConvNorm::new(5 * width, width, 1, device),
                    dropout: config.aspp_dropout,
                },
                at_1: Separable::new(width, width, 1, device),
                at_2: BatchNorm2d::new(width, device),
            },
            block1: ConvNorm::new(low, reduced, 1, device),
            block2: SeparableNorm::new(reduced + width, width, 1, device),
        }
    }

    pub(super) fn forward(
        &self,
        low: Tensor<4>,
        deep: Tensor<4>,
        pass: &mut Pass,
        see: &mut dyn FnMut(String, &Tensor<4>),
    ) -> Tensor<4> {
        let pyramid = &self.aspp.at_0;
        let branches = pyramid.convs.iter().map(|branch| branch.forward(deep.clone(), pass));
        let joined = branches.reduce(ops::join).unwrap_or(deep);
        let x = pyramid.project.forward(joined, pass);
        let x = dropout(x, pyramid.dropout, DropoutKind::Plain, pass);
        let x = self.aspp.at_2.forward_relu(self.aspp.at_1.forward(x), pass);
        see("decoder.aspp".into(), &x);
        let [_, _, h, w] = low.dims();
        let x = ops::resize_bilinear(x, [h, w], true);
        see("decoder.up".into(), &x);
        let low = self.block1.forward(low, pass);
        see("decoder.block1".into(), &low);
        let x = self.block2.forward(ops::join(x, low), pass);
        see("decoder.block2".into(), &x);
        see("decoder".into(), &x);
        x
    }
}

/// Place 0 of the head's sequence.
#[derive(Module, Debug)]
pub(super) struct Head {
    pub at_0: Conv2d,
}

/// Encoder, decoder, 1 x 1 convolution, four times larger.
#[derive(Module, Debug)]
pub struct DeepLabV3Plus {
    encoder: ResNet,
    decoder: DeepLabDecoder,
    segmentation_head: Head,
}

impl DeepLabV3Plus {
    pub(super) fn forward(&self, x: Tensor<4>, pass: &mut Pass, see: &mut dyn FnMut(String, &Tensor<4>)) -> Tensor<4> {
        let [_, _, h, w] = x.dims();
        let [_, low, _, _, deep] = self.encoder.encode(x, pass, see);
        let x = self.decoder.forward(low, deep, pass, see);
        ops::resize_bilinear(self.segmentation_head.at_0.forward(x), [h, w], true)
    }
}

#[derive(Module, Debug)]
struct DecoderBlock {
    conv1: ConvNorm,
    conv2: ConvNorm,
}

#[derive(Module, Debug)]
struct UNetDecoder {
    blocks: Vec<DecoderBlock>,
}

/// U-Net whose contracting path is a ResNet.
#[derive(Module, Debug)]
pub struct ResNetUNet {
    encoder: ResNet,
    decoder: UNetDecoder,
    segmentation_head: Head,
}

impl ResNetUNet {
    pub(super) fn forward(&self, x: Tensor<4>, pass: &mut Pass, see: &mut dyn FnMut(String, &Tensor<4>)) -> Tensor<4> {
        let [stem, one, two, three, mut x] = self.encoder.encode(x, pass, see);
        let skips = [Some(three), Some(two), Some(one), Some(stem), None];
        for (n, (block, skip)) in self.decoder.blocks.iter().zip(skips).enumerate() {
            x = ops::double_nearest(x);
            if let Some(skip) = skip {
                x = ops::join(x, skip);
            }
            x = block.conv2.forward(block.conv1.forward(x, pass), pass);
            see(format!("decoder.blocks.{n}"), &x);
        }
        self.segmentation_head.at_0.forward(x)
    }
}
