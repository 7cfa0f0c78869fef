//! Answers and errors as HTTP responses, in the shapes that Tesseract clients read.

use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderValue, Response, StatusCode};
use serde_json::{Value, json};

use crate::codec::JsonError;
use crate::endpoint::Error;
use crate::model::ModelErrorKind;
use crate::schema::{Violation, Violations};
use crate::tree::Segment;

pub(super) type Reply = Response<Body>;

pub(super) const JSON: &str = "application/json";

/// A response of this type.
pub(super) fn typed(status: StatusCode, content_type: &'static str, body: impl Into<Body>) -> Reply {
    let mut reply = Response::new(body.into());
    *reply.status_mut() = status;
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    reply
}

pub(super) fn json(status: StatusCode, body: &Value) -> Reply {
    typed(status, JSON, body.to_string())
}

/// `{"detail": ...}`
pub(super) fn detail(status: StatusCode, detail: impl Into<Value>) -> Reply {
    json(status, &json!({"detail": detail.into()}))
}

/// The server has too much to do.
pub(super) fn busy() -> Reply {
    let words = "The server computes as many requests as it may, and as many wait as may wait: try again later";
    later(detail(StatusCode::SERVICE_UNAVAILABLE, words))
}

/// Asks to be asked again.
pub(super) fn later(mut reply: Reply) -> Reply {
    reply.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    reply
}

/// Something that must not happen did. The log has the rest, under the request's id.
pub(super) fn bug(id: &str) -> Reply {
    detail(
        StatusCode::INTERNAL_SERVER_ERROR,
        format!("This is a bug in secant {}. The log says more about request {id}", env!("CARGO_PKG_VERSION")),
    )
}

/// A question that has no answer.
pub(super) fn error(error: &Error, id: &str) -> Reply {
    match error {
        Error::Caller(violations) => refusal(violations),
        Error::Cancelled => detail(StatusCode::SERVICE_UNAVAILABLE, format!("Request {id} was cancelled")),
        Error::Model { error: model, .. } => {
            let status = match model.kind {
                ModelErrorKind::Refused | ModelErrorKind::Failed => StatusCode::INTERNAL_SERVER_ERROR,
                ModelErrorKind::Crashed | ModelErrorKind::Broken => StatusCode::BAD_GATEWAY,
                ModelErrorKind::TimedOut => StatusCode::GATEWAY_TIMEOUT,
                ModelErrorKind::Cancelled => StatusCode::SERVICE_UNAVAILABLE,
            };
            json(status, &json!({"detail": error.to_string(), "request_id": id}))
        }
    }
}

/// Everything that is wrong with a request.
pub(super) fn refusal(violations: &Violations) -> Reply {
    let entries: Vec<Value> = violations.0.iter().map(entry).collect();
    detail(StatusCode::UNPROCESSABLE_ENTITY, entries)
}

fn entry(violation: &Violation) -> Value {
    let below = violation.path.segments().iter().map(|segment| match segment {
        Segment::Field(name) | Segment::Key(name) => Value::from(name.as_str()),
        Segment::Index(index) => Value::from(*index),
    });
    let loc: Vec<Value> = [Value::from("body")].into_iter().chain(below).collect();
    json!({"type": violation.code, "loc": loc, "msg": violation.message})
}

/// A body that is no JSON.
pub(super) fn not_json(body: &[u8], error: &JsonError) -> Reply {
    let before = body.split(|byte| *byte == b'\n').take(error.line.saturating_sub(1)).map(|line| line.len() + 1);
    let position = before.sum::<usize>() + error.column.saturating_sub(1);
    let entry = json!({
        "type": "json_invalid",
        "loc": ["body", position],
        "msg": "JSON decode error",
        "ctx": {"error": error.message},
    });
    detail(StatusCode::UNPROCESSABLE_ENTITY, vec![entry])
}

/// A body that is not there, or is no JSON object.
pub(super) fn no_object(code: &'static str, message: &str) -> Reply {
    let entry = json!({"type": code, "loc": ["body"], "msg": message});
    detail(StatusCode::UNPROCESSABLE_ENTITY, vec![entry])
}
