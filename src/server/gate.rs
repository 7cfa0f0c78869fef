//! How many requests are computed at once, and how many wait: past that they are told to come again.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The door that computing requests pass through.
pub(super) struct Gate {
    places: Arc<Semaphore>,
    running: usize,
    waiting: AtomicUsize,
    queue: usize,
}

/// The right to compute, until it is dropped.
pub(super) type Turn = OwnedSemaphorePermit;

/// Too many are waiting.
#[derive(Debug)]
pub(super) struct Busy;

impl Gate {
    pub(super) fn new(running: usize, queue: usize) -> Gate {
        Gate { places: Arc::new(Semaphore::new(running)), running, waiting: AtomicUsize::new(0), queue }
    }

    /// Waits for a turn, in the order of arrival, unless too many do already.
    pub(super) async fn enter(&self) -> Result<Turn, Busy> {
        if let Ok(turn) = self.places.clone().try_acquire_owned() {
            return Ok(turn);
        }
        if self.waiting.fetch_add(1, Ordering::Relaxed) >= self.queue {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            return Err(Busy);
        }
        // Whoever stops waiting, because the client went away, leaves the queue too.
        let _place = Place(&self.waiting);
        self.places.clone().acquire_owned().await.map_err(|_closed| Busy)
    }

    /// Requests that wait.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Requests being computed.
    pub(super) fn running(&self) -> usize {
        self.running - self.places.available_permits()
    }
}

struct Place<'g>(&'g AtomicUsize);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
