//! Sparse Jacobians: which outputs depend on which inputs, as declared or as detected, and derivatives in groups of
//! inputs that no output shares.
//!
//! A pattern is never trusted: every use compares one derivative along a random direction with what the matrix says.
//! Where they differ the matrix is computed dense, with a warning.

mod matrix_market;
mod pattern;

use std::path::{Path as FilePath, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use rand::rngs::ChaCha8Rng;
use rand::{Rng, SeedableRng};

use self::pattern::Coloured;
use super::axes::refused;
use super::differences::{self, Prepared, Scouted, carry_out, prepare, scout};
use super::jacobian::Values;
use super::report::{Bounds, Report};
use super::request::Request;
use super::settings::Settings;
use super::{Context, Error, Jacobian};
use crate::cache_folder;
use crate::diff::{self, Algorithm, Axes, Colouring, Derivative, Displacement, Plan, Problem, Sparsity};
use crate::manifest::{Gradient, OnFailure, Structure};
use crate::model::Base;
use crate::tree::Layout;

/// A change along a random direction may differ from what the matrix says by this part of its terms, beside their
/// bounds and noise: differences without bounds are no better than that.
const OFF: f64 = 0.02;

/// What is known of the Jacobian of all differentiable outputs by all differentiable inputs.
#[derive(Clone, Debug)]
pub(crate) struct Rule {
    /// As the manifest says.
    structure: Structure,
    /// The pattern of its file.
    matrix: Option<Arc<Sparsity>>,
    /// Whether every use is verified.
    verify: bool,
    /// Where detected patterns are kept.
    cache: Option<PathBuf>,
    /// What the last request was answered with.
    last: Arc<Mutex<Option<Arc<Coloured>>>>,
}

/// A matrix by its entries.
pub(super) struct Found {
    pub(super) base: Base,
    pattern: Arc<Sparsity>,
    values: Vec<f64>,
    bounds: Option<Vec<f64>>,
    pub(super) report: Report,
}

impl Rule {
    /// What a manifest knows, its file read.
    pub(crate) fn read(gradient: &Gradient, folder: &FilePath) -> Result<Option<Rule>, String> {
        let Some(structure) = gradient.sparsity.clone() else { return Ok(None) };
        let matrix = match &structure {
            Structure::File(file) => {
                let file = folder.join(file);
                let text = std::fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()))?;
                let matrix = matrix_market::read(&text).map_err(|error| format!("{}: {error}", file.display()))?;
                Some(Arc::new(matrix))
            }
            _ => None,
        };
        let verify = gradient.verify_sparsity.unwrap_or(true);
        Ok(Some(Rule {
            structure,
            matrix,
            verify,
            cache: cache_folder().map(|folder| folder.join("sparsity")),
            last: Arc::default(),
        }))
    }
}

impl Found {
    /// The matrix, with the bounds of its errors if they are asked for.
    pub(super) fn jacobian(self, bounded: bool) -> Jacobian {
        let Found { base: Base { of, wrt, .. }, pattern, values, bounds, mut report } = self;
        report.total_bound = bounds.as_deref().map(diff::norm);
        report.bounds =
            bounds.filter(|_| bounded).map(|bounds| Bounds::matrix(&of, &wrt, Values::Sparse(pattern.clone(), bounds)));
        Jacobian::new(of, wrt, Values::Sparse(pattern, values), report)
    }

    /// Adds what becomes of the terms of J·v for such values of its entries, row by row.
    fn add_along(&self, v: &[f64], values: &[f64], term: impl Fn(f64) -> f64, sums: &mut [f64]) {
        for (v, (rows, values)) in v.iter().zip(self.pattern.by_column(values)).filter(|(v, _)| **v != 0.0) {
            for (value, &row) in values.iter().zip(rows) {
                sums[row as usize] += term(value * v);
            }
        }
    }

    /// w·J and its bounds.
    pub(super) fn product(&self, cotangent: &[f64]) -> (Vec<f64>, Option<Vec<f64>>) {
        let product = |values: &[f64], weight: &dyn Fn(f64) -> f64| -> Vec<f64> {
            let column = |(rows, values): (&[u32], &[f64])| {
                rows.iter().zip(values).map(|(&row, value)| weight(cotangent[row as usize]) * value).sum()
            };
            self.pattern.by_column(values).map(column).collect()
        };
        (product(&self.values, &|w| w), self.bounds.as_ref().map(|bounds| product(bounds, &f64::abs)))
    }
}

