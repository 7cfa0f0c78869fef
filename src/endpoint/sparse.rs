//! Sparse Jacobians: which outputs depend on which inputs, as declared or as detected, and derivatives in groups of
//! inputs that no output shares.
//!
//! A pattern is never trusted: every use compares one derivative along a random direction with what the matrix says.
//! Where they differ the matrix is computed dense, with a warning.

use std::path::{Path as FilePath, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

use super::axes::refused;
use super::differences::{self, Prepared, Scouted, carry_out, prepare, scout};
use super::jacobian::Values;
use super::matrix_market;
use super::report::{Bounds, Report};
use super::request::{Request, Wanted};
use super::settings::Settings;
use super::{Context, Error, Jacobian};
use crate::diff::{self, Algorithm, Axis, Derivative, Displacement, Plan, Problem, Sparsity};
use crate::manifest::{Gradient, Structure};
use crate::model::Base;
use crate::schema::Side;
use crate::tree::{Layout, Path, Pattern, Tree};

/// What is known of the Jacobian of all differentiable outputs by all differentiable inputs.
#[derive(Clone, Debug)]
pub(crate) struct Rule {
    /// As the manifest says.
    pub(crate) structure: Structure,
    /// The pattern of its file.
    pub(crate) matrix: Option<Arc<Sparsity>>,
    /// Whether every use is verified.
    pub(crate) verify: bool,
    /// Where detected patterns are kept.
    pub(crate) cache: Option<PathBuf>,
    /// What the last request was answered with.
    last: Arc<Mutex<Option<Arc<Coloured>>>>,
}

/// A pattern and its groups, and for which request that is.
#[derive(Debug)]
struct Coloured {
    of: Layout,
    wrt: Layout,
    apart: Vec<bool>,
    pattern: Arc<Sparsity>,
    groups: Vec<Vec<usize>>,
}

/// A dense matrix that a pattern is detected in has at most so many entries.
const MOST_ENTRIES: usize = 1 << 27;

/// An entry is one when the output changes by more than so many standard deviations of its noise.
const DEVIATIONS: f64 = 8.0;

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
        Ok(Some(Rule { structure, matrix, verify, cache: cache(), last: Arc::default() }))
    }
}

/// Where this user keeps what can be computed again.
fn cache() -> Option<PathBuf> {
    let named = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let caches = named("XDG_CACHE_HOME").or_else(|| Some(named("HOME")?.join(".cache")));
    Some(caches?.join("secant").join("sparsity"))
}

impl Found {
    pub(super) fn jacobian(self) -> Jacobian {
        let Found { base: Base { of, wrt, .. }, pattern, values, bounds, mut report } = self;
        report.bounds = bounds.map(|bounds| {
            let values = Values::Sparse(pattern.clone(), bounds);
            Bounds::Jacobian(Box::new(Jacobian::new(of.clone(), wrt.clone(), values, Report::default())))
        });
        Jacobian::new(of, wrt, Values::Sparse(pattern, values), report)
    }

    /// w·J and its bounds.
    pub(super) fn product(&self, cotangent: &[f64]) -> (Vec<f64>, Option<Vec<f64>>) {
        let product = |values: &[f64], weight: &dyn Fn(f64) -> f64| -> Vec<f64> {
            let column = |column: usize| {
                let rows = self.pattern.column(column).iter();
                let entries = rows.zip(&values[self.pattern.start(column)..]);
                entries.map(|(&row, value)| weight(cotangent[row as usize]) * value).sum()
            };
            (0..self.pattern.columns()).map(column).collect()
        };
        (product(&self.values, &|w| w), self.bounds.as_ref().map(|bounds| product(bounds, &f64::abs)))
    }
}

/// What became of a pattern.
pub(super) enum Outcome {
    /// The matrix was computed with it.
    Found(Box<Found>),
    /// There is none, or nothing is gained by it; or it is wrong, which is to be told.
    Dense(Option<String>),
}

/// The Jacobian in groups of inputs, if a pattern is known and holds. One that was detected long ago gets a second
/// chance.
pub(super) fn in_groups(context: &Context<'_>, request: &Request, settings: &Settings) -> Result<Outcome, Error> {
    let outcome = compressed(context, request, settings)?;
    let rule = context.defaults.sparsity.as_ref();
    if matches!(outcome, Outcome::Dense(Some(_))) && rule.is_some_and(|rule| rule.structure == Structure::Detect) {
        return compressed(context, request, &Settings { redetect: true, ..settings.clone() });
    }
    Ok(outcome)
}

