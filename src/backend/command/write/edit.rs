//! A file that exists, some of whose numbers are replaced. All else stays as it is, byte for byte.

use std::borrow::Cow;
use std::ops::Range;

use super::target::{Found, Target};
use super::text::{Piece, Text};
use super::{document, line, namelist};
use crate::diff::Decimal;
use crate::manifest::command::{EditFile, Site};
use crate::schema::Node;
use crate::tree::{Pattern, Tree};

/// A file and what is replaced in it.
#[derive(Debug)]
pub(super) struct Edited {
    place: String,
    bytes: Vec<u8>,
    edits: Vec<Edit>,
}

#[derive(Debug)]
struct Edit {
    target: Target,
    decimal: Option<Decimal>,
    site: Site,
}

/// Bytes that are replaced, and by what.
struct Splice {
    span: Range<usize>,
    pieces: Vec<Piece>,
}

impl Edited {
    pub(super) fn parse(edit: &EditFile, bytes: Vec<u8>) -> Result<Edited, String> {
        let place = edit.edit.display().to_string();
        let mut problems = Vec::new();
        let mut edits = Vec::new();
        for wanted in &edit.set {
            let decimal = wanted.format.as_deref().map(Decimal::parse).transpose();
            match (Target::parse(&wanted.path), decimal) {
                (Ok(target), Ok(decimal)) => edits.push(Edit { target, decimal, site: wanted.site.clone() }),
                (target, decimal) => {
                    let reasons = target.err().into_iter().chain(decimal.err());
                    problems.extend(reasons.map(|reason| format!("{place}: {}: {reason}", wanted.path)));
                }
            }
        }
        let bytes = namelist::unfold(bytes, edits.iter().map(|edit| &edit.site));
        let edited = Edited { place, bytes, edits };
        for edit in &edited.edits {
            problems.extend(edited.places(&edited.bytes, edit, 1).err().map(|reason| edited.said(edit, &reason)));
        }
        if problems.is_empty() { Ok(edited) } else { Err(problems.join("\n")) }
    }

    pub(super) fn check(&self, inputs: &Node) -> Vec<String> {
        self.edits.iter().filter_map(|edit| Some(self.said(edit, &edit.target.check(inputs).err()?))).collect()
    }

    pub(super) fn mentions(&self, pattern: &Pattern) -> bool {
        self.edits.iter().any(|edit| pattern.matches(edit.target.path()))
    }

    pub(super) fn lay_out(&self, inputs: &Tree) -> Result<Text, String> {
        let mut problems = Vec::new();
        let mut found = Vec::new();
        let mut bytes = Cow::Borrowed(&self.bytes[..]);
        for edit in &self.edits {
            match edit.target.find(inputs) {
                Ok(values) => {
                    if let Site::Columns(columns) = &edit.site {
                        match line::reaching(bytes.into_owned(), columns, values.values.len()) {
                            Ok(longer) => bytes = longer.into(),
                            Err(reason) => return Err(self.said(edit, &reason)),
                        }
                    }
                    found.push((edit, values));
                }
                Err(reason) => problems.push(self.said(edit, &reason)),
            }
        }
        let mut splices: Vec<(Splice, &Edit)> = Vec::new();
        for (edit, values) in found {
            match self.splices(&bytes, edit, values) {
                Ok(found) => splices.extend(found.into_iter().map(|splice| (splice, edit))),
                Err(reason) => problems.push(self.said(edit, &reason)),
            }
        }
        splices.sort_by_key(|(splice, _)| (splice.span.start, splice.span.end));
        for pair in splices.windows(2) {
            if pair[1].0.span.start < pair[0].0.span.end {
                let other = pair[0].1.target.name();
                problems.push(self.said(pair[1].1, &format!("stands in the same place as {other}")));
            }
        }
        if !problems.is_empty() {
            return Err(problems.join("\n"));
        }
        let mut text = Text::default();
        let mut from = 0;
        for (splice, _) in splices {
            text.literal(&bytes[from..splice.span.start]);
            from = splice.span.end;
            splice.pieces.into_iter().for_each(|piece| text.push(piece));
        }
        text.literal(&bytes[from..]);
        Ok(text)
    }

    /// Where so many values stand, for each place that is meant.
    fn places(&self, bytes: &[u8], edit: &Edit, count: usize) -> Result<Vec<Vec<Range<usize>>>, String> {
        match &edit.site {
            Site::Anchor(anchor) => line::after_anchor(bytes, anchor, count),
            Site::Columns(columns) => Ok(vec![line::columns(bytes, columns, count)?]),
            // A list has one place, whatever its length.
            Site::Pointer(pointer) => Ok(vec![vec![document::find(&self.place, bytes, &pointer.pointer)?]]),
            Site::Namelist(site) => namelist::find(bytes, site, count),
        }
    }

    fn splices(&self, bytes: &[u8], edit: &Edit, found: Found) -> Result<Vec<Splice>, String> {
        let places = self.places(bytes, edit, found.values.len())?;
        let decimal = edit.decimal.unwrap_or_default();
        let values = found.values.into_iter();
        let pieces: Vec<Vec<Piece>> = match &edit.site {
            Site::Pointer(_) => vec![document::pieces(&found.shape, values, decimal)],
            Site::Columns(columns) => values
                .map(|value| Ok(vec![line::filling(value, edit.decimal, columns)?]))
                .collect::<Result<_, String>>()?,
            Site::Namelist(_) => values.map(|value| vec![namelist::piece(value, decimal)]).collect(),
            Site::Anchor(_) => values.map(|value| vec![value.piece(decimal)]).collect(),
        };
        let all = places.into_iter().flat_map(|spans| spans.into_iter().zip(pieces.clone()));
        Ok(all.map(|(span, pieces)| Splice { span, pieces }).collect())
    }

    fn said(&self, edit: &Edit, reason: &str) -> String {
        format!("{}: {}: {reason}", self.place, edit.target.name())
    }
}
