//! Second derivatives of one number: of a scalar output, or of outputs weighted by a cotangent. Differences of
//! gradients where the model has derivatives of its own, else second differences of its outputs.

mod gradients;
mod values;

use std::time::Instant;

use super::axes::{based, short};
use super::derive::ravel_cotangents;
use super::error::Place;
use super::jacobian::Values;
use super::report::{Bounds, Noise, Report, Steps, Stumble};
use super::request::{Request, Wanted};
use super::settings::Settings;
use super::vectors::{Vectors, narrow};
use super::{Context, Error, Jacobian, apply};
use crate::diff::Displacement;
use crate::manifest::AlgorithmName;
use crate::model::Base;
use crate::tree::{Array, DType, Layout, Path};

/// Where second derivatives are taken, and of what.
struct Subject<'s, 'c> {
    context: &'s Context<'c>,
    settings: &'s Settings,
    /// What a VJP is asked with for the gradient.
    gradient: Request,
    of: Layout,
    /// The outputs at the point.
    outputs: Vec<f64>,
    /// Their weights: the function is the sum of their products.
    weights: Vec<f64>,
    started: Instant,
}

/// Numbers, what is known of their errors, and what they cost.
struct Found {
    values: Vec<f64>,
    bounds: Option<Vec<f64>>,
    /// The step of every coordinate, where each has its own.
    steps: Vec<f64>,
    /// What was stepped around.
    stumbles: Vec<Stumble>,
    noise: Option<f64>,
    evaluations: usize,
    workers: usize,
    algorithm: &'static str,
}

/// The Hessian by the inputs asked for, symmetric: a block for each pair of them.
pub fn hessian(context: &Context<'_>, request: &Request, settings: &Settings) -> Result<Jacobian, Error> {
    let subject = Subject::new(context, request, settings)?;
    let wrt = layout(request, &request.wrt)?;
    settings.expect_room(wrt.len(), wrt.len())?;
    let base = based(context, request.inputs.clone(), wrt, subject.of.clone())?;
    let mut found = if subject.has_own_gradient()? {
        gradients::matrix(&subject, &base)?
    } else {
        values::matrix(&subject, &base)?
    };
    let wrt = base.wrt;
    let mut report = subject.report(&wrt, &found);
    let values = Values::Columns(std::mem::take(&mut found.values));
    report.bounds =
        found.bounds.filter(|_| settings.bounds).map(|bounds| Bounds::matrix(&wrt, &wrt, Values::Bounds(bounds)));
    Ok(Jacobian::new(wrt.clone(), wrt, values, report))
}

/// The product of the Hessian with the request's tangent: for each input asked for an array of its shape.
pub fn hvp(context: &Context<'_>, request: &Request, settings: &Settings) -> Result<(Vectors, Report), Error> {
    hessian_vector_product(context, request, &request.vectors, settings)
}

/// The same where the tangent may be one of other inputs than those that the gradient is taken by, `request.wrt`.
pub fn hessian_vector_product(
    context: &Context<'_>,
    request: &Request,
    tangents: &Vectors,
    settings: &Settings,
) -> Result<(Vectors, Report), Error> {
    let subject = Subject::new(context, request, settings)?;
    let by = layout(request, &request.wrt)?;
    let found = if subject.has_own_gradient()? {
        gradients::product(&subject, tangents)?
    } else {
        values::product(&subject, &by, tangents)?
    };
    let mut report = subject.report(&by, &found);
    report.bounds = found.bounds.filter(|_| settings.bounds).map(|bounds| Bounds::Vectors(by.unravel_wide(&bounds)));
    Ok((narrow(&by, &found.values, context)?, report))
}

/// The layout of inputs, all of them real.
fn layout<'p>(request: &Request, paths: impl IntoIterator<Item = &'p Path>) -> Result<Layout, Error> {
    let layout = Layout::of(&request.inputs, paths).map_err(|absent| {
        Error::caller(absent.0.clone(), "value_error", format!("Value error, the inputs have no {}", absent.0))
    })?;
    if let Some(span) = layout.spans().iter().find(|span| span.dtype.is_complex()) {
        let message = format!("Value error, {} is complex: split it into real parts for second derivatives", span.path);
        return Err(Error::caller(span.path.clone(), "value_error", message));
    }
    Ok(layout)
}

