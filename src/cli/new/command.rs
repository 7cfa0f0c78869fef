//! A plugin that is a legacy program: its input files made into templates, its outputs found in what an example run
//! leaves.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Component, Path, PathBuf};

use serde_json::{Map, Value, json};

use super::deck::{Deck, marked};
use super::draft::Draft;
use super::schemas;
use crate::backend::{Proposal, infer, rehearse};
use crate::cli::args::ProgramArguments;
use crate::cli::{Failure, report};
use crate::manifest::command::{Column, Nth, Read, Reading};
use crate::manifest::{Kind, Manifest};
use crate::model::ModelErrorKind;
use crate::schema::{Differentiable, Signature};

/// Makes it, runs it once, and records cases.
pub(super) fn make(arguments: &ProgramArguments, draft: Draft) -> Result<(), Failure> {
    let mut faults = Vec::new();
    if arguments.argv.is_empty() {
        faults.push(
            "the program is missing: secant new NAME --kind command --input DECK -- PROGRAM ARGUMENTS".to_owned(),
        );
    }
    let values = pairs(&arguments.set, "--set", &mut faults);
    let values: BTreeMap<String, f64> = values
        .into_iter()
        .filter_map(|(name, text)| match text.parse() {
            Ok(value) => Some((name, value)),
            Err(_) => {
                faults.push(format!("--set {name}={text}: '{text}' is no number"));
                None
            }
        })
        .collect();
    let marks = pairs(&arguments.mark, "--mark", &mut faults);
    let (mut inputs, mut writes): (Vec<(String, f64)>, _) = (Vec::new(), String::new());
    let mut given = Vec::new();
    let mut files = Vec::new();
    for input in &arguments.input {
        let (to, file) = match input.split_once('=') {
            Some((to, file)) => (to.to_owned(), PathBuf::from(file)),
            None => {
                let file = PathBuf::from(input);
                (file.file_name().unwrap_or_default().to_string_lossy().into_owned(), file)
            }
        };
        if !Path::new(&to).components().all(|part| matches!(part, Component::Normal(_))) {
            faults.push(format!("--input {input}: '{to}' is no file inside of the program's folder"));
            continue;
        }
        match std::fs::read_to_string(&file) {
            Ok(text) => files.push((to, file, text)),
            Err(error) => faults.push(format!("{}: {error}", file.display())),
        }
    }
    let examples = files.iter().filter(|(.., text)| !is_template(text)).map(|(to, _, text)| (&**to, &**text));
    let mut places = marked(&marks, &examples.collect::<Vec<_>>(), &mut faults).into_iter();
    for (k, (to, file, text)) in files.into_iter().enumerate() {
        let taken: Vec<String> = inputs.iter().map(|(name, _)| name.clone()).collect();
        let deck = match is_template(&text) {
            true => Deck::of_template(&text, &values),
            // Where some files have marks, one without has no inputs.
            false => match places.next().unwrap_or_default() {
                none if none.is_empty() && !marks.is_empty() => Ok(Deck { template: text, inputs: Vec::new() }),
                some => Deck::of_example(&text, some, &taken),
            },
        };
        match deck {
            Ok(deck) => {
                let template = format!("{}.in", if to == "stdin" { format!("stdin{}", k + 1) } else { to.clone() });
                draft.write(&template, deck.template.as_bytes())?;
                let _ = write!(writes, "\n[[command.write]]\nto = {}\ntemplate = {}\n", quoted(&to), quoted(&template));
                let is_new = |(name, _): &(String, f64)| !taken.contains(name);
                inputs.extend(deck.inputs.into_iter().filter(is_new));
                given.push(to);
            }
            Err(fault) => faults.push(format!("{}: {fault}", file.display())),
        }
    }
    if inputs.is_empty() && faults.is_empty() {
        faults.push("no input has a number in it: name a file with --input, and its numbers with --mark".to_owned());
    }
    if !faults.is_empty() {
        return Err(Failure::Caller(faults.join("\n")));
    }

    let (argv, copies) = program(&arguments.argv, &given);
    let mut head =
        format!("input = \"input.schema.json\"\noutput = \"output.schema.json\"\n\n[command]\nargv = {argv}\n");
    if !copies.is_empty() {
        for file in &copies {
            draft.copy(file, file.file_name().unwrap_or_default())?;
        }
        let names = copies.iter().map(|file| quoted(&file.file_name().unwrap_or_default().to_string_lossy()));
        let _ = writeln!(head, "copy = [{}]", names.collect::<Vec<_>>().join(", "));
    }
    let example: Map<String, Value> = inputs.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
    let input = with_example(&example);
    let outputs = rehearsed(&format!("{head}{writes}\n[command.read]\n"), &draft, &input, &example)?;
    let mut reads = String::new();
    let mut fields = Map::new();
    for Proposal { name, read, numbers, shape } in outputs {
        let name = (1..).map(|k| if k == 1 { name.clone() } else { format!("{name}_{k}") });
        let Some(name) = name.into_iter().find(|name| !fields.contains_key(name)) else { continue };
        let _ = writeln!(reads, "{} = {}", quoted(&name), reading(&read));
        let value = if shape.is_empty() { json!(numbers.first()) } else { json!(numbers) };
        fields.insert(name, schemas::of(&value, false));
    }
    draft.write("model.toml", format!("{head}{writes}\n[command.read]\n{reads}").as_bytes())?;
    draft.write_json("input.schema.json", &input)?;
    draft.write_json("output.schema.json", &schemas::object(fields))?;
    draft.record_example()?;
    let place = draft.finish()?;
    let place = place.display();
    report::note(&format!(
        "made {place}: see in its model.toml and its templates whether these are the inputs and outputs you want, give \
         the inputs bounds and names in input.schema.json, then\n  secant describe {place}\n  secant test {place} \
         --update\n  secant check {place} '{{\"inputs\": {}}}'",
        Value::Object(example)
    ));
    Ok(())
}

