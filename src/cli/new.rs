//! `secant new`: a working plugin to start from, its schemas and its first cases included.

mod command;
mod deck;
mod draft;
mod executable;
mod pest;
mod schemas;
#[cfg(feature = "symbol")]
mod symbol;

use std::path::{Path, PathBuf};

use draft::Draft;

use super::args::{NewKind, ProgramArguments, SymbolArguments};
use super::{Failure, report};

/// A file of a new plugin: where it goes, and what is in it.
type File = (&'static str, &'static str);

const COMMON: [File; 4] = [
    ("input.schema.json", include_str!("templates/input.schema.json")),
    ("output.schema.json", include_str!("templates/output.schema.json")),
    ("cases/apply.json", include_str!("templates/apply.json")),
    ("cases/jacobian.json", include_str!("templates/jacobian.json")),
];

const C: [File; 2] =
    [("model.toml", include_str!("templates/c/model.toml")), ("model.c", include_str!("templates/c/model.c"))];

const RUST: [File; 3] = [
    ("model.toml", include_str!("templates/rust/model.toml")),
    ("Cargo.toml", include_str!("templates/rust/Cargo.toml.in")),
    ("src/lib.rs", include_str!("templates/rust/src/lib.rs")),
];

const PYTHON: [File; 2] = [
    ("model.toml", include_str!("templates/python/model.toml")),
    ("model.py", include_str!("templates/python/model.py")),
];

const SHELL: [File; 2] = [
    ("model.toml", include_str!("templates/shell/model.toml")),
    ("model.sh", include_str!("templates/shell/model.sh")),
];

/// Where the sources this program was built from lay, if they are still there.
const SOURCES: &str = env!("CARGO_MANIFEST_DIR");

/// Makes the plugin in the first of the folders.
pub(super) fn run(
    name: &str,
    kind: Option<NewKind>,
    symbol: &SymbolArguments,
    program: &ProgramArguments,
    folders: &[PathBuf],
) -> Result<(), Failure> {
    let plain = !name.is_empty()
        && name.chars().all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c))
        && !name.starts_with('.');
    if !plain {
        return Err(Failure::Caller(format!(
            "'{name}' is no name for a plugin: letters, digits, '_', '-' and '.' make one"
        )));
    }
    let folder = folders.first().map_or_else(|| PathBuf::from("plugins"), Clone::clone).join(name);
    if folder.exists() {
        return Err(Failure::Caller(format!("{} exists already", folder.display())));
    }
    if kind != Some(NewKind::Symbol) && !symbol.library.is_empty() {
        return Err(Failure::Caller("--library, --fn and --call are for --kind symbol".to_owned()));
    }
    let draft = Draft::begin(&folder)?;
    let Some(kind) = kind else { return pest::make(program, draft) };
    let own: &[File] = match kind {
        NewKind::Command => return command::make(program, draft),
        NewKind::Executable => return executable::make(program, draft),
        NewKind::C => &C,
        NewKind::Rust => &RUST,
        NewKind::Python => &PYTHON,
        NewKind::Shell => &SHELL,
        #[cfg(feature = "symbol")]
        NewKind::Symbol => return symbol::make(symbol, draft),
        #[cfg(not(feature = "symbol"))]
        NewKind::Symbol => {
            let words = "--kind symbol needs a secant that was built with the feature `symbol`";
            return Err(Failure::Operator(words.to_owned()));
        }
    };
    for (file, text) in own.iter().chain(&COMMON) {
        let text = text.replace("{{secant}}", &dependency());
        let text = if cfg!(target_os = "macos") { text.replace(".so\"", ".dylib\"") } else { text };
        draft.write(file, text.as_bytes())?;
    }
    if kind == NewKind::Rust
        && let Ok(lock) = std::fs::read(Path::new(SOURCES).join("Cargo.lock"))
    {
        // The versions secant itself was built with: they are known to work, and on this machine already.
        draft.write("Cargo.lock", &lock)?;
    }
    let place = draft.finish()?;
    let place = place.display();
    report::note(&format!(
        "made {place}: edit its model and its schemas, then\n  secant test {place}\n  secant jacobian {place} '{{\"inputs\": {{\"x\": [1, 2], \"k\": 3}}}}'"
    ));
    Ok(())
}

/// How a plugin in Rust finds this crate: the sources at hand, else the published version.
fn dependency() -> String {
    if Path::new(SOURCES).join("Cargo.toml").is_file() {
        format!("path = {SOURCES:?}")
    } else {
        format!("version = {:?}", env!("CARGO_PKG_VERSION"))
    }
}
