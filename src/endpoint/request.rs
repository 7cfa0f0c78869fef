//! From a request's JSON to a request that is known to make sense, or everything that is wrong with it.

use std::collections::{HashMap, HashSet};

use indexmap::IndexSet;
use serde_json::{Map, Value};

use super::faults::{Faults, field};
use super::question::{Lists, Question, WEIGHTS};
use super::vectors::{Fitting, Vectors};
use super::{Body, Error};
use crate::schema::{Side, Signature, Violation, Violations};
use crate::tree::{Path, Pattern, Segment, Tree};

/// Which outputs are wanted. Whether a key or index exists shows only when there are outputs.
#[derive(Clone, Debug, PartialEq)]
pub struct Wanted(pub Vec<Pattern>);

/// A derivative asked for, proven against the signature.
#[derive(Clone, Debug)]
pub struct Request {
    /// The point.
    pub inputs: Tree,
    /// The inputs to differentiate by, in the order of the tree.
    pub wrt: Vec<Path>,
    /// The outputs to differentiate.
    pub of: Wanted,
    /// For a JVP a tangent for each of `wrt`, for a VJP the cotangents as given.
    pub vectors: Vectors,
    /// For second derivatives the weights of the outputs; empty for a scalar output.
    pub weights: Vectors,
}

impl Request {
    /// Reads the JSON of a request: `{"inputs", "jac_inputs", "jac_outputs"}` and its like. Patterns stand
    /// for all that they match.
    pub(crate) fn parse(
        signature: &Signature,
        question: Question,
        body: &Body,
        lists: Lists,
    ) -> Result<Request, Error> {
        let (wrt_name, of_name, vector_name) = question.fields();
        let mut faults = Faults::default();
        let Some(fields) = body.json.as_object() else {
            faults.add(&Path::root(), "model_attributes_type", "a request is an object with the field `inputs`");
            return faults.finish(None).map_err(Error::Caller);
        };
        let weights_name = question.is_second().then_some(WEIGHTS);
        let known = ["inputs", wrt_name, of_name].into_iter().chain(vector_name).chain(weights_name);
        let known: Vec<_> = known.collect();
        for name in fields.keys().filter(|name| !known.contains(&name.as_str())) {
            faults.add(
                &field(name),
                "extra_forbidden",
                format!("Extra inputs are not permitted (expected {})", known.join(", ")),
            );
        }
        let inputs = read_inputs(fields.get("inputs"), |inputs| body.inputs(inputs, signature), &mut faults);
        let mut list = |name: &str| path_list(fields.get(name), name, lists, &mut faults);
        let (wrt, of) = (list(wrt_name), list(of_name));
        let vectors = vector_name.and_then(|name| arrays(fields, name, true, &mut faults));
        let weights = weights_name.and_then(|name| arrays(fields, name, false, &mut faults));
        // A vector's keys tell which paths are meant when the list does not.
        let keys = |wanted: bool| {
            vectors
                .filter(|_| wanted)
                .map(|vectors| vectors.keys().map(|key| (key.clone(), key.parse())).collect::<Vec<_>>())
        };
        let wrt = wrt.or_else(|| named_by(keys(question.has_tangents()), vector_name, &mut faults));
        let of = of.or_else(|| named_by(keys(question == Question::Vjp), vector_name, &mut faults));
        let Some(inputs) = inputs else {
            // What of the rest is wrong whatever the inputs are.
            check_declared(signature, Side::Input, wrt.as_deref().unwrap_or_default(), wrt_name, &mut faults);
            check_declared(signature, Side::Output, of.as_deref().unwrap_or_default(), of_name, &mut faults);
            return faults.finish(None).map_err(Error::Caller);
        };
        let wrt = resolve_inputs(signature, &inputs, wrt, wrt_name, &mut faults);
        let of = resolve_outputs(signature, of, of_name, &mut faults);
        let mut read = Vectors::new();
        if let (Some(name), Some(given)) = (vector_name, vectors) {
            let list = if question.has_tangents() { wrt_name } else { of_name };
            let fitting = Fitting { signature, question, name, list, inputs: &inputs, wrt: &wrt, of: &of.0 };
            read = fitting.read(given, &mut faults);
        }
        let mut weighted = Vectors::new();
        if let Some(given) = weights {
            let (question, name, list) = (Question::Vjp, WEIGHTS, of_name);
            let fitting = Fitting { signature, question, name, list, inputs: &inputs, wrt: &wrt, of: &of.0 };
            weighted = fitting.read(given, &mut faults);
        }
        faults.finish(Some(Request { inputs, wrt, of, vectors: read, weights: weighted })).map_err(Error::Caller)
    }

