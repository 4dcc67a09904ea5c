//! Smoothing and margins in mm, exact on voxels of unequal sides; in the volume, or within one slice.

use super::bits::{BitGrid, for_each_bit, label_box};
use super::components::each_plane;
use super::distance::{BallRow, dilated, eroded};
use super::frame::Frame;
use super::joint::smooth_jointly;
use super::majority::Counter;
use super::operation::{EditError, Extent, Smoothing, Watch};
use super::repaint::replace_bits;
use super::{Delta, PaintRule};
use crate::core::LabelMap;

/// Smooths the segment with a ball of `radius_mm`, or a slice of it with a disc. A radius that reaches no neighbouring
/// voxel changes nothing.
pub(super) fn smooth(
    map: &mut LabelMap,
    rule: &PaintRule,
    how: Smoothing,
    radius_mm: f64,
    extent: Extent,
    watch: &dyn Watch,
) -> Result<Delta, EditError> {
    if how == Smoothing::Joint {
        return smooth_jointly(map, rule, radius_mm, extent, watch);
    }
    let radius = if radius_mm.is_finite() { radius_mm.max(0.0) } else { 0.0 };
    let (frame, old) = segment(map, rule, radius, extent)?;
    let spacing = frame.spacing;
    let new = match how {
        Smoothing::Median => median(&frame, &old, radius, watch)?,
        Smoothing::Closing => eroded(&dilated(&old, spacing, radius, watch)?, spacing, radius, watch)?,
        Smoothing::Joint => return Ok(Delta::default()),
        Smoothing::Opening => dilated(&eroded(&old, spacing, radius, watch)?, spacing, radius, watch)?,
    };
    replace_bits(map, &old.swapped(frame.axis), &new.swapped(frame.axis), rule, watch)
}

/// Adds every voxel within `mm` of the segment, or, when negative, takes away every voxel within that distance of
/// what is not the segment. Distances are between voxel centres; the border of the image takes nothing away, nor does a
/// slice see those beside it.
pub(super) fn margin(
    map: &mut LabelMap,
    rule: &PaintRule,
    mm: f64,
    extent: Extent,
    watch: &dyn Watch,
) -> Result<Delta, EditError> {
    if !mm.is_finite() {
        return Ok(Delta::default());
    }
    let (frame, old) = segment(map, rule, mm.max(0.0), extent)?;
    let spacing = frame.spacing;
    let new = if mm >= 0.0 { dilated(&old, spacing, mm, watch)? } else { eroded(&old, spacing, -mm, watch)? };
    replace_bits(map, &old.swapped(frame.axis), &new.swapped(frame.axis), rule, watch)
}

/// The segment with room for `radius` mm around it.
fn segment(map: &LabelMap, rule: &PaintRule, radius: f64, extent: Extent) -> Result<(Frame, BitGrid), EditError> {
    let found = label_box(map, rule.label).ok_or(EditError::EmptySegment)?;
    let frame = Frame::around(map, found, radius, extent)?;
    let old = frame.set(map, rule.label);
    if old.is_empty() { Err(EditError::EmptySegment) } else { Ok((frame, old)) }
}

/// Each voxel becomes what most voxels of the ball around it are, as far as the ball lies in the image; when both are
/// as many, it stays what it is.
fn median(frame: &Frame, old: &BitGrid, radius: f64, watch: &dyn Watch) -> Result<BitGrid, EditError> {
    let dims = frame.dims;
    let ball = frame.ball(radius);
    let counter = Counter::new(old, &ball);
    let flags = counter.as_ref().map(Counter::row_flags).unwrap_or_default();
    let slow = OneByOne { dims, old, ball: &ball };
    let voxels: u64 = ball.iter().map(|row| 2 * row.reach as u64 + 1).sum();
    let [_, ny, nz] = old.size();
    let planes = each_plane(nz, watch, |k| {
        let mut bits = Vec::with_capacity(ny * old.words());
        for j in 0..ny {
            for (n, &own) in old.row(j, k).iter().enumerate() {
                bits.push(match &counter {
                    None => slow.word(own, u64::MAX, n, j, k),
                    Some(counter) if counter.is_mixed(&flags, j, k, n) => {
                        // Where part of the ball lies outside the image, voxels are counted one by one.
                        let cut = slow.cut_off(n, j, k);
                        let most = if cut == u64::MAX { 0 } else { counter.counts(j, k, n).above(voxels / 2) };
                        slow.word((most & !cut) | (own & cut), cut, n, j, k)
                    }
                    Some(_) => own,
                });
            }
        }
        bits
    })?;
    let mut new = BitGrid::empty(old.region());
    for (k, bits) in planes.iter().enumerate() {
        for (j, row) in bits.chunks(old.words()).enumerate() {
            new.row_mut(j, k).copy_from_slice(row);
        }
    }
    Ok(new)
}

