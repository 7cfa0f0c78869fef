//! Requests to one server over HTTP: connections are kept, requests sent again where the connection fails, and
//! each has its time.
//!
//! Not what the requests say (`tesseract`, `umbridge`).

use std::io::ErrorKind;
use std::path::Path;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant, SystemTime};

use serde_json::Value;
use ureq::http::{HeaderName, HeaderValue, Request, Response, header};
use ureq::tls::{RootCerts, TlsConfig};
use ureq::{Agent, Body};

use crate::codec;
use crate::manifest::Remote;
use crate::model::{Cancel, ModelError, ModelErrorKind};

/// A server, and what every request to it carries.
#[derive(Clone)]
pub(super) struct Client {
    agent: Agent,
    /// Without a slash at its end.
    url: String,
    headers: Vec<(HeaderName, HeaderValue)>,
    retries: u32,
}

/// The requests of one instance, sent by a thread of its own, so that nobody has to wait for an answer that is not wanted
/// any more. The request itself cannot be called off: it goes on until it is answered or its time is over.
pub(super) struct Line {
    client: Client,
    /// Who no longer waits when this is set.
    pub(super) cancel: Cancel,
    courier: Option<Courier>,
}

/// The thread.
struct Courier {
    requests: Sender<Errand>,
    /// The answers, and the memory of their requests.
    replies: Receiver<(Result<Reply, ModelError>, Vec<u8>)>,
}

struct Errand {
    endpoint: String,
    json: Vec<u8>,
    accept: &'static str,
    limit: Option<Duration>,
}

/// An answer, whatever its status.
pub(super) struct Reply {
    /// What was asked: `POST http://localhost:8000/apply`.
    question: String,
    pub(super) status: u16,
    pub(super) body: Vec<u8>,
    location: Option<String>,
    retry_after: Option<Duration>,
}

/// As much as an answer may hold: past it, a server is writing without end.
const LARGEST_BODY: u64 = 4 << 30;

/// Connections kept for the next request: more than there are workers.
const MOST_IDLE: usize = 1024;

/// Between two attempts, at first; four times as long after each.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// The longest pause, whatever the server asks for.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// How much of an unintelligible answer is shown.
const SHOWN: usize = 300;

/// How often who waits for an answer looks whether anybody waits for him.
const GLANCE: Duration = Duration::from_millis(100);

impl Line {
    pub(super) fn new(client: &Client) -> Line {
        Line { client: client.clone(), cancel: Cancel::default(), courier: None }
    }

    /// Sends JSON, and asks for an answer of the type `accept`.
    pub(super) fn post(
        &mut self,
        endpoint: &str,
        json: &mut Vec<u8>,
        accept: &'static str,
        limit: Option<Duration>,
    ) -> Result<Reply, ModelError> {
        let courier = match self.courier.take() {
            Some(courier) => courier,
            None => Courier::hire(self.client.clone())?,
        };
        let gone = || ModelError::broken("the thread that sends its requests is gone, which should not happen");
        let errand = Errand { endpoint: endpoint.to_owned(), json: std::mem::take(json), accept, limit };
        courier.requests.send(errand).map_err(|_| gone())?;
        loop {
            match courier.replies.recv_timeout(GLANCE) {
                Ok((reply, request)) => {
                    *json = request;
                    self.courier = Some(courier);
                    return reply;
                }
                Err(RecvTimeoutError::Timeout) if self.cancel.is_set() => return Err(ModelError::cancelled()),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Err(gone()),
            }
        }
    }
}

impl Courier {
    fn hire(client: Client) -> Result<Courier, ModelError> {
        let (requests, errands) = mpsc::channel::<Errand>();
        let (answers, replies) = mpsc::channel();
        let deliver = move || {
            for Errand { endpoint, json, accept, limit } in errands {
                let reply = client.post(&endpoint, &json, accept, limit);
                if answers.send((reply, json)).is_err() {
                    return;
                }
            }
        };
        let thread = std::thread::Builder::new().name("remote".to_owned()).spawn(deliver);
        thread.map_err(|error| ModelError::broken(format!("no thread for its requests: {error}")))?;
        Ok(Courier { requests, replies })
    }
}

