//! Everything that can be asked of the workspace. Menus, keys, tools, tests and the palette all speak this.

use super::cohort::CohortCommand;
use super::learning::LearnCommand;
use super::masking::EditRules;
use super::measuring::MeasureCommand;
use super::picture::PictureCommand;
use super::resuming::Resumption;
use super::reviewing::{Cause, Comparing};
use super::settings::{GpuSharing, ThemeChoice};
use super::stack_export::StackExport;
use crate::core::{CaseId, Flips, LabelId, LayerId, Plane, PlaneDirections, SliceStatus, Window};
use crate::edit::Operation;
use crate::metrics::Convention;
use crate::metrics::quantities::QuantityOptions;
use crate::nn::DeviceChoice;
use crate::predict::PredictOptions;
use glam::DVec3;
use std::path::PathBuf;

/// One request. Applied by [`super::Workspace::dispatch`] alone.
#[derive(Debug, Clone)]
pub enum Command {
    Open(OpenCommand),
    View(ViewCommand),
    Picture(PictureCommand),
    Measure(MeasureCommand),
    Edit(EditCommand),
    Layer(LayerCommand),
    Segment(SegmentCommand),
    Work(WorkCommand),
    File(FileCommand),
    Model(ModelCommand),
    Learn(LearnCommand),
    Review(ReviewCommand),
    Settings(SettingsCommand),
    Keys(KeyCommand),
    /// Cancels the running task with this number.
    CancelTask(u64),
}

/// Finding and opening images.
#[derive(Debug, Clone)]
pub enum OpenCommand {
    /// A folder, an image, a mask or a project: scanned in the background.
    Path(PathBuf),
    /// A series of the last scan: indices of patient, study and series.
    Series {
        patient: usize,
        study: usize,
        series: usize,
    },
    /// Answers the question that stands before a tilted or unevenly spaced series.
    Answer(ResampleAnswer),
    /// A generated chest patient.
    DemoPatient,
    Activate(CaseId),
    Close(CaseId),
    /// Unsaved work of an earlier session that ended without saving.
    Recover(PathBuf),
    DiscardRecovery(PathBuf),
    /// What the program before this one had open when it lost its graphics device.
    Resume(Resumption),
}

/// How a series whose slices form no regular grid is to be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResampleAnswer {
    /// On a regular grid.
    Resample,
    /// Along the tilt, or the evenly spaced part.
    AsItIs,
    /// Not at all.
    Cancel,
}

/// What is seen of the active case.
#[derive(Debug, Clone)]
pub enum ViewCommand {
    /// Moves the crosshair to a continuous voxel position, clamped to the grid.
    Crosshair(DVec3),
    /// Moves the crosshair along a plane's normal by whole slices; positive is towards the higher index.
    Scroll {
        plane: Plane,
        slices: i64,
    },
    /// Puts the crosshair on a slice of a plane.
    Slice {
        plane: Plane,
        index: usize,
    },
    Window(Window),
    /// Number of a preset in [`crate::core::PRESETS`].
    Preset(usize),
    HeaderWindow,
    /// The header's table of grey values in place of a window, when there is one.
    HeaderTable,
    Invert,
    ToggleMask,
    Opacity(f32),
    ToggleFill,
    ToggleOutline,
    ToggleCrosshair,
    /// Goes to the next way of interpolation.
    ToggleInterpolation,
    /// Only outlines of the mask while a stroke is painted, or as at other times.
    ToggleOutlineWhilePainting,
}

/// Painting and going back.
#[derive(Debug, Clone)]
pub enum EditCommand {
    /// Starts a stroke on the active layer; `through_axis` is the voxel axis through the pane painted in.
    BeginStroke {
        erase: bool,
        through_axis: usize,
    },
    /// As [`Self::BeginStroke`] on a turned plane, which the positions of the stroke lie on.
    BeginStrokeOn {
        erase: bool,
        plane: PlaneDirections,
    },
    /// Starts pushing the outline of the active segment, outwards from inside and inwards from outside.
    BeginPush {
        at: DVec3,
        through_axis: usize,
    },
    /// As [`Self::BeginPush`] on a turned plane through `at`.
    BeginPushOn {
        at: DVec3,
        plane: PlaneDirections,
    },
    /// Paints from one continuous voxel position to another.
    ExtendStroke {
        from: DVec3,
        to: DVec3,
    },
    CommitStroke,
    AbortStroke,
    /// Brush radius in mm.
    BrushRadius(f64),
    /// A sphere instead of a disc in the slice.
    BrushSphere(bool),
    /// A square instead of a disc, a box instead of a sphere.
    BrushSquare(bool),
    /// Paints only what looks like the place where the stroke begins.
    BrushAdaptive(bool),
    /// Tolerance of the adaptive brush in HU.
    BrushTolerance(i16),
    /// What every editing tool may change.
    Rules(EditRules),
    /// Shows what an operation on the active segment would change.
    Preview(Operation),
    /// Does what the preview shows.
    ApplyPreview,
    CancelPreview,
    /// Does an operation on the active segment at once, or as a job when it may take long.
    Apply(Operation),
    Undo,
    Redo,
    /// Undoes or redoes until this many steps of [`super::Document::steps`] are done.
    JumpTo(usize),
}

