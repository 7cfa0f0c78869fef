//! How good automatic steps are: problems of the literature on step sizes, with exact derivatives, in five classes
//! of noise. An error is measured in units of e*, the least that a central difference of second order can have at
//! that noise.
//!
//! The problems are those of Gill, Murray, Saunders and Wright (1983), Oliver (1980), and Shi, Xie, Xuan and Nocedal
//! (2022), as collected by the package numericalderivative.

use std::hash::{DefaultHasher, Hash, Hasher};

use super::axes::UNIT;
use super::*;

struct Problem1 {
    name: &'static str,
    f: fn(f64) -> f64,
    first: fn(f64) -> f64,
    third: fn(f64) -> f64,
    x: f64,
}

macro_rules! problem {
    ($name:literal, $x:expr, |$v:ident| $f:expr, $first:expr, $third:expr) => {
        Problem1 { name: $name, f: |$v| $f, first: |$v| $first, third: |$v| $third, x: $x }
    };
}

fn problems() -> Vec<Problem1> {
    vec![
        problem!("exp", 1.0, |x| x.exp(), x.exp(), x.exp()),
        problem!("log", 1.0, |x| x.ln(), 1.0 / x, 2.0 / x.powi(3)),
        problem!("sqrt", 1.0, |x| x.sqrt(), 0.5 / x.sqrt(), 0.375 * x.powf(-2.5)),
        problem!("atan", 0.5, |x| x.atan(), 1.0 / (1.0 + x * x), (6.0 * x * x - 2.0) / (1.0 + x * x).powi(3)),
        problem!("sin", 1.0, |x| x.sin(), x.cos(), -x.cos()),
        problem!("inverse", 1.0, |x| 1.0 / x, -x.powi(-2), -6.0 * x.powi(-4)),
        problem!("square", 1.0, |x| x * x, 2.0 * x, 0.0 * x),
        problem!("scaled exp", 1.0, |x| (-1e-6 * x).exp(), -1e-6 * (-1e-6 * x).exp(), -1e-18 * (-1e-6 * x).exp()),
        problem!(
            "GMSW",
            1.0,
            |x| (x.exp() - 1.0).powi(2) + (1.0 / (1.0 + x * x).sqrt() - 1.0).powi(2),
            2.0 * x.exp() * (x.exp() - 1.0) - 2.0 * x * ((1.0 + x * x).powf(-0.5) - 1.0) * (1.0 + x * x).powf(-1.5),
            // The second part at x = 1 alone.
            8.0 * (2.0 * x).exp() - 2.0 * x.exp() - 0.375 * std::f64::consts::SQRT_2
        ),
        problem!(
            "SXXN1",
            -8.0,
            |x| (x.exp() - 1.0).powi(2),
            2.0 * x.exp() * (x.exp() - 1.0),
            8.0 * (2.0 * x).exp() - 2.0 * x.exp()
        ),
        problem!("SXXN2", 0.01, |x| (100.0 * x).exp(), 100.0 * (100.0 * x).exp(), 1e6 * (100.0 * x).exp()),
        problem!("SXXN3", 0.99999, |x| x.powi(4) + 3.0 * x * x - 10.0 * x, 4.0 * x.powi(3) + 6.0 * x - 10.0, 24.0 * x),
        problem!(
            "SXXN4",
            1e-9,
            |x| 1e4 * x.powi(3) + 0.01 * x * x + 5.0 * x,
            3e4 * x * x + 0.02 * x + 5.0,
            6e4 + 0.0 * x
        ),
        problem!("Oliver1", 1.0, |x| (4.0 * x).exp(), 4.0 * (4.0 * x).exp(), 64.0 * (4.0 * x).exp()),
        problem!(
            "Oliver2",
            1.0,
            |x| (x * x).exp(),
            2.0 * x * (x * x).exp(),
            (8.0 * x.powi(3) + 12.0 * x) * (x * x).exp()
        ),
        problem!("Oliver3", 1.0, |x| x * x * x.ln(), 2.0 * x * x.ln() + x, 2.0 / x),
    ]
}

const CLASSES: [&str; 5] = ["exact", "float32", "%.6g", "1e-8", "1e-3"];

/// The value as its class gives it, and the greatest error of that.
fn spoil(class: &str, x: f64, y: f64) -> (f64, f64) {
    match class {
        "exact" => (y, f64::EPSILON / 2.0 * y.abs()),
        "float32" => (f64::from(y as f32), f64::from(f32::EPSILON) / 2.0 * y.abs()),
        "%.6g" => {
            let digit = if y == 0.0 { 0.0 } else { 10f64.powf(y.abs().log10().floor() - 5.0) };
            (format!("{y:.5e}").parse().unwrap(), digit / 2.0)
        }
        level => {
            let level: f64 = level.parse().unwrap();
            (y * (1.0 + level * drawn(x, 0)), level * y.abs())
        }
    }
}

