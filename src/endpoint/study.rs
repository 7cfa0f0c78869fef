//! The study of steps: how far differences with many steps are from the derivative, element by element, and where
//! the automatic step lies among them.

use std::ops::Range;
use std::time::Instant;

use serde_json::Value;

use super::axes::{axes, based};
use super::differences::{differences, non_finite};
use super::error::Place;
use super::faults::Faults;
use super::{Body, Context, Error, Lists, Question, Request, Settings, apply, element, native};
use crate::diff::{self, Axis, Displacement, Missing, Problem, Rung};
use crate::exec::{self, Outcome, Workers};
use crate::manifest::{AlgorithmName, OnFailure};
use crate::model::Base;
use crate::schema::Violations;
use crate::tree::{Layout, Path, Span};

/// What is to be studied.
pub struct Asked<'a> {
    /// The elements by name; where there are none, some are drawn.
    pub elements: &'a [String],
    /// How many are drawn.
    pub count: usize,
    /// The seed of the draw.
    pub seed: u64,
}

/// All that was found.
pub struct Studies {
    /// Of an element and an output each.
    pub studies: Vec<Study>,
    /// Evaluations of the model, and questions to its own derivative.
    pub evaluations: usize,
}

/// The derivative of one output by one element of an input. Its size and that of errors is the Euclidean norm over
/// the output's elements.
pub struct Study {
    /// The output.
    pub of: Path,
    /// The element, by name.
    pub wrt: String,
    /// Its value.
    pub x: f64,
    /// What errors are told against.
    pub reference: Reference,
    /// What is taken by default; `None` where no automatic step was found.
    pub chosen: Option<Chosen>,
    /// The noise of the output, where it was measured.
    pub noise: Option<f64>,
    /// Central differences.
    pub central: Curve,
    /// First-order differences: forward, or backward where there is more room behind.
    pub one_sided: Curve,
    /// Whether these go backward.
    pub backward: bool,
    /// Points that could not be had.
    pub left_out: Vec<LeftOut>,
}

/// The derivative as well as it is known.
pub struct Reference {
    /// Whether it is the model's own.
    pub own: bool,
    /// The derivative's size.
    pub size: f64,
    /// A bound of its error; 0 for the model's own.
    pub bound: f64,
}

/// A derivative with the step that secant chose.
pub struct Chosen {
    /// How: `auto`, or `central` with a step given by hand.
    pub algorithm: String,
    /// The step.
    pub step: f64,
    /// The distance to the reference.
    pub error: f64,
    /// The bound that is told of it.
    pub bound: f64,
}

/// Errors by step.
pub struct Curve {
    /// Steps, ascending, and errors.
    pub errors: Vec<(f64, f64)>,
    /// The order of truncation: 2, or 1.
    pub order: u32,
    /// The factor N of the noise N / step.
    pub noise: Option<f64>,
    /// The factor C of the truncation C·step^order, where it shows.
    pub truncation: Option<f64>,
}

impl Curve {
    /// The step with the least error, and that.
    pub fn best(&self) -> Option<(f64, f64)> {
        self.errors.iter().copied().min_by(|a, b| a.1.total_cmp(&b.1))
    }
}

/// Points that could not be had, for one reason.
pub struct LeftOut {
    /// The reason, to follow a comma.
    pub why: String,
    /// Their displacements.
    pub displacements: Vec<f64>,
}

/// One element's derivative, for all outputs.
struct Known {
    values: Vec<f64>,
    bounds: Vec<f64>,
    own: bool,
    /// The default's values, bounds and step, and its name.
    chosen: Option<(Vec<f64>, Vec<f64>, f64, String)>,
    noise: Option<Vec<f64>>,
}

