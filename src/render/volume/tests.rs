//! Pictures of the 3-D view on whatever adapter there is, held to the ray on the CPU; and what a click hits.

use super::pass::{RayPass, Sources};
use super::raycast::Scene;
use super::*;
use crate::core::{Geometry, LabelMap, Volume};
use crate::render::tests::{Gpu, gpu};
use crate::render::{LabelColors, LabelTexture, VolumeTexture};
use glam::{DAffine3, DMat3, DVec2, DVec3, Vec2};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A multiple of 64 wide, so that rows need no padding when they are read back.
const SIZE: [u32; 2] = [128, 96];

/// Stored sagittally with reversed axes and thick slices; several blocks along each axis.
fn grid() -> Geometry {
    let m = DMat3::from_cols(DVec3::new(0.0, -0.8, 0.0), DVec3::new(0.0, 0.0, 1.1), DVec3::new(-2.5, 0.0, 0.0));
    Geometry::new([45, 40, 21], DAffine3 { matrix3: m, translation: DVec3::new(10.0, -4.0, 30.0) }).unwrap()
}

/// Distance of a voxel from the middle of the grid in mm.
fn radius(geometry: &Geometry, [i, j, k]: [usize; 3]) -> f64 {
    let middle = DVec3::from_array(geometry.dims().map(|n| (n - 1) as f64 / 2.0));
    ((DVec3::new(i as f64, j as f64, k as f64) - middle) * geometry.spacing()).length()
}

fn each(geometry: &Geometry) -> impl Iterator<Item = [usize; 3]> + use<> {
    let [nx, ny, nz] = geometry.dims();
    (0..nz).flat_map(move |k| (0..ny).flat_map(move |j| (0..nx).map(move |i| [i, j, k])))
}

/// A ball of bone of 14 mm in soft tissue in air, with a slope inside each so that nothing is flat.
fn volume(geometry: Geometry) -> Volume {
    let value = |v: [usize; 3]| match radius(&geometry, v) {
        r if r < 9.0 => 900.0 - 20.0 * r,
        r if r < 18.0 => 90.0 - 4.0 * r,
        _ => -1000.0,
    };
    let hu: Vec<i16> = each(&geometry).map(|v| value(v) as i16).collect();
    Volume::new(geometry, hu).unwrap()
}

/// Label 1 a ball of 12 mm, label 2 a ball of 6 mm in it.
fn labels(geometry: Geometry) -> LabelMap {
    let mut map = LabelMap::empty(geometry);
    for v in each(&geometry) {
        match radius(&geometry, v) {
            r if r < 6.0 => map.set(v, 2),
            r if r < 12.0 => map.set(v, 1),
            _ => {}
        }
    }
    map
}

fn colors() -> LabelColors {
    let mut table = [[0; 4]; 256];
    table[1] = [230, 159, 0, 255];
    table[2] = [86, 180, 233, 255];
    LabelColors::new(table)
}

fn view(geometry: Geometry) -> VolumeView {
    let mut camera = Camera::fit(&geometry, DVec2::new(f64::from(SIZE[0]), f64::from(SIZE[1])));
    camera.turn(DVec2::new(0.61, -0.37));
    camera.pan(DVec2::new(2.3, -1.7));
    VolumeView {
        camera,
        geometry,
        transfer: None,
        surfaces: None,
        surface_opacity: 1.0,
        clip: ClipBox::whole(&geometry),
        background: [12, 14, 18],
    }
}

fn read((device, queue): &Gpu, texture: &wgpu::Texture) -> Vec<u8> {
    let (width, height) = (texture.width(), texture.height());
    let buffer = device.create_buffer(&wgpu::BufferDescriptor {
        label: None,
        size: u64::from(width * 4 * height),
        usage: wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::MAP_READ,
        mapped_at_creation: false,
    });
    let mut encoder = device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
    encoder.copy_texture_to_buffer(
        texture.as_image_copy(),
        wgpu::TexelCopyBufferInfo {
            buffer: &buffer,
            layout: wgpu::TexelCopyBufferLayout { offset: 0, bytes_per_row: Some(width * 4), rows_per_image: None },
        },
        wgpu::Extent3d { width, height, depth_or_array_layers: 1 },
    );
    queue.submit([encoder.finish()]);
    buffer.map_async(wgpu::MapMode::Read, .., |mapped| mapped.unwrap());
    device.poll(wgpu::PollType::wait_indefinitely()).unwrap();
    buffer.get_mapped_range(..).unwrap().to_vec()
}

