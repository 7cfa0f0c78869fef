//! `secant test`: a plugin's stored cases, run or recorded.

use std::path::{Path as FilePath, PathBuf};

use serde_json::{Map, Value};

use super::{Failure, report};
use crate::Model;
use crate::codec;
use crate::endpoint::{Case, Context, Difference, Endpoint, Question};
use crate::exec::Progress;
use crate::schema::Side;

/// Runs the cases of a model, or records what it answers now.
pub(super) fn run(model: &Model, update: bool) -> Result<(), Failure> {
    let progress = Progress::default();
    let context = model.context(&progress);
    let folder = model.folder().join("cases");
    let mut files = case_files(&folder)?;
    if files.is_empty() {
        if !update {
            let folder = folder.display();
            return Err(Failure::Caller(format!(
                "there are no cases in {folder}: `secant test --update` records the first ones"
            )));
        }
        let inputs = model.signature().example_inputs().ok_or_else(|| {
            Failure::Caller(
                "to record a first case the input schema needs `examples`, or `default`s for everything".to_owned(),
            )
        })?;
        files = first(model, &context, &folder, &inputs)?;
    }
    let (mut passed, mut failed, mut recorded) = (0, 0, 0);
    for file in &files {
        let name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let mut case = read(file)?;
        let text = match case.check(&context) {
            Ok(()) => {
                passed += 1;
                format!("ok      {name}\n")
            }
            Err(difference) if update && difference.is_of_outputs() => {
                record(&context, &mut case, file)?;
                recorded += 1;
                format!("updated {name}\n")
            }
            Err(Difference::Unavailable(error)) => return Err(error.into()),
            Err(difference) => {
                failed += 1;
                let lines = difference.to_string();
                format!("FAILED  {name}\n{}", lines.lines().map(|line| format!("        {line}\n")).collect::<String>())
            }
        };
        report::lines(&text)?;
    }
    let recorded = if recorded > 0 { format!(", {recorded} updated") } else { String::new() };
    report::lines(&format!("{passed} passed, {failed} failed{recorded}\n"))?;
    if failed > 0 { Err(Failure::Cases) } else { Ok(()) }
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
    Case::parse(&value).map_err(|violations| fail(&violations))
}

/// Stores what the model answers now.
fn record(context: &Context<'_>, case: &mut Case, file: &FilePath) -> Result<(), Failure> {
    case.record(context).map_err(|difference| match difference {
        Difference::Unavailable(error) => error.into(),
        other => Failure::Model(other.to_string()),
    })?;
    let fail = |error: &dyn std::fmt::Display| Failure::Operator(format!("{}: {error}", file.display()));
    let mut text = serde_json::to_vec_pretty(case).map_err(|error| fail(&error))?;
    text.push(b'\n');
    std::fs::write(file, text).map_err(|error| fail(&error))
}

/// The first cases of a model: apply, and its Jacobian, at these inputs.
pub(super) fn first(
    model: &Model,
    context: &Context<'_>,
    folder: &FilePath,
    inputs: &Value,
) -> Result<Vec<PathBuf>, Failure> {
    std::fs::create_dir_all(folder).map_err(|error| Failure::Operator(format!("{}: {error}", folder.display())))?;
    let mut files = Vec::new();
    for endpoint in [Endpoint::Apply, Endpoint::Derivative(Question::Jacobian)] {
        let mut payload = Map::new();
        payload.insert("inputs".to_owned(), inputs.clone());
        if let Endpoint::Derivative(question) = endpoint {
            let (wrt, of) = question.lists();
            for (list, side) in [(wrt, Side::Input), (of, Side::Output)] {
                let paths = model
                    .signature()
                    .differentiable(side)
                    .into_iter()
                    .map(|(pattern, _)| Value::from(pattern.to_string()));
                payload.insert(list.to_owned(), paths.collect());
            }
        }
        let mut case = Case::new(endpoint, Value::Object(payload));
        let file = folder.join(format!("{}.json", endpoint.name()));
        record(context, &mut case, &file)?;
        files.push(file);
    }
    Ok(files)
}
