//! A whole cohort compared: masks of many cases with one to three other masks of each, from files, folders or runs.
//!
//! The window and `maskwright evaluate` call [`compare_cohort`] inside a job. One case is in memory at a time. What one
//! side lacks, and what cannot be read or compared, is listed and in no figure.

mod each;
mod measured;
mod over_time;
mod read;
mod request;
mod room;
mod sheets;

pub use over_time::{OpenStudy, OverTime, StudyOf};
pub use request::{CohortCase, CohortError, CohortEvent, CohortRequest, Judged, JudgedMask, plan};
pub use room::{CohortCommand, CohortRoom, CohortSums, badness};

use crate::core::{LabelMap, Segment};
use crate::jobs::JobContext;
use crate::metrics::{self, Convention, Pair, Select};
use crate::report::{CaseReport, Failed, ReportInputs};
use each::Each;
use read::{CaseMask, Reader};
use sha2::{Digest, Sha256};
use std::sync::Arc;

/// Compares every matched case and sums up. Events tell the plan and each finished comparison. A case that fails is
/// listed and the others go on.
///
/// # Errors
/// [`CohortError`]; when no case at all could be compared, that of the first, which names it.
pub fn compare_cohort(request: &CohortRequest, ctx: &JobContext<CohortEvent>) -> Result<ReportInputs, CohortError> {
    let plan = plan(request, ctx)?;
    let (cases, unmatched, outside) = (plan.cases.clone(), plan.unmatched.clone(), plan.outside);
    ctx.send(CohortEvent::Planned { cases, unmatched, outside });
    let sides = request.judged.len();
    ctx.progress.set(0, (plan.cases.len() * sides) as u64);
    let reader = Reader::new(request);
    let mut inputs = ReportInputs {
        title: request.title.clone(),
        phantom: false,
        judged: if sides > 1 { request.judged.iter().map(|j| j.name.clone()).collect() } else { Vec::new() },
        unmatched: plan.unmatched.clone(),
        outside: plan.outside,
        ..ReportInputs::default()
    };
    let mut fingerprint = Sha256::new();
    let mut first_error = None;
    for case in &plan.cases {
        let mut hashed = false;
        let (mut volume, mut each) = (None, Each::default());
        for side in 0..sides {
            if ctx.is_cancelled() {
                return Err(CohortError::Cancelled);
            }
            ctx.progress.say(format!("Comparing {}", case.name));
            ctx.wake();
            let compared = reader.pair(case, side, ctx).and_then(|(truth, judged)| {
                let pairs = match request.foreground {
                    true => vec![Pair::foreground("All segments")],
                    false => pairs_of(&case.name, &truth, &judged),
                };
                let report = compare_pair(request, case, side, &pairs, [&truth, &judged], ctx)?;
                if request.quantities {
                    volume = volume.take().or_else(|| truth.volume.clone()).or_else(|| reader.volume(case, ctx));
                }
                if let Some(volume) = &volume {
                    let found = measured::quantities_of(&case.name, [&truth, &judged], &pairs, !hashed, volume);
                    inputs.quantities.extend(found);
                }
                if request.each {
                    each.keep(inputs.cases.len(), &judged, &pairs);
                }
                if !hashed {
                    hash(&case.name, &truth.labels, &mut fingerprint);
                    hashed = true;
                }
                Ok(report)
            });
            ctx.progress.step();
            match compared {
                Ok(report) => {
                    ctx.send(CohortEvent::Compared(Box::new(report.clone())));
                    inputs.cases.push(report);
                }
                Err(CohortError::Cancelled) => return Err(CohortError::Cancelled),
                // Of a single comparison nothing would be left.
                Err(error) if plan.cases.len() * sides == 1 => return Err(error),
                Err(error) => {
                    let failed = failure(&case.name, &request.judged[side].name, &error);
                    ctx.send(CohortEvent::Failed(failed.clone()));
                    inputs.failed.push(failed);
                    first_error.get_or_insert(error);
                }
            }
        }
        let (found, failed) = each.compare(&case.name, request.foreground, &options(request, "", ""), &ctx.cancel)?;
        inputs.pairs.extend(found);
        failed.iter().for_each(|f| ctx.send(CohortEvent::Failed(f.clone())));
        inputs.failed.extend(failed);
    }
    if let (Some(error), true) = (first_error, inputs.cases.is_empty()) {
        return Err(error);
    }
    inputs.facts = facts(request, &reader, plan.cases.len(), hex(&fingerprint.finalize()));
    inputs.curves = request.judged.iter().filter_map(|j| read::learning_curve(&j.path, &j.name)).collect();
    inputs.calibrations = reader.calibrations();
    if request.sheets {
        ctx.progress.say("Drawing contact sheets");
        inputs.sheets = sheets::contact_sheets(&inputs, &plan.cases, &reader, ctx)?;
    }
    Ok(inputs)
}

