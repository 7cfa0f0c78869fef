//! Everything that is wrong with a request, collected.

use super::Error;
use crate::schema::{Violation, Violations};
use crate::tree::{Path, Segment};

/// Collects everything that is wrong.
#[derive(Default)]
pub(super) struct Faults(pub(super) Vec<Violation>);

impl Faults {
    pub(super) fn add(&mut self, path: &Path, code: &'static str, message: impl Into<String>) {
        self.0.push(Violation { path: path.clone(), code, message: message.into() });
    }

    /// The value, if nothing is wrong.
    pub(super) fn finish<T>(self, value: Option<T>) -> Result<T, Error> {
        match value {
            Some(value) if self.0.is_empty() => Ok(value),
            _ => Err(Error::Caller(Violations(self.0))),
        }
    }
}

pub(super) fn field(name: &str) -> Path {
    Path::root().join(Segment::Field(name.to_owned()))
}
