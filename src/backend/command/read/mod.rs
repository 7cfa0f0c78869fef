//! What a program left, made into numbers: files, stdout, stderr, whatever is in them. A file a kind of reading.
//!
//! Whatever the text is, it is gone through in time that grows as its length does, and nothing of it is copied but the
//! numbers, of which there may be no more than the output has. A wrong number of things is an error, never a guess.

mod anchor;
mod array;
mod columns;
mod csv;
mod dakota;
mod found;
#[cfg(feature = "cli")]
mod infer;
mod json;
mod npy;
mod number;
mod pattern;
mod pest;
mod raw;
mod table;
#[cfg(test)]
mod tests;
mod text;

use std::path::Path;

pub(crate) use dakota::gradients;
pub(crate) use found::Found;
#[cfg(feature = "cli")]
pub(crate) use infer::{Proposal, infer};
pub(crate) use number::{NoNumber, Number};
#[cfg(feature = "cli")]
pub(crate) use pest::observations;

use crate::manifest::command::{Read, Reading};

/// How one output is found in what a program left, ready to be used on the texts of many runs.
#[derive(Debug)]
pub(crate) struct Reader(Way);

/// One way a kind of reading.
#[derive(Debug)]
enum Way {
    Json(json::JsonReading),
    Csv(Box<csv::CsvReading>),
    Table(table::TableReading),
    Anchor(anchor::AnchorReading),
    Columns(columns::ColumnsReading),
    Regex(pattern::PatternReading),
    Array(array::ArrayReading),
    Raw(raw::RawReading),
    Npy,
    Pest(pest::PestReading),
    Dakota(dakota::DakotaReading),
}

impl Reader {
    /// Prepares a reading. `folder` is the manifest's: instruction files are read from it.
    ///
    /// # Errors
    /// What is wrong with the reading itself: a regular expression, an instruction, a column 0.
    pub(crate) fn load(read: &Read, folder: &Path) -> Result<Reader, String> {
        let comma = read.comma;
        Ok(Reader(match &read.reading {
            Reading::Json(json) => Way::Json(json::JsonReading::load(&json.json, comma)?),
            Reading::Csv(csv) => Way::Csv(Box::new(csv::CsvReading::load(csv, comma)?)),
            Reading::Table(table) => Way::Table(table::TableReading::load(table, comma)?),
            Reading::Anchor(anchor) => Way::Anchor(anchor::AnchorReading::load(anchor, comma)?),
            Reading::Columns(columns) => Way::Columns(columns::ColumnsReading::load(columns, comma)?),
            Reading::Regex(pattern) => Way::Regex(pattern::PatternReading::load(pattern, comma)?),
            Reading::Array(array) => Way::Array(array::ArrayReading::load(array, comma)?),
            Reading::Raw(raw) => Way::Raw(raw::RawReading::load(raw)),
            Reading::Npy(npy) if !npy.npy => return Err("npy: is always true".to_owned()),
            Reading::Npy(_) => Way::Npy,
            Reading::Pest(pest) => Way::Pest(pest::PestReading::load(pest, folder)?),
            Reading::Dakota(dakota) => Way::Dakota(dakota::DakotaReading::load(dakota)?),
        }))
    }

    /// Says which responses the program writes, in order, if it is read as Dakota reads: a file need not have labels.
    pub(crate) fn order(&mut self, responses: &[String]) -> Result<(), String> {
        match &mut self.0 {
            Way::Dakota(dakota) => dakota.order(responses),
            _ => Ok(()),
        }
    }

    /// Reads the numbers of a text; what `found` held before is forgotten.
    ///
    /// # Errors
    /// What was looked for, how far the search came and what was there instead; the caller adds the file. The run
    /// then has no outputs: it failed, as it did where a number is `NaN` or `****`.
    pub(crate) fn read(&self, text: &[u8], found: &mut Found) -> Result<(), String> {
        found.clear();
        match &self.0 {
            Way::Json(way) => way.read(text, found),
            Way::Csv(way) => way.read(text, found),
            Way::Table(way) => way.read(text, found),
            Way::Anchor(way) => way.read(text, found),
            Way::Columns(way) => way.read(text, found),
            Way::Regex(way) => way.read(text, found),
            Way::Array(way) => way.read(text, found),
            Way::Raw(way) => way.read(text, found),
            Way::Npy => npy::read(text, found),
            Way::Pest(way) => way.read(text, found),
            Way::Dakota(way) => way.read(text, found),
        }
    }
}
