//! Output shapes from input shapes: from the schema where that is enough, else from the model's own
//! answer, else from one evaluation at a stand-in point of those shapes.

use std::sync::{Mutex, PoisonError};

use super::{Context, Error, apply};
use crate::tree::{Abstract, Tree};

/// Shapes that were found by an evaluation: each is evaluated for once.
#[derive(Debug, Default)]
pub struct ShapeCache(Mutex<Vec<(Tree<Abstract>, Tree<Abstract>)>>);

/// How many are remembered.
const REMEMBERED: usize = 64;

impl ShapeCache {
    fn get(&self, inputs: &Tree<Abstract>) -> Option<Tree<Abstract>> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.iter().find(|(known, _)| known == inputs).map(|(_, outputs)| outputs.clone())
    }

    fn put(&self, inputs: &Tree<Abstract>, outputs: &Tree<Abstract>) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() == REMEMBERED {
            known.remove(0);
        }
        known.push((inputs.clone(), outputs.clone()));
    }
}

/// The dtypes and shapes of the outputs that inputs of these dtypes and shapes lead to.
pub fn abstract_eval(context: &Context<'_>, inputs: &Tree<Abstract>) -> Result<Tree<Abstract>, Error> {
    let signature = context.pool.model().signature();
    if let Some(shapes) = signature.output_shapes(inputs) {
        return Ok(shapes);
    }
    let mut instance = context.pool.lend(context.progress).map_err(|error| Error::opening(context.pool, error))?;
    if instance.natives().abstract_eval {
        let shapes = instance.abstract_eval(inputs);
        return instance.settle(shapes).map_err(|error| Error::at(context.pool, super::Place::Base, error));
    }
    drop(instance);
    if let Some(shapes) = context.shapes.get(inputs) {
        return Ok(shapes);
    }
    let stand_in = signature.stand_in(inputs).map_err(Error::Caller)?;
    match apply(context, &stand_in) {
        Ok(outputs) => {
            let shapes = outputs.map(&mut |array| array.to_abstract());
            context.shapes.put(inputs, &shapes);
            Ok(shapes)
        }
        Err(error) if error.is_fatal() => Err(error),
        Err(error) => {
            let open: Vec<_> =
                signature.open_outputs().into_iter().map(|(pattern, what)| format!("{pattern}: {what}")).collect();
            Err(Error::caller(
                crate::tree::Path::root(),
                "value_error",
                format!(
                    "Value error, the shapes of the outputs are not known without an evaluation, and one at a stand-in point failed ({error}). \
                     Name these dimensions in both schemas, give the input schema an example of this shape, or give the model an \
                     abstract_eval. Open: {}",
                    open.join("; ")
                ),
            ))
        }
    }
}
