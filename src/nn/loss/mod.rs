//! Losses on logits. Binary networks have one channel (sigmoid), others one per class with background first (softmax).

mod config;

pub use config::{
    BceConfig, BceDiceConfig, CrossEntropyConfig, DiceCrossEntropyConfig, FocalConfig, LossConfig, OverlapConfig,
    TverskyConfig,
};

use burn::tensor::activation::{log_sigmoid, log_softmax, sigmoid, softmax};
use burn::tensor::{Tensor, TensorData};

/// Where a ratio is kept from dividing by nothing, as in segmentation_models_pytorch.
const EPSILON: f64 = 1e-7;

/// The loss of `logits` `[b, c, h, w]` against `target` of the same shape: 0 or 1 for one channel, one-hot for more.
/// Where several channels are all 0 a pixel is left out. Weights by frequency must have been found before
/// ([`LossConfig::with_frequencies`]). The result has shape `[1]`.
pub fn loss(config: &LossConfig, logits: Tensor<4>, target: Tensor<4>) -> Tensor<1> {
    match config {
        LossConfig::Bce(c) => bce(logits, target, c.positive_weight),
        LossConfig::Dice(c) => overlap(probabilities(logits, &target), target, c, dice),
        LossConfig::Iou(c) => overlap(probabilities(logits, &target), target, c, iou),
        LossConfig::Tversky(c) => tversky(probabilities(logits, &target), target, c),
        LossConfig::Focal(c) => focal(logits, target, c),
        LossConfig::BceDice(c) => {
            let sums = OverlapConfig { smooth: c.smooth, ..OverlapConfig::default() };
            let dice = overlap(sigmoid(logits.clone()), target.clone(), &sums, dice);
            bce(logits, target, c.positive_weight) + dice
        }
        LossConfig::CrossEntropy(c) => cross_entropy(logits, target, c),
        LossConfig::DiceCrossEntropy(c) => {
            let sums = OverlapConfig { smooth: c.smooth, ..OverlapConfig::default() };
            let dice = overlap(probabilities(logits.clone(), &target), target.clone(), &sums, dice);
            cross_entropy(logits, target, &c.cross_entropy()) + dice
        }
    }
}

/// Sigmoid of one channel, softmax over several; 0 where the target has no class.
fn probabilities(logits: Tensor<4>, target: &Tensor<4>) -> Tensor<4> {
    if logits.dims()[1] == 1 { sigmoid(logits) } else { softmax(logits, 1) * target.clone().sum_dim(1) }
}

/// `-(w t log s(z) + (1 - t) log s(-z))`: both logarithms are stable for any logit, no term cancels another, and the
/// gradient at exactly 0 is right.
fn bce(logits: Tensor<4>, target: Tensor<4>, positive_weight: f64) -> Tensor<1> {
    let positive = (target.clone() * log_sigmoid(logits.clone())).mul_scalar(positive_weight);
    let negative = target.neg().add_scalar(1.0) * log_sigmoid(logits.neg());
    (positive + negative).mean().neg()
}

/// Mean over the weights of the true classes, as in PyTorch; with smoothing, `s / C` of every class's weighted
/// logarithm is added over the same mean.
fn cross_entropy(logits: Tensor<4>, target: Tensor<4>, config: &CrossEntropyConfig) -> Tensor<1> {
    let weigh = |t: Tensor<4>| match &config.class_weights {
        None => t,
        Some(weights) => {
            let values: Vec<f32> = weights.iter().map(|w| *w as f32).collect();
            let data = TensorData::new(values, [1, weights.len(), 1, 1]);
            let weights = Tensor::<4>::from_data(data, &t.device());
            t * weights
        }
    };
    let weighted = weigh(target.clone());
    let logs = log_softmax(logits, 1);
    let total = weighted.clone().sum().clamp_min(EPSILON);
    let hard = (weighted * logs.clone()).sum().neg();
    if config.label_smoothing == 0.0 {
        return hard / total;
    }
    let classes = logs.dims()[1] as f64;
    let soft = weigh(logs * target.sum_dim(1)).sum().neg().mul_scalar(config.label_smoothing / classes);
    (hard.mul_scalar(1.0 - config.label_smoothing) + soft) / total
}

