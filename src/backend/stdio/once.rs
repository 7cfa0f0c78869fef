//! Programs that are started for each evaluation: one document in, one document out.

use std::sync::Arc;
use std::time::Instant;

use super::session::with_last_words;
use super::terms::Terms;
use crate::backend::child::describe;
use crate::backend::wire::Silence;
use crate::codec::{self, Encoding};
use crate::model::{Cancel, Instance, ModelError, ModelErrorKind};
use crate::schema::Signature;
use crate::tree::Tree;

pub(super) struct Once {
    terms: Terms,
    signature: Arc<Signature>,
    text: Vec<u8>,
    cancel: Cancel,
}

/// The exit code by which a program says that its inputs make no sense.
const REFUSED: i32 = 2;

impl Once {
    pub(super) fn new(terms: Terms, signature: Arc<Signature>) -> Once {
        Once { terms, signature, text: Vec::new(), cancel: Cancel::default() }
    }
}

impl Instance for Once {
    fn heed(&mut self, cancel: &Cancel) {
        self.cancel = cancel.clone();
    }

    fn apply(&mut self, inputs: &Tree) -> Result<Tree, ModelError> {
        let limit = self.terms.timeout;
        let deadline = limit.map(|limit| Instant::now() + limit);
        let mut child = self.terms.launch.start().map_err(|reason| ModelError::new(ModelErrorKind::Crashed, reason))?;
        child.cancel = self.cancel.clone();
        self.text.clear();
        codec::write_tree(&mut self.text, inputs, Encoding::Plain);
        self.text.push(b'\n');
        child.wire.send(&self.text);
        let output = match child.rest(deadline) {
            Ok(output) => output.to_vec(),
            Err(Silence::Late) => {
                let limit = humantime::format_duration(limit.unwrap_or_default());
                let message = format!("it took longer than {limit} and was stopped");
                return Err(ModelError::new(ModelErrorKind::TimedOut, with_last_words(message, &mut child.wire)));
            }
            Err(Silence::Unwanted) => return Err(ModelError::cancelled()),
            Err(Silence::Endless) => return Err(ModelError::broken("its output is endless")),
            Err(Silence::Closed | Silence::Io(_)) => return Err(ModelError::broken("its pipes failed")),
        };
        // A program may go on for long after its last output; that is part of its time.
        let far = deadline.unwrap_or_else(|| Instant::now() + std::time::Duration::from_secs(3600));
        let Some(status) = child.wait(far) else {
            return Err(ModelError::new(ModelErrorKind::TimedOut, "it wrote its outputs but did not end in time"));
        };
        if !status.success() {
            let kind = match status.code() {
                Some(REFUSED) => ModelErrorKind::Refused,
                Some(_) => ModelErrorKind::Failed,
                None => ModelErrorKind::Crashed,
            };
            return Err(ModelError::new(kind, with_last_words(describe(status), &mut child.wire)));
        }
        let value = codec::parse_json(&output).map_err(|error| {
            let shown = String::from_utf8_lossy(&output[..output.len().min(200)]);
            let message = format!("its output is no JSON document ({error}): {shown}");
            ModelError::failed(with_last_words(message, &mut child.wire))
        })?;
        self.signature.outputs_from_json(&value).map_err(|violations| ModelError::nonconforming(&violations))
    }
}
