//! `json`: the numbers of a JSON document at a pointer.

use std::fmt;

use serde::de::{self, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::found::Found;
use super::text::{Lines, line_at, number_of, shown};

/// Deeper arrays are a mistake.
const MOST_DIMENSIONS: usize = 32;

/// A pointer (RFC 6901), taken apart.
#[derive(Debug)]
pub(super) struct JsonReading {
    pointer: String,
    tokens: Vec<String>,
    /// Of numbers in strings.
    comma: bool,
}

impl JsonReading {
    pub(super) fn load(pointer: &str, comma: bool) -> Result<JsonReading, String> {
        let tokens = match pointer.strip_prefix('/') {
            Some(rest) => rest.split('/').map(|token| token.replace("~1", "/").replace("~0", "~")).collect(),
            None if pointer.is_empty() => Vec::new(),
            None => return Err(format!("json: a pointer begins with a slash: /{pointer}")),
        };
        Ok(JsonReading { pointer: pointer.to_owned(), tokens, comma })
    }

    pub(super) fn read(&self, text: &[u8], found: &mut Found) -> Result<(), String> {
        let mut document = serde_json::Deserializer::from_slice(text);
        let value = Seek { tokens: &self.tokens }
            .deserialize(&mut document)
            .and_then(|value| document.end().map(|()| value))
            .map_err(|error| self.explain(&error, text))?;
        Leaves { text, rest: value.get(), pointer: &self.pointer, comma: self.comma }.read(found)
    }

    fn explain(&self, error: &serde_json::Error, text: &[u8]) -> String {
        let line = Lines::of(text).nth(error.line().saturating_sub(1));
        let line = line.map_or_else(String::new, |line| format!(": `{}`", shown(line.text)));
        let what = if error.is_data() { format!("there is no `{}`", self.pointer) } else { "it is no JSON".to_owned() };
        format!("{what}: {error}{line}")
    }
}

/// The way to the value; what lies beside it is passed over.
struct Seek<'p> {
    tokens: &'p [String],
}

impl<'de> DeserializeSeed<'de> for Seek<'_> {
    type Value = &'de RawValue;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<&'de RawValue, D::Error> {
        match self.tokens {
            [] => de::Deserialize::deserialize(deserializer),
            [..] => deserializer.deserialize_any(self),
        }
    }
}

impl<'de> Visitor<'de> for Seek<'_> {
    type Value = &'de RawValue;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an object or an array with `{}`", self.tokens[0])
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<&'de RawValue, A::Error> {
        let mut value = None;
        while let Some(is_it) = map.next_key_seed(IsIt(&self.tokens[0]))? {
            if !is_it {
                map.next_value::<IgnoredAny>()?;
            } else if value.is_some() {
                return Err(de::Error::custom(format_args!("`{}` is there twice", self.tokens[0])));
            } else {
                value = Some(map.next_value_seed(Seek { tokens: &self.tokens[1..] })?);
            }
        }
        value.ok_or_else(|| de::Error::custom(format_args!("no `{}` in the object that ends", self.tokens[0])))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<&'de RawValue, A::Error> {
        let token = &self.tokens[0];
        let index: usize = token
            .parse()
            .map_err(|_| de::Error::custom(format_args!("an array, whose elements are numbered, has no `{token}`")))?;
        for before in 0..index {
            if seq.next_element::<IgnoredAny>()?.is_none() {
                return Err(de::Error::custom(format_args!("no {index} in the array of {before} that ends")));
            }
        }
        let value = seq.next_element_seed(Seek { tokens: &self.tokens[1..] })?;
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        value.ok_or_else(|| de::Error::custom(format_args!("no {index} in the array of {index} that ends")))
    }
}

/// Whether a key is the one that is looked for.
struct IsIt<'p>(&'p str);

impl<'de> DeserializeSeed<'de> for IsIt<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for IsIt<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: de::Error>(self, key: &str) -> Result<bool, E> {
        Ok(key == self.0)
    }
}

/// The numbers of a value that is known to be JSON: one, or nested arrays of as many everywhere.
struct Leaves<'a> {
    text: &'a [u8],
    rest: &'a str,
    pointer: &'a str,
    comma: bool,
}

