//! The machines on functions with known derivatives, driven as `exec` drives them.

use super::axes::UNIT;
use super::*;
use proptest::prelude::*;

fn kind(order: u32) -> Kind {
    Kind { step: Step::automatic(53, order), by_hand: false, ..UNIT }
}

fn axes(x: &[f64], order: u32) -> Axes {
    Axes::new(x.into(), [(x.len(), kind(order))], Vec::new())
}

/// Runs a plan whose evaluations are known; the derivative and the points evaluated.
fn run(
    plan: Plan,
    x: &[f64],
    f: &dyn Fn(&[f64]) -> Vec<f64>,
    w: Option<&[f64]>,
    shares: usize,
) -> (Vec<f64>, Vec<Vec<f64>>) {
    let expected = plan.evaluations();
    let (derivative, points) = carry_out(plan, x, f, w, shares);
    assert_eq!(points.len(), expected);
    (derivative.values, points)
}

/// The same whatever the number of evaluations.
fn carry_out(
    plan: Plan,
    x: &[f64],
    f: &dyn Fn(&[f64]) -> Vec<f64>,
    w: Option<&[f64]>,
    shares: usize,
) -> (Derivative, Vec<Vec<f64>>) {
    let mut points = Vec::new();
    let mut displacement = Displacement::new();
    let mut at = |displacement: &Displacement| {
        let mut point = x.to_vec();
        for &(i, value) in displacement {
            point[i] = value;
        }
        points.push(point.clone());
        f(&point)
    };
    plan.scout(&mut displacement);
    let outcome = at(&displacement);
    let mut sweep = plan.start(&outcome, &[], w);
    while let Some(round) = sweep.ask(shares).unwrap() {
        for mut share in round.into_iter().rev() {
            let mut scratch = Vec::new();
            for k in 0..share.len() {
                share.displace(k, &mut displacement);
                let outcome = at(&displacement);
                if share.tell(k, &outcome, &mut scratch).is_err() {
                    share.fail(k);
                }
            }
        }
    }
    (sweep.finish(), points)
}

const ALGORITHMS: [Algorithm; 3] = [Algorithm::Central, Algorithm::Forward, Algorithm::Backward];

fn order(algorithm: Algorithm) -> u32 {
    if matches!(algorithm, Algorithm::Forward | Algorithm::Backward) { 1 } else { 2 }
}

fn curved(x: &[f64]) -> Vec<f64> {
    vec![x[0] * x[1], x[0].sin() + x[2].exp(), x[1] * x[1] * x[2]]
}

fn curved_jacobian(x: &[f64]) -> Vec<f64> {
    // By columns.
    vec![x[1], x[0].cos(), 0.0, x[0], 0.0, 2.0 * x[1] * x[2], 0.0, x[2].exp(), x[1] * x[1]]
}

#[test]
fn a_curved_function_has_its_derivatives() {
    let x = [0.7, -1.3, 0.4];
    let exact = curved_jacobian(&x);
    let (v, w) = ([0.3, 2.0, -1.0], [1.0, -0.5, 0.25]);
    for algorithm in ALGORITHMS {
        let order = order(algorithm);
        let tolerance = if order == 1 { 1e-6 } else { 1e-9 };
        let plan = |problem| Plan::new(axes(&x, order), problem, algorithm, false).unwrap();
        let (jacobian, points) = run(plan(Problem::Jacobian), &x, &curved, None, 2);
        assert_eq!(points.len(), if order == 1 { 4 } else { 6 });
        for (a, b) in jacobian.iter().zip(&exact) {
            assert!((a - b).abs() < tolerance, "{algorithm:?} {a} {b}");
        }
        let (jvp, points) = run(plan(Problem::Jvp(&v)), &x, &curved, None, 1);
        assert_eq!(points.len(), 2);
        let (vjp, _) = run(plan(Problem::Vjp), &x, &curved, Some(&w), 3);
        for i in 0..3 {
            let expected: f64 = (0..3).map(|j| exact[j * 3 + i] * v[j]).sum();
            assert!((jvp[i] - expected).abs() < 10.0 * tolerance, "{algorithm:?} {}", jvp[i]);
            let expected: f64 = (0..3).map(|j| exact[i * 3 + j] * w[j]).sum();
            assert!((vjp[i] - expected).abs() < 10.0 * tolerance, "{algorithm:?} {}", vjp[i]);
        }
    }
}

