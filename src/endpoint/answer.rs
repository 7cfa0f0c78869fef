//! From a request's JSON to an answer, and from an answer to JSON: what every way of asking shares.

use serde_json::Value;

use super::request::body_inputs;
use super::{
    Block, Body, Bounds, Context, Error, Jacobian, Lists, Question, Report, Request, Settings, Vectors, abstract_eval,
    apply, hessian, hvp, jacobian, jvp, vjp,
};
use crate::codec::{self, Encoding};
use crate::tree::{Abstract, Array, Path, Tree};

/// What can be asked of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// One evaluation.
    Apply,
    /// The shapes of the outputs.
    AbstractEval,
    /// A derivative.
    Derivative(Question),
}

impl Endpoint {
    /// All of them.
    pub const ALL: [Endpoint; 7] = [
        Endpoint::Apply,
        Endpoint::Derivative(Question::Jacobian),
        Endpoint::Derivative(Question::Jvp),
        Endpoint::Derivative(Question::Vjp),
        Endpoint::Derivative(Question::Hessian),
        Endpoint::Derivative(Question::Hvp),
        Endpoint::AbstractEval,
    ];

    /// Its name in requests.
    pub fn name(self) -> &'static str {
        match self {
            Endpoint::Apply => "apply",
            Endpoint::AbstractEval => "abstract_eval",
            Endpoint::Derivative(Question::Jacobian) => "jacobian",
            Endpoint::Derivative(Question::Jvp) => "jacobian_vector_product",
            Endpoint::Derivative(Question::Vjp) => "vector_jacobian_product",
            Endpoint::Derivative(Question::Hessian) => "hessian",
            Endpoint::Derivative(Question::Hvp) => "hessian_vector_product",
        }
    }

    /// The one of this name.
    pub fn named(name: &str) -> Option<Endpoint> {
        Endpoint::ALL.into_iter().find(|endpoint| endpoint.name() == name)
    }
}

/// An answer, in whatever form it was computed.
pub enum Answer {
    /// The outputs of a model.
    Outputs(Tree),
    /// Their dtypes and shapes.
    Shapes(Tree<Abstract>),
    /// Blocks by output and input.
    Jacobian(Box<Jacobian>),
    /// Arrays by path.
    Vectors(Vectors),
}

/// Answers a request as it came; a derivative with the report of what it cost.
pub fn answer(
    context: &Context<'_>,
    endpoint: Endpoint,
    body: &Body,
    lists: Lists,
    settings: &Settings,
) -> Result<(Answer, Option<Report>), Error> {
    let signature = context.pool.model().signature();
    let question = match endpoint {
        Endpoint::Apply => {
            let inputs = body_inputs(&body.json, |inputs| body.inputs(inputs, signature))?;
            return Ok((Answer::Outputs(apply(context, &inputs)?), None));
        }
        Endpoint::AbstractEval => {
            let inputs = body_inputs(&body.json, |inputs| signature.abstract_from_json(inputs))?;
            return Ok((Answer::Shapes(abstract_eval(context, &inputs)?), None));
        }
        Endpoint::Derivative(question) => question,
    };
    let request = Request::parse(signature, question, body, lists)?;
    let (answer, report) = match question {
        Question::Jacobian | Question::Hessian => {
            let ask = if question == Question::Hessian { hessian } else { jacobian };
            let mut jacobian = ask(context, &request, settings)?;
            let report = std::mem::take(&mut jacobian.report);
            (Answer::Jacobian(Box::new(jacobian)), report)
        }
        Question::Jvp => {
            let (vectors, report) = jvp(context, &request, settings)?;
            (Answer::Vectors(vectors), report)
        }
        Question::Vjp => {
            let (vectors, report) = vjp(context, &request, settings)?;
            (Answer::Vectors(vectors), report)
        }
        Question::Hvp => {
            let (vectors, report) = hvp(context, &request, settings)?;
            (Answer::Vectors(vectors), report)
        }
    };
    Ok((answer, Some(report)))
}

impl From<Bounds> for Answer {
    fn from(bounds: Bounds) -> Answer {
        match bounds {
            Bounds::Jacobian(jacobian) => Answer::Jacobian(jacobian),
            Bounds::Vectors(vectors) => Answer::Vectors(vectors),
        }
    }
}

/// An array of an answer.
pub enum Piece<'a> {
    /// One that is whole.
    Array(&'a Array),
    /// A block of a Jacobian, in whatever order it lies in memory.
    Block(Block<'a>),
}

impl Answer {
    /// Says no where it would be laid out and is too large for that.
    pub fn expect_room(&self, settings: &Settings) -> Result<(), Error> {
        match self {
            Answer::Jacobian(jacobian) if jacobian.sparse().is_some() => {
                settings.expect_room(jacobian.of().len(), jacobian.wrt().len())
            }
            _ => Ok(()),
        }
    }

    /// Writes it as JSON.
    pub fn write(&self, out: &mut Vec<u8>, encoding: Encoding) {
        self.write_with(out, &mut |out, piece| match piece {
            Piece::Array(array) => codec::write_array(out, array, encoding),
            Piece::Block(Block::Real(view)) => codec::write_view(out, view.view(), encoding),
            Piece::Block(Block::Complex(array)) => codec::write_view(out, array.view(), encoding),
        });
    }

    /// The same, its arrays as `write` does.
    pub fn write_with(&self, out: &mut Vec<u8>, write: &mut impl FnMut(&mut Vec<u8>, Piece<'_>)) {
        match self {
            Answer::Outputs(outputs) => {
                codec::write_nodes(out, outputs, &mut |out, array| write(out, Piece::Array(array)));
            }
            Answer::Shapes(shapes) => codec::write_abstract(out, shapes),
            Answer::Vectors(vectors) => {
                write_object(out, vectors.iter().map(|(path, array)| (path, array)), |out, array| {
                    write(out, Piece::Array(array));
                });
            }
            Answer::Jacobian(jacobian) => {
                let mut blocks = jacobian.blocks();
                write_object(out, jacobian.of().paths().map(|of| (of, ())), |out, ()| {
                    let row = blocks.by_ref().take(jacobian.wrt().spans().len());
                    write_object(out, row.map(|(_, wrt, block)| (wrt, block)), |out, block| {
                        write(out, Piece::Block(block));
                    });
                });
            }
        }
    }
}

fn write_object<'p, V>(
    out: &mut Vec<u8>,
    entries: impl Iterator<Item = (&'p Path, V)>,
    mut write: impl FnMut(&mut Vec<u8>, V),
) {
    out.push(b'{');
    for (i, (path, value)) in entries.enumerate() {
        if i > 0 {
            out.push(b',');
        }
        out.extend_from_slice(Value::from(path.to_string()).to_string().as_bytes());
        out.push(b':');
        write(out, value);
    }
    out.push(b'}');
}
