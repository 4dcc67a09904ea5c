//! The passes between textures and a network's buffers, against what the host makes of the same slices.

use super::*;
use crate::nn::{AxialView, Intensity, resample_hu, resampling_weights};
use crate::render::network::Place;

/// A grid of `dims` whose voxel axes are these patient axes, some of them backwards.
fn grid(dims: [usize; 3], axes: [DVec3; 3]) -> Geometry {
    let [a, b, c] = axes;
    Geometry::new(dims, DAffine3 { matrix3: DMat3::from_cols(a, b, c * 3.0), translation: DVec3::ZERO }).unwrap()
}

fn along(dims: [usize; 3]) -> Geometry {
    grid(dims, [DVec3::X, DVec3::Y, DVec3::Z])
}

/// As NIfTI has it: columns and rows run the other way.
fn backwards(dims: [usize; 3]) -> Geometry {
    grid(dims, [-DVec3::X, -DVec3::Y, DVec3::Z])
}

/// The first axis runs down the picture, and to the left the second.
fn turned(dims: [usize; 3]) -> Geometry {
    grid(dims, [DVec3::Y, -DVec3::X, DVec3::Z])
}

/// The slices lie along the first axis.
fn across(dims: [usize; 3]) -> Geometry {
    grid(dims, [DVec3::Z, DVec3::X, DVec3::Y])
}

fn random(n: usize, seed: u32) -> Vec<u32> {
    let mut state = seed;
    (0..n)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state >> 8
        })
        .collect()
}

/// Where the numbers lie in their buffer: behind what belongs to others.
const OFFSET: u64 = 256;

fn storage(device: &wgpu::Device, values: usize) -> wgpu::Buffer {
    device.create_buffer(&wgpu::BufferDescriptor {
        label: None,
        size: OFFSET + values as u64 * 4,
        usage: wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST,
        mapped_at_creation: false,
    })
}

fn place(buffer: &wgpu::Buffer) -> Place<'_> {
    (buffer, OFFSET, buffer.size() - OFFSET)
}

fn read_floats((device, queue): &Gpu, buffer: &wgpu::Buffer) -> Vec<f32> {
    let read = device.create_buffer(&wgpu::BufferDescriptor {
        label: None,
        size: buffer.size(),
        usage: wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::MAP_READ,
        mapped_at_creation: false,
    });
    let mut encoder = device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
    encoder.copy_buffer_to_buffer(buffer, 0, &read, 0, buffer.size());
    queue.submit([encoder.finish()]);
    read.slice(..).map_async(wgpu::MapMode::Read, |_| {});
    finish(device, queue).unwrap();
    bytemuck::cast_slice(&read.get_mapped_range(..).unwrap()).to_vec()
}

#[test]
fn the_input_made_on_the_device_is_that_of_the_host() {
    let Some(gpu) = gpu() else { return };
    let (device, queue) = gpu;
    let window =
        (Intensity::Window { low: -900.0, high: 500.0 }, InputRange { low: -900.0, range: 1400.0, clip: true });
    let divide = (Intensity::Divide { by: 1000.0 }, InputRange { low: 0.0, range: 1000.0, clip: false });
    let cases = [
        (along([24, 24, 3]), 24, window),
        (along([24, 24, 3]), 24, divide),
        (backwards([24, 20, 4]), 24, window),
        (turned([41, 37, 3]), 16, window),
        (backwards([41, 37, 3]), 56, divide),
        (across([4, 33, 30]), 16, window),
    ];
    for (n, (geometry, size, (intensity, range))) in cases.into_iter().enumerate() {
        let numbers = random(geometry.voxel_count(), n as u32 + 1).into_iter();
        let hu: Vec<i16> = numbers.map(|r| (r % 2200) as i16 - 1100).collect();
        let volume = Volume::new(geometry, hu).unwrap();
        let texture = VolumeTexture::new(device, geometry.dims()).unwrap();
        texture.upload_all(device, queue, volume.hu()).unwrap();
        let view = AxialView::new(&geometry);
        let [width, height, slices] = view.size();
        let weights = [resampling_weights(width, size), resampling_weights(height, size)];
        let axes = crate::core::PlaneAxes::of(&geometry, Plane::Axial);
        let pass = InputPass::new(device, queue, axes, [&weights[0], &weights[1]], range).unwrap();
        let pictures = storage(device, 2 * size * size);
        pass.run(&texture, 1, 2, place(&pictures)).unwrap();
        let found = read_floats(gpu, &pictures);
        let (before, found) = found.split_at(OFFSET as usize / 4);
        assert!(before.iter().all(|v| *v == 0.0), "case {n} wrote into what is not its own");
        let want: Vec<f32> = (1..3)
            .flat_map(|k| resample_hu(&view.slice(&volume, k), [width, height], size))
            .map(|hu| intensity.apply(f32::from(hu)))
            .collect();
        assert!(want.iter().any(|v| *v > 0.1) && want.len() == found.len());
        let off = |limit: f32| found.iter().zip(&want).filter(|(a, b)| (*a - *b).abs() > limit).count();
        // The device may round a sum in its last bit, which is one HU where it lies in the middle between two.
        assert_eq!(off(1.01 / range.range), 0, "case {n}");
        let between = if [width, height] == [size; 2] { 0 } else { want.len() / 8 };
        assert!(off(2e-6) <= between, "case {n}: {} of {} differ", off(2e-6), want.len());
        assert!(matches!(pass.run(&texture, slices - 1, 2, place(&pictures)), Err(RenderError::Slice { .. })));
        assert!(matches!(pass.run(&texture, 0, 3, place(&pictures)), Err(RenderError::Length { .. })));
    }
}

