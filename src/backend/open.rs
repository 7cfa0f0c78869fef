//! From a folder, a library or a manifest to a model: the only match on kinds.

mod library;
#[cfg(feature = "symbol")]
mod symbol;

#[cfg(feature = "cli")]
pub(crate) use library::described;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::build::Recipe;
use super::child::Launch;
#[cfg(feature = "command")]
use super::command::{Adapter, Legacy};
use super::library::LoadError;
#[cfg(feature = "remote")]
use super::remote;
use super::stdio::{Introduced, Program, Terms};
use crate::manifest::{
    Command, Executable, Gradient, Isolation, Kind, Manifest, ManifestError, Protocol, Remote, RemoteProtocol, Run,
};
use crate::model::{Description, Model};
use crate::schema::{Differentiable, Signature};

/// A model, and what its manifest says about deriving and running it.
pub struct Opened {
    /// The model.
    pub model: Arc<dyn Model>,
    /// Defaults for derivatives.
    pub gradient: Gradient,
    /// How it is run.
    pub run: Run,
    /// The folder it came from; the library's own for a bare one.
    pub folder: PathBuf,
}

/// What a caller may overrule when a model is opened.
#[derive(Clone, Debug, Default)]
pub struct OpenOptions {
    /// Instances evaluated at once.
    pub workers: Option<usize>,
    /// The longest an evaluation may take.
    pub timeout: Option<Duration>,
    /// Where a library runs, whatever its manifest says. In this process no time limit can be kept.
    pub isolation: Option<Isolation>,
    /// The `secant` program that workers run; found by itself when not given.
    pub worker: Option<PathBuf>,
}

/// Why a model cannot be opened: the operator's to mend.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Nothing is there.
    #[error("{0}")]
    NotFound(String),
    /// The manifest is no good.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// The library is no good.
    #[error(transparent)]
    Library(#[from] LoadError),
    /// Anything else about the model at `place`.
    #[error("{}: {message}", place.display())]
    Other {
        /// The file or folder.
        place: PathBuf,
        /// What is wrong, and what to do.
        message: String,
    },
}

const START_TIMEOUT: Duration = Duration::from_secs(60);

/// Opens the model at `path`: a folder with a `model.toml`, such a file itself, or a bare library.
pub fn open(path: &Path, options: &OpenOptions) -> Result<Opened, OpenError> {
    let path = std::path::absolute(path).map_err(|error| other(path, error))?;
    if path.is_dir() {
        return open_manifest(&path.join("model.toml"), options);
    }
    if !path.exists() {
        return Err(OpenError::NotFound(format!("there is no {}", path.display())));
    }
    if path.extension().is_some_and(|ending| ending == "toml") {
        return open_manifest(&path, options);
    }
    let folder = path.parent().unwrap_or(Path::new("/")).to_owned();
    let name = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let source = Source {
        place: &path,
        folder: &folder,
        name: name.strip_prefix("lib").unwrap_or(&name),
        manifest: None,
        options,
        run: options.over(Run::default()),
    };
    let model = source.library(&path, Isolation::None)?;
    Ok(Opened { model, gradient: Gradient::default(), run: source.run, folder: folder.clone() })
}

/// What a model says of itself. Nothing is built, loaded or started where the manifest's files say it all; and a library
/// not in this process, wherever it is to run: one that crashes must not take the others along.
#[cfg(feature = "cli")]
pub fn peek(path: &Path) -> Result<(Description, Signature), OpenError> {
    let file = path.join("model.toml");
    // Bare, unless there is a manifest.
    let mut library = path.is_file().then_some("library");
    if let Ok(text) = std::fs::read_to_string(&file) {
        let manifest = Manifest::parse(&text, &file)?;
        let options = OpenOptions::default();
        let source = Source {
            place: &file,
            folder: path,
            name: &manifest.name,
            manifest: Some(&manifest),
            options: &options,
            run: manifest.run.clone(),
        };
        #[cfg(feature = "symbol")]
        if let Kind::Symbol(symbol) = &manifest.kind {
            return source.peek_symbol(symbol);
        }
        if let (Some(input), Some(output)) = (source.schema("input")?, source.schema("output")?) {
            return source.describe(
                Words { input: Some(input), output: Some(output), ..Words::default() },
                kind_text(&manifest.kind),
            );
        }
        library = matches!(manifest.kind, Kind::Library(_)).then(|| kind_text(&manifest.kind));
    }
    let options = OpenOptions { isolation: library.map(|_| Isolation::Process), ..OpenOptions::default() };
    let opened = open(path, &options)?;
    let description = opened.model.description().clone();
    let kind = library.map_or(description.kind, str::to_owned);
    Ok((Description { kind, ..description }, opened.model.signature().clone()))
}

