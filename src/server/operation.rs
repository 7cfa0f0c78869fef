//! The operations of an OpenAPI document: what each path takes, and every status that it may answer with.

use serde_json::{Map, Value, json};

use super::accept::{Form, Formats};
use super::{Options, binref};
use crate::endpoint::{Endpoint, Question};

/// What may go wrong with a request: the status, its name below `#/components/responses`, the schema of its body,
/// and whose fault it is.
const FAILURES: [(&str, &str, &str, &str); 9] = [
    ("401", "Stranger", "Failure", "The request shows no token, or the wrong one"),
    ("406", "NoSuchFormat", "NotAcceptable", "Arrays cannot be had in any format that is asked for"),
    ("408", "NotSent", "Failure", "The request did not come, or not in time"),
    ("413", "TooLarge", "Failure", "The request is larger than this server takes"),
    ("422", "Refused", "HTTPValidationError", "All that is wrong with the request"),
    (
        "500",
        "Failed",
        "Failure",
        "The model could not say: it fails at this point, or its outputs are no numbers there",
    ),
    ("502", "Broken", "Failure", "The model crashed, or does not keep to its protocol"),
    ("503", "Busy", "Failure", "Too much is asked for at once, or the server stops"),
    ("504", "Late", "Failure", "The model, or the whole request, took longer than it may"),
];

/// The paths, as they are asked for at the model's base URL.
pub(super) fn paths(description: &str, options: &Options) -> Value {
    let mut paths = Map::new();
    for endpoint in Endpoint::ALL {
        paths.insert(format!("/{}", endpoint.name()), json!({"post": post(endpoint, description, options)}));
    }
    if options.debug {
        paths.insert("/test".to_owned(), json!({"post": test(options)}));
    }
    let ok = json!({"description": "It answers", "content": {"application/json": {"schema": {"type": "object"}}}});
    // Whoever asks after the server's health needs no token.
    let health = json!({"summary": "Whether it answers", "responses": {"200": ok}, "security": []});
    paths.insert("/health".to_owned(), json!({"get": health}));
    Value::Object(paths)
}

/// The replies that operations refer to.
pub(super) fn responses(options: &Options) -> Value {
    let answers = failures(options).map(|(status, name, schema, description)| {
        let content = json!({"application/json": {"schema": reference(schema)}});
        let mut reply = json!({"description": description, "content": content});
        if status == "503" {
            let seconds = json!({"description": "Seconds after which to try again", "schema": {"type": "integer"}});
            reply["headers"] = json!({"Retry-After": seconds});
        }
        (name.to_owned(), reply)
    });
    Value::Object(answers.collect())
}

