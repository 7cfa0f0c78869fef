//! A request as it comes: JSON, of which the inputs may have been read while it was parsed.

use std::fmt;

use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::{Map, Value};

use super::Endpoint;
use crate::codec::{self, JsonError};
use crate::schema::{Signature, Violations};
use crate::tree::Tree;

/// A request that is yet to be proven.
pub struct Body {
    /// All of it, but for inputs that have been read.
    pub json: Value,
    inputs: Option<Tree>,
}

impl From<Value> for Body {
    fn from(json: Value) -> Body {
        Body { json, inputs: None }
    }
}

impl Body {
    /// Parses a request to an endpoint.
    pub fn parse(text: &[u8], endpoint: Endpoint, signature: &Signature) -> Result<Body, JsonError> {
        // Inputs of which only shapes are told are not read as inputs.
        if endpoint != Endpoint::AbstractEval {
            let mut parser = serde_json::Deserializer::from_slice(text);
            let body = parser.deserialize_map(Straight(signature));
            if let Ok(body) = body
                && parser.end().is_ok()
            {
                return Ok(body);
            }
        }
        Ok(Body::from(codec::parse_json(text)?))
    }

    /// The inputs, which stand in the JSON as `value` if they have not been read.
    pub(super) fn inputs(&self, value: &Value, signature: &Signature) -> Result<Tree, Violations> {
        self.inputs.as_ref().map_or_else(|| signature.inputs_from_json(value), |inputs| Ok(inputs.clone()))
    }
}

struct Straight<'s>(&'s Signature);

impl<'de> Visitor<'de> for Straight<'_> {
    type Value = Body;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a request")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Body, A::Error> {
        let (mut fields, mut inputs) = (Map::new(), None);
        while let Some(name) = entries.next_key::<String>()? {
            let value = if name == "inputs" {
                inputs = Some(entries.next_value_seed(self.0.straight_inputs())?);
                Value::Null
            } else {
                entries.next_value()?
            };
            fields.insert(name, value);
        }
        Ok(Body { json: Value::Object(fields), inputs })
    }
}
