//! Reading a journal back.

use super::record::{HeadRecord, MAGIC, OLDER_MAGIC, apply, checksum, parse_entry};
use super::{FILE, IMAGE, JournalEntry, JournalError, LOCK, LayerChange, lock};
use crate::core::{LabelMap, Layer, Measurement};
use crate::io::atomic::remove_leftovers;
use crate::io::bounds::open_regular;
use crate::io::bricks::{BrickReader, MAX_ALL_BRICKS, checked_geometry};
use crate::io::saved::Fingerprint;
use crate::io::types::VolumeSource;
use std::fs::{self, File};
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Bricks of all layers that a journal may put, those it removes again included.
const MAX_PUT: usize = 8 * MAX_ALL_BRICKS;

/// Unsaved work.
#[derive(Debug, Clone)]
pub struct Recovered {
    pub name: String,
    pub source: Option<VolumeSource>,
    pub project: Option<PathBuf>,
    pub fingerprint: Fingerprint,
    pub layers: Vec<Layer>,
    pub measurements: Vec<Measurement>,
    /// Format of the project, when it is a later one than this program writes.
    pub newer_project: Option<u32>,
    /// When the journal was last written.
    pub written: Option<SystemTime>,
    /// The end was torn by the crash: what was being written at that moment is missing.
    pub torn: bool,
}

/// Is shown layers and measurements, and the entry that changes them next.
pub type Watch<'a> = dyn FnMut(&[Layer], &[Measurement], &JournalEntry) + 'a;

/// Folders under `parent` that hold unsaved work of programs that no longer run, newest first.
pub fn unfinished(parent: &Path) -> Vec<PathBuf> {
    let Ok(list) = fs::read_dir(parent) else { return Vec::new() };
    let mut found: Vec<(Option<SystemTime>, PathBuf)> = list
        .flatten()
        .map(|e| e.path())
        .filter(|dir| dir.join(FILE).is_file() && matches!(lock(dir), Ok(Some(_))))
        .map(|dir| (fs::metadata(dir.join(FILE)).and_then(|m| m.modified()).ok(), dir))
        .collect();
    found.sort_by(|a, b| b.cmp(a));
    found.into_iter().map(|(_, dir)| dir).collect()
}

/// Removes unsaved work that is not wanted; does nothing while a running program holds it.
///
/// # Errors
/// [`JournalError::Folder`].
pub fn forget(dir: &Path) -> Result<(), JournalError> {
    let failed = |source| JournalError::Folder { path: dir.to_owned(), source };
    let Some(lock) = lock(dir).map_err(failed)? else { return Err(JournalError::InUse(dir.to_owned())) };
    fs::remove_file(dir.join(FILE)).or_else(missing_is_fine).map_err(failed)?;
    fs::remove_file(dir.join(IMAGE)).or_else(missing_is_fine).map_err(failed)?;
    remove_leftovers(&dir.join(FILE));
    remove_leftovers(&dir.join(IMAGE));
    drop(lock);
    // Neither the lock's file nor an empty folder is offered again; leaving one behind does no harm.
    let _ = fs::remove_file(dir.join(LOCK));
    let _ = fs::remove_dir(dir);
    Ok(())
}

/// Removes an image that was still being written when its journal ended; does nothing while there is a journal.
pub fn forget_image(dir: &Path) {
    if !dir.join(FILE).exists() && fs::remove_file(dir.join(IMAGE)).is_ok() {
        let _ = fs::remove_dir(dir);
    }
}

fn missing_is_fine(error: io::Error) -> io::Result<()> {
    if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) }
}

/// Reads all complete records of the journal in `dir`; `None` when there is none or a running program holds it.
///
/// The files are left as they are: start a new journal in the same folder, or [`forget`] it.
///
/// # Errors
/// [`JournalError::Read`], [`JournalError::Damaged`] when not even the head can be read, [`JournalError::Newer`].
pub fn recover(dir: &Path) -> Result<Option<Recovered>, JournalError> {
    recover_watched(dir, &mut |_, _, _| {})
}

