//! The curves as TensorBoard reads them: records of length, checksum, protobuf message and checksum, in one file.
//!
//! Framing: TensorFlow's `lib/io/record_writer.h`. Messages: `tensorflow/core/util/event.proto` and
//! `framework/summary.proto`; of them only `Event { wall_time = 1, step = 2, file_version = 3, summary = 5 }`,
//! `Summary { value = 1 }` and `Summary.Value { tag = 1, simple_value = 2 }`.

use super::{EpochRow, TrainError};
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// What the name of every such file begins with.
const PREFIX: &str = "events.out.tfevents.";

/// A file of events that grows with the run.
pub(super) struct EventFile {
    path: PathBuf,
    file: File,
}

impl EventFile {
    /// Starts a file in `folder` with the epochs that are done; those of earlier sessions of the run are replaced, so
    /// that no epoch appears twice.
    ///
    /// # Errors
    /// [`TrainError::Io`].
    pub fn begin(folder: &Path, history: &[EpochRow]) -> Result<Self, TrainError> {
        fs::create_dir_all(folder).map_err(|e| TrainError::io("created", folder, &e))?;
        let entries = fs::read_dir(folder).map_err(|e| TrainError::io("read", folder, &e))?;
        for entry in entries.filter_map(Result::ok) {
            let name = entry.file_name();
            if name.to_str().is_some_and(|name| name.starts_with(PREFIX) && name.ends_with(".maskwright")) {
                fs::remove_file(entry.path()).map_err(|e| TrainError::io("replaced", &entry.path(), &e))?;
            }
        }
        let path = folder.join(format!("{PREFIX}{}.maskwright", now().floor()));
        let file = File::create(&path).map_err(|e| TrainError::io("created", &path, &e))?;
        let mut out = Self { path, file };
        let mut first = double(1, now());
        first.extend(bytes(3, b"brain.Event:2"));
        out.put(&first)?;
        history.iter().try_for_each(|row| out.add(row))?;
        Ok(out)
    }

    /// Adds an epoch.
    ///
    /// # Errors
    /// [`TrainError::Io`].
    pub fn add(&mut self, row: &EpochRow) -> Result<(), TrainError> {
        let mut summary = Vec::new();
        for (tag, value) in scalars(row) {
            let mut entry = bytes(1, tag.as_bytes());
            entry.extend(single(2, value as f32));
            summary.extend(bytes(1, &entry));
        }
        let mut event = double(1, now());
        event.push(2 << 3);
        varint(&mut event, row.epoch as u64);
        event.extend(bytes(5, &summary));
        self.put(&event)
    }

    fn put(&mut self, message: &[u8]) -> Result<(), TrainError> {
        let length = (message.len() as u64).to_le_bytes();
        let mut record = length.to_vec();
        record.extend(masked_crc(&length).to_le_bytes());
        record.extend(message);
        record.extend(masked_crc(message).to_le_bytes());
        self.file.write_all(&record).map_err(|e| TrainError::io("written", &self.path, &e))
    }
}

/// Curves by the names TensorBoard groups them by.
fn scalars(row: &EpochRow) -> Vec<(String, f64)> {
    let mut out = vec![("loss/train".to_owned(), row.train_loss), ("learning_rate".to_owned(), row.lr)];
    let figures = [
        ("loss/validation", row.val_loss),
        ("validation/dice", row.val_dice),
        ("validation/accuracy", row.val_accuracy),
        ("validation/precision", row.val_precision),
        ("validation/recall", row.val_recall),
    ];
    out.extend(figures.into_iter().filter_map(|(tag, value)| Some((tag.to_owned(), value?))));
    for class in &row.classes {
        out.extend(class.dice.map(|v| (format!("dice/{}", class.name), v)));
        out.push((format!("accuracy/{}", class.name), class.accuracy));
    }
    out
}

fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |d| d.as_secs_f64())
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn bytes(field: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![field << 3 | 2];
    varint(&mut out, content.len() as u64);
    out.extend(content);
    out
}

fn double(field: u8, value: f64) -> Vec<u8> {
    let mut out = vec![field << 3 | 1];
    out.extend(value.to_le_bytes());
    out
}

fn single(field: u8, value: f32) -> Vec<u8> {
    let mut out = vec![field << 3 | 5];
    out.extend(value.to_le_bytes());
    out
}

/// CRC-32C (Castagnoli; RFC 3720), turned and shifted as TensorFlow's records have it.
fn masked_crc(data: &[u8]) -> u32 {
    crc32c(data).rotate_right(15).wrapping_add(0xa282_ead8)
}

fn crc32c(data: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in data {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0x82f6_3b78 } else { crc >> 1 };
        }
    }
    !crc
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::ClassFigures;

    #[test]
    fn checksums_are_those_of_the_standard() {
        // RFC 3720, B.4.
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
        assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
        assert_eq!(crc32c(&(0..32).collect::<Vec<u8>>()), 0x46dd_794e);
    }

    /// The messages of a file; panics where a checksum is wrong.
    fn messages(path: &Path) -> Vec<Vec<u8>> {
        let all = fs::read(path).unwrap();
        let (mut rest, mut out) = (all.as_slice(), Vec::new());
        while !rest.is_empty() {
            let length = u64::from_le_bytes(rest[..8].try_into().unwrap()) as usize;
            assert_eq!(masked_crc(&rest[..8]).to_le_bytes(), rest[8..12]);
            let message = rest[12..12 + length].to_vec();
            assert_eq!(masked_crc(&message).to_le_bytes(), rest[12 + length..16 + length]);
            out.push(message);
            rest = &rest[16 + length..];
        }
        out
    }

    #[test]
    fn every_epoch_is_there_once_after_a_resume() {
        let folder = tempfile::tempdir().unwrap();
        let class =
            ClassFigures { name: "lung".into(), dice: Some(0.25), accuracy: 0.5, precision: None, recall: None };
        let row = |epoch| EpochRow { epoch, train_loss: 0.5, classes: vec![class.clone()], ..EpochRow::default() };
        let mut file = EventFile::begin(folder.path(), &[]).unwrap();
        file.add(&row(1)).unwrap();
        file.add(&row(2)).unwrap();
        drop(file);
        let mut file = EventFile::begin(folder.path(), &[row(1)]).unwrap();
        file.add(&row(300)).unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        let found = messages(&file.path);
        assert_eq!(found.len(), 3);
        let holds = |message: &[u8], part: &[u8]| message.windows(part.len()).any(|w| w == part);
        assert!(holds(&found[0], b"brain.Event:2"));
        assert!(holds(&found[1], b"dice/lung") && holds(&found[1], &0.25f32.to_le_bytes()));
        // Field 2, then 300 in base 128.
        assert!(holds(&found[2], &[2 << 3, 0xac, 0x02]));
    }
}