struct Case {
    volume: Arc<Volume>,
    labels: LabelMap,
    volume_texture: VolumeTexture,
    label_texture: LabelTexture,
}

impl Case {
    fn new((device, queue): &Gpu) -> Self {
        let geometry = grid();
        let (volume, labels) = (Arc::new(volume(geometry)), labels(geometry));
        let volume_texture = VolumeTexture::new(device, geometry.dims()).unwrap();
        volume_texture.upload_all(device, queue, volume.hu()).unwrap();
        let label_texture = LabelTexture::new(device, geometry.dims()).unwrap();
        label_texture.upload_all(device, queue, &labels).unwrap();
        Self { volume, labels, volume_texture, label_texture }
    }

    /// Draws in two strips and holds every pixel but a few at silhouettes to the CPU.
    #[track_caller]
    fn check(&self, gpu: &Gpu, name: &str, view: &VolumeView) -> Vec<u8> {
        let mut pass = RayPass::new(&gpu.0, &gpu.1).unwrap();
        let sources = Sources {
            volume: self.volume_texture.view().clone(),
            labels: Some(self.label_texture.view().clone()),
            dims: self.volume_texture.dims(),
        };
        pass.prepare(view, &sources, Some(&self.volume), Some(&self.labels)).unwrap();
        let target = pass.target(SIZE);
        pass.begin(view, 1.0, 0.7);
        pass.draw(&target, 0..40, true);
        pass.draw(&target, 40..SIZE[1], false);
        let drawn = read(gpu, &target);
        let scene = Scene::new(view, 1.0, 0.7, Some(&self.volume), Some(&self.labels));
        let (mut off, mut lit) = (0, 0);
        let background = view.background.map(f32::from);
        for (n, rgba) in drawn.chunks_exact(4).enumerate() {
            let at = Vec2::new((n % SIZE[0] as usize) as f32 + 0.5, (n / SIZE[0] as usize) as f32 + 0.5);
            let want = scene.shade(at).color.to_array().map(|c| (c.clamp(0.0, 1.0) * 255.0).round());
            off += usize::from((0..3).any(|c| (f32::from(rgba[c]) - want[c]).abs() > 3.0));
            lit += usize::from((0..3).any(|c| (f32::from(rgba[c]) - background[c]).abs() > 20.0));
            assert_eq!(rgba[3], 255);
        }
        let pixels = drawn.len() / 4;
        assert!(lit > pixels / 60, "{name}: only {lit} pixels show something");
        // Where a ray grazes a surface the last bit of a float decides whether it is hit.
        assert!(off * 200 <= pixels, "{name}: {off} of {pixels} pixels differ from the CPU");
        drawn
    }
}

#[test]
fn the_device_draws_what_the_cpu_does() {
    let Some(gpu) = gpu() else { return };
    let case = Case::new(gpu);
    let plain = view(grid());
    let mut seen: Vec<Vec<u8>> = Vec::new();
    for preset in TransferPreset::ALL {
        seen.push(case.check(
            gpu,
            preset.name(),
            &VolumeView { transfer: Some(preset.function(0.0)), ..plain.clone() },
        ));
    }
    let surfaces = VolumeView { surfaces: Some(colors()), ..plain.clone() };
    seen.push(case.check(gpu, "surfaces", &surfaces));
    seen.push(case.check(gpu, "transparent", &VolumeView { surface_opacity: 0.5, ..surfaces.clone() }));
    let transfer = Some(TransferPreset::SoftTissue.function(0.0));
    seen.push(case.check(gpu, "both", &VolumeView { transfer, surface_opacity: 0.5, ..surfaces.clone() }));
    let mut cut = surfaces;
    cut.clip.set_face(&grid(), 2, true, 9.3);
    cut.clip.set_face(&grid(), 0, false, 20.7);
    seen.push(case.check(gpu, "cut open", &cut));
    for (n, a) in seen.iter().enumerate() {
        assert!(seen[..n].iter().all(|b| a != b), "picture {n} shows the same as one before");
    }
}