fn compressed(context: &Context<'_>, request: &Request, settings: &Settings) -> Result<Outcome, Error> {
    let Some(rule) = context.defaults.sparsity.as_ref().filter(|_| !settings.dense) else {
        return Ok(Outcome::Dense(None));
    };
    let prepared = prepare(context, request, settings)?;
    let complex = |layout: &Layout| layout.spans().iter().any(|span| span.dtype.is_complex());
    if matches!(prepared.algorithm, Algorithm::Stochastic { .. } | Algorithm::Orthogonal { .. })
        || complex(&prepared.base.wrt)
    {
        return Ok(Outcome::Dense(None));
    }
    let Prepared { base, axes, algorithm, .. } = prepared;
    let scouted = scout(context, request, base, &Displacement::new(), diff::Place::Base)?;
    if complex(&scouted.base.of) {
        return Ok(Outcome::Dense(None));
    }
    let (coloured, spent) = coloured(context, request, settings, rule, &scouted, &axes)?;
    let Coloured { pattern, groups, .. } = &*coloured;
    if 2 * groups.len() > axes.len() {
        return Ok(Outcome::Dense(None));
    }
    let clock = std::time::Instant::now();
    let plan = Plan::new(axes.clone(), Problem::Groups(groups), algorithm, settings.bounds)
        .map_err(|defects| refused(&defects, &scouted.base))?;
    let (found, workers) = carry_out(context, settings, &scouted, plan, algorithm, None)?;
    let (values, bounds) = decompress(pattern, groups, &found);
    let mut report = differences::report(&scouted.base, &found, false);
    report.algorithm = format!("{} in {} groups", differences::name(algorithm, false, None), groups.len());
    report.workers = workers;
    report.evaluations += spent;
    report.warnings = differences::warnings(&found, None);
    if rule.verify {
        match disagreement(context, settings, &scouted, &axes, pattern, &values, &found)? {
            None => report.evaluations += 2,
            Some(row) => {
                let output = scouted.base.of.name(row);
                return Ok(Outcome::Dense(Some(format!(
                    "the sparsity pattern is wrong for {output}: along a random direction it changes otherwise than \
                     the pattern allows; the derivative was computed without the pattern"
                ))));
            }
        }
    }
    report.elapsed = clock.elapsed();
    Ok(Outcome::Found(Box::new(Found { base: scouted.base, pattern: pattern.clone(), values, bounds, report })))
}

/// The entries of the pattern from the columns of groups.
fn decompress(pattern: &Sparsity, groups: &[Vec<usize>], found: &Derivative) -> (Vec<f64>, Option<Vec<f64>>) {
    let m = pattern.rows();
    let mut group_of = vec![usize::MAX; pattern.columns()];
    for (group, members) in groups.iter().enumerate() {
        members.iter().for_each(|&column| group_of[column] = group);
    }
    let entries = |numbers: &[f64], unit: &dyn Fn(f64) -> f64| {
        let mut entries = Vec::with_capacity(pattern.count());
        for (column, group) in group_of.iter().enumerate() {
            let Some(numbers) = numbers.get(group.saturating_mul(m)..) else { continue };
            let unit = unit(found.units[column]);
            entries.extend(pattern.column(column).iter().map(|&row| numbers[row as usize] / unit));
        }
        entries
    };
    (entries(&found.values, &|unit| unit), found.bounds.as_ref().map(|bounds| entries(bounds, &f64::abs)))
}

/// An output whose derivative along a random direction is not what the matrix says: two evaluations.
fn disagreement(
    context: &Context<'_>,
    settings: &Settings,
    scouted: &Scouted,
    axes: &[Axis],
    pattern: &Sparsity,
    values: &[f64],
    found: &Derivative,
) -> Result<Option<usize>, Error> {
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let tangent: Vec<f64> = found
        .steps
        .iter()
        .map(|step| if random.random() { *step } else { -*step } * random.random_range(0.5..1.0))
        .collect();
    // A step of one along the tangent moves every coordinate by about its own step.
    let axes = axes.iter().zip(&tangent).map(|(axis, v)| Axis { step: v.abs(), by_hand: true, ..*axis }).collect();
    let plan = Plan::new(axes, Problem::Jvp(&tangent), Algorithm::Central, false)
        .map_err(|defects| refused(&defects, &scouted.base))?
        .started_at_base();
    let (along, _) = carry_out(context, settings, scouted, plan, Algorithm::Central, None)?;
    let (mut expected, mut size) = (vec![0.0; pattern.rows()], vec![0.0f64; pattern.rows()]);
    for (column, v) in tangent.iter().enumerate() {
        for (&row, value) in pattern.column(column).iter().zip(&values[pattern.start(column)..]) {
            expected[row as usize] += value * v;
            size[row as usize] += (value * v).abs();
        }
    }
    // What noise of the outputs can do: measured, else that of float64.
    let noise = |row: usize| match &found.noise {
        Some(noise) => 30.0 * noise[row],
        None => 1e-13 * scouted.outcome[row].abs(),
    };
    let wrong = |row: &usize| {
        let (a, b): (f64, f64) = (along.values[*row], expected[*row]);
        (a - b).abs() > 0.02 * size[*row] + noise(*row)
    };
    Ok((0..pattern.rows()).find(wrong))
}

