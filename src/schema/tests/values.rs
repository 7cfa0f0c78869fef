//! What values become, and everything that is said to be wrong with them.

use super::*;
use crate::tree::{Array, DType};

#[test]
fn a_mesh_is_read_whole() {
    let signature = meshstats();
    let tree = signature.inputs_from_json(&mesh()).unwrap();
    let shapes: Vec<_> =
        tree.leaves().iter().map(|(path, array)| format!("{path} {} {:?}", array.dtype(), array.shape())).collect();
    insta::assert_snapshot!(shapes.join("\n"), @"
        mesh.n_points int64 []
        mesh.n_cells int64 []
        mesh.points float64 [4, 3]
        mesh.num_points_per_cell float64 [1]
        mesh.cell_connectivity int32 [4]
        mesh.cell_data.{cell_ids} float64 [1, 1]
        mesh.point_data.{a.b} float64 [4, 2]
        ");
    assert_eq!(tree.texts(), [("fd_algorithm".parse().unwrap(), "\"central\"")]);
    assert_eq!(straight(&signature, &mesh().to_string()).as_ref(), Some(&tree));
    let again = signature.inputs_from_tree(&tree).unwrap();
    assert_eq!(again, tree);
    let points = |tree: &Tree| tree.leaf(&"mesh.points".parse().unwrap()).unwrap().bytes().as_ptr();
    assert_eq!(points(&again), points(&tree), "nothing is copied where nothing changes");
}

#[test]
fn everything_wrong_is_said_at_once() {
    let mut inputs = mesh();
    inputs["fd_algorithm"] = json!("sideways");
    inputs["fd_algoritm"] = json!("central");
    let mesh = inputs["mesh"].as_object_mut().unwrap();
    mesh.remove("n_points");
    mesh["n_cells"] = json!("one");
    mesh["points"] = json!([[0, 1], [2, 3]]);
    mesh["num_points_per_cell"] = json!([[1.0], 2.0]);
    mesh["cell_connectivity"] = json!([0.5]);
    mesh["cell_data"] = json!([]);
    mesh["point_data"] = json!({"a": [[1]], "b": [[1], [2]], "c": [1]});
    insta::assert_snapshot!(listed(meshstats().inputs_from_json(&inputs)), @r#"
        missing mesh.n_points: Field required
        array_non_numeric mesh.n_cells: Could not parse value as a numeric array (contains non-numeric data): the text "one"
        array_shape_mismatch mesh.points: Array shape (2, 2) is incompatible with expected shape (points, 3)
        value_error mesh.num_points_per_cell: Value error, setting an array element with a sequence: the list is ragged at [1]
        array_dtype_mismatch mesh.cell_connectivity: Array dtype 'float64' cannot be safely cast to 'int32'
        dict_type mesh.cell_data: Input should be a valid dictionary
        array_shape_mismatch mesh.point_data.{b}: Array dimension 'points' is 2 here, but 1 in mesh.point_data.{a}
        array_dimensionality_mismatch mesh.point_data.{c}: Array has wrong number of dimensions: got 1D, expected 2D
        literal_error fd_algorithm: Input should be 'central', 'forward' or 'stochastic'
        extra_forbidden fd_algoritm: Extra inputs are not permitted: there is mesh, fd_algorithm
        "#);
    insta::assert_snapshot!(listed(meshstats().inputs_from_json(&json!([]))), @"model_attributes_type Input should be a valid dictionary or object to extract fields from");
}

#[test]
fn shapes_are_kept() {
    let signature = of(json!({
        "scalar": {"type": "number"}, "fixed": {"shape": [2, 3]}, "any": {"shape": null},
        "few": {"type": "array", "items": {"type": "number"}, "minItems": 1, "maxItems": 2},
        "a": {"shape": ["n"]}, "b": {"shape": ["n", 1]},
    }))
    .unwrap();
    let tree = signature
        .inputs_from_json(&json!({"fixed": [[1, 2, 3]], "any": [[[5]]], "few": [1], "a": [1, 2], "b": [[1], [2]]}))
        .unwrap();
    assert_eq!(*tree.leaf(&"fixed".parse().unwrap()).unwrap(), Array::new(&[2, 3], vec![1.0, 2.0, 3.0, 1.0, 2.0, 3.0]));
    let column = signature.inputs_from_json(&json!({"fixed": [[1], [2]]})).unwrap();
    assert_eq!(
        *column.leaf(&"fixed".parse().unwrap()).unwrap(),
        Array::new(&[2, 3], vec![1.0, 1.0, 1.0, 2.0, 2.0, 2.0])
    );
    let wrong = json!({"scalar": [1.5], "fixed": [[1, 2], [3, 4]], "few": [], "a": [1], "b": [[1], [2]]});
    insta::assert_snapshot!(listed(signature.inputs_from_json(&wrong)), @"
        array_dimensionality_mismatch scalar: Array has wrong number of dimensions: got 1D, expected 0D
        array_shape_mismatch fixed: Array shape (2, 2) is incompatible with expected shape (2, 3)
        array_shape_mismatch few: Array shape (0,) is incompatible with expected shape (1..=2,)
        array_shape_mismatch b: Array dimension 'n' is 2 here, but 1 in a
        ");
    let wrong = json!({"scalar": {"shape": [1], "dtype": "float64", "data": {"buffer": [1], "encoding": "json"}}, "few": [1, 2, 3], "fixed": 1, "a": []});
    insta::assert_snapshot!(listed(signature.inputs_from_json(&wrong)), @"
        array_dimensionality_mismatch scalar: Array has wrong number of dimensions: got 1D, expected 0D
        array_dimensionality_mismatch fixed: Array has wrong number of dimensions: got 0D, expected 2D
        array_shape_mismatch few: Array shape (3,) is incompatible with expected shape (1..=2,)
        ");
}

#[test]
fn elements_stay_within_bounds() {
    let signature = of(json!({
        "x": {"shape": [null, 2], "minimum": 0, "exclusiveMaximum": 10},
        "y": {"type": "number", "exclusiveMinimum": 0},
        "k": {"type": "integer", "maximum": 3},
        "r": {"type": "number", "dtype": "float32", "minimum": 0.7},
    }))
    .unwrap();
    let edges = json!({"x": [[0, 9.999]], "y": 5e-324, "k": 3, "r": 0.7});
    assert!(signature.inputs_from_json(&edges).is_ok());
    let nan = crate::codec::parse_json(br#"{"x": [[-1, 10], [3, -2], [-3, -4], [NaN, 1]], "y": 0, "k": 4, "r": 0.6}"#)
        .unwrap();
    insta::assert_snapshot!(listed(signature.inputs_from_json(&nan)), @"
        greater_than_equal x: Input should be greater than or equal to 0, found -1 at [0,0], -2 at [1,1], -3 at [2,0] and 2 more
        less_than x: Input should be less than 10, found 10 at [0,1], NaN at [3,0]
        greater_than y: Input should be greater than 0, found 0
        less_than_equal k: Input should be less than or equal to 3, found 4
        greater_than_equal r: Input should be greater than or equal to 0.7, found 0.6000000238418579
        ");
    assert!(signature.outputs_from_json(&nan).is_ok(), "a model's outputs are what they are");
}

#[test]
fn outputs_are_taken_as_models_write_them() {
    let signature = of(json!({
        "x": {"shape": [null]}, "f": {"type": "number", "dtype": "float32"}, "n": {"type": "integer"},
        "maybe": {"type": ["number", "null"]}, "info": {},
    }))
    .unwrap();
    let value =
        crate::codec::parse_json(br#"{"x": [1, null], "f": null, "n": 3.0, "maybe": null, "info": {"r": NaN}}"#)
            .unwrap();
    let tree = signature.outputs_from_json(&value).unwrap();
    assert!(tree.leaf(&"x".parse().unwrap()).unwrap().to_vec()[1].is_nan());
    let f = tree.leaf(&"f".parse().unwrap()).unwrap();
    assert!(f.dtype() == DType::Float32 && f.to_vec()[0].is_nan());
    assert_eq!(*tree.leaf(&"n".parse().unwrap()).unwrap(), Array::new(&[], vec![3i64]));
    assert_eq!(tree.texts(), [("maybe".parse().unwrap(), "null"), ("info".parse().unwrap(), r#"{"r":null}"#)]);
    insta::assert_snapshot!(listed(signature.inputs_from_json(&value)), @"
        array_non_numeric x: Could not parse value as a numeric array (contains non-numeric data): null at [1]
        array_non_numeric f: Could not parse value as a numeric array (contains non-numeric data): null
        finite_number info: Input should be a finite number: NaN and Infinity have no place outside arrays
        ");
    insta::assert_snapshot!(listed(signature.outputs_from_json(&json!({"n": null, "x": {}, "y": 1}))), @"
        array_non_numeric x: Could not parse value as a numeric array (contains non-numeric data): an array object needs a 'shape', a list of lengths
        array_dtype_mismatch n: Array dtype 'float64' cannot be safely cast to 'int64'
        extra_forbidden y: Extra inputs are not permitted: there is x, f, n, maybe, info
        ");
}

#[test]
fn lists_dicts_and_tuples_say_where() {
    let signature = of(json!({
        "layers": {"items": {"properties": {"w": {"shape": [null]}}, "required": ["w"]}, "minItems": 1, "maxItems": 2},
        "pair": {"prefixItems": [{"type": "number"}, {"type": "string"}]},
        "fields": {"additionalProperties": {"shape": [1]}},
        "maybe": {"anyOf": [{"shape": [2]}, {"type": "null"}]},
        "words": {"items": {"type": "string", "maxLength": 3}},
        "open": {"properties": {"x": {"type": "number"}}, "additionalProperties": {"type": "string"}},
    }))
    .unwrap();
    let right = json!({"layers": [{"w": [1, 2]}], "pair": [1, "a"], "fields": {"k {}": [1]}, "maybe": null, "words": ["abc"], "open": {"x": 1, "y": "z"}});
    let tree = signature.inputs_from_json(&right).unwrap();
    assert_eq!(signature.inputs_from_tree(&tree).unwrap(), tree);
    let texts: Vec<_> = tree.texts().iter().map(|(path, text)| format!("{path} {text}")).collect();
    insta::assert_snapshot!(texts.join("\n"), @r#"
        pair.[1] "a"
        maybe null
        words ["abc"]
        open.y "z"
        "#);
    let wrong = json!({"layers": [{"w": [1]}, {"w": ["a"]}, {}], "pair": [1, 2, 3], "fields": {"k {}": [1, 2]}, "maybe": [1], "words": ["abc", "abcd", 1], "open": {"y": 1}});
    insta::assert_snapshot!(listed(signature.inputs_from_json(&wrong)), @r#"
        too_long layers: List should have at most 2 items, not 3
        array_non_numeric layers.[1].w: Could not parse value as a numeric array (contains non-numeric data): the text "a" at [0]
        missing layers.[2].w: Field required
        too_long pair: List should have at most 2 items, not 3
        string_type pair.[1]: Input should be a valid string
        array_shape_mismatch fields.{k \{\}}: Array shape (2,) is incompatible with expected shape (1,)
        string_too_long words.[1]: Value error, the value is longer than 3 characters
        string_type words.[2]: Input should be a valid string
        string_type open.y: Input should be a valid string
        "#);
    let wrong = json!({"layers": [], "pair": [], "fields": 1, "maybe": "x", "words": {}, "open": null});
    insta::assert_snapshot!(listed(signature.inputs_from_json(&wrong)), @r#"
        too_short layers: List should have at least 1 items, not 0
        too_short pair: List should have at least 2 items, not 0
        dict_type fields: Input should be a valid dictionary
        array_non_numeric maybe: Could not parse value as a numeric array (contains non-numeric data): the text "x"
        model_attributes_type open: Input should be a valid dictionary or object to extract fields from
        "#);
}

#[test]
fn trees_made_in_rust_are_checked_alike() {
    let signature = of(json!({
        "x": {"shape": [2], "dtype": "float32", "maximum": 5}, "n": {"type": "integer", "default": 7},
        "mode": {"enum": ["a", 2]}, "s": {"properties": {"t": {"type": "number"}}, "required": ["t"]},
    }))
    .unwrap();
    let tree = Tree::fields([
        ("x", Tree::from(Array::from(vec![1.0, 2.0]))),
        ("mode", Tree::Leaf(Array::new(&[], vec![2i64]))),
    ]);
    let read = signature.inputs_from_tree(&tree).unwrap();
    assert_eq!(*read.leaf(&"x".parse().unwrap()).unwrap(), Array::new(&[2], vec![1f32, 2.0]));
    assert_eq!(*read.leaf(&"n".parse().unwrap()).unwrap(), Array::new(&[], vec![7i64]));
    assert_eq!(read.texts(), [("mode".parse().unwrap(), "2")]);
    let wrong = Tree::fields([
        ("x", Tree::from(Array::from(vec![1.0, 6.0]))),
        ("n", Tree::from(1.5)),
        ("mode", Tree::Text("\"c\"".into())),
        ("s", Tree::fields([("u", Tree::from(1.0))])),
    ]);
    insta::assert_snapshot!(listed(signature.inputs_from_tree(&wrong)), @"
        less_than_equal x: Input should be less than or equal to 5, found 6 at [1]
        array_dtype_mismatch n: Array dtype 'float64' cannot be safely cast to 'int64'
        literal_error mode: Input should be 'a' or 2
        missing s.t: Field required
        extra_forbidden s.u: Extra inputs are not permitted: there is t
        ");
    let wrong = Tree::fields([("x", Tree::Text("[1, 2]".into())), ("mode", Tree::Text("not json".into()))]);
    insta::assert_snapshot!(listed(signature.inputs_from_tree(&wrong)), @"
        array_non_numeric x: Could not parse value as a numeric array (contains non-numeric data): no array
        literal_error mode: Input should be 'a' or 2
        ");
}

#[test]
fn values_passed_through_answer_in_the_words_of_the_protocol() {
    let signature = of(json!({
        "string": {"type": "string"}, "flag": {"type": "boolean"}, "object": {"type": "object"}, "list": {"type": "array"},
        "nothing": {"type": "null"}, "const": {"const": 5}, "short": {"type": "string", "minLength": 2},
        "pattern": {"type": "string", "pattern": "^a"}, "even": {"type": "integer", "multipleOf": 2},
        "nested": {"type": "object", "minProperties": 1, "properties": {"k": {"type": "string"}}, "required": ["r"], "additionalProperties": false},
        "union": {"anyOf": [{"type": "number"}, {"type": "string"}]}, "never": false,
    })).unwrap();
    let wrong = json!({"string": 1, "flag": 1, "object": 1, "list": 1, "nothing": 1, "const": 4, "short": "a", "pattern": "b",
        "even": 3, "nested": {"k": 1, "z": 2}, "union": [1, 2, 3], "never": 1});
    insta::assert_snapshot!(listed(signature.inputs_from_json(&wrong)), @r#"
        string_type string: Input should be a valid string
        bool_type flag: Input should be a valid boolean
        dict_type object: Input should be a valid dictionary
        list_type list: Input should be a valid list
        none_required nothing: Input should be None
        literal_error const: Input should be 5
        string_too_short short: Value error, the value is shorter than 2 characters
        string_pattern_mismatch pattern: Value error, the value does not match "^a"
        multiple_of even: Value error, the value is not a multiple of 2
        string_type nested.k: Input should be a valid string
        extra_forbidden nested: Extra inputs are not permitted: z
        missing nested.r: Field required
        value_error union: Value error, the value is not valid under any of the schemas listed in the 'anyOf' keyword
        value_error never: Value error, False schema does not allow the value
        "#);
}
