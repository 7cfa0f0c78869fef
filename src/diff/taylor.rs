//! The Taylor remainder test: whether f(x + h d) − f(x) − h J d falls with the square of h, as it does where J is
//! the derivative of f, and only there. No step has to be chosen for it.
//!
//! Farrell, Ham, Funke and Rognes, *Automated derivation of the adjoint of high-level transient finite element
//! programs*, SIAM J. Sci. Comput. 35(4), 2013, section 5.1. What is added here is that noise is known: remainders
//! that do not stand out from it say nothing and are left out.

use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

use super::{Axes, Displacement};

/// The longest step is 2⁻² of the direction,
const LONGEST: i32 = -2;
/// and the shortest 2⁻²⁵: shorter ones leave remainders that float64 cannot hold.
const SHORTEST: i32 = -25;

/// A remainder stands out from noise of so many standard deviations.
const DEVIATIONS: f64 = 10.0;

/// The slope is that of the so many shortest steps that say something: what is wrong shows there, what is merely
/// curved elsewhere.
const FITTED: usize = 4;

/// Remainders of a J that is right fall more steeply than this.
pub const LEAST_SLOPE: f64 = 1.5;

/// A direction in which every coordinate moves, by about its magnitude.
#[derive(Clone, Debug)]
pub struct Ray {
    /// What h is multiplied with.
    pub direction: Vec<f64>,
    shortest: i32,
}

impl Ray {
    /// A direction drawn for this seed, towards where there is room. Its coordinates have three significant bits, or
    /// are as many of what a text can tell apart, so that x + h d is exact where h is a power of two.
    pub fn draw(axes: &Axes, seed: u64) -> Ray {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut shortest = SHORTEST;
        let direction = axes.iter().map(|axis| {
            let (eighths, up) = (random.random_range(4..8u8), random.random::<bool>());
            let (above, below) = axis.room();
            let up = if up { above >= below.min(axis.magnitude()) } else { below < above.min(axis.magnitude()) };
            let most = if up { above } else { below };
            let wanted = axis.magnitude().min(most);
            let spacing = axis.text.map_or(0.0, |text| text.spacing(axis.x.abs() + wanted));
            let power = if spacing > 0.0 {
                // Halved so many times a step is still a whole number of spacings.
                let halves = (wanted / (8.0 * spacing)).log2().floor().max(0.0);
                shortest = shortest.max(-halves as i32);
                spacing * halves.exp2()
            } else {
                shortest = shortest.max(6 - axis.kind.bits as i32);
                if wanted > 0.0 { wanted.log2().floor().exp2() / 8.0 } else { 0.0 }
            };
            let length = power * f64::from(eighths);
            let length = if length > most { 0.0 } else { length };
            if up { length } else { -length }
        });
        let direction = direction.collect();
        Ray { direction, shortest }
    }

    /// The lengths of its steps, from the longest.
    pub fn steps(&self) -> Vec<f64> {
        (self.shortest..=LONGEST).rev().map(|power| f64::from(power).exp2()).collect()
    }

    /// The point x + h d.
    pub fn point(&self, axes: &Axes, h: f64) -> Displacement {
        let moved = axes.iter().zip(&self.direction).enumerate().filter(|(_, (_, d))| **d != 0.0);
        moved.map(|(i, (axis, d))| (i, axis.displaced(h * d))).collect()
    }
}

/// What is known at the base, of the elements of one output.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    /// Their values.
    pub base: &'a [f64],
    /// J d.
    pub change: &'a [f64],
    /// Bounds of the error of J d; empty where it is exact but for rounding.
    pub bounds: &'a [f64],
    /// Noise of the values, as standard deviations.
    pub noise: &'a [f64],
    /// The precision that J d is told in: a power of two.
    pub precision: f64,
}

/// The remainder at one step, as a root mean square over the elements of an output, each in units of its noise.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Remainder {
    /// h.
    pub step: f64,
    /// How large it is.
    pub size: f64,
    /// How large it might be for noise, and the error of J d, alone.
    pub floor: f64,
}

impl Remainder {
    /// From the values at x + h d.
    pub fn new(expected: Expected<'_>, step: f64, outcome: &[f64]) -> Remainder {
        let Expected { base, change, bounds, noise, precision } = expected;
        let (mut size, mut floor, mut count) = (0.0, 0.0, 0usize);
        for (row, &y) in outcome.iter().enumerate() {
            let unit = noise[row].max(f64::EPSILON * y.abs().max(base[row].abs())).max(f64::MIN_POSITIVE);
            let unsure = 2.0 * bounds.get(row).copied().unwrap_or(0.0) + 4.0 * precision * change[row].abs();
            size += ((y - base[row] - step * change[row]) / unit).powi(2);
            floor += (DEVIATIONS + step * unsure / unit).powi(2);
            count += 1;
        }
        let mean = |sum: f64| (sum / count.max(1) as f64).sqrt();
        Remainder { step, size: mean(size), floor: mean(floor) }
    }

