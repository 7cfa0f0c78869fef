//! apply, jacobian, jvp, vjp, abstract-eval: a payload in, a result out.

use std::path::PathBuf;

use serde_json::Value;

use super::args::{Ask, Format};
use super::progress::watched;
use super::{Failure, npz, report, settings};
use crate::Model;
use crate::codec::{self, Encoding};
use crate::endpoint::{self, Block, Jacobian, Question, Report, Request, Settings, Vectors};
use crate::tree::{Path, Tree};

/// A result, in whatever form it was computed.
pub(super) enum Answer {
    /// The outputs of a model.
    Outputs(Tree),
    /// Blocks by output and input.
    Jacobian(Box<Jacobian>),
    /// Arrays by path.
    Vectors(Vectors),
}

pub(super) fn apply(ask: &Ask, folders: &[PathBuf], quiet: bool) -> Result<(), Failure> {
    let model = settings::open(&ask.model, folders)?;
    let body = settings::read_payload(&ask.payload)?;
    let answer = watched(quiet, |progress| answer_apply(&model, &body, progress))?;
    write(ask, &answer)
}

pub(super) fn jacobian(ask: &Ask, folders: &[PathBuf], quiet: bool) -> Result<(), Failure> {
    derivative(ask, folders, quiet, Question::Jacobian)
}

pub(super) fn jvp(ask: &Ask, folders: &[PathBuf], quiet: bool) -> Result<(), Failure> {
    derivative(ask, folders, quiet, Question::Jvp)
}

pub(super) fn vjp(ask: &Ask, folders: &[PathBuf], quiet: bool) -> Result<(), Failure> {
    derivative(ask, folders, quiet, Question::Vjp)
}

pub(super) fn abstract_eval(ask: &Ask, folders: &[PathBuf]) -> Result<(), Failure> {
    let model = settings::open(&ask.model, folders)?;
    let body = settings::read_payload(&ask.payload)?;
    let mut text = Vec::new();
    write_shapes(&model, &body, &mut text)?;
    text.push(b'\n');
    report::result(&text, ask.output.as_deref())
}

/// The answer of abstract_eval as JSON.
pub(super) fn write_shapes(model: &Model, body: &Value, out: &mut Vec<u8>) -> Result<(), Failure> {
    let shapes = endpoint::body_inputs(body, |inputs| model.signature().abstract_from_json(inputs))?;
    let progress = crate::exec::Progress::default();
    let outputs = endpoint::abstract_eval(&model.context(&progress), &shapes, model.shapes())?;
    codec::write_abstract(out, &outputs);
    Ok(())
}

pub(super) fn answer_apply(
    model: &Model,
    body: &Value,
    progress: &crate::exec::Progress,
) -> Result<Answer, endpoint::Error> {
    let inputs = endpoint::body_inputs(body, |inputs| model.signature().inputs_from_json(inputs))?;
    Ok(Answer::Outputs(endpoint::apply(&model.context(progress), &inputs)?))
}

pub(super) fn answer_derivative(
    model: &Model,
    question: Question,
    body: &Value,
    settings: &Settings,
    progress: &crate::exec::Progress,
) -> Result<(Answer, Report), endpoint::Error> {
    let request = Request::parse(model.signature(), question, body)?;
    let context = model.context(progress);
    Ok(match question {
        Question::Jacobian => {
            let jacobian = endpoint::jacobian(&context, &request, settings)?;
            let report = jacobian.report.clone();
            (Answer::Jacobian(Box::new(jacobian)), report)
        }
        Question::Jvp => {
            let (vectors, report) = endpoint::jvp(&context, &request, settings)?;
            (Answer::Vectors(vectors), report)
        }
        Question::Vjp => {
            let (vectors, report) = endpoint::vjp(&context, &request, settings)?;
            (Answer::Vectors(vectors), report)
        }
    })
}

fn derivative(ask: &Ask, folders: &[PathBuf], quiet: bool, question: Question) -> Result<(), Failure> {
    let settings = settings::derivative(ask)?;
    let mut body = settings::read_payload(&ask.payload)?;
    let (wrt, of) = question.lists();
    settings::override_paths(&mut body, ask, wrt, of);
    let model = settings::open(&ask.model, folders)?;
    let (answer, told) = watched(quiet, |progress| answer_derivative(&model, question, &body, &settings, progress))?;
    write(ask, &answer)?;
    if ask.report && !quiet {
        report::derivative(&told);
    } else if told.seed.is_some() && ask.seed.is_none() && !quiet {
        report::seed(&told);
    }
    Ok(())
}

fn write(ask: &Ask, answer: &Answer) -> Result<(), Failure> {
    let encoding = match ask.format {
        Format::Json => Encoding::Json,
        Format::JsonBase64 => Encoding::Base64,
        Format::JsonBase64Lz4 => Encoding::Base64Lz4,
        Format::Npz => {
            if ask.output.is_none() && report::stdout_is_terminal() {
                return Err(Failure::Caller("--format npz is binary: name a file with -o".to_owned()));
            }
            return report::result(&npz::archive(answer)?, ask.output.as_deref());
        }
    };
    let mut text = Vec::new();
    write_answer(&mut text, answer, encoding);
    text.push(b'\n');
    report::result(&text, ask.output.as_deref())
}

/// The answer as JSON.
pub(super) fn write_answer(out: &mut Vec<u8>, answer: &Answer, encoding: Encoding) {
    match answer {
        Answer::Outputs(outputs) => codec::write_tree(out, outputs, encoding),
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
