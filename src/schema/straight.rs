//! Inputs straight from JSON text: an array where the schema has a numeric leaf, a JSON value only where it says
//! nothing else. Of a mesh in nested lists, values would cost more than all the rest of a request.
//!
//! Only what is as it should be is read so. Faults are for those to find who read values, and to word.

use std::borrow::Cow;
use std::fmt;

use indexmap::IndexMap;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use crate::codec::{ArrayError, gather_straight};
use crate::tree::{Array, Tree};

use super::fit::Misfit;
use super::leaf::Leaf;
use super::node::Node;
use super::problem::Side;
use super::read::read;
use super::source::{Json, Source, fitting_list};

/// Reads inputs as a node says they should be; any error says only that they are not.
pub(crate) struct Inputs<'n>(pub(super) &'n Node);

impl<'de> DeserializeSeed<'de> for Inputs<'_> {
    type Value = Tree;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Tree, D::Error> {
        let draft = At(self.0).deserialize(deserializer)?;
        read(self.0, &draft, Side::Input).map_err(Error::custom)
    }
}

/// A value with its arrays in place.
enum Draft {
    Array(Array),
    Value(Value),
    List(Vec<Draft>),
    Object(IndexMap<String, Draft>),
}

/// Reads what stands at a node.
struct At<'n>(&'n Node);

impl<'de> DeserializeSeed<'de> for At<'_> {
    type Value = Draft;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Draft, D::Error> {
        match self.0 {
            Node::Opaque(_) => Value::deserialize(deserializer).map(Draft::Value),
            Node::Optional(_) => deserializer.deserialize_option(self),
            _ => deserializer.deserialize_any(self),
        }
    }
}

impl<'de> Visitor<'de> for At<'_> {
    type Value = Draft;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("what the schema says")
    }

    fn visit_none<E: Error>(self) -> Result<Draft, E> {
        Ok(Draft::Value(Value::Null))
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Draft, D::Error> {
        At(self.0.present()).deserialize(deserializer)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Draft, E> {
        Ok(Draft::Value(value.into()))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Draft, E> {
        Ok(Draft::Value(value.into()))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Draft, E> {
        Ok(Draft::Value(value.into()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Draft, E> {
        Ok(Draft::Value(value.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Draft, A::Error> {
        let mut list = Vec::new();
        match self.0 {
            Node::Leaf(_) => return gather_straight(items).map(Draft::Array),
            Node::List { items: node, .. } => {
                while let Some(item) = items.next_element_seed(At(node))? {
                    list.push(item);
                }
            }
            Node::Tuple(nodes) => {
                for node in nodes {
                    list.extend(items.next_element_seed(At(node))?);
                }
            }
            _ => return Err(Error::custom("a list")),
        }
        // What a tuple has too many of is an error of the parser.
        Ok(Draft::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Draft, A::Error> {
        let mut object = IndexMap::new();
        match self.0 {
            Node::Leaf(_) => return Value::deserialize(MapAccessDeserializer::new(entries)).map(Draft::Value),
            Node::Dict(node) => {
                while let Some(key) = entries.next_key()? {
                    object.insert(key, entries.next_value_seed(At(node))?);
                }
            }
            Node::Struct { fields, .. } => {
                while let Some(key) = entries.next_key::<String>()? {
                    let entry = match fields.get(&key) {
                        Some(field) => entries.next_value_seed(At(&field.node))?,
                        None => Draft::Value(entries.next_value()?),
                    };
                    object.insert(key, entry);
                }
            }
            _ => return Err(Error::custom("an object")),
        }
        Ok(Draft::Object(object))
    }
}

impl<'v> Source<'v> for &'v Draft {
    type Leaf = Array;

    fn is_null(self) -> bool {
        matches!(self, Draft::Value(Value::Null))
    }
    fn keys(self) -> Option<Vec<&'v str>> {
        match self {
            Draft::Object(entries) => Some(entries.keys().map(String::as_str).collect()),
            _ => None,
        }
    }
    fn get(self, key: &str) -> Option<&'v Draft> {
        match self {
            Draft::Object(entries) => entries.get(key),
            _ => None,
        }
    }
    fn items(self) -> Option<Vec<&'v Draft>> {
        match self {
            Draft::List(items) => Some(items.iter().collect()),
            _ => None,
        }
    }
    fn json(self) -> Cow<'v, Value> {
        let Draft::Value(value) = self else { unreachable!("what is passed through is read as a value") };
        Cow::Borrowed(value)
    }
    fn leaf(self, leaf: &Leaf, null_is_nan: bool) -> Result<Array, Misfit> {
        match self {
            Draft::Array(array) => fitting_list(array.clone(), leaf, null_is_nan),
            Draft::Value(value) => Json(value).leaf(leaf, null_is_nan),
            Draft::List(_) | Draft::Object(_) => Err(ArrayError::NonNumeric("no array".to_owned()).into()),
        }
    }
}
