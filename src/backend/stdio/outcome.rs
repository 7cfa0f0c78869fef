//! The numbers of a reply read straight from its text, where it is the plain JSON that most programs write. Any
//! other form, and whatever is wrong, is left to the general reading, which knows what to say about it.

use std::fmt;
use std::slice::IterMut;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::tree::{DType, Layout, Segment};

/// The leaves wanted of a reply, by their place in it.
pub(super) enum Wanted {
    /// Fields or keys of an object.
    Fields(Vec<(String, Wanted)>),
    /// An array, and where its elements go.
    Leaf { offset: usize, shape: Box<[usize]>, single: bool },
}

impl Wanted {
    /// Where the outputs of a layout are found; `None` if they are not all real, or some lie in lists.
    pub(super) fn new(of: &Layout) -> Option<Wanted> {
        let mut root = Wanted::Fields(Vec::new());
        for span in of.spans() {
            let single = match span.dtype {
                DType::Float64 => false,
                DType::Float32 => true,
                _ => return None,
            };
            let names = span.path.segments().iter().map(|segment| match segment {
                Segment::Field(name) | Segment::Key(name) => Some(name.as_str()),
                Segment::Index(_) => None,
            });
            let names: Vec<&str> = names.collect::<Option<_>>()?;
            root.insert(&names, Wanted::Leaf { offset: span.offset, shape: span.shape.clone(), single })?;
        }
        Some(root)
    }

    fn insert(&mut self, names: &[&str], leaf: Wanted) -> Option<()> {
        let Wanted::Fields(fields) = self else { return None };
        let (name, rest) = names.split_first()?;
        if rest.is_empty() {
            fields.push(((*name).to_owned(), leaf));
            return Some(());
        }
        let known = fields.iter().position(|(known, _)| known == name);
        let at = known.unwrap_or_else(|| {
            fields.push(((*name).to_owned(), Wanted::Fields(Vec::new())));
            fields.len() - 1
        });
        fields[at].1.insert(rest, leaf)
    }

    /// Reads all that is wanted into `outcome`. If it cannot, `outcome` holds anything.
    pub(super) fn read(&self, text: &[u8], outcome: &mut [f64]) -> bool {
        let mut json = serde_json::Deserializer::from_slice(text);
        Place { wanted: self, outcome }.deserialize(&mut json).is_ok() && json.end().is_ok()
    }
}

/// One value of the reply.
struct Place<'w, 'o> {
    wanted: &'w Wanted,
    outcome: &'o mut [f64],
}

impl<'de> DeserializeSeed<'de> for Place<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        match self.wanted {
            Wanted::Fields(fields) => json.deserialize_map(Object { fields, outcome: self.outcome }),
            Wanted::Leaf { offset, shape, single } => {
                let count: usize = shape.iter().product();
                let mut slots = self.outcome[*offset..offset + count].iter_mut();
                Nested { shape, single: *single, slots: &mut slots }.deserialize(json)
            }
        }
    }
}

struct Object<'w, 'o> {
    fields: &'w [(String, Wanted)],
    outcome: &'o mut [f64],
}

impl<'de> Visitor<'de> for Object<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut found = 0;
        while let Some(field) = map.next_key_seed(Key(self.fields))? {
            match field {
                Some(wanted) => {
                    map.next_value_seed(Place { wanted, outcome: &mut *self.outcome })?;
                    found += 1;
                }
                None => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        if found == self.fields.len() { Ok(()) } else { Err(A::Error::custom("something is not there, or twice")) }
    }
}

/// A key of an object: the one wanted, if it is.
struct Key<'w>(&'w [(String, Wanted)]);

impl<'de, 'w> DeserializeSeed<'de> for Key<'w> {
    type Value = Option<&'w Wanted>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_str(self)
    }
}

impl<'w> Visitor<'_> for Key<'w> {
    type Value = Option<&'w Wanted>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<Self::Value, E> {
        Ok(self.0.iter().find(|(name, _)| name == key).map(|(_, wanted)| wanted))
    }
}

