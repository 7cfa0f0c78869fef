//! A model's OpenAPI document, with what Tesseract clients read in it: `differentiable_arrays`, `field_order`,
//! `array_flags`, and which formats there are.

use serde_json::{Map, Value, json};

use super::Options;
use super::accept::Formats;
use super::operation::{self, names, reference};
use crate::Model;
use crate::codec::castable;
use crate::endpoint::{Endpoint, Question};
use crate::schema::{Dim, Field, Leaf, Node, Side, Signature};
use crate::tree::{DType, Pattern, PatternSegment, Segment};

/// The whole document.
pub(super) fn document(model: &Model, options: &Options) -> Value {
    let description = model.description();
    let formats = Formats::of(options);
    let mut info = json!({"title": description.name, "version": version(&description.version)});
    if !description.description.is_empty() {
        info["description"] = Value::from(description.description.as_str());
    }
    let mut document = json!({
        "openapi": "3.1.0",
        "info": info,
        "servers": [{"url": format!("/{}", description.name)}],
        "paths": operation::paths(&description.description, options),
        "components": {
            "schemas": schemas(model.signature(), formats),
            "responses": operation::responses(options),
        },
        "x-supported-output-formats": formats.names().collect::<Vec<_>>(),
        "x-supported-gpu-transports": ["none"],
        "x-supported-compressions": ["none", "lz4"],
    });
    if options.token.is_some() {
        document["components"]["securitySchemes"] = json!({"token": {"type": "http", "scheme": "bearer"}});
        document["security"] = json!([{"token": []}]);
    }
    document
}

fn version(version: &str) -> &str {
    if version.is_empty() { "0" } else { version }
}

fn schemas(signature: &Signature, formats: Formats) -> Value {
    let mut components = Components { formats, abstracts: false, schemas: Map::new() };
    components.side("Apply_InputSchema", &signature.inputs);
    components.side("Apply_OutputSchema", &signature.outputs);
    components.abstracts = true;
    components.side("AbstractEval_InputSchema", &signature.inputs);
    components.side("AbstractEval_OutputSchema", &signature.outputs);
    let any_array = components.array(DType::Complex128, None, None);
    let mut schemas = components.schemas;

    let mut put = |name: &str, mut schema: Value| {
        schema["title"] = Value::from(name);
        schemas.insert(name.to_owned(), schema);
    };
    let with_inputs = |more: Map<String, Value>, required: &[&str], inputs: &str| {
        let mut properties = Map::new();
        properties.insert("inputs".to_owned(), reference(inputs));
        properties.extend(more);
        let required: Vec<&str> = ["inputs"].iter().chain(required).copied().collect();
        json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false})
    };
    let marked = |mut schema: Value, side: Side| {
        schema["differentiable_arrays"] = differentiable_arrays(signature, side);
        schema["field_order"] = field_order(signature.side(side));
        schema
    };
    put("ApplyInputSchema", marked(with_inputs(Map::new(), &[], "Apply_InputSchema"), Side::Input));
    put("ApplyOutputSchema", marked(reference("Apply_OutputSchema"), Side::Output));
    put("AbstractInputSchema", with_inputs(Map::new(), &[], "AbstractEval_InputSchema"));
    put("AbstractOutputSchema", reference("AbstractEval_OutputSchema"));
    let object_of = |values: Value| json!({"type": "object", "additionalProperties": values});
    for question in Question::ALL {
        let (request, reply) = names(Endpoint::Derivative(question));
        let (wrt, of) = question.lists();
        let mut more = Map::new();
        more.insert(wrt.to_owned(), path_list(signature, Side::Input));
        more.insert(of.to_owned(), path_list(signature, Side::Output));
        let mut required = vec![wrt, of];
        let mut answer = object_of(any_array.clone());
        match question {
            Question::Jacobian | Question::Hessian => answer = object_of(answer),
            Question::Jvp | Question::Hvp => {
                more.insert("tangent_vector".to_owned(), object_of(any_array.clone()));
                required.push("tangent_vector");
            }
            Question::Vjp => {
                more.insert("cotangent_vector".to_owned(), object_of(any_array.clone()));
                required.push("cotangent_vector");
            }
        }
        if question == Question::Hessian {
            // It is of one output, whose name is enough.
            let list = more[of].take();
            let one = list.get("items").cloned().unwrap_or_else(|| json!({"type": "string"}));
            more[of] = json!({"anyOf": [one, list]});
        }
        if question.is_second() {
            let mut weights = object_of(any_array.clone());
            weights["description"] = Value::from("Weights of the outputs, unless it is one scalar.");
            more.insert("cotangent_vector".to_owned(), weights);
        }
        more.extend(own_fields());
        put(request, with_inputs(more, &required, "Apply_InputSchema"));
        put(reply, answer);
    }
    put(
        "ShapeDType",
        json!({
            "type": "object",
            "properties": {
                "shape": {"type": "array", "items": {"type": "integer", "minimum": 0}},
                "dtype": {"type": "string", "enum": DType::ALL.map(DType::name)},
            },
            "required": ["shape", "dtype"],
        }),
    );
    put("Base64ArrayData", array_data("base64", json!({"type": "string"}), true));
    put("JsonArrayData", array_data("json", json!({"type": ["array", "number", "boolean", "null"]}), false));
    if formats.binref {
        let buffer = json!({"type": "string", "pattern": "^.+?(\\:\\d+(\\:\\d+)?)?$"});
        put("BinrefArrayData", array_data("binref", buffer, true));
    }
    for (name, schema) in operation::bodies() {
        put(name, schema);
    }
    Value::Object(schemas)
}

