//! Nested lists of numbers straight from JSON text: what `nested` makes of values, without a value for each
//! number and a list for each row.
//!
//! Only of what is plain. Whatever else a list may hold ends the reading, and wants to be read as a value.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, SeqAccess, Visitor};

use crate::tree::Array;

/// The array that the elements of a list make up: int64 if all are integers, else float64.
pub(crate) fn gather_straight<'de, A: SeqAccess<'de>>(items: A) -> Result<Array, A::Error> {
    let mut lists = Lists { shape: Vec::new(), values: Vec::new(), whole: true };
    lists.row(0, items)?;
    let Lists { shape, values, whole } = lists;
    Ok(if whole {
        Array::new(&shape, values.iter().map(|&value| value as i64).collect())
    } else {
        Array::new(&shape, values)
    })
}

struct Lists {
    /// The lengths of the rows of each depth; `OPEN` until the first has come to its end.
    shape: Vec<usize>,
    values: Vec<f64>,
    whole: bool,
}

const OPEN: usize = usize::MAX;

/// The integers that float64 can tell apart.
const EXACT: u64 = 1 << 53;

impl Lists {
    fn row<'de, A: SeqAccess<'de>>(&mut self, depth: usize, mut items: A) -> Result<(), A::Error> {
        if depth == self.shape.len() {
            if !self.values.is_empty() {
                return Err(Error::custom("a list where others have numbers"));
            }
            self.shape.push(OPEN);
        }
        let mut length = 0;
        while items.next_element_seed(Item { lists: self, depth: depth + 1 })?.is_some() {
            length += 1;
        }
        if length == 0 || (self.shape[depth] != OPEN && self.shape[depth] != length) {
            return Err(Error::custom("a list without elements, or of another length than others"));
        }
        self.shape[depth] = length;
        Ok(())
    }
}

/// What stands in a list of this depth: a number or another list.
struct Item<'l> {
    lists: &'l mut Lists,
    depth: usize,
}

impl Item<'_> {
    fn push<E: Error>(self, value: f64, whole: bool) -> Result<(), E> {
        if self.depth != self.lists.shape.len() {
            return Err(Error::custom("a number where others have lists"));
        }
        self.lists.values.push(value);
        self.lists.whole &= whole;
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for Item<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Item<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("numbers")
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<(), E> {
        self.push(value, false)
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<(), E> {
        if value.unsigned_abs() > EXACT {
            return Err(Error::custom("an integer that float64 may not hold"));
        }
        self.push(value as f64, true)
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<(), E> {
        self.visit_i64(i64::try_from(value).map_err(Error::custom)?)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<(), A::Error> {
        self.lists.row(self.depth, items)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::nested::gather;
    use crate::codec::parse_json;
    use proptest::prelude::*;

    struct List;

    impl<'de> Visitor<'de> for List {
        type Value = Array;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<Array, A::Error> {
            gather_straight(items)
        }
    }

    fn read(text: &str) -> Option<Array> {
        serde_json::Deserializer::from_str(text).deserialize_seq(List).ok()
    }

    #[test]
    fn plain_lists_are_what_values_make_of_them() {
        for text in ["[1, 2]", "[[1, -2.5], [3, 4]]", "[[[0]]]", "[-0]", "[-0.0]", "[9007199254740992]", "[1e300]"] {
            assert_eq!(read(text), Some(gather(&parse_json(text.as_bytes()).unwrap(), false).unwrap()), "{text}");
        }
        for text in [
            "[]",
            "[[]]",
            "[[], 1]",
            "[1, [2]]",
            "[[1], 2]",
            "[[1, 2], [3]]",
            "[[1], [2, 3]]",
            "[[1], [[2]]]",
            "[true]",
            "[null]",
            "[\"1\"]",
            "[{}]",
            "[9007199254740993]",
            "[-9007199254740993]",
            "[18446744073709551615]",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_read_is_what_values_say(text in "\\[{1,2}[\\[\\],0-9.e-]{0,12}\\]{1,2}") {
            if let Some(array) = read(&text) && let Ok(value) = parse_json(text.as_bytes()) {
                prop_assert_eq!(Ok(array), gather(&value, false));
            }
        }
    }
}
