//! Bringing a mask onto the image's grid without interpolation: axis order, flips, and cropped boxes.
//!
//! Used by the mask loaders, and by the scan to tell which mask belongs to which image.

use crate::core::{BRICK_EDGE, Geometry, LabelId, LabelMap, Segment, segments_for_values};
use crate::io::error::IoError;
use crate::io::mask::{LoadedMask, MaskLayer};
use crate::io::numbers::Numbers;
use crate::io::types::{Finding, Severity};
use crate::io::volume_file::{FileSegment, LabelFile, NO_ORIENTATION};
use glam::DVec3;
use std::ops::Range;
use std::path::Path;

/// Largest distance, in voxels of the image, between a mask's corner and the image voxel it falls on.
const TOLERANCE: f64 = 0.25;
/// Distance from which on it is told: more than the rounding of 32-bit headers.
const TOLD: f64 = 0.05;

/// How mask voxels lie on the image's: mask axis `a` runs along image axis `axis[a]`, backwards where `flip[a]`,
/// and mask voxel 0 is image voxel `start`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Placement {
    axis: [usize; 3],
    flip: [bool; 3],
    start: [usize; 3],
    size: [usize; 3],
    whole: bool,
    /// Largest distance of a corner from its voxel, in voxels of the image.
    off: f64,
}

impl Placement {
    /// Finds the placement of a grid that covers the same voxels as `image`, or a box of them.
    ///
    /// `None` when corners differ by more than a quarter of a voxel, or the mask leaves the image.
    pub fn find(mask: &Geometry, image: &Geometry) -> Option<Self> {
        let image_from_mask = image.voxel_from_world() * mask.world_from_voxel();
        let m = image_from_mask.matrix3;
        let axis: [usize; 3] = std::array::from_fn(|a| {
            let c = m.col(a).abs();
            (0..3).max_by(|&x, &y| c[x].total_cmp(&c[y])).unwrap_or(a)
        });
        if axis[0] == axis[1] || axis[0] == axis[2] || axis[1] == axis[2] {
            return None;
        }
        let flip: [bool; 3] = std::array::from_fn(|a| m.col(a)[axis[a]] < 0.0);
        let (size, dims) = (mask.dims(), image.dims());
        let origin = image_from_mask.translation;
        let mut start = [0; 3];
        for a in 0..3 {
            let (first, n, limit) = (origin[axis[a]].round(), size[a] as f64, dims[axis[a]] as f64);
            let last = if flip[a] { first - (n - 1.0) } else { first + (n - 1.0) };
            if !(first.min(last) >= 0.0 && first.max(last) <= limit - 1.0) {
                return None;
            }
            start[axis[a]] = first as usize;
        }
        let distance = |corner: usize| {
            let v: [f64; 3] = std::array::from_fn(|a| if corner >> a & 1 == 1 { size[a] as f64 - 1.0 } else { 0.0 });
            let mut exact = DVec3::from_array(start.map(|s| s as f64));
            for a in 0..3 {
                exact[axis[a]] += if flip[a] { -v[a] } else { v[a] };
            }
            (image_from_mask.transform_point3(DVec3::from_array(v)) - exact).abs().max_element()
        };
        let off = (0..8).map(distance).fold(0.0, f64::max);
        let whole = (0..3).all(|a| size[a] == dims[axis[a]]);
        (off <= TOLERANCE).then_some(Self { axis, flip, start, size, whole, off })
    }

    /// Voxel for voxel in the order of storage, for files that do not say where they lie; `None` for unequal sizes.
    fn by_order(mask: &Geometry, image: &Geometry) -> Option<Self> {
        let size = mask.dims();
        let plain = Self { axis: [0, 1, 2], flip: [false; 3], start: [0; 3], size, whole: true, off: 0.0 };
        (size == image.dims()).then_some(plain)
    }

    /// Whether every voxel of the image is covered.
    pub fn is_whole(&self) -> bool {
        self.whole
    }

