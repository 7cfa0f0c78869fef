//! apply, jacobian, jvp, vjp, hessian, hvp, abstract-eval: a payload in, a result out.

use std::path::PathBuf;

use super::args::{Ask, Format};
use super::progress::watched;
use super::{Failure, plot, report, settings};
use crate::Model;
use crate::codec::Encoding;
use crate::endpoint::{self, Answer, Body, Endpoint, Lists, Question, Settings, npz};

pub(super) fn apply(ask: &Ask, folders: &[PathBuf], quiet: bool) -> Result<(), Failure> {
    let model = settings::open(&ask.model, folders)?;
    plain(ask, &model, quiet, Endpoint::Apply)
}

pub(super) fn abstract_eval(ask: &Ask, folders: &[PathBuf], quiet: bool) -> Result<(), Failure> {
    let model = settings::open(&ask.model, folders)?;
    plain(ask, &model, quiet, Endpoint::AbstractEval)
}

fn plain(ask: &Ask, model: &Model, quiet: bool, endpoint: Endpoint) -> Result<(), Failure> {
    figure(ask, false)?;
    let body = Body::from(settings::read_payload(&ask.payload)?);
    let settings = Settings::default();
    let (answer, _) = watched(quiet, |progress| {
        endpoint::answer(&model.context(progress), endpoint, &body, Lists::Optional, &settings)
    })?;
    write(ask, &answer)
}

pub(super) fn derivative(ask: &Ask, folders: &[PathBuf], quiet: bool, question: Question) -> Result<(), Failure> {
    let figure = figure(ask, question == Question::Jacobian)?;
    let settings = settings::derivative(ask)?;
    let mut body = settings::read_payload(&ask.payload)?;
    let (wrt, of) = question.lists();
    settings::override_paths(&mut body, (wrt, &ask.wrt), (of, &ask.of));
    let body = Body::from(body);
    let model = settings::open(&ask.model, folders)?;
    let endpoint = Endpoint::Derivative(question);
    let (answer, told) = watched(quiet, |progress| {
        endpoint::answer(&model.context(progress), endpoint, &body, Lists::Optional, &settings)
    })?;
    if figure.is_some() || ask.format != Format::Npz {
        answer.expect_room(&settings)?;
    }
    match (figure, &answer, &told) {
        (Some(kind), Answer::Jacobian(jacobian), Some(told)) => {
            let name = &model.description().name;
            let drawn = plot::heatmap(jacobian, name, &told.algorithm);
            report::result(&plot::file(&drawn, &format!("{name}: Jacobian"), kind), ask.output.as_deref())?;
        }
        _ => write(ask, &answer)?,
    }
    let Some(told) = told.filter(|_| !quiet) else { return Ok(()) };
    report::warnings(&told);
    if ask.report {
        report::derivative(&told);
        return Ok(());
    }
    report::stumbles(&told);
    if told.seed.is_some() && ask.seed.is_none() {
        report::seed(&told);
    }
    Ok(())
}

/// The kind of figure that is asked for by the name of the file, which only a Jacobian has.
fn figure(ask: &Ask, is_jacobian: bool) -> Result<Option<plot::Kind>, Failure> {
    let kind = plot::kind(ask.output.as_deref())?;
    match kind {
        Some(_) if !is_jacobian => Err(Failure::Caller("-o: only a Jacobian or a study can be drawn".to_owned())),
        Some(_) if ask.format != Format::Json => {
            Err(Failure::Caller("-o: the file's ending asks for a figure, --format for numbers".to_owned()))
        }
        _ => Ok(kind),
    }
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
            return report::result(&npz::archive(answer).map_err(Failure::Caller)?, ask.output.as_deref());
        }
    };
    let mut text = Vec::new();
    answer.write(&mut text, encoding);
    text.push(b'\n');
    report::result(&text, ask.output.as_deref())
}
