//! Whether a mask that does not say where it lies fits its image better when it is mirrored.
//!
//! Two figures over the mask's voxels (at most 64 slices): the mean step in HU across the mask's border within slices,
//! which is high where the border follows anatomy, and the spread of HU inside each segment, which is low where a
//! segment covers one organ. A mirrored mask is proposed only when it is clearly better in their ratio and hardly worse in
//! either. On real masks of organs, lungs, muscle, fat and tumours this proposes nothing for one that lies right.

use crate::core::{Flips, LabelMap, Volume};
use crate::io::mask::LoadedMask;
use crate::io::types::{Finding, Severity};
use rayon::prelude::*;

/// Code of the finding.
const CODE: &str = "mirrored-fits-better";
/// Slices that are looked at.
const SLICES: usize = 64;
/// Fewer steps across the border than this prove nothing.
const LEAST_STEPS: u64 = 1000;
/// HU are cut to this range: beyond it differences say nothing about organs.
const RANGE: (i16, i16) = (-1000, 400);
/// A step beyond this counts no more.
const LARGEST_STEP: i32 = 300;
/// How much better border over spread must be, and how the two must stand alone.
const BETTER: f64 = 1.5;
const BORDER_AT_LEAST: f64 = 0.9;
const SPREAD_AT_MOST: f64 = 1.05;

/// How a mask lies on an image.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fit {
    /// Mean step in HU across the border of the segments, within slices.
    pub border: f64,
    /// Standard deviation of HU within segments.
    pub spread: f64,
    steps: u64,
}

/// The mirroring that fits better than the mask as it is, with both fits; `None` when it lies as well as it can, or too
/// little is drawn to tell.
pub fn better_flip(volume: &Volume, labels: &LabelMap) -> Option<(Flips, Fit, Fit)> {
    let [now, others @ ..] = fits(volume, labels)?;
    if now.steps < LEAST_STEPS {
        return None;
    }
    let ratio = |fit: &Fit| fit.border / fit.spread.max(1.0);
    let (flips, best) = Flips::ALL
        .into_iter()
        .zip(others)
        .filter(|(_, fit)| fit.border >= now.border * BORDER_AT_LEAST && fit.spread <= now.spread * SPREAD_AT_MOST)
        .max_by(|a, b| ratio(&a.1).total_cmp(&ratio(&b.1)))?;
    (ratio(&best) >= BETTER * ratio(&now)).then_some((flips, now, best))
}

/// A mirroring to be offered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlipProposal {
    pub flips: Flips,
    /// What would be exchanged and why, in a sentence.
    pub reason: String,
}

/// Looks whether a mask that does not say where it lies fits better mirrored; then a finding says so, too.
pub fn propose_flip(volume: &Volume, mask: &mut LoadedMask) -> Option<FlipProposal> {
    let (flips, now, best) = Some(&*mask).filter(|m| m.unplaced).and_then(|m| better_flip(volume, &m.labels))?;
    let what = [(flips.x, "sides"), (flips.y, "top and bottom"), (flips.z, "order of slices")];
    let what: Vec<&str> = what.into_iter().filter(|w| w.0).map(|w| w.1).collect();
    let reason = format!(
        "The mask fits the image better with {} exchanged: {:.0} HU of contrast at its border instead of {:.0}, \
         {:.0} HU of spread inside instead of {:.0}.",
        what.join(" and "),
        best.border,
        now.border,
        best.spread,
        now.spread,
    );
    let text = format!("{reason} Nothing was changed; to do it, use Mirror in the layer's menu, or --flip {flips}.");
    mask.findings.push(Finding::new(Severity::Warning, CODE, text));
    Some(FlipProposal { flips, reason })
}

/// Sums over a part of the mask, for the mask as it is and its seven mirrorings.
#[derive(Clone)]
struct Sums {
    steps: u64,
    step_hu: [f64; 8],
    /// Number of voxels of each label.
    counts: Vec<f64>,
    hu: [Vec<f64>; 8],
    squares: [Vec<f64>; 8],
}

impl Sums {
    fn new() -> Self {
        let zeros = || std::array::from_fn(|_| vec![0.0; 256]);
        Self { steps: 0, step_hu: [0.0; 8], counts: vec![0.0; 256], hu: zeros(), squares: zeros() }
    }

    fn add(mut self, other: &Self) -> Self {
        let sum = |a: &mut Vec<f64>, b: &Vec<f64>| a.iter_mut().zip(b).for_each(|(a, b)| *a += b);
        self.steps += other.steps;
        sum(&mut self.counts, &other.counts);
        for n in 0..8 {
            self.step_hu[n] += other.step_hu[n];
            sum(&mut self.hu[n], &other.hu[n]);
            sum(&mut self.squares[n], &other.squares[n]);
        }
        self
    }

    fn fit(&self, n: usize) -> Fit {
        let total: f64 = self.counts.iter().sum();
        let within: f64 = (1..256)
            .filter(|&l| self.counts[l] > 0.0)
            .map(|l| self.squares[n][l] - self.hu[n][l] * self.hu[n][l] / self.counts[l])
            .sum();
        Fit {
            border: self.step_hu[n] / (self.steps as f64).max(1.0),
            spread: (within / total.max(1.0)).max(0.0).sqrt(),
            steps: self.steps,
        }
    }
}

