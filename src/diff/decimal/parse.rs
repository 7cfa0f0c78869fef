//! Format texts: what they mean, and the text of a form.

use std::fmt;
use std::str::FromStr;

use super::fortran::{Edit, Fortran};
use super::printf::{Conversion, Printf};
use super::text::WIDEST;
use super::{Decimal, Form};

/// What the forms look like, for messages.
const FORMS: &str = "formats look like %12.5e (C), E12.5, ES12.5, F8.3, D15.7, G14.6 (Fortran), \
    8 or `8 decimal` or `8 D` (the most digits that a field of 8 holds) and `shortest`";

impl Decimal {
    /// Understands a format text: `%12.5e` as C's printf has it, `E12.5` as Fortran, `8` or `width 8` for the most
    /// digits that fit there (`8 decimal`: never with an exponent; `8 D`: with the letter D before it), `shortest`.
    ///
    /// # Errors
    /// A message that says what formats look like.
    pub fn parse(text: &str) -> Result<Decimal, String> {
        let trimmed = text.trim();
        let form = match trimmed.strip_prefix('%') {
            Some(printf) => conversion(printf).map(Form::Printf),
            None => words(trimmed).or_else(|| descriptor(trimmed).map(Form::Fortran)),
        };
        let form = form.ok_or_else(|| format!("'{text}' is no format of a number: {FORMS}"))?;
        let widest = match form {
            Form::Shortest(_) => 0,
            Form::Fill { width, .. } => width,
            Form::Printf(printf) => printf.width.max(printf.precision),
            Form::Fortran(fortran) => fortran.width.max(fortran.digits),
        };
        if widest > WIDEST {
            return Err(format!("'{text}' asks for {widest} characters or digits; {WIDEST} are the most"));
        }
        Ok(form.into())
    }
}

impl FromStr for Decimal {
    type Err = String;

    fn from_str(text: &str) -> Result<Decimal, String> {
        Decimal::parse(text)
    }
}

/// `shortest`, `8`, `width 8`, `8 decimal`, `8 D`, `D`.
fn words(text: &str) -> Option<Form> {
    let mut width = None;
    let mut letter = None;
    let mut decimal = false;
    let mut shortest = false;
    let mut words = text.split_ascii_whitespace();
    while let Some(word) = words.next() {
        match word {
            "width" if width.is_none() => width = Some(words.next()?.parse().ok()?),
            "decimal" if !decimal => decimal = true,
            "shortest" if !shortest => shortest = true,
            "D" | "d" | "E" | "e" if letter.is_none() => letter = Some(word.as_bytes()[0]),
            _ if width.is_none() => width = Some(word.parse().ok()?),
            _ => return None,
        }
    }
    match (width, decimal, letter) {
        (Some(1..), true, Some(_)) => None,
        (Some(width @ 1..), true, None) if !shortest => Some(Form::Fill { width, letter: None }),
        (Some(width @ 1..), false, letter) if !shortest => {
            Some(Form::Fill { width, letter: Some(letter.unwrap_or(b'e')) })
        }
        (None, false, letter) if shortest || letter.is_some() => Some(Form::Shortest(letter.unwrap_or(b'e'))),
        _ => None,
    }
}

/// What follows `%`.
fn conversion(text: &str) -> Option<Printf> {
    let rest = text.trim_start_matches(['-', '+', ' ', '0', '#']);
    let flags = &text[..text.len() - rest.len()];
    let (width, rest) = number(rest);
    let (precision, rest) = match rest.strip_prefix('.') {
        Some(rest) => {
            let (precision, rest) = number(rest);
            (precision.unwrap_or(Some(0))?, rest)
        }
        None => (6, rest),
    };
    // `l` says double to readers, and nothing to printf.
    let letter = rest.strip_prefix('l').unwrap_or(rest);
    let conversion = match letter {
        "e" | "E" => Conversion::E,
        "f" | "F" => Conversion::F,
        "g" | "G" => Conversion::G,
        _ => return None,
    };
    let plus = if flags.contains('+') { Some(b'+') } else { flags.contains(' ').then_some(b' ') };
    Some(Printf {
        conversion,
        upper: letter.starts_with(|c: char| c.is_ascii_uppercase()),
        width: width.unwrap_or(Some(0))?,
        precision,
        left: flags.contains('-'),
        zeros: flags.contains('0') && !flags.contains('-'),
        plus,
        alternate: flags.contains('#'),
    })
}

