//! Which path leads where.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::Request;
use axum::http::header::LOCATION;
use axum::http::{HeaderValue, StatusCode, Uri};
use axum::routing::{MethodRouter, get, post};
use axum::{Router, middleware};
use serde_json::json;

use super::reply::{self, JSON, Reply};
use super::{Served, Shared, ask, guard, page, umbridge};
use crate::endpoint::Endpoint;

/// The paths of the server itself, which no model can have for its name.
const TAKEN: [&str; 6] = ["docs", "health", "metrics", "openapi.json", "test", "umbridge"];

const HTML: &str = "text/html; charset=utf-8";

/// Why a model cannot be served under its name.
pub(super) fn name_fault(name: &str) -> Option<&'static str> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    if name.is_empty() || name.starts_with('.') || !name.bytes().all(plain) {
        return Some("in a URL it may have letters, digits, -, _, . and ~ only, and not begin with a dot");
    }
    let taken = TAKEN.contains(&name) || Endpoint::named(name).is_some();
    taken.then_some("the server answers at that path itself")
}

/// The whole server: a base URL for each model, and the root for the only one there is.
pub(super) fn all(shared: &Arc<Shared>) -> Router {
    let mut routes = Router::new();
    for served in &shared.models {
        routes = routes.nest(&format!("/{}", served.name), of_model(shared, served).route("/", page(&served.docs)));
    }
    match &shared.models[..] {
        [only] => routes = routes.merge(of_model(shared, only)),
        _ => routes = routes.route("/health", health()),
    }
    let index = Bytes::from(page::index(shared));
    routes = routes
        .route("/", get(move || async move { reply::typed(StatusCode::OK, HTML, index) }))
        .route("/metrics", metrics(shared))
        .nest("/umbridge", umbridge_routes(shared));
    finished(routes, shared)
}

/// A server for UM-Bridge clients, which find everything at the root.
pub(super) fn umbridge(shared: &Arc<Shared>) -> Router {
    let root = get(|| async { reply::typed(StatusCode::OK, "text/plain", "UM-Bridge 1.0\n") });
    finished(umbridge_routes(shared).route("/", root), shared)
}

/// What holds for every path.
fn finished(routes: Router, shared: &Arc<Shared>) -> Router {
    let options = &shared.options;
    let mut routes = routes
        .fallback(elsewhere)
        .method_not_allowed_fallback(|| async { reply::detail(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed") });
    if let Some(token) = &options.token {
        routes = routes.layer(middleware::from_fn_with_state(token.clone(), guard::authorised));
    }
    let pages = guard::Pages { named: options.cors.clone(), local: options.host.is_loopback() };
    routes = routes.layer(middleware::from_fn_with_state(pages, guard::of_pages));
    if !options.cors.is_empty() {
        routes = routes.layer(guard::cors(&options.cors));
    }
    routes
}

fn of_model(shared: &Arc<Shared>, served: &Arc<Served>) -> Router {
    let openapi = served.openapi.clone();
    let mut routes = Router::new()
        .route("/health", health())
        .route("/openapi.json", read(get(move || async move { reply::typed(StatusCode::OK, JSON, openapi) })))
        .route("/docs", page(&served.docs));
    for endpoint in Endpoint::ALL {
        let (shared, served) = (shared.clone(), served.clone());
        let handler = move |request: Request| ask::ask(shared, served, endpoint, request);
        routes = routes.route(&format!("/{}", endpoint.name()), post(handler));
    }
    if shared.options.debug {
        let (shared, served) = (shared.clone(), served.clone());
        let handler = move |request: Request| ask::test(shared, served, request);
        routes = routes.route("/test", post(handler));
    }
    routes
}

fn umbridge_routes(shared: &Arc<Shared>) -> Router {
    let info = Bytes::from(umbridge::info(shared).to_string());
    let mut routes = Router::new().route("/Info", get(move || async move { reply::typed(StatusCode::OK, JSON, info) }));
    for call in umbridge::Call::ALL {
        let shared = shared.clone();
        routes = routes
            .route(&format!("/{}", call.name()), post(move |request: Request| umbridge::answer(shared, call, request)));
    }
    routes
}

/// A path to be read only, and not asked for its head.
fn read(handler: MethodRouter) -> MethodRouter {
    handler.head(|| async { reply::detail(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed") })
}

fn health() -> MethodRouter {
    read(get(|| async { reply::json(StatusCode::OK, &json!({"status": "ok"})) }))
}

fn page(page: &Bytes) -> MethodRouter {
    let page = page.clone();
    read(get(move || async move { reply::typed(StatusCode::OK, HTML, page) }))
}

fn metrics(shared: &Arc<Shared>) -> MethodRouter {
    let shared = shared.clone();
    get(move || async move {
        let text = shared.metrics.text(&shared.gate);
        reply::typed(StatusCode::OK, "application/openmetrics-text; version=1.0.0; charset=utf-8", text)
    })
}

/// Nothing is here; but without its last slash the path may lead somewhere.
async fn elsewhere(uri: Uri) -> Reply {
    let path = uri.path();
    let trimmed = path.trim_end_matches('/');
    if trimmed.len() == path.len() || trimmed.is_empty() {
        return reply::detail(StatusCode::NOT_FOUND, "Not Found");
    }
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    let mut reply = Reply::default();
    *reply.status_mut() = StatusCode::TEMPORARY_REDIRECT;
    // A path alone, so that whatever stands between us and the client may call us what it likes; and never one
    // that begins with two slashes, which would be another host.
    let target = format!("/{}{query}", trimmed.trim_start_matches('/'));
    if let Ok(target) = HeaderValue::from_str(&target) {
        reply.headers_mut().insert(LOCATION, target);
    }
    reply
}