/// The fit as it is and of [`Flips::ALL`]; `None` when sizes differ or nothing is drawn.
fn fits(volume: &Volume, labels: &LabelMap) -> Option<[Fit; 8]> {
    let dims = labels.geometry().dims();
    if volume.geometry().dims() != dims {
        return None;
    }
    let drawn: Vec<usize> = (0..dims[2]).filter(|&k| labels_of(labels, k).iter().any(|&v| v != 0)).collect();
    let every = drawn.len().div_ceil(SLICES).max(1);
    let slices: Vec<usize> = drawn.into_iter().step_by(every).collect();
    if slices.is_empty() {
        return None;
    }
    let sums = slices.par_iter().map(|&k| slice_sums(volume, labels, k)).reduce(Sums::new, |a, b| a.add(&b));
    Some(std::array::from_fn(|n| sums.fit(n)))
}

fn labels_of(labels: &LabelMap, k: usize) -> Vec<u8> {
    let [nx, ny, _] = labels.geometry().dims();
    let mut out = vec![0; nx * ny];
    labels.copy_box(crate::core::VoxelBox { min: [0, 0, k], max: [nx, ny, k + 1] }, &mut out);
    out
}

fn slice_sums(volume: &Volume, labels: &LabelMap, k: usize) -> Sums {
    let dims = labels.geometry().dims();
    let [nx, ny, _] = dims;
    let hu = volume.hu();
    let geometry = volume.geometry();
    let at = |flips: Flips, voxel: [usize; 3]| {
        let value = hu.get(geometry.index(flips.voxel(voxel, dims))).copied().unwrap_or(RANGE.0);
        i32::from(value.clamp(RANGE.0, RANGE.1))
    };
    let ways: [Flips; 8] = std::array::from_fn(|n| if n == 0 { Flips::default() } else { Flips::ALL[n - 1] });
    let slice = labels_of(labels, k);
    let mut sums = Sums::new();
    for j in 0..ny {
        for i in 0..nx {
            let label = slice[j * nx + i];
            let mut step = |other: [usize; 3], there: u8| {
                if label != there {
                    sums.steps += 1;
                    for (n, &flips) in ways.iter().enumerate() {
                        let difference = (at(flips, [i, j, k]) - at(flips, other)).abs();
                        sums.step_hu[n] += f64::from(difference.min(LARGEST_STEP));
                    }
                }
            };
            if i + 1 < nx {
                step([i + 1, j, k], slice[j * nx + i + 1]);
            }
            if j + 1 < ny {
                step([i, j + 1, k], slice[(j + 1) * nx + i]);
            }
            if label != 0 {
                let l = usize::from(label);
                sums.counts[l] += 1.0;
                for (n, &flips) in ways.iter().enumerate() {
                    let v = f64::from(at(flips, [i, j, k]));
                    sums.hu[n][l] += v;
                    sums.squares[n][l] += v * v;
                }
            }
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::{Geometry, Segment};
    use glam::DVec3;

    /// A body in air with an organ away from its middle, and the mask of the organ.
    fn patient() -> (Volume, LabelMap) {
        let grid = Geometry::axis_aligned([64, 64, 32], DVec3::ONE, DVec3::ZERO).unwrap();
        let mut labels = LabelMap::empty(grid);
        let hu: Vec<i16> = (0..grid.voxel_count())
            .map(|n| {
                let voxel = [n % 64, n / 64 % 64, n / (64 * 64)];
                let v = DVec3::from_array(voxel.map(|v| v as f64));
                let noise = (n * 7919 % 23) as i16 - 11;
                if v.distance(DVec3::new(20.0, 22.0, 11.0)) < 10.5 {
                    labels.set(voxel, 1);
                    110 + noise
                } else if v.truncate().distance(glam::DVec2::new(31.5, 31.5)) < 28.0 {
                    20 + noise
                } else {
                    -1000
                }
            })
            .collect();
        (Volume::new(grid, hu).unwrap(), labels)
    }

    #[test]
    fn a_mirrored_mask_is_set_right_and_a_right_one_left_alone() {
        let (volume, truth) = patient();
        assert_eq!(better_flip(&volume, &truth), None);
        for flips in Flips::ALL {
            let (found, now, best) = better_flip(&volume, &truth.flipped(flips))
                .unwrap_or_else(|| panic!("{flips}: {:?}", fits(&volume, &truth.flipped(flips))));
            assert_eq!(found, flips);
            assert!(best.border > now.border && best.spread <= now.spread * SPREAD_AT_MOST);
        }
    }

    #[test]
    fn too_little_to_tell_is_not_told() {
        let (volume, truth) = patient();
        let mut dot = LabelMap::empty(*truth.geometry());
        dot.set([3, 3, 3], 1);
        assert_eq!(better_flip(&volume, &dot), None);
        assert_eq!(better_flip(&volume, &LabelMap::empty(*truth.geometry())), None);
        let other = Geometry::axis_aligned([4, 4, 4], DVec3::ONE, DVec3::ZERO).unwrap();
        assert_eq!(better_flip(&volume, &LabelMap::empty(other)), None);
    }

    #[test]
    fn only_masks_without_a_place_are_asked_about() {
        let (volume, truth) = patient();
        let wrong = truth.flipped(Flips { y: true, ..Flips::default() });
        let mut mask = LoadedMask::new(wrong, vec![Segment::new(1, "a")], Vec::new());
        assert_eq!(propose_flip(&volume, &mut mask), None);
        assert!(mask.findings.is_empty());
        mask.unplaced = true;
        let proposal = propose_flip(&volume, &mut mask).unwrap();
        assert_eq!(proposal.flips, Flips { y: true, ..Flips::default() });
        assert!(mask.findings[0].text.starts_with(&proposal.reason));
        assert!(mask.findings[0].text.contains("top and bottom") && mask.findings[0].text.contains("--flip"));
    }
}
