//! Smoothing of all segments together: no gaps open between them, and none eats another.

use super::bits::{BitGrid, label_box};
use super::components::each_plane;
use super::frame::Frame;
use super::majority::Counter;
use super::operation::{EditError, Extent, Watch};
use super::repaint::paint_bits;
use super::{Delta, Over, PaintRule};
use crate::core::{LabelId, LabelMap, VoxelBox};

/// Each voxel gets the label that most voxels of the ball of `radius_mm` around it have (of a slice: of the disc within
/// it), background included, as far as the ball lies in the image. Where several are as many, it keeps its own if that
/// is among them, and else gets the lowest. Locked labels are neither taken away nor given.
pub(super) fn smooth_jointly(
    map: &mut LabelMap,
    rule: &PaintRule,
    radius_mm: f64,
    extent: Extent,
    watch: &dyn Watch,
) -> Result<Delta, EditError> {
    let radius = if radius_mm.is_finite() { radius_mm.max(0.0) } else { 0.0 };
    let found = map.counts();
    let labels: Vec<LabelId> = (1..=LabelId::MAX).filter(|&l| found[usize::from(l)] > 0).collect();
    let nothing = VoxelBox { min: [0; 3], max: [0; 3] };
    let all = labels.iter().filter_map(|&l| label_box(map, l)).fold(nothing, |a, b| a.union(&b));
    if all.is_empty() {
        return Err(EditError::EmptySegment);
    }
    // Twice the radius: the balls of all voxels that a segment can reach lie in the box, or leave the image.
    let frame = Frame::around(map, all, 2.0 * radius, extent)?;
    let ball = frame.ball(radius);
    let mut sets: Vec<BitGrid> = labels.iter().map(|&l| frame.set(map, l)).collect();
    let region = sets[0].region();
    let mut background = BitGrid::empty(region);
    for set in &sets {
        background.merge(set, |a, b| a | b);
    }
    if background.is_empty() {
        return Err(EditError::EmptySegment);
    }
    sets.insert(0, background.inverted());
    let counters = sets.iter().map(|s| Counter::new(s, &ball)).collect::<Option<Vec<_>>>();
    let counters = counters.ok_or(EditError::TooLarge)?;
    let flags: Vec<_> = counters.iter().map(Counter::row_flags).collect();
    let [nx, ny, nz] = background.size();
    let words = background.words();
    // Beyond the end of a row the background wins, and nothing may be set there.
    let inside = |at: usize| if at == nx / 64 { (1u64 << (nx % 64)) - 1 } else { u64::MAX };
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
                    *out = won[n][j * words + at] & !own[at] & inside(at);
                }
            }
        }
        let label = if n == 0 { 0 } else { labels[n - 1] };
        if rule.locked[usize::from(label)] {
            continue;
        }
        let rule = PaintRule { label, over: Over::All, ..rule.clone() };
        if let Err(error) = paint_bits(map, &gained.swapped(frame.axis), &rule, watch) {
            *map = before;
            return Err(error);
        }
    }
    Ok(Delta::between(&before, map).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::super::operation::NoWatch;
    use super::super::test_maps::{at, blobs, next, spaced, spacing, voxels};
    use super::*;

    fn check(before: &LabelMap, rule: &PaintRule, extent: Extent, radius: f64) {
        let (dims, spacing) = (before.geometry().dims(), before.geometry().spacing().to_array());
        let within = |v: &[usize; 3]| match extent {
            Extent::Volume => true,
            Extent::Slice { axis, index } => v[axis] == index,
            Extent::Turned(_) => false,
        };
        let all: Vec<([usize; 3], u8)> = voxels(dims).filter(within).map(|v| (v, at(before, v))).collect();
        let mut map = before.clone();
        let delta = smooth_jointly(&mut map, rule, radius, extent, &NoWatch).unwrap();
        for v in voxels(dims) {
            let old = at(before, v);
            if !within(&v) {
                assert_eq!(at(&map, v), old, "{v:?} is on another slice");
                continue;
            }
            let mut counts = [0; 256];
            for (w, label) in &all {
                let mm: f64 = (0..3).map(|a| ((v[a] as f64 - w[a] as f64) * spacing[a]).powi(2)).sum();
                if mm.sqrt() <= radius + 1e-9 {
                    counts[usize::from(*label)] += 1;
                }
            }
            let most = *counts.iter().max().unwrap();
            let lowest = counts.iter().position(|c| *c == most).unwrap() as u8;
            let wanted = if counts[usize::from(old)] == most { old } else { lowest };
            let stays = rule.locked[usize::from(old)] || rule.locked[usize::from(wanted)];
            assert_eq!(at(&map, v), if stays { old } else { wanted }, "{v:?} within {radius} of {spacing:?}");
        }
        delta.revert(&mut map);
        assert_eq!(&map, before);
    }

    #[test]
    fn every_voxel_gets_the_most_frequent_label_around_it() {
        let mut state = 41;
        for case in 0..9u64 {
            let mut locked = [false; 256];
            locked[2] = case % 2 == 1;
            let rule = PaintRule::paint(1, locked);
            let axis = (case % 3) as usize;
            let spacing = spacing(&mut state);
            let radii = [spacing[axis], 1.9, 2.6];
            if case < 6 {
                let before = blobs(spaced([70, 9, 5], spacing), case);
                radii.into_iter().for_each(|radius| check(&before, &rule, Extent::Volume, radius));
            }
            // One slice, seen by itself.
            let dims = [[20, 18, 70], [70, 20, 18], [18, 70, 20]][axis];
            let before = blobs(spaced(dims, spacing), case);
            let own: Vec<[usize; 3]> = voxels(dims).filter(|v| at(&before, *v) != 0).collect();
            let index = own[(next(&mut state) % own.len() as u64) as usize][axis];
            radii.into_iter().for_each(|radius| check(&before, &rule, Extent::Slice { axis, index }, radius));
        }
    }
}