/// Studies elements of the inputs of a request for a Jacobian. Where neither elements nor outputs are named, every
/// element drawn is shown with the output that it changes most.
pub fn study(context: &Context<'_>, body: &Value, asked: &Asked<'_>, settings: &Settings) -> Result<Studies, Error> {
    let (mut request, chosen) = proven(context, body, asked)?;
    let all = layout(&request);
    // The vectors of the others are never needed.
    let used = |path: &Path| chosen.iter().any(|&each| all.spans()[all.locate(each)].path == *path);
    request.wrt.retain(used);
    let wrt = layout(&request);
    let moved = |each: usize| {
        let span = &all.spans()[all.locate(each)];
        each - span.offset + wrt.span(&span.path).map_or(0, |span| span.offset)
    };
    let chosen: Vec<usize> = chosen.into_iter().map(moved).collect();

    let clock = Instant::now();
    let outputs = apply(context, &request.inputs)?;
    let typical = clock.elapsed();
    let paths = request.of.resolve(&outputs)?;
    let of = Layout::of(&outputs, &paths).unwrap_or_else(|absent| unreachable!("just resolved: {absent:?}"));
    let mut center = vec![0.0; of.len()];
    of.ravel(&outputs, &mut center).unwrap_or_else(|mismatch| unreachable!("laid out like this: {mismatch}"));
    if let Some(row) = diff::not_finite(&center) {
        return Err(Error::at(context.pool, Place::Base, non_finite(&of, row)));
    }

    let base = based(context, request.inputs.clone(), wrt, of)?;
    let axes = axes(context, &request, settings, &base, 2)?;
    let workers = Workers::asked(settings.workers.or(context.defaults.workers), typical);
    let named = !asked.elements.is_empty() || body.get("jac_outputs").is_some();
    let mut evaluations = 1;
    let mut studies = Vec::new();
    // One after the other: of a large output the outcomes of one fill enough memory.
    for coordinate in chosen {
        let known = known(context, &request, &base, coordinate, settings, &mut evaluations)?;
        let rungs = diff::ladder(&axes.at(coordinate));
        let ends = rungs.iter().flat_map(|rung| [rung.ahead, rung.behind]).flatten();
        let points: Vec<Displacement> = ends.map(|value| vec![(coordinate, value)]).collect();
        evaluations += points.len();
        let outcomes = exec::evaluate(context.pool, &base, &points, workers, context.progress)
            .map_err(|error| Error::opening(context.pool, error))?;
        let seen = Seen { base: &base, axis: axes.at(coordinate), coordinate, center: &center, rungs, outcomes };
        let spans = base.of.spans().iter().filter(|span| span.len > 0);
        let rows = |span: &Span| span.offset..span.offset + span.len;
        let change = |span: &Span| norm(&known.values, rows(span)) / norm(&center, rows(span)).max(f64::MIN_POSITIVE);
        let shown: Vec<&Span> = match named {
            true => spans.collect(),
            false => spans.max_by(|a, b| change(a).total_cmp(&change(b))).into_iter().collect(),
        };
        studies.extend(shown.into_iter().map(|span| seen.study(span.path.clone(), rows(span), &known)));
    }
    Ok(Studies { studies, evaluations })
}

/// The request and the coordinates to study, or all that is wrong with either.
fn proven(context: &Context<'_>, body: &Value, asked: &Asked<'_>) -> Result<(Request, Vec<usize>), Error> {
    let signature = context.pool.model().signature();
    let mut faults = Faults::default();
    let request = match Request::parse(signature, Question::Jacobian, &Body::from(body.clone()), Lists::Optional) {
        Ok(request) => Some(request),
        Err(Error::Caller(Violations(violations))) => {
            faults.extend(violations);
            None
        }
        Err(error) => return Err(error),
    };
    let layout = request.as_ref().map(layout);
    let mut chosen = element::named(asked.elements, signature, layout.as_ref(), &mut faults);
    if let Some(layout) = layout.filter(|_| asked.elements.is_empty()) {
        chosen = element::drawn(&layout, asked.count, asked.seed);
        if layout.is_empty() {
            let message = "Value error, the differentiable inputs have no elements".to_owned();
            faults.add(&Path::root(), "value_error", message);
        }
    }
    Ok((faults.finish(request).map_err(Error::Caller)?, chosen))
}

fn layout(request: &Request) -> Layout {
    Layout::of(&request.inputs, &request.wrt)
        .unwrap_or_else(|absent| unreachable!("a request's inputs are there: {absent:?}"))
}

/// The derivative of all outputs by one coordinate: with the automatic step, and as well as it can be known.
fn known(
    context: &Context<'_>,
    request: &Request,
    base: &Base,
    coordinate: usize,
    settings: &Settings,
    evaluations: &mut usize,
) -> Result<Known, Error> {
    let mut tangent = vec![0.0; base.wrt.len()];
    tangent[coordinate] = 1.0;
    let mut by = |algorithm: AlgorithmName| {
        let settings = Settings {
            algorithm: Some(algorithm),
            on_failure: Some(OnFailure::Recover),
            bounds: true,
            ..settings.clone()
        };
        match differences(context, request, &settings, Problem::Jvp(&tangent), |_| Ok(None)) {
            Ok((_, found, report)) => {
                *evaluations += report.evaluations;
                let bounds = found.bounds.unwrap_or_else(|| vec![f64::INFINITY; found.values.len()]);
                Ok(Some((found.values, bounds, found.steps[coordinate], report.algorithm, found.noise)))
            }
            // With no step did the model answer; the study may still show some.
            Err(Error::Model { place: Place::Displaced(_), .. }) => Ok(None),
            Err(error) => Err(error),
        }
    };
    let auto = by(AlgorithmName::Auto)?;
    let own = Request { vectors: base.wrt.unravel_wide(&tangent), ..request.clone() };
    let own = native::jvp(context, &own, settings)?;
    let m = base.of.len();
    let (mut values, mut bounds) = (vec![0.0; m], vec![f64::INFINITY; m]);
    let is_own = own.is_some();
    let mut noise = auto.as_ref().and_then(|(.., noise)| noise.clone());
    if let Some((vectors, report)) = own {
        *evaluations += report.evaluations;
        values = vectors.iter().flat_map(|(_, array)| array.to_vec()).collect();
        bounds = vec![0.0; m];
    } else {
        // An extrapolation has more digits than any one difference: the automatic one would be its own judge.
        let best = by(AlgorithmName::Richardson)?;
        noise = noise.or_else(|| best.as_ref().and_then(|(.., noise)| noise.clone()));
        for (found, limits, ..) in [&best, &auto].into_iter().flatten() {
            for row in 0..m {
                if limits[row] < bounds[row] {
                    (values[row], bounds[row]) = (found[row], limits[row]);
                }
            }
        }
    }
    let chosen = auto.map(|(values, bounds, step, algorithm, _)| (values, bounds, step, algorithm));
    Ok(Known { values, bounds, own: is_own, chosen, noise })
}

