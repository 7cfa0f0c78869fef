//! What makes numbers trustworthy: steps that stay in the domain, bounds that hold, failures that are stepped around
//! and said.

use std::sync::Arc;
use std::sync::Mutex;

use secant::{AlgorithmName, Array, Bounds, Error, Model, ModelError, OnFailure, QuestionError, Tree, Value, json};

type Evaluate = fn(f64) -> Result<f64, String>;

/// A model of one number, with what its schema says of it besides; the points it was asked for.
fn scalar(
    domain: Value,
    f: impl Fn(f64) -> Result<f64, String> + Send + Sync + 'static,
) -> (Model, Arc<Mutex<Vec<f64>>>) {
    let mut input = json!({"type": "number", "differentiable": true});
    input.as_object_mut().unwrap().extend(domain.as_object().unwrap().clone());
    let output = json!({"type": "number", "differentiable": true});
    let points = Arc::new(Mutex::new(Vec::new()));
    let seen = points.clone();
    let model = Model::from_fn(
        "scalar",
        &json!({"properties": {"x": input}, "required": ["x"]}),
        &json!({"properties": {"y": output}, "required": ["y"]}),
        move |inputs| {
            let x = inputs.leaf(&"x".parse().unwrap()).unwrap().to_vec()[0];
            seen.lock().unwrap().push(x);
            f(x).map(|y| Tree::fields([("y", Tree::from(y))])).map_err(ModelError::failed)
        },
    );
    (model.unwrap(), points)
}

fn derivative(model: &Model, x: f64, algorithm: AlgorithmName) -> (f64, f64, secant::Report) {
    let mut jacobian = model.jacobian(&json!({"x": x})).algorithm(algorithm).bounds().run().unwrap();
    let value = jacobian.columns().unwrap()[0];
    let report = std::mem::take(&mut jacobian.report);
    let Some(Bounds::Jacobian(bounds)) = &report.bounds else { panic!("there are bounds") };
    (value, bounds.columns().unwrap()[0], report)
}

#[test]
fn at_the_edge_of_a_domain_it_is_never_left_and_the_error_is_near_the_optimum() {
    // The function, its derivative, its third derivative.
    type Exact = fn(f64) -> f64;
    let functions: [(Evaluate, Exact, Exact); 3] = [
        (|x| Ok(x.ln()), |x| 1.0 / x, |x| 2.0 / x.powi(3)),
        (|x| Ok(x.sqrt()), |x| 0.5 / x.sqrt(), |x| 0.375 * x.powf(-2.5)),
        (|x| Ok(1.0 / x), |x| -1.0 / (x * x), |x| 6.0 / x.powi(4)),
    ];
    for (f, first, third) in functions {
        for (x, domain) in [
            (0.01, json!({"minimum": 0.01})),
            (0.01, json!({"minimum": 0.01, "maximum": 0.02})),
            (0.010_01, json!({"minimum": 0.01})),
            (0.02, json!({"minimum": 0.01, "maximum": 0.02})),
            (3.0, json!({"minimum": 0.01, "maximum": 3})),
        ] {
            let (model, points) = scalar(domain.clone(), f);
            let (value, bound, _) = derivative(&model, x, AlgorithmName::Auto);
            let error = (value - first(x)).abs();
            let noise = f64::EPSILON / 2.0 * f(x).unwrap().abs();
            let optimum = 1.04 * (noise * noise * third(x).abs()).cbrt();
            assert!(error <= bound, "{x} {domain}: {error} {bound}");
            assert!(error <= 10.0 * optimum, "{x} {domain}: {} times the optimum", error / optimum);
            let least = domain["minimum"].as_f64().unwrap();
            let most = domain["maximum"].as_f64().unwrap_or(f64::INFINITY);
            assert!(points.lock().unwrap().iter().all(|x| (least..=most).contains(x)), "{domain}: {points:?}");
        }
    }
}

