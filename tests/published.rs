//! What `schemas/` publishes, held against reality: the plugins as they are shipped, the scaffolds of
//! `secant new`, and conversations as both ends have them.
#![cfg(feature = "cli")]
#![allow(clippy::unwrap_used, clippy::print_stderr)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use jsonschema::Validator;
use secant::{Error, Model, OpenError, Tree};
use serde_json::{Value, json};

const SECANT: &str = env!("CARGO_BIN_EXE_secant");

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read_json(path: &Path) -> Value {
    let text = fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_slice(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn published(name: &str) -> Value {
    read_json(&root().join("schemas").join(name))
}

fn validator(schema: &Value) -> Validator {
    jsonschema::meta::validate(schema)
        .unwrap_or_else(|error| panic!("no schema: {error} at {}", error.instance_path()));
    jsonschema::draft202012::new(schema).unwrap()
}

fn faults(validator: &Validator, value: &Value) -> Vec<String> {
    validator.iter_errors(value).map(|error| format!("{} at '{}'", error, error.instance_path())).collect()
}

fn assert_valid(validator: &Validator, value: &Value, what: &str) {
    let faults = faults(validator, value);
    assert!(faults.is_empty(), "{what} is not as published:\n{}\n{value:#}", faults.join("\n"));
}

fn manifest_json(text: &str) -> Value {
    serde_json::to_value(toml::from_str::<toml::Table>(text).unwrap()).unwrap()
}

/// Files under `folder`, at any depth.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && path.file_name().unwrap() != "target" {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn is_named(path: &Path, ending: &str) -> bool {
    path.file_name().unwrap().to_str().unwrap().ends_with(ending)
}

/// Whether there is a python3; loud where there is none.
fn python() -> bool {
    let there = Command::new("python3").arg("--version").output().is_ok_and(|output| output.status.success());
    if !there {
        eprintln!("SKIPPED: python3 is not installed, and the models written in it cannot be tried");
    }
    there
}

// ---- manifests and schemas

#[test]
fn all_that_is_shipped_is_as_published() {
    let manifests = validator(&published("manifest.schema.json"));
    let dialect = validator(&published("dialect.schema.json"));
    let (mut manifests_seen, mut schemas_seen) = (0, 0);
    for folder in ["plugins", "src/cli/templates"] {
        for path in files(&root().join(folder)) {
            let what = path.display().to_string();
            if is_named(&path, "model.toml") {
                let manifest = manifest_json(&fs::read_to_string(&path).unwrap());
                assert_valid(&manifests, &manifest, &what);
                manifests_seen += 1;
                for side in ["input", "output"] {
                    let Some(file) = manifest.get(side) else { continue };
                    let own = path.parent().unwrap().join(file.as_str().unwrap());
                    // A scaffold's schemas lie beside it only once it is made.
                    let shared = root().join(folder).join(file.as_str().unwrap());
                    assert!(own.is_file() || shared.is_file(), "{what}: there is no {file}");
                }
            } else if is_named(&path, ".schema.json") {
                assert_valid(&dialect, &read_json(&path), &what);
                schemas_seen += 1;
            }
        }
    }
    assert!(manifests_seen >= 15 && schemas_seen >= 16, "{manifests_seen} manifests and {schemas_seen} schemas");
}

#[test]
fn what_secant_new_makes_is_as_published() {
    let manifests = validator(&published("manifest.schema.json"));
    let dialect = validator(&published("dialect.schema.json"));
    for kind in ["c", "rust", "python", "shell"] {
        let temporary = tempfile::tempdir().unwrap();
        let folder = temporary.path().join("springs");
        let output = Command::new(SECANT)
            .args(["new", "springs", "--kind", kind, "--plugins"])
            .arg(temporary.path())
            .output()
            .unwrap();
        assert!(output.status.success(), "{kind}: {}", String::from_utf8_lossy(&output.stderr));
        let manifest = manifest_json(&fs::read_to_string(folder.join("model.toml")).unwrap());
        assert_valid(&manifests, &manifest, kind);
        for side in ["input", "output"] {
            let schema = folder.join(manifest[side].as_str().unwrap());
            assert_valid(&dialect, &read_json(&schema), &format!("{kind}: {side}"));
        }
    }
}

/// What secant says to a manifest: none if it takes it, and looks for what it describes.
fn manifest_refusal(text: &str) -> Option<String> {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("model.toml"), text).unwrap();
    match Model::open(folder.path()) {
        Ok(_) => None,
        Err(Error::Open(OpenError::Manifest(error))) => Some(error.to_string()),
        Err(_) => None,
    }
}

