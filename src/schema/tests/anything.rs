//! Whatever is thrown at it, it answers.

use super::*;
use crate::codec::{Encoding, parse_json, write_tree};
use proptest::prelude::*;

fn value() -> impl Strategy<Value = Value> {
    let scalar = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (0i64..5).prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        prop::sample::select(vec!["central", "float64", "\u{7f}", "base64", "AAAAAAAA8D8=", "lz4", "json"])
            .prop_map(Value::from),
    ];
    scalar.prop_recursive(4, 40, 4, |inner| {
        let names = vec![
            "mesh",
            "points",
            "n_cells",
            "cell_data",
            "point_data",
            "shape",
            "dtype",
            "data",
            "buffer",
            "encoding",
            "x",
        ];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((prop::sample::select(names), inner), 0..4)
                .prop_map(|fields| fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()),
        ]
    })
}

/// JSON that uses the dialect's keywords, mostly wrongly.
fn schema() -> impl Strategy<Value = Value> {
    const KEYWORDS: [&str; 26] = [
        "type",
        "dtype",
        "shape",
        "items",
        "prefixItems",
        "properties",
        "additionalProperties",
        "required",
        "$ref",
        "$defs",
        "anyOf",
        "allOf",
        "oneOf",
        "default",
        "enum",
        "const",
        "minimum",
        "exclusiveMaximum",
        "scale",
        "differentiable",
        "minItems",
        "maxItems",
        "examples",
        "pattern",
        "$id",
        "multipleOf",
    ];
    const WORDS: [&str; 14] = [
        "number",
        "integer",
        "array",
        "object",
        "string",
        "null",
        "boolean",
        "float32",
        "complex64",
        "n",
        "#",
        "#/$defs/x",
        "#/properties/x",
        "(",
    ];
    let scalar = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-2i64..4).prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        prop::sample::select(&WORDS[..]).prop_map(Value::from),
    ];
    scalar.prop_recursive(5, 60, 5, |inner| {
        let name = prop_oneof![3 => prop::sample::select(&KEYWORDS[..]), 1 => prop::sample::select(vec!["x", "y"])];
        prop_oneof![
            1 => prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            4 => prop::collection::vec((name, inner), 0..5)
                .prop_map(|fields| fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn any_value_is_read_or_refused(value in value(), in_mesh: bool) {
        let signature = meshstats();
        let value = if in_mesh {
            let mut whole = mesh();
            whole["mesh"]["points"] = value.clone();
            whole["mesh"]["point_data"] = json!({"k": value.clone()});
            whole["mesh"]["n_cells"] = value;
            whole
        } else {
            value
        };
        if let Some(tree) = straight(&signature, &value.to_string()) {
            prop_assert_eq!(signature.inputs_from_json(&value), Ok(tree));
        }
        if let Ok(tree) = signature.inputs_from_json(&value) {
            prop_assert_eq!(signature.inputs_from_tree(&tree), Ok(tree));
        }
        let _ = signature.outputs_from_json(&value);
        if let Ok(shapes) = signature.abstract_from_json(&value) {
            let _ = signature.output_shapes(&shapes);
            let _ = signature.stand_in(&shapes);
        }
    }

    #[test]
    fn any_schema_is_understood_or_refused(schema in schema(), value in value()) {
        let schema = json!({"properties": {"x": schema}, "$defs": {"x": schema}});
        if let Ok(signature) = Signature::parse(&schema, &schema, &Differentiable::default()) {
            let _ = signature.open_outputs();
            let _ = signature.example_inputs();
            let value = json!({"x": value});
            let read = signature.inputs_from_json(&value);
            if let Some(tree) = straight(&signature, &value.to_string()) {
                prop_assert_eq!(read, Ok(tree));
            }
        }
    }

    #[test]
    fn any_value_is_a_schema_or_none(schema in value()) {
        let _ = Signature::parse(&schema, &schema, &Differentiable::default());
    }

    #[test]
    fn what_a_tree_says_in_json_is_the_tree(points in prop::collection::vec(any::<[f64; 3]>(), 1..5), k in "\\PC{0,8}") {
        let signature = meshstats();
        let mut inputs = mesh();
        let finite = points.iter().map(|row| row.map(|x| if x.is_finite() { x } else { 0.0 })).collect::<Vec<_>>();
        inputs["mesh"]["points"] = json!(finite);
        inputs["mesh"]["point_data"] = json!({k: finite});
        let tree = signature.inputs_from_json(&inputs).unwrap();
        for encoding in [Encoding::Plain, Encoding::Json, Encoding::Base64, Encoding::Base64Lz4] {
            let mut text = Vec::new();
            write_tree(&mut text, &tree, encoding);
            let read = signature.inputs_from_json(&parse_json(&text).unwrap());
            prop_assert_eq!(read.as_ref(), Ok(&tree));
            let text = String::from_utf8(text).unwrap();
            prop_assert_eq!(straight(&signature, &text), Some(tree.clone()));
        }
    }
}
