//! The laws of the house (docs/architecture.md), held against what the sources say.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// The rooms from the roof to the ground; `crate::` leads from a room only to those below it.
const ROOMS: [&[&str]; 13] = [
    &["main", "lib"],
    &["cli"],
    &["server"],
    &["api", "snapshot"],
    &["endpoint"],
    &["exec"],
    &["backend"],
    &["manifest"],
    &["model"],
    &["schema"],
    &["codec"],
    &["tree"],
    &["diff"],
];

/// What a front door may name of the room of foreign things.
const BACKEND_BY_API: [&str; 4] = ["Function", "OpenError", "OpenOptions", "open"];
/// The last five are for `secant new`, which looks at programs before there is a model.
const BACKEND_BY_CLI: [&str; 13] = [
    "OpenError",
    "OpenOptions",
    "open",
    "peek",
    "described",
    "kill_all",
    "announce_crashes",
    "stdio::guest",
    "Proposal",
    "infer",
    "rehearse",
    "observations",
    "answer",
];

struct Source {
    /// Below `src/`, with slashes.
    name: String,
    room: String,
    text: String,
    /// Its lines with comments and the insides of texts blanked.
    code: String,
    /// The same without what is compiled for tests alone.
    shipped: String,
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    collect(&root, &mut files);
    files.sort();
    assert!(files.len() > 50, "the sources are not where they are looked for: {}", root.display());
    files
        .into_iter()
        .map(|file| {
            let text = std::fs::read_to_string(&file).unwrap();
            let name = file.strip_prefix(&root).unwrap().to_string_lossy().replace('\\', "/");
            let first = name.split('/').next().unwrap();
            let room = first.strip_suffix(".rs").unwrap_or(first).to_owned();
            let code = without_comments_and_texts(&text);
            let is_test = name.ends_with("/tests.rs") || name.contains("/tests/");
            let shipped = if is_test { String::new() } else { without_tests(&code) };
            Source { name, room, text, code, shipped }
        })
        .collect()
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap().flatten().map(|entry| entry.path()) {
        // Templates are what `secant new` writes, not this crate.
        if entry.is_dir() && entry.file_name().unwrap() != "templates" {
            collect(&entry, files);
        } else if entry.extension().is_some_and(|ending| ending == "rs") {
            files.push(entry);
        }
    }
}

/// Rust without its comments, and with nothing between the quotes of its texts. Line by line as before.
fn without_comments_and_texts(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = String::with_capacity(text.len());
    let mut i = 0;
    let newlines = |part: &str| part.matches('\n').count();
    while i < bytes.len() {
        let rest = &text[i..];
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if let Some(raw) = raw_text(rest, i.checked_sub(1).map(|before| bytes[before])) {
            out.push_str("\"\"");
            raw
        } else if rest.starts_with('"') {
            out.push_str("\"\"");
            let mut end = 1;
            while end < rest.len() && rest.as_bytes()[end] != b'"' {
                end += if rest.as_bytes()[end] == b'\\' { 2 } else { 1 };
            }
            end + 1
        } else if rest.starts_with("'\"'") || rest.starts_with("'\\\"'") || rest.starts_with("b'\"'") {
            rest[2..].find('\'').unwrap() + 3
        } else {
            let length = rest.chars().next().unwrap().len_utf8();
            out.push_str(&rest[..length]);
            i += length;
            continue;
        };
        let length = length.min(rest.len());
        out.extend(std::iter::repeat_n('\n', newlines(&rest[..length])));
        i += length;
    }
    out
}

fn raw_text(rest: &str, before: Option<u8>) -> Option<usize> {
    if before.is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
        return None;
    }
    let body = rest.strip_prefix("br").or_else(|| rest.strip_prefix('r'))?;
    let hashes = body.len() - body.trim_start_matches('#').len();
    body[hashes..].strip_prefix('"')?;
    let closing = format!("\"{}", "#".repeat(hashes));
    let start = rest.len() - body.len() + hashes + 1;
    Some(rest[start..].find(&closing).map_or(rest.len(), |end| start + end + closing.len()))
}