#[test]
fn manifests_are_refused_by_the_schema_and_by_secant_alike() {
    let manifests = validator(&published("manifest.schema.json"));
    let library = |rest: &str| format!("[library]\npath = \"nowhere.so\"\n{rest}");
    let executable = |rest: &str| format!("[executable]\ncommand = [\"./nothing\"]\n{rest}");
    let command = |rest: &str| format!("[command]\nargv = [\"solver\", \"{{{{ x }}}}\"]\n{rest}");
    let write = |rest: &str| command(&format!("read = {{}}\n[[command.write]]\nto = \"in\"\n{rest}"));
    let edit = |rest: &str| write(&format!("edit = \"old\"\nset = [{{ path = \"x\", {rest} }}]"));
    let read = |rest: &str| command(&format!("[command.read]\n\"a.b\" = {{ {rest} }}"));
    let remote = |rest: &str| format!("[remote]\nurl = \"http://127.0.0.1:1\"\n{rest}");
    let symbol =
        |rest: &str| format!("[symbol]\nlibrary = \"nowhere.so\"\nfn = \"f\"\ncall = \"double(double x)\"\n{rest}");
    for good in [
        library(""),
        library("isolation = \"process\"\nbuild = []\nsources = [\"a.c\"]"),
        executable("env = { A = \"1\" }\nprotocol = \"once\""),
        library(
            "[gradient]\nalgorithm = \"stochastic\"\nsamples = 3\nseed = 0\neps = { \"a.b\" = 1, \"c.{}\" = 1e-3 }",
        ),
        library("[config]\nanything = { at = [\"all\", 1] }\n[differentiable]\ninputs = [\"x\"]"),
        library("[run]\ntimeout = \"500ms\"\nstart_timeout = \"2min\"\nworkers = 1\nlauncher = [\"nice\"]"),
        library("[run]\ntimeout = \"1h 30m\""),
        library("[run]\ntimeout = \"3 days\""),
        command("read = {}"),
        command("env = { A = \"{{ x }}\" }\ninherit = [\"LC_*\"]\ncopy = [\"a\"]\nlink = [\"b/c\"]\nread = {}"),
        command("path = \"a\"\nbuild = [\"make\"]\nsources = [\"a.f\"]\nread = {}"),
        command(
            "exit_codes = [0, 3]\nfail_regex = [\"ERROR\"]\nlog = \"a.log\"\nkeep = \"all\"\nscratch = \"runs\"\nread = {}",
        ),
        write("template = \"a.in\"\ndelimiters = [\"<\", \">\"]"),
        write("text = \"{{ x }}\""),
        write("pest = \"a.tpl\"\nparameters = { h = \"x[0]\" }"),
        write("dakota = { variables = { a = \"x\" }, responses = [\"f\"], gradients = true, aprepro = true }"),
        edit("anchor = \"X\", occurrence = -1, row = 2, field = 3, format = \"E12.5\""),
        edit("line = 3, columns = [11, 20]"),
        edit("pointer = \"/a/0\""),
        edit("namelist = \"run\", name = \"dt\", index = 2, occurrence = \"last\""),
        read("json = \"/a\", from = \"o.json\""),
        read("csv = \"a\", row = \"last\", delimiter = \";\", comma = true"),
        read("csv = 2, row = -1"),
        read("table = \"T\", occurrence = 2, skip = 1, rows = 3, columns = [1, 2], from = \"stderr\""),
        read("anchor = \"X =\", occurrence = \"all\", row = 1, field = 2"),
        read("line = 1, columns = [1, 5]"),
        read("regex = \"a(.*)\", occurrence = \"first\""),
        read("array = \"text\", skip = 1, comment = \"#\""),
        read("raw = \"float32\", endian = \"big\", offset = 4"),
        read("npy = true"),
        read("pest = \"a.ins\", observations = [\"o1\"]"),
        read("dakota = [\"f\"]"),
        remote(""),
        remote("protocol = \"umbridge\"\nmodel = \"forward\"\nretries = 0"),
        remote("headers = { \"X-Key\" = \"1\" }\ntoken_file = \"token\""),
        symbol(""),
        symbol("preload = [\"libm.so.6\"]\nisolation = \"none\"\nthreads = \"any\"\nbuild = []\nsources = [\"f.c\"]"),
        symbol("").replace("\"nowhere.so\"", "[\"nowhere.so\", \"libnowhere.so.1\"]"),
        format!("name = \"a\"\nversion = \"1\"\ndescription = \"\"\n{}", library("")),
    ] {
        assert_valid(&manifests, &manifest_json(&good), &good);
        assert_eq!(manifest_refusal(&good), None, "{good}");
    }
    for broken in [
        String::new(),
        "name = \"a\"".to_owned(),
        library("[executable]\ncommand = [\"b\"]"),
        "[library]\n".to_owned(),
        "[library]\npath = 3".to_owned(),
        library("isolaton = \"process\""),
        library("isolation = \"thread\""),
        library("build = \"make\""),
        "[executable]\ncommand = []".to_owned(),
        "[executable]\ncommand = \"python3 model.py\"".to_owned(),
        "[executable]\nprotocol = \"lines\"".to_owned(),
        executable("protocol = \"grpc\""),
        executable("env = { A = 1 }"),
        remote("[library]\npath = \"b\""),
        "[remote]\n".to_owned(),
        "[remote]\nurl = \"localhost:8000\"".to_owned(),
        "[remote]\nurl = \"http://\"".to_owned(),
        "[remote]\nurl = \"ftp://a\"".to_owned(),
        remote("protocol = \"grpc\""),
        remote("retries = -1"),
        remote("headers = { A = 1 }"),
        remote("tokens = \"a\""),
        symbol("[library]\npath = \"b\""),
        symbol("").replace("fn =", "function ="),
        symbol("").replace("\"nowhere.so\"", "[]"),
        symbol("").replace("\"nowhere.so\"", "\"\""),
        symbol("").replace("\"nowhere.so\"", "3"),
        symbol("").replace("\"double(double x)\"", "[]"),
        symbol("preload = \"libm.so.6\""),
        symbol("threads = \"many\""),
        symbol("isolation = \"thread\""),
        "[command]\nargv = [\"solver\"]".to_owned(),
        "[command]\nread = {}".to_owned(),
        "[command]\nargv = []\nread = {}".to_owned(),
        "[command]\nargv = \"solver\"\nread = {}".to_owned(),
        library("[command]\nargv = [\"solver\"]\nread = {}"),
        command("read = {}\nkeep = \"some\""),
        command("read = {}\nexit_codes = 0"),
        command("read = {}\nexit_codes = [0.5]"),
        command("read = {}\nfail_regex = \"ERROR\""),
        command("read = {}\nstdin = \"a\""),
        command("read = []"),
        command("read = {}\nwrite = {}"),
        command("read = {}\nwrite = [{ text = \"a\" }]"),
        write(""),
        write("txt = \"a\""),
        write("text = \"a\"\npest = \"b\""),
        write("text = \"a\"\ntemplate = \"b\""),
        write("text = \"a\"\ndelimiters = [\"<\"]"),
        write("edit = \"old\""),
        write("pest = \"a.tpl\"\nset = []"),
        write("dakota = { variables = { a = \"x\" } }"),
        edit("format = \"E12.5\""),
        edit("anchor = \"X\", line = 1"),
        edit("line = 3"),
        edit("line = 3, columns = [11]"),
        edit("anchor = \"X\", row = -1"),
        edit("anchor = \"X\", occurrence = 0"),
        edit("anchor = \"X\", occurrence = \"second\""),
        edit("namelist = \"run\""),
        read(""),
        read("json = 3"),
        read("json = \"/a\", csv = 1"),
        read("csv = \"a\", delimiter = \"ab\""),
        read("csv = -1"),
        read("table = \"T\""),
        read("anchor = \"X\", colum = 2"),
        read("array = \"binary\""),
        read("raw = \"int32\""),
        read("raw = \"float64\", endian = \"middle\""),
        read("pest = 1"),
        read("dakota = \"f\""),
        read("regex = \"a\", comma = \"yes\""),
        format!("version = 1\n{}", library("")),
        format!("inputs = \"input.schema.json\"\n{}", library("")),
        library("[grad]\neps = 1.0"),
        library("[gradient]\nalgorithm = \"magic\""),
        library("[gradient]\neps = -1.0"),
        library("[gradient]\neps = 0"),
        library("[gradient]\neps = \"small\""),
        library("[gradient]\neps = { x = -1 }"),
        library("[gradient]\nsamples = 0"),
        library("[gradient]\nseed = -1"),
        library("[gradient]\nstep = 1.0"),
        library("[differentiable]\ninputs = \"x\""),
        library("[differentiable]\ninput = [\"x\"]"),
        library("[run]\nworkers = 0"),
        library("[run]\nworkers = 1.5"),
        library("[run]\ntimeout = 30"),
        library("[run]\ntimeout = \"soon\""),
        library("[run]\ntimeout = \"30\""),
        library("[run]\ntimeout = \"0s\""),
        library("[run]\ntimeout = \"\""),
        library("[run]\ntimeout = \"-1s\""),
        library("[run]\nstart_timeout = \"1 fortnight\""),
        library("[run]\nlauncher = \"srun\""),
    ] {
        assert!(!manifests.is_valid(&manifest_json(&broken)), "the schema takes\n{broken}");
        assert!(manifest_refusal(&broken).is_some(), "secant takes\n{broken}");
    }
}

