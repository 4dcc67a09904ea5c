//! The judged masks of a case compared with each other: how far readers or models agree among themselves.

use super::read::CaseMask;
use super::{CohortError, failure, named, pairs_of};
use crate::jobs::{self, CancelToken, JobContext};
use crate::metrics::{self, CompareOptions, MetricError, Pair};
use crate::report::{Failed, MaskPair};
use std::sync::Arc;

/// The judged masks of one case, each with the number of its comparison with the truth.
#[derive(Default)]
pub(super) struct Each(Vec<(usize, CaseMask)>);

impl Each {
    /// Remembers a mask that was compared; its structures are called as `pairs` call them.
    pub fn keep(&mut self, comparison: usize, judged: &CaseMask, pairs: &[Pair]) {
        let segments = named(&judged.segments, pairs, |p| p.b);
        self.0.push((comparison, CaseMask { segments, volume: None, ..judged.clone() }));
    }

    /// Compares each with each that comes after it, and forgets them; `options` say how.
    ///
    /// # Errors
    /// [`CohortError::Cancelled`]. A pair that cannot be compared is listed.
    pub fn compare(
        &mut self,
        case: &str,
        foreground: bool,
        options: &CompareOptions,
        cancel: &CancelToken,
    ) -> Result<(Vec<MaskPair>, Vec<Failed>), CohortError> {
        let masks = std::mem::take(&mut self.0);
        let (mut found, mut failed) = (Vec::new(), Vec::new());
        for (n, (first, a)) in masks.iter().enumerate() {
            for (second, b) in &masks[n + 1..] {
                let pairs = if foreground { vec![Pair::foreground("All segments")] } else { pairs_of(case, a, b) };
                let options = CompareOptions { name_a: a.name.clone(), name_b: b.name.clone(), ..options.clone() };
                let ctx = JobContext::attached(cancel.clone(), Arc::default(), jobs::Waker::none()).0;
                match metrics::compare(&a.labels, &b.labels, &pairs, &options, &ctx) {
                    Ok(metrics) => {
                        let comparisons = [*first, *second];
                        found.push(MaskPair { case: case.to_owned(), comparisons, metrics });
                    }
                    Err(MetricError::Cancelled) => return Err(CohortError::Cancelled),
                    Err(e) => {
                        let error = CohortError::Case { case: case.to_owned(), reason: e.to_string() };
                        failed.push(failure(case, &format!("{} with {}", a.name, b.name), &error));
                    }
                }
            }
        }
        Ok((found, failed))
    }
}
