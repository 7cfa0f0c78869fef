//! Second derivatives: closed forms from the library, the program and every way to have a model.

use insta::assert_snapshot;
use secant::{AlgorithmName, Array, Block, Bounds, Jacobian, Model, Tree, Value, json};

use crate::probe::{Form, Point, choosy, options};
use crate::program::Run;

fn shipped(name: &str) -> Model {
    Model::open_with(format!("{}/plugins/{name}", env!("CARGO_MANIFEST_DIR")), &options()).unwrap()
}

fn entries(hessian: &Jacobian, of: &str, wrt: &str) -> Vec<f64> {
    let Some(Block::Real(block)) = hessian.block(of, wrt) else { panic!("a real block") };
    block.iter().copied().collect()
}

/// Every entry is the expected one within its bound, and its bound within `most`.
#[track_caller]
fn assert_block(hessian: &Jacobian, of: &str, wrt: &str, expected: &[f64], most: f64) {
    let Some(Bounds::Jacobian(bounds)) = &hessian.report.bounds else { panic!("there are bounds") };
    let (found, bounds) = (entries(hessian, of, wrt), entries(bounds, of, wrt));
    assert_eq!(found.len(), expected.len(), "{of} by {wrt}");
    for ((found, expected), bound) in found.iter().zip(expected).zip(bounds) {
        let off = (found - expected).abs();
        assert!(off <= bound && bound <= most, "{of} by {wrt}: {found} ± {bound}, expected {expected}");
    }
}

#[test]
fn rosenbrock_is_that_of_the_textbook() {
    let model = shipped("rosenbrock");
    for (x, y) in [(-1.2, 1.0), (1.0, 1.0), (0.3, -2.0)] {
        let hessian = model.hessian(&json!({"x": x, "y": y})).bounds().run().unwrap();
        assert_block(&hessian, "x", "x", &[2.0 - 400.0 * (y - 3.0 * x * x)], 1e-4);
        assert_block(&hessian, "x", "y", &[-400.0 * x], 1e-4);
        assert_block(&hessian, "y", "y", &[200.0], 1e-4);
        assert_eq!(entries(&hessian, "x", "y"), entries(&hessian, "y", "x"));
        assert!((20..60).contains(&hessian.report.evaluations), "{}", hessian.report.evaluations);
    }
}

/// At the edge of where a model gives gradients it is not the caller who erred.
#[test]
fn a_gradient_that_is_refused_where_we_went_is_the_models_failure() {
    let Some(folder) = choosy() else { return };
    let ask = |x: f64| {
        Run::new(["hessian".into(), folder.clone().into_os_string(), json!({"inputs": {"x": [x]}}).to_string().into()])
            .run()
    };
    assert_eq!(ask(0.5).expect(0).json()["x"]["x"]["data"]["buffer"], json!([[2.0]]));
    let failed = ask(1.0);
    assert_eq!(failed.code, 3, "{}", failed.stderr);
    assert!(failed.stderr.contains("choosy failed at x[0] + "), "{}", failed.stderr);
    assert!(failed.stderr.contains("it refused these inputs: x is beyond 1"), "{}", failed.stderr);
    let refused = ask(2.0);
    assert_eq!(refused.code, 2, "{}", refused.stderr);
}

const NATIVE: [f64; 4] = [0.5, -1.0, 2.0, 0.25];

/// Σ w_i y_i of the model with derivatives of its own, by x.
fn native_by_x(weights: &[f64]) -> Vec<f64> {
    let mut block = vec![0.0; 16];
    for i in 0..4 {
        let before = (i + 3) % 4;
        block[i * 5] = 3.0 * weights[i] - NATIVE[i].sin() * weights[before];
    }
    block
}

#[test]
fn gradients_of_the_models_own_are_used() {
    let model = shipped("native");
    let inputs = json!({"x": NATIVE, "p": 1.5});
    let weights = [1.0, 2.0, -0.5, 0.25];
    let asked = || model.hessian(&inputs).weights([("y", Array::from(weights.to_vec()))]);
    let plain = asked().run().unwrap();
    assert_eq!(plain.report.algorithm, "central differences of native gradients");
    // Two a coordinate, and one evaluation that tells what the outputs are.
    assert_eq!((plain.report.evaluations, plain.report.bounds.is_none()), (11, true));
    let by_p: Vec<f64> = (0..4).map(|i| 2.0 * NATIVE[i] * weights[i]).collect();
    for hessian in [asked().bounds(), asked().bounds().algorithm(AlgorithmName::Auto)] {
        let hessian = hessian.run().unwrap();
        assert_block(&hessian, "x", "x", &native_by_x(&weights), 1e-6);
        assert_block(&hessian, "x", "p", &by_p, 1e-6);
        assert_block(&hessian, "p", "x", &by_p, 1e-6);
        assert_block(&hessian, "p", "p", &[0.0], 1e-6);
    }
    for (found, expected) in entries(&plain, "x", "x").iter().zip(native_by_x(&weights)) {
        assert!((found - expected).abs() < 1e-8, "{found} {expected}");
    }
}

