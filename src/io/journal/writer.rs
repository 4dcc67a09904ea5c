//! The thread that writes.

use super::record::{JournalEntry, apply, entry_bytes};
use super::rewrite::{Rewrite, write_snapshot};
use super::{FILE, IMAGE, Inbox, JournalHead, LOCK, PastSource, Shared, Stop};
use crate::core::LabelMap;
use crate::io::atomic::{plain_reason, remove_leftovers, write_atomic};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

/// Rest between two syncs, so that a storm of strokes does not keep the disk busy all the time.
const REST: Duration = Duration::from_millis(100);
/// Between two tries while the disk refuses.
const RETRY: Duration = Duration::from_secs(1);
/// A journal below this size is never replaced by a snapshot.
pub const SMALL: u64 = 256 << 20;

pub struct Writer {
    dir: PathBuf,
    /// The case as it is after all entries taken so far. Its bricks are shared with the window, not copied.
    head: JournalHead,
    /// Until the first snapshot was tried.
    past: Option<PastSource>,
    empty: LabelMap,
    shared: Arc<Shared>,
    /// Held for as long as the thread runs.
    lock: File,
    /// Open for appending, with the length known to be good; `None` until a snapshot was written.
    file: Option<(File, u64)>,
    /// Length of the file when it was last written as a whole.
    snapshot_length: u64,
    /// Below this length it is never written as a whole again.
    small: u64,
    /// A new file that is being written while this one grows.
    rewrite: Option<Rewrite>,
}

/// Tells waiting callers that the thread is gone, also when it panicked.
struct Ended(Arc<Shared>);

impl Drop for Ended {
    fn drop(&mut self) {
        let mut inbox = self.0.lock();
        inbox.ended = true;
        if std::thread::panicking() {
            inbox.failing = Some("the writer of unsaved work ended unexpectedly; save the project".into());
        }
        drop(inbox);
        self.0.news.notify_all();
    }
}

struct Batch {
    entries: Vec<JournalEntry>,
    upto: u64,
    stop: Option<Stop>,
    /// The new file can take the old one's place.
    rewritten: bool,
}

impl Writer {
    pub fn new(
        dir: PathBuf,
        head: JournalHead,
        past: Option<PastSource>,
        lock: File,
        shared: Arc<Shared>,
        small: u64,
    ) -> Self {
        let empty = LabelMap::empty(head.geometry());
        Self { dir, head, past, empty, shared, lock, file: None, snapshot_length: 0, small, rewrite: None }
    }

    pub fn run(mut self) {
        let _ended = Ended(self.shared.clone());
        remove_leftovers(&self.dir.join(FILE));
        // The masks as they are, first of all: the steps that led to them may take long and follow.
        let first = self.snapshot();
        // Tried once: should it fail, other work may have come on top, and the layers matter more than their steps.
        match self.past.take() {
            Some(past) if first.is_ok() => self.start_rewrite(Some(past)),
            _ => self.end_rewrite(),
        }
        self.report(first, 0);
        loop {
            let batch = self.next_batch();
            for entry in &batch.entries {
                apply(&mut self.head.layers, &self.empty, entry);
                if let Some(list) = &entry.measurements {
                    self.head.measurements.clone_from(list);
                }
                if let Some(image) = &entry.image {
                    self.head.fingerprint.hu_sha256.clone_from(image);
                }
            }
            if batch.stop == Some(Stop::Discard) {
                self.give_up_rewrite();
                self.remove();
                return;
            }
            let written = self.write(&batch.entries);
            let worked = written.is_ok();
            self.report(written, batch.upto);
            if batch.rewritten || batch.stop.is_some() {
                self.finish_rewrite();
            }
            if batch.stop.is_some() {
                return;
            }
            self.rest(if worked { REST } else { RETRY });
        }
    }

    /// Waits for entries, a new file, a request to flush or to stop; while writing fails it returns without any, to try
    /// again.
    fn next_batch(&self) -> Batch {
        let mut inbox = self.shared.lock();
        let idle = |i: &Inbox| i.queue.is_empty() && !i.flush && !i.rewritten && i.stop.is_none();
        while idle(&inbox) && inbox.failing.is_none() {
            inbox = self.shared.work.wait(inbox).unwrap_or_else(PoisonError::into_inner);
        }
        inbox.flush = false;
        (inbox.queued_bytes, inbox.largest) = (0, 0);
        let (entries, rewritten) = (std::mem::take(&mut inbox.queue), std::mem::take(&mut inbox.rewritten));
        Batch { entries, upto: inbox.submitted, stop: inbox.stop, rewritten }
    }

