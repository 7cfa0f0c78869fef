//! The `[symbol]` table: a function in a shared library that was never meant as a plugin.

use std::fmt;
use std::path::PathBuf;

use serde::Deserialize;
use serde::de::{self, Deserializer, SeqAccess, Visitor};

use super::Isolation;

/// The `[symbol]` table.
#[cfg_attr(not(feature = "symbol"), allow(dead_code))] // read, and refused
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Symbol {
    /// The library: a file relative to the manifest's folder, or a name for the loader, such as `libm.so.6`.
    /// Of several the first that is there is taken.
    #[serde(deserialize_with = "one_or_several")]
    pub library: Vec<PathBuf>,
    /// The function's name.
    #[serde(rename = "fn")]
    pub function: String,
    /// Its signature, in one line.
    pub call: String,
    /// Libraries whose functions this one lacks, loaded before.
    #[serde(default)]
    pub preload: Vec<PathBuf>,
    /// The command that makes the library; `{path}` and `{include}` are filled in.
    #[serde(default)]
    pub build: Vec<String>,
    /// Files and folders whose change calls for a new build; default: the code in the folder.
    pub sources: Option<Vec<PathBuf>>,
    /// Where it runs.
    #[serde(default = "process")]
    pub isolation: Isolation,
    /// From how many threads of one process it may be called at once.
    #[serde(default)]
    pub threads: Threads,
}

/// From how many threads of one process a library may be called at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Threads {
    /// From one: it keeps state in global variables, COMMON blocks or SAVEd ones, or may do so.
    #[default]
    One,
    /// From any number.
    Any,
}

fn process() -> Isolation {
    Isolation::Process
}

fn one_or_several<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<PathBuf>, D::Error> {
    struct Libraries;
    impl<'de> Visitor<'de> for Libraries {
        type Value = Vec<PathBuf>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a library, or a list of libraries to be tried in order")
        }

        fn visit_str<E: de::Error>(self, name: &str) -> Result<Vec<PathBuf>, E> {
            Ok(vec![name.into()])
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut names: A) -> Result<Vec<PathBuf>, A::Error> {
            let mut all: Vec<PathBuf> = Vec::new();
            while let Some(name) = names.next_element()? {
                all.push(name);
            }
            Ok(all)
        }
    }
    let all = deserializer.deserialize_any(Libraries)?;
    if all.is_empty() || all.iter().any(|name| name.as_os_str().is_empty()) {
        return Err(de::Error::custom("a library without a name"));
    }
    Ok(all)
}
