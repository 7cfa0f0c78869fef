//! Sparse Jacobians: patterns declared, detected, wrong; against dense differences and closed forms.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use secant::{AlgorithmName, Array, Block, Bounds, Gradient, Model, OnFailure, Structure, Tree, json};

use crate::probe::{plugin, python};
use crate::program::Run;

/// Broyden's tridiagonal function: (3 − 2xᵢ) xᵢ − xᵢ₋₁ − 2 xᵢ₊₁ + 1.
fn broyden(x: &[f64]) -> Vec<f64> {
    let at = |i: isize| if i < 0 { 0.0 } else { x.get(i as usize).copied().unwrap_or(0.0) };
    (0..x.len() as isize).map(|i| (3.0 - 2.0 * at(i)) * at(i) - at(i - 1) - 2.0 * at(i + 1) + 1.0).collect()
}

fn exact(x: &[f64], i: usize, j: usize) -> f64 {
    match (i as isize) - (j as isize) {
        0 => 3.0 - 4.0 * x[i],
        1 => -1.0,
        -1 => -2.0,
        _ => 0.0,
    }
}

/// A model that counts its evaluations.
fn model(gradient: Gradient) -> (Model, Arc<AtomicUsize>) {
    let count = Arc::new(AtomicUsize::new(0));
    let counted = count.clone();
    let array = json!({"type": "array", "items": {"type": "number"}, "differentiable": true});
    let evaluate = move |inputs: &Tree| {
        counted.fetch_add(1, Ordering::SeqCst);
        let x = inputs.leaf(&"x".parse().unwrap()).unwrap().to_vec();
        Ok(Tree::fields([("y", Tree::from(Array::from(broyden(&x))))]))
    };
    let model = Model::from_fn(
        "broyden",
        &json!({"properties": {"x": array}, "required": ["x"]}),
        &json!({"properties": {"y": array}, "required": ["y"]}),
        evaluate,
    );
    (model.unwrap().with_gradient(gradient).unwrap(), count)
}

fn banded(algorithm: AlgorithmName, verify: bool) -> Gradient {
    Gradient {
        algorithm: Some(algorithm),
        sparsity: Some(Structure::Banded([1, 1])),
        verify_sparsity: Some(verify),
        ..Gradient::default()
    }
}

fn point(n: usize) -> Vec<f64> {
    (0..n).map(|i| 0.5 + 0.4 * (i as f64).sin()).collect()
}

fn assert_close(model: &Model, x: &[f64], tolerance: f64) {
    let jacobian = model.jacobian(&json!({"x": x})).workers(2).run().unwrap();
    assert!(jacobian.report.warnings.is_empty(), "{:?}", jacobian.report.warnings);
    assert!(jacobian.report.algorithm.contains(" in 3 groups"), "{}", jacobian.report.algorithm);
    let Some(Block::Real(block)) = jacobian.block("y", "x") else { panic!("a real block") };
    for i in 0..x.len() {
        for j in 0..x.len() {
            assert!((block[[i, j]] - exact(x, i, j)).abs() < tolerance, "{i} {j}: {}", block[[i, j]]);
        }
    }
}

/// A pattern that saves nothing is one all the same, for who reads the matrix, as long as it holds.
#[test]
fn a_matrix_has_its_pattern_also_where_that_saves_nothing() {
    let model = |blocks: &[[&str; 2]]| {
        let leaf = json!({"type": "number", "differentiable": true});
        let schema = |names: [&str; 2]| json!({"properties": {names[0]: leaf, names[1]: leaf}, "required": names});
        let model = Model::from_fn("pair", &schema(["a", "b"]), &schema(["y", "z"]), |inputs| {
            let x = |name: &str| inputs.leaf(&name.parse().unwrap()).unwrap().to_vec()[0];
            Ok(Tree::fields([("y", Tree::from(x("a") * x("b"))), ("z", Tree::from(3.0 * x("b")))]))
        });
        let blocks = blocks.iter().map(|pair| pair.map(str::to_owned)).collect();
        let gradient = Gradient { sparsity: Some(Structure::Blocks(blocks)), ..Gradient::default() };
        let model = model.unwrap().with_gradient(gradient).unwrap();
        model.jacobian(&json!({"a": 2.0, "b": 5.0})).bounds().run().unwrap()
    };
    let entry = |jacobian: &secant::Jacobian, of: &str, wrt: &str| {
        let Some(Block::Real(block)) = jacobian.block(of, wrt) else { panic!("a real block") };
        block.iter().copied().next().unwrap()
    };
    for (blocks, holds) in [(&[["y", "a"], ["y", "b"], ["z", "b"]][..], true), (&[["y", "a"], ["z", "b"]], false)] {
        let jacobian = model(blocks);
        for (of, wrt, expected) in [("y", "a", 5.0), ("y", "b", 2.0), ("z", "a", 0.0), ("z", "b", 3.0)] {
            assert!((entry(&jacobian, of, wrt) - expected).abs() < 1e-8, "{of} by {wrt}");
        }
        // A whole matrix has its columns.
        assert_eq!(jacobian.columns().is_none(), holds);
        let Some(Bounds::Jacobian(bounds)) = &jacobian.report.bounds else { panic!("there are bounds") };
        assert!(entry(bounds, "y", "a") > 0.0);
        assert_eq!(jacobian.report.warnings.is_empty(), holds, "{:?}", jacobian.report.warnings);
    }
}

