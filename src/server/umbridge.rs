//! The UM-Bridge protocol 1.0: models as functions of vectors. Every differentiable input leaf is one input
//! vector, ravelled, and every differentiable output leaf one output vector, in the order of the schemas.
//!
//! What else a model needs, and how long vectors of open length are, comes from the example of its schema, over
//! which `config.inputs` is laid.

use std::sync::Arc;

use axum::extract::Request;
use axum::http::StatusCode;
use serde_json::{Map, Value, json};

use super::ask::late;
use super::compute::{Asked, Obstacle};
use super::reply::{self, Reply};
use super::{Served, Shared};
use crate::codec;
use crate::endpoint::{self, Error, Question, Settings, Vectors};
use crate::exec::Progress;
use crate::model::ModelErrorKind;
use crate::schema::Side;
use crate::tree::{Abstract, Array, Layout, Path, Tree};

/// What a client may call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Call {
    ModelInfo,
    InputSizes,
    OutputSizes,
    Evaluate,
    Gradient,
    ApplyJacobian,
    ApplyHessian,
}

impl Call {
    pub(super) const ALL: [Call; 7] = [
        Call::ModelInfo,
        Call::InputSizes,
        Call::OutputSizes,
        Call::Evaluate,
        Call::Gradient,
        Call::ApplyJacobian,
        Call::ApplyHessian,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Call::ModelInfo => "ModelInfo",
            Call::InputSizes => "InputSizes",
            Call::OutputSizes => "OutputSizes",
            Call::Evaluate => "Evaluate",
            Call::Gradient => "Gradient",
            Call::ApplyJacobian => "ApplyJacobian",
            Call::ApplyHessian => "ApplyHessian",
        }
    }
}

/// What went wrong, in the protocol's words.
struct Fault {
    status: StatusCode,
    kind: &'static str,
    message: String,
}

impl Fault {
    fn invalid(message: impl Into<String>) -> Fault {
        Fault { status: StatusCode::BAD_REQUEST, kind: "InvalidInput", message: message.into() }
    }

    fn reply(&self) -> Reply {
        reply::json(self.status, &json!({"error": {"type": self.kind, "message": self.message}}))
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Fault {
        let message = error.to_string();
        let (status, kind) = match error {
            Error::Caller(_) => return Fault::invalid(message),
            Error::Cancelled => (StatusCode::SERVICE_UNAVAILABLE, "Cancelled"),
            Error::Model { error, .. } => match error.kind {
                ModelErrorKind::Refused | ModelErrorKind::Failed => {
                    (StatusCode::INTERNAL_SERVER_ERROR, "InvalidOutput")
                }
                ModelErrorKind::Crashed | ModelErrorKind::Broken => (StatusCode::BAD_GATEWAY, "ModelCrashed"),
                ModelErrorKind::TimedOut => (StatusCode::GATEWAY_TIMEOUT, "ModelTimedOut"),
                ModelErrorKind::Cancelled => (StatusCode::SERVICE_UNAVAILABLE, "Cancelled"),
            },
        };
        Fault { status, kind, message }
    }
}

/// The reply to `Info`.
pub(super) fn info(shared: &Shared) -> Value {
    let names: Vec<&str> = shared.models.iter().map(|served| served.name.as_str()).collect();
    json!({"protocolVersion": 1.0, "models": names})
}

/// Answers a call. Whom it is about stands in its body.
pub(super) async fn answer(shared: Arc<Shared>, call: Call, request: Request) -> Reply {
    let asked = Asked::new(&shared, request.headers());
    let replying = async {
        let computed = asked.compute(request.into_body(), move |asked, body, progress| {
            let answer = read(asked, body).and_then(|(served, body)| called(served, call, &body, progress));
            match answer {
                Ok(body) => reply::json(StatusCode::OK, &body),
                Err(fault) => fault.reply(),
            }
        });
        computed.await.unwrap_or_else(|obstacle| hindered(&obstacle, &asked))
    };
    asked.answered(call.name(), replying).await
}

/// The request, and the model that it names.
fn read<'a>(asked: &'a Asked, body: &[u8]) -> Result<(&'a Served, Map<String, Value>), Fault> {
    let body = match codec::parse_json(body) {
        Ok(Value::Object(body)) => body,
        Ok(_) => return Err(Fault::invalid("the request is no JSON object")),
        Err(error) => return Err(Fault::invalid(format!("the request is no JSON: {error}"))),
    };
    let name = body.get("name").and_then(Value::as_str).unwrap_or_default();
    let models = &asked.shared.models;
    let Some(served) = models.iter().find(|served| served.name == name) else {
        let known: Vec<&str> = models.iter().map(|served| served.name.as_str()).collect();
        let message = format!("there is no model '{name}'; there are {}", known.join(", "));
        return Err(Fault { status: StatusCode::BAD_REQUEST, kind: "ModelNotFound", message });
    };
    asked.is_about(served);
    Ok((served, body))
}

