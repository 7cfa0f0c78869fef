//! How far a request has come, for whoever watches from another thread.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::model::Cancel;

/// Counters of one request. Evaluating threads write them, others read them at any time.
#[derive(Debug, Default)]
pub struct Progress {
    done: AtomicUsize,
    total: AtomicUsize,
    cancel: Cancel,
}

impl Progress {
    /// Evaluations finished; fast ones are counted some at a time.
    pub fn done(&self) -> usize {
        self.done.load(Ordering::Relaxed)
    }

    /// Evaluations planned; 0 while that is not known.
    pub fn total(&self) -> usize {
        self.total.load(Ordering::Relaxed)
    }

    /// Asks for the request to end early: nothing more is started, programs that run are stopped, and
    /// libraries are told if they ask.
    pub fn cancel(&self) {
        self.cancel.set();
    }

    /// Whether the request should end early.
    pub fn is_cancelled(&self) -> bool {
        self.cancel.is_set()
    }

    pub(crate) fn token(&self) -> &Cancel {
        &self.cancel
    }

    pub(crate) fn plan(&self, evaluations: usize) {
        self.total.fetch_add(evaluations, Ordering::Relaxed);
    }

    pub(crate) fn advance(&self, evaluations: usize) {
        self.done.fetch_add(evaluations, Ordering::Relaxed);
    }
}
