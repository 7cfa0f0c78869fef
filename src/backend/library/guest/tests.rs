//! Both ends of the border in one process: the host's frames and the plugin's safe traits, without a
//! library in between.

#![allow(unreachable_pub)] // what the macro exports

use std::sync::Arc;

use num_complex::Complex;

use super::*;
use crate::backend::library::{Library, crash};
use crate::model::{Instance, Model, ModelError, ModelErrorKind};
use crate::schema::{Differentiable, Signature};
use crate::tree::{Abstract, Array, DType, Tree};
use serde_json::json;

/// Does one thing after another with what it is given.
#[derive(Default)]
struct Everything {
    layouts: Vec<u64>,
}

impl Plugin for Everything {
    fn describe() -> Description {
        let vector = json!({"type": "array", "dtype": "float64", "shape": [null], "differentiable": true});
        let wave = json!({"dtype": "complex128", "shape": [2], "differentiable": true});
        let flags = json!({"dtype": "bool", "type": "array", "shape": [null]});
        let mode = json!({"type": "string"});
        Description {
            name: "everything".to_owned(),
            input_schema: json!({
                "type": "object",
                "properties": {
                    "x": vector, "z": wave, "n": {"type": "integer"}, "flags": flags, "mode": mode, "note": mode,
                    "extra": vector,
                },
                "required": ["x", "z", "n", "flags", "mode"],
            }),
            output_schema: json!({
                "type": "object",
                "properties": {
                    "twice": vector, "sums": vector, "wave": wave, "not": flags, "echo": mode,
                    "per": {"type": "object", "additionalProperties": {"type": "number"}},
                    "series": {"type": "array", "items": {"type": "object", "properties": {"v": {"type": "number"}}}},
                },
                "required": ["twice", "sums", "wave", "not", "echo", "per", "series"],
            }),
            ..Description::default()
        }
    }

    fn create(host: &Host<'_>) -> Result<Self, Fault> {
        host.log(Level::Debug, "about to be made");
        match host.config().get("fail").and_then(Value::as_str) {
            Some("panic") => panic!("no such table"),
            Some(reason) => Err(Fault::failed(reason)),
            None => Ok(Everything::default()),
        }
    }

    fn apply(&mut self, inputs: &Inputs<'_>, outputs: &mut Outputs<'_>) -> Result<(), Fault> {
        self.layouts.push(inputs.layout());
        let x = inputs.slice::<f64>("x")?;
        let mode: String = inputs.value("mode")?;
        match &*mode {
            "refuse" => return Err(Fault::refused("not\0 these")),
            "fail" => Err("nan".parse::<i32>().unwrap_err())?,
            "panic" => panic!("lost in {mode}"),
            "dtype" => return inputs.slice::<f32>("x").map(|_| ()),
            "absent" => return inputs.slice::<f64>("extra").map(|_| ()),
            "no scalar" => return inputs.scalar::<f64>("x").map(|_| ()),
            "text" => return inputs.value::<u8>("mode").map(|_| ()),
            "no text" => return inputs.value::<u8>("note").map(|_| ()),
            "wrong dtype" => return outputs.slice_mut::<f64>("wave", &[2]).map(|_| ()),
            "swallowed" => assert!(outputs.slice_mut::<f64>(99, &[2]).is_err()),
            "huge" => return outputs.slice_mut::<f64>("twice", &[usize::MAX, 1 << 40]).map(|_| ()),
            "twins" => return outputs.slices_mut::<f64, 2>([("twice", &[1]), ("twice", &[2])]).map(|_| ()),
            "other spelling" => {
                return outputs.slices_mut::<f64, 2>([("series.[0].v", &[]), ("series.[00].v", &[])]).map(|_| ());
            }
            _ => {}
        }
        assert_eq!(inputs.value::<Option<String>>("note")?.as_deref(), (mode == "noted").then_some("a note"));
        assert_eq!(inputs.index("x"), Some(0));
        assert_eq!(inputs.iter().map(|input| input.path()).collect::<Vec<_>>(), ["x", "z", "n", "flags"]);
        assert_eq!((inputs.get(1)?.dtype(), inputs.shape("z")?), (DType::Complex128, &[2][..]));
        assert!(!inputs.is_cancelled() && inputs.len() == 4);

        let n: i64 = inputs.scalar("n")?;
        let [twice, sums] = outputs.slices_mut::<f64, 2>([("twice", &[x.len()]), ("sums", &[1])])?;
        sums[0] = 0.0;
        for (twice, x) in twice.iter_mut().zip(x) {
            *twice = 2.0 * x;
            sums[0] += x * n as f64;
        }
        outputs.slice_mut(2, &[2])?.copy_from_slice(inputs.slice::<Complex<f64>>("z")?);
        let flags: Vec<bool> = inputs.slice::<u8>("flags")?.iter().map(|flag| *flag == 0).collect();
        outputs.bools("not", &[flags.len()], &flags)?;
        outputs.value("echo", &mode)?;
        outputs.scalar("per.{a key}", 1.5)?;
        outputs.scalar(&format!("per.{{{}}}", "long".repeat(60)), 2.5)?;
        outputs.scalar("series.[0].v", 3.5)
    }
}