#[test]
fn a_tangent_of_any_length_gives_the_same_digits() {
    let x = [0.7, -1.3, 0.4];
    let exact = curved_jacobian(&x);
    for length in [1e-9, 1.0, 1e6, 1e12] {
        let v = [length, 0.0, -length];
        let plan = Plan::new(axes(&x, 2), Problem::Jvp(&v), Algorithm::Central, false).unwrap();
        let (jvp, _) = run(plan, &x, &curved, None, 1);
        for i in 0..3 {
            let expected = (exact[i] - exact[6 + i]) * length;
            assert!((jvp[i] - expected).abs() <= 1e-9 * length, "{length} {} {expected}", jvp[i]);
        }
    }
}

#[test]
fn bounds_are_never_passed_and_keep_second_order() {
    // log at the edge of its domain, from below; a parabola at an upper bound.
    let f = |x: &[f64]| {
        assert!(x[0] >= 1e-3 && x[1] <= 2.0 && (0.5..=0.5 + 1e-9).contains(&x[2]), "{x:?}");
        vec![x[0].ln() + x[1] * x[1] + 3.0 * x[2]]
    };
    let x = [1e-3, 2.0, 0.5];
    let bounded = |order| {
        let kind = kind(order);
        let kinds = [
            Kind { lower: 1e-3, scale: 1e-3, ..kind },
            Kind { upper: 2.0, ..kind },
            Kind { lower: 0.5, upper: 0.5 + 1e-9, ..kind },
        ];
        Axes::new(x.into(), kinds.map(|kind| (1, kind)), Vec::new())
    };
    for algorithm in ALGORITHMS {
        let order = order(algorithm);
        let plan = Plan::new(bounded(order), Problem::Jacobian, algorithm, false).unwrap();
        let (jacobian, points) = run(plan, &x, &f, None, 2);
        assert_eq!(points.len(), if order == 1 { 4 } else { 7 });
        for (a, b) in jacobian.iter().zip([1000.0, 4.0, 3.0]) {
            assert!((a / b - 1.0).abs() < if order == 1 { 3e-5 } else { 1e-5 }, "{algorithm:?} {a} {b}");
        }
        // A tangent that leaves the box both ways needs two lines.
        let plan = Plan::new(bounded(order), Problem::Jvp(&[1e-3, 1.0, 1.0]), algorithm, false).unwrap();
        let (jvp, _) = run(plan, &x, &f, None, 1);
        assert!((jvp[0] - 8.0).abs() < 1e-4, "{algorithm:?} {}", jvp[0]);
    }
}

#[test]
fn what_cannot_move_is_named() {
    let kinds = [Kind { lower: 1.0, upper: 1.0, ..kind(2) }, Kind { step: Step::Given(1e-6), ..kind(2) }, kind(2)];
    let stuck = Axes::new([1.0, 1e12, 3.0].into(), kinds.map(|kind| (1, kind)), Vec::new());
    let defects = Plan::new(stuck, Problem::Jacobian, Algorithm::Central, false).err().unwrap();
    assert_eq!(defects, [Defect::NoRoom { coordinate: 0 }, Defect::StepLost { coordinate: 1, step: 1e-6, text: None }]);
    // It moves, but nothing can be divided by so little.
    let tiny = axes(&[0.0], 2).map(|kind| Kind { step: Step::Given(5e-324), ..kind });
    for algorithm in [Algorithm::Central, Algorithm::Forward] {
        let defects = Plan::new(tiny.clone(), Problem::Jacobian, algorithm, false).err().unwrap();
        assert_eq!(defects, [Defect::StepLost { coordinate: 0, step: 5e-324, text: None }]);
    }
}

