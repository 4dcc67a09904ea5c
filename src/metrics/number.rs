//! Numbers that JSON has no word for: `null` is undefined (both masks empty), `"inf"` is infinite (a miss).
//!
//! For `#[serde(with = "number")]` on `Option<f64>`; `number::plain` does the same for an `f64` that is never undefined.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Written {
    Number(f64),
    Word(String),
}

impl Written {
    fn of(value: f64) -> Self {
        if value.is_finite() { Self::Number(value) } else { Self::Word(if value > 0.0 { "inf" } else { "nan" }.into()) }
    }

    fn value<E: Error>(self) -> Result<f64, E> {
        match self {
            Self::Number(value) => Ok(value),
            Self::Word(word) if word == "inf" => Ok(f64::INFINITY),
            Self::Word(word) => Err(E::custom(format!("`{word}` is not a figure: expected a number, \"inf\" or null"))),
        }
    }
}

pub fn serialize<S: Serializer>(value: &Option<f64>, serializer: S) -> Result<S::Ok, S::Error> {
    value.map(Written::of).serialize(serializer)
}

pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<f64>, D::Error> {
    Option::<Written>::deserialize(deserializer)?.map(Written::value).transpose()
}

/// As the parent module, for `f64`.
pub mod plain {
    use super::{Deserialize, Deserializer, Serialize, Serializer, Written};

    pub fn serialize<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
        Written::of(*value).serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
        Written::deserialize(deserializer)?.value()
    }
}
