//! A Jacobian as it was computed: one column-major matrix over real coordinates, or the blocks of a model
//! that has its own. Blocks are views; nothing is copied until someone writes it out.

use std::sync::Arc;

use ndarray::{ArrayD, ArrayViewD, CowArray, IxDyn, ShapeBuilder};
use num_complex::Complex;

use super::Report;
use crate::diff::Sparsity;
use crate::tree::{Array, Layout, Path, Span};

/// ∂output/∂input for every pair of the outputs and inputs asked for.
#[derive(Clone, Debug)]
pub struct Jacobian {
    of: Layout,
    wrt: Layout,
    values: Values,
    /// What it cost and how it was taken.
    pub report: Report,
}

#[derive(Clone, Debug)]
pub(super) enum Values {
    /// m × n over real coordinates, by columns.
    Columns(Vec<f64>),
    /// One float64 or complex128 array a pair, outputs outermost.
    Blocks(Vec<Array>),
    /// Bounds of columns.
    Bounds(Vec<f64>),
    /// The entries of a pattern, by columns; all else is zero. Numbers or bounds, of real coordinates only.
    Sparse(Arc<Sparsity>, Vec<f64>),
}

/// One block: shape of the output, then shape of the input.
///
/// Where input or output is complex it is complex: for a complex output the derivative of a
/// holomorphic function, for a real output of a complex input ∂f/∂x − i ∂f/∂y, so that in either case the
/// (real part of the) product with a displacement is the change.
#[derive(Clone, Debug)]
pub enum Block<'j> {
    /// Both ends are real.
    Real(CowArray<'j, f64, IxDyn>),
    /// One end is complex.
    Complex(ArrayD<Complex<f64>>),
}

impl Block<'_> {
    /// The magnitudes of its entries.
    pub(super) fn magnitudes(&self) -> Box<dyn Iterator<Item = f64> + '_> {
        match self {
            Block::Real(view) => Box::new(view.iter().map(|value| value.abs())),
            Block::Complex(array) => Box::new(array.iter().map(|value| value.norm())),
        }
    }
}

impl Jacobian {
    pub(super) fn new(of: Layout, wrt: Layout, values: Values, report: Report) -> Jacobian {
        Jacobian { of, wrt, values, report }
    }

    /// The outputs differentiated.
    pub fn of(&self) -> &Layout {
        &self.of
    }

    /// The inputs differentiated by.
    pub fn wrt(&self) -> &Layout {
        &self.wrt
    }

    /// Every block with its output and input, outputs outermost.
    pub fn blocks(&self) -> impl Iterator<Item = (&Path, &Path, Block<'_>)> {
        self.of.spans().iter().enumerate().flat_map(move |(i, of)| {
            self.wrt.spans().iter().enumerate().map(move |(j, wrt)| (&of.path, &wrt.path, self.view(i, j, of, wrt)))
        })
    }

    /// The block of one output and one input.
    pub fn block(&self, of: &str, wrt: &str) -> Option<Block<'_>> {
        let (of, wrt): (Path, Path) = (of.parse().ok()?, wrt.parse().ok()?);
        let (i, j) = (self.of.position(&of)?, self.wrt.position(&wrt)?);
        Some(self.view(i, j, &self.of.spans()[i], &self.wrt.spans()[j]))
    }

    /// The matrix over real coordinates, m × n by columns, where it was computed by differences.
    pub fn columns(&self) -> Option<&[f64]> {
        match &self.values {
            Values::Columns(columns) | Values::Bounds(columns) => Some(columns),
            Values::Blocks(_) | Values::Sparse(..) => None,
        }
    }

    /// Its pattern and the entries by columns, where it was computed with one.
    pub(crate) fn sparse(&self) -> Option<(&Sparsity, &[f64])> {
        match &self.values {
            Values::Sparse(pattern, values) => Some((pattern, values)),
            _ => None,
        }
    }

    /// The largest magnitude of every block. Of a sparse matrix no block is laid out for it.
    pub(super) fn largest(&self) -> Vec<(String, f64)> {
        let name = |of: &Path, wrt: &Path| format!("{of} by {wrt}");
        let Values::Sparse(pattern, values) = &self.values else {
            let most = |block: Block<'_>| block.magnitudes().fold(0.0, f64::max);
            return self.blocks().map(|(of, wrt, block)| (name(of, wrt), most(block))).collect();
        };
        let mut most = vec![0.0f64; self.of.spans().len() * self.wrt.spans().len()];
        for (j, wrt) in self.wrt.spans().iter().enumerate() {
            for column in wrt.offset..wrt.offset + wrt.len {
                for (row, value) in pattern.column(column).iter().zip(&values[pattern.start(column)..]) {
                    let most = &mut most[self.of.locate(*row as usize) * self.wrt.spans().len() + j];
                    *most = most.max(value.abs());
                }
            }
        }
        let pairs = self.of.paths().flat_map(|of| self.wrt.paths().map(move |wrt| name(of, wrt)));
        pairs.zip(most).collect()
    }

    fn view(&self, i: usize, j: usize, of: &Span, wrt: &Span) -> Block<'_> {
        let shape: Vec<usize> = of.shape.iter().chain(wrt.shape.iter()).copied().collect();
        match &self.values {
            Values::Columns(columns) | Values::Bounds(columns) => {
                if of.dtype.is_complex() || wrt.dtype.is_complex() {
                    // Bounds add up where numbers may be subtracted.
                    let sign = if matches!(self.values, Values::Bounds(_)) { 1.0 } else { -1.0 };
                    return Block::Complex(complex_block(columns, self.of.len(), of, wrt, &shape, sign));
                }
                if shape.contains(&0) {
                    return Block::Real(ArrayD::zeros(IxDyn(&shape)).into());
                }
                let m = self.of.len();
                let strides = strides(&of.shape, 1).into_iter().chain(strides(&wrt.shape, m));
                let strides: Vec<usize> = strides.collect();
                let from = &columns[wrt.offset * m + of.offset..];
                let view = ArrayViewD::from_shape(IxDyn(&shape).strides(IxDyn(&strides)), from);
                Block::Real(view.unwrap_or_else(|error| unreachable!("a block lies within its matrix: {error}")).into())
            }
            Values::Sparse(pattern, values) => {
                let mut block = vec![0.0; of.len * wrt.len];
                for column in 0..wrt.len {
                    let start = pattern.start(wrt.offset + column);
                    let rows = pattern.column(wrt.offset + column).iter().map(|&row| row as usize);
                    let entries = rows.zip(&values[start..]);
                    for (row, value) in entries.filter(|(row, _)| (of.offset..of.offset + of.len).contains(row)) {
                        block[(row - of.offset) * wrt.len + column] = *value;
                    }
                }
                let block = ArrayD::from_shape_vec(IxDyn(&shape), block);
                Block::Real(block.unwrap_or_else(|error| unreachable!("as many as the shape says: {error}")).into())
            }
            Values::Blocks(blocks) => {
                let array = &blocks[i * self.wrt.spans().len() + j];
                if let Some(values) = array.as_slice::<f64>() {
                    let view = ArrayViewD::from_shape(IxDyn(array.shape()), values);
                    return Block::Real(
                        view.unwrap_or_else(|error| unreachable!("an array fits its shape: {error}")).into(),
                    );
                }
                let values = array.as_slice::<Complex<f64>>().unwrap_or_default().to_vec();
                let owned = ArrayD::from_shape_vec(IxDyn(array.shape()), values);
                Block::Complex(owned.unwrap_or_else(|error| unreachable!("an array fits its shape: {error}")))
            }
        }
    }
}

