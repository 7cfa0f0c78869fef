//! One small model in all forms: a closure, a library in several ways, a program in every protocol.
//! Its functions stand in tests/fixtures/probe/probe.c, their derivatives here.

use std::collections::BTreeMap;
use std::f64::consts::PI;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, OnceLock};

use num_complex::Complex;
use secant::{Array, Isolation, Model, ModelError, OpenOptions, Tree, Value, json};

/// A form of the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A Rust closure.
    Function,
    /// A library that wants a thread for each instance.
    Library,
    /// The same that takes many points at once.
    Batch,
    /// A library of which one instance serves all threads.
    AnyThread,
    /// A library behind `secant worker`.
    Isolated,
    /// A library that allows one instance in a process, asked for several.
    Exclusive,
    /// A program that has `apply` and nothing else.
    Jsonrpc,
    /// A program that offers base64 and takes several requests at once.
    Base64,
    /// A program that answers lines with lines.
    Lines,
    /// A program started for each evaluation.
    Once,
    /// The same as a legacy program: what it is given is a template, what it answers is read by pointers.
    Legacy,
    /// The last but three again, behind our own guest end: host, guest, host, program.
    Guest,
    /// The library behind `secant serve`, asked over HTTP.
    Remote,
}

/// Where fixtures stand.
pub fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

/// A folder of this build's for what tests make.
pub fn scratch(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// Python as it is itself, not a shim before it; `None`, and loud words, without it.
pub fn python() -> Option<&'static str> {
    static PYTHON: OnceLock<Option<String>> = OnceLock::new();
    let found = PYTHON.get_or_init(|| {
        let output = Command::new("python3").args(["-c", "import sys; print(sys.executable)"]).output().ok()?;
        output.status.success().then(|| String::from_utf8(output.stdout).unwrap().trim().to_owned())
    });
    if found.is_none() {
        eprintln!("SKIPPED: there is no python3 on the PATH, so that models written in Python were NOT TESTED");
    }
    found.as_deref()
}

/// Whether there is a program of this name; loud words without it.
pub fn program(name: &str) -> bool {
    let there = std::env::var_os("PATH")
        .is_some_and(|list| std::env::split_paths(&list).any(|folder| folder.join(name).is_file()));
    if !there {
        eprintln!("SKIPPED: there is no {name} on the PATH, so that the model that runs it was NOT TESTED");
    }
    there
}

/// Compiles a source of tests/fixtures into the scratch folder, if that has not been done. `{out}` is the result.
pub fn compile(source: &str, out: &str, arguments: &[&str]) -> PathBuf {
    static LOCK: Mutex<()> = Mutex::new(());
    let _one_at_a_time = LOCK.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let (source, out) = (fixture(source), scratch("compiled").join(out));
    let modified = |path: &Path| path.metadata().and_then(|data| data.modified()).ok();
    let header = Path::new(env!("CARGO_MANIFEST_DIR")).join("include/secant.h");
    if modified(&out).is_some_and(|made| Some(made) > modified(&source) && Some(made) > modified(&header)) {
        return out;
    }
    // Moved into place when it is whole: another test process may do the same.
    let fresh = out.with_extension(std::process::id().to_string());
    let include = header.parent().unwrap();
    let output = Command::new("cc")
        .args(["-O1", "-Wall", "-Wextra", "-Werror", "-I"])
        .arg(include)
        .arg("-o")
        .arg(&fresh)
        .arg(&source)
        .args(arguments)
        .output()
        .unwrap_or_else(|error| panic!("these tests need a C compiler by the name of cc: {error}"));
    assert!(output.status.success(), "cc failed on {}:\n{}", source.display(), String::from_utf8_lossy(&output.stderr));
    std::fs::rename(&fresh, &out).unwrap();
    out
}

/// Compiles a library.
pub fn library(source: &str, name: &str, defines: &[&str]) -> PathBuf {
    let arguments = [&["-shared", "-fPIC"], defines, &["-lm"]].concat();
    compile(source, &format!("lib{name}.{}", std::env::consts::DLL_EXTENSION), &arguments)
}

/// Writes a manifest into a folder of its own, and returns the folder.
pub fn plugin(name: &str, manifest: &str) -> PathBuf {
    let folder = scratch("plugins").join(name);
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("model.toml");
    if std::fs::read_to_string(&file).ok().as_deref() != Some(manifest) {
        let fresh = folder.join(format!("model.{}.{:?}", std::process::id(), std::thread::current().id()));
        std::fs::write(&fresh, manifest).unwrap();
        std::fs::rename(&fresh, &file).unwrap();
    }
    folder
}

