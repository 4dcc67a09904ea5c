//! What a model was trained on, so that a loop that begins with it replays that by default.

use super::super::{TrainForm, TrainSource, Workspace};
use std::path::{Path, PathBuf};

impl Workspace {
    /// Keeps in mind which folder a run is trained on. A run that is there already keeps what was said of it.
    pub(in crate::workspace) fn remember_training_data(&mut self, form: &TrainForm) {
        let runs = self.home.runs();
        if runs.join(&form.run).exists() && !form.resume {
            return;
        }
        let before = self.settings.trained_on.clone();
        self.settings.trained_on.retain(|name, _| runs.join(name).is_dir());
        match &form.source {
            TrainSource::Folder(folder) => drop(self.settings.trained_on.insert(form.run.clone(), folder.clone())),
            TrainSource::ActiveCase => drop(self.settings.trained_on.remove(&form.run)),
        }
        if self.settings.trained_on != before {
            self.save_settings();
        }
    }

    /// The data set folder that a run of the program's run folder was trained on, while it is there.
    pub fn earlier_data(&self, run: &Path) -> Option<&PathBuf> {
        let name = run.strip_prefix(self.home.runs()).ok()?.to_str()?;
        self.settings.trained_on.get(name).filter(|folder| folder.is_dir())
    }
}
