//! Cubic interpolation, slabs, oblique planes, colour maps and a second volume laid over, held to the CPU.

use super::*;
use glam::DQuat;

/// A view of a plane that no axis of the grid is parallel to.
fn oblique(geometry: &Geometry, plane: Plane) -> PaneView {
    let turn = DQuat::from_euler(glam::EulerRot::XYZ, 0.41, -0.33, 0.87);
    let middle = DVec3::from_array(geometry.dims().map(|n| n as f64 / 2.0)) + 0.37;
    let point = geometry.world_from_voxel().transform_point3(middle);
    let mut pane = pane(geometry, plane);
    pane.set_oblique(geometry, Some(PlaneFrame::through(geometry, turn * DVec3::X, turn * DVec3::Y, point)));
    pane.pan(geometry, DVec2::new(3.37, -2.41));
    pane
}

/// What was drawn of a plain pattern, which no rounding of a position can change much.
fn smooth(geometry: Geometry) -> Volume {
    let [nx, ny, nz] = geometry.dims();
    let each = (0..nz).flat_map(|k| (0..ny).flat_map(move |j| (0..nx).map(move |i| [i, j, k].map(|v| v as f64))));
    let hu: Vec<i16> = each
        .map(|[i, j, k]| (300.0 * (i * 0.31).sin() + 200.0 * (j * 0.23).cos() + 150.0 * (k * 0.5).sin()) as i16)
        .collect();
    Volume::new(geometry, hu).unwrap()
}

#[test]
fn cubic_slabs_and_oblique_planes() {
    let Some(gpu) = gpu() else { return };
    for geometry in [plain(), permuted()] {
        let case = Case::new(gpu, smooth(geometry));
        let mut seen: Vec<Vec<u8>> = Vec::new();
        for interpolation in [Interpolation::Nearest, Interpolation::Linear, Interpolation::Cubic] {
            for slab in [None, Some(SlabMode::Mean), Some(SlabMode::Maximum), Some(SlabMode::Minimum)] {
                for pane in [pane(&geometry, Plane::Axial), oblique(&geometry, Plane::Axial)] {
                    let spacing = if pane.oblique.is_some() { 0.7 } else { 3.0 };
                    let step = pane.depth_step(&geometry) * spacing;
                    let slab = slab.map(|mode| Slab { mode, step, half: 3 });
                    let view = SliceView { interpolation, slab, ..slice_view(&geometry, &pane) };
                    // Nearest neighbours on a slanted plane change wherever a pixel meets a border of voxels.
                    if interpolation == Interpolation::Nearest && pane.oblique.is_some() {
                        continue;
                    }
                    seen.push(case.check(gpu, &format!("{interpolation:?} {slab:?}"), &view));
                }
            }
        }
        for (n, a) in seen.iter().enumerate() {
            assert!(seen[..n].iter().all(|b| a != b), "picture {n} is one of those before");
        }
    }
}

#[test]
fn colour_maps_and_a_fused_volume() {
    let Some(gpu) = gpu() else { return };
    let geometry = plain();
    let case = Case::new(gpu, smooth(geometry));
    let pane = pane(&geometry, Plane::Coronal);
    let plain_view = slice_view(&geometry, &pane);
    for color_map in ColorMap::ALL {
        case.check(gpu, color_map.name(), &SliceView { color_map, ..plain_view.clone() });
    }
    // Coarser, turned and smaller than the image.
    let turn = DAffine3::from_rotation_z(0.3) * DAffine3::from_scale(DVec3::new(2.1, 1.9, 4.3));
    let other = Geometry::new([9, 14, 11], DAffine3::from_translation(DVec3::new(5.0, 3.0, 4.0)) * turn).unwrap();
    let fused = smooth(other);
    let texture = VolumeTexture::new(&gpu.0, other.dims()).unwrap();
    texture.upload_all(&gpu.0, &gpu.1, fused.hu()).unwrap();
    let fusion = Fusion {
        fused_from_voxel: other.voxel_from_world() * geometry.world_from_voxel(),
        window: Window::new(500.0, 50.0),
        color_map: ColorMap::HotIron,
        opacity: 0.6,
    };
    let view = SliceView { fusion: Some(fusion), ..plain_view.clone() };
    let textures = SliceTextures { fused: Some(&texture), ..of(&case.volume_texture, [None, None]) };
    let drawn = draw(gpu, FORMAT, [0, 0], textures, &view);
    let wanted = reference::render_fused(&case.volume, [None, None], Some(&fused), &view);
    // At the rim of the fused volume the last bit of a float decides which pixels it still covers.
    let off = drawn.iter().zip(&wanted).filter(|(a, b)| a.abs_diff(**b) > 2).count();
    assert!(off * 500 < drawn.len(), "{off} of {} values differ", drawn.len());
    let bare = draw(gpu, FORMAT, [0, 0], of(&case.volume_texture, [None, None]), &view);
    assert_ne!(drawn, bare);
    assert_eq!(bare, case.check(gpu, "nothing to fuse", &SliceView { fusion: None, ..plain_view }));
}
