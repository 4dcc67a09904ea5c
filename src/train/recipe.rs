//! A recipe: everything a run depends on, as one RON file. What it says is what runs; what it must not say is refused.

use super::locate::refused;
use super::{AugmentConfig, TrainError};
use crate::io::bounds::read_text_bounded;
use crate::nn::{
    InferenceConfig, LossConfig, ModelSpec, NetworkConfig, NetworkSpec, OptimizerConfig, Precision, PreprocessConfig,
    ScheduleConfig, has_sides,
};
use ron::extensions::Extensions;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// Longest recipe: a page is usual, and one may name thousands of patients.
pub(super) const MAX_RECIPE: u64 = 1 << 20;

/// A run from data to weights. Units: HU, degrees, pixels of the resampled slice.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// Also the name of the prediction's origin.
    pub name: String,
    /// One sentence for lists.
    #[serde(default)]
    pub description: String,
    pub data: DataConfig,
    pub preprocessing: PreprocessConfig,
    pub network: NetworkConfig,
    pub loss: LossConfig,
    pub optimizer: OptimizerConfig,
    /// Slices per step.
    pub batch_size: usize,
    /// Passes over the training slices.
    pub epochs: usize,
    #[serde(default)]
    pub augmentation: AugmentConfig,
    pub split: SplitConfig,
    /// How the learning rate changes over the run.
    #[serde(default)]
    pub schedule: ScheduleConfig,
    /// Batches whose gradients are averaged for one step of the optimizer.
    #[serde(default = "one")]
    pub accumulate: usize,
    /// Limit of the gradients.
    #[serde(default)]
    pub clip: Option<ClipConfig>,
    /// Decay of the moving average of the weights, which then validates and is kept; `None` for no average.
    #[serde(default)]
    pub ema: Option<f64>,
    /// How the encoder of a network that has one learns.
    #[serde(default)]
    pub encoder: EncoderConfig,
    /// On lack of memory, cut batches in halves and average their gradients instead of stopping.
    #[serde(default)]
    pub halve_batch_on_lack_of_memory: bool,
    /// Stop after so many epochs without a better validation Dice; `None` runs all epochs.
    #[serde(default)]
    pub patience: Option<usize>,
    /// Keep a checkpoint `epoch-N` of every so many epochs, besides the best and the last.
    #[serde(default)]
    pub checkpoint_every: Option<usize>,
    /// New order of the training slices each epoch; `false` keeps that of the volumes.
    #[serde(default = "yes")]
    pub shuffle: bool,
    /// Foreground is where the sigmoid is at least this; several classes take the largest instead.
    #[serde(default = "half")]
    pub threshold: f32,
    /// Digits of convolutions on a graphics device: `Mixed` multiplies 16-bit floats on its matrix units where it has them,
    /// as PyTorch does, `Full` multiplies 32-bit ones.
    #[serde(default)]
    pub precision: Precision,
    /// How the trained network is asked, in the test at the end and in predictions; validation asks it plainly.
    #[serde(default)]
    pub inference: InferenceConfig,
    /// Seeds the weights, the split, the order of slices, augmentation and dropout.
    #[serde(default)]
    pub seed: u64,
}

fn yes() -> bool {
    true
}

fn one() -> usize {
    1
}

fn half() -> f32 {
    0.5
}

/// What is learned from which files.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataConfig {
    /// Layout of the folder as `find_cases` names it (`ircadb`, `chaos`, `slices`, `nnunet`, `lungs`); found out when
    /// absent.
    #[serde(default)]
    pub layout: Option<String>,
    /// Class 1, 2, …; one class makes a binary network.
    pub classes: Vec<ClassConfig>,
    /// Segments whose pixels are neither a class nor background: they do not count, in training and in figures.
    #[serde(default)]
    pub ignore: Option<ClassSource>,
}

