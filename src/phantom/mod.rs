//! Generated CT patients: anatomy from smooth implicit shapes, varied by a seed, with labels that fit it exactly.
//!
//! Floor 1; pure generation in memory, no files. For trying, testing, demonstrating and measuring: no result on
//! these patients says anything about real ones. Used by the command line, the demo, benchmarks and tests.
//!
//! One torso is built for every kind; the kind chooses the part that is scanned, the contrast phase and the labels.

mod abdomen;
mod anatomy;
mod bowel;
mod disease;
mod habitus;
mod muscles;
mod noise;
mod raster;
mod shape;
mod skeleton;
mod thorax;
mod trees;

#[cfg(test)]
mod tests;

use crate::core::{Geometry, GeometryError, LabelId, LabelMap, Segment, Volume, VolumeError, Window};
use anatomy::Torso;
use glam::DVec3;
use habitus::Chance;
use raster::{Plane, Slice};
use rayon::prelude::*;

/// What is scanned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Apex to the recesses below the lungs. Labels: 1 Left lung, 2 Right lung.
    Chest,
    /// [`Self::Chest`] with consolidation, ground glass and masses: the same patient with the same labels, in which the
    /// lungs' borders are hard to see.
    DiseasedChest,
    /// Dome of the diaphragm to the pelvis, portal-venous. Labels: 1 Liver, 2 Liver tumour, 3 Kidney, 4 Spleen.
    Abdomen,
    /// A few slices at the third lumbar vertebra. Label: 1 Skeletal muscle.
    L3,
}

/// One patient to generate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PhantomSpec {
    pub kind: Kind,
    /// Columns and rows.
    pub size: usize,
    pub slices: usize,
    /// Chooses the patient: the same seed gives the same patient at every size.
    pub seed: u64,
}

/// A generated patient.
#[derive(Debug, Clone)]
pub struct Phantom {
    /// HU, axial, slices from feet to head.
    pub volume: Volume,
    pub labels: LabelMap,
    /// Every segment of the kind, also when this patient has no voxel of it (a liver without tumours).
    pub segments: Vec<Segment>,
}

/// Why no patient was generated.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum PhantomError {
    /// The size is outside what anatomy can be drawn at.
    #[error("a generated patient needs 16 to 2048 columns and 1 to 4096 slices, not {0} and {1}; choose others")]
    Size(usize, usize),
    /// The progress callback asked to stop.
    #[error("generating the patient was cancelled")]
    Cancelled,
    #[error("the generated patient's grid is not valid: {0}")]
    Grid(#[from] GeometryError),
    #[error("the generated patient's image is not valid: {0}")]
    Image(#[from] VolumeError),
}

/// What a voxel is, as far as any kind labels it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tissue {
    Other,
    LungLeft,
    LungRight,
    Liver,
    Tumour,
    Kidney,
    Spleen,
    Muscle,
}

impl Kind {
    /// The segments of this kind, labels from 1.
    pub fn segments(self) -> Vec<Segment> {
        let names: &[&str] = match self {
            Self::Chest | Self::DiseasedChest => &["Left lung", "Right lung"],
            Self::Abdomen => &["Liver", "Liver tumour", "Kidney", "Spleen"],
            Self::L3 => &["Skeletal muscle"],
        };
        names.iter().zip(1..).map(|(name, id)| Segment::new(id, *name)).collect()
    }

    fn label(self, tissue: Tissue) -> LabelId {
        match (self, tissue) {
            (Self::Chest | Self::DiseasedChest, Tissue::LungLeft)
            | (Self::Abdomen, Tissue::Liver)
            | (Self::L3, Tissue::Muscle) => 1,
            (Self::Chest | Self::DiseasedChest, Tissue::LungRight) | (Self::Abdomen, Tissue::Tumour) => 2,
            (Self::Abdomen, Tissue::Kidney) => 3,
            (Self::Abdomen, Tissue::Spleen) => 4,
            _ => 0,
        }
    }

    /// The window a reader of this examination starts with.
    fn window(self) -> Window {
        match self {
            Self::Chest | Self::DiseasedChest => Window::new(1500.0, -600.0),
            Self::Abdomen | Self::L3 => Window::new(400.0, 40.0),
        }
    }
}

/// Generates one patient; `progress` gets the fraction done and returns `false` to stop.
///
/// Uses rayon's threads; `progress` is called on the calling thread. The result depends on `spec` alone.
///
/// # Errors
/// [`PhantomError::Size`] for sizes that are too small or too large, [`PhantomError::Cancelled`] when told to stop.
pub fn generate(spec: &PhantomSpec, progress: &dyn Fn(f32) -> bool) -> Result<Phantom, PhantomError> {
    if !(16..=2048).contains(&spec.size) || !(1..=4096).contains(&spec.slices) {
        return Err(PhantomError::Size(spec.size, spec.slices));
    }
    if !progress(0.0) {
        return Err(PhantomError::Cancelled);
    }
    let torso = Torso::new(spec.kind, spec.seed);
    let scan = Scan::plan(spec, &torso);
    let geometry = Geometry::axis_aligned(
        [spec.size, spec.size, spec.slices],
        DVec3::new(scan.pixel, scan.pixel, scan.pitch),
        DVec3::new(scan.corner[0], scan.corner[1], scan.lowest),
    )?;
    let per_slice = spec.size * spec.size;
    let mut hu = vec![0i16; per_slice * spec.slices];
    let mut labels = vec![0 as LabelId; per_slice * spec.slices];
    let batch = rayon::current_num_threads().max(1) * 2;
    for start in (0..spec.slices).step_by(batch) {
        let end = (start + batch).min(spec.slices);
        let range = start * per_slice..end * per_slice;
        hu[range.clone()]
            .par_chunks_exact_mut(per_slice)
            .zip(labels[range].par_chunks_exact_mut(per_slice))
            .enumerate()
            .for_each(|(n, (hu, labels))| scan.slice(spec, &torso, start + n, hu, labels));
        if !progress(end as f32 / spec.slices as f32) {
            return Err(PhantomError::Cancelled);
        }
    }
    let volume = Volume::new(geometry, hu)?.with_window(Some(spec.kind.window()));
    let found = labels.len();
    let labels = LabelMap::from_dense(geometry, &labels)
        .ok_or(VolumeError::Length { expected: geometry.voxel_count(), found })?;
    Ok(Phantom { volume, labels, segments: spec.kind.segments() })
}

