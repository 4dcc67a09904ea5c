//! Offscreen draws on whatever adapter there is, held to the CPU reference.

use super::*;
use crate::core::{ColorMap, Geometry, Interpolation, LabelMap, Plane, SlabMode, VoiFunction, Volume, Window};
use glam::{DAffine3, DMat3, DVec2, DVec3};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::task::{Context, Poll, Waker};

mod network;
mod planes;
mod steady;
mod tables;
mod windows;

/// A multiple of 64 pixels wide, so that rows need no padding when they are read back.
const PANE: [u32; 2] = [320, 240];
const FORMAT: wgpu::TextureFormat = wgpu::TextureFormat::Rgba8Unorm;

/// wgpu's native futures are ready at once; the loop is for those that are not.
fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = std::pin::pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(value) => return value,
            Poll::Pending => std::thread::yield_now(),
        }
    }
}

pub(super) type Gpu = (wgpu::Device, wgpu::Queue);

pub(super) fn gpu() -> Option<&'static Gpu> {
    static GPU: OnceLock<Option<Gpu>> = OnceLock::new();
    let found = GPU.get_or_init(|| {
        let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle());
        let adapter = block_on(instance.request_adapter(&wgpu::RequestAdapterOptions::default())).ok()?;
        println!("adapter: {}", adapter.get_info().name);
        Some(block_on(adapter.request_device(&wgpu::DeviceDescriptor::default())).unwrap())
    });
    if found.is_none() {
        println!("skipped: no wgpu adapter");
    }
    found.as_ref()
}

