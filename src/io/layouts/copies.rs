//! One image kept twice (a DICOM series and its NIfTI copy) is one patient: else a network would be tested on what it
//! was trained on.

use super::{DatasetCase, LayoutError};
use crate::core::Geometry;
use crate::io::Placement;
use crate::io::load_volume;
use crate::jobs::{JobContext, Waker};
use sha2::{Digest, Sha256};
use std::sync::Arc;

/// A case on its way through [`join_copies`].
struct Entry {
    geometry: Geometry,
    case: DatasetCase,
    /// Made when another case lies in the same place; `None` inside for an image that cannot be read.
    print: Option<Option<[u8; 32]>>,
}

/// Gives copies of one image the patient of the first; of two copies the one whose masks the other has too is dropped.
///
/// Images are copies when their voxels lie in the same places, whatever the order of the axes, and hold the same values.
/// Only images in the same place are read.
///
/// # Errors
/// [`LayoutError::Cancelled`].
pub(super) fn join_copies(
    cases: Vec<(Geometry, DatasetCase)>,
    ctx: &JobContext<()>,
) -> Result<Vec<DatasetCase>, LayoutError> {
    let mut kept: Vec<Entry> = Vec::new();
    for (geometry, case) in cases {
        let mut entry = Entry { geometry, case, print: None };
        let mut copy = None;
        for (at, other) in kept.iter_mut().enumerate() {
            let whole = Placement::find(&entry.geometry, &other.geometry).is_some_and(|p| p.is_whole());
            if whole && other.print(ctx)?.is_some() && other.print == Some(entry.print(ctx)?) {
                copy = Some(at);
                break;
            }
        }
        match copy.and_then(|at| kept.get_mut(at)) {
            None => kept.push(entry),
            Some(first) if first.has_masks_of(&entry) => {}
            Some(first) => {
                entry.case.patient.clone_from(&first.case.patient);
                if entry.has_masks_of(first) {
                    *first = entry;
                } else {
                    kept.push(entry);
                }
            }
        }
    }
    Ok(kept.into_iter().map(|e| e.case).collect())
}

impl Entry {
    /// Whether every mask of `other` is here under the same name.
    fn has_masks_of(&self, other: &Self) -> bool {
        other.case.masks.iter().all(|m| self.case.masks.iter().any(|own| own.name == m.name))
    }

    /// A sum over how often each value occurs, which does not depend on the order of the voxels.
    fn print(&mut self, ctx: &JobContext<()>) -> Result<Option<[u8; 32]>, LayoutError> {
        if let Some(known) = self.print {
            return Ok(known);
        }
        ctx.progress.say("Comparing images that lie in one place");
        let (quiet, _) = JobContext::attached(ctx.cancel.clone(), Arc::default(), Waker::none());
        let print = match load_volume(&self.case.source, &quiet) {
            Ok(volume) => {
                let mut counts = vec![0u64; 1 << 16];
                for hu in volume.hu().iter() {
                    counts[usize::from(hu.cast_unsigned())] += 1;
                }
                let mut sum = Sha256::new();
                counts.iter().for_each(|n| sum.update(n.to_le_bytes()));
                Some(sum.finalize().into())
            }
            Err(_) if ctx.is_cancelled() => return Err(LayoutError::Cancelled),
            // Whoever reads the case for its own sake tells why it cannot be read.
            Err(_) => None,
        };
        self.print = Some(print);
        Ok(print)
    }
}
