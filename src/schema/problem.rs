//! What is wrong with a schema, all of it at once.
//!
//! Not what is wrong with a value (`violation`).

use std::fmt;

use crate::tree::Pattern;

/// One end of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Side {
    Input,
    Output,
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Side::Input => "input",
            Side::Output => "output",
        })
    }
}

/// One thing that is wrong with a schema.
#[derive(Clone, Debug, PartialEq)]
pub struct SchemaError {
    /// Which schema.
    pub side: Side,
    /// Where in the values it describes.
    pub path: Pattern,
    /// The keyword at fault.
    pub keyword: String,
    /// What is wrong with it.
    pub message: String,
}

/// Everything that is wrong with the two schemas; never empty.
#[derive(Clone, Debug, PartialEq)]
pub struct SchemaErrors(pub Vec<SchemaError>);

impl fmt::Display for SchemaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} schema, ", self.side)?;
        if !self.path.segments().is_empty() {
            write!(f, "{}, ", self.path)?;
        }
        write!(f, "'{}': {}", self.keyword, self.message)
    }
}

impl fmt::Display for SchemaErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            error.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for SchemaErrors {}
