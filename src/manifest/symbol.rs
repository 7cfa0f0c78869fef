//! The `[symbol]` table: a function in a shared library that was never meant as a plugin.

use std::path::PathBuf;

use serde::Deserialize;

use super::Isolation;

/// The `[symbol]` table.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Symbol {
    /// The library: a file relative to the manifest's folder, or a name for the loader, such as `libm.so.6`.
    pub library: PathBuf,
    /// The function's name.
    #[serde(rename = "fn")]
    pub function: String,
    /// Its signature, in one line.
    pub call: String,
    /// Libraries that are loaded before.
    #[serde(default)]
    pub preload: Vec<PathBuf>,
    /// Where it runs.
    #[serde(default = "process")]
    pub isolation: Isolation,
}

fn process() -> Isolation {
    Isolation::Process
}