#[test]
fn a_side_that_fails_is_stepped_around() {
    // Nothing is known above 1.
    let (model, _) = scalar(json!({}), |x| if x > 1.0 { Err("no convergence".to_owned()) } else { Ok(x.powi(3)) });
    for algorithm in [AlgorithmName::Auto, AlgorithmName::Richardson, AlgorithmName::Central4] {
        let (value, bound, report) = derivative(&model, 1.0, algorithm);
        assert!((value - 3.0).abs() <= bound && bound < 1e-3, "{algorithm}: {value} {bound}");
        assert_eq!(report.stumbles.len(), 1, "{algorithm}: {:?}", report.stumbles);
        assert_eq!(report.stumbles[0].place, "x");
        assert!(report.stumbles[0].steps.len() >= 3, "{algorithm}: {:?}", report.stumbles);
    }
    // A step that was chosen is taken, or the request fails; unless it may be another.
    let inputs = json!({"x": 1.0});
    let error = model.jacobian(&inputs).algorithm(AlgorithmName::Central).run().unwrap_err();
    assert!(error.to_string().starts_with("scalar failed at x + "), "{error}");
    for algorithm in [AlgorithmName::Richardson, AlgorithmName::Central4] {
        let error = model.jacobian(&inputs).algorithm(algorithm).eps(0.125).run().unwrap_err();
        assert!(error.to_string().ends_with(": no convergence"), "{algorithm}: {error}");
    }
    let recovered = model.jacobian(&inputs).algorithm(AlgorithmName::Central).on_failure(OnFailure::Recover).run();
    let recovered = recovered.unwrap();
    assert!((recovered.columns().unwrap()[0] - 3.0).abs() < 1e-6);
    assert_eq!(recovered.report.stumbles.len(), 1);
    let error = model.jacobian(&inputs).algorithm(AlgorithmName::Auto).on_failure(OnFailure::Error).run().unwrap_err();
    assert!(error.to_string().contains("no convergence"), "{error}");
}

#[test]
fn no_number_is_stepped_around_too_and_growth_ends_there() {
    // Linear, so that the step would grow; beyond 1.3 there is nothing.
    let (model, _) = scalar(json!({}), |x| Ok(if x > 1.3 { f64::NAN } else { 1.0 + 1e-7 * x }));
    let (value, bound, report) = derivative(&model, 1.0, AlgorithmName::Auto);
    assert!((value - 1e-7).abs() <= bound && bound < 1e-11, "{value} {bound}");
    assert!(report.steps[0].most < 0.3, "{:?}", report.steps);
}

#[test]
fn where_nothing_works_every_step_is_named() {
    let (model, _) = scalar(json!({}), |x| if x == 1.0 { Ok(x) } else { Err("only at 1".to_owned()) });
    let error = model.jacobian(&json!({"x": 1.0})).run().unwrap_err();
    let Error::Question(QuestionError::Model { .. }) = &error else { panic!("{error:?}") };
    let text = error.to_string();
    assert!(text.starts_with("scalar failed at x ") && text.contains("only at 1"), "{text}");
    assert!(
        text.contains("nor did the model answer with any of the steps ") && text.matches("e-").count() >= 6,
        "{text}"
    );
}

#[test]
fn rounded_outputs_are_seen_for_what_they_are() {
    let single: Evaluate = |x| Ok(f64::from((x.sin()) as f32));
    let printed: Evaluate = |x| Ok(format!("{:.5e}", x.sin()).parse().unwrap());
    for (f, noise, most) in [(single, 1e-9..1e-7, 1e-4), (printed, 1e-8..1e-5, 1e-2)] {
        let (model, _) = scalar(json!({}), f);
        let (value, bound, report) = derivative(&model, 0.7, AlgorithmName::Auto);
        let error = (value - 0.7f64.cos()).abs();
        assert!(error <= bound && bound < most, "{error} {bound}");
        assert!(noise.contains(&report.noise[0].most), "{:?}", report.noise);
    }
}