    /// Labels on `image` of a mask's numbers; `ids` gives the label of each of their bytes.
    fn lay(&self, numbers: &Numbers, ids: &[LabelId; 256], image: &Geometry) -> LabelMap {
        let mut labels = LabelMap::empty(*image);
        let place = |a: usize, v: usize| {
            let b = self.axis[a];
            if self.flip[a] { self.start[b] - v } else { self.start[b] + v }
        };
        for (k, slice) in (0..self.size[2]).filter_map(|k| Some((k, numbers.slice(k)?))) {
            for (j, row) in slice.chunks_exact(self.size[0].max(1)).enumerate() {
                let mut voxel = [0; 3];
                (voxel[self.axis[2]], voxel[self.axis[1]]) = (place(2, k), place(1, j));
                let mut i = 0;
                for run in row.chunk_by(|a, b| a == b) {
                    let label = run.first().map_or(0, |byte| ids[usize::from(*byte)]);
                    if label != 0 {
                        let (a, b) = (place(0, i), place(0, i + run.len() - 1));
                        paint(&mut labels, voxel, self.axis[0], a.min(b)..a.max(b) + 1, label);
                    }
                    i += run.len();
                }
            }
        }
        labels
    }
}

/// Labels the voxels of a line along `axis`.
fn paint(labels: &mut LabelMap, mut voxel: [usize; 3], axis: usize, range: Range<usize>, label: LabelId) {
    let mut at = range.start;
    while at < range.end {
        voxel[axis] = at;
        // Along i the voxels of a brick lie side by side.
        let end = if axis == 0 { (at / BRICK_EDGE + 1) * BRICK_EDGE } else { at + 1 }.min(range.end);
        let (index, from) = (labels.brick_of(voxel), LabelMap::offset_in_brick(voxel));
        labels.brick_mut(index)[from..from + end - at].fill(label);
        at = end;
    }
}

/// Why a mask does not lie on an image, for the user.
pub fn mismatch(mask: &Geometry, image: &Geometry) -> IoError {
    let sorted = |g: &Geometry| {
        let mut d = g.dims();
        d.sort_unstable();
        d
    };
    if sorted(mask) != sorted(image) {
        return IoError::GridMismatch { mask: mask.dims(), image: image.dims() };
    }
    let centre = |g: &Geometry| {
        let half = DVec3::from_array(g.dims().map(|d| (d as f64 - 1.0) / 2.0));
        g.world_from_voxel().transform_point3(half)
    };
    IoError::GridElsewhere { distance_mm: centre(mask).distance(centre(image)) }
}

/// Numbers of a file on its own grid -> labels on `image` (or on the file's own grid), with one segment a number.
///
/// `cropped` accepts a mask that covers a part of the image; outside it all is background. A file that does not say how
/// the patient lies and has the image's sizes is laid on it in the order of storage, with a finding.
///
/// # Errors
/// [`IoError::GridMismatch`], [`IoError::GridElsewhere`], [`IoError::TooManyLabels`].
pub fn labels_on_grid(
    path: &Path,
    file: LabelFile,
    image: Option<&Geometry>,
    cropped: bool,
) -> Result<LoadedMask, IoError> {
    let oriented = file.has_orientation();
    let LabelFile { geometry: grid, layers, segments: named, mut findings } = file;
    let image = image.unwrap_or(&grid);
    let placed = Placement::find(&grid, image).filter(|p| cropped || p.is_whole());
    let unplaced = placed.is_none() && !oriented;
    let placement = placed
        .or_else(|| Placement::by_order(&grid, image).filter(|_| unplaced))
        .ok_or_else(|| mismatch(&grid, image))?;
    if unplaced {
        // The header's own remark; the one below says it of mask and image.
        findings.retain(|f| f.code != NO_ORIENTATION);
    }
    let mut say = |severity, code, text: String| findings.push(Finding::new(severity, code, text).about(path));
    if unplaced {
        let text = "it does not say where it lies: its voxels were taken in the order of the image's; check the sides \
                    and the order of the slices";
        say(Severity::Warning, NO_ORIENTATION, text.into());
    }
    if placement.off > TOLD {
        let text =
            format!("its voxels lie up to {:.2} voxel beside the image's, and were taken as the same", placement.off);
        say(Severity::Warning, "near-grid", text);
    }
    if !placement.is_whole() {
        let text = "it covers a part of the image; the rest was taken as background".to_owned();
        say(Severity::Note, "cropped", text);
    }
    let tables = tables(&layers, &named).ok_or_else(|| IoError::TooManyLabels(path.to_owned()))?;
    let mut placed = Vec::new();
    for (numbers, table) in layers.into_iter().zip(tables) {
        let mut ids = [0; 256];
        for (id, value) in ids[1..].iter_mut().zip(numbers.values()) {
            *id = table.iter().find(|(v, _)| v == value).map_or(0, |(_, s)| s.id);
        }
        let labels = placement.lay(&numbers, &ids, image);
        placed.push(MaskLayer { labels, segments: table.into_iter().map(|(_, s)| s).collect() });
    }
    let mut placed = placed.into_iter();
    let MaskLayer { labels, segments } = placed.next().ok_or_else(|| mismatch(&grid, image))?;
    Ok(LoadedMask { labels, segments, further: placed.collect(), findings, unplaced })
}

