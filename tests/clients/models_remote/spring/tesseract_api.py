"""Springs of several stiffnesses: a model with derivatives of its own, and inputs of every kind."""

import numpy as np
from pydantic import BaseModel, Field, field_validator
from tesseract_core.runtime import Array, Differentiable, Float32, Float64, Int64, ShapeDType


class Part(BaseModel):
    gain: Differentiable[Array[(), Float64]] = Field(description="What the force is multiplied by.")
    label: str = "spring"


class InputSchema(BaseModel):
    x: Differentiable[Array[(None,), Float64]] = Field(description="Deflections.")
    k: Differentiable[Array[(), Float32]] = Field(description="Stiffness.")
    offset: Array[(3,), Float64] | None = None
    part: Part
    count: int = 2
    weights: list[float] = [1.0, 2.0]
    fields: dict[str, Differentiable[Array[(None,), Float64]]] = {}

    @field_validator("count")
    @classmethod
    def is_positive(cls, count):
        if count < 1:
            raise ValueError("there must be at least one")
        return count


class OutputSchema(BaseModel):
    force: Differentiable[Array[(None,), Float64]]
    energy: Differentiable[Array[(), Float64]]
    elements: Array[(), Int64]
    note: str


def apply(inputs: InputSchema) -> OutputSchema:
    x, k, gain = inputs.x, float(inputs.k), float(inputs.part.gain)
    if np.any(x > 100.0):
        raise RuntimeError("the spring broke")
    extra = sum(inputs.weights) * inputs.count + sum(float(np.sum(field)) for field in inputs.fields.values())
    offset = 0.0 if inputs.offset is None else float(np.sum(inputs.offset))
    return OutputSchema(
        force=gain * k * x**2,
        energy=np.asarray(k * np.sum(x) + extra + offset),
        elements=np.asarray(len(x), dtype=np.int64),
        note=inputs.part.label,
    )


def jacobian(inputs: InputSchema, jac_inputs: set[str], jac_outputs: set[str]):
    x, k, gain = inputs.x, float(inputs.k), float(inputs.part.gain)
    ones = {f"fields.{{{key}}}": np.ones_like(field) for key, field in inputs.fields.items()}
    none = {path: np.zeros((len(x), len(field))) for path, field in ones.items()}
    blocks = {
        "force": {"x": np.diag(2 * gain * k * x), "k": gain * x**2, "part.gain": k * x**2, **none},
        "energy": {"x": np.full(len(x), k), "k": np.sum(x), "part.gain": np.asarray(0.0), **ones},
    }
    return {of: {wrt: np.asarray(blocks[of][wrt]) for wrt in jac_inputs} for of in jac_outputs}


def jacobian_vector_product(inputs: InputSchema, jvp_inputs: set[str], jvp_outputs: set[str], tangent_vector: dict):
    blocks = jacobian(inputs, jvp_inputs, jvp_outputs)
    return {
        of: sum(np.tensordot(blocks[of][wrt], tangent_vector[wrt], np.ndim(tangent_vector[wrt])) for wrt in jvp_inputs)
        for of in jvp_outputs
    }


def vector_jacobian_product(inputs: InputSchema, vjp_inputs: set[str], vjp_outputs: set[str], cotangent_vector: dict):
    blocks = jacobian(inputs, vjp_inputs, vjp_outputs)
    return {
        wrt: sum(
            np.tensordot(cotangent_vector[of], blocks[of][wrt], np.ndim(cotangent_vector[of])) for of in vjp_outputs
        )
        for wrt in vjp_inputs
    }


def abstract_eval(abstract_inputs):
    x = abstract_inputs.x
    scalar = ShapeDType(shape=(), dtype="float64")
    return {
        "force": ShapeDType(shape=x.shape, dtype="float64"),
        "energy": scalar,
        "elements": ShapeDType(shape=(), dtype="int64"),
        "note": "",
    }
