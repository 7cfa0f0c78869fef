//! What a Tesseract's OpenAPI document says of the model: its schemas in secant's own words, which questions it
//! answers, and how.
//!
//! Not the questions (`tesseract`).

use serde_json::{Map, Value, json};

use crate::model::Natives;
use crate::schema::Node;
use crate::tree::{DType, Pattern, PatternSegment, Segment};

/// Where the document keeps its schemas.
const SCHEMAS: &str = "#/components/schemas/";

pub(super) const INPUT: &str = "Apply_InputSchema";
pub(super) const OUTPUT: &str = "Apply_OutputSchema";

/// Keywords of an array that mean the same here and there.
const KEPT: [&str; 9] = [
    "title",
    "description",
    "default",
    "examples",
    "minimum",
    "exclusiveMinimum",
    "maximum",
    "exclusiveMaximum",
    "scale",
];

/// Whether it is the document of a Tesseract.
pub(super) fn is_tesseract(document: &Value) -> bool {
    offers(document, "/apply") && component(document, INPUT).is_some() && component(document, OUTPUT).is_some()
}

/// What it answers itself.
pub(super) fn natives(document: &Value) -> Natives {
    Natives {
        jacobian: offers(document, "/jacobian"),
        jvp: offers(document, "/jacobian_vector_product"),
        vjp: offers(document, "/vector_jacobian_product"),
        abstract_eval: offers(document, "/abstract_eval"),
    }
}

fn offers(document: &Value, path: &str) -> bool {
    document.get("paths").is_some_and(|paths| paths.get(path).is_some())
}

/// A text of the document's `info`.
pub(super) fn info(document: &Value, key: &str) -> Option<String> {
    document.get("info")?.get(key)?.as_str().map(str::to_owned)
}

/// Whether answers can be asked for in this format.
pub(super) fn writes(document: &Value, format: &str) -> bool {
    let formats = document.get("x-supported-output-formats").and_then(Value::as_array);
    formats.is_some_and(|formats| formats.iter().any(|known| known == format))
}

fn component<'d>(document: &'d Value, name: &str) -> Option<&'d Value> {
    document.get("components")?.get("schemas")?.get(name)
}

/// The schema by this name as a document of its own, its arrays as leaves with `dtype` and `shape`.
pub(super) fn schema(document: &Value, name: &str) -> Value {
    let mut definitions = Map::new();
    let mut open = vec![name.to_owned()];
    while let Some(name) = open.pop() {
        if !definitions.contains_key(&name)
            && let Some(schema) = component(document, &name)
        {
            let converted = convert(schema, &mut open);
            definitions.insert(name, converted);
        }
    }
    json!({"$ref": format!("#/$defs/{name}"), "$defs": definitions})
}

/// A schema, its arrays made leaves. Schemas it refers to are added to `open`.
fn convert(schema: &Value, open: &mut Vec<String>) -> Value {
    let Value::Object(fields) = schema else { return schema.clone() };
    if is_array(schema) {
        return leaf(fields, is_marked(schema));
    }
    let mut converted = Map::new();
    for (keyword, value) in fields {
        let value = match (keyword.as_str(), value) {
            ("$ref", Value::String(reference)) => match reference.strip_prefix(SCHEMAS) {
                Some(name) => {
                    open.push(name.to_owned());
                    Value::String(format!("#/$defs/{name}"))
                }
                None => value.clone(),
            },
            ("properties" | "patternProperties" | "dependentSchemas", Value::Object(schemas)) => {
                schemas.iter().map(|(name, schema)| (name.clone(), convert(schema, open))).collect()
            }
            ("anyOf" | "oneOf" | "allOf" | "prefixItems", Value::Array(schemas)) => {
                schemas.iter().map(|schema| convert(schema, open)).collect()
            }
            ("items" | "additionalProperties", schema) => convert(schema, open),
            // OpenAPI's own, which repeats the references of a `oneOf`.
            ("discriminator", _) => continue,
            _ => value.clone(),
        };
        converted.insert(keyword.clone(), value);
    }
    Value::Object(converted)
}

/// Whether a schema is that of an array object.
fn is_array(schema: &Value) -> bool {
    let properties = schema.get("properties");
    let kind = properties.and_then(|properties| properties.get("object_type")?.get("const"));
    schema.get("array_flags").is_some() || kind.is_some_and(|kind| kind == "array")
}

/// Whether the server differentiates by such an array, or differentiates it.
fn is_marked(schema: &Value) -> bool {
    let flags = schema.get("array_flags").and_then(Value::as_array);
    flags.is_some_and(|flags| flags.iter().any(|flag| flag == "DIFFERENTIABLE"))
}