fn hindered(obstacle: &Obstacle, asked: &Asked) -> Reply {
    let (status, kind, message) = match obstacle {
        Obstacle::Busy => {
            let message = "too many requests wait: try again".to_owned();
            return reply::later(Fault { status: StatusCode::SERVICE_UNAVAILABLE, kind: "Busy", message }.reply());
        }
        Obstacle::Late(limit) => (StatusCode::GATEWAY_TIMEOUT, "TimedOut", late(*limit)),
        Obstacle::TooLarge => {
            let limit = asked.shared.options.body_limit;
            (StatusCode::PAYLOAD_TOO_LARGE, "InvalidInput", format!("the request has more than {limit} bytes"))
        }
        Obstacle::Unread => {
            (StatusCode::REQUEST_TIMEOUT, "InvalidInput", "the request did not come, or not in time".to_owned())
        }
        Obstacle::Bug => {
            let message = format!("this is a bug in secant; the log says more about request {}", asked.id);
            (StatusCode::INTERNAL_SERVER_ERROR, "Bug", message)
        }
    };
    Fault { status, kind, message }.reply()
}

/// A model at a point, as vectors.
struct Vectorised<'s> {
    served: &'s Served,
    inputs: Tree,
    /// The input vectors.
    wrt: Layout,
}

fn called(served: &Served, call: Call, body: &Map<String, Value>, progress: &Progress) -> Result<Value, Fault> {
    if call == Call::ModelInfo {
        let support = json!({"Evaluate": true, "Gradient": true, "ApplyJacobian": true, "ApplyHessian": true});
        return Ok(json!({"support": support}));
    }
    let mut at = Vectorised::new(served, body)?;
    match call {
        Call::InputSizes => Ok(json!({"inputSizes": sizes(&at.wrt)})),
        Call::OutputSizes => Ok(json!({"outputSizes": sizes(&at.outputs(progress)?)})),
        Call::Evaluate => {
            at.move_to(body)?;
            let outputs = at.outputs(progress)?;
            let found = endpoint::apply(&served.model.context(progress), &at.inputs)?;
            let mut values = vec![0.0; outputs.len()];
            outputs.ravel(&found, &mut values).map_err(|mismatch| output_fault(format!("output {mismatch}")))?;
            finite(&values)?;
            let vectors: Vec<&[f64]> =
                outputs.spans().iter().map(|span| &values[span.offset..span.offset + span.len]).collect();
            Ok(json!({"output": vectors}))
        }
        Call::Gradient => {
            at.move_to(body)?;
            let (by, of) = (at.input(body, "inWrt")?, at.output(body, progress)?);
            let sens = vector(body, "sens", &of)?;
            let request = at.request(Question::Vjp, Some(by.path), &of.path, vec![(of.path.clone(), sens)])?;
            let (vectors, _) = endpoint::vjp(&served.model.context(progress), &request, &Settings::default())?;
            result(&vectors)
        }
        Call::ApplyJacobian => {
            at.move_to(body)?;
            let (by, of) = (at.input(body, "inWrt")?, at.output(body, progress)?);
            let tangent = vector(body, "vec", &by)?;
            let request = at.request(Question::Jvp, None, &of.path, vec![(by.path, tangent)])?;
            let (vectors, _) = endpoint::jvp(&served.model.context(progress), &request, &Settings::default())?;
            result(&vectors)
        }
        Call::ApplyHessian => {
            at.move_to(body)?;
            let (by, along) = (at.input(body, "inWrt1")?, at.input(body, "inWrt2")?);
            let of = at.output(body, progress)?;
            let (sens, tangent) = (vector(body, "sens", &of)?, vector(body, "vec", &along)?);
            let mut request = at.request(Question::Vjp, Some(by.path), &of.path, vec![(of.path.clone(), sens)])?;
            request.weights = request.vectors.clone();
            let tangents = vec![(along.path, tangent)];
            let context = served.model.context(progress);
            let settings = Settings::default();
            let (vectors, _) = endpoint::hessian_vector_product(&context, &request, &tangents, &settings)?;
            result(&vectors)
        }
        Call::ModelInfo => unreachable!("answered above"),
    }
}

