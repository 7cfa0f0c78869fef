//! A Tesseract, or another secant, as a model: its questions asked over HTTP, and answered there.
//!
//! Not its schemas (`openapi`).

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::http::{Client, Line, Reply};
use super::openapi;
use crate::backend::derivative::Question;
use crate::codec::{self, Encoding};
use crate::model::{Cancel, Instance, ModelError, ModelErrorKind, Natives};
use crate::schema::Signature;
use crate::tree::{Abstract, Array, Path, Pattern, Tree};

/// A server that speaks the protocol, and how it wants to be spoken to.
pub(super) struct Tesseract {
    client: Client,
    signature: Arc<Signature>,
    timeout: Option<Duration>,
    natives: Natives,
    /// The type of answers asked for.
    accept: &'static str,
    /// The inputs that it takes as bare numbers and lists alone.
    plain: Vec<Pattern>,
}

/// The document in which a server describes itself.
pub(super) fn document(client: &Client, limit: Duration) -> Result<Value, ModelError> {
    let reply = client.get("openapi.json", Some(limit))?;
    if !reply.is_success() {
        return Err(reply.failure());
    }
    let document = reply.json()?;
    if openapi::is_tesseract(&document) {
        return Ok(document);
    }
    Err(reply.error(ModelErrorKind::Broken, "this OpenAPI document has no /apply with an input and an output schema"))
}

impl Tesseract {
    pub(super) fn new(
        client: Client,
        document: &Value,
        signature: Arc<Signature>,
        timeout: Option<Duration>,
    ) -> Tesseract {
        let plain = openapi::plain_leaves(document, openapi::INPUT, &signature.inputs);
        let plain_outputs = openapi::plain_leaves(document, openapi::OUTPUT, &signature.outputs);
        let mut natives = openapi::natives(document);
        let marked_here_alone = openapi::marked_here_alone(document, openapi::INPUT, &signature.inputs)
            .or_else(|| openapi::marked_here_alone(document, openapi::OUTPUT, &signature.outputs));
        if let Some(path) = marked_here_alone {
            // The server would refuse to be asked about it, and a request may ask about all there are.
            tracing::info!("{}: differences are taken, since the server does not differentiate {path}", client.url());
            natives = Natives { abstract_eval: natives.abstract_eval, ..Natives::default() };
        }
        // A plain number has no shape to be told instead.
        natives.abstract_eval &= plain.is_empty() && plain_outputs.is_empty();
        let base64 = openapi::writes(document, "json+base64");
        let accept = if base64 { "application/json+base64" } else { "application/json" };
        Tesseract { client, signature, timeout, natives, accept, plain }
    }

    fn write_inputs(&self, out: &mut Vec<u8>, inputs: &Tree) {
        if self.plain.is_empty() {
            return codec::write_tree(out, inputs, Encoding::Base64);
        }
        let leaves = inputs.leaves();
        let mut plain = leaves.iter().map(|(path, _)| self.plain.iter().any(|pattern| pattern.matches(path)));
        codec::write_nodes(out, inputs, &mut |out, array| {
            let encoding = if plain.next() == Some(true) { Encoding::Plain } else { Encoding::Base64 };
            codec::write_array(out, array, encoding);
        });
    }
}

/// An instance: one request at a time.
pub(super) struct Caller {
    server: Arc<Tesseract>,
    line: Line,
    request: Vec<u8>,
}

impl Caller {
    pub(super) fn new(server: Arc<Tesseract>) -> Caller {
        Caller { line: Line::new(&server.client), server, request: Vec::new() }
    }

    fn ask(&mut self, endpoint: &str, write: impl FnOnce(&mut Vec<u8>, &Tesseract)) -> Result<Value, ModelError> {
        self.request.clear();
        write(&mut self.request, &self.server);
        let Tesseract { accept, timeout, .. } = &*self.server;
        let reply = self.line.post(endpoint, &mut self.request, accept, *timeout)?;
        match reply.status {
            422 => Err(refusal(&reply)),
            _ if reply.is_success() => reply.json(),
            _ => Err(reply.failure()),
        }
    }

    fn derivative(&mut self, inputs: &Tree, question: &Question<'_>) -> Result<Vec<Array>, ModelError> {
        let value = self.ask(question.name(), |out, server| {
            question.write(out, Encoding::Base64, |out| server.write_inputs(out, inputs));
        })?;
        question.read(&value)
    }
}

impl Instance for Caller {
    fn natives(&self) -> Natives {
        self.server.natives
    }

    fn heed(&mut self, cancel: &Cancel) {
        self.line.cancel = cancel.clone();
    }

    fn apply(&mut self, inputs: &Tree) -> Result<Tree, ModelError> {
        let value = self.ask("apply", |out, server| {
            out.extend_from_slice(b"{\"inputs\":");
            server.write_inputs(out, inputs);
            out.push(b'}');
        })?;
        let outputs = self.server.signature.outputs_from_json(&value);
        outputs.map_err(|violations| ModelError::nonconforming(&violations))
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
        let value = self.ask("abstract_eval", |out, _| {
            out.extend_from_slice(b"{\"inputs\":");
            codec::write_abstract(out, inputs);
            out.push(b'}');
        })?;
        let outputs = self.server.signature.abstract_outputs_from_json(&value);
        outputs.map_err(|violations| ModelError::nonconforming(&violations))
    }
}

/// The most complaints that are passed on.
const MOST_COMPLAINTS: usize = 10;

/// What the server finds wrong with the inputs.
fn refusal(reply: &Reply) -> ModelError {
    let words = reply.json().ok().and_then(|body| {
        let complaints = body.get("detail")?.as_array()?;
        let mut words: Vec<String> = complaints.iter().take(MOST_COMPLAINTS).map(complaint).collect::<Option<_>>()?;
        if complaints.len() > words.len() {
            words.push(format!("and {} more", complaints.len() - words.len()));
        }
        Some(words.join("; "))
    });
    match words {
        Some(words) => reply.error(ModelErrorKind::Refused, &words),
        None => ModelError { kind: ModelErrorKind::Refused, ..reply.failure() },
    }
}

/// One complaint: where in the inputs, and what.
fn complaint(complaint: &Value) -> Option<String> {
    let message = complaint.get("msg")?.as_str()?;
    let mut place = String::new();
    // The way to the inputs is the same for all and told by the endpoint.
    let steps = complaint.get("loc").and_then(Value::as_array).into_iter().flatten();
    for step in steps.skip_while(|step| *step == "body").skip_while(|step| *step == "inputs") {
        let dot = if place.is_empty() { "" } else { "." };
        match step {
            Value::String(name) => place += &format!("{dot}{name}"),
            index => place += &format!("{dot}[{index}]"),
        }
    }
    Some(if place.is_empty() { message.to_owned() } else { format!("{place}: {message}") })
}
