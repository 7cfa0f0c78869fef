//! A process done right: pipes on all three of its standard streams, a process group of its own so that
//! a kill reaches its children, an orderly end, and nothing left behind, not even on Ctrl-C.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

use super::wire::{Silence, Wire, timespec};
use crate::model::{Cancel, ModelError};

/// What to start.
#[derive(Clone, Debug)]
pub(crate) struct Launch {
    /// The program and its arguments, the launcher's before them.
    pub(crate) argv: Vec<String>,
    /// Where it runs.
    pub(crate) folder: PathBuf,
    /// Added to its environment.
    pub(crate) env: BTreeMap<String, String>,
    /// The variables of our environment that it gets, all if this is `None`; `OMP_*` stands for those that begin so.
    pub(crate) inherit: Option<Arc<[String]>>,
    /// The file that its stderr goes to; a pipe if this is `None`.
    pub(crate) errors: Option<PathBuf>,
}

/// A running process.
pub(crate) struct Child {
    process: std::process::Child,
    group: Pid,
    pub(crate) wire: Wire,
    status: Option<ExitStatus>,
    /// Who no longer waits for it when this is set.
    pub(crate) cancel: Cancel,
}

/// How long a process that was asked to end may take before it is told to, and before it is made to.
const PATIENCE: Duration = Duration::from_millis(1000);

/// How often a silent process is looked at.
const GLANCE: Duration = Duration::from_millis(100);

/// The groups that must not outlive us; `None` once we are ending and nothing may be started any more.
static LIVE: Mutex<Option<BTreeSet<i32>>> = Mutex::new(Some(BTreeSet::new()));

/// Kills every process that was started and everything it started, and lets no other start. For a program
/// that is about to end.
pub fn kill_all() {
    let groups = LIVE.lock().unwrap_or_else(PoisonError::into_inner).take();
    for group in groups.into_iter().flatten().filter_map(Pid::from_raw) {
        let _ = kill_process_group(group, Signal::KILL);
    }
    #[cfg(feature = "command")]
    super::command::remove_all();
}

/// Whether everything has been killed, so that a program's end says nothing of it.
pub(super) fn is_ending() -> bool {
    LIVE.lock().unwrap_or_else(PoisonError::into_inner).is_none()
}

impl Launch {
    /// Starts it. The error says what could not be started, where, and why.
    pub(crate) fn start(&self) -> Result<Child, String> {
        let (program, arguments) = self.argv.split_first().ok_or("the command is empty")?;
        let mut command = Command::new(resolve(program, &self.folder));
        let errors = match &self.errors {
            Some(file) => {
                let file = File::create(file).map_err(|error| format!("{}: {error}", file.display()))?;
                Stdio::from(file)
            }
            None => Stdio::piped(),
        };
        if let Some(names) = &self.inherit {
            let inherited = std::env::vars_os().filter(|(name, _)| names.iter().any(|known| stands_for(known, name)));
            command.env_clear().envs(inherited);
        }
        command
            .args(arguments)
            .current_dir(&self.folder)
            .envs(&self.env)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(errors)
            .process_group(0);
        let mut live = LIVE.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(groups) = &mut *live else { return Err("this program is ending".to_owned()) };
        let mut process = command.spawn().map_err(|error| {
            let advice =
                if error.kind() == std::io::ErrorKind::NotFound { ": is it installed and on the PATH?" } else { "" };
            format!("cannot start `{}` in {}: {error}{advice}", self.argv.join(" "), self.folder.display())
        })?;
        let group = i32::try_from(process.id()).ok().and_then(Pid::from_raw).ok_or("a process without a number")?;
        groups.insert(group.as_raw_nonzero().get());
        drop(live);
        let pipes = (process.stdin.take(), process.stdout.take(), process.stderr.take());
        let (Some(stdin), Some(stdout), stderr) = pipes else { unreachable!("both streams were asked for") };
        match Wire::new(stdin.into(), stdout.into(), stderr.map(Into::into)) {
            Ok(wire) => Ok(Child { process, group, wire, status: None, cancel: Cancel::default() }),
            Err(error) => {
                let _ = kill_process_group(group, Signal::KILL);
                let _ = process.wait();
                forget(group);
                Err(error.to_string())
            }
        }
    }
}

