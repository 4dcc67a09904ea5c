//! The loop's state on disk: pool, versions, rounds, and which version is in use.

use super::pool::load_pool;
use super::versions::{self, STATE, Taught};
use super::{
    Decision, Effort, Figures, LearnError, LoopConfig, Role, RoundInput, RoundOutput, Sample, SampleInfo, SampleOrigin,
    SliceEffort, VersionInfo, decide, files, model_card,
};
use crate::nn::{ModelSpec, StateDict, sha256_hex};
use crate::train::{Recipe, Slice};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::sync::Arc;

const ROUNDS: &str = "rounds.json";

/// What a loop begins with.
#[derive(Debug, Clone)]
pub struct LoopStart {
    pub recipe: Recipe,
    pub weights: StateDict,
    /// Earlier data: slices that trained the weights, and slices that validated them. May be empty.
    pub earlier: Vec<Slice>,
    pub earlier_validation: Vec<Slice>,
    pub config: LoopConfig,
}

/// Written last of all files that belong to one change.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct State {
    format: u32,
    config: LoopConfig,
    in_use: usize,
    /// Corrected slices from this place in the order on are new since the last round.
    fresh_from: u64,
}

/// What became of a corrected slice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Added {
    /// It trains from now on.
    Trains,
    /// It judges candidates from now on.
    SetAside,
}

/// A round, accepted or not.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RoundReport {
    pub number: usize,
    pub parent: usize,
    /// The version that came of it.
    pub version: Option<usize>,
    pub decision: Decision,
    pub in_use: Figures,
    pub candidate: Figures,
    pub steps: usize,
    pub seconds: f64,
    /// Corrected slices in the pool then.
    pub corrected: usize,
}

/// Whether to go on correcting.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Hint {
    #[default]
    GoOn,
    /// A sentence that says why corrections no longer help the network.
    Stop(String),
}

/// An open loop.
pub struct Session {
    root: PathBuf,
    recipe: Recipe,
    recipe_sha256: String,
    state: State,
    samples: Vec<Sample>,
    versions: Vec<VersionInfo>,
    rounds: Vec<RoundReport>,
    weights: Arc<StateDict>,
}

impl Session {
    /// Starts a loop in a new folder.
    ///
    /// # Errors
    /// [`LearnError::Exists`]; those of writing.
    pub fn create(root: &Path, start: LoopStart) -> Result<Self, LearnError> {
        if versions::is_loop(root) {
            return Err(LearnError::Exists(root.into()));
        }
        start.recipe.check()?;
        std::fs::create_dir_all(root.join("pool")).map_err(|e| LearnError::io("created", root, &e))?;
        let text = start.recipe.to_ron()?;
        let recipe_sha256 = sha256_hex(text.as_bytes());
        files::write(&root.join("recipe.ron"), text.as_bytes())?;
        let mut session = Self {
            root: root.into(),
            recipe_sha256,
            state: State { format: 1, config: start.config, in_use: 0, fresh_from: 0 },
            samples: Vec::new(),
            versions: Vec::new(),
            rounds: Vec::new(),
            weights: Arc::new(start.weights),
            recipe: start.recipe,
        };
        for (role, slices) in [(Role::Earlier, start.earlier), (Role::EarlierValidation, start.earlier_validation)] {
            for slice in slices {
                let number = session.samples.len();
                let info = SampleInfo {
                    case: if role == Role::Earlier { "train".into() } else { "validation".into() },
                    slice: number,
                    role,
                    origin: SampleOrigin::Imported,
                    version: 0,
                    order: 0,
                    effort: Effort::default(),
                };
                let sample = Sample { info, slice: Arc::new(slice) };
                sample.save(&root.join("pool"))?;
                session.samples.push(sample);
            }
        }
        let info = session.describe(0, None, Vec::new());
        let info = versions::save(root, &session.spec(), &session.weights, info, |i| model_card(&session.spec(), i))?;
        session.versions.push(info);
        session.write_state()?;
        Ok(session)
    }

    /// Opens a loop again, with the slices that could not be read.
    ///
    /// # Errors
    /// [`LearnError`] when state, recipe or the version in use are not readable.
    pub fn open(root: &Path) -> Result<(Self, Vec<LearnError>), LearnError> {
        if !versions::is_loop(root) {
            return Err(LearnError::Missing(root.into()));
        }
        let state: State = files::read_json(&root.join(STATE))?;
        let recipe = Recipe::of_run(root)?;
        let recipe_sha256 = sha256_hex(recipe.to_ron()?.as_bytes());
        let (samples, broken) = load_pool(&root.join("pool"))?;
        let versions = versions::list(root)?;
        let rounds = match files::read_json(&root.join(ROUNDS)) {
            Ok(rounds) => rounds,
            Err(_) if !root.join(ROUNDS).exists() => Vec::new(),
            Err(error) => return Err(error),
        };
        let used = versions.iter().find(|v| v.number == state.in_use).ok_or(LearnError::NoVersion(state.in_use))?;
        let weights = Arc::new(versions::load(root, used)?);
        Ok((Self { root: root.into(), recipe, recipe_sha256, state, samples, versions, rounds, weights }, broken))
    }

