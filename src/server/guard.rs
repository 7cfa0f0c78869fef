//! Who may ask: bearer tokens, and pages of other origins.

use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, WWW_AUTHENTICATE};
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
