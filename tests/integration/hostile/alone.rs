//! Tests that need a process of their own: this binary, started again for one of them.
//!
//! There its memory is its own, and what ends the process (an abort, a stack that overflows) ends nothing else.

use super::memory;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// Set in the process that runs a test alone.
const ALONE: &str = "MASKWRIGHT_TEST_ALONE";

/// Where that process finds what was prepared for it.
const FOLDER: &str = "MASKWRIGHT_TEST_FOLDER";

/// Runs `body` in a process of its own. `test` is the full name of the test that calls this.
#[track_caller]
pub fn alone(test: &str, body: impl FnOnce()) {
    alone_on(test, |_| {}, |_| body());
}

/// [`alone`] with a folder that `prepare` fills here, so that the memory this takes is not that of the other process.
#[track_caller]
pub fn alone_on(test: &str, prepare: impl FnOnce(&Path), body: impl FnOnce(&Path)) {
    if std::env::var_os(ALONE).is_some_and(|name| name == test) {
        end_when_it_hangs();
        let folder = PathBuf::from(std::env::var_os(FOLDER).unwrap());
        memory::count();
        body(&folder);
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    prepare(folder.path());
    let output = Command::new(std::env::current_exe().unwrap())
        .args([test, "--exact", "--nocapture"])
        .env(ALONE, test)
        .env(FOLDER, folder.path())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    print!("{out}");
    assert!(output.status.success(), "{test} ended with {}\n{err}", output.status);
    // Without this a wrong name would be a test that cannot fail.
    assert!(out.contains("1 passed"), "{test} is no test of this binary");
}

/// Ends this process, and so fails its test, once it has worked for hours: what never ends must not keep everything
/// waiting. No test is near to it on any machine.
fn end_when_it_hangs() {
    #[cfg(unix)]
    {
        let limit = libc::rlimit { rlim_cur: 3 * 3600, rlim_max: 3 * 3600 };
        // SAFETY: the pointer leads to a place that outlives the call.
        let done = unsafe { libc::setrlimit(libc::RLIMIT_CPU, &limit) };
        assert_eq!(done, 0);
    }
}

/// Time that the processor spent in this process: unlike a clock's it does not pass while others work.
#[cfg(target_os = "linux")]
pub fn processor_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer leads to a place that outlives the call.
    let done = unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut time) };
    assert_eq!(done, 0);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// A clock's time where the processor's is not asked for.
#[cfg(not(target_os = "linux"))]
pub fn processor_time() -> Duration {
    static START: std::sync::LazyLock<std::time::Instant> = std::sync::LazyLock::new(std::time::Instant::now);
    START.elapsed()
}