    /// Whether it says something.
    pub fn stands_out(&self) -> bool {
        self.size.is_finite() && self.size > self.floor
    }
}

/// The slope of the remainders over the steps, both as logarithms, by least squares over the shortest steps whose
/// remainders stand out; `None` where fewer than two do.
pub fn slope(remainders: &[Remainder]) -> Option<f64> {
    let mut telling: Vec<&Remainder> = remainders.iter().filter(|remainder| remainder.stands_out()).collect();
    telling.sort_by(|a, b| a.step.total_cmp(&b.step));
    telling.truncate(FITTED);
    if telling.len() < 2 {
        return None;
    }
    let points = || telling.iter().map(|remainder| (remainder.step.ln(), remainder.size.ln()));
    let count = telling.len() as f64;
    let (x, y) = points().fold((0.0, 0.0), |(a, b), (x, y)| (a + x / count, b + y / count));
    let (above, below) = points().fold((0.0, 0.0), |(a, b), (h, size)| (a + (h - x) * (size - y), b + (h - x).powi(2)));
    Some(above / below)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diff::{Axis, Kind, Step};

    fn axis(x: f64, lower: f64, upper: f64, bits: u32) -> Axis {
        Axis { x, kind: Kind { lower, upper, step: Step::Given(1e-6), by_hand: false, scale: 1.0, bits }, text: None }
    }

    /// The slope for f = (sin a · b, a b²) at (0.7, −1.3), with J off by `off`, and noise.
    fn found(off: f64, noise: f64, seed: u64) -> Option<f64> {
        let axes = Axes::from_iter([axis(0.7, -9.0, 9.0, 53), axis(-1.3, -9.0, 9.0, 53)]);
        let rounded = |y: f64| if noise > 0.0 { (y / noise).round() * noise } else { y };
        let f = |a: f64, b: f64| [rounded(a.sin() * b), rounded(a * b * b)];
        let ray = Ray::draw(&axes, seed);
        let [da, db] = ray.direction[..] else { unreachable!() };
        let change = [0.7f64.cos() * -1.3 * da + 0.7f64.sin() * db + off * da, 1.69 * da + 2.0 * 0.7 * -1.3 * db];
        let noises = [noise / 12f64.sqrt(); 2];
        let base = f(0.7, -1.3);
        let expected = Expected { base: &base, change: &change, bounds: &[], noise: &noises, precision: f64::EPSILON };
        let at = |h| {
            let point = ray.point(&axes, h);
            Remainder::new(expected, h, &f(point[0].1, point[1].1))
        };
        slope(&ray.steps().into_iter().map(at).collect::<Vec<_>>())
    }

    #[test]
    fn the_slope_is_two_where_the_derivative_is_right_and_one_where_it_is_not() {
        for seed in 0..20 {
            for noise in [0.0, 1e-10, 1e-6] {
                let right = found(0.0, noise, seed).unwrap_or(f64::NAN);
                assert!((1.8..2.3).contains(&right), "{seed} {noise}: {right}");
            }
            for (off, noise) in [(1.0, 0.0), (1e-4, 0.0), (0.1, 1e-6), (1e-3, 1e-10)] {
                let wrong = found(off, noise, seed).unwrap_or(f64::NAN);
                assert!((0.9..1.3).contains(&wrong), "{seed} {off} {noise}: {wrong}");
            }
        }
    }

    #[test]
    fn remainders_below_the_noise_say_nothing() {
        assert_eq!(found(0.0, 0.1, 1), None);
        // A wrong J cannot hide there if what is wrong is larger.
        assert!(found(40.0, 0.1, 1).is_some_and(|slope| slope < LEAST_SLOPE));
    }

    #[test]
    fn a_ray_stays_inside_and_its_points_are_exact() {
        let axes = Axes::from_iter([
            axis(0.0, 0.0, 1.0, 53),
            axis(1.0, 0.0, 1.0, 24),
            axis(0.3f32.into(), -5.0, 5.0, 24),
            axis(2.0, 2.0, 2.0, 53),
        ]);
        for seed in 0..50 {
            let ray = Ray::draw(&axes, seed);
            assert_eq!(ray.direction[3], 0.0, "there is no room");
            assert!(ray.direction[..3].iter().all(|d| (0.03..=1.0).contains(&d.abs())), "{ray:?}");
            for h in ray.steps() {
                for (i, value) in ray.point(&axes, h) {
                    assert!((axes.at(i).kind.lower..=axes.at(i).kind.upper).contains(&value));
                    assert_eq!(value - axes.at(i).x, h * ray.direction[i]);
                }
            }
        }
    }
}