#[test]
fn every_answer_has_bounds_of_its_shape() {
    let array = json!({"type": "array", "items": {"type": "number"}, "differentiable": true});
    let model = Model::from_fn(
        "waves",
        &json!({"properties": {"x": array}, "required": ["x"]}),
        &json!({"properties": {"y": array}, "required": ["y"]}),
        |inputs| {
            let x = inputs.leaf(&"x".parse().unwrap()).unwrap().to_vec();
            let y: Vec<f64> = (0..4).map(|i| x.iter().map(|x| (x + f64::from(i)).sin()).sum()).collect();
            Ok(Tree::fields([("y", Tree::from(Array::from(y)))]))
        },
    );
    let model = model.unwrap();
    let x: Vec<f64> = (0..60).map(|i| f64::from(i) / 30.0).collect();
    let inputs = json!({"x": x});
    for algorithm in AlgorithmName::ALL.into_iter().filter(|algorithm| *algorithm != AlgorithmName::Complex) {
        let jacobian = model.jacobian(&inputs).algorithm(algorithm).seed(1).bounds().run().unwrap();
        let Some(Bounds::Jacobian(bounds)) = &jacobian.report.bounds else { panic!("{algorithm}: no bounds") };
        let (values, bounds) = (jacobian.columns().unwrap(), bounds.columns().unwrap());
        let exact = (0..60).flat_map(|j| (0..4).map(move |i| (j, i))).map(|(j, i)| (x[j] + i as f64).cos());
        let held =
            values.iter().zip(bounds).zip(exact).filter(|((value, bound), exact)| (*value - exact).abs() <= **bound);
        let held = held.count();
        // Of random estimates a standard error holds two times in three.
        let random = matches!(algorithm, AlgorithmName::Stochastic | AlgorithmName::Orthogonal);
        assert!(held >= if random { 120 } else { 228 }, "{algorithm}: {held} of 240");
        if algorithm == AlgorithmName::Auto {
            assert!(jacobian.report.evaluations <= 10 * 60, "{}", jacobian.report.evaluations);
        }
        let (vjp, report) =
            model.vjp(&inputs, [("y", Array::from(vec![1.0; 4]))]).algorithm(algorithm).bounds().run().unwrap();
        let Some(Bounds::Vectors(bounds)) = &report.bounds else { panic!("{algorithm}: no bounds") };
        assert_eq!(bounds[0].1.shape(), vjp[0].1.shape());
        let tangent = [("x", Array::from(vec![1.0; 60]))];
        let (jvp, report) = model.jvp(&inputs, tangent).algorithm(algorithm).bounds().run().unwrap();
        let Some(Bounds::Vectors(bounds)) = &report.bounds else { panic!("{algorithm}: no bounds") };
        for i in 0..4 {
            let exact: f64 = x.iter().map(|x| (x + i as f64).cos()).sum();
            let error = (jvp[0].1.to_vec()[i] - exact).abs();
            assert!(error <= bounds[0].1.to_vec()[i], "{algorithm}: {error}");
        }
    }
}

/// f(z) = (z₀ e^z₁, z₁ / z₀), which is real where z is.
fn holomorphic() -> Model {
    let schema = |name: &str| json!({"properties": {name: {"dtype": "complex128", "shape": [2], "differentiable": true}}, "required": [name]});
    let model = Model::from_fn("holomorphic", &schema("z"), &schema("y"), |inputs| {
        let z = inputs.leaf(&"z".parse().unwrap()).unwrap().to_vec();
        let (a, b) = ((z[0], z[1]), (z[2], z[3]));
        let times = |a: (f64, f64), b: (f64, f64)| (a.0 * b.0 - a.1 * b.1, a.0 * b.1 + a.1 * b.0);
        let size = a.0 * a.0 + a.1 * a.1;
        let exp = (b.0.exp() * b.1.cos(), b.0.exp() * b.1.sin());
        let (first, second) = (times(a, exp), times(b, (a.0 / size, -a.1 / size)));
        let y = Array::from_coordinates(secant::DType::Complex128, &[2], &[first.0, first.1, second.0, second.1]);
        Ok(Tree::fields([("y", Tree::from(y))]))
    });
    model.unwrap()
}

/// Where an optimiser stops: beside a bound, by less than any step shows anything.
#[test]
fn a_bound_that_is_all_but_touched_hides_no_derivative() {
    let schema = |name: &str, more: Value| json!({"properties": {name: more}, "required": [name]});
    let x = json!({"dtype": "float64", "shape": [2], "minimum": 0.0, "differentiable": true});
    let y = json!({"dtype": "float64", "shape": [2], "differentiable": true});
    let model = Model::from_fn("active", &schema("x", x), &schema("y", y), |inputs| {
        let x = inputs.leaf(&"x".parse().unwrap()).unwrap().to_vec();
        assert!(x.iter().all(|x| *x >= 0.0), "{x:?} is out of bounds");
        Ok(Tree::fields([("y", Tree::from(Array::from(vec![1.0 + 2.0 * x[0], (1.0 + 3.0 * x[0]).ln() + x[1]])))]))
    });
    let model = model.unwrap();
    for x in [0.0, 1e-320, 1e-300, 1e-17, 1e-14, 1e-10, 1e-6, 1e-3] {
        for algorithm in
            [AlgorithmName::Auto, AlgorithmName::AutoForward, AlgorithmName::Central4, AlgorithmName::Richardson]
        {
            let jacobian = model.jacobian(&json!({"x": [x, 1.0]})).algorithm(algorithm).bounds().run().unwrap();
            let Some(Bounds::Jacobian(bounds)) = &jacobian.report.bounds else { panic!("there are bounds") };
            let exact = [2.0, 3.0 / (1.0 + 3.0 * x), 0.0, 1.0];
            let (found, bounds) = (jacobian.columns().unwrap(), bounds.columns().unwrap());
            for ((found, exact), bound) in found.iter().zip(exact).zip(bounds) {
                let off = (found - exact).abs();
                // A table of steps is one of |x|, and says what it is worth.
                let most = if algorithm.name().starts_with("auto") { 1e-4 } else { f64::INFINITY };
                assert!(off <= *bound && *bound <= most, "{algorithm} at {x:e}: {found} ± {bound:e}, expected {exact}");
            }
        }
    }
}