#[test]
fn steps_by_hand_are_taken_by_tables_too() {
    let f = |x: &[f64]| vec![x[0].powi(5)];
    let steps = |algorithm, step, lower| {
        let axes = axes(&[1.0], 2).map(|kind| Kind { step: Step::Given(step), by_hand: true, lower, ..kind });
        let outcome = f(&[1.0]);
        let mut sweep = Plan::new(axes, Problem::Jacobian, algorithm, true).unwrap().start(&outcome, &[], None);
        let (mut farthest, mut displacement, mut scratch) = (0.0f64, Displacement::new(), Vec::new());
        while let Some(round) = sweep.ask(1).unwrap() {
            for mut share in round {
                for k in 0..share.len() {
                    share.displace(k, &mut displacement);
                    let x = displacement.first().map_or(1.0, |(_, x)| *x);
                    assert!(x >= lower);
                    farthest = farthest.max((x - 1.0).abs());
                    share.tell(k, &f(&[x]), &mut scratch).unwrap();
                }
            }
        }
        let found = sweep.finish();
        (found.steps[0], farthest, found.values[0])
    };
    let none = f64::NEG_INFINITY;
    // (8 f(1+h) − 8 f(1−h) − f(1+2h) + f(1−2h)) / 12h of x⁵ is 5 − 4h⁴.
    assert_eq!(steps(Algorithm::Central4, 0.125, none), (0.125, 0.25, 5.0 - 4.0 * 0.125f64.powi(4)));
    let (least, most, value) = steps(Algorithm::Richardson, 0.125, none);
    assert_eq!((least, most), (0.125 / 16.0, 0.125));
    assert!((value - 5.0).abs() < 1e-12, "{value}");
    // From a bound to one side, and no farther than there is room.
    assert_eq!(steps(Algorithm::Central4, 0.125, 1.0).1, 1.0);
    assert_eq!(steps(Algorithm::Central4, 0.125, 0.875).1, 0.125);
}

#[test]
fn no_coordinates_and_no_tangent_cost_one_evaluation() {
    let plan = Plan::new(axes(&[], 2), Problem::Jacobian, Algorithm::Central, false).unwrap();
    let (jacobian, points) = run(plan, &[], &|_| vec![1.0, 2.0], None, 4);
    assert!(jacobian.is_empty() && points.len() == 1);
    let plan = Plan::new(axes(&[1.0], 2), Problem::Jvp(&[0.0]), Algorithm::Central, false).unwrap();
    let (jvp, points) = run(plan, &[1.0], &|x| vec![x[0], 2.0], None, 4);
    assert_eq!((jvp, points.len()), (vec![0.0, 0.0], 1));
}

#[test]
fn a_non_finite_outcome_is_told_with_its_row() {
    let plan = Plan::new(axes(&[1.0, 2.0], 1), Problem::Jacobian, Algorithm::Forward, false).unwrap();
    let mut sweep = plan.start(&[1.0; 9], &[], None);
    let mut round = sweep.ask(1).unwrap().unwrap();
    let mut outcome = [1.0; 9];
    outcome[7] = f64::INFINITY;
    assert_eq!(round[0].tell(0, &[1.0; 9], &mut Vec::new()), Ok(()));
    assert_eq!(round[0].tell(1, &outcome, &mut Vec::new()), Err(NonFinite { row: 7 }));
}

