"""Arrays alone, a gradient, and shapes that only the model knows: y is x without its ends, squared."""

import numpy as np
from pydantic import BaseModel
from tesseract_core.runtime import Array, Differentiable, Float16, Float32, Int32, ShapeDType, UInt8
from tesseract_core.runtime.schema_types import Bool, Complex128


class InputSchema(BaseModel):
    x: Differentiable[Array[(None,), Float32]]
    flags: Array[(None,), Bool] = np.array([True, False])
    counts: Array[(2, 2), Int32] = np.ones((2, 2), dtype=np.int32)
    waves: Array[(None,), Complex128] = np.zeros(0, dtype=np.complex128)
    halves: Array[..., Float16] = np.zeros(3, dtype=np.float16)


class OutputSchema(BaseModel):
    y: Differentiable[Array[(None,), Float32]]
    flags: Array[(None,), Bool]
    bytes: Array[(2, 2), UInt8]
    waves: Array[(None,), Complex128]
    halves: Array[..., Float16]


def apply(inputs: InputSchema) -> OutputSchema:
    return OutputSchema(
        y=inputs.x[1:-1] ** 2,
        flags=~inputs.flags,
        bytes=inputs.counts.astype(np.uint8),
        waves=1j * inputs.waves,
        halves=inputs.halves,
    )


def vector_jacobian_product(inputs: InputSchema, vjp_inputs: set[str], vjp_outputs: set[str], cotangent_vector: dict):
    gradient = np.zeros_like(inputs.x)
    gradient[1:-1] = 2 * inputs.x[1:-1] * cotangent_vector["y"]
    return {"x": gradient}


def abstract_eval(abstract_inputs):
    return {
        "y": ShapeDType(shape=(abstract_inputs.x.shape[0] - 2,), dtype="float32"),
        "flags": abstract_inputs.flags,
        "bytes": ShapeDType(shape=(2, 2), dtype="uint8"),
        "waves": abstract_inputs.waves,
        "halves": abstract_inputs.halves,
    }
