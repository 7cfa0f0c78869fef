//! Differences: what is asked for laid out as coordinates, the first evaluation, the sweep, and the report.

use std::time::{Duration, Instant};

use super::axes::{axes, based, refused, short, wanted};
use super::error::Place;
use super::report::{Noise, Report, Steps, Stumble};
use super::request::Request;
use super::settings::Settings;
use super::{Context, Error};
use crate::diff::{self, Algorithm, Axes, Derivative, Displacement, Plan, Problem};
use crate::exec::{self, Cause, Failure, Workers};
use crate::manifest::{AlgorithmName, OnFailure};
use crate::model::{Base, ModelError, ModelErrorKind};
use crate::tree::{Layout, Path, Tree};

/// A request whose inputs are laid out.
pub(super) struct Prepared {
    pub(super) base: Base,
    pub(super) axes: Axes,
    pub(super) algorithm: Algorithm,
    /// Of random directions, if there are to be any.
    seed: Option<u64>,
    started: Instant,
}

/// A request whose outputs are laid out too, since one evaluation has shown them.
pub(super) struct Scouted {
    pub(super) base: Base,
    pub(super) outcome: Vec<f64>,
    pub(super) outputs: Tree,
    /// The distance of neighbouring values of outputs that are read from a text, 0 for others; or empty.
    pub(super) printed: Vec<f64>,
    /// About how long an evaluation takes.
    typical: Duration,
}

pub(super) fn prepare(context: &Context<'_>, request: &Request, settings: &Settings) -> Result<Prepared, Error> {
    let started = Instant::now();
    let wrt = Layout::of(&request.inputs, &request.wrt)
        .unwrap_or_else(|absent| unreachable!("a request's inputs are there: {absent:?}"));
    let (algorithm, seed) = algorithm(context, request, settings, wrt.len())?;
    let base = based(context, request.inputs.clone(), wrt, Layout::default())?;
    let order = if matches!(algorithm, Algorithm::Forward | Algorithm::Backward) { 1 } else { 2 };
    let axes = axes(context, request, settings, &base, order)?;
    // Where all steps are by hand there is none to be found.
    let by_hand = !axes.is_empty() && axes.kinds().all(|kind| kind.by_hand);
    let algorithm = match algorithm {
        Algorithm::Auto if by_hand => Algorithm::Central,
        Algorithm::AutoForward if by_hand => Algorithm::Forward,
        other => other,
    };
    Ok(Prepared { base, axes, algorithm, seed, started })
}

/// The first evaluation, at the base or displaced from it: it shows which outputs there are.
pub(super) fn scout(
    context: &Context<'_>,
    request: &Request,
    base: Base,
    point: &Displacement,
    at: diff::Place,
) -> Result<Scouted, Error> {
    let (pool, progress) = (context.pool, context.progress);
    progress.plan(1);
    let place = || place(at, &base);
    let mut instance = pool.lend(progress).map_err(|error| Error::opening(pool, error))?;
    let clock = Instant::now();
    let outputs = instance.apply(&base.displaced(point));
    let typical = clock.elapsed();
    let printed = instance.printed();
    let outputs = match instance.settle(outputs) {
        Ok(outputs) => outputs,
        // Refused where we displaced them: were they ever good? If not, that is the caller's fault.
        Err(error) if error.kind == ModelErrorKind::Refused && place() != Place::Base => {
            super::apply(context, &base.inputs)?;
            return Err(Error::at(pool, place(), error));
        }
        Err(error) => return Err(Error::at(pool, place(), error)),
    };
    progress.advance(1);
    let paths = request.of.resolve(&outputs)?;
    let of = Layout::of(&outputs, &paths).unwrap_or_else(|absent| unreachable!("just resolved: {absent:?}"));
    let mut outcome = vec![0.0; of.len()];
    of.ravel(&outputs, &mut outcome).unwrap_or_else(|mismatch| unreachable!("laid out like this: {mismatch}"));
    if let Some(row) = diff::not_finite(&outcome) {
        return Err(Error::at(pool, place(), non_finite(&of, row)));
    }
    let printed = laid_out(&printed, &of);
    Ok(Scouted { base: base.with_outputs(of), outcome, outputs, printed, typical })
}

/// What is known of some outputs, one number an element, by coordinate; 0 for others.
fn laid_out(known: &[(Path, Vec<f64>)], of: &Layout) -> Vec<f64> {
    if known.is_empty() {
        return Vec::new();
    }
    let mut laid_out = vec![0.0; of.len()];
    for (path, numbers) in known {
        if let Some(span) = of.span(path).filter(|span| span.len == numbers.len()) {
            laid_out[span.offset..span.offset + span.len].copy_from_slice(numbers);
        }
    }
    laid_out
}

