//! The program as a stranger runs it: arguments, variables and stdin in; exit code and two streams out; and
//! nothing left running behind it.

use std::ffi::OsString;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::probe::secant;

/// The variable by which a run's processes are known, their children's children included.
const MARK: &str = "SECANT_TEST_RUN";

/// A run of `secant` that is being put together.
pub struct Run {
    command: Command,
    mark: String,
    stdin: Vec<u8>,
}

/// How it went.
pub struct Outcome {
    /// The exit code, or 128 and the signal.
    pub code: i32,
    pub stdout: Vec<u8>,
    pub stderr: String,
}

/// A run that has not ended.
pub struct Running {
    child: Child,
    mark: String,
    said: Arc<Mutex<String>>,
}

impl Run {
    pub fn new<A: Into<OsString>>(arguments: impl IntoIterator<Item = A>) -> Run {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let mark = format!("{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let mut command = Command::new(secant());
        command
            .args(arguments.into_iter().map(Into::into))
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .env(MARK, &mark)
            .env_remove("SECANT_PLUGINS")
            .env_remove("RUST_LOG")
            .env("RUST_BACKTRACE", "0")
            // Words are wrapped to the terminal's width; there is none.
            .env_remove("COLUMNS")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        Run { command, mark, stdin: Vec::new() }
    }

    pub fn env(mut self, name: &str, value: impl Into<OsString>) -> Run {
        self.command.env(name, value.into());
        self
    }

    pub fn stdin(mut self, bytes: &[u8]) -> Run {
        self.stdin = bytes.to_vec();
        self
    }

    pub fn in_folder(mut self, folder: &Path) -> Run {
        self.command.current_dir(folder);
        self
    }

    /// Runs it to its end, and makes sure that nothing is left of it.
    pub fn run(self) -> Outcome {
        self.start().end()
    }

    pub fn start(mut self) -> Running {
        let mut child = self.command.spawn().unwrap();
        // Whether it reads its stdin is its own business.
        let _ = child.stdin.take().unwrap().write_all(&self.stdin);
        Running { child, mark: self.mark, said: Arc::default() }
    }
}

impl Running {
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until the run has a process whose command line contains `text`.
    pub fn wait_for_process(&self, text: &str) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while !marked(&self.mark).iter().any(|(_, line)| line.contains(text)) {
            assert!(Instant::now() < deadline, "no process with {text:?} was started");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Waits until it has written a line with `text` to stderr.
    pub fn wait_for_words(&mut self, text: &str) {
        let mut stderr = BufReader::new(self.child.stderr.as_mut().unwrap());
        let mut line = String::new();
        while !line.contains(text) {
            line.clear();
            assert_ne!(stderr.read_line(&mut line).unwrap(), 0, "it ended without saying {text:?}");
        }
    }

    /// Reads stderr up to the first line that begins with `text`, and returns the rest of that line.
    pub fn line_after(&mut self, text: &str) -> String {
        let mut stderr = BufReader::new(self.child.stderr.take().unwrap());
        let mut line = String::new();
        while !line.starts_with(text) {
            line.clear();
            assert_ne!(stderr.read_line(&mut line).unwrap(), 0, "it ended without saying {text:?}");
        }
        // Whatever else it says must be read, or it would wait for us.
        let said = self.said.clone();
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                let mut said = said.lock().unwrap();
                said.push_str(&line);
                said.push('\n');
            }
        });
        line[text.len()..].trim().to_owned()
    }

    /// What it wrote to stderr since.
    pub fn said(&self) -> String {
        self.said.lock().unwrap().clone()
    }

    pub fn end(self) -> Outcome {
        let output = self.child.wait_with_output().unwrap();
        assert_nothing_left(&self.mark);
        let code = output.status.code().or_else(|| output.status.signal().map(|signal| 128 + signal));
        Outcome {
            code: code.unwrap(),
            stdout: output.stdout,
            stderr: String::from_utf8(output.stderr).expect("stderr is text"),
        }
    }
}

impl Outcome {
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.stdout).expect("stdout is text")
    }

    pub fn json(&self) -> secant::Value {
        serde_json::from_slice(&self.stdout).unwrap_or_else(|error| panic!("{error}: {}{}", self.text(), self.stderr))
    }

    /// All of it, for a snapshot.
    pub fn shown(&self) -> String {
        let mut text = self.text().to_owned();
        if !self.stderr.is_empty() {
            text += &format!("--- stderr\n{}", self.stderr);
        }
        format!("{}--- exit code {}\n", text, self.code)
    }

    #[track_caller]
    pub fn expect(self, code: i32) -> Outcome {
        assert_eq!(self.code, code, "stdout:\n{}\nstderr:\n{}", String::from_utf8_lossy(&self.stdout), self.stderr);
        self
    }
}

/// The processes of a run and their command lines. Elsewhere than on Linux nobody can tell.
fn marked(mark: &str) -> Vec<(String, String)> {
    let needle = format!("{MARK}={mark}\0");
    let Ok(processes) = std::fs::read_dir("/proc") else { return Vec::new() };
    processes
        .flatten()
        .filter_map(|process| {
            let folder = process.path();
            // Gone meanwhile, or another's; what has died and is not yet waited for has an empty one.
            let environment = std::fs::read(folder.join("environ")).ok()?;
            let found = environment.windows(needle.len()).any(|window| window == needle.as_bytes());
            let line = || {
                String::from_utf8_lossy(&std::fs::read(folder.join("cmdline")).unwrap_or_default()).replace('\0', " ")
            };
            found.then(|| (process.file_name().to_string_lossy().into_owned(), line()))
        })
        .collect()
}

/// What was killed takes a moment to die; what was not killed stays for ever.
fn assert_nothing_left(mark: &str) {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let left = marked(mark);
        if left.is_empty() {
            return;
        }
        assert!(Instant::now() < deadline, "left behind: {left:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