/// A model with a gradient of its own that is picky about where it is asked: tests/fixtures/choosy.
pub fn choosy() -> Option<PathBuf> {
    let folder = plugin(
        "choosy",
        &format!(
            "input = \"input.json\"\noutput = \"output.json\"\n[executable]\ncommand = [{:?}, \"-S\", \"-E\", {:?}]",
            python()?,
            fixture("choosy/choosy.py"),
        ),
    );
    let schema = |name: &str, examples: Value| {
        json!({"properties": {
        name: {"dtype": "float64", "shape": [null], "differentiable": true},
    }, "required": [name], "examples": examples})
    };
    let deadly = json!([{"x": [2000.0, 2000.0]}]);
    for (file, schema) in [("input.json", schema("x", deadly)), ("output.json", schema("y", json!([])))] {
        std::fs::write(folder.join(file), schema.to_string()).unwrap();
    }
    Some(folder)
}

/// This build's own `secant`.
pub fn secant() -> &'static str {
    env!("CARGO_BIN_EXE_secant")
}

pub fn options() -> OpenOptions {
    OpenOptions { worker: Some(secant().into()), ..OpenOptions::default() }
}

/// The URL of a server of the library, started once. It ends with this process, when its stdin does.
fn served() -> &'static str {
    static SERVER: OnceLock<(String, std::process::Child)> = OnceLock::new();
    let (url, _) = SERVER.get_or_init(|| {
        let script = "\"$0\" serve \"$1\" --port 0 --queue 1000 & server=$!; cat > /dev/null; kill $server";
        let folder = Form::Library.folder().unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", script, secant()]).arg(folder).stdin(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut said = BufReader::new(child.stderr.take().unwrap()).lines();
        let url = said.find_map(|line| line.unwrap().strip_prefix("listening on ").map(str::to_owned));
        std::thread::spawn(move || said.for_each(drop));
        (url.expect("the server says where it is"), child)
    });
    url
}

impl Form {
    /// The folder of its plugin; `None` for a closure, or where Python is needed and not there.
    pub fn folder(self) -> Option<PathBuf> {
        let schemas = |name: &str, table: String| {
            let (input, output) = (fixture("probe/input.schema.json"), fixture("probe/output.schema.json"));
            plugin(name, &format!("name = \"probe\"\ninput = {input:?}\noutput = {output:?}\n\n{table}\n"))
        };
        let library = |name: &str, defines: &[&str]| {
            let path = library("probe/probe.c", name, defines);
            schemas(name, format!("[library]\npath = {path:?}"))
        };
        let program = |name: &str, protocol: &str, word: &str| {
            let script = fixture("probe/probe.py");
            let command = format!("[{:?}, \"-S\", \"-E\", {script:?}, {word:?}]", python()?);
            Some(schemas(name, format!("[executable]\ncommand = {command}\nprotocol = {protocol:?}")))
        };
        match self {
            Form::Function => None,
            Form::Library | Form::Isolated => Some(library("probe", &[])),
            Form::Batch => Some(library("probe_batch", &["-DBATCH"])),
            Form::AnyThread => Some(library("probe_any", &["-DTHREADING=SECANT_ANY_THREAD"])),
            Form::Exclusive => Some(library("probe_one", &["-DTHREADING=SECANT_ONE_PER_PROCESS"])),
            Form::Jsonrpc => program("probe_jsonrpc", "jsonrpc", "jsonrpc"),
            Form::Base64 => program("probe_base64", "jsonrpc", "base64"),
            Form::Lines => program("probe_lines", "lines", "lines"),
            Form::Once => program("probe_once", "once", "once"),
            Form::Legacy => {
                let (python, script) = (python()?, fixture("probe/probe.py"));
                let stdin = r#"{"x": [{{ x | join(", ") }}], "s": {{ s }}, "f": [{{ f | join(", ") }}],
                    "z": [{{ z.re }}, {{ z.im }}], "d": { {% for key, v in d | items %}"{{ key }}":
                    [{{ v | join(", ") }}]{{ "" if loop.last else ", " }}{% endfor %} },
                    "mode": "{{ mode }}", "log": "{{ log }}"}"#;
                let outputs = ["y", "t", "h", "w", "e.{a}", r"e.{b \{c\}}"];
                let pointers = ["/y", "/t", "/h", "/w", "/e/a", "/e/b {c}"];
                let reads =
                    outputs.iter().zip(pointers).map(|(path, json)| format!("'{path}' = {{ json = {json:?} }}\n"));
                let reads: String = reads.collect();
                Some(schemas(
                    "probe_legacy",
                    format!(
                        "[command]\nargv = [{python:?}, '-S', '-E', {script:?}, 'once']\nkeep = 'never'\n[[command.write]]\n\
                         to = 'stdin'\ntext = '''{stdin}'''\n[command.read]\n{reads}"
                    ),
                ))
            }
            Form::Guest => {
                let behind = Form::Base64.folder()?;
                let command = format!("[{:?}, \"worker\", {behind:?}]", secant());
                Some(schemas("probe_guest", format!("[executable]\ncommand = {command}")))
            }
            // Its schemas are the server's.
            Form::Remote => {
                let name = format!("probe_remote_{}", std::process::id());
                Some(plugin(&name, &format!("name = \"probe\"\n[remote]\nurl = {:?}\n", served())))
            }
        }
    }

    /// Opens it; `None` where Python is needed and not there.
    pub fn open(self) -> Option<Model> {
        if self == Form::Function {
            return Some(closure());
        }
        let options = match self {
            Form::Isolated => OpenOptions { isolation: Some(Isolation::Process), ..options() },
            _ => options(),
        };
        let model = Model::open_with(self.folder()?, &options);
        Some(model.unwrap_or_else(|error| panic!("{self:?} cannot be opened: {error}")))
    }

    /// Evaluations dearer than others, of which a test should not ask for many.
    pub fn is_slow(self) -> bool {
        matches!(self, Form::Once | Form::Legacy)
    }
}

