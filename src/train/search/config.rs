//! A search: which recipes, which fields, which values; and what trial number n of it is.

use crate::io::bounds::read_text_bounded;
use crate::train::locate::refused;
use crate::train::recipe::MAX_RECIPE;
use crate::train::{Recipe, SplitConfig, TrainError, apply_override};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// A search over recipe fields, as one RON file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SearchConfig {
    pub name: String,
    #[serde(default)]
    pub description: String,
    /// Built-in names, or files beside the search's own; each trial starts from one of them.
    pub recipes: Vec<String>,
    pub method: SearchMethod,
    pub fields: Vec<SearchField>,
    /// What is changed in all recipes before the fields are, written as in `--set`: `epochs=20`, for example.
    #[serde(default)]
    pub set: Vec<String>,
}

/// In which order values are tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum SearchMethod {
    /// Each trial draws every field anew (Bergstra and Bengio, 2012).
    Random,
    /// All combinations, the last field fastest.
    Grid,
}

/// One field and what it may be.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SearchField {
    /// As in `--set path=value`, for example `optimizer.lr`.
    pub path: String,
    pub values: SearchValues,
}

/// Values of a field.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum SearchValues {
    /// One of these, written as in `--set`.
    Choices(Vec<String>),
    /// Uniform between two numbers; random searches alone.
    Range(f64, f64),
    /// Uniform in the logarithm between two numbers above 0; random searches alone.
    LogRange(f64, f64),
}

/// One trial: the recipe it runs and what was drawn for it.
#[derive(Debug, Clone, PartialEq)]
pub struct Trial {
    pub recipe: Recipe,
    /// Path and value, the base recipe first.
    pub settings: Vec<(String, String)>,
}

/// Fields that must be the same in all trials, or they could not be compared or would see the test part.
const FIXED: [&str; 5] = ["name", "split", "seed", "data", "description"];

impl SearchConfig {
    /// Names of the searches built into the program.
    pub fn built_in() -> impl Iterator<Item = &'static str> {
        BUILT_IN.iter().map(|(name, _)| *name)
    }

    /// Reads and checks a search.
    ///
    /// # Errors
    /// [`TrainError::UnknownRecipe`], [`TrainError::RecipeSyntax`] with line and column, [`TrainError::Recipe`].
    pub fn load(name_or_path: &str) -> Result<(Self, PathBuf), TrainError> {
        if let Some((name, text)) = BUILT_IN.iter().find(|(name, _)| *name == name_or_path) {
            let place = PathBuf::from(format!("{name}.search.ron"));
            return Ok((Self::parse(text, &place)?, PathBuf::new()));
        }
        let path = Path::new(name_or_path);
        if !path.is_file() {
            let names: Vec<&str> = BUILT_IN.iter().map(|(name, _)| *name).collect();
            return Err(TrainError::UnknownRecipe { asked: name_or_path.into(), known: names.join(", ") });
        }
        let text = read_text_bounded(path, MAX_RECIPE).map_err(|e| TrainError::io("read", path, &e))?;
        Ok((Self::parse(&text, path)?, path.parent().unwrap_or(Path::new("")).to_owned()))
    }

    fn parse(text: &str, origin: &Path) -> Result<Self, TrainError> {
        let config: Self = crate::train::recipe::from_ron(text, origin)?;
        match config.problem() {
            None => Ok(config),
            Some(problem) => Err(refused(problem, text, origin)),
        }
    }

    fn problem(&self) -> Option<String> {
        if self.recipes.is_empty() {
            return Some("recipes: name at least one".into());
        }
        for field in &self.fields {
            let path = &field.path;
            let root = path.split('.').next().unwrap_or_default();
            if FIXED.contains(&root) {
                return Some(format!("fields: {path} must be the same in all trials"));
            }
            let problem = match field.values {
                SearchValues::Choices(ref values) => values.is_empty().then_some("has no choices"),
                SearchValues::Range(low, high) => {
                    (!(low.is_finite() && high.is_finite() && low < high)).then_some("needs the lower number first")
                }
                SearchValues::LogRange(low, high) => (!(low > 0.0 && high.is_finite() && low < high))
                    .then_some("needs two numbers above 0, the lower one first"),
            };
            if let Some(problem) = problem {
                return Some(format!("fields: {path} {problem}"));
            }
            if self.method == SearchMethod::Grid && !matches!(field.values, SearchValues::Choices(_)) {
                return Some(format!("fields: {path} needs Choices in a grid"));
            }
        }
        None
    }

    /// Number of combinations; `None` for a random search, which has no end.
    pub fn combinations(&self) -> Option<usize> {
        let choices = |f: &SearchField| match &f.values {
            SearchValues::Choices(values) => values.len(),
            _ => 1,
        };
        (self.method == SearchMethod::Grid)
            .then(|| self.fields.iter().map(choices).fold(self.recipes.len(), usize::saturating_mul))
    }

    /// Trial `number` (from 1): a function of the search, `seed` and the number alone.
    ///
    /// # Errors
    /// [`TrainError`] of the recipe and its fields; the trial then counts as failed.
    pub fn trial(&self, number: usize, seed: u64, folder: &Path) -> Result<Trial, TrainError> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(number as u64);
        let mut rest = number.saturating_sub(1);
        let mut pick = |count: usize, rng: &mut ChaCha8Rng| match self.method {
            SearchMethod::Random => rng.random_range(0..count.max(1)),
            SearchMethod::Grid => {
                let at = rest % count.max(1);
                rest /= count.max(1);
                at
            }
        };
        // The last field is the fastest of a grid, so it is picked first.
        let mut values: Vec<(String, String)> = self
            .fields
            .iter()
            .rev()
            .map(|field| {
                let value = match &field.values {
                    SearchValues::Choices(values) => {
                        values.get(pick(values.len(), &mut rng)).cloned().unwrap_or_default()
                    }
                    SearchValues::Range(low, high) => rng.random_range(*low..=*high).to_string(),
                    // Rounded to three digits, as a person would write it.
                    SearchValues::LogRange(low, high) => {
                        format!("{:.2e}", rng.random_range(low.ln()..=high.ln()).exp())
                    }
                };
                (field.path.clone(), value)
            })
            .collect();
        let base = self.recipes.get(pick(self.recipes.len(), &mut rng)).cloned().unwrap_or_default();
        values.push(("recipe".into(), base.clone()));
        values.reverse();
        let beside = folder.join(&base);
        let mut recipe = if beside.is_file() { Recipe::load(&beside.to_string_lossy())? } else { Recipe::load(&base)? };
        recipe.seed = seed;
        for assignment in &self.set {
            apply_override(&mut recipe, assignment)?;
        }
        for (path, value) in &values[1..] {
            apply_override(&mut recipe, &format!("{path}={value}"))?;
        }
        // Something must choose the best trial, and it must not be the test part.
        let validates = match &recipe.split {
            SplitConfig::Patients { validation, .. } | SplitConfig::Slices { validation, .. } => *validation > 0.0,
            SplitConfig::KFold { validation, .. } | SplitConfig::LeaveOneOut { validation, .. } => *validation > 0.0,
            SplitConfig::EvenOdd { validation_every } => *validation_every > 0,
            SplitConfig::Fixed { validation, .. } => !validation.is_empty(),
        };
        if !validates {
            return Err(TrainError::Recipe(format!("split: a search needs a validation part (recipe {base})")));
        }
        Ok(Trial { recipe, settings: values })
    }
}

