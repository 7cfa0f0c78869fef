//! Derivatives: the model's own where it has them and nothing else was asked for, else by differences.

use std::time::Instant;

use super::axes::{axes, refused, short, wanted};
use super::error::Place;
use super::jacobian::{Values, not_holomorphic};
use super::report::{Bounds, Noise, Report, Steps, Stumble};
use super::request::Request;
use super::settings::Settings;
use super::vectors::{Vectors, narrow};
use super::{Context, Error, Jacobian, native};
use crate::diff::{self, Algorithm, Derivative, Displacement, Plan, Problem};
use crate::exec::{self, Cause, Failure, Workers};
use crate::manifest::{AlgorithmName, OnFailure};
use crate::model::{Base, ModelError, ModelErrorKind};
use crate::schema::{Violation, Violations};
use crate::tree::{DType, Layout, Path, Tree};

/// The Jacobian of the outputs asked for with respect to the inputs asked for.
pub fn jacobian(context: &Context<'_>, request: &Request, settings: &Settings) -> Result<Jacobian, Error> {
    if let Some(native) = native::jacobian(context, request, settings)? {
        return Ok(native);
    }
    let (of, wrt, found, mut report) = differences(context, request, settings, Problem::Jacobian, None)?;
    let columns = found.values;
    if let Some((output, input)) = not_holomorphic(&columns, &of, &wrt) {
        return Err(Error::caller(
            output.clone(),
            "value_error",
            format!(
                "Value error, {output} is not a holomorphic function of {input}, so that one complex number an entry \
                 cannot hold its derivative: ask for a JVP or VJP, which can, or split the input into real parts"
            ),
        ));
    }
    report.bounds = found.bounds.map(|bounds| {
        let values = Values::Bounds(bounds);
        Bounds::Jacobian(Box::new(Jacobian::new(of.clone(), wrt.clone(), values, Report::default())))
    });
    Ok(Jacobian::new(of, wrt, Values::Columns(columns), report))
}

/// J·v: for each output an array of its shape and dtype.
pub fn jvp(context: &Context<'_>, request: &Request, settings: &Settings) -> Result<(Vectors, Report), Error> {
    if let Some(native) = native::jvp(context, request, settings)? {
        return Ok(native);
    }
    let tangent: Vec<f64> = request.vectors.iter().flat_map(|(_, array)| array.to_vec()).collect();
    let (of, _, found, mut report) = differences(context, request, settings, Problem::Jvp(&tangent), None)?;
    report.bounds = found.bounds.map(|bounds| Bounds::Vectors(of.unravel_wide(&bounds)));
    Ok((narrow(&of, &found.values, context)?, report))
}

/// w·J: for each input an array of its shape and dtype. No matrix is held.
pub fn vjp(context: &Context<'_>, request: &Request, settings: &Settings) -> Result<(Vectors, Report), Error> {
    if let Some(native) = native::vjp(context, request, settings)? {
        return Ok(native);
    }
    let (_, wrt, found, mut report) = differences(context, request, settings, Problem::Vjp, Some(&request.vectors))?;
    report.bounds = found.bounds.map(|bounds| Bounds::Vectors(wrt.unravel_wide(&bounds)));
    let mut values = found.values;
    // The gradient by a complex input is ∂/∂x − i ∂/∂y, so that it pairs with displacements without conjugation.
    for span in wrt.spans().iter().filter(|span| span.dtype.is_complex()) {
        values[span.offset..span.offset + span.len].iter_mut().skip(1).step_by(2).for_each(|im| *im = -*im);
    }
    Ok((narrow(&wrt, &values, context)?, report))
}

/// The cotangent over all output coordinates. It pairs with displacements as Re(w·dy), without
/// conjugation, hence the sign of imaginary parts.
fn ravel_cotangents(cotangents: &Vectors, of: &Layout) -> Result<Vec<f64>, Error> {
    let mut faults = Vec::new();
    let mut ravelled = vec![0.0; of.len()];
    let mut fault = |path: &Path, message: String| {
        faults.push(Violation { path: path.clone(), code: "value_error", message: format!("Value error, {message}") });
    };
    for (path, array) in cotangents {
        let Some(span) = of.span(path) else {
            fault(path, format!("there is a cotangent for {path}, but the model's outputs have none at these inputs"));
            continue;
        };
        // A length that the schema leaves open is never repeated: a shorter cotangent is a mistake.
        match (*array.shape() == *span.shape).then(|| array.clone()) {
            Some(array) => {
                let slots = &mut ravelled[span.offset..span.offset + span.len];
                let wide = if span.dtype.is_complex() { DType::Complex128 } else { DType::Float64 };
                match crate::codec::cast(array, wide) {
                    Ok(array) => array.read(slots),
                    Err(error) => {
                        fault(path, format!("the cotangent of {path}: {error}"));
                        continue;
                    }
                }
                if span.dtype.is_complex() {
                    slots.iter_mut().skip(1).step_by(2).for_each(|im| *im = -*im);
                }
            }
            None => fault(
                path,
                format!("the cotangent of {path} has shape {:?}, the output has {:?}", array.shape(), span.shape),
            ),
        }
    }
    for span in of.spans().iter().filter(|span| !cotangents.iter().any(|(path, _)| *path == span.path)) {
        fault(&span.path, format!("the output {} has no cotangent", span.path));
    }
    if faults.is_empty() { Ok(ravelled) } else { Err(Error::Caller(Violations(faults))) }
}