/// The pattern of what is asked for and its groups, as the last time if they can be, and the evaluations it took.
fn coloured(
    context: &Context<'_>,
    request: &Request,
    settings: &Settings,
    rule: &Rule,
    scouted: &Scouted,
    axes: &[Axis],
) -> Result<(Arc<Coloured>, usize), Error> {
    let Base { of, wrt, .. } = &scouted.base;
    // Coordinates that cannot go both ways, or whose step is by hand, stay among themselves.
    let apart: Vec<bool> = axes.iter().map(|axis| axis.by_hand || axis.is_cramped()).collect();
    let last = || rule.last.lock().unwrap_or_else(PoisonError::into_inner);
    let kept = last().clone().filter(|kept| !settings.redetect && kept.of == *of && kept.wrt == *wrt);
    if let Some(kept) = kept.filter(|kept| kept.apart == apart) {
        return Ok((kept, 0));
    }
    let (pattern, spent) = pattern(context, request, settings, rule, scouted, axes)?;
    let groups = pattern.colours(&apart);
    let coloured = Coloured { of: of.clone(), wrt: wrt.clone(), apart, pattern: Arc::new(pattern), groups };
    let coloured = Arc::new(coloured);
    *last() = Some(coloured.clone());
    Ok((coloured, spent))
}

/// The pattern of what is asked for, and the evaluations it took.
fn pattern(
    context: &Context<'_>,
    request: &Request,
    settings: &Settings,
    rule: &Rule,
    scouted: &Scouted,
    axes: &[Axis],
) -> Result<(Sparsity, usize), Error> {
    let base = &scouted.base;
    let (m, n) = (base.of.len(), base.wrt.len());
    if matches!(rule.structure, Structure::Detect) {
        return detected(context, request, settings, rule, scouted, axes);
    }
    if let Structure::Blocks(pairs) = &rule.structure {
        let depends = |of: &Path, wrt: &Path| {
            let named = |text: &str, path: &Path| text.parse::<Pattern>().is_ok_and(|pattern| pattern.matches(path));
            pairs.iter().any(|[output, input]| named(output, of) && named(input, wrt))
        };
        let mut entries = Vec::new();
        for of in base.of.spans() {
            for wrt in base.wrt.spans().iter().filter(|wrt| depends(&of.path, &wrt.path)) {
                let rows = of.offset as u32..(of.offset + of.len) as u32;
                entries.extend(
                    (wrt.offset..wrt.offset + wrt.len)
                        .flat_map(|column| rows.clone().map(move |row| (row, column as u32))),
                );
            }
        }
        return Ok((Sparsity::new(m, n, entries).unwrap_or_default(), 0));
    }
    // The others are of all that is differentiable; a request may be of less.
    let signature = context.pool.model().signature();
    let all = |side: Side, tree: &Tree| -> Result<Layout, Error> {
        let wanted = Wanted(signature.differentiable(side).into_iter().map(|(pattern, _)| pattern).collect());
        Ok(Layout::of(tree, &wanted.resolve(tree)?).unwrap_or_else(|absent| unreachable!("just resolved: {absent:?}")))
    };
    let (rows, columns) = (all(Side::Output, &scouted.outputs)?, all(Side::Input, &base.inputs)?);
    let whole = match &rule.structure {
        Structure::Diagonal => Sparsity::banded(rows.len(), columns.len(), 0, 0),
        Structure::Banded([below, above]) => Sparsity::banded(rows.len(), columns.len(), *below, *above),
        _ => {
            let Some(matrix) = &rule.matrix else { unreachable!("a file is read with its manifest") };
            if (matrix.rows(), matrix.columns()) != (rows.len(), columns.len()) {
                let message = format!(
                    "Value error, the sparsity pattern of the manifest is of a {} x {} matrix, but at these inputs \
                     the Jacobian is {} x {}",
                    matrix.rows(),
                    matrix.columns(),
                    rows.len(),
                    columns.len()
                );
                return Err(Error::caller(Path::root(), "value_error", message));
            }
            matrix.as_ref().clone()
        }
    };
    if (m, n) == (rows.len(), columns.len()) {
        return Ok((whole, 0));
    }
    let (row_of, column_of) = (placed(&rows, &base.of), placed(&columns, &base.wrt));
    let mut entries = Vec::new();
    for (column, place) in column_of.iter().enumerate().filter_map(|(column, place)| Some((column, (*place)?))) {
        let rows = whole.column(column).iter().filter_map(|&row| row_of[row as usize]);
        entries.extend(rows.map(|row| (row as u32, place as u32)));
    }
    Ok((Sparsity::new(m, n, entries).unwrap_or_default(), 0))
}

