//! The crash journal: every committed stroke on disk within a second, written off the calling thread.
//!
//! One folder a case. A journal starts with a snapshot of all layers and grows by one checksummed record an entry;
//! what was complete before a crash is read back with the steps that undo takes back, a torn end is ignored. What takes
//! long never keeps a stroke waiting: which image it is may be told later ([`JournalEntry::image`]), and the steps of
//! before, or a snapshot without steps when the file has grown, are written to a file beside it that then takes its
//! place. Trouble with the disk is told by [`Journal::status`]; work goes on in memory and writing is tried again. The
//! workspace starts, feeds and discards journals; nothing else writes to their folders.

mod pack;
mod record;
mod recover;
mod rewrite;
mod writer;

pub use record::{JournalEntry, LayerChange, StepMark};
pub use recover::{Recovered, forget, forget_image, recover, recover_watched, unfinished};

use crate::core::{Geometry, Layer, Measurement};
use crate::io::atomic::plain_reason;
use crate::io::saved::Fingerprint;
use crate::io::types::VolumeSource;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

const FILE: &str = "journal.mwj";
const LOCK: &str = "journal.lock";
/// Name of an image in the journal's folder that is in no other file; it goes with the journal.
pub const IMAGE: &str = "image.nrrd";
/// Bytes of bricks that may wait for the disk beside the largest entry before entries are merged; merged, they cannot
/// exceed the label maps.
const QUEUE_BYTES: usize = 64 << 20;

/// Why a journal could not be started or read.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    #[error("unsaved work cannot be protected in {}: {}", path.display(), plain_reason(source))]
    Folder { path: PathBuf, source: io::Error },
    #[error("{} is in use by another running Maskwright", .0.display())]
    InUse(PathBuf),
    #[error("the unsaved work in {} cannot be read: {}", path.display(), plain_reason(source))]
    Read { path: PathBuf, source: io::Error },
    #[error("the unsaved work in {} is damaged at its start and cannot be read", .0.display())]
    Damaged(PathBuf),
    #[error("the unsaved work in {} was written by a newer Maskwright; update the program to open it", .0.display())]
    Newer(PathBuf),
}

/// What a journal starts from.
#[derive(Debug, Clone)]
pub struct JournalHead {
    /// Safe to show: never a patient's name.
    pub name: String,
    /// Where the image is, so that the case can be opened again; `None` for an image that is in no file.
    pub source: Option<VolumeSource>,
    /// The project's folder, when the case has one.
    pub project: Option<PathBuf>,
    pub fingerprint: Fingerprint,
    pub layers: Vec<Layer>,
    pub measurements: Vec<Measurement>,
    /// Format of the project, when it is a later one than this program writes: it must not be saved into.
    pub newer_project: Option<u32>,
}

/// Gives the entries that lead from where a history begins to the present, one after the other.
pub type StepSource = Box<dyn FnMut(&mut dyn FnMut(&JournalEntry) -> io::Result<()>) -> io::Result<()> + Send>;

/// What was done before the journal starts, so that it can be undone after a crash, too.
pub struct Past {
    /// As they were before the oldest step.
    pub layers: Vec<Layer>,
    pub measurements: Vec<Measurement>,
    pub steps: StepSource,
}

/// Works out what was done before, which may take long, on a thread of the journal's.
pub type PastSource = Box<dyn FnOnce() -> Past + Send>;

impl JournalHead {
    fn geometry(&self) -> Geometry {
        self.fingerprint.geometry
    }
}

/// How the writing goes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JournalStatus {
    /// Entries given but not yet safe on disk.
    pub pending: u64,
    /// Why writing fails at the moment, in plain words; it is tried again until it works.
    pub failing: Option<String>,
}

