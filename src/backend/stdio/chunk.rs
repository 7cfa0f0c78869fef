//! The outcomes of many points, read from one message: each straight from its text into the same memory, and told before
//! the next is looked at.

use std::fmt;
use std::ops::ControlFlow;

use base64_simd::{AsOut, STANDARD};
use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::protocol::RpcError;
use crate::model::ModelError;

/// Reads as many outcomes as `count`, each into `values`, until `tell` wants no more.
///
/// The last is told only when nothing comes after it, so that an answer that is too long is an error of some point.
pub(super) fn read(
    text: &str,
    count: usize,
    values: &mut [f64],
    tell: impl FnMut(Result<&[f64], ModelError>) -> ControlFlow<()>,
) -> Result<(), serde_json::Error> {
    let mut json = serde_json::Deserializer::from_str(text);
    json.deserialize_seq(Outcomes { count, values, tell })
}

struct Outcomes<'v, F> {
    count: usize,
    values: &'v mut [f64],
    tell: F,
}

impl<'de, F: FnMut(Result<&[f64], ModelError>) -> ControlFlow<()>> Visitor<'de> for Outcomes<'_, F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a list of {} outcomes", self.count)
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut list: A) -> Result<(), A::Error> {
        for k in 0..self.count {
            let Some(result) = list.next_element_seed(Outcome(self.values))? else {
                return Err(A::Error::invalid_length(k, &self));
            };
            if k + 1 == self.count {
                let beyond = rest(&mut list)?;
                if beyond > 0 {
                    return Err(A::Error::invalid_length(self.count + beyond, &self));
                }
            }
            if (self.tell)(result.map(|()| &*self.values)).is_break() {
                break;
            }
        }
        rest(&mut list).map(drop)
    }
}

/// What is left of a list, skipped.
fn rest<'de, A: SeqAccess<'de>>(list: &mut A) -> Result<usize, A::Error> {
    let mut count = 0;
    while list.next_element::<IgnoredAny>()?.is_some() {
        count += 1;
    }
    Ok(count)
}

/// One outcome: base64 of the numbers, a list of them, or why there are none.
struct Outcome<'v>(&'v mut [f64]);

fn bad(what: fmt::Arguments<'_>) -> ModelError {
    ModelError::broken(format!("an outcome of a sweep is no good: {what}"))
}

impl<'de> DeserializeSeed<'de> for Outcome<'_> {
    type Value = Result<(), ModelError>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Outcome<'_> {
    type Value = Result<(), ModelError>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("numbers, their bytes in base64, or an error")
    }

    fn visit_str<E: Error>(self, encoded: &str) -> Result<Self::Value, E> {
        let bytes = bytemuck::cast_slice_mut::<f64, u8>(self.0);
        let read = match STANDARD.decoded_length(encoded.as_bytes()) {
            Ok(length) if length != bytes.len() => {
                return Ok(Err(bad(format_args!("{length} bytes, expected {}", bytes.len()))));
            }
            Ok(_) => STANDARD.decode(encoded.as_bytes(), bytes.as_out()).map(drop),
            Err(error) => Err(error),
        };
        Ok(read.map_err(|error| bad(format_args!("{error}"))))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let expected = self.0.len();
        let mut found = 0;
        for value in self.0 {
            // Numbers that are not finite are null.
            let Some(number) = list.next_element::<Option<f64>>()? else { break };
            *value = number.unwrap_or(f64::NAN);
            found += 1;
        }
        found += rest(&mut list)?;
        let fits = found == expected;
        Ok(if fits { Ok(()) } else { Err(bad(format_args!("{found} numbers, expected {expected}"))) })
    }

    fn visit_map<A: MapAccess<'de>>(self, fields: A) -> Result<Self::Value, A::Error> {
        #[derive(Deserialize)]
        struct Failed {
            error: RpcError,
        }
        let failed = Failed::deserialize(MapAccessDeserializer::new(fields))?;
        Ok(Err(failed.error.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is told of two outcomes of two numbers each, at most so many of them; and the fault of the message.
    fn told(text: &str, most: usize) -> (Vec<Result<Vec<f64>, String>>, Option<String>) {
        let mut told = Vec::new();
        let fault = read(text, 2, &mut [0.0; 2], |result| {
            told.push(result.map(<[f64]>::to_vec).map_err(|error| error.message));
            if told.len() < most { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        });
        (told, fault.err().map(|error| error.to_string()))
    }

    #[test]
    fn outcomes_come_in_every_form() {
        let base64 = STANDARD.encode_to_string(bytemuck::bytes_of(&[0.1, -2.0f64]));
        let (both, fault) = told(&format!("[\"{base64}\", [3, 4.5e-300]]"), 2);
        assert_eq!(both, [Ok(vec![0.1, -2.0]), Ok(vec![3.0, 4.5e-300])]);
        assert_eq!(fault, None);
        let (both, fault) = told(r#"[{"error": {"code": -32000, "message": "no convergence"}}, [null, 1]]"#, 2);
        assert_eq!(both[0], Err("no convergence".to_owned()));
        let second = both[1].as_ref().unwrap();
        assert!(second[0].is_nan() && second[1] == 1.0);
        assert_eq!(fault, None);
    }

    #[test]
    fn what_is_no_outcome_is_said() {
        for (outcome, why) in [
            ("[1, 2, 3]", "3 numbers, expected 2"),
            ("[1]", "1 numbers, expected 2"),
            ("\"AAAA\"", "3 bytes, expected 16"),
            ("\"=\"", "no good"),
        ] {
            let (both, fault) = told(&format!("[{outcome}, [5, 6]]"), 2);
            assert!(both[0].as_ref().unwrap_err().contains(why), "{outcome}: {both:?}");
            assert_eq!((&both[1], fault), (&Ok(vec![5.0, 6.0]), None), "the next is not to blame");
        }
        for (text, count, why) in [
            ("[[1, 2]]", 1, "invalid length 1, expected a list of 2 outcomes"),
            ("[[1, 2], [3, 4], [5, 6]]", 1, "invalid length 3, expected a list of 2 outcomes"),
            ("[[1, 2], true]", 1, "expected numbers, their bytes in base64, or an error"),
            ("{}", 0, "expected a list of 2 outcomes"),
        ] {
            let (some, fault) = told(text, 2);
            assert_eq!(some.len(), count, "{text}");
            assert!(fault.as_ref().is_some_and(|fault| fault.contains(why)), "{text}: {fault:?}");
        }
    }

    #[test]
    fn what_is_not_wanted_is_skipped() {
        assert_eq!(told("[[1, 2], [3, 4]]", 1), (vec![Ok(vec![1.0, 2.0])], None));
    }
}
