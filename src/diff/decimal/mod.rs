//! How a number is written as text, and which numbers a text of that form can carry.
//!
//! Not here: where in a file the text goes. Nothing is allocated for a number: its text is made on the stack.

mod fill;
mod fortran;
mod parse;
mod printf;
mod text;

#[cfg(test)]
mod tests;

use std::fmt;

use fortran::Fortran;
use printf::Printf;
use text::{Scientific, Text, power_of_ten, read};

/// How a number is written as text. Made of a format text by `parse`; the default is the shortest text that reads
/// back exactly.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Decimal {
    form: Form,
    /// The columns that the text must fill, 0 if it stands free.
    columns: u16,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Form {
    /// The fewest digits that read back exactly, with this letter before an exponent.
    Shortest(u8),
    /// The text nearest to the value among all of a width, without exponent if there is no letter for it.
    Fill { width: u16, letter: Option<u8> },
    /// As C prints it.
    Printf(Printf),
    /// As Fortran prints it.
    Fortran(Fortran),
}

/// A number that a field has no room for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DoesNotFit {
    /// The number.
    pub value: f64,
    /// How it was to be written.
    pub decimal: Decimal,
}

impl std::error::Error for DoesNotFit {}

impl fmt::Display for DoesNotFit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let DoesNotFit { value, decimal } = self;
        if value.is_finite() {
            write!(f, "{value:?} cannot be written as {decimal}: the field is too narrow")
        } else {
            write!(f, "{value} is no number that can be written as text")
        }
    }
}

impl Default for Decimal {
    fn default() -> Decimal {
        Form::Shortest(b'e').into()
    }
}

impl From<Form> for Decimal {
    fn from(form: Form) -> Decimal {
        Decimal { form, columns: 0 }
    }
}

impl Decimal {
    /// The text of `width` characters that is nearest to the value: plain or with an exponent, whichever keeps more
    /// digits. There is always a decimal point in it, since Fortran puts one of its own into digits that have none.
    pub fn fill(width: u16) -> Decimal {
        Form::Fill { width: width.min(text::WIDEST), letter: Some(b'e') }.into()
    }

    /// The same form in columns that it has to fill: set to the right, and refused where it is longer.
    pub fn in_columns(self, columns: u16) -> Decimal {
        Decimal { columns: columns.min(text::WIDEST), ..self }
    }

    #[cfg(test)]
    /// The number of characters that every text of this form has, if they are all of one length.
    pub fn width(&self) -> Option<usize> {
        match (self.columns, self.form) {
            (0, Form::Fill { width, .. }) => Some(width.into()),
            (0, Form::Fortran(fortran)) if fortran.width > 0 => Some(fortran.width.into()),
            (0, _) => None,
            (columns, _) => Some(columns.into()),
        }
    }

    /// Appends the text of `value`.
    ///
    /// # Errors
    /// If the field has no room for it, or it is not finite. Nothing is appended then.
    pub fn write(&self, value: f64, out: &mut Vec<u8>) -> Result<(), DoesNotFit> {
        let text = self.text(value).ok_or(DoesNotFit { value, decimal: *self })?;
        out.extend_from_slice(text.as_bytes());
        Ok(())
    }

    /// The number that the text of `value` says: what a correctly rounding reader gets from it. NaN where there is no
    /// room for it.
    pub fn round(&self, value: f64) -> f64 {
        match self.form {
            Form::Shortest(_) if self.columns == 0 && value.is_finite() => value,
            _ => self.text(value).map_or(f64::NAN, |text| read(&text)),
        }
    }

    /// How far apart the numbers near `value` are that such texts can carry; 0 where they carry every float64. NaN
    /// where there is no room for it.
    pub fn spacing(&self, value: f64) -> f64 {
        let Some(place) = self.last_place(value) else { return f64::NAN };
        let spacing = place.map_or(0.0, power_of_ten);
        let magnitude = value.abs();
        if spacing < magnitude - magnitude.next_down() { 0.0 } else { spacing }
    }

    /// The number nearest to `value` that such a text carries and that lies within the bounds; NaN if there is none
    /// next to it.
    pub fn round_within(&self, value: f64, lower: f64, upper: f64) -> f64 {
        let value = value.max(lower).min(upper);
        let rounded = self.round(value);
        if (lower..=upper).contains(&rounded) {
            return rounded;
        }
        let inwards = if rounded > upper { -1.0 } else { 1.0 };
        let coarse = self.spacing(value);
        // Below a power of ten the spacing is finer than at it.
        let fine = self.spacing(value + inwards * coarse);
        let inside = [fine, coarse]
            .into_iter()
            .flat_map(|spacing| [rounded + inwards * spacing, value + inwards * spacing])
            .map(|candidate| self.round(candidate))
            .filter(|candidate| (lower..=upper).contains(candidate));
        inside.min_by(|a, b| (a - value).abs().total_cmp(&(b - value).abs())).unwrap_or(f64::NAN)
    }

    /// Whether it is certain that texts of this form carry every number exactly that texts of the other form carry.
    pub fn carries(&self, other: &Decimal) -> bool {
        if self == other || matches!(self, Decimal { form: Form::Shortest(_), columns: 0 }) {
            return true;
        }
        let (Form::Fill { width, letter }, Form::Fill { width: narrow, letter: coarse }) = (self.form, other.form)
        else {
            return false;
        };
        // Blanks before a text change nothing.
        let free = |columns: u16, width: u16| columns == 0 || columns >= width;
        let wide = width >= narrow && free(self.columns, width) && free(other.columns, narrow);
        wide && (letter.is_some() || coarse.is_none())
    }

    fn text(&self, value: f64) -> Option<Text> {
        if !value.is_finite() {
            return None;
        }
        let text = match self.form {
            Form::Shortest(letter) => shortest(value, letter),
            Form::Fill { width, letter } => fill::text(value, width.into(), letter)?,
            Form::Printf(printf) => printf.text(value),
            Form::Fortran(fortran) => fortran.text(value)?,
        };
        match usize::from(self.columns) {
            0 => Some(text),
            columns => text.trimmed_to(columns),
        }
    }

    /// The power of ten of the last digit that the text of `value` can have: `Some(None)` where none is the last, and
    /// nothing where the text does not fit.
    fn last_place(&self, value: f64) -> Option<Option<i32>> {
        self.text(value)?;
        Some(match self.form {
            Form::Shortest(_) => None,
            Form::Fill { width, letter } => fill::last_place(value, width.into(), letter)?,
            Form::Printf(printf) => printf.last_place(value),
            Form::Fortran(fortran) => fortran.last_place(value),
        })
    }
}

/// As people write it: plain where it is short, and always with a decimal point.
fn shortest(value: f64, letter: u8) -> Text {
    let mut text = Text::signed(value);
    let number = Scientific::shortest(value.abs());
    if (-4..16).contains(&number.exponent) {
        number.write_plain(&mut text, true);
        if text.as_bytes().ends_with(b".") {
            text.push(b'0');
        }
    } else {
        let digits = number.digits.as_bytes();
        text.push(digits[0]);
        text.push(b'.');
        text.extend(if digits.len() > 1 { &digits[1..] } else { b"0" });
        text.push(letter);
        text.push_number(number.exponent);
    }
    text
}
