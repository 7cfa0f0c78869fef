//! How a legacy program is run: its manifest's `[command]` table made ready, all mistakes in it found at once.

use std::fmt;
use std::path::{Component, Path as FilePath, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use regex::bytes::{Regex, RegexBuilder};

use super::folder::Ground;
use super::gradients::Dakota;
use super::read::Reader;
use super::write::{Source, never_written};
use crate::backend::child::locate;
use crate::manifest::command::{Command, Writing};
use crate::schema::{Dim, Side, Signature};
use crate::tree::Path;

/// How a legacy program is run.
pub(in crate::backend) struct Adapter {
    /// The launcher, then the program.
    pub(super) program: Vec<String>,
    pub(super) arguments: Vec<Source>,
    pub(super) env: Vec<(String, Source)>,
    pub(super) inherit: Arc<[String]>,
    pub(super) furniture: Vec<Furniture>,
    pub(super) writes: Vec<(Target, Source)>,
    pub(super) reads: Vec<Output>,
    /// Where outputs are found, each with the numbers of those that are found there.
    pub(super) origins: Vec<(Origin, Vec<usize>)>,
    /// Where gradients are found, if the program writes any.
    pub(super) dakota: Option<Dakota>,
    pub(super) exit_codes: Vec<i32>,
    /// What tells that a run failed.
    pub(super) failure: Vec<Regex>,
    pub(super) log: Option<PathBuf>,
    pub(super) ground: Ground,
    pub(super) timeout: Option<Duration>,
}

/// A file or folder that is there before the program starts.
pub(super) struct Furniture {
    pub(super) from: PathBuf,
    /// Relative to the folder of the run.
    pub(super) to: PathBuf,
    pub(super) linked: bool,
}

/// Where a text goes that the program is given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Target {
    Stdin,
    /// Relative to the folder of the run.
    File(PathBuf),
}

impl Target {
    fn file(&self) -> Option<&FilePath> {
        match self {
            Target::Stdin => None,
            Target::File(file) => Some(file),
        }
    }
}

/// Where an output is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    Stdout,
    Stderr,
    /// Relative to the folder of the run.
    File(PathBuf),
}

/// One output: how it is found, and what it must be.
pub(super) struct Output {
    pub(super) path: Path,
    pub(super) reader: Reader,
    pub(super) shape: Vec<Dim>,
    /// Whether its elements are complex: two numbers each, the real part first.
    pub(super) complex: bool,
}

/// The variables that a program gets unless the manifest lists others: those it needs to be found, to find its
/// libraries and its user's settings, and to know its place on a cluster.
const INHERITED: [&str; 18] = [
    "PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LC_*", "TZ", "TMPDIR", "DISPLAY", "XDG_*", "LD_*", "DYLD_*",
    "OMP_*", "SLURM_*", "PMI*", "OMPI_*", "MPI*",
];

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::Stdin => f.write_str("stdin"),
            Target::File(file) => file.display().fmt(f),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Stdout => f.write_str("its stdout"),
            Origin::Stderr => f.write_str("its stderr"),
            Origin::File(file) => file.display().fmt(f),
        }
    }
}

/// What is wrong with the table.
#[derive(Default)]
struct Faults(Vec<String>);

impl Faults {
    fn note(&mut self, key: &str, fault: impl fmt::Display) {
        self.0.push(format!("command.{key}: {fault}"));
    }

    /// What is right, while what is wrong is noted.
    fn keep<T>(&mut self, key: &str, result: Result<T, impl fmt::Display>) -> Option<T> {
        result.map_err(|fault| self.note(key, fault)).ok()
    }
}

