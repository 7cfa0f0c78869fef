//! A schema as a typed tree: structs, dictionaries, lists, and numeric leaves.
//!
//! Not JSON Schema (`parse` makes it of that), and no values (`read` checks them against it).

use indexmap::IndexMap;
use serde_json::Value;

use crate::tree::{Path, Pattern, PatternSegment, Segment};

use super::leaf::{Leaf, Limits};
use super::opaque::Opaque;

/// What may sit at one place of a tree.
#[derive(Clone, Debug)]
pub enum Node {
    /// A numeric array.
    Leaf(Leaf),
    /// Fields known by name: paths `a.b`.
    Struct {
        /// The fields, in the schema's order.
        fields: IndexMap<String, Field>,
        /// What fields of other names must be, and are passed through as; `None` if there may be none.
        rest: Option<Opaque>,
    },
    /// Free keys: paths `a.{key}`.
    Dict(Box<Node>),
    /// Equal elements: paths `a.[0]`.
    List {
        /// What each element is.
        items: Box<Node>,
        /// How many there may be.
        limits: Limits,
    },
    /// A fixed number of elements, each its own: paths `a.[0]`.
    Tuple(Vec<Node>),
    /// This, or `null`.
    Optional(Box<Node>),
    /// Anything that is not numeric, passed through as JSON.
    Opaque(Opaque),
}

/// A field of a struct.
#[derive(Clone, Debug)]
pub struct Field {
    /// What it is.
    pub node: Node,
    /// Whether it must be given.
    pub required: bool,
    /// What it is when not given.
    pub default: Option<Value>,
    /// What it may look like.
    pub examples: Vec<Value>,
    /// What people call it.
    pub title: Option<String>,
    /// What the schema says it is.
    pub description: Option<String>,
}

impl Node {
    /// The numeric leaf at `path`, whether or not a value has that many elements or that key.
    pub fn leaf(&self, path: &Path) -> Option<&Leaf> {
        match path.segments().iter().try_fold(self, Node::child)?.present() {
            Node::Leaf(leaf) => Some(leaf),
            _ => None,
        }
    }

    /// What is one step below.
    pub(super) fn child(&self, segment: &Segment) -> Option<&Node> {
        match (self.present(), segment) {
            (Node::Struct { .. }, _) => self.field(segment).map(|field| &field.node),
            (Node::Dict(values), Segment::Key(_)) => Some(values),
            (Node::List { items, .. }, Segment::Index(_)) => Some(items),
            (Node::Tuple(items), Segment::Index(index)) => items.get(*index),
            _ => None,
        }
    }

    /// The field one step below a struct.
    pub(super) fn field(&self, segment: &Segment) -> Option<&Field> {
        match (self.present(), segment) {
            (Node::Struct { fields, .. }, Segment::Field(name)) => fields.get(name),
            _ => None,
        }
    }

    /// The leaf that exactly this pattern names, to be changed.
    pub(super) fn leaf_mut(&mut self, pattern: &Pattern) -> Option<&mut Leaf> {
        use PatternSegment::{AnyIndex, AnyKey, Exactly};
        let node = pattern.segments().iter().try_fold(self, |node, segment| match (node.present_mut(), segment) {
            (Node::Struct { fields, .. }, Exactly(Segment::Field(name))) => {
                fields.get_mut(name).map(|field| &mut field.node)
            }
            (Node::Dict(values), AnyKey) => Some(&mut **values),
            (Node::List { items, .. }, AnyIndex) => Some(&mut **items),
            (Node::Tuple(items), Exactly(Segment::Index(index))) => items.get_mut(*index),
            _ => None,
        })?;
        match node.present_mut() {
            Node::Leaf(leaf) => Some(leaf),
            _ => None,
        }
    }

    /// What it is if it is not `null`.
    pub(super) fn present(&self) -> &Node {
        match self {
            Node::Optional(node) => node.present(),
            node => node,
        }
    }

    fn present_mut(&mut self) -> &mut Node {
        match self {
            Node::Optional(node) => node.present_mut(),
            node => node,
        }
    }

    /// Every numeric leaf with the pattern of its paths, in the schema's order.
    pub fn leaves(&self) -> Vec<(Pattern, &Leaf)> {
        let mut found = Vec::new();
        self.visit(&mut Pattern::default(), &mut |pattern, node| {
            if let Node::Leaf(leaf) = node {
                found.push((pattern.clone(), leaf));
            }
        });
        found
    }

    /// Everything that is passed through, with the pattern of its paths, in the schema's order.
    pub fn opaques(&self) -> Vec<(Pattern, &Opaque)> {
        let mut found = Vec::new();
        self.visit(&mut Pattern::default(), &mut |pattern, node| {
            if let Node::Opaque(opaque) = node {
                found.push((pattern.clone(), opaque));
            }
        });
        found
    }

    /// Calls `act` on this and everything below it, each with the pattern of its paths.
    pub(crate) fn visit<'n>(&'n self, pattern: &mut Pattern, act: &mut impl FnMut(&Pattern, &'n Node)) {
        act(pattern, self);
        let mut below = |segment: PatternSegment, node: &'n Node| {
            pattern.push(segment);
            node.visit(pattern, act);
            pattern.pop();
        };
        match self {
            Node::Leaf(_) | Node::Opaque(_) => {}
            Node::Optional(node) => node.visit(pattern, act),
            Node::Dict(values) => below(PatternSegment::AnyKey, values),
            Node::List { items, .. } => below(PatternSegment::AnyIndex, items),
            Node::Struct { fields, .. } => {
                for (name, field) in fields {
                    below(PatternSegment::Exactly(Segment::Field(name.clone())), &field.node);
                }
            }
            Node::Tuple(items) => {
                for (index, node) in items.iter().enumerate() {
                    below(PatternSegment::Exactly(Segment::Index(index)), node);
                }
            }
        }
    }
}
