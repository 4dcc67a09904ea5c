//! Free space where archives are unpacked. Private to `io::archive`.

use std::path::Path;

/// Left free for everything else that writes there.
pub(super) const SPARE: u64 = 512 << 20;

/// Bytes that this user can still write, where the system tells.
#[cfg(unix)]
pub(super) fn free_bytes(folder: &Path) -> Option<u64> {
    let stat = rustix::fs::statvfs(folder).ok()?;
    stat.f_bavail.checked_mul(stat.f_frsize)
}

/// Not asked for here: a full disk ends the unpacking with its own sentence.
#[cfg(not(unix))]
pub(super) fn free_bytes(_: &Path) -> Option<u64> {
    None
}
