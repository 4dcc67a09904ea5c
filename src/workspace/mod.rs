//! The open document: cases, layers, selection, running tasks. [`Workspace::dispatch`] is the only door that changes it.
//!
//! Floor 3. Headless: knows no window and no GPU drawing. The window draws `&Workspace` and sends commands; tests and
//! the command line do the same. [`Workspace::poll`] takes in what background work has produced and never blocks.

mod caseload;
mod cohort;
mod command;
mod document;
mod editing;
mod exporting;
mod identifying;
mod importing;
mod layers;
mod learning;
mod masking;
mod measuring;
mod modelling;
mod notice;
mod opening;
mod overlay_case;
mod picture;
mod question;
mod reporting;
mod resuming;
mod reviewing;
mod reviving;
mod runs;
mod saving;
mod searching;
mod settings;
mod stack_export;
mod steps;
mod task;
mod training;
mod viewing;
mod volumes;
mod working;

#[cfg(test)]
mod tests;

pub use caseload::{CaseLine, CaseLoad};
pub use cohort::{
    CohortCase, CohortCommand, CohortError, CohortEvent, CohortRequest, CohortRoom, CohortSums, Judged, JudgedMask,
    OpenStudy, OverTime, badness, compare_cohort,
};
pub use command::{
    Command, EditCommand, FileCommand, KeyCommand, LayerCommand, ModelCommand, OpenCommand, ResampleAnswer,
    ReviewCommand, SearchCommand, SearchForm, SegmentCommand, SettingsCommand, TrainForm, TrainSource, ViewCommand,
    WorkCommand,
};
pub use document::{Dirty, Document, ViewState};
pub use importing::MirrorOffer;
pub use learning::{KeptLoop, LearnCommand, LearnForm, LearnRoom, LearnView, LearnedLayer, SliceMark};
pub use masking::{EditRules, HU_RANGES, Preview};
pub use measuring::{MeasureCommand, SegmentStatistics};
pub use modelling::ModelRoom;
pub use notice::{Level, Notice};
pub use picture::{FusionChoice, PictureCommand, SlabChoice};
pub use question::ResampleQuestion;
pub use resuming::{Kept, KeptCase, Resumption};
pub use reviewing::{Cause, Comparing, ReviewRoom};
pub use reviving::Recoverable;
pub use runs::RunInfo;
pub use searching::SearchView;
pub use settings::{GpuSharing, Home, Settings, ThemeChoice};
pub use stack_export::StackExport;
pub use task::TaskView;
pub use training::{TrainingState, TrainingView};
pub use working::{Progress, SourceKind};

use crate::core::{CaseId, Interpolation, LayerId, PlaneDirections};
use crate::edit::{Brush, BrushShape};
use crate::io::{Fingerprint, Scan};
use crate::jobs::Waker;
use crate::nn::SharedGpu;
use identifying::FingerprintOf;
use settings::SettingsSave;
use std::path::Path;
use std::sync::Arc;
use task::{OnCase, Task};

/// Brush settings, shared by all cases.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BrushSettings {
    pub radius_mm: f64,
    pub sphere: bool,
    pub square: bool,
    /// Paints only what differs by at most `tolerance` from where the stroke begins.
    pub adaptive: bool,
    /// In HU.
    pub tolerance: i16,
}

impl BrushSettings {
    /// The brush on a pane with `through_axis` through it.
    pub fn brush(&self, through_axis: usize) -> Brush {
        let shape = match (self.sphere, self.square) {
            (true, true) => BrushShape::Cube,
            (true, false) => BrushShape::Sphere,
            (false, true) => BrushShape::Square2d { through_axis },
            (false, false) => BrushShape::Round2d { through_axis },
        };
        Brush { shape, radius_mm: self.radius_mm }
    }

    /// The brush on a pane that shows a turned plane.
    pub fn brush_on(&self, plane: PlaneDirections) -> Brush {
        let shape = match (self.sphere, self.square) {
            (true, true) => BrushShape::Cube,
            (true, false) => BrushShape::Sphere,
            (false, true) => BrushShape::SquareOn { plane },
            (false, false) => BrushShape::RoundOn { plane },
        };
        Brush { shape, radius_mm: self.radius_mm }
    }
}

/// How masks and helpers are drawn over the slices.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Overlay {
    pub visible: bool,
    /// Opacity of the fill in `0..=1`.
    pub opacity: f32,
    pub fill: bool,
    pub outline: bool,
    pub crosshair: bool,
    /// How the image is seen between the voxels' centres.
    pub interpolation: Interpolation,
    /// While a stroke is painted the mask shows its outline only.
    pub outline_while_painting: bool,
}

