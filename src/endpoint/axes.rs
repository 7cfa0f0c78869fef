//! From inputs to axes: what differences need to know of every coordinate, or why some cannot be
//! differentiated.

use super::error::Place;
use super::faults::Faults;
use super::request::Request;
use super::settings::{ByHand, Settings};
use super::{Context, Error};
use crate::diff::{Axes, Decimal, Defect, Displacement, Kind, Step, not_finite};
use crate::manifest::{AlgorithmName, Eps};
use crate::model::Base;
use crate::schema::{Leaf, Side, Signature, Violation, Violations};
use crate::tree::{Layout, Path, Pattern, Span, Tree};

/// The leaves of the output schema that the outputs asked for can be.
pub(super) fn wanted<'s>(signature: &'s Signature, request: &Request) -> Vec<(Pattern, &'s Leaf)> {
    let asked_for = |pattern: &Pattern| {
        request.of.0.iter().any(|asked| asked == pattern || asked.as_path().is_some_and(|path| pattern.matches(&path)))
    };
    signature.differentiable(Side::Output).into_iter().filter(|(pattern, _)| asked_for(pattern)).collect()
}

/// A base as it arrives at the model: where that reads its inputs from a text, each coordinate is what its text can
/// carry, within its bounds.
pub(super) fn based(context: &Context<'_>, inputs: Tree, wrt: Layout, of: Layout) -> Result<Base, Error> {
    let base = Base::new(inputs, wrt, of);
    let texts = texts(context, &base)?;
    let mut faults = Vec::new();
    let mut moved = Displacement::new();
    for span in base.wrt.spans() {
        let (lower, upper) = domain(context.pool.model().signature(), span);
        for (i, text) in texts.iter().enumerate().skip(span.offset).take(span.len) {
            let x = base.x[i];
            let value = text.round_within(x, lower, upper);
            if value.is_nan() {
                let name = base.wrt.name(i);
                let message = format!("Value error, {name} = {x} does not fit where it is written, as {text}");
                faults.push(Violation { path: span.path.clone(), code: "value_error", message });
            } else if value != x {
                moved.push((i, value));
            }
        }
    }
    if !faults.is_empty() {
        return Err(Error::Caller(Violations(limited(faults))));
    }
    if moved.is_empty() { Ok(base) } else { Ok(Base::new(base.displaced(&moved), base.wrt, base.of)) }
}

fn texts(context: &Context<'_>, base: &Base) -> Result<Vec<Decimal>, Error> {
    let texts = context.pool.model().texts(&base.inputs, &base.wrt);
    texts.map_err(|error| Error::at(context.pool, Place::Base, error))
}

/// What differences need to know of every coordinate.
pub(super) fn axes(
    context: &Context<'_>,
    request: &Request,
    settings: &Settings,
    base: &Base,
    order: u32,
) -> Result<Axes, Error> {
    let signature = context.pool.model().signature();
    // Whoever asks for automatic steps does not want the manifest's.
    let automatic = matches!(settings.algorithm, Some(AlgorithmName::Auto | AlgorithmName::AutoForward));
    let eps = settings.eps.as_ref().or(context.defaults.gradient.eps.as_ref().filter(|_| !automatic));
    if let Some(Eps::PerPath(table)) = eps {
        check_eps_keys(
            table,
            &signature.differentiable(Side::Input).into_iter().map(|(pattern, _)| pattern).collect::<Vec<_>>(),
        )?;
    }
    let steps = ByHand::new(eps);
    // A step must show in the coarser of what goes in and what comes out.
    let wanted = wanted(signature, request);
    let output_bits = wanted.iter().map(|(_, leaf)| leaf.dtype.significand_bits()).min().unwrap_or(53);
    let texts = texts(context, base)?;
    let mut kinds = Vec::with_capacity(base.wrt.spans().len());
    let mut coarse = Vec::with_capacity(texts.len());
    let mut faults = Vec::new();
    for span in base.wrt.spans() {
        let leaf = signature.inputs.leaf(&span.path);
        let bits = span.dtype.significand_bits();
        let (lower, upper) = domain(signature, span);
        let by_hand = steps.step(&span.path);
        let step = by_hand.map_or(Step::automatic(bits.min(output_bits), order), Step::Given);
        let scale = leaf.and_then(|leaf| leaf.scale).unwrap_or(1.0);
        let kind = Kind { lower, upper, step, by_hand: by_hand.is_some(), scale, bits };
        kinds.push((span.len, kind));
        let elements = span.offset..span.offset + span.len;
        let values = &base.x[elements.clone()];
        // Almost always there is none, and that is seen at once.
        let first = not_finite(values).unwrap_or(values.len());
        for (i, x) in values.iter().enumerate().skip(first).filter(|(_, x)| !x.is_finite()) {
            let message = format!("Value error, cannot differentiate at {} = {x}", base.wrt.name(span.offset + i));
            faults.push(Violation { path: span.path.clone(), code: "finite_number", message });
        }
        let texts = texts.get(elements).unwrap_or_default().iter().zip(values);
        // A text that carries every value is none to care about.
        coarse.extend(texts.map(|(text, x)| (text.spacing(x.abs().max(scale)) > 0.0).then_some(*text)));
    }
    let axes = || Axes::new(base.x.clone(), kinds, coarse);
    if faults.is_empty() { Ok(axes()) } else { Err(Error::Caller(Violations(limited(faults)))) }
}

