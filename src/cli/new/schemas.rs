//! Schemas made from examples: of a value its own schema, of paths and values the object that has them.

use serde_json::{Map, Value, json};

/// The schema of an object of which all fields are required.
pub(super) fn object(fields: Map<String, Value>) -> Value {
    let required: Vec<Value> = fields.keys().map(|name| Value::from(name.as_str())).collect();
    json!({"type": "object", "properties": fields, "required": required, "additionalProperties": false})
}

/// The schema of values like this one. Numbers are leaves, differentiable where one has a point; nested lists of
/// numbers are arrays of their shape; texts, flags and whatever else there is are passed through.
///
/// Whole numbers become floating ones where `whole` is false: of a program's answer nobody knows how it prints 2.0.
pub(super) fn of(value: &Value, whole: bool) -> Value {
    match value {
        Value::Object(fields) => object(fields.iter().map(|(name, value)| (name.clone(), of(value, whole))).collect()),
        Value::Number(number) if whole && !number.is_f64() => json!({"type": "integer"}),
        Value::Number(_) => json!({"type": "number", "differentiable": true}),
        Value::Array(items) => match shape(value) {
            Some(shape) if whole && !has_point(value) => {
                json!({"dtype": "int64", "shape": shape})
            }
            Some(shape) => {
                json!({"dtype": "float64", "shape": shape, "differentiable": true})
            }
            None => match items.first() {
                Some(first) if items.iter().all(|item| of(item, whole) == of(first, whole)) => {
                    json!({"type": "array", "items": of(first, whole)})
                }
                _ => json!({"type": "array"}),
            },
        },
        Value::String(_) => json!({"type": "string"}),
        Value::Bool(_) => json!({"type": "boolean"}),
        Value::Null => json!({}),
    }
}

/// The shape of nested lists of numbers; `None` of anything else.
fn shape(value: &Value) -> Option<Vec<usize>> {
    match value {
        Value::Number(_) => Some(Vec::new()),
        Value::Array(items) => {
            let first = shape(items.first()?)?;
            let alike = items.iter().all(|item| shape(item).as_ref() == Some(&first));
            alike.then(|| [vec![items.len()], first].concat())
        }
        _ => None,
    }
}

fn has_point(value: &Value) -> bool {
    match value {
        Value::Number(number) => number.is_f64(),
        Value::Array(items) => items.iter().any(has_point),
        _ => false,
    }
}

/// Whether anything in a schema is marked differentiable.
pub(super) fn is_differentiable(schema: &Value) -> bool {
    match schema {
        Value::Object(fields) => {
            fields.get("differentiable") == Some(&Value::Bool(true)) || fields.values().any(is_differentiable)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_say_their_schemas() {
        let value = json!({"x": 1.5, "n": 3, "a": [[1, 2.5], [3, 4]], "s": "text", "b": true, "ragged": [[1], [2, 3]]});
        let schema = of(&value, true);
        assert_eq!(schema["properties"]["x"], json!({"type": "number", "differentiable": true}));
        assert_eq!(schema["properties"]["n"], json!({"type": "integer"}));
        assert_eq!(schema["properties"]["a"]["shape"], json!([2, 2]));
        assert_eq!(schema["properties"]["a"]["differentiable"], json!(true));
        assert_eq!(schema["properties"]["s"], json!({"type": "string"}));
        assert_eq!(schema["properties"]["ragged"], json!({"type": "array"}));
        assert_eq!(of(&json!({"n": 3}), false)["properties"]["n"]["differentiable"], json!(true));
        for schema in [of(&value, true), of(&value, false)] {
            let marks = crate::schema::Differentiable::default();
            crate::schema::Signature::parse(&schema, &schema, &marks).unwrap();
        }
    }
}
