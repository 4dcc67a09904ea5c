//! Asks a graphics device whether it is still there. Used for the window's device (`app::DeviceWatch`) and for one of burn's
//! own before it is used again.
//!
//! wgpu tells of a loss once, to a callback, and cubecl has that callback: without it a lost device would compute zeros
//! for results. So the device is asked instead. On a lost one every request for memory is refused without a word.

use std::num::NonZeroU64;

/// Bytes of the request that the device is asked by.
const BYTES: NonZeroU64 = NonZeroU64::MIN.saturating_add(3);

/// The way to ask one device. Cloning copies handles.
#[derive(Debug, Clone)]
pub struct Pulse {
    queue: wgpu::Queue,
    buffer: wgpu::Buffer,
}

impl Pulse {
    /// Of a device and its queue.
    pub fn new(device: &wgpu::Device, queue: &wgpu::Queue) -> Self {
        let buffer = device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("watch"),
            size: BYTES.get(),
            usage: wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        Self { queue: queue.clone(), buffer }
    }

    /// Whether the device is gone; a loss is for ever. Cheap enough for every frame.
    pub fn is_lost(&self) -> bool {
        self.queue.write_buffer_with(&self.buffer, 0, BYTES).is_none()
    }
}