/// The document of the program.
pub struct Workspace {
    pub settings: Settings,
    pub home: Home,
    pub brush: BrushSettings,
    pub rules: EditRules,
    pub overlay: Overlay,
    /// What the last scan found.
    pub scan: Option<Scan>,
    pub models: ModelRoom,
    pub learning: LearnRoom,
    pub review: ReviewRoom,
    pub cohort: CohortRoom,
    pub caseload: CaseLoad,
    /// Unsaved work of earlier sessions.
    pub recoverable: Vec<Recoverable>,
    /// The last thing done, for the status bar.
    pub status: String,
    /// What is asked before a series opens.
    question: Option<ResampleQuestion>,
    documents: Vec<Document>,
    active: Option<CaseId>,
    tasks: Vec<(u64, Box<dyn Task>)>,
    notices: Vec<Notice>,
    waker: Waker,
    gpu: Option<Arc<SharedGpu>>,
    last_id: u64,
    /// Journals that jobs are bringing up.
    journals_starting: usize,
    /// Images that jobs are identifying for journals.
    identifying: usize,
    /// Reads every sample of an image. A field, so that a test can say how long that takes.
    fingerprint_of: FingerprintOf,
    settings_save: SettingsSave,
    /// Case and layer that a prediction is to be held against.
    awaited: Option<(CaseId, LayerId)>,
    /// Work of earlier sessions is being looked for, which holds their journals for moments.
    looking: bool,
    /// Cases that are taken up once that is over.
    resuming: Vec<KeptCase>,
    /// Cases that are being taken up, with how they are offered should that fail.
    taking_up: Vec<(KeptCase, Option<Recoverable>)>,
    /// The graphics device is left to the window alone.
    cpu_only: bool,
    /// Cases that panes of the window show, and what is laid over them; the window says it in every frame.
    pub shown_cases: Vec<CaseId>,
}

impl Workspace {
    /// An empty workspace. `gpu` is the device that the window draws with, when there is one.
    pub fn new(home: Home, waker: Waker, gpu: Option<Arc<SharedGpu>>) -> Self {
        let settings = Settings::load(&home);
        let mut workspace = Self {
            settings,
            brush: BrushSettings { radius_mm: 5.0, sphere: false, square: false, adaptive: false, tolerance: 60 },
            rules: EditRules::default(),
            overlay: Overlay {
                visible: true,
                opacity: 0.4,
                fill: true,
                outline: true,
                crosshair: true,
                interpolation: Interpolation::Linear,
                outline_while_painting: false,
            },
            scan: None,
            models: ModelRoom::default(),
            learning: LearnRoom::default(),
            review: ReviewRoom::default(),
            cohort: CohortRoom::default(),
            caseload: CaseLoad::default(),
            recoverable: Vec::new(),
            status: String::new(),
            question: None,
            documents: Vec::new(),
            active: None,
            tasks: Vec::new(),
            notices: Vec::new(),
            waker,
            gpu,
            last_id: 0,
            journals_starting: 0,
            identifying: 0,
            fingerprint_of: Arc::new(Fingerprint::of),
            settings_save: SettingsSave::default(),
            awaited: None,
            looking: false,
            resuming: Vec::new(),
            taking_up: Vec::new(),
            cpu_only: false,
            shown_cases: Vec::new(),
            home,
        };
        workspace.arbitrate();
        workspace.look_for_unsaved_work();
        workspace.refresh_runs();
        workspace
    }

    /// Applies one command.
    pub fn dispatch(&mut self, command: impl Into<Command>) {
        let command = command.into();
        if self.refuses(&command) {
            return;
        }
        // What is only looked at changes no mask.
        if !matches!(command, Command::View(_) | Command::Picture(_) | Command::Keys(_)) {
            self.hold_early_labels();
        }
        match command {
            Command::Open(c) => self.apply_open(c),
            Command::View(c) => self.apply_view(c),
            Command::Picture(c) => self.apply_picture(c),
            Command::Measure(c) => self.apply_measure(c),
            Command::Edit(c) => self.apply_edit(c),
            Command::Layer(c) => self.apply_layer(c),
            Command::Segment(c) => self.apply_segment(c),
            Command::Work(c) => self.apply_work(c),
            Command::File(c) => self.apply_file(c),
            Command::Model(c) => self.apply_model(c),
            Command::Learn(c) => self.apply_learn(c),
            Command::Review(c) => self.apply_review(c),
            Command::Settings(c) => self.apply_settings(c),
            Command::Keys(c) => self.apply_keys(c),
            Command::CancelTask(id) => self.cancel_task(id),
        }
        self.check_early_labels();
    }