/// Without `#[cfg(test)] mod tests { … }` at the end of a file.
fn without_tests(code: &str) -> String {
    code.find("#[cfg(test)]\nmod tests {").map_or(code, |start| &code[..start]).to_owned()
}

fn is_word(byte: Option<&u8>) -> bool {
    byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
}

/// The numbers of the lines on which `word` stands by itself.
fn lines_with(code: &str, word: &str) -> Vec<usize> {
    let alone = |line: &str| {
        line.match_indices(word).any(|(start, _)| {
            let bytes = line.as_bytes();
            !(start > 0 && is_word(bytes.get(start - 1))) && !is_word(bytes.get(start + word.len()))
        })
    };
    code.lines().enumerate().filter(|(_, line)| alone(line)).map(|(number, _)| number + 1).collect()
}

/// Everything that is named through `crate::`, braces opened: `crate::a::{b, c::{d, e}}` is a::b, a::c::d, a::c::e.
fn crate_paths(code: &str) -> Vec<String> {
    let mut paths = Vec::new();
    for (start, prefix) in code.match_indices("crate::") {
        if start > 0 && is_word(code.as_bytes().get(start - 1)) {
            continue;
        }
        open_braces(&code[start + prefix.len()..], "", &mut paths);
    }
    paths
}

/// Reads one path, or a brace of them, and returns how much of the text it took.
fn open_braces(text: &str, prefix: &str, paths: &mut Vec<String>) -> usize {
    let mut at = text.len() - text.trim_start().len();
    let begin = at;
    while at < text.len() {
        let byte = text.as_bytes()[at];
        if is_word(Some(&byte)) || text[at..].starts_with("::") {
            at += if byte == b':' { 2 } else { 1 };
        } else {
            break;
        }
    }
    let path = format!("{prefix}{}", &text[begin..at]);
    if !text[at..].starts_with('{') || !(path.ends_with("::") || path.is_empty()) {
        paths.push(path.trim_end_matches("::").to_owned());
        return at;
    }
    at += 1;
    loop {
        at += open_braces(&text[at..], &path, paths);
        let rest = &text[at..];
        at += rest.find([',', '}']).unwrap_or(rest.len());
        match text.as_bytes().get(at) {
            Some(b',') => at += 1,
            _ => return (at + 1).min(text.len()),
        }
        at += text[at..].len() - text[at..].trim_start().len();
        if text[at..].starts_with('}') {
            return at + 1;
        }
    }
}

/// What the crate's root names itself: `crate::Model` is `api::Model`.
fn root_names(sources: &[Source]) -> BTreeMap<String, String> {
    let root = sources.iter().find(|source| source.name == "lib.rs").unwrap();
    let mut names = BTreeMap::new();
    for statement in root.code.split(';') {
        let Some((_, path)) = statement.split_once("pub use ") else { continue };
        let mut paths = Vec::new();
        open_braces(path, "", &mut paths);
        for path in paths {
            let room = path.split("::").next().unwrap().to_owned();
            names.insert(path.rsplit("::").next().unwrap().to_owned(), room);
        }
    }
    names
}

fn rank(room: &str) -> Option<usize> {
    ROOMS.iter().position(|floor| floor.contains(&room))
}

fn none(faults: String, law: &str) {
    assert!(faults.is_empty(), "{law}\n{faults}");
}

#[test]
fn paths_are_read_with_their_braces() {
    let mut paths = Vec::new();
    open_braces("a::{b, c::{d, e as f}, self};", "", &mut paths);
    assert_eq!(paths, ["a::b", "a::c::d", "a::c::e", "a::self"]);
    assert_eq!(crate_paths("x(crate::a::b(c), my_crate::d)"), ["a::b"]);
    assert_eq!(without_comments_and_texts("a \"b // \\\" c\" // d\n'\"' r#\"e\"f\"# g"), "a \"\" \n \"\" g");
}

