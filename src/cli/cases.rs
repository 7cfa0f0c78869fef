//! `secant test`: stored cases, in the format of Tesseract's regression tests, so that those run as they
//! are.

use std::path::{Path as FilePath, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::ask::{Answer, answer_apply, answer_derivative, write_answer, write_shapes};
use super::{Failure, report};
use crate::Model;
use crate::codec::{self, Encoding};
use crate::endpoint::{self, Block, Question, Settings};
use crate::exec::Progress;
use crate::tree::{Array, DType, Kind, Path, Tree};

/// A case as it is stored.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Case {
    endpoint: String,
    payload: Value,
    #[serde(default)]
    expected_outputs: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expected_exception: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expected_exception_regex: Option<String>,
    #[serde(default = "default_atol")]
    atol: f64,
    #[serde(default = "default_rtol")]
    rtol: f64,
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

/// Runs the cases of a model, or records what it answers now.
pub(super) fn run(model: &Model, update: bool) -> Result<(), Failure> {
    let folder = model.folder().join("cases");
    let mut files = case_files(&folder)?;
    if files.is_empty() {
        if !update {
            let folder = folder.display();
            return Err(Failure::Caller(format!(
                "there are no cases in {folder}: `secant test --update` records the first ones"
            )));
        }
        files = first_cases(model, &folder)?;
    }
    let (mut passed, mut failed, mut recorded) = (0, 0, 0);
    for file in &files {
        let name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let mut case = read(file)?;
        let outcome = check(model, &case);
        let text = match outcome {
            Ok(()) => {
                passed += 1;
                format!("ok      {name}\n")
            }
            Err(Difference::Outputs(_)) if update => {
                record(model, &mut case, file)?;
                recorded += 1;
                format!("updated {name}\n")
            }
            Err(Difference::Outputs(lines) | Difference::Other(lines)) => {
                failed += 1;
                format!(
                    "FAILED  {name}\n{}",
                    lines
                        .iter()
                        .flat_map(|text| text.lines())
                        .map(|line| format!("        {line}\n"))
                        .collect::<String>()
                )
            }
            Err(Difference::Fatal(failure)) => return Err(failure),
        };
        report::lines(&text)?;
    }
    let recorded = if recorded > 0 { format!(", {recorded} updated") } else { String::new() };
    report::lines(&format!("{passed} passed, {failed} failed{recorded}\n"))?;
    if failed > 0 { Err(Failure::Cases) } else { Ok(()) }
}

/// Why a case did not pass.
enum Difference {
    /// It answered something else than expected.
    Outputs(Vec<String>),
    /// It failed where it should not have, or the other way round, or the case is no good.
    Other(Vec<String>),
    /// The model cannot be asked at all.
    Fatal(Failure),
}

impl Difference {
    fn other(line: impl Into<String>) -> Difference {
        Difference::Other(vec![line.into()])
    }
}

fn case_files(folder: &FilePath) -> Result<Vec<PathBuf>, Failure> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Failure::Operator(format!("{}: {error}", folder.display()))),
    };
    let mut files: Vec<_> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "json"))
        .collect();
    files.sort();
    Ok(files)
}

fn read(file: &FilePath) -> Result<Case, Failure> {
    let fail = |error: &dyn std::fmt::Display| Failure::Operator(format!("{}: {error}", file.display()));
    let text = std::fs::read(file).map_err(|error| fail(&error))?;
    let value = codec::parse_json(&text).map_err(|error| fail(&error))?;
    let case: Case = serde_json::from_value(value).map_err(|error| fail(&error))?;
    if case.expected_outputs.is_some() == case.expected_exception.is_some() {
        return Err(fail(&"exactly one of expected_outputs and expected_exception is needed"));
    }
    Ok(case)
}

