//! `secant serve`: which models, under which terms.

use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::args::{ModelArguments, Serve};
use super::{Failure, report, settings, signals};
use crate::Model;
use crate::backend;
use crate::server::{self, Addresses, Options, ServeError, Stop};

pub(super) fn run(arguments: &Serve, folders: &[PathBuf]) -> Result<(), Failure> {
    let options = options(arguments)?;
    let models = models(arguments, folders)?;
    let names: Vec<String> = models.iter().map(|model| model.description().name.clone()).collect();
    allow_files();
    let stop = Stop::new();
    let on_signal = stop.clone();
    signals::install_draining(move || on_signal.stop());
    let served = server::serve(models, options, &stop, |addresses| announce(addresses, &names));
    // What did not end by itself in time.
    backend::kill_all();
    served.map_err(|error: ServeError| Failure::Operator(error.to_string()))
}

/// Room for all connections and the pipes of workers, and no more: what models start inherits it, and some programs
/// close every file there could be.
fn allow_files() {
    const FILES: u64 = 8192;
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_some_and(|current| current < FILES) {
        let current = Some(limit.maximum.map_or(FILES, |most| most.min(FILES)));
        // Where it cannot be raised there are fewer, and that is told when they run out.
        let _ = setrlimit(Resource::Nofile, Rlimit { current, ..limit });
    }
}

/// The models named, or all there are; of these, those that can be opened.
fn models(arguments: &Serve, folders: &[PathBuf]) -> Result<Vec<Model>, Failure> {
    let open = |name: &str| {
        let arguments =
            ModelArguments { model: name.to_owned(), workers: arguments.workers, timeout: arguments.timeout };
        settings::open(&arguments, folders)
    };
    if !arguments.models.is_empty() {
        return arguments.models.iter().map(|name| open(name)).collect();
    }
    let mut models = Vec::new();
    for (_, path) in settings::find_models(folders)? {
        match open(&path.to_string_lossy()) {
            Ok(model) => models.push(model),
            Err(failure) => report::note(&format!("not served: {}", failure.text())),
        }
    }
    if models.is_empty() {
        let places: Vec<_> = folders.iter().map(|folder| folder.display().to_string()).collect();
        return Err(Failure::Operator(format!("there is nothing to serve in {}", places.join(", "))));
    }
    Ok(models)
}

fn options(arguments: &Serve) -> Result<Options, Failure> {
    let token = arguments.token_file.as_deref().map(read_token).transpose()?;
    let host = arguments.host.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
    if !host.is_loopback() && token.is_none() && !arguments.insecure {
        return Err(Failure::Operator(format!(
            "at {host} anyone who can reach this machine could run these models: ask for a token with --token-file, \
             or say --insecure where the network is trusted"
        )));
    }
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    Ok(Options {
        host,
        port: arguments.port,
        umbridge_port: arguments.umbridge_port,
        token,
        cors: arguments.cors.clone(),
        binref: arguments.binref.clone(),
        debug: arguments.debug,
        concurrency: arguments.concurrency.map_or(cores, usize::from),
        queue: usize::from(arguments.queue),
        body_limit: arguments.body_limit.saturating_mul(1 << 20),
        time_limit: arguments.time_limit,
        patience: arguments.patience,
    })
}

fn read_token(file: &Path) -> Result<String, Failure> {
    let fail = |reason: &dyn std::fmt::Display| Failure::Operator(format!("--token-file {}: {reason}", file.display()));
    let text = std::fs::read_to_string(file).map_err(|error| fail(&error))?;
    let token = text.trim();
    if token.is_empty() { Err(fail(&"it is empty")) } else { Ok(token.to_owned()) }
}

fn announce(addresses: Addresses, names: &[String]) {
    report::note(&format!("listening on http://{}", addresses.main));
    for name in names {
        report::note(&format!("  http://{}/{name}", addresses.main));
    }
    if let Some(umbridge) = addresses.umbridge {
        report::note(&format!("umbridge on http://{umbridge}"));
    }
}
