//! `secant check`: a model's own derivatives against differences, and both against Taylor's theorem.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::args::{Check, Findings, OwnDerivative};
use super::progress::watched;
use super::{Failure, report, settings};
use crate::endpoint::{self, Body, Checked, Checks, Endpoint, Error, Lists, Question, Request};

/// Checks, tells, and fails where anything did.
pub(super) fn run(check: &Check, folders: &[PathBuf], quiet: bool) -> Result<(), Failure> {
    let checks = checks(check)?;
    let mut body = settings::read_payload(&check.payload)?;
    let (wrt, of) = Question::Jacobian.lists();
    settings::override_paths(&mut body, (wrt, &check.input_paths), (of, &check.output_paths));
    let body = Body::from(body);
    let model = settings::open(&check.model, folders)?;
    let found = watched(quiet || check.no_show_progress, |progress| {
        let context = model.context(progress);
        let request = Request::parse(model.signature(), Question::Jacobian, &body, Lists::Optional)?;
        endpoint::check(&context, &request, &checks)
    })
    .map_err(|error: Error| Failure::from(error))?;
    match check.format {
        Findings::Text => report::lines(&text(&found, &checks))?,
        Findings::Json => report::lines(&format!("{}\n", json(&found, &checks)))?,
    }
    if !quiet {
        for warning in &found.warnings {
            report::note(&format!("warning: {warning}"));
        }
    }
    if found.passed() { Ok(()) } else { Err(Failure::Cases) }
}

fn checks(check: &Check) -> Result<Checks, Failure> {
    let typed: Vec<String> = check.eps.iter().chain(&check.eps_for).cloned().collect();
    if let Some(pair) = check.eps_for.iter().find(|pair| !pair.contains('=')) {
        return Err(Failure::Caller(format!("--eps-for {pair}: expected PATH=NUMBER")));
    }
    let question = |own: &OwnDerivative| match own {
        OwnDerivative::Jacobian => Question::Jacobian,
        OwnDerivative::Jvp => Question::Jvp,
        OwnDerivative::Vjp => Question::Vjp,
    };
    Ok(Checks {
        questions: check.endpoints.iter().map(question).collect(),
        max_inputs: check.max_evals as usize,
        max_outputs: check.max_output_samples as usize,
        max_failures: check.max_failures,
        seed: check.seed,
        rtol: check.rtol,
        eps: settings::eps(&typed)?,
        workers: check.model.workers.map(usize::from),
    })
}

fn name(question: Question) -> &'static str {
    Endpoint::Derivative(question).name()
}

/// What was found, for people.
fn text(found: &Checked, checks: &Checks) -> String {
    let mut text = String::new();
    let drawn = |what: &str, (looked_at, all): (usize, usize)| {
        let drawn = looked_at < all && !found.comparisons.is_empty();
        drawn.then(|| format!("{looked_at} of {all} elements of {what}, drawn with the seed {}\n", checks.seed))
    };
    text.extend(drawn("inputs", found.inputs));
    text.extend(drawn("outputs", found.outputs));
    for comparison in &found.comparisons {
        let name = name(comparison.question);
        if let Some(error) = &comparison.error {
            text += &format!("FAILED  {name}: {error}\n");
            continue;
        }
        let word = if comparison.passed() { "ok    " } else { "FAILED" };
        text += &format!("{word}  {name}: {} failures in {} checks", comparison.failures, comparison.checks);
        if comparison.undecided > 0 {
            text += &format!(", {} undecided, since differences have no bound there", comparison.undecided);
        }
        text.push('\n');
        if !comparison.worst.is_empty() {
            let head = ["  output", "input", "native", "difference", "bound"].map(str::to_owned).to_vec();
            let rows = comparison.worst.iter().map(|wrong| {
                let number = |value: f64| format!("{value:.6e}");
                vec![
                    format!("  {}", wrong.output),
                    wrong.input.clone(),
                    number(wrong.native),
                    number(wrong.difference),
                    format!("{:.1e}", wrong.bound),
                ]
            });
            text += &report::table(&[head].into_iter().chain(rows).collect::<Vec<_>>());
            let more = comparison.failures - comparison.worst.len();
            if more > 0 {
                text += &format!("  and {more} more\n");
            }
        }
    }
    if found.inputs.1 == 0 || found.outputs.1 == 0 {
        text += "nothing to check: there are no elements to differentiate here\n";
    } else if found.comparisons.is_empty() {
        text += "the model has no derivatives of its own\n";
    }
    for curve in &found.curves {
        let (word, slope) = match curve.slope {
            None if !curve.passed() => ("FAILED", "not tested, as the model failed wherever it was tried".to_owned()),
            None => ("ok    ", "linear, to the precision of the outputs".to_owned()),
            Some(slope) if curve.passed() => ("ok    ", format!("slope {slope:.2}")),
            Some(slope) => ("FAILED", format!("slope {slope:.2}, expected 2")),
        };
        let along = if found.along.is_empty() { String::new() } else { format!(", {}", found.along) };
        text += &format!("{word}  Taylor remainder of {}{along}: {slope}\n", curve.path);
    }
    text + &format!("{} evaluation{}\n", found.evaluations, if found.evaluations == 1 { "" } else { "s" })
}

/// The same for programs. Numbers that JSON has not are null.
fn json(found: &Checked, checks: &Checks) -> Value {
    let endpoints = found.comparisons.iter().map(|comparison| {
        let worst = comparison.worst.iter().map(|wrong| {
            json!({
                "output": wrong.output,
                "input": wrong.input,
                "native": wrong.native,
                "difference": wrong.difference,
                "bound": wrong.bound,
            })
        });
        let told = json!({
            "passed": comparison.passed(),
            "checks": comparison.checks,
            "failures": comparison.failures,
            "undecided": comparison.undecided,
            "worst": worst.collect::<Vec<_>>(),
            "error": comparison.error,
        });
        (name(comparison.question).to_owned(), told)
    });
    let curves = found.curves.iter().map(|curve| {
        let remainders = curve
            .remainders
            .iter()
            .map(|remainder| json!({"step": remainder.step, "remainder": remainder.size, "floor": remainder.floor}));
        let told = json!({
            "passed": curve.passed(),
            "slope": curve.slope,
            "remainders": remainders.collect::<Vec<_>>(),
        });
        (curve.path.to_string(), told)
    });
    let sampled = |(looked_at, all): (usize, usize)| json!({"checked": looked_at, "all": all});
    json!({
        "passed": found.passed(),
        "seed": checks.seed,
        "inputs": sampled(found.inputs),
        "outputs": sampled(found.outputs),
        "endpoints": endpoints.collect::<serde_json::Map<_, _>>(),
        "taylor": {"derivative": found.along, "outputs": curves.collect::<serde_json::Map<_, _>>()},
        "evaluations": found.evaluations,
        "warnings": found.warnings,
    })
}
