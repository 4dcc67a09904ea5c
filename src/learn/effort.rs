//! What a correction cost the person who made it.

use super::SampleOrigin;
use serde::{Deserialize, Serialize};
use std::ops::AddAssign;

/// Strokes, voxels changed, and seconds between the first and the last stroke.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Effort {
    pub strokes: u64,
    pub voxels: u64,
    pub seconds: f64,
}

/// What one corrected slice cost.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SliceEffort {
    /// Key of the case, never a name.
    pub case: String,
    /// In storage order, from 0.
    pub slice: usize,
    /// The version whose prediction was corrected.
    pub version: usize,
    pub origin: SampleOrigin,
    /// It judges candidates and never trains.
    pub set_aside: bool,
    pub effort: Effort,
}

impl AddAssign for Effort {
    fn add_assign(&mut self, other: Self) {
        self.strokes += other.strokes;
        self.voxels += other.voxels;
        self.seconds += other.seconds;
    }
}

impl Effort {
    /// The effort of several.
    pub fn sum(all: impl IntoIterator<Item = Self>) -> Self {
        all.into_iter().fold(Self::default(), |mut sum, one| {
            sum += one;
            sum
        })
    }
}
