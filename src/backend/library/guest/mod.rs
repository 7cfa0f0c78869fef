//! For models written in Rust: safe traits in, the C table of `include/secant.h` out.
//!
//! A plugin is a `cdylib` crate that depends on `secant` (`default-features = false` is enough), implements
//! [`Plugin`], and exports it once:
//!
//! ```
//! use secant::json;
//! use secant::plugin::{Description, Fault, Host, Inputs, Outputs, Plugin, Products, Vectors};
//!
//! struct Rosenbrock {
//!     a: f64,
//! }
//!
//! impl Plugin for Rosenbrock {
//!     fn describe() -> Description {
//!         let number = json!({"type": "number", "differentiable": true});
//!         Description {
//!             input_schema: json!({"type": "object", "properties": {"x": number, "y": number}, "required": ["x", "y"]}),
//!             output_schema: json!({"type": "object", "properties": {"loss": number}, "required": ["loss"]}),
//!             ..Description::default()
//!         }
//!     }
//!
//!     fn create(host: &Host<'_>) -> Result<Self, Fault> {
//!         Ok(Rosenbrock { a: host.config()["a"].as_f64().unwrap_or(1.0) })
//!     }
//!
//!     fn apply(&mut self, inputs: &Inputs<'_>, outputs: &mut Outputs<'_>) -> Result<(), Fault> {
//!         let (x, y): (f64, f64) = (inputs.scalar("x")?, inputs.scalar("y")?);
//!         if x == 0.0 {
//!             return Err(Fault::refused("x is zero"));
//!         }
//!         outputs.scalar("loss", (self.a - x).powi(2) + 100.0 * (y - x * x).powi(2))
//!     }
//! }
//!
//! // A derivative of one's own is offered by implementing its trait.
//! impl secant::plugin::Jvp for Rosenbrock {
//!     fn jvp(&mut self, inputs: &Inputs<'_>, tangents: &Vectors<'_>, products: &mut Products<'_>) -> Result<(), Fault> {
//!         let (x, y): (f64, f64) = (inputs.scalar("x")?, inputs.scalar("y")?);
//!         let along = |path| tangents.slice::<f64>(path).map(|t| t.map_or(0.0, |t| t[0]));
//!         let (dx, dy) = (along("x")?, along("y")?);
//!         if let Some(loss) = products.slice_mut::<f64>("loss", &[])? {
//!             loss[0] = (2.0 * (x - self.a) - 400.0 * x * (y - x * x)) * dx + 200.0 * (y - x * x) * dy;
//!         }
//!         Ok(())
//!     }
//! }
//!
//! secant::export_plugin!(Rosenbrock);
//! # let table = secant_plugin();
//! # assert!(table.describe().contains("input_schema"));
//! # assert_eq!(table.natives(), ["jvp"]);
//! ```
//!
//! ```toml
//! [lib]
//! crate-type = ["cdylib"]
//! ```
//!
//! Inputs are the host's own memory and outputs are written into the host's own buffers: nothing is copied,
//! and an evaluation allocates nothing that the model does not allocate itself. Leaves are found by path
//! or, faster, by index ([`Key`]).
//!
//! A panic does not cross the border: it is caught, and the host is told its text and that the instance is
//! dead, for its state may be half changed. (So a plugin must not be built with `panic = "abort"`.)

mod call;
mod derivatives;
mod gate;
mod inputs;
mod outputs;
#[cfg(test)]
mod tests;

pub use crate::export_plugin;
pub use derivatives::{Blocks, Gradients, Products, Vectors};
pub use gate::Table;
#[doc(hidden)]
pub use gate::{NotOffered, Offer, Offers};
pub use inputs::{Input, Inputs};
pub use outputs::{Outputs, Shapes};

use std::ffi::CString;
use std::fmt;
use std::marker::PhantomData;

use serde_json::Value;

use super::abi;