#[test]
fn a_product_is_the_hessian_times_the_tangent() {
    let model = shipped("native");
    let inputs = json!({"x": NATIVE, "p": 1.5});
    let weights = || [("y", Array::from(vec![1.0; 4]))];
    let (v, q) = ([0.3, -1.0, 0.0, 2.0], 0.5);
    let hessian = model.hessian(&inputs).weights(weights()).algorithm(AlgorithmName::Auto).run().unwrap();
    let (by_x, by_p) = (entries(&hessian, "x", "x"), entries(&hessian, "x", "p"));
    let expected: Vec<f64> =
        (0..4).map(|i| (0..4).map(|j| by_x[i * 4 + j] * v[j]).sum::<f64>() + by_p[i] * q).collect();
    for algorithm in [None, Some(AlgorithmName::Auto)] {
        let tangent = [("x", Array::from(v.to_vec())), ("p", Array::scalar(q))];
        let mut query = model.hvp(&inputs, tangent).weights(weights()).bounds();
        if let Some(algorithm) = algorithm {
            query = query.algorithm(algorithm);
        }
        let (found, report) = query.run().unwrap();
        assert_eq!(found.iter().map(|(path, _)| path.to_string()).collect::<Vec<_>>(), ["x", "p"]);
        for (found, expected) in found[0].1.to_vec().iter().zip(&expected) {
            assert!((found - expected).abs() < 1e-6, "{algorithm:?}: {found} {expected}");
        }
        let along: f64 = (0..4).map(|i| 2.0 * NATIVE[i] * v[i]).sum();
        assert!((found[1].1.to_vec()[0] - along).abs() < 1e-6);
        assert!(report.bounds.is_some() && report.total_bound.is_some_and(|total| total < 1e-5), "{algorithm:?}");
    }
    // Along nothing, nothing.
    let (found, _) = model.hvp(&inputs, [("p", Array::scalar(0.0))]).weights(weights()).run().unwrap();
    assert_eq!(found[0].1.to_vec(), [0.0]);
}

#[test]
fn bounds_are_kept_and_failures_stepped_around() {
    let number = json!({"type": "number", "minimum": 0, "maximum": 1, "differentiable": true});
    let input = json!({"properties": {"x": number, "y": number}, "required": ["x", "y"]});
    let output = json!({"properties": {"f": {"type": "number", "differentiable": true}}, "required": ["f"]});
    let model = Model::from_fn("bounded", &input, &output, |inputs| {
        let at = |path: &str| inputs.leaf(&path.parse().unwrap()).unwrap().to_vec()[0];
        let (x, y) = (at("x"), at("y"));
        assert!((0.0..=1.0).contains(&x) && (0.0..=1.0).contains(&y), "{x} {y}");
        if x > 0.6 && x < 0.95 {
            return Err(secant::ModelError::failed("not here"));
        }
        Ok(Tree::fields([("f", Tree::from((x - 2.0 * y).exp()))]))
    })
    .unwrap();
    for (x, y) in [(0.0, 1.0), (0.0, 0.0), (0.3, 0.4), (0.597, 1.0), (1.0, 0.2)] {
        let hessian = model.hessian(&json!({"x": x, "y": y})).bounds().run().unwrap();
        let e = f64::exp(x - 2.0 * y);
        assert_block(&hessian, "x", "x", &[e], 0.02);
        assert_block(&hessian, "x", "y", &[-2.0 * e], 0.02);
        assert_block(&hessian, "y", "y", &[4.0 * e], 0.02);
    }
}