impl<'s, 'c> Subject<'s, 'c> {
    fn new(context: &'s Context<'c>, request: &Request, settings: &'s Settings) -> Result<Subject<'s, 'c>, Error> {
        let started = Instant::now();
        if let Some(other) =
            settings.algorithm.filter(|name| !matches!(name, AlgorithmName::Auto | AlgorithmName::Central))
        {
            let message =
                format!("Value error, second derivatives are taken by auto or central, not by {}", other.name());
            return Err(Error::caller(Path::root(), "value_error", message));
        }
        let outputs = apply(context, &request.inputs)?;
        let paths = request.of.resolve(&outputs)?;
        let of = Layout::of(&outputs, &paths).unwrap_or_else(|absent| unreachable!("just resolved: {absent:?}"));
        let mut values = vec![0.0; of.len()];
        of.ravel(&outputs, &mut values).unwrap_or_else(|mismatch| unreachable!("laid out like this: {mismatch}"));
        if let Some(row) = crate::diff::not_finite(&values) {
            return Err(Error::at(context.pool, Place::Base, super::differences::non_finite(&of, row)));
        }
        let weights = if request.weights.is_empty() || of.is_empty() { one(&of)? } else { request.weights.clone() };
        let ravelled = ravel_cotangents(&weights, &of)?;
        let gradient = Request {
            of: Wanted(paths.into_iter().map(Into::into).collect()),
            vectors: weights,
            weights: Vectors::new(),
            ..request.clone()
        };
        Ok(Subject { context, settings, gradient, of, outputs: values, weights: ravelled, started })
    }

    /// Whether gradients are the model's own.
    fn has_own_gradient(&self) -> Result<bool, Error> {
        if self.settings.algorithm.is_some() {
            return Ok(false);
        }
        let pool = self.context.pool;
        let instance = pool.lend(self.context.progress).map_err(|error| Error::opening(pool, error))?;
        Ok(instance.natives().derivatives())
    }

    fn report(&self, wrt: &Layout, found: &Found) -> Report {
        let has_steps = found.steps.len() == wrt.len();
        let total_bound = found.bounds.as_deref().map(crate::diff::norm);
        let steps = if has_steps { super::differences::ranges(wrt, &found.steps) } else { Vec::new() };
        Report {
            algorithm: found.algorithm.to_owned(),
            evaluations: found.evaluations,
            elapsed: self.started.elapsed(),
            workers: found.workers,
            total_bound,
            stumbles: found.stumbles.clone(),
            warnings: super::differences::warnings(&found.values, total_bound, None),
            steps: steps.into_iter().map(|(path, least, most)| Steps { path, least, most }).collect(),
            noise: found
                .noise
                .iter()
                .map(|&noise| Noise { path: Path::root(), least: noise, most: noise, digits: None })
                .collect(),
            ..Report::default()
        }
    }
}

/// Where a point lies.
fn place(point: &Displacement, base: &Base) -> Place {
    if point.is_empty() {
        return Place::Base;
    }
    let moves = point.iter().take(3).map(|&(i, value)| {
        let by = value - base.x[i];
        format!("{} {} {}", base.wrt.name(i), if by < 0.0 { '-' } else { '+' }, short(by.abs()))
    });
    Place::Displaced(moves.collect::<Vec<_>>().join(", "))
}

/// The weight of the only number that there is.
fn one(of: &Layout) -> Result<Vectors, Error> {
    match of.spans() {
        [span] if span.len == 1 && !span.dtype.is_complex() => {
            Ok(vec![(span.path.clone(), Array::from_coordinates(DType::Float64, &span.shape, &[1.0]))])
        }
        spans => {
            let shapes: Vec<_> = spans
                .iter()
                .map(|span| {
                    let kind = if span.dtype.is_complex() { "complex, " } else { "" };
                    format!("{} ({kind}shape {:?})", span.path, span.shape)
                })
                .collect();
            let message = format!(
                "Value error, second derivatives are of one real number, but this is {}: name a scalar output, or \
                 weigh all elements with a cotangent_vector of these shapes",
                shapes.join(", ")
            );
            Err(Error::caller(spans.first().map_or_else(Path::root, |span| span.path.clone()), "value_error", message))
        }
    }
}
