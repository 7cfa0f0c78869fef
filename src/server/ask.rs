//! The questions of the Tesseract protocol over HTTP: from a request to a reply.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::Request;
use axum::http::header::{ACCEPT, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use super::accept::{Agreed, Form, Formats};
use super::compute::{Asked, Obstacle};
use super::reply::{self, JSON, Reply};
use super::{Served, Shared, binref, settings};
use crate::codec::{self, Encoding, JsonError};
use crate::endpoint::{self, Answer, Body, Case, Difference, Endpoint, Error, Lists, Noise, Report, Settings, npz};
use crate::exec::Progress;
use crate::schema::Violations;
use crate::tree::{Path, Segment};

/// Answers a question about a model.
pub(super) async fn ask(shared: Arc<Shared>, served: Arc<Served>, endpoint: Endpoint, request: Request) -> Reply {
    let asked = Asked::of(&shared, &served, request.headers());
    asked.answered(endpoint.name(), answer(&asked, served, endpoint, request)).await
}

async fn answer(asked: &Arc<Asked>, served: Arc<Served>, endpoint: Endpoint, request: Request) -> Reply {
    let formats = Formats::of(&asked.shared.options);
    let accepted = request.headers().get(ACCEPT).and_then(|value| value.to_str().ok());
    // Shapes have but one form.
    let accepted = accepted.filter(|_| endpoint != Endpoint::AbstractEval);
    let agreed = match formats.agree(accepted) {
        Ok(agreed) => agreed,
        Err(body) => return reply::json(StatusCode::NOT_ACCEPTABLE, &body),
    };
    let run = match binref::Run::named(request.uri().query()) {
        Ok(run) => run,
        Err(reply) => return *reply,
    };
    let archived = match archived(request.uri().query()) {
        Ok(archived) => archived,
        Err(reply) => return *reply,
    };
    let typed = is_json(request.headers());
    let replied = asked.compute(request.into_body(), move |asked, body, progress| {
        let parse = |text: &[u8]| match asked.shared.binref {
            // Arrays in files are made inline in values, wherever they are.
            Some(_) => codec::parse_json(text).map(Body::from),
            None => Body::parse(text, endpoint, served.model.signature()),
        };
        let body = match read(body, typed, parse) {
            Ok(body) => body,
            Err(reply) => return *reply,
        };
        match question(&asked.shared, &served, endpoint, body, archived, progress) {
            Ok((answer, _)) if archived => match npz::archive(&answer) {
                Ok(bytes) => reply::typed(StatusCode::OK, "application/octet-stream", bytes),
                Err(message) => reply::detail(StatusCode::UNPROCESSABLE_ENTITY, message),
            },
            Ok((answer, report)) => written(&asked.shared, &answer, report, endpoint, agreed, &run),
            Err(error) => {
                if matches!(error, Error::Model { .. }) {
                    tracing::warn!("{error}");
                }
                reply::error(&error, &asked.id)
            }
        }
    });
    replied.await.unwrap_or_else(|obstacle| hindered(&obstacle, asked))
}

/// Runs a stored case.
pub(super) async fn test(shared: Arc<Shared>, served: Arc<Served>, request: Request) -> Reply {
    let asked = Asked::of(&shared, &served, request.headers());
    let answer = async {
        let typed = is_json(request.headers());
        let replied = asked.compute(request.into_body(), move |_, body, progress| {
            let body = match read(body, typed, |text| codec::parse_json(text).map(Body::from)) {
                Ok(body) => body,
                Err(reply) => return *reply,
            };
            let case = match Case::parse(&body.json) {
                Ok(case) => case,
                Err(violations) => return reply::refusal(&violations),
            };
            let (status, message) = match case.check(&served.model.context(progress)) {
                Ok(()) => ("passed", String::new()),
                Err(difference @ Difference::Unavailable(_)) => ("error", difference.to_string()),
                Err(difference) => ("failed", difference.to_string()),
            };
            reply::json(StatusCode::OK, &json!({"status": status, "message": message, "endpoint": case.endpoint}))
        });
        replied.await.unwrap_or_else(|obstacle| hindered(&obstacle, &asked))
    };
    asked.answered("test", answer).await
}

/// Whether the query asks for arrays as NumPy's archive: `format=npz`.
fn archived(query: Option<&str>) -> Result<bool, Box<Reply>> {
    let given = query.into_iter().flat_map(|query| query.split('&')).find_map(|pair| pair.strip_prefix("format="));
    match given {
        None | Some("json") => Ok(false),
        Some("npz") => Ok(true),
        Some(_) => {
            let entry =
                json!({"type": "literal_error", "loc": ["query", "format"], "msg": "Input should be 'json' or 'npz'"});
            Err(Box::new(reply::detail(StatusCode::UNPROCESSABLE_ENTITY, vec![entry])))
        }
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let named = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media = named.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    media == JSON || (media.starts_with("application/") && media.ends_with("+json"))
}

/// The JSON object that a text is.
fn read(text: &[u8], typed: bool, parse: impl FnOnce(&[u8]) -> Result<Body, JsonError>) -> Result<Body, Box<Reply>> {
    if text.is_empty() {
        return Err(Box::new(reply::no_object("missing", "Field required")));
    }
    let not_object = || {
        let hint = if typed { "" } else { ": is the Content-Type application/json?" };
        let message = format!("Input should be a valid dictionary or object to extract fields from{hint}");
        Box::new(reply::no_object("model_attributes_type", &message))
    };
    if !typed {
        return Err(not_object());
    }
    let body = parse(text).map_err(|error| Box::new(reply::not_json(text, &error)))?;
    match body.json {
        Value::Object(_) => Ok(body),
        Value::Null => Err(Box::new(reply::no_object("missing", "Field required"))),
        _ => Err(not_object()),
    }
}

/// How many times the largest request a matrix may be.
const MATRIX: usize = 4;

fn question(
    shared: &Shared,
    served: &Served,
    endpoint: Endpoint,
    mut body: Body,
    archived: bool,
    progress: &Progress,
) -> Result<(Answer, Option<Report>), Error> {
    let mut faults =
        shared.binref.as_ref().map_or_else(Vec::new, |folder| folder.inline(&mut body.json, shared.options.body_limit));
    let (mut settings, mut wanted) = (Settings::default(), false);
    if let (Endpoint::Derivative(_), Some(fields)) = (endpoint, body.json.as_object_mut()) {
        match settings::take(fields, served.model.run().workers) {
            Ok(taken) => (settings, wanted) = taken,
            Err(more) => faults.extend(more),
        }
    }
    if !faults.is_empty() {
        // Whatever else is wrong is said too.
        if let Endpoint::Derivative(question) = endpoint
            && let Err(Error::Caller(more)) =
                endpoint::Request::parse(served.model.signature(), question, &body, Lists::Required)
        {
            faults.extend(more.0);
        }
        return Err(Error::Caller(Violations(faults)));
    }
    if archived && wanted {
        let at = Path::root().join(Segment::Field("report".to_owned()));
        return Err(Error::caller(at, "value_error", "Value error, no report goes into npz: ask for one in JSON"));
    }
    let context = served.model.context(progress);
    // What one small request asks for must not end the server: as many bytes as a few of the largest requests have.
    settings.most = Some(shared.options.body_limit / size_of::<f64>() * MATRIX);
    let (answer, report) = endpoint::answer(&context, endpoint, &body, Lists::Required, &settings)?;
    if !archived {
        answer.expect_room(&settings)?;
    }
    Ok((answer, report.filter(|_| wanted)))
}

fn written(
    shared: &Shared,
    answer: &Answer,
    report: Option<Report>,
    endpoint: Endpoint,
    agreed: Agreed,
    run: &binref::Run,
) -> Reply {
    let mut text = Vec::new();
    match (agreed.form, &shared.binref) {
        (Form::Binref, Some(folder)) => {
            if let Err(error) = folder.write(&mut text, answer, run, agreed.lz4) {
                tracing::error!("binref: {error}");
                return reply::detail(StatusCode::INTERNAL_SERVER_ERROR, format!("binref: {error}"));
            }
        }
        (Form::Base64, _) if agreed.lz4 => answer.write(&mut text, Encoding::Base64Lz4),
        (Form::Base64, _) => answer.write(&mut text, Encoding::Base64),
        _ => answer.write(&mut text, Encoding::Json),
    }
    if let Some(report) = report {
        append(&mut text, "$report", &described(report, agreed.form));
    }
    let content_type = if endpoint == Endpoint::AbstractEval { JSON } else { agreed.form.content_type() };
    reply::typed(StatusCode::OK, content_type, text)
}

/// Adds a field to an object. No path of a model begins with a dollar sign.
fn append(object: &mut Vec<u8>, name: &str, value: &[u8]) {
    object.pop();
    if object.len() > 1 {
        object.push(b',');
    }
    object.extend_from_slice(format!("\"{name}\":").as_bytes());
    object.extend_from_slice(value);
    object.push(b'}');
}

/// The report as JSON, its bounds encoded as the answer is; never in files.
fn described(report: Report, form: Form) -> Vec<u8> {
    let steps = report.steps.iter().map(|steps| {
        let range = json!({"least": steps.least, "most": steps.most});
        (steps.path.to_string(), range)
    });
    let noise = report.noise.iter().map(|noise| (noise.path.to_string(), noise_json(noise)));
    let stumbles = report.stumbles.iter().map(|stumble| json!({"place": stumble.place, "steps": stumble.steps}));
    let told = json!({
        "algorithm": report.algorithm,
        "evaluations": report.evaluations,
        "seconds": report.elapsed.as_secs_f64(),
        "workers": report.workers,
        "steps": steps.collect::<serde_json::Map<_, _>>(),
        "samples": report.samples,
        "seed": report.seed,
        "noise": noise.collect::<serde_json::Map<_, _>>(),
        "stepped_around": stumbles.collect::<Vec<_>>(),
        "warnings": report.warnings,
        "total_bound": report.total_bound,
    });
    let mut text = told.to_string().into_bytes();
    if let Some(bounds) = report.bounds {
        let mut written = Vec::new();
        let encoding = if form == Form::Json { Encoding::Json } else { Encoding::Base64 };
        Answer::from(bounds).write(&mut written, encoding);
        append(&mut text, "bounds", &written);
    }
    text
}

fn hindered(obstacle: &Obstacle, asked: &Asked) -> Reply {
    match obstacle {
        Obstacle::TooLarge => {
            let limit = asked.shared.options.body_limit;
            reply::detail(StatusCode::PAYLOAD_TOO_LARGE, format!("The request has more than {limit} bytes"))
        }
        Obstacle::Unread => reply::detail(StatusCode::REQUEST_TIMEOUT, "The request did not come, or not in time"),
        Obstacle::Busy => reply::busy(),
        Obstacle::Late(limit) => reply::detail(StatusCode::GATEWAY_TIMEOUT, late(*limit)),
        Obstacle::Bug => reply::bug(&asked.id),
    }
}

pub(super) fn late(limit: Duration) -> String {
    format!("The request took longer than {} and was given up", humantime::format_duration(limit))
}
fn noise_json(noise: &Noise) -> Value {
    match noise.digits {
        None => json!({"least": noise.least, "most": noise.most}),
        Some(digits) => json!({"least": noise.least, "most": noise.most, "digits": digits}),
    }
}
