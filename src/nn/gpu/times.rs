//! How long each kind of kernel of our own takes, for `maskwright bench`. Every kernel is then waited for, so that a step
//! takes longer than without; small kernels take the time of the waiting, some tens of microseconds.

use burn::cubecl::client::Client;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

static TIMED: AtomicBool = AtomicBool::new(false);
static TIMES: Mutex<BTreeMap<&'static str, (usize, f64)>> = Mutex::new(BTreeMap::new());

/// What the kernels of one kind took.
#[derive(Debug, Clone, PartialEq)]
pub struct KernelTime {
    /// Module and type.
    pub kind: &'static str,
    pub count: usize,
    pub seconds: f64,
}

/// Starts or stops counting, from 0.
pub fn time_kernels(on: bool) {
    TIMES.lock().unwrap_or_else(PoisonError::into_inner).clear();
    TIMED.store(on, Ordering::Relaxed);
}

/// What was counted, the longest first.
pub fn kernel_times() -> Vec<KernelTime> {
    let times = TIMES.lock().unwrap_or_else(PoisonError::into_inner);
    let mut list: Vec<KernelTime> =
        times.iter().map(|(kind, (count, seconds))| KernelTime { kind, count: *count, seconds: *seconds }).collect();
    list.sort_by(|a, b| b.seconds.total_cmp(&a.seconds));
    list
}

/// Runs `launch` and, where times are asked for, waits for the kernel.
pub fn timed<T>(client: &Client, launch: impl FnOnce()) {
    if !TIMED.load(Ordering::Relaxed) {
        return launch();
    }
    // A failure shows in the work that follows.
    let _ = pollster::block_on(client.sync());
    let begun = Instant::now();
    launch();
    let _ = pollster::block_on(client.sync());
    let name = std::any::type_name::<T>();
    let kind = name.split_once("::gpu::").map_or(name, |(_, kind)| kind);
    let mut times = TIMES.lock().unwrap_or_else(PoisonError::into_inner);
    let entry = times.entry(kind).or_default();
    entry.0 += 1;
    entry.1 += begun.elapsed().as_secs_f64();
}
