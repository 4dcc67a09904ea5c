//! Any other folder: every series that the scan finds with a mask beside it.

use super::copies::join_copies;
use super::{DatasetCase, LayoutError};
use crate::io::natural_cmp;
use crate::io::scan;
use crate::jobs::JobContext;
use std::path::Path;

pub(super) fn cases(root: &Path, ctx: &JobContext<()>) -> Result<Vec<DatasetCase>, LayoutError> {
    let found = scan(root, ctx)?;
    let mut cases = Vec::new();
    for patient in &found.patients {
        for series in patient.studies.iter().flat_map(|s| &s.series) {
            if !series.may_be_ct() || series.masks.is_empty() {
                continue;
            }
            if let (Some(source), Some(geometry)) = (&series.source, series.geometry) {
                let case = DatasetCase {
                    // Labels are made by the scan from numbers and file names, never from what headers say of a person.
                    name: format!("{} {}", patient.label, series.label),
                    patient: patient.label.clone(),
                    source: source.clone(),
                    masks: series.masks.clone(),
                    label_names: Vec::new(),
                };
                cases.push((geometry, case));
            }
        }
    }
    let mut cases = join_copies(cases, ctx)?;
    cases.sort_by(|a, b| natural_cmp(&a.name, &b.name));
    Ok(cases)
}