/// An array object's schema as that of a leaf.
fn leaf(fields: &Map<String, Value>, marked: bool) -> Value {
    let property = |name: &str| fields.get("properties").and_then(|properties| properties.get(name));
    let dtype = property("dtype").map_or(DType::Float64, own_dtype);
    let mut leaf = Map::new();
    leaf.insert("dtype".to_owned(), dtype.name().into());
    leaf.insert("shape".to_owned(), property("shape").map_or(Value::Null, dimensions));
    leaf.insert("differentiable".to_owned(), (marked && dtype.is_continuous()).into());
    for keyword in KEPT {
        if let Some(value) = fields.get(keyword) {
            leaf.insert(keyword.to_owned(), value.clone());
        }
    }
    Value::Object(leaf)
}

/// The dtype that an array is cast to. The document lists all that can be cast to it, and gives it as the example.
fn own_dtype(dtype: &Value) -> DType {
    let named = |value: &Value| value.as_str().and_then(|name| name.parse::<DType>().ok());
    let example = dtype.get("examples").and_then(|examples| named(examples.get(0)?));
    let castable = dtype.get("enum").and_then(Value::as_array);
    let takes = |wide: &DType| castable.is_some_and(|names| names.iter().any(|name| name == wide.name()));
    let widest = || [DType::Complex128, DType::Float64, DType::Int64, DType::Bool].into_iter().find(takes);
    example.or_else(|| dtype.get("const").and_then(named)).or_else(widest).unwrap_or(DType::Float64)
}

/// The lengths of an array, `null` for any; `null` alone where there may be any number of them.
fn dimensions(shape: &Value) -> Value {
    let Some(rank) = shape.get("maxItems").and_then(Value::as_u64) else { return Value::Null };
    let lengths = (0..usize::try_from(rank).unwrap_or(0)).map(|axis| {
        let Some(length) = shape.get("prefixItems").and_then(|items| items.get(axis)) else { return Value::Null };
        // A fixed length may also be given as 1, which is then repeated.
        let listed = length.get("enum").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_u64).max();
        let fixed = length.get("const").and_then(Value::as_u64).or(listed).map(Value::from);
        // Another secant gives the dimensions that must agree by name.
        fixed.or_else(|| length.get("title").filter(|name| name.is_string()).cloned()).unwrap_or(Value::Null)
    });
    lengths.collect()
}

/// The leaves of a side that are not array objects but plain numbers and lists of them.
pub(super) fn plain_leaves(document: &Value, name: &str, side: &Node) -> Vec<Pattern> {
    let leaves = side.leaves().into_iter().map(|(pattern, _)| pattern);
    leaves.filter(|pattern| array_at(document, name, pattern).is_none()).collect()
}

/// The first leaf of a side that can be differentiated, though not by the server.
pub(super) fn marked_here_alone(document: &Value, name: &str, side: &Node) -> Option<Pattern> {
    let mut marked = side.leaves().into_iter().filter(|(_, leaf)| leaf.differentiable).map(|(pattern, _)| pattern);
    marked.find(|pattern| !array_at(document, name, pattern).is_some_and(is_marked))
}

/// The schema of the array object that a way down the schema by this name leads to.
fn array_at<'d>(document: &'d Value, name: &str, way: &Pattern) -> Option<&'d Value> {
    array_below(document, component(document, name)?, way.segments(), MAX_STEPS)
}

/// References that are followed on the way to a leaf, at most.
const MAX_STEPS: usize = 64;

