//! The data that `bench` measures on: a noisy volume, a pair of masks, a folder for files. Deterministic.

use crate::cli::CliError;
use crate::core::{Geometry, LabelMap, Volume};
use crate::io::atomic::plain_reason;
use glam::DVec3;
use std::ops::Range;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

/// Size of a pixel in mm.
pub(super) const PIXEL: f64 = 0.78125;
/// Voxels of a usual abdomen.
const SPACING: DVec3 = DVec3::new(PIXEL, PIXEL, 1.25);

/// A volume of `dims` voxels: a gradient from -1000 to about 1000 HU along i and j, with noise.
pub(super) fn volume(dims: [usize; 3]) -> Result<Volume, CliError> {
    spaced(dims, SPACING)
}

/// The same on voxels that are cubes, so that a sphere is as many voxels high as it is wide.
pub(super) fn cubes(dims: [usize; 3]) -> Result<Volume, CliError> {
    spaced(dims, DVec3::splat(PIXEL))
}

fn spaced(dims: [usize; 3], spacing: DVec3) -> Result<Volume, CliError> {
    let geometry = Geometry::axis_aligned(dims, spacing, DVec3::ZERO).map_err(CliError::of)?;
    let [nx, ny, nz] = dims;
    let mut hu = Vec::with_capacity(nx * ny * nz);
    // Numerical Recipes' generator: quick, and good enough for noise.
    let mut state = 1u32;
    for _ in 0..nz {
        for j in 0..ny {
            for i in 0..nx {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                hu.push((i * 1000 / nx + j * 1000 / ny) as i16 - 1000 + (state >> 26) as i16);
            }
        }
    }
    Volume::new(geometry, hu).map_err(CliError::of)
}

/// Columns and rows of the mask pair.
const EDGE: i64 = 512;

/// Two overlapping ellipsoids; with `rough` displaced, riddled with holes and joined by a ball that the other lacks.
/// Slices `slices` of 512 x 512 pixels; 300 slices hold all of it, `stretch` times as many when it is that much longer.
///
/// Integer arithmetic throughout, so that any program can make the same voxels.
fn blob(slices: Range<i64>, stretch: i64, rough: bool) -> Vec<u8> {
    let [dx, dy, dz] = if rough { [-3, 2, 1] } else { [0; 3] };
    let square = |at: i64, centre: i64, percent: i64| ((at - centre) * 100).div_euclid(percent).pow(2);
    // Per axis the squared terms of both ellipsoids, in units of a 100th of the half axis.
    let terms = |range: Range<i64>, d: i64, [c1, p1, c2, p2]: [i64; 4]| -> Vec<[i64; 2]> {
        range.map(|v| [square(v, c1 + d, p1), square(v, c2 + d, p2)]).collect()
    };
    let xs = terms(0..EDGE, dx, [200, 90, 290, 60]);
    let ys = terms(0..EDGE, dy, [250, 75, 230, 50]);
    let zs = terms(slices.clone(), dz, [150, 80, 160, 50].map(|n| n * stretch));
    let mut mask = Vec::with_capacity(xs.len() * ys.len() * zs.len());
    for (z, tz) in slices.zip(&zs) {
        for (y, ty) in (0..).zip(&ys) {
            let row = [ty[0] + tz[0], ty[1] + tz[1]];
            for (x, tx) in (0..).zip(&xs) {
                let mut inside = tx[0] + row[0] < 10_000 || tx[1] + row[1] < 10_000;
                if rough {
                    let x: i64 = x;
                    let hole = (x * 7 + y * 13 + z * 29) % 97 == 0 && (x + y + z) % 5 == 0;
                    let ball = (x - 200).pow(2) + (y - 350).pow(2) + (z - 150 * stretch).pow(2) < 14 * 14;
                    inside = (inside && !hole) || ball;
                }
                mask.push(u8::from(inside));
            }
        }
    }
    mask
}

/// A smooth mask and a rough one on a 0.78125 x 0.78125 x 1.25 mm grid; their shapes are `stretch` times as long along k
/// as those that other programs were measured with.
pub(super) fn mask_pair(slices: Range<i64>, stretch: i64) -> Result<[LabelMap; 2], CliError> {
    let dims = [EDGE as usize, EDGE as usize, slices.clone().count()];
    let geometry = Geometry::axis_aligned(dims, SPACING, DVec3::ZERO).map_err(CliError::of)?;
    let map = |rough: bool| {
        LabelMap::from_dense(geometry, &blob(slices.clone(), stretch, rough))
            .ok_or_else(|| CliError("The generated mask does not fit its grid.".into()))
    };
    Ok([map(false)?, map(true)?])
}

/// A folder of our own in the system's temporary folder, removed with all it holds at the end.
pub(super) struct TemporaryFolder(pub PathBuf);

impl TemporaryFolder {
    pub fn create() -> Result<Self, CliError> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_nanos());
        let path = std::env::temp_dir().join(format!("maskwright-bench-{}-{now}", std::process::id()));
        match std::fs::create_dir(&path) {
            Ok(()) => Ok(Self(path)),
            Err(e) => Err(CliError(format!("{} cannot be made: {}.", path.display(), plain_reason(&e)))),
        }
    }
}

impl Drop for TemporaryFolder {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            tracing::warn!(%error, folder = %self.0.display(), "temporary files were left behind");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jobs::JobContext;
    use crate::metrics::{CompareOptions, Pair, compare};

    #[test]
    fn the_middle_slice_gives_the_figures_that_other_programs_gave() {
        let [a, b] = mask_pair(150..151, 1).unwrap();
        let options = CompareOptions::full("a", "b");
        let report = compare(&a, &b, &[Pair::foreground("blob")], &options, &JobContext::detached()).unwrap();
        let row = &report.rows[0].slices[0];
        let distances = row.distances_mm.as_ref().unwrap();
        // NumPy and MONAI 1.6.1 (the larger directed percentile, the pooled mean) on masks made by the same formula.
        assert!((row.figures.dice.unwrap() - 0.9637).abs() < 5e-5, "{:?}", row.figures);
        for (found, expected) in [(distances.hd, 56.5800), (distances.hd95.unwrap(), 32.3360), (distances.assd, 5.3179)]
        {
            assert!((found - expected).abs() < 5e-5, "{found} instead of {expected}");
        }
    }

    #[test]
    fn a_temporary_folder_goes_with_what_it_holds() {
        let folder = TemporaryFolder::create().unwrap();
        let path = folder.0.clone();
        std::fs::write(path.join("file"), "x").unwrap();
        drop(folder);
        assert!(!path.exists());
    }
}
