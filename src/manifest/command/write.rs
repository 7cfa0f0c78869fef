//! `[[command.write]]`: the texts that a program is given, with numbers in them.

use std::path::PathBuf;

use indexmap::IndexMap;
use serde::Deserialize;
use serde::de::{Deserializer, Error as _};

use super::{Anchor, Columns, Nth, kind, of, one, take};

/// One entry of `[[command.write]]`: a text with numbers in it.
#[derive(Clone, Debug)]
pub struct Write {
    /// The file, relative to the run's folder, or `stdin`.
    pub to: String,
    /// How it is made.
    pub writing: Writing,
}

/// How a text that the program is given comes about.
#[derive(Clone, Debug)]
pub enum Writing {
    /// From a template.
    Template(Template),
    /// From a file that exists, some of whose numbers are replaced.
    Edit(EditFile),
    /// From a template of PEST (`ptf`).
    Pest(Pest),
    /// As Dakota writes the parameters of an evaluation.
    Dakota(DakotaParameters),
}

/// `template = "FILE"` or `text = "..."`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Template {
    /// The file, relative to the manifest's folder.
    pub template: Option<PathBuf>,
    /// The template itself.
    pub text: Option<String>,
    /// What stands before and after a value; default `{{` and `}}`.
    pub delimiters: Option<[String; 2]>,
}

/// `edit = "FILE"`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EditFile {
    /// The file, relative to the manifest's folder.
    pub edit: PathBuf,
    /// What is replaced in it.
    pub set: Vec<Edit>,
}

/// One replacement.
#[derive(Clone, Debug)]
pub struct Edit {
    /// The input that is written, a leaf or an element: `x`, `x[0]`.
    pub path: String,
    /// How the number is written: `%12.5e`, `E12.5`, ...
    pub format: Option<String>,
    /// Where.
    pub site: Site,
}

/// Where in a file a number stands. Lines, fields and columns are counted from 1.
#[derive(Clone, Debug)]
pub enum Site {
    /// A field of a line after an anchor.
    Anchor(Anchor),
    /// Columns of a line.
    Columns(Columns),
    /// A value of a JSON or TOML document, by its pointer (RFC 6901); the file's name says which it is.
    Pointer(Pointer),
    /// A value of a Fortran namelist.
    Namelist(Namelist),
}

/// `pointer = "/a/b/0"`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pointer {
    /// The pointer.
    pub pointer: String,
}

/// `namelist = "GROUP"`, `name = "VARIABLE"`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Namelist {
    /// The group's name; case does not matter.
    pub namelist: String,
    /// The variable's.
    pub name: String,
    /// Which of the values that the variable is given.
    #[serde(default = "one")]
    pub index: usize,
    /// Which of the groups of that name.
    #[serde(default)]
    pub occurrence: Nth,
}

/// `pest = "FILE"`: a template (`ptf`) or instructions (`pif`) of PEST.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pest {
    /// The file, relative to the manifest's folder.
    pub pest: PathBuf,
    /// Of a template, which input each parameter is; default: the input of the same name.
    #[serde(default)]
    pub parameters: IndexMap<String, String>,
}

/// `dakota = {...}` of a file that is written.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DakotaParameters {
    /// The variables.
    pub dakota: DakotaVariables,
}

/// What Dakota's parameters file says.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DakotaVariables {
    /// Descriptors and the inputs (leaves or elements) they are, in order.
    pub variables: IndexMap<String, String>,
    /// Labels of the responses, in order.
    pub responses: Vec<String>,
    /// Whether the program writes gradients where it is asked for them.
    #[serde(default)]
    pub gradients: bool,
    /// Whether the file is of the form of APREPRO.
    #[serde(default)]
    pub aprepro: bool,
}

impl<'de> Deserialize<'de> for Write {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Write, D::Error> {
        let mut table = toml::Table::deserialize(deserializer)?;
        let to = take(&mut table, "to")?
            .ok_or_else(|| D::Error::custom("`to` is missing: the file that is written, or \"stdin\""))?;
        let writing = match kind(&table, &["template", "text", "edit", "pest", "dakota"])? {
            "edit" => Writing::Edit(of(table)?),
            "pest" => Writing::Pest(of(table)?),
            "dakota" => Writing::Dakota(of(table)?),
            _ => Writing::Template(of(table)?),
        };
        Ok(Write { to, writing })
    }
}

impl<'de> Deserialize<'de> for Edit {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Edit, D::Error> {
        let mut table = toml::Table::deserialize(deserializer)?;
        let path =
            take(&mut table, "path")?.ok_or_else(|| D::Error::custom("`path` is missing: which input is it?"))?;
        let format = take(&mut table, "format")?;
        let site = match kind(&table, &["anchor", "line", "pointer", "namelist"])? {
            "anchor" => Site::Anchor(of(table)?),
            "line" => Site::Columns(of(table)?),
            "pointer" => Site::Pointer(of(table)?),
            _ => Site::Namelist(of(table)?),
        };
        Ok(Edit { path, format, site })
    }
}