/// A number from -1 to 1 that is another at every point, and for every draw.
fn drawn(x: f64, draw: u64) -> f64 {
    let mut hasher = DefaultHasher::new();
    (x.to_bits() ^ draw).hash(&mut hasher);
    hasher.finish() as f64 / u64::MAX as f64 * 2.0 - 1.0
}

fn derivative(axes: Axes, algorithm: Algorithm, f: &dyn Fn(&[f64]) -> Vec<f64>) -> Derivative {
    let x: Vec<f64> = axes.iter().map(|axis| axis.x).collect();
    let plan = Plan::new(axes, Problem::Jacobian, algorithm, true).unwrap();
    let mut displacement = Displacement::new();
    plan.scout(&mut displacement);
    assert!(displacement.is_empty());
    let outcome = f(&x);
    let mut sweep = plan.start(&outcome, &[], None);
    let mut scratch = Vec::new();
    let mut point = x.clone();
    while let Some(round) = sweep.ask(2).unwrap() {
        for mut share in round {
            for k in 0..share.len() {
                share.displace(k, &mut displacement);
                point.copy_from_slice(&x);
                displacement.iter().for_each(|&(i, value)| point[i] = value);
                if share.tell(k, &f(&point), &mut scratch).is_err() {
                    share.fail(k);
                }
            }
        }
    }
    sweep.finish()
}

fn axis(x: f64) -> Axis {
    Axis { x, kind: Kind { step: Step::automatic(53, 2), by_hand: false, ..UNIT }, text: None }
}

/// Of every class the errors over the optimum, where there is one; how many bounds hold; the bounds over the errors.
fn judged(algorithm: Algorithm) -> (Vec<Vec<f64>>, usize, Vec<f64>) {
    let (mut classes, mut covered, mut slack) = (Vec::new(), 0, Vec::new());
    for class in CLASSES {
        let mut errors = Vec::new();
        for problem in problems() {
            let noisy = |x: &[f64]| vec![spoil(class, x[0], (problem.f)(x[0])).0];
            let found = derivative(Axes::from_iter([axis(problem.x)]), algorithm, &noisy);
            let error = (found.values[0] - (problem.first)(problem.x)).abs();
            let bound = found.bounds.unwrap()[0];
            let level = spoil(class, problem.x, (problem.f)(problem.x)).1;
            let optimum = 1.04 * (level * level * (problem.third)(problem.x).abs()).cbrt();
            covered += usize::from(error <= bound);
            slack.push(bound / error.max(1e-300));
            if optimum > 0.0 {
                errors.push(error / optimum);
            }
            assert!(found.evaluations <= 25, "{class} {}: {}", problem.name, found.evaluations);
        }
        assert_eq!(errors.len(), 13);
        classes.push(errors);
    }
    slack.sort_by(f64::total_cmp);
    (classes, covered, slack)
}

#[test]
fn automatic_steps_are_near_the_optimum_in_every_class_of_noise() {
    let (classes, covered, slack) = judged(Algorithm::Auto);
    for (class, errors) in CLASSES.iter().zip(classes) {
        let near = errors.iter().filter(|error| **error <= 10.0).count();
        assert!(near >= 12, "{class}: {errors:.1?}");
    }
    // 76 of 80 are 95 %.
    assert!(covered >= 76 && slack[slack.len() / 2] <= 100.0, "{covered} {}", slack[slack.len() / 2]);
}

#[test]
fn bounds_of_other_algorithms_hold_too() {
    let fixed = [Algorithm::Central, Algorithm::Forward, Algorithm::Backward];
    for algorithm in [Algorithm::AutoForward, Algorithm::Central4, Algorithm::Richardson].into_iter().chain(fixed) {
        let (_, covered, slack) = judged(algorithm);
        assert!(covered >= 76, "{algorithm:?}: {covered}");
        // That of the fourth order is the error of the second.
        let most = if algorithm == Algorithm::Central4 { 1000.0 } else { 100.0 };
        assert!(slack[slack.len() / 2] <= most, "{algorithm:?}: {}", slack[slack.len() / 2]);
    }
}

#[test]
fn bounds_hold_however_the_noise_is_drawn() {
    let algorithms = [Algorithm::Auto, Algorithm::AutoForward, Algorithm::Central4, Algorithm::Richardson];
    for (algorithm, level) in algorithms.into_iter().flat_map(|algorithm| [(algorithm, 1e-8), (algorithm, 1e-3)]) {
        let (mut covered, mut all) = (0, 0);
        for draw in 1..=50 {
            for Problem1 { f, first, x, .. } in problems() {
                let noisy = |x: &[f64]| vec![f(x[0]) * (1.0 + level * drawn(x[0], draw))];
                let found = derivative(Axes::from_iter([axis(x)]), algorithm, &noisy);
                covered += usize::from((found.values[0] - first(x)).abs() <= found.bounds.unwrap()[0]);
                all += 1;
            }
        }
        assert!(100 * covered >= 97 * all, "{algorithm:?}, noise {level}: {covered} of {all}");
    }
}

