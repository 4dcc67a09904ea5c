//! What a run folder says of where and on what a run was made: `environment.json` and `data.json`. No names of machines,
//! accounts or people.

use super::data::Prepared;
use super::folder::write;
use super::{TrainError, TrainEvent};
use crate::io::bounds::read_bounded;
use crate::jobs::JobContext;
use crate::nn::ComputeDevice;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

/// Longest `data.json`: a hundred thousand cases.
const MAX_FILE: u64 = 64 << 20;

/// One session of a run.
#[derive(Serialize, Deserialize)]
struct Session {
    program: String,
    version: String,
    system: String,
    architecture: String,
    processors: usize,
    device: String,
    /// Seconds since 1970-01-01 UTC.
    started: u64,
    /// Epochs done before.
    first_epoch: usize,
}

/// Adds this session to `environment.json`.
///
/// # Errors
/// [`TrainError::Io`].
pub(super) fn note_environment(run: &Path, device: &ComputeDevice, first_epoch: usize) -> Result<(), TrainError> {
    let path = run.join("environment.json");
    // What an unreadable file of earlier sessions said is lost; it is no reason not to train.
    let mut sessions: Vec<Session> =
        read_bounded(&path, MAX_FILE).ok().and_then(|b| serde_json::from_slice(&b).ok()).unwrap_or_default();
    sessions.push(Session {
        program: env!("CARGO_PKG_NAME").into(),
        version: env!("CARGO_PKG_VERSION").into(),
        system: std::env::consts::OS.into(),
        architecture: std::env::consts::ARCH.into(),
        processors: std::thread::available_parallelism().map_or(1, |n| n.get()),
        device: device.description.clone(),
        started: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs()),
        first_epoch,
    });
    let text = serde_json::to_vec_pretty(&sessions).map_err(|e| TrainError::Data(e.to_string()))?;
    write(&path, &text)
}

/// `data.json`: what was learned from, so that two runs can be known to have had the same data.
#[derive(PartialEq, Serialize, Deserialize)]
struct Fingerprint {
    /// SHA-256 of a case's preprocessed slices: values as little-endian 16-bit HU, then one byte a pixel for its class.
    cases: Vec<CaseFingerprint>,
    pixels_of_each_class: Vec<u64>,
    slices: usize,
    slices_without_any_class: usize,
}

#[derive(PartialEq, Serialize, Deserialize)]
struct CaseFingerprint {
    case: String,
    slices: usize,
    sha256: String,
}

/// Writes `data.json`; for a resumed run says which cases have changed since.
///
/// # Errors
/// [`TrainError::Io`].
pub(super) fn note_data(run: &Path, prepared: &Prepared, ctx: &JobContext<TrainEvent>) -> Result<(), TrainError> {
    let path = run.join("data.json");
    let cases = prepared.cases.iter().zip(&prepared.sums);
    let now = Fingerprint {
        cases: cases
            .map(|(case, sum)| CaseFingerprint { case: case.name.clone(), slices: case.slices, sha256: sum.clone() })
            .collect(),
        pixels_of_each_class: prepared.pixels.clone(),
        slices: prepared.store.len(),
        slices_without_any_class: prepared.empty_slices,
    };
    if let Some((one, other)) = same_twice(&now.cases) {
        ctx.send(TrainEvent::Warning(format!(
            "the cases {one} and {other} are the same image with the same mask: a copy that trains makes the figures of one that tests too good; leave one of them out"
        )));
    }
    let before: Option<Fingerprint> =
        read_bounded(&path, MAX_FILE).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
    if let Some(before) = before {
        let changed: Vec<&str> =
            now.cases.iter().filter(|case| !before.cases.contains(case)).map(|case| case.case.as_str()).collect();
        if let [first, rest @ ..] = changed.as_slice() {
            let others = if rest.is_empty() { String::new() } else { format!(" and {} more", rest.len()) };
            ctx.send(TrainEvent::Warning(format!(
                "the image or mask of case {first}{others} has changed since the run was started; it goes on with what is there now"
            )));
        }
    }
    let text = serde_json::to_vec_pretty(&now).map_err(|e| TrainError::Data(e.to_string()))?;
    write(&path, &text)
}

/// What a run learned from, in one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataFingerprint {
    /// SHA-256 over name, number of slices and SHA-256 of each case, in the order of their names.
    pub sha256: String,
    pub cases: usize,
    pub slices: usize,
}

impl DataFingerprint {
    /// Of the run's `data.json`; `None` where there is none that can be read.
    pub fn of_run(run: &Path) -> Option<Self> {
        let bytes = read_bounded(&run.join("data.json"), MAX_FILE).ok()?;
        let data: Fingerprint = serde_json::from_slice(&bytes).ok()?;
        Some(Self::of(data.cases, data.slices))
    }

    fn of(mut cases: Vec<CaseFingerprint>, slices: usize) -> Self {
        cases.sort_by(|a, b| (&a.case, &a.sha256).cmp(&(&b.case, &b.sha256)));
        let mut sha = Sha256::new();
        for case in &cases {
            // A zero byte ends a name: no two lists give the same bytes.
            sha.update(case.case.as_bytes());
            sha.update([0]);
            sha.update((case.slices as u64).to_le_bytes());
            sha.update(case.sha256.as_bytes());
        }
        let sha256 = sha.finalize().iter().map(|b| format!("{b:02x}")).collect();
        Self { sha256, cases: cases.len(), slices }
    }
}

/// The first two cases with the same sum, by name.
fn same_twice(cases: &[CaseFingerprint]) -> Option<(&str, &str)> {
    let mut seen = std::collections::BTreeMap::new();
    cases.iter().find_map(|case| Some((seen.insert(&case.sha256, case.case.as_str())?, case.case.as_str())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn case(name: &str, sum: &str) -> CaseFingerprint {
        CaseFingerprint { case: name.into(), slices: 1, sha256: sum.into() }
    }

    #[test]
    fn the_fingerprint_is_of_names_and_contents_in_any_order() {
        let of = |cases: [(&str, &str); 2]| DataFingerprint::of(cases.map(|(n, s)| case(n, s)).into(), 2);
        let one = of([("a", "1"), ("b", "2")]);
        assert_eq!((one.sha256.len(), one.cases, one.slices), (64, 2, 2));
        assert_eq!(of([("b", "2"), ("a", "1")]), one);
        assert_ne!(of([("a", "2"), ("b", "1")]), one, "the masks were exchanged");
        assert_ne!(of([("a", "1"), ("c", "2")]), one, "another case");
    }

    #[test]
    fn a_case_that_is_there_twice_is_found() {
        assert_eq!(same_twice(&[case("a", "1"), case("b", "2"), case("c", "1")]), Some(("a", "c")));
        assert_eq!(same_twice(&[case("a", "1"), case("b", "2")]), None);
    }
}
