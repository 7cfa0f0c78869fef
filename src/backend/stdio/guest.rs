//! The answering end: any model, served over a pair of streams. `secant worker` is this and nothing more.
//!
//! Only `Read` and `Write`, no process: both ends can meet in memory.

use std::io::{self, BufRead, Write};
use std::ops::ControlFlow;
use std::time::Instant;

use serde_json::Value;
use serde_json::value::RawValue;

use super::protocol::{self, Introduction, Request, RpcError, SweepParams};
use super::session::HEARTBEAT;
use crate::codec::{self, Encoding};
use crate::diff::Displacement;
use crate::model::{Base, Batch, Instance, Model, ModelError, ModelErrorKind};
use crate::tree::{Array, Layout, Path, Tree};

/// Answers requests until the host says `shutdown`, closes the stream, or the instance is dead.
///
/// The instance is made with the first request that needs one, so that its failure reaches the host.
pub fn serve(model: &dyn Model, mut from: impl BufRead, mut to: impl Write) -> io::Result<()> {
    let mut guest = Guest { model, instance: None, sweep: None };
    let mut line = Vec::new();
    let mut reply = Vec::new();
    loop {
        line.clear();
        if from.read_until(b'\n', &mut line)? == 0 {
            return Ok(());
        }
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        reply.clear();
        let over = guest.answer(&line, &mut reply, &mut to);
        to.write_all(&reply)?;
        to.flush()?;
        if over {
            return Ok(());
        }
    }
}

struct Guest<'m> {
    model: &'m dyn Model,
    instance: Option<Box<dyn Instance>>,
    sweep: Option<Sweep>,
}

/// The base of the sweeps, and what of it is not known yet: the shapes of the outputs, which the first
/// evaluation tells.
enum Sweep {
    New { inputs: Tree, wrt: Layout, of: Vec<Path> },
    Known(Base),
}

