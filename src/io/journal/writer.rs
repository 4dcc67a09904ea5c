//! The thread that writes.

use super::record::{JournalEntry, MAGIC, apply, entry_bytes, head_bytes};
use super::{FILE, IMAGE, JournalHead, LOCK, Past, Shared, Stop};
use crate::core::LabelMap;
use crate::io::atomic::{plain_reason, write_atomic};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

/// Rest between two syncs, so that a storm of strokes does not keep the disk busy all the time.
const REST: Duration = Duration::from_millis(100);
/// Between two tries while the disk refuses.
const RETRY: Duration = Duration::from_secs(1);
/// A journal below this size is never replaced by a snapshot.
const SMALL: u64 = 256 << 20;

pub struct Writer {
    dir: PathBuf,
    /// The case as it is after all entries taken so far. Its bricks are shared with the window, not copied.
    head: JournalHead,
    /// Until the first snapshot was tried.
    past: Option<Past>,
    empty: LabelMap,
    shared: Arc<Shared>,
    /// Held for as long as the thread runs.
    lock: File,
    /// Open for appending, with the length known to be good; `None` until a snapshot was written.
    file: Option<(File, u64)>,
    snapshot_length: u64,
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
}

impl Writer {
    pub fn new(dir: PathBuf, head: JournalHead, past: Option<Past>, lock: File, shared: Arc<Shared>) -> Self {
        let empty = LabelMap::empty(head.geometry());
        Self { dir, head, past, empty, shared, lock, file: None, snapshot_length: 0 }
    }

    pub fn run(mut self) {
        let _ended = Ended(self.shared.clone());
        let first = self.snapshot();
        self.report(first, 0);
        loop {
            let batch = self.next_batch();
            for entry in &batch.entries {
                apply(&mut self.head.layers, &self.empty, entry);
                if let Some(list) = &entry.measurements {
                    self.head.measurements.clone_from(list);
                }
            }
            if batch.stop == Some(Stop::Discard) {
                self.remove();
                return;
            }
            let written = self.write(&batch.entries);
            let worked = written.is_ok();
            self.report(written, batch.upto);
            if batch.stop.is_some() {
                return;
            }
            self.rest(if worked { REST } else { RETRY });
        }
    }

    /// Waits for entries, a request to flush or to stop; while writing fails it returns without any, to try again.
    fn next_batch(&self) -> Batch {
        let mut inbox = self.shared.lock();
        while inbox.queue.is_empty() && !inbox.flush && inbox.stop.is_none() && inbox.failing.is_none() {
            inbox = self.shared.work.wait(inbox).unwrap_or_else(PoisonError::into_inner);
        }
        inbox.flush = false;
        inbox.queued_bytes = 0;
        Batch { entries: std::mem::take(&mut inbox.queue), upto: inbox.submitted, stop: inbox.stop }
    }

    fn rest(&self, time: Duration) {
        let end = Instant::now() + time;
        let mut inbox = self.shared.lock();
        while !inbox.flush && inbox.stop.is_none() {
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

    /// Appends and syncs; a new snapshot instead when the last write failed, the file is gone, or it has grown.
    fn write(&mut self, entries: &[JournalEntry]) -> io::Result<()> {
        let gone = !self.dir.join(FILE).exists();
        let Some((file, length)) = self.file.as_mut().filter(|_| !gone) else {
            return self.snapshot();
        };
        if *length > SMALL.max(4 * self.snapshot_length) {
            return self.snapshot();
        }
        let mut append = || {
            for entry in entries {
                let bytes = entry_bytes(entry)?;
                file.write_all(&bytes)?;
                *length += bytes.len() as u64;
            }
            file.sync_data()
        };
        append().inspect_err(|_| self.file = None)
    }

    /// Writes all layers to a new file and renames it into place: the old journal is good until then.
    fn snapshot(&mut self) -> io::Result<()> {
        self.file = None;
        fs::create_dir_all(&self.dir)?;
        let path = self.dir.join(FILE);
        // Tried once: should it fail, other work may have come on top, and the layers matter more than their steps.
        let mut past = self.past.take();
        write_atomic(&path, |out| {
            let (layers, measurements) = match &past {
                Some(past) => (&past.layers, &past.measurements),
                None => (&self.head.layers, &self.head.measurements),
            };
            out.write_all(MAGIC)?;
            out.write_all(&head_bytes(&self.head, layers.len(), measurements, &self.dir)?)?;
            for layer in layers {
                out.write_all(&entry_bytes(&JournalEntry::put(layer))?)?;
            }
            match &mut past {
                Some(past) => (past.steps)(&mut |entry| out.write_all(&entry_bytes(entry)?)),
                None => Ok(()),
            }
        })?;
        let file = File::options().append(true).open(&path)?;
        self.snapshot_length = file.metadata()?.len();
        self.file = Some((file, self.snapshot_length));
        Ok(())
    }

    fn remove(&mut self) {
        self.file = None;
        // Nothing that is left behind can be mistaken for unsaved work without the journal's own file.
        let _ = fs::remove_file(self.dir.join(FILE));
        let _ = fs::remove_file(self.dir.join(IMAGE));
        let _ = self.lock.unlock();
        let _ = fs::remove_file(self.dir.join(LOCK));
        let _ = fs::remove_dir(&self.dir);
    }
}