/// Which segments of a mask are one class.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassConfig {
    /// Name of the predicted segment.
    pub name: String,
    pub from: ClassSource,
}

/// Selects segments. When several classes select one segment, the later class has it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum ClassSource {
    /// Any label that is not background.
    Any,
    /// Segments by name; case, spaces and underscores do not matter.
    Names(Vec<String>),
    /// Segments whose name begins with one of these: `livertumor` takes `livertumor01` and `livertumor02`.
    Prefixes(Vec<String>),
    /// Labels by the number they have in their file.
    Values(Vec<u32>),
    /// Labels by the lowest byte of that number (Chest Imaging Platform: low byte region, high byte type).
    LowBytes(Vec<u8>),
}

/// How gradients are kept from jumping.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum ClipConfig {
    /// Scaled down so that their Euclidean norm is at most this.
    Norm(f64),
    /// Each value cut to this either way.
    Value(f64),
}

/// How the encoder of a network learns: the part of a DeepLabV3+ or U-Net that may come from ImageNet.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EncoderConfig {
    /// Epochs at the start in which it stays as it is, running statistics included.
    pub frozen_epochs: usize,
    /// Its own learning rate; `None` for the optimizer's.
    pub lr: Option<f64>,
}

/// Which slices train, validate (choose the best checkpoint) and test (are looked at once, at the end).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum SplitConfig {
    /// Shares of the patients; what `validation` and `test` leave trains.
    Patients { validation: f64, test: f64 },
    /// Shares of all slices, shuffled. Neighbouring slices of one patient are alike: figures come out too good.
    Slices { validation: f64, test: f64 },
    /// Even slices train, odd ones test; every `validation_every`-th of the even ones validates instead.
    EvenOdd { validation_every: usize },
    /// Patients in `folds` parts of near equal size, shuffled; part `fold` (from 1) tests, and the share `validation`
    /// of the other patients validates.
    KFold { folds: usize, fold: usize, validation: f64 },
    /// One patient tests, number `patient` (from 1) in the order of names; of the other patients' slices the share
    /// `validation`, shuffled, validates.
    LeaveOneOut { patient: usize, validation: f64 },
    /// Patients by name; those not named train.
    Fixed { validation: Vec<String>, test: Vec<String> },
}

impl Recipe {
    /// Reads and checks a recipe. `origin` is named in errors.
    ///
    /// # Errors
    /// [`TrainError::RecipeSyntax`] with line and column; [`TrainError::Recipe`] for a contradiction in what the text
    /// leaves at its default.
    pub fn parse(text: &str, origin: &Path) -> Result<Self, TrainError> {
        let recipe: Self = from_ron(text, origin)?;
        match recipe.problem() {
            None => Ok(recipe),
            Some(reason) => Err(refused(reason, text, origin)),
        }
    }

    /// As RON, for the run folder.
    ///
    /// # Errors
    /// [`TrainError::Recipe`] should a value not be writable.
    pub fn to_ron(&self) -> Result<String, TrainError> {
        to_ron(self)
    }

    /// Refuses values out of range and settings that contradict each other.
    ///
    /// # Errors
    /// [`TrainError::Recipe`] names the field.
    pub fn check(&self) -> Result<(), TrainError> {
        match self.problem() {
            None => Ok(()),
            Some(reason) => Err(TrainError::Recipe(format!("{} (recipe {})", reason, self.name))),
        }
    }

