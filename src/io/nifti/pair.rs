//! NIfTI as two files: `name.hdr` with the header and `name.img` with the voxels, in one folder.
//!
//! The partner's name is made from the name that the user gave; nothing inside a file has a say in it.

use crate::io::bounds::open_regular;
use std::io::Read;
use std::path::{Path, PathBuf};

const HEADER: [&str; 2] = [".hdr", ".hdr.gz"];
const DATA: [&str; 2] = [".img", ".img.gz"];

/// Whether a file is named like the header of a pair and starts like one (other formats use the ending too).
pub fn is_pair_header(path: &Path) -> bool {
    let mut first = [0; 4];
    match without(path, HEADER) {
        Some((_, ".hdr")) => {
            let read = open_regular(path).and_then(|mut f| f.read_exact(&mut first)).is_ok();
            read && [348i32, 540].iter().any(|n| n.to_le_bytes() == first || n.to_be_bytes() == first)
        }
        Some(_) => partner(path, HEADER, DATA).is_some(),
        None => false,
    }
}

/// Whether a file holds the voxels of a pair whose header lies beside it.
pub fn is_pair_data(path: &Path) -> bool {
    header_of(path).is_some_and(|header| is_pair_header(&header))
}

/// Whether a file is named like the voxels of a pair.
pub fn is_named_data(path: &Path) -> bool {
    without(path, DATA).is_some()
}

/// The voxels that belong to a header.
pub fn data_of(header: &Path) -> Option<PathBuf> {
    partner(header, HEADER, DATA)
}

/// The header that belongs to voxels.
pub fn header_of(data: &Path) -> Option<PathBuf> {
    partner(data, DATA, HEADER)
}

/// The name without one of the endings, and that ending in lower case.
fn without<'e>(path: &Path, endings: [&'e str; 2]) -> Option<(String, &'e str)> {
    let name = path.file_name()?.to_string_lossy().into_owned();
    let lower = name.to_ascii_lowercase();
    let ending = endings.into_iter().find(|e| lower.ends_with(e) && lower.len() > e.len())?;
    // Lowering ASCII keeps every byte where it was.
    Some((name[..name.len() - ending.len()].to_owned(), ending))
}

fn partner(path: &Path, own: [&str; 2], other: [&str; 2]) -> Option<PathBuf> {
    let (stem, _) = without(path, own)?;
    let names = other.iter().flat_map(|e| [format!("{stem}{e}"), format!("{stem}{}", e.to_ascii_uppercase())]);
    names.map(|n| path.with_file_name(n)).find(|p| p.is_file())
}