impl Adapter {
    /// The error has everything that is wrong with the table, a line each.
    pub(in crate::backend) fn new(
        command: &Command,
        name: &str,
        home: &FilePath,
        launcher: &[String],
        timeout: Option<Duration>,
        signature: &Signature,
    ) -> Result<Adapter, String> {
        let mut faults = Faults::default();
        let Some((first, arguments)) = command.argv.split_first() else {
            return Err("command.argv is empty".to_owned());
        };
        let program = program(first, home, launcher, &mut faults);
        let mut inline = |key: &str, text: &str| faults.keep(key, Source::inline(key, text));
        let arguments: Vec<_> = arguments.iter().filter_map(|text| inline("argv", text)).collect();
        let env: Vec<_> = command
            .env
            .iter()
            .filter_map(|(key, text)| Some((key.clone(), inline(&format!("env.{key}"), text)?)))
            .collect();
        let furniture = furniture(command, home, &mut faults);
        let writes = writes(command, home, &mut faults);
        for file in writes.iter().filter_map(|(target, _)| target.file()) {
            // Every run would write the one file that they all read.
            if let Some(linked) = furniture.iter().find(|piece| piece.linked && lies_below(file, &piece.to)) {
                let (file, folder) = (file.display(), linked.to.display());
                faults.note("write", format_args!("'{file}' lies in the linked '{folder}': copy that instead"));
            }
        }
        let sources = || {
            let env = env.iter().map(|(_, source)| source);
            arguments.iter().chain(env).chain(writes.iter().map(|(_, source)| source))
        };
        for fault in sources().flat_map(|source| source.check(&signature.inputs)) {
            faults.note("write", fault);
        }
        // Sources that could not be read may have mentioned anything.
        if faults.0.is_empty() {
            for pattern in never_written(sources(), signature) {
                faults.note("write", format_args!("nothing of it says the differentiable input {pattern}"));
            }
        }
        let (reads, origins) = reads(command, home, signature, &mut faults);
        for (origin, _) in &origins {
            let Origin::File(file) = origin else { continue };
            if furniture.iter().any(|piece| piece.linked && (piece.to == *file || lies_below(file, &piece.to))) {
                faults.note("read", format_args!("'{}' is linked, and would be that of all runs", file.display()));
            }
        }
        let dakota = match Dakota::new(command, &reads, &origins, signature) {
            Ok(dakota) => dakota,
            Err(fault) => {
                faults.note("write", fault);
                None
            }
        };
        let expression = |text: &String| RegexBuilder::new(text).multi_line(true).build();
        let failure =
            command.fail_regex.iter().filter_map(|text| faults.keep("fail_regex", expression(text))).collect();
        if let Some(log) = command.log.as_ref().filter(|log| !inside(log)) {
            faults.note("log", format_args!("'{}' is not inside of the run's folder", log.display()));
        }
        if !faults.0.is_empty() {
            return Err(faults.0.join("\n"));
        }
        let inherit = match &command.inherit {
            Some(names) => names.iter().cloned().collect(),
            None => INHERITED.map(str::to_owned).into_iter().collect(),
        };
        let scratch = command.scratch.as_ref().map_or_else(std::env::temp_dir, |folder| home.join(folder));
        Ok(Adapter {
            program,
            arguments,
            env,
            inherit,
            furniture,
            writes,
            reads,
            origins,
            dakota,
            exit_codes: command.exit_codes.clone(),
            failure,
            log: command.log.clone(),
            ground: Ground::new(scratch, name, command.keep),
            timeout,
        })
    }
}

fn program(first: &str, home: &FilePath, launcher: &[String], faults: &mut Faults) -> Vec<String> {
    let place = match locate(first, home) {
        Ok(place) => place.to_string_lossy().into_owned(),
        // Another machine may have what this one has not.
        Err(_) if !launcher.is_empty() => first.to_owned(),
        Err(fault) => {
            faults.note("argv", fault);
            return Vec::new();
        }
    };
    launcher.iter().cloned().chain([place]).collect()
}

/// Whether a file is in a folder, or in one in it; both are named from the run's folder.
fn lies_below(file: &FilePath, folder: &FilePath) -> bool {
    let names = |path: &FilePath| -> Vec<_> {
        path.components().filter(|part| *part != Component::CurDir).map(|part| part.as_os_str().to_owned()).collect()
    };
    let (file, folder) = (names(file), names(folder));
    file.len() > folder.len() && file.starts_with(&folder)
}

fn furniture(command: &Command, home: &FilePath, faults: &mut Faults) -> Vec<Furniture> {
    let mut furniture = Vec::new();
    for (key, linked, files) in [("copy", false, &command.copy), ("link", true, &command.link)] {
        for file in files {
            let to = if inside(file) { Some(file.clone()) } else { file.file_name().map(PathBuf::from) };
            let from = home.join(file);
            // A link must lead there from any folder.
            match (std::path::absolute(&from), to) {
                (Ok(from), Some(to)) if from.exists() => furniture.push(Furniture { from, to, linked }),
                _ => faults.note(key, format_args!("there is no {}", from.display())),
            }
        }
    }
    furniture
}

