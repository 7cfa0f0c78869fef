//! `secant study`: how the error of differences depends on the step, drawn or as a table.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::args::{Study as Arguments, StudyFormat};
use super::progress::watched;
use super::{Failure, plot, report, settings};
use crate::endpoint::{self, Asked, Curve, Settings, Studies, Study};

pub(super) fn run(arguments: &Arguments, folders: &[PathBuf], quiet: bool) -> Result<(), Failure> {
    let mut body = settings::read_payload(&arguments.payload)?;
    if let Some(fields) = body.as_object_mut().filter(|_| !arguments.of.is_empty()) {
        fields.insert("jac_outputs".to_owned(), json!(arguments.of));
    }
    let model = settings::open(&arguments.model, folders)?;
    let asked = Asked { elements: &arguments.element, count: usize::from(arguments.count), seed: arguments.seed };
    let (file, figure) = (arguments.output.as_deref(), plot::kind(arguments.output.as_deref())?);
    let how = Settings { workers: arguments.model.workers.map(usize::from), ..Settings::default() };
    let found = watched(quiet, |progress| endpoint::study(&model.context(progress), &body, &asked, &how))?;
    if let Some(kind) = figure {
        let title = format!("{}: error by step", model.description().name);
        return report::result(&plot::file(&plot::curves(&found.studies), &title, kind), file);
    }
    let is_json = file.is_some_and(|file| file.extension().is_some_and(|ending| ending == "json"));
    if is_json || arguments.format == StudyFormat::Json {
        return report::result(format!("{}\n", table(&found)).as_bytes(), file);
    }
    let coloured = file.is_none() && report::stdout_is_coloured();
    let drawings = found.studies.iter().map(|study| plot::drawing(study, report::columns(), coloured));
    let drawings: Vec<String> = drawings.collect();
    report::result(drawings.join("\n").as_bytes(), file)?;
    if !quiet {
        report::note(&format!("{} evaluations", found.evaluations));
    }
    Ok(())
}

/// Everything that was found, for machines. What is infinite is null.
fn table(found: &Studies) -> Value {
    json!({
        "evaluations": found.evaluations,
        "studies": found.studies.iter().map(row).collect::<Vec<_>>(),
    })
}

fn row(study: &Study) -> Value {
    let curve = |curve: &Curve| {
        let errors = curve.errors.iter().map(|(step, error)| json!({"step": step, "error": error}));
        json!({"errors": errors.collect::<Vec<_>>(), "noise": curve.noise, "truncation": curve.truncation})
    };
    let left_out = study.left_out.iter().map(|left| json!({"why": left.why, "displacements": left.displacements}));
    json!({
        "of": study.of.to_string(),
        "wrt": study.wrt,
        "x": study.x,
        "reference": {
            "is": if study.reference.own { "native" } else { "best estimate" },
            "size": study.reference.size,
            "bound": study.reference.bound,
        },
        "chosen": study.chosen.as_ref().map(|chosen| json!({
            "algorithm": chosen.algorithm,
            "step": chosen.step,
            "error": chosen.error,
            "bound": chosen.bound,
        })),
        "noise": study.noise,
        "central": curve(&study.central),
        (if study.backward { "backward" } else { "forward" }): curve(&study.one_sided),
        "left_out": left_out.collect::<Vec<_>>(),
    })
}