impl Jacobian for Everything {
    fn jacobian(&mut self, inputs: &Inputs<'_>, blocks: &mut Blocks<'_>) -> Result<(), Fault> {
        let n = inputs.shape("x")?[0];
        if let Some(block) = blocks.slice_mut::<f64>("twice", &[n], "x")? {
            (0..n).for_each(|i| block[i * n + i] = 2.0);
        }
        if let Some(block) = blocks.slice_mut::<Complex<f64>>("wave", &[2], 1)? {
            block[0] = Complex::new(1.0, 0.0);
            block[3] = Complex::new(1.0, 0.0);
        }
        if let Some(block) = blocks.slice_mut::<Complex<f64>>("wave", &[2], "x")? {
            block.fill(Complex::ZERO);
        }
        // What is asked for and not known stays unwritten, and the host says so.
        Ok(())
    }
}

impl Vjp for Everything {
    fn vjp(
        &mut self,
        inputs: &Inputs<'_>,
        cotangents: &Vectors<'_>,
        gradients: &mut Gradients<'_>,
    ) -> Result<(), Fault> {
        assert_eq!(gradients.wrt().map(|input| input.path()).collect::<Vec<_>>(), ["x"]);
        let (twice, sums) = (cotangents.slice::<f64>("twice")?, cotangents.slice::<f64>("sums")?);
        let n: i64 = inputs.scalar("n")?;
        if let Some(gradient) = gradients.slice_mut::<f64>("x")? {
            for (i, slot) in gradient.iter_mut().enumerate() {
                *slot = 2.0 * twice.map_or(0.0, |w| w[i]) + n as f64 * sums.map_or(0.0, |w| w[0]);
            }
        }
        Ok(())
    }
}

impl AbstractEval for Everything {
    fn abstract_eval(&mut self, inputs: &Inputs<'_>, shapes: &mut Shapes<'_>) -> Result<(), Fault> {
        assert!(inputs.slice::<f64>("x").unwrap_err().to_string().contains("no values"));
        shapes.declare("twice", DType::Float64, inputs.shape("x")?)?;
        shapes.declare(1, DType::Float64, &[1])
    }
}

crate::export_plugin!(Everything);

fn model(config: &Value) -> impl Model {
    let table = secant_plugin();
    let library = Library {
        name: crash::name("everything".to_owned()),
        table: table.raw(),
        address: 0,
        described: table.describe().to_owned(),
    };
    let described: Value = serde_json::from_str(library.described()).unwrap();
    let signature =
        Signature::parse(&described["input_schema"], &described["output_schema"], &Differentiable::default());
    library.into_model(crate::model::Description::default(), signature.unwrap(), config)
}

fn instance() -> Box<dyn Instance> {
    model(&json!({})).open().unwrap()
}

fn inputs(mode: &str, x: &[f64]) -> Tree {
    Tree::fields([
        ("x", Tree::from(Array::from(x.to_vec()))),
        ("z", Tree::from(Array::new(&[2], vec![Complex::new(1.0, 2.0), Complex::new(3.0, 4.0)]))),
        ("n", Tree::from(Array::new(&[], vec![3i64]))),
        ("flags", Tree::from(Array::from_bytes(DType::Bool, &[3], &[1, 0, 1]).unwrap())),
        ("mode", Tree::Text(Arc::from(format!("{mode:?}")))),
    ])
}

fn leaf(tree: &Tree, path: &str) -> Vec<f64> {
    tree.leaf(&path.parse().unwrap()).unwrap_or_else(|| panic!("no {path}")).to_vec()
}

fn fault(mode: &str) -> ModelError {
    instance().apply(&inputs(mode, &[1.0])).unwrap_err()
}

#[test]
fn everything_gets_there_and_back() {
    let mut instance = instance();
    for x in [&[1.0, 2.0][..], &[5.0], &[], &[4.0; 100]] {
        let outputs = instance.apply(&inputs("plain", x)).unwrap();
        assert_eq!(leaf(&outputs, "twice"), x.iter().map(|x| 2.0 * x).collect::<Vec<_>>());
        assert_eq!(leaf(&outputs, "sums"), [3.0 * x.iter().sum::<f64>()]);
        assert_eq!(leaf(&outputs, "wave"), [1.0, 2.0, 3.0, 4.0]);
        assert_eq!(leaf(&outputs, "not"), [0.0, 1.0, 0.0]);
        assert_eq!(leaf(&outputs, "per.{a key}"), [1.5]);
        assert_eq!(leaf(&outputs, &format!("per.{{{}}}", "long".repeat(60))), [2.5]);
        assert_eq!(outputs.texts()[0].1, "\"plain\"");
    }
}

