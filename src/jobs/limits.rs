//! Limits of this process that the operating system enforces: memory and processor time.
//!
//! For helper processes alone, before each request: what goes beyond ends the process.

use std::time::Duration;

/// The limits of a process, relative to what it has when they are made.
pub struct Limits {
    /// Bytes of address space at the start.
    #[cfg(target_os = "linux")]
    base: Option<u64>,
}

impl Limits {
    /// Takes note of what this process has now. No memory image is left behind should it fail.
    pub fn of_this_process() -> Self {
        #[cfg(unix)]
        {
            use rustix::process::{Resource, Rlimit, setrlimit};
            let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
        }
        Self {
            #[cfg(target_os = "linux")]
            base: address_space(),
        }
    }

    /// Allows `memory` bytes of address space beyond those at the start (Linux alone), and `time` of the processor
    /// from now on (Unix alone, in whole seconds rounded up).
    pub fn allow(&self, memory: u64, time: Duration) {
        #[cfg(target_os = "linux")]
        if let Some(base) = self.base {
            lower(rustix::process::Resource::As, base.saturating_add(memory));
        }
        #[cfg(unix)]
        {
            let used = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
            let used = u64::try_from(used.tv_sec).unwrap_or(0);
            lower(rustix::process::Resource::Cpu, used + time.as_secs() + 2);
        }
        let _ = (memory, time);
    }
}

/// Sets the soft limit, which may be raised again up to the hard one.
#[cfg(unix)]
fn lower(resource: rustix::process::Resource, wanted: u64) {
    use rustix::process::{Rlimit, getrlimit, setrlimit};
    let maximum = getrlimit(resource).maximum;
    let current = Some(maximum.map_or(wanted, |most| most.min(wanted)));
    // A system that refuses leaves the process without this bound; the owner's patience still holds.
    let _ = setrlimit(resource, Rlimit { current, maximum });
}

/// Bytes of address space of this process.
#[cfg(target_os = "linux")]
fn address_space() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let size = status.lines().find_map(|line| line.strip_prefix("VmSize:"))?;
    let kilobytes: u64 = size.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kilobytes.checked_mul(1024)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn the_address_space_is_known() {
        let before = address_space().unwrap();
        let held = vec![0u8; 256 << 20];
        assert!(address_space().unwrap() >= before + (200 << 20), "{}", held.len());
    }
}
