//! One suite for every backend and protocol: what a model is must not show in what it answers.

use num_complex::Complex;
use proptest::test_runner::{Config, TestRunner};
use secant::AlgorithmName::{Backward, Central, Forward, Stochastic};
use secant::{AlgorithmName, Array, Block, DType, Error, Jacobian, Model, ModelErrorKind, Place, QuestionError, json};

use crate::probe::{FINE_OF, FINE_WRT, Form, OF, Point, WRT, direction};

macro_rules! suite {
    (@tests $form:expr; $($test:ident),* $(,)?) => {$(
        #[test]
        fn $test() {
            if let Some(model) = $form.open() {
                crate::conformance::$test($form, &model);
            }
        }
    )*};
    ($($form:ident $name:ident),* $(,)?) => {$(
        mod $name {
            use crate::probe::Form;
            suite!(@tests Form::$form;
                apply, jacobian_is_the_closed_form, at_a_bound, jvp, vjp, evaluations_are_counted,
                workers_do_not_show, seeds_can_be_had_again, refused_inputs, refused_by_the_model,
                failures_name_the_point, outputs_that_are_no_numbers, other_shapes_and_keys, shapes_alone,
                points_at_random,
            );
        }
    )*};
}

suite! {
    Function function, Library library, Batch library_with_batches, AnyThread library_for_any_thread,
    Isolated library_isolated, Exclusive library_one_per_process, Jsonrpc jsonrpc, Base64 jsonrpc_base64,
    Lines lines, Once once, Guest guest_behind_host, Remote remote,
}

/// A legacy program refuses nothing and says NaN in its own way, it fails; and its manifest names every key of its
/// outputs.
mod legacy {
    use crate::probe::Form;
    suite!(@tests Form::Legacy;
        apply, jacobian_is_the_closed_form, at_a_bound, jvp, vjp, evaluations_are_counted, workers_do_not_show,
        seeds_can_be_had_again, refused_inputs, failures_name_the_point,
    );
}

/// A file that evaluations are written to, a byte each.
struct Log {
    file: tempfile::NamedTempFile,
}

impl Log {
    fn new() -> Log {
        Log { file: tempfile::NamedTempFile::new().unwrap() }
    }

    fn point(&self) -> Point {
        Point { log: self.file.path().to_str().unwrap().to_owned(), ..Point::default() }
    }

    /// The evaluations since the last time.
    fn take(&self) -> usize {
        let count = self.file.as_file().metadata().unwrap().len();
        self.file.as_file().set_len(0).unwrap();
        usize::try_from(count).unwrap()
    }
}

fn flat(block: &Block<'_>) -> Vec<Complex<f64>> {
    match block {
        Block::Real(view) => view.iter().map(|value| Complex::new(*value, 0.0)).collect(),
        Block::Complex(array) => array.iter().copied().collect(),
    }
}

fn assert_close(found: &[Complex<f64>], expected: &[Complex<f64>], tolerance: f64, what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (i, (found, expected)) in found.iter().zip(expected).enumerate() {
        let off = (found - expected).norm();
        let most = tolerance * (1.0 + expected.norm());
        assert!(off <= most, "{what}[{i}] is {found}, expected {expected}: off by {off:.1e} > {most:.1e}");
    }
}

fn assert_jacobian(jacobian: &Jacobian, point: &Point, tolerance: f64) {
    let mut count = 0;
    for (of, wrt, block) in jacobian.blocks() {
        let (of, wrt) = (of.to_string(), wrt.to_string());
        assert_close(&flat(&block), &point.derivative(&of, &wrt), tolerance, &format!("d {of} / d {wrt}"));
        count += 1;
    }
    assert_eq!(count, jacobian.of().spans().len() * jacobian.wrt().spans().len());
}

fn bits(values: &[f64]) -> Vec<u64> {
    values.iter().map(|value| value.to_bits()).collect()
}

fn coordinates(point: &Point, wrt: &[&str]) -> usize {
    wrt.iter().map(|path| point.len(path)).sum()
}

