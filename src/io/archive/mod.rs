//! ZIP archives as sources: unpacked into a private temporary folder under names of our own.
//!
//! `scan` opens an archive through [`unpack`], saved projects name the archive and the place inside it. What the archive
//! calls its entries never becomes a path (see `names`). Entries that are encrypted, links, archives themselves, or named
//! so that they would leave the target are left out and reported. Sizes are bounded before the first byte is written, and
//! while writing. The folder is locked while the program runs, removed by [`clean_up`] at its end, and by
//! [`remove_stale`] at the next start if that end never came.

mod names;
mod plan;
mod room;

use crate::io::atomic::plain_reason;
use crate::io::types::Finding;
use crate::jobs::{JobContext, catch_panic};
use plan::{Entry, Plan};
use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Component, Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};
use zip::ZipArchive;

/// First part of the names of our temporary folders.
const FOLDER: &str = "maskwright-unpacked-";
const LOCK: &str = ".lock";
/// A folder without a lock may be another program's that is just beginning; after this it is not.
const BEGINNING: Duration = Duration::from_secs(3600);
/// Bytes copied between looks at the cancel token.
const PIECE: u64 = 1 << 20;

/// Why an archive could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    #[error("{} cannot be read: {}", path.display(), plain_reason(source))]
    Read { path: PathBuf, source: io::Error },
    #[error("{} is no ZIP archive, or is damaged; unpack it with another program and open the folder", .0.display())]
    Damaged(PathBuf),
    #[error("{} is encrypted; unpack it with its password and open the folder", .0.display())]
    Encrypted(PathBuf),
    #[error("{} holds nothing that can be opened{}", path.display(), reason.as_ref().map(|r| format!(": {r}")).unwrap_or_default())]
    Nothing { path: PathBuf, reason: Option<String> },
    #[error("{} was refused: {reason}", path.display())]
    Refused { path: PathBuf, reason: String },
    #[error("{} cannot be unpacked: it needs {} MiB and {} has {} MiB free; free some space there or set TMPDIR to a larger disk", path.display(), needed >> 20, folder.display(), free >> 20)]
    NoRoom { path: PathBuf, folder: PathBuf, needed: u64, free: u64 },
    #[error("{} cannot be unpacked into {}: {}", path.display(), folder.display(), plain_reason(source))]
    Write { path: PathBuf, folder: PathBuf, source: io::Error },
    #[error("unpacking was stopped before the end")]
    Cancelled,
}

/// An archive's content.
#[derive(Debug, Clone)]
pub struct Unpacked {
    pub folder: PathBuf,
    /// What was left out, and why.
    pub findings: Vec<Finding>,
}

/// One unpacked archive of this program.
struct Held {
    archive: PathBuf,
    size: u64,
    modified: Option<SystemTime>,
    content: Unpacked,
    /// What the archive calls its files, by their places below the folder.
    names: HashMap<PathBuf, String>,
    /// Keeps the folder from being taken for a stale one.
    _lock: File,
}

static HELD: Mutex<Vec<Held>> = Mutex::new(Vec::new());
static SERIAL: AtomicU64 = AtomicU64::new(0);

fn held() -> MutexGuard<'static, Vec<Held>> {
    HELD.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether a file begins like a ZIP archive, or is called one.
pub fn is_archive(path: &Path) -> bool {
    if path.extension().is_some_and(|e| e.eq_ignore_ascii_case("zip")) {
        return true;
    }
    let mut head = [0; 4];
    let read = File::open(path).and_then(|mut f| f.read_exact(&mut head));
    read.is_ok() && matches!(&head, b"PK\x03\x04" | b"PK\x05\x06")
}

