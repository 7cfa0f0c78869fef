//! A text with numbers in it: what stays, and the fields that differ from one evaluation to the next.

use crate::diff::Decimal;
use crate::tree::{Layout, Path};

/// One number of a text.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Field {
    /// The leaf it is of.
    pub path: Path,
    /// Which of the leaf's real coordinates: the element in C order; complex elements take two, (re, im).
    pub element: usize,
    /// How it is written.
    pub decimal: Decimal,
}

/// A text that is laid out for one base point: literal stretches, and fields between them.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Text {
    literal: Vec<u8>,
    /// Fields, each with the length of the literal text before it.
    fields: Vec<(usize, Field)>,
}

/// A part of a text.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Piece {
    Literal(Vec<u8>),
    Field(Field),
}

impl Text {
    /// Its fields, in the order they stand.
    pub fn fields(&self) -> impl Iterator<Item = &Field> {
        self.fields.iter().map(|(_, field)| field)
    }

    /// Appends the text with these values in its fields. Nothing is allocated for a field.
    ///
    /// # Errors
    /// If a field has no room for its value.
    pub fn write(&self, out: &mut Vec<u8>, mut value: impl FnMut(&Field) -> f64) -> Result<(), String> {
        let mut from = 0;
        for (at, field) in &self.fields {
            out.extend_from_slice(&self.literal[from..*at]);
            from = *at;
            field.decimal.write(value(field), out).map_err(|error| {
                let Field { path, element, .. } = field;
                format!("coordinate {element} of {path}: {error}")
            })?;
        }
        out.extend_from_slice(&self.literal[from..]);
        Ok(())
    }

    pub(super) fn literal(&mut self, bytes: &[u8]) {
        self.literal.extend_from_slice(bytes);
    }

    pub(super) fn push(&mut self, piece: Piece) {
        match piece {
            Piece::Literal(bytes) => self.literal(&bytes),
            Piece::Field(field) => self.fields.push((self.literal.len(), field)),
        }
    }
}

/// The coordinates of `layout` that none of the texts has in it, by name.
pub(crate) fn unwritten<'t>(texts: impl IntoIterator<Item = &'t Text>, layout: &Layout) -> Vec<String> {
    let mut written = vec![false; layout.len()];
    for field in texts.into_iter().flat_map(Text::fields) {
        if let Some(span) = layout.span(&field.path) {
            written[span.offset + field.element] = true;
        }
    }
    (0..layout.len()).filter(|&coordinate| !written[coordinate]).map(|coordinate| layout.name(coordinate)).collect()
}