fn kind_text(kind: &Kind) -> &'static str {
    match kind {
        Kind::Library(library) if library.isolation == Isolation::Process => "library, isolated",
        Kind::Library(_) => "library",
        Kind::Executable(executable) => match executable.protocol {
            Protocol::Jsonrpc => "executable (jsonrpc)",
            Protocol::Lines => "executable (lines)",
            Protocol::Once => "executable (once)",
        },
        Kind::Command(_) => "command",
        Kind::Symbol(symbol) if symbol.isolation == Isolation::Process => "symbol, isolated",
        Kind::Symbol(_) => "symbol",
        Kind::Remote(remote) => match remote.protocol {
            Some(RemoteProtocol::Tesseract) => "remote (tesseract)",
            Some(RemoteProtocol::Umbridge) => "remote (umbridge)",
            None => "remote",
        },
    }
}

fn open_manifest(file: &Path, options: &OpenOptions) -> Result<Opened, OpenError> {
    let text =
        std::fs::read_to_string(file).map_err(|error| OpenError::NotFound(format!("{}: {error}", file.display())))?;
    let manifest = Manifest::parse(&text, file)?;
    let folder = file.parent().unwrap_or(Path::new("/")).to_owned();
    let run = options.over(manifest.run.clone());
    let source = Source { place: file, folder: &folder, name: &manifest.name, manifest: Some(&manifest), options, run };
    let model = match &manifest.kind {
        Kind::Library(library) => {
            source.build("library", Some(&library.path), &library.build, library.sources.as_deref())?;
            source.library(&folder.join(&library.path), library.isolation)?
        }
        Kind::Executable(executable) => {
            let Executable { path, build, sources, .. } = executable;
            source.build("executable", path.as_deref(), build, sources.as_deref())?;
            source.executable(executable)?
        }
        Kind::Command(command) => {
            source.build("command", command.path.as_deref(), &command.build, command.sources.as_deref())?;
            source.command(command)?
        }
        #[cfg(feature = "symbol")]
        Kind::Symbol(symbol) => source.symbol(symbol)?,
        #[cfg(not(feature = "symbol"))]
        Kind::Symbol(_) => {
            return Err(other(file, "[symbol] needs a secant that was built with the feature `symbol`"));
        }
        Kind::Remote(remote) => source.remote(remote)?,
    };
    let run = source.run;
    Ok(Opened { model, gradient: manifest.gradient, run, folder })
}

impl OpenOptions {
    fn over(&self, run: Run) -> Run {
        Run { workers: self.workers.or(run.workers), timeout: self.timeout.or(run.timeout), ..run }
    }
}

fn other(place: &Path, message: impl ToString) -> OpenError {
    OpenError::Other { place: place.to_owned(), message: message.to_string() }
}

/// Where a model comes from.
struct Source<'s> {
    /// The manifest or bare library, for messages.
    place: &'s Path,
    folder: &'s Path,
    name: &'s str,
    manifest: Option<&'s Manifest>,
    options: &'s OpenOptions,
    run: Run,
}

/// What a model says of itself, all optional; the manifest wins over it.
#[derive(Default)]
struct Words {
    name: Option<String>,
    version: Option<String>,
    description: Option<String>,
    input: Option<Value>,
    output: Option<Value>,
}

