//! A Rust closure as a model.

use std::sync::Arc;

use crate::model::{Description, Instance, Model, ModelError};
use crate::schema::Signature;
use crate::tree::Tree;

type Evaluate = dyn Fn(&Tree) -> Result<Tree, ModelError> + Send + Sync;

/// A closure from inputs to outputs, called from as many threads as there are workers.
pub struct Function {
    description: Description,
    signature: Arc<Signature>,
    evaluate: Arc<Evaluate>,
}

impl Function {
    /// Wraps a closure. Its inputs have been checked against the signature; its outputs will be.
    pub fn new(
        name: &str,
        signature: Signature,
        evaluate: impl Fn(&Tree) -> Result<Tree, ModelError> + Send + Sync + 'static,
    ) -> Function {
        let description = Description { name: name.to_owned(), kind: "function".to_owned(), ..Description::default() };
        Function { description, signature: Arc::new(signature), evaluate: Arc::new(evaluate) }
    }
}

impl Model for Function {
    fn description(&self) -> &Description {
        &self.description
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn open(&self) -> Result<Box<dyn Instance>, ModelError> {
        Ok(Box::new(Call { signature: self.signature.clone(), evaluate: self.evaluate.clone() }))
    }
}

struct Call {
    signature: Arc<Signature>,
    evaluate: Arc<Evaluate>,
}

impl Instance for Call {
    fn apply(&mut self, inputs: &Tree) -> Result<Tree, ModelError> {
        let outputs = (self.evaluate)(inputs)?;
        self.signature.outputs_from_tree(&outputs).map_err(|violations| ModelError::nonconforming(&violations))
    }
}