#[test]
fn at_an_edge_that_no_schema_tells_it_is_had_from_inside() {
    let number = json!({"type": "number", "differentiable": true});
    let input = json!({"properties": {"x": number, "y": number}, "required": ["x", "y"]});
    let output = json!({"properties": {"f": number}, "required": ["f"]});
    let model = Model::from_fn("edge", &input, &output, |inputs| {
        let at = |path: &str| inputs.leaf(&path.parse().unwrap()).unwrap().to_vec()[0];
        if at("x") > 1.0 {
            return Err(secant::ModelError::failed("beyond the edge"));
        }
        Ok(Tree::fields([("f", Tree::from((at("x") * at("y")).exp()))]))
    });
    let (model, inputs, e) = (model.unwrap(), json!({"x": 1.0, "y": 0.5}), 0.5f64.exp());
    let hessian = model.hessian(&inputs).bounds().run().unwrap();
    assert_block(&hessian, "x", "x", &[0.25 * e], 1e-3);
    assert_block(&hessian, "x", "y", &[1.5 * e], 1e-3);
    assert_block(&hessian, "y", "y", &[e], 1e-3);
    let places: Vec<&str> = hessian.report.stumbles.iter().map(|stumble| &*stumble.place).collect();
    assert_eq!(places, ["x"]);
    let tangent = || [("x", Array::scalar(1.0)), ("y", Array::scalar(1.0))];
    let (product, _) = model.hvp(&inputs, tangent()).run().unwrap();
    for ((_, found), expected) in product.iter().zip([1.75 * e, 2.5 * e]) {
        assert!((found.to_vec()[0] - expected).abs() < 1e-3, "{found:?}, expected {expected}");
    }
    let error = model.hessian(&inputs).on_failure(secant::OnFailure::Error).run().unwrap_err().to_string();
    assert!(error.contains("beyond the edge"), "{error}");
}

/// t = Σ x² + s² + |z|², and y weighted, by x and s: the same from a closure, a library and programs.
#[test]
fn every_form_has_it() {
    for form in [Form::Function, Form::Library, Form::Batch, Form::Isolated, Form::Lines, Form::Base64, Form::Remote] {
        let Some(model) = form.open() else { continue };
        let point = Point::default();
        let weights = [1.0, -2.0, 0.5];
        let one = |workers: usize| {
            let query = model.hessian(&point.json()).wrt(["x", "s"]).bounds().workers(workers);
            query.weights([("y", Array::from(weights.to_vec()))]).run().unwrap()
        };
        let hessian = one(1);
        let mut by_x = vec![0.0; 9];
        for i in 0..3 {
            by_x[i * 4] -= weights[i] * point.s * point.x[i].sin();
            by_x[i * 3 + (i + 1) % 3] += weights[i];
            by_x[(i + 1) % 3 * 3 + i] += weights[i];
        }
        assert_block(&hessian, "x", "x", &by_x, 2e-4);
        let by_s: Vec<f64> = (0..3).map(|i| weights[i] * point.x[i].cos()).collect();
        assert_block(&hessian, "s", "x", &by_s, 2e-4);
        let bits = |hessian: &Jacobian| hessian.columns().unwrap().iter().map(|v| v.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&one(3)), bits(&hessian), "{form:?}: workers do not show");

        let scalar = model.hessian(&point.json()).wrt(["x"]).of(["t"]).bounds().run().unwrap();
        assert_block(&scalar, "x", "x", &[2.0, 0.0, 0.0, 0.0, 2.0, 0.0, 0.0, 0.0, 2.0], 1e-4);
        let error = model.hessian(&point.json()).wrt(["z"]).of(["t"]).run().unwrap_err().to_string();
        assert!(error.contains("z is complex: split it"), "{error}");
    }
}

fn shown(arguments: &[&str]) -> String {
    Run::new(arguments).run().shown()
}

/// A result whose numbers are rounded.
fn rounded(arguments: &[&str]) -> String {
    fn round(value: &mut Value) {
        match value {
            Value::Number(number) => *value = json!((number.as_f64().unwrap() * 1e4).round() / 1e4 + 0.0),
            Value::Array(items) => items.iter_mut().for_each(round),
            Value::Object(fields) => fields.values_mut().for_each(round),
            _ => {}
        }
    }
    let mut value = Run::new(arguments).run().expect(0).json();
    round(&mut value);
    value.to_string()
}

#[test]
fn at_a_terminal() {
    let at = r#"{"inputs": {"x": -1.2, "y": 1}, "hess_inputs": ["x", "y"], "hess_output": "result"}"#;
    assert_snapshot!(rounded(&["hessian", "rosenbrock", at]));
    let along = r#"{"inputs": {"x": -1.2, "y": 1}, "tangent_vector": {"x": 0.5, "y": -2}}"#;
    assert_snapshot!(rounded(&["hvp", "rosenbrock", along]));
    let vector = r#"{"inputs": {"x": [1, 2], "p": 1}}"#;
    assert_snapshot!(shown(&["hessian", "native", vector]));
    assert_snapshot!(shown(&["hessian", "rosenbrock", at, "--algorithm", "forward"]));
    let wrong = r#"{"inputs": {"x": [1, 2], "p": 1}, "hess_output": "y", "cotangent_vector": {"z": 1}, "more": 0}"#;
    assert_snapshot!(shown(&["hessian", "native", wrong]));
}