/// Unpacks `archive`, or finds it unpacked already.
///
/// # Errors
/// [`ArchiveError`]; nothing is left behind then.
pub fn unpack(archive: &Path, ctx: &JobContext<()>) -> Result<Unpacked, ArchiveError> {
    let unreadable = |source| ArchiveError::Read { path: archive.to_owned(), source };
    let real = fs::canonicalize(archive).map_err(unreadable)?;
    let meta = fs::metadata(&real).map_err(unreadable)?;
    let (size, modified) = (meta.len(), meta.modified().ok());
    let same = |h: &&Held| h.archive == real && h.size == size && h.modified == modified && h.content.folder.is_dir();
    if let Some(known) = held().iter().find(same) {
        return Ok(known.content.clone());
    }
    remove_stale();
    let damaged = || ArchiveError::Damaged(archive.to_owned());
    let mut file = File::open(&real).map_err(unreadable)?;
    plan::check_directory(&mut file, size).map_err(|reason| refused(archive, reason))?;
    // A parser of somebody else's reads bytes of somebody else's.
    let mut zip = catch_panic(|| ZipArchive::new(file)).ok().and_then(Result::ok).ok_or_else(damaged)?;
    let plan = catch_panic(|| Plan::of(&mut zip, size)).map_err(|_| damaged())?;
    let plan = plan.map_err(|reason| refused(archive, reason))?;
    if plan.entries.is_empty() {
        let path = archive.to_owned();
        return Err(match plan.findings.first() {
            Some(f) if f.code == "encrypted-entries" => ArchiveError::Encrypted(path),
            reason => ArchiveError::Nothing { path, reason: reason.map(|f| f.text.trim_end_matches('.').to_owned()) },
        });
    }
    let parent = std::env::temp_dir();
    if let Some(free) = room::free_bytes(&parent)
        && free < plan.bytes.saturating_add(room::SPARE)
    {
        return Err(ArchiveError::NoRoom { path: archive.to_owned(), folder: parent, needed: plan.bytes, free });
    }
    let (folder, lock) = private_folder(&parent).map_err(|source| ArchiveError::Write {
        path: archive.to_owned(),
        folder: parent.clone(),
        source,
    })?;
    match extract(archive, &mut zip, &plan, &folder, ctx) {
        Ok(broken) => {
            let mut findings = plan.findings;
            findings.extend(broken);
            let content = Unpacked { folder, findings };
            let names = plan.entries.into_iter().map(|e| (e.target, e.shown)).collect();
            held().push(Held { archive: real, size, modified, content: content.clone(), names, _lock: lock });
            Ok(content)
        }
        Err(error) => {
            drop(lock);
            discard(&folder);
            Err(error)
        }
    }
}

/// For a file that was unpacked: its archive, and its place below the unpacked folder.
pub fn origin(path: &Path) -> Option<(PathBuf, PathBuf)> {
    let held = held();
    held.iter().find_map(|h| Some((h.archive.clone(), path.strip_prefix(&h.content.folder).ok()?.to_owned())))
}

/// For a file that was unpacked: what its archive calls it, to be shown and nothing else. No path of the archive is in it.
pub fn shown_name(path: &Path) -> Option<String> {
    let held = held();
    let name = held.iter().find_map(|h| h.names.get(path.strip_prefix(&h.content.folder).ok()?))?;
    (!name.is_empty()).then(|| name.clone())
}

/// The file at a place inside an archive, which is unpacked for it; `None` for a place that leads out of the archive.
///
/// # Errors
/// As [`unpack`].
pub fn file_in(archive: &Path, inside: &Path, ctx: &JobContext<()>) -> Result<Option<PathBuf>, ArchiveError> {
    if !inside.components().all(|c| matches!(c, Component::Normal(_))) {
        return Ok(None);
    }
    Ok(Some(unpack(archive, ctx)?.folder.join(inside)))
}

/// Removes what this program unpacked. Call when nothing reads from it any more: at the end of the program.
pub fn clean_up() {
    for h in std::mem::take(&mut *held()) {
        let folder = h.content.folder.clone();
        // Some systems do not remove a file that is open.
        drop(h);
        discard(&folder);
    }
}

/// Removes what programs unpacked that have ended without cleaning up.
pub fn remove_stale() {
    let Ok(entries) = fs::read_dir(std::env::temp_dir()) else { return };
    for entry in entries.flatten() {
        let is_folder = entry.file_type().is_ok_and(|t| t.is_dir());
        if is_folder && entry.file_name().to_string_lossy().starts_with(FOLDER) && is_stale(&entry.path()) {
            discard(&entry.path());
        }
    }
}