#[test]
fn faults_are_whose_they_are() {
    for (mode, kind, words) in [
        ("refuse", ModelErrorKind::Refused, "not these"),
        ("fail", ModelErrorKind::Failed, "invalid digit"),
        ("panic", ModelErrorKind::Crashed, "the model panicked: lost in panic"),
        ("dtype", ModelErrorKind::Failed, "x: the model reads float32, but it is float64"),
        ("absent", ModelErrorKind::Refused, "input extra is missing"),
        ("no scalar", ModelErrorKind::Refused, "x: expected a scalar, found shape [1]"),
        ("text", ModelErrorKind::Refused, "input mode: invalid type"),
        ("no text", ModelErrorKind::Refused, "input note is missing"),
        ("wrong dtype", ModelErrorKind::Failed, "output wave: the model gives float64, the schema says complex128"),
        ("swallowed", ModelErrorKind::Failed, "asks for output 99"),
        ("huge", ModelErrorKind::Failed, "output twice"),
        ("twins", ModelErrorKind::Crashed, "asked for at once"),
        ("other spelling", ModelErrorKind::Crashed, "asked for at once"),
    ] {
        let error = fault(mode);
        assert!(error.kind == kind && error.message.contains(words), "{mode}: {error:?}");
    }
    // A host that knows the reason is not told another one.
    assert!(!fault("wrong dtype").message.contains('('));
}

#[test]
fn an_instance_that_cannot_be_made_says_why() {
    for (config, words) in
        [(json!({"fail": "no licence"}), "no licence"), (json!({"fail": "panic"}), "panicked: no such table")]
    {
        let error = model(&config).open().err().unwrap();
        assert!(error.message.contains(words), "{error}");
    }
}

#[test]
fn derivatives_are_those_that_have_traits() {
    assert_eq!(secant_plugin().natives(), ["jacobian", "vjp", "abstract_eval"]);
    let mut instance = instance();
    let path = |text: &str| text.parse::<crate::tree::Path>().unwrap();
    let point = inputs("plain", &[1.0, 2.0]);

    let blocks = instance.jacobian(&point, &[path("x")], &[path("twice")]).unwrap();
    assert_eq!((blocks[0].shape(), blocks[0].to_vec()), (&[2, 2][..], vec![2.0, 0.0, 0.0, 2.0]));
    let blocks = instance.jacobian(&point, &[path("x"), path("z")], &[path("wave")]).unwrap();
    assert_eq!(blocks[0].to_vec(), [0.0; 8]);
    assert_eq!(blocks[1].to_vec(), [1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0]);
    let error = instance.jacobian(&point, &[path("x")], &[path("sums")]).unwrap_err();
    assert!(error.message.contains("every block"), "{error}");

    let cotangents = [(path("sums"), Array::from(vec![10.0])), (path("twice"), Array::from(vec![1.0, -1.0]))];
    let gradient = instance.vjp(&point, &cotangents, &[path("x")]).unwrap();
    assert_eq!(gradient[0].to_vec(), [32.0, 28.0]);

    let shapes = instance.abstract_eval(&point.map(&mut Array::to_abstract)).unwrap();
    let twice = shapes.leaf(&path("twice")).unwrap();
    assert_eq!(*twice, Abstract { dtype: DType::Float64, shape: [2].into() });
}

#[test]
fn a_host_of_too_few_fields_is_sent_away() {
    let table = secant_plugin().raw();
    let mut place = 0u32;
    // SAFETY: a call of 4 bytes, of which no more are read.
    let status = unsafe { table.apply.unwrap()(std::ptr::dangling_mut(), (&raw mut place).cast()) };
    assert_eq!(status, abi::DEAD);
}

/// Panics wherever it can.
struct Clumsy;

impl Plugin for Clumsy {
    const ONE_PER_PROCESS: bool = true;

    fn describe() -> Description {
        std::panic::panic_any(5)
    }

    fn create(_: &Host<'_>) -> Result<Self, Fault> {
        Ok(Clumsy)
    }

    fn apply(&mut self, _: &Inputs<'_>, _: &mut Outputs<'_>) -> Result<(), Fault> {
        Ok(())
    }
}

impl Drop for Clumsy {
    fn drop(&mut self) {
        panic!("dropped");
    }
}

#[test]
fn no_panic_crosses_the_border() {
    use gate::NotOffered as _;
    type None = Offers<Clumsy>;
    let table = Table::new(None::JACOBIAN, None::JVP, None::VJP, None::ABSTRACT_EVAL);
    assert_eq!(table.describe(), "the model panicked: without a text");
    assert!(table.natives().is_empty());
    let everything = secant_plugin().describe();
    assert!(everything.starts_with('{') && everything.as_ptr() == secant_plugin().describe().as_ptr());

    let described: Value = serde_json::from_str(everything).unwrap();
    let signature =
        Signature::parse(&described["input_schema"], &described["output_schema"], &Differentiable::default());
    let library =
        Library { name: crash::name("clumsy".to_owned()), table: table.raw(), address: 0, described: "{}".to_owned() };
    let model = library.into_model(crate::model::Description::default(), signature.unwrap(), &json!({}));
    assert_eq!(model.max_instances(), Some(1));
    for _ in 0..2 {
        let mut instance = model.open().unwrap();
        assert!(instance.apply(&inputs("plain", &[])).unwrap_err().message.contains("Field required"));
    }
}
