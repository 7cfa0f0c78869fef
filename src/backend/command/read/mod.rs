//! What a program left, made into numbers: files, stdout, stderr, whatever is in them.

mod found;
mod number;
mod text;

use std::path::Path;

pub(crate) use found::Found;
pub(crate) use number::{NoNumber, Number, number};

use crate::manifest::command::Read;

/// How one output is found in what a program left, ready to be used on the texts of many runs.
#[derive(Debug)]
pub(crate) struct Reader {
    way: Way,
}

/// One way a kind of reading.
#[derive(Debug)]
enum Way {}

impl Reader {
    /// Prepares a reading. `folder` is the manifest's: instruction files are read from it.
    ///
    /// # Errors
    /// What is wrong with the reading itself: a regular expression, an instruction, a column 0.
    pub(crate) fn load(read: &Read, _folder: &Path) -> Result<Reader, String> {
        Err(format!("reading {:?} is not there yet", read.reading))
    }

    /// Reads the numbers of a text; what `found` held before is forgotten.
    ///
    /// # Errors
    /// What was looked for, how far the search came and what was there instead; the caller adds the file. The run
    /// then has no outputs: it failed, as it did where a number is `NaN` or `****`.
    pub(crate) fn read(&self, _text: &[u8], found: &mut Found) -> Result<(), String> {
        found.clear();
        match self.way {}
    }
}
