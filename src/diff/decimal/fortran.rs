//! Numbers as Fortran's edit descriptors write them (Fortran 2018, 13.7.2.3): `F8.3`, `E12.5`, `ES12.5`, `D15.7`,
//! `G14.6`.

use super::text::{Scientific, Text};

/// An edit descriptor.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Fortran {
    pub(super) edit: Edit,
    /// Its width; 0 is as wide as need be (`F0.3`).
    pub(super) width: u16,
    /// Digits after the point, or significant ones (G).
    pub(super) digits: u16,
    /// How many digits the exponent has (`E12.5E3`), if that was said.
    pub(super) exponent: Option<u8>,
    /// `E` or `D`.
    pub(super) letter: u8,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Edit {
    /// 12.345
    F,
    /// 0.12345E+02
    E,
    /// 1.2345E+01
    Es,
    /// F where that shows all digits, else E.
    G,
}

impl Fortran {
    /// The text, or nothing where Fortran writes asterisks.
    pub(super) fn text(&self, value: f64) -> Option<Text> {
        let (width, digits) = (usize::from(self.width), usize::from(self.digits));
        match self.edit {
            Edit::F => fixed(value, width, digits),
            Edit::E | Edit::Es => self.scientific(value),
            Edit::G => {
                let number = Scientific::rounded(value.abs(), digits);
                if !(-1..digits as i32).contains(&number.exponent) {
                    return self.scientific(value);
                }
                let decimals = if value == 0.0 { digits - 1 } else { (digits as i32 - 1 - number.exponent) as usize };
                // The columns of the exponent stay blank.
                let blanks = self.exponent.map_or(4, |digits| usize::from(digits) + 2);
                let mut text = fixed(value, width.checked_sub(blanks).filter(|&width| width > 0)?, decimals)?;
                text.repeat(b' ', blanks);
                Some(text)
            }
        }
    }

    /// The power of ten of the last digit.
    pub(super) fn last_place(&self, value: f64) -> Option<i32> {
        let digits = match self.edit {
            Edit::F => return Some(-i32::from(self.digits)),
            Edit::E | Edit::G => i32::from(self.digits),
            Edit::Es => i32::from(self.digits) + 1,
        };
        // Next to 0 there are all the small numbers that an exponent can tell.
        (value != 0.0).then(|| Scientific::rounded(value.abs(), digits as usize).exponent + 1 - digits)
    }

    fn scientific(&self, value: f64) -> Option<Text> {
        let before = usize::from(self.edit == Edit::Es);
        let number = Scientific::rounded(value.abs(), usize::from(self.digits) + before);
        let digits = number.digits.as_bytes();
        let exponent = if value == 0.0 { 0 } else { number.exponent + 1 - before as i32 };
        let mut body = Text::new();
        body.extend(&digits[..before]);
        body.push(b'.');
        body.extend(&digits[before..]);
        let size = exponent.unsigned_abs();
        let least = match self.exponent {
            Some(least) if size < 10u32.pow(least.into()) => usize::from(least),
            Some(_) => return None,
            None if size > 99 => 3,
            None => 2,
        };
        // A third digit takes the place of the letter.
        if self.exponent.is_some() || size <= 99 {
            body.push(self.letter);
        }
        body.push(if exponent < 0 { b'-' } else { b'+' });
        body.repeat(b'0', least - (size.max(1).ilog10() as usize + 1));
        body.push_number(exponent.abs());
        set(value, body.as_bytes(), usize::from(self.width))
    }
}

fn fixed(value: f64, width: usize, decimals: usize) -> Option<Text> {
    let mut body = Text::new();
    body.push_fixed(value.abs(), decimals);
    if decimals == 0 {
        body.push(b'.');
    }
    let bytes = body.as_bytes();
    let optional = bytes.starts_with(b"0.") && decimals > 0;
    set(value, if optional { &bytes[1..] } else { bytes }, width)
}

/// Puts the sign before it, and a 0 before a point that comes first where there is room, and sets it to the right.
fn set(value: f64, body: &[u8], width: usize) -> Option<Text> {
    let mut text = Text::signed(value);
    let zero = body.starts_with(b".") && text.len() + body.len() < width;
    if zero {
        text.push(b'0');
    }
    text.extend(body);
    if width == 0 { Some(text) } else { text.to_the_right(width) }
}
