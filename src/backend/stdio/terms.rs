//! How a program is run and spoken to: what its manifest says, made ready.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::Value;

use crate::backend::child::Launch;
use crate::manifest::Protocol;

/// How a program is run and spoken to.
#[derive(Clone, Debug)]
pub(crate) struct Terms {
    pub(crate) launch: Launch,
    pub(crate) protocol: Protocol,
    pub(crate) config: Value,
    pub(crate) timeout: Option<Duration>,
    pub(crate) start_timeout: Duration,
    /// Whether the outputs have a field `error`, so that a line with one is no failure.
    pub(crate) outputs_error: bool,
    /// Whether the program has died of `initialize`: it takes every message for an `apply`, and is greeted no
    /// more. `None` for one that is known to understand it.
    pub(crate) died_of_greeting: Option<Arc<AtomicBool>>,
}

impl Terms {
    /// Whether it is known that the program dies of `initialize`.
    pub(super) fn dies_of_greeting(&self) -> bool {
        self.died_of_greeting.as_ref().is_some_and(|died| died.load(Ordering::Relaxed))
    }
}
