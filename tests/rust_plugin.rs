//! The example plugin in Rust, as a shared library: what its author wrote in safe code arrives here.

#![allow(clippy::unwrap_used)]

use std::path::PathBuf;

use secant::{Abstract, AlgorithmName, Block, DType, Error, Model, ModelErrorKind, QuestionError, Tree, Value, json};

/// Cargo puts the examples beside the tests.
fn model() -> Model {
    let this = std::env::current_exe().unwrap();
    let profile: PathBuf = this.ancestors().nth(2).unwrap().to_owned();
    let name = format!("{}catenary{}", std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);
    let library = profile.join("examples").join(name);
    assert!(library.is_file(), "{} is missing: cargo build --example catenary", library.display());
    Model::open(library).unwrap()
}

fn inputs(more: Value) -> Value {
    let mut inputs = json!({"stations": [2.0, 5.0, 9.0], "span": 10.0, "length": 12.0, "weight": 9.81});
    inputs.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    inputs
}

fn leaf(tree: &Tree, path: &str) -> Vec<f64> {
    tree.leaf(&path.parse().unwrap()).unwrap().to_vec()
}

fn assert_close(found: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        assert!((found - expected).abs() <= tolerance * expected.abs().max(1.0), "{found} is not {expected}");
    }
}

/// u = span / 2a, by bisection: not the model's way.
fn root(ratio: f64) -> f64 {
    let (mut low, mut high) = (1e-6, 50.0);
    for _ in 0..200 {
        let middle: f64 = 0.5 * (low + high);
        if middle.sinh() > ratio * middle { high = middle } else { low = middle }
    }
    low
}

#[test]
fn it_evaluates() {
    let model = model();
    assert_eq!((&*model.description().name, &*model.description().version), ("catenary", "1.0.0"));
    let outputs = model.apply(&inputs(json!({}))).unwrap();
    let (u, a) = (root(1.2), 5.0 / root(1.2));
    let expected = [2.0f64, 5.0, 9.0].map(|x| a * (((x - 5.0) / a).cosh() - u.cosh()));
    assert_close(&leaf(&outputs, "heights"), &expected, 1e-13);
    assert_close(&leaf(&outputs, "tension"), &[9.81 * a * u.cosh()], 1e-13);

    let outputs = model.apply(&inputs(json!({"above": "lowest point"}))).unwrap();
    assert_close(&leaf(&outputs, "heights")[1..2], &[0.0], 1e-15);
    let outputs = model.apply(&inputs(json!({"stations": []}))).unwrap();
    assert!(leaf(&outputs, "heights").is_empty());
}

#[test]
fn its_own_derivatives_are_used_and_right() {
    let model = model();
    let native = model.jacobian(&inputs(json!({}))).run().unwrap();
    assert_eq!(native.report.algorithm, "native, from jvp");
    let differences = model.jacobian(&inputs(json!({}))).algorithm(AlgorithmName::Central).run().unwrap();
    for ((of, wrt, native), (_, _, difference)) in native.blocks().zip(differences.blocks()) {
        let (Block::Real(native), Block::Real(difference)) = (native, difference) else { panic!("{of} {wrt}") };
        let largest = native.iter().fold(1.0f64, |most, entry| most.max(entry.abs()));
        for (native, difference) in native.iter().zip(&difference) {
            assert!((native - difference).abs() < 1e-8 * largest, "d {of} / d {wrt}: {native} is not {difference}");
        }
    }

    // The slope of the cable, and nothing at other stations.
    let (of, wrt, block) = native.blocks().next().unwrap();
    assert_eq!((of.to_string(), wrt.to_string()), ("heights".to_owned(), "stations".to_owned()));
    let Block::Real(block) = block else { panic!() };
    let a = 5.0 / root(1.2);
    let slope = |x: f64| ((x - 5.0) / a).sinh();
    let expected = [slope(2.0), 0.0, 0.0, 0.0, slope(5.0), 0.0, 0.0, 0.0, slope(9.0)];
    assert_close(&block.iter().copied().collect::<Vec<_>>(), &expected, 1e-12);

    // A chosen input and output only.
    let one = model.jacobian(&inputs(json!({}))).wrt(["weight"]).of(["tension"]).run().unwrap();
    let (_, _, block) = one.blocks().next().unwrap();
    let Block::Real(block) = block else { panic!() };
    assert_close(&[block.sum()], &[a * root(1.2).cosh()], 1e-12);
}

#[test]
fn inputs_it_refuses_are_the_callers_fault() {
    let error = model().apply(&inputs(json!({"length": 9.0}))).unwrap_err();
    assert!(matches!(&error, Error::Question(QuestionError::Caller(_))), "{error:?}");
    assert!(error.to_string().contains("a cable of 9 m does not span 10 m"), "{error}");
}

#[test]
fn a_panic_is_an_error_and_the_next_call_works() {
    let model = model();
    let error = model.apply(&inputs(json!({"above": "sea"}))).unwrap_err();
    let Error::Question(QuestionError::Model { error, .. }) = &error else { panic!("{error:?}") };
    assert_eq!(error.kind, ModelErrorKind::Crashed);
    assert!(error.message.contains("panicked") && error.message.contains("heights above the sea"), "{error}");
    model.apply(&inputs(json!({}))).unwrap();
    let error = model.jacobian(&inputs(json!({"above": "sea"}))).run().unwrap_err();
    assert!(error.to_string().contains("heights above the sea"), "{error}");
}

#[test]
fn shapes_come_without_an_evaluation() {
    let shape = |shape: &[usize]| Tree::Leaf(Abstract { dtype: DType::Float64, shape: shape.into() });
    // No cable: an evaluation would be refused.
    let inputs = Tree::fields([
        ("stations", shape(&[7])),
        ("span", shape(&[])),
        ("length", shape(&[])),
        ("weight", shape(&[])),
        ("above", Tree::Text("\"sea\"".into())),
    ]);
    let shapes = model().abstract_eval(&inputs).unwrap();
    assert_eq!(&*shapes.leaf(&"heights".parse().unwrap()).unwrap().shape, [7]);
    assert!(shapes.leaf(&"tension".parse().unwrap()).unwrap().shape.is_empty());
}
