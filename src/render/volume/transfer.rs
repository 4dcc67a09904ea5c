//! How Hounsfield units become colour and opacity in the 3-D view.

/// Entries of the table that the shader looks up.
pub(super) const ENTRIES: usize = 512;

/// One corner of a transfer function.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TransferPoint {
    pub hu: f32,
    /// sRGB.
    pub color: [u8; 3],
    /// Part of the light that one millimetre takes, `0..1`.
    pub opacity: f32,
}

/// HU, colour and opacity of a preset's corner.
type Corner = (f32, [u8; 3], f32);

/// Straight lines between corners; the ends hold beyond them.
#[derive(Debug, Clone, PartialEq)]
pub struct TransferFunction {
    points: Vec<TransferPoint>,
    /// Lit by a lamp, as surfaces are.
    pub shaded: bool,
    /// The brightest sample of each ray instead of what lies in front.
    pub maximum: bool,
}

/// The presets of the 3-D view.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TransferPreset {
    #[default]
    Bone,
    Lung,
    SoftTissue,
    Maximum,
}

impl TransferPreset {
    /// In the order of the list.
    pub const ALL: [Self; 4] = [Self::Bone, Self::Lung, Self::SoftTissue, Self::Maximum];

    /// Name for lists and screen readers.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bone => "Bone",
            Self::Lung => "Lung",
            Self::SoftTissue => "Soft tissue",
            Self::Maximum => "Maximum intensity",
        }
    }

    /// Its function, moved along the scale by `shift` HU.
    pub fn function(self, shift: f32) -> TransferFunction {
        const SKIN: [u8; 3] = [214, 166, 140];
        let (points, shaded, maximum): (&[Corner], bool, bool) = match self {
            Self::Bone => (
                &[
                    (140.0, [150, 60, 40], 0.0),
                    (220.0, [205, 140, 100], 0.12),
                    (380.0, [236, 214, 180], 0.55),
                    (1200.0, [255, 250, 238], 0.95),
                ],
                true,
                false,
            ),
            Self::Lung => (
                &[
                    (-950.0, [20, 30, 60], 0.0),
                    (-880.0, [60, 90, 140], 0.004),
                    (-700.0, [120, 140, 170], 0.012),
                    (-600.0, [214, 150, 130], 0.04),
                    (-400.0, [226, 120, 100], 0.10),
                    (-250.0, [226, 120, 100], 0.0),
                ],
                true,
                false,
            ),
            Self::SoftTissue => (
                &[
                    (-160.0, SKIN, 0.0),
                    (-90.0, SKIN, 0.02),
                    (0.0, [190, 96, 80], 0.10),
                    (80.0, [176, 60, 52], 0.35),
                    (250.0, [232, 200, 160], 0.7),
                    (700.0, [255, 250, 238], 0.95),
                ],
                true,
                false,
            ),
            Self::Maximum => (&[(-200.0, [0, 0, 0], 0.01), (900.0, [255, 255, 255], 0.99)], false, true),
        };
        let points = points.iter().map(|&(hu, color, opacity)| TransferPoint { hu: hu + shift, color, opacity });
        TransferFunction { points: points.collect(), shaded, maximum }
    }
}

impl TransferFunction {
    /// HU of the first and the last corner.
    pub fn range(&self) -> [f32; 2] {
        let first = self.points.first().map_or(0.0, |p| p.hu);
        [first, self.points.last().map_or(1.0, |p| p.hu).max(first + 1.0)]
    }

    /// Colour in `0..=1` and opacity per mm of a value.
    pub fn at(&self, hu: f32) -> [f32; 4] {
        let rgba = |p: &TransferPoint| {
            let [r, g, b] = p.color.map(|c| f32::from(c) / 255.0);
            [r, g, b, p.opacity]
        };
        let Some(next) = self.points.iter().position(|p| p.hu > hu) else {
            return self.points.last().map_or([0.0; 4], rgba);
        };
        let Some(before) = next.checked_sub(1) else { return rgba(&self.points[0]) };
        let (a, b) = (&self.points[before], &self.points[next]);
        let t = (hu - a.hu) / (b.hu - a.hu);
        let (a, b) = (rgba(a), rgba(b));
        std::array::from_fn(|n| a[n] + (b[n] - a[n]) * t)
    }

    /// The table, and HU of its first entry with entries per HU.
    pub(super) fn table(&self) -> (Vec<[u8; 4]>, [f32; 2]) {
        let [low, high] = self.range();
        let per_hu = (ENTRIES - 1) as f32 / (high - low);
        let entries = (0..ENTRIES).map(|n| self.at(low + n as f32 / per_hu).map(|v| (v * 255.0).round() as u8));
        (entries.collect(), [low, per_hu])
    }

    /// Whether a sample between `low` and `high` HU can be seen.
    pub(super) fn shows(&self, low: i16, high: i16) -> bool {
        if self.maximum {
            return true;
        }
        let (low, high) = (f32::from(low), f32::from(high));
        self.at(low)[3] > 0.0
            || self.at(high)[3] > 0.0
            || self.points.iter().any(|p| p.opacity > 0.0 && (low..=high).contains(&p.hu))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn presets_rise_and_move() {
        for preset in TransferPreset::ALL {
            let f = preset.function(0.0);
            assert!(f.points.windows(2).all(|p| p[0].hu < p[1].hu), "{preset:?}");
            let [low, high] = f.range();
            assert_eq!(preset.function(100.0).at(high + 100.0), f.at(high));
            assert_eq!(f.at(low - 500.0), f.at(low));
        }
        let bone = TransferPreset::Bone.function(0.0);
        assert!(!bone.shows(-1000, 100) && bone.shows(-1000, 300) && bone.shows(500, 600));
        // Opaque only between two values: neither end shows, what lies between does.
        let lung = TransferPreset::Lung.function(0.0);
        assert!(lung.shows(-1000, 0) && !lung.shows(-200, 500) && !lung.shows(-1000, -960));
    }

    #[test]
    fn the_table_is_the_function() {
        let f = TransferPreset::SoftTissue.function(-20.0);
        let (table, [low, per_hu]) = f.table();
        assert_eq!(table.len(), ENTRIES);
        for n in [0, 100, 511] {
            let want = f.at(low + n as f32 / per_hu);
            for (have, want) in table[n].iter().zip(want) {
                assert!((f32::from(*have) / 255.0 - want).abs() < 0.003);
            }
        }
    }
}
