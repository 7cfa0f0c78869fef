//! What a model's inputs and outputs are: JSON Schema made into a typed tree, and values held
//! against it, so that whatever is wrong is said before a model is asked, all of it at once.
//!
//! Not how arrays are written in JSON (that is `codec`), and nothing that evaluates.

mod fit;
mod leaf;
mod node;
mod opaque;
mod parse;
mod parse_leaf;
mod parse_opaque;
mod problem;
mod read;
mod resolve;
mod shapes;
mod source;
mod stand_in;
mod straight;
mod violation;

#[cfg(test)]
mod tests;

pub(crate) use fit::{broadcast as repeat_fixed, repeated as broadcast};
pub use leaf::{Dim, Leaf};
pub use node::{Field, Node};
pub use problem::{SchemaError, SchemaErrors, Side};
pub(crate) use violation::Faults;
pub use violation::{Violation, Violations};

use serde_json::Value;

use crate::tree::{Abstract, Path, Pattern, PatternSegment, Segment, Tree};

/// What goes into a model and what comes out of it.
#[derive(Clone, Debug)]
pub struct Signature {
    /// What it is given.
    pub inputs: Node,
    /// What it answers.
    pub outputs: Node,
    /// Whole inputs that the schema gives as examples.
    pub examples: Vec<Value>,
}

/// Leaves to be marked differentiable whose schema cannot be edited.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Differentiable {
    /// Inputs that derivatives may be taken with respect to.
    pub inputs: Vec<Pattern>,
    /// Outputs that derivatives may be taken of.
    pub outputs: Vec<Pattern>,
}

impl Signature {
    /// Understands two JSON Schemas, or says everything that is wrong with them.
    pub fn parse(input: &Value, output: &Value, differentiable: &Differentiable) -> Result<Signature, SchemaErrors> {
        let mut errors = Vec::new();
        let inputs = side(input, Side::Input, &differentiable.inputs, &mut errors);
        let outputs = side(output, Side::Output, &differentiable.outputs, &mut errors);
        if !errors.is_empty() {
            return Err(SchemaErrors(errors));
        }
        let keywords = input.as_object().and_then(|object| resolve::resolve(input, object).ok()).unwrap_or_default();
        let examples = keywords.get("examples").and_then(|examples| examples.as_array()).cloned().unwrap_or_default();
        Ok(Signature { inputs, outputs, examples })
    }

    /// The schema of one side.
    pub fn side(&self, side: Side) -> &Node {
        match side {
            Side::Input => &self.inputs,
            Side::Output => &self.outputs,
        }
    }

    /// The leaves derivatives may be asked of, in the schema's order.
    pub fn differentiable(&self, side: Side) -> Vec<(Pattern, &Leaf)> {
        self.side(side).leaves().into_iter().filter(|(_, leaf)| leaf.differentiable).collect()
    }

    /// Whether the input at this path may be a text.
    pub fn takes_text(&self, path: &Path) -> bool {
        let node = path.segments().iter().try_fold(&self.inputs, Node::child);
        node.is_some_and(|node| matches!(node.present(), Node::Opaque(_)))
    }

    /// Inputs as they come in a request: checked, cast, defaults filled in.
    pub fn inputs_from_json(&self, value: &Value) -> Result<Tree, Violations> {
        read::read(&self.inputs, source::Json(value), Side::Input)
    }

    /// The same while their text is parsed, if there is nothing wrong with it.
    pub(crate) fn straight_inputs(&self) -> straight::Inputs<'_> {
        straight::Inputs(&self.inputs)
    }

    /// Outputs as a model writes them: checked and cast; `null` is NaN; bounds are the caller's.
    pub fn outputs_from_json(&self, value: &Value) -> Result<Tree, Violations> {
        read::read(&self.outputs, source::Json(value), Side::Output)
    }

    /// Inputs made in Rust: checked, cast, defaults filled in. What needs no change is shared.
    pub fn inputs_from_tree(&self, tree: &Tree) -> Result<Tree, Violations> {
        read::read(&self.inputs, tree, Side::Input)
    }

    /// Outputs a model made in Rust or C: checked and cast. What needs no change is shared.
    pub fn outputs_from_tree(&self, tree: &Tree) -> Result<Tree, Violations> {
        read::read(&self.outputs, tree, Side::Output)
    }

    /// Inputs of which only dtypes and shapes are told: leaves are `{"shape","dtype"}`, or arrays
    /// whose shape is taken.
    pub fn abstract_from_json(&self, value: &Value) -> Result<Tree<Abstract>, Violations> {
        read::read(&self.inputs, source::Shapes(value), Side::Input)
    }
}

impl Signature {
    /// Outputs of which only dtypes and shapes are told, as a model writes them.
    pub fn abstract_outputs_from_json(&self, value: &Value) -> Result<Tree<Abstract>, Violations> {
        read::read(&self.outputs, source::Shapes(value), Side::Output)
    }
}

/// Parses the schema of one side, marks the leaves that are listed apart, and holds the schema's
/// defaults against itself.
fn side(schema: &Value, side: Side, marks: &[Pattern], errors: &mut Vec<SchemaError>) -> Node {
    let mut node = parse::parse(schema, side, errors);
    let mut error = |path: &Pattern, keyword: &str, message: String| {
        errors.push(SchemaError { side, path: path.clone(), keyword: keyword.to_owned(), message });
    };
    for pattern in marks {
        match node.leaf_mut(pattern) {
            Some(leaf) if leaf.dtype.is_continuous() => leaf.differentiable = true,
            Some(leaf) => {
                let message =
                    format!("is listed, but only floating-point and complex leaves can be, not {}", leaf.dtype);
                error(pattern, "differentiable", message);
            }
            None => {
                let known: Vec<_> = node.leaves().iter().map(|(pattern, _)| pattern.to_string()).collect();
                error(pattern, "differentiable", format!("is listed, but the leaves are {}", known.join(", ")));
            }
        }
    }
    for (pattern, leaf) in node.leaves() {
        if leaf.differentiable && pattern.to_string().parse() != Ok(pattern.clone()) {
            error(&pattern, "properties", "a name with any of .[]{}\\ cannot be part of a path".to_owned());
        }
    }
    node.visit(&mut Pattern::default(), &mut |pattern, node| {
        let Node::Struct { fields, .. } = node else { return };
        for (name, field) in fields {
            let checked = field.default.as_ref().map(|default| read::read(&field.node, source::Json(default), side));
            let violations = checked.and_then(Result::err).map_or(Vec::new(), |violations| violations.0);
            let mut pattern = pattern.clone();
            pattern.push(PatternSegment::Exactly(Segment::Field(name.clone())));
            for violation in violations {
                error(&pattern, "default", violation.to_string());
            }
        }
    });
    node
}