fn is_stale(folder: &Path) -> bool {
    match File::options().write(true).open(folder.join(LOCK)) {
        Ok(lock) => lock.try_lock().is_ok(),
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            let age = fs::metadata(folder).and_then(|m| m.modified()).ok().and_then(|t| t.elapsed().ok());
            age.is_some_and(|age| age > BEGINNING)
        }
        // Somebody else's.
        Err(_) => false,
    }
}

fn discard(folder: &Path) {
    if let Err(error) = fs::remove_dir_all(folder) {
        tracing::warn!(%error, "an unpacked archive was left behind in the temporary folder");
    }
}

fn refused(archive: &Path, reason: String) -> ArchiveError {
    ArchiveError::Refused { path: archive.to_owned(), reason }
}

/// Makes and locks a new folder that only this user can look into.
fn private_folder(parent: &Path) -> io::Result<(PathBuf, File)> {
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    loop {
        let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
        let folder = parent.join(format!("{FOLDER}{}-{serial}", std::process::id()));
        match builder.create(&folder) {
            // Of an earlier program with our number.
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => continue,
            Err(e) => return Err(e),
            Ok(()) => {}
        }
        // Locked before it has its name: a lock that can be taken means that nobody is there.
        let unnamed = folder.join(".lock-new");
        let lock = File::options().write(true).create_new(true).open(&unnamed)?;
        lock.lock()?;
        fs::rename(unnamed, folder.join(LOCK))?;
        return Ok((folder, lock));
    }
}

/// Writes all entries; those that turn out damaged are left out with one finding.
fn extract<R: Read + Seek>(
    archive: &Path,
    zip: &mut ZipArchive<R>,
    plan: &Plan,
    folder: &Path,
    ctx: &JobContext<()>,
) -> Result<Option<Finding>, ArchiveError> {
    ctx.progress.say("Unpacking the archive");
    ctx.progress.set(0, plan.entries.len() as u64);
    let mut broken = 0;
    for entry in &plan.entries {
        let target = folder.join(&entry.target);
        let failed = |source| ArchiveError::Write { path: archive.to_owned(), folder: folder.to_owned(), source };
        if let Some(parent) = target.parent() {
            fs::create_dir_all(parent).map_err(failed)?;
        }
        let mut out = File::options().write(true).create_new(true).open(&target).map_err(failed)?;
        match catch_panic(|| copy(zip, entry, &mut out, ctx)) {
            Ok(Ok(())) => {}
            Ok(Err(Trouble::Cancelled)) => return Err(ArchiveError::Cancelled),
            Ok(Err(Trouble::Write(source))) => return Err(failed(source)),
            Ok(Err(Trouble::Damaged)) | Err(_) => {
                broken += 1;
                drop(out);
                fs::remove_file(&target).map_err(failed)?;
            }
        }
        ctx.progress.step();
        ctx.wake();
    }
    Ok((broken > 0).then(|| plan::left_out("damaged-entries", broken, "damaged")))
}

enum Trouble {
    Damaged,
    Write(io::Error),
    Cancelled,
}

/// Copies one entry, no more than it claims to hold.
fn copy<R: Read + Seek>(
    zip: &mut ZipArchive<R>,
    entry: &Entry,
    out: &mut File,
    ctx: &JobContext<()>,
) -> Result<(), Trouble> {
    let mut source = zip.by_index(entry.index).map_err(|_| Trouble::Damaged)?;
    let mut left = entry.size + 1;
    let mut buffer = vec![0; PIECE.min(left) as usize];
    loop {
        if ctx.is_cancelled() {
            return Err(Trouble::Cancelled);
        }
        let n = source.read(&mut buffer).map_err(|_| Trouble::Damaged)? as u64;
        if n == 0 {
            break;
        }
        left = left.checked_sub(n).filter(|left| *left > 0).ok_or(Trouble::Damaged)?;
        io::Write::write_all(out, &buffer[..n as usize]).map_err(Trouble::Write)?;
    }
    // One byte more than the entry's size was allowed, so that a longer one shows.
    if left == 1 { Ok(()) } else { Err(Trouble::Damaged) }
}

/// Reads the last bytes of a file.
fn tail(file: &mut (impl Read + Seek), size: u64, wanted: u64) -> io::Result<Vec<u8>> {
    file.seek(SeekFrom::Start(size.saturating_sub(wanted)))?;
    let mut bytes = Vec::new();
    file.take(wanted).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests;