/// Where each coordinate of a layout lies in a part of it, if it does.
fn placed(whole: &Layout, part: &Layout) -> Vec<Option<usize>> {
    let mut places = vec![None; whole.len()];
    for span in whole.spans() {
        if let Some(inside) = part.span(&span.path) {
            for i in 0..span.len {
                places[span.offset + i] = Some(inside.offset + i);
            }
        }
    }
    places
}

/// The pattern as it shows in the numbers: kept on disk, and found again when it does not fit any more.
///
/// Every coordinate moves by a hundredth of its scale, from a point that lies a little apart, so that no derivative is
/// 0 by chance; an entry is one where the output changes by more than its noise.
fn detected(
    context: &Context<'_>,
    request: &Request,
    settings: &Settings,
    rule: &Rule,
    scouted: &Scouted,
    axes: &[Axis],
) -> Result<(Sparsity, usize), Error> {
    let base = &scouted.base;
    let (m, n) = (base.of.len(), base.wrt.len());
    let file = rule.cache.as_ref().map(|folder| folder.join(key(context, base)));
    let kept = file.as_ref().and_then(|file| matrix_market::read(&std::fs::read_to_string(file).ok()?).ok());
    if let Some(kept) = kept.filter(|kept| (kept.rows(), kept.columns()) == (m, n) && !settings.redetect) {
        return Ok((kept, 0));
    }
    if m.saturating_mul(n) > MOST_ENTRIES {
        let message = format!(
            "Value error, a pattern of {m} x {n} entries is too large to be detected: declare it in the manifest"
        );
        return Err(Error::caller(Path::root(), "value_error", message));
    }
    let mut random = ChaCha8Rng::seed_from_u64(2);
    let elsewhere: Displacement = axes
        .iter()
        .enumerate()
        .map(|(i, axis)| (i, axis.within(0.01 * random.random_range(0.5..1.0) * axis.scale_here())))
        .collect();
    let moved = Request { inputs: base.displaced(&elsewhere), ..request.clone() };
    let Prepared { base: near, axes: there, .. } = prepare(context, &moved, settings)?;
    let near = scout(context, &moved, near, &Displacement::new(), diff::Place::Base)?;
    // The noise, from a product that measures it.
    let tangent = vec![1.0; n];
    let automatic = there.iter().map(|axis| Axis { by_hand: false, ..*axis }).collect();
    let refused_at = |defects: Vec<diff::Defect>| refused(&defects, &near.base);
    let plan = Plan::new(automatic, Problem::Jvp(&tangent), Algorithm::Auto, true).map_err(refused_at)?;
    let (along, _) = carry_out(context, settings, &near, plan, Algorithm::Auto, None)?;
    let noise = along.noise.unwrap_or_else(|| vec![0.0; m]);
    let wide = there.iter().map(|axis| Axis { step: axis.scale_here() / 128.0, by_hand: true, ..*axis }).collect();
    let plan = Plan::new(wide, Problem::Jacobian, Algorithm::Forward, false).map_err(refused_at)?;
    let (found, _) = carry_out(context, settings, &near, plan, Algorithm::Forward, None)?;
    let mut entries = Vec::new();
    for (column, numbers) in found.values.chunks_exact(m.max(1)).enumerate() {
        let changes = |row: usize| {
            let change = numbers[row].abs() * found.steps[column];
            change > DEVIATIONS * noise[row].max(f64::EPSILON * near.outcome[row].abs())
        };
        entries.extend((0..m).filter(|&row| changes(row)).map(|row| (row as u32, column as u32)));
    }
    let pattern = Sparsity::new(m, n, entries).unwrap_or_default();
    if let Some(file) = file {
        // Without a cache it is detected each time.
        if let Err(error) = matrix_market::write(&file, &pattern) {
            tracing::warn!("{}: {error}", file.display());
        }
    }
    Ok((pattern, 1 + along.evaluations + found.evaluations))
}

/// A file name for the patterns of a model at inputs of these shapes.
fn key(context: &Context<'_>, base: &Base) -> String {
    let description = context.pool.model().description();
    let mut text = format!("{}\n{}\n{}\n", description.name, description.version, description.kind);
    for span in base.of.spans().iter().chain(base.wrt.spans()) {
        text += &format!("{} {:?}\n", span.path, span.shape);
    }
    // FNV-1a.
    let hash = text
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    let name: String = description.name.chars().map(|c| if c.is_alphanumeric() { c } else { '-' }).collect();
    format!("{name}-{hash:016x}.mtx")
}
