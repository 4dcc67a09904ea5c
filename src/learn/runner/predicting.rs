//! How the runner predicts: a few slices at once, the one on the screen first, alone, and shown early where that may be.

use super::super::early::Early;
use super::super::queue::look;
use super::super::served::Served;
use super::{PATIENCE, Runner, Tell};
use crate::core::LabelId;

impl Runner<'_> {
    /// Predicts the next few slices of a case that waits, that on the screen before the others.
    pub(super) fn predict_some(&mut self) {
        if self.arbiter.is_painting() {
            std::thread::sleep(PATIENCE);
            return;
        }
        let shown = self.looked_at.filter(|(case, _)| self.cases.get(case).is_some_and(Served::is_waiting));
        let waiting = || self.cases.iter().find(|(_, c)| c.is_waiting()).map(|(case, _)| *case);
        let Some(case) = shown.map(|(case, _)| case).or_else(waiting) else { return };
        let Some(served) = self.cases.get(&case) else { return };
        let next = served.next(shown.map(|(_, slice)| slice));
        let Some(&first) = next.first() else { return };
        let _guard = self.arbiter.predicting();
        let chunk: Vec<Vec<i16>> = next.iter().take(self.at_once).map(|k| served.hu[*k].clone()).collect();
        let size = served.size;
        let alone = shown == Some((case, first)) && chunk.len() == 1;
        let early = if alone { self.early_look(case, first, served) } else { None };
        let is_early = early.is_some();
        let spec = self.session.spec();
        let mirror = self.session.recipe().augmentation.flip_lr > 0.0;
        let outcome = self.segmenter().and_then(|segmenter| {
            let looked = segmenter.clone();
            let work = move || look(&looked, first, &chunk, mirror, early.as_ref());
            let (shown, views) = self.place.short("predicting", &self.turn, work)?;
            let labels = shown.iter().map(|p| segmenter.labels(p, size));
            let slices: Vec<(usize, Vec<LabelId>)> = (first..).zip(labels).collect();
            Ok((shown, views, slices))
        });
        let (shown, views, slices) = match outcome {
            Ok(done) => done,
            Err(error) => {
                if let Some(shown) = self.early.take(case, first).filter(|_| is_early) {
                    self.early.withdraw(&shown);
                }
                return self.prediction_failed(&error);
            }
        };
        let version = self.session.in_use();
        self.ctx.send(Tell::Predicted { case, version, slices });
        let Some(served) = self.cases.get_mut(&case) else { return };
        served.take(&spec, shown, views);
        if let Some(views) = served.rank(&spec) {
            self.ctx.send(Tell::Ranked { case, version, views, spacing: served.spacing });
        }
    }

    /// What shows the labels of a slice early: on the device that the window draws with, where it is allowed.
    fn early_look(&self, case: u64, slice: usize, served: &Served) -> Option<Early> {
        let network = self.place.is_shared().then(|| self.session.spec())?;
        self.early.of_slice(case, slice, self.session.in_use(), served, &network, &self.turn)
    }
}
