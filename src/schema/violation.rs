//! What is wrong with a value, all of it at once.
//!
//! Not what is wrong with a schema (`problem`).

use std::fmt;

use crate::tree::Path;

/// One thing that is wrong with a value.
#[derive(Clone, Debug, PartialEq)]
pub struct Violation {
    /// Where.
    pub path: Path,
    /// Its `type` on the wire.
    pub code: &'static str,
    /// What was expected, and what was found.
    pub message: String,
}

/// Everything that is wrong with a value; never empty.
#[derive(Clone, Debug, PartialEq)]
pub struct Violations(pub Vec<Violation>);

/// So many are told: nobody reads more, and a request with a million of them would have an answer of as many lists of
/// what is right.
const TOLD: usize = 100;

/// Collects what is wrong with a value.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    told: Vec<Violation>,
    /// How many more there are.
    untold: usize,
}

impl Faults {
    pub(crate) fn add(&mut self, path: &Path, code: &'static str, message: impl Into<String>) {
        self.extend([Violation { path: path.clone(), code, message: message.into() }]);
    }

    /// The value, if there is one and nothing is wrong.
    pub(crate) fn finish<T>(mut self, value: Option<T>) -> Result<T, Violations> {
        if let Some(last) = self.told.last_mut().filter(|_| self.untold > 0) {
            last.message += &format!(" (and {} more that are wrong)", self.untold);
        }
        match value {
            Some(value) if self.told.is_empty() => Ok(value),
            _ => Err(Violations(self.told)),
        }
    }
}

impl Extend<Violation> for Faults {
    fn extend<I: IntoIterator<Item = Violation>>(&mut self, more: I) {
        for violation in more {
            if self.told.len() < TOLD {
                self.told.push(violation);
            } else {
                self.untold += 1;
            }
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_root() {
            return f.write_str(&self.message);
        }
        write!(f, "{}: {}", self.path, self.message)
    }
}

impl fmt::Display for Violations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, violation) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            violation.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for Violations {}