/// What the threads share.
#[derive(Default)]
struct Inbox {
    queue: Vec<JournalEntry>,
    queued_bytes: usize,
    /// Bytes of the largest entry in the queue.
    largest: usize,
    submitted: u64,
    synced: u64,
    flush: bool,
    stop: Option<Stop>,
    /// The first snapshot is on disk.
    started: bool,
    /// A new file is being written beside the journal, and it can take its place.
    rewriting: bool,
    rewritten: bool,
    failing: Option<String>,
    ended: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stop {
    Keep,
    Discard,
}

#[derive(Default)]
struct Shared {
    inbox: Mutex<Inbox>,
    /// There is something to write.
    work: Condvar,
    /// Something was written, or failed.
    news: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Inbox> {
        self.inbox.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A running journal. Dropping it writes what waits and keeps the file; see [`Journal::discard`].
pub struct Journal {
    dir: PathBuf,
    shared: Arc<Shared>,
    writer: Option<JoinHandle<()>>,
}

impl Journal {
    /// Locks the folder (made when missing) and starts the writer, which begins with a snapshot of `head`.
    ///
    /// Returns at once; an older journal in the folder stays until the new snapshot is complete. With a `past` the steps
    /// that lead to the snapshot are written after it, and take its place.
    ///
    /// # Errors
    /// [`JournalError::Folder`], [`JournalError::InUse`].
    pub fn start(dir: &Path, head: JournalHead, past: Option<PastSource>) -> Result<Self, JournalError> {
        Self::start_small(dir, head, past, writer::SMALL)
    }

    /// As [`Self::start`], never written anew below `small` bytes.
    fn start_small(dir: &Path, head: JournalHead, past: Option<PastSource>, small: u64) -> Result<Self, JournalError> {
        let folder = |source| JournalError::Folder { path: dir.to_owned(), source };
        fs::create_dir_all(dir).map_err(folder)?;
        let lock = lock(dir).map_err(folder)?.ok_or_else(|| JournalError::InUse(dir.to_owned()))?;
        let shared = Arc::new(Shared::default());
        shared.lock().rewriting = past.is_some();
        let writer = writer::Writer::new(dir.to_owned(), head, past, lock, shared.clone(), small);
        let thread = std::thread::Builder::new().name("journal".into()).spawn(move || writer.run()).map_err(folder)?;
        Ok(Self { dir: dir.to_owned(), shared, writer: Some(thread) })
    }

    /// Hands over a committed change. Never waits for the disk.
    pub fn record(&self, entry: JournalEntry) {
        let mut inbox = self.shared.lock();
        inbox.submitted += 1;
        let bytes = entry.bytes();
        inbox.queued_bytes += bytes;
        inbox.largest = inbox.largest.max(bytes);
        inbox.queue.push(entry);
        // Merging forgets steps and takes time here: an operation on the whole volume is no reason for it by itself.
        if inbox.queued_bytes > QUEUE_BYTES + inbox.largest {
            inbox.queue = record::merge(std::mem::take(&mut inbox.queue));
            inbox.queued_bytes = inbox.queue.iter().map(JournalEntry::bytes).sum();
            inbox.largest = inbox.queue.iter().map(JournalEntry::bytes).max().unwrap_or(0);
        }
        drop(inbox);
        self.shared.work.notify_one();
    }

    /// Waits until everything recorded so far is safe on disk, and with it the steps of before where they are still
    /// being written; `false` when the first failed or took longer.
    pub fn flush(&self, timeout: Duration) -> bool {
        let end = Instant::now() + timeout;
        let mut inbox = self.shared.lock();
        let wanted = inbox.submitted;
        inbox.flush = true;
        self.shared.work.notify_one();
        let safe = |inbox: &Inbox| inbox.started && inbox.synced >= wanted;
        while !safe(&inbox) || inbox.rewriting {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() || inbox.ended {
                break;
            }
            let (guard, _) = self.shared.news.wait_timeout(inbox, left).unwrap_or_else(PoisonError::into_inner);
            inbox = guard;
        }
        safe(&inbox) && inbox.failing.is_none()
    }

    /// How the writing goes; cheap enough for every frame.
    pub fn status(&self) -> JournalStatus {
        let inbox = self.shared.lock();
        JournalStatus { pending: inbox.submitted - inbox.synced, failing: inbox.failing.clone() }
    }

    /// The folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The work is saved elsewhere or given up: removes the journal and its folder.
    pub fn discard(mut self) {
        self.end(Stop::Discard);
    }

    fn end(&mut self, stop: Stop) {
        self.shared.lock().stop = Some(stop);
        self.shared.work.notify_one();
        if let Some(thread) = self.writer.take() {
            // A writer that panicked has already said so through the status.
            let _ = thread.join();
        }
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        self.end(Stop::Keep);
    }
}

/// Takes the folder's lock; `None` when a running program holds it. The system frees it when the program ends.
fn lock(dir: &Path) -> io::Result<Option<File>> {
    let file = File::options().create(true).truncate(false).write(true).open(dir.join(LOCK))?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(fs::TryLockError::WouldBlock) => Ok(None),
        Err(fs::TryLockError::Error(e)) => Err(e),
    }
}

#[cfg(test)]
mod tests;
