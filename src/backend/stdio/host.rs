//! Programs as models: instances that start a program when they need one, and another when it is gone.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;
use serde_json::value::RawValue;

use super::once;
use super::session::Session;
use super::template::Template;
use super::terms::Terms;
use crate::backend::derivative::Question;
use crate::codec::{self, Encoding};
use crate::manifest::Protocol;
use crate::model::{Base, Batch, Cancel, Description, Instance, Model, ModelError, Natives};
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
            natives: session.natives(),
            session: Some(session),
            resident: None,
            chunk: 1,
            cancel: Cancel::default(),
        }))
    }
}

/// An instance: a program that stays.
pub(super) struct Running {
    pub(super) terms: Terms,
    signature: Arc<Signature>,
    /// What the program said it can when it was first started; another start changes nothing.
    natives: Natives,
    pub(super) session: Option<Session>,
    /// The base whose text is at hand, or which the program has been sent.
    pub(super) resident: Option<(u64, Option<Template>)>,
    /// How many points of that base the program is sent at once.
    pub(super) chunk: usize,
    cancel: Cancel,
}

impl Running {
    pub(super) fn session(&mut self) -> Result<&mut Session, ModelError> {
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
    pub(super) fn settle<T>(&mut self, result: Result<T, ModelError>) -> Result<T, ModelError> {
        if result.as_ref().is_err_and(|error| error.kind.is_fatal()) {
            self.session = None;
        }
        result
    }

    pub(super) fn outputs(&self, value: &Value) -> Result<Tree, ModelError> {
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

    fn derivative(&mut self, inputs: &Tree, question: &Question<'_>) -> Result<Vec<Array>, ModelError> {
        let write = |out: &mut Vec<u8>, encoding| {
            question.write(out, encoding, |out| codec::write_tree(out, inputs, encoding));
        };
        question.read(&self.ask(question.name(), write, parsed)??)
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
        self.natives
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
            session.ask_apply(|out| codec::write_tree(out, inputs, encoding))?;
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
        self.derivative(inputs, &Question::jacobian(wrt, of))
    }

    fn jvp(&mut self, inputs: &Tree, tangents: &[(Path, Array)], of: &[Path]) -> Result<Vec<Array>, ModelError> {
        self.derivative(inputs, &Question::jvp(tangents, of))
    }

    fn vjp(&mut self, inputs: &Tree, cotangents: &[(Path, Array)], wrt: &[Path]) -> Result<Vec<Array>, ModelError> {
        self.derivative(inputs, &Question::vjp(cotangents, wrt))
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
