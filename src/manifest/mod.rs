//! `model.toml` as pure data. Nothing is loaded, built or started here.

pub mod command;
mod gradient;
mod symbol;

pub use command::Command;
pub use gradient::{AlgorithmName, Eps, Gradient, OnFailure, Structure};
pub use symbol::Symbol;
#[cfg(feature = "symbol")]
pub use symbol::Threads;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use serde::de::{self, Deserializer};

/// What a `model.toml` says.
#[derive(Clone, Debug)]
pub struct Manifest {
    /// The model's name; the folder's when the manifest gives none.
    pub name: String,
    /// The model's version.
    pub version: Option<String>,
    /// One or two sentences on the model.
    pub description: Option<String>,
    /// The file of the input schema, relative to the manifest's folder.
    pub input: Option<PathBuf>,
    /// The file of the output schema, relative to the manifest's folder.
    pub output: Option<PathBuf>,
    /// Paths to be differentiable that the schemas do not mark.
    pub differentiable: Differentiable,
    /// Handed to the model as it is, as JSON.
    pub config: serde_json::Value,
    /// What the model is.
    pub kind: Kind,
    /// Defaults for derivatives.
    pub gradient: Gradient,
    /// How it is run.
    pub run: Run,
}

/// Paths or patterns to be differentiable beyond what the schemas mark.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Differentiable {
    /// Of the input.
    #[serde(default)]
    pub inputs: Vec<String>,
    /// Of the output.
    #[serde(default)]
    pub outputs: Vec<String>,
}

/// What a model is.
#[derive(Clone, Debug)]
pub enum Kind {
    /// A shared library that speaks the C ABI.
    Library(Library),
    /// A program that speaks JSON over stdio.
    Executable(Executable),
    /// A program that knows nothing of JSON.
    Command(Box<Command>),
    /// A function in a library that knows nothing of us.
    Symbol(Symbol),
    /// A model behind a URL.
    Remote(Remote),
}

impl Kind {
    /// The tables, one of which says what a model is.
    const TABLES: [&str; 5] = ["[library]", "[executable]", "[command]", "[symbol]", "[remote]"];
}

/// The `[library]` table.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Library {
    /// The library, relative to the manifest's folder.
    pub path: PathBuf,
    /// The command that makes it; `{path}` and `{include}` are filled in.
    #[serde(default)]
    pub build: Vec<String>,
    /// Files and folders whose change calls for a new build; default: the code in the folder.
    pub sources: Option<Vec<PathBuf>>,
    /// Where it runs.
    #[serde(default)]
    pub isolation: Isolation,
}

/// Where a library runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Isolation {
    /// In this process: fastest, trusted.
    #[default]
    None,
    /// In worker processes: a crash costs one evaluation.
    Process,
}

/// The `[executable]` table.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Executable {
    /// The program and its arguments.
    pub command: Vec<String>,
    /// What it speaks.
    #[serde(default)]
    pub protocol: Protocol,
    /// Added to its environment.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// The file that `build` makes, relative to the manifest's folder.
    pub path: Option<PathBuf>,
    /// The command that makes the program.
    #[serde(default)]
    pub build: Vec<String>,
    /// Files and folders whose change calls for a new build; default: the code in the folder.
    pub sources: Option<Vec<PathBuf>>,
}

/// What a program speaks on its standard input and output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// JSON-RPC 2.0, a message a line; the program stays.
    #[default]
    Jsonrpc,
    /// Inputs in, outputs out, a line each; the program stays.
    Lines,
    /// One document in, one out; the program is started for each evaluation.
    Once,
}

/// The `[remote]` table.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Remote {
    /// Where the server is: `http://host:port`, with `/NAME` where one server has several models.
    pub url: String,
    /// What it speaks; default: it is found out.
    pub protocol: Option<RemoteProtocol>,
    /// Which of an UM-Bridge server's models; default: the only one.
    pub model: Option<String>,
    /// Sent with every request.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// The file, relative to the manifest's folder, that holds the bearer token of every request.
    pub token_file: Option<PathBuf>,
    /// How often a request is sent again when the connection fails.
    #[serde(default = "two")]
    pub retries: u32,
}

fn two() -> u32 {
    2
}

/// What a server speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RemoteProtocol {
    /// The REST protocol of Tesseracts, and of secant's own server.
    Tesseract,
    /// UM-Bridge, version 1.0.
    Umbridge,
}

/// The `[run]` table.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Run {
    /// Instances evaluated at once; default: as many as the cores.
    pub workers: Option<usize>,
    /// The longest an evaluation may take; default: any time.
    #[serde(default, deserialize_with = "duration")]
    pub timeout: Option<Duration>,
    /// The longest a program may take to start; default: a minute.
    #[serde(default, deserialize_with = "duration")]
    pub start_timeout: Option<Duration>,
    /// Put before the command of every process started.
    #[serde(default)]
    pub launcher: Vec<String>,
}

fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let duration = humantime::parse_duration(&text).map_err(|error| {
        de::Error::custom(format_args!("'{text}' is not a duration such as \"30s\" or \"2min\": {error}"))
    })?;
    if duration.is_zero() {
        return Err(de::Error::custom("a time limit of zero leaves no time to evaluate"));
    }
    Ok(Some(duration))
}

/// The file as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    name: Option<String>,
    version: Option<String>,
    description: Option<String>,
    input: Option<PathBuf>,
    output: Option<PathBuf>,
    #[serde(default)]
    differentiable: Differentiable,
    #[serde(default)]
    config: toml::Table,
    library: Option<Library>,
    executable: Option<Executable>,
    command: Option<Command>,
    symbol: Option<Symbol>,
    remote: Option<Remote>,
    #[serde(default)]
    gradient: Gradient,
    #[serde(default)]
    run: Run,
}

