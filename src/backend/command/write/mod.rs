//! The texts that a program is given: templates, files some of whose numbers are replaced, PEST's templates and Dakota's
//! parameters. Each is read once, laid out once for a base point, and then written for every evaluation.

mod agree;
mod context;
mod dakota;
mod document;
mod edit;
mod line;
mod namelist;
mod pest;
mod target;
mod template;
mod text;

#[cfg(test)]
mod tests;

use std::path::Path as FilePath;

use crate::manifest::command::{Write, Writing};
use crate::schema::{Node, Side, Signature};
use crate::tree::{Pattern, Tree};

pub(crate) use agree::decimals;
pub(crate) use dakota::Asked;
pub(crate) use text::{Field, Text, unwritten};

/// What a text is made of, read and understood.
#[derive(Debug)]
pub(crate) struct Source(Form);

#[derive(Debug)]
enum Form {
    Template(Box<template::Template>),
    Edit(edit::Edited),
    Pest(pest::Layout),
    Dakota(dakota::Parameters),
}

impl Source {
    /// Reads what an entry of `[[command.write]]` names.
    ///
    /// # Errors
    /// Everything that is wrong with it, a line each, with the file and the line.
    pub fn load(write: &Write, folder: &FilePath) -> Result<Source, String> {
        let bytes = |file: &FilePath| {
            let path = folder.join(file);
            std::fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))
        };
        let form = match &write.writing {
            Writing::Template(template) => {
                let (place, text) = match (&template.template, &template.text) {
                    (Some(file), None) => {
                        let place = file.display().to_string();
                        let text = String::from_utf8(bytes(file)?).map_err(|error| {
                            format!("{place}: is no UTF-8 text ({error}): edit it in place instead")
                        })?;
                        (place, text)
                    }
                    (None, Some(text)) => (format!("the text for {}", write.to), text.clone()),
                    _ => return Err(format!("{}: give either `template` or `text`", write.to)),
                };
                Form::Template(template::Template::parse(&place, &text, template.delimiters.as_ref())?.into())
            }
            Writing::Edit(edit) => Form::Edit(edit::Edited::parse(edit, bytes(&edit.edit)?)?),
            Writing::Pest(pest) => Form::Pest(pest::Layout::parse(pest, &bytes(&pest.pest)?)?),
            Writing::Dakota(dakota) => Form::Dakota(dakota::Parameters::parse(&write.to, &dakota.dakota)?),
        };
        Ok(Source(form))
    }

    /// A template that stands in the manifest itself, such as an argument; `place` is what messages call it.
    pub fn inline(place: &str, text: &str) -> Result<Source, String> {
        template::Template::parse(place, text, None).map(|template| Source(Form::Template(template.into())))
    }

    /// What can be said against it without inputs: names that are no inputs, delimiters left over.
    pub fn check(&self, inputs: &Node) -> Vec<String> {
        match &self.0 {
            Form::Template(template) => template.check(inputs),
            Form::Edit(edited) => edited.check(inputs),
            Form::Pest(layout) => layout.check(inputs),
            Form::Dakota(parameters) => parameters.check(inputs),
        }
    }

    /// Whether leaves of that pattern may be written, as far as can be seen without inputs.
    pub fn mentions(&self, pattern: &Pattern) -> bool {
        match &self.0 {
            Form::Template(template) => template.mentions(pattern),
            Form::Edit(edited) => edited.mentions(pattern),
            Form::Pest(layout) => layout.mentions(pattern),
            Form::Dakota(parameters) => parameters.mentions(pattern),
        }
    }

    /// The text for these inputs. `asked` is what Dakota's parameters ask the program for.
    ///
    /// # Errors
    /// Everything that keeps the text from saying them, a line each.
    pub fn lay_out(&self, inputs: &Tree, asked: Asked) -> Result<Text, String> {
        match &self.0 {
            Form::Template(template) => template.lay_out(inputs),
            Form::Edit(edited) => edited.lay_out(inputs),
            Form::Pest(layout) => layout.lay_out(inputs),
            Form::Dakota(parameters) => parameters.lay_out(inputs, asked),
        }
    }
}

/// The differentiable inputs that no source ever writes, whatever the inputs are.
pub(crate) fn never_written<'s>(
    sources: impl Iterator<Item = &'s Source> + Clone,
    signature: &Signature,
) -> Vec<Pattern> {
    let leaves = signature.differentiable(Side::Input).into_iter().map(|(pattern, _)| pattern);
    leaves.filter(|pattern| !sources.clone().any(|source| source.mentions(pattern))).collect()
}