/// An array of a leaf's own dtype and shape from real coordinates.
fn array(model: &Model, path: &str, shape: &[usize], values: &[f64]) -> Array {
    let signature = model.signature();
    let path = path.parse().unwrap();
    let leaf = signature.inputs.leaf(&path).or_else(|| signature.outputs.leaf(&path)).unwrap();
    Array::from_coordinates(leaf.dtype, shape, values)
}

fn shape_of(point: &Point, path: &str) -> Vec<usize> {
    match path {
        "x" | "y" => vec![point.x.len()],
        "s" | "z" | "t" | "w" => vec![],
        "f" | "h" => vec![2],
        path if path.starts_with("e.") => vec![],
        path => vec![point.len(path)],
    }
}

fn apply(_: Form, model: &Model) {
    let point = Point::default();
    let outputs = model.apply(&point.json()).unwrap();
    assert_eq!(outputs.leaves().len(), OF.len());
    for of in OF {
        let leaf = outputs.leaf(&of.parse().unwrap()).unwrap_or_else(|| panic!("no output {of}"));
        let found: Vec<Complex<f64>> = match leaf.as_slice::<Complex<f64>>() {
            Some(values) => values.to_vec(),
            None => leaf.to_vec().into_iter().map(|value| Complex::new(value, 0.0)).collect(),
        };
        assert_close(&found, &point.outputs(of), if of == "h" { 1e-6 } else { 1e-14 }, of);
        assert_eq!(leaf.shape(), shape_of(&point, of), "{of}");
    }
    let dtype = |path: &str| outputs.leaf(&path.parse().unwrap()).unwrap().dtype();
    assert_eq!([dtype("y"), dtype("h"), dtype("w")], [DType::Float64, DType::Float32, DType::Complex128]);
}

fn jacobian_is_the_closed_form(form: Form, model: &Model) {
    let point = Point::default();
    for (algorithm, tolerance) in [(Central, 1e-8), (Forward, 1e-6), (Backward, 1e-6)] {
        let query = model.jacobian(&point.json()).wrt(FINE_WRT).of(FINE_OF).algorithm(algorithm);
        assert_jacobian(&query.run().unwrap(), &point, tolerance);
        let query = model.jacobian(&point.json()).wrt(["f", "s"]).of(["h"]).algorithm(algorithm);
        assert_jacobian(&query.run().unwrap(), &point, 4e-3);
    }
    // All at once, each step found for itself.
    let jacobian = model.jacobian(&point.json()).run().unwrap();
    assert_eq!(jacobian.of().paths().map(ToString::to_string).collect::<Vec<_>>(), OF);
    assert_eq!(jacobian.wrt().paths().map(ToString::to_string).collect::<Vec<_>>(), WRT);
    // A server answers derivatives itself.
    assert_eq!(jacobian.report.algorithm, if form == Form::Remote { "native" } else { "auto" });
    assert_jacobian(&jacobian, &point, 4e-3);
    // A pattern stands for all it matches.
    let by_pattern = model.jacobian(&point.json()).wrt(["d.{}"]).of(["e.{}"]).run().unwrap();
    assert_eq!(by_pattern.blocks().count(), 4);
    assert_jacobian(&by_pattern, &point, 1e-8);
}

fn at_a_bound(_: Form, model: &Model) {
    // s may not fall below 0, and the model fails if it does; nor is a bound a reason for a worse result.
    for (s, tolerance) in [(0.0, 1e-8), (1e-9, 1e-8)] {
        let point = Point { s, ..Point::default() };
        for (algorithm, tolerance) in [(Central, tolerance), (Forward, 1e-6), (Backward, 1e-6)] {
            let query = model.jacobian(&point.json()).wrt(["s", "x"]).of(["y", "t"]).algorithm(algorithm);
            let jacobian = query.run().unwrap_or_else(|error| panic!("{algorithm} at s = {s}: {error}"));
            assert_jacobian(&jacobian, &point, tolerance);
        }
        let query = model.jacobian(&point.json()).of(["y", "t"]).algorithm(Stochastic).samples(6).seed(1);
        query.run().unwrap_or_else(|error| panic!("stochastic at s = {s}: {error}"));
        let tangent = [("s", Array::scalar(-1.0)), ("x", Array::new(&[3], vec![0.5, -1.0, 2.0]))];
        let (found, _) = model.jvp(&point.json(), tangent).of(["t"]).run().unwrap();
        let expected = -2.0 * s + 2.0 * (0.5 * 0.3 - 1.0 * 1.0 + 2.0 * -0.7);
        assert_close(&[found[0].1.to_vec()[0].into()], &[expected.into()], 1e-6, "t");
    }
}