/// What secant says to a schema of an input `x`.
fn schema_refusal(schema: &Value) -> Option<String> {
    let number = json!({"properties": {"y": {"type": "number"}}});
    let input = json!({"type": "object", "properties": {"x": schema}});
    let model = Model::from_fn("any", &input, &number, |_| Ok(Tree::fields([("y", Tree::from(0.0))])));
    model.err().map(|error| error.to_string())
}

#[test]
fn schemas_are_refused_by_the_dialect_and_by_secant_alike() {
    let dialect = validator(&published("dialect.schema.json"));
    let numbers = json!({"type": "array", "items": {"type": "number"}});
    let with = |more: Value| {
        let mut schema = numbers.clone();
        schema.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        schema
    };
    for good in [
        json!(true),
        json!({"type": "number", "differentiable": true, "scale": 1e-3, "minimum": 0, "default": 1}),
        json!({"type": "number", "dtype": "complex64", "differentiable": true}),
        json!({"type": ["number", "null"]}),
        json!({"anyOf": [{"type": "number", "differentiable": true}, {"type": "null"}]}),
        json!({"enum": ["a", "b"], "default": "a"}),
        json!({"type": "string", "x-ours": {"type": 3}}),
        with(json!({"shape": ["n"], "dtype": "float32", "differentiable": true})),
        with(json!({"shape": null})),
        with(json!({"minItems": 3, "maxItems": 3})),
        json!({"type": "object", "additionalProperties": numbers}),
        json!({"type": "array", "prefixItems": [{"type": "number"}, numbers], "items": false}),
    ] {
        assert_valid(&dialect, &good, "a good schema");
        assert_eq!(schema_refusal(&good), None, "{good}");
    }
    for broken in [
        json!(3),
        json!("number"),
        json!({"type": "float"}),
        json!({"type": 3}),
        json!({"type": "number", "differentiable": "yes"}),
        json!({"type": "number", "dtype": "double"}),
        json!({"type": "number", "scale": 0}),
        json!({"type": "number", "scale": -1.5}),
        json!({"type": "number", "minimum": "zero"}),
        json!({"type": "integer", "differentiable": true}),
        json!({"type": "string", "differentiable": true}),
        json!({"type": "number", "dtype": "int32", "differentiable": true}),
        json!({"type": "array", "items": {"type": "integer"}, "differentiable": true}),
        json!({"type": "array", "items": 5}),
        json!({"type": "object", "properties": []}),
        json!({"type": "object", "properties": {"a": {"type": "flaot"}}}),
        json!({"type": "object", "required": "a"}),
        json!({"$ref": 3}),
        json!({"anyOf": []}),
        json!({"enum": "central"}),
        with(json!({"shape": []})),
        with(json!({"shape": [-1]})),
        with(json!({"shape": [1.5]})),
        with(json!({"shape": [""]})),
        with(json!({"shape": "n"})),
        with(json!({"minItems": -1})),
    ] {
        assert!(!dialect.is_valid(&broken), "the dialect takes {broken}");
        assert!(schema_refusal(&broken).is_some(), "secant takes {broken}");
    }
}