fn question(endpoint: &str) -> Option<Question> {
    match endpoint {
        "jacobian" => Some(Question::Jacobian),
        "jacobian_vector_product" => Some(Question::Jvp),
        "vector_jacobian_product" => Some(Question::Vjp),
        _ => None,
    }
}

/// The answer of a case's endpoint.
enum Found {
    Answer(Answer),
    Shapes(Value),
}

fn ask(model: &Model, case: &Case) -> Result<Found, Difference> {
    let progress = Progress::default();
    let failed = |error: endpoint::Error| Difference::Other(error.to_string().lines().map(str::to_owned).collect());
    match case.endpoint.as_str() {
        "apply" => answer_apply(model, &case.payload, &progress).map(Found::Answer).map_err(failed),
        "abstract_eval" => {
            let mut text = Vec::new();
            write_shapes(model, &case.payload, &mut text).map_err(|failure| match failure {
                Failure::Caller(text) | Failure::Model(text) => Difference::other(text),
                other => Difference::Fatal(other),
            })?;
            let value = codec::parse_json(&text).map_err(|error| Difference::other(error.to_string()))?;
            Ok(Found::Shapes(value))
        }
        endpoint => {
            let Some(question) = question(endpoint) else {
                return Err(Difference::other(format!("there is no endpoint '{endpoint}'")));
            };
            let answer = answer_derivative(model, question, &case.payload, &Settings::default(), &progress);
            answer.map(|(answer, _)| Found::Answer(answer)).map_err(failed)
        }
    }
}

fn check(model: &Model, case: &Case) -> Result<(), Difference> {
    let found = ask(model, case);
    let Some(expected) = &case.expected_outputs else {
        return check_exception(case, found);
    };
    let mut lines = Vec::new();
    match found? {
        Found::Shapes(found) => {
            if found != *expected {
                lines.push(format!("expected {expected}"));
                lines.push(format!("found    {found}"));
            }
        }
        Found::Answer(answer) => {
            let expected = expected_arrays(model, case, expected)?;
            let found = found_arrays(&answer);
            compare(&expected, &found, case, &mut lines);
        }
    }
    if lines.is_empty() { Ok(()) } else { Err(Difference::Outputs(lines)) }
}

