//! Smoothing and margins in mm, exact on voxels of unequal sides.

use super::bits::{BitGrid, for_each_bit, label_box, widened};
use super::components::each_plane;
use super::distance::{BallRow, ball, dilated, eroded};
use super::joint::smooth_jointly;
use super::majority::Counter;
use super::operation::{EditError, Smoothing, Watch};
use super::repaint::replace_bits;
use super::{Delta, PaintRule};
use crate::core::LabelMap;

/// Smooths the segment with a ball of `radius_mm`. A radius that reaches no neighbouring voxel changes nothing.
pub(super) fn smooth(
    map: &mut LabelMap,
    rule: &PaintRule,
    how: Smoothing,
    radius_mm: f64,
    watch: &dyn Watch,
) -> Result<Delta, EditError> {
    if how == Smoothing::Joint {
        return smooth_jointly(map, rule, radius_mm, watch);
    }
    let radius = if radius_mm.is_finite() { radius_mm.max(0.0) } else { 0.0 };
    let (old, spacing) = segment(map, rule, radius)?;
    let new = match how {
        Smoothing::Median => median(map, &old, spacing, radius, watch)?,
        Smoothing::Closing => eroded(&dilated(&old, spacing, radius, watch)?, spacing, radius, watch)?,
        Smoothing::Joint => return Ok(Delta::default()),
        Smoothing::Opening => dilated(&eroded(&old, spacing, radius, watch)?, spacing, radius, watch)?,
    };
    replace_bits(map, &old, &new, rule, watch)
}

/// Adds every voxel within `mm` of the segment, or, when negative, takes away every voxel within that distance of
/// what is not the segment. Distances are between voxel centres; the border of the image takes nothing away.
pub(super) fn margin(map: &mut LabelMap, rule: &PaintRule, mm: f64, watch: &dyn Watch) -> Result<Delta, EditError> {
    if !mm.is_finite() {
        return Ok(Delta::default());
    }
    let (old, spacing) = segment(map, rule, mm.max(0.0))?;
    let new = if mm >= 0.0 { dilated(&old, spacing, mm, watch)? } else { eroded(&old, spacing, -mm, watch)? };
    replace_bits(map, &old, &new, rule, watch)
}

/// The segment in a box with room for `radius` mm around it, and the spacing in mm.
fn segment(map: &LabelMap, rule: &PaintRule, radius: f64) -> Result<(BitGrid, [f64; 3]), EditError> {
    let spacing = map.geometry().spacing().to_array();
    let dims = map.geometry().dims();
    let room: [usize; 3] = std::array::from_fn(|a| ((radius / spacing[a]).ceil() as usize).saturating_add(1));
    let region = label_box(map, rule.label).ok_or(EditError::EmptySegment)?;
    Ok((BitGrid::of_label(map, rule.label, widened(region, room, dims)), spacing))
}

/// Each voxel becomes what most voxels of the ball around it are, as far as the ball lies in the image; when both are
/// as many, it stays what it is.
fn median(
    map: &LabelMap,
    old: &BitGrid,
    spacing: [f64; 3],
    radius: f64,
    watch: &dyn Watch,
) -> Result<BitGrid, EditError> {
    let dims = map.geometry().dims();
    let ball = ball(spacing, radius, dims);
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
    use super::super::test_maps::{at, blobs, grid, voxels};
    use super::*;

    const SPACING: [f64; 3] = [0.7, 0.9, 2.5];

    fn mm(v: [usize; 3], w: [usize; 3]) -> f64 {
        (0..3).map(|a| ((v[a] as f64 - w[a] as f64) * SPACING[a]).powi(2)).sum::<f64>().sqrt()
    }

    /// Dilation and erosion from their definitions, on a whole small grid with nothing outside it.
    fn spread(set: &[bool], all: &[[usize; 3]], radius: f64, wanted: bool) -> Vec<bool> {
        all.iter()
            .map(|v| {
                let hit = all.iter().zip(set).any(|(w, s)| *s == wanted && mm(*v, *w) <= radius + 1e-9);
                hit == wanted
            })
            .collect()
    }

    #[test]
    fn smoothing_and_margins_equal_their_definitions() {
        for case in 0..6u64 {
            let dims = [18, 9, 5];
            let before = blobs(grid(dims), case);
            if before.counts()[1] == 0 {
                continue;
            }
            let all: Vec<[usize; 3]> = voxels(dims).collect();
            let set: Vec<bool> = all.iter().map(|v| at(&before, *v) == 1).collect();
            let mut locked = [false; 256];
            locked[3] = true;
            let rule = PaintRule::paint(1, locked);
            for radius in [0.7, 1.8, 2.6] {
                let grown = spread(&set, &all, radius, true);
                let shrunk = spread(&set, &all, radius, false);
                let median: Vec<bool> = all
                    .iter()
                    .zip(&set)
                    .map(|(v, own)| {
                        let ball = all.iter().zip(&set).filter(|(w, _)| mm(*v, **w) <= radius + 1e-9);
                        let balance: i32 = ball.map(|(_, s)| if *s { 1 } else { -1 }).sum();
                        if balance == 0 { *own } else { balance > 0 }
                    })
                    .collect();
                let wanted = [
                    (Some(Smoothing::Median), 0.0, median),
                    (Some(Smoothing::Closing), 0.0, spread(&grown, &all, radius, false)),
                    (Some(Smoothing::Opening), 0.0, spread(&shrunk, &all, radius, true)),
                    (None, radius, grown.clone()),
                    (None, -radius, shrunk.clone()),
                ];
                for (how, length, wanted) in wanted {
                    let mut map = before.clone();
                    let done = match how {
                        Some(how) => smooth(&mut map, &rule, how, radius, &NoWatch),
                        None => margin(&mut map, &rule, length, &NoWatch),
                    };
                    for (n, v) in all.iter().enumerate() {
                        let old = at(&before, *v);
                        let want = match old {
                            1 if !wanted[n] => 0,
                            3 => 3,
                            _ if wanted[n] => 1,
                            _ => old,
                        };
                        assert_eq!(at(&map, *v), want, "{v:?} {how:?} {length} {radius}");
                    }
                    done.unwrap().revert(&mut map);
                    assert_eq!(map, before);
                }
            }
        }
    }
}
