//! Cases in, preprocessed slices out: one volume is in memory at a time, whatever the size of the data set.

use super::split::SliceOrigin;
use super::store::{Slice, SliceStore};
use super::{ClassSource, IGNORED, Recipe, TrainError, TrainEvent};
use crate::core::{BrickIndex, LabelId, LabelMap, Segment, Volume};
use crate::io::layouts::{DatasetCase, Layout, find_cases};
use crate::io::{VolumeSource, load_mask, load_volume};
use crate::jobs::JobContext;
use crate::nn::{AxialView, resample_hu, resize_labels};
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What a run learns from.
#[derive(Clone)]
pub enum TrainData {
    /// A folder in one of the layouts that `io::layouts` knows.
    Folder(PathBuf),
    /// Open cases.
    Memory(Vec<TrainCase>),
}

/// One volume with its mask. `name` and `patient` end up in the run folder: pass names that are safe to store.
#[derive(Clone)]
pub struct TrainCase {
    pub name: String,
    pub patient: String,
    pub volume: Arc<Volume>,
    pub labels: LabelMap,
    pub segments: Vec<Segment>,
}

/// A case that can be loaded, again and again.
pub(super) enum CaseSource {
    Memory(Box<TrainCase>),
    Files(Box<DatasetCase>),
}

/// A case's name, patient and number of slices.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) struct CaseInfo {
    pub name: String,
    pub patient: String,
    pub slices: usize,
}

/// Volume and class map (0 background) of one case.
pub(super) struct LoadedCase {
    pub volume: Arc<Volume>,
    pub classes: LabelMap,
}

/// Everything the loop reads.
pub(super) struct Prepared {
    pub sources: Vec<CaseSource>,
    pub cases: Vec<CaseInfo>,
    pub origins: Vec<SliceOrigin>,
    pub store: SliceStore,
    /// Pixels of each class over all slices at network resolution, background first.
    pub pixels: Vec<u64>,
    /// Slices that have each class, background first.
    pub slices_with: Vec<usize>,
    /// Slices without any class.
    pub empty_slices: usize,
    /// SHA-256 of each case's preprocessed slices.
    pub sums: Vec<String>,
}

/// Lists the cases of `data` that have a mask.
///
/// # Errors
/// [`TrainError::Data`] and [`TrainError::NoCases`].
pub(super) fn find(
    data: &TrainData,
    recipe: &Recipe,
    ctx: &JobContext<TrainEvent>,
) -> Result<Vec<CaseSource>, TrainError> {
    let sources: Vec<CaseSource> = match data {
        TrainData::Memory(cases) => cases.iter().cloned().map(|c| CaseSource::Memory(Box::new(c))).collect(),
        TrainData::Folder(root) => {
            ctx.progress.say("looking for cases");
            let layout = match &recipe.data.layout {
                None => None,
                Some(name) => {
                    Some(name.parse::<Layout>().map_err(|e| TrainError::Recipe(format!("data.layout {name}: {e}")))?)
                }
            };
            find_cases(root, layout, &quiet(ctx))
                .map_err(|e| TrainError::Data(e.to_string()))?
                .into_iter()
                .filter(|c| !c.masks.is_empty())
                .map(|c| CaseSource::Files(Box::new(c)))
                .collect()
        }
    };
    if sources.is_empty() {
        return Err(TrainError::NoCases(match data {
            TrainData::Folder(root) => format!("the folder {}", root.display()),
            TrainData::Memory(_) => "the selection".into(),
        }));
    }
    Ok(sources)
}

