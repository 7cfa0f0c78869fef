//! Values that are not numeric: checked by JSON Schema, passed through as they are.
//!
//! Not a place to decide what is numeric (`parse`).

use std::fmt;
use std::sync::Arc;

use jsonschema::error::{TypeKind, ValidationErrorKind};
use jsonschema::paths::LocationSegment;
use jsonschema::{ValidationError, Validator};
use serde_json::Value;

use crate::tree::{Path, Segment};

use super::violation::Violation;

/// What a value that is passed through must be.
#[derive(Clone)]
pub struct Opaque {
    /// `None` when anything will do.
    pub(super) validator: Option<Arc<Validator>>,
    /// What it is, in a few words.
    pub summary: String,
    /// What it is, as JSON Schema whose references may lead into the schema it stands in.
    pub schema: Value,
    /// What the schema says it is.
    pub description: Option<String>,
}

impl fmt::Debug for Opaque {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Opaque({})", self.summary)
    }
}

impl Opaque {
    /// Whatever it is.
    pub(super) fn anything() -> Opaque {
        Opaque { validator: None, summary: "anything".to_owned(), schema: Value::Bool(true), description: None }
    }

    /// Everything that is wrong with a value at `path`.
    pub(super) fn check(&self, value: &Value, path: &Path) -> Vec<Violation> {
        let Some(validator) = &self.validator else { return Vec::new() };
        validator.iter_errors(value).map(|error| violation(&error, path)).collect()
    }
}

fn violation(error: &ValidationError<'_>, path: &Path) -> Violation {
    let mut path = path.clone();
    for segment in error.instance_path() {
        path.push(match segment {
            LocationSegment::Property(name) => Segment::Field(name.into_owned()),
            LocationSegment::Index(index) => Segment::Index(index),
        });
    }
    let (code, message) = match error.kind() {
        ValidationErrorKind::Enum { options } => {
            let options = options.as_array().map_or(&[][..], Vec::as_slice);
            ("literal_error", format!("Input should be {}", alternatives(options)))
        }
        ValidationErrorKind::Constant { expected_value } => {
            ("literal_error", format!("Input should be {}", literal(expected_value)))
        }
        ValidationErrorKind::Type { kind: TypeKind::Single(kind) } => match kind.as_str() {
            "string" => ("string_type", "Input should be a valid string".to_owned()),
            "boolean" => ("bool_type", "Input should be a valid boolean".to_owned()),
            "object" => ("dict_type", "Input should be a valid dictionary".to_owned()),
            "array" => ("list_type", "Input should be a valid list".to_owned()),
            "integer" => ("int_type", "Input should be a valid integer".to_owned()),
            "number" => ("float_type", "Input should be a valid number".to_owned()),
            _ => ("none_required", "Input should be None".to_owned()),
        },
        ValidationErrorKind::Required { property } => {
            path.push(Segment::Field(property.as_str().unwrap_or_default().to_owned()));
            ("missing", "Field required".to_owned())
        }
        ValidationErrorKind::AdditionalProperties { unexpected } => {
            ("extra_forbidden", format!("Extra inputs are not permitted: {}", unexpected.join(", ")))
        }
        kind => {
            let code = match kind {
                ValidationErrorKind::MinLength { .. } => "string_too_short",
                ValidationErrorKind::MaxLength { .. } => "string_too_long",
                ValidationErrorKind::Pattern { .. } => "string_pattern_mismatch",
                ValidationErrorKind::MinItems { .. } | ValidationErrorKind::MinProperties { .. } => "too_short",
                ValidationErrorKind::MaxItems { .. } | ValidationErrorKind::MaxProperties { .. } => "too_long",
                ValidationErrorKind::Minimum { .. } => "greater_than_equal",
                ValidationErrorKind::Maximum { .. } => "less_than_equal",
                ValidationErrorKind::ExclusiveMinimum { .. } => "greater_than",
                ValidationErrorKind::ExclusiveMaximum { .. } => "less_than",
                ValidationErrorKind::MultipleOf { .. } => "multiple_of",
                _ => "value_error",
            };
            // Masked, since a whole mesh may be inside.
            (code, format!("Value error, {}", error.masked_with("the value")))
        }
    };
    Violation { path, code, message }
}

/// `'central', 'forward' or 'stochastic'`
pub(super) fn alternatives(options: &[Value]) -> String {
    let options: Vec<_> = options.iter().map(literal).collect();
    match options.split_last() {
        Some((last, first)) if !first.is_empty() => format!("{} or {last}", first.join(", ")),
        _ => options.concat(),
    }
}

fn literal(value: &Value) -> String {
    match value {
        Value::String(text) => format!("'{text}'"),
        value => value.to_string(),
    }
}
