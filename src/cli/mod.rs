//! A person at a terminal: arguments as typed, settings as resolved, one function a command, and
//! `report`, the only file that prints.

mod args;
mod ask;
mod cases;
mod check;
mod describe;
mod new;
mod plot;
mod progress;
mod report;
mod serve;
mod settings;
mod signals;
mod study;
mod worker;

use std::process::ExitCode;

use clap::Parser;

use crate::api::Error;
use crate::backend;
use crate::endpoint::{self, Place, Question};
use crate::model::ModelErrorKind;
use args::{Arguments, Command};

/// Why a command failed, sorted by whose fault it is; each has its exit code.
#[derive(Debug)]
enum Failure {
    /// Stored cases, or checks of derivatives, failed, and the report says which.
    Cases,
    /// The caller's.
    Caller(String),
    /// The model said no.
    Model(String),
    /// The model crashed, took too long or broke its protocol.
    Crash(String),
    /// The operator's.
    Operator(String),
}

impl Failure {
    fn exit_code(&self) -> u8 {
        match self {
            Failure::Cases => 1,
            Failure::Caller(_) => 2,
            Failure::Model(_) => 3,
            Failure::Crash(_) => 4,
            Failure::Operator(_) => 5,
        }
    }
}

impl Failure {
    /// What went wrong, in words.
    fn text(&self) -> &str {
        match self {
            Failure::Cases => "there were failures",
            Failure::Caller(text) | Failure::Model(text) | Failure::Crash(text) | Failure::Operator(text) => text,
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        match error {
            Error::Open(error) => Failure::Operator(error.to_string()),
            Error::Pattern(error) => Failure::Operator(error),
            Error::Schema(error) => Failure::Operator(error.to_string()),
            Error::Path(error) => Failure::Caller(error.to_string()),
            Error::Question(error) => error.into(),
        }
    }
}

impl From<endpoint::Error> for Failure {
    fn from(error: endpoint::Error) -> Failure {
        let text = error.to_string();
        match error {
            endpoint::Error::Caller(_) | endpoint::Error::Cancelled => Failure::Caller(text),
            // What cannot even be started is set up wrongly, whatever became of it.
            endpoint::Error::Model { place: Place::Start, .. } => Failure::Operator(text),
            endpoint::Error::Model { error, .. } => match error.kind {
                ModelErrorKind::Refused | ModelErrorKind::Failed => Failure::Model(text),
                ModelErrorKind::Crashed
                | ModelErrorKind::TimedOut
                | ModelErrorKind::Broken
                | ModelErrorKind::Cancelled => Failure::Crash(text),
            },
        }
    }
}

/// Runs the program on its arguments.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let serves = matches!(arguments.command, Command::Serve(_));
    report::install(arguments.verbose, serves && !arguments.quiet);
    if !serves {
        signals::install();
    }
    if !matches!(arguments.command, Command::Worker { .. }) {
        // A worker's crash is told by whoever started it.
        backend::announce_crashes(Failure::Crash(String::new()).exit_code());
        report::keep_stdout();
    }
    let outcome = run(arguments);
    signals::give_way();
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            report::failure(&failure);
            ExitCode::from(failure.exit_code())
        }
    }
}

fn run(arguments: Arguments) -> Result<(), Failure> {
    let folders = settings::plugin_folders(arguments.plugins);
    match arguments.command {
        Command::List => describe::list(&folders),
        Command::Describe { model } => describe::describe(&settings::open(&model, &folders)?),
        Command::Apply(ask) => ask::apply(&ask, &folders, arguments.quiet),
        Command::Jacobian(ask) => ask::derivative(&ask, &folders, arguments.quiet, Question::Jacobian),
        Command::Jvp(ask) => ask::derivative(&ask, &folders, arguments.quiet, Question::Jvp),
        Command::Vjp(ask) => ask::derivative(&ask, &folders, arguments.quiet, Question::Vjp),
        Command::Hessian(ask) => ask::derivative(&ask, &folders, arguments.quiet, Question::Hessian),
        Command::Hvp(ask) => ask::derivative(&ask, &folders, arguments.quiet, Question::Hvp),
        Command::AbstractEval(ask) => ask::abstract_eval(&ask, &folders, arguments.quiet),
        Command::Check(check) => check::run(&check, &folders, arguments.quiet),
        Command::Study(study) => study::run(&study, &folders, arguments.quiet),
        Command::Test { model, update } => cases::run(&settings::open(&model, &folders)?, update),
        Command::Serve(arguments) => serve::run(&arguments, &folders),
        Command::New { name, kind, symbol, program } => new::run(&name, kind, &symbol, &program, &folders),
        Command::Worker { model, describe } => worker::run(&model, describe),
    }
}
