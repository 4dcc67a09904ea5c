//! Smoothing of all segments together: no gaps open between them, and none eats another.

use super::bits::{BitGrid, label_box, widened};
use super::components::each_plane;
use super::distance::ball;
use super::majority::Counter;
use super::operation::{EditError, Watch};
use super::repaint::paint_bits;
use super::{Delta, Over, PaintRule};
use crate::core::{LabelId, LabelMap, VoxelBox};

/// Each voxel gets the label that most voxels of the ball of `radius_mm` around it have, background included, as far as
/// the ball lies in the image. Where several are as many, it keeps its own if that is among them, and else gets the
/// lowest. Locked labels are neither taken away nor given.
pub(super) fn smooth_jointly(
    map: &mut LabelMap,
    rule: &PaintRule,
    radius_mm: f64,
    watch: &dyn Watch,
) -> Result<Delta, EditError> {
    let radius = if radius_mm.is_finite() { radius_mm.max(0.0) } else { 0.0 };
    let (dims, spacing) = (map.geometry().dims(), map.geometry().spacing().to_array());
    let found = map.counts();
    let labels: Vec<LabelId> = (1..=LabelId::MAX).filter(|&l| found[usize::from(l)] > 0).collect();
    let nothing = VoxelBox { min: [0; 3], max: [0; 3] };
    let all = labels.iter().filter_map(|&l| label_box(map, l)).fold(nothing, |a, b| a.union(&b));
    if all.is_empty() {
        return Err(EditError::EmptySegment);
    }
    // Twice the radius: the balls of all voxels that a segment can reach lie in the box, or leave the image.
    let room = std::array::from_fn(|a| (2.0 * radius / spacing[a]).ceil() as usize + 1);
    let region = widened(all, room, dims);
    let ball = ball(spacing, radius, dims);
    let mut sets: Vec<BitGrid> = labels.iter().map(|&l| BitGrid::of_label(map, l, region)).collect();
    let mut background = BitGrid::empty(region);
    for set in &sets {
        background.merge(set, |a, b| a | b);
    }
    sets.insert(0, background.inverted());
    let counters = sets.iter().map(|s| Counter::new(s, &ball)).collect::<Option<Vec<_>>>();
    let counters = counters.ok_or(EditError::TooLarge)?;
    let flags: Vec<_> = counters.iter().map(Counter::row_flags).collect();
    let [_, ny, nz] = background.size();
    let words = background.words();
    let planes = each_plane(nz, watch, |k| {
        let mut won = vec![vec![0u64; ny * words]; sets.len()];
        for (j, n) in (0..ny).flat_map(|j| (0..words).map(move |n| (j, n))) {
            if !counters.iter().zip(&flags).any(|(c, f)| c.is_mixed(f, j, k, n)) {
                for (won, set) in won.iter_mut().zip(&sets) {
                    won[j * words + n] = set.row(j, k)[n];
                }
                continue;
            }
            let counts: Vec<_> = counters.iter().map(|c| c.counts(j, k, n)).collect();
            let (mut best, mut winner) = (counts[0], vec![u64::MAX]);
            for count in &counts[1..] {
                let (greater, _) = count.compare(&best);
                best.take(count, greater);
                winner.iter_mut().for_each(|w| *w &= !greater);
                winner.push(greater);
            }
            // Who has a label that is among the most frequent keeps it.
            let mut keeps = 0;
            let own: Vec<u64> = sets.iter().map(|s| s.row(j, k)[n]).collect();
            for (own, count) in own.iter().zip(&counts) {
                keeps |= own & count.compare(&best).1;
            }
            for (n_label, won) in won.iter_mut().enumerate() {
                won[j * words + n] = (winner[n_label] & !keeps) | (own[n_label] & keeps);
            }
        }
        won
    })?;
    let before = map.clone();
    for (n, set) in sets.iter().enumerate() {
        let mut gained = BitGrid::empty(region);
        for (k, won) in planes.iter().enumerate() {
            for j in 0..ny {
                let own = set.row(j, k);
                for (at, out) in gained.row_mut(j, k).iter_mut().enumerate() {
                    *out = won[n][j * words + at] & !own[at];
                }
            }
        }
        let label = if n == 0 { 0 } else { labels[n - 1] };
        if rule.locked[usize::from(label)] {
            continue;
        }
        let rule = PaintRule { label, over: Over::All, ..rule.clone() };
        if let Err(error) = paint_bits(map, &gained, &rule, watch) {
            *map = before;
            return Err(error);
        }
    }
    Ok(Delta::between(&before, map).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::super::operation::NoWatch;
    use super::super::test_maps::{at, blobs, grid, voxels};
    use super::*;

    #[test]
    fn every_voxel_gets_the_most_frequent_label_around_it() {
        for case in 0..6u64 {
            let dims = [70, 9, 5];
            let before = blobs(grid(dims), case);
            let mut locked = [false; 256];
            locked[2] = case % 2 == 1;
            let rule = PaintRule::paint(1, locked);
            for radius in [0.7, 1.9, 2.6] {
                let mut map = before.clone();
                let delta = smooth_jointly(&mut map, &rule, radius, &NoWatch).unwrap();
                for v in voxels(dims) {
                    let mut counts = [0; 256];
                    for w in voxels(dims) {
                        let mm: f64 = (0..3).map(|a| ((v[a] as f64 - w[a] as f64) * [0.7, 0.9, 2.5][a]).powi(2)).sum();
                        if mm.sqrt() <= radius + 1e-9 {
                            counts[usize::from(at(&before, w))] += 1;
                        }
                    }
                    let (old, most) = (at(&before, v), *counts.iter().max().unwrap());
                    let lowest = counts.iter().position(|c| *c == most).unwrap() as u8;
                    let wanted = if counts[usize::from(old)] == most { old } else { lowest };
                    let stays = locked[usize::from(old)] || locked[usize::from(wanted)];
                    assert_eq!(at(&map, v), if stays { old } else { wanted }, "{v:?} within {radius}");
                }
                delta.revert(&mut map);
                assert_eq!(map, before);
            }
        }
    }
}