/// Plans, scouts, sweeps and folds.
pub(super) fn differences(
    context: &Context<'_>,
    request: &Request,
    settings: &Settings,
    problem: Problem<'_>,
    cotangents: Option<&Vectors>,
) -> Result<(Layout, Layout, Derivative, Report), Error> {
    let started = Instant::now();
    let (pool, progress) = (context.pool, context.progress);
    let wrt = Layout::of(&request.inputs, &request.wrt)
        .unwrap_or_else(|absent| unreachable!("a request's inputs are there: {absent:?}"));
    let (algorithm, seed) = algorithm(context, request, settings, wrt.len())?;
    let base = Base::new(request.inputs.clone(), wrt, Layout::default());
    let order = if matches!(algorithm, Algorithm::Forward | Algorithm::Backward) { 1 } else { 2 };
    let axes = axes(context, request, settings, &base, order)?;
    // Where all steps are by hand there is none to be found.
    let by_hand = !axes.is_empty() && axes.iter().all(|axis| axis.by_hand);
    let algorithm = match algorithm {
        Algorithm::Auto if by_hand => Algorithm::Central,
        Algorithm::AutoForward if by_hand => Algorithm::Forward,
        other => other,
    };
    let is_jvp = matches!(problem, Problem::Jvp(_));
    let plan = Plan::new(axes, problem, algorithm, settings.bounds).map_err(|defects| refused(&defects, &base))?;
    if plan.samples().is_some() && cotangents.is_none() {
        refuse_noisy_complex(context, request, &base.wrt)?;
    }
    progress.plan(1);

    // The scout's evaluation is one of the plan's, and the first that shows which outputs there are.
    let mut point = Displacement::new();
    plan.scout(&mut point);
    let place = || place(plan.scouted(), &base);
    let mut instance = pool.lend(progress).map_err(|error| Error::opening(pool, error))?;
    let clock = Instant::now();
    let outputs = instance.apply(&base.displaced(&point));
    let typical = clock.elapsed();
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
    if let Some(row) = outcome.iter().position(|value| !value.is_finite()) {
        return Err(Error::at(pool, place(), non_finite(&of, row)));
    }
    let cotangent = cotangents.map(|cotangents| ravel_cotangents(cotangents, &of)).transpose()?;

    let workers = Workers::asked(settings.workers.or(context.defaults.workers), typical);
    let base = base.with_outputs(of);
    let samples = plan.samples();
    let expected = plan.evaluations();
    let mut machine = plan.start(&outcome, cotangent.as_deref());
    let recover = match settings.on_failure.or(context.defaults.gradient.on_failure) {
        Some(policy) => policy == OnFailure::Recover,
        // A step that was chosen is the step that is taken.
        None => {
            matches!(algorithm, Algorithm::Auto | Algorithm::AutoForward | Algorithm::Central4 | Algorithm::Richardson)
        }
    };
    let workers = exec::sweep(pool, &base, &mut machine, expected, workers, recover, progress)
        .map_err(|failure| failed(failure, &base, context))?;

    let found = machine.finish();
    let stumbles = found.stumbles.iter().map(|stumble| Stumble {
        place: match stumble.place {
            diff::Place::Axis { coordinate, .. } => base.wrt.name(coordinate),
            diff::Place::Tangent { .. } => "the tangent".to_owned(),
            diff::Place::Sample { sample, .. } => format!("random direction {sample}"),
            diff::Place::Base | diff::Place::Noise => "the measurement of noise".to_owned(),
        },
        steps: stumble.steps.clone(),
    });
    let noise = found.noise.as_ref().map_or_else(Vec::new, |noise| match cotangents {
        Some(_) => noise.iter().map(|&noise| Noise { path: Path::root(), least: noise, most: noise }).collect(),
        None => {
            let ranges = ranges(&base.of, noise).into_iter();
            ranges.map(|(path, least, most)| Noise { path, least, most }).collect()
        }
    });
    let report = Report {
        algorithm: name(algorithm, is_jvp, samples).to_owned(),
        evaluations: found.evaluations,
        elapsed: started.elapsed(),
        workers,
        steps: ranges(&base.wrt, &found.steps)
            .into_iter()
            .map(|(path, least, most)| Steps { path, least, most })
            .collect(),
        samples,
        seed: samples.and(seed),
        noise,
        stumbles: stumbles.collect(),
        bounds: None,
        warnings: warnings(&found, samples),
    };
    let Base { of, wrt, .. } = base;
    Ok((of, wrt, found, report))
}

