//! Second derivatives from the outputs alone.

use std::collections::BTreeMap;
use std::time::Instant;

use super::{Found, Subject, layout, place};
use crate::diff::{self, Axes, Curvature, Curved, Defect, Displacement, Problem, Ray};
use crate::endpoint::Error;
use crate::endpoint::axes::{axes, based, refused};
use crate::endpoint::differences::{differences, non_finite, workers};
use crate::endpoint::report::Stumble;
use crate::endpoint::request::Request;
use crate::endpoint::settings::Settings;
use crate::endpoint::vectors::Vectors;
use crate::exec;
use crate::manifest::{AlgorithmName, OnFailure};
use crate::model::{Base, ModelErrorKind};
use crate::tree::Layout;

/// The whole matrix.
pub(super) fn matrix(subject: &Subject<'_, '_>, base: &Base) -> Result<Found, Error> {
    let n = base.wrt.len();
    let (curved, found) = curvature(subject, base, Curvature::all)?;
    let (mut values, mut bounds) = (vec![0.0; n * n], vec![0.0; n * n]);
    let pairs = (0..n).flat_map(|i| (0..=i).map(move |j| (i, j)));
    for ((i, j), (value, bound)) in pairs.zip(curved.values.into_iter().zip(curved.bounds)) {
        for place in [i * n + j, j * n + i] {
            (values[place], bounds[place]) = (value, bound);
        }
    }
    Ok(Found { values, bounds: Some(bounds), steps: curved.steps, ..found })
}

/// Its product with a tangent, which may be of other inputs.
pub(super) fn product(subject: &Subject<'_, '_>, by: &Layout, tangents: &Vectors) -> Result<Found, Error> {
    let request = &subject.gradient;
    let others = tangents.iter().map(|(path, _)| path).filter(|path| by.span(path).is_none());
    let both = layout(request, by.paths().chain(others))?;
    let mut tangent = vec![0.0; both.len()];
    for (path, array) in tangents {
        let Some(span) = both.span(path) else { unreachable!("it was laid out") };
        array.read(&mut tangent[span.offset..span.offset + span.len]);
    }
    let base = based(subject.context, request.inputs.clone(), both, subject.of.clone())?;
    let at: Vec<usize> = (0..by.len()).collect();
    if tangent.iter().all(|v| *v == 0.0) {
        let zeros = vec![0.0; by.len()];
        return Ok(Found { values: zeros.clone(), bounds: Some(zeros.clone()), steps: zeros, ..nothing() });
    }
    let (mut curved, found) =
        curvature(subject, &base, |axes, size, noise| Curvature::product(axes, &tangent, &at, size, noise))?;
    curved.steps.truncate(by.len());
    Ok(Found { values: curved.values, bounds: Some(curved.bounds), steps: curved.steps, ..found })
}

fn nothing() -> Found {
    Found {
        values: Vec::new(),
        bounds: None,
        steps: Vec::new(),
        stumbles: Vec::new(),
        noise: None,
        // That at the base, which told the outputs.
        evaluations: 1,
        workers: 1,
        algorithm: "second differences",
    }
}

/// Evaluates what a machine asks for, at the base of both.
fn curvature(
    subject: &Subject<'_, '_>,
    base: &Base,
    machine: impl FnOnce(Axes, f64, f64) -> Result<Curvature, Defect>,
) -> Result<(Curved, Found), Error> {
    let Subject { context, settings, gradient, outputs, weights, .. } = subject;
    let axes = axes(context, gradient, settings, base, 2)?;
    let mut found = nothing();
    let clock = Instant::now();
    let noise = noise(subject, base, &axes, &mut found)?;
    let typical = clock.elapsed() / u32::try_from(found.evaluations).unwrap_or(u32::MAX);
    let size = outputs.iter().zip(weights).map(|(y, w)| (y * w).abs()).sum();
    found.noise = Some(noise);
    let mut machine = machine(axes, size, noise).map_err(|defect| refused(&[defect], base))?;

    let workers = workers(context, settings, typical);
    let recovers = settings.on_failure.or(context.defaults.gradient.on_failure) != Some(OnFailure::Error);
    let mut failure = None;
    let mut stumbles: BTreeMap<usize, Vec<f64>> = BTreeMap::new();
    let mut evaluate = |points: &[Displacement]| -> Result<Vec<f64>, Error> {
        let outcomes = exec::evaluate(context.pool, base, points, workers, context.progress)
            .map_err(|error| Error::opening(context.pool, error))?;
        found.evaluations += outcomes.len();
        let value = |(point, outcome): (&Displacement, Result<Vec<f64>, _>)| {
            let error = match outcome {
                Ok(outcome) => match diff::not_finite(&outcome) {
                    None => return Ok(outcome.iter().zip(weights).map(|(y, w)| y * w).sum()),
                    Some(row) => non_finite(&base.of, row),
                },
                Err(error) => error,
            };
            if error.kind == ModelErrorKind::Cancelled {
                return Err(Error::Cancelled);
            }
            if !recovers {
                return Err(Error::at(context.pool, place(point, base), error));
            }
            for &(i, value) in point {
                stumbles.entry(i).or_default().push((value - base.x[i]).abs());
            }
            failure.get_or_insert((point.clone(), error));
            Ok(f64::NAN)
        };
        points.iter().zip(outcomes).map(value).collect()
    };
    // The base has been evaluated.
    let ladders = machine.ladders();
    let at_base = outputs.iter().zip(weights).map(|(y, w)| y * w).sum();
    let told = evaluate(&ladders[1..])?;
    machine.tell(std::iter::once(at_base).chain(told));
    let aside = machine.aside();
    let told = evaluate(&aside)?;
    machine.tell(told);
    let mixed = machine.mixed();
    let told = evaluate(&mixed)?;
    machine.tell(told);
    let curved = machine.finish();
    let stumbles = stumbles.into_iter().map(|(i, steps)| Stumble { place: base.wrt.name(i), steps });
    found.stumbles = stumbles.collect();
    // Failures are stepped around as long as there is a number.
    match failure {
        Some((point, error)) if curved.values.iter().any(|value| !value.is_finite()) => {
            Err(Error::at(context.pool, place(&point, base), error))
        }
        _ => Ok((curved, found)),
    }
}

/// The noise of the weighted sum: as first differences along some direction tell it.
fn noise(subject: &Subject<'_, '_>, base: &Base, axes: &Axes, found: &mut Found) -> Result<f64, Error> {
    let Subject { context, settings, gradient, weights, .. } = subject;
    let request = Request { wrt: base.wrt.paths().cloned().collect(), ..gradient.clone() };
    let settings = Settings {
        algorithm: Some(AlgorithmName::Auto),
        bounds: true,
        workers: settings.workers,
        on_failure: settings.on_failure,
        ..Settings::default()
    };
    let ray = Ray::draw(axes, 0);
    let (.., taken, report) = differences(context, &request, &settings, Problem::Jvp(&ray.direction), |_| Ok(None))?;
    found.evaluations += taken.evaluations;
    found.workers = report.workers;
    let noise = taken.noise.unwrap_or_else(|| vec![0.0; weights.len()]);
    Ok(diff::norm(&noise.iter().zip(weights).map(|(noise, w)| noise * w).collect::<Vec<_>>()))
}