/// What the model does elsewhere must not cost a derivative that can be had.
#[test]
fn where_no_pattern_can_be_looked_at_there_is_a_derivative_all_the_same() {
    let model = |gradient: Gradient| {
        let leaf = json!({"dtype": "float64", "shape": [null], "differentiable": true});
        let schema = |name: &str| json!({"properties": {name: leaf}, "required": [name]});
        let model = Model::from_fn("edge", &schema("x"), &schema("y"), |inputs| {
            let x = inputs.leaf(&"x".parse().unwrap()).unwrap().to_vec();
            if x.iter().any(|x| *x > 1.0) {
                return Err(secant::ModelError::failed("beyond the edge"));
            }
            Ok(Tree::fields([("y", Tree::from(Array::from(x.iter().map(|x| x * x).collect::<Vec<_>>())))]))
        });
        model.unwrap().with_gradient(gradient).unwrap()
    };
    let x: Vec<f64> = (0..12).map(|i| if i % 2 == 0 { 1.0 } else { 0.999 }).collect();
    for (structure, words) in [(Structure::Diagonal, "was not verified"), (Structure::Detect, "beside these inputs")] {
        let gradient =
            Gradient { sparsity: Some(structure), on_failure: Some(OnFailure::Recover), ..Gradient::default() };
        let jacobian = model(gradient).jacobian(&json!({"x": x})).run().unwrap();
        let Some(Block::Real(block)) = jacobian.block("y", "x") else { panic!("a real block") };
        for ((i, j), value) in block.view().into_dimensionality::<ndarray::Ix2>().unwrap().indexed_iter() {
            let expected = if i == j { 2.0 * x[i] } else { 0.0 };
            assert!((value - expected).abs() < 1e-6, "{i} {j}: {value}");
        }
        let warnings = jacobian.report.warnings.join("; ");
        assert!(warnings.contains(words) && warnings.contains("beyond the edge"), "{warnings}");
    }
}

#[test]
fn a_band_takes_as_many_groups_as_it_is_wide() {
    let x = point(300);
    for (algorithm, evaluations, tolerance) in
        [(AlgorithmName::Forward, 4, 1e-6), (AlgorithmName::Central, 7, 1e-8), (AlgorithmName::Richardson, 37, 1e-9)]
    {
        for verify in [false, true] {
            let (model, count) = model(banded(algorithm, verify));
            assert_close(&model, &x, tolerance);
            let expected = evaluations + usize::from(verify);
            assert_eq!(count.load(Ordering::SeqCst), expected, "{algorithm}");
        }
    }
    let (model, count) = model(banded(AlgorithmName::Auto, true));
    assert_close(&model, &x, 1e-7);
    assert!(count.load(Ordering::SeqCst) < 50);
}

#[test]
fn products_and_parts_are_those_of_the_dense_matrix() {
    let x = point(40);
    let (model, _) = model(banded(AlgorithmName::Central, true));
    let inputs = json!({"x": x});
    let w: Vec<f64> = (0..40).map(|i| (i as f64).cos()).collect();
    let cotangent = || [("y", Array::from(w.clone()))];
    let (sparse, report) = model.vjp(&inputs, cotangent()).run().unwrap();
    assert_eq!(report.evaluations, 8);
    let (dense, _) = model.vjp(&inputs, cotangent()).dense().run().unwrap();
    for (a, b) in sparse[0].1.to_vec().iter().zip(dense[0].1.to_vec()) {
        assert!((a - b).abs() < 1e-8, "{a} {b}");
    }
    let bounded = model.jacobian(&inputs).bounds().run().unwrap();
    let Some(Bounds::Jacobian(bounds)) = &bounded.report.bounds else { panic!("there are bounds") };
    let Some(Block::Real(block)) = bounds.block("y", "x") else { panic!("a real block") };
    let squares: f64 = block.iter().map(|bound| bound * bound).sum();
    let total = bounded.report.total_bound.unwrap();
    assert!(total > 0.0 && (total - squares.sqrt()).abs() <= 1e-12 * total, "{total}");
}

