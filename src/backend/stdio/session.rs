//! One conversation with one running program: requests out, replies in, in order, each within its time.
//!
//! Not here: when to start another program (`host`).

use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use serde_json::Value;
use serde_json::value::RawValue;

use super::protocol::{self, Introduction, Log, Message, RpcError};
use super::terms::Terms;
use crate::backend::child::{Child, with_words};
use crate::backend::wire::{LONGEST_LINE, Silence, Wire};
use crate::codec::{self, Encoding};
use crate::manifest::Protocol;
use crate::model::{Cancel, ModelError, ModelErrorKind, Natives};

/// A running program that has been greeted.
pub(super) struct Session {
    child: Child,
    terms: Terms,
    pub(super) introduction: Introduction,
    /// Requests sent and not answered, oldest first.
    pending: VecDeque<u64>,
    next_id: u64,
    request: Vec<u8>,
}

/// How much of an unintelligible line is shown.
const SHOWN: usize = 200;

/// A guest that is busy says so at least this often, if it says so at all.
pub(super) const HEARTBEAT: Duration = Duration::from_millis(100);

impl Session {
    /// Starts the program and greets it.
    pub(super) fn start(terms: &Terms) -> Result<Session, ModelError> {
        let mut session = Session::launch(terms)?;
        if !session.is_greeted() {
            return Ok(session);
        }
        match session.greet() {
            Ok(()) => Ok(session),
            // It read the greeting and died of it: the smallest of models, which take every message for an `apply`.
            Err(error) => match &terms.died_of_greeting {
                Some(died) if error.kind == ModelErrorKind::Crashed && session.child.wire.is_read() => {
                    tracing::debug!("started again without initialize, of which it died: {error}");
                    died.store(true, Ordering::Relaxed);
                    Session::launch(terms)
                }
                _ => Err(error),
            },
        }
    }

    fn launch(terms: &Terms) -> Result<Session, ModelError> {
        let child = terms.launch.start().map_err(|reason| ModelError::new(ModelErrorKind::Crashed, reason))?;
        Ok(Session {
            child,
            terms: terms.clone(),
            introduction: Introduction::default(),
            pending: VecDeque::new(),
            next_id: 1,
            request: Vec::new(),
        })
    }

    /// Whom the program works for from now on.
    pub(super) fn heed(&mut self, cancel: &Cancel) {
        self.child.cancel = cancel.clone();
    }

    /// Whether the program is sent other messages than `apply`.
    fn is_greeted(&self) -> bool {
        self.terms.protocol == Protocol::Jsonrpc && !self.terms.dies_of_greeting()
    }

    fn greet(&mut self) -> Result<(), ModelError> {
        let params = serde_json::json!({
            "protocol": protocol::VERSION,
            "host": {"name": "secant", "version": env!("CARGO_PKG_VERSION")},
            "config": self.terms.config,
        });
        self.ask("initialize", |out| protocol::write_json(out, &params));
        let limit = self.terms.start_timeout;
        let reply =
            self.reply(Some(limit), Duration::ZERO, |result| serde_json::from_str::<Introduction>(result.get()));
        match reply {
            Ok(Ok(Ok(introduction))) => {
                if let Some(version) = introduction.protocol
                    && version != protocol::VERSION
                {
                    return Err(ModelError::broken(format!(
                        "it speaks version {version} of the stdio protocol, this secant version {}",
                        protocol::VERSION
                    )));
                }
                self.introduction = introduction;
                Ok(())
            }
            Ok(Ok(Err(error))) => Err(ModelError::broken(format!("its answer to initialize is no good: {error}"))),
            // A program that answers with an error knows no initialize: it has apply and plain lists.
            Ok(Err(error)) if error.code != protocol::INSTANCE_DEAD => Ok(()),
            Ok(Err(error)) => Err(error.into()),
            Err(mut error) => {
                if error.kind == ModelErrorKind::TimedOut {
                    error.message = format!("it did not answer initialize within {limit:?} (run.start_timeout)");
                }
                Err(error)
            }
        }
    }

    pub(super) fn offers(&self, method: &str) -> bool {
        self.introduction.methods.iter().any(|offered| offered == method)
    }

    /// What the program can beside evaluations.
    pub(super) fn natives(&self) -> Natives {
        Natives {
            jacobian: self.offers("jacobian"),
            jvp: self.offers("jacobian_vector_product"),
            vjp: self.offers("vector_jacobian_product"),
            abstract_eval: self.offers("abstract_eval"),
        }
    }