    fn rest(&self, time: Duration) {
        let end = Instant::now() + time;
        let mut inbox = self.shared.lock();
        while !inbox.flush && !inbox.rewritten && inbox.stop.is_none() {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            let (guard, _) = self.shared.work.wait_timeout(inbox, left).unwrap_or_else(PoisonError::into_inner);
            inbox = guard;
        }
    }

    fn report(&self, result: io::Result<()>, upto: u64) {
        let mut inbox = self.shared.lock();
        match result {
            Ok(()) => {
                (inbox.started, inbox.synced, inbox.failing) = (true, upto.max(inbox.synced), None);
            }
            Err(e) => inbox.failing = Some(format!("unsaved work cannot be protected: {}", plain_reason(&e))),
        }
        drop(inbox);
        self.shared.news.notify_all();
    }

    /// Appends and syncs; a new snapshot instead when the last write failed or the file is gone. A file that has grown
    /// is written anew beside it.
    fn write(&mut self, entries: &[JournalEntry]) -> io::Result<()> {
        let gone = !self.dir.join(FILE).exists();
        let Some((file, length)) = self.file.as_mut().filter(|_| !gone) else {
            return self.snapshot();
        };
        let mut append = || {
            for entry in entries {
                let bytes = entry_bytes(entry)?;
                file.write_all(&bytes)?;
                *length += bytes.len() as u64;
            }
            file.sync_data()
        };
        if let Err(error) = append() {
            self.file = None;
            return Err(error);
        }
        if *length > self.small.max(4 * self.snapshot_length) && self.rewrite.is_none() {
            self.start_rewrite(None);
        }
        Ok(())
    }

    /// Writes all layers to a new file and renames it into place: the old journal is good until then.
    fn snapshot(&mut self) -> io::Result<()> {
        self.give_up_rewrite();
        self.file = None;
        fs::create_dir_all(&self.dir)?;
        let path = self.dir.join(FILE);
        write_atomic(&path, |out| write_snapshot(out, &self.head, None, &self.dir, &AtomicBool::new(false)))?;
        self.reopen()
    }

    fn reopen(&mut self) -> io::Result<()> {
        let file = File::options().append(true).open(self.dir.join(FILE))?;
        self.snapshot_length = file.metadata()?.len();
        self.file = Some((file, self.snapshot_length));
        Ok(())
    }

    /// Starts a new file of what there is now, or of the `past` that leads to it.
    fn start_rewrite(&mut self, past: Option<PastSource>) {
        let Some(length) = self.file.as_ref().map(|(_, length)| *length) else { return self.end_rewrite() };
        self.shared.lock().rewriting = true;
        match Rewrite::start(&self.dir, self.head.clone(), past, length, self.shared.clone()) {
            Ok(rewrite) => self.rewrite = Some(rewrite),
            Err(error) => {
                tracing::warn!(%error, "the journal of unsaved work could not be written anew");
                self.end_rewrite();
            }
        }
    }

    /// Puts the new file in the old one's place, which waits until it is there. Where that fails the old one goes on.
    fn finish_rewrite(&mut self) {
        let Some(rewrite) = self.rewrite.take() else { return };
        // Closed, because some systems put nothing in the place of an open file.
        match self.file.take().map(|(_, length)| length) {
            Some(length) => {
                if let Err(error) = rewrite.finish(length) {
                    tracing::warn!(%error, "the journal of unsaved work could not be written anew");
                }
                // Where it cannot be opened the next write starts again. Either file's length is where growth is
                // counted from: what failed is not tried at every stroke.
                if let Err(error) = self.reopen() {
                    tracing::warn!(%error, "the journal of unsaved work could not be opened again");
                }
            }
            None => rewrite.give_up(),
        }
        self.end_rewrite();
    }

    fn give_up_rewrite(&mut self) {
        if let Some(rewrite) = self.rewrite.take() {
            rewrite.give_up();
            self.end_rewrite();
        }
    }

    fn end_rewrite(&self) {
        let mut inbox = self.shared.lock();
        (inbox.rewriting, inbox.rewritten) = (false, false);
        drop(inbox);
        self.shared.news.notify_all();
    }

    fn remove(&mut self) {
        self.file = None;
        // Nothing that is left behind can be mistaken for unsaved work without the journal's own file.
        let _ = fs::remove_file(self.dir.join(FILE));
        let _ = fs::remove_file(self.dir.join(IMAGE));
        let _ = self.lock.unlock();
        let _ = fs::remove_file(self.dir.join(LOCK));
        remove_leftovers(&self.dir.join(IMAGE));
        let _ = fs::remove_dir(&self.dir);
    }
}
