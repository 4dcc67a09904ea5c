//! What the samples of an image mean: Hounsfield units, or another quantity on a scale of its own.

use super::Window;
use serde::{Deserialize, Serialize};

/// Sample that the largest value of an image is kept as.
const LARGEST: f64 = 32_000.0;

/// `value = scale * sample`: images of other modalities than CT hold fractions, or numbers that no sample can hold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ValueScale {
    scale: f64,
    /// Safe to show; empty where it is not known.
    unit: String,
}

impl ValueScale {
    /// Samples that are whole Hounsfield units.
    pub fn hounsfield() -> Self {
        Self { scale: 1.0, unit: "HU".to_owned() }
    }

    /// A scale that is no positive number is taken as 1.
    pub fn new(scale: f64, unit: impl Into<String>) -> Self {
        let scale = if scale.is_finite() && scale > 0.0 { scale } else { 1.0 };
        Self { scale, unit: unit.into() }
    }

    /// The scale on which values from `-largest` to `largest` fit into samples.
    pub fn holding(largest: f64, unit: impl Into<String>) -> Self {
        Self::new(largest / LARGEST, unit)
    }

    /// Whether it is one that could have been made here: files may hold anything.
    pub fn is_sound(&self) -> bool {
        self.scale.is_finite() && self.scale > 0.0
    }

    /// Value of the sample 1.
    pub fn scale(&self) -> f64 {
        self.scale
    }

    /// Unit of the values.
    pub fn unit(&self) -> &str {
        &self.unit
    }

    /// The value of a sample, or of what lies between two.
    pub fn value(&self, sample: f64) -> f64 {
        sample * self.scale
    }

    /// The sample of a value, not rounded.
    pub fn sample(&self, value: f64) -> f64 {
        value / self.scale
    }

    /// A window over samples as one over values.
    pub fn of_values(&self, window: Window) -> Window {
        Window {
            window_center: self.value(window.window_center),
            window_width: self.value(window.window_width),
            ..window
        }
    }

    /// Decimals that neighbouring samples differ in.
    pub fn decimals(&self) -> usize {
        // Casts of negative numbers give 0.
        ((-self.scale.log10()).floor() as usize).min(9)
    }

    /// The value of a sample with its unit.
    pub fn text(&self, sample: i16) -> String {
        let text = format!("{:.*} {}", self.decimals(), self.value(f64::from(sample)), self.unit);
        text.trim_end().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_and_samples_lead_to_each_other() {
        let scale = ValueScale::holding(6.4, "g/ml");
        assert!((scale.sample(6.4) - 32_000.0).abs() < 1e-9 && (scale.value(16_000.0) - 3.2).abs() < 1e-12);
        assert_eq!((scale.text(16_000), scale.decimals()), ("3.200 g/ml".to_owned(), 3));
        let window = scale.of_values(Window::new(32_000.0, 16_000.0));
        assert!((window.window_width - 6.4).abs() < 1e-12 && (window.window_center - 3.2).abs() < 1e-12);
        let large = ValueScale::holding(64_000.0, "Bq/ml");
        assert_eq!((large.text(-5), large.decimals()), ("-10 Bq/ml".to_owned(), 0));
        assert_eq!(
            (ValueScale::hounsfield().text(-1024), ValueScale::new(1.0, "").text(7)),
            ("-1024 HU".into(), "7".into())
        );
    }

    #[test]
    fn a_scale_that_is_none_is_one() {
        for odd in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert_eq!(ValueScale::new(odd, "").scale(), 1.0, "{odd}");
            assert_eq!(ValueScale::holding(odd, "").scale(), 1.0, "{odd}");
            assert!(!ValueScale { scale: odd, unit: String::new() }.is_sound(), "{odd}");
        }
    }
}
