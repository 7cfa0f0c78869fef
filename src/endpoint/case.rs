//! Stored cases, in the format of Tesseract's regression tests, so that those run as they are: a request,
//! and what is expected of its answer.
//!
//! No files here, and nothing is recorded.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Answer, Block, Body, Context, Endpoint, Error, Lists, Place, Settings, answer};
use crate::codec::{self, Encoding};
use crate::model::ModelErrorKind;
use crate::schema::{Signature, Violation, Violations};
use crate::tree::{Array, DType, Kind, Path, Segment, Tree};

/// What is wrong with a case that expects nothing, or both an answer and a failure.
const ONE_EXPECTATION: &str = "exactly one of expected_outputs and expected_exception is needed";

/// A case as it is stored.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// What is asked.
    pub endpoint: String,
    /// The request.
    pub payload: Value,
    /// What it should answer; either this or an exception.
    #[serde(default)]
    pub expected_outputs: Option<Value>,
    /// How it should fail, by the name of a Python exception.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_exception: Option<String>,
    /// What is found in the words of the failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_exception_regex: Option<String>,
    /// Absolute tolerance of floating-point values.
    #[serde(default = "default_atol")]
    pub atol: f64,
    /// Relative tolerance of floating-point values.
    #[serde(default = "default_rtol")]
    pub rtol: f64,
    /// Whether files named by outputs need not exist; none is ever looked for here.
    #[serde(default, skip_serializing_if = "is_false")]
    skip_output_path_checks: bool,
    /// Where files are mounted in a container; there is none here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cli_config: Option<Value>,
}

fn default_atol() -> f64 {
    1e-8
}

fn default_rtol() -> f64 {
    1e-5
}

#[allow(clippy::trivially_copy_pass_by_ref)] // as serde calls it
fn is_false(flag: &bool) -> bool {
    !flag
}

/// Why a case did not pass.
#[derive(Debug)]
pub enum Difference {
    /// Keys, shapes or dtypes are not as expected.
    Structure(Vec<String>),
    /// Values are not close to the expected ones.
    Values(Vec<String>),
    /// It failed where it should not have, or otherwise than it should have, or did not and should have.
    Failure(String),
    /// The case itself is no good.
    Case(String),
    /// The model cannot be asked at all.
    Unavailable(Error),
}

impl Difference {
    /// Whether it answered, but something else than expected.
    pub fn is_of_outputs(&self) -> bool {
        matches!(self, Difference::Structure(_) | Difference::Values(_))
    }
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Difference::Structure(lines) => write!(f, "Structure mismatch.\n{}", lines.join("\n")),
            Difference::Values(lines) => write!(f, "Values are not sufficiently close.\n{}", lines.join("\n")),
            Difference::Failure(text) | Difference::Case(text) => f.write_str(text),
            Difference::Unavailable(error) => error.fmt(f),
        }
    }
}

impl Case {
    /// Reads a case, or says everything that is wrong with it.
    pub fn parse(value: &Value) -> Result<Case, Violations> {
        let mut faults = Vec::new();
        let field = |name: &str| Path::root().join(Segment::Field(name.to_owned()));
        for name in ["endpoint", "payload"].into_iter().filter(|name| value.get(name).is_none()) {
            faults.push(Violation { path: field(name), code: "missing", message: "Field required".to_owned() });
        }
        let given = |name: &str| value.get(name).is_some_and(|value| !value.is_null());
        let fault = |message: &str| {
            let message = format!("Value error, {message}");
            Violation { path: Path::root(), code: "value_error", message }
        };
        if given("expected_outputs") == given("expected_exception") {
            faults.push(fault(ONE_EXPECTATION));
        }
        match Case::deserialize(value) {
            Ok(case) if faults.is_empty() => return Ok(case),
            Err(error) if faults.is_empty() => faults.push(fault(&error.to_string())),
            _ => {}
        }
        Err(Violations(faults))
    }

    /// A case of which only the request is known.
    pub fn new(endpoint: Endpoint, payload: Value) -> Case {
        Case {
            endpoint: endpoint.name().to_owned(),
            payload,
            expected_outputs: None,
            expected_exception: None,
            expected_exception_regex: None,
            atol: default_atol(),
            rtol: default_rtol(),
            skip_output_path_checks: false,
            cli_config: None,
        }
    }