const BUILT_IN: &[(&str, &str)] = &[("l3-muscle", include_str!("../../../models/l3-muscle.search.ron"))];

#[cfg(test)]
mod tests {
    use super::*;

    fn field(path: &str, values: SearchValues) -> SearchField {
        SearchField { path: path.into(), values }
    }

    fn choices(values: &[&str]) -> SearchValues {
        SearchValues::Choices(values.iter().map(|v| (*v).to_owned()).collect())
    }

    fn config(method: SearchMethod, fields: Vec<SearchField>) -> SearchConfig {
        SearchConfig {
            name: "t".into(),
            description: String::new(),
            recipes: vec!["demo".into()],
            method,
            fields,
            set: vec!["epochs=3".into()],
        }
    }

    #[test]
    fn a_grid_has_every_combination_once() {
        let grid = config(
            SearchMethod::Grid,
            vec![field("optimizer.lr", choices(&["0.1", "0.2"])), field("batch_size", choices(&["2", "4", "8"]))],
        );
        assert_eq!(grid.combinations(), Some(6));
        let seen: std::collections::BTreeSet<String> =
            (1..=6).map(|n| format!("{:?}", grid.trial(n, 1, Path::new("")).unwrap().settings)).collect();
        assert_eq!(seen.len(), 6);
        let second = grid.trial(2, 1, Path::new("")).unwrap().recipe;
        assert_eq!((second.batch_size, second.epochs), (4, 3));
    }

    #[test]
    fn random_trials_repeat_by_number_and_stay_in_range() {
        let random = config(
            SearchMethod::Random,
            vec![field("optimizer.lr", SearchValues::LogRange(1e-5, 1e-2)), field("batch_size", choices(&["2", "4"]))],
        );
        let rate = |n| random.trial(n, 7, Path::new("")).unwrap().recipe.optimizer.lr;
        assert!((1..50).all(|n| (0.99e-5..=1.01e-2).contains(&rate(n))));
        assert_eq!(rate(3), rate(3));
        assert_ne!(rate(3), rate(4));
        assert!((1..50).filter(|n| rate(*n) < 3e-4).count() > 10, "half of them lie below the geometric mean");
    }

    #[test]
    fn what_cannot_be_searched_is_refused() {
        for (search, word) in [
            (config(SearchMethod::Random, vec![field("split.Patients.test", choices(&["0.1"]))]), "split"),
            (config(SearchMethod::Grid, vec![field("optimizer.lr", SearchValues::Range(0.1, 0.2))]), "Choices"),
            (config(SearchMethod::Random, vec![field("optimizer.lr", SearchValues::LogRange(0.0, 0.2))]), "above 0"),
            (config(SearchMethod::Random, vec![field("epochs", choices(&[]))]), "choices"),
        ] {
            assert!(search.problem().unwrap().contains(word));
        }
        let bad = config(SearchMethod::Random, vec![field("optimizer.lr", choices(&["-1"]))]);
        assert!(bad.trial(1, 1, Path::new("")).unwrap_err().to_string().contains("lr"));
    }

    #[test]
    fn the_built_in_search_draws_valid_recipes() {
        let (search, folder) = SearchConfig::load("l3-muscle").unwrap();
        for number in 1..=40 {
            search.trial(number, 1, &folder).unwrap();
        }
    }
}
