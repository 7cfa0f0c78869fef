//! Folders of runs: made fresh for each run, removed after it, kept when it failed. Nothing of an earlier run is in
//! them, so that no old output is taken for a new one.

use std::collections::BTreeSet;
use std::fs::Permissions;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use tempfile::TempDir;

use crate::manifest::command::Keep;

/// Folders of failed runs that are kept of one model; a derivative may step around a hundred failures.
const MOST_KEPT: usize = 8;

/// The folders that must not outlive us.
static LIVE: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

/// Removes the folders of all instances. For a program that is about to end.
pub(in crate::backend) fn remove_all() {
    for folder in std::mem::take(&mut *live()) {
        remove(&folder);
    }
}

fn live() -> std::sync::MutexGuard<'static, BTreeSet<PathBuf>> {
    LIVE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Where the runs of a model have their folders, and what becomes of these.
#[derive(Debug)]
pub(super) struct Ground {
    root: PathBuf,
    name: String,
    keep: Keep,
    kept: AtomicUsize,
}

/// The folders of one instance's runs.
#[derive(Debug)]
pub(super) struct Folders {
    home: TempDir,
    runs: u64,
}

impl Ground {
    /// Folders go below `root`; the model's name is part of theirs.
    pub(super) fn new(root: PathBuf, name: &str, keep: Keep) -> Ground {
        let name = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
        Ground { root, name, keep, kept: AtomicUsize::new(0) }
    }

    /// A place for the folders of one more instance.
    pub(super) fn stake(&self) -> Result<Folders, String> {
        let home = self.folder("")?;
        live().insert(home.path().to_owned());
        Ok(Folders { home, runs: 0 })
    }

    fn folder(&self, mark: &str) -> Result<TempDir, String> {
        std::fs::create_dir_all(&self.root)
            .and_then(|()| {
                tempfile::Builder::new().prefix(&format!("secant-{}-{mark}", self.name)).tempdir_in(&self.root)
            })
            .map_err(|error| format!("cannot make a folder for runs in {}: {error}", self.root.display()))
    }

    /// Ends a run that went well.
    pub(super) fn done(&self, folder: &Path) {
        if self.keep == Keep::All {
            let _ = self.save(folder, "run-");
        } else {
            remove(folder);
        }
    }

    /// Ends a run that failed. Where its files are, in words.
    pub(super) fn failed(&self, folder: &Path) -> String {
        if self.keep == Keep::Never {
            remove(folder);
            return "its files were not kept (command.keep is \"never\")".to_owned();
        }
        if self.keep == Keep::Failed && self.kept.fetch_add(1, Ordering::Relaxed) >= MOST_KEPT {
            remove(folder);
            return format!(
                "its files were not kept, as those of {MOST_KEPT} failed runs are in {}",
                self.root.join(format!("secant-{}-failed-*", self.name)).display()
            );
        }
        match self.save(folder, "failed-") {
            Ok(place) => format!("its files are in {}", place.display()),
            Err(error) => {
                remove(folder);
                format!("its files could not be kept: {error}")
            }
        }
    }

    fn save(&self, folder: &Path, mark: &str) -> Result<PathBuf, String> {
        let place = self.folder(mark)?;
        std::fs::rename(folder, place.path()).map_err(|error| error.to_string())?;
        Ok(place.keep())
    }
}

impl Folders {
    /// An empty folder for one run.
    pub(super) fn fresh(&mut self) -> io::Result<PathBuf> {
        self.runs += 1;
        let folder = self.home.path().join(self.runs.to_string());
        std::fs::create_dir(&folder)?;
        Ok(folder)
    }
}

impl Drop for Folders {
    fn drop(&mut self) {
        remove(self.home.path());
        live().remove(self.home.path());
    }
}

/// Removes it with all it holds, also where the program closed folders to us.
fn remove(folder: &Path) {
    if std::fs::remove_dir_all(folder).is_err() {
        open_up(folder);
        let _ = std::fs::remove_dir_all(folder);
    }
}

fn open_up(folder: &Path) {
    let _ = std::fs::set_permissions(folder, Permissions::from_mode(0o700));
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            open_up(&entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_failed_is_kept_but_not_without_end() {
        let root = tempfile::tempdir().unwrap();
        let ground = Ground::new(root.path().join("deep"), "my model", Keep::Failed);
        let mut folders = ground.stake().unwrap();
        for run in 0..MOST_KEPT + 2 {
            let folder = folders.fresh().unwrap();
            std::fs::write(folder.join("trace"), "x").unwrap();
            let said = ground.failed(&folder);
            assert_eq!(said.starts_with("its files are in "), run < MOST_KEPT, "{said}");
            if let Some(place) = said.strip_prefix("its files are in ") {
                assert!(Path::new(place).join("trace").is_file());
            }
            assert!(!folder.exists());
        }
        let folder = folders.fresh().unwrap();
        std::fs::write(folder.join("trace"), "x").unwrap();
        ground.done(&folder);
        drop(folders);
        let left = std::fs::read_dir(root.path().join("deep")).unwrap().count();
        assert_eq!(left, MOST_KEPT);
    }
}
