//! RT structure sets: closed planar contours, filled even-odd on the slices of the volume.
//!
//! PS3.3 C.8.8.5 (Structure Set), C.8.8.6 (ROI Contour).

use super::dataset::DataSet;
use super::error::DicomError;
use super::guard::with_header;
use super::lattice::Lattice;
use super::raster::Raster;
use crate::core::{Segment, count_with};
use crate::io::mask::{OVERFULL, Painter};
use crate::io::{Finding, LoadedMask, Severity};
use crate::jobs::JobContext;
use dicom_dictionary_std::tags;
use glam::{DVec2, DVec3};
use std::collections::{BTreeMap, HashMap};
use std::path::Path;

/// A contour whose points stray further than this from one slice (in slices) is not on it.
const OFF_PLANE: f64 = 0.25;

/// Reads the regions of `path` as labels on `reference`, in the order of the file from label 1.
///
/// Contours of one region on one plane combine by exclusive or, so inner contours are holes. A contour may lie on a plane
/// of any of the volume's three axes. Regions that overlap come onto layers of their own. Points and open lines, and
/// contours that lie on no plane of voxels, are left out with a finding that counts them by region.
///
/// # Errors
/// As the guard; [`DicomError::Mismatch`] when the file holds closed contours but none of them touches the volume;
/// [`DicomError::Refused`] when it holds no structures, or none that encloses anything.
pub fn load_rtstruct<E, L: Lattice + ?Sized>(
    path: &Path,
    reference: &L,
    ctx: &JobContext<E>,
) -> Result<LoadedMask, DicomError> {
    with_header(path, |header| read(path, header.set, reference, ctx))
}

/// Why a contour is not drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Reason {
    Open,
    Unreadable,
    /// On a plane between two slices.
    Between,
    /// On no plane of voxels at all.
    Across,
    Outside,
}

impl Reason {
    fn code(self) -> &'static str {
        match self {
            Self::Open => "open-contours",
            Self::Unreadable => "unreadable-contours",
            Self::Between | Self::Across => "off-plane-contours",
            Self::Outside => "outside-volume",
        }
    }

    /// `2 contours lie beyond this volume`.
    fn told(self, count: usize) -> String {
        let (one, many, rest) = match self {
            Self::Open => {
                ("is a point or an open line, which encloses", "are points or open lines, which enclose", "nothing")
            }
            Self::Unreadable => ("holds", "hold", "no readable points"),
            Self::Between => ("lies", "lie", "between two slices of this volume"),
            Self::Across => ("runs", "run", "across the slices of this volume"),
            Self::Outside => ("lies", "lie", "beyond this volume"),
        };
        format!("{} {rest}", count_with(count, "contour", one, many))
    }
}

/// Contours left out, by reason and region.
type Skipped = BTreeMap<Reason, BTreeMap<String, usize>>;

fn read<E, L: Lattice + ?Sized>(
    path: &Path,
    set: &DataSet<'_>,
    reference: &L,
    ctx: &JobContext<E>,
) -> Result<LoadedMask, DicomError> {
    let rois = set.items(tags::STRUCTURE_SET_ROI_SEQUENCE);
    let contours = set.items(tags::ROI_CONTOUR_SEQUENCE);
    if rois.is_empty() && contours.is_empty() {
        return Err(DicomError::refused(path, "it holds no structures"));
    }
    let mut painter = Painter::new(reference.index_grid());
    let mut segments = Vec::new();
    let mut findings = Vec::new();
    let mut skipped = Skipped::new();
    // Each list of contours is drawn once: a number that several regions claim would multiply the work.
    let mut drawn: HashMap<Option<i64>, Vec<&DataSet<'_>>> = HashMap::new();
    for item in contours {
        drawn.entry(item.integer(tags::REFERENCED_ROI_NUMBER)).or_default().push(item);
    }
    let dims = reference.index_grid().dims();
    ctx.progress.say("Filling contours");
    ctx.progress.set(0, rois.len() as u64);
    for roi in rois {
        let Ok(id) = u8::try_from(segments.len() + 1) else {
            let text = format!("Only the first 255 of {} regions are read.", rois.len());
            findings.push(Finding::new(Severity::Warning, "too-many-labels", text));
            break;
        };
        let number = roi.integer(tags::ROI_NUMBER);
        let name = match roi.person_text(tags::ROI_NAME) {
            name if name.is_empty() => format!("Region {id}"),
            name => name,
        };
        let mut segment = Segment::new(id, name);
        segment.file_value = number.and_then(|n| u32::try_from(n).ok()).unwrap_or(u32::from(id));
        for item in drawn.remove(&number).unwrap_or_default() {
            if let Some([r, g, b]) = color(item) {
                segment.color = [r, g, b];
            }
            let mut skip = |reason| {
                *skipped.entry(reason).or_default().entry(segment.name.clone()).or_default() += 1;
            };
            for (plane, polygons) in polygons(item, reference, ctx, &mut skip)? {
                // One plane at a time: a contour on each plane of a large volume must not take as much as the volume.
                let [a, b] = plane.across();
                let mut raster = Raster::new(dims[a], dims[b]);
                polygons.iter().for_each(|polygon| raster.toggle(polygon));
                raster.for_each_inside(|u, v| painter.paint(plane.voxel(u, v), id));
            }
        }
        if painter.is_overfull() {
            return Err(DicomError::refused(path, OVERFULL));
        }
        segments.push(segment);
        ctx.progress.step();
    }
    if painter.is_blank() && !skipped.is_empty() {
        return Err(nothing_drawn(path, &skipped));
    }
    report(&skipped, &mut findings);
    Ok(painter.finish(segments, Severity::Warning, findings))
}