/// A point at which the model is asked.
#[derive(Clone, Debug)]
pub struct Point {
    pub x: Vec<f64>,
    pub s: f64,
    pub f: [f32; 2],
    pub z: [f64; 2],
    pub d: BTreeMap<&'static str, Vec<f64>>,
    pub mode: &'static str,
    pub log: String,
}

impl Default for Point {
    fn default() -> Point {
        Point {
            // x[1] is where trouble begins, when it is asked for.
            x: vec![0.3, 1.0, -0.7],
            s: 0.8,
            f: [0.5, -1.25],
            z: [0.6, -0.3],
            // A key that must be escaped in paths.
            d: BTreeMap::from([("a", vec![0.4, 0.9]), ("b {c}", vec![-1.1])]),
            mode: "plain",
            log: String::new(),
        }
    }
}

pub const WRT: [&str; 6] = ["x", "s", "f", "z", "d.{a}", r"d.{b \{c\}}"];
pub const OF: [&str; 6] = ["y", "t", "h", "w", "e.{a}", r"e.{b \{c\}}"];
/// Those in double precision, whose derivatives are good to many digits.
pub const FINE_WRT: [&str; 5] = ["x", "s", "z", "d.{a}", r"d.{b \{c\}}"];
pub const FINE_OF: [&str; 5] = ["y", "t", "w", "e.{a}", r"e.{b \{c\}}"];

impl Point {
    pub fn json(&self) -> Value {
        json!({
            "x": self.x, "s": self.s, "f": self.f, "z": self.z, "d": self.d,
            "mode": self.mode, "log": self.log,
        })
    }

    /// The number of real coordinates of an input.
    pub fn len(&self, wrt: &str) -> usize {
        match wrt {
            "x" => self.x.len(),
            "s" => 1,
            "f" | "z" => 2,
            key => self.key(key).1.len(),
        }
    }

    fn key(&self, path: &str) -> (&'static str, &[f64]) {
        let key = path[3..path.len() - 1].replace('\\', "");
        let (key, values) = self.d.get_key_value(key.as_str()).unwrap();
        (key, values)
    }

    /// The outputs, flat; complex ones as numbers of their own.
    pub fn outputs(&self, of: &str) -> Vec<Complex<f64>> {
        let real = |value: f64| Complex::new(value, 0.0);
        let z = Complex::new(self.z[0], self.z[1]);
        let after = |i: usize| self.x[(i + 1) % self.x.len()];
        match of {
            "y" => (0..self.x.len()).map(|i| real(self.s * self.x[i].sin() + self.x[i] * after(i))).collect(),
            "t" => vec![real(self.x.iter().map(|x| x * x).sum::<f64>() + self.s * self.s + z.norm_sqr())],
            "h" => self.f.iter().map(|f| real(f64::from(f * f) + self.s)).collect(),
            "w" => vec![z * z + self.s],
            key => vec![real(self.s * self.key(key).1.iter().map(|v| v * v).sum::<f64>())],
        }
    }