    /// Takes in events and results of background work. Call once a frame.
    pub fn poll(&mut self) {
        self.hold_early_labels();
        let running = std::mem::take(&mut self.tasks);
        for (id, mut task) in running {
            if !task.advance(self) {
                self.tasks.push((id, task));
            }
        }
        self.close_left_cases();
        self.follow_search();
        self.drop_stale_previews();
        self.follow_painting();
        self.documents.iter_mut().for_each(Document::follow_active_layer);
        self.bound_histories(document::HISTORY_BYTES);
        for document in &mut self.documents {
            document.put_held_predictions();
        }
        self.put_held_answers();
        self.tell_looked_at();
        self.watch_journals();
        self.go_on_learning();
        self.check_early_labels();
        self.allow_early_labels();
    }

    /// The running tasks, oldest first.
    pub fn tasks(&self) -> Vec<TaskView> {
        self.tasks.iter().map(|(id, task)| task.view(*id)).collect()
    }

    /// Whether anything runs in the background.
    pub fn is_busy(&self) -> bool {
        !self.tasks.is_empty()
    }

    /// Sentences for the user since the last call.
    pub fn take_notices(&mut self) -> Vec<Notice> {
        std::mem::take(&mut self.notices)
    }

    /// The open cases.
    pub fn documents(&self) -> &[Document] {
        &self.documents
    }

    /// The case that is shown.
    pub fn active_document(&self) -> Option<&Document> {
        self.document(self.active?)
    }

    /// For the renderer, which takes streamed slices and dirty bricks, and for this module's parts.
    pub fn active_document_mut(&mut self) -> Option<&mut Document> {
        self.document_mut(self.active?)
    }

    /// A case by its number.
    pub fn document(&self, id: CaseId) -> Option<&Document> {
        self.documents.iter().find(|d| d.case.id == id)
    }

    /// For the renderer, as [`Self::active_document_mut`], when several cases are shown.
    pub fn documents_mut(&mut self) -> &mut [Document] {
        &mut self.documents
    }

    fn document_mut(&mut self, id: CaseId) -> Option<&mut Document> {
        self.documents.iter_mut().find(|d| d.case.id == id)
    }

    fn add_document(&mut self, document: Document) {
        let id = document.case.id;
        self.documents.push(document);
        self.activate(id);
    }

    /// Shows a case. A stroke on the one shown before ends where it is.
    fn activate(&mut self, id: CaseId) {
        if self.active == Some(id) || self.document(id).is_none() {
            return;
        }
        self.commit_stroke();
        self.active = Some(id);
        self.review.forget();
    }

    fn remove_document(&mut self, id: CaseId) {
        self.documents.retain(|d| d.case.id != id);
        // A comparison is of the case that is shown; another one that is closed does not end it.
        if self.active == Some(id) || self.review.layers.is_some_and(|(case, ..)| case == id) {
            self.review.forget();
        }
        if self.active == Some(id) {
            self.active = self.documents.last().map(|d| d.case.id);
        }
    }

    fn close(&mut self, id: CaseId) {
        if let Some(document) = self.document_mut(id) {
            document.stop_operation();
            document.end_protection();
        }
        self.remove_document(id);
    }

    /// Tells the user.
    pub fn notify(&mut self, notice: Notice) {
        tracing::info!(level = ?notice.level, "{}", notice.text);
        self.notices.push(notice);
    }

    fn start(&mut self, task: impl Task + 'static) {
        self.last_id += 1;
        self.tasks.push((self.last_id, Box::new(task)));
    }

    /// Starts a task that works on a case: the case is not closed by itself meanwhile.
    fn start_on(&mut self, case: Option<CaseId>, task: impl Task + 'static) {
        self.start(OnCase { case, task });
    }

    fn works_on(&self, case: CaseId) -> bool {
        self.tasks.iter().any(|(_, task)| task.case() == Some(case))
    }

    fn cancel_task(&mut self, id: u64) {
        if let Some((_, task)) = self.tasks.iter().find(|(n, _)| *n == id) {
            task.cancel();
        }
    }

    fn next_case_id(&mut self) -> CaseId {
        self.last_id += 1;
        CaseId(self.last_id)
    }

    fn next_layer_id(&mut self) -> LayerId {
        self.last_id += 1;
        LayerId(self.last_id)
    }

    fn remember(&mut self, path: &Path) {
        self.settings.remember(path);
        self.save_settings();
    }
}
