//! The complex step: Im f(x + ih) / h has neither truncation nor cancellation, so that h may be tiny and the derivative
//! is as exact as the model. For models that take complex inputs where they mean real ones, and compute with them all
//! the way.
//!
//! Squire and Trapp, *Using complex variables to estimate derivatives of real functions*, SIAM Review 40(1), 1998.

use std::sync::Arc;

use super::axes::refused;
use super::differences::{Prepared, Scouted, carry_out, prepare, report, scout};
use super::report::Report;
use super::request::Request;
use super::settings::Settings;
use super::{Context, Error};
use crate::diff::{self, Algorithm, Colouring, Displacement, Kind, Plan, Problem, Step};
use crate::model::Base;
use crate::schema::{Violation, Violations};
use crate::tree::Path;

/// 2⁻⁶⁶, about 1e−20: its square is lost beside 1 in any precision.
const STEP: f64 = 1.0 / (1u128 << 66) as f64;

/// The Jacobian over real coordinates, m × n by columns, and bounds of its errors: what rounding in the model leaves.
/// One evaluation an element, and one at the base.
pub(super) fn columns(
    context: &Context<'_>,
    request: &Request,
    settings: &Settings,
) -> Result<(Base, Vec<f64>, Vec<f64>, Report), Error> {
    let clock = std::time::Instant::now();
    let Prepared { base, axes, .. } = prepare(context, request, settings)?;
    if settings.eps.is_some() {
        let message = format!(
            "Value error, the complex step is {STEP:.1e} and no other, since it costs no digits: leave out eps"
        );
        return Err(Error::caller(Path::root(), "value_error", message));
    }
    let mut faults = Vec::new();
    let mut fault = |path: &Path, message: String| {
        let message = format!("Value error, the complex step {message}");
        faults.push(Violation { path: path.clone(), code: "value_error", message });
    };
    for span in base.wrt.spans() {
        if !span.dtype.is_complex() {
            fault(&span.path, format!("displaces an imaginary part, which {} ({}) has not", span.path, span.dtype));
        } else if base.x[span.offset..span.offset + span.len].iter().skip(1).step_by(2).any(|im| *im != 0.0) {
            fault(&span.path, format!("starts from real numbers, but {} has an imaginary part", span.path));
        }
    }
    if !faults.is_empty() {
        return Err(Error::Caller(Violations(faults)));
    }
    let scouted = scout(context, request, base, &Displacement::new(), diff::Place::Base)?;
    real_at_base(&scouted)?;
    settings.expect_room(scouted.base.of.len(), scouted.base.wrt.len())?;

    let groups: Vec<Vec<usize>> = (0..axes.len() / 2).map(|element| vec![2 * element + 1]).collect();
    let groups = Arc::new(Colouring::new(axes.len(), groups));
    let axes = axes.map(|kind| Kind { step: Step::Given(STEP), by_hand: true, ..kind });
    let precision = axes.kinds().map(|kind| kind.bits).min().unwrap_or(53);
    let plan = Plan::new(axes, Problem::Groups(&groups), Algorithm::Forward, false)
        .map_err(|defects| refused(&defects, &scouted.base))?;
    let (found, workers) = carry_out(context, settings, &scouted, plan, None)?;

    let m = scouted.base.of.len();
    let mut columns = vec![0.0; 2 * m * groups.groups.len()];
    for (element, imaginary) in found.values.chunks_exact(m.max(1)).enumerate() {
        let (by_re, by_im) = columns[2 * element * m..][..2 * m].split_at_mut(m);
        for row in (0..m).step_by(2) {
            let (re, im) = (imaginary[row] / STEP, imaginary[row + 1] / STEP);
            (by_im[row], by_im[row + 1]) = (re, im);
            // Cauchy and Riemann.
            (by_re[row], by_re[row + 1]) = (im, -re);
        }
    }
    let rounding = 16.0 * 2f64.powi(1 - precision as i32);
    let bounds = columns.iter().map(|value| value.abs() * rounding).collect();
    let mut report = report(&scouted, &found, false);
    report.algorithm = "complex".to_owned();
    report.workers = workers;
    report.elapsed = clock.elapsed();
    Ok((scouted.base, columns, bounds, report))
}

/// Every output asked for must be complex, and real at the base.
fn real_at_base(scouted: &Scouted) -> Result<(), Error> {
    let outcome = &scouted.outcome;
    let faults = scouted.base.of.spans().iter().filter_map(|span| {
        let what = if !span.dtype.is_complex() {
            format!("reads an imaginary part, which {} ({}) has not", span.path, span.dtype)
        } else if outcome[span.offset..span.offset + span.len].iter().skip(1).step_by(2).any(|im| *im != 0.0) {
            format!("is for outputs that are real at real inputs, but {} has an imaginary part", span.path)
        } else {
            return None;
        };
        let message = format!("Value error, the complex step {what}");
        Some(Violation { path: span.path.clone(), code: "value_error", message })
    });
    let faults: Vec<_> = faults.collect();
    if faults.is_empty() { Ok(()) } else { Err(Error::Caller(Violations(faults))) }
}