// ---- conversations

/// The published schemas of single messages.
struct Messages {
    whole: Value,
    made: BTreeMap<String, Validator>,
}

impl Messages {
    fn new() -> Messages {
        Messages { whole: published("stdio.schema.json"), made: BTreeMap::new() }
    }

    /// The schema of `#/$defs/name`; of any message where the name is empty.
    fn of(&mut self, name: &str) -> &Validator {
        let whole = &self.whole;
        self.made.entry(name.to_owned()).or_insert_with(|| {
            let mut schema = whole.clone();
            if !name.is_empty() {
                assert!(schema["$defs"].get(name).is_some(), "stdio.schema.json does not publish {name}");
                let fields = schema.as_object_mut().unwrap();
                fields.remove("oneOf");
                fields.insert("$ref".to_owned(), json!(format!("#/$defs/{name}")));
            }
            validator(&schema)
        })
    }

    fn check(&mut self, names: &[&str], message: &Value) {
        for name in names {
            assert_valid(self.of(name), message, name);
        }
    }

    fn check_request(&mut self, request: &Value) {
        let method = request["method"].as_str().unwrap();
        self.check(&["", "request", &format!("{method}_request")], request);
    }

    fn check_answer(&mut self, method: &str, answer: &Value) {
        self.check(&["", "response", &format!("{method}_response")], answer);
        if answer.get("error").is_some() {
            self.check(&["error_response"], answer);
        }
    }