    fn problem(&self) -> Option<String> {
        let fraction = |v: f64| (0.0..=1.0).contains(&v);
        let network = self.network_spec();
        let multiple = network.config.multiple();
        if self.name.is_empty() || !self.name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c)) {
            return Some("name: use letters, digits, - and _".into());
        }
        if self.data.classes.is_empty() || self.data.classes.len() > 254 {
            return Some("data.classes: name between 1 and 254 classes".into());
        }
        if let Err(error) = network.check() {
            return Some(error.to_string());
        }
        let size = self.preprocessing.size;
        if size == 0 || size > 4096 || !size.is_multiple_of(multiple) {
            let name = network.config.name();
            return Some(format!(
                "preprocessing.size is {size}; for this network.{name} it must be a multiple of {multiple} up to 4096"
            ));
        }
        if let Some(problem) = self.preprocessing.intensity.problem() {
            return Some(problem);
        }
        if let Some(problem) = self.loss.problem(network.out_channels).or_else(|| self.optimizer.problem()) {
            return Some(problem);
        }
        if let Some(problem) = self.schedule.problem(self.epochs).or_else(|| self.steps_problem()) {
            return Some(problem);
        }
        let counts = [
            ("batch_size", Some(self.batch_size)),
            ("epochs", Some(self.epochs)),
            ("patience", self.patience),
            ("checkpoint_every", self.checkpoint_every),
        ];
        if let Some((name, _)) = counts.iter().find(|(_, count)| *count == Some(0)) {
            return Some(format!("{name} must be at least 1"));
        }
        if let Some(problem) = self.augmentation.problem(size, multiple, self.has_sides()) {
            return Some(problem);
        }
        if let Some(problem) = self.inference.problem(size, multiple, self.has_sides()) {
            return Some(problem);
        }
        if self.data.ignore.is_some() && !self.loss.can_ignore() {
            return Some(format!(
                "data.ignore needs the loss CrossEntropy or DiceCrossEntropy, not {}",
                self.loss.name()
            ));
        }
        if !(self.threshold > 0.0 && self.threshold < 1.0) {
            return Some("threshold must lie between 0 and 1".into());
        }
        match &self.split {
            SplitConfig::Patients { validation, test } | SplitConfig::Slices { validation, test } => {
                (!fraction(*validation) || !fraction(*test) || validation + test >= 1.0)
                    .then(|| "split: validation and test must leave something to train on".into())
            }
            SplitConfig::KFold { folds, fold, validation } => (*folds < 2
                || !(1..=*folds).contains(fold)
                || !(0.0..1.0).contains(validation))
            .then(|| {
                format!("split.KFold: folds is at least 2, fold lies in 1 to {folds}, validation in 0 to less than 1")
            }),
            SplitConfig::LeaveOneOut { patient, validation } => (*patient == 0 || !(0.0..1.0).contains(validation))
                .then(|| "split.LeaveOneOut: patients count from 1, validation lies in 0 to less than 1".into()),
            SplitConfig::EvenOdd { validation_every } => {
                (*validation_every == 1).then(|| "split.validation_every 1 leaves nothing to train on".into())
            }
            SplitConfig::Fixed { validation, test } => validation
                .iter()
                .find(|name| test.contains(name))
                .map(|name| format!("split: {name} cannot both validate and test")),
        }
    }

    fn steps_problem(&self) -> Option<String> {
        if self.accumulate == 0 {
            return Some("accumulate must be at least 1".into());
        }
        if let Some(ClipConfig::Norm(limit) | ClipConfig::Value(limit)) = self.clip
            && !(limit.is_finite() && limit > 0.0)
        {
            return Some(format!("clip is {limit}; it must be above 0"));
        }
        if let Some(decay) = self.ema
            && !(decay > 0.0 && decay < 1.0)
        {
            return Some(format!("ema is {decay}; it lies between 0 and 1"));
        }
        if self.encoder != EncoderConfig::default() && !self.network.has_encoder() {
            return Some(format!("encoder: the network {} has none that is separate", self.network.name()));
        }
        if self.encoder.lr.is_some_and(|lr| !(lr.is_finite() && lr > 0.0)) {
            return Some("encoder.lr must be above 0".into());
        }
        None
    }

    /// Whether class names speak of left and right.
    fn has_sides(&self) -> bool {
        has_sides(self.data.classes.iter().map(|c| c.name.as_str()))
    }

    /// The network with the channels that the data asks for.
    pub fn network_spec(&self) -> NetworkSpec {
        let classes = self.data.classes.len();
        let out_channels = if classes == 1 { 1 } else { classes + 1 };
        NetworkSpec { in_channels: 1, out_channels, config: self.network }
    }

    /// What prediction needs to know of the recipe.
    pub fn model_spec(&self) -> ModelSpec {
        ModelSpec {
            recipe: self.name.clone(),
            preprocessing: self.preprocessing,
            network: self.network_spec(),
            threshold: self.threshold,
            classes: self.data.classes.iter().map(|c| c.name.clone()).collect(),
            inference: self.inference,
        }
    }

    /// The recipe a run was started with.
    ///
    /// # Errors
    /// [`TrainError::NothingToResume`] when the folder holds no run; else as [`Self::parse`].
    pub fn of_run(run: &Path) -> Result<Self, TrainError> {
        let path = run.join("recipe.ron");
        let text = read_text_bounded(&path, MAX_RECIPE).map_err(|_| TrainError::NothingToResume(run.into()))?;
        Self::parse(&text, &path)
    }

    /// Recipes built into the program, by name.
    pub fn built_in() -> impl Iterator<Item = (&'static str, &'static str)> {
        BUILT_IN.iter().copied()
    }

    /// A built-in recipe by name, or a file by path.
    ///
    /// # Errors
    /// [`TrainError::UnknownRecipe`] lists the names; else as [`Self::parse`].
    pub fn load(name_or_path: &str) -> Result<Self, TrainError> {
        if let Some((name, text)) = Self::built_in().find(|(name, _)| *name == name_or_path) {
            return Self::parse(text, &PathBuf::from(format!("{name}.ron")));
        }
        let path = Path::new(name_or_path);
        if !path.is_file() {
            let names: Vec<&str> = Self::built_in().map(|(name, _)| name).collect();
            return Err(TrainError::UnknownRecipe { asked: name_or_path.into(), known: names.join(", ") });
        }
        let text = read_text_bounded(path, MAX_RECIPE).map_err(|e| TrainError::io("read", path, &e))?;
        Self::parse(&text, path)
    }
}