/// The optional fields of a derivative's request that are secant's own.
fn own_fields() -> [(String, Value); 2] {
    let algorithms = crate::manifest::AlgorithmName::ALL.map(|algorithm| algorithm.name());
    let positive = json!({"type": "number", "exclusiveMinimum": 0});
    let fd = json!({
        "type": "object",
        "description": "How the derivative is approximated; with an algorithm the model's own is not used.",
        "properties": {
            "algorithm": {"type": "string", "enum": algorithms},
            "eps": {"anyOf": [positive, {"type": "object", "additionalProperties": positive}]},
            "samples": {"type": "integer", "minimum": 1},
            "seed": {"type": "integer", "minimum": 0},
            "workers": {"type": "integer", "minimum": 1},
            "on_failure": {"type": "string", "enum": ["recover", "error"]},
            "dense": {"type": "boolean"},
        },
        "additionalProperties": false,
    });
    let report = json!({
        "type": "boolean",
        "description": "Whether the answer has what it cost and bounds of its errors, under the key $report.",
        "default": false,
    });
    [("fd".to_owned(), fd), ("report".to_owned(), report)]
}

fn array_data(encoding: &str, buffer: Value, compressible: bool) -> Value {
    let compression =
        if compressible { json!({"anyOf": [{"const": "lz4"}, {"type": "null"}]}) } else { json!({"type": "null"}) };
    json!({
        "type": "object",
        "properties": {
            "buffer": buffer,
            "encoding": {"type": "string", "const": encoding},
            "compression": compression,
        },
        "required": ["buffer", "encoding"],
        "additionalProperties": false,
    })
}

fn differentiable_arrays(signature: &Signature, side: Side) -> Value {
    let entries = signature.differentiable(side).into_iter().map(|(pattern, leaf)| {
        let shape = leaf.shape.as_ref().map(|dims| {
            let length = |dim: &Dim| if let Dim::Fixed(length) = dim { Value::from(*length) } else { Value::Null };
            dims.iter().map(length).collect::<Vec<_>>()
        });
        (pattern.to_string(), json!({"dtype": leaf.dtype.name(), "shape": shape}))
    });
    Value::Object(entries.collect())
}

/// The fields of every struct in their order, by the struct's path.
fn field_order(node: &Node) -> Value {
    let mut order = Map::new();
    node.visit(&mut Pattern::default(), &mut |pattern, node| {
        if let Node::Struct { fields, .. } = node {
            order.insert(pattern.to_string(), fields.keys().map(String::as_str).collect());
        }
    });
    Value::Object(order)
}

/// A list of paths of differentiable leaves.
fn path_list(signature: &Signature, side: Side) -> Value {
    let paths = signature.differentiable(side).into_iter().map(|(pattern, _)| match pattern.as_path() {
        Some(path) => json!({"type": "string", "const": path.to_string()}),
        None => json!({"type": "string", "pattern": expression(&pattern)}),
    });
    let mut list = json!({"type": "array", "minItems": 1, "uniqueItems": true});
    let paths: Vec<Value> = paths.collect();
    if !paths.is_empty() {
        list["items"] = json!({"anyOf": paths});
    }
    list
}

