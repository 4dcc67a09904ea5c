//! Losses on logits. Binary networks have one channel (sigmoid), others one per class with background first (softmax).

use burn::tensor::Tensor;
use burn::tensor::activation::{log_sigmoid, log_softmax, sigmoid, softmax};
use serde::{Deserialize, Serialize};

/// Which loss a recipe trains with. Soft overlaps are taken over the whole batch, not per sample: a slice without
/// foreground then adds its false positives instead of a ratio of nothing.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum LossConfig {
    /// Mean binary cross-entropy; `positive_weight` multiplies the foreground's term (1 for none).
    Bce {
        #[serde(default = "unit")]
        positive_weight: f64,
    },
    /// `1 - (2 I + smooth) / (P + T + smooth)` (Milletari et al., 2016, with the plain sums of Sorensen and Dice).
    Dice {
        #[serde(default = "unit")]
        smooth: f64,
    },
    /// `1 - (I + smooth) / (P + T - I + smooth)` (Jaccard; Rahman and Wang, 2016).
    Iou {
        #[serde(default = "unit")]
        smooth: f64,
    },
    /// Binary cross-entropy + Dice.
    BceDice {
        #[serde(default = "unit")]
        smooth: f64,
    },
    /// Mean categorical cross-entropy.
    CrossEntropy,
    /// Categorical cross-entropy + mean Dice loss of all classes, background included.
    DiceCrossEntropy {
        #[serde(default = "unit")]
        smooth: f64,
    },
}

fn unit() -> f64 {
    1.0
}

impl LossConfig {
    /// Whether the loss reads one sigmoid channel. `Dice` and `Iou` serve both kinds.
    pub fn fits(&self, channels: usize) -> bool {
        match self {
            Self::Bce { .. } | Self::BceDice { .. } => channels == 1,
            Self::CrossEntropy | Self::DiceCrossEntropy { .. } => channels > 1,
            Self::Dice { .. } | Self::Iou { .. } => true,
        }
    }

    /// Name in messages, as recipes spell it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Bce { .. } => "Bce",
            Self::Dice { .. } => "Dice",
            Self::Iou { .. } => "Iou",
            Self::BceDice { .. } => "BceDice",
            Self::CrossEntropy => "CrossEntropy",
            Self::DiceCrossEntropy { .. } => "DiceCrossEntropy",
        }
    }

    /// The number a recipe sets: smoothing, or the positive weight.
    pub fn parameter(&self) -> f64 {
        match *self {
            Self::Bce { positive_weight } => positive_weight,
            Self::Dice { smooth } | Self::Iou { smooth } | Self::BceDice { smooth } => smooth,
            Self::DiceCrossEntropy { smooth } => smooth,
            Self::CrossEntropy => 1.0,
        }
    }
}

/// The loss of `logits` `[b, c, h, w]` against `target` of the same shape: 0 or 1 for one channel, one-hot for more.
/// The result has shape `[1]`.
pub fn loss(config: LossConfig, logits: Tensor<4>, target: Tensor<4>) -> Tensor<1> {
    match config {
        LossConfig::Bce { positive_weight } => bce(logits, target, positive_weight),
        LossConfig::Dice { smooth } => overlap(probabilities(logits), target, smooth, Overlap::Dice),
        LossConfig::Iou { smooth } => overlap(probabilities(logits), target, smooth, Overlap::Iou),
        LossConfig::BceDice { smooth } => {
            let dice = overlap(sigmoid(logits.clone()), target.clone(), smooth, Overlap::Dice);
            bce(logits, target, 1.0) + dice
        }
        LossConfig::CrossEntropy => cross_entropy(logits, target),
        LossConfig::DiceCrossEntropy { smooth } => {
            let dice = overlap(softmax(logits.clone(), 1), target.clone(), smooth, Overlap::Dice);
            cross_entropy(logits, target) + dice
        }
    }
}

/// Sigmoid of one channel, softmax over several.
fn probabilities(logits: Tensor<4>) -> Tensor<4> {
    if logits.dims()[1] == 1 { sigmoid(logits) } else { softmax(logits, 1) }
}

/// `-(w t log s(z) + (1 - t) log s(-z))`: both logarithms are stable for any logit, no term cancels another, and the
/// gradient at exactly 0 is right.
fn bce(logits: Tensor<4>, target: Tensor<4>, positive_weight: f64) -> Tensor<1> {
    let positive = (target.clone() * log_sigmoid(logits.clone())).mul_scalar(positive_weight);
    let negative = target.neg().add_scalar(1.0) * log_sigmoid(logits.neg());
    (positive + negative).mean().neg()
}

fn cross_entropy(logits: Tensor<4>, target: Tensor<4>) -> Tensor<1> {
    let [b, _, h, w] = logits.dims();
    (target * log_softmax(logits, 1)).sum().div_scalar(-((b * h * w) as f64))
}

#[derive(Clone, Copy, PartialEq)]
enum Overlap {
    Dice,
    Iou,
}

/// One minus the mean over channels of the soft overlap, sums over batch and pixels.
fn overlap(p: Tensor<4>, target: Tensor<4>, smooth: f64, kind: Overlap) -> Tensor<1> {
    let [b, c, h, w] = p.dims();
    let per_channel = |t: Tensor<4>| t.swap_dims(0, 1).reshape([c, b * h * w]).sum_dim(1).reshape([c]);
    let both = per_channel(p.clone() * target.clone());
    let sizes = per_channel(p) + per_channel(target);
    let score = match kind {
        Overlap::Dice => both.mul_scalar(2.0).add_scalar(smooth) / sizes.add_scalar(smooth),
        Overlap::Iou => both.clone().add_scalar(smooth) / (sizes - both).add_scalar(smooth),
    };
    score.mean().neg().add_scalar(1.0)
}
