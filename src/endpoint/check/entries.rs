//! A model's own derivatives against differences, entry by entry.

use num_complex::Complex;

use super::Subject;
use crate::diff::Problem;
use crate::endpoint::differences::differences;
use crate::endpoint::error::Place;
use crate::endpoint::native;
use crate::endpoint::question::Question;
use crate::endpoint::settings::Settings;
use crate::endpoint::vectors::Vectors;
use crate::endpoint::{Block, Error};
use crate::tree::{Array, Layout, Span};

/// Jacobians with more entries than this are not held whole: their columns are taken one by one.
const HELD: usize = 10_000_000;

/// Bounds are good estimates, not proofs: a native value is wrong where it is farther away than twice the bound.
const FACTOR: f64 = 2.0;

/// What rounding may do to a native value, relative to the largest of its row; more where arrays are coarser.
const ROUNDING: f64 = 1e-12;

/// Beside a relative tolerance, as NumPy's `allclose` has it in the Tesseract runtime.
const ATOL: f64 = 1e-8;

/// One of the model's own derivatives, compared.
#[derive(Clone, Debug)]
pub struct Comparison {
    /// Which.
    pub question: Question,
    /// Entries compared.
    pub checks: usize,
    /// How many of them are wrong.
    pub failures: usize,
    /// How many could not be judged, because differences have no bound there.
    pub undecided: usize,
    /// The worst failures, the worst first.
    pub worst: Vec<Mismatch>,
    /// What the model said where it gave no derivative at all.
    pub error: Option<String>,
    /// Times the model was asked.
    pub calls: usize,
}

/// An entry that is wrong.
#[derive(Clone, Debug, PartialEq)]
pub struct Mismatch {
    /// The output's element.
    pub output: String,
    /// The input's element.
    pub input: String,
    /// The model's own derivative.
    pub native: f64,
    /// The difference.
    pub difference: f64,
    /// The bound of its error.
    pub bound: f64,
    /// How many times its tolerance it is off.
    pub excess: f64,
}

impl Comparison {
    /// Whether nothing failed.
    pub fn passed(&self) -> bool {
        self.failures == 0 && self.error.is_none()
    }
}

/// Parts of the Jacobian by differences.
pub(super) struct Reference {
    /// Coordinates of the columns and of the rows.
    inputs: Vec<usize>,
    outputs: Vec<usize>,
    /// By columns.
    values: Vec<f64>,
    bounds: Vec<f64>,
    pub(super) evaluations: usize,
    pub(super) warnings: Vec<String>,
}

impl Reference {
    pub(super) fn taken(subject: &Subject<'_, '_>, inputs: &[usize], outputs: &[usize]) -> Result<Reference, Error> {
        let (n, m) = (subject.wrt.len(), subject.of.len());
        let mut reference = Reference {
            inputs: inputs.to_vec(),
            outputs: outputs.to_vec(),
            values: Vec::with_capacity(inputs.len() * outputs.len()),
            bounds: Vec::with_capacity(inputs.len() * outputs.len()),
            evaluations: 0,
            warnings: Vec::new(),
        };
        if inputs.len() == n && n.saturating_mul(m) <= HELD {
            let settings = subject.by_differences();
            let (.., found, report) =
                differences(subject.context, &subject.request, &settings, Problem::Jacobian, |_| Ok(None))?;
            reference.warnings = report.warnings;
            reference.evaluations = found.evaluations;
            for column in 0..n {
                reference.push(&found, column * m);
            }
            return Ok(reference);
        }
        for &input in inputs {
            let mut unit = vec![0.0; n];
            unit[input] = 1.0;
            let (found, _) = subject.along(&unit)?;
            reference.evaluations += found.evaluations;
            reference.push(&found, 0);
        }
        Ok(reference)
    }

    fn push(&mut self, found: &crate::diff::Derivative, start: usize) {
        let bound = |row: usize| found.bounds.as_ref().map_or(f64::INFINITY, |bounds| bounds[start + row]);
        self.values.extend(self.outputs.iter().map(|&row| found.values[start + row]));
        self.bounds.extend(self.outputs.iter().map(|&row| bound(row)));
    }

    /// Asks the model for its own, and compares. What it fails at is a failure like any other.
    pub(super) fn compare(&self, subject: &Subject<'_, '_>, question: Question) -> Result<Comparison, Error> {
        let mut calls = 0;
        let native = match question {
            Question::Jacobian => self.by_blocks(subject, &mut calls),
            Question::Jvp => self.by_columns(subject, &mut calls),
            Question::Vjp => self.by_rows(subject, &mut calls),
            Question::Hessian | Question::Hvp => unreachable!("no model has second derivatives of its own"),
        };
        let mut found =
            Comparison { question, checks: 0, failures: 0, undecided: 0, worst: Vec::new(), error: None, calls };
        match native {
            Ok(native) => self.judge(subject, &native, &mut found),
            Err(Error::Cancelled) => return Err(Error::Cancelled),
            Err(error) => found.error = Some(error.to_string()),
        }
        Ok(found)
    }

