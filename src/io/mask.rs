//! A mask as it was read: one label map, and further ones where its segments overlap.
//!
//! A label map holds one label a voxel. Segments of a file may overlap (a tumour in a liver, a body outline over all), so
//! the readers give each segment whole: on the first layer where it meets no other. The window shows the layers; who
//! needs a single label map asks for [`LoadedMask::flattened`].

use crate::core::{BrickIndex, Geometry, LabelId, LabelMap, Segment, count_with};
use crate::io::types::{Finding, Severity};
use std::sync::Arc;

/// One label map with the segments on it.
#[derive(Debug, Clone)]
pub struct MaskLayer {
    pub labels: LabelMap,
    pub segments: Vec<Segment>,
}

/// A mask on the grid that was asked for.
#[derive(Debug, Clone)]
pub struct LoadedMask {
    pub labels: LabelMap,
    pub segments: Vec<Segment>,
    /// Segments that overlap those of the layers before. Labels are unique over all layers.
    pub further: Vec<MaskLayer>,
    pub findings: Vec<Finding>,
    /// The file does not say where its voxels lie: sides and order of the slices rest on names and on custom.
    pub unplaced: bool,
}

impl LoadedMask {
    /// A mask without overlaps whose file says where it lies.
    pub fn new(labels: LabelMap, segments: Vec<Segment>, findings: Vec<Finding>) -> Self {
        Self { labels, segments, further: Vec::new(), findings, unplaced: false }
    }

    /// Every layer, the first one first.
    pub fn layers(&self) -> impl Iterator<Item = (&LabelMap, &[Segment])> {
        let first = std::iter::once((&self.labels, self.segments.as_slice()));
        first.chain(self.further.iter().map(|l| (&l.labels, l.segments.as_slice())))
    }

    /// Every layer, to be changed.
    pub fn layers_mut(&mut self) -> impl Iterator<Item = (&mut LabelMap, &mut Vec<Segment>)> {
        let first = std::iter::once((&mut self.labels, &mut self.segments));
        first.chain(self.further.iter_mut().map(|l| (&mut l.labels, &mut l.segments)))
    }

    /// Every segment of every layer.
    pub fn all_segments(&self) -> impl Iterator<Item = &Segment> {
        self.layers().flat_map(|(_, segments)| segments)
    }

    /// Whether nothing is drawn on any layer.
    pub fn is_blank(&self) -> bool {
        self.layers().all(|(labels, _)| labels.counts()[1..].iter().all(|&n| n == 0))
    }

    /// One layer: where segments overlap, the one with the higher label is kept, with a finding that counts the voxels.
    #[must_use]
    pub fn flattened(mut self) -> Self {
        if self.further.is_empty() {
            return self;
        }
        let overlapping = overlap_count(&self);
        let layers = std::mem::take(&mut self.further);
        for layer in &layers {
            raise(&mut self.labels, &layer.labels);
        }
        self.segments.extend(layers.into_iter().flat_map(|l| l.segments));
        self.segments.sort_by_key(|s| s.id);
        let mut values: Vec<u32> = self.segments.iter().map(|s| s.file_value).collect();
        values.sort_unstable();
        values.dedup();
        if values.len() < self.segments.len() {
            // Each layer of the file counted from 1: on one label map the numbers must differ.
            self.segments.iter_mut().for_each(|s| s.file_value = u32::from(s.id));
        }
        self.findings.retain(|f| f.code != OVERLAP);
        let text = format!(
            "{} to more than one segment; in a single label map the later segment is kept there.",
            count_with(overlapping, "voxel", "belongs", "belong")
        );
        self.findings.push(Finding::new(Severity::Warning, OVERLAP, text));
        self
    }

    /// Keeps only the segments with one of these names (letter case apart); `false` when none has.
    pub fn keep(&mut self, names: &[String]) -> bool {
        let wanted = |s: &Segment| names.iter().any(|n| n.trim().eq_ignore_ascii_case(s.name.trim()));
        for (labels, segments) in self.layers_mut() {
            segments.retain(wanted);
            let mut keep = [false; 256];
            segments.iter().for_each(|s| keep[usize::from(s.id)] = true);
            for index in 0..labels.brick_count() as BrickIndex {
                let Some(brick) = labels.brick(index) else { continue };
                if brick.iter().any(|&v| v != 0 && !keep[usize::from(v)]) {
                    let mut brick = **brick;
                    brick.iter_mut().filter(|v| !keep[usize::from(**v)]).for_each(|v| *v = 0);
                    labels.set_brick(index, Some(Arc::new(brick)));
                }
            }
        }
        self.further.retain(|l| !l.segments.is_empty());
        if self.segments.is_empty() && !self.further.is_empty() {
            let MaskLayer { labels, segments } = self.further.remove(0);
            (self.labels, self.segments) = (labels, segments);
        }
        if self.further.is_empty() {
            self.findings.retain(|f| f.code != OVERLAP);
        }
        !self.segments.is_empty()
    }
}

