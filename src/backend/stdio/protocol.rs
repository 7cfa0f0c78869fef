//! The messages of the stdio protocol, version 1, as both ends write and read them: JSON-RPC 2.0, one
//! message a line. No I/O here. Published as `schemas/stdio.schema.json`.
//!
//! The conversation: the host sends `initialize` first. A guest that does not know it answers with the
//! error -32601 and is taken to have `apply` and plain lists. After that the host asks, the guest
//! answers in the order it was asked, and may send `log` and `progress` meanwhile. It ends when the host
//! sends `shutdown` or closes the guest's stdin.

use std::borrow::Cow;
use std::ops::Range;

use base64_simd::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::codec;
use crate::diff::Displacement;
use crate::model::{ModelError, ModelErrorKind};

pub(super) const VERSION: u32 = 1;

pub(super) const METHOD_NOT_FOUND: i64 = -32601;
pub(super) const PARSE_ERROR: i64 = -32700;
const INVALID_REQUEST: i64 = -32600;
const INVALID_PARAMS: i64 = -32602;
const POINT_FAILED: i64 = -32000;
pub(super) const INSTANCE_DEAD: i64 = -32001;

/// What a guest says of itself.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub(super) struct Introduction {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) protocol: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) description: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) input_schema: Option<serde_json::Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) output_schema: Option<serde_json::Value>,
    #[serde(default)]
    pub(super) encodings: Vec<String>,
    #[serde(default)]
    pub(super) methods: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) pipeline: Option<usize>,
}

/// A request as the guest reads it.
#[derive(Deserialize)]
pub(super) struct Request<'a> {
    pub(super) id: Option<u64>,
    #[serde(borrow)]
    pub(super) method: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) params: Option<&'a RawValue>,
}

/// A line as the host reads it: a reply or a notification.
#[derive(Deserialize)]
pub(super) struct Message<'a> {
    #[serde(borrow)]
    pub(super) id: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) method: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(super) params: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) result: Option<&'a RawValue>,
    pub(super) error: Option<RpcError>,
}

/// A JSON-RPC error object.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct RpcError {
    pub(super) code: i64,
    pub(super) message: String,
}

impl From<RpcError> for ModelError {
    fn from(error: RpcError) -> ModelError {
        let kind = match error.code {
            INVALID_PARAMS => ModelErrorKind::Refused,
            INSTANCE_DEAD => ModelErrorKind::Crashed,
            PARSE_ERROR | INVALID_REQUEST | METHOD_NOT_FOUND => ModelErrorKind::Broken,
            _ => ModelErrorKind::Failed,
        };
        ModelError::new(kind, error.message)
    }
}

impl From<ModelError> for RpcError {
    fn from(error: ModelError) -> RpcError {
        let code = match error.kind {
            ModelErrorKind::Refused => INVALID_PARAMS,
            ModelErrorKind::Failed => POINT_FAILED,
            ModelErrorKind::Crashed | ModelErrorKind::TimedOut | ModelErrorKind::Broken | ModelErrorKind::Cancelled => {
                INSTANCE_DEAD
            }
        };
        RpcError { code, message: error.message }
    }
}

/// `log {level, message}`.
#[derive(Deserialize, Serialize)]
pub(super) struct Log {
    pub(super) level: String,
    pub(super) message: String,
}

/// `sweep`: what is left out is as in the sweep before.
#[derive(Deserialize)]
pub(super) struct SweepParams<'a> {
    #[serde(borrow)]
    pub(super) inputs: Option<&'a RawValue>,
    pub(super) wrt: Option<Vec<String>>,
    pub(super) of: Option<Vec<String>>,
    pub(super) points: Vec<Displacement>,
    #[serde(borrow)]
    pub(super) encoding: Option<Cow<'a, str>>,
}

/// Begins a request; its params follow, then [`end_request`].
pub(super) fn begin_request(out: &mut Vec<u8>, id: u64, method: &str) {
    out.extend_from_slice(b"{\"jsonrpc\":\"2.0\",\"id\":");
    write_json(out, &id);
    out.extend_from_slice(b",\"method\":\"");
    out.extend_from_slice(method.as_bytes());
    out.extend_from_slice(b"\",\"params\":");
}

pub(super) fn end_request(out: &mut Vec<u8>) {
    out.extend_from_slice(b"}\n");
}

/// Begins a reply; its result follows, then [`end_request`].
pub(super) fn begin_reply(out: &mut Vec<u8>, id: u64) {
    out.extend_from_slice(b"{\"jsonrpc\":\"2.0\",\"id\":");
    write_json(out, &id);
    out.extend_from_slice(b",\"result\":");
}

/// A whole error reply, its newline included.
pub(super) fn write_error(out: &mut Vec<u8>, id: Option<u64>, error: &RpcError) {
    #[derive(Serialize)]
    struct Reply<'a> {
        jsonrpc: &'a str,
        id: Option<u64>,
        error: &'a RpcError,
    }
    write_json(out, &Reply { jsonrpc: "2.0", id, error });
    out.push(b'\n');
}

/// Any serialisable value.
pub(super) fn write_json(out: &mut Vec<u8>, value: &impl Serialize) {
    serde_json::to_writer(out, value).expect("memory takes every write, and these types every value");
}

/// Points of a sweep; `displace` gives one by its number.
pub(super) fn write_points(out: &mut Vec<u8>, points: Range<usize>, displace: impl Fn(usize, &mut Displacement)) {
    let mut point = Displacement::new();
    out.push(b'[');
    for k in points.clone() {
        displace(k, &mut point);
        out.extend_from_slice(if k == points.start { b"[" } else { b",[" });
        for (j, (coordinate, value)) in point.iter().enumerate() {
            out.extend_from_slice(if j == 0 { b"[" } else { b",[" });
            write_json(out, coordinate);
            out.push(b',');
            codec::write_float(out, *value, false);
            out.push(b']');
        }
        out.push(b']');
    }
    out.push(b']');
}

/// One outcome of a sweep.
pub(super) fn write_outcome(out: &mut Vec<u8>, outcome: &[f64], base64: bool) {
    if base64 {
        out.push(b'"');
        STANDARD.encode_append(bytemuck::cast_slice::<f64, u8>(outcome), out);
        out.push(b'"');
    } else {
        codec::write_nested(out, &[outcome.len()], &mut outcome.iter(), &|out, value| {
            codec::write_float(out, value, true)
        });
    }
}