/// The paths that a pattern means, as a regular expression.
fn expression(pattern: &Pattern) -> String {
    let parts = pattern.segments().iter().map(|segment| match segment {
        PatternSegment::AnyKey => r"\{(?:[^{}\\]|\\.)+\}".to_owned(),
        PatternSegment::AnyIndex => r"\[\d+\]".to_owned(),
        PatternSegment::Exactly(Segment::Field(name) | Segment::Key(name)) => regex::escape(name),
        PatternSegment::Exactly(Segment::Index(index)) => format!(r"\[{index}\]"),
    });
    format!("^{}$", parts.collect::<Vec<_>>().join(r"\."))
}

/// Schemas that others refer to.
struct Components {
    formats: Formats,
    /// Whether leaves are dtypes and shapes alone.
    abstracts: bool,
    schemas: Map<String, Value>,
}

impl Components {
    /// The schema of one whole side, under its name.
    fn side(&mut self, name: &str, node: &Node) {
        let schema = match node {
            Node::Struct { fields, rest } => self.object(fields, rest.is_some(), name),
            node => self.node(node, name),
        };
        self.schemas.insert(name.to_owned(), schema);
    }

    /// The schema of a node; a struct's has a place of its own, under a name like `hint`.
    fn node(&mut self, node: &Node, hint: &str) -> Value {
        match node {
            Node::Leaf(_) if self.abstracts => reference("ShapeDType"),
            Node::Leaf(leaf) => self.array(leaf.dtype, leaf.shape.as_deref(), Some(leaf)),
            Node::Struct { fields, rest } => {
                let prefix = if self.abstracts { "AbstractEval_" } else { "Apply_" };
                let plain = format!("{prefix}{}", title(hint).replace(' ', ""));
                let name = (1..).map(|n| if n == 1 { plain.clone() } else { format!("{plain}{n}") });
                let free = name.into_iter().find(|name| !self.schemas.contains_key(name));
                let name = free.unwrap_or(plain);
                // Taken before what lies below can take it.
                self.schemas.insert(name.clone(), Value::Null);
                let schema = self.object(fields, rest.is_some(), &name);
                self.schemas.insert(name.clone(), schema);
                reference(&name)
            }
            Node::Dict(values) => json!({"type": "object", "additionalProperties": self.node(values, hint)}),
            Node::List { items, limits } => {
                let mut list = json!({"type": "array", "items": self.node(items, hint), "minItems": limits.min});
                if let Some(max) = limits.max {
                    list["maxItems"] = Value::from(max);
                }
                list
            }
            Node::Tuple(items) => {
                let each: Vec<Value> = items.iter().map(|item| self.node(item, hint)).collect();
                json!({"type": "array", "prefixItems": each, "minItems": items.len(), "maxItems": items.len()})
            }
            Node::Optional(node) => json!({"anyOf": [self.node(node, hint), {"type": "null"}]}),
            Node::Opaque(opaque) => match &opaque.schema {
                // Its references lead into the model's own schema, which is not here.
                schema if schema.to_string().contains("\"$ref\"") => json!({}),
                Value::Object(schema) => Value::Object(typed(schema.clone())),
                _ => json!({}),
            },
        }
    }

    fn object(&mut self, fields: &indexmap::IndexMap<String, Field>, open: bool, name: &str) -> Value {
        let mut properties = Map::new();
        for (key, field) in fields {
            let mut schema = self.node(&field.node, key.as_str());
            schema["title"] = Value::from(field.title.clone().unwrap_or_else(|| title(key)));
            if let Some(description) = &field.description {
                schema["description"] = Value::from(description.as_str());
            }
            if let Some(default) = &field.default {
                schema["default"] = default.clone();
            }
            properties.insert(key.to_owned(), schema);
        }
        let mut schema =
            json!({"type": "object", "title": name, "properties": properties, "additionalProperties": open});
        let required: Vec<&String> = fields.iter().filter(|(_, field)| field.required).map(|(key, _)| key).collect();
        if !required.is_empty() {
            schema["required"] = json!(required);
        }
        schema
    }