fn writes(command: &Command, home: &FilePath, faults: &mut Faults) -> Vec<(Target, Source)> {
    let mut writes: Vec<(Target, Source)> = Vec::new();
    for write in &command.write {
        let to = match write.to.as_str() {
            "stdin" => Target::Stdin,
            file => Target::File(PathBuf::from(file)),
        };
        if let Target::File(file) = &to
            && !inside(file)
        {
            faults.note("write", format_args!("`to` is '{}': expected a file inside of the run's folder", write.to));
        }
        if writes.iter().any(|(other, _)| *other == to) {
            faults.note("write", format_args!("'{to}' is written twice"));
        }
        writes.extend(faults.keep("write", Source::load(write, home)).map(|source| (to, source)));
    }
    writes
}

fn reads(
    command: &Command,
    home: &FilePath,
    signature: &Signature,
    faults: &mut Faults,
) -> (Vec<Output>, Vec<(Origin, Vec<usize>)>) {
    let responses = command.write.iter().find_map(|write| match &write.writing {
        Writing::Dakota(parameters) => Some(&parameters.dakota.responses),
        _ => None,
    });
    let (mut reads, mut origins) = (Vec::new(), Vec::<(Origin, Vec<usize>)>::new());
    for (text, read) in &command.read {
        let key = format!("read.{text}");
        let from = match read.from.as_str() {
            "stdout" => Origin::Stdout,
            "stderr" => Origin::Stderr,
            file => Origin::File(PathBuf::from(file)),
        };
        if let Origin::File(file) = &from
            && !inside(file)
        {
            faults.note(&key, format_args!("`from` is '{from}': expected a file inside of the run's folder"));
        }
        let place = text.parse::<Path>().map_err(|error| error.to_string());
        let place = place.and_then(|path| shape(&path, signature).map(|(shape, complex)| (path, shape, complex)));
        let reader = Reader::load(read, home).and_then(|mut reader| {
            responses.map_or(Ok(()), |responses| reader.order(responses))?;
            Ok(reader)
        });
        let (place, reader) = (faults.keep(&key, place), faults.keep(&key, reader));
        let (Some((path, shape, complex)), Some(reader)) = (place, reader) else { continue };
        match origins.iter_mut().find(|(other, _)| *other == from) {
            Some((_, outputs)) => outputs.push(reads.len()),
            None => origins.push((from, vec![reads.len()])),
        }
        reads.push(Output { path, reader, shape, complex });
    }
    for (pattern, _) in signature.outputs.leaves() {
        let is_read = |key: &String| key.parse::<Path>().is_ok_and(|path| pattern.matches(&path));
        if !command.read.keys().any(is_read) {
            faults.note("read", format_args!("nothing says where the output {pattern} is found"));
        }
    }
    (reads, origins)
}

/// Whether a file lies in the folder it is relative to.
fn inside(file: &FilePath) -> bool {
    let mut parts = file.components().peekable();
    parts.peek().is_some() && parts.all(|part| matches!(part, Component::Normal(_) | Component::CurDir))
}

/// The dimensions of an output that numbers can be read into, and whether it is complex.
fn shape(path: &Path, signature: &Signature) -> Result<(Vec<Dim>, bool), String> {
    let Some(leaf) = signature.outputs.leaf(path) else {
        let known: Vec<_> = signature.side(Side::Output).leaves().iter().map(|(leaf, _)| leaf.to_string()).collect();
        return Err(format!("there is no such number among the outputs: there is {}", known.join(", ")));
    };
    let shape = leaf.shape.clone().ok_or("its number of dimensions must be fixed by the output schema")?;
    if shape.iter().filter(|dim| !matches!(dim, Dim::Fixed(_))).count() > 1 {
        return Err("more than one of its dimensions is left open: numbers alone do not tell them".to_owned());
    }
    Ok((shape, leaf.dtype.is_complex()))
}
