//! A legacy program as a model: inputs laid out as texts once a base, written and run once a point.

use std::collections::HashMap;
use std::sync::Arc;

use super::adapter::{Adapter, Output};
use super::folder::Folders;
use super::read::Found;
use super::run::{self, Script};
use super::write::{Asked, Text, decimals, unwritten};
use crate::diff::{Decimal, Displacement};
use crate::model::{Base, Batch, Cancel, Description, Instance, Model, ModelError, ModelErrorKind, Natives};
use crate::schema::{Dim, Leaf, Signature};
use crate::tree::{Array, DType, Layout, Path, Tree};

/// A program that knows nothing of JSON, as a model.
pub(in crate::backend) struct Legacy {
    description: Description,
    signature: Arc<Signature>,
    adapter: Arc<Adapter>,
}

/// One place to run it in.
struct Runner {
    signature: Arc<Signature>,
    adapter: Arc<Adapter>,
    folders: Folders,
    script: Script,
    found: Vec<Found>,
    resident: Option<(u64, Laid)>,
    cancel: Cancel,
}

/// Inputs laid out as texts, and the value of every field.
pub(super) struct Laid {
    arguments: Vec<(Text, Vec<Slot>)>,
    env: Vec<(Text, Vec<Slot>)>,
    files: Vec<(Text, Vec<Slot>)>,
}

/// Where a field's value comes from, and how it is rounded so that all fields say the same.
#[derive(Clone, Copy)]
struct Slot {
    value: Value,
    decimal: Decimal,
    lower: f64,
    upper: f64,
}

#[derive(Clone, Copy)]
enum Value {
    Constant(f64),
    Coordinate(usize),
}

impl Legacy {
    pub(in crate::backend) fn new(description: Description, signature: Signature, adapter: Adapter) -> Legacy {
        Legacy { description, signature: Arc::new(signature), adapter: Arc::new(adapter) }
    }
}

impl Model for Legacy {
    fn description(&self) -> &Description {
        &self.description
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn texts(&self, inputs: &Tree, wrt: &Layout) -> Result<Vec<Decimal>, ModelError> {
        let texts = texts(&self.adapter, inputs, Asked::Values)?;
        let all = || texts.iter().flatten();
        let missing = unwritten(all().map(|(_, text)| text), wrt);
        if !missing.is_empty() {
            let shown: Vec<_> = missing.iter().take(10).map(String::as_str).collect();
            return Err(ModelError::failed(format!(
                "nothing that the program is given depends on {}: write it in command.write, argv or env, or leave it \
                 out of what is differentiated",
                shown.join(", ")
            )));
        }
        let agreed = decimals(all().map(|(name, text)| (name.as_str(), text))).map_err(ModelError::failed)?;
        let mut found = Vec::with_capacity(wrt.len());
        for span in wrt.spans() {
            let elements = agreed.get(&span.path);
            found.extend((0..span.len).map(|i| elements.and_then(|known| known.get(&i)).copied().unwrap_or_default()));
        }
        Ok(found)
    }

    fn open(&self) -> Result<Box<dyn Instance>, ModelError> {
        let folders = self.adapter.ground.stake().map_err(|error| ModelError::new(ModelErrorKind::Crashed, error))?;
        let found = self.adapter.reads.iter().map(|output| Found::new(most(output))).collect();
        Ok(Box::new(Runner {
            signature: self.signature.clone(),
            adapter: self.adapter.clone(),
            folders,
            script: Script::default(),
            found,
            resident: None,
            cancel: Cancel::default(),
        }))
    }
}

/// How many numbers an output may have.
fn most(output: &Output) -> usize {
    let fixed = |dim: &Dim| if let Dim::Fixed(length) = dim { Some(*length) } else { None };
    let elements = output.shape.iter().map(fixed).product::<Option<usize>>().unwrap_or(1 << 25);
    if output.complex { 2 * elements } else { elements }
}

impl Instance for Runner {
    fn heed(&mut self, cancel: &Cancel) {
        self.cancel = cancel.clone();
    }

    fn apply(&mut self, inputs: &Tree) -> Result<Tree, ModelError> {
        let laid = Laid::new(&self.adapter, &self.signature, inputs, &Layout::default(), Asked::Values)?;
        laid.write(&[], &mut self.script)?;
        self.run()
    }

    fn natives(&self) -> Natives {
        Natives { jacobian: self.adapter.dakota.is_some(), ..Natives::default() }
    }

