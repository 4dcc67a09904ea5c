//! Notices that the device which draws the window is lost: a driver that was reset, a graphics card that is gone.
//!
//! wgpu tells of a loss once, to a callback, and cubecl has that callback: without it a lost device would compute zeros
//! for results. So the device is asked instead. On a lost one every request for memory is refused without a word.

use crate::jobs::Waker;
use crate::workspace::Kept;
use std::num::NonZeroU64;
use std::sync::{Mutex, OnceLock, PoisonError};

/// Bytes of the request that the device is asked by.
const BYTES: u64 = 4;

/// What is known about the window's device, and what was kept when it went. Shared by the window and who runs it.
pub struct DeviceWatch {
    asked: Option<(wgpu::Queue, wgpu::Buffer)>,
    lost: OnceLock<String>,
    waker: Mutex<Waker>,
    kept: Mutex<Option<Kept>>,
}

impl DeviceWatch {
    /// Watches a device.
    pub fn new(device: &wgpu::Device, queue: &wgpu::Queue) -> Self {
        let buffer = device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("watch"),
            size: BYTES,
            usage: wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        Self { asked: Some((queue.clone(), buffer)), ..Self::blind() }
    }

    /// Watches nothing and knows only what is reported.
    pub fn blind() -> Self {
        Self { asked: None, lost: OnceLock::new(), waker: Mutex::new(Waker::none()), kept: Mutex::new(None) }
    }

    /// Who is to draw a frame when a loss is found.
    pub fn wake_with(&self, waker: Waker) {
        *self.waker.lock().unwrap_or_else(PoisonError::into_inner) = waker;
    }

    /// Asks the device, and gives why it is lost; a loss is for ever. Cheap enough for every frame.
    pub fn lost(&self) -> Option<&str> {
        if self.lost.get().is_none()
            && let (Some((queue, buffer)), Some(bytes)) = (&self.asked, NonZeroU64::new(BYTES))
            && queue.write_buffer_with(buffer, 0, bytes).is_none()
        {
            self.report("it does not answer any more");
        }
        self.lost.get().map(String::as_str)
    }

    /// The device is lost, as somebody else found.
    pub fn report(&self, reason: &str) {
        if self.lost.set(reason.to_owned()).is_ok() {
            tracing::error!(reason, "the graphics device that draws the window is lost");
            self.waker.lock().unwrap_or_else(PoisonError::into_inner).wake();
        }
    }

    /// Notes what was kept.
    pub(super) fn put(&self, kept: Kept) {
        *self.kept.lock().unwrap_or_else(PoisonError::into_inner) = Some(kept);
    }

    /// What was kept, if the window came as far as having cases.
    pub(super) fn take(&self) -> Option<Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::SharedGpu;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn a_device_that_goes_is_noticed_and_the_window_woken_once() {
        let gpu = match SharedGpu::create() {
            Ok(gpu) => gpu,
            Err(error) => {
                println!("skipped: {error}");
                return;
            }
        };
        // One of its own: the others' goes on.
        let (device, queue) =
            pollster::block_on(gpu.adapter.request_device(&wgpu::DeviceDescriptor::default())).unwrap();
        let watch = DeviceWatch::new(&device, &queue);
        let woken = Arc::new(AtomicUsize::new(0));
        let counter = woken.clone();
        watch.wake_with(Waker::new(move || {
            counter.fetch_add(1, Ordering::SeqCst);
        }));
        for _ in 0..3 {
            assert_eq!(watch.lost(), None);
        }
        device.destroy();
        for _ in 0..3 {
            assert!(watch.lost().is_some());
        }
        assert_eq!(woken.load(Ordering::SeqCst), 1);
        assert!(DeviceWatch::new(&gpu.device, &gpu.queue).lost().is_none());
    }

    #[test]
    fn the_first_reason_stays() {
        let watch = DeviceWatch::blind();
        assert_eq!(watch.lost(), None);
        watch.report("driver reset");
        watch.report("something that followed from it");
        assert_eq!(watch.lost(), Some("driver reset"));
    }
}