    /// Takes a corrected slice in; the same slice of the same case is replaced, and keeps its role.
    ///
    /// # Errors
    /// [`LearnError::Io`]; the pool is then as it was.
    pub fn add(
        &mut self,
        case: &str,
        number: usize,
        slice: Slice,
        origin: SampleOrigin,
        effort: Effort,
    ) -> Result<Added, LearnError> {
        let order = self.samples.iter().map(|s| s.info.order + 1).max().unwrap_or(1).max(1);
        let info = SampleInfo {
            case: case.into(),
            slice: number,
            role: Role::Corrected,
            origin,
            version: self.state.in_use,
            order,
            effort,
        };
        let mut sample = Sample { info, slice: Arc::new(slice) };
        let before = self.samples.iter().position(|s| s.replaces(&sample));
        if let Some(before) = before {
            sample.info.role = self.samples[before].info.role;
            sample.info.effort += self.samples[before].info.effort;
        } else {
            let every = self.state.config.hold_out_every.max(2);
            // The second of each group: the first round then has something to be judged on.
            if self.corrected() % every == 1 {
                sample.info.role = Role::SetAside;
            }
        }
        sample.save(&self.root.join("pool"))?;
        let role = sample.info.role;
        if let Some(before) = before {
            self.samples.remove(before);
        }
        self.samples.push(sample);
        Ok(if role == Role::SetAside { Added::SetAside } else { Added::Trains })
    }

    /// Corrected slices, those set aside among them.
    pub fn corrected(&self) -> usize {
        self.corrections().count()
    }

    /// The corrected slices, in the order of arrival.
    pub fn corrections(&self) -> impl Iterator<Item = &Sample> {
        self.samples.iter().filter(|s| matches!(s.info.role, Role::Corrected | Role::SetAside))
    }

    /// Corrected slices since the last round.
    pub fn pending(&self) -> usize {
        self.corrections().filter(|s| s.info.order >= self.state.fresh_from).count()
    }

    /// Whether enough slices wait for a round.
    pub fn is_due(&self) -> bool {
        self.pending() >= self.state.config.slices_per_round.max(1)
    }

    /// A snapshot for [`super::fine_tune`].
    ///
    /// # Errors
    /// [`LearnError::NothingToLearn`] without a corrected slice that trains.
    pub fn round(&self) -> Result<RoundInput, LearnError> {
        if !self.samples.iter().any(|s| s.info.role == Role::Corrected) {
            return Err(LearnError::NothingToLearn);
        }
        Ok(RoundInput {
            recipe: self.recipe.clone(),
            config: self.state.config,
            number: self.rounds.len() + 1,
            parent: self.state.in_use,
            weights: self.weights.clone(),
            samples: self.samples.clone(),
            fresh_from: self.state.fresh_from,
        })
    }

    /// Decides on a candidate; an accepted one is written and in use from now on. A candidate of a version that is no
    /// longer in use (after a rollback) is refused.
    ///
    /// # Errors
    /// [`LearnError::Io`]; the version in use is then as before.
    pub fn finish(&mut self, output: RoundOutput) -> Result<RoundReport, LearnError> {
        let input = &output.input;
        let mut decision = decide(&output.in_use, &output.figures, input.config.forgetting);
        if input.parent != self.state.in_use {
            decision = Decision { accepted: false, reason: "another version was put to use meanwhile".into() };
        }
        let newest = input.samples.iter().map(|s| s.info.order + 1).max().unwrap_or(0);
        let mut state = State { fresh_from: newest, ..self.state.clone() };
        let corrected = input.samples.iter().filter(|s| s.info.role == Role::Corrected);
        let taught: Vec<Taught> = corrected
            .map(|s| Taught { case: s.info.case.clone(), slice: s.info.slice, origin: s.info.origin })
            .collect();
        let mut report = RoundReport {
            number: input.number,
            parent: input.parent,
            version: None,
            decision,
            in_use: output.in_use,
            candidate: output.figures,
            steps: output.steps,
            seconds: output.seconds,
            corrected: taught.len(),
        };
        if report.decision.accepted {
            let number = self.versions.last().map_or(0, |v| v.number + 1);
            let mut info = self.describe(number, Some(input.parent), taught);
            info.set_aside = set_aside(&input.samples);
            info.steps = output.steps;
            info.learning_rate = output.learning_rate;
            info.figures = output.figures;
            info.replaced = output.in_use;
            info.device = output.device;
            info.seconds = output.seconds;
            let spec = self.spec();
            let info = versions::save(&self.root, &spec, &output.weights, info, |i| model_card(&spec, i))?;
            self.versions.push(info);
            report.version = Some(number);
            state.in_use = number;
        }
        let mut rounds = self.rounds.clone();
        rounds.push(report.clone());
        files::write_json(&self.root.join(ROUNDS), &rounds)?;
        self.rounds = rounds;
        let accepted = report.decision.accepted;
        files::write_json(&self.root.join(STATE), &state)?;
        self.state = state;
        if accepted {
            self.weights = Arc::new(output.weights);
        }
        Ok(report)
    }

