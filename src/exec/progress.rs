//! How far a request has come, for whoever watches from another thread.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Counters of one request. Evaluating threads write them, others read them at any time.
#[derive(Debug, Default)]
pub struct Progress {
    done: AtomicUsize,
    total: AtomicUsize,
    cancelled: AtomicBool,
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

    /// Asks for the request to end early: what is running is finished, nothing more is started.
    pub fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }

    /// Whether the request should end early.
    pub fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }

    pub(crate) fn plan(&self, evaluations: usize) {
        self.total.fetch_add(evaluations, Ordering::Relaxed);
    }

    pub(crate) fn advance(&self, evaluations: usize) {
        self.done.fetch_add(evaluations, Ordering::Relaxed);
    }
}