#[test]
fn steps_by_hand_and_bounds_are_respected_in_groups() {
    let array =
        json!({"type": "array", "items": {"type": "number", "minimum": 0, "maximum": 2}, "differentiable": true});
    let output = json!({"type": "array", "items": {"type": "number"}, "differentiable": true});
    let model = Model::from_fn(
        "roots",
        &json!({"properties": {"x": array}, "required": ["x"]}),
        &json!({"properties": {"y": output}, "required": ["y"]}),
        |inputs| {
            let x = inputs.leaf(&"x".parse().unwrap()).unwrap().to_vec();
            assert!(x.iter().all(|x| (0.0..=2.0).contains(x)), "{x:?}");
            let y: Vec<f64> = x.iter().map(|x| x.powi(3) + x).collect();
            Ok(Tree::fields([("y", Tree::from(Array::new(&[y.len()], y)))]))
        },
    );
    let diagonal = Gradient { sparsity: Some(Structure::Diagonal), ..Gradient::default() };
    let model = model.unwrap().with_gradient(diagonal).unwrap();
    let x: Vec<f64> = (0..60).map(|i| [0.0, 1.0, 2.0][i % 3]).collect();
    let random = [AlgorithmName::Stochastic, AlgorithmName::Orthogonal, AlgorithmName::Complex];
    for algorithm in AlgorithmName::ALL.into_iter().filter(|algorithm| !random.contains(algorithm)) {
        let jacobian = model.jacobian(&json!({"x": x})).algorithm(algorithm).run().unwrap();
        assert!(jacobian.report.warnings.is_empty(), "{algorithm} {:?}", jacobian.report.warnings);
        let Some(Block::Real(block)) = jacobian.block("y", "x") else { panic!("a real block") };
        for (i, x) in x.iter().enumerate() {
            let (found, exact) = (block[[i, i]], 3.0 * x * x + 1.0);
            assert!((found - exact).abs() < 1e-5, "{algorithm} {x}: {found} {exact}");
        }
    }
    let by_hand = model.jacobian(&json!({"x": vec![1.0; 60]})).eps(0.125).run().unwrap();
    let Some(Block::Real(block)) = by_hand.block("y", "x") else { panic!("a real block") };
    // (x + h)³ − (x − h)³ over 2h is 3x² + h².
    assert!((block[[7, 7]] - (4.0 + 0.125f64.powi(2))).abs() < 1e-12, "{}", block[[7, 7]]);
}

#[test]
fn a_wrong_pattern_is_noticed() {
    let x = point(30);
    let wrong = Gradient { sparsity: Some(Structure::Diagonal), ..Gradient::default() };
    let (model, _) = model(wrong);
    let inputs = json!({"x": x});
    let jacobian = model.jacobian(&inputs).run().unwrap();
    let warnings = &jacobian.report.warnings;
    assert!(warnings.len() == 1 && warnings[0].contains("the sparsity pattern is wrong for y["), "{warnings:?}");
    let Some(Block::Real(block)) = jacobian.block("y", "x") else { panic!("a real block") };
    assert!((block[[3, 4]] + 2.0).abs() < 1e-7 && (block[[4, 3]] + 1.0).abs() < 1e-7);
    let (_, report) = model.vjp(&inputs, [("y", Array::from(vec![1.0; 30]))]).run().unwrap();
    assert_eq!(report.warnings, *warnings);
}

