//! What can go wrong with a question, sorted by whose fault it is.

use std::fmt;

use crate::exec::Pool;
use crate::model::{ModelError, ModelErrorKind};
use crate::schema::{Violation, Violations};
use crate::tree::Path;

/// Why a question has no answer.
#[derive(Clone, Debug, PartialEq)]
pub enum Error {
    /// The caller's fault: everything that is wrong with the request.
    Caller(Violations),
    /// The model's: it failed, crashed or took too long, or its outputs are no good.
    Model {
        /// The model's name.
        model: String,
        /// Where it was evaluated.
        place: Place,
        /// What it did.
        error: ModelError,
    },
    /// The request was cancelled.
    Cancelled,
}

/// Where a model was evaluated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// At the inputs as given.
    Base,
    /// At displaced inputs, in words: `mesh.points[4,1] + 1e-6`.
    Displaced(String),
    /// Nowhere yet: it could not be started.
    Start,
}

impl Error {
    /// A single violation of the caller's.
    pub fn caller(path: Path, code: &'static str, message: impl Into<String>) -> Error {
        Error::Caller(Violations(vec![Violation { path, code, message: message.into() }]))
    }

    /// Whether there is no instance any more, or none yet: nothing is said of the point.
    pub(super) fn is_fatal(&self) -> bool {
        match self {
            Error::Caller(_) => false,
            Error::Model { place, error, .. } => *place == Place::Start || error.kind.is_fatal(),
            Error::Cancelled => true,
        }
    }

    /// An instance that could not be opened.
    pub(super) fn opening(pool: &Pool, error: ModelError) -> Error {
        if error.kind == ModelErrorKind::Cancelled {
            return Error::Cancelled;
        }
        Error::Model { model: pool.model().description().name.clone(), place: Place::Start, error }
    }

    /// A failed evaluation. Inputs refused as they were given are the caller's fault; refused when we had
    /// displaced them, they are not.
    pub(super) fn at(pool: &Pool, place: Place, mut error: ModelError) -> Error {
        if error.kind == ModelErrorKind::Cancelled {
            return Error::Cancelled;
        }
        if error.kind == ModelErrorKind::Refused {
            if place == Place::Base {
                let model = &pool.model().description().name;
                let message = format!("Value error, {model} refuses these inputs: {}", error.message);
                return Error::caller(Path::root(), "value_error", message);
            }
            error = ModelError::failed(format!("it refused these inputs: {}", error.message));
        }
        Error::Model { model: pool.model().description().name.clone(), place, error }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Caller(violations) => violations.fmt(f),
            Error::Model { model, place, error } => {
                let verb = match error.kind {
                    ModelErrorKind::Refused | ModelErrorKind::Failed => "failed",
                    ModelErrorKind::Crashed => "crashed",
                    ModelErrorKind::TimedOut => "took too long",
                    ModelErrorKind::Broken => "broke its protocol",
                    ModelErrorKind::Cancelled => "was stopped",
                };
                match place {
                    Place::Base => write!(f, "{model} {verb} at the inputs as given: {error}"),
                    Place::Displaced(place) => write!(f, "{model} {verb} at {place}: {error}"),
                    Place::Start => write!(f, "{model} could not be started: {error}"),
                }
            }
            Error::Cancelled => f.write_str("cancelled"),
        }
    }
}

impl std::error::Error for Error {}
