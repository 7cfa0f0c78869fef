//! `npy`: an array as NumPy saves it (format versions 1 to 3).

use super::found::Found;
use super::number::Number;
use super::raw::{float32, float64, little};
use super::text::shown;
use crate::manifest::command::Endian;

/// More dimensions than NumPy itself has are a mistake.
const MOST_DIMENSIONS: usize = 64;

#[derive(Clone, Copy, Debug)]
enum Kind {
    Float64,
    Float32,
    Int64,
    Int32,
}

/// What a header says.
#[derive(Debug)]
struct Header {
    kind: Kind,
    endian: Endian,
    /// Whether the first index is the fastest.
    fortran: bool,
}

/// Reads the array, in C order.
pub(super) fn read(bytes: &[u8], found: &mut Found) -> Result<(), String> {
    let (text, data) = split(bytes)?;
    let header = header(text, &mut found.shape).map_err(|what| format!("{what}; its header is `{}`", shown(text)))?;
    let size = match header.kind {
        Kind::Float64 | Kind::Int64 => 8,
        Kind::Float32 | Kind::Int32 => 4,
    };
    let count = found.shape.iter().try_fold(1usize, |count, length| count.checked_mul(*length));
    if count.and_then(|count| count.checked_mul(size)) != Some(data.len()) {
        let shape = &found.shape;
        return Err(format!(
            "it holds {} bytes, which an array of shape {shape:?} of {size} bytes has not",
            data.len()
        ));
    }
    let count = data.len() / size;
    found.expect(count)?;
    let mut odometer = Odometer::of(&found.shape, header.fortran);
    for _ in 0..count {
        let index = odometer.next(&found.shape);
        let bytes = &data[index * size..(index + 1) * size];
        let integer = |value| Number { value, quantum: 0.0 };
        found.push(match header.kind {
            Kind::Float64 => float64(bytes, header.endian, index)?,
            Kind::Float32 => float32(bytes, header.endian, index)?,
            Kind::Int64 => integer(i64::from_le_bytes(little(bytes, header.endian)) as f64),
            Kind::Int32 => integer(f64::from(i32::from_le_bytes(little(bytes, header.endian)))),
        })?;
    }
    Ok(())
}

/// The header's text, and the data.
fn split(bytes: &[u8]) -> Result<(&[u8], &[u8]), String> {
    let Some(rest) = bytes.strip_prefix(b"\x93NUMPY") else {
        return Err("it is no array of NumPy: its first bytes are not \\x93NUMPY".to_owned());
    };
    let parts = match rest {
        [1, _, a, b, rest @ ..] => rest.split_at_checked(usize::from(u16::from_le_bytes([*a, *b]))),
        [2 | 3, _, a, b, c, d, rest @ ..] => {
            usize::try_from(u32::from_le_bytes([*a, *b, *c, *d])).ok().and_then(|length| rest.split_at_checked(length))
        }
        [version, ..] if !matches!(version, 1..=3) => {
            return Err(format!("version {version} of NumPy's format is unknown"));
        }
        _ => None,
    };
    parts.ok_or_else(|| "it ends within its header".to_owned())
}

/// The header is a dictionary as Python writes it.
fn header(text: &[u8], shape: &mut Vec<usize>) -> Result<Header, String> {
    let text = str::from_utf8(text).map_err(|_| "it is not UTF-8".to_owned())?;
    let value = |key: &str| {
        let (_, rest) = text.split_once(&format!("'{key}'")).ok_or_else(|| format!("it has no '{key}'"))?;
        Ok::<&str, String>(rest.trim_start_matches([':', ' ']))
    };
    let descr = value("descr")?.strip_prefix('\'').and_then(|rest| rest.split_once('\''));
    let descr = descr.map(|(descr, _)| descr).ok_or("an array of records is not read")?;
    let endian = match descr.as_bytes() {
        [b'<', ..] => Endian::Little,
        [b'>', ..] => Endian::Big,
        _ => return Err(format!("numbers of type '{descr}' are not read")),
    };
    let kind = match &descr[1..] {
        "f8" => Kind::Float64,
        "f4" => Kind::Float32,
        "i8" => Kind::Int64,
        "i4" => Kind::Int32,
        _ => return Err(format!("numbers of type '{descr}' are not read: f8, f4, i8 and i4 are")),
    };
    let fortran = match value("fortran_order")? {
        rest if rest.starts_with("True") => true,
        rest if rest.starts_with("False") => false,
        _ => return Err("its order is neither True nor False".to_owned()),
    };
    let dimensions = value("shape")?.strip_prefix('(').and_then(|rest| rest.split_once(')'));
    let (dimensions, _) = dimensions.ok_or("its shape is no tuple")?;
    for dimension in dimensions.split(',').map(str::trim).filter(|dimension| !dimension.is_empty()) {
        shape.push(dimension.parse().map_err(|_| format!("`{dimension}` is no length"))?);
        if shape.len() > MOST_DIMENSIONS {
            return Err(format!("it has more than {MOST_DIMENSIONS} dimensions"));
        }
    }
    Ok(Header { kind, endian, fortran })
}

