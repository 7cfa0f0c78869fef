//! What is passed through: found to be so, and handed to a JSON Schema validator.
//!
//! Not what is numeric, nor why this is not (`parse`).

use std::sync::Arc;

use jsonschema::Registry;
use serde_json::Value;

use crate::tree::PatternSegment;

use super::node::Node;
use super::opaque::{Opaque, alternatives};
use super::parse::Parser;
use super::resolve::{View, reaches};

const ROOT: &str = "secant:/schema";

impl<'a> Parser<'a, '_> {
    pub(super) fn below_opaque(&mut self, schema: &'a Value) -> Node {
        match schema {
            Value::Bool(true) => Node::Opaque(Opaque::anything()),
            schema => {
                self.path.push(PatternSegment::AnyKey);
                let node = self.opaque(schema, &View::new(), "additionalProperties beside properties");
                self.path.pop();
                node
            }
        }
    }

    /// What only a validator understands, as long as no derivative is asked of it.
    pub(super) fn opaque(&mut self, schema: &'a Value, view: &View<'a>, reason: &str) -> Node {
        if reaches(self.root, schema, |object| object.get("differentiable") == Some(&Value::Bool(true))) {
            let message = format!(
                "only floating-point and complex leaves can be differentiable, and this is passed through as it is ({reason})"
            );
            self.error("differentiable", message);
            return Node::Opaque(Opaque::anything());
        }
        let mut opaque = Opaque {
            validator: None,
            summary: summary(schema, view),
            schema: if view.is_empty() {
                schema.clone()
            } else {
                view.iter().map(|(keyword, value)| ((*keyword).to_owned(), (*value).clone())).collect()
            },
            description: view.get("description").and_then(|text| text.as_str()).map(str::to_owned),
        };
        let draft = self.draft;
        let built = self.registry().map(|registry| {
            let mut schema = schema.clone();
            absolute(&mut schema);
            let options = jsonschema::options().with_draft(draft).with_registry(registry);
            options.build(&schema).map_err(|error| error.to_string())
        });
        match built {
            Some(Ok(validator)) => opaque.validator = Some(Arc::new(validator)),
            Some(Err(message)) => self.error("type", format!("not a JSON Schema: {message}")),
            None => {}
        }
        Node::Opaque(opaque)
    }

    /// A list or dictionary of nothing but opaque values is one itself. (If what they are could not
    /// be made out, that has been said.)
    pub(super) fn opaque_whole(&mut self, schema: &'a Value, view: &View<'a>, each: Opaque) -> Node {
        match each.validator {
            Some(_) => self.opaque(schema, view, "no numbers inside"),
            None => Node::Opaque(each),
        }
    }

    /// The whole schema, for its parts to refer to. If it cannot be had, that is said once.
    fn registry(&mut self) -> Option<&Registry<'static>> {
        if self.registry.is_none() {
            let builder = Registry::new().draft(self.draft).add(ROOT, self.root.clone());
            let registry = builder.and_then(|builder| builder.prepare());
            if let Err(error) = &registry {
                let path = std::mem::take(&mut self.path);
                self.error("$ref", error.to_string());
                self.path = path;
            }
            self.registry = Some(registry.ok());
        }
        self.registry.as_ref()?.as_ref()
    }
}

/// Makes references into the schema independent of where they stand.
fn absolute(schema: &mut Value) {
    match schema {
        Value::Array(items) => items.iter_mut().for_each(absolute),
        Value::Object(object) => {
            for (keyword, value) in object {
                match value {
                    Value::String(reference) if keyword == "$ref" && reference.starts_with('#') => {
                        *reference = format!("{ROOT}{reference}");
                    }
                    value => absolute(value),
                }
            }
        }
        _ => {}
    }
}

fn summary(schema: &Value, view: &View<'_>) -> String {
    if let Some(Value::Array(options)) = view.get("enum") {
        return alternatives(options);
    }
    if let Some(value) = view.get("const") {
        return alternatives(std::slice::from_ref(value));
    }
    match view.get("type").copied().or_else(|| schema.get("type")) {
        Some(Value::String(kind)) => kind.clone(),
        Some(Value::Array(kinds)) => kinds.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" or "),
        _ if *schema == Value::Bool(false) => "nothing".to_owned(),
        _ => "anything".to_owned(),
    }
}