/// The bounds of a leaf's elements. Parts of complex numbers have none.
pub(super) fn domain(signature: &Signature, span: &Span) -> (f64, f64) {
    let leaf = signature.inputs.leaf(&span.path).filter(|leaf| !leaf.dtype.is_complex());
    let lower = leaf.and_then(Leaf::lower).unwrap_or(f64::NEG_INFINITY);
    (lower, leaf.and_then(Leaf::upper).unwrap_or(f64::INFINITY))
}

/// Whether a text is the path, or the pattern, of one of these.
pub(super) fn is_one_of(text: &str, known: &[Pattern]) -> bool {
    text.parse::<Pattern>().is_ok_and(|asked| {
        known.iter().any(|pattern| *pattern == asked || asked.as_path().is_some_and(|path| pattern.matches(&path)))
    })
}

fn check_eps_keys(table: &[(String, f64)], known: &[Pattern]) -> Result<(), Error> {
    let expected = known.iter().map(|pattern| format!("'{pattern}'")).collect::<Vec<_>>().join(", ");
    let mut faults = Faults::default();
    for (key, _) in table.iter().filter(|(key, _)| !is_one_of(key, known)) {
        let message =
            format!("Value error, eps is given for '{key}', which is no differentiable input: these are {expected}");
        faults.add(&Path::root(), "value_error", message);
    }
    faults.finish(Some(())).map_err(Error::Caller)
}

/// The first few, and how many more there are.
fn limited(mut faults: Vec<Violation>) -> Vec<Violation> {
    const SHOWN: usize = 10;
    if faults.len() > SHOWN {
        let more = faults.len() - SHOWN;
        faults.truncate(SHOWN);
        faults[SHOWN - 1].message += &format!(" (and {more} more like this)");
    }
    faults
}

/// Coordinates that cannot be differentiated, in the caller's terms.
pub(super) fn refused(defects: &[Defect], base: &Base) -> Error {
    let fault = |coordinate: usize, message: String| {
        let path = base.wrt.spans()[base.wrt.locate(coordinate)].path.clone();
        let name = base.wrt.name(coordinate);
        let element = name.strip_prefix(&path.to_string()).filter(|element| !element.is_empty());
        let element = element.map(|element| format!("element {element}: ")).unwrap_or_default();
        Violation { path, code: "value_error", message: format!("Value error, {element}{message}") }
    };
    let faults = defects.iter().map(|defect| match *defect {
        Defect::NoRoom { coordinate } => fault(
            coordinate,
            "its bounds leave it no other value, so that it has no derivative: leave it out".to_owned(),
        ),
        Defect::StepLost { coordinate, step, text: Some(text) } => fault(
            coordinate,
            format!(
                "a step of {} changes nothing in the text of {}, which is written as {text}: choose a larger eps, or \
                 none, or a format with more digits",
                short(step),
                base.x[coordinate]
            ),
        ),
        Defect::StepLost { coordinate, step, text: None } => fault(
            coordinate,
            format!(
                "a step of {} vanishes beside {} in {}: choose a larger eps, or none to have it scaled",
                short(step),
                base.x[coordinate],
                base.wrt.spans()[base.wrt.locate(coordinate)].dtype
            ),
        ),
        Defect::TangentLost => Violation {
            path: Path::root(),
            code: "value_error",
            message: "Value error, the tangent vanishes beside the inputs: choose a larger eps, or none".to_owned(),
        },
    });
    Error::Caller(Violations(limited(faults.collect())))
}

/// A step with three significant digits: `1e-6`, `6.06e-6`.
pub(super) fn short(step: f64) -> String {
    let rounded: f64 = format!("{step:.2e}").parse().unwrap_or(step);
    format!("{rounded:e}")
}
