//! What a recipe may say about its loss, and what it must not.

use serde::{Deserialize, Serialize};

/// Which loss a recipe trains with. All are means, so that the learning rate does not depend on the batch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum LossConfig {
    /// Binary cross-entropy.
    Bce(BceConfig),
    /// `1 - (2 I + smooth) / (P + T + smooth)` (Milletari et al., 2016, with the plain sums of Sorensen and Dice).
    Dice(OverlapConfig),
    /// `1 - (I + smooth) / (P + T - I + smooth)` (Jaccard; Rahman and Wang, 2016).
    Iou(OverlapConfig),
    /// `1 - (I + smooth) / (I + alpha FP + beta FN + smooth)` (Salehi et al., 2017).
    Tversky(TverskyConfig),
    /// Cross-entropy that fades for pixels already right (Lin et al., 2017).
    Focal(FocalConfig),
    /// Binary cross-entropy + Dice.
    BceDice(BceDiceConfig),
    /// Categorical cross-entropy.
    CrossEntropy(CrossEntropyConfig),
    /// Categorical cross-entropy + Dice of all classes, background included.
    DiceCrossEntropy(DiceCrossEntropyConfig),
}

/// Binary cross-entropy: mean of `-(w t log p + (1 - t) log(1 - p))`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BceConfig {
    /// `w`, the weight of the foreground's term; 1 for none.
    pub positive_weight: f64,
    /// `w` is background pixels / foreground pixels of the training slices instead.
    pub by_frequency: bool,
}

/// Sums of a soft overlap.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OverlapConfig {
    /// Added above and below the bar.
    pub smooth: f64,
    /// One ratio a sample, averaged, instead of one over the whole batch. Over the batch, a slice without foreground
    /// adds its false positives instead of a ratio of nothing.
    pub per_sample: bool,
    /// One ratio for all classes together instead of the mean of one a class.
    pub pool_classes: bool,
    /// A class that the truth does not have adds nothing, instead of a ratio of nothing.
    pub skip_absent: bool,
}

/// Tversky's weights.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TverskyConfig {
    /// Weight of false positives.
    pub alpha: f64,
    /// Weight of false negatives.
    pub beta: f64,
    pub smooth: f64,
}

/// Focal loss.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FocalConfig {
    /// Power of `1 - p` of the true class; 0 makes it plain cross-entropy.
    pub gamma: f64,
    /// Weight of the foreground, `1 - alpha` that of the background; binary networks alone.
    pub alpha: Option<f64>,
}

/// Binary cross-entropy + Dice, with the fields of both.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BceDiceConfig {
    pub smooth: f64,
    pub positive_weight: f64,
    pub by_frequency: bool,
}

/// Categorical cross-entropy. Pixels that no class has (see the recipe's `data.ignore`) do not count.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CrossEntropyConfig {
    /// One weight a class, background first; the mean is over the weights, as in PyTorch.
    pub class_weights: Option<Vec<f64>>,
    /// The weights are pixels / (classes x pixels of the class) of the training slices instead.
    pub by_frequency: bool,
    /// Share of the truth that is spread evenly over all classes (Szegedy et al., 2016).
    pub label_smoothing: f64,
}

/// Categorical cross-entropy + Dice, with the fields of both.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DiceCrossEntropyConfig {
    pub smooth: f64,
    pub class_weights: Option<Vec<f64>>,
    pub by_frequency: bool,
    pub label_smoothing: f64,
}

impl Default for BceConfig {
    fn default() -> Self {
        Self { positive_weight: 1.0, by_frequency: false }
    }
}

impl Default for OverlapConfig {
    fn default() -> Self {
        Self { smooth: 1.0, per_sample: false, pool_classes: false, skip_absent: false }
    }
}

impl Default for TverskyConfig {
    fn default() -> Self {
        Self { alpha: 0.5, beta: 0.5, smooth: 1.0 }
    }
}

impl Default for FocalConfig {
    fn default() -> Self {
        Self { gamma: 2.0, alpha: None }
    }
}

impl Default for BceDiceConfig {
    fn default() -> Self {
        Self { smooth: 1.0, positive_weight: 1.0, by_frequency: false }
    }
}

impl Default for DiceCrossEntropyConfig {
    fn default() -> Self {
        Self { smooth: 1.0, class_weights: None, by_frequency: false, label_smoothing: 0.0 }
    }
}

