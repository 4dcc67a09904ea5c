//! A journal that is written anew beside the one that goes on, so that no stroke waits for it.
//!
//! For what takes long: the steps that were done before the journal started, and a journal that has grown. A thread
//! writes a snapshot of a moment to a hidden file; then the writer says how far the old file has come, what it holds
//! since that moment is copied, and the new one takes its place.

use super::record::{JournalEntry, MAGIC, entry_bytes, head_bytes};
use super::{FILE, JournalHead, Past, PastSource, Shared};
use crate::io::atomic::write_atomic;
use std::fs::File;
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};

pub struct Rewrite {
    /// Length of the old file when all is copied.
    end: mpsc::Sender<u64>,
    thread: JoinHandle<io::Result<()>>,
    given_up: Arc<AtomicBool>,
}

/// Wakes the writer when it is dropped.
struct Tell(Arc<Shared>);

impl Drop for Tell {
    fn drop(&mut self) {
        self.0.lock().rewritten = true;
        self.0.work.notify_one();
    }
}

impl Rewrite {
    /// Starts writing the journal of `head`, as the steps that lead to it where there is a `past`. The old file has
    /// `from` bytes that this makes up for.
    ///
    /// The inbox says `rewritten` when the old file's rest is all that is missing, and when it failed.
    ///
    /// # Errors
    /// When there is no thread to be had.
    pub fn start(
        dir: &Path,
        head: JournalHead,
        past: Option<PastSource>,
        from: u64,
        shared: Arc<Shared>,
    ) -> io::Result<Self> {
        let (end, last) = mpsc::channel::<u64>();
        let given_up = Arc::new(AtomicBool::new(false));
        let (dir, stop) = (dir.to_owned(), given_up.clone());
        let thread = thread::Builder::new().name("journal rewrite".into()).spawn(move || {
            let tell = Tell(shared);
            let path = dir.join(FILE);
            write_atomic(&path, |out| {
                let mut past = past.map(|past| past());
                write_snapshot(out, &head, past.as_mut(), &dir, &stop)?;
                // On disk now, because the writer waits for the rest.
                out.flush()?;
                out.get_ref().sync_data()?;
                drop(tell);
                let end = last.recv().map_err(|_| io::ErrorKind::Interrupted)?;
                let mut old = File::open(&path)?;
                old.seek(SeekFrom::Start(from))?;
                let length = end.saturating_sub(from);
                let copied = io::copy(&mut old.take(length), out)?;
                if copied == length { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
            })
        })?;
        Ok(Self { end, thread, given_up })
    }

    /// Waits for the snapshot, takes over what the old file holds up to `end`, and puts the new one in its place. The
    /// old file must not be open for writing, and stays when this fails.
    ///
    /// # Errors
    /// Those of writing.
    pub fn finish(self, end: u64) -> io::Result<()> {
        // A thread that failed takes no more.
        let _ = self.end.send(end);
        self.thread.join().unwrap_or_else(|_| Err(io::Error::other("the thread ended unexpectedly")))
    }

    /// Leaves the old file as it is, and nothing of the new one.
    pub fn give_up(self) {
        self.given_up.store(true, Ordering::Relaxed);
        drop(self.end);
        // Nothing is expected of it any more.
        let _ = self.thread.join();
    }
}

/// Writes the head, all layers, and the steps of a past.
///
/// # Errors
/// Those of writing; [`io::ErrorKind::Interrupted`] when it is to stop.
pub fn write_snapshot(
    out: &mut BufWriter<File>,
    head: &JournalHead,
    past: Option<&mut Past>,
    dir: &Path,
    stop: &AtomicBool,
) -> io::Result<()> {
    let write = |entry: &JournalEntry, out: &mut BufWriter<File>| -> io::Result<()> {
        if stop.load(Ordering::Relaxed) {
            return Err(io::ErrorKind::Interrupted.into());
        }
        out.write_all(&entry_bytes(entry)?)
    };
    let (layers, measurements) = match &past {
        Some(past) => (&past.layers, &past.measurements),
        None => (&head.layers, &head.measurements),
    };
    out.write_all(MAGIC)?;
    out.write_all(&head_bytes(head, layers.len(), measurements, dir)?)?;
    for layer in layers {
        write(&JournalEntry::put(layer), out)?;
    }
    match past {
        Some(past) => (past.steps)(&mut |entry| write(entry, out)),
        None => Ok(()),
    }
}
