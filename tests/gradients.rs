//! Gradients of the shipped plugins: against closed forms, against one another, and as snapshots.
#![allow(clippy::print_stderr, clippy::unwrap_used)] // what is skipped is said aloud

use std::path::PathBuf;
use std::process::Command;

use secant::{AlgorithmName, Array, Block, Model, Value, json};

fn plugin(name: &str) -> Model {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("plugins").join(name);
    Model::open(folder).unwrap_or_else(|error| panic!("{name} (a C compiler called cc is needed): {error}"))
}

/// Whether python3 is there; says so loudly if not.
fn python() -> bool {
    let found = Command::new("python3").arg("--version").output().is_ok();
    if !found {
        eprintln!("SKIPPED: python3 is not installed, so that models written in it are not tested");
    }
    found
}

fn hexbeam() -> Value {
    let text = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/plugins/meshstats/hexbeam.json")).unwrap();
    serde_json::from_slice::<Value>(&text).unwrap()["inputs"].take()
}

#[test]
fn rosenbrock_has_its_closed_form() {
    let model = plugin("rosenbrock");
    for (x, y) in [(1.2, 1.0), (-1.2, 1.0), (0.0, 0.0), (1.0, 1.0), (250.0, -3.0)] {
        let jacobian = model.jacobian(&json!({"x": x, "y": y})).run().unwrap();
        let exact = [-2.0 * (1.0 - x) - 400.0 * x * (y - x * x), 200.0 * (y - x * x)];
        for ((_, wrt, block), exact) in jacobian.blocks().zip(exact) {
            let Block::Real(block) = block else { panic!("real inputs have real derivatives") };
            let found = block.sum();
            assert!(
                (found - exact).abs() <= 1e-8 * exact.abs() + 1e-7,
                "{wrt} at ({x}, {y}): {found}, expected {exact}"
            );
        }
    }
}

#[test]
fn rosenbrock_as_a_snapshot() {
    let jacobian = plugin("rosenbrock").jacobian(&json!({"x": -1.2, "y": 1.0})).run().unwrap();
    insta::assert_snapshot!(secant::snapshot(&jacobian, 6), @r"
    d result / d x []
    -215.6
    d result / d y []
    -88
    ");
}

#[test]
fn the_real_mesh_has_the_same_gradient_in_c_and_in_python() {
    let inputs = hexbeam();
    let query = |model: &Model| model.jacobian(&inputs).run().unwrap();
    let c = query(&plugin("meshstats"));
    assert_eq!(c.report.evaluations, 2 * 99 * 3);
    // The barycenter is a mean: a third of the identity's blocks, each 1/99.
    let Some(Block::Real(block)) = c.block("statistics.barycenter", "mesh.points") else { panic!("no such block") };
    assert_eq!(block.shape(), [3, 99, 3]);
    for ((index, value), _) in block.indexed_iter().zip(0..) {
        let exact = if index[0] == index[2] { 1.0 / 99.0 } else { 0.0 };
        assert!((value - exact).abs() < 1e-9, "{index:?}: {value}");
    }
    if python() {
        let python = query(&plugin("meshstats-py"));
        assert_eq!(c.columns(), python.columns(), "bit for bit");
    }
}

#[test]
fn native_derivatives_agree_with_differences() {
    let model = plugin("native");
    let inputs = json!({"x": [0.3, -1.1, 2.0, 0.7], "p": 1.5});
    let native = model.jacobian(&inputs).run().unwrap();
    assert_eq!(native.report.algorithm, "native");
    let differences = model.jacobian(&inputs).algorithm(AlgorithmName::Central).run().unwrap();
    assert_eq!(differences.report.evaluations, 10);
    for ((_, _, a), (of, wrt, b)) in native.blocks().zip(differences.blocks()) {
        let (Block::Real(a), Block::Real(b)) = (a, b) else { panic!("real") };
        assert!(a.iter().zip(&b).all(|(a, b)| (a - b).abs() < 1e-8), "{of} by {wrt}: {a} {b}");
    }
    insta::assert_snapshot!(secant::snapshot(&differences, 5), @r"
    d y / d x [4, 4]
    0.9 0.4536 0 0
    0 -3.3 -0.4161 0
    0 0 6 0.7648
    0.9553 0 0 2.1
    d y / d p [4]
    0.09
    1.21
    4
    0.49
    ");
    let tangent = [("x", Array::from(vec![1.0, 0.0, -2.0, 0.5])), ("p", Array::scalar(2.0))];
    let native = model.jvp(&inputs, tangent.clone()).run().unwrap().0;
    let differences = model.jvp(&inputs, tangent).algorithm(AlgorithmName::Central).run().unwrap().0;
    let (a, b) = (native[0].1.to_vec(), differences[0].1.to_vec());
    assert!(a.iter().zip(&b).all(|(a, b)| (a - b).abs() < 1e-8), "{a:?} {b:?}");
}

#[test]
fn every_shipped_plugin_passes_its_cases() {
    let python = python();
    for name in [
        "meshstats",
        "rosenbrock",
        "springmass",
        "native",
        "misbehaving",
        "meshstats-py",
        "vectoradd",
        "nested",
        "misbehaving-py",
    ] {
        if !python && ["meshstats-py", "vectoradd", "nested", "misbehaving-py"].contains(&name) {
            continue;
        }
        let output = Command::new(env!("CARGO_BIN_EXE_secant"))
            .args(["test", name])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && text.contains("passed, 0 failed"), "{name}: {text}");
    }
}