/// Code of the finding about overlaps.
const OVERLAP: &str = "overlapping-labels";

/// Voxels that more than one layer claims.
fn overlap_count(mask: &LoadedMask) -> usize {
    let mut count = 0;
    for index in 0..mask.labels.brick_count() as BrickIndex {
        let bricks: Vec<_> = mask.layers().filter_map(|(labels, _)| labels.brick(index)).collect();
        if let [first, others @ ..] = bricks.as_slice() {
            for (n, &v) in first.iter().enumerate() {
                let claims = usize::from(v != 0) + others.iter().filter(|b| b[n] != 0).count();
                count += usize::from(claims > 1);
            }
        }
    }
    count
}

/// Writes the higher label of both into `to`.
fn raise(to: &mut LabelMap, from: &LabelMap) {
    for index in 0..from.brick_count() as BrickIndex {
        if let Some(brick) = from.brick(index) {
            to.brick_mut(index).iter_mut().zip(brick.iter()).for_each(|(a, &b)| *a = b.max(*a));
        }
    }
}

/// Whether two maps of one grid claim a voxel both.
fn meet(a: &LabelMap, b: &LabelMap) -> bool {
    (0..a.brick_count() as BrickIndex).any(|index| match (a.brick(index), b.brick(index)) {
        (Some(a), Some(b)) => a.iter().zip(b.iter()).any(|(&x, &y)| x != 0 && y != 0),
        _ => false,
    })
}

/// Segments under construction, each whole, whatever the others claim.
pub(super) struct Painter {
    geometry: Geometry,
    /// By label.
    maps: Vec<Option<LabelMap>>,
    /// Bricks of all maps, and how many they may become.
    bricks: usize,
    most: usize,
}

/// Why a file is refused whose segments make a painter overfull.
pub(super) const OVERFULL: &str = "its segments overlap more often than can be held";

/// Bricks that any segments may take together (256 MiB)…
const FREE_BRICKS: usize = 1 << 16;
/// …or this many times those of the grid: so often can segments overlap everywhere.
const MOST_OVERLAP: usize = 4;

impl Painter {
    pub fn new(geometry: Geometry) -> Self {
        let grid = LabelMap::empty(geometry).brick_count();
        Self { geometry, maps: vec![None; 256], bricks: 0, most: (MOST_OVERLAP * grid).max(FREE_BRICKS) }
    }

    /// Adds a voxel of the grid to a segment; nothing once [`Self::is_overfull`].
    pub fn paint(&mut self, voxel: [usize; 3], label: LabelId) {
        let geometry = self.geometry;
        let map = self.maps[usize::from(label)].get_or_insert_with(|| LabelMap::empty(geometry));
        let index = map.brick_of(voxel);
        if map.brick(index).is_none() {
            if self.bricks >= self.most {
                self.most = 0;
                return;
            }
            self.bricks += 1;
        }
        map.brick_mut(index)[LabelMap::offset_in_brick(voxel)] = label;
    }

    /// Whether the segments overlap so often that they cannot be held; what was painted is then not all.
    pub fn is_overfull(&self) -> bool {
        self.most == 0
    }

    /// Whether nothing was painted.
    pub fn is_blank(&self) -> bool {
        self.maps.iter().all(Option::is_none)
    }