    /// The best encoding of arrays that the program offers.
    pub(super) fn encoding(&self) -> Encoding {
        if self.introduction.encodings.iter().any(|name| name == "base64") { Encoding::Base64 } else { Encoding::Plain }
    }

    /// How many requests may be under way at once.
    pub(super) fn window(&self) -> usize {
        self.introduction.pipeline.unwrap_or(1).max(1)
    }

    /// The number of requests not answered.
    pub(super) fn pending(&self) -> usize {
        self.pending.len()
    }

    /// Sends a request.
    pub(super) fn ask(&mut self, method: &str, params: impl FnOnce(&mut Vec<u8>)) {
        let id = self.next_id;
        self.next_id += 1;
        let mut request = std::mem::take(&mut self.request);
        request.clear();
        protocol::begin_request(&mut request, id, method);
        params(&mut request);
        protocol::end_request(&mut request);
        self.child.wire.send(&request);
        self.request = request;
        self.pending.push_back(id);
    }

    /// Asks for one evaluation, in whatever words the program understands.
    ///
    /// Lines have no numbers: one too many, and every answer would be that to the question before.
    pub(super) fn ask_apply(&mut self, inputs: impl FnOnce(&mut Vec<u8>)) -> Result<(), ModelError> {
        if self.terms.protocol == Protocol::Lines
            && self.pending.is_empty()
            && let Some(words) = self.child.wire.unasked()
        {
            let words = shown(words);
            return Err(ModelError::broken(format!(
                "it wrote a line that answers nothing, as each request has one line for its answer: {words}\n  stdout is \
                 for answers alone: print to stderr instead"
            )));
        }
        match self.terms.protocol {
            Protocol::Jsonrpc => self.ask("apply", |out| {
                out.extend_from_slice(b"{\"inputs\":");
                inputs(out);
                out.push(b'}');
            }),
            Protocol::Lines | Protocol::Once => {
                let mut request = std::mem::take(&mut self.request);
                request.clear();
                inputs(&mut request);
                request.push(b'\n');
                self.child.wire.send(&request);
                self.request = request;
                self.pending.push_back(0);
            }
        }
        Ok(())
    }

    /// The outputs of the oldest evaluation asked for; `None` where `take` has taken all that it wants from
    /// their text.
    pub(super) fn answer_apply(&mut self, take: impl FnOnce(&[u8]) -> bool) -> Result<Option<Value>, ModelError> {
        let limit = self.terms.timeout;
        if self.terms.protocol == Protocol::Jsonrpc {
            let value = self.answer(limit, Duration::ZERO, |result| {
                let text = result.get().as_bytes();
                if take(text) { Ok(None) } else { codec::parse_json(text).map(Some) }
            })?;
            return value.map_err(|error| ModelError::broken(format!("its outputs are no JSON: {error}")));
        }
        self.pending.pop_front();
        let deadline = limit.map(|limit| Instant::now() + limit);
        let line = match self.child.line(deadline) {
            Ok(line) => line,
            Err(silence) => return Err(self.silence(silence, limit)),
        };
        if take(line) {
            return Ok(None);
        }
        let mut value = codec::parse_json(line).map_err(|error| unintelligible(line, &error.to_string()))?;
        match error_line(&mut value) {
            Some(error) if !self.terms.outputs_error => Err(error.into()),
            _ => Ok(Some(value)),
        }
    }

    /// The answer to the oldest request, read by `read`. `limit` is the time that an evaluation may take. Where there are
    /// several, of whose progress the guest tells, `slack` is what may be added between two such signs.
    pub(super) fn answer<T>(
        &mut self,
        limit: Option<Duration>,
        slack: Duration,
        read: impl FnOnce(&RawValue) -> T,
    ) -> Result<T, ModelError> {
        self.reply(limit, slack, read)?.map_err(ModelError::from)
    }

