//! Bricks of a label map as bytes: shared by the project file and the crash journal.
//!
//! An entry is the brick's index (u32, little endian), a byte that says what follows, and that: 0 nothing, all is
//! background; 1 the 4096 labels; 2, in journals alone, the one label that all of them have.

use crate::core::{BRICK_EDGE, Brick, BrickIndex, Geometry, LabelMap, VoxelBox};
use crate::io::bounds::is_plausible;
use crate::io::samples::checked_dims;
use std::io::{self, Read, Write};
use std::sync::Arc;

const BRICK_LEN: usize = BRICK_EDGE * BRICK_EDGE * BRICK_EDGE;
/// Most bricks a stored label map may have; a sane grid stays far below, and an empty map of this many is 32 MiB.
const MAX_BRICKS: usize = 1 << 22;
/// Most bricks of all layers of a case, empty ones included: 800 layers of 512 x 512 x 300 voxels.
pub const MAX_ALL_BRICKS: usize = 1 << 24;

/// A grid read from a file, with its invariants checked again; `None` when it cannot be held.
pub fn checked_geometry(stored: &Geometry) -> Option<Geometry> {
    let dims = checked_dims(stored.dims().map(|d| d as u64)).ok()?;
    let bricks: usize = dims.iter().map(|d| d.div_ceil(BRICK_EDGE)).product();
    if bricks > MAX_BRICKS {
        return None;
    }
    Geometry::new(dims, stored.world_from_voxel()).ok()
}

/// What follows an index.
const BACKGROUND: u8 = 0;
const LABELS: u8 = 1;
const ONE_LABEL: u8 = 2;

/// Writes one entry as projects have it.
///
/// # Errors
/// Those of `out`.
pub fn write_entry(out: &mut impl Write, index: BrickIndex, brick: Option<&Brick>) -> io::Result<()> {
    out.write_all(&index.to_le_bytes())?;
    out.write_all(&[if brick.is_some() { LABELS } else { BACKGROUND }])?;
    brick.map_or(Ok(()), |b| out.write_all(b))
}

/// Writes one entry as journals have it: an operation on a whole volume changes bricks of one label above all, which need
/// no packing so.
///
/// # Errors
/// Those of `out`.
pub fn write_short_entry(out: &mut impl Write, index: BrickIndex, brick: Option<&Brick>) -> io::Result<()> {
    let Some(&[label, ..]) = brick.filter(|b| b.iter().all(|&v| v == b[0])) else {
        return write_entry(out, index, brick);
    };
    out.write_all(&index.to_le_bytes())?;
    out.write_all(&[ONE_LABEL, label])
}

/// Reads entries of one file, and keeps what they take within what its size allows: a file of a megabyte may unpack to
/// gigabytes. Bricks of a single label, which pack without end, are held once.
pub struct BrickReader {
    uniform: Box<[Option<Arc<Brick>>; 256]>,
    /// Bytes of the file, and of the bricks that were made from it so far.
    stored: u64,
    unpacked: u64,
}

impl BrickReader {
    /// For a file of `stored` bytes.
    pub fn new(stored: u64) -> Self {
        Self { uniform: Box::new([const { None }; 256]), stored, unpacked: 0 }
    }

