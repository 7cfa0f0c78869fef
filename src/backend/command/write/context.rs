//! Inputs as a template sees them. Floating numbers are objects that can be written and nothing else: what a template
//! says of them would not change when they do.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use indexmap::IndexMap;
use minijinja::value::{Enumerator, Object, ObjectRepr, Serde, Value, ValueKind};
use minijinja::{Error, ErrorKind, Output, State, escape_formatter};

use super::target::whole;
use super::text::Field;
use crate::diff::Decimal;
use crate::tree::{Array, Kind, Path, Segment, Tree};

/// What stands before and after the number of a field in a text that is being laid out.
pub(super) const OPEN: char = '\u{1}';
pub(super) const CLOSE: char = '\u{2}';

/// What one rendering leaves behind.
#[derive(Debug, Default)]
pub(super) struct Watch {
    fields: Mutex<Vec<Field>>,
    /// A number that the template did something with but writing it.
    misused: Mutex<Option<String>>,
}

impl Watch {
    pub(super) fn take(&self) -> (Vec<Field>, Option<String>) {
        let fields = std::mem::take(&mut *self.fields.lock().unwrap_or_else(PoisonError::into_inner));
        let misused = self.misused.lock().unwrap_or_else(PoisonError::into_inner).take();
        (fields, misused)
    }

    fn misuse(&self, name: String) {
        self.misused.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(name);
    }
}

/// One coordinate of a floating leaf.
#[derive(Debug)]
struct Number {
    field: Field,
    name: String,
    watch: Arc<Watch>,
}

impl Number {
    /// The field's place in the text that is being rendered.
    fn mark(&self) -> String {
        let mut fields = self.watch.fields.lock().unwrap_or_else(PoisonError::into_inner);
        fields.push(self.field.clone());
        format!("{OPEN}{}{CLOSE}", fields.len() - 1)
    }
}

impl Object for Number {
    // Asked for whenever it is compared or computed with, and not when it is written.
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        self.watch.misuse(self.name.clone());
        ObjectRepr::Plain
    }

    fn is_true(self: &Arc<Self>) -> bool {
        self.watch.misuse(self.name.clone());
        true
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.watch.misuse(self.name.clone());
        f.write_str(&self.name)
    }
}

/// An array of floating numbers, or a block of one; or a complex number, whose parts are `re` and `im`.
#[derive(Debug)]
struct Block {
    path: Arc<Path>,
    name: String,
    /// The dimensions that are left.
    shape: Vec<usize>,
    /// Its first element.
    first: usize,
    complex: bool,
    watch: Arc<Watch>,
}

impl Block {
    fn value(self) -> Value {
        if !self.shape.is_empty() || self.complex {
            return Value::from_object(self);
        }
        self.number(self.first, self.name.clone())
    }

    fn number(&self, element: usize, name: String) -> Value {
        let field = Field { path: (*self.path).clone(), element, decimal: Decimal::default() };
        Value::from_object(Number { field, name, watch: self.watch.clone() })
    }

    fn wanted(&self) -> String {
        if self.shape.is_empty() {
            format!("{0} is complex: write {0}.re and {0}.im", self.name)
        } else {
            format!(
                "{0} is an array of the shape {1:?}, not a number: write an element, such as {0}[0], or loop over it",
                self.name, self.shape
            )
        }
    }
}

impl Object for Block {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        if self.shape.is_empty() { ObjectRepr::Plain } else { ObjectRepr::Seq }
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let Some((dim, rest)) = self.shape.split_first() else {
            let part = ["re", "im"].iter().position(|part| key.as_str() == Some(part))?;
            return Some(self.number(2 * self.first + part, format!("{}.{}", self.name, key.as_str()?)));
        };
        let index = key.as_usize().filter(|index| index < dim)?;
        let block = Block {
            path: self.path.clone(),
            name: format!("{}[{index}]", self.name),
            shape: rest.to_vec(),
            first: self.first + index * rest.iter().product::<usize>(),
            complex: self.complex,
            watch: self.watch.clone(),
        };
        Some(block.value())
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        self.shape.first().map_or(Enumerator::NonEnumerable, |&dim| Enumerator::Seq(dim))
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.watch.misuse(self.name.clone());
        f.write_str(&self.name)
    }
}