/// `Some(x)` may be written `x`, and `Dice((smooth: 1.0))` `Dice(smooth: 1.0)`.
fn options() -> ron::Options {
    ron::Options::default().with_default_extension(Extensions::IMPLICIT_SOME | Extensions::UNWRAP_VARIANT_NEWTYPES)
}

/// Reads a RON file's text; `origin` is named in errors.
///
/// # Errors
/// [`TrainError::RecipeSyntax`] with line and column.
pub(super) fn from_ron<T: serde::de::DeserializeOwned>(text: &str, origin: &Path) -> Result<T, TrainError> {
    options().from_str(text).map_err(|e| TrainError::RecipeSyntax {
        file: origin.into(),
        line: e.span.start.line,
        column: e.span.start.col,
        reason: e.code.to_string(),
    })
}

/// As RON, the way [`from_ron`] reads it.
///
/// # Errors
/// [`TrainError::Recipe`] should a value not be writable.
pub(super) fn to_ron<T: Serialize>(value: &T) -> Result<String, TrainError> {
    options()
        .to_string_pretty(value, ron::ser::PrettyConfig::new().struct_names(false))
        .map_err(|e| TrainError::Recipe(e.to_string()))
}

macro_rules! built_in {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("../../models/", $name, ".ron")))),*]
    };
}

