//! Gradients as text that is the same on every machine, for snapshot tests.

use std::fmt::Write;

use num_complex::Complex;

use crate::endpoint::{Block, Jacobian};

/// A Jacobian as text, its values rounded to `digits` significant digits, block by block, a row an output
/// element.
///
/// The last digits of a difference depend on the machine's libm and compiler; those within `digits` of the
/// block's largest value do not. Smaller values are rounded at the same place, so that what is left of an
/// exact zero reads `0`.
///
/// ```
/// # use secant::{Model, Tree, json};
/// # let number = json!({"type": "number", "differentiable": true});
/// # let model = Model::from_fn(
/// #     "cube",
/// #     &json!({"properties": {"x": number}, "required": ["x"]}),
/// #     &json!({"properties": {"y": number}, "required": ["y"]}),
/// #     |inputs| {
/// #         let x = inputs.leaf(&"x".parse().unwrap()).unwrap().to_vec()[0];
/// #         Ok(Tree::fields([("y", Tree::from(x * x * x))]))
/// #     },
/// # )?;
/// let jacobian = model.jacobian(&json!({"x": 0.5})).run()?;
/// assert_eq!(secant::snapshot(&jacobian, 6), "d y / d x []\n0.75\n");
/// // or: insta::assert_snapshot!(secant::snapshot(&jacobian, 6));
/// # Ok::<(), secant::Error>(())
/// ```
pub fn snapshot(jacobian: &Jacobian, digits: u32) -> String {
    let mut text = String::new();
    for ((of, wrt, block), span) in jacobian
        .blocks()
        .zip(jacobian.of().spans().iter().flat_map(|span| std::iter::repeat_n(span, jacobian.wrt().spans().len())))
    {
        let (shape, values): (Vec<usize>, Vec<Complex<f64>>) = match &block {
            Block::Real(view) => (view.shape().to_vec(), view.iter().map(|value| Complex::new(*value, 0.0)).collect()),
            Block::Complex(array) => (array.shape().to_vec(), array.iter().copied().collect()),
        };
        let largest = values.iter().map(|value| value.re.abs().max(value.im.abs())).fold(0.0, f64::max);
        let round = |value: f64| rounded(value, largest, digits);
        let _ = writeln!(text, "d {of} / d {wrt} {shape:?}");
        let columns = shape[span.shape.len()..].iter().product::<usize>().max(1);
        for row in values.chunks(columns) {
            let row: Vec<String> = row
                .iter()
                .map(|value| match &block {
                    Block::Real(_) => round(value.re),
                    Block::Complex(_) => format!("{}{:+}i", round(value.re), round(value.im).parse().unwrap_or(0.0)),
                })
                .collect();
            let _ = writeln!(text, "{}", row.join(" "));
        }
    }
    text
}

/// `value` rounded to `digits` significant digits of `largest`.
fn rounded(value: f64, largest: f64, digits: u32) -> String {
    if largest == 0.0 || !largest.is_finite() {
        return format!("{value}");
    }
    let place = largest.log10().floor() as i32 - digits as i32 + 1;
    let unit = 10f64.powi(-place);
    let value = (value * unit).round() / unit;
    // -0 reads like a sign that means something.
    format!("{}", value + 0.0)
}
