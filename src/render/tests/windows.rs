//! Windows, and samples at the ends of their type.

use super::*;

#[test]
fn window_functions_and_invert() {
    let Some(gpu) = gpu() else { return };
    let case = Case::new(gpu, volume(plain()));
    let pane = pane(&plain(), Plane::Axial);
    for function in [VoiFunction::Linear, VoiFunction::LinearExact, VoiFunction::Sigmoid] {
        for (window_width, window_center) in [(400.0, 40.0), (1500.0, -600.0), (1.0, 40.0), (0.0, 12.5), (2.0, -3.0)] {
            for invert in [false, true] {
                let view = SliceView {
                    window: Window { window_center, window_width, function },
                    invert,
                    interpolation: Interpolation::Nearest,
                    ..slice_view(&plain(), &pane)
                };
                let drawn = case.check(gpu, &format!("{function:?} {window_width}/{window_center} {invert}"), &view);
                // The reference shares the shader's arithmetic; the window of `core` is the independent witness.
                let at = pane.voxel_from_screen(&plain(), DVec2::new(160.5, 120.5)).round().to_array();
                let grey = view.window.grey(f64::from(case.volume.at(at.map(|v| v as i64)).unwrap()));
                let want = ((if invert { 1.0 - grey } else { grey }) * 255.0).round() as u8;
                let got = drawn[((120 * PANE[0] + 160) * 4) as usize];
                assert!(got.abs_diff(want) <= 1, "{function:?} {window_width}/{window_center}: {got} not {want}");
            }
        }
    }
}

#[test]
fn extremes_of_the_sample_type() {
    let Some(gpu) = gpu() else { return };
    let geometry = plain();
    let ends = [i16::MIN, i16::MIN + 1, -1, 0, 1, i16::MAX - 1, i16::MAX];
    let hu: Vec<i16> = noise(geometry.voxel_count(), 3).into_iter().map(|r| ends[(r % 7) as usize]).collect();
    let case = Case::new(gpu, Volume::new(geometry, hu).unwrap());
    let pane = pane(&geometry, Plane::Coronal);
    // Interpolated between the ends, a window of a few units would make several greys of a weight's last bit.
    for (window, interpolation) in [
        (Window::new(65536.0, 0.0), Interpolation::Linear),
        (Window::new(65536.0, 0.0), Interpolation::Nearest),
        (Window::new(2.0, 32767.0), Interpolation::Nearest),
        (Window::new(2.0, -32767.0), Interpolation::Nearest),
        (Window::new(3.0, 0.0), Interpolation::Nearest),
    ] {
        let view = SliceView { window, interpolation, ..slice_view(&geometry, &pane) };
        case.check(gpu, &format!("{window:?} {interpolation:?}"), &view);
    }
}
