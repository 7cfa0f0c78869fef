//! Open instances, kept for the next evaluation.

use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::Progress;
use crate::model::{Instance, Model, ModelError};

/// How often who waits for an instance looks whether anybody waits for him.
const GLANCE: Duration = Duration::from_millis(100);

/// A model and its idle instances.
pub struct Pool {
    model: Arc<dyn Model>,
    idle: Mutex<Idle>,
    /// Told whenever an instance comes back or is gone.
    freed: Condvar,
}

struct Idle {
    instances: Vec<Box<dyn Instance>>,
    /// How many there are, those on loan included.
    open: usize,
    /// How long the last one took to open.
    opening: Duration,
}

/// An instance on loan. It goes back to the pool unless it is [condemned](Loan::condemn).
pub(crate) struct Loan<'p> {
    pool: &'p Pool,
    instance: Option<Box<dyn Instance>>,
}

impl Pool {
    /// A pool that opens instances when they are needed.
    pub fn new(model: Arc<dyn Model>) -> Pool {
        let idle = Idle { instances: Vec::new(), open: 0, opening: Duration::ZERO };
        Pool { model, idle: Mutex::new(idle), freed: Condvar::new() }
    }

    /// The model.
    pub fn model(&self) -> &dyn Model {
        &*self.model
    }

    /// How long an instance takes to open, as far as is known.
    pub(crate) fn opening(&self) -> Duration {
        self.lock().opening
    }

    /// An idle instance, or a new one; where there may be no more of them, the next that comes back. What it
    /// does is for whoever watches `progress`.
    pub(crate) fn lend(&self, progress: &Progress) -> Result<Loan<'_>, ModelError> {
        let mut loan = self.find(progress)?;
        loan.heed(progress.token());
        Ok(loan)
    }

    fn find(&self, progress: &Progress) -> Result<Loan<'_>, ModelError> {
        let most = self.model.max_instances().unwrap_or(usize::MAX);
        let mut idle = self.lock();
        loop {
            if let Some(instance) = idle.instances.pop() {
                return Ok(Loan { pool: self, instance: Some(instance) });
            }
            if idle.open < most {
                break;
            }
            if progress.is_cancelled() {
                return Err(ModelError::cancelled());
            }
            (idle, _) = self.freed.wait_timeout(idle, GLANCE).unwrap_or_else(PoisonError::into_inner);
        }
        idle.open += 1;
        drop(idle);
        let start = Instant::now();
        match self.model.open() {
            Ok(instance) => {
                self.lock().opening = start.elapsed();
                Ok(Loan { pool: self, instance: Some(instance) })
            }
            Err(error) => {
                self.forget();
                Err(error)
            }
        }
    }

    /// Counts an instance out that is no more.
    fn forget(&self) {
        self.lock().open -= 1;
        self.freed.notify_one();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Idle> {
        // A panic while the lock was held leaves a list of instances that is still good.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Loan<'_> {
    /// Drops the instance instead of giving it back.
    pub(crate) fn condemn(mut self) {
        self.instance = None;
        self.pool.forget();
    }

    /// Gives the instance back, or drops it where the result says that it is gone.
    pub(crate) fn settle<T>(self, result: Result<T, ModelError>) -> Result<T, ModelError> {
        if result.as_ref().is_err_and(|error| error.kind.is_fatal()) {
            self.condemn();
        }
        result
    }
}

impl Deref for Loan<'_> {
    type Target = dyn Instance;

    fn deref(&self) -> &(dyn Instance + 'static) {
        match &self.instance {
            Some(instance) => &**instance,
            None => unreachable!("a loan holds its instance until it is condemned"),
        }
    }
}

impl DerefMut for Loan<'_> {
    fn deref_mut(&mut self) -> &mut (dyn Instance + 'static) {
        match &mut self.instance {
            Some(instance) => &mut **instance,
            None => unreachable!("a loan holds its instance until it is condemned"),
        }
    }
}

impl Drop for Loan<'_> {
    fn drop(&mut self) {
        // An instance that panicked in the middle of a call may be in any state.
        let Some(instance) = self.instance.take() else { return };
        if std::thread::panicking() {
            drop(instance);
            self.pool.forget();
        } else {
            self.pool.lock().instances.push(instance);
            self.pool.freed.notify_one();
        }
    }
}