impl Client {
    /// A client for the server that `remote` names; its token file is relative to `folder`.
    pub(super) fn new(remote: &Remote, folder: &Path) -> Result<Client, String> {
        let mut headers = Vec::new();
        for (name, value) in &remote.headers {
            let name = HeaderName::try_from(name).map_err(|error| format!("remote.headers: '{name}': {error}"))?;
            let value = HeaderValue::try_from(value)
                .map_err(|error| format!("remote.headers: the value of {name}: {error}"))?;
            headers.push((name, value));
        }
        if let Some(file) = &remote.token_file {
            let file = folder.join(file);
            let complain = |why: String| format!("remote.token_file: {}: {why}", file.display());
            let token = std::fs::read_to_string(&file).map_err(|error| complain(error.to_string()))?;
            let mut value = HeaderValue::try_from(format!("Bearer {}", token.trim()))
                .map_err(|_| complain("holds what is no token: expected one line of plain characters".to_owned()))?;
            value.set_sensitive(true);
            headers.push((header::AUTHORIZATION, value));
        }
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .max_idle_connections(MOST_IDLE)
            .max_idle_connections_per_host(MOST_IDLE)
            // As the system says whom to trust, a laboratory's own authority is trusted too.
            .tls_config(TlsConfig::builder().root_certs(RootCerts::PlatformVerifier).build())
            .user_agent(concat!("secant/", env!("CARGO_PKG_VERSION")))
            .build()
            .new_agent();
        Ok(Client { agent, url: remote.url.trim_end_matches('/').to_owned(), headers, retries: remote.retries })
    }

    /// The server's address.
    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// Fetches a document.
    pub(super) fn get(&self, endpoint: &str, limit: Option<Duration>) -> Result<Reply, ModelError> {
        self.ask(endpoint, None, "application/json", limit)
    }

    /// Sends JSON, and asks for an answer of the type `accept`.
    pub(super) fn post(
        &self,
        endpoint: &str,
        json: &[u8],
        accept: &str,
        limit: Option<Duration>,
    ) -> Result<Reply, ModelError> {
        self.ask(endpoint, Some(json), accept, limit)
    }

    fn ask(
        &self,
        endpoint: &str,
        json: Option<&[u8]>,
        accept: &str,
        limit: Option<Duration>,
    ) -> Result<Reply, ModelError> {
        let started = Instant::now();
        let mut pause = FIRST_PAUSE;
        let mut attempt = 0;
        loop {
            let left = limit.map(|limit| limit.saturating_sub(started.elapsed()));
            let result = self.try_once(endpoint, json, accept, left);
            let wait = match &result {
                Ok(reply) if reply.status == 503 => reply.retry_after.map(|wait| wait.min(LONGEST_PAUSE)),
                Err(error) if is_lost(error) => Some(pause),
                _ => None,
            };
            let left = limit.map(|limit| limit.saturating_sub(started.elapsed()));
            match wait {
                Some(wait) if attempt < self.retries && left.is_none_or(|left| wait < left) => {
                    tracing::debug!("{}/{endpoint}: asked again in {wait:?}", self.url);
                    std::thread::sleep(wait);
                    pause = (pause * 4).min(LONGEST_PAUSE);
                    attempt += 1;
                }
                _ => return result.map_err(|error| self.failure(endpoint, &error, attempt + 1, limit)),
            }
        }
    }

    fn try_once(
        &self,
        endpoint: &str,
        json: Option<&[u8]>,
        accept: &str,
        limit: Option<Duration>,
    ) -> Result<Reply, ureq::Error> {
        let url = format!("{}/{endpoint}", self.url);
        let method = if json.is_some() { "POST" } else { "GET" };
        let mut request = Request::builder().method(method).uri(&url).header(header::ACCEPT, accept);
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        let mut response = match json {
            Some(json) => {
                let request = request.header(header::CONTENT_TYPE, "application/json").body(json)?;
                self.agent.run(self.agent.configure_request(request).timeout_global(limit).build())?
            }
            None => self.agent.run(self.agent.configure_request(request.body(())?).timeout_global(limit).build())?,
        };
        let body = response.body_mut().with_config().limit(LARGEST_BODY).read_to_vec()?;
        let text = |name: HeaderName| header_text(&response, name);
        Ok(Reply {
            question: format!("{method} {url}"),
            status: response.status().as_u16(),
            location: text(header::LOCATION),
            retry_after: text(header::RETRY_AFTER).and_then(|text| time_until(&text, SystemTime::now())),
            body,
        })
    }