/// The layers of the active case.
#[derive(Debug, Clone)]
pub enum LayerCommand {
    New,
    Duplicate(LayerId),
    Delete(LayerId),
    Select(LayerId),
    Rename(LayerId, String),
    /// Mirrors its voxels within the grid.
    Mirror(LayerId, Flips),
    /// Answers the offer to mirror a mask that would fit the image better so.
    AnswerMirror(bool),
    Visible(LayerId, bool),
    /// Marks a layer as looked at and found right, or takes the mark back.
    Reviewed(LayerId, bool),
}

/// The segments of the active layer.
#[derive(Debug, Clone)]
pub enum SegmentCommand {
    Select(LabelId),
    /// Next (1) or previous (-1) segment.
    Step(i32),
    Add,
    Rename(LabelId, String),
    Color(LabelId, [u8; 3]),
    Lock(LabelId, bool),
    Visible(LabelId, bool),
    Delete(LabelId),
    /// Gives all voxels of the first segment to the second and deletes the first.
    Merge {
        from: LabelId,
        into: LabelId,
    },
    /// Exchanges the voxels of the left and the right lung.
    SwapLungs,
}

/// Which keys do what; kept on disk at once. The window knows the lines and reads the keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyCommand {
    /// Binds keys such as `Ctrl+Shift+Z` to a line of the table; no text leaves it without.
    Bind { line: String, keys: String },
    /// All keys are the defaults again.
    Reset,
}

/// How far the slices of the active layer are, and what people and models gave to it. Slices count across voxel axis 2.
#[derive(Debug, Clone)]
pub enum WorkCommand {
    Status {
        slice: usize,
        status: SliceStatus,
    },
    /// Several slices, both ends included.
    StatusOf {
        from: usize,
        to: usize,
        status: SliceStatus,
    },
    /// Marks the shown slice and goes to the next one that is to do.
    DoneAndNext(SliceStatus),
    NextToDo {
        back: bool,
    },
    /// Lists the projects of a folder as the cases to work on.
    ListCases(PathBuf),
    /// Goes to the next case with slices to do, and opens it where it is not.
    NextCase {
        back: bool,
    },
    /// Writes on a slice; an empty text takes the note away.
    Note {
        slice: usize,
        text: String,
    },
    /// A layer with the same segments for a second reader.
    SecondReader(LayerId),
    /// Shows (or, with `apply`, does) what the segments of `source` would change in the active layer: only where no
    /// person has touched it, or with `everything` anywhere.
    FillFrom {
        source: LayerId,
        everything: bool,
        apply: bool,
    },
    /// Predicts the active case into a layer of its own and then shows what that would change in the active layer.
    PredictInto {
        runs: Vec<PathBuf>,
        options: PredictOptions,
        device: DeviceChoice,
    },
    /// Draws where voxels come from instead of the segments.
    ShowSources(bool),
}

/// Files of the active case.
#[derive(Debug, Clone)]
pub enum FileCommand {
    /// Saves into the given project folder, or the one it was saved to last.
    SaveProject(Option<PathBuf>),
    /// Reads a mask file or folder into a new layer.
    ImportMask(PathBuf),
    /// Reads masks that the scan found beside the open series, by their numbers, into layers of these names.
    ImportFound(Vec<(usize, String)>),
    /// Writes the active layer; the kind follows the extension.
    ExportMask(PathBuf),
    /// Writes all layers into one file of a kind that keeps segments whole which overlap.
    ExportLayers(PathBuf),
    ExportVolume(PathBuf),
    /// Writes slices as pictures or as an animation.
    ExportStack(Box<StackExport>),
    /// Writes the surface of the active segment as .stl or .obj.
    ExportSurface(PathBuf),
    /// Writes all open cases with a reviewed layer as a data set for nnU-Net.
    ExportReviewed(PathBuf),
    /// Writes de-identified copies of the active case's series and layers.
    ExportDeidentified(PathBuf),
}

/// Where training samples come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TrainSource {
    /// The active case with its active layer as truth.
    ActiveCase,
    /// A data set folder in one of the known layouts.
    Folder(PathBuf),
}

/// What the train panel asks for.
#[derive(Debug, Clone)]
pub struct TrainForm {
    /// Name of a built-in recipe or path of a RON file.
    pub recipe: String,
    pub source: TrainSource,
    /// Name of the run, a plain folder name under the program's run folder.
    pub run: String,
    pub epochs: usize,
    pub learning_rate: f64,
    pub batch_size: usize,
    pub device: DeviceChoice,
    /// Continue the run of that name.
    pub resume: bool,
    /// The recipe's text as it was edited, instead of the one named.
    pub text: Option<String>,
    /// Weights to start from instead of random ones.
    pub init: Option<PathBuf>,
}

