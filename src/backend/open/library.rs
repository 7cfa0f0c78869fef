//! Libraries made into models: in this process, or behind a worker that is secant itself.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;

use super::{OpenError, START_TIMEOUT, Source, Words, other};
use crate::backend::library::{Library, LoadError};
use crate::backend::oneshot;
use crate::backend::stdio::{Program, Terms};
use crate::manifest::{Isolation, Protocol};
use crate::model::{Description, Model};
use crate::schema::Signature;

impl Source<'_> {
    pub(super) fn library(&self, path: &Path, isolation: Isolation) -> Result<Arc<dyn Model>, OpenError> {
        let isolation = self.options.isolation.unwrap_or(isolation);
        // Only a process can be stopped, so that a time limit asks for one.
        let isolated =
            isolation == Isolation::Process || (self.run.timeout.is_some() && self.options.isolation.is_none());
        let (input, output) = (self.schema("input")?, self.schema("output")?);
        if isolated {
            // Nothing of it is loaded here, where its crash would be ours.
            let words = match (input, output) {
                (Some(input), Some(output)) => Words { input: Some(input), output: Some(output), ..Words::default() },
                (input, output) => words(path, &self.described_apart(path)?, input, output)?,
            };
            let (description, signature) = self.describe(words, "library, isolated")?;
            return self.worker(description, signature);
        }
        let library = Library::load(path)?;
        let words = words(path, library.described(), input, output)?;
        // One process a worker where there may be several; without a `secant` to run there, one instance here.
        let several = match self.run.workers {
            Some(workers) => workers > 1,
            None => self.options.worker.is_some() || worker_program().is_ok(),
        };
        if library.one_per_process() && several && self.options.isolation.is_none() {
            let (description, signature) = self.describe(words, "library, isolated")?;
            return self.worker(description, signature);
        }
        let (description, signature) = self.describe(words, "library")?;
        let config = self.config();
        Ok(Arc::new(library.into_model(description, signature, &config)))
    }

    /// What a library says of itself to a process of its own.
    fn described_apart(&self, path: &Path) -> Result<String, OpenError> {
        let argv = [self.run.launcher.clone(), self.worker_line(&["--describe"], path)?].concat();
        let limit = self.run.start_timeout.unwrap_or(START_TIMEOUT);
        let fail = |reason: String| LoadError { path: path.to_owned(), reason };
        let answer = oneshot::answer(argv, self.folder, &[], limit)
            .map_err(|error| fail(format!("loaded in a process of its own, to learn what it is, {error}")))?;
        let said: Result<String, String> = serde_json::from_slice(&answer)
            .map_err(|error| fail(format!("the worker's answer is no good, which should not happen ({error})")))?;
        Ok(said.map_err(fail)?)
    }

    /// How our own program is started with a model.
    fn worker_line(&self, flags: &[&str], model: &Path) -> Result<Vec<String>, OpenError> {
        let program = match &self.options.worker {
            Some(program) => program.clone(),
            None => worker_program().map_err(|message| other(self.place, message))?,
        };
        let text = |path: &Path| path.to_string_lossy().into_owned();
        let flags = flags.iter().map(|flag| (*flag).to_owned());
        Ok([text(&program), "worker".to_owned()].into_iter().chain(flags).chain([text(model)]).collect())
    }

    /// A library behind our own stdio guest.
    pub(super) fn worker(&self, description: Description, signature: Signature) -> Result<Arc<dyn Model>, OpenError> {
        let argv = self.worker_line(&[], self.place)?;
        let terms = self.terms(argv, BTreeMap::new(), Protocol::Jsonrpc, &signature);
        let terms = Terms { died_of_greeting: None, ..terms };
        Ok(Arc::new(Program::new(terms, description, signature, None)))
    }
}

/// The words of a library: the schemas that its manifest names first, then its own.
fn words(path: &Path, said: &str, input: Option<Value>, output: Option<Value>) -> Result<Words, OpenError> {
    let described: Value = serde_json::from_str(said).map_err(|error| {
        let text: String = said.chars().take(200).collect();
        other(path, format!("describe() returned text that is no JSON object ({error}): {text}"))
    })?;
    let text = |key: &str| described.get(key).and_then(Value::as_str).map(str::to_owned);
    Ok(Words {
        name: text("name"),
        version: text("version"),
        description: text("description"),
        input: input.or_else(|| described.get("input_schema").cloned()),
        output: output.or_else(|| described.get("output_schema").cloned()),
    })
}

/// What a library says of itself, or why it is no model.
#[cfg(feature = "cli")]
pub(crate) fn described(path: &Path) -> Result<String, String> {
    Library::load(path).map(|library| library.described().to_owned()).map_err(|error| error.reason)
}

/// The `secant` program, to be run as a worker.
fn worker_program() -> Result<PathBuf, String> {
    if let Some(program) = std::env::var_os("SECANT_WORKER") {
        return Ok(program.into());
    }
    let ours = std::env::current_exe().map_err(|error| error.to_string())?;
    let name = format!("secant{}", std::env::consts::EXE_SUFFIX);
    if ours.file_name().is_some_and(|file| *file == *name) {
        return Ok(ours);
    }
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let places = ours.parent().map(Path::to_owned).into_iter().chain(std::env::split_paths(&paths));
    places.map(|folder| folder.join(&name)).find(|program| program.is_file()).ok_or_else(|| {
        "isolation needs the `secant` program: install it (cargo install), put it on the PATH, or name it in $SECANT_WORKER".to_owned()
    })
}
