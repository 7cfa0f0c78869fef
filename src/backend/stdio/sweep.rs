//! How a running program is swept: many points under way at once, and a crash among them looked into.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use serde_json::value::RawValue;

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
                    session.ask_apply(|out| template.write(out, base, &point));
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
        let mut chunk = 1;
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
                    let size = if careful { 1 } else { chunk.min(batch.len() - sent) };
                    self.ask_chunk(base, batch, sent, size);
                    sizes.push_back(size);
                    sent += size;
                }
                let Some(size) = sizes.pop_front() else { return };
                let started = Instant::now();
                match self.chunk_outcomes(size) {
                    Err(error) => {
                        sizes.push_front(size);
                        break error;
                    }
                    Ok(entries) => {
                        for entry in entries {
                            let result = protocol::read_outcome(&entry, &mut outcome);
                            let fatal = result.as_ref().is_err_and(|error| error.kind.is_fatal());
                            let over = batch.tell(told, result.map(|()| &outcome[..])).is_break();
                            told += 1;
                            if fatal {
                                self.session = None;
                                return;
                            }
                            if over {
                                self.abandon(sizes.len());
                                return;
                            }
                        }
                        if started.elapsed() < MESSAGE_TIME {
                            chunk = (chunk * 4).min(MOST_POINTS);
                        } else if chunk > 1 && started.elapsed() > 4 * MESSAGE_TIME {
                            chunk /= 2;
                        }
                    }
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

    fn ask_chunk(&mut self, base: &Base, batch: &dyn Batch, start: usize, size: usize) {
        let sent_before = self.resident.as_ref().is_some_and(|(id, _)| *id == base.id());
        self.resident = Some((base.id(), None));
        let Some(session) = &mut self.session else { return };
        let encoding = session.encoding();
        let points: Vec<Displacement> = (start..start + size)
            .map(|k| {
                let mut point = Displacement::new();
                batch.displace(k, &mut point);
                point
            })
            .collect();
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
            protocol::write_points(out, points.iter());
            out.push(b'}');
        });
    }

    fn chunk_outcomes(&mut self, size: usize) -> Result<Vec<Box<RawValue>>, ModelError> {
        let limit = self.terms.timeout;
        let slack = if size > 1 { HEARTBEAT } else { Duration::ZERO };
        let Some(session) = &mut self.session else { unreachable!("chunks were just sent") };
        let entries = session.answer(limit, slack, |result| serde_json::from_str::<Vec<Box<RawValue>>>(result.get()));
        let entries = self.settle(entries)?;
        match entries {
            Ok(entries) if entries.len() == size => Ok(entries),
            Ok(entries) => {
                self.session = None;
                Err(ModelError::broken(format!("it answered {} points, {size} were asked for", entries.len())))
            }
            Err(error) => {
                self.session = None;
                Err(ModelError::broken(format!("its answer to sweep is no good: {error}")))
            }
        }
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