#[test]
fn blocks_are_skipped_only_where_nothing_shows() {
    // A few voxels on both sides of the borders of blocks.
    let Some(gpu) = gpu() else { return };
    let mut case = Case::new(gpu);
    let mut map = LabelMap::empty(grid());
    for v in [[15, 15, 15], [16, 16, 16], [31, 20, 4], [32, 20, 4], [17, 32, 16], [17, 31, 15]] {
        for [di, dj, dk] in [[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0], [1, 1, 1], [1, 0, 1], [0, 1, 1]] {
            map.set([v[0] + di, v[1] + dj, v[2] + dk], 1);
        }
    }
    case.label_texture.upload_all(&gpu.0, &gpu.1, &map).unwrap();
    case.labels = map;
    let mut close = VolumeView { surfaces: Some(colors()), ..view(grid()) };
    close.camera.zoom *= 1.8;
    case.check(gpu, "small", &close);
}

#[test]
fn a_smoothed_ball_is_round_and_evenly_lit() {
    let scene_of = |view: &VolumeView, labels: &LabelMap, at: DVec2| {
        Scene::new(view, 1.0, 0.5, None, Some(labels)).shade(at.as_vec2()).place
    };
    let geometry = Geometry::axis_aligned([48; 3], DVec3::ONE, DVec3::ZERO).unwrap();
    let map = labels(geometry);
    let mut view = VolumeView { surfaces: Some(colors()), ..view(geometry) };
    view.camera = Camera::fit(&geometry, DVec2::splat(200.0));
    view.clip = ClipBox::whole(&geometry);
    let middle = DVec3::splat(23.5);
    let mut worst: f64 = 0.0;
    for n in 0..60 {
        view.camera.turn(DVec2::new(0.37, 0.21));
        let off = DVec2::from_angle(n as f64) * view.camera.zoom * 8.0;
        let place = scene_of(&view, &map, DVec2::splat(100.0) + off).expect("the ball is hit").as_dvec3();
        worst = worst.max(((place - middle).length() - 12.0).abs());
    }
    assert!(worst < 0.6, "{worst} voxels off a ball of 12");
}

#[test]
fn a_click_finds_the_front_and_nothing_beside() {
    let geometry = grid();
    let (volume, map) = (volume(geometry), labels(geometry));
    let view = VolumeView { surfaces: Some(colors()), ..view(geometry) };
    let world = geometry.world_from_voxel().transform_point3(DVec3::from_array([22.0, 19.5, 10.0]));
    let at = view.camera.screen_from_point(world);
    let hit = pick(&view, Some(&volume), Some(&map), at).unwrap();
    let front = geometry.world_from_voxel().transform_point3(hit);
    let [.., away] = view.camera.axes();
    let depth = (world - front).dot(away);
    assert!((depth - 12.0).abs() < 1.5, "the surface is 12 mm in front of the middle, not {depth}");
    assert!((view.camera.screen_from_point(front) - at).length() < 1e-3, "it lies under the pointer");
    assert_eq!(pick(&view, Some(&volume), Some(&map), DVec2::new(1.0, 1.0)), None);
    // Without surfaces the image is what is clicked: the ball of bone.
    let bone = VolumeView { surfaces: None, transfer: Some(TransferPreset::Bone.function(0.0)), ..view };
    let hit = pick(&bone, Some(&volume), None, at).unwrap();
    let depth = (world - geometry.world_from_voxel().transform_point3(hit)).dot(away);
    assert!((depth - 9.0).abs() < 2.5, "{depth}");
}

