//! Programs that are started for each evaluation: one document in, one document out.

use std::sync::Arc;

use super::terms::Terms;
use crate::backend::child::{describe, with_words};
use crate::backend::oneshot::{self, Ran};
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
        self.text.clear();
        codec::write_tree(&mut self.text, inputs, Encoding::Plain);
        self.text.push(b'\n');
        let Ran { stdout, status, last_words } =
            oneshot::run(&self.terms.launch, &self.text, self.terms.timeout, &self.cancel)
                .map_err(|cut| ModelError::new(cut.error.kind, with_words(cut.error.message, &cut.last_words)))?;
        if !status.success() {
            let kind = match status.code() {
                Some(REFUSED) => ModelErrorKind::Refused,
                Some(_) => ModelErrorKind::Failed,
                None => ModelErrorKind::Crashed,
            };
            return Err(ModelError::new(kind, with_words(describe(status), &last_words)));
        }
        let value = codec::parse_json(&stdout).map_err(|error| {
            let shown = String::from_utf8_lossy(&stdout[..stdout.len().min(200)]);
            let message = format!("its output is no JSON document ({error}): {shown}");
            ModelError::failed(with_words(message, &last_words))
        })?;
        self.signature.outputs_from_json(&value).map_err(|violations| ModelError::nonconforming(&violations))
    }
}