/// The segment of each number, layer by layer; `None` when there are more than labels.
///
/// With one layer a number up to 255 is its own label. Several layers may use the same numbers: their segments are
/// labelled from 1 on, first those that the file names.
fn tables(layers: &[Numbers], named: &[FileSegment]) -> Option<Vec<Vec<(u32, Segment)>>> {
    if let [only] = layers {
        return Some(vec![segments_for_values(only.values())?]);
    }
    let mut tables: Vec<Vec<(u32, Segment)>> = vec![Vec::new(); layers.len()];
    let mut free = 1..=u8::MAX;
    let mut add = |layer: usize, value: u32| -> Option<()> {
        let table = tables.get_mut(layer)?;
        if table.iter().all(|(v, _)| *v != value) {
            let segment = Segment { file_value: value, ..Segment::new(free.next()?, format!("Label {value}")) };
            table.push((value, segment));
        }
        Some(())
    };
    for segment in named.iter().filter(|s| s.layer < layers.len()) {
        add(segment.layer, segment.value)?;
    }
    for (layer, numbers) in layers.iter().enumerate() {
        let mut values = numbers.values().to_vec();
        values.sort_unstable();
        values.into_iter().try_for_each(|v| add(layer, v))?;
    }
    Some(tables)
}

#[cfg(test)]
mod tests {
    use super::*;
    use glam::{DAffine3, DMat3, DQuat};
    use proptest::prelude::*;

    fn oblique(dims: [usize; 3], angle: f64) -> Geometry {
        let m = DMat3::from_quat(DQuat::from_axis_angle(DVec3::new(1.0, 2.0, 0.5).normalize(), angle))
            * DMat3::from_diagonal(DVec3::new(0.7, 0.9, 2.5));
        Geometry::new(dims, DAffine3 { matrix3: m, translation: DVec3::new(-120.0, 33.0, 7.5) }).unwrap()
    }

