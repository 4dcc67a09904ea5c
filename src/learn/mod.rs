//! The learning loop: corrected slices become training data at once, the network is fine-tuned from the weights in
//! use, and a candidate takes their place only when it does better on slices that no training ever sees.
//!
//! Floor 2, beside `train`, whose single steps it orders: uses `core`, `jobs`, `io`, `nn` and `train`. Headless. The
//! window's Learn panel and `maskwright simulate` drive the same [`Session`].
//!
//! A loop's folder: `recipe.ron`, `loop.json` (settings, and which version is in use), `pool/NAME.slice` (one corrected
//! or earlier slice each), `versions/NNNN/` (`weights.safetensors`, `manifest.json`, `card.md`; complete or absent),
//! `rounds.json` (every round with its figures, accepted or not). Whatever moment a program is killed at, the folder
//! opens again with all slices and versions that were complete; a round that was cut short is done again.

mod annotator;
mod card;
mod config;
mod early;
mod effort;
mod error;
mod files;
mod gate;
mod place;
mod pool;
mod prompt;
mod queue;
mod report;
mod round;
mod runner;
mod served;
mod session;
mod simulate;
mod versions;

#[cfg(test)]
mod tests;

pub use crate::nn::Fault;
pub use annotator::{correct_slice, patches};
pub use card::model_card;
pub use config::LoopConfig;
pub use early::{EarlyLabels, Screen, ShownEarly, Sight, Sketch};
pub use effort::{Effort, SliceEffort};
pub use error::LearnError;
pub use gate::{Decision, Figures, decide};
pub use pool::{Role, Sample, SampleInfo, SampleOrigin, case_key, replay_of_loop};
pub use prompt::{PromptChange, PromptPoint, SliceFeatures};
pub use queue::{RankedSlice, Reason, SliceView, rank};
pub use report::effort_report;
pub use round::{RoundInput, RoundOutput, RoundStep, fine_tune};
pub use runner::{Ask, Begin, Beginning, LoopState, RunnerRequest, Tell, run};
pub use session::{Added, Hint, LoopStart, RoundReport, Session};
pub use simulate::{Arm, ArmResult, CurvePoint, SimCase, SimEvent, SimOrder, SimRequest, SimResult, simulate};
pub use versions::{Taught, VersionInfo, export_model, is_loop, weights_in_use};
