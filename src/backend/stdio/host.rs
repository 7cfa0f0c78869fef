//! Programs as models: instances that start a program when they need one, and another when it is gone.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;
use serde_json::value::RawValue;

use super::once;
use super::outcome::Wanted;
use super::protocol;
use super::session::{HEARTBEAT, Session};
use super::template::Template;
use super::terms::Terms;
use crate::backend::derivative::{Question, read_blocks, read_vectors, write_paths};
use crate::codec::{self, Encoding};
use crate::diff::Displacement;
use crate::manifest::Protocol;
use crate::model::{Base, Batch, Cancel, Description, Instance, Model, ModelError, ModelErrorKind, Natives};
use crate::schema::Signature;
use crate::tree::{Abstract, Array, Path, Tree};

/// A program as a model.
pub(crate) struct Program {
    terms: Terms,
    description: Description,
    signature: Arc<Signature>,
    /// A session that was started to learn the schemas.
    spare: Mutex<Option<Session>>,
}

/// What a program says of itself when asked, and the session in which it did.
pub(crate) struct Introduced {
    session: Session,
}

impl Introduced {
    pub(crate) fn start(terms: &Terms) -> Result<Introduced, ModelError> {
        Ok(Introduced { session: Session::start(terms)? })
    }

    pub(crate) fn name(&self) -> Option<&str> {
        self.session.introduction.name.as_deref()
    }

    pub(crate) fn version(&self) -> Option<&str> {
        self.session.introduction.version.as_deref()
    }

    pub(crate) fn description(&self) -> Option<&str> {
        self.session.introduction.description.as_deref()
    }

    pub(crate) fn schemas(&mut self) -> (Option<Value>, Option<Value>) {
        let introduction = &mut self.session.introduction;
        (introduction.input_schema.take(), introduction.output_schema.take())
    }
}

impl Program {
    pub(crate) fn new(
        terms: Terms,
        description: Description,
        signature: Signature,
        introduced: Option<Introduced>,
    ) -> Program {
        let spare = Mutex::new(introduced.map(|introduced| introduced.session));
        Program { terms, description, signature: Arc::new(signature), spare }
    }
}

impl Model for Program {
    fn description(&self) -> &Description {
        &self.description
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn open(&self) -> Result<Box<dyn Instance>, ModelError> {
        if self.terms.protocol == Protocol::Once {
            return Ok(Box::new(once::Once::new(self.terms.clone(), self.signature.clone())));
        }
        let spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner).take();
        let session = spare.map_or_else(|| Session::start(&self.terms), Ok)?;
        Ok(Box::new(Running {
            terms: self.terms.clone(),
            signature: self.signature.clone(),
            session: Some(session),
            resident: None,
            cancel: Cancel::default(),
        }))
    }
}

/// An instance: a program that stays.
struct Running {
    terms: Terms,
    signature: Arc<Signature>,
    session: Option<Session>,
    /// The base whose text is at hand, or which the program has been sent.
    resident: Option<(u64, Option<Template>)>,
    cancel: Cancel,
}

/// How long a message of a sweep should keep the program busy: long against the cost of the message,
/// short against a person's patience.
const MESSAGE_TIME: Duration = Duration::from_millis(2);

/// The most points in one message.
const MOST_POINTS: usize = 512;

impl Running {
    fn session(&mut self) -> Result<&mut Session, ModelError> {
        if self.session.is_none() {
            self.resident = None;
            let mut session = Session::start(&self.terms)?;
            session.heed(&self.cancel);
            self.session = Some(session);
        }
        match &mut self.session {
            Some(session) => Ok(session),
            None => unreachable!("just started"),
        }
    }

    /// Ends a session that cannot be trusted any more.
    fn settle<T>(&mut self, result: Result<T, ModelError>) -> Result<T, ModelError> {
        if result.as_ref().is_err_and(|error| error.kind.is_fatal()) {
            self.session = None;
        }
        result
    }

    fn outputs(&self, value: &Value) -> Result<Tree, ModelError> {
        self.signature.outputs_from_json(value).map_err(|violations| ModelError::nonconforming(&violations))
    }

