//! What is drawn of a study, on whatever it is drawn: its axes, and what is said beside the curves.

use super::scale::{Scale, short};
use crate::endpoint::{Curve, Study};

/// Decades of errors that are shown at most.
const DECADES: u16 = 18;

pub(in crate::cli) struct View<'s> {
    pub(super) study: &'s Study,
    /// Errors are drawn in this unit: the derivative's size where that is known.
    unit: f64,
    pub(super) steps: Scale,
    /// `None` where there is no error to draw: all differences are exact, or there are none.
    pub(super) errors: Option<Scale>,
}

impl<'s> View<'s> {
    pub(super) fn of(study: &'s Study) -> View<'s> {
        let reference = &study.reference;
        let known = reference.size > reference.bound && reference.size.is_finite();
        let unit = if known { reference.size } else { 1.0 };
        let points = || study.central.errors.iter().chain(&study.one_sided.errors);
        let chosen = study.chosen.iter();
        let steps = Scale::around(points().map(|point| point.0).chain(chosen.clone().map(|chosen| chosen.step)));
        let errors = points().map(|point| point.1).chain(chosen.flat_map(|chosen| [chosen.error, chosen.bound]));
        let drawn = points().any(|point| point.1 > 0.0);
        View {
            study,
            unit,
            steps: steps.unwrap_or(Scale::UNIT),
            errors: Scale::decades(errors.map(|error| error / unit), DECADES).filter(|_| drawn),
        }
    }

    /// An error as it is drawn.
    pub(super) fn drawn(&self, error: f64) -> f64 {
        error / self.unit
    }

    pub(super) fn title(&self) -> String {
        format!("{} by {} at {}", self.study.of, self.study.wrt, self.study.x)
    }

    /// What the vertical axis shows.
    pub(super) fn measure(&self) -> String {
        let what = match (self.study.reference.own, self.unit == 1.0) {
            (true, false) => "relative error against the model's own derivative",
            (true, true) => "error against the model's own derivative",
            (false, false) => "relative difference to the best estimate",
            (false, true) => "difference to the best estimate",
        };
        what.to_owned()
    }

    pub(super) fn central(&self) -> String {
        best("central", &self.study.central, self.unit)
    }

    pub(super) fn one_sided(&self) -> String {
        best(if self.study.backward { "backward" } else { "forward" }, &self.study.one_sided, self.unit)
    }

    /// What was chosen, and how good that is.
    pub(super) fn chosen(&self) -> String {
        let Some(chosen) = &self.study.chosen else { return "auto: found no step".to_owned() };
        let bound = if chosen.bound.is_finite() {
            format!("bound {}", short(self.drawn(chosen.bound)))
        } else {
            "no bound".to_owned()
        };
        let error = short(self.drawn(chosen.error));
        format!("{}: {error} with the step {}, {bound}", chosen.algorithm, short(chosen.step))
    }

    /// What else there is to say, a line each.
    pub(super) fn remarks(&self) -> Vec<String> {
        let reference = &self.study.reference;
        let mut remarks = Vec::new();
        let size = format!("the derivative's size is {}", short(reference.size));
        remarks.push(match (reference.own, reference.bound.is_finite()) {
            (true, _) => size,
            (false, true) => format!("{size}, known to {}", short(self.drawn(reference.bound))),
            (false, false) => format!("{size}, without a bound"),
        });
        if let Some(noise) = self.study.noise {
            remarks[0] += &format!("; the output's noise is {}", short(noise));
        }
        for left_out in &self.study.left_out {
            let lengths = left_out.displacements.iter().map(|by| by.abs());
            let (least, most) = lengths.fold((f64::INFINITY, 0.0f64), |(a, b), v| (v.min(a), v.max(b)));
            let count = left_out.displacements.len();
            let signs = match left_out.displacements.iter().partition::<Vec<f64>, _>(|by| **by > 0.0) {
                (_, behind) if behind.is_empty() => "+",
                (ahead, _) if ahead.is_empty() => "−",
                _ => "±",
            };
            let range = if least == most { short(most) } else { format!("{} to {signs}{}", short(least), short(most)) };
            let points = if count == 1 { "point" } else { "points" };
            remarks.push(format!("left out: {count} {points}, {signs}{range}, {}", left_out.why));
        }
        remarks
    }
}

fn best(name: &str, curve: &Curve, unit: f64) -> String {
    match curve.best() {
        None => format!("{name}: none"),
        Some((_, 0.0)) => {
            let exact = curve.errors.iter().filter(|point| point.1 == 0.0).count();
            let all = if exact == curve.errors.len() { "all".to_owned() } else { exact.to_string() };
            format!("{name}: exact with {all} of {} steps", curve.errors.len())
        }
        Some((step, error)) => format!("{name}: at best {} with the step {}", short(error / unit), short(step)),
    }
}
