//! What each keyword makes of a schema, and how schemas are refused.

use super::*;

fn outlined(properties: Value) -> String {
    outline(&of(properties).unwrap().inputs)
}

#[test]
fn numbers_are_scalars() {
    let properties = json!({"x": {"type": "number"}, "n": {"type": "integer"}, "r": {"type": "number", "dtype": "float32"},
        "d": {"dtype": "complex64"}, "b": {"type": "boolean", "dtype": "bool"}});
    insta::assert_snapshot!(outlined(properties), @"
        x: float64 ()
        n: int64 ()
        r: float32 ()
        d: complex64 ()
        b: bool ()
        ");
}

#[test]
fn nested_lists_of_numbers_are_one_array() {
    let row = json!({"type": "array", "items": {"type": "number"}, "minItems": 3, "maxItems": 3});
    let properties = json!({
        "vector": {"type": "array", "items": {"type": "integer"}},
        "points": {"type": "array", "items": row, "differentiable": true},
        "few": {"items": {"dtype": "float32", "differentiable": true}, "minItems": 1, "maxItems": 4},
        "flags": {"type": "array", "items": {"type": "boolean"}, "dtype": "bool"},
        "bounded": {"type": "array", "items": {"type": "number", "minimum": 0, "scale": 1e-3}},
    });
    insta::assert_snapshot!(outlined(properties), @"
        vector: int64 (None,)
        points: float64 (None, 3), differentiable
        few: float32 (1..=4,), differentiable
        flags: bool (None,)
        bounded: float64 (None,), 0.0 to inf, scale 0.001
        ");
}

#[test]
fn dtype_and_shape_say_it_exactly() {
    let properties = json!({
        "points": {"dtype": "float32", "shape": [null, 3]},
        "element": {"type": "number", "shape": [2]},
        "named": {"shape": ["n", "m", 3], "dtype": "uint8"},
        "anything": {"shape": null, "dtype": "float16"},
        "list": {"type": "array", "dtype": "float64"},
        "both": {"type": "array", "items": {"type": "array", "items": {"type": "number"}, "maxItems": 9}, "shape": ["n", null]},
        "scalar": {"shape": []},
    });
    insta::assert_snapshot!(outlined(properties), @"
        points: float32 (None, 3)
        element: float64 (2,)
        named: uint8 (n, m, 3)
        anything: float16 any
        list: float64 any
        both: float64 (n, 0..=9)
        scalar: float64 ()
        ");
}

#[test]
fn structs_dicts_lists_and_tuples_nest() {
    let leaf = json!({"shape": [null], "differentiable": true});
    let properties = json!({
        "a": {"type": "object", "properties": {"b": {"type": "number"}}},
        "fields": {"type": "object", "additionalProperties": leaf},
        "layers": {"type": "array", "items": {"type": "object", "properties": {"w": leaf}}, "minItems": 1},
        "parts": {"type": "array", "items": leaf},
        "pair": {"type": "array", "prefixItems": [{"type": "number", "differentiable": true}, {"type": "string"}]},
        "open": {"properties": {"x": {"type": "number"}}, "additionalProperties": true},
        "empty": {"type": "object", "properties": {}},
    });
    insta::assert_snapshot!(outlined(properties), @"
        a.b: float64 ()
        fields.{}: float64 (None,), differentiable
        layers: 1.. items
        layers.[].w: float64 (None,), differentiable
        parts: 0.. items
        parts.[]: float64 (None,), differentiable
        pair.[0]: float64 (), differentiable
        pair.[1]: string
        open.x: float64 ()
        ");
}

#[test]
fn references_and_null_are_followed() {
    let schema = json!({
        "properties": {
            "a": {"$ref": "#/$defs/Vec", "differentiable": true, "description": "here"},
            "b": {"allOf": [{"$ref": "#/$defs/Vec"}]},
            "c": {"anyOf": [{"$ref": "#/$defs/Vec"}, {"type": "null"}], "default": null},
            "d": {"type": ["number", "null"]},
            "e": {"oneOf": [{"type": "null"}, {"type": "number"}], "minimum": 0},
            "f": {"$ref": "#/definitions/Kind"},
            "g": {"anyOf": [{"$ref": "#/definitions/Kind"}, {"type": "null"}]},
            "tree": {"$ref": "#/$defs/Tree"},
        },
        "$defs": {
            "Vec": {"$ref": "#/$defs/Vec3", "description": "there"},
            "Vec3": {"shape": [3]},
            "Tree": {"properties": {"value": {"type": "number"}, "children": {"items": {"$ref": "#/$defs/Tree"}}}},
        },
        "definitions": {"Kind": {"enum": ["x", "y", 3]}},
    });
    let signature = Signature::parse(&schema, &schema, &Differentiable::default()).unwrap();
    insta::assert_snapshot!(outline(&signature.inputs), @"
        a: float64 (3,), differentiable
        b: float64 (3,)
        c: or null
        c: float64 (3,)
        d: or null
        d: float64 ()
        e: or null
        e: float64 (), 0.0 to inf
        f: 'x', 'y' or 3
        g: 'x', 'y' or 3
        tree: anything
        ");
    let description = |path: &str| signature.inputs.leaf(&path.parse().unwrap()).unwrap().description.clone();
    assert_eq!([description("a"), description("b")], [Some("here".to_owned()), Some("there".to_owned())]);
}

#[test]
fn everything_else_is_passed_through() {
    let properties = json!({
        "text": {"type": "string", "maxLength": 3}, "flag": {"type": "boolean"}, "nothing": {"type": "null"},
        "choice": {"enum": ["a", "b"]}, "constant": {"const": 5}, "any": {}, "yes": true, "no": false,
        "free": {"type": "object"}, "words": {"type": "array", "items": {"type": "string"}},
        "labels": {"type": "object", "additionalProperties": {"type": "string"}},
        "even": {"type": "integer", "multipleOf": 2}, "either": {"type": ["number", "string"]},
        "union": {"anyOf": [{"type": "number"}, {"type": "string"}]},
        "mixed": {"type": "array", "items": {"type": "number"}, "prefixItems": [{"type": "string"}]},
    });
    insta::assert_snapshot!(outlined(properties), @"
        text: string
        flag: boolean
        nothing: null
        choice: 'a' or 'b'
        constant: 5
        any: anything
        yes: anything
        no: nothing
        free: object
        words: array
        labels: object
        even: integer
        either: number or string
        union: anything
        mixed: array
        ");
}

#[test]
fn contradictions_are_all_named_at_once() {
    let problems = problems(json!({
        "a": {"type": "number", "minimum": 2, "maximum": 1},
        "b": {"type": "number", "scale": 0},
        "c": {"dtype": "float128"},
        "d": {"shape": [-1, 3, ""]},
        "e": {"shape": "n"},
        "f": {"type": "integer", "dtype": "float32"},
        "g": {"type": "array", "items": {"type": "number"}, "shape": [2, 2]},
        "h": {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 1},
        "i": {"type": "array", "items": {"type": "number", "dtype": "float32"}, "dtype": "float64"},
        "j": {"type": "nombre"},
        "k": {"type": "string", "dtype": "float64"},
        "l": {"$ref": "#/$defs/Nowhere"},
        "m": {"$ref": "other.json"},
        "n": {"type": "number", "minimum": "low"},
        "o": {"dtype": "complex64", "minimum": 0},
        "p": {"type": "integer", "exclusiveMinimum": 1, "exclusiveMaximum": 2},
        "q": {"properties": {}, "required": ["x"]},
        "r": {"type": "array", "items": {"type": "string"}, "shape": [2]},
        "s": 5,
        "u": {"type": "array", "shape": []},
        "v": {"dtype": "float32", "minimum": 1e300},
        "w": {"type": "array", "minItems": 1, "dtype": "float64"},
        "x": {"properties": [], "type": "object"},
        "y": {"properties": {}, "required": "z"},
        "z": {"prefixItems": [{"type": "number"}], "minItems": 2},
    }));
    insta::assert_snapshot!(problems, @r#"
        input schema, a, 'minimum': no float64 lies within [2, 1]
        input schema, b, 'scale': is not positive
        input schema, c, 'dtype': unknown dtype 'float128': expected one of float16, float32, float64, int8, int16, int32, int64, uint8, uint16, uint32, uint64, bool, complex64, complex128
        input schema, d, 'shape': -1 is no length that 'items' allow, no name, nor null
        input schema, d, 'shape': "" is no length that 'items' allow, no name, nor null
        input schema, e, 'shape': "n" is no list of lengths, names and nulls, nor null for any rank
        input schema, f, 'dtype': float32 contradicts type integer
        input schema, g, 'shape': has 2 dimensions, but 'items' nest 1 deep
        input schema, h, 'maxItems': 1 is less than minItems 2
        input schema, i, 'dtype': is both "float64" and "float32"
        input schema, j, 'type': unknown type 'nombre'
        input schema, k, 'type': an array of numbers (see 'dtype', 'shape') is no string
        input schema, '$ref': Resource 'secant:/other.json' is not present in a registry and retrieving it failed: Default retriever does not fetch resources
        input schema, l, '$ref': '#/$defs/Nowhere' is not found in this document
        input schema, m, '$ref': 'other.json' is not found in this document
        input schema, n, 'minimum': "low" is no number
        input schema, o, 'minimum': complex64 values have no order
        input schema, p, 'exclusiveMinimum': no int64 lies within [2, 1]
        input schema, q, 'required': 'x' is not among the properties
        input schema, r, 'items': an array of numbers (see 'dtype', 'shape') has plain numbers as items
        input schema, s, 'type': a schema is an object, true or false
        input schema, u, 'shape': [] is a scalar, which contradicts type array
        input schema, v, 'minimum': no float32 lies within [inf, inf]
        input schema, w, 'shape': is needed beside minItems and maxItems when there are no 'items'
        input schema, x, 'properties': is an object of schemas
        input schema, y, 'required': is a list of names
        input schema, z, 'prefixItems': has 1 items, which minItems and maxItems forbid
        "#);
}

#[test]
fn only_continuous_leaves_are_differentiable() {
    let mark = |mut schema: Value| {
        schema["differentiable"] = json!(true);
        schema
    };
    let problems = problems(json!({
        "n": mark(json!({"type": "integer"})),
        "flag": mark(json!({"type": "boolean", "dtype": "bool"})),
        "text": mark(json!({"type": "string"})),
        "choice": mark(json!({"enum": [1.0, 2.0]})),
        "struct": mark(json!({"properties": {"x": {"type": "number"}}})),
        "list": mark(json!({"items": {"properties": {"x": {"type": "number"}}}})),
        "union": {"anyOf": [mark(json!({"type": "number"})), {"type": "string"}]},
        "steps": mark(json!({"type": "number", "multipleOf": 0.5})),
        "words": {"items": mark(json!({"type": "string"}))},
        "maybe": mark(json!({"type": "number", "differentiable": 1})),
        "a.b": mark(json!({"type": "number"})),
        "odd": {"type": "number", "differentiable": "yes"},
    }));
    insta::assert_snapshot!(problems, @r"
        input schema, n, 'differentiable': marks an array of int64: only floating-point and complex leaves can be differentiable
        input schema, flag, 'differentiable': marks an array of bool: only floating-point and complex leaves can be differentiable
        input schema, text, 'differentiable': only floating-point and complex leaves can be differentiable, and this is passed through as it is (string)
        input schema, choice, 'differentiable': only floating-point and complex leaves can be differentiable, and this is passed through as it is (enum)
        input schema, struct, 'differentiable': marks an object: only numeric leaves can be differentiable, so mark those in it
        input schema, list, 'differentiable': marks a list: only numeric leaves can be differentiable, so mark those in it
        input schema, union, 'differentiable': only floating-point and complex leaves can be differentiable, and this is passed through as it is (anyOf)
        input schema, steps, 'differentiable': only floating-point and complex leaves can be differentiable, and this is passed through as it is (multipleOf)
        input schema, words.[], 'differentiable': only floating-point and complex leaves can be differentiable, and this is passed through as it is (string)
        input schema, odd, 'differentiable': is true or false
        input schema, a.b, 'properties': a name with any of .[]{}\ cannot be part of a path
        ");
    // A property may be called so without being marked.
    assert!(of(json!({"t": {"type": "object", "minProperties": 1, "properties": {"differentiable": true}}})).is_ok());
}

#[test]
fn recursion_is_refused_only_around_derivatives() {
    let schema = json!({
        "properties": {"root": {"$ref": "#/$defs/Tree"}, "loop": {"$ref": "#/$defs/Loop"}},
        "$defs": {
            "Tree": {"properties": {"value": {"type": "number", "differentiable": true}, "next": {"$ref": "#/$defs/Tree"}}},
            "Loop": {"$ref": "#/$defs/Loop"},
        },
    });
    let errors = Signature::parse(&schema, &json!({"properties": {}}), &Differentiable::default()).unwrap_err();
    insta::assert_snapshot!(errors, @"input schema, root, 'differentiable': only floating-point and complex leaves can be differentiable, and this is passed through as it is ('#/$defs/Tree' refers to itself)");
}

#[test]
fn what_is_passed_through_must_be_json_schema() {
    let problems =
        problems(json!({"a": {"type": "string", "pattern": "("}, "b": {"enum": 5}, "c": {"type": ["number", 3]}}));
    insta::assert_snapshot!(problems, @r#"
        input schema, a, 'type': not a JSON Schema: "(" is not a "regex"
        input schema, b, 'type': not a JSON Schema: 5 is not of type "array"
        input schema, c, 'type': not a JSON Schema: ["number",3] is not valid under any of the schemas listed in the 'anyOf' keyword
        "#);
}

#[test]
fn both_ends_must_be_objects() {
    let errors = Signature::parse(&json!({"type": "number"}), &json!(true), &Differentiable::default()).unwrap_err();
    insta::assert_snapshot!(errors, @"
        input schema, 'type': should describe an object: give it 'properties'
        output schema, 'type': should describe an object: give it 'properties'
        ");
}

#[test]
fn leaves_can_be_marked_from_outside() {
    let schema = json!({"properties": {
        "x": {"type": "number"}, "n": {"type": "integer"},
        "fields": {"type": "object", "additionalProperties": {"shape": [null]}},
    }});
    let patterns = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect();
    let marks = Differentiable { inputs: patterns(&["fields.{}", "x"]), outputs: Vec::new() };
    let signature = Signature::parse(&schema, &schema, &marks).unwrap();
    let marked: Vec<_> = signature.differentiable(Side::Input).iter().map(|(pattern, _)| pattern.to_string()).collect();
    assert_eq!(marked, ["x", "fields.{}"]);
    assert!(signature.differentiable(Side::Output).is_empty());
    let marks = Differentiable { inputs: patterns(&["y", "n"]), outputs: patterns(&["fields.{k}"]) };
    insta::assert_snapshot!(Signature::parse(&schema, &schema, &marks).unwrap_err(), @"
        input schema, y, 'differentiable': is listed, but the leaves are x, n, fields.{}
        input schema, n, 'differentiable': is listed, but only floating-point and complex leaves can be, not int64
        output schema, fields.{k}, 'differentiable': is listed, but the leaves are x, n, fields.{}
        ");
}

#[test]
fn defaults_are_checked_when_loaded() {
    let problems = problems(json!({
        "x": {"type": "number", "default": "high", "minimum": 0},
        "y": {"type": "number", "default": -1, "minimum": 0},
        "z": {"properties": {"v": {"shape": [3], "default": [1, 2]}}, "default": {"w": 1}},
        "ok": {"shape": [3], "default": [1]},
        "c": {"enum": ["a", "b"], "default": "d"},
    }));
    insta::assert_snapshot!(problems, @r#"
        input schema, x, 'default': Could not parse value as a numeric array (contains non-numeric data): the text "high"
        input schema, y, 'default': Input should be greater than or equal to 0, found -1
        input schema, z, 'default': v: Array shape (2,) is incompatible with expected shape (3,)
        input schema, z, 'default': w: Extra inputs are not permitted: there is v
        input schema, c, 'default': Input should be 'a' or 'b'
        input schema, z.v, 'default': Array shape (2,) is incompatible with expected shape (3,)
        "#);
}

#[test]
fn bounds_of_every_kind_hold() {
    let properties = json!({
        "closed": {"type": "number", "minimum": 0, "maximum": 1},
        "open": {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1},
        "tighter": {"type": "integer", "minimum": 0, "exclusiveMinimum": 0, "maximum": 5, "exclusiveMaximum": 9},
    });
    insta::assert_snapshot!(outlined(properties), @"
        closed: float64 (), 0.0 to 1.0
        open: float64 (), 5e-324 to 0.9999999999999999
        tighter: int64 (), 1.0 to 5.0
        ");
}

#[test]
fn schemas_do_not_grow_without_end() {
    let mut defs = serde_json::Map::new();
    for level in 0..40 {
        let next = json!({"$ref": format!("#/$defs/L{}", level + 1)});
        defs.insert(format!("L{level}"), json!({"properties": {"a": next, "b": next}}));
    }
    defs.insert("L40".to_owned(), json!({"type": "number"}));
    let schema = json!({"properties": {"x": {"$ref": "#/$defs/L0"}}, "$defs": defs});
    let errors = Signature::parse(&schema, &json!({"properties": {}}), &Differentiable::default()).unwrap_err();
    assert!(errors.0.len() == 1 && errors.to_string().contains("too large"), "{errors}");
}

#[test]
fn the_mesh_example_is_understood() {
    let signature = meshstats();
    insta::assert_snapshot!(outline(&signature.inputs), @"
        mesh.n_points: int64 ()
        mesh.n_cells: int64 ()
        mesh.points: float64 (points, 3), differentiable
        mesh.num_points_per_cell: float64 (None,)
        mesh.cell_connectivity: int32 (None,)
        mesh.cell_data.{}: float64 (None, None)
        mesh.point_data.{}: float64 (points, None)
        fd_algorithm: 'central', 'forward' or 'stochastic'
        ");
    insta::assert_snapshot!(outline(&signature.outputs), @"
        statistics.first_point_coordinates: float64 (3,), differentiable
        statistics.barycenter: float64 (3,), differentiable
        ");
}
