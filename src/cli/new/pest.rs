//! A plugin that is a case of PEST: its control file read for parameters, observations, files and the command; its
//! template and instruction files used as they are.
//!
//! Doherty, *PEST: Model-Independent Parameter Estimation, User Manual Part I*, chapter 4.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use indexmap::IndexSet;
use serde_json::{Map, Value, json};

use super::command::quoted;
use super::draft::Draft;
use super::schemas;
use crate::backend::observations;
use crate::cli::args::ProgramArguments;
use crate::cli::{Failure, report};

/// A control file's lines by section, each with its number.
struct Control<'a> {
    file: &'a Path,
    sections: BTreeMap<String, Vec<(usize, Vec<&'a str>)>>,
}

/// An adjustable or fixed parameter.
struct Parameter {
    name: String,
    adjustable: bool,
    value: f64,
    lower: f64,
    upper: f64,
    group: String,
}

/// How a group's increments are told.
struct Group {
    kind: String,
    increment: f64,
    least: f64,
    /// Whether differences are always forward.
    forward: bool,
}

/// Makes it, and records cases by running the model.
pub(super) fn make(arguments: &ProgramArguments, draft: Draft) -> Result<(), Failure> {
    let Some(file) = &arguments.from_pest else {
        return Err(Failure::Caller("--kind or --from-pest is missing".to_owned()));
    };
    let text =
        std::fs::read_to_string(file).map_err(|error| Failure::Caller(format!("{}: {error}", file.display())))?;
    let control = Control::parse(file, &text)?;
    let mut faults = Vec::new();
    let (parameters, ties) = control.parameters(&mut faults);
    let groups = control.groups(&mut faults);
    let argv = control.argv(&mut faults);
    let pairs = control.files(&mut faults);
    let home = file.parent().unwrap_or(Path::new(""));
    let mut outputs = Map::new();
    let (mut writes, mut reads) = (String::new(), String::new());
    for (pest, model) in &pairs {
        let from = home.join(pest);
        let name = Path::new(pest).file_name().unwrap_or_default().to_string_lossy().into_owned();
        let Ok(text) = std::fs::read(&from) else {
            faults.push(format!("{} cannot be read", from.display()));
            continue;
        };
        draft.write(&name, &text)?;
        if text.get(..3).is_some_and(|word| word.eq_ignore_ascii_case(b"ptf")) {
            let _ = write!(writes, "\n[[command.write]]\nto = {}\npest = {}\n", quoted(model), quoted(&name));
            writes += &renamed(&String::from_utf8_lossy(&text), &ties);
            continue;
        }
        match observations(&text) {
            Ok(names) => {
                let stem = Path::new(&name).file_stem().unwrap_or_default().to_string_lossy().to_lowercase();
                let leaf: String = stem.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
                let _ = writeln!(reads, "{} = {{ from = {}, pest = {} }}", quoted(&leaf), quoted(model), quoted(&name));
                outputs.insert(
                    leaf,
                    json!({
                        "description": format!("observations {}", names.join(", ")),
                        "type": "array", "items": {"type": "number"}, "shape": [names.len()], "differentiable": true
                    }),
                );
            }
            Err(fault) => faults.push(format!("{}: {fault}", from.display())),
        }
    }
    if !faults.is_empty() {
        return Err(Failure::Caller(faults.join("\n")));
    }
    let mut fields = Map::new();
    for parameter in &parameters {
        let mut leaf = json!({"type": "number", "minimum": parameter.lower, "maximum": parameter.upper});
        leaf["description"] = json!(format!("of the group {}", parameter.group));
        if parameter.adjustable {
            leaf["differentiable"] = json!(true);
        }
        fields.insert(parameter.name.clone(), leaf);
    }
    let example: Map<String, Value> =
        parameters.iter().map(|parameter| (parameter.name.clone(), json!(parameter.value))).collect();
    let mut input = schemas::object(fields);
    input["examples"] = json!([example]);
    let words: Vec<_> = argv.iter().map(|word| quoted(word)).collect();
    // Also of what is left to a shell.
    let named = argv.iter().skip(1).flat_map(|words| words.split_whitespace()).map(|word| home.join(word));
    let given = arguments.input.iter().map(PathBuf::from);
    let copies: IndexSet<PathBuf> = named.filter(|file| file.is_file()).chain(given).collect();
    let mut table = format!(
        "description = {}\ninput = \"input.schema.json\"\noutput = \"output.schema.json\"\n\n[command]\nargv = [{}]\n",
        quoted(&format!("The case {} of PEST", file.display())),
        words.join(", ")
    );
    if !copies.is_empty() {
        let mut names = Vec::new();
        for copy in &copies {
            let name = copy.file_name().unwrap_or_default();
            draft.copy(copy, name)?;
            names.push(quoted(&name.to_string_lossy()));
        }
        let _ = writeln!(table, "copy = [{}]", names.join(", "));
    }
    table += &format!("{writes}\n[command.read]\n{reads}\n[gradient]\n{}", steps(arguments.auto, &parameters, &groups));
    draft.write("model.toml", table.as_bytes())?;
    draft.write_json("input.schema.json", &input)?;
    draft.write_json("output.schema.json", &schemas::object(outputs))?;
    draft.record_example()?;
    let place = draft.finish()?;
    let place = place.display();
    report::note(&format!(
        "made {place}: {} parameters; what else the model reads is to be put beside its model.toml, and listed there under `copy`\n  \
         secant describe {place}\n  secant test {place}\n  secant check {place} '{{\"inputs\": {}}}'",
        parameters.len(),
        Value::Object(example)
    ));
    Ok(())
}