#[test]
fn stochastic_estimates_average_to_the_gradient() {
    let n = 40;
    let slope: Vec<f64> = (0..n).map(|i| (i as f64).sin()).collect();
    let f = |x: &[f64]| vec![fold::dot(&slope, x), -2.0 * fold::dot(&slope, x)];
    let x = vec![0.5; n];
    let mut mean = vec![0.0; 2 * n];
    let rounds = 400;
    for seed in 0..rounds {
        let plan =
            Plan::new(axes(&x, 2), Problem::Jacobian, Algorithm::Stochastic { samples: 10, seed }, false).unwrap();
        assert_eq!(plan.evaluations(), 20);
        let (jacobian, _) = run(plan, &x, &f, None, 3);
        mean.iter_mut().zip(&jacobian).for_each(|(m, j)| *m += j / rounds as f64);
        if seed == 0 {
            let plan =
                Plan::new(axes(&x, 2), Problem::Vjp, Algorithm::Stochastic { samples: 10, seed }, false).unwrap();
            let (vjp, _) = run(plan, &x, &f, Some(&[1.0, 0.5]), 2);
            for (j, g) in vjp.iter().enumerate() {
                assert!((g - (jacobian[2 * j] + 0.5 * jacobian[2 * j + 1])).abs() < 1e-9);
            }
        }
    }
    // Standard error of the mean: |slope| sqrt(n / samples / rounds).
    let spread = fold::dot(&slope, &slope).sqrt() / ((10 * rounds) as f64).sqrt();
    for j in 0..n {
        assert!((mean[2 * j] - slope[j]).abs() < 5.0 * spread, "{j}");
    }
}

#[test]
fn stochastic_is_central_where_that_is_no_dearer() {
    let plan = Plan::new(axes(&[1.0; 10], 2), Problem::Jacobian, Algorithm::Stochastic { samples: 10, seed: 1 }, false)
        .unwrap();
    assert_eq!((plan.samples(), plan.evaluations()), (None, 20));
}

fn numbers(n: usize) -> impl Strategy<Value = Vec<f64>> {
    prop::collection::vec(prop_oneof![-10.0..10.0, -1e6..1e6, -1e-6..1e-6], n)
}

proptest! {
    #[test]
    fn linear_functions_are_exact_and_products_agree(
        (x, matrix, v, w) in (1usize..8, 1usize..8).prop_flat_map(|(n, m)| {
            (numbers(n), prop::collection::vec(-4i32..5, n * m), numbers(n), numbers(m))
        }),
        shares in 1usize..5,
        which in 0usize..3,
    ) {
        let (n, m) = (x.len(), w.len());
        // Small integers times numbers with a common spacing: every evaluation is exact.
        let x: Vec<f64> = x.iter().map(|x| round_to(*x, 24)).collect();
        let f = |x: &[f64]| -> Vec<f64> {
            (0..m).map(|i| (0..n).map(|j| f64::from(matrix[j * m + i]) * x[j]).sum()).collect()
        };
        let algorithm = ALGORITHMS[which];
        let axes = axes(&x, order(algorithm));
        // What rounding of the outputs, one unit in the last place, can do to a difference over the step.
        let size = x.iter().map(|x| x.abs()).sum::<f64>() * 40.0;
        let noise: Vec<f64> = axes.iter().map(|axis| size * 1e-16 / axis.step()).collect();
        let (jacobian, _) = run(Plan::new(axes.clone(), Problem::Jacobian, algorithm, false).unwrap(), &x, &f, None, shares);
        for j in 0..n {
            for i in 0..m {
                let (a, b) = (jacobian[j * m + i], f64::from(matrix[j * m + i]));
                prop_assert!((a - b).abs() <= noise[j], "{} {} {}", a, b, noise[j]);
            }
        }
        let one = run(Plan::new(axes.clone(), Problem::Jacobian, algorithm, false).unwrap(), &x, &f, None, 1).0;
        prop_assert_eq!(&one, &jacobian);
        let (vjp, _) = run(Plan::new(axes.clone(), Problem::Vjp, algorithm, false).unwrap(), &x, &f, Some(&w), shares);
        for j in 0..n {
            // The same columns, so the product is the same but for the order of the sum.
            let expected: f64 = (0..m).map(|i| w[i] * jacobian[j * m + i]).sum();
            let scale: f64 = (0..m).map(|i| (w[i] * jacobian[j * m + i]).abs()).sum();
            prop_assert!((vjp[j] - expected).abs() <= 1e-14 * scale);
        }
        let plan = Plan::new(axes.clone(), Problem::Jvp(&v), algorithm, false).unwrap();
        let (jvp, _) = run(plan, &x, &f, None, 1);
        let t = axes.iter().zip(&v).filter(|(_, v)| **v != 0.0).map(|(a, v)| a.step() / v.abs()).fold(f64::MAX, f64::min);
        for i in 0..m {
            let expected: f64 = (0..n).map(|j| f64::from(matrix[j * m + i]) * v[j]).sum();
            prop_assert!((jvp[i] - expected).abs() <= 10.0 * size * 1e-16 / t + 1e-12 * expected.abs(), "{} {}", jvp[i], expected);
        }
    }
}

