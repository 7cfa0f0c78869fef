//! Inputs to try a model with when only their shapes are known.
//!
//! Not inputs anybody gave.

use serde_json::{Map, Value};

use crate::codec::cast;
use crate::tree::{Abstract, Array, Kind, Path, Segment, Tree, element_count};

use super::Signature;
use super::fit::check_bounds;
use super::leaf::Leaf;
use super::node::Node;
use super::problem::Side;
use super::read::read;
use super::source::{Json, Source};
use super::violation::{Violation, Violations};

/// Elements of all stand-ins together: what is only tried should not need all memory.
const MAX_ELEMENTS: usize = 1 << 25;

impl Signature {
    /// Inputs of these shapes, with values from the schema's `examples` and `default` where they
    /// have such a shape, else from inside the bounds.
    pub fn stand_in(&self, shapes: &Tree<Abstract>) -> Result<Tree, Violations> {
        let mut left = MAX_ELEMENTS;
        let mut arrays = Vec::new();
        for (path, shape) in shapes.leaves() {
            left = element_count(&shape.shape).and_then(|count| left.checked_sub(count)).ok_or_else(|| {
                let message = format!("Array of shape {:?} is too large to be made up", shape.shape);
                Violations(vec![Violation { path: path.clone(), code: "array_shape_mismatch", message }])
            })?;
            arrays.push(match self.inputs.leaf(&path) {
                Some(leaf) => suggested(leaf, shape, &self.hints(&path)).unwrap_or_else(|| filled(leaf, shape)),
                None => Array::zeros(shape.dtype, &shape.shape),
            });
        }
        let mut arrays = arrays.into_iter();
        let tree = shapes.map(&mut |_| arrays.next().expect("one array was made for each leaf"));
        read(&self.inputs, &tree, Side::Input)
    }

    /// Inputs the schema gives as an example, or that its parts' examples and defaults make up;
    /// `None` if something required has neither.
    pub fn example_inputs(&self) -> Option<Value> {
        self.examples.first().cloned().or_else(|| example(&self.inputs))
    }

    /// What the schema suggests for the input at `path`, whole examples first.
    fn hints(&self, path: &Path) -> Vec<&Value> {
        let mut hints: Vec<&Value> = self.examples.iter().collect();
        let mut node = Some(&self.inputs);
        for segment in path.segments() {
            hints = hints.into_iter().filter_map(|hint| below(hint, segment)).collect();
            if let Some(field) = node.and_then(|node| node.field(segment)) {
                hints.extend(field.examples.iter().chain(&field.default));
            }
            node = node.and_then(|node| node.child(segment));
        }
        hints
    }
}

fn below<'v>(value: &'v Value, segment: &Segment) -> Option<&'v Value> {
    match segment {
        Segment::Field(name) | Segment::Key(name) => value.get(name),
        Segment::Index(index) => value.get(index),
    }
}

fn example(node: &Node) -> Option<Value> {
    let Node::Struct { fields, .. } = node else { return None };
    let mut object = Map::new();
    for (name, field) in fields {
        let own = field.examples.first().or(field.default.as_ref()).cloned();
        match own.or_else(|| example(&field.node)) {
            Some(value) => _ = object.insert(name.clone(), value),
            None if field.required => return None,
            None => {}
        }
    }
    Some(Value::Object(object))
}

fn suggested(leaf: &Leaf, shape: &Abstract, hints: &[&Value]) -> Option<Array> {
    let arrays = hints.iter().filter_map(|hint| Json(hint).leaf(leaf, false).ok());
    arrays.into_iter().find(|array| *array.shape() == *shape.shape && check_bounds(array, leaf).is_empty())
}

fn filled(leaf: &Leaf, shape: &Abstract) -> Array {
    let count = shape.shape.iter().product();
    let value = inside(leaf);
    let array = match leaf.dtype.kind() {
        Kind::Bool => return Array::zeros(leaf.dtype, &shape.shape),
        Kind::Integer => Array::new(&shape.shape, vec![value as i64; count]),
        Kind::Float | Kind::Complex => Array::new(&shape.shape, vec![value; count]),
    };
    cast(array, leaf.dtype).unwrap_or_else(|_| Array::zeros(leaf.dtype, &shape.shape))
}

/// A harmless value: the typical one or 1 if allowed, else one well within the bounds.
fn inside(leaf: &Leaf) -> f64 {
    let (lower, upper) = (leaf.lower(), leaf.upper());
    let allowed = |value: &f64| lower.is_none_or(|lower| *value >= lower) && upper.is_none_or(|upper| *value <= upper);
    let scale = leaf.scale.filter(|scale| leaf.dtype.is_continuous() || scale.fract() == 0.0);
    scale.into_iter().chain([1.0]).find(allowed).unwrap_or(match (lower, upper) {
        (Some(lower), Some(upper)) => {
            let middle = lower / 2.0 + upper / 2.0;
            if leaf.dtype.is_continuous() { middle } else { middle.floor() }
        }
        (Some(lower), None) => lower + 1.0,
        (None, Some(upper)) => upper - 1.0,
        (None, None) => 1.0,
    })
}
