//! `--set path=value`: one field of a recipe replaced by its dotted path.

use super::{Recipe, TrainError};
use serde_json::{Map, Value};

/// Applies `path=value`, for example `optimizer.lr=0.001`, `loss=Iou`, `split.Patients.test=0.2`, `patience=5`.
///
/// The value is read as JSON, or else as a name. The recipe is changed only when the result is valid.
///
/// # Errors
/// [`TrainError::Override`] when the path names no field or the value does not fit; [`TrainError::Recipe`] when the
/// result contradicts itself.
pub fn apply_override(recipe: &mut Recipe, assignment: &str) -> Result<(), TrainError> {
    let fail = |reason: String| TrainError::Override { assignment: assignment.into(), reason };
    let (path, text) = assignment.split_once('=').ok_or_else(|| fail("write it as path=value".into()))?;
    let (path, text) = (path.trim(), text.trim());
    let tree = serde_json::to_value(&*recipe).map_err(|e| fail(e.to_string()))?;
    let value: Value = serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.into()));
    // `loss=Iou` names a variant whose fields all have defaults: `{"Iou": {}}` in JSON.
    let variant = Value::Object(Map::from_iter([(text.to_owned(), Value::Object(Map::new()))]));
    let mut reason = String::new();
    for candidate in [value, variant] {
        let mut tree = tree.clone();
        *field(&mut tree, path).map_err(&fail)? = candidate;
        match serde_json::from_value::<Recipe>(tree) {
            Ok(changed) => {
                changed.check()?;
                *recipe = changed;
                return Ok(());
            }
            Err(error) if reason.is_empty() => reason = error.to_string(),
            Err(_) => {}
        }
    }
    Err(fail(reason))
}

fn field<'a>(tree: &'a mut Value, path: &str) -> Result<&'a mut Value, String> {
    let mut here = tree;
    for part in path.split('.') {
        let names = match &*here {
            Value::Object(map) => map.keys().cloned().collect::<Vec<_>>().join(", "),
            _ => String::new(),
        };
        let next = match here {
            Value::Object(map) => map.get_mut(part),
            Value::Array(list) => part.parse::<usize>().ok().and_then(|i| list.get_mut(i)),
            _ => None,
        };
        here = next.ok_or_else(|| {
            if names.is_empty() { format!("there is no {part}") } else { format!("there is no {part}, only {names}") }
        })?;
    }
    Ok(here)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::{LossConfig, NetworkConfig};

    #[test]
    fn fields_are_set_by_path_and_mistakes_leave_the_recipe_alone() {
        let mut recipe = Recipe::load("demo").unwrap();
        for set in
            ["optimizer.lr=0.25", "loss=Iou", "patience=3", "network.UNet.base_width = 16", "name=mine", "seed=9"]
        {
            apply_override(&mut recipe, set).unwrap();
        }
        assert_eq!((recipe.optimizer.lr, recipe.patience, recipe.seed), (0.25, Some(3), 9));
        assert_eq!((&recipe.loss, recipe.name.as_str()), (&LossConfig::Iou(Default::default()), "mine"));
        assert!(matches!(recipe.network, NetworkConfig::UNet(c) if c.base_width == 16));
        let before = recipe.clone();
        for (set, word) in [
            ("optimizer.rate=1", "lr"),
            ("epochs=many", "epochs"),
            ("epochs", "path=value"),
            ("epochs=0", "epochs"),
            ("loss=Nice", "Nice"),
        ] {
            let text = apply_override(&mut recipe, set).unwrap_err().to_string();
            assert!(text.contains(word), "{set}: {text}");
        }
        assert_eq!(recipe, before);
    }
}