/// Nested lists of exactly these lengths, or a number where there are none.
struct Nested<'s, 'i, 'o> {
    shape: &'s [usize],
    single: bool,
    slots: &'i mut IterMut<'o, f64>,
}

impl<'de> DeserializeSeed<'de> for Nested<'_, '_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        if self.shape.is_empty() { json.deserialize_f64(self) } else { json.deserialize_seq(self) }
    }
}

impl<'de> Visitor<'de> for Nested<'_, '_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("numbers")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let Some((&length, shape)) = self.shape.split_first() else { return Err(A::Error::custom("a list")) };
        for _ in 0..length {
            let inner = Nested { shape, single: self.single, slots: &mut *self.slots };
            list.next_element_seed(inner)?.ok_or_else(|| A::Error::custom("too short"))?;
        }
        // An end that does not come is an error of the list's own.
        Ok(())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<(), E> {
        let value = if self.single { f64::from(value as f32) } else { value };
        match self.slots.next() {
            Some(slot) if value.is_finite() => *slot = value,
            _ => return Err(E::custom("no place, or too large")),
        }
        Ok(())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<(), E> {
        self.visit_f64(value as f64)
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<(), E> {
        self.visit_f64(value as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::Path;

    fn wanted(leaves: &[(&str, DType, &[usize])]) -> Option<Wanted> {
        let mut layout = Layout::default();
        for (path, dtype, shape) in leaves {
            layout.push(path.parse::<Path>().unwrap(), *dtype, shape);
        }
        Wanted::new(&layout)
    }

    #[test]
    fn plain_numbers_go_where_they_belong() {
        let wanted =
            wanted(&[("a.y", DType::Float64, &[2, 2]), ("z", DType::Float32, &[]), ("a.{k 1}", DType::Float64, &[1])]);
        let wanted = wanted.unwrap();
        let mut outcome = [0.0; 6];
        let text = br#" {"z": 0.1, "more": {"y": [9]}, "a": {"k 1": [-7], "y": [[1, 2.5], [-3e2, 4]], "w": null}} "#;
        assert!(wanted.read(text, &mut outcome));
        assert_eq!(outcome, [1.0, 2.5, -300.0, 4.0, f64::from(0.1f32), -7.0]);
    }

    #[test]
    fn whatever_is_else_is_left_to_others() {
        let wanted = wanted(&[("y", DType::Float64, &[2]), ("z", DType::Float32, &[])]).unwrap();
        let mut outcome = [0.0; 3];
        assert!(wanted.read(br#"{"y": [1, 2], "z": 3}"#, &mut outcome));
        for text in [
            r#"{"y": [1, 2]}"#,
            r#"{"y": [1], "z": 3}"#,
            r#"{"y": [1, 2, 3], "z": 3}"#,
            r#"{"y": [[1, 2]], "z": 3}"#,
            r#"{"y": [1, null], "z": 3}"#,
            r#"{"y": [1, NaN], "z": 3}"#,
            r#"{"y": [1, true], "z": 3}"#,
            r#"{"y": [1, "2"], "z": 3}"#,
            r#"{"y": [1, 2], "z": [3]}"#,
            r#"{"y": [1, 2], "z": 1e300}"#,
            r#"{"y": [1, 2], "z": 3, "z": 4}"#,
            r#"{"y": [1, 2], "z": 3} {}"#,
            r#"{"y": [1, 2], "z": 3"#,
            r#"{"error": "no"}"#,
            r#"{"y": {"shape": [2], "dtype": "float64", "data": {}}, "z": 3}"#,
            "[1, 2, 3]",
            "",
        ] {
            assert!(!wanted.read(text.as_bytes(), &mut outcome), "{text}");
        }
    }

    #[test]
    fn not_every_output_can_be_read_so() {
        assert!(wanted(&[("n", DType::Int32, &[])]).is_none());
        assert!(wanted(&[("z", DType::Complex64, &[])]).is_none());
        assert!(wanted(&[("list.[0]", DType::Float64, &[])]).is_none());
    }
}
