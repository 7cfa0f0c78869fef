//! `raw`: numbers as memory holds them.

use super::found::Found;
use super::number::Number;
use crate::manifest::command::{Endian, Raw, RawType};

/// A file of float64 or float32.
#[derive(Debug)]
pub(super) struct RawReading {
    kind: RawType,
    endian: Endian,
    offset: usize,
}

impl RawReading {
    pub(super) fn load(raw: &Raw) -> RawReading {
        RawReading { kind: raw.raw, endian: raw.endian, offset: raw.offset }
    }

    pub(super) fn read(&self, bytes: &[u8], found: &mut Found) -> Result<(), String> {
        let size = match self.kind {
            RawType::Float64 => 8,
            RawType::Float32 => 4,
        };
        let rest = bytes.get(self.offset..).unwrap_or_default();
        if rest.is_empty() || rest.len() % size != 0 {
            return Err(format!(
                "it has {} bytes, which is not {} and then numbers of {size} bytes",
                bytes.len(),
                self.offset
            ));
        }
        found.expect(rest.len() / size)?;
        for (index, bytes) in rest.chunks_exact(size).enumerate() {
            found.push(match self.kind {
                RawType::Float64 => float64(bytes, self.endian, index)?,
                RawType::Float32 => float32(bytes, self.endian, index)?,
            })?;
        }
        found.list();
        Ok(())
    }
}

/// Eight bytes.
pub(super) fn float64(bytes: &[u8], endian: Endian, index: usize) -> Result<Number, String> {
    let value = f64::from_bits(u64::from_le_bytes(little(bytes, endian)));
    finite(value, index).map(|value| Number { value, quantum: 0.0 })
}

/// Four bytes; they tell values apart that are a float32 away.
pub(super) fn float32(bytes: &[u8], endian: Endian, index: usize) -> Result<Number, String> {
    let value = f32::from_bits(u32::from_le_bytes(little(bytes, endian)));
    let quantum = if value == 0.0 { 0.0 } else { f64::from(value.abs()) - f64::from(value.abs().next_down()) };
    finite(f64::from(value), index).map(|value| Number { value, quantum })
}

/// A number's bytes, the lowest first.
pub(super) fn little<const N: usize>(bytes: &[u8], endian: Endian) -> [u8; N] {
    let mut ordered = [0; N];
    ordered.copy_from_slice(bytes);
    if endian == Endian::Big {
        ordered.reverse();
    }
    ordered
}

fn finite(value: f64, index: usize) -> Result<f64, String> {
    if value.is_finite() { Ok(value) } else { Err(format!("number {} of it is {value}", index + 1)) }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{fails, quanta, reads_list};

    #[test]
    fn bytes_are_numbers() {
        let little: Vec<u8> = [1.5f64, -2.0].iter().flat_map(|value| value.to_le_bytes()).collect();
        reads_list("raw = \"float64\"", &little, &[1.5, -2.0]);
        let big: Vec<u8> = b"head".iter().copied().chain([1.5f32, 0.0].iter().flat_map(|v| v.to_be_bytes())).collect();
        let reading = "raw = \"float32\"\nendian = \"big\"\noffset = 4";
        reads_list(reading, &big, &[1.5, 0.0]);
        assert_eq!(quanta(reading, &big), [f64::from(f32::EPSILON), 0.0]);
    }

    #[test]
    fn a_wrong_number_of_bytes_is_an_error() {
        assert_eq!(
            fails("raw = \"float64\"", "123456789"),
            "it has 9 bytes, which is not 0 and then numbers of 8 bytes"
        );
        assert_eq!(
            fails("raw = \"float64\"\noffset = 9", "1"),
            "it has 1 bytes, which is not 9 and then numbers of 8 bytes"
        );
        assert_eq!(fails("raw = \"float64\"", f64::NAN.to_le_bytes()), "number 1 of it is NaN");
    }
}
