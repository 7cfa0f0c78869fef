//! Second derivatives as central differences of the model's own gradients.

use super::{Found, Subject, layout, place};
use crate::diff::{Algorithm, Displacement, Impasse, Plan, Problem};
use crate::endpoint::axes::{axes, based, refused};
use crate::endpoint::differences::non_finite;
use crate::endpoint::request::Request;
use crate::endpoint::vectors::Vectors;
use crate::endpoint::{Error, native};
use crate::model::Base;

const NAME: &str = "central differences of native gradients";

/// The whole matrix, 2n gradients. Half of what differs from its mirror image is an error that a bound must cover.
pub(super) fn matrix(subject: &Subject<'_, '_>, base: &Base) -> Result<Found, Error> {
    let mut found = differences(subject, base, Problem::Jacobian)?;
    let n = base.wrt.len();
    for i in 0..n {
        for j in 0..i {
            let (a, b) = (i * n + j, j * n + i);
            let apart = (found.values[a] - found.values[b]).abs() / 2.0;
            let mean = (found.values[a] + found.values[b]) / 2.0;
            (found.values[a], found.values[b]) = (mean, mean);
            if let Some(bounds) = &mut found.bounds {
                let bound = apart.max((bounds[a] + bounds[b]) / 2.0);
                (bounds[a], bounds[b]) = (bound, bound);
            }
        }
    }
    Ok(found)
}

/// Its product with a tangent, two gradients.
pub(super) fn product(subject: &Subject<'_, '_>, tangents: &Vectors) -> Result<Found, Error> {
    let along = layout(&subject.gradient, tangents.iter().map(|(path, _)| path))?;
    let tangent: Vec<f64> = tangents.iter().flat_map(|(_, array)| array.to_vec()).collect();
    let base = based(subject.context, subject.gradient.inputs.clone(), along, subject.of.clone())?;
    let found = differences(subject, &base, Problem::Jvp(&tangent))?;
    // They are those of the tangent's inputs, not of the gradient's.
    Ok(Found { steps: Vec::new(), ..found })
}

fn differences(subject: &Subject<'_, '_>, base: &Base, problem: Problem<'_>) -> Result<Found, Error> {
    let Subject { context, settings, gradient, .. } = subject;
    let axes = axes(context, gradient, settings, base, 2)?;
    let plan =
        Plan::new(axes, problem, Algorithm::Central, settings.bounds).map_err(|defects| refused(&defects, base))?;
    let by = layout(gradient, &gradient.wrt)?;

    // The outputs' shapes took an evaluation.
    let mut evaluations = 1;
    let mut gradient_at = |point: &Displacement| -> Result<Vec<f64>, Error> {
        let request = Request { inputs: base.displaced(point), ..gradient.clone() };
        let Some((vectors, report)) = native::vjp(context, &request, settings, place(point, base))? else {
            unreachable!("the model has derivatives of its own, of real inputs")
        };
        evaluations += report.evaluations;
        Ok(vectors.iter().flat_map(|(_, array)| array.to_vec()).collect())
    };
    let mut point = Displacement::new();
    plan.scout(&mut point);
    let outcome = match gradient_at(&point) {
        // Refused or failed where we displaced them: were they ever good?
        Err(error) if !error.is_fatal() && !point.is_empty() => gradient_at(&Displacement::new()).and(Err(error))?,
        other => other?,
    };
    let mut machine = plan.start(&outcome, &[], None);
    let mut scratch = Vec::new();
    let stuck = |impasse: Impasse| match impasse {
        Impasse::Stuck(defect) => refused(&[defect], base),
        Impasse::Failed { .. } => unreachable!("a gradient that fails ends it"),
    };
    while let Some(round) = machine.ask(1).map_err(stuck)? {
        for mut share in round {
            for k in 0..share.len() {
                share.displace(k, &mut point);
                let outcome = gradient_at(&point)?;
                share
                    .tell(k, &outcome, &mut scratch)
                    .map_err(|found| Error::at(context.pool, place(&point, base), non_finite(&by, found.row)))?;
            }
        }
    }
    let found = machine.finish();
    Ok(Found {
        values: found.values,
        bounds: found.bounds,
        steps: found.steps,
        stumbles: Vec::new(),
        noise: None,
        evaluations,
        workers: 1,
        algorithm: NAME,
    })
}