    fn ask<T>(
        &mut self,
        method: &str,
        params: impl FnOnce(&mut Vec<u8>, Encoding),
        read: impl FnOnce(&RawValue) -> T,
    ) -> Result<T, ModelError> {
        let limit = self.terms.timeout;
        let session = self.session()?;
        let encoding = session.encoding();
        session.ask(method, |out| params(out, encoding));
        let result = session.answer(limit, Duration::ZERO, read);
        self.settle(result)
    }

    fn ask_derivative(&mut self, method: &str, inputs: &Tree, question: &Question<'_>) -> Result<Value, ModelError> {
        let write = |out: &mut Vec<u8>, encoding| {
            question.write(out, encoding, |out| codec::write_tree(out, inputs, encoding));
        };
        self.ask(method, write, parsed)?
    }

    /// A sweep by a program that has none itself: one `apply` a point, as many under way as it takes.
    fn sweep_by_apply(&mut self, base: &Base, batch: &mut dyn Batch) {
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
    fn sweep_by_chunks(&mut self, base: &Base, batch: &mut dyn Batch) {
        let mut outcome = vec![0.0; base.of.len()];
        let mut chunk = 1;
        let mut told = 0;
        // After a crash among several points each is sent alone, so that the one to blame is known.
        let mut careful = false;
        while told < batch.len() {
            let mut sent = told;
            let mut sizes = std::collections::VecDeque::new();
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

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(session) = self.session.take() {
            session.end();
        }
    }
}

fn parsed(result: &RawValue) -> Result<Value, ModelError> {
    codec::parse_json(result.get().as_bytes()).map_err(|error| ModelError::broken(error.to_string()))
}

impl Instance for Running {
    fn natives(&self) -> Natives {
        let offers = |method| self.session.as_ref().is_some_and(|session| session.offers(method));
        Natives {
            jacobian: offers("jacobian"),
            jvp: offers("jacobian_vector_product"),
            vjp: offers("vector_jacobian_product"),
            abstract_eval: offers("abstract_eval"),
        }
    }

    fn heed(&mut self, cancel: &Cancel) {
        self.cancel = cancel.clone();
        if let Some(session) = &mut self.session {
            session.heed(cancel);
        }
    }

    fn apply(&mut self, inputs: &Tree) -> Result<Tree, ModelError> {
        let result = self.session().and_then(|session| {
            let encoding = session.encoding();
            session.ask_apply(|out| codec::write_tree(out, inputs, encoding));
            session.answer_apply(|_| false)
        });
        let value = self.settle(result)?.unwrap_or_default();
        self.outputs(&value)
    }

    fn sweep(&mut self, base: &Base, batch: &mut dyn Batch) {
        if self.session.as_ref().is_some_and(|session| session.offers("sweep")) {
            self.sweep_by_chunks(base, batch);
        } else {
            self.sweep_by_apply(base, batch);
        }
    }

    fn jacobian(&mut self, inputs: &Tree, wrt: &[Path], of: &[Path]) -> Result<Vec<Array>, ModelError> {
        let value = self.ask_derivative("jacobian", inputs, &Question::jacobian(wrt, of))?;
        read_blocks(&value, wrt, of)
    }

    fn jvp(&mut self, inputs: &Tree, tangents: &[(Path, Array)], of: &[Path]) -> Result<Vec<Array>, ModelError> {
        let value = self.ask_derivative("jacobian_vector_product", inputs, &Question::jvp(tangents, of))?;
        read_vectors(&value, of)
    }

    fn vjp(&mut self, inputs: &Tree, cotangents: &[(Path, Array)], wrt: &[Path]) -> Result<Vec<Array>, ModelError> {
        let value = self.ask_derivative("vector_jacobian_product", inputs, &Question::vjp(cotangents, wrt))?;
        read_vectors(&value, wrt)
    }

    fn abstract_eval(&mut self, inputs: &Tree<Abstract>) -> Result<Tree<Abstract>, ModelError> {
        let write = |out: &mut Vec<u8>, _| {
            out.extend_from_slice(b"{\"inputs\":");
            codec::write_abstract(out, inputs);
            out.push(b'}');
        };
        let value = self.ask("abstract_eval", write, parsed)??;
        self.signature.abstract_outputs_from_json(&value).map_err(|violations| ModelError::nonconforming(&violations))
    }
}
