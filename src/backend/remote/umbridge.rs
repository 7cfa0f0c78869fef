//! An UM-Bridge server as a model. It knows vectors of numbers and no names: its inputs are `input_0`, `input_1`, …,
//! its outputs `output_0`, …, unless the manifest names schemas that call its vectors something else, in their order.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::http::{Client, Line, Reply};
use crate::codec::{self, Encoding, Expected};
use crate::model::{Cancel, Instance, ModelError, ModelErrorKind, Natives};
use crate::schema::{Dim, Node, Signature};
use crate::tree::{Array, DType, Path, Segment, Tree};

/// What a server says of one of its models.
pub(super) struct Offer {
    /// What every request about the model begins with: its name and its config.
    head: Vec<u8>,
    natives: Natives,
    input_sizes: Vec<usize>,
    output_sizes: Vec<usize>,
}

/// The names of a server's models.
pub(super) fn models(client: &Client, limit: Duration) -> Result<Vec<String>, ModelError> {
    let reply = client.get("Info", Some(limit))?;
    let value = answer(&reply)?;
    let names = value.get("models").and_then(Value::as_array);
    let names = names.and_then(|names| names.iter().map(|name| name.as_str().map(str::to_owned)).collect());
    names.ok_or_else(|| reply.unintelligible("it has no list of models"))
}

impl Offer {
    /// Asks about the model of this name.
    pub(super) fn ask(client: &Client, name: &str, config: &Value, limit: Duration) -> Result<Offer, ModelError> {
        let question = json!({"name": name, "config": config}).to_string().into_bytes();
        let ask = |endpoint: &str| -> Result<(Reply, Value), ModelError> {
            let reply = client.post(endpoint, &question, "application/json", Some(limit))?;
            let value = answer(&reply)?;
            Ok((reply, value))
        };
        let (reply, info) = ask("ModelInfo")?;
        let supports = |feature: &str| info.get("support").and_then(|support| support.get(feature)?.as_bool());
        if supports("Evaluate") != Some(true) {
            return Err(reply.error(ModelErrorKind::Broken, &format!("the model '{name}' does not support Evaluate")));
        }
        let natives = Natives {
            jvp: supports("ApplyJacobian") == Some(true),
            vjp: supports("Gradient") == Some(true),
            ..Natives::default()
        };
        let sizes = |endpoint: &str, key: &str| -> Result<Vec<usize>, ModelError> {
            let (reply, value) = ask(endpoint)?;
            let sizes = value.get(key).and_then(Value::as_array);
            let size = |size: &Value| size.as_u64().and_then(|size| usize::try_from(size).ok());
            let sizes = sizes.and_then(|sizes| sizes.iter().map(size).collect::<Option<Vec<_>>>());
            sizes.ok_or_else(|| reply.unintelligible(&format!("it has no list {key}")))
        };
        let input_sizes = sizes("InputSizes", "inputSizes")?;
        let output_sizes = sizes("OutputSizes", "outputSizes")?;
        let mut head = question;
        head.pop();
        Ok(Offer { head, natives, input_sizes, output_sizes })
    }

    /// The schemas of its inputs and outputs.
    pub(super) fn schemas(&self) -> (Value, Value) {
        (schema("input", &self.input_sizes), schema("output", &self.output_sizes))
    }
}

fn schema(side: &str, sizes: &[usize]) -> Value {
    let names: Vec<String> = (0..sizes.len()).map(|index| format!("{side}_{index}")).collect();
    let vector = |size: &usize| json!({"dtype": "float64", "shape": [size], "differentiable": true});
    let properties: Map<String, Value> = names.iter().cloned().zip(sizes.iter().map(vector)).collect();
    json!({"type": "object", "properties": properties, "required": names})
}

/// A server's model, and which field stands for which of its vectors.
pub(super) struct Umbridge {
    client: Client,
    offer: Offer,
    signature: Arc<Signature>,
    timeout: Option<Duration>,
    inputs: Vec<Path>,
    outputs: Vec<Path>,
}

impl Umbridge {
    pub(super) fn new(
        client: Client,
        offer: Offer,
        signature: Arc<Signature>,
        timeout: Option<Duration>,
    ) -> Result<Umbridge, String> {
        let inputs = fields(&signature.inputs, "input", &offer.input_sizes)?;
        let outputs = fields(&signature.outputs, "output", &offer.output_sizes)?;
        Ok(Umbridge { client, offer, signature, timeout, inputs, outputs })
    }