/// What whoever uses the numbers must know.
fn warnings(found: &Derivative, samples: Option<usize>) -> Vec<String> {
    let Some(bounds) = &found.bounds else { return Vec::new() };
    let norm = |values: &[f64]| values.iter().map(|value| value * value).sum::<f64>().sqrt();
    let (size, error) = (norm(&found.values), norm(bounds));
    let mut warnings = Vec::new();
    match samples {
        Some(samples) if error > size => warnings.push(format!(
            "the standard error of this estimate from {samples} random directions is {:.0} % of its size: take more, \
             or algorithm = \"auto\"",
            100.0 * error / size
        )),
        None if error > size && size > 0.0 && error.is_finite() => warnings.push(format!(
            "the error of this derivative may be {:.1} times its size: the outputs are too noisy, or do not depend \
             on the inputs",
            error / size
        )),
        _ => {}
    }
    warnings
}

fn name(algorithm: Algorithm, is_jvp: bool, samples: Option<usize>) -> &'static str {
    match algorithm {
        Algorithm::Auto => "auto",
        Algorithm::AutoForward => "auto-forward",
        Algorithm::Central => "central",
        Algorithm::Forward => "forward",
        Algorithm::Backward => "backward",
        Algorithm::Central4 => "central4",
        Algorithm::Richardson => "richardson",
        Algorithm::Stochastic { .. } if samples.is_some() => "stochastic",
        Algorithm::Stochastic { .. } if is_jvp => "central (a tangent is a direction already)",
        Algorithm::Stochastic { .. } => "central (no dearer than stochastic)",
    }
}

/// The least and the greatest of the values of every leaf that has any.
fn ranges(layout: &Layout, values: &[f64]) -> Vec<(Path, f64, f64)> {
    let spans = layout.spans().iter().filter(|span| span.len > 0);
    let range = |values: &[f64]| values.iter().fold((f64::INFINITY, 0.0f64), |(a, b), v| (v.min(a), v.max(b)));
    spans
        .map(|span| {
            let (least, most) = range(&values[span.offset..span.offset + span.len]);
            (span.path.clone(), least, most)
        })
        .collect()
}

/// The algorithm: as asked, else as the inputs say, else as the manifest says, else automatic. With the
/// seed, drawn if it is not given.
fn algorithm(
    context: &Context<'_>,
    request: &Request,
    settings: &Settings,
    n: usize,
) -> Result<(Algorithm, Option<u64>), Error> {
    let defaults = &context.defaults.gradient;
    let name = match (settings.algorithm, context.defaults.algorithm_from()) {
        (Some(name), _) => name,
        (None, Some(path)) => match request.inputs.get(&path) {
            Some(Tree::Text(text)) => {
                let word = text.trim_matches('"');
                word.parse().map_err(|error: String| Error::caller(path, "literal_error", error))?
            }
            _ => defaults.algorithm.unwrap_or(AlgorithmName::Auto),
        },
        (None, None) => defaults.algorithm.unwrap_or(AlgorithmName::Auto),
    };
    let samples = settings.samples.or(defaults.samples).unwrap_or_else(|| diff::default_samples(n));
    let seed = settings.seed.or(defaults.seed);
    Ok(match name {
        AlgorithmName::Auto => (Algorithm::Auto, None),
        AlgorithmName::AutoForward => (Algorithm::AutoForward, None),
        AlgorithmName::Central => (Algorithm::Central, None),
        AlgorithmName::Forward => (Algorithm::Forward, None),
        AlgorithmName::Backward => (Algorithm::Backward, None),
        AlgorithmName::Central4 => (Algorithm::Central4, None),
        AlgorithmName::Richardson => (Algorithm::Richardson, None),
        AlgorithmName::Stochastic => {
            // Short enough to be typed again, and exact in JSON.
            let seed = seed.unwrap_or_else(|| rand::random::<u64>() >> 32);
            (Algorithm::Stochastic { samples, seed }, Some(seed))
        }
    })
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
            "Value error, {output} and {input} are both complex, and the stochastic algorithm cannot tell whether \
             the one is a holomorphic function of the other: choose another algorithm, or ask for a JVP or VJP"
        ),
    ))
}

pub(super) fn failed(failure: Failure, base: &Base, context: &Context<'_>) -> Error {
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
