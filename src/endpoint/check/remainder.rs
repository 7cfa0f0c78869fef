//! The Taylor remainder test of a model: evaluations along a direction, and the slope for every output.

use super::Subject;
use crate::diff::{Expected, LEAST_SLOPE, Ray, Remainder, slope};
use crate::endpoint::axes::{axes, based};
use crate::endpoint::differences::workers;
use crate::endpoint::error::Place;
use crate::endpoint::settings::Settings;
use crate::endpoint::{Error, native};
use crate::exec;
use crate::model::ModelErrorKind;
use crate::tree::Path;

/// Steps that are evaluated before it is looked whether shorter ones are worth it.
const ROUND: usize = 8;

/// An output fails only where it does along so many directions: along one of them its second derivative may vanish
/// nearby, and bend the line.
const DIRECTIONS: u64 = 2;

/// So many are tried for an output that was evaluated along none, as beside an edge that no schema tells.
const TRIED: u64 = 4;

/// The remainders of one output.
#[derive(Clone, Debug)]
pub struct Curve {
    /// The output.
    pub path: Path,
    /// How steeply they fall; `None` where they do not stand out from the noise: f is then linear there, to the
    /// precision of its outputs, and J its derivative.
    pub slope: Option<f64>,
    /// The remainders, from the longest step.
    pub remainders: Vec<Remainder>,
}

impl Curve {
    /// Whether it falls as it should. What was evaluated nowhere was not tested.
    pub fn passed(&self) -> bool {
        !self.remainders.is_empty() && self.slope.is_none_or(|slope| slope >= LEAST_SLOPE)
    }
}

/// All outputs.
#[derive(Default)]
pub(super) struct Test {
    pub(super) curves: Vec<Curve>,
    /// What J d was.
    pub(super) along: String,
    pub(super) evaluations: usize,
}

pub(super) fn test(subject: &Subject<'_, '_>) -> Result<Test, Error> {
    let mut test = one(subject, 0)?;
    for direction in 1..TRIED {
        let wants = |curve: &Curve| match direction < DIRECTIONS {
            true => !curve.passed(),
            false => curve.remainders.is_empty(),
        };
        if !test.curves.iter().any(wants) {
            break;
        }
        let again = one(subject, direction)?;
        test.evaluations += again.evaluations;
        if test.along.is_empty() {
            test.along = again.along;
        }
        for (curve, other) in test.curves.iter_mut().zip(again.curves) {
            // Where this direction tells nothing, what an earlier one told stands.
            if wants(curve) && !other.remainders.is_empty() {
                *curve = other;
            }
        }
    }
    Ok(test)
}

fn one(subject: &Subject<'_, '_>, direction: u64) -> Result<Test, Error> {
    let Subject { context, request, of, .. } = subject;
    let settings = subject.by_differences();
    let base = based(context, request.inputs.clone(), subject.wrt.clone(), of.clone())?;
    let axes = axes(context, request, &settings, &base, 2)?;
    let ray = Ray::draw(&axes, subject.checks.seed.wrapping_add(direction));

    let untested = |path: &Path| Curve { path: path.clone(), slope: None, remainders: Vec::new() };
    // Differences are taken in any case: they tell the noise.
    let (found, report) = match subject.along(&ray.direction) {
        // There may be more room along another direction.
        Err(Error::Model { place, .. }) if place != Place::Start => {
            return Ok(Test { curves: of.paths().map(untested).collect(), ..Test::default() });
        }
        taken => taken?,
    };
    let mut evaluations = found.evaluations;
    let noise = found.noise.unwrap_or_else(|| vec![0.0; of.len()]);
    let native = native_change(subject, &ray.direction, &mut evaluations);
    let (change, bounds, along) = match native {
        Some((change, along)) => (change, Vec::new(), along),
        None => (found.values, found.bounds.unwrap_or_default(), report.algorithm),
    };

    let steps = ray.steps();
    let mut curves: Vec<Curve> = of.paths().map(untested).collect();
    for round in steps.chunks(ROUND) {
        let points: Vec<_> = round.iter().map(|h| ray.point(&axes, *h)).collect();
        let workers = workers(context, &settings, subject.typical);
        let outcomes = exec::evaluate(context.pool, &base, &points, workers, context.progress)
            .map_err(|error| Error::opening(context.pool, error))?;
        evaluations += outcomes.len();
        for (h, outcome) in round.iter().zip(outcomes) {
            let outcome = match outcome {
                Ok(outcome) => outcome,
                Err(error) if error.kind == ModelErrorKind::Cancelled => return Err(Error::Cancelled),
                // Far away the model may fail; the other steps will do.
                Err(_) => continue,
            };
            for (curve, span) in curves.iter_mut().zip(of.spans()) {
                let rows = span.offset..span.offset + span.len;
                let expected = Expected {
                    base: &subject.base[rows.clone()],
                    change: &change[rows.clone()],
                    bounds: bounds.get(rows.clone()).unwrap_or_default(),
                    noise: &noise[rows.clone()],
                    precision: 2f64.powi(1 - span.dtype.significand_bits() as i32),
                };
                curve.remainders.push(Remainder::new(expected, *h, &outcome[rows]));
            }
        }
        // Where the last remainders drown in the noise, so will those of shorter steps.
        if !curves.iter().any(|curve| curve.remainders.last().is_none_or(Remainder::stands_out)) {
            break;
        }
    }
    for curve in &mut curves {
        curve.slope = slope(&curve.remainders);
    }
    Ok(Test { curves, along, evaluations })
}

/// J d by the model itself, where it has a JVP or a Jacobian, and that answers. Where it does not, the comparison
/// says so.
fn native_change(subject: &Subject<'_, '_>, direction: &[f64], evaluations: &mut usize) -> Option<(Vec<f64>, String)> {
    if !subject.natives.jvp && !subject.natives.jacobian {
        return None;
    }
    let request = subject.with(subject.wrt.unravel_wide(direction));
    let (vectors, report) = native::jvp(subject.context, &request, &Settings::default()).ok()??;
    *evaluations += report.evaluations;
    let change: Vec<f64> = vectors.iter().flat_map(|(_, array)| array.to_vec()).collect();
    (change.len() == subject.of.len()).then_some((change, report.algorithm))
}
