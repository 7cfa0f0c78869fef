//! A number as programs print it: its value, and how finely its text tells values apart.

use std::fmt;

/// Longer texts are no numbers. `%.1074f`, which has all digits of any float64, takes 1385 bytes of the largest.
const LONGEST: usize = 1400;

/// With fewer digits a text says nothing of how many are printed: `%g` leaves the zeros at the end out.
const TELLING_DIGITS: usize = 3;

/// A finite number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Number {
    /// The float64 closest to the text.
    pub(crate) value: f64,
    /// The distance of neighbouring values that texts of this form tell apart: 1e-4 for `12.3456`. 0 where the text
    /// does not say.
    ///
    /// It is known where there are enough digits, or zeros at the end that only a fixed number of them explains. It
    /// is not for whole numbers (`100`, `100.` and `100.0` are printed by whoever prints the shortest text as well)
    /// and for a zero with an exponent. As zeros may be missing at the end, the finest of the quanta known of several
    /// values of one output is the best guess. A text with all digits of a float64 has a quantum below its last bit.
    pub(crate) quantum: f64,
}

/// Why a text is no finite number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoNumber {
    /// Nothing but blanks.
    Empty,
    /// `****`: what Fortran prints when the number is wider than its field.
    Stars,
    /// `NaN`, `Inf` and their kin.
    NotFinite,
    /// A number beyond float64.
    TooLarge,
    /// Anything else.
    Other,
}

impl fmt::Display for NoNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            NoNumber::Empty => "is blank",
            NoNumber::Stars => "is a number too wide for the columns it was printed in",
            NoNumber::NotFinite => "is not finite",
            NoNumber::TooLarge => "is beyond the range of float64",
            NoNumber::Other => "is no number",
        })
    }
}

/// Reads one number, blanks around it left out: `1.0`, `-.5`, `5.`, `1e5`, and what Fortran makes of them: `1.0D-03`,
/// `1.0-100`. With `comma` its decimal sign is a comma, and a point is none.
pub(crate) fn number(text: &[u8], comma: bool) -> Result<Number, NoNumber> {
    let text = text.trim_ascii();
    if text.is_empty() {
        return Err(NoNumber::Empty);
    }
    let Some(parts) = Parts::of(text, if comma { b',' } else { b'.' }) else { return Err(other(text)) };
    let value = parts.value(text).ok_or(NoNumber::Other)?;
    if value.is_infinite() {
        return Err(NoNumber::TooLarge);
    }
    Ok(Number { value, quantum: parts.quantum(value) })
}

/// What is no number may still be a value: one that is not finite, or too wide.
fn other(text: &[u8]) -> NoNumber {
    if text.len() > LONGEST {
        return NoNumber::Other;
    }
    if text.iter().all(|byte| *byte == b'*') {
        return NoNumber::Stars;
    }
    let bare = text.strip_prefix(b"-").or_else(|| text.strip_prefix(b"+")).unwrap_or(text);
    let is = |word: &str| bare.eq_ignore_ascii_case(word.as_bytes());
    let begins = |word: &str| bare.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word.as_bytes()));
    // `nan(ind)` and `1.#INF` are what the C libraries of Microsoft print.
    if ["nan", "nanq", "nans", "inf", "infinity"].into_iter().any(is) || begins("nan(") || begins("1.#") {
        return NoNumber::NotFinite;
    }
    NoNumber::Other
}

/// A numeral taken apart.
struct Parts<'a> {
    /// Its sign, and its digits before the decimal sign.
    whole: &'a [u8],
    /// The digits after it.
    fraction: &'a [u8],
    /// Sign and digits; empty where there is none.
    exponent: &'a [u8],
    /// Whether Rust reads the text as it is.
    plain: bool,
}