#[test]
fn labels_put_into_the_overlay_on_the_device_are_those_of_the_host() {
    let Some(gpu) = gpu() else { return };
    let (device, queue) = gpu;
    let dims = [41, 37, 4];
    let threshold = 0.5;
    for (n, geometry) in [along(dims), backwards(dims), turned(dims)].into_iter().enumerate() {
        for channels in [1, 2, 5] {
            let view = AxialView::new(&geometry);
            let pixels = dims[0] * dims[1];
            // Few different values: many are equal, some exactly the threshold.
            let values = random(channels * pixels, (n * 10 + channels) as u32).into_iter();
            let probabilities: Vec<f32> = values.map(|r| (r % 9) as f32 / 8.0).collect();
            let label = |pixel: usize| -> u8 {
                let p = |channel: usize| probabilities[channel * pixels + pixel];
                match channels {
                    1 => u8::from(p(0) >= threshold),
                    _ => (1..channels).fold(0, |best, c| if p(c) > p(best) { c } else { best }) as u8,
                }
            };
            let picture: Vec<u8> = (0..pixels).map(label).collect();
            let mut want = vec![0; geometry.voxel_count()];
            view.put_labels(&mut want, 2, &picture);

            let overlay = LabelTexture::new(device, dims).unwrap();
            let before: Vec<u8> = (0..pixels).map(|i| (i % 7) as u8).collect();
            for k in [1, 2] {
                overlay.upload_slice(queue, k, &before).unwrap();
            }
            let answer = storage(device, channels * pixels);
            queue.write_buffer(&answer, OFFSET, bytemuck::cast_slice(&probabilities));
            let axes = crate::core::PlaneAxes::of(&geometry, Plane::Axial);
            let pass = LabelPass::new(device, queue, dims, axes, channels, threshold).unwrap();
            pass.run(place(&answer), &overlay, 2).unwrap();
            assert_eq!(overlay.read_slice(device, queue, 2).unwrap(), want[2 * pixels..3 * pixels], "{n} {channels}");
            assert_eq!(overlay.read_slice(device, queue, 1).unwrap(), before, "another slice");
            assert!(matches!(pass.run(place(&answer), &overlay, 4), Err(RenderError::Slice { .. })));
            let short = storage(device, channels * pixels - 1);
            assert!(matches!(pass.run(place(&short), &overlay, 2), Err(RenderError::Length { .. })));
        }
    }
    let axes = crate::core::PlaneAxes::of(&across(dims), Plane::Axial);
    assert!(matches!(LabelPass::new(device, queue, dims, axes, 1, 0.5), Err(RenderError::Across)));
    let overlay = LabelTexture::new(device, dims).unwrap();
    assert!(matches!(overlay.upload_slice(queue, 0, &[1]), Err(RenderError::Length { .. })));
}