    /// The same from Rust values; `inputs` have been checked against the signature.
    pub fn new(
        signature: &Signature,
        question: Question,
        inputs: Tree,
        wrt: Option<Vec<Pattern>>,
        of: Option<Vec<Pattern>>,
        vectors: Vectors,
    ) -> Result<Request, Error> {
        let (wrt_name, of_name, vector_name) = question.fields();
        let mut faults = Faults::default();
        let keys = || Some(vectors.iter().map(|(path, _)| path.clone().into()).collect());
        let wrt = wrt.or_else(|| if question.has_tangents() { keys() } else { None });
        let of = of.or_else(|| if question == Question::Vjp { keys() } else { None });
        let wrt = resolve_inputs(signature, &inputs, wrt, wrt_name, &mut faults);
        let of = resolve_outputs(signature, of, of_name, &mut faults);
        let mut read = Vectors::new();
        if let Some(name) = vector_name {
            let given = vectors.into_iter().map(|(path, array)| (path.to_string(), array));
            let list = if question.has_tangents() { wrt_name } else { of_name };
            let fitting = Fitting { signature, question, name, list, inputs: &inputs, wrt: &wrt, of: &of.0 };
            read = fitting.fit(given.collect(), &mut faults);
        }
        faults.finish(Some(Request { inputs, wrt, of, vectors: read, weights: Vectors::new() })).map_err(Error::Caller)
    }

    /// The same with weights for the outputs, of which second derivatives are then the sum.
    pub fn weighted(self, signature: &Signature, weights: Vectors) -> Result<Request, Error> {
        let mut faults = Faults::default();
        let given = weights.into_iter().map(|(path, array)| (path.to_string(), array));
        let Request { inputs, wrt, of, .. } = &self;
        let (question, name, list) = (Question::Vjp, WEIGHTS, "the outputs");
        let fitting = Fitting { signature, question, name, list, inputs, wrt, of: &of.0 };
        let weights = fitting.fit(given.collect(), &mut faults);
        faults.finish(Some(Request { weights, ..self })).map_err(Error::Caller)
    }
}

/// A field of arrays by path.
fn arrays<'b>(
    fields: &'b Map<String, Value>,
    name: &str,
    required: bool,
    faults: &mut Faults,
) -> Option<&'b Map<String, Value>> {
    match fields.get(name) {
        Some(Value::Object(arrays)) => return Some(arrays),
        Some(_) => faults.add(&field(name), "dict_type", "Input should be an object of arrays by path"),
        None if required => faults.add(&field(name), "missing", "Field required"),
        None => {}
    }
    None
}

/// The inputs of an `apply` or `abstract_eval` request, read by `read`.
pub(super) fn body_inputs<T>(body: &Value, read: impl FnOnce(&Value) -> Result<T, Violations>) -> Result<T, Error> {
    let mut faults = Faults::default();
    let Some(fields) = body.as_object() else {
        faults.add(&Path::root(), "model_attributes_type", "a request is an object with the field `inputs`");
        return faults.finish(None).map_err(Error::Caller);
    };
    for name in fields.keys().filter(|name| *name != "inputs") {
        faults.add(&field(name), "extra_forbidden", "Extra inputs are not permitted (expected inputs)");
    }
    let inputs = read_inputs(fields.get("inputs"), read, &mut faults);
    faults.finish(inputs).map_err(Error::Caller)
}