/// A model. [Exported](crate::export_plugin), it is one to every secant.
///
/// Each instance serves one thread at a time and may move between threads from call to call.
pub trait Plugin: Sized + Send + 'static {
    /// Whether a process can hold only one instance at a time: for models that keep their state in
    /// globals, or wrap a library that does.
    const ONE_PER_PROCESS: bool = false;

    /// What the model says of itself. May stay empty where a `model.toml` says it.
    fn describe() -> Description {
        Description::default()
    }

    /// Makes an instance.
    fn create(host: &Host<'_>) -> Result<Self, Fault>;

    /// Evaluates: reads the inputs, writes every output.
    fn apply(&mut self, inputs: &Inputs<'_>, outputs: &mut Outputs<'_>) -> Result<(), Fault>;
}

/// Offers Jacobians that the model has itself.
pub trait Jacobian: Plugin {
    /// Writes every block asked for.
    fn jacobian(&mut self, inputs: &Inputs<'_>, blocks: &mut Blocks<'_>) -> Result<(), Fault>;
}

/// Offers products of its Jacobian with a tangent: forward derivatives.
pub trait Jvp: Plugin {
    /// Writes the product for every output asked for. Inputs without a tangent stay as they are.
    fn jvp(&mut self, inputs: &Inputs<'_>, tangents: &Vectors<'_>, products: &mut Products<'_>) -> Result<(), Fault>;
}

/// Offers products of a cotangent with its Jacobian: reverse derivatives, gradients.
pub trait Vjp: Plugin {
    /// Writes the gradient for every input asked for. Outputs without a cotangent count for nothing.
    ///
    /// A cotangent is as long as its caller made it, where the schema leaves the output's shape open.
    fn vjp(
        &mut self,
        inputs: &Inputs<'_>,
        cotangents: &Vectors<'_>,
        gradients: &mut Gradients<'_>,
    ) -> Result<(), Fault>;
}

/// Offers the shapes of the outputs without an evaluation.
pub trait AbstractEval: Plugin {
    /// Declares every output. The inputs have dtypes and shapes, but no values.
    fn abstract_eval(&mut self, inputs: &Inputs<'_>, shapes: &mut Shapes<'_>) -> Result<(), Fault>;
}

/// What a model says of itself. Empty texts and `null` schemas are left out; a `model.toml` wins over all.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Description {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// A sentence or two.
    pub description: String,
    /// The JSON Schema of its inputs.
    pub input_schema: Value,
    /// The JSON Schema of its outputs.
    pub output_schema: Value,
}

impl Description {
    fn into_json(self) -> String {
        let texts = [("name", self.name), ("version", self.version), ("description", self.description)];
        let texts = texts.into_iter().filter(|(_, text)| !text.is_empty()).map(|(key, text)| (key, Value::from(text)));
        let schemas = [("input_schema", self.input_schema), ("output_schema", self.output_schema)];
        let schemas = schemas.into_iter().filter(|(_, schema)| !schema.is_null());
        let all: serde_json::Map<_, _> = texts.chain(schemas).map(|(key, value)| (key.to_owned(), value)).collect();
        Value::Object(all).to_string()
    }
}

/// Why an evaluation gives no outputs, and what becomes of the instance.
///
/// `?` turns any error into [`Fault::Failed`]; the others are made by [`refused`](Fault::refused) and
/// [`dead`](Fault::dead), as in `.map_err(Fault::refused)?`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The inputs make no sense: the caller's fault. The instance is good.
    Refused(String),
    /// This point failed: no convergence, say. The instance is good.
    Failed(String),
    /// The instance must not be used again.
    Dead(String),
}

impl Fault {
    /// The inputs make no sense.
    pub fn refused(reason: impl fmt::Display) -> Fault {
        Fault::Refused(reason.to_string())
    }

    /// This point failed.
    pub fn failed(reason: impl fmt::Display) -> Fault {
        Fault::Failed(reason.to_string())
    }

