//! Schemas and values as people write them, and what is said of them.

mod anything;
mod dialect;
mod shapes;
mod values;

use serde::de::DeserializeSeed;
use serde_json::{Value, json};

use super::*;

/// The finite-difference example of Tesseract in our dialect.
fn meshstats() -> Signature {
    let input = json!({
        "type": "object",
        "properties": {
            "mesh": {"$ref": "#/$defs/VolumetricMeshData", "description": "The mesh you want summary statistics of"},
            "fd_algorithm": {"enum": ["central", "forward", "stochastic"], "default": "central"}
        },
        "required": ["mesh"],
        "$defs": {
            "VolumetricMeshData": {
                "type": "object",
                "properties": {
                    "n_points": {"type": "integer"},
                    "n_cells": {"type": "integer"},
                    "points": {"type": "array", "shape": ["points", 3], "dtype": "float64", "differentiable": true},
                    "num_points_per_cell": {"type": "array", "items": {"type": "number"}},
                    "cell_connectivity": {"type": "array", "items": {"type": "integer", "dtype": "int32"}},
                    "cell_data": {"type": "object", "additionalProperties": {"shape": [null, null]}},
                    "point_data": {"type": "object", "additionalProperties": {"shape": ["points", null]}}
                },
                "required": ["n_points", "n_cells", "points", "num_points_per_cell", "cell_connectivity", "cell_data", "point_data"]
            }
        }
    });
    let coordinates = json!({
        "type": "array", "items": {"type": "number"}, "minItems": 3, "maxItems": 3, "differentiable": true
    });
    let output = json!({
        "type": "object",
        "properties": {
            "statistics": {
                "type": "object",
                "properties": {"first_point_coordinates": coordinates, "barycenter": coordinates},
                "required": ["first_point_coordinates", "barycenter"]
            }
        },
        "required": ["statistics"]
    });
    Signature::parse(&input, &output, &Differentiable::default()).unwrap()
}

/// The inputs in a text, if they are read without values.
fn straight(signature: &Signature, text: &str) -> Option<Tree> {
    signature.straight_inputs().deserialize(&mut serde_json::Deserializer::from_str(text)).ok()
}

/// A mesh as meshio's users have them: data nested by name, floats for counts.
fn mesh() -> Value {
    json!({"mesh": {
        "n_points": 4, "n_cells": 1,
        "points": [[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 5.0]],
        "num_points_per_cell": [4.0],
        "cell_connectivity": [0, 1, 2, 3],
        "cell_data": {"cell_ids": [[0.0]]},
        "point_data": {"a.b": [[1, 2], [3, 4], [5, 6], [7, 8]]}
    }})
}

/// A signature whose inputs have these properties, all optional, and whose outputs the same.
fn of(properties: Value) -> Result<Signature, SchemaErrors> {
    let schema = json!({"properties": properties});
    Signature::parse(&schema, &schema, &Differentiable::default())
}

/// What is wrong with these properties in the input schema, a line each.
fn problems(properties: Value) -> String {
    let schema = json!({"properties": properties});
    let errors = Signature::parse(&schema, &json!({"properties": {}}), &Differentiable::default());
    errors.unwrap_err().to_string()
}

/// The leaves and the values passed through, a line each.
fn outline(node: &Node) -> String {
    let mut lines = Vec::new();
    node.visit(&mut Pattern::default(), &mut |pattern, node| match node {
        Node::Leaf(leaf) => {
            let shape = leaf.shape.as_ref().map_or("any".to_owned(), |dims| leaf::Tuple(dims).to_string());
            let mark = if leaf.differentiable { ", differentiable" } else { "" };
            let bounds = match (leaf.lower(), leaf.upper()) {
                (None, None) => String::new(),
                (lower, upper) => {
                    format!(", {:?} to {:?}", lower.unwrap_or(f64::NEG_INFINITY), upper.unwrap_or(f64::INFINITY))
                }
            };
            let scale = leaf.scale.map_or(String::new(), |scale| format!(", scale {scale}"));
            lines.push(format!("{pattern}: {} {shape}{bounds}{scale}{mark}", leaf.dtype));
        }
        Node::Opaque(opaque) => lines.push(format!("{pattern}: {}", opaque.summary)),
        Node::Optional(_) => lines.push(format!("{pattern}: or null")),
        Node::List { limits, .. } => lines.push(format!("{pattern}: {limits} items")),
        _ => {}
    });
    lines.join("\n")
}

/// Each violation as `code path: message`.
fn listed<T: std::fmt::Debug>(result: Result<T, Violations>) -> String {
    let violations = result.unwrap_err().0;
    let lines = violations.iter().map(|violation| format!("{} {violation}", violation.code));
    lines.collect::<Vec<_>>().join("\n")
}
