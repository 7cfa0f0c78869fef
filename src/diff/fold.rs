//! The inner loops: from outcomes to columns. One pass over each outcome, and a check that everything is finite in the
//! same pass.
//!
//! The check is that of v − v, which is 0 for every finite number and has bits for all others: put together in any
//! order, so that it vectorises on any machine.

use multiversion::multiversion;

const LANES: usize = 8;

/// Whether all numbers seen so far are finite.
#[derive(Default)]
struct Finite(u64);

impl Finite {
    #[inline(always)]
    #[allow(clippy::eq_op)] // not for numbers that are not finite
    fn see(&mut self, value: f64) -> f64 {
        self.0 |= (value - value).to_bits();
        value
    }
}

/// The first number that is not finite, if there is one.
pub fn not_finite(values: &[f64]) -> Option<usize> {
    let odd = values.iter().fold(Finite::default(), |mut finite, value| {
        finite.see(*value);
        finite
    });
    if odd.0 == 0 { None } else { values.iter().position(|value| !value.is_finite()) }
}

/// Adds the column of `f(y[i], base[i])` to others; whether all of it is finite.
#[inline(always)]
pub(super) fn append(columns: &mut Vec<f64>, y: &[f64], base: &[f64], f: impl Fn(f64, f64) -> f64) -> bool {
    let mut finite = Finite::default();
    columns.extend(y.iter().zip(base).map(|(y, base)| finite.see(f(*y, *base))));
    finite.0 == 0
}

/// `column[i] = f(column[i], y[i], base[i])`; whether all of it is finite then.
#[inline(always)]
pub(super) fn update(column: &mut [f64], y: &[f64], base: &[f64], f: impl Fn(f64, f64, f64) -> f64) -> bool {
    let mut finite = Finite::default();
    for ((column, y), base) in column.iter_mut().zip(y).zip(base) {
        *column = finite.see(f(*column, *y, *base));
    }
    finite.0 == 0
}

/// The inner product, in fixed partial sums.
#[multiversion(targets("x86_64+avx2"))]
pub(super) fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut sums = [0.0; LANES];
    let (xs, x_rest) = a.as_chunks::<LANES>();
    let (ys, y_rest) = b.as_chunks::<LANES>();
    for (x, y) in xs.iter().zip(ys) {
        for lane in 0..LANES {
            sums[lane] += x[lane] * y[lane];
        }
    }
    for (x, y) in x_rest.iter().zip(y_rest) {
        sums[0] += x * y;
    }
    sums.iter().sum()
}

/// The greatest magnitude of numbers that are numbers.
pub(super) fn magnitude(values: &[f64]) -> f64 {
    let mut most = [0.0f64; LANES];
    let (chunks, rest) = values.as_chunks::<LANES>();
    for chunk in chunks {
        for lane in 0..LANES {
            most[lane] = if chunk[lane].abs() > most[lane] { chunk[lane].abs() } else { most[lane] };
        }
    }
    most.iter().chain(rest).fold(0.0, |most, value| most.max(value.abs()))
}

/// Whether the norm of the values is less than this. It looks at no more of them than it takes to see.
pub fn is_less(values: &[f64], norm: f64) -> bool {
    let most = norm * norm;
    if !most.is_normal() {
        return self::norm(values) < norm;
    }
    let mut parts = values.chunks(64 * LANES).scan(0.0, |sum, part| {
        *sum += dot(part, part);
        Some(*sum)
    });
    !parts.any(|sum| sum >= most)
}

/// The root of the sum of squares, also where the squares are no numbers any more.
pub fn norm(values: &[f64]) -> f64 {
    let square = dot(values, values);
    if square.is_normal() && square > f64::MIN_POSITIVE / f64::EPSILON {
        return square.sqrt();
    }
    let most = magnitude(values);
    if most == 0.0 || most == f64::INFINITY {
        return most;
    }
    most * values.iter().map(|value| (value / most).powi(2)).sum::<f64>().sqrt()
}