/// What became of a pattern.
pub(super) enum Outcome {
    /// The matrix was computed with it.
    Found(Box<Found>),
    /// It was not: there is none, or nothing is gained by it, or it is wrong.
    Dense(Detour),
}

/// What was spent before a derivative is taken without a pattern.
#[derive(Default)]
pub(super) struct Detour {
    evaluations: usize,
    /// What is wrong with the pattern.
    warning: Option<String>,
    /// The pattern, where nothing but evaluations spoke against it.
    pattern: Option<Arc<Sparsity>>,
}

impl Detour {
    /// Adds to the report of the derivative that is taken instead.
    pub(super) fn tell(&self, report: &mut Report) {
        report.warnings.extend(self.warning.clone());
        report.evaluations += self.evaluations;
    }

    /// The matrix that was computed instead, column by column: by the pattern, where that holds. An entry that it leaves out
    /// is then no more than the matrix's error.
    pub(super) fn matrix(&self, columns: Vec<f64>, report: &mut Report) -> Values {
        let Some(pattern) = &self.pattern else { return Values::Columns(columns) };
        let error = report.total_bound.unwrap_or_else(|| 1e-6 * diff::norm(&columns));
        let (entries, left_out) = pattern.entries_of(&columns);
        if left_out <= error {
            return Values::Sparse(pattern.clone(), entries);
        }
        let warning = "the sparsity pattern is wrong: entries that it leaves out are not 0; the matrix has all of them";
        report.warnings.push(warning.to_owned());
        Values::Columns(columns)
    }
}

/// A question and what is known of its sparsity.
struct Asked<'a> {
    context: &'a Context<'a>,
    request: &'a Request,
    settings: &'a Settings,
    rule: &'a Rule,
}

/// The Jacobian in groups of inputs, if a pattern is known and holds. One that was detected long ago gets a second
/// chance.
pub(super) fn in_groups(context: &Context<'_>, request: &Request, settings: &Settings) -> Result<Outcome, Error> {
    let Some(rule) = context.defaults.sparsity.as_ref().filter(|_| !settings.dense) else {
        return Ok(Outcome::Dense(Detour::default()));
    };
    let asked = Asked { context, request, settings, rule };
    let first = match asked.compressed(false)? {
        Outcome::Dense(detour) if detour.warning.is_some() && rule.structure == Structure::Detect => detour,
        outcome => return Ok(outcome),
    };
    let mut second = asked.compressed(true)?;
    let evaluations = match &mut second {
        Outcome::Found(found) => &mut found.report.evaluations,
        Outcome::Dense(detour) => &mut detour.evaluations,
    };
    *evaluations += first.evaluations;
    Ok(second)
}