    fn file(geometry: Geometry, values: Vec<u32>) -> LabelFile {
        LabelFile {
            geometry,
            layers: vec![Numbers::of(geometry.dims(), &values)],
            segments: Vec::new(),
            findings: Vec::new(),
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        /// A grid stored in another axis order and sense comes back voxel for voxel.
        #[test]
        fn every_axis_order_and_flip_is_undone(
            dims in prop::array::uniform3(1usize..7), order in 0usize..6, flips in prop::array::uniform3(any::<bool>()),
            angle in -3.0f64..3.0,
        ) {
            let image = oblique(dims, angle);
            let axis = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]][order];
            let size: [usize; 3] = std::array::from_fn(|a| dims[axis[a]]);
            let world = image.world_from_voxel();
            let mut first = DVec3::ZERO;
            let mut cols = [DVec3::ZERO; 3];
            for a in 0..3 {
                let step = world.matrix3.col(axis[a]);
                if flips[a] { first[axis[a]] = size[a] as f64 - 1.0; }
                cols[a] = if flips[a] { -step } else { step };
            }
            let affine = DAffine3::from_cols(cols[0], cols[1], cols[2], world.transform_point3(first));
            let mask = Geometry::new(size, affine).unwrap();
            // The value of a voxel tells where in the image it belongs.
            let mut values = vec![0u32; mask.voxel_count()];
            for k in 0..size[2] { for j in 0..size[1] { for i in 0..size[0] {
                let p = image.voxel_from_world().transform_point3(
                    affine.transform_point3(DVec3::new(i as f64, j as f64, k as f64)));
                let at = image.index([p.x.round() as usize, p.y.round() as usize, p.z.round() as usize]);
                values[mask.index([i, j, k])] = at as u32;
            }}}
            let loaded = labels_on_grid(Path::new("m"), file(mask, values), Some(&image), false).unwrap();
            let back: Vec<u32> = loaded.labels.to_dense().iter().map(|&l| {
                loaded.segments.iter().find(|s| s.id == l).map_or(0, |s| s.file_value)
            }).collect();
            prop_assert_eq!(back, (0..image.voxel_count() as u32).collect::<Vec<_>>());
        }
    }

    #[test]
    fn other_grids_are_refused_by_name() {
        let image = oblique([6, 5, 4], 0.3);
        let smaller = oblique([3, 5, 4], 0.3);
        let values = vec![1; smaller.voxel_count()];
        let refused = labels_on_grid(Path::new("m"), file(smaller, values.clone()), Some(&image), false);
        assert!(matches!(refused, Err(IoError::GridMismatch { mask: [3, 5, 4], image: [6, 5, 4] })));
        let cropped = labels_on_grid(Path::new("m"), file(smaller, values), Some(&image), true).unwrap();
        assert_eq!(cropped.labels.counts()[1], 60);
        assert_eq!((cropped.labels.at([2, 4, 3]), cropped.labels.at([3, 4, 3])), (1, 0));
        let shift = |mm: f64| {
            let mut a = image.world_from_voxel();
            a.translation += a.matrix3.x_axis.normalize() * mm;
            Geometry::new(image.dims(), a).unwrap()
        };
        let codes = |mm: f64| {
            let loaded = labels_on_grid(Path::new("m"), file(shift(mm), vec![0; 120]), Some(&image), true);
            loaded.map(|l| l.findings.iter().map(|f| f.code).collect::<Vec<_>>())
        };
        assert_eq!(codes(0.03).unwrap(), Vec::<&str>::new());
        assert_eq!(codes(0.1).unwrap(), ["near-grid"]);
        assert!(matches!(codes(0.2), Err(IoError::GridElsewhere { .. })));
    }

    #[test]
    fn a_mask_without_orientation_is_laid_on_by_order_and_said_so() {
        let image = oblique([3, 2, 2], 0.3);
        let grid = Geometry::axis_aligned([3, 2, 2], DVec3::ONE, DVec3::ZERO).unwrap();
        let values: Vec<u32> = (0..12).collect();
        let remark = Finding::new(Severity::Warning, NO_ORIENTATION, "it does not say how the patient lies");
        let nowhere = LabelFile { findings: vec![remark], ..file(grid, values.clone()) };
        let loaded = labels_on_grid(Path::new("m"), nowhere, Some(&image), false).unwrap();
        assert_eq!(loaded.labels.to_dense(), (0..12).collect::<Vec<u8>>());
        assert_eq!((loaded.unplaced, loaded.findings.len()), (true, 1));
        assert!(loaded.findings[0].text.contains("order of the image's"));
        let refused = labels_on_grid(Path::new("m"), file(grid, values), Some(&image), false);
        assert!(matches!(refused, Err(IoError::GridElsewhere { .. })), "a file that says where it lies is believed");
    }

    #[test]
    fn layers_that_use_the_same_numbers_get_labels_of_their_own() {
        let grid = Geometry::axis_aligned([3, 1, 1], DVec3::ONE, DVec3::ZERO).unwrap();
        let named = FileSegment { layer: 1, value: 1, name: "tumour".into(), color: None, code: None };
        let segments = vec![FileSegment { layer: 0, name: "liver".into(), ..named.clone() }, named];
        let layers = [[1, 1, 7], [0, 1, 0]].map(|v| Numbers::of([3, 1, 1], &v)).to_vec();
        let file = LabelFile { geometry: grid, layers, segments, findings: Vec::new() };
        let mask = labels_on_grid(Path::new("m"), file, None, true).unwrap();
        assert_eq!((mask.labels.to_dense(), mask.further[0].labels.to_dense()), (vec![1, 1, 3], vec![0, 2, 0]));
        let values: Vec<(u8, u32)> = mask.all_segments().map(|s| (s.id, s.file_value)).collect();
        assert_eq!(values, [(1, 1), (3, 7), (2, 1)]);
        let flat = mask.flattened();
        assert_eq!(flat.labels.to_dense(), [1, 2, 3]);
        assert_eq!(flat.segments.iter().map(|s| s.file_value).collect::<Vec<_>>(), [1, 2, 3]);
    }

    #[test]
    fn too_many_labels_are_refused() {
        let grid = Geometry::axis_aligned([300, 1, 1], DVec3::ONE, DVec3::ZERO).unwrap();
        let layer =
            |from: u32| Numbers::of([300, 1, 1], &(from..from + 300).map(|v| v % 150 + from).collect::<Vec<_>>());
        let both = LabelFile { layers: vec![layer(0), layer(1000)], ..file(grid, vec![0; 300]) };
        let refused = labels_on_grid(Path::new("m"), both, None, false);
        assert!(matches!(refused, Err(IoError::TooManyLabels(_))));
    }
}
