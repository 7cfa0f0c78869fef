//! Output shapes that follow from input shapes: fixed and named dimensions, no evaluation.
//!
//! Not shapes that only the model knows.

use std::collections::HashMap;

use crate::tree::{Abstract, Map, Pattern, PatternSegment, Segment, Tree};

use super::Signature;
use super::leaf::Dim;
use super::node::Node;

type Lengths<'n> = HashMap<&'n str, usize>;

impl Signature {
    /// The outputs that inputs of these shapes lead to, as far as the schemas tell; `None` if any
    /// part is left open. Outputs that are passed through are `null` in it.
    pub fn output_shapes(&self, inputs: &Tree<Abstract>) -> Option<Tree<Abstract>> {
        let mut lengths = Lengths::new();
        for (path, leaf) in inputs.leaves() {
            let dims = self.inputs.leaf(&path).and_then(|leaf| leaf.shape.as_deref()).unwrap_or_default();
            for (dim, &length) in dims.iter().zip(leaf.shape.iter()) {
                if let Dim::Named(name, _) = dim {
                    lengths.insert(name, length);
                }
            }
        }
        shapes(&self.outputs, &lengths)
    }

    /// The outputs whose shapes the schemas leave open whatever the inputs are, and what is open:
    /// naming that dimension as one of the inputs, or fixing it, closes it.
    pub fn open_outputs(&self) -> Vec<(Pattern, String)> {
        let inputs = self.inputs.leaves();
        let dims = inputs.iter().flat_map(|(_, leaf)| leaf.shape.iter().flatten());
        let named: Lengths<'_> = dims
            .filter_map(|dim| match dim {
                Dim::Named(name, _) => Some((name.as_str(), 0)),
                _ => None,
            })
            .collect();
        let mut open = Vec::new();
        self.outputs.visit(&mut Pattern::default(), &mut |pattern, node| {
            let mut add = |what: &str| open.push((pattern.clone(), what.to_owned()));
            match node {
                Node::Struct { fields, .. } => {
                    for (name, _) in fields.iter().filter(|(_, field)| !field.required && field.default.is_none()) {
                        let mut pattern = pattern.clone();
                        pattern.push(PatternSegment::Exactly(Segment::Field(name.clone())));
                        open.push((pattern, "it may be absent".to_owned()));
                    }
                }
                Node::Dict(_) => add("its keys"),
                Node::List { limits, .. } if limits.max != Some(limits.min) => add("its length"),
                Node::Optional(_) => add("it may be null"),
                Node::Leaf(leaf) => match &leaf.shape {
                    None => add("its rank"),
                    Some(dims) => {
                        for (index, _) in dims.iter().enumerate().filter(|(_, dim)| length(dim, &named).is_none()) {
                            add(&format!("dimension {index}"));
                        }
                    }
                },
                _ => {}
            }
        });
        open
    }
}

fn length(dim: &Dim, lengths: &Lengths<'_>) -> Option<usize> {
    match dim {
        Dim::Fixed(length) => Some(*length),
        Dim::Named(name, _) => lengths.get(name.as_str()).copied(),
        Dim::Any(_) => None,
    }
}

fn shapes(node: &Node, lengths: &Lengths<'_>) -> Option<Tree<Abstract>> {
    Some(match node {
        Node::Leaf(leaf) => {
            let shape = leaf.shape.as_ref()?.iter().map(|dim| length(dim, lengths)).collect::<Option<_>>()?;
            Tree::Leaf(Abstract { dtype: leaf.dtype, shape })
        }
        Node::Struct { fields, .. } => {
            let mut map = Map::new();
            for (name, field) in fields {
                if !field.required && field.default.is_none() {
                    return None;
                }
                map.insert(name.clone(), shapes(&field.node, lengths)?);
            }
            Tree::Struct(map)
        }
        Node::Tuple(nodes) => Tree::List(nodes.iter().map(|node| shapes(node, lengths)).collect::<Option<_>>()?),
        Node::List { items, limits } if limits.max == Some(limits.min) => {
            Tree::List((0..limits.min).map(|_| shapes(items, lengths)).collect::<Option<_>>()?)
        }
        Node::Opaque(_) => Tree::Text("null".into()),
        Node::List { .. } | Node::Dict(_) | Node::Optional(_) => return None,
    })
}
