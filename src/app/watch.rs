//! Notices that the device which draws the window is lost: a driver that was reset, a graphics card that is gone.

use crate::jobs::Waker;
use crate::nn::Pulse;
use crate::workspace::Kept;
use std::sync::{Mutex, OnceLock, PoisonError};

/// What is known about the window's device, and what was kept when it went. Shared by the window and who runs it.
pub struct DeviceWatch {
    asked: Option<Pulse>,
    lost: OnceLock<String>,
    waker: Mutex<Waker>,
    kept: Mutex<Option<Kept>>,
}

impl DeviceWatch {
    /// Watches a device.
    pub fn new(device: &wgpu::Device, queue: &wgpu::Queue) -> Self {
        Self { asked: Some(Pulse::new(device, queue)), ..Self::blind() }
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
        if self.lost.get().is_none() && self.asked.as_ref().is_some_and(Pulse::is_lost) {
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