    fn jacobian(&mut self, inputs: &Tree, wrt: &[Path], of: &[Path]) -> Result<Vec<Array>, ModelError> {
        let Runner { adapter, signature, folders, script, cancel, .. } = self;
        let Some(dakota) = &adapter.dakota else { return Err(ModelError::broken("it writes no gradients")) };
        let laid = Laid::new(adapter, signature, inputs, &Layout::default(), Asked::Gradients)?;
        laid.write(&[], script)?;
        let shape = |path: &Path, count| {
            let output = adapter.reads.iter().find(|output| output.path == *path);
            output.map_or_else(|| Err(format!("there is no output {path}")), |output| dimensions(&output.shape, count))
        };
        let mut blocks = Vec::new();
        run::run(adapter, folders, script, cancel, &[dakota.results], &mut |_, text| {
            blocks = dakota.blocks(text, &laid.files[dakota.parameters].0, inputs, wrt, of, shape)?;
            Ok(())
        })?;
        Ok(blocks)
    }

    fn printed(&self) -> Vec<(Path, Vec<f64>)> {
        let outputs = self.adapter.reads.iter().zip(&self.found);
        outputs.map(|(output, found)| (output.path.clone(), found.quanta.clone())).collect()
    }

    fn sweep(&mut self, base: &Base, batch: &mut dyn Batch) {
        if self.resident.as_ref().is_none_or(|(id, _)| *id != base.id()) {
            match Laid::new(&self.adapter, &self.signature, &base.inputs, &base.wrt, Asked::Values) {
                Ok(laid) => self.resident = Some((base.id(), laid)),
                Err(error) => {
                    let _ = batch.tell(0, Err(error));
                    return;
                }
            }
        }
        let mut x = base.x.to_vec();
        let mut point = Displacement::new();
        let mut outcome = vec![0.0; base.of.len()];
        for k in 0..batch.len() {
            batch.displace(k, &mut point);
            point.iter().for_each(|&(i, value)| x[i] = value);
            let result = self.point(&x).and_then(|outputs| {
                let ravelled = base.of.ravel(&outputs, &mut outcome);
                ravelled.map_err(|mismatch| ModelError::failed(format!("output {mismatch}")))
            });
            let fatal = result.as_ref().is_err_and(|error| error.kind.is_fatal());
            if batch.tell(k, result.map(|()| &outcome[..])).is_break() || fatal {
                return;
            }
            point.iter().for_each(|&(i, _)| x[i] = base.x[i]);
        }
    }
}

impl Runner {
    /// The outputs at these coordinates of the resident base.
    fn point(&mut self, x: &[f64]) -> Result<Tree, ModelError> {
        let Some((_, laid)) = &self.resident else { unreachable!("a base is laid out before its points") };
        laid.write(x, &mut self.script)?;
        self.run()
    }

