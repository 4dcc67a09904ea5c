//! De-identified copies of many files, sorted into patients, studies and series. Private to `io::dicom`.

use super::super::error::DicomError;
use super::super::header::{FileHeader, Kind};
use super::{BurnedIn, DeidKey, burned_in, deidentify_file};
use crate::core::count_with;
use crate::io::{Finding, Severity};
use crate::jobs::JobContext;
use rayon::prelude::*;
use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

/// What was copied, and what the user should know.
#[derive(Debug, Clone, Default)]
pub struct DeidReport {
    pub patients: usize,
    pub files: usize,
    pub findings: Vec<Finding>,
}

/// Numbers from 1 in the order in which names first come, for each parent by itself.
#[derive(Default)]
struct Numbers(HashMap<String, HashMap<String, usize>>);

impl Numbers {
    fn of(&mut self, parent: &str, name: &str) -> usize {
        let known = self.0.entry(parent.to_owned()).or_default();
        let next = known.len() + 1;
        *known.entry(name.to_owned()).or_insert(next)
    }
}

/// Copies the images, segmentations and structure sets among `files` into `target`, as
/// `patient_001/study_001/series_001/000001.dcm`, numbered in the order of the files and within a series by instance.
///
/// Files that say that names are burned into their pixels are left out. What is left out is a finding.
///
/// # Errors
/// [`DicomError::Write`] when a copy cannot be written, [`DicomError::Cancelled`].
pub fn deidentify_files<E: Send>(
    files: &[PathBuf],
    target: &Path,
    key: &DeidKey,
    ctx: &JobContext<E>,
) -> Result<DeidReport, DicomError> {
    ctx.progress.say("Reading headers");
    let mut report = DeidReport::default();
    let mut headers = Vec::new();
    let (mut others, mut burned, mut captures) = (0, 0, 0);
    let read: Vec<_> = files.par_iter().map(|f| (!ctx.is_cancelled()).then(|| look(f))).collect();
    for (file, seen) in files.iter().zip(read) {
        match seen.ok_or(DicomError::Cancelled)? {
            Ok((header, _)) if matches!(header.kind, Kind::Other | Kind::Directory) => others += 1,
            Ok((_, BurnedIn::Yes)) => burned += 1,
            Ok((header, perhaps)) => {
                captures += usize::from(perhaps == BurnedIn::Perhaps);
                headers.push(header);
            }
            Err(DicomError::NotDicom { .. }) => others += 1,
            Err(error) => report.leave_out(file, &error),
        }
    }
    let jobs = places(&headers, target, &mut report);
    ctx.progress.say("Writing copies");
    ctx.progress.set(0, jobs.len() as u64);
    let copied: Vec<(&Path, Result<(), DicomError>)> = jobs
        .par_iter()
        .map(|(source, copy)| {
            if ctx.is_cancelled() {
                return (*source, Err(DicomError::Cancelled));
            }
            let made = copy.parent().map_or(Ok(()), fs::create_dir_all).map_err(|e| DicomError::write(copy, &e));
            let done = made.and_then(|()| deidentify_file(source, copy, key));
            ctx.progress.step();
            (*source, done)
        })
        .collect();
    for (source, done) in copied {
        match done {
            Ok(()) => report.files += 1,
            Err(error @ (DicomError::Write { .. } | DicomError::Cancelled)) => return Err(error),
            Err(error) => report.leave_out(source, &error),
        }
    }
    report.say(
        Severity::Warning,
        "burned-in",
        burned,
        [
            "says that names are burned into its pixels and is left out",
            "say that names are burned into their pixels and are left out",
        ],
    );
    report.say(
        Severity::Warning,
        "perhaps-burned-in",
        captures,
        [
            "is a screen capture, whose pixels may show names: look at it before you pass the copies on",
            "are screen captures, whose pixels may show names: look at them before you pass the copies on",
        ],
    );
    report.say(
        Severity::Note,
        "no-image",
        others,
        [
            "holds no image, segmentation or structure set and is left out",
            "hold no image, segmentation or structure set and are left out",
        ],
    );
    Ok(report)
}

fn look(path: &Path) -> Result<(FileHeader, BurnedIn), DicomError> {
    Ok((FileHeader::read(path)?, burned_in(path)?))
}

/// Where each file's copy goes.
fn places<'h>(headers: &'h [FileHeader], target: &Path, report: &mut DeidReport) -> Vec<(&'h Path, PathBuf)> {
    let mut numbers = Numbers::default();
    let mut series: BTreeMap<String, Vec<&FileHeader>> = BTreeMap::new();
    for header in headers {
        let person = match header.patient_id.as_str() {
            "" => format!("name {}", header.patient_name),
            id => format!("id {id}"),
        };
        let patient = numbers.of("", &person);
        report.patients = report.patients.max(patient);
        let patient = format!("patient_{patient:03}");
        let study = format!("{patient}/study_{:03}", numbers.of(&patient, &header.study_uid));
        let folder = format!("{study}/series_{:03}", numbers.of(&study, &header.series_uid));
        series.entry(folder).or_default().push(header);
    }
    let mut places = Vec::new();
    for (folder, mut headers) in series {
        headers.sort_by_key(|h| h.instance);
        let name = |n: usize| target.join(&folder).join(format!("{n:06}.dcm"));
        places.extend((1..).zip(headers).map(|(n, header)| (header.path.as_path(), name(n))));
    }
    places
}

impl DeidReport {
    fn leave_out(&mut self, file: &Path, error: &DicomError) {
        let text = format!("A file is left out: {error}.");
        let file = Some(file.to_owned());
        self.findings.push(Finding { severity: Severity::Warning, code: "left-out", text, file });
    }

    fn say(&mut self, severity: Severity, code: &'static str, count: usize, [one, many]: [&str; 2]) {
        if count > 0 {
            let text = format!("{}.", count_with(count, "file", one, many));
            self.findings.push(Finding { severity, code, text, file: None });
        }
    }
}