impl Guest<'_> {
    /// Writes the reply to one line. Whether the conversation is over.
    fn answer(&mut self, line: &[u8], reply: &mut Vec<u8>, to: &mut impl Write) -> bool {
        let request: Request<'_> = match serde_json::from_slice(line) {
            Ok(request) => request,
            Err(error) => {
                protocol::write_error(
                    reply,
                    None,
                    &RpcError { code: protocol::PARSE_ERROR, message: format!("no request: {error}") },
                );
                return false;
            }
        };
        let Some(id) = request.id else { return false };
        protocol::begin_reply(reply, id);
        match self.dispatch(&request, reply, to) {
            Ok(()) => {
                protocol::end_request(reply);
                request.method == "shutdown"
            }
            Err(error) => {
                reply.clear();
                protocol::write_error(reply, Some(id), &error);
                error.code == protocol::INSTANCE_DEAD
            }
        }
    }

    fn dispatch(&mut self, request: &Request<'_>, out: &mut Vec<u8>, to: &mut impl Write) -> Result<(), RpcError> {
        match &*request.method {
            "initialize" => Ok(self.introduce(out)?),
            "ping" | "shutdown" => {
                out.extend_from_slice(b"{}");
                Ok(())
            }
            "apply" => {
                let params = Params::parse(request.params)?;
                let inputs = params.inputs(self.model)?;
                let outputs = self.instance()?.apply(&inputs)?;
                codec::write_tree(out, &outputs, Encoding::Base64);
                Ok(())
            }
            "sweep" => Ok(self.sweep(request.params, out, to)?),
            "jacobian" => {
                let params = Params::parse(request.params)?;
                let (wrt, of) = (params.paths("jac_inputs")?, params.paths("jac_outputs")?);
                let inputs = params.inputs(self.model)?;
                let blocks = self.instance()?.jacobian(&inputs, &wrt, &of)?;
                out.push(b'{');
                for (i, (path, row)) in of.iter().zip(blocks.chunks(wrt.len().max(1))).enumerate() {
                    if i > 0 {
                        out.push(b',');
                    }
                    protocol::write_json(out, &path.to_string());
                    out.push(b':');
                    write_arrays(out, wrt.iter().zip(row));
                }
                out.push(b'}');
                Ok(())
            }
            "jacobian_vector_product" => {
                let params = Params::parse(request.params)?;
                let of = params.paths("jvp_outputs")?;
                let tangents = params.vectors("jvp_inputs", "tangent_vector")?;
                let inputs = params.inputs(self.model)?;
                let result = self.instance()?.jvp(&inputs, &tangents, &of)?;
                write_arrays(out, of.iter().zip(&result));
                Ok(())
            }
            "vector_jacobian_product" => {
                let params = Params::parse(request.params)?;
                let wrt = params.paths("vjp_inputs")?;
                let cotangents = params.vectors("vjp_outputs", "cotangent_vector")?;
                let inputs = params.inputs(self.model)?;
                let result = self.instance()?.vjp(&inputs, &cotangents, &wrt)?;
                write_arrays(out, wrt.iter().zip(&result));
                Ok(())
            }
            "abstract_eval" => {
                let params = Params::parse(request.params)?;
                let inputs = params.0.get("inputs").unwrap_or(&Value::Null);
                let inputs = self.model.signature().abstract_from_json(inputs);
                let inputs = inputs.map_err(|violations| ModelError::refused(violations.to_string()))?;
                codec::write_abstract(out, &self.instance()?.abstract_eval(&inputs)?);
                Ok(())
            }
            method => Err(RpcError { code: protocol::METHOD_NOT_FOUND, message: format!("no method {method}") }),
        }
    }

    fn instance(&mut self) -> Result<&mut (dyn Instance + 'static), ModelError> {
        if self.instance.is_none() {
            self.instance = Some(self.model.open()?);
        }
        match &mut self.instance {
            Some(instance) => Ok(&mut **instance),
            None => unreachable!("just opened"),
        }
    }

    fn introduce(&mut self, out: &mut Vec<u8>) -> Result<(), ModelError> {
        let description = self.model.description().clone();
        let natives = self.instance()?.natives();
        let methods = [
            ("apply", true),
            ("sweep", true),
            ("jacobian", natives.jacobian),
            ("jacobian_vector_product", natives.jvp),
            ("vector_jacobian_product", natives.vjp),
            ("abstract_eval", natives.abstract_eval),
        ];
        let introduction = Introduction {
            protocol: Some(protocol::VERSION),
            name: Some(description.name),
            version: Some(description.version),
            description: Some(description.description),
            input_schema: None,
            output_schema: None,
            encodings: vec!["json".to_owned(), "base64".to_owned()],
            methods: methods.into_iter().filter(|(_, offered)| *offered).map(|(name, _)| name.to_owned()).collect(),
            pipeline: Some(2),
        };
        protocol::write_json(out, &introduction);
        Ok(())
    }

    fn sweep(&mut self, params: Option<&RawValue>, out: &mut Vec<u8>, to: &mut impl Write) -> Result<(), ModelError> {
        let text = params.map_or("{}", RawValue::get);
        let params: SweepParams<'_> =
            serde_json::from_str(text).map_err(|error| ModelError::refused(format!("params of sweep: {error}")))?;
        self.rebase(&params)?;
        let base64 = params.encoding.as_deref() == Some("base64");
        self.instance()?;
        let (Some(sweep), Some(instance)) = (&mut self.sweep, &mut self.instance) else {
            return Err(ModelError::refused("a first sweep needs inputs, wrt and of"));
        };
        out.push(b'[');
        let mut points = &params.points[..];
        // Until one evaluation has told the shapes of the outputs, each is a whole one.
        while let Sweep::New { inputs, wrt, of } = sweep
            && let Some((point, rest)) = points.split_first()
        {
            points = rest;
            let base = Base::new(inputs.clone(), wrt.clone(), Layout::default());
            base.check(point)?;
            match instance.apply(&base.displaced(point)) {
                Ok(outputs) => {
                    let of = Layout::of(&outputs, of.iter())
                        .map_err(|absent| ModelError::refused(format!("there is no output {}", absent.0)))?;
                    let mut outcome = vec![0.0; of.len()];
                    of.ravel(&outputs, &mut outcome).map_err(|mismatch| ModelError::broken(mismatch.to_string()))?;
                    protocol::write_outcome(out, &outcome, base64);
                    *sweep = Sweep::Known(base.with_outputs(of));
                }
                Err(error) if error.kind.is_fatal() => return Err(error),
                Err(error) => write_failure(out, error),
            }
            if !points.is_empty() {
                out.push(b',');
            }
        }
        if let Sweep::Known(base) = sweep
            && !points.is_empty()
        {
            points.iter().try_for_each(|point| base.check(point))?;
            let mut batch = Chunk { points, out, to, base64, told: 0, last: Instant::now(), dead: None };
            instance.sweep(base, &mut batch);
            let (told, dead) = (batch.told, batch.dead);
            if let Some(dead) = dead {
                return Err(dead);
            }
            if told < points.len() {
                return Err(ModelError::broken("the sweep ended early"));
            }
        }
        out.push(b']');
        Ok(())
    }

    /// Takes over a new base, if the params bring one.
    fn rebase(&mut self, params: &SweepParams<'_>) -> Result<(), ModelError> {
        let Some(inputs) = params.inputs else { return Ok(()) };
        let value =
            codec::parse_json(inputs.get().as_bytes()).map_err(|error| ModelError::refused(error.to_string()))?;
        let inputs = self.model.signature().inputs_from_json(&value);
        let inputs = inputs.map_err(|violations| ModelError::refused(violations.to_string()))?;
        let wrt = parse_paths(params.wrt.as_deref().unwrap_or_default())?;
        let of = parse_paths(params.of.as_deref().unwrap_or_default())?;
        let absent = |path: &Path| ModelError::refused(format!("there is no floating-point input {path}"));
        for path in &wrt {
            inputs.leaf(path).filter(|array| array.dtype().is_continuous()).ok_or_else(|| absent(path))?;
        }
        let wrt = Layout::of(&inputs, &wrt).map_err(|missing| absent(&missing.0))?;
        self.sweep = Some(Sweep::New { inputs, wrt, of });
        Ok(())
    }
}

