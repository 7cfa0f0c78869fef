//! What was typed, resolved: which model is meant, what the request says, where results go.

use std::ffi::OsString;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::Failure;
use super::args::{Ask, ModelArguments};
use crate::Model;
use crate::backend::OpenOptions;
use crate::codec;
use crate::endpoint::Settings;
use crate::manifest::Eps;

/// The folders in which models are looked for.
pub(super) fn plugin_folders(argument: Option<OsString>) -> Vec<PathBuf> {
    let list = argument.or_else(|| std::env::var_os("SECANT_PLUGINS").filter(|list| !list.is_empty()));
    list.map_or_else(|| vec![PathBuf::from("plugins")], |list| std::env::split_paths(&list).collect())
}

/// Every model in the folders: its name and its path, by name.
pub(super) fn find_models(folders: &[PathBuf]) -> Result<Vec<(String, PathBuf)>, Failure> {
    let mut found = Vec::new();
    for folder in folders {
        let entries = std::fs::read_dir(folder).map_err(|error| {
            Failure::Operator(format!(
                "{}: {error}: name the folder of models with --plugins or $SECANT_PLUGINS",
                folder.display()
            ))
        })?;
        for path in entries.flatten().map(|entry| entry.path()) {
            if path.join("model.toml").is_file() {
                found.push((file_text(path.file_name()), path));
            } else if path.is_file() && path.extension().is_some_and(|ending| ending == std::env::consts::DLL_EXTENSION)
            {
                found.push((file_text(path.file_stem()), path));
            }
        }
    }
    found.sort();
    Ok(found)
}

fn file_text(name: Option<&std::ffi::OsStr>) -> String {
    name.unwrap_or_default().to_string_lossy().into_owned()
}

/// The path of the model that is meant: one of the folders', or a path as it stands.
pub(super) fn locate(name: &str, folders: &[PathBuf]) -> Result<PathBuf, Failure> {
    let path = Path::new(name);
    if name.contains(std::path::MAIN_SEPARATOR) || path.is_file() {
        return Ok(path.to_owned());
    }
    let models = find_models(folders);
    let same = |known: &str| known == name || known.strip_prefix("lib") == Some(name);
    if let Some((_, path)) = models.as_ref().ok().and_then(|models| models.iter().find(|(known, _)| same(known))) {
        return Ok(path.clone());
    }
    if path.exists() {
        return Ok(path.to_owned());
    }
    let known: Vec<String> = models?.into_iter().map(|(name, _)| name).collect();
    let places: Vec<_> = folders.iter().map(|folder| folder.display().to_string()).collect();
    Err(Failure::Operator(format!(
        "there is no model '{name}' in {}; there are {}",
        places.join(", "),
        known.join(", ")
    )))
}

/// Opens the model that is meant.
pub(super) fn open(arguments: &ModelArguments, folders: &[PathBuf]) -> Result<Model, Failure> {
    let path = locate(&arguments.model, folders)?;
    let options = OpenOptions {
        workers: arguments.workers.map(usize::from),
        timeout: arguments.timeout,
        // We are the worker program, whatever we are called.
        worker: std::env::current_exe().ok(),
        ..OpenOptions::default()
    };
    Ok(Model::open_with(path, &options)?)
}

/// The payload's JSON.
pub(super) fn read_payload(payload: &str) -> Result<Value, Failure> {
    let bytes = if payload == "-" {
        let mut bytes = Vec::new();
        std::io::stdin().read_to_end(&mut bytes).map_err(|error| Failure::Caller(format!("stdin: {error}")))?;
        bytes
    } else if let Some(file) = payload.strip_prefix('@') {
        std::fs::read(file).map_err(|error| Failure::Caller(format!("{file}: {error}")))?
    } else {
        payload.as_bytes().to_vec()
    };
    codec::parse_json(&bytes).map_err(|error| {
        let source = payload.strip_prefix('@').unwrap_or(if payload == "-" { "stdin" } else { "the payload" });
        Failure::Caller(format!("{source} is no JSON: {error}"))
    })
}

/// Puts the path lists that were typed in place of the payload's.
pub(super) fn override_paths(body: &mut Value, wrt: (&str, &[String]), of: (&str, &[String])) {
    let Some(fields) = body.as_object_mut() else { return };
    for (name, paths) in [wrt, of] {
        if !paths.is_empty() {
            fields.insert(name.to_owned(), paths.iter().map(|path| Value::from(path.as_str())).collect());
        }
    }
}

/// How the derivative is to be taken.
pub(super) fn derivative(ask: &Ask) -> Result<Settings, Failure> {
    Ok(Settings {
        most: None,
        algorithm: ask.algorithm,
        eps: eps(&ask.eps)?,
        samples: ask.samples.map(|samples| samples as usize),
        seed: ask.seed,
        workers: ask.model.workers.map(usize::from),
        on_failure: ask.on_failure,
        dense: ask.dense,
        bounds: ask.report,
    })
}

pub(super) fn eps(typed: &[String]) -> Result<Option<Eps>, Failure> {
    let positive = |text: &str| {
        let number = text.parse::<f64>().ok().filter(|eps| eps.is_finite() && *eps > 0.0);
        number.ok_or_else(|| Failure::Caller(format!("--eps {text}: expected a positive number, or PATH=NUMBER")))
    };
    match typed {
        [] => Ok(None),
        [one] if !one.contains('=') => Ok(Some(Eps::All(positive(one)?))),
        several => {
            let pair = |text: &String| {
                let (path, number) = text
                    .rsplit_once('=')
                    .ok_or_else(|| Failure::Caller(format!("--eps {text}: with several, each is PATH=NUMBER")))?;
                Ok((path.to_owned(), positive(number)?))
            };
            Ok(Some(Eps::PerPath(several.iter().map(pair).collect::<Result<_, Failure>>()?)))
        }
    }
}
