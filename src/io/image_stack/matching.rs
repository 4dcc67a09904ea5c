//! Which picture belongs to which slice.

use crate::io::natural::natural_path_cmp;
use crate::io::open::stem;
use crate::io::types::DicomStack;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// What tied the pictures to their slices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MatchedBy {
    /// Picture and slice file are named alike.
    Name,
    /// The n-th picture by name belongs to the n-th slice.
    Order,
}

/// Pictures along the volume's k.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pictures {
    /// One entry a slice, in the order of the slices.
    pub slices: Vec<Option<PathBuf>>,
    pub matched: MatchedBy,
}

impl Pictures {
    /// As they come, the first on slice 0.
    pub fn in_order(files: &[PathBuf]) -> Self {
        Self { slices: files.iter().cloned().map(Some).collect(), matched: MatchedBy::Order }
    }

    /// The pictures that there are.
    pub fn files(&self) -> impl Iterator<Item = &PathBuf> {
        self.slices.iter().flatten()
    }

    /// Those of `files` that are named like a slice of the stack, if any is; several slices never share one.
    pub fn named_like(stack: &DicomStack, files: &[PathBuf]) -> Option<Self> {
        let mut by_name: HashMap<String, Option<&PathBuf>> = HashMap::new();
        for file in files {
            // Two pictures of one name (a PNG and a JPEG) leave it open which is meant.
            by_name.entry(stem(file)).and_modify(|f| *f = None).or_insert(Some(file));
        }
        let named = |path: &Path| names(path).iter().find_map(|n| by_name.get(n).copied().flatten());
        let slices: Vec<Option<PathBuf>> = stack.slices.iter().map(|s| named(&s.path).cloned()).collect();
        let mut used: Vec<&PathBuf> = slices.iter().flatten().collect();
        let count = used.len();
        used.sort();
        used.dedup();
        (count > 0 && used.len() == count).then_some(Self { slices, matched: MatchedBy::Name })
    }

    /// All of `files` on the slices of the stack: by name when each is named like a slice, else by order when there is
    /// one a slice. `None` when neither is so.
    pub fn on_slices(stack: &DicomStack, files: &[PathBuf]) -> Option<Self> {
        let named = Self::named_like(stack, files).filter(|p| p.files().count() == files.len());
        named.or_else(|| (files.len() == stack.slices.len()).then(|| Self::by_rank(stack, files)))
    }

    /// The n-th picture belongs to the n-th file of the series by name, wherever that lies in the volume.
    ///
    /// CHAOS numbers its `Ground` pictures so; its own evaluation sorts both lists by name, and the files of some of its
    /// patients run from head to foot and of others from foot to head.
    fn by_rank(stack: &DicomStack, files: &[PathBuf]) -> Self {
        let mut order: Vec<usize> = (0..stack.slices.len()).collect();
        order.sort_by(|&a, &b| {
            let (a, b) = (&stack.slices[a], &stack.slices[b]);
            natural_path_cmp(&a.path, &b.path).then(a.frame.cmp(&b.frame))
        });
        let mut slices = vec![None; files.len()];
        for (file, slice) in files.iter().zip(order) {
            if let Some(place) = slices.get_mut(slice) {
                *place = Some(file.clone());
            }
        }
        Self { slices, matched: MatchedBy::Order }
    }
}

/// What a picture of this slice file may be called: the name as it is, or without an ending.
fn names(path: &Path) -> [String; 3] {
    let text = |name: Option<&std::ffi::OsStr>| name.map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    [stem(path), text(path.file_name()), text(path.file_stem())]
}