/// As [`recover`]; `watch` is shown every entry after the snapshot, with the layers and measurements before it.
///
/// # Errors
/// As [`recover`].
pub fn recover_watched(dir: &Path, watch: &mut Watch<'_>) -> Result<Option<Recovered>, JournalError> {
    let unreadable = |source| JournalError::Read { path: dir.to_owned(), source };
    let file = match open_regular(&dir.join(FILE)) {
        Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => return Ok(None),
        other => other.map_err(unreadable)?,
    };
    if lock(dir).map_err(unreadable)?.is_none() {
        return Ok(None);
    }
    let meta = file.metadata().map_err(unreadable)?;
    let mut reader = Records { left: meta.len(), source: BufReader::with_capacity(1 << 18, file) };
    let damaged = || JournalError::Damaged(dir.to_owned());
    reader.magic().map_err(|newer| if newer { JournalError::Newer(dir.to_owned()) } else { damaged() })?;
    let head = reader.next_payload().ok_or_else(damaged)?;
    let head: HeadRecord = ron::de::from_bytes(&head).map_err(|_| damaged())?;
    let geometry = checked_geometry(&head.fingerprint.geometry).ok_or_else(damaged)?;
    let empty = LabelMap::empty(geometry);
    let mut layers = Vec::new();
    let mut measurements = head.measurements;
    let mut fingerprint = Fingerprint { geometry, ..head.fingerprint };
    let (mut read, mut put) = (0u32, 0usize);
    let mut bricks = BrickReader::new(meta.len());
    while let Some(payload) = reader.next_payload() {
        let Some(entry) = parse_entry(&payload, &empty, &mut bricks) else { break };
        // A layer costs memory for every brick of the grid, be it empty, and a record of a few bytes makes one.
        put += if entry.change == LayerChange::Put { empty.brick_count() } else { 0 };
        if put > MAX_PUT || (layers.len() + 1) * empty.brick_count() > MAX_ALL_BRICKS.max(empty.brick_count()) {
            break;
        }
        if read >= head.layers {
            watch(&layers, &measurements, &entry);
        }
        apply(&mut layers, &empty, &entry);
        if let Some(list) = entry.measurements {
            measurements = list;
        }
        if let Some(image) = entry.image {
            fingerprint.hu_sha256 = image;
        }
        read = read.saturating_add(1);
    }
    Ok(Some(Recovered {
        name: head.name,
        source: head.source.and_then(|s| s.resolve(dir)),
        project: head.project,
        fingerprint,
        layers,
        measurements,
        newer_project: head.newer_project,
        written: meta.modified().ok(),
        torn: reader.left > 0 || read < head.layers,
    }))
}

struct Records {
    source: BufReader<File>,
    left: u64,
}

impl Records {
    /// `Err(true)`: a later version of the format.
    fn magic(&mut self) -> Result<(), bool> {
        let mut magic = [0; 8];
        self.source.read_exact(&mut magic).map_err(|_| false)?;
        self.left = self.left.saturating_sub(8);
        if &magic == MAGIC || OLDER_MAGIC.contains(&&magic) { Ok(()) } else { Err(magic[..6] == MAGIC[..6]) }
    }

    /// The next complete, unharmed payload; `None` at the end or where the file is torn.
    fn next_payload(&mut self) -> Option<Vec<u8>> {
        let mut frame = [0; 8];
        if self.left < 8 {
            return None;
        }
        self.source.read_exact(&mut frame).ok()?;
        let [a, b, c, d, crc @ ..] = frame;
        let length = u64::from(u32::from_le_bytes([a, b, c, d]));
        // A length beyond the file is a torn record; nothing is set aside for it.
        if length > self.left - 8 {
            return None;
        }
        let mut payload = vec![0; usize::try_from(length).ok()?];
        self.source.read_exact(&mut payload).ok()?;
        (checksum(&payload) == u32::from_le_bytes(crc)).then(|| {
            self.left -= 8 + length;
            payload
        })
    }
}