/// Where a first-order difference is all truncation, a random direction changes otherwise than a sum of them.
#[test]
fn a_pattern_holds_at_a_minimum_and_is_noticed_there_if_it_is_wrong() {
    let array = json!({"type": "array", "items": {"type": "number"}, "differentiable": true});
    let jacobian = |weight: f64| {
        let count = Arc::new(AtomicUsize::new(0));
        let counted = count.clone();
        let evaluate = move |inputs: &Tree| {
            counted.fetch_add(1, Ordering::SeqCst);
            let x = inputs.leaf(&"x".parse().unwrap()).unwrap().to_vec();
            let next = x.iter().cycle().skip(1);
            let y: Vec<f64> = x.iter().zip(next).map(|(x, next)| (1.0 - x).powi(2) + weight * next).collect();
            Ok(Tree::fields([("y", Tree::from(Array::new(&[y.len()], y)))]))
        };
        let inputs = json!({"properties": {"x": array}, "required": ["x"]});
        let outputs = json!({"properties": {"y": array}, "required": ["y"]});
        let model = Model::from_fn("minimum", &inputs, &outputs, evaluate).unwrap();
        let pattern = Gradient {
            algorithm: Some(AlgorithmName::Forward),
            sparsity: Some(Structure::Diagonal),
            ..Gradient::default()
        };
        let model = model.with_gradient(pattern).unwrap();
        let found = model.jacobian(&json!({"x": vec![1.0; 8]})).workers(1).run().unwrap();
        (found.report.warnings, count.load(Ordering::SeqCst))
    };
    // The base, one group, one look ahead, and two more.
    assert_eq!(jacobian(0.0), (Vec::new(), 5));
    let (warnings, _) = jacobian(0.1);
    assert!(warnings[0].contains("the sparsity pattern is wrong for y["), "{warnings:?}");
}

#[test]
fn a_pattern_holds_for_what_has_few_digits() {
    // Computed in single precision, whatever the steps are.
    let array = |dtype: &str| json!({"dtype": dtype, "shape": [null], "differentiable": true});
    for algorithm in [AlgorithmName::Forward, AlgorithmName::Central, AlgorithmName::Auto] {
        let model = Model::from_fn(
            "broyden",
            &json!({"properties": {"x": array("float64")}, "required": ["x"]}),
            &json!({"properties": {"y": array("float32")}, "required": ["y"]}),
            |inputs: &Tree| {
                let y: Vec<f32> = broyden(&inputs.leaf(&"x".parse().unwrap()).unwrap().to_vec())
                    .into_iter()
                    .map(|y| (y + 100.0) as f32)
                    .collect();
                Ok(Tree::fields([("y", Tree::from(Array::new(&[y.len()], y)))]))
            },
        );
        let model = model.unwrap().with_gradient(banded(algorithm, true)).unwrap();
        for shift in 0..8 {
            let x: Vec<f64> = point(300).iter().map(|x| x + 0.01 * f64::from(shift)).collect();
            assert_close(&model, &x, 0.5);
        }
    }
}

#[test]
fn what_the_pattern_leaves_out_is_verified_too() {
    // Nothing depends on z as the pattern has it: twenty empty columns behind a diagonal.
    let file = std::env::temp_dir().join(format!("secant-empty-columns-{}.mtx", std::process::id()));
    let diagonal: String = (1..=20).map(|i| format!("{i} {i}\n")).collect();
    std::fs::write(&file, format!("%%MatrixMarket matrix coordinate pattern general\n20 40 20\n{diagonal}")).unwrap();
    let jacobian = |weight: f64, bounds: serde_json::Value| {
        let array = |more: &serde_json::Value| {
            let mut leaf = json!({"type": "array", "items": {"type": "number"}, "differentiable": true});
            leaf["items"].as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            leaf
        };
        let evaluate = move |inputs: &Tree| {
            let leaf = |path: &str| inputs.leaf(&path.parse().unwrap()).unwrap().to_vec();
            let y: Vec<f64> = leaf("x").iter().zip(leaf("z")).map(|(x, z)| x * x + weight * z).collect();
            Ok(Tree::fields([("y", Tree::from(Array::new(&[y.len()], y)))]))
        };
        let inputs = json!({"properties": {"x": array(&json!({})), "z": array(&bounds)}, "required": ["x", "z"]});
        let outputs = json!({"properties": {"y": array(&json!({}))}, "required": ["y"]});
        let model = Model::from_fn("leaves-out", &inputs, &outputs, evaluate).unwrap();
        let pattern = Gradient { sparsity: Some(Structure::File(file.clone())), ..Gradient::default() };
        let model = model.with_gradient(pattern).unwrap();
        model.jacobian(&json!({"x": point(20), "z": vec![0.25; 20]})).run().unwrap()
    };
    // It may be as little as a value that cannot move at all.
    for bounds in [json!({}), json!({"minimum": 0.25}), json!({"minimum": 0.25, "maximum": 0.25})] {
        let found = jacobian(0.0, bounds);
        assert!(found.report.warnings.is_empty() && found.report.algorithm.ends_with("in 1 group"), "{found:?}");
    }
    let found = jacobian(0.5, json!({}));
    assert!(found.report.warnings[0].contains("the sparsity pattern is wrong for y["), "{:?}", found.report.warnings);
    let Some(Block::Real(block)) = found.block("y", "z") else { panic!("a real block") };
    assert!((block[[3, 3]] - 0.5).abs() < 1e-9 && block[[3, 4]].abs() < 1e-9);
    std::fs::remove_file(&file).unwrap();
}