    /// Vectors as they came, in the shapes that the schema gives its outputs.
    fn shaped(&self, output: &Path, vector: Array) -> Array {
        let dims = self.signature.outputs.leaf(output).and_then(|leaf| leaf.shape.as_deref());
        let length = |dim: &Dim| if let Dim::Fixed(length) = dim { Some(*length) } else { None };
        let shape = dims.and_then(|dims| dims.iter().map(length).collect::<Option<Vec<_>>>());
        match shape {
            Some(shape) => reshaped(vector, &shape),
            None => vector,
        }
    }
}

/// The fields that stand for a side's vectors, in their order.
fn fields(side: &Node, what: &str, sizes: &[usize]) -> Result<Vec<Path>, String> {
    let names: Vec<&String> = match side {
        Node::Struct { fields, .. } => fields.keys().collect(),
        _ => Vec::new(),
    };
    let paths: Vec<Path> = names.iter().map(|name| Path::root().join(Segment::Field((*name).clone()))).collect();
    if paths.len() == sizes.len() && paths.iter().all(|path| side.leaf(path).is_some()) {
        return Ok(paths);
    }
    Err(format!(
        "the {what} schema should have a field of numbers for each {what} vector of the server's, which are of sizes {sizes:?}"
    ))
}

/// An instance: one request at a time.
pub(super) struct Caller {
    server: Arc<Umbridge>,
    line: Line,
    request: Vec<u8>,
}

impl Caller {
    pub(super) fn new(server: Arc<Umbridge>) -> Caller {
        Caller { line: Line::new(&server.client), server, request: Vec::new() }
    }

    /// Begins a request about these inputs; what is particular to it follows.
    fn begin(&mut self, inputs: &Tree) -> Result<(), ModelError> {
        let server = &*self.server;
        self.request.clear();
        self.request.extend_from_slice(&server.offer.head);
        self.request.extend_from_slice(b",\"input\":[");
        for (index, path) in server.inputs.iter().enumerate() {
            let array = inputs
                .leaf(path)
                .ok_or_else(|| ModelError::refused(format!("{path} is not given, and UM-Bridge knows no defaults")))?;
            if index > 0 {
                self.request.push(b',');
            }
            write_vector(&mut self.request, array);
        }
        self.request.push(b']');
        Ok(())
    }

    fn send(&mut self, endpoint: &str) -> Result<(Reply, Value), ModelError> {
        self.request.push(b'}');
        let reply = self.line.post(endpoint, &mut self.request, "application/json", self.server.timeout)?;
        let mut value = answer(&reply)?;
        match value.get_mut("output").map(Value::take) {
            Some(output) => Ok((reply, output)),
            None => Err(reply.unintelligible("it has no output")),
        }
    }

    /// The sum of the products of some of the Jacobian's blocks with their vectors: `terms` are the numbers of a
    /// block's output and input, and its vector.
    fn sum_of_products<'t>(
        &mut self,
        endpoint: &str,
        key: &str,
        size: usize,
        terms: impl Iterator<Item = (usize, usize, &'t Array)>,
    ) -> Result<Vec<f64>, ModelError> {
        let begun = self.request.len();
        let mut sum = vec![0.0; size];
        for (output, input, vector) in terms {
            self.request.extend_from_slice(format!(",\"outWrt\":{output},\"inWrt\":{input},\"{key}\":").as_bytes());
            write_vector(&mut self.request, vector);
            let (reply, product) = self.send(endpoint)?;
            let product = numbers(&reply, &product, size)?.to_vec();
            sum.iter_mut().zip(product).for_each(|(slot, value)| *slot += value);
            self.request.truncate(begun);
        }
        Ok(sum)
    }
}

impl Instance for Caller {
    fn natives(&self) -> Natives {
        self.server.offer.natives
    }

    fn heed(&mut self, cancel: &Cancel) {
        self.line.cancel = cancel.clone();
    }

