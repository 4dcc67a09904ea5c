//! Creating 3-D textures within the device's limits and filling them with bounded host memory.

use super::RenderError;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// Host bytes staged at a time while a whole texture is uploaded; at most two such pieces are in flight.
pub(super) const CHUNK_BYTES: usize = 16 << 20;

/// How long a piece may take before the device counts as lost; software devices are slow, not dead.
const TIMEOUT: Duration = Duration::from_secs(60);

/// Makes a sampled 3-D texture, all zero.
///
/// # Errors
/// [`RenderError::TooLarge`] and [`RenderError::OutOfMemory`].
pub(super) fn create_3d(
    device: &wgpu::Device,
    label: &str,
    dims: [usize; 3],
    format: wgpu::TextureFormat,
) -> Result<wgpu::Texture, RenderError> {
    let limit = device.limits().max_texture_dimension_3d;
    create(device, label, dims, wgpu::TextureDimension::D3, limit, format)
}

/// Makes a sampled 2-D texture of `size` columns and rows, all zero.
///
/// # Errors
/// As [`create_3d`].
pub(super) fn create_flat(
    device: &wgpu::Device,
    label: &str,
    [columns, rows]: [usize; 2],
    format: wgpu::TextureFormat,
) -> Result<wgpu::Texture, RenderError> {
    let limit = device.limits().max_texture_dimension_2d;
    create(device, label, [columns, rows, 1], wgpu::TextureDimension::D2, limit, format)
}

/// Bytes of a texture's texels, without what a driver adds.
pub(super) fn texel_bytes(texture: &wgpu::Texture) -> u64 {
    let size = texture.size();
    let texels = [size.width, size.height, size.depth_or_array_layers].map(u64::from).iter().product::<u64>();
    texels * u64::from(texture.format().block_copy_size(None).unwrap_or_default())
}

fn create(
    device: &wgpu::Device,
    label: &str,
    dims: [usize; 3],
    dimension: wgpu::TextureDimension,
    limit: u32,
    format: wgpu::TextureFormat,
) -> Result<wgpu::Texture, RenderError> {
    let too_large = RenderError::TooLarge { dims, limit };
    let mut size = [0u32; 3];
    for (to, from) in size.iter_mut().zip(dims) {
        *to = u32::try_from(from).map_err(|_| too_large.clone())?;
        if *to == 0 || *to > limit {
            return Err(too_large);
        }
    }
    let bytes = size.iter().map(|&n| u64::from(n)).product::<u64>()
        * u64::from(format.block_copy_size(None).unwrap_or_default());
    // Without a scope the error would reach the device's handler, which by default ends the program.
    let scope = device.push_error_scope(wgpu::ErrorFilter::OutOfMemory);
    let texture = device.create_texture(&wgpu::TextureDescriptor {
        label: Some(label),
        size: wgpu::Extent3d { width: size[0], height: size[1], depth_or_array_layers: size[2] },
        mip_level_count: 1,
        sample_count: 1,
        dimension,
        format,
        // Read back by what looks at the result of passes.
        usage: wgpu::TextureUsages::TEXTURE_BINDING | wgpu::TextureUsages::COPY_DST | wgpu::TextureUsages::COPY_SRC,
        view_formats: &[],
    });
    // On native devices the result of a scope is there at once, so one poll decides.
    match pin!(scope.pop()).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(Some(_)) => Err(RenderError::OutOfMemory { mib: bytes.div_ceil(1 << 20) }),
        Poll::Ready(None) | Poll::Pending => Ok(texture),
    }
}

/// Writes a box of texels. `row` and `rows` describe `data`: bytes per row and rows per image.
pub(super) fn write_box(
    queue: &wgpu::Queue,
    texture: &wgpu::Texture,
    min: [usize; 3],
    size: [usize; 3],
    data: &[u8],
    [row, rows]: [usize; 2],
) {
    // The casts hold: every caller's box lies within a texture whose sizes are u32.
    let [x, y, z] = min.map(|v| v as u32);
    let [width, height, depth_or_array_layers] = size.map(|v| v as u32);
    queue.write_texture(
        wgpu::TexelCopyTextureInfo {
            texture,
            mip_level: 0,
            origin: wgpu::Origin3d { x, y, z },
            aspect: wgpu::TextureAspect::All,
        },
        data,
        wgpu::TexelCopyBufferLayout { offset: 0, bytes_per_row: Some(row as u32), rows_per_image: Some(rows as u32) },
        wgpu::Extent3d { width, height, depth_or_array_layers },
    );
}

/// Keeps the host memory of a long upload bounded: hands pieces over, and waits for the one before last.
pub(super) struct Pacer<'a> {
    device: &'a wgpu::Device,
    queue: &'a wgpu::Queue,
    previous: Option<wgpu::SubmissionIndex>,
}

impl<'a> Pacer<'a> {
    pub(super) fn new(device: &'a wgpu::Device, queue: &'a wgpu::Queue) -> Self {
        Self { device, queue, previous: None }
    }

    /// Submits what was written since the last call.
    ///
    /// # Errors
    /// [`RenderError::DeviceLost`] when an earlier piece does not arrive.
    pub(super) fn submit(&mut self) -> Result<(), RenderError> {
        let index = self.queue.submit([]);
        self.previous.replace(index).map_or(Ok(()), |previous| wait(self.device, previous))
    }
}

/// Waits until what was submitted up to `index` is done.
///
/// # Errors
/// [`RenderError::DeviceLost`] when it takes too long.
pub(super) fn wait(device: &wgpu::Device, index: wgpu::SubmissionIndex) -> Result<(), RenderError> {
    let wait = wgpu::PollType::Wait { submission_index: Some(index), timeout: Some(TIMEOUT) };
    device.poll(wait).map(drop).map_err(|_| RenderError::DeviceLost)
}

/// Slice `k` of a texture of bytes, rows one behind the other.
///
/// # Errors
/// [`RenderError::DeviceLost`] when the device does not answer.
pub(super) fn read_slice(
    device: &wgpu::Device,
    queue: &wgpu::Queue,
    texture: &wgpu::Texture,
    k: usize,
) -> Result<Vec<u8>, RenderError> {
    let (width, height) = (texture.width(), texture.height());
    let row = width.next_multiple_of(wgpu::COPY_BYTES_PER_ROW_ALIGNMENT);
    let buffer = device.create_buffer(&wgpu::BufferDescriptor {
        label: Some("read slice"),
        size: u64::from(row) * u64::from(height),
        usage: wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::MAP_READ,
        mapped_at_creation: false,
    });
    let mut encoder = device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
    encoder.copy_texture_to_buffer(
        wgpu::TexelCopyTextureInfo {
            texture,
            mip_level: 0,
            origin: wgpu::Origin3d { x: 0, y: 0, z: k as u32 },
            aspect: wgpu::TextureAspect::All,
        },
        wgpu::TexelCopyBufferInfo {
            buffer: &buffer,
            layout: wgpu::TexelCopyBufferLayout { offset: 0, bytes_per_row: Some(row), rows_per_image: Some(height) },
        },
        wgpu::Extent3d { width, height, depth_or_array_layers: 1 },
    );
    queue.submit([encoder.finish()]);
    let bytes = buffer.slice(..);
    bytes.map_async(wgpu::MapMode::Read, |_| {});
    wait(device, queue.submit([]))?;
    let read = bytes.get_mapped_range().map_err(|_| RenderError::DeviceLost)?;
    Ok(read.chunks_exact(row as usize).flat_map(|line| line[..width as usize].to_vec()).collect())
}