    /// The instance is no good any more.
    pub fn dead(reason: impl fmt::Display) -> Fault {
        Fault::Dead(reason.to_string())
    }

    /// The host gave no buffer; it has the reason, and would say ours beside it.
    fn known_to_the_host() -> Fault {
        Fault::Failed(String::new())
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Failed(reason) if reason.is_empty() => f.write_str("this output does not fit the schema"),
            Fault::Refused(reason) | Fault::Failed(reason) | Fault::Dead(reason) => f.write_str(reason),
        }
    }
}

// A `Fault` is itself no `Error`, which is what makes this possible.
impl<E: std::error::Error> From<E> for Fault {
    fn from(error: E) -> Fault {
        Fault::failed(error)
    }
}

/// How a leaf is named: by its path (`"mesh.points"`), or by its index among the arrays of its schema, which
/// is fixed where no dictionaries, lists or optional fields are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key<'k> {
    /// Its index.
    Index(usize),
    /// Its path.
    Path(&'k str),
}

impl From<usize> for Key<'_> {
    fn from(index: usize) -> Self {
        Key::Index(index)
    }
}

impl<'k> From<&'k str> for Key<'k> {
    fn from(path: &'k str) -> Self {
        Key::Path(path)
    }
}

impl<'k> From<&'k String> for Key<'k> {
    fn from(path: &'k String) -> Self {
        Key::Path(path)
    }
}

impl fmt::Display for Key<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Key::Index(index) => write!(f, "number {index}"),
            Key::Path(path) => f.write_str(path),
        }
    }
}

/// What the host offers while an instance is made.
pub struct Host<'h> {
    raw: *const abi::Host,
    config: Value,
    life: PhantomData<&'h abi::Host>,
}

/// How much a [log](Host::log) line matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Level {
    Error = 1,
    Warn = 2,
    Info = 3,
    Debug = 4,
}

impl Host<'_> {
    /// The `[config]` table of the model's manifest; empty without one.
    pub fn config(&self) -> &Value {
        &self.config
    }

    /// Free text for whoever watches.
    pub fn log(&self, level: Level, text: impl fmt::Display) {
        let text = c_text(text.to_string());
        // SAFETY: `Host::new` was promised that the host is good for as long as `self` borrows from it.
        let log = unsafe { (*self.raw).log };
        // SAFETY: as above; the text ends in NUL and is copied.
        unsafe { log(self.raw, level as u32, text.as_ptr()) };
    }
}

/// A text that C can take: a NUL inside would end it early.
fn c_text(text: String) -> CString {
    CString::new(text).unwrap_or_else(|error| {
        let bytes: Vec<u8> = error.into_vec().into_iter().filter(|byte| *byte != 0).collect();
        CString::new(bytes).unwrap_or_default()
    })
}

/// Exports a [`Plugin`](crate::plugin::Plugin) as the one symbol a library needs to be a model, with
/// those of [`Jacobian`](crate::plugin::Jacobian), [`Jvp`](crate::plugin::Jvp), [`Vjp`](crate::plugin::Vjp)
/// and [`AbstractEval`](crate::plugin::AbstractEval) that it implements.
///
/// Once in a library, outside of any function.
#[macro_export]
macro_rules! export_plugin {
    ($plugin:ty) => {
        /// The table of functions that secant calls; see `secant.h`.
        #[unsafe(no_mangle)]
        pub extern "C" fn secant_plugin() -> &'static $crate::plugin::Table {
            // A trait that the plugin implements shadows that nothing is offered.
            #[allow(unused_imports)]
            use $crate::plugin::NotOffered as _;
            type Offers = $crate::plugin::Offers<$plugin>;
            static TABLE: $crate::plugin::Table =
                $crate::plugin::Table::new(Offers::JACOBIAN, Offers::JVP, Offers::VJP, Offers::ABSTRACT_EVAL);
            &TABLE
        }
    };
}