fn jvp(_: Form, model: &Model) {
    let point = Point::default();
    let vectors = || {
        let mut values = direction(coordinates(&point, &FINE_WRT)).into_iter();
        FINE_WRT.map(|path| {
            let values: Vec<f64> = values.by_ref().take(point.len(path)).collect();
            (path, array(model, path, &shape_of(&point, path), &values))
        })
    };
    for (algorithm, evaluations, tolerance) in [(Central, 2, 1e-7), (Forward, 2, 1e-5), (Backward, 2, 1e-5)] {
        let query = model.jvp(&point.json(), vectors()).of(FINE_OF).algorithm(algorithm);
        let (found, report) = query.run().unwrap();
        assert_eq!(report.evaluations, evaluations, "{algorithm}");
        let jacobian = model.jacobian(&point.json()).wrt(FINE_WRT).of(FINE_OF).algorithm(algorithm).run().unwrap();
        for (i, (path, found)) in found.iter().enumerate() {
            assert_eq!(path.to_string(), FINE_OF[i]);
            let is_complex = found.dtype().is_complex();
            let mut exact = vec![Complex::new(0.0, 0.0); found.len()];
            let mut by_matrix = exact.clone();
            for (wrt, tangent) in vectors() {
                let tangent = complexes(&tangent);
                add_product(&mut exact, &point.derivative(FINE_OF[i], wrt), &tangent, is_complex);
                let block = jacobian.block(FINE_OF[i], wrt).unwrap();
                add_product(&mut by_matrix, &flat(&block), &tangent, is_complex);
            }
            assert_close(&complexes(found), &exact, tolerance, FINE_OF[i]);
            assert_close(&complexes(found), &by_matrix, tolerance, "J·v against the JVP");
        }
    }
    let (found, _) = model.jvp(&point.json(), [("f", Array::new(&[2], vec![1f32, -2.0]))]).run().unwrap();
    let dtypes: Vec<DType> = found.iter().map(|(_, array)| array.dtype()).collect();
    use DType::{Complex128, Float32, Float64};
    assert_eq!(dtypes, [Float64, Float64, Float32, Complex128, Float64, Float64], "the outputs' own");
    assert_close(&complexes(&found[2].1), &[1.0.into(), 5.0.into()], 4e-3, "h");
}

/// Adds J·v. Of a real output by a complex input only the real part of the product is the change.
fn add_product(sum: &mut [Complex<f64>], block: &[Complex<f64>], vector: &[Complex<f64>], is_complex: bool) {
    for (slot, row) in sum.iter_mut().zip(block.chunks(vector.len())) {
        let product: Complex<f64> = row.iter().zip(vector).map(|(a, b)| a * b).sum();
        *slot += if is_complex { product } else { product.re.into() };
    }
}

fn complexes(array: &Array) -> Vec<Complex<f64>> {
    match array.as_slice::<Complex<f64>>() {
        Some(values) => values.to_vec(),
        None => array.to_vec().into_iter().map(Complex::from).collect(),
    }
}