    /// A block of the Jacobian, row by row, in closed form. By a complex input ∂/∂x − i ∂/∂y of a real output.
    pub fn derivative(&self, of: &str, wrt: &str) -> Vec<Complex<f64>> {
        let real = |value: f64| Complex::new(value, 0.0);
        let z = Complex::new(self.z[0], self.z[1]);
        let n = self.x.len();
        let columns = if wrt == "z" { 1 } else { self.len(wrt) };
        let zeros = vec![real(0.0); self.outputs(of).len() * columns];
        match (of, wrt) {
            ("y", "x") => {
                let mut block = zeros;
                for i in 0..n {
                    let next = (i + 1) % n;
                    block[i * n + i] += self.s * self.x[i].cos() + self.x[next];
                    block[i * n + next] += self.x[i];
                }
                block
            }
            ("y", "s") => self.x.iter().map(|x| real(x.sin())).collect(),
            ("t", "x") => self.x.iter().map(|x| real(2.0 * x)).collect(),
            ("t", "s") => vec![real(2.0 * self.s)],
            ("t", "z") => vec![2.0 * z.conj()],
            ("h", "f") => {
                vec![real(2.0 * f64::from(self.f[0])), real(0.0), real(0.0), real(2.0 * f64::from(self.f[1]))]
            }
            ("h", "s") => vec![real(1.0); 2],
            ("w", "z") => vec![2.0 * z],
            ("w", "s") => vec![real(1.0)],
            (of, "s") if of.starts_with("e.") => {
                vec![real(self.key(of).1.iter().map(|v| v * v).sum())]
            }
            (of, wrt) if of.starts_with("e.") && wrt.starts_with("d.") && of[1..] == wrt[1..] => {
                self.key(of).1.iter().map(|v| real(2.0 * self.s * v)).collect()
            }
            _ => zeros,
        }
    }
}

fn leaf<'t>(inputs: &'t Tree, path: &str) -> &'t Array {
    inputs.leaf(&path.parse().unwrap()).unwrap()
}

/// The closure. It learns its mode and log as any other model does.
fn closure() -> Model {
    let schema =
        |name: &str| -> Value { serde_json::from_slice(&std::fs::read(fixture("probe").join(name)).unwrap()).unwrap() };
    Model::from_fn("probe", &schema("input.schema.json"), &schema("output.schema.json"), evaluate).unwrap()
}

fn evaluate(inputs: &Tree) -> Result<Tree, ModelError> {
    let texts: BTreeMap<String, String> = inputs
        .texts()
        .into_iter()
        .map(|(path, text)| (path.to_string(), serde_json::from_str(text).unwrap()))
        .collect();
    let (x, s, z) = (leaf(inputs, "x").to_vec(), leaf(inputs, "s").to_vec()[0], leaf(inputs, "z").to_vec());
    let f = leaf(inputs, "f").as_slice::<f32>().unwrap();
    if !texts["log"].is_empty() {
        grow(&texts["log"]);
    }
    if s < 0.0 {
        return Err(ModelError::failed("s is out of bounds"));
    }
    let troubled = x.len() > 1 && x[1] > 1.0;
    match texts["mode"].as_str() {
        "fail" if troubled => return Err(ModelError::failed("the solver did not converge")),
        "refuse" if troubled => return Err(ModelError::refused("x[1] makes no sense")),
        _ => {}
    }
    let n = x.len();
    let y: Vec<f64> = (0..n).map(|i| s * x[i].sin() + x[i] * x[(i + 1) % n]).collect();
    let t = x.iter().map(|x| x * x).sum::<f64>() + s * s + z[0] * z[0] + z[1] * z[1];
    let t = if troubled && texts["mode"] == "nan" { f64::NAN } else { t };
    let h: Vec<f32> = f.iter().map(|f| f * f + s as f32).collect();
    let w = Complex::new(z[0], z[1]).powu(2) + s;
    let Some(Tree::Dict(entries)) = inputs.get(&"d".parse().unwrap()) else { panic!("d is a dictionary") };
    let square = |values: &Tree| {
        let Tree::Leaf(values) = values else { panic!("of arrays") };
        Tree::from(s * values.to_vec().iter().map(|v| v * v).sum::<f64>())
    };
    let e = Tree::Dict(entries.iter().map(|(key, values)| (key.clone(), square(values))).collect());
    Ok(Tree::fields([
        ("y", Tree::from(Array::new(&[n], y))),
        ("t", Tree::from(t)),
        ("h", Tree::from(Array::new(&[2], h))),
        ("w", Tree::from(Array::new(&[], vec![w]))),
        ("e", e),
    ]))
}

fn grow(log: &str) {
    use std::io::Write;
    std::fs::File::options().append(true).create(true).open(log).unwrap().write_all(b".").unwrap();
}

/// Some tangent or cotangent of n coordinates.
pub fn direction(n: usize) -> Vec<f64> {
    (0..n).map(|i| ((i as f64 + 1.0) * PI).cos() * 0.5 + (i as f64).sin()).collect()
}