/// How many workers there may be: as asked, else as the manifest says, else as many as are worth it.
pub(super) fn workers(context: &Context<'_>, settings: &Settings, typical: Duration) -> Workers {
    Workers::asked(settings.workers.or(context.defaults.workers), typical)
}

/// Whether points that fail are stepped around.
fn recovers(context: &Context<'_>, settings: &Settings, plan: &Plan) -> bool {
    match settings.on_failure.or(context.defaults.gradient.on_failure) {
        Some(policy) => policy == OnFailure::Recover,
        // A step that was chosen is the step that is taken.
        None => plan.finds_steps(),
    }
}

/// Evaluates what the plan asks for. The number of workers taken comes back too.
pub(super) fn carry_out(
    context: &Context<'_>,
    settings: &Settings,
    scouted: &Scouted,
    plan: Plan,
    cotangent: Option<&[f64]>,
) -> Result<(Derivative, usize), Error> {
    let workers = workers(context, settings, scouted.typical);
    let recover = recovers(context, settings, &plan);
    let expected = plan.evaluations();
    let mut machine = plan.start(&scouted.outcome, &scouted.printed, cotangent);
    let workers = exec::sweep(context.pool, &scouted.base, &mut machine, expected, workers, recover, context.progress)
        .map_err(|failure| failed(failure, &scouted.base, context))?;
    Ok((machine.finish(), workers))
}

/// Plans, scouts, sweeps and folds.
pub(super) fn differences(
    context: &Context<'_>,
    request: &Request,
    settings: &Settings,
    problem: Problem<'_>,
    cotangent: impl FnOnce(&Layout) -> Result<Option<Vec<f64>>, Error>,
) -> Result<(Base, Derivative, Report), Error> {
    let Prepared { base, axes, algorithm, seed, started } = prepare(context, request, settings)?;
    let is_jvp = matches!(problem, Problem::Jvp(_));
    let is_vjp = matches!(problem, Problem::Vjp);
    let is_matrix = matches!(problem, Problem::Jacobian);
    let plan = Plan::new(axes, problem, algorithm, settings.bounds).map_err(|defects| refused(&defects, &base))?;
    // A first point that may fail is no place to start from.
    let plan = if recovers(context, settings, &plan) { plan.started_at_base() } else { plan };
    let samples = plan.samples();
    if samples.is_some() && !is_vjp {
        refuse_noisy_complex(context, request, &base.wrt)?;
    }
    let mut point = Displacement::new();
    plan.scout(&mut point);
    let scouted = scout(context, request, base, &point, plan.scouted())?;
    if is_matrix {
        settings.expect_room(scouted.base.of.len(), scouted.base.wrt.len())?;
    }
    let cotangent = cotangent(&scouted.base.of)?;
    let (mut found, workers) = carry_out(context, settings, &scouted, plan, cotangent.as_deref())?;
    found.bounds = found.bounds.filter(|_| settings.bounds);
    let mut report = report(&scouted, &found, is_vjp);
    report.algorithm = name(algorithm, is_jvp, samples).to_owned();
    report.workers = workers;
    report.samples = samples;
    report.seed = samples.and(seed);
    report.warnings = warnings(&found.values, found.total_bound, samples);
    report.elapsed = started.elapsed();
    Ok((scouted.base, found, report))
}

/// What a derivative cost and how it was taken, as far as it says so itself.
pub(super) fn report(scouted: &Scouted, found: &Derivative, is_vjp: bool) -> Report {
    let base = &scouted.base;
    let stumbles = found.stumbles.iter().map(|stumble| Stumble {
        place: match stumble.place {
            diff::Place::Axis { coordinate, .. } => base.wrt.name(coordinate),
            diff::Place::Group { coordinate, others, .. } => group(base, coordinate, others),
            diff::Place::Tangent { .. } => "the tangent".to_owned(),
            diff::Place::Sample { sample, .. } => format!("random direction {sample}"),
            diff::Place::Base | diff::Place::Noise => "the measurement of noise".to_owned(),
        },
        steps: stumble.steps.clone(),
    });
    let noise = found.noise.as_ref().map_or_else(Vec::new, |noise| {
        if is_vjp {
            let product = |&noise: &f64| Noise { path: Path::root(), least: noise, most: noise, digits: None };
            return noise.iter().map(product).collect();
        }
        let ranges = ranges(&base.of, noise).into_iter();
        ranges.map(|(path, least, most)| Noise { digits: digits(scouted, noise, &path), path, least, most }).collect()
    });
    let steps = ranges(&base.wrt, &found.steps).into_iter();
    Report {
        evaluations: found.evaluations,
        steps: steps.map(|(path, least, most)| Steps { path, least, most }).collect(),
        noise,
        stumbles: stumbles.collect(),
        total_bound: found.total_bound,
        ..Report::default()
    }
}

