//! What a schema object says once its references are followed: one flat view of keywords.
//!
//! Not what the keywords mean (`parse`).

use std::collections::HashSet;

use indexmap::IndexMap;
use serde_json::{Map, Value};

/// The keywords of a schema object and of those it refers to.
pub(super) type View<'a> = IndexMap<&'a str, &'a Value>;

/// Why there is no such view.
#[derive(Debug)]
pub(super) enum Unclear {
    /// The reference leads back to itself.
    Recursive(String),
    /// The keyword is said twice, and differently.
    Conflict(String),
    /// The reference leads nowhere, or too far.
    Lost(String),
}

/// Keywords of which the outermost counts, since they say nothing about values.
const ANNOTATIONS: [&str; 13] = [
    "title",
    "description",
    "default",
    "examples",
    "deprecated",
    "readOnly",
    "writeOnly",
    "differentiable",
    "scale",
    "$comment",
    "$schema",
    "$id",
    "$anchor",
];

/// References to references that are followed, at most.
const MAX_STEPS: usize = 64;

/// The keywords of a schema object, those of its `$ref` and of an `allOf`, `anyOf` or `oneOf` with
/// one element included.
pub(super) fn resolve<'a>(root: &'a Value, object: &'a Map<String, Value>) -> Result<View<'a>, Unclear> {
    let mut view = View::new();
    resolve_into(&mut view, root, object, MAX_STEPS)?;
    Ok(view)
}

/// Adds the keywords of another schema to a view in which they say nothing new but annotations.
pub(super) fn merge<'a>(view: &mut View<'a>, root: &'a Value, schema: &'a Value) -> Result<(), Unclear> {
    merge_schema(view, root, schema, "anyOf", MAX_STEPS)
}

fn resolve_into<'a>(
    view: &mut View<'a>,
    root: &'a Value,
    object: &'a Map<String, Value>,
    steps: usize,
) -> Result<(), Unclear> {
    for (keyword, value) in object {
        match (keyword.as_str(), value) {
            ("$defs" | "definitions", _) => {}
            ("$ref", Value::String(reference)) => {
                let target = follow(root, reference)
                    .ok_or_else(|| Unclear::Lost(format!("'{reference}' is not found in this document")))?;
                if reaches(root, target, |object| object.get("$ref") == Some(value)) {
                    return Err(Unclear::Recursive(reference.clone()));
                }
                merge_schema(view, root, target, "$ref", steps)?;
            }
            ("allOf" | "anyOf" | "oneOf", Value::Array(schemas)) if schemas.len() == 1 => {
                merge_schema(view, root, &schemas[0], keyword, steps)?;
            }
            (keyword, value) => add(view, keyword, value, true)?,
        }
    }
    Ok(())
}

fn merge_schema<'a>(
    view: &mut View<'a>,
    root: &'a Value,
    schema: &'a Value,
    keyword: &str,
    steps: usize,
) -> Result<(), Unclear> {
    match schema {
        Value::Bool(true) => Ok(()),
        Value::Object(_) if steps == 0 => Err(Unclear::Lost(format!("more than {MAX_STEPS} references in a row"))),
        Value::Object(object) => {
            let mut inner = View::new();
            resolve_into(&mut inner, root, object, steps - 1)?;
            inner.into_iter().try_for_each(|(keyword, value)| add(view, keyword, value, false))
        }
        _ => Err(Unclear::Conflict(keyword.to_owned())),
    }
}

fn add<'a>(view: &mut View<'a>, keyword: &'a str, value: &'a Value, outer: bool) -> Result<(), Unclear> {
    match view.get(keyword) {
        Some(&other) if other == value => {}
        Some(_) if ANNOTATIONS.contains(&keyword) && !outer => {}
        Some(_) if !ANNOTATIONS.contains(&keyword) => return Err(Unclear::Conflict(keyword.to_owned())),
        _ => {
            view.insert(keyword, value);
        }
    }
    Ok(())
}

/// What a local reference points to.
fn follow<'a>(root: &'a Value, reference: &str) -> Option<&'a Value> {
    root.pointer(reference.strip_prefix('#')?)
}

/// Whether `test` holds for this schema or any below it or referred to.
pub(super) fn reaches(root: &Value, schema: &Value, test: impl Fn(&Map<String, Value>) -> bool) -> bool {
    let mut followed = HashSet::new();
    let mut open = vec![schema];
    while let Some(value) = open.pop() {
        match value {
            Value::Array(items) => open.extend(items),
            Value::Object(object) => {
                if test(object) {
                    return true;
                }
                for (keyword, value) in object {
                    match (keyword.as_str(), value) {
                        ("$defs" | "definitions" | "const" | "enum" | "default" | "examples", _) => {}
                        ("properties" | "patternProperties" | "dependentSchemas", Value::Object(schemas)) => {
                            open.extend(schemas.values());
                        }
                        ("$ref", Value::String(reference)) => {
                            if followed.insert(reference) {
                                open.extend(follow(root, reference));
                            }
                        }
                        (_, value) => open.push(value),
                    }
                }
            }
            _ => {}
        }
    }
    false
}
