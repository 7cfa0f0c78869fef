//! The command line as people meet it: what it prints, where, and with which exit code.
#![allow(clippy::print_stderr, clippy::unwrap_used)] // what is skipped is said aloud

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

/// Exit code, stdout and stderr of one run, in the repository's folder.
fn run_with(arguments: &[&str], stdin: &str) -> (i32, String, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_secant"))
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env_remove("SECANT_PLUGINS")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // It may end without reading.
    let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
    let output = child.wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).replace(env!("CARGO_MANIFEST_DIR"), "[root]");
    (output.status.code().unwrap_or(-1), text(output.stdout), text(output.stderr))
}

fn run(arguments: &[&str]) -> (i32, String, String) {
    run_with(arguments, "")
}

/// What went wrong, and its exit code; nothing may stand on stdout.
fn failure(arguments: &[&str]) -> String {
    let (code, stdout, stderr) = run(arguments);
    assert_eq!(stdout, "", "{arguments:?}");
    format!("exit {code}\n{stderr}")
}

const POINT: &str = r#"{"inputs": {"x": 1.0, "y": 2.0}}"#;

#[test]
fn everything_wrong_with_a_request_is_said_at_once() {
    let mesh = r#"{"inputs": {"mesh": {"n_points": "x", "points": [[0, 0]], "bogus": 1}, "fd_algorithm": "sideways"}, "extra": 2}"#;
    insta::assert_snapshot!(failure(&["apply", "meshstats", mesh]), @r#"
    exit 2
    error: extra: Extra inputs are not permitted (expected inputs)
           inputs.mesh.n_points: Could not parse value as a numeric array (contains non-numeric data): the text "x"
           inputs.mesh.n_cells: Field required
           inputs.mesh.points: Array shape (1, 2) is incompatible with expected shape (None, 3)
           inputs.mesh.num_points_per_cell: Field required
           inputs.mesh.cell_connectivity: Field required
           inputs.mesh.cell_data: Field required
           inputs.mesh.point_data: Field required
           inputs.mesh.bogus: Extra inputs are not permitted: there is n_points, n_cells, points, num_points_per_cell, cell_connectivity, cell_data, point_data
           inputs.fd_algorithm: Input should be 'central', 'forward' or 'stochastic'
    "#);
    let paths = r#"{"inputs": {"x": 1}, "jac_inputs": ["z", "x"], "jac_outputs": ["w", "z..z"]}"#;
    insta::assert_snapshot!(failure(&["jacobian", "rosenbrock", paths]), @"
    exit 2
    error: inputs.y: Field required
           jac_outputs.[1]: 'z..z' is not a path: a name is empty (paths look like a.b, list.[0], dict.{key})
           jac_inputs.[0]: Input should be 'x' or 'y', found 'z'
           jac_outputs.[0]: Input should be 'z', found 'w'
    ");
}

#[test]
fn vectors_must_fit() {
    let tangent = r#"{"inputs": {"x": 1, "y": 2}, "jvp_inputs": ["x", "y"], "tangent_vector": {"x": 1.0}}"#;
    insta::assert_snapshot!(failure(&["jvp", "rosenbrock", tangent]), @"
    exit 2
    error: tangent_vector: Expected tangent vector with keys conforming to jvp_inputs: {x, y}, got {x}.
    ");
    let cotangent = r#"{"inputs": {"x": 1, "y": 2}, "cotangent_vector": {"z": [1.0, 2.0]}}"#;
    insta::assert_snapshot!(failure(&["vjp", "rosenbrock", cotangent]), @"
    exit 2
    error: cotangent_vector.{z}: the cotangent vector 'z' has shape [2], expected ()
    ");
}

#[test]
fn mistakes_at_the_prompt_say_what_to_do() {
    insta::assert_snapshot!(failure(&["jacobian", "nosuch", POINT]), @"
    exit 5
    error: there is no model 'nosuch' in plugins; there are meshstats, meshstats-py, misbehaving, misbehaving-py, native, nested, rosenbrock, springmass, vectoradd
    ");
    insta::assert_snapshot!(failure(&["jacobian", "rosenbrock", "{\"inputs\":"]), @"
    exit 2
    error: the payload is no JSON: EOF while parsing a value at line 1 column 10
    ");
    insta::assert_snapshot!(failure(&["jacobian", "rosenbrock", "@nosuch.json"]), @"
    exit 2
    error: nosuch.json: No such file or directory (os error 2)
    ");
    insta::assert_snapshot!(failure(&["jacobian", "rosenbrock", POINT, "--eps", "-1"]), @"
    exit 2
    error: --eps -1: expected a positive number, or PATH=NUMBER
    ");
    insta::assert_snapshot!(failure(&["jacobian", "rosenbrock", POINT, "--eps", "q=1e-3"]), @"
    exit 2
    error: eps is given for 'q', which is no differentiable input: these are 'x', 'y'
    ");
    let far = r#"{"inputs": {"x": 1e12, "y": 2}}"#;
    insta::assert_snapshot!(failure(&["jacobian", "rosenbrock", far, "--eps", "1e-6"]), @"
    exit 2
    error: x: a step of 1e-6 vanishes beside 1000000000000 in float64: choose a larger eps, or none to have it scaled
    ");
}

#[test]
fn a_bad_manifest_is_shown_with_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let plugin = folder.path().join("bad");
    std::fs::create_dir(&plugin).unwrap();
    std::fs::write(plugin.join("model.toml"), "[library]\npath = 'x.so'\nisolaton = 'process'\n").unwrap();
    let (code, _, stderr) = run(&["describe", plugin.to_str().unwrap()]);
    assert_eq!(code, 5);
    assert!(
        stderr.contains("unknown field `isolaton`") && stderr.contains("line 3") || stderr.contains("3 |"),
        "{stderr}"
    );
}

#[test]
fn a_report_tells_cost_and_steps() {
    let (code, _, stderr) = run(&["jacobian", "rosenbrock", POINT, "--report", "--workers", "1"]);
    let timeless =
        stderr.lines().map(|line| line.split(" in ").next().unwrap_or_default()).collect::<Vec<_>>().join("\n");
    insta::assert_snapshot!(format!("exit {code}\n{timeless}"), @"
    exit 0
    central: 4 evaluations
    step of x  7.629e-6
    step of y  1.526e-5
    ");
}

#[test]
fn a_drawn_seed_is_told_and_gives_the_same_again() {
    let mesh = "@plugins/meshstats/hexbeam.json";
    let (_, first, note) = run(&["jacobian", "meshstats", mesh, "--algorithm", "stochastic", "--samples", "7"]);
    let seed = note.split("--seed ").nth(1).unwrap().split_whitespace().next().unwrap().to_owned();
    let again = ["jacobian", "meshstats", mesh, "--algorithm", "stochastic", "--samples", "7", "--seed", &seed];
    for workers in ["1", "2", "3"] {
        let (_, second, _) = run(&[&again[..], &["--workers", workers]].concat());
        assert_eq!(first, second);
    }
}

#[test]
fn a_payload_comes_from_stdin_and_a_result_goes_to_a_file() {
    let (code, stdout, _) = run_with(&["apply", "rosenbrock", "-"], POINT);
    assert_eq!(
        (code, stdout.trim()),
        (0, r#"{"z":{"object_type":"array","shape":[],"dtype":"float64","data":{"buffer":100.0,"encoding":"json"}}}"#)
    );
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("z.npz");
    let (code, stdout, _) = run(&["jacobian", "rosenbrock", POINT, "--format", "npz", "-o", file.to_str().unwrap()]);
    assert_eq!((code, &*stdout), (0, ""));
    let bytes = std::fs::read(&file).unwrap();
    assert!(
        bytes.starts_with(b"PK") && bytes.windows(9).any(|window| window == b"z/x.npy\x93N"),
        "a zip of .npy files, stored"
    );
    let (_, stdout, _) = run(&["apply", "rosenbrock", POINT, "--format", "json+base64"]);
    assert!(stdout.contains(r#""data":{"buffer":"AAAAAAAAWUA=","encoding":"base64"}"#), "{stdout}");
}

#[test]
fn both_names_of_a_product_work() {
    let payload = r#"{"inputs": {"x": 1, "y": 2}, "tangent_vector": {"y": 1.0}}"#;
    assert_eq!(run(&["jvp", "rosenbrock", payload]), run(&["jacobian-vector-product", "rosenbrock", payload]));
    let payload = r#"{"inputs": {"x": 1, "y": 2}, "cotangent_vector": {"z": 1.0}}"#;
    assert_eq!(run(&["vjp", "rosenbrock", payload]), run(&["vector-jacobian-product", "rosenbrock", payload]));
}

#[test]
fn a_new_plugin_works_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let plugins = folder.path().to_str().unwrap();
    let python = Command::new("python3").arg("--version").output().is_ok();
    if !python {
        eprintln!("SKIPPED: python3 is not installed, so that `new --kind python` is not tested");
    }
    for kind in ["c", "shell", "python"].into_iter().filter(|kind| python || *kind != "python") {
        let (code, _, stderr) = run(&["--plugins", plugins, "new", kind, "--kind", kind]);
        assert_eq!(code, 0, "{stderr}");
        let (code, stdout, stderr) = run(&["--plugins", plugins, "test", kind]);
        assert_eq!((code, stdout.contains("2 passed, 0 failed")), (0, true), "{kind}: {stdout}{stderr}");
        let payload = r#"{"inputs": {"x": [1, 2], "k": 3}}"#;
        let (code, stdout, stderr) =
            run(&["--plugins", plugins, "jacobian", kind, payload, "--wrt", "k", "--of", "energy"]);
        assert_eq!((code, stdout.contains(r#""buffer":2.5"#)), (0, true), "{kind}: {stdout}{stderr}");
    }
    let (_, stdout, _) = run(&["--plugins", plugins, "list"]);
    assert_eq!(
        stdout.lines().filter(|line| line.contains("x, k -> energy, force")).count(),
        if python { 3 } else { 2 }
    );
    let (code, _, stderr) = run(&["--plugins", plugins, "new", "c", "--kind", "c"]);
    assert_eq!((code, stderr.contains("exists already")), (2, true));
}

#[test]
fn a_failed_case_shows_the_difference_and_update_records_it() {
    let folder = tempfile::tempdir().unwrap();
    let plugins = folder.path().to_str().unwrap();
    run(&["--plugins", plugins, "new", "springs", "--kind", "shell"]);
    let file = Path::new(plugins).join("springs/cases/apply.json");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("7.5", "7.25")).unwrap();
    let (code, stdout, _) = run(&["--plugins", plugins, "test", "springs"]);
    insta::assert_snapshot!(format!("exit {code}\n{stdout}"), @"
    exit 1
    FAILED  apply
            energy: 1 of 1 values differ by more than 1e-8 + 1e-5 times the expected one
                         expected 7.25                   found 7.5                    off by 2.50e-1
    ok      jacobian
    1 passed, 1 failed
    ");
    let (code, stdout, _) = run(&["--plugins", plugins, "test", "springs", "--update"]);
    insta::assert_snapshot!(format!("exit {code}\n{stdout}"), @"
    exit 0
    updated apply
    ok      jacobian
    1 passed, 0 failed, 1 updated
    ");
    assert_eq!(run(&["--plugins", plugins, "test", "springs"]).0, 0);
}
