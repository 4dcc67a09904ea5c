//! Slices that the loop learns from and is judged on, each a checked file of its own.

use super::{Effort, LearnError, files};
use crate::core::Volume;
use crate::io::bounds::read_bounded;
use crate::nn::sha256_hex;
use crate::train::Slice;
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::sync::Arc;

const MAGIC: &[u8; 8] = b"MWSLICE1";
/// Largest file: a slice of 4096 x 4096, and its description.
const MOST: u64 = (4096 * 4096 * 3) + (1 << 16);
/// Longest description.
const MOST_INFO: usize = 1 << 16;

/// What a slice is there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Role {
    /// Corrected in this loop; trains.
    Corrected,
    /// Corrected in this loop and set aside: judges candidates, never trains.
    SetAside,
    /// Of the data that the first weights were trained with; trains.
    Earlier,
    /// Of that data's validation part: judges candidates.
    EarlierValidation,
}

/// Whose work the labels are: kinds, never names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum SampleOrigin {
    /// A person drew or corrected it, or looked at it and called it right.
    Human,
    /// It came with the data.
    Imported,
    /// A simulated annotator's.
    Simulated,
}

/// Where a slice came from. Cases have keys made from their voxels ([`case_key`]), never names.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SampleInfo {
    pub case: String,
    /// Axial slice of the case, in storage order.
    pub slice: usize,
    pub role: Role,
    pub origin: SampleOrigin,
    /// Version that was in use when it was corrected.
    pub version: usize,
    /// Place in the order of arrival.
    pub order: u64,
    pub effort: Effort,
}

/// A slice at the network's resolution.
#[derive(Debug, Clone)]
pub struct Sample {
    pub info: SampleInfo,
    pub slice: Arc<Slice>,
}

/// A name for a case that says nothing of the patient: the first 16 digits of the SHA-256 of its grid and voxels.
pub fn case_key(volume: &Volume) -> String {
    let geometry = volume.geometry();
    let mut bytes: Vec<u8> = geometry.dims().iter().flat_map(|d| (*d as u64).to_le_bytes()).collect();
    bytes.extend(geometry.world_from_voxel().to_cols_array().iter().flat_map(|v| v.to_le_bytes()));
    bytes.extend_from_slice(sha256_hex(bytemuck::cast_slice(volume.hu())).as_bytes());
    let mut key = sha256_hex(&bytes);
    key.truncate(16);
    key
}

impl Sample {
    /// The file's name: made of a key and numbers alone.
    pub(super) fn file_name(&self) -> String {
        let kind = match self.info.role {
            Role::Corrected | Role::SetAside => "c",
            Role::Earlier | Role::EarlierValidation => "e",
        };
        let plain: String = self.info.case.chars().filter(char::is_ascii_alphanumeric).take(32).collect();
        format!("{kind}-{plain}-{:05}.slice", self.info.slice)
    }

    /// Whether both are the same slice of the same case, in the same kind of role.
    pub(super) fn replaces(&self, other: &Self) -> bool {
        self.file_name() == other.file_name()
    }

    pub(super) fn save(&self, folder: &Path) -> Result<(), LearnError> {
        let path = folder.join(self.file_name());
        let info = serde_json::to_vec(&self.info)
            .map_err(|e| LearnError::Damaged { path: path.clone(), reason: e.to_string() })?;
        let mut bytes = MAGIC.to_vec();
        bytes.extend((info.len() as u32).to_le_bytes());
        bytes.extend(info);
        bytes.extend((self.slice.classes.len() as u32).to_le_bytes());
        bytes.extend(self.slice.hu.iter().flat_map(|v| v.to_le_bytes()));
        bytes.extend_from_slice(&self.slice.classes);
        let sum = sha256_hex(&bytes);
        bytes.extend_from_slice(sum.as_bytes());
        files::write(&path, &bytes)
    }

    pub(super) fn load(path: &Path) -> Result<Self, LearnError> {
        let bytes = read_bounded(path, MOST).map_err(|e| LearnError::io("read", path, &e))?;
        parse(&bytes).map_err(|reason| LearnError::Damaged { path: path.into(), reason: reason.into() })
    }
}

fn parse(bytes: &[u8]) -> Result<Sample, &'static str> {
    const SHORT: &str = "it ends too early";
    let (body, sum) = bytes.len().checked_sub(64).and_then(|at| bytes.split_at_checked(at)).ok_or(SHORT)?;
    if sha256_hex(body).as_bytes() != sum {
        return Err("it differs from its checksum");
    }
    let rest = body.strip_prefix(MAGIC).ok_or("it is no slice of a learning loop")?;
    let (info, rest) = counted(rest).filter(|(n, _)| *n <= MOST_INFO).ok_or(SHORT)?;
    let (info, rest) = rest.split_at_checked(info).ok_or(SHORT)?;
    let info: SampleInfo = serde_json::from_slice(info).map_err(|_| "its description is not readable")?;
    let (pixels, rest) = counted(rest).ok_or(SHORT)?;
    if rest.len() != pixels * 3 {
        return Err(SHORT);
    }
    let (hu, classes) = rest.split_at(pixels * 2);
    let hu = hu.chunks_exact(2).map(|b| i16::from_le_bytes([b[0], b[1]])).collect();
    Ok(Sample { info, slice: Arc::new(Slice { hu, classes: classes.to_vec() }) })
}

fn counted(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (count, rest) = bytes.split_first_chunk::<4>()?;
    Some((u32::from_le_bytes(*count) as usize, rest))
}

/// Earlier data for a loop that begins with the weights of the loop in `root`: what it was taught, and what judged it; at
/// most so many of each, the newest.
///
/// # Errors
/// [`LearnError`] when the folder holds no loop, or its pool cannot be read.
pub fn replay_of_loop(root: &Path, [training, validation]: [usize; 2]) -> Result<[Vec<Slice>; 2], LearnError> {
    if !super::is_loop(root) {
        return Err(LearnError::Missing(root.into()));
    }
    let (samples, _) = load_pool(&root.join("pool"))?;
    let newest = |roles: [Role; 2], most: usize| {
        let of = samples.iter().rev().filter(|s| roles.contains(&s.info.role));
        of.take(most).map(|s| (*s.slice).clone()).collect::<Vec<Slice>>()
    };
    Ok([
        newest([Role::Corrected, Role::Earlier], training),
        newest([Role::SetAside, Role::EarlierValidation], validation),
    ])
}

/// All slices of a folder, in the order of arrival. Damaged ones are left out and named.
pub(super) fn load_pool(folder: &Path) -> Result<(Vec<Sample>, Vec<LearnError>), LearnError> {
    let entries = std::fs::read_dir(folder).map_err(|e| LearnError::io("read", folder, &e))?;
    let (mut samples, mut broken) = (Vec::new(), Vec::new());
    for path in entries.filter_map(Result::ok).map(|e| e.path()) {
        if path.extension().is_some_and(|e| e == "slice") {
            match Sample::load(&path) {
                Ok(sample) => samples.push(sample),
                Err(error) => broken.push(error),
            }
        }
    }
    samples.sort_by_key(|s| (s.info.order, s.file_name()));
    Ok((samples, broken))
}
