//! Cases that hold no Hounsfield units (PET, MR): they are laid over others and looked at. What asks for HU is refused.

use super::{
    Command, Document, EditCommand, FileCommand, LayerCommand, LearnCommand, ModelCommand, Notice, ReviewCommand,
    SegmentCommand, TrainSource, ViewCommand, WorkCommand, Workspace,
};
use crate::core::{CaseId, ValueScale};
use crate::io::VolumeSource;

impl Document {
    /// Whether the case is there to be laid over others: no masks, no training, no figures in HU.
    pub fn is_overlay(&self) -> bool {
        self.own_scale().is_some()
    }

    /// What its samples mean.
    pub fn values(&self) -> ValueScale {
        self.own_scale().cloned().unwrap_or_else(ValueScale::hounsfield)
    }

    fn own_scale(&self) -> Option<&ValueScale> {
        match (&self.case.volume, &self.source) {
            (Some(volume), _) => volume.scale.as_ref(),
            // While it is read.
            (None, Some(VolumeSource::Dicom(stack))) => stack.scale.as_ref(),
            (None, _) => None,
        }
    }
}

impl Workspace {
    /// Refuses what asks for HU while an overlay is the active case; `true` when it did.
    pub(super) fn refuses(&mut self, command: &Command) -> bool {
        asks_for_hu(command) && self.refuses_on_overlay()
    }

    /// Says why nothing is done on an overlay; `false` when the active case is none.
    pub(super) fn refuses_on_overlay(&mut self) -> bool {
        let Some(name) = self.active_document().filter(|d| d.is_overlay()).map(|d| d.case.name.clone()) else {
            return false;
        };
        self.notify(Notice::warning(format!(
            "{name} holds no Hounsfield units: it is laid over a CT and looked at, but not painted on, trained on, \
             predicted or measured."
        )));
        true
    }

    /// Lays an overlay that was read while a CT was looked at over that CT.
    pub(super) fn lay_over_active(&mut self, case: CaseId) {
        let on_ct = self.active_document().is_some_and(|d| d.case.id != case && !d.is_overlay());
        if let Some(name) = self.document(case).filter(|d| on_ct && d.is_overlay()).map(|d| d.case.name.clone()) {
            self.fuse(Some(case));
            self.status = format!("{name} is laid over the image");
        }
    }
}

/// Whether a command works on the active case's HU, or makes a mask of it.
fn asks_for_hu(command: &Command) -> bool {
    match command {
        Command::View(c) => matches!(c, ViewCommand::Preset(_)),
        Command::Edit(c) => matches!(
            c,
            EditCommand::BeginStroke { .. }
                | EditCommand::BeginStrokeOn { .. }
                | EditCommand::BeginPush { .. }
                | EditCommand::BeginPushOn { .. }
                | EditCommand::Preview(_)
                | EditCommand::Apply(_)
        ),
        Command::Layer(c) => matches!(c, LayerCommand::New),
        Command::Segment(c) => matches!(c, SegmentCommand::Add),
        Command::Work(c) => matches!(c, WorkCommand::PredictInto { .. }),
        Command::File(c) => {
            matches!(c, FileCommand::ImportFound(_) | FileCommand::ExportMask(_) | FileCommand::ExportVolume(_))
        }
        Command::Model(ModelCommand::Train(form) | ModelCommand::Preview(form)) => {
            form.source == TrainSource::ActiveCase
        }
        Command::Model(c) => matches!(c, ModelCommand::Predict { .. } | ModelCommand::PredictWith { .. }),
        Command::Learn(c) => {
            matches!(c, LearnCommand::Start(_) | LearnCommand::AddCase | LearnCommand::Prompt { .. })
        }
        Command::Review(c) => matches!(c, ReviewCommand::Compare { .. } | ReviewCommand::Measure(_)),
        _ => false,
    }
}