/// What a search asks for.
#[derive(Debug, Clone)]
pub struct SearchForm {
    /// Name of a built-in search or path of a RON file.
    pub search: String,
    /// Data set folder.
    pub data: Option<PathBuf>,
    /// Name of the search's folder under the program's run folder; one that exists is gone on with.
    pub run: String,
    pub trials: usize,
    pub seed: u64,
    pub device: DeviceChoice,
}

/// Searches over recipes.
#[derive(Debug, Clone)]
pub enum SearchCommand {
    Start(SearchForm),
    /// Waits after the step at work, or goes on.
    Pause(bool),
    Stop,
    /// Shows what the search in this folder found.
    Look(PathBuf),
}

/// Training and prediction.
#[derive(Debug, Clone)]
pub enum ModelCommand {
    Train(TrainForm),
    Pause,
    Resume,
    Stop,
    /// Predicts the active case with the best checkpoint of a run folder.
    Predict {
        run: PathBuf,
        device: DeviceChoice,
    },
    /// Predicts the active case with one run or several together, other than their recipes say.
    PredictWith {
        runs: Vec<PathBuf>,
        options: PredictOptions,
        device: DeviceChoice,
    },
    /// Makes augmented samples to look at.
    Preview(TrainForm),
    Search(SearchCommand),
    RefreshRuns,
}

/// Comparing two layers.
#[derive(Debug, Clone)]
pub enum ReviewCommand {
    /// Layer taken as truth, layer judged.
    Compare {
        truth: LayerId,
        prediction: LayerId,
    },
    /// Shows only-A, only-B and both in colours instead of the segments.
    Difference(bool),
    /// Which row's difference and slices are shown.
    Row(usize),
    /// Writes the report (.html, .pdf, .json or .csv).
    Export(PathBuf),
    /// How two layers are shown while the difference is on.
    Style(Comparing),
    /// Where the swipe divides the pane, from 0 (left) to 1.
    Swipe(f32),
    /// To the pair of voxels behind a distance.
    Cause(Cause),
    /// Areas, volumes and densities of the active layer.
    Measure(QuantityOptions),
    /// Figures that follow the brush.
    Live(bool),
    /// Definition of distances for the next comparison.
    Convention(Convention),
    Cohort(CohortCommand),
}

/// What the user chooses for the program as a whole; kept on disk at once.
#[derive(Debug, Clone, PartialEq)]
pub enum SettingsCommand {
    Theme(ThemeChoice),
    /// Interface scale: 1 is 100 %, clamped to [`super::Settings::SCALES`].
    Scale(f32),
    /// Where training and prediction compute unless their panel says otherwise.
    Device(DeviceChoice),
    /// Takes effect with the next training or prediction.
    GpuSharing(GpuSharing),
    /// Where the window's panes are, in the window's own words.
    Layout(String),
}

impl From<SettingsCommand> for Command {
    fn from(c: SettingsCommand) -> Self {
        Self::Settings(c)
    }
}
impl From<PictureCommand> for Command {
    fn from(c: PictureCommand) -> Self {
        Self::Picture(c)
    }
}
impl From<MeasureCommand> for Command {
    fn from(c: MeasureCommand) -> Self {
        Self::Measure(c)
    }
}
impl From<ViewCommand> for Command {
    fn from(c: ViewCommand) -> Self {
        Self::View(c)
    }
}
impl From<EditCommand> for Command {
    fn from(c: EditCommand) -> Self {
        Self::Edit(c)
    }
}
impl From<OpenCommand> for Command {
    fn from(c: OpenCommand) -> Self {
        Self::Open(c)
    }
}
impl From<LayerCommand> for Command {
    fn from(c: LayerCommand) -> Self {
        Self::Layer(c)
    }
}
impl From<SegmentCommand> for Command {
    fn from(c: SegmentCommand) -> Self {
        Self::Segment(c)
    }
}
impl From<FileCommand> for Command {
    fn from(c: FileCommand) -> Self {
        Self::File(c)
    }
}
impl From<KeyCommand> for Command {
    fn from(c: KeyCommand) -> Self {
        Self::Keys(c)
    }
}
impl From<WorkCommand> for Command {
    fn from(c: WorkCommand) -> Self {
        Self::Work(c)
    }
}
impl From<ModelCommand> for Command {
    fn from(c: ModelCommand) -> Self {
        Self::Model(c)
    }
}
impl From<CohortCommand> for Command {
    fn from(c: CohortCommand) -> Self {
        Self::Review(ReviewCommand::Cohort(c))
    }
}
impl From<SearchCommand> for Command {
    fn from(c: SearchCommand) -> Self {
        Self::Model(ModelCommand::Search(c))
    }
}
impl From<LearnCommand> for Command {
    fn from(c: LearnCommand) -> Self {
        Self::Learn(c)
    }
}
impl From<ReviewCommand> for Command {
    fn from(c: ReviewCommand) -> Self {
        Self::Review(c)
    }
}
