//! Points evaluated each for itself: what fails is an outcome like any other.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use super::run::{Failure, SHARES_PER_WORKER, Workers};
use super::{Pool, Progress};
use crate::diff::Displacement;
use crate::model::{Base, Batch, ModelError};

/// What became of one point.
pub type Outcome = Result<Vec<f64>, ModelError>;

/// Evaluates points displaced from a base. Every outcome comes back, in the order of the points.
pub fn visit(
    pool: &Pool,
    base: &Base,
    points: &[Displacement],
    workers: Workers,
    progress: &Progress,
) -> Result<Vec<Outcome>, Failure> {
    let workers = workers.number(pool, points.len());
    let tour = Tour {
        pool,
        base,
        points,
        chunk: points.len().div_ceil(workers * SHARES_PER_WORKER).max(1),
        next: AtomicUsize::new(0),
        outcomes: Mutex::new(vec![None; points.len()]),
        opening: Mutex::new(None),
        progress,
    };
    progress.plan(points.len());
    thread::scope(|scope| {
        // This thread is a worker too.
        for _ in 1..workers {
            scope.spawn(|| tour.work());
        }
        tour.work();
    });
    if progress.is_cancelled() {
        return Err(Failure::Cancelled);
    }
    if let Some(error) = tour.opening.into_inner().unwrap_or_else(PoisonError::into_inner) {
        return Err(Failure::Opening(error));
    }
    let outcomes = tour.outcomes.into_inner().unwrap_or_else(PoisonError::into_inner);
    let told = |outcome: Option<Outcome>| outcome.unwrap_or_else(|| unreachable!("every point is told of"));
    Ok(outcomes.into_iter().map(told).collect())
}

/// The points, taken some at a time by whoever is free.
struct Tour<'a> {
    pool: &'a Pool,
    base: &'a Base,
    points: &'a [Displacement],
    chunk: usize,
    next: AtomicUsize,
    outcomes: Mutex<Vec<Option<Outcome>>>,
    /// Why an instance could not be opened.
    opening: Mutex<Option<ModelError>>,
    progress: &'a Progress,
}

impl Tour<'_> {
    fn work(&self) {
        loop {
            let mut from = self.next.fetch_add(self.chunk, Ordering::Relaxed);
            let end = self.points.len().min(from + self.chunk);
            if from >= end {
                return;
            }
            // After a point that took the instance with it another goes on with the next.
            while from < end && !self.progress.is_cancelled() {
                let mut instance = match self.pool.lend(self.progress) {
                    Ok(instance) => instance,
                    Err(error) => {
                        self.next.store(self.points.len(), Ordering::Relaxed);
                        *self.opening.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                        return;
                    }
                };
                let mut leg = Leg { tour: self, from, end, lost: None };
                instance.sweep(self.base, &mut leg);
                match leg.lost {
                    Some(k) => {
                        instance.condemn();
                        from = k + 1;
                    }
                    None => from = end,
                }
            }
        }
    }
}

/// Some points, as an instance sees them.
struct Leg<'t, 'a> {
    tour: &'t Tour<'a>,
    from: usize,
    end: usize,
    /// The point that took the instance with it.
    lost: Option<usize>,
}

impl Batch for Leg<'_, '_> {
    fn len(&self) -> usize {
        self.end - self.from
    }

    fn displace(&self, k: usize, out: &mut Displacement) {
        out.clone_from(&self.tour.points[self.from + k]);
    }

    fn tell(&mut self, k: usize, outcome: Result<&[f64], ModelError>) -> ControlFlow<()> {
        let k = self.from + k;
        let fatal = outcome.as_ref().is_err_and(|error| error.kind.is_fatal());
        self.lost = fatal.then_some(k);
        self.tour.outcomes.lock().unwrap_or_else(PoisonError::into_inner)[k] = Some(outcome.map(<[f64]>::to_vec));
        self.tour.progress.advance(1);
        if fatal || self.tour.progress.is_cancelled() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}