#[test]
fn every_room_has_its_floor() {
    let unknown: String = sources()
        .iter()
        .filter(|source| rank(&source.room).is_none())
        .map(|source| format!("  src/{}: the room `{}` is on no floor\n", source.name, source.room))
        .collect();
    none(unknown, "a new room needs a floor in tests/it/laws.rs and in docs/architecture.md");
}

#[test]
fn imports_only_run_down() {
    let sources = sources();
    let names = root_names(&sources);
    let mut faults = String::new();
    for source in sources.iter().filter(|source| source.room != "lib") {
        let own = rank(&source.room).unwrap();
        for path in crate_paths(&source.code) {
            let first = path.split("::").next().unwrap();
            let room = names.get(first).map_or(first, String::as_str);
            // A macro of the root, or the root itself.
            let Some(floor) = rank(room) else { continue };
            let down = floor > own || room == source.room;
            if !down {
                let _ = writeln!(faults, "  src/{} names crate::{path}", source.name);
            }
        }
    }
    none(faults, "imports only run down: a room was named by one beside or below it");
}

#[test]
fn ground_floors_import_nothing_of_the_crate() {
    let mut faults = String::new();
    for source in sources().iter().filter(|source| ["diff", "tree"].contains(&source.room.as_str())) {
        for path in crate_paths(&source.shipped) {
            if path.split("::").next() != Some(&source.room) {
                let _ = writeln!(faults, "  src/{} names crate::{path}", source.name);
            }
        }
        let foreign = source.shipped.lines().filter_map(|line| line.trim().strip_prefix("use "));
        let foreign = foreign.map(|path| path.split([':', ';', ' ']).next().unwrap());
        let own = |name: &&str| {
            !["std", "rand", "multiversion", "super", "self", "crate"].contains(name) && !is_module(name, source)
        };
        for name in foreign.filter(own).filter(|_| source.room == "diff") {
            let _ = writeln!(faults, "  src/{} uses {name}", source.name);
        }
    }
    none(faults, "diff and tree import nothing of the crate, and diff nothing but std, rand and multiversion");
}

/// Whether `use name::…` means a module beside.
fn is_module(name: &str, source: &Source) -> bool {
    source.code.contains(&format!("mod {name};"))
}

#[test]
fn nobody_names_a_concrete_backend() {
    let mut faults = String::new();
    for source in sources().iter().filter(|source| !["backend", "lib"].contains(&source.room.as_str())) {
        let allowed: &[&str] = match source.room.as_str() {
            "api" => &BACKEND_BY_API,
            "cli" => &BACKEND_BY_CLI,
            _ => &[],
        };
        let mut named = crate_paths(&source.shipped);
        // `use crate::backend::{self, …}` and then `backend::open(…)`.
        for (start, prefix) in source.shipped.match_indices("backend::") {
            if !(start > 0 && (is_word(source.shipped.as_bytes().get(start - 1))))
                && !source.shipped[..start].ends_with("::")
            {
                let mut paths = Vec::new();
                open_braces(&source.shipped[start + prefix.len()..], "backend::", &mut paths);
                named.extend(paths);
            }
        }
        for path in named {
            let Some(what) = path.strip_prefix("backend") else { continue };
            let what = what.trim_start_matches("::");
            let fine = (what.is_empty() || what == "self" || what == "stdio") && !allowed.is_empty();
            if !fine && !allowed.iter().any(|name| what == *name || what.starts_with(&format!("{name}::"))) {
                let _ = writeln!(faults, "  src/{} names crate::{path}", source.name);
            }
        }
    }
    none(faults, "nobody but cli names a concrete backend; api has `open` and `Function`");
}

