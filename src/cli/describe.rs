//! What models there are, and what one of them takes, gives and costs.

use std::path::PathBuf;
use std::thread;

use super::{Failure, report, settings};
use crate::Model;
use crate::backend;
use crate::model::Description;
use crate::schema::{Dim, Leaf, Side, Signature};

/// `secant list`.
pub(super) fn list(folders: &[PathBuf]) -> Result<(), Failure> {
    let models = settings::find_models(folders)?;
    // Each is a few small files; all at once, since some must be loaded or even started to be known.
    let described: Vec<_> = thread::scope(|scope| {
        let started: Vec<_> = models.iter().map(|(_, path)| scope.spawn(|| backend::peek(path))).collect();
        started.into_iter().map(|each| each.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
    });
    let mut rows = Vec::new();
    let mut faults = Vec::new();
    for ((name, _), described) in models.iter().zip(described) {
        match described {
            Ok((description, signature)) => {
                let Description { version, kind, .. } = description;
                let inputs = paths(&signature, Side::Input);
                let outputs = paths(&signature, Side::Output);
                rows.push(vec![name.clone(), version, kind, format!("{inputs} -> {outputs}")]);
            }
            Err(error) => faults.push(format!("{name}: {error}")),
        }
    }
    report::lines(&report::table(&rows))?;
    if rows.is_empty() && faults.is_empty() {
        let places: Vec<_> = folders.iter().map(|folder| folder.display().to_string()).collect();
        report::note(&format!("no models in {}: make one with `secant new NAME --kind c`", places.join(", ")));
    }
    if faults.is_empty() { Ok(()) } else { Err(Failure::Operator(faults.join("\n"))) }
}

fn paths(signature: &Signature, side: Side) -> String {
    let paths: Vec<_> = signature.differentiable(side).into_iter().map(|(pattern, _)| pattern.to_string()).collect();
    if paths.is_empty() { "-".to_owned() } else { paths.join(", ") }
}

/// `secant describe`.
pub(super) fn describe(model: &Model) -> Result<(), Failure> {
    let Description { name, version, description, kind, call } = model.description();
    let signature = model.signature();
    let mut text = format!("{name} {version}, {kind}\n").replace(" ,", ",");
    if !description.is_empty() {
        text += &format!("{description}\n");
    }
    for (title, node) in [("inputs", &signature.inputs), ("outputs", &signature.outputs)] {
        let mut rows = Vec::new();
        for (pattern, leaf) in node.leaves() {
            rows.push((pattern.to_string(), leaf_cells(leaf)));
        }
        for (pattern, opaque) in node.opaques() {
            rows.push((pattern.to_string(), vec![opaque.summary.clone()]));
        }
        let rows: Vec<Vec<String>> =
            rows.into_iter().map(|(path, cells)| [format!("  {path}")].into_iter().chain(cells).collect()).collect();
        text += &format!("\n{title}\n{}", report::table(&rows));
    }
    if !call.is_empty() {
        text += &format!("\ncalls\n{}", call.iter().map(|line| format!("  {line}\n")).collect::<String>());
    }
    text += &format!("\nderivatives\n{}", report::table(&costs(model)));
    report::lines(&text)
}

fn leaf_cells(leaf: &Leaf) -> Vec<String> {
    let marked = if leaf.differentiable { "differentiable" } else { "" };
    vec![leaf.dtype.to_string(), leaf.shape_text(), marked.to_owned(), leaf.domain_text()]
}

/// What each derivative costs in evaluations, n being the elements of the differentiable inputs.
fn costs(model: &Model) -> Vec<Vec<String>> {
    let signature = model.signature();
    let gradient = model.gradient();
    let algorithm = gradient.algorithm.map_or("auto", |algorithm| algorithm.name());
    let chosen = match &gradient.algorithm_from {
        Some(path) => format!("the input {path} says, else {algorithm}"),
        None => algorithm.to_owned(),
    };
    let leaves = signature.differentiable(Side::Input);
    let size = |leaf: &Leaf| -> Option<usize> {
        let dims = leaf.shape.as_ref()?.iter().map(|dim| match dim {
            Dim::Fixed(length) => Some(*length),
            _ => None,
        });
        dims.product::<Option<usize>>().map(|n| n * leaf.dtype.coordinates())
    };
    let open = leaves.iter().any(|(pattern, leaf)| pattern.as_path().is_none() || size(leaf).is_none());
    let n: Option<usize> = if open { None } else { leaves.iter().map(|(_, leaf)| size(leaf)).sum() };
    let n_text = match n {
        Some(n) => format!("n = {n}"),
        None => {
            let parts: Vec<_> = leaves.iter().map(|(pattern, _)| pattern.to_string()).collect();
            format!("n = the number of elements of {}", parts.join(", "))
        }
    };
    let row = |name: &str, text: String| vec![format!("  {name}"), text];
    let mut rows = vec![
        row("algorithm", chosen),
        row(
            "evaluations",
            format!("auto about 7+5n, central 2n, forward and backward n+1, jvp 2 or with auto about 13; {n_text}"),
        ),
    ];
    let own = model.natives();
    let own: Vec<_> = [("jacobian", own.jacobian), ("jvp", own.jvp), ("vjp", own.vjp)]
        .into_iter()
        .filter_map(|(name, has)| has.then_some(name))
        .collect();
    if !own.is_empty() {
        rows.push(row("its own", format!("{}, used unless an algorithm is asked for", own.join(", "))));
    }
    rows
}
