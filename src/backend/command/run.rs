//! One run: its folder furnished and its files written, the program started, what it left judged and read.

use std::fs;
use std::io::{self, Read as _};
use std::path::{Path as FilePath, PathBuf};
use std::time::{Duration, SystemTime};

use super::adapter::{Adapter, Origin, Target};
use super::folder::Folders;
use crate::backend::child::{Launch, describe, is_ending, last_lines};
use crate::backend::oneshot;
use crate::model::{Cancel, ModelError, ModelErrorKind};

/// Files larger than this are not read: they are no output of numbers, and memory is not endless.
const LARGEST: u64 = 256 << 20;

/// Where stderr goes when outputs or signs of failure are looked for in it, of which a pipe keeps the end alone; a name
/// that no program writes to.
const STDERR: &str = ".secant-stderr";

/// Reads one of the places where outputs are.
pub(super) type Take<'t> = dyn FnMut(usize, &[u8]) -> Result<(), String> + 't;

/// What a run is given: everything that depends on the point.
#[derive(Default)]
pub(super) struct Script {
    pub(super) arguments: Vec<String>,
    /// The values of the adapter's variables.
    pub(super) env: Vec<String>,
    /// One text for each of the adapter's targets.
    pub(super) texts: Vec<Vec<u8>>,
}

/// Runs the program once and shows `take` what it left in each of the `wanted` places, numbers among the adapter's
/// origins. The folder is removed, or kept where that helps.
pub(super) fn run(
    adapter: &Adapter,
    folders: &mut Folders,
    script: &Script,
    cancel: &Cancel,
    wanted: &[usize],
    take: &mut Take<'_>,
) -> Result<(), ModelError> {
    let folder =
        folders.fresh().map_err(|error| ModelError::failed(format!("cannot make a folder for it: {error}")))?;
    let outcome = attempt(adapter, &folder, script, cancel, wanted, take);
    match outcome {
        Ok(()) => {
            adapter.ground.done(&folder);
            Ok(())
        }
        // What ended because nobody waits for it, or because we end, has not failed.
        Err(error) if error.kind == ModelErrorKind::Cancelled || is_ending() => {
            let _ = fs::remove_dir_all(&folder);
            Err(error)
        }
        Err(error) => {
            let place = adapter.ground.failed(&folder);
            Err(ModelError::new(error.kind, format!("{}\n{place}", error.message)))
        }
    }
}

fn attempt(
    adapter: &Adapter,
    folder: &FilePath,
    script: &Script,
    cancel: &Cancel,
    wanted: &[usize],
    take: &mut Take<'_>,
) -> Result<(), ModelError> {
    let stdin = prepare(adapter, folder, script).map_err(ModelError::failed)?;
    let before = stamps(adapter, folder);
    let reads_stderr = adapter.origins.iter().any(|(origin, _)| *origin == Origin::Stderr);
    let errors = (reads_stderr || !adapter.failure.is_empty()).then(|| folder.join(STDERR));
    let launch = Launch {
        argv: adapter.program.iter().chain(&script.arguments).cloned().collect(),
        folder: folder.to_owned(),
        env: adapter.env.iter().map(|(name, _)| name.clone()).zip(script.env.iter().cloned()).collect(),
        inherit: Some(adapter.inherit.clone()),
        errors: errors.clone(),
    };
    let failure = |kind, message: String, last_words: &str| {
        let mut message = format!("{message}\ncommand: {}", launch.argv.join(" "));
        if !last_words.trim().is_empty() {
            message += &format!("\nits last words on stderr:\n{}", last_lines(last_words));
        }
        if let Some(log) = &adapter.log
            && let Ok(text) = tail(&folder.join(log))
        {
            message += &format!("\nthe end of {}:\n{}", log.display(), last_lines(&text));
        }
        ModelError::new(kind, message)
    };
    let heard = |words: String| match &errors {
        Some(file) => tail(file).unwrap_or_default(),
        None => words,
    };
    let ran = oneshot::run(&launch, stdin, adapter.timeout, cancel)
        .map_err(|cut| failure(cut.error.kind, cut.error.message, &heard(cut.last_words)))?;
    let last_words = heard(ran.last_words);
    match ran.status.code() {
        Some(code) if adapter.exit_codes.contains(&code) => {}
        Some(_) => return Err(failure(ModelErrorKind::Failed, describe(ran.status), &last_words)),
        None => return Err(failure(ModelErrorKind::Crashed, describe(ran.status), &last_words)),
    }
    let judged = |text: &[u8], name: &str| match sign_of_failure(adapter, text) {
        Some((expression, line)) => {
            let message = format!("it says that it failed: {name} has `{line}`, which matches '{expression}'");
            Err(failure(ModelErrorKind::Failed, message, &last_words))
        }
        None => Ok(()),
    };
    judged(&ran.stdout, "its stdout")?;
    let mut content = Vec::new();
    if !adapter.failure.is_empty() {
        let log = adapter.log.as_ref().map(|log| (folder.join(log), log.display().to_string()));
        for (file, name) in errors.iter().map(|file| (file.clone(), "its stderr".to_owned())).chain(log) {
            let Ok(file) = fs::File::open(file) else { continue };
            content.clear();
            // As much of it as there is memory for; what cannot be read says nothing.
            let _ = file.take(LARGEST).read_to_end(&mut content);
            judged(&content, &name)?;
        }
    }
    for &place in wanted {
        let origin = &adapter.origins[place].0;
        let name = origin.to_string();
        let file = match origin {
            Origin::Stdout => None,
            Origin::Stderr => Some(FilePath::new(STDERR)),
            Origin::File(file) => Some(file.as_path()),
        };
        let text = match file {
            None => &ran.stdout,
            Some(file) => {
                let old = before.iter().find(|(other, _)| *other == file).map(|(_, stamp)| *stamp);
                slurp(&folder.join(file), old, &mut content)
                    .map_err(|fault| failure(ModelErrorKind::Failed, format!("{name} {fault}"), &last_words))?;
                judged(&content, &name)?;
                &content
            }
        };
        take(place, text).map_err(|fault| failure(ModelErrorKind::Failed, format!("{name}: {fault}"), &last_words))?;
    }
    Ok(())
}

