//! A folder whose files appear together.

use super::hidden::{Purpose, hidden_name, lock, remove_leftovers, sibling};
use super::{NewFolder, sync_folder};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

/// A folder that is filled under a hidden name beside its target and gets its name when it is complete.
///
/// Dropped before [`FolderWrite::finish`], it takes everything away again.
pub struct FolderWrite {
    target: PathBuf,
    hidden: PathBuf,
    lock_file: PathBuf,
    /// Freed by the system when the program ends, however it ends.
    _lock: File,
    finished: bool,
    /// Dropped last: folders above the target that were made for it and are still empty.
    _above: NewFolder,
}

impl FolderWrite {
    /// Starts a folder for `target`, after removing what a killed program left of an earlier attempt. Missing folders
    /// above it are made.
    ///
    /// # Errors
    /// [`io::ErrorKind::AlreadyExists`] when `target` exists and is no empty folder; else what the system reported.
    pub fn begin(target: &Path) -> io::Result<Self> {
        Self::replacing(target, |_| false)
    }

    /// As [`FolderWrite::begin`]; an existing folder that `is_ours` is replaced at the end.
    ///
    /// # Errors
    /// As [`FolderWrite::begin`].
    pub fn replacing(target: &Path, is_ours: impl Fn(&Path) -> bool) -> io::Result<Self> {
        let parent = target.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let above = NewFolder::create(parent)?;
        remove_leftovers(target);
        if target.exists() && !is_empty_folder(target) && !is_ours(target) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let hidden = hidden_name(target, Purpose::New)?;
        let lock_file = sibling(&hidden, Purpose::Lock);
        let file = File::options().write(true).create_new(true).open(&lock_file)?;
        let this = Self { target: target.to_owned(), hidden, lock_file, _lock: file, finished: false, _above: above };
        lock(&this._lock)?;
        fs::create_dir(&this.hidden)?;
        Ok(this)
    }

    /// Where to write the files.
    pub fn path(&self) -> &Path {
        &self.hidden
    }

    /// Gives the folder its name. An older one under that name is put aside first and then removed.
    ///
    /// # Errors
    /// What the system reported; the older folder is then back in its place.
    pub fn finish(mut self) -> io::Result<()> {
        sync_folder(&self.hidden.join("any"));
        let old = sibling(&self.hidden, Purpose::Old);
        let replaces = self.target.exists();
        if replaces {
            fs::rename(&self.target, &old)?;
        }
        if let Err(error) = fs::rename(&self.hidden, &self.target) {
            if replaces {
                fs::rename(&old, &self.target)?;
            }
            return Err(error);
        }
        self.finished = true;
        sync_folder(&self.target);
        if replaces {
            // Complete under its name; a rest of the old one is hidden, and the next export removes it.
            let _ = fs::remove_dir_all(&old);
        }
        Ok(())
    }
}

impl Drop for FolderWrite {
    fn drop(&mut self) {
        if !self.finished {
            // The failure itself is being reported; what cannot be removed stays hidden until the next export.
            let _ = fs::remove_dir_all(&self.hidden);
        }
        let _ = fs::remove_file(&self.lock_file);
    }
}

fn is_empty_folder(path: &Path) -> bool {
    fs::read_dir(path).is_ok_and(|mut list| list.next().is_none())
}

#[cfg(test)]
mod tests {
    use super::super::write_atomic_bytes;
    use super::*;

    fn names(dir: &Path) -> Vec<String> {
        let mut names: Vec<String> =
            fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_folder_appears_whole_or_not_at_all() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("new/deep/export");
        let folder = FolderWrite::begin(&target).unwrap();
        write_atomic_bytes(&folder.path().join("a"), b"1").unwrap();
        assert!(!target.exists());
        drop(folder);
        assert!(names(dir.path()).is_empty(), "the folders above were made for it");
        let folder = FolderWrite::begin(&target).unwrap();
        write_atomic_bytes(&folder.path().join("a"), b"1").unwrap();
        folder.finish().unwrap();
        assert_eq!((names(target.parent().unwrap()), names(&target)), (vec!["export".to_owned()], vec!["a".into()]));
        let refused = FolderWrite::begin(&target).err().unwrap();
        assert_eq!(refused.kind(), io::ErrorKind::AlreadyExists);
        let folder = FolderWrite::replacing(&target, |_| true).unwrap();
        write_atomic_bytes(&folder.path().join("b"), b"2").unwrap();
        folder.finish().unwrap();
        assert_eq!((names(target.parent().unwrap()), names(&target)), (vec!["export".to_owned()], vec!["b".into()]));
    }

    #[test]
    fn leftovers_go_and_what_is_being_written_stays() {
        let dir = tempfile::tempdir().unwrap();
        let (target, file) = (dir.path().join("export"), dir.path().join("mask.nii"));
        // As a killed program leaves them: a folder with its lock, a file, and a state that was being replaced.
        fs::create_dir(dir.path().join(".export.7-1.tmp")).unwrap();
        fs::write(dir.path().join(".export.7-1.tmp/0000.png"), b"half").unwrap();
        fs::write(dir.path().join(".export.7-1.lock"), b"").unwrap();
        fs::create_dir(dir.path().join(".export.7-1.old")).unwrap();
        fs::write(dir.path().join(".export.7-1.old/0001.png"), b"whole").unwrap();
        fs::write(dir.path().join(".mask.nii.7-2.tmp"), b"half").unwrap();
        for other in [".export.notes.tmp", ".exports.7-1.tmp", "export.7-1.tmp", ".mask.nii.7.tmp"] {
            fs::write(dir.path().join(other), b"someone else's").unwrap();
        }
        let others = 4;
        let busy = FolderWrite::replacing(&target, |_| true).unwrap();
        assert_eq!(names(&target), ["0001.png"], "what was being replaced is back");
        remove_leftovers(&file);
        assert!(busy.path().is_dir());
        remove_leftovers(&target);
        assert!(busy.path().is_dir(), "it is locked");
        let writing = super::super::write_atomic(&file, |w| {
            use std::io::Write;
            w.write_all(b"whole")?;
            remove_leftovers(&file);
            Ok(())
        });
        writing.unwrap();
        assert_eq!(fs::read(&file).unwrap(), b"whole");
        drop(busy);
        assert_eq!(names(dir.path()).len(), others + 2, "{:?}", names(dir.path()));
    }

    #[test]
    fn long_names_can_be_written() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ä".repeat(125));
        write_atomic_bytes(&path, b"x").unwrap();
        assert!(path.is_file());
        FolderWrite::begin(&dir.path().join("b".repeat(250))).unwrap().finish().unwrap();
    }
}