fn sizes(layout: &Layout) -> Vec<usize> {
    layout.spans().iter().map(|span| span.len).collect()
}

fn output_fault(message: String) -> Fault {
    Fault { status: StatusCode::INTERNAL_SERVER_ERROR, kind: "InvalidOutput", message }
}

fn finite(values: &[f64]) -> Result<(), Fault> {
    if values.iter().all(|value| value.is_finite()) {
        return Ok(());
    }
    Err(output_fault("the model's output has numbers that are not finite, which JSON cannot hold".to_owned()))
}

fn result(vectors: &Vectors) -> Result<Value, Fault> {
    let values: Vec<f64> = vectors.iter().flat_map(|(_, array)| array.to_vec()).collect();
    finite(&values)?;
    Ok(json!({"output": values}))
}

fn index(body: &Map<String, Value>, name: &str, layout: &Layout) -> Result<crate::tree::Span, Fault> {
    let given = body.get(name).and_then(Value::as_u64).ok_or_else(|| Fault::invalid(format!("{name} is no index")))?;
    let span = usize::try_from(given).ok().and_then(|index| layout.spans().get(index));
    let count = layout.spans().len();
    span.cloned().ok_or_else(|| Fault::invalid(format!("{name} is {given}, but there are {count} vectors")))
}

fn numbers(value: Option<&Value>, name: &str, expected: usize) -> Result<Vec<f64>, Fault> {
    let list = value.and_then(Value::as_array).and_then(|list| list.iter().map(Value::as_f64).collect());
    let list: Vec<f64> = list.ok_or_else(|| Fault::invalid(format!("{name} is no list of numbers")))?;
    if list.len() == expected {
        return Ok(list);
    }
    Err(Fault::invalid(format!("{name} has {} numbers, expected {expected}", list.len())))
}

/// A tangent or cotangent of one vector.
fn vector(body: &Map<String, Value>, name: &str, span: &crate::tree::Span) -> Result<Array, Fault> {
    array(body.get(name), name, span)
}

fn array(value: Option<&Value>, name: &str, span: &crate::tree::Span) -> Result<Array, Fault> {
    let values = numbers(value, name, span.len)?;
    let array = Array::from_coordinates(span.dtype, &span.shape, &values);
    match array.to_vec().iter().position(|value| !value.is_finite()) {
        None => Ok(array),
        Some(at) => Err(Fault::invalid(format!("{name}: {} does not fit into {}", values[at], span.dtype))),
    }
}