impl Leaves<'_> {
    fn read(mut self, found: &mut Found) -> Result<(), String> {
        /// The length of a dimension that no array has ended in yet.
        const OPEN: usize = usize::MAX;
        let mut counts = [0; MOST_DIMENSIONS];
        let mut depth = 0;
        loop {
            self.rest = self.rest.trim_start_matches([' ', '\t', '\r', '\n', ',']);
            match self.rest.as_bytes() {
                [] => return Ok(()),
                [b'[', ..] => {
                    if depth == MOST_DIMENSIONS {
                        return Err(self.fault(&format!("has more than {MOST_DIMENSIONS} dimensions")));
                    }
                    if depth > 0 {
                        counts[depth - 1] += 1;
                    }
                    counts[depth] = 0;
                    depth += 1;
                    if found.shape.len() < depth {
                        if !found.numbers.is_empty() {
                            return Err(self.fault("has numbers and arrays side by side"));
                        }
                        found.shape.push(OPEN);
                    }
                    self.rest = &self.rest[1..];
                }
                [b']', ..] => {
                    depth -= 1;
                    let length = &mut found.shape[depth];
                    if *length != OPEN && *length != counts[depth] {
                        let message = format!("has arrays of {length} and of {} side by side", counts[depth]);
                        return Err(self.fault(&message));
                    }
                    *length = counts[depth];
                    self.rest = &self.rest[1..];
                }
                _ => {
                    if depth != found.shape.len() {
                        return Err(self.fault("has numbers and arrays side by side"));
                    }
                    if depth > 0 {
                        counts[depth - 1] += 1;
                    }
                    self.leaf(found)?;
                }
            }
        }
    }

    /// A number, or a string that is one.
    fn leaf(&mut self, found: &mut Found) -> Result<(), String> {
        let (leaf, comma, after) = match self.rest.strip_prefix('"') {
            Some(string) => {
                let end = string.find(['"', '\\']).filter(|end| string.as_bytes()[*end] == b'"');
                let end = end.ok_or_else(|| self.fault("is a string that is no number"))?;
                (&string[..end], self.comma, end + 2)
            }
            None => {
                let end = self.rest.find([',', ']', ' ', '\t', '\r', '\n']).unwrap_or(self.rest.len());
                (&self.rest[..end], false, end)
            }
        };
        let place = || line_at(self.text, self.offset());
        let number = number_of(leaf.as_bytes(), comma, format_args!("the value at `{}`", self.pointer), place)?;
        self.rest = &self.rest[after..];
        found.push(number)
    }

    fn offset(&self) -> usize {
        (self.rest.as_ptr() as usize).saturating_sub(self.text.as_ptr() as usize)
    }

    fn fault(&self, what: &str) -> String {
        let line = line_at(self.text, self.offset());
        format!("the value at `{}` {what}: line {}, `{}`", self.pointer, line.number, shown(line.text))
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{fails, quanta, reads, reads_shape, refuses};

    const OUTPUT: &str = r#"{"skip": {"a": [1, "]"]}, "out": {"m/~x": [1.5, "2.5000"], "rows": [[1, 2, 3],
        [4e0, 5.0, -6]], "name": "x", "bad": [[1], [2, 3]], "mixed": [1, [2]], "none": null}}"#;

    #[test]
    fn pointers_lead_to_numbers() {
        reads("json = \"/out/m~1~0x/0\"", OUTPUT, 1.5);
        reads("json = \"/out/m~1~0x/1\"", OUTPUT, 2.5);
        reads("json = \"/out/rows/1/2\"", OUTPUT, -6.0);
        reads_shape("json = \"/out/rows\"", OUTPUT, &[1.0, 2.0, 3.0, 4.0, 5.0, -6.0], &[2, 3]);
        reads_shape("json = \"/out/m~1~0x\"", OUTPUT, &[1.5, 2.5], &[2]);
        assert_eq!(quanta("json = \"/out/m~1~0x\"", OUTPUT), [0.0, 1e-4]);
        reads("json = \"\"", " 7 \n", 7.0);
        reads_shape("json = \"\"", "[[], []]", &[], &[2, 0]);
        reads("json = \"/a\"\ncomma = true", r#"{"a": "1,5", "b": 1.5}"#, 1.5);
        reads("json = \"/b\"\ncomma = true", r#"{"a": "1,5", "b": 1.5}"#, 1.5);
    }

    #[test]
    fn errors_say_how_far_the_pointer_led() {
        for (reading, text, expected) in [
            (
                "json = \"/out/z\"",
                "{\"out\": {\"a\": 1}}",
                "there is no `/out/z`: no `z` in the object that ends at line 1 column 16: `{\"out\": {\"a\": 1}}`",
            ),
            (
                "json = \"/a/b\"",
                "{\"a\": 1}",
                "there is no `/a/b`: invalid type: integer `1`, expected an object or an array with `b` at line 1 column 7: `{\"a\": 1}`",
            ),
            ("json = \"/2\"", "[1,\n2]", "there is no `/2`: no 2 in the array of 2 that ends at line 2 column 2: `2]`"),
            ("json = \"/a\"", "{\"a\": NaN}", "it is no JSON: expected value at line 1 column 7: `{\"a\": NaN}`"),
            ("json = \"\"", "", "it is no JSON: EOF while parsing a value at line 1 column 0"),
            ("json = \"\"", "1 2", "it is no JSON: trailing characters at line 1 column 3: `1 2`"),
            (
                "json = \"/a\"",
                "{\"a\": 1, \"a\": 2}",
                "there is no `/a`: `a` is there twice at line 1 column 12: `{\"a\": 1, \"a\": 2}`",
            ),
            (
                "json = \"/a\"",
                "{\"a\": \"NaN\"}",
                "the value at `/a` of line 1, `NaN`, is not finite; the line is `{\"a\": \"NaN\"}`",
            ),
            ("json = \"/a\"", "{\"a\": null}", "the value at `/a` of line 1, `null}`, is no number"),
        ] {
            let error = fails(reading, text);
            assert!(error.starts_with(expected.trim_end_matches("null}`, is no number")), "{error}\n{expected}");
        }
        for (name, expected) in [
            ("bad", "has arrays of 1 and of 2 side by side"),
            ("mixed", "has numbers and arrays side by side"),
            ("none", "is no number"),
            ("name", "is no number"),
        ] {
            let error = fails(&format!("json = \"/out/{name}\""), OUTPUT);
            assert!(error.contains(expected), "{error}");
        }
        assert!(refuses("json = \"a/b\"").contains("begins with a slash: /a/b"));
    }
}
