//! The parallel map: rounds of points over instances, one thread each.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use super::pool::Loan;
use super::{Pool, Progress};
use crate::diff::{self, Defect, Displacement, Impasse, NonFinite, Place};
use crate::model::{Base, Batch, ModelError, ModelErrorKind};

/// Shares a worker gets on average: enough that the last one to finish keeps nobody waiting long.
pub(super) const SHARES_PER_WORKER: usize = 8;

/// Evaluations shorter than this are counted in bunches: nobody watches them one by one.
const SHORT: Duration = Duration::from_micros(10);

/// Starting a thread costs about this much; less work than that is not worth sharing.
const THREAD_COST: Duration = Duration::from_micros(100);

/// Why a sweep ended early.
#[derive(Debug)]
pub enum Failure {
    /// A point failed, and nothing could be had around it. Of all that did in the same round, it is the first in the
    /// order of the plan.
    Point {
        /// Where it lies.
        place: Place,
        /// The lengths of all steps that were tried there; empty where failures are not stepped around.
        tried: Vec<f64>,
        /// What was wrong with it.
        cause: Cause,
    },
    /// A coordinate cannot be moved.
    Stuck(Defect),
    /// No instance could be opened.
    Opening(ModelError),
    /// The request was cancelled.
    Cancelled,
}

/// What is wrong with a point.
#[derive(Debug)]
pub enum Cause {
    /// The model said so, or failed to answer.
    Model(ModelError),
    /// An output that is not finite.
    NonFinite(NonFinite),
}

/// How many workers to take.
#[derive(Clone, Copy, Debug)]
pub struct Workers {
    /// At most so many.
    pub most: usize,
    /// Whether fewer will do where the work is too small to be worth sharing.
    pub spare: bool,
    /// About how long one evaluation takes.
    pub typical: Duration,
}

impl Workers {
    /// As many as are asked for, else as many as are worth having on this machine.
    pub fn asked(most: Option<usize>, typical: Duration) -> Workers {
        let cores = || thread::available_parallelism().map_or(1, usize::from);
        Workers { most: most.unwrap_or_else(cores), spare: most.is_none(), typical }
    }

    pub(super) fn number(self, pool: &Pool, points: usize) -> usize {
        let most = self.most.min(pool.model().max_instances().unwrap_or(usize::MAX)).clamp(1, points.max(1));
        if !self.spare {
            return most;
        }
        // A worker must save more than its start costs.
        let work = self.typical.saturating_mul(u32::try_from(points).unwrap_or(u32::MAX));
        let worth = work.as_secs_f64() / (pool.opening() + THREAD_COST).as_secs_f64();
        most.min((worth as usize).max(1))
    }
}

/// Evaluates every point that `machine` asks for. The number of workers taken comes back.
///
/// With `recover` points that fail are done without, if `machine` can; else the first ends the sweep. `expected` is
/// the number of evaluations to expect.
pub fn sweep(
    pool: &Pool,
    base: &Base,
    machine: &mut diff::Sweep<'_>,
    expected: usize,
    workers: Workers,
    recover: bool,
    progress: &Progress,
) -> Result<usize, Failure> {
    let typical = workers.typical;
    let workers = workers.number(pool, expected);
    let shares = if workers == 1 { 1 } else { workers * SHARES_PER_WORKER };
    // What was wrong where, of every probe that stumbled.
    let mut stumbles = BTreeMap::new();
    let mut scratch = Vec::new();
    loop {
        let round = match machine.ask(shares) {
            Ok(Some(round)) => round,
            Ok(None) => return Ok(workers),
            Err(Impasse::Stuck(defect)) => return Err(Failure::Stuck(defect)),
            Err(Impasse::Failed { probe, steps }) => {
                let Some((place, cause)) = stumbles.remove(&probe) else {
                    unreachable!("a probe gives up where points failed")
                };
                return Err(Failure::Point { place, tried: steps, cause });
            }
        };
        progress.plan(round.iter().map(diff::Share::len).sum());
        let queue = Queue {
            shares: Mutex::new(round.into_iter()),
            first_failure: AtomicUsize::new(usize::MAX),
            failure: Mutex::new(None),
            stumbles: Mutex::new(stumbles),
            recover,
            progress,
            stride: if typical < SHORT { 64 } else { 1 },
        };
        if workers == 1 {
            queue.work(pool, base, &mut scratch);
        } else {
            thread::scope(|scope| {
                // This thread is a worker too.
                for _ in 1..workers {
                    let worker = || queue.work(pool, base, &mut Vec::new());
                    if let Err(error) = thread::Builder::new().spawn_scoped(scope, worker) {
                        tracing::warn!("fewer workers than were asked for: {error}");
                        break;
                    }
                }
                queue.work(pool, base, &mut scratch);
            });
        }
        // Before any failure: a model that was told to stop may have said that it failed.
        if progress.is_cancelled() {
            return Err(Failure::Cancelled);
        }
        if let Some(failure) = queue.failure.into_inner().unwrap_or_else(PoisonError::into_inner) {
            return Err(failure);
        }
        stumbles = queue.stumbles.into_inner().unwrap_or_else(PoisonError::into_inner);
    }
}

