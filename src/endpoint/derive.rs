//! Derivatives: the model's own where it has them and nothing else was asked for, else by differences.

use super::differences::{algorithm_name, differences};
use super::error::Place;
use super::jacobian::{Values, not_holomorphic};
use super::report::{Bounds, Report};
use super::request::Request;
use super::settings::Settings;
use super::sparse::{Detour, Outcome};
use super::vectors::{Vectors, narrow};
use super::{Context, Error, Jacobian, complex, native, sparse};
use crate::diff::{Problem, norm};
use crate::manifest::AlgorithmName;
use crate::model::Base;
use crate::schema::{Violation, Violations};
use crate::tree::{DType, Layout, Path};

/// The Jacobian of the outputs asked for with respect to the inputs asked for.
pub fn jacobian(context: &Context<'_>, request: &Request, settings: &Settings) -> Result<Jacobian, Error> {
    if let Some(native) = native::jacobian(context, request, settings)? {
        return Ok(native);
    }
    if algorithm_name(context, request, settings)? == AlgorithmName::Complex {
        let (Base { of, wrt, .. }, columns, bounds, mut report) = complex::columns(context, request, settings)?;
        report.total_bound = Some(norm(&bounds));
        report.bounds = settings.bounds.then(|| Bounds::matrix(&of, &wrt, Values::Bounds(bounds)));
        return Ok(Jacobian::new(of, wrt, Values::Columns(columns), report));
    }
    let detour = match sparse::in_groups(context, request, settings)? {
        Outcome::Found(found) => return Ok(found.jacobian(settings.bounds)),
        Outcome::Dense(detour) => detour,
    };
    let (base, found, mut report) = differences(context, request, settings, Problem::Jacobian, |_| Ok(None))?;
    detour.tell(&mut report);
    let Base { of, wrt, .. } = base;
    let columns = found.values;
    let suspect = |error: f64| not_holomorphic(&columns, &of, &wrt, error);
    let suspected = match (suspect(report.total_bound.unwrap_or(0.0)), report.total_bound) {
        // Where errors are not known, those of a derivative near 0 look like this too.
        (Some(_), None) => {
            let bounded = Settings { bounds: true, ..settings.clone() };
            let (.., bounded) = differences(context, request, &bounded, Problem::Jacobian, |_| Ok(None))?;
            report.evaluations += bounded.evaluations;
            suspect(bounded.total_bound.unwrap_or(f64::INFINITY))
        }
        (suspected, _) => suspected,
    };
    if let Some((output, input)) = suspected {
        return Err(Error::caller(
            output.clone(),
            "value_error",
            format!(
                "Value error, {output} is not a holomorphic function of {input}, so that one complex number an entry \
                 cannot hold its derivative: ask for a JVP or VJP, which can, or split the input into real parts"
            ),
        ));
    }
    let values = detour.matrix(columns, &mut report);
    report.bounds = found.bounds.map(|bounds| {
        let bounds = match &values {
            Values::Sparse(pattern, _) => Values::Sparse(pattern.clone(), pattern.entries_of(&bounds).0),
            _ => Values::Bounds(bounds),
        };
        Bounds::matrix(&of, &wrt, bounds)
    });
    Ok(Jacobian::new(of, wrt, values, report))
}

/// J·v: for each output an array of its shape and dtype.
pub fn jvp(context: &Context<'_>, request: &Request, settings: &Settings) -> Result<(Vectors, Report), Error> {
    if let Some(native) = native::jvp(context, request, settings)? {
        return Ok(native);
    }
    let tangent: Vec<f64> = request.vectors.iter().flat_map(|(_, array)| array.to_vec()).collect();
    if algorithm_name(context, request, settings)? == AlgorithmName::Complex {
        let (Base { of, .. }, columns, bounds, mut report) = complex::columns(context, request, settings)?;
        let product = |columns: &[f64], weight: fn(f64) -> f64| {
            let mut product = vec![0.0; of.len()];
            for (column, v) in columns.chunks_exact(of.len().max(1)).zip(&tangent) {
                product.iter_mut().zip(column).for_each(|(sum, value)| *sum += value * weight(*v));
            }
            product
        };
        let bounds = product(&bounds, f64::abs);
        report.total_bound = Some(norm(&bounds));
        report.bounds = settings.bounds.then(|| Bounds::Vectors(of.unravel_wide(&bounds)));
        return Ok((narrow(&of, &product(&columns, |v| v), context)?, report));
    }
    let (base, found, mut report) = differences(context, request, settings, Problem::Jvp(&tangent), |_| Ok(None))?;
    let of = base.of;
    report.bounds = found.bounds.map(|bounds| Bounds::Vectors(of.unravel_wide(&bounds)));
    Ok((narrow(&of, &found.values, context)?, report))
}

/// w·J: for each input an array of its shape and dtype. No matrix is held.
pub fn vjp(context: &Context<'_>, request: &Request, settings: &Settings) -> Result<(Vectors, Report), Error> {
    if let Some(native) = native::vjp(context, request, settings, Place::Base)? {
        return Ok(native);
    }
    let cotangent = |of: &Layout| ravel_cotangents(&request.vectors, of);
    let complex = algorithm_name(context, request, settings)? == AlgorithmName::Complex;
    let outcome =
        if complex { Outcome::Dense(Detour::default()) } else { sparse::in_groups(context, request, settings)? };
    let (wrt, mut values, bounds, mut report) = match outcome {
        _ if complex => {
            let (base, columns, bounds, mut report) = complex::columns(context, request, settings)?;
            let cotangent = cotangent(&base.of)?;
            let product = |columns: &[f64], weight: fn(f64) -> f64| -> Vec<f64> {
                let column = |column: &[f64]| column.iter().zip(&cotangent).map(|(value, w)| value * weight(*w)).sum();
                columns.chunks_exact(cotangent.len().max(1)).map(column).collect()
            };
            let (values, bounds) = (product(&columns, |w| w), product(&bounds, f64::abs));
            report.total_bound = Some(norm(&bounds));
            (base.wrt, values, Some(bounds), report)
        }
        Outcome::Found(mut found) => {
            let (values, bounds) = found.product(&cotangent(&found.base.of)?);
            found.report.total_bound = bounds.as_deref().map(norm);
            (found.base.wrt, values, bounds, found.report)
        }
        Outcome::Dense(detour) => {
            let cotangent = |of: &Layout| cotangent(of).map(Some);
            let (base, found, mut report) = differences(context, request, settings, Problem::Vjp, cotangent)?;
            detour.tell(&mut report);
            (base.wrt, found.values, found.bounds, report)
        }
    };
    report.bounds = bounds.filter(|_| settings.bounds).map(|bounds| Bounds::Vectors(wrt.unravel_wide(&bounds)));
    // The gradient by a complex input is ∂/∂x − i ∂/∂y, so that it pairs with displacements without conjugation.
    for span in wrt.spans().iter().filter(|span| span.dtype.is_complex()) {
        values[span.offset..span.offset + span.len].iter_mut().skip(1).step_by(2).for_each(|im| *im = -*im);
    }
    Ok((narrow(&wrt, &values, context)?, report))
}

/// The cotangent over all output coordinates. It pairs with displacements as Re(w·dy), without
/// conjugation, hence the sign of imaginary parts.
pub(super) fn ravel_cotangents(cotangents: &Vectors, of: &Layout) -> Result<Vec<f64>, Error> {
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
