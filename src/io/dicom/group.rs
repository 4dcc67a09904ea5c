//! Which frames belong together: by identifiers and by geometry, trusting neither alone. Private to `io::dicom`.

use super::header::{FileHeader, FramePlace, Kind};
use glam::DVec3;
use std::collections::BTreeMap;

/// Planes of one series among which a frame's own is looked for.
const MAX_PLANES: usize = 64;

/// One frame of one file.
#[derive(Debug, Clone, Copy)]
pub(super) struct Slice<'h> {
    pub header: &'h FileHeader,
    pub place: &'h FramePlace,
}

impl Slice<'_> {
    /// What findings call it: its file's own name, which may be shown, and its number where the file holds several.
    pub fn name(&self) -> String {
        let file = self.header.path.file_name().unwrap_or_default().to_string_lossy();
        if self.header.frames.len() > 1 { format!("{file}, frame {}", self.place.frame + 1) } else { file.into_owned() }
    }
}

/// Frames of one series with one orientation, spacing, size and kind, in the order of the files.
#[derive(Debug)]
pub(super) struct Group<'h> {
    pub patient: String,
    pub study: String,
    pub slices: Vec<Slice<'h>>,
}

impl<'h> Group<'h> {
    /// The first file's header; groups are never empty.
    pub fn first(&self) -> &'h FileHeader {
        self.slices[0].header
    }

    /// Whether this is a localiser, which is a projection and no slice.
    pub fn is_scout(&self) -> bool {
        self.slices[0].place.image_type.iter().any(|t| t == "LOCALIZER")
    }
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Key<'h> {
    person: [&'h str; 2],
    series: String,
    modality: &'h str,
    sop_class: &'h str,
    size: (usize, usize),
    scout: bool,
    colour: bool,
}

/// Groups all image frames.
pub(super) fn groups(headers: &[FileHeader]) -> Vec<Group<'_>> {
    let mut buckets: BTreeMap<Key<'_>, Vec<Vec<Slice<'_>>>> = BTreeMap::new();
    for header in headers.iter().filter(|h| h.kind == Kind::Image) {
        for place in &header.frames {
            let key = Key {
                person: [&header.patient_id, &header.patient_name],
                series: series_key(header),
                modality: &header.modality,
                sop_class: &header.sop_class_uid,
                size: (header.rows, header.columns),
                colour: header.colour,
                scout: place.image_type.iter().any(|t| t == "LOCALIZER"),
            };
            let clusters = buckets.entry(key).or_default();
            let slice = Slice { header, place };
            // The last ones are looked at: a file may hold thousands of frames with a plane each.
            match clusters
                .iter_mut()
                .rev()
                .take(MAX_PLANES)
                .find(|c| c.first().is_some_and(|f| same_plane(f.place, place)))
            {
                Some(cluster) => cluster.push(slice),
                None => clusters.push(vec![slice]),
            }
        }
    }
    // Some writers give every slice a study of its own: a series belongs to the study of its first file.
    let mut groups: Vec<Group<'_>> = buckets
        .into_values()
        .flatten()
        .filter_map(|slices| {
            let first = slices.first()?.header;
            Some(Group { patient: patient_key(first), study: study_key(first), slices })
        })
        .collect();
    groups
        .sort_by_cached_key(|g| (g.patient.clone(), g.study.clone(), g.first().series_number, g.first().path.clone()));
    groups
}

/// Same orientation and in-plane spacing to within the digits that headers carry.
fn same_plane(a: &FramePlace, b: &FramePlace) -> bool {
    let close = |a: DVec3, b: DVec3| (a - b).length() < 1e-3;
    let orientation = match (a.orientation, b.orientation) {
        (Some(a), Some(b)) => close(a[0], b[0]) && close(a[1], b[1]),
        (None, None) => true,
        _ => false,
    };
    let spacing = match (a.spacing, b.spacing) {
        (Some(a), Some(b)) => (a - b).abs().max_element() < 1e-3 * a.max_element(),
        (None, None) => true,
        _ => false,
    };
    orientation && spacing
}

/// Identity of the person: the ID, else the name, else the study (two unnamed people must not be merged).
fn patient_key(header: &FileHeader) -> String {
    match (header.patient_id.as_str(), header.patient_name.as_str()) {
        ("", "") => format!("study {}", study_key(header)),
        ("", name) => format!("name {name}"),
        (id, _) => format!("id {id}"),
    }
}

fn study_key(header: &FileHeader) -> String {
    if header.study_uid.is_empty() { folder_key(header) } else { header.study_uid.clone() }
}

/// The series UID; without one, what lies in one folder under one study and description.
fn series_key(header: &FileHeader) -> String {
    if header.series_uid.is_empty() {
        let folder = folder_key(header);
        format!("{folder} {} {} {}", header.study_uid, header.series_number, header.series_description)
    } else {
        header.series_uid.clone()
    }
}

fn folder_key(header: &FileHeader) -> String {
    header.path.parent().map(|p| p.to_string_lossy().into_owned()).unwrap_or_default()
}