/// The line of a template's entry that says which inputs its parameters are, where their names do not: to PEST case does
/// not matter, inputs are in lower case, and a tied parameter is the input of the one it is tied to.
fn renamed(template: &str, ties: &BTreeMap<String, String>) -> String {
    let Some(delimiter) = template.lines().next().and_then(|line| line.split_whitespace().nth(1)) else {
        return String::new();
    };
    let mut names = Vec::new();
    for line in template.lines().skip(1) {
        names.extend(line.split(delimiter).skip(1).step_by(2).map(str::trim).filter(|name| !name.is_empty()));
    }
    names.sort_unstable();
    names.dedup();
    let input = |name: &str| {
        let name = name.to_lowercase();
        ties.get(&name).cloned().unwrap_or(name)
    };
    if names.iter().all(|name| *name == input(name)) {
        return String::new();
    }
    let pairs: Vec<_> = names.iter().map(|name| format!("{} = {}", quoted(name), quoted(&input(name)))).collect();
    format!("parameters = {{ {} }}\n", pairs.join(", "))
}

/// The `[gradient]` table's lines.
fn steps(found: bool, parameters: &[Parameter], groups: &BTreeMap<String, Group>) -> String {
    if found {
        return "# Steps are found, from the digits that are printed.\nalgorithm = \"auto\"\n".to_owned();
    }
    let adjustable = || parameters.iter().filter(|parameter| parameter.adjustable);
    let forward = adjustable().all(|parameter| groups.get(&parameter.group).is_some_and(|group| group.forward));
    let mut text = format!(
        "# The steps of the case at its initial values; with --algorithm auto steps are found, from the digits that are \
         printed.\nalgorithm = \"{}\"\n\n[gradient.eps]\n",
        if forward { "forward" } else { "central" }
    );
    for parameter in adjustable() {
        let Some(group) = groups.get(&parameter.group) else { continue };
        let in_group = parameters.iter().filter(|other| other.group == parameter.group);
        let step = match group.kind.as_str() {
            "absolute" => group.increment,
            "rel_to_max" => group.increment * in_group.map(|other| other.value.abs()).fold(0.0, f64::max),
            _ => group.increment * parameter.value.abs(),
        };
        let step = step.max(group.least);
        if step > 0.0 {
            let _ = writeln!(text, "{} = {step:?}", quoted(&parameter.name));
        }
    }
    text
}

