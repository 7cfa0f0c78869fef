//! Where a library is and what it exports, found without loading it, so that what is missing is said in full.

use std::collections::BTreeSet;
use std::fmt;
use std::fs::File;
use std::path::{Path, PathBuf};

use object::read::ReadCache;
use object::read::elf::ElfFile64;
use object::{Endianness, Object, ObjectSymbol, SymbolKind};

use super::super::LoadError;
use super::super::load::{check_format, needed};

/// A library that is there.
pub(super) struct Library {
    /// What the loader is told: a path, or a name that it looks up.
    pub(super) name: PathBuf,
    /// The file, where that is known.
    pub(super) file: Option<PathBuf>,
    /// The manifest's folder.
    pub(super) folder: PathBuf,
}

impl fmt::Display for Library {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.file {
            Some(file) if *file != self.name => write!(f, "{} ({})", self.name.display(), file.display()),
            _ => write!(f, "{}", self.name.display()),
        }
    }
}

impl Library {
    pub(super) fn fail(&self, reason: String) -> LoadError {
        LoadError { path: self.file.clone().unwrap_or_else(|| self.name.clone()), reason }
    }
}

/// The first of the libraries that is there and can be loaded: a file of the folder, or one that the loader finds.
pub(super) fn library(names: &[PathBuf], folder: &Path) -> Result<Library, LoadError> {
    let mut faults: Vec<(PathBuf, String)> = Vec::new();
    for name in names {
        let own = folder.join(name);
        if own.exists() || name.components().count() > 1 {
            match check_format(&own) {
                Ok(()) => return Ok(Library { name: own.clone(), file: Some(own), folder: folder.to_owned() }),
                Err(reason) => faults.push((own, reason)),
            }
            continue;
        }
        let places = loader_folders();
        let files = places.iter().map(|place| place.join(name)).filter(|file| file.is_file());
        match files.clone().find(|file| check_format(file).is_ok()) {
            Some(file) => return Ok(Library { name: name.clone(), file: Some(file), folder: folder.to_owned() }),
            // Elsewhere the loader knows of libraries that are no files.
            None if !cfg!(target_os = "linux") => {
                return Ok(Library { name: name.clone(), file: None, folder: folder.to_owned() });
            }
            None => {}
        }
        // One that is there and no good says more than that none is there.
        let mut files = files;
        match files.next().and_then(|file| Some((check_format(&file).err()?, file))) {
            Some((reason, file)) => faults.push((file, reason)),
            None => {
                let places: Vec<String> = places.iter().map(|place| place.display().to_string()).collect();
                let place = folder.display();
                let reason = format!("is neither in {place} nor where the loader looks ({})", places.join(", "));
                faults.push((name.clone(), reason));
            }
        }
    }
    let hint = "install it, name its file by symbol.library, or its folder by LD_LIBRARY_PATH";
    if let [(path, reason)] = &faults[..] {
        let reason = if path.is_file() { reason.clone() } else { format!("{reason}: {hint}") };
        return Err(LoadError { path: path.clone(), reason });
    }
    let list: Vec<String> = faults.iter().map(|(path, reason)| format!("\n  {}: {reason}", path.display())).collect();
    let reason = format!("none of the libraries can be loaded:{}\n{hint}", list.concat());
    Err(LoadError { path: folder.to_owned(), reason })
}

/// Where the loader of Linux looks for a library by its name.
fn loader_folders() -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> = std::env::var_os("LD_LIBRARY_PATH")
        .map(|list| std::env::split_paths(&list).filter(|folder| !folder.as_os_str().is_empty()).collect())
        .unwrap_or_default();
    configured(Path::new("/etc/ld.so.conf"), &mut folders, 0);
    folders.extend(["/lib64", "/usr/lib64", "/lib", "/usr/lib"].map(PathBuf::from));
    let mut seen = BTreeSet::new();
    folders.retain(|folder| folder.is_dir() && seen.insert(folder.clone()));
    folders
}