impl<'s> Vectorised<'s> {
    /// The model at its example, over which the config's inputs are laid.
    fn new(served: &'s Served, body: &Map<String, Value>) -> Result<Vectorised<'s>, Fault> {
        let signature = served.model.signature();
        let config = match body.get("config") {
            None | Some(Value::Null) => None,
            Some(Value::Object(config)) => Some(config),
            Some(_) => return Err(Fault::invalid("config is no object")),
        };
        let given = match config.and_then(|config| config.get("inputs")) {
            None => Map::new(),
            Some(Value::Object(inputs)) => inputs.clone(),
            Some(_) => return Err(Fault::invalid("config.inputs is no object")),
        };
        let mut inputs = match signature.example_inputs() {
            Some(Value::Object(example)) => example,
            _ => Map::new(),
        };
        inputs.extend(given);
        let inputs = signature.inputs_from_json(&Value::Object(inputs)).map_err(|violations| {
            let advice = "the model's schema has no example to start from: give the rest in config.inputs";
            Fault::invalid(if signature.example_inputs().is_some() {
                violations.to_string()
            } else {
                format!("{advice}\n{violations}")
            })
        })?;
        let differentiable = signature.differentiable(Side::Input);
        let paths: Vec<Path> = inputs.leaves().into_iter().map(|(path, _)| path).collect();
        let wrt = paths.iter().filter(|path| differentiable.iter().any(|(pattern, _)| pattern.matches(path)));
        let wrt = Layout::of(&inputs, wrt).unwrap_or_else(|absent| unreachable!("a leaf of the inputs: {absent:?}"));
        Ok(Vectorised { served, inputs, wrt })
    }

    /// Puts the request's vectors in place of the inputs they are.
    fn move_to(&mut self, body: &Map<String, Value>) -> Result<(), Fault> {
        let given = body.get("input").and_then(Value::as_array);
        let given = given.ok_or_else(|| Fault::invalid("input is no list of vectors"))?;
        let spans = self.wrt.spans();
        if given.len() != spans.len() {
            return Err(Fault::invalid(format!("input has {} vectors, expected {}", given.len(), spans.len())));
        }
        for (index, (value, span)) in given.iter().zip(spans).enumerate() {
            let moved = array(Some(value), &format!("input {index} ({})", span.path), span)?;
            let Some(leaf) = self.inputs.leaf_mut(&span.path) else { unreachable!("a layout's leaf is in its tree") };
            *leaf = moved;
        }
        let signature = self.served.model.signature();
        self.inputs =
            signature.inputs_from_tree(&self.inputs).map_err(|violations| Fault::invalid(violations.to_string()))?;
        Ok(())
    }

    /// The output vectors.
    fn outputs(&self, progress: &Progress) -> Result<Layout, Fault> {
        let context = self.served.model.context(progress);
        let shapes = endpoint::abstract_eval(&context, &self.inputs.map(&mut Array::to_abstract))?;
        let differentiable = self.served.model.signature().differentiable(Side::Output);
        let mut layout = Layout::default();
        for (path, Abstract { dtype, shape }) in shapes.leaves() {
            if differentiable.iter().any(|(pattern, _)| pattern.matches(&path)) {
                layout.push(path, *dtype, shape);
            }
        }
        Ok(layout)
    }

    fn input(&self, body: &Map<String, Value>, name: &str) -> Result<crate::tree::Span, Fault> {
        index(body, name, &self.wrt)
    }

    fn output(&self, body: &Map<String, Value>, progress: &Progress) -> Result<crate::tree::Span, Fault> {
        index(body, "outWrt", &self.outputs(progress)?)
    }

    fn request(
        &self,
        question: Question,
        wrt: Option<Path>,
        of: &Path,
        vectors: Vectors,
    ) -> Result<endpoint::Request, Fault> {
        let wrt = wrt.map(|path| vec![path.into()]);
        let of = Some(vec![of.clone().into()]);
        let signature = self.served.model.signature();
        Ok(endpoint::Request::new(signature, question, self.inputs.clone(), wrt, of, vectors)?)
    }
}