/// A struct or dictionary, in its order.
#[derive(Debug)]
struct Branch(IndexMap<String, Value>);

impl Object for Branch {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.0.get(key.as_str()?).cloned()
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.0.keys().map(|key| Value::from(key.as_str())).collect())
    }
}

/// Inputs as the variables of a template, and all of them as `inputs`.
pub(super) fn context(inputs: &Tree, watch: &Arc<Watch>) -> Result<Value, String> {
    let (Tree::Struct(map) | Tree::Dict(map)) = inputs else {
        return Ok(Value::from_object(Branch(
            [("inputs".to_owned(), value(inputs, Path::root(), "inputs", watch)?)].into(),
        )));
    };
    let dict = matches!(inputs, Tree::Dict(_));
    let mut branch = children(map, dict, &Path::root(), "", watch)?;
    if !branch.contains_key("inputs") {
        branch.insert("inputs".to_owned(), Value::from_object(Branch(branch.clone())));
    }
    Ok(Value::from_object(Branch(branch)))
}

fn children(
    map: &crate::tree::Map<Array>,
    dict: bool,
    path: &Path,
    name: &str,
    watch: &Arc<Watch>,
) -> Result<IndexMap<String, Value>, String> {
    let word = |key: &str| {
        key.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    let named = |key: &str| match (name, word(key)) {
        ("", true) => key.to_owned(),
        ("", false) => format!("inputs[\"{key}\"]"),
        (_, true) => format!("{name}.{key}"),
        (_, false) => format!("{name}[\"{key}\"]"),
    };
    map.iter()
        .map(|(key, child)| {
            let segment = if dict { Segment::Key(key.clone()) } else { Segment::Field(key.clone()) };
            Ok((key.clone(), value(child, path.join(segment), &named(key), watch)?))
        })
        .collect()
}

fn value(tree: &Tree, path: Path, name: &str, watch: &Arc<Watch>) -> Result<Value, String> {
    Ok(match tree {
        Tree::Leaf(array) if array.dtype().is_continuous() => Block {
            path: Arc::new(path),
            name: name.to_owned(),
            shape: array.shape().to_vec(),
            first: 0,
            complex: array.dtype().is_complex(),
            watch: watch.clone(),
        }
        .value(),
        Tree::Leaf(array) => whole_numbers(array, array.shape(), 0),
        Tree::Struct(map) => Value::from_object(Branch(children(map, false, &path, name, watch)?)),
        Tree::Dict(map) => Value::from_object(Branch(children(map, true, &path, name, watch)?)),
        Tree::List(items) => items
            .iter()
            .enumerate()
            .map(|(i, item)| value(item, path.join(Segment::Index(i)), &format!("{name}[{i}]"), watch))
            .collect::<Result<Vec<Value>, _>>()?
            .into(),
        Tree::Text(json) => {
            let parsed: serde_json::Value = serde_json::from_str(json).map_err(|error| format!("{name}: {error}"))?;
            // JSON has no such characters but escaped.
            if [OPEN, CLOSE].iter().any(|&mark| json.contains(&format!("\\u{:04x}", mark as u32))) {
                return Err(format!("{name} has a control character in it, which no text is given"));
            }
            Value::from(Serde(&parsed))
        }
    })
}

/// Integers and booleans, in lists as the shape has them.
fn whole_numbers(array: &Array, shape: &[usize], first: usize) -> Value {
    let Some((&dim, rest)) = shape.split_first() else {
        let text = whole(array, first);
        return match array.dtype().kind() {
            Kind::Bool => Value::from(text == "true"),
            _ => text
                .parse::<i64>()
                .map(Value::from)
                .or_else(|_| text.parse::<u64>().map(Value::from))
                .unwrap_or_default(),
        };
    };
    let size: usize = rest.iter().product();
    (0..dim).map(|index| whole_numbers(array, rest, first + index * size)).collect::<Vec<_>>().into()
}

fn refuse(message: String) -> Error {
    Error::new(ErrorKind::InvalidOperation, message)
}

/// Writes a value into the text.
pub(super) fn write(out: &mut Output<'_>, state: &mut State<'_, '_>, value: &Value) -> Result<(), Error> {
    if let Some(number) = value.downcast_object_ref::<Number>() {
        return out.write_str(&number.mark()).map_err(Error::from);
    }
    if let Some(block) = value.downcast_object_ref::<Block>() {
        return Err(refuse(block.wanted()));
    }
    if value.is_none() {
        return Err(refuse("the value is null; ask with {% if x is none %} what to write instead".to_owned()));
    }
    if value.as_str().is_none() && value.as_object().is_some() {
        return Err(refuse("this is a list or a group of values: write one of them, or loop over them".to_owned()));
    }
    if value.kind() == ValueKind::Bool {
        return out.write_str(if value.is_true() { "true" } else { "false" }).map_err(Error::from);
    }
    escape_formatter(out, state, value)
}

/// The filter `fmt`: how a number is to be written.
pub(super) fn fmt(value: &Value, format: &str) -> Result<Value, Error> {
    if let Some(number) = value.downcast_object_ref::<Number>() {
        let decimal = Decimal::parse(format).map_err(refuse)?;
        let field = Field { decimal, ..number.field.clone() };
        return Ok(Value::from_object(Number { field, name: number.name.clone(), watch: number.watch.clone() }));
    }
    if let Some(block) = value.downcast_object_ref::<Block>() {
        return Err(refuse(block.wanted()));
    }
    if value.is_integer() {
        return integer(&value.to_string(), format).map(Value::from).map_err(refuse);
    }
    if value.is_number() {
        let number = f64::try_from(value.clone())?;
        let mut out = Vec::new();
        Decimal::parse(format).map_err(refuse)?.write(number, &mut out).map_err(|error| refuse(error.to_string()))?;
        return Ok(Value::from(String::from_utf8_lossy(&out)));
    }
    Err(refuse(format!("fmt is for numbers, not for a {}", value.kind())))
}

/// The filter `join`, for numbers too.
pub(super) fn join(values: &Value, between: Option<&str>) -> Result<String, Error> {
    let mut text = String::new();
    for (i, value) in values.try_iter()?.enumerate() {
        if i > 0 {
            text.push_str(between.unwrap_or_default());
        }
        if let Some(number) = value.downcast_object_ref::<Number>() {
            text.push_str(&number.mark());
        } else if let Some(block) = value.downcast_object_ref::<Block>() {
            return Err(refuse(block.wanted()));
        } else {
            text.push_str(&value.to_string());
        }
    }
    Ok(text)
}

/// An integer as `%5d`, `%05d`, `%-5d`, `I5`, `I5.3` or a width has it.
fn integer(digits: &str, format: &str) -> Result<String, String> {
    let unknown = || {
        format!(
            "'{format}' is no format of an integer: formats look like %5d, %05d, %-5d (C), I5, I5.3 (Fortran) and 5 (the width)"
        )
    };
    let number = |text: &str| if text.is_empty() { Ok(0) } else { text.parse::<usize>().map_err(|_| unknown()) };
    let trimmed = format.trim();
    let (sign, magnitude) = digits.split_at(usize::from(digits.starts_with('-')));
    if let Some(rest) = trimmed.strip_prefix('%').and_then(|rest| rest.strip_suffix(['d', 'i'])) {
        let width = rest.trim_start_matches(['-', '0', '+', ' ']);
        let flags = &rest[..rest.len() - width.len()];
        let width = number(width)?.min(400);
        let sign = if sign.is_empty() && flags.contains('+') { "+" } else { sign };
        return Ok(if flags.contains('-') {
            format!("{:<width$}", format!("{sign}{magnitude}"))
        } else if flags.contains('0') {
            format!("{sign}{magnitude:0>width$}", width = width.saturating_sub(sign.len()))
        } else {
            format!("{:>width$}", format!("{sign}{magnitude}"))
        });
    }
    let (width, least) = match trimmed.strip_prefix(['I', 'i']) {
        Some(rest) => rest.split_once('.').unwrap_or((rest, "1")),
        None => (trimmed, "1"),
    };
    let (width, least) = (number(width)?, number(least)?);
    if width > 400 || least > 400 || trimmed.is_empty() {
        return Err(unknown());
    }
    let text = format!("{sign}{magnitude:0>least$}");
    if width > 0 && text.len() > width {
        return Err(format!("{digits} does not fit {format}"));
    }
    Ok(format!("{text:>width$}"))
}