fn check_exception(case: &Case, found: Result<Found, Difference>) -> Result<(), Difference> {
    let words = match found {
        Ok(_) => return Err(Difference::other("it was expected to fail, but answered")),
        Err(Difference::Fatal(failure)) => return Err(Difference::Fatal(failure)),
        Err(Difference::Outputs(lines) | Difference::Other(lines)) => lines.join("\n"),
    };
    let Some(pattern) = &case.expected_exception_regex else { return Ok(()) };
    let regex =
        regex::Regex::new(pattern).map_err(|error| Difference::other(format!("expected_exception_regex: {error}")))?;
    if regex.is_match(&words) {
        return Ok(());
    }
    Err(Difference::Other(vec![format!("it was expected to fail with '{pattern}', but failed with"), words]))
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

fn expected_arrays(model: &Model, case: &Case, expected: &Value) -> Result<Values, Difference> {
    let nonconforming = |reason: String| {
        Difference::Other(vec!["expected_outputs does not conform to the output schema:".to_owned(), reason])
    };
    if case.endpoint == "apply" {
        let tree = model
            .signature()
            .outputs_from_json(expected)
            .map_err(|violations| nonconforming(violations.to_string()))?;
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
            "jacobian_vector_product" => model.signature().outputs.leaf(&path).cloned(),
            _ => model.signature().inputs.leaf(&path).cloned(),
        });
        leaf.map_or(array.clone(), |leaf| {
            codec::cast(array, leaf.dtype).unwrap_or_else(|_| Array::zeros(DType::Float64, &[]))
        })
    };
    let mut values = Vec::new();
    for (of, row) in object(expected)? {
        if case.endpoint == "jacobian" {
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

fn compare(expected: &Values, found: &Values, case: &Case, lines: &mut Vec<String>) {
    for (name, _) in found.iter().filter(|(name, _)| !expected.iter().any(|(other, _)| other == name)) {
        lines.push(format!("{name}: found, but not expected"));
    }
    for (name, item) in expected {
        match (item, found.iter().find(|(other, _)| other == name).map(|(_, item)| item)) {
            (_, None) => lines.push(format!("{name}: expected, but not found")),
            (Item::Text(a), Some(Item::Text(b))) if a == b => {}
            (Item::Text(a), Some(Item::Text(b))) => lines.push(format!("{name}: expected {a}, found {b}")),
            (Item::Array(a), Some(Item::Array(b))) => compare_arrays(name, a, b, case, lines),
            _ => lines.push(format!("{name}: one is an array and the other is not")),
        }
    }
}

fn compare_arrays(name: &str, expected: &Array, found: &Array, case: &Case, lines: &mut Vec<String>) {
    if expected.shape() != found.shape() || expected.dtype() != found.dtype() {
        lines.push(format!(
            "{name}: expected {} of shape {:?}, found {} of shape {:?}",
            expected.dtype(),
            expected.shape(),
            found.dtype(),
            found.shape()
        ));
        return;
    }
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

/// Stores what the model answers now.
fn record(model: &Model, case: &mut Case, file: &FilePath) -> Result<(), Failure> {
    let found = ask(model, case).map_err(|difference| match difference {
        Difference::Fatal(failure) => failure,
        Difference::Outputs(lines) | Difference::Other(lines) => Failure::Model(lines.join("\n")),
    })?;
    case.expected_outputs = Some(match found {
        Found::Shapes(value) => value,
        Found::Answer(answer) => {
            let mut text = Vec::new();
            write_answer(&mut text, &answer, Encoding::Json);
            codec::parse_json(&text).map_err(|error| Failure::Model(format!("{}: {error}", file.display())))?
        }
    });
    store(case, file)
}

fn store(case: &Case, file: &FilePath) -> Result<(), Failure> {
    let fail = |error: &dyn std::fmt::Display| Failure::Operator(format!("{}: {error}", file.display()));
    let mut text = serde_json::to_vec_pretty(case).map_err(|error| fail(&error))?;
    text.push(b'\n');
    std::fs::write(file, text).map_err(|error| fail(&error))
}

/// The first cases of a model: apply, and its Jacobian, at its example.
fn first_cases(model: &Model, folder: &FilePath) -> Result<Vec<PathBuf>, Failure> {
    let inputs = model.signature().example_inputs().ok_or_else(|| {
        Failure::Caller(
            "to record a first case the input schema needs `examples`, or `default`s for everything".to_owned(),
        )
    })?;
    std::fs::create_dir_all(folder).map_err(|error| Failure::Operator(format!("{}: {error}", folder.display())))?;
    let mut files = Vec::new();
    for (name, lists) in [("apply", None), ("jacobian", Some(Question::Jacobian.lists()))] {
        let mut payload = Map::new();
        payload.insert("inputs".to_owned(), inputs.clone());
        if let Some((wrt, of)) = lists {
            for (list, side) in [(wrt, crate::schema::Side::Input), (of, crate::schema::Side::Output)] {
                let paths = model
                    .signature()
                    .differentiable(side)
                    .into_iter()
                    .map(|(pattern, _)| Value::from(pattern.to_string()));
                payload.insert(list.to_owned(), paths.collect());
            }
        }
        let mut case = Case {
            endpoint: name.to_owned(),
            payload: Value::Object(payload),
            expected_outputs: None,
            expected_exception: None,
            expected_exception_regex: None,
            atol: default_atol(),
            rtol: default_rtol(),
            skip_output_path_checks: false,
            cli_config: None,
        };
        let file = folder.join(format!("{name}.json"));
        record(model, &mut case, &file)?;
        files.push(file);
    }
    Ok(files)
}