/// Loads every case once, resamples its slices and keeps them compactly: up to `memory_limit` bytes in memory, the rest
/// in a file in the folder `scratch`.
///
/// # Errors
/// [`TrainError::Data`] names the case; [`TrainError::NothingToLearn`] when no slice has a class;
/// [`TrainError::Cancelled`].
pub(super) fn prepare(
    sources: Vec<CaseSource>,
    recipe: &Recipe,
    memory_limit: usize,
    scratch: &Path,
    ctx: &JobContext<TrainEvent>,
) -> Result<Prepared, TrainError> {
    let size = recipe.preprocessing.size;
    let classes = recipe.data.classes.len();
    let mut out = Prepared {
        cases: Vec::new(),
        origins: Vec::new(),
        store: SliceStore::new(size, memory_limit, scratch),
        pixels: vec![0; classes + 1],
        slices_with: vec![0; classes + 1],
        empty_slices: 0,
        sums: Vec::new(),
        sources: Vec::new(),
    };
    let total = sources.len();
    for (index, source) in sources.iter().enumerate() {
        if ctx.is_cancelled() {
            return Err(TrainError::Cancelled);
        }
        ctx.progress.set(index as u64, total as u64);
        ctx.progress.say(format!("reading case {} of {total}", index + 1));
        ctx.wake();
        let case = source.load(recipe, ctx)?;
        let view = AxialView::new(case.volume.geometry());
        let [width, height, slices] = view.size();
        let mut sum = Sha256::new();
        for slice in 0..slices {
            if ctx.is_cancelled() {
                return Err(TrainError::Cancelled);
            }
            let hu = resample_hu(&view.slice(&case.volume, slice), [width, height], size);
            let labels = resize_labels(&view.label_slice(&case.classes, slice), [width, height], [size, size]);
            let mut counts = [0u64; 256];
            labels.iter().for_each(|label| counts[usize::from(*label)] += 1);
            for ((pixels, slices), count) in out.pixels.iter_mut().zip(&mut out.slices_with).zip(counts) {
                *pixels += count;
                *slices += usize::from(count > 0);
            }
            let bytes: Vec<u8> = hu.iter().flat_map(|v| v.to_le_bytes()).collect();
            sum.update(&bytes);
            sum.update(&labels);
            out.empty_slices += usize::from(labels.iter().all(|l| *l == 0 || *l == IGNORED));
            out.store.push(Slice { hu, classes: labels })?;
            out.origins.push(SliceOrigin { case: index, slice });
        }
        out.sums.push(sum.finalize().iter().map(|b| format!("{b:02x}")).collect());
        out.cases.push(CaseInfo { name: source.name().into(), patient: source.patient().into(), slices });
    }
    out.sources = sources;
    if out.pixels[1..].iter().all(|n| *n == 0) {
        let names: Vec<&str> = recipe.data.classes.iter().map(|c| c.name.as_str()).collect();
        return Err(TrainError::NothingToLearn(names.join(", ")));
    }
    Ok(out)
}

impl Prepared {
    /// Pixels of each class, background first, in the slices `indices`.
    ///
    /// # Errors
    /// As [`SliceStore::get`].
    pub fn pixels_of(&self, indices: &[usize]) -> Result<Vec<u64>, TrainError> {
        let mut out = vec![0; self.pixels.len()];
        for index in indices {
            for class in self.store.get(*index)?.classes {
                if let Some(count) = out.get_mut(usize::from(class)) {
                    *count += 1;
                }
            }
        }
        Ok(out)
    }
}

impl CaseSource {
    pub fn name(&self) -> &str {
        match self {
            Self::Memory(case) => &case.name,
            Self::Files(case) => &case.name,
        }
    }

    pub fn patient(&self) -> &str {
        match self {
            Self::Memory(case) => &case.patient,
            Self::Files(case) => &case.patient,
        }
    }

    /// Volume and classes of the case.
    ///
    /// # Errors
    /// [`TrainError::Data`] names the case and what is wrong with it; [`TrainError::Cancelled`].
    pub fn load(&self, recipe: &Recipe, ctx: &JobContext<TrainEvent>) -> Result<LoadedCase, TrainError> {
        match self {
            Self::Memory(case) => {
                if !case.labels.geometry().same_grid(case.volume.geometry(), 0.01) {
                    return Err(self.failed("its mask lies on another grid"));
                }
                let table = class_table(recipe, &case.segments);
                let dense = case.labels.to_dense().into_iter().map(|l| table[usize::from(l)]).collect::<Vec<_>>();
                Ok(LoadedCase { volume: case.volume.clone(), classes: self.map(&case.volume, &dense)? })
            }
            Self::Files(case) => {
                let volume = load_volume(&case.source, &quiet(ctx)).map_err(|e| self.stopped(ctx, &e))?;
                let series = match &case.source {
                    VolumeSource::Dicom(stack) => Some(stack),
                    _ => None,
                };
                let mut dense = vec![0; volume.geometry().voxel_count()];
                for mask in &case.masks {
                    let loaded =
                        load_mask(mask, series, volume.geometry(), &quiet(ctx)).map_err(|e| self.stopped(ctx, &e))?;
                    for (labels, segments) in loaded.layers() {
                        let table = class_table(recipe, &under_all_names(segments, &case.label_names));
                        for (target, label) in dense.iter_mut().zip(labels.to_dense()) {
                            // Where segments overlap the later class wins.
                            *target = table[usize::from(label)].max(*target);
                        }
                    }
                }
                let classes = self.map(&volume, &dense)?;
                Ok(LoadedCase { volume: Arc::new(volume), classes })
            }
        }
    }

    fn map(&self, volume: &Volume, dense: &[LabelId]) -> Result<LabelMap, TrainError> {
        LabelMap::from_dense(*volume.geometry(), dense).ok_or_else(|| self.failed("its mask has another size"))
    }

    fn failed(&self, reason: &str) -> TrainError {
        TrainError::Data(format!("case {}: {reason}", self.name()))
    }

    fn stopped(&self, ctx: &JobContext<TrainEvent>, error: &crate::io::IoError) -> TrainError {
        if ctx.is_cancelled() { TrainError::Cancelled } else { self.failed(&error.to_string()) }
    }
}