const BUILT_IN: &[(&str, &str)] = built_in![
    "demo",
    "lung-binary",
    "lung-left-right",
    "lung-three-class",
    "lung-pathology",
    "liver-chaos",
    "liver-ircadb",
    "liver-totalseg",
    "l3-muscle-unet",
    "l3-muscle-deeplab",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::{Intensity, UNetConfig};

    #[test]
    fn built_in_recipes_are_valid_and_survive_a_round_trip() {
        for (name, text) in Recipe::built_in() {
            let recipe = Recipe::parse(text, Path::new(name)).unwrap_or_else(|e| panic!("{name}: {e}"));
            assert_eq!(recipe.name, name);
            assert!(!recipe.description.is_empty());
            assert_eq!(Recipe::parse(&recipe.to_ron().unwrap(), Path::new("x")).unwrap(), recipe);
        }
        assert!(Recipe::load("no-such").unwrap_err().to_string().contains("lung-binary"));
    }

    #[test]
    fn mistakes_are_found_with_their_place() {
        let text = BUILT_IN[0].1;
        for (field, typo) in
            [("batch_size", "bach_size"), ("base_width", "base_with"), ("smooth", "smoth"), ("flip_lr", "flip")]
        {
            let error = Recipe::parse(&text.replacen(field, typo, 1), Path::new("my.ron")).unwrap_err().to_string();
            assert!(error.contains("my.ron") && error.contains("line") && error.contains(typo), "{error}");
        }
        for (good, bad, place, word) in [
            ("size: 64", "size: 65", "line 6, column 21", "preprocessing.size is 65"),
            ("base_width: 8", "base_width: 0", "line 7, column 19", "network.base_width"),
            ("BceDice(smooth: 1.0)", "CrossEntropy(label_smoothing: 0.0)", "line 8, column 5", "several classes"),
            ("rotate_degrees: 5.0", "rotate_degrees: 200.0", "line 12, column 34", "rotate_degrees lies"),
            ("patience: 6", "patience: 0", "line 14, column 5", "patience must be"),
            ("seed: 1", "threshold: 1.0", "line 15, column 5", "threshold must lie"),
        ] {
            let changed = text.replacen(good, bad, 1);
            assert_ne!(changed, text);
            let error = Recipe::parse(&changed, Path::new("my.ron")).unwrap_err().to_string();
            assert!(error.contains("my.ron") && error.contains(place) && error.contains(word), "{error}");
        }
        let good = Recipe::load("demo").unwrap();
        type Change = fn(&mut Recipe);
        let changes: [(&str, Change); 17] = [
            ("keep_largest", |r| r.inference.keep_largest = Some(0)),
            ("size", |r| r.preprocessing.size = 65),
            ("lr", |r| r.optimizer.lr = 0.0),
            ("loss", |r| r.loss = LossConfig::CrossEntropy(Default::default())),
            ("classes", |r| r.data.classes.clear()),
            ("batch_size", |r| r.batch_size = 0),
            ("split", |r| r.split = SplitConfig::Patients { validation: 0.5, test: 0.5 }),
            ("window", |r| r.preprocessing.intensity = Intensity::Window { low: 1.0, high: 1.0 }),
            ("accumulate", |r| r.accumulate = 0),
            ("clip", |r| r.clip = Some(ClipConfig::Norm(0.0))),
            ("ema", |r| r.ema = Some(1.0)),
            ("encoder", |r| r.encoder.frozen_epochs = 1),
            ("data.ignore", |r| r.data.ignore = Some(ClassSource::Any)),
            ("schedule", |r| r.schedule = ScheduleConfig::Cosine { warm_up: 16.0, lowest: 0.0 }),
            ("augmentation.crop", |r| {
                r.augmentation.crop = Some(crate::train::CropConfig { size: 63, foreground: 0.0 });
            }),
            ("split.KFold", |r| r.split = SplitConfig::KFold { folds: 3, fold: 4, validation: 0.1 }),
            ("dropout", |r| {
                r.network = NetworkConfig::UNet(UNetConfig { dropout: 1.0, ..UNetConfig::new(4, 2) });
            }),
        ];
        for (word, change) in changes {
            let mut recipe = good.clone();
            change(&mut recipe);
            let text = recipe.check().unwrap_err().to_string();
            assert!(text.contains(word), "{word}: {text}");
        }
    }
}