    fn check_notification(&mut self, message: &Value) {
        let method = message["method"].as_str().unwrap();
        self.check(&["", "notification", &format!("{method}_notification")], message);
    }
}

/// A program being talked to.
struct Talk {
    messages: Messages,
    child: Child,
    stdin: ChildStdin,
    lines: Receiver<String>,
    next_id: u64,
    notifications: usize,
}

impl Talk {
    fn with(command: &mut Command) -> Talk {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (stdin, stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let (sender, lines) = channel();
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines() {
                if line.is_err() || sender.send(line.unwrap()).is_err() {
                    break;
                }
            }
        });
        Talk { messages: Messages::new(), child, stdin, lines, next_id: 1, notifications: 0 }
    }

    /// Sends a line as it is; the answer, once what comes before it is found to be as published.
    fn say(&mut self, line: &str) -> Value {
        writeln!(self.stdin, "{line}").unwrap();
        loop {
            let heard = self.lines.recv_timeout(Duration::from_secs(30));
            let heard = heard.unwrap_or_else(|error| panic!("no answer to {line}: {error}"));
            let message: Value = serde_json::from_str(&heard).unwrap();
            if message.get("method").is_none() {
                return message;
            }
            self.messages.check_notification(&message);
            self.notifications += 1;
        }
    }

    /// Sends a request, as published, and checks its answer.
    fn ask(&mut self, method: &str, params: Value) -> Value {
        let id = self.next_id;
        self.next_id += 1;
        let request = json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params});
        self.messages.check_request(&request);
        let answer = self.say(&request.to_string());
        assert_eq!(answer["id"], id, "{answer}");
        self.messages.check_answer(method, &answer);
        answer
    }

    fn result(&mut self, method: &str, params: Value) -> Value {
        let answer = self.ask(method, params);
        assert!(answer.get("result").is_some(), "{method}: {answer}");
        answer["result"].clone()
    }

    fn code(&mut self, method: &str, params: Value) -> i64 {
        self.ask(method, params)["error"]["code"].as_i64().unwrap()
    }

    fn shut_down(mut self) {
        self.result("shutdown", json!({}));
        assert!(self.child.wait().unwrap().success());
    }
}