fn vjp(_: Form, model: &Model) {
    let point = Point::default();
    let weights = |of: &str| -> Vec<f64> {
        let rows = point.outputs(of).len() * if of == "w" { 2 } else { 1 };
        direction(rows).into_iter().map(|value| value + of.len() as f64).collect()
    };
    let vectors = || FINE_OF.map(|of| (of, array(model, of, &shape_of(&point, of), &weights(of))));
    for (algorithm, tolerance) in [(Central, 1e-7), (Forward, 1e-5), (Backward, 1e-5)] {
        let (found, report) = model.vjp(&point.json(), vectors()).wrt(FINE_WRT).algorithm(algorithm).run().unwrap();
        let n = coordinates(&point, &FINE_WRT);
        assert_eq!(report.evaluations, if algorithm == Central { 2 * n } else { n + 1 }, "{algorithm}");
        let jacobian = model.jacobian(&point.json()).wrt(FINE_WRT).of(FINE_OF).algorithm(algorithm).run().unwrap();
        for (j, (path, found)) in found.iter().enumerate() {
            let wrt = FINE_WRT[j];
            assert_eq!(path.to_string(), wrt);
            let is_complex = found.dtype().is_complex();
            let columns = found.len();
            let mut exact = vec![Complex::new(0.0, 0.0); columns];
            let mut by_matrix = exact.clone();
            for (of, weights) in vectors() {
                let weights = complexes(&weights);
                for (sum, block) in
                    [(&mut exact, point.derivative(of, wrt)), (&mut by_matrix, flat(&jacobian.block(of, wrt).unwrap()))]
                {
                    for (weight, row) in weights.iter().zip(block.chunks(columns)) {
                        for (slot, entry) in sum.iter_mut().zip(row) {
                            let product = weight * entry;
                            *slot += if is_complex { product } else { product.re.into() };
                        }
                    }
                }
            }
            assert_close(&complexes(found), &exact, tolerance, wrt);
            assert_close(&complexes(found), &by_matrix, tolerance, "w·J against the VJP");
        }
    }
    let weights = [("h", Array::new(&[2], vec![1f32, -2.0]))];
    let (found, _) = model.vjp(&point.json(), weights).run().unwrap();
    let dtypes: Vec<DType> = found.iter().map(|(_, array)| array.dtype()).collect();
    use DType::{Complex128, Float32, Float64};
    assert_eq!(dtypes, [Float64, Float64, Float32, Complex128, Float64, Float64], "the inputs' own");
    assert_close(&complexes(&found[2].1), &[1.0.into(), 5.0.into()], 4e-3, "f");
}

fn evaluations_are_counted(form: Form, model: &Model) {
    let log = Log::new();
    let point = log.point();
    let inputs = point.json();
    let n = coordinates(&point, &WRT);
    let real = ["y", "t", "h", "e.{}"];
    model.apply(&inputs).unwrap();
    assert_eq!(log.take(), 1, "apply");
    for (algorithm, expected) in [(Central, 2 * n), (Forward, n + 1), (Backward, n + 1)] {
        let report = model.jacobian(&inputs).algorithm(algorithm).run().unwrap().report;
        assert_eq!((report.evaluations, log.take()), (expected, expected), "{algorithm}");
    }
    for algorithm in [AlgorithmName::Auto, AlgorithmName::AutoForward, AlgorithmName::Central4] {
        let report = model.jacobian(&inputs).of(real).algorithm(algorithm).run().unwrap().report;
        assert_eq!(report.evaluations, log.take(), "{algorithm}");
    }
    for samples in [1, 4] {
        // Stochastic is not dearer than central.
        let query = model.jacobian(&inputs).of(real).algorithm(Stochastic).samples(samples).seed(3);
        let report = query.run().unwrap().report;
        assert_eq!((report.evaluations, log.take()), (2 * samples, 2 * samples), "stochastic");
        assert_eq!((report.samples, report.seed), (Some(samples), Some(3)));
    }
    let report = model.jacobian(&inputs).algorithm(Stochastic).samples(n + 5).run().unwrap().report;
    assert_eq!((report.evaluations, log.take()), (2 * n, 2 * n), "more samples than coordinates");
    assert_eq!(report.algorithm, "central (no dearer than random directions)");
    let tangent = [("x", Array::new(&[3], vec![1.0, 2.0, 3.0]))];
    let (_, report) = model.jvp(&inputs, tangent).algorithm(Central).run().unwrap();
    assert_eq!((report.evaluations, log.take()), (2, 2), "jvp");
    let vjp = model.vjp(&inputs, [("t", Array::scalar(1.0))]).wrt(["x"]).algorithm(Central);
    let (_, report) = vjp.run().unwrap();
    assert_eq!((report.evaluations, log.take()), (6, 6), "vjp");
    // At a bound there are more points a coordinate, and each is counted.
    let inputs = Point { s: 0.0, ..log.point() }.json();
    let report = model.jacobian(&inputs).wrt(["s", "x"]).algorithm(Central).run().unwrap().report;
    assert_eq!(report.evaluations, log.take(), "at a bound");
    if !form.is_slow() {
        let report = model.jacobian(&point.json()).algorithm(Central).workers(3).run().unwrap().report;
        assert_eq!((report.evaluations, log.take()), (2 * n, 2 * n), "several workers");
    }
}

