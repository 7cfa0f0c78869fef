//! docs/wrapping.md does what it says: its commands are run, one after the other as a reader would, and its tables are
//! such as the published schema has them.

use std::path::Path;
use std::process::Command;

use secant::{Value, json};

use crate::probe::{program, secant};

/// The blocks of code, by the words after the fence.
fn blocks(text: &str) -> Vec<(&str, &str)> {
    text.split("\n```").skip(1).step_by(2).map(|block| block.split_once('\n').unwrap()).collect()
}

fn page() -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/wrapping.md")).unwrap()
}

#[test]
fn its_commands_run() {
    let folder = tempfile::tempdir().unwrap();
    let own = Path::new(secant()).parent().unwrap().to_owned();
    let path = std::env::var_os("PATH").unwrap();
    let path = std::env::join_paths(std::iter::once(own).chain(std::env::split_paths(&path))).unwrap();
    let page = page();
    let mut run = 0;
    for (words, code) in blocks(&page) {
        let Some(needs) = words.strip_prefix("sh") else { continue };
        if needs.trim().strip_prefix("needs=").is_some_and(|name| !program(name)) {
            continue;
        }
        // What must fail begins with `!`, of which -e takes no notice.
        let code = format!("\n{code}").replace("\n! ", "\nrefused ");
        let script = format!("refused() {{ if \"$@\"; then echo \"not refused: $*\"; exit 1; fi; }}\n{code}");
        let outcome = Command::new("sh")
            .args(["-euc", &script])
            .current_dir(folder.path())
            .env("PATH", &path)
            .env("SHIPPED", Path::new(env!("CARGO_MANIFEST_DIR")).join("plugins"))
            .env_remove("SECANT_PLUGINS")
            .output()
            .unwrap();
        assert!(
            outcome.status.success(),
            "{code}\n{}{}",
            String::from_utf8_lossy(&outcome.stdout),
            String::from_utf8_lossy(&outcome.stderr)
        );
        run += 1;
    }
    assert!(run >= 12, "{run} blocks");
}

#[test]
fn its_tables_are_as_published() {
    let schema = std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas/manifest.schema.json")).unwrap();
    let schema: Value = serde_json::from_slice(&schema).unwrap();
    let manifests = jsonschema::draft202012::new(&schema).unwrap();
    let page = page();
    let tables: Vec<&str> =
        blocks(&page).into_iter().filter(|(words, _)| *words == "toml").map(|(_, code)| code).collect();
    assert!(tables.len() >= 6, "{} tables", tables.len());
    for code in tables {
        let mut manifest = serde_json::to_value(toml::from_str::<toml::Table>(code).unwrap()).unwrap();
        let command = manifest["command"].as_object_mut().unwrap();
        // What a part leaves out.
        command.entry("argv").or_insert(json!(["solver"]));
        command.entry("read").or_insert(json!({}));
        let faults: Vec<String> = manifests.iter_errors(&manifest).map(|error| error.to_string()).collect();
        assert!(faults.is_empty(), "{code}\n{}", faults.join("\n"));
    }
}