    fn apply(&mut self, inputs: &Tree) -> Result<Tree, ModelError> {
        self.begin(inputs)?;
        let (reply, output) = self.send("Evaluate")?;
        let server = &*self.server;
        let vectors = output.as_array().filter(|vectors| vectors.len() == server.outputs.len());
        let vectors =
            vectors.ok_or_else(|| reply.unintelligible(&format!("expected {} vectors", server.outputs.len())))?;
        let mut outputs = Tree::fields::<String>([]);
        for ((path, vector), &size) in server.outputs.iter().zip(vectors).zip(&server.offer.output_sizes) {
            outputs.insert(path, Tree::Leaf(server.shaped(path, numbers(&reply, vector, size)?)));
        }
        let outputs = server.signature.outputs_from_tree(&outputs);
        outputs.map_err(|violations| ModelError::nonconforming(&violations))
    }

    fn jvp(&mut self, inputs: &Tree, tangents: &[(Path, Array)], of: &[Path]) -> Result<Vec<Array>, ModelError> {
        self.begin(inputs)?;
        let server = self.server.clone();
        let column = |output: &Path| {
            let i = index(&server.outputs, output);
            let terms = tangents.iter().map(|(input, tangent)| (i, index(&server.inputs, input), tangent));
            let sum = self.sum_of_products("ApplyJacobian", "vec", server.offer.output_sizes[i], terms)?;
            Ok(server.shaped(output, Array::from(sum)))
        };
        of.iter().map(column).collect()
    }

    fn vjp(&mut self, inputs: &Tree, cotangents: &[(Path, Array)], wrt: &[Path]) -> Result<Vec<Array>, ModelError> {
        self.begin(inputs)?;
        let server = self.server.clone();
        let row = |input: &Path| {
            let j = index(&server.inputs, input);
            let terms = cotangents.iter().map(|(output, cotangent)| (index(&server.outputs, output), j, cotangent));
            let sum = self.sum_of_products("Gradient", "sens", server.offer.input_sizes[j], terms)?;
            let shape = inputs.leaf(input).map(|array| array.shape().to_vec()).unwrap_or_default();
            Ok(reshaped(Array::from(sum), &shape))
        };
        wrt.iter().map(row).collect()
    }
}

/// The number of the vector that a field stands for.
fn index(fields: &[Path], field: &Path) -> usize {
    fields.iter().position(|known| known == field).unwrap_or_else(|| unreachable!("requests are proven: {field}"))
}

/// Whatever its shape, a list of numbers.
fn write_vector(out: &mut Vec<u8>, array: &Array) {
    codec::write_array(out, &Array::from(array.to_vec()), Encoding::Plain);
}

/// The vector in this shape. Where it does not fit, those who check shapes have the words for it.
fn reshaped(vector: Array, shape: &[usize]) -> Array {
    vector.clone().reshaped(shape).unwrap_or(vector)
}

/// A vector of the size that the server declares.
fn numbers(reply: &Reply, value: &Value, size: usize) -> Result<Array, ModelError> {
    let expected = Expected { dtype: DType::Float64, rank: Some(1), null_is_nan: true };
    let vector = codec::decode(value, expected).map_err(|error| reply.unintelligible(&error.to_string()))?;
    if *vector.shape() == [size] {
        return Ok(vector);
    }
    let words = format!("it answered an array of shape {:?} for a vector of size {size}", vector.shape());
    Err(reply.error(ModelErrorKind::Failed, &words))
}

/// A body, or the error that it holds. Whatever the status: servers differ in theirs.
fn answer(reply: &Reply) -> Result<Value, ModelError> {
    let parsed = codec::parse_json(&reply.body);
    let value = match parsed.or_else(|error| codec::parse_json(&mended(&reply.body)).map_err(|_| error)) {
        Ok(value) => value,
        Err(error) if reply.is_success() => return Err(reply.unintelligible(&error.to_string())),
        Err(_) => return Err(reply.failure()),
    };
    if let Some(error) = value.get("error") {
        let text = |key: &str| error.get(key).and_then(Value::as_str);
        let kind = if text("type") == Some("InvalidInput") { ModelErrorKind::Refused } else { ModelErrorKind::Failed };
        let words = match (text("type"), text("message")) {
            (Some(name), Some(message)) => format!("{name}: {message}"),
            _ => error.to_string(),
        };
        return Err(reply.error(kind, &words));
    }
    if reply.is_success() { Ok(value) } else { Err(reply.failure()) }
}

/// The text with Python's `nan` and `inf` as its own JSON writes them. They stand bare among the numbers.
fn mended(body: &[u8]) -> Vec<u8> {
    String::from_utf8_lossy(body).replace("-nan", "NaN").replace("nan", "NaN").replace("inf", "Infinity").into_bytes()
}
