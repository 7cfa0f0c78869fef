//! Derivatives as the Tesseract protocol words them: what a question says and what an answer holds. Programs
//! and servers are asked alike.
//!
//! Not how inputs are written, nor how messages travel.

use serde_json::Value;

use crate::codec::{self, Encoding};
use crate::model::ModelError;
use crate::tree::{Array, Path};

/// A derivative that is asked for: the names of its two lists of paths, and the vector of a product.
pub(super) struct Question<'q> {
    wrt: (&'static str, Vec<&'q Path>),
    of: (&'static str, Vec<&'q Path>),
    vector: Option<(&'static str, &'q [(Path, Array)])>,
}

impl<'q> Question<'q> {
    /// All blocks of a Jacobian.
    pub(super) fn jacobian(wrt: &'q [Path], of: &'q [Path]) -> Question<'q> {
        let (wrt, of) = (wrt.iter().collect(), of.iter().collect());
        Question { wrt: ("jac_inputs", wrt), of: ("jac_outputs", of), vector: None }
    }

    /// The change of some outputs along tangents.
    pub(super) fn jvp(tangents: &'q [(Path, Array)], of: &'q [Path]) -> Question<'q> {
        let wrt = tangents.iter().map(|(path, _)| path).collect();
        let vector = Some(("tangent_vector", tangents));
        Question { wrt: ("jvp_inputs", wrt), of: ("jvp_outputs", of.iter().collect()), vector }
    }

    /// The gradient of the outputs, weighted by cotangents, by some inputs.
    pub(super) fn vjp(cotangents: &'q [(Path, Array)], wrt: &'q [Path]) -> Question<'q> {
        let of = cotangents.iter().map(|(path, _)| path).collect();
        let vector = Some(("cotangent_vector", cotangents));
        Question { wrt: ("vjp_inputs", wrt.iter().collect()), of: ("vjp_outputs", of), vector }
    }

    /// Writes it as one object: the inputs, as `inputs` does, the paths, and the vector.
    pub(super) fn write(&self, out: &mut Vec<u8>, encoding: Encoding, inputs: impl FnOnce(&mut Vec<u8>)) {
        out.extend_from_slice(b"{\"inputs\":");
        inputs(out);
        for (name, paths) in [&self.wrt, &self.of] {
            out.extend_from_slice(format!(",\"{name}\":").as_bytes());
            write_paths(out, paths.iter().copied());
        }
        if let Some((name, vectors)) = self.vector {
            out.extend_from_slice(format!(",\"{name}\":").as_bytes());
            write_vectors(out, vectors, encoding);
        }
        out.push(b'}');
    }
}

/// Writes a list of paths.
pub(super) fn write_paths<'p>(out: &mut Vec<u8>, paths: impl IntoIterator<Item = &'p Path>) {
    out.push(b'[');
    for (i, path) in paths.into_iter().enumerate() {
        if i > 0 {
            out.push(b',');
        }
        write_path(out, path);
    }
    out.push(b']');
}

fn write_path(out: &mut Vec<u8>, path: &Path) {
    serde_json::to_writer(out, &path.to_string()).expect("memory takes every write");
}

/// An object of arrays by path.
fn write_vectors(out: &mut Vec<u8>, vectors: &[(Path, Array)], encoding: Encoding) {
    out.push(b'{');
    for (i, (path, array)) in vectors.iter().enumerate() {
        if i > 0 {
            out.push(b',');
        }
        write_path(out, path);
        out.push(b':');
        codec::write_array(out, array, encoding);
    }
    out.push(b'}');
}

/// The arrays at these keys of an object, wide (float64 or complex128).
pub(super) fn read_vectors(value: &Value, paths: &[Path]) -> Result<Vec<Array>, ModelError> {
    paths
        .iter()
        .map(|path| {
            let entry = value
                .get(path.to_string())
                .ok_or_else(|| ModelError::failed(format!("its derivative has no {path}")))?;
            codec::decode_wide(entry).map_err(|error| ModelError::failed(format!("its derivative at {path}: {error}")))
        })
        .collect()
}

/// The blocks of a Jacobian, wide, those of the first output first.
pub(super) fn read_blocks(value: &Value, wrt: &[Path], of: &[Path]) -> Result<Vec<Array>, ModelError> {
    let mut blocks = Vec::with_capacity(of.len() * wrt.len());
    for output in of {
        let row = value.get(output.to_string());
        let row = row.ok_or_else(|| ModelError::failed(format!("its Jacobian has no row {output}")))?;
        blocks.extend(read_vectors(row, wrt)?);
    }
    Ok(blocks)
}
