//! What a thread has worked, whatever others did meanwhile.

use std::time::Duration;

/// CPU time of the calling thread since it began; `None` where the system does not tell.
pub fn thread_cpu_time() -> Option<Duration> {
    #[cfg(unix)]
    {
        let used = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
        Some(Duration::new(used.tv_sec.try_into().ok()?, used.tv_nsec.try_into().ok()?))
    }
    #[cfg(not(unix))]
    None
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn work_counts_and_sleep_does_not() {
        let begun = thread_cpu_time().unwrap();
        std::thread::sleep(Duration::from_millis(200));
        let slept = thread_cpu_time().unwrap() - begun;
        assert!(slept < Duration::from_millis(100), "{slept:?}");
        let mut n = 0u64;
        while thread_cpu_time().unwrap() - begun < Duration::from_millis(20) {
            n += 1;
        }
        assert!(n > 0);
    }
}
