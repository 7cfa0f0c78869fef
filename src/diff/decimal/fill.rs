//! The text of a given width that is nearest to a number: plain, or with an exponent if that keeps more digits.

use super::text::{Scientific, Text, read};

/// Nothing if no text of that width is near it. Plain wins where both are as near.
pub(super) fn text(value: f64, width: usize, letter: Option<u8>) -> Option<Text> {
    let sign = Text::signed(value);
    let room = width.checked_sub(sign.len())?;
    let magnitude = value.abs();
    let exact = Scientific::shortest(magnitude);
    let candidates = [
        exactly(&exact, room, &sign),
        letter.and_then(|letter| exponential(&exact, room, letter, &sign)),
        plain(magnitude, room, &sign).map(|(text, _)| text),
        letter.and_then(|letter| rounded(magnitude, room, letter, &sign)).map(|(text, _)| text),
    ];
    // The first of those that are equally near.
    let mut best: Option<(f64, Text)> = None;
    for text in candidates.into_iter().flatten() {
        let error = (read(&text) - value).abs();
        if best.as_ref().is_none_or(|(least, _)| error < *least) {
            best = Some((error, text));
            if error == 0.0 {
                break;
            }
        }
    }
    let (_, text) = best?;
    // With an exponent there is no number too small for a field, only a field too narrow for the number.
    let lost = letter.is_some() && value != 0.0 && read(&text) == 0.0;
    if lost { None } else { text.to_the_right(width) }
}

/// The place of the last digit: the finer one of the two forms.
pub(super) fn last_place(value: f64, width: usize, letter: Option<u8>) -> Option<Option<i32>> {
    let sign = Text::signed(value);
    let room = width.checked_sub(sign.len())?;
    let magnitude = value.abs();
    let plain = plain(magnitude, room, &sign).map(|(_, place)| place);
    if let Some(letter) = letter {
        let rounded = rounded(magnitude, room, letter, &sign).map(|(_, place)| place);
        if value == 0.0 && rounded.is_some() {
            return Some(None);
        }
        return Some(Some(plain.into_iter().chain(rounded).min()?));
    }
    plain.map(Some)
}

/// All of its digits without exponent, if there is room for them.
fn exactly(exact: &Scientific, room: usize, sign: &Text) -> Option<Text> {
    // A number of more digits than any room has would only be written in vain.
    if exact.exponent.unsigned_abs() as usize > room {
        return None;
    }
    [true, false].into_iter().find_map(|zero| {
        let mut text = sign.clone();
        exact.write_plain(&mut text, zero);
        if exact.exponent < 0 || exact.digits.len() > exact.exponent as usize + 1 || text.len() > room + sign.len() {
            return (text.len() <= room + sign.len() && text.as_bytes() != b".").then_some(text);
        }
        if text.len() < room + sign.len() {
            text.push(b'0');
        }
        Some(text)
    })
}

/// As many decimals as there is room for, and the place of the last.
fn plain(magnitude: f64, room: usize, sign: &Text) -> Option<(Text, i32)> {
    // A carry may take one more digit before the point than the number has.
    let before = if magnitude < 1.0 { 0 } else { Scientific::rounded(magnitude, 17).exponent as usize + 1 };
    let most = room.checked_sub(before + 1)?;
    for decimals in [Some(most), most.checked_sub(1)].into_iter().flatten() {
        let mut fixed = Text::new();
        fixed.push_fixed(magnitude, decimals);
        if decimals == 0 {
            fixed.push(b'.');
        }
        let mut bytes = fixed.as_bytes();
        if bytes.len() > room && bytes.len() > 2 {
            bytes = bytes.strip_prefix(b"0").unwrap_or(bytes);
        }
        if bytes.len() <= room {
            let mut text = sign.clone();
            text.extend(bytes);
            return Some((text, -(decimals as i32)));
        }
    }
    None
}

/// As many digits as there is room for beside an exponent, and the place of the last.
fn rounded(magnitude: f64, room: usize, letter: u8, sign: &Text) -> Option<(Text, i32)> {
    // A point, the letter and one digit of the exponent are the least.
    let most = room.checked_sub(3)?.min(17);
    (1..=most).rev().find_map(|digits| {
        let number = Scientific::rounded(magnitude, digits);
        let text = exponential(&number, room, letter, sign)?;
        Some((text, number.exponent + 1 - digits as i32))
    })
}

/// These digits and an exponent: the point after the first, or wherever the exponent gets short enough.
fn exponential(number: &Scientific, room: usize, letter: u8, sign: &Text) -> Option<Text> {
    let digits = number.digits.as_bytes();
    let places = [1, 0].into_iter().chain(2..=digits.len());
    places.into_iter().find_map(|before| {
        let exponent = number.exponent + 1 - before as i32;
        let length =
            digits.len() + 2 + usize::from(exponent < 0) + exponent.unsigned_abs().max(1).ilog10() as usize + 1;
        (length <= room).then(|| {
            let mut text = sign.clone();
            text.extend(&digits[..before]);
            text.push(b'.');
            text.extend(&digits[before..]);
            text.push(letter);
            text.push_number(exponent);
            text
        })
    })
}
