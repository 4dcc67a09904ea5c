//! An annotator who corrects only what differs from truth, and counts what that costs.

use super::Effort;
use crate::core::LabelId;

/// Voxels that one stroke of a brush puts right at most.
const STROKE: usize = 64;

/// Makes `labels` equal to `truth` (both `width` pixels a row) and counts: a voxel for each pixel that was wrong; a
/// stroke for each patch of them that hangs together (8 neighbours) and belongs to one label, and one more for each
/// further 64 voxels of it.
pub fn correct_slice(labels: &mut [LabelId], truth: &[LabelId], width: usize) -> Effort {
    let mut effort = Effort::default();
    for patch in patches(labels, truth, width) {
        effort.voxels += patch as u64;
        effort.strokes += patch.div_ceil(STROKE) as u64;
    }
    labels.copy_from_slice(truth);
    effort
}

/// Sizes of the patches of wrong pixels: connected by 8 neighbours, of one true label each.
pub fn patches(labels: &[LabelId], truth: &[LabelId], width: usize) -> Vec<usize> {
    let mut wrong: Vec<bool> = labels.iter().zip(truth).map(|(a, b)| a != b).collect();
    let height = wrong.len() / width.max(1);
    let mut sizes = Vec::new();
    let mut stack = Vec::new();
    for start in 0..wrong.len() {
        if !std::mem::take(&mut wrong[start]) {
            continue;
        }
        stack.push(start);
        let mut size = 0;
        while let Some(at) = stack.pop() {
            size += 1;
            let (x, y) = (at % width, at / width);
            for j in y.saturating_sub(1)..(y + 2).min(height) {
                for i in x.saturating_sub(1)..(x + 2).min(width) {
                    let next = j * width + i;
                    if wrong[next] && truth[next] == truth[start] {
                        wrong[next] = false;
                        stack.push(next);
                    }
                }
            }
        }
        sizes.push(size);
    }
    sizes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patches_of_each_label_are_strokes() {
        let truth = [
            1, 0, 0, 2, //
            0, 1, 2, 0, //
            0, 0, 0, 0,
        ];
        let mut labels = [0; 12];
        assert_eq!(patches(&labels, &truth, 4), [2, 2], "diagonal neighbours hang together, labels do not");
        let effort = correct_slice(&mut labels, &truth, 4);
        assert_eq!((effort.voxels, effort.strokes), (4, 2));
        assert_eq!(labels, truth);
        assert_eq!(correct_slice(&mut labels, &truth, 4), Effort::default());
        let effort = correct_slice(&mut [0; 130], &[1; 130], 10);
        assert_eq!((effort.voxels, effort.strokes), (130, 3));
    }
}
