//! Functions in shared libraries that were never meant as plugins: a signature of one line says what
//! is handed over, and libffi does it.
//!
//! What the signature says is believed: where it is wrong, foreign code reads and writes memory that is not its.
//! That is why such functions run in worker processes unless somebody asks for less.

mod call;
mod cursor;
mod expression;
mod find;
mod instance;
mod lexer;
mod parse;
mod prototype;
mod resolve;
mod schemas;
mod sizes;
mod words;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::ffi::c_void;
use std::path::{Path as FilePath, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use libloading::os::unix::{Library as Handle, RTLD_GLOBAL, RTLD_LOCAL, RTLD_NOW};
use serde_json::Value;

use super::LoadError;
use super::crash;
use super::load::{chain, missing};
use crate::manifest::{Symbol, Threads};
use crate::model::{Description, Instance, Model, ModelError};
use crate::schema::Signature;
use crate::tree::Path;
use find::Library;
use instance::SymbolInstance;
use prototype::{Language, Prototype, Role};

/// A function whose signature has been read.
pub struct Called {
    symbol: Symbol,
    prototype: Prototype,
}

/// The same, its library found.
pub struct Found {
    called: Called,
    library: Library,
    /// Its name as the library exports it, where that could be looked up.
    exported: Option<String>,
}

impl Called {
    /// Reads the signature, or says all that is wrong with it.
    pub fn read(symbol: &Symbol) -> Result<Called, String> {
        let prototype = Prototype::read(&symbol.call, &symbol.function)?;
        Ok(Called { symbol: symbol.clone(), prototype })
    }

    /// The input schema that follows from the signature.
    pub fn input_schema(&self) -> Value {
        self.prototype.input_schema()
    }

    /// The output schema that follows from the signature.
    pub fn output_schema(&self) -> Value {
        self.prototype.output_schema()
    }

    /// Whether a model of these inputs and outputs is this function.
    pub fn hold(&self, signature: &Signature) -> Result<(), String> {
        self.prototype.hold(signature)
    }

    /// Finds the library and the function in it, as far as that can be done without loading anything.
    pub fn find(self, folder: &FilePath) -> Result<Found, LoadError> {
        for name in &self.symbol.preload {
            find::library(std::slice::from_ref(name), folder)?;
        }
        let library = find::library(&self.symbol.library, folder)?;
        let exported = find::function(&library, &self.names())?;
        Ok(Found { called: self, library, exported })
    }

    /// The names that the library may have for the function.
    fn names(&self) -> Vec<String> {
        let name = &self.symbol.function;
        let mut names = vec![name.clone()];
        if self.prototype.language == Language::Fortran {
            names.push(format!("{name}_"));
            let lower = name.to_ascii_lowercase();
            if lower != *name {
                names.extend([format!("{lower}_"), lower]);
            }
        }
        names
    }
}

impl Found {
    /// What will be called and with what, for people.
    pub fn lines(&self) -> Vec<String> {
        let prototype = &self.called.prototype;
        let symbol = self.exported.as_deref().unwrap_or(&self.called.symbol.function);
        let rows = prototype.origins();
        let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
        let rows = rows.iter().map(|(name, origin)| format!("  {name:width$}  {origin}"));
        [prototype.declaration(symbol), format!("in {}", self.library)].into_iter().chain(rows).collect()
    }

    /// Loads the library.
    pub fn into_model(self, description: Description, signature: Signature) -> Result<SymbolModel, LoadError> {
        let Found { called, library, .. } = self;
        let name = crash::name(format!("{} in {library}", called.symbol.function));
        let _inside = crash::inside(name);
        for name in &called.symbol.preload {
            // Their functions are for whoever is loaded after them.
            load(&find::library(std::slice::from_ref(name), &library.folder)?, RTLD_GLOBAL)?;
        }
        let handle = load(&library, RTLD_LOCAL)?;
        let names = called.names();
        let found = names.into_iter().find_map(|name| {
            // SAFETY: only the address is taken here. Whoever calls it argues for that.
            let address = unsafe { handle.get::<*const c_void>(name.as_bytes()) };
            address.ok().map(|address| (name, address.as_raw_ptr().addr()))
        });
        let (symbol, address) = found.ok_or_else(|| find::no_such_function(&library, &called.names()))?;
        std::mem::forget(handle);
        let wanted: Vec<String> =
            signature.outputs.leaves().into_iter().map(|(pattern, _)| pattern.to_string()).collect();
        let (inputs, outputs) = instance::paths(&called.prototype, &wanted);
        let status =
            called.prototype.arguments.iter().position(|argument| matches!(argument.role, Role::Status { .. }));
        let returned = called.prototype.result.as_ref().filter(|result| result.output.is_none());
        let status = status.or(returned.map(|_| called.prototype.arguments.len()));
        let gate = (called.symbol.threads == Threads::One).then(|| gate(&library));
        let function =
            Function { symbol, name, address, prototype: called.prototype, signature, inputs, outputs, status, gate };
        Ok(SymbolModel { description, function: Arc::new(function) })
    }
}

/// Loads a library for good.
fn load(library: &Library, visibility: i32) -> Result<Handle, LoadError> {
    // SAFETY: loading runs the library's initialisers; whoever names it in a manifest trusts it, in this process
    // or in the worker that this one is. What it lacks is found now, not in the middle of a call.
    let handle = unsafe { Handle::open(Some(&library.name), RTLD_NOW | visibility) };
    let handle = handle.map_err(|error| {
        let needs = library.file.as_deref().map(missing).unwrap_or_default();
        let hint = if error_is_of_symbol(&error) { ": name the library that has it in symbol.preload" } else { "" };
        library.fail(format!("the loader says: {}{needs}{hint}", chain(&error)))
    })?;
    if visibility == RTLD_GLOBAL {
        // Forgotten handles are never closed; the address is not needed.
        std::mem::forget(handle);
        // SAFETY: as above; it is loaded already.
        let again = unsafe { Handle::open(Some(&library.name), RTLD_NOW) };
        return again.map_err(|error| library.fail(chain(&error)));
    }
    Ok(handle)
}

fn error_is_of_symbol(error: &libloading::Error) -> bool {
    chain(error).contains("undefined symbol")
}

/// The gate of a library: those that share its global state enter one at a time.
fn gate(library: &Library) -> Arc<Mutex<()>> {
    static GATES: Mutex<BTreeMap<PathBuf, Arc<Mutex<()>>>> = Mutex::new(BTreeMap::new());
    let file = library.file.as_ref().and_then(|file| file.canonicalize().ok());
    let mut gates = GATES.lock().unwrap_or_else(PoisonError::into_inner);
    gates.entry(file.unwrap_or_else(|| library.name.clone())).or_default().clone()
}

/// A function that can be called.
struct Function {
    /// Its name as the library exports it.
    symbol: String,
    /// What it is called if it crashes.
    name: &'static String,
    address: usize,
    prototype: Prototype,
    signature: Signature,
    /// The input that each argument is.
    inputs: Vec<Option<Path>>,
    /// The outputs wanted, and their slots.
    outputs: Vec<(Path, usize)>,
    /// The slot of the status.
    status: Option<usize>,
    gate: Option<Arc<Mutex<()>>>,
}

impl Function {
    fn address(&self) -> *const c_void {
        std::ptr::with_exposed_provenance(self.address)
    }
}

/// A function as a model.
pub struct SymbolModel {
    description: Description,
    function: Arc<Function>,
}

impl Model for SymbolModel {
    fn description(&self) -> &Description {
        &self.description
    }

    fn signature(&self) -> &Signature {
        &self.function.signature
    }

    fn max_instances(&self) -> Option<usize> {
        // They would only wait for one another.
        self.function.gate.is_some().then_some(1)
    }

    fn open(&self) -> Result<Box<dyn Instance>, ModelError> {
        Ok(Box::new(SymbolInstance::new(self.function.clone())))
    }
}