/// One coordinate's ladder, and the outcomes at the ends of its steps: ahead, behind, step by step.
struct Seen<'a> {
    base: &'a Base,
    axis: Axis,
    coordinate: usize,
    center: &'a [f64],
    rungs: Vec<Rung>,
    outcomes: Vec<Outcome>,
}

impl Seen<'_> {
    /// What they say of some rows.
    fn study(&self, of: Path, rows: Range<usize>, known: &Known) -> Study {
        let wrt = &self.base.wrt;
        let error = |values: &dyn Fn(usize) -> f64| {
            rows.clone().fold(0.0f64, |sum, row| sum.hypot(values(row) - known.values[row]))
        };
        let noise = known.noise.as_ref().map(|noise| norm(noise, rows.clone()));
        let curve = |errors: Vec<(f64, f64)>, order: u32| Curve {
            noise: noise.map(|noise| diff::amplification(order) * noise),
            truncation: diff::truncation(&errors, order, noise.unwrap_or(0.0)),
            errors,
            order,
        };
        let ahead = diff::goes_ahead(&self.axis);
        let (mut central, mut one_sided) = (Vec::new(), Vec::new());
        let mut left_out: Vec<LeftOut> = Vec::new();
        let mut outcomes = self.outcomes.iter();
        for rung in &self.rungs {
            let mut end = |value: Result<f64, Missing>, by: f64| {
                let why = match value.map(|value| (value, outcomes.next())) {
                    Ok((value, Some(Ok(outcome)))) if rows.clone().all(|row| outcome[row].is_finite()) => {
                        return Some((value, outcome));
                    }
                    Ok((_, Some(Err(error)))) => format!("where the model fails: {}", brief(&error.message)),
                    Ok(_) => "where an output is not finite".to_owned(),
                    Err(Missing::Bounds) => "which would leave the bounds".to_owned(),
                    Err(Missing::Lost) => match self.axis.text {
                        Some(text) => format!("which change nothing in its text, written as {text}"),
                        None => {
                            let span = &wrt.spans()[wrt.locate(self.coordinate)];
                            format!("which are lost in the precision of {}", span.dtype)
                        }
                    },
                };
                match left_out.iter_mut().find(|known| known.why == why) {
                    Some(known) => known.displacements.push(by),
                    None => left_out.push(LeftOut { why, displacements: vec![by] }),
                }
                None
            };
            let (up, down) = (end(rung.ahead, rung.step), end(rung.behind, -rung.step));
            if let (Some((a, up)), Some((b, down))) = (up, down) {
                central.push((rung.step, error(&|row| (up[row] - down[row]) / (a - b))));
            }
            if let Some((value, outcome)) = if ahead { up } else { down } {
                let by = value - self.axis.x;
                one_sided.push((rung.step, error(&|row| (outcome[row] - self.center[row]) / by)));
            }
        }
        let chosen = known.chosen.as_ref().map(|(values, bounds, step, algorithm)| Chosen {
            algorithm: algorithm.clone(),
            step: *step,
            error: error(&|row| values[row]),
            bound: norm(bounds, rows.clone()),
        });
        let (size, bound) = (norm(&known.values, rows.clone()), norm(&known.bounds, rows.clone()));
        Study {
            of,
            wrt: wrt.name(self.coordinate),
            x: self.axis.x,
            reference: Reference { own: known.own, size, bound },
            chosen,
            noise,
            central: curve(central, 2),
            one_sided: curve(one_sided, 1),
            backward: !ahead,
            left_out,
        }
    }
}

/// A message in one line of no great length.
fn brief(message: &str) -> String {
    const MOST: usize = 160;
    let words = message.split_whitespace().collect::<Vec<_>>().join(" ");
    if words.chars().count() <= MOST { words } else { words.chars().take(MOST - 1).chain(['…']).collect() }
}

/// The Euclidean norm of some of the values, which is the magnitude of a single one.
fn norm(values: &[f64], rows: Range<usize>) -> f64 {
    values[rows].iter().fold(0.0, |sum, value| value.hypot(sum))
}
