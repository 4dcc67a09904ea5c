//! Colour of a segment as DICOM stores it: CIELab relative to D50, 16 bits a component. Private to `io::dicom`.
//!
//! PS3.3 C.10.7.1.1 (encoding), IEC 61966-2-1 (sRGB), Bradford adaptation between D65 and D50 (ICC.1 annex E).

use glam::{DMat3, DVec3};

/// D50 white point of the profile connection space.
const WHITE: DVec3 = DVec3::new(0.964_22, 1.0, 0.825_21);
/// XYZ (D50) from linear sRGB, as columns.
const XYZ_FROM_RGB: DMat3 = DMat3::from_cols(
    DVec3::new(0.436_074_7, 0.222_504_5, 0.013_932_2),
    DVec3::new(0.385_064_9, 0.716_878_6, 0.097_104_5),
    DVec3::new(0.143_080_4, 0.060_616_9, 0.714_173_3),
);
const EPSILON: f64 = 216.0 / 24389.0;
const KAPPA: f64 = 24389.0 / 27.0;

/// Encoded CIELab of an sRGB colour.
pub(super) fn lab_from_srgb(rgb: [u8; 3]) -> [u16; 3] {
    let linear = rgb.map(|v| {
        let v = f64::from(v) / 255.0;
        if v <= 0.040_45 { v / 12.92 } else { ((v + 0.055) / 1.055).powf(2.4) }
    });
    let f = (XYZ_FROM_RGB * DVec3::from_array(linear) / WHITE)
        .to_array()
        .map(|t| if t > EPSILON { t.cbrt() } else { (KAPPA * t + 16.0) / 116.0 });
    let (l, a, b) = (116.0 * f[1] - 16.0, 500.0 * (f[0] - f[1]), 200.0 * (f[1] - f[2]));
    // `as` saturates at both ends.
    [l / 100.0, (a + 128.0) / 255.0, (b + 128.0) / 255.0].map(|v| (v * 65535.0).round() as u16)
}

/// The sRGB colour of an encoded CIELab, clipped to what a screen shows.
pub(super) fn srgb_from_lab(lab: [u16; 3]) -> [u8; 3] {
    let [l, a, b] = lab.map(|v| f64::from(v) / 65535.0);
    let (l, a, b) = (l * 100.0, a * 255.0 - 128.0, b * 255.0 - 128.0);
    let y = (l + 16.0) / 116.0;
    let f = [y + a / 500.0, y, y - b / 200.0];
    let xyz =
        DVec3::from_array(f.map(|t| if t.powi(3) > EPSILON { t.powi(3) } else { (116.0 * t - 16.0) / KAPPA })) * WHITE;
    (XYZ_FROM_RGB.inverse() * xyz).to_array().map(|v| {
        let v = v.clamp(0.0, 1.0);
        let v = if v <= 0.003_130_8 { 12.92 * v } else { 1.055 * v.powf(1.0 / 2.4) - 0.055 };
        (v * 255.0).round() as u8
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_come_back() {
        for r in (0..=255).step_by(17) {
            for g in (0..=255).step_by(17) {
                for b in (0..=255u8).step_by(15) {
                    let color = [r as u8, g as u8, b];
                    assert_eq!(srgb_from_lab(lab_from_srgb(color)), color);
                }
            }
        }
    }

    #[test]
    fn white_and_black_are_where_the_standard_puts_them() {
        assert_eq!(lab_from_srgb([0, 0, 0]), [0, 32896, 32896]);
        let [l, a, b] = lab_from_srgb([255, 255, 255]);
        assert!(l > 65500 && a.abs_diff(32896) < 30 && b.abs_diff(32896) < 30, "{l} {a} {b}");
    }
}