impl Drop for Talk {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn greeting() -> Value {
    json!({"protocol": 1, "host": {"name": "a test", "version": "0"}, "config": {}})
}

fn worker(model: &Path) -> Talk {
    Talk::with(Command::new(SECANT).arg("worker").arg(model))
}

#[test]
fn our_worker_speaks_as_published() {
    let mut talk = worker(&root().join("plugins/native"));
    let inputs = json!({"x": [0.5, -1.0, 2.0, 0.25], "p": 1.5});
    let said = talk.result("initialize", greeting());
    talk.messages.check(&["initialize_result"], &said);
    for method in said["methods"].as_array().unwrap() {
        talk.messages.of(&format!("{}_request", method.as_str().unwrap()));
    }

    let outputs = talk.result("apply", json!({"inputs": inputs}));
    talk.messages.check(&["array"], &outputs["y"]);
    assert_eq!(talk.code("apply", json!({"inputs": {"x": "wrong"}})), -32602);

    let points = json!([[], [[0, 0.75]], [[1, -1e-3], [4, 2.0]]]);
    let plain = talk.result("sweep", json!({"inputs": inputs, "wrt": ["x", "p"], "of": ["y"], "points": points}));
    let packed = talk.result("sweep", json!({"points": points, "encoding": "base64"}));
    talk.messages.check(&["sweep_result"], &plain);
    talk.messages.check(&["sweep_result"], &packed);
    assert_eq!(plain.as_array().unwrap().len(), 3);
    assert!(plain.as_array().unwrap().iter().all(|outcome| outcome.as_array().unwrap().len() == 4));
    // Four float64 are 32 bytes, which are 44 characters.
    assert!(packed.as_array().unwrap().iter().all(|outcome| outcome.as_str().unwrap().len() == 44));
    assert_eq!(talk.code("sweep", json!({"points": [[[99, 1.0]]]})), -32602);

    let question = |mut more: Value| {
        more["inputs"] = inputs.clone();
        more
    };
    let jacobian = talk.result("jacobian", question(json!({"jac_inputs": ["x", "p"], "jac_outputs": ["y"]})));
    talk.messages.check(&["blocks"], &jacobian);
    assert_eq!(jacobian["y"]["x"]["shape"], json!([4, 4]));
    assert_eq!(talk.code("jacobian", question(json!({"jac_inputs": ["nowhere.["], "jac_outputs": ["y"]}))), -32602);
    let jvp = json!({"jvp_inputs": ["x", "p"], "jvp_outputs": ["y"], "tangent_vector": {"x": [1.0, 0.5, -0.25, 2.0], "p": 1}});
    let product = talk.result("jacobian_vector_product", question(jvp));
    talk.messages.check(&["leaves"], &product);
    let vjp = json!({"vjp_inputs": ["p"], "vjp_outputs": ["y"], "cotangent_vector": {"y": [1.0, 0.5, -0.25, 2.0]}});
    let product = talk.result("vector_jacobian_product", question(vjp));
    talk.messages.check(&["leaves"], &product);
    let bare = json!({"vjp_inputs": ["p"], "vjp_outputs": ["y"], "cotangent_vector": {}});
    assert_eq!(talk.code("vector_jacobian_product", question(bare)), -32602);

    let shapes = json!({"x": {"shape": [6], "dtype": "float64"}, "p": {"shape": [], "dtype": "float64"}});
    let said = talk.result("abstract_eval", json!({"inputs": shapes}));
    assert_eq!(said, json!({"y": {"shape": [6], "dtype": "float64"}}));
    talk.result("ping", json!({}));

    // What is not published is answered as published, and the conversation goes on.
    for (line, id, code) in [
        (r#"{"jsonrpc": "2.0", "id": 90, "method": "divine", "params": {}}"#, json!(90), -32601),
        ("this is no message", json!(null), -32700),
        (r#"{"jsonrpc": "2.0", "id": 91"#, json!(null), -32700),
        ("[]", json!(null), -32700),
        (r#"{"jsonrpc": "2.0", "id": 92, "method": "apply"}"#, json!(92), -32602),
    ] {
        let answer = talk.say(line);
        talk.messages.check(&["", "response", "error_response"], &answer);
        assert_eq!((&answer["id"], answer["error"]["code"].as_i64()), (&id, Some(code)), "{line}: {answer}");
        talk.result("ping", json!({}));
    }
    // A notification wants no answer: the next answer is the next request's.
    let cancel = json!({"jsonrpc": "2.0", "method": "cancel", "params": {"id": 1}});
    talk.messages.check_notification(&cancel);
    writeln!(talk.stdin, "{cancel}").unwrap();
    talk.result("ping", json!({}));
    talk.shut_down();
}

#[test]
fn a_slow_chunk_is_reported_on_as_published() {
    let folder = tempfile::tempdir().unwrap();
    let write = |file: &str, text: &str| fs::write(folder.path().join(file), text).unwrap();
    write(
        "model.toml",
        "input = 'i.json'\noutput = 'o.json'\n[executable]\ncommand = ['sh', 'm.sh']\nprotocol = 'lines'",
    );
    write("i.json", r#"{"properties": {"x": {"type": "number", "differentiable": true}}, "required": ["x"]}"#);
    write("o.json", r#"{"properties": {"y": {"type": "number", "differentiable": true}}, "required": ["y"]}"#);
    write(
        "m.sh",
        "while read -r line; do\n  sleep 0.06\n  case $line in\n    *7*) echo '{\"error\": {\"code\": -32000, \"message\": \"sevens\"}}' ;;\n    *) echo '{\"y\": 1.5}' ;;\n  esac\ndone\n",
    );
    let mut talk = worker(folder.path());
    talk.result("initialize", greeting());
    let points = json!([[[0, 7.0]], [[0, 1.0]], [[0, 2.0]], [[0, 7.0]], [[0, 3.0]]]);
    let params = json!({"inputs": {"x": 0}, "wrt": ["x"], "of": ["y"], "points": points});
    let outcomes = talk.result("sweep", params);
    let sevens = json!({"error": {"code": -32000, "message": "sevens"}});
    assert_eq!(outcomes, json!([sevens, [1.5], [1.5], sevens, [1.5]]));
    assert!(talk.notifications > 0);
    assert_eq!(talk.code("apply", json!({"inputs": {"x": 7}})), -32000);
    talk.shut_down();
}

#[test]
fn messages_that_are_not_published_are_told_apart() {
    let mut messages = Messages::new();
    let request = |method: &str, params: Value| json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
    let answer = |result: Value| json!({"jsonrpc": "2.0", "id": 1, "result": result});
    let error = |error: Value| json!({"jsonrpc": "2.0", "id": 1, "error": error});
    for (name, message) in [
        ("", json!({})),
        ("", json!([])),
        ("request", request("divine", json!({}))),
        ("request", request("apply", json!({}))),
        ("request", request("apply", json!({"inputs": [1]}))),
        ("request", json!({"id": 1, "method": "ping"})),
        ("request", json!({"jsonrpc": "2.0", "method": "ping"})),
        ("request", request("sweep", json!({"inputs": {}}))),
        ("request", request("sweep", json!({"points": [[[0, 1, 2]]]}))),
        ("request", request("sweep", json!({"points": [[[0]]]}))),
        ("request", request("sweep", json!({"points": [[[-1, 2.0]]]}))),
        ("request", request("sweep", json!({"points": [], "encoding": "morse"}))),
        ("request", request("jacobian", json!({"inputs": {}, "jac_inputs": [], "jac_outputs": ["y"]}))),
        ("request", request("jacobian", json!({"inputs": {}, "wrt": ["x"], "of": ["y"]}))),
        ("response", json!({"jsonrpc": "2.0", "id": 1})),
        ("response", json!({"jsonrpc": "2.0", "result": {}})),
        ("response", json!({"jsonrpc": "2.0", "id": 1, "result": {}, "error": {"code": 1, "message": ""}})),
        ("response", error(json!("no"))),
        ("response", error(json!({"code": "E1", "message": "no"}))),
        ("response", error(json!({"code": -32000}))),
        ("initialize_response", answer(json!({"protocol": 2}))),
        ("initialize_response", answer(json!({"encodings": ["morse"]}))),
        ("initialize_response", answer(json!({"pipeline": 0}))),
        ("apply_response", answer(json!([1.0]))),
        ("sweep_response", answer(json!([1.0]))),
        ("sweep_response", answer(json!([{"error": "no"}]))),
        ("jacobian_response", answer(json!({"y": [1.0]}))),
        ("jacobian_vector_product_response", answer(json!({"y": "1.0"}))),
        ("abstract_eval_response", answer(json!(null))),
        ("notification", json!({"jsonrpc": "2.0", "method": "log", "params": {"level": "loud", "message": ""}})),
        ("notification", json!({"jsonrpc": "2.0", "method": "progress", "params": {"done": -1}})),
    ] {
        assert!(!messages.of(name).is_valid(&message), "'{name}' takes {message}");
    }
}

/// A model whose program is recorded: `sent.*` and `heard.*` are what went in and what came out.
fn recorder(plugin: &str, program: &[&str]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let manifest = manifest_json(&fs::read_to_string(root().join("plugins").join(plugin).join("model.toml")).unwrap());
    for side in ["input", "output"] {
        let schema = root().join("plugins").join(plugin).join(manifest[side].as_str().unwrap());
        fs::copy(schema, folder.path().join(format!("{side}.schema.json"))).unwrap();
    }
    // A recording for each process, so that lines of two never mix.
    fs::write(folder.path().join("record.sh"), "tee sent.$$ | \"$@\" | tee heard.$$\n").unwrap();
    let command: Vec<&str> = ["sh", "record.sh"].iter().chain(program).copied().collect();
    let text = format!(
        "input = \"input.schema.json\"\noutput = \"output.schema.json\"\n[executable]\ncommand = {}\n",
        Value::from(command)
    );
    fs::write(folder.path().join("model.toml"), text).unwrap();
    folder
}

/// Runs `secant` on the model with the payload of one of the plugin's cases.
fn run(model: &Path, plugin: &str, command: &str, case: &str, flags: &[&str]) {
    let case = read_json(&root().join("plugins").join(plugin).join("cases").join(case));
    let output = Command::new(SECANT)
        .args([command, "--quiet", "--workers", "1"])
        .args(flags)
        .arg(model)
        .arg(case["payload"].to_string())
        .output()
        .unwrap();
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{plugin}: {command}: {words}");
}

/// Holds both directions of every recorded conversation against what is published; the methods called.
fn check_recordings(folder: &Path) -> BTreeSet<String> {
    let mut messages = Messages::new();
    let mut called = BTreeSet::new();
    for sent in files(folder) {
        let Some(process) = sent.file_name().unwrap().to_str().unwrap().strip_prefix("sent.") else { continue };
        let mut asked = BTreeMap::new();
        for line in fs::read_to_string(&sent).unwrap().lines() {
            let request: Value = serde_json::from_str(line).unwrap();
            messages.check_request(&request);
            let method = request["method"].as_str().unwrap().to_owned();
            called.insert(method.clone());
            assert!(asked.insert(request["id"].to_string(), method).is_none(), "an id twice: {line}");
        }
        for line in fs::read_to_string(folder.join(format!("heard.{process}"))).unwrap().lines() {
            let message: Value = serde_json::from_str(line).unwrap();
            if message.get("method").is_some() {
                messages.check_notification(&message);
                continue;
            }
            let method = asked.remove(&message["id"].to_string());
            messages.check_answer(&method.unwrap_or_else(|| panic!("nobody asked for {line}")), &message);
        }
        asked.retain(|_, method| method != "shutdown");
        assert!(asked.is_empty(), "not answered: {asked:?}");
    }
    called
}

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn secant_and_its_worker_talk_as_published() {
    let native = root().join("plugins/native");
    let folder = recorder("native", &[SECANT, "worker", native.to_str().unwrap()]);
    let model = folder.path();
    // Where the schemas tell the shapes of the outputs, nobody asks the model.
    let output = model.join("output.schema.json");
    let told = fs::read_to_string(&output).unwrap();
    assert!(told.contains(r#""shape": ["n"]"#));
    fs::write(&output, told.replace(r#""shape": ["n"]"#, r#""shape": [null]"#)).unwrap();
    run(model, "native", "apply", "apply.json", &[]);
    run(model, "native", "jacobian", "jacobian.json", &[]);
    run(model, "native", "jacobian", "jacobian.json", &["--algorithm", "central"]);
    run(model, "native", "jvp", "jacobian_vector_product.json", &[]);
    run(model, "native", "vjp", "vector_jacobian_product.json", &[]);
    run(model, "native", "vjp", "vector_jacobian_product.json", &["--algorithm", "stochastic", "--samples", "5"]);
    run(model, "native", "abstract-eval", "abstract_eval.json", &[]);
    let called = check_recordings(model);
    let all = [
        "abstract_eval",
        "apply",
        "initialize",
        "jacobian",
        "jacobian_vector_product",
        "shutdown",
        "sweep",
        "vector_jacobian_product",
    ];
    assert_eq!(called, set(&all));
}

#[test]
fn programs_in_python_are_spoken_to_as_published() {
    if !python() {
        return;
    }
    for plugin in ["meshstats-py", "nested"] {
        let program = root().join("plugins").join(plugin).join("model.py");
        let folder = recorder(plugin, &["python3", program.to_str().unwrap()]);
        run(folder.path(), plugin, "apply", "apply.json", &[]);
        run(folder.path(), plugin, "jacobian", "jacobian.json", &[]);
        let called = check_recordings(folder.path());
        assert_eq!(called, set(&["apply", "initialize", "shutdown"]), "{plugin}");
    }
}

#[test]
fn programs_in_python_speak_as_published() {
    if !python() {
        return;
    }
    for plugin in ["meshstats-py", "nested"] {
        let folder = root().join("plugins").join(plugin);
        let mut talk = Talk::with(Command::new("python3").arg("model.py").current_dir(&folder));
        let said = talk.result("initialize", greeting());
        talk.messages.check(&["initialize_result"], &said);
        let case = read_json(&folder.join("cases/apply.json"));
        let outputs = talk.result("apply", json!({"inputs": case["payload"]["inputs"]}));
        talk.messages.check(&["tree", "line"], &outputs);
        assert_eq!(talk.code("jacobian", json!({"inputs": {}, "jac_inputs": ["x"], "jac_outputs": ["y"]})), -32601);
        talk.shut_down();
    }
}