#[test]
fn the_thread_draws_coarse_then_fine_and_lets_go() {
    let Some(gpu) = gpu() else { return };
    let case = Case::new(gpu);
    let mut drawer = VolumeDrawer::start(&gpu.0, &gpu.1, || {});
    let content = VolumeContent::new(
        &case.volume_texture,
        Some(Arc::clone(&case.volume)),
        Some((&case.label_texture, Arc::new(case.labels.clone()))),
        1,
    );
    let mut order = VolumeOrder { view: VolumeView { surfaces: Some(colors()), ..view(grid()) }, content };
    drawer.ask(order.clone());
    let wait = |drawer: &VolumeDrawer, what: &str, done: &dyn Fn(&VolumePicture) -> bool| {
        let begun = Instant::now();
        while !done(&drawer.picture()) {
            assert!(begun.elapsed() < Duration::from_secs(180), "never came: {what}");
            assert_eq!(drawer.take_error(), None);
            std::thread::sleep(Duration::from_millis(2));
        }
    };
    wait(&drawer, "the fine picture", &|p| p.finished && p.coarse.is_some() && p.fine.is_some());
    // A new order while it draws is served, and what was begun is left.
    for n in 0..5 {
        order.view.camera.turn(DVec2::new(0.1 * f64::from(n), 0.0));
        drawer.ask(order.clone());
    }
    assert!(!drawer.picture().finished && drawer.progress().is_some());
    wait(&drawer, "the last picture", &|p| p.finished);
    assert_eq!(drawer.progress(), None, "nothing better will come");
    let mut blit = VolumeBlit::new(&gpu.0, super::pass::FORMAT);
    blit.prepare(&drawer.picture());
    let pane = gpu.0.create_texture(&wgpu::TextureDescriptor {
        label: None,
        size: wgpu::Extent3d { width: SIZE[0], height: SIZE[1], depth_or_array_layers: 1 },
        mip_level_count: 1,
        sample_count: 1,
        dimension: wgpu::TextureDimension::D2,
        format: super::pass::FORMAT,
        usage: wgpu::TextureUsages::RENDER_ATTACHMENT | wgpu::TextureUsages::COPY_SRC,
        view_formats: &[],
    });
    let mut encoder = gpu.0.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
    {
        let mut pass = encoder.begin_render_pass(&wgpu::RenderPassDescriptor {
            color_attachments: &[Some(wgpu::RenderPassColorAttachment {
                view: &pane.create_view(&wgpu::TextureViewDescriptor::default()),
                depth_slice: None,
                resolve_target: None,
                ops: wgpu::Operations { load: wgpu::LoadOp::Clear(wgpu::Color::GREEN), store: wgpu::StoreOp::Store },
            })],
            ..Default::default()
        });
        blit.paint(&mut pass);
    }
    gpu.1.submit([encoder.finish()]);
    let shown = read(gpu, &pane);
    let scene = Scene::new(&order.view, 1.0, 0.6, None, Some(&case.labels));
    let same = shown.chunks_exact(4).enumerate().filter(|(n, rgba)| {
        let at = Vec2::new((n % SIZE[0] as usize) as f32 + 0.5, (n / SIZE[0] as usize) as f32 + 0.5);
        let want = scene.shade(at).color.to_array().map(|c| (c.clamp(0.0, 1.0) * 255.0).round());
        (0..3).all(|c| (f32::from(rgba[c]) - want[c]).abs() <= 3.0)
    });
    let same = same.count();
    assert!(same * 200 >= shown.len() / 4 * 199, "{same} of {} pixels are those of the fine picture", shown.len() / 4);
    drawer.ask(order);
    assert!(drawer.picture().finished, "the same order is no new work");
    drawer.forget();
    wait(&drawer, "the end", &|p| p.coarse.is_none());
}

#[test]
fn a_picture_that_is_given_up_stays_coarse_until_another_order() {
    let Some(gpu) = gpu() else { return };
    let case = Case::new(gpu);
    let mut drawer = VolumeDrawer::start(&gpu.0, &gpu.1, || {});
    let content = VolumeContent::new(&case.volume_texture, Some(Arc::clone(&case.volume)), None, 1);
    let transfer = Some(TransferPreset::Bone.function(0.0));
    let mut order = VolumeOrder { view: VolumeView { transfer, ..view(grid()) }, content };
    let until = |drawer: &VolumeDrawer, what: &str, done: &dyn Fn(&VolumeDrawer) -> bool| {
        let begun = Instant::now();
        while !done(drawer) {
            assert!(begun.elapsed() < Duration::from_secs(180), "never came: {what}");
            assert_eq!(drawer.take_error(), None);
            std::thread::sleep(Duration::from_millis(1));
        }
    };
    drawer.halt_next();
    drawer.ask(order.clone());
    until(&drawer, "the coarse picture", &|d| d.picture().finished);
    drawer.halt();
    let picture = drawer.picture();
    assert!(picture.coarse.is_some() && picture.fine.is_none() && picture.finished);
    assert_eq!(drawer.progress(), None);
    drawer.ask(order.clone());
    assert_eq!(drawer.progress(), None, "the same order is no new work");
    order.view.camera.turn(DVec2::new(0.3, 0.0));
    drawer.ask(order);
    assert!(drawer.progress().is_some());
    until(&drawer, "the fine picture", &|d| d.picture().finished && d.picture().fine.is_some());
    assert_eq!(drawer.progress(), None);
}