fn workers_do_not_show(form: Form, model: &Model) {
    let inputs = Point { x: (0..9).map(|i| 0.1 * f64::from(i)).collect(), ..Point::default() }.json();
    let algorithms: &[AlgorithmName] = if form.is_slow() { &[Central] } else { &AlgorithmName::ALL };
    for &algorithm in algorithms.iter().filter(|algorithm| **algorithm != AlgorithmName::Complex) {
        let with = |workers: usize| {
            let random = matches!(algorithm, Stochastic | AlgorithmName::Orthogonal);
            let of = if random { &OF[..3] } else { &OF[..] };
            model.jacobian(&inputs).of(of).algorithm(algorithm).samples(7).seed(11).workers(workers).run().unwrap()
        };
        let weights = || [("y", Array::new(&[9], direction(9)))];
        let vjp_with = |workers: usize| {
            let query = model.vjp(&inputs, weights()).algorithm(algorithm).samples(7).seed(11).workers(workers);
            query.run().unwrap().0
        };
        let one = with(1);
        assert_eq!(one.report.workers, 1);
        let vjp_one = vjp_with(1);
        for workers in [2, 3] {
            let several = with(workers);
            assert_eq!(several.report.workers, workers);
            assert_eq!(
                bits(one.columns().unwrap()),
                bits(several.columns().unwrap()),
                "{algorithm}, {workers} workers"
            );
            for ((_, one), (_, several)) in vjp_one.iter().zip(vjp_with(workers)) {
                assert_eq!(one.bytes(), several.bytes(), "vjp, {algorithm}, {workers} workers");
            }
        }
    }
}

fn seeds_can_be_had_again(_: Form, model: &Model) {
    let inputs = Point::default().json();
    let with = |seed: Option<u64>| {
        let query = model.jacobian(&inputs).of(["y", "t"]).algorithm(Stochastic).samples(3).workers(2);
        match seed {
            Some(seed) => query.seed(seed).run().unwrap(),
            None => query.run().unwrap(),
        }
    };
    let first = with(Some(5));
    assert_eq!(bits(first.columns().unwrap()), bits(with(Some(5)).columns().unwrap()));
    assert_ne!(bits(first.columns().unwrap()), bits(with(Some(6)).columns().unwrap()));
    // Drawn, and reported so that it can be had again.
    let drawn = with(None);
    assert_eq!(bits(drawn.columns().unwrap()), bits(with(drawn.report.seed).columns().unwrap()));
    // Noise hides whether one is a holomorphic function of the other.
    let error = model.jacobian(&inputs).wrt(["x", "z"]).of(["w"]).algorithm(Stochastic).samples(2).run().unwrap_err();
    assert!(matches!(error, Error::Question(QuestionError::Caller(_))), "{error}");
    assert!(error.to_string().contains("w and z are both complex"), "{error}");
}

fn refused_inputs(_: Form, model: &Model) {
    let log = Log::new();
    let mut inputs = log.point().json();
    inputs["f"] = json!([1.0, 2.0, 3.0]);
    inputs["s"] = json!(-1.0);
    inputs["surplus"] = json!(true);
    inputs.as_object_mut().unwrap().remove("z");
    let check = |error: Error| {
        let Error::Question(QuestionError::Caller(violations)) = &error else { panic!("{error:?}") };
        let mut paths: Vec<String> = violations.0.iter().map(|violation| violation.path.to_string()).collect();
        paths.sort();
        assert_eq!(paths, ["f", "s", "surplus", "z"], "all of them at once: {error}");
    };
    check(model.apply(&inputs).unwrap_err());
    check(model.jacobian(&inputs).run().unwrap_err());
    assert_eq!(log.take(), 0, "nothing was evaluated");
}

