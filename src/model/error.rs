//! How an evaluation fails, sorted by what it means for the instance.

use std::fmt;

/// Why an evaluation gave no outputs.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ModelError {
    /// What sort of failure it is.
    pub kind: ModelErrorKind,
    /// The model's own words, or ours about it.
    pub message: String,
}

/// The sorts of failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ModelErrorKind {
    /// The model refused the inputs: the caller's fault.
    Refused,
    /// This point failed, or its outputs are no good; the instance may go on.
    Failed,
    /// The instance is gone: it crashed, exited, or said that it is dead.
    Crashed,
    /// The evaluation took longer than it may; the instance was stopped.
    TimedOut,
    /// The instance broke the rules of its wire; nothing it says can be trusted.
    Broken,
    /// Nobody waited any more; the instance was stopped in the middle of an evaluation.
    Cancelled,
}

impl ModelErrorKind {
    /// Whether the instance must not be used again.
    pub fn is_fatal(self) -> bool {
        match self {
            ModelErrorKind::Refused | ModelErrorKind::Failed => false,
            ModelErrorKind::Crashed | ModelErrorKind::TimedOut | ModelErrorKind::Broken | ModelErrorKind::Cancelled => {
                true
            }
        }
    }
}

impl ModelError {
    /// An error of the given kind.
    pub fn new(kind: ModelErrorKind, message: impl Into<String>) -> ModelError {
        ModelError { kind, message: message.into() }
    }

    /// The point failed.
    pub fn failed(message: impl Into<String>) -> ModelError {
        ModelError::new(ModelErrorKind::Failed, message)
    }

    /// The model refused the inputs.
    pub fn refused(message: impl Into<String>) -> ModelError {
        ModelError::new(ModelErrorKind::Refused, message)
    }

    /// The instance broke the rules.
    pub fn broken(message: impl Into<String>) -> ModelError {
        ModelError::new(ModelErrorKind::Broken, message)
    }

    /// Nobody waited any more.
    pub fn cancelled() -> ModelError {
        ModelError::new(ModelErrorKind::Cancelled, "nobody waited for it any more")
    }

    /// Outputs that do not conform to the output schema.
    pub fn nonconforming(violations: &impl fmt::Display) -> ModelError {
        ModelError::failed(format!("its outputs do not conform to the output schema: {violations}"))
    }

    pub(super) fn absent(question: &str) -> ModelError {
        ModelError::broken(format!("the model does not answer {question}"))
    }
}