/// Majorities voxel by voxel, for balls that reach beyond the image and for very large ones.
struct OneByOne<'a> {
    dims: [usize; 3],
    old: &'a BitGrid,
    ball: &'a [BallRow],
}

impl OneByOne<'_> {
    /// Voxels of a word (counted from the box's corner) whose ball reaches beyond the image.
    fn cut_off(&self, n: usize, j: usize, k: usize) -> u64 {
        let corner = self.old.region().min;
        let reach = |of: &dyn Fn(&BallRow) -> usize| self.ball.iter().map(of).max().unwrap_or(0);
        let inside = |at: usize, axis: usize, reach: usize| {
            at + corner[axis] >= reach && at + corner[axis] + reach < self.dims[axis]
        };
        if !inside(j, 1, reach(&|r| r.j.unsigned_abs())) || !inside(k, 2, reach(&|r| r.k.unsigned_abs())) {
            return u64::MAX;
        }
        let along = reach(&|r| r.reach);
        if inside(n * 64, 0, along) && inside(n * 64 + 63, 0, along) {
            return 0;
        }
        (0..64).fold(0, |cut, i| cut | u64::from(!inside(n * 64 + i, 0, along)) << i)
    }

    /// `word` with the majorities of the voxels of `mask` put in.
    fn word(&self, mut word: u64, mask: u64, n: usize, j: usize, k: usize) -> u64 {
        let (corner, [_, ny, nz], dims) = (self.old.region().min, self.old.size(), self.dims);
        for_each_bit(&[mask], |bit| {
            let i = n * 64 + bit;
            if i + corner[0] >= dims[0] || i >= self.old.size()[0] {
                word &= !(1 << bit);
                return;
            }
            let (mut set, mut all) = (0u64, 0u64);
            for part in self.ball {
                let (Some(v), Some(w)) =
                    ((j + corner[1]).checked_add_signed(part.j), (k + corner[2]).checked_add_signed(part.k))
                else {
                    continue;
                };
                if v >= dims[1] || w >= dims[2] {
                    continue;
                }
                let from = (i + corner[0]).saturating_sub(part.reach);
                let to = (i + corner[0] + part.reach + 1).min(dims[0]);
                all += (to - from) as u64;
                if v >= corner[1] && v < corner[1] + ny && w >= corner[2] && w < corner[2] + nz {
                    let row = self.old.row(v - corner[1], w - corner[2]);
                    set += count(row, from.max(corner[0]) - corner[0], to - corner[0].min(to));
                }
            }
            match (2 * set).cmp(&all) {
                std::cmp::Ordering::Greater => word |= 1 << bit,
                std::cmp::Ordering::Less => word &= !(1 << bit),
                std::cmp::Ordering::Equal => {}
            }
        });
        word
    }
}

/// Number of set bits in `from..to`; what lies behind the row's end is not set.
fn count(row: &[u64], from: usize, to: usize) -> u64 {
    let to = to.min(row.len() * 64);
    if from >= to {
        return 0;
    }
    let (first, last) = (from / 64, (to - 1) / 64);
    let head = u64::MAX << (from % 64);
    let tail = u64::MAX >> (63 - (to - 1) % 64);
    let ones = |word: u64| u64::from(word.count_ones());
    if first == last {
        return ones(row[first] & head & tail);
    }
    ones(row[first] & head) + row[first + 1..last].iter().map(|&w| ones(w)).sum::<u64>() + ones(row[last] & tail)
}

#[cfg(test)]
mod tests {
    use super::super::operation::NoWatch;
    use super::super::test_maps::{at, blobs, next, spaced, spacing, voxels};
    use super::*;

    /// Dilation and erosion from their definitions, on voxels with nothing outside them.
    fn spread(set: &[bool], near: &[Vec<usize>], wanted: bool) -> Vec<bool> {
        near.iter().map(|near| near.iter().any(|&w| set[w] == wanted) == wanted).collect()
    }

