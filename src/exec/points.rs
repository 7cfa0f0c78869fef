//! Points that are asked for one by one and told as they are: for questions that are no sweep.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use super::{Pool, Progress, Workers};
use crate::diff::Displacement;
use crate::model::{Base, Batch, ModelError};

/// What came of a point: the ravelled outputs.
pub type Outcome = Result<Vec<f64>, ModelError>;

/// Evaluates points displaced from a base. Their outcomes are in their order; an error is that no instance could be
/// opened, or that nobody waits any more.
pub fn evaluate(
    pool: &Pool,
    base: &Base,
    points: &[Displacement],
    workers: Workers,
    progress: &Progress,
) -> Result<Vec<Outcome>, ModelError> {
    progress.plan(points.len());
    let next = AtomicUsize::new(0);
    let found = Mutex::new(Vec::with_capacity(points.len()));
    let work = || -> Result<(), ModelError> {
        let mut loan = None;
        while !progress.is_cancelled() {
            let k = next.fetch_add(1, Ordering::Relaxed);
            let Some(point) = points.get(k) else { return Ok(()) };
            let mut instance = loan.take().map_or_else(|| pool.lend(progress), Ok)?;
            let mut single = Single { point, outcome: Err(ModelError::broken("the model told nothing")) };
            instance.sweep(base, &mut single);
            let outcome = single.outcome;
            if outcome.as_ref().is_err_and(|error| error.kind.is_fatal()) {
                instance.condemn();
            } else {
                loan = Some(instance);
            }
            progress.advance(1);
            found.lock().unwrap_or_else(PoisonError::into_inner).push((k, outcome));
        }
        Err(ModelError::cancelled())
    };
    let workers = workers.number(pool, points.len());
    let ended = thread::scope(|scope| {
        // Where there are no more threads, fewer do.
        let spawn = |_| thread::Builder::new().spawn_scoped(scope, work).ok();
        let others: Vec<_> = (1..workers).map_while(spawn).collect();
        let own = work();
        others
            .into_iter()
            .map(|other| other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .fold(own, Result::and)
    });
    ended?;
    let mut found = found.into_inner().unwrap_or_else(PoisonError::into_inner);
    found.sort_by_key(|(k, _)| *k);
    Ok(found.into_iter().map(|(_, outcome)| outcome).collect())
}

/// A batch of one point.
struct Single<'p> {
    point: &'p Displacement,
    outcome: Outcome,
}

impl Batch for Single<'_> {
    fn len(&self) -> usize {
        1
    }

    fn displace(&self, _: usize, out: &mut Displacement) {
        out.clone_from(self.point);
    }

    fn tell(&mut self, _: usize, outcome: Result<&[f64], ModelError>) -> ControlFlow<()> {
        self.outcome = outcome.map(<[f64]>::to_vec);
        ControlFlow::Break(())
    }
}
