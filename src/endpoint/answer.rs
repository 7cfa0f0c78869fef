//! From a request's JSON to an answer, and from an answer to JSON: what every way of asking shares.

use serde_json::Value;

use super::request::body_inputs;
use super::{
    Block, Context, Error, Jacobian, Question, Report, Request, Settings, Vectors, abstract_eval, apply, jacobian, jvp,
    vjp,
};
use crate::codec::{self, Encoding};
use crate::tree::{Abstract, Path, Tree};

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
    pub const ALL: [Endpoint; 5] = [
        Endpoint::Apply,
        Endpoint::Derivative(Question::Jacobian),
        Endpoint::Derivative(Question::Jvp),
        Endpoint::Derivative(Question::Vjp),
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
    body: &Value,
    settings: &Settings,
) -> Result<(Answer, Option<Report>), Error> {
    let signature = context.pool.model().signature();
    let question = match endpoint {
        Endpoint::Apply => {
            let inputs = body_inputs(body, |inputs| signature.inputs_from_json(inputs))?;
            return Ok((Answer::Outputs(apply(context, &inputs)?), None));
        }
        Endpoint::AbstractEval => {
            let inputs = body_inputs(body, |inputs| signature.abstract_from_json(inputs))?;
            return Ok((Answer::Shapes(abstract_eval(context, &inputs)?), None));
        }
        Endpoint::Derivative(question) => question,
    };
    let request = Request::parse(signature, question, body)?;
    let (answer, report) = match question {
        Question::Jacobian => {
            let jacobian = jacobian(context, &request, settings)?;
            let report = jacobian.report.clone();
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
    };
    Ok((answer, Some(report)))
}

impl Answer {
    /// Writes it as JSON.
    pub fn write(&self, out: &mut Vec<u8>, encoding: Encoding) {
        match self {
            Answer::Outputs(outputs) => codec::write_tree(out, outputs, encoding),
            Answer::Shapes(shapes) => codec::write_abstract(out, shapes),
            Answer::Vectors(vectors) => {
                write_object(out, vectors.iter().map(|(path, array)| (path, array)), |out, array| {
                    codec::write_array(out, array, encoding);
                });
            }
            Answer::Jacobian(jacobian) => {
                let blocks: Vec<_> = jacobian.blocks().collect();
                let rows = blocks.chunks(jacobian.wrt().spans().len().max(1)).map(|row| (row[0].0, row));
                write_object(out, rows, |out, row| {
                    write_object(out, row.iter().map(|(_, wrt, block)| (*wrt, block)), |out, block| match block {
                        Block::Real(view) => codec::write_view(out, view.view(), encoding),
                        Block::Complex(array) => codec::write_view(out, array.view(), encoding),
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