    /// Puts another version to use.
    ///
    /// # Errors
    /// [`LearnError::NoVersion`], or those of reading it; the version in use is then as before.
    pub fn roll_back(&mut self, number: usize) -> Result<(), LearnError> {
        let info = self.versions.iter().find(|v| v.number == number).ok_or(LearnError::NoVersion(number))?;
        let weights = versions::load(&self.root, info)?;
        let state = State { in_use: number, ..self.state.clone() };
        files::write_json(&self.root.join(STATE), &state)?;
        self.state = state;
        self.weights = Arc::new(weights);
        Ok(())
    }

    /// Whether correcting goes on to help, by the last three rounds.
    pub fn hint(&self) -> Hint {
        const ROUNDS: usize = 3;
        let last: Vec<&RoundReport> = self.rounds.iter().rev().take(ROUNDS).collect();
        let gain = |r: &RoundReport| {
            let score = |f: &Figures| f.score().map_or(0.0, |s| s.0);
            if r.decision.accepted { score(&r.candidate) - score(&r.in_use) } else { 0.0 }
        };
        if last.len() < ROUNDS || last.iter().any(|r| gain(r) > 0.003) {
            return Hint::GoOn;
        }
        let dice = self.rounds.last().and_then(|r| (if r.version.is_some() { r.candidate } else { r.in_use }).score());
        Hint::Stop(format!(
            "The last {ROUNDS} rounds made the network no better on the slices set aside (Dice {:.3}): correct what is still wrong by hand, or stop here.",
            dice.map_or(0.0, |d| d.0)
        ))
    }

    /// The effort of the slices corrected under each version: version, slices, effort.
    pub fn effort(&self) -> Vec<(usize, usize, Effort)> {
        let mut rows: Vec<(usize, usize, Effort)> = Vec::new();
        for sample in self.corrections() {
            match rows.iter_mut().find(|(v, ..)| *v == sample.info.version) {
                Some((_, slices, effort)) => {
                    *slices += 1;
                    *effort += sample.info.effort;
                }
                None => rows.push((sample.info.version, 1, sample.info.effort)),
            }
        }
        rows.sort_by_key(|r| r.0);
        rows
    }

    /// The effort of each corrected slice, by case and place.
    pub fn slices(&self) -> Vec<SliceEffort> {
        let one = |s: &Sample| SliceEffort {
            case: s.info.case.clone(),
            slice: s.info.slice,
            version: s.info.version,
            origin: s.info.origin,
            set_aside: s.info.role == Role::SetAside,
            effort: s.info.effort,
        };
        let mut slices: Vec<SliceEffort> = self.corrections().map(one).collect();
        slices.sort_by(|a, b| (&a.case, a.slice).cmp(&(&b.case, b.slice)));
        slices
    }

    pub fn folder(&self) -> &Path {
        &self.root
    }

    pub fn recipe(&self) -> &Recipe {
        &self.recipe
    }

    pub fn config(&self) -> LoopConfig {
        self.state.config
    }

    /// What prediction needs to know.
    pub fn spec(&self) -> ModelSpec {
        self.recipe.model_spec()
    }

    /// The version in use.
    pub fn in_use(&self) -> usize {
        self.state.in_use
    }

    /// The weights in use.
    pub fn weights(&self) -> &Arc<StateDict> {
        &self.weights
    }

    /// By number.
    pub fn versions(&self) -> &[VersionInfo] {
        &self.versions
    }

    /// In their order.
    pub fn rounds(&self) -> &[RoundReport] {
        &self.rounds
    }

    fn describe(&self, number: usize, parent: Option<usize>, corrected: Vec<Taught>) -> VersionInfo {
        let earlier = self.samples.iter().filter(|s| s.info.role == Role::Earlier).count();
        let sum = |n: usize| self.versions.iter().find(|v| v.number == n).map(|v| v.weights_sha256.clone());
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        VersionInfo {
            number,
            parent,
            weights_sha256: String::new(),
            parent_sha256: parent.and_then(sum),
            recipe: self.recipe.name.clone(),
            recipe_sha256: self.recipe_sha256.clone(),
            corrected,
            set_aside: Vec::new(),
            earlier_slices: if parent.is_some() { earlier } else { 0 },
            steps: 0,
            learning_rate: 0.0,
            seed: self.state.config.seed,
            figures: Figures::default(),
            replaced: Figures::default(),
            device: String::new(),
            seconds: 0.0,
            made: now.map_or(0, |d| d.as_secs()),
        }
    }

    fn write_state(&self) -> Result<(), LearnError> {
        files::write_json(&self.root.join(STATE), &self.state)
    }
}

/// The corrected slices that judge and never train.
fn set_aside(samples: &[Sample]) -> Vec<Taught> {
    let aside = samples.iter().filter(|s| s.info.role == Role::SetAside);
    aside.map(|s| Taught { case: s.info.case.clone(), slice: s.info.slice, origin: s.info.origin }).collect()
}
