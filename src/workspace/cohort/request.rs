//! What is compared with what: sources, and the matching of their cases by name or by the series they refer to.

use crate::io::layouts::{DatasetCase, find_cases};
use crate::io::{self, natural_cmp};
use crate::jobs::{JobContext, Waker};
use crate::metrics::Convention;
use crate::nn::{DeviceChoice, Turn};
use crate::report::{CaseReport, Failed, Unmatched};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// One side that is judged: a mask file, a folder of masks, or a run folder, which then predicts.
#[derive(Debug, Clone)]
pub struct Judged {
    pub name: String,
    pub path: PathBuf,
}

impl Judged {
    /// Named as its file or folder is.
    pub fn at(path: PathBuf) -> Self {
        Self { name: name_of(&path), path }
    }

    /// Whether it is a run of ours.
    pub fn is_run(&self) -> bool {
        self.path.join("recipe.ron").is_file() && self.path.join("checkpoints").is_dir()
    }
}

/// A comparison of many cases.
#[derive(Debug, Clone)]
pub struct CohortRequest {
    pub title: String,
    /// Mask file, folder of masks, or a data set with images in a known layout.
    pub truth: PathBuf,
    pub judged: Vec<Judged>,
    /// Image of the masks, or a folder of images of the same names; data sets bring their own.
    pub images: Option<PathBuf>,
    /// Text file with a case and its patient in each line, separated by a comma.
    pub patients: Option<PathBuf>,
    pub resample: bool,
    /// Everything labelled as one structure.
    pub foreground: bool,
    pub convention: Convention,
    /// Tolerances of the surface Dice in mm.
    pub tolerances: Vec<f64>,
    /// Contact sheets of the worst cases.
    pub sheets: bool,
    /// The judged masks are also compared with each other.
    pub each: bool,
    /// Areas, volumes and densities of all masks whose image is given.
    pub quantities: bool,
    /// All cases, also those that a judged run was trained on.
    pub all_cases: bool,
    /// Where runs predict.
    pub device: DeviceChoice,
    /// Whose turn it is while they do; the window's predictions give way to its hand.
    pub turn: Turn,
}

impl CohortRequest {
    /// With everything else as usual.
    pub fn new(truth: PathBuf, judged: Vec<Judged>) -> Self {
        Self {
            title: "Evaluation".into(),
            truth,
            judged,
            images: None,
            patients: None,
            resample: false,
            foreground: false,
            convention: Convention::default(),
            tolerances: vec![1.0, 2.0],
            sheets: true,
            each: false,
            quantities: true,
            all_cases: false,
            device: DeviceChoice::Auto,
            turn: Turn::default(),
        }
    }
}

/// What happens while a cohort is compared.
#[derive(Debug, Clone)]
pub enum CohortEvent {
    Planned {
        cases: Vec<CohortCase>,
        unmatched: Vec<Unmatched>,
        /// How many lie outside the test part of a judged run.
        outside: usize,
    },
    Compared(Box<CaseReport>),
    /// One comparison could not be made; the others go on.
    Failed(Failed),
    /// A sentence for the user.
    Warning(String),
}

/// Why a cohort could not be compared.
#[derive(Debug, thiserror::Error)]
pub enum CohortError {
    #[error("No file of {} has a partner of the same name in {}.", .0.display(), .1.display())]
    NoPartners(PathBuf, PathBuf),
    #[error("{case}: {reason}")]
    Case { case: String, reason: String },
    #[error("{0}")]
    Io(String),
    #[error("{} is a run: it predicts from images, so give a data set with images as truth", .0.display())]
    RunNeedsData(PathBuf),
    #[error("{} cannot be used: {reason}", file.display())]
    Patients { file: PathBuf, reason: String },
    #[error("two to four masks can be compared: give one to three judged ones")]
    Sides,
    #[error("the comparison was cancelled")]
    Cancelled,
}

/// Where a mask of one case is.
#[derive(Debug, Clone)]
pub enum JudgedMask {
    File(PathBuf),
    /// Masks of a data set's case, which has an image too.
    Dataset(Box<DatasetCase>),
    /// A run that predicts the case's image.
    Run(PathBuf),
}

/// One case with all its masks.
#[derive(Debug, Clone)]
pub struct CohortCase {
    pub name: String,
    pub patient: Option<String>,
    pub truth: JudgedMask,
    pub judged: Vec<JudgedMask>,
    pub image: Option<PathBuf>,
}

/// Cases that all sides have, and those that one lacks.
pub struct Plan {
    pub cases: Vec<CohortCase>,
    pub unmatched: Vec<Unmatched>,
    /// How many are passed over because a judged run was not tested on them.
    pub outside: usize,
}