/// What is listed of a comparison that failed.
fn failure(case: &str, judged: &str, error: &CohortError) -> Failed {
    let reason = match error {
        CohortError::Case { reason, .. } => reason.clone(),
        other => other.to_string(),
    };
    Failed { case: case.to_owned(), judged: judged.to_owned(), reason }
}

fn compare_pair(
    request: &CohortRequest,
    case: &CohortCase,
    side: usize,
    pairs: &[Pair],
    [truth, judged]: [&CaseMask; 2],
    ctx: &JobContext<CohortEvent>,
) -> Result<CaseReport, CohortError> {
    let failed = |e: metrics::MetricError| match e {
        metrics::MetricError::Cancelled => CohortError::Cancelled,
        e => CohortError::Case { case: case.name.clone(), reason: e.to_string() },
    };
    let options = options(request, &truth.name, &judged.name);
    let inner = JobContext::attached(ctx.cancel.clone(), Arc::default(), crate::jobs::Waker::none()).0;
    let metrics = metrics::compare(&truth.labels, &judged.labels, pairs, &options, &inner).map_err(failed)?;
    Ok(CaseReport { patient: case.patient.clone(), judged: side, ..CaseReport::new(case.name.clone(), metrics) })
}

fn options(request: &CohortRequest, name_a: &str, name_b: &str) -> metrics::CompareOptions {
    metrics::CompareOptions {
        convention: request.convention,
        tolerances: request.tolerances.clone(),
        ..metrics::CompareOptions::full(name_a, name_b)
    }
}

/// The only segment of each when both have just one; else by name, then by the number in the files. `case` is what files
/// are named by: a file without names calls its only segment so.
fn pairs_of(case: &str, a: &CaseMask, b: &CaseMask) -> Vec<Pair> {
    if let ([one], [other]) = (a.segments.as_slice(), b.segments.as_slice()) {
        // The truth's name, so that all sides have the same; the file's would make another structure of each case.
        let named = !numbered(one) && !one.name.eq_ignore_ascii_case(case) && one.name != a.name;
        let name = if named { one.name.as_str() } else { "Mask" };
        return vec![Pair::labels(name, one.id, other.id)];
    }
    if let [one] = [a.segments.as_slice(), b.segments.as_slice()].concat().as_slice()
        && (numbered(one) || one.name.eq_ignore_ascii_case(case) || one.name == a.name)
    {
        // One mask has a structure and the other is empty.
        let side = |of: &CaseMask| of.segments.first().map_or(Select::Nothing, |s| Select::Label(s.id));
        return vec![Pair { name: "Mask".into(), a: side(a), b: side(b) }];
    }
    if !a.segments.iter().chain(&b.segments).any(numbered) {
        return or_all(metrics::match_segments(&a.segments, &b.segments));
    }
    let mut pairs: Vec<Pair> = Vec::new();
    let partner = |of: &[Segment], value: u32| {
        of.iter().find(|s| s.file_value == value).map_or(Select::Nothing, |s| Select::Label(s.id))
    };
    for s in a.segments.iter().chain(&b.segments) {
        let (x, y) = (partner(&a.segments, s.file_value), partner(&b.segments, s.file_value));
        // A name says more than a number.
        let known = a.segments.iter().chain(&b.segments).filter(|o| o.file_value == s.file_value);
        let name = known.clone().find(|o| !numbered(o)).or_else(|| known.clone().next()).unwrap_or(s);
        if !pairs.iter().any(|p| (p.a, p.b) == (x, y)) {
            pairs.push(Pair { name: name.name.clone(), a: x, b: y });
        }
    }
    or_all(pairs)
}

