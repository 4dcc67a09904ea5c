//! Window level: how Hounsfield units become grey.

use serde::{Deserialize, Serialize};

/// VOI LUT function, DICOM PS3.3 C.11.2.1.2 and C.11.2.1.3.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum VoiFunction {
    #[default]
    Linear,
    LinearExact,
    Sigmoid,
}

/// Window centre and width in HU.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Window {
    pub window_center: f64,
    pub window_width: f64,
    #[serde(default)]
    pub function: VoiFunction,
}

impl Window {
    /// Linear window.
    pub const fn new(window_width: f64, window_center: f64) -> Self {
        Self { window_center, window_width, function: VoiFunction::Linear }
    }

    /// Grey in `0..=1` of a value in HU.
    ///
    /// LINEAR: PS3.3 C.11.2.1.2.1 with its half-unit offsets; LINEAR_EXACT: C.11.2.1.3.2; SIGMOID: C.11.2.1.3.1.
    /// A width below what the function allows (1, or above 0) acts as a threshold.
    pub fn grey(&self, hu: f64) -> f64 {
        let (c, w) = (self.window_center, self.window_width);
        match self.function {
            VoiFunction::Linear => {
                if w <= 1.0 {
                    return f64::from(u8::from(hu > c - 0.5));
                }
                (((hu - (c - 0.5)) / (w - 1.0)) + 0.5).clamp(0.0, 1.0)
            }
            VoiFunction::LinearExact => {
                if w <= 0.0 {
                    return f64::from(u8::from(hu > c));
                }
                ((hu - c) / w + 0.5).clamp(0.0, 1.0)
            }
            VoiFunction::Sigmoid => 1.0 / (1.0 + (-4.0 * (hu - c) / w.max(1e-9)).exp()),
        }
    }
}

/// A named window with its key (Alt + digit).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Preset {
    pub name: &'static str,
    pub window: Window,
}

/// The presets in the order of Alt+1 to Alt+8.
pub const PRESETS: [Preset; 8] = [
    Preset { name: "Soft tissue", window: Window::new(400.0, 40.0) },
    Preset { name: "Liver", window: Window::new(150.0, 90.0) },
    Preset { name: "Lung", window: Window::new(1500.0, -600.0) },
    Preset { name: "Mediastinum", window: Window::new(350.0, 50.0) },
    Preset { name: "Bone", window: Window::new(2500.0, 480.0) },
    Preset { name: "Brain", window: Window::new(80.0, 40.0) },
    Preset { name: "Angio", window: Window::new(600.0, 300.0) },
    Preset { name: "Muscle", window: Window::new(400.0, 50.0) },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn linear_follows_the_half_unit_rule() {
        // PS3.3 C.11.2.1.2.1 example: c = 2048, w = 4096 maps 0 -> 0 and 4095 -> 1.
        let w = Window::new(4096.0, 2048.0);
        assert_eq!(w.grey(0.0), 0.0);
        assert_eq!(w.grey(4095.0), 1.0);
        let narrow = Window::new(1.0, 100.0);
        assert_eq!((narrow.grey(99.0), narrow.grey(100.0)), (0.0, 1.0));
    }

    #[test]
    fn never_leaves_the_unit_range() {
        for function in [VoiFunction::Linear, VoiFunction::LinearExact, VoiFunction::Sigmoid] {
            for width in [0.0, 0.5, 1.0, 400.0] {
                let w = Window { window_center: 40.0, window_width: width, function };
                for hu in [-3000.0, 39.0, 40.0, 41.0, 3000.0] {
                    assert!((0.0..=1.0).contains(&w.grey(hu)), "{function:?} {width} {hu}");
                }
            }
        }
    }
}
