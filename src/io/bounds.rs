//! Bounds that every reader keeps before it sets memory aside: which files are opened at all, and how much a small
//! file may unpack to. Called by the readers of `io`, and by whoever reads a file of a user's by itself.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// What any file may unpack to: 512 x 512 x 512 voxels of 16 bits.
const FREE: u64 = 256 << 20;
/// Beyond that a file may unpack to this many times its own size. Images compress to a half or, with losses, to a
/// thirtieth; what packs better is empty.
const MOST_RATIO: u64 = 64;

/// Whether a file of `stored` bytes may hold what takes `unpacked` bytes of memory.
pub fn is_plausible(unpacked: u64, stored: u64) -> bool {
    unpacked <= FREE || unpacked / MOST_RATIO <= stored
}

/// Masks of so many voxels may lie in a file as small as it likes: a single organ packs a thousandfold.
const MASK_VOXELS: u64 = 512 * 512 * 1792;

/// Whether a file of `stored` bytes may hold a mask on a grid of so many voxels.
pub fn is_plausible_mask(voxels: u64, stored: u64) -> bool {
    voxels <= MASK_VOXELS || is_plausible(voxels, stored)
}

/// Opens a file that has an end: a pipe or a device would block, or never stop giving.
///
/// # Errors
/// Those of the operating system, and an error of our own words for what is no regular file.
pub fn open_regular(path: &Path) -> io::Result<File> {
    let metadata = std::fs::metadata(path)?;
    if metadata.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    if !metadata.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no ordinary file"));
    }
    File::open(path)
}

/// All bytes of a file that is expected to be small.
///
/// # Errors
/// As [`open_regular`]; a file of more than `most` bytes is refused before it is read.
pub fn read_bounded(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let file = open_regular(path)?;
    let too_large = || io::Error::new(io::ErrorKind::InvalidData, format!("it is larger than {most} bytes"));
    if file.metadata()?.len() > most {
        return Err(too_large());
    }
    let mut bytes = Vec::new();
    // It may grow while it is read.
    file.take(most + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most { Err(too_large()) } else { Ok(bytes) }
}

/// [`read_bounded`] for text.
///
/// # Errors
/// As [`read_bounded`]; bytes that are no UTF-8 are said.
pub fn read_text_bounded(path: &Path, most: u64) -> io::Result<String> {
    String::from_utf8(read_bounded(path, most)?)
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is not text"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::atomic::plain_reason;

    #[test]
    fn small_files_may_hold_a_volume_and_no_more() {
        assert!(is_plausible(512 * 512 * 300 * 2, 0));
        assert!(is_plausible(1 << 30, 16 << 20));
        assert!(!is_plausible(1 << 30, 15 << 20));
        assert!(!is_plausible(u64::MAX, 1 << 40));
        assert!(is_plausible_mask(512 * 512 * 1500, 0) && !is_plausible_mask(1 << 31, 1 << 20));
    }

    #[test]
    fn only_ordinary_files_of_the_expected_size_are_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        std::fs::write(&path, "four").unwrap();
        assert_eq!(read_text_bounded(&path, 4).unwrap(), "four");
        assert_eq!(plain_reason(&read_bounded(&path, 3).unwrap_err()), "it is larger than 3 bytes");
        assert_eq!(plain_reason(&open_regular(dir.path()).unwrap_err()), "it is a folder");
        std::fs::write(&path, [0xFF]).unwrap();
        assert_eq!(plain_reason(&read_text_bounded(&path, 4).unwrap_err()), "it is not text");
        #[cfg(unix)]
        for device in ["/dev/zero", "/dev/null"] {
            assert_eq!(plain_reason(&read_bounded(Path::new(device), 9).unwrap_err()), "it is no ordinary file");
        }
    }
}