#[test]
fn unsafe_lives_in_the_library_room_alone() {
    let mut faults = String::new();
    for source in sources().iter().filter(|source| !source.name.starts_with("backend/library/")) {
        for line in lines_with(&source.code, "unsafe").into_iter().chain(lines_with(&source.code, "unsafe_code")) {
            let _ = writeln!(faults, "  src/{}:{line}", source.name);
        }
    }
    none(faults, "`unsafe` lives only in src/backend/library/");
}

#[test]
fn printing_lives_in_the_report_alone() {
    let mut faults = String::new();
    for source in sources().iter().filter(|source| source.name != "cli/report.rs") {
        for name in ["print", "println", "eprint", "eprintln", "dbg"] {
            for line in source.shipped.lines().filter(|line| !lines_with(line, name).is_empty()) {
                if line.contains(&format!("{name}!")) {
                    let _ = writeln!(faults, "  src/{}: {}", source.name, line.trim());
                }
            }
        }
        for stream in ["stdout()", "stderr()"] {
            // The worker's wire, which is not for people, and rustix' names of the streams.
            for line in source.shipped.lines().filter(|line| line.contains(&format!("io::{stream}"))) {
                if source.name != "cli/worker.rs" && !line.contains("rustix::stdio") {
                    let _ = writeln!(faults, "  src/{}: {}", source.name, line.trim());
                }
            }
        }
    }
    none(faults, "printing lives only in src/cli/report.rs");
}

#[test]
fn json_values_stay_out_of_the_numerics() {
    let mut faults = String::new();
    for source in sources().iter().filter(|source| ["exec", "diff", "tree"].contains(&source.room.as_str())) {
        for line in lines_with(&source.shipped, "serde_json") {
            let _ = writeln!(faults, "  src/{}:{line}", source.name);
        }
    }
    none(faults, "serde_json never enters exec, diff or tree");
}

#[test]
fn async_lives_in_the_server_alone() {
    let mut faults = String::new();
    for source in sources().iter().filter(|source| source.room != "server") {
        for word in ["async", "await", "tokio"] {
            for line in lines_with(&source.code, word) {
                let _ = writeln!(faults, "  src/{}:{line}", source.name);
            }
        }
    }
    none(faults, "async lives only in src/server/");
}

#[test]
fn threads_are_started_by_exec_and_the_front_ends_alone() {
    let mut faults = String::new();
    for source in sources().iter().filter(|source| !["exec", "cli", "server"].contains(&source.room.as_str())) {
        for line in
            lines_with(&source.shipped, "thread::spawn").into_iter().chain(lines_with(&source.shipped, "thread::scope"))
        {
            let _ = writeln!(faults, "  src/{}:{line}", source.name);
        }
    }
    none(faults, "exec is the only room with worker threads");
}

#[test]
fn files_are_short_and_say_what_they_are() {
    let mut faults = String::new();
    for source in sources() {
        let lines = source.text.lines().count();
        if lines > 600 {
            let _ = writeln!(faults, "  src/{} has {lines} lines: one file, one noun", source.name);
        } else if lines > 400 {
            eprintln!("src/{} has {lines} lines; about 400 are a good measure", source.name);
        }
        if !source.text.starts_with("//!") {
            let _ = writeln!(faults, "  src/{} does not open with //! and what it is", source.name);
        }
    }
    none(faults, "files are short and open with a line that says what they are");
}

#[test]
fn no_file_is_named_after_nothing() {
    const NAMES: [&str; 8] = ["utils", "util", "common", "helpers", "manager", "types", "core", "imp"];
    let mut faults = String::new();
    for source in sources() {
        let named = source.name.split('/').map(|part| part.strip_suffix(".rs").unwrap_or(part));
        for name in named.filter(|name| NAMES.contains(name)) {
            let _ = writeln!(faults, "  src/{}: `{name}` says nothing", source.name);
        }
    }
    none(faults, "a file is named after what it is");
}