/// Finds and matches the cases of all sides.
///
/// # Errors
/// [`CohortError`].
pub fn plan(request: &CohortRequest, ctx: &JobContext<CohortEvent>) -> Result<Plan, CohortError> {
    if request.judged.is_empty() || request.judged.len() > 3 {
        return Err(CohortError::Sides);
    }
    ctx.progress.say("Looking for masks");
    let runs = request.judged.iter().any(Judged::is_run);
    let truth = sources(&request.truth, runs, ctx)?;
    if let (Source::Single(_), Some(run)) = (&truth, request.judged.iter().find(|j| j.is_run())) {
        return Err(CohortError::RunNeedsData(run.path.clone()));
    }
    if let Source::Single(path) = truth {
        let judged = request.judged.iter().map(|j| JudgedMask::File(j.path.clone())).collect();
        let (name, image) = (name_of(&path), request.images.clone());
        let case = CohortCase { name, patient: None, truth: JudgedMask::File(path), judged, image };
        return Ok(Plan { cases: vec![case], unmatched: Vec::new(), outside: 0 });
    }
    let Source::Many(truths) = truth else { return Err(CohortError::Sides) };
    let mut others = Vec::new();
    for judged in &request.judged {
        others.push(if judged.is_run() { None } else { Some(many(sources(&judged.path, false, ctx)?)) });
    }
    let patients = request.patients.as_deref().map(read_patients).transpose()?;
    let images = request.images.as_deref().filter(|p| p.is_dir()).map(images_by_name).unwrap_or_default();
    // A folder without any of the names is the image of all masks.
    let common = request.images.clone().filter(|_| !images.keys().any(|k| truths.contains_key(k)));
    let mut plan = Plan { cases: Vec::new(), unmatched: Vec::new(), outside: 0 };
    let tested = if request.all_cases { None } else { tested_cases(request) };
    let by_series = others.iter().flatten().all(|o| !o.keys().any(|k| truths.contains_key(k)));
    let series = if by_series { series_keys(&truths) } else { BTreeMap::new() };
    for (key, (name, truth)) in &truths {
        if tested.as_ref().is_some_and(|t| !t.contains(name)) {
            plan.outside += 1;
            continue;
        }
        let mut judged = Vec::new();
        for (side, other) in request.judged.iter().zip(&mut others) {
            let found = match other {
                None => Some(JudgedMask::Run(side.path.clone())),
                Some(masks) => {
                    let own = masks.remove(key);
                    own.or_else(|| masks.remove(&partner(series.get(key)?, masks)?)).map(|m| m.1)
                }
            };
            match found {
                Some(mask) => judged.push(mask),
                None => plan.unmatched.push(Unmatched { case: name.clone(), lacking: side.name.clone() }),
            }
        }
        if judged.len() < request.judged.len() {
            continue;
        }
        let own = match truth {
            JudgedMask::Dataset(case) => Some(case.patient.clone()).filter(|p| *p != case.name),
            _ => None,
        };
        let patient = patients.as_ref().map_or(own, |p| p.get(name).cloned());
        let image = images.get(key).cloned().or_else(|| common.clone());
        plan.cases.push(CohortCase { name: name.clone(), patient, truth: truth.clone(), judged, image });
    }
    let truth_name = name_of(&request.truth);
    for (name, _) in others.into_iter().flatten().flat_map(BTreeMap::into_values) {
        if !truths.values().any(|t| t.0 == name) {
            plan.unmatched.push(Unmatched { case: name, lacking: truth_name.clone() });
        }
    }
    plan.cases.sort_by(|a, b| natural_cmp(&a.name, &b.name));
    if plan.cases.is_empty() {
        let other = request.judged.first().map_or_else(PathBuf::new, |j| j.path.clone());
        return Err(CohortError::NoPartners(request.truth.clone(), other));
    }
    Ok(plan)
}

/// Name and mask by lower-case key.
type Masks = BTreeMap<String, (String, JudgedMask)>;

enum Source {
    Single(PathBuf),
    Many(Masks),
}

fn many(source: Source) -> Masks {
    match source {
        Source::Many(masks) => masks,
        Source::Single(path) => keyed([(name_of(&path), JudgedMask::File(path))]),
    }
}

fn keyed(masks: impl IntoIterator<Item = (String, JudgedMask)>) -> Masks {
    masks.into_iter().map(|(name, mask)| (name.to_lowercase(), (name, mask))).collect()
}

/// Masks under a path. A data set is read as one where its images are `needed`, or where it holds no plain masks.
fn sources(path: &Path, needed: bool, ctx: &JobContext<CohortEvent>) -> Result<Source, CohortError> {
    if !path.is_dir() {
        return Ok(Source::Single(path.to_owned()));
    }
    let files = mask_files(path);
    if files.is_empty() || needed {
        let quiet: JobContext<()> = JobContext::attached(ctx.cancel.clone(), Arc::default(), Waker::none()).0;
        match find_cases(path, None, &quiet) {
            Ok(cases) => {
                let with_masks = cases.into_iter().filter(|c| !c.masks.is_empty());
                let cases: Vec<_> = with_masks.map(|c| (c.name.clone(), JudgedMask::Dataset(Box::new(c)))).collect();
                if !cases.is_empty() {
                    return Ok(Source::Many(keyed(cases)));
                }
            }
            Err(e) if needed => return Err(CohortError::Io(e.to_string())),
            Err(_) => {}
        }
    }
    if files.is_empty() {
        // One folder of slices or of DICOM files.
        return Ok(Source::Single(path.to_owned()));
    }
    Ok(Source::Many(keyed(files.into_iter().map(|f| (name_of(&f), JudgedMask::File(f))))))
}