/// Whether a variable is the one of this name, or one of those.
fn stands_for(known: &str, name: &OsStr) -> bool {
    match known.strip_suffix('*') {
        Some(beginning) => name.as_bytes().starts_with(beginning.as_bytes()),
        None => name == known,
    }
}

/// A program named with a slash is looked for from the folder, as the manifest means it; one without is
/// for the PATH.
fn resolve(program: &str, folder: &Path) -> PathBuf {
    let path = Path::new(program);
    if path.is_relative() && program.contains('/') { folder.join(path) } else { path.to_owned() }
}

/// The file of a program, looked for from the folder or on the PATH; or in words that it is not there.
pub(crate) fn locate(program: &str, folder: &Path) -> Result<PathBuf, String> {
    let file = resolve(program, folder);
    if program.contains('/') {
        let file = std::path::absolute(file).map_err(|error| format!("{program}: {error}"))?;
        return if file.is_file() { Ok(file) } else { Err(format!("there is no program {}", file.display())) };
    }
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&paths)
        .map(|folder| folder.join(program))
        .find(|file| rustix::fs::access(file, rustix::fs::Access::EXEC_OK).is_ok() && file.is_file());
    found.ok_or_else(|| format!("`{program}` is not on the PATH: install it, or name its file with a slash"))
}

impl Child {
    /// The next line it writes, without its newline. With no deadline it waits as long as the process lives.
    pub(crate) fn line(&mut self, deadline: Option<Instant>) -> Result<&[u8], Silence> {
        self.attend(deadline, Wire::await_line)?;
        Ok(self.wire.take_line())
    }

    /// Sends what is to be sent, closes its stdin, and waits for the end of its stdout: all that it wrote.
    pub(crate) fn rest(&mut self, deadline: Option<Instant>) -> Result<&[u8], Silence> {
        for step in [Wire::finish_input, Wire::await_end] {
            match self.attend(deadline, step) {
                // It is over, and what it wrote is here, whoever else holds its stdout open.
                Ok(()) | Err(Silence::Closed) => {}
                Err(silence) => return Err(silence),
            }
        }
        Ok(self.wire.fragment())
    }

    /// Waits for something on the wire, but no longer than the process lives: one that it started itself may
    /// hold its pipes open for ever.
    fn attend(
        &mut self,
        deadline: Option<Instant>,
        mut step: impl FnMut(&mut Wire, Option<Instant>) -> Result<(), Silence>,
    ) -> Result<(), Silence> {
        loop {
            let glance = Instant::now() + GLANCE;
            let until = deadline.map_or(glance, |deadline| deadline.min(glance));
            match step(&mut self.wire, Some(until)) {
                Err(Silence::Late) if self.cancel.is_set() => return Err(Silence::Unwanted),
                Err(Silence::Late) if deadline.is_none_or(|deadline| Instant::now() < deadline) => {}
                done => return done,
            }
            if self.wait(Instant::now()).is_some() {
                // What it wrote before it ended is in the pipe.
                return step(&mut self.wire, Some(Instant::now())).map_err(|silence| match silence {
                    Silence::Late => Silence::Closed,
                    other => other,
                });
            }
        }
    }

    /// Its exit status, waited for until `deadline`, or until nobody waits any more.
    pub(crate) fn over(&mut self, deadline: Instant) -> Result<Option<ExitStatus>, ModelError> {
        loop {
            let now = Instant::now();
            match self.wait(deadline.min(now + GLANCE)) {
                None if self.cancel.is_set() => return Err(ModelError::cancelled()),
                None if now < deadline => {}
                status => return Ok(status),
            }
        }
    }

    /// Its exit status, waited for until `deadline`.
    pub(crate) fn wait(&mut self, deadline: Instant) -> Option<ExitStatus> {
        // Where the system cannot tell when a process is over, only asking again helps.
        let mut pause = Duration::from_micros(100);
        loop {
            if let Some(status) = self.status {
                return Some(status);
            }
            match waitid(WaitId::Pid(self.group), WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT)
            {
                Ok(Some(_)) => self.reap(),
                Ok(None) | Err(_) if Instant::now() >= deadline => return None,
                Ok(None) if self.sleep_until_over(deadline) => {}
                Ok(None) | Err(Errno::INTR) => {
                    std::thread::sleep(pause);
                    pause = (pause * 2).min(Duration::from_millis(10));
                }
                Err(_) => return None,
            }
        }
    }

