//! The schemas that follow from a signature, and whether schemas that somebody else wrote fit it.

use serde_json::{Map, Value, json};

use super::expression::Expression;
use super::prototype::{Argument, Origin, Prototype};
use crate::schema::{Dim, Leaf, Node, Signature};
use crate::tree::{DType, Kind, PatternSegment, Segment};

impl Prototype {
    /// The input schema: a property for each argument that is an input.
    pub(super) fn input_schema(&self) -> Value {
        let inputs = self.arguments.iter().enumerate().filter(|(_, argument)| argument.role.is_input());
        object(inputs.map(|(index, argument)| (argument.name.as_str(), self.leaf(argument, self.counts(index)))))
    }

    /// The output schema: what is returned first, then the arguments that come out.
    pub(super) fn output_schema(&self) -> Value {
        let result = self.result.as_ref().and_then(|result| Some((result.output.as_deref()?, numbers(result.dtype))));
        let outputs = self.arguments.iter().filter_map(|argument| {
            let leaf = self.leaf(argument, false);
            Some((argument.role.output()?, leaf))
        });
        object(result.into_iter().chain(outputs))
    }

    /// Whether an argument is a number of elements.
    fn counts(&self, index: usize) -> bool {
        let used = |expression: &Expression| {
            let mut used = false;
            self.unfold(expression)
                .names(&mut |variable| used |= self.variables[*variable].origin == Origin::Input(index));
            used
        };
        self.arguments.iter().any(|argument| argument.dims.iter().any(used))
    }

    fn leaf(&self, argument: &Argument, counts: bool) -> Value {
        let mut leaf = numbers(argument.dtype);
        if counts {
            leaf["minimum"] = json!(0);
        }
        if argument.dims.is_empty() {
            return leaf;
        }
        let dims = argument.dims.iter().map(|dim| match self.unfold(dim) {
            Expression::Number(length) => json!(length),
            Expression::Name(variable) if matches!(self.variables[variable].origin, Origin::Length { .. }) => {
                json!(self.variables[variable].name)
            }
            _ => Value::Null,
        });
        let dims: Vec<Value> = dims.collect();
        let mut array = Map::new();
        let marked = leaf.as_object_mut().and_then(|leaf| leaf.remove("differentiable"));
        let dtype = leaf.as_object_mut().and_then(|leaf| leaf.remove("dtype"));
        let items = dims.iter().fold(leaf, |items, _| json!({"type": "array", "items": items}));
        array.extend(items.as_object().cloned().unwrap_or_default());
        array.extend(dtype.map(|dtype| ("dtype".to_owned(), dtype)));
        array.insert("shape".to_owned(), Value::Array(dims));
        array.extend(marked.map(|marked| ("differentiable".to_owned(), marked)));
        Value::Object(array)
    }

    /// Whether a model's signature is this function's: every input there and as the function has it, and
    /// no output that it does not have.
    pub(super) fn hold(&self, signature: &Signature) -> Result<(), String> {
        let mut faults = Vec::new();
        for (pattern, leaf) in signature.inputs.leaves() {
            let name = pattern.to_string();
            match self.input(&name) {
                Some(index) => faults.extend(self.misfit("input", &name, &self.arguments[index], leaf)),
                None => faults.push(format!("input {name}: the function has no such argument, or it is no input")),
            }
        }
        for argument in self.arguments.iter().filter(|argument| argument.role.is_input()) {
            if field(&signature.inputs, &argument.name).is_none() {
                faults.push(format!("input {}: is missing, or not numeric", argument.name));
            }
        }
        for (pattern, leaf) in signature.outputs.leaves() {
            let name = pattern.to_string();
            match self.output(&name) {
                Some(index) if index < self.arguments.len() => {
                    faults.extend(self.misfit("output", &name, &self.arguments[index], leaf));
                }
                Some(_) if leaf.shape.as_ref().is_none_or(Vec::is_empty) => {}
                Some(_) => faults.push(format!("output {name}: has the shape {}, but is a number", leaf.shape_text())),
                None => faults.push(format!("output {name}: nothing of that name comes out of the function")),
            }
        }
        if faults.is_empty() {
            return Ok(());
        }
        Err(format!("the schemas do not fit symbol.call:\n  {}", faults.join("\n  ")))
    }

    fn misfit(&self, side: &str, name: &str, argument: &Argument, leaf: &Leaf) -> Option<String> {
        let rank = argument.dims.len();
        if side == "input" && leaf.dtype != argument.dtype {
            return Some(format!("{side} {name}: is {}, the function takes {}", leaf.dtype, argument.dtype));
        }
        let shape = leaf.shape.as_ref()?;
        let fixed = |dim: &Expression| match self.unfold(dim) {
            Expression::Number(length) => usize::try_from(length).ok(),
            _ => None,
        };
        let fits = shape.len() == rank
            && shape.iter().zip(&argument.dims).all(|(has, wants)| match (has, fixed(wants)) {
                (Dim::Fixed(has), Some(wants)) => *has == wants,
                _ => true,
            });
        let wants = self.shape_text(argument);
        let wants = if wants.is_empty() { "a number".to_owned() } else { format!("{name}{wants}") };
        (!fits).then(|| format!("{side} {name}: has the shape {}, the function has {wants}", leaf.shape_text()))
    }
}

fn field<'n>(node: &'n Node, name: &str) -> Option<&'n Leaf> {
    let leaves = node.leaves().into_iter();
    let mut leaves = leaves.filter(|(pattern, _)| match pattern.segments() {
        [PatternSegment::Exactly(Segment::Field(field))] => field == name,
        _ => false,
    });
    leaves.next().map(|(_, leaf)| leaf)
}

/// The schema of one number.
fn numbers(dtype: DType) -> Value {
    let kind = match dtype.kind() {
        Kind::Integer => "integer",
        _ => "number",
    };
    let mut leaf = json!({"type": kind});
    if !matches!(dtype, DType::Float64 | DType::Int64) {
        leaf["dtype"] = json!(dtype.name());
    }
    if dtype.is_continuous() {
        leaf["differentiable"] = json!(true);
    }
    leaf
}

fn object<'n>(properties: impl Iterator<Item = (&'n str, Value)>) -> Value {
    let properties: Map<String, Value> = properties.map(|(name, leaf)| (name.to_owned(), leaf)).collect();
    let required: Vec<&String> = properties.keys().collect();
    json!({"type": "object", "required": required, "properties": properties})
}
