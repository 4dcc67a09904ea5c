//! Files and folders that are complete or absent: written under a temporary name beside the target, synced, renamed.
//!
//! Every module that writes a user's file goes through here. What is being written is locked, and the system frees the
//! lock when the program ends: so the next export tells what a killed program left behind from what another one is
//! still writing, and [`remove_leftovers`] takes it away.

mod folder;
mod hidden;

pub use folder::FolderWrite;
pub use hidden::remove_leftovers;

use hidden::{Purpose, hidden_name, lock};
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

/// Removes the temporary file unless it was renamed.
struct Scratch {
    path: PathBuf,
    keep: bool,
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if !self.keep {
            // The write already failed and is being reported; a leftover that cannot be removed adds nothing.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Writes `path` by way of a hidden sibling; on any error the old file is untouched and nothing new is left.
///
/// # Errors
/// Whatever the operating system reported, unchanged, so that callers can tell a full disk from a missing folder.
pub fn write_atomic(path: &Path, write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>) -> io::Result<()> {
    let mut scratch = Scratch { path: hidden_name(path, Purpose::New)?, keep: false };
    let file = File::options().write(true).create_new(true).open(&scratch.path)?;
    lock(&file)?;
    let mut writer = BufWriter::with_capacity(1 << 18, file);
    write(&mut writer)?;
    writer.flush()?;
    // Held, and with it the lock, until the file has its name.
    let file = writer.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.sync_all()?;
    fs::rename(&scratch.path, path)?;
    scratch.keep = true;
    drop(file);
    sync_folder(path);
    Ok(())
}

/// Whether a file can be made in a folder: looked at by making one, because rights, full disks and mounts all count.
pub fn can_write_into(folder: &Path) -> bool {
    let Ok(path) = hidden_name(&folder.join("write-test"), Purpose::New) else { return false };
    let scratch = Scratch { path, keep: false };
    File::options().write(true).create_new(true).open(&scratch.path).is_ok_and(|mut f| f.write_all(b"x").is_ok())
}

/// [`write_atomic`] for bytes that are already there.
///
/// # Errors
/// As [`write_atomic`].
pub fn write_atomic_bytes(path: &Path, bytes: &[u8]) -> io::Result<()> {
    write_atomic(path, |w| w.write_all(bytes))
}

/// A folder made for results that are still to come; when it is dropped empty, what was made goes again.
pub struct NewFolder {
    /// Folders that were not there before, the innermost first.
    made: Vec<PathBuf>,
}

impl NewFolder {
    /// Makes `path` and what is missing above it, which also tells early that it can be made.
    ///
    /// # Errors
    /// Whatever the operating system reported, unchanged.
    pub fn create(path: &Path) -> io::Result<Self> {
        let missing = |p: &&Path| !p.as_os_str().is_empty() && !p.exists();
        let guard = Self { made: path.ancestors().take_while(missing).map(Path::to_owned).collect() };
        fs::create_dir_all(path)?;
        Ok(guard)
    }
}

impl Drop for NewFolder {
    fn drop(&mut self) {
        for folder in &self.made {
            // Refused by the system for a folder that holds something, which is then kept.
            if fs::remove_dir(folder).is_err() {
                break;
            }
        }
    }
}

/// Makes the rename durable where the system can: a power cut must not bring the old name back.
fn sync_folder(path: &Path) {
    if let Some(parent) = path.parent() {
        let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
        // Folders cannot be opened on every system; the file itself is already synced.
        if let Ok(folder) = File::open(parent) {
            let _ = folder.sync_all();
        }
    }
}

/// The operating system's reason in words a user can act on.
pub fn plain_reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "it does not exist".into(),
        io::ErrorKind::PermissionDenied => "permission is denied".into(),
        io::ErrorKind::StorageFull => "the disk is full".into(),
        io::ErrorKind::FileTooLarge => "the file is larger than this place allows".into(),
        io::ErrorKind::ReadOnlyFilesystem => "the disk is read-only".into(),
        io::ErrorKind::IsADirectory => "it is a folder".into(),
        io::ErrorKind::NotADirectory => "a part of its path is not a folder".into(),
        io::ErrorKind::UnexpectedEof => "it ends too early".into(),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_write_leaves_the_old_file_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("mask.bin");
        write_atomic_bytes(&path, b"first").unwrap();
        let failed = write_atomic(&path, |w| {
            w.write_all(b"half of the sec")?;
            Err(io::Error::from(io::ErrorKind::StorageFull))
        });
        assert_eq!(plain_reason(&failed.unwrap_err()), "the disk is full");
        assert_eq!(fs::read(&path).unwrap(), b"first");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_new_folder_goes_unless_something_is_in_it() {
        let dir = tempfile::tempdir().unwrap();
        drop(NewFolder::create(&dir.path().join("a/b")).unwrap());
        assert!(!dir.path().join("a").exists());
        let guard = NewFolder::create(&dir.path().join("a/b")).unwrap();
        fs::write(dir.path().join("a/b/x"), b"x").unwrap();
        drop(guard);
        assert!(dir.path().join("a/b/x").exists());
        fs::create_dir(dir.path().join("old")).unwrap();
        drop(NewFolder::create(&dir.path().join("old")).unwrap());
        assert!(dir.path().join("old").exists(), "it was there before");
        assert!(NewFolder::create(&dir.path().join("a/b/x/y")).is_err());
    }

    #[test]
    fn a_missing_folder_is_said() {
        let error = write_atomic_bytes(Path::new("/nonexistent-folder/x"), b"").unwrap_err();
        assert_eq!(plain_reason(&error), "it does not exist");
    }
}
