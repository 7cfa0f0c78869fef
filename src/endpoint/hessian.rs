//! Second derivatives: products of a Hessian with a vector, as differences of gradients.

use super::axes::{axes, refused};
use super::differences::non_finite;
use super::error::Place;
use super::request::Request;
use super::settings::Settings;
use super::vectors::{Vectors, narrow};
use super::{Context, Error, vjp};
use crate::diff::{Algorithm, Displacement, Plan, Problem};
use crate::model::Base;
use crate::tree::{Layout, Tree};

/// The derivative of the gradient of w·f along a tangent: for each input of the request an array of its shape.
/// `gradient` is what a VJP is asked with: the point, the inputs, the outputs, and w.
///
/// The gradient is a function like any other, and this is its JVP by central differences.
pub fn hessian_vector_product(
    context: &Context<'_>,
    gradient: &Request,
    tangents: &Vectors,
    settings: &Settings,
) -> Result<Vectors, Error> {
    let layout = |paths: &mut dyn Iterator<Item = &crate::tree::Path>| {
        Layout::of(&gradient.inputs, paths).map_err(|absent| {
            Error::caller(absent.0.clone(), "value_error", format!("Value error, the inputs have no {}", absent.0))
        })
    };
    let along = layout(&mut tangents.iter().map(|(path, _)| path))?;
    let by = layout(&mut gradient.wrt.iter())?;
    let base = Base::new(gradient.inputs.clone(), along, Layout::default());
    let mut axes = axes(context, gradient, settings, &base, 2)?;
    if settings.eps.is_none() && context.defaults.gradient.eps.is_none() && !has_own_gradient(context, settings)? {
        // A gradient by central differences is good to the power 2/3 of the precision ε, so that the step that
        // balances its error is the power 2/9, where for exact values it is 1/3.
        for axis in &mut axes {
            axis.step *= 2f64.powi((f64::from(axis.bits) / 9.0).round() as i32);
        }
    }
    let tangent: Vec<f64> = tangents.iter().flat_map(|(_, array)| array.to_vec()).collect();
    let plan = Plan::new(axes, Problem::Jvp(&tangent), Algorithm::Central, false)
        .map_err(|defects| refused(&defects, &base))?;

    let gradient_at = |inputs: Tree| -> Result<Vec<f64>, Error> {
        let Request { wrt, of, vectors, .. } = gradient;
        let request = Request { inputs, wrt: wrt.clone(), of: of.clone(), vectors: vectors.clone() };
        let (vectors, _) = vjp(context, &request, settings)?;
        Ok(vectors.iter().flat_map(|(_, array)| array.to_vec()).collect())
    };
    let mut point = Displacement::new();
    plan.scout(&mut point);
    let outcome = gradient_at(base.displaced(&point))?;
    let mut machine = plan.start(&outcome, None);
    let mut scratch = Vec::new();
    while let Ok(Some(round)) = machine.ask(1) {
        for mut share in round {
            for k in 0..share.len() {
                share.displace(k, &mut point);
                let outcome = gradient_at(base.displaced(&point))?;
                share
                    .tell(k, &outcome, &mut scratch)
                    .map_err(|found| Error::at(context.pool, Place::Base, non_finite(&by, found.row)))?;
            }
        }
    }
    narrow(&by, &machine.finish().values, context)
}

/// Whether gradients are the model's own.
fn has_own_gradient(context: &Context<'_>, settings: &Settings) -> Result<bool, Error> {
    if settings.algorithm.is_some() {
        return Ok(false);
    }
    let instance = context.pool.lend(context.progress).map_err(|error| Error::opening(context.pool, error))?;
    Ok(instance.natives().derivatives())
}
