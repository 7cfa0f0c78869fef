//! Results as NumPy's `.npz`: a zip of `.npy` files, one an array. `numpy.load` gives them by name: the
//! path of an output, or `output/input` for a block of a Jacobian.
//!
//! A Jacobian that was computed with a sparsity pattern is one CSR matrix, as `scipy.sparse.load_npz` reads it: its
//! rows are the elements of the outputs in their order, its columns those of the inputs; `rows` and `columns` list
//! their paths, and where each begins.
//!
//! The format is that of NumPy's NEP 1, version 1.0 of the header.

use std::io::{Cursor, Write};

use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use super::{Answer, Block, Jacobian};
use crate::tree::{DType, Layout};

/// The bytes of the archive, or why there is none.
pub(crate) fn archive(answer: &Answer) -> Result<Vec<u8>, String> {
    let mut archive = Archive(ZipWriter::new(Cursor::new(Vec::new())));
    match answer {
        Answer::Outputs(outputs) => {
            for (path, array) in outputs.leaves() {
                archive.add(&path.to_string(), array.dtype(), array.shape(), array.bytes())?;
            }
        }
        Answer::Shapes(_) => {
            return Err("shapes are no arrays: npz is not for them".to_owned());
        }
        Answer::Vectors(vectors) => {
            for (path, array) in vectors {
                archive.add(&path.to_string(), array.dtype(), array.shape(), array.bytes())?;
            }
        }
        Answer::Jacobian(jacobian) if jacobian.sparse().is_some() => archive.add_csr(jacobian)?,
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

fn broken(error: impl std::fmt::Display) -> String {
    format!("cannot write the archive: {error}")
}

struct Archive(ZipWriter<Cursor<Vec<u8>>>);

impl Archive {
    fn add_csr(&mut self, jacobian: &Jacobian) -> Result<(), String> {
        let Some((pattern, values)) = jacobian.sparse() else { return Ok(()) };
        let by_row = pattern.transposed();
        // Rows are gone through as columns are, so that entries come in the order of the transpose.
        let mut next: Vec<usize> = (0..pattern.rows()).map(|row| by_row.start(row)).collect();
        let (mut data, mut indices) = (vec![0.0f64; values.len()], vec![0i32; values.len()]);
        for (column, (rows, values)) in pattern.by_column(values).enumerate() {
            for (&row, value) in rows.iter().zip(values) {
                let at = &mut next[row as usize];
                (data[*at], indices[*at]) = (*value, column as i32);
                *at += 1;
            }
        }
        let starts: Vec<i32> = (0..=pattern.rows()).map(|row| by_row.start(row) as i32).collect();
        let shape = [pattern.rows() as i64, pattern.columns() as i64];
        self.add_raw("format", "|S3", &[], b"csr")?;
        self.add("shape", DType::Int64, &[2], bytemuck::cast_slice(&shape))?;
        self.add("data", DType::Float64, &[data.len()], bytemuck::cast_slice(&data))?;
        self.add("indices", DType::Int32, &[indices.len()], bytemuck::cast_slice(&indices))?;
        self.add("indptr", DType::Int32, &[starts.len()], bytemuck::cast_slice(&starts))?;
        self.add_names("rows", jacobian.of())?;
        self.add_names("columns", jacobian.wrt())
    }

    /// The paths of a layout, as text, and where each begins.
    fn add_names(&mut self, name: &str, layout: &Layout) -> Result<(), String> {
        let paths: Vec<String> = layout.paths().map(ToString::to_string).collect();
        let width = paths.iter().map(String::len).max().unwrap_or(0).max(1);
        let mut bytes = Vec::with_capacity(width * paths.len());
        for path in &paths {
            bytes.extend_from_slice(path.as_bytes());
            bytes.resize(bytes.len().next_multiple_of(width), 0);
        }
        let starts: Vec<i64> = layout.spans().iter().map(|span| span.offset as i64).collect();
        self.add_raw(name, &format!("|S{width}"), &[paths.len()], &bytes)?;
        self.add(&format!("{name}_start"), DType::Int64, &[starts.len()], bytemuck::cast_slice(&starts))
    }

    fn add(&mut self, name: &str, dtype: DType, shape: &[usize], bytes: &[u8]) -> Result<(), String> {
        self.add_raw(name, &descr(dtype), shape, bytes)
    }

    fn add_raw(&mut self, name: &str, descr: &str, shape: &[usize], bytes: &[u8]) -> Result<(), String> {
        let options = SimpleFileOptions::default().large_file(bytes.len() > u32::MAX as usize / 2);
        self.0.start_file(format!("{name}.npy"), options).map_err(broken)?;
        self.0.write_all(&header(descr, shape)).map_err(broken)?;
        self.0.write_all(bytes).map_err(broken)
    }
}

fn descr(dtype: DType) -> String {
    let letter = match dtype {
        DType::Bool => "|b",
        DType::Float16 | DType::Float32 | DType::Float64 => "<f",
        DType::Complex64 | DType::Complex128 => "<c",
        DType::Uint8 => "|u",
        DType::Int8 => "|i",
        DType::Uint16 | DType::Uint32 | DType::Uint64 => "<u",
        DType::Int16 | DType::Int32 | DType::Int64 => "<i",
    };
    format!("{letter}{}", dtype.size())
}

fn header(descr: &str, shape: &[usize]) -> Vec<u8> {
    let dims: Vec<_> = shape.iter().map(|length| format!("{length},")).collect();
    let text = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({}), }}", dims.join(" "));
    // Padded so that the data begin at a multiple of 64.
    let length = (10 + text.len() + 1).next_multiple_of(64) - 10;
    let mut header = b"\x93NUMPY\x01\x00".to_vec();
    header.extend_from_slice(&(length as u16).to_le_bytes());
    header.extend_from_slice(format!("{text:<width$}\n", width = length - 1).as_bytes());
    header
}