/// `(1 - p)^gamma` times the cross-entropy, `p` the probability of the true class; mean over all pixels.
fn focal(logits: Tensor<4>, target: Tensor<4>, config: &FocalConfig) -> Tensor<1> {
    if logits.dims()[1] > 1 {
        let counted = target.clone().sum().clamp_min(EPSILON);
        let log = (target * log_softmax(logits, 1)).sum_dim(1);
        return (faded(log.clone(), config.gamma) * log).sum().neg() / counted;
    }
    let other = target.clone().neg().add_scalar(1.0);
    let log = target.clone() * log_sigmoid(logits.clone()) + other.clone() * log_sigmoid(logits.neg());
    let value = faded(log.clone(), config.gamma) * log;
    match config.alpha {
        None => value.mean().neg(),
        Some(alpha) => (value * (target.mul_scalar(alpha) + other.mul_scalar(1.0 - alpha))).mean().neg(),
    }
}

/// `(1 - exp(log))^gamma`. A probability of exactly 1 would give the power a gradient of 0 / 0.
fn faded(log: Tensor<4>, gamma: f64) -> Tensor<4> {
    if gamma == 0.0 {
        return log.ones_like();
    }
    let rest = log.exp().neg().add_scalar(1.0).clamp_min(1e-12);
    if gamma == 2.0 { rest.clone() * rest } else { rest.powf_scalar(gamma as f32) }
}

/// Sums of `[b, c, h, w]` over pixels and what the configuration pools: `[1, c]`, `[b, c]`, `[b, 1]` or `[1, 1]`.
fn sums(t: Tensor<4>, config: &OverlapConfig) -> Tensor<2> {
    let [b, c, h, w] = t.dims();
    let mut out: Tensor<2> = t.reshape([b * c, h * w]).sum_dim(1).reshape([b, c]);
    if !config.per_sample {
        out = out.sum_dim(0);
    }
    if config.pool_classes { out.sum_dim(1) } else { out }
}

fn dice(both: Tensor<2>, sizes: Tensor<2>, smooth: f64) -> Tensor<2> {
    both.mul_scalar(2.0).add_scalar(smooth) / sizes.add_scalar(smooth).clamp_min(EPSILON)
}

fn iou(both: Tensor<2>, sizes: Tensor<2>, smooth: f64) -> Tensor<2> {
    both.clone().add_scalar(smooth) / (sizes - both).add_scalar(smooth).clamp_min(EPSILON)
}

/// One minus the mean of the ratios that `score` makes of the intersection and the sum of both sizes.
fn overlap(
    p: Tensor<4>,
    target: Tensor<4>,
    config: &OverlapConfig,
    score: fn(Tensor<2>, Tensor<2>, f64) -> Tensor<2>,
) -> Tensor<1> {
    let both = sums(p.clone() * target.clone(), config);
    let truth = sums(target, config);
    let sizes = sums(p, config) + truth.clone();
    let lost = score(both, sizes, config.smooth).neg().add_scalar(1.0);
    if config.skip_absent { (lost * truth.greater_elem(0.0).float()).mean() } else { lost.mean() }
}

fn tversky(p: Tensor<4>, target: Tensor<4>, config: &TverskyConfig) -> Tensor<1> {
    let pooling = OverlapConfig::default();
    let both = sums(p.clone() * target.clone(), &pooling);
    let false_positive = sums(p, &pooling) - both.clone();
    let false_negative = sums(target, &pooling) - both.clone();
    let below = both.clone() + false_positive.mul_scalar(config.alpha) + false_negative.mul_scalar(config.beta);
    let score = both.add_scalar(config.smooth) / below.add_scalar(config.smooth).clamp_min(EPSILON);
    score.neg().add_scalar(1.0).mean()
}
