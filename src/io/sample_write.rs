//! Samples of volume files on their way out: shared by the NIfTI and NRRD writers and by picture stacks.

use crate::core::{LabelMap, Segment, Volume, VoxelBox};
use std::io::{self, Write};

/// The number each label is written with: its segment's `file_value`, or its own where it has no segment.
pub fn file_values(segments: &[Segment]) -> [u32; 256] {
    let mut table: [u32; 256] = std::array::from_fn(|i| i as u32);
    for s in segments {
        table[usize::from(s.id)] = s.file_value;
    }
    table[0] = 0;
    table
}

/// HU as 16-bit little-endian numbers, i fastest.
///
/// # Errors
/// Those of `out`.
pub fn write_hu(out: &mut dyn Write, volume: &Volume) -> io::Result<()> {
    let mut bytes = Vec::new();
    for k in 0..volume.geometry().dims()[2] {
        bytes.clear();
        bytes.extend(volume.slice(k).unwrap_or_default().iter().flat_map(|v| v.to_le_bytes()));
        out.write_all(&bytes)?;
    }
    Ok(())
}

/// Label maps of one grid with the numbers that their labels are written with.
pub struct NumberedLabels<'l>(Vec<(&'l LabelMap, [u32; 256])>);

impl<'l> NumberedLabels<'l> {
    /// The layers must share a grid.
    pub fn new(layers: &[(&'l LabelMap, &[Segment])]) -> Self {
        Self(layers.iter().map(|(labels, segments)| (*labels, file_values(segments))).collect())
    }

    /// The largest number of any voxel.
    pub fn largest(&self) -> u32 {
        let used = self.0.iter().flat_map(|(labels, table)| {
            let counts = labels.counts();
            (1..256).filter(move |&i| counts[i] > 0).map(|i| table[i])
        });
        used.max().unwrap_or(0)
    }

    /// Little-endian numbers of `width` bytes, the layer fastest, then i.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write(&self, out: &mut dyn Write, width: usize) -> io::Result<()> {
        let Some((first, _)) = self.0.first() else { return Ok(()) };
        let [nx, ny, nz] = first.geometry().dims();
        let mut slice = vec![0; nx * ny];
        let mut bytes = vec![0; nx * ny * self.0.len() * width];
        for k in 0..nz {
            for (layer, (labels, table)) in self.0.iter().enumerate() {
                labels.copy_box(VoxelBox { min: [0, 0, k], max: [nx, ny, k + 1] }, &mut slice);
                let places = bytes.chunks_exact_mut(width).skip(layer).step_by(self.0.len());
                for (place, &v) in places.zip(&slice) {
                    place.copy_from_slice(&table[usize::from(v)].to_le_bytes()[..width]);
                }
            }
            out.write_all(&bytes)?;
        }
        Ok(())
    }
}
