//! JSON Schema to nodes: what is a struct, a list, a leaf, and what is only passed through.
//!
//! Not the keywords of one leaf (`parse_leaf`), nor values (`read`).

use indexmap::IndexMap;
use jsonschema::{Draft, Registry};
use serde_json::Value;

use crate::tree::{Pattern, PatternSegment, Segment};

use super::leaf::Limits;
use super::node::{Field, Node};
use super::opaque::Opaque;
use super::problem::{SchemaError, Side};
use super::resolve::{Unclear, View, merge, resolve};

/// Keywords that restrict values in ways only a JSON Schema validator understands.
const VALIDATED: [&str; 24] = [
    "enum",
    "const",
    "anyOf",
    "oneOf",
    "allOf",
    "not",
    "if",
    "multipleOf",
    "uniqueItems",
    "contains",
    "minContains",
    "maxContains",
    "patternProperties",
    "propertyNames",
    "minProperties",
    "maxProperties",
    "dependentRequired",
    "dependentSchemas",
    "dependencies",
    "unevaluatedItems",
    "unevaluatedProperties",
    "additionalItems",
    "$dynamicRef",
    "$recursiveRef",
];

/// References can multiply: a schema of a few lines may describe more nodes than fit in memory.
const MAX_NODES: usize = 100_000;
const MAX_DEPTH: usize = 100;

/// Parses one schema; what is wrong is added to `errors`.
pub(super) fn parse(root: &Value, side: Side, errors: &mut Vec<SchemaError>) -> Node {
    let mut parser = Parser {
        root,
        side,
        errors,
        draft: Draft::default().detect(root),
        registry: None,
        path: Pattern::default(),
        nodes: 0,
    };
    let node = parser.node(root);
    if !matches!(node, Node::Struct { .. } | Node::Dict(_)) && parser.errors.iter().all(|error| error.side != side) {
        parser.error("type", "should describe an object: give it 'properties'");
    }
    node
}

/// A walk down one schema.
pub(super) struct Parser<'a, 'e> {
    pub(super) root: &'a Value,
    side: Side,
    errors: &'e mut Vec<SchemaError>,
    pub(super) draft: Draft,
    /// The whole schema, for opaque parts to refer to; made when the first needs it, if it can be.
    pub(super) registry: Option<Option<Registry<'static>>>,
    pub(super) path: Pattern,
    nodes: usize,
}

