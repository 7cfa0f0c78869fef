//! What follows from shapes alone.

use super::*;
use crate::codec::write_abstract;
use crate::tree::Array;

fn text(tree: &Tree<Abstract>) -> String {
    let mut out = Vec::new();
    write_abstract(&mut out, tree);
    String::from_utf8(out).unwrap()
}

#[test]
fn abstract_inputs_are_shapes_and_plain_values() {
    let signature = of(json!({
        "x": {"shape": [null, 3]}, "y": {"shape": [2], "dtype": "float32", "default": [1, 2]}, "mode": {"enum": ["a"], "default": "a"},
        "n": {"type": "integer"}, "z": {"dtype": "complex64", "shape": ["n"]},
    })).unwrap();
    let inputs = json!({
        "x": {"shape": [4, 3], "dtype": "int32", "data": "whatever", "object_type": "array"}, "n": 5, "z": [[1, 2], [3, 4]],
    });
    insta::assert_snapshot!(text(&signature.abstract_from_json(&inputs).unwrap()), @r#"{"x":{"shape":[4,3],"dtype":"float64"},"y":{"shape":[2],"dtype":"float32"},"mode":"a","n":{"shape":[],"dtype":"int64"},"z":{"shape":[2],"dtype":"complex64"}}"#);
    let wrong = json!({
        "x": {"shape": [1, 1], "dtype": "float64"}, "y": {"shape": [1], "dtype": "float64"}, "n": {"shape": [], "dtype": "float64"},
        "z": {"shape": [4611686018427387904u64, 8], "dtype": "float128"}, "mode": "b",
    });
    insta::assert_snapshot!(listed(signature.abstract_from_json(&wrong)), @"
        array_shape_mismatch x: Array shape (1, 1) is incompatible with expected shape (None, 3)
        array_shape_mismatch y: Array shape (1,) is incompatible with expected shape (2,)
        literal_error mode: Input should be 'a'
        array_dtype_mismatch n: Array dtype 'float64' cannot be safely cast to 'int64'
        array_non_numeric z: Could not parse value as a numeric array (contains non-numeric data): unknown dtype 'float128': expected one of float16, float32, float64, int8, int16, int32, int64, uint8, uint16, uint32, uint64, bool, complex64, complex128
        ");
    insta::assert_snapshot!(listed(signature.abstract_from_json(&json!({"z": {"shape": [4611686018427387904u64]}, "x": {"dtype": "float64"}}))), @"
        array_non_numeric x: Could not parse value as a numeric array (contains non-numeric data): an array object needs a 'shape', a list of lengths
        array_non_numeric z: Could not parse value as a numeric array (contains non-numeric data): an array object needs a 'dtype', a text
        ");
}

#[test]
fn outputs_follow_from_fixed_and_named_dimensions() {
    let input = json!({"properties": {"a": {"shape": ["n", "m"]}, "layers": {"items": {"shape": ["k"]}}}});
    let output = json!({"properties": {
        "b": {"shape": ["m", 2], "dtype": "float32"}, "s": {"type": "number"}, "note": {"type": "string"},
        "pair": {"prefixItems": [{"shape": ["n"]}, {"shape": []}]}, "three": {"items": {"shape": ["k"]}, "minItems": 2, "maxItems": 2},
    }, "required": ["b", "s", "note", "pair", "three"]});
    let signature = Signature::parse(&input, &output, &Differentiable::default()).unwrap();
    let inputs = json!({"a": {"shape": [5, 7], "dtype": "float64"}, "layers": [{"shape": [4], "dtype": "float64"}]});
    let inputs = signature.abstract_from_json(&inputs).unwrap();
    insta::assert_snapshot!(text(&signature.output_shapes(&inputs).unwrap()), @r#"{"b":{"shape":[7,2],"dtype":"float32"},"s":{"shape":[],"dtype":"float64"},"note":null,"pair":[{"shape":[5],"dtype":"float64"},{"shape":[],"dtype":"float64"}],"three":[{"shape":[4],"dtype":"float64"},{"shape":[4],"dtype":"float64"}]}"#);
    assert!(signature.open_outputs().is_empty());
    let fewer =
        signature.abstract_from_json(&json!({"a": {"shape": [5, 7], "dtype": "float64"}, "layers": []})).unwrap();
    assert_eq!(signature.output_shapes(&fewer), None, "no layer says how long k is");
}

#[test]
fn open_outputs_say_what_is_open() {
    let output = json!({"properties": {
        "a": {"shape": [3, null, "q"]}, "b": {"shape": null}, "c": {"additionalProperties": {"shape": [1]}},
        "d": {"items": {"shape": [2]}}, "e": {"type": ["number", "null"]}, "f": {"type": "number"}, "g": {"type": "number", "default": 1},
    }, "required": ["a", "b", "c", "d", "e"]});
    let signature =
        Signature::parse(&json!({"properties": {"x": {"shape": ["n"]}}}), &output, &Differentiable::default()).unwrap();
    let open: Vec<_> = signature.open_outputs().iter().map(|(pattern, what)| format!("{pattern}: {what}")).collect();
    insta::assert_snapshot!(open.join("\n"), @"
        f: it may be absent
        a: dimension 1
        a: dimension 2
        b: its rank
        c: its keys
        d: its length
        e: it may be null
        ");
    assert_eq!(signature.output_shapes(&signature.abstract_from_json(&json!({})).unwrap()), None);
}

#[test]
fn stand_ins_come_from_examples_or_from_inside_the_bounds() {
    let input = json!({
        "examples": [{"x": [1, 2, 3], "s": {"t": 0.25}}],
        "properties": {
            "x": {"shape": ["n"], "examples": [[7, 8]]}, "y": {"shape": [2], "default": [4, 5]}, "s": {"properties": {"t": {"type": "number"}}},
            "low": {"shape": [null], "minimum": 3}, "high": {"type": "number", "maximum": -3}, "between": {"type": "number", "minimum": 10, "maximum": 20},
            "n": {"type": "integer", "minimum": 4, "maximum": 9}, "tiny": {"type": "number", "scale": 1e-6}, "z": {"dtype": "complex64", "shape": [1]},
            "flag": {"type": "boolean", "dtype": "bool"}, "mode": {"enum": ["a", "b"]}, "maybe": {"anyOf": [{"shape": [1]}, {"type": "null"}]},
            "fields": {"additionalProperties": {"shape": [1]}}, "bad": {"type": "number", "minimum": 0, "examples": [-1, 0.5]},
        },
    });
    let signature = Signature::parse(&input, &json!({"properties": {}}), &Differentiable::default()).unwrap();
    let shape = |shape: &[usize]| json!({"shape": shape, "dtype": "float64"});
    let integer = json!({"shape": [], "dtype": "int64"});
    let scalar = shape(&[]);
    let shapes = json!({
        "x": shape(&[3]), "y": shape(&[2]), "s": {"t": scalar}, "low": shape(&[2]), "high": scalar, "between": scalar, "n": integer,
        "tiny": scalar, "z": shape(&[1]), "flag": {"shape": [], "dtype": "bool"}, "mode": "b", "maybe": shape(&[1]), "fields": {"k": shape(&[1])},
        "bad": scalar,
    });
    let tree = signature.stand_in(&signature.abstract_from_json(&shapes).unwrap()).unwrap();
    let mut out = Vec::new();
    crate::codec::write_tree(&mut out, &tree, crate::codec::Encoding::Plain);
    insta::assert_snapshot!(String::from_utf8(out).unwrap(), @r#"{"x":[1.0,2.0,3.0],"y":[4.0,5.0],"s":{"t":0.25},"low":[4.0,4.0],"high":-4.0,"between":15.0,"n":6,"tiny":1e-6,"z":[[1.0,0.0]],"flag":false,"mode":"b","maybe":[1.0],"fields":{"k":[1.0]},"bad":0.5}"#);
    let stand_in = |shapes| signature.stand_in(&signature.abstract_from_json(&shapes).unwrap());
    let x = |tree: Tree| tree.leaf(&"x".parse().unwrap()).unwrap().clone();
    assert_eq!(x(stand_in(json!({"x": shape(&[2])})).unwrap()), Array::from(vec![7.0, 8.0]));
    assert_eq!(x(stand_in(json!({"x": shape(&[1])})).unwrap()), Array::from(vec![1.0]));
    insta::assert_snapshot!(listed(stand_in(json!({"x": shape(&[1 << 40])}))), @"array_shape_mismatch x: Array of shape [1099511627776] is too large to be made up");
}

#[test]
fn examples_are_whole_or_put_together() {
    let whole = json!({"examples": [{"x": 1}, {"x": 2}], "properties": {"x": {"type": "number"}}, "required": ["x"]});
    let parse =
        |schema: &Value| Signature::parse(schema, &json!({"properties": {}}), &Differentiable::default()).unwrap();
    assert_eq!(parse(&whole).example_inputs(), Some(json!({"x": 1})));
    let parts = json!({"properties": {
        "x": {"type": "number", "examples": [3]}, "y": {"type": "number", "default": 4}, "z": {"type": "number"},
        "s": {"properties": {"t": {"type": "number", "default": 5}}, "required": ["t"]},
    }, "required": ["x", "s"]});
    assert_eq!(parse(&parts).example_inputs(), Some(json!({"x": 3, "y": 4, "s": {"t": 5}})));
    assert_eq!(meshstats().example_inputs(), None);
}
