//! The inner loops: from outcomes to columns. One pass over each outcome, in place, and a check that
//! everything is finite in the same pass.
//!
//! The check adds `d * 0` up: 0 for a finite d, NaN for any other. Four lanes, so that it
//! vectorises on any machine.

/// `column[i] = f(column[i], y[i])`; whether all results are finite.
#[inline(always)]
fn update(column: &mut [f64], y: &[f64], f: impl Fn(f64, f64) -> f64) -> bool {
    let mut check = [0.0; 4];
    let mut columns = column.chunks_exact_mut(4);
    let mut values = y.chunks_exact(4);
    for (c, v) in (&mut columns).zip(&mut values) {
        for lane in 0..4 {
            c[lane] = f(c[lane], v[lane]);
            check[lane] += c[lane] * 0.0;
        }
    }
    for (c, v) in columns.into_remainder().iter_mut().zip(values.remainder()) {
        *c = f(*c, *v);
        check[0] += *c * 0.0;
    }
    check == [0.0; 4]
}

/// `column = (y − base) · scale`
pub(super) fn difference(column: &mut [f64], y: &[f64], base: &[f64], scale: f64) -> bool {
    let mut check = [0.0; 4];
    let mut columns = column.chunks_exact_mut(4);
    let mut values = y.chunks_exact(4);
    let mut bases = base.chunks_exact(4);
    for ((c, v), b) in (&mut columns).zip(&mut values).zip(&mut bases) {
        for lane in 0..4 {
            c[lane] = (v[lane] - b[lane]) * scale;
            check[lane] += c[lane] * 0.0;
        }
    }
    let rest = columns.into_remainder().iter_mut().zip(values.remainder()).zip(bases.remainder());
    for ((c, v), b) in rest {
        *c = (v - b) * scale;
        check[0] += *c * 0.0;
    }
    check == [0.0; 4]
}

/// `column += (y − base) · scale`
pub(super) fn add_difference(column: &mut [f64], y: &[f64], base: &[f64], scale: f64) -> bool {
    column.iter_mut().zip(y).zip(base).fold(0.0, |check, ((c, v), b)| {
        *c += (v - b) * scale;
        check + *c * 0.0
    }) == 0.0
}

/// `column = y`
pub(super) fn keep(column: &mut [f64], y: &[f64]) -> bool {
    update(column, y, |_, v| v)
}

/// `column = (column − y) · scale`
pub(super) fn subtract(column: &mut [f64], y: &[f64], scale: f64) -> bool {
    update(column, y, |c, v| (c - v) * scale)
}

/// The inner product, in four fixed partial sums.
pub(super) fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut sums = [0.0; 4];
    let (mut xs, mut ys) = (a.chunks_exact(4), b.chunks_exact(4));
    for (x, y) in (&mut xs).zip(&mut ys) {
        for lane in 0..4 {
            sums[lane] += x[lane] * y[lane];
        }
    }
    for (x, y) in xs.remainder().iter().zip(ys.remainder()) {
        sums[0] += x * y;
    }
    (sums[0] + sums[1]) + (sums[2] + sums[3])
}