    /// The same, the program's own error told apart from a wire that failed.
    fn reply<T>(
        &mut self,
        limit: Option<Duration>,
        slack: Duration,
        read: impl FnOnce(&RawValue) -> T,
    ) -> Result<Result<T, RpcError>, ModelError> {
        let Some(id) = self.pending.pop_front() else { unreachable!("an answer is awaited only after a request") };
        let mut deadline = limit.map(|limit| Instant::now() + limit + slack);
        loop {
            let line = match self.child.line(deadline) {
                Ok(line) => line,
                Err(silence) => return Err(self.silence(silence, limit)),
            };
            let marked;
            let message = match serde_json::from_slice::<Message<'_>>(line) {
                Ok(message) => message,
                Err(error) => {
                    // Python writes NaN and Infinity, which JSON has not.
                    marked = codec::mark_non_finite(line).ok_or_else(|| unintelligible(line, &error.to_string()))?;
                    serde_json::from_slice(&marked).map_err(|error| unintelligible(line, &error.to_string()))?
                }
            };
            match (&message.method, message.id) {
                (Some(method), _) => {
                    notice(method, message.params);
                    // One evaluation has its time, whatever is said meanwhile; of many the next one has begun.
                    if method == "progress" && !slack.is_zero() {
                        deadline = limit.map(|limit| Instant::now() + limit + HEARTBEAT);
                    }
                }
                // An error that could not tell which request it is about is about this one.
                (None, Some(found))
                    if found.get().parse() == Ok(id) || (found.get() == "null" && message.error.is_some()) =>
                {
                    return match (message.result, message.error) {
                        (_, Some(error)) => Ok(Err(error)),
                        (Some(result), None) => Ok(Ok(read(result))),
                        (None, None) => Err(unintelligible(line, "it has neither a result nor an error")),
                    };
                }
                (None, Some(found)) => {
                    return Err(ModelError::broken(format!("it answered request {} when {id} was next", found.get())));
                }
                (None, None) => return Err(unintelligible(line, "it has no id")),
            }
        }
    }

    /// What silence means, with the program's last words.
    fn silence(&mut self, silence: Silence, limit: Option<Duration>) -> ModelError {
        let fragment = shown(self.child.wire.fragment());
        let (kind, mut message) = match silence {
            Silence::Unwanted => return ModelError::cancelled(),
            Silence::Late => {
                let limit = limit.unwrap_or_default();
                (
                    ModelErrorKind::TimedOut,
                    format!("it took longer than {} and was stopped", humantime::format_duration(limit)),
                )
            }
            Silence::Closed => {
                let mut epitaph = self.child.epitaph();
                if self.terms.dies_of_greeting() {
                    epitaph += ", as it did when it was sent initialize";
                }
                (ModelErrorKind::Crashed, epitaph)
            }
            Silence::Endless => {
                let most = LONGEST_LINE >> 20;
                (
                    ModelErrorKind::Broken,
                    format!("its reply is longer than {most} MB: offer the encoding base64, or fewer outputs"),
                )
            }
            Silence::Io(error) => (ModelErrorKind::Broken, format!("its pipes failed: {error}")),
        };
        if silence != Silence::Endless && !fragment.is_empty() {
            message += &format!(" in the middle of a line: {fragment}");
        }
        ModelError::new(kind, with_last_words(message, &mut self.child.wire))
    }

    /// Lets the program end.
    pub(super) fn end(mut self) {
        if self.is_greeted() && self.pending.is_empty() {
            self.ask("shutdown", |out| out.extend_from_slice(b"{}"));
        }
        self.child.end();
    }
}

/// Adds what the program last wrote to stderr.
pub(super) fn with_last_words(message: String, wire: &mut Wire) -> String {
    with_words(message, &wire.last_words())
}

fn shown(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(SHOWN)]);
    if bytes.len() > SHOWN { format!("{text}...") } else { text.into_owned() }
}

fn unintelligible(line: &[u8], why: &str) -> ModelError {
    ModelError::broken(format!(
        "it wrote a line that is no message ({why}): {}\n  stdout is for messages alone: print to stderr instead",
        shown(line)
    ))
}

/// The error of a line such as `{"error": {"code": -32000, "message": "..."}}`, or `{"error": "..."}`.
fn error_line(value: &mut Value) -> Option<RpcError> {
    let fields = value.as_object().filter(|fields| fields.len() == 1)?;
    match fields.get("error")? {
        Value::String(message) => Some(RpcError { code: -32000, message: message.clone() }),
        error => serde_json::from_value(error.clone()).ok(),
    }
}

fn notice(method: &str, params: Option<&RawValue>) {
    if method != "log" {
        return;
    }
    let Some(log) = params.and_then(|params| serde_json::from_str::<Log>(params.get()).ok()) else { return };
    let message = log.message;
    match log.level.as_str() {
        "error" => tracing::error!(target: "secant::model", "{message}"),
        "warn" | "warning" => tracing::warn!(target: "secant::model", "{message}"),
        "info" => tracing::info!(target: "secant::model", "{message}"),
        _ => tracing::debug!(target: "secant::model", "{message}"),
    }
}