    /// Asks, and compares.
    pub fn check(&self, context: &Context<'_>) -> Result<(), Difference> {
        let endpoint = Endpoint::named(&self.endpoint)
            .ok_or_else(|| Difference::Case(format!("there is no endpoint '{}'", self.endpoint)))?;
        let expected = match (&self.expected_outputs, &self.expected_exception) {
            (Some(expected), None) => expected,
            (None, Some(exception)) => return self.check_failure(context, endpoint, exception),
            _ => return Err(Difference::Case(ONE_EXPECTATION.to_owned())),
        };
        let found = match self.ask(context, endpoint)? {
            Ok(found) => found,
            Err(Error::Caller(violations)) => {
                return Err(Difference::Failure(format!("inputs do not conform to InputSchema:\n{violations}")));
            }
            Err(error) => return Err(Difference::Failure(error.to_string())),
        };
        if let Answer::Shapes(_) = found {
            let mut text = Vec::new();
            found.write(&mut text, Encoding::Json);
            let found = codec::parse_json(&text).map_err(|error| Difference::Failure(error.to_string()))?;
            let lines = || vec![format!("expected {expected}"), format!("found    {found}")];
            return if found == *expected { Ok(()) } else { Err(Difference::Structure(lines())) };
        }
        let expected = expected_arrays(context.pool.model().signature(), self, expected)?;
        compare(&expected, &found_arrays(&found), self)
    }

    /// The answer as it is now, to be expected from now on.
    pub fn record(&mut self, context: &Context<'_>) -> Result<(), Difference> {
        let endpoint = Endpoint::named(&self.endpoint)
            .ok_or_else(|| Difference::Case(format!("there is no endpoint '{}'", self.endpoint)))?;
        let found = self.ask(context, endpoint)?.map_err(|error| Difference::Failure(error.to_string()))?;
        let mut text = Vec::new();
        found.write(&mut text, Encoding::Json);
        let value = codec::parse_json(&text).map_err(|error| Difference::Failure(error.to_string()))?;
        self.expected_outputs = Some(value);
        Ok(())
    }

    fn ask(&self, context: &Context<'_>, endpoint: Endpoint) -> Result<Result<Answer, Error>, Difference> {
        match answer(context, endpoint, &Body::from(self.payload.clone()), Lists::Optional, &Settings::default()) {
            Ok((answer, _)) => Ok(Ok(answer)),
            Err(error @ (Error::Model { place: Place::Start, .. } | Error::Cancelled)) => {
                Err(Difference::Unavailable(error))
            }
            Err(error) => Ok(Err(error)),
        }
    }

    /// `exception` is the name of one of the two that a Python model raises by rule: of a request that does
    /// not conform, which is also a ValueError, or of a model that says no.
    fn check_failure(&self, context: &Context<'_>, endpoint: Endpoint, exception: &str) -> Result<(), Difference> {
        let by_rule = match exception {
            "ValueError" => false,
            "ValidationError" | "pydantic.ValidationError" => true,
            other => {
                let message =
                    format!("expected_exception is '{other}': expected ValueError or pydantic.ValidationError");
                return Err(Difference::Case(message));
            }
        };
        let error = match self.ask(context, endpoint)? {
            Ok(_) => return Err(Difference::Failure("it was expected to fail, but answered".to_owned())),
            Err(error) => error,
        };
        let fits = match &error {
            Error::Caller(_) => true,
            Error::Model { error, .. } => {
                !by_rule && matches!(error.kind, ModelErrorKind::Refused | ModelErrorKind::Failed)
            }
            Error::Cancelled => false,
        };
        if !fits {
            return Err(Difference::Failure(format!(
                "it was expected to fail with {exception}, but failed so:\n{error}"
            )));
        }
        let Some(pattern) = &self.expected_exception_regex else { return Ok(()) };
        let regex = regex::Regex::new(pattern)
            .map_err(|error| Difference::Case(format!("expected_exception_regex: {error}")))?;
        if regex.is_match(&error.to_string()) {
            return Ok(());
        }
        Err(Difference::Failure(format!("it was expected to fail with '{pattern}', but failed so:\n{error}")))
    }
}

/// Values by place: the path of an output, or of an output and an input.
type Values = Vec<(String, Item)>;

enum Item {
    Array(Array),
    Text(Value),
}

fn tree_items(tree: &Tree) -> Values {
    let arrays = tree.leaves().into_iter().map(|(path, array)| (path.to_string(), Item::Array(array.clone())));
    let texts = tree
        .texts()
        .into_iter()
        .map(|(path, text)| (path.to_string(), Item::Text(serde_json::from_str(text).unwrap_or_default())));
    arrays.chain(texts).collect()
}

fn found_arrays(answer: &Answer) -> Values {
    match answer {
        Answer::Outputs(outputs) => tree_items(outputs),
        Answer::Shapes(_) => Vec::new(),
        Answer::Vectors(vectors) => {
            vectors.iter().map(|(path, array)| (path.to_string(), Item::Array(array.clone()))).collect()
        }
        Answer::Jacobian(jacobian) => jacobian
            .blocks()
            .map(|(of, wrt, block)| {
                let array = match block {
                    Block::Real(view) => Array::new(view.shape(), view.iter().copied().collect::<Vec<f64>>()),
                    Block::Complex(array) => Array::new(array.shape(), array.iter().copied().collect::<Vec<_>>()),
                };
                (format!("{of} by {wrt}"), Item::Array(array))
            })
            .collect(),
    }
}

