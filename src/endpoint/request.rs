//! From a request's JSON to a request that is known to make sense, or everything that is wrong with it.

use serde_json::Value;

use super::Error;
use crate::codec;
use crate::schema::{Dim, Leaf, Side, Signature, Violation, Violations, broadcast, repeat_fixed};
use crate::tree::{Array, DType, Path, Pattern, Segment, Tree};

/// Which derivative is asked for. Decides the names of a request's fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Question {
    Jacobian,
    Jvp,
    Vjp,
}

impl Question {
    /// The names of a request's path lists: inputs, outputs.
    pub fn lists(self) -> (&'static str, &'static str) {
        let (wrt, of, _) = self.fields();
        (wrt, of)
    }

    /// The fields of a request: inputs by path, outputs by path, vector.
    fn fields(self) -> (&'static str, &'static str, Option<&'static str>) {
        match self {
            Question::Jacobian => ("jac_inputs", "jac_outputs", None),
            Question::Jvp => ("jvp_inputs", "jvp_outputs", Some("tangent_vector")),
            Question::Vjp => ("vjp_inputs", "vjp_outputs", Some("cotangent_vector")),
        }
    }
}

/// Which outputs are wanted. Whether a key or index exists shows only when there are outputs.
#[derive(Clone, Debug, PartialEq)]
pub struct Wanted(pub Vec<Pattern>);

/// Tangents or cotangents: arrays by path.
pub type Vectors = Vec<(Path, Array)>;

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
}

/// Collects everything that is wrong.
#[derive(Default)]
struct Faults(Vec<Violation>);

impl Faults {
    fn add(&mut self, path: &Path, code: &'static str, message: impl Into<String>) {
        self.0.push(Violation { path: path.clone(), code, message: message.into() });
    }

    fn finish<T>(self, value: Option<T>) -> Result<T, Error> {
        match value {
            Some(value) if self.0.is_empty() => Ok(value),
            _ => Err(Error::Caller(Violations(self.0))),
        }
    }
}

fn field(name: &str) -> Path {
    Path::root().join(Segment::Field(name.to_owned()))
}

impl Request {
    /// Reads the JSON of a request: `{"inputs", "jac_inputs", "jac_outputs"}` and its like. Absent or
    /// empty path lists mean all differentiable ones; patterns stand for all that they match.
    pub fn parse(signature: &Signature, question: Question, body: &Value) -> Result<Request, Error> {
        let (wrt_name, of_name, vector_name) = question.fields();
        let mut faults = Faults::default();
        let Some(fields) = body.as_object() else {
            faults.add(&Path::root(), "model_attributes_type", "a request is an object with the field `inputs`");
            return faults.finish(None);
        };
        let known = ["inputs", wrt_name, of_name].into_iter().chain(vector_name);
        let known: Vec<_> = known.collect();
        for name in fields.keys().filter(|name| !known.contains(&name.as_str())) {
            faults.add(
                &field(name),
                "extra_forbidden",
                format!("Extra inputs are not permitted (expected {})", known.join(", ")),
            );
        }
        let inputs = parse_inputs(signature, fields.get("inputs"), &mut faults);
        let mut list = |name: &str| path_list(fields.get(name), name, &mut faults);
        let (wrt, of) = (list(wrt_name), list(of_name));
        let vectors = match vector_name {
            None => None,
            Some(name) => match fields.get(name) {
                Some(Value::Object(vectors)) => Some(vectors),
                Some(_) => {
                    faults.add(&field(name), "dict_type", "Input should be an object of arrays by path");
                    None
                }
                None => {
                    faults.add(&field(name), "missing", "Field required");
                    None
                }
            },
        };
        // A vector's keys tell which paths are meant when the list does not.
        let keys = |wanted: bool| {
            vectors
                .filter(|_| wanted)
                .map(|vectors| vectors.keys().map(|key| (key.clone(), key.parse())).collect::<Vec<_>>())
        };
        let wrt = wrt.or_else(|| named_by(keys(question == Question::Jvp), vector_name, &mut faults));
        let of = of.or_else(|| named_by(keys(question == Question::Vjp), vector_name, &mut faults));
        let Some(inputs) = inputs else {
            // What of the rest is wrong whatever the inputs are.
            check_declared(signature, Side::Input, wrt.as_deref().unwrap_or_default(), wrt_name, &mut faults);
            check_declared(signature, Side::Output, of.as_deref().unwrap_or_default(), of_name, &mut faults);
            return faults.finish(None);
        };
        let wrt = resolve_inputs(signature, &inputs, wrt, wrt_name, &mut faults);
        let of = resolve_outputs(signature, of, of_name, &mut faults);
        let mut read = Vec::new();
        if let (Some(name), Some(given)) = (vector_name, vectors) {
            read = read_vectors(signature, question, name, given, &inputs, &wrt, &of, &mut faults);
        }
        faults.finish(Some(Request { inputs, wrt, of, vectors: read }))
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
        let wrt = wrt.or_else(|| if question == Question::Jvp { keys() } else { None });
        let of = of.or_else(|| if question == Question::Vjp { keys() } else { None });
        let wrt = resolve_inputs(signature, &inputs, wrt, wrt_name, &mut faults);
        let of = resolve_outputs(signature, of, of_name, &mut faults);
        let mut read = Vec::new();
        if let Some(name) = vector_name {
            let given = vectors.into_iter().map(|(path, array)| (path.to_string(), array));
            read = fit_vectors(signature, question, name, given.collect(), &inputs, &wrt, &of, &mut faults);
        }
        faults.finish(Some(Request { inputs, wrt, of, vectors: read }))
    }
}

