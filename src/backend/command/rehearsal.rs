//! A run for its own sake: everything that a program leaves is shown, since nobody knows yet where its outputs are.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use super::adapter::{Adapter, Origin, Target};
use super::folder::Ground;
use super::instance::Laid;
use super::run::{self, Script};
use super::write::Asked;
use crate::manifest::command::{Command, Keep};
use crate::model::{Cancel, ModelError};
use crate::schema::Signature;
use crate::tree::{Layout, Tree};

/// Of a file no more than this is an example.
const LONGEST: u64 = 1 << 20;

/// Of more files than these nobody reads the readings.
const MOST: usize = 64;

/// Runs the program of a `[command]` table once and returns what it left, `stdout` and `stderr` first, then the files
/// it wrote, in the order of their names, each with the beginning of its content.
///
/// # Errors
/// Everything that is wrong with the table, or how the run failed; the files of a failed run are kept.
pub(crate) fn rehearse(
    command: &Command,
    name: &str,
    home: &Path,
    signature: &Signature,
    inputs: &Tree,
) -> Result<Vec<(String, Vec<u8>)>, ModelError> {
    let mut adapter = Adapter::new(command, name, home, &[], None, signature)
        .map_err(|faults| ModelError::failed(format!("it cannot be run:\n{faults}")))?;
    let cannot = |error: std::io::Error| ModelError::failed(format!("a folder for its run: {error}"));
    let scratch = tempfile::tempdir().map_err(cannot)?;
    adapter.ground = Ground::new(scratch.path().to_owned(), name, Keep::All);
    adapter.origins = vec![(Origin::Stdout, Vec::new()), (Origin::Stderr, Vec::new())];
    let mut folders = adapter.ground.stake().map_err(ModelError::failed)?;
    let laid = Laid::new(&adapter, signature, inputs, &Layout::default(), Asked::Values)?;
    let mut script = Script::default();
    laid.write(&[], &mut script)?;
    let mut left = Vec::new();
    let ran = run::run(&adapter, &mut folders, &script, &Cancel::default(), &[0, 1], &mut |place, text| {
        let name = if place == 0 { "stdout" } else { "stderr" };
        left.push((name.to_owned(), text[..text.len().min(LONGEST as usize)].to_vec()));
        Ok(())
    });
    drop(folders);
    if let Err(error) = ran {
        // Its words say where the files are.
        let _ = scratch.keep();
        return Err(error);
    }
    let mut files = Vec::new();
    for folder in fs::read_dir(scratch.path()).map_err(cannot)?.flatten() {
        collect(&folder.path(), Path::new(""), &mut files);
    }
    files.sort();
    files.dedup();
    for (name, path) in files {
        if left.len() > MOST {
            break;
        }
        let content = beginning(&path).unwrap_or_default();
        if !is_given(&adapter, &script, &name, &content) {
            left.push((name.to_string_lossy().into_owned(), content));
        }
    }
    Ok(left)
}

/// Files below a folder that are no links and whose names do not hide, by their names from there.
fn collect(folder: &Path, below: &Path, files: &mut Vec<(PathBuf, PathBuf)>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let (path, name) = (entry.path(), below.join(entry.file_name()));
        let Ok(kind) = entry.file_type() else { continue };
        if entry.file_name().to_string_lossy().starts_with('.') {
            continue;
        }
        if kind.is_dir() {
            collect(&path, &name, files);
        } else if kind.is_file() {
            files.push((name, path));
        }
    }
}

/// Whether a file is as it was before the program was started.
fn is_given(adapter: &Adapter, script: &Script, name: &Path, content: &[u8]) -> bool {
    let same = |given: &[u8]| given[..given.len().min(LONGEST as usize)] == *content;
    let mut written = adapter.writes.iter().zip(&script.texts);
    let of_furniture = |furniture: &super::adapter::Furniture| match name.strip_prefix(&furniture.to) {
        Ok(rest) if rest.as_os_str().is_empty() => beginning(&furniture.from).is_ok_and(|given| same(&given)),
        Ok(rest) => beginning(&furniture.from.join(rest)).is_ok_and(|given| same(&given)),
        Err(_) => false,
    };
    written.any(|((target, _), text)| matches!(target, Target::File(file) if file == name) && same(text))
        || adapter.furniture.iter().any(of_furniture)
}

fn beginning(file: &Path) -> std::io::Result<Vec<u8>> {
    let mut content = Vec::new();
    fs::File::open(file)?.take(LONGEST).read_to_end(&mut content)?;
    Ok(content)
}
