//! `secant worker MODEL`: our own stdio guest, with any model behind it; with `--describe` what a library says of itself, or
//! why it is no model.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Write};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use serde_json::json;

use super::Failure;
use crate::backend::{self, OpenOptions, stdio};
use crate::manifest::Isolation;

/// How long an evaluation that nobody waits for any more may go on.
const LINGER: Duration = Duration::from_secs(1);

/// Serves the model over stdin and stdout, or describes it.
pub(super) fn run(model: &Path, describe: bool) -> Result<(), Failure> {
    let pipes = |error: io::Error| Failure::Operator(format!("worker: {error}"));
    // Before anything foreign is loaded: whatever a model prints goes to stderr, and the wire is ours alone. These clones
    // are closed in whatever a model starts.
    let wire = rustix::stdio::stdout().try_clone_to_owned().map_err(pipes)?;
    rustix::stdio::dup2_stdout(rustix::stdio::stderr()).map_err(|error| pipes(error.into()))?;
    // Who is only to describe is told nothing, and its stdin ends at once.
    let host = if describe { wire.try_clone() } else { rustix::stdio::stdin().try_clone_to_owned() }.map_err(pipes)?;
    // A thread cannot even start while a library is being loaded: it is on its way before.
    let watching = Arc::new(Barrier::new(2));
    let watched = watching.clone();
    thread::spawn(move || {
        watched.wait();
        end_with_host(host);
    });
    watching.wait();
    if describe {
        let said = json!(backend::described(model)).to_string();
        return File::from(wire).write_all(said.as_bytes()).map_err(pipes);
    }
    let options = OpenOptions { isolation: Some(Isolation::None), ..OpenOptions::default() };
    let opened = backend::open(model, &options).map_err(|error| Failure::Operator(error.to_string()))?;
    let from = BufReader::with_capacity(1 << 16, io::stdin());
    let to = BufWriter::with_capacity(1 << 16, File::from(wire));
    // The host is gone: nobody is left to be told.
    let _ = stdio::guest::serve(&*opened.model, from, to);
    Ok(())
}

/// Ends this process when the host is gone, at the other end of this pipe: even from the middle of an evaluation.
fn end_with_host(pipe: OwnedFd) {
    loop {
        // No event is asked for: only the other end's closing wakes us.
        let mut fds = [PollFd::new(&pipe, PollFlags::empty())];
        match poll(&mut fds, None) {
            Ok(_) if fds[0].revents().intersects(PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL) => break,
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(_) => return,
        }
    }
    thread::sleep(LINGER);
    // An orderly exit would wait for the loader's lock, which a library holds for as long as it initialises.
    let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
}