/// Furnishes the folder and writes the program's files into it. What goes to its stdin comes back.
fn prepare<'s>(adapter: &Adapter, folder: &FilePath, script: &'s Script) -> Result<&'s [u8], String> {
    for furniture in &adapter.furniture {
        let to = folder.join(&furniture.to);
        let done = match furniture.linked {
            true => make_parent(&to).and_then(|()| std::os::unix::fs::symlink(&furniture.from, &to)),
            false => copy(&furniture.from, &to),
        };
        done.map_err(|error| format!("{} cannot be brought to {}: {error}", furniture.from.display(), to.display()))?;
    }
    // Who writes into a folder expects it to be there.
    for (origin, _) in &adapter.origins {
        if let Origin::File(file) = origin {
            let file = folder.join(file);
            make_parent(&file).map_err(|error| format!("cannot make the folder of {}: {error}", file.display()))?;
        }
    }
    let mut stdin: &[u8] = &[];
    for ((target, _), text) in adapter.writes.iter().zip(&script.texts) {
        match target {
            Target::Stdin => stdin = text,
            Target::File(file) => {
                let file = folder.join(file);
                // A link is replaced, so that nothing is written through it.
                if file.is_symlink() {
                    let _ = fs::remove_file(&file);
                }
                make_parent(&file)
                    .and_then(|()| fs::write(&file, text))
                    .map_err(|error| format!("cannot write {}: {error}", file.display()))?;
            }
        }
    }
    Ok(stdin)
}

fn make_parent(file: &FilePath) -> io::Result<()> {
    match file.parent() {
        Some(parent) if !parent.is_dir() => fs::create_dir_all(parent),
        _ => Ok(()),
    }
}

fn copy(from: &FilePath, to: &FilePath) -> io::Result<()> {
    let named = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", from.display()));
    let kind = fs::metadata(from).map_err(named)?.file_type();
    if kind.is_file() {
        make_parent(to)?;
        return fs::copy(from, to).map(|_| ()).map_err(named);
    }
    if !kind.is_dir() {
        // To read a pipe waits for who writes to it.
        return Err(named(io::Error::other("it is neither a file nor a folder")));
    }
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        copy(&entry.path(), &to.join(entry.file_name()))?;
    }
    Ok(())
}

/// When the files to be read that are there already were last written.
fn stamps(adapter: &Adapter, folder: &FilePath) -> Vec<(PathBuf, SystemTime)> {
    let files = adapter.origins.iter().filter_map(|(origin, _)| match origin {
        Origin::File(file) => Some(file),
        Origin::Stdout | Origin::Stderr => None,
    });
    files.filter_map(|file| Some((file.clone(), stamp(&folder.join(file)).ok()?))).collect()
}

/// When a file was last written. It is made a second older, as a program may write it again before the clock of the
/// file system ticks; what a link leads to is not ours to change.
fn stamp(file: &FilePath) -> io::Result<SystemTime> {
    let written = fs::metadata(file)?.modified()?;
    let earlier = written.checked_sub(Duration::from_secs(1)).filter(|_| !file.is_symlink());
    let aged = earlier.filter(|&earlier| {
        fs::File::options().write(true).open(file).and_then(|open| open.set_modified(earlier)).is_ok()
    });
    Ok(aged.unwrap_or(written))
}

/// Reads a file that must have been written since `old`.
fn slurp(file: &FilePath, old: Option<SystemTime>, content: &mut Vec<u8>) -> Result<(), String> {
    let data = match fs::metadata(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err("was not written".to_owned()),
        Err(error) => return Err(format!("cannot be read: {error}")),
        Ok(data) => data,
    };
    if !data.is_file() {
        return Err("is no file".to_owned());
    }
    if data.len() > LARGEST {
        return Err(format!("has {} bytes, and more than {LARGEST} are not read", data.len()));
    }
    if old.is_some_and(|old| data.modified().is_ok_and(|now| now == old)) {
        return Err("was not written: it is as it was before the run".to_owned());
    }
    content.clear();
    let read = fs::File::open(file).and_then(|opened| opened.take(LARGEST).read_to_end(content));
    read.map(|_| ()).map_err(|error| format!("cannot be read: {error}"))
}

/// The end of a text file.
fn tail(file: &FilePath) -> io::Result<String> {
    use std::io::Seek as _;
    let mut file = fs::File::open(file)?;
    let length = file.metadata()?.len();
    file.seek(io::SeekFrom::Start(length.saturating_sub(16 << 10)))?;
    let mut text = Vec::new();
    file.take(16 << 10).read_to_end(&mut text)?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// The first of the expressions that matches, and the line in which it does.
fn sign_of_failure(adapter: &Adapter, text: &[u8]) -> Option<(String, String)> {
    let (expression, start) =
        adapter.failure.iter().find_map(|expression| Some((expression, expression.find(text)?.start())))?;
    let begin = text[..start].iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let line = text[begin..].split(|byte| *byte == b'\n').next().unwrap_or_default();
    let line: String = String::from_utf8_lossy(&line[..line.len().min(200)]).trim().to_owned();
    Some((expression.as_str().to_owned(), line))
}
