//! Slices of one group that are several series after all: stacks of a file, acquisitions, folders. Private to
//! `io::dicom`.

use super::placed::Placed;
use super::spacing::{SAME_POSITION_MM, even_runs};
use std::collections::{BTreeMap, HashMap, HashSet};

/// What shares one identifier and is not one stack of slices.
pub(super) struct Phases<'h> {
    /// In ascending order of position each.
    pub slices: Vec<Vec<Placed<'h>>>,
    /// Nothing in the headers tells them apart, only the folders they lie in.
    pub by_folder: bool,
}

/// The stacks that frames of multi-frame files say they belong to, when there are several of more than one slice.
pub(super) fn split_stacks<'h>(placed: &[Placed<'h>]) -> Option<Vec<Vec<Placed<'h>>>> {
    let mut stacks: BTreeMap<&str, Vec<Placed<'h>>> = BTreeMap::new();
    for p in placed {
        stacks.entry(&p.slice.place.stack_id).or_default().push(*p);
    }
    (stacks.len() > 1 && stacks.values().all(|s| s.len() > 1)).then(|| stacks.into_values().collect())
}

/// When positions repeat because several acquisitions or reconstructions share a series, or folders of different
/// people share an identifier that was made the same for all: each of them.
pub(super) fn split_phases<'h>(placed: &[Placed<'h>]) -> Option<Phases<'h>> {
    let repeated = repeats(placed);
    if !repeated && !mixed(placed) {
        return None;
    }
    let by = |key: &dyn Fn(&Placed<'h>) -> String| {
        let mut phases: BTreeMap<String, Vec<Placed<'h>>> = BTreeMap::new();
        for p in placed {
            phases.entry(key(p)).or_default().push(*p);
        }
        let phases: Vec<_> = phases.into_values().collect();
        let whole = phases.len() > 1 && phases.iter().all(|p| p.len() > 1 && !repeats(p));
        whole.then_some(phases)
    };
    let told = by(&|p| p.slice.place.phase.map(|n| format!("{n:020}")).join(" "))
        .or_else(|| by(&|p| format!("{:020}", p.slice.header.acquisition)))
        .or_else(|| by(&|p| p.slice.place.image_type.join("\\")))
        .or_else(|| by(&|p| format!("{:020} {}", p.slice.header.series_number, p.slice.header.series_description)));
    if let Some(slices) = told.filter(|_| repeated) {
        return Some(Phases { slices, by_folder: false });
    }
    let slices = by(&folder).filter(|_| !are_copies(placed))?;
    Some(Phases { slices, by_folder: true })
}

fn repeats(placed: &[Placed<'_>]) -> bool {
    placed.windows(2).any(|w| w[1].along - w[0].along < SAME_POSITION_MM)
}

fn folder(placed: &Placed<'_>) -> String {
    placed.slice.header.path.parent().map(|p| p.to_string_lossy().into_owned()).unwrap_or_default()
}

/// Whether slices of several folders, each even by itself, lie between each other.
fn mixed(placed: &[Placed<'_>]) -> bool {
    let is_even = |along: &[f64]| even_runs(along).len() == 1;
    if is_even(&placed.iter().map(|p| p.along).collect::<Vec<_>>()) {
        return false;
    }
    let mut folders: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for p in placed {
        folders.entry(folder(p)).or_default().push(p.along);
    }
    let mut ranges: Vec<[f64; 2]> = folders.values().filter_map(|f| Some([*f.first()?, *f.last()?])).collect();
    ranges.sort_by(|a, b| a[0].total_cmp(&b[0]));
    ranges.windows(2).any(|w| w[1][0] < w[0][1]) && folders.values().all(|along| is_even(along))
}

/// Whether slices at one position are copies of one file, by their identifiers: those are told apart within a folder.
fn are_copies(placed: &[Placed<'_>]) -> bool {
    let named = |p: &&Placed<'_>| !p.slice.header.sop_instance_uid.is_empty();
    let mut folders: HashMap<String, HashSet<(&str, usize)>> = HashMap::new();
    for p in placed.iter().filter(named) {
        let own = (p.slice.header.sop_instance_uid.as_str(), p.slice.place.frame);
        if !folders.entry(folder(p)).or_default().insert(own) {
            // Two slices of one folder with one identifier: it says nothing.
            return false;
        }
    }
    placed.windows(2).filter(|w| w[1].along - w[0].along < SAME_POSITION_MM).all(|w| {
        let [a, b] = [w[0], w[1]].map(|p| &p.slice.header.sop_instance_uid);
        !a.is_empty() && a == b
    })
}