/// `F8.3`, `E12.5`, `E12.5E3`, `1PE12.5`, ...
fn descriptor(text: &str) -> Option<Fortran> {
    let text = text.to_ascii_uppercase();
    // A scale factor of 1 makes E what ES is.
    let (scaled, text) = match text.strip_prefix("1P") {
        Some(rest) => (true, rest.trim_start_matches(',')),
        None => (false, &*text),
    };
    let (edit, letter, rest) = if let Some(rest) = text.strip_prefix("ES") {
        (Edit::Es, b'E', rest)
    } else if let Some(rest) = text.strip_prefix('E') {
        (if scaled { Edit::Es } else { Edit::E }, b'E', rest)
    } else if let Some(rest) = text.strip_prefix('D') {
        (if scaled { Edit::Es } else { Edit::E }, b'D', rest)
    } else if let Some(rest) = text.strip_prefix('F') {
        (Edit::F, b'E', rest)
    } else {
        (Edit::G, b'E', text.strip_prefix('G')?)
    };
    if scaled && !matches!(edit, Edit::Es) {
        return None;
    }
    let (width, rest) = number(rest);
    let (digits, rest) = number(rest.strip_prefix('.')?);
    let (width, digits) = (width??, digits??);
    let exponent = match rest.strip_prefix('E') {
        Some(rest) if edit != Edit::F => {
            let (count, rest) = number(rest);
            (rest.is_empty() && (1..=4).contains(&count??)).then_some(count?)?
        }
        _ if rest.is_empty() => None,
        _ => return None,
    };
    let least = u16::from(matches!(edit, Edit::E | Edit::G));
    let fits = digits >= least && (width > digits || (width == 0 && edit == Edit::F));
    fits.then_some(Fortran { edit, width, digits, exponent: exponent.map(|count| count as u8), letter })
}

/// The digits that the text begins with, as a number if it is not too large, and what follows them.
fn number(text: &str) -> (Option<Option<u16>>, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    ((end > 0).then(|| text[..end].parse().ok()), &text[end..])
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.form {
            Form::Shortest(b'e') => f.write_str("shortest")?,
            Form::Shortest(letter) => write!(f, "shortest {}", char::from(letter))?,
            Form::Fill { width, letter: Some(b'e') } => write!(f, "width {width}")?,
            Form::Fill { width, letter: Some(letter) } => write!(f, "width {width} {}", char::from(letter))?,
            Form::Fill { width, letter: None } => write!(f, "width {width} decimal")?,
            Form::Printf(printf) => printf.fmt(f)?,
            Form::Fortran(fortran) => fortran.fmt(f)?,
        }
        if self.columns > 0 { write!(f, " in {} columns", self.columns) } else { Ok(()) }
    }
}

impl fmt::Display for Printf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let flag = |set: bool, flag: &'static str| if set { flag } else { "" };
        let plus = self.plus.map_or(String::new(), |byte| char::from(byte).to_string());
        let (left, zeros, alternate) = (flag(self.left, "-"), flag(self.zeros, "0"), flag(self.alternate, "#"));
        write!(f, "%{left}{plus}{zeros}{alternate}")?;
        if self.width > 0 {
            write!(f, "{}", self.width)?;
        }
        let letter = match self.conversion {
            Conversion::E => 'e',
            Conversion::F => 'f',
            Conversion::G => 'g',
        };
        let letter = if self.upper { letter.to_ascii_uppercase() } else { letter };
        write!(f, ".{}{letter}", self.precision)
    }
}

impl fmt::Display for Fortran {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match (self.edit, self.letter) {
            (Edit::F, _) => "F",
            (Edit::E, b'D') => "D",
            (Edit::E, _) => "E",
            (Edit::Es, b'D') => "1PD",
            (Edit::Es, _) => "ES",
            (Edit::G, _) => "G",
        };
        write!(f, "{name}{}.{}", self.width, self.digits)?;
        self.exponent.map_or(Ok(()), |digits| write!(f, "E{digits}"))
    }
}
