//! Tag trees of packet headers (ITU-T T.800 B.10.2).

use super::Wrong;
use super::packets::Bits;

/// A quad tree of numbers, each at least as large as its parent's; learnt bit by bit.
pub struct TagTree {
    /// Columns and first node of each level, from the leaves to the root.
    levels: Vec<(usize, usize)>,
    /// Lower bound so far, and whether it is the number itself.
    nodes: Vec<(u32, bool)>,
}

impl TagTree {
    pub fn new(mut columns: usize, mut rows: usize) -> Self {
        let (mut levels, mut count) = (Vec::new(), 0);
        loop {
            levels.push((columns, count));
            count += columns * rows;
            if columns * rows <= 1 {
                break;
            }
            (columns, rows) = (columns.div_ceil(2), rows.div_ceil(2));
        }
        Self { levels, nodes: vec![(0, false); count] }
    }

    /// Whether the number of a leaf is below `threshold`, reading as many bits as that takes.
    pub fn is_below(&mut self, [x, y]: [usize; 2], threshold: u32, bits: &mut Bits<'_>) -> Result<bool, Wrong> {
        let mut low = 0;
        let mut known = false;
        for (level, (columns, first)) in self.levels.iter().enumerate().rev() {
            let node = self.nodes.get_mut(first + (y >> level) * columns + (x >> level)).ok_or(Wrong)?;
            node.0 = node.0.max(low);
            while !node.1 && node.0 < threshold {
                if bits.bit()? == 1 {
                    node.1 = true;
                } else {
                    node.0 += 1;
                }
            }
            (low, known) = *node;
        }
        Ok(known && low < threshold)
    }
}