impl Asked<'_> {
    /// The matrix by its pattern; with `anew` one that was detected before is detected again.
    fn compressed(&self, anew: bool) -> Result<Outcome, Error> {
        let Asked { context, request, settings, rule } = self;
        let prepared = prepare(context, request, settings)?;
        let complex = |layout: &Layout| layout.spans().iter().any(|span| span.dtype.is_complex());
        let Prepared { base, axes, algorithm, .. } = prepared;
        let random = matches!(algorithm, Algorithm::Stochastic { .. } | Algorithm::Orthogonal { .. });
        if random || complex(&base.wrt) {
            return Ok(Outcome::Dense(Detour::default()));
        }
        if axes.are_written() {
            // Each would be rounded in its own way, and the sum of a group would show nothing of it.
            let warning = "the sparsity pattern was not used: inputs are written with so few digits that they must \
                           move one by one"
                .to_owned();
            return Ok(Outcome::Dense(Detour { warning: Some(warning), ..Detour::default() }));
        }
        let clock = Instant::now();
        let scouted = scout(context, request, base, &Displacement::new(), diff::Place::Base)?;
        if complex(&scouted.base.of) {
            return Ok(Outcome::Dense(Detour { evaluations: 1, ..Detour::default() }));
        }
        let (coloured, spent) = match self.coloured(&scouted, &axes, anew) {
            // It was looked for elsewhere, which must not end a request.
            Err(Error::Model { error, .. }) => {
                let words = error.message.lines().next().unwrap_or_default();
                let warning = format!(
                    "no sparsity pattern was detected, as the model failed beside these inputs ({words}); the derivative \
                     was computed without"
                );
                return Ok(Outcome::Dense(Detour { evaluations: 1, warning: Some(warning), pattern: None }));
            }
            coloured => coloured?,
        };
        let (pattern, colouring) = (&coloured.pattern, &coloured.colouring);
        let groups = &colouring.groups;
        let axes = Arc::new(axes);
        if 2 * groups.len() > axes.len() {
            let pattern = Some(pattern.clone());
            return Ok(Outcome::Dense(Detour { evaluations: 1 + spent, warning: None, pattern }));
        }
        let plan = Plan::new(axes.clone(), Problem::Groups(colouring), algorithm, settings.bounds)
            .map_err(|defects| refused(&defects, &scouted.base))?;
        let (taken, workers) = carry_out(context, settings, &scouted, plan, None)?;
        let (values, bounds) = decompress(&coloured, &taken);
        let mut report = differences::report(&scouted, &taken, false);
        report.evaluations += spent;
        report.warnings = differences::warnings(&taken.values, taken.total_bound, None);
        let mut found = Found { base: scouted.base.clone(), pattern: pattern.clone(), values, bounds, report };
        if rule.verify {
            let (wrong, more) = match self.disagreement(&scouted, axes, &coloured.whole, &found, taken) {
                Err(Error::Model { error, .. }) => {
                    let words = error.message.lines().next().unwrap_or_default();
                    found.report.warnings.push(format!(
                        "the sparsity pattern was not verified, as the model failed along a random direction ({words})"
                    ));
                    (None, 0)
                }
                compared => compared?,
            };
            found.report.evaluations += more;
            if let Some(row) = wrong {
                let warning = format!(
                    "the sparsity pattern is wrong for {}: along a random direction it changes otherwise than the \
                     pattern allows; the derivative was computed without the pattern",
                    found.base.of.name(row)
                );
                let evaluations = found.report.evaluations;
                return Ok(Outcome::Dense(Detour { evaluations, warning: Some(warning), pattern: None }));
            }
        }
        let plural = if groups.len() == 1 { "" } else { "s" };
        let name = differences::name(algorithm, false, None);
        found.report.algorithm = format!("{name} in {} group{plural}", groups.len());
        found.report.workers = workers;
        found.report.elapsed = clock.elapsed();
        Ok(Outcome::Found(Box::new(found)))
    }

    /// An output that changes along a random direction otherwise than the matrix says, and the evaluations that took:
    /// one, and two more where that leaves a doubt, unless failures are in the way.
    fn disagreement(
        &self,
        scouted: &Scouted,
        axes: Arc<Axes>,
        whole: &Arc<Colouring>,
        found: &Found,
        taken: Derivative,
    ) -> Result<(Option<usize>, usize), Error> {
        let direction = direction(&axes, taken.steps);
        let ahead = self.along(scouted, axes.clone(), whole, direction, Algorithm::Forward, found)?;
        // What noise of the outputs can do to that: measured, else that of float64.
        let (noise, times) = taken.noise.as_ref().map_or((&scouted.outcome, 1e-13), |noise| (noise, 30.0));
        // All are looked at, as that is made into vector instructions.
        let wrong = |(off, expected): (f64, &f64)| u64::from(off > OFF * expected.abs());
        if ahead.off(noise, times).zip(&ahead.expected).map(wrong).fold(0, |any, wrong| any | wrong) == 0 {
            return Ok((None, ahead.evaluations));
        }
        // A sum may be far less than its terms.
        let mut doubts = vec![0.0; ahead.changes.len()];
        found.add_along(&ahead.units, &found.values, |term| OFF * term.abs(), &mut doubts);
        if let Some(bounds) = &found.bounds {
            found.add_along(&ahead.units, bounds, f64::abs, &mut doubts);
        }
        let worst =
            |along: &Along, doubts: &[f64]| along.off(noise, times).zip(doubts).position(|(off, doubt)| off > *doubt);
        if worst(&ahead, &doubts).is_none() {
            return Ok((None, ahead.evaluations));
        }
        // Where f is curved it goes otherwise ahead than back, and derivatives of first order are off by about as much.
        let both = self.along(scouted, axes, whole, ahead.units.clone(), Algorithm::Central, found)?;
        if found.bounds.is_none() {
            let curvature = ahead.changes.iter().zip(&both.changes).map(|(ahead, both)| 2.0 * (ahead - both).abs());
            doubts.iter_mut().zip(curvature).for_each(|(doubt, curvature)| *doubt += curvature);
        }
        Ok((worst(&both, &doubts), ahead.evaluations + both.evaluations))
    }

    /// How the outputs change when all coordinates move by these units, and how they should.
    fn along(
        &self,
        scouted: &Scouted,
        axes: Arc<Axes>,
        whole: &Arc<Colouring>,
        units: Vec<f64>,
        algorithm: Algorithm,
        found: &Found,
    ) -> Result<Along, Error> {
        let plan = Plan::new(axes, Problem::Moves(whole, units), algorithm, false)
            .map_err(|defects| refused(&defects, &scouted.base))?;
        let (taken, _) = carry_out(self.context, &recovering(self.settings), scouted, plan, None)?;
        let Derivative { values: changes, units, evaluations, .. } = taken;
        let mut expected = vec![0.0; changes.len()];
        found.add_along(&units, &found.values, |term| term, &mut expected);
        // The base was evaluated before.
        Ok(Along { changes, expected, units, evaluations: evaluations - 1 })
    }
}