/// Numbers whose squares are none are numbers all the same.
#[test]
fn outputs_may_be_of_any_size() {
    for size in [1e-250, 1e-170, 1.0, 1e170, 1e250] {
        let noisy = move |x: f64| Ok(size * x.exp() * (1.0 + 1e-8 * (1.7e13 * x).sin()));
        let (model, _) = scalar(json!({}), noisy);
        for algorithm in [AlgorithmName::Auto, AlgorithmName::Richardson] {
            let jacobian = model.jacobian(&json!({"x": 0.3})).algorithm(algorithm).bounds().run().unwrap();
            let Some(Bounds::Jacobian(bounds)) = &jacobian.report.bounds else { panic!("there are bounds") };
            let (found, bound) = (jacobian.columns().unwrap()[0], bounds.columns().unwrap()[0]);
            let off = (found - size * 0.3f64.exp()).abs();
            assert!(off <= bound && bound < 1e-4 * size, "{algorithm} at {size:e}: {off:e} ± {bound:e}");
            assert_eq!(jacobian.report.total_bound, Some(bound));
            assert_eq!(jacobian.report.warnings, Vec::<String>::new());
        }
    }
}

/// Beside nothing there is a derivative of nothing, and with nothing it is 0.
#[test]
fn leaves_without_elements_have_their_blocks() {
    let array = |names: &[&str]| {
        let leaf = json!({"dtype": "float64", "shape": [null], "differentiable": true});
        json!({"properties": names.iter().map(|name| ((*name).to_owned(), leaf.clone())).collect::<serde_json::Map<_, _>>(), "required": names})
    };
    let model = Model::from_fn("partly", &array(&["x", "e"]), &array(&["y", "z"]), |inputs| {
        let leaf = |name: &str| inputs.leaf(&name.parse().unwrap()).unwrap().clone();
        Ok(Tree::fields([("y", Tree::from(leaf("x"))), ("z", Tree::from(leaf("e")))]))
    });
    let (model, inputs) = (model.unwrap(), json!({"x": [1.0, 2.0], "e": []}));
    let jacobian = model.jacobian(&inputs).run().unwrap();
    for (of, wrt, shape) in [("y", "x", [2, 2]), ("y", "e", [2, 0]), ("z", "x", [0, 2]), ("z", "e", [0, 0])] {
        let Some(secant::Block::Real(block)) = jacobian.block(of, wrt) else { panic!("a real block") };
        assert_eq!(block.shape(), shape, "{of} by {wrt}");
    }
    for algorithm in [AlgorithmName::Auto, AlgorithmName::Central, AlgorithmName::Orthogonal] {
        let nothing = [("z", Array::from(Vec::new()))];
        let (vjp, report) = model.vjp(&inputs, nothing).algorithm(algorithm).bounds().run().unwrap();
        assert_eq!(vjp[0].1.to_vec(), [0.0, 0.0], "{algorithm}");
        assert!(report.total_bound.is_none_or(|bound| bound == 0.0), "{algorithm}: {:?}", report.total_bound);
    }
}

