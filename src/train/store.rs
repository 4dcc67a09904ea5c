//! Preprocessed slices: compact, in memory up to a bound and in a scratch file beyond it.

use super::TrainError;
use crate::core::LabelId;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// One slice in reading orientation at the network's resolution, `size * size` pixels each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slice {
    pub hu: Vec<i16>,
    /// 0 background, else the class.
    pub classes: Vec<LabelId>,
}

/// Slices by index. Reading is safe from several threads.
pub(super) struct SliceStore {
    pixels: usize,
    memory_limit: usize,
    in_memory: Vec<Slice>,
    /// Where the scratch file lives: beside the run, because temporary folders are kept in memory on many systems.
    folder: PathBuf,
    /// Anonymous file: gone when the process is, whatever happens.
    spilled: Option<Mutex<File>>,
    count: usize,
}

/// Memory for slices unless said otherwise: leaves room for a volume and activations on a 4 GB machine.
pub(super) const DEFAULT_MEMORY: usize = 1 << 30;

impl SliceStore {
    /// Empty, for slices of `size` x `size`; at most `memory_limit` bytes are kept in memory, the rest in `folder`.
    pub fn new(size: usize, memory_limit: usize, folder: &Path) -> Self {
        let folder = folder.to_owned();
        Self { pixels: size * size, memory_limit, in_memory: Vec::new(), folder, spilled: None, count: 0 }
    }

    /// Number of slices.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Bytes of one slice.
    fn record(&self) -> usize {
        self.pixels * 3
    }

    /// Bytes held in memory.
    pub fn memory(&self) -> usize {
        self.in_memory.len() * self.record()
    }

    /// Bytes in the scratch file.
    pub fn spilled(&self) -> u64 {
        (self.count - self.in_memory.len()) as u64 * self.record() as u64
    }

    /// Adds a slice of the store's size.
    ///
    /// # Errors
    /// [`TrainError::Io`] when the scratch file cannot be written (a full disk).
    pub fn push(&mut self, slice: Slice) -> Result<usize, TrainError> {
        let index = self.count;
        // Once spilling has begun it goes on: the file's records are those from `in_memory.len()` on.
        if self.spilled.is_none() && self.memory() + self.record() <= self.memory_limit {
            self.in_memory.push(slice);
        } else {
            let mut bytes: Vec<u8> = slice.hu.iter().flat_map(|v| v.to_le_bytes()).collect();
            bytes.extend_from_slice(&slice.classes);
            let file = match self.spilled.take() {
                Some(file) => file,
                None => Mutex::new(tempfile_in(&self.folder)?),
            };
            let written = file.lock().unwrap_or_else(PoisonError::into_inner).write_all(&bytes);
            self.spilled = Some(file);
            written.map_err(|e| TrainError::io("written", &self.folder, &e))?;
        }
        self.count += 1;
        Ok(index)
    }

    /// A copy of slice `index`.
    ///
    /// # Errors
    /// [`TrainError::Io`] when the scratch file cannot be read; [`TrainError::Data`] for an index out of range.
    pub fn get(&self, index: usize) -> Result<Slice, TrainError> {
        if let Some(slice) = self.in_memory.get(index) {
            return Ok(slice.clone());
        }
        let Some(file) = self.spilled.as_ref().filter(|_| index < self.count) else {
            return Err(TrainError::Data(format!("slice {index} of {} was asked for", self.count)));
        };
        let mut bytes = vec![0; self.record()];
        let at = ((index - self.in_memory.len()) * self.record()) as u64;
        let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
        file.seek(SeekFrom::Start(at))
            .and_then(|_| file.read_exact(&mut bytes))
            .map_err(|e| TrainError::io("read", &self.folder, &e))?;
        let (hu, classes) = bytes.split_at(self.pixels * 2);
        Ok(Slice {
            hu: hu.chunks_exact(2).map(|b| i16::from_le_bytes([b[0], b[1]])).collect(),
            classes: classes.to_vec(),
        })
    }
}

/// A file without a name where the system allows it: created, opened and unlinked.
fn tempfile_in(folder: &Path) -> Result<File, TrainError> {
    let stamp = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |d| d.subsec_nanos());
    let path = folder.join(format!(".slices-{}-{stamp}", std::process::id()));
    let file = File::options()
        .read(true)
        .write(true)
        .create_new(true)
        .open(&path)
        .map_err(|e| TrainError::io("created", &path, &e))?;
    // On Windows an open file cannot be removed; it then stays until the system clears its temporary folder.
    let _ = std::fs::remove_file(&path);
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_come_back_from_memory_and_from_the_scratch_file() {
        let slice = |n: i16| Slice { hu: vec![n - 5, n, i16::MIN, i16::MAX], classes: vec![n as u8, 0, 1, 2] };
        let mut store = SliceStore::new(2, 3 * 12, &std::env::temp_dir());
        for n in 0..10 {
            assert_eq!(store.push(slice(n)).unwrap(), n as usize);
        }
        assert_eq!((store.len(), store.memory(), store.spilled()), (10, 36, 84));
        for n in (0..10).rev() {
            assert_eq!(store.get(n as usize).unwrap(), slice(n));
        }
        assert!(store.get(10).is_err());
    }
}