/// Where the scanner looks and how noisy it is.
struct Scan {
    pixel: f64,
    pitch: f64,
    /// World x and y of the first pixel's centre.
    corner: [f64; 2],
    /// World z of the first slice.
    lowest: f64,
    /// World mm by which the scanner's zero is off the torso's.
    table: f64,
    center: [f64; 2],
    /// Standard deviation of the noise in the middle of the body, HU.
    noise: f32,
    /// Reach of the noise's correlation, mm.
    blur: f32,
    /// Slices averaged into one, so that thick slices show partial volume.
    sub: usize,
}

impl Scan {
    fn plan(spec: &PhantomSpec, torso: &Torso) -> Self {
        let mut c = Chance::new(spec.seed, 13);
        let habitus = &torso.habitus;
        let along = f64::from(habitus.scale.z);
        let z_l3 = f64::from(skeleton::levels(habitus)[skeleton::L3].center.z) * along;
        let (low, high, look) = match spec.kind {
            Kind::Chest | Kind::DiseasedChest => {
                let low = f64::from(habitus.dome_left.min(habitus.dome_right)) - 88.0;
                (low * along, (8.0 + f64::from(c.between(0.0, 8.0))) * along, -150.0)
            }
            Kind::Abdomen => {
                let top = f64::from(habitus.dome_left.max(habitus.dome_right)) + 12.0;
                ((-424.0 + f64::from(c.around(0.0, 8.0))) * along, top * along, -330.0)
            }
            Kind::L3 => {
                let half = 2.5 * (spec.slices as f64 - 1.0);
                (z_l3 - half, z_l3 + half, -365.0)
            }
        };
        let pitch = match spec.kind {
            Kind::L3 => 5.0,
            _ => (high - low) / (spec.slices as f64 - 1.0).max(1.0),
        };
        let low = if spec.slices == 1 { (low + high) / 2.0 } else { low };
        let widest = f64::from(habitus.skin_radius(0.0, look).max(habitus.skin_radius(0.1, look)) * habitus.scale.x);
        let view = (2.0 * widest + f64::from(c.between(18.0, 50.0))).clamp(345.0, 440.0);
        let pixel = view / spec.size as f64;
        let center = [f64::from(c.around(0.0, 8.0)), f64::from(c.around(6.0, 10.0))];
        // Tables count from somewhere else than the patient's neck.
        let table = f64::from(c.between(-900.0, 300.0)).round();
        let half = (spec.size as f64 - 1.0) / 2.0 * pixel;
        Self {
            pixel,
            pitch,
            corner: [center[0] - half, center[1] - half],
            lowest: low + table,
            table,
            center,
            noise: c.between(10.0, 22.0),
            blur: c.between(0.5, 0.8),
            // Coarse images are for speed; there the pixels themselves are as wide as the slices' edges.
            sub: if pitch > 2.6 && pixel < 2.0 && spec.kind != Kind::L3 { 3 } else { 1 },
        }
    }

    fn slice(&self, spec: &PhantomSpec, torso: &Torso, k: usize, hu: &mut [i16], labels: &mut [LabelId]) {
        let plane = Plane { side: spec.size, pixel: self.pixel as f32, origin: self.corner.map(|v| v as f32) };
        let z = self.lowest - self.table + k as f64 * self.pitch;
        // The collimated slice is thinner than a wide gap between slices.
        let thick = self.pitch.min(6.0);
        let mut sum = vec![0.0f32; hu.len()];
        for s in 0..self.sub {
            let offset = (s as f64 - (self.sub as f64 - 1.0) / 2.0) / self.sub as f64 * thick;
            let slice = Slice::draw(torso, plane, (z + offset) as f32);
            sum.iter_mut().zip(&slice.hu).for_each(|(a, b)| *a += b);
            if s == self.sub / 2 {
                labels.iter_mut().zip(&slice.tissue).for_each(|(l, t)| *l = spec.kind.label(*t));
            }
        }
        let sigma = (self.blur / plane.pixel).clamp(0.45, 3.0);
        let grain = noise::grain(spec.size, noise::mix(spec.seed ^ ((k as u64 + 1) << 32)), sigma);
        let reach = 0.5 * self.pixel * spec.size as f64;
        for (n, value) in hu.iter_mut().enumerate() {
            let x = f64::from(plane.origin[0]) + (n % spec.size) as f64 * self.pixel - self.center[0];
            let y = f64::from(plane.origin[1]) + (n / spec.size) as f64 * self.pixel - self.center[1];
            let r2 = ((x * x + y * y) / (reach * reach)).min(2.0) as f32;
            let mean = sum[n] / self.sub as f32;
            // More photons are lost on the way through the middle: more noise, and a slight cupping.
            let local = self.noise * (1.0 - 0.42 * r2.min(1.0)) * if mean < -950.0 { 0.7 } else { 1.0 };
            let cupping = if mean > -300.0 { -5.0 * (1.0 - r2.min(1.0)) } else { 0.0 };
            *value = (mean + cupping + local * grain[n]).round().clamp(-1024.0, 3071.0) as i16;
        }
    }
}
