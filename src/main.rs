//! The `secant` program: parse, run, exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    secant::cli::main()
}