/// The significant digits that an output is printed with, the fewest of any element.
fn digits(scouted: &Scouted, noise: &[f64], path: &Path) -> Option<u32> {
    let span = scouted.base.of.span(path).filter(|_| !scouted.printed.is_empty())?;
    let elements = span.offset..span.offset + span.len;
    // One that happened to be short among others of all digits, as 3.375, does not tell their number.
    let coarse = |i: usize| noise[i] >= scouted.printed[i] / 8.0;
    let known =
        elements.filter(|&i| scouted.printed[i] > 0.0 && scouted.outcome[i].abs() >= scouted.printed[i] && coarse(i));
    known.map(|i| (scouted.outcome[i].abs() / scouted.printed[i]).log10() as u32 + 1).min()
}

/// `x[0] and 3 others`
fn group(base: &Base, coordinate: usize, others: usize) -> String {
    let name = base.wrt.name(coordinate);
    match others {
        0 => name,
        1 => format!("{name} and 1 other"),
        _ => format!("{name} and {others} others"),
    }
}

/// A matrix of random estimates does not show whether a complex output is holomorphic in a complex input,
/// without which an entry is no derivative.
fn refuse_noisy_complex(context: &Context<'_>, request: &Request, wrt: &Layout) -> Result<(), Error> {
    let outputs = wanted(context.pool.model().signature(), request);
    let output = outputs.iter().find(|(_, leaf)| leaf.dtype.is_complex());
    let input = wrt.spans().iter().find(|span| span.dtype.is_complex());
    let (Some((output, _)), Some(input)) = (output, input) else { return Ok(()) };
    let input = &input.path;
    Err(Error::caller(
        Path::root(),
        "value_error",
        format!(
            "Value error, {output} and {input} are both complex, and random directions cannot tell whether \
             the one is a holomorphic function of the other: choose another algorithm, or ask for a JVP or VJP"
        ),
    ))
}

/// What whoever uses the numbers must know.
pub(super) fn warnings(values: &[f64], error: Option<f64>, samples: Option<usize>) -> Vec<String> {
    let Some(error) = error else { return Vec::new() };
    let mut warnings = Vec::new();
    // Of an estimate by chance the error is part of the size: what is squared adds up.
    let least = if samples.is_some() { std::f64::consts::SQRT_2 * error } else { error };
    if !diff::is_less(values, least) {
        return warnings;
    }
    let size = diff::norm(values);
    match samples {
        Some(samples) => {
            let true_size = (size * size - error * error).max(0.0).sqrt();
            let times = if true_size > 0.0 { times(error / true_size) } else { "many".to_owned() };
            warnings.push(format!(
                "the standard error of this estimate from {samples} random directions is {times} times the size of the \
                 gradient: take more, or algorithm = \"auto\""
            ));
        }
        None if error > size && size > 0.0 && error.is_finite() => warnings.push(format!(
            "the error of this derivative may be {} times its size: the outputs are too noisy, or do not depend \
             on the inputs",
            times(error / size)
        )),
        _ => {}
    }
    warnings
}

fn times(ratio: f64) -> String {
    if ratio < 1e4 { format!("{ratio:.1}") } else { format!("{ratio:.0e}") }
}

pub(super) fn name(algorithm: Algorithm, is_jvp: bool, samples: Option<usize>) -> &'static str {
    match algorithm {
        Algorithm::Auto => "auto",
        Algorithm::AutoForward => "auto-forward",
        Algorithm::Central => "central",
        Algorithm::Forward => "forward",
        Algorithm::Backward => "backward",
        Algorithm::Central4 => "central4",
        Algorithm::Richardson => "richardson",
        Algorithm::Stochastic { .. } if samples.is_some() => "stochastic",
        Algorithm::Orthogonal { .. } if samples.is_some() => "orthogonal",
        Algorithm::Stochastic { .. } | Algorithm::Orthogonal { .. } if is_jvp => {
            "central (a tangent is a direction already)"
        }
        Algorithm::Stochastic { .. } | Algorithm::Orthogonal { .. } => "central (no dearer than random directions)",
    }
}

/// The least and the greatest of the values of every leaf that has any.
pub(super) fn ranges(layout: &Layout, values: &[f64]) -> Vec<(Path, f64, f64)> {
    let spans = layout.spans().iter().filter(|span| span.len > 0);
    let range = |values: &[f64]| values.iter().fold((f64::INFINITY, 0.0f64), |(a, b), v| (v.min(a), v.max(b)));
    spans
        .map(|span| {
            let (least, most) = range(&values[span.offset..span.offset + span.len]);
            (span.path.clone(), least, most)
        })
        .collect()
}

