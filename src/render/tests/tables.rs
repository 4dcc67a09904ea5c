//! Tables of grey values in place of a window: the device against the reference.

use super::*;
use crate::core::VoiLut;
use std::sync::Arc;

#[test]
fn tables_of_grey_values() {
    let Some(gpu) = gpu() else { return };
    let geometry = plain();
    let case = Case::new(gpu, volume(geometry));
    let pane = pane(&geometry, Plane::Axial);
    let random = |n: usize, seed| noise(n, seed).into_iter().map(|r| (r % 4096) as u16).collect::<Vec<_>>();
    let rising = (0..4096u16).map(|n| n / 16).collect();
    // Wider than the data, narrower, one entry, more than a row of the texture, as many as there can be.
    for (name, first, values, bits, interpolation) in [
        ("random", -1100, random(5000, 1), 12, Interpolation::Nearest),
        ("narrow", -20, random(90, 2), 12, Interpolation::Nearest),
        ("one entry", 0, vec![200], 8, Interpolation::Nearest),
        ("rising", -1024, rising, 8, Interpolation::Linear),
        ("all", -32768, random(1 << 16, 3), 12, Interpolation::Nearest),
    ] {
        let lut = Some(Arc::new(VoiLut::new(first, values, bits).unwrap()));
        let view = SliceView { lut, interpolation, ..slice_view(&geometry, &pane) };
        let drawn = case.check(gpu, name, &view);
        let window = case.check(gpu, "window", &SliceView { lut: None, ..view });
        assert_ne!(drawn, window, "{name}");
    }
}
