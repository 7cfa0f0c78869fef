//! One run of a program from its start to its end: what it wrote, and how it ended. Not what that means.

use std::process::ExitStatus;
use std::time::{Duration, Instant};

use super::child::{Launch, describe, last_lines};
use super::wire::Silence;
use crate::model::{Cancel, ModelError, ModelErrorKind};

/// What a program that has ended left behind on its pipes.
pub(super) struct Ran {
    pub(super) stdout: Vec<u8>,
    pub(super) status: ExitStatus,
    /// The end of what it wrote to stderr, where that is a pipe.
    pub(super) last_words: String,
}

/// Why there is no [`Ran`], and the program's last words.
pub(super) struct Cut {
    pub(super) error: ModelError,
    pub(super) last_words: String,
}

/// How long a program may go on after it has closed its stdout, where nothing else limits it.
const AFTERWARDS: Duration = Duration::from_secs(3600);

/// Runs it, with `input` on its stdin, for at most `limit`.
pub(super) fn run(launch: &Launch, input: &[u8], limit: Option<Duration>, cancel: &Cancel) -> Result<Ran, Cut> {
    let deadline = limit.map(|limit| Instant::now() + limit);
    let cut = |kind, message: String, last_words| Cut { error: ModelError::new(kind, message), last_words };
    let mut child = launch.start().map_err(|reason| cut(ModelErrorKind::Crashed, reason, String::new()))?;
    child.cancel = cancel.clone();
    child.wire.send(input);
    let late = || {
        let limit = humantime::format_duration(limit.unwrap_or(AFTERWARDS));
        (ModelErrorKind::TimedOut, format!("it took longer than {limit} and was stopped"))
    };
    let (kind, message) = match child.rest(deadline).map(<[u8]>::to_vec) {
        Ok(stdout) => match child.over(deadline.unwrap_or_else(|| Instant::now() + AFTERWARDS)) {
            Ok(Some(status)) => return Ok(Ran { stdout, status, last_words: child.wire.last_words() }),
            Ok(None) => late(),
            Err(cancelled) => return Err(Cut { error: cancelled, last_words: String::new() }),
        },
        Err(Silence::Late) => late(),
        Err(Silence::Unwanted) => return Err(Cut { error: ModelError::cancelled(), last_words: String::new() }),
        Err(Silence::Endless) => (ModelErrorKind::Broken, "its output is endless".to_owned()),
        Err(Silence::Closed | Silence::Io(_)) => (ModelErrorKind::Broken, "its pipes failed".to_owned()),
    };
    child.stop();
    Err(cut(kind, message, child.wire.last_words()))
}

/// What a program writes to its stdout until it ends, when `input` is all that its stdin has.
///
/// # Errors
/// It cannot be started, does not end in time, or ends with an exit code other than 0; its last words are told.
pub(crate) fn answer(
    argv: Vec<String>,
    folder: &std::path::Path,
    input: &[u8],
    limit: Duration,
) -> Result<Vec<u8>, ModelError> {
    let env = std::collections::BTreeMap::new();
    let launch = Launch { argv, folder: folder.to_owned(), env, inherit: None, errors: None };
    let words = |message: String, last_words: &str| match last_words.trim() {
        "" => message,
        _ => format!("{message}\nits last words on stderr:\n{}", last_lines(last_words)),
    };
    let ran = run(&launch, input, Some(limit), &Cancel::default())
        .map_err(|cut| ModelError::new(cut.error.kind, words(cut.error.message, &cut.last_words)))?;
    match ran.status.code() {
        Some(0) => Ok(ran.stdout),
        Some(_) => Err(ModelError::failed(words(describe(ran.status), &ran.last_words))),
        None => Err(ModelError::new(ModelErrorKind::Crashed, words(describe(ran.status), &ran.last_words))),
    }
}
