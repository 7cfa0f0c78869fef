"""nested: structs, dictionaries and lists of arrays, in and out."""

import re

import exact
import numpy as np
from pydantic import BaseModel, Field
from tesseract_core.runtime import Array, Differentiable, Float64, Int32, Int64, ShapeDType

Three = Differentiable[Array[(3,), Float64]]
Any = Differentiable[Array[(None,), Float64]]
Number = Differentiable[Array[(), Float64]]


class Params(BaseModel):
    gain: Number = Field(description="What fields and layers are multiplied by.")
    offset: Three = Field(description="What is added to every layer.")
    mode: str = Field("plain", description="Any text; nothing depends on it.")


class InputSchema(BaseModel):
    params: Params
    fields: dict[str, Any] = Field(description="Vectors by name: the paths are fields.{name}.")
    layers: list[Three] = Field(
        description="Vectors in order: the paths are layers.[0], layers.[1], and so on."
    )
    counts: Array[(None,), Int32] | None = Field(
        None, description="Integers that are added to the total, if there are any."
    )


class Summary(BaseModel):
    total: Number
    n_layers: Array[(), Int64]


class OutputSchema(BaseModel):
    summary: Summary
    per_key: dict[str, Any] = Field(description="A vector for every field, under its name and as long.")
    layers_out: list[Three] = Field(description="A vector for every layer.")


def escaped(key):
    return re.sub(r"([{}\\])", r"\\\1", key)


def model_of(inputs):
    """The function to be differentiated, from paths to paths, and where."""
    leaves = {"params.gain": inputs.params.gain, "params.offset": inputs.params.offset}
    leaves |= {f"fields.{{{escaped(key)}}}": field for key, field in inputs.fields.items()}
    leaves |= {f"layers.[{i}]": layer for i, layer in enumerate(inputs.layers)}
    added = 0 if inputs.counts is None else inputs.counts.sum()

    def evaluate(leaves):
        gain, offset = leaves["params.gain"], leaves["params.offset"]
        out = {
            path.replace("fields", "per_key", 1): gain * np.tanh(leaf)
            for path, leaf in leaves.items()
            if path.startswith("fields.")
        }
        out |= {
            path.replace("layers", "layers_out", 1): gain * np.sin(leaf) + offset
            for path, leaf in leaves.items()
            if path.startswith("layers.")
        }
        out["summary.total"] = sum((v * v).sum() for v in out.values()) / 2 + added
        return out

    return evaluate, leaves


def apply(inputs: InputSchema) -> OutputSchema:
    """Evaluates the nested model."""
    evaluate, leaves = model_of(inputs)
    out = evaluate(leaves)
    return OutputSchema(
        summary={"total": out["summary.total"], "n_layers": len(inputs.layers)},
        per_key={key: out[f"per_key.{{{escaped(key)}}}"] for key in inputs.fields},
        layers_out=[out[f"layers_out.[{i}]"] for i in range(len(inputs.layers))],
    )


def jacobian(inputs: InputSchema, jac_inputs: set[str], jac_outputs: set[str]):
    return exact.jacobian(*model_of(inputs), jac_inputs, jac_outputs)


def jacobian_vector_product(inputs: InputSchema, jvp_inputs: set[str], jvp_outputs: set[str], tangent_vector):
    return exact.jvp(*model_of(inputs), jvp_inputs, jvp_outputs, tangent_vector)


def vector_jacobian_product(inputs: InputSchema, vjp_inputs: set[str], vjp_outputs: set[str], cotangent_vector):
    return exact.vjp(*model_of(inputs), vjp_inputs, vjp_outputs, cotangent_vector)


def abstract_eval(abstract_inputs):
    def float64(*shape):
        return ShapeDType(shape=shape, dtype="float64")

    return {
        "summary": {"total": float64(), "n_layers": ShapeDType(shape=(), dtype="int64")},
        "per_key": {key: float64(*field.shape) for key, field in abstract_inputs.fields.items()},
        "layers_out": [float64(3) for _ in abstract_inputs.layers],
    }