/// The inputs of an `apply` or `abstract_eval` request, read by `read`.
pub(crate) fn body_inputs<T>(body: &Value, read: impl FnOnce(&Value) -> Result<T, Violations>) -> Result<T, Error> {
    let mut faults = Faults::default();
    let Some(fields) = body.as_object() else {
        faults.add(&Path::root(), "model_attributes_type", "a request is an object with the field `inputs`");
        return faults.finish(None);
    };
    for name in fields.keys().filter(|name| *name != "inputs") {
        faults.add(&field(name), "extra_forbidden", "Extra inputs are not permitted (expected inputs)");
    }
    let inputs = match fields.get("inputs").map(read) {
        Some(Ok(inputs)) => Some(inputs),
        Some(Err(violations)) => {
            faults.0.extend(under_inputs(violations).0);
            None
        }
        None => {
            faults.add(&field("inputs"), "missing", "Field required");
            None
        }
    };
    faults.finish(inputs)
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

fn parse_inputs(signature: &Signature, inputs: Option<&Value>, faults: &mut Faults) -> Option<Tree> {
    let Some(inputs) = inputs else {
        faults.add(&field("inputs"), "missing", "Field required");
        return None;
    };
    match signature.inputs_from_json(inputs) {
        Ok(inputs) => Some(inputs),
        Err(violations) => {
            faults.0.extend(under_inputs(violations).0);
            None
        }
    }
}

fn path_list(list: Option<&Value>, name: &str, faults: &mut Faults) -> Option<Vec<Pattern>> {
    let entries = match list? {
        Value::Array(entries) => entries,
        _ => {
            faults.add(&field(name), "set_type", "Input should be a list of paths");
            return None;
        }
    };
    if entries.is_empty() {
        return None;
    }
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

fn listed<'a>(leaves: impl IntoIterator<Item = &'a Pattern>) -> String {
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
    let declared = check_declared(signature, Side::Input, &asked, name, faults);
    for (index, pattern) in asked.iter().enumerate().filter(|(index, _)| declared[*index]) {
        let at = field(name).join(Segment::Index(index));
        let mut met = false;
        for (slot, path) in chosen.iter_mut().zip(&leaves) {
            if pattern.matches(path) {
                *slot = true;
                met = true;
            }
        }
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
        for pattern in &self.0 {
            if pattern.as_path().is_some() && !leaves.iter().any(|path| pattern.matches(path)) {
                let message = format!("Value error, the model's outputs have no {pattern} at these inputs");
                faults.add(&Path::root(), "value_error", message);
            }
        }
        let chosen = leaves.into_iter().filter(|path| self.0.iter().any(|pattern| pattern.matches(path)));
        faults.finish(Some(chosen.collect()))
    }

    /// The paths, if none is left open.
    pub(super) fn paths(&self) -> Option<Vec<Path>> {
        self.0.iter().map(Pattern::as_path).collect()
    }
}

#[allow(clippy::too_many_arguments)]
fn read_vectors(
    signature: &Signature,
    question: Question,
    name: &str,
    given: &serde_json::Map<String, Value>,
    inputs: &Tree,
    wrt: &[Path],
    of: &Wanted,
    faults: &mut Faults,
) -> Vectors {
    let mut arrays = Vec::new();
    for (key, value) in given {
        let at = field(name).join(Segment::Key(key.clone()));
        let leaf = key.parse::<Path>().ok().and_then(|path| match question {
            Question::Jvp => signature.inputs.leaf(&path),
            _ => signature.outputs.leaf(&path),
        });
        let expected = leaf.map(|leaf| codec::Expected {
            dtype: leaf.dtype,
            rank: leaf.shape.as_ref().map(Vec::len),
            null_is_nan: false,
        });
        // A key that is no leaf is told below, when keys are compared.
        let Some(expected) = expected else {
            arrays.push((key.clone(), Array::scalar(0.0)));
            continue;
        };
        match codec::decode(value, expected) {
            Ok(array) => arrays.push((key.clone(), array)),
            Err(error) => faults.add(&at, error.code(), error.to_string()),
        }
    }
    if arrays.len() < given.len() {
        return Vec::new();
    }
    fit_vectors(signature, question, name, arrays, inputs, wrt, of, faults)
}

/// Holds vectors against the paths and shapes they belong to.
#[allow(clippy::too_many_arguments)]
fn fit_vectors(
    signature: &Signature,
    question: Question,
    name: &str,
    given: Vec<(String, Array)>,
    inputs: &Tree,
    wrt: &[Path],
    of: &Wanted,
    faults: &mut Faults,
) -> Vectors {
    let keys: Vec<&str> = given.iter().map(|(key, _)| key.as_str()).collect();
    let (list, kind, expected) = match question {
        Question::Jvp => ("jvp_inputs", "tangent", wrt.iter().map(Path::to_string).collect::<Vec<_>>()),
        _ => ("vjp_outputs", "cotangent", of.0.iter().map(Pattern::to_string).collect()),
    };
    // Output patterns stand for keys that are known only after an evaluation.
    let open = question == Question::Vjp && of.paths().is_none();
    let mut missing = expected.iter().filter(|path| !keys.contains(&path.as_str()));
    let mut foreign = keys.iter().filter(|key| !expected.iter().any(|path| path == *key));
    if !open && (missing.next().is_some() || foreign.next().is_some()) {
        let message = format!(
            "Value error, Expected {kind} vector with keys conforming to {list}: {{{}}}, got {{{}}}.",
            expected.join(", "),
            keys.join(", ")
        );
        faults.add(&field(name), "value_error", message);
        return Vec::new();
    }
    let mut vectors = Vectors::new();
    for (key, array) in given {
        let at = field(name).join(Segment::Key(key.clone()));
        let Ok(path) = key.parse::<Path>() else { continue };
        let finite = array.to_vec().iter().all(|value| value.is_finite());
        if !finite {
            faults.add(&at, "finite_number", format!("Value error, the {kind} of '{key}' is not finite"));
            continue;
        }
        let dtype = match question {
            Question::Jvp => inputs.leaf(&path).map(Array::dtype),
            _ => signature.outputs.leaf(&path).map(|leaf| leaf.dtype),
        };
        let array = match dtype.filter(|dtype| dtype.is_complex() != array.dtype().is_complex()) {
            None => Ok(array),
            Some(dtype) => codec::cast(array, if dtype.is_complex() { DType::Complex128 } else { DType::Float64 }),
        };
        let array = match array {
            Ok(array) => array,
            Err(error) => {
                faults.add(&at, "value_error", format!("Value error, the {kind} vector '{key}': {error}"));
                continue;
            }
        };
        let fitted = match question {
            Question::Jvp => inputs.leaf(&path).and_then(|input| broadcast(&array, input.shape())),
            _ => signature
                .outputs
                .leaf(&path)
                .and_then(|leaf| matches_schema(leaf, array.shape()).then(|| repeat_fixed(array.clone(), leaf))),
        };
        match fitted {
            Some(array) => vectors.push((path, array)),
            None => {
                let expected = match question {
                    Question::Jvp => inputs.leaf(&path).map(|input| format!("{:?}", input.shape())),
                    _ => signature.outputs.leaf(&path).map(Leaf::shape_text),
                };
                let expected = expected.unwrap_or_else(|| "no such path".to_owned());
                faults.add(
                    &at,
                    "value_error",
                    format!(
                        "Value error, the {kind} vector '{key}' has shape {:?}, expected {expected}",
                        array.shape()
                    ),
                );
            }
        }
    }
    let order = |path: &Path| wrt.iter().position(|each| each == path).unwrap_or(usize::MAX);
    vectors.sort_by_key(|(path, _)| order(path));
    vectors
}

fn matches_schema(leaf: &Leaf, shape: &[usize]) -> bool {
    leaf.shape.as_ref().is_none_or(|dims| {
        dims.len() == shape.len()
            && dims
                .iter()
                .zip(shape)
                .all(|(dim, &size)| !matches!(dim, Dim::Fixed(fixed) if *fixed != size && size != 1))
    })
}