fn read_inputs<T>(
    inputs: Option<&Value>,
    read: impl FnOnce(&Value) -> Result<T, Violations>,
    faults: &mut Faults,
) -> Option<T> {
    let Some(inputs) = inputs else {
        faults.add(&field("inputs"), "missing", "Field required");
        return None;
    };
    read(inputs).map_err(|violations| faults.extend(under_inputs(violations).0)).ok()
}

/// Puts violations of the inputs under `inputs`.
fn under_inputs(violations: Violations) -> Violations {
    let below = |violation: Violation| {
        let mut path = field("inputs");
        violation.path.segments().iter().for_each(|segment| path.push(segment.clone()));
        Violation { path, ..violation }
    };
    Violations(violations.0.into_iter().map(below).collect())
}

fn path_list(list: Option<&Value>, name: &str, lists: Lists, faults: &mut Faults) -> Option<Vec<Pattern>> {
    let entries = match list {
        Some(Value::Array(entries)) if !entries.is_empty() => entries.as_slice(),
        // Of the one output that a Hessian is of the name is enough.
        Some(one @ Value::String(_)) if name == "hess_output" => std::slice::from_ref(one),
        Some(Value::Array(_)) if lists == Lists::Required => {
            faults.add(&field(name), "too_short", "Set should have at least 1 item after validation, not 0");
            return None;
        }
        None if lists == Lists::Required => {
            faults.add(&field(name), "missing", "Field required");
            return None;
        }
        Some(Value::Array(_)) | None => return None,
        Some(_) => {
            faults.add(&field(name), "set_type", "Input should be a valid set: a list of paths");
            return None;
        }
    };
    let mut patterns = Vec::new();
    for (index, entry) in entries.iter().enumerate() {
        let at = field(name).join(Segment::Index(index));
        match entry.as_str().map(str::parse::<Pattern>) {
            Some(Ok(pattern)) => patterns.push(pattern),
            Some(Err(error)) => faults.add(&at, "string_pattern_mismatch", error.to_string()),
            None => faults.add(&at, "string_type", "Input should be a path"),
        }
    }
    Some(patterns)
}

type Keys = Vec<(String, Result<Pattern, crate::tree::PathError>)>;

fn named_by(keys: Option<Keys>, name: Option<&str>, faults: &mut Faults) -> Option<Vec<Pattern>> {
    let mut patterns = Vec::new();
    for (key, parsed) in keys? {
        match parsed {
            Ok(pattern) => patterns.push(pattern),
            Err(error) => faults.add(
                &field(name.unwrap_or_default()).join(Segment::Key(key)),
                "string_pattern_mismatch",
                error.to_string(),
            ),
        }
    }
    Some(patterns)
}

/// Whether every path that the pattern can mean is one that another pattern means.
fn covers(declared: &Pattern, asked: &Pattern) -> bool {
    use crate::tree::PatternSegment::{AnyIndex, AnyKey, Exactly};
    declared.segments().len() == asked.segments().len()
        && declared.segments().iter().zip(asked.segments()).all(|pair| match pair {
            (AnyIndex, AnyIndex | Exactly(Segment::Index(_))) | (AnyKey, AnyKey | Exactly(Segment::Key(_))) => true,
            (a, b) => a == b,
        })
}

pub(super) fn listed<'a>(leaves: impl IntoIterator<Item = &'a Pattern>) -> String {
    let texts: Vec<_> = leaves.into_iter().map(|pattern| format!("'{pattern}'")).collect();
    match texts.split_last() {
        None => "nothing: the schema marks nothing here as differentiable".to_owned(),
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
    }
}