fn array_below<'d>(document: &'d Value, schema: &'d Value, way: &[PatternSegment], steps: usize) -> Option<&'d Value> {
    let steps = steps.checked_sub(1)?;
    let below = |schema, way| array_below(document, schema, way, steps);
    let reference = schema.get("$ref").and_then(|reference| reference.as_str()?.strip_prefix(SCHEMAS));
    if let Some(target) = reference.and_then(|name| component(document, name)) {
        return below(target, way);
    }
    for keyword in ["anyOf", "oneOf", "allOf"] {
        if let Some(schemas) = schema.get(keyword).and_then(Value::as_array) {
            return schemas.iter().find_map(|schema| below(schema, way));
        }
    }
    let Some((segment, rest)) = way.split_first() else { return is_array(schema).then_some(schema) };
    let next = match segment {
        PatternSegment::Exactly(Segment::Field(name)) => schema.get("properties")?.get(name),
        PatternSegment::Exactly(Segment::Index(index)) => {
            schema.get("prefixItems").and_then(|items| items.get(index)).or_else(|| schema.get("items"))
        }
        PatternSegment::AnyIndex => schema.get("items"),
        PatternSegment::AnyKey | PatternSegment::Exactly(Segment::Key(_)) => schema.get("additionalProperties"),
    };
    below(next?, rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::{Differentiable, Side, Signature};

    fn array(dtype: &str, castable: &[&str], lengths: Value, flags: Value) -> Value {
        let rank = lengths.as_array().unwrap().len();
        json!({
            "type": "object",
            "required": ["shape", "dtype", "data"],
            "description": "an array",
            "array_flags": flags,
            "properties": {
                "object_type": {"const": "array"},
                "shape": {"type": "array", "prefixItems": lengths, "minItems": rank, "maxItems": rank},
                "dtype": {"enum": castable, "examples": [dtype]},
                "data": {"$ref": "#/components/schemas/Base64ArrayData"},
            },
        })
    }

    fn document() -> Value {
        let castable = ["float16", "float32", "float64", "int64"];
        let vector = array("float32", &castable, json!([{"type": "integer", "minimum": 0}]), json!(["DIFFERENTIABLE"]));
        let fixed = array("float64", &castable, json!([{"enum": [1, 3]}, {"const": 1}]), json!([]));
        let count = array("int64", &["int64"], json!([]), json!(["DIFFERENTIABLE"]));
        json!({
            "info": {"title": "t", "version": "2"},
            "x-supported-output-formats": ["json"],
            "paths": {"/apply": {}, "/jacobian": {}},
            "components": {"schemas": {
                "Apply_InputSchema": {
                    "type": "object",
                    "additionalProperties": false,
                    "required": ["part"],
                    "properties": {
                        "part": {"$ref": "#/components/schemas/Apply_Part"},
                        "each": {"type": "object", "additionalProperties": vector},
                        "maybe": {"anyOf": [fixed, {"type": "null"}], "default": null},
                        "steps": {"type": "array", "items": {"type": "number"}},
                        "default": {"type": "string", "default": "d"},
                    },
                },
                "Apply_Part": {"type": "object", "properties": {"gain": {"type": "number"}, "rows": {"type": "array", "items": vector}}},
                "Apply_OutputSchema": {"type": "object", "properties": {"n": count}},
                "Base64ArrayData": {"type": "object"},
            }},
        })
    }

    #[test]
    fn arrays_become_leaves() {
        let document = document();
        assert!(is_tesseract(&document) && natives(&document).jacobian && !natives(&document).vjp);
        let input = schema(&document, INPUT);
        let output = schema(&document, OUTPUT);
        let signature = Signature::parse(&input, &output, &Differentiable::default()).unwrap();
        let leaf = |side: Side, path: &str| {
            let leaf = signature.side(side).leaf(&path.parse().unwrap()).unwrap();
            format!("{} {} {}", leaf.dtype, leaf.shape_text(), leaf.differentiable)
        };
        assert_eq!(leaf(Side::Input, "each.{k}"), "float32 (None,) true");
        assert_eq!(leaf(Side::Input, "part.rows.[0]"), "float32 (None,) true");
        assert_eq!(leaf(Side::Input, "maybe"), "float64 (3, 1) false");
        assert_eq!(leaf(Side::Input, "part.gain"), "float64 () false");
        assert_eq!(leaf(Side::Output, "n"), "int64 () false");
        let plain: Vec<String> =
            plain_leaves(&document, INPUT, &signature.inputs).iter().map(Pattern::to_string).collect();
        assert_eq!(plain, ["part.gain", "steps"]);
        assert!(plain_leaves(&document, OUTPUT, &signature.outputs).is_empty());
        assert_eq!(marked_here_alone(&document, INPUT, &signature.inputs), None);
        for path in ["maybe", "part.gain"] {
            let marks = Differentiable { inputs: vec![path.parse().unwrap()], outputs: Vec::new() };
            let signature = Signature::parse(&input, &output, &marks).unwrap();
            assert_eq!(marked_here_alone(&document, INPUT, &signature.inputs), Some(path.parse().unwrap()));
        }
    }

    #[test]
    fn a_dtype_without_an_example_is_the_widest() {
        assert_eq!(own_dtype(&json!({"enum": ["int8", "int64", "float32", "float64"]})), DType::Float64);
        assert_eq!(own_dtype(&json!({"enum": ["bool"]})), DType::Bool);
        assert_eq!(own_dtype(&json!({"const": "float16"})), DType::Float16);
        assert_eq!(dimensions(&json!({"type": "array"})), Value::Null);
    }
}
