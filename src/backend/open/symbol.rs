//! Opening a function in a shared library: what its signature says, found, and isolated or loaded.

use std::sync::Arc;

use super::{OpenError, Source, Words, kind_text, other};
use crate::backend::library::Called;
use crate::manifest::{Isolation, Kind, Symbol};
use crate::model::{Description, Model};
use crate::schema::Signature;

impl Source<'_> {
    /// What the signature says. No library is looked for.
    pub(super) fn peek_symbol(&self, symbol: &Symbol) -> Result<(Description, Signature), OpenError> {
        let called = Called::read(symbol).map_err(|message| other(self.place, message))?;
        self.described(&called, symbol)
    }

    pub(super) fn symbol(&self, symbol: &Symbol) -> Result<Arc<dyn Model>, OpenError> {
        let called = Called::read(symbol).map_err(|message| other(self.place, message))?;
        if !symbol.build.is_empty() {
            let [library] = &symbol.library[..] else {
                return Err(other(self.place, "symbol.build makes one library, and symbol.library names several"));
            };
            self.build("symbol", Some(library), &symbol.build, symbol.sources.as_deref())?;
        }
        let (description, signature) = self.described(&called, symbol)?;
        let found = called.find(self.folder)?;
        let description = Description { call: found.lines(), ..description };
        let isolation = self.options.isolation.unwrap_or(symbol.isolation);
        // Only a process can be stopped, so that a time limit asks for one.
        let limited = self.run.timeout.is_some() && self.options.isolation.is_none();
        if isolation == Isolation::Process || limited {
            let kind = "symbol, isolated".to_owned();
            return self.worker(Description { kind, ..description }, signature);
        }
        let kind = "symbol".to_owned();
        Ok(Arc::new(found.into_model(Description { kind, ..description }, signature)?))
    }

    fn described(&self, called: &Called, symbol: &Symbol) -> Result<(Description, Signature), OpenError> {
        let input = self.schema("input")?.unwrap_or_else(|| called.input_schema());
        let output = self.schema("output")?.unwrap_or_else(|| called.output_schema());
        let words = Words { input: Some(input), output: Some(output), ..Words::default() };
        let (description, signature) = self.describe(words, kind_text(&Kind::Symbol(symbol.clone())))?;
        called.hold(&signature).map_err(|message| other(self.place, message))?;
        Ok((description, signature))
    }
}