const SCHEMA: &str = r#"{"properties": {"NAME": {"type": "array", "items": {"type": "number"}, "differentiable": true}}, "required": ["NAME"]}"#;

/// A program with Rosenbrock's extended residuals, and what its manifest says of sparsity.
fn rosenbrock(name: &str, sparsity: &str) -> std::path::PathBuf {
    let folder = plugin(
        name,
        &format!(
            "input = \"input.json\"\noutput = \"output.json\"\n[executable]\ncommand = [\"python3\", \"model.py\"]\n\
             protocol = \"lines\"\n[gradient]\nalgorithm = \"auto\"\n{sparsity}\n"
        ),
    );
    std::fs::write(folder.join("input.json"), SCHEMA.replace("NAME", "x")).unwrap();
    std::fs::write(folder.join("output.json"), SCHEMA.replace("NAME", "r")).unwrap();
    std::fs::write(
        folder.join("model.py"),
        "import json, math, sys\n\
         for line in sys.stdin:\n    x = json.loads(line)['x']\n    r, h = [], hash(tuple(x)) % 1000003\n    \
         for a, b in zip(x[::2], x[1::2]):\n        r += [10 * (b - a * a), 1 - a]\n    \
         r = [v * (1 + 1e-8 * math.sin(h + 7919.13 * i)) for i, v in enumerate(r)]\n    \
         print(json.dumps({'r': r}), flush=True)\n",
    )
    .unwrap();
    folder
}

#[test]
fn a_pattern_is_detected_in_noise_and_kept() {
    if python().is_none() {
        return;
    }
    let folder = rosenbrock("rosenbrock-detect", "sparsity = \"detect\"");
    let cache = tempfile::tempdir().unwrap();
    let x: Vec<f64> = (0..1000).map(|i| if i % 2 == 0 { -1.2 } else { 1.0 }).collect();
    let payload = json!({"inputs": {"x": x}}).to_string();
    let archive = cache.path().join("jacobian.npz");
    let ask = || {
        let arguments = ["jacobian", folder.to_str().unwrap(), &payload, "--report", "--format", "npz", "-o"];
        let run = Run::new(arguments.into_iter().chain([archive.to_str().unwrap()]));
        run.env("XDG_CACHE_HOME", cache.path().to_str().unwrap()).run().expect(0).stderr
    };
    let first = ask();
    assert!(first.contains("auto in 2 groups: "), "{first}");
    let kept: Vec<_> = std::fs::read_dir(cache.path().join("secant/sparsity")).unwrap().collect();
    assert_eq!(kept.len(), 1);
    let file = kept[0].as_ref().unwrap().path();
    let text = std::fs::read_to_string(&file).unwrap();
    // Two entries in the first residual of each pair, one in the second: by columns.
    let pairs = (1..1000).step_by(2).map(|i| format!("{i} {i}\n{} {i}\n{i} {}\n", i + 1, i + 1)).collect::<String>();
    assert!(text.ends_with(&format!("1000 1000 1500\n{pairs}")), "{text}");
    let second = ask();
    assert!(second.contains("auto in 2 groups: ") && !second.contains("warning"), "{second}");
    assert!(second.len() < first.len() + 20);
    // One that does not fit any more is detected again.
    std::fs::write(&file, text.replace("1000 1500", "1000 1499").replacen("1 1\n", "", 1)).unwrap();
    let third = ask();
    assert!(third.contains("auto in 2 groups: ") && !third.contains("warning"), "{third}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), text);
}

#[test]
fn a_file_that_is_no_pattern_is_an_error_of_the_manifest() {
    let folder = rosenbrock("rosenbrock-file", "sparsity = { file = \"pattern.mtx\" }");
    let outcome = Run::new(["describe", folder.to_str().unwrap()]).run().expect(5);
    assert!(outcome.stderr.contains("pattern.mtx: "), "{}", outcome.stderr);
    std::fs::write(folder.join("pattern.mtx"), "%%MatrixMarket matrix coordinate pattern general\n2 2 1\n3 1\n")
        .unwrap();
    let outcome = Run::new(["describe", folder.to_str().unwrap()]).run().expect(5);
    assert!(outcome.stderr.contains("pattern.mtx: line 3: (3, 1) is outside of 2 x 2"), "{}", outcome.stderr);
}