    /// All operations with one radius on segment 1 within `extent`, against their definitions.
    fn check(before: &LabelMap, extent: Extent, radius: f64) {
        let (dims, spacing) = (before.geometry().dims(), before.geometry().spacing().to_array());
        let within = |v: &[usize; 3]| match extent {
            Extent::Volume => true,
            Extent::Slice { axis, index } => v[axis] == index,
            Extent::Turned(_) => false,
        };
        let all: Vec<[usize; 3]> = voxels(dims).filter(within).collect();
        let set: Vec<bool> = all.iter().map(|v| at(before, *v) == 1).collect();
        let mm = |v: &[usize; 3], w: &[usize; 3]| {
            (0..3).map(|a| ((v[a] as f64 - w[a] as f64) * spacing[a]).powi(2)).sum::<f64>().sqrt()
        };
        let within_radius = |v| (0..all.len()).filter(|w| mm(v, &all[*w]) <= radius + 1e-9).collect();
        let near: Vec<Vec<usize>> = all.iter().map(within_radius).collect();
        let (grown, shrunk) = (spread(&set, &near, true), spread(&set, &near, false));
        let median = near
            .iter()
            .zip(&set)
            .map(|(near, own)| {
                let balance: i32 = near.iter().map(|w| if set[*w] { 1 } else { -1 }).sum();
                if balance == 0 { *own } else { balance > 0 }
            })
            .collect();
        let wanted: [(Option<Smoothing>, f64, Vec<bool>); 5] = [
            (Some(Smoothing::Median), 0.0, median),
            (Some(Smoothing::Closing), 0.0, spread(&grown, &near, false)),
            (Some(Smoothing::Opening), 0.0, spread(&shrunk, &near, true)),
            (None, radius, grown),
            (None, -radius, shrunk),
        ];
        let mut locked = [false; 256];
        locked[3] = true;
        let rule = PaintRule::paint(1, locked);
        for (how, length, wanted) in wanted {
            let mut map = before.clone();
            let done = match how {
                Some(how) => smooth(&mut map, &rule, how, radius, extent, &NoWatch),
                None => margin(&mut map, &rule, length, extent, &NoWatch),
            };
            let mut wanted = wanted.iter();
            for v in voxels(dims) {
                let old = at(before, v);
                let inside = within(&v) && *wanted.next().unwrap();
                let want = match old {
                    3 => 3,
                    1 if within(&v) && !inside => 0,
                    _ if inside => 1,
                    _ => old,
                };
                assert_eq!(at(&map, v), want, "{v:?} {how:?} {length} {radius} {extent:?} {spacing:?}");
            }
            done.unwrap().revert(&mut map);
            assert_eq!(&map, before);
        }
    }

    /// A map on voxels of random sides, and a radius that reaches whole voxels along an axis beside two that need not.
    fn scene(dims: [usize; 3], case: u64, state: &mut u64) -> (LabelMap, [f64; 3]) {
        let spacing = spacing(state);
        (blobs(spaced(dims, spacing), case), [spacing[(case % 3) as usize], 1.8, 2.6])
    }

    #[test]
    fn smoothing_and_margins_equal_their_definitions() {
        let mut state = 17;
        for case in 0..8u64 {
            let (before, radii) = scene([18, 9, 5], case, &mut state);
            if before.counts()[1] > 0 {
                radii.into_iter().for_each(|radius| check(&before, Extent::Volume, radius));
            }
        }
    }

    #[test]
    fn one_slice_is_smoothed_and_grown_in_two_dimensions() {
        let mut state = 23;
        let mut done = [0; 3];
        for case in 0..9u64 {
            let axis = (case % 3) as usize;
            let dims = [[20, 18, 70], [70, 20, 18], [18, 70, 20]][axis];
            let (before, radii) = scene(dims, case, &mut state);
            let own: Vec<[usize; 3]> = voxels(dims).filter(|v| at(&before, *v) == 1).collect();
            if own.is_empty() {
                continue;
            }
            let index = own[(next(&mut state) % own.len() as u64) as usize][axis];
            radii.into_iter().for_each(|radius| check(&before, Extent::Slice { axis, index }, radius));
            done[axis] += 1;
        }
        assert!(done.iter().all(|n| *n > 0), "{done:?}");
    }

    #[test]
    fn a_slice_that_holds_nothing_is_told_of() {
        let mut map = LabelMap::empty(spaced([20, 20, 20], [1.0, 1.0, 2.0]));
        map.set([4, 5, 6], 1);
        map.set([4, 9, 6], 2);
        let before = map.clone();
        let rule = PaintRule::paint(1, [false; 256]);
        for (axis, index, error) in [
            (0, 3, EditError::EmptySegment),
            (1, 19, EditError::EmptySegment),
            (2, 7, EditError::EmptySegment),
            (2, 20, EditError::Outside),
            (3, 0, EditError::Outside),
        ] {
            let extent = Extent::Slice { axis, index };
            for how in [Smoothing::Median, Smoothing::Closing, Smoothing::Opening, Smoothing::Joint] {
                assert_eq!(smooth(&mut map, &rule, how, 2.0, extent, &NoWatch).unwrap_err(), error, "{axis} {index}");
            }
            assert_eq!(margin(&mut map, &rule, 2.0, extent, &NoWatch).unwrap_err(), error, "{axis} {index}");
        }
        // Another segment alone on the slice is none of this one.
        let there = Extent::Slice { axis: 1, index: 9 };
        assert_eq!(margin(&mut map, &rule, 2.0, there, &NoWatch).unwrap_err(), EditError::EmptySegment);
        assert_eq!(map, before);
    }
}
