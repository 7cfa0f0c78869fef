//! What a person sees at a terminal: results, listings, errors. Snapshots, so that a change of words is a
//! change that somebody looked at.

use std::io::Read;
use std::path::Path;

use insta::assert_snapshot;
use secant::{Model, Value, json};

use crate::probe::{options, python};
use crate::program::{Outcome, Run};

fn run<const N: usize>(arguments: [&str; N]) -> Outcome {
    Run::new(arguments).run()
}

/// The same, as text for a snapshot: the folder of the sources is no part of it, nor are times.
fn shown<const N: usize>(arguments: [&str; N]) -> String {
    clean(&run(arguments).shown())
}

fn clean(text: &str) -> String {
    let text = text.replace(env!("CARGO_MANIFEST_DIR"), "[secant]");
    let time = regex::Regex::new(r"\d+(\.\d+)? (us|ms|s)\b").unwrap();
    time.replace_all(&text, "[time]").into_owned()
}

/// A folder with a model of these files.
fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let file = folder.path().join(name);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, text).unwrap();
    }
    folder
}

/// What is said of a model made of these files.
fn said_of(files: &[(&str, &str)]) -> String {
    let folder = folder(files);
    let path = folder.path().to_str().unwrap();
    let outcome = Run::new(["apply", path, r#"{"inputs": {"x": 1}}"#]).run();
    clean(&outcome.shown()).replace(path, "[model]")
}

const ROSENBROCK: &str = r#"{"inputs": {"x": -1.2, "y": 1}}"#;
const INPUT: &str = r#"{"properties": {"x": {"type": "number", "differentiable": true}}, "required": ["x"]}"#;
const OUTPUT: &str = r#"{"properties": {"y": {"type": "number", "differentiable": true}}, "required": ["y"]}"#;

#[test]
fn list() {
    let outcome = run(["list"]).expect(0);
    // Nothing is started, so that it does not matter what is installed.
    assert_eq!(Run::new(["list"]).env("PATH", "/nowhere").run().shown(), outcome.shown());
    let shipped = [
        "airfoil",
        "cantilever",
        "dipole",
        "meshstats",
        "native",
        "nested",
        "rosenbrock",
        "sounding",
        "springmass",
        "vectoradd",
    ];
    let lines = outcome.text().lines().filter(|line| shipped.contains(&line.split(' ').next().unwrap()));
    let mut found: Vec<String> = lines
        .map(|line| line.split("  ").filter(|cell| !cell.is_empty()).map(str::trim).collect::<Vec<_>>().join(" | "))
        .collect();
    found.sort();
    assert_snapshot!(found.join("\n"), @r"
    airfoil | 1.0.0 | command | alpha, reynolds -> lift, drag, moment
    cantilever | 1.0.0 | command | length, modulus, width, height, tip_load, load -> tip_deflection, largest_stress, deflection, moment
    dipole | 1.0.0 | command | length, radius, frequency -> resistance, reactance, gain
    meshstats | 1.0.0 | library | mesh.points -> statistics.first_point_coordinates, statistics.barycenter
    native | 1.0.0 | library | x, p -> y
    nested | 1.0.0 | executable (jsonrpc) | params.gain, params.offset, fields.{}, layers.[] -> summary.total, per_key.{}, layers_out.[]
    rosenbrock | 1.0.0 | library | x, y -> result
    sounding | 1.0.0 | command | resistivity, thickness -> apparent
    springmass | 1.0.0 | executable (once) | mass, stiffness, damping, pull, time -> period, position, velocity, energy
    vectoradd | 1.0.0 | executable (lines) | a, b, s -> result
    ");
    let empty = tempfile::tempdir().unwrap();
    let outcome = Run::new(["list"]).env("SECANT_PLUGINS", empty.path()).run();
    assert_snapshot!(outcome.shown().replace(empty.path().to_str().unwrap(), "[empty]"), @r"
    --- stderr
    no models in [empty]: make one with `secant new NAME --kind c`
    --- exit code 0
    ");
    assert_snapshot!(shown(["list", "--plugins", "/nowhere"]), @r"
    --- stderr
    error: /nowhere: No such file or directory (os error 2): name the folder of models with --plugins or $SECANT_PLUGINS
    --- exit code 5
    ");
}

#[test]
fn one_bad_model_does_not_hide_the_others() {
    let plugins = folder(&[
        ("good/model.toml", "input = 'i.json'\noutput = 'o.json'\n[executable]\ncommand = ['true']\nprotocol = 'once'"),
        ("good/i.json", INPUT),
        ("good/o.json", OUTPUT),
        ("bad/model.toml", "[libary]\npath = 'x.so'"),
        ("worse/model.toml", "this is no TOML"),
        ("not_a_model/README.md", ""),
    ]);
    let path = plugins.path().to_str().unwrap();
    let outcome = Run::new(["list", "--plugins", path]).run();
    assert_snapshot!(outcome.shown().replace(path, "[plugins]"), @r"
    good    executable (once)  x -> y
    --- stderr
    error: bad: [plugins]/bad/model.toml:
           TOML parse error at line 1, column 2
             |
           1 | [libary]
             |  ^^^^^^
           unknown field `libary`, expected one of `name`, `version`, `description`, `input`, `output`, `differentiable`, `config`, `library`, `executable`, `command`, `symbol`, `remote`, `gradient`, `run`

           worse: [plugins]/worse/model.toml:
           TOML parse error at line 1, column 6
             |
           1 | this is no TOML
             |      ^
           key with no value, expected `=`
    --- exit code 5
    ");
}

#[test]
fn describe() {
    assert_snapshot!(shown(["describe", "springmass"]), @r"
    springmass 1.0.0, executable (once)
    A mass on a damped spring, pulled aside and let go

    inputs
      mass       float64  ()  differentiable  (0, inf)
      stiffness  float64  ()  differentiable  (0, inf)
      damping    float64  ()  differentiable  [0, inf)
      pull       float64  ()  differentiable
      time       float64  ()  differentiable  [0, inf)

    outputs
      period    float64  ()  differentiable  (0, inf)
      position  float64  ()  differentiable
      velocity  float64  ()  differentiable
      energy    float64  ()  differentiable  [0, inf)

    derivatives
      algorithm    auto
      evaluations  auto about 7+5n, central 2n, forward and backward n+1, jvp 2 or with auto about 13; n = 5
    --- exit code 0
    ");
    assert_snapshot!(shown(["describe", "vectoradd"]), @r"
    vectoradd 1.0.0, executable (lines)
    a s + b, if wanted of length one

    inputs
      a             float32                               (n,)  differentiable
      b             float32                               (n,)  differentiable
      s             float32                               ()    differentiable
      normalize     boolean
      fd_algorithm  'central', 'forward' or 'stochastic'

    outputs
      result  float64  (n,)  differentiable

    derivatives
      algorithm    the input fd_algorithm says, else auto
      evaluations  auto about 7+5n, central 2n, forward and backward n+1, jvp 2 or with auto about 13; n = the number of elements of a, b, s
    --- exit code 0
    ");
    assert_snapshot!(shown(["describe", "meshstats"]), @r"
    meshstats 1.0.0, library
    Summary statistics of a volumetric mesh

    inputs
      mesh.n_points             int64                                 ()
      mesh.n_cells              int64                                 ()
      mesh.points               float64                               (None, 3)     differentiable
      mesh.num_points_per_cell  float64                               (None,)
      mesh.cell_connectivity    int32                                 (None,)
      mesh.cell_data.{}         float64                               (None, None)
      mesh.point_data.{}        float64                               (None, None)
      fd_algorithm              'central', 'forward' or 'stochastic'

    outputs
      statistics.first_point_coordinates  float64  (3,)  differentiable
      statistics.barycenter               float64  (3,)  differentiable

    derivatives
      algorithm    the input fd_algorithm says, else central
      evaluations  auto about 7+5n, central 2n, forward and backward n+1, jvp 2 or with auto about 13; n = the number of elements of mesh.points
    --- exit code 0
    ");
    // By its path, by its manifest: the same.
    assert_eq!(shown(["describe", "plugins/vectoradd"]), shown(["describe", "vectoradd"]));
    assert_eq!(shown(["describe", "plugins/vectoradd/model.toml"]), shown(["describe", "vectoradd"]));
}

#[test]
fn results_as_json() {
    assert_snapshot!(shown(["apply", "rosenbrock", ROSENBROCK]), @r#"
    {"result":{"object_type":"array","shape":[],"dtype":"float64","data":{"buffer":24.199999999999996,"encoding":"json"}}}
    --- exit code 0
    "#);
    let jacobian = run(["jacobian", "rosenbrock", ROSENBROCK]).expect(0);
    assert_eq!(jacobian.stderr, "");
    let (x, y) = (-1.2f64, 1.0f64);
    let expected = [-2.0 * (1.0 - x) - 400.0 * x * (y - x * x), 200.0 * (y - x * x)];
    for (name, expected) in ["x", "y"].into_iter().zip(expected) {
        let found = &jacobian.json()["result"][name];
        assert_eq!((&found["shape"], &found["dtype"]), (&json!([]), &json!("float64")));
        let value = found["data"]["buffer"].as_f64().unwrap();
        assert!((value - expected).abs() < 1e-6 * expected.abs(), "{value} instead of {expected}");
    }
    let jvp = run(["jvp", "rosenbrock", r#"{"inputs": {"x": 1, "y": 2}, "tangent_vector": {"y": 1}}"#]).expect(0);
    assert!((jvp.json()["result"]["data"]["buffer"].as_f64().unwrap() - 200.0).abs() < 1e-6);
    let vjp =
        ["vector-jacobian-product", "rosenbrock", r#"{"inputs": {"x": 1, "y": 2}, "cotangent_vector": {"result": 2}}"#];
    let vjp = run(vjp).expect(0);
    assert!((vjp.json()["y"]["data"]["buffer"].as_f64().unwrap() - 400.0).abs() < 1e-6);
    let shapes = r#"{"inputs": {"x": {"shape": [], "dtype": "float64"}, "y": {"shape": [], "dtype": "float64"}}}"#;
    assert_snapshot!(shown(["abstract-eval", "rosenbrock", shapes]), @r#"
    {"result":{"shape":[],"dtype":"float64"}}
    --- exit code 0
    "#);
}

#[test]
fn results_as_base64() {
    let outcome = run(["apply", "rosenbrock", ROSENBROCK, "--format", "json+base64"]).expect(0);
    let array = &outcome.json()["result"];
    assert_eq!(array["data"]["encoding"], "base64");
    // What was answered can be asked with: bit for bit the number that plain JSON gives.
    let z = run(["apply", "rosenbrock", ROSENBROCK]).json()["result"]["data"]["buffer"].clone();
    let again = json!({"inputs": {"x": array, "y": 0, "a": 0, "b": 0}}).to_string();
    let square = run(["apply", "rosenbrock", &again]).expect(0).json()["result"]["data"]["buffer"].as_f64().unwrap();
    assert_eq!(square, z.as_f64().unwrap().powi(2));
}

#[test]
fn results_as_npz() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("out.npz");
    let typed = ["jacobian", "meshstats", "@plugins/meshstats/hexbeam.json", "--format", "npz", "-o"];
    let mesh: Value = serde_json::from_slice(&std::fs::read("plugins/meshstats/hexbeam.json").unwrap()).unwrap();
    assert!(mesh.get("inputs").is_some(), "hexbeam.json is a payload");
    let outcome =
        Run::new(typed.into_iter().chain([file.to_str().unwrap(), "--of", "statistics.barycenter"])).run().expect(0);
    assert_eq!(outcome.text(), "");
    let expected =
        Run::new(["jacobian", "meshstats", "@plugins/meshstats/hexbeam.json", "--of", "statistics.barycenter"]).run();
    let expected = expected.expect(0).json()["statistics.barycenter"]["mesh.points"].clone();
    let mut archive = zip::ZipArchive::new(std::fs::File::open(&file).unwrap()).unwrap();
    assert_eq!(archive.len(), 1);
    let mut bytes = Vec::new();
    let mut entry = archive.by_index(0).unwrap();
    assert_eq!(entry.name().unwrap(), "statistics.barycenter/mesh.points.npy");
    entry.read_to_end(&mut bytes).unwrap();
    // NumPy's format, version 1: magic, length of the header, a Python literal, the data.
    assert_eq!(&bytes[..8], b"\x93NUMPY\x01\x00");
    let length = usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    assert_eq!((10 + length) % 64, 0, "aligned");
    let header = std::str::from_utf8(&bytes[10..10 + length]).unwrap();
    let shape: Vec<String> = expected["shape"].as_array().unwrap().iter().map(ToString::to_string).collect();
    assert!(header.contains("'descr': '<f8'") && header.contains("'fortran_order': False"), "{header}");
    assert!(header.contains(&format!("'shape': ({},)", shape.join(", "))), "{header}");
    assert!(header.ends_with('\n'));
    let found: Vec<f64> =
        bytes[10 + length..].chunks_exact(8).map(|chunk| f64::from_le_bytes(chunk.try_into().unwrap())).collect();
    assert_eq!(found, numbers(&expected["data"]["buffer"]));
    // To a pipe, too.
    let piped = run(["apply", "rosenbrock", ROSENBROCK, "--format", "npz"]).expect(0);
    assert!(zip::ZipArchive::new(std::io::Cursor::new(piped.stdout)).unwrap().by_name("result.npy").is_ok());
}

fn numbers(value: &Value) -> Vec<f64> {
    match value {
        Value::Array(items) => items.iter().flat_map(numbers).collect(),
        number => vec![number.as_f64().unwrap()],
    }
}

#[test]
fn payloads_come_from_anywhere() {
    let expected = run(["apply", "rosenbrock", ROSENBROCK]).expect(0).stdout;
    let from_stdin = Run::new(["apply", "rosenbrock", "-"]).stdin(ROSENBROCK.as_bytes()).run().expect(0);
    assert_eq!(from_stdin.stdout, expected);
    let folder = folder(&[("payload.json", ROSENBROCK)]);
    let file = format!("@{}", folder.path().join("payload.json").display());
    let out = folder.path().join("out.json");
    let outcome = Run::new(["apply", "rosenbrock", &file, "-o", out.to_str().unwrap()]).run().expect(0);
    assert_eq!((outcome.text(), std::fs::read(out).unwrap()), ("", expected));
    // Paths that are typed stand before those of the payload.
    let payload = r#"{"inputs": {"x": 1, "y": 2}, "jac_inputs": ["x"]}"#;
    let outcome = run(["jacobian", "rosenbrock", payload, "--wrt", "y"]).expect(0);
    assert_eq!(outcome.json()["result"].as_object().unwrap().keys().collect::<Vec<_>>(), ["y"]);
}

#[test]
fn reports() {
    assert_snapshot!(clean(&run(["jacobian", "rosenbrock", ROSENBROCK, "--report", "--workers", "1"]).stderr), @r"
    central: 15 evaluations in [time], 1 worker
    step of x                7.629e-6
    step of y                7.629e-6
    noise of result          1.195e-14
    error of result by x     at most 8.9e-8
    error of result by y     at most 1.4e-8
    error of all, as a norm  at most 9.0e-8
    ");
    let stochastic =
        "jacobian meshstats @plugins/meshstats/hexbeam.json --algorithm stochastic --samples 3 -o /dev/null";
    let with = |more: &str| Run::new(stochastic.split(' ').chain(more.split_whitespace())).run().expect(0);
    assert_snapshot!(clean(&with("--report --seed 7 --workers 2").shown()), @r#"
    --- stderr
    warning: the standard error of this estimate from 3 random directions is 2.2 times the size of the gradient: take more, or algorithm = "auto"
    stochastic: 6 evaluations in [time], 2 workers
    3 random directions, seed 7
    step of mesh.points                                                  1.000e-6
    standard error of statistics.first_point_coordinates by mesh.points  at most 6.7e-1
    standard error of statistics.barycenter by mesh.points               at most 5.8e-2
    standard error of all, as a norm                                     at most 1.7e1
    --- exit code 0
    "#);
    // A drawn seed is told without being asked for.
    let drawn = with("");
    assert!(drawn.stderr.contains("note: random directions were drawn; --seed "), "{}", drawn.stderr);
    assert_eq!(with("--quiet").stderr, "");
    let native = shown(["jacobian", "native", r#"{"inputs": {"x": [1, 2], "p": 3}}"#, "--report", "-o", "/dev/null"]);
    assert_snapshot!(native, @r"
    --- stderr
    native: 1 evaluation in [time], 1 worker
    --- exit code 0
    ");
}

#[test]
fn the_callers_mistakes() {
    assert_snapshot!(shown(["apply", "rosenbrock", r#"{"inputs": {"x": "one", "b": [1, 2], "c": 3}}"#]), @r#"
    --- stderr
    error: inputs.x: Could not parse value as a numeric array (contains non-numeric data): the text "one"
           inputs.b: Array has wrong number of dimensions: got 1D, expected 0D
           inputs.c: Extra inputs are not permitted: there is x, y, a, b, fd_algorithm
    --- exit code 2
    "#);
    assert_snapshot!(shown(["jacobian", "rosenbrock", r#"{"inputs": {"x": 1}, "jac_inputs": ["q", "a"], "jac_outputs": "result", "surplus": 1}"#]), @r"
    --- stderr
    error: surplus: Extra inputs are not permitted (expected inputs, jac_inputs, jac_outputs)
           jac_outputs: Input should be a valid set: a list of paths
           jac_inputs.[0]: Input should be 'x' or 'y', found 'q'
           jac_inputs.[1]: Input should be 'x' or 'y', found 'a'
    --- exit code 2
    ");
    assert_snapshot!(shown(["jacobian", "rosenbrock", ROSENBROCK, "--wrt", "a.", "--of", "w"]), @r"
    --- stderr
    error: jac_inputs.[0]: 'a.' is not a path: a name is empty (paths look like a.b, list.[0], dict.{key})
           jac_outputs.[0]: Input should be 'result', found 'w'
    --- exit code 2
    ");
    assert_snapshot!(shown(["apply", "springmass", r#"{"inputs": {"mass": 0, "stiffness": -1, "damping": 0, "pull": 1, "time": 1}}"#]), @r"
    --- stderr
    error: inputs.mass: Input should be greater than 0, found 0
           inputs.stiffness: Input should be greater than 0, found -1
    --- exit code 2
    ");
    assert_snapshot!(shown(["apply", "vectoradd", r#"{"inputs": {"a": [1, 2], "b": [1, 2, 3]}}"#]), @r"
    --- stderr
    error: inputs.b: Array dimension 'n' is 3 here, but 2 in a
    --- exit code 2
    ");
    assert_snapshot!(shown(["apply", "rosenbrock", "{\"inputs\": {\"x\": 1,}}"]), @r"
    --- stderr
    error: the payload is no JSON: trailing comma at line 1 column 20
    --- exit code 2
    ");
    assert_snapshot!(shown(["apply", "rosenbrock", "[1, 2]"]), @r"
    --- stderr
    error: a request is an object with the field `inputs`
    --- exit code 2
    ");
    assert_snapshot!(shown(["apply", "rosenbrock", "@no-such-file.json"]), @r"
    --- stderr
    error: no-such-file.json: No such file or directory (os error 2)
    --- exit code 2
    ");
    assert_snapshot!(shown(["jacobian", "rosenbrock", ROSENBROCK, "--eps", "-1"]), @r"
    --- stderr
    error: --eps -1: expected a positive number, or PATH=NUMBER
    --- exit code 2
    ");
    assert_snapshot!(shown(["jacobian", "rosenbrock", ROSENBROCK, "--eps", "a=1", "--eps", "x=1"]), @r"
    --- stderr
    error: eps is given for 'a', which is no differentiable input: these are 'x', 'y'
    --- exit code 2
    ");
    assert_snapshot!(shown(["jacobian", "rosenbrock", ROSENBROCK, "--eps", "1e-30"]), @r"
    --- stderr
    error: x: a step of 1e-30 vanishes beside -1.2 in float64: choose a larger eps, or none to have it scaled
           y: a step of 1e-30 vanishes beside 1 in float64: choose a larger eps, or none to have it scaled
    --- exit code 2
    ");
    assert_snapshot!(shown(["jvp", "rosenbrock", ROSENBROCK]), @r"
    --- stderr
    error: tangent_vector: Field required
    --- exit code 2
    ");
    assert_snapshot!(shown(["vjp", "rosenbrock", r#"{"inputs": {"x": 1, "y": 1}, "cotangent_vector": {"result": [1, 2]}}"#]), @r"
    --- stderr
    error: cotangent_vector.{result}: the cotangent vector 'result' has shape [2], expected ()
    --- exit code 2
    ");
    assert_snapshot!(shown(["jacobian", "rosenbrock", ROSENBROCK, "--algorithm", "exact"]), @r"
    --- stderr
    error: invalid value 'exact' for '--algorithm <ALGORITHM>'
      [possible values: auto, auto-forward, central, forward, backward, central4, richardson, complex, stochastic, orthogonal]

    For more information, try '--help'.
    --- exit code 2
    ");
    assert_snapshot!(shown(["jacobian", "rosenbrock", ROSENBROCK, "--timeout", "soon"]), @r"
    --- stderr
    error: invalid value 'soon' for '--timeout <TIME>': expected a time such as 30s or 2min: expected number at 0

    For more information, try '--help'.
    --- exit code 2
    ");
    assert_snapshot!(shown(["jacobian", "rosenbrock", ROSENBROCK, "--workers", "0"]), @r"
    --- stderr
    error: invalid value '0' for '--workers <N>': 0 is not in 1..=65535

    For more information, try '--help'.
    --- exit code 2
    ");
    assert_snapshot!(shown(["apply", "rosenbrock", ROSENBROCK, "--quiet", "--verbose"]), @r"
    --- stderr
    error: the argument '--quiet' cannot be used with '--verbose'

    Usage: secant apply --quiet <MODEL> <PAYLOAD>

    For more information, try '--help'.
    --- exit code 2
    ");
}

#[test]
fn the_operators_mistakes() {
    let outcome = run(["apply", "rosenbrok", ROSENBROCK]);
    assert_eq!(outcome.code, 5);
    assert!(outcome.stderr.starts_with("error: there is no model 'rosenbrok' in plugins"), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("rosenbrock"), "{}", outcome.stderr);
    assert_snapshot!(shown(["apply", "./nowhere/model", ROSENBROCK]), @r"
    --- stderr
    error: there is no [secant]/nowhere/model
    --- exit code 5
    ");
    let manifest = |text: &'static str| said_of(&[("model.toml", text), ("i.json", INPUT), ("o.json", OUTPUT)]);
    assert_snapshot!(manifest("name = 'a'\n[library\n"), @r"
    --- stderr
    error: [model]/model.toml:
           TOML parse error at line 2, column 9
             |
           2 | [library
             |         ^
           unclosed table, expected `]`
    --- exit code 5
    ");
    assert_snapshot!(manifest("name = 'a'"), @r"
    --- stderr
    error: [model]/model.toml: one of the tables [library], [executable], [command], [symbol] or [remote] is missing: what is the model?
    --- exit code 5
    ");
    assert_snapshot!(manifest("[library]\npath = 'a.so'\n[executable]\ncommand = ['a']"), @r"
    --- stderr
    error: [model]/model.toml: [library] and [executable] are given: keep one
    --- exit code 5
    ");
    assert_snapshot!(manifest("[library]\npath = 'a.so'\nisolate = true"), @r"
    --- stderr
    error: [model]/model.toml:
           TOML parse error at line 3, column 1
             |
           3 | isolate = true
             | ^^^^^^^
           unknown field `isolate`, expected one of `path`, `build`, `sources`, `isolation`
    --- exit code 5
    ");
    assert_snapshot!(manifest("[library]\npath = 'a.so'\n[run]\ntimeout = 'soon'"), @r#"
    --- stderr
    error: [model]/model.toml:
           TOML parse error at line 4, column 11
             |
           4 | timeout = 'soon'
             |           ^^^^^^
           'soon' is not a duration such as "30s" or "2min": expected number at 0
    --- exit code 5
    "#);
    assert_snapshot!(manifest("[library]\npath = 'a.so'\n[gradient]\nalgorithm = 'exact'"), @r"
    --- stderr
    error: [model]/model.toml:
           TOML parse error at line 4, column 13
             |
           4 | algorithm = 'exact'
             |             ^^^^^^^
           unknown variant `exact`, expected one of `auto`, `auto-forward`, `central`, `forward`, `backward`, `central4`, `richardson`, `complex`, `stochastic`, `orthogonal`
    --- exit code 5
    ");
    assert_snapshot!(manifest("[library]\npath = 'a.so'\n[gradient]\neps = 0"), @r"
    --- stderr
    error: [model]/model.toml:
           TOML parse error at line 4, column 7
             |
           4 | eps = 0
             |       ^
           eps is 0, expected a positive number
    --- exit code 5
    ");
    assert_snapshot!(manifest("name = 'a'\ninput = 'i.json'\noutput = 'o.json'\n[executable]\ncommand = ['cat']\nprotocol = 'lines'\n[gradient]\nalgorithm_from = 'x'\neps = { q = 1e-3, x = 1e-3 }\nsparsity = { blocks = [['y', 'x'], ['z', 'p']] }"), @r"
    --- stderr
    error: [model]: gradient.eps: 'q' is no differentiable input, which are 'x'
           gradient.sparsity.blocks: 'z' is no differentiable output, which are 'y'
           gradient.sparsity.blocks: 'p' is no differentiable input, which are 'x'
           gradient.algorithm_from: there is no input 'x' that is a text
    --- exit code 5
    ");
    assert_snapshot!(manifest("input = 'i.json'\noutput = 'nowhere.json'\n[executable]\ncommand = ['true']"), @r"
    --- stderr
    error: [model]/model.toml: output: [model]/nowhere.json: No such file or directory (os error 2)
    --- exit code 5
    ");
    assert_snapshot!(manifest("input = 'i.json'\noutput = 'o.json'\n[library]\npath = 'nowhere.so'"), @r"
    --- stderr
    error: [model]/nowhere.so: cannot be read: No such file or directory (os error 2)
    --- exit code 5
    ");
    assert_snapshot!(manifest("input = 'i.json'\noutput = 'o.json'\n[library]\npath = 'i.json'"), @r"
    --- stderr
    error: [model]/i.json: is not a shared library (no ELF header): was it built for another system?
    --- exit code 5
    ");
    assert_snapshot!(manifest("input = 'i.json'\noutput = 'o.json'\n[library]\npath = 'a.so'\nbuild = ['sh', '-c', 'echo no such compiler >&2; exit 1']"), @r"
    --- stderr
    error: [model]/model.toml: build: `sh -c echo no such compiler >&2; exit 1` failed (exit status: 1):
           no such compiler
    --- exit code 5
    ");
    assert_snapshot!(manifest("name = 'a'\ninput = 'i.json'\noutput = 'o.json'\n[executable]\ncommand = ['no-such-program', 'x']"), @r"
    --- stderr
    error: a could not be started: cannot start `no-such-program x` in [model]: No such file or directory (os error 2): is it installed and on the PATH?
    --- exit code 5
    ");
    assert_snapshot!(manifest("name = 'a'\ninput = 'i.json'\noutput = 'o.json'\n[executable]\ncommand = ['true']"), @r"
    --- stderr
    error: a could not be started: it exited with code 0
    --- exit code 5
    ");
    assert_snapshot!(manifest("[executable]\ncommand = ['cat']\nprotocol = 'lines'"), @r"
    --- stderr
    error: [model]/model.toml: `input` and `output` must name schema files: only a jsonrpc program can describe itself
    --- exit code 5
    ");
}

#[test]
fn schemas_that_are_no_good_are_refused_with_all_their_faults() {
    let input = r##"{
        "properties": {
            "x": {"type": "integer", "differentiable": true},
            "y": {"type": "string", "differentiable": true},
            "z": {"dtype": "float128", "shape": [3]},
            "w": {"dtype": "float64", "shape": [-1]},
            "v": {"$ref": "#/$defs/absent"},
            "u": {"type": "number", "minimum": 2, "maximum": 1, "default": 5}
        }
    }"##;
    let manifest = "input = 'i.json'\noutput = 'o.json'\n[executable]\ncommand = ['true']";
    assert_snapshot!(said_of(&[("model.toml", manifest), ("i.json", input), ("o.json", OUTPUT)]), @r"
    --- stderr
    error: [model]/model.toml:
           input schema, x, 'differentiable': marks an array of int64: only floating-point and complex leaves can be differentiable
           input schema, y, 'differentiable': only floating-point and complex leaves can be differentiable, and this is passed through as it is (string)
           input schema, z, 'dtype': unknown dtype 'float128': expected one of float16, float32, float64, int8, int16, int32, int64, uint8, uint16, uint32, uint64, bool, complex64, complex128
           input schema, w, 'shape': -1 is no length that 'items' allow, no name, nor null
           input schema, v, '$ref': '#/$defs/absent' is not found in this document
           input schema, u, 'minimum': no float64 lies within [2, 1]
           input schema, u, 'default': Input should be less than or equal to 1, found 5
    --- exit code 5
    ");
    assert_snapshot!(said_of(&[("model.toml", manifest), ("i.json", "{"), ("o.json", OUTPUT)]), @r"
    --- stderr
    error: [model]/i.json: is no JSON: EOF while parsing an object at line 1 column 1
    --- exit code 5
    ");
    let marks =
        "input = 'i.json'\noutput = 'o.json'\n[differentiable]\ninputs = ['q', 'x.']\n[executable]\ncommand = ['true']";
    assert_snapshot!(said_of(&[("model.toml", marks), ("i.json", INPUT), ("o.json", OUTPUT)]), @r"
    --- stderr
    error: [model]/model.toml: differentiable: 'x.' is not a path: a name is empty (paths look like a.b, list.[0], dict.{key})
    --- exit code 5
    ");
}

/// A program in shell that doubles: y = 2 x.
fn doubling(more: &[(&'static str, &str)]) -> tempfile::TempDir {
    let manifest = "name = 'doubling'\ninput = 'i.json'\noutput = 'o.json'\n[executable]\ncommand = ['sh', 'model.sh']\nprotocol = 'once'";
    let script = r#"awk -F'[:}]' '{printf "{\"y\": %.17g}", 2 * $2}'"#;
    let mut files = vec![("model.toml", manifest), ("i.json", INPUT), ("o.json", OUTPUT), ("model.sh", script)];
    files.extend(more);
    folder(&files)
}

#[test]
fn cases_pass_and_fail_readably() {
    let case = |endpoint: &str, payload: &str, expected: &str| {
        format!(r#"{{"endpoint": "{endpoint}", "payload": {payload}, {expected}}}"#)
    };
    let not_finite = r#"{"inputs": {"x": 1e308}}"#;
    let folder = doubling(&[
        ("cases/a_good.json", &case("apply", r#"{"inputs": {"x": 2}}"#, r#""expected_outputs": {"y": 4}"#)),
        ("cases/b_off.json", &case("apply", r#"{"inputs": {"x": 2}}"#, r#""expected_outputs": {"y": 4.5}"#)),
        (
            "cases/c_shape.json",
            &case("jacobian", r#"{"inputs": {"x": 2}}"#, r#""expected_outputs": {"y": {"x": [2]}}"#),
        ),
        ("cases/d_absent.json", &case("apply", r#"{"inputs": {"x": 2}}"#, r#""expected_outputs": {"z": 4}"#)),
        ("cases/e_refused.json", &case("apply", r#"{"inputs": {}}"#, r#""expected_exception": "ValidationError""#)),
        (
            "cases/f_not_refused.json",
            &case("apply", r#"{"inputs": {"x": 1}}"#, r#""expected_exception": "ValidationError""#),
        ),
        ("cases/g_endpoint.json", &case("integrate", r#"{"inputs": {"x": 1}}"#, r#""expected_outputs": {}"#)),
        ("cases/h_fails.json", &case("apply", r#"{"inputs": {"x": "a"}}"#, r#""expected_outputs": {"y": 1}"#)),
        // The model's own failure is no refusal by the schema, but a ValueError it may be.
        ("cases/i_model_failed.json", &case("apply", not_finite, r#""expected_exception": "ValidationError""#)),
        ("cases/j_model_failed.json", &case("apply", not_finite, r#""expected_exception": "ValueError""#)),
        (
            "cases/k_words.json",
            &case(
                "apply",
                "{}",
                r#""expected_exception": "ValueError", "expected_exception_regex": "inputs: nowhere""#,
            ),
        ),
        ("cases/l_unknown.json", &case("apply", "{}", r#""expected_exception": "KeyError""#)),
    ]);
    let path = folder.path().to_str().unwrap();
    // gawk writes +inf where others write inf.
    assert_snapshot!(run(["test", path]).shown().replace(path, "[model]").replace("+inf", "inf"), @r#"
    ok      a_good
    FAILED  b_off
            Values are not sufficiently close.
            y: 1 of 1 values differ by more than 1e-8 + 1e-5 times the expected one
                         expected 4.5                    found 4                      off by 5.00e-1
    FAILED  c_shape
            Structure mismatch.
            y by x: expected float64 of shape [1], found float64 of shape []
    FAILED  d_absent
            expected_outputs does not conform to OutputSchema: y: Field required
            z: Extra inputs are not permitted: there is y
    ok      e_refused
    FAILED  f_not_refused
            it was expected to fail, but answered
    FAILED  g_endpoint
            there is no endpoint 'integrate'
    FAILED  h_fails
            inputs do not conform to InputSchema:
            inputs.x: Could not parse value as a numeric array (contains non-numeric data): the text "a"
    FAILED  i_model_failed
            it was expected to fail with ValidationError, but failed so:
            doubling failed at the inputs as given: its output is no JSON document (expected value at line 1 column 7): {"y": inf}
    ok      j_model_failed
    FAILED  k_words
            it was expected to fail with 'inputs: nowhere', but failed so:
            inputs: Field required
    FAILED  l_unknown
            expected_exception is 'KeyError': expected ValueError or pydantic.ValidationError
    3 passed, 9 failed
    --- exit code 1
    "#);
    for plugin in ["rosenbrock", "springmass"] {
        let outcome = run(["test", plugin]).expect(0);
        assert!(outcome.text().ends_with(" passed, 0 failed\n"), "{}", outcome.text());
    }
}

#[test]
fn a_case_may_hold_a_hessian() {
    let folder = doubling(&[]);
    let path = folder.path().to_str().unwrap();
    let case = |entry: f64| {
        let block = json!({"object_type": "array", "shape": [], "dtype": "float64", "data": {"encoding": "json", "buffer": entry}});
        json!({
            "endpoint": "hessian", "atol": 1e-3,
            "payload": {"inputs": {"x": 1.5}, "hess_inputs": ["x"], "hess_output": "y"},
            "expected_outputs": {"x": {"x": block}},
        })
    };
    for (entry, code) in [(0.0, 0), (1.0, 1)] {
        std::fs::create_dir_all(folder.path().join("cases")).unwrap();
        std::fs::write(folder.path().join("cases/second.json"), case(entry).to_string()).unwrap();
        let outcome = run(["test", path]);
        assert_eq!(outcome.code, code, "{}", outcome.shown());
    }
}

#[test]
fn cases_are_recorded() {
    let folder = doubling(&[]);
    let path = folder.path().to_str().unwrap();
    assert_snapshot!(run(["test", path]).shown().replace(path, "[model]"), @r"
    --- stderr
    error: there are no cases in [model]/cases: `secant test --update` records the first ones
    --- exit code 2
    ");
    assert_snapshot!(run(["test", path, "--update"]).shown().replace(path, "[model]"), @r"
    --- stderr
    error: to record a first case the input schema needs `examples`, or `default`s for everything
    --- exit code 2
    ");
    std::fs::write(
        folder.path().join("i.json"),
        INPUT.replace("\"required\"", "\"examples\": [{\"x\": 1.5}], \"required\""),
    )
    .unwrap();
    assert_snapshot!(run(["test", path, "--update"]).shown(), @r"
    ok      apply
    ok      jacobian
    2 passed, 0 failed
    --- exit code 0
    ");
    assert_snapshot!(run(["test", path]).shown(), @r"
    ok      apply
    ok      jacobian
    2 passed, 0 failed
    --- exit code 0
    ");
    let recorded = std::fs::read_to_string(folder.path().join("cases/jacobian.json")).unwrap();
    assert_snapshot!(recorded, @r#"
    {
      "endpoint": "jacobian",
      "payload": {
        "inputs": {
          "x": 1.5
        },
        "jac_inputs": [
          "x"
        ],
        "jac_outputs": [
          "y"
        ]
      },
      "expected_outputs": {
        "y": {
          "x": {
            "object_type": "array",
            "shape": [],
            "dtype": "float64",
            "data": {
              "buffer": 2.0,
              "encoding": "json"
            }
          }
        }
      },
      "atol": 1e-8,
      "rtol": 0.00001
    }
    "#);
    // The model changes: the cases notice, and are brought up to date.
    let script = std::fs::read_to_string(folder.path().join("model.sh")).unwrap().replace("2 *", "3 *");
    std::fs::write(folder.path().join("model.sh"), script).unwrap();
    assert_snapshot!(run(["test", path]).shown(), @r"
    FAILED  apply
            Values are not sufficiently close.
            y: 1 of 1 values differ by more than 1e-8 + 1e-5 times the expected one
                         expected 3                      found 4.5                    off by 1.50e0
    FAILED  jacobian
            Values are not sufficiently close.
            y by x: 1 of 1 values differ by more than 1e-8 + 1e-5 times the expected one
                         expected 2                      found 3                      off by 1.00e0
    0 passed, 2 failed
    --- exit code 1
    ");
    assert_snapshot!(run(["test", path, "--update"]).shown(), @r"
    updated apply
    updated jacobian
    0 passed, 0 failed, 2 updated
    --- exit code 0
    ");
    run(["test", path]).expect(0);
}

/// `secant new` makes something that works at once.
fn new(kind: &str) {
    let plugins = tempfile::tempdir().unwrap();
    let in_it = |arguments: &[&str]| Run::new(arguments.iter().copied()).env("SECANT_PLUGINS", plugins.path()).run();
    let made = in_it(&["new", "mine", "--kind", kind]).expect(0);
    assert_eq!(made.text(), "");
    assert!(made.stderr.contains("edit its model and its schemas, then"), "{}", made.stderr);
    let listed = in_it(&["list"]).expect(0);
    assert!(listed.text().starts_with("mine "), "{}", listed.text());
    let tested = in_it(&["test", "mine"]).expect(0);
    assert_eq!(tested.text().lines().last(), Some("2 passed, 0 failed"));
    // The commands it says to try, as it says them.
    let place = plugins.path().join("mine");
    for line in made.stderr.lines().filter_map(|line| line.trim().strip_prefix("secant ")) {
        let (arguments, payload) =
            line.split_once(" '").map_or((line, None), |(words, payload)| (words, payload.strip_suffix('\'')));
        let typed: Vec<&str> = arguments.split(' ').chain(payload).collect();
        in_it(&typed).expect(0);
    }
    let model = Model::open_with(&place, &options()).unwrap();
    let jacobian = model.jacobian(&json!({"x": [1, 2], "k": 3})).run().unwrap();
    assert!(jacobian.report.evaluations > 0);
    // Not over what is there.
    let again = in_it(&["new", "mine", "--kind", kind]);
    assert_eq!(again.code, 2);
    assert!(again.stderr.contains("exists already"), "{}", again.stderr);
}

#[test]
fn new_c() {
    new("c");
}

#[test]
fn new_python() {
    if python().is_some() {
        new("python");
    }
}

#[test]
fn new_shell() {
    new("shell");
}

#[test]
fn new_names() {
    let plugins = tempfile::tempdir().unwrap();
    for name in ["", "../escape", "a b", ".hidden", "a/b"] {
        let outcome = Run::new(["new", name, "--kind", "c"]).env("SECANT_PLUGINS", plugins.path()).run();
        assert_eq!(outcome.code, 2, "{name:?}: {}", outcome.stderr);
    }
    assert_eq!(std::fs::read_dir(plugins.path()).unwrap().count(), 0);
}

#[test]
fn a_reader_who_has_seen_enough_is_no_error() {
    // The far end of the pipe is closed before anything is written to it.
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let status = std::process::Command::new(crate::probe::secant())
        .args(["apply", "rosenbrock", ROSENBROCK])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stdout(writer)
        .status()
        .unwrap();
    assert!(status.success(), "{status}");
}

#[test]
fn models_elsewhere() {
    // Several folders; the working directory is not where the model is, and relative paths are the caller's.
    let empty = tempfile::tempdir().unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let list = std::env::join_paths([empty.path(), &root.join("plugins")]).unwrap();
    let outcome = Run::new(["apply", "springmass", "@p.json", "-o", "o.json"]).env("SECANT_PLUGINS", list);
    std::fs::write(
        empty.path().join("p.json"),
        r#"{"inputs": {"mass": 1, "stiffness": 4, "damping": 0, "pull": 1, "time": 0}}"#,
    )
    .unwrap();
    outcome.in_folder(empty.path()).run().expect(0);
    let outputs: Value = serde_json::from_slice(&std::fs::read(empty.path().join("o.json")).unwrap()).unwrap();
    assert_eq!(outputs["position"]["data"]["buffer"], json!(1.0));
    // A bare library that describes itself.
    let library = crate::probe::library("fragile/fragile.c", "fragile", &[]);
    let folder = library.parent().unwrap();
    let listed = Run::new(["list"]).env("SECANT_PLUGINS", folder).run();
    assert!(
        listed.text().lines().any(|line| line.starts_with("libfragile ") && line.ends_with("x -> z")),
        "{}",
        listed.shown()
    );
    let outcome = Run::new(["apply", "fragile", r#"{"inputs": {"x": [0.5, 1]}}"#]).env("SECANT_PLUGINS", folder).run();
    assert_eq!(outcome.expect(0).json()["z"]["data"]["buffer"], json!(1.25));
}