    fn run(&mut self) -> Result<Tree, ModelError> {
        let Runner { adapter, folders, script, found, cancel, .. } = self;
        let everywhere: Vec<usize> = (0..adapter.origins.len()).collect();
        run::run(adapter, folders, script, cancel, &everywhere, &mut |place, text| {
            adapter.origins[place].1.iter().try_for_each(|&output| {
                let Output { path, reader, .. } = &adapter.reads[output];
                reader
                    .read(text, &mut found[output])
                    .map_err(|fault| format!("the output {path} is not found: {fault}"))
            })
        })?;
        let mut outputs = Tree::Struct(crate::tree::Map::new());
        for (output, found) in self.adapter.reads.iter().zip(&self.found) {
            let array = array(output, found)
                .map_err(|fault| ModelError::failed(format!("the output {} {fault}", output.path)))?;
            outputs.insert(&output.path, Tree::Leaf(array));
        }
        self.signature.outputs_from_tree(&outputs).map_err(|violations| ModelError::nonconforming(&violations))
    }
}

/// The numbers in the shape that the schema wants; what it leaves open is as long as there are numbers for it.
fn array(output: &Output, found: &Found) -> Result<Array, String> {
    let numbers = found.numbers.len();
    if output.complex {
        if numbers % 2 == 1 {
            return Err(format!("has {numbers} numbers, of which the last has no imaginary part beside it"));
        }
        let shape = dimensions(&output.shape, numbers / 2)?;
        return Ok(Array::from_coordinates(DType::Complex128, &shape, &found.numbers));
    }
    Ok(Array::new(&dimensions(&output.shape, numbers)?, found.numbers.clone()))
}

fn dimensions(shape: &[Dim], count: usize) -> Result<Vec<usize>, String> {
    let fixed = |dim: &Dim| if let Dim::Fixed(length) = dim { Some(*length) } else { None };
    let rest: usize = shape.iter().filter_map(fixed).product();
    let open = shape.iter().any(|dim| fixed(dim).is_none());
    let wanted = if open { count.checked_div(rest).unwrap_or(0) * rest } else { rest };
    if wanted != count {
        let per = if open { " for every one of the others" } else { "" };
        return Err(format!("has {count} numbers where its schema wants {rest}{per}"));
    }
    Ok(shape.iter().map(|dim| fixed(dim).unwrap_or(count / rest.max(1))).collect())
}

/// Every text that the program is given, with its name: arguments, environment, files.
fn texts(adapter: &Adapter, inputs: &Tree, asked: Asked) -> Result<[Vec<(String, Text)>; 3], ModelError> {
    let mut faults = Vec::new();
    let mut lay_out = |name: String, source: &super::write::Source| match source.lay_out(inputs, asked) {
        Ok(text) => (name, text),
        Err(fault) => {
            faults.push(format!("{name}: {fault}"));
            (name, Text::default())
        }
    };
    let arguments = adapter.arguments.iter().map(|source| lay_out("argv".to_owned(), source)).collect();
    let env = adapter.env.iter().map(|(key, source)| lay_out(format!("env.{key}"), source)).collect();
    let files = adapter.writes.iter().map(|(target, source)| lay_out(target.to_string(), source)).collect();
    if faults.is_empty() { Ok([arguments, env, files]) } else { Err(ModelError::failed(faults.join("\n"))) }
}

impl Laid {
    /// The coordinates of `wrt` are given point by point; all else is as `inputs` have it.
    pub(super) fn new(
        adapter: &Adapter,
        signature: &Signature,
        inputs: &Tree,
        wrt: &Layout,
        asked: Asked,
    ) -> Result<Laid, ModelError> {
        let texts = texts(adapter, inputs, asked)?;
        let named = texts.iter().flatten().map(|(name, text)| (name.as_str(), text));
        let agreed = decimals(named).map_err(ModelError::failed)?;
        // What is asked of a leaf is asked once, however many of its elements are written.
        let mut leaves = HashMap::new();
        for path in agreed.keys() {
            let Some(array) = inputs.leaf(path) else { continue };
            let leaf = signature.inputs.leaf(path).filter(|leaf| !leaf.dtype.is_complex());
            let lower = leaf.and_then(Leaf::lower).unwrap_or(f64::NEG_INFINITY);
            let upper = leaf.and_then(Leaf::upper).unwrap_or(f64::INFINITY);
            leaves.insert(path, (array.to_vec(), wrt.span(path).map(|span| span.offset), lower, upper));
        }
        let slots = |text: &Text| -> Vec<Slot> {
            let slot = |field: &super::write::Field| {
                let (values, offset, lower, upper) = &leaves[&field.path];
                let value = offset.map_or_else(
                    || Value::Constant(values[field.element]),
                    |offset| Value::Coordinate(offset + field.element),
                );
                let decimal = agreed.get(&field.path).and_then(|known| known.get(&field.element)).copied();
                Slot { value, decimal: decimal.unwrap_or(field.decimal), lower: *lower, upper: *upper }
            };
            text.fields().map(slot).collect()
        };
        let [arguments, env, files] =
            texts.each_ref().map(|group| group.iter().map(|(_, text)| slots(text)).collect::<Vec<_>>());
        let [a, e, f] = texts.map(|group| group.into_iter().map(|(_, text)| text));
        Ok(Laid { arguments: a.zip(arguments).collect(), env: e.zip(env).collect(), files: f.zip(files).collect() })
    }

    /// The texts at these coordinates.
    pub(super) fn write(&self, x: &[f64], script: &mut Script) -> Result<(), ModelError> {
        let written = |(text, slots): &(Text, Vec<Slot>), out: &mut Vec<u8>| {
            let mut slots = slots.iter();
            out.clear();
            text.write(out, |_| {
                let Some(slot) = slots.next() else { unreachable!("a slot for every field") };
                let value = match slot.value {
                    Value::Constant(value) => value,
                    Value::Coordinate(at) => x[at],
                };
                // What does not fit is said to be so by the text, with its value.
                let fits = !slot.decimal.round(value).is_nan();
                if fits { slot.decimal.round_within(value, slot.lower, slot.upper) } else { value }
            })
            .map_err(ModelError::failed)
        };
        let plain = |text: &(Text, Vec<Slot>)| -> Result<String, ModelError> {
            let mut out = Vec::new();
            written(text, &mut out)?;
            Ok(String::from_utf8_lossy(&out).into_owned())
        };
        script.arguments = self.arguments.iter().map(plain).collect::<Result<_, _>>()?;
        script.env = self.env.iter().map(plain).collect::<Result<_, _>>()?;
        script.texts.resize_with(self.files.len(), Vec::new);
        for (text, out) in self.files.iter().zip(&mut script.texts) {
            written(text, out)?;
        }
        Ok(())
    }
}
