//! Panes that show the same from frame to frame.

use super::*;
use crate::core::BRICK_EDGE;

fn steady(content: u64, at_once: bool) -> Steady {
    Steady { content, at_once }
}

#[test]
fn a_steady_pane_is_copied_and_a_changed_one_is_drawn() {
    let Some(gpu) = gpu() else { return };
    let (device, queue) = gpu;
    for format in [FORMAT, wgpu::TextureFormat::Rgba8UnormSrgb] {
        let geometry = plain();
        let case = Case::new(gpu, volume(geometry));
        let [a, b] = &case.layer_textures;
        let textures = of(&case.volume_texture, [Some(a), Some(b)]);
        let view = SliceView {
            overlay: Overlay::Labels { colors: colors() },
            ..slice_view(&geometry, &pane(&geometry, Plane::Axial))
        };
        let wider = SliceView { window: Window::new(900.0, 0.0), ..view.clone() };
        let plain_of = |view: &SliceView| draw(gpu, format, [0, 0], textures, view);
        let before = plain_of(&view);

        for at_once in [false, true] {
            let mut renderer = SliceRenderer::new(device, format).unwrap();
            let mut frame = |view: &SliceView, content: u64| {
                shoot(gpu, format, [7, 9], view.pane_size, &mut renderer, |renderer, encoder| {
                    renderer
                        .prepare_steady(queue, encoder, PaneId(7), textures, view, steady(content, at_once))
                        .unwrap();
                })
            };
            // Drawn, drawn into its picture, copied: pixel for pixel the same.
            for n in 0..3 {
                assert!(frame(&view, 1) == before, "frame {n}, {format:?}");
            }
            // What was painted since shows as soon as it is told of, and what is not told of shows that the picture was copied.
            let mut map = case.layers[0].clone();
            let (brick, all) = (map.brick_of([20, 15, 10]), [2; BRICK_EDGE * BRICK_EDGE * BRICK_EDGE]);
            *map.brick_mut(brick) = all;
            a.upload_bricks(queue, &map, &[brick]).unwrap();
            assert!(frame(&view, 1) == before, "{format:?}");
            let painted = plain_of(&view);
            assert!(painted != before, "the brick is seen");
            for n in 0..3 {
                assert!(frame(&view, 2) == painted, "frame {n} after painting, {format:?}");
            }
            // Another view is drawn at once, and the one before it as well.
            let wide = plain_of(&wider);
            for (view, want) in [(&wider, &wide), (&view, &painted), (&wider, &wide), (&wider, &wide), (&wider, &wide)]
            {
                assert!(frame(view, 2) == *want, "{format:?}");
            }
            a.upload_bricks(queue, &case.layers[0], &[brick]).unwrap();
            assert!(frame(&view, 3) == before, "{format:?}");
        }
    }
}

#[test]
fn a_steady_pane_follows_its_size() {
    let Some(gpu) = gpu() else { return };
    let (device, queue) = gpu;
    let geometry = plain();
    let case = Case::new(gpu, volume(geometry));
    let textures = of(&case.volume_texture, [None, None]);
    let mut renderer = SliceRenderer::new(device, FORMAT).unwrap();
    for pane_size in [PANE, [192, 100], [1024, 700], PANE] {
        let view = SliceView { pane_size, ..slice_view(&geometry, &pane(&geometry, Plane::Coronal)) };
        let want = draw(gpu, FORMAT, [0, 0], textures, &view);
        for n in 0..3 {
            let got = shoot(gpu, FORMAT, [0, 0], pane_size, &mut renderer, |renderer, encoder| {
                renderer.prepare_steady(queue, encoder, PaneId(7), textures, &view, steady(1, false)).unwrap();
            });
            assert!(got == want, "frame {n} of {pane_size:?}");
        }
    }
}