/// The concrete inputs that patterns mean, in the order of the tree.
fn resolve_inputs(
    signature: &Signature,
    inputs: &Tree,
    asked: Option<Vec<Pattern>>,
    name: &str,
    faults: &mut Faults,
) -> Vec<Path> {
    let differentiable = signature.differentiable(Side::Input);
    let leaves: Vec<Path> = inputs.leaves().into_iter().map(|(path, _)| path).collect();
    let Some(asked) = asked else {
        let all: Vec<_> =
            leaves.into_iter().filter(|path| differentiable.iter().any(|(pattern, _)| pattern.matches(path))).collect();
        if all.is_empty() {
            faults.add(
                &field(name),
                "too_short",
                "there is no differentiable input here: mark one with \"differentiable\": true",
            );
        }
        return all;
    };
    let mut chosen = vec![false; leaves.len()];
    let positions: HashMap<&Path, usize> = leaves.iter().zip(0..).collect();
    let mut open: HashMap<&Pattern, bool> = HashMap::new();
    let declared = check_declared(signature, Side::Input, &asked, name, faults);
    for (index, pattern) in asked.iter().enumerate().filter(|(index, _)| declared[*index]) {
        let at = field(name).join(Segment::Index(index));
        let met = match pattern.as_path() {
            Some(path) => positions.get(&path).map(|position| chosen[*position] = true).is_some(),
            None => *open.entry(pattern).or_insert_with(|| {
                let matching = leaves.iter().zip(&mut chosen).filter(|(path, _)| pattern.matches(path));
                matching.map(|(_, slot)| *slot = true).count() > 0
            }),
        };
        if !met {
            faults.add(&at, "value_error", format!("Value error, Could not find {name} path {pattern} in inputs."));
        }
    }
    leaves.into_iter().zip(chosen).filter_map(|(path, chosen)| chosen.then_some(path)).collect()
}

fn resolve_outputs(signature: &Signature, asked: Option<Vec<Pattern>>, name: &str, faults: &mut Faults) -> Wanted {
    let differentiable = signature.differentiable(Side::Output);
    let Some(asked) = asked else {
        if differentiable.is_empty() {
            faults.add(
                &field(name),
                "too_short",
                "there is no differentiable output: mark one with \"differentiable\": true",
            );
        }
        return Wanted(differentiable.into_iter().map(|(pattern, _)| pattern).collect());
    };
    check_declared(signature, Side::Output, &asked, name, faults);
    Wanted(asked)
}

/// Every pattern asked for must be one of a differentiable leaf. Which are, one by one.
fn check_declared(signature: &Signature, side: Side, asked: &[Pattern], name: &str, faults: &mut Faults) -> Vec<bool> {
    let differentiable = signature.differentiable(side);
    let mut declared = Vec::with_capacity(asked.len());
    for (index, pattern) in asked.iter().enumerate() {
        let known = differentiable.iter().any(|(declared, _)| covers(declared, pattern));
        if !known {
            let expected = listed(differentiable.iter().map(|(pattern, _)| pattern));
            let at = field(name).join(Segment::Index(index));
            faults.add(&at, "literal_error", format!("Input should be {expected}, found '{pattern}'"));
        }
        declared.push(known);
    }
    declared
}

impl Wanted {
    /// The concrete outputs that are meant, in the order of the tree, or which are absent.
    pub(super) fn resolve<A>(&self, outputs: &Tree<A>) -> Result<Vec<Path>, Error> {
        let leaves: Vec<Path> = outputs.leaves().into_iter().map(|(path, _)| path).collect();
        let mut faults = Faults::default();
        let (mut exact, mut open) = (HashSet::new(), IndexSet::new());
        for pattern in &self.0 {
            _ = match pattern.as_path() {
                Some(path) => exact.insert(path),
                None => open.insert(pattern),
            };
        }
        let known: HashSet<&Path> = leaves.iter().collect();
        for pattern in &self.0 {
            if pattern.as_path().is_some_and(|path| !known.contains(&path)) {
                let message = format!("Value error, the model's outputs have no {pattern} at these inputs");
                faults.add(&Path::root(), "value_error", message);
            }
        }
        let is_meant = |path: &&Path| exact.contains(*path) || open.iter().any(|pattern| pattern.matches(path));
        faults.finish(Some(leaves.iter().filter(is_meant).cloned().collect())).map_err(Error::Caller)
    }

    /// The paths, if none is left open.
    pub(super) fn paths(&self) -> Option<Vec<Path>> {
        self.0.iter().map(Pattern::as_path).collect()
    }
}
