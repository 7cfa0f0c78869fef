//! The inner loops: from outcomes to columns. One pass over each outcome, in place, and a check that
//! everything is finite in the same pass.
//!
//! The check adds everything up, in eight lanes so that it vectorises on any machine: where a value is not
//! finite the sum is not either. The sum of finite values may overflow too, so that a sum that is not finite
//! calls for a closer look.

const LANES: usize = 8;

/// `column[i] = f(column[i], y[i], base[i])`; whether all of it is finite then.
#[inline(always)]
fn update(column: &mut [f64], y: &[f64], base: &[f64], f: impl Fn(f64, f64, f64) -> f64) -> bool {
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
pub(super) fn difference(column: &mut [f64], y: &[f64], base: &[f64], scale: f64) -> bool {
    update(column, y, base, |_, y, base| (y - base) * scale)
}

/// `column += (y − base) · scale`
pub(super) fn add_difference(column: &mut [f64], y: &[f64], base: &[f64], scale: f64) -> bool {
    update(column, y, base, |c, y, base| c + (y - base) * scale)
}

/// `column = y`
pub(super) fn keep(column: &mut [f64], y: &[f64]) -> bool {
    update(column, y, y, |_, y, _| y)
}

/// `column = (column − y) · scale`
pub(super) fn subtract(column: &mut [f64], y: &[f64], scale: f64) -> bool {
    update(column, y, y, |c, y, _| (c - y) * scale)
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

/// The root of the sum of squares.
pub fn norm(values: &[f64]) -> f64 {
    dot(values, values).sqrt()
}