/// Changes along a direction.
struct Along {
    changes: Vec<f64>,
    /// What the matrix says that they are.
    expected: Vec<f64>,
    /// The direction, as far as was gone.
    units: Vec<f64>,
    evaluations: usize,
}

impl Along {
    /// By how much more the outputs change otherwise than so many times their noise explains.
    fn off(&self, noise: &[f64], times: f64) -> impl Iterator<Item = f64> {
        let rows = self.changes.iter().zip(&self.expected).zip(noise);
        rows.map(move |((change, expected), noise)| (change - expected).abs() - times * noise.abs())
    }
}

/// A random direction: every coordinate by its own step or half of it, or something between, either way.
fn direction(axes: &Axes, mut steps: Vec<f64>) -> Vec<f64> {
    let mut parts = vec![0u8; steps.len()];
    ChaCha8Rng::seed_from_u64(1).fill_bytes(&mut parts);
    // What is in no group moves too, if it can: nothing should depend on it.
    for (i, step) in steps.iter_mut().enumerate().filter(|(_, step)| **step == 0.0) {
        let axis = axes.at(i);
        *step = (axis.within(axis.step()) - axis.x).abs();
    }
    for (step, part) in steps.iter_mut().zip(parts) {
        let part = f64::from(part as i8) / 256.0;
        *step *= part + 0.5f64.copysign(part);
    }
    steps
}

/// The same, points that fail stepped around: what only looks at a pattern must not end a request.
fn recovering(settings: &Settings) -> Settings {
    Settings { on_failure: Some(OnFailure::Recover), ..settings.clone() }
}

/// The entries of the pattern from the columns of groups.
fn decompress(coloured: &Coloured, found: &Derivative) -> (Vec<f64>, Option<Vec<f64>>) {
    let Coloured { pattern, colouring, .. } = coloured;
    let m = pattern.rows();
    let entries = |numbers: &[f64], per_unit: fn(f64) -> f64| {
        let mut entries = vec![0.0; pattern.count()];
        let mut rest = &mut entries[..];
        for (column, (group, unit)) in colouring.group_of.iter().zip(&found.units).enumerate() {
            let rows = pattern.column(column);
            let (here, others) = rest.split_at_mut(rows.len());
            rest = others;
            // Without a row it is in no group.
            let Some(numbers) = numbers.get(*group as usize * m..) else { continue };
            let per_unit = per_unit(*unit);
            here.iter_mut().zip(rows).for_each(|(entry, &row)| *entry = numbers[row as usize] * per_unit);
        }
        entries
    };
    let bounds = found.bounds.as_ref().map(|bounds| entries(bounds, |unit| 1.0 / unit.abs()));
    (entries(&found.values, |unit| 1.0 / unit), bounds)
}
