//! Numbers as C's `printf` writes them (C17, 7.21.6.1): `%12.5e`, `%-8.3f`, `%+.6g`.

use super::text::{Scientific, Text};

/// A conversion with its flags.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Printf {
    pub(super) conversion: Conversion,
    pub(super) upper: bool,
    /// The least width; a longer text is not cut.
    pub(super) width: u16,
    pub(super) precision: u16,
    pub(super) left: bool,
    pub(super) zeros: bool,
    /// What stands before a number that is not negative.
    pub(super) plus: Option<u8>,
    pub(super) alternate: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Conversion {
    E,
    F,
    G,
}

impl Printf {
    pub(super) fn text(&self, value: f64) -> Text {
        let magnitude = value.abs();
        let precision = usize::from(self.precision);
        let mut body = Text::new();
        match self.conversion {
            Conversion::F => self.fixed(magnitude, precision, &mut body),
            Conversion::E => self.scientific(&Scientific::rounded(magnitude, precision + 1), &mut body),
            Conversion::G => {
                let digits = precision.max(1);
                let mut number = Scientific::rounded(magnitude, digits);
                if (-4..digits as i32).contains(&number.exponent) {
                    let decimals = digits as i32 - 1 - number.exponent;
                    self.fixed(magnitude, decimals as usize, &mut body);
                    if !self.alternate && decimals > 0 {
                        body.truncate(without_zeros(body.as_bytes()));
                    }
                } else {
                    if !self.alternate {
                        let kept = number.digits.as_bytes().iter().rposition(|&digit| digit != b'0').unwrap_or(0);
                        number.digits.truncate(kept + 1);
                    }
                    self.scientific(&number, &mut body);
                }
            }
        }
        let sign = if value.is_sign_negative() { Some(b'-') } else { self.plus };
        let padding = usize::from(self.width).saturating_sub(body.len() + usize::from(sign.is_some()));
        let mut text = Text::new();
        if !self.left && !self.zeros {
            text.repeat(b' ', padding);
        }
        text.extend(sign.as_slice());
        if !self.left && self.zeros {
            text.repeat(b'0', padding);
        }
        text.extend(body.as_bytes());
        if self.left {
            text.repeat(b' ', padding);
        }
        text
    }

    /// The power of ten of the last digit.
    pub(super) fn last_place(&self, value: f64) -> Option<i32> {
        let precision = i32::from(self.precision);
        let digits = match self.conversion {
            Conversion::F => return Some(-precision),
            Conversion::E => precision + 1,
            Conversion::G => precision.max(1),
        };
        // Next to 0 there are all the small numbers that an exponent can tell.
        (value != 0.0).then(|| Scientific::rounded(value.abs(), digits as usize).exponent + 1 - digits)
    }

    fn fixed(&self, magnitude: f64, decimals: usize, body: &mut Text) {
        body.push_fixed(magnitude, decimals);
        if decimals == 0 && self.alternate {
            body.push(b'.');
        }
    }

    fn scientific(&self, number: &Scientific, body: &mut Text) {
        let digits = number.digits.as_bytes();
        body.push(digits[0]);
        if digits.len() > 1 || self.alternate {
            body.push(b'.');
        }
        body.extend(&digits[1..]);
        body.push(if self.upper { b'E' } else { b'e' });
        body.push(if number.exponent < 0 { b'-' } else { b'+' });
        if number.exponent.abs() < 10 {
            body.push(b'0');
        }
        body.push_number(number.exponent.abs());
    }
}

/// How much of a number with a point is left when zeros at its end, and a point then, are taken away.
fn without_zeros(number: &[u8]) -> usize {
    let kept = number.iter().rposition(|&byte| byte != b'0').map_or(0, |last| last + 1);
    if number[..kept].ends_with(b".") { kept - 1 } else { kept }
}
