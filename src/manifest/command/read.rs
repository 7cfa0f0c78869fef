//! `[command.read]`: where the outputs are found in what a program leaves.

use std::path::PathBuf;

use serde::Deserialize;
use serde::de::Deserializer;

use super::{Anchor, Columns, Nth, kind, of, take};

/// One entry of `[command.read]`: where an output is found.
#[derive(Clone, Debug)]
pub struct Read {
    /// The file, relative to the run's folder, or `stdout` (the default) or `stderr`.
    pub from: String,
    /// Whether numbers have a decimal comma.
    pub comma: bool,
    /// How it is found there.
    pub reading: Reading,
}

/// How numbers are found in a text.
#[derive(Clone, Debug)]
pub enum Reading {
    /// In a JSON document.
    Json(JsonValue),
    /// In a column of comma-separated values.
    Csv(Csv),
    /// In a table after an anchor.
    Table(Table),
    /// In a field of a line after an anchor.
    Anchor(Anchor),
    /// In columns of a line.
    Columns(Columns),
    /// What a group of a regular expression matches.
    Regex(Pattern),
    /// All numbers of the text.
    Array(NumbersOf),
    /// Numbers as memory holds them.
    Raw(Raw),
    /// An array as NumPy saves it.
    Npy(Npy),
    /// By the instructions of PEST (`pif`).
    Pest(PestInstructions),
    /// In a results file as Dakota reads it.
    Dakota(DakotaResults),
}

/// `json = "/pointer"`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JsonValue {
    /// The pointer (RFC 6901); empty: the whole document.
    pub json: String,
}

/// `csv = "COLUMN"`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Csv {
    /// The column, by its name in the header or its number.
    pub csv: Column,
    /// Which of the rows.
    #[serde(default = "all")]
    pub row: Nth,
    /// What separates fields.
    #[serde(default = "comma")]
    pub delimiter: char,
}

/// A column.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum Column {
    /// By its number, counted from 1; there is no header then.
    Number(usize),
    /// By its name in the header.
    Name(String),
}

/// `table = "ANCHOR"`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Table {
    /// The text that it comes after; empty: the beginning.
    pub table: String,
    /// Which of the text's occurrences.
    #[serde(default)]
    pub occurrence: Nth,
    /// How many lines are left out after the anchor's own.
    #[serde(default)]
    pub skip: usize,
    /// How many rows it has; default: until a line without numbers in those columns.
    pub rows: Option<usize>,
    /// The fields of a row that are read, separated by blanks or commas.
    pub columns: Vec<usize>,
}

/// `regex = "..."`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pattern {
    /// The expression; its group `value`, else its first, else all of it is read.
    pub regex: String,
    /// Which of its matches.
    #[serde(default)]
    pub occurrence: Nth,
}

/// `array = "text"`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NumbersOf {
    /// Always the word `text`: it tells this kind of reading from others.
    #[allow(dead_code)]
    pub array: ArrayText,
    /// How many lines are left out at the beginning.
    #[serde(default)]
    pub skip: usize,
    /// What begins a comment that ends with its line.
    pub comment: Option<String>,
}

/// The only word `array` may be followed by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ArrayText {
    /// Numbers separated by blanks, commas and ends of lines.
    Text,
}

/// `raw = "float64"`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Raw {
    /// The numbers' type.
    pub raw: RawType,
    /// The order of their bytes.
    #[serde(default)]
    pub endian: Endian,
    /// How many bytes are left out at the beginning.
    #[serde(default)]
    pub offset: usize,
}

/// Types of raw numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum RawType {
    Float64,
    Float32,
}

/// An order of bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum Endian {
    #[default]
    Little,
    Big,
}

/// `npy = true`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Npy {
    /// Always true.
    pub npy: bool,
}

/// `pest = "FILE.ins"`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PestInstructions {
    /// The instructions, relative to the manifest's folder.
    pub pest: PathBuf,
    /// The observations that the output consists of; default: all, in the order they are read.
    pub observations: Option<Vec<String>>,
}

/// `dakota = ["LABEL", ...]` of an output.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DakotaResults {
    /// The responses that the output consists of.
    pub dakota: Vec<String>,
}

fn all() -> Nth {
    Nth::All
}

fn comma() -> char {
    ','
}

impl<'de> Deserialize<'de> for Read {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Read, D::Error> {
        const KINDS: [&str; 11] =
            ["json", "csv", "table", "anchor", "line", "regex", "array", "raw", "npy", "pest", "dakota"];
        let mut table = toml::Table::deserialize(deserializer)?;
        let from = take(&mut table, "from")?.unwrap_or_else(|| "stdout".to_owned());
        let comma = take(&mut table, "comma")?.unwrap_or(false);
        let reading = match kind(&table, &KINDS)? {
            "json" => Reading::Json(of(table)?),
            "csv" => Reading::Csv(of(table)?),
            "table" => Reading::Table(of(table)?),
            "anchor" => Reading::Anchor(of(table)?),
            "line" => Reading::Columns(of(table)?),
            "regex" => Reading::Regex(of(table)?),
            "array" => Reading::Array(of(table)?),
            "raw" => Reading::Raw(of(table)?),
            "npy" => Reading::Npy(of(table)?),
            "pest" => Reading::Pest(of(table)?),
            _ => Reading::Dakota(of(table)?),
        };
        Ok(Read { from, comma, reading })
    }
}