/// Volume of a case and the classes that a recipe makes of its masks, for comparing a run with the truth. Pixels that do
/// not count are background.
///
/// # Errors
/// As for a run: [`TrainError::Data`] names the case; [`TrainError::Cancelled`].
pub fn truth_classes(
    case: &DatasetCase,
    recipe: &Recipe,
    ctx: &JobContext<TrainEvent>,
) -> Result<(Arc<Volume>, LabelMap), TrainError> {
    let mut loaded = CaseSource::Files(Box::new(case.clone())).load(recipe, ctx)?;
    let classes = &mut loaded.classes;
    for index in 0..classes.brick_count() as BrickIndex {
        if classes.brick(index).is_some_and(|b| b.contains(&IGNORED)) {
            classes.brick_mut(index).iter_mut().filter(|v| **v == IGNORED).for_each(|v| *v = 0);
        }
    }
    Ok((loaded.volume, loaded.classes))
}

/// A context for readers whose own events nobody watches; it is cancelled with the run.
fn quiet<E>(ctx: &JobContext<TrainEvent>) -> JobContext<E> {
    JobContext::attached(ctx.cancel.clone(), Arc::default(), crate::jobs::Waker::none()).0
}

/// The segments once for each name that the data set declares for their number; as they are where it declares none.
fn under_all_names(segments: &[Segment], declared: &[(u32, String)]) -> Vec<Segment> {
    let mut named = Vec::new();
    for segment in segments {
        let names = declared.iter().filter(|(value, _)| *value == segment.file_value);
        let before = named.len();
        named.extend(names.map(|(_, name)| Segment { name: name.clone(), ..segment.clone() }));
        if named.len() == before {
            named.push(segment.clone());
        }
    }
    named
}

/// Class of every label of a mask.
pub(super) fn class_table(recipe: &Recipe, segments: &[Segment]) -> [LabelId; 256] {
    let mut table = [0; 256];
    for (class, config) in (1..=u8::MAX).zip(&recipe.data.classes) {
        match &config.from {
            ClassSource::Any => table[1..].fill(class),
            from => {
                for segment in segments.iter().filter(|s| from.selects(s)) {
                    table[usize::from(segment.id)] = class;
                }
            }
        }
    }
    if let Some(from) = &recipe.data.ignore {
        for segment in segments.iter().filter(|s| from.selects(s)) {
            table[usize::from(segment.id)] = IGNORED;
        }
    }
    table[0] = 0;
    table
}

impl ClassSource {
    pub fn selects(&self, segment: &Segment) -> bool {
        match self {
            Self::Any => true,
            Self::Names(names) => names.iter().any(|n| plain(n) == plain(&segment.name)),
            Self::Prefixes(names) => names.iter().any(|n| plain(&segment.name).starts_with(&plain(n))),
            Self::Values(values) => values.contains(&segment.file_value),
            Self::LowBytes(bytes) => bytes.contains(&(segment.file_value as u8)),
        }
    }
}

pub(super) fn plain(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::ClassConfig;

    #[test]
    fn segments_are_found_by_name_and_number() {
        let mut recipe = Recipe::load("demo").unwrap();
        let mut segments = vec![Segment::new(1, "Left_Lung"), Segment::new(2, "heart"), Segment::new(7, "x")];
        segments[2].file_value = 0x0309;
        let class = |name: &str, from| ClassConfig { name: name.into(), from };
        recipe.data.classes = vec![
            class("a", ClassSource::Names(vec!["left lung".into()])),
            class("b", ClassSource::Values(vec![2])),
            class("c", ClassSource::LowBytes(vec![9])),
        ];
        let table = class_table(&recipe, &segments);
        assert_eq!((table[0], table[1], table[2], table[7], table[3]), (0, 1, 2, 3, 0));
        recipe.data.classes[2] = class("c", ClassSource::Prefixes(vec!["left_".into(), "HEA".into()]));
        assert_eq!((class_table(&recipe, &segments)[1], class_table(&recipe, &segments)[2]), (3, 3));
        recipe.data.ignore = Some(ClassSource::Names(vec!["heart".into()]));
        assert_eq!(class_table(&recipe, &segments)[2], IGNORED);
        recipe.data.ignore = None;
        let declared = [(2, "core".to_owned()), (2, "whole".to_owned()), (1, "whole".to_owned())];
        recipe.data.classes = vec![
            class("whole", ClassSource::Names(vec!["whole".into()])),
            class("core", ClassSource::Names(vec!["core".into()])),
        ];
        let table = class_table(&recipe, &under_all_names(&segments, &declared));
        assert_eq!((table[1], table[2], table[7]), (1, 2, 0), "a region holds the numbers of the regions within it");
        recipe.data.classes = vec![class("any", ClassSource::Any)];
        let table = class_table(&recipe, &[]);
        assert!(table[0] == 0 && table[1..].iter().all(|c| *c == 1));
    }
}