/// The folders that a file such as `ld.so.conf` lists, and those that the files list which it includes.
fn configured(file: &Path, folders: &mut Vec<PathBuf>, depth: usize) {
    let Ok(text) = std::fs::read_to_string(file) else { return };
    for line in text.lines().map(|line| line.split('#').next().unwrap_or_default().trim()) {
        match line.strip_prefix("include ") {
            None if line.is_empty() => {}
            None => folders.push(line.into()),
            // dir/*.conf, in order of their names.
            Some(pattern) if depth < 4 => {
                let pattern = Path::new(pattern.trim());
                let (Some(place), Some(ending)) = (pattern.parent(), pattern.extension()) else { continue };
                let Ok(entries) = std::fs::read_dir(place) else { continue };
                let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
                files.retain(|file| file.extension() == Some(ending));
                files.sort();
                files.iter().for_each(|file| configured(file, folders, depth + 1));
            }
            Some(_) => {}
        }
    }
}

/// What a library exports; none where it is not ELF.
fn exports(file: &Path) -> Option<Vec<(String, SymbolKind)>> {
    let cache = ReadCache::new(File::open(file).ok()?);
    let elf = ElfFile64::<Endianness, _>::parse(&cache).ok()?;
    let defined = elf.dynamic_symbols().filter(|symbol| !symbol.is_undefined() && !symbol.is_local());
    Some(defined.filter_map(|symbol| Some((symbol.name().ok()?.to_owned(), symbol.kind()))).collect())
}

/// Which of the names the library exports, or a library that it needs; none where that cannot be told.
pub(super) fn function(library: &Library, names: &[String]) -> Result<Option<String>, LoadError> {
    let Some(file) = &library.file else { return Ok(None) };
    let Some(own) = exports(file) else { return Ok(None) };
    if let Some((name, kind)) = names.iter().find_map(|name| own.iter().find(|(export, _)| export == name)) {
        if *kind == SymbolKind::Data {
            return Err(library.fail(format!("{name} is a variable there, no function")));
        }
        return Ok(Some(name.clone()));
    }
    // What a library needs is searched by the loader too.
    let (mut seen, mut queue) = (BTreeSet::new(), needed(file).unwrap_or_default());
    while let Some(name) = queue.pop() {
        if !seen.insert(name.clone()) {
            continue;
        }
        let beside = file.parent().into_iter().map(Path::to_owned);
        let mut places = beside.chain(loader_folders()).map(|place| place.join(&name));
        // The loader may know more than we do.
        let Some(other) = places.find(|file| file.is_file()) else { return Ok(None) };
        let Some(theirs) = exports(&other) else { return Ok(None) };
        if let Some(name) = names.iter().find(|name| theirs.iter().any(|(export, _)| export == *name)) {
            return Ok(Some(name.clone()));
        }
        queue.extend(needed(&other).unwrap_or_default());
    }
    Err(no_such_function(library, names))
}

/// What it has instead.
pub(super) fn no_such_function(library: &Library, names: &[String]) -> LoadError {
    let near =
        library.file.as_deref().and_then(exports).map(|exports| nearest(&names[0], &exports)).unwrap_or_default();
    let has = match &near[..] {
        [] => String::new(),
        [first, ..] if names.len() == 1 && *first == format!("{}_", names[0]) => format!(
            ": there is {first}, a Fortran function as it seems, whose signature begins with `subroutine` or `real(8) function`"
        ),
        [only] => format!(": there is {only}"),
        [others @ .., last] => format!(": there are {} and {last}", others.join(", ")),
    };
    library.fail(format!("it does not export {}{has}", names.join(" or ")))
}

/// Up to four functions whose names are like this one, the likest first.
fn nearest(name: &str, exports: &[(String, SymbolKind)]) -> Vec<String> {
    let plain = |name: &str| name.trim_matches('_').to_ascii_lowercase();
    let wanted = plain(name);
    let distance = |export: &str| {
        let export = plain(export);
        if wanted.len() >= 3 && export.contains(&wanted) {
            return usize::from(export != wanted);
        }
        strsim::damerau_levenshtein(&wanted, &export)
    };
    let allowed = (wanted.len() / 3).max(1);
    let functions = exports.iter().filter(|(_, kind)| *kind != SymbolKind::Data);
    let near = functions.map(|(export, _)| (distance(export), export.len(), export));
    let mut near: Vec<_> = near.filter(|(distance, ..)| *distance <= allowed).collect();
    near.sort();
    near.dedup();
    near.into_iter().take(4).map(|(_, _, export)| export.clone()).collect()
}