/// The schemas of their bodies.
pub(super) fn bodies() -> [(&'static str, Value); 4] {
    let texts = json!({"type": "array", "items": {"type": "string"}});
    let unavailable = json!({
        "type": "object",
        "properties": {
            "message": {"type": "string"},
            "available_formats": texts,
            "available_gpu_transports": texts,
            "available_compressions": texts,
        },
        "required": ["message", "available_formats", "available_gpu_transports", "available_compressions"],
    });
    let violation = json!({
        "type": "object",
        "properties": {
            "loc": {"type": "array", "items": {"anyOf": [{"type": "string"}, {"type": "integer"}]}},
            "msg": {"type": "string"},
            "type": {"type": "string"},
            "ctx": {"type": "object"},
        },
        "required": ["loc", "msg", "type"],
    });
    let detail = |schema: Value| json!({"type": "object", "properties": {"detail": schema}, "required": ["detail"]});
    let mut failure = detail(json!({"type": "string"}));
    failure["properties"]["request_id"] = json!({"type": "string"});
    [
        ("ValidationError", violation),
        ("HTTPValidationError", detail(json!({"type": "array", "items": reference("ValidationError")}))),
        ("NotAcceptable", detail(unavailable)),
        ("Failure", failure),
    ]
}

pub(super) fn reference(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}

/// The names of a request's and of a reply's schema.
pub(super) fn names(endpoint: Endpoint) -> (&'static str, &'static str) {
    match endpoint {
        Endpoint::Apply => ("ApplyInputSchema", "ApplyOutputSchema"),
        Endpoint::AbstractEval => ("AbstractInputSchema", "AbstractOutputSchema"),
        Endpoint::Derivative(Question::Jacobian) => ("JacobianInputSchema", "JacobianOutputSchema"),
        Endpoint::Derivative(Question::Jvp) => ("JVPInputSchema", "JVPOutputSchema"),
        Endpoint::Derivative(Question::Vjp) => ("VJPInputSchema", "VJPOutputSchema"),
        Endpoint::Derivative(Question::Hessian) => ("HessianInputSchema", "HessianOutputSchema"),
        Endpoint::Derivative(Question::Hvp) => ("HVPInputSchema", "HVPOutputSchema"),
    }
}

fn post(endpoint: Endpoint, description: &str, options: &Options) -> Value {
    let (summary, what) = match endpoint {
        Endpoint::Apply => ("Apply", "Evaluate the model."),
        Endpoint::AbstractEval => ("Abstract Eval", "The shapes of the outputs, from the shapes of the inputs."),
        Endpoint::Derivative(Question::Jacobian) => ("Jacobian", "The derivative of every output by every input."),
        Endpoint::Derivative(Question::Jvp) => {
            ("Jacobian Vector Product", "The product of the Jacobian with a tangent vector.")
        }
        Endpoint::Derivative(Question::Vjp) => {
            ("Vector Jacobian Product", "The product of a cotangent vector with the Jacobian.")
        }
        Endpoint::Derivative(Question::Hessian) => {
            ("Hessian", "The second derivatives of a scalar output, or of outputs weighted by a cotangent vector.")
        }
        Endpoint::Derivative(Question::Hvp) => {
            ("Hessian Vector Product", "The product of such a Hessian with a tangent vector.")
        }
    };
    let what = match (endpoint, description) {
        (Endpoint::Apply, description) if !description.is_empty() => format!("{what}\n\n{description}"),
        _ => what.to_owned(),
    };
    let (request, reply) = names(endpoint);
    // Shapes have but one form.
    let has_arrays = endpoint != Endpoint::AbstractEval;
    let forms = Formats::of(options).forms().filter(|form| has_arrays || *form == Form::Json);
    let content = forms.map(|form| (form.content_type().to_owned(), json!({"schema": reference(reply)})));
    let answer = json!({"description": "The answer", "content": content.collect::<Map<_, _>>()});
    json!({
        "summary": summary,
        "description": what,
        "operationId": endpoint.name(),
        "parameters": [{
            "name": "run_id",
            "in": "query",
            "description": "What arrays in files are filed under.",
            "schema": {"type": "string", "pattern": binref::RUN_ID},
        }],
        "requestBody": {"required": true, "content": {"application/json": {"schema": reference(request)}}},
        "responses": replies(answer, options, |status| has_arrays || status != "406"),
    })
}

fn test(options: &Options) -> Value {
    let case = json!({
        "type": "object",
        "properties": {"endpoint": {"type": "string"}, "payload": {"type": "object"}},
        "required": ["endpoint", "payload"],
    });
    let outcome = json!({
        "type": "object",
        "properties": {
            "status": {"type": "string", "enum": ["passed", "failed", "error"]},
            "message": {"type": "string"},
            "endpoint": {"type": "string"},
        },
        "required": ["status", "message", "endpoint"],
    });
    let outcome = json!({"application/json": {"schema": outcome}});
    let answer = json!({"description": "passed, failed or error, and why", "content": outcome});
    json!({
        "summary": "Run a stored test case",
        "operationId": "test",
        "requestBody": {"required": true, "content": {"application/json": {"schema": case}}},
        "responses": replies(answer, options, |status| status != "406"),
    })
}

/// Everything that an operation may answer.
fn replies(answer: Value, options: &Options, possible: impl Fn(&str) -> bool) -> Map<String, Value> {
    let failures = failures(options).filter(|(status, ..)| possible(status));
    let failures = failures
        .map(|(status, name, ..)| (status.to_owned(), json!({"$ref": format!("#/components/responses/{name}")})));
    [("200".to_owned(), answer)].into_iter().chain(failures).collect()
}

/// What may go wrong at this server.
fn failures(options: &Options) -> impl Iterator<Item = (&'static str, &'static str, &'static str, &'static str)> {
    let guarded = options.token.is_some();
    FAILURES.into_iter().filter(move |(status, ..)| guarded || *status != "401")
}
