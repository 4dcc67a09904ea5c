//! The numbers of a mask file as they were read: a byte a voxel beside a table, and nothing for slices without any.
//!
//! Filled by the readers of volume files, laid onto an image by `orient`. A mask of one organ packs a thousandfold in
//! its file; here it must not become gigabytes either.

use std::collections::HashMap;

/// One number a voxel, i fastest; 0 is background. At most 255 others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Numbers {
    /// The number that each byte stands for; the first is 0.
    table: Vec<u32>,
    known: HashMap<u32, u8>,
    slice_length: usize,
    slices: Vec<Option<Box<[u8]>>>,
    /// The slice that is being filled.
    next: Vec<u8>,
    last: (u32, u8),
}

/// More different numbers than labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooMany;

impl Numbers {
    /// Empty, for slices of so many voxels.
    pub fn new(slice_length: usize) -> Self {
        Self {
            table: vec![0],
            known: HashMap::from([(0, 0)]),
            slice_length,
            slices: Vec::new(),
            next: Vec::new(),
            last: (0, 0),
        }
    }

    /// The next voxel.
    ///
    /// # Errors
    /// [`TooMany`].
    pub fn push(&mut self, value: u32) -> Result<(), TooMany> {
        if value != self.last.0 {
            let id = match self.known.get(&value) {
                Some(id) => *id,
                None => {
                    let id = u8::try_from(self.table.len()).map_err(|_| TooMany)?;
                    self.table.push(value);
                    self.known.insert(value, id);
                    id
                }
            };
            self.last = (value, id);
        }
        self.next.push(self.last.1);
        if self.next.len() == self.slice_length {
            let filled = self.next.iter().any(|id| *id != 0);
            self.slices.push(filled.then(|| self.next.as_slice().into()));
            self.next.clear();
        }
        Ok(())
    }

    /// The different numbers besides 0, in the order in which they were met.
    pub fn values(&self) -> &[u32] {
        self.table.get(1..).unwrap_or_default()
    }

    /// The bytes of a slice along k, which [`Self::values`] numbers from 1; `None` where all is background.
    pub fn slice(&self, k: usize) -> Option<&[u8]> {
        self.slices.get(k)?.as_deref()
    }

    /// Every number in the file's order.
    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        self.slices.iter().flat_map(move |slice| {
            (0..self.slice_length).map(move |n| {
                let id = slice.as_ref().map_or(0, |bytes| bytes[n]);
                self.table[usize::from(id)]
            })
        })
    }
}

#[cfg(test)]
impl Numbers {
    /// From all numbers of a grid of these sizes.
    pub fn of(dims: [usize; 3], values: &[u32]) -> Self {
        let mut numbers = Self::new(dims[0] * dims[1]);
        values.iter().for_each(|&v| numbers.push(v).unwrap());
        numbers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back_and_empty_slices_take_nothing() {
        let values = [0, 0, 0, 4618, 7, 4618, 0, 0, 0];
        let numbers = Numbers::of([3, 1, 3], &values);
        assert_eq!(numbers.iter().collect::<Vec<_>>(), values);
        assert_eq!(numbers.values(), [4618, 7]);
        assert_eq!((numbers.slice(0), numbers.slice(1), numbers.slice(3)), (None, Some(&[1, 2, 1][..]), None));
    }

    #[test]
    fn labels_end_at_255() {
        let mut numbers = Numbers::new(10);
        assert!((0..=255).all(|v| numbers.push(v * 1000).is_ok()));
        assert_eq!(numbers.push(1), Err(TooMany));
        assert_eq!(numbers.push(255_000), Ok(()));
    }
}