/// One complex number holds the derivative of a small holomorphic function, of none that is not, however small, and where
/// it is 0.
#[test]
fn what_is_not_holomorphic_is_refused_however_small() {
    let schema = |name: &str| json!({"properties": {name: {"dtype": "complex128", "shape": [], "differentiable": true}}, "required": [name]});
    let at = |z: [f64; 2], f: fn(f64, f64) -> [f64; 2], algorithm| {
        let model = Model::from_fn("f", &schema("z"), &schema("y"), move |inputs| {
            let z = inputs.leaf(&"z".parse().unwrap()).unwrap().to_vec();
            let y = Array::from_coordinates(secant::DType::Complex128, &[], &f(z[0], z[1]));
            Ok(Tree::fields([("y", Tree::from(y))]))
        });
        let inputs = Tree::fields([("z", Tree::from(Array::from_coordinates(secant::DType::Complex128, &[], &z)))]);
        model.unwrap().jacobian(&inputs).algorithm(algorithm).run().map(|_| ())
    };
    for algorithm in [AlgorithmName::Auto, AlgorithmName::Central, AlgorithmName::Forward] {
        let error = at([0.7, 0.4], |re, im| [1e-9 * re, -1e-9 * im], algorithm).unwrap_err().to_string();
        assert!(error.contains("y is not a holomorphic function of z"), "{algorithm}: {error}");
        for (z, f) in [
            ([0.7, 0.4], (|re, im| [1e-9 * (re * re - im * im), 2e-9 * re * im]) as fn(f64, f64) -> [f64; 2]),
            ([0.0, 0.0], |re, im| [re * re - im * im, 2.0 * re * im]),
            ([0.7, 0.4], |re, im| [1e6 + 1e-9 * re, 1e6 + 1e-9 * im]),
            ([0.7, 0.4], |_, _| [3.0, 0.0]),
        ] {
            assert_eq!(at(z, f, algorithm).map_err(|error| error.to_string()), Ok(()), "{algorithm} at {z:?}");
        }
    }
}

#[test]
fn the_complex_step_is_exact_to_rounding() {
    let model = holomorphic();
    let at = |re: [f64; 2]| {
        let z = Array::from_coordinates(secant::DType::Complex128, &[2], &[re[0], 0.0, re[1], 0.0]);
        Tree::fields([("z", Tree::from(z))])
    };
    let (a, b) = (0.7f64, -1.3f64);
    let exact = [[b.exp(), a * b.exp()], [-b / (a * a), 1.0 / a]];
    let jacobian = model.jacobian(&at([a, b])).algorithm(AlgorithmName::Complex).run().unwrap();
    assert_eq!((jacobian.report.algorithm.as_str(), jacobian.report.evaluations), ("complex", 3));
    let Some(secant::Block::Complex(block)) = jacobian.block("y", "z") else { panic!("a complex block") };
    for i in 0..2 {
        for j in 0..2 {
            let value = block[[i, j]];
            assert!((value.re - exact[i][j]).abs() <= 1e-15 * exact[i][j].abs() && value.im == 0.0, "{i} {j} {value}");
        }
    }
    let vector = |numbers: &[f64]| Array::from_coordinates(secant::DType::Complex128, &[2], numbers);
    let tangent = [("z", vector(&[1.0, 0.0, 2.0, 0.0]))];
    let (jvp, _) = model.jvp(&at([a, b]), tangent).algorithm(AlgorithmName::Complex).run().unwrap();
    let (central, _) =
        model.jvp(&at([a, b]), [("z", vector(&[1.0, 0.0, 2.0, 0.0]))]).algorithm(AlgorithmName::Central).run().unwrap();
    for (i, (value, other)) in jvp[0].1.to_vec().iter().zip(central[0].1.to_vec()).enumerate() {
        assert!((value - other).abs() < 1e-8, "{i}");
        let expected = if i % 2 == 0 { exact[i / 2][0] + 2.0 * exact[i / 2][1] } else { 0.0 };
        assert!((value - expected).abs() <= 1e-14, "{i} {value} {expected}");
    }
    let weights = || [("y", vector(&[1.0, 0.5, -1.0, 0.0]))];
    let (vjp, _) = model.vjp(&at([a, b]), weights()).algorithm(AlgorithmName::Complex).run().unwrap();
    let (central, _) = model.vjp(&at([a, b]), weights()).algorithm(AlgorithmName::Central).run().unwrap();
    for (value, other) in vjp[0].1.to_vec().iter().zip(central[0].1.to_vec()) {
        assert!((value - other).abs() < 1e-8, "{value} {other}");
    }
}

#[test]
fn where_there_is_no_imaginary_part_the_complex_step_says_so() {
    let (model, _) = scalar(json!({}), |x| Ok(x * x));
    let error = model.jacobian(&json!({"x": 1.0})).algorithm(AlgorithmName::Complex).run().unwrap_err().to_string();
    assert!(error.contains("displaces an imaginary part, which x (float64) has not"), "{error}");
    let z = Array::from_coordinates(secant::DType::Complex128, &[2], &[1.0, 0.5, 1.0, 0.0]);
    let inputs = Tree::fields([("z", Tree::from(z))]);
    let error = holomorphic().jacobian(&inputs).algorithm(AlgorithmName::Complex).run().unwrap_err().to_string();
    assert!(error.contains("starts from real numbers, but z has an imaginary part"), "{error}");
}