/// The schema of such inputs, with them as an example.
pub(super) fn with_example(example: &Map<String, Value>) -> Value {
    let mut schema = schemas::of(&Value::Object(example.clone()), false);
    schema["examples"] = json!([example]);
    schema
}

/// What a run at the example leaves, as readings of it.
fn rehearsed(
    manifest: &str,
    draft: &Draft,
    input: &Value,
    example: &Map<String, Value>,
) -> Result<Vec<Proposal>, Failure> {
    let file = draft.folder().join("model.toml");
    let ours = |error: &dyn std::fmt::Display| Failure::Operator(format!("{}: {error}", file.display()));
    let manifest = Manifest::parse(manifest, &file).map_err(|error| ours(&error))?;
    let Kind::Command(command) = &manifest.kind else { unreachable!("it has a [command]") };
    let nothing = json!({"type": "object", "properties": {}});
    let signature = Signature::parse(input, &nothing, &Differentiable::default()).map_err(|error| ours(&error))?;
    let inputs = signature.inputs_from_json(&Value::Object(example.clone())).map_err(|error| ours(&error))?;
    let name = draft.place().file_name().unwrap_or_default().to_string_lossy();
    let left = rehearse(command, &name, draft.folder(), &signature, &inputs).map_err(|error| match error.kind {
        ModelErrorKind::Failed | ModelErrorKind::Refused => Failure::Model(error.message),
        _ => Failure::Crash(error.message),
    })?;
    let found: Vec<Proposal> = left.iter().flat_map(|(from, text)| infer(from, text)).collect();
    if found.is_empty() {
        let names: Vec<_> = left.iter().map(|(name, text)| format!("{name} ({} bytes)", text.len())).collect();
        return Err(Failure::Model(format!(
            "it ran, but no numbers with words beside them were found in what it left: {}. Write its [command.read] by \
             hand: docs/wrapping.md shows how",
            names.join(", ")
        )));
    }
    Ok(found)
}

/// The program's arguments as TOML, and the files among them that it needs beside it.
/// Whether a file has its placeholders already.
fn is_template(text: &str) -> bool {
    text.contains("{{")
}

fn program(argv: &[String], given: &[String]) -> (String, Vec<PathBuf>) {
    let mut copies = Vec::new();
    let mut words = Vec::new();
    for (k, argument) in argv.iter().enumerate() {
        let file = Path::new(argument);
        if k == 0 && argument.contains('/') {
            let place = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
            words.push(quoted(&place.to_string_lossy()));
            continue;
        }
        if k > 0 && file.is_file() && !given.contains(argument) {
            copies.push(file.to_owned());
            words.push(quoted(&file.file_name().unwrap_or_default().to_string_lossy()));
            continue;
        }
        words.push(quoted(argument));
    }
    (format!("[{}]", words.join(", ")), copies)
}

/// A reading that was proposed, as TOML.
fn reading(read: &Read) -> String {
    let nth = |nth: Nth| match nth {
        Nth::First(count) => count.to_string(),
        Nth::Last(count) => format!("-{count}"),
        Nth::All => "\"all\"".to_owned(),
    };
    let how = match &read.reading {
        Reading::Json(json) => format!("json = {}", quoted(&json.json)),
        Reading::Csv(csv) => {
            let column = match &csv.csv {
                Column::Number(number) => number.to_string(),
                Column::Name(name) => quoted(name),
            };
            format!("csv = {column}, row = {}, delimiter = {}", nth(csv.row), quoted(&csv.delimiter.to_string()))
        }
        Reading::Anchor(anchor) => {
            let mut text = format!("anchor = {}", quoted(&anchor.anchor));
            if anchor.occurrence != Nth::First(1) {
                let _ = write!(text, ", occurrence = {}", nth(anchor.occurrence));
            }
            if anchor.row != 0 {
                let _ = write!(text, ", row = {}", anchor.row);
            }
            if anchor.field != 1 {
                let _ = write!(text, ", field = {}", anchor.field);
            }
            text
        }
        Reading::Array(_) => "array = \"text\"".to_owned(),
        other => unreachable!("nothing proposes {other:?}"),
    };
    let comma = if read.comma { ", comma = true" } else { "" };
    format!("{{ from = {}, {how}{comma} }}", quoted(&read.from))
}

/// A text as TOML has it.
pub(super) fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}

/// NAME=TEXT arguments.
fn pairs(texts: &[String], option: &str, faults: &mut Vec<String>) -> Vec<(String, String)> {
    let mut pairs = Vec::new();
    for text in texts {
        match text.split_once('=') {
            Some((name, value)) if is_name(name) => pairs.push((name.to_owned(), value.to_owned())),
            _ => faults.push(format!("{option} {text}: expected NAME=..., a name of letters, digits and '_'")),
        }
    }
    pairs
}

/// Whether templates and paths can have it as it is.
fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}