    fn array(&self, dtype: DType, dims: Option<&[Dim]>, leaf: Option<&Leaf>) -> Value {
        let shape = match dims {
            None => json!({"type": "array", "items": {"type": "integer", "minimum": 0}}),
            Some(dims) => {
                let each: Vec<Value> = dims.iter().map(dimension).collect();
                let mut shape = json!({"type": "array", "minItems": dims.len(), "maxItems": dims.len()});
                if !each.is_empty() {
                    shape["prefixItems"] = Value::from(each);
                }
                shape
            }
        };
        let kinds: Vec<&str> =
            DType::ALL.into_iter().filter(|other| castable(*other, dtype).is_ok()).map(DType::name).collect();
        let encodings = [("binref", "BinrefArrayData"), ("base64", "Base64ArrayData"), ("json", "JsonArrayData")];
        let encodings = || encodings.iter().filter(|(encoding, _)| *encoding != "binref" || self.formats.binref);
        let data: Vec<Value> = encodings().map(|(_, name)| reference(name)).collect();
        let mapping: Map<String, Value> =
            encodings().map(|(encoding, name)| ((*encoding).to_owned(), reference(name)["$ref"].take())).collect();
        let mut schema = json!({
            "type": "object",
            "properties": {
                "object_type": {"type": "string", "const": "array", "default": "array"},
                "shape": shape,
                "dtype": {"type": "string", "enum": kinds, "examples": [dtype.name()]},
                "data": {"oneOf": data, "discriminator": {"propertyName": "encoding", "mapping": mapping}},
            },
            "required": ["shape", "dtype", "data"],
            "additionalProperties": false,
        });
        let flags: &[&str] = if leaf.is_some_and(|leaf| leaf.differentiable) { &["DIFFERENTIABLE"] } else { &[] };
        schema["array_flags"] = json!(flags);
        if let Some(leaf) = leaf {
            annotate(&mut schema, leaf);
        }
        schema
    }
}

/// The domain and the scale of an array's elements. On an object these keywords restrict nothing: they are for
/// whoever steps through the domain, another secant among them.
fn annotate(schema: &mut Value, leaf: &Leaf) {
    let bounds = [(leaf.minimum, "minimum", "exclusiveMinimum"), (leaf.maximum, "maximum", "exclusiveMaximum")];
    for (bound, closed, open) in bounds {
        if let Some(bound) = bound {
            schema[if bound.exclusive { open } else { closed }] = Value::from(bound.limit);
        }
    }
    if let Some(scale) = leaf.scale {
        schema["scale"] = Value::from(scale);
    }
}

/// A schema with the type that its enumerated values have: clients that build forms ask for one.
fn typed(mut schema: Map<String, Value>) -> Map<String, Value> {
    let values = schema.get("enum").and_then(Value::as_array);
    if let Some([first, rest @ ..]) = values.map(Vec::as_slice)
        && !schema.contains_key("type")
        && rest.iter().all(|value| std::mem::discriminant(value) == std::mem::discriminant(first))
    {
        let name = match first {
            Value::String(_) => "string",
            Value::Bool(_) => "boolean",
            Value::Number(_) => "number",
            Value::Array(_) => "array",
            Value::Object(_) => "object",
            Value::Null => "null",
        };
        schema.insert("type".to_owned(), Value::from(name));
    }
    schema
}

fn dimension(dim: &Dim) -> Value {
    match dim {
        Dim::Fixed(1) => json!({"type": "integer", "const": 1}),
        Dim::Fixed(length) => json!({"type": "integer", "enum": [1, length]}),
        Dim::Any(limits) | Dim::Named(_, limits) => {
            let mut length = json!({"type": "integer", "minimum": limits.min});
            if let Some(max) = limits.max {
                length["maximum"] = Value::from(max);
            }
            if let Dim::Named(name, _) = dim {
                length["title"] = Value::from(name.as_str());
            }
            length
        }
    }
}

/// `fd_algorithm` as people write it: `Fd Algorithm`.
fn title(name: &str) -> String {
    let words = name.split(['_', ' ', '.']).filter(|word| !word.is_empty()).map(|word| {
        let mut letters = word.chars();
        letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect::<String>())
    });
    words.collect::<Vec<_>>().join(" ")
}