/// The segments under the names of their pairs.
fn named(segments: &[Segment], pairs: &[Pair], side: impl Fn(&Pair) -> Select) -> Vec<Segment> {
    let name = |s: &Segment| pairs.iter().find(|p| side(p) == Select::Label(s.id)).map(|p| p.name.clone());
    segments.iter().map(|s| Segment { name: name(s).unwrap_or_else(|| s.name.clone()), ..s.clone() }).collect()
}

/// Called by its number, for want of a name.
fn numbered(segment: &Segment) -> bool {
    segment.name.starts_with("Label ") || segment.name.starts_with("Segment ")
}

fn or_all(pairs: Vec<Pair>) -> Vec<Pair> {
    if pairs.is_empty() { vec![Pair::foreground("All segments")] } else { pairs }
}

/// Adds a case's name, grid and labels to the fingerprint of the reference data.
fn hash(name: &str, labels: &LabelMap, into: &mut Sha256) {
    into.update(name.as_bytes());
    let geometry = labels.geometry();
    geometry.dims().iter().for_each(|n| into.update((*n as u64).to_le_bytes()));
    geometry.spacing().to_array().iter().for_each(|s| into.update(s.to_le_bytes()));
    hash_labels(labels, into);
}

fn hash_labels(labels: &LabelMap, into: &mut Sha256) {
    for index in 0..labels.brick_count() as u32 {
        if let Some(brick) = labels.brick(index) {
            into.update(index.to_le_bytes());
            into.update(brick.as_slice());
        }
    }
}

/// What was compared and by what, for the head of the report.
fn facts(request: &CohortRequest, reader: &Reader, cases: usize, fingerprint: String) -> Vec<(String, String)> {
    let mut facts = vec![("Reference".to_owned(), request::name_of(&request.truth))];
    for (n, judged) in request.judged.iter().enumerate() {
        let name = if request.judged.len() > 1 { format!("Judged {}", n + 1) } else { "Judged".into() };
        facts.push((name, judged.name.clone()));
        facts.extend(reader.provenance(n));
    }
    facts.extend(common_facts(cases, Some(fingerprint), request.convention));
    facts
}

/// What the head of every report says; `fingerprint` is `None` where the masks are no longer those that were compared.
pub(in crate::workspace) fn common_facts(
    cases: usize,
    fingerprint: Option<String>,
    convention: Convention,
) -> Vec<(String, String)> {
    let mut facts = vec![("Cases".to_owned(), cases.to_string())];
    facts.extend(fingerprint.map(|hex| ("Fingerprint of the reference masks (SHA-256)".to_owned(), hex)));
    facts.push(("Definition of distances".into(), convention.name().into()));
    if cases > 1 {
        let text = format!("bootstrap of the mean, {} resamples, fixed seed", metrics::stats::RESAMPLES);
        facts.push(("95 % intervals".into(), text));
    }
    facts
}

/// SHA-256 over names, grids and labels of reference masks.
pub(in crate::workspace) fn fingerprint<'a>(masks: impl IntoIterator<Item = (&'a str, &'a LabelMap)>) -> String {
    let mut sha = Sha256::new();
    masks.into_iter().for_each(|(name, labels)| hash(name, labels, &mut sha));
    hex(&sha.finalize())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

#[cfg(test)]
mod tests;