fn refused_by_the_model(_: Form, model: &Model) {
    let point = Point { x: vec![0.0, 2.0], mode: "refuse", ..Point::default() };
    let error = model.apply(&point.json()).unwrap_err();
    let Error::Question(QuestionError::Caller(violations)) = &error else { panic!("{error:?}") };
    assert!(violations.to_string().contains("x[1] makes no sense"), "{error}");
    // It is good for the next.
    model.apply(&Point::default().json()).unwrap();
}

fn failures_name_the_point(_: Form, model: &Model) {
    for (mode, words) in [("fail", "the solver did not converge"), ("refuse", "x[1] makes no sense")] {
        let inputs = Point { mode, ..Point::default() }.json();
        for (algorithm, workers) in [(Central, 1), (Central, 3), (Forward, 2)] {
            let query = model.jacobian(&inputs).algorithm(algorithm).eps(1e-4).workers(workers);
            let error = query.run().unwrap_err();
            let text = error.to_string();
            let Error::Question(QuestionError::Model { model, place, error }) = error else { panic!("{text}") };
            assert_eq!(model, "probe");
            assert_eq!(place, Place::Displaced("x[1] + 1e-4".to_owned()), "{text}");
            assert_eq!(error.kind, ModelErrorKind::Failed, "{text}");
            assert!(text.starts_with("probe failed at x[1] + 1e-4: "), "{text}");
            assert!(text.contains(words), "{text}");
        }
        // Where it is not asked beyond, it works.
        model.jacobian(&inputs).algorithm(Backward).workers(1).run().unwrap();
        let tangent = [("x", Array::new(&[3], vec![0.0, 1.0, 0.0]))];
        let error = model.jvp(&inputs, tangent).algorithm(Central).eps(1e-4).run().unwrap_err().to_string();
        assert!(error.contains("times the tangent: ") && error.contains(words), "{error}");
    }
    let point = Point { x: vec![0.0, 2.0], mode: "fail", ..Point::default() };
    let error = model.apply(&point.json()).unwrap_err().to_string();
    assert!(error.starts_with("probe failed at the inputs as given: "), "{error}");
}

fn outputs_that_are_no_numbers(_: Form, model: &Model) {
    let inputs = Point { mode: "nan", ..Point::default() }.json();
    for workers in [1, 2] {
        let query = model.jacobian(&inputs).algorithm(Central).eps(1e-4).workers(workers);
        let error = query.run().unwrap_err().to_string();
        assert!(error.starts_with("probe failed at x[1] + 1e-4: "), "{error}");
        assert!(error.contains("output t is not finite"), "{error}");
    }
    // Nobody asked for the output that is no number.
    model.jacobian(&inputs).of(["y"]).run().unwrap();
    let at_base = Point { x: vec![0.0, 2.0], mode: "nan", ..Point::default() }.json();
    let outputs = model.apply(&at_base).unwrap();
    assert!(outputs.leaf(&"t".parse().unwrap()).unwrap().to_vec()[0].is_nan(), "its own answer, as it is");
    model.jacobian(&at_base).algorithm(Forward).run().unwrap_err();
}