#[test]
fn moves_are_as_far_as_there_is_room() {
    let kind = Kind { lower: -0.25, upper: 0.5, ..kind(1) };
    let axes = Axes::new([0.0, 0.25].into(), [(2, kind)], Vec::new());
    let whole = std::sync::Arc::new(Colouring::of_all(2));
    let plan = Plan::new(axes, Problem::Moves(&whole, vec![1.0, 0.125]), Algorithm::Forward, false).unwrap();
    let (changes, points) = run(plan, &[0.0, 0.25], &|x| vec![3.0 * x[0] + x[1]], None, 1);
    // The one by half, the other whole: the column is what changed.
    assert_eq!((&points[1][..], changes), (&[0.5, 0.375][..], vec![1.625]));
}

#[test]
fn how_many_go_together_changes_nothing() {
    // So many outputs that one share has its coordinates a few at a time.
    let (n, m) = (30, 5000);
    let x: Vec<f64> = (0..n).map(|i| 0.3 + i as f64).collect();
    let f = |x: &[f64]| {
        // There is nothing beyond the seventh coordinate, and a hole beside the twelfth.
        let fails = x[7] > 7.3 || (12.3 + 1e-6..12.3 + 1e-2).contains(&x[12]);
        let nothing = if fails { f64::NAN } else { 0.0 };
        (0..m).map(|row| (x[row % n] / (1.0 + (row % 7) as f64)).sin() + x[row % 3] * x[n - 1] + nothing).collect()
    };
    let by_hand = Kind { step: Step::Given(1e-4), by_hand: true, ..UNIT };
    let axes = Axes::new(x.as_slice().into(), [(n - 4, kind(2)), (4, by_hand)], Vec::new());
    let axes = std::sync::Arc::new(axes);
    for algorithm in [Algorithm::Auto, Algorithm::AutoForward, Algorithm::Richardson, Algorithm::Central] {
        let bits = |numbers: Vec<f64>| numbers.into_iter().map(f64::to_bits).collect::<Vec<_>>();
        let by = |shares, bounded| {
            let plan = Plan::new(axes.clone(), Problem::Jacobian, algorithm, bounded).unwrap();
            let (found, points) = carry_out(plan, &x, &f, None, shares);
            assert_eq!(points.len(), found.evaluations);
            let of_errors = (found.bounds.map(bits), found.total_bound.map(f64::to_bits));
            ((bits(found.values), bits(found.steps), found.evaluations, found.stumbles), of_errors)
        };
        let alone = by(1, true);
        let ((values, .., stumbles), (bounds, total)) = &alone;
        assert!(values.len() == n * m && !stumbles.is_empty());
        assert!([2, 7, 64].into_iter().all(|shares| by(shares, true) == alone), "{algorithm:?}");
        let squares: f64 = bounds.iter().flatten().map(|bound| f64::from_bits(*bound).powi(2)).sum();
        let total = f64::from_bits(total.unwrap());
        assert!(total == squares.sqrt() || (total - squares.sqrt()).abs() < 1e-12 * total, "{total} {squares}");
        // Nor does it change whether bounds are kept, where steps are found.
        if algorithm != Algorithm::Central {
            let total = Some(total.to_bits());
            assert!([1, 7].into_iter().all(|shares| by(shares, false) == (alone.0.clone(), (None, total))));
        }
    }
}
