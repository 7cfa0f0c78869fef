//! How a running program is swept: many points under way at once, and a crash among them looked into.

use std::collections::VecDeque;
use std::ops::{ControlFlow, Range};
use std::time::{Duration, Instant};

use super::chunk;
use super::host::Running;
use super::outcome::Wanted;
use super::protocol;
use super::session::{HEARTBEAT, Session};
use super::template::Template;
use crate::backend::derivative::write_paths;
use crate::codec::{self, Encoding};
use crate::diff::Displacement;
use crate::model::{Base, Batch, ModelError, ModelErrorKind};

/// How long a message of a sweep should keep the program busy: long against the cost of the message,
/// short against a person's patience.
const MESSAGE_TIME: Duration = Duration::from_millis(2);

/// The most points in one message.
const MOST_POINTS: usize = 512;

impl Running {
    /// A sweep by a program that has none itself: one `apply` a point, as many under way as it takes.
    pub(super) fn sweep_by_apply(&mut self, base: &Base, batch: &mut dyn Batch) {
        let template = match self.resident.take() {
            Some((id, Some(template))) if id == base.id() => template,
            _ => {
                let encoding = self.session.as_ref().map_or(Encoding::Plain, Session::encoding);
                Template::new(base, encoding)
            }
        };
        let wanted = Wanted::new(&base.of);
        let mut point = Displacement::new();
        let mut outcome = vec![0.0; base.of.len()];
        let (mut sent, mut told) = (0, 0);
        while told < batch.len() {
            let result = self.session().and_then(|session| {
                while sent < batch.len() && session.pending() < session.window() {
                    batch.displace(sent, &mut point);
                    session.ask_apply(|out| template.write(out, base, &point))?;
                    sent += 1;
                }
                session.answer_apply(|text| wanted.as_ref().is_some_and(|wanted| wanted.read(text, &mut outcome)))
            });
            let result = self.settle(result).and_then(|value| {
                let Some(value) = value else { return Ok(()) };
                let mismatch = |mismatch| ModelError::failed(format!("output {mismatch}"));
                base.of.ravel(&self.outputs(&value)?, &mut outcome).map_err(mismatch)
            });
            let fatal = result.as_ref().is_err_and(|error| error.kind.is_fatal());
            let over = batch.tell(told, result.map(|()| &outcome[..])).is_break();
            told += 1;
            if over || fatal {
                break;
            }
        }
        // Answers to what was asked ahead and is not wanted any more.
        while told < sent && self.session.is_some() {
            let result = self.session().and_then(|session| session.answer_apply(|_| true));
            let _ = self.settle(result);
            told += 1;
        }
        self.resident = Some((base.id(), Some(template)));
    }

    /// A sweep by a program that knows `sweep`: the base once, then chunks of points, the next one under
    /// way while the last is worked on.
    pub(super) fn sweep_by_chunks(&mut self, base: &Base, batch: &mut dyn Batch) {
        let mut outcome = vec![0.0; base.of.len()];
        if self.resident.as_ref().is_none_or(|(id, _)| *id != base.id()) {
            self.chunk = 1;
        }
        let mut told = 0;
        // After a crash among several points each is sent alone, so that the one to blame is known.
        let mut careful = false;
        while told < batch.len() {
            let mut sent = told;
            let mut sizes = VecDeque::new();
            let lost = loop {
                let room = if careful { 1 } else { 2 };
                if let Err(error) = self.session() {
                    break error;
                }
                while sent < batch.len() && sizes.len() < room {
                    let size = if careful { 1 } else { self.chunk.min(batch.len() - sent) };
                    self.ask_chunk(base, batch, sent..sent + size);
                    sizes.push_back(size);
                    sent += size;
                }
                let Some(&size) = sizes.front() else { return };
                let started = Instant::now();
                let (mut dead, mut over) = (false, false);
                let answered = self.chunk_outcomes(size, &mut outcome, |result| {
                    dead = result.as_ref().is_err_and(|error| error.kind.is_fatal());
                    over = batch.tell(told, result).is_break();
                    told += 1;
                    if dead || over { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
                });
                let answered = match answered {
                    Ok(answered) => answered,
                    Err(error) => break error,
                };
                sizes.pop_front();
                if dead {
                    self.session = None;
                    return;
                }
                if over {
                    self.abandon(sizes.len());
                    return;
                }
                let elapsed = answered - started;
                // Fewer, as at the end of a sweep, say nothing of as many.
                if elapsed < MESSAGE_TIME && size >= self.chunk {
                    self.chunk = (self.chunk * 4).min(MOST_POINTS);
                } else if self.chunk > 1 && elapsed > 4 * MESSAGE_TIME {
                    self.chunk /= 2;
                }
            };
            let several = sizes.front().is_some_and(|size| *size > 1);
            if several && lost.kind.is_fatal() && lost.kind != ModelErrorKind::Cancelled {
                careful = true;
                continue;
            }
            self.session = None;
            let _ = batch.tell(told, Err(lost));
            return;
        }
    }

    fn ask_chunk(&mut self, base: &Base, batch: &dyn Batch, points: Range<usize>) {
        let sent_before = self.resident.as_ref().is_some_and(|(id, _)| *id == base.id());
        self.resident = Some((base.id(), None));
        let Some(session) = &mut self.session else { return };
        let encoding = session.encoding();
        session.ask("sweep", |out| {
            out.push(b'{');
            if !sent_before {
                out.extend_from_slice(b"\"inputs\":");
                codec::write_tree(out, &base.inputs, encoding);
                out.extend_from_slice(b",\"wrt\":");
                write_paths(out, base.wrt.paths());
                out.extend_from_slice(b",\"of\":");
                write_paths(out, base.of.paths());
                out.push(b',');
            }
            if encoding == Encoding::Base64 {
                out.extend_from_slice(b"\"encoding\":\"base64\",");
            }
            out.extend_from_slice(b"\"points\":");
            protocol::write_points(out, points, |k, point| batch.displace(k, point));
            out.push(b'}');
        });
    }

    /// Tells the outcomes of the oldest chunk, as long as more are wanted; and when they came.
    fn chunk_outcomes(
        &mut self,
        size: usize,
        outcome: &mut [f64],
        tell: impl FnMut(Result<&[f64], ModelError>) -> ControlFlow<()>,
    ) -> Result<Instant, ModelError> {
        let limit = self.terms.timeout;
        let slack = if size > 1 { HEARTBEAT } else { Duration::ZERO };
        let Some(session) = &mut self.session else { unreachable!("chunks were just sent") };
        let read =
            session.answer(limit, slack, |result| (Instant::now(), chunk::read(result.get(), size, outcome, tell)));
        let (answered, read) = self.settle(read)?;
        read.map(|()| answered).map_err(|error| {
            self.session = None;
            ModelError::broken(format!("its answer to sweep is no good: {error}"))
        })
    }

    /// Takes in the answers to what was asked ahead and is not wanted any more.
    fn abandon(&mut self, messages: usize) {
        let limit = self.terms.timeout;
        for _ in 0..messages {
            if let Some(session) = &mut self.session {
                let result = session.answer(limit, HEARTBEAT, |_| ());
                let _ = self.settle(result);
            }
        }
    }
}