/// What is remembered of one request must not reach into another.
fn other_shapes_and_keys(form: Form, model: &Model) {
    let points = [
        Point::default(),
        Point { d: [("z", vec![1.5]), ("a", vec![]), ("m", vec![0.1, 0.2, 0.3])].into(), ..Point::default() },
        Point { x: vec![0.2; 5], ..Point::default() },
        Point { x: vec![0.4], d: [("q", vec![0.5, 0.25])].into(), ..Point::default() },
        Point { x: vec![], d: [].into(), ..Point::default() },
        Point { d: [("r", vec![0.5, 0.25])].into(), ..Point::default() },
    ];
    for round in 0..2 {
        for point in &points {
            let fine: Vec<String> = ["x", "s", "z"].map(str::to_owned).into_iter().chain(["d.{}".to_owned()]).collect();
            let fine = fine.iter().filter(|path| !(path.as_str() == "d.{}" && point.d.is_empty()));
            let workers = if form.is_slow() { 2 } else { 1 + round * 2 };
            let jacobian = model.jacobian(&point.json()).wrt(fine).of(["y", "t"]).workers(workers).run().unwrap();
            assert_jacobian(&jacobian, point, 1e-8);
            model.apply(&points[(point.x.len() + round) % points.len()].json()).unwrap();
        }
    }
}

fn shapes_alone(_: Form, model: &Model) {
    let array = |dtype: &str, shape: &[usize]| json!({"dtype": dtype, "shape": shape});
    let inputs = json!({
        "x": array("float64", &[5]), "s": array("float64", &[]), "f": array("float32", &[2]),
        "z": array("complex128", &[]), "d": {"k": array("float64", &[4])},
    });
    let inputs = model.signature().abstract_from_json(&inputs).unwrap();
    let outputs = model.abstract_eval(&inputs).unwrap();
    let found: Vec<String> =
        outputs.leaves().into_iter().map(|(path, leaf)| format!("{path} {}{:?}", leaf.dtype, leaf.shape)).collect();
    assert_eq!(found, ["y float64[5]", "t float64[]", "h float32[2]", "w complex128[]", "e.{k} float64[]"]);
}

/// The laws of linear algebra at points nobody chose.
fn points_at_random(form: Form, model: &Model) {
    use proptest::prelude::*;
    let cases = match form {
        Form::Once => 2,
        Form::Function | Form::Library | Form::Batch | Form::AnyThread => 64,
        _ => 12,
    };
    let mut runner = TestRunner::new_with_rng(
        Config { cases, failure_persistence: None, ..Config::default() },
        proptest::test_runner::TestRng::deterministic_rng(proptest::test_runner::RngAlgorithm::ChaCha),
    );
    let numbers = || proptest::collection::vec(-3.0..3.0f64, 1..6);
    let strategy = (numbers(), 0.0..2.0f64, [-2.0..2.0f64, -2.0..2.0], numbers());
    runner
        .run(&strategy, |(x, s, z, d)| {
            let point = Point { x, s, z, d: [("k", d)].into(), ..Point::default() };
            let (wrt, of) = (["x", "s", "z", "d.{k}"], ["y", "t", "w", "e.{k}"]);
            let jacobian = model.jacobian(&point.json()).wrt(wrt).of(of).run().unwrap();
            assert_jacobian(&jacobian, &point, 1e-7);
            let v: Vec<(&str, Array)> = wrt
                .iter()
                .map(|path| (*path, array(model, path, &shape_of(&point, path), &direction(point.len(path)))))
                .collect();
            let w: Vec<(&str, Array)> = of
                .iter()
                .map(|path| {
                    let shape = shape_of(&point, path);
                    let rows = shape.iter().product::<usize>() * if *path == "w" { 2 } else { 1 };
                    (*path, array(model, path, &shape, &direction(rows)))
                })
                .collect();
            let (jv, _) = model.jvp(&point.json(), v.clone()).of(of).run().unwrap();
            let (wj, _) = model.vjp(&point.json(), w.clone()).wrt(wrt).run().unwrap();
            // w·(J·v) = (w·J)·v, both without conjugation, as real parts.
            let pair = |a: &[(&str, Array)], b: &[(secant::Path, Array)]| -> f64 {
                let sums = a.iter().zip(b).map(|((_, a), (_, b))| {
                    complexes(a).iter().zip(complexes(b)).map(|(a, b)| (a * b).re).sum::<f64>()
                });
                sums.sum()
            };
            let (left, right) = (pair(&w, &jv), pair(&v, &wj));
            prop_assert!((left - right).abs() < 1e-5 * (1.0 + left.abs()), "{left} against {right} at {point:?}");
            Ok(())
        })
        .unwrap();
}