    fn judge(&self, subject: &Subject<'_, '_>, native: &[f64], found: &mut Comparison) {
        let height = self.outputs.len();
        // Of every row the largest entry: cancellation may leave so much more rounding in the others.
        let mut largest = vec![0.0f64; height];
        for (k, value) in self.values.iter().enumerate() {
            largest[k % height] = largest[k % height].max(value.abs());
        }
        found.checks = native.len();
        for (k, &native) in native.iter().enumerate() {
            let (row, column) = (k % height, k / height);
            let (output, input) = (self.outputs[row], self.inputs[column]);
            let (difference, bound) = (self.values[k], self.bounds[k]);
            let bits = bits(&subject.of, output).min(bits(&subject.wrt, input));
            let rounding = ROUNDING.max(2f64.powi(3 - bits as i32)) * largest[row].max(native.abs());
            let tolerance = match subject.checks.rtol {
                Some(rtol) => rtol * difference.abs() + ATOL,
                None => FACTOR * bound + rounding,
            };
            let off = (native - difference).abs();
            if !tolerance.is_finite() {
                found.undecided += 1;
            } else if off > tolerance {
                found.failures += 1;
                let (output, input) = (subject.of.name(output), subject.wrt.name(input));
                found.worst.push(Mismatch { output, input, native, difference, bound, excess: off / tolerance });
                if found.worst.len() > 2 * subject.checks.max_failures + 64 {
                    keep_worst(&mut found.worst, subject.checks.max_failures);
                }
            }
        }
        keep_worst(&mut found.worst, subject.checks.max_failures);
    }

    fn by_blocks(&self, subject: &Subject<'_, '_>, calls: &mut usize) -> Result<Vec<f64>, Error> {
        let Some(jacobian) = native::jacobian(subject.context, &subject.request, &Settings::default())? else {
            unreachable!("only asked of models that have it")
        };
        *calls += jacobian.report.evaluations;
        let blocks: Vec<Vec<Complex<f64>>> = jacobian.blocks().map(|(.., block)| numbers(&block)).collect();
        let (of, wrt) = (jacobian.of(), jacobian.wrt());
        let same = of.len() == subject.of.len();
        let mut values = Vec::with_capacity(self.values.len());
        for &input in &self.inputs {
            let (j, column, part) = element(wrt, input);
            let columns = wrt.spans()[j].len / wrt.spans()[j].dtype.coordinates();
            for &output in &self.outputs {
                if !same {
                    return Err(wrong_shape(subject));
                }
                let (i, row, of_part) = element(of, output);
                let entry = blocks[i * wrt.spans().len() + j][row * columns + column];
                // What a displacement of 1, or of i, does.
                let change = if part == 0 { entry } else { entry * Complex::i() };
                values.push(if of_part == 0 { change.re } else { change.im });
            }
        }
        Ok(values)
    }

    fn by_columns(&self, subject: &Subject<'_, '_>, calls: &mut usize) -> Result<Vec<f64>, Error> {
        let mut values = Vec::with_capacity(self.values.len());
        for &input in &self.inputs {
            let mut unit = vec![0.0; subject.wrt.len()];
            unit[input] = 1.0;
            let request = subject.with(subject.wrt.unravel_wide(&unit));
            let Some((vectors, report)) = native::jvp(subject.context, &request, &Settings::default())? else {
                unreachable!("only asked of models that have it")
            };
            *calls += report.evaluations;
            let column = flat(&subject.of, &vectors).ok_or_else(|| wrong_shape(subject))?;
            values.extend(self.outputs.iter().map(|&row| column[row]));
        }
        Ok(values)
    }

    fn by_rows(&self, subject: &Subject<'_, '_>, calls: &mut usize) -> Result<Vec<f64>, Error> {
        let height = self.outputs.len();
        let mut values = vec![0.0; self.values.len()];
        for (k, &output) in self.outputs.iter().enumerate() {
            let mut unit = vec![0.0; subject.of.len()];
            // It pairs as Re(w·dy): −i picks the imaginary part.
            unit[output] = if element(&subject.of, output).2 == 0 { 1.0 } else { -1.0 };
            let request = subject.with(subject.of.unravel_wide(&unit));
            let Some((vectors, report)) = native::vjp(subject.context, &request, &Settings::default(), Place::Base)?
            else {
                unreachable!("only asked of models that have it")
            };
            *calls += report.evaluations;
            let row = flat(&subject.wrt, &vectors).ok_or_else(|| wrong_shape(subject))?;
            for (column, &input) in self.inputs.iter().enumerate() {
                let sign = if element(&subject.wrt, input).2 == 0 { 1.0 } else { -1.0 };
                values[column * height + k] = sign * row[input];
            }
        }
        Ok(values)
    }
}

fn keep_worst(failures: &mut Vec<Mismatch>, most: usize) {
    failures.sort_by(|a, b| b.excess.total_cmp(&a.excess));
    failures.truncate(most);
}

/// The vectors as coordinates, if they are of this layout.
fn flat(layout: &Layout, vectors: &Vectors) -> Option<Vec<f64>> {
    let values: Vec<f64> = vectors.iter().flat_map(|(_, array): &(_, Array)| array.to_vec()).collect();
    (values.len() == layout.len()).then_some(values)
}

fn wrong_shape(subject: &Subject<'_, '_>) -> Error {
    let error = crate::model::ModelError::failed("its own derivative is of outputs of another shape");
    Error::at(subject.context.pool, crate::endpoint::Place::Base, error)
}

/// Which leaf, which of its elements, and which part of that a coordinate is.
fn element(layout: &Layout, coordinate: usize) -> (usize, usize, usize) {
    let index = layout.locate(coordinate);
    let Span { offset, dtype, .. } = layout.spans()[index];
    let (local, parts) = (coordinate - offset, dtype.coordinates());
    (index, local / parts, local % parts)
}

fn bits(layout: &Layout, coordinate: usize) -> u32 {
    layout.spans()[layout.locate(coordinate)].dtype.significand_bits()
}

fn numbers(block: &Block<'_>) -> Vec<Complex<f64>> {
    match block {
        Block::Real(view) => view.iter().map(|value| Complex::new(*value, 0.0)).collect(),
        Block::Complex(array) => array.iter().copied().collect(),
    }
}