impl DiceCrossEntropyConfig {
    /// The cross-entropy's part.
    pub fn cross_entropy(&self) -> CrossEntropyConfig {
        CrossEntropyConfig {
            class_weights: self.class_weights.clone(),
            by_frequency: self.by_frequency,
            label_smoothing: self.label_smoothing,
        }
    }
}

impl LossConfig {
    /// Name in messages, as recipes spell it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Bce(_) => "Bce",
            Self::Dice(_) => "Dice",
            Self::Iou(_) => "Iou",
            Self::Tversky(_) => "Tversky",
            Self::Focal(_) => "Focal",
            Self::BceDice(_) => "BceDice",
            Self::CrossEntropy(_) => "CrossEntropy",
            Self::DiceCrossEntropy(_) => "DiceCrossEntropy",
        }
    }

    /// Whether it serves a network of `channels` output channels (1 is binary).
    pub fn fits(&self, channels: usize) -> bool {
        match self {
            Self::Bce(_) | Self::BceDice(_) => channels == 1,
            Self::CrossEntropy(_) | Self::DiceCrossEntropy(_) => channels > 1,
            Self::Dice(_) | Self::Iou(_) | Self::Tversky(_) | Self::Focal(_) => true,
        }
    }

    /// What contradicts itself or `channels`, as a sentence that names the field, or `None`.
    pub fn problem(&self, channels: usize) -> Option<String> {
        let name = self.name();
        if !self.fits(channels) {
            return Some(match channels {
                1 => format!(
                    "loss {name} is for several classes; one class takes Bce, BceDice, Dice, Iou, Tversky or Focal"
                ),
                _ => format!(
                    "loss {name} is for one class; several take CrossEntropy, DiceCrossEntropy, Dice, Iou, Tversky or Focal"
                ),
            });
        }
        let at_least_zero = |field: &str, v: f64| {
            (!(v.is_finite() && v >= 0.0)).then(|| format!("loss.{name}.{field} is {v}; it must be 0 or above"))
        };
        let positive = |weight: f64, by_frequency: bool| {
            if by_frequency && weight != 1.0 {
                return Some(format!("loss.{name}: give positive_weight or by_frequency, not both"));
            }
            at_least_zero("positive_weight", weight)
        };
        let categorical = |c: &CrossEntropyConfig| {
            if c.by_frequency && c.class_weights.is_some() {
                return Some(format!("loss.{name}: give class_weights or by_frequency, not both"));
            }
            if let Some(weights) = &c.class_weights {
                if weights.len() != channels {
                    return Some(format!(
                        "loss.{name}.class_weights has {} numbers; background and {} classes need {channels}",
                        weights.len(),
                        channels - 1
                    ));
                }
                if weights.iter().any(|w| !(w.is_finite() && *w >= 0.0)) || weights.iter().sum::<f64>() <= 0.0 {
                    return Some(format!("loss.{name}.class_weights must be 0 or above, and one of them above 0"));
                }
            }
            (!(0.0..1.0).contains(&c.label_smoothing)).then(|| {
                format!("loss.{name}.label_smoothing is {}; it lies in 0 up to but not including 1", c.label_smoothing)
            })
        };
        match self {
            Self::Bce(c) => positive(c.positive_weight, c.by_frequency),
            Self::Dice(c) | Self::Iou(c) => {
                if c.pool_classes && channels == 1 {
                    return Some(format!("loss.{name}.pool_classes needs several classes"));
                }
                if c.pool_classes && c.skip_absent {
                    return Some(format!("loss.{name}: pool_classes and skip_absent exclude each other"));
                }
                at_least_zero("smooth", c.smooth)
            }
            Self::Tversky(c) => at_least_zero("smooth", c.smooth)
                .or_else(|| at_least_zero("alpha", c.alpha))
                .or_else(|| at_least_zero("beta", c.beta)),
            Self::Focal(c) => {
                if c.alpha.is_some() && channels > 1 {
                    return Some("loss.Focal.alpha is for one class".into());
                }
                if c.alpha.is_some_and(|a| !(0.0..=1.0).contains(&a)) {
                    return Some("loss.Focal.alpha lies in 0 to 1".into());
                }
                at_least_zero("gamma", c.gamma)
            }
            Self::BceDice(c) => {
                at_least_zero("smooth", c.smooth).or_else(|| positive(c.positive_weight, c.by_frequency))
            }
            Self::CrossEntropy(c) => categorical(c),
            Self::DiceCrossEntropy(c) => at_least_zero("smooth", c.smooth).or_else(|| categorical(&c.cross_entropy())),
        }
    }

    /// Whether pixels without a class can be left out of it.
    pub fn can_ignore(&self) -> bool {
        matches!(self, Self::CrossEntropy(_) | Self::DiceCrossEntropy(_))
    }

    /// Whether its weights are to be found from the training pixels.
    pub fn is_by_frequency(&self) -> bool {
        match self {
            Self::Bce(c) => c.by_frequency,
            Self::BceDice(c) => c.by_frequency,
            Self::CrossEntropy(c) => c.by_frequency,
            Self::DiceCrossEntropy(c) => c.by_frequency,
            _ => false,
        }
    }

    /// The loss with its weights found from `pixels`, the training pixels of each class, background first, where the
    /// recipe asks for it. A class without pixels gets weight 0: there is nothing to weigh.
    #[must_use]
    pub fn with_frequencies(&self, pixels: &[u64]) -> Self {
        let total: u64 = pixels.iter().sum();
        let background = pixels.first().copied().unwrap_or(0);
        let positive = if total > background { background as f64 / (total - background) as f64 } else { 1.0 };
        let classes = || -> Vec<f64> {
            let share = |n: u64| if n > 0 { total as f64 / (pixels.len() as f64 * n as f64) } else { 0.0 };
            pixels.iter().map(|n| share(*n)).collect()
        };
        let mut out = self.clone();
        match &mut out {
            Self::Bce(BceConfig { positive_weight, by_frequency: by @ true })
            | Self::BceDice(BceDiceConfig { positive_weight, by_frequency: by @ true, .. }) => {
                (*positive_weight, *by) = (positive, false);
            }
            Self::CrossEntropy(CrossEntropyConfig { class_weights, by_frequency: by @ true, .. })
            | Self::DiceCrossEntropy(DiceCrossEntropyConfig { class_weights, by_frequency: by @ true, .. }) => {
                (*class_weights, *by) = (Some(classes()), false);
            }
            _ => {}
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_by_frequency_follow_the_pixels() {
        let bce = LossConfig::Bce(BceConfig { by_frequency: true, ..BceConfig::default() });
        assert_eq!(
            bce.with_frequencies(&[90, 10]),
            LossConfig::Bce(BceConfig { positive_weight: 9.0, by_frequency: false })
        );
        let ce = LossConfig::CrossEntropy(CrossEntropyConfig { by_frequency: true, ..Default::default() });
        let LossConfig::CrossEntropy(c) = ce.with_frequencies(&[80, 20, 0]) else { panic!() };
        let weights = c.class_weights.unwrap();
        assert!((weights[0] - 100.0 / 240.0).abs() < 1e-12 && (weights[1] - 100.0 / 60.0).abs() < 1e-12);
        assert_eq!(weights[2], 0.0);
        let plain = LossConfig::Dice(OverlapConfig::default());
        assert_eq!(plain.with_frequencies(&[1, 2]), plain);
        assert!(bce.is_by_frequency() && !plain.is_by_frequency() && !bce.with_frequencies(&[1, 1]).is_by_frequency());
    }

    #[test]
    fn contradictions_name_their_field() {
        let ce = |c: CrossEntropyConfig| LossConfig::CrossEntropy(c).problem(3);
        assert_eq!(ce(CrossEntropyConfig::default()), None);
        for (problem, word) in [
            (LossConfig::CrossEntropy(CrossEntropyConfig::default()).problem(1), "several classes"),
            (LossConfig::Bce(BceConfig::default()).problem(3), "one class"),
            (LossConfig::Bce(BceConfig { positive_weight: 2.0, by_frequency: true }).problem(1), "not both"),
            (ce(CrossEntropyConfig { class_weights: Some(vec![1.0]), ..Default::default() }), "class_weights"),
            (ce(CrossEntropyConfig { label_smoothing: 1.0, ..Default::default() }), "label_smoothing"),
            (LossConfig::Focal(FocalConfig { gamma: -1.0, alpha: None }).problem(1), "gamma"),
            (LossConfig::Tversky(TverskyConfig { alpha: f64::NAN, ..Default::default() }).problem(1), "alpha"),
            (LossConfig::Dice(OverlapConfig { pool_classes: true, ..Default::default() }).problem(1), "pool_classes"),
        ] {
            assert!(problem.as_ref().is_some_and(|p| p.contains(word)), "{word}: {problem:?}");
        }
    }
}
