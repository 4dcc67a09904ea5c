//! Which entries of an archive are unpacked, and whether all of them may be. Private to `io::archive`.
//!
//! APPNOTE.TXT 6.3.10: section 4.3.14 (zip64 end record), 4.3.16 (end record), 4.4.17 (names).

use super::names::{is_safe, safe_targets, shown_name, unpacked_name};
use super::tail;
use crate::io::types::{Finding, Severity};
use std::io::{Read, Seek};
use std::path::PathBuf;
use zip::{CompressionMethod, ZipArchive};

/// Most entries of an archive: the directory of more would not fit into memory lightly.
const MAX_ENTRIES: u64 = 500_000;
/// Most bytes that are unpacked.
const MAX_BYTES: u64 = 64 << 30;
/// Unpacked, an archive may be this many times its size…
const MAX_RATIO: u64 = 200;
/// …once it is larger than this: masks of zeros compress a thousandfold and are harmless.
const RATIO_FREE: u64 = 1 << 30;
/// The end records lie within so many bytes of the end: a comment of 64 KiB, and the records themselves.
const END: u64 = (64 << 10) + 1024;

/// One entry to unpack.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub index: usize,
    /// Below the unpacked folder.
    pub target: PathBuf,
    /// What the archive calls it, for the reader's eyes alone.
    pub shown: String,
    /// Bytes, as the archive claims.
    pub size: u64,
}

/// What is to be done.
#[derive(Debug)]
pub(super) struct Plan {
    pub entries: Vec<Entry>,
    /// All entries together.
    pub bytes: u64,
    pub findings: Vec<Finding>,
}

/// One finding for entries that are not unpacked.
pub(super) fn left_out(code: &'static str, count: usize, what: &str) -> Finding {
    let text = match count {
        1 => format!("1 entry of the archive is {what} and was left out."),
        n => format!("{n} entries of the archive are {what} and were left out."),
    };
    Finding { severity: Severity::Warning, code, text, file: None }
}

/// Refuses a directory of so many entries that reading it would be the attack.
///
/// # Errors
/// The reason, as the end of a sentence.
pub(super) fn check_directory(file: &mut (impl Read + Seek), size: u64) -> Result<(), String> {
    let end = tail(file, size, END).map_err(|e| crate::io::atomic::plain_reason(&e))?;
    // Only the zip64 record can count beyond 65,535. Wherever these four bytes stand, the count after them is looked at:
    // whoever put them into a comment can do without.
    let counts = end.windows(40).filter(|w| w.starts_with(b"PK\x06\x06"));
    let count = |w: &[u8]| w.get(32..).and_then(|b| b.first_chunk()).map_or(0, |b| u64::from_le_bytes(*b));
    match counts.map(count).max() {
        Some(n) if n > MAX_ENTRIES => Err(format!("it claims {n} entries; up to {MAX_ENTRIES} are read")),
        _ => Ok(()),
    }
}

impl Plan {
    /// Looks at every entry of an archive of `archive_bytes`.
    ///
    /// # Errors
    /// The reason why nothing of it is unpacked, as the end of a sentence.
    pub fn of<R: Read + Seek>(zip: &mut ZipArchive<R>, archive_bytes: u64) -> Result<Self, String> {
        if zip.has_overlapping_files().unwrap_or(true) {
            return Err("its entries overlap, as in archives that are made to fill a disk".into());
        }
        let mut left: [usize; 6] = [0; 6];
        let mut wanted = Vec::new();
        for index in 0..zip.len() {
            let Ok(entry) = zip.by_index_raw(index) else {
                left[5] += 1;
                continue;
            };
            let name = entry.name().map(|n| n.replace('\\', "/")).unwrap_or_default();
            let readable = matches!(entry.compression(), CompressionMethod::Stored | CompressionMethod::Deflated);
            let reason = if !is_safe(&name) {
                Some(1)
            } else if entry.is_symlink() {
                Some(2)
            } else if entry.is_dir() || name.ends_with('/') {
                continue;
            } else if entry.encrypted() {
                Some(0)
            } else {
                match unpacked_name(&name) {
                    Some(Err(())) => Some(3),
                    Some(Ok(())) if !readable => Some(4),
                    Some(Ok(())) => None,
                    None => continue,
                }
            };
            match reason {
                Some(reason) => left[reason] += 1,
                None => wanted.push((index, name, entry.size())),
            }
        }
        let bytes = wanted.iter().try_fold(0u64, |sum, w| sum.checked_add(w.2)).unwrap_or(u64::MAX);
        if bytes > MAX_BYTES {
            return Err(format!("unpacked it would take {} GiB; up to {} are unpacked", bytes >> 30, MAX_BYTES >> 30));
        }
        if bytes > RATIO_FREE && bytes / archive_bytes.max(1) > MAX_RATIO {
            return Err(format!("it would unpack to more than {MAX_RATIO} times its size"));
        }
        let names: Vec<&str> = wanted.iter().map(|w| w.1.as_str()).collect();
        let targets = safe_targets(&names);
        let entry = |(&(index, ref name, size), target): (&(usize, String, u64), PathBuf)| Entry {
            index,
            target,
            shown: shown_name(name),
            size,
        };
        let entries = wanted.iter().zip(targets).map(entry).collect();
        let kinds = [
            ("encrypted-entries", "encrypted"),
            ("unsafe-entries", "named so that it would lie outside the archive's folder"),
            ("link-entries", "a link"),
            ("nested-archives", "an archive itself (unpack it and open the folder)"),
            ("unknown-compression", "compressed in a way that is not built in"),
            ("damaged-entries", "damaged"),
        ];
        let findings = kinds.into_iter().zip(left).filter(|(_, n)| *n > 0);
        Ok(Self { entries, bytes, findings: findings.map(|((code, what), n)| left_out(code, n, what)).collect() })
    }
}