/// Counts through an array in C order, and says where each element lies.
struct Odometer {
    indices: [usize; MOST_DIMENSIONS],
    strides: [usize; MOST_DIMENSIONS],
    at: usize,
}

impl Odometer {
    fn of(shape: &[usize], fortran: bool) -> Odometer {
        let mut strides = [0; MOST_DIMENSIONS];
        let mut stride = 1usize;
        for k in 0..shape.len() {
            let dimension = if fortran { k } else { shape.len() - 1 - k };
            strides[dimension] = stride;
            stride = stride.saturating_mul(shape[dimension]);
        }
        Odometer { indices: [0; MOST_DIMENSIONS], strides, at: 0 }
    }

    fn next(&mut self, shape: &[usize]) -> usize {
        let at = self.at;
        for (dimension, length) in shape.iter().enumerate().rev() {
            self.indices[dimension] += 1;
            self.at += self.strides[dimension];
            if self.indices[dimension] < *length {
                break;
            }
            self.at -= length * self.strides[dimension];
            self.indices[dimension] = 0;
        }
        at
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{fails, reads_shape};

    fn npy(header: &str, data: &[u8]) -> Vec<u8> {
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend(u16::try_from(header.len()).unwrap().to_le_bytes());
        bytes.extend(header.bytes());
        bytes.extend(data);
        bytes
    }

    fn bytes<const N: usize>(numbers: impl IntoIterator<Item = [u8; N]>) -> Vec<u8> {
        numbers.into_iter().flatten().collect()
    }

    #[test]
    fn arrays_are_read_in_c_order() {
        let numbers = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
        let header = "{'descr': '<f8', 'fortran_order': False, 'shape': (2, 3), }\n";
        reads_shape("npy = true", npy(header, &bytes(numbers.map(f64::to_le_bytes))), &numbers, &[2, 3]);
        let header = "{'descr': '>f4', 'fortran_order': True, 'shape': (2, 3), }\n";
        let big = bytes(numbers.map(|number| (number as f32).to_be_bytes()));
        reads_shape("npy = true", npy(header, &big), &[1.0, 3.0, 5.0, 2.0, 4.0, 6.0], &[2, 3]);
        let header = "{'descr': '<i8', 'fortran_order': False, 'shape': (), }\n";
        reads_shape("npy = true", npy(header, &7i64.to_le_bytes()), &[7.0], &[]);
        let header = "{'descr': '>i4', 'fortran_order': False, 'shape': (2,), }\n";
        reads_shape("npy = true", npy(header, &bytes([7i32.to_be_bytes(), (-1i32).to_be_bytes()])), &[7.0, -1.0], &[2]);
        let header = "{'descr': '<f8', 'fortran_order': True, 'shape': (2, 0), }\n";
        reads_shape("npy = true", npy(header, b""), &[], &[2, 0]);
        let header = "{'descr': '<f8', 'fortran_order': True, 'shape': (1, 2, 3), }\n";
        reads_shape(
            "npy = true",
            npy(header, &bytes(numbers.map(f64::to_le_bytes))),
            &[1.0, 3.0, 5.0, 2.0, 4.0, 6.0],
            &[1, 2, 3],
        );
    }

    #[test]
    fn what_is_no_array_says_why() {
        for (bytes, expected) in [
            (b"hello".to_vec(), "it is no array of NumPy: its first bytes are not \\x93NUMPY"),
            (b"\x93NUMPY\x01\x00\xff\xff{".to_vec(), "it ends within its header"),
            (b"\x93NUMPY\x09\x00".to_vec(), "version 9 of NumPy's format is unknown"),
            (npy("{}", b""), "it has no 'descr'; its header is `{}`"),
            (
                npy("{'descr': '<c16', 'fortran_order': False, 'shape': (1,)}", &[0; 16]),
                "numbers of type '<c16' are not read: f8, f4, i8 and i4 are; its header is `{'descr': '<c16', 'fortran_order': False, 'shape': (1,)}`",
            ),
            (
                npy("{'descr': '<f8', 'fortran_order': False, 'shape': (2,)}", &[0; 9]),
                "it holds 9 bytes, which an array of shape [2] of 8 bytes has not",
            ),
            (
                npy("{'descr': '<f8', 'fortran_order': False, 'shape': (99999999999, 99999999999)}", &[0; 8]),
                "it holds 8 bytes, which an array of shape [99999999999, 99999999999] of 8 bytes has not",
            ),
            (
                npy("{'descr': '<f8', 'fortran_order': False, 'shape': (1,)}", &f64::INFINITY.to_le_bytes()),
                "number 1 of it is inf",
            ),
        ] {
            assert_eq!(fails("npy = true", bytes), expected);
        }
    }
}