impl<'a> Control<'a> {
    fn parse(file: &'a Path, text: &'a str) -> Result<Control<'a>, Failure> {
        let mut lines = text.lines().enumerate().map(|(i, line)| (i + 1, line.trim()));
        if !lines.next().is_some_and(|(_, line)| line.to_lowercase().starts_with("pcf")) {
            let message = format!("{}: line 1: a control file of PEST begins with `pcf`", file.display());
            return Err(Failure::Caller(message));
        }
        let mut sections: BTreeMap<String, Vec<(usize, Vec<&str>)>> = BTreeMap::new();
        let mut section = String::new();
        for (number, line) in lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#')) {
            match line.strip_prefix('*') {
                Some(name) => section = name.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase(),
                None => {
                    sections.entry(section.clone()).or_default().push((number, line.split_whitespace().collect()));
                }
            }
        }
        Ok(Control { file, sections })
    }

    fn section(&self, name: &str, faults: &mut Vec<String>) -> &[(usize, Vec<&'a str>)] {
        match self.sections.get(name) {
            Some(lines) => lines,
            None => {
                faults.push(format!("{}: there is no section `* {name}`", self.file.display()));
                &[]
            }
        }
    }

    fn fault(&self, line: usize, words: &str) -> String {
        format!("{}:{line}: {words}", self.file.display())
    }

    fn number(&self, line: usize, words: &[&str], at: usize, what: &str, faults: &mut Vec<String>) -> f64 {
        let text = words.get(at).copied().unwrap_or_default();
        text.to_lowercase().replace('d', "e").parse().unwrap_or_else(|_| {
            faults.push(self.fault(line, &format!("{what} is '{text}': expected a number")));
            1.0
        })
    }

    /// The parameters that are inputs, and those that are tied to one of them.
    fn parameters(&self, faults: &mut Vec<String>) -> (Vec<Parameter>, BTreeMap<String, String>) {
        let mut parameters: Vec<Parameter> = Vec::new();
        let (mut tied, mut ties) = (Vec::new(), BTreeMap::new());
        for (line, words) in self.section("parameter data", faults) {
            let [name, transform, ..] = words[..] else { continue };
            let name = name.to_lowercase();
            // Lines with two words say to which parameter another is tied.
            if words.len() == 2 {
                ties.insert(name, transform.to_lowercase());
                continue;
            }
            let (value, lower, upper) = (
                self.number(*line, words, 3, "PARVAL1", faults),
                self.number(*line, words, 4, "PARLBND", faults),
                self.number(*line, words, 5, "PARUBND", faults),
            );
            for (at, plain, what) in [(7, 1.0, "SCALE"), (8, 0.0, "OFFSET")] {
                if words.len() > at && self.number(*line, words, at, what, faults) != plain {
                    faults.push(self.fault(
                        *line,
                        &format!("{what} of {name} is not {plain}: put it into the parameter's value and bounds"),
                    ));
                }
            }
            let transform = transform.to_lowercase();
            if transform == "tied" {
                tied.push((*line, name, value));
                continue;
            }
            let group = words.get(6).unwrap_or(&"none").to_lowercase();
            parameters.push(Parameter { name, adjustable: transform != "fixed", value, lower, upper, group });
        }
        for (line, name, value) in tied {
            let parent = ties.get(&name).and_then(|parent| parameters.iter().find(|other| other.name == *parent));
            let words = match parent {
                Some(parent) if parent.value == value => continue,
                Some(parent) => format!(
                    "{name} is tied to {} with another value: a template says the same value of both, no multiple of it",
                    parent.name
                ),
                None => format!("{name} is tied, but no line says to which parameter"),
            };
            faults.push(self.fault(line, &words));
        }
        (parameters, ties)
    }

    fn groups(&self, faults: &mut Vec<String>) -> BTreeMap<String, Group> {
        let lines = self.section("parameter groups", faults).to_vec();
        let group = |(line, words): (usize, Vec<&str>)| {
            let [name, kind, ..] = words[..] else { return None };
            let increment = self.number(line, &words, 2, "DERINC", faults);
            let least = if words.len() > 3 { self.number(line, &words, 3, "DERINCLB", faults) } else { 0.0 };
            let forward = words.get(4).is_some_and(|word| word.eq_ignore_ascii_case("always_2"));
            Some((name.to_lowercase(), Group { kind: kind.to_lowercase(), increment, least, forward }))
        };
        lines.into_iter().filter_map(group).collect()
    }

    /// The model's command; what only a shell understands is left to one.
    fn argv(&self, faults: &mut Vec<String>) -> Vec<String> {
        let lines = self.section("model command line", faults);
        let Some((line, words)) = lines.first() else { return Vec::new() };
        if lines.len() > 1 {
            faults.push(self.fault(*line, "several commands are given: one model has one"));
        }
        let text = words.join(" ");
        let home =
            std::path::absolute(self.file).ok().and_then(|file| file.parent().map(Path::to_owned)).unwrap_or_default();
        if text.contains(['|', '&', ';', '<', '>', '$', '`', '"', '\'', '*']) {
            return vec!["sh".to_owned(), "-c".to_owned(), text];
        }
        // The model lies where the case does, and runs elsewhere.
        let place = |word: &&str| {
            let file = home.join(word);
            if word.contains('/') && file.is_file() { file.to_string_lossy().into_owned() } else { (*word).to_owned() }
        };
        let mut argv: Vec<String> = words.iter().map(place).collect();
        let beside = home.join(words[0]);
        if !words[0].contains('/') && beside.is_file() {
            argv[0] = beside.to_string_lossy().into_owned();
        }
        argv
    }

    /// Pairs of a file of PEST and a file of the model.
    fn files(&self, faults: &mut Vec<String>) -> Vec<(String, String)> {
        let lines = self.section("model input/output", faults).to_vec();
        let pair = |(line, words): (usize, Vec<&str>)| match words[..] {
            [pest, model, ..] => Some((pest.to_owned(), model.to_owned())),
            _ => {
                faults.push(self.fault(line, "expected a template or instruction file, and the model's file"));
                None
            }
        };
        lines.into_iter().filter_map(pair).collect()
    }
}
