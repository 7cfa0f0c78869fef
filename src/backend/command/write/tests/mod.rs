//! Texts are written as programs read them: templates, edits, PEST's and Dakota's files.

mod decks;
mod edits;
mod templates;

use serde_json::{Value, json};

use super::*;
use crate::schema::Differentiable;
use crate::tree::{Array, Segment};

/// An entry of `[[command.write]]` whose file `deck` has that text.
fn source(entry: &str, file: &str, deck: &str) -> Result<Source, String> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join(file), deck).unwrap();
    let write: Write = toml::from_str(entry).map_err(|error| error.to_string())?;
    Source::load(&write, folder.path())
}

fn template(text: &str) -> Result<Source, String> {
    Source::inline("deck", text)
}

/// A text with the inputs in it.
fn written(source: &Source, inputs: &Tree) -> Result<String, String> {
    let text = source.lay_out(inputs, Asked::default())?;
    let mut out = Vec::new();
    text.write(&mut out, |field| value(inputs, field))?;
    Ok(String::from_utf8(out).unwrap())
}

fn value(inputs: &Tree, field: &Field) -> f64 {
    inputs.leaf(&field.path).unwrap().to_vec()[field.element]
}

fn signature(properties: Value) -> Signature {
    let input = json!({"type": "object", "properties": properties});
    let output = json!({"type": "object", "properties": {"y": {"type": "number"}}});
    Signature::parse(&input, &output, &Differentiable::default()).unwrap()
}

fn vector(values: &[f64]) -> Tree {
    Array::from(values.to_vec()).into()
}

fn text(json: &str) -> Tree {
    Tree::Text(json.into())
}

#[test]
fn one_number_must_have_one_value() {
    let inputs = Tree::fields([("x", Tree::from(1.0 / 3.0))]);
    let lay_out = |text: &str| template(text).unwrap().lay_out(&inputs, Asked::default()).unwrap();
    let path = "x".parse().unwrap();
    let agreed = |texts: [&Text; 2]| decimals(["a.txt", "b.txt"].into_iter().zip(texts));

    // The coarsest decides where the finer carries what it says.
    let (wide, narrow) = (lay_out("{{ x | fmt('14') }}"), lay_out("{{ x | fmt('9') }} {{ x }}"));
    for texts in [[&wide, &narrow], [&narrow, &wide]] {
        let decimal = agreed(texts).unwrap()[&path][&0];
        assert_eq!(decimal.round(1.0 / 3.0), 0.33333333);
        let mut out = Vec::new();
        wide.write(&mut out, |_| decimal.round(1.0 / 3.0)).unwrap();
        narrow.write(&mut out, |_| decimal.round(1.0 / 3.0)).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "    0.33333333.33333333 0.33333333");
    }
    let other = lay_out("{{ x | fmt('%12.5e') }}");
    insta::assert_snapshot!(agreed([&narrow, &other]).unwrap_err(), @"coordinate 0 of x is written as width 9 in a.txt and as %12.5e in b.txt: two formats make two values of it, so write it in one");
}

#[test]
fn what_no_text_has_is_told() {
    let number = json!({"type": "number", "differentiable": true});
    let row = json!({"type": "array", "items": {"type": "number"}, "differentiable": true});
    let signature = signature(json!({
        "x": number, "y": row, "part": {"type": "object", "properties": {"a": number, "b": number}},
        "more": {"type": "object", "additionalProperties": number}, "n": {"type": "integer"}
    }));
    let never = |text: &str| {
        let sources = [template(text).unwrap()];
        let names: Vec<String> = never_written(sources.iter(), &signature).iter().map(Pattern::to_string).collect();
        names.join(" ")
    };
    assert_eq!(never("{{ x }}"), "y part.a part.b more.{}");
    assert_eq!(never("{{ part.b }} {% for v in y %}{{ v }} {% endfor %}"), "x part.a more.{}");
    assert_eq!(never("{% for k in more %}{{ more[k] }}{% endfor %}{{ part['a'] }} {{ inputs.x }}"), "y");
    assert_eq!(never("{% for k in inputs %}{{ inputs[k] }}{% endfor %}"), "");

    let inputs = Tree::fields([("x", Tree::from(1.0)), ("y", vector(&[1.0, 2.0, 3.0]))]);
    let paths = ["x".parse().unwrap(), "y".parse().unwrap()];
    let layout = crate::tree::Layout::of(&inputs, &paths).unwrap();
    let text = template("{{ y[0] }} {{ y[2] }}").unwrap().lay_out(&inputs, Asked::default()).unwrap();
    assert_eq!(unwritten([&text], &layout), ["x", "y[1]"]);
}

#[test]
fn nothing_is_lost_between_a_key_and_its_path() {
    let mut path = crate::tree::Path::root();
    path.push(Segment::Field("more".into()));
    path.push(Segment::Key("a b".into()));
    let mut inputs = Tree::fields::<&str>([]);
    assert!(inputs.insert(&path, 2.5.into()));
    let text = template("{{ more[\"a b\"] }}").unwrap().lay_out(&inputs, Asked::default()).unwrap();
    assert_eq!(text.fields().next().unwrap().path, path);
    assert_eq!(written(&template("{{ inputs.more['a b'] }}").unwrap(), &inputs).unwrap(), "2.5");
}