/// Nothing fused.
fn of<'a>(volume: &'a VolumeTexture, layers: [Option<&'a LabelTexture>; 2]) -> SliceTextures<'a> {
    SliceTextures { volume, layers, fused: None }
}

/// Draws into the part of a target that starts at `at`, and gives back that part's RGBA rows.
fn draw(
    gpu: &Gpu,
    format: wgpu::TextureFormat,
    at: [u32; 2],
    textures: SliceTextures<'_>,
    view: &SliceView,
) -> Vec<u8> {
    let (device, queue) = gpu;
    // Building a pipeline takes software Vulkan far longer than drawing with it.
    static RENDERERS: Mutex<Vec<(wgpu::TextureFormat, SliceRenderer)>> = Mutex::new(Vec::new());
    let mut renderers = RENDERERS.lock().unwrap_or_else(PoisonError::into_inner);
    if !renderers.iter().any(|(f, _)| *f == format) {
        renderers.push((format, SliceRenderer::new(device, format).unwrap()));
    }
    let (_, renderer) = renderers.iter_mut().find(|(f, _)| *f == format).unwrap();
    shoot(gpu, format, at, view.pane_size, renderer, |renderer, _| {
        renderer.prepare(queue, PaneId(7), textures, view).unwrap();
    })
}

/// What pane 7 shows after `prepare`, in the part of a target that starts at `at`.
fn shoot(
    (device, queue): &Gpu,
    format: wgpu::TextureFormat,
    at: [u32; 2],
    [pane_width, pane_height]: [u32; 2],
    renderer: &mut SliceRenderer,
    prepare: impl FnOnce(&mut SliceRenderer, &mut wgpu::CommandEncoder),
) -> Vec<u8> {
    let [width, height] = [pane_width + at[0] + 5, pane_height + at[1] + 3];
    let target = device.create_texture(&wgpu::TextureDescriptor {
        label: None,
        size: wgpu::Extent3d { width, height, depth_or_array_layers: 1 },
        mip_level_count: 1,
        sample_count: 1,
        dimension: wgpu::TextureDimension::D2,
        format,
        usage: wgpu::TextureUsages::RENDER_ATTACHMENT | wgpu::TextureUsages::COPY_SRC,
        view_formats: &[],
    });
    let row = pane_width * 4;
    assert_eq!(row % wgpu::COPY_BYTES_PER_ROW_ALIGNMENT, 0);
    let read = device.create_buffer(&wgpu::BufferDescriptor {
        label: None,
        size: u64::from(row * pane_height),
        usage: wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::MAP_READ,
        mapped_at_creation: false,
    });
    let mut encoder = device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
    prepare(renderer, &mut encoder);
    {
        let mut pass = encoder.begin_render_pass(&wgpu::RenderPassDescriptor {
            color_attachments: &[Some(wgpu::RenderPassColorAttachment {
                view: &target.create_view(&wgpu::TextureViewDescriptor::default()),
                depth_slice: None,
                resolve_target: None,
                ops: wgpu::Operations { load: wgpu::LoadOp::Clear(wgpu::Color::GREEN), store: wgpu::StoreOp::Store },
            })],
            ..Default::default()
        });
        pass.set_viewport(at[0] as f32, at[1] as f32, pane_width as f32, pane_height as f32, 0.0, 1.0);
        renderer.paint(&mut pass, PaneId(7));
        renderer.paint(&mut pass, PaneId(8));
    }
    encoder.copy_texture_to_buffer(
        wgpu::TexelCopyTextureInfo {
            texture: &target,
            mip_level: 0,
            origin: wgpu::Origin3d { x: at[0], y: at[1], z: 0 },
            aspect: wgpu::TextureAspect::All,
        },
        wgpu::TexelCopyBufferInfo {
            buffer: &read,
            layout: wgpu::TexelCopyBufferLayout { offset: 0, bytes_per_row: Some(row), rows_per_image: None },
        },
        wgpu::Extent3d { width: pane_width, height: pane_height, depth_or_array_layers: 1 },
    );
    queue.submit([encoder.finish()]);
    read.map_async(wgpu::MapMode::Read, .., |mapped| mapped.unwrap());
    device.poll(wgpu::PollType::wait_indefinitely()).unwrap();
    read.get_mapped_range(..).unwrap().to_vec()
}

/// Every channel of every pixel is within one step of 255.
///
/// The views are placed so that no pixel centre falls on the border of two voxels, where the last bit of a float
/// decides which one is drawn; so no pixel is excused.
#[track_caller]
fn assert_same(name: &str, gpu: &[u8], cpu: &[u8], width: u32) {
    assert_eq!(gpu.len(), cpu.len());
    let off: Vec<usize> = (0..gpu.len()).filter(|&i| gpu[i].abs_diff(cpu[i]) > 1).collect();
    if let Some(&first) = off.first() {
        let pixel = first / 4;
        panic!(
            "{name}: {} values differ, first at x {} y {}: device {} reference {}",
            off.len(),
            pixel % width as usize,
            pixel / width as usize,
            gpu[first],
            cpu[first]
        );
    }
}

/// Bytes that look random but are the same every time.
fn noise(n: usize, seed: u64) -> Vec<u64> {
    let mut state = seed;
    (0..n)
        .map(|_| {
            // SplitMix64 (Steele, Lea, Flood 2014).
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            z ^ (z >> 31)
        })
        .collect()
}

/// Slices 3 mm apart with pixels of 0.7 mm x 0.9 mm; sizes that are no multiple of a brick.
fn plain() -> Geometry {
    Geometry::axis_aligned([45, 37, 21], DVec3::new(0.7, 0.9, 3.0), DVec3::ZERO).unwrap()
}

/// Stored sagittally with two axes reversed.
fn permuted() -> Geometry {
    let m = DMat3::from_cols(DVec3::new(0.0, -0.8, 0.0), DVec3::new(0.0, 0.0, 1.1), DVec3::new(-2.5, 0.0, 0.0));
    Geometry::new([33, 40, 19], DAffine3 { matrix3: m, translation: DVec3::ZERO }).unwrap()
}

fn volume(geometry: Geometry) -> Volume {
    let hu: Vec<i16> = noise(geometry.voxel_count(), 1).into_iter().map(|r| (r % 1400) as i16 - 700).collect();
    Volume::new(geometry, hu).unwrap()
}

/// Balls of labels 1, 2 and 255 that touch one another and the border.
fn labels(geometry: Geometry, shift: f64) -> LabelMap {
    let d = DVec3::from_array(geometry.dims().map(|n| n as f64));
    let balls = [(1, d * 0.3, 0.25), (2, d * 0.55, 0.3), (255, d * DVec3::new(0.9, 0.4, 0.5), 0.3)];
    let mut map = LabelMap::empty(geometry);
    let [nx, ny, nz] = geometry.dims();
    for (k, j, i) in (0..nz).flat_map(|k| (0..ny).flat_map(move |j| (0..nx).map(move |i| (k, j, i)))) {
        let p = DVec3::new(i as f64 + shift, j as f64, k as f64);
        if let Some((label, ..)) = balls.iter().find(|(_, c, r)| ((p - c) / d).length() < *r) {
            map.set([i, j, k], *label);
        }
    }
    map
}

fn colors() -> LabelColors {
    let mut table = [[0; 4]; 256];
    table[1] = [230, 159, 0, 255];
    table[2] = [86, 180, 233, 128];
    table[255] = [0, 158, 115, 255];
    LabelColors::new(table)
}

/// A view that is slightly off any symmetric place, so that no pixel centre meets a voxel border.
fn pane(geometry: &Geometry, plane: Plane) -> PaneView {
    let size = DVec2::new(f64::from(PANE[0]), f64::from(PANE[1]));
    let mut pane = PaneView::fit(plane, geometry, size);
    pane.pan(geometry, DVec2::new(3.37, -2.41));
    pane.zoom_at(geometry, DVec2::new(100.3, 90.7), 1.0371);
    pane
}

fn slice_view(geometry: &Geometry, pane: &PaneView) -> SliceView {
    SliceView {
        placement: pane.voxel_from_pane(geometry),
        pane_size: PANE,
        window: Window::new(400.0, 40.0),
        lut: None,
        invert: false,
        interpolation: Interpolation::Linear,
        slab: None,
        color_map: ColorMap::Grey,
        fusion: None,
        overlay: Overlay::None,
        fill_opacity: 0.4,
        outline_opacity: 0.0,
        background: [27, 31, 36],
    }
}

struct Case {
    volume: Volume,
    layers: [LabelMap; 2],
    volume_texture: VolumeTexture,
    layer_textures: [LabelTexture; 2],
}

impl Case {
    fn new((device, queue): &Gpu, volume: Volume) -> Self {
        let g = *volume.geometry();
        let layers = [labels(g, 0.0), labels(g, 4.0)];
        let volume_texture = VolumeTexture::new(device, g.dims()).unwrap();
        volume_texture.upload_all(device, queue, volume.hu()).unwrap();
        let layer_textures = layers.each_ref().map(|layer| {
            let texture = LabelTexture::new(device, g.dims()).unwrap();
            texture.upload_all(device, queue, layer).unwrap();
            texture
        });
        Self { volume, layers, volume_texture, layer_textures }
    }

    #[track_caller]
    fn check(&self, gpu: &Gpu, name: &str, view: &SliceView) -> Vec<u8> {
        let [a, b] = &self.layer_textures;
        let drawn = draw(gpu, FORMAT, [0, 0], of(&self.volume_texture, [Some(a), Some(b)]), view);
        let [a, b] = &self.layers;
        assert_same(name, &drawn, &reference::render(&self.volume, [Some(a), Some(b)], view), view.pane_size[0]);
        drawn
    }
}

#[test]
fn every_plane_zoom_and_interpolation() {
    let Some(gpu) = gpu() else { return };
    for geometry in [plain(), permuted()] {
        let case = Case::new(gpu, volume(geometry));
        for plane in Plane::ALL {
            for (place, zoom, shift) in [("fit", 1.0, 0.0), ("close", 9.13, 40.0), ("far", 0.313, -25.0)] {
                for interpolation in [Interpolation::Nearest, Interpolation::Linear] {
                    let mut pane = pane(&geometry, plane);
                    pane.scroll(&geometry, 2.3);
                    pane.zoom_at(&geometry, DVec2::new(30.9, 200.3), zoom);
                    pane.pan(&geometry, DVec2::splat(shift));
                    let view = SliceView { interpolation, ..slice_view(&geometry, &pane) };
                    case.check(gpu, &format!("{plane:?} {place} {interpolation:?}"), &view);
                }
            }
        }
    }
}

#[test]
fn overlays() {
    let Some(gpu) = gpu() else { return };
    for geometry in [plain(), permuted()] {
        let case = Case::new(gpu, volume(geometry));
        let difference =
            DifferenceColors { only_a: [213, 94, 0, 255], only_b: [0, 114, 178, 255], both: [0, 158, 115, 200] };
        let overlays = [
            ("labels", Overlay::Labels { colors: colors() }),
            ("same label", Overlay::Difference { a: 1, b: 1, colors: difference }),
            ("two labels", Overlay::Difference { a: 2, b: 255, colors: difference }),
            ("any label", Overlay::Difference { a: 0, b: 1, colors: difference }),
        ];
        for plane in Plane::ALL {
            for (name, overlay) in &overlays {
                for (fill_opacity, outline_opacity) in [(0.4, 0.0), (0.0, 1.0), (0.25, 0.8)] {
                    let view = SliceView {
                        overlay: overlay.clone(),
                        fill_opacity,
                        outline_opacity,
                        ..slice_view(&geometry, &pane(&geometry, plane))
                    };
                    let plain = SliceView { overlay: Overlay::None, ..view.clone() };
                    let drawn = case.check(gpu, &format!("{plane:?} {name} {fill_opacity} {outline_opacity}"), &view);
                    assert_ne!(drawn, case.check(gpu, "without", &plain), "{plane:?} {name}: nothing was laid over");
                }
            }
        }
    }
}

/// One square region, magnified and reduced: its outline is one screen pixel wide on all four sides.
#[test]
fn outline_is_one_screen_pixel_wide() {
    let Some(gpu) = gpu() else { return };
    let geometry = Geometry::axis_aligned([64, 64, 3], DVec3::new(1.0, 2.0, 1.0), DVec3::ZERO).unwrap();
    let mut case = Case::new(gpu, Volume::new(geometry, vec![-2000; geometry.voxel_count()]).unwrap());
    let mut map = LabelMap::empty(geometry);
    for k in 0..3 {
        for j in 12..44 {
            (20..52).for_each(|i| map.set([i, j, k], 1));
        }
    }
    case.layer_textures[0].upload_all(&gpu.0, &gpu.1, &map).unwrap();
    case.layers[0] = map;
    for zoom in [0.37, 0.713, 1.0, 4.31] {
        let size = DVec2::new(f64::from(PANE[0]), f64::from(PANE[1]));
        let center = DVec2::new(36.013, 28.027);
        let pane = PaneView { plane: Plane::Axial, slice: 1.0, center, zoom, size, oblique: None };
        let view = SliceView {
            overlay: Overlay::Labels { colors: colors() },
            fill_opacity: 0.0,
            outline_opacity: 1.0,
            ..slice_view(&geometry, &pane)
        };
        let drawn = case.check(gpu, &format!("zoom {zoom}"), &view);
        let marked = |x: u32, y: u32| drawn[((y * PANE[0] + x) * 4) as usize] == 230;
        let row: Vec<u32> = (0..PANE[0]).filter(|&x| marked(x, PANE[1] / 2)).collect();
        let column: Vec<u32> = (0..PANE[1]).filter(|&y| marked(PANE[0] / 2, y)).collect();
        // At zoom 4.31 the region is 276 pixels high and its upper and lower edges lie outside the pane.
        assert_eq!((row.len(), column.len()), (2, if zoom > 4.0 { 0 } else { 2 }), "zoom {zoom}: {row:?} {column:?}");
        assert_eq!(row[1] - row[0] + 1, (32.0 * zoom).round() as u32, "zoom {zoom}");
    }
}

#[test]
fn a_pane_within_a_larger_target_and_an_encoding_target() {
    let Some(gpu) = gpu() else { return };
    let geometry = plain();
    let case = Case::new(gpu, volume(geometry));
    let view = SliceView {
        overlay: Overlay::Labels { colors: colors() },
        outline_opacity: 1.0,
        ..slice_view(&geometry, &pane(&geometry, Plane::Sagittal))
    };
    let [a, b] = &case.layer_textures;
    let want = reference::render(&case.volume, [Some(&case.layers[0]), Some(&case.layers[1])], &view);
    for (format, at) in [(FORMAT, [37, 91]), (wgpu::TextureFormat::Rgba8UnormSrgb, [0, 0])] {
        let drawn = draw(gpu, format, at, of(&case.volume_texture, [Some(a), Some(b)]), &view);
        assert_same(&format!("{format:?} at {at:?}"), &drawn, &want, PANE[0]);
    }
}

#[test]
fn parts_add_up_to_the_whole() {
    let Some(gpu @ (device, queue)) = gpu() else { return };
    let geometry = plain();
    let case = Case::new(gpu, volume(geometry));
    let streamed = VolumeTexture::new(device, geometry.dims()).unwrap();
    for k in (0..geometry.dims()[2]).rev() {
        streamed.upload_slice(queue, k, case.volume.slice(k).unwrap()).unwrap();
    }
    let pieces = VolumeTexture::new(device, geometry.dims()).unwrap();
    pieces.upload_in_pieces(device, queue, case.volume.hu(), 4).unwrap();
    // From layer A's labels to those of layer B: the changed bricks one by one, or whole layers of bricks joined.
    let [from, to] = &case.layers;
    let bricked = LabelTexture::new(device, geometry.dims()).unwrap();
    bricked.upload_all(device, queue, from).unwrap();
    for brick in to.changed_bricks(from) {
        bricked.upload_bricks(queue, to, &[brick, u32::MAX]).unwrap();
    }
    let joined = LabelTexture::new(device, geometry.dims()).unwrap();
    joined.upload_all(device, queue, from).unwrap();
    joined.upload_bricks(queue, to, &(0..to.brick_count() as u32).collect::<Vec<_>>()).unwrap();
    for plane in Plane::ALL {
        let mut pane = pane(&geometry, plane);
        for slice in [0.0, 8.0, 20.0] {
            pane.set_slice(&geometry, slice);
            let view = SliceView { overlay: Overlay::Labels { colors: colors() }, ..slice_view(&geometry, &pane) };
            let [_, whole] = &case.layer_textures;
            let want = draw(gpu, FORMAT, [0, 0], of(&case.volume_texture, [Some(whole), None]), &view);
            for (name, volume, layer) in [("single", &streamed, &bricked), ("joined", &pieces, &joined)] {
                let drawn = draw(gpu, FORMAT, [0, 0], of(volume, [Some(layer), None]), &view);
                assert!(drawn == want, "{name}: {plane:?} slice {slice} differs");
            }
        }
    }
}

#[test]
fn misfits_are_refused_in_plain_words() {
    let Some((device, queue)) = gpu() else { return };
    let limit = device.limits().max_texture_dimension_3d;
    let huge = VolumeTexture::new(device, [4, limit as usize + 1, 4]).err().unwrap();
    assert_eq!(huge, RenderError::TooLarge { dims: [4, limit as usize + 1, 4], limit });
    assert!(huge.to_string().contains("crop or resample"), "{huge}");
    assert!(LabelTexture::new(device, [4, 0, 4]).is_err());
    assert!(VolumeTexture::new(device, [usize::MAX, 1, 1]).is_err());
    let volume = VolumeTexture::new(device, [4, 5, 6]).unwrap();
    assert_eq!(volume.upload_slice(queue, 6, &[0; 20]), Err(RenderError::Slice { slice: 6, count: 6 }));
    assert_eq!(volume.upload_slice(queue, 0, &[0; 19]), Err(RenderError::Length { expected: 20, found: 19 }));
    assert_eq!(volume.upload_all(device, queue, &[0; 119]), Err(RenderError::Length { expected: 120, found: 119 }));
    let labels = LabelTexture::new(device, [4, 5, 7]).unwrap();
    let map = LabelMap::empty(plain());
    let misfit = RenderError::Grid { expected: [4, 5, 7], found: plain().dims() };
    assert_eq!(labels.upload_bricks(queue, &map, &[0]), Err(misfit.clone()));
    assert_eq!(labels.upload_all(device, queue, &map), Err(misfit));
    let mut renderer = SliceRenderer::new(device, FORMAT).unwrap();
    let view = slice_view(&plain(), &pane(&plain(), Plane::Axial));
    let refused = renderer.prepare(queue, PaneId(1), of(&volume, [Some(&labels), None]), &view);
    assert_eq!(refused, Err(RenderError::Grid { expected: [4, 5, 6], found: [4, 5, 7] }));
}

#[test]
fn an_offscreen_pane_draws_and_refuses_what_does_not_fit() {
    let Some((device, queue)) = gpu() else { return };
    let geometry = Geometry::axis_aligned([8, 6, 4], DVec3::ONE, DVec3::ZERO).unwrap();
    let volume = VolumeTexture::new(device, geometry.dims()).unwrap();
    let labels = LabelTexture::new(device, [8, 6, 5]).unwrap();
    let view = SliceView {
        placement: PaneView::fit(Plane::Axial, &geometry, DVec2::splat(64.0)).voxel_from_pane(&geometry),
        pane_size: [64; 2],
        window: Window::new(400.0, 40.0),
        lut: None,
        invert: false,
        interpolation: Interpolation::Linear,
        slab: None,
        color_map: ColorMap::Grey,
        fusion: None,
        overlay: Overlay::None,
        fill_opacity: 0.0,
        outline_opacity: 0.0,
        background: [0; 3],
    };
    let mut pane = Offscreen::new(device, queue, view.pane_size).unwrap();
    // A fresh volume is 0 HU throughout: above one window, below the other. Waiting gives what was just drawn.
    for (window_center, grey) in [(-400.0, 255), (400.0, 0), (-400.0, 255)] {
        let view = SliceView { window: Window::new(400.0, window_center), ..view.clone() };
        assert_eq!(pane.draw(of(&volume, [None, None]), &view), Ok(()));
        assert_eq!(pane.wait(), Ok([grey, grey, grey, 255]));
    }
    let refused = pane.draw(of(&volume, [Some(&labels), None]), &view);
    assert!(matches!(refused, Err(RenderError::Grid { .. })), "{refused:?}");
    for size in [[0, 64], [64, u32::MAX]] {
        assert!(matches!(Offscreen::new(device, queue, size), Err(RenderError::Pane { .. })));
    }
}