/// One round's shares, taken by whoever is free.
struct Queue<'a, 's> {
    shares: Mutex<std::vec::IntoIter<diff::Share<'s>>>,
    /// The first point known to have failed. Points behind it are not worth evaluating; those before
    /// it are, so that the failure reported does not depend on who was faster.
    first_failure: AtomicUsize,
    failure: Mutex<Option<Failure>>,
    /// The last failure of each probe.
    stumbles: Mutex<BTreeMap<usize, (Place, Cause)>>,
    /// Whether points that fail are done without.
    recover: bool,
    progress: &'a Progress,
    /// How many evaluations are counted at once.
    stride: usize,
}

impl<'s> Queue<'_, 's> {
    fn work(&self, pool: &Pool, base: &Base, scratch: &mut Vec<f64>) {
        let mut loan: Option<Loan<'_>> = None;
        while let Some(mut share) = self.next() {
            let mut from = 0;
            // After a point that took the instance with it another goes on with the next.
            while from < share.len() {
                let mut instance = match loan.take().map_or_else(|| pool.lend(self.progress), Ok) {
                    Ok(instance) => instance,
                    Err(error) => return self.fail(0, Failure::Opening(error)),
                };
                let mut task = Task { queue: self, share: &mut share, from, scratch, uncounted: 0, lost: None };
                instance.sweep(base, &mut task);
                self.progress.advance(task.uncounted);
                match task.lost {
                    Some(k) => {
                        instance.condemn();
                        from = k + 1;
                    }
                    None => {
                        loan = Some(instance);
                        break;
                    }
                }
                if !self.recover || self.progress.is_cancelled() {
                    break;
                }
            }
        }
    }

    fn next(&self) -> Option<diff::Share<'s>> {
        let mut shares = self.shares.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let share = shares.next()?;
            if self.is_over(share.point(0)) {
                return None;
            }
            if !share.is_empty() {
                return Some(share);
            }
        }
    }

    fn is_over(&self, point: usize) -> bool {
        point > self.first_failure.load(Ordering::Relaxed) || self.progress.is_cancelled()
    }

    fn fail(&self, point: usize, failure: Failure) {
        let mut first = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        if point < self.first_failure.fetch_min(point, Ordering::Relaxed) {
            *first = Some(failure);
        }
    }
}

/// What is left of a share, as an instance sees it.
struct Task<'q, 'a, 's> {
    queue: &'q Queue<'a, 's>,
    share: &'q mut diff::Share<'s>,
    from: usize,
    scratch: &'q mut Vec<f64>,
    uncounted: usize,
    /// The point that took the instance with it.
    lost: Option<usize>,
}

impl Task<'_, '_, '_> {
    /// Does without a point, if that is wanted.
    fn stumble(&mut self, k: usize, cause: Cause) -> ControlFlow<()> {
        let queue = self.queue;
        let place = self.share.place(k);
        // Of one that broke its rules other answers may be wrong too.
        let broken = matches!(&cause, Cause::Model(error) if error.kind == ModelErrorKind::Broken);
        if !queue.recover || broken {
            queue.fail(self.share.point(k), Failure::Point { place, tried: Vec::new(), cause });
            return ControlFlow::Break(());
        }
        if let Some(probe) = self.share.probe(k) {
            let mut stumbles = queue.stumbles.lock().unwrap_or_else(PoisonError::into_inner);
            stumbles.insert(probe, (place, cause));
        }
        self.share.fail(k);
        if self.lost.is_some() { ControlFlow::Break(()) } else { self.told(k) }
    }

    fn told(&mut self, k: usize) -> ControlFlow<()> {
        self.uncounted += 1;
        if self.uncounted == self.queue.stride {
            self.queue.progress.advance(std::mem::take(&mut self.uncounted));
        }
        let last = k + 1 == self.share.len();
        let over = last || self.queue.is_over(self.share.point(k + 1));
        if over { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

impl Batch for Task<'_, '_, '_> {
    fn len(&self) -> usize {
        self.share.len() - self.from
    }

    fn displace(&self, k: usize, out: &mut Displacement) {
        self.share.displace(self.from + k, out);
    }

    fn tell(&mut self, k: usize, outcome: Result<&[f64], ModelError>) -> ControlFlow<()> {
        let k = self.from + k;
        match outcome {
            Ok(values) => match self.share.tell(k, values, self.scratch) {
                Ok(()) => self.told(k),
                Err(non_finite) => self.stumble(k, Cause::NonFinite(non_finite)),
            },
            Err(error) => {
                self.lost = error.kind.is_fatal().then_some(k);
                self.stumble(k, Cause::Model(error))
            }
        }
    }
}