impl<'a> Parts<'a> {
    fn of(text: &'a [u8], point: u8) -> Option<Parts<'a>> {
        if text.len() > LONGEST {
            return None;
        }
        let sign = usize::from(matches!(text[0], b'+' | b'-'));
        let (whole, rest) = text.split_at(sign + digits(&text[sign..]));
        let (fraction, rest) = match rest {
            [first, rest @ ..] if *first == point => rest.split_at(digits(rest)),
            _ => (&rest[..0], rest),
        };
        if whole.len() == sign && fraction.is_empty() {
            return None;
        }
        let (letter, exponent) = match rest {
            [letter @ (b'e' | b'E' | b'd' | b'D' | b'q' | b'Q'), exponent @ ..] => (Some(*letter), exponent),
            _ => (None, rest),
        };
        let signed = usize::from(matches!(exponent, [b'+' | b'-', ..]));
        let complete = exponent.len() > signed && digits(&exponent[signed..]) == exponent.len() - signed;
        let absent = rest.is_empty();
        // Without its letter an exponent begins with its sign.
        if !absent && !(complete && (letter.is_some() || signed == 1)) {
            return None;
        }
        let plain = point == b'.' && (absent || matches!(letter, Some(b'e' | b'E')));
        Some(Parts { whole, fraction, exponent, plain })
    }

    /// Correctly rounded.
    fn value(&self, text: &[u8]) -> Option<f64> {
        if self.plain {
            return str::from_utf8(text).ok()?.parse().ok();
        }
        let mut buffer = [0; LONGEST + 2];
        let mut length = 0;
        for part in [self.whole, b".", self.fraction, b"e", if self.exponent.is_empty() { b"0" } else { self.exponent }]
        {
            buffer.get_mut(length..length + part.len())?.copy_from_slice(part);
            length += part.len();
        }
        str::from_utf8(&buffer[..length]).ok()?.parse().ok()
    }

    fn quantum(&self, value: f64) -> f64 {
        let decimals = self.fraction.len();
        if matches!(self.fraction, [] | [b'0']) || (value == 0.0 && !self.exponent.is_empty()) {
            return 0.0;
        }
        let digits = self.whole.iter().chain(self.fraction).filter(|byte| byte.is_ascii_digit());
        let significant = digits.skip_while(|digit| **digit == b'0').count();
        let keeps_zeros = self.fraction.ends_with(b"0");
        if significant < TELLING_DIGITS && !keeps_zeros {
            return 0.0;
        }
        10f64.powi(exponent(self.exponent).saturating_sub(decimals as i32))
    }
}

/// How many digits a text begins with.
fn digits(text: &[u8]) -> usize {
    text.iter().take_while(|byte| byte.is_ascii_digit()).count()
}

/// The exponent that a text of a sign and digits says; far beyond float64 any number will do.
fn exponent(text: &[u8]) -> i32 {
    let magnitude = text
        .iter()
        .filter(|byte| byte.is_ascii_digit())
        .fold(0i32, |sum, digit| sum.saturating_mul(10).saturating_add(i32::from(digit - b'0')));
    if text.starts_with(b"-") { -magnitude } else { magnitude }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn value(text: &str) -> Result<f64, NoNumber> {
        number(text.as_bytes(), false).map(|number| number.value)
    }

    fn quantum(text: &str) -> f64 {
        number(text.as_bytes(), false).unwrap().quantum
    }

    fn is_close(quantum: f64, expected: f64) -> bool {
        (quantum / expected - 1.0).abs() < 1e-9
    }

    #[test]
    fn numbers_are_read_as_programs_print_them() {
        for (text, expected) in [
            ("1.0", 1.0),
            ("-.5", -0.5),
            ("5.", 5.0),
            ("1e5", 1e5),
            ("+3", 3.0),
            (" 007 ", 7.0),
            ("1.0D-03", 1e-3),
            ("1.0d+03", 1e3),
            ("2.5Q1", 25.0),
            ("1.0-100", 1e-100),
            ("1.0+100", 1e100),
            ("-1.5-300", -1.5e-300),
            ("1e-400", 0.0),
            ("0.1000000000000000055511151231257827021181583404541015625", 0.1),
        ] {
            assert_eq!(value(text), Ok(expected), "{text}");
        }
        assert!(value("-0.0").unwrap().is_sign_negative());
        assert_eq!(number(b"1,5", true).map(|number| number.value), Ok(1.5));
        assert_eq!(number(b"-,5D+01", true).map(|number| number.value), Ok(-5.0));
    }

    #[test]
    fn what_is_no_number_says_why() {
        for (text, expected) in [
            ("", NoNumber::Empty),
            (" \t", NoNumber::Empty),
            ("*", NoNumber::Stars),
            ("*******", NoNumber::Stars),
            ("NaN", NoNumber::NotFinite),
            ("-nan", NoNumber::NotFinite),
            ("-nan(ind)", NoNumber::NotFinite),
            ("Inf", NoNumber::NotFinite),
            ("+INFINITY", NoNumber::NotFinite),
            ("-1.#IND", NoNumber::NotFinite),
            ("1e999", NoNumber::TooLarge),
            ("1e99999999999999999999", NoNumber::TooLarge),
        ] {
            assert_eq!(value(text), Err(expected), "{text}");
        }
        for text in [
            ".", "-", "e5", "1e", "1e+", "1.5x", "1.2.3", "1 2", "0x1p3", "1,5", "1_0", "12-", "1-2-3", "--1", "é",
            "1D",
        ] {
            assert_eq!(value(text), Err(NoNumber::Other), "{text}");
        }
        assert_eq!(number(b"1.5", true), Err(NoNumber::Other), "a point where commas are decimal");
        assert_eq!(value(&"1".repeat(LONGEST + 1)), Err(NoNumber::Other));
        assert_eq!(value(&"*".repeat(1 << 20)), Err(NoNumber::Other));
    }

    #[test]
    fn texts_tell_what_they_resolve() {
        for (text, expected) in [
            ("12.3456", 1e-4),
            ("1.2346E-03", 1e-7),
            ("1.234567D-03", 1e-9),
            ("0.12345-100", 1e-105),
            ("1234.5", 1e-1),
            ("0.000", 1e-3),
            ("1.50", 1e-2),
            ("1.500E+10", 1e7),
            ("0.00693", 1e-5),
        ] {
            assert!(is_close(quantum(text), expected), "{text}: {}", quantum(text));
        }
        // `%g`, Python and NumPy print these whatever the number of digits that they print of others.
        for text in ["100", "12345", "12345.", "12345.0", "1.5", "0.25", "1e5", "1.5E-07", "0.0", "0.000E+00", "0.0012"]
        {
            assert_eq!(quantum(text), 0.0, "{text}");
        }
        assert!(quantum("0.30000000000000004") < f64::EPSILON * 0.3);
    }

    /// As Fortran's Ew.dE3 prints: the letter dropped, or a D.
    fn fortran(value: f64, letter: &str) -> String {
        let text = format!("{value:.16e}");
        let (mantissa, exponent) = text.split_once('e').unwrap();
        let exponent: i32 = exponent.parse().unwrap();
        format!("{mantissa}{letter}{}{:03}", if exponent < 0 { '-' } else { '+' }, exponent.abs())
    }

    proptest! {
        #[test]
        fn whatever_is_printed_with_all_digits_reads_back(bits: u64) {
            let value = f64::from_bits(bits);
            prop_assume!(value.is_finite());
            let scale = format!("{value:e}");
            let comma = scale.replace('.', ",");
            for text in [scale, format!("{value:.16e}"), format!("{value}"), format!("{value:?}"), format!("{value:.1074}"),
                fortran(value, "D"), fortran(value, "d"), fortran(value, "E"), fortran(value, "")]
            {
                let read = number(text.as_bytes(), false).map(|number| number.value.to_bits());
                prop_assert_eq!(read, Ok(bits), "{}", text);
            }
            let full = quantum(&fortran(value, "D"));
            prop_assert!(full <= f64::EPSILON * value.abs(), "all digits make no noise: {} of {}", full, value);
            let read = number(comma.as_bytes(), true).map(|number| number.value.to_bits());
            prop_assert_eq!(read, Ok(bits), "{}", comma);
        }

        #[test]
        fn the_quantum_is_the_last_digit_s(value in 1.0..1e6f64, digits in 5usize..15) {
            let text = format!("{value:.digits$}");
            prop_assert!(is_close(quantum(&text), 10f64.powi(-(digits as i32))), "{}", text);
            let text = format!("{value:.digits$e}");
            let exponent: i32 = text.split_once('e').unwrap().1.parse().unwrap();
            prop_assert!(is_close(quantum(&text), 10f64.powi(exponent - digits as i32)), "{}", text);
        }

        #[test]
        fn nothing_panics(text in prop::collection::vec(prop_oneof![Just(b'.'), Just(b'-'), Just(b'e'), Just(b'1'), any::<u8>()], 0..12), comma: bool) {
            let _ = number(&text, comma);
        }
    }
}
