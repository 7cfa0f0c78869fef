//! Pages for people: which models there are, and how each is asked. Made once, without scripts, and without a
//! word to any other server.

use minijinja::Environment;
use minijinja::value::Serde;
use serde_json::{Value, json};

use super::{Options, Shared};
use crate::Model;
use crate::endpoint::{Endpoint, Question};
use crate::model::Description;
use crate::schema::{Leaf, Node, Side, Signature};

const STYLE: &str = include_str!("pages/style.css");

/// The page of all models.
pub(super) fn index(shared: &Shared) -> String {
    let models: Vec<Value> = shared.models.iter().map(|served| summary(&served.model)).collect();
    let page = json!({"style": STYLE, "version": env!("CARGO_PKG_VERSION"), "models": models});
    render("index.html", include_str!("pages/index.html"), &page)
}

/// The page of one model.
pub(super) fn docs(model: &Model, options: &Options) -> String {
    let signature = model.signature();
    let page = json!({
        "style": STYLE,
        "version": env!("CARGO_PKG_VERSION"),
        "model": summary(model),
        "inputs": rows(&signature.inputs),
        "outputs": rows(&signature.outputs),
        "calls": calls(signature),
        "binref": options.binref.is_some(),
    });
    render("docs.html", include_str!("pages/docs.html"), &page)
}

fn render(name: &'static str, template: &'static str, page: &Value) -> String {
    let mut environment = Environment::new();
    environment.add_template(name, template).expect("the templates are ours, and tested");
    let template = environment.get_template(name).expect("just added");
    template.render(Serde(page)).expect("the templates are ours, and tested")
}

fn summary(model: &Model) -> Value {
    let Description { name, version, description, kind, .. } = model.description();
    let signature = model.signature();
    let paths = |side| {
        let leaves = signature.differentiable(side);
        leaves.iter().map(|(pattern, _)| pattern.to_string()).collect::<Vec<_>>()
    };
    json!({
        "name": name,
        "version": version,
        "description": description,
        "kind": kind,
        "wrt": paths(Side::Input),
        "of": paths(Side::Output),
    })
}

fn rows(node: &Node) -> Vec<Value> {
    let leaf_row = |path: String, leaf: &Leaf| {
        let (domain, marked) = (leaf.domain_text(), leaf.differentiable);
        json!({
            "path": path,
            "dtype": leaf.dtype.name(),
            "shape": leaf.shape_text(),
            "domain": domain,
            "differentiable": marked,
            "description": leaf.description,
        })
    };
    let leaves = node.leaves().into_iter().map(|(pattern, leaf)| leaf_row(pattern.to_string(), leaf));
    let others = node.opaques().into_iter().map(|(pattern, opaque)| {
        json!({"path": pattern.to_string(), "dtype": opaque.summary, "description": opaque.description})
    });
    leaves.chain(others).collect()
}

/// A request to each endpoint, at the model's example.
fn calls(signature: &Signature) -> Vec<Value> {
    let example = signature.example_inputs();
    Endpoint::ALL
        .into_iter()
        .map(|endpoint| {
            let body = example.as_ref().and_then(|inputs| example_body(signature, endpoint, inputs));
            let text = body.map(|body| body.to_string());
            json!({"name": endpoint.name(), "body": text.filter(|text| text.len() < 2000)})
        })
        .collect()
}

fn example_body(signature: &Signature, endpoint: Endpoint, inputs: &Value) -> Option<Value> {
    let question = match endpoint {
        Endpoint::Apply => return Some(json!({"inputs": inputs})),
        // It takes arrays for their shapes, but bare numbers it does not.
        Endpoint::AbstractEval => return None,
        Endpoint::Derivative(question) => question,
    };
    // Their vectors have the shapes of arrays that are not here.
    if !matches!(question, Question::Jacobian | Question::Hessian) {
        return None;
    }
    let (wrt, of) = question.lists();
    let first = |side| {
        let leaves = signature.differentiable(side);
        let known = leaves.into_iter().filter_map(|(pattern, _)| pattern.as_path().map(|path| path.to_string()));
        known.take(1).collect::<Vec<_>>()
    };
    let (inputs_by, mut outputs_of) = (first(Side::Input), first(Side::Output));
    if question == Question::Hessian {
        // It is of a scalar.
        let scalar = |path: &String| {
            let leaf = path.parse().ok().and_then(|path| signature.outputs.leaf(&path));
            leaf.is_some_and(|leaf| leaf.shape.as_ref().is_some_and(Vec::is_empty))
        };
        outputs_of.retain(scalar);
    }
    if inputs_by.is_empty() || outputs_of.is_empty() {
        return None;
    }
    Some(json!({"inputs": inputs, wrt: inputs_by, of: outputs_of}))
}
