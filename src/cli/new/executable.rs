//! A plugin that is a program speaking JSON: by what it says of itself, or by what it answers to an example.

use std::time::Duration;

use serde_json::{Value, json};

use super::command::{quoted, with_example};
use super::draft::Draft;
use super::schemas;
use crate::backend::answer;
use crate::cli::args::ProgramArguments;
use crate::cli::{Failure, report};

/// A program that has not answered an example after so long speaks something else.
const PATIENCE: Duration = Duration::from_secs(60);

/// Makes it, and records cases.
pub(super) fn make(arguments: &ProgramArguments, draft: Draft) -> Result<(), Failure> {
    let Some((program, rest)) = arguments.argv.split_first() else {
        let usage = "the program is missing: secant new NAME --kind executable -- PROGRAM ARGUMENTS";
        return Err(Failure::Caller(usage.to_owned()));
    };
    // The plugin's folder is where it will run, so that files are named from anywhere.
    let place = |word: &String| match std::path::absolute(word) {
        Ok(file) if file.is_file() && (word.contains('/') || rest.contains(word)) => {
            file.to_string_lossy().into_owned()
        }
        _ => word.clone(),
    };
    let argv: Vec<String> = std::iter::once(program).chain(rest).map(place).collect();
    let words: Vec<_> = argv.iter().map(|word| quoted(word)).collect();
    let table = |protocol: &str| format!("[executable]\ncommand = [{}]\nprotocol = \"{protocol}\"\n", words.join(", "));
    let Some(payload) = &arguments.payload else {
        draft.write("model.toml", table("jsonrpc").as_bytes())?;
        draft.open().map_err(|failure| {
            Failure::Caller(format!(
                "{}\nA program that does not describe itself is asked by an example: --payload '{{\"x\": 1.5}}'",
                failure.text()
            ))
        })?;
        return finish(draft, None);
    };
    let payload: Value = crate::cli::settings::read_payload(payload)?;
    let inputs = payload.get("inputs").unwrap_or(&payload).clone();
    let Value::Object(example) = &inputs else {
        return Err(Failure::Caller(format!("--payload is {inputs}: expected an object, such as {{\"x\": 1.5}}")));
    };
    let (protocol, outputs) = spoken(&argv, &draft, &inputs)?;
    draft.write(
        "model.toml",
        format!("input = \"input.schema.json\"\noutput = \"output.schema.json\"\n\n{}", table(protocol)).as_bytes(),
    )?;
    let mut input = with_example(example);
    // Whole numbers of an example may be counts.
    let exact = schemas::of(&inputs, true);
    if schemas::is_differentiable(&exact) {
        input = exact;
        input["examples"] = json!([example]);
    }
    draft.write_json("input.schema.json", &input)?;
    draft.write_json("output.schema.json", &schemas::of(&outputs, false))?;
    finish(draft, Some(&inputs))
}

fn finish(draft: Draft, inputs: Option<&Value>) -> Result<(), Failure> {
    draft.record_example()?;
    let place = draft.finish()?;
    let place = place.display();
    let example =
        inputs.map_or_else(String::new, |inputs| format!("\n  secant check {place} '{{\"inputs\": {inputs}}}'"));
    report::note(&format!("made {place}\n  secant describe {place}\n  secant test {place} --update{example}"));
    Ok(())
}

/// The protocol that the program answers in, and its answer.
fn spoken(argv: &[String], draft: &Draft, inputs: &Value) -> Result<(&'static str, Value), Failure> {
    let call = json!({"jsonrpc": "2.0", "id": 1, "method": "apply", "params": {"inputs": inputs}});
    // Two lines tell a program that answers each from one that wants a single document.
    let tries =
        [("jsonrpc", format!("{call}\n")), ("lines", format!("{inputs}\n{inputs}\n")), ("once", format!("{inputs}\n"))];
    let mut failures = Vec::new();
    for (protocol, text) in tries {
        let said = match answer(argv.to_vec(), draft.folder(), text.as_bytes(), PATIENCE) {
            Ok(said) => String::from_utf8_lossy(&said).into_owned(),
            Err(error) => {
                failures.push(format!("as {protocol}: {}", error.message));
                continue;
            }
        };
        let lines: Vec<Value> = said.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        let outputs = match (protocol, &lines[..]) {
            ("jsonrpc", [reply, ..]) => reply.get("result").cloned(),
            ("lines", [first, second]) if first == second => Some(first.clone()),
            ("once", _) => serde_json::from_str(&said).ok(),
            _ => None,
        };
        match outputs.filter(|outputs| outputs.is_object() && outputs.get("error").is_none()) {
            Some(outputs) => return Ok((protocol, outputs)),
            None => failures.push(format!("as {protocol}: it answered {}", said.chars().take(200).collect::<String>())),
        }
    }
    Err(Failure::Model(format!("it speaks none of the protocols:\n{}", failures.join("\n"))))
}
