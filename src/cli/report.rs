//! The only file that prints: results to stdout, everything else to stderr.
#![allow(clippy::print_stdout)]

use std::fs::File;
use std::io::{ErrorKind, IsTerminal, Write};
use std::path::Path;
use std::sync::OnceLock;

use indicatif::{ProgressBar, ProgressStyle};

use super::Failure;
use crate::endpoint::Report;

/// Writes a line to stderr. Where nobody reads that there is nobody to be told.
macro_rules! say {
    ($($words:tt)*) => {
        let _ = writeln!(std::io::stderr(), $($words)*);
    };
}

/// Sends log messages to stderr, and says what a panic is. A server tells of every request, and when it was.
pub(super) fn install(verbose: bool, serving: bool) {
    let level = match (verbose, serving) {
        (true, _) => tracing::Level::DEBUG,
        (false, true) => tracing::Level::INFO,
        (false, false) => tracing::Level::WARN,
    };
    let log = tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(std::io::stderr)
        .with_target(false)
        .with_ansi(std::io::stderr().is_terminal());
    // Set once, at the start of the program.
    let _ = if serving {
        tracing::subscriber::set_global_default(log.finish())
    } else {
        tracing::subscriber::set_global_default(log.without_time().finish())
    };
    let default = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        default(panic);
        say!("this is a bug in secant {}; please report it with the message above", env!("CARGO_PKG_VERSION"));
    }));
}

/// Where results go: the stdout we were started with.
static RESULTS: OnceLock<File> = OnceLock::new();

/// Keeps stdout for results: whatever a library in this process prints goes to stderr from now on.
pub(super) fn keep_stdout() {
    let Ok(results) = rustix::stdio::stdout().try_clone_to_owned() else { return };
    if rustix::stdio::dup2_stdout(rustix::stdio::stderr()).is_ok() {
        // Called once.
        let _ = RESULTS.set(File::from(results));
    }
}

fn write_result(bytes: &[u8]) -> std::io::Result<()> {
    match RESULTS.get() {
        Some(mut results) => results.write_all(bytes),
        None => std::io::stdout().write_all(bytes).and_then(|()| std::io::stdout().flush()),
    }
}

/// Whether progress can be shown.
pub(super) fn is_terminal() -> bool {
    std::io::stderr().is_terminal()
}

pub(super) fn stdout_is_terminal() -> bool {
    RESULTS.get().map_or_else(|| std::io::stdout().is_terminal(), File::is_terminal)
}

/// Whether results may be coloured.
pub(super) fn stdout_is_coloured() -> bool {
    stdout_is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// The columns that results may take: those of the terminal, or of $COLUMNS.
pub(super) fn columns() -> usize {
    let typed = || std::env::var("COLUMNS").ok()?.parse().ok();
    let size = RESULTS.get().and_then(|results| rustix::termios::tcgetwinsize(results).ok());
    let seen = size.map(|size| usize::from(size.ws_col)).filter(|columns| *columns > 0);
    seen.or_else(typed).unwrap_or(80)
}

/// A bar on stderr.
pub(super) fn progress_bar() -> ProgressBar {
    let style = ProgressStyle::with_template("{wide_bar} {pos}/{len} evaluations, {eta} left");
    ProgressBar::new(0).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

/// Writes a result to a file, or to stdout.
pub(super) fn result(bytes: &[u8], file: Option<&Path>) -> Result<(), Failure> {
    match file {
        Some(file) => {
            std::fs::write(file, bytes).map_err(|error| Failure::Operator(format!("{}: {error}", file.display())))
        }
        None => match write_result(bytes) {
            // Whoever read it has seen enough.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
            other => other.map_err(|error| Failure::Operator(format!("stdout: {error}"))),
        },
    }
}

/// Lines of a listing or a test's outcome, which are the result of their command.
pub(super) fn lines(text: &str) -> Result<(), Failure> {
    result(text.as_bytes(), None)
}

/// A remark for whoever watches.
pub(super) fn note(text: &str) {
    say!("{text}");
}

/// Why the command failed.
pub(super) fn failure(failure: &Failure) {
    if matches!(failure, Failure::Cases) {
        return;
    }
    // Clients of the HTTP protocol expect this prefix; people need no telling.
    let text = failure.text().replace("Value error, ", "");
    for (i, line) in text.trim().lines().enumerate() {
        say!("{}", format!("{}{line}", if i == 0 { "error: " } else { "       " }).trim_end());
    }
}

/// A table whose columns are as wide as their widest cell; the last is left as it is.
pub(super) fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<_> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            line += &format!("{cell:<width$}  ");
        }
        text += line.trim_end();
        text.push('\n');
    }
    text
}

