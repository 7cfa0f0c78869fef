//! From a request's body to a reply computed on a thread that may block: limited in size, in number and in
//! time, and cancelled when the client goes away.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use axum::body::{Body, HttpBody};
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use http_body_util::BodyExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tracing::{Instrument, Span};

use super::reply::Reply;
use super::{Served, Shared, fresh_id};
use crate::exec::Progress;

/// The header that carries a request's id, both ways.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// How long a client may take to send its request once it has begun.
const BODY_TIME: Duration = Duration::from_secs(60);

/// How many times its limit a body may be and still be taken in, to be refused.
const TAKEN_IN: usize = 8;

/// What kept a request from being computed.
#[derive(Debug)]
pub(super) enum Obstacle {
    /// The body is larger than it may be.
    TooLarge,
    /// The body did not come, or not in time.
    Unread,
    /// Too many wait.
    Busy,
    /// It took too long.
    Late(Duration),
    /// Something that must not happen did.
    Bug,
}

/// One request: what it is called in the log, and whom it is about.
pub(super) struct Asked {
    pub(super) shared: Arc<Shared>,
    pub(super) id: String,
    /// The model's name, once it is known.
    model: OnceLock<String>,
}

impl Asked {
    /// A request with the id that the client gave it, if that is one, else with a new one.
    pub(super) fn new(shared: &Arc<Shared>, headers: &HeaderMap) -> Arc<Asked> {
        let given = headers.get(REQUEST_ID).and_then(|id| id.to_str().ok());
        let plain = |id: &&str| {
            let fits = (1..=64).contains(&id.len());
            fits && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
        };
        let id = given.filter(plain).map_or_else(fresh_id, str::to_owned);
        Arc::new(Asked { shared: shared.clone(), id, model: OnceLock::new() })
    }

    /// The same, to a model that is known before the request is read.
    pub(super) fn of(shared: &Arc<Shared>, served: &Served, headers: &HeaderMap) -> Arc<Asked> {
        let asked = Asked::new(shared, headers);
        asked.is_about(served);
        asked
    }

    /// Says whom it turns out to be about.
    pub(super) fn is_about(&self, served: &Served) {
        let name = self.model.get_or_init(|| served.name.clone());
        Span::current().record("model", name);
    }

    fn model(&self) -> &str {
        self.model.get().map_or("", String::as_str)
    }

    /// Counts and logs the reply that `answer` comes to, and puts the id on it.
    pub(super) async fn answered(&self, endpoint: &'static str, answer: impl Future<Output = Reply>) -> Reply {
        let started = Instant::now();
        let span = tracing::info_span!("request", id = %self.id, model = self.model.get(), endpoint);
        let mut reply = answer.instrument(span.clone()).await;
        let (status, elapsed) = (reply.status().as_u16(), started.elapsed());
        self.shared.metrics.answered(self.model(), endpoint, status, elapsed);
        span.in_scope(|| tracing::info!(status, milliseconds = elapsed.as_secs_f64() * 1e3, "answered"));
        if let Ok(id) = HeaderValue::from_str(&self.id) {
            reply.headers_mut().insert(REQUEST_ID, id);
        }
        reply
    }

    /// Reads the body, waits for its turn, and has `work` done with it. Where this future is dropped, because
    /// the client is gone or time is up, the work is told to stop.
    pub(super) async fn compute<T: Send + 'static>(
        self: &Arc<Asked>,
        body: Body,
        work: impl FnOnce(&Asked, &[u8], &Progress) -> T + Send + 'static,
    ) -> Result<T, Obstacle> {
        let attempt = async {
            let body = receive(&self.shared, body).await?;
            let turn = self.shared.gate.enter().await.map_err(|_busy| Obstacle::Busy)?;
            let watched = Watched(Arc::new(Progress::default()));
            let (asked, progress, span) = (self.clone(), watched.0.clone(), Span::current());
            let job = tokio::task::spawn_blocking(move || {
                let _turn = turn;
                let done = span.in_scope(|| work(&asked, &body.bytes, &progress));
                asked.shared.metrics.evaluated(asked.model(), progress.done());
                done
            });
            // The panic's message is in the log already.
            job.await.map_err(|_panicked| Obstacle::Bug)
        };
        match self.shared.options.time_limit {
            None => attempt.await,
            Some(limit) => tokio::time::timeout(limit, attempt).await.unwrap_or(Err(Obstacle::Late(limit))),
        }
    }
}

/// A request's body, and its share of the memory that all large bodies together may take, until it is dropped.
struct Received {
    bytes: Vec<u8>,
    _share: Option<OwnedSemaphorePermit>,
}

/// As much of a body as waits for nobody. There are no more of them than connections.
const SMALL: usize = 256 << 10;

/// The memory of all large bodies together, in KiB: a few of the largest.
pub(super) fn memory(limit: usize) -> Arc<Semaphore> {
    Arc::new(Semaphore::new(kib(limit) as usize * 4))
}

fn kib(bytes: usize) -> u32 {
    u32::try_from(bytes.div_ceil(1024)).unwrap_or(u32::MAX / 8)
}

/// The whole body; what is not small of it once there is memory for it. Of one that is too large the rest is
/// taken in too, up to a point: a client in the middle of sending would never see what it is told.
async fn receive(shared: &Shared, mut body: Body) -> Result<Received, Obstacle> {
    let limit = shared.options.body_limit;
    let told = body.size_hint().upper().and_then(|length| usize::try_from(length).ok());
    let (mut bytes, mut share) = (Vec::new(), None);
    let mut length = 0usize;
    let mut deadline = tokio::time::Instant::now() + BODY_TIME;
    loop {
        let frame = tokio::time::timeout_at(deadline, body.frame()).await.map_err(|_late| Obstacle::Unread)?;
        let Some(frame) = frame else { break };
        let Ok(data) = frame.map_err(|_| Obstacle::Unread)?.into_data() else { continue };
        length = length.saturating_add(data.len());
        // Not sooner: a client that announces much and sends little would keep others waiting.
        if length > SMALL && share.is_none() {
            let needed = kib(told.map_or(limit, |length| length.min(limit)));
            let waiting = tokio::time::Instant::now();
            let memory = shared.memory.clone().acquire_many_owned(needed).await;
            share = Some(memory.map_err(|_closed| Obstacle::Busy)?);
            // That was no fault of the client's.
            deadline += waiting.elapsed();
        }
        if length <= limit {
            bytes.extend_from_slice(&data);
        } else if length / TAKEN_IN > limit {
            break;
        }
    }
    if length <= limit { Ok(Received { bytes, _share: share }) } else { Err(Obstacle::TooLarge) }
}

/// Cancels what nobody waits for any more.
struct Watched(Arc<Progress>);

impl Drop for Watched {
    fn drop(&mut self) {
        self.0.cancel();
    }
}
