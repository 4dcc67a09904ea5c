//! Names of what is still being written, and what an ended program left under such names. Private to `io::atomic`.
//!
//! A name is `.TARGET.PROCESS-SERIAL.PURPOSE`. A file being written is locked itself; a folder being filled has a lock
//! file beside it that is there before the folder and goes after it.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

static SERIAL: AtomicU64 = AtomicU64::new(0);
/// Bytes of the target's name that are kept, so that the whole stays below the 255 that file systems allow.
const KEPT: usize = 180;

/// What stands under a hidden name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// The new state, incomplete.
    New,
    /// The state before, while it is being replaced.
    Old,
    /// The lock of a folder.
    Lock,
}

impl Purpose {
    const ALL: [Self; 3] = [Self::New, Self::Old, Self::Lock];

    fn ending(self) -> &'static str {
        match self {
            Self::New => "tmp",
            Self::Old => "old",
            Self::Lock => "lock",
        }
    }
}

/// `.TARGET.` of the hidden names that belong to `path`.
fn prefix(path: &Path) -> io::Result<String> {
    let name = path.file_name().ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "no file name"))?;
    let name = name.to_string_lossy();
    let end = (0..=KEPT.min(name.len())).rev().find(|&n| name.is_char_boundary(n)).unwrap_or(0);
    Ok(format!(".{}.", &name[..end]))
}

/// A name beside `path` that nothing else has.
pub(super) fn hidden_name(path: &Path, purpose: Purpose) -> io::Result<PathBuf> {
    let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
    let name = format!("{}{}-{serial}.{}", prefix(path)?, std::process::id(), purpose.ending());
    Ok(path.with_file_name(name))
}

/// The hidden name of the same writer with another purpose.
pub(super) fn sibling(hidden: &Path, purpose: Purpose) -> PathBuf {
    hidden.with_extension(purpose.ending())
}

/// Marks a file as being written until it is closed. Where the file system knows no locks, nothing is marked.
pub(super) fn lock(file: &File) -> io::Result<()> {
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => Err(io::ErrorKind::ResourceBusy.into()),
        // A system without locks: leftovers then stay, which does no harm.
        Ok(()) | Err(TryLockError::Error(_)) => Ok(()),
    }
}

/// Whether nothing holds the lock of `file` any more.
fn is_abandoned(file: &Path) -> bool {
    File::options().write(true).open(file).is_ok_and(|f| f.try_lock().is_ok())
}

/// The purpose of `name` when it is a hidden name that begins with `prefix`.
fn purpose(name: &OsStr, prefix: &str) -> Option<Purpose> {
    let rest = name.to_str()?.strip_prefix(prefix)?;
    let (numbers, ending) = rest.rsplit_once('.')?;
    let (process, serial) = numbers.split_once('-')?;
    let digits = |t: &str| !t.is_empty() && t.bytes().all(|b| b.is_ascii_digit());
    let known = digits(process) && digits(serial);
    Purpose::ALL.into_iter().find(|p| known && p.ending() == ending)
}

/// Removes what programs that were killed while they wrote `path` left beside it. A state that was just being replaced
/// comes back where the new one never took its place. What cannot be removed stays; it is hidden.
pub fn remove_leftovers(path: &Path) {
    let Ok(prefix) = prefix(path) else { return };
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let Ok(list) = fs::read_dir(folder) else { return };
    let names: Vec<OsString> = list.flatten().map(|e| e.file_name()).collect();
    let mut locks = Vec::new();
    for name in &names {
        let Some(purpose) = purpose(name, &prefix) else { continue };
        let hidden = folder.join(name);
        if purpose == Purpose::Lock {
            locks.push(hidden);
            continue;
        }
        let own_lock = if hidden.is_dir() { sibling(&hidden, Purpose::Lock) } else { hidden.clone() };
        if own_lock.exists() && !is_abandoned(&own_lock) {
            continue;
        }
        let came_back = purpose == Purpose::Old && !path.exists() && fs::rename(&hidden, path).is_ok();
        if !came_back {
            let _ = if hidden.is_dir() { fs::remove_dir_all(&hidden) } else { fs::remove_file(&hidden) };
        }
    }
    // Last, because a folder without its lock would be taken for abandoned.
    for lock in locks.into_iter().filter(|l| is_abandoned(l)) {
        let _ = fs::remove_file(lock);
    }
}
