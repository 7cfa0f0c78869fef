//! Results as NumPy's `.npz`: a zip of `.npy` files, one an array. `numpy.load` gives them by name: the
//! path of an output, or `output/input` for a block of a Jacobian.
//!
//! The format is that of NumPy's NEP 1, version 1.0 of the header.

use std::io::{Cursor, Write};

use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use super::Failure;
use crate::endpoint::{Answer, Block};
use crate::tree::DType;

pub(super) fn archive(answer: &Answer) -> Result<Vec<u8>, Failure> {
    let mut archive = Archive(ZipWriter::new(Cursor::new(Vec::new())));
    match answer {
        Answer::Outputs(outputs) => {
            for (path, array) in outputs.leaves() {
                archive.add(&path.to_string(), array.dtype(), array.shape(), array.bytes())?;
            }
        }
        Answer::Shapes(_) => {
            return Err(Failure::Caller("shapes are no arrays: --format npz is not for them".to_owned()));
        }
        Answer::Vectors(vectors) => {
            for (path, array) in vectors {
                archive.add(&path.to_string(), array.dtype(), array.shape(), array.bytes())?;
            }
        }
        Answer::Jacobian(jacobian) => {
            for (of, wrt, block) in jacobian.blocks() {
                let name = format!("{of}/{wrt}");
                match block {
                    Block::Real(view) => {
                        let values: Vec<f64> = view.iter().copied().collect();
                        archive.add(&name, DType::Float64, view.shape(), bytemuck::cast_slice(&values))?;
                    }
                    Block::Complex(array) => {
                        let values: Vec<_> = array.iter().copied().collect();
                        archive.add(&name, DType::Complex128, array.shape(), bytemuck::cast_slice(&values))?;
                    }
                }
            }
        }
    }
    archive.0.finish().map(Cursor::into_inner).map_err(broken)
}

fn broken(error: impl std::fmt::Display) -> Failure {
    Failure::Operator(format!("cannot write the archive: {error}"))
}

struct Archive(ZipWriter<Cursor<Vec<u8>>>);

impl Archive {
    fn add(&mut self, name: &str, dtype: DType, shape: &[usize], bytes: &[u8]) -> Result<(), Failure> {
        let options = SimpleFileOptions::default().large_file(bytes.len() > u32::MAX as usize / 2);
        self.0.start_file(format!("{name}.npy"), options).map_err(broken)?;
        self.0.write_all(&header(dtype, shape)).map_err(broken)?;
        self.0.write_all(bytes).map_err(broken)
    }
}

fn header(dtype: DType, shape: &[usize]) -> Vec<u8> {
    let letter = match dtype {
        DType::Bool => "|b",
        DType::Float16 | DType::Float32 | DType::Float64 => "<f",
        DType::Complex64 | DType::Complex128 => "<c",
        DType::Uint8 => "|u",
        DType::Int8 => "|i",
        DType::Uint16 | DType::Uint32 | DType::Uint64 => "<u",
        DType::Int16 | DType::Int32 | DType::Int64 => "<i",
    };
    let dims: Vec<_> = shape.iter().map(|length| format!("{length},")).collect();
    let text =
        format!("{{'descr': '{letter}{}', 'fortran_order': False, 'shape': ({}), }}", dtype.size(), dims.join(" "));
    // Padded so that the data begin at a multiple of 64.
    let length = (10 + text.len() + 1).next_multiple_of(64) - 10;
    let mut header = b"\x93NUMPY\x01\x00".to_vec();
    header.extend_from_slice(&(length as u16).to_le_bytes());
    header.extend_from_slice(format!("{text:<width$}\n", width = length - 1).as_bytes());
    header
}