fn expected_arrays(signature: &Signature, case: &Case, expected: &Value) -> Result<Values, Difference> {
    let nonconforming =
        |reason: String| Difference::Case(format!("expected_outputs does not conform to OutputSchema: {reason}"));
    if case.endpoint == "apply" {
        let tree = signature.outputs_from_json(expected).map_err(|violations| nonconforming(violations.to_string()))?;
        for (path, array) in tree.leaves() {
            // What a model writes is cast to what its schema says; what is expected of it is not.
            let stated = path.segments().iter().try_fold(expected, |value, segment| match segment {
                Segment::Field(name) | Segment::Key(name) => value.get(name),
                Segment::Index(index) => value.get(index),
            });
            let dtype = stated.and_then(|value| value.get("dtype")).and_then(Value::as_str);
            if dtype.is_some_and(|dtype| dtype != array.dtype().name()) {
                let dtype = dtype.unwrap_or_default();
                return Err(nonconforming(format!("{path}: it is of dtype '{dtype}', not '{}'", array.dtype())));
            }
        }
        return Ok(tree_items(&tree));
    }
    let object =
        |value: &Value| value.as_object().cloned().ok_or_else(|| nonconforming(format!("{value} is no object")));
    let array = |name: &str, value: &Value| {
        codec::decode_wide(value).map_err(|error| nonconforming(format!("{name}: {error}")))
    };
    let declared = |name: &str, array: Array| -> Array {
        let path: Option<Path> = name.parse().ok();
        let leaf = path.and_then(|path| match case.endpoint.as_str() {
            "jacobian_vector_product" => signature.outputs.leaf(&path).cloned(),
            _ => signature.inputs.leaf(&path).cloned(),
        });
        leaf.map_or(array.clone(), |leaf| {
            codec::cast(array, leaf.dtype).unwrap_or_else(|_| Array::zeros(DType::Float64, &[]))
        })
    };
    let mut values = Vec::new();
    for (of, row) in object(expected)? {
        if matches!(case.endpoint.as_str(), "jacobian" | "hessian") {
            for (wrt, value) in object(&row)? {
                values.push((format!("{of} by {wrt}"), Item::Array(array(&wrt, &value)?)));
            }
        } else {
            values.push((of.clone(), Item::Array(declared(&of, array(&of, &row)?))));
        }
    }
    Ok(values)
}

/// The most elements of an array shown.
const SHOWN: usize = 5;

fn compare(expected: &Values, found: &Values, case: &Case) -> Result<(), Difference> {
    let (mut structure, mut values) = (Vec::new(), Vec::new());
    for (name, _) in found.iter().filter(|(name, _)| !expected.iter().any(|(other, _)| other == name)) {
        structure.push(format!("{name}: found, but not expected"));
    }
    for (name, item) in expected {
        match (item, found.iter().find(|(other, _)| other == name).map(|(_, item)| item)) {
            (_, None) => structure.push(format!("{name}: expected, but not found")),
            (Item::Text(a), Some(Item::Text(b))) if a == b => {}
            (Item::Text(a), Some(Item::Text(b))) => values.push(format!("{name}: expected {a}, found {b}")),
            (Item::Array(a), Some(Item::Array(b))) if a.shape() != b.shape() || a.dtype() != b.dtype() => {
                let form = |array: &Array| format!("{} of shape {:?}", array.dtype(), array.shape());
                structure.push(format!("{name}: expected {}, found {}", form(a), form(b)));
            }
            (Item::Array(a), Some(Item::Array(b))) => compare_values(name, a, b, case, &mut values),
            _ => structure.push(format!("{name}: one is an array and the other is not")),
        }
    }
    match (structure.is_empty(), values.is_empty()) {
        (true, true) => Ok(()),
        (true, false) => Err(Difference::Values(values)),
        (false, _) => Err(Difference::Structure(structure.into_iter().chain(values).collect())),
    }
}

fn compare_values(name: &str, expected: &Array, found: &Array, case: &Case, lines: &mut Vec<String>) {
    let exact = expected.dtype().kind() < Kind::Float;
    let (atol, rtol) = if exact { (0.0, 0.0) } else { (case.atol, case.rtol) };
    let (a, b) = (expected.to_vec(), found.to_vec());
    let close = |a: f64, b: f64| a == b || (a - b).abs() <= atol + rtol * a.abs() || (a.is_nan() && b.is_nan());
    let off: Vec<usize> = (0..a.len()).filter(|&i| !close(a[i], b[i])).collect();
    if off.is_empty() {
        return;
    }
    lines.push(format!(
        "{name}: {} of {} values differ by more than {atol:e} + {rtol:e} times the expected one",
        off.len(),
        a.len()
    ));
    let mut layout = crate::tree::Layout::default();
    layout.push(Path::root(), expected.dtype(), expected.shape());
    for &i in off.iter().take(SHOWN) {
        lines.push(format!(
            "  {:<10} expected {:<22} found {:<22} off by {:.2e}",
            layout.name(i),
            a[i],
            b[i],
            (a[i] - b[i]).abs()
        ));
    }
    if off.len() > SHOWN {
        lines.push(format!("  ... and {} more", off.len() - SHOWN));
    }
}