    /// Lays the segments onto as few layers as their overlaps allow, in the order given. A finding of this severity names
    /// those that did not go onto the first.
    pub fn finish(mut self, segments: Vec<Segment>, severity: Severity, mut findings: Vec<Finding>) -> LoadedMask {
        let mut layers = vec![MaskLayer { labels: LabelMap::empty(self.geometry), segments: Vec::new() }];
        for segment in segments {
            let Some(map) = self.maps[usize::from(segment.id)].take() else {
                layers[0].segments.push(segment);
                continue;
            };
            match layers.iter_mut().find(|l| !meet(&l.labels, &map)) {
                Some(layer) => {
                    raise(&mut layer.labels, &map);
                    layer.segments.push(segment);
                }
                None => layers.push(MaskLayer { labels: map, segments: vec![segment] }),
            }
        }
        let MaskLayer { labels, segments } = layers.remove(0);
        let mut mask = LoadedMask { labels, segments, further: layers, findings: Vec::new(), unplaced: false };
        if !mask.further.is_empty() {
            let names: Vec<&str> = mask.further.iter().flat_map(|l| &l.segments).map(|s| s.name.as_str()).collect();
            let more = if names.len() > 5 { format!(" and {} more", names.len() - 5) } else { String::new() };
            let text = format!(
                "{} to more than one segment; {}{more} came onto {} of their own.",
                count_with(overlap_count(&mask), "voxel", "belongs", "belong"),
                names[..names.len().min(5)].join(", "),
                if mask.further.len() == 1 { "a layer" } else { "layers" },
            );
            findings.push(Finding::new(severity, OVERLAP, text));
        }
        mask.findings = findings;
        mask
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use glam::DVec3;

    fn painted() -> LoadedMask {
        let grid = Geometry::axis_aligned([40, 3, 2], DVec3::ONE, DVec3::ZERO).unwrap();
        let mut painter = Painter::new(grid);
        for i in 0..30 {
            painter.paint([i, 0, 0], 1);
        }
        painter.paint([4, 0, 0], 2);
        painter.paint([4, 0, 0], 3);
        painter.paint([20, 0, 0], 3);
        painter.paint([39, 2, 1], 4);
        let names = ["liver", "tumour", "vessel", "spleen", "empty"];
        let segments = (1..=5).map(|id| Segment::new(id, names[usize::from(id) - 1])).collect();
        painter.finish(segments, Severity::Note, Vec::new())
    }

    #[test]
    fn segments_that_fill_everything_again_and_again_are_noticed() {
        let grid = Geometry::axis_aligned([40, 3, 2], DVec3::ONE, DVec3::ZERO).unwrap();
        let mut painter = Painter { most: 4, ..Painter::new(grid) };
        for (label, voxel) in [(1, [0, 0, 0]), (1, [1, 0, 0]), (2, [0, 0, 0]), (3, [0, 0, 0]), (3, [39, 0, 0])] {
            painter.paint(voxel, label);
            assert!(!painter.is_overfull());
        }
        painter.paint([5, 0, 0], 4);
        assert!(painter.is_overfull());
        painter.paint([39, 0, 0], 4);
        assert_eq!(painter.bricks, 4);
    }

    #[test]
    fn overlapping_segments_stay_whole_on_layers_of_their_own() {
        let mask = painted();
        let names: Vec<Vec<&str>> = mask.layers().map(|(_, s)| s.iter().map(|s| s.name.as_str()).collect()).collect();
        assert_eq!(names, [vec!["liver", "spleen", "empty"], vec!["tumour"], vec!["vessel"]]);
        let counts: Vec<u64> = mask.layers().map(|(l, _)| l.counts()[1..].iter().sum()).collect();
        assert_eq!(counts, [31, 1, 2]);
        assert!(mask.findings[0].text.starts_with("2 voxels belong to"), "{}", mask.findings[0].text);
        assert!(mask.findings[0].text.contains("tumour, vessel came onto layers"), "{}", mask.findings[0].text);
    }

    #[test]
    fn flattening_keeps_the_later_segment_and_counts() {
        let mask = painted().flattened();
        assert_eq!((mask.labels.at([4, 0, 0]), mask.labels.at([20, 0, 0]), mask.labels.at([5, 0, 0])), (3, 3, 1));
        assert_eq!((mask.segments.len(), mask.further.len(), mask.findings.len()), (5, 0, 1));
        assert!(mask.findings[0].text.contains("2 voxels belong to") && mask.findings[0].text.contains("later"));
    }

    #[test]
    fn one_segment_is_kept_with_all_its_voxels() {
        let mut mask = painted();
        assert!(mask.keep(&["Vessel".into()]));
        assert_eq!((mask.labels.counts()[3], mask.further.len(), mask.findings.len()), (2, 0, 0));
        let mut mask = painted();
        assert!(mask.keep(&["liver".into(), "vessel".into()]));
        assert_eq!((mask.labels.counts()[1], mask.labels.counts()[4], mask.further.len()), (30, 0, 1));
        assert!(!painted().keep(&["lung".into()]));
    }
}