    fn failure(&self, endpoint: &str, error: &ureq::Error, attempts: u32, limit: Option<Duration>) -> ModelError {
        let place = format!("{}/{endpoint}", self.url);
        let again = if attempts > 1 { format!(" (asked {attempts} times)") } else { String::new() };
        let error = match error {
            ureq::Error::Timeout(_) => {
                let limit = humantime::format_duration(limit.unwrap_or_default());
                let message = format!("{place} took longer than {limit} and was given up");
                return ModelError::new(ModelErrorKind::TimedOut, message);
            }
            ureq::Error::BodyExceedsLimit(limit) => {
                return ModelError::broken(format!("the answer of {place} is longer than {} GB", limit >> 30));
            }
            ureq::Error::Protocol(error) => {
                return ModelError::broken(format!("{place} does not speak HTTP: {error}"));
            }
            ureq::Error::Io(error) if error.kind() == ErrorKind::ConnectionRefused => {
                format!("the connection was refused{again}: is the server running?")
            }
            ureq::Error::Io(error) if error.kind() == ErrorKind::UnexpectedEof => {
                format!("the connection was closed before the answer was whole{again}")
            }
            // Without its own `io: ` before it.
            ureq::Error::Io(error) => format!("{error}{again}"),
            error => format!("{error}{again}"),
        };
        ModelError::new(ModelErrorKind::Crashed, format!("{place}: {error}"))
    }
}

fn header_text(response: &Response<Body>, name: HeaderName) -> Option<String> {
    response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
}

/// What `Retry-After` asks for: seconds, or a date.
fn time_until(text: &str, now: SystemTime) -> Option<Duration> {
    let seconds = text.parse().map(Duration::from_secs);
    seconds.or_else(|_| httpdate::parse_http_date(text).map(|date| date.duration_since(now).unwrap_or_default())).ok()
}

/// Whether the connection failed: the server may have been restarted, or be about to.
fn is_lost(error: &ureq::Error) -> bool {
    let ureq::Error::Io(error) = error else { return matches!(error, ureq::Error::ConnectionFailed) };
    matches!(
        error.kind(),
        ErrorKind::ConnectionRefused
            | ErrorKind::ConnectionReset
            | ErrorKind::ConnectionAborted
            | ErrorKind::NotConnected
            | ErrorKind::BrokenPipe
            | ErrorKind::UnexpectedEof
    )
}

impl Reply {
    /// Whether it is a success.
    pub(super) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// Its body as JSON.
    pub(super) fn json(&self) -> Result<Value, ModelError> {
        codec::parse_json(&self.body).map_err(|error| self.unintelligible(&error.to_string()))
    }

    /// That its body is not what the protocol says.
    pub(super) fn unintelligible(&self, why: &str) -> ModelError {
        ModelError::broken(format!("the answer to {} is no good ({why}): {}", self.question, self.shown()))
    }

    /// An error about it, in the server's words.
    pub(super) fn error(&self, kind: ModelErrorKind, words: &str) -> ModelError {
        ModelError::new(kind, format!("{}: {words}", self.question))
    }

    /// What a status that is no success means.
    pub(super) fn failure(&self) -> ModelError {
        let status = self.status;
        let kind = match status {
            // A gateway lost the server behind it, or its patience.
            502 => ModelErrorKind::Crashed,
            504 => ModelErrorKind::TimedOut,
            _ => ModelErrorKind::Failed,
        };
        let words = match (status, &self.location) {
            (300..=399, Some(location)) => format!("status {status}, it has moved to {location}: mend remote.url"),
            (401 | 403, _) => {
                format!("status {status}, {}; a token is sent with remote.token_file", self.shown())
            }
            _ => format!("status {status}, {}", self.shown()),
        };
        self.error(kind, &words)
    }

    fn shown(&self) -> String {
        let text = String::from_utf8_lossy(&self.body[..self.body.len().min(SHOWN)]);
        match text.trim() {
            "" => "and nothing more".to_owned(),
            text if self.body.len() > SHOWN => format!("{text}..."),
            text => text.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_says_when_to_come_in_seconds_or_by_date() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        let asked = |text| time_until(text, now).map(|wait| wait.as_secs());
        assert_eq!(asked("7"), Some(7));
        assert_eq!(asked("Sun, 06 Nov 1994 08:49:40 GMT"), Some(3));
        assert_eq!(asked("Sun, 06 Nov 1994 08:49:30 GMT"), Some(0));
        assert_eq!(asked("soon"), None);
    }
}