/// Why a manifest cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{}: {message}", file.display())]
pub struct ManifestError {
    /// The manifest.
    pub file: PathBuf,
    /// Key, expectation, finding.
    pub message: String,
}

impl Manifest {
    /// Parses the text of `file`; a name left out is that of its folder.
    pub fn parse(text: &str, file: &Path) -> Result<Manifest, ManifestError> {
        let fail = |message: String| ManifestError { file: file.to_owned(), message };
        let written: Written = toml::from_str(text).map_err(|error| fail(format!("\n{error}")))?;
        let kinds = [
            written.library.map(Kind::Library),
            written.executable.map(Kind::Executable),
            written.command.map(|command| Kind::Command(Box::new(command))),
            written.symbol.map(Kind::Symbol),
            written.remote.map(Kind::Remote),
        ];
        let given: Vec<_> =
            kinds.iter().zip(Kind::TABLES).filter_map(|(kind, table)| kind.as_ref().map(|_| table)).collect();
        if given.len() > 1 {
            return Err(fail(format!("{} are given: keep one", given.join(" and "))));
        }
        let Some(kind) = kinds.into_iter().flatten().next() else {
            let [others @ .., last] = Kind::TABLES;
            let others = others.join(", ");
            return Err(fail(format!("one of the tables {others} or {last} is missing: what is the model?")));
        };
        if let Kind::Executable(executable) = &kind
            && executable.command.is_empty()
        {
            return Err(fail("executable.command is empty: expected a program and its arguments".into()));
        }
        if let Kind::Command(command) = &kind
            && command.argv.is_empty()
        {
            return Err(fail("command.argv is empty: expected a program and its arguments".into()));
        }
        if let Kind::Remote(remote) = &kind
            && !is_web_address(&remote.url)
        {
            let url = &remote.url;
            return Err(fail(format!("remote.url is '{url}': expected http://host:port or https://host, and a path")));
        }
        if written.run.workers == Some(0) {
            return Err(fail("run.workers is 0: expected at least 1".into()));
        }
        if written.gradient.samples == Some(0) {
            return Err(fail("gradient.samples is 0: expected at least 1".into()));
        }
        let folder_name = || {
            let folder = file.parent()?;
            let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
            Some(folder.file_name()?.to_string_lossy().into_owned())
        };
        let config = serde_json::to_value(&written.config).map_err(|error| fail(format!("[config]: {error}")))?;
        Ok(Manifest {
            name: written.name.or_else(folder_name).unwrap_or_else(|| "model".to_owned()),
            version: written.version,
            description: written.description,
            input: written.input,
            output: written.output,
            differentiable: written.differentiable,
            config,
            kind,
            gradient: written.gradient,
            run: written.run,
        })
    }
}

/// Whether it is a URL that endpoints can be put behind.
fn is_web_address(url: &str) -> bool {
    let rest = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"));
    rest.is_some_and(|rest| !rest.is_empty() && !rest.starts_with(['/', ':']) && !rest.contains(['?', '#', ' ']))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Manifest, ManifestError> {
        Manifest::parse(text, Path::new("plugins/ball/model.toml"))
    }

    #[test]
    fn a_full_manifest_is_read() {
        let manifest = parse(
            r#"
            description = "flies"
            [executable]
            command = ["python3", "ball.py"]
            protocol = "lines"
            [gradient]
            algorithm = "forward"
            eps = { "a.b" = 1e-3, "c.{}" = 2 }
            [run]
            timeout = "1m 30s"
            workers = 3
            [config]
            mesh = "fine"
            "#,
        );
        let manifest = manifest.unwrap();
        assert_eq!(manifest.name, "ball");
        assert_eq!(manifest.run.timeout, Some(Duration::from_secs(90)));
        assert_eq!(manifest.gradient.algorithm, Some(AlgorithmName::Forward));
        assert_eq!(manifest.gradient.eps, Some(Eps::PerPath(vec![("a.b".to_owned(), 1e-3), ("c.{}".to_owned(), 2.0)])));
        assert_eq!(manifest.config, serde_json::json!({"mesh": "fine"}));
    }

    #[test]
    fn mistakes_are_named() {
        for (text, words) in [
            ("", "one of the tables [library], [executable], [command], [symbol] or [remote] is missing"),
            ("[library]\npath='a'\n[executable]\ncommand=['b']", "[library] and [executable] are given: keep one"),
            ("[library]\npath='a'\n[remote]\nurl='http://b'", "[library] and [remote] are given: keep one"),
            ("[remote]\nurl='localhost:8000'", "remote.url is 'localhost:8000': expected http://"),
            ("[remote]\nurl='http://'", "remote.url is 'http://'"),
            ("[remote]\nurl='http://a'\nprotocol='grpc'", "unknown variant `grpc`"),
            ("[remote]\nurl='http://a'\nretries=-1", "expected u32"),
            ("[library]\npath='a'\nisolaton='process'", "unknown field `isolaton`"),
            ("[executable]\ncommand=[]", "executable.command is empty"),
            ("[library]\npath='a'\n[run]\ntimeout='soon'", "'soon' is not a duration"),
            ("[library]\npath='a'\n[gradient]\neps=-1.0", "eps is -1, expected a positive number"),
            ("[library]\npath='a'\n[gradient]\neps='x'", "a positive number, or a table"),
            ("[library]\npath='a'\n[gradient]\nalgorithm='magic'", "unknown variant `magic`"),
            ("[library]\npath='a'\n[run]\nworkers=0", "run.workers is 0"),
        ] {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.contains(words), "{text}: {error}");
            assert!(error.starts_with("plugins/ball/model.toml: "), "{error}");
        }
    }
}
