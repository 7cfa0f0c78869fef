//! Who may ask: bearer tokens, and pages of other origins.

use std::net::IpAddr;

use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, HOST, ORIGIN, WWW_AUTHENTICATE};
use axum::http::uri::Authority;
use axum::http::{HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use subtle::ConstantTimeEq;
use tower_http::cors::{AllowOrigin, CorsLayer};

use super::reply::{self, Reply};

/// Lets through who shows the token, and whoever asks after the server's health.
pub(super) async fn authorised(State(token): State<String>, request: Request, next: Next) -> Reply {
    let shown = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let shown = shown.and_then(|value| value.split_once(' '));
    let right = shown.is_some_and(|(scheme, shown)| {
        scheme.eq_ignore_ascii_case("bearer") && bool::from(shown.trim().as_bytes().ct_eq(token.as_bytes()))
    });
    if right || request.uri().path().ends_with("/health") {
        return next.run(request).await;
    }
    let mut reply = reply::detail(StatusCode::UNAUTHORIZED, "This server asks for a bearer token");
    reply.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    reply
}

/// Keeps out pages of other origins that may not ask, also those whose requests a browser sends without asking first;
/// and, where the server is for this machine alone, those of a host whose name was made to lead here.
pub(super) async fn of_pages(State(pages): State<Pages>, request: Request, next: Next) -> Reply {
    let headers = request.headers();
    let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    let Some(origin) = text(ORIGIN) else { return next.run(request).await };
    if pages.named.iter().any(|named| named == "*" || named == origin) {
        return next.run(request).await;
    }
    let (_, ours) = origin.split_once("://").unwrap_or_default();
    let ours = text(HOST).is_some_and(|host| host.eq_ignore_ascii_case(ours)) && (!pages.local || is_local(ours));
    if ours {
        return next.run(request).await;
    }
    reply::detail(StatusCode::FORBIDDEN, format!("Pages of {origin} may not ask this server: name them with --cors"))
}

/// Which pages may ask.
#[derive(Clone)]
pub(super) struct Pages {
    /// Those of these origins; `*` stands for any.
    pub(super) named: Vec<String>,
    /// Whether the server is for this machine alone.
    pub(super) local: bool,
}

/// Whether a name, perhaps with a port, is this machine's wherever it is asked for, or no name but an address.
fn is_local(authority: &str) -> bool {
    let Ok(authority) = authority.parse::<Authority>() else { return false };
    let host = authority.host().trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok()
}

/// What lets pages of these origins ask; `*` stands for any.
pub(super) fn cors(origins: &[String]) -> CorsLayer {
    let origins = if origins.iter().any(|origin| origin == "*") {
        AllowOrigin::any()
    } else {
        AllowOrigin::list(origins.iter().filter_map(|origin| HeaderValue::from_str(origin).ok()))
    };
    CorsLayer::new()
        .allow_origin(origins)
        .allow_methods([Method::GET, Method::POST])
        .allow_headers([AUTHORIZATION, CONTENT_TYPE])
}