/// What a derivative cost, and how it was taken.
pub(super) fn derivative(report: &Report) {
    let evaluations = if report.evaluations == 1 { "evaluation" } else { "evaluations" };
    let workers = if report.workers == 1 { "worker" } else { "workers" };
    say!(
        "{}: {} {evaluations} in {}, {} {workers}",
        report.algorithm,
        report.evaluations,
        brief(report.elapsed),
        report.workers
    );
    if let (Some(samples), Some(seed)) = (report.samples, report.seed) {
        say!("{samples} random directions, seed {seed}");
    }
    let range = |least: f64, most: f64| {
        let (least, most) = (format!("{least:.3e}"), format!("{most:.3e}"));
        if least == most { least } else { format!("{least} to {most}") }
    };
    let steps = report.steps.iter();
    let mut rows: Vec<Vec<String>> =
        steps.map(|steps| vec![format!("step of {}", steps.path), range(steps.least, steps.most)]).collect();
    rows.extend(report.noise.iter().map(|noise| {
        let path = noise.path.to_string();
        let of = if path.is_empty() { "the product".to_owned() } else { path };
        // A central difference has two thirds of the digits of the values.
        let digits = noise.digits.map_or_else(String::new, |digits| {
            format!("  ({digits} digits are printed: a derivative has about {})", (2 * digits).div_ceil(3))
        });
        vec![format!("noise of {of}"), range(noise.least, noise.most) + &digits]
    }));
    let what = if report.samples.is_some() { "standard error" } else { "error" };
    if let Some(bounds) = &report.bounds {
        rows.extend(
            bounds
                .largest()
                .into_iter()
                .map(|(block, most)| vec![format!("{what} of {block}"), format!("at most {most:.1e}")]),
        );
    }
    if let Some(total) = report.total_bound {
        rows.push(vec![format!("{what} of all, as a norm"), format!("at most {total:.1e}")]);
    }
    // Lines of their own, none where there are no rows.
    let _ = write!(std::io::stderr(), "{}", table(&rows));
    for stumble in &report.stumbles {
        let steps: Vec<_> = stumble.steps.iter().map(|step| format!("{step:.1e}")).collect();
        say!("stepped around {}: the model failed with the steps {}", stumble.place, steps.join(", "));
    }
}

/// In a line where evaluations failed, for who wants no report.
pub(super) fn stumbles(report: &Report) {
    const NAMED: usize = 3;
    let places: Vec<&str> = report.stumbles.iter().map(|stumble| &*stumble.place).collect();
    let (named, others) = places.split_at(places.len().min(NAMED));
    let more = if others.is_empty() { String::new() } else { format!(" and {} more", others.len()) };
    if !named.is_empty() {
        say!("warning: the model failed beside {}{more}, which was stepped around: see --report", named.join(", "));
    }
}

/// What whoever uses the numbers must know, wanted or not.
pub(super) fn warnings(report: &Report) {
    for warning in &report.warnings {
        say!("warning: {warning}");
    }
}

/// The seed that was drawn, so that the result can be had again.
pub(super) fn seed(report: &Report) {
    if let Some(seed) = report.seed {
        say!("note: random directions were drawn; --seed {seed} gives the same again");
    }
}

fn brief(duration: std::time::Duration) -> String {
    let seconds = duration.as_secs_f64();
    match seconds {
        s if s >= 1.0 => format!("{s:.2} s"),
        s if s >= 1e-3 => format!("{:.2} ms", s * 1e3),
        s => format!("{:.1} us", s * 1e6),
    }
}