/// One message's points, as the instance sees them.
struct Chunk<'c, W> {
    points: &'c [Displacement],
    out: &'c mut Vec<u8>,
    to: &'c mut W,
    base64: bool,
    told: usize,
    /// When the host last heard of us.
    last: Instant,
    dead: Option<ModelError>,
}

impl<W: Write> Batch for Chunk<'_, W> {
    fn len(&self) -> usize {
        self.points.len()
    }

    fn displace(&self, k: usize, out: &mut Displacement) {
        out.clone_from(&self.points[k]);
    }

    fn tell(&mut self, k: usize, outcome: Result<&[f64], ModelError>) -> ControlFlow<()> {
        if k > 0 {
            self.out.push(b',');
        }
        match outcome {
            Ok(outcome) => protocol::write_outcome(self.out, outcome, self.base64),
            Err(error) if error.kind.is_fatal() => {
                self.dead = Some(error);
                return ControlFlow::Break(());
            }
            Err(error) => write_failure(self.out, error),
        }
        self.told += 1;
        // So that the host can tell a slow chunk from a point that hangs.
        if self.last.elapsed() > HEARTBEAT / 2 && self.told < self.points.len() {
            self.last = Instant::now();
            let beat = format!(
                "{{\"jsonrpc\":\"2.0\",\"method\":\"progress\",\"params\":{{\"done\":{},\"total\":{}}}}}\n",
                self.told,
                self.points.len()
            );
            let sent = self.to.write_all(beat.as_bytes()).and_then(|()| self.to.flush());
            if let Err(error) = sent {
                self.dead = Some(ModelError::new(ModelErrorKind::Broken, error.to_string()));
                return ControlFlow::Break(());
            }
        }
        ControlFlow::Continue(())
    }
}

fn write_failure(out: &mut Vec<u8>, error: ModelError) {
    protocol::write_json(out, &serde_json::json!({"error": RpcError::from(error)}));
}

fn write_arrays<'a>(out: &mut Vec<u8>, arrays: impl Iterator<Item = (&'a Path, &'a Array)>) {
    out.push(b'{');
    for (i, (path, array)) in arrays.enumerate() {
        if i > 0 {
            out.push(b',');
        }
        protocol::write_json(out, &path.to_string());
        out.push(b':');
        codec::write_array(out, array, Encoding::Base64);
    }
    out.push(b'}');
}

fn parse_paths(texts: &[String]) -> Result<Vec<Path>, ModelError> {
    texts.iter().map(|text| text.parse().map_err(|error| ModelError::refused(format!("{error}")))).collect()
}

/// Params of any method but `sweep`.
struct Params(Value);

impl Params {
    fn parse(params: Option<&RawValue>) -> Result<Params, ModelError> {
        let text = params.map_or("{}", RawValue::get);
        codec::parse_json(text.as_bytes()).map(Params).map_err(|error| ModelError::refused(error.to_string()))
    }

    fn inputs(&self, model: &dyn Model) -> Result<Tree, ModelError> {
        let inputs = self.0.get("inputs").unwrap_or(&Value::Null);
        let inputs = model.signature().inputs_from_json(inputs);
        inputs.map_err(|violations| ModelError::refused(violations.to_string()))
    }

    fn paths(&self, name: &str) -> Result<Vec<Path>, ModelError> {
        let texts = self.0.get(name).map(|list| serde_json::from_value::<Vec<String>>(list.clone()));
        match texts {
            Some(Ok(texts)) => parse_paths(&texts),
            _ => Err(ModelError::refused(format!("{name} is no list of paths"))),
        }
    }

    fn vectors(&self, paths: &str, vectors: &str) -> Result<Vec<(Path, Array)>, ModelError> {
        let read = |path: Path| {
            let entry = self.0.get(vectors).and_then(|all| all.get(path.to_string()));
            let entry = entry.ok_or_else(|| ModelError::refused(format!("{vectors} has no {path}")))?;
            let array = codec::decode_wide(entry)
                .map_err(|error| ModelError::refused(format!("{vectors}, {path}: {error}")))?;
            Ok((path, array))
        };
        self.paths(paths)?.into_iter().map(read).collect()
    }
}