fn color(item: &DataSet<'_>) -> Option<[u8; 3]> {
    let numbers = item.numbers(tags::ROI_DISPLAY_COLOR)?;
    let [r, g, b] = *numbers.first_chunk::<3>()?;
    Some([r, g, b].map(|v| v.clamp(0.0, 255.0) as u8))
}

/// A plane of voxels: all that have `at` on `axis`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct VoxelPlane {
    axis: usize,
    at: usize,
}

impl VoxelPlane {
    /// The two axes in the plane, the faster one first.
    fn across(self) -> [usize; 2] {
        [[1, 2], [0, 2], [0, 1]][self.axis.min(2)]
    }

    fn voxel(self, u: usize, v: usize) -> [usize; 3] {
        let mut voxel = [self.at; 3];
        let [a, b] = self.across();
        (voxel[a], voxel[b]) = (u, v);
        voxel
    }

    /// The plane that a contour, in voxel coordinates, lies on: a slice where it can be one.
    fn of(points: &[DVec3], dims: [usize; 3]) -> Result<Self, Reason> {
        let spread = |axis: usize| {
            let (low, high) = points.iter().fold((f64::MAX, f64::MIN), |(l, h), p| (l.min(p[axis]), h.max(p[axis])));
            (high - low, (low + high) / 2.0)
        };
        let Some((axis, middle)) =
            [2, 0, 1].into_iter().find_map(|axis| Some((axis, spread(axis))).filter(|s| s.1.0 <= 2.0 * OFF_PLANE))
        else {
            return Err(Reason::Across);
        };
        let (width, middle) = middle;
        let plane = middle.round();
        if !(0.0..dims[axis] as f64).contains(&plane) {
            Err(Reason::Outside)
        } else if (middle - plane).abs() + width / 2.0 > OFF_PLANE {
            Err(Reason::Between)
        } else {
            Ok(Self { axis, at: plane as usize })
        }
    }
}

/// The closed contours of a region in voxel coordinates, plane by plane.
fn polygons<E, L: Lattice + ?Sized>(
    item: &DataSet<'_>,
    reference: &L,
    ctx: &JobContext<E>,
    skip: &mut impl FnMut(Reason),
) -> Result<BTreeMap<VoxelPlane, Vec<Vec<DVec2>>>, DicomError> {
    let dims = reference.index_grid().dims();
    let index = reference.index_map();
    let mut planes: BTreeMap<VoxelPlane, Vec<Vec<DVec2>>> = BTreeMap::new();
    for contour in item.items(tags::CONTOUR_SEQUENCE) {
        if ctx.is_cancelled() {
            return Err(DicomError::Cancelled);
        }
        if !matches!(contour.text(tags::CONTOUR_GEOMETRIC_TYPE).as_str(), "CLOSED_PLANAR" | "CLOSEDPLANAR_XOR" | "") {
            skip(Reason::Open);
            continue;
        }
        let Some(numbers) = contour.numbers(tags::CONTOUR_DATA).filter(|n| n.len() >= 9 && n.len() % 3 == 0) else {
            skip(Reason::Unreadable);
            continue;
        };
        let points: Vec<DVec3> = numbers.as_chunks::<3>().0.iter().map(|&p| index(DVec3::from_array(p))).collect();
        match VoxelPlane::of(&points, dims) {
            Ok(plane) => {
                let [a, b] = plane.across();
                let polygon: Vec<DVec2> = points.iter().map(|p| DVec2::new(p[a], p[b])).collect();
                planes.entry(plane).or_default().push(polygon);
            }
            Err(reason) => skip(reason),
        }
    }
    Ok(planes)
}

fn report(skipped: &Skipped, findings: &mut Vec<Finding>) {
    for (reason, regions) in skipped {
        let total: usize = regions.values().sum();
        let verb = if total == 1 { "is" } else { "are" };
        let text = format!("{}, and {verb} left out ({}).", reason.told(total), by_region(regions));
        findings.push(Finding::new(Severity::Warning, reason.code(), text));
    }
}

/// `GTV: 3, Node: 1`, the first five of many.
fn by_region(regions: &BTreeMap<String, usize>) -> String {
    let mut text = regions.iter().take(5).map(|(name, n)| format!("{name}: {n}")).collect::<Vec<_>>().join(", ");
    if regions.len() > 5 {
        text.push_str(", …");
    }
    text
}

fn nothing_drawn(path: &Path, skipped: &Skipped) -> DicomError {
    let reasons: Vec<String> = skipped
        .iter()
        .map(|(reason, regions)| format!("{} ({})", reason.told(regions.values().sum()), by_region(regions)))
        .collect();
    let reasons = reasons.join("; ");
    if skipped.keys().all(|r| matches!(r, Reason::Open | Reason::Unreadable)) {
        return DicomError::refused(path, format!("nothing in it encloses an area: {reasons}"));
    }
    let text = format!("none of its contours touches a slice; it was drawn on another series: {reasons}");
    DicomError::mismatch(path, text)
}