    /// Reads the next entry, for a map of the shape of `map`.
    ///
    /// # Errors
    /// [`io::ErrorKind::InvalidData`] for an index outside the map and for more than the file's size allows, and those
    /// of `source`.
    pub fn entry(&mut self, source: &mut impl Read, map: &LabelMap) -> io::Result<(BrickIndex, Option<Arc<Brick>>)> {
        let (mut index, mut follows) = ([0; 4], [0]);
        source.read_exact(&mut index)?;
        source.read_exact(&mut follows)?;
        let index = u32::from_le_bytes(index);
        if index as usize >= map.brick_count() {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let mut brick = [0; BRICK_LEN];
        match follows[0] {
            BACKGROUND => return Ok((index, None)),
            LABELS => source.read_exact(&mut brick)?,
            ONE_LABEL => {
                let mut label = [0];
                source.read_exact(&mut label)?;
                brick = [label[0]; BRICK_LEN];
            }
            _ => return Err(io::ErrorKind::InvalidData.into()),
        }
        clear_padding(&mut brick, map.brick_box(index));
        let first = brick[0];
        if brick == [first; BRICK_LEN] {
            let slot = &mut self.uniform[usize::from(first)];
            return Ok((index, Some(slot.get_or_insert_with(|| Arc::new(brick)).clone())));
        }
        self.unpacked += BRICK_LEN as u64;
        if !is_plausible(self.unpacked, self.stored) {
            return Err(io::ErrorKind::InvalidData.into());
        }
        Ok((index, Some(Arc::new(brick))))
    }

    /// Reads `count` entries into `labels`.
    ///
    /// # Errors
    /// As [`Self::entry`].
    pub fn entries(&mut self, source: &mut impl Read, count: u32, labels: &mut LabelMap) -> io::Result<()> {
        if count as usize > labels.brick_count() {
            return Err(io::ErrorKind::InvalidData.into());
        }
        for _ in 0..count {
            let (index, brick) = self.entry(source, labels)?;
            labels.set_brick(index, brick);
        }
        Ok(())
    }
}

/// Label maps keep voxels beyond the grid's end at 0; a stored brick is held to that.
fn clear_padding(brick: &mut Brick, inside: VoxelBox) {
    let size: [usize; 3] = std::array::from_fn(|a| inside.max[a] - inside.min[a]);
    if size == [BRICK_EDGE; 3] {
        return;
    }
    for (n, label) in brick.iter_mut().enumerate() {
        let v = [n % BRICK_EDGE, n / BRICK_EDGE % BRICK_EDGE, n / (BRICK_EDGE * BRICK_EDGE)];
        if (0..3).any(|a| v[a] >= size[a]) {
            *label = 0;
        }
    }
}

/// Indices of the bricks that hold any label.
pub fn filled(labels: &LabelMap) -> impl Iterator<Item = (BrickIndex, &Arc<Brick>)> {
    (0..labels.brick_count() as BrickIndex)
        .filter_map(|i| labels.brick(i).map(|b| (i, b)))
        .filter(|(_, b)| b.iter().any(|&v| v != 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padding_and_bad_indices_do_no_harm() {
        let g = Geometry::axis_aligned([5, 17, 2], glam::DVec3::ONE, glam::DVec3::ZERO).unwrap();
        let mut bytes = Vec::new();
        write_entry(&mut bytes, 1, Some(&[7; BRICK_LEN])).unwrap();
        let mut map = LabelMap::empty(g);
        let read = |bytes: &[u8], count, map: &mut LabelMap| BrickReader::new(0).entries(&mut &bytes[..], count, map);
        read(&bytes, 1, &mut map).unwrap();
        assert_eq!(map.counts()[7], 10);
        assert_eq!(map.counts()[0], 160);
        let mut outside = Vec::new();
        write_entry(&mut outside, 2, None).unwrap();
        assert!(read(&outside, 1, &mut map).is_err());
        assert!(read(&bytes, 3, &mut map).is_err());
    }

    #[test]
    fn a_short_entry_says_what_a_whole_one_does() {
        // One brick within the grid, and one that reaches beyond it.
        let g = Geometry::axis_aligned([16, 20, 16], glam::DVec3::ONE, glam::DVec3::ZERO).unwrap();
        let mut mixed = [7; BRICK_LEN];
        mixed[BRICK_LEN - 1] = 3;
        for (index, brick) in [(0, None), (0, Some([7; BRICK_LEN])), (1, Some([7; BRICK_LEN])), (0, Some(mixed))] {
            let (mut whole, mut short) = (Vec::new(), Vec::new());
            write_entry(&mut whole, index, brick.as_ref()).unwrap();
            write_short_entry(&mut short, index, brick.as_ref()).unwrap();
            let is_short = brick.is_none_or(|b| b != mixed);
            assert_eq!(short.len() < 10, is_short);
            let read = |bytes: &[u8]| BrickReader::new(0).entry(&mut &bytes[..], &LabelMap::empty(g)).unwrap();
            assert_eq!(read(&short), read(&whole));
        }
        for torn in [&[0, 0, 0, 0, 2][..], &[0, 0, 0, 0, 3, 7], &[2, 0, 0, 0, 2, 7]] {
            assert!(BrickReader::new(0).entry(&mut &torn[..], &LabelMap::empty(g)).is_err(), "{torn:?}");
        }
    }

    #[test]
    fn bricks_of_one_label_are_held_once() {
        let g = Geometry::axis_aligned([32, 32, 16], glam::DVec3::ONE, glam::DVec3::ZERO).unwrap();
        let mut bytes = Vec::new();
        let mut mixed = [7; BRICK_LEN];
        mixed[9] = 3;
        for (index, brick) in [[7; BRICK_LEN], mixed, [7; BRICK_LEN], mixed].iter().enumerate() {
            write_entry(&mut bytes, index as BrickIndex, Some(brick)).unwrap();
        }
        let mut map = LabelMap::empty(g);
        BrickReader::new(0).entries(&mut bytes.as_slice(), 4, &mut map).unwrap();
        let same = |a, b| Arc::ptr_eq(map.brick(a).unwrap(), map.brick(b).unwrap());
        assert!(same(0, 2) && !same(1, 3));
        assert_eq!((map.counts()[3], map.counts()[7]), (2, 4 * BRICK_LEN as u64 - 2));
    }
}