/// Strides of a C-ordered array whose elements are `unit` apart.
fn strides(shape: &[usize], unit: usize) -> Vec<usize> {
    let mut strides = vec![unit; shape.len()];
    for axis in (1..shape.len()).rev() {
        strides[axis - 1] = strides[axis] * shape[axis];
    }
    strides
}

/// Derivatives by the real and by the imaginary part of an input's element, of an output's element.
fn partials(columns: &[f64], m: usize, of: &Span, wrt: &Span, r: usize, c: usize) -> (Complex<f64>, Complex<f64>) {
    let (rows, cols) = (of.dtype.coordinates(), wrt.dtype.coordinates());
    let at = |row: usize, col: usize| columns[(wrt.offset + c * cols + col) * m + of.offset + r * rows + row];
    let by = |col: usize| Complex::new(at(0, col), if rows == 2 { at(1, col) } else { 0.0 });
    (by(0), if cols == 2 { by(1) } else { Complex::new(0.0, 0.0) })
}

fn complex_block(columns: &[f64], m: usize, of: &Span, wrt: &Span, shape: &[usize], sign: f64) -> ArrayD<Complex<f64>> {
    let (rows, cols) = (of.len / of.dtype.coordinates(), wrt.len / wrt.dtype.coordinates());
    let mut values = Vec::with_capacity(rows * cols);
    for r in 0..rows {
        for c in 0..cols {
            let (x, y) = partials(columns, m, of, wrt, r, c);
            // x − i y
            let difference = Complex::new(x.re + y.im, x.im + sign * y.re);
            let both = of.dtype.is_complex() && wrt.dtype.is_complex();
            values.push(if both { difference * 0.5 } else { difference });
        }
    }
    let block = ArrayD::from_shape_vec(IxDyn(shape), values);
    block.unwrap_or_else(|error| unreachable!("as many values as the shape says: {error}"))
}

/// The pair of a complex output and a complex input whose Jacobian one complex number an entry cannot
/// hold, because the function is not holomorphic: ∂f/∂z̄ is not small against ∂f/∂z, nor against `error`, the norm of
/// the errors of all columns.
pub(super) fn not_holomorphic(columns: &[f64], of: &Layout, wrt: &Layout, error: f64) -> Option<(Path, Path)> {
    let i = Complex::<f64>::i();
    for output in of.spans().iter().filter(|span| span.dtype.is_complex()) {
        for input in wrt.spans().iter().filter(|span| span.dtype.is_complex()) {
            let (mut holomorphic, mut other) = (0.0, 0.0);
            for r in 0..output.len / 2 {
                for c in 0..input.len / 2 {
                    let (x, y) = partials(columns, of.len(), output, input, r, c);
                    holomorphic += (x - i * y).norm_sqr();
                    other += (x + i * y).norm_sqr();
                }
            }
            // What differences leave of an exact 0 is far below this; a conjugate or a modulus far above.
            if other.sqrt() > 0.01 * holomorphic.sqrt() + 2.0 * error {
                return Some((output.path.clone(), input.path.clone()));
            }
        }
    }
    None
}