impl<'a> Parser<'a, '_> {
    pub(super) fn error(&mut self, keyword: &str, message: impl Into<String>) {
        let (path, keyword) = (self.path.clone(), keyword.to_owned());
        self.errors.push(SchemaError { side: self.side, path, keyword, message: message.into() });
    }

    fn below(&mut self, segment: PatternSegment, schema: &'a Value) -> Node {
        self.path.push(segment);
        let node = self.node(schema);
        self.path.pop();
        node
    }

    fn node(&mut self, schema: &'a Value) -> Node {
        self.nodes += 1;
        if self.nodes > MAX_NODES || self.path.segments().len() > MAX_DEPTH {
            if self.nodes <= MAX_NODES + 1 {
                self.error("$ref", format!("too large: more than {MAX_NODES} places, or {MAX_DEPTH} levels"));
            }
            self.nodes = self.nodes.max(MAX_NODES + 1);
            return Node::Opaque(Opaque::anything());
        }
        match schema {
            Value::Object(object) => match resolve(self.root, object) {
                Ok(view) => self.object_schema(schema, view),
                Err(unclear) => self.unclear(schema, unclear),
            },
            Value::Bool(true) => Node::Opaque(Opaque::anything()),
            Value::Bool(false) => self.opaque(schema, &View::new(), "false"),
            _ => {
                self.error("type", "a schema is an object, true or false");
                Node::Opaque(Opaque::anything())
            }
        }
    }

    fn unclear(&mut self, schema: &'a Value, unclear: Unclear) -> Node {
        match unclear {
            Unclear::Recursive(reference) => {
                self.opaque(schema, &View::new(), &format!("'{reference}' refers to itself"))
            }
            Unclear::Conflict(keyword) => self.opaque(schema, &View::new(), &keyword),
            Unclear::Lost(message) => {
                self.error("$ref", message);
                Node::Opaque(Opaque::anything())
            }
        }
    }

    /// Takes `null` out of the types and alternatives, if there.
    fn object_schema(&mut self, schema: &'a Value, mut view: View<'a>) -> Node {
        if view.get("differentiable").is_some_and(|mark| !mark.is_boolean()) {
            self.error("differentiable", "is true or false");
        }
        if let Some([one, other]) = view.get("type").and_then(|types| types.as_array()).map(Vec::as_slice)
            && let Some(kind) = [one, other].into_iter().find(|kind| *kind != "null")
            && (*one == "null") != (*other == "null")
        {
            view.insert("type", kind);
            return self.optional(schema, view);
        }
        for keyword in ["anyOf", "oneOf"] {
            if let Some([one, other]) = view.get(keyword).and_then(|schemas| schemas.as_array()).map(Vec::as_slice)
                && is_null(one) != is_null(other)
            {
                view.shift_remove(keyword);
                let some = if is_null(one) { other } else { one };
                return match merge(&mut view, self.root, some) {
                    Ok(()) => self.optional(schema, view),
                    Err(unclear) => self.unclear(schema, unclear),
                };
            }
        }
        self.typed(schema, view)
    }

    fn optional(&mut self, schema: &'a Value, view: View<'a>) -> Node {
        match self.typed(schema, view) {
            // It accepts null itself.
            Node::Opaque(opaque) => Node::Opaque(opaque),
            node => Node::Optional(Box::new(node)),
        }
    }

    fn typed(&mut self, schema: &'a Value, view: View<'a>) -> Node {
        if let Some(keyword) = VALIDATED.iter().find(|keyword| view.contains_key(**keyword)) {
            return self.opaque(schema, &view, keyword);
        }
        let refined = is_refined(&view);
        let kind = match view.get("type") {
            Some(Value::String(kind)) => kind.as_str(),
            None if view.contains_key("properties") || view.contains_key("additionalProperties") => "object",
            None if view.contains_key("items") || view.contains_key("prefixItems") => "array",
            None if refined => "number",
            None => return self.opaque(schema, &view, "no 'type'"),
            Some(_) => return self.opaque(schema, &view, "type"),
        };
        if refined && matches!(kind, "object" | "string" | "null") {
            self.error("type", format!("an array of numbers (see 'dtype', 'shape') is no {kind}"));
        }
        match kind {
            "number" | "integer" => self.leaf(&[view], &[]),
            "boolean" if refined => self.leaf(&[view], &[]),
            "array" => self.array(schema, view),
            "object" => self.object(schema, view),
            "boolean" | "string" | "null" => self.opaque(schema, &view, kind),
            _ => {
                self.error("type", format!("unknown type '{kind}'"));
                Node::Opaque(Opaque::anything())
            }
        }
    }

    fn array(&mut self, schema: &'a Value, view: View<'a>) -> Node {
        if let Some(limits) = self.nested_numbers(&view) {
            let (layers, limits): (Vec<_>, Vec<_>) = limits;
            return self.leaf(&layers, &limits);
        }
        if is_refined(&view) {
            if view.contains_key("prefixItems") || view.get("items").is_some_and(|items| items.is_object()) {
                self.error("items", "an array of numbers (see 'dtype', 'shape') has plain numbers as items");
            }
            return self.leaf(&[view], &[]);
        }
        if view.get("differentiable") == Some(&&Value::Bool(true)) {
            self.error(
                "differentiable",
                "marks a list: only numeric leaves can be differentiable, so mark those in it",
            );
        }
        match (view.get("prefixItems"), view.get("items")) {
            (Some(Value::Array(items)), None | Some(Value::Bool(false))) => {
                let (min, max) = (self.count(&view, "minItems"), self.count(&view, "maxItems"));
                if min.is_some_and(|min| min > items.len()) || max.is_some_and(|max| max < items.len()) {
                    self.error("prefixItems", format!("has {} items, which minItems and maxItems forbid", items.len()));
                }
                let nodes = items
                    .iter()
                    .enumerate()
                    .map(|(index, item)| self.below(PatternSegment::Exactly(Segment::Index(index)), item));
                Node::Tuple(nodes.collect())
            }
            (None, Some(items)) if items.is_object() => {
                let limits = self.limits(&view);
                match self.below(PatternSegment::AnyIndex, items) {
                    Node::Opaque(item) => self.opaque_whole(schema, &view, item),
                    node => Node::List { items: Box::new(node), limits },
                }
            }
            _ => self.opaque(schema, &view, "items"),
        }
    }

    /// The schemas of nested lists down to a number, outermost first, and the limits of each list;
    /// `None` if they are lists of something else.
    fn nested_numbers(&mut self, view: &View<'a>) -> Option<(Vec<View<'a>>, Vec<Limits>)> {
        let mut layers = vec![view.clone()];
        loop {
            let last = layers.last()?;
            if VALIDATED.iter().any(|keyword| last.contains_key(keyword)) || last.contains_key("prefixItems") {
                return None;
            }
            // An item with a shape of its own is one leaf of a list of them.
            if layers.len() > 1 && last.contains_key("shape") {
                return None;
            }
            let kind = last.get("type").map(|kind| kind.as_str());
            match (kind, last.get("items")) {
                (Some(Some("number" | "integer")), None) => break,
                (None, None) if last.contains_key("dtype") => break,
                (Some(Some("boolean")), None) if layers.iter().any(|layer| layer.contains_key("dtype")) => break,
                (None | Some(Some("array")), Some(Value::Object(items))) => {
                    layers.push(resolve(self.root, items).ok()?);
                }
                _ => return None,
            }
        }
        let limits = layers[..layers.len() - 1].iter().map(|layer| self.limits(layer)).collect();
        Some((layers, limits))
    }

    fn object(&mut self, schema: &'a Value, view: View<'a>) -> Node {
        if view.get("differentiable") == Some(&&Value::Bool(true)) {
            self.error(
                "differentiable",
                "marks an object: only numeric leaves can be differentiable, so mark those in it",
            );
        }
        let required = self.required(&view);
        let properties = match view.get("properties") {
            Some(Value::Object(properties)) => Some(properties),
            Some(_) => {
                self.error("properties", "is an object of schemas");
                return Node::Opaque(Opaque::anything());
            }
            None => match view.get("additionalProperties") {
                Some(values) if values.is_object() && required.is_empty() => {
                    return match self.below(PatternSegment::AnyKey, values) {
                        Node::Opaque(value) => self.opaque_whole(schema, &view, value),
                        node => Node::Dict(Box::new(node)),
                    };
                }
                Some(Value::Bool(false)) => None,
                _ => return self.opaque(schema, &view, "additionalProperties"),
            },
        };
        let rest = match view.get("additionalProperties") {
            None | Some(Value::Bool(false)) => None,
            Some(schema) => match self.below_opaque(schema) {
                Node::Opaque(opaque) => Some(opaque),
                _ => None,
            },
        };
        let mut fields = IndexMap::new();
        for (name, schema) in properties.into_iter().flatten() {
            let node = self.below(PatternSegment::Exactly(Segment::Field(name.clone())), schema);
            let annotations = schema.as_object().and_then(|object| resolve(self.root, object).ok()).unwrap_or_default();
            let examples = annotations.get("examples").and_then(|examples| examples.as_array());
            let text = |keyword: &str| annotations.get(keyword).and_then(|text| text.as_str()).map(str::to_owned);
            let field = Field {
                node,
                required: required.contains(&name.as_str()),
                default: annotations.get("default").map(|&value| value.clone()),
                examples: examples.cloned().unwrap_or_default(),
                title: text("title"),
                description: text("description"),
            };
            fields.insert(name.clone(), field);
        }
        for name in required {
            if !fields.contains_key(name) && rest.is_none() {
                self.error("required", format!("'{name}' is not among the properties"));
            } else if !fields.contains_key(name) {
                let node = Node::Opaque(rest.clone().unwrap_or_else(Opaque::anything));
                let field =
                    Field { node, required: true, default: None, examples: Vec::new(), title: None, description: None };
                fields.insert(name.to_owned(), field);
            }
        }
        Node::Struct { fields, rest }
    }

    fn required(&mut self, view: &View<'a>) -> Vec<&'a str> {
        let Some(&required) = view.get("required") else { return Vec::new() };
        let names = required.as_array().and_then(|names| names.iter().map(Value::as_str).collect());
        names.unwrap_or_else(|| {
            self.error("required", "is a list of names");
            Vec::new()
        })
    }

    fn limits(&mut self, view: &View<'a>) -> Limits {
        let limits = Limits { min: self.count(view, "minItems").unwrap_or(0), max: self.count(view, "maxItems") };
        if limits.max.is_some_and(|max| max < limits.min) {
            self.error("maxItems", format!("{} is less than minItems {}", limits.max.unwrap_or(0), limits.min));
        }
        limits
    }

    fn count(&mut self, view: &View<'a>, keyword: &str) -> Option<usize> {
        let &value = view.get(keyword)?;
        let count = value.as_u64().and_then(|count| usize::try_from(count).ok());
        if count.is_none() {
            self.error(keyword, format!("{value} is no count"));
        }
        count
    }
}

fn is_refined(view: &View<'_>) -> bool {
    view.contains_key("dtype") || view.contains_key("shape")
}

fn is_null(schema: &Value) -> bool {
    schema.get("type").is_some_and(|kind| kind == "null") || schema.get("const").is_some_and(Value::is_null)
}
