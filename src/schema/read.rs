//! Values held against a node: a tree, or everything that is wrong with them.
//!
//! Not how leaves are read (`source`), nor what shapes they may have (`fit`).

use indexmap::IndexMap;
use serde_json::Value;

use crate::codec::standard_text;
use crate::tree::{Map, Path, Segment, Tree};

use super::fit::check_bounds;
use super::leaf::{Dim, Leaf, Limits};
use super::node::{Field, Node};
use super::opaque::Opaque;
use super::problem::Side;
use super::source::{Found, Json, Source};
use super::violation::{Faults, Violations};

/// Reads a value as `node` says it should be.
pub(super) fn read<'v, S: Source<'v>>(node: &Node, value: S, side: Side) -> Result<Tree<S::Leaf>, Violations> {
    let mut reader = Reader { side, path: Path::root(), faults: Faults::default(), lengths: IndexMap::new() };
    let tree = reader.node(node, value);
    reader.faults.finish(tree)
}

/// A walk down a value; `None` on the way stands for a part that is in `faults`.
struct Reader<'n> {
    /// What comes from a model is taken as it is meant: `null` for NaN, and no bounds.
    side: Side,
    path: Path,
    faults: Faults,
    /// Named dimensions: their length, and where it was first seen.
    lengths: IndexMap<&'n str, (usize, Path)>,
}

impl<'n> Reader<'n> {
    fn report(&mut self, code: &'static str, message: impl Into<String>) {
        self.faults.add(&self.path, code, message);
    }

    fn below<'v, S: Source<'v>>(&mut self, segment: Segment, node: &'n Node, value: S) -> Option<Tree<S::Leaf>> {
        self.path.push(segment);
        let tree = self.node(node, value);
        self.path.pop();
        tree
    }

    fn node<'v, S: Source<'v>>(&mut self, node: &'n Node, value: S) -> Option<Tree<S::Leaf>> {
        match node {
            Node::Leaf(leaf) => self.leaf(leaf, value),
            Node::Struct { fields, rest } => self.fields(fields, rest.as_ref(), value),
            Node::Dict(values) => {
                let Some(keys) = value.keys() else {
                    self.report("dict_type", "Input should be a valid dictionary");
                    return None;
                };
                let mut map = Map::new();
                for key in keys {
                    let child = self.below(Segment::Key(key.to_owned()), values, value.get(key)?);
                    map.extend(child.map(|child| (key.to_owned(), child)));
                }
                Some(Tree::Dict(map))
            }
            Node::List { items, limits } => {
                let values = self.items(value, *limits)?;
                let trees = values.into_iter().enumerate();
                Some(Tree::List(
                    trees.filter_map(|(index, value)| self.below(Segment::Index(index), items, value)).collect(),
                ))
            }
            Node::Tuple(nodes) => {
                let values = self.items(value, Limits { min: nodes.len(), max: Some(nodes.len()) })?;
                let trees = nodes.iter().zip(values).enumerate();
                Some(Tree::List(
                    trees.filter_map(|(index, (node, value))| self.below(Segment::Index(index), node, value)).collect(),
                ))
            }
            Node::Optional(_) if value.is_null() => Some(Tree::Text("null".into())),
            Node::Optional(node) => self.node(node, value),
            Node::Opaque(opaque) => self.opaque(opaque, value),
        }
    }

    fn items<'v, S: Source<'v>>(&mut self, value: S, limits: Limits) -> Option<Vec<S>> {
        let Some(values) = value.items() else {
            self.report("list_type", "Input should be a valid list");
            return None;
        };
        let found = values.len();
        if found < limits.min {
            self.report("too_short", format!("List should have at least {} items, not {found}", limits.min));
        }
        if let Some(max) = limits.max.filter(|max| found > *max) {
            self.report("too_long", format!("List should have at most {max} items, not {found}"));
        }
        Some(values)
    }

    fn fields<'v, S: Source<'v>>(
        &mut self,
        fields: &'n IndexMap<String, Field>,
        rest: Option<&'n Opaque>,
        value: S,
    ) -> Option<Tree<S::Leaf>> {
        let Some(keys) = value.keys() else {
            self.report("model_attributes_type", "Input should be a valid dictionary or object to extract fields from");
            return None;
        };
        let mut map = Map::new();
        for (name, field) in fields {
            self.path.push(Segment::Field(name.clone()));
            let child = match (value.get(name), &field.default) {
                (Some(value), _) => self.node(&field.node, value),
                (None, Some(default)) if !field.required => self.default(&field.node, default),
                (None, _) => {
                    if field.required {
                        self.report("missing", "Field required");
                    }
                    None
                }
            };
            self.path.pop();
            map.extend(child.map(|child| (name.clone(), child)));
        }
        for key in keys.into_iter().filter(|key| !fields.contains_key(*key)) {
            self.path.push(Segment::Field(key.to_owned()));
            match rest {
                Some(opaque) => {
                    let child = self.opaque(opaque, value.get(key)?);
                    map.extend(child.map(|child| (key.to_owned(), child)));
                }
                None => {
                    let known: Vec<_> = fields.keys().map(String::as_str).collect();
                    self.report(
                        "extra_forbidden",
                        format!("Extra inputs are not permitted: there is {}", known.join(", ")),
                    );
                }
            }
            self.path.pop();
        }
        Some(Tree::Struct(map))
    }

    fn default<A: Found>(&mut self, node: &'n Node, default: &Value) -> Option<Tree<A>> {
        Some(self.node(node, Json(default))?.map(&mut A::of))
    }

    fn opaque<'v, S: Source<'v>>(&mut self, opaque: &Opaque, value: S) -> Option<Tree<S::Leaf>> {
        let value = value.json();
        let faults = opaque.check(&value, &self.path);
        if !faults.is_empty() {
            self.faults.extend(faults);
            return None;
        }
        let text = standard_text(&value, self.side == Side::Output);
        if text.is_none() {
            self.report(
                "finite_number",
                "Input should be a finite number: NaN and Infinity have no place outside arrays",
            );
        }
        Some(Tree::Text(text?.into()))
    }

    fn leaf<'v, S: Source<'v>>(&mut self, leaf: &'n Leaf, value: S) -> Option<Tree<S::Leaf>> {
        let found = match value.leaf(leaf, self.side == Side::Output) {
            Ok(found) => found,
            Err(misfit) => {
                self.report(misfit.code, misfit.message);
                return None;
            }
        };
        for (dim, &length) in leaf.shape.iter().flatten().zip(found.shape()) {
            if let Dim::Named(name, _) = dim {
                self.agree(name, length);
            }
        }
        if let (Side::Input, Some(array)) = (self.side, found.array()) {
            for misfit in check_bounds(array, leaf) {
                self.report(misfit.code, misfit.message);
            }
        }
        Some(Tree::Leaf(found))
    }

    fn agree(&mut self, name: &'n str, length: usize) {
        match self.lengths.get(name) {
            Some((first, path)) if *first != length => {
                let message = format!("Array dimension '{name}' is {length} here, but {first} in {path}");
                self.report("array_shape_mismatch", message);
            }
            Some(_) => {}
            None => {
                self.lengths.insert(name, (length, self.path.clone()));
            }
        }
    }
}
