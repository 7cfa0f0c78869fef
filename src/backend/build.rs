//! Making a plugin's library or program by its manifest's `build`, when it is missing or older than
//! its sources.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::child::Launch;
use super::oneshot;
use crate::cache_folder;
use crate::model::Cancel;

/// Our header, so that `{include}` works wherever secant is installed.
const HEADER: &str = include_str!("../../include/secant.h");

/// What is to be made, and how.
pub(super) struct Recipe<'m> {
    /// The manifest, which a new build must also follow, and whose lock keeps two builds apart.
    pub(super) manifest: &'m Path,
    pub(super) folder: &'m Path,
    /// The file that is made.
    pub(super) target: &'m Path,
    pub(super) argv: &'m [String],
    pub(super) sources: Option<&'m [PathBuf]>,
}

impl Recipe<'_> {
    /// Builds if need be.
    pub(super) fn follow(&self) -> Result<(), String> {
        if self.argv.is_empty() || self.is_fresh() {
            return Ok(());
        }
        // Whoever comes second waits, and finds it done.
        let lock = File::open(self.manifest).map_err(|error| error.to_string())?;
        lock.lock().map_err(|error| format!("cannot lock the manifest for the build: {error}"))?;
        if self.is_fresh() {
            return Ok(());
        }
        self.run()
    }

    fn run(&self) -> Result<(), String> {
        let include = include_folder()?;
        // Made under another name and then moved, so that nobody ever loads half a library.
        let fresh = self.target.with_extension(format!("new{}", std::process::id()));
        let names_target = self.argv.iter().any(|argument| argument.contains("{path}"));
        let argv: Vec<String> = self
            .argv
            .iter()
            .map(|argument| {
                argument.replace("{path}", &fresh.to_string_lossy()).replace("{include}", &include.to_string_lossy())
            })
            .collect();
        let command = argv.join(" ");
        tracing::info!("building: {command}");
        self.sweep_up();
        // What changes while it runs it may have read before.
        let started = SystemTime::now();
        let launch = Launch { argv, folder: self.folder.to_owned(), env: BTreeMap::new(), inherit: None, errors: None };
        let ran = oneshot::run(&launch, &[], None, &Cancel::default())
            .map_err(|cut| format!("build: {}\n{}", cut.error, cut.last_words.trim_end()))?;
        if !ran.status.success() {
            let _ = std::fs::remove_file(&fresh);
            return Err(format!("build: `{command}` failed ({}):\n{}", ran.status, ran.last_words.trim_end()));
        }
        if names_target {
            std::fs::rename(&fresh, self.target)
                .map_err(|error| format!("build: `{command}` succeeded but made no {{path}}: {error}"))?;
        } else if !self.target.exists() {
            return Err(format!("build: `{command}` succeeded but {} is not there", self.target.display()));
        }
        // A compiler that found nothing to do leaves an old file; it is up to date all the same.
        if let Ok(file) = File::options().append(true).open(self.target) {
            let _ = file.set_modified(started);
        }
        Ok(())
    }

    /// Removes what builds left that were ended halfway. The manifest is locked: none of them goes on.
    fn sweep_up(&self) {
        let (Some(folder), Some(stem)) = (self.target.parent(), self.target.file_stem()) else { return };
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            let number = path.extension().and_then(OsStr::to_str).and_then(|ending| ending.strip_prefix("new"));
            let is_ours = number.is_some_and(|number| number.parse::<u32>().is_ok());
            if is_ours && path.file_stem() == Some(stem) {
                let _ = std::fs::remove_file(path);
            }
        }
    }

    fn is_fresh(&self) -> bool {
        let Some(made) = modified(self.target) else { return false };
        let newer = |path: &Path| modified(path).is_none_or(|changed| changed > made);
        if newer(self.manifest) {
            return false;
        }
        match self.sources {
            Some(sources) => !sources
                .iter()
                .any(|source| newest(&self.folder.join(source), &mut |_| true).is_none_or(|changed| changed > made)),
            None => newest(self.folder, &mut |path| path != self.target && is_code(path))
                .is_none_or(|changed| changed <= made),
        }
    }
}

fn modified(path: &Path) -> Option<SystemTime> {
    path.metadata().ok()?.modified().ok()
}

/// The time of the newest file at or below `path` that counts.
fn newest(path: &Path, counts: &mut impl FnMut(&Path) -> bool) -> Option<SystemTime> {
    if !path.is_dir() {
        return modified(path);
    }
    let entries = std::fs::read_dir(path).ok()?.flatten().map(|entry| entry.path());
    let mut found = None;
    for entry in entries {
        let hidden = entry.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        let made = entry.file_name() == Some(OsStr::new("target"));
        if hidden || made || !(entry.is_dir() || counts(&entry)) {
            continue;
        }
        found = found.max(newest(&entry, counts));
    }
    found
}

/// Whether a file's change can change a build: the languages that compile to what we load.
fn is_code(path: &Path) -> bool {
    const ENDINGS: [&str; 18] = [
        "c", "h", "cc", "cpp", "cxx", "hh", "hpp", "f", "for", "f77", "f90", "f95", "f03", "f08", "rs", "toml", "zig",
        "cu",
    ];
    let ending = path.extension().and_then(OsStr::to_str).map(str::to_ascii_lowercase);
    let named = path.file_name().is_some_and(|name| name == "Makefile" || name == "CMakeLists.txt");
    named || ending.is_some_and(|ending| ENDINGS.contains(&&*ending))
}

/// A folder that holds `secant.h`, of this very version.
fn include_folder() -> Result<PathBuf, String> {
    let folder = cache_folder()
        .unwrap_or_else(|| std::env::temp_dir().join("secant"))
        .join(format!("include-{}", env!("CARGO_PKG_VERSION")));
    let header = folder.join("secant.h");
    if std::fs::read(&header).is_ok_and(|bytes| bytes == HEADER.as_bytes()) {
        return Ok(folder);
    }
    let fail = |error: std::io::Error| format!("cannot write secant.h to {}: {error}", folder.display());
    std::fs::create_dir_all(&folder).map_err(fail)?;
    let fresh = folder.join(format!("secant.h.{}", std::process::id()));
    std::fs::write(&fresh, HEADER).map_err(fail)?;
    std::fs::rename(&fresh, &header).map_err(fail)?;
    Ok(folder)
}
