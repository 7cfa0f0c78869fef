//! A plugin that is a function of a shared library: a manifest, and cases from an evaluation.

use std::path::PathBuf;

use serde_json::{Map, Value};

use super::super::args::SymbolArguments;
use super::super::{Failure, report};
use super::draft::Draft;
use crate::Tree;
use crate::codec::{self, Encoding};
use crate::schema::{Dim, Leaf, Signature};
use crate::tree::{Array, Kind};

/// Makes it. Without cases where the function fails at inputs that were made up.
pub(super) fn make(symbol: &SymbolArguments, draft: Draft) -> Result<(), Failure> {
    draft.write("model.toml", manifest(symbol).as_bytes())?;
    let model = draft.open().map_err(|failure| Failure::Caller(failure.text().to_owned()))?;
    let inputs = stand_in(model.signature());
    let recorded = draft.record_cases(&model, &inputs);
    let place = draft.finish()?;
    let place = place.display();
    report::note(&match recorded {
        Ok(()) => format!(
            "made {place}: its cases are at inputs that were made up\n  secant describe {place}\n  secant test {place}\n  secant jacobian {place} '{{\"inputs\": {inputs}}}'"
        ),
        Err(failure) => format!(
            "made {place}, without cases: at inputs that were made up, {inputs}, it said: {}\n  secant describe {place}",
            failure.text()
        ),
    });
    Ok(())
}

fn manifest(symbol: &SymbolArguments) -> String {
    let text = |text: &str| Value::from(text).to_string();
    let file = |name: &PathBuf| {
        // A file is the caller's, relative to where they are; anything else is a name for the loader.
        let path = if name.exists() { std::path::absolute(name).ok() } else { None };
        text(&path.as_ref().unwrap_or(name).to_string_lossy())
    };
    let list = |names: &[PathBuf]| format!("[{}]", names.iter().map(file).collect::<Vec<_>>().join(", "));
    let library = if let [one] = &symbol.library[..] { file(one) } else { list(&symbol.library) };
    let mut manifest = format!("[symbol]\nlibrary = {library}\n");
    if !symbol.preload.is_empty() {
        manifest += &format!("preload = {}\n", list(&symbol.preload));
    }
    let [function, call] = [&symbol.function, &symbol.call].map(|typed| text(typed.as_deref().unwrap_or_default()));
    manifest + &format!("fn = {function}\ncall = {call}\n")
}

/// Inputs that a function may take: 1, 2, 3, ... in arrays whose open lengths are 2, and 2 for whole numbers.
fn stand_in(signature: &Signature) -> Value {
    let leaves = signature.inputs.leaves().into_iter();
    leaves.map(|(pattern, leaf)| (pattern.to_string(), made_up(leaf))).collect::<Map<_, _>>().into()
}

fn made_up(leaf: &Leaf) -> Value {
    let length = |dim: &Dim| if let Dim::Fixed(length) = dim { *length } else { 2 };
    let shape: Vec<usize> = leaf.shape.iter().flatten().map(length).collect();
    let count = shape.iter().product::<usize>();
    let values: Vec<f64> = match leaf.dtype.kind() {
        Kind::Bool | Kind::Integer => vec![2.0; count],
        Kind::Float | Kind::Complex => (1..=count).map(|k| k as f64).collect(),
    };
    if leaf.dtype.is_complex() {
        let mut text = Vec::new();
        let values: Vec<f64> = values.into_iter().flat_map(|value| [value, 0.0]).collect();
        let array = Array::from_coordinates(leaf.dtype, &shape, &values);
        codec::write_tree(&mut text, &Tree::from(array), Encoding::Json);
        return codec::parse_json(&text).unwrap_or_default();
    }
    nested(&shape, &mut values.into_iter(), leaf.dtype.kind() == Kind::Integer)
}

fn nested(shape: &[usize], values: &mut impl Iterator<Item = f64>, whole: bool) -> Value {
    match shape {
        [] => {
            let value = values.next().unwrap_or(1.0);
            if whole { Value::from(value as i64) } else { Value::from(value) }
        }
        [length, rest @ ..] => (0..*length).map(|_| nested(rest, values, whole)).collect(),
    }
}