impl Source<'_> {
    /// Makes the file that the manifest's `table` says how to make, if need be.
    fn build(
        &self,
        table: &str,
        path: Option<&Path>,
        argv: &[String],
        sources: Option<&[PathBuf]>,
    ) -> Result<(), OpenError> {
        let fail = |message| other(self.place, message);
        let Some(path) = path else {
            let missing = format!("{table}.build is given without {table}.path: which file does it make?");
            return if argv.is_empty() { Ok(()) } else { Err(fail(missing)) };
        };
        let target = self.folder.join(path);
        Recipe { manifest: self.place, folder: self.folder, target: &target, argv, sources }.follow().map_err(fail)
    }

    fn executable(&self, executable: &Executable) -> Result<Arc<dyn Model>, OpenError> {
        let kind = self.manifest.map_or("executable", |manifest| kind_text(&manifest.kind));
        let (input, output) = (self.schema("input")?, self.schema("output")?);
        if input.is_some() && output.is_some() {
            let words = Words { input, output, ..Words::default() };
            let (description, signature) = self.describe(words, kind)?;
            let terms = self.terms(executable.command.clone(), executable.env.clone(), executable.protocol, &signature);
            return Ok(Arc::new(Program::new(terms, description, signature, None)));
        }
        if executable.protocol != Protocol::Jsonrpc {
            return Err(other(
                self.place,
                "`input` and `output` must name schema files: only a jsonrpc program can describe itself",
            ));
        }
        let terms = self.bare_terms(executable.command.clone(), executable.env.clone(), executable.protocol);
        let mut introduced = Introduced::start(&terms)
            .map_err(|error| other(self.place, format!("to learn its schemas it was started, but {error}")))?;
        let (said_input, said_output) = introduced.schemas();
        let words = Words {
            name: introduced.name().map(str::to_owned),
            version: introduced.version().map(str::to_owned),
            description: introduced.description().map(str::to_owned),
            input: input.or(said_input),
            output: output.or(said_output),
        };
        let (description, signature) = self.describe(words, kind)?;
        Ok(Arc::new(Program::new(terms, description, signature, Some(introduced))))
    }

    #[cfg(feature = "command")]
    fn command(&self, command: &Command) -> Result<Arc<dyn Model>, OpenError> {
        let words = Words { input: self.schema("input")?, output: self.schema("output")?, ..Words::default() };
        let (description, signature) = self.describe(words, "command")?;
        let adapter = Adapter::new(command, self.name, self.folder, &self.run.launcher, self.run.timeout, &signature)
            .map_err(|faults| other(self.place, format!("\n{faults}")))?;
        Ok(Arc::new(Legacy::new(description, signature, adapter)))
    }

    #[cfg(not(feature = "command"))]
    fn command(&self, _command: &Command) -> Result<Arc<dyn Model>, OpenError> {
        Err(other(self.place, "[command] needs a secant that was built with the feature `command`"))
    }

    #[cfg(feature = "remote")]
    fn remote(&self, remote: &Remote) -> Result<Arc<dyn Model>, OpenError> {
        let (input, output) = (self.schema("input")?, self.schema("output")?);
        let limit = self.run.start_timeout.unwrap_or(START_TIMEOUT);
        let mut introduced = remote::Introduced::ask(remote, self.folder, &self.config(), limit)
            .map_err(|message| other(self.place, message))?;
        let words = Words {
            version: introduced.version.take(),
            description: introduced.description.take(),
            input: input.or_else(|| Some(introduced.input.take())),
            output: output.or_else(|| Some(introduced.output.take())),
            ..Words::default()
        };
        let (description, signature) = self.describe(words, introduced.kind())?;
        let model = introduced.into_model(description, signature, self.run.timeout);
        Ok(Arc::new(model.map_err(|message| other(self.place, message))?))
    }

    #[cfg(not(feature = "remote"))]
    fn remote(&self, _remote: &Remote) -> Result<Arc<dyn Model>, OpenError> {
        Err(other(self.place, "[remote] needs a secant that was built with the feature `remote`"))
    }

    fn terms(
        &self,
        argv: Vec<String>,
        env: BTreeMap<String, String>,
        protocol: Protocol,
        signature: &Signature,
    ) -> Terms {
        let outputs_error =
            matches!(&signature.outputs, crate::schema::Node::Struct { fields, .. } if fields.contains_key("error"));
        Terms { outputs_error, ..self.bare_terms(argv, env, protocol) }
    }

    fn bare_terms(&self, argv: Vec<String>, env: BTreeMap<String, String>, protocol: Protocol) -> Terms {
        let argv = self.run.launcher.iter().cloned().chain(argv).collect();
        Terms {
            launch: Launch { argv, folder: self.folder.to_owned(), env, inherit: None, errors: None },
            protocol,
            config: self.config(),
            timeout: self.run.timeout,
            start_timeout: self.run.start_timeout.unwrap_or(START_TIMEOUT),
            outputs_error: false,
            died_of_greeting: Some(Arc::default()),
        }
    }

    fn config(&self) -> Value {
        self.manifest.map_or_else(|| Value::Object(serde_json::Map::new()), |manifest| manifest.config.clone())
    }

    /// The schema file of one side, if the manifest names one.
    fn schema(&self, side: &str) -> Result<Option<Value>, OpenError> {
        let file = self
            .manifest
            .and_then(|manifest| if side == "input" { manifest.input.as_ref() } else { manifest.output.as_ref() });
        let Some(file) = file else { return Ok(None) };
        let path = self.folder.join(file);
        let text =
            std::fs::read(&path).map_err(|error| other(self.place, format!("{side}: {}: {error}", path.display())))?;
        let schema = serde_json::from_slice(&text).map_err(|error| other(&path, format!("is no JSON: {error}")))?;
        Ok(Some(schema))
    }

    /// The description and signature: the manifest's words first, then the model's own.
    fn describe(&self, words: Words, kind: &str) -> Result<(Description, Signature), OpenError> {
        let manifest = self.manifest;
        let (Some(input), Some(output)) = (words.input, words.output) else {
            return Err(other(
                self.place,
                "a schema is missing: name the files with `input` and `output`, or have the model describe itself",
            ));
        };
        let marks = match manifest {
            Some(manifest) => Differentiable {
                inputs: self.patterns(&manifest.differentiable.inputs)?,
                outputs: self.patterns(&manifest.differentiable.outputs)?,
            },
            None => Differentiable::default(),
        };
        let signature =
            Signature::parse(&input, &output, &marks).map_err(|errors| other(self.place, format!("\n{errors}")))?;
        let description = Description {
            name: if manifest.is_some() {
                self.name.to_owned()
            } else {
                words.name.unwrap_or_else(|| self.name.to_owned())
            },
            version: manifest.and_then(|manifest| manifest.version.clone()).or(words.version).unwrap_or_default(),
            description: manifest
                .and_then(|manifest| manifest.description.clone())
                .or(words.description)
                .unwrap_or_default(),
            kind: kind.to_owned(),
            call: Vec::new(),
        };
        Ok((description, signature))
    }

    fn patterns(&self, texts: &[String]) -> Result<Vec<crate::tree::Pattern>, OpenError> {
        texts
            .iter()
            .map(|text| text.parse().map_err(|error| other(self.place, format!("differentiable: {error}"))))
            .collect()
    }
}
