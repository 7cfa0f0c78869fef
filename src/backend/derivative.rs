//! Derivatives as the Tesseract protocol words them: what a question says and what an answer holds. Programs
//! and servers are asked alike.
//!
//! Not how inputs are written, nor how messages travel.

use serde_json::Value;

use crate::codec::{self, Encoding};
use crate::model::ModelError;
use crate::tree::{Array, Path};

/// A derivative that is asked for.
pub(super) struct Question<'q> {
    kind: Kind,
    wrt: Vec<&'q Path>,
    of: Vec<&'q Path>,
    /// The vector of a product.
    vectors: &'q [(Path, Array)],
}

enum Kind {
    Jacobian,
    Jvp,
    Vjp,
}

impl<'q> Question<'q> {
    /// All blocks of a Jacobian.
    pub(super) fn jacobian(wrt: &'q [Path], of: &'q [Path]) -> Question<'q> {
        Question { kind: Kind::Jacobian, wrt: wrt.iter().collect(), of: of.iter().collect(), vectors: &[] }
    }

    /// The change of some outputs along tangents.
    pub(super) fn jvp(tangents: &'q [(Path, Array)], of: &'q [Path]) -> Question<'q> {
        let wrt = tangents.iter().map(|(path, _)| path).collect();
        Question { kind: Kind::Jvp, wrt, of: of.iter().collect(), vectors: tangents }
    }

    /// The gradient of the outputs, weighted by cotangents, by some inputs.
    pub(super) fn vjp(cotangents: &'q [(Path, Array)], wrt: &'q [Path]) -> Question<'q> {
        let of = cotangents.iter().map(|(path, _)| path).collect();
        Question { kind: Kind::Vjp, wrt: wrt.iter().collect(), of, vectors: cotangents }
    }

    /// The endpoint, or method, that answers it.
    pub(super) fn name(&self) -> &'static str {
        match self.kind {
            Kind::Jacobian => "jacobian",
            Kind::Jvp => "jacobian_vector_product",
            Kind::Vjp => "vector_jacobian_product",
        }
    }

    /// Writes it as one object: the inputs, as `inputs` does, the paths, and the vector.
    pub(super) fn write(&self, out: &mut Vec<u8>, encoding: Encoding, inputs: impl FnOnce(&mut Vec<u8>)) {
        let (wrt, of, vector) = match self.kind {
            Kind::Jacobian => ("jac_inputs", "jac_outputs", None),
            Kind::Jvp => ("jvp_inputs", "jvp_outputs", Some("tangent_vector")),
            Kind::Vjp => ("vjp_inputs", "vjp_outputs", Some("cotangent_vector")),
        };
        out.extend_from_slice(b"{\"inputs\":");
        inputs(out);
        for (name, paths) in [(wrt, &self.wrt), (of, &self.of)] {
            out.extend_from_slice(format!(",\"{name}\":").as_bytes());
            write_paths(out, paths.iter().copied());
        }
        if let Some(name) = vector {
            out.extend_from_slice(format!(",\"{name}\":").as_bytes());
            write_vectors(out, self.vectors, encoding);
        }
        out.push(b'}');
    }

    /// The arrays of its answer, wide (float64 or complex128); of a Jacobian the blocks, those of the first
    /// output first.
    pub(super) fn read(&self, answer: &Value) -> Result<Vec<Array>, ModelError> {
        let row = |output: &&Path| {
            let row = answer.get(output.to_string());
            let row = row.ok_or_else(|| ModelError::failed(format!("its Jacobian has no row {output}")))?;
            read_vectors(row, &self.wrt)
        };
        match self.kind {
            Kind::Jacobian => Ok(self.of.iter().map(row).collect::<Result<Vec<_>, _>>()?.concat()),
            Kind::Jvp => read_vectors(answer, &self.of),
            Kind::Vjp => read_vectors(answer, &self.wrt),
        }
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

/// The arrays at these keys of an object.
fn read_vectors(value: &Value, paths: &[&Path]) -> Result<Vec<Array>, ModelError> {
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