/// The name of the algorithm: as asked, else as the inputs say, else as the manifest says, else automatic.
pub(super) fn algorithm_name(
    context: &Context<'_>,
    request: &Request,
    settings: &Settings,
) -> Result<AlgorithmName, Error> {
    let defaults = &context.defaults.gradient;
    Ok(match (settings.algorithm, context.defaults.algorithm_from()) {
        (Some(name), _) => name,
        (None, Some(path)) => match request.inputs.get(&path) {
            Some(Tree::Text(text)) => {
                let word = text.trim_matches('"');
                word.parse().map_err(|error: String| Error::caller(path, "literal_error", error))?
            }
            _ => defaults.algorithm.unwrap_or(AlgorithmName::Auto),
        },
        (None, None) => defaults.algorithm.unwrap_or(AlgorithmName::Auto),
    })
}

/// The algorithm of that name, with the seed, drawn if it is not given.
fn algorithm(
    context: &Context<'_>,
    request: &Request,
    settings: &Settings,
    n: usize,
) -> Result<(Algorithm, Option<u64>), Error> {
    let defaults = &context.defaults.gradient;
    let name = algorithm_name(context, request, settings)?;
    let samples = settings.samples.or(defaults.samples).unwrap_or_else(|| diff::default_samples(n));
    let seed = settings.seed.or(defaults.seed);
    Ok(match name {
        AlgorithmName::Auto => (Algorithm::Auto, None),
        AlgorithmName::AutoForward => (Algorithm::AutoForward, None),
        AlgorithmName::Central => (Algorithm::Central, None),
        // The complex step is a forward difference along the imaginary axis.
        AlgorithmName::Forward | AlgorithmName::Complex => (Algorithm::Forward, None),
        AlgorithmName::Backward => (Algorithm::Backward, None),
        AlgorithmName::Central4 => (Algorithm::Central4, None),
        AlgorithmName::Richardson => (Algorithm::Richardson, None),
        AlgorithmName::Stochastic | AlgorithmName::Orthogonal => {
            // Short enough to be typed again, and exact in JSON.
            let seed = seed.unwrap_or_else(|| rand::random::<u64>() >> 32);
            let algorithm = match name {
                AlgorithmName::Orthogonal => Algorithm::Orthogonal { samples, seed },
                _ => Algorithm::Stochastic { samples, seed },
            };
            (algorithm, Some(seed))
        }
    })
}

fn failed(failure: Failure, base: &Base, context: &Context<'_>) -> Error {
    match failure {
        Failure::Point { place: at, tried, cause } => {
            let mut error = match cause {
                Cause::Model(error) => error,
                Cause::NonFinite(non_finite_at) => non_finite(&base.of, non_finite_at.row),
            };
            if !tried.is_empty() {
                let steps: Vec<_> = tried.iter().map(|step| short(*step)).collect();
                error.message += &format!(" (nor did the model answer with any of the steps {})", steps.join(", "));
            }
            Error::at(context.pool, place(at, base), error)
        }
        Failure::Stuck(defect) => refused(&[defect], base),
        Failure::Opening(error) => Error::opening(context.pool, error),
        Failure::Cancelled => Error::Cancelled,
    }
}

pub(super) fn non_finite(of: &Layout, row: usize) -> ModelError {
    ModelError::failed(format!(
        "its output {} is not finite there, or its change is too large for a number",
        of.name(row)
    ))
}

/// Where a point lies, in words.
fn place(place: diff::Place, base: &Base) -> Place {
    match place {
        diff::Place::Base => Place::Base,
        diff::Place::Noise => Place::Displaced("inputs all a little displaced, to see the noise".to_owned()),
        diff::Place::Axis { coordinate, step } => {
            let sign = if step < 0.0 { '-' } else { '+' };
            Place::Displaced(format!("{} {sign} {}", base.wrt.name(coordinate), short(step.abs())))
        }
        diff::Place::Group { coordinate, step, others } => {
            let sign = if step < 0.0 { '-' } else { '+' };
            Place::Displaced(format!("{} {sign} {}", group(base, coordinate, others), short(step.abs())))
        }
        diff::Place::Tangent { step } => {
            let sign = if step < 0.0 { '-' } else { '+' };
            Place::Displaced(format!("the inputs {sign} {} times the tangent", short(step.abs())))
        }
        diff::Place::Sample { sample, reversed } => {
            let sign = if reversed { '-' } else { '+' };
            Place::Displaced(format!("the inputs {sign} random direction {sample}"))
        }
    }
}