#[test]
fn an_output_that_is_always_zero_changes_nothing_for_others() {
    for algorithm in [Algorithm::Auto, Algorithm::AutoForward, Algorithm::Richardson] {
        for class in CLASSES {
            for Problem1 { f, x, name, .. } in problems() {
                let alone = |x: &[f64]| vec![spoil(class, x[0], f(x[0])).0];
                let beside = |x: &[f64]| vec![alone(x)[0], 0.0];
                let by = |f: &dyn Fn(&[f64]) -> Vec<f64>| {
                    let found = derivative(Axes::from_iter([axis(x)]), algorithm, f);
                    (found.values[0], found.bounds.unwrap()[0], found.evaluations)
                };
                assert_eq!(by(&alone), by(&beside), "{algorithm:?} {class} {name}");
            }
        }
    }
}

#[test]
fn extrapolation_gains_digits() {
    let (classes, ..) = judged(Algorithm::Richardson);
    let good = classes[0].iter().filter(|error| **error < 0.01).count();
    assert!(good >= 11, "{:?}", classes[0]);
}

#[test]
fn steps_are_what_a_text_can_carry() {
    for format in ["%.6e", "%.8g", "D14.7", "9"] {
        let text = Decimal::parse(format).unwrap();
        for class in ["exact", "%.6g"] {
            let (mut near, mut all, mut covered) = (0, 0, 0);
            for problem in problems() {
                let x = text.round(problem.x);
                let f = |x: &[f64]| {
                    assert_eq!(x[0], text.round(x[0]), "{format} {}", problem.name);
                    vec![spoil(class, x[0], (problem.f)(x[0])).0]
                };
                let found = derivative(Axes::from_iter([Axis { text: Some(text), ..axis(x) }]), Algorithm::Auto, &f);
                let error = (found.values[0] - (problem.first)(x)).abs();
                covered += usize::from(error <= found.bounds.unwrap()[0]);
                // Steps are at least what the text can tell apart, and their truncation is at least that of such a step.
                let step = text.spacing(problem.x);
                let noise = spoil(class, x, (problem.f)(x)).1;
                let third = (problem.third)(x).abs();
                let optimum = (1.04 * (noise * noise * third).cbrt()).max(third * step * step / 6.0);
                if third > 0.0 && noise > 0.0 {
                    all += 1;
                    near += usize::from(error <= 10.0 * optimum);
                }
            }
            // Where a unit changes nothing, as in the scaled exponential, printing decides how far to look.
            assert!(near + 2 >= all && covered >= 15, "{format}, {class}: {near} of {all} near, {covered} covered");
        }
    }
}

#[test]
fn an_oscillation_far_from_zero_is_not_taken_for_noise() {
    for x in [1e4, 1e6, 1e9] {
        for class in ["exact", "float32", "%.6g", "1e-8"] {
            let noisy = |x: &[f64]| vec![spoil(class, x[0], x[0].sin()).0];
            let found = derivative(Axes::from_iter([axis(x)]), Algorithm::Auto, &noisy);
            let (error, bound) = ((found.values[0] - x.cos()).abs(), found.bounds.unwrap()[0]);
            assert!(error <= bound && bound < 1e-2, "{x} {class}: {error} {bound}");
            assert!(found.evaluations <= 31, "{x} {class}: {}", found.evaluations);
        }
    }
}

/// No derivative shows at a minimum, and yet the values do: nothing is to be gained far away from it.
#[test]
fn steps_at_a_minimum_stay_within_its_scale() {
    let functions: [fn(f64) -> f64; 3] = [|x| (1.0 - x).powi(2), |x| 3.0 + (x + 2.0).powi(4), f64::cosh];
    for (minimum, f) in [1.0, -2.0, 0.0].into_iter().zip(functions) {
        for class in CLASSES {
            let noisy = |x: &[f64]| {
                assert!((x[0] - minimum).abs() <= 1f64.max(minimum.abs()), "{class}: {}", x[0]);
                vec![spoil(class, x[0], f(x[0])).0]
            };
            let found = derivative(Axes::from_iter([axis(minimum)]), Algorithm::Auto, &noisy);
            assert!(found.values[0].abs() <= found.bounds.unwrap()[0], "{class}: {}", found.values[0]);
        }
    }
}
