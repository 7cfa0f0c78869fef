//! Text of a number on the stack: its making, and its reading.

use std::fmt::{self, Write};

/// The widest field that a format may ask for, and the most digits.
pub(super) const WIDEST: u16 = 400;

/// Enough for the longest number there is in plain form (309 digits), its decimals and a sign.
const CAPACITY: usize = 309 + WIDEST as usize + 3;

/// A text on the stack.
#[derive(Clone)]
pub(super) struct Text {
    bytes: [u8; CAPACITY],
    len: usize,
}

impl Text {
    pub(super) fn new() -> Text {
        Text { bytes: [0; CAPACITY], len: 0 }
    }

    /// A minus where one is due.
    pub(super) fn signed(value: f64) -> Text {
        let mut text = Text::new();
        if value.is_sign_negative() {
            text.push(b'-');
        }
        text
    }

    pub(super) fn push(&mut self, byte: u8) {
        self.bytes[self.len] = byte;
        self.len += 1;
    }

    pub(super) fn extend(&mut self, bytes: &[u8]) {
        self.bytes[self.len..self.len + bytes.len()].copy_from_slice(bytes);
        self.len += bytes.len();
    }

    pub(super) fn repeat(&mut self, byte: u8, times: usize) {
        self.bytes[self.len..self.len + times].fill(byte);
        self.len += times;
    }

    pub(super) fn push_number(&mut self, number: i32) {
        // It has room for any exponent.
        let _ = write!(self, "{number}");
    }

    /// `|value|` with so many decimals, correctly rounded.
    pub(super) fn push_fixed(&mut self, magnitude: f64, decimals: usize) {
        let _ = write!(self, "{magnitude:.decimals$}");
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Without its last bytes.
    pub(super) fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }

    /// Set to the right of a field of that width; nothing if it is longer.
    pub(super) fn to_the_right(&self, width: usize) -> Option<Text> {
        let blanks = width.checked_sub(self.len)?;
        let mut text = Text::new();
        text.repeat(b' ', blanks);
        text.extend(self.as_bytes());
        Some(text)
    }

    /// The same once the blanks around it are gone.
    pub(super) fn trimmed_to(&self, width: usize) -> Option<Text> {
        let mut text = Text::new();
        text.extend(self.as_bytes().trim_ascii());
        text.to_the_right(width)
    }
}

impl Write for Text {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if self.len + text.len() > CAPACITY {
            return Err(fmt::Error);
        }
        self.extend(text.as_bytes());
        Ok(())
    }
}

/// A magnitude as digits d.ddd times a power of ten; the digits without their point.
pub(super) struct Scientific {
    pub(super) digits: Text,
    pub(super) exponent: i32,
}

impl Scientific {
    /// The fewest digits that read back exactly.
    pub(super) fn shortest(magnitude: f64) -> Scientific {
        let mut text = Text::new();
        let _ = write!(text, "{magnitude:e}");
        Scientific::split(text)
    }

    /// So many digits, at least one, correctly rounded.
    pub(super) fn rounded(magnitude: f64, digits: usize) -> Scientific {
        let mut text = Text::new();
        let decimals = digits - 1;
        let _ = write!(text, "{magnitude:.decimals$e}");
        Scientific::split(text)
    }

    fn split(mut text: Text) -> Scientific {
        let bytes = text.as_bytes();
        let letter = bytes.iter().rposition(|&byte| byte == b'e').unwrap_or(bytes.len());
        let exponent = std::str::from_utf8(&bytes[letter..]).ok().and_then(|text| text.get(1..)?.parse().ok());
        text.truncate(letter);
        if text.len > 1 {
            text.bytes.copy_within(2..text.len, 1);
            text.len -= 1;
        }
        Scientific { digits: text, exponent: exponent.unwrap_or(0) }
    }

    /// Without exponent, every digit and a point; `zero`: with a 0 before a point that would come first.
    pub(super) fn write_plain(&self, text: &mut Text, zero: bool) {
        let digits = self.digits.as_bytes();
        let before = self.exponent + 1;
        if before <= 0 {
            if zero {
                text.push(b'0');
            }
            text.push(b'.');
            text.repeat(b'0', before.unsigned_abs() as usize);
            text.extend(digits);
        } else {
            let before = before as usize;
            let held = before.min(digits.len());
            text.extend(&digits[..held]);
            text.repeat(b'0', before - held);
            text.push(b'.');
            text.extend(&digits[held..]);
        }
    }
}

/// 10 to that power.
pub(super) fn power_of_ten(exponent: i32) -> f64 {
    let mut text = Text::new();
    text.extend(b"1e");
    text.push_number(exponent);
    read(&text)
}

/// What a text says, `D` for the letter of an exponent or none at all (`1.0-100`) included; NaN if it is no number.
pub(super) fn read(text: &Text) -> f64 {
    let mut plain = Text::new();
    let mut before = b' ';
    for &byte in text.as_bytes().trim_ascii() {
        match byte {
            b'D' | b'd' => plain.push(b'e'),
            b'+' | b'-' if before.is_ascii_digit() || before == b'.' => plain.extend(&[b'e', byte]),
            _ => plain.push(byte),
        }
        before = byte;
    }
    std::str::from_utf8(plain.as_bytes()).ok().and_then(|text| text.parse().ok()).unwrap_or(f64::NAN)
}