const ENDINGS: [&str; 5] = [".nii.gz", ".nii", ".seg.nrrd", ".nrrd", ".dcm"];

/// A file's name without folders and ending.
pub fn name_of(path: &Path) -> String {
    let name = path.file_name().map_or_else(|| "mask".into(), |n| n.to_string_lossy().into_owned());
    let lower = name.to_ascii_lowercase();
    match ENDINGS.iter().find(|e| lower.ends_with(**e)) {
        Some(ending) => name[..name.len() - ending.len()].to_owned(),
        None => name,
    }
}

fn mask_files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let is_mask = |p: &PathBuf| {
        let name = p.to_string_lossy().to_ascii_lowercase();
        p.is_file() && ENDINGS.iter().any(|e| name.ends_with(e))
    };
    let mut files: Vec<PathBuf> = entries.flatten().map(|e| e.path()).filter(is_mask).collect();
    files.sort_by(|a, b| natural_cmp(&name_of(a), &name_of(b)));
    files
}

/// Images of a folder by the names of their cases; nnU-Net's channel number is no part of a name.
fn images_by_name(folder: &Path) -> BTreeMap<String, PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return BTreeMap::new() };
    let paths = entries.flatten().map(|e| e.path());
    paths
        .map(|p| {
            let name = name_of(&p).to_lowercase();
            (name.strip_suffix("_0000").map_or(name.clone(), str::to_owned), p)
        })
        .collect()
}

/// Cases that the judged runs were tested on: all runs must have met none of them before.
fn tested_cases(request: &CohortRequest) -> Option<Vec<String>> {
    let mut tested: Option<Vec<String>> = None;
    for run in request.judged.iter().filter(|j| j.is_run()) {
        let text = std::fs::read_to_string(run.path.join("result.json")).ok()?;
        let result: serde_json::Value = serde_json::from_str(&text).ok()?;
        let names = result["test"].as_array()?.iter();
        let names: Vec<String> = names.filter_map(|c| c["case"].as_str().map(str::to_owned)).collect();
        tested = Some(match tested {
            None => names,
            Some(before) => before.into_iter().filter(|n| names.contains(n)).collect(),
        });
    }
    tested.filter(|t| !t.is_empty())
}

/// Series that the DICOM masks of a side refer to, by key.
fn series_keys(masks: &Masks) -> BTreeMap<String, Vec<String>> {
    let of = |(key, (_, mask)): (&String, &(String, JudgedMask))| Some((key.clone(), referenced(mask)?));
    masks.iter().filter_map(of).collect()
}

fn referenced(mask: &JudgedMask) -> Option<Vec<String>> {
    let JudgedMask::File(path) = mask else {
        let JudgedMask::Dataset(case) = mask else { return None };
        let io::VolumeSource::Dicom(stack) = &case.source else { return None };
        return Some(vec![stack.series_uid.clone()]);
    };
    let found = io::dicom::series_named_in(path)?;
    (!found.is_empty()).then_some(found)
}

/// The first mask that refers to one of these series.
fn partner(series: &[String], masks: &Masks) -> Option<String> {
    let refers = |mask: &JudgedMask| referenced(mask).is_some_and(|s| s.iter().any(|u| series.contains(u)));
    masks.iter().find(|(_, (_, mask))| refers(mask)).map(|(key, _)| key.clone())
}

/// Case and patient of each line, separated by a comma; a first line that says "case" is a head.
fn read_patients(file: &Path) -> Result<BTreeMap<String, String>, CohortError> {
    let failed = |reason: String| CohortError::Patients { file: file.to_owned(), reason };
    let bytes = io::bounds::read_bounded(file, 16 << 20).map_err(|e| failed(e.to_string()))?;
    let text = String::from_utf8(bytes).map_err(|_| failed("it is no text".into()))?;
    let mut patients = BTreeMap::new();
    for (n, line) in text.lines().enumerate().filter(|(_, l)| !l.trim().is_empty()) {
        let fields: Vec<&str> = line.split([',', ';', '\t']).map(|f| f.trim().trim_matches('"')).collect();
        let [case, patient, ..] = fields.as_slice() else {
            return Err(failed(format!("line {} does not hold a case and its patient, separated by a comma", n + 1)));
        };
        if !(n == 0 && case.eq_ignore_ascii_case("case")) {
            patients.insert((*case).to_owned(), (*patient).to_owned());
        }
    }
    Ok(patients)
}
