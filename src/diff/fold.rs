//! The inner loops: from outcomes to columns. One pass over each outcome, in place, and a check that
//! everything is finite in the same pass.
//!
//! The check adds everything up, in eight lanes so that it vectorises on any machine: where a value is not
//! finite the sum is not either. The sum of finite values may overflow too, so that a sum that is not finite
//! calls for a closer look.

use pulp::Arch;

const LANES: usize = 8;

/// `column[i] = f(column[i], y[i], base[i])`; whether all of it is finite then.
///
/// With whatever vector instructions there are. They only do more at once: the numbers are the same on every
/// machine, bit for bit.
fn update(arch: Arch, column: &mut [f64], y: &[f64], base: &[f64], f: impl Fn(f64, f64, f64) -> f64) -> bool {
    arch.dispatch(|| lanes(column, y, base, f))
}

#[inline(always)]
fn lanes(column: &mut [f64], y: &[f64], base: &[f64], f: impl Fn(f64, f64, f64) -> f64) -> bool {
    let mut sums = [0.0; LANES];
    let (columns, column_rest) = column.as_chunks_mut::<LANES>();
    let (ys, y_rest) = y.as_chunks::<LANES>();
    let (bases, base_rest) = base.as_chunks::<LANES>();
    for ((c, y), b) in columns.iter_mut().zip(ys).zip(bases) {
        for lane in 0..LANES {
            c[lane] = f(c[lane], y[lane], b[lane]);
            sums[lane] += c[lane];
        }
    }
    for ((c, y), b) in column_rest.iter_mut().zip(y_rest).zip(base_rest) {
        *c = f(*c, *y, *b);
        sums[0] += *c;
    }
    sums.iter().sum::<f64>().is_finite() || column.iter().all(|value| value.is_finite())
}

/// `column = (y − base) · scale`
pub(super) fn difference(arch: Arch, column: &mut [f64], y: &[f64], base: &[f64], scale: f64) -> bool {
    update(arch, column, y, base, #[inline(always)] |_, y, base| (y - base) * scale)
}

/// `column += (y − base) · scale`
pub(super) fn add_difference(arch: Arch, column: &mut [f64], y: &[f64], base: &[f64], scale: f64) -> bool {
    update(arch, column, y, base, #[inline(always)] |c, y, base| c + (y - base) * scale)
}

/// `column = y`
pub(super) fn keep(arch: Arch, column: &mut [f64], y: &[f64]) -> bool {
    update(arch, column, y, y, #[inline(always)] |_, y, _| y)
}

/// `column = (column − y) · scale`
pub(super) fn subtract(arch: Arch, column: &mut [f64], y: &[f64], scale: f64) -> bool {
    update(arch, column, y, y, #[inline(always)] |c, y, _| (c - y) * scale)
}

/// The inner product, in fixed partial sums.
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