    /// Ends the whole group, so that what it started ends too, even where it ended itself. As long as it has not been
    /// waited for, the group's number is nobody else's.
    fn reap(&mut self) {
        let _ = kill_process_group(self.group, Signal::KILL);
        self.status = self.process.wait().ok();
    }

    /// Sleeps until it is over or the deadline has passed; false where the system offers no such thing.
    #[cfg(target_os = "linux")]
    fn sleep_until_over(&self, deadline: Instant) -> bool {
        let Ok(process) = rustix::process::pidfd_open(self.group, rustix::process::PidfdFlags::empty()) else {
            return false;
        };
        let timeout = timespec(deadline.saturating_duration_since(Instant::now()));
        let watched = &mut [PollFd::new(&process, PollFlags::IN)];
        matches!(poll(watched, Some(&timeout)), Ok(_) | Err(Errno::INTR))
    }

    #[cfg(not(target_os = "linux"))]
    fn sleep_until_over(&self, _deadline: Instant) -> bool {
        false
    }

    /// Tells it to end, and makes it if it does not.
    pub(crate) fn stop(&mut self) {
        let _ = kill_process_group(self.group, Signal::TERM);
        self.wait(Instant::now() + PATIENCE);
    }

    /// How it ended, in words; it is given a moment to do so.
    pub(crate) fn epitaph(&mut self) -> String {
        match self.wait(Instant::now() + PATIENCE) {
            None => "it closed its stdout but still runs".to_owned(),
            Some(status) => describe(status),
        }
    }

    /// Lets it end by itself: its stdin is closed, and it has a moment.
    pub(crate) fn end(mut self) {
        let deadline = Instant::now() + PATIENCE;
        let _ = self.wire.finish_input(Some(deadline));
        self.wire.drain(deadline);
        if self.wait(deadline).is_none() {
            self.stop();
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if self.status.is_none() {
            self.reap();
        }
        forget(self.group);
    }
}

/// A group that is no more.
fn forget(group: Pid) {
    if let Some(groups) = &mut *LIVE.lock().unwrap_or_else(PoisonError::into_inner) {
        groups.remove(&group.as_raw_nonzero().get());
    }
}

/// A message, and the last lines of what the program wrote to stderr.
pub(crate) fn with_words(message: String, last_words: &str) -> String {
    if last_words.trim().is_empty() {
        return message;
    }
    format!("{message}; its last words on stderr:\n{}", last_lines(last_words))
}

/// The last lines of a text, indented, each as long as fits a screen.
pub(crate) fn last_lines(text: &str) -> String {
    let lines: Vec<_> = text.trim_end().lines().collect();
    let last = &lines[lines.len().saturating_sub(20)..];
    let last: Vec<_> = last.iter().map(|line| format!("  {}", line.chars().take(500).collect::<String>())).collect();
    last.join("\n")
}

/// An exit status in words.
pub(crate) fn describe(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("it exited with code {code}"),
        (_, Some(number)) => match signal_name(number) {
            Some((name, meaning)) => format!("it was killed by {name}{meaning}"),
            None => format!("it was killed by signal {number}"),
        },
        _ => format!("it ended: {status}"),
    }
}

/// The name of a signal, and what it means to people. May be called in a signal handler.
pub(super) fn signal_name(number: i32) -> Option<(&'static str, &'static str)> {
    let names = [
        (Signal::SEGV, "SIGSEGV", " (a bad memory access)"),
        (Signal::ABORT, "SIGABRT", " (it aborted itself)"),
        (Signal::BUS, "SIGBUS", " (a bad memory access)"),
        (Signal::FPE, "SIGFPE", " (an arithmetic error)"),
        (Signal::ILL, "SIGILL", " (an illegal instruction)"),
        (Signal::KILL, "SIGKILL", " (perhaps out of memory)"),
        (Signal::TERM, "SIGTERM", ""),
        (Signal::INT, "SIGINT", ""),
        (Signal::PIPE, "SIGPIPE", ""),
    ];
    let (_, name, meaning) = names.into_iter().find(|(known, ..)| known.as_raw() == number)?;
    Some((name, meaning))
}
