//! The `[command]` table: a program that knows nothing of secant, the files it is given and what is read of those it
//! leaves. Files and forms as data; nothing is opened here.

mod read;
mod write;

#[cfg(feature = "cli")]
pub use read::{ArrayText, JsonValue};
pub use read::{
    Column, Csv, DakotaResults, Endian, NumbersOf, Pattern, PestInstructions, Raw, RawType, Read, Reading, Table,
};
pub use write::{DakotaVariables, EditFile, Namelist, Pest, Site, Write, Writing};

use std::collections::BTreeMap;
use std::path::PathBuf;

use indexmap::IndexMap;
use serde::Deserialize;
use serde::de::{self, DeserializeOwned, Deserializer};

/// The `[command]` table.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Command {
    /// The program and its arguments, each a template.
    pub argv: Vec<String>,
    /// Added to its environment; values are templates.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// The variables of our environment that it gets; default: the few that programs need to run at all.
    pub inherit: Option<Vec<String>>,
    /// Files and folders of the manifest's folder that are copied into the folder of every run.
    #[serde(default)]
    pub copy: Vec<PathBuf>,
    /// The same, linked: the program must not change them.
    #[serde(default)]
    pub link: Vec<PathBuf>,
    /// The file that `build` makes, relative to the manifest's folder.
    pub path: Option<PathBuf>,
    /// The command that makes the program.
    #[serde(default)]
    pub build: Vec<String>,
    /// Files and folders whose change calls for a new build; default: the code in the folder.
    pub sources: Option<Vec<PathBuf>>,
    /// The exit codes of a run that succeeded.
    #[serde(default = "zero")]
    pub exit_codes: Vec<i32>,
    /// What tells that a run failed, in its stdout, its stderr, its log or a file that is read.
    #[serde(default)]
    pub fail_regex: Vec<String>,
    /// A file whose last lines are shown when a run fails.
    pub log: Option<PathBuf>,
    /// Which folders of runs are kept.
    #[serde(default)]
    pub keep: Keep,
    /// Where the folders of runs are made; default: where temporary files are.
    pub scratch: Option<PathBuf>,
    /// What it is given.
    #[serde(default)]
    pub write: Vec<Write>,
    /// Where each output is found, by its path.
    pub read: IndexMap<String, Read>,
}

fn zero() -> Vec<i32> {
    vec![0]
}

/// Which folders of runs are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Keep {
    /// Those of runs that failed, the first few.
    #[default]
    Failed,
    /// All.
    All,
    /// None.
    Never,
}

/// `anchor = "TEXT"`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Anchor {
    /// The text to look for.
    pub anchor: String,
    /// Which of its occurrences.
    #[serde(default)]
    pub occurrence: Nth,
    /// How many lines below it; 0 is the rest of its own line.
    #[serde(default)]
    pub row: usize,
    /// Which of the line's fields, separated by blanks, commas, `=` or `:`.
    #[serde(default = "one")]
    pub field: usize,
}

/// `line = N` and `columns = [FIRST, LAST]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Columns {
    /// The line.
    pub line: usize,
    /// The first and the last column.
    pub columns: [usize; 2],
}

/// One of several occurrences, or all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nth {
    /// Counted from 1.
    First(usize),
    /// Counted from the end; 1 is the last.
    Last(usize),
    /// Every one.
    All,
}

impl Default for Nth {
    fn default() -> Nth {
        Nth::First(1)
    }
}

fn one() -> usize {
    1
}

impl<'de> Deserialize<'de> for Nth {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Nth, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Nth;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("1, 2, ... from the beginning, -1, -2, ... from the end, \"first\", \"last\" or \"all\"")
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Nth, E> {
                let count = usize::try_from(number.unsigned_abs()).map_err(E::custom)?;
                match number {
                    1.. => Ok(Nth::First(count)),
                    0 => Err(E::invalid_value(de::Unexpected::Signed(0), &self)),
                    _ => Ok(Nth::Last(count)),
                }
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Nth, E> {
                self.visit_i64(i64::try_from(number).map_err(E::custom)?)
            }

            fn visit_str<E: de::Error>(self, word: &str) -> Result<Nth, E> {
                match word {
                    "first" => Ok(Nth::First(1)),
                    "last" => Ok(Nth::Last(1)),
                    "all" => Ok(Nth::All),
                    _ => Err(E::invalid_value(de::Unexpected::Str(word), &self)),
                }
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

/// The rest of a table, once the one key that tells its kind is known.
fn of<T: DeserializeOwned, E: de::Error>(table: toml::Table) -> Result<T, E> {
    table.try_into().map_err(|error: toml::de::Error| E::custom(error.message()))
}

/// Takes a key out of a table.
fn take<T: DeserializeOwned, E: de::Error>(table: &mut toml::Table, key: &str) -> Result<Option<T>, E> {
    let value = table.remove(key).map(toml::Value::try_into).transpose();
    value.map_err(|error: toml::de::Error| E::custom(format_args!("{key}: {}", error.message())))
}

/// Which of `kinds` the table is of: exactly one is among its keys.
fn kind<E: de::Error>(table: &toml::Table, kinds: &[&'static str]) -> Result<&'static str, E> {
    let given: Vec<&'static str> = kinds.iter().copied().filter(|kind| table.contains_key(*kind)).collect();
    match given[..] {
        [kind] => Ok(kind),
        [] => Err(E::custom(format_args!("none of the keys {} is given: which is it?", kinds.join(", ")))),
        _ => Err(E::custom(format_args!("{} are given: keep one", given.join(" and ")))),
    }
}
